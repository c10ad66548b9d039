// Varints, zigzag and 128-bit integers: every value comes back, every cut is noticed, and nothing
// but what the writer makes is taken.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "core/arena.hpp"
#include "core/bytes.hpp"

namespace globalmart {
namespace {

constexpr __int128 kMax128 = static_cast<__int128>(~static_cast<unsigned __int128>(0) >> 1);
constexpr __int128 kMin128 = -kMax128 - 1;

// Powers of two and their neighbours, then random values of every length.
std::vector<uint64_t> integers() {
  std::vector<uint64_t> values = {0, 1, std::numeric_limits<uint64_t>::max()};
  std::mt19937_64 random(7);
  for (int bit = 0; bit < 64; ++bit) {
    const uint64_t power = uint64_t{1} << bit;
    values.insert(values.end(), {power - 1, power, power + 1, random() >> bit});
  }
  return values;
}

std::vector<__int128> wide_integers() {
  std::vector<__int128> values = {0, 1, -1, kMax128, kMin128};
  for (int bit = 0; bit < 127; ++bit) {
    const __int128 power = static_cast<__int128>(1) << bit;
    values.insert(values.end(), {power, -power, power - 1, 1 - power});
  }
  return values;
}

TEST(Bytes, VarintsComeBack) {
  for (uint64_t value : integers()) {
    std::string bytes;
    ByteWriter(bytes).varint(value);
    ASSERT_LE(bytes.size(), 10u);
    ByteReader in(bytes);
    ASSERT_EQ(in.varint(), value);
    ASSERT_TRUE(in.done());
  }
}

TEST(Bytes, SmallNumbersAreShort) {
  std::string bytes;
  ByteWriter out(bytes);
  out.varint(127);
  EXPECT_EQ(bytes.size(), 1u);
  out.varint(128);
  EXPECT_EQ(bytes.size(), 3u);
  bytes.clear();
  out.zigzag(-64);
  out.zigzag128(63);
  EXPECT_EQ(bytes.size(), 2u);
  EXPECT_EQ(bytes, std::string("\x7f\x7e"));
}

TEST(Bytes, SignedIntegersComeBack) {
  for (uint64_t raw : integers()) {
    const auto value = static_cast<int64_t>(raw);
    std::string bytes;
    ByteWriter(bytes).zigzag(value);
    ByteReader in(bytes);
    ASSERT_EQ(in.zigzag(), value);
    ASSERT_TRUE(in.done());
  }
}

TEST(Bytes, WideIntegersComeBack) {
  for (__int128 value : wide_integers()) {
    std::string bytes;
    ByteWriter(bytes).zigzag128(value);
    ASSERT_LE(bytes.size(), 19u);
    ByteReader in(bytes);
    ASSERT_TRUE(in.zigzag128() == value);
    ASSERT_TRUE(in.done());
  }
}

TEST(Bytes, MixedFieldsComeBackInOrder) {
  std::string bytes;
  ByteWriter out(bytes);
  out.byte(0xff);
  out.fixed64(0x0123456789abcdef);
  out.bytes("");
  out.bytes(std::string_view("a\0b", 3));
  out.bytes(std::string(300, 'x'));
  out.zigzag(-5);
  ByteReader in(bytes);
  EXPECT_EQ(in.byte(), 0xff);
  EXPECT_EQ(in.fixed64(), 0x0123456789abcdefu);
  EXPECT_EQ(in.bytes(), "");
  EXPECT_EQ(in.bytes(), std::string_view("a\0b", 3));
  EXPECT_EQ(in.bytes(), std::string(300, 'x'));
  EXPECT_EQ(in.zigzag(), -5);
  EXPECT_TRUE(in.done());
}

template <typename Read>
void expect_cuts_are_noticed(const std::string& bytes, Read&& read) {
  for (size_t length = 0; length < bytes.size(); ++length) {
    // Memory of exactly this length, so that a checker sees a read beyond it.
    const std::vector<char> cut(bytes.begin(), bytes.begin() + static_cast<long>(length));
    ByteReader in({cut.data(), cut.size()});
    EXPECT_THROW(read(in), CorruptBytes) << "cut to " << length;
  }
}

TEST(Bytes, CutsAreNoticed) {
  std::string bytes;
  ByteWriter out(bytes);
  out.varint(std::numeric_limits<uint64_t>::max());
  expect_cuts_are_noticed(bytes, [](ByteReader& in) { in.varint(); });
  bytes.clear();
  out.zigzag128(kMin128);
  expect_cuts_are_noticed(bytes, [](ByteReader& in) { in.zigzag128(); });
  bytes.clear();
  out.bytes("twelve bytes");
  expect_cuts_are_noticed(bytes, [](ByteReader& in) { in.bytes(); });
  bytes.clear();
  out.fixed64(1);
  expect_cuts_are_noticed(bytes, [](ByteReader& in) { in.fixed64(); });
}

TEST(Bytes, ALengthBeyondTheEndIsNoticed) {
  for (uint64_t length : {uint64_t{4}, uint64_t{1} << 32, std::numeric_limits<uint64_t>::max()}) {
    std::string bytes;
    ByteWriter out(bytes);
    out.varint(length);
    bytes += "abc";
    ByteReader in(bytes);
    EXPECT_THROW(in.bytes(), CorruptBytes);
  }
}

TEST(Bytes, IntegersThatAreTooLongAreRefused) {
  // One bit more than fits, and bytes that never end.
  ByteReader two_to_64(std::string_view("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02", 10));
  EXPECT_THROW(two_to_64.varint(), CorruptBytes);
  const std::string endless(40, '\x80');
  ByteReader narrow(endless);
  EXPECT_THROW(narrow.varint(), CorruptBytes);
  std::string two_to_128(18, '\x80');
  two_to_128 += '\x04';
  ByteReader wide(two_to_128);
  EXPECT_THROW(wide.zigzag128(), CorruptBytes);
  ByteReader endless_wide(endless);
  EXPECT_THROW(endless_wide.zigzag128(), CorruptBytes);
}

TEST(Arena, GivesAlignedMemoryThatStays) {
  Arena arena;
  std::mt19937 random(3);
  std::vector<std::pair<std::string_view, std::string>> given;
  for (int i = 0; i < 5000; ++i) {
    // Now and then more than a block.
    const size_t size = i % 1000 == 999 ? 700000 : random() % 400;
    const std::string wanted(size, static_cast<char>('a' + i % 26));
    const std::string_view copy = arena.copy(wanted);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(copy.data()) % 16, 0u);  // nullptr for no bytes
    given.emplace_back(copy, wanted);
  }
  for (const auto& [copy, wanted] : given) ASSERT_EQ(copy, wanted);
}

TEST(Arena, UsesItsBlocksAgain) {
  Arena arena;
  char* first = arena.allocate(100);
  arena.allocate(1 << 20);
  EXPECT_GE(arena.total(), (1u << 20) + 100);
  arena.clear();
  EXPECT_EQ(arena.total(), 0u);
  EXPECT_EQ(arena.allocate(1), first);
  EXPECT_EQ(arena.total(), 16u);
}

TEST(Arena, KeepsNoMoreThanItIsTold) {
  Arena arena;
  arena.allocate(8 << 20);
  arena.clear(/*keep=*/0);
  char* again = arena.allocate(32);
  std::memset(again, 1, 32);
  EXPECT_EQ(arena.total(), 32u);
}

}  // namespace
}  // namespace globalmart
