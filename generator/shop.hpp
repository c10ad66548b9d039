#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "generator/json_writer.hpp"
#include "generator/message.hpp"
#include "generator/random.hpp"
#include "generator/world.hpp"

namespace globalmart::generator {

/// When the users are announced on their topic.
enum class Catalogue {
  kAutomatic,  // at the start up to 100,000 users, else as they first appear
  kAtStart,
  kOnFirstVisit,
  kNone
};

/// How people behave. Weights need not add up to one.
struct ShopOptions {
  WorldOptions world;
  Catalogue catalogue = Catalogue::kAutomatic;
  uint32_t visits = 3'000;                       // visitors at the same time
  std::vector<double> mix = {60, 30, 10};        // views, cart events, transactions
  std::vector<double> views = {60, 20, 15, 5};   // view, search, filter, compare
  std::vector<double> cart = {50, 20, 20, 10};   // add, remove, update, checkout
  std::vector<double> full_cart = {40, 20, 40};  // remove, update, checkout at five lines
  std::vector<double> lines = {50, 30, 15, 4, 1};
  std::vector<double> quantities = {80, 15, 5};
  double anomalies = 0.02;      // share of orders: half by value, half by quantity
  double abandoned = 0.7;       // share of the carts that end that end abandoned
  double discounts = 0.12;      // share of orders
  double same_category = 0.7;   // a view stays in the category of the one before
  double preferred = 0.6;       // else it follows the preferences
  double price_changes = 0.01;  // a transaction
};

/// People in the shop: each step one of them does something, and what follows from it (stock,
/// prices) happens too. Deterministic for the options. Memory: World's, 96 bytes a visit, and a
/// bit a user when users are announced as they first appear. One thread.
class Shop {
 public:
  /// The sink must outlive the shop. Throws std::invalid_argument for impossible options.
  Shop(const ShopOptions& options, Sink& out);

  /// Sends the catalogue as of the start.
  void open();

  /// One view, cart event or transaction at this time, never before the last one's, and the
  /// inventory and catalogue messages that follow from it.
  void step(Instant now);

  const World& world() const { return world_; }

 private:
  static constexpr unsigned kCartLines = 5;
  static constexpr unsigned kNothing = UINT32_MAX;

  struct CartLine {
    uint32_t product;
    int32_t quantity;
  };
  struct Visit {
    uint32_t user = 0;  // 0: nobody yet
    uint8_t country = 0;
    uint8_t preferences = 0;
    uint8_t cart_lines = 0;
    int32_t views = 0;
    uint32_t category = kNothing;
    uint32_t search_style = kNothing;  // what was searched last, until the next view
    uint32_t search_word = 0;
    uint64_t session_high = 0;
    uint64_t session_low = 0;
    std::array<CartLine, kCartLines> cart;
  };

  void arrive(Visit& visit, Instant now);
  void view_event(Visit& visit, Instant now);
  void cart_event(Visit& visit, Instant now);
  void transaction(Visit& visit, Instant now);

  void view(Visit& visit);
  void search(Visit& visit);
  void filter(Visit& visit);
  void compare(Visit& visit);
  void write_search(uint32_t style, uint32_t word);

  void add_to_cart(Visit& visit, Instant now);
  void change_cart(Visit& visit, Instant now, bool remove);
  void check_out(Visit& visit, Instant now);
  void abandon(Visit& visit, Instant now);
  int64_t cart_value(const Visit& visit) const;

  void sell(uint32_t product, unsigned country, int32_t quantity, Instant now);
  void stock_update(uint32_t product, unsigned country, int32_t delta, Instant now);
  void price_change(Instant now);

  /// Writes what the events of a visit begin with; returns the user's id in it.
  std::string_view begin_event(std::string_view type, const Visit& visit, Instant now);
  void write_product_members(uint32_t product);
  void end_event(Topic topic, std::string_view key, const Visit& visit, Instant now);
  void send(Topic topic, std::string_view key, Instant now);

  uint32_t browse(Visit& visit);

  ShopOptions options_;
  Sink& out_;
  World world_;
  Random random_;
  Weights<3> mix_;
  Weights<4> view_weights_;
  Weights<4> cart_weights_;
  Weights<3> full_cart_weights_;
  Weights<5> line_weights_;
  Weights<3> quantity_weights_;
  double leaves_cart_;  // chance that a cart event is the abandonment of a cart
  std::vector<Visit> visits_;
  std::vector<bool> announced_;  // by user, when they are announced as they first appear
  JsonWriter json_;
};

}  // namespace globalmart::generator
