// A worker: a thread with a Kafka consumer and a database connection of its own. It takes messages,
// decodes them, drops the repeated ones, and applies the rest in batches, one transaction each.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "bridge/batch.hpp"
#include "bridge/decoder.hpp"
#include "bridge/kafka_source.hpp"
#include "bridge/redrive.hpp"
#include "bridge/shared.hpp"
#include "bridge/writer.hpp"

namespace globalmart {

class Worker {
 public:
  // `number` from 0.
  Worker(Shared& shared, size_t number);

  // The thread's body: returns when the end is requested or, draining, when everything is applied.
  // Errors that cannot be lived with go to shared.stop.
  void run();

 private:
  using Seconds = std::chrono::duration<double>;

  // A partition that this worker owns.
  struct Owned {
    int64_t epoch = 0;
    std::optional<int64_t> next_offset;  // committed
    int64_t position = 0;                // offset of the next message to take
    bool at_end = false;                 // the broker said so, after all that was taken
    int64_t drain_end = 0;               // --drain: take everything below
  };

  enum class Flushed : uint8_t { kYes, kFenced, kGivenUp };

  void work();
  void run_session();
  void start_reading();
  std::optional<std::vector<PartitionId>> wanted_partitions();
  void take_over(const std::vector<PartitionId>& places);
  void check_last_messages(const std::vector<ClaimedPartition>& claimed,
                           std::map<PartitionId, StartOffset>& starts,
                           std::map<PartitionId, int64_t>& ends);
  void load_recent_ids(const std::vector<ClaimedPartition>& claimed);
  void on_revoked();
  void let_go();

  void take_messages();
  void process_pending();
  // False when the message must wait for another worker's batch.
  bool process(const rd_kafka_message_t& message, PartitionId place, Owned& owned);
  void handle_event(const rd_kafka_message_t& message);
  bool batch_is_full() const;
  bool drained() const;

  Flushed flush();
  bool write_once(bool& uncertain);
  bool took_effect();
  void reject(const std::vector<Rejection>& rejected);
  void after_commit(double seconds);
  void close();
  void abandon_batch();
  void report_ends();
  // Now and then: applies the redrives that wait for the own partitions. `all`: at once, and until
  // none is left.
  void redrive(bool all);
  // Waits before the next try; false when it is time to give up.
  bool pause(int attempt);

  Shared& shared_;
  const size_t number_;
  Decoder decoder_;
  Batch batch_;
  Writer writer_;
  Redriver redriver_;
  std::unique_ptr<KafkaSource> source_;
  std::map<PartitionId, Owned> owned_;
  PartitionId last_place_;
  Owned* last_owned_ = nullptr;                // of last_place_, while it is known
  std::map<PartitionId, int64_t> drain_ends_;  // end offsets when each was taken over first

  std::vector<KafkaMessage> pending_;  // taken from Kafka, not yet in a batch
  size_t pending_begin_ = 0;
  std::vector<KafkaMessage> in_batch_;
  size_t batch_input_bytes_ = 0;
  std::chrono::steady_clock::time_point batch_start_{};
  Micros batch_now_ = 0;
  std::optional<Dedup::Group> group_;
  std::vector<Dedup::Claim> claims_;  // of a small batch
  std::map<std::pair<PartitionId, int64_t>, std::string> rejected_;
  std::map<std::pair<uint32_t, Reason>, uint64_t> dead_counts_;
  bool reassign_ = false;
  bool fenced_ = false;
  std::chrono::steady_clock::time_point last_tool_commit_{};
  std::chrono::steady_clock::time_point last_redrive_{};
};

}  // namespace globalmart
