#include "bridge/dedup.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <random>

#include "bridge/error.hpp"

namespace globalmart {

namespace {

constexpr uint32_t kEmpty = 0;  // no group has the number 0
// A shard is rebuilt when it is fuller than this, to be as full as that.
constexpr double kFullest = 0.90;
constexpr double kAfterGrowth = 0.84;
constexpr size_t kFirstCapacity = 32;
constexpr Micros kHour = 3600 * kMicrosPerSecond;
constexpr Micros kNever = INT64_MIN;

enum class Phase : uint8_t { kFree, kClaimed, kCommitted, kAborted };

uint64_t scramble(uint64_t value, uint64_t key) {
  value ^= key;
  value *= 0xff51afd7ed558ccdull;
  value ^= value >> 32;
  value *= 0xc4ceb9fe1a85ec53ull;
  return value ^ value >> 29;
}

}  // namespace

// An id after mixing; ordered, equal only for equal ids.
struct Dedup::Mixed {
  uint64_t high;
  uint64_t low;
  bool operator==(const Mixed&) const = default;
  bool operator<(const Mixed& other) const {
    return high != other.high ? high < other.high : low < other.low;
  }
};

struct __attribute__((packed)) Dedup::Entry {
  uint64_t high;
  uint64_t low;
  uint32_t group;
  Mixed mixed() const { return {high, low}; }
};

struct Dedup::Shard {
  std::mutex mutex;
  // capacity + spill slots; sorted by id among those in use, none before its home.
  std::vector<Entry> entries;
  size_t capacity = 0;
  size_t used = 0;

  size_t home(const Mixed& id) const {
    // The top bits chose the shard: the next ones place the id in proportion.
    const uint64_t spread = id.high << 6 | id.low >> 58;
    return static_cast<size_t>(static_cast<unsigned __int128>(spread) * capacity >> 64);
  }
};

struct Dedup::GroupState {
  std::atomic<Phase> phase{Phase::kFree};
  std::atomic<uint32_t> ids{0};
  std::atomic<Micros> latest{kNever};
};

Dedup::Dedup(size_t topics, size_t max_ids)
    : topics_(topics),
      max_ids_(std::max<size_t>(max_ids, 1)),
      shards_(std::make_unique<Shard[]>(topics * kShards)),
      forget_before_(std::make_unique<std::atomic<Micros>[]>(topics)),
      forget_all_before_(kNever) {
  static_assert(sizeof(Entry) == 20);
  std::random_device random;
  for (uint64_t& key : keys_) key = uint64_t{random()} << 32 | random();
  for (size_t i = 0; i < topics; ++i) forget_before_[i] = kNever;
}

Dedup::~Dedup() = default;

// A Feistel network of four rounds: a bijection, and a different one in each process, so that
// nobody can choose ids that fall on one place.
Dedup::Mixed Dedup::mix(const Uuid& id) const {
  uint64_t left = 0;
  uint64_t right = 0;
  std::memcpy(&left, id.bytes.data(), 8);
  std::memcpy(&right, id.bytes.data() + 8, 8);
  left ^= scramble(right, keys_[0]);
  right ^= scramble(left, keys_[1]);
  left ^= scramble(right, keys_[2]);
  right ^= scramble(left, keys_[3]);
  return {left, right};
}

Dedup::Shard& Dedup::shard_of(size_t topic, const Mixed& mixed) const {
  return shards_[topic * kShards + (mixed.high >> 58)];
}

Dedup::GroupState& Dedup::state(Group group) const {
  return chunks_[group / kGroupsPerChunk][group % kGroupsPerChunk];
}

Dedup::Group Dedup::new_group_locked() {
  while (!free_groups_.empty()) {
    const Group group = free_groups_.back();
    free_groups_.pop_back();
    return group;
  }
  if (group_count_ == 0) group_count_ = 1;  // 0 means an empty slot
  const auto group = static_cast<Group>(group_count_++);
  if (group / kGroupsPerChunk >= kMaxChunks) throw std::length_error("too many groups of ids");
  auto& chunk = chunks_[group / kGroupsPerChunk];
  if (!chunk) chunk = std::make_unique<GroupState[]>(kGroupsPerChunk);
  return group;
}

Dedup::Group Dedup::begin_group() {
  const std::lock_guard lock(mutex_);
  const Group group = new_group_locked();
  GroupState& fresh = state(group);
  fresh.latest = kNever;
  fresh.phase = Phase::kClaimed;
  return group;
}

bool Dedup::is_dead(Group group, size_t topic) const {
  const GroupState& known = state(group);
  const Phase phase = known.phase.load(std::memory_order_acquire);
  if (phase == Phase::kAborted) return true;
  if (phase != Phase::kCommitted) return false;
  const Micros latest = known.latest.load(std::memory_order_relaxed);
  return latest < forget_before_[topic].load(std::memory_order_relaxed) ||
         latest < forget_all_before_.load(std::memory_order_relaxed);
}

void Dedup::drop_from_group(Group group) {
  ids_.fetch_sub(1, std::memory_order_relaxed);
  GroupState& known = state(group);
  if (known.ids.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  // The last id of a group that is over: its number can be used again.
  const Phase phase = known.phase.load(std::memory_order_acquire);
  if (phase == Phase::kClaimed) return;
  const std::lock_guard lock(mutex_);
  Phase expected = phase;
  if (known.ids.load() == 0 && known.phase.compare_exchange_strong(expected, Phase::kFree)) {
    std::erase_if(remembered_, [&](const Remembered& r) { return r.group == group; });
    free_groups_.push_back(group);
  }
}

Dedup::Answer Dedup::claim(Group group, size_t topic, const Uuid& id, Micros event_time) {
  const Answer answer = insert(group, topic, id, false);
  if (answer == Answer::kNew) {
    // Only the worker of the group writes it while it is claimed.
    GroupState& own = state(group);
    if (event_time > own.latest.load(std::memory_order_relaxed)) {
      own.latest.store(event_time, std::memory_order_relaxed);
    }
  }
  return answer;
}

Dedup::Answer Dedup::insert(Group group, size_t topic, const Uuid& id, bool remember) {
  const Mixed mixed = mix(id);
  Shard& shard = shard_of(topic, mixed);
  const std::lock_guard lock(shard.mutex);
  if (shard.used + 1 > static_cast<size_t>(static_cast<double>(shard.capacity) * kFullest)) {
    make_room(shard, topic);
  }
  size_t at = shard.home(mixed);
  while (true) {
    if (at + 1 >= shard.entries.size()) {
      // A run reached the end of the spill slots: spread the entries anew.
      rebuild(shard, topic, shard.capacity + shard.capacity / 8 + kFirstCapacity);
      at = shard.home(mixed);
      continue;
    }
    Entry& entry = shard.entries[at];
    if (entry.group == kEmpty || mixed < entry.mixed()) break;
    if (entry.mixed() == mixed) {
      const Group holder = entry.group;
      if (holder == group) return Answer::kDuplicate;
      const Phase phase = state(holder).phase.load(std::memory_order_acquire);
      if (phase == Phase::kClaimed && !remember) return Answer::kContested;
      if (phase == Phase::kCommitted && !is_dead(holder, topic)) return Answer::kDuplicate;
      // Aborted or forgotten: the place changes hands.
      entry.group = group;
      state(group).ids.fetch_add(1, std::memory_order_relaxed);
      ids_.fetch_add(1, std::memory_order_relaxed);
      drop_from_group(holder);
      return Answer::kNew;
    }
    ++at;
  }
  // Shift the run behind by one.
  size_t gap = at;
  while (gap < shard.entries.size() && shard.entries[gap].group != kEmpty) ++gap;
  if (gap == shard.entries.size()) {
    rebuild(shard, topic, shard.capacity + shard.capacity / 8 + kFirstCapacity);
    at = shard.home(mixed);
    while (shard.entries[at].group != kEmpty && shard.entries[at].mixed() < mixed) ++at;
    gap = at;
    while (shard.entries[gap].group != kEmpty) ++gap;
  }
  std::memmove(static_cast<void*>(&shard.entries[at + 1]), &shard.entries[at],
               (gap - at) * sizeof(Entry));
  shard.entries[at] = {mixed.high, mixed.low, group};
  ++shard.used;
  state(group).ids.fetch_add(1, std::memory_order_relaxed);
  ids_.fetch_add(1, std::memory_order_relaxed);
  return Answer::kNew;
}

void Dedup::make_room(Shard& shard, size_t topic) {
  if (ids_.load(std::memory_order_relaxed) >= max_ids_) enforce_cap();
  size_t alive = 0;
  for (const Entry& entry : shard.entries) {
    if (entry.group != kEmpty && !is_dead(entry.group, topic)) ++alive;
  }
  const auto wanted = static_cast<size_t>(static_cast<double>(alive + 1) / kAfterGrowth);
  rebuild(shard, topic, std::max(kFirstCapacity, wanted));
}

void Dedup::rebuild(Shard& shard, size_t topic, size_t capacity) {
  std::vector<Entry> old;
  old.swap(shard.entries);
  memory_.fetch_sub(old.size() * sizeof(Entry), std::memory_order_relaxed);
  size_t kept = 0;
  for (const Entry& entry : old) {
    if (entry.group == kEmpty) continue;
    if (is_dead(entry.group, topic)) {
      drop_from_group(entry.group);
    } else {
      old[kept++] = entry;
    }
  }
  old.resize(kept);
  shard.used = kept;
  // Repeated with more room in the unlikely case that the last run does not fit.
  for (shard.capacity = capacity;; shard.capacity += shard.capacity / 8 + kFirstCapacity) {
    const size_t spill = 16 + shard.capacity / 64;
    shard.entries.assign(shard.capacity + spill, Entry{0, 0, kEmpty});
    size_t next = 0;
    bool fits = true;
    for (const Entry& entry : old) {
      next = std::max(next, shard.home(entry.mixed()));
      if (next + 1 >= shard.entries.size()) {
        fits = false;
        break;
      }
      shard.entries[next++] = entry;
    }
    if (fits) break;
  }
  memory_.fetch_add(shard.entries.size() * sizeof(Entry), std::memory_order_relaxed);
}

// Moves the limit below which everything is forgotten up, so that about a tenth of the ids goes.
void Dedup::enforce_cap() {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<Micros, uint32_t>> groups;
  const Micros limit = forget_all_before_.load();
  size_t alive = 0;
  for (size_t group = 1; group < group_count_; ++group) {
    const GroupState& known = state(static_cast<Group>(group));
    const Micros latest = known.latest.load();
    if (known.phase.load() != Phase::kCommitted || latest < limit) continue;
    groups.emplace_back(latest, known.ids.load());
    alive += known.ids.load();
  }
  const size_t target = max_ids_ - max_ids_ / 10;
  if (alive <= target) return;
  std::sort(groups.begin(), groups.end());
  for (const auto& [latest, count] : groups) {
    if (alive <= target) break;
    forget_all_before_.store(latest + 1);
    alive -= count;
  }
  capped_ = true;
}

void Dedup::commit(Group group, std::span<const Claim> claims) {
  for (const Claim& claim : claims) remember(claim.topic, claim.id, claim.event_time);
  {
    const std::lock_guard lock(mutex_);
    GroupState& own = state(group);
    own.phase.store(Phase::kCommitted, std::memory_order_release);
    if (own.ids.load() == 0) {
      own.phase = Phase::kFree;
      free_groups_.push_back(group);
    }
  }
  changed_.notify_all();
}

void Dedup::abort(Group group) {
  {
    const std::lock_guard lock(mutex_);
    GroupState& own = state(group);
    own.phase.store(Phase::kAborted, std::memory_order_release);
    if (own.ids.load() == 0) {
      own.phase = Phase::kFree;
      free_groups_.push_back(group);
    }
  }
  changed_.notify_all();
}

void Dedup::wait_for_claim(size_t topic, const Uuid& id, double seconds) {
  const Mixed mixed = mix(id);
  const auto claimed = [&] {
    Shard& shard = shard_of(topic, mixed);
    const std::lock_guard lock(shard.mutex);
    if (shard.capacity == 0) return false;
    for (size_t at = shard.home(mixed); at < shard.entries.size(); ++at) {
      const Entry& entry = shard.entries[at];
      if (entry.group == kEmpty || mixed < entry.mixed()) return false;
      if (entry.mixed() == mixed) return state(entry.group).phase.load() == Phase::kClaimed;
    }
    return false;
  };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < deadline) {
    if (!claimed()) return;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(20));
  }
}

void Dedup::remember(size_t topic, const Uuid& id, Micros event_time) {
  const int64_t hour = event_time / kHour;
  Group group = 0;
  {
    const std::lock_guard lock(mutex_);
    for (const Remembered& known : remembered_) {
      if (known.hour == hour) group = known.group;
    }
    if (group == 0) {
      group = new_group_locked();
      GroupState& fresh = state(group);
      fresh.phase = Phase::kCommitted;
      fresh.latest = (hour + 1) * kHour;
      remembered_.push_back({hour, group});
    }
    // Held by this until the id is in, so that nobody takes the number back.
    state(group).ids.fetch_add(1);
  }
  ids_.fetch_add(1);
  insert(group, topic, id, true);
  drop_from_group(group);
}

void Dedup::forget_before(size_t topic, Micros limit) {
  Micros known = forget_before_[topic].load();
  while (limit > known && !forget_before_[topic].compare_exchange_weak(known, limit)) {
  }
}

}  // namespace globalmart
