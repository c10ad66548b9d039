"""Alerts on their topic: byte for byte what NOTIFY says, at least once, known by a stable id."""

import json

from harness.processes import wait_until
from oracle import contract, instants
from oracle.intake import Message
from session import Topics
from shared import CASE_CLOCK

MONEY = ["12000.00", "7500.10", "100000.00"]


def order(number, amount):
    time = CASE_CLOCK - instants.HOUR
    value = {
        "transaction_id": f"00000000-0000-4000-8000-{number:012x}",
        "user_id": "USER_00000001",
        "timestamp": instants.show(time),
        "products": [{"product_id": "PROD_1", "quantity": 1, "price": 1}],
        "payment_method": "PayPal",
        "country": "Japan",
    }
    text = json.dumps(value)[:-1] + f', "total_amount": {amount}}}'
    return Message(contract.TRANSACTIONS, 0, number, None, text.encode(), time)


def sent(database):
    """{alert_id: payload as NOTIFY has it}, when all is sent."""
    wait_until(
        lambda: database.value(
            "SELECT count(*) = 0 FROM globalmart.alerts_outbox WHERE sent_at IS NULL"
        ),
        "the alerts to be sent",
    )
    return {
        alert_id.encode(): payload.encode()
        for alert_id, payload in database.rows(
            "SELECT alert_id::text, (payload || jsonb_build_object('alert_id', alert_id,"
            " 'rollup', rollup))::text FROM globalmart.alerts_outbox"
        )
    }


def test_money_is_on_the_topic_as_it_is(shop, broker):
    topics = Topics(broker, 2)
    topics.put(order(number, amount) for number, amount in enumerate(MONEY))
    database = shop.database
    # A shop's own alert may hold any jsonb.
    odd = '{"amount": 1234567890123456.78, "text": "a  \\u00e4\\"", "none": null, "small": 1e-30}'
    database.execute(
        "INSERT INTO globalmart.alerts_outbox (alert_id, rollup, payload)"
        " VALUES (gen_random_uuid(), 'odd', %s)",
        odd,
    )
    listener = database.connect()
    listener.cursor().execute("LISTEN globalmart_alerts")
    bridge = shop.set_up(topics, CASE_CLOCK)
    bridge.drain()

    expected = sent(database)
    found = broker.read(topics.alerts)
    assert sorted(found) == sorted(expected.items())
    values = [value for _, value in found]
    for text in [*MONEY, "1234567890123456.78"]:
        amounts = (f'"total_amount": {text}'.encode(), f'"amount": {text}'.encode())
        assert any(amount in value for value in values for amount in amounts), text
    listener.poll()
    assert sorted(n.payload.encode() for n in listener.notifies) == sorted(expected.values())
    listener.close()


def test_an_alert_that_is_sent_again_is_the_same(shop, broker):
    """The bridge died between sending and noting it: the reader knows the alert by its id."""
    topics = Topics(broker, 1)
    topics.put(order(number, amount) for number, amount in enumerate(MONEY))
    bridge = shop.set_up(topics, CASE_CLOCK)
    bridge.drain()
    first = broker.read(topics.alerts)
    shop.database.execute("UPDATE globalmart.alerts_outbox SET sent_at = NULL, taken_at = NULL")
    bridge.drain()
    again = broker.read(topics.alerts)
    assert len(first) >= len(MONEY) and again[: len(first)] == first
    assert sorted(again[len(first) :]) == sorted(first)
    assert all(json.loads(value)["alert_id"] == key.decode() for key, value in first)
