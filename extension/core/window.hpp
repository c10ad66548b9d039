// Windows over event time. Times are microseconds since 2000-01-01 UTC (PostgreSQL's epoch);
// windows are aligned to 1970-01-01 UTC, so the constant between the two enters each alignment.
#pragma once

#include <cstdint>
#include <limits>
#include <numeric>

namespace globalmart {

using Micros = int64_t;

inline constexpr Micros kUnixEpoch = -946684800LL * 1000000;  // 1970-01-01 on PostgreSQL's scale
inline constexpr Micros kMinusInfinity = std::numeric_limits<int64_t>::min();
inline constexpr Micros kPlusInfinity = std::numeric_limits<int64_t>::max();

enum class WindowKind : uint8_t { kTumble, kHop, kSession };

// The greatest start of a pane of `width` microseconds, shifted by `offset`, that is <= t. Right
// before 1970 and for widths that do not divide a day. Infinite times stay as they are.
constexpr Micros floor_to(Micros t, Micros width, Micros offset = 0) {
  if (t == kMinusInfinity || t == kPlusInfinity) return t;
  const __int128 since = static_cast<__int128>(t) - kUnixEpoch - offset;
  __int128 rest = since % width;
  if (rest < 0) rest += width;
  const __int128 start = static_cast<__int128>(t) - rest;
  return start < kMinusInfinity + 1 ? kMinusInfinity + 1 : static_cast<Micros>(start);
}

// Saturating sum: infinities and the ends of the scale stay what they are.
constexpr Micros add(Micros t, Micros delta) {
  if (t == kMinusInfinity || t == kPlusInfinity) return t;
  Micros sum = 0;
  if (__builtin_add_overflow(t, delta, &sum)) return delta > 0 ? kPlusInfinity : kMinusInfinity;
  return sum;
}

// The shape of a rollup's windows. For sessions `width` is the gap.
struct WindowShape {
  WindowKind kind = WindowKind::kTumble;
  Micros width = 0;
  Micros slide = 0;
  Micros offset = 0;

  // The widest pane that tiles every window; an event belongs to exactly one slice.
  Micros slice_width() const { return std::gcd(width, slide); }

  // The start of the newest window that holds t.
  Micros last_start(Micros t) const { return floor_to(t, slide, offset); }

  // The greatest window end <= watermark: what can be published as closed.
  Micros closable_until(Micros watermark) const {
    if (kind == WindowKind::kSession) return watermark;
    return add(floor_to(add(watermark, -width), slide, offset), width);
  }

  // Events before this are late when the rollup is closed up to `closed_until`: all their windows
  // (for a session: every session that they could belong to) are closed.
  Micros late_before(Micros closed_until) const {
    if (closed_until == kMinusInfinity) return kMinusInfinity;
    if (kind == WindowKind::kSession) return add(closed_until, 1);
    return add(floor_to(add(closed_until, -width), slide, offset), slide);
  }

  // Events before this have missed at least one of their windows: only sliding windows that overlap
  // can be missed in part.
  Micros partly_late_before(Micros closed_until) const {
    if (kind != WindowKind::kHop || closed_until == kMinusInfinity)
      return late_before(closed_until);
    return add(floor_to(add(closed_until, -slide), slide, offset), slide);
  }
};

}  // namespace globalmart
