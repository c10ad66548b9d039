-- The stream tables: columns as the bridge copies them, one fold for each statement, ranges that plain SQL
-- cannot leave.
SET globalmart.now = '2026-11-24 12:00:00+00';
SELECT plan(94);

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

-- What a close could not sum, or put into a key, does not come in: each value by itself, as the writer. At the bounds all
-- of it does, and every window of it closes.
DROP INDEX globalmart.transactions_p20261124_transaction_id_idx;
CREATE TEMP TABLE sound AS
SELECT format('globalmart.%s', t) AS relation, v AS columns
FROM (VALUES
  ('transactions', jsonb_build_object('transaction_id', gen_random_uuid(), 'user_id', repeat('u', 512), 'total_amount', 10000000.00,
     'discount_amount', 10000000.00, 'payment_method', repeat('p', 512), 'country', repeat('c', 512))),
  ('transaction_items', jsonb_build_object('transaction_id', gen_random_uuid(), 'line_no', 1, 'quantity', 10000, 'product_id', repeat('p', 512),
     'price', 1000000.00, 'user_id', repeat('u', 512), 'total_amount', 10000000.00, 'payment_method', repeat('p', 512), 'country', repeat('c', 512))),
  ('cart_events', jsonb_build_object('event_id', gen_random_uuid(), 'session_id', gen_random_uuid(), 'event_type', 'add_to_cart', 'user_id', repeat('u', 512),
     'country', repeat('c', 512), 'product_id', repeat('p', 512), 'product_name', repeat('n', 1024), 'category', repeat('g', 512),
     'price', 1000000.00, 'cart_value', 1000000000.00)),
  ('product_view_events', jsonb_build_object('event_id', gen_random_uuid(), 'session_id', gen_random_uuid(), 'event_type', 'search', 'user_id', repeat('u', 512),
     'country', repeat('c', 512), 'product_id', repeat('p', 512), 'product_name', repeat('n', 1024), 'category', repeat('g', 512),
     'price', 1000000.00, 'search_query', repeat('s', 512))),
  ('inventory_events', jsonb_build_object('event_id', gen_random_uuid(), 'event_type', 'price_change', 'product_id', repeat('p', 512),
     'country', repeat('c', 512), 'stock_level', 2147483647, 'old_price', 1000000.00, 'new_price', 1000000.00))) AS s(t, v);
CREATE FUNCTION pg_temp.put_row(relation text, columns jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('INSERT INTO %s (event_time, %s) SELECT ''2026-11-24 11:30+00'', %s', relation,
                 (SELECT string_agg(quote_ident(k), ', ' ORDER BY k) FROM jsonb_object_keys(columns) AS k),
                 (SELECT string_agg(quote_nullable(value), ', ' ORDER BY key) FROM jsonb_each_text(columns)));
END
$$;
GRANT SELECT ON sound TO globalmart_writer;
SET ROLE globalmart_writer;
SELECT lives_ok(format('SELECT pg_temp.put_row(%L, %L)', s.relation, s.columns), 'within bounds: ' || s.relation) FROM sound AS s, generate_series(1, 3);
SELECT throws_ok(format('SELECT pg_temp.put_row(%L, %L)', s.relation, s.columns || jsonb_build_object(c.key, c.beyond)), '23514', NULL,
                 format('refused: %s of %s beyond its bound', c.key, s.relation))
FROM sound AS s
CROSS JOIN LATERAL (SELECT e.key, CASE jsonb_typeof(e.value) WHEN 'string' THEN e.value #>> '{}' || 'x' ELSE ((e.value #>> '{}')::numeric + 1)::text END AS beyond
                    FROM jsonb_each(s.columns) AS e
                    WHERE e.key NOT IN ('transaction_id', 'event_id', 'session_id', 'line_no', 'stock_level', 'event_type')) AS c
ORDER BY s.relation, c.key;
RESET ROLE;
SET globalmart.now = '2026-11-24 23:00:00+00';
CALL globalmart.close_windows();
SELECT is_empty($$SELECT name, last_error FROM globalmart.rollups WHERE state <> 'live'$$, 'no rollup failed');
SELECT isnt((SELECT count(*) FROM globalmart.search_behavior), 0::bigint, 'and the windows are closed');
SELECT is_empty($$SELECT name, v.* FROM globalmart.rollups, globalmart.verify(name) AS v WHERE kind = 'rollup'$$, 'as the batch has them');

SELECT * FROM finish();
