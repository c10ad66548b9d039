"""A shop in use is updated: it keeps every row, becomes what a shop of the current version is, and goes on."""

import contextlib
import threading

import psycopg2

from harness.processes import wait_until

import changed_shop
import restore
import state
from afterwards import unverified, went_on
from feed import Feed

# What the script brings, and a dump does not.
SHIPPED = {"globalmart.setting_definitions", "globalmart.shop_scripts"}


def update(database):
    database.execute("ALTER EXTENSION globalmart UPDATE")


def install_shop(*databases):
    for database in databases:
        changed_shop.as_keeper(database, "SELECT globalmart.install_shop()")


def kept(database):
    """The tables, with their columns, whose rows an update must leave as they are."""
    return {table: names for table, names in state.columns(database).items() if table not in SHIPPED}


def shipped(database):
    return {table: rows for table, rows in state.content(database).items() if table in SHIPPED}


def assert_same(one, other):
    state.assert_same(state.catalog(one), state.catalog(other))
    state.assert_same(state.content(one, logical=True), state.content(other, logical=True))
    state.assert_same(state.live_rows(one), state.live_rows(other))


def test_updated_is_a_fresh_one(old, fresh, new_database, folder):
    of = kept(old)
    before, live = state.content(old, of=of), state.live_rows(old)
    update(old)
    state.assert_same(before, state.content(old, of=of))
    state.assert_same(live, state.live_rows(old))
    state.assert_same(shipped(fresh), shipped(old))
    install_shop(old, fresh)
    assert_same(fresh, old)
    # A dump of it, too: an administrator's grants on members are still told from the script's.
    copy = new_database()
    restore.restore(restore.dump(old, restore.CUSTOM, folder), restore.CUSTOM, copy)
    state.assert_same(state.catalog(old), state.catalog(copy))
    state.assert_same(state.content(old), state.content(copy))
    for database in (old, fresh, copy):
        went_on(database, Feed.known(database))
    assert_same(fresh, old)
    assert_same(old, copy)
    assert unverified(old) == []


def test_without_install_shop(old, fresh):
    """The shop's own objects stay as they were, and work."""
    update(old)
    for database in (old, fresh):
        went_on(database, Feed.known(database))
    assert unverified(old) == []
    tables = {f"globalmart.{name}" for (name,) in old.rows("SELECT name FROM globalmart.rollups")}
    state.assert_same(*({t: rows for t, rows in state.content(d).items() if t in tables} for d in (fresh, old)))


def test_dump_of_an_old_version(old, new_database, folder):
    """A dump says no version, so the copy is of the current one."""
    copy = new_database()
    restore.restore(restore.dump(old, restore.PLAIN, folder), restore.PLAIN, copy)
    of = kept(old)
    state.assert_same(state.content(old, of=of), state.content(copy, of=of))
    update(old)
    state.assert_same(state.content(old), state.content(copy))
    install_shop(old, copy)
    assert_same(old, copy)
    for database in (old, copy):
        went_on(database, Feed.known(database))
    assert_same(old, copy)
    assert unverified(copy) == []


ORDER = """
    INSERT INTO globalmart.transactions
      (event_time, transaction_id, user_id, total_amount, payment_method, country)
    SELECT timestamptz '2026-11-20 01:00:00+00' + make_interval(secs => %(number)s), md5(%(key)s)::uuid, 'USER_1',
           %(number)s %% 12000, 'PayPal', 'UK'"""
ITEM = """
    INSERT INTO globalmart.transaction_items
      (event_time, transaction_id, line_no, quantity, product_id, price, user_id, total_amount, payment_method, country)
    SELECT timestamptz '2026-11-20 01:00:00+00' + make_interval(secs => %(number)s), md5(%(key)s)::uuid, 1,
           1 + %(number)s %% 90, 'PROD_1', 2.50, 'USER_1', 5, 'PayPal', 'UK'"""
USER = """
    INSERT INTO globalmart.user_changes (event_time, user_id, deleted, country)
    SELECT timestamptz '2026-11-20 01:00:00+00' + make_interval(secs => %(number)s), 'USER_' || %(number)s %% 9, false, 'UK'"""


class Client(threading.Thread):
    """Does the same again and again in a session of its own, until it is told to stop or fails."""

    def __init__(self, database, name, user, statements, in_transaction=True):
        super().__init__(name=name)
        self.connection = database.connect(user)
        self.connection.autocommit = not in_transaction
        self.statements = statements
        self.stopped = threading.Event()
        self.done = 0
        self.error = None

    def run(self):
        try:
            with contextlib.closing(self.connection):
                while not self.stopped.is_set():
                    for statement in self.statements:
                        self.connection.cursor().execute(
                            statement, {"number": self.done, "key": f"{self.name} {self.done}"}
                        )
                    if not self.connection.autocommit:
                        self.connection.commit()
                    self.done += 1
        except psycopg2.Error as error:
            self.error = error

    def has_done(self, more):
        """Waits until it has done it so many times more."""
        goal = self.done + more
        wait_until(lambda: self.error or self.done >= goal, f"{self.name} to go on", seconds=120)
        assert self.error is None, self.name


def test_among_writers(old):
    """Nobody waits for an open transaction, and none of those who write, close and read meanwhile fails."""
    stored = "SELECT (SELECT count(*) FROM globalmart.transactions), (SELECT count(*) FROM globalmart.transaction_items)"
    before = old.rows(stored)[0]
    clients = [
        Client(old, "orders", "bridge", [ORDER, ITEM]),
        Client(old, "lines first", "bridge", [ITEM, ORDER]),
        Client(old, "users", "bridge", [USER]),
        Client(old, "closes", "bridge",
               ["CALL globalmart.close_windows()", "CALL globalmart.compact_partials(0)"], in_transaction=False),
        Client(old, "reads", "analyst", ["SELECT count(*) FROM globalmart.sales_per_minute_live"]),
    ]  # fmt: skip
    with contextlib.closing(old.connect("bridge")) as holder:
        holder.autocommit = False
        for statement in (ITEM, ORDER):
            holder.cursor().execute(statement, {"number": 1, "key": "held"})
        for client in clients[:3] + clients[4:]:
            client.start()
            client.has_done(20)
        old.execute("SET lock_timeout = '20s'")
        update(old)
        for _ in range(3):
            old.execute("SELECT globalmart.install_shop()")
        for client in clients[:3] + clients[4:]:
            client.has_done(20)
        for statement in (ORDER, ITEM):
            holder.cursor().execute(statement, {"number": 2, "key": "held too"})
        holder.commit()
    # A close waits for whoever writes to the domain, so it is after the holder.
    clients[3].start()
    clients[3].has_done(2)
    old.execute("SELECT globalmart.install_shop()")
    clients[3].has_done(2)
    for client in clients:
        client.stopped.set()
    for client in clients:
        client.join()
    assert [client.error for client in clients] == [None] * len(clients)
    assert "deadlock detected" not in old.cluster.log.read_text()
    written = clients[0].done + clients[1].done + 2
    assert old.rows(stored)[0] == (before[0] + written, before[1] + written)
    went_on(old, Feed.known(old))
    assert unverified(old) == []
