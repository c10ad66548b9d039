-- What a scheduler does for us: pg_cron's jobs of this database (cron/schedule.sql makes them), and the night, whoever
-- calls it. Without pg_cron all of this works and is empty.

CREATE FUNCTION globalmart.cron_field(field text, lowest int, highest int) RETURNS int[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  part text;
  parsed text[];
  first_value int;
  last_value int;
  chosen int[] := '{}';
BEGIN
  FOREACH part IN ARRAY string_to_array(field, ',') LOOP
    parsed := regexp_match(part, '^(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?$');
    first_value := coalesce(parsed[1]::int, lowest);
    last_value := coalesce(parsed[2]::int, parsed[1]::int, highest);
    -- A step belongs to a range; names of months and days are not known here.
    IF parsed IS NULL OR (parsed[1] IS NOT NULL AND parsed[2] IS NULL AND parsed[3] IS NOT NULL)
       OR parsed[3]::int = 0 OR first_value < lowest OR last_value > highest OR first_value > last_value THEN
      RETURN NULL;
    END IF;
    chosen := chosen || ARRAY(SELECT generate_series(first_value, last_value, coalesce(parsed[3]::int, 1)));
  END LOOP;
  RETURN chosen;
END
$$;
COMMENT ON FUNCTION globalmart.cron_field(text, int, int) IS
  'The numbers that a field of a cron schedule stands for (*, 5, 1-5, */15, 0,30); NULL: it cannot be read';

CREATE FUNCTION globalmart.next_due(schedule text, after timestamptz) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  fields text[] := regexp_split_to_array(btrim(schedule), '\s+');
  minutes int[] := globalmart.cron_field(fields[1], 0, 59);
  hours int[] := globalmart.cron_field(fields[2], 0, 23);
  days int[] := globalmart.cron_field(fields[3], 1, 31);
  months int[] := globalmart.cron_field(fields[4], 1, 12);
  weekdays int[] := globalmart.cron_field(fields[5], 0, 7);
  -- With both given, a day that fits either of them fits: cron's rule.
  one_is_open boolean := fields[3] LIKE '*%' OR fields[5] LIKE '*%';
  earliest timestamp := date_trunc('minute', next_due.after AT TIME ZONE 'UTC') + interval '1 minute';
  day date;
  fits boolean;
  due timestamp;
BEGIN
  IF cardinality(fields) <> 5 OR minutes IS NULL OR hours IS NULL OR days IS NULL OR months IS NULL OR weekdays IS NULL THEN
    RETURN NULL;
  END IF;
  -- Eight years, so that there is a 29th of February.
  FOR ahead IN 0 .. 2922 LOOP
    day := earliest::date + ahead;
    CONTINUE WHEN NOT extract(month FROM day)::int = ANY (months);
    fits := CASE WHEN one_is_open
                 THEN extract(day FROM day)::int = ANY (days) AND (extract(dow FROM day)::int = ANY (weekdays) OR extract(isodow FROM day)::int = ANY (weekdays))
                 ELSE extract(day FROM day)::int = ANY (days) OR extract(dow FROM day)::int = ANY (weekdays) OR extract(isodow FROM day)::int = ANY (weekdays) END;
    CONTINUE WHEN NOT fits;
    SELECT min(t.at) INTO due
    FROM (SELECT day + make_interval(hours => h, mins => m) AS at FROM unnest(hours) AS h CROSS JOIN unnest(minutes) AS m) AS t
    WHERE t.at >= earliest;
    IF due IS NOT NULL THEN
      RETURN due AT TIME ZONE 'UTC';
    END IF;
  END LOOP;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION globalmart.next_due(text, timestamptz) IS
  'The first minute later than after (UTC) that fits a cron schedule of five fields; NULL: there is none, or names stand for numbers in it';

CREATE FUNCTION globalmart.cron_jobs()
RETURNS TABLE (job text, schedule text, command text, active boolean, last_start timestamptz, last_outcome text, last_message text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- Only the tables of pg_cron itself: a schema of that name might be anybody's. What the owner may see of them
  -- are the jobs of globalmart_cron (cron/schedule.sql).
  IF (SELECT count(*)
      FROM pg_extension AS e
      JOIN pg_depend AS d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e' AND d.classid = 'pg_class'::regclass
      JOIN pg_class AS c ON c.oid = d.objid
      JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE e.extname = 'pg_cron' AND n.nspname = 'cron' AND c.relname IN ('job', 'job_run_details')
        AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')) < 2 THEN
    RETURN;
  END IF;
  RETURN QUERY
    SELECT j.jobname::text, j.schedule, j.command, j.active, r.start_time, r.status, r.return_message
    FROM cron.job AS j
    LEFT JOIN LATERAL (SELECT d.start_time, d.status, d.return_message FROM cron.job_run_details AS d
                       WHERE d.jobid = j.jobid ORDER BY d.runid DESC LIMIT 1) AS r ON true
    WHERE j.username = 'globalmart_cron' AND j.database = current_database();
END
$$;
COMMENT ON FUNCTION globalmart.cron_jobs() IS
  'Jobs that pg_cron runs in this database as globalmart_cron, each with its last run; none where pg_cron is in another database or absent';

CREATE VIEW globalmart.scheduled_jobs AS
  SELECT j.job, j.schedule, j.command, j.last_start, j.last_outcome, j.last_message,
         CASE WHEN j.active THEN globalmart.next_due(j.schedule, globalmart.clock()) END AS next_due
  FROM globalmart.cron_jobs() AS j
  ORDER BY j.job;
COMMENT ON VIEW globalmart.scheduled_jobs IS
  'The jobs of cron/schedule.sql with their last runs. Empty where pg_cron is absent, or in another database: there cron.job and cron.job_run_details tell';
COMMENT ON COLUMN globalmart.scheduled_jobs.job IS 'Name of the job';
COMMENT ON COLUMN globalmart.scheduled_jobs.schedule IS 'Minute, hour, day of the month, month, day of the week; UTC';
COMMENT ON COLUMN globalmart.scheduled_jobs.command IS 'What it calls';
COMMENT ON COLUMN globalmart.scheduled_jobs.last_start IS 'When it last started; NULL: it has not, or it is too long ago';
COMMENT ON COLUMN globalmart.scheduled_jobs.last_outcome IS 'starting, running, succeeded or failed';
COMMENT ON COLUMN globalmart.scheduled_jobs.last_message IS 'What the server said to it';
COMMENT ON COLUMN globalmart.scheduled_jobs.next_due IS 'When it is due next; NULL: it is not active, or the schedule is written with names';

CREATE FUNCTION globalmart.night_state(OUT state text, OUT lag interval, OUT problem text, OUT remedy text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  now_at timestamptz := globalmart.clock();
  -- A day, and two hours for a night that takes longer than the one before.
  late_after interval := interval '26 hours';
  last_run record;
  loaded_at timestamptz;
BEGIN
  state := 'none';
  IF to_regclass('globalmart.etl_runs') IS NULL THEN
    RETURN;
  END IF;
  SELECT r.run_id, r.state, r.started_at, r.last_error INTO last_run FROM globalmart.etl_runs AS r ORDER BY r.run_id DESC LIMIT 1;
  IF NOT FOUND THEN
    IF EXISTS (SELECT FROM globalmart.leaves_past_retention() AS l JOIN globalmart.raw_readers AS r USING (stream) WHERE r.reader = 'warehouse') THEN
      problem := 'days past raw_retention are kept for it, and it was never loaded';
      remedy := 'CALL globalmart.run_etl() each night; a shop without a warehouse: DELETE FROM globalmart.raw_readers WHERE reader = ''warehouse''.';
    END IF;
    RETURN;
  END IF;
  SELECT r.started_at INTO loaded_at FROM globalmart.etl_runs AS r WHERE r.state = 'done' ORDER BY r.run_id DESC LIMIT 1;
  lag := now_at - loaded_at;
  IF last_run.state = 'failed' THEN
    state := 'failed';
    problem := format('the run that began at %s failed: %s',
                      to_char(last_run.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), last_run.last_error);
    remedy := 'Mend the cause, then CALL globalmart.run_etl(), which goes on from there; see globalmart.etl_steps.';
  -- Whoever runs it holds this lock (see run_etl); it goes with the session.
  ELSIF last_run.state = 'killed' OR last_run.state = 'running'
        AND NOT EXISTS (SELECT FROM pg_locks AS l
                        WHERE l.locktype = 'advisory' AND l.classid = 1735287117 AND l.objid = 1 AND l.objsubid = 2 AND l.granted
                          AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())) THEN
    state := 'killed';
    problem := format('the run that began at %s was killed', to_char(last_run.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'));
    remedy := 'CALL globalmart.run_etl(), which goes on from there.';
  ELSIF last_run.started_at < now_at - late_after THEN
    state := 'overdue';
    problem := format(CASE last_run.state WHEN 'running' THEN 'the run that began at %s is not done yet' ELSE 'no run has begun since %s' END,
                      to_char(last_run.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'));
    remedy := CASE last_run.state WHEN 'running' THEN 'See globalmart.etl_progress, and globalmart.open_folds for a writer that it waits for.'
                                  ELSE 'CALL globalmart.run_etl() each night: see globalmart.scheduled_jobs, or your scheduler. Raw rows are kept until then.' END;
  ELSE
    state := CASE last_run.state WHEN 'running' THEN 'loading' ELSE 'loaded' END;
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.night_state() IS
  'How the warehouse''s load is, for the view status: none (it was never called), loading, loaded, failed, killed, or overdue when the last run began more than 26 hours ago';
