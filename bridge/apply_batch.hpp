// One try to apply a batch, whatever state the last one left: a connection that was lost on the
// way, leaves that are gone, rows that the database refuses.
#pragma once

#include <vector>

#include "bridge/batch.hpp"
#include "bridge/takeover.hpp"
#include "bridge/writer.hpp"

namespace globalmart {

// Gives the messages whose rows the database refuses, and then nothing is applied; none: the batch
// is in. `own`: the owner's partitions, those of the batch among them. `uncertain`: the connection
// was lost in the last try, so that the batch may be in already; false afterwards. `worker`: its
// number, for the log. On the worker's thread. Throws DatabaseError, which is fenced() when another
// bridge owns one of the partitions.
std::vector<Rejection> apply_batch(Shared& shared, Writer& writer, Batch& batch, OwnPartitions& own,
                                   bool& uncertain, size_t worker);

}  // namespace globalmart
