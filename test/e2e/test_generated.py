"""Generated events with disorder, late ones, duplicates and corruption, against the oracle: every
table, with one worker and with four, batches of 1 to 50,000, three orders of arrival."""

import pytest

from harness import generated, tables
from harness.watch import ClosedUntilWatch
from oracle import instants, rollups
from oracle.rollups import BY_NAME
from session import Topics

# Workers, most messages a batch, order of arrival, events. Six runs of which any two of the first
# three columns meet in most of their values; --all runs every combination.
ALWAYS = [
    (1, 1, "displaced"),
    (4, 50, "as_generated"),
    (1, 1_000, "as_generated"),
    (4, 1_000, "by_event_time"),
    (1, 50_000, "by_event_time"),
    (4, 50_000, "displaced"),
]
ALL = [
    (workers, batch, order)
    for workers in (1, 4)
    for batch in (1, 50, 1_000, 50_000)
    for order in ("as_generated", "by_event_time", "displaced")
]
PARTITIONS = 4


def pytest_generate_tests(metafunc):
    runs = ALL if metafunc.config.getoption("--all") else ALWAYS
    if "run" in metafunc.fixturenames:
        metafunc.parametrize("run", runs, ids=["-".join(map(str, run)) for run in runs])
    if "batching" in metafunc.fixturenames:
        batchings = sorted({(workers, batch) for workers, batch, _ in runs})
        metafunc.parametrize("batching", batchings, ids=["%d-%d" % each for each in batchings])


@pytest.fixture(scope="module")
def recordings(broker, folder, seed):
    """Topics filled once for each (late or not, order, number of events)."""
    made = {}

    def get(late, order, count):
        key = (late, order, count)
        if key not in made:
            made[key] = generated.fill(Topics(broker, PARTITIONS), folder, seed, count, late, order)
        return made[key]

    return get


def test_disorder_below_the_lateness(shop, recordings, run):
    """Nothing is late, every table equals the oracle, and verify finds nothing."""
    workers, batch, order = run
    recording = recordings(False, order, 5_000 if batch == 1 else 200_000)
    run_bridge(shop, recording, workers, batch)
    shop.check(recording.oracle, recording.until)
    assert tables.late_ids(shop.database) == {}
    for name in BY_NAME:
        found = shop.database.rows("SELECT * FROM globalmart.verify(%s)", name)
        assert found == [], f"verify({name}): {found[:5]}"


def test_late_events(shop, recordings, batching):
    """Late events stay out of exactly the rollups that late_events names, and each was late."""
    workers, batch = batching
    recording = recordings(True, "as_generated", 5_000 if batch == 1 else 200_000)
    run_bridge(shop, recording, workers, batch)
    late = tables.late_ids(shop.database)
    assert late, "nothing was late, so nothing was tested"
    shop.check(recording.oracle, recording.until, late=late)
    check_lateness(shop.database, recording)
    for name in BY_NAME:
        found = shop.database.rows("SELECT * FROM globalmart.verify(%s)", name)
        assert found == [], f"verify({name}): {found[:5]}"


def run_bridge(shop, recording, workers, batch):
    shop.set_up(
        recording.topics,
        recording.clock,
        bridge__workers=workers,
        bridge__batch_messages=batch,
        bridge__batch_age_ms=0,
    )
    with ClosedUntilWatch(shop.database) as watch:
        shop.bridge.drain(seconds=600)
        shop.database.close_windows()
    assert watch.samples > 0 and watch.violations == []


def check_lateness(database, recording):
    """An event can be late only if an earlier one of its own partition had moved event time far
    enough: the watermark is the least over the partitions."""
    furthest_before = recording.furthest_before()
    wrong = []
    stored = database.rows(
        "SELECT rollup, topic, kafka_partition, kafka_offset,"
        " (extract(epoch FROM event_time) * 1000000)::bigint FROM globalmart.late_events"
    )
    of_name = {name: topic for topic, name in recording.topics.names.items()}
    for name, topic, partition, offset, time in stored:
        rollup = BY_NAME[name]
        place = (of_name.get(topic, topic), partition, offset)
        if not rollup.window.is_late(time, furthest_before[place] - rollup.lateness):
            wrong.append((name, *place, instants.show(time)))
    assert not wrong, f"{len(wrong)} of {len(stored)} were not late: {wrong[:5]}"


TAMPERED = {
    "sales_by_country": "UPDATE globalmart.sales_by_country SET total_revenue = total_revenue + 0.01"
    " WHERE (window_start, country) = (SELECT window_start, country"
    " FROM globalmart.sales_by_country ORDER BY 1, 2 LIMIT 1)",
    "abandoned_carts": "DELETE FROM globalmart.abandoned_carts WHERE (window_start, session_id) ="
    " (SELECT window_start, session_id FROM globalmart.abandoned_carts ORDER BY 1, 2 LIMIT 1)",
    "search_patterns_15m": "INSERT INTO globalmart.search_patterns_15m SELECT window_start,"
    " window_end, 'never searched', 1, 1, 0, created_at FROM globalmart.search_patterns_15m LIMIT 1",
}


def test_verify_finds_what_was_tampered_with(shop, recordings):
    recording = recordings(False, "as_generated", 5_000)
    run_bridge(shop, recording, 1, 1_000)
    for name, change in TAMPERED.items():
        assert shop.database.rows("SELECT * FROM globalmart.verify(%s)", name) == []
        shop.database.execute(change)
        assert shop.database.rows("SELECT * FROM globalmart.verify(%s)", name) != [], name


def test_tables_of_anomalies_are_not_empty(recordings):
    """The recording has something for every table, so that equality says something."""
    recording = recordings(False, "as_generated", 200_000)
    empty = [name for name in rollups.KEYS if not recording.oracle.rows(name, ())]
    assert empty == []
