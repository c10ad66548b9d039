// The parts that the shop is made of: times, chance, popularity, the day, the JSON writer.

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <fstream>
#include <memory>
#include <string>

#include "generator/categories.hpp"
#include "generator/event_time.hpp"
#include "generator/json_writer.hpp"
#include "generator/message_key.hpp"
#include "generator/random.hpp"
#include "generator/zipf.hpp"

namespace globalmart::generator {
namespace {

TEST(EventTime, ReadsIsoTimes) {
  const Instant ten = 1'763'632'800 * kSecond;
  EXPECT_EQ(parse_instant("2025-11-20T10:00:00Z"), ten);
  EXPECT_EQ(parse_instant("2025-11-20 10:00"), ten);
  EXPECT_EQ(parse_instant("2025-11-20T11:30:00+01:30"), ten);
  EXPECT_EQ(parse_instant("2025-11-20T05:00:00.5-05:00"), ten + kSecond / 2);
  EXPECT_EQ(parse_instant("2025-11-20"), ten - 36'000 * kSecond);
  EXPECT_EQ(format_instant(ten + 7), "2025-11-20T10:00:00.000007Z");
  EXPECT_NEAR(static_cast<double>(parse_instant("now-2h")),
              static_cast<double>(wall_clock() - 7200 * kSecond), 60 * kSecond);
}

TEST(EventTime, RefusesWhatIsNoTime) {
  for (const char* text : {"", "yesterday", "2025-02-30", "2025-11-20T24:00", "2025-11-20T10",
                           "2025-11-20T10:00:00.1234567", "2025-11-20T10:00:00Zx", "now-", "now-5",
                           "now-5y", "2025-1-1"})
    EXPECT_THROW(parse_instant(text), std::invalid_argument) << text;
}

TEST(EventClock, NeverGoesBackAndKeepsTheRate) {
  EventClock clock(0, 50, true, 1);
  Instant before = 0, now = 0;
  for (int i = 0; i < 100'000; ++i) {
    now = clock.next();
    ASSERT_GE(now, before);
    before = now;
  }
  EXPECT_NEAR(static_cast<double>(now) / kSecond, 2'000, 20);
}

TEST(EventClock, FollowsTheHoursOfTheDay) {
  std::array<double, 24> hours{};
  EventClock clock(0, 10, false, 1);
  double total = 0;
  for (Instant now = clock.next(); now < 86'400 * kSecond; now = clock.next(), ++total)
    ++hours[static_cast<size_t>(now / kSecond / 3600)];
  EXPECT_NEAR(total, 864'000, 9'000) << "the day's average";
  for (unsigned peak : {10, 11, 12, 13, 19, 20})
    for (unsigned low : {23, 0, 1, 2, 3, 4, 5, 6}) EXPECT_GT(hours[peak], 4 * hours[low]);
}

TEST(Weights, PicksInProportion) {
  const Weights<3> weights(std::vector<double>{1, 0, 3});
  Random random(5);
  std::array<int, 3> counts{};
  for (int i = 0; i < 40'000; ++i) ++counts[weights.pick(random)];
  EXPECT_EQ(counts[1], 0);
  EXPECT_NEAR(counts[2], 30'000, 500);
}

TEST(Random, StaysWithinItsBounds) {
  Random random(9);
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_LT(random.below(7), 7U);
    const int64_t number = random.between(-3, 3);
    EXPECT_TRUE(number >= -3 && number <= 3);
    const double unit = random.unit();
    EXPECT_TRUE(unit >= 0 && unit < 1);
  }
  EXPECT_FALSE(random.chance(0));
  EXPECT_TRUE(random.chance(1));
}

TEST(Zipf, FollowsItsLaw) {
  const Zipf zipf(1000, 1.0);
  Random random(3);
  std::vector<double> counts(1000);
  constexpr int kPicks = 1'000'000;
  for (int i = 0; i < kPicks; ++i) ++counts[zipf.pick(random)];
  double harmonic = 0;
  for (int k = 1; k <= 1000; ++k) harmonic += 1.0 / k;
  for (int k : {1, 2, 5, 10, 100, 500}) {
    const double expected = kPicks / harmonic / k;
    EXPECT_NEAR(counts[static_cast<size_t>(k - 1)], expected, 5 * std::sqrt(expected)) << k;
  }
}

TEST(Zipf, OneRankAndEvenRanks) {
  Random random(3);
  const Zipf one(1, 1.0);
  EXPECT_EQ(one.pick(random), 0U);
  const Zipf even(4, 0);
  std::array<int, 4> counts{};
  for (int i = 0; i < 40'000; ++i) ++counts[even.pick(random)];
  for (int count : counts) EXPECT_NEAR(count, 10'000, 500);
}

TEST(Categories, AreAHundredInGroupsSideBySide) {
  size_t next = 0;
  for (const CategoryGroup& group : kCategoryGroups) {
    EXPECT_EQ(group.first, next);
    next += group.count;
  }
  EXPECT_EQ(next, kCategories.size());
  for (std::string_view category : kCategories) EXPECT_FALSE(category.empty());
}

TEST(Categories, AreThoseOfTheShopsLists) {
  std::ifstream in("extension/sql/shop/lists.sql");
  const std::string lists{std::istreambuf_iterator<char>(in), {}};
  ASSERT_FALSE(lists.empty()) << "run from the project's root";
  const auto quoted = [](std::string_view name) {
    std::string text = "('";
    for (char c : name) text.append(c == '\'' ? 2 : 1, c);
    return text + "')";
  };
  for (std::string_view name : kCategories)
    EXPECT_NE(lists.find(quoted(name)), std::string::npos) << name;
  for (std::string_view name : kCountries)
    EXPECT_NE(lists.find(quoted(name)), std::string::npos) << name;
  for (std::string_view name : kPaymentMethods)
    EXPECT_NE(lists.find(quoted(name)), std::string::npos) << name;
}

TEST(JsonWriter, WritesNumbersMoneyAndIds) {
  const auto json = std::make_unique<JsonWriter>();
  json->integer(0).raw(" ").integer(-42).raw(" ").integer(9'876'543'210).raw(" ");
  json->money(5).raw(" ").money(123'456).raw(" ");
  EXPECT_EQ(json->numbered("USER_", 42), "USER_00000042");
  json->raw(" ");
  EXPECT_EQ(json->numbered("USER_", 123'456'789), "USER_123456789");
  EXPECT_EQ(json->text(), "0 -42 9876543210 0.05 1234.56 USER_00000042 USER_123456789");
  json->clear();
  EXPECT_EQ(json->uuid(0xffffffffffffffffULL, 0), "ffffffff-ffff-4fff-8000-000000000000");
  json->clear();
  json->instant(1'763'632'800'000'007).raw(" ").instant(1'763'632'801'999'999);
  EXPECT_EQ(json->text(), "2025-11-20T10:00:00.000007Z 2025-11-20T10:00:01.999999Z");
}

TEST(MessageKey, IsFoundInWhatMayBeBroken) {
  std::string storage;
  const auto find = [&](std::string_view message) {
    return std::string(find_text_member(message, "user_id", storage).value_or("nothing"));
  };
  EXPECT_EQ(find(R"({"user_id":"USER_1"})"), "USER_1");
  EXPECT_EQ(find(R"({"x": {"user_id": 0}, "user_id" : "USER_2"})"), "USER_2");
  EXPECT_EQ(find(R"({"user_id":"\u0055SER_3"})"), "USER_3");
  EXPECT_EQ(find(R"({"user\u005fid":"USER_4"})"), "USER_4");
  EXPECT_EQ(find(R"({"event_id":"1","user_id":"USER_5","cou)"), "USER_5");
  EXPECT_EQ(find(R"({"user_id":"USER_)"), "nothing");
  EXPECT_EQ(find(R"({"my_user_id":"USER_6"})"), "nothing");
  EXPECT_EQ(find(""), "nothing");
  EXPECT_EQ(find("null"), "nothing");
}

}  // namespace
}  // namespace globalmart::generator
