// The daemon as a whole: makes the parts, runs their threads, ends them in order.
#pragma once

#include "bridge/config.hpp"
#include "bridge/profile.hpp"

namespace globalmart {

// Runs until a signal, or with `drain` until everything that the topics hold now is applied. Blocks
// SIGTERM and SIGINT in all threads and takes them itself: the first asks for an orderly end, the
// second ends the process at once. Returns the process's exit status.
int run_bridge(const Config& config, const Profile& profile, bool drain);

}  // namespace globalmart
