// A 64-bit hash of bytes: fast, of good quality, and stable. Its values go into stored sketches, so
// they may never change: not with a version, a compiler or a platform (bytes are read
// little-endian).
//
// Built on the folded 64x64->128 bit multiplication that wyhash and its kin use. Not for hash
// tables that an attacker fills: keys that collide can be worked out, under every seed.
// secret_hash() is for these.
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

// The secret that secret_hash() hangs on. The process sets it once, to random bits, before it reads
// anything that others wrote.
struct HashSecret {
  uint64_t first = 0x9ae16a3b2f90404f;
  uint64_t second = 0xc949c7defebb3f31;
};
inline HashSecret hash_secret;

// SipHash-1-3: who does not know the secret finds no keys that collide. Slower than hash_bytes, and
// never stored.
inline uint64_t secret_hash(const void* data, size_t length) {
  const auto* at = static_cast<const unsigned char*>(data);
  uint64_t v0 = hash_secret.first ^ 0x736f6d6570736575;
  uint64_t v1 = hash_secret.second ^ 0x646f72616e646f6d;
  uint64_t v2 = hash_secret.first ^ 0x6c7967656e657261;
  uint64_t v3 = hash_secret.second ^ 0x7465646279746573;
  const auto round = [&] {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  };
  uint64_t last = static_cast<uint64_t>(length) << 56;
  for (; length >= 8; at += 8, length -= 8) {
    const uint64_t word = hash_detail::read64(at);
    v3 ^= word;
    round();
    v0 ^= word;
  }
  for (size_t i = 0; i < length; ++i) last |= static_cast<uint64_t>(at[i]) << (8 * i);
  v3 ^= last;
  round();
  v0 ^= last;
  v2 ^= 0xff;
  for (int i = 0; i < 3; ++i) round();
  return v0 ^ v1 ^ v2 ^ v3;
}

}  // namespace globalmart
