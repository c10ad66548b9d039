// What one transaction applies: the rows of some messages by table and day, the dead letters among
// them, and how far each partition comes by them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/decoder.hpp"
#include "bridge/profile.hpp"
#include "bridge/row_buffer.hpp"

namespace globalmart {

// A Kafka partition of a topic of the profile.
struct PartitionId {
  uint32_t topic = 0;  // index into the profile's topics
  int32_t partition = 0;
  auto operator<=>(const PartitionId&) const = default;
};

// How far a batch takes one partition.
struct PartitionAdvance {
  int64_t next_offset = 0;                  // behind the last message of the batch
  std::optional<Micros> max_event_time;     // greatest accepted
  std::optional<Micros> last_message_time;  // Kafka's timestamp of the last message
  std::optional<int64_t> last_message_hash;
  size_t last_message = 0;  // index into the batch's messages
  int64_t accepted = 0;
  int64_t duplicates = 0;
  int64_t dead_letters = 0;
};

// A message of a batch, kept for the case that the database refuses its rows.
struct BatchMessage {
  PartitionId place;
  int64_t offset = 0;
  Message message;  // points into memory that whoever fills the batch keeps
};

// A message whose rows the database refuses, and why.
struct Rejection {
  PartitionId place;
  int64_t offset = 0;
  std::string detail;  // SQLSTATE and message
};

class Batch {
 public:
  explicit Batch(const Profile& profile);

  void clear();
  bool empty() const { return messages_.empty(); }
  size_t message_count() const { return messages_.size(); }
  // Bytes of all rows encoded so far.
  size_t row_bytes() const;

  // Adds a message as the next one; the calls below are about the latest.
  void add_message(const BatchMessage& message);
  void add_rows(const Decoded& decoded, Micros received_at);
  void add_dead_letter(Reason reason, std::string_view detail, Micros received_at);

  // Rows for one day of one stream; which leaf takes them is looked up when they are written.
  struct DayRows {
    int32_t day = 0;
    RowBuffer rows;
    bool used = false;
  };
  struct StreamRows {
    uint32_t topic = 0;
    const StreamPlan* plan = nullptr;
    std::vector<DayRows> days;
    size_t latest = 0;
  };
  const std::vector<StreamRows>& streams() const { return streams_; }
  const RowBuffer& dead_letters() const { return dead_letters_; }
  const std::vector<BatchMessage>& messages() const { return messages_; }
  std::map<PartitionId, PartitionAdvance>& advances() { return advances_; }
  // The partition's element of advances(), made when it is not there yet.
  PartitionAdvance& advance_of(PartitionId place) {
    if (last_advance_ == nullptr || last_place_ != place) {
      last_place_ = place;
      last_advance_ = &advances_[place];
    }
    return *last_advance_;
  }
  const std::map<PartitionId, PartitionAdvance>& advances() const { return advances_; }

  // The columns of a stream as COPY names them, the bridge's own included.
  static std::string copy_columns(const StreamPlan& plan);
  static constexpr std::string_view kDeadLetterColumns =
      "topic, kafka_partition, kafka_offset, reason, detail, key, value, received_at";
  // One dead letter as a row of these columns.
  static void encode_dead_letter(FieldWriter& fields, std::string_view topic,
                                 const BatchMessage& message, std::string_view reason,
                                 std::string_view detail, Micros received_at);

 private:
  DayRows& rows_of_day(StreamRows& stream, int32_t day);
  void add_row(StreamRows& stream, const Decoded& decoded, Micros received_at, uint32_t line,
               const Value* element);

  const Profile& profile_;
  std::vector<StreamRows> streams_;
  std::vector<std::vector<size_t>> streams_of_topic_;
  RowBuffer dead_letters_;
  std::vector<BatchMessage> messages_;
  std::map<PartitionId, PartitionAdvance> advances_;
  PartitionId last_place_;
  PartitionAdvance* last_advance_ = nullptr;
};

}  // namespace globalmart
