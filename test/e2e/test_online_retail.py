"""December 2010 of Online Retail, a shop that is not GlobalMart: through the generator's replay,
the topics and the bridge with this shop's profile. The figures are those of its README."""

import collections
import csv
import datetime
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
    check_warehouse(shop.database)

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


def check_warehouse(database):
    """The night after: facts add up to the figures, and segments are those of a computation of our own."""
    database.execute("CALL globalmart.run_etl('2010-12-31')")
    value = database.value
    assert value("SELECT count(DISTINCT transaction_id) FROM warehouse.fact_sales") == CLEAN_ORDERS
    assert value("SELECT count(*) FROM warehouse.fact_sales") == CLEAN_LINES
    assert value("SELECT sum(line_revenue) FROM warehouse.fact_sales") == CLEAN_REVENUE
    stored = database.rows(
        "SELECT user_id, recency_days, frequency, monetary, r_score, f_score, m_score, segment FROM warehouse.rfm_analysis"
        " JOIN warehouse.dim_customers USING (customer_key) WHERE analysis_date = '2010-12-31'"
    )
    orders = database.rows(
        "SELECT user_id, transaction_id, (event_time AT TIME ZONE 'UTC')::date, sum(quantity * price)"
        " FROM globalmart.transaction_items GROUP BY 1, 2, 3"
    )
    expected = rfm(orders, datetime.date(2010, 12, 31))
    assert len(expected) > 800
    assert sorted(stored) == sorted(expected)
    assert len({row[-1] for row in expected}) >= 6, "too few segments to tell anything"


def rfm(orders, day):
    """[(user, recency, frequency, monetary, r, f, m, segment)], from the specification alone."""
    last, count, revenue = {}, collections.Counter(), collections.Counter()
    for user, _, date, total in orders:
        last[user] = max(last.get(user, date), date)
        count[user] += 1
        revenue[user] += total
    customers = {user: ((day - last[user]).days, count[user], revenue[user]) for user in last}
    cuts = [cut_points([values[column] for values in customers.values()]) for column in range(3)]
    rows = []
    for user, values in customers.items():
        below = [sum(cut < value for cut in cuts[n]) for n, value in enumerate(values)]
        r, f, m = 5 - below[0], 1 + below[1], 1 + below[2]
        rows.append((user, *values, r, f, m, segment(r, f, m)))
    return rows


def cut_points(values):
    """At .2 .4 .6 .8, interpolated linearly between neighbours, exactly."""
    values = sorted(Decimal(value) for value in values)
    points = []
    for fifth in range(1, 5):
        whole, rest = divmod(fifth * (len(values) - 1), 5)
        step = values[min(whole + 1, len(values) - 1)] - values[whole]
        points.append(values[whole] + step * rest / 5)
    return points


def segment(r, f, m):
    rules = {
        "Champions": min(r, f, m) >= 4,
        "Loyal Customers": f >= 4 and r >= 3,
        "Big Spenders": m >= 4 and r >= 3,
        "Promising": r >= 4 and f <= 2,
        "At Risk": r <= 2 and (f >= 3 or m >= 3),
        "Lost": r <= 2,
    }
    return next((name for name, fits in rules.items() if fits), "Regular")
