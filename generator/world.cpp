#include "generator/world.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace globalmart::generator {
namespace {

constexpr int32_t kCheapest = 100;     // cents
constexpr int32_t kDearest = 200'000;  // cents

// Domains of the hashes: the same number as a user and as a product must not share its luck.
constexpr uint64_t kUserDomain = 0x75736572;
constexpr uint64_t kProductDomain = 0x70726f64;

double unit_of(uint64_t hash) { return static_cast<double>(hash >> 11) * 0x1.0p-53; }

uint32_t at_least_one(uint32_t count, const char* what) {
  if (count == 0) throw std::invalid_argument(what);
  return count;
}

}  // namespace

World::World(const WorldOptions& options)
    : options_(options),
      user_salt_(mix(options.seed ^ kUserDomain)),
      product_salt_(mix(options.seed ^ kProductDomain)),
      countries_(options.countries),
      popularity_(at_least_one(options.products, "there must be a product"), options.skew),
      prices_(options.products),
      stock_(size_t{options.products} * kCountries.size()) {
  at_least_one(options.users, "there must be a user");
  for (uint32_t product = 1; product <= options.products; ++product) {
    const uint64_t hash = mix(product_salt_ ^ product);
    // Even on a logarithmic scale from 3 to 2,000: many cheap things, a few dear ones.
    prices_[product - 1] = static_cast<int32_t>(
        std::clamp(std::lround(300 * std::pow(kDearest / 300.0, unit_of(hash))), 300L, 200'000L));
    for (unsigned country = 0; country < kCountries.size(); ++country)
      stock(product, country) = static_cast<int32_t>(50 + mix(hash + country) % 950);
  }
}

User World::user(uint32_t number) const {
  const uint64_t hash = mix(user_salt_ ^ number);
  const uint64_t more = mix(hash);
  User user;
  user.country = static_cast<uint8_t>(countries_.pick(unit_of(hash)));
  user.age_range = static_cast<uint8_t>((more & 0xffff) % kAgeRanges.size());
  user.preferences = 0;
  const unsigned wanted = 1 + (more >> 16 & 0xff) % 3;
  for (unsigned i = 0; i < wanted; ++i)
    user.preferences |=
        static_cast<uint8_t>(1U << ((more >> (24 + 10 * i) & 0x3ff) % kCategoryGroups.size()));
  constexpr int64_t kThreeYears = 3 * 365 * 86400LL;
  const auto ago = static_cast<int64_t>(mix(more) % kThreeYears);
  user.registered_at = (options_.start / kSecond - ago) * kSecond;
  return user;
}

unsigned World::category_count() const {
  return static_cast<unsigned>(std::min<size_t>(options_.products, kCategories.size()));
}

uint32_t World::pick_product(Random& random, unsigned category) const {
  // The same shelf height, another shelf: within a category popularity is skewed as over all.
  const uint32_t rank = popularity_.pick(random);
  const auto shelves = static_cast<uint32_t>(kCategories.size());
  uint32_t index = rank / shelves * shelves + category;
  if (index >= options_.products) index = category < options_.products ? category : rank;
  return index + 1;
}

unsigned World::pick_category(Random& random, uint8_t preferences) const {
  unsigned groups[kCategoryGroups.size()];
  unsigned count = 0;
  for (unsigned group = 0; group < kCategoryGroups.size(); ++group)
    if (preferences >> group & 1) groups[count++] = group;
  const CategoryGroup& group = kCategoryGroups[groups[random.below(count)]];
  return group.first + static_cast<unsigned>(random.below(group.count));
}

int32_t World::change_price(uint32_t product, Random& random) {
  const int32_t before = price(product);
  const auto moved = static_cast<int32_t>(std::lround(before * (0.8 + 0.4 * random.unit())));
  int32_t after = std::clamp(moved, kCheapest, kDearest);
  if (after == before) after += before < kDearest ? 1 : -1;
  return prices_[product - 1] = after;
}

void World::write_product_name(JsonWriter& json, uint32_t product) const {
  const uint64_t style = mix(mix(product_salt_ ^ product) + 100) % kStyles.size();
  json.text(kStyles[style]).raw(" ").text(kCategories[category(product)]).raw(" ").integer(product);
}

std::string_view World::write_user(JsonWriter& json, uint32_t number, Instant time) const {
  const User who = user(number);
  json.raw("{\"user_id\":\"");
  const std::string_view key = json.numbered("USER_", number);
  json.raw("\",\"timestamp\":\"").instant(time);
  json.raw("\",\"country\":\"").text(kCountries[who.country]);
  json.raw("\",\"age_range\":\"").text(kAgeRanges[who.age_range]);
  json.raw("\",\"preferences\":[");
  bool first = true;
  for (unsigned group = 0; group < kCategoryGroups.size(); ++group) {
    if (!(who.preferences >> group & 1)) continue;
    if (!first) json.raw(",");
    json.raw("\"").text(kCategoryGroups[group].name).raw("\"");
    first = false;
  }
  json.raw("],\"registered_at\":\"").instant(who.registered_at).raw("\"}");
  return key;
}

std::string_view World::write_product(JsonWriter& json, uint32_t product, Instant time) {
  int64_t stock_level = 0;
  for (unsigned country = 0; country < kCountries.size(); ++country)
    stock_level += stock(product, country);
  const uint64_t rating = 10 + mix(mix(product_salt_ ^ product) + 200) % 41;
  json.raw("{\"product_id\":\"");
  const std::string_view key = json.numbered("PROD_", product);
  json.raw("\",\"timestamp\":\"").instant(time).raw("\",\"product_name\":\"");
  write_product_name(json, product);
  json.raw("\",\"category\":\"").text(kCategories[category(product)]);
  json.raw("\",\"price\":").money(price(product));
  json.raw(",\"rating\":").integer(static_cast<int64_t>(rating / 10)).raw(".");
  json.integer(static_cast<int64_t>(rating % 10));
  json.raw(",\"stock_level\":").integer(stock_level).raw("}");
  return key;
}

}  // namespace globalmart::generator
