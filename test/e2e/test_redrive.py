"""Dead letters that are mended and redriven: each is applied once, wherever the bridge dies."""

import json
import signal

import pytest

from harness.processes import wait_until
from oracle import contract, instants
from oracle.intake import Message
from session import Topics
from shared import CASE_CLOCK

POINTS = ["before_begin", "after_offsets", "in_copy", "before_commit", "after_commit"]
DAY = 24 * 3600 * instants.SECOND


def event(number, time=CASE_CLOCK - instants.SECOND, **changed):
    return {
        "event_id": f"00000000-0000-4000-8000-{number:012x}",
        "event_type": "checkout",
        "timestamp": instants.show(time),
        "user_id": "USER_00000001",
        "session_id": "eeeeeeee-eeee-4eee-8eee-000000000001",
        "country": "USA",
        **changed,
    }


def put(topics, *values):
    """Into partition 0 of the carts' topic; gives the offsets."""
    first = topics.count()
    offsets = range(first, first + len(values))
    topics.put(
        Message(contract.CART, 0, offset, None, json.dumps(value).encode(), CASE_CLOCK)
        for offset, value in zip(offsets, values)
    )
    return list(offsets)


def ask(database, offset, value):
    return database.value(
        "SELECT globalmart.redrive_dead_letter(topic, kafka_partition, kafka_offset, %s)"
        " FROM globalmart.dead_letters WHERE kafka_offset = %s",
        json.dumps(value),
        offset,
    )


def stored(database):
    """(number of the id, partition, offset) of each row."""
    return [
        (int(event_id[-12:], 16), partition, offset)
        for event_id, partition, offset in database.rows(
            "SELECT event_id::text, kafka_partition, kafka_offset FROM globalmart.cart_events"
            " ORDER BY kafka_offset"
        )
    ]


def redrives(database):
    return database.rows(
        "SELECT kafka_offset, state, detail FROM globalmart.dead_letter_redrives ORDER BY redrive_id"
    )


def letters(database):
    return database.rows(
        "SELECT kafka_offset, reason FROM globalmart.dead_letters ORDER BY kafka_offset"
    )


def counts(database):
    return database.rows(
        "SELECT accepted, duplicates, dead_letters FROM globalmart.kafka_offsets"
        " WHERE topic LIKE 'cart%' AND kafka_partition = 0"
    )[0]


def test_outcomes(shop, broker):
    topics = Topics(broker, 1)
    database = shop.database
    shop.set_up(topics, CASE_CLOCK, bridge__workers=2)
    old = CASE_CLOCK - 30 * DAY
    put(
        topics,
        event(1),
        event(2, country="Atlantis"),
        event(1, country="Atlantis"),
        event(3, country="Atlantis"),
        event(4, old, country="Atlantis"),
        event(4, old, country="Atlantis"),
        event(5, CASE_CLOCK - 90 * DAY),
    )
    shop.bridge.drain()
    assert counts(database) == (2, 0, 5)
    ahead = CASE_CLOCK + 600 * instants.SECOND
    assert ask(database, 1, event(2, ahead))  # mended
    assert ask(database, 2, event(1))  # its id came with offset 0
    assert ask(database, 3, event(3, user_id=7))  # for another reason
    assert ask(database, 4, event(4, old))
    shop.bridge.drain()
    assert ask(database, 5, event(4, old))  # long forgotten by the memory of ids
    shop.bridge.drain()
    assert [(offset, state) for offset, state, _ in redrives(database)] == [
        (1, "applied"),
        (2, "duplicate"),
        (3, "rejected"),
        (4, "applied"),
        (5, "duplicate"),
    ]
    assert "user_id" in redrives(database)[2][2]
    assert letters(database) == [(3, "ill_typed")]
    assert stored(database) == [(1, 0, 0), (2, 0, 1), (4, 0, 4), (5, 0, 6)]
    # A definition that is made now begins after it, though it is ahead of the clock.
    newest = "SELECT globalmart.greatest_event_time('cart') = %s"
    assert database.value(newest, instants.show(ahead))
    assert counts(database) == (4, 2, 1)
    # The one that was refused, by a bridge that runs; then its id is known to it.
    shop.bridge.start()
    assert ask(database, 3, event(3))
    wait_until(lambda: not letters(database), "the redrive", process=shop.bridge.process)
    put(topics, event(3))
    wait_until(
        lambda: counts(database) == (5, 3, 0), "the repetition", process=shop.bridge.process
    )
    assert shop.bridge.stop() == 0
    assert (3, 0, 3) in stored(database) and len(stored(database)) == 5


@pytest.mark.parametrize("point", POINTS)
def test_killed_while_it_redrives(shop, durable, broker, point):
    topics = Topics(broker, 1)
    database = shop.database
    shop.set_up(topics, CASE_CLOCK, bridge__workers=1)
    put(topics, *(event(number, country="Atlantis") for number in range(20)))
    shop.bridge.drain()
    assert len(letters(database)) == 20
    for number in range(20):
        assert ask(database, number, event(number))
    # There is nothing else to write: it dies in the transaction of the redrives.
    shop.bridge.start("--drain", bridge__fault_point=point)
    assert shop.bridge.process.wait(60) == -signal.SIGKILL, shop.bridge.last_lines()
    applied = point == "after_commit"
    assert len(stored(database)) == (20 if applied else 0)
    assert len(letters(database)) == (0 if applied else 20)
    for _ in range(2):
        shop.bridge.drain()
        assert stored(database) == [(number, 0, number) for number in range(20)]
        assert {state for _, state, _ in redrives(database)} == {"applied"}
        assert letters(database) == []
        assert counts(database) == (20, 0, 0)


def test_a_row_that_the_database_refuses(shop, broker):
    """The others are applied, it is rejected with the database's reason and stays a dead letter."""
    topics = Topics(broker, 1)
    database = shop.database
    shop.set_up(topics, CASE_CLOCK, bridge__workers=1)
    put(topics, *(event(number, country="Atlantis") for number in range(5)))
    shop.bridge.drain()
    database.execute(
        "ALTER TABLE globalmart.cart_events ADD CONSTRAINT not_him CHECK (user_id <> 'USER_13')"
    )
    for number in range(5):
        assert ask(database, number, event(number, user_id="USER_13" if number == 3 else "USER_1"))
    shop.bridge.drain()
    states = {offset: (state, detail) for offset, state, detail in redrives(database)}
    assert [states[number][0] for number in range(5)] == [
        "applied",
        "applied",
        "applied",
        "rejected",
        "applied",
    ]
    assert "23514" in states[3][1] and "not_him" in states[3][1]
    assert letters(database) == [(3, "rejected_by_database")]
    assert stored(database) == [(number, 0, number) for number in (0, 1, 2, 4)]
    # The cause is mended: its id is not taken for seen.
    database.execute("ALTER TABLE globalmart.cart_events DROP CONSTRAINT not_him")
    assert ask(database, 3, event(3, user_id="USER_13"))
    shop.bridge.drain()
    assert stored(database) == [(number, 0, number) for number in range(5)]
    assert letters(database) == [] and counts(database) == (5, 0, 0)


def test_the_connection_is_lost_while_it_redrives(shop, broker):
    """The bridge lives on, applies each once, and still knows the ids."""
    topics = Topics(broker, 1)
    database = shop.database
    shop.set_up(topics, CASE_CLOCK, bridge__workers=1)
    put(topics, *(event(number, country="Atlantis") for number in range(10)))
    shop.bridge.drain()
    database.execute(
        """CREATE FUNCTION public.halt() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NULL; END $$"""
    )
    database.execute(
        "CREATE TRIGGER halt AFTER INSERT ON globalmart.cart_events"
        " FOR EACH ROW EXECUTE FUNCTION public.halt()"
    )
    database.execute("SELECT pg_advisory_lock(4711)")
    for number in range(10):
        assert ask(database, number, event(number))
    bridge = shop.bridge.start()
    halted = (
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'globalmart-bridge writer 1'"
        " AND datname = current_database() AND wait_event_type = 'Lock'"
    )
    wait_until(lambda: database.rows(halted), "the redrive to be under way", process=bridge.process)
    database.execute("SELECT pg_terminate_backend(pid) FROM (" + halted + ") AS h")
    database.execute("SELECT pg_advisory_unlock(4711)")
    wait_until(lambda: not letters(database), "the redrives", process=bridge.process)
    assert stored(database) == [(number, 0, number) for number in range(10)]
    assert {state for _, state, _ in redrives(database)} == {"applied"}
    put(topics, event(4))
    wait_until(lambda: counts(database) == (10, 1, 0), "the repetition", process=bridge.process)
    assert bridge.stop() == 0
    assert "redrives wait" in bridge.log.read_text()


def test_a_tombstone_is_not_redriven(shop, broker):
    """Its Kafka timestamp, from which it deletes, is not kept: a newer version would be deleted, too."""
    topics = Topics(broker, 1)
    database = shop.database
    shop.set_up(topics, CASE_CLOCK, bridge__workers=1)
    key = b"USER_1"
    user = {"user_id": "USER_1", "timestamp": instants.show(CASE_CLOCK - DAY), "country": "USA"}
    ahead = CASE_CLOCK + DAY
    topics.put(
        [
            Message(contract.USERS, 0, 0, key, json.dumps(user).encode(), CASE_CLOCK),
            Message(contract.USERS, 0, 1, key, None, ahead),
        ]
    )
    shop.bridge.drain()
    assert letters(database) == [(1, "future_timestamp")]
    assert database.value("SELECT globalmart.redrive_dead_letters('{}')") == 1
    shop.bridge.drain()
    ((offset, state, detail),) = redrives(database)
    assert (offset, state) == (1, "rejected") and "Kafka timestamp" in detail
    assert letters(database) == [(1, "tombstone")]
    assert database.rows("SELECT user_id FROM globalmart.users") == [("USER_1",)]
    # What it was for: the value again, from the producer, or a mended one.
    mended = {**user, "timestamp": instants.show(CASE_CLOCK - instants.SECOND), "country": "UK"}
    assert ask(database, 1, mended)
    shop.bridge.drain()
    assert letters(database) == []
    assert database.rows("SELECT user_id, country FROM globalmart.users") == [("USER_1", "UK")]
