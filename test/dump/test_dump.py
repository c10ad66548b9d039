"""A dump brings back every row, definition and offset, and ingest goes on: whatever the owner changed,
whatever a close or a compaction was in the middle of, by each way that a dump can take."""

import contextlib

import psycopg2
import pytest

import changed_shop
import restore
import state
from afterwards import unverified, went_on
from feed import START, Feed


def between_publish_and_merge(source):
    """A close that died half way, and a late event for what it published."""
    assert source.value("SELECT globalmart.publish_windows(true)") > 0
    half_closed = "SELECT count(*) FROM globalmart.rollup_progress WHERE merged_until < closed_until"
    assert source.value(half_closed) > 0
    Feed.known(source).late(72)


def draining(source):
    """Folds append to one log while the other still holds open windows."""
    source.execute("SELECT globalmart.switch_logs(0)")
    Feed.known(source).minutes(87, 1)
    assert source.value("SELECT bool_and(draining) FROM globalmart.domains WHERE domain <> 'views'")


def retired(source):
    """The log that was left is still full: some snapshot is older than its last reader."""
    source.execute("SELECT globalmart.switch_logs(0)")
    Feed.known(source).minutes(87, 1)
    source.execute("SELECT globalmart.wait_for_folds()")
    burn_transactions(source)
    source.execute("SELECT globalmart.drain_logs()")
    assert source.value("SELECT count(retired_by) FROM globalmart.domains") > 3
    left = "SELECT count(*) FROM globalmart.partial_log_transactions_%s"
    generation = source.value("SELECT generation FROM globalmart.domains WHERE domain = 'transactions'")
    assert source.value(left % (1 - generation)) > 0


def burn_transactions(database):
    """So that their numbers are far beyond those of a new cluster."""
    database.execute("DO $$BEGIN FOR i IN 1..20000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END$$")


@pytest.mark.parametrize(
    "kind, meanwhile",
    [
        (restore.PLAIN, between_publish_and_merge),
        (restore.CUSTOM, draining),
        (restore.VIA_ROOT, retired),
    ],
)
def test_restore(source, empty_database, folder, kind, meanwhile):
    check(source, empty_database, folder, kind, meanwhile)


def test_restore_into_a_new_cluster(source, fresh_cluster, folder):
    target = fresh_cluster.new_database()
    restore.copy_roles(source.cluster, fresh_cluster)
    changed_shop.set_clock(target)
    check(source, target, folder, restore.PLAIN, retired)
    # A transaction of the other cluster retired the log: here its number means nothing.
    target.execute("CALL globalmart.compact_partials(0)")
    target.execute("CALL globalmart.compact_partials(0)")
    assert target.value("SELECT count(*) FROM globalmart.domains WHERE retired_by > pg_current_xact_id()") == 0


def test_restore_of_a_restore(source, cluster, empty_database, folder):
    """The second copy is the first: nothing got lost that only a dump would need."""
    first = cluster.new_database()
    restore.restore(restore.dump(source, restore.CUSTOM, folder), restore.CUSTOM, first)
    restore.restore(restore.dump(first, restore.PLAIN, folder), restore.PLAIN, empty_database)
    state.assert_same(state.catalog(source), state.catalog(empty_database))
    state.assert_same(state.content(source), state.content(empty_database))
    first.drop()


def check(source, copy, folder, kind, meanwhile):
    meanwhile(source)
    bridge = Feed.known(source)
    restore.restore(restore.dump(source, kind, folder), kind, copy)
    state.assert_same(state.catalog(source), state.catalog(copy))
    state.assert_same(state.content(source), state.content(copy))
    state.assert_same(state.live_rows(source), state.live_rows(copy))

    came_back = {}
    for database in (source, copy):
        went_on(database, bridge.elsewhere(database))
        came_back[database.name] = state.content(database, logical=True)
    state.assert_same(*came_back.values())
    live = state.live_rows(source)
    assert sum(map(len, live.values())) > 1000
    state.assert_same(live, state.live_rows(copy))
    state.assert_same(state.catalog(source), state.catalog(copy))
    for database in (source, copy):
        assert unverified(database) == []
    refusals(copy)
    # Not because there was nothing to compare.
    copy.execute(
        "DELETE FROM globalmart.sales_per_minute WHERE window_start = timestamptz %s + interval '100 minutes'", START
    )
    assert unverified(copy) == ["sales_per_minute"]


def refusals(database):
    """Dependencies between definitions are known in the copy as in the source."""
    for statement, sqlstate in {
        "SELECT globalmart.drop_detector('high_value_anomalies')": "2BP01",
        "SELECT globalmart.drop_rollup('sales_by_country')": "2BP01",  # app.norway reads its view
        "SELECT globalmart.create_rollup('sales_by_country', 'SELECT 1')": "42710",
        "DROP FUNCTION app.is_big(numeric)": "2BP01",  # big_returns calls it
        "DROP FUNCTION app.kind_of(text)": "2BP01",  # returns_by_kind does
        "ALTER TABLE app.returns DROP COLUMN reason": "2BP01",
        "DROP TABLE globalmart.domains": "2BP01",  # a member of the extension
    }.items():
        with contextlib.closing(database.connect()) as connection, pytest.raises(psycopg2.Error) as refused:
            connection.cursor().execute(statement)
        assert refused.value.pgcode == sqlstate, statement
