// globalmart-generate: events for tests, demos and benchmarks.

#include <cstdio>
#include <exception>

#include "generator/commands.hpp"

#ifndef GLOBALMART_VERSION  // the Makefile says it
#define GLOBALMART_VERSION "of an unknown version"
#endif

int main(int argc, char** argv) {
  using namespace globalmart::generator;
  StopSignal stop;
  CLI::App app(
      "Makes the events of the shop: product views, carts, orders, inventory and the catalogue,\n"
      "to Kafka (--bootstrap-servers) or to files (--out).",
      "globalmart-generate");
  app.set_version_flag("--version", "globalmart-generate " GLOBALMART_VERSION);
  app.require_subcommand(0, 1);
  const Action generate = add_generate_command(app);

  CLI::App& broker = *app.add_subcommand(
      "broker",
      "A Kafka broker for demos, in memory (librdkafka's mock cluster), until SIGINT or SIGTERM. "
      "It keeps 5 MiB a partition and then forgets the oldest");
  const Action run_broker = add_broker_command(broker);

  CLI::App& load = *app.add_subcommand("load", "Send recordings to their topics");
  const Action run_load = add_load_command(load);

  CLI::App& replay = *app.add_subcommand("replay", "Turn a real data set into the topics");
  replay.require_subcommand(1);
  CLI::App& online_retail = *replay.add_subcommand(
      "online-retail", "The UCI Online Retail data set; read it with profiles/online-retail.toml");
  const Action run_online_retail = add_replay_online_retail_command(online_retail);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Its own statuses say which rule was broken; --help and --version are no errors.
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    if (broker.parsed()) return run_broker(stop);
    if (load.parsed()) return run_load(stop);
    if (online_retail.parsed()) return run_online_retail(stop);
    return generate(stop);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "globalmart-generate: %s\n", error.what());
    return 2;
  }
}
