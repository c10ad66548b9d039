"""The 27 tables, each as a function from the events of one group to one row or none.

A row is a dict from column to value; money in cents, instants in microseconds, and None for NULL.
The columns of processing time (`created_at` and its kin) are left out.
"""

from fractions import Fraction

from .windows import Session, Tumbling, minutes

# --- arithmetic -------------------------------------------------------------------------------


def mean_cents(total, count):
    """The exact quotient to the cent, half away from zero (nothing here is negative)."""
    return None if count == 0 else (2 * total + count) // (2 * count)


def mean(values, unit=1):
    return None if not values else float(Fraction(sum(values), unit * len(values)))


def greatest(values):
    return max(values) if values else None


def known(events, name):
    return [value for value in (getattr(event, name) for event in events) if value is not None]


def event_order(event):
    return (event.time, event.id)


def line_order(line):
    return (line.time, line.id, line.line_no)


def first(events, name, order=event_order):
    return getattr(min(events, key=order), name)


def latest(events, name):
    """The latest that is not NULL."""
    valued = [event for event in events if getattr(event, name) is not None]
    return getattr(max(valued, key=event_order), name) if valued else None


def of_type(events, *kinds):
    return [event for event in events if event.event_type in kinds]


def distinct(events, *names):
    return len({tuple(getattr(event, name) for name in names) for event in events})


def pair(event):
    return (event.user_id, event.session_id)


def seconds(span):
    return span / 1_000_000


def show_money(cents):
    return f"{cents // 100}.{cents % 100:02d}"


# --- transactions -----------------------------------------------------------------------------

HIGH_VALUE = 500_000
HIGH_QUANTITY = 50
FREQUENT = 3
SPENDING = 1_000_000


def sales(orders):
    total = sum(order.total_amount for order in orders)
    return {
        "total_transactions": len(orders),
        "total_revenue": total,
        "avg_order_value": mean_cents(total, len(orders)),
    }


def suspicious_pattern(orders):
    count = len(orders)
    total = sum(order.total_amount for order in orders)
    frequent, spending = count >= FREQUENT, total > SPENDING
    if not frequent and not spending:
        return None
    reasons = []
    if frequent:
        reasons.append(f"transactions {count} >= {FREQUENT}")
    if spending:
        reasons.append(f"spent {show_money(total)} > {show_money(SPENDING)}")
    both = frequent and spending
    return {
        "country": first(orders, "country"),
        "transaction_count": count,
        "total_spent": total,
        "avg_transaction": mean_cents(total, count),
        "max_transaction": max(order.total_amount for order in orders),
        "first_transaction": min(order.time for order in orders),
        "last_transaction": max(order.time for order in orders),
        "anomaly_type": "frequency_and_spending"
        if both
        else "high_frequency"
        if frequent
        else "high_spending",
        "anomaly_reason": "; ".join(reasons),
        "severity": "critical" if both else "high",
    }


def revenue_15m(orders):
    total = sum(order.total_amount for order in orders)
    return {
        "transactions": len(orders),
        "revenue": total,
        "avg_order_value": mean_cents(total, len(orders)),
        "max_order_value": max(order.total_amount for order in orders),
        "unique_customers": distinct(orders, "user_id"),
    }


def payment_mix(orders):
    return {
        "transactions": len(orders),
        "revenue": sum(order.total_amount for order in orders),
    }


# --- order lines ------------------------------------------------------------------------------


def units_and_revenue(lines):
    return {
        "units_sold": sum(line.quantity for line in lines),
        "total_revenue": sum(line.quantity * line.price for line in lines),
    }


def product_sales_velocity(lines):
    row = units_and_revenue(lines)
    return {**row, "avg_price": mean_cents(row["total_revenue"], row["units_sold"])}


def high_demand(lines):
    row = units_and_revenue(lines)
    units = row["units_sold"]
    if units < 20:
        return None
    level = "critical" if units >= 50 else "high" if units >= 30 else "medium"
    return {**row, "demand_level": level}


def restock(lines):
    units = sum(line.quantity for line in lines)
    width = 5
    if units < width:
        return None
    urgency = "high" if units >= 3 * width else "medium" if units >= 2 * width else "low"
    return {"units_sold": units, "sales_rate_per_min": units / width, "urgency": urgency}


def inventory_metrics(lines):
    row = units_and_revenue(lines)
    return {
        "total_units_sold": row["units_sold"],
        "unique_products_sold": distinct(lines, "product_id"),
        "total_revenue": row["total_revenue"],
        "fast_moving_products": sum(line.quantity >= 10 for line in lines),
    }


def popular_products(lines):
    return {"orders": distinct(lines, "id"), **units_and_revenue(lines)}


# --- anomalies --------------------------------------------------------------------------------


def severity(amount, high, critical):
    return "critical" if amount >= critical else "high" if amount >= high else "medium"


def high_value_anomaly(order):
    amount = order.total_amount
    if amount <= HIGH_VALUE:
        return None
    return {
        "transaction_id": order.id,
        "user_id": order.user_id,
        "event_time": order.time,
        "total_amount": amount,
        "payment_method": order.payment_method,
        "country": order.country,
        "anomaly_type": "high_value",
        "anomaly_reason": f"amount {show_money(amount)} > {show_money(HIGH_VALUE)}",
        "severity": severity(amount, 750_000, 1_000_000),
    }


def high_quantity_anomaly(line):
    if line.quantity < HIGH_QUANTITY:
        return None
    return {
        "transaction_id": line.id,
        "line_no": line.line_no,
        "product_id": line.product_id,
        "user_id": line.user_id,
        "event_time": line.time,
        "quantity": line.quantity,
        "total_amount": line.total_amount,
        "payment_method": line.payment_method,
        "country": line.country,
        "anomaly_type": "high_quantity",
        "anomaly_reason": f"quantity {line.quantity} >= {HIGH_QUANTITY}",
        "severity": severity(line.quantity, 75, 100),
    }


def anomaly_stats(anomalies):
    def having(name, value):
        return sum(getattr(anomaly, name) == value for anomaly in anomalies)

    return {
        "total_anomalies": len(anomalies),
        "high_value_count": having("anomaly_type", "high_value"),
        "high_quantity_count": having("anomaly_type", "high_quantity"),
        "critical_count": having("severity", "critical"),
        "high_severity_count": having("severity", "high"),
        "medium_severity_count": having("severity", "medium"),
    }


# --- carts ------------------------------------------------------------------------------------


def cart_session(events):
    checkouts = len(of_type(events, "checkout"))
    return {
        "country": first(events, "country"),
        "add_count": len(of_type(events, "add_to_cart")),
        "remove_count": len(of_type(events, "remove_from_cart")),
        "update_count": len(of_type(events, "update_quantity")),
        "checkout_count": checkouts,
        "max_cart_value": greatest(known(events, "cart_value")),
        "last_activity": max(event.time for event in events),
        "total_events": len(events),
        "session_completed": checkouts > 0,
    }


def abandoned_cart(events):
    wanting = of_type(events, "add_to_cart", "cart_abandonment")
    checkouts = of_type(events, "checkout")
    if not wanting:
        return None
    if checkouts and max(map(event_order, wanting)) <= max(map(event_order, checkouts)):
        return None
    value = latest(events, "cart_value")
    if value == 0:
        return None
    return {
        "country": first(events, "country"),
        "items_added": len(of_type(events, "add_to_cart")),
        "abandoned_cart_value": value,
        "last_activity": max(event.time for event in events),
        "total_events": len(events),
    }


def abandonment(events):
    """(sessions with an add, those of them without a checkout, the rate in percent)."""
    with_add = {pair(event) for event in of_type(events, "add_to_cart")}
    without = with_add - {pair(event) for event in of_type(events, "checkout")}
    rate = float(Fraction(100 * len(without), len(with_add))) if with_add else None
    return len(with_add), len(without), rate


def cart_metrics(events):
    cart_values = known(events, "cart_value")
    return {
        "total_cart_events": len(events),
        "adds": len(of_type(events, "add_to_cart")),
        "removes": len(of_type(events, "remove_from_cart")),
        "updates": len(of_type(events, "update_quantity")),
        "checkouts": len(of_type(events, "checkout")),
        "avg_cart_value": mean_cents(sum(cart_values), len(cart_values)),
        "max_cart_value": greatest(cart_values),
        "abandonment_rate_pct": abandonment(events)[2],
    }


def cart_abandonment_15m(events):
    with_add, without, rate = abandonment(events)
    return {
        "sessions_with_add": with_add,
        "sessions_without_checkout": without,
        "abandonment_rate_pct": rate,
    }


# --- views ------------------------------------------------------------------------------------

MILLION = 1_000_000  # view_duration is kept in millionths of a second


def trending_product(views):
    if len(views) < 5:
        return None
    return {
        "product_name": latest(views, "product_name"),
        "category": latest(views, "category"),
        "view_count": len(views),
        "unique_viewers": distinct(views, "user_id"),
        "avg_view_duration": mean(known(views, "view_duration"), MILLION),
        "product_price": latest(views, "price"),
    }


def category_performance(views):
    prices = known(views, "price")
    return {
        "total_views": len(views),
        "unique_users": distinct(views, "user_id"),
        "unique_products": distinct(views, "product_id"),
        "avg_view_duration": mean(known(views, "view_duration"), MILLION),
        "avg_product_price": mean_cents(sum(prices), len(prices)),
    }


def search_behavior(searches):
    if len(searches) < 3:
        return None
    return {
        "search_count": len(searches),
        "unique_searchers": distinct(searches, "user_id"),
        "avg_results": mean(known(searches, "results_count")),
        "zero_result_count": sum(event.results_count == 0 for event in searches),
    }


def browsing_session(events):
    views = of_type(events, "view")
    start = min(event.time for event in events)
    end = max(event.time for event in events)
    return {
        "country": first(events, "country"),
        "views": len(views),
        "searches": len(of_type(events, "search")),
        "filters": len(of_type(events, "filter")),
        "compares": len(of_type(events, "compare")),
        "unique_products_viewed": distinct(views, "product_id"),
        "avg_view_duration": mean(known(views, "view_duration"), MILLION),
        "first_activity": start,
        "last_activity": end,
        "total_events": len(events),
        "session_duration_sec": seconds(end - start),
    }


def activity(events):
    return {
        "views": len(of_type(events, "view")),
        "searches": len(of_type(events, "search")),
        "filters": len(of_type(events, "filter")),
        "compares": len(of_type(events, "compare")),
        "unique_users": distinct(events, "user_id"),
        "unique_sessions": distinct(events, "user_id", "session_id"),
    }


def search_pattern(searches):
    return {
        "searches": len(searches),
        "unique_searchers": distinct(searches, "user_id"),
        "zero_result_searches": sum(event.results_count == 0 for event in searches),
    }


def user_session(events):
    views = of_type(events, "view")
    start = min(event.time for event in events)
    end = max(event.time for event in events)
    return {
        "session_start": start,
        "session_end": end,
        "events": len(events),
        "views": len(views),
        "searches": len(of_type(events, "search")),
        "unique_products_viewed": distinct(views, "product_id"),
        "session_duration_sec": seconds(end - start),
    }


# --- inventory --------------------------------------------------------------------------------


def stock_level(updates):
    return {
        "updates": len(updates),
        "min_stock_level": min(event.stock_level for event in updates),
        "last_stock_level": latest(updates, "stock_level"),
    }


def price_change(changes):
    return {
        "changes": len(changes),
        "first_old_price": first(changes, "old_price"),
        "last_new_price": latest(changes, "new_price"),
    }


# --- the definitions --------------------------------------------------------------------------


class Rollup:
    """`source` is one of orders, lines, anomalies, carts, views, stock; `of` keeps one event type;
    `key` are the columns after the window; `row` makes the columns after the key."""

    def __init__(self, name, source, window, lateness, key, row, of=None):
        self.name = name
        self.source = source
        self.window = window
        self.lateness = lateness
        self.key = tuple(key.split())
        self.row = row
        self.of = of

    def takes(self, event):
        return self.of is None or event.event_type == self.of

    def group_of(self, event):
        return tuple(getattr(event, name) for name in self.key)

    def rows(self, events):
        """Every row that the events give, once all windows are closed."""
        for start, end, values, members in self.window.groups(events, self.group_of):
            row = self.row(members)
            if row is not None:
                yield {
                    "window_start": start,
                    "window_end": end,
                    **dict(zip(self.key, values)),
                    **row,
                }


def _tumbling(width, lateness):
    return Tumbling(minutes(width)), minutes(lateness)


def _session(gap, lateness):
    return Session(minutes(gap)), minutes(lateness)


ROLLUPS = [
    Rollup("sales_per_minute", "orders", *_tumbling(1, 1), "", sales),
    Rollup("sales_by_country", "orders", *_tumbling(1, 1), "country", sales),
    Rollup("cart_sessions", "carts", *_tumbling(5, 5), "user_id session_id", cart_session),
    Rollup("abandoned_carts", "carts", *_session(30, 5), "user_id session_id", abandoned_cart),
    Rollup("cart_metrics", "carts", *_tumbling(5, 1), "country", cart_metrics),
    Rollup("trending_products", "views", *_tumbling(10, 5), "product_id", trending_product, "view"),
    Rollup(
        "category_performance",
        "views",
        *_tumbling(5, 1),
        "category country",
        category_performance,
        "view",
    ),
    Rollup(
        "search_behavior", "views", *_tumbling(5, 5), "search_query country", search_behavior, "search"
    ),
    Rollup("browsing_sessions", "views", *_tumbling(5, 10), "user_id session_id", browsing_session),
    Rollup("suspicious_patterns", "orders", *_tumbling(5, 1), "user_id", suspicious_pattern),
    Rollup("anomaly_stats", "anomalies", *_tumbling(1, 1), "country", anomaly_stats),
    Rollup("product_sales_velocity", "lines", *_tumbling(5, 5), "product_id", product_sales_velocity),
    Rollup(
        "inventory_by_country", "lines", *_tumbling(5, 5), "product_id country", units_and_revenue
    ),
    Rollup("high_demand_alerts", "lines", *_tumbling(10, 10), "product_id", high_demand),
    Rollup("restock_alerts", "lines", *_tumbling(5, 5), "product_id country", restock),
    Rollup("inventory_metrics", "lines", *_tumbling(1, 1), "country", inventory_metrics),
    Rollup("revenue_15m", "orders", *_tumbling(15, 5), "", revenue_15m),
    Rollup("payment_mix_15m", "orders", *_tumbling(15, 5), "payment_method", payment_mix),
    Rollup("popular_products_15m", "lines", *_tumbling(15, 5), "product_id", popular_products),
    Rollup("activity_15m", "views", *_tumbling(15, 5), "country", activity),
    Rollup(
        "search_patterns_15m", "views", *_tumbling(15, 5), "search_query", search_pattern, "search"
    ),
    Rollup("cart_abandonment_15m", "carts", *_tumbling(15, 5), "", cart_abandonment_15m),
    Rollup(
        "stock_levels_15m", "stock", *_tumbling(15, 5), "product_id country", stock_level, "stock_update"
    ),
    Rollup("price_changes_15m", "stock", *_tumbling(15, 5), "product_id", price_change, "price_change"),
    Rollup("user_sessions", "views", *_session(30, 5), "user_id", user_session),
]

DETECTORS = {
    "high_value_anomalies": ("orders", high_value_anomaly, ("transaction_id",)),
    "high_quantity_anomalies": ("lines", high_quantity_anomaly, ("transaction_id", "line_no")),
}

# The watermark domain of each source.
DOMAINS = {
    "orders": "transactions",
    "lines": "transactions",
    "anomalies": "transactions",
    "carts": "cart",
    "views": "views",
    "stock": "inventory",
}

BY_NAME = {rollup.name: rollup for rollup in ROLLUPS}
KEYS = {rollup.name: ("window_start", "window_end", *rollup.key) for rollup in ROLLUPS}
KEYS.update({name: key for name, (_, _, key) in DETECTORS.items()})
KEYS.update({"users": ("user_id",), "products": ("product_id",)})
