-- Keeping the partial logs short. Partials are never deleted one by one: the log in use changes, what
-- open windows still need is copied over, merged, and the old log is truncated once no snapshot can see
-- what it held.

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
  FOR d IN SELECT o.domain, o.generation FROM globalmart.domains AS o
           WHERE NOT o.draining AND o.retired_by IS NULL ORDER BY o.domain LOOP
    IF pg_table_size(format('globalmart.partial_log_%s_%s', d.domain, d.generation)::regclass) >= min_bytes THEN
      UPDATE globalmart.domains AS o SET generation = 1 - d.generation, draining = true
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
  -- Another session may have exchanged a log since the caller waited. Who folds into the old log is waited for here,
  -- while nothing is locked; a log exchanged from now on is for the next time.
  SELECT array_agg(o.domain) AS domains, array_agg(o.generation) AS generations INTO awaited
  FROM globalmart.domains AS o WHERE o.draining;
  PERFORM globalmart.wait_for_folds(u.domain) FROM unnest(awaited.domains) AS u(domain);
  FOR d IN SELECT u.domain, u.generation FROM unnest(awaited.domains, awaited.generations) AS u(domain, generation) ORDER BY u.domain LOOP
    -- No publication while this runs, and none that is about to be merged: partials lose their stamps.
    PERFORM FROM globalmart.close_counter FOR UPDATE;
    PERFORM FROM globalmart.domains AS o WHERE o.domain = d.domain AND o.draining AND o.generation = d.generation FOR UPDATE;
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
        -- A rollup that failed or was paused between publication and merge: it will ask what came before.
        EXECUTE format('INSERT INTO globalmart.partial_log_%1$s_%2$s SELECT * FROM globalmart.partial_log_%1$s_%3$s WHERE plan_id = $1',
                       d.domain, d.generation, 1 - d.generation) USING p.plan_id;
      ELSE
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
  FOR d IN SELECT o.domain, o.generation FROM globalmart.domains AS o
           WHERE o.retired_by IS NOT NULL
             -- TRUNCATE is not for snapshots that are older than the copy.
             AND globalmart.is_retired(o.retired_by)
           ORDER BY o.domain LOOP
    BEGIN
      EXECUTE format('TRUNCATE globalmart.partial_log_%s_%s', d.domain, 1 - d.generation);
      UPDATE globalmart.domains AS o SET retired_by = NULL WHERE o.domain = d.domain;
    EXCEPTION WHEN lock_not_available THEN
      NULL;  -- a reader is on it: next time
    END;
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.truncate_logs() IS
  'Empties logs whose partials are all merged or copied, once no snapshot is older; gives up after 50 ms where somebody reads';

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
