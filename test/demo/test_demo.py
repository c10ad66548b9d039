"""The README's first command where there is no terminal: it fills all tables, takes no port that is
taken, leaves nothing behind, and goes on with a kept database. `test/readme` has it on a terminal."""

import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "test" / "e2e"))

from harness.processes import wait_until  # noqa: E402


@pytest.fixture
def folder():
    """Where the demo puts its folders: short, a socket's path has 107 characters. A space is no
    hindrance."""
    path = pathlib.Path(os.environ["GLOBALMART_RUN_DIR"]) / "d d"
    path.mkdir(exist_ok=True)
    path.chmod(0o755)
    return path


def start(folder, *arguments):
    return subprocess.Popen(
        [PROJECT / "demo", "--no-install", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )


def finish(demo):
    text = demo.communicate(timeout=240)[0]
    assert demo.returncode == 0, text
    return text


def rows_of_tables(text):
    """{table: rows} of the screen that the demo prints last."""
    return {
        name: int(rows)
        for line in text.splitlines()
        for name, rows in re.findall(r"([a-z_0-9]+) +(\d+)  (?:at once|-|\d\d-\d\d)", line)
    }


def running_below(folder):
    """Processes that have a file of this folder among their arguments."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in path.read_bytes() and path.parts[2] != str(os.getpid()):
                found.append(path.parts[2])
        except OSError:
            continue
    return found


def test_two_at_once_fill_all_tables_and_leave_nothing(folder):
    first, second = start(folder, "--seconds", "45"), start(folder, "--seconds", "45", "--rate", "100")
    texts = [finish(first), finish(second)]
    for text in texts:
        assert "the first window closed" in text
    rows = rows_of_tables(texts[0])
    assert len(rows) == 27, texts[0]
    assert [name for name, count in rows.items() if count == 0] == []
    assert list(folder.iterdir()) == []
    assert running_below(folder) == []


def test_a_kept_database_goes_on(folder):
    first = rows_of_tables(finish(start(folder, "--seconds", "8", "--keep")))
    text = finish(start(folder, "--seconds", "12", "--keep"))
    second = rows_of_tables(text)
    assert "the first window closed" in text
    assert second["sales_per_minute"] > first["sales_per_minute"] > 0, text
    # Nothing of the second run came too late, but what the shop itself holds back.
    late = int(re.findall(r"late for a table (\d+)", text)[-1])
    assert late < 200, text
    assert len(list(folder.iterdir())) == 1  # the database


def test_sigterm_ends_all(folder):
    demo = start(folder)
    for line in demo.stdout:
        if "Starting broker" in line:
            break
    wait_until(lambda: running_below(folder), "the servers")
    demo.send_signal(signal.SIGTERM)
    demo.communicate(timeout=60)
    assert demo.returncode == 143
    assert running_below(folder) == []


def test_wrong_arguments():
    for arguments in (["--seconds"], ["--seconds", "many"], ["--rate", "0"], ["--nothing"]):
        demo = subprocess.run([PROJECT / "demo", *arguments], capture_output=True, text=True)
        assert demo.returncode == 2, arguments
        assert "--" in demo.stderr
