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
