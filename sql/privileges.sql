-- Who may do what, whole: a change of any right shows here and has to be meant.
CREATE DATABASE regress_globalmart_privileges TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
\c regress_globalmart_privileges
SET client_min_messages = warning;
\pset format unaligned
CREATE EXTENSION globalmart;
SET globalmart.now = '2026-11-24 12:00:00+00';
SELECT globalmart.install_shop();

-- Functions and procedures: whose rights they run with, and who may call them.
SELECT p.oid::regprocedure AS routine,
       CASE WHEN p.prosecdef THEN pg_get_userbyid(p.proowner)::text ELSE 'caller' END AS runs_as,
       array_to_string(ARRAY(
         SELECT substring(r FROM 'globalmart_(.*)') FROM unnest('{globalmart_owner,globalmart_writer,globalmart_reader,globalmart_operator,globalmart_analyst}'::text[]) AS r
         WHERE has_function_privilege(r, p.oid, 'EXECUTE')), ' ') AS callers
FROM pg_proc AS p
WHERE p.pronamespace = 'globalmart'::regnamespace
ORDER BY p.proname, p.oid::regprocedure::text;

-- Tables, views and sequences; partitions have what their stream has.
SELECT c.oid::regclass AS relation, pg_get_userbyid(c.relowner) IN ('globalmart_owner') AS the_owners,
       w.privileges AS writer, r.privileges AS reader, a.privileges AS analyst
FROM pg_class AS c
CROSS JOIN LATERAL (
  SELECT string_agg(p, ' ' ORDER BY p) AS privileges FROM unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS p
  WHERE c.relkind <> 'S' AND has_table_privilege('globalmart_writer', c.oid, p)
     OR c.relkind = 'S' AND p IN ('SELECT', 'UPDATE') AND has_sequence_privilege('globalmart_writer', c.oid, p)) AS w
CROSS JOIN LATERAL (
  SELECT string_agg(p, ' ' ORDER BY p) AS privileges FROM unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS p
  WHERE c.relkind <> 'S' AND has_table_privilege('globalmart_reader', c.oid, p)
     OR c.relkind = 'S' AND p IN ('SELECT', 'UPDATE') AND has_sequence_privilege('globalmart_reader', c.oid, p)) AS r
CROSS JOIN LATERAL (
  SELECT string_agg(p, ' ' ORDER BY p) AS privileges FROM unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS p
  WHERE c.relkind <> 'S' AND has_table_privilege('globalmart_analyst', c.oid, p)
     OR c.relkind = 'S' AND p IN ('SELECT', 'UPDATE') AND has_sequence_privilege('globalmart_analyst', c.oid, p)) AS a
WHERE c.relnamespace IN ('globalmart'::regnamespace, 'warehouse'::regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
  AND c.relname !~ '_(p[0-9]{8}|default)$'
ORDER BY c.relkind IN ('S'), c.relname;

-- What schedulers may do with tables and sequences: nothing.
SELECT c.oid::regclass FROM pg_class AS c
WHERE c.relnamespace IN ('globalmart'::regnamespace, 'warehouse'::regnamespace)
  AND (c.relkind IN ('r', 'p', 'v', 'm') AND has_table_privilege('globalmart_operator', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
       OR c.relkind = 'S' AND has_sequence_privilege('globalmart_operator', c.oid, 'SELECT, USAGE, UPDATE'));

-- Leaves that differ from their stream: none.
SELECT c.oid::regclass
FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid JOIN pg_class AS root ON root.oid = i.inhparent
WHERE c.relowner <> root.relowner OR (SELECT array_agg(a ORDER BY a::text) FROM unnest(c.relacl) AS a) IS DISTINCT FROM (SELECT array_agg(a ORDER BY a::text) FROM unnest(root.relacl) AS a);

-- What PUBLIC may: nothing at all.
SELECT n.nspname, a.privilege_type FROM pg_namespace AS n, aclexplode(n.nspacl) AS a WHERE n.nspname IN ('globalmart', 'warehouse') AND a.grantee = 0;
SELECT c.oid::regclass, a.privilege_type FROM pg_class AS c, aclexplode(c.relacl) AS a
WHERE c.relnamespace IN ('globalmart'::regnamespace, 'warehouse'::regnamespace) AND a.grantee = 0;
SELECT p.oid::regprocedure FROM pg_proc AS p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
WHERE p.pronamespace = 'globalmart'::regnamespace AND a.grantee = 0;

-- Routines that do not pin their search_path and are not in C: what is inlined, and what commits.
SELECT p.oid::regprocedure AS unpinned, CASE p.prokind WHEN 'p' THEN 'commits' ELSE 'inlined' END AS why
FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
WHERE p.pronamespace = 'globalmart'::regnamespace AND l.lanname NOT IN ('c', 'internal')
  AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS s WHERE s = 'search_path=pg_catalog, pg_temp')
ORDER BY 1::text;

-- SECURITY DEFINER without a pinned search_path: none, in C neither.
SELECT p.oid::regprocedure FROM pg_proc AS p
WHERE p.pronamespace = 'globalmart'::regnamespace AND p.prosecdef
  AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS s WHERE s = 'search_path=pg_catalog, pg_temp');

-- Roles: nobody logs in as one, and none is more than it must be.
SELECT rolname, rolsuper, rolcanlogin, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname LIKE 'globalmart\_%' ORDER BY 1;

-- Catalogue tables whose rows pg_dump does not carry: those that the script itself fills.
SELECT c.relname
FROM pg_depend AS d JOIN pg_class AS c ON c.oid = d.objid
WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
  AND d.refobjid = (SELECT e.oid FROM pg_extension AS e WHERE e.extname = 'globalmart')
  AND c.relkind IN ('r', 'S') AND NOT c.oid = ANY ((SELECT e.extconfig FROM pg_extension AS e WHERE e.extname = 'globalmart')::oid[])
ORDER BY 1;

-- The night works where PUBLIC may make no temporary tables: a session of its own, since the first one asks.
SET globalmart.now = '2026-11-24 12:00:00+00';
INSERT INTO globalmart.user_changes (event_time, user_id, deleted, country) VALUES ('2026-11-24 11:00:00+00', 'USER_1', false, 'UK');
REVOKE TEMPORARY ON DATABASE regress_globalmart_privileges FROM PUBLIC;
\c
\pset format unaligned
SET globalmart.now = '2026-11-24 12:00:00+00';
SET ROLE globalmart_operator;
CALL globalmart.run_etl();
RESET ROLE;
SELECT user_id, country FROM warehouse.dim_customers;

\c contrib_regression
DROP DATABASE regress_globalmart_privileges;
