// Feeds bytes to the readers of partials, the way a restored dump would: layout, keys, spans of
// sessions, states that are merged and states that are passed over. Bytes either throw CorruptBytes
// or std::overflow_error, or make groups that are written and read back as the same. Any crash,
// read out of bounds or leak stops it. See module.mk for how to run it.
//
// The first byte chooses how the chunk is read: by the states that it names itself, or by those of
// a plan that has one of each.
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/group_table.hpp"
#include "core/partial.hpp"
#include "test/fuzz/fuzz_support.hpp"

namespace {

using namespace globalmart;

int compare_lengths(const void*, std::string_view left, std::string_view right) {
  return left.size() < right.size() ? -1 : left.size() > right.size();
}

AggregateSpec spec_of(AggregateKind kind, ValueForm form) {
  return {kind, form, form == ValueForm::kCollated ? compare_lengths : nullptr, nullptr};
}

std::vector<AggregateSpec> one_of_each() {
  std::vector<AggregateSpec> specs;
  for (uint8_t kind = 1; kind <= kMaxAggregateKind; ++kind)
    for (uint8_t form = 0; form <= kMaxValueForm; ++form)
      specs.push_back(spec_of(static_cast<AggregateKind>(kind), static_cast<ValueForm>(form)));
  return specs;
}

std::vector<AggregateSpec> specs_of(const PartialLayout& layout) {
  std::vector<AggregateSpec> specs;
  for (const PartialLayout::Entry& entry : layout.entries)
    specs.push_back(spec_of(entry.kind, entry.form));
  return specs;
}

// Reads a chunk into a table. `skip_every` > 0 passes over every so many-th state.
void read_chunk(GroupTable& table, std::string_view chunk, bool by_number, size_t skip_every) {
  ByteReader in(chunk);
  const PartialLayout layout = PartialLayout::read(in);
  const size_t known = table.states().specs().size();
  // A group that says nothing costs a reader memory all the same.
  if (known > 1000) throw CorruptBytes("more states than this target has memory for");
  while (!in.done()) {
    const std::string_view key = in.bytes();
    const uint64_t hash = hash_bytes(key.data(), key.size());
    Group* group = &table.at(hash, 0, key);
    if (layout.sessions) {
      const SessionSpan span = read_session_span(in);
      require(span.first <= span.last, "a session ends after it begins");
      if (group->first <= group->last) group = &table.add_segment(*group);
      group->first = span.first;
      group->last = span.last;
    }
    for (size_t i = 0; i < layout.entries.size(); ++i) {
      const PartialLayout::Entry& entry = layout.entries[i];
      const size_t index = by_number ? entry.number : i;
      if (index >= known || (skip_every > 0 && i % skip_every == 0))
        GroupStates::skip(entry.kind, entry.form, in);
      else
        table.states().merge_encoded(group->states(), index, in);
    }
  }
}

std::vector<std::string> write_all(GroupTable& table, bool sessions) {
  PartialLayout layout;
  layout.sessions = sessions;
  for (const AggregateSpec& spec : table.states().specs())
    layout.entries.push_back({static_cast<uint32_t>(layout.entries.size()), spec.kind, spec.form});
  std::vector<std::string> chunks;
  write_chunks(table.states(), table.all(), layout,
               [&](int64_t, int, uint64_t, std::string_view body) { chunks.emplace_back(body); });
  return chunks;
}

void read_keys(std::string_view bytes, uint8_t forms) {
  try {
    ByteReader in(bytes);
    std::string again;
    while (!in.done()) {
      const auto form = static_cast<ValueForm>(forms % (kMaxValueForm + 1));
      append_key_field(again, form, read_key_field(in, form));
    }
    require(again.size() <= bytes.size(), "a key is as short as it can be");
  } catch (const CorruptBytes&) {
  }
}

void join_all(GroupTable& table, int64_t gap) {
  std::vector<Group*> segments;
  for (Group* head : table.groups()) {
    segments.clear();
    for (Group* segment = head; segment != nullptr; segment = segment->next_segment)
      segments.push_back(segment);
    join_segments(table.states(), segments, gap);
    for (size_t i = 1; i < segments.size(); ++i)
      require(!within_gap(segments[i - 1]->last, segments[i]->first, gap), "sessions are apart");
  }
}

void read_partial(uint8_t choice, std::string_view chunk) {
  ByteReader in(chunk);
  const PartialLayout layout = PartialLayout::read(in);
  const bool by_number = (choice & 1) != 0;
  const std::vector<AggregateSpec> specs = by_number ? one_of_each() : specs_of(layout);
  GroupTable table(specs);
  read_chunk(table, chunk, by_number, (choice >> 1) % 4);

  const std::vector<std::string> written = write_all(table, layout.sessions);
  GroupTable again(specs);
  for (const std::string& body : written) read_chunk(again, body, false, 0);
  require(write_all(again, layout.sessions).size() == written.size(), "groups come back");
  if (!layout.sessions)
    require(write_all(again, false) == written, "what is written comes back as the same bytes");

  join_all(table, choice >> 3);
  if (table.groups().size() > 1) {
    char* into = table.groups().front()->states();
    for (Group* group : table.all())
      if (group->states() != into) table.states().merge(into, group->states());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const ExactCopy copy(data, size);
  const std::string_view bytes = copy.view().substr(1);
  read_keys(bytes, data[0]);
  try {
    read_partial(data[0], bytes);
  } catch (const CorruptBytes&) {
  } catch (const std::overflow_error&) {
  }
  return 0;
}
