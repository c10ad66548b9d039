// The batch in hand: messages from Kafka, what the decoder and the memory of ids made of them, and
// the rows they will be. One a worker, on the worker's thread.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bridge/batch.hpp"
#include "bridge/decoder.hpp"
#include "bridge/dedup.hpp"
#include "bridge/kafka_source.hpp"
#include "bridge/shared.hpp"

namespace globalmart {

class OpenBatch {
 public:
  explicit OpenBatch(Shared& shared);

  bool empty() const { return batch_.empty(); }
  // As many messages or bytes as a transaction may have.
  bool full() const;
  // How many messages more at most.
  size_t room() const;
  // Rows, dead letters and how far each partition comes; refers to the messages taken.
  Batch& batch() { return batch_; }

  // Decodes the message and takes it over: `message` is empty then. False, and nothing happened,
  // when another worker's batch holds its id: end the own batch and ask again. Where the own one is
  // empty already, it has waited for the other.
  bool add(KafkaMessage& message, PartitionId place);

  // The batch is committed, which took `seconds`: its ids are known from now on, and counted is
  // what it holds. It is held until abandon().
  void commit(double seconds);
  // Drops what is in hand; ids that were claimed for it are free again.
  void abandon();
  // As abandon, for a batch that the database may have applied: nobody may take its ids until that
  // is known. They stay claimed until the process ends or begins anew, which is due.
  void abandon_uncertain();
  // The database refuses these: drops what is in hand and gives its messages back in their order,
  // to be added again. The refused ones will be dead letters then.
  std::vector<KafkaMessage> give_back(const std::vector<Rejection>& refused);

 private:
  void start();
  void account(const rd_kafka_message_t& raw, const BatchMessage& message, const Decoded& decoded,
               Reason reason, std::string_view detail, bool duplicate);
  void clear();

  Shared& shared_;
  Decoder decoder_;
  Batch batch_;
  std::vector<KafkaMessage> messages_;
  size_t input_bytes_ = 0;
  Micros now_ = 0;
  std::optional<Dedup::Group> group_;
  std::vector<Dedup::Claim> claims_;                                // of a small batch
  std::map<std::pair<PartitionId, int64_t>, std::string> refused_;  // by the database: why
  std::map<std::pair<uint32_t, Reason>, uint64_t> dead_counts_;
};

}  // namespace globalmart
