#include <chrono>
#include <optional>
#include <stdexcept>

#include "generator/commands.hpp"
#include "generator/faults.hpp"
#include "generator/run_options.hpp"
#include "generator/shop.hpp"

namespace globalmart::generator {
namespace {

// A visitor does something every half minute, so this many seconds of events are people who are
// in the shop at the same time.
constexpr double kSecondsBetweenActions = 30;
constexpr double kMostVisits = 200'000;

constexpr uint64_t kClockDomain = 0x636c6f636b;
constexpr const char* kDefaultStart = "2025-01-06T08:00:00Z";
constexpr const char* kWeights = "WEIGHT,...";

struct GenerateOptions {
  RunOptions run;
  ShopOptions shop;
  FaultOptions faults;
  std::optional<double> rate;
  std::optional<double> event_rate;
  double speed = 1;
  std::optional<uint64_t> count;
  std::optional<double> seconds;
  std::string start;
  bool flat_day = false;
  bool busy_hours = false;
};

/// Sends the events of the shop until the count, the time or a signal ends it.
int generate(GenerateOptions options, StopSignal& stop) {
  const Destination& destination = options.run.destination;
  if (destination.bootstrap_servers.empty() && destination.directory.empty())
    throw std::runtime_error("say where to: --bootstrap-servers or --out");
  if (!destination.directory.empty() && !options.count && !options.seconds && !options.rate)
    throw std::runtime_error(
        "--out without --rate needs --count or --seconds, or it fills the disk");
  const bool live = options.rate && options.speed == 1;
  const Instant start = parse_instant(!options.start.empty() ? options.start
                                      : live                 ? "now"
                                                             : kDefaultStart);
  const double event_rate =
      options.rate ? *options.rate / options.speed : options.event_rate.value_or(100);
  if (!(event_rate > 0)) throw std::runtime_error("the rate of events must be above 0");
  // Live, event time is wall time: a day profile then changes the rate of sending. Otherwise
  // sending is even, and event time runs slower at busy hours.
  const bool flat_day = options.flat_day || (live && !options.busy_hours);
  options.shop.world.start = start;
  if (options.shop.visits == 0)
    options.shop.visits =
        static_cast<uint32_t>(std::clamp(event_rate * kSecondsBetweenActions, 64.0, kMostVisits));

  Run run(options.run,
          {Topic::kTransactions, Topic::kCart, Topic::kViews, Topic::kInventory, Topic::kUsers,
           Topic::kProducts},
          stop);
  Faults faults(options.faults, options.shop.world.seed, run);
  Shop shop(options.shop, faults);
  EventClock clock(start, event_rate, flat_day,
                   options.shop.world.seed ^ kClockDomain ^ static_cast<uint64_t>(start));
  run.summary().notes["first event time"] = format_instant(start);
  shop.open();

  using Wall = std::chrono::steady_clock;
  const Wall::time_point begin = Wall::now();
  const uint64_t count = options.count.value_or(UINT64_MAX);
  const Instant end =
      options.seconds ? start + static_cast<Instant>(*options.seconds * kSecond) : INT64_MAX;
  uint64_t events = 0;
  for (; events < count && !run.stopping(); ++events) {
    const Instant now = clock.next();
    if (now >= end) break;
    run.show(now);
    if (options.rate) {
      // Who falls behind the schedule catches up.
      const double seconds = live ? static_cast<double>(now - start) / kSecond
                                  : static_cast<double>(events) / *options.rate;
      const auto due = begin + std::chrono::duration_cast<Wall::duration>(
                                   std::chrono::duration<double>(seconds));
      while (!run.stopping() && Wall::now() < due) {
        if (run.breathe()) break;
        stop.wait(std::min<Wall::duration>(due - Wall::now(), std::chrono::milliseconds(200)));
      }
      if (run.stopping()) break;
    }
    faults.advance(now);
    shop.step(now);
  }
  faults.finish();
  run.summary().notes["last event time"] = format_instant(clock.now());
  run.summary().figures["shop events"] = events;
  return run.finish();
}

/// Of options without a sign: the parser takes -5 for 2^64 - 5.
CLI::Validator not_negative() {
  return {[](const std::string& text) -> std::string {
            return text.starts_with('-') ? text + " is negative" : "";
          },
          ""};
}

void add_weights(CLI::App& app, const std::string& name, std::vector<double>& weights,
                 const std::string& help) {
  app.add_option(name, weights, help)
      ->delimiter(',')
      ->expected(static_cast<int>(weights.size()))
      ->check(CLI::NonNegativeNumber)
      ->type_name(kWeights)
      ->capture_default_str()
      ->group("Behaviour");
}

void add_share(CLI::App& app, const std::string& name, double& share, const std::string& help,
               const std::string& group) {
  app.add_option(name, share, help)
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("SHARE")
      ->capture_default_str()
      ->group(group);
}

}  // namespace

Action add_generate_command(CLI::App& app) {
  const auto shared = std::make_shared<GenerateOptions>();
  GenerateOptions& options = *shared;
  add_run_options(app, options.run, true);

  const std::string time = "Amount and time";
  auto* const rate =
      app.add_option("--rate", options.rate,
                     "Shop events a second of wall time; without it as fast as possible. "
                     "Inventory events, the catalogue and repetitions come on top")
          ->check(CLI::PositiveNumber)
          ->group(time);
  app.add_option("--count", options.count, "Stop after so many shop events")
      ->check(not_negative())
      ->group(time);
  app.add_option("--seconds", options.seconds, "Stop after so many seconds of event time")
      ->check(CLI::PositiveNumber)
      ->group(time);
  app.add_option("--start", options.start,
                 "Event time of the start: an ISO time, now, now-6h; default: now with --rate at "
                 "speed 1, else " +
                     std::string(kDefaultStart))
      ->group(time);
  app.add_option("--speed", options.speed,
                 "Event time runs so many times faster than the wall, on average over a day. "
                 "Start far enough back: readers refuse what lies in the future")
      ->needs(rate)
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->group(time);
  app.add_option("--event-rate", options.event_rate,
                 "Without --rate: shop events a second of event time, on average over a day; "
                 "default 100")
      ->excludes(rate)
      ->check(CLI::PositiveNumber)
      ->group(time);
  auto* const flat_day =
      app.add_flag("--flat-day", options.flat_day,
                   "The same rate of events at every hour of event time, instead of busy hours at "
                   "10-14 and 19-21 UTC and quiet ones at 23-7")
          ->group(time);
  app.add_flag("--busy-hours", options.busy_hours,
               "Busy and quiet hours with --rate at speed 1 too, where the day is flat otherwise: "
               "then --rate is the day's average. Everywhere else sending is even and event time "
               "runs slower at busy hours")
      ->excludes(flat_day)
      ->needs(rate)
      ->group(time);

  const std::string world = "World";
  WorldOptions& people = options.shop.world;
  app.add_option("--seed", people.seed, "The same seed, start and options give the same messages")
      ->check(not_negative())
      ->capture_default_str()
      ->group(world);
  app.add_option("--users", people.users, "Users")
      ->check(not_negative())
      ->check(CLI::Range(1U, 100'000'000U))
      ->capture_default_str()
      ->group(world);
  app.add_option("--products", people.products, "Products, over 100 categories")
      ->check(not_negative())
      ->check(CLI::Range(1U, 10'000'000U))
      ->capture_default_str()
      ->group(world);
  app.add_option("--skew", people.skew, "Zipf's exponent of the products' popularity; 0 is even")
      ->check(CLI::Range(0.0, 5.0))
      ->capture_default_str()
      ->group(world);
  options.shop.visits = 0;
  app.add_option("--visits", options.shop.visits,
                 "Visitors at the same time; default: so many that each does something about "
                 "every 30 s of event time, at most 200,000")
      ->check(not_negative())
      ->group(world);
  app.add_option("--catalogue", options.shop.catalogue,
                 "When users are announced on their topic: at the start, on their first visit, or "
                 "neither they nor the products at all; auto is start up to 100,000 users, else "
                 "visit")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, Catalogue>{{"auto", Catalogue::kAutomatic},
                                           {"start", Catalogue::kAtStart},
                                           {"visit", Catalogue::kOnFirstVisit},
                                           {"none", Catalogue::kNone}},
          CLI::ignore_case))
      ->type_name("auto|start|visit|none")
      ->group(world);

  add_weights(app, "--mix", options.shop.mix, "Product views, cart events, transactions");
  add_weights(app, "--view-types", options.shop.views, "view, search, filter, compare");
  add_weights(app, "--cart-types", options.shop.cart, "add, remove, update, checkout");
  add_weights(app, "--full-cart-types", options.shop.full_cart,
              "remove, update, checkout in a cart of 5 lines");
  add_weights(app, "--lines", options.shop.lines, "Orders of 1, 2, 3, 4, 5 lines");
  add_weights(app, "--quantities", options.shop.quantities, "Quantities 1, 2, 3");
  add_weights(app, "--countries", people.countries, "USA, UK, Germany, France, Japan");
  const std::string behaviour = "Behaviour";
  add_share(app, "--anomalies", options.shop.anomalies,
            "Anomalous orders: half by value, half by quantity", behaviour);
  add_share(app, "--abandoned", options.shop.abandoned, "Carts that end abandoned", behaviour);
  add_share(app, "--discounts", options.shop.discounts, "Orders with a discount", behaviour);
  add_share(app, "--same-category", options.shop.same_category,
            "Views that stay in the category of the one before", behaviour);
  add_share(app, "--preferred", options.shop.preferred, "Other views that follow preferences",
            behaviour);
  add_share(app, "--price-changes", options.shop.price_changes, "Price changes a transaction",
            behaviour);

  const std::string faults = "Faults";
  add_share(app, "--late", options.faults.late, "Events that come long after their time", faults);
  app.add_option("--late-by", options.faults.late_by,
                 "Seconds of event time that they are held back, up to twice as long")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str()
      ->group(faults);
  app.add_option("--disorder", options.faults.disorder,
                 "Any event comes up to so many seconds of event time after its time")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str()
      ->group(faults);
  add_share(app, "--duplicates", options.faults.duplicates, "Events that come again", faults);
  app.add_option("--duplicate-within", options.faults.duplicate_within,
                 "Seconds of event time after which they have come again")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str()
      ->group(faults);
  add_share(app, "--corrupt", options.faults.corrupt,
            "Events spoiled, in all the ways of the dead letters' reasons", faults);
  return [shared](StopSignal& stop) { return generate(*shared, stop); };
}

}  // namespace globalmart::generator
