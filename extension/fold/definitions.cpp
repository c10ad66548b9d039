#include "fold/definitions.hpp"

extern "C" {
#include "utils/datum.h"
}

namespace globalmart::fold {

List* read_versions(const char* domain) {
  MemoryContext caller = CurrentMemoryContext;
  List* versions = NIL;
  SPI_connect();
  Oid types[1] = {TEXTOID};
  Datum arguments[1] = {CStringGetTextDatum(domain)};
  SPI_execute_with_args(
      "SELECT v.version_id, v.rollup, v.query, v.plan_id, v.aggregate_numbers, v.live_from, "
      "v.live_until, p.base_query, "
      "NOT EXISTS (SELECT FROM globalmart.rollup_versions AS o WHERE o.rollup = v.rollup AND "
      "o.version_id < v.version_id), pg_catalog.cardinality(p.aggregate_signatures) "
      "FROM globalmart.rollup_versions AS v "
      "JOIN globalmart.partial_plans AS p USING (plan_id) "
      "JOIN globalmart.rollup_progress AS g USING (version_id) "
      "WHERE v.domain = $1 ORDER BY v.version_id",
      1, types, arguments, nullptr, true, 0);
  SPITupleTable* rows = SPI_tuptable;
  for (uint64 row = 0; row < SPI_processed; ++row) {
    const auto value = [&](int column) {
      bool null;
      return SPI_getbinval(rows->vals[row], rows->tupdesc, column, &null);
    };
    const auto text = [&](int column) {
      return SPI_getvalue(rows->vals[row], rows->tupdesc, column);
    };
    MemoryContext spi = MemoryContextSwitchTo(caller);
    auto* version = static_cast<CatalogVersion*>(palloc0(sizeof(CatalogVersion)));
    version->version_id = DatumGetInt32(value(1));
    version->rollup = text(2);
    version->query = text(3);
    version->plan_id = DatumGetInt32(value(4));
    bool null;
    const Datum numbers = SPI_getbinval(rows->vals[row], rows->tupdesc, 5, &null);
    version->has_numbers = !null;
    if (!null) version->stored_numbers = datumCopy(numbers, false, -1);
    version->state_count = DatumGetInt32(value(10));  // NULL reads as 0
    version->live_from = DatumGetTimestampTz(value(6));
    version->live_until = DatumGetTimestampTz(value(7));
    version->base_query = text(8);
    version->first_version = DatumGetBool(value(9));
    versions = lappend(versions, version);
    MemoryContextSwitchTo(spi);
  }
  SPI_finish();
  return versions;
}

List* read_detectors(const char* domain) {
  MemoryContext caller = CurrentMemoryContext;
  List* detectors = NIL;
  SPI_connect();
  Oid types[1] = {TEXTOID};
  Datum arguments[1] = {CStringGetTextDatum(domain)};
  SPI_execute_with_args(
      "SELECT c.name, v.query, v.close_query FROM globalmart.rollup_catalog AS c "
      "JOIN globalmart.rollup_versions AS v ON v.rollup = c.name "
      "WHERE c.kind = 'detector' AND c.state <> 'paused' AND c.domain = $1 ORDER BY c.name",
      1, types, arguments, nullptr, true, 0);
  SPITupleTable* rows = SPI_tuptable;
  for (uint64 row = 0; row < SPI_processed; ++row) {
    MemoryContext spi = MemoryContextSwitchTo(caller);
    auto* detector = static_cast<CatalogDetector*>(palloc0(sizeof(CatalogDetector)));
    detector->name = SPI_getvalue(rows->vals[row], rows->tupdesc, 1);
    detector->query = SPI_getvalue(rows->vals[row], rows->tupdesc, 2);
    detector->insert = SPI_getvalue(rows->vals[row], rows->tupdesc, 3);
    detectors = lappend(detectors, detector);
    MemoryContextSwitchTo(spi);
  }
  SPI_finish();
  return detectors;
}

}  // namespace globalmart::fold
