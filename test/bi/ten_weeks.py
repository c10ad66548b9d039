#!/usr/bin/python3
"""Ten weeks of a shop that grows, always the same: what docs/bi.md asks of.

usage: ten_weeks.py --renew    puts what its queries give, and the model, into docs/bi.md again
       ten_weeks.py --keep     leaves the server running and says how to reach it

The generator's events go through Kafka's protocol and the bridge into PostgreSQL, and the night loads them.
"""

import argparse
import contextlib
import datetime
import importlib.machinery
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

PROJECT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "test" / "e2e"))

from harness.processes import end, wait_until  # noqa: E402

PAGE = PROJECT / "docs" / "bi.md"
MONDAY = datetime.datetime(2026, 9, 14)
WEEKS = 10
CLOCK = "2026-11-23 02:00:00+00"  # the night after the last Sunday
MOST_USERS = 2_600
WORLD = ["--seed", "42", "--products", "120", "--skew", "1.1", "--countries", "4,3,3,2,2"]
LOGIN = re.compile(r"^```\n(CREATE ROLE dashboard .*?)^```$", re.MULTILINE | re.DOTALL)
ANSWER = re.compile(r"^```sql\n(?P<sql>.*?)^```\n```\n(?P<output>.*?)^```$", re.MULTILINE | re.DOTALL)


def load_script(path):
    """A program of ours as a module."""
    name = path.name.replace("-", "_")
    specification = importlib.util.spec_from_loader(name, importlib.machinery.SourceFileLoader(name, str(path)))
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class Shop:
    """A private server below `folder`, with everything in it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.server = self.folder / "server"
        self.environment = {**os.environ, "PGHOST": str(self.server), "PGDATABASE": "shop", "PGUSER": "postgres"}

    def run(self, *command, **more):
        return subprocess.run([str(word) for word in command], check=True, env=self.environment, **more)

    def sql(self, *statements, user="postgres"):
        words = [word for statement in statements for word in ("-c", statement)]
        return self.run(
            "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", user, *words, stdout=subprocess.PIPE, text=True
        ).stdout

    def ask(self, sql):
        """What psql shows, as whoever uses a tool."""
        return subprocess.run(
            ["psql", "-X", "-U", "dashboard"], input=sql, env=self.environment, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=True,
        ).stdout  # fmt: skip

    def start(self):
        self.run(PROJECT / "tools" / "cluster", "start", self.server, "fsync=off", "timezone=UTC", "max_wal_size=2GB")
        self.run("createdb", "shop")
        self.sql("CREATE EXTENSION globalmart", f"ALTER DATABASE shop SET globalmart.now = '{CLOCK}'")
        self.sql(
            "SELECT globalmart.install_shop()",
            "CREATE ROLE bridge LOGIN IN ROLE globalmart_writer",
            LOGIN.search(PAGE.read_text())[1],
        )

    def stop(self):
        self.run(PROJECT / "tools" / "cluster", "stop", self.server, "immediate")

    def fill(self):
        """Events, bridge, night."""
        programs = PROJECT / "build" / "bin"
        address_file = self.folder / "broker"
        generator = programs / "globalmart-generate"
        # The broker keeps 5 MiB a partition, and the bridge comes when all is there.
        broker = subprocess.Popen(
            [generator, "broker", "--port-file", address_file, "--partitions", "8"], stdout=subprocess.DEVNULL
        )
        try:
            wait_until(address_file.exists, "the broker", process=broker)
            address = address_file.read_text().strip()

            def generate(users, start, *more):
                self.run(
                    generator, "--quiet", "-b", address, *WORLD, "--users", users,
                    "--start", start.strftime("%Y-%m-%dT%H:%M:%SZ"), *more,
                )  # fmt: skip

            generate(MOST_USERS, MONDAY, "--catalogue", "start", "--count", 0)
            for week in range(WEEKS):
                # More people every week, who buy more every week; the ninth is a promotion.
                users = MOST_USERS - 180 * (WEEKS - 1 - week)
                events = 2_400 + 240 * week + (1_200 if week == 8 else 0)
                generate(
                    users, MONDAY + datetime.timedelta(weeks=week), "--catalogue", "none", "--visits", 60,
                    "--event-rate", events / (7 * 86_400), "--seconds", 7 * 86_400, "--anomalies", 0.005,
                    "--mix", "60,28,12" if week != 8 else "52,30,18",
                )  # fmt: skip
            self.run(
                programs / "globalmart-bridge", "--drain", "--set", f"kafka.bootstrap_servers={address}",
                "--set", f"postgres.dsn=host={self.server} dbname=shop user=bridge", "--set", "http.listen=off",
                "--set", f"bridge.clock={CLOCK.replace(' ', 'T').replace('+00', 'Z')}",
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            )  # fmt: skip
        finally:
            end(broker)
        self.sql("SELECT globalmart.set_region('UK', 'UK and Ireland', '2026-10-26 00:00:00+00')")
        self.sql("CALL globalmart.run_etl()")


@contextlib.contextmanager
def ten_weeks(folder):
    shop = Shop(folder)
    shop.start()
    try:
        shop.fill()
        yield shop
    finally:
        shop.stop()


def renew(page, shop):
    """The page with what its queries give now."""
    return ANSWER.sub(lambda found: f"```sql\n{found['sql']}```\n```\n{shop.ask(found['sql'])}```", page)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--renew", action="store_true")
    what.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gm-bi-"))
    folder.chmod(0o755)
    staged = subprocess.run(
        [PROJECT / "tools" / "stage-server", folder / "staged"], check=True, stdout=subprocess.PIPE, text=True
    )
    os.environ["PATH"] = f"{staged.stdout.strip()}:{os.environ['PATH']}"
    if options.keep:
        shop = Shop(folder)
        shop.start()
        shop.fill()
        print(f"psql -h {shop.server} -U dashboard shop; it ends by `pg_ctl stop -D {shop.server}/data`, and then rm -r {folder}")
        return
    with ten_weeks(folder) as shop:
        PAGE.write_text(renew(PAGE.read_text(), shop))
        shop.run(PROJECT / "tools" / "draw-model", "--into", PAGE)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
