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
  int* aggregate_numbers;
  int aggregate_count;
  Micros live_from;
  Micros live_until;
  const char* base_query;
  bool first_version;
};

struct CatalogDetector {
  const char* name;
  const char* query;
  const char* insert;
};

// Lists of pointers, palloc'd in the current context, as the active snapshot sees them. Inside
// pg::guarded.
List* read_versions(const char* domain);
List* read_detectors(const char* domain);

}  // namespace globalmart::fold
