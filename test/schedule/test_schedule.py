"""The schedule in a real pg_cron: who runs it, what it does, what its role may do besides, and how it goes away.

The tests build on one another, in this order, on one server."""

import contextlib
import pathlib
import subprocess

import psycopg2
import pytest

from harness.postgres import pg_config
from harness.processes import wait_until

FOLDER = pathlib.Path(pg_config("sharedir")) / "globalmart"  # where make install puts it
JOBS = {
    "etl": ("0 2 * * *", "CALL globalmart.run_etl()"),
    "close": ("* * * * *", "CALL globalmart.close_windows()"),
    "partitions": ("17 */6 * * *", "CALL globalmart.maintain_partitions()"),
    "drop": ("23 3 * * *", "CALL globalmart.drop_old_partitions()"),
    "delete": ("37 3 * * *", "CALL globalmart.delete_old_rows()"),
    "runs": ("47 3 * * *", "CALL globalmart_schedule.delete_old_job_runs()"),
}
EXPECTED = sorted((f"globalmart-{job}@shop", *rest) for job, rest in JOBS.items())


def run_script(database, name):
    return subprocess.run(
        [pathlib.Path(pg_config("bindir")) / "psql", "-X", "-d", database.dsn(), "-f", FOLDER / name],
        capture_output=True,
        text=True,
    )


def must_run(database, name):
    done = run_script(database, name)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextlib.contextmanager
def as_cron(database):
    """A session of the schedule's role; nobody can log in as it, which is a test of its own."""
    connection = database.connect()
    connection.cursor().execute("SET SESSION AUTHORIZATION globalmart_cron")
    yield connection
    connection.close()


def problems(database):
    return dict(database.rows("SELECT part, problem FROM globalmart.status WHERE part IN ('warehouse', 'scheduled jobs')"))


def insert_order(shop, number, event_time):
    shop.execute(
        "INSERT INTO globalmart.transaction_items (event_time, transaction_id, line_no, quantity, product_id, price, user_id,"
        " total_amount, payment_method, country)"
        " SELECT %s::timestamptz, md5(%s::text)::uuid, 1, 2, 'PROD_1', 10, 'USER_1', 20, 'PayPal', 'Japan'",
        event_time,
        number,
    )


def test_without_pg_cron(shop):
    assert shop.rows("SELECT * FROM globalmart.scheduled_jobs") == []
    assert problems(shop) == {"warehouse": None, "scheduled jobs": None}


def test_a_foreign_schema_is_not_believed(shop):
    """Who may make schemas must not have the owner run his code: the view's function runs as the owner."""
    shop.execute("CREATE SCHEMA cron; GRANT USAGE ON SCHEMA cron TO globalmart_owner")
    shop.execute(
        "CREATE VIEW cron.job AS SELECT 1::bigint AS jobid, current_user::name AS jobname, '* * * * *'::text AS schedule, ''::text AS command,"
        " true AS active, 'globalmart_cron'::text AS username, current_database()::text AS database"
    )
    shop.execute(
        "CREATE VIEW cron.job_run_details AS SELECT 1::bigint AS jobid, 1::bigint AS runid, now() AS start_time, ''::text AS status, ''::text AS return_message"
    )
    shop.execute("GRANT SELECT ON cron.job, cron.job_run_details TO globalmart_owner")
    assert shop.rows("SELECT * FROM globalmart.scheduled_jobs") == []
    shop.execute("DROP SCHEMA cron CASCADE")


def test_refusals(cluster, shop):
    other = cluster.new_database()
    done = run_script(other, "schedule.sql")
    assert done.returncode != 0 and "has no shop" in done.stderr and "CREATE EXTENSION globalmart" in done.stderr
    other.drop()
    cluster.execute("CREATE ROLE mere LOGIN")
    done = subprocess.run(
        [pathlib.Path(pg_config("bindir")) / "psql", "-X", "-d", shop.dsn("mere"), "-f", FOLDER / "schedule.sql"], capture_output=True, text=True
    )
    assert done.returncode != 0 and "only a superuser" in done.stderr
    assert shop.rows("SELECT FROM pg_roles WHERE rolname = 'globalmart_cron'") == []


def test_scheduled_twice(shop):
    must_run(shop, "schedule.sql")
    before = shop.rows("SELECT jobid, jobname, schedule, command, database, username, active FROM cron.job ORDER BY jobid")
    must_run(shop, "schedule.sql")
    assert shop.rows("SELECT jobid, jobname, schedule, command, database, username, active FROM cron.job ORDER BY jobid") == before
    assert {row[4:] for row in before} == {("shop", "globalmart_cron", True)}
    with contextlib.closing(shop.connect("analyst")) as reader:
        cursor = reader.cursor()
        cursor.execute("SELECT job, schedule, command FROM globalmart.scheduled_jobs")
        assert cursor.fetchall() == EXPECTED


def test_the_jobs_fire(shop):
    """All of them in the next minute, as the role, and each does its work."""
    # The second takes the watermark past windows of the first.
    for number, age in enumerate(("2 hours", "1 minute")):
        insert_order(shop, number, shop.value("SELECT now() - %s::interval", age))
    shop.execute(
        "INSERT INTO globalmart.etl_runs (analysis_day, state, started_at) OVERRIDING SYSTEM VALUE"
        " VALUES ('2020-01-01', 'done', now() - interval '91 days'), ('2020-01-01', 'done', now() - interval '89 days')"
    )
    shop.execute("INSERT INTO cron.job_run_details (jobid, username, status, start_time, end_time)"
                 " SELECT 0, name, 'succeeded', now() - days, now() - days"
                 " FROM unnest('{globalmart_cron,postgres}'::text[]) AS name, unnest('{13 days,15 days}'::interval[]) AS days")  # fmt: skip
    shop.execute("SELECT cron.alter_job(jobid, schedule => '* * * * *') FROM cron.job")
    since = shop.value("SELECT clock_timestamp()")
    outcomes = "SELECT j.jobname, d.status, d.return_message, d.username FROM cron.job_run_details AS d JOIN cron.job AS j USING (jobid) WHERE d.start_time > %s"
    wait_until(
        lambda: {row[0] for row in shop.rows(outcomes + " AND d.end_time IS NOT NULL", since)} == {row[0] for row in EXPECTED},
        "every job to have run",
        seconds=150,
        pause=0.2,
    )
    # Back to what is shipped, before the next minute comes.
    must_run(shop, "schedule.sql")
    assert {row[1:] for row in shop.rows(outcomes + " AND d.end_time IS NOT NULL", since)} == {("succeeded", "CALL", "globalmart_cron")}

    assert shop.rows("SELECT state, started_by, rows_written > 0 FROM globalmart.etl_runs ORDER BY run_id DESC LIMIT 1") == [
        ("done", "globalmart_cron", True)
    ]
    assert shop.value("SELECT count(*) FROM warehouse.fact_sales") == 2
    assert shop.value("SELECT max(merged_until) > now() - interval '1 hour' FROM globalmart.rollup_progress")
    assert shop.value("SELECT count(*) FROM globalmart.etl_runs WHERE started_at < now() - interval '80 days'") == 1
    assert shop.rows("SELECT username, status FROM cron.job_run_details WHERE start_time < now() - interval '12 days' ORDER BY start_time, 1") == [
        ("postgres", "succeeded"),  # not ours
        ("globalmart_cron", "succeeded"),
        ("postgres", "succeeded"),
    ]


def test_partitions_as_the_role(shop):
    """Apart from the others, for a day that somebody has locked is left for the next call."""
    days = "SELECT day FROM globalmart.stream_leaves('cart_events') WHERE day IS NOT NULL ORDER BY day"
    wanted = shop.rows(days)
    shop.execute(f"DROP TABLE globalmart.cart_events_p{wanted[-1][0]:%Y%m%d}")
    shop.execute("SELECT globalmart.make_partition('cart_events', (now() - interval '100 days')::date)")
    shop.close()  # what was opened by a test must not be in the way either
    with as_cron(shop) as connection:
        connection.cursor().execute("CALL globalmart.maintain_partitions()")
        connection.cursor().execute("CALL globalmart.drop_old_partitions()")
    assert shop.rows(days) == wanted


def test_what_people_see(shop):
    assert shop.rows("SELECT DISTINCT last_outcome, last_message, last_start > now() - interval '1 hour' FROM globalmart.scheduled_jobs") == [
        ("succeeded", "CALL", True)
    ]
    assert shop.value("SELECT next_due - date_trunc('day', now(), 'UTC') FROM globalmart.scheduled_jobs WHERE job = 'globalmart-etl@shop'").seconds == 2 * 3600
    assert problems(shop) == {"warehouse": None, "scheduled jobs": None}
    shop.execute(
        "INSERT INTO cron.job_run_details (jobid, username, status, return_message, start_time)"
        " SELECT jobid, username, 'failed', 'ERROR: out of luck', now() FROM cron.job WHERE jobname = 'globalmart-drop@shop'"
    )
    assert problems(shop)["scheduled jobs"] == "globalmart-drop@shop failed: ERROR: out of luck"


ATTACKS = [
    # Reading and writing.
    "SELECT * FROM globalmart.transactions",
    "SELECT * FROM globalmart.etl_runs",
    "SELECT * FROM globalmart.status",
    "SELECT * FROM warehouse.fact_sales",
    "INSERT INTO globalmart.dead_letters DEFAULT VALUES",
    "DELETE FROM globalmart.etl_runs",
    "UPDATE globalmart.setting_values SET value = '0'",
    "TRUNCATE globalmart.cart_events",
    "SELECT nextval('globalmart.sql_row_offset')",
    # The owner's and the bridge's calls.
    "SELECT globalmart.set_setting('raw_retention', '0')",
    "SELECT globalmart.drop_rollup('sales_by_country')",
    "SELECT globalmart.pause_rollup('sales_by_country')",
    "SELECT globalmart.install_shop()",
    "SELECT globalmart.mark_for_analysis('{2026-01-01}')",
    "SELECT globalmart.end_load()",
    "SELECT globalmart.load_day('2026-01-01')",
    "SELECT globalmart.take_alerts(1)",
    "SELECT globalmart.try_execute('{SELECT 1}', 1)",
    "SELECT globalmart.claim_partitions('cart-events-topic', '{0}', 'me')",
    # Objects, roles, the server.
    "CREATE TABLE globalmart.mine ()",
    "CREATE TABLE public.mine ()",
    "CREATE SCHEMA mine",
    "CREATE OR REPLACE PROCEDURE globalmart_schedule.delete_old_job_runs() LANGUAGE sql AS 'SELECT 1'",
    "ALTER PROCEDURE globalmart.run_etl(date) SECURITY DEFINER",
    "SET ROLE globalmart_owner",
    "SET ROLE globalmart_writer",
    "SET ROLE globalmart_reader",
    "GRANT globalmart_owner TO globalmart_cron",
    "CREATE ROLE mine",
    "CREATE EXTENSION dblink",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "SELECT pg_read_file('PG_VERSION')",
    "ALTER SYSTEM SET work_mem = '1GB'",
    # pg_cron.
    "SELECT cron.schedule('* * * * *', 'SELECT 1')",
    "SELECT cron.schedule('globalmart-etl@shop', '* * * * *', 'SELECT 1')",
    "SELECT cron.schedule_in_database('x', '* * * * *', 'SELECT 1', 'postgres', 'postgres')",
    "SELECT cron.unschedule('globalmart-etl@shop')",
    "SELECT cron.alter_job(1, command => 'SELECT 1', username => 'postgres')",
    "UPDATE cron.job SET command = 'SELECT 1', username = 'postgres'",
    "DELETE FROM cron.job_run_details",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_role_can_do_nothing_else(shop, attack):
    with as_cron(shop) as connection, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        connection.cursor().execute(attack)


def test_the_parts_of_a_run_keep_their_order(shop):
    """The role needs them for run_etl(); by themselves they must not lose rows or spoil the record of another's run."""
    with as_cron(shop) as connection:
        cursor = connection.cursor()
        for call in ("begin_run(NULL)", "begin_step(1)", "do_step(1, 1)", "fail_step(1, 1, 'mine')"):
            with pytest.raises(psycopg2.errors.ObjectNotInPrerequisiteState, match="not at work on a run"):
                cursor.execute(f"SELECT globalmart.{call}")
        cursor.execute("SELECT pg_advisory_lock(1735287117, 1)")
        cursor.execute("SELECT globalmart.begin_run(NULL)")
        run = cursor.fetchone()[0]
        cursor.execute("SELECT step FROM globalmart.begin_step(%s)", (run,))
        assert cursor.fetchone() == ("wait for writers",)
        with pytest.raises(psycopg2.errors.ObjectNotInPrerequisiteState, match="has no next step"):
            cursor.execute("SELECT globalmart.begin_step(%s)", (run,))
        cursor.execute("SELECT globalmart.do_step(%s, 1)", (run,))
        with pytest.raises(psycopg2.errors.ObjectNotInPrerequisiteState, match="is not under way"):
            cursor.execute("SELECT globalmart.do_step(%s, 1)", (run,))
        with pytest.raises(psycopg2.errors.ObjectNotInPrerequisiteState, match="has no next step"):
            cursor.execute("SELECT globalmart.begin_step(%s)", (run - 1,))
    # The server ends a session a moment after its client has closed it; until then the run is under way.
    wait_until(lambda: (problems(shop)["warehouse"] or "").endswith("was killed"), "the run counts as killed")
    with as_cron(shop) as connection:
        connection.cursor().execute("CALL globalmart.run_etl()")
    assert problems(shop)["warehouse"] is None


def test_what_the_role_is(shop):
    assert shop.rows(
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolcanlogin, rolconnlimit, rolpassword IS NULL"
        " FROM pg_authid WHERE rolname = 'globalmart_cron'"
    ) == [(False, False, False, False, False, True, 0, True)]
    assert shop.rows("SELECT roleid::regrole::text, admin_option FROM pg_auth_members WHERE member = 'globalmart_cron'::regrole") == [
        ("globalmart_operator", False)
    ]
    assert shop.rows("SELECT roleid FROM pg_auth_members WHERE member = 'globalmart_operator'::regrole") == []
    # Beyond what PUBLIC may, in all schemas of this database.
    assert {row[0].split("(")[0] for row in shop.rows(
        "SELECT p.oid::regprocedure::text FROM pg_proc AS p, aclexplode(p.proacl) AS a"
        " WHERE a.grantee = ANY ('{globalmart_cron,globalmart_operator}'::regrole[]) AND p.prokind = 'p'"
    )} == {f"globalmart.{name}" for name in ("run_etl", "close_windows", "compact_partials", "maintain_partitions", "drop_old_partitions",
                                              "delete_old_rows")} | {"globalmart_schedule.delete_old_job_runs"}  # fmt: skip
    assert shop.rows(
        "SELECT c.oid::regclass FROM pg_class AS c, aclexplode(c.relacl) AS a WHERE a.grantee = ANY ('{globalmart_cron,globalmart_operator}'::regrole[])"
    ) == []  # fmt: skip
    assert shop.rows("SELECT oid::regclass FROM pg_class WHERE relowner = ANY ('{globalmart_cron,globalmart_operator}'::regrole[])") == []


def test_nobody_logs_in_as_the_role(shop):
    """Not even where pg_hba.conf trusts everybody, as here."""
    with pytest.raises(psycopg2.OperationalError, match="too many connections for role"):
        psycopg2.connect(shop.dsn("globalmart_cron"))


def test_the_owner_sees_no_other_jobs(shop):
    shop.execute("SELECT cron.schedule('foreign', '0 0 1 1 *', 'SELECT 1')")
    with contextlib.closing(shop.connect()) as connection:
        cursor = connection.cursor()
        cursor.execute("SET ROLE globalmart_owner")
        cursor.execute("SELECT DISTINCT username FROM cron.job")
        assert cursor.fetchall() == [("globalmart_cron",)]


def test_unscheduled_twice(shop):
    must_run(shop, "unschedule.sql")
    assert shop.rows("SELECT jobname FROM cron.job") == [("foreign",)]
    assert shop.rows("SELECT FROM pg_roles WHERE rolname = 'globalmart_cron'") == []
    assert shop.rows("SELECT FROM pg_namespace WHERE nspname = 'globalmart_schedule'") == []
    assert shop.rows("SELECT FROM pg_policy WHERE polname LIKE 'globalmart%%'") == []
    assert not shop.value("SELECT has_schema_privilege('globalmart_owner', 'cron', 'USAGE')")
    assert shop.rows("SELECT * FROM globalmart.scheduled_jobs") == []
    must_run(shop, "unschedule.sql")


def test_pg_cron_in_another_database(cluster, shop):
    """Two shops, and pg_cron where neither is."""
    shop.execute("DROP EXTENSION pg_cron")
    shop.close()
    cluster.execute("ALTER SYSTEM SET cron.database_name = 'postgres'")
    cluster.stop()
    cluster.start()
    cluster.execute("CREATE DATABASE second TEMPLATE shop")
    second, home = type(shop)(cluster, "second"), type(shop)(cluster, "postgres")
    for database in (shop, second, shop):
        must_run(database, "schedule.sql")
    jobs = "SELECT jobname, schedule, command, database FROM cron.job WHERE database IN (%s, 'postgres') AND jobname LIKE '%%@' || %s ORDER BY 1"
    for name in ("shop", "second"):
        assert home.rows(jobs, name, name) == sorted(
            (f"globalmart-{job}@{name}", *rest, "postgres" if job == "runs" else name) for job, rest in JOBS.items()
        )
    assert shop.rows("SELECT * FROM globalmart.scheduled_jobs") == []
    with as_cron(home) as connection:
        connection.cursor().execute("CALL globalmart_schedule.delete_old_job_runs()")

    must_run(shop, "unschedule.sql")
    assert {row[0] for row in home.rows("SELECT right(jobname, 7) FROM cron.job")} == {"@second"}
    assert home.rows("SELECT FROM pg_roles WHERE rolname = 'globalmart_cron'") != []
    must_run(second, "unschedule.sql")
    assert home.rows("SELECT FROM cron.job") == []
    assert home.rows("SELECT FROM pg_roles WHERE rolname = 'globalmart_cron'") == []
    second.drop()
    home.close()
