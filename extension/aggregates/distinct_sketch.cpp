// The type distinct_sketch: a varlena that holds the stored form of a sketch. Whatever comes from
// outside is parsed as a whole before it is taken; as text it is hexadecimal with \x before it,
// like a bytea.
#include <string>

#include "aggregates/sketch_state.hpp"

extern "C" {
#include "libpq/pqformat.h"
}

namespace globalmart {

namespace {

int digit_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

[[noreturn]] void refuse_text(const char* detail) {
  throw pg::SqlError(
      ERRCODE_INVALID_TEXT_REPRESENTATION, "invalid input syntax for type distinct_sketch", detail,
      "A distinct_sketch is written as \\x and an even number of hexadecimal digits.");
}

std::string decode_text(std::string_view text) {
  if (text.substr(0, 2) != "\\x") refuse_text("It does not begin with \\x.");
  text.remove_prefix(2);
  if (text.size() % 2 != 0) refuse_text("It has an odd number of digits.");
  if (text.size() / 2 > DistinctSketch::kMaxSerialized)
    refuse_text("It is longer than any sketch.");
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = digit_value(text[i]);
    const int low = digit_value(text[i + 1]);
    if (high < 0 || low < 0) refuse_text("It holds something that is not a hexadecimal digit.");
    bytes.push_back(static_cast<char>(high << 4 | low));
  }
  return bytes;
}

}  // namespace

}  // namespace globalmart

// (cstring) -> distinct_sketch
GLOBALMART_FUNCTION(globalmart_sketch_in) {
  using namespace globalmart;
  const std::string bytes = decode_text(PG_GETARG_CSTRING(0));
  read_sketch(bytes, ERRCODE_INVALID_TEXT_REPRESENTATION);
  PG_RETURN_POINTER(make_varlena(bytes));
}

// (distinct_sketch) -> cstring
GLOBALMART_FUNCTION(globalmart_sketch_out) {
  struct varlena* stored = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0));
  const char* bytes = VARDATA_ANY(stored);
  const size_t length = VARSIZE_ANY_EXHDR(stored);
  auto* text = static_cast<char*>(palloc(2 * length + 3));
  char* at = text;
  *at++ = '\\';
  *at++ = 'x';
  at += hex_encode(bytes, length, at);
  *at = '\0';
  PG_RETURN_CSTRING(text);
}

// (internal) -> distinct_sketch
GLOBALMART_FUNCTION(globalmart_sketch_recv) {
  using namespace globalmart;
  auto message = reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
  const int length = message->len - message->cursor;
  const char* bytes = pq_getmsgbytes(message, length);
  const std::string_view stored(bytes, static_cast<size_t>(length));
  read_sketch(stored, ERRCODE_INVALID_BINARY_REPRESENTATION);
  PG_RETURN_POINTER(make_varlena(stored));
}

// (distinct_sketch) -> bytea
GLOBALMART_FUNCTION(globalmart_sketch_send) { PG_RETURN_BYTEA_P(PG_GETARG_BYTEA_P_COPY(0)); }

// (distinct_sketch) -> bigint
GLOBALMART_FUNCTION(globalmart_sketch_estimate) {
  using namespace globalmart;
  struct varlena* stored = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0));
  PG_RETURN_INT64(
      read_sketch({VARDATA_ANY(stored), VARSIZE_ANY_EXHDR(stored)}, ERRCODE_DATA_CORRUPTED)
          .estimate());
}
