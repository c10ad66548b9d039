#include "fold/program.hpp"

#include <algorithm>
#include <unordered_map>

#include "fold/compile.hpp"

namespace globalmart::fold {

Program::~Program() {
  if (context != nullptr) MemoryContextDelete(context);
}

namespace {

// Whether the stream's table still has the columns that the program was compiled for.
bool has_same_columns(const Program& program) {
  Relation root = RelationIdGetRelation(program.stream->relation);
  if (root == nullptr) return false;
  const bool same = equalTupleDescs(program.row_type, RelationGetDescr(root));
  RelationClose(root);
  return same;
}

}  // namespace

Program& program_for(const char* stream, Oid relation, int64_t definition_version) {
  // One program a stream for the life of the backend.
  static std::unordered_map<std::string, std::unique_ptr<Program>> programs;
  std::unique_ptr<Program>& kept = programs[stream];
  if (kept == nullptr || kept->definition_version != definition_version ||
      !has_same_columns(*kept)) {
    if (kept != nullptr && kept->busy)
      ereport(ERROR, errcode(ERRCODE_OBJECT_IN_USE),
              errmsg("the rollups of stream \"%s\" changed while its rows were folded", stream));
    kept = std::make_unique<Program>();
    compile_program(*kept, stream, relation);
    kept->definition_version = definition_version;
  }
  return *kept;
}

void apply_progress(Program& program, const store::ProgressRow* rows, int count) {
  for (auto& plan : program.plans) {
    plan->plain_from = kMinusInfinity;
    plan->plain_until = kPlusInfinity;
    plan->retired = true;
    for (Subscriber& subscriber : plan->subscribers) {
      const auto* end = rows + count;
      const auto* found = std::lower_bound(
          rows, end, subscriber.version_id,
          [](const store::ProgressRow& row, int id) { return row.version_id < id; });
      if (found == end || found->version_id != subscriber.version_id) {
        // Dropped meanwhile: nothing is folded for it.
        subscriber.late_before = kPlusInfinity;
        plan->plain_from = kPlusInfinity;
        plan->retired = false;
        continue;
      }
      const store::VersionProgress& progress = found->progress;
      subscriber.late_before = subscriber.window.late_before(progress.closed_until);
      subscriber.partly_late_before = subscriber.window.partly_late_before(progress.closed_until);
      subscriber.closed_until = progress.closed_until;
      subscriber.backfilled_before = subscriber.window.late_before(progress.backfilled_until);
      if (subscriber.late_before >= subscriber.member_until()) {
        // A definition of the past: all its windows are closed, and events of its time are late.
        plan->plain_from = std::max(plan->plain_from, subscriber.member_until());
        continue;
      }
      plan->retired = false;
      plan->plain_from =
          std::max({plan->plain_from, subscriber.partly_late_before, subscriber.live_from});
      plan->plain_until = std::min(plan->plain_until, subscriber.live_until);
    }
  }
}

}  // namespace globalmart::fold
