// Which partitions this process owns, by which epoch, and how far they are: what the workers know
// of their own partitions, laid open for the closer (heartbeats) and the metrics.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "bridge/batch.hpp"

namespace globalmart {

struct PartitionStatus {
  int64_t epoch = 0;
  size_t worker = 0;                   // its number
  std::optional<int64_t> next_offset;  // committed; empty: never read
  bool at_end = false;                 // all that the topic has is committed
  int64_t end_offset = -1;             // as the broker last said; -1: not known
};

// Thread-safe. A worker names the epoch by which it owns a partition: who comes late, after another
// worker has taken the partition over, changes nothing.
class Ownership {
 public:
  using Clock = std::chrono::steady_clock;
  // A worker that waits for the database asks the broker for nothing. What it heard last holds for
  // as long; afterwards its partitions may have messages that nobody knows of.
  static constexpr std::chrono::seconds kHeard{2};

  void add(PartitionId place, const PartitionStatus& status);
  void remove(PartitionId place, int64_t epoch);
  void committed(PartitionId place, int64_t epoch, const PartitionAdvance& advance);
  // Returns whether it changed.
  bool set_at_end(PartitionId place, int64_t epoch, bool at_end);
  void set_end_offset(PartitionId place, int64_t epoch, int64_t offset);
  // The worker has an answer of the broker, or asks for one now and waits so long for it.
  void heard(size_t worker, std::chrono::milliseconds waits = {},
             Clock::time_point now = Clock::now());

  // No partition is at its end whose worker has not heard of the broker for kHeard.
  std::map<PartitionId, PartitionStatus> snapshot(Clock::time_point now = Clock::now()) const;
  // Changes whenever a partition comes, goes, or reaches or leaves its end.
  uint64_t version() const;

 private:
  PartitionStatus* find_locked(PartitionId place, int64_t epoch);

  mutable std::mutex mutex_;
  std::map<PartitionId, PartitionStatus> partitions_;
  std::map<size_t, Clock::time_point> heard_until_;  // by worker
  uint64_t version_ = 0;
};

}  // namespace globalmart
