#include "store/clock.hpp"

#include "core/hash.hpp"
#include "core/spent.hpp"
#include "pg/entry.hpp"

extern "C" {
#include "access/parallel.h"
#include "utils/datetime.h"
PG_MODULE_MAGIC;
__attribute__((visibility("default"))) void _PG_init(void);
}

namespace globalmart::store {

namespace {

char* now_setting = nullptr;

// A timestamp as text; without a zone it is UTC, since a setting must not depend on another one.
bool parse_time(const char* text, TimestampTz* time) {
  char buffer[MAXDATELEN + MAXDATEFIELDS];
  char* fields[MAXDATEFIELDS];
  int types[MAXDATEFIELDS], count = 0, kind = 0, zone = 0;
  fsec_t fraction = 0;
  struct pg_tm parts;
  if (ParseDateTime(text, buffer, sizeof buffer, fields, types, MAXDATEFIELDS, &count) != 0 ||
      DecodeDateTime(fields, types, count, &kind, &parts, &fraction, &zone) != 0 ||
      kind != DTK_DATE)
    return false;
  bool has_zone = false;
  for (int i = 0; i < count; ++i)
    has_zone = has_zone || types[i] == DTK_TZ || types[i] == DTK_STRING;
  if (!has_zone) zone = 0;
  return tm2timestamp(&parts, fraction, &zone, time) == 0;
}

struct ParsedNow {
  bool set;
  bool parsed;
  TimestampTz time;
};
ParsedNow current_now = {false, true, 0};

bool check_now(char** value, void** extra, GucSource) {
  ParsedNow checked = {**value != '\0', true, 0};
  // A parallel worker takes over what its leader has checked, before it knows the abbreviations of
  // time zones, Z among them: it parses at the first use.
  if (checked.set && InitializingParallelWorker) {
    checked.parsed = false;
  } else if (checked.set && !parse_time(*value, &checked.time)) {
    GUC_check_errdetail("It must be a timestamp such as 2026-11-20 10:00:00Z.");
    return false;
  }
  auto* kept = static_cast<ParsedNow*>(malloc(sizeof(ParsedNow)));
  if (kept == nullptr) return false;
  *kept = checked;
  *extra = kept;
  return true;
}

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

TimestampTz clock_now() {
  if (!current_now.set) return GetCurrentTimestamp();
  if (!current_now.parsed) {
    if (!parse_time(now_setting, &current_now.time))
      ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
              errmsg("invalid value for parameter \"globalmart.now\": \"%s\"", now_setting));
    current_now.parsed = true;
  }
  return current_now.time;
}

void set_processing_time(TimestampTz time) {
  processing_time = time;
  processing_transaction = MyProc->lxid;
}

void clear_processing_time() { processing_transaction = InvalidLocalTransactionId; }

}  // namespace globalmart::store

extern "C" void _PG_init(void) {
  if (!pg_strong_random(&globalmart::hash_secret, sizeof globalmart::hash_secret))
    ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR),
            errmsg("no random numbers could be had for globalmart's hash tables"));
  globalmart::store::define_settings();
}

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

GLOBALMART_FUNCTION(globalmart_cpu_seconds) {
  PG_RETURN_FLOAT8(1e-9 * static_cast<double>(globalmart::Spent::now().cpu));
}
