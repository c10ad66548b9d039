// The outbox: a thread that brings alerts from the database to Kafka, at least once, each with its
// stable id as the key.
#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>
#include <string>
#include <vector>

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
  // Sends what is there now; gives up at the first failure.
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
  static void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void*);

  struct DestroyClient {
    void operator()(rd_kafka_t* client) const { rd_kafka_destroy(client); }
  };

  Shared& shared_;
  Postgres connection_;
  std::unique_ptr<rd_kafka_t, DestroyClient> producer_;
};

}  // namespace globalmart
