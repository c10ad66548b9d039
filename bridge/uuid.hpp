// UUIDs: 8-4-4-4-12 hexadecimal digits, any case, any version.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace globalmart {

struct Uuid {
  std::array<uint8_t, 16> bytes{};  // as PostgreSQL's uuid has them on the wire

  bool operator==(const Uuid&) const = default;
};

// Reads a UUID; false when the text is not one.
bool parse_uuid(std::string_view text, Uuid& uuid);

}  // namespace globalmart
