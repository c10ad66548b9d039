// approx_count_distinct(anyelement), build_sketch(anyelement) and
// merge_sketches(distinct_sketch): three aggregates over one state. A group without a value has no
// state (NULL).
#include "aggregates/sketch_state.hpp"
#include "pg/canonical.hpp"

namespace globalmart {

namespace {

DistinctSketch* state_argument(FunctionCallInfo fcinfo, int index) {
  return PG_ARGISNULL(index) ? nullptr
                             : reinterpret_cast<DistinctSketch*>(PG_GETARG_POINTER(index));
}

Datum state_result(FunctionCallInfo fcinfo, DistinctSketch* state) {
  if (state == nullptr) PG_RETURN_NULL();
  PG_RETURN_POINTER(state);
}

// The shape of the second argument, looked up once for a call site.
const pg::TypeShape& value_shape(FunctionCallInfo fcinfo) {
  FmgrInfo* call = fcinfo->flinfo;
  if (call->fn_extra == nullptr) {
    const Oid type = get_fn_expr_argtype(call, 1);
    if (!OidIsValid(type))
      ereport(ERROR, (errcode(ERRCODE_INDETERMINATE_DATATYPE),
                      errmsg("could not determine the type of the values to count")));
    const pg::TypeShape shape =
        pg::require_canonical(type, PG_GET_COLLATION(), "counting distinct values");
    auto* kept =
        static_cast<pg::TypeShape*>(MemoryContextAlloc(call->fn_mcxt, sizeof(pg::TypeShape)));
    *kept = shape;
    call->fn_extra = kept;
  }
  return *static_cast<const pg::TypeShape*>(call->fn_extra);
}

}  // namespace

}  // namespace globalmart

// (internal, anyelement) -> internal
GLOBALMART_FUNCTION(globalmart_distinct_add) {
  using namespace globalmart;
  const MemoryContext group = aggregate_context(fcinfo);
  DistinctSketch* state = state_argument(fcinfo, 0);
  const pg::TypeShape& shape = value_shape(fcinfo);
  if (PG_ARGISNULL(1)) return state_result(fcinfo, state);
  const uint64_t hash = pg::hash_datum(PG_GETARG_DATUM(1), shape);
  const MemoryContext before = MemoryContextSwitchTo(group);
  if (state == nullptr) state = make_sketch(group);
  state->add_hash(hash);
  MemoryContextSwitchTo(before);
  return state_result(fcinfo, state);
}

// (internal, distinct_sketch) -> internal
GLOBALMART_FUNCTION(globalmart_distinct_add_sketch) {
  using namespace globalmart;
  const MemoryContext group = aggregate_context(fcinfo);
  DistinctSketch* state = state_argument(fcinfo, 0);
  if (PG_ARGISNULL(1)) return state_result(fcinfo, state);
  struct varlena* stored = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(1));
  const DistinctSketch added =
      read_sketch({VARDATA_ANY(stored), VARSIZE_ANY_EXHDR(stored)}, ERRCODE_DATA_CORRUPTED);
  const MemoryContext before = MemoryContextSwitchTo(group);
  if (state == nullptr) state = make_sketch(group);
  state->merge(added);
  MemoryContextSwitchTo(before);
  return state_result(fcinfo, state);
}

// (internal, internal) -> internal
GLOBALMART_FUNCTION(globalmart_distinct_combine) {
  using namespace globalmart;
  const MemoryContext group = aggregate_context(fcinfo);
  DistinctSketch* state = state_argument(fcinfo, 0);
  const DistinctSketch* added = state_argument(fcinfo, 1);
  if (added == nullptr) return state_result(fcinfo, state);
  const MemoryContext before = MemoryContextSwitchTo(group);
  if (state == nullptr) state = make_sketch(group);
  state->merge(*added);
  MemoryContextSwitchTo(before);
  return state_result(fcinfo, state);
}

// (internal) -> bytea, strict
GLOBALMART_FUNCTION(globalmart_distinct_serialize) {
  using namespace globalmart;
  aggregate_context(fcinfo);
  PG_RETURN_POINTER(store_sketch(state_argument(fcinfo, 0)));
}

// (bytea, internal) -> internal, strict
GLOBALMART_FUNCTION(globalmart_distinct_deserialize) {
  using namespace globalmart;
  aggregate_context(fcinfo);
  struct varlena* stored = PG_GETARG_BYTEA_PP(0);
  DistinctSketch* state = make_sketch(CurrentMemoryContext);
  *state = read_sketch({VARDATA_ANY(stored), VARSIZE_ANY_EXHDR(stored)}, ERRCODE_DATA_CORRUPTED);
  PG_RETURN_POINTER(state);
}

// (internal) -> bigint
GLOBALMART_FUNCTION(globalmart_distinct_estimate) {
  using namespace globalmart;
  aggregate_context(fcinfo);
  const DistinctSketch* state = state_argument(fcinfo, 0);
  PG_RETURN_INT64(state == nullptr ? 0 : state->estimate());
}

// (internal) -> distinct_sketch
GLOBALMART_FUNCTION(globalmart_distinct_store) {
  using namespace globalmart;
  aggregate_context(fcinfo);
  PG_RETURN_POINTER(store_sketch(state_argument(fcinfo, 0)));
}
