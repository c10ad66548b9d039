// A forecast of a series, for SQL.
#include <cmath>
#include <vector>

#include "core/holt_winters.hpp"
#include "pg/entry.hpp"

namespace globalmart::commands {
namespace {

// Longer than any history by day; a pass of the search takes its length some hundred times.
constexpr int kLongestHistory = 100'000;
constexpr int kLongestHorizon = 10'000;

struct Series {
  const double* values = nullptr;
  int count = 0;
};

// The elements of a float8[]. May ereport; owns nothing.
Series series_of(ArrayType* array) {
  if (ARR_NDIM(array) > 1)
    ereport(ERROR, errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("a history has one dimension"));
  Series series;
  series.count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
  if (array_contains_nulls(array))
    ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a history has no NULL in it"),
            errhint("A day without a sale is 0."));
  series.values = reinterpret_cast<const double*>(ARR_DATA_PTR(array));
  for (int i = 0; i < series.count; ++i)
    if (!std::isfinite(series.values[i]))
      ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
              errmsg("a history has finite values only"));
  return series;
}

}  // namespace
}  // namespace globalmart::commands

// forecast_holt_winters(history float8[], season int, horizon int)
//   -> (forecast float8[], mean_error float8, naive_error float8)
GLOBALMART_FUNCTION(globalmart_forecast_holt_winters) {
  using namespace globalmart::commands;
  const Series series = series_of(PG_GETARG_ARRAYTYPE_P(0));
  const int season = PG_GETARG_INT32(1);
  const int horizon = PG_GETARG_INT32(2);
  if (season < 2 || season > kLongestHistory)
    ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
            errmsg("a season has at least two steps"));
  if (horizon < 1 || horizon > kLongestHorizon)
    ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
            errmsg("a horizon is between 1 and %d steps", kLongestHorizon));
  if (series.count > kLongestHistory)
    ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
            errmsg("a history has at most %d values", kLongestHistory));
  TupleDesc type;
  if (get_call_result_type(fcinfo, nullptr, &type) != TYPEFUNC_COMPOSITE)
    elog(ERROR, "the result is not a row");
  type = BlessTupleDesc(type);
  auto* elements = static_cast<Datum*>(palloc(sizeof(Datum) * horizon));
  double errors[2] = {0, 0};
  bool found = false;
  {
    // What owns memory ends before PostgreSQL is called again.
    const auto result =
        globalmart::forecast({series.values, static_cast<size_t>(series.count)},
                             static_cast<size_t>(season), static_cast<size_t>(horizon));
    found = result.has_value();
    for (int i = 0; found && i < horizon; ++i) elements[i] = Float8GetDatum(result->values[i]);
    if (found) {
      errors[0] = result->error;
      errors[1] = result->naive_error;
    }
  }
  Datum values[3] = {};
  bool nulls[3] = {!found, !found, !found};
  if (found) {
    values[0] =
        PointerGetDatum(construct_array(elements, horizon, FLOAT8OID, 8, true, TYPALIGN_DOUBLE));
    values[1] = Float8GetDatum(errors[0]);
    values[2] = Float8GetDatum(errors[1]);
  }
  PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(type, values, nulls)));
}
