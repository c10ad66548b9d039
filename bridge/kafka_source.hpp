// A Kafka consumer: one a worker thread, all in one group. It hands out raw messages in batches and
// tells of rebalances; where reading begins is always given with the assignment, never by Kafka.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bridge/batch.hpp"
#include "bridge/config.hpp"
#include "bridge/kafka_log.hpp"
#include "bridge/kafka_settings.hpp"

namespace globalmart {

// A stable hash of a message's key and value; stored with the offset to recognise the message.
int64_t message_hash(const Message& message);

struct KafkaMessageFree {
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
};
using KafkaMessage = std::unique_ptr<rd_kafka_message_t, KafkaMessageFree>;

// The message as the decoder wants it.
Message view_of(const rd_kafka_message_t& message);

struct StartOffset {
  PartitionId place;
  int64_t offset = 0;
};

// What is remembered of the last message applied.
struct FoundMessage {
  int64_t offset = 0;
  std::optional<Micros> time;
  int64_t hash = 0;
};

// First and end offset of a partition at the broker.
struct Watermarks {
  int64_t low = 0;
  int64_t high = 0;
};

class KafkaSource {
 public:
  // `topics`: names in Kafka by topic of the profile, "" for one that is not read. `instance_id`:
  // empty for none. Throws ConfigError.
  KafkaSource(const KafkaConfig& config, std::vector<std::string> topics,
              const std::string& instance_id, KafkaLog& log);
  ~KafkaSource();
  KafkaSource(const KafkaSource&) = delete;
  KafkaSource& operator=(const KafkaSource&) = delete;

  // Joins the group. `revoked` is called from within consume and close, before partitions are given
  // up: what is in hand may still be committed. What it throws, they throw.
  void subscribe(std::function<void()> revoked);
  // The partitions that the group gave us since the last call and that wait for assign.
  std::optional<std::vector<PartitionId>> take_assignment();
  // Begins to read partitions at these offsets; replaces what was assigned before.
  void assign(const std::vector<StartOffset>& starts);

  // Waits up to `timeout_ms` for up to `count` messages and appends them, errors and ends of
  // partitions among them (rd_kafka_message_t::err). Messages fetched before a rebalance are left
  // out. Throws KafkaError when the client is broken for good.
  void consume(std::vector<KafkaMessage>& messages, size_t count, int timeout_ms);

  // Whether the group has already taken our partitions away.
  bool assignment_lost() const { return rd_kafka_assignment_lost(client_.get()) != 0; }

  // The place of a message or of an error about a partition; empty for topics that are not ours.
  std::optional<PartitionId> place_of(const rd_kafka_message_t& message);

  // Asks the broker. Throws KafkaError when it does not answer within `timeout_ms`.
  Watermarks watermarks(PartitionId place, int timeout_ms);
  // The partitions of all our topics. Throws KafkaError, too, when the broker does not tell those
  // of each.
  std::vector<PartitionId> all_partitions(int timeout_ms);
  // The end offset as the last fetch saw it; -1 when not known. Does not ask the broker.
  int64_t cached_end(PartitionId place) const;
  // The first message at or behind each offset, in the order of `starts`; empty where there is
  // none.
  std::vector<std::optional<FoundMessage>> read_at(const std::vector<StartOffset>& starts,
                                                   int timeout_ms);

  // Tells Kafka how far we are, for lag tools only; without waiting, errors are ignored.
  void commit_for_tools(const std::vector<StartOffset>& offsets);

  // Leaves the group; calls `revoked` first.
  void close();

  const std::string& topic_name(uint32_t topic) const { return topics_[topic]; }

 private:
  struct DestroyQueue {
    void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
  };

  void leave_group();
  KafkaClient make_client(bool member, const std::string& instance_id);
  static void on_rebalance(rd_kafka_t* client, rd_kafka_resp_err_t error,
                           rd_kafka_topic_partition_list_t* partitions, void* opaque);
  std::optional<uint32_t> topic_index(const char* name) const;

  // What the callback for rebalances must not throw through librdkafka.
  void rethrow();
  // Throws: `what` failed by `error`; with what the client said of its connections.
  [[noreturn]] void fail(const std::string& what, rd_kafka_resp_err_t error);
  static void on_error(rd_kafka_t*, int error, const char* reason, void* opaque);
  static void on_log(const rd_kafka_t* client, int level, const char* facility, const char* text);

  const KafkaConfig& config_;
  const std::vector<std::string> topics_;
  const std::string instance_id_;
  KafkaLog& log_;
  std::function<void()> revoked_;
  KafkaClient client_;
  std::unique_ptr<rd_kafka_queue_t, DestroyQueue> queue_;
  std::vector<rd_kafka_message_t*> raw_;
  std::optional<std::vector<PartitionId>> assignment_;
  bool assign_due_ = false;  // the group has assigned, assign was not called yet
  uint64_t generation_ = 0;
  std::vector<std::pair<const rd_kafka_topic_t*, uint32_t>> known_topics_;
  bool closed_ = false;
  std::exception_ptr thrown_;
  std::string refusal_;  // why a broker was not talked to; empty: none was refused
};

}  // namespace globalmart
