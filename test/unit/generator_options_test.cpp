// What the command line takes, and what it refuses.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "generator/commands.hpp"

namespace globalmart::generator {
namespace {

/// What is wrong with these arguments of the generate command; empty when nothing is.
std::string refusal(std::vector<std::string> arguments) {
  CLI::App app;
  add_generate_command(app);
  std::reverse(arguments.begin(), arguments.end());
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    return error.what();
  }
  return "";
}

TEST(Options, NumbersWithoutASignAreNotNegative) {
  for (const std::string option : {"--count", "--visits", "--seed", "--users", "--products"}) {
    EXPECT_EQ(refusal({option, "5"}), "") << option;
    for (const std::string number : {"-5", "-18446744073709551611"})
      EXPECT_NE(refusal({option, number}).find(option), std::string::npos) << option << number;
  }
  EXPECT_EQ(refusal({"--count", "0"}), "");
}

}  // namespace
}  // namespace globalmart::generator
