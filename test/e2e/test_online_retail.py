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
    only = (contract.TRANSACTIONS, contract.USERS, contract.PRODUCTS)
    shop.set_up(topics, CLOCK, only, profile__file=str(PROFILE))
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
    assert value("SELECT count(DISTINCT user_id) FROM globalmart.transactions") == len(customers)
    assert value("SELECT count(*) FROM globalmart.users") == len(customers)
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


def check_accounted_for(summary):
    """Every input line is an event's line or one of the counted, named rejections."""
    counted = json.loads(summary.read_text())
    assert counted["figures"]["lines"] == LINES
    assert counted["figures"]["lines in orders"] == CLEAN_LINES
    assert sum(counted["rejections"].values()) == LINES - CLEAN_LINES
    assert counted["rejections"]["cancellation"] == 728
