// Carts in the shop: what visitors put in, change, check out and leave behind.
#include <algorithm>

#include "generator/shop.hpp"

namespace globalmart::generator {
namespace {

constexpr int32_t kMostOfAProduct = 100;  // in a cart

}  // namespace

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

}  // namespace globalmart::generator
