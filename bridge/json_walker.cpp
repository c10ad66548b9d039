#include "bridge/json_walker.hpp"

#include <simdjson.h>

#include <cstring>

namespace globalmart {

namespace ondemand = simdjson::ondemand;

namespace {

Reason reason_of(simdjson::error_code error) {
  return error == simdjson::UTF8_ERROR ? Reason::kInvalidUtf8 : Reason::kInvalidJson;
}

// A member name as it stands in the message.
struct RawName {
  std::string_view text;
  bool escaped = false;
};

RawName raw_name(const char* begin) {
  RawName name;
  const char* p = begin;
  while (*p != '"') {
    if (*p == '\\') {
      name.escaped = true;
      ++p;
    }
    ++p;
  }
  name.text = {begin, static_cast<size_t>(p - begin)};
  return name;
}

// Which member a name is, -1 for none. False when the name is not valid JSON.
bool find_member(const char* begin, const TextTable& names, int& index) {
  const RawName name = raw_name(begin);
  if (!name.escaped) {
    index = names.find(name.text);
    return true;
  }
  if (!valid_escapes(name.text)) return false;
  std::string text(name.text.size(), '\0');
  const Unescaped result = unescape(name.text, text.data());
  text.resize(result.size);
  index = result.lone_surrogate ? -1 : names.find(text);
  return true;
}

// Walks the values of one message.
class Walker {
 public:
  Walker(int max_depth, std::vector<Token>& elements)
      : max_depth_(max_depth), elements_(elements) {}

  // Members of `object` that `names` knows go to tokens[index]; all the rest is only checked.
  // `depth` is the level of the object itself.
  Reason object(ondemand::object& object, int depth, const std::vector<Member>* members,
                const TextTable* names, Token* tokens, uint16_t* successors) {
    if (depth > max_depth_) return Reason::kTooDeep;
    size_t previous = members == nullptr ? 0 : members->size();
    for (auto result : object) {
      ondemand::field field;
      if (const auto error = std::move(result).get(field)) return reason_of(error);
      const char* const name = field.key().raw();
      int index = -1;
      if (members != nullptr) {
        // The members of one producer stand in one order: try the one that came next before.
        const uint16_t guess = successors == nullptr ? 0 : successors[previous];
        const std::string& guessed = (*members)[guess].name;
        if (std::strncmp(name, guessed.data(), guessed.size()) == 0 &&
            name[guessed.size()] == '"' && successors != nullptr) {
          index = guess;
        } else if (!find_member(name, *names, index)) {
          return Reason::kInvalidJson;
        }
      } else {
        const RawName raw = raw_name(name);
        if (raw.escaped && !valid_escapes(raw.text)) return Reason::kInvalidJson;
      }
      Token token;
      const Member* member = index < 0 ? nullptr : &(*members)[static_cast<size_t>(index)];
      const Reason reason = value(field.value(), depth, member, token);
      if (reason != Reason::kNone) return reason;
      if (member == nullptr) continue;
      if (successors != nullptr) {
        successors[previous] = static_cast<uint16_t>(index);
        previous = static_cast<size_t>(index);
      }
      Token& slot = tokens[index];
      token.repeated = slot.kind != TokenKind::kAbsent;
      slot = token;
    }
    return Reason::kNone;
  }

  // The elements of an array; those of a member that the profile wants are kept.
  Reason array(ondemand::array& array, int depth, const Member* member, Token& token) {
    if (depth > max_depth_) return Reason::kTooDeep;
    token.kind = TokenKind::kArray;
    token.size = 0;
    if (member == nullptr) {
      for (auto result : array) {
        ondemand::value element;
        if (const auto error = std::move(result).get(element)) return reason_of(error);
        Token unused;
        const Reason reason = value(element, depth, nullptr, unused);
        if (reason != Reason::kNone) return reason;
      }
      return Reason::kNone;
    }
    if (member->type.kind == ValueKind::kObjects) return objects(array, depth, *member, token);
    token.first = static_cast<uint32_t>(elements_.size());
    for (auto result : array) {
      ondemand::value element;
      if (const auto error = std::move(result).get(element)) return reason_of(error);
      Token kept;
      const Reason reason = value(element, depth, nullptr, kept);
      if (reason != Reason::kNone) return reason;
      elements_.push_back(kept);
      ++token.size;
    }
    return Reason::kNone;
  }

 private:
  // An array of objects: for each element a token of its own, then one for each named member.
  Reason objects(ondemand::array& array, int depth, const Member& member, Token& token) {
    const size_t width = member.members.size() + 1;
    token.first = static_cast<uint32_t>(elements_.size());
    for (auto result : array) {
      ondemand::value element;
      if (const auto error = std::move(result).get(element)) return reason_of(error);
      const size_t at = elements_.size();
      elements_.resize(at + width);
      ++token.size;
      ondemand::json_type type;
      if (const auto error = element.type().get(type)) return reason_of(error);
      if (type != ondemand::json_type::object) {
        Token other;
        const Reason reason = value(element, depth, nullptr, other);
        if (reason != Reason::kNone) return reason;
        elements_[at] = other;
        continue;
      }
      ondemand::object object;
      if (const auto error = element.get_object().get(object)) return reason_of(error);
      elements_[at].kind = TokenKind::kObject;
      // No nested member keeps elements of its own, so elements_ stands still meanwhile.
      const Reason reason = this->object(object, depth + 1, &member.members, &member.member_names,
                                         elements_.data() + at + 1, nullptr);
      if (reason != Reason::kNone) return reason;
    }
    return Reason::kNone;
  }

  // A value inside an object or array of level `depth`.
  Reason value(ondemand::value value, int depth, const Member* member, Token& token) {
    const std::string_view raw = value.raw_json_token();
    if (raw.empty()) return Reason::kInvalidJson;
    if (raw.front() == '{') {
      token.kind = TokenKind::kObject;
      ondemand::object object;
      if (const auto error = value.get_object().get(object)) return reason_of(error);
      return this->object(object, depth + 1, nullptr, nullptr, nullptr, nullptr);
    }
    if (raw.front() == '[') {
      ondemand::array array;
      if (const auto error = value.get_array().get(array)) return reason_of(error);
      const bool kept = member != nullptr && member->keeps_elements();
      return this->array(array, depth + 1, kept ? member : nullptr, token);
    }
    token = scalar_token(raw);
    return token.kind == TokenKind::kInvalid ? Reason::kInvalidJson : Reason::kNone;
  }

  const int max_depth_;
  std::vector<Token>& elements_;
};

}  // namespace

struct JsonWalker::Parser {
  ondemand::parser json;
};

MemberTokens::MemberTokens(const TopicPlan& topic)
    : tokens(topic.members.size()), successors(topic.members.size() + 1) {}

JsonWalker::JsonWalker(int max_depth)
    : max_depth_(max_depth), parser_(std::make_unique<Parser>()) {}

JsonWalker::~JsonWalker() = default;

Reason JsonWalker::walk(std::string_view message, const TopicPlan& topic, MemberTokens& state,
                        std::vector<Token>& elements) {
  const size_t size = message.size();
  if (padded_.size() < size + simdjson::SIMDJSON_PADDING) {
    padded_.resize(2 * size + simdjson::SIMDJSON_PADDING);
  }
  if (size > 0) std::memcpy(padded_.data(), message.data(), size);
  std::memset(padded_.data() + size, ' ', simdjson::SIMDJSON_PADDING);
  for (Token& token : state.tokens) token = Token();
  ondemand::document document;
  const simdjson::padded_string_view text(padded_.data(), size, padded_.size());
  if (const auto error = parser_->json.iterate(text).get(document)) return reason_of(error);

  Walker walker(max_depth_, elements);
  size_t first = 0;
  while (first < size && std::strchr(" \t\r\n", padded_[first]) != nullptr && padded_[first]) {
    ++first;
  }
  const char opening = first < size ? padded_[first] : ' ';
  Reason reason = Reason::kNone;
  if (opening == '{') {
    ondemand::object object;
    if (const auto error = document.get_object().get(object)) return reason_of(error);
    reason = walker.object(object, 1, &topic.members, &topic.member_names, state.tokens.data(),
                           state.successors.data());
  } else if (opening == '[') {
    ondemand::array array;
    if (const auto error = document.get_array().get(array)) return reason_of(error);
    Token unused;
    reason = walker.array(array, 1, nullptr, unused);
  } else {
    const Token token = scalar_token({padded_.data() + first, size - first});
    return token.kind == TokenKind::kInvalid ? Reason::kInvalidJson : Reason::kNotAnObject;
  }
  if (reason != Reason::kNone) return reason;
  if (document.current_location().error() != simdjson::OUT_OF_BOUNDS) return Reason::kInvalidJson;
  return opening == '{' ? Reason::kNone : Reason::kNotAnObject;
}

}  // namespace globalmart
