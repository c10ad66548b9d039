#include "close/version.hpp"

#include "plan/tree.hpp"
#include "store/catalog.hpp"

extern "C" {
#include "utils/datum.h"
}

namespace globalmart::closing {

Version* read_version(int version_id) {
  auto* version = static_cast<Version*>(palloc0(sizeof(Version)));
  MemoryContext caller = CurrentMemoryContext;
  const char* query = nullptr;
  const char* base_query = nullptr;
  SPI_connect();
  Oid types[1] = {INT4OID};
  Datum arguments[1] = {Int32GetDatum(version_id)};
  SPI_execute_with_args(
      "SELECT v.rollup, v.domain, v.query, v.plan_id, v.key_numbers, v.aggregate_numbers, "
      "v.live_from, "
      "v.live_until, p.base_query, p.slice_width, pg_catalog.cardinality(p.aggregate_signatures) "
      "FROM globalmart.rollup_versions AS v "
      "JOIN globalmart.partial_plans AS p USING (plan_id) WHERE v.version_id = $1",
      1, types, arguments, nullptr, true, 1);
  if (SPI_processed != 1)
    ereport(ERROR, errcode(ERRCODE_UNDEFINED_OBJECT),
            errmsg("there is no rollup version %d", version_id));
  HeapTuple row = SPI_tuptable->vals[0];
  TupleDesc columns = SPI_tuptable->tupdesc;
  const auto value = [&](int column) {
    bool null;
    return SPI_getbinval(row, columns, column, &null);
  };
  MemoryContext spi = MemoryContextSwitchTo(caller);
  version->version_id = version_id;
  version->rollup = SPI_getvalue(row, columns, 1);
  version->domain = SPI_getvalue(row, columns, 2);
  query = SPI_getvalue(row, columns, 3);
  version->plan_id = DatumGetInt32(value(4));
  // Copies, which are checked when the definition is known.
  bool no_keys, no_aggregates;
  Datum key_numbers = SPI_getbinval(row, columns, 5, &no_keys);
  if (!no_keys) key_numbers = datumCopy(key_numbers, false, -1);
  Datum aggregate_numbers = SPI_getbinval(row, columns, 6, &no_aggregates);
  if (!no_aggregates) aggregate_numbers = datumCopy(aggregate_numbers, false, -1);
  const int states = DatumGetInt32(value(11));  // NULL reads as 0
  version->live_from = DatumGetTimestampTz(value(7));
  version->live_until = DatumGetTimestampTz(value(8));
  base_query = SPI_getvalue(row, columns, 9);
  version->slice_width = DatumGetInt64(value(10));
  MemoryContextSwitchTo(spi);
  SPI_finish();

  version->definition = plan::read_kept_definition(query, version->rollup);
  version->window = version->definition->window;
  const plan::Definition* base = strcmp(query, base_query) == 0
                                     ? version->definition
                                     : plan::read_kept_definition(base_query, version->rollup);
  version->plan_key_count = base->key_count;
  version->plan_keys =
      static_cast<pg::TypeForm*>(palloc(sizeof(pg::TypeForm) * (base->key_count + 1)));
  for (int i = 0; i < base->key_count; ++i)
    version->plan_keys[i] = pg::type_form(exprType(plan::cell<Node>(base->key_exprs, i)));

  const plan::Definition* own = version->definition;
  version->key_numbers =
      store::read_numbers(key_numbers, no_keys, own->key_count, base->key_count, version->rollup);
  version->aggregate_numbers = store::read_numbers(
      aggregate_numbers, no_aggregates, list_length(own->aggregates), states, version->rollup);
  // Keys are read from the plan's bytes as what they are there.
  for (int i = 0; i < own->key_count; ++i)
    if (version->plan_keys[version->key_numbers[i]].type !=
        exprType(plan::cell<Node>(own->key_exprs, i)))
      store::refuse_catalogue(version->rollup);

  store::ProgressRow* rows;
  int count;
  version->domain_state = store::read_progress(version->domain, GetActiveSnapshot(), &rows, &count);
  for (int i = 0; i < count; ++i)
    if (rows[i].version_id == version_id) version->progress = rows[i].progress;
  return version;
}

}  // namespace globalmart::closing
