-- One definition, two executions: the batch form of a rollup, the comparison of both, and the filling of
-- windows that the stream never saw.

CREATE FUNCTION globalmart.batch_parts(rollup text)
RETURNS TABLE (version_id int, query text, window_query text, columns text[], clock_columns text[], per_window boolean,
               window_kind text, width interval, slide interval, window_offset interval,
               live_from timestamptz, live_until timestamptz, first_version boolean,
               merged_until timestamptz, backfilled_until timestamptz)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT v.version_id, d.batch_query, d.batch_window_query, v.columns, v.clock_columns, v.per_window, v.window_kind,
         make_interval(secs => v.width / 1e6), make_interval(secs => v.slide / 1e6), make_interval(secs => v.window_offset / 1e6),
         v.live_from, v.live_until,
         NOT EXISTS (SELECT FROM globalmart.rollup_versions AS o WHERE o.rollup = v.rollup AND o.version_id < v.version_id),
         p.merged_until, p.backfilled_until
  FROM globalmart.rollup_versions AS v JOIN globalmart.rollup_progress AS p USING (version_id),
    LATERAL globalmart.describe_rollup(v.query, v.version_id, v.rollup) AS d
  WHERE v.rollup = batch_parts.rollup
  ORDER BY v.version_id
$$;
COMMENT ON FUNCTION globalmart.batch_parts(text) IS
  'The batch form of each version of a rollup. Parameters: $1 < window_end <= $2, $3 and $4 bound event time and window starts';

-- The batch query of one version with its bounds written in.
CREATE FUNCTION globalmart.bound_batch_query(query text, ended_after timestamptz, ended_until timestamptz,
                                             events_from timestamptz, events_until timestamptz)
RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD' AS $$
  SELECT globalmart.bind_parameters(query,
    quote_literal(ended_after) || '::timestamptz', quote_literal(ended_until) || '::timestamptz',
    quote_literal(events_from) || '::timestamptz', quote_literal(events_until) || '::timestamptz')
$$;
COMMENT ON FUNCTION globalmart.bound_batch_query(text, timestamptz, timestamptz, timestamptz, timestamptz) IS
  'Writes bounds into a batch query, so that it can be pasted into psql';

-- What there is to compare: the windows that the stream closed, of every version, and those that a backfill
-- filled. The table of backfills comes later in the script.
CREATE FUNCTION globalmart.comparison_parts(rollup text)
RETURNS TABLE (version_id int, query text, window_query text, columns text[], clock_columns text[], per_window boolean,
               window_kind text, width interval, ended_after timestamptz, ended_until timestamptz,
               begun_from timestamptz, begun_until timestamptz)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY
    SELECT p.version_id, p.query, p.window_query, p.columns, p.clock_columns, p.per_window, p.window_kind, p.width,
           s.ended_after, s.ended_until, s.begun_from, s.begun_until
    FROM globalmart.batch_parts(comparison_parts.rollup) AS p
    CROSS JOIN LATERAL (
      SELECT CASE p.window_kind WHEN 'session' THEN '-infinity' ELSE p.live_from END, p.merged_until, p.live_from, p.live_until
      UNION ALL
      SELECT b.filled_from, b.filled_until, '-infinity', p.live_from FROM globalmart.backfills AS b
      WHERE p.first_version AND b.rollup = comparison_parts.rollup) AS s(ended_after, ended_until, begun_from, begun_until);
END
$$;
COMMENT ON FUNCTION globalmart.comparison_parts(text) IS
  'Closed and filled windows of a rollup, by version: those with ended_after < window_end <= ended_until that begin in [begun_from, begun_until)';

-- The first event time that windows which end after a time are made of. Sessions have no width: they are as
-- old as the rollup's rows say.
CREATE FUNCTION globalmart.rows_needed_from(version globalmart.rollup_versions, ended_after timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  oldest timestamptz;
BEGIN
  IF version.window_kind <> 'session' THEN
    RETURN globalmart.closable_until(ended_after, version.window_kind, version.width, version.slide, version.window_offset)
           + make_interval(secs => (version.slide - version.width) / 1e6);
  END IF;
  EXECUTE format('SELECT min(r.window_start) FROM globalmart.%I AS r WHERE r.window_end > $1', version.rollup)
    INTO oldest USING ended_after;
  RETURN least(oldest, ended_after - make_interval(secs => version.width / 1e6));
END
$$;
COMMENT ON FUNCTION globalmart.rows_needed_from(globalmart.rollup_versions, timestamptz) IS
  'The earliest event time in windows of a rollup version that end after a time';

CREATE FUNCTION globalmart.require_comparable(version_id int, ended_after timestamptz, ended_until timestamptz, begun_from timestamptz)
RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  version globalmart.rollup_versions;
BEGIN
  SELECT v.* INTO version FROM globalmart.rollup_versions AS v WHERE v.version_id = require_comparable.version_id;
  PERFORM globalmart.require_raw_rows(s.stream, greatest(globalmart.rows_needed_from(version, ended_after), begun_from), ended_until)
  FROM globalmart.streams AS s
  WHERE s.relation = ANY ((globalmart.describe_rollup(version.query, version.version_id)).relations);
  -- Retention of rollups goes by the ends of windows.
  PERFORM globalmart.require_raw_rows(version.rollup, ended_after, ended_until + interval '1 microsecond');
END
$$;
COMMENT ON FUNCTION globalmart.require_comparable(int, timestamptz, timestamptz, timestamptz) IS
  'Raises SQLSTATE 55000 when retention took rows of the streams or of the rollup that a comparison of windows with ended_after < window_end <= ended_until needs';

CREATE FUNCTION globalmart.batch_query(rollup text, ended_after timestamptz DEFAULT '-infinity', ended_until timestamptz DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  part record;
  made text;
  until timestamptz;
  after timestamptz;
BEGIN
  PERFORM globalmart.require_rollup(rollup, 'rollup');
  FOR part IN SELECT * FROM globalmart.comparison_parts(batch_query.rollup) LOOP
    until := CASE WHEN ended_until IS NULL THEN part.ended_until
                  -- What the stream has not closed yet may be asked for, too.
                  WHEN part.begun_until > part.ended_until THEN ended_until
                  ELSE least(ended_until, part.ended_until) END;
    after := greatest(batch_query.ended_after, part.ended_after);
    IF after < until THEN
      PERFORM globalmart.require_comparable(part.version_id, after, until, part.begun_from);
    END IF;
    made := COALESCE(made || E'\nUNION ALL\n', '') || '(' || globalmart.bound_batch_query(
      CASE WHEN part.per_window
           THEN globalmart.each_window_query(globalmart.bound_batch_query(part.window_query, after, until, part.begun_from, part.begun_until), part.query)
           ELSE part.query END, after, until, part.begun_from, part.begun_until) || ')';
  END LOOP;
  RETURN made;
END
$$;
COMMENT ON FUNCTION globalmart.batch_query(text, timestamptz, timestamptz) IS
  'SQL over the raw rows that gives the rollup''s rows for windows with ended_after < window_end <= ended_until (by default all that are closed); for sessions by gaps between events. Refuses a span whose raw rows were dropped';

-- The windows of a version to look at: all at once, or one after another where the query must see one window
-- at a time. Then only events of that window are read.
CREATE FUNCTION globalmart.comparison_spans(part_per_window boolean, window_query text, window_kind text, width interval,
                                            ended_after timestamptz, ended_until timestamptz, events_from timestamptz, events_until timestamptz)
RETURNS TABLE (span_after timestamptz, span_until timestamptz, span_from timestamptz, span_to timestamptz)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT part_per_window THEN
    RETURN QUERY SELECT ended_after, ended_until, events_from, events_until;
  ELSIF window_kind = 'session' THEN
    RETURN QUERY EXECUTE format('SELECT w.window_end - interval ''1 microsecond'', w.window_end, $3, $4 FROM (%s) AS w ORDER BY 2', window_query)
      USING ended_after, ended_until, events_from, events_until;
  ELSE
    RETURN QUERY EXECUTE format(
      'SELECT w.window_end - interval ''1 microsecond'', w.window_end, w.window_end - $5, w.window_end - $5 + interval ''1 microsecond'' '
      'FROM (%s) AS w ORDER BY 2', window_query)
      USING ended_after, ended_until, events_from, events_until, width;
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.comparison_spans(boolean, text, text, interval, timestamptz, timestamptz, timestamptz, timestamptz) IS
  'Spans of window ends to compare at a time, and of the window starts in them';

CREATE FUNCTION globalmart.verify(name text, "from" timestamptz DEFAULT NULL, "to" timestamptz DEFAULT NULL)
RETURNS TABLE (difference text, row_data jsonb)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  part record;
  span record;
  compared text;
  after timestamptz;
  until timestamptz;
BEGIN
  PERFORM globalmart.require_rollup(verify.name, 'rollup');
  FOR part IN SELECT * FROM globalmart.comparison_parts(verify.name) LOOP
    SELECT string_agg('q.' || quote_ident(c), ', ' ORDER BY n) INTO compared
    FROM unnest(part.columns) WITH ORDINALITY AS u(c, n) WHERE NOT c = ANY (part.clock_columns);
    until := least(COALESCE(verify."to", 'infinity'), part.ended_until);
    after := greatest(COALESCE(verify."from", '-infinity'), part.ended_after);
    IF after >= until THEN
      CONTINUE;
    END IF;
    PERFORM globalmart.require_comparable(part.version_id, after, until, part.begun_from);
    FOR span IN SELECT * FROM globalmart.comparison_spans(
      part.per_window,
      format('%s UNION SELECT q.window_end FROM globalmart.%I AS q WHERE q.window_end > $1 AND q.window_end <= $2 '
             'AND q.window_start >= $3 AND q.window_start < $4', part.window_query, verify.name),
      part.window_kind, part.width, after, until, part.begun_from, part.begun_until) LOOP
      RETURN QUERY EXECUTE format(
        'WITH closed AS (SELECT %1$s FROM globalmart.%2$I AS q WHERE q.window_end > $1 AND q.window_end <= $2 '
        '                AND q.window_start >= $3 AND q.window_start < $4), '
        '     batch AS (SELECT %1$s FROM (%3$s) AS q) '
        'SELECT ''only in the rollup'', to_jsonb(d) FROM (TABLE closed EXCEPT ALL TABLE batch) AS d '
        'UNION ALL '
        'SELECT ''only in the batch'', to_jsonb(d) FROM (TABLE batch EXCEPT ALL TABLE closed) AS d',
        compared, verify.name, part.query)
        USING span.span_after, span.span_until, span.span_from, span.span_to;
    END LOOP;
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.verify(text, timestamptz, timestamptz) IS
  'Runs a rollup''s definition over the raw rows and compares with its rows of closed and filled windows that end in (from, to], by default all: one row a difference, none when equal. Refuses a span whose raw rows were dropped';
