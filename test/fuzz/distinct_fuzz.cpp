// Feeds bytes to the parser of stored distinct sketches, the way a restored dump or a binary COPY
// would, and drives add and merge with what is left of them. Any crash, read out of bounds, leak or
// broken promise of core/distinct.hpp stops it. See module.mk for how to run it.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>

#include "core/distinct.hpp"
#include "core/hash.hpp"
#include "test/fuzz/fuzz_support.hpp"

namespace {

using globalmart::DistinctSketch;

std::string stored(const DistinctSketch& sketch) {
  std::string bytes;
  sketch.serialize(bytes);
  require(bytes.size() <= DistinctSketch::kMaxSerialized,
          "no sketch is longer than kMaxSerialized");
  return bytes;
}

std::optional<DistinctSketch> parse(std::string_view bytes) {
  return DistinctSketch::parse({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
}

// Input that is no sketch: its bytes are hashes to add in two orders and two halves.
void add_and_merge(const uint8_t* data, size_t size) {
  DistinctSketch forward, backward, left, right;
  const size_t count = size / 2;
  // Each two bytes stand for a range of values, so that short inputs reach the dense form too.
  const auto add = [&](DistinctSketch& sketch, size_t index) {
    const uint64_t first = data[2 * index];
    for (uint64_t i = 0; i < data[2 * index + 1]; ++i)
      sketch.add_hash(globalmart::mix64(first * 64 + i));
  };
  for (size_t i = 0; i < count; ++i) {
    add(forward, i);
    add(backward, count - 1 - i);
    add(i % 3 == 0 ? left : right, i);
  }
  const std::string whole = stored(forward);
  require(whole == stored(backward), "order does not show");
  left.merge(right);
  require(whole == stored(left), "a split does not show");
  require(forward.estimate() >= 0, "an estimate is not negative");
  const auto back = parse(whole);
  require(back.has_value() && stored(*back) == whole, "a stored sketch comes back");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  std::optional<DistinctSketch> sketch = parse(input);
  if (!sketch) {
    add_and_merge(data, size);
    return 0;
  }
  require(stored(*sketch) == input, "only what serialize() writes is taken");
  require(sketch->estimate() >= 0, "an estimate is not negative");
  DistinctSketch merged;
  merged.merge(*sketch);
  require(stored(merged) == input, "merging into nothing copies");
  merged.merge(*sketch);
  require(stored(merged) == input, "merging twice is merging once");
  for (uint64_t i = 0; i < 3000; ++i) merged.add_hash(globalmart::mix64(i));
  sketch->merge(merged);
  require(stored(*sketch) == stored(merged), "a superset swallows its part");
  return 0;
}
