// Feeds texts to the reader of the Online Retail data set, below its header. Every line becomes a
// line of an order or is counted as rejected, and orders become messages that are JSON and whose
// totals are sums. Any crash, overflow, read out of bounds or leak stops it. See module.mk for how
// to run it.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "generator/online_retail.hpp"
#include "test/fuzz/fuzz_support.hpp"

namespace {

using namespace globalmart::generator;

constexpr const char* kHeader =
    "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";

void check(const RetailOrder& order) {
  require(!order.lines.empty(), "an order has lines");
  Amount total = 0;
  for (const RetailLine& line : order.lines) {
    require(line.quantity > 0 && line.price > 0, "a line has an amount");
    total += line.quantity * line.price;
    require(nlohmann::json::accept(product_message(line, order.time)), "a product is JSON");
  }
  require(order.total == total, "a total is the sum of its lines");
  require(nlohmann::json::accept(customer_message(order)), "a customer is JSON");
  const auto message = nlohmann::json::parse(order_message(order));
  require(message["products"].size() == order.lines.size(), "a message has all lines");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  const ExactCopy text(kHeader + input);
  OnlineRetail shop;
  shop.read(text.view());
  uint64_t counted = shop.order_lines();
  for (const auto& [reason, count] : shop.rejections()) counted += count;
  require(counted == shop.lines(), "every line is counted once");
  const auto line_ends = static_cast<uint64_t>(std::count(input.begin(), input.end(), '\n'));
  require(shop.lines() <= line_ends + 1, "a line makes one record at most");
  for (const RetailOrder* const order : shop.orders()) check(*order);
  return 0;
}
