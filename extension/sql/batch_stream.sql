-- The two executions side by side, for whoever wants to see what the stream spares.

CREATE FUNCTION globalmart.compare_batch_stream(from_time timestamptz DEFAULT NULL, to_time timestamptz DEFAULT NULL)
RETURNS TABLE (rollup text, rows bigint, differences bigint, batch_seconds double precision, last_merge_seconds double precision,
               stream_age interval, batch_age interval, problem text)
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
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL
      INTO rows, differences, batch_seconds, last_merge_seconds, stream_age, batch_age, problem;
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
      EXECUTE format(
        'SELECT avg(q.created_at - q.window_end), avg(globalmart.clock() - q.window_end) FROM globalmart.%I AS q '
        'WHERE q.window_end > $1 AND q.window_end <= $2 AND q.window_start >= (SELECT min(v.live_from) FROM globalmart.rollup_versions AS v WHERE v.rollup = $3)',
        rollup) INTO stream_age, batch_age
        USING coalesce(from_time, '-infinity'), coalesce(to_time, 'infinity'), rollup;
    EXCEPTION WHEN object_not_in_prerequisite_state THEN
      SELECT NULL, NULL, NULL, SQLERRM INTO rows, differences, batch_seconds, problem;
    END;
    SELECT p.merge_seconds INTO last_merge_seconds
    FROM globalmart.rollup_progress AS p JOIN globalmart.rollup_versions AS v USING (version_id)
    WHERE v.rollup = compare_batch_stream.rollup AND p.merge_seconds > 0 ORDER BY p.published_at DESC NULLS LAST LIMIT 1;
    RETURN NEXT;
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.compare_batch_stream(timestamptz, timestamptz) IS
  'For every live rollup and its closed windows that end in (from_time, to_time], by default all: rows, differences between stream and batch as verify finds them, seconds of the batch query as measured now, seconds of the rollup''s last merge (whatever its windows: no other time of the stream is on record), and how old a window''s answer is on average when it is there: in the stream, and in a batch run now. problem: why a rollup was not compared';
