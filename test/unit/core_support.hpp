// What the tests of groups share: a table with one state, rows with every kind of value, and what a
// state says as text that can be compared.
#pragma once

#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "core/group_table.hpp"
#include "core/partial.hpp"

namespace globalmart::testing_support {

inline int64_t bits_of(double value) {
  int64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline Value integer(int64_t value) { return {false, value, {}}; }
inline Value text(std::string_view value) { return {false, 0, value}; }
inline Value real(double value) { return integer(bits_of(value)); }
inline Decimal decimal(__int128 mantissa, int32_t scale) {
  return {mantissa, scale, Decimal::Special::kFinite};
}
inline Decimal special(Decimal::Special kind) { return {0, 0, kind}; }

// Letters without their case first, as a collation of people might; equal ones stay equal.
inline int compare_without_case(const void*, std::string_view left, std::string_view right) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  for (size_t i = 0; i < left.size() && i < right.size(); ++i)
    if (lower(left[i]) != lower(right[i])) return lower(left[i]) < lower(right[i]) ? -1 : 1;
  return left.size() < right.size() ? -1 : left.size() > right.size();
}

inline AggregateSpec spec(AggregateKind kind, ValueForm form = ValueForm::kInteger) {
  AggregateSpec made{kind, form, nullptr, nullptr};
  if (form == ValueForm::kCollated) made.compare = compare_without_case;
  return made;
}

inline std::string encoded(const GroupStates& states, const char* group, size_t index) {
  std::string bytes;
  ByteWriter out(bytes);
  states.encode(group, index, out);
  return bytes;
}

// What a state says: its bytes, for sets in sorted order (a set is written as its values came).
inline std::string said(const GroupStates& states, const char* group, size_t index) {
  std::string bytes = encoded(states, group, index);
  if (states.specs()[index].kind != AggregateKind::kDistinct) return bytes;
  ByteReader in(bytes);
  std::multiset<std::string> values;
  for (uint64_t left = in.varint(); left > 0; --left) values.emplace(in.bytes());
  std::string sorted = std::to_string(states.distinct(group, index)) + ":";
  for (const std::string& value : values) sorted += value + ",";
  return sorted;
}

inline void merge_bytes(GroupStates& states, char* group, size_t index, std::string_view bytes) {
  ByteReader in(bytes);
  states.merge_encoded(group, index, in);
  if (!in.done()) throw CorruptBytes("a state leaves bytes behind");
}

// One group with one state.
struct Single {
  explicit Single(AggregateSpec of) : table({of}) {}
  GroupStates& states() { return table.states(); }
  char* group() { return table.at(1, 0, "g").states(); }
  std::string bytes() { return encoded(states(), group(), 0); }
  void take(std::string_view stored) { merge_bytes(states(), group(), 0, stored); }
  GroupTable table;
};

inline PartialLayout layout_of(const GroupStates& states, bool sessions = false) {
  PartialLayout layout;
  layout.sessions = sessions;
  for (const AggregateSpec& each : states.specs())
    layout.entries.push_back({static_cast<uint32_t>(layout.entries.size()), each.kind, each.form});
  return layout;
}

}  // namespace globalmart::testing_support
