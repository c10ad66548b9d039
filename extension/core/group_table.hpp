// The groups of one batch, or of one merge: a hash table from (slice, key) to aggregate states. For
// session windows a key has a chain of segments: runs of events no further apart than the gap.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/arena.hpp"
#include "core/group_state.hpp"
#include "core/hash.hpp"

namespace globalmart {

struct alignas(16) Group {
  Group* next_segment;  // sessions only
  uint64_t hash;
  int64_t slice;  // start of the slice; 0 for sessions
  int64_t first;  // least and greatest event time folded in
  int64_t last;
  const char* key_bytes;
  uint32_t key_length;
  uint64_t rows;  // folded in; 0 for what is merged from chunks

  std::string_view key() const { return {key_bytes, key_length}; }
  char* states() { return reinterpret_cast<char*>(this + 1); }
  const char* states() const { return reinterpret_cast<const char*>(this + 1); }
};
static_assert(sizeof(Group) % 16 == 0);

// Whether two times of one session key, or what lies before and after them, are no further apart
// than the gap. Right for all times, the ends of the scale too.
inline bool within_gap(int64_t earlier, int64_t later, int64_t gap) {
  return later <= earlier || static_cast<uint64_t>(later) - static_cast<uint64_t>(earlier) <=
                                 static_cast<uint64_t>(gap);
}

class GroupTable {
 public:
  explicit GroupTable(std::vector<AggregateSpec> specs) : states_(std::move(specs), arena_) {
    index_.resize(kInitialSlots);
  }
  GroupTable(const GroupTable&) = delete;
  GroupTable& operator=(const GroupTable&) = delete;

  GroupStates& states() { return states_; }
  const std::vector<Group*>& groups() const {
    return groups_;
  }  // first segments, in order of birth
  size_t memory() const { return arena_.total() + index_.size() * sizeof(Slot); }

  // The group of (slice, key), made when it is not there. `hash` is of the key alone.
  Group& at(uint64_t hash, int64_t slice, std::string_view key) {
    hash = secret_ ? secret_hash_of(slice, key) : mix64(hash ^ static_cast<uint64_t>(slice));
    if ((groups_.size() + 1) * 2 > index_.size()) grow();
    size_t slot = hash & (index_.size() - 1);
    int probes = 0;
    for (; index_[slot].group != nullptr; slot = (slot + 1) & (index_.size() - 1)) {
      Group& group = *index_[slot].group;
      if (index_[slot].hash == hash && group.slice == slice && group.key() == key) return group;
      if (++probes == kMostProbes && !secret_) [[unlikely]] {
        hash_by_secret();
        return at(hash, slice, key);
      }
    }
    Group& group = make(hash, slice, key);
    index_[slot] = {hash, &group};
    groups_.push_back(&group);
    return group;
  }

  // The segment of a session key that an event at `time` belongs to, widened to hold it. Two
  // segments that grow together stay two; whoever closes sessions joins them. So only the first
  // segment and the newest are tried: a key whose events lie far apart would walk all of them for
  // each event.
  Group& segment_at(uint64_t hash, std::string_view key, int64_t time, int64_t gap) {
    Group& head = at(hash, 0, key);
    if (head.first > head.last) {
      head.first = head.last = time;
      return head;
    }
    int tried = 0;
    for (Group* segment = &head; segment != nullptr && tried < kSegmentsTried;
         segment = segment->next_segment, ++tried) {
      if (within_gap(time, segment->first, gap) && within_gap(segment->last, time, gap)) {
        if (time < segment->first) segment->first = time;
        if (time > segment->last) segment->last = time;
        return *segment;
      }
    }
    Group& added = add_segment(head);
    added.first = added.last = time;
    return added;
  }

  // A further, empty segment for the key of `head`.
  Group& add_segment(Group& head) {
    Group& added = make(head.hash, head.slice, head.key(), /*copy_key=*/false);
    added.next_segment = head.next_segment;
    head.next_segment = &added;
    return added;
  }

  // Whether keys that collide were met, and the caller's hash given up for one with a secret.
  bool hashes_by_secret() const { return secret_; }

  // Every group: for sessions every segment of every key.
  std::vector<Group*> all() const {
    std::vector<Group*> groups;
    groups.reserve(groups_.size());
    for (Group* head : groups_)
      for (Group* group = head; group != nullptr; group = group->next_segment)
        groups.push_back(group);
    return groups;
  }

  void clear() {
    groups_.clear();
    states_.clear();
    arena_.clear();
    secret_ = false;
    if (index_.size() > kKeptSlots) {
      index_.clear();
      index_.resize(kInitialSlots);
      index_.shrink_to_fit();
    } else {
      std::fill(index_.begin(), index_.end(), Slot{});
    }
  }

 private:
  static constexpr int kSegmentsTried = 64;
  static constexpr size_t kInitialSlots = 256;
  static constexpr size_t kKeptSlots = 1 << 17;
  // Half full at most: no table that fits into memory comes near it by chance.
  static constexpr int kMostProbes = 256;
  struct Slot {
    uint64_t hash = 0;
    Group* group = nullptr;
  };

  Group& make(uint64_t hash, int64_t slice, std::string_view key, bool copy_key = true) {
    auto* group = reinterpret_cast<Group*>(arena_.allocate(sizeof(Group) + states_.size()));
    if (copy_key) key = arena_.copy(key);
    *group = {nullptr, hash, slice, kNever, -kNever, key.data(), static_cast<uint32_t>(key.size()),
              0};
    states_.initialize(group->states());
    return *group;
  }
  static uint64_t secret_hash_of(int64_t slice, std::string_view key) {
    return mix64(secret_hash(key.data(), key.size()) ^ static_cast<uint64_t>(slice));
  }
  // Keys come from anyone who may write to a topic, and can be made to collide. The order of
  // groups stays that of their births.
  void hash_by_secret() {
    std::vector<Slot> other(index_.size());
    for (Group* group : groups_) {
      group->hash = secret_hash_of(group->slice, group->key());
      size_t slot = group->hash & (other.size() - 1);
      while (other[slot].group != nullptr) slot = (slot + 1) & (other.size() - 1);
      other[slot] = {group->hash, group};
    }
    index_ = std::move(other);
    secret_ = true;
  }
  void grow() {
    std::vector<Slot> bigger(index_.size() * 2);
    for (const Slot& old : index_) {
      if (old.group == nullptr) continue;
      size_t slot = old.hash & (bigger.size() - 1);
      while (bigger[slot].group != nullptr) slot = (slot + 1) & (bigger.size() - 1);
      bigger[slot] = old;
    }
    index_ = std::move(bigger);
  }
  static constexpr int64_t kNever = INT64_MAX;

  Arena arena_;
  GroupStates states_;
  std::vector<Slot> index_;
  std::vector<Group*> groups_;
  bool secret_ = false;
};

// Joins the segments of one session key: sorts them by time and merges what is no further apart
// than the gap. `segments` then holds the sessions, oldest first.
inline void join_segments(GroupStates& states, std::vector<Group*>& segments, int64_t gap) {
  std::sort(segments.begin(), segments.end(),
            [](const Group* a, const Group* b) { return a->first < b->first; });
  size_t kept = 0;
  for (size_t i = 1; i < segments.size(); ++i) {
    if (within_gap(segments[kept]->last, segments[i]->first, gap)) {
      segments[kept]->last = std::max(segments[kept]->last, segments[i]->last);
      states.merge(segments[kept]->states(), segments[i]->states());
    } else {
      segments[++kept] = segments[i];
    }
  }
  if (!segments.empty()) segments.resize(kept + 1);
}

}  // namespace globalmart
