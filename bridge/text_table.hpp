// A fixed set of texts with quick look-up: member names, allowed values, lists.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace globalmart {

class TextTable {
 public:
  TextTable() : slots_(1, -1) {}

  explicit TextTable(std::vector<std::string> texts) : texts_(std::move(texts)) {
    size_t size = 4;
    while (size < texts_.size() * 3) size *= 2;
    slots_.assign(size, -1);
    for (size_t i = 0; i < texts_.size(); ++i) {
      size_t at = hash(texts_[i]) & (size - 1);
      while (slots_[at] >= 0) at = (at + 1) & (size - 1);
      slots_[at] = static_cast<int32_t>(i);
    }
  }

  // The position of `text` in the list, or -1.
  int find(std::string_view text) const {
    const size_t mask = slots_.size() - 1;
    for (size_t at = hash(text) & mask;; at = (at + 1) & mask) {
      const int32_t index = slots_[at];
      if (index < 0) return -1;
      const std::string& known = texts_[static_cast<size_t>(index)];
      if (known.size() == text.size() && std::memcmp(known.data(), text.data(), text.size()) == 0) {
        return index;
      }
    }
  }

  const std::vector<std::string>& texts() const { return texts_; }

 private:
  static size_t hash(std::string_view text) {
    uint64_t value = 0xcbf29ce484222325ull;
    for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
    return value >> 32;
  }

  std::vector<std::string> texts_;
  std::vector<int32_t> slots_;  // always with a free one
};

}  // namespace globalmart
