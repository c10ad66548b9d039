// What a redrive gets from the database.
#include <gtest/gtest.h>

#include "bridge/redrive.hpp"

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

}  // namespace
}  // namespace globalmart
