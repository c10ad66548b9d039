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
  SELECT regexp_replace(regexp_replace(regexp_replace(regexp_replace(query,
    '\$1(?!\d)', quote_literal(ended_after) || '::timestamptz', 'g'),
    '\$2(?!\d)', quote_literal(ended_until) || '::timestamptz', 'g'),
    '\$3(?!\d)', quote_literal(events_from) || '::timestamptz', 'g'),
    '\$4(?!\d)', quote_literal(events_until) || '::timestamptz', 'g')
$$;
COMMENT ON FUNCTION globalmart.bound_batch_query(text, timestamptz, timestamptz, timestamptz, timestamptz) IS
  'Writes bounds into a batch query, so that it can be pasted into psql';

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
  FOR part IN SELECT * FROM globalmart.batch_parts(batch_query.rollup) LOOP
    until := COALESCE(ended_until, part.merged_until);
    after := greatest(ended_after, CASE WHEN part.window_kind = 'session' THEN '-infinity' ELSE part.live_from END);
    made := COALESCE(made || E'\nUNION ALL\n', '') || '(' || globalmart.bound_batch_query(
      CASE WHEN part.per_window
           THEN globalmart.each_window_query(globalmart.bound_batch_query(part.window_query, after, until, part.live_from, part.live_until), part.query)
           ELSE part.query END, after, until,
      part.live_from, part.live_until) || ')';
  END LOOP;
  RETURN made;
END
$$;
COMMENT ON FUNCTION globalmart.batch_query(text, timestamptz, timestamptz) IS
  'SQL over the raw rows that gives the rollup''s rows for windows with ended_after < window_end <= ended_until (by default all that are closed); for sessions by gaps between events';

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
  source record;
  compared text;
  after timestamptz;
  until timestamptz;
BEGIN
  PERFORM globalmart.require_rollup(verify.name, 'rollup');
  FOR part IN SELECT * FROM globalmart.batch_parts(verify.name) LOOP
    SELECT string_agg('q.' || quote_ident(c), ', ' ORDER BY n) INTO compared
    FROM unnest(part.columns) WITH ORDINALITY AS u(c, n) WHERE NOT c = ANY (part.clock_columns);
    until := least(COALESCE(verify."to", 'infinity'), part.merged_until);
    after := greatest(COALESCE(verify."from", '-infinity'), CASE WHEN part.window_kind = 'session' THEN '-infinity' ELSE part.live_from END);
    IF after >= until THEN
      CONTINUE;
    END IF;
    FOR source IN SELECT s.stream, s.relation::text AS relation
                  FROM globalmart.streams AS s, globalmart.rollup_versions AS v
                  WHERE v.version_id = part.version_id AND s.relation = ANY ((globalmart.describe_rollup(v.query)).relations) LOOP
      -- An earliest event is no bound: only what is dropped can be missing.
      PERFORM globalmart.require_raw_rows(source.stream, after, until);
    END LOOP;
    FOR span IN SELECT * FROM globalmart.comparison_spans(
      part.per_window,
      format('%s UNION SELECT q.window_end FROM globalmart.%I AS q WHERE q.window_end > $1 AND q.window_end <= $2 '
             'AND q.window_start >= $3 AND q.window_start < $4', part.window_query, verify.name),
      part.window_kind, part.width, after, until, part.live_from, part.live_until) LOOP
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
  'Runs a rollup''s definition over the raw rows and compares with its closed rows of windows that end in (from, to], by default all: one row a difference, none when equal. Refuses a span whose raw rows were dropped';

-- Filling windows from before the rollup was live.
CREATE FUNCTION globalmart.backfill_publish(name text, until timestamptz) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  UPDATE globalmart.rollup_progress AS p SET backfilled_until = $2
  FROM globalmart.rollup_versions AS v
  WHERE v.version_id = p.version_id AND v.rollup = $1 AND p.backfilled_until < $2
    AND NOT EXISTS (SELECT FROM globalmart.rollup_versions AS o WHERE o.rollup = v.rollup AND o.version_id < v.version_id)
$$;
COMMENT ON FUNCTION globalmart.backfill_publish(text, timestamptz) IS
  'Makes events of windows that end by then late for the rollup: their rows are about to be filled in';

CREATE TABLE globalmart.backfills (
  rollup       text PRIMARY KEY,
  events_from  timestamptz NOT NULL,
  filled_until timestamptz NOT NULL,
  ends         timestamptz NOT NULL,
  rows_filled  bigint NOT NULL DEFAULT 0,
  updated_at   timestamptz NOT NULL DEFAULT globalmart.clock()
);
COMMENT ON TABLE globalmart.backfills IS 'How far backfill_rollup has come; it goes on from there when called again';

CREATE FUNCTION globalmart.backfill_step(name text, step interval) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  state globalmart.backfills;
  part record;
  target timestamptz;
  columns text;
  span record;
  more bigint;
  filled bigint := 0;
BEGIN
  SELECT b.* INTO state FROM globalmart.backfills AS b WHERE b.rollup = backfill_step.name FOR UPDATE;
  SELECT * INTO part FROM globalmart.batch_parts(backfill_step.name) AS p WHERE p.first_version;
  target := part.backfilled_until;
  IF state.filled_until >= target THEN
    RETURN state.filled_until < state.ends;
  END IF;
  SELECT string_agg(quote_ident(c), ', ' ORDER BY n) INTO columns FROM unnest(part.columns) WITH ORDINALITY AS u(c, n);
  PERFORM globalmart.set_processing_time(globalmart.clock());
  FOR span IN SELECT * FROM globalmart.comparison_spans(part.per_window, part.window_query, part.window_kind, part.width,
                                                        state.filled_until, target, '-infinity', part.live_from) LOOP
    EXECUTE format('INSERT INTO globalmart.%I (%s, created_at) SELECT q.*, globalmart.processing_time() FROM (%s) AS q', backfill_step.name, columns, part.query)
      USING span.span_after, span.span_until, span.span_from, span.span_to;
    GET DIAGNOSTICS more = ROW_COUNT;
    filled := filled + more;
  END LOOP;
  PERFORM globalmart.set_processing_time(NULL);
  UPDATE globalmart.backfills AS b
  SET filled_until = target, rows_filled = b.rows_filled + filled, updated_at = globalmart.clock()
  WHERE b.rollup = backfill_step.name;
  RAISE INFO 'rollup % is filled up to % of %, % rows', backfill_step.name, target, state.ends, state.rows_filled + filled;
  RETURN target < state.ends;
END
$$;
COMMENT ON FUNCTION globalmart.backfill_step(text, interval) IS 'Fills the windows that backfill_publish announced';

CREATE FUNCTION globalmart.backfill_begin(name text, step interval) RETURNS timestamptz
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  rollup globalmart.rollup_catalog;
  part record;
  source record;
  oldest timestamptz;
  first_event timestamptz;
  watermark timestamptz;
  last_end timestamptz;
  next_until timestamptz;
  filled timestamptz;
  unit interval;
BEGIN
  PERFORM globalmart.require_owner();
  rollup := globalmart.require_rollup(backfill_begin.name, 'rollup');
  SELECT * INTO part FROM globalmart.batch_parts(backfill_begin.name) AS p WHERE p.first_version;
  IF part.live_from = '-infinity' THEN
    RAISE NOTICE 'rollup % has been live from its first event: there is nothing to fill', backfill_begin.name;
    RETURN NULL;
  END IF;
  FOR source IN SELECT s.relation::text AS relation, s.time_column FROM globalmart.streams AS s
                WHERE s.relation = ANY ((globalmart.describe_rollup(rollup.query)).relations) LOOP
    EXECUTE format('SELECT min(t.%I) FROM %s AS t', source.time_column, source.relation) INTO oldest;
    first_event := least(first_event, oldest);
  END LOOP;
  -- Only windows that the watermark has passed: younger ones would be filled too early.
  watermark := globalmart.domain_watermark(rollup.domain, rollup.idle_timeout, rollup.watermark_policy) - rollup.lateness;
  last_end := CASE WHEN part.window_kind = 'session' THEN part.live_from ELSE part.live_from + part.width - part.slide END;
  IF first_event IS NULL OR watermark IS NULL THEN
    RETURN NULL;
  END IF;
  INSERT INTO globalmart.backfills AS b (rollup, events_from, filled_until, ends)
  VALUES (backfill_begin.name, first_event, first_event - interval '1 microsecond', last_end)
  ON CONFLICT DO NOTHING;
  unit := greatest(step, part.width);
  SELECT b.filled_until INTO filled FROM globalmart.backfills AS b WHERE b.rollup = backfill_begin.name;
  -- A stretch without events is passed over in one step: on to the next event.
  next_until := NULL;
  FOR source IN SELECT s.relation::text AS relation, s.time_column FROM globalmart.streams AS s
                WHERE s.relation = ANY ((globalmart.describe_rollup(rollup.query)).relations) LOOP
    EXECUTE format('SELECT min(t.%I) FROM %s AS t WHERE t.%I > $1', source.time_column, source.relation, source.time_column)
      INTO oldest USING filled - part.width;
    next_until := least(next_until, oldest);
  END LOOP;
  next_until := least(greatest(filled, coalesce(next_until, last_end)) + unit, last_end, watermark);
  IF part.window_kind <> 'session' THEN
    next_until := globalmart.closable_until(next_until, part.window_kind, (extract(epoch FROM part.width) * 1e6)::bigint,
      (extract(epoch FROM part.slide) * 1e6)::bigint, (extract(epoch FROM part.window_offset) * 1e6)::bigint);
  END IF;
  IF next_until <= (SELECT b.filled_until FROM globalmart.backfills AS b WHERE b.rollup = backfill_begin.name) THEN
    RETURN NULL;
  END IF;
  PERFORM globalmart.require_raw_rows(s.stream, next_until - unit - part.width, next_until) FROM globalmart.streams AS s
  WHERE s.relation = ANY ((globalmart.describe_rollup(rollup.query)).relations);
  PERFORM globalmart.backfill_publish(backfill_begin.name, next_until);
  RETURN next_until;
END
$$;
COMMENT ON FUNCTION globalmart.backfill_begin(text, interval) IS 'Announces the next windows of a backfill; NULL when none is left';

CREATE PROCEDURE globalmart.backfill_rollup(name text, step interval DEFAULT '1 hour')
LANGUAGE plpgsql AS $$
BEGIN
  -- Publish, wait, fill: as a close, so that an event is either in the raw rows that are read, or late.
  WHILE globalmart.backfill_begin(name, step) IS NOT NULL LOOP
    COMMIT;
    PERFORM globalmart.wait_for_folds();
    COMMIT;
    PERFORM globalmart.backfill_step(name, step);
    COMMIT;
  END LOOP;
END
$$;
COMMENT ON PROCEDURE globalmart.backfill_rollup(text, interval) IS
  'Fills a rollup''s windows from before it was live out of the raw rows, step by step, each committed: it can be stopped and called again. Its progress is in globalmart.backfills';

CREATE FUNCTION globalmart.partial_groups(rollup text) RETURNS TABLE (slice timestamptz, chunks bigint, groups bigint, bytes bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_rollup globalmart.rollup_catalog := globalmart.require_rollup(rollup, 'rollup');
BEGIN
  RETURN QUERY EXECUTE format(
    'SELECT l.slice, count(*), sum(l.groups), sum(octet_length(l.body))::bigint FROM ('
    'SELECT * FROM globalmart.%I UNION ALL SELECT * FROM globalmart.%I) AS l '
    'WHERE l.plan_id IN (SELECT v.plan_id FROM globalmart.rollup_versions AS v WHERE v.rollup = $1) '
    'GROUP BY l.slice ORDER BY l.slice',
    'partial_log_' || found_rollup.domain || '_0', 'partial_log_' || found_rollup.domain || '_1') USING rollup;
END
$$;
COMMENT ON FUNCTION globalmart.partial_groups(text) IS
  'What the log holds of the partials that a rollup is merged from: chunks, groups and bytes by slice';

CREATE FUNCTION globalmart.explain_rollup(rollup text) RETURNS TABLE (property text, value text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_rollup globalmart.rollup_catalog := globalmart.require_rollup(rollup);
  v record;
BEGIN
  IF found_rollup.kind = 'detector' THEN
    RETURN QUERY SELECT 'strategy', 'at once: a filter over new rows, in the transaction that brings them';
    RETURN;
  END IF;
  FOR v IN SELECT r.*, p.slice_width, p.key_signatures, p.aggregate_signatures, p.source,
                  (SELECT string_agg(DISTINCT o.rollup, ', ') FROM globalmart.rollup_versions AS o
                   WHERE o.plan_id = r.plan_id AND o.rollup <> r.rollup) AS others
           FROM globalmart.rollup_versions AS r JOIN globalmart.partial_plans AS p USING (plan_id)
           WHERE r.rollup = explain_rollup.rollup ORDER BY r.version_id LOOP
    RETURN QUERY VALUES
      ('version', format('%s, windows that begin in [%s, %s)', v.version_id, v.live_from, v.live_until)),
      ('source', v.source),
      ('window', CASE v.window_kind
         WHEN 'session' THEN 'session, gap ' || make_interval(secs => v.width / 1e6)
         WHEN 'hop' THEN format('sliding, %s every %s', make_interval(secs => v.width / 1e6), make_interval(secs => v.slide / 1e6))
         ELSE 'tumbling, ' || make_interval(secs => v.width / 1e6) END),
      ('slice', CASE v.window_kind WHEN 'session' THEN 'runs of events up to the gap'
                ELSE make_interval(secs => v.slice_width / 1e6)::text END),
      ('keys', COALESCE((SELECT string_agg(v.key_signatures[k + 1], ', ') FROM unnest(v.key_numbers) AS k), 'none')),
      ('aggregates', (SELECT string_agg(v.aggregate_signatures[a + 1], ', ') FROM unnest(v.aggregate_numbers) AS a)),
      ('partials', format('plan %s, keys (%s), %s states', v.plan_id, array_to_string(v.key_signatures, ', '),
                          cardinality(v.aggregate_signatures))),
      ('shared with', COALESCE(v.others, 'nobody')),
      ('strategy', 'partials of each batch, merged at the close' || CASE WHEN v.per_window THEN ', one window at a time' ELSE '' END),
      ('close', v.close_query);
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.explain_rollup(text) IS
  'How a rollup is kept: source, window, slice, keys, aggregates, with whom its partials are shared, the query of its closes';
