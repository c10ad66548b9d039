// Waiting for those who write to tables, as CREATE INDEX CONCURRENTLY does: for a loader that reads
// rows in the order of a sequence and must not pass a row whose transaction has taken its number
// and not committed yet.
#pragma once

#include "pg/postgres.hpp"

namespace globalmart::store {

// Waits until every transaction that holds a lock of writing on one of the tables, or on a
// partition of one, has ended. Takes no lock that a writer queues behind; a VACUUM or upkeep under
// way is waited for, too. The tables may be dropped meanwhile. Raises 57014 when cancelled.
void wait_for_writers(const Oid* relations, int count);

}  // namespace globalmart::store
