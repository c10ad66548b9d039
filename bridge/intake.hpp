// What a worker has taken from Kafka and not yet applied: the messages that wait for the batch, and
// how far each of its partitions is.
#pragma once

#include <vector>

#include "bridge/kafka_source.hpp"
#include "bridge/log.hpp"
#include "bridge/open_batch.hpp"
#include "bridge/shared.hpp"
#include "bridge/takeover.hpp"

namespace globalmart {

// One a worker, on the worker's thread; `open` is the batch that it fills.
class Intake {
 public:
  enum class Filled : uint8_t {
    kAll,        // nothing is left that waits
    kFull,       // the batch
    kContested,  // the next message must wait for another worker's batch
  };

  Intake(Shared& shared, size_t worker, OpenBatch& open, LogLimit& limit);

  // Where messages come from, from now on.
  void read_from(KafkaSource& source) { source_ = &source; }
  // The partitions that the worker owns.
  OwnPartitions& own() { return own_; }
  // Forgets partitions and messages.
  void clear();

  // Waits for messages, unless some are left from before.
  void take_messages();
  // Moves them into the batch.
  Filled fill_batch();
  // Decodes the messages of the batch again; the refused ones become dead letters.
  void redo(const std::vector<Rejection>& refused);

  // Whether nothing is left from before.
  bool taken() const { return pending_begin_ >= pending_.size(); }
  // Whether each partition is where it ended when the drain began.
  bool drained() const;
  // Kafka refused where reading began: the partitions must be taken over again.
  bool reassign() const { return reassign_; }
  void reassigned() { reassign_ = false; }

 private:
  // False when the message must wait for another worker's batch.
  bool take(KafkaMessage& message, PartitionId place, OwnPartition& owned);
  void handle_event(const rd_kafka_message_t& message);
  // A message of a partition was taken from Kafka: it is not at its end, whenever it is applied.
  void leave_end(PartitionId place, OwnPartition& owned);
  void leave_ends();
  bool is_pending(PartitionId place);

  Shared& shared_;
  const size_t number_;  // of the worker
  OpenBatch& open_;
  LogLimit& limit_;
  KafkaSource* source_ = nullptr;
  OwnPartitions own_;
  PartitionId last_place_;
  OwnPartition* last_owned_ = nullptr;  // of last_place_, while it is known
  std::vector<KafkaMessage> pending_;   // taken from Kafka, not yet in a batch
  size_t pending_begin_ = 0;
  bool reassign_ = false;
};

}  // namespace globalmart
