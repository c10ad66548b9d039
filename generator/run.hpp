#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "generator/message.hpp"
#include "generator/stop_signal.hpp"
#include "generator/summary.hpp"
#include "generator/transport.hpp"

namespace globalmart::generator {

/// What every command that sends has in common.
struct RunOptions {
  Destination destination;
  std::string summary_file;  // JSON, when set
  bool quiet = false;        // no progress and no table
};

/// One run of a command: counts each message, sends it on, shows progress on a terminal, and at
/// the end tells what happened. One thread.
class Run final : public Sink {
 public:
  /// Opens the destination. Throws std::runtime_error.
  Run(const RunOptions& options, const std::vector<Topic>& used, StopSignal& stop);

  void send(const Message& message) override {
    summary_.count(message);
    transport_->send(message);
    if ((++sent_ & 1023) == 0) breathe();
  }

  /// Serves the transport, shows progress and looks for a signal; true when it is time to stop.
  bool breathe();
  bool stopping() const { return stopping_; }
  StopSignal& stop() { return stop_; }

  Summary& summary() { return summary_; }
  /// Event time shown with the progress.
  void show(Instant event_time) { event_time_ = event_time; }

  /// Waits for what is under way, reports, and returns the exit status: 0 when all messages
  /// arrived, 1 when any failed, 128 and the signal's number after a signal.
  int finish();

 private:
  using Clock = std::chrono::steady_clock;

  void show_progress(Clock::time_point now);

  RunOptions options_;
  StopSignal& stop_;
  std::unique_ptr<Transport> transport_;
  Summary summary_;
  bool stopping_ = false;
  bool terminal_;
  uint64_t sent_ = 0;
  uint64_t shown_sent_ = 0;
  Instant event_time_ = 0;
  Clock::time_point begin_;
  Clock::time_point shown_;
};

}  // namespace globalmart::generator
