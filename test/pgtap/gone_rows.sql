-- What looks at raw rows after retention took some: each refuses what it cannot compare, and says from when on
-- all is there.
SET globalmart.now = '2026-11-24 12:00:00+00';
SELECT plan(19);

CREATE FUNCTION pg_temp.view_at(event_time timestamptz) RETURNS void LANGUAGE sql AS $$
  INSERT INTO globalmart.product_view_events (event_time, event_id, session_id, event_type, user_id, country, product_id, product_name, category, price, view_duration, received_at)
  VALUES ($1, gen_random_uuid(), md5('1')::uuid, 'view', 'USER_1', 'UK', 'PROD_1', 'Thing', 'Things', 1, 1, $1)
$$;
-- A shop without a warehouse.
DELETE FROM globalmart.raw_readers;
SELECT globalmart.make_partition('product_view_events', d) FROM unnest('{2026-10-01,2026-10-02,2026-10-03}'::date[]) AS d \g /dev/null
SELECT globalmart.create_rollup('sliding', 'SELECT window_start, window_end, count(*) AS n FROM globalmart.product_view_events, globalmart.hop(event_time, interval ''10 minutes'', interval ''5 minutes'') GROUP BY window_start, window_end');
-- A session and a sliding window reach from the first day into the second.
SELECT pg_temp.view_at(t::timestamptz) FROM unnest('{2026-10-01 10:00+00,2026-10-01 23:58+00,2026-10-02 00:02+00,2026-10-02 10:00+00,2026-10-03 10:00+00,2026-11-24 12:00+00}'::text[]) AS t \g /dev/null
CALL globalmart.close_windows();
SELECT globalmart.create_rollup('later', 'SELECT window_start, window_end, count(*) AS n FROM globalmart.product_view_events, globalmart.hop(event_time, interval ''10 minutes'', interval ''5 minutes'') GROUP BY window_start, window_end');
SELECT is_empty(format('SELECT * FROM globalmart.verify(%L)', n), 'nothing is gone: ' || n || ' is compared')
FROM unnest('{category_performance,sliding,user_sessions}'::text[]) AS n;
SELECT is(globalmart.drop_old_leaf('product_view_events', '2026-10-01'), 'dropped', 'a day goes');

SELECT throws_ok(format('SELECT * FROM globalmart.verify(%L)', n), '55000',
  'rows of product_view_events between 2026-10-01 00:00 UTC and 2026-10-02 00:00 UTC are no longer kept', 'verify refuses all of ' || n)
FROM unnest('{category_performance,sliding,user_sessions}'::text[]) AS n;
SELECT throws_ok($$SELECT * FROM globalmart.verify('sliding', '2026-10-02')$$, '55000', NULL, 'a sliding window that begins on the day that is gone is not compared');
SELECT is_empty($$SELECT * FROM globalmart.verify('sliding', '2026-10-02 00:10+00')$$, 'from its width later on they are');
SELECT throws_ok($$SELECT * FROM globalmart.verify('user_sessions', '2026-10-02 00:10+00')$$, '55000', NULL, 'nor is a session that began on it');
SELECT is_empty($$SELECT * FROM globalmart.verify('user_sessions', '2026-10-02 01:00+00')$$, 'later sessions are');
SELECT throws_ok($$SELECT globalmart.batch_query('sliding')$$, '55000', NULL, 'batch_query writes no query over rows that are gone');
SELECT lives_ok($$SELECT globalmart.batch_query('sliding', '2026-10-02 00:10+00')$$, 'and writes one over those that are there');
SELECT is_empty($$SELECT * FROM globalmart.unverifiable_spans() WHERE rollup = 'sliding' AND (from_time, to_time) <> ('2026-10-01 00:00+00', '2026-10-02 00:00+00')$$, 'unverifiable_spans names the span');
SELECT ok(EXISTS (SELECT FROM globalmart.unverifiable_spans() WHERE rollup = 'later'), 'for every rollup over the stream');

-- Rows of the rollup itself.
SELECT globalmart.set_setting('rollup_retention.category_performance', '20 days');
CALL globalmart.delete_old_rows();
SELECT throws_ok($$SELECT * FROM globalmart.verify('category_performance', '2026-10-02 01:00+00')$$, '55000',
  'rows of category_performance between 2026-10-01 00:00 UTC and 2026-11-01 00:00 UTC are no longer kept', 'windows whose own rows are gone are not called different');
SELECT is_empty($$SELECT * FROM globalmart.verify('category_performance', '2026-11-01')$$, 'the others are compared');

-- A backfill passes over what it cannot make whole.
SET client_min_messages = error;
CALL globalmart.backfill_rollup('later', '1 day');
RESET client_min_messages;
SELECT results_eq('SELECT window_start FROM globalmart.later ORDER BY 1',
  $$VALUES (timestamptz '2026-10-02 00:00+00'), ('2026-10-02 09:55+00'), ('2026-10-02 10:00+00'), ('2026-10-03 09:55+00'), ('2026-10-03 10:00+00')$$,
  'a backfill fills windows that begin after what is gone');
SELECT is_empty($$SELECT * FROM globalmart.verify('later', '2026-10-02 00:05+00')$$, 'and they are compared');
SELECT * FROM finish();
