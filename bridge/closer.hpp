// The closer: a thread with a database connection of its own, so that waiting for one writer never
// stalls intake. Woken after each batch (coalesced) and at least every second, it closes windows;
// it also tells the database which partitions are at their end, follows changes of the lists, and
// keeps the horizon of the memory of ids.
#pragma once

#include <chrono>
#include <cstdint>

#include "bridge/log.hpp"
#include "bridge/postgres.hpp"
#include "bridge/shared.hpp"

namespace globalmart {

class Closer {
 public:
  explicit Closer(Shared& shared);

  // What the workers need before the first message: the lists, the number of this process in its
  // group. Throws DatabaseError, or ConfigError when the tables do not fit the profile.
  void prepare();
  // The thread's body, until the end is requested.
  void run();
  // What a drain ends with: reports the ends and closes what the watermark allows. Throws
  // DatabaseError.
  void finish();

 private:
  void round();
  bool closes_here() const;
  // Throws DatabaseSetBack too: what the workers say of their partitions is not of this database.
  void connect();
  void take_number();
  void check_columns();
  void read_lists();
  void report_partitions();
  void forget_ids();

  Shared& shared_;
  Postgres connection_;
  uint64_t reported_version_ = 0;
  std::chrono::steady_clock::time_point last_report_{};
  std::chrono::steady_clock::time_point last_compaction_{};
  std::chrono::steady_clock::time_point last_forgetting_{};
  LogLimit limit_;
  int number_ = 0;  // of this process among the bridges of its group; 0: none yet
  bool prepared_ = false;
};

}  // namespace globalmart
