// Where folding and closing stand: read by every fold, with a snapshot of its own choice.
#pragma once

#include <string>
#include <unordered_map>

#include "core/window.hpp"
#include "pg/postgres.hpp"

namespace globalmart::store {

struct DomainState {
  int64_t close_seq = 0;
  int64_t definition_version = 0;
  int generation = 0;
  bool draining = false;
};

struct VersionProgress {
  Micros closed_until = kMinusInfinity;
  Micros merged_until = kMinusInfinity;
  int64_t published_seq = 0;
  Micros backfilled_until = kMinusInfinity;
};

// PostgreSQL's own infinities are the ends of the scale, as here.
inline Micros to_micros(TimestampTz time) { return time; }

// Reads both with one snapshot. `progress` has room for `capacity` rows in order of version id;
// gives the number of rows there are. Call inside pg::guarded.
struct ProgressRow {
  int version_id;
  VersionProgress progress;
};
DomainState read_progress(const char* domain, Snapshot snapshot, ProgressRow** rows, int* count);

// Appends the event time of rows that came by SQL.
void append_sql_progress(const char* domain, TimestampTz max_event_time);

}  // namespace globalmart::store
