#include "store/clock.hpp"

#include "pg/entry.hpp"

extern "C" {
#include "utils/datetime.h"
PG_MODULE_MAGIC;
__attribute__((visibility("default"))) void _PG_init(void);
}

namespace globalmart::store {

namespace {

char* now_setting = nullptr;

struct ParsedNow {
  bool set;
  TimestampTz time;
};

bool check_now(char** value, void** extra, GucSource) {
  auto* parsed = static_cast<ParsedNow*>(malloc(sizeof(ParsedNow)));
  if (parsed == nullptr) return false;
  parsed->set = **value != '\0';
  parsed->time = 0;
  if (parsed->set) {
    // Without a zone the time is UTC: a setting must not depend on another one.
    char buffer[MAXDATELEN + MAXDATEFIELDS];
    char* fields[MAXDATEFIELDS];
    int types[MAXDATEFIELDS], count = 0, kind = 0, zone = 0;
    fsec_t fraction = 0;
    struct pg_tm parts;
    Timestamp time;
    if (ParseDateTime(*value, buffer, sizeof buffer, fields, types, MAXDATEFIELDS, &count) != 0 ||
        DecodeDateTime(fields, types, count, &kind, &parts, &fraction, &zone) != 0 ||
        kind != DTK_DATE) {
      free(parsed);
      GUC_check_errdetail("It must be a timestamp such as 2026-11-20 10:00:00Z.");
      return false;
    }
    bool has_zone = false;
    for (int i = 0; i < count; ++i)
      has_zone = has_zone || types[i] == DTK_TZ || types[i] == DTK_STRING;
    if (!has_zone) zone = 0;
    if (tm2timestamp(&parts, fraction, &zone, &time) != 0) {
      free(parsed);
      return false;
    }
    parsed->time = time;
  }
  *extra = parsed;
  return true;
}

ParsedNow current_now = {false, 0};

void assign_now(const char*, void* extra) {
  if (extra != nullptr) current_now = *static_cast<ParsedNow*>(extra);
}

// Ends with the transaction: see set_processing_time.
TimestampTz processing_time = DT_NOBEGIN;
LocalTransactionId processing_transaction = InvalidLocalTransactionId;

}  // namespace

void define_settings() {
  DefineCustomStringVariable("globalmart.now", "The time that globalmart takes for now.",
                             "Empty: the real clock. For tests and replays; a superuser's setting.",
                             &now_setting, "", PGC_SUSET, 0, check_now, assign_now, nullptr);
  MarkGUCPrefixReserved("globalmart");
}

TimestampTz clock_now() { return current_now.set ? current_now.time : GetCurrentTimestamp(); }

void set_processing_time(TimestampTz time) {
  processing_time = time;
  processing_transaction = MyProc->lxid;
}

void clear_processing_time() { processing_transaction = InvalidLocalTransactionId; }

}  // namespace globalmart::store

extern "C" void _PG_init(void) { globalmart::store::define_settings(); }

GLOBALMART_FUNCTION(globalmart_clock) { PG_RETURN_TIMESTAMPTZ(globalmart::store::clock_now()); }

GLOBALMART_FUNCTION(globalmart_processing_time) {
  using namespace globalmart::store;
  if (processing_transaction != MyProc->lxid || processing_transaction == InvalidLocalTransactionId)
    PG_RETURN_NULL();
  PG_RETURN_TIMESTAMPTZ(processing_time);
}

GLOBALMART_FUNCTION(globalmart_set_processing_time) {
  if (PG_ARGISNULL(0))
    globalmart::store::clear_processing_time();
  else
    globalmart::store::set_processing_time(PG_GETARG_TIMESTAMPTZ(0));
  PG_RETURN_VOID();
}
