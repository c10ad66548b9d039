-- Functions and views of the surface that stand on their own: what they give for rows that are known.
SET globalmart.now = '2026-11-24 12:00:00+00';
SELECT plan(34);

-- Windows.
SELECT is(globalmart.window_floor('1969-12-31 23:58+00', '7 minutes'), timestamptz '1969-12-31 23:53+00', 'the window before 1970 begins before it');
SELECT is(globalmart.window_floor('2026-11-24 12:00+00', '1 hour', '15 minutes'), timestamptz '2026-11-24 11:15+00', 'an offset moves it');
SELECT is(globalmart.window_floor('2026-11-24 12:15+00', '1 hour', '15 minutes'), timestamptz '2026-11-24 12:15+00', 'a start is its own');
SELECT throws_ok($$SELECT globalmart.window_floor(now(), '1 month')$$, '22023', NULL, 'a month is no width');

-- Whether an event is stored.
INSERT INTO globalmart.cart_events (event_time, event_id, session_id, event_type, user_id, country, kafka_partition, kafka_offset)
VALUES ('2026-11-24 11:00+00', md5('1')::uuid, md5('s')::uuid, 'checkout', 'USER_1', 'UK', 0, 1),
       ('2020-01-01 11:00+00', md5('2')::uuid, md5('s')::uuid, 'checkout', 'USER_1', 'UK', 0, 2);
SET ROLE globalmart_writer;
SELECT ok(globalmart.is_stored('cart_events', md5('1')::uuid, '2026-11-24 11:00+00'), 'an event that is stored, asked by the writer');
SELECT ok(globalmart.is_stored('cart_events', md5('2')::uuid, '2020-01-01 11:00+00'), 'also one in the default partition');
SELECT ok(NOT globalmart.is_stored('cart_events', md5('1')::uuid, '2026-11-24 11:00:01+00'), 'with another time it is another event');
SELECT ok(NOT globalmart.is_stored('cart_events', md5('3')::uuid, '2026-11-24 11:00+00'), 'so it is with another id');
SELECT ok(NOT globalmart.is_stored('product_view_events', md5('1')::uuid, '2026-11-24 11:00+00'), 'and in another stream');
SELECT throws_ok($$SELECT globalmart.is_stored('high_value_anomalies', md5('1')::uuid, now())$$, '42704', NULL, 'a detector''s table has no messages');
SELECT throws_ok($$SELECT globalmart.is_stored('nothing', md5('1')::uuid, now())$$, '42704', 'there is no stream "nothing" that a topic brings', 'an unknown stream is refused');
RESET ROLE;
SET ROLE globalmart_reader;
SELECT lives_ok($$SELECT globalmart.is_stored('cart_events', md5('1')::uuid, now())$$, 'a reader may ask, too');
RESET ROLE;

-- Watermarks of a domain.
SELECT is(globalmart.greatest_event_time('views'), NULL, 'no event yet');
INSERT INTO globalmart.product_view_events (event_time, event_id, session_id, event_type, user_id, country, search_query, results_count)
SELECT t::timestamptz, gen_random_uuid(), md5('s')::uuid, 'search', 'USER_1', 'UK', 'shoes', 0 FROM unnest('{2026-11-24 11:50+00,2026-11-24 11:40+00}'::text[]) AS t;
SELECT is(globalmart.greatest_event_time('views'), timestamptz '2026-11-24 11:50+00', 'the greatest event time, in whatever order events came');
SELECT is(globalmart.domain_watermark('views', '1 minute', 'min'), timestamptz '2026-11-24 11:50+00', 'the watermark of one partition is that');
SELECT is((SELECT array_agg(kafka_partition) FROM globalmart.progress_by_partition WHERE domain = 'views'), '{-1}'::int[], 'what came by SQL is a partition');
SELECT lives_ok($$SELECT globalmart.create_domain('views')$$, 'a domain may be made twice');
SELECT globalmart.create_domain('tap_domain');
SELECT has_table('globalmart', 'partial_log_tap_domain_1', 'a new one has its logs');
SELECT throws_ok($$SELECT globalmart.create_domain('Tap Domain')$$, '22023', NULL, 'a name that cannot name a table is refused');
SELECT ok(globalmart.is_partitioned_by_day('views') IS FALSE AND globalmart.is_partitioned_by_day('cart_events'), 'streams are partitioned by day, other names are not');

-- Compiling without making.
SELECT results_eq($$SELECT window_kind, width, key_columns, column_names FROM globalmart.describe_rollup(
  'SELECT window_start, window_end, country, count(*) AS n FROM globalmart.cart_events, globalmart.tumble(event_time, interval ''1 minute'') GROUP BY window_start, window_end, country')$$,
  $$VALUES ('tumble', 60000000::bigint, '{window_start,country}'::text[], '{window_start,window_end,country,n}'::text[])$$, 'describe_rollup compiles a rollup');
SELECT results_eq($$SELECT column_names, not_null_columns FROM globalmart.describe_detector('SELECT event_id, event_time, price FROM globalmart.cart_events WHERE price > 10')$$,
  $$VALUES ('{event_id,event_time,price}'::text[], '{event_id,event_time}'::text[])$$, 'describe_detector a detector');
SELECT throws_ok($$SELECT globalmart.describe_detector('SELECT count(*) FROM globalmart.cart_events')$$, '0A000', NULL, 'and refuses what cannot be one');
SELECT is((SELECT count(*) FROM globalmart.rollup_catalog WHERE query LIKE '%price > 10%'), 0::bigint, 'nothing was made');
SELECT results_eq($$SELECT value FROM globalmart.explain_rollup('sales_per_minute') WHERE property = 'window'$$, $$VALUES ('tumbling, 00:01:00')$$, 'explain_rollup tells how a rollup is kept');
SELECT matches((SELECT value FROM globalmart.explain_rollup('high_value_anomalies')), '^at once', 'and a detector');

-- Prices: units and revenue before and after a change, orders counted once.
INSERT INTO globalmart.inventory_events (event_time, event_id, event_type, product_id, old_price, new_price)
VALUES ('2026-11-24 10:00+00', md5('p')::uuid, 'price_change', 'PROD_1', 10, 8);
INSERT INTO globalmart.transaction_items (event_time, transaction_id, line_no, quantity, product_id, price, user_id, total_amount, payment_method, country)
SELECT t::timestamptz, md5(t)::uuid, 1, q, p, a, 'USER_1', q * a, 'PayPal', 'Japan'
FROM (VALUES ('2026-11-24 09:30+00', 2, 'PROD_1', 10), ('2026-11-24 10:00+00', 3, 'PROD_1', 8), ('2026-11-24 10:59+00', 1, 'PROD_1', 8),
             ('2026-11-24 08:59+00', 9, 'PROD_1', 10), ('2026-11-24 11:00+00', 9, 'PROD_1', 8), ('2026-11-24 10:30+00', 9, 'PROD_2', 8)) AS o(t, q, p, a);
INSERT INTO globalmart.transaction_items SELECT * FROM globalmart.transaction_items WHERE quantity = 3;
SELECT results_eq('SELECT * FROM globalmart.price_change_impact()',
  $$VALUES ('PROD_1'::text, timestamptz '2026-11-24 10:00+00', 10::numeric, 8::numeric, -20::float8, 2::bigint, 4::bigint, 20::numeric, 32::numeric)$$, 'an hour before and an hour from the change on');
SELECT is((SELECT units_before + units_after FROM globalmart.price_change_impact('30 minutes')), 5::bigint, 'or another span');
INSERT INTO globalmart.inventory_events (event_time, event_id, event_type, product_id, country, stock_level, delta)
VALUES ('2026-11-24 10:00+00', md5('a')::uuid, 'stock_update', 'PROD_1', 'UK', 5, -1), ('2026-11-24 09:00+00', md5('b')::uuid, 'stock_update', 'PROD_1', 'UK', 6, -1);
SELECT results_eq($$SELECT product_id, country, stock_level FROM globalmart.stock_levels$$, $$VALUES ('PROD_1'::text, 'UK'::text, 5::bigint)$$, 'stock_levels has the latest by event time');
SELECT is_empty('SELECT * FROM globalmart.payment_mix_15m_share', 'no window is closed');
CALL globalmart.close_windows();
SELECT cmp_ok(globalmart.closed_until('search_behavior'), '>', timestamptz '2026-11-24 11:40+00', 'and then some are');
SELECT is(globalmart.closed_until('search_behavior') <= globalmart.watermark('product_view_events'), true, 'closed_until follows the watermark');
SELECT throws_ok($$SELECT globalmart.closed_until('nothing')$$, '42704', NULL, 'an unknown rollup is refused');
SELECT throws_ok($$SELECT globalmart.watermark('nothing')$$, '42704', NULL, 'and an unknown stream');
SELECT * FROM finish();
