// A 64-bit hash of bytes: fast, of good quality, and stable. Its values go into stored sketches, so
// they may never change: not with a version, a compiler or a platform (bytes are read
// little-endian).
//
// Built on the folded 64x64->128 bit multiplication that wyhash and its kin use. Not for hash
// tables that an attacker fills: the seed is no secret.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace globalmart {

namespace hash_detail {

static_assert(std::endian::native == std::endian::little ||
              std::endian::native == std::endian::big);

// Odd, irregular bit patterns; part of the format.
inline constexpr uint64_t kSecret0 = 0x8bb84b93962eacc9;
inline constexpr uint64_t kSecret1 = 0x2d358dccaa6c78a5;
inline constexpr uint64_t kSecret2 = 0x4b33a62ed433d4a3;
inline constexpr uint64_t kSecret3 = 0x4d5a2da51de1aa47;

inline uint64_t read64(const unsigned char* at) {
  uint64_t value;
  std::memcpy(&value, at, sizeof value);
  if constexpr (std::endian::native == std::endian::big) value = __builtin_bswap64(value);
  return value;
}

inline uint64_t read32(const unsigned char* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof value);
  if constexpr (std::endian::native == std::endian::big) value = __builtin_bswap32(value);
  return value;
}

// The two halves of a 128-bit product, folded into one.
inline uint64_t fold(uint64_t a, uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

}  // namespace hash_detail

// A bijection of 64-bit integers in which every input bit moves every output bit (Pelle Evensen's
// "moremur" constants).
inline constexpr uint64_t mix64(uint64_t value) {
  value ^= value >> 27;
  value *= 0x3c79ac492ba7b653;
  value ^= value >> 33;
  value *= 0x1c69b3f74ac4ae35;
  value ^= value >> 27;
  return value;
}

// Hash of `length` bytes at `data` (which may be null when length is 0).
inline uint64_t hash_bytes(const void* data, size_t length, uint64_t seed = 0) {
  using namespace hash_detail;
  const auto* at = static_cast<const unsigned char*>(data);
  seed ^= fold(seed ^ kSecret0, kSecret1);
  uint64_t a = 0;
  uint64_t b = 0;
  if (length <= 16) [[likely]] {
    if (length >= 8) {
      a = read64(at);
      b = read64(at + length - 8);
    } else if (length >= 4) {
      a = read32(at);
      b = read32(at + length - 4);
    } else if (length > 0) {
      a = static_cast<uint64_t>(at[0]) << 16 | static_cast<uint64_t>(at[length >> 1]) << 8 |
          at[length - 1];
    }
  } else {
    size_t left = length;
    if (left > 48) {
      uint64_t lane1 = seed;
      uint64_t lane2 = seed;
      do {
        seed = fold(read64(at) ^ kSecret1, read64(at + 8) ^ seed);
        lane1 = fold(read64(at + 16) ^ kSecret2, read64(at + 24) ^ lane1);
        lane2 = fold(read64(at + 32) ^ kSecret3, read64(at + 40) ^ lane2);
        at += 48;
        left -= 48;
      } while (left > 48);
      seed ^= lane1 ^ lane2;
    }
    while (left > 16) {
      seed = fold(read64(at) ^ kSecret1, read64(at + 8) ^ seed);
      at += 16;
      left -= 16;
    }
    a = read64(at + left - 16);
    b = read64(at + left - 8);
  }
  a ^= kSecret1;
  b ^= seed;
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return fold(static_cast<uint64_t>(product) ^ kSecret0 ^ length,
              static_cast<uint64_t>(product >> 64) ^ kSecret1);
}

}  // namespace globalmart
