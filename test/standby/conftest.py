"""A primary and a hot standby of it."""

import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness.postgres import Cluster  # noqa: E402
from harness.processes import as_user  # noqa: E402


class Standby(Cluster):
    """Made from the primary's base backup, and following it."""

    def create_from(self, primary):
        arguments = ["-h", primary.folder, "-p", str(primary.port), "-U", "postgres"]
        subprocess.run(
            [self.binaries / "pg_basebackup", *arguments, "-D", self.data, "-R", "-X", "stream", "-c", "fast"],
            check=True, capture_output=True, **as_user(self.user),
        )  # fmt: skip
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
            file.write(f"port = {self.port}\nunix_socket_directories = '{self.folder}'\n")
            # An old snapshot stays, and does not hold up the replay for longer than a test can wait.
            file.write("max_standby_streaming_delay = -1\nwal_receiver_status_interval = 1\n")


def prepare(cluster):
    cluster.folder.mkdir(parents=True, exist_ok=True)
    if cluster.user is not None:
        shutil.chown(cluster.folder, cluster.user.pw_uid, cluster.user.pw_gid)


@pytest.fixture(scope="session")
def folder(request):
    path = pathlib.Path(tempfile.mkdtemp(prefix="globalmart-standby-"))
    path.chmod(0o755)
    yield path
    if request.session.testsfailed:
        print(f"\nlogs are in {path}")
    else:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def primary(folder):
    cluster = Cluster(folder / "primary")
    cluster.create()
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def standby(folder, primary):
    cluster = Standby(folder / "standby")
    prepare(cluster)
    cluster.create_from(primary)
    cluster.start()
    yield cluster
    cluster.stop()
