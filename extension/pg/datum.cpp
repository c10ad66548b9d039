#include "pg/datum.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>

#include "core/bytes.hpp"

extern "C" {
#include "utils/fmgrprotos.h"
}

namespace globalmart::pg {

namespace {

int64_t float_bits(double value) {
  int64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

// The stored layout of numeric (PostgreSQL: numeric.c), which has not changed since 9.1: a header
// of two or four bytes, then digits of base 10,000, most significant first.
struct StoredNumeric {
  uint16_t header;
  uint16_t rest[1];
};
constexpr uint16_t kSignMask = 0xC000;
constexpr uint16_t kShort = 0x8000;
constexpr uint16_t kSpecial = 0xC000;
constexpr uint16_t kNan = 0xC000;
constexpr uint16_t kPlusInfinity = 0xD000;
constexpr uint16_t kMinusInfinity = 0xF000;

__int128 multiply(__int128 value, int power_of_ten) {
  for (; power_of_ten > 0; --power_of_ten)
    if (__builtin_mul_overflow(value, static_cast<__int128>(10), &value))
      throw std::overflow_error("decimal out of range");
  return value;
}

// Whether these are bytes that PostgreSQL itself keeps for a number.
bool is_stored_numeric(std::string_view bytes) {
  uint16_t header;
  if (bytes.size() < sizeof header || bytes.size() % 2 != 0) return false;
  memcpy(&header, bytes.data(), sizeof header);
  if ((header & kSignMask) == kSpecial)
    return bytes.size() == sizeof header &&
           (header == kNan || header == kPlusInfinity || header == kMinusInfinity);
  const size_t begin = (header & kSignMask) == kShort ? 2 : 4;
  if (bytes.size() < begin) return false;
  int16_t digit = 1;
  for (size_t at = begin; at < bytes.size(); at += 2) {
    memcpy(&digit, bytes.data() + at, 2);
    if (digit < 0 || digit > 9999 || (at == begin && digit == 0)) return false;
  }
  return digit != 0;  // neither the first nor the last one is kept when it is 0
}

}  // namespace

TypeForm type_form(Oid type) {
  TypeForm form;
  form.type = type;
  char alignment;
  get_typlenbyvalalign(type, &form.length, &form.by_value, &alignment);
  if (type == FLOAT4OID || type == FLOAT8OID)
    form.form = ValueForm::kFloat;
  else
    form.form = form.by_value ? ValueForm::kInteger : ValueForm::kBytes;
  return form;
}

Value to_value(Datum datum, const TypeForm& form) {
  Value value;
  value.is_null = false;
  if (form.form == ValueForm::kFloat) {
    value.integer =
        float_bits(form.type == FLOAT4OID ? DatumGetFloat4(datum) : DatumGetFloat8(datum));
  } else if (form.by_value) {
    switch (form.length) {
      case 1:
        value.integer = DatumGetChar(datum);
        break;
      case 2:
        value.integer = DatumGetInt16(datum);
        break;
      case 4:
        value.integer = DatumGetInt32(datum);
        break;
      default:
        value.integer = DatumGetInt64(datum);
    }
  } else if (form.length == -1) {
    value.bytes = text_bytes(datum);
  } else {
    const size_t length = form.length > 0 ? form.length : strlen(DatumGetCString(datum));
    value.bytes = {DatumGetPointer(datum), length};
  }
  return value;
}

Value to_key_value(Datum datum, const TypeForm& form) {
  if (form.type == NUMERICOID) datum = DirectFunctionCall1(numeric_trim_scale, datum);
  Value value = to_value(datum, form);
  if (form.form == ValueForm::kFloat) {
    double number;
    memcpy(&number, &value.integer, sizeof number);
    if (number == 0) value.integer = float_bits(0.0);
    if (std::isnan(number)) value.integer = float_bits(std::numeric_limits<double>::quiet_NaN());
  }
  return value;
}

Datum to_datum(const Value& value, const TypeForm& form) {
  if (form.form == ValueForm::kFloat) {
    double number;
    memcpy(&number, &value.integer, sizeof number);
    return form.type == FLOAT4OID ? Float4GetDatum(static_cast<float>(number))
                                  : Float8GetDatum(number);
  }
  if (form.by_value) {
    switch (form.length) {
      case 1:
        return CharGetDatum(static_cast<char>(value.integer));
      case 2:
        return Int16GetDatum(static_cast<int16>(value.integer));
      case 4:
        return Int32GetDatum(static_cast<int32>(value.integer));
      default:
        return Int64GetDatum(value.integer);
    }
  }
  if (form.length == -1) {
    auto* made = static_cast<struct varlena*>(palloc(VARHDRSZ + value.bytes.size()));
    SET_VARSIZE(made, VARHDRSZ + value.bytes.size());
    memcpy(VARDATA(made), value.bytes.data(), value.bytes.size());
    return PointerGetDatum(made);
  }
  if (form.length > 0 && value.bytes.size() != static_cast<size_t>(form.length))
    throw std::runtime_error("a stored value has the wrong length for its type");
  char* made = static_cast<char*>(palloc0(value.bytes.size() + 1));
  memcpy(made, value.bytes.data(), value.bytes.size());
  return PointerGetDatum(made);
}

Datum to_checked_datum(const Value& value, const TypeForm& form) {
  if (form.by_value || form.length > 0) return to_datum(value, form);
  switch (form.type) {
    case TEXTOID:
    case VARCHAROID:
      if (!pg_verifymbstr(value.bytes.data(), static_cast<int>(value.bytes.size()), true))
        throw CorruptBytes("a stored text is none in the encoding of the database");
      break;
    case NUMERICOID:
      if (!is_stored_numeric(value.bytes))
        throw CorruptBytes("a stored numeric has bytes that no number has");
      break;
    case BYTEAOID:
      break;
    default:
      throw CorruptBytes("a stored value is of a type that is not stored");
  }
  return to_datum(value, form);
}

Decimal to_decimal(Datum datum) {
  const std::string_view bytes = text_bytes(datum);
  uint16_t header;
  memcpy(&header, bytes.data(), 2);
  Decimal value;
  int weight = 0;
  bool negative = false;
  size_t at = 2;
  if ((header & kSignMask) == kSpecial) {
    value.special = header == kNan            ? Decimal::Special::kNan
                    : header == kPlusInfinity ? Decimal::Special::kInfinity
                                              : Decimal::Special::kMinusInfinity;
    return value;
  }
  if ((header & kSignMask) == kShort) {
    negative = (header & 0x2000) != 0;
    value.scale = (header & 0x1F80) >> 7;
    weight = (header & 0x0040) ? static_cast<int>(header & 0x003F) - 64 : header & 0x003F;
  } else {
    int16_t stored_weight;
    memcpy(&stored_weight, bytes.data() + 2, 2);
    negative = (header & kSignMask) == 0x4000;
    value.scale = header & 0x3FFF;
    weight = stored_weight;
    at = 4;
  }
  const int digits = static_cast<int>((bytes.size() - at) / 2);
  if (digits == 0) return value;
  if (value.scale > 38) throw std::overflow_error("decimal out of range");
  __int128 mantissa = 0;
  for (int i = 0; i < digits; ++i) {
    int16_t digit;
    memcpy(&digit, bytes.data() + at + 2 * i, 2);
    if (__builtin_mul_overflow(mantissa, static_cast<__int128>(10000), &mantissa) ||
        __builtin_add_overflow(mantissa, static_cast<__int128>(digit), &mantissa))
      throw std::overflow_error("decimal out of range");
  }
  // mantissa x 10^exponent is the value; it is wanted as mantissa x 10^-scale.
  int shift = (weight - digits + 1) * 4 + value.scale;
  if (shift >= 0) {
    mantissa = multiply(mantissa, shift);
  } else {
    for (; shift < 0; ++shift) mantissa /= 10;  // padding of the last digit: zeros
  }
  value.mantissa = negative ? -mantissa : mantissa;
  return value;
}

Datum from_decimal(const Decimal& value) {
  if (value.special == Decimal::Special::kNan)
    return DirectFunctionCall3(numeric_in, CStringGetDatum("NaN"), ObjectIdGetDatum(InvalidOid),
                               Int32GetDatum(-1));
  if (value.special != Decimal::Special::kFinite)
    return DirectFunctionCall3(
        numeric_in,
        CStringGetDatum(value.special == Decimal::Special::kInfinity ? "Infinity" : "-Infinity"),
        ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
  if (value.scale == 0 && value.mantissa <= INT64_MAX && value.mantissa >= INT64_MIN)
    return NumericGetDatum(int64_to_numeric(static_cast<int64>(value.mantissa)));
  char text[64];
  char* at = text + sizeof text;
  *--at = '\0';
  const bool negative = value.mantissa < 0;
  auto rest = negative ? -static_cast<unsigned __int128>(value.mantissa)
                       : static_cast<unsigned __int128>(value.mantissa);
  for (int digit = 0; rest != 0 || digit <= value.scale; ++digit) {
    if (digit == value.scale && value.scale > 0) *--at = '.';
    *--at = static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  }
  if (negative) *--at = '-';
  return DirectFunctionCall3(numeric_in, CStringGetDatum(at), ObjectIdGetDatum(InvalidOid),
                             Int32GetDatum(-1));
}

}  // namespace globalmart::pg
