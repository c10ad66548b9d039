// The hash table of groups, and the segments that sessions are made from.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "core/group_table.hpp"
#include "core/window.hpp"
#include "test/unit/core_support.hpp"

namespace globalmart {
namespace {

using namespace testing_support;

uint64_t hash_of(std::string_view text) { return hash_bytes(text.data(), text.size()); }

TEST(GroupTable, FindsItsGroupsAgainAsItGrows) {
  GroupTable table({spec(AggregateKind::kCount)});
  std::map<std::pair<int64_t, std::string>, int64_t> wanted;
  std::mt19937_64 random(5);
  for (int i = 0; i < 200000; ++i) {
    const auto slice = static_cast<int64_t>(random() % 5) - 2;
    const std::string key = std::to_string(random() % 8000);
    ++wanted[{slice, key}];
    ++table.states().count(table.at(hash_of(key), slice, key).states(), 0);
  }
  ASSERT_EQ(table.groups().size(), wanted.size());
  for (const auto& [place, count] : wanted) {
    const auto& [slice, key] = place;
    Group& group = table.at(hash_of(key), slice, key);
    ASSERT_EQ(group.slice, slice);
    ASSERT_EQ(group.key(), key);
    ASSERT_EQ(table.states().count_value(group.states(), 0), count);
  }
  EXPECT_EQ(table.groups().size(), wanted.size()) << "looking did not make groups";
}

TEST(GroupTable, TellsKeysOfOneHashApart) {
  GroupTable table({spec(AggregateKind::kCount)});
  std::set<Group*> groups;
  for (int i = 0; i < 1000; ++i) groups.insert(&table.at(42, 7, std::to_string(i)));
  for (int i = 0; i < 1000; ++i) groups.insert(&table.at(42, 7, std::to_string(i)));
  EXPECT_EQ(groups.size(), 1000u);
  EXPECT_NE(&table.at(42, 7, "1"), &table.at(42, 8, "1"));
  EXPECT_EQ(&table.at(42, 7, ""), &table.at(42, 7, ""));
  // Hash and slice that meet in the mixed hash are still two groups.
  EXPECT_NE(&table.at(42 ^ 7, 7, "k"), &table.at(42 ^ 8, 8, "k"));
}

// The groups in their order, with their counts.
std::vector<std::tuple<int64_t, std::string, int64_t>> counted(GroupTable& table) {
  std::vector<std::tuple<int64_t, std::string, int64_t>> groups;
  for (Group* group : table.groups())
    groups.emplace_back(group->slice, group->key(), table.states().count_value(group->states(), 0));
  return groups;
}

TEST(GroupTable, GivesUpAHashWhoseKeysCollide) {
  GroupTable fair({spec(AggregateKind::kCount)});
  GroupTable attacked({spec(AggregateKind::kCount)});
  const HashSecret secret = hash_secret;
  hash_secret = {0x0123456789abcdef, 0xfedcba9876543210};
  GroupTable elsewhere({spec(AggregateKind::kCount)});
  for (int i = 0; i < 120000; ++i) {
    const std::string key = std::to_string(i % 40000);
    const int64_t slice = i % 3;
    hash_secret = secret;
    ++fair.states().count(fair.at(hash_of(key), slice, key).states(), 0);
    // One hash for all, and hashes that agree in what a table looks at.
    const uint64_t hash = i % 2 == 0 ? 42 : 7;
    ++attacked.states().count(attacked.at(hash, slice, key).states(), 0);
    hash_secret = {0x0123456789abcdef, 0xfedcba9876543210};
    ++elsewhere.states().count(elsewhere.at(hash, slice, key).states(), 0);
  }
  hash_secret = secret;
  EXPECT_FALSE(fair.hashes_by_secret());
  EXPECT_TRUE(attacked.hashes_by_secret());
  EXPECT_EQ(counted(attacked), counted(fair)) << "neither the hash nor the secret shows";
  EXPECT_EQ(counted(elsewhere), counted(fair));
  attacked.clear();
  EXPECT_FALSE(attacked.hashes_by_secret()) << "the next batch is not to pay for this one";
}

TEST(SecretHash, DependsOnTheSecretAndOnEveryByte) {
  std::set<uint64_t> hashes;
  std::string text(40, 'x');
  for (size_t length = 0; length <= text.size(); ++length)
    hashes.insert(secret_hash(text.data(), length));
  for (char& c : text) {
    c = 'y';
    hashes.insert(secret_hash(text.data(), text.size()));
    c = 'x';
  }
  const HashSecret secret = hash_secret;
  hash_secret.second ^= 1;
  hashes.insert(secret_hash(text.data(), text.size()));
  hash_secret = secret;
  EXPECT_EQ(hashes.size(), 41u + 40u + 1u);
}

TEST(GroupTable, KeepsItsOwnCopyOfAKey) {
  GroupTable table({spec(AggregateKind::kCount)});
  std::string key = "country";
  Group& group = table.at(hash_of(key), 0, key);
  key.assign(7, '?');
  EXPECT_EQ(group.key(), "country");
  EXPECT_GT(group.first, group.last) << "no event yet";
}

TEST(GroupTable, GroupsComeInOrderOfBirthAndStatesAreAligned) {
  GroupTable table({spec(AggregateKind::kCount), spec(AggregateKind::kMin),
                    spec(AggregateKind::kDistinct), spec(AggregateKind::kSum)});
  EXPECT_EQ(table.states().size() % 16, 0u);
  for (int i = 0; i < 500; ++i) {
    const std::string key = std::to_string(i);
    Group& group = table.at(hash_of(key), 0, key);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(group.states()) % 16, 0u);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(&table.states().extreme(group.states(), 1)) % 16, 0u);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(&table.states().sum(group.states(), 3)) % 16, 0u);
  }
  for (size_t i = 0; i < 500; ++i) ASSERT_EQ(table.groups()[i]->key(), std::to_string(i));
}

TEST(GroupTable, IsAsNewWhenCleared) {
  GroupTable table({spec(AggregateKind::kCount), spec(AggregateKind::kDistinct, ValueForm::kBytes),
                    spec(AggregateKind::kSketch), spec(AggregateKind::kLast, ValueForm::kBytes)});
  GroupStates& states = table.states();
  const size_t empty = table.memory();
  // The second batch is beyond what a table keeps.
  for (int count : {10, 100000, 50}) {
    for (int i = 0; i < count; ++i) {
      const std::string key = "key " + std::to_string(i);
      char* group = table.at(hash_of(key), i % 3, key).states();
      ASSERT_EQ(states.count_value(group, 0), 0);
      ASSERT_EQ(states.distinct(group, 1), 0);
      ASSERT_EQ(states.estimate(group, 2), 0);
      ASSERT_FALSE(states.position(group, 3).set);
      ++states.count(group, 0);
      states.add_distinct(group, 1, key);
      states.add_hash(group, 2, hash_of(key));
      states.add_position(group, 3, i, {}, text(key));
      ASSERT_EQ(states.distinct(group, 1), 1);
      ASSERT_EQ(states.estimate(group, 2), 1);
    }
    ASSERT_EQ(table.groups().size(), static_cast<size_t>(count));
    EXPECT_GT(table.memory(), empty);
    table.clear();
    EXPECT_TRUE(table.groups().empty());
    EXPECT_TRUE(table.all().empty());
  }
  EXPECT_EQ(table.memory(), empty) << "a large batch does not stay in memory";
}

// --- sessions ---

struct Session {
  int64_t first, last, count;
  bool operator==(const Session&) const = default;
};

void PrintTo(const Session& session, std::ostream* out) {
  *out << "[" << session.first << "," << session.last << "]x" << session.count;
}

// Sorted events, cut wherever two are further apart than the gap.
std::vector<Session> sessions_of(std::vector<int64_t> times, int64_t gap) {
  std::sort(times.begin(), times.end());
  std::vector<Session> sessions;
  for (int64_t time : times) {
    if (sessions.empty() || static_cast<__int128>(time) - sessions.back().last > gap)
      sessions.push_back({time, time, 0});
    sessions.back().last = time;
    ++sessions.back().count;
  }
  return sessions;
}

std::vector<Session> joined(GroupTable& table, Group& head, int64_t gap) {
  std::vector<Group*> segments;
  for (Group* segment = &head; segment != nullptr; segment = segment->next_segment)
    segments.push_back(segment);
  join_segments(table.states(), segments, gap);
  std::vector<Session> sessions;
  for (Group* segment : segments)
    sessions.push_back(
        {segment->first, segment->last, table.states().count_value(segment->states(), 0)});
  return sessions;
}

TEST(Sessions, ExactlyOneGapApartBelongTogether) {
  for (int64_t gap : {1, 30}) {
    GroupTable table({spec(AggregateKind::kCount)});
    const std::vector<int64_t> times = {100, 100 + gap, 100 + 2 * gap + 1, 100 - gap};
    for (int64_t time : times)
      ++table.states().count(table.segment_at(1, "k", time, gap).states(), 0);
    EXPECT_EQ(joined(table, *table.groups().front(), gap),
              (std::vector<Session>{{100 - gap, 100 + gap, 3}, {101 + 2 * gap, 101 + 2 * gap, 1}}));
  }
}

TEST(Sessions, AgreeWithSortedEventsInAnyOrder) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 1500; ++round) {
    const auto gap = static_cast<int64_t>(1 + random() % 12);
    std::map<std::string, std::vector<int64_t>> events;
    GroupTable table({spec(AggregateKind::kCount)});
    for (size_t left = 1 + random() % 60; left > 0; --left) {
      const std::string key(1, static_cast<char>('a' + random() % 3));
      const auto time = static_cast<int64_t>(random() % 200) - 100;
      events[key].push_back(time);
      Group& segment = table.segment_at(hash_of(key), key, time, gap);
      ASSERT_LE(segment.first, time);
      ASSERT_GE(segment.last, time);
      ++table.states().count(segment.states(), 0);
    }
    ASSERT_EQ(table.groups().size(), events.size());
    for (Group* head : table.groups())
      ASSERT_EQ(joined(table, *head, gap), sessions_of(events[std::string(head->key())], gap));
  }
}

TEST(Sessions, AKeyWithManyFarEventsIsNotWalkedForEach) {
  GroupTable table({spec(AggregateKind::kCount)});
  std::vector<int64_t> times;
  for (int64_t i = 0; i < 1000; ++i) times.push_back(i * 100);
  // Back to the first, to one in the middle, and to the newest.
  times.insert(times.end(), {1, 50001, 99901});
  for (int64_t time : times) ++table.states().count(table.segment_at(1, "k", time, 5).states(), 0);
  // The first and the newest were found; the one in the middle is a segment more, until it is
  // joined.
  EXPECT_EQ(table.all().size(), 1001u);
  EXPECT_EQ(joined(table, *table.groups().front(), 5), sessions_of(times, 5));
}

TEST(Sessions, AllHoldsEverySegmentOnce) {
  GroupTable table({spec(AggregateKind::kCount)});
  for (int64_t time : {0, 1000, 2000, 0, 2001}) table.segment_at(1, "a", time, 5);
  table.segment_at(2, "b", 7, 5);
  const std::vector<Group*> all = table.all();
  EXPECT_EQ(all.size(), 4u);
  EXPECT_EQ(std::set<Group*>(all.begin(), all.end()).size(), 4u);
  EXPECT_EQ(table.groups().size(), 2u);
  for (Group* group : all) EXPECT_LE(group->first, group->last);
}

TEST(Sessions, MergeMoreThanTheirCounts) {
  GroupTable table({spec(AggregateKind::kDistinct, ValueForm::kBytes),
                    spec(AggregateKind::kFirst, ValueForm::kBytes)});
  const auto add_event = [&](int64_t time, const std::string& value) {
    char* group = table.segment_at(1, "k", time, 10).states();
    table.states().add_distinct(group, 0, value);
    table.states().add_position(group, 1, time, {}, text(value));
  };
  add_event(20, "b");
  add_event(0, "a");
  add_event(10, "b");  // joins the two
  std::vector<Group*> segments = table.all();
  ASSERT_EQ(segments.size(), 2u);
  join_segments(table.states(), segments, 10);
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_EQ(segments[0]->first, 0);
  EXPECT_EQ(segments[0]->last, 20);
  EXPECT_EQ(table.states().distinct(segments[0]->states(), 0), 2);
  const PositionState& first = table.states().position(segments[0]->states(), 1);
  EXPECT_EQ(std::string_view(first.bytes, first.length), "a");
}

TEST(Sessions, ALongSegmentSwallowsShortOnes) {
  GroupTable table({spec(AggregateKind::kCount)});
  Group& head = table.at(1, 0, "k");
  std::vector<Group*> segments = {&head};
  head.first = 0;
  head.last = 100;
  for (int64_t first : {10, 50, 105, 300}) {
    Group& added = table.add_segment(head);
    added.first = first;
    added.last = first + 5;
    segments.push_back(&added);
  }
  join_segments(table.states(), segments, 10);
  ASSERT_EQ(segments.size(), 2u);
  EXPECT_EQ(segments[0]->last, 110);
  EXPECT_EQ(segments[1]->first, 300);
  std::vector<Group*> none;
  join_segments(table.states(), none, 10);
  EXPECT_TRUE(none.empty());
}

TEST(Sessions, TheEndsOfTheScaleStayApart) {
  const std::vector<int64_t> times = {
      kMinusInfinity,      kMinusInfinity + 3, kMinusInfinity + 100, 0,
      kPlusInfinity - 100, kPlusInfinity - 3,  kPlusInfinity};
  for (int64_t gap : {int64_t{5}, int64_t{1} << 40, int64_t{1} << 62}) {
    std::mt19937_64 random(static_cast<uint64_t>(gap));
    for (int round = 0; round < 50; ++round) {
      std::vector<int64_t> order = times;
      std::shuffle(order.begin(), order.end(), random);
      GroupTable table({spec(AggregateKind::kCount)});
      for (int64_t time : order)
        ++table.states().count(table.segment_at(1, "k", time, gap).states(), 0);
      ASSERT_EQ(joined(table, *table.groups().front(), gap), sessions_of(times, gap)) << gap;
    }
  }
}

}  // namespace
}  // namespace globalmart
