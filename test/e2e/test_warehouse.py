"""The night's load while clients write: killed at seeded points, it loses nothing and loads nothing twice."""

import json
import random
import threading

import psycopg2
import pytest

from harness import generated, small_shop
from harness.processes import wait_until
from harness.sql_rows import insert
from oracle import contract, instants

DAYS = 4
EVENTS = 6_000
BEGINNING = generated.CLOCK - (DAYS + 1) * 24 * instants.HOUR
SUMS = {
    # A fact, and what of the streams must be in it.
    "sales": (
        "SELECT event_time, transaction_id, line_no, quantity, unit_price, line_revenue, payment_method, user_id, product_id, country"
        " FROM warehouse.fact_sales",
        "SELECT DISTINCT event_time, transaction_id, line_no, quantity, price, quantity * price, payment_method, user_id, product_id, country"
        " FROM globalmart.transaction_items",
    ),
    "carts": (
        "SELECT event_time, event_id, session_id, event_type, unit_price, cart_value, user_id, product_id, country"
        " FROM warehouse.fact_cart_events",
        "SELECT event_time, event_id, session_id, event_type, price, cart_value, user_id, coalesce(product_id, ''), country"
        " FROM globalmart.cart_events",
    ),
    "views": (
        "SELECT event_time, event_id, session_id, event_type, view_duration, search_query, user_id, product_id, country"
        " FROM warehouse.fact_product_views",
        "SELECT event_time, event_id, session_id, event_type, view_duration, search_query, user_id, coalesce(product_id, ''), country"
        " FROM globalmart.product_view_events",
    ),
}
DIMENSIONS = (
    " JOIN warehouse.dim_customers USING (customer_key) JOIN warehouse.dim_products USING (product_key)"
    " JOIN warehouse.dim_geography AS g USING (geography_key)"
)


class Writer(threading.Thread):
    """A client that inserts events, some in each transaction, until they are all in."""

    def __init__(self, database, events, seed):
        super().__init__()
        self.database, self.events = database, events
        self.random = random.Random(seed)
        self.errors = []

    def run(self):
        connection = psycopg2.connect(self.database.dsn())
        try:
            position = 0
            while position < len(self.events):
                many = self.random.choice([1, 5, 40])
                with connection, connection.cursor() as cursor:
                    for event in self.events[position : position + many]:
                        insert(cursor, event)
                position += many
        except Exception as error:
            self.errors.append(error)
        finally:
            connection.close()


class Night(threading.Thread):
    """CALL run_etl() in a session of its own, which stays when the call is cancelled; `ended` says how."""

    def __init__(self, database):
        super().__init__()
        self.connection = database.connect()
        self.pid = self.connection.info.backend_pid
        self.ended = None

    def run(self):
        try:
            self.connection.cursor().execute("CALL globalmart.run_etl()")
            self.ended = "done"
        except psycopg2.OperationalError:
            self.ended = "killed"


def some_events(seed):
    reader = contract.Contract(generated.CLOCK)
    shop = small_shop.SmallShop(seed, EVENTS, BEGINNING, DAYS * 24 * instants.HOUR, users=60)
    for topic, event in shop.events():
        event.pop("_time")
        parsed = reader.event(topic, json.dumps(event).encode())
        if parsed is not None:
            yield parsed


def differences(database):
    """{fact: rows that it has and should not have or the other way round}"""
    found = {}
    for name, (fact, stream) in SUMS.items():
        fact = fact.replace("country", "g.country") + DIMENSIONS
        both = f"(({fact}) EXCEPT ALL ({stream})) UNION ALL (({stream}) EXCEPT ALL ({fact}))"
        rows = database.rows(f"SELECT * FROM ({both}) AS d LIMIT 5")
        if rows:
            found[name] = rows
    return found


@pytest.mark.parametrize("how", ["terminate", "cancel"])
def test_killed_at_seeded_points(database, seed, long_form, how):
    database.set_clock(generated.CLOCK)
    points = (20 if long_form else 5) // 2 + 1
    chosen = random.Random(seed)
    events = list(some_events(seed))
    # Catalogue changes in between: versions are split while their facts are loaded.
    share = len(events) // (points + 1)
    writers, nights = [], []
    killed = 0
    for point in range(points):
        writer = Writer(database, events[point * share : (point + 1) * share], seed + point)
        writers.append(writer)
        tell_changes(database, chosen)
        writer.start()
        night = Night(database)
        nights.append(night)
        steps_before = database.value("SELECT count(*) FROM globalmart.etl_steps")
        wanted = steps_before + chosen.randrange(1, 12)
        night.start()
        wait_until(
            lambda: night.ended or database.value("SELECT count(*) FROM globalmart.etl_steps") >= wanted,
            "the step to kill",
        )
        database.rows(f"SELECT pg_{how}_backend(%s)", night.pid)
        night.join()
        killed += night.ended == "killed"
        writer.join()
    last = Writer(database, events[points * share :], seed)
    last.start()
    last.join()
    assert [error for writer in [*writers, last] for error in writer.errors] == []

    database.execute("CALL globalmart.run_etl()")
    assert differences(database) == {}
    assert database.value("SELECT state FROM globalmart.etl_progress") == "done"
    assert database.value("SELECT count(*) FROM globalmart.etl_spans") == 0
    check_versions(database)
    read = database.value("SELECT rows_read FROM globalmart.etl_runs ORDER BY run_id DESC LIMIT 1")
    database.execute("CALL globalmart.run_etl()")
    again = database.value("SELECT rows_read FROM globalmart.etl_runs ORDER BY run_id DESC LIMIT 1")
    assert again == 0, (read, again)
    assert killed > 0, "no run was killed: the points came too late"
    # Sessions that live on after a cancel kept nobody out.
    if how == "cancel":
        assert [night.connection.closed for night in nights] == [0] * points
    for night in nights:
        night.connection.close()


def tell_changes(database, chosen):
    for _ in range(10):
        database.execute(
            "INSERT INTO globalmart.user_changes (event_time, user_id, deleted, country)"
            " VALUES (%s::timestamptz + %s * interval '1 minute', %s, false, %s)",
            instants.show(BEGINNING),
            chosen.randrange(-600, DAYS * 24 * 60),
            f"USER_{chosen.randrange(60)}",
            chosen.choice(["UK", "USA", "Japan"]),
        )


def check_versions(database):
    """Every fact is in the version of its time, and versions follow each other without a gap."""
    for fact in ("fact_sales", "fact_cart_events", "fact_product_views"):
        assert (
            database.value(
                f"SELECT count(*) FROM warehouse.{fact} AS f JOIN warehouse.dim_customers AS c USING (customer_key)"
                " WHERE f.event_time < c.effective_from OR f.event_time >= c.effective_to"
            )
            == 0
        ), fact
    told = database.rows(
        "SELECT DISTINCT ON (user_id, event_time) user_id, event_time, country FROM globalmart.user_changes"
        " ORDER BY user_id, event_time, kafka_offset DESC"
    )
    for user, time, country in told:
        assert database.value(
            "SELECT country FROM warehouse.dim_customers WHERE user_id = %s AND effective_from <= %s AND effective_to > %s",
            user, time, time,
        ) == country  # fmt: skip
    assert database.rows(
        "SELECT user_id FROM warehouse.dim_customers GROUP BY user_id HAVING count(*) FILTER (WHERE is_current) <> 1"
    ) == []


def test_two_at_once(database, seed):
    database.set_clock(generated.CLOCK)
    writer = Writer(database, list(some_events(seed))[:2_000], seed)
    writer.run()
    nights = [Night(database) for _ in range(3)]
    for night in nights:
        night.start()
    for night in nights:
        night.join()
    assert [night.ended for night in nights] == ["done"] * 3
    for night in nights:
        night.connection.close()
    assert differences(database) == {}
    assert database.value("SELECT sum(rows_rejected) FROM globalmart.etl_runs") == 0
