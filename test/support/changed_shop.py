"""A shop that has been in use: events of two days by SQL and by hand as the bridge stores them, windows
open and closed, late events, dead letters; and what its owner changed. Deterministic: two databases in the
same state that are fed the same must stay the same."""

from contextlib import closing

from feed import Feed

CLOCK = "2026-11-20 06:00:00+00"
LOGINS = {"keeper": "globalmart_owner", "bridge": "globalmart_writer", "analyst": "globalmart_reader"}

# Rollups and detectors of the owner, after those of the shop.
OWN_ROLLUPS = {
    "returns_by_user": """
        SELECT window_start, window_end, user_id, count(*) AS returns, sum(amount)::numeric(18,2) AS amount,
               count(DISTINCT reason) AS reasons, globalmart.approx_count_distinct(return_id::text) AS about,
               globalmart.first_by(reason, event_time, return_id) AS first_reason,
               globalmart.last_by(reason, event_time, return_id) AS last_reason, max(reason) AS greatest_reason
        FROM app.returns, globalmart.hop(event_time, interval '30 minutes', interval '10 minutes')
        GROUP BY window_start, window_end, user_id""",
    "return_visits": """
        SELECT window_start, window_end, user_id, count(*) AS returns, avg(amount)::numeric(18,2) AS mean
        FROM app.returns, globalmart.session(event_time, interval '4 minutes')
        GROUP BY window_start, window_end, user_id""",
    "big_returns_by_reason": """
        SELECT window_start, window_end, reason, count(*) AS returns
        FROM globalmart.big_returns, globalmart.tumble(event_time, interval '10 minutes')
        WHERE reason IS NOT NULL
        GROUP BY window_start, window_end, reason""",
    "returns_by_kind": """
        SELECT window_start, window_end, app.kind_of(reason) AS kind, count(*) AS returns
        FROM app.returns, globalmart.tumble(event_time, interval '10 minutes')
        GROUP BY window_start, window_end, app.kind_of(reason)""",
    "best_countries": """
        SELECT window_start, window_end, country, revenue,
               rank() OVER (PARTITION BY window_start ORDER BY revenue DESC, country) AS place
        FROM (SELECT window_start, window_end, country, sum(total_amount) AS revenue
              FROM globalmart.transactions, globalmart.tumble(event_time, interval '10 minutes')
              GROUP BY window_start, window_end, country) AS q""",
}
BIG_RETURNS = """
    SELECT event_time, return_id, user_id, amount, reason, globalmart.processing_time() AS found_at
    FROM app.returns WHERE app.is_big(amount)"""


def set_clock(database):
    database.close()
    database.cluster.execute(f"ALTER DATABASE {database.name} SET globalmart.now = '{CLOCK}'")


def create_logins(database):
    for login, role in LOGINS.items():
        if not database.rows("SELECT FROM pg_roles WHERE rolname = %s", login):
            database.execute(f"CREATE ROLE {login} LOGIN IN ROLE {role}")


def as_keeper(database, *statements):
    with closing(database.connect("keeper")) as connection:
        for statement in statements:
            connection.cursor().execute(statement)


def build(database, version=None):
    """With the extension of that version, else of the current one."""
    set_clock(database)
    database.execute("CREATE EXTENSION globalmart" + (f" VERSION '{version}'" if version else ""))
    create_logins(database)
    as_keeper(database, "SELECT globalmart.install_shop()")
    # The administrator's, on members of the extension.
    database.execute("GRANT SELECT ON globalmart.dead_letters TO bridge")
    database.execute("REVOKE SELECT ON globalmart.late_events FROM globalmart_reader")
    database.execute("GRANT EXECUTE ON FUNCTION globalmart.forget_partitions(text, int) TO analyst")
    database.execute("CREATE SCHEMA app AUTHORIZATION keeper")
    make_own_stream(database)
    feed = Feed(database)
    feed.claim()
    # Over midnight, so that there are rows in two leaves.
    for number in range(4):
        feed.minutes(number * 10, 10)
        database.close_windows()
    feed.late(8)
    database.execute("CALL globalmart.run_etl()")
    change_definitions(database)
    for number in range(4, 8):
        feed.minutes(number * 10, 10)
        database.close_windows()
    feed.late(21)
    feed.dead_letters()
    begin_backfill(database)
    feed.minutes(80, 7)  # in open windows


def make_own_stream(database):
    as_keeper(
        database,
        # Folds and closes run as the owner.
        "GRANT USAGE ON SCHEMA app TO globalmart_owner",
        """CREATE TABLE app.returns (
             event_time timestamptz NOT NULL, return_id uuid NOT NULL, user_id text NOT NULL,
             amount numeric(12,2) NOT NULL, reason text,
             received_at timestamptz NOT NULL DEFAULT globalmart.clock(),
             kafka_partition int NOT NULL DEFAULT -1,
             kafka_offset bigint NOT NULL DEFAULT nextval('globalmart.sql_row_offset'))""",
        "COMMENT ON TABLE app.returns IS 'What came back'",
        "CREATE FUNCTION app.is_big(numeric) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN $1 > 400",
        "CREATE FUNCTION app.kind_of(text) RETURNS text LANGUAGE sql IMMUTABLE RETURN split_part($1, ' ', 1)",
        "SELECT globalmart.create_stream('returns', 'app.returns', 'returns', 'returns-topic',"
        " 'event_time', 'return_id')",
        f"SELECT globalmart.create_detector('big_returns', $q${BIG_RETURNS}$q$)",
    )
    for name, query in OWN_ROLLUPS.items():
        if name != "best_countries":
            as_keeper(database, f"SELECT globalmart.create_rollup('{name}', $q${query}$q$, '3 minutes')")


def change_definitions(database):
    as_keeper(
        database,
        "DELETE FROM globalmart.countries WHERE country = 'Japan'",
        "INSERT INTO globalmart.countries VALUES ('Norway')",
        # Thresholds of a shipped rollup and of a shipped detector, in one call each.
        altered(database, "high_demand_alerts", "sum(quantity) >= 20", "sum(quantity) >= 12"),
        altered(database, "high_value_anomalies", "5000.00", "4500.00"),
        "SELECT globalmart.alter_rollup('sales_per_minute', lateness => '4 minutes')",
        "SELECT globalmart.alter_rollup('revenue_15m', idle_timeout => '5 minutes', watermark_policy => 'max')",
        "SELECT globalmart.drop_rollup('search_patterns_15m')",
        "SELECT globalmart.drop_rollup('return_visits')",
        "SELECT globalmart.pause_rollup('cart_metrics')",
        "SELECT globalmart.pause_rollup('high_quantity_anomalies')",
        "SELECT globalmart.set_setting('raw_retention', '45 days')",
        "SELECT globalmart.set_setting('rollup_retention.sales_per_minute', NULL)",
        "SELECT globalmart.unpublish_alerts('restock_alerts')",
        "SELECT globalmart.publish_alerts('big_returns')",
        "CREATE TABLE app.reasons (reason text PRIMARY KEY)",
        "INSERT INTO app.reasons VALUES ('broken'), ('wrong size')",
        "SELECT globalmart.create_list('return_reasons', 'app.reasons', 'reason')",
        "SELECT globalmart.add_stream_column('cart_events', 'coupon', 'text', 'Coupon that was used')",
        # On data that is there: live from a boundary on, the rest by backfill.
        f"SELECT globalmart.create_rollup('best_countries', $q${OWN_ROLLUPS['best_countries']}$q$)",
        "SELECT globalmart.create_rollup('return_visits', $q$"
        + OWN_ROLLUPS["return_visits"].replace("4 minutes", "6 minutes")
        + "$q$)",
        "COMMENT ON TABLE globalmart.sales_per_minute IS 'Ours'",
        "GRANT SELECT ON globalmart.sales_per_minute_live TO bridge",
        "CREATE VIEW app.norway AS SELECT * FROM globalmart.sales_by_country_live WHERE country = 'Norway'",
        "CREATE INDEX own_index ON globalmart.sales_by_country (country)",
    )


def altered(database, name, old, new):
    """The call that changes a definition's thresholds."""
    query = database.value("SELECT query FROM globalmart.rollups WHERE name = %s", name)
    assert old in query
    return f"SELECT globalmart.alter_rollup('{name}', query => $q${query.replace(old, new)}$q$)"


def begin_backfill(database):
    """The first step of several: the rest is done after the dump."""
    announced = database.value("SELECT globalmart.backfill_begin('best_countries', '10 minutes')")
    database.execute("SELECT globalmart.wait_for_folds()")
    database.execute("SELECT globalmart.backfill_step('best_countries', %s)", announced)
    # A rebuild that is done, and one that was stopped: the record of both is the owner's.
    rebuild = database.value("SELECT globalmart.rebuild_begin('sales_per_minute', NULL, NULL, 'late orders')")
    assert database.value("SELECT globalmart.rebuild_step(%s, '10 days')", rebuild) is False
    assert database.value("SELECT late_events FROM globalmart.rollup_rebuilds") > 0
    database.execute("SELECT globalmart.rebuild_begin('sales_by_country', NULL, NULL, 'stopped')")
