// The lock tag of a domain: every fold holds it, shared, to the end of its transaction; a closer
// waits for those who held it when a window was published. Nothing else touches it, so a VACUUM or
// a partition upkeep is never waited for.
#pragma once

#include "pg/postgres.hpp"

namespace globalmart::store {

// The part of the tag that tells domains apart: pg_locks shows it as objid.
uint32_t fold_lock_number(const char* domain);

// The tag itself, for PostgreSQL's lock manager: an object lock on the table of domains.
LOCKTAG fold_tag(const char* domain);

// Shared, to the end of the transaction; never waits behind a closer. True when an earlier fold of
// the transaction holds it already (a savepoint that was rolled back gave it up).
bool hold_fold_lock(const char* domain);

// Waits until every fold of the domain that holds its tag now has ended. Without a domain: of every
// domain with a publication that is not merged yet, whoever made it (a merge appends what others
// published before, too), or with a log that drains.
void wait_for_folds(const char* domain);

// The same for all domains, unless this session has waited for them since the publication of this
// number was committed. A merge calls it; after a wait of the caller's it costs a comparison.
void wait_for_publication(int64 published);

// For changes of definitions: keeps folds of the domain out until the end of the transaction. Tries
// again and again for up to `patience` milliseconds, never queueing in front of a writer; then
// 55P03. On a standby 25006.
void exclude_folds(const char* domain, int patience);

}  // namespace globalmart::store
