#include "bridge/kafka_settings.hpp"

#include <vector>

#include "bridge/error.hpp"
#include "bridge/toml_reader.hpp"

namespace globalmart {

namespace {

// All names that librdkafka knows.
std::vector<std::string> known_properties(rd_kafka_conf_t* settings) {
  size_t count = 0;
  const char** const dump = rd_kafka_conf_dump(settings, &count);
  std::vector<std::string> names;
  for (size_t i = 0; i + 1 < count; i += 2) names.emplace_back(dump[i]);
  rd_kafka_conf_dump_free(dump, count);
  return names;
}

void set(const KafkaSettings& settings, const std::string& name, const std::string& value) {
  char error[512];
  const auto result =
      rd_kafka_conf_set(settings.get(), name.c_str(), value.c_str(), error, sizeof error);
  if (result == RD_KAFKA_CONF_OK) return;
  std::string message = "kafka.properties." + name + ": ";
  if (result == RD_KAFKA_CONF_UNKNOWN) {
    const std::string hint = closest(name, known_properties(settings.get()));
    throw ConfigError(message + "librdkafka has no such property" +
                      (hint.empty() ? "" : "; did you mean '" + hint + "'?"));
  }
  throw ConfigError(message + error);
}

}  // namespace

KafkaSettings consumer_settings(const KafkaConfig& config, const std::string& instance_id) {
  KafkaSettings settings(rd_kafka_conf_new());
  // What waits in librdkafka takes about three times its bytes. About a batch of it is enough: five
  // times as much took 270 MB more for two workers and was no faster. An answer of a broker comes
  // on top, so it is bounded, too; a longer message comes all the same.
  set(settings, "queued.min.messages", "100000");
  set(settings, "queued.max.messages.kbytes", "12288");
  set(settings, "fetch.message.max.bytes", "1048576");
  set(settings, "fetch.max.bytes", "8388608");
  // Ends of partitions are told after an empty fetch.
  set(settings, "fetch.wait.max.ms", "100");
  set(settings, "session.timeout.ms", "10000");
  set(settings, "heartbeat.interval.ms", "1000");
  set(settings, "reconnect.backoff.ms", "50");
  set(settings, "reconnect.backoff.max.ms", "2000");
  set(settings, "socket.keepalive.enable", "true");
  set(settings, "topic.metadata.refresh.interval.ms", "10000");
  set(settings, "partition.assignment.strategy", "roundrobin,range");
  set(settings, "client.id", "globalmart-bridge");
  for (const auto& [name, value] : config.properties) set(settings, name, value);
  set(settings, "bootstrap.servers", config.bootstrap_servers);
  set(settings, "group.id", config.group_id);
  set(settings, "enable.auto.commit", "false");
  set(settings, "enable.auto.offset.store", "false");
  set(settings, "auto.offset.reset", "error");
  set(settings, "check.crcs", "true");
  set(settings, "enable.partition.eof", "true");
  if (!instance_id.empty()) set(settings, "group.instance.id", instance_id);
  return settings;
}

KafkaSettings producer_settings(const KafkaConfig& config) {
  KafkaSettings settings(rd_kafka_conf_new());
  set(settings, "bootstrap.servers", config.bootstrap_servers);
  set(settings, "client.id", "globalmart-bridge");
  set(settings, "enable.idempotence", "true");
  set(settings, "delivery.timeout.ms", "10000");
  // Properties of consumers only are no harm: librdkafka ignores them.
  for (const auto& [name, value] : config.properties) set(settings, name, value);
  return settings;
}

KafkaClient make_kafka_client(rd_kafka_type_t type, KafkaSettings settings) {
  char error[512];
  rd_kafka_t* client = rd_kafka_new(type, settings.get(), error, sizeof error);
  if (client == nullptr) throw ConfigError(std::string("kafka.properties: ") + error);
  static_cast<void>(settings.release());  // belongs to the client now
  return KafkaClient(client);
}

void check_kafka_settings(KafkaConfig config) {
  config.bootstrap_servers.clear();
  const auto check = [](rd_kafka_type_t type, KafkaSettings settings) {
    rd_kafka_conf_set_log_cb(settings.get(),
                             [](const rd_kafka_t*, int, const char*, const char*) {});
    make_kafka_client(type, std::move(settings));
  };
  check(RD_KAFKA_CONSUMER, consumer_settings(config, ""));
  check(RD_KAFKA_PRODUCER, producer_settings(config));
}

}  // namespace globalmart
