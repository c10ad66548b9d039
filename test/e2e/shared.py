"""What lies beside the project and is not a part of it: recorded cases and real input. A test that
needs it is an expected skip where it is absent."""

import pathlib

import pytest

from oracle import instants

PROJECT = pathlib.Path(__file__).resolve().parents[2]
SHARED = PROJECT.parent / "shared"

CASE_CLOCK = instants.parse("2026-11-23T00:00:00Z")
# Compare windows that end by then.
CASES = {
    "edge": instants.parse("2026-11-20T04:00:00Z"),
    "hour": instants.parse("2026-11-20T10:35:00Z"),
}
RETAIL = SHARED / "data" / "online-retail"


def case_folder(name):
    return _present(SHARED / "cases" / name)


def online_retail():
    return _present(RETAIL)


def _present(path):
    if not path.exists():
        pytest.skip(f"expected skip: {path} is absent")
    return path
