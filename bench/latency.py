#!/usr/bin/python3
"""How long after it is sent an event is committed, event by event, with the bridge's default settings.

    bench/latency.py [--rate 100,1000,10000] [--seconds 30] [--json FILE]

A private PostgreSQL (fsync and synchronous_commit on, track_commit_timestamp on), a real Apache Kafka, the
bridge with the shipped shop, and the generator at an even rate. An event's time begins when the generator
hands it to its Kafka client (the message's CreateTime: the client's 5 ms of linger and the broker are in
it) and ends at pg_xact_commit_timestamp of its row; `flush_ms` is the mean time of the WAL flush that
follows before others see the row. A line of JSON for each rate. A run counts when every event has its row.
Needs a finished build, and what `make deps` and `tools/fetch-kafka` install.
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

from confluent_kafka import Consumer, TopicPartition

from end_to_end import BRIDGE, GENERATOR, PROJECT, SERVER, Broker, Cluster, fetch_jars

TABLES = {
    "transactions-topic": "transactions",
    "cart-events-topic": "cart_events",
    "product-views-topic": "product_view_events",
    "inventory-events-topic": "inventory_events",
}
TOPICS = [*TABLES, "users-topic", "products-topic", "alerts-topic"]
PARTITIONS = 3
WARM_UP = 5  # seconds of the generator's that do not count: its catalogue comes in one go


def wait_for(condition, what, process, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None:
            raise SystemExit(f"the bridge ended while waiting for {what}")
        if time.monotonic() > end:
            raise SystemExit(f"no {what} within {seconds} s")
        time.sleep(0.1)


def sending_times(bootstrap):
    """{table: {(partition, offset): milliseconds since 1970}} of all messages of the streams."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "latency", "enable.partition.eof": False})
    times = {}
    try:
        for topic, table in TABLES.items():
            found = times[table] = {}
            for partition in range(PARTITIONS):
                low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
                if low == high:
                    continue
                consumer.assign([TopicPartition(topic, partition, low)])
                last = low - 1
                while last < high - 1:
                    for message in consumer.consume(10_000, timeout=1):
                        if message.error():
                            raise SystemExit(f"{topic}: {message.error()}")
                        last = message.offset()
                        found[partition, last] = message.timestamp()[1]
    finally:
        consumer.close()
    return times


def percentile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))]


def measure(folder, rate, options):
    cluster, broker = Cluster(folder / "postgres"), Broker(folder / "kafka")
    bridge = None
    try:
        cluster.create()
        with open(cluster.data / "postgresql.conf", "a", encoding="utf-8") as file:
            settings = {**SERVER, "track_commit_timestamp": "on", "track_wal_io_timing": "on"}
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        cluster.start()
        broker.create()
        broker.start()
        broker.create_topics(TOPICS, PARTITIONS)
        database = cluster.new_database()
        database.install()
        arguments = [BRIDGE, "--set", f"kafka.bootstrap_servers={broker.bootstrap}", "--set", "http.listen=off"]
        arguments += ["--set", f"postgres.dsn={database.dsn('bridge')}"]
        for setting in options.set:
            arguments += ["--set", setting]
        with open(folder / "bridge.log", "wb") as log:
            bridge = subprocess.Popen(arguments, stdout=log, stderr=log)
        owned = "SELECT count(*) = %s FROM globalmart.kafka_offsets"
        wait_for(lambda: database.value(owned, PARTITIONS * (len(TOPICS) - 1)), "partitions taken", bridge)
        count = round(rate * (options.seconds + WARM_UP))
        subprocess.run(
            [GENERATOR, "--bootstrap-servers", broker.bootstrap, "--rate", str(rate), "--count", str(count), "--quiet"],
            check=True,
        )
        sent = sending_times(broker.bootstrap)
        total = sum(len(times) for times in sent.values())
        rows = " + ".join(f"(SELECT count(*) FROM globalmart.{table})" for table in sent)
        wait_for(lambda: database.value(f"SELECT {rows}") >= total, "row of every event", bridge)
        latencies, commits = [], set()
        # Those of the end of the catalogue's burst are left out.
        first = min(min(times.values()) for times in sent.values()) + WARM_UP * 1000
        for table, times in sent.items():
            committed = database.rows(
                "SELECT kafka_partition, kafka_offset, xmin::text,"
                f" extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000 FROM globalmart.{table}"
            )
            if len(committed) != len(times):
                raise SystemExit(f"{table}: {len(times)} messages, {len(committed)} rows")
            for partition, offset, transaction, milliseconds in committed:
                if times[partition, offset] >= first:
                    latencies.append(float(milliseconds) - times[partition, offset])
                    commits.add(transaction)
        flush = database.value("SELECT wal_sync_time / greatest(wal_sync, 1) FROM pg_stat_wal")
    finally:
        if bridge is not None:
            bridge.terminate()
            bridge.wait()
        broker.stop()
        cluster.stop()
    latencies.sort()
    return {
        "rate": rate,
        "events": len(latencies),
        "commits": len(commits),
        "p50_ms": round(percentile(latencies, 0.5), 1),
        "p99_ms": round(percentile(latencies, 0.99), 1),
        "max_ms": round(latencies[-1], 1),
        "over_100_ms": sum(latency > 100 for latency in latencies),
        "flush_ms": round(flush, 2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", default="100", help="shop events a second; several with commas (100)")
    parser.add_argument("--seconds", type=float, default=30, help="seconds that count, of each rate (30)")
    parser.add_argument("--set", action="append", default=[], help="a further setting of the bridge")
    parser.add_argument("--json", type=pathlib.Path, help="the results there, too")
    options = parser.parse_args()
    fetch_jars()
    results = []
    for rate in [float(word) for word in options.rate.split(",")]:
        with tempfile.TemporaryDirectory(prefix="globalmart-latency-") as name:
            folder = pathlib.Path(name)
            folder.chmod(0o755)
            staged = subprocess.run(
                [PROJECT / "tools/stage-server", folder / "server"], check=True, stdout=subprocess.PIPE, text=True
            )
            path = os.environ["PATH"]
            os.environ["PATH"] = f"{staged.stdout.strip()}:{path}"
            try:
                results.append(measure(folder, rate, options))
            finally:
                os.environ["PATH"] = path
        print(json.dumps(results[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
