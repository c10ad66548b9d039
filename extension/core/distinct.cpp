#include "core/distinct.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <vector>

#include "core/registers.hpp"

namespace globalmart {

namespace {

static_assert(DistinctSketch::kRegisters == registers::kCount);

// The stored form.
constexpr uint8_t kMagic = 0xd5;
constexpr uint8_t kVersion = 1;
enum class StoredForm : uint8_t {
  kExact = 0,  // varint count, then so many hashes of 8 bytes, strictly ascending
  kCoded = 1,  // for each register that is not 0: varint zeros before it, its byte
  kRaw = 2,    // kRegisters bytes
};

// Stands for the hash 0, which marks a free slot of a table.
constexpr uint64_t kInsteadOfZero = 0x9e3779b97f4a7c15;

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void put_hash(std::string& out, uint64_t hash) {
  for (int shift = 0; shift < 64; shift += 8) out.push_back(static_cast<char>(hash >> shift));
}

// Takes a varint of at most two bytes, in its shortest form only: counts and gaps are below 16,384.
std::optional<uint32_t> take_varint(std::span<const std::byte>& in) {
  if (in.empty()) return std::nullopt;
  const auto first = std::to_integer<uint32_t>(in[0]);
  if (first < 0x80) {
    in = in.subspan(1);
    return first;
  }
  if (in.size() < 2) return std::nullopt;
  const auto second = std::to_integer<uint32_t>(in[1]);
  if (second == 0 || second >= 0x80) return std::nullopt;
  in = in.subspan(2);
  return (first & 0x7f) | second << 7;
}

uint64_t hash_at(std::span<const std::byte> in, size_t index) {
  uint64_t hash = 0;
  for (size_t byte = 0; byte < 8; ++byte)
    hash |= std::to_integer<uint64_t>(in[index * 8 + byte]) << (8 * byte);
  return hash;
}

size_t coded_size(const uint8_t* values) {
  size_t size = 0;
  size_t zeros = 0;
  for (size_t i = 0; i < registers::kCount; ++i) {
    if (values[i] == 0) {
      ++zeros;
      continue;
    }
    size += zeros < 0x80 ? 2 : 3;
    zeros = 0;
  }
  return size;
}

}  // namespace

const SketchMemory& SketchMemory::heap() {
  static constexpr SketchMemory kHeap{
      [](size_t size) { return ::operator new(size); },
      [](void* memory) noexcept { ::operator delete(memory); },
  };
  return kHeap;
}

template <typename Visit>
void DistinctSketch::for_each_hash(Visit&& visit) const {
  if (form_ == Form::kInline) {
    for (uint32_t i = 0; i < count_; ++i) visit(hashes_[i]);
  } else if (form_ == Form::kTable) {
    for (uint32_t i = 0; i < capacity(); ++i)
      if (table_[i] != 0) visit(table_[i]);
  }
}

void DistinctSketch::free_storage() noexcept {
  if (form_ == Form::kTable) memory_->release(table_);
  if (form_ == Form::kDense) memory_->release(registers_);
}

void DistinctSketch::take(DistinctSketch& other) noexcept {
  std::memcpy(hashes_, other.hashes_, sizeof hashes_);
  memory_ = other.memory_;
  count_ = other.count_;
  form_ = other.form_;
  capacity_log_ = other.capacity_log_;
  other.form_ = Form::kInline;
  other.count_ = 0;
}

void DistinctSketch::clear() {
  free_storage();
  form_ = Form::kInline;
  count_ = 0;
}

void DistinctSketch::add_hash(uint64_t hash) {
  if (hash == 0) [[unlikely]]
    hash = kInsteadOfZero;
  if (form_ == Form::kDense) {
    uint8_t& value = registers_[registers::index_of(hash)];
    value = registers::add_rank(value, registers::rank_of(hash));
    return;
  }
  insert(hash);
}

// Adds a hash that is not 0 to a sketch that is not dense.
void DistinctSketch::insert(uint64_t hash) {
  if (form_ == Form::kInline) {
    for (uint32_t i = 0; i < count_; ++i)
      if (hashes_[i] == hash) return;
    if (count_ < kInlineHashes) {
      hashes_[count_++] = hash;
      return;
    }
    resize_table(kFirstCapacityLog);
  }
  insert_into_table(hash);
}

void DistinctSketch::insert_into_table(uint64_t hash) {
  uint32_t slot = static_cast<uint32_t>(hash) & (capacity() - 1);
  while (table_[slot] != 0) {
    if (table_[slot] == hash) return;
    slot = (slot + 1) & (capacity() - 1);
  }
  if (count_ == kExactLimit) {
    make_dense();
    add_hash(hash);
    return;
  }
  if (4 * (count_ + 1) > 3 * capacity()) {
    resize_table(static_cast<uint8_t>(capacity_log_ + 1));
    slot = static_cast<uint32_t>(hash) & (capacity() - 1);
    while (table_[slot] != 0) slot = (slot + 1) & (capacity() - 1);
  }
  table_[slot] = hash;
  ++count_;
}

// Moves the hashes to a table with 2^capacity_log free slots.
void DistinctSketch::resize_table(uint8_t capacity_log) {
  const uint32_t slots = uint32_t{1} << capacity_log;
  auto* table = static_cast<uint64_t*>(memory_->allocate(slots * sizeof(uint64_t)));
  std::memset(table, 0, slots * sizeof(uint64_t));
  for_each_hash([&](uint64_t hash) {
    uint32_t slot = static_cast<uint32_t>(hash) & (slots - 1);
    while (table[slot] != 0) slot = (slot + 1) & (slots - 1);
    table[slot] = hash;
  });
  free_storage();
  table_ = table;
  form_ = Form::kTable;
  capacity_log_ = capacity_log;
}

void DistinctSketch::make_dense() {
  auto* values = static_cast<uint8_t*>(memory_->allocate(kRegisters));
  std::memset(values, 0, kRegisters);
  for_each_hash([&](uint64_t hash) {
    uint8_t& value = values[registers::index_of(hash)];
    value = registers::add_rank(value, registers::rank_of(hash));
  });
  free_storage();
  registers_ = values;
  form_ = Form::kDense;
  count_ = 0;
}

void DistinctSketch::merge(const DistinctSketch& other) {
  if (this == &other) return;
  if (other.form_ == Form::kDense) {
    if (form_ != Form::kDense) make_dense();
    registers::merge(registers_, other.registers_);
    return;
  }
  other.for_each_hash([&](uint64_t hash) { add_hash(hash); });
}

int64_t DistinctSketch::estimate() const {
  if (form_ != Form::kDense) return count_;
  const double estimate = registers::estimate(registers_);
  // A double below 2^63 that rounds is far from the limit; full registers estimate infinity.
  if (!(estimate < 0x1p62)) return std::numeric_limits<int64_t>::max();
  return std::max(static_cast<int64_t>(std::floor(estimate + 0.5)),
                  static_cast<int64_t>(kExactLimit + 1));
}

void DistinctSketch::serialize(std::string& out) const {
  out.push_back(static_cast<char>(kMagic));
  out.push_back(static_cast<char>(kVersion));
  if (form_ != Form::kDense) {
    out.push_back(static_cast<char>(StoredForm::kExact));
    put_varint(out, count_);
    std::array<uint64_t, kInlineHashes> few;
    std::vector<uint64_t> many;
    if (count_ > few.size()) many.resize(count_);
    const std::span<uint64_t> sorted(many.empty() ? few.data() : many.data(), count_);
    size_t next = 0;
    for_each_hash([&](uint64_t hash) { sorted[next++] = hash; });
    std::sort(sorted.begin(), sorted.end());
    for (const uint64_t hash : sorted) put_hash(out, hash);
    return;
  }
  if (coded_size(registers_) >= kRegisters) {
    out.push_back(static_cast<char>(StoredForm::kRaw));
    out.append(reinterpret_cast<const char*>(registers_), kRegisters);
    return;
  }
  out.push_back(static_cast<char>(StoredForm::kCoded));
  uint32_t zeros = 0;
  for (size_t i = 0; i < kRegisters; ++i) {
    if (registers_[i] == 0) {
      ++zeros;
      continue;
    }
    put_varint(out, zeros);
    out.push_back(static_cast<char>(registers_[i]));
    zeros = 0;
  }
}

std::optional<DistinctSketch> DistinctSketch::parse(std::span<const std::byte> bytes,
                                                    const SketchMemory& memory) {
  if (bytes.size() < 3 || bytes.size() > kMaxSerialized) return std::nullopt;
  if (std::to_integer<uint8_t>(bytes[0]) != kMagic ||
      std::to_integer<uint8_t>(bytes[1]) != kVersion)
    return std::nullopt;
  const auto form = static_cast<StoredForm>(bytes[2]);
  bytes = bytes.subspan(3);
  DistinctSketch sketch(memory);

  if (form == StoredForm::kExact) {
    const std::optional<uint32_t> count = take_varint(bytes);
    if (!count || *count > kExactLimit || bytes.size() != size_t{*count} * 8) return std::nullopt;
    if (*count > kInlineHashes) {
      uint8_t capacity_log = kFirstCapacityLog;
      while (4 * *count > 3 * (uint32_t{1} << capacity_log)) ++capacity_log;
      sketch.resize_table(capacity_log);
    }
    uint64_t last = 0;
    for (uint32_t i = 0; i < *count; ++i) {
      const uint64_t hash = hash_at(bytes, i);
      if (hash <= last) return std::nullopt;
      sketch.insert(hash);
      last = hash;
    }
    return sketch;
  }

  if (form != StoredForm::kCoded && form != StoredForm::kRaw) return std::nullopt;
  sketch.make_dense();
  uint8_t* const values = sketch.registers_;
  if (form == StoredForm::kRaw) {
    if (bytes.size() != kRegisters) return std::nullopt;
    std::memcpy(values, bytes.data(), kRegisters);
    if (!std::all_of(values, values + kRegisters, registers::valid)) return std::nullopt;
    if (coded_size(values) < kRegisters) return std::nullopt;
    return sketch;
  }
  // At least one register, and no longer than the raw form would be.
  if (bytes.empty() || bytes.size() >= kRegisters) return std::nullopt;
  size_t index = 0;
  while (!bytes.empty()) {
    const std::optional<uint32_t> zeros = take_varint(bytes);
    if (!zeros || bytes.empty()) return std::nullopt;
    index += *zeros;
    const auto value = std::to_integer<uint8_t>(bytes[0]);
    bytes = bytes.subspan(1);
    if (index >= kRegisters || value == 0 || !registers::valid(value)) return std::nullopt;
    values[index++] = value;
  }
  return sketch;
}

}  // namespace globalmart
