-- Takes back what schedule.sql did for a shop. As a superuser, in the shop's database, as often as you like:
--
--   psql -X -d shop -f unschedule.sql
--
-- With the last shop of the server the role globalmart_cron goes, too.
\set ON_ERROR_STOP on
SELECT set_config('client_min_messages', 'warning', false) \g /dev/null

DO $$
BEGIN
  IF pg_catalog.current_setting('cron.database_name', true) IS NULL THEN
    RAISE object_not_in_prerequisite_state USING MESSAGE = 'pg_cron is not loaded',
      DETAIL = 'Nothing is run while it is not.', HINT = 'Its jobs are in the database that cron.database_name named.';
  END IF;
END
$$;
SELECT current_database() AS shop, current_setting('cron.database_name') AS cron_database,
       EXISTS (SELECT FROM pg_roles WHERE rolname = 'globalmart_cron') AS role_there \gset

\connect :"cron_database"
SELECT set_config('client_min_messages', 'warning', false) \g /dev/null
SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') AS pg_cron_there \gset
\set jobs_left false
\if :pg_cron_there
  SELECT cron.unschedule(j.jobid)
  FROM cron.job AS j
  CROSS JOIN (SELECT '@' || CASE WHEN octet_length(:'shop') > 40 THEN md5(:'shop') ELSE :'shop' END AS suffix) AS s
  WHERE j.username = 'globalmart_cron'
    AND right(j.jobname, length(s.suffix)) = s.suffix \g /dev/null
  SELECT EXISTS (SELECT FROM cron.job WHERE username = 'globalmart_cron') AS jobs_left \gset
\endif

\if :role_there
  \if :jobs_left
    -- Another shop needs the role.
    REVOKE CONNECT ON DATABASE :"shop" FROM globalmart_cron;
  \else
    BEGIN;
    \if :pg_cron_there
      DROP POLICY IF EXISTS globalmart_jobs ON cron.job;
      DROP POLICY IF EXISTS globalmart_jobs ON cron.job_run_details;
      REVOKE USAGE ON SCHEMA cron FROM globalmart_owner;
    \endif
    DROP SCHEMA IF EXISTS globalmart_schedule CASCADE;
    REVOKE CONNECT ON DATABASE :"shop" FROM globalmart_cron;
    REVOKE CONNECT ON DATABASE :"cron_database" FROM globalmart_cron;
    DROP OWNED BY globalmart_cron;
    DROP ROLE globalmart_cron;
    COMMIT;
  \endif
\endif
