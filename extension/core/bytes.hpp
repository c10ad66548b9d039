// Bytes of partials: varints out to a growing buffer, and in with every bound checked. What is read
// may come from a restored dump, so nothing in it is trusted.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

namespace globalmart {

// Thrown when stored bytes are not what a writer of this library makes.
struct CorruptBytes : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class ByteWriter {
 public:
  explicit ByteWriter(std::string& out) : out_(out) {}

  void byte(uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void fixed64(uint64_t value) { out_.append(reinterpret_cast<const char*>(&value), 8); }
  void varint(uint64_t value) {
    char buffer[10];
    int used = 0;
    while (value >= 0x80) {
      buffer[used++] = static_cast<char>(value | 0x80);
      value >>= 7;
    }
    buffer[used++] = static_cast<char>(value);
    out_.append(buffer, used);
  }
  void zigzag(int64_t value) {
    varint((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
  }
  void zigzag128(__int128 value) {
    auto rest =
        (static_cast<unsigned __int128>(value) << 1) ^ static_cast<unsigned __int128>(value >> 127);
    while (rest >= 0x80) {
      byte(static_cast<uint8_t>(rest) | 0x80);
      rest >>= 7;
    }
    byte(static_cast<uint8_t>(rest));
  }
  void bytes(std::string_view value) {
    varint(value.size());
    out_.append(value);
  }

 private:
  std::string& out_;
};

class ByteReader {
 public:
  explicit ByteReader(std::string_view in) : at_(in.data()), end_(in.data() + in.size()) {}

  bool done() const { return at_ == end_; }
  uint8_t byte() {
    if (at_ == end_) throw CorruptBytes("partial ends early");
    return static_cast<uint8_t>(*at_++);
  }
  // A byte that says yes or no.
  bool flag() {
    const uint8_t value = byte();
    if (value > 1) throw CorruptBytes("partial holds a flag that is neither yes nor no");
    return value != 0;
  }
  uint64_t fixed64() {
    uint64_t value;
    std::memcpy(&value, take(8).data(), 8);
    return value;
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint8_t next = byte();
      if (shift == 63 && next > 1) break;
      value |= static_cast<uint64_t>(next & 0x7f) << shift;
      if (next < 0x80) return value;
    }
    throw CorruptBytes("partial holds an integer that is too long");
  }
  int64_t zigzag() {
    const uint64_t raw = varint();
    return static_cast<int64_t>(raw >> 1) ^ -static_cast<int64_t>(raw & 1);
  }
  __int128 zigzag128() {
    unsigned __int128 raw = 0;
    for (int shift = 0; shift < 128; shift += 7) {
      const uint8_t next = byte();
      if (shift == 126 && next > 3) break;
      raw |= static_cast<unsigned __int128>(next & 0x7f) << shift;
      if (next < 0x80) {
        const auto sign = static_cast<unsigned __int128>(0) - (raw & 1);
        return static_cast<__int128>((raw >> 1) ^ sign);
      }
    }
    throw CorruptBytes("partial holds an integer that is too long");
  }
  std::string_view bytes() { return take(varint()); }
  std::string_view take(uint64_t length) {
    if (length > static_cast<uint64_t>(end_ - at_)) throw CorruptBytes("partial ends early");
    std::string_view value(at_, length);
    at_ += length;
    return value;
  }

 private:
  const char* at_;
  const char* end_;
};

}  // namespace globalmart
