-- Which analyses are done: those that something new is in, and no others; and days without an event.
SET globalmart.now = '2026-11-24 02:00:00+00';
SET client_min_messages = warning;
SELECT no_plan();
CREATE FUNCTION pg_temp.buy(id int, at timestamptz, buyer text, product text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO globalmart.transaction_items (event_time, transaction_id, line_no, quantity, product_id, price, user_id, total_amount, payment_method, country)
  VALUES (at, md5(id::text)::uuid, 1, 1, product, 10, buyer, 0, 'PayPal', 'UK');
$$;
CREATE FUNCTION pg_temp.look(id int, at timestamptz, buyer text, product text, category text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO globalmart.product_view_events (event_time, event_id, session_id, event_type, user_id, country, product_id, product_name, category)
  VALUES (at, md5(id::text)::uuid, md5(id::text)::uuid, 'view', buyer, 'UK', product, product, category);
$$;
CREATE FUNCTION pg_temp.tell(at timestamptz, product text, category text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO globalmart.product_changes (event_time, product_id, deleted, product_name, category, price) VALUES (at, product, false, product, category, 1);
$$;
-- The analyses of the last run; days in a row of one analysis are a span.
CREATE VIEW pg_temp.done AS
  SELECT analysis || ' ' || to_char(min(day), 'YYYY-MM-DD') || CASE WHEN count(*) > 1 THEN to_char(max(day), '" to" YYYY-MM-DD') ELSE '' END AS days
  FROM (SELECT s.day, substring(s.step FROM 'analyse (.*)') AS analysis, s.day - (row_number() OVER (PARTITION BY s.step ORDER BY s.day))::int AS island
        FROM globalmart.etl_steps AS s
        WHERE s.run_id = (SELECT max(run_id) FROM globalmart.etl_runs) AND s.step LIKE 'analyse%' AND s.step <> 'analyse forecast') AS x
  GROUP BY analysis, island;

-- A first load with gaps.
SELECT globalmart.set_setting('rfm_span', '10 days');
SELECT pg_temp.buy(1, '2026-11-10 10:00', 'USER_1', 'PROD_1'), pg_temp.buy(2, '2026-11-18 10:00', 'USER_1', 'PROD_1'), pg_temp.buy(3, '2026-10-20 10:00', 'USER_2', 'PROD_1');
CALL globalmart.run_etl();
SELECT set_eq('SELECT days FROM pg_temp.done', $$VALUES ('sales 2026-11-10'), ('sales 2026-11-18'), ('sales 2026-10-20'), ('products 2026-11-10'), ('products 2026-11-18'), ('products 2026-10-20'),
                                                 ('rfm 2026-10-20 to 2026-10-29'), ('rfm 2026-11-10 to 2026-11-23')$$,
  'RFM of every day with a sale in its span, the others of days with facts');
CALL globalmart.run_etl();
SELECT is_empty('SELECT days FROM pg_temp.done', 'and none a second time');

-- Late ones.
SELECT pg_temp.look(1, '2005-01-01 10:00', 'USER_1', 'PROD_1', NULL);
CALL globalmart.run_etl();
SELECT set_eq('SELECT days FROM pg_temp.done', $$VALUES ('products 2005-01-01')$$, 'a late view is in product_performance of its day only');
INSERT INTO globalmart.cart_events (event_time, event_id, session_id, event_type, user_id, country) VALUES ('2026-11-11 10:00', md5('c')::uuid, md5('c')::uuid, 'checkout', 'USER_1', 'UK');
CALL globalmart.run_etl();
SELECT is_empty('SELECT days FROM pg_temp.done', 'a cart is in no analysis');
SELECT pg_temp.buy(4, '2026-11-12 10:00', 'USER_2', 'PROD_2');
CALL globalmart.run_etl();
SELECT set_eq('SELECT days FROM pg_temp.done', $$VALUES ('sales 2026-11-12'), ('products 2026-11-12'), ('rfm 2026-11-12 to 2026-11-21')$$, 'an order is in RFM as far as the span goes');
SELECT is((SELECT min(recency_days) FROM warehouse.rfm_analysis JOIN warehouse.dim_customers USING (customer_key) WHERE user_id = 'USER_2' AND analysis_date = '2026-11-21'), 9, 'and no further');

-- A product that a view tells of, days after it was sold.
SELECT pg_temp.look(2, '2026-11-23 10:00', 'USER_1', 'PROD_1', 'Phones');
CALL globalmart.run_etl();
SELECT results_eq($$SELECT period, category FROM warehouse.sales_trends WHERE grain = 'day' ORDER BY period_start$$,
  $$VALUES ('2026-10-20', 'Phones'), ('2026-11-10', 'Phones'), ('2026-11-12', 'Unknown'), ('2026-11-18', 'Phones')$$, 'sales of a product have the category that was told later');
-- A change in place, a night later: of two at one time the later counts.
SELECT pg_temp.tell('2026-11-12', 'PROD_2', 'Lamps');
CALL globalmart.run_etl();
SELECT pg_temp.tell('2026-11-12', 'PROD_2', 'Sofas');
CALL globalmart.run_etl();
SELECT results_eq($$SELECT category FROM warehouse.sales_trends WHERE grain = 'day' AND period = '2026-11-12'$$, $$VALUES ('Sofas')$$, 'and one that was changed in place');
SELECT set_eq('SELECT days FROM pg_temp.done', $$VALUES ('sales 2026-11-12'), ('products 2026-11-12')$$, 'for which its days are analysed again');
-- A late version that no fact lies in.
SELECT pg_temp.buy(5, '2026-11-21 10:00', 'USER_1', 'PROD_2'), pg_temp.buy(6, '2026-11-21 11:00', 'USER_1', 'PROD_3'), pg_temp.tell('2026-11-01', 'PROD_3', 'Beds');
CALL globalmart.run_etl();
SELECT pg_temp.tell('2026-11-21 12:00', 'PROD_2', 'Beds');
INSERT INTO globalmart.user_changes (event_time, user_id, deleted, country) VALUES ('2026-11-21 12:00', 'USER_1', false, 'Japan');
CALL globalmart.run_etl();
SELECT results_eq($$SELECT product_id, category, rank_in_category FROM warehouse.product_performance JOIN warehouse.dim_products USING (product_key) WHERE analysis_date = '2026-11-21' ORDER BY 1$$,
  $$VALUES ('PROD_2', 'Beds', 1), ('PROD_3', 'Beds', 1)$$, 'product_performance has the version of the end of the day');
SELECT results_eq($$SELECT analysis_date, country FROM warehouse.rfm_analysis JOIN warehouse.dim_customers USING (customer_key) WHERE analysis_date > '2026-11-19' AND user_id = 'USER_1' ORDER BY 1$$,
  $$VALUES (date '2026-11-20', 'UK'), ('2026-11-21', 'Japan'), ('2026-11-22', 'Japan'), ('2026-11-23', 'Japan')$$, 'so has rfm_analysis');
SELECT set_eq('SELECT days FROM pg_temp.done', $$VALUES ('products 2026-11-21')$$, 'which is not done again for it');

-- By hand.
SELECT globalmart.mark_for_analysis('{2026-11-18}');
CALL globalmart.run_etl();
SELECT set_eq('SELECT days FROM pg_temp.done', $$VALUES ('sales 2026-11-18'), ('products 2026-11-18'), ('rfm 2026-11-18 to 2026-11-23')$$, 'days can be marked');

-- Whatever zone and style a session has: a span of months counts from the end of the UTC day.
SELECT globalmart.set_setting('rfm_span', '1 year');
SELECT pg_temp.buy(10, '2024-02-29 12:00+00', 'USER_5', 'PROD_1'), pg_temp.buy(11, '2024-03-01 00:30+00', 'USER_6', 'PROD_1'), pg_temp.buy(12, '2025-02-28 22:00+00', 'USER_7', 'PROD_1');
CREATE TEMP TABLE seen (zone text, user_id text);
SET timezone = 'America/New_York';
SET datestyle = 'SQL, DMY';
CALL globalmart.run_etl('2025-02-28');
INSERT INTO seen SELECT 'New York', user_id FROM warehouse.rfm_analysis JOIN warehouse.dim_customers USING (customer_key) WHERE analysis_date = '2025-02-28';
SET timezone = 'Asia/Kolkata';
CALL globalmart.run_etl('2025-02-28');
INSERT INTO seen SELECT 'Kolkata', user_id FROM warehouse.rfm_analysis JOIN warehouse.dim_customers USING (customer_key) WHERE analysis_date = '2025-02-28';
RESET timezone;
RESET datestyle;
SELECT bag_eq('SELECT zone, user_id FROM seen', $$SELECT zone, u FROM (VALUES ('USER_6'), ('USER_7')) AS u(u), (VALUES ('New York'), ('Kolkata')) AS z(zone)$$, 'RFM is the same in every zone');
SELECT * FROM finish();
