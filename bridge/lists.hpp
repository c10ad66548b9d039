// The lists of the database that a profile's types refer to (countries, payment methods): replaced
// as a whole when they change, read without a lock by decoders that hold on to one state of them.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "bridge/text_table.hpp"

namespace globalmart {

// One state of all lists, in the order of Profile::lists.
using ListValues = std::vector<TextTable>;

class Lists {
 public:
  explicit Lists(size_t count) : current_(std::make_shared<const ListValues>(count)) {}

  std::shared_ptr<const ListValues> current() const { return current_.load(); }
  void replace(ListValues values) {
    current_.store(std::make_shared<const ListValues>(std::move(values)));
  }

 private:
  std::atomic<std::shared_ptr<const ListValues>> current_;
};

}  // namespace globalmart
