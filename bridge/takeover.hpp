// Taking partitions over: where reading begins, whether the topic is still the one that was read
// before, and which ids must be known before the first message. All on the worker's thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "bridge/kafka_source.hpp"
#include "bridge/shared.hpp"
#include "bridge/writer.hpp"

namespace globalmart {

// A partition that a worker owns.
struct OwnPartition {
  int64_t epoch = 0;
  std::optional<int64_t> next_offset;  // committed
  int64_t position = 0;                // offset of the next message to take
  bool at_end = false;                 // the broker said so, after all that was taken
  int64_t drain_end = 0;               // --drain: take everything below

  Fence fence() const { return {epoch, next_offset, at_end}; }
};
using OwnPartitions = std::map<PartitionId, OwnPartition>;

struct Beginning {
  int64_t offset = 0;  // of the first message to take
  int64_t end = 0;     // offset of the partition's end now
  bool gap = false;    // what is between the committed offset and this one is gone by retention
};

// Asks the broker for each claimed partition; warns of messages that retention has removed before
// they were applied. Throws TopicMismatch where the topic is another one than before, KafkaError
// when the broker does not answer.
std::map<PartitionId, Beginning> find_beginnings(KafkaSource& source, const Profile& profile,
                                                 const std::vector<ClaimedPartition>& claimed,
                                                 bool start_at_latest);

// Fills the memory of ids for partitions that this process did not have before. `worker`: its
// number, for the log. Throws DatabaseError, or DatabaseSetBack when the database lacks what this
// process has committed.
void load_recent_ids(Shared& shared, Writer& writer, const std::vector<ClaimedPartition>& claimed,
                     size_t worker);

}  // namespace globalmart
