"""ALTER EXTENSION UPDATE under a bridge at work: it goes on in the sessions that it has, and nothing is lost."""

import pytest

from harness import generated, tables, versions
from harness.processes import wait_until
from session import Shop, Topics

EVENTS = 60_000
APPLIED = "SELECT coalesce(sum(next_offset), 0) FROM globalmart.kafka_offsets"


@pytest.fixture
def shop(cluster, broker, folder):
    database = cluster.new_database()
    database.install(versions.OLD[0])
    own = folder / "update"
    own.mkdir()
    shop = Shop(broker, database, own)
    yield shop
    shop.end()
    database.drop()


def test_update_under_the_bridge(shop, broker, folder, seed):
    topics = Topics(broker, 3)
    recording = generated.fill(topics, folder, seed, EVENTS, False, "as_generated")
    shop.set_up(topics, recording.clock, bridge__workers=2, bridge__batch_messages=100)
    database = shop.database
    bridge = shop.bridge.start()
    sessions = "SELECT array_agg(pid ORDER BY pid) FROM pg_stat_activity WHERE usename = 'bridge' AND datname = current_database()"

    def goes_on():
        before = database.value(APPLIED)
        wait_until(lambda: database.value(APPLIED) > before + 500, "the bridge to go on", process=bridge.process)

    goes_on()
    known = set(database.value(sessions))
    database.execute("ALTER EXTENSION globalmart UPDATE")
    goes_on()
    database.execute("SELECT globalmart.install_shop()")
    goes_on()
    assert database.value(APPLIED) < topics.count(), "everything was applied before the update"
    assert known == set(database.value(sessions))
    assert database.value("SELECT extversion FROM pg_extension WHERE extname = 'globalmart'") == versions.CURRENT
    log = bridge.log.read_text()
    assert "level=warning" not in log and "level=error" not in log, bridge.last_lines()
    # As after an update of the programs.
    assert bridge.stop() == 0
    bridge.drain()
    database.close_windows()
    assert tables.late_ids(database) == {}
    shop.check(recording.oracle, recording.until)
    for name in ("sales_per_minute", "user_sessions", "anomaly_stats"):
        assert database.rows("SELECT * FROM globalmart.verify(%s)", name) == []
