// A worker: a thread with a Kafka consumer and a database connection of its own. It takes messages,
// decodes them, drops the repeated ones, and applies the rest in batches, one transaction each.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "bridge/kafka_source.hpp"
#include "bridge/log.hpp"
#include "bridge/open_batch.hpp"
#include "bridge/redrive.hpp"
#include "bridge/shared.hpp"
#include "bridge/takeover.hpp"
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

  enum class Flushed : uint8_t { kYes, kFenced, kGivenUp };

  void work();
  void run_session();
  void start_reading();
  void take_over(const std::vector<PartitionId>& places);
  void on_revoked();
  void let_go();

  void take_messages();
  void fill_batch();
  // False when the message must wait for another worker's batch.
  bool take(KafkaMessage& message, PartitionId place, OwnPartition& owned);
  void handle_event(const rd_kafka_message_t& message);
  bool drained() const;

  // A message of a partition was taken from Kafka: it is not at its end, whenever it is applied.
  void leave_end(PartitionId place, OwnPartition& owned);
  void leave_ends();
  bool is_pending(PartitionId place);

  Flushed flush();
  // Gives up the batch in hand and the partitions. `uncertain`: the batch may have been applied.
  void give_up(bool uncertain);
  void redo(const std::vector<Rejection>& refused);
  void after_commit(double seconds);
  void close();
  void report_ends();
  // Now and then: applies the redrives that wait for the own partitions. `all`: at once, and until
  // none is left.
  void redrive(bool all);
  // Waits before the next try; false when it is time to give up.
  bool pause(int attempt);

  Shared& shared_;
  const size_t number_;
  OpenBatch open_;
  Writer writer_;
  Redriver redriver_;
  std::unique_ptr<KafkaSource> source_;
  OwnPartitions own_;
  PartitionId last_place_;
  OwnPartition* last_owned_ = nullptr;         // of last_place_, while it is known
  std::map<PartitionId, int64_t> drain_ends_;  // end offsets when each was taken over first

  std::vector<KafkaMessage> pending_;  // taken from Kafka, not yet in a batch
  size_t pending_begin_ = 0;
  LogLimit limit_;
  LogLimit fences_;  // in the group, by name: not over with the next batch
  bool reassign_ = false;
  bool fenced_ = false;
  std::chrono::steady_clock::time_point last_tool_commit_{};
  std::chrono::steady_clock::time_point last_redrive_{};
};

}  // namespace globalmart
