// The outbox: a thread that brings alerts from the database to Kafka, at least once, each with its
// stable id as the key.
#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>
#include <string>
#include <vector>

#include "bridge/error.hpp"
#include "bridge/kafka_settings.hpp"
#include "bridge/log.hpp"
#include "bridge/postgres.hpp"
#include "bridge/shared.hpp"

namespace globalmart {

class Outbox {
 public:
  explicit Outbox(Shared& shared);
  ~Outbox();
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  // The thread's body, until the end is requested.
  void run();
  // Sends what is there now; gives up at the first failure, at once where the topic is missing.
  // What is not sent stays in the database.
  void finish();

 private:
  struct Alert {
    std::string id;
    std::string payload;
    bool delivered = false;
  };

  // Sends one portion; returns how many alerts were delivered. Throws DatabaseError, KafkaError.
  size_t send_portion();
  void ensure_producer();
  // Throws KafkaError when there is no topic for alerts.
  void require_topic();
  void say(const KafkaError& error);
  static void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void*);

  Shared& shared_;
  Postgres connection_;
  LogLimit limit_;
  KafkaClient producer_;
  bool topic_known_ = false;
};

}  // namespace globalmart
