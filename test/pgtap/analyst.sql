-- globalmart_analyst reads what is made of the events, and can do nothing else.
SET globalmart.now = '2026-11-24 12:00:00+00';
SELECT plan(28);

-- What it may read. Named one by one: what is added to the shop has to be meant for it.
CREATE TEMPORARY TABLE readable AS
SELECT c.oid, c.oid::regclass::text AS relation
FROM pg_class AS c
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND has_table_privilege('globalmart_analyst', c.oid, 'SELECT')
  AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) AND c.relpersistence <> 't'
  AND NOT EXISTS (SELECT FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
                  WHERE d.objid = c.oid AND d.deptype = 'e' AND e.extname = 'pgtap');
SELECT set_eq($$SELECT relation FROM pg_temp.readable WHERE relation LIKE 'globalmart.%'$$, $$
  SELECT 'globalmart.' || r.name FROM globalmart.rollup_catalog AS r
  UNION ALL SELECT 'globalmart.' || r.name || '_live' FROM globalmart.rollup_catalog AS r WHERE r.kind <> 'detector'
  UNION ALL SELECT 'globalmart.' || t FROM unnest('{recent_critical_anomalies,payment_mix_15m_share,stock_levels,
    users,products,countries,payment_methods,categories}'::text[]) AS t
$$, 'of globalmart: the tables of rollups and detectors, their views, the catalogue and the lists');
SELECT is((SELECT count(*) FROM globalmart.rollup_catalog), 27::bigint, 'which are the 27');
SELECT set_eq($$SELECT relation FROM pg_temp.readable WHERE relation NOT LIKE 'globalmart.%'$$, $$
  SELECT c.oid::regclass::text FROM pg_class AS c
  WHERE c.relnamespace = 'warehouse'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
$$, 'and the whole warehouse, and no other table');
SELECT is_empty($$
  SELECT c.oid::regclass FROM pg_class AS c
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relnamespace IN ('globalmart'::regnamespace, 'warehouse'::regnamespace)
    AND has_table_privilege('globalmart_analyst', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
$$, 'it can change none');
SELECT is_empty($$
  SELECT c.oid::regclass, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
  WHERE c.relnamespace IN ('globalmart'::regnamespace, 'warehouse'::regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm')
    AND NOT a.attisdropped AND (has_column_privilege('globalmart_analyst', c.oid, a.attnum, 'INSERT, UPDATE')
         OR has_column_privilege('globalmart_analyst', c.oid, a.attnum, 'SELECT') <> has_table_privilege('globalmart_analyst', c.oid, 'SELECT'))
$$, 'nor a column of one');
-- A table of the warehouse has one such column, for information_schema to show its keys; a foreign key of somebody's
-- own needs a unique constraint of just these columns, and none has.
SELECT set_eq($$
  SELECT c.relname, count(a.attnum), bool_or(i.indkey IS NOT NULL) FROM pg_class AS c
  JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisunique AND i.indkey::int2[] = ARRAY[a.attnum]
  WHERE c.relnamespace IN ('globalmart'::regnamespace, 'warehouse'::regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm')
    AND has_column_privilege('globalmart_analyst', c.oid, a.attnum, 'REFERENCES')
  GROUP BY c.oid, c.relname
$$, $$
  SELECT c.relname, 1::bigint, false FROM pg_class AS c
  WHERE c.relnamespace = 'warehouse'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
$$, 'it has REFERENCES where nothing can be done with it');
SELECT is_empty($$
  SELECT c.oid::regclass FROM pg_class AS c
  WHERE c.relnamespace IN ('globalmart'::regnamespace, 'warehouse'::regnamespace) AND CASE c.relkind WHEN 'S' THEN
      has_sequence_privilege('globalmart_analyst', c.oid, 'SELECT, USAGE, UPDATE') END
$$, 'nor touch a sequence');
SELECT is_empty($$
  SELECT p.oid::regprocedure FROM pg_proc AS p
  WHERE p.pronamespace IN ('globalmart'::regnamespace, 'warehouse'::regnamespace) AND has_function_privilege('globalmart_analyst', p.oid, 'EXECUTE')
    AND (p.prosecdef OR p.provolatile <> 'i')
    AND p.oid <> ALL ('{globalmart.read_groups(int\,timestamptz\,timestamptz),globalmart.processing_time()}'::regprocedure[])
$$, 'it calls what sees no table, and what open windows are read by');
SELECT is_empty($$SELECT n.nspname FROM pg_namespace AS n
  WHERE n.nspname IN ('globalmart', 'warehouse') AND has_schema_privilege('globalmart_analyst', n.oid, 'CREATE')$$, 'it makes nothing in the schemas');
SELECT is_empty($$SELECT FROM pg_auth_members AS m WHERE m.member = 'globalmart_analyst'::regrole$$, 'and is a member of no other role');
SELECT is_empty($$SELECT FROM pg_roles AS r WHERE r.rolname = 'globalmart_analyst'
  AND (r.rolcanlogin OR r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls)$$, 'nobody logs in as it');

-- Rows in open and closed windows and in the warehouse, and a rollup and a month that came later.
SELECT globalmart.create_rollup('orders_by_hour', $$
  SELECT window_start, window_end, country, count(*) AS orders, globalmart.approx_count_distinct(user_id) AS customers,
         globalmart.last_by(payment_method, event_time) AS last_payment, globalmart.processing_time() AS seen_at
  FROM globalmart.transactions, globalmart.tumble(event_time, interval '1 hour')
  GROUP BY window_start, window_end, country$$);
INSERT INTO globalmart.transactions (event_time, transaction_id, user_id, total_amount, discount_amount, payment_method, country)
SELECT '2026-11-24 09:00+00'::timestamptz + n * interval '1 minute', ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid,
       'USER_' || n % 7, 100, NULL, 'PayPal', 'UK'
FROM generate_series(1, 170) AS n;
SELECT globalmart.make_fact_partitions('2031-02-01');
SET client_min_messages = warning;
CREATE ROLE tap_dashboard IN ROLE globalmart_analyst;
SELECT ok(has_table_privilege('tap_dashboard', t, 'SELECT'), t || ' came later and is readable')
FROM unnest('{globalmart.orders_by_hour,globalmart.orders_by_hour_live,warehouse.fact_sales_m203102}'::text[]) AS t;
SET ROLE tap_dashboard;
CREATE FUNCTION pg_temp.read_all() RETURNS TABLE (relation text, failed text) LANGUAGE plpgsql AS $$
DECLARE
  relation_oid oid;
BEGIN
  FOR relation_oid IN
    SELECT c.oid FROM pg_class AS c
    WHERE c.relnamespace IN ('globalmart'::regnamespace, 'warehouse'::regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm')
      AND has_table_privilege(c.oid, 'SELECT')
  LOOP
    BEGIN
      EXECUTE format('SELECT count(t::text) FROM %s AS t', relation_oid::regclass);
    EXCEPTION WHEN insufficient_privilege THEN
      relation := relation_oid::regclass;
      failed := SQLERRM;
      RETURN NEXT;
    END;
  END LOOP;
END
$$;
SELECT is_empty('SELECT * FROM pg_temp.read_all()', 'a member reads all of it, views with their functions');
SELECT isnt_empty($$SELECT FROM globalmart.orders_by_hour_live WHERE state = 'open' AND customers = 7 AND last_payment = 'PayPal'$$,
  'open windows, too');
SELECT throws_ok(sql, '42501', NULL, sql || ' is not for it')
FROM unnest(ARRAY['SELECT FROM globalmart.transactions', 'SELECT FROM globalmart.dead_letters', 'SELECT FROM globalmart.kafka_offsets',
  'SELECT globalmart.restated(NULL::globalmart.sales_per_minute)', 'INSERT INTO warehouse.holidays VALUES (''UK'', 20261225, ''x'')',
  'SELECT globalmart.set_region(''UK'', ''x'', NULL)', 'CREATE TABLE warehouse.mine ()', 'CALL globalmart.run_etl()']) AS sql;

-- How Power BI and others find keys.
SELECT set_eq($$
  SELECT f.table_name::text AS relation, f.column_name::text AS key, p.table_name::text AS points_at, p.column_name::text AS its_key
  FROM information_schema.referential_constraints AS r
  JOIN information_schema.key_column_usage AS f USING (constraint_schema, constraint_name)
  JOIN information_schema.key_column_usage AS p
    ON p.constraint_schema = r.unique_constraint_schema AND p.constraint_name = r.unique_constraint_name AND p.ordinal_position = f.ordinal_position
  WHERE f.table_name !~ '_m[0-9]{6}$'
$$, $$
  SELECT f.relname AS relation, a.attname AS key, p.relname AS points_at, b.attname AS its_key
  FROM pg_constraint AS c JOIN pg_class AS f ON f.oid = c.conrelid JOIN pg_class AS p ON p.oid = c.confrelid
  JOIN pg_attribute AS a ON a.attrelid = f.oid AND a.attnum = c.conkey[1] JOIN pg_attribute AS b ON b.attrelid = p.oid AND b.attnum = c.confkey[1]
  WHERE c.contype = 'f' AND c.connamespace = 'warehouse'::regnamespace AND NOT f.relispartition
$$, 'information_schema shows all relations to a member');
SELECT set_eq($$SELECT 'warehouse.' || t.table_name FROM information_schema.table_constraints AS t WHERE t.constraint_type = 'PRIMARY KEY' AND t.table_schema = 'warehouse'$$,
  $$SELECT c.conrelid::regclass::text FROM pg_constraint AS c WHERE c.contype = 'p' AND c.connamespace = 'warehouse'::regnamespace$$,
  'and all primary keys');
RESET ROLE;
CREATE SCHEMA AUTHORIZATION tap_dashboard;
SET ROLE tap_dashboard;
SELECT throws_ok(sql, NULL, NULL, sql || ' fails')
FROM unnest(ARRAY['CREATE TABLE tap_dashboard.t (k int REFERENCES warehouse.dim_date (year))',
                  'CREATE TABLE tap_dashboard.t (k bigint REFERENCES warehouse.dim_customers)']) AS sql;
RESET ROLE;
SELECT * FROM finish();
