// The promise that everything else stands on: whatever the order of rows, however they are split
// into batches, and however partials are merged, a group says the same, and what plain code says.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <tuple>

#include "test/unit/core_support.hpp"

namespace globalmart {
namespace {

using namespace testing_support;
using Special = Decimal::Special;

struct Row {
  int64_t group;
  std::optional<int64_t> whole;
  std::optional<Decimal> money;
  std::optional<std::string> name;
  std::optional<std::string> uuid;
  std::optional<double> real;
  int64_t time;
  EventId id;
};

// The states of a group, in this order.
enum State : size_t {
  kRows,
  kWholeSum,
  kMoneySum,
  kWholeMin,
  kWholeMax,
  kMoneyMin,
  kMoneyMax,
  kNameMin,
  kNameMax,
  kCollatedMin,
  kCollatedMax,
  kUuidMin,
  kUuidMax,
  kRealMin,
  kRealMax,
  kNames,
  kWholes,
  kSketch,
  kFirstWhole,
  kLastWhole,
  kFirstName,
  kLastName,
  kLastReal,
  kStates
};

std::vector<AggregateSpec> specs() {
  using K = AggregateKind;
  using F = ValueForm;
  return {spec(K::kCount),
          spec(K::kSum),
          spec(K::kSum, F::kDecimal),
          spec(K::kMin),
          spec(K::kMax),
          spec(K::kMin, F::kDecimal),
          spec(K::kMax, F::kDecimal),
          spec(K::kMin, F::kBytes),
          spec(K::kMax, F::kBytes),
          spec(K::kMin, F::kCollated),
          spec(K::kMax, F::kCollated),
          spec(K::kMin, F::kBytes),
          spec(K::kMax, F::kBytes),
          spec(K::kMin, F::kFloat),
          spec(K::kMax, F::kFloat),
          spec(K::kDistinct, F::kBytes),
          spec(K::kDistinct),
          spec(K::kSketch, F::kBytes),
          spec(K::kFirst),
          spec(K::kLast),
          spec(K::kFirst, F::kBytes),
          spec(K::kLast, F::kBytes),
          spec(K::kLast, F::kFloat)};
}

// Few times, ids and values, so that ties are common; one row in five has no value.
std::vector<Row> random_rows(std::mt19937_64& random, size_t count) {
  std::vector<Row> rows;
  const auto below = [&](uint64_t limit) { return random() % limit; };
  const double reals[] = {0.0, -0.0, 1.5, -1.5, 1e308, -1e-308, INFINITY, -INFINITY, NAN};
  for (size_t i = 0; i < count; ++i) {
    Row row{};
    row.group = static_cast<int64_t>(below(4));
    if (below(5) != 0)
      row.whole = below(10) == 0 ? std::numeric_limits<int64_t>::min()
                                 : static_cast<int64_t>(below(2001)) - 1000;
    if (below(5) != 0) {
      if (below(12) == 0)
        row.money = special(
            std::array{Special::kNan, Special::kInfinity, Special::kMinusInfinity}[below(3)]);
      else
        row.money =
            decimal(static_cast<int64_t>(below(20001)) - 10000, static_cast<int32_t>(below(7)));
    }
    if (below(5) != 0) {
      row.name.emplace(below(4), ' ');
      for (char& letter : *row.name) letter = "aAbB\xc3\0"[below(6)];
    }
    if (below(5) != 0) {
      row.uuid.emplace(16, '\0');
      for (char& byte : *row.uuid) byte = static_cast<char>(random());
    }
    if (below(5) != 0) row.real = reals[below(9)];
    row.time = static_cast<int64_t>(below(9)) - 4;
    row.id = {below(3) << 63, below(2)};
    rows.push_back(row);
  }
  return rows;
}

uint64_t hash_of(const std::string& text) { return hash_bytes(text.data(), text.size()); }

void fold(GroupTable& table, const Row& row) {
  const std::string key(1, static_cast<char>('a' + row.group));
  char* group = table.at(hash_of(key), 0, key).states();
  GroupStates& states = table.states();
  ++states.count(group, kRows);
  if (row.whole) {
    states.add_integer(group, kWholeSum, *row.whole);
    states.add_extreme(group, kWholeMin, integer(*row.whole), nullptr);
    states.add_extreme(group, kWholeMax, integer(*row.whole), nullptr);
    const int64_t image = *row.whole;
    states.add_distinct(group, kWholes, {reinterpret_cast<const char*>(&image), sizeof image});
    states.add_position(group, kFirstWhole, row.time, row.id, integer(*row.whole));
    states.add_position(group, kLastWhole, row.time, row.id, integer(*row.whole));
  }
  if (row.money) {
    states.add_decimal(group, kMoneySum, *row.money);
    states.add_extreme(group, kMoneyMin, Value{}, &*row.money);
    states.add_extreme(group, kMoneyMax, Value{}, &*row.money);
  }
  if (row.name) {
    const std::string name = *row.name;  // its memory ends with this row
    for (State state : {kNameMin, kNameMax, kCollatedMin, kCollatedMax})
      states.add_extreme(group, state, text(name), nullptr);
    states.add_distinct(group, kNames, name);
    states.add_position(group, kFirstName, row.time, row.id, text(name));
    states.add_position(group, kLastName, row.time, row.id, text(name));
  }
  if (row.uuid) {
    states.add_extreme(group, kUuidMin, text(*row.uuid), nullptr);
    states.add_extreme(group, kUuidMax, text(*row.uuid), nullptr);
    states.add_hash(group, kSketch, hash_of(*row.uuid));
  }
  if (row.real) {
    states.add_extreme(group, kRealMin, real(*row.real), nullptr);
    states.add_extreme(group, kRealMax, real(*row.real), nullptr);
    states.add_position(group, kLastReal, row.time, row.id, real(*row.real));
  }
}

using Said = std::map<std::string, std::vector<std::string>>;

Said say(GroupTable& table) {
  Said all;
  for (Group* group : table.groups())
    for (size_t state = 0; state < kStates; ++state)
      all[std::string(group->key())].push_back(said(table.states(), group->states(), state));
  return all;
}

std::vector<std::string> chunks_of(GroupTable& table) {
  std::vector<std::string> chunks;
  write_chunks(table.states(), table.all(), layout_of(table.states()),
               [&](int64_t, int, uint64_t, std::string_view body) { chunks.emplace_back(body); });
  return chunks;
}

void merge_chunk(GroupTable& table, const std::string& chunk) {
  ByteReader in(chunk);
  const PartialLayout layout = PartialLayout::read(in);
  while (!in.done()) {
    const std::string_view key = in.bytes();
    char* group = table.at(hash_bytes(key.data(), key.size()), 0, key).states();
    for (size_t state = 0; state < layout.entries.size(); ++state)
      table.states().merge_encoded(group, state, in);
  }
}

TEST(MergeProperty, NeitherOrderNorSplitNorMergesShow) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    std::vector<Row> rows = random_rows(random, 1 + random() % 300);
    GroupTable whole(specs());
    for (const Row& row : rows) fold(whole, row);
    const Said wanted = say(whole);

    for (int round = 0; round < 4; ++round) {
      std::shuffle(rows.begin(), rows.end(), random);
      // Any number of batches, from one to about one a row; some are empty.
      const size_t batches = 1 + random() % (round == 3 ? rows.size() : 6);
      std::vector<std::vector<Row>> split(batches);
      for (const Row& row : rows) split[random() % batches].push_back(row);
      std::vector<std::string> partials;
      GroupTable batch(specs());
      for (const auto& part : split) {
        for (const Row& row : part) fold(batch, row);
        for (std::string& chunk : chunks_of(batch)) partials.push_back(std::move(chunk));
        batch.clear();
      }
      // A compactor merges some of them, more than once.
      for (int turn = 0; turn < 2; ++turn) {
        std::shuffle(partials.begin(), partials.end(), random);
        const size_t taken = random() % (partials.size() + 1);
        GroupTable compacted(specs());
        for (size_t i = 0; i < taken; ++i) merge_chunk(compacted, partials[i]);
        partials.erase(partials.begin(), partials.begin() + static_cast<long>(taken));
        for (std::string& chunk : chunks_of(compacted)) partials.push_back(std::move(chunk));
      }
      GroupTable merged(specs());
      std::shuffle(partials.begin(), partials.end(), random);
      for (const std::string& chunk : partials) merge_chunk(merged, chunk);
      ASSERT_EQ(say(merged), wanted);
    }
  }
}

TEST(MergeProperty, GroupsOfOneTableMergeAlike) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    std::vector<Row> rows = random_rows(random, 200);
    GroupTable table(specs());
    for (const Row& row : rows) fold(table, row);
    // Four groups into one, in any order and as any tree.
    std::vector<char*> groups;
    for (Group* group : table.groups()) groups.push_back(group->states());
    while (groups.size() > 1) {
      std::shuffle(groups.begin(), groups.end(), random);
      table.states().merge(groups[0], groups.back());
      groups.pop_back();
    }
    GroupTable whole(specs());
    for (Row& row : rows) {
      row.group = 0;
      fold(whole, row);
    }
    char* wanted = whole.groups().front()->states();
    for (size_t state = 0; state < kStates; ++state)
      ASSERT_EQ(said(table.states(), groups[0], state), said(whole.states(), wanted, state))
          << "state " << state;
  }
}

// --- what plain code says about the same rows ---

int rank_of(const Decimal& value) {
  switch (value.special) {
    case Special::kMinusInfinity:
      return 0;
    case Special::kFinite:
      return 1;
    case Special::kInfinity:
      return 2;
    default:
      return 3;
  }
}

// Millionths: the greatest scale of the rows is 6.
__int128 millionths(const Decimal& value) {
  __int128 scaled = value.mantissa;
  for (int i = value.scale; i < 6; ++i) scaled *= 10;
  return scaled;
}

std::pair<int, __int128> order_of(const Decimal& value) {
  return {rank_of(value), value.special == Special::kFinite ? millionths(value) : 0};
}

std::pair<bool, double> order_of(double value) {
  return {std::isnan(value), std::isnan(value) ? 0 : value};
}

TEST(MergeProperty, AgreesWithPlainCode) {
  for (uint64_t seed = 100; seed < 140; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    std::vector<Row> rows = random_rows(random, 300);
    GroupTable table(specs());
    for (Row& row : rows) {
      row.group = 0;
      fold(table, row);
    }
    GroupStates& states = table.states();
    const char* group = table.groups().front()->states();

    __int128 whole_sum = 0, money_sum = 0;
    int64_t wholes = 0, moneys = 0;
    unsigned specials = 0;
    std::set<int64_t> whole_values;
    std::set<std::string> names, uuids;
    std::optional<std::pair<int, __int128>> money_min, money_max;
    std::optional<std::pair<bool, double>> real_min, real_max;
    std::set<std::tuple<int64_t, uint64_t, uint64_t, int64_t>> whole_places;
    std::set<std::tuple<int64_t, uint64_t, uint64_t, std::string>> name_places;
    for (const Row& row : rows) {
      if (row.whole) {
        whole_sum += *row.whole;
        ++wholes;
        whole_values.insert(*row.whole);
        whole_places.insert({row.time, row.id.high, row.id.low, *row.whole});
      }
      if (row.money) {
        ++moneys;
        if (row.money->special == Special::kFinite)
          money_sum += millionths(*row.money);
        else
          specials |= static_cast<unsigned>(row.money->special);
        const auto order = order_of(*row.money);
        money_min = std::min(money_min.value_or(order), order);
        money_max = std::max(money_max.value_or(order), order);
      }
      if (row.name) {
        names.insert(*row.name);
        name_places.insert({row.time, row.id.high, row.id.low, *row.name});
      }
      if (row.uuid) uuids.insert(*row.uuid);
      if (row.real) {
        const auto order = order_of(*row.real);
        real_min = std::min(real_min.value_or(order), order);
        real_max = std::max(real_max.value_or(order), order);
      }
    }

    EXPECT_EQ(states.count_value(group, kRows), 300);
    EXPECT_TRUE(states.sum(group, kWholeSum).sum == whole_sum);
    EXPECT_EQ(states.sum(group, kWholeSum).count, wholes);
    const SumState& money = states.sum(group, kMoneySum);
    EXPECT_TRUE(millionths(decimal(money.sum, money.scale)) == money_sum);
    EXPECT_EQ(money.count, moneys);
    EXPECT_EQ(money.specials, specials);
    EXPECT_EQ(states.extreme(group, kWholeMin).integer, *whole_values.begin());
    EXPECT_EQ(states.extreme(group, kWholeMax).integer, *whole_values.rbegin());
    const auto decimal_of = [&](State state) {
      const ExtremeState& extreme = states.extreme(group, state);
      return Decimal{extreme.mantissa, extreme.scale, static_cast<Special>(extreme.special)};
    };
    EXPECT_TRUE(order_of(decimal_of(kMoneyMin)) == *money_min);
    EXPECT_TRUE(order_of(decimal_of(kMoneyMax)) == *money_max);
    const auto text_of = [&](State state) {
      const ExtremeState& extreme = states.extreme(group, state);
      return extreme.length == 0 ? std::string() : std::string(extreme.bytes, extreme.length);
    };
    EXPECT_EQ(text_of(kNameMin), *names.begin());
    EXPECT_EQ(text_of(kNameMax), *names.rbegin());
    EXPECT_EQ(text_of(kUuidMin), *uuids.begin());
    EXPECT_EQ(text_of(kUuidMax), *uuids.rbegin());
    const auto before = [](const std::string& left, const std::string& right) {
      const int order = compare_without_case(nullptr, left, right);
      return order != 0 ? order < 0 : left < right;
    };
    EXPECT_EQ(text_of(kCollatedMin), *std::min_element(names.begin(), names.end(), before));
    EXPECT_EQ(text_of(kCollatedMax), *std::max_element(names.begin(), names.end(), before));
    const auto real_of = [&](State state) {
      double value;
      std::memcpy(&value, &states.extreme(group, state).integer, sizeof value);
      return order_of(value);
    };
    EXPECT_EQ(real_of(kRealMin), *real_min);
    EXPECT_EQ(real_of(kRealMax), *real_max);
    EXPECT_EQ(states.distinct(group, kNames), static_cast<int64_t>(names.size()));
    EXPECT_EQ(states.distinct(group, kWholes), static_cast<int64_t>(whole_values.size()));
    EXPECT_EQ(states.estimate(group, kSketch), static_cast<int64_t>(uuids.size()));
    EXPECT_EQ(states.position(group, kFirstWhole).integer, std::get<3>(*whole_places.begin()));
    EXPECT_EQ(states.position(group, kLastWhole).integer, std::get<3>(*whole_places.rbegin()));
    const auto name_of = [&](State state) {
      const PositionState& position = states.position(group, state);
      return position.length == 0 ? std::string() : std::string(position.bytes, position.length);
    };
    EXPECT_EQ(name_of(kFirstName), std::get<3>(*name_places.begin()));
    EXPECT_EQ(name_of(kLastName), std::get<3>(*name_places.rbegin()));
  }
}

}  // namespace
}  // namespace globalmart
