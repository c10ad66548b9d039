"""globalmart-export: what is in the file is what is in the database, and the file is whole or not there."""

import argparse
import collections
import contextlib
import csv
import datetime
import decimal
import os
import re
import signal
import subprocess
import sys
import time

import psycopg2
import psycopg2.extensions
import pytest

from harness.processes import wait_until
from ten_weeks import PAGE, PROJECT, load_script

EXPORT = PROJECT / "build" / "bin" / "globalmart-export"
PYARROW = PROJECT / "build" / "pyarrow"
program = load_script(EXPORT)

# A value of each type that a column of the two schemas has, and its edges. None is in each column, too.
VALUES = {
    "bigint": [-(2**63), 2**63 - 1, 0],
    "integer": [-(2**31), 2**31 - 1],
    "smallint": [-(2**15), 2**15 - 1],
    "boolean": [True, False],
    "numeric": ["0.1", "-12345678901234567890123456789.000000001", "7"],
    "numeric(18,2)": ["-9999999999999999.99", "0.00", "0.10"],
    "numeric(10,6)": ["-9999.999999", "0.000001"],
    "numeric(3,2)": ["-9.99", "4.5"],
    "real": [0.1, -3.4028235e38, 1e-45, float("inf"), -0.0],
    "double precision": [0.1, -1.7976931348623157e308, 5e-324, float("inf"), -0.0],
    "text": ["", "NULL", ",", '"', "\\N", "two\nlines\r\n", "Grüße 🛒", " "],
    "name": ["sales_per_minute"],
    '"char"': ["r"],
    "uuid": ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-4fff-bfff-ffffffffffff"],
    "bytea": [b"", b"\x00\xff\\x"],
    "date": ["0001-01-01", "9999-12-31"],
    "timestamp with time zone": ["9999-12-31 00:00:00+00", "1900-01-01 00:00:00+00", "2026-11-24 01:02:03.000001+00", "0001-01-01 00:00:00+00"],
    "interval": ["1 year 2 mons -3 days 04:05:06.000007", "00:00:00"],
    "text[]": [[], ["", None, "a,b", '"'], ["NULL"]],
    "integer[]": [[1, None, -(2**31)], []],
    "smallint[]": [[1, -(2**15)]],
    "bigint[]": [[2**63 - 1], []],
    "name[]": [["a"]],
    "timestamp with time zone[]": [["2026-11-24 01:02:03.5+00", None]],
    "numeric[]": [["0.001", None, "1e20"]],
    "numeric(18,2)[]": [["0.10", None, "-9999999999999999.99"], []],
    "jsonb": ['{"a": [1, null, "x"]}', "null"],
    "json": ['{"b" :  2}'],
    "xid8": ["18446744073709551615"],
    "regclass": ["warehouse.dim_date"],
    "oid": [4294967295],
    "globalmart.distinct_sketch": [],  # of some values, made by the aggregate
}
DIRECT = {
    "bigint", "integer", "smallint", "boolean", "double precision", "text", "name", '"char"', "bytea", "date", "oid",
    "timestamp with time zone", "text[]", "integer[]", "smallint[]", "bigint[]", "name[]", "timestamp with time zone[]", "numeric[]",
}  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def pyarrow():
    subprocess.run([PROJECT / "tools" / "fetch-pyarrow"], check=True)
    sys.path.insert(0, str(PYARROW))
    import pyarrow.parquet

    return pyarrow


@pytest.fixture
def connection(shop):
    connection = psycopg2.connect(f"host={shop.server} dbname=shop user=postgres", options="-c timezone=UTC")
    yield connection
    connection.close()


def export(shop, what, path, query=None, user="postgres"):
    """In this process: starting Python and pyarrow for each table would take longest."""
    options = argparse.Namespace(relation=what, query=query, out=str(path), format=path.suffix[1:])
    with contextlib.closing(program.connect(f"host={shop.server} dbname=shop user={user}")) as own:
        program.export(own, options, program.Progress(quiet=True))


def expected(connection, relation):
    """The rows as psycopg2 gives them, with what Parquet has no type for as text, and the names of the columns. They
    are in a temporary table `told`, too."""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE told AS SELECT * FROM {relation}")
        cursor.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            (relation,),
        )
        columns = [
            # Of a real, psycopg2 gives the number that its text would be as a double.
            (name, "double precision" if kind == "real" else kind if kind in DIRECT or kind.startswith("numeric") else "text")
            for name, kind in cursor.fetchall()
        ]
        chosen = ", ".join(f'"{name}"::{kind}' for name, kind in columns)
        cursor.execute(f"SELECT {chosen} FROM told")
        return [name for name, _ in columns], cursor.fetchall()


def plain(value):
    """Equal for equal values, digits after the point included; lists can be counted."""
    if isinstance(value, (list, tuple)):
        return tuple(plain(one) for one in value)
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat() if value.tzinfo else value
    if isinstance(value, decimal.Decimal):
        return ("decimal", value)
    return (type(value).__name__, repr(value)) if isinstance(value, float) else value


def counted(rows):
    return collections.Counter(plain(row) for row in rows)


def read_parquet(pyarrow, path):
    table = pyarrow.parquet.read_table(path)
    return table.column_names, list(zip(*(column.to_pylist() for column in table.columns)))


def check_both(shop, connection, pyarrow, relation, folder):
    """Parquet read back equals the rows; CSV read back by the server does."""
    path = folder / "export.parquet"
    export(shop, relation, path)
    names, rows = expected(connection, relation)
    has_names, has_rows = read_parquet(pyarrow, path)
    assert has_names == names
    assert counted(has_rows) == counted(rows), relation

    path = folder / "export.csv"
    export(shop, relation, path)
    with connection.cursor() as cursor, open(path, "rb") as file:
        cursor.execute("CREATE TEMPORARY TABLE back AS SELECT * FROM told LIMIT 0")
        cursor.copy_expert("COPY back FROM STDIN (FORMAT csv, HEADER MATCH)", file)
        cursor.execute(
            "SELECT count(*) FROM ((SELECT t::text FROM told AS t EXCEPT ALL SELECT b::text FROM back AS b)"
            " UNION ALL (SELECT b::text FROM back AS b EXCEPT ALL SELECT t::text FROM told AS t)) AS d"
        )
        assert cursor.fetchone() == (0,), relation
        cursor.execute("DROP TABLE back, told")
    return len(rows)


def test_every_type_that_tables_have(shop, connection, pyarrow, tmp_path):
    cursor = connection.cursor()
    cursor.execute(
        "SELECT DISTINCT format_type(a.atttypid, a.atttypmod) FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid"
        " WHERE c.relnamespace IN ('globalmart'::regnamespace, 'warehouse'::regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm')"
        " AND a.attnum > 0 AND NOT a.attisdropped"
    )
    used = {name for (name,) in cursor.fetchall()}
    assert used - VALUES.keys() == set(), "types without a value here"
    columns = {f"column {number}": kind for number, kind in enumerate(VALUES)}
    cursor.execute("CREATE SCHEMA samples")
    cursor.execute("CREATE TABLE samples.every (%s)" % ", ".join(f'"{name}" {kind}' for name, kind in columns.items()))
    cursor.execute("INSERT INTO samples.every DEFAULT VALUES")
    for name, kind in columns.items():
        for value in VALUES[kind]:
            cursor.execute(f'INSERT INTO samples.every ("{name}") VALUES ((%s)::{kind})', (value,))
    sketch = next(name for name, kind in columns.items() if kind.endswith("sketch"))
    cursor.execute(f'INSERT INTO samples.every ("{sketch}") SELECT globalmart.build_sketch(g) FROM generate_series(1, 9) AS g')
    connection.commit()
    try:
        rows = check_both(shop, connection, pyarrow, "samples.every", tmp_path)
        assert rows == 2 + sum(len(values) for values in VALUES.values())
        schema = pyarrow.parquet.read_schema(tmp_path / "export.parquet")
        kinds = {kind: str(schema.field(name).type) for name, kind in columns.items()}
    finally:
        connection.rollback()
        cursor.execute("DROP SCHEMA samples CASCADE")
        connection.commit()
    assert kinds["numeric(18,2)"] == "decimal128(18, 2)"
    assert kinds["numeric"] == "decimal128(38, 9)"
    assert kinds["bigint"] == "int64" and kinds["integer"] == "int32" and kinds["smallint"] == "int16"
    assert kinds["timestamp with time zone"] == "timestamp[us, tz=UTC]"
    assert kinds["date"] == "date32[day]"
    assert kinds["text[]"].startswith("list<") and "string" in kinds["text[]"]
    assert {kinds[kind] for kind in ("uuid", "jsonb", "interval", "xid8")} == {"string"}


def test_tables_and_views(shop, connection, pyarrow, tmp_path):
    """Of the warehouse all, of the rest some of each kind. The clock is fixed and nothing writes, so a view gives the
    same rows twice."""
    cursor = connection.cursor()
    cursor.execute(
        "SELECT c.oid::regclass::text FROM pg_class AS c"
        " WHERE c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition AND (c.relnamespace = 'warehouse'::regnamespace"
        "   OR c.relnamespace = 'globalmart'::regnamespace AND c.relname ~ '^(cart|high|kafka|products|rollup|sales|settings|stock|streams|transaction|users)')"
        " ORDER BY 1"
    )
    filled, endless = set(), set()
    for (relation,) in cursor.fetchall():
        try:
            if check_both(shop, connection, pyarrow, relation, tmp_path) > 0:
                filled.add(relation)
        except program.ExportError as error:
            assert "infinity is beyond" in str(error), relation
            endless.add(relation)
    assert endless == {"globalmart.rollup_progress", "globalmart.rollup_versions", "globalmart.rollups"}, "the engine's, since ever"
    assert len(filled) > 40, sorted(filled)
    assert {"warehouse.fact_sales", "warehouse.dim_customers", "globalmart.sales_per_minute", "globalmart.cart_sessions_live"} <= filled


def test_csv_is_as_people_expect(shop, tmp_path):
    path = tmp_path / "some.csv"
    export(shop, None, path, query="SELECT 1 AS one, NULL::text AS none, '' AS empty, 'a\"b,c' AS odd, '{x,NULL}'::text[] AS list")
    assert path.read_text() == 'one,none,empty,odd,list\n1,,"","a""b,c","{x,NULL}"\n'
    path = tmp_path / "sales.csv"
    export(shop, "warehouse.fact_sales", path, user="dashboard")
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert str(sum(decimal.Decimal(row["line_revenue"]) for row in rows)) == shop.sql("SELECT sum(line_revenue) FROM warehouse.fact_sales").strip()


# --- as a program ---


def start(shop, *arguments, **more):
    environment = {**shop.environment, "PYTHONPATH": str(PYARROW), **more}
    return subprocess.Popen(
        [EXPORT, *(str(word) for word in arguments)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def call(shop, *arguments, **more):
    """(status, what it said)"""
    process = start(shop, *arguments, **more)
    out, err = process.communicate(timeout=120)
    return process.returncode, out + err


def test_the_page_s_calls(shop, tmp_path):
    text = PAGE.read_text()
    found = re.search(r"^```sh\n(export PGHOST.*?)^```\n```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "globalmart-export").symlink_to(EXPORT)
    commands = found[1].replace("PGHOST=db.example.com", f"PGHOST={shop.server}")
    environment = {**shop.environment, "PYTHONPATH": str(PYARROW), "PATH": f"{bin_folder}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-e", "-c", commands], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )

    def without_figures(words):
        return re.sub(r"[\d.]+ MB in [\d.]+ s", "", words)

    assert without_figures(done.stdout) == without_figures(found[2])
    assert done.returncode == 0


def test_help_and_version(shop):
    version = re.search(r"default_version = '(.*)'", (PROJECT / "globalmart.control").read_text())[1]
    assert call(shop, "--version") == (0, f"globalmart-export {version}\n")
    status, text = call(shop, "--help")
    assert status == 0 and "--query SQL" in text and "snapshot" in text


@pytest.mark.parametrize(
    "arguments, status, words",
    [
        (["warehouse.none", "a.csv"], 1, "there is no table or view warehouse.none in database shop"),
        (["SELECT 1", "a.csv"], 1, "SQL is for --query"),
        (["warehouse.dim_date_pkey", "a.csv"], 1, "there is no table or view"),
        (["warehouse.dim_date", "a.xls"], 2, "ends neither in .csv nor in .parquet"),
        (["a.csv"], 2, "say what to export"),
        (["warehouse.dim_date", "none/a.csv"], 1, "No such file or directory"),
        (["warehouse.dim_date", "--format", "csv", "."], 1, ". is a folder"),
        (["warehouse.dim_date", "--format", "csv", "/dev/null"], 1, "/dev/null is no regular file"),
        (["--query", "SELECT 1 AS a, 2 AS a", "a.parquet"], 1, "two columns are called a"),
        (["--query", "SELECT", "a.csv"], 1, "the query gives no column"),
        (["--query", "SELECT 1 +", "a.csv"], 1, "syntax error"),
        (["--query", "DELETE FROM warehouse.holidays", "a.csv"], 1, "syntax error"),
        (["--query", "SELECT nextval('warehouse.durable_keys')", "a.csv"], 1, "read-only transaction"),
        (["--query", "SELECT 'infinity'::timestamptz AS t", "a.parquet"], 1, "timestamptz infinity is beyond the years 1 to 9999"),
        (["--query", "SELECT 'infinity'::date AS t", "a.parquet"], 1, "date infinity is beyond"),
        (["--query", "SELECT '0044-03-15 BC'::date AS t", "a.parquet"], 1, "date 0044-03-15 BC is beyond"),
        (["--query", "SELECT '12000-01-01'::timestamp AS t", "a.parquet"], 1, "timestamp 12000-01-01 00:00:00 is beyond"),
        (["--query", "SELECT 'NaN'::numeric AS n", "a.parquet"], 1, "column n has a value that Parquet's decimal"),
        (["--query", "SELECT 10::numeric ^ 80 AS n", "a.parquet"], 1, "column n has numbers of"),
        (["--query", "SELECT '{{1,2},{3,4}}'::int[] AS l", "a.parquet"], 1, "column l has a value that Parquet's list"),
        (["--dsn", "dbname=none", "warehouse.dim_date", "a.csv"], 1, 'database "none" does not exist'),
    ],
)  # fmt: skip
def test_refusals(shop, tmp_path, arguments, status, words):
    (tmp_path / "a.csv").write_text("before\n")
    process = subprocess.run(
        [EXPORT, *arguments], cwd=tmp_path, env={**shop.environment, "PYTHONPATH": str(PYARROW)}, stderr=subprocess.PIPE, text=True
    )
    assert (process.returncode, words in process.stderr) == (status, True), process.stderr
    assert "Traceback" not in process.stderr
    assert os.listdir(tmp_path) == ["a.csv"] and (tmp_path / "a.csv").read_text() == "before\n"


def test_without_pyarrow(shop, tmp_path):
    status, words = call(shop, "warehouse.dim_geography", tmp_path / "a.parquet", PYTHONPATH="")
    assert status == 1 and "tools/fetch-pyarrow DIR" in words
    assert call(shop, "warehouse.dim_geography", tmp_path / "a.csv", PYTHONPATH="")[0] == 0
    assert os.listdir(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_what_fails_half_way_leaves_the_old_file(shop, tmp_path, name):
    (tmp_path / name).write_text("before\n")
    status, words = call(shop, "--query", "SELECT 1 / (20000 - g) AS x FROM generate_series(1, 30000) AS g", tmp_path / name)
    assert status == 1 and "division by zero" in words
    assert os.listdir(tmp_path) == [name] and (tmp_path / name).read_text() == "before\n"


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_ends_when_asked(shop, tmp_path, name, how):
    slow = "SELECT repeat('x', 1000), pg_sleep(0.001 * (g / 6000)) FROM generate_series(1, 1000000) AS g"
    process = start(shop, "--query", slow, tmp_path / name)
    wait_until(lambda: os.listdir(tmp_path), "the file under its first name", process=process)
    asked = time.monotonic()
    process.send_signal(how)
    _, words = process.communicate(timeout=30)
    assert process.returncode == 128 + how and "Traceback" not in words, words
    assert time.monotonic() - asked < 10
    assert os.listdir(tmp_path) == []
    running = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'globalmart-export'"
    wait_until(lambda: shop.sql(running) == "0\n", "the query to be gone")


@pytest.mark.parametrize("name, most", [("a.csv", 80_000), ("a.parquet", 320_000)])
def test_memory_is_bounded(shop, tmp_path, name, most, pyarrow):
    """400 MB of rows; kB. Arrow and two row groups, as they are and compressed, are what Parquet takes."""
    wide = "SELECT g, repeat(md5(g::text), 64) AS t FROM generate_series(1, 200000) AS g"
    process = start(shop, "--query", wide, tmp_path / name)
    # Not getrusage(): that of a child begins with what this process has.
    used = []
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        while process.poll() is None:
            status.seek(0)
            used += re.findall(r"^VmHWM:\s*(\d+) kB$", status.read(), re.MULTILINE)
            time.sleep(0.01)
    assert process.returncode == 0, process.stderr.read()
    assert 10_000 < int(used[-1]) < most
    if name.endswith(".parquet"):
        file = pyarrow.parquet.ParquetFile(tmp_path / name)
        assert file.metadata.num_rows == 200_000 and file.metadata.num_row_groups > 5


def test_one_snapshot(shop, connection, pyarrow, tmp_path):
    """What is committed while it runs is not in it: the digits of a numeric are counted before the rows are read."""
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE public.growing AS SELECT 1.5::numeric AS n FROM generate_series(1, 20000)")
    connection.commit()
    try:
        path = tmp_path / "growing.parquet"
        options = argparse.Namespace(relation="public.growing", query=None, out=str(path), format="parquet")
        with contextlib.closing(program.connect(f"host={shop.server} dbname=shop user=postgres")) as own:

            class Meanwhile(program.Progress):
                def show(self, text):
                    cursor.execute("INSERT INTO public.growing VALUES (0.00001)")
                    connection.commit()

            with own.cursor() as first:
                first.execute("SELECT 1")
            Meanwhile(quiet=True).show("")
            program.export(own, options, Meanwhile(quiet=True))
        table = pyarrow.parquet.read_table(path)
        assert table.num_rows == 20_000 and str(table.schema.field("n").type) == "decimal128(38, 1)"
    finally:
        cursor.execute("DROP TABLE public.growing")
        connection.commit()


def test_progress(shop, monkeypatch, capsys, tmp_path):
    """Lines for a log, and one line on a terminal; nothing of a short export but how it ended."""
    now = [0.0]
    monkeypatch.setattr(program.time, "monotonic", lambda: now[0])
    progress = program.Progress(quiet=False)
    for now[0] in (1, 9, 10.5, 12, 21):
        progress.show(f"{now[0]:.0f},000 rows")
    progress.finish("a.csv: 21,000 rows, 1.0 MB")
    assert capsys.readouterr().err.splitlines() == [
        "10,000 rows after 10 s",
        "21,000 rows after 21 s",
        "a.csv: 21,000 rows, 1.0 MB in 21.0 s",
    ]
