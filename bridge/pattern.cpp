#include "bridge/pattern.hpp"

#include <algorithm>
#include <bitset>
#include <map>

#include "bridge/error.hpp"

namespace globalmart {

namespace {

using ByteSet = std::bitset<256>;

constexpr size_t kMaxNodes = 4096;
constexpr size_t kMaxStates = 2048;
constexpr int kMaxRepeat = 1024;

// A Thompson automaton: a node either consumes a byte of `bytes` and goes to `out`, or goes to
// `out` and `other` for free.
struct Node {
  ByteSet bytes;
  bool consumes = false;
  int out = -1;
  int other = -1;
};

// Parses by recursive descent, building the automaton backwards: every piece is built for the node
// that follows it, so a repeated piece is simply built again.
class Compiler {
 public:
  explicit Compiler(const std::string& expression) : text_(expression) {
    accept_ = add({});
    start_ = alternatives(0, text_.size(), accept_);
  }

  int start() const { return start_; }
  int accept() const { return accept_; }
  const std::vector<Node>& nodes() const { return nodes_; }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw ConfigError("pattern '" + text_ + "': " + what);
  }

  int add(Node node) {
    if (nodes_.size() == kMaxNodes) fail("too large");
    nodes_.push_back(node);
    return static_cast<int>(nodes_.size()) - 1;
  }

  int fork(int a, int b) {
    Node node;
    node.out = a;
    node.other = b;
    return add(node);
  }

  // The end of the atom that begins at `at`.
  size_t atom_end(size_t at, size_t end) const {
    if (text_[at] == '\\') {
      if (at + 1 >= end) fail("ends with a backslash");
      return at + 2;
    }
    if (text_[at] == '[') {
      size_t close = at + 1;
      if (close < end && text_[close] == '^') ++close;
      if (close < end && text_[close] == ']') ++close;
      while (close < end && text_[close] != ']') close += text_[close] == '\\' ? 2 : 1;
      if (close >= end) fail("a [ is not closed");
      return close + 1;
    }
    if (text_[at] == '(') {
      int depth = 0;
      for (size_t i = at; i < end;) {
        if (text_[i] == '(') ++depth;
        if (text_[i] == ')' && --depth == 0) return i + 1;
        i = text_[i] == '\\' || text_[i] == '[' ? atom_end(i, end) : i + 1;
      }
      fail("a ( is not closed");
    }
    if (text_[at] == ')') fail("a ) was not opened");
    if (std::string_view("?*+{").find(text_[at]) != std::string_view::npos) {
      fail("nothing to repeat before " + text_.substr(at, 1));
    }
    return at + 1;
  }

  int alternatives(size_t at, size_t end, int next) {
    int result = -1;
    size_t begin = at;
    for (size_t i = at; i <= end;) {
      if (i == end || text_[i] == '|') {
        const int branch = sequence(begin, i, next);
        result = result < 0 ? branch : fork(result, branch);
        begin = ++i;
      } else {
        i = repeat_end(atom_end(i, end), end);
      }
    }
    return result;
  }

  struct Repeat {
    int least = 1;
    int most = 1;  // -1: no limit
  };

  size_t repeat_end(size_t at, size_t end) const {
    if (at >= end) return at;
    if (text_[at] == '?' || text_[at] == '*' || text_[at] == '+') return at + 1;
    if (text_[at] != '{') return at;
    const size_t close = text_.find('}', at);
    if (close == std::string::npos || close >= end) fail("a { is not closed");
    return close + 1;
  }

  Repeat repeat(size_t at, size_t end) const {
    if (at == end) return {};
    switch (text_[at]) {
      case '?':
        return {0, 1};
      case '*':
        return {0, -1};
      case '+':
        return {1, -1};
      default:
        break;
    }
    size_t i = at + 1;
    const auto number = [&]() -> int {
      int value = 0;
      const size_t first = i;
      while (text_[i] >= '0' && text_[i] <= '9' && value <= kMaxRepeat) {
        value = value * 10 + (text_[i++] - '0');
      }
      if (i == first) fail("a number is missing in {}");
      if (value > kMaxRepeat) fail("more than 1024 repetitions");
      return value;
    };
    Repeat result;
    result.least = result.most = number();
    if (text_[i] == ',') {
      ++i;
      result.most = text_[i] == '}' ? -1 : number();
    }
    if (text_[i] != '}') fail("{} holds something else than numbers");
    if (result.most >= 0 && result.most < result.least) fail("{} counts down");
    return result;
  }

  int sequence(size_t at, size_t end, int next) {
    struct Piece {
      size_t begin, atom_end, end;
    };
    std::vector<Piece> pieces;
    while (at < end) {
      const size_t after = atom_end(at, end);
      const size_t last = repeat_end(after, end);
      pieces.push_back({at, after, last});
      at = last;
    }
    for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) {
      const Repeat times = repeat(piece->atom_end, piece->end);
      if (times.most < 0) {
        const int loop = fork(-1, next);
        nodes_[static_cast<size_t>(loop)].out = atom(piece->begin, piece->atom_end, loop);
        next = loop;
      }
      const int skip = next;
      for (int i = times.least; i < times.most; ++i) {
        next = fork(atom(piece->begin, piece->atom_end, next), skip);
      }
      for (int i = 0; i < times.least; ++i) next = atom(piece->begin, piece->atom_end, next);
    }
    return next;
  }

  int atom(size_t at, size_t end, int next) {
    if (text_[at] == '(') return alternatives(at + 1, end - 1, next);
    Node node;
    node.consumes = true;
    node.out = next;
    if (text_[at] == '[') {
      node.bytes = byte_class(at + 1, end - 1);
    } else if (text_[at] == '\\') {
      node.bytes = escape(text_[at + 1]);
    } else if (text_[at] == '.') {
      node.bytes.set();
    } else {
      node.bytes.set(static_cast<unsigned char>(text_[at]));
    }
    return add(node);
  }

  ByteSet escape(char c) const {
    ByteSet set;
    const auto range = [&](char from, char to) {
      for (int i = from; i <= to; ++i) set.set(static_cast<size_t>(i));
    };
    if (c == 'd' || c == 'w') range('0', '9');
    if (c == 'w') {
      range('a', 'z');
      range('A', 'Z');
      set.set('_');
    }
    if (c == 's') {
      for (const char space : {' ', '\t', '\n', '\r', '\f', '\v'}) {
        set.set(static_cast<size_t>(space));
      }
    }
    if (set.none()) {
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      if (letter || (c >= '0' && c <= '9')) fail(std::string("unknown escape \\") + c);
      set.set(static_cast<unsigned char>(c));
    }
    return set;
  }

  ByteSet byte_class(size_t at, size_t end) const {
    ByteSet set;
    const bool negated = at < end && text_[at] == '^';
    if (negated) ++at;
    const auto one = [&](size_t& i) -> ByteSet {
      if (text_[i] == '\\') {
        i += 2;
        return escape(text_[i - 1]);
      }
      ByteSet single;
      single.set(static_cast<unsigned char>(text_[i++]));
      return single;
    };
    while (at < end) {
      const size_t low_at = at;
      ByteSet low = one(at);
      if (at + 1 < end && text_[at] == '-') {
        ++at;
        const unsigned char from = static_cast<unsigned char>(text_[low_at]);
        const unsigned char to = static_cast<unsigned char>(text_[at]);
        if (from == '\\' || to == '\\' || from > to) fail("bad range in []");
        ++at;
        for (int i = from; i <= to; ++i) low.set(static_cast<size_t>(i));
      }
      set |= low;
    }
    if (negated) set.flip();
    return set;
  }

  const std::string& text_;
  std::vector<Node> nodes_;
  int accept_ = -1;
  int start_ = -1;
};

void follow_free(const std::vector<Node>& nodes, int node, std::vector<char>& seen,
                 std::vector<int>& set) {
  std::vector<int> stack = {node};
  while (!stack.empty()) {
    const int at = stack.back();
    stack.pop_back();
    if (at < 0 || seen[static_cast<size_t>(at)]) continue;
    seen[static_cast<size_t>(at)] = 1;
    set.push_back(at);
    const Node& n = nodes[static_cast<size_t>(at)];
    if (n.consumes) continue;
    stack.push_back(n.out);
    stack.push_back(n.other);
  }
}

}  // namespace

Pattern::Pattern(const std::string& expression) {
  const Compiler compiler(expression);
  const std::vector<Node>& nodes = compiler.nodes();

  std::map<std::vector<int>, uint16_t> numbers;
  std::vector<std::vector<int>> sets;
  const auto state_of = [&](std::vector<int> set) -> uint16_t {
    std::sort(set.begin(), set.end());
    const auto known = numbers.find(set);
    if (known != numbers.end()) return known->second;
    if (sets.size() == kMaxStates) throw ConfigError("pattern '" + expression + "': too large");
    const uint16_t number = static_cast<uint16_t>(sets.size());
    const bool accepts = std::find(set.begin(), set.end(), compiler.accept()) != set.end();
    accepting_.push_back(accepts ? 1 : 0);
    next_.resize(next_.size() + 256, kDead);
    numbers.emplace(set, number);
    sets.push_back(std::move(set));
    return number;
  };

  state_of({});  // kDead
  std::vector<char> seen(nodes.size());
  std::vector<int> first;
  follow_free(nodes, compiler.start(), seen, first);
  state_of(first);  // kStart
  for (size_t state = kStart; state < sets.size(); ++state) {
    const std::vector<int> current = sets[state];
    // Bytes that the same nodes consume share a successor.
    std::map<std::vector<int>, uint16_t> successors;
    for (size_t byte = 0; byte < 256; ++byte) {
      std::vector<int> consuming;
      for (const int node : current) {
        const Node& n = nodes[static_cast<size_t>(node)];
        if (n.consumes && n.bytes[byte]) consuming.push_back(node);
      }
      if (consuming.empty()) continue;
      auto known = successors.find(consuming);
      if (known == successors.end()) {
        std::fill(seen.begin(), seen.end(), 0);
        std::vector<int> after;
        for (const int node : consuming) {
          follow_free(nodes, nodes[static_cast<size_t>(node)].out, seen, after);
        }
        known = successors.emplace(consuming, state_of(std::move(after))).first;
      }
      next_[state * 256 + byte] = known->second;
    }
  }
}

}  // namespace globalmart
