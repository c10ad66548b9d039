#include "generator/run_options.hpp"

namespace globalmart::generator {

void add_topic_options(CLI::App& app, TopicNames& names) {
  static constexpr std::array<const char*, kTopicCount> kOptions = {
      "--transactions-topic", "--cart-topic",  "--views-topic",
      "--inventory-topic",    "--users-topic", "--products-topic"};
  for (size_t i = 0; i < kTopicCount; ++i)
    app.add_option(kOptions[i], names[i], "Name of this topic")
        ->capture_default_str()
        ->group("Topics");
}

void add_run_options(CLI::App& app, RunOptions& options, bool files) {
  Destination& destination = options.destination;
  const std::string group = "Destination";
  auto* const kafka = app.add_option("-b,--bootstrap-servers", destination.bootstrap_servers,
                                     "Send to Kafka: HOST:PORT[,HOST:PORT...]")
                          ->group(group);
  app.add_option("--partitions", destination.partitions, "Partitions of a topic that is absent")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str()
      ->group(group);
  app.add_option("--replication", destination.replication,
                 "Replicas of a topic that is absent; -1 is the broker's default")
      ->capture_default_str()
      ->group(group);
  app.add_option_function<std::vector<std::string>>(
         "-X,--property",
         [&destination](const std::vector<std::string>& given) {
           for (const std::string& property : given) {
             const size_t at = property.find('=');
             if (at == std::string::npos)
               throw CLI::ValidationError("--property", "use NAME=VALUE");
             destination.properties[property.substr(0, at)] = property.substr(at + 1);
           }
         },
         "A property of librdkafka, such as security.protocol=SSL; may be repeated")
      ->type_name("NAME=VALUE")
      ->group(group);
  if (files)
    app.add_option("-o,--out", destination.directory,
                   "Write recordings instead: DIR/TOPIC.ndjson, a line a message. Keys are not "
                   "kept, they follow from the body; lines that begin with \\N or \\B are null "
                   "values and base64 (the load command reads them)")
        ->excludes(kafka)
        ->type_name("DIR")
        ->group(group);
  add_topic_options(app, destination.topics);
  app.add_option("--summary", options.summary_file, "Write the counts there as JSON")
      ->type_name("FILE")
      ->group("Report");
  app.add_flag("-q,--quiet", options.quiet, "No progress, no table of counts")->group("Report");
}

}  // namespace globalmart::generator
