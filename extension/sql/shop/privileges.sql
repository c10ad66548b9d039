-- The shop belongs to globalmart_owner, whoever installed it; readers may read it, analysts the warehouse.
DO $privileges$
DECLARE
  made record;
BEGIN
  FOR made IN
    SELECT c.oid::regclass AS name, c.relkind, c.relnamespace = 'warehouse'::regnamespace AS in_warehouse
    FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace IN ('globalmart'::regnamespace, 'warehouse'::regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm')
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
                      WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
      AND (c.relowner <> 'globalmart_owner'::regrole
           OR NOT has_table_privilege('globalmart_reader', c.oid, 'SELECT'))
      AND pg_has_role(current_user, c.relowner, 'USAGE')
  LOOP
    EXECUTE format('ALTER TABLE %s OWNER TO globalmart_owner', made.name);
    EXECUTE format('GRANT SELECT ON %s TO globalmart_reader', made.name);
    -- What is new, and not what was taken from analysts since: personal data, for example.
    IF made.in_warehouse THEN
      EXECUTE format('GRANT SELECT ON %s TO globalmart_analyst', made.name);
    END IF;
  END LOOP;
  FOR made IN
    SELECT p.oid::regprocedure AS name, p.provolatile <> 'v' AND NOT p.prosecdef AS harmless,
           p.provolatile = 'i' AND NOT p.prosecdef AS sees_no_table,
           p.prosecdef AND p.prokind = 'f' AS pinned
    FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace = 'globalmart'::regnamespace
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
                      WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
      AND pg_has_role(current_user, p.proowner, 'USAGE')
  LOOP
    EXECUTE format('ALTER ROUTINE %s OWNER TO globalmart_owner', made.name);
    EXECUTE format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', made.name);
    -- A day is one of UTC, and a time written as text is read as it was written, whatever the caller's session has set.
    IF made.pinned THEN
      EXECUTE format('ALTER FUNCTION %s SET timezone = ''UTC''', made.name);
      EXECUTE format('ALTER FUNCTION %s SET datestyle = ''ISO, YMD''', made.name);
      EXECUTE format('ALTER FUNCTION %s SET intervalstyle = ''postgres''', made.name);
      -- The night's queries are many and each is run once: compiling them took as long as running them.
      EXECUTE format('ALTER FUNCTION %s SET jit = off', made.name);
    END IF;
    IF made.harmless THEN
      EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO globalmart_reader', made.name);
    END IF;
    IF made.sees_no_table THEN
      EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO globalmart_analyst', made.name);
    END IF;
  END LOOP;
END
$privileges$;
-- run_etl() commits, so it runs with the caller's rights, and a scheduler needs what it is made of.
GRANT EXECUTE ON PROCEDURE globalmart.run_etl(date) TO globalmart_operator;
GRANT EXECUTE ON FUNCTION globalmart.begin_run(date), globalmart.begin_step(bigint), globalmart.do_step(bigint, int),
  globalmart.fail_step(bigint, int, text) TO globalmart_operator;

-- information_schema, where Power BI and others look for keys, shows the constraints of a table only to who has some
-- right to it beyond SELECT. REFERENCES on a column that is not unique by itself is one that nothing can be done with.
GRANT REFERENCES (year) ON warehouse.dim_date TO globalmart_analyst;
GRANT REFERENCES (durable_key) ON warehouse.dim_geography, warehouse.dim_customers, warehouse.dim_products TO globalmart_analyst;
GRANT REFERENCES (date_key) ON warehouse.fact_sales, warehouse.fact_cart_events, warehouse.fact_product_views,
  warehouse.daily_category_sales, warehouse.holidays TO globalmart_analyst;
GRANT REFERENCES (customer_key) ON warehouse.rfm_analysis TO globalmart_analyst;
GRANT REFERENCES (product_key) ON warehouse.product_performance, warehouse.demand_forecast TO globalmart_analyst;
