"""Some ten thousand messages with one odd thing each: the bridge accepts and refuses exactly what
the contract says, names a reason that fits, and stores what the oracle stores."""

from harness import odd_messages, tables, traffic
from oracle import instants
from oracle.intake import Message
from session import Topics
from shared import CASE_CLOCK


def test_odd_messages(shop, broker):
    topics = Topics(broker, 1)
    offsets = dict.fromkeys(traffic.SETTING_OF_TOPIC, 0)
    made = []
    for topic, key, value in odd_messages.messages():
        made.append(Message(topic, 0, offsets[topic], key, value, CASE_CLOCK))
        offsets[topic] += 1
    topics.put(made)
    shop.set_up(topics, CASE_CLOCK, bridge__workers=1)
    shop.bridge.drain()
    oracle = shop.oracle()
    shop.check_dead_letters(oracle)
    shop.check_counts(oracle)
    found = tables.stream_differences(shop.database, oracle)
    assert not found, tables.explain(found)
    late = instants.parse("2026-11-24T00:00:00Z")
    found = shop.differences(oracle, late, tables=["users", "products"])
    assert not found, "\n".join(found)
