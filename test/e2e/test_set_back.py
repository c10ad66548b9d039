"""The database goes back while the bridge lives: a failover to a standby that lagged, or a recovery
to a point in time. What it lost comes from Kafka once more."""

import json
import os
import shutil
import signal
import subprocess

import pytest

from harness.processes import as_user, end, wait_until
from oracle import contract, instants
from oracle.intake import Message
from session import Topics
from shared import CASE_CLOCK


def event(number, **changed):
    return {
        "event_id": f"00000000-0000-4000-8000-{number:012x}",
        "event_type": "checkout",
        "timestamp": instants.show(CASE_CLOCK - instants.HOUR + number * instants.SECOND),
        "user_id": "USER_00000001",
        "session_id": "eeeeeeee-eeee-4eee-8eee-000000000001",
        "country": "USA",
        **changed,
    }


def put(topics, *values):
    """Into partition 0 of the carts' topic."""
    first = topics.count()
    topics.put(
        Message(contract.CART, 0, first + place, None, json.dumps(value).encode(), CASE_CLOCK)
        for place, value in enumerate(values)
    )


def put_events(topics, numbers):
    put(topics, *(event(number) for number in numbers))


class Copy:
    """A copy of the cluster's data folder, as a standby that lags has it."""

    def __init__(self, cluster, database):
        self.cluster = cluster
        self.database = database
        self.data = cluster.data.with_name("copy")
        self._stopped(self._make)

    def _make(self):
        command = ["cp", "-a", self.cluster.data, self.data]
        subprocess.run(command, check=True, **as_user(self.cluster.user))

    def put_back(self):
        """PostgreSQL ends at once and comes back as it was then."""
        self._stopped(self._swap)

    def _swap(self):
        shutil.rmtree(self.cluster.data)
        os.rename(self.data, self.cluster.data)

    def _stopped(self, change):
        self.database.close()
        end(self.cluster._process, signal.SIGQUIT)
        change()
        self.cluster.start()


def offsets(database):
    """(next_offset, accepted, duplicates, dead_letters) of the carts' partition."""
    found = database.rows(
        "SELECT next_offset, accepted, duplicates, dead_letters FROM globalmart.kafka_offsets"
        " WHERE topic = %s AND kafka_partition = 0",
        contract.CART,
    )
    return found[0] if found else None


def wait_offset(shop, offset):
    wait_until(
        lambda: (offsets(shop.database) or [None])[0] == offset,
        f"offset {offset}",
        process=shop.bridge.process,
    )


def stored(database):
    return [
        int(event_id[-12:], 16)
        for (event_id,) in database.rows(
            "SELECT event_id::text FROM globalmart.cart_events ORDER BY event_time"
        )
    ]


@pytest.mark.parametrize("workers", [1, 3])
def test_what_the_database_lost_is_applied_again(shop, cluster, durable, broker, workers):
    topics = Topics(broker, 1)
    bridge = shop.set_up(topics, CASE_CLOCK, bridge__workers=workers)
    bridge.start()
    put_events(topics, range(50))
    wait_offset(shop, 50)
    copy = Copy(cluster, shop.database)
    put_events(topics, range(50, 100))
    wait_offset(shop, 100)
    copy.put_back()
    put_events(topics, range(100, 110))
    wait_offset(shop, 110)
    assert stored(shop.database) == list(range(110))
    assert offsets(shop.database) == (110, 110, 0, 0)
    # The ids that it does hold are known: of those that came before, and of those that came again.
    put_events(topics, [3, 70, 105])
    wait_offset(shop, 113)
    assert offsets(shop.database) == (113, 110, 3, 0)
    warnings = [line for line in bridge.log.read_text().splitlines() if "level=warning" in line]
    assert any("begins anew with an empty memory" in line for line in warnings)
    (lost,) = [line for line in warnings if "it was set back" in line]
    assert "is at offset 50, but everything below 100 was committed" in lost
    assert f"topic={contract.CART}" in lost and "partition=0" in lost
    assert bridge.stop() == 0


def test_a_redrive_that_the_database_lost(shop, cluster, durable, broker):
    """It moved no offset, and yet its id is no longer known."""
    topics = Topics(broker, 1)
    database = shop.database
    bridge = shop.set_up(topics, CASE_CLOCK, bridge__workers=1)
    bridge.start()
    put(topics, event(0), event(1, country="Atlantis"), event(2))
    wait_offset(shop, 3)
    copy = Copy(cluster, database)

    def redrive():
        asked = "SELECT globalmart.redrive_dead_letter(topic, kafka_partition, kafka_offset, %s)"
        database.value(asked + " FROM globalmart.dead_letters", json.dumps(event(1)))
        ended = "SELECT state FROM globalmart.dead_letter_redrives WHERE state <> 'waiting'"
        wait_until(lambda: database.rows(ended), "the redrive", process=bridge.process)
        return database.rows(ended)

    assert redrive() == [("applied",)]
    copy.put_back()
    assert stored(database) == [0, 2]
    assert redrive() == [("applied",)]
    assert stored(database) == [0, 1, 2]
    assert bridge.stop() == 0
