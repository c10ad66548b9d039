#include "bridge/config.hpp"

#include <libpq-fe.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <memory>
#include <sstream>

#include "bridge/error.hpp"
#include "bridge/log.hpp"
#include "bridge/toml_reader.hpp"

namespace globalmart {

namespace {

bool readable_by_others(const std::string& file) {
  struct stat status {};
  return stat(file.c_str(), &status) == 0 && (status.st_mode & S_IROTH) != 0;
}

void require_private(const std::string& file, const std::string& key) {
  if (!readable_by_others(file)) return;
  throw ConfigError(key + ": " + file + " can be read by everybody; chmod o-rwx " + file);
}

bool is_secret(const std::string& property) {
  return property.find("password") != std::string::npos ||
         property.find("secret") != std::string::npos || property == "ssl.key.pem";
}

bool holds_password(const std::string& dsn) {
  if (dsn.find("password") != std::string::npos) return true;
  // postgresql://user:secret@host/
  const size_t begin = dsn.find("://");
  if (begin == std::string::npos) return false;
  const size_t at = dsn.find('@', begin);
  return at != std::string::npos && dsn.find(':', begin + 3) < at;
}

// What libpq would say of it with every try.
void check_dsn(const std::string& dsn) {
  // Else libpq takes it for the name of a database.
  if (dsn.find('=') == std::string::npos && dsn.find("://") == std::string::npos) return;
  char* error = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      PQconninfoParse(dsn.c_str(), &error), PQconninfoFree);
  const std::unique_ptr<char, decltype(&PQfreemem)> text(error, PQfreemem);
  if (options) return;
  std::string what = "is not a connection string of libpq";
  // The text names the word that it stumbled over, a part of the password perhaps.
  if (error != nullptr && !holds_password(dsn)) what = error;
  while (what.ends_with('\n')) what.pop_back();
  throw ConfigError("postgres.dsn: " + what);
}

// Merges `from` into `into`, tables key by key.
void merge(toml::table& into, const toml::table& from) {
  for (const auto& [key, value] : from) {
    if (value.is_table() && into.get(key) != nullptr && into.get(key)->is_table()) {
      merge(*into.get(key)->as_table(), *value.as_table());
    } else {
      into.insert_or_assign(key, value);
    }
  }
}

// The value of a --set: text as it stands, or as TOML quotes it. Numbers and booleans are in
// [bridge] alone: elsewhere 1_000 is a name like any other.
void assign_text(toml::table& table, const std::string& section, const std::string& key,
                 const std::string& value) {
  try {
    const toml::table parsed = toml::parse("value = " + value);
    const toml::node* node = parsed.get("value");
    const bool typed = node->is_integer() || node->is_boolean() || node->is_array();
    if (parsed.size() == 1 && (node->is_string() || (section == "bridge" && typed))) {
      table.insert_or_assign(key, *node);
      return;
    }
  } catch (const toml::parse_error&) {
  }
  table.insert_or_assign(key, value);
}

toml::table parse_setting(const std::string& setting) {
  const size_t equals = setting.find('=');
  const std::string name = setting.substr(0, equals);
  const size_t dot = name.find('.');
  if (equals == std::string::npos || dot == std::string::npos || dot == 0 || name.ends_with('.')) {
    throw ConfigError("--set " + setting + ": must be section.key=value");
  }
  const std::string value = setting.substr(equals + 1);
  const std::string section = name.substr(0, dot);
  std::string key = name.substr(dot + 1);
  if ((section == "kafka" && key.starts_with("properties.") && is_secret(key)) ||
      (name == "postgres.dsn" && holds_password(value))) {
    throw ConfigError("--set " + name +
                      ": a secret must not stand in an argument; use a password_file or the "
                      "environment");
  }
  toml::table inner;
  for (const std::string group : {"topics.", "properties."}) {
    if (section != "kafka" || !key.starts_with(group)) continue;
    toml::table named;
    named.insert_or_assign(key.substr(group.size()), value);
    inner.insert_or_assign(group.substr(0, group.size() - 1), std::move(named));
    key.clear();
    break;
  }
  if (!key.empty()) assign_text(inner, section, key, value);
  toml::table result;
  result.insert_or_assign(section, std::move(inner));
  return result;
}

// Nested tables of librdkafka's properties as dotted names.
void flatten(const toml::table& table, const std::string& prefix,
             std::map<std::string, std::string>& out) {
  for (const auto& [key, value] : table) {
    const std::string name = prefix + std::string(key.str());
    if (value.is_table()) {
      flatten(*value.as_table(), name + ".", out);
    } else if (value.is_string()) {
      out[name] = *value.value<std::string>();
    } else if (value.is_integer()) {
      out[name] = std::to_string(*value.value<int64_t>());
    } else if (value.is_boolean()) {
      out[name] = *value.value<bool>() ? "true" : "false";
    } else {
      throw ConfigError("kafka.properties." + name + ": must be a text, an integer or a boolean");
    }
  }
}

int64_t in_range(const TomlTable& table, const char* key, int64_t value, int64_t least,
                 int64_t greatest) {
  if (value < least || value > greatest) {
    table.fail(key, "must be from " + std::to_string(least) + " to " + std::to_string(greatest));
  }
  return value;
}

void read_kafka(const toml::table& raw, KafkaConfig& kafka) {
  TomlTable table(raw, "kafka");
  kafka.bootstrap_servers = table.text("bootstrap_servers").value_or("");
  kafka.group_id = table.text("group_id").value_or(kafka.group_id);
  kafka.instance_id = table.text("instance_id").value_or(kafka.instance_id);
  if (kafka.instance_id.empty()) table.fail("instance_id", "must be auto, off or a name");
  if (const auto start = table.text("start")) {
    if (*start != "earliest" && *start != "latest") {
      table.fail("start", "must be \"earliest\" or \"latest\"");
    }
    kafka.start_at_latest = *start == "latest";
  }
  kafka.password_file = table.text("password_file").value_or("");
  if (const toml::table* topics = table.table("topics")) {
    for (const auto& [key, value] : *topics) {
      const std::string name(key.str());
      if (!value.is_string()) table.fail("topics." + name, "must be a text");
      if (name == "alerts") {
        kafka.alerts_topic = *value.value<std::string>();
        if (kafka.alerts_topic.empty()) table.fail("topics.alerts", "must not be empty");
      } else {
        kafka.topics[name] = *value.value<std::string>();
      }
    }
  }
  if (const toml::table* properties = table.table("properties")) {
    flatten(*properties, "", kafka.properties);
  }
  for (const char* fixed :
       {"bootstrap.servers", "metadata.broker.list", "group.id", "group.instance.id", "check.crcs",
        "enable.auto.commit", "enable.auto.offset.store", "auto.offset.reset",
        "partition.assignment.strategy", "enable.partition.eof"}) {
    if (kafka.properties.contains(fixed)) {
      table.fail(std::string("properties.") + fixed, "is set by the bridge itself");
    }
  }
  table.finish();
}

void read_bridge(const toml::table& raw, BridgeConfig& bridge) {
  TomlTable table(raw, "bridge");
  const auto integer = [&](const char* key, int64_t fallback, int64_t least, int64_t greatest) {
    return in_range(table, key, table.integer(key).value_or(fallback), least, greatest);
  };
  bridge.workers = static_cast<int>(integer("workers", bridge.workers, 1, 256));
  bridge.batch_messages = static_cast<size_t>(
      integer("batch_messages", static_cast<int64_t>(bridge.batch_messages), 1, 10'000'000));
  bridge.batch_age_ms = static_cast<int>(integer("batch_age_ms", bridge.batch_age_ms, 0, 60'000));
  bridge.batch_bytes = static_cast<size_t>(
      integer("batch_bytes", static_cast<int64_t>(bridge.batch_bytes), 65'536, int64_t{1} << 32));
  bridge.max_message_bytes = static_cast<size_t>(integer(
      "max_message_bytes", static_cast<int64_t>(bridge.max_message_bytes), 64, int64_t{1} << 30));
  bridge.dedup_max_ids = static_cast<size_t>(
      integer("dedup_max_ids", static_cast<int64_t>(bridge.dedup_max_ids), 1000, int64_t{1} << 33));
  if (const auto text = table.text("max_future")) {
    const std::optional<Micros> duration = parse_duration(*text);
    if (!duration) table.fail("max_future", "'" + *text + "' is not a duration such as \"1h\"");
    bridge.max_future = *duration;
  }
  if (const auto text = table.text("clock"); text && !text->empty()) {
    bridge.clock = parse_timestamp(*text);
    if (!bridge.clock) {
      table.fail("clock", "'" + *text + "' is not a time such as 2026-11-23T00:00:00Z");
    }
  }
  bridge.close_after_batch = table.boolean("close_after_batch").value_or(false);
  bridge.fault_point = table.text("fault_point").value_or("");
  table.finish();
}

}  // namespace

std::optional<Micros> parse_duration(const std::string& text) {
  static const std::map<std::string, Micros> kUnits = {{"us", 1},
                                                       {"ms", 1000},
                                                       {"s", kMicrosPerSecond},
                                                       {"second", kMicrosPerSecond},
                                                       {"seconds", kMicrosPerSecond},
                                                       {"m", 60 * kMicrosPerSecond},
                                                       {"min", 60 * kMicrosPerSecond},
                                                       {"minute", 60 * kMicrosPerSecond},
                                                       {"minutes", 60 * kMicrosPerSecond},
                                                       {"h", 3600 * kMicrosPerSecond},
                                                       {"hour", 3600 * kMicrosPerSecond},
                                                       {"hours", 3600 * kMicrosPerSecond},
                                                       {"d", kMicrosPerDay},
                                                       {"day", kMicrosPerDay},
                                                       {"days", kMicrosPerDay}};
  size_t at = 0;
  int64_t number = 0;
  while (at < text.size() && std::isdigit(static_cast<unsigned char>(text[at]))) {
    if (at == 12) return std::nullopt;
    number = number * 10 + (text[at++] - '0');
  }
  if (at == 0) return std::nullopt;
  while (at < text.size() && text[at] == ' ') ++at;
  const auto unit = kUnits.find(text.substr(at));
  if (unit == kUnits.end() || number > INT64_MAX / 4 / unit->second) return std::nullopt;
  return number * unit->second;
}

std::string read_secret(const std::string& file, const std::string& key) {
  std::optional<std::string> secret = read_file(file);
  if (!secret) throw ConfigError(key + ": " + file + " cannot be read");
  require_private(file, key);
  while (secret->ends_with('\n') || secret->ends_with('\r')) secret->pop_back();
  return *secret;
}

Config Config::load(const std::string& file, const std::vector<std::string>& settings) {
  toml::table document;
  if (!file.empty()) {
    const std::optional<std::string> text = read_file(file);
    if (!text) throw ConfigError(file + ": cannot be read");
    try {
      document = toml::parse(*text, file);
    } catch (const toml::parse_error& error) {
      std::ostringstream message;
      message << file << ": " << error.description();
      if (error.source().begin.line > 0) message << " (line " << error.source().begin.line << ")";
      throw ConfigError(message.str());
    }
  }
  Config config;
  if (!file.empty() && readable_by_others(file)) {
    // Looked at before --set is merged in: only the file's own secrets count.
    if (const auto dsn = document["postgres"]["dsn"].value<std::string>();
        dsn && holds_password(*dsn)) {
      throw ConfigError("postgres.dsn: holds a password, but " + file +
                        " can be read by everybody; chmod o-rwx it or use postgres.password_file");
    }
    std::map<std::string, std::string> properties;
    if (const toml::table* table = document["kafka"]["properties"].as_table()) {
      flatten(*table, "", properties);
    }
    for (const auto& [name, value] : properties) {
      if (is_secret(name)) {
        throw ConfigError("kafka.properties." + name + ": is a secret, but " + file +
                          " can be read by everybody; chmod o-rwx it or use kafka.password_file");
      }
    }
  }
  for (const std::string& setting : settings) merge(document, parse_setting(setting));

  TomlTable root(document, "");
  if (const toml::table* kafka = root.table("kafka")) read_kafka(*kafka, config.kafka);
  if (const toml::table* bridge = root.table("bridge")) read_bridge(*bridge, config.bridge);
  if (const toml::table* raw = root.table("postgres")) {
    TomlTable table(*raw, "postgres");
    config.postgres.dsn = table.text("dsn").value_or("");
    config.postgres.password_file = table.text("password_file").value_or("");
    config.postgres.work_mem = table.text("work_mem").value_or(config.postgres.work_mem);
    table.finish();
  }
  if (const toml::table* raw = root.table("profile")) {
    TomlTable table(*raw, "profile");
    config.profile_file = table.text("file").value_or("");
    table.finish();
  }
  if (const toml::table* raw = root.table("http")) {
    TomlTable table(*raw, "http");
    config.http_listen = table.text("listen").value_or(config.http_listen);
    table.finish();
  }
  if (const toml::table* raw = root.table("log")) {
    TomlTable table(*raw, "log");
    config.log_level = table.text("level").value_or(config.log_level);
    if (const std::vector<std::string> levels = {"trace", "debug", "info", "warn", "error"};
        std::find(levels.begin(), levels.end(), config.log_level) == levels.end()) {
      table.fail("level", "must be trace, debug, info, warn or error");
    }
    const std::string format = table.text("format").value_or("text");
    if (format != "text" && format != "json") table.fail("format", "must be text or json");
    if (format == "json") config.log_format = LogFormat::kJson;
    table.finish();
  }
  root.finish();

  if (config.kafka.bootstrap_servers.empty()) {
    throw ConfigError("kafka.bootstrap_servers: is missing; for example \"127.0.0.1:9092\"");
  }
  if (config.postgres.dsn.empty()) {
    throw ConfigError("postgres.dsn: is missing; for example \"host=/run/postgresql dbname=shop\"");
  }
  check_dsn(config.postgres.dsn);
  if (!config.postgres.password_file.empty()) {
    // Read with each connection; what is wrong with it is said at the start.
    read_secret(config.postgres.password_file, "postgres.password_file");
  }
  if (config.kafka.group_id.empty()) throw ConfigError("kafka.group_id: must not be empty");

  for (const char* name : {"ssl.key.location", "ssl.keystore.location"}) {
    const auto key = config.kafka.properties.find(name);
    if (key == config.kafka.properties.end()) continue;
    require_private(key->second, std::string("kafka.properties.") + name);
  }
  const char* kafka_password = std::getenv("GLOBALMART_KAFKA_PASSWORD");
  if (!config.kafka.password_file.empty()) {
    config.kafka.properties["sasl.password"] =
        read_secret(config.kafka.password_file, "kafka.password_file");
  } else if (kafka_password != nullptr) {
    config.kafka.properties["sasl.password"] = kafka_password;
  }
  return config;
}

Profile Config::load_profile() const {
  return profile_file.empty() ? Profile::shipped() : Profile::load(profile_file);
}

std::vector<std::string> Config::topic_names(const Profile& profile) const {
  std::vector<std::string> keys = {"alerts"};
  for (const TopicPlan& topic : profile.topics) keys.push_back(topic.key);
  for (const auto& [key, name] : kafka.topics) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    const std::string hint = closest(key, keys);
    throw ConfigError("kafka.topics." + key + ": the profile has no such topic" +
                      (hint.empty() ? "" : "; did you mean '" + hint + "'?"));
  }
  std::vector<std::string> names;
  std::map<std::string, std::string> key_of;
  const auto take_name = [&](const std::string& key, const std::string& name) {
    if (name.empty()) return;
    if (const auto [other, added] = key_of.emplace(name, key); !added) {
      throw ConfigError("kafka.topics: " + other->second + " and " + key + " have one name, " +
                        name);
    }
  };
  for (const TopicPlan& topic : profile.topics) {
    const auto given = kafka.topics.find(topic.key);
    names.push_back(given == kafka.topics.end() ? topic.name : given->second);
    take_name(topic.key, names.back());
  }
  take_name("alerts", kafka.alerts_topic);
  if (std::all_of(names.begin(), names.end(), [](const auto& name) { return name.empty(); })) {
    throw ConfigError("kafka.topics: no topic is left to read");
  }
  return names;
}

}  // namespace globalmart
