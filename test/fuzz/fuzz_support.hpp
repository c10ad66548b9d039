// What the targets share: promises, and inputs as texts.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>

inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

// A copy of exactly this length, so that a read beyond it is seen.
class ExactCopy {
 public:
  ExactCopy(const uint8_t* data, size_t size) : bytes_(new char[size]), size_(size) {
    std::copy(data, data + size, bytes_.get());
  }
  explicit ExactCopy(std::string_view text)
      : ExactCopy(reinterpret_cast<const uint8_t*>(text.data()), text.size()) {}

  std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t size_;
};
