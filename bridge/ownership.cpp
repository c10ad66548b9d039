#include "bridge/ownership.hpp"

namespace globalmart {

void Ownership::add(PartitionId place, const PartitionStatus& status) {
  const std::lock_guard lock(mutex_);
  partitions_[place] = status;
  ++version_;
}

void Ownership::remove(PartitionId place) {
  const std::lock_guard lock(mutex_);
  partitions_.erase(place);
  ++version_;
}

void Ownership::committed(PartitionId place, const PartitionAdvance& advance) {
  const std::lock_guard lock(mutex_);
  const auto found = partitions_.find(place);
  if (found == partitions_.end()) return;
  found->second.next_offset = advance.next_offset;
}

bool Ownership::set_at_end(PartitionId place, bool at_end) {
  const std::lock_guard lock(mutex_);
  const auto found = partitions_.find(place);
  if (found == partitions_.end() || found->second.at_end == at_end) return false;
  found->second.at_end = at_end;
  ++version_;
  return true;
}

void Ownership::set_end_offset(PartitionId place, int64_t offset) {
  const std::lock_guard lock(mutex_);
  const auto found = partitions_.find(place);
  if (found != partitions_.end()) found->second.end_offset = offset;
}

std::map<PartitionId, PartitionStatus> Ownership::snapshot() const {
  const std::lock_guard lock(mutex_);
  return partitions_;
}

uint64_t Ownership::version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

}  // namespace globalmart
