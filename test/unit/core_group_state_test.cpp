// Each kind of aggregate by itself: what it says, how ties are broken, where sums end, and that
// stored bytes which no writer makes are refused.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "core/group_state.hpp"
#include "test/unit/core_support.hpp"

namespace globalmart {
namespace {

using namespace testing_support;
using Special = Decimal::Special;

constexpr __int128 kMax128 = static_cast<__int128>(~static_cast<unsigned __int128>(0) >> 1);

__int128 ten_to(int exponent) {
  __int128 power = 1;
  while (exponent-- > 0) power *= 10;
  return power;
}

std::string written(std::initializer_list<uint64_t> varints) {
  std::string bytes;
  ByteWriter out(bytes);
  for (uint64_t value : varints) out.varint(value);
  return bytes;
}

// --- sums ---

TEST(Sum, OfIntegersGoesBeyond64Bits) {
  Single one(spec(AggregateKind::kSum));
  const int64_t most = std::numeric_limits<int64_t>::max();
  for (int i = 0; i < 3; ++i) one.states().add_integer(one.group(), 0, most);
  const SumState& sum = one.states().sum(one.group(), 0);
  EXPECT_TRUE(sum.sum == static_cast<__int128>(most) * 3);
  EXPECT_EQ(sum.count, 3);
}

TEST(Sum, TakesTheGreatestScale) {
  Single one(spec(AggregateKind::kSum, ValueForm::kDecimal));
  one.states().add_decimal(one.group(), 0, decimal(15, 1));   // 1.5
  one.states().add_decimal(one.group(), 0, decimal(-25, 3));  // -0.025
  one.states().add_decimal(one.group(), 0, decimal(2, 0));    // 2
  one.states().add_decimal(one.group(), 0, decimal(0, 5));    // 0.00000
  const SumState& sum = one.states().sum(one.group(), 0);
  EXPECT_EQ(sum.scale, 5);
  EXPECT_TRUE(sum.sum == 347500);
  EXPECT_EQ(sum.count, 4);
}

TEST(Sum, RemembersWhatIsNotFinite) {
  Single one(spec(AggregateKind::kSum, ValueForm::kDecimal));
  one.states().add_decimal(one.group(), 0, special(Special::kInfinity));
  one.states().add_decimal(one.group(), 0, decimal(15, 1));
  one.states().add_decimal(one.group(), 0, special(Special::kMinusInfinity));
  const SumState& sum = one.states().sum(one.group(), 0);
  EXPECT_EQ(sum.specials, 6);
  EXPECT_EQ(sum.count, 3);
  EXPECT_TRUE(sum.sum == 15);
  EXPECT_EQ(sum.scale, 1);
}

TEST(Sum, ThrowsWhenItNoLongerFits) {
  Single one(spec(AggregateKind::kSum, ValueForm::kDecimal));
  one.states().add_decimal(one.group(), 0, decimal(kMax128, 0));
  const std::string before = one.bytes();
  EXPECT_THROW(one.states().add_decimal(one.group(), 0, decimal(1, 0)), std::overflow_error);
  EXPECT_THROW(one.states().add_decimal(one.group(), 0, decimal(1, 1)), std::overflow_error);
  EXPECT_THROW(one.take(before), std::overflow_error);
  EXPECT_EQ(one.bytes(), before) << "a sum that threw is what it was";
  one.states().add_decimal(one.group(), 0, decimal(-kMax128, 0));
  EXPECT_TRUE(one.states().sum(one.group(), 0).sum == 0);
}

TEST(Sum, OfIntegersThrowsToo) {
  Single one(spec(AggregateKind::kSum));
  std::string bytes;
  ByteWriter out(bytes);
  out.varint(1);
  out.byte(0);
  out.varint(0);
  out.zigzag128(kMax128);
  one.take(bytes);
  EXPECT_THROW(one.states().add_integer(one.group(), 0, 1), std::overflow_error);
}

TEST(Sum, RefusesAScaleThatCouldNotBeReadBack) {
  // A zero may carry any scale in PostgreSQL; one beyond 38 would make a partial that nobody reads.
  for (int scale : {39, 16383}) {
    Single sum(spec(AggregateKind::kSum, ValueForm::kDecimal));
    EXPECT_THROW(sum.states().add_decimal(sum.group(), 0, decimal(0, scale)), std::overflow_error);
    Single least(spec(AggregateKind::kMin, ValueForm::kDecimal));
    const Decimal zero = decimal(0, scale);
    EXPECT_THROW(least.states().add_extreme(least.group(), 0, Value{}, &zero), std::overflow_error);
  }
  Single most(spec(AggregateKind::kSum, ValueForm::kDecimal));
  most.states().add_decimal(most.group(), 0, decimal(1, 38));
  Single again(spec(AggregateKind::kSum, ValueForm::kDecimal));
  again.take(most.bytes());
  EXPECT_EQ(again.bytes(), most.bytes());
}

// --- min and max ---

Decimal least_of(std::initializer_list<Decimal> values, AggregateKind kind) {
  Single one(spec(kind, ValueForm::kDecimal));
  for (const Decimal& value : values) one.states().add_extreme(one.group(), 0, Value{}, &value);
  const ExtremeState& state = one.states().extreme(one.group(), 0);
  return {state.mantissa, state.scale, static_cast<Special>(state.special)};
}

TEST(Extreme, OrdersDecimalsByValue) {
  const Decimal least =
      least_of({decimal(15, 1), decimal(149, 2), decimal(2, 0)}, AggregateKind::kMin);
  EXPECT_TRUE(least.mantissa == 149 && least.scale == 2);
  const Decimal greatest =
      least_of({decimal(-15, 1), decimal(-149, 2), decimal(-2, 0)}, AggregateKind::kMax);
  EXPECT_TRUE(greatest.mantissa == -149 && greatest.scale == 2);
}

TEST(Extreme, OrdersDecimalsThatHaveNoScaleInCommon) {
  // At a common scale of 38 none of the large ones fits 128 bits.
  const Decimal large = decimal(ten_to(37), 0), minus_large = decimal(-ten_to(37), 0);
  const Decimal small = decimal(3, 38), minus_small = decimal(-3, 38);
  for (const Decimal& tiny : {small, minus_small, decimal(kMax128, 38), decimal(-kMax128, 38)}) {
    EXPECT_TRUE(least_of({large, tiny}, AggregateKind::kMin).scale == 38);
    EXPECT_TRUE(least_of({tiny, large}, AggregateKind::kMin).scale == 38);
    EXPECT_TRUE(least_of({large, tiny}, AggregateKind::kMax).scale == 0);
    EXPECT_TRUE(least_of({minus_large, tiny}, AggregateKind::kMin).scale == 0);
    EXPECT_TRUE(least_of({tiny, minus_large}, AggregateKind::kMin).scale == 0);
    EXPECT_TRUE(least_of({tiny, minus_large}, AggregateKind::kMax).scale == 38);
  }
}

TEST(Extreme, OrdersWhatIsNotFiniteAsPostgresDoes) {
  const Decimal ordered[] = {
      special(Special::kMinusInfinity), decimal(-5, 0),        decimal(0, 0), decimal(7, 2),
      special(Special::kInfinity),      special(Special::kNan)};
  for (size_t i = 0; i < 6; ++i)
    for (size_t j = 0; j < 6; ++j) {
      const Decimal least = least_of({ordered[i], ordered[j]}, AggregateKind::kMin);
      const Decimal greatest = least_of({ordered[i], ordered[j]}, AggregateKind::kMax);
      const Decimal &low = ordered[std::min(i, j)], &high = ordered[std::max(i, j)];
      EXPECT_TRUE(least.special == low.special && least.mantissa == low.mantissa) << i << j;
      EXPECT_TRUE(greatest.special == high.special && greatest.mantissa == high.mantissa) << i << j;
    }
}

TEST(Extreme, EqualNumbersDoNotShowTheirOrder) {
  const Decimal short_one = decimal(15, 1), long_one = decimal(1500, 3);
  for (AggregateKind kind : {AggregateKind::kMin, AggregateKind::kMax}) {
    EXPECT_EQ(least_of({short_one, long_one}, kind).scale,
              least_of({long_one, short_one}, kind).scale);
    Single forward(spec(kind, ValueForm::kFloat)), backward(spec(kind, ValueForm::kFloat));
    forward.states().add_extreme(forward.group(), 0, real(0.0), nullptr);
    forward.states().add_extreme(forward.group(), 0, real(-0.0), nullptr);
    backward.states().add_extreme(backward.group(), 0, real(-0.0), nullptr);
    backward.states().add_extreme(backward.group(), 0, real(0.0), nullptr);
    EXPECT_EQ(forward.bytes(), backward.bytes());
  }
}

TEST(Extreme, OrdersFloatsWithNanLast) {
  const double ordered[] = {-INFINITY, -1.5, 0.0, 1e-300, INFINITY, NAN};
  for (size_t i = 0; i < 6; ++i)
    for (size_t j = 0; j < 6; ++j) {
      Single least(spec(AggregateKind::kMin, ValueForm::kFloat));
      Single greatest(spec(AggregateKind::kMax, ValueForm::kFloat));
      for (double value : {ordered[i], ordered[j]}) {
        least.states().add_extreme(least.group(), 0, real(value), nullptr);
        greatest.states().add_extreme(greatest.group(), 0, real(value), nullptr);
      }
      EXPECT_EQ(least.states().extreme(least.group(), 0).integer, bits_of(ordered[std::min(i, j)]));
      EXPECT_EQ(greatest.states().extreme(greatest.group(), 0).integer,
                bits_of(ordered[std::max(i, j)]));
    }
  // A NaN with its sign set is a NaN all the same.
  Single least(spec(AggregateKind::kMin, ValueForm::kFloat));
  least.states().add_extreme(least.group(), 0, real(std::copysign(NAN, -1)), nullptr);
  least.states().add_extreme(least.group(), 0, real(1.5), nullptr);
  EXPECT_EQ(least.states().extreme(least.group(), 0).integer, bits_of(1.5));
}

TEST(Extreme, OrdersTextByItsComparisonThenByItsBytes) {
  const auto least = [](AggregateKind kind, ValueForm form,
                        std::initializer_list<std::string> values) {
    Single one(spec(kind, form));
    for (const std::string& value : values)
      one.states().add_extreme(one.group(), 0, text(std::string(value)), nullptr);
    const ExtremeState& state = one.states().extreme(one.group(), 0);
    return std::string(state.bytes == nullptr ? "" : state.bytes, state.length);
  };
  EXPECT_EQ(least(AggregateKind::kMin, ValueForm::kBytes, {"b", "a", "C"}), "C");
  EXPECT_EQ(least(AggregateKind::kMin, ValueForm::kCollated, {"b", "a", "C"}), "a");
  EXPECT_EQ(least(AggregateKind::kMax, ValueForm::kCollated, {"b", "a", "C"}), "C");
  // Equal for the comparison: the bytes decide, whoever comes first.
  EXPECT_EQ(least(AggregateKind::kMin, ValueForm::kCollated, {"ab", "AB", "aB"}), "AB");
  EXPECT_EQ(least(AggregateKind::kMin, ValueForm::kCollated, {"AB", "aB", "ab"}), "AB");
  EXPECT_EQ(least(AggregateKind::kMax, ValueForm::kCollated, {"AB", "aB"}), "aB");
  EXPECT_EQ(least(AggregateKind::kMin, ValueForm::kBytes, {"a", ""}), "");
  // Bytes are unsigned.
  EXPECT_EQ(least(AggregateKind::kMax, ValueForm::kBytes, {"z", "\xc3\xa9"}), "\xc3\xa9");
}

TEST(Extreme, KeepsACopyOfText) {
  Single one(spec(AggregateKind::kMax, ValueForm::kBytes));
  std::string value = "first";
  one.states().add_extreme(one.group(), 0, text(value), nullptr);
  value.assign(5, '!');
  const ExtremeState& state = one.states().extreme(one.group(), 0);
  EXPECT_EQ(std::string_view(state.bytes, state.length), "first");
}

// --- distinct ---

TEST(Distinct, CountsOnEitherSideOfTheIndex) {
  Single one(spec(AggregateKind::kDistinct, ValueForm::kBytes));
  EXPECT_EQ(one.states().distinct(one.group(), 0), 0);
  for (int i = 0; i < 1000; ++i) {
    const std::string value = i == 3 ? "" : "value " + std::to_string(i);
    one.states().add_distinct(one.group(), 0, value);
    one.states().add_distinct(one.group(), 0, value);
    if (i >= 5) one.states().add_distinct(one.group(), 0, "value " + std::to_string(i - 1));
    if (i >= 5) one.states().add_distinct(one.group(), 0, "value 0");
    ASSERT_EQ(one.states().distinct(one.group(), 0), i + 1);
  }
  Single again(spec(AggregateKind::kDistinct, ValueForm::kBytes));
  again.take(one.bytes());
  again.take(one.bytes());
  EXPECT_EQ(again.states().distinct(again.group(), 0), 1000);
}

TEST(Distinct, SketchesAndSetsOfOtherGroupsStayApart) {
  GroupTable table(
      {spec(AggregateKind::kDistinct, ValueForm::kBytes), spec(AggregateKind::kSketch)});
  GroupStates& states = table.states();
  char* left = table.at(1, 0, "left").states();
  char* right = table.at(2, 0, "right").states();
  states.add_distinct(left, 0, "a");
  states.add_hash(left, 1, 77);
  states.add_hash(left, 1, 78);
  EXPECT_EQ(states.distinct(right, 0), 0);
  EXPECT_EQ(states.estimate(right, 1), 0);
  states.merge(right, left);
  states.add_distinct(right, 0, "b");
  EXPECT_EQ(states.distinct(left, 0), 1);
  EXPECT_EQ(states.distinct(right, 0), 2);
  EXPECT_EQ(states.estimate(right, 1), 2);
}

// --- first and last ---

struct Seen {
  int64_t time;
  EventId id;
  std::string value;
};

std::string placed(AggregateKind kind, const std::vector<Seen>& rows) {
  Single one(spec(kind, ValueForm::kBytes));
  for (const Seen& row : rows)
    one.states().add_position(one.group(), 0, row.time, row.id, text(row.value));
  const PositionState& state = one.states().position(one.group(), 0);
  return std::string(state.bytes == nullptr ? "" : state.bytes, state.length);
}

TEST(Position, BreaksTiesByTimeThenIdThenValue) {
  const std::vector<Seen> ordered = {{-7, {9, 9}, "z"}, {5, {0, 9}, "y"}, {5, {1, 0}, "w"},
                                     {5, {1, 2}, "a"},  {5, {1, 2}, "b"}, {5, {~0ull, 0}, "c"},
                                     {6, {0, 0}, ""}};
  for (size_t i = 0; i < ordered.size(); ++i)
    for (size_t j = 0; j < ordered.size(); ++j) {
      const std::vector<Seen> rows = {ordered[i], ordered[j]};
      EXPECT_EQ(placed(AggregateKind::kFirst, rows), ordered[std::min(i, j)].value) << i << j;
      EXPECT_EQ(placed(AggregateKind::kLast, rows), ordered[std::max(i, j)].value) << i << j;
    }
}

TEST(Position, BreaksTiesOfIntegersByValue) {
  for (bool swapped : {false, true}) {
    Single first(spec(AggregateKind::kFirst)), last(spec(AggregateKind::kLast));
    for (int64_t value : {swapped ? 3 : -4, swapped ? -4 : 3}) {
      first.states().add_position(first.group(), 0, 1, {}, integer(value));
      last.states().add_position(last.group(), 0, 1, {}, integer(value));
    }
    EXPECT_EQ(first.states().position(first.group(), 0).integer, -4);
    EXPECT_EQ(last.states().position(last.group(), 0).integer, 3);
  }
}

TEST(Position, LongerAndShorterValuesTakeTheirTurns) {
  Single one(spec(AggregateKind::kLast, ValueForm::kBytes));
  const std::string values[] = {"long value", "short", "", "a much longer value than before", "x"};
  for (int64_t time = 0; time < 50; ++time) {
    std::string value = values[time % 5];
    one.states().add_position(one.group(), 0, time, {}, text(value));
    const std::string wanted = value;
    value.assign(value.size(), '?');
    const PositionState& state = one.states().position(one.group(), 0);
    ASSERT_EQ(std::string(state.bytes == nullptr ? "" : state.bytes, state.length), wanted);
  }
}

TEST(Position, AGrowingValueLeavesItsNeighboursAlone) {
  for (AggregateKind kind : {AggregateKind::kLast, AggregateKind::kMax}) {
    GroupTable table({spec(kind, ValueForm::kBytes)});
    const auto add = [&](int64_t time, const std::string& key, const std::string& value) {
      char* group = table.at(static_cast<uint64_t>(key[0]), 0, key).states();
      if (kind == AggregateKind::kLast)
        table.states().add_position(group, 0, time, {}, text(value));
      else
        table.states().add_extreme(group, 0, text(value), nullptr);
    };
    add(1, "a", "a");
    add(1, "b", "untouched");
    for (size_t length : {5, 17, 40, 300})
      add(static_cast<int64_t>(length), "a", std::string(length, 'x'));
    const std::string b = encoded(table.states(), table.at('b', 0, "b").states(), 0);
    EXPECT_TRUE(b.ends_with("untouched")) << b;
    const std::string a = encoded(table.states(), table.at('a', 0, "a").states(), 0);
    EXPECT_TRUE(a.ends_with(std::string(300, 'x')));
  }
}

TEST(Position, AHotGroupDoesNotGrow) {
  Single one(spec(AggregateKind::kLast, ValueForm::kBytes));
  one.states().add_position(one.group(), 0, 0, {}, text("sixteen letters."));
  const size_t before = one.table.memory();
  for (int64_t time = 1; time < 1000; ++time)
    one.states().add_position(one.group(), 0, time, {}, text("sixteen letters!"));
  EXPECT_EQ(one.table.memory(), before);
}

// --- empty states ---

TEST(GroupState, EmptyStatesMergeToNothing) {
  const AggregateKind kinds[] = {AggregateKind::kCount,    AggregateKind::kSum,
                                 AggregateKind::kMin,      AggregateKind::kMax,
                                 AggregateKind::kDistinct, AggregateKind::kSketch,
                                 AggregateKind::kFirst,    AggregateKind::kLast};
  for (AggregateKind kind : kinds)
    for (ValueForm form : {ValueForm::kInteger, ValueForm::kBytes, ValueForm::kCollated,
                           ValueForm::kDecimal, ValueForm::kFloat}) {
      Single empty(spec(kind, form)), other(spec(kind, form));
      const std::string bytes = empty.bytes();
      EXPECT_EQ(bytes.size(), 1u);
      other.take(bytes);
      EXPECT_EQ(other.bytes(), bytes);
      other.states().merge(other.group(), other.table.at(2, 0, "h").states());
      EXPECT_EQ(other.bytes(), bytes);
      ByteReader in(bytes);
      GroupStates::skip(kind, form, in);
      EXPECT_TRUE(in.done());
    }
}

// --- stored bytes that no writer makes ---

void expect_refused(AggregateKind kind, ValueForm form, const std::string& bytes) {
  Single one(spec(kind, form));
  const std::string before = one.bytes();
  EXPECT_THROW(one.take(bytes), CorruptBytes);
  EXPECT_EQ(one.bytes(), before);
}

TEST(CorruptState, CountsAreNeverNegative) {
  expect_refused(AggregateKind::kCount, ValueForm::kInteger, written({uint64_t{1} << 63}));
  expect_refused(AggregateKind::kCount, ValueForm::kInteger, written({~uint64_t{0}}));
  expect_refused(AggregateKind::kSum, ValueForm::kInteger, written({~uint64_t{0}, 0, 0, 2}));
  Single full(spec(AggregateKind::kCount));
  full.take(written({~uint64_t{0} >> 1}));
  EXPECT_THROW(full.take(written({1})), std::overflow_error);
  char* other = full.table.at(2, 0, "h").states();
  full.states().count(other, 0) = 1;
  EXPECT_THROW(full.states().merge(other, full.group()), std::overflow_error);
}

TEST(CorruptState, SumsHaveKnownSpecialsAndScales) {
  for (uint64_t specials : {3ull, 7ull}) {
    Single fine(spec(AggregateKind::kSum, ValueForm::kDecimal));
    fine.take(written({3, specials, 0, 0}));
  }
  for (uint64_t specials : {8ull, 64ull})
    expect_refused(AggregateKind::kSum, ValueForm::kDecimal, written({3, specials, 0, 0}));
  for (uint64_t scale : {39ull, 1ull << 33, ~0ull})
    expect_refused(AggregateKind::kSum, ValueForm::kDecimal, written({3, 0, scale, 0}));
  // Integers have no scale and are all finite.
  expect_refused(AggregateKind::kSum, ValueForm::kInteger, written({3, 1, 0, 0}));
  expect_refused(AggregateKind::kSum, ValueForm::kInteger, written({3, 0, 2, 0}));
}

TEST(CorruptState, ExtremesHaveOneKnownSpecial) {
  for (uint64_t kind : {3ull, 5ull, 8ull, 100ull})
    expect_refused(AggregateKind::kMin, ValueForm::kDecimal, written({1, kind, 0, 0}));
  for (uint64_t scale : {39ull, 1ull << 32, ~0ull})
    expect_refused(AggregateKind::kMax, ValueForm::kDecimal, written({1, 0, scale, 0}));
}

TEST(CorruptState, FlagsAreZeroOrOne) {
  expect_refused(AggregateKind::kMin, ValueForm::kInteger, written({2, 0}));
  expect_refused(AggregateKind::kLast, ValueForm::kInteger, std::string(1, 2) + std::string(25, 0));
}

TEST(CorruptState, SetsEndWithTheirBytes) {
  expect_refused(AggregateKind::kDistinct, ValueForm::kBytes, written({~uint64_t{0}}));
  Single one(spec(AggregateKind::kDistinct, ValueForm::kBytes));
  EXPECT_THROW(one.take(written({~uint64_t{0}, 1, 'a', 1, 'b'})), CorruptBytes);
  std::string claimed = written({~uint64_t{0}, 0, 0});
  ByteReader in(claimed);
  EXPECT_THROW(GroupStates::skip(AggregateKind::kDistinct, ValueForm::kBytes, in), CorruptBytes);
}

TEST(CorruptState, SketchesAreParsed) {
  expect_refused(AggregateKind::kSketch, ValueForm::kInteger, written({3, 1, 2, 3}));
}

TEST(CorruptState, UnknownKindsAreNotSkippedNorMade) {
  for (int kind : {0, 9, 255}) {
    std::string bytes(40, '\0');
    ByteReader in(bytes);
    EXPECT_THROW(GroupStates::skip(static_cast<AggregateKind>(kind), ValueForm::kInteger, in),
                 CorruptBytes);
    Arena arena;
    EXPECT_THROW(GroupStates({spec(static_cast<AggregateKind>(kind))}, arena), CorruptBytes);
  }
}

TEST(CorruptState, EveryCutIsNoticed) {
  const Decimal value = decimal(-12345, 2);
  for (AggregateKind kind : {AggregateKind::kSum, AggregateKind::kMin, AggregateKind::kLast,
                             AggregateKind::kDistinct, AggregateKind::kSketch})
    for (ValueForm form : {ValueForm::kInteger, ValueForm::kBytes, ValueForm::kDecimal}) {
      Single one(spec(kind, form));
      switch (kind) {
        case AggregateKind::kSum:
          one.states().add_decimal(one.group(), 0, value);
          break;
        case AggregateKind::kMin:
          one.states().add_extreme(one.group(), 0, {false, 99999, "some text"},
                                   form == ValueForm::kDecimal ? &value : nullptr);
          break;
        case AggregateKind::kLast:
          one.states().add_position(one.group(), 0, 5, {1, 2}, {false, 99999, "some text"});
          break;
        case AggregateKind::kDistinct:
          one.states().add_distinct(one.group(), 0, "some text");
          break;
        default:
          one.states().add_hash(one.group(), 0, 12345);
      }
      const std::string whole = one.bytes();
      for (size_t length = 0; length < whole.size(); ++length) {
        const std::vector<char> cut(whole.begin(), whole.begin() + static_cast<long>(length));
        Single other(spec(kind, form));
        ASSERT_THROW(other.take({cut.data(), cut.size()}), CorruptBytes) << length;
        ByteReader in({cut.data(), cut.size()});
        ASSERT_THROW(GroupStates::skip(kind, form, in), CorruptBytes) << length;
      }
      ByteReader in(whole);
      GroupStates::skip(kind, form, in);
      ASSERT_TRUE(in.done());
    }
}

}  // namespace
}  // namespace globalmart
