#include "bridge/intake.hpp"

#include <algorithm>

#include "bridge/log.hpp"

namespace globalmart {

namespace {

constexpr int kIdleWaitMs = 200;  // without a batch in hand and without an age

}  // namespace

Intake::Intake(Shared& shared, size_t worker, OpenBatch& open, LogLimit& limit)
    : shared_(shared), number_(worker), open_(open), limit_(limit) {}

void Intake::clear() {
  own_.clear();
  last_owned_ = nullptr;
  pending_.clear();
  pending_begin_ = 0;
}

void Intake::take_messages() {
  if (pending_begin_ < pending_.size()) return;
  pending_.clear();
  pending_begin_ = 0;
  const int age = shared_.config.bridge.batch_age_ms;
  const int wait = age > 0 ? age : kIdleWaitMs;
  shared_.ownership.heard(number_, std::chrono::milliseconds(wait));
  source_->consume(pending_, open_.room(), wait);
  leave_ends();
  shared_.ownership.heard(number_);
}

void Intake::leave_end(PartitionId place, OwnPartition& owned) {
  if (!owned.at_end) return;
  owned.at_end = false;
  // The database must not take it for idle however long the batch waits.
  if (shared_.ownership.set_at_end(place, owned.epoch, false)) shared_.closer.notify();
}

// What was taken may wait behind batches that the database does not let in.
void Intake::leave_ends() {
  const auto at_end = [](const auto& entry) { return entry.second.at_end; };
  if (std::none_of(own_.begin(), own_.end(), at_end)) return;
  const rd_kafka_message_t* last = nullptr;
  for (const KafkaMessage& message : pending_) {
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    // Messages of one partition come in rows.
    if (last && last->rkt == message->rkt && last->partition == message->partition) continue;
    last = message.get();
    const auto place = source_->place_of(*message);
    const auto owned = place ? own_.find(*place) : own_.end();
    if (owned != own_.end()) leave_end(*place, owned->second);
  }
}

bool Intake::is_pending(PartitionId place) {
  return std::any_of(pending_.begin() + static_cast<std::ptrdiff_t>(pending_begin_), pending_.end(),
                     [&](const KafkaMessage& message) {
                       return message && message->err == RD_KAFKA_RESP_ERR_NO_ERROR &&
                              source_->place_of(*message) == place;
                     });
}

// Up to what the batch holds, or to a message that has to wait.
Intake::Filled Intake::fill_batch() {
  while (pending_begin_ < pending_.size()) {
    KafkaMessage& message = pending_[pending_begin_];
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      handle_event(*message);
      ++pending_begin_;
      continue;
    }
    const auto place = source_->place_of(*message);
    // Messages of one partition come in rows: look it up when it changes.
    if (!last_owned_ || !place || last_place_ != *place) {
      const auto found = place ? own_.find(*place) : own_.end();
      last_owned_ = found == own_.end() ? nullptr : &found->second;
      if (place) last_place_ = *place;
    }
    if (last_owned_ == nullptr || message->offset < last_owned_->position) {
      ++pending_begin_;
      continue;
    }
    if (open_.full()) return Filled::kFull;
    if (!take(message, *place, *last_owned_)) return Filled::kContested;
    ++pending_begin_;
  }
  return Filled::kAll;
}

bool Intake::take(KafkaMessage& message, PartitionId place, OwnPartition& owned) {
  const int64_t offset = message->offset;
  if (!open_.add(message, place)) return false;
  owned.position = offset + 1;
  leave_end(place, owned);
  return true;
}

// What consume hands out besides messages.
void Intake::handle_event(const rd_kafka_message_t& message) {
  const auto place = source_->place_of(message);
  switch (message.err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF: {
      const auto owned = place ? own_.find(*place) : own_.end();
      if (owned != own_.end() && message.offset >= owned->second.position && !is_pending(*place)) {
        owned->second.at_end = true;
        log_debug("the partition is at its end", {{"worker", number_ + 1},
                                                  {"topic", source_->topic_name(place->topic)},
                                                  {"partition", place->partition},
                                                  {"offset", message.offset}});
      }
      break;
    }
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
      // Look again at what the topic has: retention, or another topic of the same name.
      log_warn(rd_kafka_message_errstr(&message), {{"worker", number_ + 1}});
      reassign_ = true;
      break;
    default:
      if (const std::string text = rd_kafka_message_errstr(&message); limit_.due(text)) {
        log_warn(text, {{"worker", number_ + 1},
                        {"part", "kafka"},
                        {"error", rd_kafka_err2name(message.err)}});
      }
      break;
  }
}

bool Intake::drained() const {
  if (pending_begin_ < pending_.size() || reassign_) return false;
  return std::all_of(own_.begin(), own_.end(), [](const auto& entry) {
    return entry.second.at_end || entry.second.position > entry.second.drain_end;
  });
}

void Intake::redo(const std::vector<Rejection>& refused) {
  for (const Rejection& one : refused) {
    log_warn("rejected by the database: " + one.detail,
             {{"worker", number_ + 1},
              {"topic", shared_.profile.topics[one.place.topic].name},
              {"partition", one.place.partition},
              {"offset", one.offset}});
  }
  // The broker tells the end of a partition once: it must not be forgotten here.
  const OwnPartitions before = own_;
  for (const auto& [place, advance] : open_.batch().advances()) {
    // Back to where the batch began.
    int64_t first = advance.next_offset;
    for (const BatchMessage& message : open_.batch().messages()) {
      if (message.place == place) first = std::min(first, message.offset);
    }
    own_.at(place).position = first;
  }
  const size_t count = open_.batch().message_count();
  std::vector<KafkaMessage> again = open_.give_back(refused);
  for (size_t i = pending_begin_; i < pending_.size(); ++i) again.push_back(std::move(pending_[i]));
  pending_ = std::move(again);
  pending_begin_ = 0;
  // As many as before, fewer when another worker has claimed an id in the meantime.
  while (open_.batch().message_count() < count && pending_begin_ < pending_.size()) {
    KafkaMessage& message = pending_[pending_begin_];
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      const auto place = source_->place_of(*message);
      const auto owned = place ? own_.find(*place) : own_.end();
      if (owned != own_.end() && !take(message, *place, owned->second)) {
        if (open_.empty() && !shared_.stop.requested()) continue;
        break;
      }
    }
    ++pending_begin_;
  }
  for (auto& [place, owned] : own_) {
    const OwnPartition& then = before.at(place);
    if (then.at_end && owned.position == then.position) owned.at_end = true;
  }
}

}  // namespace globalmart
