// The registers of a dense distinct sketch: one byte each, what is in it, how two are joined, and
// the estimate that a whole array of them gives. The theory is in Ertl, "UltraLogLog: A Practical
// and More Space-Efficient Alternative to HyperLogLog for Approximate Distinct Counting", 2023.
//
// A hash chooses a register by its first 14 bits and has a rank there by the other 50: the number
// of leading zeros plus one, 1..51. A register is 0 when it is empty, else 4 x the greatest rank,
// plus 2 when the rank below that was seen, plus 1 when the one below that was.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace globalmart::registers {

inline constexpr int kIndexBits = 14;
inline constexpr size_t kCount = size_t{1} << kIndexBits;
inline constexpr int kMaxRank = 64 - kIndexBits + 1;

inline size_t index_of(uint64_t hash) { return hash >> (64 - kIndexBits); }

inline int rank_of(uint64_t hash) {
  // The bit that is set below the 50 caps the rank at kMaxRank.
  return std::countl_zero((hash << kIndexBits) | (uint64_t{1} << (kIndexBits - 1))) + 1;
}

// Whether a register can hold this: bits for ranks below 1 are never set.
inline bool valid(uint8_t value) {
  if (value < 12) return value == 0 || value == 4 || value == 8 || value == 10;
  return value < 4 * (kMaxRank + 1);
}

// The register after a hash of this rank came to it.
inline uint8_t add_rank(uint8_t value, int rank) {
  const int greatest = value >> 2;
  if (rank < greatest) {
    const int below = greatest - rank;
    return below > 2 ? value : static_cast<uint8_t>(value | (4 >> below));
  }
  if (rank == greatest || value == 0) return static_cast<uint8_t>(rank << 2 | (value & 3));
  const int above = rank - greatest;
  const int seen = above > 2 ? 0 : ((4 | (value & 3)) >> above) & 3;
  return static_cast<uint8_t>(rank << 2 | seen);
}

// into[i] becomes the register that has seen what both have seen. Both hold valid registers.
void merge(uint8_t* into, const uint8_t* from);

// The maximum likelihood estimate of how many distinct hashes were added, or +infinity when
// every register is full.
double estimate(const uint8_t* values);

}  // namespace globalmart::registers
