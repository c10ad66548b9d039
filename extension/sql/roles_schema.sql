-- The schemas and the five roles. Roles belong to the whole cluster, so they may be there already
-- and DROP EXTENSION leaves them.
CREATE SCHEMA globalmart;
CREATE SCHEMA warehouse;
COMMENT ON SCHEMA warehouse IS 'GlobalMart: the star schema that the night fills';
COMMENT ON SCHEMA globalmart IS 'GlobalMart: streams, rollups and the engine that keeps them';

DO $$
DECLARE
  role_name text;
BEGIN
  FOREACH role_name IN ARRAY ARRAY['globalmart_owner', 'globalmart_writer', 'globalmart_reader', 'globalmart_operator',
                                  'globalmart_analyst'] LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
      EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', role_name);
    END IF;
  END LOOP;
END
$$;
REVOKE ALL ON SCHEMA globalmart FROM PUBLIC;
GRANT USAGE ON SCHEMA globalmart TO globalmart_writer, globalmart_reader, globalmart_operator, globalmart_analyst;
GRANT USAGE ON SCHEMA warehouse TO globalmart_reader, globalmart_analyst;
GRANT USAGE, CREATE ON SCHEMA globalmart, warehouse TO globalmart_owner;

-- What the owner makes later.
ALTER DEFAULT PRIVILEGES FOR ROLE globalmart_owner REVOKE ALL ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE globalmart_owner REVOKE ALL ON TYPES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE globalmart_owner IN SCHEMA globalmart GRANT SELECT ON TABLES TO globalmart_reader;

-- The night and rebuild_rollup() put rows into temporary tables, also where PUBLIC may make none.
DO $$
BEGIN
  EXECUTE pg_catalog.format('GRANT TEMPORARY ON DATABASE %I TO globalmart_owner', pg_catalog.current_database());
END
$$;
