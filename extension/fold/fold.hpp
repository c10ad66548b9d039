// Folds a batch of new rows into the groups of a program's plans. In the order of a row's way: rows
// of the transition table -> conditions, late rows, keys, states (here) -> store/partial_log.
#pragma once

#include <vector>

#include "fold/program.hpp"

namespace globalmart::fold {

// A row that came after all its windows in a rollup were closed.
struct LateRow {
  const char* rollup;
  int32_t version_id;
  int32_t kafka_partition;
  int64_t kafka_offset;
  pg_uuid_t event_id;
  TimestampTz event_time;
  TimestampTz received_at;
  // Not kPlusInfinity: only the version's windows that end by then were missed, others took the
  // row.
  Micros missed_until;
};

// What a batch brought besides groups.
struct BatchOutcome {
  std::vector<LateRow> late;
  int64_t rows = 0;
  bool has_sql_rows = false;
  TimestampTz sql_max_event_time = DT_NOBEGIN;
  void clear() {
    late.clear();
    rows = 0;
    has_sql_rows = false;
    sql_max_event_time = DT_NOBEGIN;
  }
};

// Reads all rows and updates the tables of the plans; rows that detectors want go to their
// tuplestores. Throws what core throws, raises what expressions raise; call inside pg::guarded.
void fold_rows(Program& program, Tuplestorestate* rows, TupleDesc row_type,
               TupleConversionMap* to_root, BatchOutcome& outcome);

}  // namespace globalmart::fold
