// Rows on their way to the database, encoded as COPY BINARY wants them: no object a row, no
// allocation a row once the buffers have grown.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/decimal.hpp"
#include "bridge/instant.hpp"
#include "bridge/uuid.hpp"

namespace globalmart {

// Fields in PostgreSQL's binary format, appended one after the other. All numbers big-endian.
class FieldWriter {
 public:
  void clear() { size_ = 0; }
  size_t size() const { return size_; }
  std::string_view bytes(size_t from, size_t to) const { return {data_.get() + from, to - from}; }

  void begin_row(uint16_t columns) { put16(reserve(2), columns), size_ += 2; }
  void null() { put32(reserve(4), 0xffffffffu), size_ += 4; }
  void boolean(bool value);
  void int4(int32_t value);
  void int8(int64_t value);
  void timestamptz(Micros value) { int8(value - kPostgresEpoch); }
  void uuid(const Uuid& value);
  void text(std::string_view value);
  void bytea(std::string_view value) { text(value); }
  // `units` of 10^-scale.
  void numeric(Int128 units, int scale);

  // An array of one dimension without nulls: after it `count` fields of the element's type, then
  // end_array.
  size_t begin_array(uint32_t element_oid, uint32_t count);
  void end_array(size_t start);

  // Puts the size back to an earlier one: a row that was begun is dropped.
  void truncate(size_t size) { size_ = size; }

 private:
  char* reserve(size_t more) {
    if (size_ + more > capacity_) grow(more);
    return data_.get() + size_;
  }
  void grow(size_t more);

  static void put16(char* p, uint16_t v) {
    v = __builtin_bswap16(v);
    std::memcpy(p, &v, 2);
  }
  static void put32(char* p, uint32_t v) {
    v = __builtin_bswap32(v);
    std::memcpy(p, &v, 4);
  }
  static void put64(char* p, uint64_t v) {
    v = __builtin_bswap64(v);
    std::memcpy(p, &v, 8);
  }

  std::unique_ptr<char[]> data_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

// Rows of one table, in the order of the messages that they come from.
class RowBuffer {
 public:
  void clear() {
    fields_.clear();
    rows_.clear();
  }
  // Begins the next row; its fields are to follow.
  FieldWriter& add_row(uint32_t message, uint16_t columns) {
    rows_.push_back({fields_.size(), message});
    fields_.begin_row(columns);
    return fields_;
  }
  bool empty() const { return rows_.empty(); }
  size_t row_count() const { return rows_.size(); }
  size_t size() const { return fields_.size(); }
  // The rows of the messages [first, last), as they go between COPY's header and trailer.
  std::string_view rows_of(uint32_t first, uint32_t last) const;

 private:
  struct Row {
    size_t begin;
    uint32_t message;
  };
  FieldWriter fields_;
  std::vector<Row> rows_;
};

}  // namespace globalmart
