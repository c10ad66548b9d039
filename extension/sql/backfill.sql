-- Filling windows from before the rollup was live, out of the raw rows: publish, wait, fill, as a close does.

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
  filled_from  timestamptz NOT NULL,
  filled_until timestamptz NOT NULL,
  ends         timestamptz NOT NULL,
  rows_filled  bigint NOT NULL DEFAULT 0,
  updated_at   timestamptz NOT NULL DEFAULT globalmart.clock()
);
COMMENT ON TABLE globalmart.backfills IS 'How far backfill_rollup has come; it goes on from there when called again';
COMMENT ON COLUMN globalmart.backfills.rollup IS 'Name of the rollup';
COMMENT ON COLUMN globalmart.backfills.rows_filled IS 'Rows appended so far';
COMMENT ON COLUMN globalmart.backfills.updated_at IS 'When the last step was done';
COMMENT ON COLUMN globalmart.backfills.events_from IS 'The earliest event when it began';
COMMENT ON COLUMN globalmart.backfills.filled_from IS 'Windows that end later are filled';
COMMENT ON COLUMN globalmart.backfills.filled_until IS 'And those that end by then; without windows whose rows are gone';
COMMENT ON COLUMN globalmart.backfills.ends IS 'Where it will be finished: the last window that is not live';

CREATE FUNCTION globalmart.backfill_step(name text, announced timestamptz) RETURNS boolean
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
  -- Not what another session has announced since: its events in flight are waited for there.
  target := least(announced, part.backfilled_until);
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
COMMENT ON FUNCTION globalmart.backfill_step(text, timestamptz) IS
  'Fills the windows that backfill_begin announced, after the folds from before that have ended; announced: what it gave. True when more are to come';

-- Windows whose rows are gone are passed over and named: half of their rows would make a wrong row.
CREATE FUNCTION globalmart.backfill_pass_over(name text, version globalmart.rollup_versions, stream text, gone_until timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  first_start timestamptz := CASE version.window_kind WHEN 'session' THEN gone_until
    ELSE globalmart.next_boundary(gone_until - interval '1 microsecond', version.window_kind, version.width, version.slide, version.window_offset) END;
  filled timestamptz;
BEGIN
  -- The last window that begins before it ends here.
  UPDATE globalmart.backfills AS b
  SET filled_until = least(b.ends, first_start + CASE version.window_kind WHEN 'session' THEN interval '0'
                             ELSE make_interval(secs => (version.width - version.slide) / 1e6) END)
  WHERE b.rollup = backfill_pass_over.name
  RETURNING b.filled_until INTO filled;
  RAISE NOTICE 'windows of rollup % that begin before % are not filled: rows of % from before are no longer kept', name, first_start, stream;
  RETURN filled;
END
$$;
COMMENT ON FUNCTION globalmart.backfill_pass_over(text, globalmart.rollup_versions, text, timestamptz) IS
  'Lets a backfill go on with the first window that begins after rows that retention took';

CREATE FUNCTION globalmart.backfill_begin(name text, step interval) RETURNS timestamptz
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  rollup globalmart.rollup_catalog;
  version globalmart.rollup_versions;
  relations oid[];
  source record;
  gone record;
  width interval;
  oldest timestamptz;
  first_event timestamptz;
  watermark timestamptz;
  last_end timestamptz;
  next_until timestamptz;
  filled timestamptz;
  unit interval;
  began boolean;
BEGIN
  PERFORM globalmart.require_owner();
  rollup := globalmart.require_rollup(backfill_begin.name, 'rollup');
  SELECT v.* INTO version FROM globalmart.rollup_versions AS v WHERE v.rollup = backfill_begin.name ORDER BY v.version_id LIMIT 1;
  IF version.live_from = '-infinity' THEN
    RAISE NOTICE 'rollup % has been live from its first event: there is nothing to fill', backfill_begin.name;
    RETURN NULL;
  END IF;
  relations := (globalmart.describe_rollup(version.query, version.version_id)).relations;
  width := make_interval(secs => version.width / 1e6);
  FOR source IN SELECT s.relation::text AS relation, s.time_column FROM globalmart.streams AS s WHERE s.relation = ANY (relations) LOOP
    EXECUTE format('SELECT min(t.%I) FROM %s AS t', source.time_column, source.relation) INTO oldest;
    first_event := least(first_event, oldest);
  END LOOP;
  -- Only windows that the watermark has passed: younger ones would be filled too early.
  watermark := globalmart.domain_watermark(rollup.domain, rollup.idle_timeout, rollup.watermark_policy) - rollup.lateness;
  -- A session of events before live_from may end up to its gap later.
  last_end := version.live_from + width - CASE version.window_kind WHEN 'session' THEN interval '0'
                                            ELSE make_interval(secs => version.slide / 1e6) END;
  IF first_event IS NULL THEN
    RAISE NOTICE 'rollup % reads no rows yet: there is nothing to fill', backfill_begin.name;
    RETURN NULL;
  END IF;
  INSERT INTO globalmart.backfills AS b (rollup, events_from, filled_from, filled_until, ends)
  VALUES (backfill_begin.name, first_event, first_event - interval '1 microsecond', first_event - interval '1 microsecond', last_end)
  ON CONFLICT DO NOTHING;
  began := FOUND;
  SELECT b.filled_until INTO filled FROM globalmart.backfills AS b WHERE b.rollup = backfill_begin.name;
  IF began THEN
    SELECT s.stream, d.to_time INTO gone
    FROM globalmart.dropped_spans AS d JOIN globalmart.streams AS s USING (stream)
    WHERE s.relation = ANY (relations) AND d.to_time <= first_event
    ORDER BY d.to_time DESC LIMIT 1;
    IF FOUND THEN
      filled := greatest(filled, globalmart.backfill_pass_over(backfill_begin.name, version, gone.stream, gone.to_time));
      UPDATE globalmart.backfills AS b SET filled_from = filled, filled_until = filled WHERE b.rollup = backfill_begin.name;
    END IF;
  END IF;
  unit := greatest(step, width);
  LOOP
    next_until := NULL;
    EXIT WHEN filled >= last_end;
    -- A stretch without events is passed over in one step: on to the next event.
    FOR source IN SELECT s.relation::text AS relation, s.time_column FROM globalmart.streams AS s WHERE s.relation = ANY (relations) LOOP
      EXECUTE format('SELECT min(t.%I) FROM %s AS t WHERE t.%I > $1', source.time_column, source.relation, source.time_column)
        INTO oldest USING filled - width;
      next_until := least(next_until, oldest);
    END LOOP;
    next_until := least(greatest(filled, coalesce(next_until, last_end)) + unit, last_end, coalesce(watermark, '-infinity'));
    SELECT s.stream, d.from_time, d.to_time INTO gone
    FROM globalmart.dropped_spans AS d JOIN globalmart.streams AS s USING (stream)
    WHERE s.relation = ANY (relations) AND d.from_time < next_until
      -- Sessions are cut where rows are gone, as they are where the rollup begins to be live.
      AND d.to_time > CASE version.window_kind WHEN 'session' THEN filled ELSE globalmart.rows_needed_from(version, filled) END
    ORDER BY d.from_time LIMIT 1;
    IF FOUND THEN
      next_until := least(next_until, gone.from_time);
    END IF;
    IF version.window_kind <> 'session' THEN
      next_until := globalmart.closable_until(next_until, version.window_kind, version.width, version.slide, version.window_offset);
    END IF;
    EXIT WHEN gone IS NULL OR next_until > filled;
    filled := globalmart.backfill_pass_over(backfill_begin.name, version, gone.stream, gone.to_time);
  END LOOP;
  IF next_until > filled THEN
    PERFORM globalmart.backfill_publish(backfill_begin.name, next_until);
    RETURN next_until;
  END IF;
  IF filled < last_end THEN
    RAISE NOTICE USING
      MESSAGE = format('rollup %s is filled up to %s, not to %s: %s', backfill_begin.name,
                       CASE WHEN filled < first_event THEN 'nothing' ELSE filled::text END, last_end,
                       coalesce(format('the watermark less its lateness is %s, and later windows are not complete', watermark),
                                'there is no watermark yet')),
      HINT = format('CALL globalmart.backfill_rollup(%L) again when globalmart.domain_watermark(%L, %L, %L) has reached %s: '
                    'when newer events have come, or none for longer than the idle timeout.',
                    backfill_begin.name, rollup.domain, rollup.idle_timeout, rollup.watermark_policy, last_end + rollup.lateness);
  END IF;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION globalmart.backfill_begin(text, interval) IS
  'Announces the next windows of a backfill; NULL when none is left, or none whose windows are complete: a NOTICE says so';

CREATE PROCEDURE globalmart.backfill_rollup(name text, step interval DEFAULT '1 hour')
LANGUAGE plpgsql AS $$
DECLARE
  steps int := 0;
  announced timestamptz;
BEGIN
  -- Publish, wait, fill: as a close, so that an event is either in the raw rows that are read, or late.
  LOOP
    announced := globalmart.backfill_begin(name, step);
    EXIT WHEN announced IS NULL;
    COMMIT;
    PERFORM globalmart.wait_for_folds((SELECT r.domain FROM globalmart.rollups AS r WHERE r.name = backfill_rollup.name));
    COMMIT;
    PERFORM globalmart.backfill_step(name, announced);
    COMMIT;
    steps := steps + 1;
  END LOOP;
  IF steps = 0 AND EXISTS (SELECT FROM globalmart.backfills AS b WHERE b.rollup = name AND b.filled_until >= b.ends) THEN
    RAISE NOTICE 'rollup % is filled already', name;
  END IF;
END
$$;
COMMENT ON PROCEDURE globalmart.backfill_rollup(text, interval) IS
  'Fills a rollup''s windows from before it was live out of the raw rows, step by step, each committed: it can be stopped and called again. A NOTICE says when it ends before the last of them, and which windows it passes over because their rows are gone. Its progress is in globalmart.backfills';

