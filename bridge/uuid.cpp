#include "bridge/uuid.hpp"

namespace globalmart {

namespace {

// 0-15 for a hexadecimal digit, 0x80 for anything else.
constexpr std::array<uint8_t, 256> make_nibbles() {
  std::array<uint8_t, 256> table{};
  for (int c = 0; c < 256; ++c) {
    uint8_t value = 0x80;
    if (c >= '0' && c <= '9') value = static_cast<uint8_t>(c - '0');
    if (c >= 'a' && c <= 'f') value = static_cast<uint8_t>(c - 'a' + 10);
    if (c >= 'A' && c <= 'F') value = static_cast<uint8_t>(c - 'A' + 10);
    table[static_cast<size_t>(c)] = value;
  }
  return table;
}

constexpr std::array<uint8_t, 256> kNibbles = make_nibbles();
// Where the two digits of each byte stand.
constexpr uint8_t kPositions[16] = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};

}  // namespace

bool parse_uuid(std::string_view text, Uuid& uuid) {
  if (text.size() != 36) return false;
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  if (p[8] != '-' || p[13] != '-' || p[18] != '-' || p[23] != '-') return false;
  unsigned bad = 0;
  for (size_t i = 0; i < 16; ++i) {
    const unsigned high = kNibbles[p[kPositions[i]]];
    const unsigned low = kNibbles[p[kPositions[i] + 1]];
    bad |= high | low;
    uuid.bytes[i] = static_cast<uint8_t>(high << 4 | (low & 0x0f));
  }
  return (bad & 0x80) == 0;
}

}  // namespace globalmart
