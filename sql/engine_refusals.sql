-- What the engine cannot run is refused at creation: SQLSTATE 0A000, the part of the query that is meant, a hint.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS globalmart CASCADE;
DROP TABLE IF EXISTS refused_ev, refused_other, refused_plain, refused_third, refused_unlogged, refused_parted CASCADE;
DROP TYPE IF EXISTS refused_pair;
CREATE EXTENSION globalmart;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET globalmart.now = '2026-11-20 12:00:00Z';

CREATE TYPE refused_pair AS (a int, b int);
CREATE TABLE refused_ev (
  event_time timestamptz NOT NULL, event_id uuid NOT NULL, k text NOT NULL, n int, x double precision, r real, j jsonb, tags text[],
  pair refused_pair, i interval, m money, other_time timestamptz NOT NULL DEFAULT now(), ip inet, t time, b bit(3),
  received_at timestamptz NOT NULL DEFAULT globalmart.clock(), kafka_partition int NOT NULL DEFAULT -1,
  kafka_offset bigint NOT NULL DEFAULT nextval('globalmart.sql_row_offset'));
CREATE TABLE refused_other (LIKE refused_ev INCLUDING DEFAULTS);
CREATE TABLE refused_plain (k text, event_time timestamptz);
CREATE TABLE refused_third (LIKE refused_ev INCLUDING DEFAULTS);
CREATE UNLOGGED TABLE refused_unlogged (LIKE refused_ev INCLUDING DEFAULTS);
CREATE TEMPORARY TABLE refused_temporary (LIKE refused_ev INCLUDING DEFAULTS);
CREATE VIEW refused_view AS SELECT * FROM refused_third;
CREATE TABLE refused_parted (LIKE refused_ev INCLUDING DEFAULTS) PARTITION BY RANGE (event_time);
CREATE TABLE refused_leaf PARTITION OF refused_parted DEFAULT;
CREATE VIEW globalmart.refused_taken_live AS SELECT 1 AS one;
SELECT globalmart.create_stream('refused_ev', 'refused_ev', 'refused', NULL, 'event_time', 'event_id');
SELECT globalmart.create_stream('refused_other', 'refused_other', 'refused_other', NULL, 'event_time', 'event_id');
SELECT globalmart.create_stream('refused_parted', 'refused_parted', 'refused', NULL, 'event_time', 'event_id');

-- create_rollup or create_detector with these, and what it answers
CREATE FUNCTION answer(statement text) RETURNS TABLE (answer text) LANGUAGE plpgsql AS $$
DECLARE
  message text; detail text; hint text;
BEGIN
  EXECUTE statement;
  RAISE EXCEPTION SQLSTATE 'TT000' USING MESSAGE = 'accepted';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RETURN QUERY VALUES (SQLSTATE || ': ' || message), ('  ' || detail), ('  ' || hint);
END
$$;
CREATE FUNCTION rollup(query text) RETURNS TABLE (answer text) LANGUAGE sql AS $$
  SELECT answer(format('SELECT globalmart.create_rollup(''refused_rollup'', %L)', replace(replace(query, 'W1', 'window_start, window_end'),
    'EV', 'public.refused_ev, globalmart.tumble(event_time, interval ''1 minute'')')))
$$;
CREATE FUNCTION detector(query text) RETURNS TABLE (answer text) LANGUAGE sql AS $$
  SELECT answer(format('SELECT globalmart.create_detector(''refused_detector'', %L)', query))
$$;
\pset format unaligned
\pset tuples_only on

\echo -- not a SELECT, not one statement, not SQL
SELECT rollup('SELEC 1');
SELECT rollup('SELECT 1; SELECT 2');
SELECT rollup('DELETE FROM public.refused_ev');
SELECT rollup('');
SELECT rollup('VALUES (1)');
SELECT rollup('SELECT missing FROM EV GROUP BY W1');
\echo -- no window, no stream, something beside it
SELECT rollup('SELECT k, count(*) FROM public.refused_ev GROUP BY k');
SELECT rollup('SELECT W1, k, count(*) FROM public.refused_plain, globalmart.tumble(event_time, interval ''1 minute'') GROUP BY W1, k');
SELECT rollup('SELECT W1, e.k, count(*) FROM public.refused_ev AS e JOIN public.refused_plain AS p ON e.k = p.k, globalmart.tumble(e.event_time, interval ''1 minute'') GROUP BY W1, e.k');
SELECT rollup('SELECT W1, e.k, count(*) FROM public.refused_ev AS e LEFT JOIN globalmart.tumble(event_time, interval ''1 minute'') ON true GROUP BY W1, e.k');
SELECT rollup('SELECT W1, count(*) FROM generate_series(now(), now(), interval ''1 day'') AS g(event_time), globalmart.tumble(event_time, interval ''1 minute'') GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM (SELECT event_time FROM public.refused_ev LIMIT 5) AS e, globalmart.tumble(event_time, interval ''1 minute'') GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM (SELECT event_time FROM public.refused_ev UNION SELECT event_time FROM public.refused_ev) AS e, globalmart.tumble(event_time, interval ''1 minute'') GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM (SELECT event_time FROM public.refused_ev UNION ALL SELECT event_time FROM public.refused_other) AS e, globalmart.tumble(event_time, interval ''1 minute'') GROUP BY W1');
SELECT rollup('SELECT W1, v, count(*) FROM (SELECT event_time, k AS v FROM public.refused_ev UNION ALL SELECT event_time, n::varchar FROM public.refused_ev) AS e, globalmart.tumble(event_time, interval ''1 minute'') GROUP BY W1, v');
SELECT rollup('SELECT W1, count(*) FROM (SELECT event_time FROM public.refused_ev UNION ALL SELECT event_time FROM public.refused_ev) AS e, globalmart.hop(event_time, interval ''2 minutes'', interval ''1 minute'') GROUP BY W1');
\echo -- windows that are none
SELECT rollup('SELECT W1, count(*) FROM public.refused_ev, globalmart.tumble(other_time, interval ''1 minute'') GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM public.refused_ev, globalmart.tumble(event_time + interval ''1 hour'', interval ''1 minute'') GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM public.refused_ev, globalmart.tumble(event_time, i) GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM public.refused_ev, globalmart.tumble(event_time, NULL) GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM public.refused_ev, globalmart.tumble(event_time, interval ''1 month'') GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM public.refused_ev, globalmart.tumble(event_time, interval ''1 day'') GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM public.refused_ev, globalmart.tumble(event_time, interval ''0'') GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM public.refused_ev, globalmart.hop(event_time, interval ''5 minutes'', interval ''2 minutes'') GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM public.refused_ev, globalmart.session(event_time, interval ''-1 minute'') GROUP BY W1');
SELECT rollup('SELECT a.window_start, a.window_end, count(*) FROM public.refused_ev, globalmart.tumble(event_time, interval ''1 minute'') AS a, globalmart.tumble(event_time, interval ''2 minutes'') AS b GROUP BY 1, 2');
\echo -- groups
SELECT rollup('SELECT W1 FROM EV');
SELECT rollup('SELECT window_start, count(*) FROM EV GROUP BY window_start');
SELECT rollup('SELECT k, count(*) FROM EV GROUP BY k');
SELECT rollup('SELECT W1, k, count(*) FROM EV GROUP BY ROLLUP (window_start, window_end, k)');
SELECT rollup('SELECT W1, k, count(*) FROM EV GROUP BY GROUPING SETS ((window_start, window_end), (window_start, window_end, k))');
SELECT rollup('SELECT W1, count(*) FROM EV GROUP BY W1, date_trunc(''hour'', window_start)');
SELECT rollup('SELECT W1, count(*) FROM EV WHERE window_start > ''2026-01-01'' GROUP BY W1');
SELECT rollup('SELECT W1, j, count(*) FROM EV GROUP BY W1, j');
SELECT rollup('SELECT W1, tags, count(*) FROM EV GROUP BY W1, tags');
SELECT rollup('SELECT W1, i, count(*) FROM EV GROUP BY W1, i');
SELECT rollup('SELECT W1, ip, count(*) FROM EV GROUP BY W1, ip');
SELECT rollup('SELECT W1, pair, count(*) FROM EV GROUP BY W1, pair');
SELECT rollup('SELECT W1, event_time::text AS t, count(*) FROM EV GROUP BY W1, event_time::text');
SELECT rollup('SELECT W1, random() < 0.5 AS coin, count(*) FROM EV GROUP BY W1, random() < 0.5');
\echo -- output
SELECT rollup('SELECT window_start, k, count(*) FROM EV GROUP BY W1, k');
SELECT rollup('SELECT window_start AS started, window_end, count(*) FROM EV GROUP BY W1');
SELECT rollup('SELECT window_end AS window_start, window_start AS window_end, count(*) FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, count(*), count(k) FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, count(*) AS created_at FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, count(*) AS state FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, now() AS n FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, CURRENT_DATE AS n FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, n, now() - window_end AS age FROM (SELECT W1, count(*) AS n FROM EV GROUP BY W1) AS g');
SELECT rollup('SELECT W1, clock_timestamp() AS n FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, current_setting(''application_name'') AS a FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, current_setting(''missing.setting'', true) AS a FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, n FROM (SELECT W1, count(*) AS n FROM EV GROUP BY W1) AS g WHERE n > pg_backend_pid()');
SELECT rollup('SELECT W1, inet_client_addr() AS a FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, (SELECT session_user) AS a FROM (SELECT W1 FROM EV GROUP BY W1) AS g');
SELECT rollup('SELECT W1, current_database() AS a FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, current_schemas(true) AS a FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, has_table_privilege(''pg_class'', ''SELECT'') AS a FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, age(window_start) AS a FROM EV GROUP BY W1');
\echo -- what cannot be compared
SELECT rollup('SELECT W1, json_build_object(''n'', count(*)) AS j FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, ARRAY[to_json(count(*))] AS j FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, j FROM (SELECT W1, point(count(*), 0) AS j FROM EV GROUP BY W1) AS g');
\echo -- the innermost level
SELECT rollup('SELECT DISTINCT W1, k FROM EV GROUP BY W1, k');
SELECT rollup('SELECT W1, k, count(*) FROM EV GROUP BY W1, k LIMIT 3');
SELECT rollup('SELECT W1, k, rank() OVER (ORDER BY count(*)) FROM EV GROUP BY W1, k');
SELECT rollup('SELECT W1, unnest(array_agg(k)) FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM EV WHERE k IN (SELECT k FROM public.refused_plain) GROUP BY W1');
SELECT rollup('SELECT W1, (SELECT count(*) FROM public.refused_plain) AS c FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM EV WHERE event_time > now() GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM EV WHERE to_char(event_time, ''HH24'') = ''10'' GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM EV WHERE random() < 0.5 GROUP BY W1');
\echo -- aggregates
SELECT rollup('SELECT W1, string_agg(k, '','') FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, array_agg(n) FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, stddev(n) FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, sum(x) FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, avg(r) FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, sum(i) FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, sum(m) FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, sum(DISTINCT n) FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, avg(DISTINCT n) FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, count(DISTINCT j) FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, max(ip) FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, max(i) FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, max(tags) FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, count(k ORDER BY k) FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, bit_and(n) FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, max(n + EXTRACT(hour FROM now())) FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FILTER (WHERE event_time < now()) FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, max(extract(epoch FROM event_time - window_start)) FROM EV GROUP BY W1');
\echo -- levels above
SELECT rollup('WITH g AS (SELECT W1, count(*) AS n FROM EV GROUP BY W1) SELECT W1, n FROM g');
SELECT rollup('SELECT g.window_start, g.window_end, g.n FROM (SELECT W1, k, count(*) AS n FROM EV GROUP BY W1, k) AS g JOIN public.refused_plain AS p ON p.k = g.k');
SELECT rollup('SELECT W1, count(*) AS n FROM EV GROUP BY W1 UNION ALL SELECT W1, count(*) FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, n, random() AS r FROM (SELECT W1, count(*) AS n FROM EV GROUP BY W1) AS g');
SELECT rollup('SELECT W1, n FROM (SELECT W1, count(*) AS n FROM EV GROUP BY W1) AS g FOR UPDATE');
SELECT rollup('SELECT max(window_start) AS window_start, max(window_end) AS window_end, sum(n) AS n FROM (SELECT W1, count(*) AS n FROM EV GROUP BY W1) AS g');
\echo -- detectors
SELECT detector('SELECT event_time, event_id, count(*) FROM public.refused_ev GROUP BY 1, 2');
SELECT detector('SELECT DISTINCT event_id FROM public.refused_ev');
SELECT detector('SELECT event_id FROM public.refused_ev LIMIT 1');
SELECT detector('SELECT event_id FROM public.refused_ev ORDER BY n');
SELECT detector('SELECT e.event_id FROM public.refused_ev AS e, public.refused_plain AS p');
SELECT detector('SELECT k FROM public.refused_plain');
SELECT detector('SELECT event_id FROM public.refused_ev WHERE n > (SELECT 1)');
SELECT detector('SELECT event_id FROM public.refused_ev WHERE other_time > now()');
SELECT detector('SELECT event_id, now() AS found FROM public.refused_ev');
SELECT detector('SELECT event_id, random() AS r FROM public.refused_ev');
SELECT detector('SELECT event_id, pg_backend_pid() AS p FROM public.refused_ev');
SELECT detector('SELECT event_id, rank() OVER () FROM public.refused_ev');
SELECT detector('SELECT event_id, n AS created_at FROM public.refused_ev');
SELECT detector('SELECT event_id, n, k AS n FROM public.refused_ev');
SELECT detector('SELECT FROM public.refused_ev');
SELECT detector('DELETE FROM public.refused_ev');
SELECT detector('WITH x AS (SELECT 1) SELECT event_id FROM public.refused_ev');
SELECT detector('SELECT event_id FROM public.refused_ev UNION ALL SELECT event_id FROM public.refused_ev');
\echo -- sizes
SELECT rollup('SELECT W1, count(*) FROM public.refused_ev, globalmart.tumble(event_time, interval ''-1 minute'') GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM public.refused_ev, globalmart.hop(event_time, interval ''0'', interval ''1 minute'') GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM public.refused_ev, globalmart.hop(event_time, interval ''1 minute'', interval ''0'') GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM public.refused_ev, globalmart.hop(event_time, interval ''1 minute'', interval ''-1 minute'') GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM public.refused_ev, globalmart.hop(event_time, interval ''1 minute'', interval ''2 minutes'') GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM public.refused_ev, globalmart.session(event_time, interval ''0'') GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM public.refused_ev, globalmart.session(event_time, interval ''2 days'') GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM public.refused_ev, globalmart.tumble(event_time, interval ''1 minute'', interval ''1 day'') GROUP BY W1');
\echo -- what the parser refuses keeps its SQLSTATE
SELECT rollup('SELECT W1, count(*) FROM EV GROUP BY W1, ');
SELECT rollup('SELEC W1');
SELECT rollup('');
SELECT rollup('SELECT 1; SELECT 2');
SELECT rollup('SELECT W1, missing FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, k FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM public.refused_missing, globalmart.tumble(event_time, interval ''1 minute'') GROUP BY W1');
SELECT rollup('SELECT W1, sum(k) FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM public.refused_ev, globalmart.tumble(event_time) GROUP BY W1');
SELECT rollup('SELECT W1, count(*) FROM public.refused_ev, globalmart.tumble(event_time, ''ünd so'') GROUP BY W1');
SELECT rollup('SELECT W1, ''üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü'' AS ü FROM EV GROUP BY W1 öööööööööööööööööööööööööööööööööööööööööööööööööööööööööööööööööööö');
SELECT detector('SELECT event_id FROM');
SELECT detector('SELECT event_id FROM public.refused_missing');
-- with the place in the query
\set VERBOSITY default
SELECT globalmart.create_rollup('refused_rollup', 'SELECT window_start, window_end, missing
  FROM public.refused_ev, globalmart.tumble(event_time, interval ''1 minute'') GROUP BY window_start, window_end');
SELECT globalmart.create_detector('refused_detector', 'SELECT event_id FROM public.refused_ev WHERE');
\echo -- a detector is not a rollup
SELECT globalmart.create_detector('refused_found', 'SELECT event_time, event_id FROM public.refused_ev WHERE n > 5');
SELECT answer('SELECT globalmart.verify(''refused_found'')'), answer('SELECT globalmart.closed_until(''refused_found'')');
SELECT answer('SELECT globalmart.verify(''refused_missing'')');
SELECT globalmart.drop_detector('refused_found');
\echo -- an event at no finite time
SELECT answer('INSERT INTO public.refused_ev (event_time, event_id, k) VALUES (''infinity'', gen_random_uuid(), ''k'')');
SELECT answer('INSERT INTO public.refused_ev (event_time, event_id, k) VALUES (''-infinity'', gen_random_uuid(), ''k'')');
\echo -- streams
SELECT answer('SELECT globalmart.create_stream(''s'', ''refused_plain'', ''d'', NULL, ''event_time'', ''k'')');
SELECT answer('SELECT globalmart.create_stream(''s'', ''refused_third'', ''d'', NULL, ''event_time'', ''k'')');
SELECT answer('SELECT globalmart.create_stream(''s'', ''refused_third'', ''Bad Domain'', NULL, ''event_time'', ''event_id'')');
SELECT answer('SELECT globalmart.create_stream(''s'', ''refused_missing'', ''d'', NULL, ''event_time'', ''event_id'')');
SELECT answer('SELECT globalmart.create_stream(''again'', ''refused_ev'', ''refused'', NULL, ''event_time'', ''event_id'')');
SELECT answer('SELECT globalmart.create_stream(''again'', ''refused_ev'', ''elsewhere'', NULL, ''event_time'', ''event_id'')');
SELECT answer('SELECT globalmart.create_stream(''refused_ev'', ''refused_ev'', ''refused_other'', NULL, ''event_time'', ''event_id'')');
SELECT answer('SELECT globalmart.create_stream(''refused_ev'', ''refused_ev'', ''refused'', ''a-topic'', ''event_time'', ''event_id'')');
SELECT answer('SELECT globalmart.create_stream(''refused_ev'', ''refused_ev'', ''refused'', NULL, ''other_time'', ''event_id'')');
SELECT answer('SELECT globalmart.create_stream(''refused_ev'', ''refused_ev'', ''refused'', NULL, ''event_time'', ''event_id'', ''k'')');
SELECT answer('SELECT globalmart.create_stream(''refused_ev'', ''refused_third'', ''refused'', NULL, ''event_time'', ''event_id'')');
SELECT answer('SELECT globalmart.create_stream(''refused_leaf'', ''refused_leaf'', ''refused'', NULL, ''event_time'', ''event_id'')');
SELECT answer('SELECT globalmart.create_stream(''refused_temporary'', ''refused_temporary'', ''refused'', NULL, ''event_time'', ''event_id'')');
SELECT answer('SELECT globalmart.create_stream(''refused_unlogged'', ''refused_unlogged'', ''refused'', NULL, ''event_time'', ''event_id'')');
SELECT answer('SELECT globalmart.create_stream(''refused_view'', ''refused_view'', ''refused'', NULL, ''event_time'', ''event_id'')');
SELECT answer('SELECT globalmart.create_stream(''Bad Name'', ''refused_third'', ''refused'', NULL, ''event_time'', ''event_id'')');
SELECT answer('SELECT globalmart.create_stream('''', ''refused_third'', ''refused'', NULL, ''event_time'', ''event_id'')');
SELECT answer('SELECT globalmart.create_stream(NULL, ''refused_third'', ''refused'', NULL, ''event_time'', ''event_id'')');
SELECT answer('SELECT globalmart.create_stream(''s'', NULL, ''refused'', NULL, ''event_time'', ''event_id'')');
SELECT answer('SELECT globalmart.create_stream(''s'', ''refused_third'', NULL, NULL, ''event_time'', ''event_id'')');
\echo -- names and arguments
SELECT answer('SELECT globalmart.create_rollup(''refused_rollup'', NULL)');
SELECT answer('SELECT globalmart.create_detector(''refused_detector'', NULL)');
SELECT answer(format('SELECT globalmart.create_rollup(%s)', replace(arguments, 'QUERY', '''SELECT window_start, window_end, count(*) FROM public.refused_ev, globalmart.tumble(event_time, interval ''''1 minute'''') GROUP BY 1, 2''')))
FROM unnest(ARRAY['''refused_rollup'', QUERY, lateness => NULL', '''refused_rollup'', QUERY, idle_timeout => NULL', '''refused_rollup'', QUERY, watermark_policy => NULL',
  '''streams'', QUERY', '''rollup_description'', QUERY', '''distinct_sketch'', QUERY', '''refused_taken'', QUERY']) AS arguments;
SELECT answer('SELECT globalmart.create_detector(''late_events'', ''SELECT event_id FROM public.refused_ev'')');
\echo -- none of it left anything
SELECT count(*) FROM globalmart.rollup_catalog;
SELECT count(*) FROM globalmart.partial_plans;
SELECT count(*) FROM pg_class WHERE relname LIKE 'refused\_rollup%' OR relname LIKE 'refused\_detector%';
SELECT string_agg(stream, ' ' ORDER BY stream) FROM globalmart.streams;
\echo -- and what is accepted beside it
SELECT rollup('SELECT W1, k, count(*) FROM EV GROUP BY W1, k');
SELECT rollup('SELECT W1, min(x), max(r), sum(n::numeric), avg(x::numeric) FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, globalmart.processing_time() AS at FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, n FROM (SELECT W1, count(*) AS n FROM EV GROUP BY W1) AS g ORDER BY n LIMIT 1');
SELECT detector('SELECT event_time, event_id, globalmart.processing_time() AS at FROM public.refused_ev WHERE n > 5');
SELECT rollup('SELECT W1, count(*) AS n, ''x'' AS unknown FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, globalmart.first_by(k, event_time, event_id) FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, jsonb_build_object(''n'', count(*), ''all'', jsonb_build_array()) AS j, ARRAY[count(*)] AS a FROM EV GROUP BY W1');
SELECT rollup('SELECT W1, date_part(''hour'', window_start) AS h, age(window_end, window_start) AS a, format(''%s'', count(*)) AS f FROM EV GROUP BY W1');
SELECT globalmart.create_stream('refused_ev', 'refused_ev', 'refused', NULL, 'event_time', 'event_id');
