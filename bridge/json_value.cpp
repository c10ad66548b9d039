#include "bridge/json_value.hpp"

#include <cstring>

#include "bridge/decimal.hpp"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace globalmart {

namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Four hexadecimal digits, or -1.
int hex4(const char* p) {
  int value = 0;
  for (int i = 0; i < 4; ++i) {
    const int digit = hex_digit(p[i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

// Where the first backslash or quote stands, or size. Reads up to 15 bytes beyond.
size_t find_special(const char* p, size_t size) {
#ifdef __SSE2__
  const __m128i backslash = _mm_set1_epi8('\\');
  const __m128i quote = _mm_set1_epi8('"');
  for (size_t at = 0; at < size; at += 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + at));
    const int mask = _mm_movemask_epi8(
        _mm_or_si128(_mm_cmpeq_epi8(block, backslash), _mm_cmpeq_epi8(block, quote)));
    if (mask != 0) {
      const size_t found = at + static_cast<size_t>(__builtin_ctz(static_cast<unsigned>(mask)));
      return found < size ? found : size;
    }
  }
  return size;
#else
  size_t at = 0;
  while (at < size && p[at] != '\\' && p[at] != '"') ++at;
  return at;
#endif
}

size_t write_utf8(uint32_t code, char* out) {
  if (code < 0x80) {
    out[0] = static_cast<char>(code);
    return 1;
  }
  if (code < 0x800) {
    out[0] = static_cast<char>(0xc0 | code >> 6);
    out[1] = static_cast<char>(0x80 | (code & 0x3f));
    return 2;
  }
  if (code < 0x10000) {
    out[0] = static_cast<char>(0xe0 | code >> 12);
    out[1] = static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out[2] = static_cast<char>(0x80 | (code & 0x3f));
    return 3;
  }
  out[0] = static_cast<char>(0xf0 | code >> 18);
  out[1] = static_cast<char>(0x80 | (code >> 12 & 0x3f));
  out[2] = static_cast<char>(0x80 | (code >> 6 & 0x3f));
  out[3] = static_cast<char>(0x80 | (code & 0x3f));
  return 4;
}

bool is_high_surrogate(int code) { return code >= 0xd800 && code <= 0xdbff; }
bool is_low_surrogate(int code) { return code >= 0xdc00 && code <= 0xdfff; }

}  // namespace

Token scalar_token(std::string_view raw) {
  if (raw.empty() || std::strchr("\"-0123456789tfn", raw.front()) == nullptr || !raw.front()) {
    Token token;
    token.kind = TokenKind::kInvalid;
    return token;
  }
  while (!raw.empty() && is_space(raw.back())) raw.remove_suffix(1);
  Token token;
  token.kind = TokenKind::kInvalid;
  token.text = raw.data();
  token.size = static_cast<uint32_t>(raw.size());
  switch (raw.front()) {
    case '"': {
      if (raw.size() < 2 || raw.back() != '"') return token;
      token.text = raw.data() + 1;
      token.size = static_cast<uint32_t>(raw.size() - 2);
      const size_t special = find_special(token.text, token.size);
      if (special == token.size) {
        token.kind = TokenKind::kText;
      } else if (token.text[special] == '\\' && valid_escapes(token.view())) {
        token.kind = TokenKind::kEscapedText;
      }
      return token;
    }
    case 't':
      if (raw == "true") token.kind = TokenKind::kTrue;
      return token;
    case 'f':
      if (raw == "false") token.kind = TokenKind::kFalse;
      return token;
    case 'n':
      if (raw == "null") token.kind = TokenKind::kNull;
      return token;
    default:
      switch (number_form(raw)) {
        case NumberForm::kInteger:
          token.kind = TokenKind::kInteger;
          break;
        case NumberForm::kFraction:
          token.kind = TokenKind::kFraction;
          break;
        case NumberForm::kInvalid:
          break;
      }
      return token;
  }
}

bool valid_escapes(std::string_view raw) {
  for (size_t at = 0; at < raw.size(); ++at) {
    if (raw[at] == '"') return false;
    if (raw[at] != '\\') continue;
    if (++at == raw.size()) return false;
    switch (raw[at]) {
      case '"':
      case '\\':
      case '/':
      case 'b':
      case 'f':
      case 'n':
      case 'r':
      case 't':
        break;
      case 'u':
        if (raw.size() - at < 5 || hex4(raw.data() + at + 1) < 0) return false;
        at += 4;
        break;
      default:
        return false;
    }
  }
  return true;
}

Unescaped unescape(std::string_view raw, char* out) {
  Unescaped result;
  size_t at = 0;
  while (at < raw.size()) {
    const char c = raw[at++];
    if (c != '\\') {
      out[result.size++] = c;
      continue;
    }
    switch (const char escape = raw[at++]) {
      case 'b':
        out[result.size++] = '\b';
        break;
      case 'f':
        out[result.size++] = '\f';
        break;
      case 'n':
        out[result.size++] = '\n';
        break;
      case 'r':
        out[result.size++] = '\r';
        break;
      case 't':
        out[result.size++] = '\t';
        break;
      case 'u': {
        const int code = hex4(raw.data() + at);
        at += 4;
        if (is_high_surrogate(code)) {
          if (raw.size() - at >= 6 && raw[at] == '\\' && raw[at + 1] == 'u') {
            const int low = hex4(raw.data() + at + 2);
            if (is_low_surrogate(low)) {
              at += 6;
              result.size += write_utf8(0x10000u + (static_cast<uint32_t>(code - 0xd800) << 10) +
                                            static_cast<uint32_t>(low - 0xdc00),
                                        out + result.size);
              break;
            }
          }
          result.lone_surrogate = true;
        } else if (is_low_surrogate(code)) {
          result.lone_surrogate = true;
        } else {
          if (code == 0) result.nul = true;
          result.size += write_utf8(static_cast<uint32_t>(code), out + result.size);
        }
        break;
      }
      default:  // quote, backslash, solidus
        out[result.size++] = escape;
        break;
    }
  }
  return result;
}

}  // namespace globalmart
