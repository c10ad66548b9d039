#include "pg/canonical.hpp"

#include <bit>
#include <cmath>
#include <limits>
#include <string_view>

#include "core/hash.hpp"

namespace globalmart::pg {

namespace {

CanonicalForm form_of(Oid type, char kind) {
  if (kind == TYPTYPE_ENUM) return CanonicalForm::kInteger;
  switch (type) {
    case BOOLOID:
    case INT2OID:
    case INT4OID:
    case INT8OID:
    case OIDOID:
    case DATEOID:
    case TIMEOID:
    case TIMESTAMPOID:
    case TIMESTAMPTZOID:
      return CanonicalForm::kInteger;
    case FLOAT4OID:
      return CanonicalForm::kFloat4;
    case FLOAT8OID:
      return CanonicalForm::kFloat8;
    case NUMERICOID:
      return CanonicalForm::kNumeric;
    case TEXTOID:
    case VARCHAROID:
    case BYTEAOID:
      return CanonicalForm::kBytes;
    case BPCHAROID:
      return CanonicalForm::kPadded;
    case NAMEOID:
      return CanonicalForm::kName;
    case UUIDOID:
      return CanonicalForm::kUuid;
    default:
      return CanonicalForm::kUnsupported;
  }
}

void store64(char* out, uint64_t value) {
  for (int byte = 0; byte < 8; ++byte) out[byte] = static_cast<char>(value >> (8 * byte));
}

uint64_t float_bits(double value) {
  if (std::isnan(value)) return std::bit_cast<uint64_t>(std::numeric_limits<double>::quiet_NaN());
  if (value == 0) return 0;
  return std::bit_cast<uint64_t>(value);
}

// numeric's stored form (src/backend/utils/adt/numeric.c keeps it private; it is on disk and so as
// stable as a major version). A header of two bytes, or four with a weight of its own, then digits
// of base 10,000, the first worth 10,000^weight.
namespace stored_numeric {
constexpr uint16 kKindMask = 0xf000;
constexpr uint16 kFormMask = 0xc000;
constexpr uint16 kShort = 0x8000;
constexpr uint16 kSpecial = 0xc000;
constexpr uint16 kNegative = 0x4000;
constexpr uint16 kShortNegative = 0x2000;
constexpr uint16 kShortWeightSign = 0x0040;
constexpr uint16 kShortWeightMask = 0x003f;
}  // namespace stored_numeric

uint16 read16(const char* at) {
  uint16 value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// How many bytes the image of a numeric with this payload may need.
size_t numeric_image_limit(size_t payload) { return payload + 4; }

// Writes the image to `out` and gives its length.
size_t numeric_image(const char* payload, size_t length, char* out) {
  using namespace stored_numeric;
  enum Kind : char { kZero, kPositive, kMinus, kSpecialValue };
  if (length < 2) elog(ERROR, "numeric of %zu bytes", length);
  const uint16 header = read16(payload);
  if ((header & kFormMask) == kSpecial) {  // NaN, infinity, -infinity
    out[0] = kSpecialValue;
    out[1] = static_cast<char>((header & kKindMask) >> 8);
    return 2;
  }
  int weight;
  bool negative;
  const char* digits;
  if ((header & kFormMask) == kShort) {
    weight = (header & kShortWeightMask) - (header & kShortWeightSign);
    negative = (header & kShortNegative) != 0;
    digits = payload + 2;
  } else {
    if (length < 4) elog(ERROR, "numeric of %zu bytes", length);
    weight = static_cast<int16>(read16(payload + 2));
    negative = (header & kFormMask) == kNegative;
    digits = payload + 4;
  }
  const char* end = payload + length - (payload + length - digits) % 2;
  while (digits < end && read16(digits) == 0) {
    digits += 2;
    --weight;
  }
  while (digits < end && read16(end - 2) == 0) end -= 2;
  if (digits == end) {
    out[0] = kZero;
    return 1;
  }
  size_t used = 0;
  out[used++] = negative ? kMinus : kPositive;
  out[used++] = static_cast<char>(weight);
  out[used++] = static_cast<char>(weight >> 8);
  for (; digits < end; digits += 2) {
    const uint16 digit = read16(digits);
    out[used++] = static_cast<char>(digit);
    out[used++] = static_cast<char>(digit >> 8);
  }
  return used;
}

// Calls sink(image) once.
template <typename Sink>
auto with_image(Datum value, const TypeShape& shape, Sink&& sink) {
  char small[128];
  switch (shape.form) {
    case CanonicalForm::kInteger:
      store64(small, static_cast<uint64_t>(canonical_integer(value, shape)));
      return sink(std::string_view(small, 8));
    case CanonicalForm::kFloat4:
      store64(small, float_bits(DatumGetFloat4(value)));
      return sink(std::string_view(small, 8));
    case CanonicalForm::kFloat8:
      store64(small, float_bits(DatumGetFloat8(value)));
      return sink(std::string_view(small, 8));
    case CanonicalForm::kUuid:
      return sink(std::string_view(DatumGetPointer(value), UUID_LEN));
    case CanonicalForm::kName:
      return sink(std::string_view(NameStr(*DatumGetName(value))));
    case CanonicalForm::kNumeric:
    case CanonicalForm::kBytes:
    case CanonicalForm::kPadded:
      break;
    case CanonicalForm::kUnsupported:
      elog(ERROR, "type %u has no canonical image", shape.type);
  }
  struct varlena* const stored = PG_DETOAST_DATUM_PACKED(value);
  const char* bytes = VARDATA_ANY(stored);
  size_t length = VARSIZE_ANY_EXHDR(stored);
  char* image = nullptr;
  if (shape.form == CanonicalForm::kPadded) {
    while (length > 0 && bytes[length - 1] == ' ') --length;
  } else if (shape.form == CanonicalForm::kNumeric) {
    char* to = small;
    if (numeric_image_limit(length) > sizeof small)
      to = image = static_cast<char*>(palloc(numeric_image_limit(length)));
    length = numeric_image(bytes, length, to);
    bytes = to;
  }
  auto result = sink(std::string_view(bytes, length));
  if (image != nullptr) pfree(image);
  if (static_cast<void*>(stored) != DatumGetPointer(value)) pfree(stored);
  return result;
}

}  // namespace

TypeShape type_shape(Oid type) {
  TypeShape shape;
  shape.type = getBaseType(type);
  get_typlenbyval(shape.type, &shape.length, &shape.by_value);
  const char kind = get_typtype(shape.type);
  shape.form = form_of(shape.type, kind);
  shape.unsigned_integer = kind == TYPTYPE_ENUM || shape.type == OIDOID;
  return shape;
}

TypeShape require_canonical(Oid type, Oid collation, const char* purpose) {
  const TypeShape shape = type_shape(type);
  if (shape.form == CanonicalForm::kUnsupported)
    ereport(
        ERROR,
        (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
         errmsg("%s does not support values of type %s", purpose, format_type_be(type)),
         errhint("It supports boolean, smallint, integer, bigint, oid, real, double precision, "
                 "numeric, text, varchar, char, name, bytea, uuid, date, time, timestamp, "
                 "timestamptz, enums, and domains over them; cast the value to one of these.")));
  if (OidIsValid(collation) && type_is_collatable(shape.type) &&
      !get_collation_isdeterministic(collation))
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("%s does not support nondeterministic collations", purpose),
                    errhint("Give the value another collation: value COLLATE \"C\".")));
  return shape;
}

int64_t canonical_integer(Datum value, const TypeShape& shape) {
  switch (shape.length) {
    case 1:
      return static_cast<signed char>(DatumGetChar(value));
    case 2:
      return DatumGetInt16(value);
    case 4:
      return shape.unsigned_integer ? static_cast<int64_t>(DatumGetUInt32(value))
                                    : static_cast<int64_t>(DatumGetInt32(value));
    default:
      return DatumGetInt64(value);
  }
}

uint64_t hash_datum(Datum value, const TypeShape& shape) {
  return with_image(value, shape,
                    [](std::string_view image) { return hash_bytes(image.data(), image.size()); });
}

void append_canonical(std::string& out, Datum value, const TypeShape& shape) {
  with_image(value, shape, [&](std::string_view image) {
    out.append(image);
    return true;
  });
}

}  // namespace globalmart::pg
