#include "bridge/bridge.hpp"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "bridge/closer.hpp"
#include "bridge/error.hpp"
#include "bridge/http_server.hpp"
#include "bridge/log.hpp"
#include "bridge/outbox.hpp"
#include "bridge/shared.hpp"
#include "bridge/worker.hpp"

namespace globalmart {

namespace {

// Waits for signals in a thread of its own, so that no code runs in a handler. It outlives the runs
// of the process: one who asks for the end between two of them, or twice, is heard.
class SignalThread {
 public:
  SignalThread() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGTERM);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGUSR2);  // ends this thread
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    thread_ = std::thread([this] { wait(); });
  }
  ~SignalThread() {
    ending_ = true;
    pthread_kill(thread_.native_handle(), SIGUSR2);
    thread_.join();
  }

  // Whether somebody has asked for the end.
  bool asked() {
    const std::scoped_lock lock(mutex_);
    return asked_;
  }

  // While it lives, a signal ends the run of this StopSignal.
  class Listener {
   public:
    Listener(SignalThread& signals, StopSignal& stop) : signals_(signals) {
      const std::scoped_lock lock(signals_.mutex_);
      signals_.stop_ = &stop;
      if (signals_.asked_) stop.request();
    }
    ~Listener() {
      const std::scoped_lock lock(signals_.mutex_);
      signals_.stop_ = nullptr;
    }

   private:
    SignalThread& signals_;
  };

 private:
  void wait() {
    while (true) {
      int signal = 0;
      sigwait(&signals_, &signal);
      if (signal == SIGUSR2) {
        if (ending_) return;
        continue;  // somebody else's
      }
      const std::scoped_lock lock(mutex_);
      if (asked_) _exit(128 + signal);
      asked_ = true;
      log_info("ending: the batch in hand is committed first", {{"signal", signal}});
      if (stop_ != nullptr) stop_->request();
    }
  }

  std::mutex mutex_;
  StopSignal* stop_ = nullptr;  // of the run at hand
  bool asked_ = false;
  std::atomic<bool> ending_ = false;
  sigset_t signals_{};
  std::thread thread_;
};

// One line on a terminal, rewritten every half second.
void show_progress(Shared& shared) {
  using Clock_ = std::chrono::steady_clock;
  auto last = Clock_::now();
  uint64_t last_messages = 0;
  while (!shared.stop.wait_for(std::chrono::milliseconds(500))) {
    const auto now = Clock_::now();
    const uint64_t messages = shared.metrics.messages();
    const double rate = static_cast<double>(messages - last_messages) /
                        std::chrono::duration<double>(now - last).count();
    last = now;
    last_messages = messages;
    int64_t lag = 0;
    for (const auto& [place, status] : shared.ownership.snapshot()) {
      if (!status.at_end && status.next_offset && status.end_offset > *status.next_offset) {
        lag += status.end_offset - *status.next_offset;
      }
    }
    char line[200];
    std::snprintf(line, sizeof line,
                  "%12llu messages %9.0f/s  lag %9lld  duplicates %llu  dead letters %llu  "
                  "closed rows %llu ",
                  static_cast<unsigned long long>(messages), rate, static_cast<long long>(lag),
                  static_cast<unsigned long long>(shared.metrics.duplicates()),
                  static_cast<unsigned long long>(shared.metrics.dead_letters()),
                  static_cast<unsigned long long>(shared.metrics.rows_closed()));
    show_progress_line(line);
  }
  end_progress_line();
}

// Tries of a drain until the database answers: about half a minute, by then a job has better things
// to do than to wait.
constexpr int kDrainTries = 10;

// The database must answer once before the first message: the lists are there. Retries until the
// end is requested.
bool prepare(Closer& closer, Shared& shared) {
  LogLimit limit;
  for (int attempt = 0; !shared.stop.requested(); ++attempt) {
    try {
      closer.prepare();
      return true;
    } catch (const DatabaseError& error) {
      shared.metrics.database_error();
      limit.error("the database is not ready", error);
      if (shared.drain && attempt + 1 == kDrainTries) {
        shared.stop.fail(kExitFailed, std::string("the database is not ready: ") + error.what());
        break;
      }
    } catch (const DatabaseSetBack& error) {
      shared.stop.begin_anew(error.what());
      break;
    }
    if (shared.stop.wait_for(
            std::chrono::milliseconds(std::min(5000, 200 << std::min(attempt, 5))))) {
      break;
    }
  }
  return false;
}

HttpAnswer answer_http(const std::string& path, Shared& shared) {
  if (path == "/livez") return {200, "text/plain", "alive\n"};
  if (path == "/readyz") {
    if (shared.metrics.ready()) return {200, "text/plain", "ready\n"};
    return {503, "text/plain", "not ready: a worker has no database or no partitions\n"};
  }
  if (path == "/metrics") {
    return {200, "text/plain; version=0.0.4; charset=utf-8",
            shared.metrics.text(shared.dedup, shared.ownership)};
  }
  return {404, "text/plain", "there are /livez, /readyz and /metrics\n"};
}

// From start to end. Empty: to begin anew, with what was committed so far in `committed`.
std::optional<int> run_once(const Config& config, const Profile& profile, bool drain,
                            std::map<PartitionId, int64_t>& committed, SignalThread& signals) {
  Shared shared(config, profile, config.topic_names(profile), drain, committed);
  const SignalThread::Listener listener(signals, shared.stop);
  std::unique_ptr<HttpServer> http;
  if (config.http_listen != "off") {
    http = std::make_unique<HttpServer>(
        config.http_listen, [&](const std::string& path) { return answer_http(path, shared); });
    log_info("http listens", {{"port", http->port()}});
  }

  Closer closer(shared);
  if (!prepare(closer, shared)) {
    if (shared.stop.begins_anew()) return std::nullopt;
    if (shared.stop.status() != 0) log_line(LogLevel::kCritical, shared.stop.message());
    return shared.stop.status();
  }
  Outbox outbox(shared);
  std::thread progress;
  if (isatty(STDERR_FILENO) != 0 && config.log_format == LogFormat::kText)
    progress = std::thread([&] { show_progress(shared); });
  std::thread closer_thread([&] { closer.run(); });
  std::thread outbox_thread([&] { outbox.run(); });

  std::vector<std::thread> workers;
  for (int i = 0; i < config.bridge.workers; ++i) {
    workers.emplace_back([&, i] { Worker(shared, static_cast<size_t>(i)).run(); });
  }
  for (std::thread& worker : workers) worker.join();
  const bool asked_to_end = shared.stop.requested();
  if (!asked_to_end) shared.stop.request();
  shared.closer.notify();
  shared.outbox.notify();
  closer_thread.join();
  outbox_thread.join();
  if (progress.joinable()) progress.join();

  if (shared.stop.begins_anew()) {
    log_warn("begins anew with an empty memory of event ids: " + shared.stop.message());
    for (const auto& [place, next] : shared.remembered.next_offsets()) committed[place] = next;
    return std::nullopt;
  }
  int status = shared.stop.status();
  if (status == 0 && drain && !asked_to_end) {
    try {
      closer.finish();
      outbox.finish();
    } catch (const DatabaseError& error) {
      LogLimit().error("closing failed", error);
      status = kExitFailed;
    } catch (const DatabaseSetBack& error) {
      log_warn(std::string("begins anew: ") + error.what());
      return std::nullopt;
    }
  }
  if (status != 0) log_line(LogLevel::kCritical, shared.stop.message());
  log_info("ended", {{"status", status},
                     {"messages", shared.metrics.messages()},
                     {"accepted", shared.metrics.accepted()},
                     {"duplicates", shared.metrics.duplicates()},
                     {"dead_letters", shared.metrics.dead_letters()},
                     {"closed_rows", shared.metrics.rows_closed()}});
  return status;
}

}  // namespace

// What a process remembers is only true of what the database holds. Once that is in doubt, all
// workers stop and the next run knows no more than a fresh process: no batch is then judged by a
// memory of which a part was taken back.
int run_bridge(const Config& config, const Profile& profile, bool drain) {
  // Buffers of megabytes come back each batch: keep them instead of mapping them afresh.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 512 << 20);
  signal(SIGPIPE, SIG_IGN);
  std::map<PartitionId, int64_t> committed;
  SignalThread signals;
  while (!signals.asked()) {
    if (const auto status = run_once(config, profile, drain, committed, signals)) return *status;
  }
  return 0;
}

}  // namespace globalmart
