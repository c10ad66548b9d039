#!/usr/bin/python3
"""The night's load: seconds for one day of a shop, and whether a long history makes it slower.

    bench/night.py [--orders 100000] [--events 1000000] [--users 1000000] [--products 250000]
                   [--changes 0.005] [--late 0.01] [--history 0] [--nights 1] [--json FILE]

A private PostgreSQL (fsync and synchronous_commit on) with the shop. The catalogue tells of every customer and product
before the first day. Each day's rows are put into the streams without folding them (session_replication_role), as if
they had come by SQL: orders, events and changes of the catalogue, some of them late by up to a week. Then the steps of
`CALL globalmart.run_etl()` are called one by one and timed. --history N loads N days first, which are not counted; then
--nights are timed, one after the other. The first timed day is the same whatever the history, so that the month's
partitions hold as much. A line of JSON for each night and step: seconds, and CPU seconds of the server's process (parallel workers
have their own), which other work on the machine does not change. Compare two histories without `analyse rfm`, which
looks at a year.
"""

import argparse
import collections
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

PROJECT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT / "test" / "e2e"))

from harness.postgres import Cluster  # noqa: E402
from oracle import instants  # noqa: E402

SERVER = {
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "2GB",
    "max_wal_size": "8GB",
    "work_mem": "64MB",
}
TIMED_DAY = datetime.date(2026, 6, 20)
TICKS = os.sysconf("SC_CLK_TCK")
# Users and products by a skewed draw: the square of a uniform one.
USER = "'USER_' || (power(random(), 2) * %(users)s)::int"
PRODUCT = "(power(random(), 3) * %(products)s)::int"
# Some are late, by one day to six.
AT = "timestamptz %(day)s + random() * interval '1 day' - CASE WHEN random() < %(late)s THEN ceil(random() * 6) ELSE 0 END * interval '1 day'"
COUNTRY = "(ARRAY['USA', 'UK', 'Germany', 'France', 'Japan'])[1 + (random() * 4)::int]"
CATALOGUE = f"""
SET session_replication_role = replica;
INSERT INTO globalmart.user_changes (event_time, user_id, deleted, country, age_range)
  SELECT timestamptz %(day)s - interval '30 days', 'USER_' || n, false, {COUNTRY}, '25-34' FROM generate_series(0, %(users)s) AS n;
INSERT INTO globalmart.product_changes (event_time, product_id, deleted, product_name, category, price, rating)
  SELECT timestamptz %(day)s - interval '30 days', 'PROD_' || n, false, 'Product ' || n, 'Category ' || n %% 100, 9.99, 4.5
  FROM generate_series(0, %(products)s) AS n;
SET session_replication_role = origin;
"""
DAY = f"""
SET session_replication_role = replica;
SELECT setseed(%(seed)s);
CREATE TEMP TABLE made ON COMMIT DROP AS
  SELECT {AT} AS at, gen_random_uuid() AS id, {USER} AS buyer, {COUNTRY} AS country, 1 + (power(random(), 2) * 4)::int AS lines
  FROM generate_series(1, %(orders)s);
INSERT INTO globalmart.transactions (event_time, transaction_id, user_id, total_amount, discount_amount, payment_method, country)
  SELECT at, id, buyer, 100, CASE WHEN random() < 0.3 THEN 10 END, 'PayPal', country FROM made;
INSERT INTO globalmart.transaction_items (event_time, transaction_id, line_no, quantity, product_id, price, user_id, total_amount, payment_method, country)
  SELECT at, id, l, 1 + (random() * 2)::int, 'PROD_' || {PRODUCT}, (random() * 100)::numeric(18,2), buyer, 100, 'PayPal', country
  FROM made, generate_series(1, lines) AS l;
INSERT INTO globalmart.cart_events (event_time, event_id, session_id, event_type, user_id, country, product_id, product_name, category, price, quantity, cart_value)
  SELECT {AT}, gen_random_uuid(), gen_random_uuid(),
         (ARRAY['add_to_cart', 'remove_from_cart', 'checkout'])[1 + (random() * 2)::int], {USER}, 'UK', 'PROD_' || p, 'Product ' || p, 'Category ' || p %% 100, 9.99, 1, 9.99
  FROM (SELECT {PRODUCT} AS p FROM generate_series(1, %(events)s / 3)) AS g;
INSERT INTO globalmart.product_view_events (event_time, event_id, session_id, event_type, user_id, country, product_id, product_name, category, price, view_duration)
  SELECT {AT}, gen_random_uuid(), gen_random_uuid(),
         'view', {USER}, 'UK', 'PROD_' || p, 'Product ' || p, 'Category ' || p %% 100, 9.99, 12
  FROM (SELECT {PRODUCT} AS p FROM generate_series(1, %(events)s - %(events)s / 3)) AS g;
INSERT INTO globalmart.user_changes (event_time, user_id, deleted, country, age_range)
  SELECT {AT}, {USER}, false, {COUNTRY}, (ARRAY['18-24', '25-34', '35-44'])[1 + (random() * 2)::int]
  FROM generate_series(1, (%(users)s * %(changes)s)::int);
INSERT INTO globalmart.product_changes (event_time, product_id, deleted, product_name, category, price, rating)
  SELECT {AT}, 'PROD_' || p, false, 'Product ' || p, 'Category ' || p %% 100, (random() * 100)::numeric(18,2), 4.5
  FROM (SELECT {PRODUCT} AS p FROM generate_series(1, (%(products)s * %(changes)s)::int)) AS g;
SET session_replication_role = origin;
"""


def cpu_seconds(pid):
    """utime and stime of a process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def run_night(database, day):
    """Seconds of the whole and of its steps, for the night after `day`: what run_etl() calls, one by one."""
    night = datetime.datetime.combine(day + datetime.timedelta(days=1), datetime.time(2), datetime.timezone.utc)
    database.set_clock(instants.parse(night.strftime("%Y-%m-%dT%H:%M:%SZ")))
    pid = database.connection.info.backend_pid
    assert database.value("SELECT globalmart.try_run_lock()")
    started, started_cpu = time.monotonic(), cpu_seconds(pid)
    run = database.value("SELECT globalmart.begin_run(NULL)")
    steps, cpu = collections.Counter(), collections.Counter()
    while True:
        began, began_cpu = time.monotonic(), cpu_seconds(pid)
        number, step = database.rows("SELECT step_no, step FROM globalmart.begin_step(%s)", run)[0]
        if step is None:
            break
        database.execute("SELECT globalmart.do_step(%s, %s)", run, number)
        steps[step] += time.monotonic() - began
        cpu[step] += cpu_seconds(pid) - began_cpu
    result = {"day": str(day), "seconds": time.monotonic() - started, "cpu_seconds": cpu_seconds(pid) - started_cpu}
    database.execute("SELECT globalmart.release_run_lock()")
    read, written = database.rows("SELECT rows_read, rows_written FROM globalmart.etl_runs WHERE run_id = %s", run)[0]
    return {
        **{name: round(value, 2) if isinstance(value, float) else value for name, value in result.items()},
        "rows_read": read,
        "rows_written": written,
        "steps": {step: {"seconds": round(took, 2), "cpu_seconds": round(cpu[step], 2)} for step, took in steps.items()},
    }


def put(database, sql, values):
    connection = database.connect()
    connection.autocommit = False
    connection.cursor().execute(sql, values)
    connection.commit()
    connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=100_000, help="orders a day")
    parser.add_argument("--events", type=int, default=1_000_000, help="cart and view events a day")
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--products", type=int, default=250_000)
    parser.add_argument("--changes", type=float, default=0.005, help="share of customers and of products that the catalogue tells of each day")
    parser.add_argument("--late", type=float, default=0.01, help="share of rows that are late")
    parser.add_argument("--history", type=int, default=0, help="days that are loaded before")
    parser.add_argument("--nights", type=int, default=1, help="nights that are timed")
    parser.add_argument("--retention", type=int, default=30, help="days of raw rows that are kept")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="globalmart-bench-") as folder:
        os.chmod(folder, 0o755)
        staged = subprocess.run(
            [PROJECT / "tools/stage-server", pathlib.Path(folder) / "server"], check=True, stdout=subprocess.PIPE, text=True
        )
        os.environ["PATH"] = f"{staged.stdout.strip()}:{os.environ['PATH']}"
        cluster = Cluster(pathlib.Path(folder) / "postgres")
        cluster.create()
        with open(cluster.data / "postgresql.conf", "a", encoding="utf-8") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in SERVER.items())
        cluster.start()
        results = []
        try:
            database = cluster.new_database()
            database.install()
            for number in range(options.history + options.nights):
                day = TIMED_DAY + datetime.timedelta(days=number - options.history)
                database.set_clock(instants.parse(f"{day}T12:00:00Z"))
                database.execute("CALL globalmart.maintain_partitions()")
                values = {**vars(options), "day": f"{day} 00:00+00", "seed": (number % 1000) / 1000}
                if number == 0:
                    put(database, CATALOGUE, values)
                put(database, DAY, values)
                result = run_night(database, day)
                if number >= options.history:
                    results.append(result)
                    print(json.dumps(result), flush=True)
                elif sys.stderr.isatty():
                    print(f"\rday {number + 1} of {options.history}: {result['seconds']} s ", end="", file=sys.stderr, flush=True)
                drop_raw(database, day - datetime.timedelta(days=options.retention))
        finally:
            cluster.stop()
    for name in ("seconds", "cpu_seconds"):
        middle = sorted(result[name] for result in results)[len(results) // 2]
        without = sorted(result[name] - result["steps"].get("analyse rfm", {}).get(name, 0) for result in results)[len(results) // 2]
        print(f"median of {len(results)} nights after {options.history} days, {name}: {middle}, without analyse rfm {without:.2f}")
    if options.json:
        options.json.write_text(json.dumps({"options": {k: str(v) for k, v in vars(options).items()}, "nights": results}, indent=2) + "\n")


def drop_raw(database, day):
    """What retention does once a day is old; it counts from arrival, which is today here."""
    for stream in ("transactions", "transaction_items", "cart_events", "product_view_events"):
        database.execute(f"DROP TABLE IF EXISTS globalmart.{stream}_p{day:%Y%m%d}")


if __name__ == "__main__":
    main()
