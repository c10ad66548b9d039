// Walking PostgreSQL's expression trees from C++: PostgreSQL declares the callbacks without
// parameters, which C++ takes at its word.
#pragma once

#include "pg/postgres.hpp"

namespace globalmart::plan {

// What PostgreSQL's walkers call for each node: true ends the walk.
using Walker = bool (*)(Node* node, void* context);
// What its mutators call for each node: gives the node that takes its place.
using Mutator = Node* (*)(Node* node, void* context);

// Calls `walker` for the children of a node; for subqueries it gets the Query itself.
inline bool walk_expression(Node* node, Walker walker, void* context) {
  return expression_tree_walker(node, reinterpret_cast<bool (*)()>(reinterpret_cast<void*>(walker)),
                                context);
}
// The same for everything in a query: its expressions and the subqueries of its range table.
inline bool walk_query(Query* query, Walker walker, void* context) {
  return query_tree_walker(query, reinterpret_cast<bool (*)()>(reinterpret_cast<void*>(walker)),
                           context, 0);
}
// A copy of the node with what `mutator` makes of its children.
inline Node* mutate_expression(Node* node, Mutator mutator, void* context) {
  return expression_tree_mutator(
      node, reinterpret_cast<Node* (*)()>(reinterpret_cast<void*>(mutator)), context);
}

// An element of a list of pointers, from 0.
template <typename T>
T* cell(const List* list, int index) {
  return static_cast<T*>(list_nth(list, index));
}

// Whether a column of a table is declared NOT NULL; false when there is no such column.
inline bool column_not_null(Oid relation, AttrNumber column) {
  HeapTuple tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relation), Int16GetDatum(column));
  if (!HeapTupleIsValid(tuple)) return false;
  const bool not_null = reinterpret_cast<Form_pg_attribute>(GETSTRUCT(tuple))->attnotnull;
  ReleaseSysCache(tuple);
  return not_null;
}

// Whose query is read, for messages about it.
struct Subject {
  const char* name;    // "rollup"
  const char* cannot;  // "a rollup cannot maintain"
  const char* shape;   // a hint: what its query looks like
};
extern const Subject kRollup;
extern const Subject kDetector;

// What the engine cannot run: 0A000.
[[noreturn]] inline void refuse(const Subject& subject, const char* part, const char* what,
                                const char* hint) {
  ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("%s %s", subject.cannot, what),
          errdetail("Part of the query: %s", part), errhint("%s", hint));
  pg_unreachable();
}
[[noreturn]] inline void refuse(const char* part, const char* what, const char* hint) {
  refuse(kRollup, part, what, hint);
}

// Refuses whole rows and system columns: the engine reads a row's columns by their numbers.
// Expressions of one query; its subqueries have their own.
void require_columns(const Subject& subject, Node* expr);

// A value that makes no sense: 22023.
[[noreturn]] inline void refuse_value(const char* part, const char* message, const char* hint) {
  ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s", message),
          errdetail("Part of the query: %s", part), errhint("%s", hint));
  pg_unreachable();
}

}  // namespace globalmart::plan
