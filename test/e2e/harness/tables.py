"""The product's rows in the oracle's terms, and the comparison of all tables."""

from oracle import compare, rollups

# Columns of processing time, which no comparison looks at.
PROCESSING_TIME = {
    "created_at", "abandonment_detected_at", "analyzed_at", "detected_at", "alert_generated_at",
    "updated_at",
}  # fmt: skip

# Stream tables: the oracle's source and the columns.
_SESSION = "event_time event_id session_id event_type user_id country"
_PLACE = "kafka_partition kafka_offset"
STREAMS = {
    table: (source, f"{names} {_PLACE}".split())
    for table, source, names in [
        (
            "transactions",
            "orders",
            "event_time transaction_id user_id total_amount discount_amount payment_method country",
        ),
        (
            "transaction_items",
            "lines",
            "event_time transaction_id line_no quantity product_id price user_id total_amount"
            " payment_method country",
        ),
        (
            "cart_events",
            "carts",
            f"{_SESSION} product_id product_name category price quantity old_quantity new_quantity"
            " cart_size total_items cart_value",
        ),
        (
            "product_view_events",
            "views",
            f"{_SESSION} product_id product_name category price view_duration from_search"
            " previously_viewed_count search_query results_count filter_category min_price"
            " max_price product_ids product_names prices",
        ),
        (
            "inventory_events",
            "stock",
            "event_time event_id event_type product_id country stock_level delta old_price"
            " new_price",
        ),
    ]
}
ATTRIBUTES = {
    "event_time": "time",
    "transaction_id": "id",
    "event_id": "id",
    "kafka_partition": "partition",
    "kafka_offset": "offset",
}
SCALES = dict.fromkeys(
    "total_amount discount_amount price cart_value min_price max_price old_price new_price"
    " prices".split(),
    100,
)
SCALES["view_duration"] = 1_000_000


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


def stream_differences(database, oracle):
    """Every difference between the stream tables and the events that the oracle accepted, column
    by column."""
    found = []
    for table, (source, names) in STREAMS.items():
        expected = {}
        for event in oracle.events[source]:
            row = {name: getattr(event, ATTRIBUTES.get(name, name), None) for name in names}
            expected[_place(row)] = row
        selected = ", ".join(_stream_expression(name) for name in names)
        actual = {}
        for values in database.rows(f"SELECT {selected} FROM globalmart.{table}"):
            row = dict(zip(names, map(_stream_value, names, values)))
            if _place(row) in actual:
                found.append(f"{table}: twice {_place(row)}")
            actual[_place(row)] = row
        for place in sorted(expected.keys() - actual.keys()):
            found.append(f"{table}: missing {expected[place]}")
        for place in sorted(actual.keys() - expected.keys()):
            found.append(f"{table}: unexpected {actual[place]}")
        for place in sorted(expected.keys() & actual.keys()):
            for name in names:
                if expected[place][name] != actual[place][name]:
                    found.append(
                        f"{table}: {place}: {name} is {actual[place][name]!r},"
                        f" should be {expected[place][name]!r}"
                    )
    return found


def _place(row):
    return (row["kafka_partition"], row["kafka_offset"], row.get("line_no"))


def _stream_expression(name):
    if name == "event_time":
        return "(extract(epoch FROM event_time) * 1000000)::bigint"
    return f"{name}::text" if name in ("event_id", "session_id", "transaction_id") else name


def _stream_value(name, value):
    if value is None or name not in SCALES:
        return value
    scale = SCALES[name]
    if isinstance(value, list):
        return [int(element * scale) for element in value]
    return int(value * scale)
