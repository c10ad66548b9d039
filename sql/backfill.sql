-- backfill_rollup says what it did not fill, and why; what it filled is compared as the rest.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS globalmart CASCADE;
DROP TABLE IF EXISTS fill_ev CASCADE;
CREATE EXTENSION globalmart;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET globalmart.now = '2026-11-20 12:00:00Z';
CREATE TABLE fill_ev (event_time timestamptz NOT NULL, event_id uuid NOT NULL DEFAULT gen_random_uuid(), k text NOT NULL DEFAULT 'k');
SELECT globalmart.add_message_columns('fill_ev');
SELECT globalmart.create_stream('fill_ev', 'fill_ev', 'fill', NULL, 'event_time', 'event_id');
CREATE FUNCTION fill_query(windows text) RETURNS text LANGUAGE sql AS $$
  SELECT format('SELECT window_start, window_end, k, count(*) AS events FROM public.fill_ev, globalmart.%s GROUP BY window_start, window_end, k', windows)
$$;

-- live from the first event, and before it
SELECT globalmart.create_rollup('f_early', fill_query('tumble(event_time, interval ''1 minute'')'));
CALL globalmart.backfill_rollup('f_early');
INSERT INTO fill_ev (event_time) SELECT t FROM generate_series(timestamptz '2026-11-20 10:00:30Z', '2026-11-20 10:09:30Z', interval '1 minute') AS t;
CALL globalmart.backfill_rollup('f_early');

-- the last windows are not complete: it says so, and what to do
SELECT globalmart.create_rollup('f_minutes', fill_query('tumble(event_time, interval ''1 minute'')'), lateness => interval '2 minutes');
SELECT globalmart.create_rollup('f_hops', fill_query('hop(event_time, interval ''2 minutes'', interval ''1 minute'')'), lateness => interval '2 minutes');
SELECT globalmart.create_rollup('f_sessions', fill_query('session(event_time, interval ''90 seconds'')'), lateness => interval '2 minutes');
SELECT globalmart.create_rollup('f_patient', fill_query('tumble(event_time, interval ''1 minute'')'), lateness => interval '1 hour');
CALL globalmart.backfill_rollup('f_minutes');
CALL globalmart.backfill_rollup('f_hops');
CALL globalmart.backfill_rollup('f_sessions');
CALL globalmart.backfill_rollup('f_patient');
CALL globalmart.backfill_rollup('f_minutes');
SELECT rollup, filled_until, ends FROM globalmart.backfills ORDER BY rollup;

-- newer events
INSERT INTO fill_ev (event_time) VALUES ('2026-11-20 10:15:30Z');
CALL globalmart.backfill_rollup('f_minutes');
CALL globalmart.backfill_rollup('f_hops');
CALL globalmart.backfill_rollup('f_sessions');
SELECT rollup, filled_until, ends FROM globalmart.backfills ORDER BY rollup;
CALL globalmart.backfill_rollup('f_minutes');
CALL globalmart.close_windows();
SELECT name, (SELECT count(*) FROM globalmart.verify(name)) AS differences FROM unnest(ARRAY['f_minutes', 'f_hops', 'f_sessions']) AS name;
SELECT window_start, window_end, events FROM globalmart.f_minutes ORDER BY 1;
SELECT window_start, window_end, events FROM globalmart.f_hops ORDER BY 1;
SELECT window_start, window_end, events FROM globalmart.f_sessions ORDER BY 1;

-- filled windows are compared as any others
UPDATE globalmart.f_minutes SET events = 99 WHERE window_start = '2026-11-20 10:00Z';
UPDATE globalmart.f_hops SET events = 99 WHERE window_start = '2026-11-20 10:00Z';
DELETE FROM globalmart.f_sessions;
SELECT difference, row_data ->> 'window_start' AS window_start, row_data ->> 'events' AS events FROM globalmart.verify('f_minutes');
SELECT difference, row_data ->> 'window_start' AS window_start, row_data ->> 'events' AS events FROM globalmart.verify('f_hops');
SELECT difference, row_data ->> 'window_start' AS window_start, row_data ->> 'events' AS events FROM globalmart.verify('f_sessions');

-- rows that are gone: windows before or in the gap are passed over, and named
DELETE FROM fill_ev WHERE event_time < '2026-11-20 10:03Z';
SELECT globalmart.record_dropped_span('fill_ev', '2026-11-20 10:00Z', '2026-11-20 10:03Z');
DELETE FROM fill_ev WHERE event_time BETWEEN '2026-11-20 10:06Z' AND '2026-11-20 10:07Z';
SELECT globalmart.record_dropped_span('fill_ev', '2026-11-20 10:06Z', '2026-11-20 10:07Z');
SELECT globalmart.create_rollup('g_minutes', fill_query('tumble(event_time, interval ''1 minute'')'));
SELECT globalmart.create_rollup('g_hops', fill_query('hop(event_time, interval ''2 minutes'', interval ''1 minute'')'));
SELECT globalmart.create_rollup('g_sessions', fill_query('session(event_time, interval ''90 seconds'')'));
INSERT INTO fill_ev (event_time) VALUES ('2026-11-20 10:25:30Z');
CALL globalmart.backfill_rollup('g_minutes');
CALL globalmart.backfill_rollup('g_hops');
CALL globalmart.backfill_rollup('g_sessions');
SELECT window_start, window_end, events FROM globalmart.g_minutes ORDER BY 1;
SELECT window_start, window_end, events FROM globalmart.g_hops ORDER BY 1;
SELECT window_start, window_end, events FROM globalmart.g_sessions ORDER BY 1;
-- such a span is not compared; what follows it is
\set VERBOSITY sqlstate
SELECT count(*) FROM globalmart.verify('g_hops');
SELECT count(*) FROM globalmart.verify('g_hops', '2026-11-20 10:07Z');
SELECT count(*) FROM globalmart.verify('g_sessions', '2026-11-20 10:00Z');
\set VERBOSITY default
SELECT count(*) FROM globalmart.verify('g_hops', '2026-11-20 10:08Z');
SELECT count(*) FROM globalmart.verify('g_minutes', '2026-11-20 10:07Z');

SET client_min_messages = warning;
DROP EXTENSION globalmart CASCADE;
DROP TABLE fill_ev;
DROP FUNCTION fill_query;
