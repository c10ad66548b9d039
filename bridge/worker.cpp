#include "bridge/worker.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <thread>

#include "bridge/closing.hpp"
#include "bridge/error.hpp"

namespace globalmart {

namespace {

using Clock_ = std::chrono::steady_clock;

constexpr int kBrokerTimeoutMs = 10'000;
constexpr int kIdleWaitMs = 200;        // without a batch in hand and without an age
constexpr double kStopPatience = 10.0;  // seconds that a stop waits for the database
constexpr auto kRedriveRound = std::chrono::seconds(1);
constexpr size_t kSmallBatch = 256;

const std::string kMismatchAdvice =
    "Nothing was changed. Bring the old topic back, use a new database, or, to read the new topic "
    "from its beginning beside the old rows, let the owner of the database delete the topic's rows "
    "from globalmart.kafka_offsets.";

}  // namespace

Worker::Worker(Shared& shared, size_t number)
    : shared_(shared),
      number_(number),
      decoder_(shared.profile, DecoderLimits{shared.config.bridge.max_message_bytes,
                                             shared.config.bridge.max_future}),
      batch_(shared.profile),
      writer_(shared.config.postgres, shared.profile, "writer " + std::to_string(number + 1),
              shared.fault_point),
      redriver_(shared, writer_, number) {}

void Worker::run() {
  try {
    work();
  } catch (const TopicMismatch& error) {
    shared_.stop.fail(kExitTopicMismatch, error.what());
  } catch (const std::exception& error) {
    shared_.stop.fail(kExitFailed, error.what());
  }
  abandon_batch();
  let_go();
  shared_.metrics.set_ready(number_, false);
}

void Worker::work() {
  int attempt = 0;
  while (!shared_.stop.requested()) {
    try {
      run_session();
      return;
    } catch (const DatabaseError& error) {
      shared_.metrics.database_error();
      spdlog::error("worker={} database sqlstate={} {}", number_ + 1, error.sqlstate(),
                    error.what());
      if (error.fenced() && shared_.drain) throw;
    } catch (const KafkaError& error) {
      // The group or the broker: begin anew with a fresh client.
      spdlog::error("worker={} {}", number_ + 1, error.what());
      if (shared_.drain && attempt >= 5) throw;
    }
    abandon_batch();
    let_go();
    shared_.metrics.set_ready(number_, false);
    if (!pause(++attempt)) return;
  }
}

// From joining to leaving. Throws DatabaseError or KafkaError when it must begin anew.
void Worker::run_session() {
  fenced_ = false;
  source_.reset();
  source_ = std::make_unique<KafkaSource>(
      shared_.config.kafka, shared_.topics,
      shared_.instance_id.empty() ? "" : shared_.instance_id + "-" + std::to_string(number_ + 1));
  start_reading();
  while (!shared_.stop.requested()) {
    take_messages();
    if (fenced_) throw DatabaseError("GM001", "another bridge owns one of the partitions now");
    process_pending();
    if (auto places = source_->take_assignment()) {
      take_over(*places);
    } else if (reassign_) {
      std::vector<PartitionId> places_again;
      for (const auto& [place, owned] : owned_) places_again.push_back(place);
      if (flush() != Flushed::kYes) continue;
      take_over(places_again);
    }
    const bool aged = shared_.config.bridge.batch_age_ms > 0 && !batch_.empty();
    const bool end = shared_.drain && drained();
    if (aged || batch_is_full() || end) flush();
    if (fenced_) throw DatabaseError("GM001", "another bridge owns one of the partitions now");
    report_ends();
    const bool done = end && batch_.empty();
    redrive(done);
    if (fenced_) throw DatabaseError("GM001", "another bridge owns one of the partitions now");
    if (done && !reassign_) break;
  }
  if (flush() == Flushed::kYes) report_ends();
  if (shared_.stop.requested() && shared_.stop.status() != 0) abandon_batch();
  source_->close();
  let_go();
}

void Worker::start_reading() {
  if (shared_.drain) {
    // All partitions, dealt out among the workers; without the group, so without waiting for it.
    std::vector<PartitionId> mine;
    const std::vector<PartitionId> all = source_->all_partitions(kBrokerTimeoutMs);
    for (size_t i = 0; i < all.size(); ++i) {
      if (i % static_cast<size_t>(shared_.config.bridge.workers) == number_) {
        mine.push_back(all[i]);
      }
    }
    take_over(mine);
    return;
  }
  source_->subscribe([this] { on_revoked(); });
}

// Becomes the owner of exactly these partitions and begins to read them where the database says.
void Worker::take_over(const std::vector<PartitionId>& places) {
  reassign_ = false;
  shared_.metrics.set_ready(number_, false);
  let_go();
  int attempt = 0;
  std::vector<ClaimedPartition> claimed;
  while (true) {
    try {
      writer_.make_ready();
      claimed = writer_.claim(places);
      load_recent_ids(claimed);
      break;
    } catch (const DatabaseError& error) {
      shared_.metrics.database_error();
      spdlog::error("worker={} cannot claim partitions, sqlstate={} {}", number_ + 1,
                    error.sqlstate(), error.what());
      if (error.connection_lost()) writer_.connection().close();
      if (!pause(++attempt) || source_->assignment_lost()) return;
    }
  }
  std::map<PartitionId, StartOffset> starts;
  // Asked for before reading begins: afterwards each answer waits behind a fetch.
  std::map<PartitionId, int64_t> ends;
  check_last_messages(claimed, starts, ends);
  std::vector<StartOffset> list;
  for (const ClaimedPartition& one : claimed) {
    Owned owned;
    owned.epoch = one.epoch;
    owned.next_offset = one.next_offset;
    owned.position = starts.at(one.place).offset;
    const auto drain_end = drain_ends_.emplace(one.place, ends.at(one.place)).first;
    owned.drain_end = drain_end->second;
    if (!one.next_offset && shared_.config.kafka.start_at_latest) {
      // Written down at once: the next start must not skip what comes until then.
      writer_.start_at(one.place, {one.epoch, std::nullopt, false}, owned.position);
      owned.next_offset = owned.position;
    }
    owned_[one.place] = owned;
    PartitionStatus status;
    status.epoch = one.epoch;
    status.next_offset = owned.next_offset;
    shared_.ownership.add(one.place, status);
    list.push_back(starts.at(one.place));
  }
  source_->assign(list);
  shared_.metrics.set_ready(number_, true);
  spdlog::info("worker={} owns {} partitions", number_ + 1, list.size());
}

// Finds where to begin, and refuses to go on where the topic is not the one that was read before.
void Worker::check_last_messages(const std::vector<ClaimedPartition>& claimed,
                                 std::map<PartitionId, StartOffset>& starts,
                                 std::map<PartitionId, int64_t>& ends) {
  std::vector<StartOffset> last;
  std::vector<const ClaimedPartition*> last_of;
  for (const ClaimedPartition& one : claimed) {
    const std::string name =
        source_->topic_name(one.place.topic) + " partition " + std::to_string(one.place.partition);
    const Watermarks marks = source_->watermarks(one.place, kBrokerTimeoutMs);
    ends[one.place] = marks.high;
    if (!one.next_offset) {
      starts[one.place] = {one.place,
                           shared_.config.kafka.start_at_latest ? marks.high : marks.low};
      continue;
    }
    const int64_t next = *one.next_offset;
    if (next > marks.high) {
      throw TopicMismatch(name + " ends at offset " + std::to_string(marks.high) +
                          ", but everything below " + std::to_string(next) +
                          " is applied: the topic was recreated or its log was lost. " +
                          kMismatchAdvice);
    }
    if (next < marks.low) {
      spdlog::warn("{}: offsets {} to {} are gone by retention; going on at {}", name, next,
                   marks.low - 1, marks.low);
      starts[one.place] = {one.place, marks.low};
      continue;
    }
    starts[one.place] = {one.place, next};
    if (next > marks.low && one.last_message_hash) {
      last.push_back({one.place, next - 1});
      last_of.push_back(&one);
    }
  }
  const auto found = source_->read_at(last, kBrokerTimeoutMs);
  for (size_t i = 0; i < last.size(); ++i) {
    // Compacted away: nothing to compare.
    if (!found[i] || found[i]->offset != last[i].offset) continue;
    const ClaimedPartition& one = *last_of[i];
    if (found[i]->hash == *one.last_message_hash && found[i]->time == one.last_message_time) {
      continue;
    }
    throw TopicMismatch(
        source_->topic_name(one.place.topic) + " partition " + std::to_string(one.place.partition) +
        ": the message at offset " + std::to_string(last[i].offset) +
        " is not the one that was applied: the topic was recreated. " + kMismatchAdvice);
  }
}

// Fills the memory of ids for partitions that this process did not have before.
void Worker::load_recent_ids(const std::vector<ClaimedPartition>& claimed) {
  std::map<uint32_t, std::vector<int32_t>> unknown;
  for (const ClaimedPartition& one : claimed) {
    if (shared_.profile.topics[one.place.topic].id < 0) continue;
    if (shared_.remembered.knows(one.place, one.next_offset, one.epoch)) continue;
    unknown[one.place.topic].push_back(one.place.partition);
  }
  for (const auto& [topic, partitions] : unknown) {
    size_t count = 0;
    const uint32_t topic_index = topic;
    writer_.read_recent_ids(shared_.profile.topics[topic], partitions,
                            [&](const Uuid& id, Micros time) {
                              shared_.dedup.remember(topic_index, id, time);
                              ++count;
                            });
    spdlog::info("worker={} topic={} remembers {} ids of {} partitions", number_ + 1,
                 shared_.profile.topics[topic].name, count, partitions.size());
  }
  for (const ClaimedPartition& one : claimed) {
    if (one.next_offset) shared_.remembered.set(one.place, *one.next_offset, one.epoch);
  }
}

// Called by librdkafka from within consume or close: the last moment to commit what is in hand.
void Worker::on_revoked() {
  if (!batch_.empty() && !source_->assignment_lost() && !fenced_) flush();
  abandon_batch();
  let_go();
}

void Worker::let_go() {
  for (const auto& [place, owned] : owned_) shared_.ownership.remove(place);
  owned_.clear();
  last_owned_ = nullptr;
  pending_.clear();
  pending_begin_ = 0;
}

void Worker::take_messages() {
  const BridgeConfig& settings = shared_.config.bridge;
  if (pending_begin_ < pending_.size()) return;
  pending_.clear();
  pending_begin_ = 0;
  int timeout = settings.batch_age_ms > 0 ? settings.batch_age_ms : kIdleWaitMs;
  const size_t room =
      settings.batch_messages - std::min(settings.batch_messages - 1, batch_.message_count());
  source_->consume(pending_, room, timeout);
}

void Worker::process_pending() {
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
      const auto found = place ? owned_.find(*place) : owned_.end();
      last_owned_ = found == owned_.end() ? nullptr : &found->second;
      if (place) last_place_ = *place;
    }
    if (last_owned_ == nullptr || message->offset < last_owned_->position) {
      ++pending_begin_;
      continue;
    }
    if (batch_is_full()) {
      if (flush() != Flushed::kYes) return;
      continue;
    }
    if (!process(*message, *place, *last_owned_)) {
      // Another worker's batch holds this id: end the own batch, then wait.
      if (!batch_.empty()) {
        if (flush() != Flushed::kYes) return;
      } else if (shared_.stop.requested()) {
        return;
      }
      continue;
    }
    in_batch_.push_back(std::move(message));
    ++pending_begin_;
  }
}

bool Worker::process(const rd_kafka_message_t& raw, PartitionId place, Owned& owned) {
  const TopicPlan& topic = shared_.profile.topics[place.topic];
  if (batch_.empty()) {
    batch_start_ = Clock_::now();
    batch_now_ = shared_.clock.now();
    decoder_.start_batch(batch_now_, shared_.lists.current());
  }
  const BatchMessage message = {place, raw.offset, view_of(raw)};
  const Decoded& decoded = decoder_.decode(place.topic, message.message);
  Dedup::Answer answer = Dedup::Answer::kNew;
  Reason reason = decoded.reason;
  std::string_view detail = decoded.detail;
  if (!rejected_.empty()) {
    const auto rejected = rejected_.find({place, raw.offset});
    if (rejected != rejected_.end()) {
      reason = Reason::kRejectedByDatabase;
      detail = rejected->second;
    }
  }
  if (reason == Reason::kNone && topic.id >= 0) {
    if (!group_) group_ = shared_.dedup.begin_group();
    answer = shared_.dedup.claim(*group_, place.topic, decoded.id, decoded.event_time);
    if (answer == Dedup::Answer::kContested) {
      if (batch_.empty()) {
        shared_.dedup.abort(*group_);
        group_.reset();
        shared_.dedup.wait_for_claim(place.topic, decoded.id, 1.0);
      }
      return false;
    }
    if (answer == Dedup::Answer::kNew && claims_.size() <= kSmallBatch) {
      claims_.push_back({place.topic, decoded.id, decoded.event_time});
    }
  }

  batch_.add_message(message);
  batch_input_bytes_ += raw.len + raw.key_len;
  PartitionAdvance& advance = batch_.advance_of(place);
  advance.next_offset = raw.offset + 1;
  advance.last_message = batch_.message_count() - 1;
  if (message.message.has_timestamp) {
    advance.last_message_time = message.message.timestamp;
  } else {
    advance.last_message_time.reset();
  }
  if (reason != Reason::kNone) {
    ++advance.dead_letters;
    ++dead_counts_[{place.topic, reason}];
    batch_.add_dead_letter(reason, detail, batch_now_);
  } else if (answer == Dedup::Answer::kDuplicate) {
    ++advance.duplicates;
  } else {
    ++advance.accepted;
    if (!advance.max_event_time || decoded.event_time > *advance.max_event_time) {
      advance.max_event_time = decoded.event_time;
    }
    batch_.add_rows(decoded, batch_now_);
  }
  owned.position = raw.offset + 1;
  owned.at_end = false;
  return true;
}

// What consume hands out besides messages.
void Worker::handle_event(const rd_kafka_message_t& message) {
  const auto place = source_->place_of(message);
  switch (message.err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF: {
      const auto owned = place ? owned_.find(*place) : owned_.end();
      if (owned != owned_.end() && message.offset >= owned->second.position) {
        owned->second.at_end = true;
        spdlog::debug("worker={} topic={} partition={} is at its end, offset {}", number_ + 1,
                      source_->topic_name(place->topic), place->partition, message.offset);
      }
      break;
    }
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
      // Look again at what the topic has: retention, or another topic of the same name.
      spdlog::warn("worker={} {}", number_ + 1, rd_kafka_message_errstr(&message));
      reassign_ = true;
      break;
    default:
      spdlog::warn("worker={} kafka error={} {}", number_ + 1, rd_kafka_err2name(message.err),
                   rd_kafka_message_errstr(&message));
      break;
  }
}

bool Worker::batch_is_full() const {
  return batch_.message_count() >= shared_.config.bridge.batch_messages ||
         batch_input_bytes_ >= shared_.config.bridge.batch_bytes;
}

bool Worker::drained() const {
  if (pending_begin_ < pending_.size() || reassign_) return false;
  return std::all_of(owned_.begin(), owned_.end(), [](const auto& entry) {
    return entry.second.at_end || entry.second.position > entry.second.drain_end;
  });
}

// Applies the batch in hand, as often as it takes. Afterwards there is no batch.
Worker::Flushed Worker::flush() {
  if (batch_.empty()) return Flushed::kYes;
  bool uncertain = false;
  for (int attempt = 0; !batch_.empty();) {
    try {
      const auto start = Clock_::now();
      if (write_once(uncertain)) {
        after_commit(Seconds(Clock_::now() - start).count());
        return Flushed::kYes;
      }
      continue;  // the batch was made anew, without the rows that the database refuses
    } catch (const DatabaseError& error) {
      shared_.metrics.database_error();
      if (error.fenced()) {
        spdlog::warn("worker={} another bridge owns one of the partitions now", number_ + 1);
        fenced_ = true;
        abandon_batch();
        let_go();
        return Flushed::kFenced;
      }
      spdlog::error("worker={} batch not applied, sqlstate={} {}", number_ + 1, error.sqlstate(),
                    error.what());
      if (error.connection_lost()) {
        writer_.connection().close();
        uncertain = true;
      }
      writer_.forget_leaves();
    }
    shared_.metrics.set_ready(number_, false);
    if (!pause(++attempt) || (!shared_.drain && source_->assignment_lost())) {
      // What follows must not be applied without this: wait to be assigned anew.
      abandon_batch();
      let_go();
      return Flushed::kGivenUp;
    }
  }
  return Flushed::kYes;
}

// One try. False: rows were refused and the batch was decoded again without them.
bool Worker::write_once(bool& uncertain) {
  writer_.make_ready();
  if (uncertain) {
    if (took_effect()) return true;
    uncertain = false;
  }
  std::map<PartitionId, Fence> fences;
  for (auto& [place, advance] : batch_.advances()) {
    const Owned& owned = owned_.at(place);
    fences[place] = {owned.epoch, owned.next_offset, owned.at_end};
    advance.last_message_hash = message_hash(batch_.messages()[advance.last_message].message);
  }
  try {
    writer_.write(batch_, fences);
    return true;
  } catch (const DatabaseError& error) {
    if (error.connection_lost() || error.fenced()) throw;
    writer_.make_ready();
    if (error.stale_leaf()) {
      // Perhaps only a leaf that was dropped or split off: once more with fresh ones.
      writer_.forget_leaves();
      try {
        writer_.write(batch_, fences);
        return true;
      } catch (const DatabaseError& again) {
        if (again.connection_lost() || again.fenced() || !again.caused_by_data()) throw;
        writer_.make_ready();
      }
    } else if (!error.caused_by_data()) {
      throw;
    }
    const std::vector<Rejection> rejected = writer_.find_rejected(batch_);
    if (!rejected.empty()) {
      reject(rejected);
      return false;
    }
    // No row is to blame: then it is a dead letter whose place is taken.
    if (error.sqlstate() != "23505" || batch_.dead_letters().empty()) throw;
    writer_.write(batch_, fences, true);
    return true;
  }
}

// The connection was lost while the batch was on its way: the offsets tell whether it is in.
bool Worker::took_effect() {
  std::vector<PartitionId> places;
  for (const auto& [place, advance] : batch_.advances()) places.push_back(place);
  size_t applied = 0;
  size_t open = 0;
  const std::vector<ClaimedPartition> claimed = writer_.claim(places);
  for (const ClaimedPartition& one : claimed) {
    Owned& owned = owned_.at(one.place);
    owned.epoch = one.epoch;
    PartitionStatus status;
    status.epoch = one.epoch;
    status.next_offset = one.next_offset;
    shared_.ownership.add(one.place, status);
    if (one.next_offset == batch_.advances().at(one.place).next_offset) {
      ++applied;
    } else if (one.next_offset == owned.next_offset) {
      ++open;
    }
  }
  if (applied == places.size()) {
    spdlog::info("worker={} the batch was applied before the connection was lost", number_ + 1);
    return true;
  }
  if (open == places.size()) return false;
  throw DatabaseError("GM001", "another bridge has moved one of the partitions");
}

// Decodes the messages of the batch again; the refused ones become dead letters.
void Worker::reject(const std::vector<Rejection>& rejected) {
  for (const Rejection& one : rejected) {
    spdlog::warn("worker={} topic={} partition={} offset={} rejected by the database: {}",
                 number_ + 1, shared_.profile.topics[one.place.topic].name, one.place.partition,
                 one.offset, one.detail);
    rejected_[{one.place, one.offset}] = one.detail;
  }
  std::vector<KafkaMessage> again = std::move(in_batch_);
  in_batch_.clear();
  for (size_t i = pending_begin_; i < pending_.size(); ++i) again.push_back(std::move(pending_[i]));
  // The broker tells the end of a partition once: it must not be forgotten here.
  const std::map<PartitionId, Owned> before = owned_;
  for (auto& [place, advance] : batch_.advances()) {
    // Back to where the batch began.
    int64_t first = advance.next_offset;
    for (const BatchMessage& message : batch_.messages()) {
      if (message.place == place) first = std::min(first, message.offset);
    }
    owned_.at(place).position = first;
  }
  const size_t count = batch_.message_count();
  auto kept = std::move(rejected_);
  abandon_batch();
  rejected_ = std::move(kept);
  pending_ = std::move(again);
  pending_begin_ = 0;
  // As many as before, fewer when another worker has claimed an id in the meantime.
  while (batch_.message_count() < count && pending_begin_ < pending_.size()) {
    KafkaMessage& message = pending_[pending_begin_];
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      const auto place = source_->place_of(*message);
      const auto owned = place ? owned_.find(*place) : owned_.end();
      if (owned != owned_.end()) {
        if (!process(*message, *place, owned->second)) {
          if (batch_.empty()) continue;
          break;
        }
        in_batch_.push_back(std::move(message));
      }
    }
    ++pending_begin_;
  }
  for (auto& [place, owned] : owned_) {
    const Owned& then = before.at(place);
    if (then.at_end && owned.position == then.position) owned.at_end = true;
  }
}

void Worker::after_commit(double seconds) {
  if (group_) {
    if (claims_.size() <= kSmallBatch) {
      shared_.dedup.commit(*group_, claims_);
    } else {
      shared_.dedup.commit(*group_);
    }
    group_.reset();
  }
  std::vector<StartOffset> offsets;
  for (const auto& [place, advance] : batch_.advances()) {
    Owned& owned = owned_.at(place);
    owned.next_offset = advance.next_offset;
    shared_.ownership.committed(place, advance);
    shared_.ownership.set_end_offset(place, source_->cached_end(place));
    shared_.ownership.set_at_end(place, owned.at_end);
    shared_.remembered.set(place, advance.next_offset, owned.epoch);
    offsets.push_back({place, advance.next_offset});
  }
  for (const auto& [key, count] : dead_counts_) {
    shared_.metrics.dead_letter(key.first, key.second, count);
  }
  shared_.metrics.batch_committed(batch_, seconds);
  shared_.metrics.set_ready(number_, true);
  abandon_batch();
  close();
  const auto now = Clock_::now();
  if (!shared_.drain && now - last_tool_commit_ > std::chrono::seconds(1)) {
    last_tool_commit_ = now;
    source_->commit_for_tools(offsets);
  }
}

// Something was committed: windows may be due.
void Worker::close() {
  if (shared_.config.bridge.close_after_batch) {
    close_windows(writer_.connection(), Closing::kAll, shared_.fault_point, shared_.metrics);
  } else {
    shared_.closer.notify();
  }
}

// Drops what is in hand; ids that were claimed for it are free again.
void Worker::abandon_batch() {
  if (group_) shared_.dedup.abort(*group_);
  group_.reset();
  claims_.clear();
  rejected_.clear();
  dead_counts_.clear();
  batch_.clear();
  in_batch_.clear();
  batch_input_bytes_ = 0;
}

// Partitions whose end is reached and committed; the closer tells the database.
void Worker::report_ends() {
  if (!batch_.empty() || pending_begin_ < pending_.size()) return;
  bool changed = false;
  for (const auto& [place, owned] : owned_) {
    if (owned.at_end) changed |= shared_.ownership.set_at_end(place, true);
  }
  if (changed) shared_.closer.notify();
}

void Worker::redrive(bool all) {
  const auto now = Clock_::now();
  if (owned_.empty() || reassign_ || (!all && now - last_redrive_ < kRedriveRound)) return;
  last_redrive_ = now;
  Redriver::Epochs epochs;
  for (const auto& [place, owned] : owned_) epochs[place] = owned.epoch;
  bool begun = false;
  try {
    while (redriver_.waiting(epochs)) {
      // A redrive may wait for ids of another worker, and then nobody may wait for ours.
      if (flush() != Flushed::kYes) return;
      begun = true;
      if (redriver_.apply(epochs) == 0) return;
      close();
      if (!all) return;
    }
  } catch (const DatabaseError& error) {
    shared_.metrics.database_error();
    spdlog::error("worker={} redrives, sqlstate={} {}", number_ + 1, error.sqlstate(),
                  error.what());
    if (!error.connection_lost()) return;
    writer_.connection().close();
    if (!begun) return;
    // Whether the redrives are in is not known, so neither is what the memory of ids lacks.
    for (const auto& [place, epoch] : epochs) shared_.remembered.forget(place);
    reassign_ = true;
  }
}

bool Worker::pause(int attempt) {
  const int wait = std::min(2000, 100 << std::min(attempt - 1, 5));
  if (shared_.stop.requested()) {
    if (shared_.stop.age() > kStopPatience || shared_.stop.status() != 0) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(std::min(wait, 500)));
    return true;
  }
  shared_.stop.wait_for(std::chrono::milliseconds(wait));
  return true;
}

}  // namespace globalmart
