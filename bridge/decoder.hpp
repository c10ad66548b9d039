// A message becomes typed values, or a verdict why not. Driven by the profile: there is no code
// for a single event type here.
//
// First the whole text is walked (see json_walker.hpp). Only then are the members converted: what
// one means may depend on the event type, which may come last.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/instant.hpp"
#include "bridge/json_walker.hpp"
#include "bridge/lists.hpp"
#include "bridge/profile.hpp"
#include "bridge/reason.hpp"
#include "bridge/uuid.hpp"

namespace globalmart {

// A message as the topic has it.
struct Message {
  const void* value = nullptr;  // null: a tombstone
  size_t value_size = 0;
  const void* key = nullptr;
  size_t key_size = 0;
  Micros timestamp = 0;  // of Kafka
  bool has_timestamp = false;

  std::string_view value_view() const { return {static_cast<const char*>(value), value_size}; }
  std::string_view key_view() const { return {static_cast<const char*>(key), key_size}; }
};

// A converted value. For arrays `first` and `count` are a range of Decoded::elements.
struct Value {
  union {
    Int128 units;     // kDecimal: units of the type's scale
    int64_t integer;  // kInteger, kTimestamp (Micros), kBoolean
    Uuid uuid;
    struct {
      const char* text;
      size_t size;
    };
    struct {
      uint32_t first;
      uint32_t count;
    };
  };
  bool present = false;

  Value() : units(0) {}
  std::string_view view() const { return {text, size}; }
};

// The result of decoding; valid until the decoder's next message.
struct Decoded {
  Reason reason = Reason::kNone;
  std::string detail;           // of a dead letter: what is wrong
  std::vector<Value> values;    // by member of the topic
  std::vector<Value> elements;  // of arrays; of objects: all members of each element in turn
  Micros event_time = 0;
  Uuid id;               // when the topic has one
  bool deleted = false;  // a catalogue row that is a delete
};

// Settings of the bridge that bound what is accepted.
struct DecoderLimits {
  size_t max_message_bytes = 65536;
  Micros max_future = 3600 * kMicrosPerSecond;
};

// One a thread. Keeps its buffers from message to message.
class Decoder {
 public:
  Decoder(const Profile& profile, DecoderLimits limits);
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  // What is the present for messages from now on, and which lists hold. Call it once a batch.
  void start_batch(Micros now, std::shared_ptr<const ListValues> lists);

  // Decodes a message of topic `topic` (an index into the profile's topics).
  const Decoded& decode(size_t topic, const Message& message);

 private:
  void decode_value(const TopicPlan& topic, MemberTokens& state, const Message& message);
  void decode_tombstone(const TopicPlan& topic, const Message& message);
  void convert_members(const TopicPlan& topic, MemberTokens& state);
  bool convert_member(const Member& member, const Token& token, Value& value);
  bool convert_objects(const Member& member, const Token& token, Value& value);
  bool convert_scalar(const Member& member, const Token& token, Value& value);
  bool convert_text(const Member& member, std::string_view text, Value& value);
  bool text_of(const Member& member, const Token& token, std::string_view& text);
  bool check_time(const std::string& name, Micros time);
  bool refuse(Reason reason, const std::string& member, const std::string& what);

  const Profile& profile_;
  const DecoderLimits limits_;
  std::shared_ptr<const ListValues> lists_;
  Micros latest_time_ = 0;
  JsonWalker walker_;
  std::vector<MemberTokens> states_;  // by topic
  std::vector<Token> element_tokens_;
  std::vector<std::unique_ptr<char[]>> unescaped_;  // texts of this message that had escapes
  Decoded decoded_;
};

}  // namespace globalmart
