// What a rollup's query says, read off PostgreSQL's own parse tree: source, windows, keys,
// aggregates; and the two queries made of it: over merged groups (for a close) and over raw rows
// (for a batch).
//
// Everything here is palloc'd in the current memory context and may ereport: call it inside
// pg::guarded. Queries that the engine cannot maintain are refused with 0A000 and the part meant.
#pragma once

#include "core/group_state.hpp"
#include "core/window.hpp"
#include "pg/postgres.hpp"

namespace globalmart::plan {

struct Outline;

// One stream that feeds the definition. Expressions see a row of the stream as Var(varno 1).
struct Input {
  Oid relation;
  Expr* where;       // NULL: every row
  List* keys;        // of Expr*, as many as Definition::key_count
  List* aggregates;  // of Aggref*, one for each Definition::aggregates
};

struct AggregateDefinition {
  Aggref* aggref;  // as it stands in the query
  AggregateKind kind;
  bool average;    // finish a kSum as its quotient
  Oid value_type;  // type of the argument; InvalidOid for count(*)
  Oid result_type;
  Oid collation;
};

struct Definition {
  const char* text;
  WindowShape window;
  List* inputs;  // of Input*
  int key_count;
  List* key_exprs;   // in terms of the query's own source
  List* aggregates;  // of AggregateDefinition*
  const char* where_signature;
  List* key_signatures;        // of char*
  List* aggregate_signatures;  // of char*
  bool sharable;               // one plain stream: its partials may serve other rollups
  // Output of the whole query.
  List* column_names;  // of char*
  List*
      key_columns;  // of char*: names of the output's natural key, window_start first; NIL if none
  bool keys_not_null;
  List* clock_columns;       // of char*: columns that hold processing time
  List* column_types;        // of char*: format_type text
  List* column_expressions;  // of char*: what each is made of, in PostgreSQL's words
  bool per_window;           // levels above the groups must see one window at a time
  const Outline* outline;
};

// Parses and analyses with a pinned search_path and UTC.
Definition* read_definition(const char* text);

// The same for a query that the catalogue keeps for a rollup: errors name it and say what to do.
// What a definition reads may be renamed, or dropped by force.
Definition* read_kept_definition(const char* text, const char* rollup);

// Refuses what `verify` could not compare with a batch run: columns without equality, functions
// that read the session. Of new queries only: one that is kept from before is folded as it was.
void require_comparable(const Definition* definition);

// The query over merged groups as SQL: what a close runs with $1 < window_end <= $2, or, for open
// windows, what a close now would append.
char* deparse_over_groups(const Definition* definition, int version_id, bool open_windows);

// The ends of the windows that a close would see, for definitions that run one window at a time.
char* deparse_window_list(const Definition* definition, int version_id);

// The query over raw rows: windows with $1 < window_end <= $2 that begin in [live_from,
// live_until), without the rows that were late for this version of `rollup`; with all of them when
// the name is empty.
char* deparse_batch(const Definition* definition, const char* rollup, int version_id);

// The ends of the windows that the innermost query of deparse_batch has groups in, with the same
// parameters.
char* deparse_batch_windows(const Definition* definition, const char* rollup, int version_id);

// For session windows: the events that were late for this version of `rollup`, each with the
// session that it stands in when all late ones are counted. Parameters $3 and $4 bound event times.
char* deparse_late_sessions(const Definition* definition, const char* rollup, int version_id);

}  // namespace globalmart::plan
