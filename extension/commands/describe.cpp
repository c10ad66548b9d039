// What create_rollup and its kin ask the compiler: a definition's parts as one row, and SQL made of
// it.
#include "core/window.hpp"
#include "pg/entry.hpp"
#include "plan/definition.hpp"
#include "plan/detector.hpp"
#include "plan/tree.hpp"
#include "store/catalog.hpp"
#include "store/fold_lock.hpp"

extern "C" {
#include "utils/fmgrprotos.h"
}

namespace globalmart::commands {

namespace {

Datum text_array(List* texts) {
  const int count = list_length(texts);
  auto* values = static_cast<Datum*>(palloc(sizeof(Datum) * (count + 1)));
  for (int i = 0; i < count; ++i)
    values[i] = CStringGetTextDatum(static_cast<char*>(list_nth(texts, i)));
  return PointerGetDatum(construct_array(values, count, TEXTOID, -1, false, TYPALIGN_INT));
}

Datum oid_array(List* oids) {
  const int count = list_length(oids);
  auto* values = static_cast<Datum*>(palloc(sizeof(Datum) * (count + 1)));
  for (int i = 0; i < count; ++i) values[i] = ObjectIdGetDatum(list_nth_oid(oids, i));
  return PointerGetDatum(construct_array(values, count, OIDOID, 4, true, TYPALIGN_INT));
}

TupleDesc result_type(FunctionCallInfo fcinfo) {
  TupleDesc type;
  if (get_call_result_type(fcinfo, nullptr, &type) != TYPEFUNC_COMPOSITE)
    elog(ERROR, "the result is not a row");
  return BlessTupleDesc(type);
}

const char* kind_name(WindowKind kind) {
  return kind == WindowKind::kTumble ? "tumble" : kind == WindowKind::kHop ? "hop" : "session";
}

WindowShape shape_of(const char* kind, int64 width, int64 slide, int64 offset) {
  WindowShape shape;
  shape.kind = strcmp(kind, "session") == 0 ? WindowKind::kSession
               : strcmp(kind, "hop") == 0   ? WindowKind::kHop
                                            : WindowKind::kTumble;
  shape.width = width;
  shape.slide = slide;
  shape.offset = offset;
  if (width <= 0 || slide <= 0)
    ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
            errmsg("a window's size must be positive"));
  return shape;
}

}  // namespace

}  // namespace globalmart::commands

using namespace globalmart;
using namespace globalmart::commands;

// describe_rollup(query, version_id, rollup)
GLOBALMART_FUNCTION(globalmart_describe_rollup) {
  TupleDesc type = result_type(fcinfo);
  const plan::Definition* definition = plan::read_definition(text_to_cstring(PG_GETARG_TEXT_PP(0)));
  const int version_id = PG_GETARG_INT32(1);
  const char* rollup = text_to_cstring(PG_GETARG_TEXT_PP(2));
  const bool is_new = version_id == 0;
  if (is_new) plan::require_comparable(definition);
  List* relations = NIL;
  ListCell* each;
  foreach (each, definition->inputs)
    relations = lappend_oid(relations, static_cast<plan::Input*>(lfirst(each))->relation);
  const WindowShape& window = definition->window;
  const bool session = window.kind == WindowKind::kSession;
  Datum values[22] = {
      oid_array(relations),
      CStringGetTextDatum(kind_name(window.kind)),
      Int64GetDatum(window.width),
      Int64GetDatum(window.slide),
      Int64GetDatum(window.offset),
      Int64GetDatum(session ? window.width : window.slice_width()),
      BoolGetDatum(definition->sharable),
      CStringGetTextDatum(definition->where_signature),
      text_array(definition->key_signatures),
      text_array(definition->aggregate_signatures),
      text_array(definition->column_names),
      text_array(definition->column_types),
      text_array(definition->column_expressions),
      text_array(definition->key_columns),
      BoolGetDatum(definition->keys_not_null),
      text_array(definition->clock_columns),
      BoolGetDatum(definition->per_window),
      CStringGetTextDatum(plan::deparse_over_groups(definition, version_id, false)),
      CStringGetTextDatum(plan::deparse_over_groups(definition, version_id, true)),
      CStringGetTextDatum(plan::deparse_window_list(definition, version_id)),
      CStringGetTextDatum(plan::deparse_batch(definition, rollup, version_id)),
      CStringGetTextDatum(plan::deparse_batch_windows(definition, rollup, version_id)),
  };
  bool nulls[22] = {};
  if (type->natts != 22) elog(ERROR, "describe_rollup has another row type than its code");
  return HeapTupleGetDatum(heap_form_tuple(type, values, nulls));
}

// late_sessions_query(query, version_id, rollup)
GLOBALMART_FUNCTION(globalmart_late_sessions_query) {
  const plan::Definition* definition = plan::read_definition(text_to_cstring(PG_GETARG_TEXT_PP(0)));
  if (definition->window.kind != WindowKind::kSession)
    ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
            errmsg("the query has no session windows"));
  PG_RETURN_TEXT_P(cstring_to_text(plan::deparse_late_sessions(
      definition, text_to_cstring(PG_GETARG_TEXT_PP(2)), PG_GETARG_INT32(1))));
}

// describe_detector(query)
GLOBALMART_FUNCTION(globalmart_describe_detector) {
  TupleDesc type = result_type(fcinfo);
  const plan::DetectorDefinition* detector =
      plan::read_detector(text_to_cstring(PG_GETARG_TEXT_PP(0)));
  Datum values[6] = {
      ObjectIdGetDatum(detector->relation),   text_array(detector->column_names),
      text_array(detector->column_types),     text_array(detector->column_expressions),
      text_array(detector->not_null_columns), CStringGetTextDatum(detector->over_matches)};
  bool nulls[6] = {};
  if (type->natts != 6) elog(ERROR, "describe_detector has another row type than its code");
  return HeapTupleGetDatum(heap_form_tuple(type, values, nulls));
}

// closable_until(watermark, kind, width, slide, offset)
GLOBALMART_FUNCTION(globalmart_closable_until) {
  const WindowShape shape = shape_of(text_to_cstring(PG_GETARG_TEXT_PP(1)), PG_GETARG_INT64(2),
                                     PG_GETARG_INT64(3), PG_GETARG_INT64(4));
  PG_RETURN_TIMESTAMPTZ(shape.closable_until(PG_GETARG_TIMESTAMPTZ(0)));
}

// next_boundary(time, kind, width, slide, offset): the first window start after the time.
GLOBALMART_FUNCTION(globalmart_next_boundary) {
  const WindowShape shape = shape_of(text_to_cstring(PG_GETARG_TEXT_PP(1)), PG_GETARG_INT64(2),
                                     PG_GETARG_INT64(3), PG_GETARG_INT64(4));
  const Micros time = PG_GETARG_TIMESTAMPTZ(0);
  if (shape.kind == WindowKind::kSession) PG_RETURN_TIMESTAMPTZ(add(time, 1));
  PG_RETURN_TIMESTAMPTZ(add(shape.last_start(time), shape.slide));
}

// wait_for_folds(domain)
GLOBALMART_FUNCTION(globalmart_wait_for_folds) {
  store::wait_for_folds(PG_ARGISNULL(0) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(0)));
  PG_RETURN_VOID();
}

// wait_for_publication(published)
GLOBALMART_FUNCTION(globalmart_wait_for_publication) {
  store::wait_for_publication(PG_GETARG_INT64(0));
  PG_RETURN_VOID();
}

// exclude_folds(domain, patience_ms)
GLOBALMART_FUNCTION(globalmart_exclude_folds) {
  store::exclude_folds(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_INT32(1));
  PG_RETURN_VOID();
}

// fold_lock_number(domain)
GLOBALMART_FUNCTION(globalmart_fold_lock_number) {
  PG_RETURN_OID(store::fold_lock_number(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}
