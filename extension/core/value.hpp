// A value on its way from a column into an aggregate state or a key.
#pragma once

#include <cstdint>
#include <string_view>

namespace globalmart {

// How values of a type are kept and ordered.
enum class ValueForm : uint8_t {
  kInteger = 0,   // `integer` as it is: int2..int8, bool, date, timestamptz, enum oid
  kBytes = 1,     // `bytes`, ordered byte for byte: uuid, bytea, text in the C collation
  kCollated = 2,  // `bytes`, ordered by the aggregate's comparison: text in another collation
  kDecimal = 3,   // `bytes` is the stored numeric; `mantissa` x 10^-scale when asked for
  kFloat = 4,     // `integer` holds the bits of a double
};

struct Value {
  bool is_null = true;
  int64_t integer = 0;
  std::string_view bytes{};
};

inline constexpr uint8_t kMaxValueForm = 4;

// An exact decimal: mantissa x 10^-scale, or not a finite number.
struct Decimal {
  __int128 mantissa = 0;
  int32_t scale = 0;
  enum class Special : uint8_t { kFinite = 0, kNan = 1, kInfinity = 2, kMinusInfinity = 4 };
  Special special = Special::kFinite;
};

}  // namespace globalmart
