#include "generator/event_time.hpp"

#include <charconv>
#include <chrono>
#include <cmath>
#include <stdexcept>

namespace globalmart::generator {
namespace {

constexpr int64_t kNanosecondsAnHour = 3'600'000'000'000;

// Events in each hour of the day (UTC), relative to one another.
constexpr std::array<double, 24> kDay = {3,  3,  3,  3,  3,  3,  3,  7,  9,  11, 18, 18,
                                         18, 18, 12, 11, 11, 12, 14, 18, 18, 12, 8,  3};

constexpr double day_average() {
  double sum = 0;
  for (double weight : kDay) sum += weight;
  return sum / kDay.size();
}

void write_digits(char* out, uint64_t number, int digits) {
  for (int i = digits; i-- > 0; number /= 10) out[i] = static_cast<char>('0' + number % 10);
}

/// Reads a text from its front.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }
  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  /// Exactly this many digits.
  int number(size_t digits) {
    int value = 0;
    if (rest_.size() < digits) fail();
    for (size_t i = 0; i < digits; ++i) {
      if (rest_[i] < '0' || rest_[i] > '9') fail();
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(digits);
    return value;
  }
  /// Up to six digits after a point, as microseconds.
  int64_t fraction() {
    int64_t value = 0;
    int digits = 0;
    while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') {
      if (++digits > 6) fail();
      value = value * 10 + (rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    if (digits == 0) fail();
    for (; digits < 6; ++digits) value *= 10;
    return value;
  }
  [[noreturn]] static void fail() {
    throw std::invalid_argument("not a time: use YYYY-MM-DDTHH:MM:SSZ, now, or now-6h");
  }

 private:
  std::string_view rest_;
};

Instant parse_relative(std::string_view difference) {
  if (difference.empty()) return wall_clock();
  const bool back = difference.front() == '-';
  if (!back && difference.front() != '+') Scanner::fail();
  int64_t amount = 0;
  const char* const end = difference.data() + difference.size();
  const auto [rest, error] = std::from_chars(difference.data() + 1, end, amount);
  if (error != std::errc() || amount < 0 || amount > 1'000'000'000 || rest + 1 != end)
    Scanner::fail();
  int64_t unit = 0;
  switch (*rest) {
    case 's':
      unit = 1;
      break;
    case 'm':
      unit = 60;
      break;
    case 'h':
      unit = 3600;
      break;
    case 'd':
      unit = 86400;
      break;
    default:
      Scanner::fail();
  }
  return wall_clock() + (back ? -amount : amount) * unit * kSecond;
}

}  // namespace

void write_instant(Instant instant, char* out) {
  using namespace std::chrono;
  const sys_time<microseconds> time{microseconds(instant)};
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{time - day};
  write_digits(out, static_cast<uint64_t>(static_cast<int>(date.year())), 4);
  out[4] = '-';
  write_digits(out + 5, static_cast<unsigned>(date.month()), 2);
  out[7] = '-';
  write_digits(out + 8, static_cast<unsigned>(date.day()), 2);
  out[10] = 'T';
  write_digits(out + 11, static_cast<uint64_t>(clock.hours().count()), 2);
  out[13] = ':';
  write_digits(out + 14, static_cast<uint64_t>(clock.minutes().count()), 2);
  out[16] = ':';
  write_digits(out + 17, static_cast<uint64_t>(clock.seconds().count()), 2);
  out[19] = '.';
  write_digits(out + 20, static_cast<uint64_t>(clock.subseconds().count()), 6);
  out[26] = 'Z';
}

std::string format_instant(Instant instant) {
  std::string text(kInstantLength, ' ');
  write_instant(instant, text.data());
  return text;
}

Instant wall_clock() {
  using namespace std::chrono;
  return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
}

Instant parse_instant(std::string_view text) {
  using namespace std::chrono;
  if (text.starts_with("now")) return parse_relative(text.substr(3));
  Scanner in(text);
  const int year_number = in.number(4);
  if (!in.take('-')) Scanner::fail();
  const int month_number = in.number(2);
  if (!in.take('-')) Scanner::fail();
  const year_month_day date{year(year_number), month(static_cast<unsigned>(month_number)),
                            day(static_cast<unsigned>(in.number(2)))};
  if (!date.ok()) Scanner::fail();
  int64_t seconds = sys_days(date).time_since_epoch().count() * 86400LL;
  int64_t micros = 0;
  if (in.take('T') || in.take(' ')) {
    const int hour = in.number(2);
    if (!in.take(':')) Scanner::fail();
    const int minute = in.number(2);
    const int second = in.take(':') ? in.number(2) : 0;
    if (hour > 23 || minute > 59 || second > 59) Scanner::fail();
    seconds += hour * 3600 + minute * 60 + second;
    if (in.take('.')) micros = in.fraction();
  }
  if (!in.done() && !in.take('Z')) {
    const bool east = in.take('+');
    if (!east && !in.take('-')) Scanner::fail();
    const int hours = in.number(2);
    if (!in.take(':')) Scanner::fail();
    const int minutes = in.number(2);
    if (hours > 15 || minutes > 59) Scanner::fail();
    const int64_t zone = hours * 3600 + minutes * 60;
    seconds += east ? -zone : zone;
  }
  if (!in.done()) Scanner::fail();
  return seconds * kSecond + micros;
}

EventClock::EventClock(Instant start, double events_per_second, bool flat_day, uint64_t seed)
    : gap_(1e9 / events_per_second),
      flat_day_(flat_day),
      random_(seed),
      nanoseconds_(start * 1000) {
  if (!(events_per_second > 0)) throw std::invalid_argument("the rate of events must be above 0");
  enter_hour();
}

double EventClock::hour_weight(unsigned hour) { return kDay[hour % 24] / day_average(); }

void EventClock::enter_hour() {
  const int64_t hour = nanoseconds_ / kNanosecondsAnHour;
  hour_end_ = (hour + 1) * kNanosecondsAnHour;
  hour_gap_ = flat_day_ ? gap_ : gap_ / hour_weight(static_cast<unsigned>(hour % 24));
}

Instant EventClock::next() {
  nanoseconds_ += std::llround(2 * hour_gap_ * random_.unit());
  if (nanoseconds_ >= hour_end_) enter_hour();
  return now();
}

}  // namespace globalmart::generator
