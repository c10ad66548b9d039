-- docs/sql.md and the catalogue say the same: every function that a role may call is named there, every function
-- that is written with its arguments has these, and every view and table of the surface is named.
SELECT plan(5);
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
    AND EXISTS (SELECT FROM unnest('{globalmart_owner,globalmart_writer,globalmart_reader,globalmart_operator}'::text[]) AS r WHERE has_function_privilege(r, p.oid, 'EXECUTE'))
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
SELECT * FROM finish();
