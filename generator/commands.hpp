#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "generator/stop_signal.hpp"

namespace globalmart::generator {

/// What a command does after its options were read; returns the exit status.
using Action = std::function<int(StopSignal&)>;

/// Each adds a command's options to its parser and returns its action, which must not outlive the
/// parser. Actions throw std::exception with words for people.
Action add_generate_command(CLI::App& app);
Action add_broker_command(CLI::App& app);
Action add_load_command(CLI::App& app);
Action add_replay_online_retail_command(CLI::App& app);

}  // namespace globalmart::generator
