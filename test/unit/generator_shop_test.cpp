// What the shop sends: deterministic, valid, consistent, and distributed as the contract says.

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "generator/shop.hpp"
#include "generator_support.hpp"

namespace globalmart::generator {
namespace {

using Json = nlohmann::json;

constexpr int kSteps = 60'000;

/// Messages of one long run, parsed once for all tests.
class Shop60000 : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    for (KeptMessage& message : run_shop(small_shop(), kSteps))
      events_[index_of(message.topic)].push_back(Json::parse(*message.value));
  }
  static void TearDownTestSuite() {
    for (auto& events : events_) events.clear();
  }

  static const std::vector<Json>& of(Topic topic) { return events_[index_of(topic)]; }

  static std::map<std::string, double> types(Topic topic) {
    std::map<std::string, double> counts;
    for (const Json& event : of(topic)) ++counts[event["event_type"]];
    return counts;
  }

  static inline std::array<std::vector<Json>, kTopicCount> events_;
};

/// Chi-square per degree of freedom; around 1 when the counts follow the weights.
double misfit(const std::vector<double>& counts, const std::vector<double>& weights) {
  double total = 0, sum = 0, square = 0;
  for (double count : counts) total += count;
  for (double weight : weights) sum += weight;
  for (size_t i = 0; i < counts.size(); ++i) {
    const double expected = total * weights[i] / sum;
    square += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  return square / static_cast<double>(counts.size() - 1);
}

int64_t cents(const Json& amount) { return std::llround(amount.get<double>() * 100); }

TEST(Shop, SameSeedAndStartGiveTheSameMessages) {
  EXPECT_EQ(run_shop(small_shop(7), 3'000), run_shop(small_shop(7), 3'000));
}

TEST(Shop, AnotherSeedOrStartGivesOthers) {
  const auto first = run_shop(small_shop(7), 100);
  EXPECT_NE(first, run_shop(small_shop(8), 100));
  ShopOptions later = small_shop(7);
  later.world.start += kSecond;
  EXPECT_NE(first.back().value, run_shop(later, 100).back().value);
}

TEST(Shop, FaultsDoNotChangeTheEvents) {
  std::set<std::string> plain, disordered;
  for (const auto& message : run_shop(small_shop(), 2'000)) plain.insert(*message.value);
  for (const auto& message : run_shop(small_shop(), 2'000, {.disorder = 30}))
    disordered.insert(*message.value);
  EXPECT_EQ(plain, disordered);
}

TEST_F(Shop60000, MixFollowsTheWeights) {
  const std::vector<double> counts = {static_cast<double>(of(Topic::kViews).size()),
                                      static_cast<double>(of(Topic::kCart).size()),
                                      static_cast<double>(of(Topic::kTransactions).size())};
  EXPECT_LT(misfit(counts, {60, 30, 10}), 4);
  auto views = types(Topic::kViews);
  EXPECT_LT(
      misfit({views["view"], views["search"], views["filter"], views["compare"]}, {60, 20, 15, 5}),
      4);
}

TEST_F(Shop60000, CartActionsFollowTheWeightsWhereThereIsAChoice) {
  // The first event of a cart can only be an addition, so these are left out, and full carts too.
  std::map<std::string, int64_t> size_of;
  std::map<std::string, double> counts;
  for (const Json& event : of(Topic::kCart)) {
    int64_t& size = size_of[event["session_id"]];
    const std::string type = event["event_type"];
    if (size > 0 && size < 5) ++counts[type];
    size = type == "checkout" ? 0 : event["cart_size"].get<int64_t>();
  }
  EXPECT_LT(misfit({counts["add_to_cart"], counts["remove_from_cart"], counts["update_quantity"],
                    counts["checkout"]},
                   {50, 20, 20, 10}),
            4);
}

TEST_F(Shop60000, SeventyPercentOfCartsEndAbandoned) {
  auto carts = types(Topic::kCart);
  const double ended = carts["cart_abandonment"] + carts["checkout"];
  EXPECT_NEAR(carts["cart_abandonment"] / ended, 0.7, 0.05);
}

TEST_F(Shop60000, CartsKeepTheirState) {
  struct Line {
    int64_t quantity;
    int64_t price;
  };
  std::map<std::string, std::map<std::string, Line>> carts;
  for (const Json& event : of(Topic::kCart)) {
    auto& cart = carts[event["session_id"]];
    const std::string type = event["event_type"];
    if (type == "cart_abandonment" || type == "checkout") {
      EXPECT_EQ(event["cart_size"], cart.size());
      EXPECT_FALSE(cart.empty());
      if (type == "checkout") {
        EXPECT_EQ(event["items"].size(), cart.size());
        int64_t pieces = 0;
        for (const Json& item : event["items"]) {
          EXPECT_EQ(item["quantity"], cart.at(item["product_id"]).quantity);
          pieces += item["quantity"].get<int64_t>();
        }
        EXPECT_EQ(event["total_items"], pieces);
      }
      cart.clear();
      continue;
    }
    const std::string product = event["product_id"];
    if (type == "add_to_cart") {
      cart[product].quantity += event["quantity"].get<int64_t>();
    } else if (type == "remove_from_cart") {
      EXPECT_EQ(event["quantity"], cart.at(product).quantity);
      cart.erase(product);
    } else {
      EXPECT_EQ(event["old_quantity"], cart.at(product).quantity);
      EXPECT_NE(event["old_quantity"], event["new_quantity"]);
      cart[product].quantity = event["new_quantity"];
    }
    EXPECT_EQ(event["cart_size"], cart.size());
    EXPECT_LE(cart.size(), 5U);
  }
}

TEST_F(Shop60000, OrdersFollowTheWeights) {
  std::vector<double> lines(5), quantities(3);
  double by_value = 0, by_quantity = 0;
  for (const Json& order : of(Topic::kTransactions)) {
    int64_t total = order.contains("discount_amount") ? -cents(order["discount_amount"]) : 0;
    bool ordinary = true, many = true;
    for (const Json& line : order["products"]) {
      const int64_t quantity = line["quantity"];
      ASSERT_GE(quantity, 1);
      ASSERT_LE(quantity, 100);
      total += quantity * cents(line["price"]);
      many &= quantity >= 50;
      ordinary &= quantity <= 3;
      if (quantity <= 3) ++quantities[static_cast<size_t>(quantity - 1)];
    }
    ASSERT_EQ(total, cents(order["total_amount"]));
    ASSERT_LE(total, 100'000'00);
    EXPECT_TRUE(ordinary || many) << order;
    ++lines[order["products"].size() - 1];
    by_quantity += many;
    // An anomaly by value splits its total evenly, off the price list.
    by_value += !many && total >= 5'000'00 && total <= 15'000'00;
  }
  const auto orders = static_cast<double>(of(Topic::kTransactions).size());
  EXPECT_LT(misfit(lines, {50, 30, 15, 4, 1}), 4);
  EXPECT_NEAR(by_quantity / orders, 0.01, 0.004);
  EXPECT_GT(by_value / orders, 0.006);
  const double pieces = quantities[0] + quantities[1] + quantities[2];
  EXPECT_NEAR(quantities[0] / pieces, 0.80, 0.02);
  EXPECT_NEAR(quantities[1] / pieces, 0.15, 0.02);
}

TEST_F(Shop60000, IdsAndTimesHaveTheirForms) {
  const std::regex uuid("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  const std::regex user("USER_[0-9]{8}"), product("PROD_[0-9]{8}");
  const std::regex time("2025-11-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z");
  std::set<std::string> ids;
  size_t events = 0;
  for (Topic topic : {Topic::kTransactions, Topic::kCart, Topic::kViews, Topic::kInventory}) {
    const char* const id = topic == Topic::kTransactions ? "transaction_id" : "event_id";
    for (const Json& event : of(topic)) {
      ++events;
      ids.insert(event[id]);
      ASSERT_TRUE(std::regex_match(event[id].get<std::string>(), uuid)) << event;
      ASSERT_TRUE(std::regex_match(event["timestamp"].get<std::string>(), time)) << event;
      const auto fits = [&event](const char* member, const std::regex& form) {
        return !event.contains(member) || std::regex_match(event[member].get<std::string>(), form);
      };
      ASSERT_TRUE(fits("user_id", user) && fits("session_id", uuid) && fits("product_id", product))
          << event;
    }
  }
  EXPECT_EQ(ids.size(), events) << "an id came twice";
}

TEST_F(Shop60000, ViewsHaveWhatTheirTypeRequires) {
  for (const Json& event : of(Topic::kViews)) {
    const std::string type = event["event_type"];
    if (type == "view") {
      EXPECT_GE(event["view_duration"].get<double>(), 5);
      EXPECT_LE(event["view_duration"].get<double>(), 120);
      EXPECT_TRUE(event.contains("product_name") && event.contains("category"));
      EXPECT_EQ(event["from_search"].get<bool>(), event.contains("search_query"));
    } else if (type == "compare") {
      EXPECT_EQ(event["product_ids"].size(), event["prices"].size());
      EXPECT_EQ(event["product_ids"].size(), event["product_names"].size());
    } else {
      EXPECT_TRUE(event.contains("results_count"));
    }
  }
}

TEST_F(Shop60000, StockFollowsWhatWasSold) {
  std::map<std::string, int64_t> level;
  std::map<std::string, int64_t> sold, taken;
  double updates = 0, changes = 0;
  for (const Json& event : of(Topic::kInventory)) {
    if (event["event_type"] == "price_change") {
      EXPECT_NE(event["old_price"], event["new_price"]);
      ++changes;
      continue;
    }
    ++updates;
    const std::string product = event["product_id"];
    const std::string shelf = product + event["country"].get<std::string>();
    const int64_t now = event["stock_level"], delta = event["delta"];
    EXPECT_GE(now, 0);
    EXPECT_TRUE(!level.contains(shelf) || level[shelf] + delta == now) << event;
    level[shelf] = now;
    if (delta < 0) taken[product] -= delta;
  }
  for (const Json& order : of(Topic::kTransactions))
    for (const Json& line : order["products"])
      sold[line["product_id"]] += line["quantity"].get<int64_t>();
  EXPECT_EQ(sold, taken);
  EXPECT_NEAR(changes / static_cast<double>(of(Topic::kTransactions).size()), 0.01, 0.005);
  EXPECT_GT(updates, 0);
}

TEST_F(Shop60000, TheCatalogueKnowsEverybody) {
  std::map<std::string, Json> users, products;
  for (const Json& user : of(Topic::kUsers)) {
    EXPECT_GE(user["preferences"].size(), 1U);
    EXPECT_LE(user["preferences"].size(), 3U);
    users[user["user_id"]] = user;
  }
  for (const Json& product : of(Topic::kProducts)) products[product["product_id"]] = product;
  EXPECT_EQ(users.size(), 500U);
  EXPECT_EQ(products.size(), 200U);
  for (const Json& event : of(Topic::kCart))
    EXPECT_EQ(users.at(event["user_id"])["country"], event["country"]);
  for (const Json& event : of(Topic::kViews)) {
    if (event["event_type"] != "view") continue;
    EXPECT_EQ(products.at(event["product_id"])["category"], event["category"]);
    EXPECT_EQ(products.at(event["product_id"])["product_name"], event["product_name"]);
  }
}

TEST_F(Shop60000, PopularityIsSkewed) {
  std::map<std::string, double> counts;
  double total = 0;
  for (const Json& order : of(Topic::kTransactions))
    for (const Json& line : order["products"]) ++counts[line["product_id"]], ++total;
  std::vector<double> sorted;
  for (const auto& [product, count] : counts) sorted.push_back(count);
  std::sort(sorted.rbegin(), sorted.rend());
  double top = 0;
  for (size_t i = 0; i < 20; ++i) top += sorted[i];
  EXPECT_GT(top / total, 0.25) << "a tenth of the products";
}

TEST(Shop, UsersAreAnnouncedOnTheirFirstVisit) {
  ShopOptions options = small_shop();
  options.catalogue = Catalogue::kOnFirstVisit;
  std::set<std::string> announced;
  for (const KeptMessage& message : run_shop(options, 5'000)) {
    const bool visitor = message.topic == Topic::kCart || message.topic == Topic::kViews;
    EXPECT_TRUE(!visitor || announced.contains(*message.key));
    EXPECT_TRUE(message.topic != Topic::kUsers || announced.insert(*message.key).second);
  }
  EXPECT_GT(announced.size(), 100U);
}

TEST(Shop, KeysAreWhatTheContractSays) {
  for (const KeptMessage& message : run_shop(small_shop(), 1'000)) {
    const Json value = Json::parse(*message.value);
    EXPECT_EQ(*message.key, value[std::string(key_member(message.topic))]);
  }
}

TEST(Shop, OneUserAndOneProductAreEnough) {
  ShopOptions options = small_shop();
  options.world.users = options.world.products = 1;
  for (const KeptMessage& message : run_shop(options, 500))
    EXPECT_TRUE(Json::accept(*message.value));
}

TEST(Shop, RefusesImpossibleWeights) {
  KeepingSink sink;
  ShopOptions options = small_shop();
  options.mix = {0, 0, 0};
  EXPECT_THROW(Shop(options, sink), std::invalid_argument);
  options = small_shop();
  options.anomalies = 2;
  EXPECT_THROW(Shop(options, sink), std::invalid_argument);
}

}  // namespace
}  // namespace globalmart::generator
