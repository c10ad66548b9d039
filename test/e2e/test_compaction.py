"""Compaction of the partial logs while sessions are open: a session that began in the log that is
emptied and goes on in the other keeps its beginning."""

from harness import generated, tables
from oracle import instants

INSERT = """
INSERT INTO globalmart.product_view_events
  (event_time, event_id, session_id, event_type, user_id, country, search_query, results_count)
VALUES (%s::timestamptz, gen_random_uuid(), gen_random_uuid(), 'search', %s, 'UK', 'lamp', 1)
"""


def search(database, time, user):
    database.execute(INSERT, f"2026-11-20T{time}Z", user)


def sessions(database):
    return [
        (row["user_id"], instants.show(row["session_start"])[11:16], row["events"])
        for row in tables.read(database, "user_sessions")
        if row["user_id"] != "USER_9"
    ]


def exchange_logs(database):
    database.execute("SELECT globalmart.switch_logs(0)")


def drain_logs(database):
    database.execute("SELECT globalmart.wait_for_folds()")
    database.execute("SELECT globalmart.drain_logs()")


def test_a_session_goes_on_in_the_other_log(database):
    database.set_clock(generated.CLOCK)
    search(database, "10:00", "USER_1")
    search(database, "10:05", "USER_2")
    search(database, "10:50", "USER_2")
    search(database, "10:02", "USER_3")
    exchange_logs(database)
    search(database, "10:25", "USER_1")  # the same session as before
    search(database, "10:29", "USER_2")  # joins the two before into one
    search(database, "10:45", "USER_9")  # moves the watermark past the end of what came first
    database.close_windows()
    drain_logs(database)
    assert sessions(database) == [("USER_3", "10:02", 1)]
    search(database, "14:00", "USER_9")
    database.close_windows()
    assert sorted(sessions(database)) == [
        ("USER_1", "10:00", 2),
        ("USER_2", "10:05", 3),
        ("USER_3", "10:02", 1),
    ]
    assert database.rows("SELECT * FROM globalmart.verify('user_sessions')") == []
