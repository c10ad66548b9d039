#pragma once

#include <signal.h>

#include <chrono>

namespace globalmart::generator {

/// SIGINT and SIGTERM as something to ask for instead of something that strikes. Made first thing
/// in main, before any thread, so that no thread is hit. Also ignores SIGPIPE.
class StopSignal {
 public:
  StopSignal() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    signal(SIGPIPE, SIG_IGN);
  }

  /// Waits at most this long; true when a signal has come, now or before.
  bool wait(std::chrono::nanoseconds duration) {
    if (number_ != 0) return true;
    if (duration.count() < 0) duration = {};
    const timespec limit = {static_cast<time_t>(duration.count() / 1'000'000'000),
                            static_cast<long>(duration.count() % 1'000'000'000)};
    const int number = sigtimedwait(&signals_, nullptr, &limit);
    if (number > 0) number_ = number;
    return number_ != 0;
  }
  bool raised() { return wait({}); }

  /// The exit status that shells give to such an end, 0 when no signal came.
  int exit_status() const { return number_ == 0 ? 0 : 128 + number_; }

 private:
  sigset_t signals_;
  int number_ = 0;
};

}  // namespace globalmart::generator
