// Values between PostgreSQL's Datum and the core's Value and Decimal.
#pragma once

#include "core/value.hpp"
#include "pg/postgres.hpp"

namespace globalmart::pg {

// What must be known of a type to take its values apart and put them together again.
struct TypeForm {
  Oid type = InvalidOid;
  int16_t length = 0;  // typlen: -1 varlena
  bool by_value = false;
  ValueForm form = ValueForm::kInteger;  // how values are stored in keys and states
};

// Looks the type up. Integers, bool, dates, timestamps and enums are kInteger, floats kFloat, all
// else kBytes (a varlena without its header). May ereport.
TypeForm type_form(Oid type);

// The value's own bytes; they point into the datum, or into the current memory context when it had
// to be detoasted. May ereport.
Value to_value(Datum datum, const TypeForm& form);

// As to_value, but equal values (SQL's =) have equal images: numerics lose their trailing zeros, -0
// and NaNs become one. For keys and sets.
Value to_key_value(Datum datum, const TypeForm& form);

// A datum in the current memory context.
Datum to_datum(const Value& value, const TypeForm& form);

// As to_datum, for bytes that were stored, and so may have been changed: throws CorruptBytes for
// those that no value of the type has, and for types that keys and states do not hold.
Datum to_checked_datum(const Value& value, const TypeForm& form);

// numeric <-> Decimal. Throws std::overflow_error beyond 38 digits.
Decimal to_decimal(Datum numeric);
Datum from_decimal(const Decimal& value);

inline std::string_view text_bytes(Datum datum) {
  struct varlena* packed = PG_DETOAST_DATUM_PACKED(datum);
  return {VARDATA_ANY(packed), static_cast<size_t>(VARSIZE_ANY_EXHDR(packed))};
}

}  // namespace globalmart::pg
