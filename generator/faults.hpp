#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "generator/message.hpp"
#include "generator/random.hpp"

namespace globalmart::generator {

struct FaultOptions {
  double late = 0;               // share of events held back for long
  double late_by = 600;          // seconds of event time, up to twice as long
  double disorder = 0;           // seconds of event time that any event may be held back
  double duplicates = 0;         // share of events sent again
  double duplicate_within = 10;  // seconds of event time after the first one
  double corrupt = 0;            // share of events spoiled
};

/// What goes wrong between the shop and the topics: holds events back, repeats and spoils them.
/// Luck of its own, so the events themselves are the same whatever goes wrong. The catalogue and
/// what is spoiled or a repetition is not repeated; the catalogue is left alone.
/// Held messages take memory until the event time reaches theirs; beyond `kHeldBytes` the earliest
/// go out early. One thread.
class Faults final : public Sink {
 public:
  static constexpr size_t kHeldBytes = 256 << 20;

  /// The sink must outlive this. Throws std::invalid_argument for an impossible rate.
  Faults(const FaultOptions& options, uint64_t seed, Sink& out);

  void send(const Message& message) override;

  /// Sends what was held back until this event time.
  void advance(Instant now) {
    while (!held_.empty() && held_.front().due <= now) release_first();
  }
  /// Sends all that is held back.
  void finish() {
    while (!held_.empty()) release_first();
  }

 private:
  struct Held {
    Instant due;
    uint64_t sequence;
    uint32_t slot;
  };
  struct Slot {
    Message message;
    std::string key;
    std::string value;
  };

  void hold(const Message& message, Instant due);
  void release_first();

  FaultOptions options_;
  Sink& out_;
  Random random_;
  bool any_;
  std::vector<Held> held_;  // a heap, the earliest first
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  uint64_t sequence_ = 0;
  size_t held_bytes_ = 0;
  std::string spoiled_;
};

}  // namespace globalmart::generator
