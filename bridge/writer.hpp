// The database side of a worker: claims partitions, and applies batches, each in one transaction
// that begins with the fence (advance_offsets) and copies every row into the leaf of its day.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bridge/batch.hpp"
#include "bridge/fault_point.hpp"
#include "bridge/postgres.hpp"
#include "bridge/server_run.hpp"

namespace globalmart {

// What the database knows of a partition when this process becomes its owner.
struct ClaimedPartition {
  PartitionId place;
  int64_t epoch = 0;
  std::optional<int64_t> next_offset;  // empty: never read
  std::optional<Micros> last_message_time;
  std::optional<int64_t> last_message_hash;
};

// The fence of a partition, as the owner last saw it.
struct Fence {
  int64_t epoch = 0;
  std::optional<int64_t> next_offset;
  bool at_end = false;
};

// One a worker thread, with a connection of its own. Every member throws DatabaseError.
class Writer {
 public:
  Writer(const PostgresConfig& config, const Profile& profile, std::string role,
         ServerRun& server_run, FaultPoint& fault_point);

  Postgres& connection() { return connection_; }
  // Connects if need be, and ends what an earlier error left open. Throws DatabaseSetBack too.
  void make_ready();

  // Becomes the owner of partitions: raises their epochs, so that whoever owned them is fenced. A
  // batch of a former owner that is under way is waited for, but not for ever: a process that
  // stands still in the middle of one loses its connection.
  std::vector<ClaimedPartition> claim(const std::vector<PartitionId>& places);

  // Applies a batch in one transaction. DatabaseError::fenced() when another owns a partition;
  // a lost connection leaves open whether it took effect. `keep_known_dead_letters`: a dead letter
  // whose place is taken (from a topic of the same name that is gone) is left out.
  void write(const Batch& batch, const std::map<PartitionId, Fence>& fences,
             bool keep_known_dead_letters = false);

  // Applies the rows of a batch in one transaction, between what the caller does at its begin and
  // at its end on this connection. False: `begin` said no, and nothing was applied.
  bool write_between(const Batch& batch, const std::function<bool()>& begin,
                     const std::function<void()>& end);

  // Moves a partition that was never read to where reading begins.
  void start_at(PartitionId place, const Fence& fence, int64_t offset);

  // Finds the messages whose rows the database refuses, by halving, without applying anything.
  std::vector<Rejection> find_rejected(const Batch& batch);

  // The leaves may have changed: look them up again.
  void forget_leaves() { leaves_.clear(); }

  // Calls `take` for every id that the stream holds for these partitions and that may still matter.
  void read_recent_ids(const TopicPlan& topic, const std::vector<int32_t>& partitions,
                       const std::function<void(const Uuid&, Micros)>& take);

 private:
  void end_blockers();
  const std::string& leaf(const StreamPlan& plan, int32_t day);
  void look_up_leaves(const Batch& batch);
  std::string advance_sql(const std::map<PartitionId, PartitionAdvance>& advances,
                          const std::map<PartitionId, Fence>& fences) const;
  // The COPYs of the messages [first, last), without the transaction around them.
  struct Copy {
    std::string sql;
    std::string_view rows;
  };
  std::vector<Copy> copies(const Batch& batch, uint32_t first, uint32_t last);
  void send_copies(const std::vector<Copy>& copies);
  void write_dead_letters_singly(const Batch& batch);
  void find_rejected(const Batch& batch, uint32_t first, uint32_t last,
                     std::vector<Rejection>& rejected);

  const PostgresConfig& config_;
  const Profile& profile_;
  const std::string role_;
  Postgres connection_;
  ServerRun& server_run_;
  FaultPoint& fault_point_;
  bool in_transaction_ = false;
  std::map<std::pair<const StreamPlan*, int32_t>, std::string> leaves_;
};

}  // namespace globalmart
