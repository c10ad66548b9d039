"""Looks at the database again and again while something runs."""

import threading

AHEAD = """
SELECT r.name, r.closed_until::text
FROM globalmart.rollups r JOIN globalmart.rollup_catalog c USING (name)
WHERE isfinite(r.closed_until)
  AND r.closed_until > c.lateness * -1 + (
        SELECT min(p.max_event_time) FROM globalmart.partition_progress p
        WHERE p.domain = c.domain)
"""


class ClosedUntilWatch:
    """In every snapshot: no rollup is closed further than the least, over the partitions of its domain, of
    their greatest committed event times, less its lateness. Without idle partitions, which go on with the
    clock."""

    def __init__(self, database):
        self._database = database
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.samples = 0
        self.violations = []
        self.error = None

    def _watch(self):
        try:
            connection = self._database.connect()
            cursor = connection.cursor()
            while True:
                last = self._ended.is_set()
                cursor.execute(AHEAD)
                self.violations += cursor.fetchall()
                self.samples += 1
                if last:
                    break
                self._ended.wait(0.05)
            connection.close()
        except Exception as error:  # shown by the thread that waits for this one
            self.error = error

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()
        if self.error is not None:
            raise self.error
