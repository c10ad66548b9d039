-- Dead letters, and how they are applied after all: once, by whoever owns their partition.
SET globalmart.now = '2026-11-24 12:00:00+00';
SELECT plan(38);

SELECT FROM globalmart.claim_partitions('cart-events-topic', '{0,1}', 'bridge');
SELECT globalmart.advance_offsets('cart-events-topic', '{0,1}', '{1,1}', '{NULL,NULL}', '{100,100}', '{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}', '{t,t}', '{95,99}', '{1,0}', '{4,1}');
SET ROLE globalmart_writer;
INSERT INTO globalmart.dead_letters (topic, kafka_partition, kafka_offset, reason, detail, key, value, received_at)
VALUES ('cart-events-topic', 0, 10, 'invalid_json', 'at 3', NULL, '{"a" 1}', '2026-11-24 10:00+00'),
       ('cart-events-topic', 0, 11, 'out_of_range', 'country', '\x00ff', '{"country": "Spain"}', '2026-11-24 11:00+00'),
       ('cart-events-topic', 0, 12, 'out_of_range', 'country', NULL, '{"country": "Italy"}', '2026-11-24 11:30+00'),
       ('cart-events-topic', 1, 10, 'tombstone', NULL, NULL, NULL, '2026-11-24 11:59+00'),
       ('cart-events-topic', 0, 13, 'rejected_by_database', '22023', NULL, '{}', '2026-11-24 11:59+00');
SELECT throws_ok('SELECT * FROM globalmart.dead_letters', '42501', NULL, 'the writer writes dead letters and reads none');
RESET ROLE;
SELECT results_eq($$SELECT reason, messages, last_detail FROM globalmart.dead_letter_summary ORDER BY 1$$,
  $$VALUES ('invalid_json', 1::bigint, 'at 3'), ('out_of_range', 2, 'country'), ('rejected_by_database', 1, '22023'), ('tombstone', 1, NULL)$$, 'the summary counts by reason');

-- Asking.
SELECT is(globalmart.redrive_dead_letters('{"reason": "out_of_range"}'), 2::bigint, 'a filter by reason');
SELECT is(globalmart.redrive_dead_letters('{"reason": "out_of_range"}'), 0::bigint, 'what waits is not asked for twice');
SELECT is(globalmart.redrive_dead_letters('{"topic": "transactions-topic"}'), 0::bigint, 'another topic has none');
SELECT is(globalmart.redrive_dead_letters('{"received_from": "2026-11-24 10:00+00", "received_to": "2026-11-24 11:00+00"}', '{"a": 1}'), 1::bigint, 'a span, its one message mended');
SELECT is((SELECT convert_from(value, 'UTF8') FROM globalmart.dead_letter_redrives WHERE kafka_offset = 10), '{"a": 1}', 'the mended message waits');
SELECT throws_ok($$SELECT globalmart.redrive_dead_letters('{}', '{}')$$, '21000', NULL, 'one mended message cannot stand for many');
SELECT throws_ok($$SELECT globalmart.redrive_dead_letters('{"offset": 1}')$$, '22023', NULL, 'an unknown member of a filter is refused, not ignored');
SELECT throws_ok(format('SELECT globalmart.redrive_dead_letters(%L)', f), '22004', NULL, 'a NULL is refused, it does not ask for all: ' || coalesce(f, 'NULL'))
FROM unnest(ARRAY['{"topic": null}', '{"reason": "out_of_range", "kafka_offset": null}', NULL]) AS f;
SELECT throws_ok('SELECT globalmart.redrive_dead_letter(NULL, 1, 10)', '22004', NULL, 'nor does a single one without a topic');
SELECT throws_ok($$SELECT globalmart.redrive_dead_letters('[]')$$, '22023', NULL, 'a filter is an object');
SELECT ok(globalmart.redrive_dead_letter('cart-events-topic', 1, 10, '{"mended": true}'), 'a single one');
SELECT ok(NOT globalmart.redrive_dead_letter('cart-events-topic', 1, 99), 'one that is not there');
SET ROLE globalmart_reader;
SELECT throws_ok('SELECT globalmart.redrive_dead_letters()', '42501', NULL, 'a reader may not ask');
RESET ROLE;

-- Applying.
SET ROLE globalmart_writer;
SELECT is_empty($$SELECT * FROM globalmart.take_redrives('cart-events-topic', '{0,1}', '{7,7}', 10)$$, 'who is fenced gets nothing');
SELECT is_empty($$SELECT * FROM globalmart.take_redrives('users-topic', '{0,1}', '{1,1}', 10)$$, 'nor by another topic');
BEGIN;
SELECT results_eq($$SELECT kafka_partition, kafka_offset, value FROM globalmart.take_redrives('cart-events-topic', '{0}', '{1}', 10)$$,
  $$VALUES (0, 11::bigint, bytea '{"country": "Spain"}'), (0, 12, '{"country": "Italy"}'), (0, 10, '{"a": 1}')$$, 'the owner gets what waits for its partitions');
ROLLBACK;
BEGIN;
SELECT is((SELECT count(*) FROM globalmart.take_redrives('cart-events-topic', '{0}', '{1}', 10)), 3::bigint, 'after a rollback all of them again');
INSERT INTO globalmart.cart_events (event_time, event_id, session_id, event_type, user_id, country, kafka_partition, kafka_offset)
VALUES ('2026-11-24 11:00+00', gen_random_uuid(), gen_random_uuid(), 'checkout', 'USER_1', 'UK', 0, 11);
SELECT globalmart.finish_redrives(array_agg(redrive_id ORDER BY kafka_offset), '{duplicate,applied,rejected}', '{NULL,NULL,ill_typed}', '{NULL,NULL,still no country}')
FROM globalmart.take_redrives('cart-events-topic', '{0}', '{1}', 10);
COMMIT;
RESET ROLE;
SELECT results_eq($$SELECT kafka_offset, state, detail FROM globalmart.dead_letter_redrives WHERE kafka_partition = 0 ORDER BY 1$$,
  $$VALUES (10::bigint, 'duplicate', NULL), (11, 'applied', NULL), (12, 'rejected', 'still no country')$$, 'each has its outcome');
SELECT results_eq($$SELECT kafka_partition, kafka_offset, reason, detail FROM globalmart.dead_letters ORDER BY 1, 2$$,
  $$VALUES (0, 12::bigint, 'ill_typed', 'still no country'), (0, 13, 'rejected_by_database', '22023'), (1, 10, 'tombstone', NULL)$$,
  'applied messages are no dead letters any more, rejected ones stay with the new reason');
SELECT results_eq($$SELECT accepted, duplicates, dead_letters FROM globalmart.kafka_offsets WHERE topic = 'cart-events-topic' AND kafka_partition = 0$$,
  $$VALUES (96::bigint, 2::bigint, 2::bigint)$$, 'messages = accepted + dead letters + duplicates, as before');
SELECT throws_ok($$SELECT globalmart.finish_redrives('{1}', '{applied}', '{NULL}', '{NULL}')$$, '55000', NULL, 'an outcome is final');
SELECT throws_ok($$SELECT globalmart.finish_redrives(ARRAY(SELECT redrive_id FROM globalmart.dead_letter_redrives WHERE state = 'waiting'), '{waiting}', '{NULL}', '{NULL}')$$, '55000', NULL, 'and one of three');
SELECT is(globalmart.redrive_dead_letters('{"kafka_offset": 12}', '{"country": "UK"}'), 1::bigint, 'a rejected one can be mended again');
SELECT is((SELECT count(*) FROM globalmart.take_redrives('cart-events-topic', '{0,1}', '{1,1}', 1)), 1::bigint, 'no more than asked for');

-- The message came again in the meantime, and its dead letter was deleted by retention: nothing to end.
DELETE FROM globalmart.dead_letters WHERE kafka_partition = 1;
SELECT throws_ok($$SELECT globalmart.finish_redrives(ARRAY[(SELECT redrive_id FROM globalmart.dead_letter_redrives WHERE kafka_partition = 1)], '{applied}', '{NULL}', '{NULL}')$$,
  '55000', NULL, 'a dead letter that is gone cannot be applied');
SELECT is(globalmart.cancel_redrives(), 2::bigint, 'requests can be taken back');
SELECT is_empty($$SELECT * FROM globalmart.take_redrives('cart-events-topic', '{0,1}', '{1,1}', 10)$$, 'and are gone then');

-- Retention.
SELECT globalmart.set_setting('dead_letters_retention', '1 hour');
SELECT is(globalmart.redrive_dead_letters('{"kafka_offset": 13}'), 1::bigint, 'one waits');
SET globalmart.now = '2026-11-24 13:10:00+00';
CALL globalmart.delete_old_rows();
SELECT results_eq('SELECT kafka_offset FROM globalmart.dead_letters', '{13}'::bigint[], 'retention leaves what waits to be redriven');
SELECT results_eq('SELECT kafka_offset FROM globalmart.dead_letter_redrives', '{13}'::bigint[], 'and forgets finished requests');
SELECT globalmart.cancel_redrives();
SET globalmart.now = '2026-11-24 14:20:00+00';
SELECT globalmart.set_setting('dead_letters_retention', NULL);
CALL globalmart.delete_old_rows();
SELECT is((SELECT count(*) FROM globalmart.dead_letters), 1::bigint, 'NULL keeps them for ever');
SELECT globalmart.reset_setting('dead_letters_retention');
SET globalmart.now = '2027-02-22 11:58:59+00';
CALL globalmart.delete_old_rows();
SELECT is((SELECT count(*) FROM globalmart.dead_letters), 1::bigint, '90 days are kept');
SET globalmart.now = '2027-02-22 11:59:01+00';
CALL globalmart.delete_old_rows();
SELECT is((SELECT count(*) FROM globalmart.dead_letters), 0::bigint, 'and no more');
SELECT col_is_pk('globalmart', 'dead_letters', '{topic,kafka_partition,kafka_offset}'::name[], 'a message is one dead letter');
SELECT * FROM finish();
