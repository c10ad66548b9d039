// Patterns of a profile: a small regular expression language, compiled at the start to a
// deterministic automaton, so that matching costs one table look-up a byte and nobody's pattern
// can make it slow.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace globalmart {

class Pattern {
 public:
  // Compiles `expression`: literals, \d \w \s and escaped special characters, [a-z], [^a-z], ".",
  // groups, alternatives, ? * + {m} {m,} {m,n}. The whole text must match, byte by byte.
  // Throws ConfigError.
  explicit Pattern(const std::string& expression);

  bool matches(std::string_view text) const {
    uint16_t state = kStart;
    for (const char c : text) {
      state = next_[static_cast<size_t>(state) * 256 + static_cast<unsigned char>(c)];
    }
    return accepting_[state] != 0;
  }

 private:
  static constexpr uint16_t kDead = 0;
  static constexpr uint16_t kStart = 1;

  std::vector<uint16_t> next_;      // 256 entries a state
  std::vector<uint8_t> accepting_;  // by state
};

}  // namespace globalmart
