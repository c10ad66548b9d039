-- The table of a rollup in the hands of its owner: columns of his own, comments, and what he dropped or renamed.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS globalmart CASCADE;
CREATE EXTENSION globalmart;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET globalmart.now = '2026-11-20 12:00:00Z';

CREATE TABLE tab_ev (
  event_time timestamptz NOT NULL, event_id uuid NOT NULL DEFAULT gen_random_uuid(), k text NOT NULL DEFAULT 'k', n int NOT NULL DEFAULT 1);
SELECT globalmart.add_message_columns('tab_ev');
SELECT globalmart.create_stream('tab_ev', 'tab_ev', 'tab', NULL, 'event_time', 'event_id');
CREATE FUNCTION tab_query(above int DEFAULT 0) RETURNS text LANGUAGE sql AS $$
  SELECT format('SELECT window_start, window_end, k, upper(k) AS great, count(*) AS events, sum(n)::numeric(18,2) AS n, avg(n) FILTER (WHERE n > %s) AS mean
    FROM public.tab_ev, globalmart.tumble(event_time, interval ''1 minute'') GROUP BY window_start, window_end, k, upper(k)', above)
$$;
CREATE FUNCTION tab_levels(places int DEFAULT 3) RETURNS text LANGUAGE sql AS $$
  SELECT format('SELECT window_start, window_end, who, most, rank() OVER (PARTITION BY window_start ORDER BY most DESC) <= %s AS placed, (SELECT 1) AS one
    FROM (SELECT window_start, window_end, e.k AS who, max(e.n) AS most, date_part(''hour'', window_start) AS hour
          FROM (SELECT event_time AS at, k, n FROM public.tab_ev UNION ALL SELECT event_time, k, n + 1 FROM public.tab_ev) AS e, globalmart.tumble(at, interval ''1 minute'')
          GROUP BY window_start, window_end, e.k) AS q', places)
$$;
CREATE VIEW tab_comments AS
  SELECT c.relname, a.attname, CASE WHEN a.attnum IS NULL THEN obj_description(c.oid, 'pg_class') ELSE col_description(c.oid, a.attnum) END AS comment
  FROM pg_class AS c, LATERAL (SELECT attnum, attname FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped UNION ALL SELECT NULL, NULL) AS a
  WHERE c.relnamespace = 'globalmart'::regnamespace AND c.relname ~ '^tab_' AND c.relkind IN ('r', 'v')
  ORDER BY c.relname, a.attnum NULLS FIRST;

SELECT globalmart.create_rollup('tab_sums', tab_query());
SELECT globalmart.create_rollup('tab_levels', tab_levels());
SELECT globalmart.create_detector('tab_found', 'SELECT event_time, event_id AS id, n + 1 AS more, globalmart.processing_time() AS at FROM public.tab_ev WHERE n > 10');
INSERT INTO tab_ev (event_time, n) VALUES ('2026-11-20 10:00:10Z', 11), ('2026-11-20 10:01:10Z', 12);
CALL globalmart.close_windows();

--
-- comments: of what a column is made, as the shipped tables have them; renewed with the query, unless somebody wrote others
--
SELECT * FROM tab_comments WHERE relname !~ '_live$';
SELECT relname, attname, comment FROM tab_comments WHERE relname = 'tab_sums_live' OR (relname ~ '_live$' AND comment IS NULL);
COMMENT ON COLUMN globalmart.tab_sums.events IS 'Mine';
SELECT globalmart.alter_rollup('tab_sums', tab_query(5), lateness => '2 minutes');
SELECT globalmart.alter_rollup('tab_levels', tab_levels(2));
SELECT globalmart.alter_rollup('tab_found', 'SELECT event_time, event_id AS id, n + 2 AS more, globalmart.processing_time() AS at FROM public.tab_ev WHERE n > 20');
SELECT relname, attname, comment FROM tab_comments WHERE attname IN ('events', 'mean', 'placed', 'more') OR attname IS NULL;
COMMENT ON TABLE globalmart.tab_sums IS 'Mine, too';
COMMENT ON COLUMN globalmart.tab_sums.mean IS NULL;
SELECT globalmart.alter_rollup('tab_sums', tab_query(6));
SELECT relname, attname, comment FROM tab_comments WHERE relname ~ 'tab_sums' AND (attname IN ('events', 'mean') OR attname IS NULL);

--
-- a column of the owner's
--
ALTER TABLE globalmart.tab_sums ADD COLUMN note text DEFAULT 'none';
SELECT globalmart.alter_rollup('tab_sums', tab_query(7));
INSERT INTO tab_ev (event_time, n) VALUES ('2026-11-20 10:10:10Z', 11), ('2026-11-20 10:13:10Z', 12), ('2026-11-20 10:17:10Z', 12);
CALL globalmart.close_windows();
SELECT window_start, events, mean, note FROM globalmart.tab_sums ORDER BY 1;
SELECT * FROM globalmart.tab_sums_live ORDER BY 1;
SELECT count(*) FROM globalmart.verify('tab_sums');
ALTER TABLE globalmart.tab_sums DROP COLUMN note;

--
-- dropped or renamed by hand: it can be cleaned up, and retention goes on with the others
--
SELECT globalmart.create_rollup(name, tab_query()) FROM unnest('{tab_a_dropped,tab_a_renamed,tab_a_viewless,tab_z}'::text[]) AS name;
SELECT globalmart.create_detector(name, 'SELECT event_time, event_id, n FROM public.tab_ev') FROM unnest('{tab_a_found,tab_a_seen}'::text[]) AS name;
SELECT globalmart.set_setting('rollup_retention', '60 days');
SELECT globalmart.set_setting('rollup_retention.' || name, '60 days') FROM globalmart.rollups;
INSERT INTO tab_ev (event_time, n) VALUES ('2026-11-20 10:20:10Z', 11), ('2026-11-20 10:40:10Z', 12);
CALL globalmart.close_windows();
SET client_min_messages = warning;
DROP TABLE globalmart.tab_a_dropped, globalmart.tab_a_found CASCADE;
RESET client_min_messages;
ALTER TABLE globalmart.tab_a_renamed RENAME TO tab_kept;
ALTER TABLE globalmart.tab_a_seen RENAME TO tab_seen;
DROP VIEW globalmart.tab_a_viewless_live;
SET globalmart.now = '2027-04-20 12:00:00Z';
CALL globalmart.delete_old_rows();
SELECT count(*) FROM globalmart.tab_z;
SELECT count(*) FROM globalmart.tab_kept;
SET globalmart.now = '2026-11-20 12:00:00Z';
SELECT globalmart.drop_rollup(name) FROM globalmart.rollups ORDER BY name;
SELECT relname FROM pg_class WHERE relnamespace = 'globalmart'::regnamespace AND relname ~ '^tab_' AND relkind IN ('r', 'v');
SELECT stream FROM globalmart.streams;
INSERT INTO tab_ev (event_time) VALUES ('2026-11-20 10:50:10Z');
-- and be made anew
SELECT globalmart.create_rollup('tab_a_dropped', tab_query());
SELECT globalmart.create_detector('tab_a_seen', 'SELECT event_time, event_id, n FROM public.tab_ev');
INSERT INTO tab_ev (event_time) VALUES ('2026-11-20 10:51:10Z');
SELECT count(*) FROM globalmart.tab_a_seen;

SET client_min_messages = warning;
DROP EXTENSION globalmart CASCADE;
DROP TABLE tab_ev CASCADE;
DROP FUNCTION tab_query(int), tab_levels(int);
