// Points in time: microseconds since 1970-01-01T00:00:00Z, proleptic Gregorian, no leap seconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace globalmart {

using Micros = int64_t;

inline constexpr Micros kMicrosPerSecond = 1'000'000;
inline constexpr Micros kMicrosPerDay = 86'400 * kMicrosPerSecond;
// PostgreSQL counts from 2000-01-01.
inline constexpr Micros kPostgresEpoch = 946'684'800 * kMicrosPerSecond;

// Parses `YYYY-MM-DDTHH:MM:SS`, an optional fraction of 1-6 digits, an optional `Z`, `+HH:MM` or
// `-HH:MM` (to 15:59); without a zone it is UTC. Empty when the text is anything else or names no
// such day or time.
std::optional<Micros> parse_timestamp(std::string_view text);

// The day (since 1970-01-01, UTC) that a point in time lies in.
int32_t day_of(Micros instant);

// "2026-11-20" for a day.
std::string day_text(int32_t day);

// "2026-11-20 10:00:00.123456+00", as PostgreSQL reads it.
std::string instant_text(Micros instant);

// The clock that says what is in the future and when a message was received. Settable in tests.
class Clock {
 public:
  Clock() = default;
  // A clock that stands still.
  explicit Clock(Micros fixed) : fixed_(fixed) {}
  Micros now() const;
  bool is_fixed() const { return fixed_.has_value(); }

 private:
  std::optional<Micros> fixed_;
};

}  // namespace globalmart
