// Which run of the PostgreSQL server this process is connected to. The memory of event ids holds
// what was committed there; another run may lack it: a standby that was promoted, a point in time
// that was recovered, commits that a crash took with it.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "bridge/postgres.hpp"

namespace globalmart {

// Thread-safe.
class ServerRun {
 public:
  // Connects. The first call settles which run it is; throws DatabaseSetBack, and the connection is
  // closed, when the server has been started anew since or the database is another one of the
  // name. Throws DatabaseError.
  void connect(Postgres& connection);
  // The part of connect that decides. `identity`: of the run; equal only for the same one.
  void check(const std::string& identity);

 private:
  std::mutex mutex_;
  std::optional<std::string> identity_;
};

}  // namespace globalmart
