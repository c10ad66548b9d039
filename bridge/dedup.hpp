// The memory of event ids: which ids of a topic were seen, so that a repetition is dropped. Shared
// by all workers of the process.
//
// An id takes 20 bytes: its 16, mixed by a keyed bijection so that they are their own hash, and the
// number of the group that brought it. A shard is one array sorted by the mixed id with gaps
// (linear probing with order kept), so that growing is a pass over memory and 83-90 % of it is in
// use.
//
// A group is what one batch of one worker claimed. It is claimed, then committed or aborted as a
// whole, in constant time; ids are forgotten by whole groups, when the greatest event time in the
// group lies before the horizon.
//
// Who finds an id that another worker has claimed cannot know yet: the answer is kContested. It
// ends its own batch first, so that it holds no claims, and then waits: no two workers can wait for
// each other.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "bridge/instant.hpp"
#include "bridge/uuid.hpp"

namespace globalmart {

class Dedup {
 public:
  // `topics`: number of topics; `max_ids`: the cap over all topics.
  Dedup(size_t topics, size_t max_ids);
  ~Dedup();
  Dedup(const Dedup&) = delete;
  Dedup& operator=(const Dedup&) = delete;

  using Group = uint32_t;

  enum class Answer : uint8_t {
    kNew,        // claimed for the group
    kDuplicate,  // seen before, in this batch or a committed one
    kContested,  // claimed by a batch that is still under way elsewhere
  };

  // A batch begins: a group to claim ids for. Any thread.
  Group begin_group();
  // Claims an id with its event time for a group of the calling thread.
  Answer claim(Group group, size_t topic, const Uuid& id, Micros event_time);
  struct Claim {
    size_t topic;
    Uuid id;
    Micros event_time;
  };
  // The batch is committed: its ids are seen. Wakes those who wait. The claims of a small batch may
  // be given: its ids then join a group of their hour, so that many small batches need no memory
  // of their own.
  void commit(Group group, std::span<const Claim> claims = {});
  // The batch was not applied: its ids are free again. Wakes those who wait.
  void abort(Group group);
  // Waits until this id is no longer claimed by a batch under way, or `seconds` have passed. The
  // caller must hold no claims of its own.
  void wait_for_claim(size_t topic, const Uuid& id, double seconds);

  // An id known from the database, as committed. Many of these share a group by event time.
  void remember(size_t topic, const Uuid& id, Micros event_time);

  // Groups of a topic whose events all lie before `limit` may be forgotten.
  void forget_before(size_t topic, Micros limit);

  size_t size() const { return ids_.load(std::memory_order_relaxed); }
  // Bytes of the shards.
  size_t memory() const { return memory_.load(std::memory_order_relaxed); }
  // Whether the cap made it forget ids that the horizon would have kept.
  bool capped() const { return capped_.load(std::memory_order_relaxed); }

 private:
  struct Entry;
  struct Shard;
  struct GroupState;
  struct Mixed;

  static constexpr size_t kShards = 64;
  static constexpr size_t kGroupsPerChunk = 4096;
  static constexpr size_t kMaxChunks = 1024;

  Mixed mix(const Uuid& id) const;
  Shard& shard_of(size_t topic, const Mixed& mixed) const;
  GroupState& state(Group group) const;
  Group new_group_locked();
  Answer insert(Group group, size_t topic, const Uuid& id, bool remember);
  bool is_dead(Group group, size_t topic) const;
  void make_room(Shard& shard, size_t topic);
  void rebuild(Shard& shard, size_t topic, size_t capacity);
  void enforce_cap();
  void drop_from_group(Group group);

  const size_t topics_;
  const size_t max_ids_;
  std::array<uint64_t, 4> keys_;
  std::unique_ptr<Shard[]> shards_;                       // topics_ * kShards
  std::unique_ptr<std::atomic<Micros>[]> forget_before_;  // by topic
  std::atomic<Micros> forget_all_before_;                 // set by the cap

  mutable std::mutex mutex_;  // guards the list of groups and the waiting
  std::condition_variable changed_;
  std::array<std::unique_ptr<GroupState[]>, kMaxChunks> chunks_;
  size_t group_count_ = 0;
  std::vector<Group> free_groups_;
  struct Remembered {
    int64_t hour;
    Group group;
  };
  std::vector<Remembered> remembered_;

  std::atomic<size_t> ids_{0};
  std::atomic<size_t> memory_{0};
  std::atomic<bool> capped_{false};
};

}  // namespace globalmart
