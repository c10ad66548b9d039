#include "core/holt_winters.hpp"

#include <array>
#include <cmath>
#include <limits>
#include <numeric>

namespace globalmart {
namespace {

// Coarse on purpose: short histories do not tell finer ones apart, and each is a pass.
constexpr std::array kLevels = {0.05, 0.1, 0.2, 0.3, 0.5, 0.8};
constexpr std::array kTrends = {0.0, 0.01, 0.05, 0.1, 0.3};
constexpr std::array kSeasons = {0.0, 0.05, 0.1, 0.2, 0.4};

double mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double mean_absolute_error(std::span<const double> forecast, std::span<const double> actual) {
  double sum = 0;
  for (size_t i = 0; i < actual.size(); ++i) sum += std::abs(forecast[i] - actual[i]);
  return sum / static_cast<double>(actual.size());
}

}  // namespace

std::vector<double> smooth(std::span<const double> history, size_t season, const Smoothing& by,
                           size_t horizon, double* squared_error) {
  const double first = mean(history.first(season));
  const double second = mean(history.subspan(season, season));
  const auto width = static_cast<double>(season);
  double trend = (second - first) / width;
  // The level stands before the first value: the middle of the first season less half of it.
  double level = first - trend * (width + 1) / 2;
  std::vector<double> seasonal(season);
  for (size_t i = 0; i < season; ++i) {
    const double at = static_cast<double>(i) + 1;
    seasonal[i] =
        (history[i] - (level + trend * at) + history[season + i] - (level + trend * (at + width))) /
        2;
  }
  double squares = 0;
  for (size_t t = 0; t < history.size(); ++t) {
    double& of_season = seasonal[t % season];
    const double error = history[t] - (level + trend + of_season);
    if (t >= season) squares += error * error;
    const double before = level;
    level = by.level * (history[t] - of_season) + (1 - by.level) * (level + trend);
    const double trend_before = trend;
    trend = by.trend * (level - before) + (1 - by.trend) * trend;
    of_season = by.season * (history[t] - before - trend_before) + (1 - by.season) * of_season;
  }
  if (squared_error != nullptr) *squared_error = squares;
  std::vector<double> values(horizon);
  for (size_t step = 0; step < horizon; ++step)
    values[step] =
        level + trend * static_cast<double>(step + 1) + seasonal[(history.size() + step) % season];
  return values;
}

std::optional<Forecast> forecast(std::span<const double> history, size_t season, size_t horizon) {
  if (season < 2 || history.size() < 3 * season) return std::nullopt;
  const std::span<const double> seen = history.first(history.size() - season);
  const std::span<const double> unseen = history.last(season);
  Forecast result;
  double least = std::numeric_limits<double>::infinity();
  for (const double level : kLevels)
    for (const double trend : kTrends)
      for (const double of_season : kSeasons) {
        const Smoothing tried{level, trend, of_season};
        double squares = 0;
        smooth(seen, season, tried, 0, &squares);
        if (squares < least) {
          least = squares;
          result.smoothing = tried;
        }
      }
  result.error = mean_absolute_error(smooth(seen, season, result.smoothing, season), unseen);
  result.naive_error = mean_absolute_error(seen.last(season), unseen);
  result.values = smooth(history, season, result.smoothing, horizon);
  return result;
}

}  // namespace globalmart
