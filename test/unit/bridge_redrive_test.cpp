// What a redrive gets from the database.
#include <gtest/gtest.h>

#include "bridge/redrive.hpp"
#include "bridge/shared.hpp"

namespace globalmart {
namespace {

TEST(BytesOfHex, ReadsWhatPostgresShows) {
  EXPECT_EQ(bytes_of_hex("\\x"), "");
  EXPECT_EQ(bytes_of_hex("\\x7b7D"), std::nullopt);
  EXPECT_EQ(bytes_of_hex("\\x7b7d"), "{}");
  EXPECT_EQ(bytes_of_hex("\\x00ff"), std::string("\0\xff", 2));
  for (const char* text : {"", "7b", "\\x7", "\\x7g", "{}", "\\"}) {
    EXPECT_EQ(bytes_of_hex(text), std::nullopt) << text;
  }
}

TEST(Remembered, KnowsAPartitionThatNobodyElseOwnedSince) {
  Remembered remembered;
  const PartitionId place{1, 2};
  EXPECT_TRUE(remembered.knows(place, std::nullopt, 1));  // never read: no ids
  EXPECT_FALSE(remembered.knows(place, 10, 4));
  remembered.set(place, 10, 4);
  EXPECT_TRUE(remembered.knows(place, 10, 5));
  EXPECT_FALSE(remembered.knows(place, 11, 5));
  // Another owned it in between: it may have applied redrives, which move no offset.
  EXPECT_FALSE(remembered.knows(place, 10, 6));
  remembered.forget(place);
  EXPECT_FALSE(remembered.knows(place, 10, 5));
}

}  // namespace
}  // namespace globalmart
