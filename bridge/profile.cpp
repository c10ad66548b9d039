#include "bridge/profile.hpp"

#include <algorithm>
#include <sstream>

#include "bridge/error.hpp"
#include "bridge/profile_types.hpp"
#include "bridge/toml_reader.hpp"

namespace globalmart {

namespace {

constexpr size_t kMaxEventTypes = 64;

class ProfileReader {
 public:
  Profile read(const toml::table& document) {
    TomlTable root(document, "");
    const int64_t format = root.integer("format").value_or(1);
    if (format != 1) root.fail("format", "this bridge reads profiles of format 1");
    if (const toml::table* limits = root.table("limits")) types_.read_limits(*limits);
    if (const toml::table* types = root.table("types")) types_.read_types(*types);
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
    topic.members =
        types_.read_members(*members, table.where() + ".members", topic.event_types, false);
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
  ProfileTypes types_{profile_};
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
