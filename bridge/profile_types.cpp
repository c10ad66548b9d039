#include "bridge/profile_types.hpp"

#include <algorithm>
#include <charconv>

#include "bridge/error.hpp"

namespace globalmart {

namespace {

constexpr size_t kMaxMembers = 1000;

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

void read_decimal(TomlTable& table, ValueType& type, const std::optional<std::string>& min_text,
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

EventTypes event_type_bits(const TomlTable& table, const char* key,
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

}  // namespace

TextTable names_of(const std::vector<Member>& members) {
  std::vector<std::string> names;
  for (const Member& member : members) names.push_back(member.name);
  return TextTable(std::move(names));
}

void ProfileTypes::read_limits(const toml::table& raw) {
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

void ProfileTypes::read_types(const toml::table& raw) {
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
ValueType ProfileTypes::read_type(TomlTable& table, TomlTable* named,
                                  const std::string& kind_name) {
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

int ProfileTypes::list_index(const std::string& name) {
  const auto known = std::find(profile_.lists.begin(), profile_.lists.end(), name);
  if (known != profile_.lists.end()) return static_cast<int>(known - profile_.lists.begin());
  profile_.lists.push_back(name);
  return static_cast<int>(profile_.lists.size()) - 1;
}

// The event types that a list names, as bits.
Member ProfileTypes::read_member(const std::string& name, const toml::table& raw,
                                 const std::string& where,
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
    member.max_count = to_size(table, "max_count", table.integer("max_count").value_or(INT32_MAX));
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

std::vector<Member> ProfileTypes::read_members(const toml::table& raw, const std::string& where,
                                               const std::vector<std::string>& event_types,
                                               bool nested) {
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

}  // namespace globalmart
