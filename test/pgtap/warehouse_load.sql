-- The load: each row once, versions by event time, late changes and late facts, repetitions, resuming.
SET globalmart.now = '2026-11-24 02:00:00+00';
SET client_min_messages = warning;
SELECT no_plan();

CREATE FUNCTION pg_temp.place_order(id int, at timestamptz, buyer text, discount numeric, VARIADIC prices numeric[]) RETURNS void LANGUAGE sql AS $$
  INSERT INTO globalmart.transactions (event_time, transaction_id, user_id, total_amount, discount_amount, payment_method, country)
  SELECT at, md5(id::text)::uuid, buyer, (SELECT sum(p) FROM unnest(prices) AS p), discount, 'PayPal', 'UK';
  INSERT INTO globalmart.transaction_items (event_time, transaction_id, line_no, quantity, product_id, price, user_id, total_amount, payment_method, country)
  SELECT at, md5(id::text)::uuid, n, 1, 'PROD_' || n, p, buyer, 0, 'PayPal', 'UK' FROM unnest(prices) WITH ORDINALITY AS u(p, n);
$$;
CREATE FUNCTION pg_temp.tell_user(at timestamptz, id text, home text, age text DEFAULT NULL, gone boolean DEFAULT false) RETURNS void LANGUAGE sql AS $$
  INSERT INTO globalmart.user_changes (event_time, user_id, deleted, country, age_range) VALUES (at, id, gone, home, age)
$$;
CREATE VIEW pg_temp.versions AS
  SELECT c.user_id, c.country, c.is_inferred, c.is_deleted, c.is_current,
         CASE c.effective_from WHEN '1900-01-01 00:00:00+00' THEN 'ever' ELSE to_char(c.effective_from, 'MM-DD') END AS since,
         CASE c.effective_to WHEN '9999-12-31 00:00:00+00' THEN 'on' ELSE to_char(c.effective_to, 'MM-DD') END AS until,
         (SELECT count(*) FROM warehouse.fact_sales AS f WHERE f.customer_key = c.customer_key) AS lines
  FROM warehouse.dim_customers AS c;

-- Nothing to load.
CALL globalmart.run_etl();
SELECT is((SELECT state FROM globalmart.etl_runs), 'done', 'a night without events is done');
SELECT is((SELECT count(*) FROM warehouse.fact_sales), 0::bigint, 'and has no facts');

-- A first load.
SELECT pg_temp.tell_user('2026-11-10', 'USER_1', 'UK');
SELECT pg_temp.tell_user('2026-11-20', 'USER_1', 'USA');
SELECT pg_temp.place_order(1, '2026-11-12 10:00', 'USER_1', 1, 10, 10, 10);
SELECT pg_temp.place_order(2, '2026-11-20 00:00', 'USER_1', NULL, 7);
SELECT pg_temp.place_order(3, '2026-11-19 23:59:59.999999', 'USER_1', 0.05, 0, 0, 0);
SELECT pg_temp.place_order(4, '2026-11-05 10:00', 'USER_1', NULL, 5);
SELECT pg_temp.place_order(5, '2026-11-23 10:00', 'USER_2', NULL, 5);
CALL globalmart.run_etl();
SELECT results_eq('SELECT * FROM pg_temp.versions ORDER BY user_id, since DESC',
  $$VALUES ('USER_1', 'UK', true, false, false, 'ever', '11-10', 1::bigint),
           ('USER_1', 'USA', false, false, true, '11-20', 'on', 1),
           ('USER_1', 'UK', false, false, false, '11-10', '11-20', 6),
           ('USER_2', 'UK', true, false, true, 'ever', 'on', 1)$$,
  'versions as told, one inferred before the first and one for whom nobody told of; a fact is in the version of its time');
SELECT results_eq($$SELECT line_no, line_revenue, discount_share FROM warehouse.fact_sales WHERE transaction_id = md5('1')::uuid ORDER BY 1$$,
  $$VALUES (1, 10.00, 0.33), (2, 10.00, 0.34), (3, 10.00, 0.33)$$, 'shares of a discount add up to it');
SELECT is((SELECT sum(discount_share) FROM warehouse.fact_sales WHERE transaction_id = md5('3')::uuid), 0.05, 'also of an order that cost nothing');
SELECT is((SELECT count(*) FROM warehouse.fact_sales WHERE discount_share IS NULL), 3::bigint, 'a discount that nobody told of is NULL');
SELECT is((SELECT sum(line_revenue) FROM warehouse.fact_sales), (SELECT sum(quantity * price) FROM globalmart.transaction_items), 'sums are the stream''s');
SELECT is((SELECT count(*) FROM warehouse.fact_sales AS f JOIN warehouse.dim_date AS d USING (date_key)
           WHERE d.full_date <> (f.event_time AT TIME ZONE 'UTC')::date), 0::bigint, 'the day is the UTC day');
SELECT results_eq($$SELECT product_name, category, price, is_inferred FROM warehouse.dim_products WHERE product_id = 'PROD_1'$$,
  $$VALUES ('Unknown', 'Unknown', 5.00, true)$$, 'an order tells the price of a product, of the first event, and no name');

-- Again: nothing new.
CALL globalmart.run_etl();
SELECT is((SELECT rows_read FROM globalmart.etl_runs ORDER BY run_id DESC LIMIT 1), 0::bigint, 'a second run reads nothing');

-- A change that comes late splits a version, and its facts follow; analyses of their days are done again.
SELECT pg_temp.tell_user('2026-11-12 00:00', 'USER_1', 'France');
SELECT pg_temp.tell_user('2026-11-22', 'USER_1', NULL, NULL, true);
CALL globalmart.run_etl();
SELECT results_eq('SELECT * FROM pg_temp.versions WHERE user_id = ''USER_1'' ORDER BY since',
  $$VALUES ('USER_1', 'UK', false, false, false, '11-10', '11-12', 0::bigint),
           ('USER_1', 'France', false, false, false, '11-12', '11-20', 6),
           ('USER_1', 'USA', false, false, false, '11-20', '11-22', 1),
           ('USER_1', 'USA', false, true, true, '11-22', 'on', 0),
           ('USER_1', 'UK', true, false, false, 'ever', '11-10', 1)$$, 'a late change splits a version, a deleted one keeps what it was');
SELECT results_eq($$SELECT a.analysis_date, c.country FROM warehouse.rfm_analysis AS a JOIN warehouse.dim_customers AS c USING (customer_key)
                    WHERE c.user_id = 'USER_1' AND a.analysis_date IN ('2026-11-11', '2026-11-12', '2026-11-20', '2026-11-22') ORDER BY 1$$,
  $$VALUES (date '2026-11-11', 'UK'), ('2026-11-12', 'France'), ('2026-11-20', 'USA'), ('2026-11-22', 'USA')$$,
  'and the analyses of its days have the version in force at their end');
SELECT is((SELECT count(*) FROM globalmart.etl_steps WHERE run_id = (SELECT max(run_id) FROM globalmart.etl_runs) AND step IN ('analyse rfm', 'analyse sales', 'analyse products')),
  0::bigint, 'for which none is done again: who somebody is changes no figure');

-- Changes at one time, changes that change nothing.
SELECT pg_temp.tell_user('2026-11-01', 'USER_3', 'UK'), pg_temp.tell_user('2026-11-02', 'USER_3', 'UK'), pg_temp.tell_user('2026-11-03', 'USER_3', 'Japan');
SELECT pg_temp.tell_user('2026-11-03', 'USER_3', 'Germany');
SELECT pg_temp.tell_user('2026-11-01', 'USER_4', NULL, NULL, true);
CALL globalmart.run_etl();
SELECT results_eq('SELECT country, since, until FROM pg_temp.versions WHERE user_id = ''USER_3'' ORDER BY since',
  $$VALUES ('UK', '11-01', '11-03'), ('Germany', '11-03', 'on')$$, 'of two changes at one time the later told counts; one that changes nothing is no version');
SELECT is_empty('SELECT FROM pg_temp.versions WHERE user_id = ''USER_4''', 'a delete of somebody nobody told of is no version');
SELECT pg_temp.tell_user('2026-11-02 12:00', 'USER_3', 'USA');
CALL globalmart.run_etl();
SELECT results_eq('SELECT country, since, until FROM pg_temp.versions WHERE user_id = ''USER_3'' ORDER BY since',
  $$VALUES ('UK', '11-01', '11-02'), ('USA', '11-02', '11-03'), ('Germany', '11-03', 'on')$$, 'a later load fits a change in between');

-- The constraints hold what the load promises.
SELECT throws_ok($$INSERT INTO warehouse.dim_customers (durable_key, user_id, country, effective_from, effective_to)
                   SELECT durable_key, 'USER_X', 'UK', effective_from + interval '1 hour', effective_to FROM warehouse.dim_customers WHERE user_id = 'USER_2'$$,
  '23P01', NULL, 'versions of one customer never overlap');
SELECT throws_ok($$INSERT INTO warehouse.dim_customers (durable_key, user_id, country, effective_from) VALUES (-1, 'USER_2', 'UK', '2026-01-01')$$,
  '23505', NULL, 'and one is current');

-- Late facts, and a repetition that the bridge had forgotten.
SELECT pg_temp.place_order(6, '2026-11-12 11:00', 'USER_1', NULL, 3);
SELECT pg_temp.place_order(1, '2026-11-12 10:00', 'USER_1', 1, 10, 10, 10);
SELECT pg_temp.place_order(2, '2026-11-20 00:01', 'USER_1', NULL, 7);
CALL globalmart.run_etl();
SELECT results_eq('SELECT rows_read, rows_written, rows_rejected FROM globalmart.etl_runs ORDER BY run_id DESC LIMIT 1', 'VALUES (5::bigint, 2::bigint, 3::bigint)',
  'an exact repetition is absorbed, one with another time is a new event');
SELECT is((SELECT monetary FROM warehouse.rfm_analysis JOIN warehouse.dim_customers USING (customer_key)
           WHERE analysis_date = '2026-11-12' AND user_id = 'USER_1'), 38.00, 'an analysis of an earlier day has the late order in it');
SELECT is((SELECT total_revenue FROM warehouse.sales_trends WHERE grain = 'day' AND period = '2026-11-12' AND category = 'Unknown'), 33.00, 'so have the sales of the day');

-- An order and its lines in different loads.
INSERT INTO globalmart.transaction_items (event_time, transaction_id, line_no, quantity, product_id, price, user_id, total_amount, payment_method, country)
VALUES ('2026-11-21 08:00', md5('7')::uuid, 1, 2, 'PROD_1', 4, 'USER_2', 0, 'PayPal', 'UK');
CALL globalmart.run_etl();
INSERT INTO globalmart.transaction_items (event_time, transaction_id, line_no, quantity, product_id, price, user_id, total_amount, payment_method, country)
VALUES ('2026-11-21 08:00', md5('7')::uuid, 2, 1, 'PROD_2', 8, 'USER_2', 0, 'PayPal', 'UK');
INSERT INTO globalmart.transactions (event_time, transaction_id, user_id, total_amount, discount_amount, payment_method, country)
VALUES ('2026-11-21 08:00', md5('7')::uuid, 'USER_2', 14, 2, 'PayPal', 'UK');
CALL globalmart.run_etl();
SELECT results_eq($$SELECT line_no, discount_share FROM warehouse.fact_sales WHERE transaction_id = md5('7')::uuid ORDER BY 1$$,
  'VALUES (1, 1.00), (2, 1.00)', 'an order that comes in pieces has its discount shared anew');

-- Carts and views.
INSERT INTO globalmart.cart_events (event_time, event_id, session_id, event_type, user_id, country, product_id, product_name, category, price, quantity, cart_value)
VALUES ('2026-11-23 11:00', md5('c1')::uuid, md5('s')::uuid, 'add_to_cart', 'USER_2', 'Japan', 'PROD_1', 'Phone', 'Smartphones', 5, 2, 10),
       ('2026-11-23 11:01', md5('c2')::uuid, md5('s')::uuid, 'checkout', 'USER_2', 'Japan', NULL, NULL, NULL, NULL, NULL, 10);
INSERT INTO globalmart.product_view_events (event_time, event_id, session_id, event_type, user_id, country, product_id, product_name, category, price, view_duration, search_query, results_count)
VALUES ('2026-11-23 10:50', md5('v1')::uuid, md5('s')::uuid, 'view', 'USER_9', 'Japan', 'PROD_1', 'Phone', 'Smartphones', 5, 12.5, NULL, NULL),
       ('2026-11-23 10:40', md5('v2')::uuid, md5('s')::uuid, 'search', 'USER_9', 'Japan', NULL, NULL, NULL, NULL, NULL, 'phone', 3),
       ('1999-12-31 23:59:59.999999+00'::timestamptz + interval '1 microsecond', md5('v3')::uuid, md5('s')::uuid, 'filter', 'USER_9', 'Japan', NULL, NULL, NULL, NULL, NULL, NULL, 0);
CALL globalmart.run_etl();
SELECT results_eq($$SELECT event_type, product_id, quantity, unit_price, cart_value, country FROM warehouse.fact_cart_events
                    JOIN warehouse.dim_products USING (product_key) JOIN warehouse.dim_geography USING (geography_key) ORDER BY event_time$$,
  $$VALUES ('add_to_cart', 'PROD_1', 2, 5.00, 10.00, 'Japan'), ('checkout', '', NULL, NULL, 10.00, 'Japan')$$, 'cart events; one without a product has product_key 0');
SELECT results_eq($$SELECT event_type, f.date_key, view_duration, search_query, results_count FROM warehouse.fact_product_views AS f ORDER BY event_time$$,
  $$VALUES ('filter', 20000101, NULL::numeric, NULL, 0), ('search', 20261123, NULL, 'phone', 3), ('view', 20261123, 12.5, NULL, NULL)$$, 'view events, of any day');
SELECT results_eq($$SELECT product_name, category FROM warehouse.dim_products WHERE product_id = 'PROD_1'$$, $$VALUES ('Phone', 'Smartphones')$$,
  'what an order did not tell of a product, a later event does');
SELECT results_eq($$SELECT orders, units_sold, total_revenue, views, unique_viewers, conversion_rate_pct, rank_in_category, rank_overall, tier
                    FROM warehouse.product_performance JOIN warehouse.dim_products USING (product_key) WHERE analysis_date = '2026-11-23' AND product_id = 'PROD_1'$$,
  $$VALUES (1::bigint, 1::bigint, 5.00, 1::bigint, 1::bigint, 100::float8, 1, 1, 'A')$$, 'product_performance');

-- Redriven dead letters keep old offsets.
INSERT INTO globalmart.kafka_offsets (topic, kafka_partition, next_offset) VALUES ('cart-events-topic', 0, 100);
CALL globalmart.run_etl();
INSERT INTO globalmart.cart_events (event_time, event_id, session_id, event_type, user_id, country, kafka_partition, kafka_offset)
VALUES ('2026-11-23 12:00', md5('c3')::uuid, md5('s')::uuid, 'checkout', 'USER_2', 'Japan', 0, 50);
INSERT INTO globalmart.dead_letter_redrives (topic, kafka_partition, kafka_offset, reason, state, received_at) VALUES ('cart-events-topic', 0, 50, 'out_of_range', 'applied', globalmart.clock());
CALL globalmart.run_etl();
SELECT is((SELECT count(*) FROM warehouse.fact_cart_events WHERE event_id = md5('c3')::uuid), 1::bigint, 'a redriven message below the mark is loaded');
CALL globalmart.run_etl();
SELECT is((SELECT rows_read FROM globalmart.etl_runs ORDER BY run_id DESC LIMIT 1), 0::bigint, 'once');

-- Killed between two days: what was left is taken up, with the same spans, and then what is new.
SELECT pg_temp.place_order(20, '2026-11-20 10:00', 'USER_2', NULL, 1);
SELECT pg_temp.place_order(21, '2026-11-21 10:00', 'USER_2', NULL, 1);
SELECT globalmart.begin_load((SELECT last_value + 1 FROM globalmart.sql_row_offset));
SELECT globalmart.load_day('2026-11-20');
SELECT pg_temp.place_order(22, '2026-11-20 11:00', 'USER_2', NULL, 1);
SELECT is((SELECT count(*) FROM globalmart.etl_load_days WHERE NOT loaded), 1::bigint, 'one day of the load is left');
CALL globalmart.run_etl();
SELECT is((SELECT string_agg(step || coalesce(to_char(day, ' DD'), ''), ', ' ORDER BY step_no) FROM globalmart.etl_steps
           WHERE run_id = (SELECT max(run_id) FROM globalmart.etl_runs) AND step NOT LIKE 'analyse%'),
  'load customers, load products, load facts 21, end load, wait for writers, begin load, load customers, load products, load facts 20, end load',
  'a load that was left is ended first');
SELECT is((SELECT sum(line_revenue) FROM warehouse.fact_sales WHERE transaction_id = ANY (ARRAY[md5('20'), md5('21'), md5('22')]::uuid[])), 3.00, 'and nothing is missing');

-- A step that fails.
ALTER TABLE warehouse.fact_sales ADD CONSTRAINT never CHECK (unit_price <> 66);
SELECT pg_temp.place_order(30, '2026-11-23 13:00', 'USER_2', NULL, 66);
\set ON_ERROR_STOP 0
CALL globalmart.run_etl();
SET client_min_messages = warning;
\set ON_ERROR_STOP 1
SELECT results_eq('SELECT state, step, day, last_error LIKE ''%violates check constraint "never"%'' FROM globalmart.etl_progress',
  $$VALUES ('failed', 'load facts', date '2026-11-23', true)$$, 'a run that fails says where and why');
ALTER TABLE warehouse.fact_sales DROP CONSTRAINT never;
CALL globalmart.run_etl();
SELECT is((SELECT count(*) FROM warehouse.fact_sales WHERE transaction_id = md5('30')::uuid), 1::bigint, 'and the next one goes on from there');

-- A call that ends early keeps nobody out: in a transaction block, where a step cannot begin, where a run cannot.
CREATE FUNCTION pg_temp.locks() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' $$;
\set ON_ERROR_STOP 0
BEGIN;
CALL globalmart.run_etl();
\set refused :SQLSTATE
ROLLBACK;
SELECT is(:'refused'::text, '2D000', 'a call in a transaction block is refused');
SELECT is(pg_temp.locks(), 0::bigint, 'and holds no lock');
ALTER TABLE globalmart.etl_steps ADD CONSTRAINT never CHECK (step <> 'begin load') NOT VALID;
CALL globalmart.run_etl();
ALTER TABLE globalmart.etl_steps DROP CONSTRAINT never;
SELECT is(pg_temp.locks(), 0::bigint, 'a step that cannot be put on record leaves no lock');
SELECT results_eq('SELECT state, last_error LIKE ''%violates check constraint "never"%'' FROM globalmart.etl_progress', $$VALUES ('failed', true)$$, 'and a run that failed');
ALTER TABLE globalmart.etl_runs ADD CONSTRAINT never CHECK (analysis_day <> '2026-11-01') NOT VALID;
CALL globalmart.run_etl('2026-11-01');
ALTER TABLE globalmart.etl_runs DROP CONSTRAINT never;
SELECT is(pg_temp.locks(), 0::bigint, 'nor does a run');
-- Cancelled where no handler is: between two of its transactions.
SELECT globalmart.try_run_lock(), globalmart.try_run_lock();
SELECT is(pg_temp.locks(), 1::bigint, 'the lock is taken once');
SELECT 1 / 0;
SELECT is(pg_temp.locks(), 0::bigint, 'and ends with an error of its session');
SET client_min_messages = warning;
\set ON_ERROR_STOP 1
CALL globalmart.run_etl();
SELECT is((SELECT state FROM globalmart.etl_progress), 'done', 'the next call works');
SELECT is(pg_temp.locks(), 0::bigint, 'and holds no lock either');

-- Lines that came when the load had begun are the next load's.
SELECT pg_temp.place_order(50, '2026-11-22 10:00', 'USER_2', NULL, 1);
SELECT globalmart.begin_load((SELECT last_value + 1 FROM globalmart.sql_row_offset));
INSERT INTO globalmart.transaction_items (event_time, transaction_id, line_no, quantity, product_id, price, user_id, total_amount, payment_method, country)
VALUES ('2026-11-22 10:00', md5('50')::uuid, 2, 1, 'PROD_2', 8, 'USER_2', 0, 'PayPal', 'UK');
CALL globalmart.run_etl();
SELECT results_eq($$SELECT rows_read, rows_written, rows_rejected FROM globalmart.etl_steps
                    WHERE run_id = (SELECT max(run_id) FROM globalmart.etl_runs) AND step = 'load facts' ORDER BY step_no$$,
  'VALUES (1::bigint, 1::bigint, 0::bigint), (1, 1, 0)', 'a line is read, and written, by one load');

-- Days are days of UTC, whatever the session has set.
SET datestyle = 'SQL, DMY';
SET timezone = 'Asia/Kolkata';
SELECT pg_temp.place_order(40, '2025-02-01 00:00:00+00', 'USER_2', NULL, 1);
SELECT pg_temp.place_order(41, '2025-02-28 23:59:59.999999+00', 'USER_2', NULL, 1);
SELECT pg_temp.place_order(42, '2025-03-01 00:30:00+00', 'USER_2', NULL, 1);
CALL globalmart.run_etl();
RESET datestyle;
RESET timezone;
SELECT results_eq($$SELECT tableoid::regclass::text, date_key FROM warehouse.fact_sales WHERE event_time < '2025-04-01' ORDER BY 2$$,
  $$VALUES ('warehouse.fact_sales_m202502', 20250201), ('warehouse.fact_sales_m202502', 20250228), ('warehouse.fact_sales_m202503', 20250301)$$,
  'days and months are of UTC in a session of another zone and date style');
SELECT is((SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = 'warehouse.fact_sales_m202502'::regclass),
  $$FOR VALUES FROM ('2025-02-01 00:00:00+00') TO ('2025-03-01 00:00:00+00')$$, 'so are the bounds of partitions');

-- A day to come, and a session that sees none of what others commit.
\set ON_ERROR_STOP 0
CALL globalmart.run_etl('2062-11-23');
\set day_to_come :SQLSTATE
CALL globalmart.run_etl('infinity');
\set no_day :SQLSTATE
SET default_transaction_isolation = 'repeatable read';
CALL globalmart.run_etl();
\set old_snapshot :SQLSTATE
RESET default_transaction_isolation;
\set ON_ERROR_STOP 1
SELECT is(ARRAY[:'day_to_come', :'no_day', :'old_snapshot'], '{22023,22023,25000}'::text[], 'neither is taken');
CALL globalmart.run_etl();
SELECT is((SELECT state FROM globalmart.etl_runs ORDER BY run_id DESC LIMIT 1), 'done', 'nor does it keep the next night out');

-- The owner's triggers run as the owner, also when a superuser installs the shop again.
CREATE TABLE globalmart.who_ran (role_name text);
GRANT INSERT ON globalmart.who_ran TO globalmart_owner;
CREATE FUNCTION globalmart.note_role() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO globalmart.who_ran VALUES (current_user); RETURN NEW; END $$;
GRANT EXECUTE ON FUNCTION globalmart.note_role() TO globalmart_owner;
CREATE TRIGGER note_role BEFORE INSERT ON globalmart.categories FOR EACH ROW EXECUTE FUNCTION globalmart.note_role();
DELETE FROM globalmart.lists WHERE list = 'categories';
DELETE FROM globalmart.categories;
SELECT globalmart.install_shop();
SELECT results_eq('SELECT DISTINCT role_name FROM globalmart.who_ran', $$VALUES ('globalmart_owner')$$, 'nothing of the owner''s runs as a superuser');
SELECT is(current_setting('role'), 'none', 'and the caller is himself afterwards');

-- Regions.
SELECT globalmart.set_region('UK', 'Islands', '2026-11-20');
SELECT results_eq($$SELECT region, count(*), min(f.event_time) >= '2026-11-20' FROM warehouse.fact_sales AS f JOIN warehouse.dim_geography USING (geography_key) GROUP BY 1 ORDER BY 1$$,
  $$SELECT CASE WHEN event_time < '2026-11-20' THEN 'Europe' ELSE 'Islands' END, count(*), event_time >= '2026-11-20' FROM warehouse.fact_sales GROUP BY 1, 3 ORDER BY 1$$,
  'set_region makes a version, and facts move to it');
SELECT throws_ok($$SELECT globalmart.set_region('Nowhere', 'Europe')$$, '42704', NULL, 'of a country that there is');

-- Years that facts bring are whole, and so is what lies between.
SELECT pg_temp.place_order(60, '2010-12-01 10:00', 'USER_2', NULL, 1), pg_temp.place_order(61, '2010-12-20 10:00', 'USER_2', NULL, 1);
CALL globalmart.run_etl();
SELECT is((SELECT min(full_date) FROM warehouse.dim_date WHERE full_date >= '2010-01-01'), date '2010-01-01', 'the calendar begins with a year');
SELECT is((SELECT count(*) FROM warehouse.dim_date), (SELECT max(full_date) - min(full_date) + 1 FROM warehouse.dim_date)::bigint, 'and has no gap');
SET globalmart.now = '2039-01-02 02:00:00+00';
SELECT globalmart.load_day('2026-11-23');
SET globalmart.now = '2026-11-24 02:00:00+00';
SELECT is((SELECT max(full_date) FROM warehouse.dim_date), date '2049-12-31', 'it goes on with the years');

-- Retention waits for the warehouse from its first load on.
SELECT is((SELECT count(*) FROM globalmart.raw_readers WHERE reader = 'warehouse'), 6::bigint, 'retention waits for the warehouse');
SET ROLE globalmart_reader;
SELECT throws_ok('SELECT globalmart.begin_run(NULL)', '42501', NULL, 'a reader may not run it');
SELECT throws_ok($$SELECT globalmart.load_dimension('user_changes', 'user_id', 'dim_customers', 'customer_key', '{country}')$$, '42501', NULL, 'nor any part of it');
RESET ROLE;
SELECT * FROM finish();
