-- The analyses: quintiles with ties, segments, tiers, periods at the edges of years, funnels.
SET globalmart.now = '2026-03-02 02:00:00+00';
SET client_min_messages = warning;
SELECT no_plan();

-- Segments: the first that fits, by every combination of scores against its words.
SELECT is(globalmart.rfm_segment(r, f, m),
          CASE WHEN least(r, f, m) >= 4 THEN 'Champions' WHEN f >= 4 AND r >= 3 THEN 'Loyal Customers' WHEN m >= 4 AND r >= 3 THEN 'Big Spenders'
               WHEN r >= 4 AND f <= 2 THEN 'Promising' WHEN r <= 2 THEN CASE WHEN greatest(f, m) >= 3 THEN 'At Risk' ELSE 'Lost' END
               ELSE 'Regular' END, format('segment of %s %s %s', r, f, m))
FROM (VALUES (5, 5, 5), (4, 4, 4), (3, 5, 5), (3, 4, 1), (3, 1, 4), (5, 3, 4), (5, 1, 3), (4, 2, 1), (4, 3, 3), (2, 3, 1), (1, 1, 3), (2, 2, 2), (1, 1, 1), (3, 3, 3), (3, 1, 1)) AS s(r, f, m);

-- Ten customers: 1 buys on day 1, ... 10 on day 10; frequency 1 but for the last two; prices in ties.
CREATE FUNCTION pg_temp.buy(id int, at timestamptz, buyer text, product text, amount numeric, many int DEFAULT 1) RETURNS void LANGUAGE sql AS $$
  INSERT INTO globalmart.transaction_items (event_time, transaction_id, line_no, quantity, product_id, price, user_id, total_amount, payment_method, country)
  VALUES (at, md5(id::text)::uuid, 1, many, product, amount, buyer, 0, CASE WHEN id % 2 = 0 THEN 'PayPal' ELSE 'Credit Card' END, 'UK');
  INSERT INTO globalmart.transactions (event_time, transaction_id, user_id, total_amount, payment_method, country)
  VALUES (at, md5(id::text)::uuid, buyer, 0, 'PayPal', 'UK');
$$;
INSERT INTO globalmart.product_changes (event_time, product_id, deleted, product_name, category, price)
SELECT '2025-01-01', 'PROD_' || n, false, 'Product ' || n, CASE WHEN n <= 2 THEN 'Sofas' ELSE 'Lamps' END, 1 FROM generate_series(1, 5) AS n;
SELECT pg_temp.buy(n, timestamptz '2026-02-10 12:00+00' + (n || ' days')::interval, 'USER_' || n, 'PROD_1', CASE WHEN n <= 5 THEN 10 ELSE 20 END)
FROM generate_series(1, 10) AS n;
SELECT pg_temp.buy(100 + n, timestamptz '2026-02-10 13:00+00' + (n || ' days')::interval, 'USER_' || n, 'PROD_1', 20) FROM generate_series(9, 10) AS n;
-- A year back to the microsecond, and one before.
SELECT pg_temp.buy(200, '2025-02-21 00:00+00', 'USER_11', 'PROD_2', 1);
SELECT pg_temp.buy(201, '2025-02-20 23:59:59.999999+00', 'USER_12', 'PROD_2', 1);
CALL globalmart.run_etl('2026-02-20');
SELECT results_eq($$SELECT c.user_id, a.recency_days, a.frequency, a.monetary, a.r_score, a.f_score, a.m_score FROM warehouse.rfm_analysis AS a
                    JOIN warehouse.dim_customers AS c USING (customer_key) WHERE a.analysis_date = '2026-02-20' ORDER BY a.recency_days$$,
  $$VALUES ('USER_10', 0, 2::bigint, 40.00, 5, 5, 5), ('USER_9', 1, 2, 40.00, 5, 5, 5), ('USER_8', 2, 1, 20.00, 5, 1, 3), ('USER_7', 3, 1, 20.00, 4, 1, 3),
           ('USER_6', 4, 1, 20.00, 4, 1, 3), ('USER_5', 5, 1, 10.00, 3, 1, 1), ('USER_4', 6, 1, 10.00, 3, 1, 1), ('USER_3', 7, 1, 10.00, 2, 1, 1),
           ('USER_2', 8, 1, 10.00, 2, 1, 1), ('USER_1', 9, 1, 10.00, 1, 1, 1), ('USER_11', 364, 1, 1.00, 1, 1, 1)$$,
  'quintiles: equal values in one bin, a value on a cut point below it, a year looked back on');
SELECT results_eq($$SELECT segment, customers, total_revenue FROM warehouse.customer_segments WHERE analysis_date = '2026-02-20' ORDER BY segment$$,
  $$VALUES ('Champions', 2::bigint, 80.00), ('Lost', 4, 31.00), ('Promising', 3, 60.00), ('Regular', 2, 20.00)$$, 'customer_segments');
SELECT is((SELECT sum(customer_share_pct) FROM warehouse.customer_segments WHERE analysis_date = '2026-02-20'), 100::float8, 'shares add up');
SELECT globalmart.set_setting('rfm_span', NULL);
CALL globalmart.run_etl('2026-02-20');
SELECT is((SELECT count(*) FROM warehouse.rfm_analysis WHERE analysis_date = '2026-02-20'), 12::bigint, 'rfm_span is a setting, and a day that is named is analysed again');

-- Tiers and ranks: 80, 15, 4, 1; ties share both.
SELECT pg_temp.buy(300, '2026-02-27 10:00+00', 'USER_1', 'PROD_1', 80), pg_temp.buy(301, '2026-02-27 10:00+00', 'USER_1', 'PROD_3', 15),
       pg_temp.buy(302, '2026-02-27 10:00+00', 'USER_2', 'PROD_4', 2), pg_temp.buy(303, '2026-02-27 10:00+00', 'USER_2', 'PROD_2', 2), pg_temp.buy(304, '2026-02-27 10:00+00', 'USER_2', 'PROD_2', 0, 5);
INSERT INTO globalmart.product_view_events (event_time, event_id, session_id, event_type, user_id, country, product_id)
SELECT '2026-02-27 09:00+00', md5('v' || n)::uuid, md5('s' || n)::uuid, 'view', 'USER_' || (n % 3), 'UK', CASE WHEN n < 4 THEN 'PROD_2' ELSE 'PROD_5' END FROM generate_series(0, 7) AS n;
INSERT INTO globalmart.cart_events (event_time, event_id, session_id, event_type, user_id, country, product_id)
VALUES ('2026-02-27 09:10+00', md5('c1')::uuid, md5('s1')::uuid, 'add_to_cart', 'USER_1', 'UK', 'PROD_2'),
       ('2026-02-27 09:11+00', md5('c2')::uuid, md5('s1')::uuid, 'add_to_cart', 'USER_1', 'UK', 'PROD_3'),
       ('2026-02-27 09:12+00', md5('c3')::uuid, md5('s1')::uuid, 'checkout', 'USER_1', 'UK', NULL),
       ('2026-02-27 09:13+00', md5('c4')::uuid, md5('s2')::uuid, 'add_to_cart', 'USER_2', 'UK', 'PROD_2');
CALL globalmart.run_etl();
SELECT results_eq($$SELECT product_id, orders, units_sold, total_revenue, views, unique_viewers, round(conversion_rate_pct), rank_in_category, rank_overall, tier
                    FROM warehouse.product_performance JOIN warehouse.dim_products USING (product_key) WHERE analysis_date = '2026-02-27' ORDER BY product_id$$,
  $$VALUES ('PROD_1', 1::bigint, 1::bigint, 80.00, 0::bigint, 0::bigint, NULL::float8, 1, 1, 'A'), ('PROD_2', 2, 6, 2.00, 4, 3, 50, 2, 3, 'C'),
           ('PROD_3', 1, 1, 15.00, 0, 0, NULL, 1, 2, 'B'), ('PROD_4', 1, 1, 2.00, 0, 0, NULL, 2, 3, 'C'), ('PROD_5', 0, 0, 0, 4, 3, 0, NULL, NULL, 'None')$$,
  'product_performance: ranks, ties, tiers, what was only viewed');
SELECT results_eq($$SELECT product_id, revenue_rank, total_revenue FROM warehouse.top_products_by_revenue ORDER BY 2, 1 LIMIT 2$$,
  $$VALUES ('PROD_1', 1::bigint, 270.00), ('PROD_3', 2, 15.00)$$, 'top_products_by_revenue');

-- Nights that were missed, and days without an event.
SELECT results_eq($$SELECT DISTINCT analysis_date FROM warehouse.rfm_analysis WHERE analysis_date > '2026-02-20' ORDER BY 1$$,
  $$SELECT d::date FROM generate_series(timestamp '2026-02-21', '2026-03-01', interval '1 day') AS d$$, 'days since the last one are analysed');

-- Periods: growth against the one before, none where there is none, at the ends of months, years and ISO years.
SELECT pg_temp.buy(400, '2026-01-31 23:59:59.999999+00', 'USER_1', 'PROD_4', 50), pg_temp.buy(401, '2025-12-29 00:00+00', 'USER_1', 'PROD_4', 10), pg_temp.buy(402, '2026-01-04 12:00+00', 'USER_1', 'PROD_4', 30),
       pg_temp.buy(403, '2025-12-28 12:00+00', 'USER_1', 'PROD_4', 20), pg_temp.buy(404, '2026-02-01 00:00+00', 'USER_1', 'PROD_4', 100);
CALL globalmart.run_etl();
SELECT results_eq(format('SELECT period, period_start, total_revenue, growth_pct FROM warehouse.sales_trends WHERE grain = %L AND category = ''Lamps'' ORDER BY period_start LIMIT 3', grain), expected, grain)
FROM (VALUES
  ('week', $$VALUES ('2025-W52', date '2025-12-22', 20.00, NULL::float8), ('2026-W01', '2025-12-29', 40.00, 100), ('2026-W05', '2026-01-26', 150.00, NULL)$$),
  ('month', $$VALUES ('2025-12', date '2025-12-01', 30.00, NULL::float8), ('2026-01', '2026-01-01', 80.00, 166.66666666666666), ('2026-02', '2026-02-01', 117.00, 46.25)$$),
  ('quarter', $$VALUES ('2025-Q4', date '2025-10-01', 30.00, NULL::float8), ('2026-Q1', '2026-01-01', 197.00, 556.6666666666666)$$),
  ('day', $$VALUES ('2025-12-28', date '2025-12-28', 20.00, NULL::float8), ('2025-12-29', '2025-12-29', 10.00, -50), ('2026-01-04', '2026-01-04', 30.00, NULL)$$)) AS g(grain, expected);
SELECT is((SELECT count(DISTINCT s) FROM (SELECT sum(total_revenue) AS s FROM warehouse.sales_trends GROUP BY grain) AS g), 1::bigint, 'every grain adds up to the same');
SELECT is((SELECT sum(total_revenue) FROM warehouse.sales_trends WHERE grain = 'month'), (SELECT sum(line_revenue) FROM warehouse.fact_sales), 'which is the facts');

-- A question for one day reads that day.
CREATE FUNCTION pg_temp.plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  line text;
  lines text := '';
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
    lines := lines || line || E'\n';
  END LOOP;
  RETURN lines;
END
$$;
SELECT unalike(pg_temp.plan_of('SELECT * FROM warehouse.abandonment_funnel WHERE date_key = 20260227'), '%CTE Scan%', 'abandonment_funnel puts no history aside');
BEGIN;
INSERT INTO warehouse.fact_cart_events (event_time, event_id, date_key, geography_key, customer_key, product_key, session_id, event_type)
SELECT timestamptz '2026-02-01 00:00+00' + n * interval '35 seconds', gen_random_uuid(), 20260201 + n * 35 / 86400, c.geography_key, c.customer_key, 0, gen_random_uuid(), 'checkout'
FROM generate_series(1, 65000) AS n, (SELECT geography_key, customer_key FROM warehouse.fact_sales LIMIT 1) AS c;
INSERT INTO globalmart.etl_load_days (day) VALUES ('2026-02-03');
SELECT globalmart.end_load();
SELECT is(brin_summarize_new_values('warehouse.fact_cart_events_m202602_date_key_idx'), 0, 'the night leaves no block out of the index by date_key');
SELECT alike(pg_temp.plan_of('SELECT * FROM warehouse.conversion_funnel WHERE date_key = 20260207'), '%Bitmap Index Scan on fact_cart_events_m202602_date_key_idx%', 'which a day is found by');
ROLLBACK;

-- The other views.
SELECT results_eq($$SELECT viewers, cart_customers, checkout_customers, buyers FROM warehouse.conversion_funnel WHERE date_key = 20260227$$,
  'VALUES (3::bigint, 2::bigint, 1::bigint, 2::bigint)', 'conversion_funnel');
SELECT results_eq($$SELECT category, viewers, cart_customers, checkout_customers, buyers, abandonment_rate_pct FROM warehouse.abandonment_funnel WHERE date_key = 20260227 ORDER BY 1$$,
  $$VALUES ('Lamps', 3::bigint, 1::bigint, 1::bigint, 2::bigint, 0::float8), ('Sofas', 3, 2, 1, 2, 50)$$, 'abandonment_funnel');
SELECT results_eq($$SELECT active_month, months_since, cohort_size, active_customers, retention_pct FROM warehouse.cohort_retention WHERE cohort_month = '2025-12-01' ORDER BY 1$$,
  $$VALUES (date '2025-12-01', 0, 1::bigint, 1::bigint, 100::float8), ('2026-01-01', 1, 1, 1, 100), ('2026-02-01', 2, 1, 1, 100)$$, 'cohort_retention');
SELECT results_eq($$SELECT payment_method, orders, round(order_share_pct::numeric, 2) FROM warehouse.payment_mix WHERE year_month = '2025-12' ORDER BY 1$$,
  $$VALUES ('Credit Card', 2::bigint, 100.00)$$, 'payment_mix');
SELECT results_eq($$SELECT first_order_at, orders, total_revenue, avg_order_value FROM warehouse.customer_lifetime_value WHERE user_id = 'USER_2'$$,
  $$VALUES (timestamptz '2026-02-12 12:00+00', 4::bigint, 14.00, 3.50)$$, 'customer_lifetime_value');
SELECT pg_temp.buy(500, '2026-03-01 12:00+00', 'USER_1', 'PROD_1', 9000, 60);
SELECT results_eq('SELECT date_key, country, anomaly_type, anomalies FROM warehouse.anomaly_history', $$VALUES (20260301, 'UK', 'high_quantity', 1::bigint)$$, 'anomaly_history');

-- The forecast: a week's pattern with a trend is seen; short and sparse histories have none.
SELECT globalmart.set_setting('rfm_span', '1 day');
SET globalmart.now = '2026-04-07 02:00:00+00';
INSERT INTO globalmart.transaction_items (event_time, transaction_id, line_no, quantity, product_id, price, user_id, total_amount, payment_method, country)
SELECT timestamptz '2026-03-10 12:00+00' + d * interval '1 day', gen_random_uuid(), 1,
       CASE p WHEN 1 THEN 10 + d + 5 * (d % 7) ELSE 3 END, 'PROD_10' || p, 1, 'USER_1', 0, 'PayPal', 'UK'
FROM generate_series(0, 27) AS d, generate_series(1, 4) AS p
WHERE p = 1 OR p = 2 AND d >= 10 OR p = 3 AND d % 3 = 0 OR p = 4 AND d % 2 = 0;
CALL globalmart.run_etl();
SELECT results_eq($$SELECT product_id, count(*), min(forecast_date), max(forecast_date), max(analysis_date) FROM warehouse.demand_forecast JOIN warehouse.dim_products USING (product_key) GROUP BY 1 ORDER BY 1$$,
  $$VALUES ('PROD_101', 7::bigint, date '2026-04-07', date '2026-04-13', date '2026-04-06'), ('PROD_104', 7, '2026-04-07', '2026-04-13', '2026-04-06')$$,
  'a forecast of a week for what was sold often enough, for three weeks or more');
SELECT results_eq($$SELECT round(units_forecast::numeric, 6) FROM warehouse.demand_forecast JOIN warehouse.dim_products USING (product_key) WHERE product_id = 'PROD_101' ORDER BY forecast_date$$,
  $$SELECT (10 + d + 5 * (d % 7))::numeric(10,6) FROM generate_series(28, 34) AS d$$, 'trend and week are seen');
SELECT results_eq($$SELECT round(mean_error::numeric, 6), naive_error, round(error_ratio::numeric, 6) FROM warehouse.demand_forecast JOIN warehouse.dim_products USING (product_key) WHERE product_id = 'PROD_101' LIMIT 1$$,
  'VALUES (0.000000, 7::float8, 0.000000)', 'the error is that of a week it had not seen, beside the naive forecast''s');
SELECT ok((SELECT min(units_forecast) >= 0 FROM warehouse.demand_forecast), 'never less than nothing');
-- A run for a day before leaves what later days tell.
CREATE TEMP TABLE forecast_before AS SELECT * FROM warehouse.demand_forecast;
CALL globalmart.run_etl('2026-03-20');
SELECT bag_eq('SELECT * FROM warehouse.demand_forecast', 'SELECT * FROM forecast_before', 'a run for an earlier day leaves the forecast');
CALL globalmart.run_etl();
SELECT bag_eq('SELECT * FROM warehouse.demand_forecast', 'SELECT * FROM forecast_before', 'and the next night does it anew');
SELECT throws_ok($$SELECT globalmart.forecast_holt_winters('{1,2,NULL}')$$, '22004', NULL, 'a history has no NULL');
SELECT throws_ok($$SELECT globalmart.forecast_holt_winters('{1,2,NaN}')$$, '22023', NULL, 'and is finite');
SELECT throws_ok($$SELECT globalmart.forecast_holt_winters('{{1,2},{3,4}}')$$, '2202E', NULL, 'of one dimension');
SELECT throws_ok($$SELECT globalmart.forecast_holt_winters('{1,2}', 1)$$, '22023', NULL, 'a season has two steps or more');
SELECT throws_ok($$SELECT globalmart.forecast_holt_winters('{1,2}', 7, 0)$$, '22023', NULL, 'a horizon one or more');
SELECT is(globalmart.dense_series('{7,4,7}', '{1,2,3}', 9), '{2,0,0,4,0,0}', 'a series has 0 where nothing is known, from the first step to the last');
SELECT is(globalmart.dense_series('{}', '{}', 9), '{}', 'of nothing it has nothing');
SELECT throws_ok($$SELECT globalmart.dense_series('{1,2}', '{1}', 9)$$, '2202E', NULL, 'each step has a value');
SELECT throws_ok($$SELECT globalmart.dense_series('{1,NULL}', '{1,2}', 9)$$, '22004', NULL, 'no step is NULL');
SELECT throws_ok($$SELECT globalmart.dense_series('{1,10}', '{1,2}', 9)$$, '22023', NULL, 'none is after the last');
SELECT throws_ok($$SELECT globalmart.dense_series('{-2000000000}', '{1}', 2000000000)$$, '54000', NULL, 'and a series has an end');
SELECT results_eq($$SELECT (f).forecast IS NULL, (f).mean_error IS NULL FROM (SELECT globalmart.forecast_holt_winters('{}') AS f) AS g$$, 'VALUES (true, true)', 'of nothing there is no forecast');
SELECT * FROM finish();
