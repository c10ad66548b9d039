-- A definition means the same to whoever makes it, inserts, closes and compares: whatever is set in these
-- sessions, and whatever stands in its literals.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS globalmart CASCADE;
CREATE EXTENSION globalmart;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET globalmart.now = '2026-11-20 12:00:00Z';

CREATE TABLE set_ev (event_time timestamptz NOT NULL, event_id uuid NOT NULL DEFAULT gen_random_uuid(), k text, n int NOT NULL DEFAULT 1);
SELECT globalmart.add_message_columns('set_ev');
SELECT globalmart.create_stream('set_ev', 'set_ev', 'set', NULL, 'event_time', 'event_id');
CREATE FUNCTION set_query(selected text, rest text DEFAULT '') RETURNS text LANGUAGE sql AS $$
  SELECT format('SELECT window_start, window_end, %s FROM public.set_ev, globalmart.tumble(event_time, interval ''1 minute'') GROUP BY window_start, window_end%s', selected, rest)
$$;
CREATE FUNCTION set_found() RETURNS TABLE (rollup text, difference text, row_data jsonb) LANGUAGE sql AS $$
  SELECT r.name, v.* FROM globalmart.rollups AS r, LATERAL globalmart.verify(r.name) AS v WHERE r.kind = 'rollup' ORDER BY 1, 2
$$;
-- What batch_query gives, run.
CREATE FUNCTION set_batch(name text) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN RETURN QUERY EXECUTE globalmart.batch_query(name); END $$;

-- Parameters are none in a literal, a name or a comment.
SELECT globalmart.bind_parameters($q$SELECT $1, '$1', "a$1", E'\'$2', $2::text, $12, $3 /* $1 */ -- $2$q$, 'one', 'two', NULL);
SELECT globalmart.create_rollup('set_costs', set_query($q$count(*) AS events, 'costs $1 or $2' AS "label $1", '$3, $4' AS other$q$));
SELECT globalmart.create_rollup('set_cheapest', set_query($q$k, count(*) AS events, 'costs $1 or $2' AS label$q$, ', k ORDER BY k') );
SELECT globalmart.create_rollup('set_first', format('SELECT window_start, window_end, k, ''under $2'' AS label FROM (%s) AS q ORDER BY k LIMIT 1', set_query('k, count(*) AS n', ', k')));

-- The creator's settings.
SET transform_null_equals = on;
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SELECT globalmart.create_rollup('set_null', set_query('count(*) FILTER (WHERE k = NULL) AS unknown, count(*) FILTER (WHERE k = ''a\\b'') AS slashes, max(k) = NULL AS nothing, CASE WHEN count(*) > 1 THEN ''some'' ELSE ''one'' END AS how_many'));
SELECT col_description('globalmart.set_null'::regclass, attnum) FROM pg_attribute WHERE attrelid = 'globalmart.set_null'::regclass AND attname = 'how_many';
SELECT globalmart.create_rollup('set_slash', E'SELECT window_start, window_end, count(*) FILTER (WHERE k = ''a\\\\b'') AS slashes, ''c\\\\d'' AS shown, max(k) = NULL AS nothing'
  ' FROM public.set_ev, globalmart.tumble(event_time, interval ''1 minute'') GROUP BY window_start, window_end');
SELECT globalmart.create_detector('set_found_slash', E'SELECT event_time, event_id, ''c\\\\d'' AS shown, k = NULL AS nothing FROM public.set_ev WHERE k = ''a\\\\b''');
RESET transform_null_equals;
RESET standard_conforming_strings;

-- The writer's.
\c -
\set SHOW_CONTEXT never
SET globalmart.now = '2026-11-20 12:00:00Z';
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET escape_string_warning = off;
SET standard_conforming_strings = off;
SET transform_null_equals = on;
INSERT INTO set_ev (event_time, k) VALUES ('2026-11-20 10:00:10Z', E'a\\b'), ('2026-11-20 10:00:20Z', E'a\\\\b'), ('2026-11-20 10:00:30Z', NULL);
SELECT k, n FROM set_ev ORDER BY event_time;
SELECT * FROM globalmart.set_slash_live;
-- The closer's.
CALL globalmart.close_windows();
RESET standard_conforming_strings;
RESET transform_null_equals;
INSERT INTO set_ev (event_time, k) VALUES ('2026-11-20 10:01:10Z', 'a\b'), ('2026-11-20 10:01:20Z', 'a\\b'), ('2026-11-20 10:05:00Z', NULL);
CALL globalmart.close_windows();
SELECT window_start, unknown, slashes, nothing FROM globalmart.set_null ORDER BY 1;
SELECT window_start, slashes, shown, nothing FROM globalmart.set_slash ORDER BY 1;
SELECT event_time, shown, nothing FROM globalmart.set_found_slash ORDER BY 1;
SELECT window_start, events, "label $1", other FROM globalmart.set_costs ORDER BY 1;
SELECT window_start, k, label FROM globalmart.set_first ORDER BY 1;
SELECT * FROM set_batch('set_costs') AS q(window_start timestamptz, window_end timestamptz, events bigint, label text, other text) ORDER BY 1;
SELECT * FROM set_batch('set_first') AS q(window_start timestamptz, window_end timestamptz, k text, label text) ORDER BY 1;
-- Who compares has any.
SELECT * FROM set_found();
SET standard_conforming_strings = off;
SET transform_null_equals = on;
SELECT * FROM set_found();
SELECT window_start, slashes, shown, nothing FROM globalmart.restated(NULL::globalmart.set_slash) ORDER BY 1;
RESET standard_conforming_strings;
RESET transform_null_equals;
-- What a new query is refused for does not keep one that was accepted before from being folded.
UPDATE globalmart.rollup_versions SET query = replace(query, 'count(*) AS events', 'count(*) + 0 * pg_backend_pid() AS events') WHERE rollup = 'set_costs';
SELECT globalmart.definitions_changed('set');
INSERT INTO set_ev (event_time) VALUES ('2026-11-20 10:06:10Z'), ('2026-11-20 10:09:10Z');
CALL globalmart.close_windows();
SELECT window_start, events FROM globalmart.set_costs WHERE window_start >= '2026-11-20 10:05Z' ORDER BY 1;
SELECT * FROM set_found();
SELECT globalmart.drop_rollup(name) FROM globalmart.rollups ORDER BY name;
DROP TABLE set_ev;
DROP FUNCTION set_query(text, text), set_found(), set_batch(text);
