-- A new query for a rollup holds from a boundary on. Around it: windows of both shapes, late events of both.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS globalmart CASCADE;
DROP TABLE IF EXISTS version_ev CASCADE;
CREATE EXTENSION globalmart;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET globalmart.now = '2026-11-20 12:00:00Z';

CREATE TABLE version_ev (
  event_time timestamptz NOT NULL, event_id uuid NOT NULL DEFAULT gen_random_uuid(), k text NOT NULL DEFAULT 'k', n int NOT NULL DEFAULT 1,
  received_at timestamptz NOT NULL DEFAULT globalmart.clock(), kafka_partition int NOT NULL DEFAULT -1,
  kafka_offset bigint NOT NULL DEFAULT nextval('globalmart.sql_row_offset'));
SELECT globalmart.create_stream('version_ev', 'version_ev', 'version', NULL, 'event_time', 'event_id');
CREATE FUNCTION version_query(windows text, counted text DEFAULT 'count(*)') RETURNS text LANGUAGE sql AS $$
  SELECT format('SELECT window_start, window_end, k, %s AS events FROM public.version_ev, globalmart.%s GROUP BY window_start, window_end, k', counted, windows)
$$;
CREATE FUNCTION version_add(from_time timestamptz, to_time timestamptz) RETURNS bigint LANGUAGE sql AS $$
  WITH added AS (INSERT INTO version_ev (event_time, event_id)
    SELECT t, md5(t::text)::uuid FROM generate_series(from_time, to_time - interval '1 microsecond', interval '20 seconds') AS t RETURNING 1)
  SELECT count(*) FROM added
$$;
CREATE FUNCTION version_late(wanted timestamptz) RETURNS text LANGUAGE sql AS $$
  INSERT INTO version_ev (event_time, k) VALUES (wanted, 'late');
  SELECT string_agg(rollup || how, ', ' ORDER BY rollup, how) FROM (
    SELECT rollup, '' AS how FROM globalmart.late_events WHERE event_time = wanted
    UNION ALL SELECT rollup, ' until ' || to_char(missed_until, 'HH24:MI') FROM globalmart.partly_late_events WHERE event_time = wanted) AS l
$$;
CREATE VIEW version_verified AS
  SELECT name, state, closed_until, (SELECT count(*) FROM globalmart.verify(name)) AS differences FROM globalmart.rollups ORDER BY name;

SELECT globalmart.create_rollup('v_finer', version_query('tumble(event_time, interval ''6 minutes'')'));
SELECT globalmart.create_rollup('v_wider', version_query('tumble(event_time, interval ''1 minute'')'));
SELECT globalmart.create_rollup('v_askew', version_query('tumble(event_time, interval ''5 minutes'')'));
SELECT globalmart.create_rollup('v_hop', version_query('hop(event_time, interval ''4 minutes'', interval ''1 minute'')'));
SELECT globalmart.create_rollup('v_kind', version_query('hop(event_time, interval ''4 minutes'', interval ''2 minutes'')'));
SELECT globalmart.create_rollup('v_session', version_query('session(event_time, interval ''30 seconds'')'));
SELECT version_add('2026-11-20 10:00Z', '2026-11-20 10:11Z');
CALL globalmart.close_windows();
SELECT * FROM version_verified;

SELECT globalmart.alter_rollup('v_finer', query => version_query('tumble(event_time, interval ''1 minute'')'));
SELECT globalmart.alter_rollup('v_wider', query => version_query('tumble(event_time, interval ''6 minutes'')'));
SELECT globalmart.alter_rollup('v_askew', query => version_query('tumble(event_time, interval ''3 minutes'')'));
SELECT globalmart.alter_rollup('v_hop', query => version_query('hop(event_time, interval ''4 minutes'', interval ''1 minute'')', 'count(*) + 1000'));
SELECT globalmart.alter_rollup('v_kind', query => version_query('tumble(event_time, interval ''1 minute'')'));
SELECT globalmart.alter_rollup('v_session', query => version_query('session(event_time, interval ''10 seconds'')'));
SELECT rollup, live_from, live_until FROM globalmart.rollup_versions ORDER BY rollup, version_id;

-- a close that ends in the windows that stand across the boundary, events on both sides of it, and on
SELECT version_add('2026-11-20 10:11Z', '2026-11-20 10:14:30Z');
CALL globalmart.close_windows();
SELECT * FROM version_verified;
SELECT window_start, window_end, events, state FROM globalmart.v_hop_live WHERE window_end > '2026-11-20 10:11Z' ORDER BY 1, 2;
SELECT version_late('2026-11-20 10:11:31Z'), version_late('2026-11-20 10:09:01Z'), version_late('2026-11-20 10:13:41Z');
SELECT version_add('2026-11-20 10:14:30Z', '2026-11-20 10:30Z');
CALL globalmart.close_windows();
SELECT * FROM version_verified;
-- windows of all versions: none is missing, none is there twice
SELECT window_start, window_end, sum(events) FROM globalmart.v_askew GROUP BY 1, 2 ORDER BY 1, 2;
SELECT window_start, window_end, sum(events) FROM globalmart.v_hop WHERE window_start BETWEEN '2026-11-20 10:07Z' AND '2026-11-20 10:14Z' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT window_start, window_end, sum(events) FROM globalmart.v_kind WHERE window_start BETWEEN '2026-11-20 10:06Z' AND '2026-11-20 10:14Z' GROUP BY 1, 2 ORDER BY 1, 2;

-- late for a version that is long closed: in late_events, and in no row
SELECT version_late('2026-11-20 10:03:01Z'), version_late('2026-11-20 10:10:59Z'), version_late('2026-11-20 10:12:59Z'), version_late('2026-11-20 10:20:01Z');
-- and for backends that compile the definitions only now
\c -
SET globalmart.now = '2026-11-20 12:00:00Z';
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SELECT version_late('2026-11-20 10:04:01Z'), version_late('2026-11-20 10:11:58Z');
SELECT * FROM version_verified;
CALL globalmart.compact_partials(0);
SELECT globalmart.alter_rollup('v_askew', query => version_query('tumble(event_time, interval ''4 minutes'')'));
SELECT version_add('2026-11-20 10:30Z', '2026-11-20 10:50Z');
CALL globalmart.compact_partials(0);
CALL globalmart.close_windows();
SELECT version_late('2026-11-20 10:05:01Z'), version_late('2026-11-20 10:31:01Z');
SELECT * FROM version_verified;

-- From sliding to tumbling windows and to wider sliding ones: windows of both versions stand over the boundary, and
-- an event is late for those of one while the other's are open. Each version leaves out what it missed itself.
SELECT globalmart.create_rollup('w_tumble', version_query('hop(event_time, interval ''4 minutes'', interval ''2 minutes'')'), lateness => '0');
SELECT globalmart.create_rollup('w_wide', version_query('hop(event_time, interval ''4 minutes'', interval ''2 minutes'')'), lateness => '0');
SELECT globalmart.create_rollup('w_session', version_query('hop(event_time, interval ''4 minutes'', interval ''2 minutes'')'), lateness => '0');
SELECT globalmart.create_rollup('w_where', version_query('hop(event_time, interval ''4 minutes'', interval ''2 minutes'')'), lateness => '0');
SELECT version_add('2026-11-20 10:50Z', '2026-11-20 11:01Z');
SELECT globalmart.alter_rollup('w_tumble', query => version_query('tumble(event_time, interval ''1 minute'')'));
SELECT globalmart.alter_rollup('w_wide', query => version_query('hop(event_time, interval ''20 minutes'', interval ''10 minutes'')'));
SELECT globalmart.alter_rollup('w_session', query => version_query('session(event_time, interval ''2 minutes'')'));
SELECT globalmart.alter_rollup('w_where', query => replace(version_query('tumble(event_time, interval ''10 minutes'')'), 'GROUP BY', 'WHERE k = ''k'' GROUP BY'));
SELECT rollup, live_from, live_until FROM globalmart.rollup_versions WHERE rollup LIKE 'w\_%' ORDER BY rollup, version_id;
SELECT version_add('2026-11-20 11:01Z', '2026-11-20 11:03:30Z');
CALL globalmart.close_windows();
SELECT version_late('2026-11-20 11:01:01Z'), version_late('2026-11-20 11:02:31Z');
SELECT version_add('2026-11-20 11:03:30Z', '2026-11-20 11:12:30Z');
CALL globalmart.close_windows();
SELECT version_late('2026-11-20 11:03:01Z'), version_late('2026-11-20 11:10:31Z'), version_late('2026-11-20 11:12:01Z');
SELECT version_add('2026-11-20 11:12:30Z', '2026-11-20 11:14:30Z');
CALL globalmart.close_windows();
SELECT version_late('2026-11-20 11:10:32Z'), version_late('2026-11-20 11:12:02Z');
SELECT version_add('2026-11-20 11:14:30Z', '2026-11-20 11:50Z');
CALL globalmart.close_windows();
SELECT version_late('2026-11-20 11:10:33Z'), version_late('2026-11-20 11:12:03Z');
SELECT name, v.* FROM globalmart.rollups, globalmart.verify(name) AS v WHERE kind = 'rollup' ORDER BY 1, 2, 3;

-- Events ahead of the clock: they move the watermark as far as the clock only, and boundaries come after them all
-- the same: by the bridge, redriven, by SQL.
CREATE TABLE ahead_ev (LIKE version_ev INCLUDING ALL);
SELECT globalmart.create_stream('ahead_ev', 'ahead_ev', 'ahead', 'ahead-topic', 'event_time', 'event_id');
CREATE FUNCTION ahead_query(windows text, condition text DEFAULT 'true') RETURNS text LANGUAGE sql AS $$
  SELECT format('SELECT window_start, window_end, k, count(*) AS events FROM public.ahead_ev, globalmart.%s WHERE %s GROUP BY window_start, window_end, k', windows, condition)
$$;
-- as the bridge does
CREATE FUNCTION ahead_batch(expected bigint, wanted timestamptz) RETURNS void LANGUAGE sql AS $$
  SELECT globalmart.advance_offsets('ahead-topic', '{0}', '{1}', ARRAY[expected], ARRAY[coalesce(expected, 0) + 1], ARRAY[wanted],
    ARRAY[wanted], '{1}', '{f}', '{1}', '{0}', '{0}');
  INSERT INTO ahead_ev (event_time, kafka_partition, kafka_offset) VALUES (wanted, 0, coalesce(expected, 0));
$$;
SELECT count(*) FROM globalmart.claim_partitions('ahead-topic', '{0}', 'versions');
SELECT globalmart.create_rollup('a_bridge', ahead_query('tumble(event_time, interval ''1 minute'')'), lateness => '0', idle_timeout => '10 hours');
SELECT ahead_batch(NULL, '2026-11-20 12:03:10Z');
SELECT globalmart.greatest_event_time('ahead'), globalmart.watermark('ahead_ev');
SELECT globalmart.alter_rollup('a_bridge', query => ahead_query('tumble(event_time, interval ''1 minute'')', 'n > 0'));
SELECT globalmart.create_rollup('a_new', ahead_query('tumble(event_time, interval ''2 minutes'')', 'n > 1 OR n <= 1'), lateness => '0', idle_timeout => '10 hours');
-- redriven, with the offset that it had
INSERT INTO globalmart.dead_letters (topic, kafka_partition, kafka_offset, value, reason) VALUES ('ahead-topic', 0, 0, '{}', 'ill_typed');
SELECT globalmart.redrive_dead_letter('ahead-topic', 0, 0);
BEGIN;
SELECT count(*) AS taken, min(redrive_id) AS id FROM globalmart.take_redrives('ahead-topic', '{0}', '{1}', 10) \gset
INSERT INTO ahead_ev (event_time, kafka_partition, kafka_offset) VALUES ('2026-11-20 12:06:10Z', 0, 0);
SELECT globalmart.finish_redrives(ARRAY[:id], '{applied}', '{NULL}', '{NULL}', '{2026-11-20 12:06:10Z}');
COMMIT;
SELECT globalmart.greatest_event_time('ahead'), globalmart.watermark('ahead_ev');
SELECT globalmart.create_rollup('a_redriven', ahead_query('tumble(event_time, interval ''1 minute'')', 'n > 2 OR n <= 2'), lateness => '0', idle_timeout => '10 hours');
INSERT INTO ahead_ev (event_time) VALUES ('2026-11-20 12:09:10Z');
SELECT globalmart.greatest_event_time('ahead'), globalmart.watermark('ahead_ev');
SELECT globalmart.create_rollup('a_sql', ahead_query('tumble(event_time, interval ''1 minute'')', 'n > 3 OR n <= 3'), lateness => '0', idle_timeout => '10 hours');
SELECT rollup, live_from, live_until FROM globalmart.rollup_versions WHERE rollup LIKE 'a\_%' ORDER BY rollup, version_id;
SET globalmart.now = '2026-11-20 12:30:00Z';
SELECT ahead_batch(1, '2026-11-20 12:20:10Z');
INSERT INTO ahead_ev (event_time) VALUES ('2026-11-20 12:20:10Z');
CALL globalmart.close_windows();
SELECT name, closed_until, (SELECT count(*) FROM globalmart.verify(name)) AS differences FROM globalmart.rollups WHERE name LIKE 'a\_%' ORDER BY name;
