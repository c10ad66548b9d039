// Who owns a partition, what is remembered of it, and when that is void.
#include <gtest/gtest.h>

#include "bridge/error.hpp"
#include "bridge/shared.hpp"

namespace globalmart {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr PartitionId kPlace{1, 2};

PartitionStatus owned(int64_t epoch, size_t worker = 0) {
  PartitionStatus status;
  status.epoch = epoch;
  status.worker = worker;
  return status;
}

TEST(Ownership, WhoComesLateChangesNothing) {
  Ownership ownership;
  ownership.heard(0);
  ownership.heard(1);
  ownership.add(kPlace, owned(4, 0));
  ownership.add(kPlace, owned(5, 1));
  const uint64_t version = ownership.version();
  PartitionAdvance advance;
  advance.next_offset = 10;
  ownership.committed(kPlace, 4, advance);
  ownership.set_end_offset(kPlace, 4, 10);
  EXPECT_FALSE(ownership.set_at_end(kPlace, 4, true));
  ownership.remove(kPlace, 4);
  ownership.add(kPlace, owned(4, 0));
  ASSERT_EQ(ownership.snapshot().count(kPlace), 1u);
  const PartitionStatus status = ownership.snapshot().at(kPlace);
  EXPECT_EQ(status.epoch, 5);
  EXPECT_EQ(status.worker, 1u);
  EXPECT_FALSE(status.at_end);
  EXPECT_EQ(status.next_offset, std::nullopt);
  EXPECT_EQ(status.end_offset, -1);
  EXPECT_EQ(ownership.version(), version);
  EXPECT_TRUE(ownership.set_at_end(kPlace, 5, true));
  ownership.remove(kPlace, 5);
  EXPECT_TRUE(ownership.snapshot().empty());
}

TEST(Ownership, AnEndHoldsForAsLongAsTheWorkerAsks) {
  Ownership ownership;
  const Ownership::Clock::time_point start{};
  ownership.add(kPlace, owned(1, 3));
  ownership.set_at_end(kPlace, 1, true);
  EXPECT_FALSE(ownership.snapshot(start).at(kPlace).at_end) << "nothing was heard yet";
  ownership.heard(3, milliseconds(0), start);
  EXPECT_TRUE(ownership.snapshot(start + Ownership::kHeard).at(kPlace).at_end);
  EXPECT_FALSE(ownership.snapshot(start + Ownership::kHeard + milliseconds(1)).at(kPlace).at_end);
  // It waits for the broker: no silence of its own.
  ownership.heard(3, seconds(30), start);
  EXPECT_TRUE(ownership.snapshot(start + seconds(30)).at(kPlace).at_end);
  // Another worker's answer says nothing of this partition.
  ownership.heard(4, milliseconds(0), start + seconds(60));
  EXPECT_FALSE(ownership.snapshot(start + seconds(60)).at(kPlace).at_end);
  ownership.heard(3, milliseconds(0), start + seconds(60));
  EXPECT_TRUE(ownership.snapshot(start + seconds(60)).at(kPlace).at_end);
}

TEST(Remembered, KnowsAPartitionThatNobodyElseOwnedSince) {
  Remembered remembered;
  EXPECT_TRUE(remembered.knows(kPlace, std::nullopt, 1));  // never read: no ids
  EXPECT_FALSE(remembered.knows(kPlace, 10, 4));
  remembered.set(kPlace, 10, 4);
  EXPECT_TRUE(remembered.knows(kPlace, 10, 5));
  EXPECT_FALSE(remembered.knows(kPlace, 11, 5));
  // Another owned it in between: it may have applied redrives, which move no offset.
  EXPECT_FALSE(remembered.knows(kPlace, 10, 6));
  // A worker that comes late does not hide what the next owner said.
  remembered.set(kPlace, 9, 3);
  EXPECT_TRUE(remembered.knows(kPlace, 10, 5));
}

TEST(Remembered, SeesADatabaseThatWasSetBack) {
  Remembered remembered;
  EXPECT_FALSE(remembered.set_back(kPlace, 3, 1)) << "nothing was committed yet";
  remembered.set(kPlace, 10, 4);
  EXPECT_FALSE(remembered.set_back(kPlace, 10, 5));
  EXPECT_FALSE(remembered.set_back(kPlace, 12, 6)) << "another owner went on";
  EXPECT_TRUE(remembered.set_back(kPlace, 9, 5));
  EXPECT_TRUE(remembered.set_back(kPlace, std::nullopt, 5));
  EXPECT_TRUE(remembered.set_back(kPlace, 10, 4)) << "epochs only rise";
  EXPECT_FALSE(remembered.set_back(kPlace, 9, 6)) << "reset_offsets() raises the epoch too";
  EXPECT_FALSE(remembered.set_back({1, 3}, 0, 1));
  EXPECT_EQ(remembered.next_offsets(), (std::map<PartitionId, int64_t>{{kPlace, 10}}));
}

TEST(ServerRun, IsTheFirstOne) {
  ServerRun run;
  run.check("1");
  run.check("1");
  EXPECT_THROW(run.check("2"), DatabaseSetBack);
  run.check("1");
}

TEST(StopSignal, BeginsAnewUnlessTheEndIsWanted) {
  StopSignal asked;
  asked.request();
  asked.begin_anew("x");
  EXPECT_FALSE(asked.begins_anew());
  EXPECT_FALSE(asked.at_once());

  StopSignal anew;
  anew.begin_anew("why");
  EXPECT_TRUE(anew.requested() && anew.begins_anew() && anew.at_once());
  EXPECT_EQ(anew.message(), "why");
  EXPECT_EQ(anew.status(), 0);
  anew.request();
  EXPECT_FALSE(anew.begins_anew());

  StopSignal failed;
  failed.begin_anew("why");
  failed.fail(3, "what");
  EXPECT_FALSE(failed.begins_anew());
  EXPECT_EQ(failed.status(), 3);
  EXPECT_EQ(failed.message(), "what");
}

}  // namespace
}  // namespace globalmart
