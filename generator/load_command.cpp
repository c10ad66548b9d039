#include <filesystem>
#include <stdexcept>

#include "generator/commands.hpp"
#include "generator/message_key.hpp"
#include "generator/recording.hpp"
#include "generator/run_options.hpp"

namespace globalmart::generator {
namespace {

struct LoadOptions {
  RunOptions run;
  std::string directory;
};

struct Recording {
  Topic topic;
  std::string path;
};

/// The recordings of a directory, in the order of the topics but the catalogue first, which a
/// reader that joins wants to have early.
std::vector<Recording> find_recordings(const LoadOptions& options) {
  std::vector<Recording> found;
  for (Topic topic : {Topic::kUsers, Topic::kProducts, Topic::kTransactions, Topic::kCart,
                      Topic::kViews, Topic::kInventory}) {
    const std::string path =
        options.directory + "/" + options.run.destination.topics[index_of(topic)] + ".ndjson";
    if (std::filesystem::exists(path))
      found.push_back({topic, path});
    else if (std::filesystem::exists(path + ".gz"))
      found.push_back({topic, path + ".gz"});
  }
  if (found.empty())
    throw std::runtime_error("no TOPIC.ndjson or TOPIC.ndjson.gz in " + options.directory);
  return found;
}

int load(const LoadOptions& options, StopSignal& stop) {
  const std::vector<Recording> recordings = find_recordings(options);
  std::vector<Topic> topics;
  for (const Recording& recording : recordings) topics.push_back(recording.topic);
  Run run(options.run, topics, stop);
  std::string value_storage, key_storage;
  uint64_t without_key = 0;
  for (const Recording& recording : recordings) {
    uint64_t line_number = 0;
    read_lines(recording.path, [&](std::string_view line) {
      ++line_number;
      Message message = {.topic = recording.topic, .event_time = 0, .key = {}, .value = {}};
      try {
        const RecordedMessage recorded = parse_recorded(line, value_storage);
        message.key = recorded.key;
        message.value = recorded.value;
      } catch (const std::runtime_error& error) {
        throw std::runtime_error(recording.path + ", line " + std::to_string(line_number) + ": " +
                                 error.what());
      }
      if (message.value)
        message.key = find_text_member(*message.value, key_member(recording.topic), key_storage);
      without_key += !message.key;
      run.send(message);
      return !run.stopping();
    });
    if (run.stopping()) break;
  }
  run.summary().figures["messages without a key"] = without_key;
  return run.finish();
}

}  // namespace

Action add_load_command(CLI::App& app) {
  const auto options = std::make_shared<LoadOptions>();
  app.add_option("DIR", options->directory,
                 "Recordings: TOPIC.ndjson or TOPIC.ndjson.gz, a line a message in order of "
                 "arrival; an empty line is zero bytes, \\N and a key a null value, \\B base64")
      ->required()
      ->check(CLI::ExistingDirectory);
  add_run_options(app, options->run, false);
  app.get_option("--bootstrap-servers")->required();
  return [options](StopSignal& stop) { return load(*options, stop); };
}

}  // namespace globalmart::generator
