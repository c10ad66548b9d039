// Feeds texts to the reader of the configuration: lines that begin with ! are --set, the others are
// the file. A text is refused by a ConfigError, or makes a configuration whose values are within
// their bounds. Any crash, other exception, read out of bounds or leak stops it. See module.mk for
// how to run it.
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "bridge/config.hpp"
#include "bridge/error.hpp"
#include "bridge/http_server.hpp"
#include "test/fuzz/fuzz_support.hpp"

namespace {

using namespace globalmart;

// A file in memory that only its owner may read.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view text) : descriptor_(memfd_create("config", MFD_CLOEXEC)) {
    require(descriptor_ >= 0 && fchmod(descriptor_, 0600) == 0 &&
                write(descriptor_, text.data(), text.size()) == static_cast<ssize_t>(text.size()),
            "a file can be made");
  }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

void check(const Config& config) {
  require(!config.kafka.bootstrap_servers.empty() && !config.kafka.group_id.empty(),
          "Kafka is named");
  require(!config.postgres.dsn.empty(), "PostgreSQL is named");
  require(config.bridge.workers >= 1 && config.bridge.workers <= 256, "workers are within bounds");
  require(config.bridge.batch_messages >= 1 && config.bridge.batch_messages <= 10'000'000,
          "messages of a batch are within bounds");
  require(config.bridge.batch_age_ms >= 0 && config.bridge.batch_age_ms <= 60'000,
          "the age of a batch is within bounds");
  require(config.bridge.max_future >= 0, "the future is ahead");
  static const Profile shipped = Profile::shipped();
  require(config.topic_names(shipped).size() == shipped.topics.size(), "each topic has its name");
  check_http_listen(config.http_listen);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  // Files of secrets are read: none that never end.
  if (input.find("/dev") != std::string_view::npos) return 0;
  std::string file;
  std::vector<std::string> settings;
  for (size_t at = 0; at < input.size();) {
    const size_t line_end = std::min(input.find('\n', at), input.size());
    const std::string_view line = input.substr(at, line_end - at);
    if (line.starts_with('!'))
      settings.emplace_back(line.substr(1));
    else
      file.append(line).append("\n");
    at = line_end + 1;
  }
  const MemoryFile in_memory(file);
  try {
    check(Config::load(file.empty() ? "" : in_memory.path(), settings));
  } catch (const ConfigError&) {
  }
  return 0;
}
