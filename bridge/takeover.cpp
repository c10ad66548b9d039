#include "bridge/takeover.hpp"

#include <string>

#include "bridge/error.hpp"
#include "bridge/log.hpp"

namespace globalmart {

namespace {

constexpr int kBrokerTimeoutMs = 10'000;

// `topic`: by its name in the database, which reset_offsets() wants.
std::string mismatch_advice(const std::string& topic) {
  std::string quoted;
  for (const char c : topic) quoted.append(c == '\'' ? 2 : 1, c);
  return "Nothing was changed. Bring the old topic back, use a new database, or begin anew beside "
         "the old rows: SELECT globalmart.reset_offsets('" +
         quoted + "')";
}

std::string name_of(const KafkaSource& source, PartitionId place) {
  return source.topic_name(place.topic) + " partition " + std::to_string(place.partition);
}

// Where to begin by the offsets alone.
int64_t first_offset(const std::string& name, const std::string& topic,
                     const ClaimedPartition& claimed, const Watermarks& marks,
                     bool start_at_latest) {
  if (!claimed.next_offset) return start_at_latest ? marks.high : marks.low;
  const int64_t next = *claimed.next_offset;
  if (next > marks.high) {
    throw TopicMismatch(name + " ends at offset " + std::to_string(marks.high) +
                        ", but everything below " + std::to_string(next) +
                        " is applied: the topic was recreated or its log was lost. " +
                        mismatch_advice(topic));
  }
  if (next < marks.low) {
    log_warn(name + ": offsets " + std::to_string(next) + " to " + std::to_string(marks.low - 1) +
             " are gone by retention; going on at " + std::to_string(marks.low));
    return marks.low;
  }
  return next;
}

// Reads the last messages that were applied again: they must be the same.
void compare_last_messages(KafkaSource& source, const Profile& profile,
                           const std::vector<const ClaimedPartition*>& known) {
  std::vector<StartOffset> last;
  for (const ClaimedPartition* one : known) last.push_back({one->place, *one->next_offset - 1});
  const auto found = source.read_at(last, kBrokerTimeoutMs);
  for (size_t i = 0; i < last.size(); ++i) {
    // Compacted away: nothing to compare.
    if (!found[i] || found[i]->offset != last[i].offset) continue;
    const ClaimedPartition& one = *known[i];
    if (found[i]->hash == *one.last_message_hash && found[i]->time == one.last_message_time) {
      continue;
    }
    throw TopicMismatch(name_of(source, one.place) + ": the message at offset " +
                        std::to_string(last[i].offset) +
                        " is not the one that was applied: the topic was recreated. " +
                        mismatch_advice(profile.topics[one.place.topic].name));
  }
}

}  // namespace

std::map<PartitionId, Beginning> find_beginnings(KafkaSource& source, const Profile& profile,
                                                 const std::vector<ClaimedPartition>& claimed,
                                                 bool start_at_latest) {
  std::map<PartitionId, Beginning> beginnings;
  std::vector<const ClaimedPartition*> known;
  for (const ClaimedPartition& one : claimed) {
    const Watermarks marks = source.watermarks(one.place, kBrokerTimeoutMs);
    const int64_t first =
        first_offset(name_of(source, one.place), profile.topics[one.place.topic].name, one, marks,
                     start_at_latest);
    const bool gap = one.next_offset && first > *one.next_offset;
    beginnings[one.place] = {first, marks.high, gap};
    if (one.next_offset && first == *one.next_offset && first > marks.low &&
        one.last_message_hash) {
      known.push_back(&one);
    }
  }
  compare_last_messages(source, profile, known);
  return beginnings;
}

namespace {

// The memory would drop as repeated what the database has lost. Every worker may have judged by it
// since, so it cannot be mended under them: the whole process begins anew.
void require_not_set_back(const Shared& shared, const ClaimedPartition& one) {
  if (!shared.remembered.set_back(one.place, one.next_offset, one.epoch)) return;
  throw DatabaseSetBack("the database lacks what was committed of " +
                        shared.profile.topics[one.place.topic].name + " partition " +
                        std::to_string(one.place.partition));
}

// After the process has begun anew: says what the database has lost.
void warn_of_loss(const Shared& shared, const ClaimedPartition& one, size_t worker) {
  const auto before = shared.committed_before.find(one.place);
  if (before == shared.committed_before.end()) return;
  const int64_t next = one.next_offset.value_or(0);
  if (next >= before->second) return;
  log_warn("the database is at offset " + std::to_string(next) + ", but everything below " +
               std::to_string(before->second) +
               " was committed: it was set back (a failover to a standby that lagged, a recovery "
               "to a point in time, or reset_offsets); going on at " +
               std::to_string(next),
           {{"worker", worker + 1},
            {"topic", shared.profile.topics[one.place.topic].name},
            {"partition", one.place.partition}});
}

}  // namespace

void load_recent_ids(Shared& shared, Writer& writer, const std::vector<ClaimedPartition>& claimed,
                     size_t worker) {
  std::map<uint32_t, std::vector<int32_t>> unknown;
  for (const ClaimedPartition& one : claimed) {
    require_not_set_back(shared, one);
    warn_of_loss(shared, one, worker);
    if (shared.profile.topics[one.place.topic].id < 0) continue;
    if (shared.remembered.knows(one.place, one.next_offset, one.epoch)) continue;
    unknown[one.place.topic].push_back(one.place.partition);
  }
  for (const auto& [topic, partitions] : unknown) {
    size_t count = 0;
    const uint32_t topic_index = topic;
    writer.read_recent_ids(shared.profile.topics[topic], partitions,
                           [&](const Uuid& id, Micros time) {
                             shared.dedup.remember(topic_index, id, time);
                             ++count;
                           });
    log_info("remembers " + std::to_string(count) + " ids of " + std::to_string(partitions.size()) +
                 " partitions",
             {{"worker", worker + 1}, {"topic", shared.profile.topics[topic].name}});
  }
  for (const ClaimedPartition& one : claimed) {
    if (one.next_offset) shared.remembered.set(one.place, *one.next_offset, one.epoch);
  }
}

}  // namespace globalmart
