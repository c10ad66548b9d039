"""Fixtures of the tests of the schedule: a server with pg_cron."""

import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness.postgres import Cluster, Database  # noqa: E402

SHOP = "shop"


@pytest.fixture(scope="session")
def folder(request):
    path = pathlib.Path(tempfile.mkdtemp(prefix="globalmart-schedule-"))
    path.chmod(0o755)
    yield path
    if request.session.testsfailed:
        print(f"\nlogs are in {path}")
    else:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(folder):
    """pg_cron in the shop's own database."""
    cluster = Cluster(folder / "postgres")
    cluster.create()
    with open(cluster.data / "postgresql.conf", "a", encoding="utf-8") as file:
        file.write("shared_preload_libraries = 'pg_cron'\n")
        file.write("cron.use_background_workers = on\n")
        file.write("max_worker_processes = 20\n")  # the test has all jobs start at once
        file.write(f"cron.database_name = '{SHOP}'\n")
    cluster.start()
    cluster.execute(f"CREATE DATABASE {SHOP}")
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def shop(cluster):
    database = Database(cluster, SHOP)
    database.install()
    yield database
    database.close()
