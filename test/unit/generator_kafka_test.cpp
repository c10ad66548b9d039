// Sending to Kafka: librdkafka's mock cluster inside the producer stands for the brokers.

#include <gtest/gtest.h>

#include <stdexcept>

#include "generator/transport.hpp"

namespace globalmart::generator {
namespace {

Destination mock_cluster() {
  Destination destination;
  destination.bootstrap_servers = "replaced.by.the.mock:9092";
  destination.properties = {{"test.mock.num.brokers", "1"}, {"log_level", "3"}};
  return destination;
}

TEST(KafkaTransport, CountsWhatTheBrokersConfirmed) {
  StopSignal stop;
  const auto transport = open_kafka_transport(mock_cluster(), {Topic::kUsers, Topic::kCart}, stop);
  for (int i = 0; i < 1'000; ++i) {
    const std::string key = "USER_" + std::to_string(i);
    transport->send({Topic::kCart, 0, key, "{}"});
    transport->send({Topic::kCart, 0, std::nullopt, ""});
    transport->send({Topic::kUsers, 0, key, std::nullopt});
  }
  Summary summary;
  transport->finish(summary);
  EXPECT_EQ(summary.delivered, 3'000U);
  EXPECT_EQ(summary.failed, 0U);
  EXPECT_EQ(transport->in_flight(), 0U);
}

TEST(KafkaTransport, CountsWhatFailed) {
  StopSignal stop;
  Destination destination = mock_cluster();
  destination.properties["message.max.bytes"] = "2000";
  const auto transport = open_kafka_transport(destination, {Topic::kCart}, stop);
  transport->send({Topic::kCart, 0, "USER_1", std::string(5'000, 'x')});
  transport->send({Topic::kCart, 0, "USER_1", "{}"});
  Summary summary;
  transport->finish(summary);
  EXPECT_EQ(summary.delivered, 1U);
  EXPECT_EQ(summary.failed, 1U);
  ASSERT_EQ(summary.failures.size(), 1U);
  EXPECT_EQ(summary.failures.begin()->second, 1U);
}

TEST(KafkaTransport, RefusesAnUnknownProperty) {
  StopSignal stop;
  Destination destination = mock_cluster();
  destination.properties["no.such.property"] = "1";
  EXPECT_THROW(open_kafka_transport(destination, {Topic::kCart}, stop), std::runtime_error);
}

}  // namespace
}  // namespace globalmart::generator
