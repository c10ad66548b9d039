#include "bridge/log.hpp"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <mutex>
#include <nlohmann/json.hpp>

#include "bridge/error.hpp"

namespace globalmart {

namespace {

constexpr auto kPeriod = std::chrono::minutes(1);
constexpr size_t kMostTexts = 20;

constexpr std::string_view kEraseLine = "\r\x1b[K";

// Standard error. Lines of the log and the line of progress go through one lock, so that each knows
// what the other left there.
class ErrorSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void show_progress(std::string_view text) {
    const std::lock_guard lock(mutex_);
    write("\r");
    write(text);
    write("\x1b[K");
    progress_ = true;
    flush_();
  }
  void end_progress() {
    const std::lock_guard lock(mutex_);
    if (progress_) write("\n");
    progress_ = false;
    flush_();
  }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    if (progress_) write(kEraseLine);
    progress_ = false;
    write({line.data(), line.size()});
  }
  void flush_() override { std::fflush(stderr); }
  static void write(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

  bool progress_ = false;  // the cursor stands behind it
};

LogFormat the_format = LogFormat::kText;
std::shared_ptr<ErrorSink> the_sink;

spdlog::level::level_enum level_of(LogLevel level) {
  return static_cast<spdlog::level::level_enum>(level);
}

std::string json_text(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// What a server or a name brings must neither end the line nor steer the terminal.
void append_escaped(std::string& line, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      line += c;
    } else if (c == '\n') {
      line += "\\n";
    } else if (c == '\r') {
      line += "\\r";
    } else if (c == '\t') {
      line += "\\t";
    } else {
      constexpr const char* kDigits = "0123456789abcdef";
      line.append("\\x").append(1, kDigits[byte >> 4]).append(1, kDigits[byte & 15]);
    }
  }
}

std::string text_line(std::string_view message, const LogFields& fields) {
  std::string line;
  for (const LogField& field : fields) {
    if (field.text.empty()) continue;
    line.append(field.key).append("=");
    append_escaped(line, field.text);
    line += ' ';
  }
  append_escaped(line, message);
  return line;
}

}  // namespace

LogLevel log_level_of(std::string_view name) {
  if (name == "trace") return LogLevel::kTrace;
  if (name == "debug") return LogLevel::kDebug;
  if (name == "warn") return LogLevel::kWarn;
  if (name == "error") return LogLevel::kError;
  return LogLevel::kInfo;
}

void set_up_log(LogLevel least, LogFormat format) {
  static_assert(static_cast<int>(LogLevel::kCritical) == SPDLOG_LEVEL_CRITICAL);
  the_format = format;
  the_sink = std::make_shared<ErrorSink>();
  const auto logger = std::make_shared<spdlog::logger>("bridge", the_sink);
  logger->set_pattern(format == LogFormat::kJson
                          ? R"({"ts":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})"
                          : "ts=%Y-%m-%dT%H:%M:%S.%eZ level=%l %v",
                      spdlog::pattern_time_type::utc);
  logger->flush_on(spdlog::level::trace);
  logger->set_level(level_of(least));
  spdlog::set_default_logger(logger);
}

std::string json_members(std::string_view message, const LogFields& fields) {
  std::string members = "\"message\":" + json_text(message);
  for (const LogField& field : fields) {
    if (field.text.empty()) continue;
    members += ",\"" + std::string(field.key) + "\":";
    members += field.is_number ? field.text : json_text(field.text);
  }
  return members;
}

void log_line(LogLevel level, std::string_view message, const LogFields& fields) {
  spdlog::logger* const logger = spdlog::default_logger_raw();
  if (!logger->should_log(level_of(level))) return;
  const std::string line =
      the_format == LogFormat::kJson ? json_members(message, fields) : text_line(message, fields);
  logger->log(level_of(level), std::string_view(line));
}

void show_progress_line(std::string_view text) { the_sink->show_progress(text); }

void end_progress_line() { the_sink->end_progress(); }

bool LogLimit::due(const std::string& text) {
  const auto now = std::chrono::steady_clock::now();
  if (now - since_ > kPeriod) said_.clear();
  if (said_.empty()) since_ = now;
  return said_.size() < kMostTexts && said_.insert(text).second;
}

void LogLimit::error(std::string_view message, const DatabaseError& error,
                     const LogFields& fields) {
  std::string text(message);
  text.append(": ").append(error.what());
  if (!due(text)) return;
  LogFields all = fields;
  all.emplace_back("sqlstate", error.sqlstate());
  log_error(text, all);
}

}  // namespace globalmart
