// Windows against brute force: a window is tried at every microsecond, so widths are tiny here; the
// arithmetic does not know units. Times are taken around 1970, 2000, now and both ends of the
// scale.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "core/window.hpp"

namespace globalmart {
namespace {

using Wide = __int128;

constexpr Micros kHour = 3600LL * 1000000;

std::vector<WindowShape> shapes() {
  std::vector<WindowShape> all;
  for (Micros width : {1, 2, 3, 7, 10})
    for (Micros offset : {0, 1, 4, 9, 23, -1, -25})
      all.push_back({WindowKind::kTumble, width, width, offset});
  for (Micros slide : {1, 2, 3, 5})
    for (Micros times : {1, 2, 3, 4})
      for (Micros offset : {0, 1, 7, -2})
        all.push_back({WindowKind::kHop, slide * times, slide, offset});
  return all;
}

std::vector<Micros> around() {
  return {kUnixEpoch, 0, 1000000, 824000000LL * 1000000, -2000000000LL * 1000000};
}

std::string describe(const WindowShape& shape, Micros t) {
  return "width " + std::to_string(shape.width) + " slide " + std::to_string(shape.slide) +
         " offset " + std::to_string(shape.offset) + " at " + std::to_string(t);
}

bool starts_at(const WindowShape& shape, Wide t) {
  return (t - kUnixEpoch - shape.offset) % shape.slide == 0;
}

// The starts of all windows that hold t, newest first.
std::vector<Wide> starts_of(const WindowShape& shape, Wide t) {
  std::vector<Wide> starts;
  for (Wide start = t; start > t - shape.width; --start)
    if (starts_at(shape, start)) starts.push_back(start);
  return starts;
}

Wide greatest_end(const WindowShape& shape, Wide until) {
  for (Wide end = until;; --end)
    if (starts_at(shape, end - shape.width)) return end;
}

TEST(Window, FloorIsTheGreatestStart) {
  for (const WindowShape& shape : shapes())
    for (Micros base : around())
      for (Micros t = base - 30; t <= base + 30; ++t) {
        SCOPED_TRACE(describe(shape, t));
        ASSERT_EQ(shape.last_start(t), static_cast<Micros>(starts_of(shape, t).front()));
      }
}

TEST(Window, FloorKnowsTheCalendar) {
  EXPECT_EQ(kUnixEpoch, -946684800000000);
  // 2000-01-01 00:30 is in the hour from midnight; hours before 1970 are aligned the same way.
  EXPECT_EQ(floor_to(kHour / 2, kHour), 0);
  EXPECT_EQ(floor_to(kUnixEpoch - 1, kHour), kUnixEpoch - kHour);
  // Weeks count from Thursday, 1970-01-01: 2000-01-01 was a Saturday.
  EXPECT_EQ(floor_to(0, 7 * 24 * kHour), -2 * 24 * kHour);
  EXPECT_EQ(floor_to(0, 7 * 24 * kHour, 4 * 24 * kHour), -5 * 24 * kHour);  // from Monday
}

TEST(Window, SlicesTileWindows) {
  for (const WindowShape& shape : shapes())
    for (Micros base : around())
      for (Micros t = base - 30; t <= base + 30; ++t) {
        const Micros slice = floor_to(t, shape.slice_width(), shape.offset);
        SCOPED_TRACE(describe(shape, t));
        ASSERT_LE(slice, t);
        ASSERT_LT(t, slice + shape.slice_width());
        ASSERT_EQ(starts_of(shape, slice), starts_of(shape, t));
      }
}

TEST(Window, ClosableUntilIsTheGreatestEnd) {
  for (const WindowShape& shape : shapes())
    for (Micros base : around())
      for (Micros watermark = base - 30; watermark <= base + 30; ++watermark) {
        SCOPED_TRACE(describe(shape, watermark));
        ASSERT_EQ(shape.closable_until(watermark),
                  static_cast<Micros>(greatest_end(shape, watermark)));
      }
}

TEST(Window, LateMeansThatAllWindowsAreClosedAndPartlyLateThatOneIs) {
  for (const WindowShape& shape : shapes())
    for (Micros base : around())
      for (Micros closed = base - 15; closed <= base + 15; ++closed) {
        const Micros late = shape.late_before(closed);
        const Micros partly = shape.partly_late_before(closed);
        for (Micros t = closed - 40; t <= closed + 5; ++t) {
          bool all_closed = true, any_closed = false;
          for (Wide start : starts_of(shape, t)) {
            const bool is_closed = start + shape.width <= closed;
            all_closed = all_closed && is_closed;
            any_closed = any_closed || is_closed;
          }
          SCOPED_TRACE(describe(shape, t) + " closed " + std::to_string(closed));
          ASSERT_EQ(t < late, all_closed);
          ASSERT_EQ(t < partly, any_closed);
        }
      }
}

TEST(Window, NothingThatIsNotLateFallsIntoAPublishedWindow) {
  // What the closer publishes is what a fold judges by: every event is late, or has a window that
  // ends after what was published.
  for (const WindowShape& shape : shapes())
    for (Micros watermark = 1000; watermark <= 1060; ++watermark) {
      const Micros closed = shape.closable_until(watermark);
      for (Micros t = watermark - 60; t <= watermark; ++t)
        ASSERT_EQ(t >= shape.late_before(closed), shape.last_start(t) + shape.width > closed)
            << describe(shape, t);
    }
}

TEST(Window, SessionsCompareOnce) {
  const WindowShape shape{WindowKind::kSession, 30, 30, 0};
  for (Micros closed : {kUnixEpoch, Micros{0}, Micros{12345}}) {
    EXPECT_EQ(shape.closable_until(closed), closed);
    EXPECT_FALSE(closed + 1 < shape.late_before(closed));
    EXPECT_TRUE(closed < shape.late_before(closed));
    EXPECT_EQ(shape.partly_late_before(closed), shape.late_before(closed));
  }
  EXPECT_EQ(shape.late_before(kMinusInfinity), kMinusInfinity);
  EXPECT_EQ(shape.late_before(kPlusInfinity), kPlusInfinity);
}

TEST(Window, AddSaturates) {
  EXPECT_EQ(add(5, 7), 12);
  EXPECT_EQ(add(kPlusInfinity - 1, 1), kPlusInfinity);
  EXPECT_EQ(add(kPlusInfinity - 1, 2), kPlusInfinity);
  EXPECT_EQ(add(kMinusInfinity + 1, -1), kMinusInfinity);
  EXPECT_EQ(add(kMinusInfinity + 1, -5), kMinusInfinity);
  EXPECT_EQ(add(kMinusInfinity, kHour), kMinusInfinity);
  EXPECT_EQ(add(kPlusInfinity, -kHour), kPlusInfinity);
  EXPECT_EQ(add(kMinusInfinity, kPlusInfinity), kMinusInfinity);
}

TEST(Window, InfiniteTimesStayInfinite) {
  std::vector<WindowShape> all = shapes();
  all.push_back({WindowKind::kSession, kHour, kHour, 0});
  for (const WindowShape& shape : all)
    for (Micros end : {kMinusInfinity, kPlusInfinity}) {
      EXPECT_EQ(floor_to(end, shape.width, shape.offset), end);
      EXPECT_EQ(shape.last_start(end), end);
      EXPECT_EQ(shape.closable_until(end), end);
      EXPECT_EQ(shape.late_before(end), end);
      EXPECT_EQ(shape.partly_late_before(end), end);
    }
}

TEST(Window, ExactUpToTheGreatestTime) {
  for (const WindowShape& shape : shapes())
    for (Micros t = kPlusInfinity - 60; t < kPlusInfinity; ++t) {
      SCOPED_TRACE(describe(shape, t));
      ASSERT_EQ(shape.last_start(t), static_cast<Micros>(starts_of(shape, t).front()));
      ASSERT_EQ(shape.closable_until(t), static_cast<Micros>(greatest_end(shape, t)));
    }
}

TEST(Window, SaturatesAtTheLeastTime) {
  for (const WindowShape& shape : shapes()) {
    Micros before = kMinusInfinity;
    for (Micros t = kMinusInfinity; t < kMinusInfinity + 80; ++t) {
      SCOPED_TRACE(describe(shape, t));
      // Never a finite time from an infinite one's side, never later than it may be.
      ASSERT_LE(shape.last_start(t), t);
      ASSERT_EQ(shape.last_start(t) == kMinusInfinity, t == kMinusInfinity);
      ASSERT_LE(shape.closable_until(t), t);
      ASSERT_GE(shape.closable_until(t), before);
      before = shape.closable_until(t);
      if (t > kMinusInfinity + 60) {
        ASSERT_EQ(before, static_cast<Micros>(greatest_end(shape, t)));
      }
    }
  }
}

TEST(Window, HugeWidthsAndOffsetsDoNotOverflow) {
  for (Micros width : {Micros{1} << 62, kPlusInfinity})
    for (Micros offset : {Micros{0}, kPlusInfinity, kMinusInfinity + 1}) {
      for (Micros t : {kMinusInfinity + 1, Micros{-1}, Micros{0}, Micros{1}, kPlusInfinity - 1}) {
        const WindowShape shape{WindowKind::kTumble, width, width, offset};
        const Wide start = shape.last_start(t);
        EXPECT_LE(start, t);
        EXPECT_LT(static_cast<Wide>(t) - start, width);
        EXPECT_LE(shape.closable_until(t), t);
        EXPECT_TRUE(start == kMinusInfinity + 1 || starts_at(shape, start));
      }
    }
}

}  // namespace
}  // namespace globalmart
