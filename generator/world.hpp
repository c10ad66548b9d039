#pragma once

#include <cstdint>
#include <vector>

#include "generator/categories.hpp"
#include "generator/event_time.hpp"
#include "generator/json_writer.hpp"
#include "generator/random.hpp"
#include "generator/zipf.hpp"

namespace globalmart::generator {

/// What a user is like. It follows from the seed and the number alone.
struct User {
  uint8_t country;      // index in kCountries
  uint8_t age_range;    // index in kAgeRanges
  uint8_t preferences;  // one bit for each of kCategoryGroups, 1-3 set
  Instant registered_at;
};

struct WorldOptions {
  uint64_t seed = 1;
  Instant start = 0;
  uint32_t users = 10'000;                          // 1 to 10 million and more
  uint32_t products = 1'000;                        // 1 and more
  double skew = 1.0;                                // Zipf's exponent of the products' popularity
  std::vector<double> countries = {1, 1, 1, 1, 1};  // weights, by kCountries
};

/// The users and products of the shop. Users take no memory; a product takes 32 bytes: price, a
/// stock level in each country, and its popularity. Users and products are numbered from 1.
/// One thread.
class World {
 public:
  explicit World(const WorldOptions& options);

  uint32_t user_count() const { return options_.users; }
  uint32_t product_count() const { return options_.products; }

  User user(uint32_t number) const;

  /// A product by popularity: number 1 is the most popular.
  uint32_t pick_product(Random& random) const { return popularity_.pick(random) + 1; }
  /// A product of this category by popularity.
  uint32_t pick_product(Random& random, unsigned category) const;
  /// A category that one of the preferred groups holds.
  unsigned pick_category(Random& random, uint8_t preferences) const;

  static unsigned category(uint32_t product) { return (product - 1) % kCategories.size(); }
  unsigned category_count() const;

  /// Cents, 1.00 to 2,000.00: 50 of the dearest still are an order that the contract allows.
  int32_t price(uint32_t product) const { return prices_[product - 1]; }
  /// Moves a price by up to a fifth; returns the new one, which differs.
  int32_t change_price(uint32_t product, Random& random);

  int32_t& stock(uint32_t product, unsigned country) {
    return stock_[size_t{product - 1} * kCountries.size() + country];
  }

  void write_product_name(JsonWriter& json, uint32_t product) const;
  /// The messages of the catalogue; both return the key, which lies in the writer.
  std::string_view write_user(JsonWriter& json, uint32_t number, Instant time) const;
  std::string_view write_product(JsonWriter& json, uint32_t product, Instant time);

 private:
  WorldOptions options_;
  uint64_t user_salt_;
  uint64_t product_salt_;
  Weights<kCountries.size()> countries_;
  Zipf popularity_;
  std::vector<int32_t> prices_;
  std::vector<int32_t> stock_;
};

}  // namespace globalmart::generator
