-- A late row is that row and no other: not one that a topic which begins anew brings at the same offset, and it
-- stays late when the stream's topic has another name.
SET globalmart.now = '2026-11-24 12:00:00+00';
SET client_min_messages = warning;
SELECT plan(14);

CREATE TABLE globalmart.pings (event_time timestamptz NOT NULL, event_id uuid NOT NULL, k text NOT NULL);
SELECT globalmart.add_message_columns('globalmart.pings');
SELECT globalmart.create_stream('pings', 'globalmart.pings', 'pings', 'pings-topic', 'event_time', 'event_id');
SELECT globalmart.create_rollup(n, format('SELECT window_start, window_end, k, count(*) AS n FROM globalmart.pings, globalmart.%s GROUP BY window_start, window_end, k', w), lateness => '0')
FROM (VALUES ('ping_minutes', 'tumble(event_time, interval ''1 minute'')'),
             ('ping_hops', 'hop(event_time, interval ''10 minutes'', interval ''1 minute'')'),
             ('ping_sessions', 'session(event_time, interval ''1 minute'')')) AS r(n, w) \g /dev/null
-- As the bridge does it: one message, its offset with it.
CREATE FUNCTION pg_temp.message(kafka_offset bigint, id text, at timestamptz) RETURNS void LANGUAGE sql AS $$
  SELECT globalmart.advance_offsets('pings-topic', '{0}', ARRAY[o.epoch], ARRAY[o.next_offset], ARRAY[$1 + 1], ARRAY[$3], '{NULL}', '{NULL}', '{f}', '{1}', '{0}', '{0}')
  FROM globalmart.kafka_offsets AS o WHERE o.topic = 'pings-topic';
  INSERT INTO globalmart.pings (event_time, event_id, k, kafka_partition, kafka_offset) VALUES ($3, md5($2)::uuid, 'a', 0, $1);
$$;
SELECT FROM globalmart.claim_partitions('pings-topic', '{0}', 'tap');
SELECT pg_temp.message(0, 'first', '2026-11-24 10:00:10+00');
SELECT pg_temp.message(1, 'second', '2026-11-24 10:05:10+00');
CALL globalmart.close_windows();
SELECT pg_temp.message(2, 'too late', '2026-11-24 10:00:20+00');
SELECT results_eq('SELECT rollup, kafka_offset FROM globalmart.late_events ORDER BY 1', $$VALUES ('ping_minutes', 2::bigint), ('ping_sessions', 2)$$, 'a message comes late');
SELECT results_eq('SELECT rollup, kafka_offset, received_at FROM globalmart.partly_late_events', $$VALUES ('ping_hops', 2::bigint, timestamptz '2026-11-24 12:00+00')$$, 'or in part');
SELECT is_empty($$SELECT * FROM unnest('{ping_minutes,ping_hops,ping_sessions}'::text[]) AS r, globalmart.verify(r)$$, 'stream and batch agree');

-- The topic begins anew: other events, in time, stand at the offsets that were late, and a late one where one
-- was in time.
SET globalmart.now = '2026-11-24 12:10:00+00';
SELECT is(globalmart.reset_offsets('pings-topic'), 1::bigint, 'the offsets are reset');
SELECT pg_temp.message(0, 'new', '2026-11-24 10:06:10+00');
SELECT pg_temp.message(1, 'new and late', '2026-11-24 10:01:30+00');
SELECT pg_temp.message(2, 'new at the place of a late one', '2026-11-24 10:06:20+00');
-- An event that was forgotten comes again, as it was: its copy is late, and itself is not.
SELECT pg_temp.message(3, 'filler', '2026-11-24 10:20:10+00');
CALL globalmart.close_windows();
SELECT globalmart.reset_offsets('pings-topic');
SET globalmart.now = '2026-11-24 12:20:00+00';
SELECT pg_temp.message(0, 'new', '2026-11-24 10:06:10+00');
CALL globalmart.close_windows();
SELECT is((SELECT count(*) FROM globalmart.late_events WHERE rollup = 'ping_minutes'), 3::bigint, 'each late message has a row of its own');
SELECT is((SELECT sum(n) FROM globalmart.ping_minutes), 4::numeric, 'what came in time is counted');
SELECT is_empty(format('SELECT * FROM globalmart.verify(%L)', r), r || ': stream and batch agree after the topic began anew')
FROM unnest('{ping_minutes,ping_hops,ping_sessions}'::text[]) AS r;

UPDATE globalmart.streams SET topic = 'pings-topic-2' WHERE stream = 'pings';
SELECT is_empty(format('SELECT * FROM globalmart.verify(%L)', r), r || ': and after it got another name')
FROM unnest('{ping_minutes,ping_hops,ping_sessions}'::text[]) AS r;

-- A loader's place is in the topic that was.
INSERT INTO globalmart.raw_reader_progress (reader, stream, kafka_partition, next_offset) VALUES ('warehouse', 'cart_events', 0, 1000), ('warehouse', 'cart_events', 1, 1000);
SELECT FROM globalmart.claim_partitions('cart-events-topic', '{0,1}', 'tap');
SELECT globalmart.reset_offsets('cart-events-topic', 1);
SELECT results_eq('SELECT kafka_partition FROM globalmart.raw_reader_progress', '{0}'::int[], 'a loader that is past the new beginning begins anew, in that partition');
SELECT globalmart.reset_offsets('cart-events-topic', 0, 1000);
SELECT results_eq('SELECT kafka_partition FROM globalmart.raw_reader_progress', '{0}'::int[], 'one that is not keeps its place');
SELECT * FROM finish();
