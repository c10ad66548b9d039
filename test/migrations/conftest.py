"""Fixtures of the tests of updates; README.md says how to run them."""

import pathlib
import shutil
import sys
import tempfile

import pytest

for shared in ("e2e", "support"):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / shared))

from harness import versions  # noqa: E402
from harness.postgres import Cluster  # noqa: E402

import changed_shop  # noqa: E402


@pytest.fixture(scope="session")
def folder(request):
    path = pathlib.Path(tempfile.mkdtemp(prefix="globalmart-migrations-"))
    path.chmod(0o755)
    yield path
    if request.session.testsfailed:
        print(f"\nlogs are in {path}")
    else:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(folder):
    cluster = Cluster(folder / "postgres")
    cluster.create()
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def new_database(cluster):
    """Makes databases that go with the test."""
    made = []

    def make(template="template1"):
        made.append(cluster.new_database(template))
        changed_shop.set_clock(made[-1])
        return made[-1]

    yield make
    for database in made:
        database.drop()


@pytest.fixture(scope="session")
def changed_shops(cluster):
    """Gives the template of a version: the same shop in use, fed the same, with the same changes of its owner."""
    made = {}

    def of(version):
        if version not in made:
            database = cluster.new_database()
            changed_shop.build(database, version)
            database.close()
            made[version] = database.name
        return made[version]

    return of


@pytest.fixture(params=versions.OLD)
def old(request, new_database, changed_shops):
    """A shop of a version that was released."""
    return new_database(changed_shops(request.param))


@pytest.fixture
def fresh(new_database, changed_shops):
    """The same shop, made and fed with the current version from the start."""
    return new_database(changed_shops(versions.CURRENT))
