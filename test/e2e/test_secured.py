"""A broker that asks for a password over TLS: the bridge's settings for it, and what it says when
they are wrong."""

import shutil

import pytest

from harness.kafka import fetch_jars
from harness.processes import wait_until
from harness.secured_kafka import PASSWORD, USER, SecuredBroker
from session import Topics
from shared import CASE_CLOCK
from test_operation import carts, logged, wait_logged


@pytest.fixture(scope="module")
def broker(folder):
    fetch_jars()
    broker = SecuredBroker(folder / "secured-kafka")
    broker.create()
    broker.start()
    yield broker
    broker.stop()
    shutil.rmtree(broker.data)


@pytest.fixture
def bridge(shop, broker):
    topics = Topics(broker, 2)
    topics.put(carts(0, 20))
    bridge = shop.set_up(topics, CASE_CLOCK)
    password = shop.folder / "password"
    password.touch(mode=0o600)
    password.write_text(PASSWORD + "\n")
    bridge.settings.update(
        {
            "kafka.bootstrap_servers": broker.secured,
            "kafka.password_file": password,
            "kafka.properties.security.protocol": "SASL_SSL",
            "kafka.properties.sasl.mechanism": "SCRAM-SHA-512",
            "kafka.properties.sasl.username": USER,
            "kafka.properties.ssl.ca.location": broker.authority,
        }
    )
    return bridge


def rows(shop):
    return shop.database.value("SELECT count(*) FROM globalmart.cart_events")


def test_scram_over_tls(shop, bridge):
    bridge.start()
    wait_until(lambda: rows(shop) == 20, "the rows", process=bridge.process)
    assert bridge.stop() == 0
    bridge.drain()
    assert rows(shop) == 20


def test_a_wrong_password(shop, bridge):
    bridge.settings["kafka.password_file"].write_text("battery staple\n")
    bridge.start()
    wait_logged(bridge, "invalid credentials")
    assert bridge.stop() == 0, bridge.last_lines()
    bridge.start("--drain")
    assert bridge.process.wait(60) == 1, bridge.last_lines()
    (line,) = logged(bridge, "level=critical")
    assert "invalid credentials" in line
    assert "battery staple" not in bridge.log.read_text() and rows(shop) == 0
    # The right one: nothing else was in the way.
    bridge.settings["kafka.password_file"].write_text(PASSWORD)
    bridge.drain()
    assert rows(shop) == 20


def test_an_authority_that_is_not_ours(shop, bridge, broker):
    stranger = shop.folder / "stranger.pem"
    SecuredBroker._openssl(
        *"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=Stranger".split(),
        *("-keyout", shop.folder / "stranger.key", "-out", stranger),
    )
    bridge.settings["kafka.properties.ssl.ca.location"] = stranger
    bridge.start("--drain")
    assert bridge.process.wait(60) == 1, bridge.last_lines()
    (line,) = logged(bridge, "level=critical")
    assert "certificate verify failed" in line
    assert rows(shop) == 0
