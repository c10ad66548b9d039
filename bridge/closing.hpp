// Closing windows from the bridge: publish, wait, merge, each a statement of its own.
#pragma once

#include "bridge/fault_point.hpp"
#include "bridge/metrics.hpp"
#include "bridge/postgres.hpp"

namespace globalmart {

// Which rollups a close looks at. A session rollup could close at every event: kWhenDue leaves it
// out until its last close has been paid for by time; kAll does not.
enum class Closing { kWhenDue, kAll };

// Runs the three steps on a connection that is not in a transaction; returns the rows appended.
// Throws DatabaseError.
int64_t close_windows(Postgres& connection, Closing which, FaultPoint& fault_point,
                      Metrics& metrics);

}  // namespace globalmart
