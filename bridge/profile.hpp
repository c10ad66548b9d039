// A profile: the event contract as data (profiles/globalmart.toml says how it is written). Loaded
// and checked once, at the start; the decoder and the row encoder run it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/decimal.hpp"
#include "bridge/instant.hpp"
#include "bridge/pattern.hpp"
#include "bridge/text_table.hpp"

namespace globalmart {

enum class ValueKind : uint8_t {
  kText,
  kUuid,
  kTimestamp,
  kInteger,
  kDecimal,
  kBoolean,
  kAny,      // named, never looked into
  kObjects,  // an array of objects
};

struct ValueType {
  ValueKind kind = ValueKind::kText;
  // kText
  size_t min_bytes = 0;
  size_t max_bytes = SIZE_MAX;
  std::string pattern_text;
  std::optional<Pattern> pattern;
  std::vector<std::string> one_of_texts;
  std::optional<TextTable> one_of;
  int list = -1;  // index into Profile::lists
  // kInteger
  int64_t min = INT64_MIN;
  int64_t max = INT64_MAX;
  bool wide = false;  // int8 instead of int4
  // kDecimal
  DecimalRange range;
  int precision = 0;
  int scale = 0;
};

// Event types of a topic as bits.
using EventTypes = uint64_t;
inline constexpr EventTypes kAllEventTypes = ~EventTypes{0};

struct Member {
  std::string name;
  ValueType type;
  bool array = false;
  EventTypes required = 0;  // the event types that require it
  EventTypes named = 0;     // the event types that require or allow it
  // kObjects
  size_t min_count = 0;
  size_t max_count = SIZE_MAX;
  std::vector<Member> members;
  TextTable member_names;

  // Whether the elements of its array are looked at.
  bool keeps_elements() const {
    return type.kind == ValueKind::kObjects || (array && type.kind != ValueKind::kAny);
  }
};

struct ColumnSource {
  enum class Kind : uint8_t { kMember, kElementMember, kLine, kTime, kDeleted };
  Kind kind = Kind::kMember;
  // kMember: the first one present; kElementMember: one index into the members of the element.
  std::vector<uint16_t> members;
};

struct Column {
  std::string name;
  ColumnSource source;
  // The value's type and whether it is an array; for kLine, kTime, kDeleted as PostgreSQL sees
  // them.
  ValueKind kind = ValueKind::kText;
  bool array = false;
  bool wide = false;
  int scale = 0;
};

// Where rows of a topic go.
struct StreamPlan {
  std::string stream;
  int rows = -1;  // the member (kObjects) with one row an element; -1: one row a message
  std::vector<Column> columns;
};

struct TopicPlan {
  std::string key;   // as in kafka.topics.KEY
  std::string name;  // the topic in Kafka
  int id = -1;       // index of the member that identifies an event; -1: no deduplication
  int time = -1;
  int catalogue_key = -1;  // index; -1: not a catalogue topic
  int event_type = -1;     // index of the member that tells event types apart; -1: one type only
  std::vector<std::string> event_types;
  std::vector<Member> members;
  TextTable member_names;
  std::vector<StreamPlan> streams;
};

struct Profile {
  int max_depth = 32;
  Micros earliest_time = kPostgresEpoch;
  std::vector<std::string> lists;  // names of the lists in the database that types refer to
  std::vector<TopicPlan> topics;

  // Throws ConfigError; `origin` names the file in messages.
  static Profile parse(std::string_view toml, const std::string& origin);
  static Profile load(const std::string& file);
  // The profile that the bridge is built with: profiles/globalmart.toml.
  static Profile shipped();
  static std::string_view shipped_text();
};

// How PostgreSQL names the type of a column, for messages and for comparing with the table.
std::string column_type(const Column& column);

}  // namespace globalmart
