// What a fold does with the rows of one stream, compiled once per backend and definition version:
// the plans to fold into, with their keys and aggregates as column numbers or compiled expressions.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/group_table.hpp"
#include "core/partial.hpp"
#include "core/spent.hpp"
#include "core/window.hpp"
#include "pg/canonical.hpp"
#include "pg/datum.hpp"
#include "pg/postgres.hpp"
#include "store/catalog.hpp"
#include "store/progress.hpp"

namespace globalmart::fold {

// A value of the row: a column as it is, or an expression.
struct Operand {
  AttrNumber column = InvalidAttrNumber;
  ExprState* expression = nullptr;
  pg::TypeForm type;
};

// A condition on the row. Conditions that plans and aggregates have in common are kept once, and
// evaluated once a row.
struct Condition {
  enum class Kind { kTextEquals, kNotNull, kExpression };
  Kind kind = Kind::kExpression;
  AttrNumber column = InvalidAttrNumber;
  std::string text;
  ExprState* expression = nullptr;
  Node* tree = nullptr;  // to find it again
  uint64_t row = 0;      // for which row `holds` is known
  bool holds = false;
};

struct AggregateStep {
  AggregateKind kind;
  ValueForm form;
  bool has_value = false;
  bool has_id = false;
  bool hash_of_column = false;  // a sketch over a column whose hash the row has anyway
  pg::TypeShape shape;          // of the value, for sketches
  Operand value;
  Operand time;
  Operand id;
  std::vector<int> filter;  // conditions, all of which must hold
};

// A version of a rollup that is maintained from a plan.
struct Subscriber {
  int version_id;
  const char* rollup;
  WindowShape window;
  Micros live_from;
  Micros live_until;
  bool first_version;
  Micros late_before = kMinusInfinity;  // of the progress that this fold has read
  Micros partly_late_before = kMinusInfinity;
  Micros backfilled_before = kMinusInfinity;
  Micros closed_until = kMinusInfinity;
  // Events up to here can stand in a window that begins before live_until.
  Micros member_until() const {
    if (window.kind == WindowKind::kSession) return live_until;
    return add(window.last_start(add(live_until, -1)), window.width);
  }
  // Whether a window of this version that is not closed holds an event of this time.
  bool in_time(Micros time) const {
    if (time < live_from || time < late_before || time >= member_until()) return false;
    if (window.kind == WindowKind::kSession) return true;
    // Windows that would begin at live_until or later are another version's.
    return add(window.last_start(std::min(time, add(live_until, -1))), window.width) > closed_until;
  }
};

struct PlanProgram {
  explicit PlanProgram(std::vector<AggregateSpec> specs) : table(std::move(specs)) {}
  int plan_id = 0;
  bool sessions = false;
  Micros slice_width = 0;  // the gap for sessions
  Micros slice_offset = 0;
  std::vector<int> where;
  std::vector<Operand> keys;
  std::vector<AggregateStep> aggregates;
  PartialLayout layout;
  std::vector<Subscriber> subscribers;
  GroupTable table;
  // An event in [plain_from, plain_until) concerns every subscriber and is late for none.
  Micros plain_from = kMinusInfinity;
  Micros plain_until = kPlusInfinity;
  // All subscribers are definitions of the past: nothing plain is folded.
  bool retired = false;
  // How many rollups a partial of this time is folded for.
  int sharers(Micros slice) const {
    int count = 0;
    for (const Subscriber& subscriber : subscribers) count += subscriber.in_time(slice) ? 1 : 0;
    return std::max(count, 1);
  }
};

struct Detector {
  const char* name;
  const char* insert;  // SQL over the rows that matched
  std::vector<int> where;
  Tuplestorestate* matches = nullptr;
  int64_t match_count = 0;
};

// The value of a column in the row at hand, worked out at most once a row.
struct ColumnCache {
  pg::TypeForm type;
  uint64_t value_row = 0;
  uint64_t hash_row = 0;
  uint64_t decimal_row = 0;
  Value value;
  uint64_t hash = 0;
  Decimal decimal;
};

struct Program {
  ~Program();
  MemoryContext context = nullptr;  // holds the expressions
  int64_t definition_version = -1;
  store::Stream* stream = nullptr;
  TupleDesc row_type = nullptr;  // of the stream's table when this was compiled
  ExprContext* expressions = nullptr;
  AttrNumber last_column = 0;
  // Events outside of these have a window that leaves the scale of timestamps.
  Micros earliest = MIN_TIMESTAMP;
  Micros latest = END_TIMESTAMP - 1;
  Micros max_future = kPlusInfinity;  // ahead of the clock, for rows that come by SQL
  std::vector<Condition> conditions;
  std::vector<std::unique_ptr<PlanProgram>> plans;
  std::vector<Detector> detectors;
  std::vector<ColumnCache> columns;
  uint64_t row = 0;
  bool busy = false;
  // What writing the last batch's partials took, which is known when they are written: it is shared
  // with the next batch.
  Spent carried;
};

// The program for a stream, by name; compiled anew when the definitions moved. Call inside
// pg::guarded.
Program& program_for(const char* stream, Oid relation, int64_t definition_version);

// Brings the subscribers' late_before up to date.
void apply_progress(Program& program, const store::ProgressRow* rows, int count);

}  // namespace globalmart::fold
