-- Closing windows: publish, wait, merge. Each step is a transaction of its own: the bridge's closer sends
-- them one by one, everybody else calls close_windows().

CREATE FUNCTION globalmart.set_processing_time(ts timestamptz) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'globalmart_set_processing_time';
COMMENT ON FUNCTION globalmart.set_processing_time(timestamptz) IS
  'What processing_time() gives for the rest of the transaction; NULL ends it';

CREATE FUNCTION globalmart.cpu_seconds() RETURNS double precision
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'globalmart_cpu_seconds';
COMMENT ON FUNCTION globalmart.cpu_seconds() IS 'CPU time that this session has used';

-- The partitions that a domain's watermark is made of. Rows that came by SQL are one more partition.
CREATE VIEW globalmart.progress_by_partition AS
  SELECT p.domain, p.kafka_partition, p.max_event_time, p.last_message_at, p.at_end_since, p.checked_at
  FROM globalmart.partition_progress AS p
  UNION ALL
  SELECT s.domain, -1, pg_catalog.max(s.max_event_time), pg_catalog.max(s.committed_at),
         pg_catalog.max(s.committed_at), globalmart.clock()
  FROM globalmart.sql_progress AS s
  GROUP BY s.domain;
COMMENT ON VIEW globalmart.progress_by_partition IS
  'Event time by partition; partition -1 is what came by SQL: always at its end, and its clock is this server''s';
COMMENT ON COLUMN globalmart.progress_by_partition.domain IS 'Watermark domain';
COMMENT ON COLUMN globalmart.progress_by_partition.kafka_partition IS 'Kafka partition; -1: rows that came by SQL';
COMMENT ON COLUMN globalmart.progress_by_partition.max_event_time IS 'Greatest event time that was committed; NULL: none yet';
COMMENT ON COLUMN globalmart.progress_by_partition.last_message_at IS 'When the last message was stored';
COMMENT ON COLUMN globalmart.progress_by_partition.at_end_since IS 'Since when everything has been read; NULL: there is more to read';
COMMENT ON COLUMN globalmart.progress_by_partition.checked_at IS 'When that was last said';

CREATE FUNCTION globalmart.domain_watermark(domain text, idle_timeout interval, watermark_policy text)
RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE
    -- Live partitions hold the watermark; one that never had a message holds it at nothing.
    WHEN bool_or(p.live) AND watermark_policy = 'max' THEN max(p.event_time)
    WHEN bool_or(p.live AND p.event_time IS NULL) THEN NULL
    WHEN bool_or(p.live) THEN min(p.event_time) FILTER (WHERE p.live)
    -- All are idle: event time goes on with the clock, as far as somebody looked at it.
    -- (least() would skip a NULL, and nothing known must stay nothing.)
    WHEN max(p.event_time) IS NOT NULL
    THEN least(max(p.event_time) + (min(p.checked_at) - max(p.last_message_at)) - idle_timeout, globalmart.clock())
  END
  FROM (
    SELECT CASE WHEN b.max_event_time > globalmart.clock() THEN globalmart.clock() ELSE b.max_event_time END AS event_time, b.last_message_at, b.checked_at,
           (b.at_end_since IS NULL
            OR b.checked_at - greatest(b.at_end_since, b.last_message_at) < idle_timeout) AS live
    FROM globalmart.progress_by_partition AS b
    WHERE b.domain = $1
  ) AS p
$$;
COMMENT ON FUNCTION globalmart.domain_watermark(text, interval, text) IS
  'The event time up to which a domain is complete, before lateness is taken off: the least of its live partitions'' greatest event times; with the clock when all are idle; NULL when nothing is known';

CREATE FUNCTION globalmart.watermark(stream text) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  stream_domain text;
BEGIN
  SELECT s.domain INTO stream_domain FROM globalmart.streams AS s WHERE s.stream = watermark.stream;
  IF NOT FOUND THEN
    RAISE undefined_object USING MESSAGE = format('there is no stream "%s"', watermark.stream),
      HINT = 'See the table globalmart.streams.';
  END IF;
  RETURN globalmart.domain_watermark(stream_domain, interval '1 minute', 'min');
END
$$;
COMMENT ON FUNCTION globalmart.watermark(text) IS
  'The watermark of a stream with the default idle timeout of a minute, before a rollup''s lateness is taken off; NULL before the first event';

CREATE FUNCTION globalmart.closed_until(rollup text) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM globalmart.require_rollup(rollup, 'rollup');
  RETURN (SELECT r.closed_until FROM globalmart.rollups AS r WHERE r.name = closed_until.rollup);
END
$$;
COMMENT ON FUNCTION globalmart.closed_until(text) IS
  'All windows of the rollup that end by then are in its table; -infinity before the first close';

-- What could be published now: live versions whose last publication is merged.
CREATE FUNCTION globalmart.closable_versions(force boolean)
RETURNS TABLE (version_id int, domain text, target timestamptz)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT t.version_id, t.domain, t.target
  FROM (
    SELECT v.version_id, v.domain, p.closed_until, v.window_kind, p.published_at, p.merge_seconds,
           globalmart.closable_until(w.watermark - c.lateness, v.window_kind, v.width, v.slide, v.window_offset) AS target
    FROM globalmart.rollup_catalog AS c
    JOIN globalmart.rollup_versions AS v ON v.rollup = c.name
    JOIN globalmart.rollup_progress AS p ON p.version_id = v.version_id
    JOIN (SELECT k.domain, k.idle_timeout, k.watermark_policy,
                 globalmart.domain_watermark(k.domain, k.idle_timeout, k.watermark_policy) AS watermark
          FROM (SELECT DISTINCT a.domain, a.idle_timeout, a.watermark_policy
                FROM globalmart.rollup_catalog AS a WHERE a.kind = 'rollup') AS k) AS w
      ON w.domain = c.domain AND w.idle_timeout = c.idle_timeout AND w.watermark_policy = c.watermark_policy
    WHERE c.kind = 'rollup' AND c.state = 'live' AND p.merged_until = p.closed_until
      AND p.merged_until < v.live_until + pg_catalog.make_interval(secs => v.width / 1e6)
  ) AS t
  WHERE t.target > t.closed_until
    -- A session rollup could close at every event; it takes its turn by what a merge costs.
    AND (force OR t.window_kind <> 'session' OR t.published_at IS NULL
         OR pg_catalog.clock_timestamp() - t.published_at
            > greatest(interval '50 milliseconds', pg_catalog.make_interval(secs => 9 * t.merge_seconds)))
$$;
COMMENT ON FUNCTION globalmart.closable_versions(boolean) IS 'Rollup versions whose watermark has passed further window ends';

CREATE FUNCTION globalmart.publish_windows(force boolean DEFAULT false) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  seq bigint;
BEGIN
  -- As for the merge: what nobody here can merge is not published either, for its events would be late meanwhile.
  PERFORM globalmart.require_read_committed('windows can only be published');
  -- Event time that came by SQL is appended by every transaction; keep it short.
  IF (SELECT count(*) FROM globalmart.sql_progress) > 200 THEN
    WITH gone AS (DELETE FROM globalmart.sql_progress RETURNING *)
    INSERT INTO globalmart.sql_progress (domain, max_event_time, committed_at)
    SELECT g.domain, max(g.max_event_time), max(g.committed_at) FROM gone AS g GROUP BY g.domain;
  END IF;
  IF NOT EXISTS (SELECT FROM globalmart.closable_versions(force)) THEN
    RETURN coalesce((SELECT c.last_seq FROM globalmart.close_counter AS c), 0);
  END IF;
  -- One publication at a time: numbers commit in their order.
  UPDATE globalmart.close_counter AS c SET last_seq = c.last_seq + 1 RETURNING c.last_seq INTO seq;
  WITH published AS (
    UPDATE globalmart.rollup_progress AS p
    SET closed_until = t.target, published_seq = seq, published_by = pg_current_xact_id(), published_at = clock_timestamp()
    FROM globalmart.closable_versions(force) AS t
    WHERE p.version_id = t.version_id AND p.merged_until = p.closed_until AND t.target > p.closed_until
    RETURNING p.domain)
  UPDATE globalmart.domains AS d SET close_seq = seq
  WHERE d.domain IN (SELECT u.domain FROM published AS u);
  RETURN seq;
END
$$;
COMMENT ON FUNCTION globalmart.publish_windows(boolean) IS
  'First step of a close: publishes closed_until for every rollup whose watermark allows it; gives the number to pass to merge_windows. Commit before the next step. force: session rollups too, however short their last close was ago';

CREATE FUNCTION globalmart.wait_for_folds(domain text DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'globalmart_wait_for_folds';
COMMENT ON FUNCTION globalmart.wait_for_folds(text) IS
  'Second step of a close: waits for the transactions that were folding when it was called, in the domains that have windows published and not merged, or a log that drains; or in the one domain given. Writers do not wait for it';

CREATE FUNCTION globalmart.wait_for_publication(published bigint) RETURNS void
LANGUAGE C VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'globalmart_wait_for_publication';
COMMENT ON FUNCTION globalmart.wait_for_publication(bigint) IS
  'Waits as wait_for_folds() does, unless this session has waited since this publication was committed';

CREATE FUNCTION globalmart.merge_version(version_id int, published bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  version globalmart.rollup_versions;
  progress globalmart.rollup_progress;
  columns text;
  keys text;
  append text;
  together boolean;
  appended bigint;
  more bigint;
  -- When windows with rows ended, and how many rows these are.
  ends timestamptz[] := '{}';
  counts bigint[] := '{}';
  started timestamptz := clock_timestamp();
  started_cpu double precision := globalmart.cpu_seconds();
  spent double precision;
  spent_cpu double precision;
  closed_at timestamptz := globalmart.clock();
  window_end timestamptz;
  previous timestamptz;
BEGIN
  -- Of two closers one waits here, and then finds nothing left.
  SELECT p.* INTO progress FROM globalmart.rollup_progress AS p WHERE p.version_id = merge_version.version_id FOR UPDATE;
  IF NOT FOUND OR progress.merged_until = progress.closed_until OR progress.published_seq > published THEN
    RETURN 0;
  END IF;
  SELECT v.* INTO version FROM globalmart.rollup_versions AS v WHERE v.version_id = merge_version.version_id;
  SELECT string_agg(quote_ident(c), ', ' ORDER BY n) INTO columns FROM unnest(version.columns) WITH ORDINALITY AS u(c, n);
  SELECT string_agg('q.' || quote_ident(k), ', ' ORDER BY n) INTO keys FROM unnest(version.key_columns) WITH ORDINALITY AS u(k, n);
  PERFORM globalmart.set_processing_time(closed_at);
  -- Sorted by its key, an append fills the index from left to right.
  append := format('INSERT INTO globalmart.%I (%s, created_at) SELECT q.*, $3 FROM (%s) AS q%s', version.rollup, columns, version.close_query,
                   CASE WHEN version.per_window OR keys IS NULL THEN '' ELSE ' ORDER BY ' || keys END);
  -- What has ended together, or sessions in one minute, need not be asked row by row.
  together := CASE version.window_kind
    WHEN 'session' THEN globalmart.window_floor(progress.merged_until, interval '1 minute')
                        = globalmart.window_floor(progress.closed_until - interval '1 microsecond', interval '1 minute')
    ELSE progress.closed_until <= progress.merged_until + make_interval(secs => version.slide / 1e6) END;
  IF version.per_window THEN
    FOR window_end IN EXECUTE format('SELECT DISTINCT w.window_end FROM (%s) AS w ORDER BY 1', version.window_query)
                      USING progress.merged_until, progress.closed_until LOOP
      previous := window_end - interval '1 microsecond';
      EXECUTE append USING previous, window_end, closed_at;
      GET DIAGNOSTICS more = ROW_COUNT;
      ends := ends || window_end;
      counts := counts || more;
    END LOOP;
  ELSIF together THEN
    EXECUTE append USING progress.merged_until, progress.closed_until, closed_at;
    GET DIAGNOSTICS more = ROW_COUNT;
    ends := ARRAY[progress.closed_until];
    counts := ARRAY[more];
  ELSE
    EXECUTE format(
      'WITH added AS (%s RETURNING window_end) '
      'SELECT array_agg(e.window_end), array_agg(e.rows) FROM (SELECT a.window_end, count(*) AS rows FROM added AS a GROUP BY 1) AS e', append)
      INTO ends, counts USING progress.merged_until, progress.closed_until, closed_at;
  END IF;
  PERFORM globalmart.set_processing_time(NULL);
  spent_cpu := globalmart.cpu_seconds() - started_cpu;
  spent := extract(epoch FROM clock_timestamp() - started);
  appended := (SELECT COALESCE(sum(n), 0) FROM unnest(counts) AS n);
  -- Windows without a row have cost something, too.
  IF appended = 0 THEN
    ends := ARRAY[progress.closed_until];
    counts := '{0}';
  END IF;
  -- Shared among the minutes by their rows.
  INSERT INTO globalmart.merge_costs AS m (version_id, minute, windows, rows, seconds, cpu_seconds)
  SELECT merge_version.version_id, e.minute, CASE version.window_kind WHEN 'session' THEN sum(e.rows) ELSE count(*) FILTER (WHERE e.rows > 0) END, sum(e.rows),
         spent * COALESCE(sum(e.rows) / NULLIF(appended, 0), 1), spent_cpu * COALESCE(sum(e.rows) / NULLIF(appended, 0), 1)
  FROM (SELECT COALESCE(globalmart.window_floor(u.window_end - interval '1 microsecond', interval '1 minute'), 'infinity') AS minute, u.rows
        FROM unnest(ends, counts) AS u(window_end, rows)) AS e
  GROUP BY e.minute
  ON CONFLICT ON CONSTRAINT merge_costs_pkey DO UPDATE
  SET windows = m.windows + EXCLUDED.windows, rows = m.rows + EXCLUDED.rows,
      seconds = m.seconds + EXCLUDED.seconds, cpu_seconds = m.cpu_seconds + EXCLUDED.cpu_seconds;
  UPDATE globalmart.rollup_progress AS p
  SET merged_until = p.closed_until, merge_seconds = spent, costs_from = COALESCE(p.costs_from, p.merged_until)
  WHERE p.version_id = merge_version.version_id;
  RETURN appended;
END
$$;
COMMENT ON FUNCTION globalmart.merge_version(int, bigint) IS
  'Appends the final rows of the windows of one rollup version that were published and waited for';

CREATE FUNCTION globalmart.merge_windows(published bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  due record;
  appended bigint := 0;
  message text;
  sqlstate_code text;
BEGIN
  PERFORM globalmart.require_read_committed('windows can only be merged');
  IF published > coalesce((SELECT c.last_seq FROM globalmart.close_counter AS c), 0) THEN
    RAISE object_not_in_prerequisite_state USING
      MESSAGE = format('there is no publication %s yet', published),
      HINT = 'Pass what publish_windows gave, or CALL globalmart.close_windows().';
  END IF;
  -- Others see it when it is committed: until then they fold into these windows, and would after the merge.
  IF EXISTS (SELECT FROM globalmart.rollup_progress AS p
             WHERE p.published_by = pg_current_xact_id_if_assigned() AND p.merged_until < p.closed_until
               AND p.published_seq <= merge_windows.published) THEN
    RAISE active_sql_transaction USING
      MESSAGE = 'windows cannot be merged in the transaction that published them',
      HINT = 'COMMIT after publish_windows, or CALL globalmart.close_windows() outside of a transaction.';
  END IF;
  -- At once where the caller has waited already, as every closer has. Before anything is locked.
  IF EXISTS (SELECT FROM globalmart.rollup_progress AS p
             WHERE p.merged_until < p.closed_until AND p.published_seq <= merge_windows.published) THEN
    PERFORM globalmart.wait_for_publication(published);
  END IF;
  FOR due IN
    SELECT v.version_id, v.rollup
    FROM globalmart.rollup_progress AS p
    JOIN globalmart.rollup_versions AS v USING (version_id)
    JOIN globalmart.rollup_catalog AS c ON c.name = v.rollup
    WHERE p.merged_until < p.closed_until AND p.published_seq <= merge_windows.published AND c.state = 'live'
    ORDER BY v.version_id
  LOOP
    BEGIN
      appended := appended + globalmart.merge_version(due.version_id, published);
    EXCEPTION
      WHEN query_canceled OR admin_shutdown OR crash_shutdown OR out_of_memory OR disk_full
           OR deadlock_detected OR lock_not_available OR serialization_failure THEN
        RAISE;
      WHEN OTHERS THEN
        -- One rollup that cannot be closed must not hold up the others.
        GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, sqlstate_code = RETURNED_SQLSTATE;
        PERFORM globalmart.set_processing_time(NULL);
        UPDATE globalmart.rollup_catalog AS c
        SET state = 'failed', last_error = format('%s (SQLSTATE %s)', message, sqlstate_code)
        WHERE c.name = due.rollup;
        RAISE WARNING 'rollup "%" could not be closed: %', due.rollup, message
          USING HINT = 'Mend the cause, then SELECT globalmart.resume_rollup(''' || due.rollup || ''').';
    END;
  END LOOP;
  RETURN appended;
END
$$;
COMMENT ON FUNCTION globalmart.merge_windows(bigint) IS
  'Third step of a close: appends the final rows of all windows published up to this number; gives how many. Safe to repeat';

CREATE PROCEDURE globalmart.close_windows()
LANGUAGE plpgsql AS $$
DECLARE
  published bigint;
BEGIN
  -- No SET clause and no SECURITY DEFINER: either would forbid the COMMITs.
  published := globalmart.publish_windows(true);
  COMMIT;
  PERFORM globalmart.wait_for_folds();
  COMMIT;
  PERFORM globalmart.merge_windows(published);
  COMMIT;
  CALL globalmart.compact_partials();
END
$$;
COMMENT ON PROCEDURE globalmart.close_windows() IS
  'Closes every window whose watermark has passed: for pg_cron and psql, where no bridge runs. Any number at once is harmless';

CREATE VIEW globalmart.rollups AS
  SELECT c.name, c.kind, c.state,
         CASE c.kind WHEN 'rollup' THEN p.merged_until END AS closed_until,
         c.last_error, c.lateness, c.idle_timeout, c.watermark_policy, c.domain,
         p.live_from, c.query
  FROM globalmart.rollup_catalog AS c
  LEFT JOIN LATERAL (
    -- Of several definitions the first one that still has windows to close says how far it is.
    SELECT pg_catalog.min(g.merged_until)
             FILTER (WHERE g.merged_until < globalmart.closable_until(v.live_until + pg_catalog.make_interval(secs => v.width / 1e6)
                             - interval '1 microsecond', v.window_kind, v.width, v.slide, v.window_offset)) AS merged_until,
           pg_catalog.min(v.live_from) AS live_from
    FROM globalmart.rollup_versions AS v JOIN globalmart.rollup_progress AS g USING (version_id)
    WHERE v.rollup = c.name) AS p ON true;
COMMENT ON VIEW globalmart.rollups IS 'Rollups and detectors: state, how far closed, what went wrong';
COMMENT ON COLUMN globalmart.rollups.name IS 'Name of the rollup or detector, and of its table';
COMMENT ON COLUMN globalmart.rollups.kind IS 'rollup or detector';
COMMENT ON COLUMN globalmart.rollups.state IS 'live; paused: pause_rollup; failed: the last close could not append';
COMMENT ON COLUMN globalmart.rollups.lateness IS 'How much later than its neighbours an event may come';
COMMENT ON COLUMN globalmart.rollups.idle_timeout IS 'After which a silent partition no longer holds the watermark';
COMMENT ON COLUMN globalmart.rollups.watermark_policy IS 'min or max over the partitions';
COMMENT ON COLUMN globalmart.rollups.domain IS 'Watermark domain of its source';
COMMENT ON COLUMN globalmart.rollups.query IS 'The definition in force, as it was written';
COMMENT ON COLUMN globalmart.rollups.closed_until IS 'All windows that end by then are in the table';
COMMENT ON COLUMN globalmart.rollups.live_from IS 'Windows from here on are kept by the stream; older ones are for backfill_rollup';
COMMENT ON COLUMN globalmart.rollups.last_error IS 'Why the rollup is in state failed; resume_rollup tries again';
