// The statement trigger of every stream table: a batch of new rows is folded where it is inserted,
// in the same transaction. From top to bottom the way of a batch.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/spent.hpp"
#include "fold/detect.hpp"
#include "fold/fold.hpp"
#include "fold/late.hpp"
#include "fold/program.hpp"
#include "pg/entry.hpp"
#include "store/clock.hpp"
#include "store/fold_lock.hpp"
#include "store/partial_log.hpp"
#include "store/progress.hpp"

namespace globalmart::fold {

namespace {

const TriggerData* checked_trigger(FunctionCallInfo fcinfo) {
  if (!CALLED_AS_TRIGGER(fcinfo))
    ereport(ERROR, errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
            errmsg("fold_rows() is a trigger function"));
  auto* trigger = reinterpret_cast<TriggerData*>(fcinfo->context);
  if (!TRIGGER_FIRED_AFTER(trigger->tg_event) || !TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ||
      TRIGGER_FIRED_FOR_ROW(trigger->tg_event) || trigger->tg_newtable == nullptr ||
      trigger->tg_trigger->tgnargs != 1)
    ereport(
        ERROR, errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
        errmsg(
            "fold_rows() must be fired AFTER INSERT FOR EACH STATEMENT with REFERENCING NEW TABLE"),
        errhint("globalmart.create_stream makes the trigger."));
  return trigger;
}

// What one call needs; kept from call to call for its memory, one for each depth of nesting (a
// detector's table is a stream of its own).
struct Workspace {
  BatchOutcome outcome;
  store::ChunkBatch chunks;
};

Workspace& workspace(size_t depth) {
  static std::vector<std::unique_ptr<Workspace>> kept;
  while (kept.size() <= depth) kept.push_back(std::make_unique<Workspace>());
  kept[depth]->outcome.clear();
  kept[depth]->chunks.clear();
  return *kept[depth];
}

size_t depth = 0;

class Nesting {
 public:
  explicit Nesting(Program& program) : program_(program) {
    ++depth;
    program_.busy = true;
  }
  ~Nesting() {
    --depth;
    program_.busy = false;
    for (auto& plan : program_.plans) plan->table.clear();
    for (Detector& detector : program_.detectors) {
      detector.matches = nullptr;  // the memory context of the call frees it
      detector.match_count = 0;
    }
  }

 private:
  Program& program_;
};

void fold_batch(const TriggerData* trigger, const char* domain, const store::DomainState& state,
                Program& program, const Spent& began) {
  Workspace& work = workspace(depth);
  const Nesting nesting(program);
  pg::guarded([&] {
    Relation root = RelationIdGetRelation(program.stream->relation);
    TupleConversionMap* to_root =
        convert_tuples_by_name(RelationGetDescr(trigger->tg_relation), RelationGetDescr(root));
    RelationClose(root);
    fold_rows(program, trigger->tg_newtable, RelationGetDescr(trigger->tg_relation), to_root,
              work.outcome);
  });
  for (auto& plan : program.plans)
    write_chunks(plan->table.states(), plan->table.all(), plan->layout,
                 [&](int64_t slice, int groups, uint64_t rows, std::string_view body) {
                   work.chunks.add({.plan_id = plan->plan_id,
                                    .slice = slice,
                                    .groups = groups,
                                    .sharers = plan->sharers(slice),
                                    .rows = rows},
                                   body);
                 });
  const Spent folded = Spent::now();
  if (!work.chunks.chunks.empty()) {
    Spent spent = folded - began;
    spent += std::exchange(program.carried, {});
    work.chunks.share(spent);
  }
  pg::guarded([&] {
    store::append_chunks(domain, state.generation, state.close_seq, work.chunks);
    if (work.outcome.has_sql_rows)
      store::append_sql_progress(domain, work.outcome.sql_max_event_time);
    append_late_rows(*program.stream, work.outcome.late);
  });
  program.carried += Spent::now() - folded;
  run_detectors(program);
}

// What a transaction's first fold in a domain saw of the closes. All its folds judge by it: an
// order and its lines come as two statements, and a publication between them would find one in time
// and the other late. A close that was published since waits for this transaction, whose partials
// still count in it.
struct FirstFold {
  std::string domain;
  LocalTransactionId transaction = InvalidLocalTransactionId;
  int64_t close_seq = 0;
  std::vector<store::ProgressRow> progress;
};

void judge_as_first_fold(const char* domain, bool held, store::DomainState& state,
                         store::ProgressRow* rows, int count) {
  static std::vector<FirstFold> kept;
  auto first = std::find_if(kept.begin(), kept.end(),
                            [&](const FirstFold& fold) { return fold.domain == domain; });
  if (first == kept.end()) first = kept.insert(first, FirstFold{domain, {}, 0, {}});
  if (!held || first->transaction != MyProc->lxid) {
    first->transaction = MyProc->lxid;
    first->close_seq = state.close_seq;
    first->progress.assign(rows, rows + count);
    return;
  }
  state.close_seq = first->close_seq;
  // What the transaction itself has made or merged since is judged as it is now.
  for (int i = 0; i < count; ++i)
    for (const store::ProgressRow& seen : first->progress)
      if (seen.version_id == rows[i].version_id &&
          rows[i].progress.merged_until <= seen.progress.closed_until)
        rows[i].progress = seen.progress;
}

}  // namespace

}  // namespace globalmart::fold

GLOBALMART_FUNCTION(globalmart_fold_rows) {
  using namespace globalmart;
  const TriggerData* trigger = fold::checked_trigger(fcinfo);
  if (tuplestore_tuple_count(trigger->tg_newtable) == 0) return PointerGetDatum(nullptr);
  const Spent began = Spent::now();

  const char* stream_name = trigger->tg_trigger->tgargs[0];
  const char* domain = nullptr;
  store::DomainState state;
  fold::Program* program = nullptr;
  pg::guarded([&] {
    domain = store::domain_of(stream_name, RelationGetRelid(trigger->tg_relation));
    // First the tag, then a fresh snapshot, whatever the isolation level: either a closer waits for
    // this fold, or this fold sees the window as closed.
    const bool held = store::hold_fold_lock(domain);
    // The definitions too are read with it: a statement may have begun before they changed.
    Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
    PushActiveSnapshot(snapshot);
    store::ProgressRow* progress = nullptr;
    int progress_count = 0;
    state = store::read_progress(domain, snapshot, &progress, &progress_count);
    program = &fold::program_for(stream_name, RelationGetRelid(trigger->tg_relation),
                                 state.definition_version);
    // A trigger on a detector's table would run the program within itself.
    if (program->busy)
      ereport(ERROR, errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
              errmsg("rows cannot be inserted into stream \"%s\" while its rows are folded",
                     stream_name),
              errdetail("A trigger on the table of a detector inserts into the stream that the "
                        "detector reads."),
              errhint("Insert them in another transaction, or into another stream."));
    fold::judge_as_first_fold(domain, held, state, progress, progress_count);
    fold::apply_progress(*program, progress, progress_count);
    PopActiveSnapshot();
    UnregisterSnapshot(snapshot);
  });
  if (!program->plans.empty() || !program->detectors.empty() ||
      program->stream->partition_column != 0)
    fold::fold_batch(trigger, domain, state, *program, began);
  return PointerGetDatum(nullptr);
}
