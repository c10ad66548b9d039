"""What the one who runs the bridge sees: closing, errors that say what to do, gaps, logs."""

import json
import re
import urllib.request

from harness.processes import wait_until
from oracle import contract, instants
from oracle.intake import Message
from session import Topics
from shared import CASE_CLOCK


def carts(first, count, country="USA"):
    """Cart events for partition 0, a second of event time apart."""
    made = []
    for number in range(first, first + count):
        time = CASE_CLOCK - 3600 * instants.SECOND + number * instants.SECOND
        value = {
            "event_id": f"00000000-0000-4000-8000-{number:012x}",
            "event_type": "checkout",
            "timestamp": instants.show(time),
            "user_id": "USER_00000001",
            "session_id": "eeeeeeee-eeee-4eee-8eee-000000000001",
            "country": country,
        }
        made.append(Message(contract.CART, 0, number, None, json.dumps(value).encode(), time))
    return made


def logged(bridge, text):
    return [line for line in bridge.log.read_text().splitlines() if text in line]


def wait_logged(bridge, text, seconds=60):
    return wait_until(lambda: logged(bridge, text), text, seconds, process=bridge.process)


class Metrics:
    """Of a bridge that listens on a free port; `Metrics(bridge)["name"]` asks it."""

    def __init__(self, bridge):
        line = wait_logged(bridge, "http port=")[0]
        self.url = f"http://127.0.0.1:{re.search(r'port=([0-9]+)', line).group(1)}/metrics"

    def __getitem__(self, name):
        with urllib.request.urlopen(self.url, timeout=10) as answer:
            text = answer.read().decode()
        return float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE).group(1))


def test_close_after_batch_is_the_workers_alone(shop, broker):
    """The closer leaves closing to the worker while a batch is due, and only then."""
    topics = Topics(broker, 1)
    topics.put(carts(0, 15))
    bridge = shop.set_up(
        topics,
        CASE_CLOCK,
        bridge__workers=1,
        bridge__batch_messages=10,
        bridge__batch_age_ms=0,
        bridge__close_after_batch=True,
        http__listen="127.0.0.1:0",
    )
    bridge.start()
    metrics = Metrics(bridge)
    batches, closes = "globalmart_bridge_batches_total", "globalmart_bridge_close_seconds_count"
    wait_until(lambda: metrics[batches] == 1, "the first batch", process=bridge.process)
    # Five messages wait for five more. Meanwhile the closer makes its rounds, one a second.
    sent = "SELECT {} FROM pg_stat_activity WHERE application_name = 'globalmart-bridge closer'"
    then = shop.database.value(sent.format("query_start"))
    wait_until(
        lambda: shop.database.value(sent.format("query_start > %s + interval '3 s'"), then),
        "rounds of the closer",
        process=bridge.process,
    )
    assert metrics[batches] == metrics[closes] == 1
    topics.put(carts(15, 5))
    wait_until(lambda: metrics[batches] == 2, "the second batch", process=bridge.process)
    wait_until(lambda: metrics[closes] >= 4, "the closer to close at the end", process=bridge.process)
    assert bridge.stop() == 0
