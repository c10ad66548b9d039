// Detectors: a filter and a projection over the new rows of one stream, no window.
#pragma once

#include "pg/postgres.hpp"

namespace globalmart::plan {

struct DetectorDefinition {
  Oid relation;
  Node* where;         // over Var(varno 1); NULL: every row
  List* column_names;  // of char*
  List* column_types;
  List* column_expressions;  // of char*: in PostgreSQL's words
  List* not_null_columns;    // of char*: columns of the stream that are passed on and never null
  char* over_matches;        // the query over the rows that matched, by the name globalmart_matched
};

// Reads a detector's query; refuses with 0A000 what is more than SELECT ... FROM stream WHERE ....
DetectorDefinition* read_detector(const char* text);

// Only stream and filter, of the query that the catalogue keeps for the detector of this name.
Oid detector_source(const char* text, const char* name, Node** where);

}  // namespace globalmart::plan
