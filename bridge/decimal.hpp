// Exact decimal numbers: a JSON number token becomes a 128-bit integer of units of a scale
// (cents for scale 2), rounded half away from zero as PostgreSQL's numeric does. No binary
// floating point anywhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace globalmart {

using Int128 = __int128;

// What a JSON number token is by grammar.
enum class NumberForm : uint8_t {
  kInvalid,   // not a number of RFC 8259
  kInteger,   // without fraction and exponent
  kFraction,  // with a fraction, an exponent, or both
};

// Classifies a token (no surrounding white space) by the grammar of RFC 8259.
NumberForm number_form(std::string_view token);

// A bound, or any decimal, kept so that tokens of any length and exponent compare exactly.
class Decimal {
 public:
  // Parses a number by the JSON grammar; empty when it is not one.
  static std::optional<Decimal> parse(std::string_view token);

  // -1, 0, 1 as *this is less than, equal to or greater than `other`.
  int compare(const Decimal& other) const;

  // The number in units of 10^-scale, rounded half away from zero; empty when it does not fit into
  // 38 digits.
  std::optional<Int128> rounded(int scale) const;

 private:
  int compare_magnitude(const Decimal& other) const;

  // value = (negative ? -1 : 1) * 0.d1d2d3... * 10^exponent, without leading or trailing zeros;
  // zero has no digits.
  bool negative_ = false;
  int64_t exponent_ = 0;
  std::string digits_;
};

// The column and the range that numbers of one type must fit, prepared for speed.
class DecimalRange {
 public:
  // `minimum` and `maximum` may be absent; scale 0..37.
  DecimalRange() = default;
  DecimalRange(std::optional<Decimal> minimum, std::optional<Decimal> maximum, int scale);

  enum class Result : uint8_t { kOk, kIllTyped, kOutOfRange };

  // Checks the range on the number as it arrived, then rounds into `value`. `token` must be a valid
  // JSON number (number_form is not kInvalid).
  Result convert(std::string_view token, Int128& value) const;

 private:
  Result convert_slowly(std::string_view token, Int128& value) const;

  // Decimals with at most this many fraction digits take the fast path.
  static constexpr int kFastFraction = 6;

  std::optional<Decimal> minimum_;
  std::optional<Decimal> maximum_;
  int scale_ = 0;
  // The bounds in units of 10^-kFastFraction; an empty range when they are not whole in these.
  int64_t fast_minimum_ = 0;
  int64_t fast_maximum_ = 0;
};

// Writes units of 10^-scale as text ("-12.30"); for messages and tests.
std::string to_text(Int128 units, int scale);

}  // namespace globalmart
