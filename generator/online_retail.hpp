#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "generator/event_time.hpp"

namespace globalmart::generator {

/// An exact amount in ten-thousandths.
using Amount = int64_t;

/// "2.55" from 25500: at least two decimals, four when there is something in the last two.
std::string format_amount(Amount amount);

/// One line of an order of the Online Retail data set.
struct RetailLine {
  std::string stock_code;
  std::string description;
  int64_t quantity;
  Amount price;
};

/// The lines of one invoice that the shop sold.
struct RetailOrder {
  std::string invoice;
  std::string customer;  // digits
  std::string country;
  Instant time;  // of its first line
  std::vector<RetailLine> lines;
  Amount total = 0;  // the exact sum of its lines
};

/// Reads the CSV files of the UCI Online Retail data set: InvoiceNo, StockCode, Description,
/// Quantity, InvoiceDate (taken as UTC), UnitPrice, CustomerID (a float in text), Country. Every
/// line becomes a line of an order or is counted under the first of these reasons that fits:
///   malformed              not eight fields, or one that cannot be read or is beyond what
///                          profiles/online-retail.toml takes, of the invoice as a whole too
///   cancellation           the invoice's number begins with C
///   no_customer            no CustomerID
///   quantity_not_positive  Quantity <= 0
///   price_not_positive     UnitPrice <= 0
/// A line whose customer or country is not that of its invoice is malformed too.
class OnlineRetail {
 public:
  /// Takes in the text of one file. Throws std::runtime_error for another header.
  void read(std::string_view csv);

  uint64_t lines() const { return lines_; }
  uint64_t order_lines() const;
  const std::map<std::string, uint64_t>& rejections() const { return rejections_; }

  /// The orders by time; at the same time in the order in which they were read.
  std::vector<const RetailOrder*> orders() const;

 private:
  const char* take(const std::vector<std::string>& fields);

  uint64_t lines_ = 0;
  std::map<std::string, uint64_t> rejections_ = {{"malformed", 0},
                                                 {"cancellation", 0},
                                                 {"no_customer", 0},
                                                 {"quantity_not_positive", 0},
                                                 {"price_not_positive", 0}};
  std::vector<RetailOrder> orders_;
  std::unordered_map<std::string, size_t> order_of_invoice_;
};

/// The message of an order; `total_amount` is its total.
std::string order_message(const RetailOrder& order);
/// The order's transaction_id: a UUID of version 8 whose last twelve digits are the invoice.
std::string order_id(std::string_view invoice);
std::string customer_message(const RetailOrder& order);
std::string product_message(const RetailLine& line, Instant time);

}  // namespace globalmart::generator
