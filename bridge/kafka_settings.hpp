// The settings of librdkafka's clients: what the bridge sets itself, around kafka.properties.
#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>
#include <string>

#include "bridge/config.hpp"

namespace globalmart {

struct KafkaSettingsFree {
  void operator()(rd_kafka_conf_t* settings) const { rd_kafka_conf_destroy(settings); }
};
using KafkaSettings = std::unique_ptr<rd_kafka_conf_t, KafkaSettingsFree>;

struct KafkaClientFree {
  void operator()(rd_kafka_t* client) const { rd_kafka_destroy(client); }
};
using KafkaClient = std::unique_ptr<rd_kafka_t, KafkaClientFree>;

// Of a worker's consumer. `instance_id`: empty for none. Throws ConfigError that names a property
// which librdkafka does not know, or whose value it refuses.
KafkaSettings consumer_settings(const KafkaConfig& config, const std::string& instance_id);
// Of the outbox's producer; throws likewise.
KafkaSettings producer_settings(const KafkaConfig& config);

// Throws ConfigError when librdkafka refuses the settings together, or cannot read a file of keys.
KafkaClient make_kafka_client(rd_kafka_type_t type, KafkaSettings settings);

// Makes both clients, without brokers, and drops them: throws ConfigError where that fails. Asks
// nobody.
void check_kafka_settings(KafkaConfig config);

}  // namespace globalmart
