#pragma once

#include <cstdint>
#include <vector>

#include "generator/random.hpp"

namespace globalmart::generator {

/// Ranks 0 to `count` - 1 by Zipf's law: rank k comes in proportion to 1 / (k + 1)^exponent.
/// A pick is one table look-up (Vose's alias method); the table takes eight bytes a rank.
class Zipf {
 public:
  Zipf(uint32_t count, double exponent);

  uint32_t pick(Random& random) const {
    const uint64_t bits = random.next();
    const auto slot = static_cast<uint32_t>(((bits >> 32) * slots_.size()) >> 32);
    return static_cast<uint32_t>(bits) < slots_[slot].keep ? slot : slots_[slot].other;
  }

 private:
  struct Slot {
    uint32_t keep;   // chance out of 2^32 that the slot itself is picked
    uint32_t other;  // else this one
  };
  std::vector<Slot> slots_;
};

}  // namespace globalmart::generator
