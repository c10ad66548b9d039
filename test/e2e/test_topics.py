"""Where reading begins: at the end of a topic, and in one that was made anew."""

import re

import pytest

from oracle import contract
from session import Topics
from shared import CASE_CLOCK
from test_operation import carts


class Carts:
    """The carts' topic alone, whose offsets begin anew when it is made anew."""

    def __init__(self, broker):
        self.broker = broker
        self.topics = Topics(broker, 1)
        self.name = self.topics.names[contract.CART]

    def put(self, messages):
        self.broker.produce((self.name, 0, m.key, m.value, m.time // 1000) for m in messages)

    def make_anew(self):
        self.broker.delete_topics([self.name])
        self.broker.create_topics([self.name], 1)


def stored(database):
    return [
        int(event_id[-12:], 16)
        for (event_id,) in database.rows(
            "SELECT event_id::text FROM globalmart.cart_events ORDER BY event_time"
        )
    ]


def next_offset(database):
    return database.value(
        "SELECT next_offset FROM globalmart.kafka_offsets WHERE topic = %s", contract.CART
    )


@pytest.mark.parametrize("count, said", [(5, "ends at offset 5"), (30, "is not the one")])
def test_a_topic_that_was_made_anew(shop, broker, count, said):
    """Fewer messages than were applied, or others: it says what to do, and that works."""
    carts_topic = Carts(broker)
    database = shop.database
    bridge = shop.set_up(carts_topic.topics, CASE_CLOCK)
    carts_topic.put(carts(0, 20))
    bridge.drain()
    carts_topic.make_anew()
    carts_topic.put(carts(1000, count))
    before = database.rows("SELECT * FROM globalmart.cart_events ORDER BY event_time")
    for arguments in (["--drain"], []):
        bridge.start(*arguments)
        assert bridge.process.wait(60) == 3, bridge.last_lines()
        (line,) = [x for x in bridge.log.read_text().splitlines() if "level=critical" in x]
        assert f"{carts_topic.name} partition 0" in line and said in line
        assert "was recreated" in line and "Nothing was changed" in line
    assert database.rows("SELECT * FROM globalmart.cart_events ORDER BY event_time") == before
    assert next_offset(database) == 20
    # The statement of the text, as it stands there, by the name that the database has.
    (statement,) = re.findall(r"SELECT globalmart\.reset_offsets\('[^']+'\)", line)
    assert statement == f"SELECT globalmart.reset_offsets('{contract.CART}')"
    assert database.value(statement) == 1
    bridge.drain()
    assert stored(database) == [*range(20), *range(1000, 1000 + count)]
    assert next_offset(database) == count


def test_reading_begins_at_the_end(shop, broker):
    """Once: what comes while the bridge is away is not skipped."""
    topics = Topics(broker, 1)
    topics.put(carts(0, 10))
    database = shop.database
    bridge = shop.set_up(topics, CASE_CLOCK, kafka__start="latest")
    bridge.drain()
    assert stored(database) == [] and next_offset(database) == 10
    topics.put(carts(10, 5))
    bridge.drain()
    assert stored(database) == list(range(10, 15)) and next_offset(database) == 15
    bridge.drain(kafka__start="earliest")
    assert stored(database) == list(range(10, 15))
