-- What a definition reads cannot be dropped under it; where it is gone all the same, errors name the rollup and
-- what to do.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS globalmart CASCADE;
CREATE EXTENSION globalmart;
RESET client_min_messages;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET globalmart.now = '2026-11-20 12:00:00Z';

CREATE TABLE need_ev (
  event_time timestamptz NOT NULL, event_id uuid NOT NULL DEFAULT gen_random_uuid(), k text NOT NULL DEFAULT 'k', n int NOT NULL DEFAULT 1,
  m numeric NOT NULL DEFAULT 1, spare int);
SELECT globalmart.add_message_columns('need_ev');
SELECT globalmart.create_stream('need_ev', 'need_ev', 'need', NULL, 'event_time', 'event_id');
CREATE FUNCTION need_fold(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT upper($1) $$;
CREATE FUNCTION need_close(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT $1 * 2 $$;
CREATE FUNCTION need_filter(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT $1 > 0 $$;
CREATE FUNCTION need_found(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT $1 > 100 $$;
CREATE VIEW need_view AS SELECT event_time, k, n FROM need_ev WHERE n < 1000;
CREATE FUNCTION need_query(source text, selected text, keys text) RETURNS text LANGUAGE sql AS $$
  SELECT format('SELECT window_start, window_end, %s FROM public.%I, globalmart.tumble(event_time, interval ''1 minute'') GROUP BY window_start, window_end%s;', selected, source, keys)
$$;

SELECT globalmart.create_rollup('need_plan', need_query('need_ev', 'k, sum(n) FILTER (WHERE public.need_filter(n)) AS n', ', k'));
SELECT globalmart.create_rollup('need_keys', need_query('need_ev', 'public.need_fold(k) AS k, count(*) AS events', ', public.need_fold(k) -- as they are'));
SELECT globalmart.create_rollup('need_output', need_query('need_ev', 'public.need_close(count(*)) AS events', ''));
SELECT globalmart.create_rollup('need_seen', need_query('need_view', 'sum(n) AS n', ''));
SELECT globalmart.create_rollup('need_shared', need_query('need_ev', 'count(*) AS events', ''));
SELECT globalmart.create_detector('need_detector', 'SELECT event_time, event_id, n FROM public.need_ev WHERE public.need_found(n)');
SELECT globalmart.create_rollup('need_detected', replace(need_query('need_ev', 'count(*) AS events', ''), 'public.need_ev', 'globalmart.need_detector'));
INSERT INTO need_ev (event_time) VALUES ('2026-11-20 10:00:10Z');
CALL globalmart.close_windows();

-- A shared plan is read by the query that it was made for.
SELECT rollup, plan_id FROM globalmart.rollup_versions WHERE rollup IN ('need_plan', 'need_shared') ORDER BY 1;
SELECT globalmart.drop_rollup('need_plan');
DROP FUNCTION need_filter(int);
SELECT globalmart.drop_rollup('need_shared');
DROP FUNCTION need_fold(text);
DROP FUNCTION need_close(bigint);
DROP FUNCTION need_found(int);
DROP VIEW need_view;
DROP TABLE need_ev;
ALTER TABLE need_ev DROP COLUMN n;
ALTER TABLE need_ev ALTER COLUMN k TYPE varchar(20);
DROP TABLE globalmart.need_detector;
SELECT globalmart.create_detector('need_alone', 'SELECT event_id, k FROM public.need_ev WHERE n > 1000');
DROP TABLE globalmart.need_alone;
ALTER TABLE globalmart.need_alone DROP COLUMN k;
SELECT globalmart.drop_rollup('need_alone');
-- What nobody reads.
ALTER TABLE need_ev DROP COLUMN spare;
-- A query that was replaced is read as long as its version is there.
SELECT globalmart.alter_rollup('need_output', need_query('need_ev', 'count(*) AS events', ''));
DROP FUNCTION need_close(bigint);
SELECT globalmart.alter_rollup('need_detector', 'SELECT event_time, event_id, n FROM public.need_ev WHERE n > 100');
DROP FUNCTION need_found(int);
CREATE FUNCTION need_found(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT $1 > 10 $$;
SELECT globalmart.alter_rollup('need_detector', 'SELECT event_time, event_id, n FROM public.need_ev WHERE public.need_found(n)');
DROP FUNCTION need_found(int);
INSERT INTO need_ev (event_time, n) VALUES ('2026-11-20 10:01:10Z', 11);
SELECT count(*) FROM globalmart.need_detector;
-- Nobody may call what the dependencies hang on.
SELECT p.oid::regprocedure, pg_get_userbyid(p.proowner) AS owner, r AS caller
FROM pg_proc AS p LEFT JOIN unnest('{globalmart_owner,globalmart_writer,globalmart_reader,globalmart_operator,public}'::text[]) AS r
  ON has_function_privilege(r, p.oid, 'EXECUTE')
WHERE p.pronamespace = 'globalmart'::regnamespace AND p.proname LIKE 'need\_%' ORDER BY 1;

-- By force, or by another name.
SET client_min_messages = warning;
DROP FUNCTION need_found(int) CASCADE;
\c -
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET globalmart.now = '2026-11-20 12:00:00Z';
INSERT INTO need_ev (event_time) VALUES ('2026-11-20 10:02:10Z');
SELECT globalmart.drop_rollup('need_detected');
SELECT globalmart.drop_rollup('need_detector');
DROP FUNCTION need_fold(text) CASCADE;
INSERT INTO need_ev (event_time) VALUES ('2026-11-20 10:02:10Z');
-- With what was missing the rest comes back.
CREATE FUNCTION need_fold(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT upper($1) $$;
DROP VIEW globalmart.need_keys_live;
SELECT globalmart.alter_rollup('need_keys');
DROP FUNCTION need_fold(text);
SELECT k, events, state FROM globalmart.need_keys_live ORDER BY window_start;
SELECT globalmart.drop_rollup('need_keys');
ALTER VIEW need_view RENAME COLUMN n TO amount;
INSERT INTO need_ev (event_time) VALUES ('2026-11-20 10:02:10Z');
ALTER VIEW need_view RENAME COLUMN amount TO n;
INSERT INTO need_ev (event_time) VALUES ('2026-11-20 10:02:10Z');
-- Of two detectors, one over the other, it is the one that fails.
SELECT globalmart.create_detector('need_outer', 'SELECT event_time, event_id, n FROM public.need_ev WHERE n > 500');
SELECT globalmart.create_detector('need_inner', 'SELECT event_time, event_id FROM globalmart.need_outer');
DROP TABLE globalmart.need_inner CASCADE;
INSERT INTO need_ev (event_time, n) VALUES ('2026-11-20 10:02:10Z', 501);
SELECT globalmart.drop_detector('need_inner');
SELECT globalmart.drop_detector('need_outer');
RESET client_min_messages;
CALL globalmart.close_windows();

-- What a row makes of a definition.
SELECT globalmart.create_rollup('need_quotient', need_query('need_ev', 'sum(10 / n) AS tenths', ''));
SELECT globalmart.create_detector('need_tenth', 'SELECT event_time, event_id, 10 / (n - 7) AS tenth FROM public.need_ev WHERE 10 / (n - 6) > 3');
INSERT INTO need_ev (event_time, n) VALUES ('2026-11-20 10:10:10Z', 0);
INSERT INTO need_ev (event_time, n) VALUES ('2026-11-20 10:10:10Z', 6);
INSERT INTO need_ev (event_time, n) VALUES ('2026-11-20 10:10:10Z', 7);
SELECT globalmart.create_rollup('need_digits', need_query('need_ev', 'sum(m) AS m', ''));
INSERT INTO need_ev (event_time, m) VALUES ('2026-11-20 10:10:10Z', 1e-20), ('2026-11-20 10:10:10Z', 1e25);
INSERT INTO need_ev (event_time, m) VALUES ('2026-11-20 10:10:10Z', 1e-20);
INSERT INTO need_ev (event_time, n) VALUES ('2026-11-20 10:10:10Z', 5);
SELECT events, state FROM globalmart.need_output_live ORDER BY window_start;
SELECT globalmart.drop_rollup(name) FROM globalmart.rollups ORDER BY name;
SELECT count(*) FROM pg_proc WHERE proname LIKE 'need\_%\_definition';
DROP VIEW need_view;
DROP TABLE need_ev;
DROP FUNCTION need_close(bigint), need_query(text, text, text);
