// Orders in the shop, and the stock and prices that follow from them.
#include <algorithm>

#include "generator/shop.hpp"

namespace globalmart::generator {
namespace {

constexpr int64_t kLargestOrder = 100'000'00;      // cents; the contract's limit
constexpr int64_t kAnomalyFrom = 5'000'00;         // cents
constexpr int64_t kAnomalyTo = 15'000'00;          // cents
constexpr int64_t kDearestAnomalyLine = 9'000'00;  // cents; below the contract's highest price

}  // namespace

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
