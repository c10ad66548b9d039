#include "generator/shop.hpp"

#include <algorithm>
#include <stdexcept>

namespace globalmart::generator {
namespace {

// A visitor with nothing in the cart goes away with this chance before the next action.
constexpr double kLeaves = 1.0 / 12;

constexpr int32_t kMostOfAProduct = 100;           // in a cart
constexpr int64_t kLargestOrder = 100'000'00;      // cents; the contract's limit
constexpr int64_t kAnomalyFrom = 5'000'00;         // cents
constexpr int64_t kAnomalyTo = 15'000'00;          // cents
constexpr int64_t kDearestAnomalyLine = 9'000'00;  // cents; below the contract's highest price

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

// --- carts --------------------------------------------------------------------------------------

int64_t Shop::cart_value(const Visit& visit) const {
  int64_t value = 0;
  for (unsigned i = 0; i < visit.cart_lines; ++i)
    value += int64_t{world_.price(visit.cart[i].product)} * visit.cart[i].quantity;
  return value;
}

void Shop::cart_event(Visit& visit, Instant now) {
  if (visit.cart_lines == 0) return add_to_cart(visit, now);
  if (random_.chance(leaves_cart_)) return abandon(visit, now);
  const bool full = visit.cart_lines == kCartLines;
  size_t action = full ? full_cart_weights_.pick(random_) + 1 : cart_weights_.pick(random_);
  // Nothing is ever checked out where every cart is to end abandoned.
  if (action == 3 && options_.abandoned >= 1) action = 2;
  switch (action) {
    case 0:
      return add_to_cart(visit, now);
    case 1:
      return change_cart(visit, now, true);
    case 2:
      return change_cart(visit, now, false);
    default:
      return check_out(visit, now);
  }
}

void Shop::add_to_cart(Visit& visit, Instant now) {
  const uint32_t product = browse(visit);
  auto quantity = static_cast<int32_t>(quantity_weights_.pick(random_) + 1);
  unsigned at = 0;
  while (at < visit.cart_lines && visit.cart[at].product != product) ++at;
  if (at == visit.cart_lines) visit.cart[visit.cart_lines++] = {product, 0};
  quantity = std::min(quantity, kMostOfAProduct - visit.cart[at].quantity);
  visit.cart[at].quantity += quantity;

  const std::string_view key = begin_event("add_to_cart", visit, now);
  json_.raw(",\"quantity\":").integer(quantity);
  write_product_members(product);
  json_.raw(",\"cart_size\":").integer(visit.cart_lines);
  json_.raw(",\"cart_value\":").money(cart_value(visit));
  end_event(Topic::kCart, key, visit, now);
}

void Shop::change_cart(Visit& visit, Instant now, bool remove) {
  const uint64_t at = random_.below(visit.cart_lines);
  const CartLine line = visit.cart[at];
  const std::string_view key =
      begin_event(remove ? "remove_from_cart" : "update_quantity", visit, now);
  if (remove) {
    visit.cart[at] = visit.cart[--visit.cart_lines];
    json_.raw(",\"quantity\":").integer(line.quantity);
  } else {
    auto wanted = static_cast<int32_t>(random_.between(1, 4));
    if (wanted >= line.quantity) ++wanted;  // another quantity than now, 1-5
    visit.cart[at].quantity = wanted;
    json_.raw(",\"old_quantity\":").integer(line.quantity);
    json_.raw(",\"new_quantity\":").integer(wanted);
  }
  write_product_members(line.product);
  json_.raw(",\"cart_size\":").integer(visit.cart_lines);
  json_.raw(",\"cart_value\":").money(cart_value(visit));
  end_event(Topic::kCart, key, visit, now);
}

void Shop::check_out(Visit& visit, Instant now) {
  const std::string_view key = begin_event("checkout", visit, now);
  int64_t pieces = 0;
  json_.raw(",\"items\":[");
  for (unsigned i = 0; i < visit.cart_lines; ++i) {
    const CartLine& line = visit.cart[i];
    if (i > 0) json_.raw(",");
    json_.raw("{\"quantity\":").integer(line.quantity);
    write_product_members(line.product);
    json_.raw("}");
    pieces += line.quantity;
  }
  json_.raw("],\"total_items\":").integer(pieces);
  json_.raw(",\"total_value\":").money(cart_value(visit));
  json_.raw(",\"cart_size\":").integer(visit.cart_lines);
  visit.cart_lines = 0;
  end_event(Topic::kCart, key, visit, now);
}

void Shop::abandon(Visit& visit, Instant now) {
  const std::string_view key = begin_event("cart_abandonment", visit, now);
  json_.raw(",\"cart_size\":").integer(visit.cart_lines);
  json_.raw(",\"cart_value\":").money(cart_value(visit));
  end_event(Topic::kCart, key, visit, now);
  visit.user = 0;  // gone; somebody else comes in
}

// --- orders and stock ---------------------------------------------------------------------------

void Shop::transaction(Visit& visit, Instant now) {
  struct Line {
    uint32_t product;
    int32_t quantity;
    int64_t price;
  };
  std::array<Line, 5> lines;
  size_t count = line_weights_.pick(random_) + 1;
  const bool anomaly = random_.chance(options_.anomalies);
  const bool by_quantity = anomaly && random_.below(2) == 0;
  int64_t total = 0;
  if (by_quantity) {
    // 50-100 units on every line, as far as the contract's largest order goes.
    size_t filled = 0;
    for (int attempt = 0; filled < count && attempt < 40; ++attempt) {
      const uint32_t product = browse(visit);
      const int64_t price = world_.price(product);
      const int64_t most = std::min<int64_t>(100, (kLargestOrder - total) / price);
      if (most < 50) continue;
      const auto quantity = static_cast<int32_t>(random_.between(50, most));
      lines[filled++] = {product, quantity, price};
      total += quantity * price;
    }
    count = filled;
  } else if (anomaly) {
    const int64_t target = random_.between(kAnomalyFrom, kAnomalyTo);
    if (count == 1 && target > kDearestAnomalyLine) count = 2;
    for (size_t i = 0; i < count; ++i) {
      const int64_t price = (target - total) / static_cast<int64_t>(count - i);
      lines[i] = {browse(visit), 1, price};
      total += price;
    }
  } else {
    for (size_t i = 0; i < count; ++i) {
      const uint32_t product = browse(visit);
      lines[i] = {product, static_cast<int32_t>(quantity_weights_.pick(random_) + 1),
                  world_.price(product)};
      total += lines[i].quantity * lines[i].price;
    }
  }
  int64_t discount = 0;
  if (!anomaly && random_.chance(options_.discounts))
    discount = total * random_.between(5, 20) / 100;

  json_.clear();
  json_.raw("{\"transaction_id\":\"");
  const uint64_t high = random_.next();
  const std::string_view key = json_.uuid(high, random_.next());
  json_.raw("\",\"user_id\":\"");
  json_.numbered("USER_", visit.user);
  json_.raw("\",\"timestamp\":\"").instant(now).raw("\",\"products\":[");
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) json_.raw(",");
    json_.raw("{\"product_id\":\"");
    json_.numbered("PROD_", lines[i].product);
    json_.raw("\",\"quantity\":").integer(lines[i].quantity);
    json_.raw(",\"price\":").money(lines[i].price).raw("}");
  }
  json_.raw("],\"total_amount\":").money(total - discount);
  json_.raw(",\"payment_method\":\"").text(kPaymentMethods[random_.below(kPaymentMethods.size())]);
  json_.raw("\",\"country\":\"").text(kCountries[visit.country]).raw("\"");
  if (discount > 0) json_.raw(",\"discount_amount\":").money(discount);
  json_.raw("}");
  send(Topic::kTransactions, key, now);

  for (size_t i = 0; i < count; ++i) sell(lines[i].product, visit.country, lines[i].quantity, now);
  if (random_.chance(options_.price_changes)) price_change(now);
}

void Shop::sell(uint32_t product, unsigned country, int32_t quantity, Instant now) {
  int32_t& level = world_.stock(product, country);
  if (level < quantity)
    stock_update(product, country, static_cast<int32_t>(random_.between(100, 500)), now);
  stock_update(product, country, -quantity, now);
  if (level < 20 && random_.chance(0.3))
    stock_update(product, country, static_cast<int32_t>(random_.between(100, 500)), now);
}

void Shop::stock_update(uint32_t product, unsigned country, int32_t delta, Instant now) {
  int32_t& level = world_.stock(product, country);
  level += delta;
  json_.clear();
  json_.raw("{\"event_id\":\"");
  const uint64_t high = random_.next();
  json_.uuid(high, random_.next());
  json_.raw("\",\"event_type\":\"stock_update\",\"timestamp\":\"").instant(now);
  json_.raw("\",\"product_id\":\"");
  const std::string_view key = json_.numbered("PROD_", product);
  json_.raw("\",\"country\":\"").text(kCountries[country]);
  json_.raw("\",\"stock_level\":").integer(level);
  json_.raw(",\"delta\":").integer(delta).raw("}");
  send(Topic::kInventory, key, now);
}

void Shop::price_change(Instant now) {
  const uint32_t product = world_.pick_product(random_);
  const int32_t before = world_.price(product);
  const int32_t after = world_.change_price(product, random_);
  json_.clear();
  json_.raw("{\"event_id\":\"");
  const uint64_t high = random_.next();
  json_.uuid(high, random_.next());
  json_.raw("\",\"event_type\":\"price_change\",\"timestamp\":\"").instant(now);
  json_.raw("\",\"product_id\":\"");
  std::string_view key = json_.numbered("PROD_", product);
  json_.raw("\",\"old_price\":").money(before).raw(",\"new_price\":").money(after).raw("}");
  send(Topic::kInventory, key, now);
  if (options_.catalogue == Catalogue::kNone) return;
  json_.clear();
  key = world_.write_product(json_, product, now);
  send(Topic::kProducts, key, now);
}

}  // namespace globalmart::generator
