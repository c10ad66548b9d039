// Memory that is given out in order and taken back all at once: keys and states of one batch.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace globalmart {

class Arena {
 public:
  // `size` bytes aligned to 16, until clear(). Throws std::bad_alloc.
  char* allocate(size_t size) {
    size = (size + 15) & ~size_t{15};
    while (block_ < blocks_.size() && used_ + size > blocks_[block_].size) {
      ++block_;
      used_ = 0;
    }
    if (block_ == blocks_.size()) {
      const size_t wanted = size > kBlock ? size : kBlock;
      blocks_.push_back({std::unique_ptr<char[]>(new char[wanted]), wanted});
      used_ = 0;
    }
    char* given = blocks_[block_].bytes.get() + used_;
    used_ += size;
    total_ += size;
    return given;
  }
  std::string_view copy(std::string_view bytes) {
    if (bytes.empty()) return {};
    char* to = allocate(bytes.size());
    std::memcpy(to, bytes.data(), bytes.size());
    return {to, bytes.size()};
  }
  size_t total() const { return total_; }

  // Forgets everything; keeps up to `keep` bytes of blocks for the next batch.
  void clear(size_t keep = 32 << 20) {
    size_t kept = 0;
    size_t count = 0;
    while (count < blocks_.size() && kept + blocks_[count].size <= keep)
      kept += blocks_[count++].size;
    blocks_.resize(count);
    block_ = 0;
    used_ = 0;
    total_ = 0;
  }

 private:
  static constexpr size_t kBlock = 256 << 10;
  struct Block {
    std::unique_ptr<char[]> bytes;
    size_t size;
  };
  std::vector<Block> blocks_;
  size_t block_ = 0;
  size_t used_ = 0;
  size_t total_ = 0;
};

}  // namespace globalmart
