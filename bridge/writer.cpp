#include "bridge/writer.hpp"

#include "bridge/error.hpp"
#include "bridge/log.hpp"

namespace globalmart {

namespace {

// Signature, flags, length of the header's extension.
constexpr std::string_view kCopyHeader{"PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19};
constexpr std::string_view kCopyTrailer{"\377\377", 2};

// Seconds that the batch of a former owner may take until its session is ended.
constexpr double kClaimPatience = 10;

const std::string kDeadLetterCopy = "COPY globalmart.dead_letters (" +
                                    std::string(Batch::kDeadLetterColumns) +
                                    ") FROM STDIN (FORMAT binary)";

std::string quoted_name(const std::string& name) {
  std::string quoted = "\"";
  for (const char c : name) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

std::optional<Micros> seconds_to_micros(const Rows& rows, int row, int column) {
  if (rows.is_null(row, column)) return std::nullopt;
  return rows.integer(row, column);
}

std::string optional_integer(const std::optional<int64_t>& value) {
  return value ? std::to_string(*value) : "NULL";
}

std::string optional_time(const std::optional<Micros>& value) {
  return value ? '"' + instant_text(*value) + '"' : "NULL";
}

}  // namespace

Writer::Writer(const PostgresConfig& config, const Profile& profile, std::string role,
               ServerRun& server_run, FaultPoint& fault_point)
    : config_(config),
      profile_(profile),
      role_(std::move(role)),
      connection_(config, role_),
      server_run_(server_run),
      fault_point_(fault_point) {}

void Writer::make_ready() {
  if (!connection_.connected()) {
    in_transaction_ = false;
    leaves_.clear();
    server_run_.connect(connection_);
  } else if (in_transaction_) {
    connection_.execute("ROLLBACK");
  }
  in_transaction_ = false;
}

std::vector<ClaimedPartition> Writer::claim(const std::vector<PartitionId>& places) {
  std::map<uint32_t, std::vector<int32_t>> by_topic;
  for (const PartitionId& place : places) by_topic[place.topic].push_back(place.partition);
  std::vector<ClaimedPartition> claimed;
  for (const auto& [topic, partitions] : by_topic) {
    const std::vector<std::optional<std::string>> parameters = {profile_.topics[topic].name,
                                                                integer_array(partitions)};
    const Rows rows = connection_.query_watched(
        "SELECT kafka_partition, epoch, next_offset,"
        " (extract(epoch FROM last_message_time) * 1000000)::bigint, last_message_hash"
        " FROM globalmart.claim_partitions($1::text, $2::int[], "
        "'globalmart-bridge ' || pg_catalog.pg_backend_pid()::text)",
        parameters, kClaimPatience, [this] { end_blockers(); });
    for (int row = 0; row < rows.size(); ++row) {
      ClaimedPartition one;
      one.place = {topic, static_cast<int32_t>(rows.integer(row, 0))};
      one.epoch = rows.integer(row, 1);
      if (!rows.is_null(row, 2)) one.next_offset = rows.integer(row, 2);
      one.last_message_time = seconds_to_micros(rows, row, 3);
      if (!rows.is_null(row, 4)) one.last_message_hash = rows.integer(row, 4);
      claimed.push_back(one);
    }
  }
  return claimed;
}

// Ends the sessions of other bridges that hold up our claim.
void Writer::end_blockers() {
  Postgres other(config_, role_ + " helper");
  other.connect();
  const std::vector<std::optional<std::string>> parameters = {
      std::to_string(connection_.backend_pid())};
  const Rows rows = other.query(
      "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity"
      " WHERE pid = ANY (pg_blocking_pids($1::int)) AND usename = current_user"
      " AND application_name LIKE 'globalmart-bridge %'",
      parameters);
  for (int row = 0; row < rows.size(); ++row) {
    log_warn("ended session " + std::string(rows.text(row, 0)) +
             " of another bridge: it held its partitions for more than " +
             std::to_string(static_cast<int>(kClaimPatience)) + " s");
  }
}

const std::string& Writer::leaf(const StreamPlan& plan, int32_t day) {
  const auto known = leaves_.find({&plan, day});
  if (known != leaves_.end()) return known->second;
  const std::vector<std::optional<std::string>> parameters = {plan.stream, day_text(day)};
  const Rows rows =
      connection_.query("SELECT globalmart.make_partition($1::text, $2::date)", parameters);
  return leaves_.emplace(std::pair(&plan, day), std::string(rows.text(0, 0))).first->second;
}

void Writer::look_up_leaves(const Batch& batch) {
  for (const Batch::StreamRows& stream : batch.streams()) {
    for (const Batch::DayRows& day : stream.days) {
      if (!day.rows.empty()) leaf(*stream.plan, day.day);
    }
  }
}

std::string Writer::advance_sql(const std::map<PartitionId, PartitionAdvance>& advances,
                                const std::map<PartitionId, Fence>& fences) const {
  std::string sql;
  for (auto at = advances.begin(); at != advances.end();) {
    const uint32_t topic = at->first.topic;
    std::string columns[11];
    for (; at != advances.end() && at->first.topic == topic; ++at) {
      const PartitionAdvance& advance = at->second;
      const Fence& fence = fences.at(at->first);
      const std::string values[11] = {std::to_string(at->first.partition),
                                      std::to_string(fence.epoch),
                                      optional_integer(fence.next_offset),
                                      std::to_string(advance.next_offset),
                                      optional_time(advance.max_event_time),
                                      optional_time(advance.last_message_time),
                                      optional_integer(advance.last_message_hash),
                                      fence.at_end ? "t" : "f",
                                      std::to_string(advance.accepted),
                                      std::to_string(advance.duplicates),
                                      std::to_string(advance.dead_letters)};
      for (size_t i = 0; i < std::size(columns); ++i) {
        columns[i] += (columns[i].empty() ? "" : ",") + values[i];
      }
    }
    static constexpr const char* kTypes[11] = {"int",         "bigint",      "bigint", "bigint",
                                               "timestamptz", "timestamptz", "bigint", "bool",
                                               "bigint",      "bigint",      "bigint"};
    sql += "SELECT globalmart.advance_offsets(" + connection_.literal(profile_.topics[topic].name);
    for (size_t i = 0; i < std::size(columns); ++i) {
      sql += ", '{" + columns[i] + "}'::" + kTypes[i] + "[]";
    }
    sql += ");";
  }
  return sql;
}

std::vector<Writer::Copy> Writer::copies(const Batch& batch, uint32_t first, uint32_t last) {
  std::vector<Copy> result;
  for (const Batch::StreamRows& stream : batch.streams()) {
    for (const Batch::DayRows& day : stream.days) {
      const std::string_view rows = day.rows.rows_of(first, last);
      if (rows.empty()) continue;
      result.push_back({"COPY globalmart." + quoted_name(leaf(*stream.plan, day.day)) + " (" +
                            Batch::copy_columns(*stream.plan) + ") FROM STDIN (FORMAT binary)",
                        rows});
    }
  }
  return result;
}

void Writer::send_copies(const std::vector<Copy>& copies) {
  for (const Copy& copy : copies) {
    connection_.begin_copy();
    connection_.put_copy(kCopyHeader);
    connection_.put_copy(copy.rows);
    fault_point_.pass("in_copy");
    connection_.put_copy(kCopyTrailer);
    connection_.end_copy();
  }
}

void Writer::write_dead_letters_singly(const Batch& batch) {
  for (uint32_t message = 0; message < batch.message_count(); ++message) {
    const std::string_view row = batch.dead_letters().rows_of(message, message + 1);
    if (row.empty()) continue;
    const Copy copy = {kDeadLetterCopy, row};
    try {
      connection_.send_statements("SAVEPOINT letter;" + copy.sql);
      send_copies({copy});
      connection_.finish_statements();
      connection_.execute("RELEASE SAVEPOINT letter");
    } catch (const DatabaseError& error) {
      if (error.sqlstate() != "23505") throw;
      connection_.execute("ROLLBACK TO SAVEPOINT letter; RELEASE SAVEPOINT letter");
      const BatchMessage& known = batch.messages()[message];
      log_warn("is a dead letter already; the older one stays",
               {{"topic", profile_.topics[known.place.topic].name},
                {"partition", known.place.partition},
                {"offset", known.offset}});
    }
  }
}

void Writer::write(const Batch& batch, const std::map<PartitionId, Fence>& fences,
                   bool keep_known_dead_letters) {
  const auto last = static_cast<uint32_t>(batch.message_count());
  look_up_leaves(batch);
  std::vector<Copy> all = copies(batch, 0, last);
  if (!batch.dead_letters().empty() && !keep_known_dead_letters) {
    all.push_back({kDeadLetterCopy, batch.dead_letters().rows_of(0, last)});
  }
  std::string sql = "BEGIN;" + advance_sql(batch.advances(), fences);
  for (const Copy& copy : all) sql += copy.sql + ";";

  fault_point_.pass("before_begin");
  in_transaction_ = true;
  connection_.send_statements(sql);
  fault_point_.pass("after_offsets");
  send_copies(all);
  connection_.finish_statements();
  if (keep_known_dead_letters) write_dead_letters_singly(batch);
  fault_point_.pass("before_commit");
  connection_.execute("COMMIT");
  in_transaction_ = false;
  fault_point_.pass("after_commit");
}

bool Writer::write_between(const Batch& batch, const std::function<bool()>& begin,
                           const std::function<void()>& end) {
  look_up_leaves(batch);
  const std::vector<Copy> all = copies(batch, 0, static_cast<uint32_t>(batch.message_count()));
  fault_point_.pass("before_begin");
  in_transaction_ = true;
  connection_.execute("BEGIN");
  if (!begin()) {
    make_ready();
    return false;
  }
  fault_point_.pass("after_offsets");
  if (!all.empty()) {
    std::string sql;
    for (const Copy& copy : all) sql += copy.sql + ";";
    connection_.send_statements(sql);
    send_copies(all);
    connection_.finish_statements();
  }
  end();
  fault_point_.pass("before_commit");
  connection_.execute("COMMIT");
  in_transaction_ = false;
  fault_point_.pass("after_commit");
  return true;
}

void Writer::start_at(PartitionId place, const Fence& fence, int64_t offset) {
  PartitionAdvance advance;
  advance.next_offset = offset;
  connection_.execute(advance_sql({{place, advance}}, {{place, fence}}));
}

std::vector<Rejection> Writer::find_rejected(const Batch& batch) {
  std::vector<Rejection> rejected;
  look_up_leaves(batch);
  in_transaction_ = true;
  connection_.execute("BEGIN");
  find_rejected(batch, 0, static_cast<uint32_t>(batch.message_count()), rejected);
  connection_.execute("ROLLBACK");
  in_transaction_ = false;
  return rejected;
}

void Writer::find_rejected(const Batch& batch, uint32_t first, uint32_t last,
                           std::vector<Rejection>& rejected) {
  const std::vector<Copy> part = copies(batch, first, last);
  if (part.empty()) return;
  std::string sql = "SAVEPOINT part;";
  for (const Copy& copy : part) sql += copy.sql + ";";
  try {
    connection_.send_statements(sql);
    send_copies(part);
    connection_.finish_statements();
    connection_.execute("RELEASE SAVEPOINT part");
    return;
  } catch (const DatabaseError& error) {
    if (error.connection_lost() || !error.caused_by_data()) throw;
    connection_.execute("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part");
    if (last - first == 1) {
      const BatchMessage& message = batch.messages()[first];
      rejected.push_back({message.place, message.offset, error.sqlstate() + " " + error.what()});
      return;
    }
  }
  const uint32_t middle = first + (last - first) / 2;
  find_rejected(batch, first, middle, rejected);
  find_rejected(batch, middle, last, rejected);
}

void Writer::read_recent_ids(const TopicPlan& topic, const std::vector<int32_t>& partitions,
                             const std::function<void(const Uuid&, Micros)>& take) {
  const std::string& stream = topic.streams.front().stream;
  // Twice the horizon, an hour at least: closing may lag behind the watermark.
  const std::vector<std::optional<std::string>> stream_only = {stream};
  const Rows since = connection_.query(
      "SELECT coalesce(globalmart.watermark($1::text) - h - greatest(h, interval '1 hour'),"
      " timestamptz '-infinity') FROM globalmart.dedup_horizon() AS h",
      stream_only);
  const std::vector<std::optional<std::string>> parameters = {stream, integer_array(partitions),
                                                              std::string(since.text(0, 0))};
  const Rows rows = connection_.query(
      "SELECT event_id, (extract(epoch FROM event_time) * 1000000)::bigint"
      " FROM globalmart.recent_ids($1::text, $2::int[], $3::timestamptz)",
      parameters);
  for (int row = 0; row < rows.size(); ++row) {
    Uuid id;
    if (parse_uuid(rows.text(row, 0), id)) take(id, rows.integer(row, 1));
  }
}

}  // namespace globalmart
