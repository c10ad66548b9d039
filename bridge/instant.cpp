#include "bridge/instant.hpp"

#include <chrono>
#include <cstdio>

namespace globalmart {

namespace {

// `count` digits at `p`, or -1.
inline int digits(const char* p, int count) {
  int value = 0;
  for (int i = 0; i < count; ++i) {
    const unsigned digit = static_cast<unsigned char>(p[i]) - unsigned{'0'};
    if (digit > 9) return -1;
    value = value * 10 + static_cast<int>(digit);
  }
  return value;
}

// Days from 1970-01-01 of a proleptic Gregorian date.
constexpr int32_t days_from_civil(int year, int month, int day) {
  year -= month <= 2;
  const int era = (year >= 0 ? year : year - 399) / 400;
  const int year_of_era = year - era * 400;
  const int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

constexpr int days_in_month(int year, int month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return kDays[month - 1] + (month == 2 && leap ? 1 : 0);
}

struct CivilDate {
  int year, month, day;
};

CivilDate civil_from_days(int32_t days) {
  const int shifted = days + 719468;
  const int era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
  const int day_of_era = shifted - era * 146097;
  const int year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int shifted_month = (5 * day_of_year + 2) / 153;
  const int day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
  const int month = shifted_month + (shifted_month < 10 ? 3 : -9);
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month, day};
}

}  // namespace

std::optional<Micros> parse_timestamp(std::string_view text) {
  if (text.size() < 19) return std::nullopt;
  const char* p = text.data();
  const char* const end = p + text.size();
  if (p[4] != '-' || p[7] != '-' || p[10] != 'T' || p[13] != ':' || p[16] != ':') {
    return std::nullopt;
  }
  const int year = digits(p, 4);
  const int month = digits(p + 5, 2);
  const int day = digits(p + 8, 2);
  const int hour = digits(p + 11, 2);
  const int minute = digits(p + 14, 2);
  const int second = digits(p + 17, 2);
  if (year < 0 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) {
    return std::nullopt;
  }
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) {
    return std::nullopt;
  }
  p += 19;
  int64_t micros = 0;
  if (p < end && *p == '.') {
    ++p;
    int64_t unit = 100'000;
    const char* const start = p;
    while (p < end && *p >= '0' && *p <= '9') {
      if (p - start == 6) return std::nullopt;
      micros += unit * (*p++ - '0');
      unit /= 10;
    }
    if (p == start) return std::nullopt;
  }
  int offset_minutes = 0;
  if (p < end) {
    if (*p == 'Z') {
      ++p;
    } else if (*p == '+' || *p == '-') {
      if (end - p != 6 || p[3] != ':') return std::nullopt;
      const int offset_hour = digits(p + 1, 2);
      const int offset_minute = digits(p + 4, 2);
      if (offset_hour < 0 || offset_hour > 15 || offset_minute < 0 || offset_minute > 59) {
        return std::nullopt;
      }
      offset_minutes = offset_hour * 60 + offset_minute;
      if (*p == '-') offset_minutes = -offset_minutes;
      p += 6;
    }
    if (p != end) return std::nullopt;
  }
  const int64_t seconds = int64_t{days_from_civil(year, month, day)} * 86'400 + hour * 3600 +
                          (minute - offset_minutes) * 60 + second;
  return seconds * kMicrosPerSecond + micros;
}

int32_t day_of(Micros instant) {
  const int64_t day = instant / kMicrosPerDay;
  return static_cast<int32_t>(instant % kMicrosPerDay < 0 ? day - 1 : day);
}

std::string day_text(int32_t day) {
  const CivilDate date = civil_from_days(day);
  char text[40];
  std::snprintf(text, sizeof text, "%04d-%02d-%02d", date.year, date.month, date.day);
  return text;
}

std::string instant_text(Micros instant) {
  const int32_t day = day_of(instant);
  const int64_t micros = instant - int64_t{day} * kMicrosPerDay;
  const int seconds = static_cast<int>(micros / kMicrosPerSecond);
  char text[40];
  std::snprintf(text, sizeof text, " %02d:%02d:%02d.%06d+00", seconds / 3600, seconds / 60 % 60,
                seconds % 60, static_cast<int>(micros % kMicrosPerSecond));
  return day_text(day) + text;
}

Micros Clock::now() const {
  if (fixed_) return *fixed_;
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace globalmart
