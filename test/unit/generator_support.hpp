// What the generator's tests share: a sink that keeps messages, and a shop that runs into it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "generator/event_time.hpp"
#include "generator/faults.hpp"
#include "generator/shop.hpp"

namespace globalmart::generator {

struct KeptMessage {
  Topic topic;
  Instant event_time;
  std::optional<std::string> key;
  std::optional<std::string> value;
  bool late;
  bool duplicate;
  std::optional<Corruption> corruption;

  bool operator==(const KeptMessage&) const = default;
};

class KeepingSink final : public Sink {
 public:
  void send(const Message& message) override {
    KeptMessage kept = {.topic = message.topic,
                        .event_time = message.event_time,
                        .key = {},
                        .value = {},
                        .late = message.late,
                        .duplicate = message.duplicate,
                        .corruption = message.corruption};
    if (message.key) kept.key.emplace(*message.key);
    if (message.value) kept.value.emplace(*message.value);
    messages.push_back(std::move(kept));
  }

  std::vector<KeptMessage> messages;
};

inline constexpr Instant kTestStart = 1'763'632'800 * kSecond;  // 2025-11-20T10:00:00Z

/// A small shop: 500 users, 200 products.
inline ShopOptions small_shop(uint64_t seed = 1) {
  ShopOptions options;
  options.world = {.seed = seed, .start = kTestStart, .users = 500, .products = 200};
  options.visits = 100;
  return options;
}

/// Everything that `count` steps at 20 events a second give, in order of arrival.
inline std::vector<KeptMessage> run_shop(const ShopOptions& options, int count,
                                         const FaultOptions& fault_options = {}) {
  KeepingSink sink;
  Faults faults(fault_options, options.world.seed, sink);
  Shop shop(options, faults);
  EventClock clock(options.world.start, 20, false, options.world.seed);
  shop.open();
  for (int i = 0; i < count; ++i) {
    const Instant now = clock.next();
    faults.advance(now);
    shop.step(now);
  }
  faults.finish();
  return std::move(sink.messages);
}

}  // namespace globalmart::generator
