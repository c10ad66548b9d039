#include "bridge/outbox.hpp"

#include "bridge/error.hpp"
#include "bridge/kafka_settings.hpp"
#include "bridge/log.hpp"

namespace globalmart {

namespace {

constexpr int kPortion = 500;
constexpr int kFlushTimeoutMs = 11'000;  // longer than delivery.timeout.ms
constexpr int kMetadataTimeoutMs = 2'000;
constexpr auto kRound = std::chrono::milliseconds(1000);

}  // namespace

Outbox::Outbox(Shared& shared) : shared_(shared), connection_(shared.config.postgres, "outbox") {}

Outbox::~Outbox() = default;

void Outbox::ensure_producer() {
  if (producer_) return;
  KafkaSettings settings = producer_settings(shared_.config.kafka);
  rd_kafka_conf_set_dr_msg_cb(settings.get(), on_delivery);
  rd_kafka_conf_set_opaque(settings.get(), &shared_.kafka_log);
  rd_kafka_conf_set_log_cb(settings.get(), [](const rd_kafka_t* client, int level,
                                              const char* facility, const char* text) {
    auto* const log = static_cast<KafkaLog*>(client == nullptr ? nullptr : rd_kafka_opaque(client));
    // Alerts only wait meanwhile: that is no more than a warning.
    if (log != nullptr && level <= 4) log->say("outbox", 4, facility, text);
  });
  rd_kafka_conf_set_error_cb(
      settings.get(), [](rd_kafka_t*, int code, const char* reason, void* log) {
        static_cast<KafkaLog*>(log)->say_error("outbox", LogLevel::kDebug,
                                               static_cast<rd_kafka_resp_err_t>(code), reason);
      });
  producer_ = make_kafka_client(RD_KAFKA_PRODUCER, std::move(settings));
}

// What is sent to a topic that does not exist would wait for it until the delivery times out.
void Outbox::require_topic() {
  if (topic_known_) return;
  ensure_producer();
  const std::string& name = shared_.config.kafka.alerts_topic;
  rd_kafka_topic_t* topic = rd_kafka_topic_new(producer_.get(), name.c_str(), nullptr);
  if (topic == nullptr) {
    throw KafkaError("alerts wait for " + name + ": " + rd_kafka_err2str(rd_kafka_last_error()));
  }
  const rd_kafka_metadata_t* metadata = nullptr;
  auto error = rd_kafka_metadata(producer_.get(), 0, topic, &metadata, kMetadataTimeoutMs);
  rd_kafka_topic_destroy(topic);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    error = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    rd_kafka_metadata_destroy(metadata);
  }
  if (error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
    throw KafkaError("there is no topic " + name +
                     ": make it, or name another one by kafka.topics.alerts; until then alerts "
                     "wait in globalmart.alerts_outbox");
  }
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw KafkaError("alerts wait for " + name + ": " + rd_kafka_err2str(error));
  }
  topic_known_ = true;
}

void Outbox::on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void*) {
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    static_cast<Alert*>(message->_private)->delivered = true;
  } else {
    log_warn(std::string("an alert was not delivered: ") + rd_kafka_err2str(message->err),
             {{"part", "outbox"}});
  }
}

size_t Outbox::send_portion() {
  // First: what is taken is not taken again for a while.
  require_topic();
  if (!connection_.connected()) connection_.connect();
  const Rows rows = connection_.query("SELECT alert_id, payload FROM globalmart.take_alerts(" +
                                      std::to_string(kPortion) + ")");
  if (rows.size() == 0) return 0;

  std::vector<Alert> alerts;
  for (int row = 0; row < rows.size(); ++row) {
    Alert alert;
    alert.id = rows.text(row, 0);
    // As it is, with the id in it: money must not go through a double.
    alert.payload = rows.text(row, 1);
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
      log_warn(std::string("an alert was not sent: ") + rd_kafka_err2str(error),
               {{"part", "outbox"}});
      break;
    }
    rd_kafka_poll(producer_.get(), 0);
  }
  // Every message is delivered or has failed when this returns: none refers to `alerts` any more.
  if (rd_kafka_flush(producer_.get(), kFlushTimeoutMs) != RD_KAFKA_RESP_ERR_NO_ERROR) {
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
  topic_known_ = sent.size() == alerts.size();
  if (!sent.empty()) {
    limit_.over();
    const std::vector<std::optional<std::string>> parameters = {array_text(sent)};
    connection_.query("SELECT globalmart.mark_alerts_sent($1::uuid[])", parameters);
    shared_.metrics.alerts_sent(sent.size());
  }
  if (sent.size() < alerts.size()) {
    throw KafkaError("alerts wait: " + std::to_string(alerts.size() - sent.size()) +
                     " could not be delivered to " + topic);
  }
  return sent.size();
}

void Outbox::run() {
  while (!shared_.stop.requested()) {
    try {
      while (send_portion() > 0 && !shared_.stop.requested()) {
      }
    } catch (const DatabaseError& error) {
      limit_.error("alerts wait", error, {{"part", "outbox"}});
      if (error.connection_lost()) connection_.close();
    } catch (const KafkaError& error) {
      say(error);
    } catch (const std::exception& error) {
      shared_.stop.fail(kExitFailed, error.what());
      return;
    }
    shared_.outbox.wait_for(kRound);
  }
}

void Outbox::finish() {
  try {
    while (send_portion() > 0) {
    }
  } catch (const DatabaseError& error) {
    limit_.error("alerts stay for the next start", error, {{"part", "outbox"}});
  } catch (const KafkaError& error) {
    say(error);
  }
}

void Outbox::say(const KafkaError& error) {
  if (limit_.due(error.what())) log_warn(error.what(), {{"part", "outbox"}});
}

}  // namespace globalmart
