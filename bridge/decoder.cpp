#include "bridge/decoder.hpp"

#include <simdjson.h>

namespace globalmart {

namespace {

constexpr std::string_view kReasonNames[kReasonCount] = {
    "none",           "tombstone",     "too_large",        "invalid_utf8",
    "invalid_json",   "too_deep",      "duplicate_member", "nul_character",
    "lone_surrogate", "not_an_object", "missing_member",   "ill_typed",
    "out_of_range",   "bad_timestamp", "future_timestamp", "rejected_by_database"};

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

std::string_view reason_name(Reason reason) { return kReasonNames[static_cast<size_t>(reason)]; }

Decoder::Decoder(const Profile& profile, DecoderLimits limits)
    : profile_(profile), limits_(limits), walker_(profile.max_depth) {
  states_.reserve(profile.topics.size());
  for (const TopicPlan& topic : profile.topics) states_.emplace_back(topic);
  lists_ = std::make_shared<const ListValues>(profile.lists.size());
}

void Decoder::start_batch(Micros now, std::shared_ptr<const ListValues> lists) {
  latest_time_ = now + limits_.max_future;
  lists_ = std::move(lists);
}

bool Decoder::refuse(Reason reason, const std::string& member, const std::string& what) {
  decoded_.reason = reason;
  decoded_.detail = member.empty() ? what : member + ": " + what;
  return false;
}

const Decoded& Decoder::decode(size_t topic_index, const Message& message) {
  const TopicPlan& topic = profile_.topics[topic_index];
  decoded_.reason = Reason::kNone;
  decoded_.deleted = false;
  decoded_.elements.clear();
  decoded_.values.resize(topic.members.size());
  element_tokens_.clear();
  unescaped_.clear();
  if (message.value == nullptr) {
    decode_tombstone(topic, message);
  } else {
    decode_value(topic, states_[topic_index], message);
  }
  return decoded_;
}

void Decoder::decode_tombstone(const TopicPlan& topic, const Message& message) {
  if (topic.catalogue_key < 0) {
    refuse(Reason::kTombstone, "", "null value on an event topic");
    return;
  }
  for (Value& value : decoded_.values) value.present = false;
  const auto index = static_cast<size_t>(topic.catalogue_key);
  const Member& member = topic.members[index];
  const std::string_view key = message.key_view();
  if (message.key == nullptr || !simdjson::validate_utf8(key.data(), key.size()) ||
      key.find('\0') != std::string_view::npos ||
      !convert_text(member, key, decoded_.values[index])) {
    refuse(Reason::kTombstone, "", "null value without a valid " + member.name + " as its key");
    return;
  }
  decoded_.deleted = true;
  decoded_.event_time =
      message.has_timestamp ? message.timestamp : latest_time_ - limits_.max_future;
  check_time("Kafka timestamp", decoded_.event_time);
}

void Decoder::decode_value(const TopicPlan& topic, MemberTokens& state, const Message& message) {
  if (message.value_size > limits_.max_message_bytes) {
    refuse(Reason::kTooLarge, "",
           std::to_string(message.value_size) + " bytes, the limit is " +
               std::to_string(limits_.max_message_bytes));
    return;
  }
  if (message.value_view().starts_with(kByteOrderMark)) {
    refuse(Reason::kInvalidJson, "", "begins with a byte order mark");
    return;
  }

  const Reason reason = walker_.walk(message.value_view(), topic, state, element_tokens_);
  if (reason != Reason::kNone) {
    refuse(reason, "",
           reason == Reason::kTooDeep
               ? "more than " + std::to_string(profile_.max_depth) + " levels"
               : "");
    return;
  }
  convert_members(topic, state);
  if (decoded_.reason != Reason::kNone) return;

  decoded_.event_time = decoded_.values[static_cast<size_t>(topic.time)].integer;
  if (topic.id >= 0) decoded_.id = decoded_.values[static_cast<size_t>(topic.id)].uuid;
  if (topic.catalogue_key >= 0) {
    const auto index = static_cast<size_t>(topic.catalogue_key);
    if (message.key == nullptr || decoded_.values[index].view() != message.key_view()) {
      refuse(Reason::kOutOfRange, topic.members[index].name, "differs from the Kafka key");
    }
  }
}

void Decoder::convert_members(const TopicPlan& topic, MemberTokens& state) {
  EventTypes type = 1;
  if (topic.event_type >= 0) {
    const auto index = static_cast<size_t>(topic.event_type);
    const Member& member = topic.members[index];
    if (!convert_member(member, state.tokens[index], decoded_.values[index])) return;
    if (!decoded_.values[index].present) {
      refuse(Reason::kMissingMember, member.name, "is required");
      return;
    }
    type = EventTypes{1} << member.type.one_of->find(decoded_.values[index].view());
  }
  for (size_t i = 0; i < topic.members.size(); ++i) {
    if (static_cast<int>(i) == topic.event_type) continue;
    const Member& member = topic.members[i];
    Value& value = decoded_.values[i];
    value.present = false;
    if ((member.named & type) == 0) continue;
    if (!convert_member(member, state.tokens[i], value)) return;
    if (!value.present && (member.required & type) != 0) {
      refuse(Reason::kMissingMember, member.name, "is required");
      return;
    }
  }
}

bool Decoder::convert_member(const Member& member, const Token& token, Value& value) {
  value.present = false;
  if (token.repeated) return refuse(Reason::kDuplicateMember, member.name, "stands twice");
  if (token.kind == TokenKind::kAbsent || token.kind == TokenKind::kNull) return true;
  if (member.type.kind == ValueKind::kAny) {
    value.present = true;
    return true;
  }
  if (member.type.kind == ValueKind::kObjects) return convert_objects(member, token, value);
  if (!member.array) {
    value.present = true;
    return convert_scalar(member, token, value);
  }
  if (token.kind != TokenKind::kArray) {
    return refuse(Reason::kIllTyped, member.name, "is not an array");
  }
  const size_t first = decoded_.elements.size();
  decoded_.elements.resize(first + token.size);
  for (size_t i = 0; i < token.size; ++i) {
    Value element;
    element.present = true;
    if (!convert_scalar(member, element_tokens_[token.first + i], element)) return false;
    decoded_.elements[first + i] = element;
  }
  value.first = static_cast<uint32_t>(first);
  value.count = token.size;
  value.present = true;
  return true;
}

bool Decoder::convert_objects(const Member& member, const Token& token, Value& value) {
  if (token.kind != TokenKind::kArray) {
    return refuse(Reason::kIllTyped, member.name, "is not an array");
  }
  if (token.size < member.min_count || token.size > member.max_count) {
    return refuse(Reason::kOutOfRange, member.name,
                  "has " + std::to_string(token.size) + " elements");
  }
  const size_t width = member.members.size();
  const size_t first = decoded_.elements.size();
  decoded_.elements.resize(first + token.size * width);
  for (size_t row = 0; row < token.size; ++row) {
    const Token* tokens = &element_tokens_[token.first + row * (width + 1)];
    if (tokens->kind != TokenKind::kObject) {
      return refuse(Reason::kIllTyped, member.name, "has an element that is not an object");
    }
    ++tokens;
    for (size_t i = 0; i < width; ++i) {
      const Member& inner = member.members[i];
      Value element;
      if (!convert_member(inner, tokens[i], element)) return false;
      if (!element.present && inner.required != 0) {
        return refuse(Reason::kMissingMember, member.name + "." + inner.name, "is required");
      }
      decoded_.elements[first + row * width + i] = element;
    }
  }
  value.first = static_cast<uint32_t>(first);
  value.count = token.size;
  value.present = true;
  return true;
}

bool Decoder::text_of(const Member& member, const Token& token, std::string_view& text) {
  if (token.kind == TokenKind::kText) {
    text = token.view();
    return true;
  }
  if (token.kind != TokenKind::kEscapedText) {
    return refuse(Reason::kIllTyped, member.name, "is not a text");
  }
  unescaped_.push_back(std::make_unique<char[]>(token.size));
  char* const out = unescaped_.back().get();
  const Unescaped result = unescape(token.view(), out);
  if (result.nul) return refuse(Reason::kNulCharacter, member.name, "holds \\u0000");
  if (result.lone_surrogate) {
    return refuse(Reason::kLoneSurrogate, member.name, "holds half a surrogate pair");
  }
  text = {out, result.size};
  return true;
}

bool Decoder::convert_scalar(const Member& member, const Token& token, Value& value) {
  const ValueType& type = member.type;
  switch (type.kind) {
    case ValueKind::kText: {
      std::string_view text;
      return text_of(member, token, text) && convert_text(member, text, value);
    }
    case ValueKind::kUuid: {
      std::string_view text;
      if (!text_of(member, token, text)) return false;
      if (parse_uuid(text, value.uuid)) return true;
      return refuse(Reason::kOutOfRange, member.name, "is not a UUID");
    }
    case ValueKind::kTimestamp: {
      std::string_view text;
      if (!text_of(member, token, text)) return false;
      const std::optional<Micros> time = parse_timestamp(text);
      if (!time) return refuse(Reason::kBadTimestamp, member.name, "is not a timestamp");
      value.integer = *time;
      return check_time(member.name, *time);
    }
    case ValueKind::kInteger: {
      if (token.kind != TokenKind::kInteger) {
        return refuse(Reason::kIllTyped, member.name,
                      token.kind == TokenKind::kFraction ? "is not written as an integer"
                                                         : "is not a number");
      }
      const char* p = token.text;
      const char* const end = p + token.size;
      const bool negative = *p == '-';
      if (negative) ++p;
      Int128 number = 0;
      const bool huge = end - p > 19;
      while (!huge && p < end) number = number * 10 + (*p++ - '0');
      if (negative) number = -number;
      if (huge || number < type.min || number > type.max) {
        return refuse(Reason::kOutOfRange, member.name, "is out of range");
      }
      value.integer = static_cast<int64_t>(number);
      return true;
    }
    case ValueKind::kDecimal:
      if (token.kind != TokenKind::kInteger && token.kind != TokenKind::kFraction) {
        return refuse(Reason::kIllTyped, member.name, "is not a number");
      }
      if (type.range.convert(token.view(), value.units) == DecimalRange::Result::kOk) return true;
      return refuse(Reason::kOutOfRange, member.name, "is out of range");
    case ValueKind::kBoolean:
      if (token.kind != TokenKind::kTrue && token.kind != TokenKind::kFalse) {
        return refuse(Reason::kIllTyped, member.name, "is not a boolean");
      }
      value.integer = token.kind == TokenKind::kTrue ? 1 : 0;
      return true;
    case ValueKind::kAny:
    case ValueKind::kObjects:
      break;
  }
  return refuse(Reason::kIllTyped, member.name, "has no such value");
}

bool Decoder::convert_text(const Member& member, std::string_view text, Value& value) {
  const ValueType& type = member.type;
  value.text = text.data();
  value.size = text.size();
  value.present = true;
  if (text.size() < type.min_bytes || text.size() > type.max_bytes) {
    return refuse(Reason::kOutOfRange, member.name,
                  "has " + std::to_string(text.size()) + " bytes");
  }
  if (type.pattern && !type.pattern->matches(text)) {
    return refuse(Reason::kOutOfRange, member.name, "does not match " + type.pattern_text);
  }
  if (type.one_of && type.one_of->find(text) < 0) {
    return refuse(Reason::kOutOfRange, member.name, "is none of the allowed values");
  }
  if (type.list >= 0 && (*lists_)[static_cast<size_t>(type.list)].find(text) < 0) {
    return refuse(Reason::kOutOfRange, member.name,
                  "is not on the list " + profile_.lists[static_cast<size_t>(type.list)]);
  }
  return true;
}

bool Decoder::check_time(const std::string& name, Micros time) {
  if (time < profile_.earliest_time) {
    return refuse(Reason::kOutOfRange, name, "is before " + instant_text(profile_.earliest_time));
  }
  if (time > latest_time_) {
    return refuse(Reason::kFutureTimestamp, name, "is after " + instant_text(latest_time_));
  }
  return true;
}

}  // namespace globalmart
