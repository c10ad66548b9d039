-- The shop's views and price_change_impact(), each over rows of our own with the answers worked out by hand.
SET globalmart.now = '2026-11-24 12:00:00+00';
SELECT plan(13);

-- stock_levels: the latest update by event time, then event id; late ones count, other events do not.
CREATE FUNCTION pg_temp.tell_stock(at text, event_id text, product text, country text, level int, type text DEFAULT 'stock_update') RETURNS void LANGUAGE sql AS $$
  INSERT INTO globalmart.inventory_events (event_time, event_id, event_type, product_id, country, stock_level, old_price, new_price)
  SELECT ('2026-11-24 ' || at || '+00')::timestamptz, md5(event_id)::uuid, type, product, country, level, 1, 2
$$;
SELECT pg_temp.tell_stock('10:02', 'a1', 'PROD_1', 'UK', 7);
SELECT pg_temp.tell_stock('10:01', 'a2', 'PROD_1', 'UK', 8);
SELECT pg_temp.tell_stock('10:01', 'a3', 'PROD_1', 'USA', 9);
SELECT pg_temp.tell_stock('10:05', 'a4', 'PROD_1', NULL, NULL, 'price_change');
-- The same instant: the greater id is the later one.
SELECT pg_temp.tell_stock('10:03', 'b', 'PROD_2', 'UK', CASE WHEN md5('b') > md5('c') THEN 1 ELSE 2 END);
SELECT pg_temp.tell_stock('10:03', 'c', 'PROD_2', 'UK', CASE WHEN md5('b') > md5('c') THEN 2 ELSE 1 END);
PREPARE stock AS SELECT product_id, country, stock_level, to_char(updated_at AT TIME ZONE 'UTC', 'HH24:MI') FROM globalmart.stock_levels;
SELECT set_eq('stock', $$VALUES ('PROD_1', 'UK', 7::bigint, '10:02'), ('PROD_1', 'USA', 9, '10:01'), ('PROD_2', 'UK', 1, '10:03')$$,
  'the latest update by event time, whatever the order of arrival; a tie goes to the greater id');
SELECT pg_temp.tell_stock('11:30', 'd', 'PROD_9', 'UK', 1);
CALL globalmart.close_windows();
SELECT is((SELECT last_stock_level FROM globalmart.stock_levels_15m WHERE product_id = 'PROD_1' AND country = 'UK'), 7::bigint, 'its window is closed');
SELECT pg_temp.tell_stock('10:04', 'e', 'PROD_1', 'UK', 3);
SELECT set_has('stock', $$VALUES ('PROD_1', 'UK', 3::bigint, '10:04')$$, 'an update that came too late for its window counts');
DELETE FROM globalmart.inventory_events WHERE product_id <> 'PROD_9';
SELECT set_eq('stock', $$VALUES ('PROD_1', 'UK', 7::bigint, '10:00'), ('PROD_1', 'USA', 9, '10:00'), ('PROD_2', 'UK', 1, '10:00'), ('PROD_9', 'UK', 1, '11:30')$$,
  'rows that are no longer kept: the closed windows have the level, at their start');

-- payment_mix_15m_share: shares of orders and revenue in each window.
INSERT INTO globalmart.payment_mix_15m (window_start, window_end, payment_method, transactions, revenue)
SELECT w, w + interval '15 minutes', m, n, r
FROM (VALUES ('2026-11-24 10:00+00'::timestamptz, 'PayPal', 1, 10.00), ('2026-11-24 10:00+00', 'Credit Card', 3, 30.00),
             ('2026-11-24 10:15+00', 'PayPal', 2, 5.00), ('2026-11-24 10:30+00', 'PayPal', 1, 0)) AS v(w, m, n, r);
SELECT set_eq($$SELECT to_char(window_start AT TIME ZONE 'UTC', 'HH24:MI'), payment_method, transactions, revenue, transaction_share_pct, revenue_share_pct
                FROM globalmart.payment_mix_15m_share$$,
  $$VALUES ('10:00', 'PayPal', 1::bigint, 10.00, 25::double precision, 25::double precision), ('10:00', 'Credit Card', 3, 30.00, 75, 75),
           ('10:15', 'PayPal', 2, 5.00, 100, 100), ('10:30', 'PayPal', 1, 0, 100, NULL)$$,
  'shares of the window; of no revenue there is none');

-- recent_critical_anomalies: three tables, critical ones only, the latest first.
INSERT INTO globalmart.high_value_anomalies (transaction_id, user_id, event_time, country, severity, detected_at, anomaly_type, total_amount, payment_method)
VALUES (md5('t1')::uuid, 'USER_1', '2026-11-24 09:00+00', 'UK', 'critical', '2026-11-24 09:01+00', 'high_value', 12000, 'PayPal'),
       (md5('t2')::uuid, 'USER_2', '2026-11-24 09:30+00', 'UK', 'high', '2026-11-24 09:31+00', 'high_value', 6000, 'PayPal');
INSERT INTO globalmart.high_quantity_anomalies (transaction_id, line_no, product_id, user_id, event_time, country, severity, detected_at, anomaly_type, quantity, total_amount, payment_method)
SELECT md5('t1')::uuid, n, 'PROD_' || n, 'USER_1', '2026-11-24 09:00+00', 'UK', CASE n WHEN 3 THEN 'medium' ELSE 'critical' END, '2026-11-24 09:01+00', 'high_quantity', 90, 100, 'PayPal'
FROM generate_series(3, 1, -1) AS n;
INSERT INTO globalmart.suspicious_patterns (window_start, window_end, user_id, country, last_transaction, severity, detected_at, anomaly_type)
VALUES ('2026-11-24 09:05+00', '2026-11-24 09:10+00', 'USER_4', 'USA', '2026-11-24 09:09+00', 'critical', '2026-11-24 09:12+00', 'frequency_and_spending');
SELECT results_eq('SELECT source, user_id, product_id, country FROM globalmart.recent_critical_anomalies',
  $$VALUES ('suspicious_patterns', 'USER_4', NULL, 'USA'), ('high_value_anomalies', 'USER_1', NULL, 'UK'),
           ('high_quantity_anomalies', 'USER_1', 'PROD_1', 'UK'), ('high_quantity_anomalies', 'USER_1', 'PROD_2', 'UK')$$,
  'by event time, the latest first; the order before its lines');
SELECT results_eq('SELECT DISTINCT severity FROM globalmart.recent_critical_anomalies', $$VALUES ('critical')$$, 'and nothing that is not critical');
SELECT is((SELECT count(*) FROM globalmart.recent_critical_anomalies WHERE source = 'suspicious_patterns' AND transaction_id IS NULL AND event_time = '2026-11-24 09:09+00'), 1::bigint,
  'a pattern has no order, and the time of its last');

-- price_change_impact: what sold in the span before and after, bounds [before, change) and [change, after).
INSERT INTO globalmart.inventory_events (event_time, event_id, event_type, product_id, old_price, new_price)
VALUES ('2026-11-24 08:00+00', md5('p1')::uuid, 'price_change', 'PROD_5', 10, 8),
       ('2026-11-24 08:00+00', md5('p2')::uuid, 'price_change', 'PROD_6', 0, 8);
INSERT INTO globalmart.transaction_items (event_time, transaction_id, line_no, quantity, product_id, price, user_id, total_amount, payment_method, country)
SELECT ('2026-11-24 ' || at || '+00')::timestamptz, md5('order ' || at)::uuid, 1, quantity, product, price, 'USER_1', 100, 'PayPal', 'UK'
FROM (VALUES ('06:59:59.999999', 100, 'PROD_5', 10), ('07:00', 1, 'PROD_5', 10), ('07:59:59.999999', 2, 'PROD_5', 10),
             ('08:00', 4, 'PROD_5', 8), ('08:59:59.999999', 8, 'PROD_5', 8), ('09:00', 200, 'PROD_5', 8), ('08:30', 50, 'PROD_7', 8)) AS v(at, quantity, product, price);
-- An event that came twice is one.
INSERT INTO globalmart.inventory_events (event_time, event_id, event_type, product_id, old_price, new_price)
VALUES ('2026-11-24 08:00+00', md5('p1')::uuid, 'price_change', 'PROD_5', 10, 8);
INSERT INTO globalmart.transaction_items (event_time, transaction_id, line_no, quantity, product_id, price, user_id, total_amount, payment_method, country)
VALUES ('2026-11-24 08:00+00', md5('order 08:00')::uuid, 1, 4, 'PROD_5', 8, 'USER_1', 100, 'PayPal', 'UK');
PREPARE impact(interval) AS SELECT product_id, old_price, new_price, change_pct, units_before, units_after, revenue_before, revenue_after
FROM globalmart.price_change_impact($1) ORDER BY product_id;
SELECT results_eq($$EXECUTE impact('1 hour')$$,
  $$VALUES ('PROD_5', 10::numeric, 8::numeric, -20::double precision, 3::bigint, 12::bigint, 30::numeric, 96::numeric), ('PROD_6', 0, 8, NULL, 0, 0, 0, 0)$$,
  'an hour before and an hour after; a price of nothing has no percentage, a product without sales has zeros');
SELECT results_eq($$EXECUTE impact('30 minutes')$$,
  $$VALUES ('PROD_5', 10::numeric, 8::numeric, -20::double precision, 2::bigint, 4::bigint, 20::numeric, 32::numeric), ('PROD_6', 0, 8, NULL, 0, 0, 0, 0)$$,
  'or another span');
SELECT results_eq('SELECT DISTINCT changed_at FROM globalmart.price_change_impact()', $$VALUES ('2026-11-24 08:00+00'::timestamptz)$$, 'at the time of the change');

-- unverifiable_spans(): the rollups that read the stream, and no other.
SELECT is_empty('SELECT * FROM globalmart.unverifiable_spans()', 'all rows are kept: all can be compared');
SELECT globalmart.record_dropped_span('cart_events', '2026-11-01 00:00+00', '2026-11-02 00:00+00');
SELECT set_eq('SELECT * FROM globalmart.unverifiable_spans()',
  $$SELECT r, '2026-11-01 00:00+00'::timestamptz AS from_time, '2026-11-02 00:00+00'::timestamptz AS to_time
    FROM unnest('{cart_sessions,abandoned_carts,cart_metrics,cart_abandonment_15m}'::text[]) AS r$$,
  'a day that is gone is named for the rollups over its stream');
SELECT * FROM finish();
