#include "generator/online_retail.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "generator/csv.hpp"

namespace globalmart::generator {
namespace {

constexpr Amount kUnit = 10'000;
constexpr size_t kInvoiceDigits = 12;  // that the last group of a UUID holds
// As profiles/online-retail.toml has them, so that no sum of lines overflows.
constexpr int64_t kMostQuantity = 1'000'000;
constexpr Amount kMostPrice = 100'000 * kUnit;
constexpr Amount kMostTotal = 10'000'000 * kUnit;

enum Column { kInvoice, kStockCode, kDescription, kQuantity, kTime, kPrice, kCustomer, kCountry };
constexpr size_t kColumns = 8;
const std::vector<std::string> kHeader = {"InvoiceNo",   "StockCode", "Description", "Quantity",
                                          "InvoiceDate", "UnitPrice", "CustomerID",  "Country"};

std::optional<int64_t> read_integer(std::string_view text) {
  int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || rest != end || text.empty()) return std::nullopt;
  return number;
}

/// A decimal number with at most four digits after the point.
std::optional<Amount> read_amount(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const size_t point = std::min(text.find('.'), text.size());
  std::string fraction(text.substr(std::min(point + 1, text.size())));
  if (fraction.size() > 4 || text.starts_with('-') || fraction.starts_with('-'))
    return std::nullopt;
  fraction.append(4 - fraction.size(), '0');
  const auto whole = read_integer(text.substr(0, point));
  const auto part = read_integer(fraction);
  if (!whole || !part || *whole > 1'000'000'000) return std::nullopt;
  const Amount amount = *whole * kUnit + *part;
  return negative ? -amount : amount;
}

bool is_hexadecimal(std::string_view text) {
  return text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// Throws nlohmann::json::exception for text that is not UTF-8.
std::string quoted(const std::string& text) { return nlohmann::json(text).dump(); }

bool is_utf8(const std::vector<std::string>& fields) {
  try {
    for (const std::string& field : fields) quoted(field);
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

std::optional<Instant> read_time(std::string_view text) {
  try {
    if (!text.starts_with("20") && !text.starts_with("19")) return std::nullopt;
    return parse_instant(text);
  } catch (const std::invalid_argument&) {
    return std::nullopt;
  }
}

}  // namespace

std::string format_amount(Amount amount) {
  std::string text = amount < 0 ? "-" : "";
  amount = std::abs(amount);
  text += std::to_string(amount / kUnit) + ".";
  std::string fraction = std::to_string(kUnit + amount % kUnit).substr(1);
  if (fraction.ends_with("00")) fraction.resize(2);
  return text + fraction;
}

void OnlineRetail::read(std::string_view csv) {
  CsvReader reader(csv);
  std::vector<std::string> fields;
  if (!reader.next(fields) || fields != kHeader)
    throw std::runtime_error("the header is not that of the Online Retail data set");
  while (reader.next(fields)) {
    ++lines_;
    if (const char* const reason = take(fields)) ++rejections_[reason];
  }
}

const char* OnlineRetail::take(const std::vector<std::string>& fields) {
  constexpr const char* kMalformed = "malformed";
  if (fields.size() != kColumns || !is_utf8(fields)) return kMalformed;
  const std::string& invoice = fields[kInvoice];
  const auto quantity = read_integer(fields[kQuantity]);
  const auto price = read_amount(fields[kPrice]);
  const auto time = read_time(fields[kTime]);
  if (invoice.empty() || invoice.size() > kInvoiceDigits || !is_hexadecimal(invoice) ||
      fields[kStockCode].empty() || fields[kCountry].empty() || !quantity || !price || !time)
    return kMalformed;
  if (invoice.starts_with('C')) return "cancellation";
  std::string customer = fields[kCustomer];
  if (customer.empty()) return "no_customer";
  if (customer.ends_with(".0")) customer.resize(customer.size() - 2);
  if (!is_digits(customer)) return kMalformed;
  if (*quantity <= 0) return "quantity_not_positive";
  if (*price <= 0) return "price_not_positive";
  if (*quantity > kMostQuantity || *price > kMostPrice) return kMalformed;
  const Amount amount = *quantity * *price;
  if (amount > kMostTotal) return kMalformed;

  const auto [known, is_new] = order_of_invoice_.try_emplace(invoice, orders_.size());
  if (is_new) orders_.push_back({invoice, customer, fields[kCountry], *time, {}, 0});
  RetailOrder& order = orders_[known->second];
  if (order.customer != customer || order.country != fields[kCountry] ||
      order.total + amount > kMostTotal)
    return kMalformed;
  const std::string& description = fields[kDescription];
  order.lines.push_back({fields[kStockCode], description.empty() ? fields[kStockCode] : description,
                         *quantity, *price});
  order.total += amount;
  return nullptr;
}

uint64_t OnlineRetail::order_lines() const {
  uint64_t count = 0;
  for (const RetailOrder& order : orders_) count += order.lines.size();
  return count;
}

std::vector<const RetailOrder*> OnlineRetail::orders() const {
  std::vector<const RetailOrder*> sorted;
  sorted.reserve(orders_.size());
  for (const RetailOrder& order : orders_) sorted.push_back(&order);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto* a, const auto* b) { return a->time < b->time; });
  return sorted;
}

std::string order_id(std::string_view invoice) {
  std::string id = "0de12000-0000-8000-8000-";
  id.append(kInvoiceDigits - invoice.size(), '0').append(invoice);
  std::transform(id.begin(), id.end(), id.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return id;
}

std::string order_message(const RetailOrder& order) {
  std::string json = "{\"transaction_id\":\"" + order_id(order.invoice) +
                     "\",\"invoice\":" + quoted(order.invoice) + ",\"user_id\":\"" +
                     order.customer + "\",\"timestamp\":\"" + format_instant(order.time) +
                     "\",\"products\":[";
  for (const RetailLine& line : order.lines) {
    if (&line != &order.lines.front()) json += ",";
    json += "{\"product_id\":" + quoted(line.stock_code) +
            ",\"quantity\":" + std::to_string(line.quantity) +
            ",\"price\":" + format_amount(line.price) + "}";
  }
  return json + "],\"total_amount\":" + format_amount(order.total) +
         ",\"payment_method\":\"Invoice\",\"country\":" + quoted(order.country) + "}";
}

std::string customer_message(const RetailOrder& order) {
  return "{\"user_id\":\"" + order.customer + "\",\"timestamp\":\"" + format_instant(order.time) +
         "\",\"country\":" + quoted(order.country) + "}";
}

std::string product_message(const RetailLine& line, Instant time) {
  return "{\"product_id\":" + quoted(line.stock_code) + ",\"timestamp\":\"" + format_instant(time) +
         "\",\"product_name\":" + quoted(line.description) +
         ",\"category\":\"Giftware\",\"price\":" + format_amount(line.price) + "}";
}

}  // namespace globalmart::generator
