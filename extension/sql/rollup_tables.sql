-- What a rollup or detector is to its readers: the table, and the view that has its open windows too.

-- The table and its key; columns as the query names them, created_at last.
CREATE FUNCTION globalmart.create_rollup_table(
  name text, column_names text[], column_types text[], key_columns text[], primary_key boolean, not_null text[])
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  columns text;
  keys text;
BEGIN
  SELECT pg_catalog.string_agg(
           pg_catalog.format('%I %s%s', c, t, CASE WHEN c = ANY (not_null) THEN ' NOT NULL' ELSE '' END), ', ' ORDER BY n)
    INTO columns
  FROM ROWS FROM (pg_catalog.unnest(column_names), pg_catalog.unnest(column_types)) WITH ORDINALITY AS u(c, t, n);
  EXECUTE pg_catalog.format('CREATE TABLE globalmart.%I (%s, created_at timestamptz NOT NULL DEFAULT globalmart.clock())',
                            name, columns);
  IF pg_catalog.cardinality(key_columns) > 0 THEN
    SELECT pg_catalog.string_agg(pg_catalog.quote_ident(k), ', ' ORDER BY n) INTO keys
    FROM pg_catalog.unnest(key_columns) WITH ORDINALITY AS u(k, n);
    EXECUTE pg_catalog.format(
      CASE WHEN primary_key THEN 'ALTER TABLE globalmart.%I ADD PRIMARY KEY (%s)'
           ELSE 'ALTER TABLE globalmart.%I ADD UNIQUE NULLS NOT DISTINCT (%s)' END, name, keys);
  END IF;
  EXECUTE pg_catalog.format('ALTER TABLE globalmart.%I OWNER TO globalmart_owner', name);
  EXECUTE pg_catalog.format('GRANT SELECT ON globalmart.%I TO globalmart_reader, globalmart_analyst', name);
  EXECUTE pg_catalog.format('COMMENT ON COLUMN globalmart.%I.created_at IS %L', name,
                            'When the row was appended (UTC): the closer''s clock, one value for all rows of one close');
END
$$;
COMMENT ON FUNCTION globalmart.create_rollup_table(text, text[], text[], text[], boolean, text[]) IS
  'Makes the table of a rollup or detector';

CREATE FUNCTION globalmart.copy_column_comments(from_relation regclass, to_relation regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  told record;
BEGIN
  FOR told IN
    SELECT t.attname AS name, col_description(f.attrelid, f.attnum) AS meaning
    FROM pg_attribute AS t JOIN pg_attribute AS f ON f.attrelid = from_relation AND f.attname = t.attname AND f.attnum > 0
    WHERE t.attrelid = to_relation AND t.attnum > 0 AND NOT t.attisdropped ORDER BY t.attnum
  LOOP
    IF told.meaning IS NOT NULL THEN
      EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', to_relation, told.name, told.meaning);
    END IF;
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.copy_column_comments(regclass, regclass) IS
  'Gives the columns of a view the comments of the columns of the same names in its table';

-- A query that looks across the groups of a window is run for one window at a time.
CREATE FUNCTION globalmart.each_window_query(window_query text, query text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT format('SELECT each_row.* FROM (%s) AS each_window CROSS JOIN LATERAL (%s) AS each_row', window_query,
    regexp_replace(regexp_replace(query,
      '\$1(?!\d)', '(each_window.window_end - interval ''1 microsecond'')', 'g'),
      '\$2(?!\d)', 'each_window.window_end', 'g'))
$$;
COMMENT ON FUNCTION globalmart.each_window_query(text, text) IS
  'SQL that runs a query with parameters $1 < window_end <= $2 for each window_end that another query gives';

CREATE FUNCTION globalmart.open_window_query(window_query text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'SELECT DISTINCT w.window_end FROM (' || regexp_replace(window_query, '\$[12](?!\d)', 'NULL::timestamptz', 'g') || ') AS w'
$$;
COMMENT ON FUNCTION globalmart.open_window_query(text) IS 'The ends of the windows that a rollup has open';

CREATE FUNCTION globalmart.create_live_view(name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  columns text;
  selected text;
  open_parts text;
BEGIN
  SELECT pg_catalog.string_agg(pg_catalog.format('%I', a.attname), ', ' ORDER BY a.attnum)
    INTO columns
  FROM pg_catalog.pg_attribute AS a
  WHERE a.attrelid = pg_catalog.format('globalmart.%I', name)::regclass AND a.attnum > 0 AND NOT a.attisdropped;
  SELECT pg_catalog.string_agg(
           pg_catalog.format('%s::%s', CASE a.attname WHEN 'created_at' THEN 'NULL' ELSE 'q.' || pg_catalog.quote_ident(a.attname) END,
                             pg_catalog.format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
    INTO selected
  FROM pg_catalog.pg_attribute AS a
  WHERE a.attrelid = pg_catalog.format('globalmart.%I', name)::regclass AND a.attnum > 0 AND NOT a.attisdropped;
  SELECT pg_catalog.string_agg(
           pg_catalog.format(' UNION ALL SELECT %s, ''open''::text FROM (%s) AS q', selected,
                             CASE WHEN v.per_window
                                  THEN globalmart.each_window_query(globalmart.open_window_query(v.window_query), v.close_query)
                                  ELSE (globalmart.describe_rollup(v.query, v.version_id, v.rollup)).live_query END),
           '' ORDER BY v.version_id)
    INTO open_parts
  FROM globalmart.rollup_versions AS v JOIN globalmart.rollup_progress AS p USING (version_id)
  WHERE v.rollup = name AND p.merged_until < v.live_until + pg_catalog.make_interval(secs => v.width / 1e6);
  EXECUTE pg_catalog.format('CREATE OR REPLACE VIEW globalmart.%I AS SELECT %s, ''closed''::text AS state FROM globalmart.%I%s',
                            name || '_live', columns, name, open_parts);
  EXECUTE pg_catalog.format('ALTER VIEW globalmart.%I OWNER TO globalmart_owner', name || '_live');
  EXECUTE pg_catalog.format('GRANT SELECT ON globalmart.%I TO globalmart_reader, globalmart_analyst', name || '_live');
  EXECUTE pg_catalog.format('COMMENT ON VIEW globalmart.%I IS %L', name || '_live',
    'The rows of ' || name || ' (state closed), and what a close now would append for its open windows (state open)');
  PERFORM globalmart.copy_column_comments(pg_catalog.format('globalmart.%I', name), pg_catalog.format('globalmart.%I', name || '_live'));
  EXECUTE pg_catalog.format('COMMENT ON COLUMN globalmart.%I.state IS %L', name || '_live',
    'closed: a row of the table; open: what a close now would append');
END
$$;
COMMENT ON FUNCTION globalmart.create_live_view(text) IS 'Makes or renews the _live view of a rollup';
