-- The schedule of a shop, for pg_cron. As a superuser, in the shop's database, as often as you like:
--
--   psql -X -d shop -f schedule.sql
--
-- It makes the role globalmart_cron, goes to the database that pg_cron is in (this one or another) and schedules the
-- calls below in the shop's. Times are UTC.
\set ON_ERROR_STOP on
SELECT set_config('client_min_messages', 'warning', false) \g /dev/null

DO $$
BEGIN
  IF NOT (SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user) THEN
    RAISE insufficient_privilege USING MESSAGE = 'only a superuser can schedule jobs for another role';
  ELSIF pg_catalog.to_regprocedure('globalmart.run_etl(date)') IS NULL THEN
    RAISE undefined_object USING MESSAGE = pg_catalog.format('database %s has no shop', pg_catalog.current_database()),
      HINT = 'CREATE EXTENSION globalmart, then SELECT globalmart.install_shop().';
  ELSIF pg_catalog.current_setting('cron.database_name', true) IS NULL THEN
    RAISE object_not_in_prerequisite_state USING MESSAGE = 'pg_cron is not loaded',
      HINT = 'Install postgresql-15-cron, set shared_preload_libraries = ''pg_cron'' and cron.use_background_workers = on, and restart the server.';
  ELSIF pg_catalog.current_setting('cron.use_background_workers', true) IS DISTINCT FROM 'on' THEN
    RAISE object_not_in_prerequisite_state USING MESSAGE = 'cron.use_background_workers is off: jobs would log in by a password, and globalmart_cron has none',
      HINT = 'Set cron.use_background_workers = on and restart the server.';
  ELSIF EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = 'globalmart_cron' AND r.rolsuper) THEN
    RAISE invalid_role_specification USING MESSAGE = 'globalmart_cron is a superuser', HINT = 'ALTER ROLE globalmart_cron NOSUPERUSER.';
  END IF;
END
$$;

BEGIN;
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = 'globalmart_cron') THEN
    -- pg_cron asks for LOGIN. Its workers do not count as connections: nobody else comes in as this role.
    CREATE ROLE globalmart_cron LOGIN CONNECTION LIMIT 0;
    -- The procedures that commit cannot pin it themselves.
    ALTER ROLE globalmart_cron SET search_path = pg_catalog, pg_temp;
    COMMENT ON ROLE globalmart_cron IS 'Runs the jobs of GlobalMart''s schedule in pg_cron';
  END IF;
END
$$;
GRANT globalmart_operator TO globalmart_cron;
SELECT current_database() AS shop, current_setting('cron.database_name') AS cron_database \gset
GRANT CONNECT ON DATABASE :"shop" TO globalmart_cron;
GRANT CONNECT ON DATABASE :"cron_database" TO globalmart_cron;
COMMIT;

\connect :"cron_database"
SELECT set_config('client_min_messages', 'warning', false) \g /dev/null
CREATE EXTENSION IF NOT EXISTS pg_cron;

BEGIN;
-- The jobs' record: globalmart_owner sees it, and takes the old rows away when globalmart_cron asks for it. The role
-- itself may not use the schema cron, or it could schedule other calls.
GRANT USAGE ON SCHEMA cron TO globalmart_owner;
DROP POLICY IF EXISTS globalmart_jobs ON cron.job;
CREATE POLICY globalmart_jobs ON cron.job FOR SELECT TO globalmart_owner USING (username = 'globalmart_cron');
DROP POLICY IF EXISTS globalmart_jobs ON cron.job_run_details;
CREATE POLICY globalmart_jobs ON cron.job_run_details TO globalmart_owner USING (username = 'globalmart_cron');

CREATE SCHEMA IF NOT EXISTS globalmart_schedule;
COMMENT ON SCHEMA globalmart_schedule IS 'GlobalMart: upkeep of the record that pg_cron keeps of its jobs';
GRANT USAGE ON SCHEMA globalmart_schedule TO globalmart_cron;
CREATE OR REPLACE PROCEDURE globalmart_schedule.delete_old_job_runs()
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DELETE FROM cron.job_run_details AS d
  WHERE d.username = 'globalmart_cron' AND coalesce(d.end_time, d.start_time) < now() - interval '14 days'
$$;
COMMENT ON PROCEDURE globalmart_schedule.delete_old_job_runs() IS
  'Deletes what pg_cron has on record of the jobs of globalmart_cron that ended more than 14 days ago';
ALTER PROCEDURE globalmart_schedule.delete_old_job_runs() OWNER TO globalmart_owner;
REVOKE ALL ON PROCEDURE globalmart_schedule.delete_old_job_runs() FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE globalmart_schedule.delete_old_job_runs() TO globalmart_cron;

-- A job is one call, for its procedure commits by itself. pg_cron runs none twice at the same time.
SELECT cron.schedule_in_database(
         -- A name has 63 bytes at most.
         format('globalmart-%s@%s', j.job, CASE WHEN octet_length(:'shop') > 40 THEN md5(:'shop') ELSE :'shop' END),
         j.schedule, j.command, j.database, 'globalmart_cron')
FROM (VALUES
  ('etl',        '0 2 * * *',    'CALL globalmart.run_etl()',                        :'shop'),
  ('close',      '* * * * *',    'CALL globalmart.close_windows()',                  :'shop'),
  ('partitions', '17 */6 * * *', 'CALL globalmart.maintain_partitions()',            :'shop'),
  ('drop',       '23 3 * * *',   'CALL globalmart.drop_old_partitions()',            :'shop'),
  ('delete',     '37 3 * * *',   'CALL globalmart.delete_old_rows()',                :'shop'),
  ('runs',       '47 3 * * *',   'CALL globalmart_schedule.delete_old_job_runs()',   :'cron_database')
) AS j(job, schedule, command, database) \g /dev/null
COMMIT;

SELECT j.jobname AS job, j.schedule, j.command, j.database
FROM cron.job AS j WHERE j.username = 'globalmart_cron' ORDER BY j.jobname;
