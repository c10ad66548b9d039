"""The bridge killed with SIGKILL at seeded points: nothing lost, nothing double."""

import random
import signal
import subprocess

import pytest

from harness import generated, tables
from session import Topics

PARTITIONS = 3
EVENTS = 60_000
BATCH = 400
# Where the bridge can be told to die: in a batch's transaction and in a close.
INGEST = ["before_begin", "after_offsets", "in_copy", "before_commit", "after_commit"]
CLOSE = ["before_publish", "after_publish", "after_wait", "after_merge"]
ANYWHERE = "anywhere"


@pytest.fixture(scope="module")
def recording(broker, folder, seed):
    topics = Topics(broker, PARTITIONS)
    return generated.fill(topics, folder, seed, EVENTS, False, "as_generated")


def kills(choice, count):
    """(point, how many passes) of each kill; every kind is among eight."""
    points = [*choice.sample(INGEST, 3), *choice.sample(CLOSE, 3), ANYWHERE, ANYWHERE]
    while len(points) < count:
        points.append(choice.choice([*INGEST, *CLOSE, ANYWHERE]))
    choice.shuffle(points)
    return [(point, choice.randint(1, 8 if point in INGEST else 2)) for point in points]


@pytest.mark.parametrize("workers", [1, 3])
def test_killed_at_seeded_points(shop, durable, recording, seed, long_form, workers):
    choice = random.Random(seed * 10 + workers)
    shop.set_up(
        recording.topics, recording.clock, bridge__workers=workers, bridge__batch_messages=BATCH
    )
    killed = []
    for point, passes in kills(choice, 30 if long_form else 8):
        before = offsets(shop.database)
        if point == ANYWHERE:
            shop.bridge.start()
            run_for(shop.bridge.process, choice.uniform(0.05, 0.6))
            shop.bridge.kill()
        else:
            shop.bridge.start("--drain", bridge__fault_point=f"{point}:{passes}")
            status = shop.bridge.process.wait(120)
            assert status in (0, -signal.SIGKILL), shop.bridge.last_lines()
            if status == 0:
                continue  # everything was done before it came that far
        killed.append(point)
        after = offsets(shop.database)
        assert all(after.get(place, 0) >= offset for place, offset in before.items())
    assert len(killed) >= 6, killed
    shop.bridge.drain()
    shop.database.close_windows()
    assert tables.late_ids(shop.database) == {}
    shop.check(recording.oracle, recording.until)
    found = tables.stream_differences(shop.database, recording.oracle)
    assert not found, tables.explain(found)


def run_for(process, seconds):
    """Lets it run for a moment: where the signal hits is left to chance."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        pass


def offsets(database):
    return {
        (topic, partition): offset
        for topic, partition, offset in database.rows(
            "SELECT topic, kafka_partition, next_offset FROM globalmart.kafka_offsets"
            " WHERE next_offset IS NOT NULL"
        )
    }
