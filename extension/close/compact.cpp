// globalmart.compact_plan(domain, plan): copies what open windows still need out of the draining
// log, merged, into the one that folds append to. The SQL around it (compaction.sql) decides when.
#include <algorithm>
#include <string>
#include <unordered_set>

#include "close/version.hpp"
#include "core/partial.hpp"
#include "pg/entry.hpp"
#include "plan/state_spec.hpp"
#include "plan/tree.hpp"
#include "store/partial_log.hpp"

namespace globalmart::closing {

namespace {

using plan::AggregateDefinition;
using plan::cell;

// The versions that are maintained from the plan, and the spec of each state that they use.
struct PlanUse {
  List* versions = NIL;  // of Version*
  List* numbers = NIL;   // of int: state numbers, ascending
};

PlanUse read_use(int plan_id) {
  PlanUse use;
  List* ids = NIL;
  MemoryContext caller = CurrentMemoryContext;
  SPI_connect();
  Oid types[1] = {INT4OID};
  Datum values[1] = {Int32GetDatum(plan_id)};
  SPI_execute_with_args(
      "SELECT v.version_id FROM globalmart.rollup_versions AS v JOIN globalmart.rollup_progress AS "
      "p "
      "USING (version_id) WHERE v.plan_id = $1 AND p.merged_until < v.live_until + "
      "pg_catalog.make_interval(secs => v.width / 1e6)",
      1, types, values, nullptr, true, 0);
  for (uint64 row = 0; row < SPI_processed; ++row) {
    bool null;
    const int id =
        DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &null));
    MemoryContext spi = MemoryContextSwitchTo(caller);
    ids = lappend_int(ids, id);
    MemoryContextSwitchTo(spi);
  }
  SPI_finish();
  ListCell* each;
  foreach (each, ids) {
    Version* version = read_version(lfirst_int(each));
    use.versions = lappend(use.versions, version);
    for (int i = 0; i < list_length(version->definition->aggregates); ++i)
      use.numbers = list_append_unique_int(use.numbers, version->aggregate_numbers[i]);
  }
  list_sort(use.numbers, list_int_cmp);
  return use;
}

AggregateSpec spec_of(const PlanUse& use, int number) {
  ListCell* each;
  foreach (each, use.versions) {
    auto* version = static_cast<Version*>(lfirst(each));
    for (int i = 0; i < list_length(version->definition->aggregates); ++i) {
      if (version->aggregate_numbers[i] != number) continue;
      auto* aggregate = cell<AggregateDefinition>(version->definition->aggregates, i);
      return plan::spec_for(aggregate->kind, aggregate->value_type, aggregate->collation);
    }
  }
  return {};
}

// Whether any version has a window with this slice that is not merged yet.
bool still_open(const PlanUse& use, Micros slice) {
  ListCell* each;
  foreach (each, use.versions) {
    const auto* version = static_cast<Version*>(lfirst(each));
    if (add(version->window.last_start(slice), version->window.width) >
        version->progress.merged_until)
      return true;
  }
  return false;
}

// Merges chunks of one plan into one table, by the plan's own keys.
class Compactor {
 public:
  Compactor(const PlanUse& use, PartialLayout layout, std::vector<AggregateSpec> specs)
      : use_(use), layout_(std::move(layout)), table_(std::move(specs)) {}

  void take(int64_t slice, std::string_view chunk) {
    ByteReader in(chunk);
    const PartialLayout stored = PartialLayout::read(in);
    if (!stored.sessions && !still_open(use_, slice)) return;
    std::vector<int> ours(stored.entries.size(), -1);
    for (size_t entry = 0; entry < stored.entries.size(); ++entry)
      for (size_t i = 0; i < layout_.entries.size(); ++i)
        if (stored.entries[entry].holds(layout_.entries[i])) ours[entry] = static_cast<int>(i);
    while (!in.done()) {
      pg::check_interrupts();
      const std::string_view key = in.bytes();
      const uint64_t hash = hash_bytes(key.data(), key.size());
      Group* group;
      if (stored.sessions) {
        const auto [first, last] = read_session_span(in);
        Group& head = table_.at(hash, 0, key);
        group = head.first > head.last ? &head : &table_.add_segment(head);
        group->first = first;
        group->last = last;
      } else {
        group = &table_.at(hash, slice, key);
        group->first = std::min(group->first, slice);
        group->last = std::max(group->last, slice);
      }
      for (size_t entry = 0; entry < stored.entries.size(); ++entry) {
        if (ours[entry] < 0)
          GroupStates::skip(stored.entries[entry].kind, stored.entries[entry].form, in);
        else
          table_.states().merge_encoded(group->states(), ours[entry], in);
      }
    }
  }

  // Notes the keys of a chunk of the log in use: a session of theirs may go on there.
  void note_keys(std::string_view chunk) {
    ByteReader in(chunk);
    const PartialLayout stored = PartialLayout::read(in);
    while (!in.done()) {
      pg::check_interrupts();
      continued_.emplace(in.bytes());
      read_session_span(in);
      for (const PartialLayout::Entry& entry : stored.entries)
        GroupStates::skip(entry.kind, entry.form, in);
    }
  }

  // Joins the segments of sessions, leaves out sessions that are closed, writes the rest.
  void write(int plan_id, store::ChunkBatch& batch) {
    std::vector<Group*> kept = layout_.sessions ? open_sessions() : table_.all();
    write_chunks(table_.states(), std::move(kept), layout_,
                 [&](int64_t slice, int groups, uint64_t, std::string_view body) {
                   // What their folds have spent is in fold_costs.
                   batch.add({.plan_id = plan_id, .slice = slice, .groups = groups}, body);
                 });
  }

 private:
  std::vector<Group*> open_sessions() {
    const auto* version = static_cast<Version*>(linitial(use_.versions));
    const Micros gap = version->window.width;
    std::vector<Group*> open;
    std::vector<Group*> segments;
    for (Group* head : table_.groups()) {
      segments.clear();
      for (Group* segment = head; segment != nullptr; segment = segment->next_segment)
        segments.push_back(segment);
      join_segments(table_.states(), segments, gap);
      for (Group* segment : segments)
        // What looks closed here may be the beginning of a session that goes on in the other log; a
        // closed one that is kept for nothing is passed over by every reader.
        if (add(segment->last, gap) > version->progress.merged_until ||
            continued_.contains(std::string(head->key())))
          open.push_back(segment);
    }
    return open;
  }

  const PlanUse& use_;
  PartialLayout layout_;
  GroupTable table_;
  std::unordered_set<std::string> continued_;
};

}  // namespace

}  // namespace globalmart::closing

// compact_plan(domain, plan_id) -> bytes written
GLOBALMART_FUNCTION(globalmart_compact_plan) {
  using namespace globalmart;
  using namespace globalmart::closing;
  PlanUse use;
  const char* domain = nullptr;
  const int plan_id = PG_GETARG_INT32(1);
  store::DomainState state;
  PartialLayout layout;
  std::vector<AggregateSpec> specs;
  pg::guarded([&] {
    domain = text_to_cstring(PG_GETARG_TEXT_PP(0));
    use = read_use(plan_id);
    store::ProgressRow* rows;
    int count;
    state = store::read_progress(domain, GetActiveSnapshot(), &rows, &count);
  });
  if (use.versions == NIL) return Int64GetDatum(0);
  layout.sessions =
      static_cast<Version*>(linitial(use.versions))->window.kind == WindowKind::kSession;
  ListCell* each;
  foreach (each, use.numbers) {
    AggregateSpec spec;
    pg::guarded([&] { spec = spec_of(use, lfirst_int(each)); });
    specs.push_back(spec);
    layout.entries.push_back({static_cast<uint32_t>(lfirst_int(each)), spec.kind, spec.form});
  }
  Compactor compactor(use, layout, specs);
  store::ChunkBatch batch;
  pg::guarded([&] {
    // Only the log that drains.
    store::read_generation(
        domain, 1 - state.generation, plan_id, kMinusInfinity, kPlusInfinity,
        [](void* context, int64_t, int64_t slice, std::string_view body) {
          static_cast<Compactor*>(context)->take(slice, body);
        },
        &compactor);
  });
  if (layout.sessions)
    pg::guarded([&] {
      store::read_generation(
          domain, state.generation, plan_id, kMinusInfinity, kPlusInfinity,
          [](void* context, int64_t, int64_t, std::string_view body) {
            static_cast<Compactor*>(context)->note_keys(body);
          },
          &compactor);
    });
  compactor.write(plan_id, batch);
  pg::guarded([&] { store::append_chunks(domain, state.generation, state.close_seq, batch); });
  return Int64GetDatum(static_cast<int64>(batch.bytes.size()));
}
