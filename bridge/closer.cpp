#include "bridge/closer.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "bridge/closing.hpp"
#include "bridge/error.hpp"
#include "bridge/log.hpp"

namespace globalmart {

namespace {

using std::chrono::seconds;

constexpr auto kRound = std::chrono::milliseconds(1000);
constexpr auto kReport = seconds(1);
constexpr auto kCompaction = seconds(15);
constexpr auto kForgetting = seconds(5);
// Closing may lag behind the watermark by as much before an id is forgotten too early.
constexpr Micros kClosingLag = 600 * kMicrosPerSecond;

}  // namespace

Closer::Closer(Shared& shared) : shared_(shared), connection_(shared.config.postgres, "closer") {}

void Closer::connect() {
  if (connection_.connected()) return;
  shared_.server_run.connect(connection_);
  try {
    take_number();
    connection_.execute("LISTEN globalmart_lists");
    read_lists();
  } catch (...) {
    // Else the next try would take it for ready, and every value of a list for out of range.
    connection_.close();
    throw;
  }
  reported_version_ = 0;
  shared_.metrics.set_closer_ready(true);
}

void Closer::prepare() {
  connect();
  check_columns();
  prepared_ = true;
}

// The lowest number that no other bridge of the group has, held by a lock of this session: a
// process that was killed has lost it at once, and its successor takes its place in the group.
void Closer::take_number() {
  if (shared_.drain || shared_.config.kafka.instance_id != "auto") return;
  // The workers have read the name: one that has none stays without.
  if (prepared_ && number_ == 0) return;
  const std::vector<std::optional<std::string>> group = {"globalmart-bridge " +
                                                         shared_.config.kafka.group_id};
  for (int number = std::max(number_, 1); number <= 1000; ++number) {
    const Rows rows = connection_.query(
        "SELECT pg_try_advisory_lock(hashtext($1), " + std::to_string(number) + ")", group);
    if (rows.text(0, 0) != "t") {
      if (number == number_) {
        log_warn("another bridge has taken this one's place " + std::to_string(number_) +
                 " in the group");
      }
      if (number_ != 0) return;
      continue;
    }
    if (number_ == 0) {
      number_ = number;
      shared_.instance_id = "globalmart-bridge-" + std::to_string(number);
    }
    return;
  }
}

// Says at the start, and not as a dead letter for each message, when a table does not fit.
void Closer::check_columns() {
  for (const TopicPlan& topic : shared_.profile.topics) {
    for (const StreamPlan& plan : topic.streams) {
      const std::vector<std::optional<std::string>> parameters = {plan.stream};
      const Rows rows = connection_.query(
          "SELECT a.attname, CASE WHEN t.typelem <> 0 AND t.typlen = -1 THEN e.typname || '[]'"
          " ELSE t.typname END,"
          " a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''"
          " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
          " JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
          " JOIN pg_type AS t ON t.oid = a.atttypid LEFT JOIN pg_type AS e ON e.oid = t.typelem"
          " WHERE n.nspname = 'globalmart' AND c.relname = $1",
          parameters);
      std::map<std::string, std::string> types;
      std::set<std::string> needed;
      for (int row = 0; row < rows.size(); ++row) {
        types.emplace(rows.text(row, 0), rows.text(row, 1));
        if (rows.text(row, 2) == "t") needed.emplace(rows.text(row, 0));
      }
      for (const char* own : {"received_at", "kafka_partition", "kafka_offset"}) needed.erase(own);
      const std::string where = "profile: stream " + plan.stream;
      if (types.empty()) {
        throw ConfigError(where + ": there is no table globalmart." + plan.stream +
                          "; has globalmart.install_shop() run in this database?");
      }
      for (const Column& column : plan.columns) {
        const auto found = types.find(column.name);
        if (found == types.end()) {
          throw ConfigError(where + ": the table has no column " + column.name +
                            "; globalmart.add_stream_column makes one");
        }
        if (found->second != column_type(column)) {
          throw ConfigError(where + ": column " + column.name + " is of type " + found->second +
                            ", the profile brings " + column_type(column));
        }
        needed.erase(column.name);
      }
      if (!needed.empty()) {
        throw ConfigError(where + ": column " + *needed.begin() +
                          " must not be null, and the profile does not bring it");
      }
    }
  }
}

void Closer::read_lists() {
  ListValues values;
  for (const std::string& list : shared_.profile.lists) {
    const std::vector<std::optional<std::string>> parameters = {list};
    const Rows rows = connection_.query("SELECT globalmart.list_values($1::text)", parameters);
    std::vector<std::string> texts;
    for (int row = 0; row < rows.size(); ++row) texts.emplace_back(rows.text(row, 0));
    if (texts.empty()) log_warn("the list is empty: every value is out of range", {{"list", list}});
    values.emplace_back(std::move(texts));
  }
  shared_.lists.replace(std::move(values));
}

void Closer::run() {
  while (!shared_.stop.requested()) {
    try {
      connect();
      round();
      limit_.over();
    } catch (const DatabaseError& error) {
      shared_.metrics.database_error();
      limit_.error("closing", error, {{"part", "closer"}});
      if (error.connection_lost()) {
        connection_.close();
        shared_.metrics.set_closer_ready(false);
      }
      shared_.stop.wait_for(kRound);
    } catch (const DatabaseSetBack& error) {
      shared_.stop.begin_anew(error.what());
      return;
    } catch (const std::exception& error) {
      shared_.stop.fail(kExitFailed, error.what());
      return;
    }
    shared_.closer.wait_for(kRound);
  }
}

void Closer::round() {
  const auto channels = connection_.notifications();
  if (std::find(channels.begin(), channels.end(), "globalmart_lists") != channels.end()) {
    read_lists();
    log_info("the lists were read again");
  }
  report_partitions();
  if (closes_here() &&
      close_windows(connection_, Closing::kWhenDue, shared_.fault_point, shared_.metrics) > 0) {
    shared_.outbox.notify();
  }
  const auto now = std::chrono::steady_clock::now();
  if (now - last_compaction_ >= kCompaction) {
    last_compaction_ = now;
    connection_.execute("CALL globalmart.compact_partials()");
  }
  forget_ids();
}

// With close_after_batch, what is closed must not hang on when this thread comes by. As long as a
// partition has messages that are not committed, a batch is due and the worker closes after it.
// When all are at their end only the clock moves the watermark, and nobody else would follow it.
bool Closer::closes_here() const {
  if (!shared_.config.bridge.close_after_batch) return true;
  const auto partitions = shared_.ownership.snapshot();
  return !partitions.empty() && std::all_of(partitions.begin(), partitions.end(),
                                            [](const auto& entry) { return entry.second.at_end; });
}

// About once a second, and at once when a partition reached or left its end.
void Closer::report_partitions() {
  const auto now = std::chrono::steady_clock::now();
  const uint64_t version = shared_.ownership.version();
  if (version == reported_version_ && now - last_report_ < kReport) return;
  const auto partitions = shared_.ownership.snapshot();
  for (auto at = partitions.begin(); at != partitions.end();) {
    const uint32_t topic = at->first.topic;
    std::vector<int32_t> numbers;
    std::vector<int64_t> epochs;
    std::string ends = "{";
    for (; at != partitions.end() && at->first.topic == topic; ++at) {
      numbers.push_back(at->first.partition);
      epochs.push_back(at->second.epoch);
      if (ends.size() > 1) ends += ',';
      ends += at->second.at_end ? 't' : 'f';
    }
    const std::vector<std::optional<std::string>> parameters = {
        shared_.profile.topics[topic].name, integer_array(numbers), integer_array(epochs),
        ends + "}", shared_.dedup.capped() ? "t" : "f"};
    connection_.query(
        "SELECT globalmart.report_partitions($1::text, $2::int[], $3::bigint[], $4::bool[], "
        "$5::bool)",
        parameters);
  }
  reported_version_ = version;
  last_report_ = now;
}

// An id may go once every window of its event is closed. What closes windows is the watermark of
// all partitions, those of other bridges included, and only the database knows that.
void Closer::forget_ids() {
  const auto now = std::chrono::steady_clock::now();
  if (now - last_forgetting_ < kForgetting) return;
  last_forgetting_ = now;
  for (size_t topic = 0; topic < shared_.profile.topics.size(); ++topic) {
    const TopicPlan& plan = shared_.profile.topics[topic];
    if (plan.id < 0) continue;
    const std::vector<std::optional<std::string>> parameters = {plan.streams.front().stream};
    const Rows rows = connection_.query(
        "SELECT (extract(epoch FROM globalmart.watermark($1::text) - globalmart.dedup_horizon())"
        " * 1000000)::bigint",
        parameters);
    if (rows.size() == 1 && !rows.is_null(0, 0)) {
      shared_.dedup.forget_before(topic, rows.integer(0, 0) - kClosingLag);
    }
  }
}

void Closer::finish() {
  connect();
  report_partitions();
  // One round makes rows that the next may close over (a rollup over another's table).
  for (int round = 0; round < 10; ++round) {
    if (close_windows(connection_, Closing::kAll, shared_.fault_point, shared_.metrics) == 0) break;
  }
}

}  // namespace globalmart
