#!/usr/bin/python3
"""The night's load: seconds for one day of a shop, and whether a long history makes it slower.

    bench/night.py [--orders 100000] [--events 1000000] [--users 1000000] [--products 250000]
                   [--history 0] [--nights 1] [--json FILE]

A private PostgreSQL (fsync and synchronous_commit on) with the shop. Each day's rows are put into the streams
without folding them (session_replication_role), as if they had come by SQL; then `CALL globalmart.run_etl()`
by itself is timed. --history N loads N days first, which are not counted; then --nights are timed, one after the
other. A line of JSON for each night, with the seconds of its steps.
"""

import argparse
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
FIRST_DAY = datetime.date(2026, 1, 1)
# Users and products by a skewed draw: the square of a uniform one.
USER = "'USER_' || (power(random(), 2) * %(users)s)::int"
PRODUCT = "(power(random(), 3) * %(products)s)::int"
DAY = f"""
SET session_replication_role = replica;
SELECT setseed(%(seed)s);
CREATE TEMP TABLE made ON COMMIT DROP AS
  SELECT timestamptz %(day)s + random() * interval '1 day' AS at, gen_random_uuid() AS id, {USER} AS buyer,
         (ARRAY['USA', 'UK', 'Germany', 'France', 'Japan'])[1 + (random() * 4)::int] AS country,
         1 + (power(random(), 2) * 4)::int AS lines
  FROM generate_series(1, %(orders)s);
INSERT INTO globalmart.transactions (event_time, transaction_id, user_id, total_amount, discount_amount, payment_method, country)
  SELECT at, id, buyer, 100, CASE WHEN random() < 0.3 THEN 10 END, 'PayPal', country FROM made;
INSERT INTO globalmart.transaction_items (event_time, transaction_id, line_no, quantity, product_id, price, user_id, total_amount, payment_method, country)
  SELECT at, id, l, 1 + (random() * 2)::int, 'PROD_' || {PRODUCT}, (random() * 100)::numeric(18,2), buyer, 100, 'PayPal', country
  FROM made, generate_series(1, lines) AS l;
INSERT INTO globalmart.cart_events (event_time, event_id, session_id, event_type, user_id, country, product_id, product_name, category, price, quantity, cart_value)
  SELECT timestamptz %(day)s + random() * interval '1 day', gen_random_uuid(), gen_random_uuid(),
         (ARRAY['add_to_cart', 'remove_from_cart', 'checkout'])[1 + (random() * 2)::int], {USER}, 'UK', 'PROD_' || p, 'Product ' || p, 'Category ' || p %% 100, 9.99, 1, 9.99
  FROM (SELECT {PRODUCT} AS p FROM generate_series(1, %(events)s / 3)) AS g;
INSERT INTO globalmart.product_view_events (event_time, event_id, session_id, event_type, user_id, country, product_id, product_name, category, price, view_duration)
  SELECT timestamptz %(day)s + random() * interval '1 day', gen_random_uuid(), gen_random_uuid(),
         'view', {USER}, 'UK', 'PROD_' || p, 'Product ' || p, 'Category ' || p %% 100, 9.99, 12
  FROM (SELECT {PRODUCT} AS p FROM generate_series(1, %(events)s - %(events)s / 3)) AS g;
SET session_replication_role = origin;
"""


def run_night(database, day):
    """Seconds of the whole and of its steps, for the night after `day`."""
    night = datetime.datetime.combine(day + datetime.timedelta(days=1), datetime.time(2), datetime.timezone.utc)
    database.set_clock(instants.parse(night.strftime("%Y-%m-%dT%H:%M:%SZ")))
    started = time.monotonic()
    database.execute("CALL globalmart.run_etl()")
    seconds = time.monotonic() - started
    steps = database.rows(
        "SELECT step, round(sum(seconds)::numeric, 2)::float8, sum(rows_written) FROM globalmart.etl_steps"
        " WHERE run_id = (SELECT max(run_id) FROM globalmart.etl_runs) GROUP BY step ORDER BY min(step_no)"
    )
    read, written = database.rows("SELECT rows_read, rows_written FROM globalmart.etl_runs ORDER BY run_id DESC LIMIT 1")[0]
    return {
        "day": str(day),
        "seconds": round(seconds, 2),
        "rows_read": read,
        "rows_written": written,
        "steps": {step: took for step, took, _ in steps},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=100_000, help="orders a day")
    parser.add_argument("--events", type=int, default=1_000_000, help="cart and view events a day")
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--products", type=int, default=250_000)
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
                day = FIRST_DAY + datetime.timedelta(days=number)
                database.set_clock(instants.parse(f"{day}T12:00:00Z"))
                database.execute("CALL globalmart.maintain_partitions()")
                connection = database.connect()
                connection.autocommit = False
                connection.cursor().execute(
                    DAY,
                    {**vars(options), "day": f"{day} 00:00+00", "seed": (number % 1000) / 1000},
                )
                connection.commit()
                connection.close()
                result = run_night(database, day)
                if number >= options.history:
                    results.append(result)
                    print(json.dumps(result), flush=True)
                elif sys.stderr.isatty():
                    print(f"\rday {number + 1} of {options.history}: {result['seconds']} s ", end="", file=sys.stderr, flush=True)
                drop_raw(database, day - datetime.timedelta(days=options.retention))
        finally:
            cluster.stop()
    middle = sorted(result["seconds"] for result in results)[len(results) // 2]
    print(f"median of {len(results)} nights after {options.history} days: {middle} s")
    if options.json:
        options.json.write_text(json.dumps({"options": {k: str(v) for k, v in vars(options).items()}, "nights": results}, indent=2) + "\n")


def drop_raw(database, day):
    """What retention does once a day is old; it counts from arrival, which is today here."""
    for stream in ("transactions", "transaction_items", "cart_events", "product_view_events"):
        database.execute(f"DROP TABLE IF EXISTS globalmart.{stream}_p{day:%Y%m%d}")


if __name__ == "__main__":
    main()
