#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "generator/event_time.hpp"

namespace globalmart::generator {

/// The topics that the shop writes, in the order in which reports name them.
enum class Topic { kTransactions, kCart, kViews, kInventory, kUsers, kProducts };

inline constexpr size_t kTopicCount = 6;

constexpr size_t index_of(Topic topic) { return static_cast<size_t>(topic); }

constexpr bool is_catalogue(Topic topic) {
  return topic == Topic::kUsers || topic == Topic::kProducts;
}

/// Names of the topics in Kafka and of the files, by index_of.
using TopicNames = std::array<std::string, kTopicCount>;

inline TopicNames default_topic_names() {
  return {"transactions-topic",     "cart-events-topic", "product-views-topic",
          "inventory-events-topic", "users-topic",       "products-topic"};
}

/// The member of a topic's messages that is the Kafka key.
constexpr std::string_view key_member(Topic topic) {
  constexpr std::array<std::string_view, kTopicCount> kMembers = {
      "transaction_id", "user_id", "user_id", "product_id", "user_id", "product_id"};
  return kMembers[index_of(topic)];
}

/// Why a reader must refuse a message: the reasons of the event contract that a producer can
/// cause.
enum class Corruption {
  kTombstone,
  kTooLarge,
  kInvalidUtf8,
  kInvalidJson,
  kTooDeep,
  kDuplicateMember,
  kNulCharacter,
  kLoneSurrogate,
  kNotAnObject,
  kMissingMember,
  kIllTyped,
  kOutOfRange,
  kBadTimestamp,
  kFutureTimestamp
};

inline constexpr size_t kCorruptionCount = 14;

/// The reason's name in `globalmart.dead_letters`.
constexpr std::string_view name_of(Corruption corruption) {
  constexpr std::array<std::string_view, kCorruptionCount> kNames = {
      "tombstone",        "too_large",     "invalid_utf8",   "invalid_json",    "too_deep",
      "duplicate_member", "nul_character", "lone_surrogate", "not_an_object",   "missing_member",
      "ill_typed",        "out_of_range",  "bad_timestamp",  "future_timestamp"};
  return kNames[static_cast<size_t>(corruption)];
}

/// One message on its way. Its texts belong to whoever made it and last until the call returns.
struct Message {
  Topic topic;
  Instant event_time;
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;  // without: a null value
  bool late = false;                      // held back on purpose, for longer than disorder
  bool duplicate = false;                 // a repetition of an earlier message
  std::optional<Corruption> corruption = std::nullopt;
};

/// Takes messages in the order in which they are to be sent. One thread.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void send(const Message& message) = 0;
};

}  // namespace globalmart::generator
