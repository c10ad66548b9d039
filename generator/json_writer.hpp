#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "generator/event_time.hpp"

namespace globalmart::generator {

/// Writes one JSON text into a buffer of its own, without checks: whoever writes knows that the
/// text stays below kCapacity and that it is JSON. Made for a million events a second.
class JsonWriter {
 public:
  static constexpr size_t kCapacity = 8192;

  void clear() { end_ = buffer_.data(); }
  std::string_view text() const {
    return {buffer_.data(), static_cast<size_t>(end_ - buffer_.data())};
  }

  /// Text as it is: punctuation, names, strings that need no escape.
  template <size_t N>
  JsonWriter& raw(const char (&literal)[N]) {
    std::memcpy(end_, literal, N - 1);
    end_ += N - 1;
    return *this;
  }
  JsonWriter& text(std::string_view text) {
    std::memcpy(end_, text.data(), text.size());
    end_ += text.size();
    return *this;
  }

  JsonWriter& integer(int64_t number) {
    if (number < 0) {
      *end_++ = '-';
      number = -number;
    }
    char digits[20];
    char* first = digits + sizeof digits;
    do {
      *--first = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number != 0);
    return text({first, static_cast<size_t>(digits + sizeof digits - first)});
  }

  /// An amount in cents with two decimals, 0 or above.
  JsonWriter& money(int64_t cents) {
    integer(cents / 100);
    end_[0] = '.';
    end_[1] = static_cast<char>('0' + cents % 100 / 10);
    end_[2] = static_cast<char>('0' + cents % 10);
    end_ += 3;
    return *this;
  }

  /// At least eight digits; returns what was written with the prefix, good until clear().
  std::string_view numbered(std::string_view prefix, uint64_t number) {
    const char* const first = end_;
    text(prefix);
    if (number >= 100'000'000) {
      integer(static_cast<int64_t>(number));
    } else {
      for (int i = 8; i-- > 0; number /= 10) end_[i] = static_cast<char>('0' + number % 10);
      end_ += 8;
    }
    return {first, static_cast<size_t>(end_ - first)};
  }

  /// A random UUID (version 4) from 128 random bits; returns its text, good until clear().
  std::string_view uuid(uint64_t high, uint64_t low) {
    high = (high & ~0xf000ULL) | 0x4000ULL;
    low = (low & ~(3ULL << 62)) | (2ULL << 62);
    char* const first = end_;
    for (int shift = 56, i = 0; shift >= 0; shift -= 8, ++i) {
      if (i == 4 || i == 6) *end_++ = '-';
      hex_byte(static_cast<uint8_t>(high >> shift));
    }
    *end_++ = '-';
    for (int shift = 56, i = 0; shift >= 0; shift -= 8, ++i) {
      if (i == 2) *end_++ = '-';
      hex_byte(static_cast<uint8_t>(low >> shift));
    }
    return {first, 36};
  }

  JsonWriter& instant(Instant instant) {
    // Neighbours share the second; its text is kept.
    const int64_t second = instant / kSecond;
    if (second != second_) {
      write_instant(second * kSecond, second_text_.data());
      second_ = second;
    }
    std::memcpy(end_, second_text_.data(), kInstantLength);
    auto micros = static_cast<uint32_t>(instant - second * kSecond);
    for (int i = 25; i >= 20; --i, micros /= 10) end_[i] = static_cast<char>('0' + micros % 10);
    end_ += kInstantLength;
    return *this;
  }

 private:
  void hex_byte(uint8_t byte) {
    constexpr char kHex[] = "0123456789abcdef";
    end_[0] = kHex[byte >> 4];
    end_[1] = kHex[byte & 15];
    end_ += 2;
  }

  std::array<char, kCapacity> buffer_;
  char* end_ = buffer_.data();
  int64_t second_ = INT64_MIN;
  std::array<char, kInstantLength> second_text_;
};

}  // namespace globalmart::generator
