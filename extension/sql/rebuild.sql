-- The one exception to rows that are only appended: closed windows made anew out of the raw rows, late events
-- counted, for the owner and on record.

CREATE TABLE globalmart.rollup_rebuilds (
  rebuild_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  rollup      text NOT NULL,
  from_time   timestamptz NOT NULL,
  to_time     timestamptz NOT NULL,
  reason      text,
  rebuilt_by  name NOT NULL DEFAULT session_user,
  started_at  timestamptz NOT NULL DEFAULT globalmart.clock(),
  done_until  timestamptz NOT NULL,
  finished_at timestamptz,
  late_events bigint NOT NULL DEFAULT 0,
  windows     bigint NOT NULL DEFAULT 0,
  rows_before bigint NOT NULL DEFAULT 0,
  rows_after  bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE globalmart.rollup_rebuilds IS 'Every call of rebuild_rollup: who replaced closed rows of which rollup, when and why';
COMMENT ON COLUMN globalmart.rollup_rebuilds.rebuild_id IS 'Number of the rebuild';
COMMENT ON COLUMN globalmart.rollup_rebuilds.rollup IS 'Rollup';
COMMENT ON COLUMN globalmart.rollup_rebuilds.reason IS 'Why, as the caller said';
COMMENT ON COLUMN globalmart.rollup_rebuilds.started_at IS 'When it began';
COMMENT ON COLUMN globalmart.rollup_rebuilds.from_time IS 'Windows that end later; -infinity: from the first one on';
COMMENT ON COLUMN globalmart.rollup_rebuilds.to_time IS 'And that end by then';
COMMENT ON COLUMN globalmart.rollup_rebuilds.rebuilt_by IS 'Who had logged in';
COMMENT ON COLUMN globalmart.rollup_rebuilds.done_until IS 'Windows that end by then are rebuilt; a call with the same span goes on from there';
COMMENT ON COLUMN globalmart.rollup_rebuilds.finished_at IS 'NULL while it is under way, or stopped';
COMMENT ON COLUMN globalmart.rollup_rebuilds.late_events IS 'Late events that count now and are late no more';
COMMENT ON COLUMN globalmart.rollup_rebuilds.windows IS 'Windows that had other rows; those that were right already keep theirs';
COMMENT ON COLUMN globalmart.rollup_rebuilds.rows_before IS 'Rows of these windows before';
COMMENT ON COLUMN globalmart.rollup_rebuilds.rows_after IS 'And after';

CREATE FUNCTION globalmart.late_sessions_query(query text, version_id int, rollup text) RETURNS text
LANGUAGE C STABLE STRICT SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'globalmart_late_sessions_query';
COMMENT ON FUNCTION globalmart.late_sessions_query(text, int, text) IS
  'SQL that gives the late events of a session rollup''s version, each with the session that it stands in when all are counted; $3 and $4 bound event time';

CREATE FUNCTION globalmart.rebuild_begin(name text, from_time timestamptz, to_time timestamptz, reason text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  rebuild bigint;
  part record;
  source record;
  oldest timestamptz;
  first_time timestamptz;
  last_end timestamptz;
BEGIN
  PERFORM globalmart.require_owner();
  PERFORM globalmart.require_rollup(rebuild_begin.name, 'rollup');
  rebuild_begin.from_time := coalesce(rebuild_begin.from_time, '-infinity');
  SELECT b.rebuild_id INTO rebuild FROM globalmart.rollup_rebuilds AS b
  WHERE b.rollup = rebuild_begin.name AND b.finished_at IS NULL AND b.from_time = rebuild_begin.from_time
    AND (rebuild_begin.to_time IS NULL OR b.to_time = rebuild_begin.to_time)
  ORDER BY b.rebuild_id DESC LIMIT 1;
  IF FOUND THEN
    RAISE NOTICE 'going on with rebuild % of rollup %', rebuild, rebuild_begin.name;
    RETURN rebuild;
  END IF;
  FOR part IN SELECT p.*, greatest(rebuild_begin.from_time, p.ended_after) AS after,
                     least(coalesce(rebuild_begin.to_time, 'infinity'), p.ended_until) AS until
              FROM globalmart.comparison_parts(rebuild_begin.name) AS p LOOP
    CONTINUE WHEN part.after >= part.until;
    PERFORM globalmart.require_comparable(part.version_id, part.after, part.until, part.begun_from);
    last_end := greatest(last_end, part.until);
  END LOOP;
  IF last_end IS NOT NULL THEN
    FOR source IN SELECT s.relation::text AS relation, s.time_column FROM globalmart.streams AS s
                  WHERE s.relation IN (SELECT unnest((globalmart.describe_rollup(v.query, v.version_id)).relations)
                                       FROM globalmart.rollup_versions AS v WHERE v.rollup = rebuild_begin.name) LOOP
      EXECUTE format('SELECT min(t.%I) FROM %s AS t', source.time_column, source.relation) INTO oldest;
      first_time := least(first_time, oldest);
    END LOOP;
    EXECUTE format('SELECT min(r.window_start) FROM globalmart.%I AS r', rebuild_begin.name) INTO oldest;
    first_time := least(first_time, oldest);
  END IF;
  IF first_time IS NULL OR first_time >= last_end THEN
    RAISE NOTICE 'rollup % has no closed windows there: there is nothing to rebuild', rebuild_begin.name;
    RETURN NULL;
  END IF;
  INSERT INTO globalmart.rollup_rebuilds (rollup, from_time, to_time, reason, done_until)
  VALUES (rebuild_begin.name, rebuild_begin.from_time, coalesce(rebuild_begin.to_time, last_end), rebuild_begin.reason,
          greatest(rebuild_begin.from_time, first_time - interval '1 microsecond'))
  RETURNING rebuild_id INTO rebuild;
  RETURN rebuild;
END
$$;
COMMENT ON FUNCTION globalmart.rebuild_begin(text, timestamptz, timestamptz, text) IS
  'Puts a rebuild on record, or finds the one of this span that was stopped; NULL when no window is closed there';

-- Late events of tumbling and sliding windows. An event counts in all its windows or in none, so it stays late
-- while one of them waits for a merge or a backfill: these would not see it.
CREATE FUNCTION globalmart.take_late_events(name text, events_from timestamptz, events_until timestamptz) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  whole bigint;
  partly bigint;
BEGIN
  DELETE FROM globalmart.late_events AS l
  WHERE l.rollup = take_late_events.name AND l.event_time >= events_from AND l.event_time < events_until
    AND NOT EXISTS (
      SELECT FROM globalmart.rollup_versions AS v JOIN globalmart.rollup_progress AS p USING (version_id)
      LEFT JOIN globalmart.backfills AS b
        ON b.rollup = v.rollup AND NOT EXISTS (SELECT FROM globalmart.rollup_versions AS o WHERE o.rollup = v.rollup AND o.version_id < v.version_id),
        LATERAL (SELECT globalmart.window_floor(l.event_time, make_interval(secs => v.slide / 1e6), make_interval(secs => v.window_offset / 1e6))) AS w(last_start)
      WHERE v.rollup = l.rollup
        AND CASE WHEN v.window_kind = 'session' THEN
              l.event_time < v.live_until AND (l.event_time >= v.live_from OR b.rollup IS NOT NULL)
            WHEN l.event_time >= v.live_from THEN
              p.merged_until < p.closed_until
              AND w.last_start - make_interval(secs => (v.width - v.slide) / 1e6) < v.live_until
              AND w.last_start + make_interval(secs => v.width / 1e6) > p.merged_until
            ELSE least(w.last_start + make_interval(secs => v.width / 1e6), b.ends) > b.filled_until END);
  GET DIAGNOSTICS whole = ROW_COUNT;
  DELETE FROM globalmart.partly_late_events AS l
  USING globalmart.rollup_versions AS v JOIN globalmart.rollup_progress AS p USING (version_id)
  WHERE l.rollup = take_late_events.name AND l.event_time >= events_from AND l.event_time < events_until
    AND v.version_id = l.version_id AND v.window_kind <> 'session' AND l.missed_until <= p.merged_until;
  GET DIAGNOSTICS partly = ROW_COUNT;
  RETURN whole + partly;
END
$$;
COMMENT ON FUNCTION globalmart.take_late_events(text, timestamptz, timestamptz) IS
  'Makes late events of a span late no more, where all windows that they missed are in the rollup; gives how many';

-- Late events of sessions: those whose session, with all late events counted, has ended in the span. One that
-- joins a session that is still open stays late.
CREATE FUNCTION globalmart.take_late_sessions(
  name text, version_id int, ended_after timestamptz, ended_until timestamptz, events_from timestamptz, events_until timestamptz,
  OUT taken bigint, OUT begun_from timestamptz)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  query text;
BEGIN
  SELECT globalmart.late_sessions_query(v.query, v.version_id, v.rollup) INTO query
  FROM globalmart.rollup_versions AS v WHERE v.version_id = take_late_sessions.version_id;
  EXECUTE format(
    'WITH counted AS MATERIALIZED (SELECT q.* FROM (%s) AS q WHERE q.window_end > $1 AND q.window_end <= $2), '
    'whole AS (DELETE FROM globalmart.late_events AS l USING counted AS c WHERE NOT c.partly AND l.rollup = $5 '
    '  AND (l.kafka_partition, l.kafka_offset, l.event_id, l.event_time, l.received_at) '
    '    = (c.kafka_partition, c.kafka_offset, c.event_id, c.event_time, c.received_at) RETURNING c.window_start), '
    'partly AS (DELETE FROM globalmart.partly_late_events AS l USING counted AS c WHERE c.partly AND l.rollup = $5 AND l.version_id = $6 '
    '  AND (l.kafka_partition, l.kafka_offset, l.event_id, l.event_time, l.received_at) '
    '    = (c.kafka_partition, c.kafka_offset, c.event_id, c.event_time, c.received_at) RETURNING c.window_start) '
    'SELECT count(*), min(t.window_start) FROM (TABLE whole UNION ALL TABLE partly) AS t', query)
    INTO taken, begun_from
    USING ended_after, ended_until, events_from, events_until, name, version_id;
END
$$;
COMMENT ON FUNCTION globalmart.take_late_sessions(text, int, timestamptz, timestamptz, timestamptz, timestamptz) IS
  'Makes late events late no more whose sessions, with them, ended in the span; gives how many, and when the first of these sessions began';

-- What verify compares, made equal: windows with other rows than the batch query gives lose theirs and get its.
CREATE FUNCTION globalmart.replace_windows(
  name text, ended_after timestamptz, ended_until timestamptz, OUT windows bigint, OUT rows_before bigint, OUT rows_after bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
  part record;
  span record;
  columns text;
  compared text;
  closed text;
  after timestamptz;
  until timestamptz;
  starts timestamptz[];
  ends timestamptz[];
  more bigint;
BEGIN
  windows := 0;
  rows_before := 0;
  rows_after := 0;
  closed := format('FROM globalmart.%I AS q WHERE q.window_end > $1 AND q.window_end <= $2 AND q.window_start >= $3 AND q.window_start < $4', name);
  FOR part IN SELECT * FROM globalmart.comparison_parts(name) LOOP
    until := least(ended_until, part.ended_until);
    after := greatest(ended_after, part.ended_after);
    CONTINUE WHEN after >= until;
    PERFORM globalmart.require_comparable(part.version_id, after, until, part.begun_from);
    SELECT string_agg('q.' || quote_ident(c), ', ' ORDER BY n),
           string_agg('q.' || quote_ident(c), ', ' ORDER BY n) FILTER (WHERE NOT c = ANY (part.clock_columns))
      INTO columns, compared
    FROM unnest(part.columns) WITH ORDINALITY AS u(c, n);
    EXECUTE format('CREATE TEMPORARY TABLE rebuilt_rows ON COMMIT DROP AS SELECT %s FROM globalmart.%I AS q WITH NO DATA', columns, name);
    FOR span IN SELECT * FROM globalmart.comparison_spans(part.per_window, part.window_query, part.window_kind, part.width,
                                                          after, until, part.begun_from, part.begun_until) LOOP
      EXECUTE format('INSERT INTO pg_temp.rebuilt_rows SELECT %s FROM (%s) AS q', columns, part.query)
        USING span.span_after, span.span_until, span.span_from, span.span_to;
    END LOOP;
    EXECUTE format(
      'WITH closed AS (SELECT %1$s %2$s), batch AS (SELECT %1$s FROM pg_temp.rebuilt_rows AS q) '
      'SELECT array_agg(w.window_start), array_agg(w.window_end), count(*) FROM (SELECT DISTINCT d.window_start, d.window_end FROM ('
      '(TABLE closed EXCEPT ALL TABLE batch) UNION ALL (TABLE batch EXCEPT ALL TABLE closed)) AS d) AS w', compared, closed)
      INTO starts, ends, more USING after, until, part.begun_from, part.begun_until;
    windows := windows + more;
    EXECUTE format('DELETE FROM globalmart.%I AS q USING unnest($1, $2) AS w(s, e) WHERE q.window_start = w.s AND q.window_end = w.e', name)
      USING starts, ends;
    GET DIAGNOSTICS more = ROW_COUNT;
    rows_before := rows_before + more;
    EXECUTE format('INSERT INTO globalmart.%I (%s, created_at) SELECT %s, globalmart.processing_time() '
                   'FROM pg_temp.rebuilt_rows AS q JOIN unnest($1, $2) AS w(s, e) ON q.window_start = w.s AND q.window_end = w.e',
                   name, replace(columns, 'q.', ''), columns)
      USING starts, ends;
    GET DIAGNOSTICS more = ROW_COUNT;
    rows_after := rows_after + more;
    DROP TABLE pg_temp.rebuilt_rows;
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.replace_windows(text, timestamptz, timestamptz) IS
  'Replaces the rows of closed windows with ended_after < window_end <= ended_until that differ from what the batch query gives; windows that do not differ keep theirs';

CREATE FUNCTION globalmart.rebuild_step(rebuild_id bigint, step interval) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  rebuild globalmart.rollup_rebuilds;
  version record;
  next_until timestamptz;
  events_from timestamptz;
  events_until timestamptz;
  compared_until timestamptz;
  more record;
  taken bigint := 0;
  replaced record;
BEGIN
  PERFORM globalmart.require_owner();
  -- One rebuild of a rollup at a time, and no change of its definition meanwhile. Neither folds nor closes lock
  -- this row.
  PERFORM FROM globalmart.rollup_catalog AS c
  WHERE c.name = (SELECT b.rollup FROM globalmart.rollup_rebuilds AS b WHERE b.rebuild_id = rebuild_step.rebuild_id)
  FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  SELECT b.* INTO rebuild FROM globalmart.rollup_rebuilds AS b WHERE b.rebuild_id = rebuild_step.rebuild_id FOR UPDATE;
  IF rebuild.finished_at IS NOT NULL THEN
    RETURN false;
  END IF;
  -- The definition of now says where a step ends; sessions need all rows at each step, so theirs is one.
  next_until := rebuild.to_time;
  SELECT v.*, make_interval(secs => v.width / 1e6) AS wide INTO version FROM globalmart.rollup_versions AS v
  WHERE v.rollup = rebuild.rollup ORDER BY v.window_kind = 'session' DESC, v.version_id DESC LIMIT 1;
  IF version.window_kind <> 'session' THEN
    next_until := rebuild.done_until + greatest(rebuild_step.step, 2 * version.wide);
    next_until := least(rebuild.to_time, globalmart.closable_until(next_until, version.window_kind, version.width, version.slide, version.window_offset));
  END IF;
  -- Windows that end in (done_until, next_until] are made of these events, and windows that end in
  -- (events_from, compared_until] have these events.
  SELECT min(globalmart.rows_needed_from(v, rebuild.done_until)),
         max(globalmart.closable_until(next_until, v.window_kind, v.width, v.slide, v.window_offset))
    INTO events_from, events_until
  FROM globalmart.rollup_versions AS v WHERE v.rollup = rebuild.rollup AND v.window_kind <> 'session';
  SELECT max(globalmart.window_floor(events_until - interval '1 microsecond', make_interval(secs => v.slide / 1e6), make_interval(secs => v.window_offset / 1e6))
             + make_interval(secs => v.width / 1e6))
    INTO compared_until
  FROM globalmart.rollup_versions AS v WHERE v.rollup = rebuild.rollup AND v.window_kind <> 'session';
  compared_until := greatest(compared_until, next_until);
  PERFORM globalmart.set_processing_time(globalmart.clock());
  FOR more IN SELECT t.* FROM globalmart.comparison_parts(rebuild.rollup) AS p,
                LATERAL globalmart.take_late_sessions(rebuild.rollup, p.version_id, greatest(rebuild.done_until, p.ended_after),
                  least(next_until, p.ended_until), p.begun_from, p.begun_until) AS t
              WHERE p.window_kind = 'session' LOOP
    taken := taken + more.taken;
    events_from := least(events_from, more.begun_from);
  END LOOP;
  IF events_until IS NOT NULL THEN
    taken := taken + globalmart.take_late_events(rebuild.rollup, events_from, events_until);
  END IF;
  SELECT * INTO replaced FROM globalmart.replace_windows(rebuild.rollup, least(events_from, rebuild.done_until), compared_until);
  PERFORM globalmart.set_processing_time(NULL);
  UPDATE globalmart.rollup_rebuilds AS b
  SET done_until = next_until, late_events = b.late_events + taken, windows = b.windows + replaced.windows,
      rows_before = b.rows_before + replaced.rows_before, rows_after = b.rows_after + replaced.rows_after,
      finished_at = CASE WHEN next_until >= rebuild.to_time THEN globalmart.clock() END
  WHERE b.rebuild_id = rebuild.rebuild_id;
  RAISE INFO 'rollup % is rebuilt up to % of %: % late events, % windows changed', rebuild.rollup, next_until, rebuild.to_time,
    rebuild.late_events + taken, rebuild.windows + replaced.windows;
  RETURN next_until < rebuild.to_time;
END
$$;
COMMENT ON FUNCTION globalmart.rebuild_step(bigint, interval) IS
  'Rebuilds the next windows of a rebuild; says whether there are more';

CREATE PROCEDURE globalmart.rebuild_rollup(
  name text, from_time timestamptz DEFAULT NULL, to_time timestamptz DEFAULT NULL, reason text DEFAULT NULL, step interval DEFAULT '1 day')
LANGUAGE plpgsql AS $$
DECLARE
  rebuild bigint := globalmart.rebuild_begin(name, from_time, to_time, reason);
BEGIN
  -- No SET clause and no SECURITY DEFINER: either would forbid the COMMITs.
  COMMIT;
  WHILE rebuild IS NOT NULL AND globalmart.rebuild_step(rebuild, step) LOOP
    COMMIT;
  END LOOP;
END
$$;
COMMENT ON PROCEDURE globalmart.rebuild_rollup(text, timestamptz, timestamptz, text, interval) IS
  'Replaces a rollup''s closed rows of windows that end in (from_time, to_time], by default all, by those that restated gives; their late events are late no more. step: how much of event time a transaction rebuilds (sessions: all in one). Only windows with other rows are touched, the stream, open windows and the raw rows are not, and nobody who writes waits. It can be stopped and called again. On record in globalmart.rollup_rebuilds';
