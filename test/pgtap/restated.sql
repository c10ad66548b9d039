-- Rollups with their late events: restated gives them, and its sums are the warehouse's; rebuild_rollup puts them
-- into the table; compare_batch_stream sets stream and batch side by side.
SET globalmart.now = '2026-11-24 02:00:00+00';
SET client_min_messages = warning;
SELECT no_plan();

CREATE FUNCTION pg_temp.place_order(id int, at timestamptz, buyer text, VARIADIC prices numeric[]) RETURNS void LANGUAGE sql AS $$
  INSERT INTO globalmart.transactions (event_time, transaction_id, user_id, total_amount, payment_method, country)
  SELECT at, md5(id::text)::uuid, buyer, (SELECT sum(p) FROM unnest(prices) AS p), 'PayPal', 'UK';
  INSERT INTO globalmart.transaction_items (event_time, transaction_id, line_no, quantity, product_id, price, user_id, total_amount, payment_method, country)
  SELECT at, md5(id::text)::uuid, n, 2, 'PROD_' || n, p, buyer, 0, 'PayPal', 'UK' FROM unnest(prices) WITH ORDINALITY AS u(p, n);
$$;
-- The clock's columns apart, what restated gives and what the table holds.
CREATE FUNCTION pg_temp.table_rows(rollup text) RETURNS SETOF jsonb LANGUAGE plpgsql AS $$
BEGIN RETURN QUERY EXECUTE format('SELECT to_jsonb(q) - ''created_at'' - ''alert_generated_at'' FROM globalmart.%I AS q', rollup); END $$;
CREATE FUNCTION pg_temp.restated_rows(rollup text) RETURNS SETOF jsonb LANGUAGE plpgsql AS $$
BEGIN RETURN QUERY EXECUTE format('SELECT to_jsonb(q) - ''created_at'' - ''alert_generated_at'' FROM globalmart.restated(NULL::globalmart.%I) AS q', rollup); END $$;
CREATE FUNCTION pg_temp.not_restated() RETURNS TABLE (rollup text, what jsonb) LANGUAGE sql AS $$
  SELECT r.name, d FROM globalmart.rollups AS r, LATERAL (
    (SELECT * FROM pg_temp.table_rows(r.name) EXCEPT ALL SELECT * FROM pg_temp.restated_rows(r.name)) UNION ALL
    (SELECT * FROM pg_temp.restated_rows(r.name) EXCEPT ALL SELECT * FROM pg_temp.table_rows(r.name))) AS x(d)
  WHERE r.kind = 'rollup'
$$;
CREATE FUNCTION pg_temp.differing() RETURNS TABLE (rollup text, difference text, row_data jsonb) LANGUAGE sql AS $$
  SELECT r.name, v.* FROM globalmart.rollups AS r, globalmart.verify(r.name) AS v WHERE r.kind = 'rollup'
$$;

SELECT globalmart.create_rollup('hopping', 'SELECT window_start, window_end, country, count(*) AS n, sum(total_amount) AS amount FROM globalmart.transactions, globalmart.hop(event_time, interval ''10 minutes'', interval ''5 minutes'') GROUP BY 1, 2, 3');
SELECT globalmart.create_rollup('best', 'SELECT window_start, window_end, user_id, amount FROM (SELECT window_start, window_end, user_id, sum(total_amount) AS amount FROM globalmart.transactions, globalmart.tumble(event_time, interval ''1 minute'') GROUP BY 1, 2, 3) AS u ORDER BY amount DESC, user_id LIMIT 1');
SELECT globalmart.create_rollup('visits', 'SELECT window_start, window_end, user_id, count(*) AS n FROM globalmart.transactions, globalmart.session(event_time, interval ''10 minutes'') GROUP BY 1, 2, 3', lateness => '0');
SELECT globalmart.create_rollup('by_hour', 'SELECT window_start, window_end, date_part(''hour'', window_start) AS hour_of_day, count(*) AS n FROM globalmart.transactions, globalmart.tumble(event_time, interval ''1 minute'') GROUP BY 1, 2');
SELECT pg_temp.place_order(1, '2026-11-23 10:00:10+00', 'USER_1', 10, 20);
SELECT pg_temp.place_order(2, '2026-11-23 10:03:10+00', 'USER_2', 7);
SELECT pg_temp.place_order(3, '2026-11-23 10:18:10+00', 'USER_1', 1);
SELECT pg_temp.place_order(4, '2026-11-23 12:00:10+00', 'USER_2', 3);
CALL globalmart.close_windows();
SELECT is_empty('SELECT * FROM pg_temp.not_restated()', 'where nothing is late, restated gives the closed rows');
SET timezone = 'America/Lima';
SELECT is_empty('SELECT * FROM pg_temp.not_restated()', 'whatever the session''s time zone');

-- Late: more for a window that is closed, a window that had nothing, a session that joins two, one that joins a
-- session that is open still, a user that takes the place of the best one.
SELECT pg_temp.place_order(5, '2026-11-23 10:00:20+00', 'USER_9', 100);
SELECT pg_temp.place_order(6, '2026-11-23 10:09:10+00', 'USER_1', 4);
SELECT pg_temp.place_order(7, '2026-11-23 11:50:30+00', 'USER_2', 5, 6);
SELECT pg_temp.place_order(8, '2026-11-23 11:50:20+00', 'USER_3', 5);
SELECT ok((SELECT count(*) >= 4 FROM globalmart.late_events WHERE rollup = 'sales_per_minute'), 'four orders come late');
SELECT results_eq($$SELECT total_transactions, total_revenue FROM globalmart.sales_per_minute WHERE window_start = '2026-11-23 10:00+00'$$,
  'VALUES (1::bigint, 30.00)', 'the closed row has none of them');
SELECT results_eq($$SELECT total_transactions, total_revenue, created_at FROM globalmart.restated(NULL::globalmart.sales_per_minute, '2026-11-23 10:00+00', '2026-11-23 10:01+00')$$,
  'VALUES (2::bigint, 130.00, NULL::timestamptz)', 'restated has');
SELECT results_eq($$SELECT user_id, amount FROM globalmart.restated(NULL::globalmart.best, '2026-11-23 10:00+00', '2026-11-23 10:01+00')$$,
  $$VALUES ('USER_9', 100.00)$$, 'levels above see the late events, too, and one window at a time');
SELECT results_eq($$SELECT window_start, window_end, n FROM globalmart.restated(NULL::globalmart.visits) WHERE user_id = 'USER_1'$$,
  $$VALUES (timestamptz '2026-11-23 10:00:10+00', timestamptz '2026-11-23 10:28:10+00', 3::bigint)$$, 'a late event joins two sessions');
SELECT is_empty('SELECT * FROM pg_temp.differing()', 'verify goes by what was late');

-- Every window but those of the newest order is closed; that order is in the warehouse already.
CALL globalmart.run_etl();
SELECT is((SELECT sum(total_revenue) FROM globalmart.restated(NULL::globalmart.inventory_metrics)),
          (SELECT sum(line_revenue) FROM warehouse.fact_sales WHERE event_time < globalmart.closed_until('inventory_metrics')), 'restated revenue is that of the facts');
SELECT isnt((SELECT sum(total_revenue) FROM globalmart.inventory_metrics),
          (SELECT sum(line_revenue) FROM warehouse.fact_sales WHERE event_time < globalmart.closed_until('inventory_metrics')), 'which the closed rows do not add up to');
SELECT is((SELECT (sum(total_transactions), sum(total_revenue)) FROM globalmart.restated(NULL::globalmart.sales_per_minute)),
          (SELECT (count(DISTINCT transaction_id)::numeric, sum(line_revenue) / 2) FROM warehouse.fact_sales WHERE event_time < globalmart.closed_until('sales_per_minute')),
          'restated orders are those of the facts');

-- What cannot be restated.
SELECT throws_ok('SELECT * FROM globalmart.restated(NULL::globalmart.high_value_anomalies)', '42809', '"high_value_anomalies" is a detector, not a rollup', 'detectors have no windows');
SELECT throws_ok('SELECT * FROM globalmart.restated(1)', '42809', 'integer is not the row type of a rollup', 'a number is no rollup');
SELECT throws_ok('SELECT * FROM globalmart.restated(NULL::globalmart.transactions)', '42704', NULL, 'nor is a stream');

-- Stream and batch side by side.
CREATE TEMPORARY TABLE compared AS SELECT * FROM globalmart.compare_batch_stream();
SELECT is((SELECT count(*) FROM compared), (SELECT count(*) FROM globalmart.rollups WHERE kind = 'rollup' AND state = 'live'), 'every live rollup is compared');
SELECT is_empty('SELECT * FROM compared WHERE differences > 0 OR problem IS NOT NULL OR batch_seconds IS NULL', 'without a difference');
SELECT is((SELECT rows FROM compared WHERE rollup = 'sales_per_minute'), (SELECT count(*) FROM globalmart.sales_per_minute), 'over all rows');
SELECT results_eq($$SELECT stream_age, batch_age FROM compared WHERE rollup = 'sales_per_minute'$$,
  $$SELECT avg(created_at - window_end), avg(timestamptz '2026-11-24 02:00+00' - window_end) FROM globalmart.sales_per_minute$$, 'the age of the answers is that of its rows');
SELECT is((SELECT differences FROM globalmart.compare_batch_stream('2026-11-23 10:03+00', '2026-11-23 10:04+00') WHERE rollup = 'sales_per_minute'), 0::bigint, 'a span may be named');
SELECT is((SELECT rows FROM globalmart.compare_batch_stream('2026-11-23 10:03+00', '2026-11-23 10:04+00') WHERE rollup = 'sales_per_minute'), 1::bigint, 'and is kept to');

-- Rebuild one window: the rest stays as it is.
SET globalmart.now = '2026-11-24 03:00:00+00';
CREATE TEMPORARY TABLE minutes AS SELECT * FROM globalmart.sales_per_minute;
CALL globalmart.rebuild_rollup('sales_per_minute', '2026-11-23 10:00+00', '2026-11-23 10:04+00', 'late orders of a shop that was offline');
SELECT results_eq('TABLE globalmart.sales_per_minute EXCEPT ALL TABLE minutes',
  $$VALUES (timestamptz '2026-11-23 10:00+00', timestamptz '2026-11-23 10:01+00', 2::bigint, 130.00, 65.00, timestamptz '2026-11-24 03:00+00')$$, 'the window that differs has a new row');
SELECT results_eq('SELECT window_start FROM (TABLE minutes EXCEPT ALL TABLE globalmart.sales_per_minute) AS m', $$VALUES (timestamptz '2026-11-23 10:00+00')$$, 'no other row is touched');
SELECT is((SELECT count(*) FROM globalmart.late_events WHERE rollup = 'sales_per_minute'), 3::bigint, 'late events of other windows stay late');
SELECT is((SELECT count(*) FROM globalmart.late_events WHERE rollup = 'sales_by_country'), 4::bigint, 'and those of other rollups');
SELECT results_eq('SELECT rollup, from_time, to_time, reason, rebuilt_by, started_at, finished_at, done_until, late_events, windows, rows_before, rows_after FROM globalmart.rollup_rebuilds',
  $$VALUES ('sales_per_minute', timestamptz '2026-11-23 10:00+00', timestamptz '2026-11-23 10:04+00', 'late orders of a shop that was offline', session_user::name,
    timestamptz '2026-11-24 03:00+00', timestamptz '2026-11-24 03:00+00', timestamptz '2026-11-23 10:04+00', 1::bigint, 1::bigint, 1::bigint, 1::bigint)$$, 'the call is on record');
SELECT is_empty('SELECT * FROM pg_temp.differing()', 'stream and batch agree');

-- A sliding window: half of the windows of an event, and the event counts in all of them.
SELECT globalmart.rebuild_begin('hopping', '2026-11-23 10:05+00', '2026-11-23 10:10+00', NULL) AS id \gset
SELECT is(globalmart.rebuild_step(:id, '1 day'), false, 'a window in one step');
SELECT results_eq($$SELECT window_end, n FROM globalmart.hopping WHERE window_end <= '2026-11-23 10:15+00' ORDER BY 1$$,
  $$VALUES (timestamptz '2026-11-23 10:05+00', 3::bigint), ('2026-11-23 10:10+00', 4), ('2026-11-23 10:15+00', 1)$$, 'windows that share its events have them, too');
SELECT is_empty($$SELECT * FROM globalmart.verify('hopping')$$, 'and agree with the batch');

-- Everything, in steps that are stopped and gone on with.
SELECT globalmart.rebuild_begin('inventory_metrics', NULL, NULL, 'stopped') AS id \gset
SELECT is(globalmart.rebuild_step(:id, '5 minutes'), true, 'a step is not all');
SELECT is_empty($$SELECT * FROM globalmart.verify('inventory_metrics')$$, 'between steps stream and batch agree');
SELECT ok((SELECT finished_at IS NULL AND late_events = 1 FROM globalmart.rollup_rebuilds WHERE rebuild_id = :id), 'the record says how far it is');
CALL globalmart.rebuild_rollup('inventory_metrics');
SELECT ok((SELECT finished_at IS NOT NULL AND late_events = 5 AND reason = 'stopped' FROM globalmart.rollup_rebuilds WHERE rebuild_id = :id), 'the next call goes on with it');
SELECT is(globalmart.rebuild_step(:id, '5 minutes'), false, 'what is finished stays finished');
SELECT is((SELECT sum(total_revenue) FROM globalmart.inventory_metrics), (SELECT sum(total_revenue) FROM globalmart.restated(NULL::globalmart.inventory_metrics)), 'the table gives what restated gives');

SET timezone = 'Asia/Tokyo';
DO $$
DECLARE
  r record;
BEGIN
  FOR r IN SELECT name FROM globalmart.rollups WHERE kind = 'rollup' AND closed_until > '-infinity' LOOP
    CALL globalmart.rebuild_rollup(r.name, step => interval '30 minutes');
  END LOOP;
END
$$;
SELECT is_empty('SELECT * FROM pg_temp.differing()', 'rebuilt rollups agree with the batch');
SELECT is_empty('SELECT * FROM pg_temp.not_restated()', 'and are as if nothing had come late');
-- Order 8's session ends when the last window that is closed does not.
SELECT is((SELECT hour_of_day FROM globalmart.by_hour WHERE window_start = '2026-11-23 11:50+00'), 11::double precision, 'in another time zone, too');
RESET timezone;
SELECT results_eq('SELECT rollup, event_id FROM globalmart.late_events ORDER BY 1', $$VALUES ('visits', md5('7')::uuid), ('visits', md5('8')::uuid)$$,
  'late is only what belongs to sessions that are open still');
SELECT results_eq($$SELECT window_start, n FROM globalmart.visits WHERE user_id = 'USER_1'$$, $$VALUES (timestamptz '2026-11-23 10:00:10+00', 3::bigint)$$, 'two sessions became one');

-- Again: nothing to do. Time goes on: sessions end, and their late events can be counted.
CREATE TEMPORARY TABLE before AS SELECT ctid AS place, * FROM globalmart.hopping;
CALL globalmart.rebuild_rollup('hopping');
SELECT is_empty('SELECT ctid, * FROM globalmart.hopping EXCEPT TABLE before', 'a second rebuild replaces nothing');
SELECT pg_temp.place_order(10, '2026-11-23 13:00:10+00', 'USER_4', 1);
CALL globalmart.close_windows();
SELECT is_empty('SELECT * FROM pg_temp.differing()', 'closes go on after a rebuild');
CALL globalmart.rebuild_rollup('visits');
SELECT is_empty('SELECT * FROM pg_temp.differing()', 'sessions that ended since are rebuilt');
SELECT is_empty('SELECT * FROM globalmart.late_events', 'and nothing is late');

-- An event that came twice, late both times: its first copy counts.
INSERT INTO globalmart.transactions (event_time, transaction_id, user_id, total_amount, payment_method, country, kafka_partition, kafka_offset)
VALUES ('2026-11-23 10:30:10+00', md5('9')::uuid, 'USER_5', 2, 'PayPal', 'UK', 0, 1), ('2026-11-23 10:30:10+00', md5('9')::uuid, 'USER_5', 2, 'PayPal', 'UK', 0, 2);
SELECT is((SELECT total_revenue FROM globalmart.restated(NULL::globalmart.sales_per_minute, '2026-11-23 10:30+00', '2026-11-23 10:31+00')), 2.00, 'a repeated event is restated once');
CALL globalmart.rebuild_rollup('sales_per_minute', '2026-11-23 10:30+00', '2026-11-23 10:31+00');
SELECT is((SELECT total_revenue FROM globalmart.sales_per_minute WHERE window_start = '2026-11-23 10:30+00'), 2.00, 'and rebuilt once');
SELECT is_empty('SELECT * FROM pg_temp.differing()', 'once by either');
DELETE FROM globalmart.transactions WHERE kafka_partition = 0;  -- no bridge has read these offsets
-- A raw row that was taken away by hand.
DELETE FROM globalmart.transactions WHERE transaction_id = md5('2')::uuid;
SELECT isnt_empty($$SELECT * FROM globalmart.verify('sales_per_minute')$$, 'verify sees that a raw row is gone');
CALL globalmart.rebuild_rollup('sales_per_minute');
SELECT is_empty($$SELECT * FROM globalmart.verify('sales_per_minute')$$, 'a rebuild goes by the raw rows');
SELECT is_empty($$SELECT * FROM globalmart.sales_per_minute WHERE window_start = '2026-11-23 10:03+00'$$, 'a window without rows is gone');

-- Refusals.
SELECT throws_ok($$CALL globalmart.rebuild_rollup('high_value_anomalies')$$, '42809', '"high_value_anomalies" is a detector, not a rollup', 'detectors are refused');
SELECT throws_ok($$CALL globalmart.rebuild_rollup('nothing')$$, '42704', NULL, 'and what is no rollup');
CREATE ROLE tap_restated_reader;
GRANT globalmart_reader TO tap_restated_reader;
SET ROLE tap_restated_reader;
SELECT throws_ok($$CALL globalmart.rebuild_rollup('sales_per_minute')$$, '42501', NULL, 'readers may not rebuild');
SELECT isnt_empty('SELECT * FROM globalmart.restated(NULL::globalmart.sales_per_minute)', 'but restate');
SELECT isnt_empty('SELECT * FROM globalmart.compare_batch_stream()', 'and compare');
RESET ROLE;
DROP ROLE tap_restated_reader;
-- Rows that retention took.
SELECT pg_temp.place_order(11, '2026-11-24 01:00:10+00', 'USER_4', 1);
SELECT pg_temp.place_order(12, '2026-11-24 02:40:10+00', 'USER_4', 1);
CALL globalmart.close_windows();
CALL globalmart.run_etl();
SET globalmart.now = '2027-03-01 00:00:00+00';
SELECT globalmart.drop_old_leaf('transactions', '2026-11-23') AS dropped \gset
SELECT is(:'dropped'::text, 'dropped', 'the day goes');
SELECT throws_ok('SELECT * FROM globalmart.restated(NULL::globalmart.sales_per_minute)', '55000', NULL, 'rows that are gone are not restated');
SELECT throws_ok($$CALL globalmart.rebuild_rollup('sales_per_minute')$$, '55000', NULL, 'nor rebuilt');
SELECT isnt_empty($$SELECT * FROM globalmart.compare_batch_stream() WHERE rollup = 'sales_per_minute' AND problem LIKE 'rows of transactions between%' AND rows IS NULL$$, 'and comparing says so');
SELECT * FROM finish();
