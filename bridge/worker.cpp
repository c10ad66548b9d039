#include "bridge/worker.hpp"

#include <algorithm>
#include <thread>

#include "bridge/apply_batch.hpp"
#include "bridge/closing.hpp"
#include "bridge/error.hpp"
#include "bridge/log.hpp"

namespace globalmart {

namespace {

using Clock_ = std::chrono::steady_clock;

constexpr int kBrokerTimeoutMs = 10'000;
constexpr double kStopPatience = 10.0;  // seconds that a stop waits for the database
constexpr auto kRedriveRound = std::chrono::seconds(1);
// Who shares a name with another process in the group leaves it the partitions for so long.
constexpr auto kFencePause = std::chrono::seconds(10);

}  // namespace

Worker::Worker(Shared& shared, size_t number)
    : shared_(shared),
      number_(number),
      open_(shared),
      intake_(shared, number, open_, limit_),
      own_(intake_.own()),
      writer_(shared.config.postgres, shared.profile, "writer " + std::to_string(number + 1),
              shared.server_run, shared.fault_point),
      redriver_(shared, writer_, number) {}

void Worker::run() {
  try {
    work();
  } catch (const TopicMismatch& error) {
    shared_.stop.fail(kExitTopicMismatch, error.what());
  } catch (const DatabaseSetBack& error) {
    shared_.stop.begin_anew(error.what());
  } catch (const std::exception& error) {
    shared_.stop.fail(kExitFailed, error.what());
  }
  open_.abandon();
  let_go();
  shared_.metrics.set_ready(number_, false);
}

void Worker::work() {
  int attempt = 0;
  while (!shared_.stop.requested()) {
    bool fenced_by_name = false;
    try {
      run_session();
      return;
    } catch (const DatabaseError& error) {
      shared_.metrics.database_error();
      limit_.error("begins anew", error, {{"worker", number_ + 1}});
      if (error.fenced() && shared_.drain) throw;
    } catch (const KafkaError& error) {
      // The group or the broker: begin anew with a fresh client.
      LogLimit& limit = error.fenced() ? fences_ : limit_;
      if (limit.due(error.what())) log_error(error.what(), {{"worker", number_ + 1}});
      if (shared_.drain && (attempt >= 5 || error.refused())) throw;
      fenced_by_name = error.fenced();
    }
    open_.abandon();
    let_go();
    shared_.metrics.set_ready(number_, false);
    if (fenced_by_name) shared_.stop.wait_for(kFencePause);
    if (!pause(++attempt)) return;
  }
}

// From joining to leaving. Throws DatabaseError or KafkaError when it must begin anew.
void Worker::run_session() {
  fenced_ = false;
  source_.reset();
  source_ = std::make_unique<KafkaSource>(
      shared_.config.kafka, shared_.topics,
      shared_.instance_id.empty() ? "" : shared_.instance_id + "-" + std::to_string(number_ + 1),
      shared_.kafka_log);
  intake_.read_from(*source_);
  start_reading();
  while (!shared_.stop.requested()) {
    intake_.take_messages();
    if (fenced_) throw DatabaseError("GM001", "another bridge owns one of the partitions now");
    fill_batch();
    if (auto places = source_->take_assignment()) {
      take_over(*places);
    } else if (intake_.reassign()) {
      std::vector<PartitionId> places_again;
      for (const auto& [place, owned] : own_) places_again.push_back(place);
      if (flush() != Flushed::kYes) continue;
      take_over(places_again);
    }
    const bool aged = shared_.config.bridge.batch_age_ms > 0 && !open_.empty();
    const bool end = shared_.drain && intake_.drained();
    if (aged || open_.full() || end) flush();
    if (fenced_) throw DatabaseError("GM001", "another bridge owns one of the partitions now");
    report_ends();
    const bool done = end && open_.empty();
    redrive(done);
    if (fenced_) throw DatabaseError("GM001", "another bridge owns one of the partitions now");
    if (done && !intake_.reassign()) break;
  }
  if (shared_.stop.begins_anew()) open_.abandon();
  if (flush() == Flushed::kYes) report_ends();
  if (shared_.stop.at_once()) open_.abandon();
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
  intake_.reassigned();
  shared_.metrics.set_ready(number_, false);
  let_go();
  int attempt = 0;
  std::vector<ClaimedPartition> claimed;
  while (true) {
    try {
      writer_.make_ready();
      claimed = writer_.claim(places);
      load_recent_ids(shared_, writer_, claimed, number_);
      break;
    } catch (const DatabaseError& error) {
      shared_.metrics.database_error();
      limit_.error("cannot claim partitions", error, {{"worker", number_ + 1}});
      if (error.connection_lost()) writer_.connection().close();
      if (!pause(++attempt) || source_->assignment_lost()) return;
    }
  }
  // The broker is asked before reading begins: afterwards each answer waits behind a fetch.
  const auto beginnings =
      find_beginnings(*source_, shared_.profile, claimed, shared_.config.kafka.start_at_latest);
  std::vector<StartOffset> list;
  for (const ClaimedPartition& one : claimed) {
    const Beginning& beginning = beginnings.at(one.place);
    OwnPartition owned;
    owned.epoch = one.epoch;
    owned.next_offset = one.next_offset;
    owned.position = beginning.offset;
    if (beginning.gap) shared_.metrics.gone(one.place, *one.next_offset, beginning.offset);
    owned.drain_end = drain_ends_.emplace(one.place, beginning.end).first->second;
    if (!one.next_offset && shared_.config.kafka.start_at_latest) {
      // Written down at once: the next start must not skip what comes until then.
      writer_.start_at(one.place, owned.fence(), owned.position);
      owned.next_offset = owned.position;
    }
    own_[one.place] = owned;
    PartitionStatus status;
    status.epoch = one.epoch;
    status.worker = number_;
    status.next_offset = owned.next_offset;
    shared_.ownership.add(one.place, status);
    list.push_back({one.place, owned.position});
  }
  source_->assign(list);
  shared_.metrics.set_ready(number_, true);
  log_info("owns " + std::to_string(list.size()) + " partitions", {{"worker", number_ + 1}});
}

// Called by librdkafka from within consume or close: the last moment to commit what is in hand.
void Worker::on_revoked() {
  if (shared_.stop.begins_anew()) open_.abandon();
  if (!open_.empty() && !source_->assignment_lost() && !fenced_) flush();
  open_.abandon();
  let_go();
}

void Worker::let_go() {
  for (const auto& [place, owned] : own_) shared_.ownership.remove(place, owned.epoch);
  intake_.clear();
}

// Moves what was taken into the batch; a batch that is full is applied on the way.
void Worker::fill_batch() {
  while (true) {
    switch (intake_.fill_batch()) {
      case Intake::Filled::kAll:
        return;
      case Intake::Filled::kFull:
        if (flush() != Flushed::kYes) return;
        break;
      case Intake::Filled::kContested:
        // Another worker's batch holds this id: end the own batch, then wait.
        if (!open_.empty()) {
          if (flush() != Flushed::kYes) return;
        } else if (shared_.stop.requested()) {
          return;
        }
        break;
    }
  }
}

// Applies the batch in hand, as often as it takes. Afterwards there is no batch.
Worker::Flushed Worker::flush() {
  if (open_.empty()) return Flushed::kYes;
  bool uncertain = false;
  for (int attempt = 0; !open_.empty();) {
    try {
      const auto start = Clock_::now();
      const std::vector<Rejection> refused =
          apply_batch(shared_, writer_, open_.batch(), own_, uncertain, number_);
      if (refused.empty()) {
        after_commit(Seconds(Clock_::now() - start).count());
        return Flushed::kYes;
      }
      intake_.redo(refused);
      continue;
    } catch (const DatabaseError& error) {
      shared_.metrics.database_error();
      if (error.fenced()) {
        log_warn("another bridge owns one of the partitions now", {{"worker", number_ + 1}});
        fenced_ = true;
        give_up(uncertain);
        return Flushed::kFenced;
      }
      limit_.error("the batch was not applied", error, {{"worker", number_ + 1}});
      if (error.connection_lost()) {
        writer_.connection().close();
        uncertain = true;
      }
      writer_.forget_leaves();
    } catch (const DatabaseSetBack& error) {
      shared_.stop.begin_anew(error.what());
      give_up(uncertain);
      return Flushed::kGivenUp;
    } catch (...) {
      give_up(uncertain);
      throw;
    }
    shared_.metrics.set_ready(number_, false);
    if (!pause(++attempt) || (!shared_.drain && source_->assignment_lost())) {
      // What follows must not be applied without this: wait to be assigned anew.
      give_up(uncertain);
      return Flushed::kGivenUp;
    }
  }
  return Flushed::kYes;
}

// The ids of a batch that may be in the database must be neither free, since a copy in another
// worker's partition would be let in, nor known, since the batch may come again.
void Worker::give_up(bool uncertain) {
  if (uncertain) {
    shared_.stop.begin_anew(
        "whether a batch was applied before its connection was lost is not "
        "known, and its partitions are gone");
    open_.abandon_uncertain();
  } else {
    open_.abandon();
  }
  let_go();
}

void Worker::after_commit(double seconds) {
  open_.commit(seconds);
  std::vector<StartOffset> offsets;
  for (const auto& [place, advance] : open_.batch().advances()) {
    OwnPartition& owned = own_.at(place);
    owned.next_offset = advance.next_offset;
    shared_.ownership.committed(place, owned.epoch, advance);
    shared_.ownership.set_end_offset(place, owned.epoch, source_->cached_end(place));
    shared_.ownership.set_at_end(place, owned.epoch, owned.at_end);
    shared_.remembered.set(place, advance.next_offset, owned.epoch);
    offsets.push_back({place, advance.next_offset});
  }
  shared_.metrics.set_ready(number_, true);
  limit_.over();
  open_.abandon();
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

// Partitions whose end is reached and committed; the closer tells the database.
void Worker::report_ends() {
  if (!open_.empty() || !intake_.taken()) return;
  bool changed = false;
  for (const auto& [place, owned] : own_) {
    if (owned.at_end) changed |= shared_.ownership.set_at_end(place, owned.epoch, true);
  }
  if (changed) shared_.closer.notify();
}

void Worker::redrive(bool all) {
  const auto now = Clock_::now();
  if (own_.empty() || intake_.reassign() || (!all && now - last_redrive_ < kRedriveRound)) return;
  last_redrive_ = now;
  Redriver::Epochs epochs;
  for (const auto& [place, owned] : own_) epochs[place] = owned.epoch;
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
    limit_.error("redrives wait", error, {{"worker", number_ + 1}});
    if (!error.connection_lost()) return;
    writer_.connection().close();
    if (!begun) return;
    shared_.stop.begin_anew(
        "whether redrives were applied before the connection was lost is not known");
  }
}

bool Worker::pause(int attempt) {
  const int wait = std::min(2000, 100 << std::min(attempt - 1, 5));
  if (shared_.stop.requested()) {
    if (shared_.stop.age() > kStopPatience || shared_.stop.at_once()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(std::min(wait, 500)));
    return true;
  }
  shared_.stop.wait_for(std::chrono::milliseconds(wait));
  return true;
}

}  // namespace globalmart
