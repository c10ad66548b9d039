-- create_detector and its kin: rows of a stream that a condition picks out, appended as they come.

CREATE FUNCTION globalmart.set_detector_query(name text, query text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  description globalmart.detector_description := globalmart.describe_detector(query);
  columns text;
BEGIN
  SELECT pg_catalog.string_agg(pg_catalog.quote_ident(c), ', ' ORDER BY n) INTO columns
  FROM pg_catalog.unnest(description.column_names) WITH ORDINALITY AS u(c, n);
  PERFORM globalmart.delete_versions(set_detector_query.name);
  INSERT INTO globalmart.rollup_versions (rollup, domain, query, columns, close_query)
  VALUES (set_detector_query.name, globalmart.domain_of_relations(ARRAY[description.relation]), set_detector_query.query,
          description.column_names,
          pg_catalog.format('INSERT INTO globalmart.%I (%s, created_at) SELECT q.*, globalmart.processing_time() FROM (%s) AS q ON CONFLICT DO NOTHING',
                            set_detector_query.name, columns, description.over_matches));
  PERFORM globalmart.record_definition(set_detector_query.name);
END
$$;
COMMENT ON FUNCTION globalmart.set_detector_query(text, text) IS 'Records the query of a detector and the statement that it runs as';

-- A row is detected once: its identity is the key, where the detector keeps it.
CREATE FUNCTION globalmart.detector_keys(description globalmart.detector_description) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN k.keys <@ description.column_names THEN k.keys ELSE '{}' END
  FROM globalmart.streams AS s, LATERAL (SELECT array_remove(ARRAY[s.id_column::text, s.line_column::text], NULL)) AS k(keys)
  WHERE s.relation = description.relation
$$;
COMMENT ON FUNCTION globalmart.detector_keys(globalmart.detector_description) IS
  'The key of a detector''s table: the id of the stream, and what tells its lines apart; none where the query does not give them';

CREATE FUNCTION globalmart.make_detector(name text, query text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  description globalmart.detector_description := globalmart.describe_detector(query);
  source globalmart.streams;
  keys text[] := globalmart.detector_keys(description);
BEGIN
  SELECT s.* INTO source FROM globalmart.streams AS s WHERE s.relation = description.relation;
  PERFORM globalmart.create_rollup_table(make_detector.name, description.column_names, description.column_types,
    keys, true, description.not_null_columns);
  EXECUTE pg_catalog.format('COMMENT ON TABLE globalmart.%I IS %L', make_detector.name, globalmart.table_comment('detector', query));
  PERFORM globalmart.comment_columns(make_detector.name, description.column_names, '{}',
    globalmart.column_comments(description.column_names, description.column_expressions, keys));
  EXECUTE pg_catalog.format('COMMENT ON COLUMN globalmart.%I.created_at IS %L', make_detector.name,
    'When the row was appended (UTC): the clock of the statement that brought the event, one value for all its rows');
  INSERT INTO globalmart.rollup_catalog (name, kind, domain, query)
  VALUES (make_detector.name, 'detector', source.domain, make_detector.query);
  PERFORM globalmart.set_detector_query(make_detector.name, make_detector.query);
  IF source.time_column::text = ANY (description.not_null_columns) AND source.id_column::text = ANY (description.not_null_columns) THEN
    -- Rollups may read what was detected.
    PERFORM globalmart.make_stream(make_detector.name, pg_catalog.format('globalmart.%I', make_detector.name)::regclass,
      source.domain, NULL, source.time_column, source.id_column,
      CASE WHEN source.line_column::text = ANY (description.not_null_columns) THEN source.line_column END);
  END IF;
  PERFORM globalmart.definitions_changed(source.domain);
END
$$;
COMMENT ON FUNCTION globalmart.make_detector(text, text) IS 'What create_detector does once no fold is under way';

CREATE FUNCTION globalmart.create_detector(name text, query text, if_not_exists boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  description globalmart.detector_description;
BEGIN
  PERFORM globalmart.require_owner();
  PERFORM globalmart.require_name(create_detector.name);
  IF EXISTS (SELECT FROM globalmart.rollup_catalog AS c WHERE c.name = create_detector.name) THEN
    IF if_not_exists THEN
      RAISE NOTICE 'detector "%" already exists, skipping', create_detector.name;
      RETURN;
    END IF;
    RAISE duplicate_object USING MESSAGE = pg_catalog.format('detector "%s" already exists', create_detector.name),
      HINT = 'Use globalmart.alter_rollup to change it, or if_not_exists => true.';
  END IF;
  PERFORM globalmart.require_free_name(create_detector.name);
  PERFORM globalmart.require_query('detector', query);
  description := globalmart.describe_detector(query);
  PERFORM globalmart.require_columns('detector', description.column_names);
  PERFORM globalmart.change_definitions(globalmart.domain_of_relations(ARRAY[description.relation]),
    pg_catalog.format('SELECT globalmart.make_detector(%L, %L)', create_detector.name, create_detector.query));
END
$$;
COMMENT ON FUNCTION globalmart.create_detector(text, text, boolean) IS
  'Makes a table globalmart.NAME of the rows of a stream that a condition picks out, appended in the transaction that brings them: query is SELECT ... FROM stream WHERE .... Its table is a stream itself when it keeps event time and id';

CREATE FUNCTION globalmart.drop_detector(name text, if_exists boolean DEFAULT false) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  SELECT globalmart.drop_rollup(name, if_exists)
$$;
COMMENT ON FUNCTION globalmart.drop_detector(text, boolean) IS 'Drops a detector with its table';
