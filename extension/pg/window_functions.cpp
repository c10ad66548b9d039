// tumble's and hop's arithmetic for SQL.
#include "core/window.hpp"
#include "pg/entry.hpp"

namespace globalmart {

namespace {

Micros size_of(const Interval* interval, const char* what, bool positive) {
  if (interval->month != 0 || interval->day != 0)
    ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
            errmsg("a window's %s must not depend on a calendar or a time zone", what),
            errhint("Give months and days in hours: interval '24 hours'."));
  if (positive && interval->time <= 0)
    ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
            errmsg("a window's %s must be greater than zero", what));
  return interval->time;
}

TimestampTz checked(Micros time) {
  if (time != kMinusInfinity && time != kPlusInfinity && !IS_VALID_TIMESTAMP(time))
    ereport(ERROR, errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range"));
  return time;
}

}  // namespace

}  // namespace globalmart

GLOBALMART_FUNCTION(globalmart_window_floor) {
  using namespace globalmart;
  const Micros width = size_of(PG_GETARG_INTERVAL_P(1), "width", true);
  const Micros offset = size_of(PG_GETARG_INTERVAL_P(2), "offset", false);
  const Micros time = PG_GETARG_TIMESTAMPTZ(0);
  if (TIMESTAMP_NOT_FINITE(time)) PG_RETURN_NULL();  // no window holds it
  PG_RETURN_TIMESTAMPTZ(checked(floor_to(time, width, offset)));
}

GLOBALMART_FUNCTION(globalmart_hop) {
  using namespace globalmart;
  const Micros time = PG_GETARG_TIMESTAMPTZ(0);
  const Micros width = size_of(PG_GETARG_INTERVAL_P(1), "width", true);
  const Micros slide = size_of(PG_GETARG_INTERVAL_P(2), "slide", true);
  const Micros offset = size_of(PG_GETARG_INTERVAL_P(3), "offset", false);
  if (width % slide != 0)
    ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
            errmsg("the width of a sliding window must be a multiple of its slide"));
  InitMaterializedSRF(fcinfo, 0);
  auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  if (TIMESTAMP_NOT_FINITE(time)) PG_RETURN_NULL();
  const Micros last = floor_to(time, slide, offset);
  for (Micros start = last - width + slide; start <= last; start += slide) {
    CHECK_FOR_INTERRUPTS();
    Datum values[2] = {TimestampTzGetDatum(checked(start)),
                       TimestampTzGetDatum(checked(start + width))};
    bool nulls[2] = {false, false};
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
  }
  PG_RETURN_NULL();
}

GLOBALMART_FUNCTION(globalmart_session) {
  ereport(
      ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
      errmsg("session windows cannot be computed row by row"),
      errhint("Use globalmart.session in create_rollup; globalmart.batch_query(rollup) gives the "
              "equivalent SQL over gaps between events."));
  PG_RETURN_NULL();
}
