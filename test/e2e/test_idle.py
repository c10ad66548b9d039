"""The last windows close with no new event: idle partitions and the wall clock."""

import datetime
import json
import uuid

from harness.processes import wait_until
from oracle import contract, instants
from oracle.intake import Message
from session import Topics

QUICK = """
SELECT globalmart.create_rollup('orders_a_second', $$
  SELECT window_start, window_end, country, count(*) AS orders
  FROM globalmart.transactions, globalmart.tumble(event_time, interval '1 second')
  GROUP BY window_start, window_end, country
$$, lateness => interval '0', idle_timeout => interval '{idle} seconds')
"""


def order(instant):
    return json.dumps(
        {
            "transaction_id": str(uuid.uuid4()),
            "user_id": "USER_1",
            "timestamp": instants.show(instant),
            "products": [{"product_id": "PROD_1", "quantity": 1, "price": 1}],
            "total_amount": 1,
            "payment_method": "PayPal",
            "country": "Japan",
        }
    ).encode()


def test_last_window_closes_by_the_clock(shop, broker):
    """Three partitions, events in one of them only, and then silence."""
    topics = Topics(broker, 3)
    now = int(datetime.datetime.now().timestamp()) * instants.SECOND
    topics.put(
        Message(contract.TRANSACTIONS, 1, number, None, order(now + number), now)
        for number in range(3)
    )
    shop.database.execute(QUICK.format(idle=1))
    shop.set_up(topics, None)
    shop.bridge.start()
    wait_until(
        lambda: shop.database.value("SELECT sum(orders) FROM globalmart.orders_a_second") == 3,
        "the last window to close",
        seconds=60,
        process=shop.bridge.process,
    )
    assert shop.bridge.stop() == 0
    shop.bridge.process = None


def test_a_bridge_that_is_down_makes_nothing_idle(shop, broker):
    """Silence of the bridge is not silence of the topic: nothing closes while it is away."""
    topics = Topics(broker, 1)
    now = int(datetime.datetime.now().timestamp()) * instants.SECOND
    topics.put([Message(contract.TRANSACTIONS, 0, 0, None, order(now), now)])
    shop.database.execute(QUICK.format(idle=5))
    shop.set_up(topics, None)
    shop.bridge.start()
    wait_until(
        lambda: shop.database.value("SELECT count(*) FROM globalmart.transactions") == 1,
        "the order to be stored",
        process=shop.bridge.process,
    )
    shop.bridge.kill()
    wait_until(
        lambda: shop.database.value(
            "SELECT clock_timestamp() > max(checked_at) + interval '6 s'"
            " FROM globalmart.partition_progress"
        ),
        "longer silence than the timeout",
    )
    shop.database.close_windows()
    closed = shop.database.value(
        "SELECT closed_until <= to_timestamp(%s) FROM globalmart.rollups"
        " WHERE name = 'orders_a_second'",
        now // instants.SECOND,
    )
    assert closed


def checkout(instant):
    return json.dumps(
        {
            "event_id": str(uuid.uuid4()),
            "event_type": "checkout",
            "timestamp": instants.show(instant),
            "user_id": "USER_1",
            "session_id": "eeeeeeee-eeee-4eee-8eee-000000000001",
            "country": "Japan",
        }
    ).encode()


def set_now(database, instant):
    """The clock of sessions that are open too; None: the real one again."""
    database.execute("SELECT globalmart.clock()")  # loads the library, which owns the setting
    value = "DEFAULT" if instant is None else f"'{instants.show(instant)}'"
    database.execute(f"ALTER SYSTEM SET globalmart.now = {value}")
    database.execute("SELECT pg_reload_conf()")


def test_a_partition_that_waits_for_the_database_is_not_idle(shop, broker):
    """The database refuses orders while time goes by: neither they nor what comes to the worker's
    other partitions meanwhile is late afterwards."""
    topics = Topics(broker, 1)
    start = instants.parse("2026-11-20T10:00:00Z")
    database = shop.database
    for name, stream in (("orders_a_second", "transactions"), ("carts_a_second", "cart_events")):
        query = QUICK.replace("orders_a_second", name).replace("transactions", stream)
        database.execute(query.format(idle=5))
    domains = (
        "domain IN (SELECT domain FROM globalmart.streams"
        " WHERE stream IN ('transactions', 'cart_events'))"
    )

    def put(number):
        time = start + number * instants.SECOND
        return [
            Message(contract.TRANSACTIONS, 0, number, None, order(time), time),
            Message(contract.CART, 0, number, None, checkout(time), time),
        ]

    def wait_for(what, condition):
        wait_until(lambda: database.value(condition), what, process=shop.bridge.process)

    try:
        set_now(database, start)
        topics.put(put(0))
        hour = instants.show(start + instants.HOUR)
        shop.set_up(topics, None, bridge__workers=1, bridge__clock=hour)
        shop.bridge.start()
        progress = f" FROM globalmart.partition_progress WHERE {domains}"
        wait_for("both at their end", "SELECT count(at_end_since) = 2" + progress)
        leaf = database.value("SELECT globalmart.make_partition('transactions', '2026-11-20')")
        database.execute(
            """CREATE FUNCTION public.disk_full() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN RAISE disk_full; END $$"""
        )
        database.execute(
            f"CREATE TRIGGER disk_full BEFORE INSERT ON globalmart.{leaf}"
            " FOR EACH ROW EXECUTE FUNCTION public.disk_full()"
        )
        late = put(1)
        topics.put(late[:1])
        wait_until(
            lambda: "the batch was not applied" in shop.bridge.log.read_text(),
            "the refusal",
            process=shop.bridge.process,
        )
        topics.put(late[1:])  # the worker does not ask for it before the order is in
        wait_for("both to be left", "SELECT count(at_end_since) = 0" + progress)
        minute = instants.show(start + 60 * instants.SECOND)
        set_now(database, start + 60 * instants.SECOND)
        wait_for("the bridge to report", f"SELECT min(checked_at) = '{minute}'" + progress)
        database.close_windows()
        database.execute(f"DROP TRIGGER disk_full ON globalmart.{leaf}")
        for stream in ("transactions", "cart_events"):
            wait_for(stream, f"SELECT count(*) = 2 FROM globalmart.{stream}")
        assert database.rows("SELECT rollup, kafka_offset FROM globalmart.late_events") == []
        # At their end again, and then idle.
        wait_for("both at their end", "SELECT count(at_end_since) = 2" + progress)
        set_now(database, start + 180 * instants.SECOND)
        for name in ("orders_a_second", "carts_a_second"):
            wait_for(name, f"SELECT sum(orders) = 2 FROM globalmart.{name}")
        assert shop.bridge.stop() == 0
    finally:
        set_now(database, None)
