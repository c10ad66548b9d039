-- Cron schedules, what status says of the night, and the record of its runs.
SET globalmart.now = '2026-11-24 12:00:00+00';
SELECT plan(35);

SELECT is(globalmart.next_due(s.schedule, s.after), s.due, s.schedule || ' after ' || s.after)
FROM (VALUES
  ('0 2 * * *', timestamptz '2026-11-24 12:00+00', timestamptz '2026-11-25 02:00+00'),
  ('0 2 * * *', '2026-11-24 01:59:59+00', '2026-11-24 02:00+00'),
  ('0 2 * * *', '2026-11-24 02:00+00', '2026-11-25 02:00+00'),
  ('* * * * *', '2026-11-24 12:00:30+00', '2026-11-24 12:01+00'),
  ('17 */6 * * *', '2026-11-24 12:17+00', '2026-11-24 18:17+00'),
  ('0,30 9-17/4 * * *', '2026-11-24 13:30+00', '2026-11-24 17:00+00'),
  ('5 0 1 * *', '2026-12-01 00:05+00', '2027-01-01 00:05+00'),
  ('0 0 29 2 *', '2026-11-24 12:00+00', '2028-02-29 00:00+00'),
  ('0 0 31 2 *', '2026-11-24 12:00+00', NULL),
  ('0 0 * * 0', '2026-11-24 12:00+00', '2026-11-29 00:00+00'),
  ('0 0 * * 7', '2026-11-24 12:00+00', '2026-11-29 00:00+00'),
  ('0 0 1 * 3', '2026-11-24 12:00+00', '2026-11-25 00:00+00'),
  ('0 0 */2 * 3', '2026-11-24 12:00+00', '2026-11-25 00:00+00'),
  ('  0  2 * * * ', '2026-11-24 12:00+00', '2026-11-25 02:00+00'),
  ('0 2 * * mon', '2026-11-24 12:00+00', NULL),
  ('0 24 * * *', '2026-11-24 12:00+00', NULL),
  ('*/0 * * * *', '2026-11-24 12:00+00', NULL),
  ('5/2 * * * *', '2026-11-24 12:00+00', NULL),
  ('@daily', '2026-11-24 12:00+00', NULL),
  ('0 2 * *', '2026-11-24 12:00+00', NULL)) AS s(schedule, after, due);

SELECT is_empty('SELECT * FROM globalmart.scheduled_jobs', 'without pg_cron there is no job');

-- The night.
CREATE FUNCTION pg_temp.night() RETURNS text LANGUAGE sql AS
  $$ SELECT concat_ws('; ', s.state, s.problem, s.lag::text) FROM globalmart.status AS s WHERE s.part = 'warehouse' $$;
SELECT is(pg_temp.night(), 'none', 'never called');
CALL globalmart.run_etl();
SELECT is(pg_temp.night(), 'loaded; 00:00:00', 'just called');
SET globalmart.now = '2026-11-25 14:00:00+00';
SELECT is(pg_temp.night(), 'loaded; 1 day 02:00:00', 'a day and two hours are a night');
SET globalmart.now = '2026-11-25 14:00:01+00';
SELECT is(pg_temp.night(), 'overdue; no run has begun since 2026-11-24 12:00:00 UTC; 1 day 02:00:01', 'more is too long');
SET ROLE globalmart_reader;
SELECT matches((SELECT s.remedy FROM globalmart.status AS s WHERE s.part = 'warehouse'), 'run_etl\(\) each night', 'a reader is told what to do');
RESET ROLE;
INSERT INTO globalmart.etl_runs (analysis_day, state, last_error) VALUES ('2026-11-24', 'failed', 'no space');
SELECT is(pg_temp.night(), 'failed; the run that began at 2026-11-25 14:00:01 UTC failed: no space; 1 day 02:00:01', 'a night that failed');
INSERT INTO globalmart.etl_runs (analysis_day, state) VALUES ('2026-11-24', 'running');
SELECT is(pg_temp.night(), 'killed; the run that began at 2026-11-25 14:00:01 UTC was killed; 1 day 02:00:01', 'one whose session is gone');
SELECT pg_advisory_lock(1735287117, 1);
SELECT is(pg_temp.night(), 'loading; 1 day 02:00:01', 'one that is at work');
SET globalmart.now = '2026-11-26 16:00:02+00';
SELECT is(pg_temp.night(), 'overdue; the run that began at 2026-11-25 14:00:01 UTC is not done yet; 2 days 04:00:02', 'one that is at work for too long');
SELECT pg_advisory_unlock(1735287117, 1);

-- The record of runs.
SET globalmart.now = '2027-06-01 12:00:00+00';
CALL globalmart.delete_old_rows();
SELECT results_eq('SELECT state FROM globalmart.etl_runs ORDER BY run_id', '{done,running}'::text[], 'the last run and the last good one stay');
SELECT isnt_empty('SELECT FROM globalmart.etl_steps', 'with their steps');
CALL globalmart.run_etl();
SELECT globalmart.set_setting('etl_runs_retention', NULL);
CALL globalmart.delete_old_rows();
SELECT is((SELECT count(*) FROM globalmart.etl_runs), 3::bigint, 'without retention nothing goes');
SELECT globalmart.reset_setting('etl_runs_retention');
CALL globalmart.delete_old_rows();
SELECT results_eq('SELECT state, started_at FROM globalmart.etl_runs', $$VALUES ('done', timestamptz '2027-06-01 12:00:00+00')$$, 'with it the others do');
SELECT is_empty('SELECT FROM globalmart.etl_steps WHERE run_id NOT IN (SELECT run_id FROM globalmart.etl_runs)', 'and their steps');
SELECT * FROM finish();
