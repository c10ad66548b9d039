// A worker: a thread with a Kafka consumer and a database connection of its own. It takes messages,
// decodes them, drops the repeated ones, and applies the rest in batches, one transaction each.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "bridge/intake.hpp"
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

  void fill_batch();
  Flushed flush();
  // Gives up the batch in hand and the partitions. `uncertain`: the batch may have been applied.
  void give_up(bool uncertain);
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
  LogLimit limit_;
  OpenBatch open_;
  Intake intake_;
  OwnPartitions& own_;  // of intake_
  Writer writer_;
  Redriver redriver_;
  std::unique_ptr<KafkaSource> source_;
  std::map<PartitionId, int64_t> drain_ends_;  // end offsets when each was taken over first

  LogLimit fences_;  // in the group, by name: not over with the next batch
  bool fenced_ = false;
  std::chrono::steady_clock::time_point last_tool_commit_{};
  std::chrono::steady_clock::time_point last_redrive_{};
};

}  // namespace globalmart
