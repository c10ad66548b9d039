"""One worker and one partition, closing after each batch: the oracle predicts exactly which event is
late for which rollup.

Which messages made a batch is read from the database (the rows of one transaction share xmin), so
that nothing depends on how the messages came from the broker."""

import pytest

from harness import generated, tables
from oracle import instants, rollups
from oracle.intake import DOMAIN_OF_TOPIC, Oracle
from session import Topics

STREAMS = {
    "transactions-topic": "transactions",
    "cart-events-topic": "cart_events",
    "product-views-topic": "product_view_events",
    "inventory-events-topic": "inventory_events",
}
EVENTS = 40_000


@pytest.fixture(scope="module")
def recording(broker, folder, seed, long_form):
    count = 200_000 if long_form else EVENTS
    return generated.fill(Topics(broker, 1), folder, seed, count, True, "as_generated")


@pytest.mark.parametrize("batch", [20, 1_000])
def test_exact_late_set(shop, recording, batch):
    shop.set_up(
        recording.topics,
        recording.clock,
        bridge__workers=1,
        bridge__batch_messages=batch,
        bridge__batch_age_ms=0,
        bridge__close_after_batch=True,
    )
    shop.bridge.drain(seconds=600)
    oracle = replay(recording, batches(shop.database))
    expected = {
        (name, event.topic, event.partition, event.offset, event.id, event.time)
        for name, late in oracle.late.items()
        for event in late.values()
    }
    late_domains = {DOMAIN_OF_TOPIC[row[1]] for row in expected}
    assert late_domains >= {"transactions", "cart", "views"}, "too little was late to test anything"
    of_name = {name: topic for topic, name in recording.topics.names.items()}
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
        f"{len(missing)} of {len(expected)} missing: {show(missing)};"
        f" {len(unexpected)} unexpected: {show(unexpected)}"
    )
    shop.check(oracle, recording.until)
    for name in rollups.BY_NAME:
        assert shop.database.rows("SELECT * FROM globalmart.verify(%s)", name) == [], name
    found = tables.stream_differences(shop.database, oracle)
    assert not found, tables.explain(found)


def batches(database):
    """{(topic, offset): transaction} of the rows that are stored."""
    found = {}
    for topic, table in STREAMS.items():
        for transaction, offset in database.rows(
            f"SELECT xmin::text, kafka_offset FROM globalmart.{table}"
        ):
            found[topic, offset] = transaction
    return found


def replay(recording, transaction_of):
    """The oracle's run, with a close wherever one batch ended and the next began."""
    oracle = Oracle(recording.clock)
    last = {}
    for message in recording.topics.messages:
        transaction = transaction_of.get((message.topic, message.offset))
        if transaction is not None:
            if last.get(message.topic, transaction) != transaction:
                oracle.close()
            last[message.topic] = transaction
        oracle.take(message)
    return oracle


def show(rows):
    return [(*row[:-1], instants.show(row[-1])) for row in sorted(rows)[:5]]
