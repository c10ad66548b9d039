-- What a definition, a table or a row of the catalogue must not be able to do: end the server, or show its memory.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS globalmart CASCADE;
DROP TABLE IF EXISTS attacked, attacked_kept, attacked_third CASCADE;
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

\echo -- states whose bytes are not known to be a value of their type
SELECT attack_rollup('SELECT window_start, window_end, globalmart.first_by(arr, event_time, event_id) FROM public.attacked, WINDOW');
SELECT attack_rollup('SELECT window_start, window_end, globalmart.last_by(arr, event_time) FROM public.attacked, WINDOW');
\echo -- partials with bytes that no text and no numeric has
CREATE TABLE attacked_kept (event_time timestamptz NOT NULL, event_id uuid NOT NULL, t text, n numeric);
SELECT globalmart.add_message_columns('attacked_kept');
SELECT globalmart.create_stream('attacked_kept', 'attacked_kept', 'attacked_kept', NULL, 'event_time', 'event_id');
SELECT globalmart.create_rollup('kept_text', 'SELECT window_start, window_end, globalmart.first_by(t, event_time, event_id) AS v FROM public.attacked_kept, globalmart.tumble(event_time, interval ''1 minute'') GROUP BY 1, 2');
SELECT globalmart.create_rollup('kept_number', 'SELECT window_start, window_end, n, count(*) AS c FROM public.attacked_kept, globalmart.session(event_time, interval ''1 hour'') GROUP BY 1, 2, 3');
INSERT INTO attacked_kept VALUES ('2026-11-20 11:30:00Z', '00000000-0000-0000-0000-000000000001', 'zzzz', 1234.5678);
SELECT v FROM globalmart.kept_text_live;
SELECT n, c FROM globalmart.kept_number_live;
CREATE FUNCTION forge(was text, becomes text) RETURNS TABLE (answer text) LANGUAGE plpgsql AS $$
DECLARE
  hits bigint;
BEGIN
  UPDATE globalmart.partial_log_attacked_kept_0 SET body = decode(replace(encode(body, 'hex'), was, becomes), 'hex')
  WHERE encode(body, 'hex') LIKE '%' || was || '%';
  GET DIAGNOSTICS hits = ROW_COUNT;
  RETURN QUERY VALUES (hits || ' forged');
  RETURN QUERY SELECT attack('SELECT octet_length(v) FROM globalmart.kept_text_live');
  RETURN QUERY SELECT attack('SELECT n + 1 FROM globalmart.kept_number_live');
  RAISE EXCEPTION SQLSTATE 'TT000';
EXCEPTION WHEN SQLSTATE 'TT000' THEN
END
$$;
SELECT forge('7a7a7a7a', '7a7a7aff');
SELECT forge('d2042e16', 'd2042e7f');
SELECT forge('d2042e16', 'd2040000');
SELECT v FROM globalmart.kept_text_live;
SELECT n, c FROM globalmart.kept_number_live;

\echo -- rows of the catalogue that are not what create_rollup wrote
CREATE FUNCTION forge_numbers(assignment text) RETURNS TABLE (answer text) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE 'UPDATE globalmart.rollup_versions SET ' || assignment || ' WHERE rollup = ''kept_number''';
  PERFORM globalmart.definitions_changed('attacked_kept');
  RETURN QUERY SELECT attack('SELECT count(n) FROM globalmart.kept_number_live');
  RETURN QUERY SELECT attack('INSERT INTO attacked_kept VALUES (''2026-11-20 11:30:00Z'', gen_random_uuid(), ''a'', 1)');
  RAISE EXCEPTION SQLSTATE 'TT000';
EXCEPTION WHEN SQLSTATE 'TT000' THEN
END
$$;
SELECT forge_numbers('key_numbers = ''{1000000}''');
SELECT forge_numbers('key_numbers = ''{-100000}''');
SELECT forge_numbers('key_numbers = ''{NULL}''');
SELECT forge_numbers('key_numbers = ''{0, 0}''');
SELECT forge_numbers('key_numbers = NULL');
SELECT forge_numbers('aggregate_numbers = NULL');
SELECT forge_numbers('aggregate_numbers = ''{NULL}''');
SELECT forge_numbers('aggregate_numbers = ''{0, 0, 0, 0}''');
SELECT forge_numbers('aggregate_numbers = ''{1000000}''');
SELECT forge_numbers('aggregate_numbers = ''{-1}''');
SELECT forge_numbers('plan_id = (SELECT v.plan_id FROM globalmart.rollup_versions AS v WHERE v.rollup = ''kept_text'')');

\echo -- a stream table whose columns are not what they were, after what PostgreSQL knows their use by was dropped
DROP FUNCTION globalmart.kept_text_definition(), globalmart.kept_number_definition();
CREATE FUNCTION alter_and_insert(alteration text, columns text) RETURNS TABLE (answer text) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE 'ALTER TABLE attacked_kept ' || alteration;
  RETURN QUERY SELECT attack('INSERT INTO attacked_kept (' || columns || ') SELECT ' || columns || ' FROM attacked_kept LIMIT 1');
  RAISE EXCEPTION SQLSTATE 'TT000';
EXCEPTION WHEN SQLSTATE 'TT000' THEN
END
$$;
SELECT alter_and_insert('RENAME event_id TO other_id', 'event_time, other_id, t');
SELECT alter_and_insert('DROP event_id', 'event_time, t');
SELECT alter_and_insert('ALTER event_id TYPE text', 'event_time, event_id, t');
SELECT alter_and_insert('RENAME event_time TO other_time', 'other_time, event_id, t');
SELECT alter_and_insert('ALTER event_time TYPE text', 'event_time, event_id, t');
SELECT alter_and_insert('ALTER event_time TYPE timestamp', 'event_time, event_id, t');
SELECT alter_and_insert('ALTER kafka_partition DROP DEFAULT, ALTER kafka_partition TYPE text', 'event_time, event_id, t, kafka_partition');
SELECT alter_and_insert('DROP kafka_offset', 'event_time, event_id, t');
INSERT INTO attacked_kept VALUES ('2026-11-20 11:30:00Z', '00000000-0000-0000-0000-000000000003', 'zzzz', 1234.5678);
SELECT n, c FROM globalmart.kept_number_live;
SELECT globalmart.drop_rollup('kept_text'), globalmart.drop_rollup('kept_number');
CREATE TABLE attacked_third (LIKE attacked_kept);
SELECT attack('SELECT globalmart.create_stream(''attacked_third'', ''attacked_third'', ''attacked_kept'', NULL, ''event_time'', ''event_id'', ''missing'')');
