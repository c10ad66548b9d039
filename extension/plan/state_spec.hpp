// How the states of an aggregate are kept: what a fold writes, a close reads.
#pragma once

#include "core/group_state.hpp"
#include "pg/postgres.hpp"

namespace globalmart::plan {

// For this kind over values of this type; compare functions for collated text included. The result
// lives in the current memory context.
AggregateSpec spec_for(AggregateKind kind, Oid type, Oid collation);

}  // namespace globalmart::plan
