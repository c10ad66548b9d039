// A version of a rollup as a close needs it: the definition, where its states are in the plan, how
// far it is closed.
#pragma once

#include "pg/datum.hpp"
#include "pg/postgres.hpp"
#include "plan/definition.hpp"
#include "store/progress.hpp"

namespace globalmart::closing {

struct Version {
  int version_id;
  const char* rollup;
  const char* domain;
  int plan_id;
  plan::Definition* definition;
  WindowShape window;
  Micros live_from;
  Micros live_until;
  Micros slice_width;
  int plan_key_count;
  pg::TypeForm* plan_keys;  // of the plan's keys, in its order
  int* key_numbers;         // where this rollup's keys are among them
  int* aggregate_numbers;   // and its aggregates among the plan's states
  store::DomainState domain_state;
  store::VersionProgress progress;
};

// Reads it as the active snapshot sees it; palloc'd in the current context. Call inside
// pg::guarded.
Version* read_version(int version_id);

}  // namespace globalmart::closing
