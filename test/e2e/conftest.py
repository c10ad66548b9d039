"""Fixtures of the end-to-end tests; README.md says how to run them."""

import itertools
import pathlib
import random
import shutil
import tempfile

import pytest

from harness import bridge as bridges
from harness.kafka import Broker, fetch_jars
from harness.postgres import Cluster, pg_config
from harness.traffic import SETTING_OF_TOPIC
from session import Shop


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="the long forms of every test")
    parser.addoption("--keep", action="store_true", help="keep databases, logs and topics")
    parser.addoption("--seed", type=int, default=None, help="seed of everything random")


def pytest_configure(config):
    config.globalmart_seed = config.getoption("--seed")
    if config.globalmart_seed is None:
        config.globalmart_seed = random.SystemRandom().randrange(10**6)


def pytest_report_header(config):
    return f"globalmart: seed {config.globalmart_seed}"


@pytest.fixture(scope="session")
def long_form(pytestconfig):
    return pytestconfig.getoption("--all")


@pytest.fixture(scope="session")
def seed(pytestconfig):
    return pytestconfig.globalmart_seed


@pytest.fixture(scope="session")
def keep(pytestconfig):
    return pytestconfig.getoption("--keep")


@pytest.fixture(scope="session")
def folder(request, keep):
    """A private folder; it stays, with the logs, when a test failed."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="globalmart-e2e-"))
    path.chmod(0o755)
    yield path
    if keep or request.session.testsfailed:
        print(f"\nlogs are in {path}")
    else:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(folder, keep):
    extension = pathlib.Path(pg_config("sharedir")) / "extension" / "globalmart.control"
    assert extension.exists(), "the extension is not installed: make && make install"
    cluster = Cluster(folder / "postgres")
    cluster.create()
    cluster.start()
    yield cluster
    cluster.stop()
    if not keep:
        shutil.rmtree(cluster.data)


@pytest.fixture(scope="session")
def broker(folder):
    fetch_jars()
    broker = Broker(folder / "kafka")
    broker.create()
    broker.start()
    yield broker
    broker.stop()
    shutil.rmtree(broker.data)


@pytest.fixture(scope="session")
def template(cluster):
    """A database with the extension and the shop, which every test's database is a copy of."""
    database = cluster.new_database()
    database.install()
    database.close()
    return database.name


@pytest.fixture
def database(cluster, template, keep):
    database = cluster.new_database(template)
    yield database
    if keep:
        database.close()
    else:
        database.drop()


@pytest.fixture
def durable(cluster):
    """With fsync, for tests that end something by force."""
    cluster.set(fsync="on")
    yield
    cluster.set(fsync="off")


_numbers = itertools.count(1)


@pytest.fixture
def shop(database, broker, folder, request):
    """The whole path: fresh topics, a bridge, a fresh database."""
    assert bridges.PROGRAM.exists(), f"{bridges.PROGRAM} is not built: make programs"
    own = folder / f"{next(_numbers):03d}-{request.node.originalname}"
    own.mkdir()
    shop = Shop(broker, database, own)
    yield shop
    shop.end()
