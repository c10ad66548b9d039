-- Who may do what. The last part: it looks at everything that the others made.
--
-- globalmart_owner   changes definitions and settings, runs upkeep; owns every SECURITY DEFINER function, so
--                    that none of them runs with a superuser's rights
-- globalmart_writer  inserts into streams and dead letters, and calls the functions named below
-- globalmart_reader  reads everything, and calls what changes nothing
-- globalmart_operator  makes the regular calls of upkeep, and nothing else: for schedulers
-- globalmart_analyst  reads what is made of the events, the warehouse and the tables of rollups, and not the
--                     events: for tools that list all that they may read, and whose users are many

REVOKE ALL ON SCHEMA globalmart FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA globalmart FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA globalmart FROM PUBLIC;
REVOKE ALL ON ALL ROUTINES IN SCHEMA globalmart FROM PUBLIC;

GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA globalmart TO globalmart_owner;
-- What install_shop() runs is run by whoever calls it, a superuser perhaps: not for a member to change.
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON globalmart.shop_scripts, globalmart.setting_definitions FROM globalmart_owner;
GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA globalmart TO globalmart_owner;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA globalmart TO globalmart_owner;

-- What the database runs on behalf of others, it runs as the owner.
DO $definers$
DECLARE
  definer regprocedure;
BEGIN
  -- Readers and the bridge ask for these without seeing what they are made of.
  ALTER FUNCTION globalmart.watermark(text) SECURITY DEFINER;
  ALTER FUNCTION globalmart.closed_until(text) SECURITY DEFINER;
  -- read_groups asks for the caller's right itself and reads as its owner.
  ALTER FUNCTION globalmart.read_groups(int, timestamptz, timestamptz) OWNER TO globalmart_owner;
  FOR definer IN
    SELECT p.oid FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace = 'globalmart'::regnamespace AND p.prosecdef
  LOOP
    EXECUTE format('ALTER FUNCTION %s OWNER TO globalmart_owner', definer);
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', definer);
  END LOOP;

  -- What a definition means must not hang on the settings of the session that closes a window.
  FOR definer IN
    SELECT p.oid FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace = 'globalmart'::regnamespace
      AND p.proname IN ('fold_rows', 'merge_version', 'verify', 'backfill_step', 'describe_rollup', 'describe_detector',
                        'restated', 'late_sessions_query', 'take_late_sessions', 'replace_windows', 'rebuild_step', 'compare_batch_stream')
  LOOP
    EXECUTE format('ALTER FUNCTION %s SET timezone = ''UTC''', definer);
    EXECUTE format('ALTER FUNCTION %s SET datestyle = ''ISO, YMD''', definer);
    EXECUTE format('ALTER FUNCTION %s SET intervalstyle = ''postgres''', definer);
    EXECUTE format('ALTER FUNCTION %s SET extra_float_digits = 1', definer);
  END LOOP;
END
$definers$;

-- The bridge, and clients that only insert.
GRANT INSERT ON globalmart.dead_letters TO globalmart_writer;
GRANT USAGE ON SEQUENCE globalmart.sql_row_offset TO globalmart_writer;
GRANT EXECUTE ON FUNCTION
  globalmart.clock(),
  globalmart.claim_partitions(text, int[], text),
  globalmart.advance_offsets(text, int[], bigint[], bigint[], bigint[], timestamptz[], timestamptz[], bigint[], boolean[], bigint[], bigint[], bigint[]),
  globalmart.report_partitions(text, int[], bigint[], boolean[], boolean),
  globalmart.make_partition(text, date),
  globalmart.stream_leaves(text),
  globalmart.recent_ids(text, int[], timestamptz),
  globalmart.dedup_horizon(),
  globalmart.watermark(text),
  globalmart.list_values(text),
  globalmart.publish_windows(boolean),
  globalmart.wait_for_folds(text),
  globalmart.merge_windows(bigint),
  globalmart.switch_logs(bigint),
  globalmart.drain_logs(),
  globalmart.truncate_logs(),
  globalmart.take_alerts(int),
  globalmart.mark_alerts_sent(uuid[]),
  globalmart.take_redrives(text, int[], bigint[], int),
  globalmart.is_stored(text, uuid, timestamptz),
  globalmart.finish_redrives(bigint[], text[], text[], text[], timestamptz[])
TO globalmart_writer;
GRANT EXECUTE ON PROCEDURE globalmart.close_windows(), globalmart.compact_partials(bigint) TO globalmart_writer;

-- Schedulers. The procedures commit, so they run with the caller's rights, and he needs what they are made of.
GRANT EXECUTE ON FUNCTION
  globalmart.publish_windows(boolean),
  globalmart.wait_for_folds(text),
  globalmart.merge_windows(bigint),
  globalmart.switch_logs(bigint),
  globalmart.drain_logs(),
  globalmart.truncate_logs(),
  globalmart.days_to_make(),
  globalmart.make_partition(text, date),
  globalmart.leaves_past_retention(),
  globalmart.drop_old_leaf(text, date),
  globalmart.partitioned_streams(),
  globalmart.delete_old_default_rows(text, int),
  globalmart.delete_old_records(int),
  globalmart.rollup_names(),
  globalmart.delete_old_rollup_rows(text, int)
TO globalmart_operator;
GRANT EXECUTE ON PROCEDURE
  globalmart.close_windows(),
  globalmart.compact_partials(bigint),
  globalmart.maintain_partitions(),
  globalmart.drop_old_partitions(),
  globalmart.delete_old_rows()
TO globalmart_operator;

-- Readers.
GRANT SELECT ON ALL TABLES IN SCHEMA globalmart TO globalmart_reader;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA globalmart TO globalmart_reader;
GRANT EXECUTE ON FUNCTION globalmart.clock() TO globalmart_reader;
DO $readers$
DECLARE
  harmless regprocedure;
BEGIN
  FOR harmless IN
    SELECT p.oid FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace = 'globalmart'::regnamespace
      AND (p.prokind = 'a' OR (p.prokind = 'f' AND p.provolatile IN ('i', 's')))
      AND p.oid <> 'globalmart.recent_ids(text, int[], timestamptz)'::regprocedure
  LOOP
    EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO globalmart_reader', harmless);
  END LOOP;
END
$readers$;

-- Analysts. Tables and views are granted where they are made. A view calls functions with the rights of who reads
-- it: immutable ones see no table, read_groups asks for the right to read the rollup.
DO $analysts$
DECLARE
  harmless regprocedure;
BEGIN
  FOR harmless IN
    SELECT p.oid FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace = 'globalmart'::regnamespace AND (p.prokind = 'a' OR (p.prokind = 'f' AND p.provolatile = 'i'))
  LOOP
    EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO globalmart_analyst', harmless);
  END LOOP;
END
$analysts$;
GRANT EXECUTE ON FUNCTION globalmart.read_groups(int, timestamptz, timestamptz), globalmart.processing_time() TO globalmart_analyst;

-- What the owner makes later.
ALTER DEFAULT PRIVILEGES FOR ROLE globalmart_owner REVOKE ALL ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE globalmart_owner REVOKE ALL ON TYPES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE globalmart_owner IN SCHEMA globalmart GRANT SELECT ON TABLES TO globalmart_reader;

-- The catalogue's rows are configuration: pg_dump carries them. Not those that the script itself brings.
DO $configuration$
DECLARE
  member record;
BEGIN
  FOR member IN
    SELECT c.oid, c.relkind, c.relname
    FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_class AS c ON c.oid = d.objid
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'e'
      AND d.refclassid = 'pg_catalog.pg_extension'::regclass
      AND d.refobjid = (SELECT e.oid FROM pg_catalog.pg_extension AS e WHERE e.extname = 'globalmart')
      AND c.relkind IN ('r', 'S') AND c.relname NOT IN ('shop_scripts', 'setting_definitions')
    ORDER BY c.oid
  LOOP
    PERFORM pg_catalog.pg_extension_config_dump(member.oid, '');
  END LOOP;
END
$configuration$;
