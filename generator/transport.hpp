#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "generator/message.hpp"
#include "generator/stop_signal.hpp"
#include "generator/summary.hpp"

namespace globalmart::generator {

/// Where messages go: Kafka, or a directory of recordings.
struct Destination {
  std::string bootstrap_servers;                  // Kafka when set
  std::map<std::string, std::string> properties;  // of librdkafka, over our own
  int partitions = 3;                             // of a topic that must be made
  int replication = 1;
  std::string directory;  // files when set
  TopicNames topics = default_topic_names();
};

/// A sink at the end of the way, which knows what arrived. One thread.
class Transport : public Sink {
 public:
  /// Serves callbacks; to be called every second or oftener while nothing is sent.
  virtual void poll() = 0;
  /// Waits until all that was sent is known to have arrived or failed. Once a signal has come it
  /// waits ten seconds more and then gives the rest up as failed. Then notes delivered, failed
  /// and failures in the summary.
  virtual void finish(Summary& summary) = 0;
  /// Messages sent whose fate is not yet known.
  virtual uint64_t in_flight() const = 0;
};

/// Opens it; `used` are the topics that messages will be sent to: they are made when absent.
/// `stop` must outlive the transport. Throws std::runtime_error with words for people.
std::unique_ptr<Transport> open_transport(const Destination& destination,
                                          const std::vector<Topic>& used, StopSignal& stop);

std::unique_ptr<Transport> open_file_transport(const Destination& destination,
                                               const std::vector<Topic>& used);
std::unique_ptr<Transport> open_kafka_transport(const Destination& destination,
                                                const std::vector<Topic>& used, StopSignal& stop);

}  // namespace globalmart::generator
