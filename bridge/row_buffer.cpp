#include "bridge/row_buffer.hpp"

#include <algorithm>

namespace globalmart {

namespace {

constexpr size_t kFirstCapacity = 4096;
constexpr uint16_t kNumericNegative = 0x4000;
constexpr int kBaseDigits = 4;  // decimal digits in one digit of PostgreSQL's numeric
constexpr unsigned kBase = 10000;

}  // namespace

void FieldWriter::grow(size_t more) {
  const size_t capacity = std::max({kFirstCapacity, capacity_ * 2, size_ + more});
  auto data = std::make_unique_for_overwrite<char[]>(capacity);
  if (size_ > 0) std::memcpy(data.get(), data_.get(), size_);
  data_ = std::move(data);
  capacity_ = capacity;
}

void FieldWriter::boolean(bool value) {
  char* p = reserve(5);
  put32(p, 1);
  p[4] = value ? 1 : 0;
  size_ += 5;
}

void FieldWriter::int4(int32_t value) {
  char* p = reserve(8);
  put32(p, 4);
  put32(p + 4, static_cast<uint32_t>(value));
  size_ += 8;
}

void FieldWriter::int8(int64_t value) {
  char* p = reserve(12);
  put32(p, 8);
  put64(p + 4, static_cast<uint64_t>(value));
  size_ += 12;
}

void FieldWriter::uuid(const Uuid& value) {
  char* p = reserve(20);
  put32(p, 16);
  std::memcpy(p + 4, value.bytes.data(), 16);
  size_ += 20;
}

void FieldWriter::text(std::string_view value) {
  char* p = reserve(4 + value.size());
  put32(p, static_cast<uint32_t>(value.size()));
  if (!value.empty()) std::memcpy(p + 4, value.data(), value.size());
  size_ += 4 + value.size();
}

void FieldWriter::numeric(Int128 units, int scale) {
  const bool negative = units < 0;
  auto magnitude =
      negative ? -static_cast<unsigned __int128>(units) : static_cast<unsigned __int128>(units);
  // Digits of base 10,000, least first. The fraction begins at a digit's border.
  uint16_t digits[16];
  int count = 0;
  const int fraction_digits = (scale + kBaseDigits - 1) / kBaseDigits;
  const auto split = [&](auto rest) {
    if (const int odd = scale % kBaseDigits; odd != 0) {
      static constexpr unsigned kPowers[] = {1, 10, 100, 1000};
      digits[count++] = static_cast<uint16_t>(static_cast<unsigned>(rest % kPowers[odd]) *
                                              kPowers[kBaseDigits - odd]);
      rest /= kPowers[odd];
    }
    while (rest != 0) {
      digits[count++] = static_cast<uint16_t>(rest % kBase);
      rest /= kBase;
    }
  };
  if (magnitude <= UINT64_MAX) {
    split(static_cast<uint64_t>(magnitude));
  } else {
    split(magnitude);
  }
  while (count > 0 && digits[count - 1] == 0) --count;
  int lowest = 0;
  while (lowest < count && digits[lowest] == 0) ++lowest;
  const int weight = count > 0 ? count - fraction_digits - 1 : 0;
  const int kept = count - lowest;

  char* p = reserve(12 + 2 * static_cast<size_t>(kept));
  put32(p, static_cast<uint32_t>(8 + 2 * kept));
  put16(p + 4, static_cast<uint16_t>(kept));
  put16(p + 6, static_cast<uint16_t>(weight));
  put16(p + 8, negative && kept > 0 ? kNumericNegative : 0);
  put16(p + 10, static_cast<uint16_t>(scale));
  p += 12;
  for (int i = count - 1; i >= lowest; --i, p += 2) put16(p, digits[i]);
  size_ += 12 + 2 * static_cast<size_t>(kept);
}

size_t FieldWriter::begin_array(uint32_t element_oid, uint32_t count) {
  const size_t start = size_;
  char* p = reserve(24);
  put32(p + 4, count > 0 ? 1 : 0);  // dimensions
  put32(p + 8, 0);                  // no nulls
  put32(p + 12, element_oid);
  size_ += 16;
  if (count > 0) {
    put32(p + 16, count);
    put32(p + 20, 1);  // lower bound
    size_ += 8;
  }
  return start;
}

void FieldWriter::end_array(size_t start) {
  put32(data_.get() + start, static_cast<uint32_t>(size_ - start - 4));
}

std::string_view RowBuffer::rows_of(uint32_t first, uint32_t last) const {
  const auto begins_before = [](const Row& row, uint32_t message) { return row.message < message; };
  const auto from = std::lower_bound(rows_.begin(), rows_.end(), first, begins_before);
  const auto to = std::lower_bound(from, rows_.end(), last, begins_before);
  const size_t begin = from == rows_.end() ? fields_.size() : from->begin;
  const size_t end = to == rows_.end() ? fields_.size() : to->begin;
  return fields_.bytes(begin, end);
}

}  // namespace globalmart
