-- A rollup that fails by an expression of its own is mended by a query over the same partials: it closes the
-- windows that wait.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS globalmart CASCADE;
DROP TABLE IF EXISTS mend_ev CASCADE;
CREATE EXTENSION globalmart;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET globalmart.now = '2026-11-20 12:00:00Z';

CREATE TABLE mend_ev (
  event_time timestamptz NOT NULL, event_id uuid NOT NULL DEFAULT gen_random_uuid(), k text NOT NULL DEFAULT 'k', n int NOT NULL DEFAULT 1,
  received_at timestamptz NOT NULL DEFAULT globalmart.clock(), kafka_partition int NOT NULL DEFAULT -1,
  kafka_offset bigint NOT NULL DEFAULT nextval('globalmart.sql_row_offset'));
SELECT globalmart.create_stream('mend_ev', 'mend_ev', 'mend', NULL, 'event_time', 'event_id');
CREATE FUNCTION mend_query(selected text, windows text DEFAULT 'tumble(event_time, interval ''1 minute'')', rest text DEFAULT '')
RETURNS text LANGUAGE sql AS $$
  SELECT format('SELECT window_start, window_end, k, %s FROM public.mend_ev, globalmart.%s GROUP BY window_start, window_end, k %s', selected, windows, rest)
$$;
CREATE FUNCTION mend_union(selected text, keys text, branch text DEFAULT '-n') RETURNS text LANGUAGE sql AS $$
  SELECT format('SELECT window_start, window_end, k, n, %s FROM (SELECT event_time, k, n FROM public.mend_ev WHERE n = 7 '
    'UNION ALL SELECT event_time, k, %s FROM public.mend_ev) AS u, globalmart.tumble(event_time, interval ''1 minute'') GROUP BY window_start, window_end, %s',
    selected, branch, keys)
$$;
CREATE VIEW mend_state AS
  SELECT name, state, last_error, closed_until, (SELECT count(*) FROM globalmart.verify(name)) AS differences FROM globalmart.rollups ORDER BY name;

SELECT globalmart.create_rollup('mend_tumble', mend_query('count(*) AS events, 100 / sum(n) AS ratio'), lateness => '0');
SELECT globalmart.create_rollup('mend_hop', mend_query('sum(n) AS n, 100 / count(*) FILTER (WHERE n > 0) AS ratio', 'hop(event_time, interval ''2 minutes'', interval ''1 minute'')'), lateness => '0');
SELECT globalmart.create_rollup('mend_session', mend_query('100 / min(n) AS ratio', 'session(event_time, interval ''20 seconds'')'), lateness => '0');
SELECT globalmart.create_rollup('mend_union', mend_union('100 / sum(n) AS ratio', 'k, n'), lateness => '0');
INSERT INTO mend_ev (event_time, k, n) VALUES
  ('2026-11-20 10:00:10Z', 'a', 7), ('2026-11-20 10:00:20Z', 'b', 2), ('2026-11-20 10:01:30Z', 'c', 1);
CALL globalmart.close_windows();
SELECT * FROM mend_state;
INSERT INTO mend_ev (event_time, k, n) VALUES
  ('2026-11-20 10:02:10Z', 'a', 0), ('2026-11-20 10:02:20Z', 'b', 7), ('2026-11-20 10:05:00Z', 'a', 5);
\set VERBOSITY terse
CALL globalmart.close_windows();
\set VERBOSITY default
SELECT * FROM mend_state;
-- late for what was published, and the same after it is mended; partials in both logs
INSERT INTO mend_ev (event_time, k, n) VALUES ('2026-11-20 10:02:40Z', 'b', 100), ('2026-11-20 10:05:30Z', 'a', 5);
SELECT rollup, event_time FROM globalmart.late_events ORDER BY 1, 2;
CALL globalmart.compact_partials(0);

SELECT globalmart.alter_rollup('mend_tumble', mend_query('count(*) AS events, 100 / nullif(sum(n), 0) AS ratio'));
SELECT globalmart.alter_rollup('mend_hop', mend_query('sum(n) AS n, 100 / nullif(count(*) FILTER (WHERE n > 0), 0) AS ratio', 'hop(event_time, interval ''2 minutes'', interval ''1 minute'')'));
SELECT globalmart.alter_rollup('mend_session', mend_query('100 / min(n) AS ratio', 'session(event_time, interval ''20 seconds'')', 'HAVING min(n) > 0'));
SELECT globalmart.alter_rollup('mend_union', mend_union('100 / sum(n) AS ratio', 'n, k') || ' HAVING sum(n) <> 0');
SELECT name, state, query ~ 'nullif|HAVING' AS in_force FROM globalmart.rollups ORDER BY name;
SELECT rollup, live_from, live_until FROM globalmart.rollup_versions ORDER BY 1, 2;
SELECT k, ratio, state FROM globalmart.mend_tumble_live WHERE window_end > '2026-11-20 10:02Z' ORDER BY window_start, k;
-- folds by the mended definition, in a backend that compiles it anew, too
INSERT INTO mend_ev (event_time, k, n) VALUES ('2026-11-20 10:06:00Z', 'd', 0);
\c -
SET globalmart.now = '2026-11-20 12:00:00Z';
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
INSERT INTO mend_ev (event_time, k, n) VALUES ('2026-11-20 10:07:00Z', 'd', 0);
SELECT globalmart.resume_rollup(name) FROM globalmart.rollups;
CALL globalmart.close_windows();
SELECT * FROM mend_state;
SELECT window_start, k, events, ratio FROM globalmart.mend_tumble ORDER BY 1, 2;
SELECT window_start, k, n, ratio FROM globalmart.mend_hop ORDER BY 1, 2;
SELECT window_start, window_end, k, ratio FROM globalmart.mend_session ORDER BY 1, 3;
SELECT window_start, k, n, ratio FROM globalmart.mend_union ORDER BY 1, 2, 3;

-- What the partials cannot serve holds from the next boundary, and the windows wait for a query that fits.
SELECT globalmart.create_rollup('mend_later', mend_query('max(n) AS most, 100 / (sum(n) - 3) AS ratio'), lateness => '0');
INSERT INTO mend_ev (event_time, k, n) VALUES ('2026-11-20 10:10:10Z', 'a', 3), ('2026-11-20 10:12:00Z', 'a', 4);
\set VERBOSITY terse
CALL globalmart.close_windows();
\set VERBOSITY default
-- another aggregate, though the same state is kept for another rollup; another filter, other windows
SELECT globalmart.alter_rollup('mend_later', mend_query('max(n) AS most, count(*) AS ratio'));
SELECT globalmart.alter_rollup('mend_later', replace(mend_query('max(n) AS most, sum(n) AS ratio'), 'GROUP', 'WHERE n > 0 GROUP'));
SELECT globalmart.alter_rollup('mend_later', mend_query('max(n) AS most, sum(n) AS ratio', 'tumble(event_time, interval ''2 minutes'')'));
SELECT live_from, live_until FROM globalmart.rollup_versions WHERE rollup = 'mend_later' ORDER BY version_id;
-- a query that fits mends what waits; the one in force stays
SELECT globalmart.alter_rollup('mend_later', mend_query('max(n) AS most, 100 / nullif(sum(n) - 3, 0) AS ratio'));
SELECT state, query ~ '2 minutes' AS in_force FROM globalmart.rollups WHERE name = 'mend_later';
SELECT globalmart.resume_rollup('mend_later');
INSERT INTO mend_ev (event_time, k, n) VALUES ('2026-11-20 10:13:10Z', 'a', 3), ('2026-11-20 10:20:00Z', 'a', 4);
CALL globalmart.close_windows();
CALL globalmart.close_windows();
SELECT window_start, window_end, k, most, ratio FROM globalmart.mend_later ORDER BY 1, 3;
-- one that is not failed is changed at a boundary, whatever fits
SELECT globalmart.pause_rollup('mend_later');
SELECT globalmart.alter_rollup('mend_later', mend_query('max(n) AS most, sum(n) + 1000 AS ratio', 'tumble(event_time, interval ''2 minutes'')'));
SELECT globalmart.resume_rollup('mend_later');
INSERT INTO mend_ev (event_time, k, n) VALUES ('2026-11-20 10:25:00Z', 'a', 4), ('2026-11-20 10:30:00Z', 'a', 4);
CALL globalmart.close_windows();
SELECT window_start, window_end, k, most, ratio FROM globalmart.mend_later WHERE window_start >= '2026-11-20 10:20Z' ORDER BY 1, 3;
SELECT * FROM mend_state;
