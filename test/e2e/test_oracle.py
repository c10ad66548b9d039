"""The oracle itself, against the rows that stand beside the recorded cases: what judges the product
is judged first."""

import csv

import pytest

from oracle import compare, instants, recording, rollups
from oracle.intake import Oracle
from shared import CASES, CASE_CLOCK, case_folder


@pytest.fixture(scope="module", params=sorted(CASES))
def case(request):
    folder = case_folder(request.param)
    topics = recording.read_topics(folder / "topics")
    oracle = Oracle(CASE_CLOCK)
    oracle.take_all(recording.in_one_partition(topics, CASE_CLOCK))
    return request.param, folder, topics, oracle


@pytest.mark.parametrize("table", sorted(rollups.KEYS))
def test_tables_of_the_cases(case, table):
    name, folder, _, oracle = case
    expected = compare.from_csv(folder / "expected" / f"{table}.csv")
    until = CASES[name]
    differences = compare.differences(
        table,
        compare.ending_by(expected, until),
        compare.ending_by(oracle.rows(table), until),
    )
    assert not differences, "\n".join(differences[:20])
    if table not in ("users", "products"):
        assert expected, "nothing was compared"


def test_dead_letters_of_the_cases(case):
    _, folder, topics, oracle = case
    with open(folder / "expected" / "dead_letter_lines.csv", newline="") as file:
        expected = {(row["topic"], int(row["line"])): row["reason"] for row in csv.DictReader(file)}
    found = {(topic, offset + 1): why for (topic, _, offset), why in oracle.dead_letters.items()}
    assert found.keys() == expected.keys()
    assert {line: why for line, why in expected.items() if why not in found[line]} == {}


def test_every_message_is_counted_once(case):
    _, _, topics, oracle = case
    for topic, messages in topics.items():
        assert sum(oracle.counts[topic].values()) == len(messages)


def test_nothing_is_late_in_order(case):
    """The cases' disorder is below every lateness: closing after each message changes nothing."""
    name, folder, topics, _ = case
    oracle = Oracle(CASE_CLOCK)
    for message in recording.in_one_partition(topics, CASE_CLOCK):
        oracle.take(message)
        oracle.close()
    assert {table: len(late) for table, late in oracle.late.items() if late} == {}


@pytest.mark.parametrize(
    "text, instant",
    [
        ("1970-01-01T00:00:00", 0),
        ("1970-01-01T00:00:00.5Z", 500_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T08:01:00-15:59", 0),
        ("2024-02-29T00:00:00Z", 1_709_164_800 * instants.SECOND),
        ("2023-02-29T00:00:00Z", None),
        ("1970-01-01T24:00:00", None),
        ("1970-01-01T00:00:60", None),
        ("1970-01-01T00:00:00+16:00", None),
        ("1970-01-01T00:00:00.1234567", None),
        ("1970-01-01 00:00:00", None),
        ("1970-01-01T00:00:00z", None),
        ("1970-01-01T00:00:00\n", None),
    ],
)
def test_timestamps(text, instant):
    assert instants.parse(text) == instant
