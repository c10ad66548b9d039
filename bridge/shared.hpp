// What all threads of the bridge share: settings, the profile, and the parts that are thread-safe
// on their own. Made by main, outlives every thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "bridge/batch.hpp"
#include "bridge/config.hpp"
#include "bridge/dedup.hpp"
#include "bridge/fault_point.hpp"
#include "bridge/instant.hpp"
#include "bridge/kafka_log.hpp"
#include "bridge/lists.hpp"
#include "bridge/metrics.hpp"
#include "bridge/ownership.hpp"
#include "bridge/profile.hpp"
#include "bridge/server_run.hpp"

namespace globalmart {

// The request to end, and what went wrong. Thread-safe.
class StopSignal {
 public:
  // Somebody wants the end: also when the process was about to begin anew.
  void request();
  bool requested() const { return requested_.load(std::memory_order_relaxed); }
  // Seconds since it was requested; 0 before.
  double age() const;
  // Waits for `time` or until the end is requested; returns whether it is.
  bool wait_for(std::chrono::milliseconds time);

  // A part cannot go on: the process ends with this message and status. The first one counts.
  void fail(int status, const std::string& message);
  // All parts end, and then the process begins anew, with an empty memory; see run_bridge. Does
  // nothing when the end is requested already.
  void begin_anew(const std::string& message);
  bool begins_anew() const;
  // The end waits for nothing: a part has failed, or the process begins anew.
  bool at_once() const;
  int status() const;
  std::string message() const;

 private:
  void request_locked();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<bool> requested_{false};
  std::chrono::steady_clock::time_point since_{};
  int status_ = 0;
  bool anew_ = false;
  std::string message_;
};

// A signal from workers to the closer: something was committed. Coalesces. Thread-safe.
class Wakeup {
 public:
  void notify();
  // Waits until notified or for `time`; returns whether it was notified, and forgets it.
  bool wait_for(std::chrono::milliseconds time);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool notified_ = false;
};

// How far this process itself came with partitions it owned: what it committed is in its memory of
// ids, so that taking such a partition again needs no reading back. Thread-safe.
class Remembered {
 public:
  // `epoch`: by which this process owned the partition then.
  void set(PartitionId place, int64_t next_offset, int64_t epoch);
  // For the new owner by `epoch`: whether nobody else has moved the partition since, or has owned
  // it and may have applied redrives.
  bool knows(PartitionId place, std::optional<int64_t> next_offset, int64_t epoch) const;
  // Whether the database that gave the new owner this has lost something that this process
  // committed: epochs only rise, and offsets fall by reset_offsets() alone, which raises the epoch.
  bool set_back(PartitionId place, std::optional<int64_t> next_offset, int64_t epoch) const;
  std::map<PartitionId, int64_t> next_offsets() const;

 private:
  struct Known {
    int64_t next_offset;
    int64_t epoch;
  };
  mutable std::mutex mutex_;
  std::map<PartitionId, Known> known_;
};

struct Shared {
  Shared(const Config& config, const Profile& profile, std::vector<std::string> topics, bool drain,
         std::map<PartitionId, int64_t> committed_before = {});

  const Config& config;
  const Profile& profile;
  const std::vector<std::string> topics;  // names in Kafka by topic of the profile
  const bool drain;
  // How far this process was before it began anew.
  const std::map<PartitionId, int64_t> committed_before;
  const Clock clock;
  Lists lists;
  Dedup dedup;
  ServerRun server_run;
  Ownership ownership;
  Remembered remembered;
  Metrics metrics;
  KafkaLog kafka_log;
  FaultPoint fault_point;
  StopSignal stop;
  Wakeup closer;
  Wakeup outbox;
  // Static membership in the consumer group; empty: none. Does not change once the workers run.
  std::string instance_id;
};

// Status with which the process ends.
inline constexpr int kExitConfig = 2;
inline constexpr int kExitTopicMismatch = 3;
inline constexpr int kExitFailed = 1;

}  // namespace globalmart
