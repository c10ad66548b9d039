#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "generator/random.hpp"

namespace globalmart::generator {

/// Microseconds since 1970-01-01T00:00:00Z.
using Instant = int64_t;

inline constexpr Instant kSecond = 1'000'000;

/// Length of "YYYY-MM-DDTHH:MM:SS.ffffffZ".
inline constexpr size_t kInstantLength = 27;

/// Writes kInstantLength characters at `out`.
void write_instant(Instant instant, char* out);
std::string format_instant(Instant instant);

/// The wall clock.
Instant wall_clock();

/// Reads `YYYY-MM-DD[THH:MM[:SS[.ffffff]]][Z|+HH:MM|-HH:MM]` (a space may stand for the T; without
/// a zone it is UTC), or `now`, or `now` and a difference in s, m, h or d: `now-6h`.
/// Throws std::invalid_argument.
Instant parse_instant(std::string_view text);

/// The clock of what happens in the shop. Events come at a rate that follows the hour of the day
/// (UTC): most at 10-14 and 19-21, few at 23-7, `events_per_second` on average over a day; gaps
/// are random, so two events seldom share a time. Never goes back.
class EventClock {
 public:
  /// `flat_day`: the same rate at every hour.
  EventClock(Instant start, double events_per_second, bool flat_day, uint64_t seed);

  /// Goes on to the next event and returns its time.
  Instant next();
  Instant now() const { return nanoseconds_ / 1000; }

  /// Share of an hour's events in those of an average hour.
  static double hour_weight(unsigned hour);

 private:
  void enter_hour();

  double gap_;  // average over a day, nanoseconds
  bool flat_day_;
  Random random_;
  int64_t nanoseconds_;
  double hour_gap_ = 0;
  int64_t hour_end_ = 0;
};

}  // namespace globalmart::generator
