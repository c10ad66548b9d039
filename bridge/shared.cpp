#include "bridge/shared.hpp"

namespace globalmart {

void StopSignal::request_locked() {
  if (!requested_) since_ = std::chrono::steady_clock::now();
  requested_ = true;
}

void StopSignal::request() {
  {
    const std::lock_guard lock(mutex_);
    anew_ = false;
    request_locked();
  }
  changed_.notify_all();
}

void StopSignal::begin_anew(const std::string& message) {
  {
    const std::lock_guard lock(mutex_);
    if (requested_) return;
    anew_ = true;
    message_ = message;
    request_locked();
  }
  changed_.notify_all();
}

bool StopSignal::begins_anew() const {
  const std::lock_guard lock(mutex_);
  return anew_;
}

bool StopSignal::at_once() const {
  const std::lock_guard lock(mutex_);
  return anew_ || status_ != 0;
}

double StopSignal::age() const {
  const std::lock_guard lock(mutex_);
  if (!requested_) return 0;
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since_).count();
}

bool StopSignal::wait_for(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, time, [&] { return requested_.load(); });
  return requested_;
}

void StopSignal::fail(int status, const std::string& message) {
  {
    const std::lock_guard lock(mutex_);
    if (status_ == 0) {
      status_ = status;
      message_ = message;
    }
  }
  request();
}

int StopSignal::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

std::string StopSignal::message() const {
  const std::lock_guard lock(mutex_);
  return message_;
}

void Wakeup::notify() {
  {
    const std::lock_guard lock(mutex_);
    notified_ = true;
  }
  changed_.notify_all();
}

bool Wakeup::wait_for(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, time, [&] { return notified_; });
  const bool notified = notified_;
  notified_ = false;
  return notified;
}

void Remembered::set(PartitionId place, int64_t next_offset, int64_t epoch) {
  const std::lock_guard lock(mutex_);
  const auto [known, added] = known_.try_emplace(place, Known{next_offset, epoch});
  // A worker that comes late does not hide what the next owner said.
  if (!added && known->second.epoch <= epoch) known->second = {next_offset, epoch};
}

bool Remembered::knows(PartitionId place, std::optional<int64_t> next_offset, int64_t epoch) const {
  if (!next_offset) return true;
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(place);
  return found != known_.end() && found->second.next_offset == *next_offset &&
         found->second.epoch + 1 == epoch;
}

bool Remembered::set_back(PartitionId place, std::optional<int64_t> next_offset,
                          int64_t epoch) const {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(place);
  if (found == known_.end()) return false;
  const Known& known = found->second;
  if (epoch <= known.epoch) return true;
  return epoch == known.epoch + 1 && (!next_offset || *next_offset < known.next_offset);
}

std::map<PartitionId, int64_t> Remembered::next_offsets() const {
  const std::lock_guard lock(mutex_);
  std::map<PartitionId, int64_t> offsets;
  for (const auto& [place, known] : known_) offsets[place] = known.next_offset;
  return offsets;
}

Shared::Shared(const Config& config, const Profile& profile, std::vector<std::string> topics,
               bool drain, std::map<PartitionId, int64_t> committed_before)
    : config(config),
      profile(profile),
      topics(std::move(topics)),
      drain(drain),
      committed_before(std::move(committed_before)),
      clock(config.bridge.clock ? Clock(*config.bridge.clock) : Clock()),
      lists(profile.lists.size()),
      dedup(profile.topics.size(), config.bridge.dedup_max_ids),
      metrics(profile, static_cast<size_t>(config.bridge.workers)),
      fault_point(config.bridge.fault_point) {
  const std::string& setting = config.kafka.instance_id;
  if (!drain && setting != "auto" && setting != "off") instance_id = setting;
}

}  // namespace globalmart
