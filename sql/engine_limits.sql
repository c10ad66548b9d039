-- What would stand in the way of others is refused where it comes in: events far ahead of the clock, windows that leave
-- the time scale, sizes beyond all reason. And what was there before the stream was one counts.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS globalmart CASCADE;
DROP TABLE IF EXISTS limit_ev, limit_old, limit_topic, limit_ends CASCADE;
CREATE EXTENSION globalmart;
RESET client_min_messages;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET globalmart.now = '2026-11-20 12:00:00Z';

CREATE TABLE limit_ev (event_time timestamptz NOT NULL, event_id uuid NOT NULL DEFAULT gen_random_uuid(), k text NOT NULL DEFAULT 'a');
SELECT globalmart.add_message_columns('limit_ev');
SELECT globalmart.create_stream('limit_ev', 'limit_ev', 'limits', NULL, 'event_time', 'event_id');
CREATE FUNCTION limit_query(windows text, source text DEFAULT 'limit_ev') RETURNS text LANGUAGE sql AS $$
  SELECT format('SELECT window_start, window_end, k, count(*) AS events FROM public.%I, globalmart.%s GROUP BY window_start, window_end, k', source, windows)
$$;
SELECT globalmart.create_rollup('limit_minute', limit_query('tumble(event_time, interval ''1 minute'')'), lateness => '0');

-- Ahead of the clock: an hour is allowed, exactly that included.
INSERT INTO limit_ev (event_time) VALUES ('2026-11-20 13:00:00Z');
\set VERBOSITY default
INSERT INTO limit_ev (event_time) VALUES ('2026-11-20 12:00:00Z'), ('2026-11-20 13:00:00.000001Z'), ('2026-11-20 13:00:00Z');
INSERT INTO limit_ev (event_time) VALUES ('9999-12-30Z');
\set VERBOSITY terse
COPY limit_ev (event_time) FROM stdin;
2226-01-01 00:00:00+00
\.
-- Rows of a Kafka partition were judged by the bridge, whose clock is another.
INSERT INTO limit_ev (event_time, kafka_partition, kafka_offset) VALUES ('2026-11-20 13:00:03Z', 0, 1);
-- As many as the setting says, at once, in this session too.
SELECT globalmart.set_setting('max_future.limit_ev', '3 hours');
INSERT INTO limit_ev (event_time) VALUES ('2026-11-20 15:00:00Z');
INSERT INTO limit_ev (event_time) VALUES ('2026-11-20 15:00:00.000001Z');
SELECT globalmart.set_setting('max_future', '4 hours');
INSERT INTO limit_ev (event_time) VALUES ('2026-11-20 15:00:00.000001Z');
SELECT globalmart.reset_setting('max_future.limit_ev');
INSERT INTO limit_ev (event_time) VALUES ('2026-11-20 16:00:00Z');
SELECT globalmart.reset_setting('max_future');
INSERT INTO limit_ev (event_time) VALUES ('2026-11-20 13:00:00.000001Z');
SELECT globalmart.set_setting('max_future.limit_ev', '100000000 years');
INSERT INTO limit_ev (event_time) VALUES ('2026-12-30Z');
SELECT globalmart.set_setting('max_future.limit_ev', '0');
INSERT INTO limit_ev (event_time) VALUES ('2026-11-20 12:00:00Z');
INSERT INTO limit_ev (event_time) VALUES ('2026-11-20 12:00:00.000001Z');
SELECT globalmart.set_setting('max_future.limit_ev', NULL);
INSERT INTO limit_ev (event_time) VALUES ('9999-12-30Z');
-- No limit: a new definition begins after the event all the same.
SELECT globalmart.create_rollup('limit_after', limit_query('tumble(event_time, interval ''2 minutes'')'), lateness => '0');
SELECT live_from FROM globalmart.rollups WHERE name = 'limit_after';
SELECT globalmart.drop_rollup('limit_after');

-- With one, no definition is put off for a thousand years, and none is made that would leave out what is there.
SELECT globalmart.reset_setting('max_future.limit_ev');
\set VERBOSITY default
SELECT globalmart.create_rollup('limit_after', limit_query('tumble(event_time, interval ''2 minutes'')'), lateness => '0');
SELECT globalmart.alter_rollup('limit_minute', query => limit_query('tumble(event_time, interval ''2 minutes'')'));
\set VERBOSITY terse
SELECT globalmart.alter_rollup('limit_minute', lateness => '1 second');
DELETE FROM limit_ev WHERE event_time > '2026-11-20 13:01:00Z';
SELECT globalmart.create_rollup('limit_after', limit_query('tumble(event_time, interval ''2 minutes'')'), lateness => '0');
SELECT globalmart.alter_rollup('limit_minute', query => limit_query('tumble(event_time, interval ''2 minutes'')'));
SELECT rollup, live_from, live_until FROM globalmart.rollup_versions ORDER BY rollup, version_id;
SET globalmart.now = '2026-11-20 14:00:00Z';
INSERT INTO limit_ev (event_time) VALUES ('2026-11-20 13:00:59Z'), ('2026-11-20 13:01:59Z'), ('2026-11-20 14:00:00Z');
CALL globalmart.close_windows();
CALL globalmart.backfill_rollup('limit_after');
SELECT name, (SELECT count(*) FROM globalmart.verify(name)) AS differences FROM globalmart.rollups ORDER BY name;
SELECT * FROM globalmart.limit_after WHERE window_start >= '2026-11-20 13:00Z' ORDER BY 1, 2, 3;

-- A table that has rows becomes a stream: what is there is for a backfill, and no window begins among it.
CREATE TABLE limit_old (LIKE limit_ev INCLUDING ALL);
INSERT INTO limit_old (event_time) SELECT '2026-11-20 10:00:00Z'::timestamptz + n * interval '1 second' FROM generate_series(1, 100) AS n;
SELECT globalmart.create_stream('limit_old', 'limit_old', 'limit_old', NULL, 'event_time', 'event_id');
SELECT globalmart.greatest_event_time('limit_old');
SELECT globalmart.create_rollup('limit_filled', limit_query('tumble(event_time, interval ''1 minute'')', 'limit_old'), lateness => '0');
SELECT live_from FROM globalmart.rollups WHERE name = 'limit_filled';
SET globalmart.now = '2026-11-20 14:10:00Z';
CALL globalmart.close_windows();
CALL globalmart.backfill_rollup('limit_filled');
SELECT window_start, events FROM globalmart.limit_filled ORDER BY 1;
SELECT * FROM globalmart.verify('limit_filled');
-- Registered again, it has moved nothing.
INSERT INTO limit_old (event_time, kafka_partition, kafka_offset) VALUES ('2026-11-20 14:00:00Z', 0, 1);
SELECT globalmart.create_stream('limit_old', 'limit_old', 'limit_old', NULL, 'event_time', 'event_id');
SELECT globalmart.greatest_event_time('limit_old');
-- Rows that a topic brought do not move the watermark: the bridge will, with what it still has to read.
CREATE TABLE limit_topic (LIKE limit_ev INCLUDING ALL);
INSERT INTO limit_topic (event_time, kafka_partition, kafka_offset) VALUES ('2026-11-20 10:00:00Z', 0, 7), ('infinity', 0, 8);
SELECT globalmart.create_stream('limit_topic', 'limit_topic', 'limit_topic', 'limit-topic', 'event_time', 'event_id');
SELECT globalmart.greatest_event_time('limit_topic'), globalmart.watermark('limit_topic');

-- Partitions that are forgotten leave their greatest event time behind, and no watermark.
SELECT count(*) FROM globalmart.claim_partitions('limit-topic', '{0,1}', 'limits');
SELECT globalmart.advance_offsets('limit-topic', '{0,1}', '{1,1}', '{NULL,NULL}', '{10,10}', '{2026-11-20 13:30:10Z,2026-11-20 13:20Z}',
  '{NULL,NULL}', '{1,1}', '{t,t}', '{10,10}', '{0,0}', '{0,0}');
INSERT INTO limit_topic (event_time, kafka_partition, kafka_offset) VALUES ('2026-11-20 13:30:10Z', 0, 9), ('2026-11-20 13:20:00Z', 1, 9);
SELECT globalmart.forget_partitions('limit-topic', 0);
SELECT globalmart.greatest_event_time('limit_topic'), globalmart.watermark('limit_topic');
SELECT globalmart.forget_partitions('limit-topic');
SELECT globalmart.greatest_event_time('limit_topic'), globalmart.watermark('limit_topic');
SELECT globalmart.create_rollup('limit_forgotten', limit_query('tumble(event_time, interval ''1 minute'')', 'limit_topic'), lateness => '0');
SELECT live_from FROM globalmart.rollups WHERE name = 'limit_forgotten';

-- The ends of the scale: an event is refused when a window of it would leave it.
CREATE TABLE limit_ends (LIKE limit_ev INCLUDING ALL);
SELECT globalmart.create_stream('limit_ends', 'limit_ends', 'limit_ends', NULL, 'event_time', 'event_id');
SELECT globalmart.set_setting('max_future.limit_ends', NULL);
SELECT globalmart.create_rollup('limit_sevens', limit_query('tumble(event_time, interval ''7 minutes'')', 'limit_ends'), lateness => '0');
SELECT globalmart.create_rollup('limit_hops', limit_query('hop(event_time, interval ''2 hours'', interval ''1 hour'')', 'limit_ends'), lateness => '0');
SELECT globalmart.create_rollup('limit_runs', limit_query('session(event_time, interval ''3 hours'')', 'limit_ends'), lateness => '0');
\set VERBOSITY default
INSERT INTO limit_ends (event_time) VALUES ('4714-11-24 00:00:00Z BC');
INSERT INTO limit_ends (event_time) VALUES ('294276-12-31 23:59:59Z');
INSERT INTO limit_ends (event_time) VALUES ('infinity');
\set VERBOSITY terse
INSERT INTO limit_ends (event_time) VALUES ('-infinity');
INSERT INTO limit_ends (event_time) VALUES ('294276-12-31 21:00:00Z');
INSERT INTO limit_ends (event_time) VALUES ('4714-11-24 03:00:00Z BC'), ('294276-12-31 20:59:59Z');
CALL globalmart.close_windows();
SELECT name, (SELECT count(*) FROM globalmart.verify(name)) AS differences FROM globalmart.rollups WHERE domain = 'limit_ends' ORDER BY name;
SELECT window_start, window_end FROM globalmart.limit_sevens_live ORDER BY 1;
SELECT window_start, window_end FROM globalmart.limit_hops_live ORDER BY 1;
SELECT window_start, window_end FROM globalmart.limit_runs_live ORDER BY 1;

-- Sizes: ten years are enough for anything.
\set VERBOSITY default
SELECT globalmart.create_rollup('too_long', limit_query('tumble(event_time, interval ''87661 hours'')'));
\set VERBOSITY terse
SELECT globalmart.create_rollup('too_long', limit_query('tumble(event_time, interval ''2562047788 hours'')'));
SELECT globalmart.create_rollup('too_long', limit_query('hop(event_time, interval ''2562047788 hours'', interval ''2562047788 hours'')'));
SELECT globalmart.create_rollup('too_long', limit_query('session(event_time, interval ''2562047788 hours'')'));
SELECT globalmart.create_rollup('too_long', limit_query('tumble(event_time, interval ''1 hour'', interval ''2562047788 hours'')'));
SELECT globalmart.create_rollup('too_long', limit_query('tumble(event_time, interval ''1 hour'', interval ''-2562047788 hours'')'));
SELECT globalmart.create_rollup('just_long', limit_query('tumble(event_time, interval ''87660 hours'')'), lateness => '87660 hours', idle_timeout => '87660 hours');
\set VERBOSITY default
SELECT globalmart.alter_rollup('just_long', lateness => '60000000 hours');
SELECT globalmart.alter_rollup('just_long', idle_timeout => '87660 hours 1 second');
SELECT globalmart.alter_rollup('just_long', lateness => '1 day');
SELECT globalmart.alter_rollup('just_long', idle_timeout => '1 day -1 hour');
SELECT globalmart.alter_rollup('just_long', lateness => '1 month');
\set VERBOSITY terse
SELECT globalmart.create_rollup('too_long', limit_query('tumble(event_time, interval ''1 hour'')'), lateness => '87661 hours');
SELECT globalmart.create_rollup('too_long', limit_query('tumble(event_time, interval ''1 hour'')'), idle_timeout => '1 day');
CALL globalmart.close_windows();
SELECT globalmart.dedup_horizon();
