#pragma once

#include <CLI/CLI.hpp>
#include <memory>

#include "generator/run.hpp"

namespace globalmart::generator {

/// Adds the options of the topics' names: `--transactions-topic` and so on.
void add_topic_options(CLI::App& app, TopicNames& names);

/// Adds the options of a destination, with or without files, and of the report. What was given is
/// in `options` once the parser has run, which checks that there is one destination.
void add_run_options(CLI::App& app, RunOptions& options, bool files);

}  // namespace globalmart::generator
