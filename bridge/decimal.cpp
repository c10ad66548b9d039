#include "bridge/decimal.hpp"

#include <algorithm>
#include <limits>

namespace globalmart {

namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

constexpr int64_t kPowersOfTen[] = {1,
                                    10,
                                    100,
                                    1000,
                                    10000,
                                    100000,
                                    1000000,
                                    10000000,
                                    100000000,
                                    1000000000,
                                    10000000000,
                                    100000000000,
                                    1000000000000,
                                    10000000000000,
                                    100000000000000,
                                    1000000000000000,
                                    10000000000000000,
                                    100000000000000000,
                                    1000000000000000000};

// An exponent beyond this means the same as any greater one for every bound and scale here.
constexpr int64_t kExponentCap = int64_t{1} << 40;

constexpr int kMaxDigits = 38;

}  // namespace

NumberForm number_form(std::string_view token) {
  const char* p = token.data();
  const char* const end = p + token.size();
  if (p < end && *p == '-') ++p;
  if (p == end || !is_digit(*p)) return NumberForm::kInvalid;
  if (*p == '0') {
    ++p;
  } else {
    while (p < end && is_digit(*p)) ++p;
  }
  if (p == end) return NumberForm::kInteger;
  if (*p == '.') {
    ++p;
    if (p == end || !is_digit(*p)) return NumberForm::kInvalid;
    while (p < end && is_digit(*p)) ++p;
    if (p == end) return NumberForm::kFraction;
  }
  if (*p != 'e' && *p != 'E') return NumberForm::kInvalid;
  ++p;
  if (p < end && (*p == '+' || *p == '-')) ++p;
  if (p == end) return NumberForm::kInvalid;
  while (p < end && is_digit(*p)) ++p;
  return p == end && is_digit(p[-1]) ? NumberForm::kFraction : NumberForm::kInvalid;
}

std::optional<Decimal> Decimal::parse(std::string_view token) {
  if (number_form(token) == NumberForm::kInvalid) return std::nullopt;
  Decimal result;
  size_t at = 0;
  if (token[at] == '-') {
    result.negative_ = true;
    ++at;
  }
  int64_t point = 0;  // digits before the point
  bool fraction = false;
  for (; at < token.size() && token[at] != 'e' && token[at] != 'E'; ++at) {
    if (token[at] == '.') {
      fraction = true;
      continue;
    }
    result.digits_.push_back(token[at]);
    if (!fraction) ++point;
  }
  int64_t exponent = 0;
  if (at < token.size()) {
    ++at;
    bool negative_exponent = false;
    if (token[at] == '+' || token[at] == '-') negative_exponent = token[at++] == '-';
    for (; at < token.size(); ++at) {
      exponent = std::min<int64_t>(exponent * 10 + (token[at] - '0'), kExponentCap);
    }
    if (negative_exponent) exponent = -exponent;
  }
  const size_t leading = result.digits_.find_first_not_of('0');
  if (leading == std::string::npos) return Decimal();  // zero, whatever sign and exponent
  result.digits_.erase(0, leading);
  result.digits_.erase(result.digits_.find_last_not_of('0') + 1);
  result.exponent_ = point - static_cast<int64_t>(leading) + exponent;
  return result;
}

int Decimal::compare_magnitude(const Decimal& other) const {
  if (digits_.empty() || other.digits_.empty()) {
    return static_cast<int>(!digits_.empty()) - static_cast<int>(!other.digits_.empty());
  }
  if (exponent_ != other.exponent_) return exponent_ < other.exponent_ ? -1 : 1;
  const int order = digits_.compare(other.digits_);
  return order < 0 ? -1 : (order > 0 ? 1 : 0);
}

int Decimal::compare(const Decimal& other) const {
  if (negative_ != other.negative_) return negative_ ? -1 : 1;
  return negative_ ? other.compare_magnitude(*this) : compare_magnitude(other);
}

std::optional<Int128> Decimal::rounded(int scale) const {
  // Digits before the rounding point: exponent + scale of them.
  const int64_t kept = exponent_ + scale;
  if (digits_.empty() || kept < 0) return Int128{0};
  if (kept > kMaxDigits) return std::nullopt;
  Int128 units = 0;
  for (int64_t i = 0; i < kept; ++i) {
    const bool given = i < static_cast<int64_t>(digits_.size());
    units = units * 10 + (given ? digits_[static_cast<size_t>(i)] - '0' : 0);
  }
  if (kept < static_cast<int64_t>(digits_.size()) && digits_[static_cast<size_t>(kept)] >= '5') {
    ++units;
  }
  return negative_ ? -units : units;
}

DecimalRange::DecimalRange(std::optional<Decimal> minimum, std::optional<Decimal> maximum,
                           int scale)
    : minimum_(std::move(minimum)), maximum_(std::move(maximum)), scale_(scale) {
  constexpr int64_t kLowest = std::numeric_limits<int64_t>::min();
  constexpr int64_t kGreatest = std::numeric_limits<int64_t>::max();
  // A bound with more fraction digits than the fast path has, or a huge one, makes the path
  // unusable for numbers near it: an empty range sends everything to the slow path.
  const auto fast = [](const std::optional<Decimal>& bound, int64_t absent) -> int64_t {
    if (!bound) return absent;
    const std::optional<Int128> units = bound->rounded(kFastFraction);
    if (!units || *units > kGreatest || *units < kLowest) return absent;
    const std::optional<Decimal> back = Decimal::parse(to_text(*units, kFastFraction));
    return back && back->compare(*bound) == 0 ? static_cast<int64_t>(*units) : absent;
  };
  fast_minimum_ = minimum_ ? fast(minimum_, kGreatest) : kLowest;
  fast_maximum_ = maximum_ ? fast(maximum_, kLowest) : kGreatest;
}

DecimalRange::Result DecimalRange::convert(std::string_view token, Int128& value) const {
  // Fast path: up to 12 digits before the point, up to kFastFraction behind it, no exponent.
  const char* p = token.data();
  const char* const end = p + token.size();
  const bool negative = *p == '-';
  if (negative) ++p;
  if (end - p <= 18) {
    int64_t whole = 0;
    const char* const first = p;
    while (p < end && is_digit(*p)) whole = whole * 10 + (*p++ - '0');
    const auto whole_digits = p - first;
    int64_t fraction = 0;
    int fraction_digits = 0;
    if (p < end && *p == '.') {
      ++p;
      const char* const start = p;
      while (p < end && is_digit(*p)) fraction = fraction * 10 + (*p++ - '0');
      fraction_digits = static_cast<int>(p - start);
    }
    if (p == end && whole_digits <= 12 && fraction_digits <= kFastFraction) {
      int64_t micro = whole * kPowersOfTen[kFastFraction] +
                      fraction * kPowersOfTen[kFastFraction - fraction_digits];
      const int64_t exact = negative ? -micro : micro;
      if (exact >= fast_minimum_ && exact <= fast_maximum_) {
        if (scale_ <= kFastFraction) {
          const int64_t unit = kPowersOfTen[kFastFraction - scale_];
          const int64_t rounded = (micro + unit / 2) / unit;
          value = negative ? -rounded : rounded;
          return Result::kOk;
        }
      }
    }
  }
  return convert_slowly(token, value);
}

DecimalRange::Result DecimalRange::convert_slowly(std::string_view token, Int128& value) const {
  const std::optional<Decimal> number = Decimal::parse(token);
  if (!number) return Result::kIllTyped;
  if (minimum_ && number->compare(*minimum_) < 0) return Result::kOutOfRange;
  if (maximum_ && number->compare(*maximum_) > 0) return Result::kOutOfRange;
  const std::optional<Int128> units = number->rounded(scale_);
  if (!units) return Result::kOutOfRange;
  value = *units;
  return Result::kOk;
}

std::string to_text(Int128 units, int scale) {
  const bool negative = units < 0;
  unsigned __int128 magnitude =
      negative ? -static_cast<unsigned __int128>(units) : static_cast<unsigned __int128>(units);
  std::string text;
  do {
    text.push_back(static_cast<char>('0' + static_cast<int>(magnitude % 10)));
    magnitude /= 10;
  } while (magnitude != 0);
  while (static_cast<int>(text.size()) <= scale) text.push_back('0');
  if (scale > 0) text.insert(static_cast<size_t>(scale), 1, '.');
  if (negative) text.push_back('-');
  std::reverse(text.begin(), text.end());
  return text;
}

}  // namespace globalmart
