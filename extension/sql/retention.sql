-- How long things are kept. Raw events count from their arrival, and a day of them goes only when nobody
-- needs it any more; what is gone is on record, so that a comparison says so instead of finding nothing.

CREATE TABLE globalmart.dropped_spans (
  stream     text        NOT NULL,
  from_time  timestamptz NOT NULL,
  to_time    timestamptz NOT NULL,
  dropped_at timestamptz NOT NULL DEFAULT globalmart.clock(),
  PRIMARY KEY (stream, from_time)
);
COMMENT ON TABLE globalmart.dropped_spans IS 'Event time whose rows retention took away, by stream, rollup or detector';
COMMENT ON COLUMN globalmart.dropped_spans.stream IS 'Stream, rollup or detector';
COMMENT ON COLUMN globalmart.dropped_spans.from_time IS 'Start of the span, inclusive';
COMMENT ON COLUMN globalmart.dropped_spans.to_time IS 'End of the span, exclusive';
COMMENT ON COLUMN globalmart.dropped_spans.dropped_at IS 'When the last of its rows went';

CREATE FUNCTION globalmart.record_dropped_span(stream text, from_time timestamptz, to_time timestamptz) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO globalmart.dropped_spans AS d (stream, from_time, to_time) VALUES ($1, $2, $3)
  ON CONFLICT (stream, from_time) DO UPDATE
    SET to_time = greatest(d.to_time, EXCLUDED.to_time), dropped_at = EXCLUDED.dropped_at
$$;
COMMENT ON FUNCTION globalmart.record_dropped_span(text, timestamptz, timestamptz) IS
  'Puts on record that rows of a span are gone';

CREATE FUNCTION globalmart.require_raw_rows(stream text, from_time timestamptz, to_time timestamptz) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  gone globalmart.dropped_spans;
BEGIN
  SELECT d.* INTO gone FROM globalmart.dropped_spans AS d
  WHERE d.stream = require_raw_rows.stream
    AND d.from_time < coalesce(require_raw_rows.to_time, 'infinity')
    AND d.to_time > coalesce(require_raw_rows.from_time, '-infinity')
  ORDER BY d.to_time DESC LIMIT 1;
  IF FOUND THEN
    RAISE object_not_in_prerequisite_state USING
      MESSAGE = format('rows of %s between %s and %s are no longer kept', stream,
                       to_char(gone.from_time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'),
                       to_char(gone.to_time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')),
      HINT = format('Name a span that begins at %s or later, for sliding windows later by their width; globalmart.settings says how long rows are kept.',
                    to_char(gone.to_time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'));
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.require_raw_rows(text, timestamptz, timestamptz) IS
  'Raises SQLSTATE 55000 when retention took rows with an event time from from_time (inclusive) to to_time (exclusive); NULL: no bound';

-- Who loads raw rows elsewhere, and how far: the warehouse. Nothing is dropped before its reader had it.
CREATE TABLE globalmart.raw_readers (
  reader text NOT NULL,
  stream text NOT NULL,
  PRIMARY KEY (reader, stream)
);
COMMENT ON TABLE globalmart.raw_readers IS 'Loaders that read a stream''s rows in the order of offsets; retention waits for them';
COMMENT ON COLUMN globalmart.raw_readers.reader IS 'Name of the loader, such as warehouse';
COMMENT ON COLUMN globalmart.raw_readers.stream IS 'Stream that it loads';

CREATE TABLE globalmart.raw_reader_progress (
  reader          text   NOT NULL,
  stream          text   NOT NULL,
  kafka_partition int    NOT NULL,
  next_offset     bigint NOT NULL,
  loaded_at       timestamptz NOT NULL DEFAULT globalmart.clock(),
  PRIMARY KEY (reader, stream, kafka_partition)
);
COMMENT ON TABLE globalmart.raw_reader_progress IS 'How far each loader is, in each partition; set in the transaction that loads';
COMMENT ON COLUMN globalmart.raw_reader_progress.reader IS 'Name of the loader';
COMMENT ON COLUMN globalmart.raw_reader_progress.stream IS 'Stream that it loads';
COMMENT ON COLUMN globalmart.raw_reader_progress.kafka_partition IS 'Kafka partition; -1: rows that came by SQL';
COMMENT ON COLUMN globalmart.raw_reader_progress.next_offset IS 'Every row with a smaller offset is loaded';
COMMENT ON COLUMN globalmart.raw_reader_progress.loaded_at IS 'When it got there';

CREATE FUNCTION globalmart.version_reads(query text, stream text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  -- Some version: a query that is kept is not asked what a new one is.
  SELECT globalmart.stream_relation($2)::oid = ANY ((globalmart.describe_rollup($1, 1)).relations)
$$;
COMMENT ON FUNCTION globalmart.version_reads(text, text) IS 'Whether the query of a rollup (not of a detector) reads a stream';

-- What keeps a day of a stream: NULL, or for people, what still needs it. A backfill that nobody began
-- keeps nothing: retention is what was promised.
CREATE FUNCTION globalmart.why_needed(stream text, leaf text, from_time timestamptz, to_time timestamptz, received_before timestamptz)
RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_row boolean;
  needed_by text;
BEGIN
  EXECUTE format('SELECT EXISTS (SELECT FROM globalmart.%I)', leaf) INTO found_row;
  IF NOT found_row THEN
    RETURN NULL;
  END IF;
  SELECT format('rollup %s, windows that are not closed', v.rollup) INTO needed_by
  FROM globalmart.rollup_versions AS v
  JOIN globalmart.rollup_progress AS p USING (version_id)
  WHERE v.domain = (SELECT s.domain FROM globalmart.streams AS s WHERE s.stream = why_needed.stream)
    AND v.live_until > from_time AND v.live_from < to_time
    AND p.merged_until < least(to_time, v.live_until) + make_interval(secs => v.width / 1e6)
    AND CASE WHEN v.plan_id IS NOT NULL THEN globalmart.version_reads(v.query, why_needed.stream) END
  ORDER BY v.version_id
  LIMIT 1;
  IF needed_by IS NOT NULL THEN
    RETURN needed_by;
  END IF;
  SELECT format('rollup %s, a backfill that is not finished', v.rollup) INTO needed_by
  FROM globalmart.backfills AS b
  JOIN globalmart.rollup_versions AS v USING (rollup)
  WHERE b.filled_until < b.ends AND b.ends > from_time
    AND b.filled_until < to_time + make_interval(secs => v.width / 1e6)
    AND CASE WHEN v.plan_id IS NOT NULL THEN globalmart.version_reads(v.query, why_needed.stream) END
  ORDER BY v.version_id
  LIMIT 1;
  IF needed_by IS NOT NULL THEN
    RETURN needed_by;
  END IF;
  EXECUTE format('SELECT EXISTS (SELECT FROM globalmart.%I WHERE received_at >= $1)', leaf) INTO found_row USING received_before;
  IF found_row THEN
    RETURN 'rows that arrived within the retention';
  END IF;
  IF NOT EXISTS (SELECT FROM globalmart.raw_readers AS r WHERE r.stream = why_needed.stream) THEN
    RETURN NULL;
  END IF;
  EXECUTE format(
    'SELECT r.reader || '', which has not loaded all of it'' '
    'FROM globalmart.raw_readers AS r '
    'CROSS JOIN (SELECT l.kafka_partition, max(l.kafka_offset) AS last_offset FROM globalmart.%I AS l GROUP BY 1) AS rows '
    'LEFT JOIN globalmart.raw_reader_progress AS p '
    '  ON p.reader = r.reader AND p.stream = r.stream AND p.kafka_partition = rows.kafka_partition '
    'WHERE r.stream = $1 AND coalesce(p.next_offset, -1) <= rows.last_offset LIMIT 1', leaf)
    INTO needed_by USING stream;
  RETURN needed_by;
END
$$;
COMMENT ON FUNCTION globalmart.why_needed(text, text, timestamptz, timestamptz, timestamptz) IS
  'What still needs the rows of a partition: an open window, an unfinished backfill, a recent arrival, a loader; NULL: nothing';

CREATE FUNCTION globalmart.drop_leaf(stream text, leaf text, from_time timestamptz, to_time timestamptz, received_before timestamptz)
RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  needed_by text;
  found_row boolean;
BEGIN
  needed_by := globalmart.why_needed(stream, leaf, from_time, to_time, received_before);
  IF needed_by IS NULL THEN
    EXECUTE format('SELECT EXISTS (SELECT FROM globalmart.%I)', leaf) INTO found_row;
    EXECUTE format('DROP TABLE globalmart.%I', leaf);
    IF found_row THEN
      PERFORM globalmart.record_dropped_span(stream, from_time, to_time);
    END IF;
  END IF;
  RETURN needed_by;
END
$$;
COMMENT ON FUNCTION globalmart.drop_leaf(text, text, timestamptz, timestamptz, timestamptz) IS
  'Drops a partition that nothing needs and puts its span on record; else says what needs it';

-- One day of one stream; the caller commits. Looked at first without a lock. Then rows of that old day are
-- kept out for a moment, so that one which arrives now keeps its day.
-- Times go through text here, which must not depend on the session.
CREATE FUNCTION globalmart.drop_old_leaf(stream text, day date) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' AS $$
DECLARE
  leaf text := globalmart.leaf_name(stream, day);
  received_before timestamptz := globalmart.clock() - globalmart.setting('raw_retention', stream)::interval;
  from_time timestamptz := day::timestamp AT TIME ZONE 'UTC';
  to_time timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
  needed_by text;
BEGIN
  -- The second look, under the lock, must see a row that arrived since the first.
  PERFORM globalmart.require_read_committed('days can only be dropped');
  IF received_before IS NULL OR to_time > received_before THEN
    RETURN 'the retention setting';
  END IF;
  needed_by := globalmart.why_needed(stream, leaf, from_time, to_time, received_before);
  IF needed_by IS NOT NULL THEN
    RETURN needed_by;
  END IF;
  IF NOT globalmart.try_execute(ARRAY[
       format('LOCK TABLE globalmart.%I IN SHARE ROW EXCLUSIVE MODE', leaf),
       format('SELECT globalmart.drop_leaf(%L, %L, %L, %L, %L)', stream, leaf, from_time, to_time, received_before)], 1) THEN
    RETURN 'busy';
  END IF;
  RETURN CASE WHEN to_regclass('globalmart.' || quote_ident(leaf)) IS NULL THEN 'dropped'
              ELSE 'rows that arrived just now' END;
END
$$;
COMMENT ON FUNCTION globalmart.drop_old_leaf(text, date) IS
  'Drops the partition of a day if nothing needs it: dropped, busy (somebody has it locked: try again), or what needs it';

-- Rows of the default partition go by DELETE, some thousands at a time.
CREATE FUNCTION globalmart.delete_old_default_rows(stream text, most int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  leaf text := globalmart.leaf_name(stream, NULL);
  received_before timestamptz := globalmart.clock() - globalmart.setting('raw_retention', stream)::interval;
  time_column name;
  days date[];
  from_time timestamptz;
  to_time timestamptz;
  oldest date;
  deleted int;
BEGIN
  IF received_before IS NULL THEN
    RETURN 0;
  END IF;
  SELECT s.time_column INTO time_column FROM globalmart.streams AS s WHERE s.stream = delete_old_default_rows.stream;
  -- Day by day, from the oldest: what needs a day keeps it.
  EXECUTE format('SELECT array_agg(DISTINCT (d.%I AT TIME ZONE ''UTC'')::date) FROM globalmart.%I AS d WHERE d.%I < $1 AND d.received_at < $1',
                 time_column, leaf, time_column)
    INTO days USING received_before;
  FOREACH oldest IN ARRAY coalesce(days, '{}') LOOP
    from_time := oldest::timestamp AT TIME ZONE 'UTC';
    to_time := (oldest + 1)::timestamp AT TIME ZONE 'UTC';
    CONTINUE WHEN to_time > received_before
      OR globalmart.why_needed(stream, leaf, from_time, to_time, 'infinity') IS NOT NULL;
    EXECUTE format(
      'DELETE FROM globalmart.%I WHERE ctid = ANY (ARRAY(SELECT d.ctid FROM globalmart.%I AS d '
      'WHERE d.%I >= $1 AND d.%I < $2 AND d.received_at < $3 LIMIT $4))', leaf, leaf, time_column, time_column)
      USING from_time, to_time, received_before, most;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    IF deleted > 0 THEN
      PERFORM globalmart.record_dropped_span(stream, from_time, to_time);
      RETURN deleted;
    END IF;
  END LOOP;
  RETURN 0;
END
$$;
COMMENT ON FUNCTION globalmart.delete_old_default_rows(text, int) IS
  'Deletes some rows of a stream''s default partition that nothing needs any more; gives how many';

CREATE FUNCTION globalmart.leaves_past_retention() RETURNS TABLE (stream text, day date)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT s, l.day
  FROM globalmart.partitioned_streams() AS s
  CROSS JOIN LATERAL globalmart.stream_leaves(s) AS l
  WHERE (l.day + 1)::timestamp AT TIME ZONE 'UTC' <= globalmart.clock() - globalmart.setting('raw_retention', s)::interval
  ORDER BY s, l.day
$$;
COMMENT ON FUNCTION globalmart.leaves_past_retention() IS
  'Days of streams that are older than the retention setting and still there';

-- No SET clause and no SECURITY DEFINER: either would forbid the COMMITs.
CREATE PROCEDURE globalmart.drop_old_partitions()
LANGUAGE plpgsql AS $$
DECLARE
  streams text[];
  days date[];
  outcome text;
BEGIN
  SELECT pg_catalog.array_agg(l.stream ORDER BY l.stream, l.day), pg_catalog.array_agg(l.day ORDER BY l.stream, l.day)
    INTO streams, days
  FROM globalmart.leaves_past_retention() AS l;
  FOR number IN 1 .. COALESCE(pg_catalog.cardinality(streams), 0) LOOP
    FOR attempt IN 1 .. 20 LOOP
      BEGIN
        outcome := globalmart.drop_old_leaf(streams[number], days[number]);
      EXCEPTION WHEN OTHERS THEN
        -- One day that cannot go does not keep the others.
        outcome := SQLERRM;
      END;
      COMMIT;
      EXIT WHEN outcome <> 'busy';
      -- Between two attempts nobody waits for us.
      PERFORM pg_catalog.pg_sleep(0.05);
    END LOOP;
    IF outcome <> 'dropped' THEN
      RAISE NOTICE '%', pg_catalog.format('partition %s of %s is kept: %s', days[number], streams[number],
                                          CASE outcome WHEN 'busy' THEN 'somebody has it locked; the next call tries again' ELSE outcome END);
    END IF;
  END LOOP;
  streams := ARRAY(SELECT s FROM globalmart.partitioned_streams() AS s);
  FOR number IN 1 .. COALESCE(pg_catalog.cardinality(streams), 0) LOOP
    LOOP
      EXIT WHEN globalmart.delete_old_default_rows(streams[number], 10000) = 0;
      COMMIT;
    END LOOP;
    COMMIT;
  END LOOP;
END
$$;
COMMENT ON PROCEDURE globalmart.drop_old_partitions() IS
  'Drops the days of raw events that arrived longer ago than raw_retention, and that no open window, unfinished backfill or loader needs: one transaction each, and no lock waited for longer than 50 ms. For pg_cron';

-- Rows of rollups and of the records beside them.
CREATE FUNCTION globalmart.delete_old_rollup_rows(rollup text, most int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  -- Whole months of event time.
  older_than timestamptz := date_trunc('month', globalmart.clock() - globalmart.setting('rollup_retention', rollup)::interval, 'UTC');
  time_column text;
  first_month timestamptz;
  deleted int;
BEGIN
  PERFORM globalmart.require_rollup(rollup);
  -- None where the table was dropped or renamed by hand.
  SELECT a.attname INTO time_column FROM pg_attribute AS a
  WHERE a.attrelid = to_regclass(format('globalmart.%I', rollup)) AND a.attname IN ('window_end', 'event_time') AND NOT a.attisdropped
  ORDER BY a.attname DESC LIMIT 1;
  IF older_than IS NULL OR time_column IS NULL THEN
    RETURN 0;
  END IF;
  EXECUTE format(
    'WITH gone AS (DELETE FROM globalmart.%I WHERE ctid = ANY (ARRAY(SELECT r.ctid FROM globalmart.%I AS r WHERE r.%I <= $1 LIMIT $2)) '
    'RETURNING %I AS t) SELECT count(*), date_trunc(''month'', min(t), ''UTC'') FROM gone', rollup, rollup, time_column, time_column)
    INTO deleted, first_month USING older_than, most;
  IF deleted > 0 THEN
    PERFORM globalmart.record_dropped_span(rollup, first_month, older_than);
  END IF;
  RETURN deleted;
END
$$;
COMMENT ON FUNCTION globalmart.delete_old_rollup_rows(text, int) IS
  'Deletes some rows of a rollup or detector from months that are older than rollup_retention; gives how many';

CREATE FUNCTION globalmart.unverifiable_spans() RETURNS TABLE (rollup text, from_time timestamptz, to_time timestamptz)
LANGUAGE sql STABLE ROWS 100 SET search_path = pg_catalog, pg_temp AS $$
  SELECT DISTINCT v.rollup, d.from_time, d.to_time
  FROM globalmart.dropped_spans AS d
  JOIN globalmart.streams AS s ON s.stream = d.stream
  JOIN globalmart.rollup_versions AS v ON v.domain = s.domain
  WHERE CASE WHEN v.plan_id IS NOT NULL THEN globalmart.version_reads(v.query, d.stream) END
$$;
COMMENT ON FUNCTION globalmart.unverifiable_spans() IS
  'Event time for which a rollup cannot be compared any more, because rows of a stream that it reads are gone';

CREATE FUNCTION globalmart.delete_old_records(most int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  now_at timestamptz := globalmart.clock();
  deleted int;
  total int := 0;
BEGIN
  -- While the raw rows are there, a comparison must know which of them were late.
  DELETE FROM globalmart.late_events AS l
  WHERE l.ctid = ANY (ARRAY(SELECT o.ctid
                            FROM globalmart.late_events AS o JOIN globalmart.unverifiable_spans() AS g ON g.rollup = o.rollup
                            WHERE o.received_at < now_at - globalmart.setting('late_events_retention')::interval
                              AND o.event_time >= g.from_time AND o.event_time < g.to_time
                            LIMIT most));
  GET DIAGNOSTICS deleted = ROW_COUNT;
  total := total + deleted;
  DELETE FROM globalmart.partly_late_events AS l
  WHERE l.ctid = ANY (ARRAY(SELECT o.ctid
                            FROM globalmart.partly_late_events AS o JOIN globalmart.unverifiable_spans() AS g ON g.rollup = o.rollup
                            WHERE o.event_time < now_at - globalmart.setting('late_events_retention')::interval
                              AND o.event_time >= g.from_time AND o.event_time < g.to_time
                            LIMIT most));
  GET DIAGNOSTICS deleted = ROW_COUNT;
  total := total + deleted;
  DELETE FROM globalmart.dead_letters AS d
  WHERE d.ctid = ANY (ARRAY(SELECT o.ctid FROM globalmart.dead_letters AS o
                            WHERE o.received_at < now_at - globalmart.setting('dead_letters_retention')::interval
                              AND NOT EXISTS (SELECT FROM globalmart.dead_letter_redrives AS r
                                              WHERE r.state = 'waiting' AND r.topic = o.topic
                                                AND r.kafka_partition = o.kafka_partition AND r.kafka_offset = o.kafka_offset)
                            LIMIT most));
  GET DIAGNOSTICS deleted = ROW_COUNT;
  total := total + deleted;
  DELETE FROM globalmart.dead_letter_redrives AS d
  WHERE d.ctid = ANY (ARRAY(SELECT o.ctid FROM globalmart.dead_letter_redrives AS o
                            WHERE o.finished_at < now_at - globalmart.setting('dead_letters_retention')::interval LIMIT most));
  GET DIAGNOSTICS deleted = ROW_COUNT;
  total := total + deleted;
  DELETE FROM globalmart.alerts_outbox AS a
  WHERE a.ctid = ANY (ARRAY(SELECT o.ctid FROM globalmart.alerts_outbox AS o
                            WHERE o.sent_at < now_at - globalmart.setting('alerts_retention')::interval LIMIT most));
  GET DIAGNOSTICS deleted = ROW_COUNT;
  total := total + deleted;
  -- What a span has cost is asked for beside a batch over its raw rows.
  -- Which version reads which stream is asked once, and not for each day.
  WITH readers AS MATERIALIZED (
    SELECT v.version_id, v.plan_id, s.stream
    FROM globalmart.rollup_versions AS v JOIN globalmart.streams AS s ON s.domain = v.domain
    WHERE CASE WHEN v.plan_id IS NOT NULL AND EXISTS (SELECT FROM globalmart.dropped_spans AS d WHERE d.stream = s.stream)
                    AND EXISTS (SELECT FROM globalmart.merge_costs AS m WHERE m.version_id = v.version_id
                                UNION ALL SELECT FROM globalmart.fold_costs AS f WHERE f.plan_id = v.plan_id)
               THEN globalmart.version_reads(v.query, s.stream) END),
  gone AS MATERIALIZED (
    SELECT DISTINCT r.version_id, r.plan_id, d.from_time, d.to_time
    FROM readers AS r JOIN globalmart.dropped_spans AS d ON d.stream = r.stream),
  folds AS (
    DELETE FROM globalmart.fold_costs AS f
    WHERE f.ctid = ANY (ARRAY(SELECT o.ctid FROM globalmart.fold_costs AS o JOIN gone AS g USING (plan_id)
                              WHERE o.slice >= g.from_time AND o.slice < g.to_time LIMIT most))
    RETURNING f.plan_id),
  merges AS (
    DELETE FROM globalmart.merge_costs AS m
    WHERE m.ctid = ANY (ARRAY(SELECT o.ctid FROM globalmart.merge_costs AS o JOIN gone AS g USING (version_id)
                              WHERE o.minute >= g.from_time AND o.minute < g.to_time LIMIT most))
    RETURNING m.version_id)
  SELECT count(*) INTO deleted FROM (TABLE folds UNION ALL TABLE merges) AS t;
  total := total + deleted;
  -- The shop's; how the last night and the last good one went stays known.
  IF to_regclass('globalmart.etl_runs') IS NOT NULL THEN
    DELETE FROM globalmart.etl_runs AS e
    WHERE e.ctid = ANY (ARRAY(SELECT o.ctid FROM globalmart.etl_runs AS o
                              WHERE o.started_at < now_at - globalmart.setting('etl_runs_retention')::interval
                                AND o.run_id < (SELECT max(n.run_id) FROM globalmart.etl_runs AS n)
                                AND o.run_id IS DISTINCT FROM (SELECT max(n.run_id) FROM globalmart.etl_runs AS n WHERE n.state = 'done')
                              LIMIT most));
    GET DIAGNOSTICS deleted = ROW_COUNT;
    total := total + deleted;
  END IF;
  RETURN total;
END
$$;
COMMENT ON FUNCTION globalmart.delete_old_records(int) IS
  'Deletes some late events, dead letters, finished redrives, sent alerts and runs of run_etl() that are older than their retention settings, and what folds and merges of event time have cost whose raw rows are gone; gives how many';

CREATE FUNCTION globalmart.rollup_names() RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT c.name FROM globalmart.rollup_catalog AS c ORDER BY c.name
$$;
COMMENT ON FUNCTION globalmart.rollup_names() IS 'All rollups and detectors';

CREATE PROCEDURE globalmart.delete_old_rows()
LANGUAGE plpgsql AS $$
DECLARE
  each_rollup text;
BEGIN
  LOOP
    EXIT WHEN globalmart.delete_old_records(10000) = 0;
    COMMIT;
  END LOOP;
  FOREACH each_rollup IN ARRAY ARRAY(SELECT r FROM globalmart.rollup_names() AS r) LOOP
    LOOP
      EXIT WHEN globalmart.delete_old_rollup_rows(each_rollup, 10000) = 0;
      COMMIT;
    END LOOP;
    COMMIT;
  END LOOP;
END
$$;
COMMENT ON PROCEDURE globalmart.delete_old_rows() IS
  'Deletes what is older than rollup_retention, late_events_retention, dead_letters_retention, alerts_retention and etl_runs_retention, some thousands of rows a transaction. For pg_cron';
