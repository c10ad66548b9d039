// What librdkafka's clients say of their connections, in the bridge's log: a warning or an error
// once a minute, however many clients say it and however often they try.
#pragma once

#include <librdkafka/rdkafka.h>

#include <mutex>
#include <string>
#include <string_view>

#include "bridge/log.hpp"

namespace globalmart {

// Thread-safe: librdkafka's own threads come here, too.
class KafkaLog {
 public:
  // As given to a callback for logs; `level` is one of syslog's.
  void say(const char* part, int level, const char* facility, const char* text);
  // As given to a callback for errors.
  void say_error(const char* part, LogLevel level, rd_kafka_resp_err_t error, const char* reason);

  // Whether to say it now.
  bool due(LogLevel level, const char* part, std::string_view text);

 private:
  std::mutex mutex_;
  LogLimit limit_;
};

}  // namespace globalmart
