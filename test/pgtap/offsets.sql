-- Offsets, epochs and event-time progress of Kafka partitions.
SET globalmart.now = '2026-11-24 12:00:00+00';
SELECT plan(54);
CREATE FUNCTION pg_temp.hint_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  hint text;
BEGIN
  EXECUTE statement;
  RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
  RETURN hint;
END
$$;

SELECT results_eq($$SELECT * FROM globalmart.claim_partitions('transactions-topic', '{1,0,2}', 'first') ORDER BY 1$$,
  $$VALUES (0, 1::bigint, NULL::bigint, NULL::timestamptz, NULL::bigint), (1, 1, NULL, NULL, NULL), (2, 1, NULL, NULL, NULL)$$,
  'a first claim: epoch 1, nothing read');
SELECT results_eq($$SELECT domain, kafka_partition, max_event_time, last_message_at, at_end_since, checked_at FROM globalmart.partition_progress ORDER BY 2$$,
  $$SELECT 'transactions', p, NULL::timestamptz, globalmart.clock(), NULL::timestamptz, globalmart.clock() FROM generate_series(0, 2) AS p$$,
  'partitions that never had a message hold the watermark');
SELECT is(globalmart.watermark('transactions'), NULL, 'so there is none');

CREATE FUNCTION pg_temp.advance(partition int, epoch bigint, expected bigint, next bigint, event_time timestamptz DEFAULT NULL, at_end boolean DEFAULT false)
RETURNS void LANGUAGE sql AS $$
  SELECT globalmart.advance_offsets('transactions-topic', ARRAY[$1], ARRAY[$2], ARRAY[$3], ARRAY[$4], ARRAY[$5],
    ARRAY[timestamptz '2026-11-24 11:00+00'], ARRAY[$4 * 7], ARRAY[$6], ARRAY[3::bigint], ARRAY[2::bigint], ARRAY[1::bigint])
$$;
SET globalmart.now = '2026-11-24 12:00:01+00';
SELECT lives_ok($$SELECT pg_temp.advance(0, 1, NULL, 10, '2026-11-24 11:30+00')$$, 'a first batch expects NULL');
SELECT results_eq($$SELECT next_offset, epoch, owner, advanced_at, last_message_time, last_message_hash, accepted, duplicates, dead_letters
                    FROM globalmart.kafka_offsets WHERE topic = 'transactions-topic' AND kafka_partition = 0$$,
  $$VALUES (10::bigint, 1::bigint, 'first', timestamptz '2026-11-24 12:00:01+00', timestamptz '2026-11-24 11:00+00', 70::bigint, 3::bigint, 2::bigint, 1::bigint)$$,
  'offset, hash and counts move together');
SELECT throws_ok($$SELECT pg_temp.advance(0, 1, NULL, 20)$$, 'GM001', NULL, 'the same batch again is fenced');
SELECT throws_ok($$SELECT pg_temp.advance(0, 1, 9, 20)$$, 'GM001', NULL, 'another expected offset is fenced');
SELECT throws_ok($$SELECT pg_temp.advance(0, 2, 10, 20)$$, 'GM001', NULL, 'another epoch is fenced');
SELECT throws_ok($$SELECT pg_temp.advance(7, 1, 10, 20)$$, 'GM001', NULL, 'a partition that nobody claimed is fenced');
SELECT throws_ok($$SELECT pg_temp.advance(0, 1, 10, 9)$$, 'GM001', NULL, 'an offset never goes back');
SELECT throws_ok($$SELECT globalmart.advance_offsets('transactions-topic', '{0,1}', '{1,1}', '{10,5}', '{20,9}', '{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}', '{f,f}', '{1,1}', '{0,0}', '{0,0}')$$,
  'GM001', NULL, 'one partition that is elsewhere fences the whole batch');
SELECT is((SELECT next_offset FROM globalmart.kafka_offsets WHERE topic = 'transactions-topic' AND kafka_partition = 0), 10::bigint, 'and nothing has moved');
SELECT throws_ok($$SELECT globalmart.advance_offsets('other-topic', '{0}', '{1}', '{10}', '{20}', '{NULL}', '{NULL}', '{NULL}', '{f}', '{1}', '{0}', '{0}')$$,
  'GM001', NULL, 'nor by the name of another topic');

-- Event time.
SELECT is((SELECT max_event_time FROM globalmart.partition_progress WHERE kafka_partition = 0), timestamptz '2026-11-24 11:30+00', 'event time moves with the offset');
SELECT pg_temp.advance(0, 1, 10, 11, '2026-11-24 11:00+00');
SELECT is((SELECT max_event_time FROM globalmart.partition_progress WHERE kafka_partition = 0), timestamptz '2026-11-24 11:30+00', 'and not back');
SELECT pg_temp.advance(0, 1, 11, 12, NULL);
SELECT is((SELECT max_event_time FROM globalmart.partition_progress WHERE kafka_partition = 0), timestamptz '2026-11-24 11:30+00', 'a batch of dead letters and duplicates does not move it');
SELECT pg_temp.advance(0, 1, 12, 13, '2026-11-24 12:59+00');
SELECT is((SELECT max_event_time FROM globalmart.partition_progress WHERE kafka_partition = 0), timestamptz '2026-11-24 12:00:01+00', 'an event of the future counts as one of now');
SELECT pg_temp.advance(1, 1, NULL, 1, '2026-11-24 11:50+00', true);
SELECT pg_temp.advance(2, 1, NULL, 1, '2026-11-24 11:40+00', true);
SELECT is(globalmart.watermark('transactions'), timestamptz '2026-11-24 11:40+00', 'the watermark is the least of the partitions');

-- Signs of life.
SET globalmart.now = '2026-11-24 12:00:31+00';
SELECT globalmart.report_partitions('transactions-topic', '{0,1,2}', '{1,1,1}', '{f,t,t}');
SET globalmart.now = '2026-11-24 12:01:01+00';
SELECT globalmart.report_partitions('transactions-topic', '{0,1,2}', '{1,1,9}', '{f,t,t}');
SELECT results_eq('SELECT kafka_partition, at_end_since, checked_at FROM globalmart.partition_progress ORDER BY 1',
  $$VALUES (0, NULL::timestamptz, timestamptz '2026-11-24 12:01:01+00'), (1, '2026-11-24 12:00:01+00', '2026-11-24 12:01:01+00'),
           (2, '2026-11-24 12:00:01+00', '2026-11-24 12:00:31+00')$$,
  'a report keeps since when a partition is at its end, and passes over what has another epoch');
SELECT results_eq($$SELECT kafka_partition, state FROM globalmart.watermarks WHERE stream = 'transactions' ORDER BY 1$$,
  $$VALUES (0, 'live'), (1, 'idle'), (2, 'live')$$, 'a minute at the end makes idle; no report makes nothing idle');
SELECT is(globalmart.watermark('transactions'), timestamptz '2026-11-24 11:40+00', 'the idle partition no longer holds the watermark');
SELECT pg_temp.advance(1, 1, 1, 2, '2026-11-24 11:51+00', false);
SELECT is((SELECT at_end_since FROM globalmart.partition_progress WHERE kafka_partition = 1), NULL, 'a partition that lags is not at its end');

-- Another owner.
SELECT results_eq($$SELECT kafka_partition, epoch, next_offset, last_message_hash FROM globalmart.claim_partitions('transactions-topic', '{0}', 'second')$$,
  $$VALUES (0, 2::bigint, 13::bigint, 91::bigint)$$, 'a claim raises the epoch and tells where to go on');
SELECT throws_ok($$SELECT pg_temp.advance(0, 1, 13, 14)$$, 'GM001', NULL, 'the former owner is fenced');
SELECT lives_ok($$SELECT pg_temp.advance(0, 2, 13, 14)$$, 'the new one goes on');
SELECT throws_like($$SELECT pg_temp.advance(0, 1, 14, 15)$$, '1 of 1 partitions of topic transactions-topic %', 'the message says what is not as expected');
SELECT is((SELECT max_event_time FROM globalmart.partition_progress WHERE kafka_partition = 0), timestamptz '2026-11-24 12:00:01+00', 'a claim forgets no event time');
SELECT lives_ok($$SELECT FROM globalmart.claim_partitions('transactions-topic', '{1,1}', 'third')$$, 'a partition may be named twice');

-- By hand.
SELECT is(globalmart.reset_offsets('transactions-topic', 0, 5), 1::bigint, 'an owner may reset a partition');
SELECT throws_ok($$SELECT pg_temp.advance(0, 2, 14, 15)$$, 'GM001', NULL, 'the bridge that runs is fenced');
SELECT results_eq($$SELECT epoch, next_offset, last_message_hash FROM globalmart.claim_partitions('transactions-topic', '{0}', 'next')$$,
  $$VALUES (4::bigint, 5::bigint, NULL::bigint)$$, 'and the next goes on where it was told to');
SELECT is(globalmart.reset_offsets('transactions-topic'), 3::bigint, 'all of a topic');
SELECT is((SELECT count(*) FROM globalmart.kafka_offsets WHERE topic = 'transactions-topic' AND next_offset IS NULL), 3::bigint, 'as if never read');
SELECT FROM globalmart.claim_partitions('transactions-topic', '{5}', 'x');
SELECT is(globalmart.watermark('transactions'), NULL, 'a partition that never had a message holds the watermark');
SELECT is(globalmart.forget_partitions('transactions-topic', 5), 1::bigint, 'one that is gone from the topic can be forgotten');
SELECT isnt(globalmart.watermark('transactions'), NULL, 'and holds it no longer');
SELECT throws_ok(format('SELECT globalmart.%s(%s)', f, a), '42704', m, format('%s refuses what it does not know', f))
FROM (VALUES ('reset_offsets', $$'cart'$$, 'no bridge has read a topic "cart"'),
             ('reset_offsets', $$'transactions-topic', 5$$, 'no bridge has read a partition 5 of topic "transactions-topic"'),
             ('forget_partitions', $$'cart'$$, 'no bridge has read a topic "cart"')) AS r(f, a, m);
SELECT is(pg_temp.hint_of($$SELECT globalmart.reset_offsets('cart')$$), 'Topics: transactions-topic.', 'the hint lists the topics');
SELECT is(pg_temp.hint_of($$SELECT globalmart.reset_offsets('transactions-topic', 5)$$), 'Partitions: 0, 1, 2.', 'or the partitions');
SELECT throws_ok('SELECT globalmart.reset_offsets(NULL)', '42704', NULL, 'nor is NULL a topic');
SET ROLE globalmart_writer;
SELECT throws_ok($$SELECT globalmart.reset_offsets('transactions-topic')$$, '42501', NULL, 'the bridge itself resets nothing');
RESET ROLE;

-- Catalogue topics have offsets and no event time.
SELECT lives_ok($$SELECT FROM globalmart.claim_partitions('users-topic', '{0}', 'x')$$, 'a catalogue topic can be claimed');
SELECT lives_ok($$SELECT globalmart.advance_offsets('users-topic', '{0}', '{1}', '{NULL}', '{5}', '{2026-11-24}', '{NULL}', '{NULL}', '{t}', '{5}', '{0}', '{0}')$$, 'and moved');
SELECT is((SELECT count(*) FROM globalmart.partition_progress), 3::bigint, 'without event-time progress');

-- Rate: messages a second over ten seconds or more.
SELECT is((SELECT messages_a_second FROM globalmart.kafka_offsets WHERE topic = 'users-topic'), NULL, 'no rate before there is a span');
SET globalmart.now = '2026-11-24 12:01:21+00';
SELECT globalmart.advance_offsets('users-topic', '{0}', '{1}', '{5}', '{10}', '{NULL}', '{NULL}', '{NULL}', '{t}', '{5}', '{0}', '{0}');
SELECT is((SELECT messages_a_second FROM globalmart.kafka_offsets WHERE topic = 'users-topic'), 0.25::float8, 'five messages in twenty seconds');

-- What a new owner must remember.
INSERT INTO globalmart.cart_events (event_time, event_id, session_id, event_type, user_id, country, kafka_partition, kafka_offset)
SELECT timestamptz '2026-11-24 12:00+00' - make_interval(hours => n), ('00000000-0000-0000-0000-00000000000' || n)::uuid, gen_random_uuid(), 'checkout', 'USER_1', 'UK', n % 2, n
FROM generate_series(0, 9) AS n;
SELECT results_eq($$SELECT event_id, event_time, kafka_partition FROM globalmart.recent_ids('cart_events', '{1}', '2026-11-24 08:00+00') ORDER BY 2$$,
  $$VALUES ('00000000-0000-0000-0000-000000000003'::uuid, timestamptz '2026-11-24 09:00+00', 1), ('00000000-0000-0000-0000-000000000001', '2026-11-24 11:00+00', 1)$$,
  'recent ids are those of the partitions, from a time on');
SELECT throws_ok($$SELECT globalmart.recent_ids('high_value_anomalies', '{1}', now())$$, '42704', NULL, 'a detector''s table has none');
SELECT is(globalmart.dedup_horizon(), interval '35 minutes', 'ids are needed for the widest window and its lateness');
SELECT globalmart.create_rollup('wide', 'SELECT window_start, window_end, count(*) AS n FROM globalmart.transactions, globalmart.tumble(event_time, interval ''2 hours'') GROUP BY window_start, window_end', lateness => '10 minutes');
SELECT is(globalmart.dedup_horizon(), interval '2 hours 10 minutes', 'a wider rollup widens it');

-- Lists.
SELECT results_eq($$SELECT globalmart.list_values('countries')$$, '{France,Germany,Japan,UK,USA}'::text[], 'a list''s values');
SELECT throws_ok($$SELECT globalmart.list_values('users')$$, '42704', NULL, 'only lists are read by name');
SELECT * FROM finish();
