"""December 2010 of Online Retail, a shop that is not GlobalMart: through the generator's replay,
the topics and the bridge with this shop's profile. The figures are those of its README."""

import csv
import json
import subprocess
from decimal import Decimal

from harness.generated import GENERATOR
from harness.processes import PROJECT
from oracle import contract, instants, recording
from session import Topics
from shared import online_retail

PROFILE = PROJECT / "profiles" / "online-retail.toml"
CLOCK = instants.parse("2026-11-23T00:00:00Z")
LINES = 42_481
CLEAN_LINES = 26_157
CLEAN_ORDERS = 1_400
CLEAN_REVENUE = Decimal("572713.89")
CUSTOMERS_OF_CLEAN_LINES = "SELECT count(DISTINCT user_id) FROM globalmart.transactions"


def clean_lines(folder):
    """The lines that are events, read here once more: {invoice: [(quantity, price)]}, and the
    customers."""
    orders, customers, count = {}, set(), 0
    for path in sorted(folder.rglob("*.csv")):
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                count += 1
                quantity, price = int(row["Quantity"]), Decimal(row["UnitPrice"])
                invoice, customer = row["InvoiceNo"], row["CustomerID"]
                if quantity > 0 and price > 0 and customer and not invoice.startswith("C"):
                    orders.setdefault(invoice, []).append((quantity, price))
                    customers.add(customer)
    return count, orders, customers


def test_december_2010(shop, broker):
    data = online_retail()
    count, orders, customers = clean_lines(data)
    assert count == LINES and len(orders) == CLEAN_ORDERS

    files = shop.folder / "replay"
    files.mkdir()
    summary = shop.folder / "summary.json"
    subprocess.run(
        [GENERATOR, "replay", "online-retail", data, "--out", files, "--summary", summary, "-q"],
        check=True,
    )
    topics = Topics(broker, 3)
    topics.put_topics(recording.read_topics(files), CLOCK)
    shop.set_up(topics, CLOCK, profile__file=str(PROFILE))
    widen_lists(shop.database, topics)
    shop.bridge.drain()

    value = shop.database.value
    assert shop.database.rows("SELECT reason, detail FROM globalmart.dead_letters LIMIT 5") == []
    assert value("SELECT count(*) FROM globalmart.transactions") == CLEAN_ORDERS
    assert value("SELECT sum(total_amount) FROM globalmart.transactions") == CLEAN_REVENUE
    assert value("SELECT count(*) FROM globalmart.transaction_items") == CLEAN_LINES
    assert value("SELECT sum(quantity) FROM globalmart.transaction_items") == sum(
        quantity for lines in orders.values() for quantity, _ in lines
    )
    assert value("SELECT max(line_no) FROM globalmart.transaction_items") == 169
    assert value(CUSTOMERS_OF_CLEAN_LINES) == len(customers)
    check_accounted_for(summary)

    # Closed and open windows together hold it all, and the closed ones are as the batch has them.
    shop.database.close_windows()
    for table in ("sales_per_minute", "sales_by_country", "revenue_15m"):
        revenue = "revenue" if table == "revenue_15m" else "total_revenue"
        assert value(f"SELECT sum({revenue}) FROM globalmart.{table}_live") == CLEAN_REVENUE, table
        assert shop.database.rows("SELECT * FROM globalmart.verify(%s)", table) == [], table
    for table in ("inventory_metrics", "product_sales_velocity", "popular_products_15m"):
        assert value(f"SELECT sum(total_revenue) FROM globalmart.{table}_live") == value(
            "SELECT sum(quantity * price) FROM globalmart.transaction_items"
        ), table


def widen_lists(database, topics):
    """The countries and payment methods of this shop, as its owner would enter them."""
    countries, methods = set(), set()
    for message in topics.messages:
        if message.topic == contract.TRANSACTIONS and message.value:
            order = json.loads(message.value)
            countries.add(order["country"])
            methods.add(order["payment_method"])
    for table, column, names in (
        ("countries", "country", countries),
        ("payment_methods", "payment_method", methods),
    ):
        for name in sorted(names):
            database.execute(
                f"INSERT INTO globalmart.{table} ({column}) VALUES (%s) ON CONFLICT DO NOTHING", name
            )


def check_accounted_for(summary):
    """Every input line is an event's line or one of the counted, named rejections."""
    figures = numbers(json.loads(summary.read_text()))
    rejected = {name: figure for name, figure in figures.items() if "reject" in name}
    assert LINES in figures.values() and CLEAN_LINES in figures.values(), figures
    assert sum(rejected.values()) == LINES - CLEAN_LINES, figures


def numbers(value, name=""):
    """{dotted name: number} of nested JSON."""
    if isinstance(value, dict):
        found = {}
        for key, inner in value.items():
            found.update(numbers(inner, f"{name}.{key}" if name else key))
        return found
    return {name: value} if isinstance(value, int) else {}
