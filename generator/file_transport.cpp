#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <stdexcept>

#include "generator/recording.hpp"
#include "generator/transport.hpp"

namespace globalmart::generator {
namespace {

constexpr size_t kBufferBytes = 1 << 20;

/// One file, written in large pieces.
class File {
 public:
  File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }

  void open_new(const std::string& path) {
    path_ = path;
    descriptor_ = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (descriptor_ < 0) fail("open");
    buffer_.reserve(kBufferBytes + (kBufferBytes >> 3));
  }
  bool is_open() const { return descriptor_ >= 0; }

  void append(const Message& message) {
    append_recorded(message.key, message.value, buffer_);
    if (buffer_.size() >= kBufferBytes) flush();
  }
  void flush() {
    std::string_view rest = buffer_;
    while (!rest.empty()) {
      const ssize_t written = write(descriptor_, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail("write");
      rest.remove_prefix(static_cast<size_t>(written));
    }
    buffer_.clear();
  }

 private:
  [[noreturn]] void fail(const char* what) const {
    throw std::runtime_error(std::string("cannot ") + what + " " + path_ + ": " +
                             std::strerror(errno));
  }

  std::string path_;
  int descriptor_ = -1;
  std::string buffer_;
};

class FileTransport final : public Transport {
 public:
  FileTransport(const Destination& destination, const std::vector<Topic>& used) {
    std::set<std::string> names;
    for (Topic topic : used)
      if (const std::string& name = destination.topics[index_of(topic)]; !names.insert(name).second)
        throw std::runtime_error("two topics have the name " + name + ", which is one file");
    std::error_code error;
    std::filesystem::create_directories(destination.directory, error);
    if (error)
      throw std::runtime_error("cannot make " + destination.directory + ": " + error.message());
    for (Topic topic : used)
      files_[index_of(topic)].open_new(destination.directory + "/" +
                                       destination.topics[index_of(topic)] + ".ndjson");
  }

  void send(const Message& message) override {
    files_[index_of(message.topic)].append(message);
    ++sent_;
  }
  void poll() override {
    for (File& file : files_)
      if (file.is_open()) file.flush();
  }
  void finish(Summary& summary) override {
    poll();
    summary.delivered = sent_;
  }
  uint64_t in_flight() const override { return 0; }

 private:
  std::array<File, kTopicCount> files_;
  uint64_t sent_ = 0;
};

}  // namespace

std::unique_ptr<Transport> open_file_transport(const Destination& destination,
                                               const std::vector<Topic>& used) {
  return std::make_unique<FileTransport>(destination, used);
}

std::unique_ptr<Transport> open_transport(const Destination& destination,
                                          const std::vector<Topic>& used, StopSignal& stop) {
  return destination.directory.empty() ? open_kafka_transport(destination, used, stop)
                                       : open_file_transport(destination, used);
}

}  // namespace globalmart::generator
