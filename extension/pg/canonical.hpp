// The canonical image of a value: bytes that are equal exactly when SQL's `=` says that two values
// of one type are equal. What counts distinct values hashes it, in aggregates and in the fold
// alike, so that both see the same set.
//
//   bool, int2/4/8, oid, date, time, timestamp, timestamptz, enums   8 bytes, little-endian; signed
//   types
//                                                          sign-extended, oid and enums (their oid)
//                                                          not
//   float4, float8                      8 bytes, the double little-endian; -0 is 0, one NaN
//   numeric                             kind, weight and the digits that are not zeros at an end
//   text, varchar, name, bytea          the bytes
//   char(n)                             the bytes without trailing spaces
//   uuid                                16 bytes
//
// The functions here run in a backend and may ereport (a value may have to be detoasted): a caller
// that owns something with a destructor goes through pg::guarded.
#pragma once

#include <cstdint>
#include <string>

#include "pg/postgres.hpp"

namespace globalmart::pg {

enum class CanonicalForm : uint8_t {
  kUnsupported,
  kInteger,  // by value, see canonical_integer
  kFloat4,
  kFloat8,
  kNumeric,
  kBytes,   // varlena whose payload is the image
  kPadded,  // char(n)
  kName,
  kUuid,
};

// What is known of a type: how its values lie in memory and which image they have. Domains are
// looked through to their base type.
struct TypeShape {
  Oid type = InvalidOid;  // the base type
  int16 length = 0;       // pg_type.typlen
  bool by_value = false;
  bool unsigned_integer = false;  // oid and enums
  CanonicalForm form = CanonicalForm::kUnsupported;
};

// The shape of a type; form is kUnsupported where there is no canonical image.
TypeShape type_shape(Oid type);

// The shape of a type that has an image. Raises 0A000 for others, and for text in a
// nondeterministic collation, where equal values have different bytes. `purpose` names what asks:
// "approx_count_distinct".
TypeShape require_canonical(Oid type, Oid collation, const char* purpose);

// The value of kInteger forms as the image has it, and of any other by-value type of 1 to 8 bytes.
int64_t canonical_integer(Datum value, const TypeShape& shape);

// hash_bytes of the image, seed 0. The shape must have an image.
uint64_t hash_datum(Datum value, const TypeShape& shape);

// Appends the image. Throws std::bad_alloc.
void append_canonical(std::string& out, Datum value, const TypeShape& shape);

}  // namespace globalmart::pg
