-- Forecasts of a series.
CREATE FUNCTION globalmart.forecast_holt_winters(
  history double precision[], season int DEFAULT 7, horizon int DEFAULT 7,
  OUT forecast double precision[], OUT mean_error double precision, OUT naive_error double precision)
LANGUAGE C IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'globalmart_forecast_holt_winters';
COMMENT ON FUNCTION globalmart.forecast_holt_winters(double precision[], int, int) IS
  'Forecasts a series by exponential smoothing with additive trend and season (Holt and Winters). mean_error: mean absolute error on the last season, forecast without having seen it; naive_error: that of repeating the season before. NULL for a history of less than three seasons';

CREATE FUNCTION globalmart.dense_series(steps int[], units double precision[], last_step int) RETURNS double precision[]
LANGUAGE C IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'globalmart_dense_series';
COMMENT ON FUNCTION globalmart.dense_series(int[], double precision[], int) IS
  'A series without gaps, of what is known of some steps in any order: from the first of them to last_step, 0 where nothing is known; what is known twice of a step is added';
