"""Events whose content follows from their time, by SQL and as the bridge stores them."""

from contextlib import closing

START = "2026-11-19 23:00:00+00"
TOPIC = "transactions-topic"
PARTITIONS = [0, 1]

BY_SQL = {
    "transactions": """
        INSERT INTO globalmart.transactions
          (event_time, transaction_id, user_id, total_amount, discount_amount, payment_method, country)
        SELECT t, md5('order ' || n)::uuid, 'USER_' || n * 7 % 23, (n * 977 % 800000) / 100.0,
               CASE WHEN n % 5 = 0 THEN 1.25 END, (ARRAY['PayPal', 'Debit Card'])[1 + n % 2],
               (ARRAY['USA', 'UK', 'Norway'])[1 + n % 3]
        FROM {times}""",
    "transaction_items": """
        INSERT INTO globalmart.transaction_items
          (event_time, transaction_id, line_no, quantity, product_id, price, user_id, total_amount,
           payment_method, country)
        SELECT t, md5('order ' || n)::uuid, line, 1 + (n * line) % 4 + CASE WHEN n % 41 = 0 THEN 60 ELSE 0 END,
               'PROD_' || (n + line) % 9, (n % 300) / 7.0, 'USER_' || n * 7 % 23, (n * 977 % 800000) / 100.0,
               (ARRAY['PayPal', 'Debit Card'])[1 + n % 2], (ARRAY['USA', 'UK', 'Norway'])[1 + n % 3]
        FROM {times}, generate_series(1, 2) AS line""",
    "cart_events": """
        INSERT INTO globalmart.cart_events
          (event_time, event_id, session_id, event_type, user_id, country, product_id, quantity, cart_value)
        SELECT t, md5('cart ' || n)::uuid, md5('visit ' || n % 11)::uuid,
               (ARRAY['add_to_cart', 'remove_from_cart', 'update_quantity', 'checkout'])[1 + n * 3 % 4],
               'USER_' || n % 11, 'UK', 'PROD_' || n % 9, n % 5, (n % 400) / 4.0
        FROM {times}""",
    "product_view_events": """
        INSERT INTO globalmart.product_view_events
          (event_time, event_id, session_id, event_type, user_id, country, product_id, product_name, category,
           price, view_duration, search_query, results_count)
        SELECT t, md5('view ' || n)::uuid, md5('visit ' || n % 11)::uuid,
               CASE WHEN n % 4 = 0 THEN 'search' ELSE 'view' END, 'USER_' || n % 11, 'USA',
               CASE WHEN n % 4 > 0 THEN 'PROD_' || n % 9 END, CASE WHEN n % 4 > 0 THEN 'Toy ' || n % 9 END,
               CASE WHEN n % 4 > 0 THEN 'Toys' END, CASE WHEN n % 4 > 0 THEN (n % 90) / 3.0 END, (n % 50) / 3.0,
               CASE WHEN n % 4 = 0 THEN (ARRAY['ball', 'Möbel'])[1 + n / 4 % 2] END, n % 3
        FROM {times}""",
    "inventory_events": """
        INSERT INTO globalmart.inventory_events
          (event_time, event_id, event_type, product_id, country, stock_level, delta, old_price, new_price)
        SELECT t, md5('stock ' || n)::uuid, CASE WHEN n % 3 = 0 THEN 'price_change' ELSE 'stock_update' END,
               'PROD_' || n % 9, 'UK', CASE WHEN n % 3 > 0 THEN n % 200 END, CASE WHEN n % 3 > 0 THEN -1 END,
               CASE WHEN n % 3 = 0 THEN 9.99 END, CASE WHEN n % 3 = 0 THEN (n % 70) / 2.0 END
        FROM {times}""",
    "returns": """
        INSERT INTO app.returns (event_time, return_id, user_id, amount, reason)
        SELECT t, md5('return ' || n)::uuid, 'USER_' || n % 13, (n * 37 % 50000) / 100.0,
               (ARRAY['broken', 'wrong size', NULL])[1 + n % 3]
        FROM {times}""",
    "user_changes": """
        INSERT INTO globalmart.user_changes (event_time, user_id, deleted, country)
        SELECT t, 'USER_' || n % 23, n % 7 = 0, CASE WHEN n % 7 > 0 THEN 'Norway' END
        FROM {times} WHERE n % 10 = 0""",
    "product_changes": """
        INSERT INTO globalmart.product_changes (event_time, product_id, deleted, product_name, category, price)
        SELECT t, 'PROD_' || n % 9, false, 'Toy ' || n % 9, 'Toys', (n % 90) / 3.0
        FROM {times} WHERE n % 10 = 0""",
}
ADVANCE = """
    SELECT globalmart.advance_offsets(%s, %s, %s, %s::bigint[], %s, %s::timestamptz[],
                                      %s::timestamptz[], %s, '{f,f}', %s, '{0,0}', %s)"""
INTO_LEAF = """
    INSERT INTO globalmart.{leaf} (event_time, transaction_id, user_id, total_amount, payment_method, country,
                                   kafka_partition, kafka_offset)
    SELECT t, md5('message ' || p || n)::uuid, 'USER_' || n * 5 % 23, (n * 331 % 700000) / 100.0, 'PayPal', 'UK',
           p, n / 5
    FROM {times}, generate_series(0, 1) AS p WHERE n % 5 = 0"""


class Feed:
    """`epochs`, `offsets`: of the partitions, as a bridge remembers them."""

    def __init__(self, database, epochs=None, offsets=None):
        self.database = database
        self.epochs, self.offsets = epochs, offsets

    @classmethod
    def known(cls, database):
        """What the bridge that was at work when the dump was made remembers."""
        rows = database.rows(
            "SELECT epoch, next_offset FROM globalmart.kafka_offsets WHERE topic = %s ORDER BY kafka_partition",
            TOPIC,
        )
        return cls(database, [epoch for epoch, _ in rows], [offset for _, offset in rows])

    def elsewhere(self, database):
        """The same bridge at another database, without claiming anew."""
        return Feed(database, self.epochs, self.offsets)

    def claim(self):
        with closing(self.database.connect("bridge")) as connection:
            cursor = connection.cursor()
            cursor.execute(
                "SELECT epoch, next_offset FROM globalmart.claim_partitions(%s, %s, 'test bridge')"
                " ORDER BY kafka_partition",
                (TOPIC, PARTITIONS),
            )
            rows = cursor.fetchall()
        self.epochs = [epoch for epoch, _ in rows]
        self.offsets = [offset for _, offset in rows]

    def minutes(self, first, count):
        """Events of `count` minutes from the `first` one after START: 12 a minute and stream."""
        for statement in BY_SQL.values():
            self.database.execute(statement.format(times=times(first, count)))
        self.messages(first, count)

    def late(self, first):
        """A minute of events once more behind, and one of a day that has no partition."""
        for stream, statement in BY_SQL.items():
            if "changes" not in stream:
                self.database.execute(statement.format(times=times(first, 1, 500_000)))
        self.database.execute(
            BY_SQL["transactions"].format(
                times=f"(SELECT timestamptz '2026-11-16 10:00+00' AS t, {900_000 + first} AS n) AS old"
            )
        )

    def messages(self, first, count):
        """A batch as the bridge stores it: offsets first, then rows into their leaf, and one message that
        cannot be applied."""
        last = (first + count) * 12 // 5 + 1
        with closing(self.database.connect("bridge")) as connection:
            connection.autocommit = False
            cursor = connection.cursor()
            cursor.execute("SELECT timestamptz %s + make_interval(mins => %s)", (START, first + count))
            newest = cursor.fetchone()[0]
            cursor.execute(
                ADVANCE,
                (TOPIC, PARTITIONS, self.epochs, self.offsets, [last, last], [newest, newest], [newest, newest],
                 [first + 1, first + 2], [count, count], [1, 0]),
            )  # fmt: skip
            # Half of a batch may be of the next day: a leaf each.
            cursor.execute(
                "SELECT leaf, day FROM globalmart.stream_leaves('transactions')"
                " WHERE day IN ('2026-11-19', '2026-11-20') ORDER BY day"
            )
            for leaf, day in cursor.fetchall():
                of_day = (
                    f"(SELECT * FROM {times(first, count)}"
                    f" WHERE (t AT TIME ZONE 'UTC')::date = '{day}') AS of_day"
                )
                cursor.execute(INTO_LEAF.format(leaf=leaf, times=of_day))
            cursor.execute(
                "INSERT INTO globalmart.dead_letters (topic, kafka_partition, kafka_offset, reason, detail, key, value)"
                " VALUES (%s, 0, %s, 'missing_member', 'timestamp', 'k', %s)",
                (TOPIC, last - 1, b"{}\x00\xff\\"),
            )
            connection.commit()
            self.offsets = [last, last]

    def dead_letters(self):
        """One redrive is asked for, and no bridge has applied it yet."""
        with closing(self.database.connect("keeper")) as connection:
            connection.cursor().execute(
                "SELECT globalmart.redrive_dead_letter(topic, kafka_partition, kafka_offset, '{\"mended\": 1}')"
                " FROM globalmart.dead_letters ORDER BY kafka_offset LIMIT 1"
            )

    def redrive(self):
        """Takes what waits and finishes it; gives what it took."""
        with closing(self.database.connect("bridge")) as connection:
            connection.autocommit = False
            cursor = connection.cursor()
            cursor.execute(
                "SELECT redrive_id, kafka_partition, kafka_offset, value"
                " FROM globalmart.take_redrives(%s, %s, %s, 10)",
                (TOPIC, PARTITIONS, self.epochs),
            )
            taken = cursor.fetchall()
            ids = [row[0] for row in taken]
            cursor.execute(
                "SELECT globalmart.finish_redrives(%s::bigint[], %s::text[], %s::text[], %s::text[])",
                (ids, ["applied"] * len(ids), [None] * len(ids), [None] * len(ids)),
            )
            connection.commit()
        return [(partition, offset, bytes(value)) for _, partition, offset, value in taken]


def times(first, count, numbers_from=0):
    """FROM item of (t, n): every five seconds, over `count` minutes."""
    return (
        f"(SELECT timestamptz '{START}' + make_interval(secs => 5 * i) AS t, {numbers_from} + i AS n"
        f" FROM generate_series({first * 12}, {(first + count) * 12 - 1}) AS i) AS times"
    )
