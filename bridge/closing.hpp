// Closing windows from the bridge: publish, wait, merge, each a statement of its own.
#pragma once

#include "bridge/fault_point.hpp"
#include "bridge/metrics.hpp"
#include "bridge/postgres.hpp"

namespace globalmart {

// Runs the three steps on a connection that is not in a transaction; returns the rows appended.
// Throws DatabaseError.
int64_t close_windows(Postgres& connection, FaultPoint& fault_point, Metrics& metrics);

}  // namespace globalmart
