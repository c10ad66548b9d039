#include "bridge/server_run.hpp"

#include "bridge/error.hpp"

namespace globalmart {

void ServerRun::connect(Postgres& connection) {
  connection.connect();
  try {
    const Rows rows = connection.query(
        "SELECT concat(extract(epoch FROM pg_catalog.pg_postmaster_start_time()), ' ', d.oid)"
        " FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()");
    check(std::string(rows.text(0, 0)));
  } catch (...) {
    connection.close();
    throw;
  }
}

void ServerRun::check(const std::string& identity) {
  const std::lock_guard lock(mutex_);
  if (!identity_) identity_ = identity;
  if (*identity_ == identity) return;
  throw DatabaseSetBack(
      "PostgreSQL was started anew, or another server took its place: it may lack what was "
      "committed last");
}

}  // namespace globalmart
