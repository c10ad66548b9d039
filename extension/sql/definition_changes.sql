-- A change of definitions keeps folds out while it is made. What it needs besides (the table and the view of a
-- rollup, rows of the catalogue) may be in somebody's hands for hours: a reader, a dump, a merge. Writers must
-- not wait for these, so the change gives up within 50 ms, lets the writers in and tries again.

-- Who may be in the way, as text for a hint. relations: what the change locks; readers: whether it must wait
-- for those who only read there.
CREATE FUNCTION globalmart.describe_lock_holders(domain text, relations regclass[], readers boolean) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT string_agg(format('process %s%s%s', h.pid,
           coalesce(', in a transaction since ' || to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), ''),
           coalesce(': ' || left(rtrim(regexp_replace(a.query, '\s+', ' ', 'g'), ' ;'), 100), '')), '; ' ORDER BY a.xact_start, h.pid)
  FROM (
    SELECT DISTINCT l.pid
    FROM pg_locks AS l
    WHERE l.granted AND l.pid <> pg_backend_pid()
      AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
      AND ((l.locktype = 'relation' AND l.relation = ANY ($2::oid[]) AND ($3 OR l.mode NOT IN ('AccessShareLock', 'RowShareLock')))
           -- A merge or a backfill under way, or somebody's open change.
           OR (l.locktype = 'relation' AND l.mode <> 'AccessShareLock'
               AND l.relation IN ('globalmart.rollup_catalog'::regclass, 'globalmart.rollup_progress'::regclass,
                                  'globalmart.backfills'::regclass, 'globalmart.domains'::regclass))
           OR (l.locktype = 'object' AND l.classid = 'globalmart.domains'::regclass AND l.objid = globalmart.fold_lock_number($1)))
    ORDER BY l.pid
    LIMIT 5) AS h
  LEFT JOIN pg_stat_activity AS a ON a.pid = h.pid
$$;
COMMENT ON FUNCTION globalmart.describe_lock_holders(text, regclass[], boolean) IS
  'The sessions that hold what a change of definitions waits for: process, since when, last query; NULL when there is none any more';

CREATE FUNCTION globalmart.execute_briefly(statement text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms' AS $$
BEGIN
  EXECUTE statement;
END
$$;
COMMENT ON FUNCTION globalmart.execute_briefly(text) IS 'Runs a statement under a lock_timeout of 50 ms';

CREATE FUNCTION globalmart.change_definitions(
  domain text, statement text, relations regclass[] DEFAULT '{}', readers boolean DEFAULT true)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  patience interval := interval '10 seconds';
  own interval := current_setting('lock_timeout')::interval;
  began timestamptz := clock_timestamp();
  remaining int;
  excluded boolean;
  problem text;
BEGIN
  -- Who asked for less patience with locks means this, too.
  IF own > interval '0' AND own < patience THEN
    patience := own;
  END IF;
  -- An earlier command of the transaction keeps writers out until it ends: they do not wait for this one as well.
  IF EXISTS (SELECT FROM pg_locks AS l
             WHERE l.pid = pg_backend_pid() AND l.locktype = 'object' AND l.mode = 'ShareRowExclusiveLock'
               AND l.classid = 'globalmart.domains'::regclass) THEN
    patience := least(patience, interval '100 milliseconds');
  END IF;
  FOR attempt IN 1..1000 LOOP
    remaining := extract(epoch FROM began + patience - clock_timestamp()) * 1000;
    excluded := false;
    BEGIN
      PERFORM globalmart.exclude_folds(domain, greatest(remaining, 1));
      excluded := true;
      PERFORM globalmart.execute_briefly(statement);
      RETURN;
    EXCEPTION
      -- The savepoint gave everything back, the exclusion of folds first of all. So did a deadlock's victim.
      WHEN lock_not_available OR deadlock_detected THEN
        IF NOT excluded OR clock_timestamp() >= began + patience THEN
          problem := CASE WHEN excluded THEN format('the definitions of %s cannot be changed: others use what would change', domain)
                          ELSE format('transactions that write to the streams of %s are still under way', domain) END;
          RAISE lock_not_available USING
            MESSAGE = problem,
            HINT = coalesce('In the way: ' || globalmart.describe_lock_holders(domain, CASE WHEN excluded THEN relations ELSE '{}' END, readers)
                            || '. Try again when they have ended, or end them with pg_terminate_backend.',
                            'Try again: nobody is in the way any more.');
        END IF;
    END;
    -- Between the attempts, writers have the most of the time.
    PERFORM pg_sleep(least(0.05 * attempt, 0.4));
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.change_definitions(text, text, regclass[], boolean) IS
  'Runs a statement that changes the definitions of a domain, while no fold is under way there. For up to 10 seconds or lock_timeout it tries to get its locks, and keeps no writer waiting for longer than 50 ms each time; then 55P03, with a hint that names who holds relations';
