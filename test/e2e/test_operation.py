"""What the one who runs the bridge sees: closing, errors that say what to do, gaps, logs."""

import contextlib
import json
import os
import pty
import random
import re
import signal
import urllib.request

from harness.processes import wait_until
from oracle import contract, instants
from oracle.intake import Message
from session import Topics
from shared import CASE_CLOCK


def carts(first, count, country="USA"):
    """Cart events for partition 0, a second of event time apart."""
    made = []
    for number in range(first, first + count):
        time = CASE_CLOCK - 3600 * instants.SECOND + number * instants.SECOND
        value = {
            "event_id": f"00000000-0000-4000-8000-{number:012x}",
            "event_type": "checkout",
            "timestamp": instants.show(time),
            "user_id": "USER_00000001",
            "session_id": "eeeeeeee-eeee-4eee-8eee-000000000001",
            "country": country,
        }
        made.append(Message(contract.CART, 0, number, None, json.dumps(value).encode(), time))
    return made


def logged(bridge, text):
    return [line for line in bridge.log.read_text().splitlines() if text in line]


def wait_logged(bridge, text, seconds=60):
    return wait_until(lambda: logged(bridge, text), text, seconds, process=bridge.process)


class Metrics:
    """Of a bridge that listens on a free port; `Metrics(bridge)["name"]` asks it."""

    def __init__(self, bridge):
        line = wait_logged(bridge, "http listens")[0]
        self.url = f"http://127.0.0.1:{re.search(r'port=([0-9]+)', line).group(1)}/metrics"

    def __getitem__(self, name):
        with urllib.request.urlopen(self.url, timeout=10) as answer:
            text = answer.read().decode()
        return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE).group(1))


def test_close_after_batch_is_the_workers_alone(shop, broker):
    """The closer leaves closing to the worker while a batch is due, and only then."""
    topics = Topics(broker, 1)
    topics.put(carts(0, 15))
    bridge = shop.set_up(
        topics,
        CASE_CLOCK,
        bridge__workers=1,
        bridge__batch_messages=10,
        bridge__batch_age_ms=0,
        bridge__close_after_batch=True,
        http__listen="127.0.0.1:0",
    )
    bridge.start()
    metrics = Metrics(bridge)
    batches, closes = "globalmart_bridge_batches_total", "globalmart_bridge_close_seconds_count"
    wait_until(lambda: metrics[batches] == 1, "the first batch", process=bridge.process)
    # Five messages wait for five more. Meanwhile the closer makes its rounds, one a second.
    sent = "SELECT {} FROM pg_stat_activity WHERE application_name = 'globalmart-bridge closer'"
    then = shop.database.value(sent.format("query_start"))
    wait_until(
        lambda: shop.database.value(sent.format("query_start > %s + interval '3 s'"), then),
        "rounds of the closer",
        process=bridge.process,
    )
    assert metrics[batches] == metrics[closes] == 1
    topics.put(carts(15, 5))
    wait_until(lambda: metrics[batches] == 2, "the second batch", process=bridge.process)
    wait_until(lambda: metrics[closes] >= 4, "the closer to close at the end", process=bridge.process)
    assert bridge.stop() == 0


def test_a_role_without_rights_is_told_the_grant(shop, broker):
    """Once, however often the bridge tries; with the grant it goes on by itself."""
    topics = Topics(broker, 1)
    topics.put(carts(0, 5))
    database = shop.database
    database.execute('DROP ROLE IF EXISTS "no Rights"')
    database.execute('CREATE ROLE "no Rights" LOGIN')
    dsn = database.dsn("'no Rights'")
    bridge = shop.set_up(topics, CASE_CLOCK, postgres__dsn=dsn, http__listen="127.0.0.1:0")
    bridge.start()
    metrics = Metrics(bridge)
    wait_until(
        lambda: metrics["globalmart_bridge_database_errors_total"] >= 4,
        "some tries",
        process=bridge.process,
    )
    (line,) = logged(bridge, "42501")
    assert 'GRANT globalmart_writer TO "no Rights"' in line
    database.execute('GRANT globalmart_writer TO "no Rights"')
    count = "SELECT count(*) FROM globalmart.cart_events"
    wait_until(lambda: database.value(count) == 5, "the rows", process=bridge.process)
    # Taken away again: that is another trouble, which is told anew.
    database.execute('REVOKE globalmart_writer FROM "no Rights"')
    topics.put(carts(5, 5))
    wait_until(
        lambda: logged(bridge, "the batch was not applied: permission denied"),
        "the refused batch",
        process=bridge.process,
    )
    errors = metrics["globalmart_bridge_database_errors_total"]
    wait_until(
        lambda: metrics["globalmart_bridge_database_errors_total"] >= errors + 4,
        "some tries",
        process=bridge.process,
    )
    assert len(logged(bridge, "the batch was not applied")) == 1
    database.execute('GRANT globalmart_writer TO "no Rights"')
    wait_until(lambda: database.value(count) == 10, "the rest", process=bridge.process)
    assert bridge.stop() == 0


def test_a_rollup_that_fails_is_a_warning(shop, broker):
    topics = Topics(broker, 1)
    topics.put(carts(0, 100))
    database = shop.database
    database.execute(
        """SELECT globalmart.create_rollup('brittle', $$
             SELECT window_start, window_end, country, count(*) AS events
             FROM globalmart.cart_events, globalmart.tumble(event_time, interval '10 seconds')
             GROUP BY window_start, window_end, country $$, lateness => interval '0')"""
    )
    database.execute("ALTER TABLE globalmart.brittle ADD CONSTRAINT few CHECK (events < 5)")
    bridge = shop.set_up(topics, CASE_CLOCK)
    bridge.drain()
    assert database.value("SELECT state FROM globalmart.rollups WHERE name = 'brittle'") == "failed"
    (line,) = logged(bridge, 'rollup "brittle" could not be closed')
    assert "level=warning" in line and "resume_rollup('brittle')" in line


def test_a_database_with_another_isolation_level(shop, broker):
    topics = Topics(broker, 1)
    topics.put(carts(0, 100))
    database = shop.database
    database.execute(
        """SELECT globalmart.create_rollup('isolated', $$
             SELECT window_start, window_end, country, count(*) AS events
             FROM globalmart.cart_events, globalmart.tumble(event_time, interval '10 seconds')
             GROUP BY window_start, window_end, country $$, lateness => interval '0')"""
    )
    name = database.value("SELECT quote_ident(current_database())")
    database.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
    bridge = shop.set_up(topics, CASE_CLOCK)
    bridge.drain()
    assert database.value("SELECT count(*) FROM globalmart.isolated") > 0
    assert not logged(bridge, "READ COMMITTED")


def test_a_memory_of_ids_that_is_too_small_is_in_the_status(shop, broker):
    topics = Topics(broker, 1)
    topics.put(carts(0, 1500))
    bridge = shop.set_up(topics, CASE_CLOCK, bridge__dedup_max_ids=1000, bridge__batch_messages=100)
    bridge.start()
    state = "SELECT state, remedy FROM globalmart.status WHERE part = 'event ids'"
    wait_until(
        lambda: shop.database.value("SELECT sum(accepted) FROM globalmart.kafka_offsets") == 1500, "all events"
    )
    wait_until(lambda: shop.database.rows(state)[0][0] == "forgotten early", "the status", process=bridge.process)
    assert "dedup_max_ids" in shop.database.rows(state)[0][1]
    bridge.stop()


def test_a_log_of_json(shop, broker):
    topics = Topics(broker, 1)
    topics.put(carts(0, 3) + carts(3, 1, country='"Atlantis"\\'))
    bridge = shop.set_up(topics, CASE_CLOCK, log__format="json", bridge__workers=1)
    bridge.drain()
    lines = [json.loads(line) for line in bridge.log.read_text().splitlines()]
    assert all(list(line)[:3] == ["ts", "level", "message"] for line in lines)
    (owns,) = [line for line in lines if line["message"].startswith("owns ")]
    assert owns["worker"] == 1 and owns["level"] == "info"
    assert {**lines[-1], "ts": ""} == {
        "ts": "",
        "level": "info",
        "message": "ended",
        "status": 0,
        "messages": 4,
        "accepted": 3,
        "duplicates": 0,
        "dead_letters": 1,
        "closed_rows": 0,
    }


def test_a_line_of_the_log_takes_the_place_of_the_progress(shop, broker):
    """On a terminal. What the server says on several lines is one."""
    topics = Topics(broker, 1)
    topics.put(carts(0, 5))
    database = shop.database
    database.execute(
        """CREATE FUNCTION speak() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             RAISE WARNING E'first line\\nsecond line'; RETURN NULL; END $$;
           CREATE TRIGGER speak AFTER INSERT ON globalmart.kafka_offsets EXECUTE FUNCTION speak()"""
    )
    bridge = shop.set_up(topics, CASE_CLOCK, bridge__workers=1)
    terminal, its_end = pty.openpty()
    try:
        bridge.start(errors=its_end)
        os.close(its_end)
        os.set_blocking(terminal, False)
        shown = bytearray()

        def applied():
            with contextlib.suppress(BlockingIOError):
                shown.extend(os.read(terminal, 65536))
            return re.search(rb" 5 messages .*closed rows \d+ \x1b\[K$", shown)

        wait_until(applied, "the progress", process=bridge.process)
        os.set_blocking(terminal, True)
        bridge.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(OSError):  # the bridge has ended
            while block := os.read(terminal, 65536):
                shown.extend(block)
        assert bridge.process.wait(60) == 0
    finally:
        os.close(terminal)
    text = shown.decode().replace("\r\n", "\n")
    assert "level=info signal=15 ending" in text
    for line in text.split("\n"):
        if "level=" in line:
            assert re.search(r"^(.*\x1b\[K\r\x1b\[K)?ts=\S+ level=[^\x1b]*$", line), line
    warnings = [line for line in text.split("\n") if "first line" in line]
    assert warnings and all(r"first line\nsecond line" in line for line in warnings)
    assert text.endswith(" ended\n")


def test_alerts_do_not_wait_for_a_topic_that_is_missing(shop, broker):
    """A drain ends without it, and they are sent once it is there."""
    topics = Topics(broker, 1)
    topics.put(carts(0, 3))
    database = shop.database
    absent = topics.alerts + "-absent"
    bridge = shop.set_up(topics, CASE_CLOCK, kafka__topics__alerts=absent)
    bridge.settings["kafka.properties.topic.metadata.refresh.interval.ms"] = 1000
    database.execute(
        "INSERT INTO globalmart.alerts_outbox (alert_id, rollup, payload)"
        " VALUES (gen_random_uuid(), 'test', '{\"a\": 1}')"
    )
    unsent = "SELECT count(*) FROM globalmart.alerts_outbox WHERE sent_at IS NULL"
    bridge.drain()
    (line,) = logged(bridge, "there is no topic " + absent)
    assert "level=warning" in line
    # It was not sent into the void: librdkafka would have said so after the time for a delivery.
    assert not logged(bridge, "could not be delivered") and database.value(unsent) == 1
    bridge.start()
    wait_logged(bridge, "there is no topic " + absent)
    broker.create_topics([absent], 1)
    wait_until(lambda: database.value(unsent) == 0, "the alert", process=bridge.process)
    assert bridge.stop() == 0


def test_what_retention_removed_is_told_and_counted(shop, broker):
    """Once before the start and once under the bridge: it warns, counts, and goes on behind."""
    topics = Topics(broker, 1)
    topic = topics.names[contract.CART]
    database = shop.database
    bridge = shop.set_up(topics, CASE_CLOCK, bridge__workers=1, http__listen="127.0.0.1:0")
    topics.put(carts(0, 10))
    bridge.drain()
    topics.put(carts(10, 10))
    broker.delete_records(topic, 0, 15)
    bridge.start()
    metrics = Metrics(bridge)
    gone = f'globalmart_bridge_gone_offsets_total{{topic="{contract.CART}"}}'
    stored = "SELECT array_agg(kafka_offset::int ORDER BY kafka_offset) FROM globalmart.cart_events"
    expected = [*range(10), *range(15, 20)]
    wait_until(lambda: database.value(stored) == expected, "the rest", process=bridge.process)
    (line,) = logged(bridge, "gone by retention")
    assert f"{topic} partition 0: offsets 10 to 14 are gone" in line and "level=warning" in line
    assert metrics[gone] == 5

    bridge.process.send_signal(signal.SIGSTOP)
    then = database.value("SELECT clock_timestamp()")
    # Its last fetch waits at the broker for a tenth of a second: it must not see what comes now.
    wait_until(
        lambda: database.value("SELECT clock_timestamp() > %s + interval '2 s'", then),
        "the last fetch to be over",
    )
    topics.put(carts(20, 10))
    broker.delete_records(topic, 0, 24)
    bridge.process.send_signal(signal.SIGCONT)
    expected += range(24, 30)
    wait_until(lambda: database.value(stored) == expected, "the rest", process=bridge.process)
    assert len(logged(bridge, "offsets 20 to 23 are gone by retention; going on at 24")) == 1
    assert metrics[gone] == 9
    assert bridge.stop() == 0
    # Nothing is told again: the gap is behind what is committed.
    bridge.drain()
    assert not logged(bridge, "gone by retention") and database.value(stored) == expected


def user(number, time, **more):
    value = {"user_id": f"USER_{number}", "timestamp": instants.show(time), "country": "USA", **more}
    return json.dumps(value).encode()


def users(*changes):
    """(key, value, Kafka timestamp) for partition 0 of the users' topic."""
    return [Message(contract.USERS, 0, offset, *change) for offset, change in enumerate(changes)]


def test_rows_that_the_database_refuses_in_its_own_ways(shop, broker):
    """A value that is too long for an index, and a trigger with a SQLSTATE of its own."""
    topics = Topics(broker, 1)
    database = shop.database
    database.execute("CREATE INDEX ON globalmart.users (age_range)")
    database.execute(
        """CREATE FUNCTION public.no_stranger() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'a stranger' USING ERRCODE = 'SH001'; END $$"""
    )
    database.execute(
        "CREATE TRIGGER no_stranger BEFORE INSERT ON globalmart.cart_events FOR EACH ROW"
        " WHEN (NEW.user_id = 'USER_13') EXECUTE FUNCTION public.no_stranger()"
    )
    time = CASE_CLOCK - instants.HOUR
    long = random.Random(1).randbytes(10_000).hex()  # nothing that compression could shorten
    topics.put(
        users(
            (b"USER_1", user(1, time), time),
            (b"USER_2", user(2, time, age_range=long), time),
            (b"USER_3", user(3, time), time),
        )
    )
    messages = carts(0, 20)
    messages[7] = messages[7]._replace(value=messages[7].value.replace(b"USER_00000001", b"USER_13"))
    topics.put(messages)
    bridge = shop.set_up(topics, CASE_CLOCK)
    bridge.drain()
    found = database.rows("SELECT topic, kafka_offset, reason, left(detail, 5) FROM globalmart.dead_letters")
    assert sorted(found) == [
        (contract.CART, 7, "rejected_by_database", "SH001"),
        (contract.USERS, 1, "rejected_by_database", "54000"),
    ]
    assert database.value("SELECT count(*) FROM globalmart.cart_events") == 19
    assert database.rows("SELECT user_id FROM globalmart.users ORDER BY 1") == [("USER_1",), ("USER_3",)]


def test_tombstones(shop, broker):
    """One deletes from its Kafka timestamp on; one that names nobody, or no version, is a dead letter."""
    topics = Topics(broker, 1)
    database = shop.database
    time = CASE_CLOCK - instants.HOUR
    minute = 60 * instants.SECOND
    topics.put(
        users(
            (b"USER_1", user(1, time), time),
            (b"USER_1", None, time + minute),
            (b"USER_2", user(2, time), time),
            (b"USER_2", None, time - minute),  # before that version
            (None, None, time),
            (b"nobody", None, time),
            (b"USER_2", None, CASE_CLOCK + 2 * instants.HOUR),
        )
    )
    topics.put([*carts(0, 1), carts(1, 1)[0]._replace(value=None)])
    bridge = shop.set_up(topics, CASE_CLOCK)
    bridge.drain()
    assert database.rows("SELECT user_id FROM globalmart.users") == [("USER_2",)]
    deleted = database.rows(
        "SELECT user_id, event_time = %s, country FROM globalmart.user_changes WHERE deleted ORDER BY kafka_offset",
        instants.show(time + minute),
    )
    assert deleted == [("USER_1", True, None), ("USER_2", False, None)]
    found = database.rows("SELECT topic, kafka_offset, reason FROM globalmart.dead_letters")
    assert sorted(found) == [
        (contract.CART, 1, "tombstone"),
        (contract.USERS, 4, "tombstone"),
        (contract.USERS, 5, "tombstone"),
        (contract.USERS, 6, "future_timestamp"),
    ]


def test_an_open_writer_does_not_stall_intake(shop, broker):
    """Closing waits for a client's transaction that has inserted rows; the workers go on."""
    topics = Topics(broker, 1)
    database = shop.database
    database.execute(
        """SELECT globalmart.create_rollup('beside', $$
             SELECT window_start, window_end, country, count(*) AS events
             FROM globalmart.cart_events, globalmart.tumble(event_time, interval '10 seconds')
             GROUP BY window_start, window_end, country $$, lateness => interval '0')"""
    )
    bridge = shop.set_up(topics, CASE_CLOCK)
    stored = "SELECT count(*) FROM globalmart.cart_events WHERE kafka_partition >= 0"
    closed = "SELECT coalesce(sum(events), 0) FROM globalmart.beside"
    waits = (
        "SELECT FROM pg_stat_activity WHERE application_name = 'globalmart-bridge closer'"
        " AND datname = current_database() AND wait_event_type = 'Lock'"
    )
    bridge.start()
    with contextlib.closing(database.connect()) as client:
        client.autocommit = False
        client.cursor().execute(
            "INSERT INTO globalmart.cart_events (event_time, event_id, event_type, user_id, session_id, country)"
            " VALUES (%s, gen_random_uuid(), 'checkout', 'USER_1', gen_random_uuid(), 'USA')",
            (instants.show(CASE_CLOCK - instants.HOUR + 89 * instants.SECOND),),
        )
        for first in range(0, 90, 30):
            topics.put(carts(first, 30))
            wait_until(
                lambda: database.value(stored) == first + 30, "the rows", process=bridge.process
            )
            wait_until(lambda: database.rows(waits), "the closer to wait", process=bridge.process)
        assert database.value(closed) == 0
        client.commit()
    # Eight windows are over, and the client's row is behind them.
    wait_until(lambda: database.value(closed) == 80, "the windows", process=bridge.process)
    assert bridge.stop() == 0
