-- Keeping the partial logs short. Partials are never deleted one by one: the log in use changes, what
-- open windows still need is copied over, merged, and the old log is truncated once no snapshot can see
-- what it held.

-- What folds have spent is in the rows that they append, until the log is drained; by slice, and not finer than
-- by minute.
CREATE FUNCTION globalmart.log_costs(
  log text, plan_id int, from_time timestamptz DEFAULT '-infinity', to_time timestamptz DEFAULT 'infinity')
RETURNS TABLE (slice timestamptz, rows bigint, seconds double precision, cpu_seconds double precision)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY EXECUTE format(
    'SELECT b.slice, CASE WHEN count(b.rows) = count(*) THEN sum(b.rows)::bigint END, '
    '       CASE WHEN count(b.seconds) = count(*) THEN sum(b.seconds) END, '
    '       CASE WHEN count(b.cpu_seconds) = count(*) THEN sum(b.cpu_seconds) END '
    'FROM (SELECT CASE WHEN p.window_kind = ''slice'' AND p.slice_width >= 60000000 THEN l.slice '
    '             ELSE globalmart.window_floor(l.slice, interval ''1 minute'', make_interval(secs => p.slice_offset / 1e6)) END AS slice, '
    '             l.fold_rows AS rows, l.fold_seconds::double precision AS seconds, l.fold_cpu_seconds::double precision AS cpu_seconds '
    '      FROM globalmart.partial_plans AS p JOIN globalmart.%I AS l USING (plan_id) '
    '      WHERE p.plan_id = $1 AND l.slice >= $2 AND l.slice < $3 + interval ''1 minute'') AS b '
    'WHERE b.slice >= $2 AND b.slice < $3 '
    'GROUP BY b.slice', log)
    USING plan_id, from_time, to_time;
END
$$;
COMMENT ON FUNCTION globalmart.log_costs(text, int, timestamptz, timestamptz) IS
  'What folds have spent on the partials of a plan that are in a log, as fold_costs has it of others; from_time <= slice < to_time';

CREATE FUNCTION globalmart.take_log_costs(log text, plan_id int) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO globalmart.fold_costs AS f (plan_id, slice, rows, seconds, cpu_seconds)
  SELECT $2, c.slice, c.rows, c.seconds, c.cpu_seconds FROM globalmart.log_costs($1, $2) AS c
  -- Not of rollups that were dropped. Copies have cost nothing that is not here already.
  WHERE c.seconds IS DISTINCT FROM 0 AND EXISTS (SELECT FROM globalmart.rollup_versions AS v WHERE v.plan_id = $2)
  ON CONFLICT ON CONSTRAINT fold_costs_pkey DO UPDATE
  SET rows = f.rows + EXCLUDED.rows, seconds = f.seconds + EXCLUDED.seconds, cpu_seconds = f.cpu_seconds + EXCLUDED.cpu_seconds
$$;
COMMENT ON FUNCTION globalmart.take_log_costs(text, int) IS
  'Takes what folds have spent on a plan over from a draining log, whose partials are copied without it';

CREATE FUNCTION globalmart.compact_plan(domain text, plan_id int) RETURNS bigint
LANGUAGE C VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'globalmart_compact_plan';
COMMENT ON FUNCTION globalmart.compact_plan(text, int) IS
  'Copies a plan''s partials of open windows from the draining log into the one in use, merged; gives the bytes written';

CREATE FUNCTION globalmart.is_retired(retired_by xid8) RETURNS boolean
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'globalmart_is_retired';
COMMENT ON FUNCTION globalmart.is_retired(xid8) IS
  'Whether no snapshot still sees the state from before that transaction';

CREATE FUNCTION globalmart.switch_logs(min_bytes bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  d record;
BEGIN
  PERFORM globalmart.require_read_committed('logs can only be exchanged');
  FOR d IN SELECT o.domain, o.generation FROM globalmart.domains AS o
           WHERE NOT o.draining AND o.retired_by IS NULL ORDER BY o.domain LOOP
    IF pg_table_size(format('globalmart.partial_log_%s_%s', d.domain, d.generation)::regclass) >= min_bytes THEN
      UPDATE globalmart.domains AS o SET generation = 1 - d.generation, draining = true, switched_by = pg_current_xact_id()
      WHERE o.domain = d.domain AND NOT o.draining AND o.retired_by IS NULL AND o.generation = d.generation;
    END IF;
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.switch_logs(bigint) IS
  'Lets folds append to the other log where the one in use has grown to min_bytes; readers read both';

CREATE FUNCTION globalmart.drain_logs() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  d record;
  p record;
  awaited record;
BEGIN
  -- With one snapshot for all of it, what those who are waited for have folded would not be copied.
  PERFORM globalmart.require_read_committed('logs can only be drained');
  -- Another session may have exchanged a log since the caller waited. Who folds into the old log is waited for here,
  -- while nothing is locked; a log exchanged from now on is for the next time.
  SELECT array_agg(o.domain) AS domains, array_agg(o.switched_by) AS switches INTO awaited
  FROM globalmart.domains AS o WHERE o.draining;
  IF pg_current_xact_id_if_assigned() = ANY (awaited.switches) THEN
    RAISE active_sql_transaction USING
      MESSAGE = 'a log cannot be drained in the transaction that exchanged it',
      DETAIL = 'Others fold into the old log until that is committed.',
      HINT = 'CALL globalmart.compact_partials() outside of a transaction.';
  END IF;
  PERFORM globalmart.wait_for_folds(u.domain) FROM unnest(awaited.domains) AS u(domain);
  FOR d IN SELECT u.domain, u.switched_by, o.generation
           FROM unnest(awaited.domains, awaited.switches) AS u(domain, switched_by) JOIN globalmart.domains AS o USING (domain)
           ORDER BY u.domain LOOP
    -- No publication while this runs, and none that is about to be merged: partials lose their stamps.
    PERFORM FROM globalmart.close_counter FOR UPDATE;
    PERFORM FROM globalmart.domains AS o
    WHERE o.domain = d.domain AND o.draining AND o.generation = d.generation AND o.switched_by IS NOT DISTINCT FROM d.switched_by FOR UPDATE;
    IF NOT FOUND OR EXISTS (SELECT FROM globalmart.rollup_progress AS g
                            JOIN globalmart.rollup_versions AS v USING (version_id)
                            JOIN globalmart.rollup_catalog AS c ON c.name = v.rollup
                            WHERE g.domain = d.domain AND g.merged_until < g.closed_until AND c.state = 'live') THEN
      CONTINUE;
    END IF;
    FOR p IN SELECT a.plan_id, EXISTS (SELECT FROM globalmart.rollup_versions AS v JOIN globalmart.rollup_progress AS g USING (version_id)
                                       WHERE v.plan_id = a.plan_id AND g.merged_until < g.closed_until) AS needs_stamps
             FROM globalmart.partial_plans AS a WHERE a.domain = d.domain ORDER BY a.plan_id LOOP
      IF p.needs_stamps THEN
        -- A rollup that failed or was paused between publication and merge: it will ask what came before. As they are,
        -- partials keep what they have cost, too.
        EXECUTE format('INSERT INTO globalmart.partial_log_%1$s_%2$s SELECT * FROM globalmart.partial_log_%1$s_%3$s WHERE plan_id = $1',
                       d.domain, d.generation, 1 - d.generation) USING p.plan_id;
      ELSE
        PERFORM globalmart.take_log_costs(format('partial_log_%s_%s', d.domain, 1 - d.generation), p.plan_id);
        PERFORM globalmart.compact_plan(d.domain, p.plan_id);
      END IF;
    END LOOP;
    UPDATE globalmart.domains AS o SET draining = false, retired_by = pg_current_xact_id() WHERE o.domain = d.domain;
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.drain_logs() IS
  'Copies what open windows need out of draining logs, when those who fold into them have ended. In a transaction of its own';

CREATE FUNCTION globalmart.truncate_logs() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms' AS $$
DECLARE
  d record;
BEGIN
  FOR d IN SELECT o.domain, o.generation, o.retired_by FROM globalmart.domains AS o
           WHERE o.retired_by IS NOT NULL
             -- TRUNCATE is not for snapshots that are older than the copy.
             AND globalmart.is_retired(o.retired_by)
           ORDER BY o.domain LOOP
    FOR attempt IN 1 .. 5 LOOP
      BEGIN
        -- Another session may have emptied it since this one looked, and folds append to it again.
        PERFORM FROM globalmart.domains AS o
        WHERE o.domain = d.domain AND o.generation = d.generation AND o.retired_by = d.retired_by FOR UPDATE NOWAIT;
        EXIT WHEN NOT FOUND;
        -- Never queued for: who comes after a queued lock waits for it, and a worker of pg_dump -j, which takes its
        -- locks NOWAIT, gives up the whole dump.
        EXECUTE format('LOCK TABLE globalmart.partial_log_%s_%s IN ACCESS EXCLUSIVE MODE NOWAIT', d.domain, 1 - d.generation);
        EXECUTE format('TRUNCATE globalmart.partial_log_%s_%s', d.domain, 1 - d.generation);
        UPDATE globalmart.domains AS o SET retired_by = NULL WHERE o.domain = d.domain;
        EXIT;
      EXCEPTION WHEN lock_not_available THEN
        PERFORM pg_sleep(0.01);  -- a reader is on it: soon again, else next time
      END;
    END LOOP;
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.truncate_logs() IS
  'Empties logs whose partials are all merged or copied, once no snapshot is older; gives up after some tries where somebody reads, and never makes anybody wait behind it';

CREATE PROCEDURE globalmart.compact_partials(min_bytes bigint DEFAULT 33554432)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM globalmart.truncate_logs();
  COMMIT;
  PERFORM globalmart.switch_logs(min_bytes);
  COMMIT;
  PERFORM globalmart.wait_for_folds();
  COMMIT;
  PERFORM globalmart.drain_logs();
  COMMIT;
  PERFORM globalmart.truncate_logs();
END
$$;
COMMENT ON PROCEDURE globalmart.compact_partials(bigint) IS
  'Keeps the partial logs short: for the closer after a while, and for pg_cron. min_bytes: size from which a log is exchanged';
