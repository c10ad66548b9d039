#include "generator/zipf.hpp"

#include <algorithm>
#include <cmath>

namespace globalmart::generator {

Zipf::Zipf(uint32_t count, double exponent) : slots_(count) {
  std::vector<double> share(count);
  double total = 0;
  for (uint32_t k = 0; k < count; ++k) total += share[k] = std::pow(k + 1.0, -exponent);
  std::vector<uint32_t> small, large;
  for (uint32_t k = 0; k < count; ++k) {
    share[k] *= count / total;
    (share[k] < 1 ? small : large).push_back(k);
  }
  while (!small.empty() && !large.empty()) {
    const uint32_t poor = small.back(), rich = large.back();
    small.pop_back();
    slots_[poor] = {static_cast<uint32_t>(std::min(share[poor] * 0x1.0p32, 0x1.0p32 - 1)), rich};
    share[rich] -= 1 - share[poor];
    if (share[rich] < 1) {
      large.pop_back();
      small.push_back(rich);
    }
  }
  for (uint32_t k : large) slots_[k] = {UINT32_MAX, k};
  for (uint32_t k : small) slots_[k] = {UINT32_MAX, k};
}

}  // namespace globalmart::generator
