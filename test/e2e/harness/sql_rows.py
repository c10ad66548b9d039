"""Accepted events as rows that come by SQL."""

from oracle import contract, instants

COLUMNS = {
    contract.CART: (
        "cart_events",
        "event_id session_id event_type user_id country product_id product_name category price"
        " quantity old_quantity new_quantity cart_size total_items cart_value",
    ),
    contract.VIEWS: (
        "product_view_events",
        "event_id session_id event_type user_id country product_id product_name category price"
        " view_duration from_search previously_viewed_count search_query results_count"
        " filter_category min_price max_price product_ids product_names prices",
    ),
    contract.INVENTORY: (
        "inventory_events",
        "event_id event_type product_id country stock_level delta old_price new_price",
    ),
}
ORDER = "transaction_id user_id total_amount discount_amount payment_method country"
CENTS = {
    "price", "cart_value", "min_price", "max_price", "old_price", "new_price", "total_amount",
    "discount_amount",
}  # fmt: skip
CASTS = {
    "transaction_id": "%s::uuid",
    "event_id": "%s::uuid",
    "session_id": "%s::uuid",
    "view_duration": "%s::numeric / 1000000",
    "prices": "%s::numeric[]",
}


def insert(cursor, event):
    """An event's rows; the lines of an order by one statement."""
    if event.topic == contract.TRANSACTIONS:
        order = {name: getattr(event, name) for name in ORDER.split()}
        _insert_rows(cursor, "transactions", event.time, [order])
        del order["discount_amount"]
        lines = [
            {**order, "line_no": number, **line} for number, line in enumerate(event.lines, 1)
        ]
        _insert_rows(cursor, "transaction_items", event.time, lines)
    else:
        table, names = COLUMNS[event.topic]
        row = {name: getattr(event, name, None) for name in names.split()}
        _insert_rows(cursor, table, event.time, [row])


def _insert_rows(cursor, table, time, rows):
    """`rows`: dicts with the same columns."""
    names = list(rows[0])
    row = "(" + ", ".join(["%s::timestamptz", *map(_parameter, names)]) + ")"
    values = []
    for columns in rows:
        values.append(instants.show(time))
        values += [_literal(name, columns[name]) for name in names]
    cursor.execute(
        f"INSERT INTO globalmart.{table} (event_time, {', '.join(names)})"
        f" VALUES {', '.join([row] * len(rows))}",
        values,
    )


def _parameter(name):
    if name in CENTS:
        return "%s::numeric / 100"
    return CASTS.get(name, "%s")


def _literal(name, value):
    if name == "prices" and value is not None:
        return [f"{cents // 100}.{cents % 100:02d}" for cents in value]
    return value
