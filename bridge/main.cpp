// globalmart-bridge: Kafka -> PostgreSQL, exactly once.

#include <CLI/CLI.hpp>
#include <cstdio>

#include "bridge/bridge.hpp"
#include "bridge/config.hpp"
#include "bridge/error.hpp"
#include "bridge/http_server.hpp"
#include "bridge/kafka_settings.hpp"
#include "bridge/log.hpp"
#include "bridge/shared.hpp"

#ifndef GLOBALMART_VERSION  // the Makefile says it
#define GLOBALMART_VERSION "of an unknown version"
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
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitConfig;
  }

  try {
    const Config config = Config::load(config_file, settings);
    const Profile profile = config.load_profile();
    config.topic_names(profile);
    [[maybe_unused]] const FaultPoint known_point{config.bridge.fault_point};
    check_http_listen(config.http_listen);
    check_kafka_settings(config.kafka);
    set_up_log(log_level_of(config.log_level), config.log_format);
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
