#include "store/fold_lock.hpp"

#include "core/hash.hpp"
#include "store/catalog.hpp"

namespace globalmart::store {

uint32_t fold_lock_number(const char* domain) {
  return static_cast<uint32_t>(hash_bytes(domain, strlen(domain)));
}

LOCKTAG fold_tag(const char* domain) {
  LOCKTAG tag;
  SET_LOCKTAG_OBJECT(tag, MyDatabaseId, table_oid("domains"), fold_lock_number(domain), 0);
  return tag;
}

bool hold_fold_lock(const char* domain) {
  const LOCKTAG tag = fold_tag(domain);
  const bool held = LockHeldByMe(&tag, RowExclusiveLock);
  LockAcquire(&tag, RowExclusiveLock, false, false);
  return held;
}

namespace {

// Up to which publication this session has waited, and which table counts them: an extension that
// is made anew begins again.
struct Awaited {
  Oid counter = InvalidOid;
  int64 published = 0;
};
Awaited awaited;

// Tags of the domains that somebody must wait for, and the number of the last publication.
List* awaited_tags(int64* published) {
  List* tags = NIL;
  MemoryContext caller = CurrentMemoryContext;
  // What is committed now, whatever the isolation level.
  PushActiveSnapshot(GetLatestSnapshot());
  SPI_connect();
  // Rollups that failed or are paused count: resumed before the merge, they are merged by it.
  SPI_execute(
      "SELECT domain FROM globalmart.rollup_progress WHERE merged_until OPERATOR(pg_catalog.<) "
      "closed_until UNION SELECT domain FROM globalmart.domains WHERE draining ORDER BY domain",
      true, 0);
  const uint64 count = SPI_processed;
  for (uint64 row = 0; row < count; ++row) {
    const char* domain = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1);
    MemoryContext spi = MemoryContextSwitchTo(caller);
    auto* tag = static_cast<LOCKTAG*>(palloc(sizeof(LOCKTAG)));
    *tag = fold_tag(domain);
    tags = lappend(tags, tag);
    MemoryContextSwitchTo(spi);
  }
  SPI_execute("SELECT last_seq FROM globalmart.close_counter", true, 1);
  bool null = true;
  *published = 0;
  if (SPI_processed == 1) {
    const Datum last = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null);
    if (!null) *published = DatumGetInt64(last);
  }
  SPI_finish();
  PopActiveSnapshot();
  return tags;
}

}  // namespace

void wait_for_folds(const char* domain) {
  if (domain != nullptr) {
    WaitForLockers(fold_tag(domain), ShareLock, false);
    return;
  }
  int64 published = 0;
  List* tags = awaited_tags(&published);
  if (tags != NIL) WaitForLockersMultiple(tags, ShareLock, false);
  // The last publication may be this transaction's own: then nobody has seen it, and it may be
  // taken back.
  if (!TransactionIdIsValid(GetTopTransactionIdIfAny()))
    awaited = {table_oid("close_counter"), published};
}

void wait_for_publication(int64 published) {
  if (published <= awaited.published && table_oid("close_counter") == awaited.counter) return;
  wait_for_folds(nullptr);
}

void exclude_folds(const char* domain, int patience) {
  PreventCommandDuringRecovery("a change of definitions");
  const LOCKTAG tag = fold_tag(domain);
  for (int waited = 0;; waited += 5) {
    if (LockAcquire(&tag, ShareRowExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL) return;
    if (waited >= patience) break;
    CHECK_FOR_INTERRUPTS();
    WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 5, PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
  }
  ereport(ERROR, errcode(ERRCODE_LOCK_NOT_AVAILABLE),
          errmsg("transactions that write to the streams of %s are still under way", domain),
          errhint("Try again when they have ended; globalmart.status shows what holds them up."));
}

}  // namespace globalmart::store
