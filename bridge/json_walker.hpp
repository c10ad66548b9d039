// The text of a message becomes tokens: simdjson On-Demand finds the structure, every scalar is
// checked by the grammar, and the members that the profile names are noted where they stand. What
// they say is the decoder's part.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "bridge/json_value.hpp"
#include "bridge/profile.hpp"
#include "bridge/reason.hpp"

namespace globalmart {

// Where the members of a topic's message stand.
struct MemberTokens {
  explicit MemberTokens(const TopicPlan& topic);

  std::vector<Token> tokens;  // by member
  // Which member stood behind this one the last time (members.size(): behind the brace).
  std::vector<uint16_t> successors;
};

// One a thread. Keeps its buffers from message to message.
class JsonWalker {
 public:
  explicit JsonWalker(int max_depth);
  ~JsonWalker();
  JsonWalker(const JsonWalker&) = delete;
  JsonWalker& operator=(const JsonWalker&) = delete;

  // Walks the whole message. The elements of arrays that the profile wants are appended to
  // `elements`. Tokens are valid until the next message.
  Reason walk(std::string_view message, const TopicPlan& topic, MemberTokens& state,
              std::vector<Token>& elements);

 private:
  struct Parser;

  const int max_depth_;
  std::unique_ptr<Parser> parser_;
  std::vector<char> padded_;  // the message with the padding that simdjson reads
};

}  // namespace globalmart
