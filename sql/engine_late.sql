-- Watermarks, lateness, idle partitions, and what comes too late.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS globalmart CASCADE;
DROP TABLE IF EXISTS late_ev, late_idle, late_kafka, late_future CASCADE;
CREATE EXTENSION globalmart;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET globalmart.now = '2026-11-20 12:00:00Z';

CREATE TABLE late_ev (
  event_time timestamptz NOT NULL, event_id uuid NOT NULL DEFAULT gen_random_uuid(), k text NOT NULL DEFAULT 'k', n int NOT NULL DEFAULT 1,
  received_at timestamptz NOT NULL DEFAULT globalmart.clock(), kafka_partition int NOT NULL DEFAULT -1,
  kafka_offset bigint NOT NULL DEFAULT nextval('globalmart.sql_row_offset'));
CREATE TABLE late_idle (LIKE late_ev INCLUDING DEFAULTS);
CREATE TABLE late_kafka (LIKE late_ev INCLUDING DEFAULTS);
CREATE TABLE late_future (LIKE late_ev INCLUDING DEFAULTS);
SELECT globalmart.create_stream(name, name::regclass, name, name || '-topic', 'event_time', 'event_id')
FROM unnest(ARRAY['late_ev', 'late_idle', 'late_kafka', 'late_future']) AS name;
CREATE FUNCTION late_query(stream text, windows text, having_clause text DEFAULT '') RETURNS text LANGUAGE sql AS $$
  SELECT format('SELECT window_start, window_end, k, count(*) AS events, sum(n) AS n FROM public.%s, globalmart.%s GROUP BY window_start, window_end, k %s',
                stream, windows, having_clause)
$$;
CREATE VIEW late_verified AS
  SELECT name, closed_until, (SELECT count(*) FROM globalmart.verify(name)) AS differences FROM globalmart.rollups WHERE kind = 'rollup' ORDER BY name;

--
-- the watermark: greatest event time less lateness
--
SELECT globalmart.watermark('late_ev');
SELECT globalmart.create_rollup('l_minute', late_query('late_ev', 'tumble(event_time, interval ''1 minute'')'), lateness => interval '1 minute');
SELECT globalmart.create_rollup('l_strict', late_query('late_ev', 'tumble(event_time, interval ''1 minute'')'), lateness => interval '0');
SELECT globalmart.create_rollup('l_patient', late_query('late_ev', 'tumble(event_time, interval ''1 minute'')'), lateness => interval '1 hour');
SELECT globalmart.create_rollup('l_hop', late_query('late_ev', 'hop(event_time, interval ''3 minutes'', interval ''1 minute'')'), lateness => interval '1 minute');
SELECT globalmart.create_rollup('l_five', late_query('late_ev', 'tumble(event_time, interval ''5 minutes'')'), lateness => interval '1 minute');
INSERT INTO late_ev (event_time) VALUES ('2026-11-20 10:00:30Z'), ('2026-11-20 10:01:10Z');
SELECT globalmart.watermark('late_ev');
INSERT INTO late_ev (event_time) VALUES ('2026-11-20 10:01:59.999999Z');
CALL globalmart.close_windows();
SELECT name, closed_until FROM globalmart.rollups ORDER BY name;
INSERT INTO late_ev (event_time) VALUES ('2026-11-20 10:02:00Z');
CALL globalmart.close_windows();
SELECT name, closed_until FROM globalmart.rollups ORDER BY name;
SELECT window_start, events FROM globalmart.l_minute;
SELECT window_start, window_end, events FROM globalmart.l_hop ORDER BY 1;
-- a close that has nothing to do changes nothing
CALL globalmart.close_windows();
SELECT name, closed_until FROM globalmart.rollups ORDER BY name;

--
-- late for one, in time for another; partly late for sliding windows
--
INSERT INTO late_ev (event_time, n, k) VALUES ('2026-11-20 10:00:59.999999Z', 100, 'late'), ('2026-11-20 10:01:00Z', 100, 'edge');
SELECT rollup, topic, kafka_partition, kafka_offset > 0 AS has_offset, event_time, received_at FROM globalmart.late_events ORDER BY rollup, event_time;
SELECT rollup, event_time, missed_until FROM globalmart.partly_late_events ORDER BY rollup, event_time;
-- late events are in the stream all the same
SELECT count(*), sum(n) FROM late_ev;
-- the next closes: nothing of it in what was closed, all of it in what was not
INSERT INTO late_ev (event_time) VALUES ('2026-11-20 10:10:00Z');
CALL globalmart.close_windows();
SELECT window_start, k, events, n FROM globalmart.l_minute ORDER BY 1, 2;
SELECT window_start, window_end, k, events, n FROM globalmart.l_hop WHERE k <> 'k' ORDER BY 1, 3;
SELECT window_start, k, events, n FROM globalmart.l_five ORDER BY 1, 2;
SELECT * FROM late_verified;
-- for each event: counted or late, once
SELECT name, closed.n + late.n AS accounted, (SELECT count(*) FROM late_ev WHERE event_time < r.closed_until) AS inserted
FROM (VALUES ('l_minute'), ('l_strict'), ('l_five')) AS v(name) JOIN globalmart.rollups AS r USING (name),
  LATERAL (SELECT CASE name WHEN 'l_minute' THEN (SELECT sum(events) FROM globalmart.l_minute) WHEN 'l_strict' THEN (SELECT sum(events) FROM globalmart.l_strict)
                            ELSE (SELECT sum(events) FROM globalmart.l_five) END AS n) AS closed,
  LATERAL (SELECT count(*) AS n FROM globalmart.late_events AS e WHERE e.rollup = name) AS late ORDER BY name;

--
-- between publication and merge: what comes is late, and what was folded before is in
--
INSERT INTO late_ev (event_time, k) VALUES ('2026-11-20 10:10:30Z', 'before'), ('2026-11-20 10:12:00Z', 'pushes');
SELECT globalmart.publish_windows(true) AS published \gset
SELECT name, merged_until, p.closed_until FROM globalmart.rollup_progress AS p JOIN globalmart.rollup_versions USING (version_id)
  JOIN globalmart.rollups AS r ON r.name = rollup WHERE merged_until <> p.closed_until ORDER BY name;
INSERT INTO late_ev (event_time, k) VALUES ('2026-11-20 10:10:40Z', 'after'), ('2026-11-20 10:12:10Z', 'after');
SELECT rollup, event_time FROM globalmart.late_events WHERE event_time >= '2026-11-20 10:10:31Z' ORDER BY 1, 2;
-- published and not merged: still open in the view, and as it will be closed
SELECT window_start, k, events, state FROM globalmart.l_minute_live WHERE window_start = '2026-11-20 10:10Z' ORDER BY k;
SELECT globalmart.wait_for_folds();
-- a number from before: nothing to merge yet
SELECT globalmart.merge_windows(:published - 1);
SELECT globalmart.merge_windows(:published) > 0 AS appended;
SELECT globalmart.merge_windows(:published);
SELECT window_start, k, events, state FROM globalmart.l_minute_live WHERE window_start = '2026-11-20 10:10Z' ORDER BY k;
SELECT * FROM late_verified;

--
-- lateness that changes holds from now on
--
SELECT globalmart.alter_rollup('l_strict', lateness => interval '30 minutes');
INSERT INTO late_ev (event_time) VALUES ('2026-11-20 10:30:00Z');
CALL globalmart.close_windows();
SELECT name, closed_until FROM globalmart.rollups ORDER BY name;
INSERT INTO late_ev (event_time, k) VALUES ('2026-11-20 10:12:30Z', 'in time'), ('2026-11-20 10:11:59Z', 'late');
SELECT rollup, event_time FROM globalmart.late_events AS l WHERE event_time >= '2026-11-20 10:11:00Z' AND rollup IN ('l_strict', 'l_minute') ORDER BY 1, 2;
INSERT INTO late_ev (event_time) VALUES ('2026-11-20 11:30:00Z');
CALL globalmart.close_windows();
SELECT window_start, k, events FROM globalmart.l_strict WHERE window_start >= '2026-11-20 10:11Z' ORDER BY 1, 2;
SELECT * FROM late_verified;

--
-- an event that a rollup does not use is late for nobody, but moves the watermark
--
SELECT globalmart.create_rollup('l_some', $$
  SELECT window_start, window_end, k, count(*) AS events FROM public.late_ev, globalmart.tumble(event_time, interval '1 minute')
  WHERE n > 10 GROUP BY window_start, window_end, k $$, lateness => interval '0');
SELECT live_from FROM globalmart.rollups WHERE name = 'l_some';
INSERT INTO late_ev (event_time, n) VALUES ('2026-11-20 11:35:00Z', 50);
INSERT INTO late_ev (event_time, n) VALUES ('2026-11-20 11:40:00Z', 1);
CALL globalmart.close_windows();
SELECT window_start, events FROM globalmart.l_some;
INSERT INTO late_ev (event_time, n) VALUES ('2026-11-20 11:36:00Z', 1), ('2026-11-20 11:37:00Z', 60);
SELECT event_time FROM globalmart.late_events WHERE rollup = 'l_some';
SELECT * FROM late_verified WHERE name = 'l_some';

--
-- times from beyond
--
INSERT INTO late_ev (event_time) VALUES ('infinity');
INSERT INTO late_ev (event_time) VALUES ('-infinity');
SELECT count(*) FROM late_ev WHERE NOT isfinite(event_time);
-- an event of the future counts as the clock; nothing is lost to it
SET globalmart.now = '2026-11-20 10:05:00Z';
SELECT globalmart.create_rollup('l_future', late_query('late_future', 'tumble(event_time, interval ''1 minute'')'), lateness => interval '1 minute');
SELECT globalmart.set_setting('max_future.late_future', NULL);
INSERT INTO late_future (event_time) VALUES ('2026-11-20 10:00:10Z'), ('2026-12-24 18:00:00Z');
SELECT globalmart.watermark('late_future');
CALL globalmart.close_windows();
SELECT closed_until FROM globalmart.rollups WHERE name = 'l_future';
SET globalmart.now = '2026-11-20 10:06:00Z';
INSERT INTO late_future (event_time) VALUES ('2026-11-20 10:04:00Z'), ('2026-11-20 10:05:59Z');
SELECT globalmart.watermark('late_future');
CALL globalmart.close_windows();
SELECT window_start, events, state FROM globalmart.l_future_live ORDER BY 1;
SELECT count(*) FROM globalmart.late_events WHERE rollup = 'l_future';
SELECT * FROM late_verified WHERE name = 'l_future';

--
-- idle: rows by SQL. The watermark goes on with the clock, a timeout after the last row
--
SET globalmart.now = '2026-11-20 10:00:30Z';
SELECT globalmart.create_rollup('l_idle', late_query('late_idle', 'tumble(event_time, interval ''1 minute'')'), lateness => interval '30 seconds',
                                idle_timeout => interval '2 minutes');
INSERT INTO late_idle (event_time) VALUES ('2026-11-20 10:00:10Z'), ('2026-11-20 10:00:20Z');
SET globalmart.now = '2026-11-20 10:02:29.999999Z';
SELECT globalmart.domain_watermark('late_idle', interval '2 minutes', 'min');
SET globalmart.now = '2026-11-20 10:02:30Z';
SELECT globalmart.domain_watermark('late_idle', interval '2 minutes', 'min');
SET globalmart.now = '2026-11-20 10:03:39.999999Z';
SELECT globalmart.domain_watermark('late_idle', interval '2 minutes', 'min');
CALL globalmart.close_windows();
SELECT closed_until FROM globalmart.rollups WHERE name = 'l_idle';
SET globalmart.now = '2026-11-20 10:03:40Z';
CALL globalmart.close_windows();
SELECT closed_until FROM globalmart.rollups WHERE name = 'l_idle';
SELECT window_start, events FROM globalmart.l_idle;
-- a pause in a replay of old events makes the rest late by no more than what the clock went on
INSERT INTO late_idle (event_time) VALUES ('2026-11-20 10:00:50Z'), ('2026-11-20 10:01:05Z');
SELECT event_time FROM globalmart.late_events WHERE rollup = 'l_idle';
SELECT globalmart.domain_watermark('late_idle', interval '2 minutes', 'min');
CALL globalmart.close_windows();
SELECT closed_until FROM globalmart.rollups WHERE name = 'l_idle';
-- never beyond the clock
INSERT INTO late_idle (event_time) VALUES ('2026-11-20 10:03:39Z');
SET globalmart.now = '2026-11-20 13:00:00Z';
SELECT globalmart.domain_watermark('late_idle', interval '2 minutes', 'min') AS two_minutes, globalmart.domain_watermark('late_idle', interval '0', 'min') AS at_once;
CALL globalmart.close_windows();
SELECT closed_until FROM globalmart.rollups WHERE name = 'l_idle';
SELECT * FROM late_verified WHERE name = 'l_idle';

--
-- partitions: rows of partition_progress as a bridge would keep them
--
SET globalmart.now = '2026-11-20 10:10:00Z';
CREATE FUNCTION late_partition(number int, max_event_time timestamptz, last_message_at timestamptz, at_end_since timestamptz, checked_at timestamptz)
RETURNS void LANGUAGE sql AS $$
  INSERT INTO globalmart.partition_progress AS p VALUES ('late_kafka', number, max_event_time, last_message_at, at_end_since, checked_at)
  ON CONFLICT (domain, kafka_partition) DO UPDATE SET max_event_time = EXCLUDED.max_event_time, last_message_at = EXCLUDED.last_message_at,
    at_end_since = EXCLUDED.at_end_since, checked_at = EXCLUDED.checked_at
$$;
CREATE FUNCTION late_watermarks() RETURNS TABLE (min timestamptz, max timestamptz) LANGUAGE sql AS $$
  SELECT globalmart.domain_watermark('late_kafka', interval '1 minute', 'min'), globalmart.domain_watermark('late_kafka', interval '1 minute', 'max')
$$;
-- nothing known; one partition; a second that never had a message holds it
SELECT * FROM late_watermarks();
SELECT late_partition(0, '2026-11-20 10:05:00Z', '2026-11-20 10:09:50Z', NULL, '2026-11-20 10:09:50Z');
SELECT * FROM late_watermarks();
SELECT late_partition(1, NULL, '2026-11-20 10:09:00Z', NULL, '2026-11-20 10:09:00Z');
SELECT * FROM late_watermarks();
-- it is at its end since 10:09:00, and the bridge says so for a minute: idle
SELECT late_partition(1, NULL, '2026-11-20 10:09:00Z', '2026-11-20 10:09:00Z', '2026-11-20 10:09:59.999999Z');
SELECT * FROM late_watermarks();
SELECT late_partition(1, NULL, '2026-11-20 10:09:00Z', '2026-11-20 10:09:00Z', '2026-11-20 10:10:00Z');
SELECT * FROM late_watermarks();
-- two live partitions: the least, or by policy the greatest
SELECT late_partition(1, '2026-11-20 10:03:00Z', '2026-11-20 10:09:55Z', '2026-11-20 10:09:55Z', '2026-11-20 10:10:00Z');
SELECT * FROM late_watermarks();
-- one that lags is never idle, however long ago its last message
SELECT late_partition(1, '2026-11-20 10:03:00Z', '2026-11-20 09:00:00Z', NULL, '2026-11-20 10:10:00Z');
SELECT * FROM late_watermarks();
-- a bridge that is down makes nobody idle: nobody looked
SELECT late_partition(1, '2026-11-20 10:03:00Z', '2026-11-20 09:00:00Z', '2026-11-20 09:00:00Z', '2026-11-20 09:00:30Z');
SELECT * FROM late_watermarks();
-- one idle, one live: the live one
SELECT late_partition(1, '2026-11-20 10:07:00Z', '2026-11-20 10:00:00Z', '2026-11-20 10:00:00Z', '2026-11-20 10:10:00Z');
SELECT * FROM late_watermarks();
-- all idle: on with the clock, as far as somebody looked at every partition
SELECT late_partition(0, '2026-11-20 10:05:00Z', '2026-11-20 10:08:00Z', '2026-11-20 10:08:00Z', '2026-11-20 10:09:30Z');
SELECT * FROM late_watermarks();
SELECT late_partition(0, '2026-11-20 10:05:00Z', '2026-11-20 10:08:00Z', '2026-11-20 10:08:00Z', '2026-11-20 10:10:00Z');
SELECT * FROM late_watermarks();
-- rows by SQL are one partition more, and hold it like any other
INSERT INTO late_kafka (event_time) VALUES ('2026-11-20 10:01:00Z');
SELECT * FROM late_watermarks();
SELECT kafka_partition, max_event_time FROM globalmart.progress_by_partition WHERE domain = 'late_kafka' ORDER BY 1;

-- closes by it: min and max side by side; a watermark that goes back takes nothing back
TRUNCATE globalmart.sql_progress;
SELECT late_partition(0, '2026-11-20 10:05:00Z', '2026-11-20 10:10:00Z', NULL, '2026-11-20 10:10:00Z'),
       late_partition(1, '2026-11-20 10:07:00Z', '2026-11-20 10:10:00Z', NULL, '2026-11-20 10:10:00Z');
SELECT globalmart.create_rollup('l_min', late_query('late_kafka', 'tumble(event_time, interval ''1 minute'')'), lateness => interval '0', if_not_exists => true);
SELECT globalmart.create_rollup('l_max', late_query('late_kafka', 'tumble(event_time, interval ''1 minute'')'), lateness => interval '0', watermark_policy => 'max');
SELECT live_from FROM globalmart.rollups WHERE name IN ('l_min', 'l_max');
INSERT INTO late_kafka (event_time, kafka_partition, kafka_offset) VALUES ('2026-11-20 10:08:10Z', 0, 1), ('2026-11-20 10:08:20Z', 1, 1), ('2026-11-20 10:09:20Z', 1, 2);
SELECT count(*) FROM globalmart.sql_progress;
SELECT late_partition(0, '2026-11-20 10:08:10Z', '2026-11-20 10:10:00Z', NULL, '2026-11-20 10:10:00Z'),
       late_partition(1, '2026-11-20 10:09:20Z', '2026-11-20 10:10:00Z', NULL, '2026-11-20 10:10:00Z');
CALL globalmart.close_windows();
SELECT name, closed_until FROM globalmart.rollups WHERE name IN ('l_min', 'l_max') ORDER BY 1;
SELECT late_partition(2, NULL, '2026-11-20 10:10:00Z', NULL, '2026-11-20 10:10:00Z');
CALL globalmart.close_windows();
SELECT name, closed_until FROM globalmart.rollups WHERE name IN ('l_min', 'l_max') ORDER BY 1;
INSERT INTO late_kafka (event_time, kafka_partition, kafka_offset) VALUES ('2026-11-20 10:08:30Z', 2, 1);
SELECT rollup, topic, kafka_partition, kafka_offset FROM globalmart.late_events WHERE topic = 'late_kafka-topic' ORDER BY 1;
SELECT late_partition(2, '2026-11-20 10:10:00Z', '2026-11-20 10:10:00Z', NULL, '2026-11-20 10:10:00Z'),
       late_partition(0, '2026-11-20 10:10:00Z', '2026-11-20 10:10:00Z', NULL, '2026-11-20 10:10:00Z'),
       late_partition(1, '2026-11-20 10:10:00Z', '2026-11-20 10:10:00Z', NULL, '2026-11-20 10:10:00Z');
CALL globalmart.close_windows();
SELECT * FROM late_verified WHERE name IN ('l_min', 'l_max');

-- sql_progress stays short
SET globalmart.now = '2026-11-20 12:30:00Z';
DO $$
BEGIN
  FOR i IN 1..300 LOOP
    INSERT INTO late_idle (event_time) VALUES ('2026-11-20 12:55:00Z'::timestamptz + i * interval '1 second');
  END LOOP;
END
$$;
SELECT count(*) > 200 AS long FROM globalmart.sql_progress;
SET globalmart.now = '2026-11-20 13:30:00Z';
CALL globalmart.close_windows();
SELECT count(*) FROM globalmart.sql_progress WHERE domain = 'late_idle';
SELECT globalmart.greatest_event_time('late_idle');
SELECT * FROM late_verified;
