// Partials as bytes: keys, the layout that a chunk begins with, and how groups are put into chunks.
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "core/partial.hpp"
#include "test/unit/core_support.hpp"

namespace globalmart {
namespace {

using namespace testing_support;

uint64_t hash_of(std::string_view text) { return hash_bytes(text.data(), text.size()); }

// --- keys ---

TEST(Keys, NullEmptyAndValuesComeBack) {
  const ValueForm forms[] = {ValueForm::kInteger, ValueForm::kBytes, ValueForm::kCollated,
                             ValueForm::kDecimal, ValueForm::kFloat};
  const Value values[] = {Value{},           integer(0),
                          integer(-1),       integer(std::numeric_limits<int64_t>::min()),
                          text(""),          text(std::string_view("\0", 1)),
                          text("two words"), text("\xc3\xa9\x80\xff")};
  for (ValueForm form : forms)
    for (const Value& value : values) {
      std::string key;
      append_key_field(key, form, value);
      ByteReader in(key);
      const Value back = read_key_field(in, form);
      EXPECT_TRUE(in.done());
      ASSERT_EQ(back.is_null, value.is_null);
      if (value.is_null) continue;
      if (form == ValueForm::kInteger || form == ValueForm::kFloat)
        EXPECT_EQ(back.integer, value.integer);
      else
        EXPECT_EQ(back.bytes, value.bytes);
    }
}

TEST(Keys, FieldsDoNotRunIntoEachOther) {
  const std::vector<Value> texts = {Value{},
                                    text(""),
                                    text("a"),
                                    text("ab"),
                                    text("b"),
                                    text(std::string_view("\0", 1)),
                                    text(std::string_view("\1a", 2))};
  std::set<std::string> keys;
  for (const Value& left : texts)
    for (const Value& right : texts)
      for (const Value& number : {Value{}, integer(0), integer(1)}) {
        std::string key;
        append_key_field(key, ValueForm::kBytes, left);
        append_key_field(key, ValueForm::kInteger, number);
        append_key_field(key, ValueForm::kBytes, right);
        EXPECT_TRUE(keys.insert(key).second);
        ByteReader in(key);
        EXPECT_EQ(read_key_field(in, ValueForm::kBytes).bytes, left.bytes);
        EXPECT_EQ(read_key_field(in, ValueForm::kInteger).is_null, number.is_null);
        EXPECT_EQ(read_key_field(in, ValueForm::kBytes).bytes, right.bytes);
      }
  EXPECT_EQ(keys.size(), 7u * 7u * 3u);
}

TEST(Keys, CutsAreNoticed) {
  std::string key;
  append_key_field(key, ValueForm::kBytes, text("some text"));
  append_key_field(key, ValueForm::kInteger, integer(5));
  for (size_t length = 0; length < key.size(); ++length) {
    const std::vector<char> cut(key.begin(), key.begin() + static_cast<long>(length));
    ByteReader in({cut.data(), cut.size()});
    EXPECT_THROW(
        {
          read_key_field(in, ValueForm::kBytes);
          read_key_field(in, ValueForm::kInteger);
        },
        CorruptBytes);
  }
}

TEST(Keys, AFlagIsZeroOrOne) {
  // Else two keys would read as the same values and stay two groups.
  const std::string key = std::string(1, 2) + std::string(8, 0);
  ByteReader in(key);
  EXPECT_THROW(read_key_field(in, ValueForm::kInteger), CorruptBytes);
}

// --- layouts ---

std::string bytes_of(const PartialLayout& layout) {
  std::string bytes;
  ByteWriter out(bytes);
  layout.write(out);
  return bytes;
}

TEST(Layout, ComesBack) {
  PartialLayout layout;
  layout.sessions = true;
  layout.entries = {{0, AggregateKind::kCount, ValueForm::kInteger},
                    {700, AggregateKind::kLast, ValueForm::kFloat},
                    {3, AggregateKind::kSum, ValueForm::kDecimal}};
  const std::string bytes = bytes_of(layout);
  ByteReader in(bytes);
  const PartialLayout back = PartialLayout::read(in);
  EXPECT_TRUE(in.done());
  EXPECT_TRUE(back.sessions);
  ASSERT_EQ(back.entries.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(back.entries[i].number, layout.entries[i].number);
    EXPECT_EQ(back.entries[i].kind, layout.entries[i].kind);
    EXPECT_EQ(back.entries[i].form, layout.entries[i].form);
  }
}

void expect_refused(const std::string& bytes) {
  ByteReader in(bytes);
  EXPECT_THROW(PartialLayout::read(in), CorruptBytes);
}

TEST(Layout, RefusesWhatNobodyWrites) {
  PartialLayout layout;
  layout.entries = {{5, AggregateKind::kMin, ValueForm::kBytes}};
  const std::string good = bytes_of(layout);
  ASSERT_EQ(good, std::string("\1\0\1\5\3\1", 6));
  for (size_t length = 0; length < good.size(); ++length) expect_refused(good.substr(0, length));
  const auto with = [&](size_t at, char byte) {
    std::string changed = good;
    changed[at] = byte;
    return changed;
  };
  expect_refused(with(0, 0));
  expect_refused(with(0, 2));
  expect_refused(with(1, 2));
  for (char kind : {'\0', '\x9', '\xff'}) expect_refused(with(4, kind));
  for (char form : {'\5', '\x80'}) expect_refused(with(5, form));
}

TEST(Layout, AStateIsTheOneOfItsNumberOrCorrupt) {
  const PartialLayout::Entry stored = {7, AggregateKind::kSum, ValueForm::kDecimal};
  EXPECT_TRUE(stored.holds(stored));
  EXPECT_FALSE(stored.holds({8, AggregateKind::kSum, ValueForm::kDecimal}));
  EXPECT_FALSE(stored.holds({8, AggregateKind::kCount, ValueForm::kInteger}));
  EXPECT_THROW(stored.holds({7, AggregateKind::kMax, ValueForm::kDecimal}), CorruptBytes);
  EXPECT_THROW(stored.holds({7, AggregateKind::kSum, ValueForm::kInteger}), CorruptBytes);
}

TEST(Layout, IsLimited) {
  const auto claims = [](uint64_t count, uint64_t number) {
    std::string bytes("\1\0", 2);
    ByteWriter out(bytes);
    out.varint(count);
    for (uint64_t i = 0; i < std::min<uint64_t>(count, 2 * kMaxStates); ++i) {
      out.varint(number);
      out.byte(1);
      out.byte(0);
    }
    return bytes;
  };
  expect_refused(claims(kMaxStates + 1, 0));
  expect_refused(claims(~uint64_t{0}, 0));
  expect_refused(claims(1, kMaxStates));
  expect_refused(claims(1, uint64_t{1} << 32));  // would be state 0 if cut to 32 bits
  const std::string most = claims(kMaxStates, kMaxStates - 1);
  ByteReader in(most);
  EXPECT_EQ(PartialLayout::read(in).entries.size(), kMaxStates);
}

// --- chunks ---

struct Chunk {
  int64_t slice;
  int groups;
  std::string body;
};

std::vector<Chunk> chunks_of(GroupTable& table, bool sessions = false) {
  std::vector<Chunk> chunks;
  write_chunks(table.states(), table.all(), layout_of(table.states(), sessions),
               [&](int64_t slice, int groups, uint64_t, std::string_view body) {
                 chunks.push_back({slice, groups, std::string(body)});
               });
  return chunks;
}

struct StoredGroup {
  std::string key;
  int64_t first = 0, last = 0;
  std::string states;
};

std::vector<StoredGroup> groups_of(const Chunk& chunk) {
  std::vector<StoredGroup> groups;
  ByteReader in(chunk.body);
  const PartialLayout layout = PartialLayout::read(in);
  while (!in.done()) {
    StoredGroup group;
    group.key = in.bytes();
    if (layout.sessions) {
      const SessionSpan span = read_session_span(in);
      group.first = span.first;
      group.last = span.last;
    }
    for (const PartialLayout::Entry& entry : layout.entries) {
      GroupTable one({spec(entry.kind, entry.form)});
      char* states = one.at(0, 0, "").states();
      one.states().merge_encoded(states, 0, in);
      group.states += encoded(one.states(), states, 0);
    }
    groups.push_back(group);
  }
  return groups;
}

TEST(Chunks, HoldEveryGroupOnceAndFitTheirPage) {
  GroupTable table({spec(AggregateKind::kCount), spec(AggregateKind::kSum, ValueForm::kDecimal),
                    spec(AggregateKind::kMax, ValueForm::kBytes)});
  std::mt19937_64 random(9);
  std::map<std::pair<int64_t, std::string>, std::string> wanted;
  for (int i = 0; i < 4000; ++i) {
    const auto slice = static_cast<int64_t>(random() % 3) * 100;
    const std::string key = "key " + std::to_string(i);
    Group& group = table.at(hash_of(key), slice, key);
    group.first = slice + 1;
    group.last = slice + static_cast<int64_t>(random() % 100);
    table.states().count(group.states(), 0) = i;
    table.states().add_decimal(group.states(), 1, decimal(i * 1000003LL, 2));
    const std::string value(random() % 300, 'x');
    table.states().add_extreme(group.states(), 2, text(value), nullptr);
    std::string& states = wanted[{slice, key}];
    for (size_t state = 0; state < 3; ++state)
      states += encoded(table.states(), group.states(), state);
  }
  std::map<std::pair<int64_t, std::string>, std::string> found;
  const std::vector<Chunk> chunks = chunks_of(table);
  for (const Chunk& chunk : chunks) {
    EXPECT_LE(chunk.body.size(), kChunkBytes);
    const std::vector<StoredGroup> groups = groups_of(chunk);
    EXPECT_EQ(groups.size(), static_cast<size_t>(chunk.groups));
    for (const StoredGroup& group : groups)
      EXPECT_TRUE(found.insert({{chunk.slice, group.key}, group.states}).second);
  }
  EXPECT_EQ(found, wanted);
  // Slices come in order, and full: a chunk is begun only when the one before has no room.
  for (size_t i = 1; i < chunks.size(); ++i) {
    EXPECT_LE(chunks[i - 1].slice, chunks[i].slice);
    if (chunks[i - 1].slice == chunks[i].slice) {
      EXPECT_GT(chunks[i - 1].body.size(), kChunkBytes - 700);
    }
  }
}

TEST(Chunks, NeverMixSlices) {
  GroupTable table({spec(AggregateKind::kCount)});
  for (int64_t slice : {5, -5, 0, 5, 0}) {
    const std::string key = std::to_string(table.groups().size());
    Group& group = table.at(hash_of(key), slice, key);
    group.first = group.last = slice;
  }
  const std::vector<Chunk> chunks = chunks_of(table);
  ASSERT_EQ(chunks.size(), 3u);
  EXPECT_EQ(chunks[0].slice, -5);
  EXPECT_EQ(chunks[1].slice, 0);
  EXPECT_EQ(chunks[1].groups, 2);
  EXPECT_EQ(chunks[2].slice, 5);
}

TEST(Chunks, NothingMakesNone) {
  GroupTable table({spec(AggregateKind::kCount)});
  EXPECT_TRUE(chunks_of(table).empty());
  EXPECT_TRUE(chunks_of(table, true).empty());
}

TEST(Chunks, AGroupBiggerThanTheLimitStandsAlone) {
  for (int large_at = 0; large_at < 3; ++large_at) {
    GroupTable table({spec(AggregateKind::kDistinct, ValueForm::kBytes)});
    for (int i = 0; i < 3; ++i) {
      const std::string key = std::to_string(i);
      Group& group = table.at(hash_of(key), 0, key);
      group.first = group.last = i;
      for (int value = 0; value < (i == large_at ? 3000 : 2); ++value)
        table.states().add_distinct(group.states(), 0, "value " + std::to_string(value));
    }
    const std::vector<Chunk> chunks = chunks_of(table);
    int large = 0, groups = 0;
    for (const Chunk& chunk : chunks) {
      groups += chunk.groups;
      EXPECT_EQ(groups_of(chunk).size(), static_cast<size_t>(chunk.groups));
      if (chunk.body.size() <= kChunkBytes) continue;
      ++large;
      EXPECT_EQ(chunk.groups, 1);
      EXPECT_EQ(groups_of(chunk).front().key, std::to_string(large_at));
    }
    EXPECT_EQ(large, 1);
    EXPECT_EQ(groups, 3);
  }
}

TEST(Chunks, OfSessionsSayTheirSpan) {
  GroupTable table({spec(AggregateKind::kCount)});
  std::mt19937_64 random(17);
  std::multiset<std::tuple<std::string, int64_t, int64_t>> wanted, found;
  for (int i = 0; i < 3000; ++i) {
    const std::string key = "user " + std::to_string(random() % 700);
    const auto time = static_cast<int64_t>(random() % 1000000) - 500000;
    table.segment_at(hash_of(key), key, time, 1000);
  }
  for (Group* group : table.all())
    wanted.insert({std::string(group->key()), group->first, group->last});
  const std::vector<Chunk> chunks = chunks_of(table, true);
  EXPECT_GT(chunks.size(), 3u);
  for (const Chunk& chunk : chunks) {
    EXPECT_LE(chunk.body.size(), kChunkBytes);
    int64_t earliest = std::numeric_limits<int64_t>::max();
    for (const StoredGroup& group : groups_of(chunk)) {
      found.insert({group.key, group.first, group.last});
      earliest = std::min(earliest, group.first);
    }
    EXPECT_EQ(chunk.slice, earliest);
  }
  EXPECT_EQ(found, wanted);
}

TEST(Chunks, SpansReachFromEndToEndAndNoFurther) {
  GroupTable table({spec(AggregateKind::kCount)});
  Group& group = table.at(1, 0, "k");
  group.first = std::numeric_limits<int64_t>::min();
  group.last = std::numeric_limits<int64_t>::max();
  const std::vector<Chunk> chunks = chunks_of(table, true);
  const std::vector<StoredGroup> groups = groups_of(chunks.at(0));
  EXPECT_EQ(groups.at(0).first, group.first);
  EXPECT_EQ(groups.at(0).last, group.last);

  for (uint64_t length : {uint64_t{6}, uint64_t{1} << 63, ~uint64_t{0}}) {
    std::string bytes;
    ByteWriter out(bytes);
    out.fixed64(static_cast<uint64_t>(std::numeric_limits<int64_t>::max() - 5));
    out.varint(length);
    ByteReader in(bytes);
    EXPECT_THROW(read_session_span(in), CorruptBytes) << "a session that ends before it begins";
  }
}

TEST(Chunks, AReaderPassesOverStatesItDoesNotKnow) {
  const std::vector<AggregateSpec> specs = {spec(AggregateKind::kCount),
                                            spec(AggregateKind::kSum, ValueForm::kDecimal),
                                            spec(AggregateKind::kSum),
                                            spec(AggregateKind::kMin, ValueForm::kDecimal),
                                            spec(AggregateKind::kMax, ValueForm::kCollated),
                                            spec(AggregateKind::kMin, ValueForm::kFloat),
                                            spec(AggregateKind::kDistinct, ValueForm::kBytes),
                                            spec(AggregateKind::kSketch, ValueForm::kBytes),
                                            spec(AggregateKind::kFirst, ValueForm::kDecimal),
                                            spec(AggregateKind::kLast, ValueForm::kInteger)};
  GroupTable table(specs);
  GroupStates& states = table.states();
  const int kGroups = 40;
  for (int i = 0; i < kGroups; ++i) {
    const std::string key = std::to_string(i);
    Group& group = table.at(hash_of(key), 0, key);
    group.first = group.last = i;
    if (i % 4 == 0) continue;  // all states empty
    char* at = group.states();
    const Decimal value = decimal(i * 7, i % 3);
    states.count(at, 0) = i;
    states.add_decimal(at, 1, value);
    states.add_integer(at, 2, -i);
    states.add_extreme(at, 3, Value{}, &value);
    states.add_extreme(at, 4, text(key), nullptr);
    states.add_extreme(at, 5, real(i / 3.0), nullptr);
    for (int j = 0; j < i; ++j) states.add_distinct(at, 6, std::to_string(j));
    for (int j = 0; j < i * 100; ++j) states.add_hash(at, 7, mix64(static_cast<uint64_t>(j)));
    states.add_position(at, 8, i, {1, 2}, text(key));
    states.add_position(at, 9, i, {1, 2}, integer(i));
  }
  const std::vector<Chunk> chunks = chunks_of(table);
  for (size_t wanted = 0; wanted < specs.size(); ++wanted) {
    GroupTable reader({specs[wanted]});
    for (const Chunk& chunk : chunks) {
      ByteReader in(chunk.body);
      const PartialLayout layout = PartialLayout::read(in);
      while (!in.done()) {
        const std::string_view key = in.bytes();
        char* group = reader.at(hash_of(key), 0, key).states();
        for (const PartialLayout::Entry& entry : layout.entries) {
          if (entry.number == wanted)
            reader.states().merge_encoded(group, 0, in);
          else
            GroupStates::skip(entry.kind, entry.form, in);
        }
      }
    }
    ASSERT_EQ(reader.groups().size(), static_cast<size_t>(kGroups));
    for (Group* group : reader.groups())
      ASSERT_EQ(said(reader.states(), group->states(), 0),
                said(states, table.at(hash_of(group->key()), 0, group->key()).states(), wanted));
  }
}

}  // namespace
}  // namespace globalmart
