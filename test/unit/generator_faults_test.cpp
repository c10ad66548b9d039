// Each switch for what goes wrong: its rate, and that it does what its name says.

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "generator/corrupter.hpp"
#include "generator/faults.hpp"
#include "generator/summary.hpp"
#include "generator_support.hpp"

namespace globalmart::generator {
namespace {

using Json = nlohmann::json;

constexpr int kSteps = 30'000;

double share(const std::vector<KeptMessage>& messages, auto predicate) {
  double events = 0, hits = 0;
  for (const KeptMessage& message : messages) {
    if (is_catalogue(message.topic) || message.duplicate) continue;
    ++events;
    hits += predicate(message);
  }
  return hits / events;
}

TEST(Faults, NoneByDefault) {
  Instant before = 0;
  for (const KeptMessage& message : run_shop(small_shop(), 2'000)) {
    EXPECT_FALSE(message.late || message.duplicate || message.corruption);
    EXPECT_GE(message.event_time, before);
    before = message.event_time;
  }
}

TEST(Faults, DisorderStaysBelowItsBound) {
  Instant furthest = 0;
  int backwards = 0;
  for (const KeptMessage& message : run_shop(small_shop(), kSteps, {.disorder = 20})) {
    EXPECT_GT(message.event_time, furthest - 20 * kSecond - 1);
    backwards += message.event_time < furthest;
    furthest = std::max(furthest, message.event_time);
  }
  EXPECT_GT(backwards, kSteps / 2);
}

TEST(Faults, LateEventsComeLate) {
  const auto messages = run_shop(small_shop(), kSteps, {.late = 0.05, .late_by = 100});
  EXPECT_NEAR(share(messages, [](const auto& message) { return message.late; }), 0.05, 0.005);
  // Behind the furthest event time by 100 to 200 s, but for those that the end set free.
  const Instant last = messages.back().event_time;
  Instant furthest = 0;
  for (const KeptMessage& message : messages) {
    if (is_catalogue(message.topic)) continue;
    if (message.late && message.event_time < last - 300 * kSecond) {
      EXPECT_LE(message.event_time, furthest - 98 * kSecond);
      EXPECT_GE(message.event_time, furthest - 202 * kSecond);
    } else if (!message.late) {
      EXPECT_GE(message.event_time, furthest);
    }
    furthest = std::max(furthest, message.event_time);
  }
}

TEST(Faults, DuplicatesRepeatAnEarlierMessage) {
  const auto messages = run_shop(
      small_shop(), kSteps, {.late = 0.02, .disorder = 5, .duplicates = 0.03, .corrupt = 0.02});
  std::set<std::string> seen;
  double duplicates = 0, events = 0;
  for (const KeptMessage& message : messages) {
    if (is_catalogue(message.topic) || message.corruption) continue;
    const bool is_new = seen.insert(*message.value).second;
    EXPECT_NE(is_new, message.duplicate);
    (message.duplicate ? duplicates : events) += 1;
  }
  EXPECT_NEAR(duplicates / events, 0.03, 0.003);
}

TEST(Faults, CorruptionHasItsRateAndEveryReason) {
  const auto messages = run_shop(small_shop(), kSteps, {.corrupt = 0.1});
  EXPECT_NEAR(share(messages, [](const auto& message) { return message.corruption.has_value(); }),
              0.1, 0.01);
  std::map<Corruption, int> reasons;
  for (const KeptMessage& message : messages) {
    if (!message.corruption) {
      EXPECT_TRUE(Json::accept(*message.value));
      continue;
    }
    EXPECT_FALSE(is_catalogue(message.topic));
    ++reasons[*message.corruption];
    EXPECT_EQ(!message.value, *message.corruption == Corruption::kTombstone);
  }
  EXPECT_EQ(reasons.size(), kCorruptionCount);
}

TEST(Faults, AreDeterministic) {
  const FaultOptions options = {.late = 0.02, .disorder = 10, .duplicates = 0.02, .corrupt = 0.05};
  EXPECT_EQ(run_shop(small_shop(3), 3'000, options), run_shop(small_shop(3), 3'000, options));
}

TEST(Faults, RefuseImpossibleRates) {
  KeepingSink sink;
  EXPECT_THROW(Faults({.late = 1.5}, 1, sink), std::invalid_argument);
  EXPECT_THROW(Faults({.disorder = -1}, 1, sink), std::invalid_argument);
}

/// Every way of spoiling, on every kind of event that the shop sends.
class Corrupted : public testing::TestWithParam<int> {
 protected:
  template <typename Check>
  void each(Check check) {
    Random random(1);
    std::string spoiled;
    for (const KeptMessage& message : run_shop(small_shop(), 3'000)) {
      if (is_catalogue(message.topic)) continue;
      corrupt(how(), *message.value, random, spoiled);
      check(Json::parse(*message.value), spoiled);
    }
  }
  Corruption how() const { return static_cast<Corruption>(GetParam()); }
};

int depth_of(const Json& value) {
  int inner = 0;
  if (value.is_structured())
    for (const Json& element : value) inner = std::max(inner, depth_of(element));
  return value.is_structured() ? inner + 1 : 0;
}

int count_of(std::string_view text, std::string_view part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1))
    ++count;
  return count;
}

/// Without the items of a checkout, which readers do not look into.
std::string_view before_items(std::string_view event) {
  return event.substr(0, event.find("\"items\":"));
}

TEST_P(Corrupted, IsAsItsReasonSays) {
  each([this](const Json& valid, const std::string& spoiled) {
    const bool json = Json::accept(spoiled);
    switch (how()) {
      case Corruption::kTombstone:
        EXPECT_TRUE(spoiled.empty());
        break;
      case Corruption::kTooLarge:
        EXPECT_TRUE(json);
        EXPECT_GT(spoiled.size(), 65'536U);
        break;
      case Corruption::kInvalidUtf8:
        EXPECT_FALSE(json);
        break;
      case Corruption::kInvalidJson:
        EXPECT_FALSE(json) << spoiled;
        break;
      case Corruption::kTooDeep:
        EXPECT_EQ(depth_of(Json::parse(spoiled)), 33);
        break;
      case Corruption::kDuplicateMember:
        EXPECT_TRUE(json);
        EXPECT_EQ(count_of(spoiled, "\"timestamp\""), 2);
        break;
      case Corruption::kNulCharacter:
        EXPECT_TRUE(json);
        EXPECT_EQ(count_of(before_items(spoiled), "\\u0000"), 1);
        break;
      case Corruption::kLoneSurrogate:
        EXPECT_FALSE(json) << "nlohmann refuses lone surrogates";
        EXPECT_EQ(count_of(before_items(spoiled), "\\ud83d"), 1);
        break;
      case Corruption::kNotAnObject:
        EXPECT_TRUE(json);
        EXPECT_FALSE(Json::parse(spoiled).is_object());
        break;
      case Corruption::kMissingMember: {
        const Json now = Json::parse(spoiled);
        EXPECT_TRUE(!now.contains("timestamp") ||
                    !now.contains(valid.contains("user_id") ? "user_id" : "product_id"));
        break;
      }
      case Corruption::kIllTyped: {
        const Json now = Json::parse(spoiled);
        EXPECT_NE(now["timestamp"].is_number(),
                  now[valid.contains("user_id") ? "user_id" : "product_id"].is_number());
        break;
      }
      case Corruption::kOutOfRange: {
        const Json now = Json::parse(spoiled);
        EXPECT_TRUE(
            now.value("country", "") == "Atlantis" || now.value("user_id", "") == "nobody" ||
            now.value("product_id", "") == "nobody" || now.value("product_id", "") == "Atlantis")
            << spoiled;
        break;
      }
      case Corruption::kBadTimestamp:
      case Corruption::kFutureTimestamp: {
        Json now = Json::parse(spoiled);
        EXPECT_NE(now["timestamp"], valid["timestamp"]);
        now["timestamp"] = valid["timestamp"];
        EXPECT_EQ(now, valid);
        break;
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Reasons, Corrupted, testing::Range(0, static_cast<int>(kCorruptionCount)),
                         [](const auto& reason) {
                           return std::string(name_of(static_cast<Corruption>(reason.param)));
                         });

TEST(Summary, CountsByTopicAndReason) {
  Summary summary;
  const FaultOptions options = {.late = 0.05, .late_by = 60, .duplicates = 0.05, .corrupt = 0.05};
  uint64_t accepted = 0;
  const auto messages = run_shop(small_shop(), 3'000, options);
  for (const KeptMessage& kept : messages) {
    Message message = {kept.topic,     kept.event_time, {}, {}, kept.late,
                       kept.duplicate, kept.corruption};
    if (kept.value) message.value = *kept.value;
    summary.count(message);
    accepted += !kept.duplicate && !kept.corruption;
  }
  EXPECT_EQ(summary.total().messages, messages.size());
  EXPECT_EQ(summary.total().accepted(), accepted);
  const Json json = Json::parse(summary.json(default_topic_names()));
  const Json& views = json["topics"]["product-views-topic"];
  EXPECT_EQ(views["messages"], views["accepted"].get<uint64_t>() +
                                   views["duplicates"].get<uint64_t>() +
                                   views["corrupt"].get<uint64_t>());
  uint64_t reasons = 0;
  for (const auto& count : views["corrupt_by_reason"]) reasons += count.get<uint64_t>();
  EXPECT_EQ(views["corrupt"], reasons);
  EXPECT_GT(views["late"], 0);
}

}  // namespace
}  // namespace globalmart::generator
