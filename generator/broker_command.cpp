#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

#include "generator/commands.hpp"
#include "generator/run_options.hpp"

namespace globalmart::generator {
namespace {

struct BrokerOptions {
  int brokers = 1;
  int partitions = 3;
  std::string port_file;
  std::string alerts_topic = "alerts-topic";
  TopicNames topics = default_topic_names();
};

struct DestroyClient {
  void operator()(rd_kafka_t* client) const { rd_kafka_destroy(client); }
};

/// Puts the address there in one step, so that who waits for the file never reads half of it.
void write_port_file(const std::string& path, const std::string& address) {
  const std::string unfinished = path + ".new";
  FILE* const file = std::fopen(unfinished.c_str(), "w");
  if (file == nullptr) throw std::runtime_error("cannot write " + unfinished);
  const bool written = std::fprintf(file, "%s\n", address.c_str()) > 0;
  if (std::fclose(file) != 0 || !written || std::rename(unfinished.c_str(), path.c_str()) != 0)
    throw std::runtime_error("cannot write " + path);
}

/// Runs librdkafka's mock cluster until a signal comes.
int run_broker(const BrokerOptions& options, StopSignal& stop) {
  rd_kafka_conf_t* const configuration = rd_kafka_conf_new();
  char words[512];
  if (rd_kafka_conf_set(configuration, "log_level", "4", words, sizeof words) != RD_KAFKA_CONF_OK ||
      rd_kafka_conf_set(configuration, "test.mock.num.brokers",
                        std::to_string(options.brokers).c_str(), words,
                        sizeof words) != RD_KAFKA_CONF_OK)
    throw std::runtime_error(words);
  const std::unique_ptr<rd_kafka_t, DestroyClient> client(
      rd_kafka_new(RD_KAFKA_PRODUCER, configuration, words, sizeof words));
  if (!client) throw std::runtime_error(words);
  rd_kafka_mock_cluster_t* const cluster = rd_kafka_handle_mock_cluster(client.get());
  if (cluster == nullptr) throw std::runtime_error("this librdkafka has no mock cluster");

  std::vector<std::string> topics(options.topics.begin(), options.topics.end());
  topics.push_back(options.alerts_topic);
  for (const std::string& topic : topics) {
    const rd_kafka_resp_err_t error =
        rd_kafka_mock_topic_create(cluster, topic.c_str(), options.partitions, 1);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
      throw std::runtime_error("cannot make topic " + topic + ": " + rd_kafka_err2str(error));
  }

  const std::string address = rd_kafka_mock_cluster_bootstraps(cluster);
  std::printf("%s\n", address.c_str());
  std::fflush(stdout);
  if (!options.port_file.empty()) write_port_file(options.port_file, address);
  while (!stop.wait(std::chrono::seconds(1))) rd_kafka_poll(client.get(), 0);
  if (!options.port_file.empty()) std::remove(options.port_file.c_str());
  return 0;
}

}  // namespace

Action add_broker_command(CLI::App& app) {
  const auto options = std::make_shared<BrokerOptions>();
  app.add_option("--brokers", options->brokers, "Brokers of the cluster")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  app.add_option("--partitions", options->partitions, "Partitions of each topic")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_option("--port-file", options->port_file,
                 "Write the bootstrap address there once it answers (it is printed as well); "
                 "removed at the end")
      ->type_name("FILE");
  add_topic_options(app, options->topics);
  app.add_option("--alerts-topic", options->alerts_topic, "Name of this topic")
      ->capture_default_str()
      ->group("Topics");
  return [options](StopSignal& stop) { return run_broker(*options, stop); };
}

}  // namespace globalmart::generator
