// Tokens of a JSON text: what simdjson's On-Demand leaves to whoever reads a value, done strictly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace globalmart {

enum class TokenKind : uint8_t {
  kAbsent,  // the member does not occur
  kNull,
  kTrue,
  kFalse,
  kInteger,      // a number without fraction and exponent
  kFraction,     // any other number
  kText,         // a string without escapes: its bytes are its value
  kEscapedText,  // a string with escapes, all of them valid by syntax
  kArray,
  kObject,
  kInvalid,  // not JSON
};

// A value where it stands in the message. For strings `text` is what is between the quotes. For
// arrays whose elements are kept, `first` and `size` say where these are.
struct Token {
  const char* text = nullptr;
  uint32_t size = 0;
  uint32_t first = 0;
  TokenKind kind = TokenKind::kAbsent;
  bool repeated = false;

  std::string_view view() const { return {text, size}; }
};

// Recognises a scalar: `raw` starts with it and may end with white space. What is not exactly one
// scalar of RFC 8259 gives kInvalid. The 16 bytes behind `raw` must be readable.
Token scalar_token(std::string_view raw);

struct Unescaped {
  size_t size = 0;              // bytes written
  bool nul = false;             // held \u0000
  bool lone_surrogate = false;  // held half a surrogate pair (not written)
};

// Replaces the escapes of a kEscapedText token; `out` must have room for raw.size() bytes.
Unescaped unescape(std::string_view raw, char* out);

// Whether every backslash in `raw` begins an escape of RFC 8259 and no quote stands unescaped.
bool valid_escapes(std::string_view raw);

}  // namespace globalmart
