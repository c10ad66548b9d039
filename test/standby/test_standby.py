"""A hot standby: what can be read there, what is refused, and snapshots that the primary does not know."""

from contextlib import closing

import psycopg2
import pytest

from harness.postgres import Database
from harness.processes import wait_until

CLOCK = "2026-11-20 12:00:00+00"
TABLE = """
    CREATE TABLE ev (
      event_time timestamptz NOT NULL, event_id uuid NOT NULL DEFAULT gen_random_uuid(), k text NOT NULL,
      received_at timestamptz NOT NULL DEFAULT globalmart.clock(), kafka_partition int NOT NULL DEFAULT -1,
      kafka_offset bigint NOT NULL DEFAULT nextval('globalmart.sql_row_offset'))"""
ROLLUP = """
    SELECT window_start, window_end, k, count(*) AS events
    FROM public.ev, globalmart.tumble(event_time, interval '1 minute') GROUP BY window_start, window_end, k"""
LIVE = "SELECT k, events, state FROM globalmart.r_minute_live ORDER BY k"


@pytest.fixture
def shop(primary):
    """A closed window (a) and an open one (b)."""
    database = primary.new_database()
    database.execute("CREATE EXTENSION globalmart")
    database.execute(f"ALTER DATABASE {database.name} SET globalmart.now = '{CLOCK}'")
    database.close()
    database.execute(TABLE)
    database.execute("SELECT globalmart.create_stream('ev', 'ev', 'ev', NULL, 'event_time', 'event_id')")
    database.execute(
        "SELECT globalmart.create_rollup('r_minute', %s, lateness => '0', idle_timeout => '10 hours')", ROLLUP
    )
    for time, key in ("10:00:05", "a"), ("10:05:00", "b"):
        database.execute("INSERT INTO ev (event_time, k) VALUES (%s, %s)", f"2026-11-20 {time}Z", key)
    database.close_windows()
    yield database
    database.close()


def replayed(database, standby):
    """The database on the standby, when all that is committed is there."""
    position = database.value("SELECT pg_current_wal_insert_lsn()")
    copy = Database(standby, "postgres")
    wait_until(lambda: copy.value("SELECT pg_last_wal_replay_lsn() >= %s", position), "the replay")
    copy.close()
    return Database(standby, database.name)


def test_reads_and_writes(shop, standby):
    copy = replayed(shop, standby)
    assert copy.value("SELECT pg_is_in_recovery()")
    assert copy.rows(LIVE) == [("a", 1, "closed"), ("b", 1, "open")]
    assert copy.rows("SELECT * FROM globalmart.verify('r_minute')") == []
    assert copy.value("SELECT globalmart.watermark('ev') = '2026-11-20 10:05Z'")
    assert copy.rows("SELECT * FROM globalmart.status") == shop.rows("SELECT * FROM globalmart.status")
    # Something to close and to compact.
    shop.execute("INSERT INTO ev (event_time, k) VALUES ('2026-11-20 10:10Z', 'c')")
    replayed(shop, standby).close()
    for sql in (
        "INSERT INTO ev (event_time, k) VALUES (now(), 'x')",
        "CALL globalmart.close_windows()",
        "CALL globalmart.compact_partials(0)",
        "SELECT globalmart.drop_rollup('r_minute')",
    ):
        with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
            copy.execute(sql)
    assert copy.rows(LIVE) == [("a", 1, "closed"), ("b", 1, "open"), ("c", 1, "open")]
    copy.close()


def test_snapshot_older_than_an_exchange(shop, standby):
    copy = replayed(shop, standby)
    with closing(standby.connect(shop.name)) as old:
        cursor = old.cursor()
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT count(*) FROM globalmart.rollup_catalog")
        shop.execute("CALL globalmart.compact_partials(0)")
        shop.execute("CALL globalmart.compact_partials(1000000)")
        assert shop.rows("SELECT draining, retired_by FROM globalmart.domains") == [(False, None)]
        replayed(shop, standby).close()
        with pytest.raises(psycopg2.errors.SerializationFailure, match="the partials of ev were moved"):
            cursor.execute(LIVE)
        cursor.execute("ROLLBACK")
        cursor.execute(LIVE)
        assert cursor.fetchall() == [("a", 1, "closed"), ("b", 1, "open")]
    copy.close()


def test_feedback_keeps_the_log(shop, standby):
    standby.set(hot_standby_feedback="on")
    copy = replayed(shop, standby)
    with closing(standby.connect(shop.name)) as old:
        cursor = old.cursor()
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT count(*) FROM globalmart.rollup_catalog")
        wait_until(lambda: shop.value("SELECT backend_xmin IS NOT NULL FROM pg_stat_replication"), "the feedback")
        shop.execute("CALL globalmart.compact_partials(0)")
        shop.execute("CALL globalmart.compact_partials(1000000)")
        assert shop.value("SELECT retired_by IS NOT NULL FROM globalmart.domains")
        replayed(shop, standby).close()
        cursor.execute(LIVE)
        assert cursor.fetchall() == [("a", 1, "closed"), ("b", 1, "open")]
        cursor.execute("COMMIT")
    copy.close()
    standby.set(hot_standby_feedback=None)
