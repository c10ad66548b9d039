"""How the bridge starts and ends: what it refuses at once, what it waits for, what stops it."""

import json
import os
import pty
import signal
import subprocess
import threading

import pytest

from harness.bridge import PROGRAM, Bridge, to_toml
from harness.processes import PROJECT, end, wait_until
from oracle import contract
from session import Topics
from shared import CASE_CLOCK
from test_operation import carts, logged, wait_logged

CARTS = "SELECT count(*) FROM globalmart.cart_events"


def run(*arguments):
    """(status, what it wrote on standard output, on standard error)"""
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def config_of(shop, **changed):
    file = shop.folder / "config.toml"
    file.write_text(to_toml({**shop.bridge.settings, **changed}))
    return file


def refused(bridge, *arguments, **changed):
    """What a start says that ends with 2."""
    bridge.start(*arguments, **changed)
    assert bridge.process.wait(60) == 2, bridge.last_lines()
    (line,) = logged(bridge, "globalmart-bridge: ")
    return line


def untouched(database):
    return database.rows(
        "SELECT (SELECT count(*) FROM globalmart.kafka_offsets),"
        " (SELECT count(*) FROM globalmart.dead_letters)"
    ) == [(0, 0)]


def test_checking_asks_nobody(tmp_path):
    """And says by its status what became of it, as of options that it does not know."""
    nobody = ["--set", "kafka.bootstrap_servers=127.0.0.1:1", "--set", f"postgres.dsn=host={tmp_path}"]
    assert run("--check-config", *nobody) == (0, "configuration and profile are valid\n", "")
    status, said, error = run("--check-config", *nobody, "--set", "bridge.worker=1")
    assert (status, said) == (2, "") and "did you mean 'workers'?" in error
    for options in (["--cheque"], ["--set"], ["--config"], ["left over"]):
        assert run(*options)[0] == 2, options
    status, said, _ = run("--version")
    assert status == 0 and said.startswith("globalmart-bridge ")
    assert run("--help")[0] == 0


def test_a_value_that_the_server_refuses(shop, broker):
    """It does not run without what every session needs, the lists among it."""
    topics = Topics(broker, 1)
    topics.put(carts(0, 50))
    bridge = shop.set_up(topics, CASE_CLOCK, postgres__work_mem="lots")
    for arguments in (["--drain"], []):
        line = refused(bridge, *arguments)
        assert "postgres.work_mem" in line and '"lots"' in line
    assert untouched(shop.database)
    bridge.drain(postgres__work_mem="16MB")
    assert shop.database.value(CARTS) == 50


def test_a_profile_without_a_column_that_must_be_there(shop, broker):
    topics = Topics(broker, 1)
    topics.put(carts(0, 5))
    text = (PROJECT / "profiles/globalmart.toml").read_text()
    left_out = [line for line in text.splitlines() if not line.startswith("line_no ")]
    assert len(left_out) + 1 == len(text.splitlines())
    profile = shop.folder / "profile.toml"
    profile.write_text("\n".join(left_out))
    bridge = shop.set_up(topics, CASE_CLOCK, profile__file=profile)
    line = refused(bridge)
    assert "stream transaction_items: column line_no must not be null" in line
    assert untouched(shop.database)
    shop.database.execute("ALTER TABLE globalmart.transaction_items ALTER line_no SET DEFAULT 0")
    bridge.drain()
    assert shop.database.value(CARTS) == 5


def test_a_drain_of_a_topic_that_is_missing(shop, broker):
    """A name that was mistyped must not look like success; a topic that nobody has can be left out."""
    topics = Topics(broker, 1)
    topics.put(carts(0, 5))
    absent = topics.names[contract.CART] + "-absent"
    bridge = shop.set_up(topics, CASE_CLOCK, kafka__topics__inventory=absent)
    bridge.start("--drain")
    assert bridge.process.wait(60) == 1, bridge.last_lines()
    (line,) = logged(bridge, "level=critical")
    assert f"there is no topic {absent}: make it" in line and "kafka.topics" in line
    assert untouched(shop.database)
    bridge.drain(kafka__topics__inventory="")
    assert shop.database.value(CARTS) == 5


def test_a_server_that_is_away(shop, broker, folder):
    """Whoever serves waits for it; a drain has an end."""
    topics = Topics(broker, 1)
    topics.put(carts(0, 5))
    cluster = shop.database.cluster
    sockets = folder / "s"
    dsn = f"host={sockets} port={cluster.port} dbname={shop.database.name} user=bridge"
    bridge = shop.set_up(topics, CASE_CLOCK, postgres__dsn=dsn)
    bridge.start("--drain")
    assert bridge.process.wait(120) == 1, bridge.last_lines()
    (line,) = logged(bridge, "level=critical")
    assert "the database is not ready: " in line and str(sockets) in line
    bridge.start()
    wait_logged(bridge, "the database is not ready")
    sockets.symlink_to(cluster.folder)
    try:
        wait_until(lambda: shop.database.value(CARTS) == 5, "the rows", process=bridge.process)
        assert bridge.stop() == 0
    finally:
        sockets.unlink()


@pytest.mark.parametrize("part", ["closer", "outbox", "writer 1"])
def test_a_password_that_is_gone(shop, broker, part):
    """Whichever part needs a new connection says so, and the process ends in order."""
    topics = Topics(broker, 1)
    topics.put(carts(0, 5))
    password = shop.folder / "password"
    password.touch(mode=0o600)
    password.write_text("unused\n")
    database = shop.database
    bridge = shop.set_up(topics, CASE_CLOCK, postgres__password_file=password, bridge__workers=1)
    bridge.start()
    wait_until(lambda: database.value(CARTS) == 5, "the rows", process=bridge.process)
    end_session = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = %s"
    )
    session = f"globalmart-bridge {part}"
    password.unlink()
    wait_until(lambda: database.value(end_session, session) == 1, f"the session of the {part}")
    assert bridge.process.wait(60) == 1, bridge.last_lines()
    (line,) = logged(bridge, "level=critical")
    assert f"postgres.password_file: {password} cannot be read" in line


def test_a_second_signal_ends_at_once(shop, broker):
    """The first one waits for the batch in hand, which the server holds up."""
    topics = Topics(broker, 1)
    topics.put(carts(0, 5))
    database = shop.database
    bridge = shop.set_up(topics, CASE_CLOCK, bridge__workers=1)
    database.execute(
        """CREATE FUNCTION public.halt() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN PERFORM pg_advisory_xact_lock_shared(4712); RETURN NULL; END $$"""
    )
    database.execute(
        "CREATE TRIGGER halt AFTER INSERT ON globalmart.cart_events"
        " FOR EACH ROW EXECUTE FUNCTION public.halt()"
    )
    database.execute("SELECT pg_advisory_lock(4712)")
    bridge.start()
    halted = (
        "SELECT FROM pg_stat_activity WHERE application_name = 'globalmart-bridge writer 1'"
        " AND datname = current_database() AND wait_event_type = 'Lock'"
    )
    wait_until(lambda: database.rows(halted), "the batch to be under way", process=bridge.process)
    bridge.process.send_signal(signal.SIGINT)
    wait_logged(bridge, "ending: the batch in hand is committed first")
    assert bridge.process.poll() is None
    bridge.process.send_signal(signal.SIGINT)
    assert bridge.process.wait(60) == 128 + signal.SIGINT, bridge.last_lines()
    database.execute("SELECT pg_advisory_unlock(4712)")
    # Nothing was acknowledged: the next start brings each once.
    bridge.drain()
    assert database.value(CARTS) == 5


class OnATerminal:
    """The bridge with a terminal as its standard error, and all that it wrote there."""

    def __init__(self, *arguments):
        self.master, terminal = pty.openpty()
        self.process = subprocess.Popen([PROGRAM, *arguments], stdout=subprocess.DEVNULL, stderr=terminal)
        os.close(terminal)
        self.written = b""
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        try:
            while block := os.read(self.master, 65536):
                self.written += block
        except OSError:  # the other side is closed
            pass

    def stop(self):
        status = end(self.process)
        self.reader.join()
        os.close(self.master)
        return status


def test_progress_on_a_terminal(shop, broker):
    topics = Topics(broker, 1)
    topics.put(carts(0, 7))
    database = shop.database
    shop.set_up(topics, CASE_CLOCK)
    bridge = OnATerminal("--config", config_of(shop))
    try:
        wait_until(lambda: b" 7 messages " in bridge.written, "the progress", process=bridge.process)
    finally:
        assert bridge.stop() == 0
    # Lines of JSON are for programs: nothing comes between them.
    topics.put(carts(7, 7))
    bridge = OnATerminal("--config", config_of(shop, **{"log.format": "json"}))
    try:
        wait_until(lambda: database.value(CARTS) == 14, "the rows", process=bridge.process)
    finally:
        assert bridge.stop() == 0
    lines = [json.loads(line) for line in bridge.written.splitlines()]
    assert lines[-1]["message"] == "ended"


def test_one_group_for_two_databases(shop, broker, template):
    """They take the partitions from each other: both say why, and nothing is lost."""
    topics = Topics(broker, 1)
    topics.put(carts(0, 20))
    first = shop.set_up(topics, CASE_CLOCK, bridge__workers=1)
    other = shop.database.cluster.new_database(template)
    other.set_clock(CASE_CLOCK)
    (shop.folder / "second").mkdir()
    second = Bridge(shop.folder / "second", {**first.settings, "postgres.dsn": other.dsn("bridge")})
    try:
        first.start()
        wait_until(lambda: shop.database.value(CARTS) == 20, "its rows", process=first.process)
        second.start()
        wait_until(lambda: other.value(CARTS) == 20, "the other's rows", process=second.process)
        for bridge in (first, second):
            (line,) = wait_logged(bridge, "need a kafka.group_id of their own")
            assert first.settings["kafka.group_id"] in line
        topics.put(carts(20, 20))
        for bridge, database in ((first, shop.database), (second, other)):
            wait_until(lambda: database.value(CARTS) == 40, "the rest", process=bridge.process)
        assert first.stop() == 0 and second.stop() == 0
    finally:
        second.kill()
        other.drop()
