"""Every block of README.md is run, and what stands under it must be what it gives."""

import contextlib
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import sys
import threading

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "test" / "e2e"))

from harness.processes import end, wait_until  # noqa: E402

# (language, text) of each block; an output block has no language.
BLOCKS = re.findall(
    r"^```(\w*)\n(.*?)^```$", (PROJECT / "README.md").read_text(), re.MULTILINE | re.DOTALL
)
SQL = [
    (text, BLOCKS[number + 1][1] if BLOCKS[number + 1][0] == "" else None)
    for number, (language, text) in enumerate(BLOCKS)
    if language == "sql"
]
SHELL = [text for language, text in BLOCKS if language == "sh"]


class Terminal:
    """A program on a terminal of its own, with all that it wrote."""

    def __init__(self, command):
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.chdir(PROJECT)
            os.environ["TERM"] = "xterm"
            os.execv(command[0], command)
        self.written = b""
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        with contextlib.suppress(OSError):  # the other side is closed
            while block := os.read(self.descriptor, 65536):
                self.written += block

    def text(self):
        return self.written.decode(errors="replace")

    def press_control_c(self):
        os.write(self.descriptor, b"\x03")

    def wait(self):
        _, status = os.waitpid(self.pid, 0)
        self.reader.join()
        os.close(self.descriptor)
        return os.waitstatus_to_exitcode(status)


@pytest.fixture(scope="module")
def demo():
    """`./demo` as README says, without installing."""
    terminal = Terminal([str(PROJECT / "demo"), "--no-install"])
    try:
        folder = wait_until(
            lambda: re.search(r"psql -h (\S+) -U postgres globalmart", terminal.text()),
            "the demo to say how to reach its database",
            seconds=240,
        )[1]
        yield terminal, folder
    finally:
        if terminal.reader.is_alive():
            os.kill(terminal.pid, signal.SIGTERM)
            terminal.wait()


def ask(folder, sql):
    return subprocess.run(
        ["psql", "-X", "-h", folder, "-U", "postgres", "-d", "globalmart", "-v", "ON_ERROR_STOP=1"],
        input=sql,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PGTZ": "UTC", "LC_ALL": "C.UTF-8"},
    ).stdout


def test_the_two_commands_come_first():
    assert [text.strip() for text in SHELL[:2]] == ["./demo", "./check"]
    for command in SHELL[:2]:
        subprocess.run([PROJECT / command.strip(), "--help"], check=True, stdout=subprocess.PIPE)


def test_sql_blocks(demo):
    _, folder = demo
    closed = "SELECT count(*) FROM globalmart.sales_by_country WHERE window_start > '2025-06-02 08:25+00'"
    wait_until(lambda: "\n     0\n" not in ask(folder, closed), "25 minutes of the shop", seconds=240, pause=0.5)
    assert SQL
    for sql, expected in SQL:
        assert expected is not None, f"no output stands under\n{sql}"
        assert ask(folder, sql) == expected, sql


def test_the_demo_shows_all_tables_and_ends_on_control_c(demo):
    terminal, folder = demo
    tables = ask(folder, "COPY (SELECT name FROM globalmart.rollups) TO STDOUT").split()
    assert len(tables) == 28  # one is the reader's own, made by a block above
    wait_until(
        lambda: all(table in terminal.text() for table in tables), "all tables on the screen"
    )
    terminal.press_control_c()
    assert terminal.wait() == 0, terminal.text()[-2000:]
    assert not pathlib.Path(folder).exists()


def test_what_maven_fetches_stays_in_the_checkout(tmp_path):
    """`./check` touches no directory of the user. The Maven here makes nothing but its folders."""
    tools, shims = tmp_path / "tools", tmp_path / "bin"
    for folder in (tools, shims):
        folder.mkdir()
    shutil.copy(PROJECT / "tools" / "fetch-kafka", tools)
    (shims / "mvn").write_text(
        "#!/bin/sh\n"
        'repository=$HOME/.m2/repository\n'
        'for word; do case $word in\n'
        '-Dmaven.repo.local=*) repository=${word#*=} ;;\n'
        '-DoutputDirectory=*) mkdir -p "${word#*=}" && touch "${word#*=}/kafka_2.13-1.jar" ;;\n'
        'esac; done\n'
        'mkdir -p "$repository"\n'
    )
    (shims / "mvn").chmod(0o755)
    home = tmp_path / "home"
    subprocess.run(
        [tools / "fetch-kafka"],
        check=True,
        env={**os.environ, "PATH": f"{shims}:{os.environ['PATH']}", "HOME": str(home)},
    )
    assert not home.exists()
    kafka = tmp_path / "build" / "kafka"
    assert sorted(path.name for path in kafka.iterdir()) == ["lib", "repository"]


def test_own_kafka_and_postgresql(tmp_path):
    """The blocks for a reader's own servers; `make` and `sudo` do nothing, since all is built and
    staged, and the address is that of a broker of ours."""
    install, start = SHELL[2:]
    run_dir = pathlib.Path(os.environ.get("GLOBALMART_RUN_DIR", tmp_path))
    shims = tmp_path / "bin"
    shims.mkdir()
    for name in ("make", "sudo"):
        (shims / name).write_text("#!/bin/sh\nexit 0\n")
        (shims / name).chmod(0o755)
    for name in ("globalmart-bridge", "globalmart-generate"):
        (shims / name).symlink_to(PROJECT / "build" / "bin" / name)
    cluster = run_dir / "own"
    environment = {
        **os.environ,
        "PATH": f"{shims}:{os.environ['PATH']}",
        "PGHOST": str(cluster),
    }
    as_superuser = {**environment, "PGUSER": "postgres"}
    address_file = tmp_path / "broker"
    subprocess.run(
        [PROJECT / "tools" / "cluster", "start", cluster, "fsync=off"], check=True, env=environment
    )
    broker = bridge = None
    try:
        subprocess.run(["sh", "-e", "-c", install], check=True, env=as_superuser)
        broker = subprocess.Popen(
            ["globalmart-generate", "broker", "--port-file", address_file],
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        wait_until(address_file.exists, "the broker", process=broker)
        address = address_file.read_text().strip()
        assert "kafka.example.com:9092" in start
        command = start.strip().replace("kafka.example.com:9092", address)
        # The default port may be another run's.
        bridge = subprocess.Popen(
            ["sh", "-c", f"exec {command} --set http.listen=off"], env=environment
        )
        subprocess.run(
            ["globalmart-generate", "-b", address, "--count", "500", "--quiet"],
            check=True,
            env=environment,
        )
        rows = ["psql", "-X", "-At", "-d", "shop", "-c",
                "SELECT count(*) >= 500 FROM (SELECT FROM globalmart.cart_events UNION ALL "
                "SELECT FROM globalmart.product_view_events UNION ALL "
                "SELECT FROM globalmart.transactions) AS events"]
        wait_until(
            lambda: subprocess.run(rows, stdout=subprocess.PIPE, text=True, env=as_superuser).stdout
            == "t\n",
            "500 events in the tables",
            process=bridge,
            pause=0.2,
        )
    finally:
        for process in (bridge, broker):
            if process is not None:
                assert end(process) == 0
        subprocess.run(
            [PROJECT / "tools" / "cluster", "stop", cluster, "immediate"], check=True, env=environment
        )
