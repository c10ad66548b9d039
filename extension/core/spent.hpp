// Time that passes and CPU time that this thread uses, side by side: what a batch has cost.
#pragma once

#include <cstdint>
#include <ctime>

namespace globalmart {

struct Spent {
  int64_t wall = 0;  // nanoseconds
  int64_t cpu = 0;

  static Spent now() { return {read(CLOCK_MONOTONIC), read(CLOCK_THREAD_CPUTIME_ID)}; }

  Spent& operator+=(const Spent& other) {
    wall += other.wall;
    cpu += other.cpu;
    return *this;
  }
  friend Spent operator-(const Spent& later, const Spent& earlier) {
    return {later.wall - earlier.wall, later.cpu - earlier.cpu};
  }

 private:
  static int64_t read(clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return static_cast<int64_t>(time.tv_sec) * 1000000000 + time.tv_nsec;
  }
};

}  // namespace globalmart
