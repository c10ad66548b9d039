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
  Relation log = table_open(store::table_oid("domains"), AccessShareLock);
  const TransactionId horizon = GetOldestNonRemovableTransactionId(log);
  table_close(log, AccessShareLock);
  PG_RETURN_BOOL(TransactionIdPrecedes(XidFromFullTransactionId(retired), horizon));
}
