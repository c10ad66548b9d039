-- A rollup as it would be had nothing come late: the batch query over all rows that are stored. The closed rows
-- stay what they were.

CREATE FUNCTION globalmart.restated_parts(rollup text)
RETURNS TABLE (version_id int, query text, window_query text, columns text[], clock_columns text[], per_window boolean,
               window_kind text, width interval, ended_after timestamptz, ended_until timestamptz,
               begun_from timestamptz, begun_until timestamptz)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  -- Compiled for no rollup, a query leaves nobody's late events out.
  SELECT c.version_id, d.batch_query, d.batch_window_query, c.columns, c.clock_columns, c.per_window,
         c.window_kind, c.width, c.ended_after, c.ended_until, c.begun_from, c.begun_until
  FROM globalmart.comparison_parts(restated_parts.rollup) AS c
  JOIN globalmart.rollup_versions AS v ON v.rollup = restated_parts.rollup AND v.version_id = c.version_id,
    LATERAL globalmart.describe_rollup(v.query, v.version_id) AS d
$$;
COMMENT ON FUNCTION globalmart.restated_parts(text) IS
  'Closed and filled windows of a rollup as comparison_parts gives them, with the queries that count late events too';

CREATE FUNCTION globalmart.restated(rollup anyelement, from_time timestamptz DEFAULT NULL, to_time timestamptz DEFAULT NULL)
RETURNS SETOF anyelement
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  relation regclass;
  name text;
  part record;
  span record;
  selected text;
  after timestamptz;
  until timestamptz;
BEGIN
  SELECT c.oid::regclass, CASE WHEN c.relnamespace = 'globalmart'::regnamespace THEN c.relname ELSE c.oid::regclass::text END INTO relation, name
  FROM pg_type AS t JOIN pg_class AS c ON c.oid = t.typrelid WHERE t.oid = pg_typeof(rollup);
  IF relation IS NULL THEN
    RAISE wrong_object_type USING
      MESSAGE = format('%s is not the row type of a rollup', pg_typeof(rollup)),
      HINT = 'Name the rollup by its row type: SELECT * FROM globalmart.restated(NULL::globalmart.sales_per_minute).';
  END IF;
  PERFORM globalmart.require_rollup(name, 'rollup');
  FOR part IN SELECT * FROM globalmart.restated_parts(name) LOOP
    until := least(coalesce(to_time, 'infinity'), part.ended_until);
    after := greatest(coalesce(from_time, '-infinity'), part.ended_after);
    CONTINUE WHEN after >= until;
    PERFORM globalmart.require_comparable(part.version_id, after, until, part.begun_from);
    -- In the order of the table, whose further columns (created_at, columns of its owner's) no query gives.
    SELECT string_agg(CASE WHEN a.attname = ANY (part.columns) AND NOT a.attname = ANY (part.clock_columns) THEN 'q.' || quote_ident(a.attname)
                           ELSE 'NULL::' || format_type(a.atttypid, a.atttypmod) END, ', ' ORDER BY a.attnum) INTO selected
    FROM pg_attribute AS a WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped;
    FOR span IN SELECT * FROM globalmart.comparison_spans(part.per_window, part.window_query, part.window_kind, part.width,
                                                          after, until, part.begun_from, part.begun_until) LOOP
      RETURN QUERY EXECUTE format('SELECT %s FROM (%s) AS q', selected, part.query)
        USING span.span_after, span.span_until, span.span_from, span.span_to;
    END LOOP;
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.restated(anyelement, timestamptz, timestamptz) IS
  'The rows of a rollup''s closed and filled windows that end in (from_time, to_time], by default all, as they would be had no event come late: globalmart.restated(NULL::globalmart.NAME). The first copy of an event counts; created_at is NULL. Refuses a span whose raw rows were dropped';
