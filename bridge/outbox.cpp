#include "bridge/outbox.hpp"

#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

#include "bridge/error.hpp"

namespace globalmart {

namespace {

constexpr int kPortion = 500;
constexpr int kDeliveryTimeoutMs = 10'000;
constexpr auto kRound = std::chrono::milliseconds(1000);

}  // namespace

Outbox::Outbox(Shared& shared) : shared_(shared), connection_(shared.config.postgres, "outbox") {}

Outbox::~Outbox() = default;

void Outbox::ensure_producer() {
  if (producer_) return;
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char error[512];
  const auto set = [&](const std::string& name, const std::string& value, bool required) {
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), error, sizeof error) !=
            RD_KAFKA_CONF_OK &&
        required) {
      rd_kafka_conf_destroy(conf);
      throw KafkaError("producer setting " + name + ": " + error);
    }
  };
  set("bootstrap.servers", shared_.config.kafka.bootstrap_servers, true);
  set("client.id", "globalmart-bridge", true);
  set("enable.idempotence", "true", true);
  set("delivery.timeout.ms", std::to_string(kDeliveryTimeoutMs), true);
  // Properties of consumers only are no harm: librdkafka logs and ignores them.
  for (const auto& [name, value] : shared_.config.kafka.properties) set(name, value, false);
  rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
  rd_kafka_conf_set_log_cb(conf, [](const rd_kafka_t*, int level, const char*, const char* text) {
    if (level <= 4) spdlog::warn("kafka producer {}", text);
  });
  rd_kafka_conf_set_error_cb(conf, [](rd_kafka_t*, int code, const char* reason, void*) {
    spdlog::debug("kafka producer error={} {}",
                  rd_kafka_err2name(static_cast<rd_kafka_resp_err_t>(code)), reason);
  });
  rd_kafka_t* producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
  if (producer == nullptr) {
    rd_kafka_conf_destroy(conf);
    throw KafkaError(std::string("cannot make a Kafka producer: ") + error);
  }
  producer_.reset(producer);
}

void Outbox::on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void*) {
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    static_cast<Alert*>(message->_private)->delivered = true;
  } else {
    spdlog::warn("alert not delivered: {}", rd_kafka_err2str(message->err));
  }
}

size_t Outbox::send_portion() {
  if (!connection_.connected()) connection_.connect();
  const Rows rows = connection_.query("SELECT alert_id, payload FROM globalmart.take_alerts(" +
                                      std::to_string(kPortion) + ")");
  if (rows.size() == 0) return 0;
  ensure_producer();

  std::vector<Alert> alerts;
  for (int row = 0; row < rows.size(); ++row) {
    Alert alert;
    alert.id = rows.text(row, 0);
    // As one line without spaces, and always with its id.
    nlohmann::json payload = nlohmann::json::parse(rows.text(row, 1), nullptr, false);
    if (!payload.is_object()) payload = nlohmann::json{{"alert", std::string(rows.text(row, 1))}};
    payload["alert_id"] = alert.id;
    alert.payload = payload.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    alerts.push_back(std::move(alert));
  }
  const std::string& topic = shared_.config.kafka.alerts_topic;
  for (Alert& alert : alerts) {
    const auto error = rd_kafka_producev(
        producer_.get(), RD_KAFKA_V_TOPIC(topic.c_str()),
        RD_KAFKA_V_KEY(alert.id.data(), alert.id.size()),
        RD_KAFKA_V_VALUE(alert.payload.data(), alert.payload.size()),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE(&alert), RD_KAFKA_V_END);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      spdlog::warn("alert not sent: {}", rd_kafka_err2str(error));
      break;
    }
    rd_kafka_poll(producer_.get(), 0);
  }
  // Every message is delivered or has failed when this returns: none refers to `alerts` any more.
  if (rd_kafka_flush(producer_.get(), kDeliveryTimeoutMs + 1000) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    rd_kafka_purge(producer_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(producer_.get(), 1000);
  }
  std::vector<std::optional<std::string>> sent;
  for (const Alert& alert : alerts) {
    if (alert.delivered) sent.emplace_back(alert.id);
  }
  if (rd_kafka_fatal_error(producer_.get(), nullptr, 0) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    producer_.reset();
  }
  if (!sent.empty()) {
    const std::vector<std::optional<std::string>> parameters = {array_text(sent)};
    connection_.query("SELECT globalmart.mark_alerts_sent($1::uuid[])", parameters);
    shared_.metrics.alerts_sent(sent.size());
  }
  if (sent.size() < alerts.size()) {
    throw KafkaError(std::to_string(alerts.size() - sent.size()) +
                     " alerts could not be delivered to " + topic);
  }
  return sent.size();
}

void Outbox::run() {
  bool failing = false;
  while (!shared_.stop.requested()) {
    try {
      while (send_portion() > 0 && !shared_.stop.requested()) {
      }
      failing = false;
    } catch (const DatabaseError& error) {
      if (!failing) spdlog::error("outbox sqlstate={} {}", error.sqlstate(), error.what());
      if (error.connection_lost()) connection_.close();
      failing = true;
    } catch (const KafkaError& error) {
      if (!failing) spdlog::error("outbox {}", error.what());
      failing = true;
    }
    shared_.outbox.wait_for(kRound);
  }
}

void Outbox::finish() {
  try {
    while (send_portion() > 0) {
    }
  } catch (const std::exception& error) {
    spdlog::warn("outbox {}; the alerts stay for the next start", error.what());
  }
}

}  // namespace globalmart
