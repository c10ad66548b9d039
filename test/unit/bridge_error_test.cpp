// Which errors of PostgreSQL lie in a row, and which in everything around it.
#include <gtest/gtest.h>

#include "bridge/error.hpp"

namespace globalmart {
namespace {

bool caused_by_data(const char* sqlstate) { return DatabaseError(sqlstate, "").caused_by_data(); }

TEST(Sqlstate, OfARow) {
  for (const char* state :
       {"22001", "22P02", "23505", "23514", "44000", "21000", "38000", "39004", "P0001", "P0004",
        "54000", "54001", "27000", "2F005", "20000", "24000", "XX000", "SH001", "ZZ999"}) {
    EXPECT_TRUE(caused_by_data(state)) << state;
  }
}

TEST(Sqlstate, OfTheSurroundings) {
  for (const char* state :
       {"08006", "08P01", "25006", "25P02", "26000", "28000", "0P000", "3D000", "3F000", "40001",
        "40P01", "42501", "42P01", "42883", "0A000", "53100", "53200", "55000", "55P03", "57014",
        "57P01", "58030", "72000", "F0001", "HV000", "XX001", "XX002", "GM001", ""}) {
    EXPECT_FALSE(caused_by_data(state)) << state;
  }
}

}  // namespace
}  // namespace globalmart
