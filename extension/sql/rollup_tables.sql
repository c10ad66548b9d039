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

-- Comments as the engine writes them: of the table its query, of a column what it is made of. A change of the query
-- brings new ones. Those that somebody else wrote stay, and the table's then says that the query has changed since.
CREATE FUNCTION globalmart.table_comment(kind text, query text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE kind WHEN 'detector' THEN 'Detector, rows appended as they come: ' ELSE 'Rollup, rows appended as windows close: ' END || query
$$;
COMMENT ON FUNCTION globalmart.table_comment(text, text) IS 'What a rollup''s or detector''s table is commented with when it is made';

CREATE FUNCTION globalmart.column_comments(column_names text[], expressions text[], key_columns text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT array_agg(CASE c WHEN 'window_start' THEN 'Start of the window (UTC), inclusive'
                          WHEN 'window_end' THEN 'End of the window (UTC), exclusive'
                          ELSE CASE WHEN c = ANY (key_columns) THEN 'Key: ' ELSE 'Value: ' END || regexp_replace(e, E'\\n\\s*', ' ', 'g') END ORDER BY n)
  FROM ROWS FROM (unnest(column_names), unnest(expressions)) WITH ORDINALITY AS u(c, e, n)
$$;
COMMENT ON FUNCTION globalmart.column_comments(text[], text[], text[]) IS
  'What the columns of a rollup''s or detector''s table are commented with when it is made: the expressions that they are';

-- Only where there is still the comment of before.
CREATE FUNCTION globalmart.comment_columns(name text, column_names text[], before text[], comments text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  relation regclass := format('globalmart.%I', name)::regclass;
BEGIN
  FOR number IN 1 .. cardinality(column_names) LOOP
    IF (SELECT col_description(a.attrelid, a.attnum) IS NOT DISTINCT FROM before[number]
        FROM pg_attribute AS a WHERE a.attrelid = relation AND a.attname = column_names[number]) THEN
      EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', relation, column_names[number], comments[number]);
    END IF;
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.comment_columns(text, text[], text[], text[]) IS
  'Comments columns of a rollup''s or detector''s table that have the comment of before still';

CREATE FUNCTION globalmart.comments_of_query(kind text, query text) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  rollup globalmart.rollup_description;
  detector globalmart.detector_description;
BEGIN
  IF kind = 'rollup' THEN
    rollup := globalmart.describe_rollup(query, 1);
    RETURN globalmart.column_comments(rollup.column_names, rollup.column_expressions, rollup.key_columns);
  END IF;
  detector := globalmart.describe_detector(query);
  RETURN globalmart.column_comments(detector.column_names, detector.column_expressions, globalmart.detector_keys(detector));
END
$$;
COMMENT ON FUNCTION globalmart.comments_of_query(text, text) IS 'What the engine comments the columns of such a query with';

CREATE FUNCTION globalmart.renew_comments(name text, kind text, old_query text, new_query text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  relation regclass := format('globalmart.%I', name)::regclass;
  changed text := '; the query has changed since, see globalmart.rollups';
  told text := obj_description(relation, 'pg_class');
  before text[];
BEGIN
  IF told = globalmart.table_comment(kind, old_query) THEN
    told := globalmart.table_comment(kind, new_query);
  ELSIF new_query <> old_query AND right(told, length(changed)) <> changed THEN
    told := told || changed;
  END IF;
  EXECUTE format('COMMENT ON TABLE %s IS %L', relation, told);
  BEGIN
    before := globalmart.comments_of_query(kind, old_query);
  EXCEPTION WHEN OTHERS THEN
    -- What the old query reads may be gone: that is perhaps why there is a new one.
    RETURN;
  END;
  PERFORM globalmart.comment_columns(name,
    (SELECT v.columns FROM globalmart.rollup_versions AS v WHERE v.rollup = renew_comments.name ORDER BY v.version_id DESC LIMIT 1),
    before, globalmart.comments_of_query(kind, new_query));
END
$$;
COMMENT ON FUNCTION globalmart.renew_comments(text, text, text, text) IS
  'Brings the comments of a rollup''s or detector''s table up to date with its new query, as far as the engine wrote them';

-- A query that looks across the groups of a window is run for one window at a time.
CREATE FUNCTION globalmart.each_window_query(window_query text, query text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT format('SELECT each_row.* FROM (%s) AS each_window CROSS JOIN LATERAL (%s) AS each_row', window_query,
    globalmart.bind_parameters(query, '(each_window.window_end - interval ''1 microsecond'')', 'each_window.window_end'))
$$;
COMMENT ON FUNCTION globalmart.each_window_query(text, text) IS
  'SQL that runs a query with parameters $1 < window_end <= $2 for each window_end that another query gives';

CREATE FUNCTION globalmart.open_window_query(window_query text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT format('SELECT DISTINCT w.window_end FROM (%s) AS w',
    globalmart.bind_parameters(window_query, 'NULL::timestamptz', 'NULL::timestamptz'))
$$;
COMMENT ON FUNCTION globalmart.open_window_query(text) IS 'The ends of the windows that a rollup has open';

CREATE FUNCTION globalmart.create_live_view(name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  shown text[];
  columns text;
  selected text;
  open_parts text;
BEGIN
  -- The columns that queries give, and created_at. What the owner added is in the table only.
  SELECT v.columns || '{created_at}' INTO shown
  FROM globalmart.rollup_versions AS v WHERE v.rollup = name ORDER BY v.version_id DESC LIMIT 1;
  SELECT pg_catalog.string_agg(pg_catalog.format('%I', a.attname), ', ' ORDER BY a.attnum)
    INTO columns
  FROM pg_catalog.pg_attribute AS a
  WHERE a.attrelid = pg_catalog.format('globalmart.%I', name)::regclass AND a.attname = ANY (shown);
  SELECT pg_catalog.string_agg(
           pg_catalog.format('%s::%s', CASE a.attname WHEN 'created_at' THEN 'NULL' ELSE 'q.' || pg_catalog.quote_ident(a.attname) END,
                             pg_catalog.format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
    INTO selected
  FROM pg_catalog.pg_attribute AS a
  WHERE a.attrelid = pg_catalog.format('globalmart.%I', name)::regclass AND a.attname = ANY (shown);
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
