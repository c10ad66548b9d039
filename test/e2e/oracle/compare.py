"""Differences between what a table should hold and what it holds."""

import csv
import json
import re

from . import instants
from .rollups import KEYS

TIMES = {
    "window_start", "window_end", "last_activity", "first_activity", "first_transaction",
    "last_transaction", "event_time", "session_start", "session_end", "registered_at",
}  # fmt: skip
MONEY = {
    "total_revenue", "avg_order_value", "max_cart_value", "abandoned_cart_value", "avg_cart_value",
    "product_price", "avg_product_price", "total_amount", "total_spent", "avg_transaction",
    "max_transaction", "avg_price", "revenue", "max_order_value", "first_old_price",
    "last_new_price", "price", "rating",
}  # fmt: skip
DOUBLES = {
    "abandonment_rate_pct", "avg_view_duration", "avg_results", "session_duration_sec",
    "sales_rate_per_min",
}  # fmt: skip
BOOLEANS = {"session_completed"}
TEXTS = {
    "country", "user_id", "session_id", "product_id", "product_name", "category", "search_query",
    "transaction_id", "payment_method", "anomaly_type", "anomaly_reason", "severity",
    "demand_level", "urgency", "age_range",
}  # fmt: skip
JSON_TEXTS = {"preferences"}
# May be approximate from 1,000 on.
APPROXIMATE = {
    "unique_viewers", "unique_users", "unique_products", "unique_searchers",
    "unique_products_viewed", "unique_products_sold", "unique_customers", "unique_sessions",
}  # fmt: skip

_NUMBERS = re.compile(r"\d+(?:\.\d+)?")


def from_csv(path):
    """Rows of a case's expected/TABLE.csv in the oracle's terms."""
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        names = next(reader)
        return [
            {name: _from_text(name, text) for name, text in zip(names, line)} for line in reader
        ]


def _from_text(name, text):
    if text == "\\N":
        return None
    if name in TIMES:
        return instants.parse(text)
    if name in MONEY:
        whole, _, fraction = text.partition(".")
        return int(whole) * 100 + int(fraction.ljust(2, "0"))
    if name in DOUBLES:
        return float(text)
    if name in BOOLEANS:
        return {"true": True, "false": False}[text]
    if text.startswith("\\"):
        text = text[1:]
    if name in JSON_TEXTS:
        return json.loads(text)
    return text if name in TEXTS else int(text)


def same(name, expected, actual):
    """Two values of a column, by the comparison rules of the cases."""
    if expected is None or actual is None:
        return expected is actual
    if name in DOUBLES:
        return abs(expected - actual) <= 1e-9 * max(1.0, abs(expected))
    if name == "anomaly_reason":
        return _NUMBERS.findall(expected) == _NUMBERS.findall(actual)
    if name in APPROXIMATE and expected >= 1000:
        return abs(expected - actual) < 0.02 * expected
    return expected == actual


def differences(table, expected, actual):
    """One text a difference, none when the rows are equal."""
    found = []
    wanted, have = _by_key(table, expected, found), _by_key(table, actual, found)
    for key in sorted(wanted.keys() | have.keys()):
        if key not in have:
            found.append(f"{table}: missing {show(wanted[key])}")
        elif key not in wanted:
            found.append(f"{table}: unexpected {show(have[key])}")
        else:
            for name, value in wanted[key].items():
                if name not in have[key]:
                    found.append(f"{table}: no column {name}")
                elif not same(name, value, have[key][name]):
                    found.append(
                        f"{table}: {_show_key(table, wanted[key])}: {name} is "
                        f"{_show(name, have[key][name])}, should be {_show(name, value)}"
                    )
    return found


def ending_by(rows, instant):
    """The rows whose window ends by then; of anomalies, those before it."""
    return [
        row
        for row in rows
        if (
            row["window_end"] <= instant
            if "window_end" in row
            else row.get("event_time", instant - 1) < instant
        )
    ]


def _by_key(table, rows, found):
    by_key = {}
    for row in rows:
        key = tuple(row[name] for name in KEYS[table])
        if key in by_key:
            found.append(f"{table}: key twice: {_show_key(table, row)}")
        by_key[key] = row
    return by_key


def show(row):
    return " ".join(f"{name}={_show(name, value)}" for name, value in row.items())


def _show_key(table, row):
    return show({name: row[name] for name in KEYS[table]})


def _show(name, value):
    if value is None:
        return "NULL"
    if name in TIMES:
        return instants.show(value)
    if name in MONEY:
        return f"{value // 100}.{value % 100:02d}"
    return str(value)
