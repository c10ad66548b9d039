-- docs/sql.md and the catalogue say the same: every function that a role may call is named there, every function
-- that is written with its arguments has these, and every view and table of the surface is named.
SELECT plan(8);
\set sql_md `cat docs/sql.md`
\set tables_md `cat docs/tables.md`
CREATE TEMPORARY TABLE document AS SELECT :'sql_md' AS sql_md, :'tables_md' AS tables_md;
SELECT cmp_ok(length(sql_md), '>', 10000, 'docs/sql.md was read') FROM document;

-- `name(arguments)` in backticks, on one line; arguments as words: their names come first. An optional end stands
-- in brackets.
CREATE TEMPORARY TABLE written AS
SELECT m[1] AS name,
       ARRAY(SELECT (regexp_match(a, '^ *"?([a-z_0-9]+)'))[1]
             FROM regexp_split_to_table(translate(regexp_replace(m[2], '\(\d+,? ?\d*\)|''[^'']*''', '', 'g'), '[]', ''), ',') WITH ORDINALITY AS s(a, n)
             WHERE a !~ '^ *$' ORDER BY n) AS arguments,
       m[2] AS as_written
FROM document, regexp_matches(replace(sql_md, E'\n', ' '), '`(?:CALL |SELECT )?(?:globalmart\.)?([a-z_0-9]+)\(([^`]*)\)`', 'g') AS m;

CREATE TEMPORARY TABLE existing AS
SELECT p.proname::text AS name,
       coalesce((SELECT array_agg(p.proargnames[i] ORDER BY i) FROM generate_series(1, p.pronargs) AS i), '{}') AS arguments,
       p.pronargs - p.pronargdefaults AS required
FROM pg_proc AS p WHERE p.pronamespace = 'globalmart'::regnamespace;

SELECT is_empty($$
  SELECT DISTINCT p.oid::regprocedure FROM pg_proc AS p, document
  WHERE p.pronamespace = 'globalmart'::regnamespace
    AND EXISTS (SELECT FROM unnest('{globalmart_owner,globalmart_writer,globalmart_reader,globalmart_operator,globalmart_analyst}'::text[]) AS r WHERE has_function_privilege(r, p.oid, 'EXECUTE'))
    AND sql_md !~ ('`(CALL )?' || p.proname || '[(`]')
$$, 'every function that somebody may call is named');
SELECT is_empty($$
  SELECT w.name, w.as_written FROM written AS w
  WHERE NOT EXISTS (SELECT FROM existing AS e WHERE e.name = w.name)
    AND NOT EXISTS (SELECT FROM pg_proc AS p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname = w.name)
$$, 'no function is invented');
-- A call with values is no list of arguments.
SELECT is_empty($$
  SELECT w.name, w.as_written FROM written AS w
  WHERE EXISTS (SELECT FROM existing AS e WHERE e.name = w.name) AND w.as_written !~ '^'''
    AND NOT EXISTS (SELECT FROM existing AS e
                    WHERE e.name = w.name AND w.arguments = e.arguments[:cardinality(w.arguments)] AND cardinality(w.arguments) >= e.required)
$$, 'functions are written with the arguments that they have');
SELECT is_empty($$
  SELECT c.relname FROM pg_class AS c, document
  WHERE c.relnamespace = 'globalmart'::regnamespace AND c.relkind = 'v'
    AND c.relname !~ '_live$' AND sql_md !~ ('`' || c.relname || '`') AND tables_md !~ ('`' || c.relname || '`')
$$, 'every view is named');

-- docs/tables.md says of each column what its COMMENT says. window_start, window_end and created_at stand there
-- only where there is more to say than of all tables.
CREATE TEMPORARY TABLE described AS
WITH lines AS (
  SELECT n, line, count(*) FILTER (WHERE line ~ '^##') OVER (ORDER BY n) AS section
  FROM document, regexp_split_to_table(tables_md, E'\n') WITH ORDINALITY AS l(line, n)
)
SELECT h.name, m[1] AS column_name, m[2] AS type, m[3] AS meaning
FROM lines CROSS JOIN LATERAL regexp_match(line, '^\| `([a-z_0-9]+)` \| `([^`]*)` \| (.*) \|$') AS m
JOIN (SELECT section, substr(line, 5) AS name FROM lines WHERE line ~ '^### ') AS h USING (section)
WHERE m IS NOT NULL;
CREATE TEMPORARY TABLE told AS
SELECT c.relname::text AS name, a.attname::text AS column_name,
       replace(format_type(a.atttypid, a.atttypmod), 'timestamp with time zone', 'timestamptz') AS type,
       col_description(c.oid, a.attnum) AS meaning
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'globalmart'::regnamespace
  AND (c.relname IN (SELECT r.name FROM globalmart.rollup_catalog AS r)
       OR c.relname IN ('recent_critical_anomalies', 'payment_mix_15m_share', 'stock_levels'));
SELECT is_empty($$
  SELECT d.name, d.column_name, d.type, d.meaning, t.type, t.meaning FROM described AS d
  LEFT JOIN told AS t USING (name, column_name)
  WHERE d.name <> 'price_change_impact' AND (d.type, d.meaning) IS DISTINCT FROM (t.type, t.meaning)
$$, 'docs/tables.md says of a column what its comment says');
SELECT is_empty($$
  SELECT t.name, t.column_name FROM told AS t
  WHERE t.column_name NOT IN ('window_start', 'window_end', 'created_at')
    AND NOT EXISTS (SELECT FROM described AS d WHERE (d.name, d.column_name) = (t.name, t.column_name))
$$, 'and leaves none out');
SELECT set_eq($$SELECT d.column_name, replace(d.type, 'timestamptz', 'timestamp with time zone') FROM described AS d WHERE d.name = 'price_change_impact'$$,
  $$SELECT a.name, format_type(a.type, NULL) FROM pg_proc AS p
    CROSS JOIN LATERAL unnest(p.proargnames, p.proallargtypes, p.proargmodes) WITH ORDINALITY AS a(name, type, mode, n)
    WHERE p.oid = 'globalmart.price_change_impact(interval)'::regprocedure AND a.mode = 't'$$,
  'nor of what price_change_impact() gives');
SELECT * FROM finish();
