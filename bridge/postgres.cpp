#include "bridge/postgres.hpp"

#include <poll.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "bridge/error.hpp"
#include "bridge/log.hpp"

namespace globalmart {

namespace {

// libpq copies what it is given into a buffer of its own: portions keep that small.
constexpr size_t kCopyPortion = 128 * 1024;

std::string quoted_role(const std::string& role) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  if (!role.empty() && std::all_of(role.begin(), role.end(), plain) &&
      (role[0] < '0' || role[0] > '9')) {
    return role;
  }
  std::string quoted = "\"";
  for (const char c : role) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

// What to do about an error that the one who runs the bridge can mend; empty: nothing known.
std::string advice(const std::string& sqlstate, const std::string& role) {
  if (sqlstate == "42501") return "GRANT globalmart_writer TO " + quoted_role(role) + " is needed";
  if (sqlstate == "3F000") {
    return "CREATE EXTENSION globalmart and SELECT globalmart.install_shop() are needed in this "
           "database";
  }
  return "";
}

}  // namespace

int64_t Rows::integer(int row, int column) const {
  int64_t value = 0;
  const std::string_view digits = text(row, column);
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

Postgres::Postgres(const PostgresConfig& config, std::string role)
    : config_(config), role_(std::move(role)) {}

void Postgres::connect() {
  connection_.reset();
  const std::string application = "globalmart-bridge " + role_;
  std::string password;
  if (!config_.password_file.empty()) {
    password = read_secret(config_.password_file, "postgres.password_file");
  } else if (const char* given = std::getenv("GLOBALMART_POSTGRES_PASSWORD")) {
    password = given;
  }
  // What stands before dbname are defaults that the DSN overrides.
  std::vector<const char*> keys = {
      "connect_timeout",  "keepalives_idle",  "keepalives_interval", "keepalives_count",
      "tcp_user_timeout", "application_name", "client_encoding",     "dbname"};
  std::vector<const char*> values = {
      "10", "5", "3", "3", "15000", application.c_str(), "UTF8", config_.dsn.c_str()};
  if (!password.empty()) {
    keys.push_back("password");
    values.push_back(password.c_str());
  }
  keys.push_back(nullptr);
  values.push_back(nullptr);
  connection_.reset(PQconnectdbParams(keys.data(), values.data(), 1));
  if (PQstatus(connection_.get()) != CONNECTION_OK) fail_connection();
  PQsetNoticeReceiver(connection_.get(), on_notice, this);
  try {
    set_up_session();
  } catch (...) {
    // Else the next try would take it for ready.
    connection_.reset();
    throw;
  }
}

void Postgres::set_up_session() {
  try {
    execute("SET work_mem = " + literal(config_.work_mem));
  } catch (const DatabaseError& error) {
    if (error.sqlstate() != "22023") throw;
    throw ConfigError(std::string("postgres.work_mem: ") + error.what());
  }
  // Closes see what was committed while they waited, whatever the database's default.
  // The server must notice soon when this process is gone: its locks hold up the next owner.
  execute(
      "SET default_transaction_isolation = 'read committed';"
      " SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres';"
      " SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 3;"
      " SET tcp_keepalives_count = 3; SET client_connection_check_interval = '1s';"
      " SET idle_in_transaction_session_timeout = '60s'");
}

// Warnings tell of what the server lived with, as a rollup that cannot be closed: the others go on.
void Postgres::on_notice(void* postgres, const PGresult* notice) {
  auto* const self = static_cast<Postgres*>(postgres);
  const char* severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (severity == nullptr || std::string_view(severity) != "WARNING") return;
  std::string text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
  for (const int field : {PG_DIAG_MESSAGE_DETAIL, PG_DIAG_MESSAGE_HINT}) {
    if (const char* more = PQresultErrorField(notice, field)) text += std::string("; ") + more;
  }
  if (self->warnings_.due(text)) log_warn(text, {{"part", self->role_}});
}

void Postgres::fail_connection() {
  std::string message = PQerrorMessage(connection_.get());
  while (!message.empty() && message.back() == '\n') message.pop_back();
  std::replace(message.begin(), message.end(), '\n', ' ');
  connection_.reset();
  throw DatabaseError("", message);
}

void Postgres::fail(PGresult* raw) {
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(raw, PQclear);
  const char* state = result ? PQresultErrorField(result.get(), PG_DIAG_SQLSTATE) : nullptr;
  if (state == nullptr || PQstatus(connection_.get()) != CONNECTION_OK) fail_connection();
  const std::string sqlstate = state;
  std::string message = PQresultErrorField(result.get(), PG_DIAG_MESSAGE_PRIMARY);
  for (const int field : {PG_DIAG_MESSAGE_DETAIL, PG_DIAG_MESSAGE_HINT, PG_DIAG_CONTEXT}) {
    if (const char* more = PQresultErrorField(result.get(), field)) {
      message += std::string("; ") + more;
    }
  }
  if (const std::string what = advice(sqlstate, PQuser(connection_.get())); !what.empty()) {
    message += "; " + what;
  }
  // The rest of a string of statements is skipped by the server.
  while (PGresult* more = PQgetResult(connection_.get())) {
    const ExecStatusType status = PQresultStatus(more);
    PQclear(more);
    if (status == PGRES_COPY_IN) PQputCopyEnd(connection_.get(), "abandoned");
    if (status == PGRES_FATAL_ERROR && PQstatus(connection_.get()) != CONNECTION_OK) break;
  }
  throw DatabaseError(sqlstate, message);
}

Rows Postgres::query(const std::string& sql,
                     std::span<const std::optional<std::string>> parameters) {
  if (!connection_) throw DatabaseError("", "not connected");
  std::vector<const char*> values;
  for (const auto& parameter : parameters) {
    values.push_back(parameter ? parameter->c_str() : nullptr);
  }
  PGresult* result = PQexecParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()),
                                  nullptr, values.data(), nullptr, nullptr, 0);
  const ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) fail(result);
  return Rows(result);
}

Rows Postgres::query_watched(const std::string& sql,
                             std::span<const std::optional<std::string>> parameters, double seconds,
                             const std::function<void()>& slow) {
  if (!connection_) throw DatabaseError("", "not connected");
  std::vector<const char*> values;
  for (const auto& parameter : parameters) {
    values.push_back(parameter ? parameter->c_str() : nullptr);
  }
  if (PQsendQueryParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr,
                        values.data(), nullptr, nullptr, 0) == 0 ||
      PQflush(connection_.get()) < 0) {
    fail_connection();
  }
  pollfd readable{PQsocket(connection_.get()), POLLIN, 0};
  if (poll(&readable, 1, static_cast<int>(seconds * 1000)) == 0) slow();
  PGresult* result = PQgetResult(connection_.get());
  const ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) fail(result);
  while (PGresult* more = PQgetResult(connection_.get())) PQclear(more);
  return Rows(result);
}

void Postgres::execute(const std::string& sql) {
  send_statements(sql);
  finish_statements();
}

void Postgres::send_statements(const std::string& sql) {
  if (!connection_) throw DatabaseError("", "not connected");
  if (PQsendQuery(connection_.get(), sql.c_str()) == 0) fail_connection();
}

void Postgres::begin_copy() {
  while (PGresult* result = PQgetResult(connection_.get())) {
    const ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COPY_IN) {
      PQclear(result);
      return;
    }
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) fail(result);
    PQclear(result);
  }
  if (PQstatus(connection_.get()) != CONNECTION_OK) fail_connection();
  throw DatabaseError("08P01", "the server did not ask for the rows of a COPY");
}

void Postgres::put_copy(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::string_view portion = bytes.substr(0, kCopyPortion);
    if (PQputCopyData(connection_.get(), portion.data(), static_cast<int>(portion.size())) != 1) {
      fail_connection();
    }
    bytes.remove_prefix(portion.size());
  }
}

void Postgres::end_copy() {
  if (PQputCopyEnd(connection_.get(), nullptr) != 1) fail_connection();
}

void Postgres::finish_statements() {
  while (PGresult* result = PQgetResult(connection_.get())) {
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY) {
      fail(result);
    }
    PQclear(result);
  }
  if (PQstatus(connection_.get()) != CONNECTION_OK) fail_connection();
}

std::string Postgres::literal(std::string_view text) const {
  char* quoted = PQescapeLiteral(connection_.get(), text.data(), text.size());
  if (quoted == nullptr) throw DatabaseError("22021", PQerrorMessage(connection_.get()));
  std::string result = quoted;
  PQfreemem(quoted);
  return result;
}

std::vector<std::string> Postgres::notifications() {
  std::vector<std::string> channels;
  if (!connection_) return channels;
  if (PQconsumeInput(connection_.get()) == 0) fail_connection();
  while (PGnotify* notify = PQnotifies(connection_.get())) {
    channels.emplace_back(notify->relname);
    PQfreemem(notify);
  }
  return channels;
}

std::string array_text(std::span<const std::optional<std::string>> elements) {
  std::string text = "{";
  for (const auto& element : elements) {
    if (text.size() > 1) text += ',';
    if (!element) {
      text += "NULL";
      continue;
    }
    text += '"';
    for (const char c : *element) {
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    text += '"';
  }
  return text + "}";
}

}  // namespace globalmart
