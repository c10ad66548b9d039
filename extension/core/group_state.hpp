// The state of one group: an aggregate state after another in one piece of memory, updated row by
// row, written to a partial, and merged from partials. Merging is associative and commutative and
// exact, so neither the order of rows nor the way they were split into batches shows in a result.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "core/arena.hpp"
#include "core/bytes.hpp"
#include "core/distinct.hpp"
#include "core/value.hpp"

namespace globalmart {

enum class AggregateKind : uint8_t {
  kCount = 1,     // count(*), count(x)
  kSum = 2,       // sum and avg share it: exact sum and number of values
  kMin = 3,       // also bool_and
  kMax = 4,       // also bool_or
  kDistinct = 5,  // count(DISTINCT x): the set itself
  kSketch = 6,    // approx_count_distinct(x)
  kFirst = 7,     // first_by(x, time[, id])
  kLast = 8,      // last_by(x, time[, id])
};
inline constexpr uint8_t kMaxAggregateKind = 8;

// Three-way order of two values of kCollated form; may raise through the caller's own means.
using CompareBytes = int (*)(const void* context, std::string_view left, std::string_view right);

struct AggregateSpec {
  AggregateKind kind = AggregateKind::kCount;
  ValueForm form = ValueForm::kInteger;
  CompareBytes compare = nullptr;
  const void* compare_context = nullptr;
};

// The greatest scale of a decimal that a state takes: 38 digits are what fits 128 bits.
inline constexpr int32_t kMaxScale = 38;

struct SumState {
  __int128 sum;
  int64_t count;
  int32_t scale;
  uint8_t specials;  // Decimal::Special bits that were seen
};

// min and max; bytes live in the table's arena.
struct ExtremeState {
  __int128 mantissa;
  int64_t integer;
  const char* bytes;
  uint32_t length;
  int32_t scale;
  bool set;
  uint8_t special;
};

struct EventId {
  uint64_t high = 0;  // big-endian halves, so that integer order is byte order
  uint64_t low = 0;
};

struct PositionState {
  int64_t time;
  EventId id;
  int64_t integer;
  const char* bytes;
  uint32_t length;
  bool set;
};

// An exact set of values by their bytes.
struct DistinctSet {
  std::vector<std::string_view> values;
  std::unordered_set<std::string_view> index;  // from kIndexFrom values on
  static constexpr size_t kIndexFrom = 16;
  // True when the value is new; the caller then gives it a home and calls insert().
  bool contains(std::string_view value) const;
  void insert(std::string_view value);
};

// How the states of one list of aggregates lie in memory, and what can be done with them. One
// object serves all groups of a table; it owns what does not fit into a fixed slot. Not
// thread-safe.
class GroupStates {
 public:
  GroupStates(std::vector<AggregateSpec> specs, Arena& arena);

  size_t size() const { return size_; }  // bytes of one group's states, a multiple of 16
  std::span<const AggregateSpec> specs() const { return specs_; }
  void initialize(char* states) const;
  void clear();  // forgets sets and sketches; the arena's owner clears the arena

  int64_t& count(char* states, size_t index) { return at<int64_t>(states, index); }
  // Sums throw std::overflow_error when they no longer fit 38 digits, and are then what they were;
  // decimals of a scale beyond kMaxScale are refused the same way.
  void add_integer(char* states, size_t index, int64_t value);
  void add_decimal(char* states, size_t index, const Decimal& value);
  void add_extreme(char* states, size_t index, const Value& value, const Decimal* decimal);
  void add_position(char* states, size_t index, int64_t time, EventId id, const Value& value);
  void add_distinct(char* states, size_t index, std::string_view image);
  void add_hash(char* states, size_t index, uint64_t hash);

  void encode(const char* states, size_t index, ByteWriter& out) const;
  // Reads one encoded state and merges it into a group. Throws CorruptBytes for bytes that encode()
  // does not write, std::overflow_error for a sum or count that no longer fits.
  void merge_encoded(char* states, size_t index, ByteReader& in);
  // Merges the states of another group of this same table. Throws std::overflow_error.
  void merge(char* into, const char* from);
  // Reads past a state that nobody asks for.
  static void skip(AggregateKind kind, ValueForm form, ByteReader& in);

  const SumState& sum(const char* states, size_t index) const {
    return at<SumState>(states, index);
  }
  const ExtremeState& extreme(const char* states, size_t index) const {
    return at<ExtremeState>(states, index);
  }
  const PositionState& position(const char* states, size_t index) const {
    return at<PositionState>(states, index);
  }
  int64_t count_value(const char* states, size_t index) const { return at<int64_t>(states, index); }
  int64_t distinct(const char* states, size_t index) const;
  int64_t estimate(const char* states, size_t index) const;

 private:
  template <typename T>
  T& at(char* states, size_t index) const {
    return *reinterpret_cast<T*>(states + offsets_[index]);
  }
  template <typename T>
  const T& at(const char* states, size_t index) const {
    return *reinterpret_cast<const T*>(states + offsets_[index]);
  }
  void add_sum(SumState& state, __int128 mantissa, int32_t scale, int64_t count, uint8_t specials);
  void take_extreme(size_t index, ExtremeState& state, const ExtremeState& candidate);
  void take_position(size_t index, PositionState& state, const PositionState& candidate);
  const char* keep(const char* home, uint32_t room, std::string_view bytes);
  DistinctSet& set_of(char* states, size_t index);
  DistinctSketch& sketch_of(char* states, size_t index);

  std::vector<AggregateSpec> specs_;
  std::vector<uint32_t> offsets_;
  size_t size_ = 0;
  Arena& arena_;
  std::deque<DistinctSet> sets_;
  std::deque<DistinctSketch> sketches_;
};

}  // namespace globalmart
