-- Who may do what, and whose rights it runs with, for all that the other parts made. CREATE EXTENSION runs this part,
-- and every update again (tools/join-sql). Rights are given to new members alone, those that have no initial
-- privileges yet: what an administrator gave or took of older ones stays, and stays in pg_dump.
--
-- globalmart_owner   changes definitions and settings, runs upkeep; owns every SECURITY DEFINER function, so
--                    that none of them runs with a superuser's rights
-- globalmart_writer  inserts into streams and dead letters, and calls the functions named below
-- globalmart_reader  reads everything, and calls what changes nothing
-- globalmart_operator  makes the regular calls of upkeep, and nothing else: for schedulers
-- globalmart_analyst  reads what is made of the events, the warehouse and the tables of rollups, and not the
--                     events: for tools that list all that they may read, and whose users are many

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
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    JOIN pg_catalog.pg_extension AS e
      ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'globalmart'
    WHERE p.prosecdef AND p.proowner <> 'globalmart_owner'::regrole
  LOOP
    EXECUTE pg_catalog.format('ALTER FUNCTION %s OWNER TO globalmart_owner', definer);
  END LOOP;

  -- What a definition means must not hang on the settings of the session that makes it, inserts or closes a window.
  FOR definer IN
    SELECT p.oid FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace = 'globalmart'::regnamespace
      AND p.proname IN ('fold_rows', 'merge_version', 'verify', 'backfill_step', 'describe_rollup', 'describe_detector',
                        'restated', 'late_sessions_query', 'take_late_sessions', 'replace_windows', 'rebuild_step', 'compare_batch_stream', 'record_definition', 'create_live_view')
  LOOP
    EXECUTE pg_catalog.format('ALTER FUNCTION %s SET timezone = ''UTC''', definer);
    EXECUTE pg_catalog.format('ALTER FUNCTION %s SET datestyle = ''ISO, YMD''', definer);
    EXECUTE pg_catalog.format('ALTER FUNCTION %s SET intervalstyle = ''postgres''', definer);
    EXECUTE pg_catalog.format('ALTER FUNCTION %s SET extra_float_digits = 1', definer);
    EXECUTE pg_catalog.format('ALTER FUNCTION %s SET standard_conforming_strings = on', definer);
    EXECUTE pg_catalog.format('ALTER FUNCTION %s SET transform_null_equals = off', definer);
  END LOOP;
END
$definers$;

DO $members$
DECLARE
  member record;
  -- The bridge, and clients that only insert.
  of_writers regprocedure[] := ARRAY[
    'globalmart.clock()',
    'globalmart.claim_partitions(text, int[], text)',
    'globalmart.advance_offsets(text, int[], bigint[], bigint[], bigint[], timestamptz[], timestamptz[], bigint[], boolean[], bigint[], bigint[], bigint[])',
    'globalmart.report_partitions(text, int[], bigint[], boolean[], boolean)',
    'globalmart.make_partition(text, date)',
    'globalmart.stream_leaves(text)',
    'globalmart.recent_ids(text, int[], timestamptz)',
    'globalmart.dedup_horizon()',
    'globalmart.watermark(text)',
    'globalmart.list_values(text)',
    'globalmart.publish_windows(boolean)',
    'globalmart.wait_for_folds(text)',
    'globalmart.merge_windows(bigint)',
    'globalmart.switch_logs(bigint)',
    'globalmart.drain_logs()',
    'globalmart.truncate_logs()',
    'globalmart.take_alerts(int)',
    'globalmart.mark_alerts_sent(uuid[])',
    'globalmart.take_redrives(text, int[], bigint[], int)',
    'globalmart.is_stored(text, uuid, timestamptz)',
    'globalmart.finish_redrives(bigint[], text[], text[], text[], timestamptz[])',
    'globalmart.close_windows()',
    'globalmart.compact_partials(bigint)']::regprocedure[];
  -- Schedulers. The procedures commit, so they run with the caller's rights, and he needs what they are made of.
  of_operators regprocedure[] := ARRAY[
    'globalmart.publish_windows(boolean)',
    'globalmart.wait_for_folds(text)',
    'globalmart.merge_windows(bigint)',
    'globalmart.switch_logs(bigint)',
    'globalmart.drain_logs()',
    'globalmart.truncate_logs()',
    'globalmart.days_to_make()',
    'globalmart.make_partition(text, date)',
    'globalmart.leaves_past_retention()',
    'globalmart.drop_old_leaf(text, date)',
    'globalmart.partitioned_streams()',
    'globalmart.delete_old_default_rows(text, int)',
    'globalmart.delete_old_records(int)',
    'globalmart.rollup_names()',
    'globalmart.delete_old_rollup_rows(text, int)',
    'globalmart.try_run_lock()',
    'globalmart.release_run_lock()',
    'globalmart.close_windows()',
    'globalmart.compact_partials(bigint)',
    'globalmart.maintain_partitions()',
    'globalmart.drop_old_partitions()',
    'globalmart.delete_old_rows()']::regprocedure[];
BEGIN
  FOR member IN
    SELECT c.oid::regclass AS name, c.relkind = 'S' AS is_sequence,
           -- What install_shop() runs is run by whoever calls it, a superuser perhaps: not for a member to change.
           c.relname IN ('shop_scripts', 'setting_definitions') AS is_shipped
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    JOIN pg_catalog.pg_extension AS e
      ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'globalmart'
    WHERE c.relkind IN ('r', 'v', 'S')
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_init_privs AS i WHERE i.classoid = d.classid AND i.objoid = c.oid)
  LOOP
    IF member.is_sequence THEN
      EXECUTE pg_catalog.format('REVOKE ALL ON SEQUENCE %s FROM PUBLIC', member.name);
      EXECUTE pg_catalog.format('GRANT USAGE, SELECT, UPDATE ON SEQUENCE %s TO globalmart_owner', member.name);
      EXECUTE pg_catalog.format('GRANT SELECT ON SEQUENCE %s TO globalmart_reader', member.name);
      IF member.name = 'globalmart.sql_row_offset'::regclass THEN
        GRANT USAGE ON SEQUENCE globalmart.sql_row_offset TO globalmart_writer;
      END IF;
    ELSE
      EXECUTE pg_catalog.format('REVOKE ALL ON %s FROM PUBLIC', member.name);
      EXECUTE pg_catalog.format('GRANT SELECT ON %s TO globalmart_owner, globalmart_reader', member.name);
      IF NOT member.is_shipped THEN
        EXECUTE pg_catalog.format('GRANT INSERT, UPDATE, DELETE, TRUNCATE ON %s TO globalmart_owner', member.name);
      END IF;
      IF member.name = 'globalmart.dead_letters'::regclass THEN
        GRANT INSERT ON globalmart.dead_letters TO globalmart_writer;
      END IF;
    END IF;
  END LOOP;

  FOR member IN
    SELECT p.oid::regprocedure AS name,
           CASE p.oid
             WHEN 'globalmart.clock()'::regprocedure THEN true
             WHEN 'globalmart.recent_ids(text, int[], timestamptz)'::regprocedure THEN false
             ELSE p.prokind = 'a' OR (p.prokind = 'f' AND p.provolatile IN ('i', 's'))
           END AS is_harmless,
           -- Views call functions with the rights of who reads them: immutable ones see no table, read_groups asks for the
           -- right to read the rollup. Tables and views are granted to analysts where they are made.
           CASE p.oid
             WHEN 'globalmart.read_groups(int, timestamptz, timestamptz)'::regprocedure THEN true
             WHEN 'globalmart.processing_time()'::regprocedure THEN true
             ELSE p.prokind = 'a' OR (p.prokind = 'f' AND p.provolatile = 'i')
           END AS sees_no_table
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    JOIN pg_catalog.pg_extension AS e
      ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'globalmart'
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_init_privs AS i WHERE i.classoid = d.classid AND i.objoid = p.oid)
  LOOP
    EXECUTE pg_catalog.format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', member.name);
    EXECUTE pg_catalog.format('GRANT EXECUTE ON ROUTINE %s TO globalmart_owner', member.name);
    IF member.is_harmless THEN
      EXECUTE pg_catalog.format('GRANT EXECUTE ON ROUTINE %s TO globalmart_reader', member.name);
    END IF;
    IF member.sees_no_table THEN
      EXECUTE pg_catalog.format('GRANT EXECUTE ON ROUTINE %s TO globalmart_analyst', member.name);
    END IF;
    IF member.name = ANY (of_writers) THEN
      EXECUTE pg_catalog.format('GRANT EXECUTE ON ROUTINE %s TO globalmart_writer', member.name);
    END IF;
    IF member.name = ANY (of_operators) THEN
      EXECUTE pg_catalog.format('GRANT EXECUTE ON ROUTINE %s TO globalmart_operator', member.name);
    END IF;
  END LOOP;
END
$members$;

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
