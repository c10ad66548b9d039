"""The ways of a dump into another database. A single line of complaint is an error."""

import os
import subprocess

PLAIN = "plain"
CUSTOM = "custom"
VIA_ROOT = "via root"


def _run(cluster, program, *arguments, **options):
    environment = {**os.environ, "PGHOST": str(cluster.folder), "PGPORT": str(cluster.port), "PGUSER": "postgres"}
    done = subprocess.run(
        [cluster.binaries / program, *arguments],
        env=environment, capture_output=True, text=True, check=False, **options,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), f"{program} {arguments}: {done.stderr[-3000:]}"
    return done.stdout


def dump(source, kind, folder):
    """Gives the file."""
    file = folder / f"{source.name}.dump"
    options = {PLAIN: [], CUSTOM: ["-Fc"], VIA_ROOT: ["--load-via-partition-root"]}[kind]
    _run(source.cluster, "pg_dump", *options, "--file", str(file), source.name)
    return file


def restore(file, kind, target):
    if kind == CUSTOM:
        _run(target.cluster, "pg_restore", "-j2", "--exit-on-error", "--dbname", target.name, str(file))
    else:
        _psql(target.cluster, target.name, file)


def copy_roles(source, target):
    """What whoever moves to another cluster does first. The superuser is there already."""
    roles = _run(source, "pg_dumpall", "--roles-only")
    lines = [line for line in roles.splitlines() if not line.startswith(("CREATE ROLE postgres;", "ALTER ROLE postgres "))]
    file = target.folder / "roles.sql"
    file.write_text("\n".join(lines) + "\n")
    _psql(target, "postgres", file)


def _psql(cluster, database, file):
    _run(cluster, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", os.devnull, "-d", database, "-f", str(file))
