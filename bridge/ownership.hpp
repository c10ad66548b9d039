// Which partitions this process owns, by which epoch, and how far they are: what the workers know
// of their own partitions, laid open for the closer (heartbeats) and the metrics.
#pragma once

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
  std::optional<int64_t> next_offset;  // committed; empty: never read
  bool at_end = false;                 // all that the topic has is committed
  int64_t end_offset = -1;             // as the broker last said; -1: not known
};

// Thread-safe.
class Ownership {
 public:
  void add(PartitionId place, const PartitionStatus& status);
  void remove(PartitionId place);
  void committed(PartitionId place, const PartitionAdvance& advance);
  // Returns whether it changed.
  bool set_at_end(PartitionId place, bool at_end);
  void set_end_offset(PartitionId place, int64_t offset);

  std::map<PartitionId, PartitionStatus> snapshot() const;
  // Changes whenever a partition comes, goes, or reaches or leaves its end.
  uint64_t version() const;

 private:
  mutable std::mutex mutex_;
  std::map<PartitionId, PartitionStatus> partitions_;
  uint64_t version_ = 0;
};

}  // namespace globalmart
