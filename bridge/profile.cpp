#include "bridge/profile.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <sstream>

#include "bridge/error.hpp"
#include "bridge/toml_reader.hpp"

namespace globalmart {

namespace {

constexpr size_t kMaxMembers = 1000;
constexpr size_t kMaxEventTypes = 64;

const std::map<std::string, ValueKind, std::less<>> kKinds = {
    {"text", ValueKind::kText},
    {"uuid", ValueKind::kUuid},
    {"timestamp", ValueKind::kTimestamp},
    {"integer", ValueKind::kInteger},
    {"decimal", ValueKind::kDecimal},
    {"boolean", ValueKind::kBoolean},
    {"any", ValueKind::kAny},
};

int64_t to_integer(const TomlTable& table, const char* key, const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    table.fail(key, "must be an integer of 64 bits");
  }
  return value;
}

size_t to_size(const TomlTable& table, const char* key, int64_t value) {
  if (value < 0) table.fail(key, "must not be negative");
  return static_cast<size_t>(value);
}

Decimal to_decimal(const TomlTable& table, const char* key, const std::string& text) {
  const std::optional<Decimal> value = Decimal::parse(text);
  if (!value) table.fail(key, "'" + text + "' is not a decimal number");
  return *value;
}

class ProfileReader {
 public:
  Profile read(const toml::table& document) {
    TomlTable root(document, "");
    const int64_t format = root.integer("format").value_or(1);
    if (format != 1) root.fail("format", "this bridge reads profiles of format 1");
    if (const toml::table* limits = root.table("limits")) read_limits(*limits);
    if (const toml::table* types = root.table("types")) read_types(*types);
    const toml::table* topics = root.table("topics");
    if (topics == nullptr || topics->empty()) root.fail("topics", "at least one topic is needed");
    for (const auto& [key, value] : *topics) {
      const std::string name(key.str());
      if (!value.is_table()) root.fail("topics." + name, "must be a table");
      if (name == "alerts") root.fail("topics.alerts", "kafka.topics.alerts is where alerts go");
      TopicPlan topic = read_topic(name, *value.as_table());
      for (const TopicPlan& other : profile_.topics) {
        if (other.name != topic.name) continue;
        root.fail("topics." + name + ".topic",
                  topic.name + " is the name of topics." + other.key + ", too");
      }
      profile_.topics.push_back(std::move(topic));
    }
    root.finish();
    return std::move(profile_);
  }

 private:
  void read_limits(const toml::table& raw) {
    TomlTable table(raw, "limits");
    profile_.max_depth = static_cast<int>(table.integer("max_depth").value_or(32));
    if (profile_.max_depth < 1 || profile_.max_depth > 512) {
      table.fail("max_depth", "must be from 1 to 512");
    }
    if (const auto text = table.text("earliest_time")) {
      const std::optional<Micros> time = parse_timestamp(*text);
      if (!time) table.fail("earliest_time", "'" + *text + "' is not a timestamp");
      profile_.earliest_time = *time;
    }
    table.finish();
  }

  void read_types(const toml::table& raw) {
    for (const auto& [key, value] : raw) {
      const std::string name(key.str());
      const std::string where = "types." + name;
      if (kKinds.contains(name) || name == "objects") {
        throw ConfigError(where + ": is the name of a kind");
      }
      if (!value.is_table()) throw ConfigError(where + ": must be a table");
      type_tables_[name] = value.as_table();
      TomlTable table(*value.as_table(), where);
      const auto kind = table.text("kind");
      if (!kind) table.fail("kind", "is missing");
      read_type(table, nullptr, *kind);
      table.finish();
    }
  }

  // A type from the keys of `table` and, behind them, those of the named type.
  ValueType read_type(TomlTable& table, TomlTable* named, const std::string& kind_name) {
    const auto kind = kKinds.find(kind_name);
    if (kind == kKinds.end()) {
      std::vector<std::string> candidates;
      for (const auto& [name, unused] : kKinds) candidates.push_back(name);
      for (const auto& [name, unused] : type_tables_) candidates.push_back(name);
      candidates.push_back("objects");
      const std::string hint = closest(kind_name, candidates);
      table.fail("type", "no type or kind '" + kind_name + "'" +
                             (hint.empty() ? "" : "; did you mean '" + hint + "'?"));
    }
    const auto text = [&](const char* key) {
      auto value = table.text(key);
      if (!value && named != nullptr) value = named->text(key);
      return value;
    };
    const auto number = [&](const char* key) {
      auto value = table.number(key);
      if (!value && named != nullptr) value = named->number(key);
      return value;
    };
    ValueType type;
    type.kind = kind->second;
    switch (type.kind) {
      case ValueKind::kText: {
        if (const auto value = number("min_bytes")) {
          type.min_bytes = to_size(table, "min_bytes", to_integer(table, "min_bytes", *value));
        }
        if (const auto value = number("max_bytes")) {
          type.max_bytes = to_size(table, "max_bytes", to_integer(table, "max_bytes", *value));
        }
        if (type.min_bytes > type.max_bytes) table.fail("min_bytes", "is greater than max_bytes");
        if (const auto value = text("pattern")) {
          type.pattern_text = *value;
          type.pattern.emplace(*value);
        }
        if (const auto value = text("list")) type.list = list_index(*value);
        auto one_of = table.texts("one_of");
        if (!one_of && named != nullptr) one_of = named->texts("one_of");
        if (one_of) {
          if (one_of->empty()) table.fail("one_of", "allows nothing");
          type.one_of_texts = *one_of;
          type.one_of.emplace(*one_of);
        }
        break;
      }
      case ValueKind::kInteger: {
        const std::string column = text("column").value_or("int4");
        if (column != "int4" && column != "int8") table.fail("column", "must be int4 or int8");
        type.wide = column == "int8";
        type.min = type.wide ? INT64_MIN : INT32_MIN;
        type.max = type.wide ? INT64_MAX : INT32_MAX;
        const int64_t lowest = type.min;
        const int64_t greatest = type.max;
        if (const auto value = number("min")) type.min = to_integer(table, "min", *value);
        if (const auto value = number("max")) type.max = to_integer(table, "max", *value);
        if (type.min < lowest || type.max > greatest) {
          table.fail("column", column + " does not hold all numbers from min to max");
        }
        if (type.min > type.max) table.fail("min", "is greater than max");
        break;
      }
      case ValueKind::kDecimal:
        read_decimal(table, type, number("min"), number("max"), text("column"));
        break;
      default:
        break;
    }
    return type;
  }

  static void read_decimal(TomlTable& table, ValueType& type,
                           const std::optional<std::string>& min_text,
                           const std::optional<std::string>& max_text,
                           const std::optional<std::string>& column) {
    if (!column) table.fail("column", "a decimal needs its column: \"numeric(18,2)\"");
    int end = 0;
    std::sscanf(column->c_str(), "numeric(%d,%d)%n", &type.precision, &type.scale, &end);
    if (end == 0 || static_cast<size_t>(end) != column->size() || type.precision < 1 ||
        type.precision > 37 || type.scale < 0 || type.scale > type.precision) {
      table.fail("column", "must be numeric(p,s) with p up to 37 and s up to p");
    }
    std::optional<Decimal> min, max;
    if (min_text) min = to_decimal(table, "min", *min_text);
    if (max_text) max = to_decimal(table, "max", *max_text);
    if (min && max && max->compare(*min) < 0) table.fail("min", "is greater than max");
    // Without a bound, the column's own: what would round to more digits than it has is refused.
    std::string whole(static_cast<size_t>(type.precision - type.scale), '9');
    if (whole.empty()) whole = "0";
    const std::string limit =
        whole + (type.scale > 0 ? "." + std::string(static_cast<size_t>(type.scale), '9') : "");
    const Decimal greatest = *Decimal::parse(limit);
    const Decimal lowest = *Decimal::parse("-" + limit);
    if ((max && max->compare(greatest) > 0) || (min && min->compare(lowest) < 0)) {
      table.fail("column", *column + " does not hold all numbers from min to max");
    }
    type.range = DecimalRange(min ? min : lowest, max ? max : greatest, type.scale);
  }

  int list_index(const std::string& name) {
    const auto known = std::find(profile_.lists.begin(), profile_.lists.end(), name);
    if (known != profile_.lists.end()) return static_cast<int>(known - profile_.lists.begin());
    profile_.lists.push_back(name);
    return static_cast<int>(profile_.lists.size()) - 1;
  }

  // The event types that a list names, as bits.
  static EventTypes event_type_bits(const TomlTable& table, const char* key,
                                    const std::vector<std::string>& names,
                                    const std::vector<std::string>& event_types) {
    EventTypes bits = 0;
    for (const std::string& name : names) {
      const auto found = std::find(event_types.begin(), event_types.end(), name);
      if (found == event_types.end()) {
        const std::string hint = closest(name, event_types);
        table.fail(key, "no event type '" + name + "'" +
                            (hint.empty() ? "" : "; did you mean '" + hint + "'?"));
      }
      bits |= EventTypes{1} << (found - event_types.begin());
    }
    return bits;
  }

  Member read_member(const std::string& name, const toml::table& raw, const std::string& where,
                     const std::vector<std::string>& event_types, bool nested) {
    TomlTable table(raw, where);
    Member member;
    member.name = name;
    member.required = 0;
    member.named = kAllEventTypes;
    if (const toml::node* required = table.node("required")) {
      if (required->is_boolean()) {
        member.required = *required->value<bool>() ? kAllEventTypes : 0;
      } else {
        member.required = member.named =
            event_type_bits(table, "required", *table.texts("required"), event_types);
      }
    }
    if (const auto optional = table.texts("optional")) {
      const EventTypes bits = event_type_bits(table, "optional", *optional, event_types);
      member.named = bits | member.required;
    }
    const auto type_name = table.text("type");
    if (!type_name) table.fail("type", "is missing");
    if (*type_name == "objects") {
      if (nested) table.fail("type", "objects cannot hold objects");
      member.type.kind = ValueKind::kObjects;
      member.min_count = to_size(table, "min_count", table.integer("min_count").value_or(0));
      member.max_count =
          to_size(table, "max_count", table.integer("max_count").value_or(INT32_MAX));
      if (member.min_count > member.max_count) table.fail("min_count", "is greater than max_count");
      const toml::table* members = table.table("members");
      if (members == nullptr) table.fail("members", "is missing");
      member.members = read_members(*members, where + ".members", {}, true);
      member.member_names = names_of(member.members);
    } else {
      const auto named = type_tables_.find(*type_name);
      if (named != type_tables_.end()) {
        TomlTable type_table(*named->second, "types." + *type_name);
        member.type = read_type(table, &type_table, *type_table.text("kind"));
      } else {
        member.type = read_type(table, nullptr, *type_name);
      }
      member.array = table.boolean("array").value_or(false);
      if (nested && member.array) table.fail("array", "elements of objects cannot hold arrays");
    }
    table.finish();
    return member;
  }

  static TextTable names_of(const std::vector<Member>& members) {
    std::vector<std::string> names;
    for (const Member& member : members) names.push_back(member.name);
    return TextTable(std::move(names));
  }

  std::vector<Member> read_members(const toml::table& raw, const std::string& where,
                                   const std::vector<std::string>& event_types, bool nested) {
    std::vector<Member> members;
    for (const auto& [key, value] : raw) {
      const std::string name(key.str());
      if (!value.is_table()) throw ConfigError(where + "." + name + ": must be a table");
      members.push_back(
          read_member(name, *value.as_table(), where + "." + name, event_types, nested));
    }
    if (members.empty()) throw ConfigError(where + ": names no member");
    if (members.size() > kMaxMembers) throw ConfigError(where + ": more than 1000 members");
    return members;
  }

  static int member_index(const TomlTable& table, const std::string& key, const std::string& name,
                          const TextTable& names) {
    const int index = names.find(name);
    if (index < 0) {
      const std::string hint = closest(name, names.texts());
      table.fail(
          key, "no member '" + name + "'" + (hint.empty() ? "" : "; did you mean '" + hint + "'?"));
    }
    return index;
  }

  TopicPlan read_topic(const std::string& key, const toml::table& raw) {
    TomlTable table(raw, "topics." + key);
    TopicPlan topic;
    topic.key = key;
    const auto name = table.text("topic");
    if (!name || name->empty()) table.fail("topic", "is missing");
    topic.name = *name;

    std::string event_type_member;
    if (const toml::table* event_types = table.table("event_types")) {
      TomlTable inner(*event_types, table.where() + ".event_types");
      const auto member = inner.text("member");
      const auto values = inner.texts("values");
      if (!member) inner.fail("member", "is missing");
      if (!values || values->empty()) inner.fail("values", "is missing");
      if (values->size() > kMaxEventTypes) inner.fail("values", "more than 64 event types");
      inner.finish();
      event_type_member = *member;
      topic.event_types = *values;
    }
    const toml::table* members = table.table("members");
    if (members == nullptr) table.fail("members", "is missing");
    topic.members = read_members(*members, table.where() + ".members", topic.event_types, false);
    if (!event_type_member.empty()) {
      for (const Member& member : topic.members) {
        if (member.name == event_type_member) {
          table.fail("members." + member.name, "is defined by event_types already");
        }
      }
      Member member;
      member.name = event_type_member;
      member.required = member.named = kAllEventTypes;
      member.type.one_of_texts = topic.event_types;
      member.type.one_of.emplace(topic.event_types);
      topic.event_type = static_cast<int>(topic.members.size());
      topic.members.push_back(std::move(member));
    }
    topic.member_names = names_of(topic.members);

    const auto time = table.text("time");
    if (!time) table.fail("time", "is missing: the member with the event time");
    topic.time = member_index(table, "time", *time, topic.member_names);
    require(table, "time", topic, topic.time, ValueKind::kTimestamp);
    if (const auto id = table.text("id")) {
      topic.id = member_index(table, "id", *id, topic.member_names);
      require(table, "id", topic, topic.id, ValueKind::kUuid);
    }
    if (const auto catalogue = table.text("catalogue_key")) {
      topic.catalogue_key = member_index(table, "catalogue_key", *catalogue, topic.member_names);
      require(table, "catalogue_key", topic, topic.catalogue_key, ValueKind::kText);
      if (topic.id >= 0) table.fail("id", "a catalogue topic is told apart by its key");
    }

    const toml::array* streams = table.array("streams");
    if (streams == nullptr || streams->empty()) table.fail("streams", "is missing");
    for (size_t i = 0; i < streams->size(); ++i) {
      const std::string where = table.where() + ".streams[" + std::to_string(i) + "]";
      if (!streams->get(i)->is_table()) throw ConfigError(where + ": must be a table");
      topic.streams.push_back(read_stream(*streams->get(i)->as_table(), where, topic));
    }
    table.finish();
    return topic;
  }

  static void require(const TomlTable& table, const char* key, const TopicPlan& topic, int index,
                      ValueKind kind) {
    const Member& member = topic.members[static_cast<size_t>(index)];
    if (member.required != kAllEventTypes || member.type.kind != kind || member.array) {
      table.fail(key, "member '" + member.name + "' must be required and of kind " +
                          (kind == ValueKind::kUuid        ? "uuid"
                           : kind == ValueKind::kTimestamp ? "timestamp"
                                                           : "text"));
    }
  }

  static StreamPlan read_stream(const toml::table& raw, const std::string& where,
                                const TopicPlan& topic) {
    TomlTable table(raw, where);
    StreamPlan plan;
    const auto stream = table.text("stream");
    if (!stream || stream->empty()) table.fail("stream", "is missing");
    plan.stream = *stream;
    if (const auto rows = table.text("rows")) {
      plan.rows = member_index(table, "rows", *rows, topic.member_names);
      if (topic.members[static_cast<size_t>(plan.rows)].type.kind != ValueKind::kObjects) {
        table.fail("rows", "member '" + *rows + "' is not of type objects");
      }
    }
    const toml::table* columns = table.table("columns");
    if (columns == nullptr || columns->empty()) table.fail("columns", "is missing");
    TomlTable column_table(*columns, where + ".columns");
    for (const auto& [key, unused] : *columns) {
      const std::string name(key.str());
      if (name == "received_at" || name == "kafka_partition" || name == "kafka_offset") {
        column_table.fail(name, "is filled by the bridge itself");
      }
      plan.columns.push_back(read_column(name, column_table, topic, plan));
    }
    const bool has_time = std::any_of(
        plan.columns.begin(), plan.columns.end(),
        [](const Column& column) { return column.source.kind == ColumnSource::Kind::kTime; });
    if (!has_time) column_table.fail("", "no column takes the event time (\"#time\")");
    table.finish();
    return plan;
  }

  static Column read_column(const std::string& name, TomlTable& table, const TopicPlan& topic,
                            const StreamPlan& plan) {
    using Kind = ColumnSource::Kind;
    Column column;
    column.name = name;
    const std::vector<std::string> sources = *table.text_or_texts(name.c_str());
    if (sources.empty()) table.fail(name, "names no member");
    bool first = true;
    for (const std::string& source : sources) {
      Column one;
      if (source.starts_with('#')) {
        if (sources.size() > 1) table.fail(name, "'" + source + "' must stand alone");
        if (source == "#time") {
          one.source.kind = Kind::kTime;
          one.kind = ValueKind::kTimestamp;
        } else if (source == "#line") {
          if (plan.rows < 0) table.fail(name, "'#line' needs 'rows'");
          one.source.kind = Kind::kLine;
          one.kind = ValueKind::kInteger;
        } else if (source == "#deleted") {
          if (topic.catalogue_key < 0) table.fail(name, "'#deleted' needs a catalogue topic");
          one.source.kind = Kind::kDeleted;
          one.kind = ValueKind::kBoolean;
        } else {
          table.fail(name, "'" + source + "' is none of #time, #line, #deleted");
        }
      } else {
        const Member* member = nullptr;
        const size_t dot = source.find('.');
        if (dot != std::string::npos) {
          const int outer = member_index(table, name, source.substr(0, dot), topic.member_names);
          if (outer != plan.rows) {
            table.fail(name, "'" + source + "' is not in the elements of 'rows'");
          }
          if (sources.size() > 1) table.fail(name, "'" + source + "' must stand alone");
          const Member& rows = topic.members[static_cast<size_t>(outer)];
          const int inner = member_index(table, name, source.substr(dot + 1), rows.member_names);
          one.source.kind = Kind::kElementMember;
          one.source.members = {static_cast<uint16_t>(inner)};
          member = &rows.members[static_cast<size_t>(inner)];
        } else {
          const int index = member_index(table, name, source, topic.member_names);
          one.source.members = {static_cast<uint16_t>(index)};
          member = &topic.members[static_cast<size_t>(index)];
        }
        if (member->type.kind == ValueKind::kObjects || member->type.kind == ValueKind::kAny) {
          table.fail(name, "member '" + source + "' has no value that a column could take");
        }
        one.kind = member->type.kind;
        one.array = member->array;
        one.wide = member->type.wide;
        one.scale = member->type.scale;
      }
      if (first) {
        column.source = one.source;
        column.kind = one.kind;
        column.array = one.array;
        column.wide = one.wide;
        column.scale = one.scale;
        first = false;
      } else {
        if (one.kind != column.kind || one.array != column.array || one.wide != column.wide ||
            one.scale != column.scale) {
          table.fail(name, "'" + source + "' has another type than '" + sources.front() + "'");
        }
        column.source.members.push_back(one.source.members.front());
      }
    }
    return column;
  }

  Profile profile_;
  std::map<std::string, const toml::table*, std::less<>> type_tables_;
};

}  // namespace

Profile Profile::parse(std::string_view toml, const std::string& origin) {
  toml::table document;
  try {
    document = toml::parse(toml, origin);
  } catch (const toml::parse_error& error) {
    std::ostringstream message;
    message << "profile " << origin << ": " << error.description() << " (line "
            << error.source().begin.line << ")";
    throw ConfigError(message.str());
  }
  try {
    return ProfileReader().read(document);
  } catch (const ConfigError& error) {
    throw ConfigError("profile " + origin + ": " + error.what());
  }
}

Profile Profile::load(const std::string& file) {
  const std::optional<std::string> text = read_file(file);
  if (!text) throw ConfigError("profile " + file + ": cannot be read");
  return parse(*text, file);
}

Profile Profile::shipped() { return parse(shipped_text(), "globalmart (shipped)"); }

std::string column_type(const Column& column) {
  std::string name;
  switch (column.kind) {
    case ValueKind::kText:
      name = "text";
      break;
    case ValueKind::kUuid:
      name = "uuid";
      break;
    case ValueKind::kTimestamp:
      name = "timestamptz";
      break;
    case ValueKind::kInteger:
      name = column.wide ? "int8" : "int4";
      break;
    case ValueKind::kDecimal:
      name = "numeric";
      break;
    case ValueKind::kBoolean:
      name = "bool";
      break;
    case ValueKind::kAny:
    case ValueKind::kObjects:
      name = "json";
      break;
  }
  return column.array ? name + "[]" : name;
}

}  // namespace globalmart
