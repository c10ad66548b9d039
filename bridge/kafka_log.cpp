#include "bridge/kafka_log.hpp"

namespace globalmart {

namespace {

// Without what differs from try to try: the time that it took and how often it was left out.
std::string_view steady_part(std::string_view text) {
  return text.substr(0, text.rfind(" (after "));
}

LogLevel level_of(int level) {
  return level <= 3   ? LogLevel::kError
         : level == 4 ? LogLevel::kWarn
         : level <= 6 ? LogLevel::kInfo
                      : LogLevel::kDebug;
}

}  // namespace

bool KafkaLog::due(LogLevel level, const char* part, std::string_view text) {
  if (level < LogLevel::kWarn) return true;
  const std::lock_guard lock(mutex_);
  return limit_.due(std::string(part).append(" ").append(steady_part(text)));
}

void KafkaLog::say(const char* part, int level, const char* facility, const char* text) {
  const LogLevel to = level_of(level);
  if (due(to, part, text)) log_line(to, text, {{"part", part}, {"facility", facility}});
}

void KafkaLog::say_error(const char* part, LogLevel level, rd_kafka_resp_err_t error,
                         const char* reason) {
  if (!due(level, part, reason)) return;
  log_line(level, reason, {{"part", part}, {"error", rd_kafka_err2name(error)}});
}

}  // namespace globalmart
