-- The two executions side by side, for whoever wants to see what the stream spares.

-- What the stream has spent on windows is what its folds have spent on their events, and its merges on their rows.
-- Events of sliding windows stand in several, and count with the first that ends.
CREATE FUNCTION globalmart.stream_costs(rollup text, from_time timestamptz DEFAULT NULL, to_time timestamptz DEFAULT NULL)
RETURNS TABLE (windows bigint, rows bigint, rows_folded bigint, fold_seconds double precision, fold_cpu_seconds double precision,
               merge_seconds double precision, merge_cpu_seconds double precision)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
  part record;
  version record;
  folds record;
  merges record;
  after timestamptz;
  until timestamptz;
BEGIN
  PERFORM globalmart.require_rollup(rollup, 'rollup');
  SELECT 0, 0, 0, 0, 0, 0, 0 INTO windows, rows, rows_folded, fold_seconds, fold_cpu_seconds, merge_seconds, merge_cpu_seconds;
  FOR part IN SELECT * FROM globalmart.comparison_parts(stream_costs.rollup) LOOP
    until := least(coalesce(to_time, 'infinity'), part.ended_until);
    after := greatest(coalesce(from_time, '-infinity'), part.ended_after);
    CONTINUE WHEN after >= until;
    PERFORM globalmart.require_comparable(part.version_id, after, until, part.begun_from);
    SELECT v.*, p.costs_from, globalmart.closable_until(until, v.window_kind, v.width, v.slide, v.window_offset) AS events_until,
           greatest(v.live_from, globalmart.closable_until(greatest(after, v.live_from), v.window_kind, v.width, v.slide, v.window_offset)) AS events_from
      INTO version
    FROM globalmart.rollup_versions AS v JOIN globalmart.rollup_progress AS p USING (version_id) WHERE v.version_id = part.version_id;
    -- A sum without the windows that a backfill filled, or that closed before anything was recorded, would be too small.
    IF part.begun_from < version.live_from OR version.costs_from IS NULL OR greatest(after, version.live_from) < version.costs_from THEN
      SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL
        INTO windows, rows, rows_folded, fold_seconds, fold_cpu_seconds, merge_seconds, merge_cpu_seconds;
      RETURN NEXT;
      RETURN;
    END IF;
    SELECT coalesce(sum(m.windows), 0) AS windows, coalesce(sum(m.rows), 0) AS rows, coalesce(sum(m.seconds), 0) AS seconds,
           coalesce(sum(m.cpu_seconds), 0) AS cpu_seconds
      INTO merges
    FROM globalmart.merge_costs AS m WHERE m.version_id = part.version_id AND m.minute >= after AND m.minute < until;
    -- One partial that was folded without a record makes the sum unknown.
    SELECT CASE WHEN count(c.rows) = count(*) THEN coalesce(sum(c.rows), 0) END AS rows,
           CASE WHEN count(c.seconds) = count(*) THEN coalesce(sum(c.seconds), 0) END AS seconds,
           CASE WHEN count(c.cpu_seconds) = count(*) THEN coalesce(sum(c.cpu_seconds), 0) END AS cpu_seconds
      INTO folds
    FROM (
      SELECT f.rows, f.seconds, f.cpu_seconds FROM globalmart.fold_costs AS f
      WHERE f.plan_id = version.plan_id AND f.slice >= version.events_from AND f.slice < version.events_until
      UNION ALL
      SELECT l.rows, l.seconds, l.cpu_seconds
      FROM globalmart.domains AS d CROSS JOIN generate_series(0, 1) AS g(generation),
        LATERAL globalmart.log_costs(format('partial_log_%s_%s', d.domain, g.generation), version.plan_id, version.events_from, version.events_until) AS l
      WHERE d.domain = version.domain AND (g.generation = d.generation OR d.draining)) AS c;
    windows := windows + merges.windows;
    rows := rows + merges.rows;
    rows_folded := rows_folded + folds.rows;
    fold_seconds := fold_seconds + folds.seconds;
    fold_cpu_seconds := fold_cpu_seconds + folds.cpu_seconds;
    merge_seconds := merge_seconds + merges.seconds;
    merge_cpu_seconds := merge_cpu_seconds + merges.cpu_seconds;
  END LOOP;
  RETURN NEXT;
END
$$;
COMMENT ON FUNCTION globalmart.stream_costs(text, timestamptz, timestamptz) IS
  'What the stream has spent on a rollup''s closed windows that end in (from_time, to_time], by default all, to the minute: its share of the folds of their events, and the merges. NULL where not all of it was recorded: windows that a backfill filled. Refuses a span whose raw rows were dropped';

CREATE FUNCTION globalmart.compare_batch_stream(from_time timestamptz DEFAULT NULL, to_time timestamptz DEFAULT NULL)
RETURNS TABLE (rollup text, rows bigint, differences bigint, batch_seconds double precision, stream_seconds double precision,
               stream_cpu_seconds double precision, stream_age interval, batch_age interval, problem text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
  part record;
  span record;
  found_rows bigint;
  started timestamptz;
  after timestamptz;
  until timestamptz;
BEGIN
  FOR compare_batch_stream.rollup IN SELECT c.name FROM globalmart.rollup_catalog AS c WHERE c.kind = 'rollup' AND c.state = 'live' ORDER BY c.name LOOP
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
      INTO rows, differences, batch_seconds, stream_seconds, stream_cpu_seconds, stream_age, batch_age, problem;
    BEGIN
      rows := 0;
      batch_seconds := 0;
      FOR part IN SELECT * FROM globalmart.comparison_parts(rollup) LOOP
        until := least(coalesce(to_time, 'infinity'), part.ended_until);
        after := greatest(coalesce(from_time, '-infinity'), part.ended_after);
        CONTINUE WHEN after >= until;
        PERFORM globalmart.require_comparable(part.version_id, after, until, part.begun_from);
        started := clock_timestamp();
        FOR span IN SELECT * FROM globalmart.comparison_spans(part.per_window, part.window_query, part.window_kind, part.width,
                                                              after, until, part.begun_from, part.begun_until) LOOP
          -- Whole rows are counted, or the planner would leave out columns that nobody asks for.
          EXECUTE format('SELECT count(q) FROM (%s) AS q', part.query) INTO found_rows
            USING span.span_after, span.span_until, span.span_from, span.span_to;
          rows := rows + found_rows;
        END LOOP;
        batch_seconds := batch_seconds + extract(epoch FROM clock_timestamp() - started);
      END LOOP;
      SELECT count(*) INTO differences FROM globalmart.verify(rollup, from_time, to_time);
      SELECT c.fold_seconds + c.merge_seconds, c.fold_cpu_seconds + c.merge_cpu_seconds INTO stream_seconds, stream_cpu_seconds
      FROM globalmart.stream_costs(rollup, from_time, to_time) AS c;
      EXECUTE format(
        'SELECT avg(q.created_at - q.window_end), avg(globalmart.clock() - q.window_end) FROM globalmart.%I AS q '
        'WHERE q.window_end > $1 AND q.window_end <= $2 AND q.window_start >= (SELECT min(v.live_from) FROM globalmart.rollup_versions AS v WHERE v.rollup = $3)',
        rollup) INTO stream_age, batch_age
        USING coalesce(from_time, '-infinity'), coalesce(to_time, 'infinity'), rollup;
    EXCEPTION WHEN object_not_in_prerequisite_state THEN
      SELECT NULL, NULL, NULL, NULL, NULL, SQLERRM INTO rows, differences, batch_seconds, stream_seconds, stream_cpu_seconds, problem;
    END;
    RETURN NEXT;
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.compare_batch_stream(timestamptz, timestamptz) IS
  'For every live rollup and its closed windows that end in (from_time, to_time], by default all: rows, differences between stream and batch as verify finds them, seconds of the batch query as measured now, seconds and CPU seconds that the stream spent on them (its share of their folds, and their merges; NULL where not all was recorded: see stream_costs), and how old a window''s answer is on average when it is there: in the stream, and in a batch run now. problem: why a rollup was not compared';
