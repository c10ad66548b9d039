#include "core/group_state.hpp"

#include <algorithm>
#include <stdexcept>

namespace globalmart {

namespace {

size_t slot_size(AggregateKind kind) {
  switch (kind) {
    case AggregateKind::kCount:
      return sizeof(int64_t);
    case AggregateKind::kSum:
      return sizeof(SumState);
    case AggregateKind::kMin:
    case AggregateKind::kMax:
      return sizeof(ExtremeState);
    case AggregateKind::kDistinct:
    case AggregateKind::kSketch:
      return sizeof(void*);
    case AggregateKind::kFirst:
    case AggregateKind::kLast:
      return sizeof(PositionState);
  }
  throw CorruptBytes("unknown aggregate kind");
}

bool holds_integer(ValueForm form) {
  return form == ValueForm::kInteger || form == ValueForm::kFloat;
}

constexpr uint8_t kAllSpecials = static_cast<uint8_t>(Decimal::Special::kNan) |
                                 static_cast<uint8_t>(Decimal::Special::kInfinity) |
                                 static_cast<uint8_t>(Decimal::Special::kMinusInfinity);

__int128 power_of_ten(int32_t exponent) {
  if (exponent < 0 || exponent > kMaxScale) throw std::overflow_error("decimal out of range");
  __int128 power = 1;
  while (exponent-- > 0) power *= 10;
  return power;
}

// mantissa x 10^by; false when it does not fit.
bool scale_up(__int128 mantissa, int32_t by, __int128& scaled) {
  scaled = mantissa;
  return mantissa == 0 || by == 0 || !__builtin_mul_overflow(mantissa, power_of_ten(by), &scaled);
}

__int128 rescale(__int128 mantissa, int32_t by) {
  __int128 scaled;
  if (!scale_up(mantissa, by, scaled)) throw std::overflow_error("decimal out of range");
  return scaled;
}

void add_count(int64_t& count, int64_t more) {
  int64_t sum;
  if (__builtin_add_overflow(count, more, &sum)) throw std::overflow_error("count out of range");
  count = sum;
}

// A count is written unsigned and is never negative.
int64_t read_count(ByteReader& in) {
  const uint64_t count = in.varint();
  if (count > INT64_MAX) throw CorruptBytes("partial holds an impossible count");
  return static_cast<int64_t>(count);
}

int32_t read_scale(ByteReader& in) {
  const uint64_t scale = in.varint();
  if (scale > kMaxScale) throw CorruptBytes("partial holds a number of an impossible scale");
  return static_cast<int32_t>(scale);
}

int compare_specials(uint8_t left, uint8_t right) {
  // -infinity < finite < infinity < NaN, as PostgreSQL orders numerics.
  const auto rank = [](uint8_t special) {
    switch (static_cast<Decimal::Special>(special)) {
      case Decimal::Special::kMinusInfinity:
        return 0;
      case Decimal::Special::kFinite:
        return 1;
      case Decimal::Special::kInfinity:
        return 2;
      case Decimal::Special::kNan:
        return 3;
    }
    return 1;
  };
  return rank(left) - rank(right);
}

int compare_decimals(const ExtremeState& left, const ExtremeState& right) {
  if (left.special != 0 || right.special != 0) return compare_specials(left.special, right.special);
  const int32_t scale = std::max(left.scale, right.scale);
  __int128 a, b;
  // At most one of them is scaled up. What does not fit then is further from 0 than anything.
  if (!scale_up(left.mantissa, scale - left.scale, a)) return left.mantissa < 0 ? -1 : 1;
  if (!scale_up(right.mantissa, scale - right.scale, b)) return right.mantissa < 0 ? 1 : -1;
  if (a != b) return a < b ? -1 : 1;
  // 1.5 and 1.50: the scale decides, so that it does not matter which came first.
  return left.scale < right.scale ? -1 : left.scale > right.scale;
}

int compare_bytes(std::string_view left, std::string_view right) {
  const int order = left.compare(right);
  return order < 0 ? -1 : order > 0;
}

double as_double(int64_t bits) {
  double value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

int compare_floats(int64_t left_bits, int64_t right_bits) {
  const double left = as_double(left_bits), right = as_double(right_bits);
  // NaN is the greatest, as in PostgreSQL.
  if ((left != left) != (right != right)) return left != left ? 1 : -1;
  if (left < right) return -1;
  if (left > right) return 1;
  // 0 and -0, or two NaNs: the bits decide, so that it does not matter which came first.
  return left_bits < right_bits ? -1 : left_bits > right_bits;
}

int compare_states(const AggregateSpec& spec, const ExtremeState& left, const ExtremeState& right) {
  switch (spec.form) {
    case ValueForm::kInteger:
      return left.integer < right.integer ? -1 : left.integer > right.integer;
    case ValueForm::kFloat:
      return compare_floats(left.integer, right.integer);
    case ValueForm::kDecimal:
      return compare_decimals(left, right);
    case ValueForm::kCollated: {
      const int order = spec.compare(spec.compare_context, {left.bytes, left.length},
                                     {right.bytes, right.length});
      if (order != 0) return order;
      [[fallthrough]];
    }
    case ValueForm::kBytes:
      return compare_bytes({left.bytes, left.length}, {right.bytes, right.length});
  }
  return 0;
}

int compare_positions(const PositionState& left, const PositionState& right) {
  if (left.time != right.time) return left.time < right.time ? -1 : 1;
  if (left.id.high != right.id.high) return left.id.high < right.id.high ? -1 : 1;
  if (left.id.low != right.id.low) return left.id.low < right.id.low ? -1 : 1;
  if (left.integer != right.integer) return left.integer < right.integer ? -1 : 1;
  return compare_bytes({left.bytes, left.length}, {right.bytes, right.length});
}

}  // namespace

bool DistinctSet::contains(std::string_view value) const {
  if (values.size() >= kIndexFrom) return index.contains(value);
  return std::find(values.begin(), values.end(), value) != values.end();
}

void DistinctSet::insert(std::string_view value) {
  values.push_back(value);
  if (values.size() == kIndexFrom)
    index.insert(values.begin(), values.end());
  else if (values.size() > kIndexFrom)
    index.insert(value);
}

GroupStates::GroupStates(std::vector<AggregateSpec> specs, Arena& arena)
    : specs_(std::move(specs)), arena_(arena) {
  for (const AggregateSpec& spec : specs_) {
    const size_t size = slot_size(spec.kind);
    if (size >= 16) size_ = (size_ + 15) & ~size_t{15};
    offsets_.push_back(static_cast<uint32_t>(size_));
    size_ += size;
  }
  size_ = (size_ + 15) & ~size_t{15};
}

void GroupStates::initialize(char* states) const { std::memset(states, 0, size_); }

void GroupStates::clear() {
  sets_.clear();
  sketches_.clear();
}

void GroupStates::add_sum(SumState& state, __int128 mantissa, int32_t scale, int64_t count,
                          uint8_t specials) {
  __int128 sum = state.sum;
  if (scale > state.scale) {
    // A partial with a greater scale could not be read again; only a zero gets this far with one.
    if (scale > kMaxScale) throw std::overflow_error("decimal out of range");
    sum = rescale(sum, scale - state.scale);
  } else if (scale < state.scale) {
    mantissa = rescale(mantissa, state.scale - scale);
  }
  if (__builtin_add_overflow(sum, mantissa, &sum)) throw std::overflow_error("sum out of range");
  add_count(state.count, count);
  state.sum = sum;
  state.scale = std::max(state.scale, scale);
  state.specials |= specials;
}

void GroupStates::add_integer(char* states, size_t index, int64_t value) {
  SumState& state = at<SumState>(states, index);
  __int128 sum;
  if (__builtin_add_overflow(state.sum, static_cast<__int128>(value), &sum))
    throw std::overflow_error("sum out of range");
  state.sum = sum;
  ++state.count;
}

void GroupStates::add_decimal(char* states, size_t index, const Decimal& value) {
  SumState& state = at<SumState>(states, index);
  if (value.special != Decimal::Special::kFinite) {
    add_sum(state, 0, 0, 1, static_cast<uint8_t>(value.special));
    return;
  }
  add_sum(state, value.mantissa, value.scale, 1, 0);
}

// Where bytes live from now on: where the group's last ones were if there is room, so that a hot
// group does not grow, else in the arena.
const char* GroupStates::keep(const char* home, uint32_t room, std::string_view bytes) {
  if (bytes.empty()) return home;
  if (room < bytes.size()) return arena_.copy(bytes).data();
  std::memmove(const_cast<char*>(home), bytes.data(), bytes.size());
  return home;
}

void GroupStates::take_extreme(size_t index, ExtremeState& state, const ExtremeState& candidate) {
  const AggregateSpec& spec = specs_[index];
  if (state.set) {
    const int order = compare_states(spec, candidate, state);
    if (spec.kind == AggregateKind::kMin ? order >= 0 : order <= 0) return;
  }
  const char* home = keep(state.bytes, state.length, {candidate.bytes, candidate.length});
  state = candidate;
  state.bytes = home;
  state.set = true;
}

void GroupStates::add_extreme(char* states, size_t index, const Value& value,
                              const Decimal* decimal) {
  ExtremeState candidate{};
  candidate.integer = value.integer;
  if (decimal != nullptr) {
    if (decimal->scale > kMaxScale) throw std::overflow_error("decimal out of range");
    candidate.mantissa = decimal->mantissa;
    candidate.scale = decimal->scale;
    candidate.special = static_cast<uint8_t>(decimal->special);
  } else {
    candidate.bytes = value.bytes.data();
    candidate.length = static_cast<uint32_t>(value.bytes.size());
  }
  take_extreme(index, at<ExtremeState>(states, index), candidate);
}

void GroupStates::take_position(size_t index, PositionState& state,
                                const PositionState& candidate) {
  if (state.set) {
    const int order = compare_positions(candidate, state);
    if (specs_[index].kind == AggregateKind::kFirst ? order >= 0 : order <= 0) return;
  }
  const char* home = keep(state.bytes, state.length, {candidate.bytes, candidate.length});
  state = candidate;
  state.bytes = home;
  state.set = true;
}

void GroupStates::add_position(char* states, size_t index, int64_t time, EventId id,
                               const Value& value) {
  PositionState candidate{};
  candidate.time = time;
  candidate.id = id;
  candidate.integer = value.integer;
  candidate.bytes = value.bytes.data();
  candidate.length = static_cast<uint32_t>(value.bytes.size());
  take_position(index, at<PositionState>(states, index), candidate);
}

DistinctSet& GroupStates::set_of(char* states, size_t index) {
  DistinctSet*& set = at<DistinctSet*>(states, index);
  if (set == nullptr) set = &sets_.emplace_back();
  return *set;
}

DistinctSketch& GroupStates::sketch_of(char* states, size_t index) {
  DistinctSketch*& sketch = at<DistinctSketch*>(states, index);
  if (sketch == nullptr) sketch = &sketches_.emplace_back();
  return *sketch;
}

void GroupStates::add_distinct(char* states, size_t index, std::string_view image) {
  DistinctSet& set = set_of(states, index);
  if (!set.contains(image)) set.insert(arena_.copy(image));
}

void GroupStates::add_hash(char* states, size_t index, uint64_t hash) {
  sketch_of(states, index).add_hash(hash);
}

int64_t GroupStates::distinct(const char* states, size_t index) const {
  const DistinctSet* set = at<DistinctSet*>(states, index);
  return set == nullptr ? 0 : static_cast<int64_t>(set->values.size());
}

int64_t GroupStates::estimate(const char* states, size_t index) const {
  const DistinctSketch* sketch = at<DistinctSketch*>(states, index);
  return sketch == nullptr ? 0 : sketch->estimate();
}

void GroupStates::encode(const char* states, size_t index, ByteWriter& out) const {
  const ValueForm form = specs_[index].form;
  switch (specs_[index].kind) {
    case AggregateKind::kCount:
      out.varint(static_cast<uint64_t>(at<int64_t>(states, index)));
      return;
    case AggregateKind::kSum: {
      const SumState& state = sum(states, index);
      out.varint(static_cast<uint64_t>(state.count));
      if (state.count == 0) return;
      out.byte(state.specials);
      out.varint(static_cast<uint64_t>(state.scale));
      out.zigzag128(state.sum);
      return;
    }
    case AggregateKind::kMin:
    case AggregateKind::kMax: {
      const ExtremeState& state = extreme(states, index);
      out.byte(state.set);
      if (!state.set) return;
      if (form == ValueForm::kDecimal) {
        out.byte(state.special);
        out.varint(static_cast<uint64_t>(state.scale));
        out.zigzag128(state.mantissa);
      } else if (holds_integer(form)) {
        out.zigzag(state.integer);
      } else {
        out.bytes({state.bytes, state.length});
      }
      return;
    }
    case AggregateKind::kDistinct: {
      const DistinctSet* set = at<DistinctSet*>(states, index);
      out.varint(set == nullptr ? 0 : set->values.size());
      if (set == nullptr) return;
      for (std::string_view value : set->values) out.bytes(value);
      return;
    }
    case AggregateKind::kSketch: {
      const DistinctSketch* sketch = at<DistinctSketch*>(states, index);
      std::string image;
      if (sketch != nullptr) sketch->serialize(image);
      out.bytes(image);
      return;
    }
    case AggregateKind::kFirst:
    case AggregateKind::kLast: {
      const PositionState& state = position(states, index);
      out.byte(state.set);
      if (!state.set) return;
      out.fixed64(static_cast<uint64_t>(state.time));
      out.fixed64(state.id.high);
      out.fixed64(state.id.low);
      if (holds_integer(form))
        out.zigzag(state.integer);
      else
        out.bytes({state.bytes, state.length});
      return;
    }
  }
}

void GroupStates::merge_encoded(char* states, size_t index, ByteReader& in) {
  const ValueForm form = specs_[index].form;
  switch (specs_[index].kind) {
    case AggregateKind::kCount:
      add_count(at<int64_t>(states, index), read_count(in));
      return;
    case AggregateKind::kSum: {
      const int64_t count = read_count(in);
      if (count == 0) return;
      const uint8_t specials = in.byte();
      const int32_t scale = read_scale(in);
      if ((specials & ~kAllSpecials) != 0 ||
          (form != ValueForm::kDecimal && (specials != 0 || scale != 0)))
        throw CorruptBytes("partial holds an impossible sum");
      const __int128 mantissa = in.zigzag128();
      add_sum(at<SumState>(states, index), mantissa, scale, count, specials);
      return;
    }
    case AggregateKind::kMin:
    case AggregateKind::kMax: {
      if (!in.flag()) return;
      ExtremeState candidate{};
      if (form == ValueForm::kDecimal) {
        candidate.special = in.byte();
        if (candidate.special > kAllSpecials || __builtin_popcount(candidate.special) > 1)
          throw CorruptBytes("partial holds an impossible number");
        candidate.scale = read_scale(in);
        candidate.mantissa = in.zigzag128();
      } else if (holds_integer(form)) {
        candidate.integer = in.zigzag();
      } else {
        const std::string_view bytes = in.bytes();
        candidate.bytes = bytes.data();
        candidate.length = static_cast<uint32_t>(bytes.size());
      }
      take_extreme(index, at<ExtremeState>(states, index), candidate);
      return;
    }
    case AggregateKind::kDistinct:
      for (uint64_t left = in.varint(); left > 0; --left) add_distinct(states, index, in.bytes());
      return;
    case AggregateKind::kSketch: {
      const std::string_view image = in.bytes();
      if (image.empty()) return;
      const auto sketch =
          DistinctSketch::parse({reinterpret_cast<const std::byte*>(image.data()), image.size()});
      if (!sketch) throw CorruptBytes("partial holds a sketch that is none");
      sketch_of(states, index).merge(*sketch);
      return;
    }
    case AggregateKind::kFirst:
    case AggregateKind::kLast: {
      if (!in.flag()) return;
      PositionState candidate{};
      candidate.time = static_cast<int64_t>(in.fixed64());
      candidate.id.high = in.fixed64();
      candidate.id.low = in.fixed64();
      if (holds_integer(form)) {
        candidate.integer = in.zigzag();
      } else {
        const std::string_view bytes = in.bytes();
        candidate.bytes = bytes.data();
        candidate.length = static_cast<uint32_t>(bytes.size());
      }
      take_position(index, at<PositionState>(states, index), candidate);
      return;
    }
  }
}

void GroupStates::merge(char* into, const char* from) {
  for (size_t index = 0; index < specs_.size(); ++index) {
    switch (specs_[index].kind) {
      case AggregateKind::kCount:
        add_count(at<int64_t>(into, index), count_value(from, index));
        break;
      case AggregateKind::kSum: {
        const SumState& state = sum(from, index);
        if (state.count > 0)
          add_sum(at<SumState>(into, index), state.sum, state.scale, state.count, state.specials);
        break;
      }
      case AggregateKind::kMin:
      case AggregateKind::kMax:
        if (extreme(from, index).set)
          take_extreme(index, at<ExtremeState>(into, index), extreme(from, index));
        break;
      case AggregateKind::kDistinct:
        if (const DistinctSet* set = at<DistinctSet*>(from, index))
          for (std::string_view value : set->values) add_distinct(into, index, value);
        break;
      case AggregateKind::kSketch:
        if (const DistinctSketch* sketch = at<DistinctSketch*>(from, index))
          sketch_of(into, index).merge(*sketch);
        break;
      case AggregateKind::kFirst:
      case AggregateKind::kLast:
        if (position(from, index).set)
          take_position(index, at<PositionState>(into, index), position(from, index));
        break;
    }
  }
}

void GroupStates::skip(AggregateKind kind, ValueForm form, ByteReader& in) {
  switch (kind) {
    case AggregateKind::kCount:
      in.varint();
      return;
    case AggregateKind::kSum:
      if (in.varint() == 0) return;
      in.byte();
      in.varint();
      in.zigzag128();
      return;
    case AggregateKind::kMin:
    case AggregateKind::kMax:
      if (!in.flag()) return;
      if (form == ValueForm::kDecimal) {
        in.byte();
        in.varint();
        in.zigzag128();
      } else if (holds_integer(form)) {
        in.zigzag();
      } else {
        in.bytes();
      }
      return;
    case AggregateKind::kDistinct:
      for (uint64_t left = in.varint(); left > 0; --left) in.bytes();
      return;
    case AggregateKind::kSketch:
      in.bytes();
      return;
    case AggregateKind::kFirst:
    case AggregateKind::kLast:
      if (!in.flag()) return;
      in.take(24);
      if (holds_integer(form))
        in.zigzag();
      else
        in.bytes();
      return;
  }
  throw CorruptBytes("partial names an unknown aggregate");
}

}  // namespace globalmart
