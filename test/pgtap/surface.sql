-- The whole surface: everything has a comment, functions pin their search_path or are named here, and every
-- table of the shop has the columns of its specification, in order.
SELECT plan(14);

-- name, columns, key
CREATE TEMPORARY TABLE specified (name text, columns text, key_columns text);
INSERT INTO specified VALUES
  ('sales_per_minute', 'window_start timestamp with time zone, window_end timestamp with time zone, total_transactions bigint, total_revenue numeric(18,2), avg_order_value numeric(18,2), created_at timestamp with time zone',
   'window_start'),
  ('sales_by_country', 'window_start timestamp with time zone, window_end timestamp with time zone, country text, total_transactions bigint, total_revenue numeric(18,2), avg_order_value numeric(18,2), created_at timestamp with time zone',
   'window_start, country'),
  ('cart_sessions', 'window_start timestamp with time zone, window_end timestamp with time zone, user_id text, session_id uuid, country text, add_count bigint, remove_count bigint, update_count bigint, checkout_count bigint, max_cart_value numeric(18,2), last_activity timestamp with time zone, total_events bigint, session_completed boolean, created_at timestamp with time zone',
   'window_start, user_id, session_id'),
  ('abandoned_carts', 'window_start timestamp with time zone, window_end timestamp with time zone, user_id text, session_id uuid, country text, items_added bigint, abandoned_cart_value numeric(18,2), last_activity timestamp with time zone, total_events bigint, abandonment_detected_at timestamp with time zone, created_at timestamp with time zone',
   'window_start, user_id, session_id'),
  ('cart_metrics', 'window_start timestamp with time zone, window_end timestamp with time zone, country text, total_cart_events bigint, adds bigint, removes bigint, updates bigint, checkouts bigint, avg_cart_value numeric(18,2), max_cart_value numeric(18,2), abandonment_rate_pct double precision, created_at timestamp with time zone',
   'window_start, country'),
  ('trending_products', 'window_start timestamp with time zone, window_end timestamp with time zone, product_id text, product_name text, category text, view_count bigint, unique_viewers bigint, avg_view_duration double precision, product_price numeric(18,2), analyzed_at timestamp with time zone, created_at timestamp with time zone',
   'window_start, product_id'),
  ('category_performance', 'window_start timestamp with time zone, window_end timestamp with time zone, category text, country text, total_views bigint, unique_users bigint, unique_products bigint, avg_view_duration double precision, avg_product_price numeric(18,2), created_at timestamp with time zone',
   'window_start, category, country'),
  ('search_behavior', 'window_start timestamp with time zone, window_end timestamp with time zone, search_query text, country text, search_count bigint, unique_searchers bigint, avg_results double precision, zero_result_count bigint, created_at timestamp with time zone',
   'window_start, search_query, country'),
  ('browsing_sessions', 'window_start timestamp with time zone, window_end timestamp with time zone, user_id text, session_id uuid, country text, views bigint, searches bigint, filters bigint, compares bigint, unique_products_viewed bigint, avg_view_duration double precision, first_activity timestamp with time zone, last_activity timestamp with time zone, total_events bigint, session_duration_sec double precision, created_at timestamp with time zone',
   'window_start, user_id, session_id'),
  ('high_value_anomalies', 'transaction_id uuid, user_id text, event_time timestamp with time zone, total_amount numeric(18,2), payment_method text, country text, anomaly_type text, anomaly_reason text, severity text, detected_at timestamp with time zone, created_at timestamp with time zone',
   'transaction_id'),
  ('high_quantity_anomalies', 'transaction_id uuid, line_no integer, product_id text, user_id text, event_time timestamp with time zone, quantity bigint, total_amount numeric(18,2), payment_method text, country text, anomaly_type text, anomaly_reason text, severity text, detected_at timestamp with time zone, created_at timestamp with time zone',
   'transaction_id, line_no'),
  ('suspicious_patterns', 'window_start timestamp with time zone, window_end timestamp with time zone, user_id text, country text, transaction_count bigint, total_spent numeric(18,2), avg_transaction numeric(18,2), max_transaction numeric(18,2), first_transaction timestamp with time zone, last_transaction timestamp with time zone, anomaly_type text, anomaly_reason text, severity text, detected_at timestamp with time zone, created_at timestamp with time zone',
   'window_start, user_id'),
  ('anomaly_stats', 'window_start timestamp with time zone, window_end timestamp with time zone, country text, total_anomalies bigint, high_value_count bigint, high_quantity_count bigint, critical_count bigint, high_severity_count bigint, medium_severity_count bigint, created_at timestamp with time zone',
   'window_start, country'),
  ('product_sales_velocity', 'window_start timestamp with time zone, window_end timestamp with time zone, product_id text, units_sold bigint, total_revenue numeric(18,2), avg_price numeric(18,2), created_at timestamp with time zone',
   'window_start, product_id'),
  ('inventory_by_country', 'window_start timestamp with time zone, window_end timestamp with time zone, product_id text, country text, units_sold bigint, total_revenue numeric(18,2), created_at timestamp with time zone',
   'window_start, product_id, country'),
  ('high_demand_alerts', 'window_start timestamp with time zone, window_end timestamp with time zone, product_id text, units_sold bigint, total_revenue numeric(18,2), demand_level text, alert_generated_at timestamp with time zone, created_at timestamp with time zone',
   'window_start, product_id'),
  ('restock_alerts', 'window_start timestamp with time zone, window_end timestamp with time zone, product_id text, country text, units_sold bigint, sales_rate_per_min double precision, urgency text, alert_generated_at timestamp with time zone, created_at timestamp with time zone',
   'window_start, product_id, country'),
  ('inventory_metrics', 'window_start timestamp with time zone, window_end timestamp with time zone, country text, total_units_sold bigint, unique_products_sold bigint, total_revenue numeric(18,2), fast_moving_products bigint, created_at timestamp with time zone',
   'window_start, country'),
  ('revenue_15m', 'window_start timestamp with time zone, window_end timestamp with time zone, transactions bigint, revenue numeric(18,2), avg_order_value numeric(18,2), max_order_value numeric(18,2), unique_customers bigint, created_at timestamp with time zone',
   'window_start'),
  ('payment_mix_15m', 'window_start timestamp with time zone, window_end timestamp with time zone, payment_method text, transactions bigint, revenue numeric(18,2), created_at timestamp with time zone',
   'window_start, payment_method'),
  ('popular_products_15m', 'window_start timestamp with time zone, window_end timestamp with time zone, product_id text, orders bigint, units_sold bigint, total_revenue numeric(18,2), created_at timestamp with time zone',
   'window_start, product_id'),
  ('activity_15m', 'window_start timestamp with time zone, window_end timestamp with time zone, country text, views bigint, searches bigint, filters bigint, compares bigint, unique_users bigint, unique_sessions bigint, created_at timestamp with time zone',
   'window_start, country'),
  ('search_patterns_15m', 'window_start timestamp with time zone, window_end timestamp with time zone, search_query text, searches bigint, unique_searchers bigint, zero_result_searches bigint, created_at timestamp with time zone',
   'window_start, search_query'),
  ('cart_abandonment_15m', 'window_start timestamp with time zone, window_end timestamp with time zone, sessions_with_add bigint, sessions_without_checkout bigint, abandonment_rate_pct double precision, created_at timestamp with time zone',
   'window_start'),
  ('stock_levels_15m', 'window_start timestamp with time zone, window_end timestamp with time zone, product_id text, country text, updates bigint, min_stock_level bigint, last_stock_level bigint, created_at timestamp with time zone',
   'window_start, product_id, country'),
  ('price_changes_15m', 'window_start timestamp with time zone, window_end timestamp with time zone, product_id text, changes bigint, first_old_price numeric(18,2), last_new_price numeric(18,2), created_at timestamp with time zone',
   'window_start, product_id'),
  ('user_sessions', 'window_start timestamp with time zone, window_end timestamp with time zone, user_id text, session_start timestamp with time zone, session_end timestamp with time zone, events bigint, views bigint, searches bigint, unique_products_viewed bigint, session_duration_sec double precision, created_at timestamp with time zone',
   'window_start, user_id');

-- Comments.
SELECT is_empty($$
  SELECT p.oid::regprocedure FROM pg_proc AS p
  WHERE p.pronamespace = 'globalmart'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL
$$, 'every function, procedure and aggregate has a comment');
SELECT is_empty($$
  SELECT c.oid::regclass FROM pg_class AS c
  WHERE c.relnamespace IN ('globalmart'::regnamespace, 'warehouse'::regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm')
    AND obj_description(c.oid, 'pg_class') IS NULL
$$, 'every table and view has a comment');
SELECT is_empty($$
  SELECT c.oid::regclass FROM pg_class AS c
  WHERE c.relnamespace IN ('globalmart'::regnamespace, 'warehouse'::regnamespace) AND c.relkind = 'S' AND obj_description(c.oid, 'pg_class') IS NULL
    AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'i')
$$, 'every sequence that is not a column''s has a comment');
SELECT is_empty($$
  SELECT t.oid::regtype FROM pg_type AS t LEFT JOIN pg_class AS c ON c.oid = t.typrelid
  WHERE t.typnamespace = 'globalmart'::regnamespace AND t.typelem = 0 AND (c.oid IS NULL OR c.relkind = 'c')
    AND obj_description(t.oid, 'pg_type') IS NULL
$$, 'every type has a comment');
SELECT is_empty($$
  SELECT c.oid::regclass || '.' || a.attname FROM pg_class AS c
  JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  WHERE c.relnamespace IN ('globalmart'::regnamespace, 'warehouse'::regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm')
    AND NOT c.relispartition AND col_description(c.oid, a.attnum) IS NULL
$$, 'every column of a table or view has a comment; partitions are as their stream');

-- search_path. Not pinned: C, which names what it calls by itself; SQL that was parsed when it was made and is
-- to be inlined; procedures that commit, which may not have a setting.
SELECT set_eq($$
  SELECT p.oid::regprocedure::text FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
  WHERE p.pronamespace = 'globalmart'::regnamespace AND p.prokind <> 'a' AND l.lanname <> 'c'
    AND NOT coalesce(p.proconfig @> '{"search_path=pg_catalog, pg_temp"}', false)
$$, ARRAY['globalmart.tumble(timestamp with time zone,interval,interval)',
         'globalmart.backfill_rollup(text,interval)', 'globalmart.close_windows()', 'globalmart.compact_partials(bigint)',
         'globalmart.rebuild_rollup(text,timestamp with time zone,timestamp with time zone,text,interval)',
         'globalmart.delete_old_rows()', 'globalmart.drop_old_partitions()', 'globalmart.maintain_partitions()',
         'globalmart.run_etl(date)'],
  'who does not pin search_path is named');
SELECT is_empty($$
  SELECT p.oid::regprocedure FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
  WHERE p.pronamespace = 'globalmart'::regnamespace AND p.prokind = 'f' AND l.lanname <> 'c'
    AND NOT coalesce(p.proconfig @> '{"search_path=pg_catalog, pg_temp"}', false) AND p.prosqlbody IS NULL
$$, 'and of the functions among them all were parsed when they were made');
SELECT is_empty($$
  SELECT p.oid::regprocedure FROM pg_proc AS p
  WHERE p.pronamespace = 'globalmart'::regnamespace AND p.prosecdef
    AND NOT (coalesce(p.proconfig @> '{"search_path=pg_catalog, pg_temp"}', false)
             AND p.proowner = 'globalmart_owner'::regrole
             AND NOT EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a WHERE a.grantee = 0))
$$, 'who runs as the owner pins search_path and is not for PUBLIC');

-- Tables.
SELECT is_empty($$
  SELECT w.name, c.columns AS has, w.columns AS wants FROM pg_temp.specified AS w
  CROSS JOIN LATERAL (
    SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum) AS columns
    FROM pg_attribute AS a WHERE a.attrelid = ('globalmart.' || w.name)::regclass AND a.attnum > 0 AND NOT a.attisdropped) AS c
  WHERE c.columns <> w.columns
$$, 'columns and types of every table, created_at last');
SELECT is_empty($$
  SELECT w.name, k.kind, k.columns AS has, w.key_columns AS wants FROM pg_temp.specified AS w
  LEFT JOIN LATERAL (
    SELECT c.contype AS kind, string_agg(a.attname, ', ' ORDER BY u.number) AS columns
    FROM pg_constraint AS c
    CROSS JOIN LATERAL unnest(c.conkey) WITH ORDINALITY AS u(attnum, number)
    JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = u.attnum
    WHERE c.conrelid = ('globalmart.' || w.name)::regclass AND c.contype IN ('p', 'u')
    GROUP BY c.oid, c.contype) AS k ON true
  WHERE (k.kind, k.columns) IS DISTINCT FROM ('p'::"char", w.key_columns)
$$, 'primary keys: the start of the window, then the keys');
SELECT is_empty($$
  SELECT w.name FROM pg_temp.specified AS w
  JOIN pg_attribute AS a ON a.attrelid = ('globalmart.' || w.name)::regclass
  WHERE a.attname IN ('window_start', 'window_end', 'created_at') AND NOT a.attnotnull
$$, 'windows and created_at are never NULL');
SELECT is_empty($$
  SELECT w.name, c.columns AS has FROM pg_temp.specified AS w
  CROSS JOIN LATERAL (
    SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum) AS columns
    FROM pg_attribute AS a WHERE a.attrelid = to_regclass('globalmart.' || w.name || '_live') AND a.attnum > 0) AS c
  WHERE w.key_columns LIKE 'window_start%' AND c.columns IS DISTINCT FROM w.columns || ', state text'
$$, 'every windowed table has a view _live with the same columns and state');
SELECT set_eq('SELECT name FROM globalmart.rollup_catalog', 'SELECT name FROM pg_temp.specified',
  'there are these rollups and detectors, and no other');
SELECT set_eq('SELECT c.name FROM globalmart.rollup_catalog AS c WHERE c.kind = ''detector''',
  '{high_value_anomalies,high_quantity_anomalies}'::text[], 'of which two see rows at once');
SELECT * FROM finish();
