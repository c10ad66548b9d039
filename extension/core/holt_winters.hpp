// Forecasts by exponential smoothing with an additive trend and an additive season: Holt (1957) and
// Winters (1960), in the form of Hyndman and Athanasopoulos, Forecasting: Principles and Practice,
// chapter 8.3. Its error is measured on a last season that it did not see, against the seasonal
// naive forecast, which repeats the season before.
#pragma once

#include <optional>
#include <span>
#include <vector>

namespace globalmart {

// How much of each new value goes into the level, the trend and the season: 0 to 1.
struct Smoothing {
  double level = 0;
  double trend = 0;
  double season = 0;
};

struct Forecast {
  std::vector<double> values;  // for the steps after the history
  double error = 0;            // mean absolute error on the last season, forecast without it
  double naive_error = 0;      // that of the seasonal naive forecast, on the same season
  Smoothing smoothing;
};

// Runs over `history`, at least two seasons of `season` >= 2 finite values, and gives the forecast
// of `horizon` steps after it. `squared_error`, if given, gets the sum of the squared one-step
// errors from the second season on.
std::vector<double> smooth(std::span<const double> history, size_t season, const Smoothing& by,
                           size_t horizon, double* squared_error = nullptr);

// Chooses the smoothing by the least squared error on all but the last season, measures it on the
// last, and forecasts from the whole. Nothing when the history is shorter than three seasons. Takes
// a few hundred passes over the history; deterministic; any thread; throws std::bad_alloc.
std::optional<Forecast> forecast(std::span<const double> history, size_t season, size_t horizon);

}  // namespace globalmart
