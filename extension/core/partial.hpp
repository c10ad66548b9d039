// Partials as bytes. A chunk holds many groups of one plan and one slice (or of one span of
// sessions):
//
//   version, session flag, number of states, (state number, kind, form)..., then group after group:
//   key, [first event, last - first for sessions], states
//
// The header names the states that follow, so a reader that knows fewer or more of them still
// reads.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "core/group_table.hpp"
#include "core/value.hpp"

namespace globalmart {

inline constexpr uint8_t kPartialVersion = 1;
inline constexpr uint64_t kMaxStates = 1 << 16;  // of one plan, in its life
inline constexpr size_t kChunkBytes = 7600;      // a tuple that fits its page without TOAST

// --- keys: a field after another, NULL told from empty ---

inline void append_key_field(std::string& key, ValueForm form, const Value& value) {
  ByteWriter out(key);
  if (form == ValueForm::kInteger || form == ValueForm::kFloat) {
    out.byte(value.is_null ? 0 : 1);
    if (!value.is_null) out.fixed64(static_cast<uint64_t>(value.integer));
    return;
  }
  out.varint(value.is_null ? 0 : value.bytes.size() + 1);
  if (!value.is_null) key.append(value.bytes);
}

inline Value read_key_field(ByteReader& in, ValueForm form) {
  Value value;
  if (form == ValueForm::kInteger || form == ValueForm::kFloat) {
    value.is_null = !in.flag();
    if (!value.is_null) value.integer = static_cast<int64_t>(in.fixed64());
    return value;
  }
  const uint64_t length = in.varint();
  value.is_null = length == 0;
  if (!value.is_null) value.bytes = in.take(length - 1);
  return value;
}

// --- chunks ---

// Which states a chunk holds, by their number in the plan.
struct PartialLayout {
  struct Entry {
    uint32_t number;
    AggregateKind kind;
    ValueForm form;

    bool operator==(const Entry&) const = default;
    // Whether this stored state is the wanted one, which its number says. Throws CorruptBytes when
    // it is then of another kind or form: its bytes would be read as what they are not.
    bool holds(const Entry& wanted) const {
      if (number != wanted.number) return false;
      if (*this != wanted) throw CorruptBytes("partial holds another aggregate than its plan says");
      return true;
    }
  };
  std::vector<Entry> entries;
  bool sessions = false;

  void write(ByteWriter& out) const {
    out.byte(kPartialVersion);
    out.byte(sessions);
    out.varint(entries.size());
    for (const Entry& entry : entries) {
      out.varint(entry.number);
      out.byte(static_cast<uint8_t>(entry.kind));
      out.byte(static_cast<uint8_t>(entry.form));
    }
  }
  // Throws CorruptBytes for what write() does not write.
  static PartialLayout read(ByteReader& in) {
    if (in.byte() != kPartialVersion) throw CorruptBytes("partial of an unknown version");
    PartialLayout layout;
    layout.sessions = in.flag();
    const uint64_t count = in.varint();
    if (count > kMaxStates) throw CorruptBytes("partial names too many states");
    for (uint64_t left = count; left > 0; --left) {
      const uint64_t number = in.varint();
      const uint8_t kind = in.byte();
      const uint8_t form = in.byte();
      if (number >= kMaxStates || kind == 0 || kind > kMaxAggregateKind || form > kMaxValueForm)
        throw CorruptBytes("partial names a state that cannot be");
      layout.entries.push_back({static_cast<uint32_t>(number), static_cast<AggregateKind>(kind),
                                static_cast<ValueForm>(form)});
    }
    return layout;
  }
};

// The first and last event of a session.
struct SessionSpan {
  int64_t first;
  int64_t last;
};

inline SessionSpan read_session_span(ByteReader& in) {
  SessionSpan span{static_cast<int64_t>(in.fixed64()), 0};
  const uint64_t length = in.varint();
  if (length > static_cast<uint64_t>(INT64_MAX) - static_cast<uint64_t>(span.first))
    throw CorruptBytes("partial holds a session that ends before it begins");
  span.last = static_cast<int64_t>(static_cast<uint64_t>(span.first) + length);
  return span;
}

// Writes groups of one table as chunks. `sink(slice, groups, rows, body)` takes each: the start of
// its slice (for sessions its earliest event), how many groups, of how many rows, the bytes.
template <typename Sink>
void write_chunks(const GroupStates& states, std::vector<Group*> order, const PartialLayout& layout,
                  Sink&& sink) {
  const auto earlier = [](const Group* a, const Group* b) { return a->slice < b->slice; };
  if (!layout.sessions && !std::is_sorted(order.begin(), order.end(), earlier))
    std::stable_sort(order.begin(), order.end(), earlier);

  std::string body;
  ByteWriter out(body);
  layout.write(out);
  const size_t header = body.size();
  int64_t from = 0, slice = 0;
  int groups = 0;
  uint64_t rows = 0;
  const auto flush = [&] {
    if (groups > 0) sink(from, groups, rows, std::string_view(body));
    body.resize(header);
    groups = 0;
    rows = 0;
  };
  for (const Group* group : order) {
    if (groups > 0 &&
        ((!layout.sessions && group->slice != slice) || body.size() >= kChunkBytes - 200))
      flush();
    const size_t before = body.size();
    out.bytes(group->key());
    if (layout.sessions) {
      out.fixed64(static_cast<uint64_t>(group->first));
      out.varint(static_cast<uint64_t>(group->last) - static_cast<uint64_t>(group->first));
    }
    for (size_t i = 0; i < layout.entries.size(); ++i) states.encode(group->states(), i, out);
    if (groups > 0 && body.size() > kChunkBytes) {
      // This group begins the next chunk.
      const std::string moved = body.substr(before);
      body.resize(before);
      flush();
      body.append(moved);
    }
    if (groups == 0) {
      slice = group->slice;
      from = layout.sessions ? group->first : group->slice;
    } else if (layout.sessions) {
      from = std::min(from, group->first);
    }
    ++groups;
    rows += group->rows;
  }
  flush();
}

}  // namespace globalmart
