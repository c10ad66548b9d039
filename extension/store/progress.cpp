#include "store/progress.hpp"

#include "store/clock.hpp"

namespace globalmart::store {

namespace {

SPIPlanPtr prepare_once(SPIPlanPtr* kept, const char* sql, int count, Oid* types) {
  if (*kept == nullptr) {
    SPIPlanPtr plan = SPI_prepare(sql, count, types);
    if (plan == nullptr) elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
    SPI_keepplan(plan);
    *kept = plan;
  }
  return *kept;
}

TimestampTz time_at(int row, int column) {
  bool null;
  const Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &null);
  return null ? DT_NOBEGIN : DatumGetTimestampTz(value);
}

int64 integer_at(int row, int column) {
  bool null;
  const Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &null);
  return null ? 0 : DatumGetInt64(value);
}

}  // namespace

DomainState read_progress(const char* domain, Snapshot snapshot, ProgressRow** rows, int* count) {
  static SPIPlanPtr domain_plan = nullptr;
  static SPIPlanPtr rows_plan = nullptr;
  MemoryContext caller = CurrentMemoryContext;
  Oid types[1] = {TEXTOID};
  DomainState state;
  SPI_connect();
  Datum values[1] = {CStringGetTextDatum(domain)};
  SPI_execute_snapshot(
      prepare_once(
          &domain_plan,
          "SELECT close_seq, definition_version, generation::pg_catalog.int8, "
          "draining::pg_catalog.int4::pg_catalog.int8 FROM globalmart.domains WHERE domain "
          "OPERATOR(pg_catalog.=) $1",
          1, types),
      values, nullptr, snapshot, InvalidSnapshot, true, false, 1);
  if (SPI_processed != 1)
    ereport(ERROR, errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("there is no domain \"%s\"", domain));
  state.close_seq = integer_at(0, 1);
  state.definition_version = integer_at(0, 2);
  state.generation = static_cast<int>(integer_at(0, 3));
  state.draining = integer_at(0, 4) != 0;
  SPI_execute_snapshot(
      prepare_once(&rows_plan,
                   "SELECT version_id::pg_catalog.int8, closed_until, merged_until, published_seq, "
                   "backfilled_until FROM globalmart.rollup_progress WHERE domain "
                   "OPERATOR(pg_catalog.=) $1 ORDER BY version_id",
                   1, types),
      values, nullptr, snapshot, InvalidSnapshot, true, false, 0);
  *count = static_cast<int>(SPI_processed);
  MemoryContext spi = MemoryContextSwitchTo(caller);
  *rows = static_cast<ProgressRow*>(palloc(sizeof(ProgressRow) * (*count + 1)));
  MemoryContextSwitchTo(spi);
  for (int row = 0; row < *count; ++row) {
    ProgressRow& read = (*rows)[row];
    read.version_id = static_cast<int>(integer_at(row, 1));
    read.progress = {time_at(row, 2), time_at(row, 3), integer_at(row, 4), time_at(row, 5)};
  }
  SPI_finish();
  return state;
}

void append_sql_progress(const char* domain, TimestampTz max_event_time) {
  static SPIPlanPtr plan = nullptr;
  Oid types[3] = {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
  SPI_connect();
  Datum values[3] = {CStringGetTextDatum(domain), TimestampTzGetDatum(max_event_time),
                     TimestampTzGetDatum(clock_now())};
  SPI_execute_plan(prepare_once(&plan,
                                "INSERT INTO globalmart.sql_progress (domain, max_event_time, "
                                "committed_at) VALUES ($1, $2, $3)",
                                3, types),
                   values, nullptr, false, 0);
  SPI_finish();
}

}  // namespace globalmart::store
