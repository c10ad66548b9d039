"""One worker and one partition: the oracle predicts exactly which event is late for which rollup.

Closing is done by the test after each portion of messages; the bridge's own closer is kept from it
by taking its privilege away, so that nothing depends on timing."""

import pytest

from harness import generated, traffic
from oracle import instants, rollups
from oracle.intake import Oracle
from session import Topics

PORTION = 5_000


@pytest.mark.parametrize("order", sorted(traffic.ORDERS))
def test_exact_late_set(shop, broker, seed, long_form, order):
    count = 200_000 if long_form else 60_000
    made = generated.small_shop(seed, count, late=True)
    made = {topic: traffic.ORDERS[order](pairs, seed) for topic, pairs in made.items()}
    messages = interleaved(made)
    topics = Topics(broker, 1)
    shop.set_up(topics, generated.CLOCK, bridge__workers=1)
    shop.database.execute(
        "REVOKE EXECUTE ON FUNCTION globalmart.publish_windows FROM globalmart_writer"
    )
    oracle = Oracle(generated.CLOCK)
    for start in range(0, len(messages), PORTION):
        portion = messages[start : start + PORTION]
        topics.put(portion)
        shop.bridge.drain()
        shop.database.close_windows()
        oracle.take_all(portion)
        oracle.close()

    expected = {
        (name, event.topic, event.partition, event.offset, event.id, event.time)
        for name, late in oracle.late.items()
        for event in late.values()
    }
    of_name = {name: topic for topic, name in topics.names.items()}
    stored = [
        (name, of_name.get(topic, topic), *rest)
        for name, topic, *rest in shop.database.rows(
            "SELECT rollup, topic, kafka_partition, kafka_offset, event_id::text,"
            " (extract(epoch FROM event_time) * 1000000)::bigint FROM globalmart.late_events"
        )
    ]
    assert len(stored) == len(set(stored)), "a late event is there twice"
    missing, unexpected = expected - set(stored), set(stored) - expected
    assert not missing and not unexpected, (
        f"{len(missing)} missing: {show(missing)}; {len(unexpected)} unexpected: {show(unexpected)}"
    )
    if order == "as_generated":
        assert expected, "nothing was late, so nothing was tested"
    else:
        assert not expected

    last = max(event.time for event in oracle.events["views"])
    topics.put_sentinels(last + 6 * instants.HOUR)
    shop.bridge.drain()
    shop.database.close_windows()
    oracle.take_all(topics.messages[len(messages) :])
    shop.check(oracle, last + 2 * instants.HOUR)
    for name in rollups.BY_NAME:
        assert shop.database.rows("SELECT * FROM globalmart.verify(%s)", name) == [], name


def interleaved(topics):
    """All topics' messages in the share that each has, so that event time goes on in all at once."""
    placed = []
    for topic, pairs in topics.items():
        for number, message in enumerate(traffic.messages({topic: pairs}, 1, generated.START)):
            placed.append((number / len(pairs), topic, message))
    placed.sort(key=lambda entry: entry[:2])
    return [message for _, _, message in placed]


def show(rows):
    return [(*row[:-1], instants.show(row[-1])) for row in sorted(rows)[:5]]
