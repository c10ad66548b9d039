#include "generator/shop.hpp"

#include <algorithm>
#include <stdexcept>

namespace globalmart::generator {
namespace {

// A visitor with nothing in the cart goes away with this chance before the next action.
constexpr double kLeaves = 1.0 / 12;

ShopOptions checked(ShopOptions options) {
  options.visits = std::clamp(options.visits, 1U, std::max(1U, options.world.users));
  if (options.catalogue == Catalogue::kAutomatic)
    options.catalogue =
        options.world.users <= 100'000 ? Catalogue::kAtStart : Catalogue::kOnFirstVisit;
  for (double share : {options.anomalies, options.abandoned, options.discounts,
                       options.same_category, options.preferred, options.price_changes})
    if (!(share >= 0 && share <= 1)) throw std::invalid_argument("a share is not between 0 and 1");
  return options;
}

/// The chance of an abandonment at each cart event that makes this share of the carts that end
/// end abandoned, when the others are checked out with the chance `checkout` a cart event.
double abandonment_chance(double abandoned, const std::vector<double>& cart) {
  double total = 0;
  for (double weight : cart) total += weight;
  if (total <= 0 || abandoned >= 1) return 0.2;
  const double checkout = cart.back() / total;
  return abandoned * checkout / (1 - abandoned + abandoned * checkout);
}

}  // namespace

Shop::Shop(const ShopOptions& options, Sink& out)
    : options_(checked(options)),
      out_(out),
      world_(options_.world),
      random_(mix(options_.world.seed) ^ mix(static_cast<uint64_t>(options_.world.start))),
      mix_(options_.mix),
      view_weights_(options_.views),
      cart_weights_(options_.cart),
      full_cart_weights_(options_.full_cart),
      line_weights_(options_.lines),
      quantity_weights_(options_.quantities),
      leaves_cart_(abandonment_chance(options_.abandoned, options_.cart)),
      visits_(options_.visits),
      announced_(options_.catalogue == Catalogue::kOnFirstVisit ? options_.world.users : 0) {}

void Shop::open() {
  if (options_.catalogue == Catalogue::kNone) return;
  const Instant start = options_.world.start;
  for (uint32_t product = 1; product <= world_.product_count(); ++product) {
    json_.clear();
    const std::string_view key = world_.write_product(json_, product, start);
    send(Topic::kProducts, key, start);
  }
  if (options_.catalogue != Catalogue::kAtStart) return;
  for (uint32_t number = 1; number <= world_.user_count(); ++number) {
    json_.clear();
    const std::string_view key = world_.write_user(json_, number, start);
    send(Topic::kUsers, key, start);
  }
}

void Shop::step(Instant now) {
  Visit& visit = visits_[random_.below(visits_.size())];
  if (visit.user == 0 || (visit.cart_lines == 0 && random_.chance(kLeaves))) arrive(visit, now);
  switch (mix_.pick(random_)) {
    case 0:
      return view_event(visit, now);
    case 1:
      return cart_event(visit, now);
    default:
      return transaction(visit, now);
  }
}

void Shop::arrive(Visit& visit, Instant now) {
  visit = Visit();
  visit.user = static_cast<uint32_t>(random_.below(world_.user_count())) + 1;
  const User user = world_.user(visit.user);
  visit.country = user.country;
  visit.preferences = user.preferences;
  visit.session_high = random_.next();
  visit.session_low = random_.next();
  if (announced_.empty() || announced_[visit.user - 1]) return;
  announced_[visit.user - 1] = true;
  json_.clear();
  const std::string_view key = world_.write_user(json_, visit.user, now);
  send(Topic::kUsers, key, now);
}

// --- what events have in common -----------------------------------------------------------------

void Shop::send(Topic topic, std::string_view key, Instant now) {
  out_.send({.topic = topic, .event_time = now, .key = key, .value = json_.text()});
}

std::string_view Shop::begin_event(std::string_view type, const Visit& visit, Instant now) {
  json_.clear();
  json_.raw("{\"event_id\":\"");
  const uint64_t high = random_.next();
  json_.uuid(high, random_.next());
  json_.raw("\",\"event_type\":\"").text(type);
  json_.raw("\",\"timestamp\":\"").instant(now).raw("\",\"user_id\":\"");
  const std::string_view user = json_.numbered("USER_", visit.user);
  json_.raw("\",\"session_id\":\"");
  json_.uuid(visit.session_high, visit.session_low);
  json_.raw("\"");
  return user;
}

void Shop::end_event(Topic topic, std::string_view key, const Visit& visit, Instant now) {
  json_.raw(",\"country\":\"").text(kCountries[visit.country]).raw("\"}");
  send(topic, key, now);
}

void Shop::write_product_members(uint32_t product) {
  json_.raw(",\"product_id\":\"");
  json_.numbered("PROD_", product);
  json_.raw("\",\"product_name\":\"");
  world_.write_product_name(json_, product);
  json_.raw("\",\"category\":\"").text(kCategories[World::category(product)]);
  json_.raw("\",\"price\":").money(world_.price(product));
}

uint32_t Shop::browse(Visit& visit) {
  uint32_t product;
  if (visit.category != kNothing && random_.chance(options_.same_category))
    product = world_.pick_product(random_, visit.category);
  else if (random_.chance(options_.preferred))
    product = world_.pick_product(random_, world_.pick_category(random_, visit.preferences));
  else
    product = world_.pick_product(random_);
  visit.category = World::category(product);
  return product;
}

// --- product views ------------------------------------------------------------------------------

void Shop::view_event(Visit& visit, Instant now) {
  static constexpr std::array<std::string_view, 4> kTypes = {"view", "search", "filter", "compare"};
  const size_t type = view_weights_.pick(random_);
  const std::string_view key = begin_event(kTypes[type], visit, now);
  switch (type) {
    case 0:
      view(visit);
      break;
    case 1:
      search(visit);
      break;
    case 2:
      filter(visit);
      break;
    default:
      compare(visit);
      break;
  }
  end_event(Topic::kViews, key, visit, now);
}

void Shop::view(Visit& visit) {
  write_product_members(browse(visit));
  json_.raw(",\"view_duration\":");
  const int64_t tenths = random_.between(50, 1200);
  json_.integer(tenths / 10);
  if (tenths % 10 != 0) json_.raw(".").integer(tenths % 10);
  if (visit.search_style != kNothing) {
    json_.raw(",\"from_search\":true");
    write_search(visit.search_style, visit.search_word);
    visit.search_style = kNothing;
  } else {
    json_.raw(",\"from_search\":false");
  }
  json_.raw(",\"previously_viewed_count\":").integer(visit.views++);
}

void Shop::write_search(uint32_t style, uint32_t word) {
  json_.raw(",\"search_query\":\"");
  if (style < kStyles.size()) json_.text(kStyles[style]).raw(" ");
  json_.text(word < kCategories.size() ? kCategories[word]
                                       : kSearchWords[word - kCategories.size()]);
  json_.raw("\"");
}

void Shop::search(Visit& visit) {
  // A third names a style and a category, a third a category, a third some word.
  const uint64_t kind = random_.below(3);
  visit.search_style =
      static_cast<uint32_t>(kind == 0 ? random_.below(kStyles.size()) : kStyles.size());
  if (kind == 2) {
    visit.search_word =
        static_cast<uint32_t>(kCategories.size() + random_.below(kSearchWords.size()));
  } else {
    visit.search_word = world_.pick_category(random_, visit.preferences);
    visit.category = visit.search_word;
  }
  write_search(visit.search_style, visit.search_word);
  json_.raw(",\"results_count\":").integer(random_.chance(0.1) ? 0 : random_.between(1, 200));
}

void Shop::filter(Visit& visit) {
  static constexpr std::array<int, 7> kSteps = {0, 50, 100, 250, 500, 1000, 2000};
  const uint64_t kind = random_.below(3);
  if (kind != 0) {
    const unsigned category = world_.pick_category(random_, visit.preferences);
    visit.category = category;
    json_.raw(",\"filter_category\":\"").text(kCategories[category]).raw("\"");
  }
  if (kind != 1) {
    const size_t step = random_.below(kSteps.size() - 1);
    json_.raw(",\"min_price\":").integer(kSteps[step]);
    json_.raw(",\"max_price\":").integer(kSteps[step + 1]);
  }
  json_.raw(",\"results_count\":").integer(random_.chance(0.1) ? 0 : random_.between(1, 200));
}

void Shop::compare(Visit& visit) {
  std::array<uint32_t, 4> products;
  const size_t count = 2 + random_.below(3);
  for (size_t i = 0; i < count; ++i) products[i] = browse(visit);
  bool one_category = true;
  json_.raw(",\"product_ids\":[");
  for (size_t i = 0; i < count; ++i) {
    one_category &= World::category(products[i]) == World::category(products[0]);
    if (i > 0) json_.raw(",");
    json_.raw("\"");
    json_.numbered("PROD_", products[i]);
    json_.raw("\"");
  }
  json_.raw("],\"product_names\":[");
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) json_.raw(",");
    json_.raw("\"");
    world_.write_product_name(json_, products[i]);
    json_.raw("\"");
  }
  json_.raw("],\"prices\":[");
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) json_.raw(",");
    json_.money(world_.price(products[i]));
  }
  json_.raw("],\"category\":\"");
  json_.text(one_category ? kCategories[World::category(products[0])] : "mixed").raw("\"");
}

}  // namespace globalmart::generator
