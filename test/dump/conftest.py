"""Fixtures of the dump and restore tests; README.md says how to run them."""

import pathlib
import shutil
import sys
import tempfile

import pytest

for shared in ("e2e", "support"):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / shared))

from harness.postgres import Cluster, Database  # noqa: E402

import changed_shop  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="the long form; there is none here")


@pytest.fixture(scope="session")
def folder(request):
    path = pathlib.Path(tempfile.mkdtemp(prefix="globalmart-dump-"))
    path.chmod(0o755)
    yield path
    if request.session.testsfailed:
        print(f"\nlogs are in {path}")
    else:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(folder):
    cluster = Cluster(folder / "one")
    cluster.create()
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def fresh_cluster(folder):
    """One that has nothing of ours, not even the roles."""
    cluster = Cluster(folder / "two")
    cluster.create()
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def empty_database(cluster):
    database = cluster.new_database()
    changed_shop.set_clock(database)
    yield database
    database.drop()


@pytest.fixture(scope="session")
def changed_template(cluster):
    """A shop with data in open and closed windows whose owner has changed much."""
    database = cluster.new_database()
    changed_shop.build(database)
    database.close()
    return database.name


@pytest.fixture
def source(cluster, changed_template) -> Database:
    database = cluster.new_database(changed_template)
    changed_shop.set_clock(database)
    yield database
    database.drop()
