-- create_stream, create_rollup, alter_rollup and their kin. The compiler (C++) says what a query means;
-- what follows makes the table, the view and the catalogue's rows of it.

CREATE TYPE globalmart.rollup_description AS (
  relations            oid[],
  window_kind          text,
  width                bigint,
  slide                bigint,
  window_offset        bigint,
  slice_width          bigint,
  sharable             boolean,
  source               text,
  key_signatures       text[],
  aggregate_signatures text[],
  column_names         text[],
  column_types         text[],
  key_columns          text[],
  keys_not_null        boolean,
  clock_columns        text[],
  per_window           boolean,
  close_query          text,
  live_query           text,
  window_query         text,
  batch_query          text,
  batch_window_query   text
);
COMMENT ON TYPE globalmart.rollup_description IS 'What the compiler reads off a rollup''s query';

CREATE FUNCTION globalmart.describe_rollup(query text, version_id int DEFAULT 0, rollup text DEFAULT '')
RETURNS globalmart.rollup_description
LANGUAGE C STABLE STRICT SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'globalmart_describe_rollup';
COMMENT ON FUNCTION globalmart.describe_rollup(text, int, text) IS
  'Compiles a rollup''s query without creating anything; refuses with 0A000 what the engine cannot maintain';

CREATE TYPE globalmart.detector_description AS (
  relation         oid,
  column_names     text[],
  column_types     text[],
  not_null_columns text[],
  over_matches     text
);
COMMENT ON TYPE globalmart.detector_description IS 'What the compiler reads off a detector''s query';

CREATE FUNCTION globalmart.describe_detector(query text) RETURNS globalmart.detector_description
LANGUAGE C STABLE STRICT SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'globalmart_describe_detector';
COMMENT ON FUNCTION globalmart.describe_detector(text) IS
  'Compiles a detector''s query without creating anything';

CREATE FUNCTION globalmart.read_groups(version_id int, ended_after timestamptz, ended_until timestamptz)
RETURNS SETOF record
LANGUAGE C STABLE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'globalmart_read_groups';
COMMENT ON FUNCTION globalmart.read_groups(int, timestamptz, timestamptz) IS
  'Groups of a rollup''s windows with ended_after < window_end <= ended_until, merged from partials; with NULLs, of its open windows. The queries that create_rollup writes stand on it';

CREATE FUNCTION globalmart.closable_until(watermark timestamptz, window_kind text, width bigint, slide bigint, window_offset bigint)
RETURNS timestamptz LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_closable_until';
COMMENT ON FUNCTION globalmart.closable_until(timestamptz, text, bigint, bigint, bigint) IS
  'The greatest window end that a watermark has passed; sizes in microseconds';

CREATE FUNCTION globalmart.next_boundary(ts timestamptz, window_kind text, width bigint, slide bigint, window_offset bigint)
RETURNS timestamptz LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_next_boundary';
COMMENT ON FUNCTION globalmart.next_boundary(timestamptz, text, bigint, bigint, bigint) IS
  'The first window start after a time; sizes in microseconds';

CREATE FUNCTION globalmart.exclude_folds(domain text, patience_ms int)
RETURNS void LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'globalmart_exclude_folds';
COMMENT ON FUNCTION globalmart.exclude_folds(text, int) IS
  'Keeps folds of a domain out until the end of the transaction, for a change of definitions; 55P03 when writers do not end in time';

CREATE FUNCTION globalmart.fold_rows() RETURNS trigger
LANGUAGE C SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'globalmart_fold_rows';
COMMENT ON FUNCTION globalmart.fold_rows() IS
  'Statement trigger of stream tables: folds the new rows into the partials of every rollup and runs the detectors';

-- Commands check that the caller acts for the owner, so that a refusal comes before any work.
CREATE FUNCTION globalmart.require_owner() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT pg_catalog.pg_has_role(current_user, 'globalmart_owner', 'USAGE') THEN
    RAISE insufficient_privilege USING
      MESSAGE = 'only members of globalmart_owner may change streams, rollups and detectors',
      HINT = 'GRANT globalmart_owner TO ' || pg_catalog.quote_ident(current_user);
  END IF;
  IF pg_catalog.current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE invalid_transaction_state USING
      MESSAGE = 'definitions can only be changed in a READ COMMITTED transaction',
      HINT = 'The change must see what was folded up to now.';
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.require_owner() IS 'Raises unless the caller may change definitions, and in READ COMMITTED';

CREATE FUNCTION globalmart.definitions_changed(domain text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  -- Numbers never come again, not after a rollback, nor for an extension that is made anew: a backend may have
  -- compiled what was never committed.
  UPDATE globalmart.domains AS d
  SET definition_version = greatest(d.definition_version + 1, (1e6 * extract(epoch FROM clock_timestamp()))::bigint)
  WHERE d.domain = $1
$$;
COMMENT ON FUNCTION globalmart.definitions_changed(text) IS 'Makes every backend compile the definitions of a domain anew';

CREATE FUNCTION globalmart.greatest_event_time(domain text) RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT pg_catalog.max(t) FROM (
    SELECT p.max_event_time FROM globalmart.partition_progress AS p WHERE p.domain = $1
    UNION ALL
    SELECT s.max_event_time FROM globalmart.sql_progress AS s WHERE s.domain = $1) AS seen(t)
$$;
COMMENT ON FUNCTION globalmart.greatest_event_time(text) IS 'The greatest event time of a domain that was committed; NULL before the first event';

CREATE FUNCTION globalmart.create_domain(domain text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  log text;
BEGIN
  PERFORM globalmart.require_owner();
  IF domain !~ '^[a-z][a-z0-9_]{0,39}$' THEN
    RAISE invalid_parameter_value USING
      MESSAGE = pg_catalog.format('"%s" cannot name a domain', domain),
      HINT = 'Use up to 40 lower-case letters, digits and underscores.';
  END IF;
  INSERT INTO globalmart.close_counter DEFAULT VALUES ON CONFLICT DO NOTHING;
  INSERT INTO globalmart.domains (domain) VALUES (domain) ON CONFLICT DO NOTHING;
  -- Not by the extension's script: a restored row would meet it.
  INSERT INTO globalmart.close_counter DEFAULT VALUES ON CONFLICT DO NOTHING;
  FOR generation IN 0..1 LOOP
    log := pg_catalog.format('partial_log_%s_%s', domain, generation);
    IF pg_catalog.to_regclass('globalmart.' || log) IS NOT NULL THEN
      CONTINUE;
    END IF;
    EXECUTE pg_catalog.format(
      'CREATE TABLE globalmart.%I (plan_id int NOT NULL, slice timestamptz NOT NULL, '
      'last_event timestamptz NOT NULL, stamp bigint NOT NULL, groups int NOT NULL, body bytea NOT NULL) '
      'WITH (fillfactor = 100, toast_tuple_target = 8160)', log);
    EXECUTE pg_catalog.format('ALTER TABLE globalmart.%I ALTER body SET STORAGE EXTERNAL', log);
    EXECUTE pg_catalog.format('CREATE INDEX ON globalmart.%I (plan_id, slice)', log);
    EXECUTE pg_catalog.format('ALTER TABLE globalmart.%I OWNER TO globalmart_owner', log);
    EXECUTE pg_catalog.format('GRANT SELECT ON globalmart.%I TO globalmart_reader', log);
    EXECUTE pg_catalog.format('COMMENT ON TABLE globalmart.%I IS %L', log,
      'Partials of open windows of domain ' || domain || ': chunks of groups, appended by folds, merged by closes');
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.create_domain(text) IS 'Makes a watermark domain and its two partial logs; harmless when it is there';

CREATE FUNCTION globalmart.create_stream(
  name text, relation regclass, domain text, topic text, time_column name, id_column name,
  line_column name DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  has_offsets boolean;
  part regclass;
BEGIN
  PERFORM globalmart.require_owner();
  PERFORM globalmart.create_domain(create_stream.domain);
  SELECT count(*) = 3 INTO has_offsets FROM pg_catalog.pg_attribute AS a
  WHERE a.attrelid = create_stream.relation AND NOT a.attisdropped
    AND a.attname IN ('kafka_partition', 'kafka_offset', 'received_at');
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = create_stream.relation
                 AND a.attname = create_stream.time_column AND a.atttypid = 'timestamptz'::regtype AND a.attnotnull) THEN
    RAISE invalid_parameter_value USING
      MESSAGE = pg_catalog.format('%s has no NOT NULL timestamptz column %I', create_stream.relation, create_stream.time_column),
      HINT = 'A stream needs an event time.';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = create_stream.relation
                 AND a.attname = create_stream.id_column AND a.atttypid = 'uuid'::regtype) THEN
    RAISE invalid_parameter_value USING
      MESSAGE = pg_catalog.format('%s has no uuid column %I', create_stream.relation, create_stream.id_column),
      HINT = 'A stream needs an event id.';
  END IF;
  IF NOT has_offsets AND NOT EXISTS (SELECT FROM globalmart.rollup_catalog AS c WHERE c.name = create_stream.name AND c.kind = 'detector') THEN
    RAISE invalid_parameter_value USING
      MESSAGE = pg_catalog.format('%s has no columns kafka_partition, kafka_offset and received_at', create_stream.relation),
      DETAIL = 'Without them its rows could not move the watermark, and no window would close.',
      HINT = pg_catalog.format('ALTER TABLE %s ADD received_at timestamptz NOT NULL DEFAULT globalmart.clock(), '
        'ADD kafka_partition int NOT NULL DEFAULT -1, ADD kafka_offset bigint NOT NULL DEFAULT nextval(''globalmart.sql_row_offset'')', create_stream.relation);
  END IF;
  PERFORM globalmart.exclude_folds(create_stream.domain, 10000);
  INSERT INTO globalmart.streams AS s (stream, domain, topic, relation, time_column, id_column, line_column, has_offsets)
  VALUES (create_stream.name, create_stream.domain, create_stream.topic, create_stream.relation,
          create_stream.time_column, create_stream.id_column, create_stream.line_column, has_offsets)
  ON CONFLICT (stream) DO UPDATE SET relation = EXCLUDED.relation;
  -- The statement trigger of the table that a statement names is the one that fires, so the root and
  -- every leaf have it.
  FOR part IN
    SELECT t.relid FROM pg_catalog.pg_partition_tree(create_stream.relation) AS t
    UNION SELECT create_stream.relation
  LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS g WHERE g.tgrelid = part
                   AND g.tgfoid = 'globalmart.fold_rows()'::pg_catalog.regprocedure) THEN
      EXECUTE pg_catalog.format(
        'CREATE TRIGGER fold_rows AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows '
        'FOR EACH STATEMENT EXECUTE FUNCTION globalmart.fold_rows(%L)', part, create_stream.name);
    END IF;
  END LOOP;
  PERFORM globalmart.definitions_changed(create_stream.domain);
END
$$;
COMMENT ON FUNCTION globalmart.create_stream(text, regclass, text, text, name, name, name) IS
  'Makes a table a stream: its new rows are folded into rollups. domain: streams that share a watermark; topic: where the rows come from, NULL for none; line_column: with the id, the identity of a row';

-- The plan that a rollup's partials go to: one that is there, if the rollup can be merged from it.
CREATE FUNCTION globalmart.choose_plan(
  domain text, description globalmart.rollup_description, query text,
  OUT plan_id int, OUT key_numbers int[], OUT aggregate_numbers int[])
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  signature text;
  known text[];
BEGIN
  IF description.sharable THEN
    SELECT p.plan_id INTO choose_plan.plan_id
    FROM globalmart.partial_plans AS p
    WHERE p.domain = choose_plan.domain AND p.source = description.source AND p.window_kind = 'slice'
      AND p.key_signatures @> description.key_signatures
      AND description.width % p.slice_width = 0 AND description.slide % p.slice_width = 0
      AND (description.window_offset - p.slice_offset) % p.slice_width = 0
    ORDER BY pg_catalog.cardinality(p.key_signatures), p.slice_width DESC, p.plan_id
    LIMIT 1;
  END IF;
  IF choose_plan.plan_id IS NULL THEN
    INSERT INTO globalmart.partial_plans
      (domain, source, window_kind, slice_width, slice_offset, key_signatures, aggregate_signatures, base_query)
    VALUES (choose_plan.domain,
            CASE WHEN description.sharable THEN description.source ELSE 'own: ' || description.source END,
            CASE description.window_kind WHEN 'session' THEN 'session' ELSE 'slice' END,
            description.slice_width, description.window_offset, description.key_signatures, '{}', choose_plan.query)
    RETURNING partial_plans.plan_id INTO choose_plan.plan_id;
  END IF;
  SELECT p.key_signatures INTO known FROM globalmart.partial_plans AS p WHERE p.plan_id = choose_plan.plan_id;
  key_numbers := '{}';
  FOREACH signature IN ARRAY description.key_signatures LOOP
    key_numbers := key_numbers || (pg_catalog.array_position(known, signature) - 1);
  END LOOP;
  SELECT p.aggregate_signatures INTO known FROM globalmart.partial_plans AS p WHERE p.plan_id = choose_plan.plan_id;
  aggregate_numbers := '{}';
  FOREACH signature IN ARRAY description.aggregate_signatures LOOP
    IF NOT signature = ANY (known) THEN
      known := known || signature;
    END IF;
    aggregate_numbers := aggregate_numbers || (pg_catalog.array_position(known, signature) - 1);
  END LOOP;
  UPDATE globalmart.partial_plans AS p SET aggregate_signatures = known WHERE p.plan_id = choose_plan.plan_id;
END
$$;
COMMENT ON FUNCTION globalmart.choose_plan(text, globalmart.rollup_description, text) IS
  'Finds or makes the shared partials that a rollup is merged from';

CREATE FUNCTION globalmart.require_name(name text) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF name IS NULL OR name !~ '^[a-z][a-z0-9_]{0,49}$' THEN
    RAISE invalid_name USING
      MESSAGE = pg_catalog.format('"%s" cannot name a rollup or detector', name),
      HINT = 'Use up to 50 lower-case letters, digits and underscores; it becomes the name of a table.';
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.require_name(text) IS 'Raises unless a name can be that of a rollup';

CREATE FUNCTION globalmart.domain_of_relations(relations oid[]) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  domains text[];
BEGIN
  SELECT pg_catalog.array_agg(DISTINCT s.domain) INTO domains
  FROM globalmart.streams AS s WHERE s.relation = ANY (relations);
  IF pg_catalog.cardinality(domains) <> 1 THEN
    RAISE feature_not_supported USING
      MESSAGE = 'a rollup cannot maintain streams of different watermark domains together',
      DETAIL = 'Part of the query: FROM, over ' || pg_catalog.array_to_string(domains, ', '),
      HINT = 'Make one rollup for each and join their tables.';
  END IF;
  RETURN domains[1];
END
$$;
COMMENT ON FUNCTION globalmart.domain_of_relations(oid[]) IS 'The one watermark domain of these streams';

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
  EXECUTE pg_catalog.format('GRANT SELECT ON globalmart.%I TO globalmart_reader', name);
  EXECUTE pg_catalog.format('COMMENT ON COLUMN globalmart.%I.created_at IS %L', name,
                            'When the row was appended (UTC): the closer''s clock, one value for all rows of one close');
END
$$;
COMMENT ON FUNCTION globalmart.create_rollup_table(text, text[], text[], text[], boolean, text[]) IS
  'Makes the table of a rollup or detector';

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
  EXECUTE pg_catalog.format('GRANT SELECT ON globalmart.%I TO globalmart_reader', name || '_live');
  EXECUTE pg_catalog.format('COMMENT ON VIEW globalmart.%I IS %L', name || '_live',
    'The rows of ' || name || ' (state closed), and what a close now would append for its open windows (state open)');
END
$$;
COMMENT ON FUNCTION globalmart.create_live_view(text) IS 'Makes or renews the _live view of a rollup';

-- A definition in force from a boundary on.
CREATE FUNCTION globalmart.add_version(name text, domain text, query text, live_from timestamptz)
RETURNS int
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  version_id int := pg_catalog.nextval(pg_catalog.pg_get_serial_sequence('globalmart.rollup_versions', 'version_id'));
  description globalmart.rollup_description := globalmart.describe_rollup(query, version_id, name);
  plan record;
BEGIN
  SELECT * INTO plan FROM globalmart.choose_plan(domain, description, query);
  INSERT INTO globalmart.rollup_versions
    (version_id, rollup, domain, query, plan_id, key_numbers, aggregate_numbers, window_kind, width, slide,
     window_offset, live_from, close_query, window_query, per_window, columns, key_columns, clock_columns)
  OVERRIDING SYSTEM VALUE
  VALUES (version_id, add_version.name, add_version.domain, add_version.query, plan.plan_id, plan.key_numbers,
          plan.aggregate_numbers, description.window_kind, description.width, description.slide,
          description.window_offset, add_version.live_from, description.close_query, description.window_query,
          description.per_window, description.column_names, description.key_columns, description.clock_columns);
  INSERT INTO globalmart.rollup_progress (version_id, domain, closed_until, merged_until)
  VALUES (version_id, add_version.domain, add_version.live_from, add_version.live_from);
  RETURN version_id;
END
$$;
COMMENT ON FUNCTION globalmart.add_version(text, text, text, timestamptz) IS
  'Records a definition of a rollup, in force for windows that begin at live_from or later';

CREATE FUNCTION globalmart.delete_versions(rollup text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  DELETE FROM globalmart.rollup_progress AS p USING globalmart.rollup_versions AS v
  WHERE v.version_id = p.version_id AND v.rollup = $1;
  DELETE FROM globalmart.rollup_versions AS v WHERE v.rollup = $1;
$$;
COMMENT ON FUNCTION globalmart.delete_versions(text) IS 'Forgets the definitions of a rollup or detector, and how far they were closed';

CREATE FUNCTION globalmart.create_rollup(
  name text, query text, lateness interval DEFAULT '1 minute', idle_timeout interval DEFAULT '1 minute',
  watermark_policy text DEFAULT 'min', if_not_exists boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  description globalmart.rollup_description;
  domain text;
  seen timestamptz;
  live_from timestamptz := '-infinity';
BEGIN
  PERFORM globalmart.require_owner();
  PERFORM globalmart.require_name(create_rollup.name);
  IF EXISTS (SELECT FROM globalmart.rollup_catalog AS c WHERE c.name = create_rollup.name) THEN
    IF if_not_exists THEN
      RAISE NOTICE 'rollup "%" already exists, skipping', create_rollup.name;
      RETURN;
    END IF;
    RAISE duplicate_object USING
      MESSAGE = pg_catalog.format('rollup "%s" already exists', create_rollup.name),
      HINT = 'Use globalmart.alter_rollup to change it, or if_not_exists => true.';
  END IF;
  PERFORM globalmart.require_settings(lateness, idle_timeout, watermark_policy);
  description := globalmart.describe_rollup(query);
  IF description.column_names && ARRAY['created_at', 'state'] THEN
    RAISE feature_not_supported USING
      MESSAGE = 'a rollup cannot maintain a column called created_at or state',
      DETAIL = 'Part of the query: SELECT',
      HINT = 'Choose another name: the engine appends created_at to the table, and state to its _live view.';
  END IF;
  domain := globalmart.domain_of_relations(description.relations);
  PERFORM globalmart.exclude_folds(domain, 10000);
  seen := globalmart.greatest_event_time(domain);
  IF seen IS NOT NULL THEN
    live_from := globalmart.next_boundary(seen, description.window_kind, description.width, description.slide, description.window_offset);
  END IF;
  PERFORM globalmart.create_rollup_table(create_rollup.name, description.column_names, description.column_types,
    description.key_columns, description.keys_not_null, ARRAY['window_start', 'window_end']);
  EXECUTE pg_catalog.format('COMMENT ON COLUMN globalmart.%I.window_start IS %L', create_rollup.name, 'Start of the window (UTC), inclusive');
  EXECUTE pg_catalog.format('COMMENT ON COLUMN globalmart.%I.window_end IS %L', create_rollup.name, 'End of the window (UTC), exclusive');
  EXECUTE pg_catalog.format('COMMENT ON TABLE globalmart.%I IS %L', create_rollup.name, 'Rollup, rows appended as windows close: ' || query);
  INSERT INTO globalmart.rollup_catalog (name, kind, domain, query, lateness, idle_timeout, watermark_policy)
  VALUES (create_rollup.name, 'rollup', domain, create_rollup.query, create_rollup.lateness,
          create_rollup.idle_timeout, create_rollup.watermark_policy);
  PERFORM globalmart.add_version(create_rollup.name, domain, query, live_from);
  PERFORM globalmart.create_live_view(create_rollup.name);
  PERFORM globalmart.definitions_changed(domain);
END
$$;
COMMENT ON FUNCTION globalmart.create_rollup(text, text, interval, interval, text, boolean) IS
  'Makes a table globalmart.NAME that is kept up to date from a stream: query is SELECT ... FROM stream, globalmart.tumble(event_time, width) ... GROUP BY window_start, window_end, keys. lateness: how much later than its neighbours an event may come; idle_timeout: after which a silent partition no longer holds the watermark; watermark_policy: min or max over partitions. Windows that begin after the newest event are live, older ones are for backfill_rollup';

CREATE FUNCTION globalmart.require_settings(lateness interval, idle_timeout interval, watermark_policy text) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF lateness < interval '0' OR idle_timeout < interval '0' THEN
    RAISE invalid_parameter_value USING MESSAGE = 'lateness and idle_timeout must not be negative';
  END IF;
  IF pg_catalog.date_part('month', lateness) <> 0 OR pg_catalog.date_part('year', lateness) <> 0 THEN
    RAISE invalid_parameter_value USING MESSAGE = 'lateness must not be given in months',
      HINT = 'Give it in minutes or hours.';
  END IF;
  IF watermark_policy NOT IN ('min', 'max') THEN
    RAISE invalid_parameter_value USING
      MESSAGE = pg_catalog.format('watermark_policy must be min or max, not "%s"', watermark_policy);
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.require_settings(interval, interval, text) IS 'Raises unless a rollup''s settings make sense';

CREATE FUNCTION globalmart.require_rollup(name text, kind text DEFAULT NULL) RETURNS globalmart.rollup_catalog
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_row globalmart.rollup_catalog;
BEGIN
  SELECT c.* INTO found_row FROM globalmart.rollup_catalog AS c
  WHERE c.name = require_rollup.name AND (require_rollup.kind IS NULL OR c.kind = require_rollup.kind);
  IF NOT FOUND THEN
    RAISE undefined_object USING
      MESSAGE = pg_catalog.format('there is no %s "%s"', COALESCE(kind, 'rollup or detector'), name),
      HINT = 'See the view globalmart.rollups.';
  END IF;
  RETURN found_row;
END
$$;
COMMENT ON FUNCTION globalmart.require_rollup(text, text) IS 'The catalogue''s row of a rollup, or an error that says where to look';

-- A new query must fit the table: writers would run into it otherwise, or closes.
CREATE FUNCTION globalmart.require_same_columns(name text, column_names text[], column_types text[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  old_columns text[];
  old_types text[];
  given text;
  kept text;
BEGIN
  SELECT v.columns INTO old_columns FROM globalmart.rollup_versions AS v
  WHERE v.rollup = require_same_columns.name ORDER BY v.version_id DESC LIMIT 1;
  SELECT array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY u.n) INTO old_types
  FROM unnest(old_columns) WITH ORDINALITY AS u(c, n)
  LEFT JOIN pg_attribute AS a ON a.attrelid = format('globalmart.%I', require_same_columns.name)::regclass
                             AND a.attname = u.c AND NOT a.attisdropped;
  IF (column_names, column_types) IS DISTINCT FROM (old_columns, old_types) THEN
    SELECT string_agg(concat_ws(' ', u.c, u.t), ', ' ORDER BY u.n) INTO given
    FROM ROWS FROM (unnest(column_names), unnest(column_types)) WITH ORDINALITY AS u(c, t, n);
    SELECT string_agg(concat_ws(' ', u.c, u.t), ', ' ORDER BY u.n) INTO kept
    FROM ROWS FROM (unnest(old_columns), unnest(old_types)) WITH ORDINALITY AS u(c, t, n);
    RAISE feature_not_supported USING
      MESSAGE = format('the new query of "%s" has other columns', require_same_columns.name),
      DETAIL = format('It gives (%s), the table has (%s).', given, kept),
      HINT = 'Cast columns to the types of the table, or make another rollup or detector for other columns.';
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.require_same_columns(text, text[], text[]) IS
  'Raises unless a new query gives the columns that a rollup''s or detector''s table has';

-- Where windows of the old shape end and windows of the new shape begin, no event stands in both. Shapes
-- that have no such time within a day overlap.
CREATE FUNCTION globalmart.common_boundary(name text, description globalmart.rollup_description, earliest timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  old globalmart.rollup_versions;
  boundary timestamptz := earliest;
BEGIN
  SELECT v.* INTO old FROM globalmart.rollup_versions AS v
  WHERE v.rollup = common_boundary.name ORDER BY v.version_id DESC LIMIT 1;
  IF old.window_kind = 'session' OR description.window_kind = 'session' THEN
    RETURN earliest;
  END IF;
  WHILE boundary <= earliest + interval '24 hours' LOOP
    IF globalmart.closable_until(boundary, old.window_kind, old.width, old.slide, old.window_offset) = boundary THEN
      RETURN boundary;
    END IF;
    -- The end of the old window that this time stands in, then the new one's next start.
    boundary := globalmart.next_boundary(
      globalmart.next_boundary(boundary, old.window_kind, old.slide, old.slide, old.window_offset) - interval '1 microsecond',
      description.window_kind, description.width, description.slide, description.window_offset);
  END LOOP;
  RETURN earliest;
END
$$;
COMMENT ON FUNCTION globalmart.common_boundary(text, globalmart.rollup_description, timestamptz) IS
  'The first time from earliest on at which a window of a rollup ends and one of its new definition begins';

CREATE FUNCTION globalmart.alter_rollup(
  name text, query text DEFAULT NULL, lateness interval DEFAULT NULL, idle_timeout interval DEFAULT NULL,
  watermark_policy text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  rollup globalmart.rollup_catalog;
  description globalmart.rollup_description;
  detector globalmart.detector_description;
  boundary timestamptz;
BEGIN
  PERFORM globalmart.require_owner();
  rollup := globalmart.require_rollup(alter_rollup.name);
  PERFORM globalmart.exclude_folds(rollup.domain, 10000);
  lateness := COALESCE(alter_rollup.lateness, rollup.lateness);
  idle_timeout := COALESCE(alter_rollup.idle_timeout, rollup.idle_timeout);
  watermark_policy := COALESCE(alter_rollup.watermark_policy, rollup.watermark_policy);
  PERFORM globalmart.require_settings(lateness, idle_timeout, watermark_policy);
  UPDATE globalmart.rollup_catalog AS c
  SET lateness = alter_rollup.lateness, idle_timeout = alter_rollup.idle_timeout,
      watermark_policy = alter_rollup.watermark_policy,
      query = COALESCE(alter_rollup.query, c.query)
  WHERE c.name = alter_rollup.name;
  IF alter_rollup.query IS NOT NULL AND rollup.kind = 'detector' THEN
    detector := globalmart.describe_detector(alter_rollup.query);
    PERFORM globalmart.require_same_columns(alter_rollup.name, detector.column_names, detector.column_types);
    IF globalmart.domain_of_relations(ARRAY[detector.relation]) <> rollup.domain THEN
      RAISE feature_not_supported USING
        MESSAGE = pg_catalog.format('detector "%s" cannot move to a stream with another watermark', alter_rollup.name),
        HINT = 'Make another detector for that stream.';
    END IF;
    PERFORM globalmart.set_detector_query(alter_rollup.name, alter_rollup.query);
  ELSIF alter_rollup.query IS NOT NULL THEN
    description := globalmart.describe_rollup(alter_rollup.query);
    PERFORM globalmart.require_same_columns(alter_rollup.name, description.column_names, description.column_types);
    IF globalmart.domain_of_relations(description.relations) <> rollup.domain THEN
      RAISE feature_not_supported USING
        MESSAGE = pg_catalog.format('rollup "%s" cannot move to streams with another watermark', alter_rollup.name);
    END IF;
    -- The first window of the new shape that no event has touched, and not before the old version began.
    SELECT pg_catalog.max(t) INTO boundary FROM (
      SELECT globalmart.greatest_event_time(rollup.domain)
      UNION ALL SELECT v.live_from FROM globalmart.rollup_versions AS v WHERE v.rollup = alter_rollup.name
      UNION ALL SELECT p.closed_until FROM globalmart.rollup_versions AS v JOIN globalmart.rollup_progress AS p USING (version_id)
                WHERE v.rollup = alter_rollup.name) AS times(t);
    IF boundary = '-infinity' THEN
      -- Nothing was ever folded: the new definition simply takes the old one's place.
      PERFORM globalmart.delete_versions(alter_rollup.name);
    ELSE
      boundary := globalmart.common_boundary(alter_rollup.name, description,
        globalmart.next_boundary(boundary, description.window_kind, description.width, description.slide, description.window_offset));
      UPDATE globalmart.rollup_versions AS v SET live_until = boundary
      WHERE v.rollup = alter_rollup.name AND v.live_until = 'infinity';
    END IF;
    PERFORM globalmart.add_version(alter_rollup.name, rollup.domain, alter_rollup.query, boundary);
    PERFORM globalmart.create_live_view(alter_rollup.name);
  END IF;
  PERFORM globalmart.definitions_changed(rollup.domain);
END
$$;
COMMENT ON FUNCTION globalmart.alter_rollup(text, text, interval, interval, text) IS
  'Changes a rollup or detector; what is NULL stays. Lateness, idle_timeout and watermark_policy hold from now on; a new query (other thresholds, another width, the same columns) from the first window that begins after the newest event';

CREATE FUNCTION globalmart.drop_rollup(name text, if_exists boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  rollup globalmart.rollup_catalog;
BEGIN
  PERFORM globalmart.require_owner();
  IF if_exists AND NOT EXISTS (SELECT FROM globalmart.rollup_catalog AS c WHERE c.name = drop_rollup.name) THEN
    RAISE NOTICE 'rollup "%" does not exist, skipping', drop_rollup.name;
    RETURN;
  END IF;
  rollup := globalmart.require_rollup(drop_rollup.name);
  IF rollup.kind = 'detector' AND EXISTS (
       SELECT FROM globalmart.rollup_versions AS v
       WHERE v.plan_id IS NOT NULL
         AND pg_catalog.format('globalmart.%I', drop_rollup.name)::regclass::oid = ANY ((globalmart.describe_rollup(v.query)).relations)) THEN
    RAISE dependent_objects_still_exist USING
      MESSAGE = pg_catalog.format('rollups read the table of detector "%s"', drop_rollup.name),
      HINT = 'Drop these rollups first.';
  END IF;
  PERFORM globalmart.exclude_folds(rollup.domain, 10000);
  IF rollup.kind = 'rollup' THEN
    EXECUTE pg_catalog.format('DROP VIEW globalmart.%I', drop_rollup.name || '_live');
  END IF;
  EXECUTE pg_catalog.format('DROP TABLE globalmart.%I', drop_rollup.name);
  DELETE FROM globalmart.streams AS s WHERE s.stream = drop_rollup.name AND rollup.kind = 'detector';
  PERFORM globalmart.delete_versions(drop_rollup.name);
  DELETE FROM globalmart.backfills AS b WHERE b.rollup = drop_rollup.name;
  DELETE FROM globalmart.rollup_catalog AS c WHERE c.name = drop_rollup.name;
  DELETE FROM globalmart.late_events AS l WHERE l.rollup = drop_rollup.name;
  DELETE FROM globalmart.partly_late_events AS l WHERE l.rollup = drop_rollup.name;
  DELETE FROM globalmart.partial_plans AS p
  WHERE NOT EXISTS (SELECT FROM globalmart.rollup_versions AS v WHERE v.plan_id = p.plan_id);
  PERFORM globalmart.definitions_changed(rollup.domain);
END
$$;
COMMENT ON FUNCTION globalmart.drop_rollup(text, boolean) IS
  'Drops a rollup or detector with its table, its rows and its late events; refused while views of yours depend on it';

CREATE FUNCTION globalmart.pause_rollup(name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  rollup globalmart.rollup_catalog;
BEGIN
  PERFORM globalmart.require_owner();
  rollup := globalmart.require_rollup(pause_rollup.name);
  UPDATE globalmart.rollup_catalog AS c SET state = 'paused' WHERE c.name = pause_rollup.name;
  IF rollup.kind = 'detector' THEN
    PERFORM globalmart.exclude_folds(rollup.domain, 10000);
    PERFORM globalmart.definitions_changed(rollup.domain);
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.pause_rollup(text) IS
  'Keeps a rollup''s windows open: events go on to be folded, nothing is closed and nothing is late until resume_rollup. A paused detector detects nothing';

CREATE FUNCTION globalmart.resume_rollup(name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  rollup globalmart.rollup_catalog;
BEGIN
  PERFORM globalmart.require_owner();
  rollup := globalmart.require_rollup(resume_rollup.name);
  UPDATE globalmart.rollup_catalog AS c SET state = 'live', last_error = NULL WHERE c.name = resume_rollup.name;
  IF rollup.kind = 'detector' THEN
    PERFORM globalmart.exclude_folds(rollup.domain, 10000);
    PERFORM globalmart.definitions_changed(rollup.domain);
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.resume_rollup(text) IS
  'Lets a paused or failed rollup go on: the next close appends everything that is due';

-- Detectors.
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
END
$$;
COMMENT ON FUNCTION globalmart.set_detector_query(text, text) IS 'Records the query of a detector and the statement that it runs as';

CREATE FUNCTION globalmart.create_detector(name text, query text, if_not_exists boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  description globalmart.detector_description;
  source globalmart.streams;
  keys text[];
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
  description := globalmart.describe_detector(query);
  SELECT s.* INTO source FROM globalmart.streams AS s WHERE s.relation = description.relation;
  PERFORM globalmart.exclude_folds(source.domain, 10000);
  -- A row is detected once: its identity is the key, where the detector keeps it.
  keys := ARRAY[source.id_column::text];
  IF source.line_column IS NOT NULL THEN
    keys := keys || source.line_column::text;
  END IF;
  IF NOT keys <@ description.column_names THEN
    keys := '{}';
  END IF;
  PERFORM globalmart.create_rollup_table(create_detector.name, description.column_names, description.column_types,
    keys, true, description.not_null_columns);
  EXECUTE pg_catalog.format('COMMENT ON TABLE globalmart.%I IS %L', create_detector.name, 'Detector, rows appended as they come: ' || query);
  INSERT INTO globalmart.rollup_catalog (name, kind, domain, query)
  VALUES (create_detector.name, 'detector', source.domain, create_detector.query);
  PERFORM globalmart.set_detector_query(create_detector.name, create_detector.query);
  IF source.time_column::text = ANY (description.not_null_columns) AND source.id_column::text = ANY (description.not_null_columns) THEN
    -- Rollups may read what was detected.
    PERFORM globalmart.create_stream(create_detector.name, pg_catalog.format('globalmart.%I', create_detector.name)::regclass,
      source.domain, NULL, source.time_column, source.id_column,
      CASE WHEN source.line_column::text = ANY (description.not_null_columns) THEN source.line_column END);
  END IF;
  PERFORM globalmart.definitions_changed(source.domain);
END
$$;
COMMENT ON FUNCTION globalmart.create_detector(text, text, boolean) IS
  'Makes a table globalmart.NAME of the rows of a stream that a condition picks out, appended in the transaction that brings them: query is SELECT ... FROM stream WHERE .... Its table is a stream itself when it keeps event time and id';

CREATE FUNCTION globalmart.drop_detector(name text, if_exists boolean DEFAULT false) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  SELECT globalmart.drop_rollup(name, if_exists)
$$;
COMMENT ON FUNCTION globalmart.drop_detector(text, boolean) IS 'Drops a detector with its table';
