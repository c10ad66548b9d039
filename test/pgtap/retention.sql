-- Retention: raw days go by arrival, one by one, when nothing needs them; what went is on record.
SET globalmart.now = '2026-11-24 12:00:00+00';
SELECT plan(51);

CREATE FUNCTION pg_temp.add_order(event_time timestamptz, received_at timestamptz DEFAULT NULL, partition int DEFAULT -1, kafka_offset bigint DEFAULT NULL)
RETURNS void LANGUAGE sql AS $$
  INSERT INTO globalmart.transactions (event_time, transaction_id, user_id, total_amount, payment_method, country, received_at, kafka_partition, kafka_offset)
  VALUES ($1, gen_random_uuid(), 'USER_1', 10, 'PayPal', 'Japan', coalesce($2, $1), $3, coalesce($4, nextval('globalmart.sql_row_offset')))
$$;
CREATE FUNCTION pg_temp.days(stream text) RETURNS date[] LANGUAGE sql AS $$
  SELECT array_agg(l.day ORDER BY l.day) FROM globalmart.stream_leaves($1) AS l WHERE l.day < '2026-11-22'
$$;
SELECT globalmart.make_partition('transactions', d) FROM unnest('{2026-10-01,2026-10-02,2026-10-03,2026-10-04,2026-10-25}'::date[]) AS d \g /dev/null
SELECT pg_temp.add_order('2026-10-01 10:00+00');
SELECT pg_temp.add_order('2026-10-02 10:00+00');
SELECT pg_temp.add_order('2026-10-03 10:00+00');
-- This one is of October and arrived in November.
SELECT pg_temp.add_order('2026-10-03 11:00+00', '2026-11-20 10:00+00');
SELECT pg_temp.add_order('2026-10-25 10:00+00');
SELECT pg_temp.add_order('2020-05-05 10:00+00', '2020-05-05 10:00+00');
SELECT pg_temp.add_order('2020-05-05 11:00+00', '2026-11-20 10:00+00');
SELECT pg_temp.add_order('2026-11-24 12:00+00');

-- Nothing is closed: only the empty day goes.
CALL globalmart.drop_old_partitions();
SELECT is(pg_temp.days('transactions'), '{2026-10-01,2026-10-02,2026-10-03,2026-10-25}'::date[], 'days of open windows are kept, an empty one goes');
SELECT is((SELECT count(*) FROM globalmart.dropped_spans), 0::bigint, 'no row went, nothing is on record');
SELECT matches(globalmart.drop_old_leaf('transactions', '2026-10-01'), 'windows that are not closed', 'it says why');
SELECT is(globalmart.drop_old_leaf('transactions', '2026-10-25'), 'the retention setting', 'a day within the retention is kept');
CALL globalmart.close_windows();
SELECT is((SELECT min(closed_until) >= '2026-11-24 11:00+00' FROM globalmart.rollups WHERE domain = 'transactions' AND name NOT IN ('anomaly_stats')), true, 'all is closed now');

-- A paused rollup keeps its windows open, so their days.
SELECT globalmart.create_rollup('late_comer', 'SELECT window_start, window_end, count(*) AS n FROM globalmart.transactions, globalmart.tumble(event_time, interval ''24 hours'') GROUP BY window_start, window_end');
SELECT is_empty($$SELECT * FROM globalmart.verify('sales_per_minute')$$, 'before: stream and batch agree');

-- The warehouse is waited for from the first, be it never loaded; a shop without one takes it off the list, for good.
SELECT results_eq('SELECT reader, stream FROM globalmart.raw_readers ORDER BY 2',
  $$SELECT 'warehouse', s.stream FROM globalmart.etl_streams() AS s ORDER BY 2$$, 'a new shop has the warehouse for a reader');
SELECT is(globalmart.drop_old_leaf('transactions', '2026-10-01'), 'warehouse, which has not loaded all of it', 'a day that it never loaded is kept');
SELECT matches((SELECT problem FROM globalmart.status WHERE part = 'warehouse'), '^days past raw_retention are kept for it', 'status says so');
SET ROLE globalmart_owner;
DELETE FROM globalmart.raw_readers WHERE reader = 'warehouse';
SELECT globalmart.install_shop();
RESET ROLE;
SELECT is_empty('SELECT * FROM globalmart.raw_readers', 'taken off the list, it stays off it');
SELECT is((SELECT problem FROM globalmart.status WHERE part = 'warehouse'), NULL, 'and nothing is kept for it');

-- A loader that has not got there.
INSERT INTO globalmart.raw_readers (reader, stream) VALUES ('warehouse', 'transactions');
SELECT is(globalmart.drop_old_leaf('transactions', '2026-10-01'), 'warehouse, which has not loaded all of it', 'a loader that has loaded nothing keeps everything');
INSERT INTO globalmart.raw_reader_progress (reader, stream, kafka_partition, next_offset)
SELECT 'warehouse', 'transactions', -1, max(kafka_offset) FROM globalmart.transactions WHERE event_time < '2026-10-02 23:00+00' AND event_time > '2026-01-01';
SELECT is(globalmart.drop_old_leaf('transactions', '2026-10-02'), 'warehouse, which has not loaded all of it', 'next_offset itself is not loaded');
SELECT is(globalmart.drop_old_leaf('transactions', '2026-10-01'), 'dropped', 'what is loaded may go');
SELECT pg_temp.add_order('2026-10-02 12:00+00', NULL, 2, 5);
UPDATE globalmart.raw_reader_progress SET next_offset = next_offset + 1000;
SELECT is(globalmart.drop_old_leaf('transactions', '2026-10-02'), 'warehouse, which has not loaded all of it', 'every Kafka partition counts');
INSERT INTO globalmart.raw_reader_progress (reader, stream, kafka_partition, next_offset) VALUES ('warehouse', 'transactions', 2, 6);

-- A backfill that has begun.
INSERT INTO globalmart.backfills (rollup, events_from, filled_from, filled_until, ends) VALUES ('late_comer', '2026-09-01', '2026-09-01', '2026-10-02', '2026-11-20');
SELECT is(globalmart.drop_old_leaf('transactions', '2026-10-02'), 'rollup late_comer, a backfill that is not finished', 'a backfill that has begun keeps what it has not read');
UPDATE globalmart.backfills SET filled_until = '2026-10-04';
-- In whatever way the session writes and reads times: what goes on record is the UTC day.
SET datestyle = 'SQL, DMY';
SET timezone = 'Asia/Kolkata';
SELECT is(globalmart.drop_old_leaf('transactions', '2026-10-02'), 'dropped', 'and no more than that');
RESET datestyle;
RESET timezone;
DELETE FROM globalmart.backfills;
SELECT is(globalmart.drop_old_leaf('transactions', '2026-10-03'), 'rows that arrived within the retention', 'retention counts from arrival');

-- What is on record.
SELECT results_eq('SELECT stream, from_time, to_time FROM globalmart.dropped_spans ORDER BY 2',
  $$VALUES ('transactions', timestamptz '2026-10-01 00:00+00', timestamptz '2026-10-02 00:00+00'), ('transactions', '2026-10-02 00:00+00', '2026-10-03 00:00+00')$$,
  'dropped days are on record');
SELECT throws_ok($$SELECT * FROM globalmart.verify('sales_per_minute')$$, '55000', NULL, 'verify refuses a span whose rows are gone');
SELECT is_empty($$SELECT * FROM globalmart.verify('sales_per_minute', '2026-10-04')$$, 'and runs over what is there');
SELECT throws_ok($$SELECT globalmart.require_raw_rows('transactions', '2026-10-02 23:59:59+00', '2026-10-30')$$, '55000',
  'rows of transactions between 2026-10-02 00:00 UTC and 2026-10-03 00:00 UTC are no longer kept', 'the message names the span');
SELECT lives_ok($$SELECT globalmart.require_raw_rows('transactions', '2026-10-03', NULL)$$, 'from the end of the span on all is there');
SELECT lives_ok($$SELECT globalmart.require_raw_rows('transactions', NULL, '2026-10-01')$$, 'so it is before');
SELECT lives_ok($$SELECT globalmart.require_raw_rows('cart_events', NULL, NULL)$$, 'and in other streams');
SELECT throws_ok($$SELECT globalmart.require_raw_rows('transactions', NULL, NULL)$$, '55000', NULL, 'no bounds: all of it');
SELECT is((SELECT sum(total_transactions) FROM globalmart.sales_per_minute WHERE window_start BETWEEN '2026-10-01' AND '2026-10-03'), 2::numeric, 'closed windows stay');

-- The default partition: by DELETE, and by arrival.
SELECT is((SELECT count(*) FROM globalmart.transactions_default), 2::bigint, 'two rows of 2020 are in the default partition');
UPDATE globalmart.raw_reader_progress SET next_offset = 1000000;
CALL globalmart.drop_old_partitions();
SELECT is((SELECT array_agg(received_at) FROM globalmart.transactions_default), '{2026-11-20 10:00+00}'::timestamptz[], 'the one that arrived long ago goes');
SELECT ok(EXISTS (SELECT FROM globalmart.dropped_spans WHERE from_time = '2020-05-05 00:00+00' AND to_time = '2020-05-06 00:00+00'), 'and its day is on record');

-- No setting, no dropping; a longer one for one stream.
SELECT globalmart.make_partition(s, '2026-09-01') FROM unnest('{cart_events,inventory_events}'::text[]) AS s \g /dev/null
SELECT globalmart.set_setting('raw_retention.cart_events', NULL);
CALL globalmart.drop_old_partitions();
SELECT is(pg_temp.days('cart_events'), '{2026-09-01}'::date[], 'NULL keeps a stream for ever');
SELECT is(pg_temp.days('inventory_events'), NULL, 'the others go on');
SET globalmart.now = '2026-12-24 00:00:00+00';
CALL globalmart.drop_old_partitions();
SELECT is((SELECT min(day) FROM globalmart.stream_leaves('transactions')), date '2026-11-24', 'a month later all days up to 30 days ago are gone');

-- Late events stay while their rows can be compared.
SELECT globalmart.set_setting('late_events_retention', '1 day');
SET globalmart.now = '2026-12-24 12:00:00+00';
SELECT pg_temp.add_order('2026-12-24 11:59+00');
CALL globalmart.close_windows();
SELECT pg_temp.add_order('2026-12-23 10:00+00', '2026-12-24 12:00+00');
SELECT isnt((SELECT count(*) FROM globalmart.late_events), 0::bigint, 'an event comes late');
SET globalmart.now = '2026-12-26 12:00:00+00';
CALL globalmart.delete_old_rows();
SELECT isnt((SELECT count(*) FROM globalmart.late_events WHERE rollup = 'sales_per_minute' AND event_time = '2026-12-23 10:00+00'), 0::bigint, 'late_events_retention alone does not forget it');
SELECT is_empty($$SELECT * FROM globalmart.verify('sales_per_minute', '2026-12-01')$$, 'so that stream and batch still agree');
SET globalmart.now = '2027-01-26 12:00:00+00';
CALL globalmart.close_windows();
CALL globalmart.drop_old_partitions();
CALL globalmart.delete_old_rows();
SELECT is((SELECT count(*) FROM globalmart.late_events WHERE event_time = '2026-12-23 10:00+00'), 0::bigint, 'with the raw rows it goes');

-- Rows of rollups: whole months, by setting.
SELECT isnt((SELECT count(*) FROM globalmart.sales_per_minute WHERE window_end < '2026-11-01'), 0::bigint, 'rollups are kept for ever');
SELECT globalmart.set_setting('rollup_retention.sales_per_minute', '60 days');
CALL globalmart.delete_old_rows();
SELECT is((SELECT count(*) FROM globalmart.sales_per_minute WHERE window_end < '2026-11-01'), 0::bigint, 'or for as long as the setting says');
SELECT isnt((SELECT count(*) FROM globalmart.sales_per_minute WHERE window_end >= '2026-11-01' AND window_end < '2026-11-27'), 0::bigint, 'in whole months');
SELECT isnt((SELECT count(*) FROM globalmart.sales_by_country WHERE window_end < '2026-11-01'), 0::bigint, 'only the one that was named');
SELECT throws_ok($$SELECT globalmart.require_raw_rows('sales_per_minute', '2026-10-31', NULL)$$, '55000', NULL, 'that is on record as well');

-- Who may.
SET ROLE globalmart_reader;
SELECT throws_ok('CALL globalmart.drop_old_partitions()', '42501', NULL, 'a reader drops nothing');
SELECT throws_ok('CALL globalmart.delete_old_rows()', '42501', NULL, 'deletes nothing');
SELECT throws_ok('CALL globalmart.maintain_partitions()', '42501', NULL, 'and makes nothing');
RESET ROLE;
CREATE ROLE tap_job LOGIN IN ROLE globalmart_owner;
SET ROLE tap_job;
SELECT globalmart.set_setting('raw_retention', '1 day');
CALL globalmart.maintain_partitions();
CALL globalmart.drop_old_partitions();
CALL globalmart.delete_old_rows();
RESET ROLE;
SELECT is((SELECT min(day) FROM globalmart.stream_leaves('inventory_events')), date '2027-01-25', 'a job that is no superuser does the upkeep');
SELECT is((SELECT DISTINCT pg_get_userbyid(c.relowner)::text FROM globalmart.stream_leaves('inventory_events') AS l JOIN pg_class AS c ON c.oid = ('globalmart.' || l.leaf)::regclass), 'globalmart_owner', 'and all stays the owner''s');
DROP ROLE tap_job;

-- Crash-safe: a leaf is dropped and on record in one transaction.
SELECT is((SELECT count(*) FROM globalmart.dropped_spans AS d WHERE EXISTS (SELECT FROM globalmart.stream_leaves(d.stream) AS l WHERE l.day = (d.from_time AT TIME ZONE 'UTC')::date)), 0::bigint, 'what is on record is gone');
SELECT is((SELECT count(*) FROM pg_class AS c WHERE c.relnamespace = 'globalmart'::regnamespace AND c.relname ~ '_p[0-9]{8}$' AND NOT c.relispartition), 0::bigint, 'no partition was left detached');

-- Nothing of a rollup that was dropped is left for another of its name.
SELECT globalmart.publish_alerts('sales_per_minute');
CREATE TEMPORARY VIEW left_of AS
  SELECT 'alerts' AS what, s.rollup AS name FROM globalmart.alert_sources AS s
  UNION ALL SELECT 'span', d.stream FROM globalmart.dropped_spans AS d
  UNION ALL SELECT 'setting', substr(v.name, length('rollup_retention.') + 1) FROM globalmart.setting_values AS v WHERE v.name LIKE 'rollup\_retention.%';
SELECT set_eq($$SELECT what FROM left_of WHERE name = 'sales_per_minute'$$, '{alerts,span,setting}'::text[], 'a rollup with alerts, a retention of its own and months that are gone');
SELECT globalmart.drop_rollup('sales_per_minute');
SELECT is_empty($$SELECT what FROM left_of WHERE name = 'sales_per_minute'$$, 'takes them along when it is dropped');
SELECT * FROM finish();
