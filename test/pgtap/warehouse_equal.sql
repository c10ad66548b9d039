-- However orders, views and changes of the catalogue come in, late, repeated and in any order, with nights in between:
-- facts point at the versions of their time, and every analysis is what a computation of today would give.
SET client_min_messages = warning;
SELECT plan(8);

CREATE FUNCTION pg_temp.chosen(most int) RETURNS int LANGUAGE sql AS $$ SELECT (random() * most - 0.5)::int $$;
CREATE FUNCTION pg_temp.time_of(days_back int) RETURNS timestamptz LANGUAGE sql AS $$
  SELECT date_trunc('day', globalmart.clock()) - make_interval(days => days_back, hours => -pg_temp.chosen(24), mins => -pg_temp.chosen(60))
$$;
CREATE FUNCTION pg_temp.something_happens(days_back int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  at timestamptz := pg_temp.time_of(days_back);
  buyer text := 'USER_' || pg_temp.chosen(8);
  product text := 'PROD_' || pg_temp.chosen(8);
  category text := (ARRAY['Lamps', 'Sofas', 'Beds'])[1 + pg_temp.chosen(3)];
  id uuid := md5(random()::text)::uuid;
BEGIN
  CASE pg_temp.chosen(9)
    WHEN 0, 1, 2 THEN
      INSERT INTO globalmart.transactions (event_time, transaction_id, user_id, total_amount, discount_amount, payment_method, country)
      VALUES (at, id, buyer, 10, 1, 'PayPal', 'UK');
      INSERT INTO globalmart.transaction_items (event_time, transaction_id, line_no, quantity, product_id, price, user_id, total_amount, payment_method, country)
      SELECT at, id, n, 1 + pg_temp.chosen(3), CASE n WHEN 1 THEN product ELSE 'PROD_' || pg_temp.chosen(8) END, 1 + pg_temp.chosen(20), buyer, 10, 'PayPal', 'UK'
      FROM generate_series(1, 1 + pg_temp.chosen(2)) AS n;
    WHEN 3, 4 THEN
      INSERT INTO globalmart.product_view_events (event_time, event_id, session_id, event_type, user_id, country, product_id, product_name, category, price)
      VALUES (at, id, id, 'view', buyer, 'UK', product, 'Name of ' || product, CASE WHEN random() < 0.7 THEN category END, 5);
    WHEN 5 THEN
      INSERT INTO globalmart.cart_events (event_time, event_id, session_id, event_type, user_id, country, product_id, product_name, category, price)
      VALUES (at, id, id, 'add_to_cart', buyer, 'UK', product, 'Name of ' || product, category, 5);
    WHEN 6, 7 THEN
      -- At noon: two nights may tell of one time.
      INSERT INTO globalmart.product_changes (event_time, product_id, deleted, product_name, category, price)
      SELECT date_trunc('day', at) + interval '12 hours', product, gone, CASE WHEN NOT gone THEN 'Told ' || product END, CASE WHEN NOT gone THEN category END, 5
      FROM (SELECT random() < 0.1 AS gone) AS g;
    WHEN 8 THEN
      INSERT INTO globalmart.user_changes (event_time, user_id, deleted, country)
      SELECT date_trunc('day', at) + interval '12 hours', buyer, gone, CASE WHEN NOT gone THEN (ARRAY['UK', 'Japan', 'USA'])[1 + pg_temp.chosen(3)] END
      FROM (SELECT random() < 0.1 AS gone) AS g;
  END CASE;
END
$$;

-- What is there, and what a computation of now gives: rows that only one of them has. The second is undone.
CREATE FUNCTION pg_temp.differences(until date, with_forecast boolean) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  day date;
  before text[];
  after text[];
  analyses CONSTANT text := $q$
    SELECT array_agg(r ORDER BY r) FROM (
      SELECT 'sales ' || s::text FROM warehouse.daily_category_sales AS s WHERE s.date_key <= globalmart.date_key($1)
      UNION ALL SELECT 'products ' || p::text FROM warehouse.product_performance AS p WHERE p.analysis_date <= $1
      UNION ALL SELECT 'rfm ' || a::text FROM warehouse.rfm_analysis AS a WHERE a.analysis_date <= $1
      UNION ALL SELECT 'forecast ' || f::text FROM warehouse.demand_forecast AS f WHERE f.forecast_date > $1 AND $2) AS rows(r)$q$;
BEGIN
  EXECUTE analyses INTO before USING until, with_forecast;
  BEGIN
    FOR day IN SELECT d::date FROM generate_series(GREATEST((SELECT min(event_time) FROM globalmart.transaction_items)::date - 2, until - 40), until, interval '1 day') AS d LOOP
      PERFORM globalmart.analyse_sales(day), globalmart.analyse_products(day), globalmart.analyse_rfm(day);
    END LOOP;
    PERFORM globalmart.analyse_forecast(until) WHERE with_forecast;
    EXECUTE analyses INTO after USING until, with_forecast;
    RAISE SQLSTATE 'UNDO1';
  EXCEPTION WHEN SQLSTATE 'UNDO1' THEN
    NULL;
  END;
  RETURN ARRAY(SELECT 'is ' || r FROM (SELECT unnest(before) EXCEPT SELECT unnest(after)) AS d(r) ORDER BY 1)
      || ARRAY(SELECT 'not ' || r FROM (SELECT unnest(after) EXCEPT SELECT unnest(before)) AS d(r) ORDER BY 1);
END
$$;
CREATE VIEW pg_temp.facts AS
  SELECT 'sale' AS fact, event_time, customer_key, product_key FROM warehouse.fact_sales
  UNION ALL SELECT 'cart', event_time, customer_key, product_key FROM warehouse.fact_cart_events
  UNION ALL SELECT 'view', event_time, customer_key, product_key FROM warehouse.fact_product_views;

-- Days go by; of what happens a third is late, by up to twenty days. Some nights are missed, some runs are for a day before.
CREATE TEMP TABLE found (seed int, night int, until date, wrong text[], keys bigint);
CREATE PROCEDURE pg_temp.months_of_trade(seed int, nights int) LANGUAGE plpgsql AS $$
DECLARE
  until date;
BEGIN
  PERFORM setseed(seed / 100.0);
  FOR night IN 1 .. nights LOOP
    PERFORM set_config('globalmart.now', (timestamptz '2026-10-01 02:00:00+00' + make_interval(days => 30 * seed + night))::text, false);
    FOR n IN 1 .. 3 + pg_temp.chosen(15) LOOP
      PERFORM pg_temp.something_happens(CASE WHEN random() < 0.66 THEN 1 ELSE 1 + pg_temp.chosen(LEAST(night + 5, 20)) END);
    END LOOP;
    CONTINUE WHEN random() < 0.2 AND night < nights;
    until := globalmart.clock()::date - CASE WHEN random() < 0.15 AND night < nights THEN 1 + pg_temp.chosen(10) ELSE 1 END;
    CALL globalmart.run_etl(until);
    INSERT INTO found
    SELECT seed, night, until, pg_temp.differences(until, until = globalmart.clock()::date - 1),
           (SELECT count(*) FROM pg_temp.facts AS f JOIN warehouse.dim_customers AS c USING (customer_key) JOIN warehouse.dim_products AS p USING (product_key)
            WHERE f.event_time < c.effective_from OR f.event_time >= c.effective_to OR f.event_time < p.effective_from OR f.event_time >= p.effective_to);
  END LOOP;
END
$$;
SELECT globalmart.set_setting('rfm_span', '20 days');
CALL pg_temp.months_of_trade(1, 16);
CALL pg_temp.months_of_trade(2, 16);

SELECT cmp_ok((SELECT count(*) FROM found), '>', 20::bigint, 'nights that were looked at');
SELECT cmp_ok((SELECT count(*) FROM warehouse.fact_sales), '>', 120::bigint, 'sales');
SELECT cmp_ok((SELECT count(*) FROM warehouse.dim_products WHERE NOT is_inferred), '>', 30::bigint, 'versions of products');
SELECT cmp_ok((SELECT count(*) FROM warehouse.dim_customers WHERE NOT is_inferred), '>', 10::bigint, 'versions of customers');
SELECT cmp_ok((SELECT count(*) FROM warehouse.demand_forecast), '>', 0::bigint, 'forecasts');
SELECT is_empty('SELECT seed, night, until, cardinality(wrong), wrong[1:6] FROM found WHERE wrong <> ''{}'' ORDER BY seed, night', 'after each night the analyses are what a computation of now gives');
SELECT is_empty('SELECT seed, night, until, keys FROM found WHERE keys > 0 ORDER BY seed, night', 'and each fact is in the versions of its time');
SELECT results_eq('SELECT transaction_id, line_no, quantity * unit_price FROM warehouse.fact_sales ORDER BY 1, 2',
  'SELECT transaction_id, line_no, quantity * price FROM globalmart.transaction_items ORDER BY 1, 2', 'and nothing is lost');
SELECT * FROM finish();
