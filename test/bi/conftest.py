"""The shop of ten weeks, once for all tests that only read it."""

import os
import pathlib
import shutil
import tempfile

import pytest

from ten_weeks import ten_weeks


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="the long form; there is none here")


@pytest.fixture(scope="session")
def shop():
    # Below the folder of the run, which the server's user can reach.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bi-", dir=os.environ.get("GLOBALMART_RUN_DIR")))
    folder.chmod(0o755)
    with ten_weeks(folder) as shop:
        yield shop
    shutil.rmtree(folder)
