#include "bridge/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

#include "bridge/error.hpp"

namespace globalmart {

namespace {

constexpr auto kPeriod = std::chrono::minutes(1);
constexpr size_t kMostTexts = 20;

LogFormat the_format = LogFormat::kText;

spdlog::level::level_enum level_of(LogLevel level) {
  return static_cast<spdlog::level::level_enum>(level);
}

std::string json_text(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string text_line(std::string_view message, const LogFields& fields) {
  std::string line;
  for (const LogField& field : fields) {
    if (!field.text.empty()) line.append(field.key).append("=").append(field.text).append(" ");
  }
  return line.append(message);
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
  const auto logger =
      std::make_shared<spdlog::logger>("bridge", std::make_shared<spdlog::sinks::stderr_sink_mt>());
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
