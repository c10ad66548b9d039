#include "bridge/apply_batch.hpp"

#include "bridge/error.hpp"
#include "bridge/log.hpp"

namespace globalmart {

namespace {

// The connection was lost while the batch was on its way: the offsets tell whether it is in. An
// epoch that rose by more than this claim is another owner's: what that one has redriven is not in
// the memory of ids.
bool took_effect(Shared& shared, Writer& writer, const Batch& batch, OwnPartitions& own,
                 size_t worker) {
  std::vector<PartitionId> places;
  for (const auto& [place, advance] : batch.advances()) places.push_back(place);
  size_t applied = 0;
  size_t open = 0;
  bool owned_since = true;
  for (const ClaimedPartition& one : writer.claim(places)) {
    OwnPartition& owned = own.at(one.place);
    owned_since = owned_since && one.epoch == owned.epoch + 1;
    owned.epoch = one.epoch;
    PartitionStatus status;
    status.epoch = one.epoch;
    status.worker = worker;
    status.next_offset = one.next_offset;
    shared.ownership.add(one.place, status);
    if (one.next_offset == batch.advances().at(one.place).next_offset) {
      ++applied;
    } else if (one.next_offset == owned.next_offset) {
      ++open;
    }
  }
  if (!owned_since) {
    throw DatabaseError("GM001", "another bridge has owned one of the partitions");
  }
  if (applied == places.size()) {
    log_info("the batch was applied before the connection was lost", {{"worker", worker + 1}});
    return true;
  }
  if (open == places.size()) return false;
  throw DatabaseError("GM001", "another bridge has moved one of the partitions");
}

}  // namespace

std::vector<Rejection> apply_batch(Shared& shared, Writer& writer, Batch& batch, OwnPartitions& own,
                                   bool& uncertain, size_t worker) {
  writer.make_ready();
  if (uncertain) {
    if (took_effect(shared, writer, batch, own, worker)) return {};
    uncertain = false;
  }
  std::map<PartitionId, Fence> fences;
  for (auto& [place, advance] : batch.advances()) {
    fences[place] = own.at(place).fence();
    advance.last_message_hash = message_hash(batch.messages()[advance.last_message].message);
  }
  try {
    writer.write(batch, fences);
    return {};
  } catch (const DatabaseError& error) {
    if (error.connection_lost() || error.fenced()) throw;
    writer.make_ready();
    if (error.stale_leaf()) {
      // Perhaps only a leaf that was dropped or split off: once more with fresh ones.
      writer.forget_leaves();
      try {
        writer.write(batch, fences);
        return {};
      } catch (const DatabaseError& again) {
        if (again.connection_lost() || again.fenced() || !again.caused_by_data()) throw;
        writer.make_ready();
      }
    } else if (!error.caused_by_data()) {
      throw;
    }
    std::vector<Rejection> rejected = writer.find_rejected(batch);
    // No row is to blame: then it is a dead letter whose place is taken.
    if (rejected.empty()) {
      if (error.sqlstate() != "23505" || batch.dead_letters().empty()) throw;
      writer.write(batch, fences, true);
    }
    return rejected;
  }
}

}  // namespace globalmart
