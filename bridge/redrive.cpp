#include "bridge/redrive.hpp"

#include <algorithm>

#include "bridge/error.hpp"
#include "bridge/log.hpp"

namespace globalmart {

namespace {

// Requests in one transaction: a message may have a megabyte.
constexpr int kMost = 100;
constexpr int kTries = 5;
constexpr double kClaimWait = 1.0;  // seconds for another worker's batch

constexpr const char* kTake =
    "SELECT redrive_id, kafka_partition, kafka_offset, key, value"
    " FROM globalmart.take_redrives($1::text, $2::int[], $3::bigint[], $4::int)";
constexpr const char* kTakeAgain =
    "SELECT redrive_id FROM globalmart.take_redrives($1::text, $2::int[], $3::bigint[], $4::int)";

std::string uuid_text(const Uuid& uuid) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : uuid.bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

std::optional<std::string> bytes_at(const Rows& rows, int row, int column) {
  if (rows.is_null(row, column)) return std::nullopt;
  std::optional<std::string> bytes = bytes_of_hex(rows.text(row, column));
  if (!bytes) throw DatabaseError("XX000", "a redrive has a value that is no bytea");
  return bytes;
}

}  // namespace

std::optional<std::string> bytes_of_hex(std::string_view text) {
  if (!text.starts_with("\\x") || text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 2 - 1);
  for (size_t i = 2; i < text.size(); i += 2) {
    const int high = hex_digit(text[i]);
    const int low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

Redriver::Redriver(Shared& shared, Writer& writer, size_t worker)
    : shared_(shared),
      writer_(writer),
      worker_(worker),
      decoder_(shared.profile, DecoderLimits{shared.config.bridge.max_message_bytes,
                                             shared.config.bridge.max_future}),
      batch_(shared.profile) {}

std::vector<Redriver::Given> Redriver::given_of(const Epochs& epochs, int most) const {
  std::vector<Given> all;
  for (auto at = epochs.begin(); at != epochs.end();) {
    const uint32_t topic = at->first.topic;
    std::vector<int32_t> partitions;
    std::vector<int64_t> numbers;
    for (; at != epochs.end() && at->first.topic == topic; ++at) {
      partitions.push_back(at->first.partition);
      numbers.push_back(at->second);
    }
    all.push_back({topic,
                   {shared_.profile.topics[topic].name, integer_array(partitions),
                    integer_array(numbers), std::to_string(most)}});
  }
  return all;
}

bool Redriver::waiting(const Epochs& epochs) {
  writer_.make_ready();
  for (const Given& given : given_of(epochs, 1)) {
    if (writer_.connection().query(kTakeAgain, given.parameters).size() > 0) return true;
  }
  return false;
}

size_t Redriver::apply(const Epochs& epochs) {
  size_t finished = 0;
  writer_.make_ready();
  for (const Given& given : given_of(epochs, kMost)) {
    const std::vector<Request> requests = take(given);
    if (requests.empty()) continue;
    const size_t done = apply_requests(given, requests);
    finished += done;
    if (done > 0 || requests.size() == 1) continue;
    // One of them stands in the way of the others.
    for (const Request& request : requests) finished += apply_requests(given, {request});
  }
  return finished;
}

// Reads the requests; the locks end at once. write() takes them again.
std::vector<Redriver::Request> Redriver::take(const Given& given) {
  const Rows rows = writer_.connection().query(kTake, given.parameters);
  std::vector<Request> requests;
  for (int row = 0; row < rows.size(); ++row) {
    Request request;
    request.id = rows.integer(row, 0);
    request.place = {given.topic, static_cast<int32_t>(rows.integer(row, 1))};
    request.offset = rows.integer(row, 2);
    request.key = bytes_at(rows, row, 3);
    request.value = bytes_at(rows, row, 4);
    requests.push_back(std::move(request));
  }
  return requests;
}

// All of them or none; gives how many.
size_t Redriver::apply_requests(const Given& given, const std::vector<Request>& requests) {
  rejected_.clear();
  for (int attempt = 0; attempt < kTries; ++attempt) {
    try {
      if (!try_requests(given, requests)) continue;
      for (size_t i = 0; i < requests.size(); ++i) {
        log_info("redrive " + outcomes_[i].state,
                 {{"worker", worker_ + 1},
                  {"topic", shared_.profile.topics[given.topic].name},
                  {"partition", requests[i].place.partition},
                  {"offset", requests[i].offset},
                  {"redrive", requests[i].id},
                  {"reason", outcomes_[i].reason.value_or("")}});
      }
      return requests.size();
    } catch (const DatabaseError& error) {
      if (error.connection_lost()) {
        // Perhaps it was applied: another worker must not take the ids for free.
        group_.reset();
        throw;
      }
      give_up();
      writer_.make_ready();
      writer_.forget_leaves();
      // Leaves that were dropped or split off since are found anew.
      if (error.stale_leaf() && attempt == 0) continue;
      if (error.caused_by_data()) {
        const std::vector<Rejection> refused = writer_.find_rejected(batch_);
        for (const Rejection& one : refused) rejected_[{one.place, one.offset}] = one.detail;
        if (!refused.empty()) continue;
      }
      shared_.metrics.database_error();
      limit_.error(std::to_string(requests.size()) + " redrives were not applied", error,
                   {{"worker", worker_ + 1},
                    {"topic", shared_.profile.topics[given.topic].name},
                    {"redrive", requests.front().id}});
      return 0;
    } catch (...) {
      give_up();
      throw;
    }
  }
  return 0;
}

bool Redriver::try_requests(const Given& given, const std::vector<Request>& requests) {
  if (!decode(requests)) return false;
  if (!write(given, requests)) {
    give_up();
    return false;
  }
  if (group_) shared_.dedup.commit(*group_, claims_);
  group_.reset();
  return true;
}

bool Redriver::decode(const std::vector<Request>& requests) {
  batch_.clear();
  claims_.clear();
  outcomes_.clear();
  const Micros now = shared_.clock.now();
  decoder_.start_batch(now, shared_.lists.current());
  for (const Request& request : requests) {
    BatchMessage message;
    message.place = request.place;
    message.offset = request.offset;
    if (request.value) {
      message.message.value = request.value->data();
      message.message.value_size = request.value->size();
    }
    if (request.key) {
      message.message.key = request.key->data();
      message.message.key_size = request.key->size();
    }
    const uint32_t topic = request.place.topic;
    const Decoded& decoded = decoder_.decode(topic, message.message);
    if (decoded.reason != Reason::kNone) {
      outcomes_.push_back(
          {"rejected", std::string(reason_name(decoded.reason)),
           decoded.detail.empty() ? std::nullopt : std::optional<std::string>(decoded.detail),
           std::nullopt});
      continue;
    }
    if (decoded.deleted) {
      outcomes_.push_back({"rejected", std::string(reason_name(Reason::kTombstone)),
                           "a delete counts from its Kafka timestamp, which a dead letter does not "
                           "have: send the null value again",
                           std::nullopt});
      continue;
    }
    const auto rejected = rejected_.find({request.place, request.offset});
    if (rejected != rejected_.end()) {
      outcomes_.push_back({"rejected", std::string(reason_name(Reason::kRejectedByDatabase)),
                           rejected->second, std::nullopt});
      continue;
    }
    if (shared_.profile.topics[topic].id >= 0) {
      if (!group_) group_ = shared_.dedup.begin_group();
      const Dedup::Answer answer =
          shared_.dedup.claim(*group_, topic, decoded.id, decoded.event_time);
      if (answer == Dedup::Answer::kContested) {
        give_up();
        shared_.dedup.wait_for_claim(topic, decoded.id, kClaimWait);
        return false;
      }
      if (answer == Dedup::Answer::kNew) {
        claims_.push_back({topic, decoded.id, decoded.event_time});
      }
      // The memory does not reach back to where an old message belongs; the tables do.
      if (answer == Dedup::Answer::kDuplicate || is_stored(topic, decoded.id, decoded.event_time)) {
        outcomes_.push_back({"duplicate", std::nullopt, std::nullopt, std::nullopt});
        continue;
      }
    }
    batch_.add_message(message);
    batch_.add_rows(decoded, now);
    outcomes_.push_back({"applied", std::nullopt, std::nullopt, std::nullopt});
    // Messages of the catalogue have none.
    if (shared_.profile.topics[topic].id >= 0) outcomes_.back().event_time = decoded.event_time;
  }
  return true;
}

bool Redriver::is_stored(uint32_t topic, const Uuid& id, Micros event_time) {
  const std::vector<std::optional<std::string>> parameters = {
      shared_.profile.topics[topic].streams.front().stream, uuid_text(id),
      instant_text(event_time)};
  const Rows rows = writer_.connection().query(
      "SELECT globalmart.is_stored($1::text, $2::uuid, $3::timestamptz)", parameters);
  return rows.text(0, 0) == "t";
}

// False when the requests are no longer there to take: cancelled, or another bridge has them now.
bool Redriver::write(const Given& given, const std::vector<Request>& requests) {
  const auto take_again = [&] {
    const Rows rows = writer_.connection().query(kTakeAgain, given.parameters);
    std::vector<int64_t> ids;
    for (int row = 0; row < rows.size(); ++row) ids.push_back(rows.integer(row, 0));
    return std::all_of(requests.begin(), requests.end(), [&](const Request& request) {
      return std::find(ids.begin(), ids.end(), request.id) != ids.end();
    });
  };
  const auto finish = [&] {
    std::vector<int64_t> ids;
    std::vector<std::optional<std::string>> states;
    std::vector<std::optional<std::string>> reasons;
    std::vector<std::optional<std::string>> details;
    std::vector<std::optional<std::string>> times;
    for (size_t i = 0; i < requests.size(); ++i) {
      ids.push_back(requests[i].id);
      states.emplace_back(outcomes_[i].state);
      reasons.push_back(outcomes_[i].reason);
      details.push_back(outcomes_[i].detail);
      const std::optional<Micros>& time = outcomes_[i].event_time;
      times.push_back(time ? std::optional(instant_text(*time)) : std::nullopt);
    }
    const std::vector<std::optional<std::string>> parameters = {
        integer_array(ids), array_text(states), array_text(reasons), array_text(details),
        array_text(times)};
    writer_.connection().query(
        "SELECT globalmart.finish_redrives($1::bigint[], $2::text[], $3::text[], $4::text[],"
        " $5::timestamptz[])",
        parameters);
  };
  return writer_.write_between(batch_, take_again, finish);
}

// Ids that were claimed are free again.
void Redriver::give_up() {
  if (group_) shared_.dedup.abort(*group_);
  group_.reset();
}

}  // namespace globalmart
