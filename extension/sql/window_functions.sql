-- Windows for any query. tumble and hop are plain SQL that the planner inlines (a BEGIN ATOMIC body
-- is parsed here, so it needs no search_path of its own).
CREATE FUNCTION globalmart.window_floor(ts timestamptz, width interval, "offset" interval DEFAULT '0')
RETURNS timestamptz
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_window_floor';
COMMENT ON FUNCTION globalmart.window_floor(timestamptz, interval, interval) IS
  'The start of the window that holds ts: ts - floormod(ts - epoch - offset, width), in microseconds, UTC; NULL for an infinite ts, which no window holds. Months and days are refused';

CREATE FUNCTION globalmart.tumble(ts timestamptz, width interval, "offset" interval DEFAULT '0')
RETURNS TABLE (window_start timestamptz, window_end timestamptz)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
  SELECT s, s + width
  FROM (SELECT globalmart.window_floor(ts, width, "offset") AS s) AS w
  WHERE s IS NOT NULL;
END;
COMMENT ON FUNCTION globalmart.tumble(timestamptz, interval, interval) IS
  'The tumbling window [window_start, window_end) that holds ts; windows start at whole multiples of width since 1970-01-01 UTC, plus offset. No row for an infinite ts';

CREATE FUNCTION globalmart.hop(ts timestamptz, width interval, slide interval, "offset" interval DEFAULT '0')
RETURNS TABLE (window_start timestamptz, window_end timestamptz)
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 4 AS 'MODULE_PATHNAME', 'globalmart_hop';
COMMENT ON FUNCTION globalmart.hop(timestamptz, interval, interval, interval) IS
  'The sliding windows of the given width that start every slide and hold ts, oldest first; width must be a multiple of slide. No row for an infinite ts';

CREATE FUNCTION globalmart.session(ts timestamptz, gap interval)
RETURNS TABLE (window_start timestamptz, window_end timestamptz)
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 1 AS 'MODULE_PATHNAME', 'globalmart_session';
COMMENT ON FUNCTION globalmart.session(timestamptz, interval) IS
  'Marks a session rollup: a window is a run of events of one key, no two neighbours further apart than gap; window_end = last event + gap. Only in create_rollup: see batch_query(rollup) for SQL that can be run';
