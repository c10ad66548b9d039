#include "bridge/open_batch.hpp"

#include <algorithm>

namespace globalmart {

namespace {

constexpr size_t kSmallBatch = 256;
constexpr double kClaimWait = 1.0;  // seconds for another worker's batch

}  // namespace

OpenBatch::OpenBatch(Shared& shared)
    : shared_(shared),
      decoder_(shared.profile, DecoderLimits{shared.config.bridge.max_message_bytes,
                                             shared.config.bridge.max_future}),
      batch_(shared.profile) {}

bool OpenBatch::full() const {
  return batch_.message_count() >= shared_.config.bridge.batch_messages ||
         input_bytes_ >= shared_.config.bridge.batch_bytes;
}

size_t OpenBatch::room() const {
  const size_t most = shared_.config.bridge.batch_messages;
  return most - std::min(most - 1, batch_.message_count());
}

void OpenBatch::start() {
  now_ = shared_.clock.now();
  decoder_.start_batch(now_, shared_.lists.current());
}

bool OpenBatch::add(KafkaMessage& raw, PartitionId place) {
  if (batch_.empty()) start();
  const BatchMessage message = {place, raw->offset, view_of(*raw)};
  const Decoded& decoded = decoder_.decode(place.topic, message.message);
  Reason reason = decoded.reason;
  std::string_view detail = decoded.detail;
  if (!refused_.empty()) {
    const auto refused = refused_.find({place, raw->offset});
    if (refused != refused_.end()) {
      reason = Reason::kRejectedByDatabase;
      detail = refused->second;
    }
  }
  bool duplicate = false;
  if (reason == Reason::kNone && shared_.profile.topics[place.topic].id >= 0) {
    if (!group_) group_ = shared_.dedup.begin_group();
    const Dedup::Answer answer =
        shared_.dedup.claim(*group_, place.topic, decoded.id, decoded.event_time);
    if (answer == Dedup::Answer::kContested) {
      if (batch_.empty()) {
        shared_.dedup.abort(*group_);
        group_.reset();
        shared_.dedup.wait_for_claim(place.topic, decoded.id, kClaimWait);
      }
      return false;
    }
    duplicate = answer == Dedup::Answer::kDuplicate;
    if (answer == Dedup::Answer::kNew && claims_.size() <= kSmallBatch) {
      claims_.push_back({place.topic, decoded.id, decoded.event_time});
    }
  }
  account(*raw, message, decoded, reason, detail, duplicate);
  messages_.push_back(std::move(raw));
  return true;
}

void OpenBatch::account(const rd_kafka_message_t& raw, const BatchMessage& message,
                        const Decoded& decoded, Reason reason, std::string_view detail,
                        bool duplicate) {
  batch_.add_message(message);
  input_bytes_ += raw.len + raw.key_len;
  PartitionAdvance& advance = batch_.advance_of(message.place);
  advance.next_offset = raw.offset + 1;
  advance.last_message = batch_.message_count() - 1;
  if (message.message.has_timestamp) {
    advance.last_message_time = message.message.timestamp;
  } else {
    advance.last_message_time.reset();
  }
  if (reason != Reason::kNone) {
    ++advance.dead_letters;
    ++dead_counts_[{message.place.topic, reason}];
    batch_.add_dead_letter(reason, detail, now_);
  } else if (duplicate) {
    ++advance.duplicates;
  } else {
    ++advance.accepted;
    if (!advance.max_event_time || decoded.event_time > *advance.max_event_time) {
      advance.max_event_time = decoded.event_time;
    }
    batch_.add_rows(decoded, now_);
  }
}

void OpenBatch::commit(double seconds) {
  if (group_) {
    if (claims_.size() <= kSmallBatch) {
      shared_.dedup.commit(*group_, claims_);
    } else {
      shared_.dedup.commit(*group_);
    }
    group_.reset();
  }
  for (const auto& [key, count] : dead_counts_) {
    shared_.metrics.dead_letter(key.first, key.second, count);
  }
  shared_.metrics.batch_committed(batch_, seconds);
}

void OpenBatch::abandon() {
  clear();
  refused_.clear();
}

void OpenBatch::abandon_uncertain() {
  group_.reset();
  abandon();
}

std::vector<KafkaMessage> OpenBatch::give_back(const std::vector<Rejection>& refused) {
  for (const Rejection& one : refused) refused_[{one.place, one.offset}] = one.detail;
  std::vector<KafkaMessage> messages = std::move(messages_);
  clear();
  return messages;
}

void OpenBatch::clear() {
  if (group_) shared_.dedup.abort(*group_);
  group_.reset();
  claims_.clear();
  dead_counts_.clear();
  batch_.clear();
  messages_.clear();
  input_bytes_ = 0;
}

}  // namespace globalmart
