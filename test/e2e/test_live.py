"""The _live views: closed rows, and for open windows what a close now would append. Together they
are what the oracle makes of everything that came so far, whatever is closed."""

import pytest

from harness import generated, tables, traffic
from oracle import compare, rollups
from session import Topics

EVENTS = 8_000
PORTIONS = 3


@pytest.mark.parametrize("workers", [1, 3])
def test_live_views(shop, broker, seed, workers):
    topics = Topics(broker, 3)
    made = generated.small_shop(seed, EVENTS, late=False)
    messages = list(traffic.messages(made, 3, generated.START))
    shop.set_up(topics, generated.CLOCK, bridge__workers=workers)
    for portion in range(PORTIONS):
        topics.put(in_portion(messages, portion))
        shop.bridge.drain()
        oracle = shop.oracle()
        closed = 0
        found = []
        for name in rollups.BY_NAME:
            live = tables.read(shop.database, name, "_live")
            found += compare.differences(name, oracle.rows(name), live)
            closed += shop.database.value(f"SELECT count(*) FROM globalmart.{name}")
            states = shop.database.rows(
                f"SELECT state, count(*), count(created_at) FROM globalmart.{name}_live GROUP BY 1"
            )
            assert {state for state, _, _ in states} <= {"closed", "open"}
            # Open rows have no time of a close yet, closed ones do.
            assert all(known == (0 if state == "open" else count) for state, count, known in states)
        assert not found, tables.explain(found)
        assert closed, "nothing was closed, so open and closed rows were not mixed"
    assert tables.late_ids(shop.database) == {}


def in_portion(messages, portion):
    """Messages of a third of the event time, by topic in order of arrival."""
    by_topic = {}
    for message in messages:
        by_topic.setdefault(message.topic, []).append(message)
    for of_topic in by_topic.values():
        start, end = (len(of_topic) * part // PORTIONS for part in (portion, portion + 1))
        yield from of_topic[start:end]
