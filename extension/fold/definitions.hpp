// The definitions of a domain as the catalogue has them, for the compiler of programs.
#pragma once

#include "core/window.hpp"
#include "pg/postgres.hpp"

namespace globalmart::fold {

// A version of a rollup that still takes events.
struct CatalogVersion {
  int version_id;
  const char* rollup;
  const char* query;
  int plan_id;
  Datum stored_numbers;  // int[] as it stands in the catalogue, unless has_numbers is false
  bool has_numbers;
  int state_count;         // of the plan
  int* aggregate_numbers;  // the same, checked against the query by the compiler
  Micros live_from;
  Micros live_until;
  const char* base_query;
  bool first_version;
};

// A detector that is not paused.
struct CatalogDetector {
  const char* name;
  const char* query;
  const char* insert;  // SQL over the rows that matched
};

// Both give lists of pointers, palloc'd in the current context, as the active snapshot sees them.
// Inside pg::guarded.

// Of CatalogVersion*: every version of the domain's rollups, by its number. Those of the past too:
// they say for whom an event is late.
List* read_versions(const char* domain);

// Of CatalogDetector*: the domain's detectors by name, without those that are paused.
List* read_detectors(const char* domain);

}  // namespace globalmart::fold
