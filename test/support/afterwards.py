"""What a changed shop must go on to do, after a dump or an update as before."""

import psycopg2
import pytest

import changed_shop
from feed import START, Feed


def went_on(database, bridge):
    """Two hours more, with everything that was under way when the dump was made."""
    half_closed = database.value("SELECT max(last_seq) FROM globalmart.close_counter")
    database.execute("SELECT globalmart.merge_windows(%s)", half_closed)
    for first in range(88, 148, 20):
        bridge.minutes(first, 20)
        database.close_windows()
    bridge.late(60)
    assert len(bridge.redrive()) == 1
    assert bridge.redrive() == []
    changed_shop.as_keeper(
        database,
        "SELECT globalmart.resume_rollup('cart_metrics')",
        "SELECT globalmart.resume_rollup('high_quantity_anomalies')",
        "SELECT globalmart.create_rollup('returns_by_reason', $q$"
        "  SELECT window_start, window_end, reason, count(*) AS returns, sum(amount) AS amount"
        "  FROM app.returns, globalmart.tumble(event_time, interval '5 minutes')"
        "  WHERE reason IS NOT NULL GROUP BY window_start, window_end, reason$q$)",
    )
    database.execute("CALL globalmart.backfill_rollup('best_countries', '1 day')")
    # A day that has no partition yet.
    database.execute("SELECT globalmart.make_partition('transactions', '2026-11-03')")
    bridge.minutes(148, 12)
    database.close_windows()
    database.execute("CALL globalmart.run_etl()")
    loaded = database.value("SELECT count(*) FROM warehouse.fact_sales")
    assert loaded == database.value("SELECT count(*) FROM globalmart.transaction_items") > 3000
    bridge.claim()
    bridge.minutes(160, 5)
    database.close_windows()
    open_rows = database.value("SELECT count(*) FROM globalmart.sales_by_country_live WHERE state = 'open'")
    closed = database.value("SELECT max(window_end) FROM globalmart.returns_by_user")
    assert open_rows > 0
    assert closed >= database.value("SELECT timestamptz %s + interval '150 minutes'", START)
    fenced(database, bridge)


def fenced(database, bridge):
    """The fence stands: neither a repetition nor an older owner gets through."""
    for epochs, offsets in (
        (bridge.epochs, [offset - 1 for offset in bridge.offsets]),
        ([epoch - 1 for epoch in bridge.epochs], bridge.offsets),
    ):
        with pytest.raises(psycopg2.Error) as refused:
            Feed(database, epochs, offsets).messages(165, 1)
        assert refused.value.pgcode == "GM001"


def unverified(database):
    names = [name for (name,) in database.rows("SELECT name FROM globalmart.rollups WHERE kind = 'rollup' ORDER BY 1")]
    assert len(names) > 27
    return [name for name in names if database.rows("SELECT FROM globalmart.verify(%s) LIMIT 1", name)]
