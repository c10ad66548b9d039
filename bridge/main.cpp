// globalmart-bridge: Kafka -> PostgreSQL, exactly once.

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "bridge/bridge.hpp"
#include "bridge/config.hpp"
#include "bridge/error.hpp"
#include "bridge/shared.hpp"

#ifndef GLOBALMART_VERSION
#define GLOBALMART_VERSION "1.0"
#endif

int main(int argc, char** argv) {
  using namespace globalmart;

  CLI::App app{"Brings the events of Kafka topics into PostgreSQL, exactly once."};
  std::string config_file;
  std::vector<std::string> settings;
  bool check_config = false;
  bool drain = false;
  app.add_option("--config", config_file, "The configuration, a TOML file")->type_name("FILE");
  app.add_option("--set", settings, "A setting, before the file's; may be repeated")
      ->type_name("SECTION.KEY=VALUE")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_flag("--check-config", check_config, "Check configuration and profile, then exit");
  app.add_flag("--drain", drain, "Apply everything that the topics hold now, then exit");
  app.set_version_flag("--version", "globalmart-bridge " GLOBALMART_VERSION);
  CLI11_PARSE(app, argc, argv);

  auto logger = spdlog::stderr_logger_mt("bridge");
  logger->set_pattern("ts=%Y-%m-%dT%H:%M:%S.%eZ level=%l %v", spdlog::pattern_time_type::utc);
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(logger);
  try {
    const Config config = Config::load(config_file, settings);
    const Profile profile = config.load_profile();
    config.topic_names(profile);
    FaultPoint{config.bridge.fault_point};
    spdlog::set_level(
        spdlog::level::from_str(config.log_level == "warn" ? "warning" : config.log_level));
    if (check_config) {
      std::printf("configuration and profile are valid\n");
      return 0;
    }
    return run_bridge(config, profile, drain);
  } catch (const ConfigError& error) {
    std::fprintf(stderr, "globalmart-bridge: %s\n", error.what());
    return kExitConfig;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "globalmart-bridge: %s\n", error.what());
    return kExitFailed;
  }
}
