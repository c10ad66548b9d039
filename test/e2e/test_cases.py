"""The recordings of the conformance cases through topics, bridge and database."""

import pytest

from oracle import compare, instants, recording, rollups
from harness import tables
from session import Topics
from shared import CASE_CLOCK, CASES, case_folder

FAR = instants.parse("2026-11-21T12:00:00Z")


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("name", sorted(CASES))
def test_case(shop, broker, name, partitions):
    folder = case_folder(name)
    topics = Topics(broker, partitions)
    topics.put_topics(recording.read_topics(folder / "topics"), CASE_CLOCK)
    topics.put_sentinels(FAR)
    shop.set_up(topics, CASE_CLOCK)
    shop.bridge.drain()
    shop.database.close_windows()

    found = []
    for table in rollups.KEYS:
        expected = compare.from_csv(folder / "expected" / f"{table}.csv")
        actual = tables.read(shop.database, table)
        found += compare.differences(
            table,
            compare.ending_by(expected, CASES[name]),
            compare.ending_by(actual, CASES[name]),
        )
    assert not found, tables.explain(found)
    shop.check_dead_letters(shop.oracle())
    shop.check_counts(shop.oracle())
    assert tables.late_ids(shop.database) == {}
