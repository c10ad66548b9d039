#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "core/holt_winters.hpp"

namespace globalmart {
namespace {

std::vector<double> pattern(size_t length, double base, double slope) {
  const std::vector<double> week = {0, 3, -2, 5, 1, -4, -3};
  std::vector<double> values(length);
  for (size_t t = 0; t < length; ++t)
    values[t] = base + slope * static_cast<double>(t) + week[t % week.size()];
  return values;
}

TEST(HoltWinters, TrendAndSeasonAreForecastExactly) {
  const auto history = pattern(35, 100, 0.5);
  const auto whole = pattern(49, 100, 0.5);
  const auto result = forecast(history, 7, 14);
  ASSERT_TRUE(result);
  ASSERT_EQ(result->values.size(), 14U);
  for (size_t i = 0; i < 14; ++i) EXPECT_NEAR(result->values[i], whole[35 + i], 1e-9) << i;
  EXPECT_NEAR(result->error, 0, 1e-9);
  EXPECT_NEAR(result->naive_error, 3.5, 1e-9);  // a week of slope
}

TEST(HoltWinters, ConstantStaysConstant) {
  const std::vector<double> history(21, 4);
  const auto result = forecast(history, 7, 3);
  ASSERT_TRUE(result);
  for (const double value : result->values) EXPECT_NEAR(value, 4, 1e-12);
  EXPECT_EQ(result->naive_error, 0);
}

// By hand, a season of two: level, trend and season after each value by the formulas of the book.
TEST(HoltWinters, StepsFollowTheFormulas) {
  const std::vector<double> history = {10, 14, 12, 18, 13};
  const Smoothing by{0.5, 0.5, 0.5};
  // First season's mean 12, second's 15: trend 1.5, level before the first value 12 - 1.5 * 1.5.
  double level = 9.75;
  double trend = 1.5;
  double season[2] = {(10 - 11.25 + 12 - 14.25) / 2, (14 - 12.75 + 18 - 15.75) / 2};
  double squares = 0;
  for (size_t t = 0; t < history.size(); ++t) {
    const double error = history[t] - (level + trend + season[t % 2]);
    if (t >= 2) squares += error * error;
    const double next_level = 0.5 * (history[t] - season[t % 2]) + 0.5 * (level + trend);
    const double next_trend = 0.5 * (next_level - level) + 0.5 * trend;
    season[t % 2] = 0.5 * (history[t] - level - trend) + 0.5 * season[t % 2];
    level = next_level;
    trend = next_trend;
  }
  double found = 0;
  const auto values = smooth(history, 2, by, 2, &found);
  EXPECT_NEAR(found, squares, 1e-12);
  EXPECT_NEAR(values[0], level + trend + season[1], 1e-12);
  EXPECT_NEAR(values[1], level + 2 * trend + season[0], 1e-12);
}

TEST(HoltWinters, ErrorIsMeasuredOnWhatItDidNotSee) {
  // A last week unlike all others: whoever had seen it would do better.
  auto history = pattern(28, 50, 0);
  for (size_t t = 21; t < 28; ++t) history[t] += 20;
  const auto result = forecast(history, 7, 7);
  ASSERT_TRUE(result);
  EXPECT_NEAR(result->error, 20, 1e-9);
  EXPECT_NEAR(result->naive_error, 20, 1e-9);
  const auto longer = forecast(std::span(history).first(21), 7, 7);
  EXPECT_EQ(longer->smoothing.level, result->smoothing.level);
}

TEST(HoltWinters, ShortHistoriesGiveNothing) {
  EXPECT_FALSE(forecast(std::vector<double>(20, 1), 7, 7));
  EXPECT_FALSE(forecast(std::vector<double>(20, 1), 1, 7));
  EXPECT_FALSE(forecast({}, 7, 7));
  EXPECT_TRUE(forecast(std::vector<double>(21, 1), 7, 7));
}

TEST(HoltWinters, LargeValuesStayFiniteOrSaySo) {
  const auto result = forecast(std::vector<double>(21, 1e300), 7, 1);
  ASSERT_TRUE(result);
  EXPECT_FALSE(std::isnan(result->smoothing.level));
}

}  // namespace
}  // namespace globalmart
