-- What tools go by that find relations themselves: a key column of the warehouse is a declared foreign key, called
-- as what it points at and of its type, and tables and columns say what they are.
SELECT plan(10);

CREATE TEMPORARY TABLE key_columns AS
SELECT c.oid AS relation, c.relname, a.attnum, a.attname, a.atttypid
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'warehouse'::regnamespace AND c.relkind IN ('r', 'p') AND a.attname ~ '_key$' AND a.attname <> 'durable_key';
CREATE TEMPORARY TABLE dimension_keys AS
SELECT k.* FROM pg_temp.key_columns AS k
JOIN pg_constraint AS p ON p.conrelid = k.relation AND p.contype = 'p' AND p.conkey = ARRAY[k.attnum];
CREATE TEMPORARY TABLE declared AS
SELECT c.conrelid AS relation, c.conkey[1] AS attnum, c.confrelid AS points_at, c.confkey[1] AS points_at_attnum, c.convalidated
FROM pg_constraint AS c WHERE c.contype = 'f' AND c.connamespace = 'warehouse'::regnamespace AND cardinality(c.conkey) = 1;

-- A partition, too: a tool may be shown one, and a load checks there.
SELECT globalmart.make_fact_partitions('2026-11-24');
INSERT INTO pg_temp.key_columns
SELECT c.oid, c.relname, a.attnum, a.attname, a.atttypid
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname ~ '_key$'
WHERE c.oid = 'warehouse.fact_sales_m202611'::regclass;
INSERT INTO pg_temp.declared
SELECT c.conrelid, c.conkey[1], c.confrelid, c.confkey[1], c.convalidated
FROM pg_constraint AS c WHERE c.contype = 'f' AND c.conrelid = 'warehouse.fact_sales_m202611'::regclass;

SELECT set_eq('SELECT relname, attname FROM pg_temp.dimension_keys',
  $$VALUES ('dim_date', 'date_key'), ('dim_geography', 'geography_key'), ('dim_customers', 'customer_key'), ('dim_products', 'product_key')$$,
  'every dimension has a key of its own');
SELECT is((SELECT count(*) FROM pg_temp.key_columns), 25::bigint, 'key columns: 4 of dimensions, 12 of facts, 5 of analyses and holidays, 4 of a partition');
SELECT is_empty($$
  SELECT k.relname, k.attname FROM pg_temp.key_columns AS k
  WHERE NOT EXISTS (SELECT FROM pg_temp.dimension_keys AS d WHERE (d.relation, d.attnum) = (k.relation, k.attnum))
    AND NOT EXISTS (SELECT FROM pg_temp.declared AS f WHERE (f.relation, f.attnum) = (k.relation, k.attnum) AND f.convalidated)
$$, 'every other one is a declared foreign key');
SELECT is_empty($$
  SELECT k.relname, k.attname, f.points_at::regclass, d.attname, format_type(k.atttypid, NULL), format_type(d.atttypid, NULL)
  FROM pg_temp.declared AS f
  JOIN pg_temp.key_columns AS k ON (k.relation, k.attnum) = (f.relation, f.attnum)
  LEFT JOIN pg_temp.dimension_keys AS d ON (d.relation, d.attnum) = (f.points_at, f.points_at_attnum)
  WHERE (d.attname, d.atttypid) IS DISTINCT FROM (k.attname, k.atttypid)
$$, 'of the name and type of the dimension''s key');
SELECT set_eq($$
  SELECT f.relation::regclass::text, a.attname FROM pg_temp.declared AS f
  JOIN pg_attribute AS a ON (a.attrelid, a.attnum) = (f.relation, f.attnum)
  WHERE f.points_at = 'warehouse.dim_date'::regclass
    AND f.points_at_attnum = (SELECT d.attnum FROM pg_attribute AS d WHERE d.attrelid = f.points_at AND d.attname = 'full_date')
$$, $$VALUES ('warehouse.rfm_analysis', 'analysis_date'), ('warehouse.product_performance', 'analysis_date'), ('warehouse.demand_forecast', 'forecast_date')$$,
  'days of analyses are days of the calendar');
SELECT is_empty($$
  SELECT a.attrelid::regclass, a.attname FROM pg_temp.declared AS f
  JOIN pg_attribute AS a ON (a.attrelid, a.attnum) = (f.relation, f.attnum) WHERE NOT a.attnotnull
$$, 'a foreign key is never NULL: no row is lost by an inner join');
SELECT is_empty($$
  SELECT c.oid::regclass, a.attname FROM pg_class AS c
  LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND NOT c.relispartition
  WHERE c.relnamespace = 'warehouse'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
    AND (obj_description(c.oid, 'pg_class') IS NULL OR (a.attnum IS NOT NULL AND col_description(c.oid, a.attnum) IS NULL))
$$, 'every table, view and column of the warehouse has a comment');

-- A view cannot declare a key: there the name has to do.
SELECT is_empty($$
  SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname ~ '_key$'
  WHERE c.relnamespace = 'warehouse'::regnamespace AND c.relkind = 'v'
    AND NOT EXISTS (SELECT FROM pg_temp.dimension_keys AS d WHERE (d.attname, d.atttypid) = (a.attname, a.atttypid))
$$, 'a key column of a view has the name and type of a dimension''s key');

-- An analysis of a day that the calendar has not yet brings the day along.
SELECT globalmart.mark_for_analysis('{2050-03-01}');
SELECT lives_ok($$SELECT globalmart.analyse_rfm('2050-03-01'), globalmart.analyse_products('2050-03-02'), globalmart.analyse_forecast('2050-03-03')$$,
  'days far ahead can be analysed');
SELECT is((SELECT count(*) FROM warehouse.dim_date WHERE year = 2050), 365::bigint, 'and are in the calendar then, with their year');
SELECT * FROM finish();
