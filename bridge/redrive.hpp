// Redrives: dead letters that somebody asked to have applied after all. The owner of the partition
// takes the requests, decodes each message as any other, with its own partition and offset, and
// stores its rows, the outcome and the end of the dead letter in one transaction. So a message is
// applied once, wherever the process dies.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/batch.hpp"
#include "bridge/decoder.hpp"
#include "bridge/log.hpp"
#include "bridge/shared.hpp"
#include "bridge/writer.hpp"

namespace globalmart {

// The bytes of a bytea as PostgreSQL shows it by default, "\x00ff"; empty if it is no such text.
std::optional<std::string> bytes_of_hex(std::string_view text);

// One a worker, on the worker's thread and connection.
class Redriver {
 public:
  using Epochs = std::map<PartitionId, int64_t>;  // of the partitions that the worker owns

  Redriver(Shared& shared, Writer& writer, size_t worker);

  // Whether requests wait for these partitions. Throws DatabaseError.
  bool waiting(const Epochs& epochs);

  // Applies or refuses what waits, a bounded number of each topic; returns how many requests it
  // finished. The caller has no batch in hand: its claims would block others. A request that the
  // database does not let end stays, with a line in the log. Throws DatabaseError when the
  // connection is lost: whether the last transaction took effect is then not known, and its ids
  // stay claimed until the process ends or begins anew, which is due. Throws DatabaseSetBack.
  size_t apply(const Epochs& epochs);

 private:
  struct Request {
    int64_t id = 0;
    PartitionId place;
    int64_t offset = 0;
    std::optional<std::string> key;
    std::optional<std::string> value;
  };
  struct Outcome {
    std::string state;
    std::optional<std::string> reason;
    std::optional<std::string> detail;
    std::optional<Micros> event_time;  // of what was applied
  };
  // What take_redrives is given for one topic.
  struct Given {
    uint32_t topic = 0;
    std::vector<std::optional<std::string>> parameters;
  };

  std::vector<Given> given_of(const Epochs& epochs, int most) const;
  std::vector<Request> take(const Given& given);
  size_t apply_requests(const Given& given, const std::vector<Request>& requests);
  bool try_requests(const Given& given, const std::vector<Request>& requests);
  // False when another worker's batch holds an id: it is waited for, and nothing is claimed.
  bool decode(const std::vector<Request>& requests);
  bool is_stored(uint32_t topic, const Uuid& id, Micros event_time);
  bool write(const Given& given, const std::vector<Request>& requests);
  void give_up();

  Shared& shared_;
  Writer& writer_;
  const size_t worker_;
  Decoder decoder_;
  Batch batch_;
  LogLimit limit_;
  std::optional<Dedup::Group> group_;
  std::vector<Dedup::Claim> claims_;
  std::map<std::pair<PartitionId, int64_t>, std::string> rejected_;  // by the database
  std::vector<Outcome> outcomes_;                                    // one a request
};

}  // namespace globalmart
