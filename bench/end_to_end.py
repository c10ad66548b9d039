#!/usr/bin/python3
"""From a preloaded Kafka topic to rows committed and windows closed.

    bench/end_to_end.py [--events 2000000] [--workers 2] [--runs 3] [--json FILE]

A private PostgreSQL (fsync and synchronous_commit on), a real Apache Kafka, the generator's events in
six topics, loaded before the clock starts; then `globalmart-bridge --drain` from start to exit. A run
counts when the bridge says that every message was applied; `verify` of a rollup is the reader's to run.
Needs a finished build, what `make deps` and `tools/fetch-kafka` install, and nothing of the system's PostgreSQL:
the extension is staged beside a private copy of the server.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

PROJECT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT / "test" / "e2e"))

from harness.kafka import Broker, fetch_jars  # noqa: E402
from harness.postgres import Cluster  # noqa: E402

GENERATOR = PROJECT / "build/bin/globalmart-generate"
BRIDGE = PROJECT / "build/bin/globalmart-bridge"
SERVER = {
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "5min",
    "autovacuum_naptime": "10s",
    "log_lock_waits": "off",
}


class Watch(threading.Thread):
    """Peak memory while it runs: the bridge's resident set, and the server's shared once (Pss)."""

    def __init__(self, bridge, postmaster):
        super().__init__(daemon=True)
        self.bridge, self.postmaster = bridge, postmaster
        self.bridge_peak = self.server_peak = 0
        self.done = threading.Event()

    def run(self):
        while not self.done.wait(0.2):
            self.bridge_peak = max(self.bridge_peak, _status(self.bridge, "VmHWM"))
            pids = [self.postmaster, *_children(self.postmaster)]
            self.server_peak = max(self.server_peak, sum(_pss(pid) for pid in pids))


def _status(pid, field):
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(rf"{field}:\s+(\d+) kB", text)
    return int(found.group(1)) if found else 0


def _pss(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE).group(1))


def _children(pid):
    try:
        return [int(c) for c in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def server_cpu_seconds(postmaster):
    """Of the postmaster, its children, and those that have ended."""
    total = 0
    for pid in [postmaster, *_children(postmaster)]:
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        last = 15 if pid == postmaster else 13
        total += sum(int(field) for field in fields[11:last])
    return total / os.sysconf("SC_CLK_TCK")


def run(cluster, broker, options, number):
    database = cluster.new_database()
    database.install()
    if options.no_rollups:
        names = [row[0] for row in database.rows("SELECT name FROM globalmart.rollups WHERE kind = 'rollup'")]
        for name in names:
            database.execute("DROP VIEW IF EXISTS globalmart.recent_critical_anomalies CASCADE")
            database.execute(f"DROP VIEW globalmart.{name}_live; DROP TABLE globalmart.{name} CASCADE; DELETE FROM globalmart.rollup_catalog WHERE name = '{name}'")
        database.execute("UPDATE globalmart.domains SET definition_version = definition_version + 1")
    arguments = [BRIDGE, "--drain", "--set", f"kafka.bootstrap_servers={broker.bootstrap}"]
    arguments += ["--set", f"postgres.dsn={database.dsn()}", "--set", f"bridge.workers={options.workers}"]
    arguments += ["--set", f"kafka.group_id=bench-{number}", "--set", "http.listen=off"]
    for setting in options.set:
        arguments += ["--set", setting]
    server_cpu = server_cpu_seconds(cluster._process.pid)
    started = time.monotonic()
    bridge = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
    watch = Watch(bridge.pid, cluster._process.pid)
    watch.start()
    log = bridge.stderr.read()
    _, _, usage = os.wait4(bridge.pid, 0)
    seconds = time.monotonic() - started
    server_cpu = server_cpu_seconds(cluster._process.pid) - server_cpu
    watch.done.set()
    watch.join()
    applied = re.search(r"status=0 messages=(\d+) accepted=(\d+)", log)
    if not applied:
        raise SystemExit(f"the bridge did not finish:\n{log[-2000:]}")
    messages = int(applied.group(1))
    rows = database.value(
        "SELECT sum((xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM globalmart.%I', name), "
        "false, true, '')))[1]::text::bigint) FROM globalmart.rollups WHERE kind = 'rollup'"
    )
    result = {
        "seconds": round(seconds, 2),
        "messages": messages,
        "events_per_second": round(messages / seconds),
        "closed_rows": int(rows or 0),
        "late": database.value("SELECT count(*) FROM globalmart.late_events"),
        "bridge_cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "server_cpu_seconds": round(server_cpu, 2),
        "cpu_us_per_event": round((usage.ru_utime + usage.ru_stime + server_cpu) / messages * 1e6, 2),
        "bridge_peak_mb": round(watch.bridge_peak / 1024),
        "server_peak_mb": round(watch.server_peak / 1024),
    }
    if options.verify:
        for (name,) in database.rows("SELECT name FROM globalmart.rollups WHERE kind = 'rollup'"):
            differences = database.value("SELECT count(*) FROM globalmart.verify(%s)", name)
            if differences:
                raise SystemExit(f"{name}: {differences} differences")
    if not options.keep:
        database.drop()
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2_000_000, help="shop events; inventory comes on top")
    parser.add_argument("--event-rate", type=float, default=500, help="events a second of event time")
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--products", type=int, default=1_000)
    parser.add_argument("--partitions", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--no-rollups", action="store_true", help="raw rows only")
    parser.add_argument("--set", action="append", default=[], help="a further setting of the bridge")
    parser.add_argument("--verify", action="store_true", help="compare every rollup with its batch query")
    parser.add_argument("--keep", action="store_true", help="keep the databases until the end of the run")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    fetch_jars()
    with tempfile.TemporaryDirectory(prefix="globalmart-bench-") as folder:
        os.chmod(folder, 0o755)
        staged = subprocess.run(
            [PROJECT / "tools/stage-server", pathlib.Path(folder) / "server"], check=True, stdout=subprocess.PIPE, text=True
        )
        os.environ["PATH"] = f"{staged.stdout.strip()}:{os.environ['PATH']}"
        cluster = Cluster(pathlib.Path(folder) / "postgres")
        broker = Broker(pathlib.Path(folder) / "kafka")
        try:
            cluster.create()
            with open(cluster.data / "postgresql.conf", "a", encoding="utf-8") as file:
                file.writelines(f"{name} = '{value}'\n" for name, value in SERVER.items())
            cluster.start()
            broker.create()
            broker.start()
            # Without it the bridge would wait for the delivery of its alerts before it exits.
            broker.create_topics(["alerts-topic"], 1)
            subprocess.run(
                [GENERATOR, "--bootstrap-servers", broker.bootstrap, "--count", str(options.events)]
                + ["--event-rate", str(options.event_rate), "--users", str(options.users)]
                + ["--products", str(options.products), "--partitions", str(options.partitions), "--seed", "1"]
                + ["--start", "2026-11-01T08:00:00Z", "--quiet"],
                check=True,
            )
            results = []
            for number in range(1, options.runs + 1):
                results.append(run(cluster, broker, options, number))
                print(json.dumps(results[-1]), flush=True)
        finally:
            broker.stop()
            cluster.stop()
    results.sort(key=lambda result: result["events_per_second"])
    median = results[len(results) // 2]
    print(f"median of {len(results)}: {median['events_per_second']:,} events/s, bridge {median['bridge_peak_mb']} MB, "
          f"server {median['server_peak_mb']} MB")
    if options.json:
        options.json.write_text(json.dumps({"options": {k: str(v) for k, v in vars(options).items()}, "runs": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
