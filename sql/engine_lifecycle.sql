-- Rollups over their life: made, changed at a boundary, paused, failed and mended, filled from before, dropped.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS globalmart CASCADE;
DROP TABLE IF EXISTS life_ev CASCADE;
CREATE EXTENSION globalmart;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET globalmart.now = '2026-11-20 12:00:00Z';

CREATE TABLE life_ev (
  event_time timestamptz NOT NULL, event_id uuid NOT NULL DEFAULT gen_random_uuid(), k text NOT NULL DEFAULT 'k', n int NOT NULL DEFAULT 1,
  received_at timestamptz NOT NULL DEFAULT globalmart.clock(), kafka_partition int NOT NULL DEFAULT -1,
  kafka_offset bigint NOT NULL DEFAULT nextval('globalmart.sql_row_offset'));
SELECT globalmart.create_stream('life_ev', 'life_ev', 'life', NULL, 'event_time', 'event_id');
CREATE FUNCTION life_query(width text, selected text DEFAULT 'k, count(*) AS events, sum(n) AS n', rest text DEFAULT 'GROUP BY window_start, window_end, k')
RETURNS text LANGUAGE sql AS $$
  SELECT format('SELECT window_start, window_end, %s FROM public.life_ev, globalmart.tumble(event_time, interval %L) %s', selected, width, rest)
$$;
-- one event every ten seconds of a span
CREATE FUNCTION life_add(from_time timestamptz, to_time timestamptz) RETURNS bigint LANGUAGE sql AS $$
  WITH added AS (INSERT INTO life_ev (event_time, event_id, k, n)
    SELECT t, md5(t::text)::uuid, (ARRAY['a', 'b', 'c'])[1 + (extract(epoch FROM t) / 10)::bigint % 3], (extract(epoch FROM t) / 10)::bigint % 7
    FROM generate_series(from_time, to_time - interval '1 microsecond', interval '10 seconds') AS t RETURNING 1)
  SELECT count(*) FROM added
$$;
CREATE VIEW life_verified AS
  SELECT name, state, closed_until, (SELECT count(*) FROM globalmart.verify(name)) AS differences FROM globalmart.rollups WHERE kind = 'rollup' ORDER BY name;

--
-- create: once; settings that make no sense
--
SELECT globalmart.create_rollup('life', life_query('1 minute'));
SELECT globalmart.create_rollup('life', life_query('1 minute'));
SELECT globalmart.create_rollup('life', life_query('5 minutes'), if_not_exists => true);
SELECT name, kind, state, closed_until, last_error, lateness, idle_timeout, watermark_policy, domain FROM globalmart.rollups;
SELECT globalmart.create_rollup('Bad-Name', life_query('1 minute'));
SELECT globalmart.create_rollup('life_bad', life_query('1 minute'), lateness => interval '-1 second');
SELECT globalmart.create_rollup('life_bad', life_query('1 minute'), lateness => interval '1 month');
SELECT globalmart.create_rollup('life_bad', life_query('1 minute'), idle_timeout => interval '1 year 2 hours');
SELECT globalmart.create_rollup('life_bad', life_query('1 minute'), idle_timeout => interval '-1 second');
SELECT globalmart.create_rollup('life_bad', life_query('1 minute'), watermark_policy => 'median');
SELECT globalmart.alter_rollup('nobody', lateness => interval '1 second');
SELECT globalmart.drop_rollup('nobody');
SELECT globalmart.drop_rollup('nobody', if_exists => true);
SELECT globalmart.pause_rollup('nobody');
SELECT * FROM globalmart.verify('nobody');
SELECT globalmart.closed_until('nobody');
SELECT globalmart.watermark('nobody');
SELECT obj_description('globalmart.life'::regclass), obj_description('globalmart.life_live'::regclass), col_description('globalmart.life'::regclass, 1);
-- nobody but the owner's members
CREATE ROLE life_nobody;
GRANT USAGE ON SCHEMA globalmart TO life_nobody;
SET ROLE life_nobody;
SELECT globalmart.create_rollup('life_bad', 'x');
SELECT globalmart.drop_rollup('life');
RESET ROLE;
GRANT globalmart_owner TO life_nobody;
GRANT SELECT ON life_ev TO life_nobody, globalmart_owner;
SET ROLE life_nobody;
SELECT globalmart.create_rollup('life_theirs', life_query('1 minute'));
SELECT globalmart.drop_rollup('life_theirs');
RESET ROLE;
REVOKE USAGE ON SCHEMA globalmart FROM life_nobody;
DROP OWNED BY life_nobody;
DROP ROLE life_nobody;
-- not with an old snapshot: it would not see what was folded
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT globalmart.create_rollup('life_bad', life_query('1 minute'));
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT globalmart.merge_windows(0);
ROLLBACK;
-- nothing is published that then could not be merged
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT globalmart.publish_windows(true);
ROLLBACK;
SET default_transaction_isolation = 'serializable';
CALL globalmart.close_windows();
CALL globalmart.compact_partials(0);
RESET default_transaction_isolation;
SELECT globalmart.merge_windows(1000000000);
-- a creation that is rolled back leaves nothing; what was folded meanwhile in the same transaction neither
BEGIN;
SELECT globalmart.create_rollup('life_gone', life_query('1 minute'));
INSERT INTO life_ev (event_time) VALUES ('2026-11-20 09:00Z');
SELECT events, state FROM globalmart.life_gone_live;
ROLLBACK;
SELECT to_regclass('globalmart.life_gone') AS rollup, count(*) FROM globalmart.life_live;

--
-- on old data: begins at a boundary after the newest event
--
SELECT life_add('2026-11-20 10:00Z', '2026-11-20 10:09:15Z');
SELECT globalmart.create_rollup('life_later', life_query('2 minutes'));
SELECT globalmart.create_rollup('life_hops', $$SELECT window_start, window_end, k, count(*) AS events FROM public.life_ev,
  globalmart.hop(event_time, interval '4 minutes', interval '2 minutes') GROUP BY window_start, window_end, k$$);
SELECT globalmart.create_rollup('life_sessions', $$SELECT window_start, window_end, k, count(*) AS events FROM public.life_ev,
  globalmart.session(event_time, interval '12 seconds') GROUP BY window_start, window_end, k$$);
SELECT globalmart.create_rollup('life_top', $$SELECT window_start, window_end, k, events FROM (
  SELECT window_start, window_end, k, count(*) AS events FROM public.life_ev, globalmart.tumble(event_time, interval '3 minutes', interval '1 minute')
  GROUP BY window_start, window_end, k) AS g ORDER BY events DESC, k LIMIT 1$$);
SELECT name, live_from FROM globalmart.rollups ORDER BY name;
SELECT life_add('2026-11-20 10:09:20Z', '2026-11-20 10:20Z');
CALL globalmart.close_windows();
SELECT min(window_start), max(window_end), sum(events) FROM globalmart.life_later;
SELECT min(window_start), max(window_end), sum(events) FROM globalmart.life_hops;
SELECT * FROM life_verified;

--
-- backfill: windows from before, step by step
--
SET client_min_messages = warning;
SELECT globalmart.backfill_begin('life_later', interval '3 minutes') AS announced \gset
SELECT :'announced' AS announced;
SELECT globalmart.backfill_step('life_later', :'announced') AS more;
SELECT rollup, events_from, filled_until, ends, rows_filled FROM globalmart.backfills;
SELECT min(window_start), max(window_end), sum(events) FROM globalmart.life_later;
SELECT count(*) FROM globalmart.verify('life_later');
-- what comes now for a window that was filled is late; for one that was not, it is in time
INSERT INTO life_ev (event_time, k) VALUES ('2026-11-20 10:00:05Z', 'too late'), ('2026-11-20 10:07:05Z', 'in time');
SELECT rollup, event_time FROM globalmart.late_events WHERE rollup = 'life_later' ORDER BY 2;
-- announced and stopped there: the next call goes on
SELECT globalmart.backfill_begin('life_later', interval '2 minutes') AS announced;
CALL globalmart.backfill_rollup('life_later', interval '2 minutes');
SELECT rollup, events_from, filled_until, ends, rows_filled FROM globalmart.backfills;
SELECT window_start, k, events FROM globalmart.life_later WHERE k = 'in time' OR window_start < '2026-11-20 10:02Z' ORDER BY 1, 2;
CALL globalmart.backfill_rollup('life_later');
CALL globalmart.backfill_rollup('life_hops');
CALL globalmart.backfill_rollup('life_sessions');
CALL globalmart.backfill_rollup('life_top');
RESET client_min_messages;
CALL globalmart.backfill_rollup('life');
SELECT rollup, filled_until, ends, rows_filled FROM globalmart.backfills ORDER BY rollup;
SELECT * FROM life_verified;
-- all events, in the filled and in the live windows, by the raw rows
SELECT window_start, sum(events) AS events, (SELECT count(*) FROM life_ev WHERE event_time >= window_start AND event_time < window_end) AS raw
FROM globalmart.life_later GROUP BY window_start, window_end ORDER BY 1;
SELECT window_start, window_end, sum(events) AS events, (SELECT count(*) FROM life_ev WHERE event_time >= window_start AND event_time < window_end) AS raw
FROM globalmart.life_hops GROUP BY window_start, window_end ORDER BY 1;
SELECT window_start, k, events FROM globalmart.life_top ORDER BY 1;

--
-- a new query from a boundary on; both versions verify
--
SELECT globalmart.alter_rollup('life', query => life_query('1 minute', 'k, count(*) AS other, sum(n) AS n'));
SELECT globalmart.alter_rollup('life', query => life_query('3 minutes', 'k, count(*) FILTER (WHERE n > 2) AS events, sum(n) AS n', 'WHERE n > 0 GROUP BY window_start, window_end, k'));
SELECT version_id > 1 AS later, live_from, live_until FROM globalmart.rollup_versions WHERE rollup = 'life' ORDER BY version_id;
SELECT life_add('2026-11-20 10:20Z', '2026-11-20 10:30Z');
SELECT window_start, window_end, sum(events) AS events, state FROM globalmart.life_live WHERE window_end > '2026-11-20 10:18Z' GROUP BY window_start, window_end, state ORDER BY 1;
CALL globalmart.close_windows();
SELECT window_start, window_end, sum(events) AS events, state FROM globalmart.life_live WHERE window_end > '2026-11-20 10:18Z' GROUP BY window_start, window_end, state ORDER BY 1;
SELECT * FROM life_verified WHERE name = 'life';
-- again, and back, before anything of the new one closed
SELECT globalmart.alter_rollup('life', query => life_query('1 minute'));
SELECT life_add('2026-11-20 10:30Z', '2026-11-20 10:40Z');
CALL globalmart.close_windows();
SELECT window_start, window_end, sum(events) AS events FROM globalmart.life WHERE window_end > '2026-11-20 10:24Z' GROUP BY window_start, window_end ORDER BY 1 LIMIT 6;
SELECT * FROM life_verified WHERE name = 'life';
SELECT query LIKE '%1 minute%' AS newest FROM globalmart.rollups WHERE name = 'life';
SELECT globalmart.closed_until('life');
-- a tampered row of the old version is found, too
BEGIN;
UPDATE globalmart.life SET n = n + 1 WHERE window_start = '2026-11-20 10:05Z' AND k = 'a';
SELECT count(*) FROM globalmart.verify('life');
ROLLBACK;
-- before the first event a new query simply takes the old one's place
CREATE TABLE life_empty (LIKE life_ev INCLUDING DEFAULTS);
SELECT globalmart.create_stream('life_empty', 'life_empty', 'life_empty', NULL, 'event_time', 'event_id');
SELECT globalmart.create_rollup('life_new', replace(life_query('1 minute'), 'life_ev', 'life_empty'));
SELECT globalmart.alter_rollup('life_new', query => replace(life_query('2 minutes'), 'life_ev', 'life_empty'));
SELECT live_from, live_until, width FROM globalmart.rollup_versions WHERE rollup = 'life_new';
INSERT INTO life_empty (event_time) VALUES ('2026-11-20 10:00:30Z'), ('2026-11-20 10:01:30Z'), ('2026-11-20 10:05Z');
CALL globalmart.close_windows();
SELECT window_start, window_end, events FROM globalmart.life_new;

--
-- pause: nothing closes, nothing is late; resume: all that is due
--
SELECT globalmart.pause_rollup('life_later');
SELECT globalmart.closed_until('life_later');
SELECT life_add('2026-11-20 10:40Z', '2026-11-20 10:50Z');
CALL globalmart.close_windows();
SELECT name, state, closed_until FROM globalmart.rollups WHERE name IN ('life', 'life_later') ORDER BY 1;
INSERT INTO life_ev (event_time, k) VALUES ('2026-11-20 10:41:01Z', 'p');
SELECT rollup FROM globalmart.late_events WHERE event_time = '2026-11-20 10:41:01Z' AND rollup LIKE 'life%' ORDER BY 1;
SELECT globalmart.resume_rollup('life_later');
CALL globalmart.close_windows();
SELECT name, state, closed_until FROM globalmart.rollups WHERE name = 'life_later';
SELECT window_start, k, events FROM globalmart.life_later WHERE k = 'p';
-- paused between publication and merge: the merge waits, too
INSERT INTO life_ev (event_time, k) VALUES ('2026-11-20 10:56:00Z', 'q');
SELECT globalmart.publish_windows(true) AS published \gset
SELECT globalmart.pause_rollup('life_later');
SELECT globalmart.merge_windows(:published) > 0 AS others;
SELECT globalmart.closed_until('life_later');
SELECT globalmart.resume_rollup('life_later');
CALL globalmart.close_windows();
SELECT globalmart.closed_until('life_later');
SELECT * FROM life_verified WHERE name IN ('life', 'life_later');

--
-- a rollup that cannot be closed: state failed, others go on; mended, it goes on
--
SELECT globalmart.create_rollup('life_ratio', life_query('1 minute', 'count(*) AS events, 100 / sum(n) AS ratio', 'GROUP BY window_start, window_end'));
INSERT INTO life_ev (event_time, n) VALUES ('2026-11-20 11:00:10Z', 5), ('2026-11-20 11:01:10Z', 0), ('2026-11-20 11:05:00Z', 4);
\set VERBOSITY terse
CALL globalmart.close_windows();
\set VERBOSITY default
SELECT name, state, closed_until, last_error FROM globalmart.rollups WHERE name IN ('life_ratio', 'life') ORDER BY name;
SELECT count(*) FROM globalmart.life_ratio;
-- no further attempt, and no further warning; its events are folded
INSERT INTO life_ev (event_time, n) VALUES ('2026-11-20 11:10:00Z', 4);
CALL globalmart.close_windows();
SELECT name, state, closed_until FROM globalmart.rollups WHERE name IN ('life_ratio', 'life') ORDER BY name;
-- resumed without being mended it fails again
SELECT globalmart.resume_rollup('life_ratio');
SELECT state, last_error FROM globalmart.rollups WHERE name = 'life_ratio';
\set VERBOSITY terse
CALL globalmart.close_windows();
\set VERBOSITY default
SELECT state, last_error FROM globalmart.rollups WHERE name = 'life_ratio';
-- mended: here by taking away a row that is in the way (engine_mending has the queries)
SELECT globalmart.create_rollup('life_blocked', life_query('1 minute'));
SELECT globalmart.create_rollup('life_patient', life_query('1 minute'), lateness => interval '20 minutes');
INSERT INTO life_ev (event_time, k) VALUES ('2026-11-20 11:20:10Z', 'x'), ('2026-11-20 11:25:00Z', 'y');
INSERT INTO globalmart.life_blocked (window_start, window_end, k) VALUES ('2026-11-20 11:20Z', '2026-11-20 11:21Z', 'x');
\set VERBOSITY terse
CALL globalmart.close_windows();
\set VERBOSITY default
SELECT name, state, last_error FROM globalmart.rollups WHERE state <> 'live' ORDER BY name;
-- meanwhile: late for this one, in time for the patient one that shares its partials; the logs are compacted
INSERT INTO life_ev (event_time, k) VALUES ('2026-11-20 11:20:20Z', 'x');
SELECT rollup FROM globalmart.late_events WHERE event_time = '2026-11-20 11:20:20Z' AND rollup IN ('life_blocked', 'life_patient');
CALL globalmart.compact_partials(0);
CALL globalmart.compact_partials(0);
SELECT draining, retired_by IS NULL AS truncated FROM globalmart.domains WHERE domain = 'life';
SELECT window_start, k, events FROM globalmart.life_patient_live WHERE window_start = '2026-11-20 11:20Z';
DELETE FROM globalmart.life_blocked WHERE k = 'x';
SELECT globalmart.resume_rollup('life_blocked');
CALL globalmart.close_windows();
SELECT name, state, closed_until, last_error FROM globalmart.rollups WHERE name = 'life_blocked';
SELECT window_start, k, events FROM globalmart.life_blocked;
SELECT count(*) FROM globalmart.verify('life_blocked');

--
-- compaction in between: logs change, rows stay
--
SELECT life_add('2026-11-20 11:26Z', '2026-11-20 11:30Z');
CREATE TEMP TABLE before AS SELECT * FROM globalmart.life_live;
CALL globalmart.compact_partials(0);
SELECT draining, retired_by IS NULL AS truncated FROM globalmart.domains WHERE domain = 'life';
SELECT (SELECT count(*) FROM (TABLE before EXCEPT ALL SELECT * FROM globalmart.life_live) AS a) AS gone,
       (SELECT count(*) FROM (SELECT * FROM globalmart.life_live EXCEPT ALL TABLE before) AS a) AS new;
SELECT life_add('2026-11-20 11:30Z', '2026-11-20 11:40Z');
CALL globalmart.compact_partials(0);
CALL globalmart.compact_partials(0);
CALL globalmart.close_windows();
SELECT * FROM life_verified WHERE state = 'live';

--
-- drop: table, view, partials and late events; others are as they were
--
CREATE VIEW life_view AS SELECT * FROM globalmart.life_hops;
SELECT globalmart.drop_rollup('life_hops');
DROP VIEW life_view;
SELECT count(*) > 0 AS has_late FROM globalmart.late_events WHERE rollup = 'life';
SELECT globalmart.drop_rollup(name) FROM unnest(ARRAY['life', 'life_hops', 'life_ratio', 'life_sessions', 'life_top', 'life_new']) AS name;
SELECT to_regclass('globalmart.life'), to_regclass('globalmart.life_live');
SELECT count(*) FROM globalmart.late_events WHERE rollup = 'life';
SELECT name FROM globalmart.rollups ORDER BY name;
SELECT life_add('2026-11-20 11:40Z', '2026-11-20 11:50Z');
CALL globalmart.close_windows();
SELECT * FROM life_verified;
SELECT count(*) AS plans, count(DISTINCT plan_id) AS used FROM globalmart.partial_plans LEFT JOIN globalmart.rollup_versions USING (plan_id) WHERE rollup IS NOT NULL;
-- and one of that name can be made anew
SELECT globalmart.create_rollup('life', life_query('1 minute'));
SELECT life_add('2026-11-20 11:50Z', '2026-11-20 11:59Z');
CALL globalmart.close_windows();
SELECT min(window_start), count(*) FROM globalmart.life;
SELECT * FROM life_verified;

--
-- what a backend compiled is forgotten when it no longer holds: definitions that were rolled back and others made
-- in their place, a table whose columns changed, an extension that was made anew
--
BEGIN;
SELECT globalmart.create_rollup('life_undone', life_query('1 minute', 'upper(k) AS k, count(*) AS events', 'GROUP BY window_start, window_end, upper(k)'));
INSERT INTO life_ev (event_time) VALUES ('2026-11-20 12:10Z');
ROLLBACK;
SELECT globalmart.create_rollup('life_made', life_query('1 minute', 'k || k AS k, count(*) AS events', 'GROUP BY window_start, window_end, k || k'));
INSERT INTO life_ev (event_time) VALUES ('2026-11-20 12:10Z');
SELECT window_start, k, events, state FROM globalmart.life_made_live;
ALTER TABLE life_ev ADD COLUMN more text DEFAULT 'more';
INSERT INTO life_ev (event_time) VALUES ('2026-11-20 12:10:10Z');
ALTER TABLE life_ev DROP COLUMN more;
INSERT INTO life_ev (event_time) VALUES ('2026-11-20 12:10:20Z');
-- what definitions read keeps its type, unless by force
ALTER TABLE life_ev ALTER COLUMN n TYPE bigint;
DO $$
DECLARE recorded regprocedure;
BEGIN
  FOR recorded IN SELECT oid FROM pg_proc WHERE pronamespace = 'globalmart'::regnamespace AND proname LIKE 'life%\_definition' LOOP
    EXECUTE format('DROP FUNCTION %s', recorded);
  END LOOP;
END
$$;
ALTER TABLE life_ev ALTER COLUMN n TYPE bigint;
INSERT INTO life_ev (event_time) VALUES ('2026-11-20 12:10:30Z');
SELECT window_start, k, events, state FROM globalmart.life_made_live;
-- a type that a key cannot take over
ALTER TABLE life_ev ALTER COLUMN k DROP DEFAULT, ALTER COLUMN k TYPE int USING 7;
INSERT INTO life_ev (event_time, k) VALUES ('2026-11-20 12:10:40Z', 7);
SELECT count(*) FROM life_ev WHERE event_time = '2026-11-20 12:10:40Z';
SET client_min_messages = warning;
DROP EXTENSION globalmart CASCADE;
CREATE EXTENSION globalmart;
RESET client_min_messages;
ALTER TABLE life_empty ALTER COLUMN n TYPE text;
ALTER TABLE life_empty ALTER COLUMN received_at SET DEFAULT now(), ALTER COLUMN kafka_offset SET DEFAULT 0;
SELECT globalmart.create_stream('life_ev', 'life_empty', 'life', NULL, 'event_time', 'event_id');
SELECT globalmart.create_rollup('life', replace(life_query('1 minute', 'n, count(*) AS events', 'GROUP BY window_start, window_end, n'), 'life_ev', 'life_empty'));
INSERT INTO life_empty (event_time, n) VALUES ('2026-11-20 12:10Z', 'text');
SELECT window_start, n, events, state FROM globalmart.life_live;
