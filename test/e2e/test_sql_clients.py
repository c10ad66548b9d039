"""Sixteen clients that have only SQL insert at once: no deadlock, and the tables equal the oracle."""

import json
import random
import threading

import psycopg2

from harness import generated, small_shop, tables, traffic
from harness.sql_rows import insert
from oracle import instants, rollups
from oracle.intake import Oracle

CLIENTS = 16
TRANSACTIONS = 2_000
EVENTS_EACH = 3


def test_many_clients(database, cluster, seed):
    count = CLIENTS * TRANSACTIONS * EVENTS_EACH
    shop = small_shop.SmallShop(seed, count, generated.START, 90 * instants.MINUTE, users=200)
    database.set_clock(generated.CLOCK)
    oracle = Oracle(generated.CLOCK)
    events = list(accepted(shop, oracle))
    # A client's n-th transaction has events of the time of everybody's n-th.
    portions = [
        [
            events[(number * CLIENTS + client) * EVENTS_EACH :][:EVENTS_EACH]
            for number in range(TRANSACTIONS)
        ]
        for client in range(CLIENTS)
    ]
    clients = [Client(database, portion, seed + number) for number, portion in enumerate(portions)]
    closer = Closer(database)
    closer.start()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    closer.end()
    errors = [error for client in clients for error in client.errors] + closer.errors
    assert errors == [], f"{len(errors)} errors: {errors[:3]}"

    last = max(event.time for event in events)
    for topic, make in traffic.sentinels(last + 6 * instants.HOUR).items():
        insert(database.connection.cursor(), oracle.contract.event(topic, make(0)[1]))
    database.close_windows()
    late = tables.late_ids(database)
    found = tables.differences(database, oracle, last + 2 * instants.HOUR, late=late)
    assert not found, tables.explain(found)
    for name in rollups.BY_NAME:
        assert database.rows("SELECT * FROM globalmart.verify(%s)", name) == [], name
    assert "deadlock detected" not in cluster.log.read_text(errors="replace")


def accepted(shop, oracle):
    """The generator's events as the contract reads them, given to the oracle as well."""
    for number, (topic, event) in enumerate(shop.events()):
        event.pop("_time")
        parsed = oracle.contract.event(topic, json.dumps(event).encode())
        parsed.partition, parsed.offset = -1, number
        oracle.take_event(parsed)
        yield parsed


class Client(threading.Thread):
    """`portions`: the events of each of its transactions."""

    def __init__(self, database, portions, seed):
        super().__init__()
        self.database = database
        self.portions = portions
        self.random = random.Random(seed)
        self.errors = []

    def run(self):
        connection = psycopg2.connect(self.database.dsn())
        try:
            for events in self.portions:
                self.random.shuffle(events)  # tables are locked in no order
                with connection, connection.cursor() as cursor:
                    for event in events:
                        insert(cursor, event)
        except Exception as error:
            self.errors.append(error)
        finally:
            connection.close()


class Closer(threading.Thread):
    """Closes again and again while the clients insert."""

    def __init__(self, database):
        super().__init__()
        self.database = database
        self.errors = []
        self._ended = threading.Event()

    def run(self):
        connection = self.database.connect()
        try:
            while not self._ended.wait(0.1):
                connection.cursor().execute("CALL globalmart.close_windows()")
        except Exception as error:
            self.errors.append(error)
        finally:
            connection.close()

    def end(self):
        self._ended.set()
        self.join()
