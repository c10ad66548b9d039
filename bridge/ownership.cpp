#include "bridge/ownership.hpp"

#include <algorithm>

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
  PartitionStatus& status = found->second;
  status.next_offset = advance.next_offset;
  if (advance.max_event_time && (!status.max_event_time ||
                                 *advance.max_event_time > *status.max_event_time)) {
    status.max_event_time = advance.max_event_time;
  }
}

bool Ownership::set_at_end(PartitionId place, bool at_end) {
  const std::lock_guard lock(mutex_);
  const auto found = partitions_.find(place);
  if (found == partitions_.end() || found->second.at_end == at_end) return false;
  found->second.at_end = at_end;
  if (at_end) found->second.at_end_since = std::chrono::steady_clock::now();
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

std::optional<Micros> Ownership::reached(uint32_t topic, std::chrono::seconds idle) const {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  std::optional<Micros> least;
  for (const auto& [place, status] : partitions_) {
    if (place.topic != topic) continue;
    if (status.at_end && now - status.at_end_since >= idle) continue;
    if (!status.max_event_time) return std::nullopt;
    least = least ? std::min(*least, *status.max_event_time) : *status.max_event_time;
  }
  return least;
}

}  // namespace globalmart
