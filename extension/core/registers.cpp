#include "core/registers.hpp"

#include <cstring>
#include <limits>

namespace globalmart::registers {

namespace {

typedef uint8_t Lanes __attribute__((vector_size(16)));

Lanes load(const uint8_t* at) {
  Lanes lanes;
  std::memcpy(&lanes, at, sizeof lanes);
  return lanes;
}

// add_rank for 16 pairs at once: the register with the greater rank, and what the lesser adds to
// its two bits.
Lanes join(Lanes a, Lanes b) {
  const Lanes a_greater = (Lanes)(a > b);
  const Lanes high = (a & a_greater) | (b & ~a_greater);
  const Lanes low = (b & a_greater) | (a & ~a_greater);
  // Ranks apart, times 4. An empty register is further away than it looks, or it would count as
  // rank 0.
  const Lanes apart = (high & 0xfc) - (low & 0xfc);
  const Lanes filled = (Lanes)(low != 0);
  const Lanes same = (Lanes)(apart == 0) & (low & 3);
  const Lanes next = (Lanes)(apart == 4) & (((low >> 1) & 1) | 2);
  const Lanes second = (Lanes)(apart == 8) & 1;
  return high | ((same | next | second) & filled);
}

}  // namespace

void merge(uint8_t* into, const uint8_t* from) {
  for (size_t i = 0; i < kCount; i += sizeof(Lanes)) {
    const Lanes joined = join(load(into + i), load(from + i));
    std::memcpy(into + i, &joined, sizeof joined);
  }
}

double estimate(const uint8_t* values) {
  // Under the Poisson model with n expected values, rank k comes to a register with the rate n
  // p(k), p(k) = 2^-(14+k), and p(51) = p(50). A register with the greatest rank u says: nothing
  // above u, u was seen, u-1 and u-2 were seen or were not. So the log likelihood is
  //   -n * unseen + sum over k of seen[k] * log(1 - exp(-n p(k))).
  std::array<uint32_t, 256> histogram{};
  for (size_t i = 0; i < kCount; ++i) ++histogram[values[i]];

  // In units of p(50): 2^(50-k), so that sums are exact integers. 2^14 registers x 2^50 = 2^64 just
  // does not fit, so the share of empty registers is added as a double, which is exact too.
  std::array<uint64_t, kMaxRank + 1> seen{};
  const auto weight = [](int rank) {
    return rank >= kMaxRank ? uint64_t{1} : uint64_t{1} << (kMaxRank - 1 - rank);
  };
  // What ranks above u weigh together.
  const auto weight_above = [](int rank) {
    return rank >= kMaxRank ? uint64_t{0} : uint64_t{1} << (kMaxRank - 1 - rank);
  };
  unsigned __int128 unseen = static_cast<unsigned __int128>(histogram[0]) << (kMaxRank - 1);
  for (int value = 4; value < 4 * (kMaxRank + 1); ++value) {
    const uint64_t times = histogram[value];
    if (times == 0) continue;
    const int rank = value >> 2;
    unseen += static_cast<unsigned __int128>(times) * weight_above(rank);
    seen[rank] += times;
    for (int below = 1; below <= 2 && below < rank; ++below) {
      if (value & (4 >> below))
        seen[rank - below] += times;
      else
        unseen += static_cast<unsigned __int128>(times) * weight(rank - below);
    }
  }
  uint64_t seen_total = 0;
  for (const uint64_t times : seen) seen_total += times;
  if (seen_total == 0) return 0;
  if (unseen == 0) return std::numeric_limits<double>::infinity();

  // Find x = n p(50) where the derivative is 0: unseen = sum of seen[k] w(k) / (exp(x w(k)) - 1).
  // The right side falls strictly; bisect on a range that holds every answer. Only +, -, * and /
  // are used, no library function that rounds one way here and another there.
  const double goal = static_cast<double>(unseen);
  const auto excess = [&](double x) {
    // expm1 of the smallest exponent by its series, then doubled: expm1(2y) = expm1(y) (expm1(y) +
    // 2). Start deep enough that the series' second term is the last that counts.
    int halvings = 0;
    double y = x;
    while (y > 0x1p-30) {
      y *= 0.5;
      ++halvings;
    }
    double grown = y + 0.5 * y * y;
    for (; halvings > 0; --halvings) grown *= grown + 2;
    double sum = static_cast<double>(seen[kMaxRank]) / grown;
    double w = 1;
    for (int rank = kMaxRank - 1; rank >= 1; --rank) {
      if (grown == std::numeric_limits<double>::infinity()) break;
      sum += static_cast<double>(seen[rank]) * w / grown;
      w *= 2;
      grown *= grown + 2;
    }
    return sum - goal;
  };
  // expm1(y) >= y, so at seen_total / goal the sum is at most the goal.
  double high = static_cast<double>(seen_total) / goal;
  double low = high;
  do low *= 0.5;
  while (excess(low) <= 0 && low > std::numeric_limits<double>::min());
  for (int step = 0; step < 60; ++step) {
    const double middle = 0.5 * (low + high);
    if (middle <= low || middle >= high) break;
    (excess(middle) > 0 ? low : high) = middle;
  }
  // Back to n, less the first-order bias of the estimator.
  constexpr double kBias = 0.48147;
  const double estimate = 0.5 * (low + high) * 0x1p64;
  return estimate / (1 + kBias / static_cast<double>(kCount));
}

}  // namespace globalmart::registers
