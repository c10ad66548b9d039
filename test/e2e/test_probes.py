"""What a running bridge says of itself, and what it hears: probes, metrics, lists that change."""

import re
import urllib.error
import urllib.request

from harness.processes import wait_until
from oracle import contract
from session import Topics
from shared import CASE_CLOCK
from test_operation import carts, wait_logged

PREFIX = "globalmart_bridge_"


class Probes:
    """Of a bridge that listens on a free port."""

    def __init__(self, bridge):
        line = wait_logged(bridge, "http listens")[0]
        self.url = f"http://127.0.0.1:{re.search(r'port=([0-9]+)', line).group(1)}"

    def get(self, path):
        """(status, text)"""
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metrics(self):
        """{(name, {(label, value)}): number}"""
        status, text = self.get("/metrics")
        assert status == 200
        found = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
                pairs = re.findall(r'(\w+)="([^"]*)"', labels or "")
                found[name, frozenset(pairs)] = float(value)
        return found


def of_topic(metrics, name):
    """The sum over partitions or reasons of the carts' topic."""
    return sum(
        value
        for (metric, labels), value in metrics.items()
        if metric == PREFIX + name and ("topic", contract.CART) in labels
    )


def at(messages, first):
    return [m._replace(offset=first + i) for i, m in enumerate(messages)]


def test_probes_and_metrics(shop, broker):
    topics = Topics(broker, 2)
    database = shop.database
    topics.put([*carts(0, 10), *at(carts(3, 4), 10), *at(carts(20, 3, country="Atlantis"), 14)])
    database.execute('DROP ROLE IF EXISTS "no Rights"')
    database.execute('CREATE ROLE "no Rights" LOGIN')
    bridge = shop.set_up(
        topics,
        CASE_CLOCK,
        postgres__dsn=database.dsn("'no Rights'"),
        http__listen="127.0.0.1:0",
    )
    bridge.start()
    probes = Probes(bridge)
    assert probes.get("/livez") == (200, "alive\n")
    status, text = probes.get("/readyz")
    assert status == 503 and text.startswith("not ready")
    assert probes.metrics()[PREFIX + "ready", frozenset()] == 0
    assert probes.get("/other")[0] == 404
    wait_until(
        lambda: probes.metrics()[PREFIX + "database_errors_total", frozenset()] >= 1,
        "an error of the database",
        process=bridge.process,
    )
    database.execute('GRANT globalmart_writer TO "no Rights"')
    wait_until(
        lambda: probes.get("/readyz") == (200, "ready\n"), "readiness", process=bridge.process
    )
    wait_until(
        lambda: of_topic(probes.metrics(), "at_end") == 2, "the ends", process=bridge.process
    )
    found = probes.metrics()
    stored = database.rows(
        "SELECT sum(accepted)::int, sum(duplicates)::int, sum(dead_letters)::int"
        " FROM globalmart.kafka_offsets WHERE topic = %s",
        contract.CART,
    )[0]
    assert stored == (10, 4, 3)
    counters = ("accepted_total", "duplicates_total", "dead_letters_total")
    assert tuple(of_topic(found, name) for name in counters) == stored
    (reason,) = database.rows("SELECT DISTINCT reason FROM globalmart.dead_letters")[0]
    labels = frozenset({("topic", contract.CART), ("reason", reason)})
    assert found[PREFIX + "dead_letters_total", labels] == 3
    assert of_topic(found, "lag_messages") == of_topic(found, "gone_offsets_total") == 0
    rows = database.value("SELECT count(*) FROM globalmart.cart_events")
    assert found[PREFIX + "dedup_ids", frozenset()] == rows == 10
    assert found[PREFIX + "dedup_bytes", frozenset()] > 0
    assert found[PREFIX + "ready", frozenset()] == 1
    assert found[PREFIX + "batch_messages_sum", frozenset()] == 17
    batches = found[PREFIX + "batches_total", frozenset()]
    assert batches == found[PREFIX + "batch_seconds_count", frozenset()] >= 1
    assert bridge.stop() == 0


def test_a_list_that_changes_is_heard_of(shop, broker):
    topics = Topics(broker, 1)
    database = shop.database
    bridge = shop.set_up(topics, CASE_CLOCK, bridge__workers=1)
    bridge.start()
    taken = "SELECT accepted, dead_letters FROM globalmart.kafka_offsets WHERE topic = %s"

    def put_one(number, expected):
        topics.put(at(carts(number, 1, country="Atlantis"), number))
        wait_until(
            lambda: database.rows(taken, contract.CART) == [expected],
            f"message {number}",
            process=bridge.process,
        )

    put_one(0, (0, 1))
    database.execute("INSERT INTO globalmart.countries VALUES ('Atlantis')")
    wait_logged(bridge, "the lists were read again")
    put_one(1, (1, 1))
    database.execute("DELETE FROM globalmart.countries WHERE country = 'Atlantis'")
    wait_until(
        lambda: bridge.log.read_text().count("the lists were read again") == 2,
        "the second change",
        process=bridge.process,
    )
    put_one(2, (1, 2))
    assert bridge.stop() == 0
