#include "bridge/error.hpp"

#include <array>
#include <string_view>

namespace globalmart {

bool DatabaseError::caused_by_data() const {
  // 22 data exception, 23 constraint violation, 44 WITH CHECK OPTION, P0 raised by a trigger,
  // 21 cardinality, 38/39 external routine, XX000 an internal error that this row provokes.
  static constexpr std::array<std::string_view, 7> kClasses = {"22", "23", "44", "P0",
                                                               "21", "38", "39"};
  if (sqlstate_ == "XX000") return true;
  for (std::string_view prefix : kClasses) {
    if (sqlstate_.starts_with(prefix)) return true;
  }
  return false;
}

}  // namespace globalmart
