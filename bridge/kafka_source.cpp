#include "bridge/kafka_source.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <set>
#include <utility>

#include "bridge/error.hpp"
#include "bridge/log.hpp"

namespace globalmart {

namespace {

using PartitionList = std::unique_ptr<rd_kafka_topic_partition_list_t,
                                      decltype(&rd_kafka_topic_partition_list_destroy)>;

PartitionList make_list(size_t size) {
  return PartitionList(rd_kafka_topic_partition_list_new(static_cast<int>(size)),
                       rd_kafka_topic_partition_list_destroy);
}

// How long an orderly end waits for the group.
constexpr auto kLeavePatience = std::chrono::seconds(3);

uint64_t hash_bytes(uint64_t hash, const void* data, size_t size) {
  const auto* p = static_cast<const unsigned char*>(data);
  for (size_t i = 0; i < size; ++i) hash = (hash ^ p[i]) * 0x100000001b3ull;
  return hash;
}

}  // namespace

int64_t message_hash(const Message& message) {
  // FNV-1a over presence, key and value; the length of the key keeps the two apart.
  uint64_t hash = 0xcbf29ce484222325ull;
  const uint64_t lengths[2] = {message.key == nullptr ? UINT64_MAX : message.key_size,
                               message.value == nullptr ? UINT64_MAX : message.value_size};
  for (const uint64_t length : lengths) {
    for (int shift = 0; shift < 64; shift += 8) {
      const auto byte = static_cast<unsigned char>(length >> shift);
      hash = hash_bytes(hash, &byte, 1);
    }
  }
  hash = hash_bytes(hash, message.key, message.key_size);
  hash = hash_bytes(hash, message.value, message.value_size);
  return static_cast<int64_t>(hash);
}

Message view_of(const rd_kafka_message_t& message) {
  Message view;
  view.value = message.payload;
  view.value_size = message.len;
  view.key = message.key;
  view.key_size = message.key_len;
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const int64_t milliseconds = rd_kafka_message_timestamp(&message, &type);
  if (type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && milliseconds >= 0 &&
      milliseconds < INT64_MAX / 1000) {
    view.timestamp = milliseconds * 1000;
    view.has_timestamp = true;
  }
  return view;
}

KafkaSource::KafkaSource(const KafkaConfig& config, std::vector<std::string> topics,
                         const std::string& instance_id, KafkaLog& log)
    : config_(config), topics_(std::move(topics)), instance_id_(instance_id), log_(log) {
  client_ = make_client(true, instance_id);
  rd_kafka_poll_set_consumer(client_.get());
  queue_.reset(rd_kafka_queue_get_consumer(client_.get()));
}

KafkaSource::~KafkaSource() {
  raw_.clear();
  queue_.reset();
  // Its end may call back, which needs the members that go before it.
  client_.reset();
}

KafkaClient KafkaSource::make_client(bool member, const std::string& instance_id) {
  KafkaSettings settings = consumer_settings(config_, instance_id);
  rd_kafka_conf_set_log_cb(settings.get(), on_log);
  rd_kafka_conf_set_error_cb(settings.get(), on_error);
  rd_kafka_conf_set_opaque(settings.get(), this);
  if (member) rd_kafka_conf_set_rebalance_cb(settings.get(), on_rebalance);
  return make_kafka_client(RD_KAFKA_CONSUMER, std::move(settings));
}

void KafkaSource::subscribe(std::function<void()> revoked) {
  revoked_ = std::move(revoked);
  const PartitionList list = make_list(topics_.size());
  for (const std::string& topic : topics_) {
    if (!topic.empty()) {
      rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
    }
  }
  if (const auto error = rd_kafka_subscribe(client_.get(), list.get())) {
    throw KafkaError(std::string("cannot subscribe: ") + rd_kafka_err2str(error));
  }
}

void KafkaSource::on_rebalance(rd_kafka_t* client, rd_kafka_resp_err_t error,
                               rd_kafka_topic_partition_list_t* partitions, void* opaque) {
  auto* const self = static_cast<KafkaSource*>(opaque);
  ++self->generation_;
  if (error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    // Assigned after consume has returned: no message of the new assignment can then be among those
    // of the old.
    std::vector<PartitionId> places;
    for (int i = 0; i < partitions->cnt; ++i) {
      if (const auto topic = self->topic_index(partitions->elems[i].topic)) {
        places.push_back({*topic, partitions->elems[i].partition});
      }
    }
    std::sort(places.begin(), places.end());
    self->assignment_ = std::move(places);
    self->assign_due_ = true;
    return;
  }
  self->assignment_.reset();
  self->assign_due_ = false;
  try {
    if (self->revoked_) self->revoked_();
  } catch (...) {
    self->thrown_ = std::current_exception();
  }
  rd_kafka_assign(client, nullptr);
}

void KafkaSource::rethrow() {
  if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
}

// Errors of the client as a whole; it goes on by itself from all but the fatal ones, and those are
// seen in consume.
void KafkaSource::on_error(rd_kafka_t*, int code, const char* reason, void* opaque) {
  auto* const self = static_cast<KafkaSource*>(opaque);
  const auto error = static_cast<rd_kafka_resp_err_t>(code);
  self->log_.say_error("kafka", LogLevel::kWarn, error, reason);
  if (error == RD_KAFKA_RESP_ERR__AUTHENTICATION || error == RD_KAFKA_RESP_ERR__SSL) {
    self->refusal_ = reason;
  }
}

// A client that is being made has no one yet who could be told.
void KafkaSource::on_log(const rd_kafka_t* client, int level, const char* facility,
                         const char* text) {
  auto* const self =
      static_cast<KafkaSource*>(client == nullptr ? nullptr : rd_kafka_opaque(client));
  if (self != nullptr) self->log_.say("kafka", level, facility, text);
}

void KafkaSource::fail(const std::string& what, rd_kafka_resp_err_t error) {
  // Has the callbacks called; nothing is assigned, so there are no messages to lose.
  while (const KafkaMessage message{rd_kafka_consumer_poll(client_.get(), 0)}) {
  }
  const std::string text = what + ": " + rd_kafka_err2str(error);
  if (refusal_.empty()) throw KafkaError(text);
  throw KafkaError(text + ": " + refusal_, KafkaError::Kind::kRefused);
}

std::optional<std::vector<PartitionId>> KafkaSource::take_assignment() {
  auto taken = std::move(assignment_);
  assignment_.reset();
  return taken;
}

void KafkaSource::assign(const std::vector<StartOffset>& starts) {
  const PartitionList list = make_list(starts.size());
  for (const StartOffset& start : starts) {
    rd_kafka_topic_partition_list_add(list.get(), topics_[start.place.topic].c_str(),
                                      start.place.partition)
        ->offset = start.offset;
  }
  assign_due_ = false;
  if (const auto error = rd_kafka_assign(client_.get(), list.get())) {
    throw KafkaError(std::string("cannot assign partitions: ") + rd_kafka_err2str(error));
  }
}

void KafkaSource::consume(std::vector<KafkaMessage>& messages, size_t count, int timeout_ms) {
  raw_.resize(count);
  const uint64_t before = generation_;
  const ssize_t got = rd_kafka_consume_batch_queue(queue_.get(), timeout_ms, raw_.data(), count);
  for (ssize_t i = 0; i < got; ++i) {
    KafkaMessage message(raw_[static_cast<size_t>(i)]);
    // What came before a rebalance in the same call belongs to an assignment that is gone.
    if (generation_ == before || message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      messages.push_back(std::move(message));
    }
  }
  rethrow();
  char reason[256];
  if (const auto fatal = rd_kafka_fatal_error(client_.get(), reason, sizeof reason)) {
    if (fatal == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID) {
      throw KafkaError("another process has joined group " + config_.group_id + " as " +
                           instance_id_ +
                           ", which is this one's name: bridges of another database need a "
                           "kafka.group_id of their own",
                       KafkaError::Kind::kFenced);
    }
    throw KafkaError(std::string(rd_kafka_err2name(fatal)) + ": " + reason);
  }
}

std::optional<uint32_t> KafkaSource::topic_index(const char* name) const {
  for (size_t i = 0; i < topics_.size(); ++i) {
    if (!topics_[i].empty() && topics_[i] == name) return static_cast<uint32_t>(i);
  }
  return std::nullopt;
}

std::optional<PartitionId> KafkaSource::place_of(const rd_kafka_message_t& message) {
  if (message.rkt == nullptr) return std::nullopt;
  for (const auto& [known, topic] : known_topics_) {
    if (known == message.rkt) return PartitionId{topic, message.partition};
  }
  const auto topic = topic_index(rd_kafka_topic_name(message.rkt));
  if (!topic) return std::nullopt;
  if (known_topics_.size() > 100) known_topics_.clear();
  known_topics_.emplace_back(message.rkt, *topic);
  return PartitionId{*topic, message.partition};
}

Watermarks KafkaSource::watermarks(PartitionId place, int timeout_ms) {
  Watermarks marks;
  const auto error =
      rd_kafka_query_watermark_offsets(client_.get(), topics_[place.topic].c_str(), place.partition,
                                       &marks.low, &marks.high, timeout_ms);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw KafkaError("cannot ask for the offsets of " + topics_[place.topic] + " partition " +
                     std::to_string(place.partition) + ": " + rd_kafka_err2str(error));
  }
  return marks;
}

std::vector<PartitionId> KafkaSource::all_partitions(int timeout_ms) {
  std::vector<PartitionId> places;
  std::string missing;
  for (uint32_t i = 0; i < topics_.size(); ++i) {
    if (topics_[i].empty()) continue;
    rd_kafka_topic_t* handle = rd_kafka_topic_new(client_.get(), topics_[i].c_str(), nullptr);
    const rd_kafka_metadata_t* metadata = nullptr;
    const auto error = rd_kafka_metadata(client_.get(), 0, handle, &metadata, timeout_ms);
    rd_kafka_topic_destroy(handle);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      fail("cannot ask for the topics", error);
    }
    auto trouble = RD_KAFKA_RESP_ERR_NO_ERROR;
    for (int t = 0; t < metadata->topic_cnt; ++t) {
      trouble = metadata->topics[t].err;
      for (int p = 0; p < metadata->topics[t].partition_cnt; ++p) {
        places.push_back({i, metadata->topics[t].partitions[p].id});
      }
    }
    rd_kafka_metadata_destroy(metadata);
    if (trouble == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
      missing += (missing.empty() ? "" : ", ") + topics_[i];
    } else if (trouble != RD_KAFKA_RESP_ERR_NO_ERROR) {
      fail("cannot ask for the partitions of " + topics_[i], trouble);
    }
  }
  if (!missing.empty()) {
    throw KafkaError("there is no topic " + missing +
                     ": make it, or name another one by kafka.topics, or none by an empty name");
  }
  std::sort(places.begin(), places.end());
  return places;
}

int64_t KafkaSource::cached_end(PartitionId place) const {
  int64_t low = -1;
  int64_t high = -1;
  rd_kafka_get_watermark_offsets(client_.get(), topics_[place.topic].c_str(), place.partition, &low,
                                 &high);
  return high;
}

std::vector<std::optional<FoundMessage>> KafkaSource::read_at(
    const std::vector<StartOffset>& starts, int timeout_ms) {
  std::vector<std::optional<FoundMessage>> found(starts.size());
  if (starts.empty()) return found;
  const KafkaClient client = make_client(false, "");
  rd_kafka_poll_set_consumer(client.get());
  const PartitionList list = make_list(starts.size());
  for (const StartOffset& start : starts) {
    rd_kafka_topic_partition_list_add(list.get(), topics_[start.place.topic].c_str(),
                                      start.place.partition)
        ->offset = start.offset;
  }
  if (const auto error = rd_kafka_assign(client.get(), list.get())) {
    throw KafkaError(std::string("cannot read back: ") + rd_kafka_err2str(error));
  }
  std::set<size_t> open;
  for (size_t i = 0; i < starts.size(); ++i) open.insert(i);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (!open.empty()) {
    if (std::chrono::steady_clock::now() > deadline) {
      throw KafkaError("the broker did not answer while the last messages were read again");
    }
    KafkaMessage message(rd_kafka_consumer_poll(client.get(), 100));
    if (!message || message->rkt == nullptr) continue;
    const auto topic = topic_index(rd_kafka_topic_name(message->rkt));
    for (size_t i = 0; i < starts.size(); ++i) {
      if (!topic || starts[i].place != PartitionId{*topic, message->partition}) continue;
      if (!open.contains(i)) continue;
      if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF ||
          message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
        open.erase(i);
      } else if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const Message view = view_of(*message);
        found[i] = {message->offset,
                    view.has_timestamp ? std::optional(view.timestamp) : std::nullopt,
                    message_hash(view)};
        open.erase(i);
      }
    }
  }
  rd_kafka_assign(client.get(), nullptr);
  return found;
}

void KafkaSource::commit_for_tools(const std::vector<StartOffset>& offsets) {
  const PartitionList list = make_list(offsets.size());
  for (const StartOffset& one : offsets) {
    rd_kafka_topic_partition_list_add(list.get(), topics_[one.place.topic].c_str(),
                                      one.place.partition)
        ->offset = one.offset;
  }
  rd_kafka_commit(client_.get(), list.get(), 1);
}

// A static member that only closes stays in the group until its session is over; one that gives up
// its subscription first leaves, and the others take its partitions at once.
void KafkaSource::leave_group() {
  using std::chrono::steady_clock;
  if (rd_kafka_unsubscribe(client_.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  const auto deadline = steady_clock::now() + kLeavePatience;
  // The partitions are given back from within consume; the group is told shortly after.
  for (bool assigned = true; steady_clock::now() < deadline;) {
    if (assign_due_) {
      // The group waits for an answer to what it assigned last.
      assign_due_ = false;
      rd_kafka_assign(client_.get(), nullptr);
    }
    std::vector<KafkaMessage> dropped;
    consume(dropped, 1000, assigned ? 50 : 200);
    if (!assigned) return;
    rd_kafka_topic_partition_list_t* list = nullptr;
    if (rd_kafka_assignment(client_.get(), &list) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
    assigned = list->cnt > 0;
    rd_kafka_topic_partition_list_destroy(list);
  }
}

void KafkaSource::close() {
  if (closed_) return;
  closed_ = true;
  if (revoked_) leave_group();
  rd_kafka_consumer_close(client_.get());
  rethrow();
}

}  // namespace globalmart
