-- What a definition, a table or a row of the catalogue must not be able to do: end the server, or show its memory.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS globalmart CASCADE;
DROP TABLE IF EXISTS attacked, attacked_later CASCADE;
CREATE EXTENSION globalmart;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET globalmart.now = '2026-11-20 12:00:00Z';

CREATE TABLE attacked (
  event_time timestamptz NOT NULL, event_id uuid NOT NULL DEFAULT gen_random_uuid(), k text, i int, arr text[]);
SELECT globalmart.add_message_columns('attacked');
SELECT globalmart.create_stream('attacked', 'attacked', 'attacked', NULL, 'event_time', 'event_id');

\echo -- a rollup over a view: what the rules of a view name beside it is no stream
CREATE VIEW attacked_view AS SELECT event_time, k FROM attacked WHERE i > 0;
SELECT globalmart.create_rollup('over_view', $$
  SELECT window_start, window_end, k, count(*) AS n FROM public.attacked_view, globalmart.tumble(event_time, interval '1 minute')
  GROUP BY 1, 2, 3$$);
INSERT INTO attacked (event_time, k, i) VALUES ('2026-11-20 11:00:10Z', 'a', 1), ('2026-11-20 11:00:20Z', 'a', 0);
SELECT window_start, k, n, state FROM globalmart.over_view_live;
SELECT * FROM globalmart.verify('over_view');
SELECT globalmart.drop_rollup('over_view');

-- The statement, and what it answers instead.
CREATE FUNCTION attack(statement text) RETURNS TABLE (answer text) LANGUAGE plpgsql AS $$
DECLARE
  message text; detail text; hint text;
BEGIN
  EXECUTE statement;
  RETURN QUERY VALUES ('accepted');
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RETURN QUERY VALUES (SQLSTATE || ': ' || message), ('  ' || detail), ('  ' || hint);
END
$$;
CREATE FUNCTION attack_rollup(query text) RETURNS TABLE (answer text) LANGUAGE sql AS $$
  SELECT attack(format('SELECT globalmart.create_rollup(''bad'', %L)',
    replace(query, 'WINDOW', 'globalmart.tumble(event_time, interval ''1 minute'') GROUP BY window_start, window_end')))
$$;
\pset format unaligned
\pset tuples_only on

\echo -- a whole row, or a column of the system, is no column of the stream
SELECT attack_rollup('SELECT window_start, window_end, count(attacked) FROM public.attacked, WINDOW');
SELECT attack_rollup('SELECT window_start, window_end, count(*) FILTER (WHERE attacked IS NOT NULL) FROM public.attacked, WINDOW');
SELECT attack_rollup('SELECT window_start, window_end, count(q) FROM (SELECT event_time, k FROM public.attacked) AS q, WINDOW');
SELECT attack_rollup('SELECT window_start, window_end, count(q.r) FROM (SELECT event_time, a AS r FROM public.attacked AS a) AS q, WINDOW');
SELECT attack_rollup('SELECT window_start, window_end, count(*) FROM (SELECT event_time FROM public.attacked AS a WHERE a IS NOT NULL) AS q, WINDOW');
SELECT attack_rollup('SELECT window_start, window_end, count(v) FROM public.attacked_view AS v, WINDOW');
SELECT attack_rollup('SELECT window_start, window_end, count(ctid) FROM public.attacked, WINDOW');
SELECT attack('SELECT globalmart.create_detector(''bad'', ''SELECT event_time, event_id FROM public.attacked AS a WHERE a IS NOT NULL'')');
SELECT attack('SELECT globalmart.create_detector(''bad'', ''SELECT event_time, event_id, a FROM public.attacked AS a'')');
\echo -- numbers and samples that only the query over raw rows would have
SELECT attack_rollup('SELECT window_start, window_end, n, count(*) FROM public.attacked, globalmart.tumble(event_time, interval ''1 minute'') WITH ORDINALITY AS w(window_start, window_end, n) GROUP BY 1, 2, 3');
SELECT attack_rollup('SELECT window_start, window_end, count(*) FROM public.attacked TABLESAMPLE system (50), WINDOW');
SELECT attack_rollup('SELECT window_start, window_end, count(*) FROM (SELECT event_time FROM public.attacked TABLESAMPLE system (50)) AS q, WINDOW');
SELECT attack('SELECT globalmart.create_detector(''bad'', ''SELECT event_time, event_id FROM public.attacked TABLESAMPLE system (50)'')');
\echo -- an event in more windows than anyone reads
SELECT attack_rollup('SELECT window_start, window_end, count(*) FROM public.attacked, globalmart.hop(event_time, interval ''1 hour'', interval ''1 microsecond'') GROUP BY 1, 2');
SELECT attack_rollup('SELECT window_start, window_end, count(*) FROM public.attacked, globalmart.hop(event_time, interval ''10001 s'', interval ''1 s'') GROUP BY 1, 2');
SELECT globalmart.create_rollup('many_windows', 'SELECT window_start, window_end, count(*) AS n FROM public.attacked, globalmart.hop(event_time, interval ''10000 s'', interval ''1 s'') GROUP BY 1, 2');
INSERT INTO attacked (event_time, k, i) VALUES ('2026-11-20 11:30:00Z', 'a', 0);
SELECT count(*), sum(n) FROM globalmart.many_windows_live;
SELECT globalmart.drop_rollup('many_windows');

\echo -- a trigger on the table of a detector that inserts into the stream whose rows are detected
SELECT globalmart.create_detector('found', 'SELECT event_time, event_id, k, i FROM public.attacked WHERE i > 0');
CREATE FUNCTION insert_again() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO public.attacked (event_time, k, i) VALUES ('2026-11-20 11:30:00Z', 'again', 1);
  RETURN NULL;
END
$$;
CREATE TRIGGER again AFTER INSERT ON globalmart.found FOR EACH STATEMENT EXECUTE FUNCTION insert_again();
SELECT attack('INSERT INTO attacked (event_time, k, i) VALUES (''2026-11-20 11:30:00Z'', ''once'', 1)');
DROP TRIGGER again ON globalmart.found;
INSERT INTO attacked (event_time, k, i) VALUES ('2026-11-20 11:30:00Z', 'once', 1);
SELECT k, i FROM globalmart.found;
SELECT globalmart.drop_detector('found');
