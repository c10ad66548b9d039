"""The product's rows in the oracle's terms, and the comparison of all tables."""

from oracle import compare, rollups

# Columns of processing time, which no comparison looks at.
PROCESSING_TIME = {
    "created_at", "abandonment_detected_at", "analyzed_at", "detected_at", "alert_generated_at",
    "updated_at",
}  # fmt: skip


def columns(database, table):
    found = database.rows(
        "SELECT attname FROM pg_attribute WHERE attrelid = ('globalmart.' || %s)::regclass"
        " AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        table,
    )
    return [name for (name,) in found if name not in PROCESSING_TIME]


def read(database, table, view=""):
    """Rows of a table, or of its view with this suffix, as dicts like the oracle's."""
    names = columns(database, table)
    selected = ", ".join(_expression(name) for name in names)
    rows = database.rows(f"SELECT {selected} FROM globalmart.{table}{view}")
    return [dict(zip(names, row)) for row in rows]


def _expression(name):
    if name in compare.TIMES:
        return f"(extract(epoch FROM {name}) * 1000000)::bigint"
    if name in compare.MONEY:
        return f"({name} * 100)::bigint"
    if name in compare.DOUBLES:
        return f"{name}::float8"
    return f"{name}::text" if name in compare.TEXTS else name


def late_ids(database):
    """{rollup: {event id}} of late_events."""
    late = {}
    for name, event_id in database.rows("SELECT rollup, event_id::text FROM globalmart.late_events"):
        late.setdefault(name, set()).add(event_id)
    return late


def differences(database, oracle, until, late=None, tables=None):
    """Every difference between the product's tables and the oracle's, windows that end by `until`.
    `late`: {rollup: {event id}} to leave out instead of what the oracle found late itself."""
    found = []
    for table in tables or rollups.KEYS:
        excluded = None if late is None else late.get(table, ())
        expected = oracle.rows(table, excluded)
        actual = read(database, table)
        found += compare.differences(
            table, compare.ending_by(expected, until), compare.ending_by(actual, until)
        )
    return found


def explain(differences, at_most=15):
    """The failure's text: how many in each table, then the first ones."""
    counts = {}
    for line in differences:
        table = line.split(":", 1)[0]
        counts[table] = counts.get(table, 0) + 1
    shown = []
    for table in counts:
        shown += [line for line in differences if line.startswith(table + ":")][:at_most]
    summary = ", ".join(f"{table} {count}" for table, count in counts.items())
    return f"{len(differences)} differences ({summary})\n" + "\n".join(shown[: at_most * 4])
