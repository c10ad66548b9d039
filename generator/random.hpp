#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>

namespace globalmart::generator {

/// Spreads the bits of a number evenly (the finaliser of SplitMix64). With it what a user or a
/// product is like follows from its number, so that ten million of them need no memory.
constexpr uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// xoshiro256++: the same seed gives the same numbers on every machine, which the standard
/// library's distributions do not promise. Not for secrets. One thread.
class Random {
 public:
  explicit Random(uint64_t seed) {
    for (uint64_t& word : state_) word = seed = mix(seed);
  }

  uint64_t next() {
    const uint64_t result = rotate(state_[0] + state_[3], 23) + state_[0];
    const uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = rotate(state_[3], 45);
    return result;
  }

  /// A number from 0 to `bound` - 1; `bound` above 0.
  uint64_t below(uint64_t bound) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
  }

  /// A number from `low` to `high`, both included.
  int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(below(static_cast<uint64_t>(high - low) + 1));
  }

  /// A number from 0 up to, not including, 1.
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

  /// True with this probability.
  bool chance(double probability) { return probability > 0 && unit() < probability; }

 private:
  static constexpr uint64_t rotate(uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }

  std::array<uint64_t, 4> state_;
};

/// Picks 0 to N - 1 by weights that need not add up to one.
template <size_t N>
class Weights {
 public:
  /// Throws std::invalid_argument when there are not N weights, one is negative or all are zero.
  explicit Weights(std::span<const double> weights) {
    if (weights.size() != N) throw std::invalid_argument("wrong number of weights");
    double total = 0;
    for (double weight : weights) {
      if (!(weight >= 0)) throw std::invalid_argument("a weight is negative");
      total += weight;
    }
    if (!(total > 0)) throw std::invalid_argument("all weights are zero");
    double sum = 0;
    for (size_t i = 0; i < N; ++i) upto_[i] = (sum += weights[i]) / total;
    // What rounding leaves above the last sum falls to the last weight that is not zero.
    for (size_t i = N; i-- > 0;) {
      upto_[i] = 2;
      if (weights[i] > 0) break;
    }
  }

  size_t pick(Random& random) const { return pick(random.unit()); }

  /// The choice for a number from 0 to 1.
  size_t pick(double unit) const {
    size_t i = 0;
    while (unit >= upto_[i]) ++i;
    return i;
  }

 private:
  std::array<double, N> upto_;
};

}  // namespace globalmart::generator
