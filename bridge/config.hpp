// The bridge's settings: defaults, then the configuration file, then --set. Every key is known by
// name; an unknown one is an error with a hint.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bridge/instant.hpp"
#include "bridge/log.hpp"
#include "bridge/profile.hpp"

namespace globalmart {

struct KafkaConfig {
  std::string bootstrap_servers;
  std::string group_id = "globalmart";
  // Static membership, so that a restart takes its partitions again without waiting for the group:
  // "auto" (a number that the database hands out), "off", or a name of one's own.
  std::string instance_id = "auto";
  std::map<std::string, std::string> topics;  // by the profile's topic key; overrides its name
  std::string alerts_topic = "alerts-topic";
  bool start_at_latest = false;                   // for partitions never read before
  std::map<std::string, std::string> properties;  // for librdkafka, as they are
  std::string password_file;
};

struct PostgresConfig {
  std::string dsn;
  std::string password_file;
  std::string work_mem = "64MB";
};

struct BridgeConfig {
  int workers = 2;
  size_t batch_messages = 50'000;
  int batch_age_ms = 20;  // 0: no limit
  size_t batch_bytes = size_t{64} << 20;
  size_t max_message_bytes = 65'536;
  Micros max_future = 3600 * kMicrosPerSecond;
  std::optional<Micros> clock;  // a clock that stands still, for tests
  size_t dedup_max_ids = 20'000'000;
  bool close_after_batch = false;
  std::string fault_point;  // "NAME" or "NAME:COUNT": where to die, for tests
};

struct Config {
  KafkaConfig kafka;
  PostgresConfig postgres;
  BridgeConfig bridge;
  std::string profile_file;                    // empty: the shipped one
  std::string http_listen = "127.0.0.1:9464";  // or "off"
  std::string log_level = "info";
  LogFormat log_format = LogFormat::kText;

  // `file` may be empty; `settings` are "section.key=value". Throws ConfigError. Reads password
  // files and environment (GLOBALMART_KAFKA_PASSWORD, GLOBALMART_POSTGRES_PASSWORD).
  static Config load(const std::string& file, const std::vector<std::string>& settings);

  // Puts the overrides of topic names in place; throws ConfigError for a topic that the profile
  // does not have, and for a name that two have. The result: the name in Kafka by topic of the
  // profile, "" for one not read.
  std::vector<std::string> topic_names(const Profile& profile) const;

  Profile load_profile() const;
};

// "90s", "1h", "250 ms", "1 hour" in microseconds; empty when it is not a duration.
std::optional<Micros> parse_duration(const std::string& text);

// The contents of a file with a secret, without the last line's end. Throws ConfigError when it
// cannot be read or when others than its owner and group may read it.
std::string read_secret(const std::string& file, const std::string& key);

}  // namespace globalmart
