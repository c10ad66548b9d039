#include "generator/run.hpp"

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <stdexcept>

namespace globalmart::generator {
namespace {

constexpr auto kProgressEvery = std::chrono::milliseconds(500);

void write_file(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (!out) throw std::runtime_error("cannot write " + path);
}

double seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

Run::Run(const RunOptions& options, const std::vector<Topic>& used, StopSignal& stop)
    : options_(options),
      stop_(stop),
      transport_(open_transport(options.destination, used, stop)),
      terminal_(!options.quiet && isatty(STDERR_FILENO) != 0),
      begin_(Clock::now()),
      shown_(begin_) {}

bool Run::breathe() {
  const auto now = Clock::now();
  if (sent_ % 1024 != 0 || options_.destination.directory.empty()) transport_->poll();
  if (terminal_ && now - shown_ >= kProgressEvery) show_progress(now);
  if (!stopping_ && stop_.raised()) stopping_ = true;
  return stopping_;
}

void Run::show_progress(Clock::time_point now) {
  const double rate = static_cast<double>(sent_ - shown_sent_) / seconds(now - shown_);
  std::string event_time;
  if (event_time_ != 0) event_time = ", event time " + format_instant(event_time_).substr(0, 19);
  std::fprintf(stderr, "\r%12llu messages, %9.0f/s, %llu under way%s \033[K",
               static_cast<unsigned long long>(sent_), rate,
               static_cast<unsigned long long>(transport_->in_flight()), event_time.c_str());
  std::fflush(stderr);
  shown_ = now;
  shown_sent_ = sent_;
}

int Run::finish() {
  transport_->finish(summary_);
  summary_.seconds = seconds(Clock::now() - begin_);
  stopping_ = stopping_ || stop_.raised();
  summary_.interrupted = stopping_;
  if (terminal_) std::fputs("\r\033[K", stderr);
  if (!options_.quiet) std::fputs(summary_.text(options_.destination.topics).c_str(), stderr);
  if (!options_.summary_file.empty())
    write_file(options_.summary_file, summary_.json(options_.destination.topics));
  if (stopping_) return stop_.exit_status();
  return summary_.failed == 0 ? 0 : 1;
}

}  // namespace globalmart::generator
