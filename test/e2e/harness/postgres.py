"""A private PostgreSQL cluster and its databases."""

import contextlib
import itertools
import os
import pathlib
import signal
import subprocess

import psycopg2

from oracle import instants

from .processes import as_user, end, free_port, unprivileged_user, wait_until

SETTINGS = {
    "listen_addresses": "",
    "timezone": "Asia/Kathmandu",  # not UTC on purpose, and no whole hour
    "fsync": "off",
    "shared_buffers": "256MB",
    "max_connections": "60",
    "max_wal_size": "2GB",
    "autovacuum_naptime": "5s",
    "deadlock_timeout": "200ms",
    "log_lock_waits": "on",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %a ",
    "lc_messages": "C",
}
RECOVERING = ("not yet accepting connections", "in recovery mode", "is starting up")


def pg_config(name):
    return subprocess.run(
        ["pg_config", "--" + name], check=True, capture_output=True, text=True
    ).stdout.strip()


class Cluster:
    """Socket, data and log below `folder`; ended by its process id."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.binaries = pathlib.Path(pg_config("bindir"))
        self.user = unprivileged_user()
        self.port = free_port()
        self.data = self.folder / "data"
        self.log = self.folder / "postgresql.log"
        self._process = None
        self._names = itertools.count(1)

    def create(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.user is not None:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        subprocess.run(
            [self.binaries / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust"]
            + ["-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
            check=True,
            capture_output=True,
            **as_user(self.user),
        )
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
            for name, value in SETTINGS.items():
                file.write(f"{name} = '{value}'\n")
            file.write(f"port = {self.port}\nunix_socket_directories = '{self.folder}'\n")

    def start(self):
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                [self.binaries / "postgres", "-D", self.data],
                stdout=log,
                stderr=log,
                **as_user(self.user),
            )
        wait_until(self._answers, "PostgreSQL to answer", process=self._process)

    def _answers(self):
        with contextlib.suppress(psycopg2.OperationalError):
            self.connect("postgres").close()
            return True
        return False

    def stop(self):
        if self._process is not None:
            end(self._process, signal.SIGINT)
            self._process = None

    def dsn(self, database, user="postgres"):
        return f"host={self.folder} port={self.port} dbname={database} user={user}"

    def connect(self, database, user="postgres"):
        """An autocommit connection; waits for a server that recovers from a crash, so that one
        test's crash does not fail the others."""
        connection = wait_until(lambda: self._connect(database, user), "PostgreSQL to recover")
        connection.autocommit = True
        return connection

    def _connect(self, database, user):
        try:
            return psycopg2.connect(self.dsn(database, user))
        except psycopg2.OperationalError as error:
            if self._process is not None and any(text in str(error) for text in RECOVERING):
                return None
            raise

    def execute(self, sql, *values):
        with contextlib.closing(self.connect("postgres")) as connection:
            connection.cursor().execute(sql, values or None)

    def set(self, **settings):
        """ALTER SYSTEM and reload; None takes a setting back. Sessions see it before their next
        statement."""
        for name, value in settings.items():
            if value is None:
                self.execute(f"ALTER SYSTEM RESET {name}")
            else:
                self.execute(f"ALTER SYSTEM SET {name} = %s", value)
        self.execute("SELECT pg_reload_conf()")
        for name, value in settings.items():
            if value is not None:
                wait_until(lambda: self._shows(name, value), f"{name} = {value}")

    def _shows(self, name, value):
        with contextlib.closing(self.connect("postgres")) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT current_setting(%s)", (name,))
            return cursor.fetchone()[0] == value

    def new_database(self, template="template1"):
        name = f"test_{next(self._names)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return Database(self, name)


class Database:
    """A database of the cluster, with a connection for the test's own use."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.name = name
        self._connection = None

    @property
    def connection(self):
        if self._connection is None:
            self._connection = self.cluster.connect(self.name)
        return self._connection

    def dsn(self, user="postgres"):
        return self.cluster.dsn(self.name, user)

    def connect(self, user="postgres"):
        return self.cluster.connect(self.name, user)

    def execute(self, sql, *values):
        self.connection.cursor().execute(sql, values or None)

    def rows(self, sql, *values):
        cursor = self.connection.cursor()
        cursor.execute(sql, values or None)
        return cursor.fetchall()

    def value(self, sql, *values):
        return self.rows(sql, *values)[0][0]

    def install(self, version=None):
        """The extension (the current version, unless another is named), the shop, and a login for the bridge."""
        self.execute("CREATE EXTENSION globalmart" + (f" VERSION '{version}'" if version else ""))
        self.execute("SELECT globalmart.install_shop()")
        if not self.rows("SELECT FROM pg_roles WHERE rolname = 'bridge'"):
            self.execute("CREATE ROLE bridge LOGIN IN ROLE globalmart_writer")
            self.execute("CREATE ROLE analyst LOGIN IN ROLE globalmart_reader")

    def set_clock(self, instant):
        """The product's clock for every session that starts from now on; microseconds."""
        text = instants.show(instant).replace("T", " ").replace("Z", "+00")
        self.execute("SELECT globalmart.clock()")  # loads the library, which owns the setting
        self.execute(f"ALTER DATABASE {self.name} SET globalmart.now = '{text}'")
        self.close()

    def close_windows(self):
        self.execute("CALL globalmart.close_windows()")

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def drop(self):
        self.close()
        self.cluster.execute(f"DROP DATABASE {self.name} WITH (FORCE)")
