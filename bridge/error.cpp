#include "bridge/error.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace globalmart {

bool DatabaseError::caused_by_data() const {
  // What a row cannot be blamed for. All else is: a row may exceed an index (54), and a trigger may
  // raise what it likes. To take such an error for the row's is no harm when it passes: the batch
  // is tried again before a part of it is given up.
  static constexpr std::array<std::string_view, 24> kSurroundings = {
      "08", "57", "58",              // the connection, who runs the server, its disk
      "53", "55", "40", "72",        // resources, locks, conflicts of transactions, old snapshots
      "25", "26", "3B", "0B", "2D",  // states of the session
      "28", "0L", "0P", "2B",        // who may what
      "3D", "3F", "42", "0A",  // names that are not there, rights, code that does not fit, and
                               // definitions that the engine can keep no longer
      "F0", "HV",              // configuration files, foreign servers
      "XX", "GM"};             // broken files; our own fence
  if (connection_lost()) return false;
  if (sqlstate_ == "XX000") return true;  // an assumption of the server's that this row breaks
  return std::none_of(kSurroundings.begin(), kSurroundings.end(),
                      [&](std::string_view prefix) { return sqlstate_.starts_with(prefix); });
}

}  // namespace globalmart
