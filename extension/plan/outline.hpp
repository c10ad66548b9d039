// The outline of a rollup's query: its levels, the innermost one with the stream and the window,
// the branches of a UNION ALL source. The first look at a parse tree; definition.hpp is what comes
// of it.
#pragma once

#include "core/window.hpp"
#include "pg/postgres.hpp"
#include "plan/definition.hpp"

namespace globalmart::plan {

struct Subject;

// One stream behind the source: the source itself, or a branch of its UNION ALL.
struct Branch {
  Oid relation;
  Index varno;        // of the stream in the branch's own query
  Query* query;       // the branch; NULL when the stream stands in the inner query itself
  List* target_list;  // of TargetEntry*, what the source's columns are; NIL when it is the stream
  Node* where;        // the branch's own filter
};

struct Outline {
  Query* top;
  Query* inner;
  List* levels;        // of Query*, from top to inner
  Index source;        // varno of the source in inner
  Index window_varno;  // varno of the window function in inner
  Node* where;         // over the source
  Node* time_argument;
  WindowShape window;
  List* keys;      // of Expr*: GROUP BY without the window columns
  List* branches;  // of Branch*
};

// Parses and analyses one SELECT with search_path pinned and settings that could change its meaning
// at fixed values (UTC, ISO dates).
// What PostgreSQL's parser refuses keeps its SQLSTATE and points into the text.
Query* analyze_select(const char* text, const Subject& subject);

// Whose query is at work: for errors of queries that the catalogue keeps.
struct Kept {
  const Subject* subject;
  const char* name;
  bool reading = true;  // false: it was read, and runs
};
// An error context callback over a Kept. Names it, and says what to do where something that the
// query names is not there.
void explain_kept_error(void* kept);

// Refuses functions that would give another result in another execution: volatile ones, and those
// that read the session's clock or user.
void require_repeatable(Query* query, const Subject& subject, const char* hint);

// And those that read anything else of the session that runs them. Asked of new queries only.
void refuse_session_readers(Query* query, const Subject& subject);

// Parses, analyses and finds the parts. Refuses with 0A000.
Outline* read_outline(const char* text);

// The innermost query of `top`, which is the outline's own or a copy of it.
Query* innermost(const Outline* outline, Query* top);

// Fills the output part of a definition: columns, types, natural key, clock columns.
void describe_output(const Outline* outline, Definition* definition, bool keys_not_null);

// The expression of one entry of a query's target list as SQL, without the query around it.
char* deparse_target(const Query* query, const TargetEntry* entry);

// The range table entries that FROM names, and the quals of its joins, flattened.
void flatten_from(Query* query, Node* node, List** varnos, List** quals);

// Is this node the window function's column: 1 window_start, 2 window_end; 0 otherwise.
int window_column(const Outline* outline, const Node* node);

}  // namespace globalmart::plan
