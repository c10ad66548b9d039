#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <new>
#include <random>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/distinct.hpp"
#include "core/hash.hpp"
#include "core/registers.hpp"

namespace globalmart {
namespace {

uint64_t hash_of(uint64_t value, uint64_t seed = 0) {
  return hash_bytes(&value, sizeof value, seed);
}

std::string bytes_of(const DistinctSketch& sketch) {
  std::string bytes;
  sketch.serialize(bytes);
  return bytes;
}

std::optional<DistinctSketch> parse(std::string_view bytes) {
  return DistinctSketch::parse({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
}

DistinctSketch sketch_of(uint64_t first, uint64_t count, uint64_t seed = 0) {
  DistinctSketch sketch;
  for (uint64_t i = 0; i < count; ++i) sketch.add_hash(hash_of(first + i, seed));
  return sketch;
}

TEST(Hash, IsStable) {
  // Stored sketches depend on these; they may never change.
  EXPECT_EQ(mix64(0), 0u);
  EXPECT_EQ(mix64(1), 4324205816119988925u);
  std::string text;
  uint64_t all = 0;
  for (int length = 0; length <= 200; ++length) {
    all = mix64(all ^ hash_bytes(text.data(), text.size(), static_cast<uint64_t>(length)));
    text.push_back(static_cast<char>(length * 7 + 1));
  }
  EXPECT_EQ(all, 15933473661010166657u);
}

TEST(Hash, EachBitOfTheInputMovesHalfOfTheOutput) {
  std::mt19937_64 random(1);
  for (size_t length : {1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 48, 49, 100}) {
    std::vector<double> flips(length * 8);
    std::string text(length, '\0');
    constexpr int kRounds = 400;
    for (int round = 0; round < kRounds; ++round) {
      for (char& byte : text) byte = static_cast<char>(random());
      const uint64_t before = hash_bytes(text.data(), length);
      for (size_t bit = 0; bit < length * 8; ++bit) {
        text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << (bit % 8)));
        flips[bit] += std::popcount(before ^ hash_bytes(text.data(), length));
        text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << (bit % 8)));
      }
    }
    for (double flipped : flips) EXPECT_NEAR(flipped / kRounds, 32, 2) << "length " << length;
  }
}

TEST(Hash, LengthAndSeedCount) {
  const char zeros[64] = {};
  std::unordered_set<uint64_t> seen;
  for (size_t length = 0; length <= 64; ++length)
    for (uint64_t seed = 0; seed < 4; ++seed) seen.insert(hash_bytes(zeros, length, seed));
  EXPECT_EQ(seen.size(), 65u * 4u);
}

TEST(DistinctSketch, IsSmallAndEmptyAtFirst) {
  EXPECT_LE(sizeof(DistinctSketch), 48u);
  const DistinctSketch sketch;
  EXPECT_TRUE(sketch.empty());
  EXPECT_EQ(sketch.estimate(), 0);
  EXPECT_EQ(bytes_of(sketch).size(), 4u);
}

TEST(DistinctSketch, IsExactUpToTheLimit) {
  DistinctSketch sketch;
  for (uint64_t i = 0; i < DistinctSketch::kExactLimit; ++i) {
    sketch.add_hash(hash_of(i));
    sketch.add_hash(hash_of(i / 2));
    ASSERT_EQ(sketch.estimate(), static_cast<int64_t>(i + 1));
    ASSERT_TRUE(sketch.exact());
  }
  sketch.add_hash(hash_of(7));
  EXPECT_TRUE(sketch.exact());
  sketch.add_hash(hash_of(DistinctSketch::kExactLimit));
  EXPECT_FALSE(sketch.exact());
}

TEST(DistinctSketch, TakesEveryHash) {
  DistinctSketch sketch;
  for (uint64_t hash : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}, uint64_t{1} << 63, uint64_t{0}})
    sketch.add_hash(hash);
  EXPECT_EQ(sketch.estimate(), 4);
  for (uint64_t i = 0; i < 3000; ++i) sketch.add_hash(i << 50);
  sketch.add_hash(0);
  EXPECT_GT(sketch.estimate(), static_cast<int64_t>(DistinctSketch::kExactLimit));
}

TEST(DistinctSketch, ErrsLessThanTwoPercentToAMillion) {
  double worst = 0;
  double squares = 0;
  int checks = 0;
  for (uint64_t seed = 1; seed <= 16; ++seed) {
    DistinctSketch sketch;
    uint64_t next = 2049;
    for (uint64_t i = 1; i <= 1'000'000; ++i) {
      sketch.add_hash(hash_of(i, seed));
      if (i != next && i != 1'000'000) continue;
      next = next * 5 / 4;
      const double error = static_cast<double>(sketch.estimate()) / static_cast<double>(i) - 1;
      worst = std::max(worst, std::abs(error));
      squares += error * error;
      ++checks;
      ASSERT_LT(std::abs(error), 0.02) << "seed " << seed << ", " << i << " values";
    }
  }
  RecordProperty("worst_percent", std::to_string(100 * worst));
  RecordProperty("root_mean_square_percent", std::to_string(100 * std::sqrt(squares / checks)));
  EXPECT_LT(std::sqrt(squares / checks), 0.0065);
}

TEST(DistinctSketch, HasNoBiasAboveTheLimit) {
  for (uint64_t size : {2049, 3000, 6000, 20'000, 60'000}) {
    double sum = 0;
    constexpr int kRuns = 60;
    for (int run = 0; run < kRuns; ++run)
      sum += static_cast<double>(sketch_of(0, size, 1000 + static_cast<uint64_t>(run)).estimate()) /
                 static_cast<double>(size) -
             1;
    EXPECT_LT(std::abs(sum / kRuns), 0.0025) << size;
  }
}

TEST(DistinctSketch, DependsOnlyOnTheSet) {
  std::mt19937_64 random(5);
  for (uint64_t size : {0, 1, 3, 4, 5, 12, 13, 100, 2047, 2048, 2049, 5000, 40'000}) {
    std::vector<uint64_t> values(size);
    for (uint64_t i = 0; i < size; ++i) values[i] = hash_of(i);
    const std::string expected = bytes_of(sketch_of(0, size));
    for (int round = 0; round < 5; ++round) {
      std::vector<uint64_t> order = values;
      for (uint64_t i = 0; i < size / 2; ++i) order.push_back(values[random() % size]);
      std::shuffle(order.begin(), order.end(), random);
      DistinctSketch sketch;
      for (uint64_t hash : order) sketch.add_hash(hash);
      EXPECT_EQ(bytes_of(sketch), expected) << size;
    }
  }
}

TEST(DistinctSketch, AnySplitMergesToTheSameBytes) {
  std::mt19937_64 random(6);
  for (uint64_t size : {2, 4, 6, 30, 2048, 2049, 4097, 30'000}) {
    const std::string expected = bytes_of(sketch_of(0, size));
    for (size_t parts : {1, 2, 3, 7, 40}) {
      std::vector<DistinctSketch> split(parts);
      for (uint64_t i = 0; i < size; ++i) {
        split[random() % parts].add_hash(hash_of(i));
        if (i % 3 == 0) split[random() % parts].add_hash(hash_of(i));
      }
      std::shuffle(split.begin(), split.end(), random);
      while (split.size() > 1) {  // a random tree, some of it by way of the stored form
        DistinctSketch last = std::move(split.back());
        split.pop_back();
        if (random() % 2 == 0) {
          auto stored = parse(bytes_of(last));
          ASSERT_TRUE(stored);
          last = std::move(*stored);
        }
        split[random() % split.size()].merge(last);
      }
      split[0].merge(split[0]);
      EXPECT_EQ(bytes_of(split[0]), expected) << size << " in " << parts;
    }
  }
}

TEST(DistinctSketch, StoredFormComesBack) {
  for (uint64_t size : {0, 1, 4, 5, 13, 2048, 2049, 6000, 100'000, 1'000'000}) {
    const DistinctSketch sketch = sketch_of(0, size);
    const std::string bytes = bytes_of(sketch);
    EXPECT_LE(bytes.size(), DistinctSketch::kMaxSerialized);
    const auto back = parse(bytes);
    ASSERT_TRUE(back) << size;
    EXPECT_EQ(bytes_of(*back), bytes);
    EXPECT_EQ(back->estimate(), sketch.estimate());
    EXPECT_EQ(back->exact(), sketch.exact());
  }
}

TEST(DistinctSketch, StoredFormIsStable) {
  DistinctSketch sketch;
  for (uint64_t hash : {uint64_t{0x0102030405060708}, uint64_t{3}}) sketch.add_hash(hash);
  EXPECT_EQ(bytes_of(sketch), std::string("\xd5\x01\x00\x02"
                                          "\x03\x00\x00\x00\x00\x00\x00\x00"
                                          "\x08\x07\x06\x05\x04\x03\x02\x01",
                                          20));
  const std::string dense = bytes_of(sketch_of(0, 5000));
  EXPECT_EQ(hash_bytes(dense.data(), dense.size()), 4829262358009111683u);
}

TEST(DistinctSketch, TruncatedOrLongerInputIsRefused) {
  for (uint64_t size : {0, 1, 5, 300, 2049, 200'000}) {
    const std::string bytes = bytes_of(sketch_of(0, size));
    for (size_t length = 0; length < bytes.size(); ++length) {
      // On the heap at its exact size, so that a sanitizer sees a read past the end.
      const std::string cut(bytes, 0, length);
      const auto parsed = parse(cut);
      // Registers that are not named are 0, so a cut between two of them is a sketch too.
      if (parsed) {
        EXPECT_EQ(bytes_of(*parsed), cut);
      }
      if (size <= DistinctSketch::kExactLimit || size > 100'000) {
        EXPECT_FALSE(parsed);
      }
    }
    EXPECT_FALSE(parse(bytes + '\0'));
  }
}

TEST(DistinctSketch, FlippedBitsGiveACanonicalSketchOrNone) {
  std::mt19937_64 random(8);
  for (uint64_t size : {0, 1, 5, 300, 2048, 2049, 9000, 200'000}) {
    const std::string bytes = bytes_of(sketch_of(0, size));
    for (int round = 0; round < 3000; ++round) {
      std::string bad = bytes;
      for (uint64_t flips = 1 + random() % 3; flips > 0; --flips) {
        // The header as often as the rest.
        const size_t at = random() % 2 == 0 ? random() % 4 : random() % bad.size();
        bad[at] = static_cast<char>(bad[at] ^ (1 << (random() % 8)));
      }
      const auto parsed = parse(bad);
      if (!parsed) continue;
      EXPECT_EQ(bytes_of(*parsed), bad);
      EXPECT_GE(parsed->estimate(), 0);
    }
  }
}

TEST(DistinctSketch, RefusesOtherFormsOfTheSameSketch) {
  using std::string_literals::operator""s;
  EXPECT_TRUE(parse("\xd5\x01\x00\x00"s));
  EXPECT_FALSE(parse("\xd5\x01\x00\x80\x00"s));                             // a longer varint
  EXPECT_FALSE(parse("\xd5\x02\x00\x00"s));                                 // another version
  EXPECT_FALSE(parse("\xd4\x01\x00\x00"s));                                 // another magic
  EXPECT_FALSE(parse("\xd5\x01\x03\x00"s));                                 // another form
  EXPECT_FALSE(parse("\xd5\x01\x00\x01\0\0\0\0\0\0\0\0"s));                 // hash 0
  EXPECT_FALSE(parse("\xd5\x01\x00\x81\x10"s + std::string(2049 * 8, 1)));  // above the limit
  std::string twice = "\xd5\x01\x00\x02"s;
  for (int i = 0; i < 2; ++i) twice += "\x05\0\0\0\0\0\0\0"s;
  EXPECT_FALSE(parse(twice));
  EXPECT_FALSE(parse("\xd5\x01\x01"s));  // dense and empty
  EXPECT_FALSE(parse("\xd5\x01\x02"s + std::string(16384, '\0')));
  EXPECT_FALSE(parse("\xd5\x01\x01\x00\x05"s));              // no such register
  EXPECT_FALSE(parse("\xd5\x01\x01\xff\x7f\x04\x00\x04"s));  // past the last register
  EXPECT_TRUE(parse("\xd5\x01\x01\xff\x7f\x04"s));           // the last register
}

TEST(DistinctSketch, FullRegistersEstimateWithoutOverflow) {
  std::string full = std::string("\xd5\x01\x02", 3) + std::string(16384, '\xcf');
  const auto parsed = parse(full);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->estimate(), std::numeric_limits<int64_t>::max());
  full[100] = '\xcc';
  EXPECT_GT(parse(full)->estimate(), int64_t{1} << 60);
  const auto few = parse(std::string("\xd5\x01\x01\x00\x04", 5));
  EXPECT_EQ(few->estimate(), 2049);
}

// Registers: the vector code against the scalar one, and both against sets of ranks.
TEST(Registers, JoinAsSetsOfRanks) {
  std::mt19937_64 random(9);
  std::vector<uint8_t> valid;
  for (int value = 0; value < 256; ++value)
    if (registers::valid(static_cast<uint8_t>(value))) valid.push_back(static_cast<uint8_t>(value));
  EXPECT_EQ(valid.size(), 4u + 196u);
  const auto state = [](uint64_t ranks) {
    if (ranks == 0) return uint8_t{0};
    const int greatest = 63 - std::countl_zero(ranks);
    const auto seen = [&](int below) {
      return greatest > below && (ranks >> (greatest - below) & 1);
    };
    return static_cast<uint8_t>(greatest << 2 | (seen(1) ? 2 : 0) | (seen(2) ? 1 : 0));
  };
  std::vector<uint8_t> left(registers::kCount), right(registers::kCount), both(registers::kCount);
  for (size_t i = 0; i < registers::kCount; ++i) {
    uint64_t ranks[2] = {0, 0};
    uint8_t grown[2] = {0, 0};
    for (int side = 0; side < 2; ++side) {
      for (uint64_t adds = random() % 5; adds > 0; --adds) {
        const int rank = 1 + static_cast<int>(random() % (random() % 2 ? 6 : registers::kMaxRank));
        ranks[side] |= uint64_t{1} << rank;
        grown[side] = registers::add_rank(grown[side], rank);
        ASSERT_TRUE(registers::valid(grown[side]));
      }
      ASSERT_EQ(grown[side], state(ranks[side]));
    }
    left[i] = grown[0];
    right[i] = grown[1];
    both[i] = state(ranks[0] | ranks[1]);
  }
  registers::merge(left.data(), right.data());
  EXPECT_EQ(left, both);
}

// All pairs of registers, by what each rank of the lesser would do to the greater.
TEST(Registers, JoinAllPairs) {
  for (int a = 0; a < 208; ++a) {
    if (!registers::valid(static_cast<uint8_t>(a))) continue;
    std::vector<uint8_t> into(registers::kCount, static_cast<uint8_t>(a));
    std::vector<uint8_t> from(registers::kCount);
    std::vector<uint8_t> expected = into;
    for (int b = 0; b < 208; ++b) {
      if (!registers::valid(static_cast<uint8_t>(b))) continue;
      from[static_cast<size_t>(b)] = static_cast<uint8_t>(b);
      uint8_t& value = expected[static_cast<size_t>(b)];
      const int rank = b >> 2;
      if (rank > 2 && (b & 1)) value = registers::add_rank(value, rank - 2);
      if (rank > 1 && (b & 2)) value = registers::add_rank(value, rank - 1);
      if (rank > 0) value = registers::add_rank(value, rank);
    }
    registers::merge(into.data(), from.data());
    EXPECT_EQ(into, expected) << a;
  }
}

TEST(Registers, RanksOfHashes) {
  EXPECT_EQ(registers::index_of(~uint64_t{0}), registers::kCount - 1);
  EXPECT_EQ(registers::rank_of(~uint64_t{0}), 1);
  EXPECT_EQ(registers::rank_of(0), registers::kMaxRank);
  EXPECT_EQ(registers::rank_of(1), registers::kMaxRank - 1);
  EXPECT_EQ(registers::rank_of(uint64_t{1} << 49), 1);
  EXPECT_EQ(registers::rank_of(uint64_t{0x3fff} << 50), registers::kMaxRank);
}

// Memory that runs out: the sketch stays what it was.
int allocations_left = 0;
const SketchMemory kScarce{
    [](size_t size) {
      if (allocations_left-- <= 0) throw std::bad_alloc();
      return ::operator new(size);
    },
    [](void* memory) noexcept { ::operator delete(memory); },
};

TEST(DistinctSketch, UsesNoMemoryForFourAndSurvivesTheLackOfIt) {
  allocations_left = 0;
  DistinctSketch sketch(kScarce);
  for (uint64_t i = 0; i < 4; ++i) sketch.add_hash(hash_of(i));
  EXPECT_EQ(sketch.estimate(), 4);
  EXPECT_THROW(sketch.add_hash(hash_of(4)), std::bad_alloc);
  EXPECT_EQ(bytes_of(sketch), bytes_of(sketch_of(0, 4)));
  uint64_t added = 4;
  for (; added < 3000; ++added) {
    try {
      sketch.add_hash(hash_of(added));
    } catch (const std::bad_alloc&) {
      ASSERT_EQ(bytes_of(sketch), bytes_of(sketch_of(0, added)));
      allocations_left = 1;
      sketch.add_hash(hash_of(added));
    }
  }
  EXPECT_EQ(bytes_of(sketch), bytes_of(sketch_of(0, 3000)));
  const std::string bytes = bytes_of(sketch);
  EXPECT_THROW(DistinctSketch::parse(
                   {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()}, kScarce),
               std::bad_alloc);
}

}  // namespace
}  // namespace globalmart
