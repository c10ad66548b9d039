// globalmart.is_retired(xid8): whether no snapshot of any backend still sees the world as it was
// before that transaction, so that what it made superfluous can be truncated.
#include "pg/entry.hpp"
#include "store/catalog.hpp"

extern "C" {
#include "access/transam.h"
}

GLOBALMART_FUNCTION(globalmart_is_retired) {
  using namespace globalmart;
  const FullTransactionId retired = FullTransactionIdFromU64(DatumGetUInt64(PG_GETARG_DATUM(0)));
  // What a dump brought from another cluster counts that one's transactions: here nobody saw them.
  if (U64FromFullTransactionId(retired) >= U64FromFullTransactionId(ReadNextFullTransactionId()))
    PG_RETURN_BOOL(true);
  Relation log = table_open(store::table_oid("domains"), AccessShareLock);
  const TransactionId horizon = GetOldestNonRemovableTransactionId(log);
  table_close(log, AccessShareLock);
  // In 64 bits: of an old number the lower half may have come round.
  const FullTransactionId next = ReadNextFullTransactionId();
  const uint32 in_view = XidFromFullTransactionId(next) - horizon;
  PG_RETURN_BOOL(U64FromFullTransactionId(retired) < U64FromFullTransactionId(next) - in_view);
}
