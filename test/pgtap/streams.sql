-- The stream tables: columns as the bridge copies them, one fold for each statement, ranges that plain SQL
-- cannot leave.
SET globalmart.now = '2026-11-24 12:00:00+00';
SELECT plan(46);

SELECT is(
  (SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN '!' ELSE '' END, ', ' ORDER BY a.attnum)
   FROM pg_attribute AS a WHERE a.attrelid = ('globalmart.' || t.name)::regclass AND a.attnum > 0 AND NOT a.attisdropped),
  t.columns || ', received_at timestamp with time zone!, kafka_partition integer!, kafka_offset bigint!', 'columns of ' || t.name)
FROM (VALUES
  ('transactions', 'event_time timestamp with time zone!, transaction_id uuid!, user_id text!, total_amount numeric(18,2)!, discount_amount numeric(18,2), payment_method text!, country text!'),
  ('transaction_items', 'event_time timestamp with time zone!, transaction_id uuid!, line_no integer!, quantity integer!, product_id text!, price numeric(18,2)!, user_id text!, total_amount numeric(18,2)!, payment_method text!, country text!'),
  ('cart_events', 'event_time timestamp with time zone!, event_id uuid!, session_id uuid!, event_type text!, user_id text!, country text!, product_id text, product_name text, category text, price numeric(18,2), quantity integer, old_quantity integer, new_quantity integer, cart_size integer, total_items integer, cart_value numeric(18,2)'),
  ('product_view_events', 'event_time timestamp with time zone!, event_id uuid!, session_id uuid!, event_type text!, user_id text!, country text!, product_id text, product_name text, category text, price numeric(18,2), view_duration numeric(10,6), from_search boolean, previously_viewed_count integer, search_query text, results_count integer, filter_category text, min_price numeric(18,2), max_price numeric(18,2), product_ids text[], product_names text[], prices numeric(18,2)[]'),
  ('inventory_events', 'event_time timestamp with time zone!, event_id uuid!, event_type text!, product_id text!, country text, stock_level integer, delta integer, old_price numeric(18,2), new_price numeric(18,2)'),
  ('user_changes', 'event_time timestamp with time zone!, user_id text!, deleted boolean!, country text, age_range text, preferences text[], registered_at timestamp with time zone'),
  ('product_changes', 'event_time timestamp with time zone!, product_id text!, deleted boolean!, product_name text, category text, price numeric(18,2), rating numeric(3,2), stock_level integer')
) AS t(name, columns);

SELECT is_partitioned('globalmart', t, t || ' is partitioned')
FROM unnest('{transactions,transaction_items,cart_events,product_view_events,inventory_events}'::text[]) AS t;

-- Every leaf says of itself what the root says.
SELECT is_empty($$
  SELECT l.leaf, p.attname FROM globalmart.streams AS s
  CROSS JOIN LATERAL globalmart.stream_leaves(s.stream) AS l
  JOIN pg_attribute AS p ON p.attrelid = s.relation AND p.attnum > 0
  WHERE s.has_offsets AND col_description(('globalmart.' || l.leaf)::regclass, p.attnum) IS DISTINCT FROM col_description(s.relation, p.attnum)
$$, 'leaves carry the comments of the root');
SELECT is_empty($$
  SELECT l.leaf FROM globalmart.streams AS s
  CROSS JOIN LATERAL globalmart.stream_leaves(s.stream) AS l
  WHERE s.has_offsets AND (SELECT count(*) FROM pg_trigger AS t WHERE t.tgrelid = ('globalmart.' || l.leaf)::regclass
                                  AND t.tgfoid = 'globalmart.fold_rows()'::regprocedure AND NOT t.tgisinternal) <> 1
$$, 'every leaf has one statement trigger');
SELECT is_empty($$
  SELECT l.leaf FROM globalmart.streams AS s
  CROSS JOIN LATERAL globalmart.stream_leaves(s.stream) AS l
  WHERE s.has_offsets AND NOT (has_table_privilege('globalmart_writer', 'globalmart.' || l.leaf, 'INSERT')
                               AND NOT has_table_privilege('globalmart_writer', 'globalmart.' || l.leaf, 'SELECT')
                               AND has_table_privilege('globalmart_reader', 'globalmart.' || l.leaf, 'SELECT'))
$$, 'the writer may insert into every leaf and read none');

-- Each fold of rows that came by SQL appends one row of progress: that many statement triggers have fired.
CREATE FUNCTION pg_temp.folds(domain text) RETURNS bigint LANGUAGE sql AS
  $$ SELECT count(*) FROM globalmart.sql_progress AS p WHERE p.domain = $1 $$;
CREATE FUNCTION pg_temp.order_at(text) RETURNS SETOF record LANGUAGE sql AS
  $$ SELECT $1::timestamptz, gen_random_uuid(), 'USER_1', 10.00::numeric(18,2), 'PayPal', 'Japan' $$;

INSERT INTO globalmart.transactions (event_time, transaction_id, user_id, total_amount, payment_method, country)
SELECT t::timestamptz, gen_random_uuid(), 'USER_1', 10, 'PayPal', 'Japan'
FROM unnest('{2026-11-24 10:00+00,2026-11-24 11:00+00,2026-11-23 11:00+00,2026-11-22 11:00+00,2001-01-01 00:00+00}'::text[]) AS t;
SELECT is(pg_temp.folds('transactions'), 1::bigint, 'an INSERT into the root that reaches four partitions folds once');
SELECT set_eq('SELECT tableoid::regclass::text AS leaf FROM globalmart.transactions',
  '{globalmart.transactions_p20261124,globalmart.transactions_p20261123,globalmart.transactions_p20261122,globalmart.transactions_default}'::text[],
  'rows are where their day is');
SELECT is((SELECT sum(total_transactions) FROM globalmart.sales_per_minute_live), 5::numeric, 'and every row is folded once');

INSERT INTO globalmart.transactions_p20261124 (event_time, transaction_id, user_id, total_amount, payment_method, country)
VALUES ('2026-11-24 10:00+00', gen_random_uuid(), 'USER_1', 10, 'PayPal', 'Japan');
SELECT is(pg_temp.folds('transactions'), 2::bigint, 'an INSERT into a leaf folds once');
COPY globalmart.transactions_p20261124 (event_time, transaction_id, user_id, total_amount, payment_method, country, kafka_partition, kafka_offset) FROM STDIN (DELIMITER ',');
2026-11-24 10:00:00+00,11111111-1111-1111-1111-111111111111,USER_1,10,PayPal,Japan,-1,77
2026-11-24 10:00:01+00,11111111-1111-1111-1111-111111111112,USER_1,10,PayPal,Japan,-1,78
\.
SELECT is(pg_temp.folds('transactions'), 3::bigint, 'a COPY into a leaf folds once');
COPY globalmart.transactions (event_time, transaction_id, user_id, total_amount, payment_method, country) FROM STDIN (DELIMITER ',');
2026-11-24 10:00:00+00,11111111-1111-1111-1111-111111111113,USER_1,10,PayPal,Japan
2026-11-23 10:00:01+00,11111111-1111-1111-1111-111111111114,USER_1,10,PayPal,Japan
\.
SELECT is(pg_temp.folds('transactions'), 4::bigint, 'a COPY into the root folds once');
SELECT is((SELECT sum(total_transactions) FROM globalmart.sales_per_minute_live), 10::numeric, 'and all rows are there once');
INSERT INTO globalmart.transactions (event_time, transaction_id, user_id, total_amount, payment_method, country)
SELECT now(), gen_random_uuid(), 'USER_1', 10, 'PayPal', 'Japan' WHERE false;
SELECT is(pg_temp.folds('transactions'), 4::bigint, 'a statement without rows folds nothing');

SELECT is((SELECT array_agg(DISTINCT kafka_partition) FROM globalmart.transactions), '{-1}'::int[], 'rows that come by SQL are of partition -1');
SELECT is((SELECT count(DISTINCT kafka_offset) FROM globalmart.transactions), 10::bigint, 'each with an offset of its own');

-- What is folded stays as it was: by the root, by every leaf, in detectors' tables, and in partitions that are made later.
SELECT is(globalmart.make_partition('transactions', '2026-12-24'), 'transactions_p20261224', 'a partition that is made later');
SELECT is_empty(
  $$SELECT s.stream, t.relid::regclass
    FROM globalmart.streams AS s, LATERAL (SELECT p.relid::oid FROM pg_partition_tree(s.relation) AS p UNION SELECT s.relation::oid) AS t
    WHERE NOT EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgrelid = t.relid AND g.tgfoid = 'globalmart.refuse_change()'::regprocedure AND g.tgenabled = 'O')$$,
  'every table of a stream keeps its rows as they are');
CREATE UNIQUE INDEX ON globalmart.transactions_p20261124 (transaction_id);
SELECT throws_ok(statement, '0A000', format('%s of %s is not supported: it is a stream, and rollups do not follow', what, relation), 'refused: ' || statement)
FROM (VALUES
  ('UPDATE', 'transactions', 'UPDATE globalmart.transactions SET total_amount = 7'),
  ('UPDATE', 'transactions_p20261124', 'UPDATE globalmart.transactions_p20261124 SET total_amount = 7'),
  ('UPDATE', 'transactions_p20261224', 'UPDATE globalmart.transactions_p20261224 SET total_amount = 7'),
  ('UPDATE', 'transactions_default', 'UPDATE globalmart.transactions_default SET total_amount = 7'),
  ('UPDATE', 'high_value_anomalies', 'UPDATE globalmart.high_value_anomalies SET user_id = ''USER_2'''),
  ('UPDATE', 'transactions_p20261124', 'INSERT INTO globalmart.transactions_p20261124 (event_time, transaction_id, user_id, total_amount, payment_method, country)
    VALUES (''2026-11-24 10:00+00'', gen_random_uuid(), ''USER_1'', 1, ''PayPal'', ''UK'') ON CONFLICT (transaction_id) DO UPDATE SET total_amount = 7'),
  ('UPDATE', 'transactions', 'MERGE INTO globalmart.transactions AS t USING (VALUES (1)) AS v(n) ON true WHEN MATCHED THEN UPDATE SET total_amount = 7'),
  ('TRUNCATE', 'transactions', 'TRUNCATE globalmart.transactions'),
  ('TRUNCATE', 'transactions_p20261124', 'TRUNCATE globalmart.transactions_p20261124')) AS c(what, relation, statement);
SELECT is((SELECT count(*) FROM globalmart.transactions), 10::bigint, 'and nothing has changed');

-- Ranges.
PREPARE put(text, text) AS INSERT INTO globalmart.transactions (event_time, transaction_id, user_id, total_amount, payment_method, country)
  VALUES ($1::timestamptz, gen_random_uuid(), 'USER_1', $2::numeric, 'PayPal', 'Japan');
SELECT throws_ok(format('EXECUTE put(%L, %L)', t, a), '23514', NULL, format('refused: %s at %s', a, t))
FROM (VALUES ('2026-11-24', 'NaN'), ('2026-11-24', '-0.01'), ('infinity', '1'), ('-infinity', '1'), ('1999-12-31 23:59:59+00', '1')) AS r(t, a);
SELECT throws_ok($$EXECUTE put('2026-11-24', 'Infinity')$$, '22003', NULL, 'refused: infinite money');
SELECT throws_ok($$EXECUTE put(NULL, '1')$$, '23502', NULL, 'refused: no event time');

-- Twice is as good as once.
SELECT lives_ok('SELECT globalmart.install_shop()', 'install_shop() may be called again');
SELECT is((SELECT count(*) FROM globalmart.transactions), 10::bigint, 'and changes nothing');

SELECT * FROM finish();
