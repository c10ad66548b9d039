"""The bridge killed with SIGKILL at seeded points: nothing lost, nothing double."""

import random

import pytest

from harness import generated, tables
from harness.processes import wait_until
from session import Topics

PARTITIONS = 3
EVENTS = 60_000
BATCH = 400


@pytest.fixture(scope="module")
def recording(broker, folder, seed):
    topics = Topics(broker, PARTITIONS)
    return generated.fill(topics, folder, seed, EVENTS, False, "as_generated")


@pytest.mark.parametrize("workers", [1, 3])
def test_killed_at_seeded_points(shop, durable, recording, seed, long_form, workers):
    points = (30 if long_form else 8) // 2
    choice = random.Random(seed * 10 + workers)
    total = len(recording.accepted)
    thresholds = sorted(choice.randrange(total * 9 // 10) for _ in range(points))
    shop.set_up(
        recording.topics,
        recording.clock,
        bridge__workers=workers,
        bridge__batch_max_messages=BATCH,
    )
    stored = 0
    for threshold in thresholds:
        # Not before something is done, so that no two kills hit the same state.
        goal = max(threshold, stored + 1)
        shop.bridge.start()
        stored = wait_until(
            lambda: committed(shop.database, goal), f"{goal} rows", process=shop.bridge.process
        )
        # Up to a batch later, at no particular place.
        pause = choice.random() * 0.05
        wait_for(shop.bridge.process, pause)
        shop.bridge.kill()
        offsets_never_go_back(shop)
    shop.bridge.drain()
    shop.database.close_windows()
    assert tables.late_ids(shop.database) == {}
    shop.check(recording.oracle, recording.until)
    found = tables.stream_differences(shop.database, recording.oracle)
    assert not found, tables.explain(found)


def committed(database, goal):
    count = database.value(
        "SELECT (SELECT count(*) FROM globalmart.transactions)"
        " + (SELECT count(*) FROM globalmart.cart_events)"
        " + (SELECT count(*) FROM globalmart.product_view_events)"
        " + (SELECT count(*) FROM globalmart.inventory_events)"
    )
    return count if count >= goal else 0


def wait_for(process, seconds):
    """Lets the process run on for a moment: where the signal hits it is left to chance."""
    try:
        process.wait(seconds)
    except Exception:  # still running, as it should be
        pass


def offsets_never_go_back(shop):
    """The stored offset of each partition is past every row that came from it."""
    behind = shop.database.rows(
        "SELECT p.topic, p.kafka_partition, p.next_offset, r.last FROM globalmart.partition_offsets p"
        " JOIN (SELECT kafka_partition, max(kafka_offset) AS last FROM globalmart.cart_events"
        "       GROUP BY 1) r USING (kafka_partition)"
        " WHERE p.topic = %s AND r.last >= p.next_offset",
        shop.topics.names["cart-events-topic"],
    )
    assert behind == []
