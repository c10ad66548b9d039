#include "bridge/ownership.hpp"

namespace globalmart {

PartitionStatus* Ownership::find_locked(PartitionId place, int64_t epoch) {
  const auto found = partitions_.find(place);
  return found == partitions_.end() || found->second.epoch != epoch ? nullptr : &found->second;
}

void Ownership::add(PartitionId place, const PartitionStatus& status) {
  const std::lock_guard lock(mutex_);
  PartitionStatus& known = partitions_[place];
  if (status.epoch < known.epoch) return;
  known = status;
  ++version_;
}

void Ownership::remove(PartitionId place, int64_t epoch) {
  const std::lock_guard lock(mutex_);
  if (find_locked(place, epoch) == nullptr) return;
  partitions_.erase(place);
  ++version_;
}

void Ownership::committed(PartitionId place, int64_t epoch, const PartitionAdvance& advance) {
  const std::lock_guard lock(mutex_);
  if (PartitionStatus* known = find_locked(place, epoch)) known->next_offset = advance.next_offset;
}

bool Ownership::set_at_end(PartitionId place, int64_t epoch, bool at_end) {
  const std::lock_guard lock(mutex_);
  PartitionStatus* known = find_locked(place, epoch);
  if (known == nullptr || known->at_end == at_end) return false;
  known->at_end = at_end;
  ++version_;
  return true;
}

void Ownership::set_end_offset(PartitionId place, int64_t epoch, int64_t offset) {
  const std::lock_guard lock(mutex_);
  if (PartitionStatus* known = find_locked(place, epoch)) known->end_offset = offset;
}

void Ownership::heard(size_t worker, std::chrono::milliseconds waits, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  heard_until_[worker] = now + waits + kHeard;
}

std::map<PartitionId, PartitionStatus> Ownership::snapshot(Clock::time_point now) const {
  const std::lock_guard lock(mutex_);
  std::map<PartitionId, PartitionStatus> partitions = partitions_;
  for (auto& [place, status] : partitions) {
    const auto until = heard_until_.find(status.worker);
    if (until == heard_until_.end() || now > until->second) status.at_end = false;
  }
  return partitions;
}

uint64_t Ownership::version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

}  // namespace globalmart
