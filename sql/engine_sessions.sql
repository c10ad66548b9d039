-- Session windows: runs of events of a key, no two neighbours further apart than the gap.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS globalmart CASCADE;
DROP TABLE IF EXISTS sessions_ev CASCADE;
CREATE EXTENSION globalmart;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET globalmart.now = '2026-11-21 12:00:00Z';

CREATE TABLE sessions_ev (
  event_time timestamptz NOT NULL, event_id uuid NOT NULL DEFAULT gen_random_uuid(), user_id text NOT NULL, page text,
  value numeric(18,2), received_at timestamptz NOT NULL DEFAULT globalmart.clock(), kafka_partition int NOT NULL DEFAULT -1,
  kafka_offset bigint NOT NULL DEFAULT nextval('globalmart.sql_row_offset'));
SELECT globalmart.create_stream('sessions_ev', 'sessions_ev', 'sessions', NULL, 'event_time', 'event_id');
SELECT globalmart.create_rollup('s_user', $$
  SELECT window_start, window_end, user_id, count(*) AS events, count(DISTINCT page) AS pages, sum(value) AS value,
         max(event_time) AS last_event, globalmart.first_by(page, event_time, event_id) AS first_page,
         globalmart.last_by(page, event_time, event_id) AS last_page, count(*) FILTER (WHERE page = 'buy') AS bought
  FROM public.sessions_ev, globalmart.session(event_time, interval '30 seconds')
  GROUP BY window_start, window_end, user_id $$, lateness => interval '10 seconds');
SELECT globalmart.create_rollup('s_all', $$
  SELECT window_start, window_end, count(*) AS events, count(DISTINCT user_id) AS users
  FROM public.sessions_ev, globalmart.session(event_time, interval '30 seconds')
  GROUP BY window_start, window_end $$, lateness => interval '10 seconds');
SELECT globalmart.create_rollup('s_unsold', $$
  SELECT window_start, window_end, lower(user_id) AS who, count(*) AS views, sum(value) AS value
  FROM public.sessions_ev, globalmart.session(event_time, interval '30 seconds')
  WHERE page IS NOT NULL GROUP BY window_start, window_end, lower(user_id)
  HAVING count(*) FILTER (WHERE page = 'buy') = 0 $$, lateness => interval '10 seconds');
SELECT globalmart.create_rollup('s_longest', $$
  SELECT window_start, window_end, user_id, events, extract(epoch FROM window_end - window_start)::float8 AS seconds
  FROM (SELECT window_start, window_end, user_id, count(*) AS events
        FROM public.sessions_ev, globalmart.session(event_time, interval '30 seconds')
        GROUP BY window_start, window_end, user_id) AS s
  WHERE events > 1 $$, lateness => interval '10 seconds');

CREATE FUNCTION sessions_add(event_time timestamptz, user_id text, page text DEFAULT 'view', value numeric DEFAULT 1) RETURNS void LANGUAGE sql AS $$
  INSERT INTO sessions_ev (event_time, event_id, user_id, page, value) VALUES ($1, md5($1::text || $2 || $3)::uuid, $2, $3, $4)
$$;
CREATE VIEW sessions_verified AS
  SELECT name, (SELECT count(*) FROM globalmart.verify(name)) AS differences FROM globalmart.rollups WHERE kind = 'rollup' ORDER BY name;

--
-- exactly one gap apart belong together; a microsecond more does not
--
SELECT sessions_add('2026-11-20 10:00:00Z', 'ann'), sessions_add('2026-11-20 10:00:30Z', 'ann'), sessions_add('2026-11-20 10:01:00Z', 'ann', 'buy');
SELECT sessions_add('2026-11-20 10:00:00Z', 'Bob'), sessions_add('2026-11-20 10:00:30.000001Z', 'Bob');
-- out of order, in batches of their own: the last one joins two runs
SELECT sessions_add('2026-11-20 10:00:50Z', 'cid', 'c'), sessions_add('2026-11-20 10:00:00Z', 'cid', 'a'), sessions_add('2026-11-20 10:00:25Z', 'cid', 'b');
-- in one batch, shuffled, with two at one time
INSERT INTO sessions_ev (event_time, user_id, page, value)
  SELECT '2026-11-20 10:00Z'::timestamptz + s * interval '1 second', 'dan', p, 2
  FROM (VALUES (40, 'x'), (10, 'y'), (10, 'y'), (100, NULL), (0, NULL), (71, 'z')) AS v(s, p);
SELECT window_start, window_end, user_id, events, pages, value, last_event, first_page, last_page, bought, state FROM globalmart.s_user_live ORDER BY user_id, window_start;
-- every session that the watermark passed, HAVING and levels above included; an event later than all moves it
SELECT sessions_add('2026-11-20 10:01:45Z', 'eve');
CALL globalmart.close_windows();
SELECT globalmart.closed_until('s_user');
SELECT window_start, window_end, user_id, events, state FROM globalmart.s_user_live ORDER BY user_id, window_start;
SELECT * FROM sessions_verified;
-- a session closes as soon as its own gap is over, whatever others do
SELECT sessions_add('2026-11-20 10:02:09Z', 'eve');
CALL globalmart.close_windows();
SELECT user_id, window_start, window_end, events FROM globalmart.s_user WHERE user_id IN ('dan', 'eve') ORDER BY 1, 2;
SELECT window_start, window_end, events, users, state FROM globalmart.s_all_live ORDER BY 1;
SELECT window_start, window_end, who, views, value FROM globalmart.s_unsold ORDER BY who, window_start;
SELECT window_start, user_id, events, seconds FROM globalmart.s_longest ORDER BY user_id, window_start;
SELECT * FROM sessions_verified;

--
-- late is what comes at closed_until or before; a microsecond later is in time, even into a session that began long ago
--
SELECT globalmart.closed_until('s_user');
SELECT sessions_add('2026-11-20 10:01:59Z', 'eve', 'late'), sessions_add('2026-11-20 10:01:59.000001Z', 'eve', 'in time'), sessions_add('2026-11-20 10:01:50Z', 'fay', 'late');
SELECT rollup, count(*), min(event_time), max(event_time) FROM globalmart.late_events GROUP BY rollup ORDER BY rollup;
SELECT sessions_add('2026-11-20 10:05:00Z', 'gus');
CALL globalmart.close_windows();
SELECT user_id, window_start, window_end, events, last_page FROM globalmart.s_user WHERE user_id IN ('eve', 'fay') ORDER BY 1, 2;
SELECT * FROM sessions_verified;

--
-- midnight ends nothing
--
SELECT sessions_add('2026-11-20 23:59:40Z', 'hal'), sessions_add('2026-11-21 00:00:05Z', 'hal'), sessions_add('2026-11-21 00:00:31Z', 'hal');
SELECT sessions_add('2026-11-21 00:10:00Z', 'ida');
CALL globalmart.close_windows();
SELECT window_start, window_end, events FROM globalmart.s_user WHERE user_id = 'hal';
SELECT * FROM sessions_verified;

--
-- a session that is compacted while open, goes on, and is closed without its raw rows
--
SELECT sessions_add('2026-11-21 01:00:00Z', 'jay', 'one', 1), sessions_add('2026-11-21 01:00:20Z', 'jay', 'two', 2);
CALL globalmart.compact_partials(0);
SELECT chunks, groups FROM globalmart.partial_groups('s_user');
SELECT sessions_add('2026-11-21 01:00:50Z', 'jay', 'three', 3), sessions_add('2026-11-21 00:59:55Z', 'jay', 'zero', 4);
SELECT window_start, window_end, events, pages, value, first_page, last_page, state FROM globalmart.s_user_live WHERE user_id = 'jay';
CALL globalmart.compact_partials(0);
BEGIN;
DELETE FROM sessions_ev WHERE user_id = 'jay';
COMMIT;
SELECT sessions_add('2026-11-21 02:00:00Z', 'kim');
CALL globalmart.close_windows();
SELECT window_start, window_end, events, pages, value, first_page, last_page FROM globalmart.s_user WHERE user_id = 'jay';
SELECT difference, row_data ->> 'user_id' AS user_id FROM globalmart.verify('s_user');

--
-- verify and the batch form
--
BEGIN;
UPDATE globalmart.s_user SET events = events + 1 WHERE user_id = 'cid';
SELECT difference, row_data ->> 'events' AS events FROM globalmart.verify('s_user', NULL, '2026-11-21 00:30Z') ORDER BY 1;
ROLLBACK;
SELECT count(*) FROM globalmart.verify('s_user', NULL, '2026-11-21 00:30Z');
CREATE FUNCTION sessions_run(name text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
  EXECUTE 'SELECT count(*) FROM (' || globalmart.batch_query(name, '-infinity', '2026-11-21 00:30Z') || ') AS q' INTO n;
  RETURN n;
END
$$;
SELECT sessions_run('s_user') AS batch, (SELECT count(*) FROM globalmart.s_user WHERE window_end <= '2026-11-21 00:30Z') AS closed;

--
-- many: random arrival of 3,000 events in 30 batches, closes in between, no event too late for its lateness
--
SELECT globalmart.create_rollup('s_many', $$
  SELECT window_start, window_end, user_id, count(*) AS events, sum(value) AS value, count(DISTINCT page) AS pages,
         globalmart.last_by(page, event_time, event_id) AS last_page
  FROM public.sessions_ev, globalmart.session(event_time, interval '30 seconds')
  GROUP BY window_start, window_end, user_id $$, lateness => interval '3 minutes');
SET globalmart.now = '2026-11-22 12:00:00Z';
DO $$
BEGIN
  FOR batch IN 0..29 LOOP
    -- 100 events over three minutes that end where the next batch's last minute begins
    INSERT INTO sessions_ev (event_time, event_id, user_id, page, value)
      SELECT '2026-11-22 06:00Z'::timestamptz + batch * interval '1 minute' + (i * 7919 + batch * 104729) % 180000 * interval '1 millisecond',
             md5(batch || ' ' || i)::uuid, 'many_' || (i * 31 + batch) % 23, 'p' || i % 7, i
      FROM generate_series(1, 100) AS i;
    IF batch % 4 = 3 THEN
      CALL globalmart.close_windows();
    END IF;
  END LOOP;
END
$$;
SELECT sessions_add('2026-11-22 08:00:00Z', 'last');
CALL globalmart.close_windows();
SELECT count(*), sum(events) AS events, (SELECT count(*) FROM globalmart.late_events WHERE rollup = 's_many') AS late FROM globalmart.s_many WHERE window_start >= '2026-11-22';
SELECT count(*) FROM globalmart.verify('s_many');
SELECT name, count(*) FROM globalmart.rollups, globalmart.verify(name, '2026-11-22') GROUP BY name ORDER BY name;
