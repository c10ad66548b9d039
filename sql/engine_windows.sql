-- tumble, hop and session as functions for any query.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS globalmart CASCADE;
CREATE EXTENSION globalmart;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';
\set VERBOSITY terse

--
-- tumble: windows start at whole multiples of the width since 1970, half open
--
SELECT t, w.* FROM (VALUES
  ('2026-11-20 10:00:00Z'::timestamptz), ('2026-11-20 10:00:59.999999Z'), ('2026-11-20 10:01:00Z')) AS v(t),
  globalmart.tumble(t, interval '1 minute') AS w ORDER BY t;
-- before 1970, where a remainder that truncates would be wrong
SELECT t, w.* FROM (VALUES
  ('1969-12-31 23:59:59.999999Z'::timestamptz), ('1969-12-31 23:58:00Z'), ('1970-01-01 00:00:00Z'),
  ('1900-01-01 00:00:30Z'), ('0044-03-15 12:34:56Z BC')) AS v(t),
  globalmart.tumble(t, interval '1 minute') AS w ORDER BY t;
-- a width that does not divide a day: the windows go on over midnight, and start at 1970
SELECT t, w.* FROM (VALUES
  ('1970-01-01 00:00:00Z'::timestamptz), ('1970-01-01 23:59:59Z'), ('1970-01-02 00:00:00Z'), ('2026-11-20 00:00:00Z'),
  ('1969-12-31 23:59:59Z')) AS v(t),
  globalmart.tumble(t, interval '7 minutes') AS w ORDER BY t;
SELECT extract(epoch FROM w.window_start) % 420 AS remainder
FROM globalmart.tumble('2026-11-20 00:00:00Z', interval '7 minutes') AS w;
-- widths of microseconds, and of more than a day in hours
SELECT w.* FROM globalmart.tumble('2026-11-20 10:00:00.000005Z', interval '3 microseconds') AS w;
SELECT w.* FROM globalmart.tumble('2026-11-20 10:00:00Z', interval '168 hours') AS w;
-- offset: shifts every window; more than a width, and below zero
SELECT o, w.* FROM (VALUES (interval '0'), (interval '15 seconds'), (interval '75 seconds'), (interval '-45 seconds')) AS v(o),
  globalmart.tumble('2026-11-20 10:00:10Z', interval '1 minute', o) AS w ORDER BY o;
-- a window of a row, once
SELECT count(*) AS rows, count(DISTINCT window_start) AS windows
FROM generate_series(0, 599) AS i, globalmart.tumble('2026-11-20 10:00:00Z'::timestamptz + i * interval '1 second', interval '1 minute');

--
-- hop: width / slide windows for a time, oldest first
--
SELECT w.* FROM globalmart.hop('2026-11-20 10:00:00Z', interval '3 minutes', interval '1 minute') AS w;
SELECT w.* FROM globalmart.hop('2026-11-20 10:00:59.999999Z', interval '3 minutes', interval '1 minute') AS w;
SELECT w.* FROM globalmart.hop('1969-12-31 23:59:59Z', interval '10 minutes', interval '5 minutes') AS w;
SELECT w.* FROM globalmart.hop('2026-11-20 10:00:00Z', interval '3 minutes', interval '1 minute', interval '30 seconds') AS w;
-- with slide = width it is tumble
SELECT count(*) FROM generate_series(0, 2000) AS i,
  LATERAL (SELECT '1969-12-31 20:00Z'::timestamptz + i * interval '17 seconds' AS t) AS v,
  globalmart.hop(t, interval '7 minutes', interval '7 minutes', interval '11 seconds') AS h
  JOIN globalmart.tumble(t, interval '7 minutes', interval '11 seconds') AS w USING (window_start, window_end);
-- every hop window holds its time, and there are as many as fit
SELECT count(*), bool_and(window_start <= t AND t < window_end AND window_end - window_start = interval '7 minutes') AS hold
FROM generate_series(0, 2000) AS i,
  LATERAL (SELECT '1969-12-31 20:00Z'::timestamptz + i * interval '17 seconds' AS t) AS v,
  globalmart.hop(t, interval '7 minutes', interval '1 minute', interval '11 seconds');

--
-- what is refused
--
SELECT * FROM globalmart.tumble('2026-11-20', interval '1 month');
SELECT * FROM globalmart.tumble('2026-11-20', interval '1 day');
SELECT * FROM globalmart.tumble('2026-11-20', interval '1 day 1 hour');
SELECT * FROM globalmart.tumble('2026-11-20', interval '0');
SELECT * FROM globalmart.tumble('2026-11-20', interval '-1 minute');
SELECT * FROM globalmart.tumble('2026-11-20', interval '1 minute', interval '1 month');
SELECT * FROM globalmart.hop('2026-11-20', interval '1 month', interval '1 minute');
SELECT * FROM globalmart.hop('2026-11-20', interval '1 hour', interval '1 day');
SELECT * FROM globalmart.hop('2026-11-20', interval '0', interval '1 minute');
SELECT * FROM globalmart.hop('2026-11-20', interval '1 hour', interval '0');
SELECT * FROM globalmart.hop('2026-11-20', interval '1 hour', interval '-1 minute');
SELECT * FROM globalmart.hop('2026-11-20', interval '5 minutes', interval '2 minutes');
\set VERBOSITY default
SELECT * FROM globalmart.session('2026-11-20', interval '5 minutes');
\set VERBOSITY terse

--
-- a missing or infinite time stands in no window
--
SELECT t, w.* FROM (VALUES ('infinity'::timestamptz), ('-infinity')) AS v(t), globalmart.tumble(t, interval '1 minute') AS w ORDER BY 1;
SELECT count(*) FROM globalmart.tumble(NULL, interval '1 minute');
SELECT count(*) FROM globalmart.tumble('2026-11-20', NULL);
SELECT count(*) FROM globalmart.hop('infinity', interval '2 minutes', interval '1 minute');
SELECT count(*) FROM globalmart.hop('-infinity', interval '2 minutes', interval '1 minute');
SELECT count(*) FROM globalmart.hop(NULL, interval '2 minutes', interval '1 minute');
-- the ends of the scale: an error, and never a wrong window
SELECT w.window_start FROM globalmart.tumble('4714-11-24 00:00:00Z BC', interval '7 hours') AS w;
SELECT w.* FROM globalmart.tumble('294276-12-31 23:59:59.999999Z', interval '1 minute') AS w;
SELECT count(*) FROM globalmart.hop('294276-12-31 23:59:59.999999Z', interval '3 minutes', interval '1 minute') AS w;

--
-- the session's time zone and formats change nothing
--
CREATE TEMP TABLE times AS
  SELECT '2026-03-28 22:00Z'::timestamptz + i * interval '13 minutes' AS t FROM generate_series(0, 300) AS i;
CREATE TEMP TABLE in_utc AS
  SELECT t, w.* FROM times, globalmart.tumble(t, interval '24 hours', interval '90 minutes') AS w
  UNION ALL SELECT t, w.* FROM times, globalmart.hop(t, interval '2 hours', interval '40 minutes') AS w;
SET TimeZone = 'Europe/London';
SET IntervalStyle = 'iso_8601';
SET DateStyle = 'SQL, DMY';
CREATE TEMP TABLE in_london AS
  SELECT t, w.* FROM times, globalmart.tumble(t, interval '24 hours', interval '90 minutes') AS w
  UNION ALL SELECT t, w.* FROM times, globalmart.hop(t, interval '2 hours', interval '40 minutes') AS w;
SET TimeZone = 'UTC';
RESET IntervalStyle;
SET DateStyle = 'ISO, YMD';
SELECT count(*) FROM (TABLE in_utc EXCEPT ALL TABLE in_london) AS d;
SELECT count(*) AS windows, count(DISTINCT window_start) AS starts FROM in_london;

--
-- tumble is inlined: no function scan, one row an event
--
EXPLAIN (COSTS OFF, VERBOSE)
  SELECT window_start, count(*) FROM times, globalmart.tumble(t, interval '1 hour') GROUP BY window_start;

--
-- the arithmetic of closes: greatest window end that a watermark has passed, first window start after a time
--
SELECT w, globalmart.closable_until(w, 'tumble', 60000000, 60000000, 0) AS tumble,
       globalmart.closable_until(w, 'hop', 180000000, 60000000, 0) AS hop,
       globalmart.closable_until(w, 'tumble', 60000000, 60000000, 10000000) AS shifted,
       globalmart.closable_until(w, 'session', 60000000, 60000000, 0) AS session
FROM (VALUES ('2026-11-20 10:00:00Z'::timestamptz), ('2026-11-20 10:00:59.999999Z'), ('2026-11-20 10:01:00Z'),
             ('1969-12-31 23:59:30Z'), ('-infinity'), ('infinity')) AS v(w) ORDER BY w;
SELECT t, globalmart.next_boundary(t, 'tumble', 60000000, 60000000, 0) AS tumble,
       globalmart.next_boundary(t, 'hop', 180000000, 60000000, 0) AS hop,
       globalmart.next_boundary(t, 'session', 60000000, 60000000, 0) AS session
FROM (VALUES ('2026-11-20 10:00:00Z'::timestamptz), ('2026-11-20 10:00:59.999999Z'), ('1969-12-31 23:59:30Z')) AS v(t) ORDER BY t;
