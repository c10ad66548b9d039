// Lines of the log: a message and named fields, as text or as JSON. Thread-safe.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace globalmart {

class DatabaseError;

enum class LogLevel : uint8_t { kTrace, kDebug, kInfo, kWarn, kError, kCritical };
enum class LogFormat : uint8_t { kText, kJson };

// "trace", "debug", "info", "warn", "error".
LogLevel log_level_of(std::string_view name);
// Before the first line. Lines go to standard error.
void set_up_log(LogLevel least, LogFormat format);

// A field of a line. One with an empty text is left out.
struct LogField {
  LogField(const char* key, std::string_view text) : key(key), text(text) {}
  LogField(const char* key, std::integral auto number)
      : key(key), text(std::to_string(number)), is_number(true) {}

  const char* key;
  std::string text;
  bool is_number = false;
};
using LogFields = std::vector<LogField>;

void log_line(LogLevel level, std::string_view message, const LogFields& fields = {});
inline void log_debug(std::string_view message, const LogFields& fields = {}) {
  log_line(LogLevel::kDebug, message, fields);
}
inline void log_info(std::string_view message, const LogFields& fields = {}) {
  log_line(LogLevel::kInfo, message, fields);
}
inline void log_warn(std::string_view message, const LogFields& fields = {}) {
  log_line(LogLevel::kWarn, message, fields);
}
inline void log_error(std::string_view message, const LogFields& fields = {}) {
  log_line(LogLevel::kError, message, fields);
}
// A line on the terminal that is written again and again in its place. A line of the log takes the
// place, and what is shown next stands below it. After set_up_log.
void show_progress_line(std::string_view text);
// The line stays as it was shown last.
void end_progress_line();
// The members of a line of JSON behind ts and level; for tests.
std::string json_members(std::string_view message, const LogFields& fields);

// Keeps what comes again with every try from flooding the log: a text is said once a minute, and of
// different ones no more than twenty. One a thread.
class LogLimit {
 public:
  // Whether to say it now.
  bool due(const std::string& text);
  // An error of the database: `message` says what failed by it.
  void error(std::string_view message, const DatabaseError& error, const LogFields& fields = {});
  // It works again: the next error is a new one.
  void over() { said_.clear(); }

 private:
  std::set<std::string> said_;
  std::chrono::steady_clock::time_point since_{};
};

}  // namespace globalmart
