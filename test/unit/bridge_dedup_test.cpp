// The memory of event ids: claims, commits, aborts, forgetting, size.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <thread>

#include "bridge/dedup.hpp"

namespace globalmart {
namespace {

using Answer = Dedup::Answer;
constexpr Micros kSecond = kMicrosPerSecond;
constexpr Micros kTime = 1'000'000'000 * kSecond;

Uuid id_of(uint64_t number, uint64_t salt = 0) {
  Uuid id;
  std::memcpy(id.bytes.data(), &number, 8);
  std::memcpy(id.bytes.data() + 8, &salt, 8);
  return id;
}

TEST(DedupMemory, ARepetitionIsFound) {
  Dedup dedup(2, 1000);
  const auto group = dedup.begin_group();
  EXPECT_EQ(dedup.claim(group, 0, id_of(1), kTime), Answer::kNew);
  EXPECT_EQ(dedup.claim(group, 0, id_of(1), kTime), Answer::kDuplicate) << "within its own batch";
  EXPECT_EQ(dedup.claim(group, 1, id_of(1), kTime), Answer::kNew) << "another topic, another event";
  dedup.commit(group);
  const auto next = dedup.begin_group();
  EXPECT_EQ(dedup.claim(next, 0, id_of(1), kTime + kSecond), Answer::kDuplicate);
  EXPECT_EQ(dedup.claim(next, 0, id_of(2), kTime), Answer::kNew);
}

TEST(DedupMemory, AnAbortedBatchGivesItsIdsBack) {
  Dedup dedup(1, 1000);
  const auto group = dedup.begin_group();
  dedup.claim(group, 0, id_of(1), kTime);
  dedup.abort(group);
  const auto next = dedup.begin_group();
  EXPECT_EQ(dedup.claim(next, 0, id_of(1), kTime), Answer::kNew);
  dedup.commit(next);
  const auto third = dedup.begin_group();
  EXPECT_EQ(dedup.claim(third, 0, id_of(1), kTime), Answer::kDuplicate);
}

TEST(DedupMemory, AClaimUnderWayIsWaitedFor) {
  for (const bool commits : {true, false}) {
    Dedup dedup(1, 1000);
    const auto first = dedup.begin_group();
    dedup.claim(first, 0, id_of(7), kTime);
    const auto second = dedup.begin_group();
    EXPECT_EQ(dedup.claim(second, 0, id_of(7), kTime), Answer::kContested);
    std::thread other([&] { commits ? dedup.commit(first) : dedup.abort(first); });
    dedup.wait_for_claim(0, id_of(7), 10);
    EXPECT_EQ(dedup.claim(second, 0, id_of(7), kTime), commits ? Answer::kDuplicate : Answer::kNew);
    other.join();
  }
}

TEST(DedupMemory, SmallBatchesShareGroups) {
  Dedup dedup(1, 100'000);
  for (uint64_t i = 0; i < 20'000; ++i) {
    const auto group = dedup.begin_group();
    const Dedup::Claim claim = {0, id_of(i), kTime};
    ASSERT_EQ(dedup.claim(group, 0, claim.id, claim.event_time), Answer::kNew);
    dedup.commit(group, {&claim, 1});
    ASSERT_LT(group, 10u) << "numbers of groups are used again";
  }
  const auto group = dedup.begin_group();
  for (uint64_t i = 0; i < 20'000; ++i) {
    ASSERT_EQ(dedup.claim(group, 0, id_of(i), kTime), Answer::kDuplicate) << i;
  }
}

TEST(DedupMemory, ForgetsByEventTime) {
  Dedup dedup(1, 1'000'000);
  const auto old = dedup.begin_group();
  for (uint64_t i = 0; i < 1000; ++i) dedup.claim(old, 0, id_of(i), kTime);
  dedup.commit(old);
  const auto young = dedup.begin_group();
  for (uint64_t i = 1000; i < 2000; ++i) dedup.claim(young, 0, id_of(i), kTime + 100 * kSecond);
  dedup.commit(young);
  dedup.forget_before(0, kTime + 1);
  const auto group = dedup.begin_group();
  EXPECT_EQ(dedup.claim(group, 0, id_of(1500), kTime), Answer::kDuplicate);
  EXPECT_EQ(dedup.claim(group, 0, id_of(500), kTime + 200 * kSecond), Answer::kNew);
  // Rebuilding the shards drops what is forgotten.
  for (uint64_t i = 10'000; i < 20'000; ++i) {
    dedup.claim(group, 0, id_of(i), kTime + 200 * kSecond);
  }
  EXPECT_LT(dedup.size(), 11'200u);
}

TEST(DedupMemory, TheCapForgetsTheOldest) {
  Dedup dedup(1, 10'000);
  for (uint64_t batch = 0; batch < 100; ++batch) {
    const auto group = dedup.begin_group();
    for (uint64_t i = 0; i < 1000; ++i) {
      dedup.claim(group, 0, id_of(batch * 1000 + i), kTime + static_cast<Micros>(batch) * kSecond);
    }
    dedup.commit(group);
  }
  EXPECT_TRUE(dedup.capped());
  EXPECT_LT(dedup.size(), 14'000u);
  const auto group = dedup.begin_group();
  EXPECT_EQ(dedup.claim(group, 0, id_of(99'999), kTime), Answer::kDuplicate);
  EXPECT_EQ(dedup.claim(group, 0, id_of(5), kTime), Answer::kNew);
}

TEST(DedupMemory, RemembersWhatTheDatabaseHolds) {
  Dedup dedup(1, 1000);
  for (uint64_t i = 0; i < 500; ++i) dedup.remember(0, id_of(i), kTime);
  dedup.remember(0, id_of(3), kTime);
  EXPECT_EQ(dedup.size(), 500u);
  const auto group = dedup.begin_group();
  EXPECT_EQ(dedup.claim(group, 0, id_of(3), kTime), Answer::kDuplicate);
  EXPECT_EQ(dedup.claim(group, 0, id_of(500), kTime), Answer::kNew);
}

TEST(DedupMemory, TakesAtMost24BytesAnId) {
  Dedup dedup(1, 10'000'000);
  const auto group = dedup.begin_group();
  for (uint64_t i = 0; i < 1'000'000; ++i) {
    dedup.claim(group, 0, id_of(i), kTime);
    if (i > 100'000 && i % 10'000 == 0) {
      ASSERT_LE(static_cast<double>(dedup.memory()) / static_cast<double>(dedup.size()), 24.5) << i;
    }
  }
  EXPECT_EQ(dedup.size(), 1'000'000u);
}

// A plain set does the same, whatever the order of claims, commits and aborts.
TEST(DedupMemory, EqualsAPlainSet) {
  std::mt19937_64 random(7);
  Dedup dedup(3, 10'000'000);
  std::set<std::pair<size_t, uint64_t>> known;
  for (int batch = 0; batch < 300; ++batch) {
    const auto group = dedup.begin_group();
    std::set<std::pair<size_t, uint64_t>> mine;
    const size_t count = random() % 600;
    for (size_t i = 0; i < count; ++i) {
      const size_t topic = random() % 3;
      const uint64_t number = random() % 40'000;
      const bool expected_new = !known.contains({topic, number}) && !mine.contains({topic, number});
      ASSERT_EQ(dedup.claim(group, topic, id_of(number), kTime) == Answer::kNew, expected_new);
      mine.insert({topic, number});
    }
    if (random() % 4 == 0) {
      dedup.abort(group);
    } else {
      dedup.commit(group);
      known.merge(mine);
    }
  }
}

TEST(DedupMemory, ManyWorkersClaimEachIdOnce) {
  Dedup dedup(1, 10'000'000);
  std::atomic<size_t> accepted{0};
  std::vector<std::thread> workers;
  for (int worker = 0; worker < 4; ++worker) {
    workers.emplace_back([&, worker] {
      std::mt19937_64 random(static_cast<uint64_t>(worker));
      std::vector<uint64_t> numbers(20'000);
      for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = i;
      std::shuffle(numbers.begin(), numbers.end(), random);
      auto group = dedup.begin_group();
      size_t mine = 0;
      const auto finish = [&](bool commit) {
        if (commit) {
          dedup.commit(group);
          accepted += mine;
        } else {
          dedup.abort(group);
        }
        mine = 0;
      };
      std::vector<uint64_t> open;
      for (size_t i = 0; i < numbers.size();) {
        const Answer answer = dedup.claim(group, 0, id_of(numbers[i]), kTime);
        if (answer == Answer::kContested) {
          finish(true);
          open.clear();
          dedup.wait_for_claim(0, id_of(numbers[i]), 10);
          group = dedup.begin_group();
          continue;
        }
        if (answer == Answer::kNew) {
          ++mine;
          open.push_back(numbers[i]);
        }
        ++i;
        if (open.size() == 100) {
          const bool commit = random() % 5 != 0;
          finish(commit);
          if (!commit) numbers.insert(numbers.end(), open.begin(), open.end());
          open.clear();
          group = dedup.begin_group();
        }
      }
      finish(true);
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(accepted, 20'000u);
}

}  // namespace
}  // namespace globalmart
