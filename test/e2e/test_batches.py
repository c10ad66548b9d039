"""What ends a batch: its age, at which an event is committed without another one; or its size alone."""

import datetime
import json
import uuid

from harness.processes import wait_until
from oracle import contract, instants
from oracle.intake import Message
from session import Topics

SIZE = 10


def order(number, instant):
    body = {
        "transaction_id": str(uuid.uuid4()),
        "user_id": "USER_1",
        "timestamp": instants.show(instant),
        "products": [{"product_id": "PROD_1", "quantity": 1, "price": 1}],
        "total_amount": 1,
        "payment_method": "PayPal",
        "country": "Japan",
    }
    return Message(contract.TRANSACTIONS, 0, number, None, json.dumps(body).encode(), instant)


def stored(shop):
    """(rows, transactions that brought them)"""
    return shop.database.rows(
        "SELECT count(*), count(DISTINCT xmin::text) FROM globalmart.transactions"
    )[0]


def wait_for_rows(shop, count):
    wait_until(
        lambda: stored(shop)[0] == count, f"{count} rows", seconds=60, process=shop.bridge.process
    )


def test_a_batch_ends_by_age_or_by_size(shop, broker):
    topics = Topics(broker, 1)
    now = int(datetime.datetime.now().timestamp()) * instants.SECOND
    shop.set_up(topics, None)

    # Without an age the messages wait for a full batch, one by one as they come.
    shop.bridge.start(bridge__batch_age_ms=0, bridge__batch_messages=SIZE)
    wait_until(
        lambda: shop.database.value(
            "SELECT count(*) FROM globalmart.kafka_offsets WHERE owner IS NOT NULL"
        ) == len(topics.names),
        "the bridge to read",
        process=shop.bridge.process,
    )
    for number in range(SIZE):
        topics.put([order(number, now)])
    wait_for_rows(shop, SIZE)
    assert stored(shop) == (SIZE, 1)
    assert shop.bridge.stop() == 0

    # By default one is committed with no other behind it, and so is the next.
    shop.bridge.start()
    for number in (SIZE, SIZE + 1):
        topics.put([order(number, now)])
        wait_for_rows(shop, number + 1)
    assert stored(shop) == (SIZE + 2, 3)
    assert shop.bridge.stop() == 0
    shop.bridge.process = None
