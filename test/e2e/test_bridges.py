"""Two bridges share the topics; one that was thought dead comes back."""

import signal

import pytest

from harness import generated, tables
from harness.bridge import Bridge
from harness.processes import wait_until
from session import Topics

PARTITIONS = 4
EVENTS = 60_000


@pytest.fixture(scope="module")
def recording(broker, folder, seed):
    topics = Topics(broker, PARTITIONS)
    return generated.fill(topics, folder, seed, EVENTS, False, "as_generated")


def two(shop, recording, **settings):
    """Two bridges of one group, not yet started."""
    first = shop.set_up(recording.topics, recording.clock, bridge__batch_messages=500, **settings)
    other = shop.folder / "second"
    other.mkdir()
    return first, Bridge(other, first.settings)


def finished(shop, recording):
    """Whether every message was taken: stored, refused, or dropped as a copy."""
    taken = shop.database.value(
        "SELECT coalesce(sum(accepted + duplicates + dead_letters), 0)"
        " FROM globalmart.kafka_offsets"
    )
    return taken == recording.topics.count()


def check(shop, recording):
    shop.database.close_windows()
    late = tables.late_ids(shop.database)
    shop.check(recording.oracle, recording.until, late=late)
    found = tables.stream_differences(shop.database, recording.oracle)
    assert not found, tables.explain(found)


def test_two_bridges_share_the_work(shop, recording):
    first, second = two(shop, recording, bridge__workers=2)
    first.start()
    second.start()
    try:
        wait_until(
            lambda: shop.database.value("SELECT count(*) > 5000 FROM globalmart.cart_events"),
            "some of the work",
            process=first.process,
        )
        assert second.stop() == 0  # its partitions go to the first one
        wait_until(lambda: finished(shop, recording), "all of the work", process=first.process)
        assert first.stop() == 0
    finally:
        second.stop()
    check(shop, recording)


def test_a_zombie_is_fenced(shop, recording):
    """One is stopped in the middle, another takes over, the first wakes up: nothing twice."""
    quick = {"kafka.properties.session.timeout.ms": 6000}
    first, second = two(shop, recording, bridge__workers=1)
    first.settings.update(quick)
    second.settings.update(quick)
    first.start()
    wait_until(
        lambda: shop.database.value("SELECT count(*) > 2000 FROM globalmart.cart_events"),
        "some of the work",
        process=first.process,
    )
    first.process.send_signal(signal.SIGSTOP)
    try:
        second.start()
        wait_until(lambda: finished(shop, recording), "the rest of the work", process=second.process)
        first.process.send_signal(signal.SIGCONT)
        assert first.stop() == 0
        assert second.stop() == 0
    finally:
        first.process.send_signal(signal.SIGCONT)
        second.kill()
    check(shop, recording)
