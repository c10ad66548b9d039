// A connection to PostgreSQL: RAII over libpq, errors as DatabaseError with their SQLSTATE. One
// thread at a time.
#pragma once

#include <libpq-fe.h>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/config.hpp"
#include "bridge/log.hpp"

namespace globalmart {

class Rows {
 public:
  explicit Rows(PGresult* result) : result_(result, PQclear) {}
  int size() const { return PQntuples(result_.get()); }
  bool is_null(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
  std::string_view text(int row, int column) const {
    return {PQgetvalue(result_.get(), row, column),
            static_cast<size_t>(PQgetlength(result_.get(), row, column))};
  }
  int64_t integer(int row, int column) const;

 private:
  std::unique_ptr<PGresult, decltype(&PQclear)> result_;
};

class Postgres {
 public:
  // `role` tells the connections of one bridge apart in pg_stat_activity ("writer 1").
  Postgres(const PostgresConfig& config, std::string role);

  // Connects and prepares the session; throws DatabaseError, with no connection then, or
  // ConfigError for what will be refused each time.
  void connect();
  void close() { connection_.reset(); }
  bool connected() const { return connection_ != nullptr; }
  int backend_pid() const { return PQbackendPID(connection_.get()); }

  // Runs one statement with text parameters (empty optional: NULL).
  Rows query(const std::string& sql, std::span<const std::optional<std::string>> parameters = {});
  // As query, but when the answer takes longer than `seconds`, `slow` is called, once.
  Rows query_watched(const std::string& sql, std::span<const std::optional<std::string>> parameters,
                     double seconds, const std::function<void()>& slow);
  // Runs statements without parameters, all in one round trip; results are dropped.
  void execute(const std::string& sql);

  // A string that holds several statements, some of them COPY ... FROM STDIN: send it, then for
  // each COPY begin_copy, put, end_copy, then finish_statements.
  void send_statements(const std::string& sql);
  void begin_copy();
  void put_copy(std::string_view bytes);
  void end_copy();
  void finish_statements();

  // Quoted for use in SQL.
  std::string literal(std::string_view text) const;

  // The names of channels notified since the last call; reads what has arrived, never waits.
  std::vector<std::string> notifications();

 private:
  void set_up_session();
  static void on_notice(void* postgres, const PGresult* notice);
  [[noreturn]] void fail(PGresult* result);
  [[noreturn]] void fail_connection();

  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };

  const PostgresConfig& config_;
  const std::string role_;
  LogLimit warnings_;
  std::unique_ptr<PGconn, Finish> connection_;
};

// Text forms of arrays for parameters: "{1,2,NULL}".
std::string array_text(std::span<const std::optional<std::string>> elements);
template <typename Container>
std::string integer_array(const Container& numbers) {
  std::string text = "{";
  for (const auto number : numbers) {
    if (text.size() > 1) text += ',';
    text += std::to_string(number);
  }
  return text + "}";
}

}  // namespace globalmart
