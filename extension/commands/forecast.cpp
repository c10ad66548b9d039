// A forecast of a series, and series with gaps, for SQL.
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

// dense_series(steps int[], units float8[], last_step int) -> float8[]
GLOBALMART_FUNCTION(globalmart_dense_series) {
  using namespace globalmart::commands;
  ArrayType* steps = PG_GETARG_ARRAYTYPE_P(0);
  const Series units = series_of(PG_GETARG_ARRAYTYPE_P(1));
  const int last = PG_GETARG_INT32(2);
  if (ARR_NDIM(steps) > 1 || ArrayGetNItems(ARR_NDIM(steps), ARR_DIMS(steps)) != units.count)
    ereport(ERROR, errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("each step has one value"));
  if (array_contains_nulls(steps))
    ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a step is not NULL"));
  if (units.count == 0) PG_RETURN_ARRAYTYPE_P(construct_empty_array(FLOAT8OID));
  const auto* numbers = reinterpret_cast<const int32*>(ARR_DATA_PTR(steps));
  int first = last;
  for (int i = 0; i < units.count; ++i) {
    if (numbers[i] > last)
      ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
              errmsg("step %d is after the last, %d", numbers[i], last));
    first = Min(first, numbers[i]);
  }
  const int64 count = static_cast<int64>(last) - first + 1;
  if (count > kLongestHistory)
    ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
            errmsg("a history has at most %d values", kLongestHistory));
  auto* sums = static_cast<double*>(palloc0(sizeof(double) * count));
  for (int i = 0; i < units.count; ++i) sums[numbers[i] - first] += units.values[i];
  auto* elements = static_cast<Datum*>(palloc(sizeof(Datum) * count));
  for (int i = 0; i < count; ++i) elements[i] = Float8GetDatum(sums[i]);
  PG_RETURN_ARRAYTYPE_P(
      construct_array(elements, static_cast<int>(count), FLOAT8OID, 8, true, TYPALIGN_DOUBLE));
}

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
