// The lock of the night: an advisory lock that outlives its COMMITs, but no error.
//
// A lock of the session stays when a procedure is cancelled between two of its transactions, where
// no handler is, and a session that lives on would keep every later night out. This one is given up
// when a transaction of the session is rolled back.
#include "pg/entry.hpp"

extern "C" {
#include "storage/lock.h"
}

namespace globalmart::commands {
namespace {

// Others see it in pg_locks by these; status and require_run_lock() ask for them.
constexpr uint32_t kClass = 1735287117;
constexpr uint32_t kNumber = 1;

LOCKTAG run_tag() {
  LOCKTAG tag;
  SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, kClass, kNumber, 2);
  return tag;
}

bool taken = false;

void give_up() {
  taken = false;
  const LOCKTAG tag = run_tag();
  if (LockHeldByMe(&tag, ExclusiveLock)) LockRelease(&tag, ExclusiveLock, true);
}

void at_end(XactEvent event, void* /*argument*/) {
  if (event == XACT_EVENT_ABORT && taken) give_up();
}

}  // namespace
}  // namespace globalmart::commands

// try_run_lock() -> boolean
GLOBALMART_FUNCTION(globalmart_try_run_lock) {
  using namespace globalmart::commands;
  static bool registered = false;
  if (!registered) RegisterXactCallback(at_end, nullptr);
  registered = true;
  const LOCKTAG tag = run_tag();
  if (!LockHeldByMe(&tag, ExclusiveLock)) {
    if (LockAcquire(&tag, ExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
      PG_RETURN_BOOL(false);
    taken = true;
  }
  PG_RETURN_BOOL(true);
}

// release_run_lock()
GLOBALMART_FUNCTION(globalmart_release_run_lock) {
  globalmart::commands::give_up();
  PG_RETURN_VOID();
}
