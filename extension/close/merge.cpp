#include "close/merge.hpp"

#include <algorithm>

#include "pg/entry.hpp"

namespace globalmart::closing {

Merger::Merger(const Version& version, WindowRange range, std::vector<AggregateSpec> specs)
    : version_(version), range_(range), table_(std::move(specs)) {
  const int keys = version.definition->key_count;
  same_keys_ = keys == version.plan_key_count;
  for (int i = 0; i < keys; ++i) same_keys_ = same_keys_ && version.key_numbers[i] == i;
  fields_.resize(version.plan_key_count);
}

Micros Merger::first_slice() const {
  // A session may have begun at any time before.
  if (version_.window.kind == WindowKind::kSession) return kMinusInfinity;
  return add(range_.from, -version_.window.width);
}

Micros Merger::end_slice() const { return range_.until; }

std::string_view Merger::rollup_key(std::string_view plan_key) {
  if (same_keys_) return plan_key;
  ByteReader in(plan_key);
  for (int i = 0; i < version_.plan_key_count; ++i)
    fields_[i] = read_key_field(in, version_.plan_keys[i].form);
  key_.clear();
  for (int i = 0; i < version_.definition->key_count; ++i) {
    const int number = version_.key_numbers[i];
    append_key_field(key_, version_.plan_keys[number].form, fields_[number]);
  }
  return key_;
}

void Merger::read_layout(const PartialLayout& layout) {
  if (layout.entries == last_entries_ && !ours_.empty()) return;
  last_entries_ = layout.entries;
  ours_.assign(layout.entries.size(), {});
  const int count = list_length(version_.definition->aggregates);
  for (size_t entry = 0; entry < layout.entries.size(); ++entry)
    for (int i = 0; i < count; ++i) {
      const AggregateSpec& spec = table_.states().specs()[i];
      if (layout.entries[entry].holds(
              {static_cast<uint32_t>(version_.aggregate_numbers[i]), spec.kind, spec.form}))
        ours_[entry].push_back(i);
    }
}

void Merger::merge_states(const PartialLayout& layout, ByteReader& in, Group& group) {
  for (size_t entry = 0; entry < layout.entries.size(); ++entry) {
    const std::vector<int>& wanted = ours_[entry];
    if (wanted.empty()) {
      GroupStates::skip(layout.entries[entry].kind, layout.entries[entry].form, in);
      continue;
    }
    for (size_t i = 0; i + 1 < wanted.size(); ++i) {
      ByteReader again = in;
      table_.states().merge_encoded(group.states(), wanted[i], again);
    }
    table_.states().merge_encoded(group.states(), wanted.back(), in);
  }
}

void Merger::skip_states(const PartialLayout& layout, ByteReader& in) {
  for (const PartialLayout::Entry& entry : layout.entries)
    GroupStates::skip(entry.kind, entry.form, in);
}

void Merger::take(int64_t stamp, int64_t slice, std::string_view chunk) {
  const WindowShape& window = version_.window;
  ByteReader in(chunk);
  const PartialLayout layout = PartialLayout::read(in);
  read_layout(layout);

  if (layout.sessions) {
    while (!in.done()) {
      pg::check_interrupts();
      const std::string_view key = rollup_key(in.bytes());
      const auto [first, last] = read_session_span(in);
      Group& head = table_.at(hash_bytes(key.data(), key.size()), 0, key);
      Group& segment = head.first > head.last ? head : table_.add_segment(head);
      segment.first = first;
      segment.last = last;
      merge_states(layout, in, segment);
    }
    return;
  }

  // All groups of a chunk are of one slice, and so of the same windows.
  std::vector<Micros> starts;
  const Micros oldest = add(slice, -(window.width - window.slide));
  for (Micros start = floor_to(oldest, window.slide, window.offset); start <= slice;
       start = add(start, window.slide)) {
    const Micros end = start + window.width;
    if (end <= slice || end <= range_.from || end > range_.until) continue;
    if (start < version_.live_from || start >= version_.live_until) continue;
    if (counts(end, stamp)) starts.push_back(start);
  }
  if (starts.empty()) return;
  while (!in.done()) {
    const std::string_view key = rollup_key(in.bytes());
    const uint64_t hash = hash_bytes(key.data(), key.size());
    const ByteReader group_states = in;
    for (Micros start : starts) {
      pg::check_interrupts();
      in = group_states;
      merge_states(layout, in, table_.at(hash, start, key));
    }
  }
}

void Merger::join_sessions(Group& head) {
  std::vector<Group*>& segments = targets_;
  segments.clear();
  for (Group* segment = &head; segment != nullptr; segment = segment->next_segment)
    segments.push_back(segment);
  join_segments(table_.states(), segments, version_.window.width);
  for (Group* session : segments) {
    const Micros end = add(session->last, version_.window.width);
    if (end > range_.from && end <= range_.until)
      windows_.push_back({session->first, end, session});
  }
}

void Merger::finish() {
  for (Group* group : table_.groups()) {
    pg::check_interrupts();
    if (version_.window.kind == WindowKind::kSession)
      join_sessions(*group);
    else
      windows_.push_back({group->slice, group->slice + version_.window.width, group});
  }
}

}  // namespace globalmart::closing
