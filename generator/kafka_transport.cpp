#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <stdexcept>

#include "generator/transport.hpp"

namespace globalmart::generator {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kAnswerMilliseconds = 15'000;  // a broker that is there answers long before
constexpr auto kGraceAfterSignal = std::chrono::seconds(10);

template <auto Free>
struct FreeBy {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Configuration = std::unique_ptr<rd_kafka_conf_t, FreeBy<rd_kafka_conf_destroy>>;
using Client = std::unique_ptr<rd_kafka_t, FreeBy<rd_kafka_destroy>>;
using TopicHandle = std::unique_ptr<rd_kafka_topic_t, FreeBy<rd_kafka_topic_destroy>>;
using NewTopic = std::unique_ptr<rd_kafka_NewTopic_t, FreeBy<rd_kafka_NewTopic_destroy>>;
using Queue = std::unique_ptr<rd_kafka_queue_t, FreeBy<rd_kafka_queue_destroy>>;
using Event = std::unique_ptr<rd_kafka_event_t, FreeBy<rd_kafka_event_destroy>>;

/// What became of the messages; written by the callback, which poll and flush call.
struct Deliveries {
  uint64_t delivered = 0;
  uint64_t failed = 0;
  std::map<std::string, uint64_t> failures;

  void fail(rd_kafka_resp_err_t error) {
    ++failed;
    ++failures[rd_kafka_err2str(error)];
  }
};

class KafkaTransport final : public Transport {
 public:
  KafkaTransport(const Destination& destination, const std::vector<Topic>& used, StopSignal& stop);

  void send(const Message& message) override;
  void poll() override { rd_kafka_poll(client_.get(), 0); }
  void finish(Summary& summary) override;
  uint64_t in_flight() const override { return sent_ - deliveries_.delivered - deliveries_.failed; }

 private:
  void make_topics(const Destination& destination, const std::vector<std::string>& missing);
  std::vector<std::string> missing_topics(const std::vector<std::string>& wanted);
  void wait_for_topics(const std::vector<std::string>& wanted);

  StopSignal& stop_;
  Deliveries deliveries_;
  Client client_;
  std::array<TopicHandle, kTopicCount> topics_;
  uint64_t sent_ = 0;
};

void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto& deliveries = *static_cast<Deliveries*>(opaque);
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
    ++deliveries.delivered;
  else
    deliveries.fail(message->err);
}

void set(rd_kafka_conf_t* configuration, const std::string& name, const std::string& value) {
  char words[512];
  if (rd_kafka_conf_set(configuration, name.c_str(), value.c_str(), words, sizeof words) !=
      RD_KAFKA_CONF_OK)
    throw std::runtime_error(words);
}

KafkaTransport::KafkaTransport(const Destination& destination, const std::vector<Topic>& used,
                               StopSignal& stop)
    : stop_(stop) {
  Configuration configuration(rd_kafka_conf_new());
  set(configuration.get(), "bootstrap.servers", destination.bootstrap_servers);
  set(configuration.get(), "client.id", "globalmart-generate");
  // Retries must neither repeat nor reorder: the recordings are compared row by row.
  set(configuration.get(), "enable.idempotence", "true");
  set(configuration.get(), "partitioner", "murmur2_random");  // as Java's clients do
  set(configuration.get(), "log_level", "3");  // errors; retries and waiting are its own affair
  set(configuration.get(), "linger.ms", "5");
  set(configuration.get(), "queue.buffering.max.messages", "200000");
  set(configuration.get(), "queue.buffering.max.kbytes", "131072");
  for (const auto& [name, value] : destination.properties) set(configuration.get(), name, value);
  rd_kafka_conf_set_dr_msg_cb(configuration.get(), on_delivery);
  rd_kafka_conf_set_opaque(configuration.get(), &deliveries_);
  char words[512];
  client_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, configuration.get(), words, sizeof words));
  if (!client_) throw std::runtime_error(words);
  static_cast<void>(configuration.release());  // the client's now

  std::vector<std::string> wanted;
  for (Topic topic : used) {
    wanted.push_back(destination.topics[index_of(topic)]);
    topics_[index_of(topic)].reset(
        rd_kafka_topic_new(client_.get(), wanted.back().c_str(), nullptr));
  }
  make_topics(destination, missing_topics(wanted));
  wait_for_topics(wanted);
}

std::vector<std::string> KafkaTransport::missing_topics(const std::vector<std::string>& wanted) {
  const rd_kafka_metadata_t* metadata = nullptr;
  const rd_kafka_resp_err_t error =
      rd_kafka_metadata(client_.get(), 1, nullptr, &metadata, kAnswerMilliseconds);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
    throw std::runtime_error(std::string("cannot reach Kafka: ") + rd_kafka_err2str(error));
  std::vector<std::string> missing = wanted;
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    const rd_kafka_metadata_topic_t& topic = metadata->topics[i];
    if (topic.err == RD_KAFKA_RESP_ERR_NO_ERROR && topic.partition_cnt > 0)
      std::erase(missing, topic.topic);
  }
  rd_kafka_metadata_destroy(metadata);
  return missing;
}

void KafkaTransport::make_topics(const Destination& destination,
                                 const std::vector<std::string>& missing) {
  if (missing.empty()) return;
  std::vector<NewTopic> topics;
  std::vector<rd_kafka_NewTopic_t*> pointers;
  char words[512];
  for (const std::string& name : missing) {
    topics.emplace_back(rd_kafka_NewTopic_new(name.c_str(), destination.partitions,
                                              destination.replication, words, sizeof words));
    if (!topics.back()) throw std::runtime_error("cannot make topic " + name + ": " + words);
    if (name == destination.topics[index_of(Topic::kUsers)] ||
        name == destination.topics[index_of(Topic::kProducts)])
      rd_kafka_NewTopic_set_config(topics.back().get(), "cleanup.policy", "compact");
    pointers.push_back(topics.back().get());
  }
  const Queue queue(rd_kafka_queue_new(client_.get()));
  rd_kafka_CreateTopics(client_.get(), pointers.data(), pointers.size(), nullptr, queue.get());
  const Event event(rd_kafka_queue_poll(queue.get(), kAnswerMilliseconds));
  if (!event) throw std::runtime_error("Kafka did not answer when topics were to be made");
  // A broker without this call (librdkafka's mock cluster) makes topics when they are asked for.
  if (rd_kafka_event_error(event.get()) == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE) return;
  if (rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR)
    throw std::runtime_error(std::string("cannot make topics: ") +
                             rd_kafka_event_error_string(event.get()));
  size_t count = 0;
  const rd_kafka_topic_result_t** const results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  for (size_t i = 0; i < count; ++i) {
    const rd_kafka_resp_err_t error = rd_kafka_topic_result_error(results[i]);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR && error != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
      throw std::runtime_error(std::string("cannot make topic ") +
                               rd_kafka_topic_result_name(results[i]) + ": " +
                               rd_kafka_topic_result_error_string(results[i]));
  }
}

void KafkaTransport::wait_for_topics(const std::vector<std::string>& wanted) {
  const auto deadline = Clock::now() + std::chrono::milliseconds(kAnswerMilliseconds);
  for (;;) {
    const std::vector<std::string> missing = missing_topics(wanted);
    if (missing.empty()) return;
    if (Clock::now() > deadline) throw std::runtime_error("topic " + missing[0] + " is not there");
    // Asking for a topic by its name makes it where the broker allows that.
    for (const TopicHandle& topic : topics_) {
      const rd_kafka_metadata_t* metadata = nullptr;
      if (topic && rd_kafka_metadata(client_.get(), 0, topic.get(), &metadata,
                                     kAnswerMilliseconds) == RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_poll(client_.get(), 50);
  }
}

void KafkaTransport::send(const Message& message) {
  rd_kafka_topic_t* const topic = topics_[index_of(message.topic)].get();
  static char nothing;  // a value of zero bytes is not a null value: it needs an address
  char* const value = !message.value           ? nullptr
                      : message.value->empty() ? &nothing
                                               : const_cast<char*>(message.value->data());
  const size_t length = message.value ? message.value->size() : 0;
  ++sent_;
  while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, value, length,
                          message.key ? message.key->data() : nullptr,
                          message.key ? message.key->size() : 0, nullptr) != 0) {
    const rd_kafka_resp_err_t error = rd_kafka_last_error();
    if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL || stop_.raised()) {
      deliveries_.fail(error);
      break;
    }
    rd_kafka_poll(client_.get(), 100);  // until the brokers have taken some
  }
  if (sent_ % 256 == 0) poll();
}

void KafkaTransport::finish(Summary& summary) {
  auto give_up = Clock::time_point::max();
  while (rd_kafka_flush(client_.get(), 200) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (give_up == Clock::time_point::max() && stop_.raised())
      give_up = Clock::now() + kGraceAfterSignal;
    if (Clock::now() < give_up) continue;
    rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(client_.get(), 1000);
    break;
  }
  summary.delivered = deliveries_.delivered;
  summary.failed = sent_ - deliveries_.delivered;
  summary.failures = deliveries_.failures;
}

}  // namespace

std::unique_ptr<Transport> open_kafka_transport(const Destination& destination,
                                                const std::vector<Topic>& used, StopSignal& stop) {
  return std::make_unique<KafkaTransport>(destination, used, stop);
}

}  // namespace globalmart::generator
