-- From the history of the catalogue to versions. For every customer or product with a change in the load, the
-- whole history is laid out anew, which is right whatever the order in which changes came; versions keep their
-- keys, and facts that lie in a version which came late move to it.

CREATE OR REPLACE FUNCTION globalmart.move_facts(key_column text, dimension text, from_keys bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  fact text;
  moved bigint := 0;
  more bigint;
  days date[];
BEGIN
  FOREACH fact IN ARRAY ARRAY['fact_sales', 'fact_cart_events', 'fact_product_views'] LOOP
    -- Of the analyses only sales ask for more than who it is: for the category that a product had.
    EXECUTE format(
      'WITH moved AS (UPDATE warehouse.%1$I AS f SET %2$I = v.%2$I '
      'FROM warehouse.%3$I AS v JOIN warehouse.%3$I AS o ON o.durable_key = v.durable_key AND o.%2$I <> v.%2$I '
      'WHERE v.%2$I > $1 AND v.effective_from < (SELECT max(event_time) FROM warehouse.%1$I) '
      '  AND f.%2$I = o.%2$I AND f.event_time >= v.effective_from AND f.event_time < v.effective_to '
      'RETURNING (f.event_time AT TIME ZONE ''UTC'')::date AS day, %4$s AS of_other_category) '
      'SELECT count(*), array_agg(DISTINCT m.day) FILTER (WHERE m.of_other_category) FROM moved AS m',
      fact, key_column, dimension,
      CASE WHEN fact = 'fact_sales' AND dimension = 'dim_products' THEN 'o.category <> v.category' ELSE 'false' END)
      INTO more, days USING from_keys;
    moved := moved + more;
    PERFORM globalmart.mark_for_analysis(days, '{sales}') WHERE days IS NOT NULL;
  END LOOP;
  RETURN moved;
END
$$;
COMMENT ON FUNCTION globalmart.move_facts(text, text, bigint) IS
  'Points facts at the versions of a dimension whose keys are greater than from_keys, where they are in force at the event time; gives how many moved';

-- The analyses have, for each day, the version in force at its end. Called before facts move: those of a product
-- whose category was mended in place are still with its key.
CREATE OR REPLACE FUNCTION globalmart.follow_versions(dimension text, key_column text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  of_products boolean := dimension = 'dim_products';
  analysis text := CASE WHEN of_products THEN 'product_performance' ELSE 'rfm_analysis' END;
  other_category text := CASE WHEN of_products THEN 'v.category <> b.category' ELSE 'false' END;
  first_day date;
  last_day date;
  days date[];
BEGIN
  IF of_products THEN
    SELECT array_agg(DISTINCT (f.event_time AT TIME ZONE 'UTC')::date) INTO days
    FROM pg_temp.etl_versions_before AS b JOIN warehouse.dim_products AS v USING (product_key) JOIN warehouse.fact_sales AS f USING (product_key)
    WHERE v.category <> b.category;
    PERFORM globalmart.mark_for_analysis(days, '{sales}') WHERE days IS NOT NULL;
  END IF;
  EXECUTE format('SELECT min(a.analysis_date), max(a.analysis_date) FROM warehouse.%I AS a', analysis) INTO first_day, last_day;
  -- Nothing analysed yet: least() below would pass over the bound, and versions go on to the year 9999.
  IF first_day IS NULL THEN
    RETURN;
  END IF;
  -- Days at whose end another version is in force than before, or the same with another category.
  EXECUTE format(
    'CREATE TEMP TABLE etl_moved_days ON COMMIT DROP AS '
    'SELECT d.day::date AS day, b.%1$I AS old_key, v.%1$I AS new_key, %2$s AS of_other_category '
    'FROM pg_temp.etl_versions_before AS b JOIN warehouse.%3$I AS v ON v.durable_key = b.durable_key '
    '  AND v.effective_from < b.effective_to AND v.effective_to > b.effective_from AND (v.%1$I <> b.%1$I OR %2$s) '
    'CROSS JOIN LATERAL generate_series(greatest((greatest(b.effective_from, v.effective_from) AT TIME ZONE ''UTC'')::date, $1)::timestamp, '
    '                                   least((least(b.effective_to, v.effective_to) AT TIME ZONE ''UTC'')::date - 1, $2)::timestamp, '
    '                                   interval ''1 day'') AS d(day)', key_column, other_category, dimension) USING first_day, last_day;
  IF EXISTS (SELECT FROM pg_temp.etl_moved_days) THEN
    ANALYZE pg_temp.etl_moved_days;
    -- Who ranks where in a category hangs on all of its products; else it is the same one under another key.
    EXECUTE format(
      'UPDATE warehouse.%1$I AS a SET %2$I = m.new_key FROM pg_temp.etl_moved_days AS m '
      'WHERE a.analysis_date = m.day AND a.%2$I = m.old_key AND NOT m.of_other_category', analysis, key_column);
    IF of_products THEN
      SELECT array_agg(DISTINCT m.day) INTO days
      FROM pg_temp.etl_moved_days AS m JOIN warehouse.product_performance AS a ON a.analysis_date = m.day AND a.product_key = m.old_key
      WHERE m.of_other_category;
      PERFORM globalmart.mark_for_analysis(days, '{products}') WHERE days IS NOT NULL;
      -- A forecast is of the seven days after the last that it knows.
      UPDATE warehouse.demand_forecast AS f SET product_key = m.new_key
      FROM pg_temp.etl_moved_days AS m CROSS JOIN generate_series(1, 7) AS ahead
      WHERE f.forecast_date = m.day + ahead AND f.product_key = m.old_key AND f.analysis_date = m.day AND m.new_key <> m.old_key;
    END IF;
  END IF;
  DROP TABLE pg_temp.etl_moved_days;
END
$$;
COMMENT ON FUNCTION globalmart.follow_versions(text, text) IS
  'Has the analyses follow versions that were added, shortened or mended: keys are changed, or the day is to be analysed again. pg_temp.etl_versions_before has the versions as they were';

CREATE OR REPLACE FUNCTION globalmart.load_dimension(
  changes text, id_column text, dimension text, key_column text, attributes text[],
  OUT rows_read bigint, OUT rows_written bigint, OUT rows_rejected bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  names text := (SELECT string_agg(quote_ident(a), ', ' ORDER BY n) FROM unnest(attributes) WITH ORDINALITY AS u(a, n));
  last_key bigint;
  more bigint;
BEGIN
  EXECUTE format(
    'CREATE TEMP TABLE etl_affected ON COMMIT DROP AS '
    'SELECT c.%1$I AS id, count(*) AS changes FROM globalmart.%2$I AS c GROUP BY c.%1$I', id_column, 'etl_new_' || changes);
  rows_read := (SELECT coalesce(sum(a.changes), 0) FROM pg_temp.etl_affected AS a);
  rows_written := 0;
  rows_rejected := 0;
  IF rows_read = 0 THEN
    DROP TABLE pg_temp.etl_affected;
    RETURN;
  END IF;
  ANALYZE pg_temp.etl_affected;
  -- Of changes at one time the last told counts. A deleted one keeps what it was; one that was never told
  -- of gives no version. A change that changes nothing gives none, unless there is one already.
  EXECUTE format($query$
    CREATE TEMP TABLE etl_versions ON COMMIT DROP AS
    WITH told AS (
      SELECT DISTINCT ON (c.%1$I, c.event_time) c.%1$I AS id, c.event_time, c.deleted, %2$s
      FROM globalmart.%3$I AS c JOIN pg_temp.etl_affected AS a ON a.id = c.%1$I
      ORDER BY c.%1$I, c.event_time, c.kafka_partition DESC, c.kafka_offset DESC),
    lives AS (
      SELECT t.*, count(*) FILTER (WHERE NOT t.deleted) OVER (PARTITION BY t.id ORDER BY t.event_time) AS life FROM told AS t),
    carried AS (
      SELECT l.id, l.event_time, l.deleted, %4$s FROM lives AS l WHERE l.life > 0
      WINDOW w AS (PARTITION BY l.id, l.life ORDER BY l.event_time)),
    compared AS (
      SELECT c.*, ROW(c.deleted, %5$s) IS NOT DISTINCT FROM lag(ROW(c.deleted, %5$s)) OVER (PARTITION BY c.id ORDER BY c.event_time) AS same
      FROM carried AS c),
    kept AS (
      SELECT c.* FROM compared AS c
      WHERE NOT c.same OR EXISTS (SELECT FROM warehouse.%6$I AS d WHERE d.%1$I = c.id AND d.effective_from = c.event_time))
    SELECT k.id, k.deleted, %2$s, k.event_time AS effective_from,
           lead(k.event_time, 1, '9999-12-31 00:00:00+00') OVER (PARTITION BY k.id ORDER BY k.event_time) AS effective_to
    FROM kept AS k$query$,
    id_column, names, changes,
    (SELECT string_agg(format('first_value(l.%1$I) OVER w AS %1$I', a), ', ' ORDER BY n) FROM unnest(attributes) WITH ORDINALITY AS u(a, n)),
    (SELECT string_agg(format('c.%I', a), ', ' ORDER BY n) FROM unnest(attributes) WITH ORDINALITY AS u(a, n)),
    dimension);
  ANALYZE pg_temp.etl_versions;
  EXECUTE format('CREATE TEMP TABLE etl_versions_before ON COMMIT DROP AS '
                 'SELECT d.* FROM warehouse.%I AS d JOIN pg_temp.etl_affected AS a ON a.id = d.%I', dimension, id_column);
  ANALYZE pg_temp.etl_versions_before;
  EXECUTE format('SELECT coalesce(max(%I), 0) FROM warehouse.%I', key_column, dimension) INTO last_key;
  -- First what is there gives way, then the new versions come into the gaps: no moment with an overlap.
  EXECUTE format(
    'UPDATE warehouse.%1$I AS d SET effective_to = f.first_from '
    'FROM (SELECT v.id, min(v.effective_from) AS first_from FROM pg_temp.etl_versions AS v GROUP BY v.id) AS f '
    'WHERE d.%2$I = f.id AND d.effective_from < f.first_from AND d.effective_to > f.first_from', dimension, id_column);
  GET DIAGNOSTICS rows_written = ROW_COUNT;
  EXECUTE format(
    'UPDATE warehouse.%1$I AS d SET effective_to = v.effective_to, is_deleted = v.deleted, is_inferred = false, %3$s '
    'FROM pg_temp.etl_versions AS v WHERE d.%2$I = v.id AND d.effective_from = v.effective_from '
    ' AND (d.effective_to, d.is_deleted, %4$s) IS DISTINCT FROM (v.effective_to, v.deleted, %5$s)',
    dimension, id_column,
    (SELECT string_agg(format('%1$I = v.%1$I', a), ', ') FROM unnest(attributes) AS a),
    (SELECT string_agg(format('d.%I', a), ', ' ORDER BY n) FROM unnest(attributes) WITH ORDINALITY AS u(a, n)),
    (SELECT string_agg(format('v.%I', a), ', ' ORDER BY n) FROM unnest(attributes) WITH ORDINALITY AS u(a, n)));
  GET DIAGNOSTICS more = ROW_COUNT;
  rows_written := rows_written + more;
  EXECUTE format(
    'INSERT INTO warehouse.%1$I (durable_key, %2$I, is_deleted, effective_from, effective_to, %3$s) '
    'SELECT n.durable_key, v.id, v.deleted, v.effective_from, v.effective_to, %4$s '
    'FROM (SELECT a.id, coalesce((SELECT d.durable_key FROM warehouse.%1$I AS d WHERE d.%2$I = a.id LIMIT 1), '
    '                            nextval(''warehouse.durable_keys'')) AS durable_key FROM pg_temp.etl_affected AS a) AS n '
    'JOIN pg_temp.etl_versions AS v ON v.id = n.id '
    'WHERE NOT EXISTS (SELECT FROM warehouse.%1$I AS d WHERE d.%2$I = v.id AND d.effective_from = v.effective_from) '
    'ORDER BY v.id, v.effective_from',
    dimension, id_column, names,
    (SELECT string_agg(format('v.%I', a), ', ' ORDER BY n) FROM unnest(attributes) WITH ORDINALITY AS u(a, n)));
  GET DIAGNOSTICS more = ROW_COUNT;
  rows_written := rows_written + more;
  IF rows_written > 1000 THEN
    EXECUTE format('ANALYZE warehouse.%I', dimension);
  END IF;
  PERFORM globalmart.follow_versions(dimension, key_column);
  PERFORM globalmart.move_facts(key_column, dimension, last_key);
  DROP TABLE pg_temp.etl_affected, pg_temp.etl_versions, pg_temp.etl_versions_before;
END
$$;
COMMENT ON FUNCTION globalmart.load_dimension(text, text, text, text, text[]) IS
  'Brings a dimension up to date with the changes in the load under way: versions are added, shortened or mended, and facts moved to the version in force at their time';

CREATE OR REPLACE FUNCTION globalmart.set_region(country text, region text, effective_from timestamptz DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  in_force warehouse.dim_geography;
  starts timestamptz := coalesce(set_region.effective_from, '1900-01-01 00:00:00+00');
  last_key int;
BEGIN
  PERFORM globalmart.require_owner();
  -- As a load takes it: a fact that it has looked up and not committed would keep the version of before.
  LOCK TABLE warehouse.dim_geography IN SHARE ROW EXCLUSIVE MODE;
  last_key := (SELECT coalesce(max(g.geography_key), 0) FROM warehouse.dim_geography AS g);
  SELECT g.* INTO in_force FROM warehouse.dim_geography AS g
  WHERE g.country = set_region.country AND g.effective_from <= starts AND g.effective_to > starts;
  IF NOT FOUND THEN
    RAISE undefined_object USING
      MESSAGE = format('there is no geography "%s" at %s', set_region.country, starts),
      HINT = 'See warehouse.dim_geography; a country comes into it with its first event.';
  END IF;
  IF in_force.effective_from = starts THEN
    UPDATE warehouse.dim_geography AS g SET region = set_region.region WHERE g.geography_key = in_force.geography_key;
    RETURN;
  END IF;
  UPDATE warehouse.dim_geography AS g SET effective_to = starts WHERE g.geography_key = in_force.geography_key;
  INSERT INTO warehouse.dim_geography (durable_key, country, region, effective_from, effective_to)
  VALUES (in_force.durable_key, in_force.country, set_region.region, starts, in_force.effective_to);
  PERFORM globalmart.move_facts('geography_key', 'dim_geography', last_key);
END
$$;
COMMENT ON FUNCTION globalmart.set_region(text, text, timestamptz) IS
  'Says to which region a country belongs from a time on (NULL: since ever): a new version of dim_geography, to which its facts move';
