#include "generator/faults.hpp"

#include <algorithm>
#include <stdexcept>

#include "generator/corrupter.hpp"

namespace globalmart::generator {
namespace {

constexpr uint64_t kFaultDomain = 0x6661756c7473;

/// Orders a heap so that the earliest comes first, what came first where times are equal.
constexpr auto kLater = [](const auto& a, const auto& b) {
  return a.due != b.due ? a.due > b.due : a.sequence > b.sequence;
};

}  // namespace

Faults::Faults(const FaultOptions& options, uint64_t seed, Sink& out)
    : options_(options), out_(out), random_(mix(seed) ^ kFaultDomain) {
  for (double rate : {options.late, options.duplicates, options.corrupt})
    if (!(rate >= 0 && rate <= 1)) throw std::invalid_argument("a rate is not between 0 and 1");
  for (double seconds : {options.late_by, options.disorder, options.duplicate_within})
    if (!(seconds >= 0 && seconds <= 1e9)) throw std::invalid_argument("impossible seconds");
  any_ = options.late > 0 || options.disorder > 0 || options.duplicates > 0 || options.corrupt > 0;
}

void Faults::send(const Message& message) {
  if (!any_ || is_catalogue(message.topic)) return out_.send(message);
  Message sent = message;
  Instant due = message.event_time;
  if (options_.disorder > 0)
    due += static_cast<Instant>(options_.disorder * kSecond * random_.unit());
  if (random_.chance(options_.late)) {
    sent.late = true;
    due += static_cast<Instant>(options_.late_by * kSecond * (1 + random_.unit()));
  }
  if (random_.chance(options_.corrupt)) {
    const auto how = static_cast<Corruption>(random_.below(kCorruptionCount));
    corrupt(how, *message.value, random_, spoiled_);
    sent.corruption = how;
    sent.value = spoiled_;
    if (how == Corruption::kTombstone) sent.value.reset();
  }
  if (due > message.event_time)
    hold(sent, due);
  else
    out_.send(sent);
  if (!sent.corruption && random_.chance(options_.duplicates)) {
    Message again = message;
    again.duplicate = true;
    hold(again, due + static_cast<Instant>(options_.duplicate_within * kSecond * random_.unit()));
  }
}

void Faults::hold(const Message& message, Instant due) {
  uint32_t slot;
  if (free_slots_.empty()) {
    slot = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  Slot& kept = slots_[slot];
  kept.message = message;
  kept.key.assign(message.key.value_or(""));
  kept.value.assign(message.value.value_or(""));
  held_bytes_ += kept.key.size() + kept.value.size();
  held_.push_back({due, sequence_++, slot});
  std::push_heap(held_.begin(), held_.end(), kLater);
  while (held_bytes_ > kHeldBytes) release_first();
}

void Faults::release_first() {
  std::pop_heap(held_.begin(), held_.end(), kLater);
  const uint32_t slot = held_.back().slot;
  held_.pop_back();
  Slot& kept = slots_[slot];
  // The texts moved with the vector of slots, so the views are made anew.
  if (kept.message.key) kept.message.key = kept.key;
  if (kept.message.value) kept.message.value = kept.value;
  out_.send(kept.message);
  held_bytes_ -= kept.key.size() + kept.value.size();
  if (kept.value.capacity() > 4096) std::string().swap(kept.value);
  free_slots_.push_back(slot);
}

}  // namespace globalmart::generator
