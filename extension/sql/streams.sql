-- Domains and streams: which tables are folded, and which of them share a watermark.

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

CREATE FUNCTION globalmart.require_read_committed(what text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF pg_catalog.current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE invalid_transaction_state USING
      MESSAGE = what || ' in a READ COMMITTED transaction',
      HINT = 'It must see what others have committed meanwhile. Where the database or the role has another default: SET default_transaction_isolation = ''read committed''.';
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.require_read_committed(text) IS 'Raises SQLSTATE 25000 in any other isolation level; what: the beginning of the message';

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
    SELECT greatest(p.max_event_time, p.newest_event) FROM globalmart.partition_progress AS p WHERE p.domain = $1
    UNION ALL
    SELECT s.max_event_time FROM globalmart.sql_progress AS s WHERE s.domain = $1
    UNION ALL
    SELECT d.newest_event FROM globalmart.domains AS d WHERE d.domain = $1) AS seen(t)
$$;
COMMENT ON FUNCTION globalmart.greatest_event_time(text) IS 'The greatest event time of a domain that was committed, be it ahead of the clock; NULL before the first event';

-- A definition that begins after an event of the far future would not begin; one that begins before it would lack it,
-- for it is folded already.
CREATE FUNCTION globalmart.boundary_event_time(domain text) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  seen timestamptz := globalmart.greatest_event_time(domain);
  latest timestamptz;
  stream globalmart.streams;
  found_row boolean;
BEGIN
  -- A minute more: the bridge has judged by a clock of its own.
  SELECT CASE WHEN bool_and(m.micros IS NOT NULL) AND max(m.micros) < 1e17
              THEN globalmart.clock() + make_interval(secs => max(m.micros) / 1e6 + 60) END
    INTO latest
  FROM globalmart.streams AS s CROSS JOIN LATERAL globalmart.max_future(s.stream) AS m(micros)
  WHERE s.domain = boundary_event_time.domain AND s.has_offsets;
  IF seen IS NULL OR latest IS NULL OR seen <= latest THEN
    RETURN seen;
  END IF;
  FOR stream IN SELECT s.* FROM globalmart.streams AS s WHERE s.domain = boundary_event_time.domain ORDER BY s.has_offsets DESC, s.stream LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM %s AS t WHERE t.%I > $1)', stream.relation, stream.time_column) INTO found_row USING latest;
    IF found_row THEN
      RAISE object_not_in_prerequisite_state USING
        MESSAGE = format('rows of stream "%s" are further ahead of the clock than max_future allows', stream.stream),
        DETAIL = format('The definition would begin after them only; the latest is at %s.', to_char(seen AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')),
        HINT = format('If they are wrong, DELETE FROM %s WHERE %I > %L. If they are right, allow them: SELECT globalmart.set_setting(''max_future.%s'', ...).',
                      stream.relation, stream.time_column, to_char(latest AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS+00'), stream.stream);
    END IF;
  END LOOP;
  -- They were deleted.
  RETURN latest;
END
$$;
COMMENT ON FUNCTION globalmart.boundary_event_time(text) IS
  'The event time after which a new definition begins: the greatest of its domain. Raises SQLSTATE 55000 where that is further ahead of the clock than max_future allows, unless the rows were deleted';

CREATE FUNCTION globalmart.create_domain(domain text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  log text;
  told record;
BEGIN
  PERFORM globalmart.require_owner();
  IF domain !~ '^[a-z][a-z0-9_]{0,39}$' THEN
    RAISE invalid_parameter_value USING
      MESSAGE = pg_catalog.format('"%s" cannot name a domain', domain),
      HINT = 'Use up to 40 lower-case letters, digits and underscores.';
  END IF;
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
      'stamp bigint NOT NULL, groups int NOT NULL, body bytea NOT NULL, '
      'fold_rows bigint, fold_seconds real, fold_cpu_seconds real) '
      'WITH (fillfactor = 100, toast_tuple_target = 8160)', log);
    EXECUTE pg_catalog.format('ALTER TABLE globalmart.%I ALTER body SET STORAGE EXTERNAL', log);
    EXECUTE pg_catalog.format('CREATE INDEX ON globalmart.%I (plan_id, slice)', log);
    EXECUTE pg_catalog.format('ALTER TABLE globalmart.%I OWNER TO globalmart_owner', log);
    EXECUTE pg_catalog.format('GRANT SELECT ON globalmart.%I TO globalmart_reader', log);
    EXECUTE pg_catalog.format('COMMENT ON TABLE globalmart.%I IS %L', log,
      'Partials of open windows of domain ' || domain || ': chunks of groups, appended by folds, merged by closes');
    FOR told IN SELECT * FROM (VALUES
      ('plan_id', 'Plan, see partial_plans'), ('slice', 'Start of the slice of event time; of the first event for sessions'),
      ('stamp', 'Number of the publication that the fold saw'), ('groups', 'Number of groups in the chunk'),
      ('body', 'The groups: keys and states, encoded'), ('fold_rows', 'Rows that were folded into it; 0 for a copy'),
      ('fold_seconds', 'Time that this took, for each of the rollups that share it; NULL, as the others: not recorded'),
      ('fold_cpu_seconds', 'CPU time of it, shared likewise')) AS c(name, meaning)
    LOOP
      EXECUTE pg_catalog.format('COMMENT ON COLUMN globalmart.%I.%I IS %L', log, told.name, told.meaning);
    END LOOP;
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.create_domain(text) IS 'Makes a watermark domain and its two partial logs; harmless when it is there';

-- Where a row came from. Every stream has it last, and named alike: it is the identity of a late row.
CREATE FUNCTION globalmart.add_message_columns(relation regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM globalmart.require_owner();
  IF NOT globalmart.has_message_columns(relation) THEN
    EXECUTE format(
      'ALTER TABLE %s ADD received_at timestamptz NOT NULL DEFAULT globalmart.clock(), '
      'ADD kafka_partition int NOT NULL DEFAULT -1, '
      'ADD kafka_offset bigint NOT NULL DEFAULT nextval(''globalmart.sql_row_offset'')', relation);
  END IF;
  EXECUTE format('COMMENT ON COLUMN %s.received_at IS %L', relation,
                 'When the bridge read the message, or the row came by SQL');
  EXECUTE format('COMMENT ON COLUMN %s.kafka_partition IS %L', relation,
                 'Kafka partition that the message came from; -1: the row came by SQL');
  EXECUTE format('COMMENT ON COLUMN %s.kafka_offset IS %L', relation,
                 'Offset of the message in its partition; a number of its own for rows that came by SQL');
END
$$;
COMMENT ON FUNCTION globalmart.add_message_columns(regclass) IS
  'Gives a table the columns that a stream must have, as far as it has none of them: received_at, kafka_partition and kafka_offset, with defaults for rows that come by SQL';

-- Columns of other types would be read for what they are not, and a NULL is no identity.
CREATE FUNCTION globalmart.has_message_columns(relation regclass) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT count(*) = 3
  FROM pg_attribute AS a
  JOIN (VALUES ('received_at', 'timestamptz'::regtype), ('kafka_partition', 'int4'), ('kafka_offset', 'int8')) AS w(name, type)
    ON w.name = a.attname AND w.type = a.atttypid
  WHERE a.attrelid = $1 AND a.attnotnull AND NOT a.attisdropped
$$;
COMMENT ON FUNCTION globalmart.has_message_columns(regclass) IS
  'Whether a table has received_at timestamptz, kafka_partition int and kafka_offset bigint, all NOT NULL';

-- Rows are folded as they come and never again: what a rollup has counted stays counted. DELETE is left to
-- retention and to those who must erase something.
CREATE FUNCTION globalmart.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE feature_not_supported USING
    MESSAGE = format('%s of %I is not supported: it is a stream, and rollups do not follow', TG_OP, TG_TABLE_NAME),
    HINT = 'Append a row that corrects the other, with an id of its own. Old rows go by globalmart.drop_old_partitions() and delete_old_rows().';
END
$$;
COMMENT ON FUNCTION globalmart.refuse_change() IS
  'Statement trigger of stream tables: refuses UPDATE, ON CONFLICT DO UPDATE and TRUNCATE with 0A000';

CREATE FUNCTION globalmart.create_stream_triggers(stream text, relation regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgrelid = relation AND g.tgfoid = 'globalmart.fold_rows()'::regprocedure) THEN
    EXECUTE format(
      'CREATE TRIGGER fold_rows AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows '
      'FOR EACH STATEMENT EXECUTE FUNCTION globalmart.fold_rows(%L)', relation, stream);
  END IF;
  IF NOT EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgrelid = relation AND g.tgfoid = 'globalmart.refuse_change()'::regprocedure) THEN
    EXECUTE format(
      'CREATE TRIGGER refuse_change BEFORE UPDATE OR TRUNCATE ON %s '
      'FOR EACH STATEMENT EXECUTE FUNCTION globalmart.refuse_change()', relation);
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.create_stream_triggers(text, regclass) IS
  'Gives a stream''s table, or a partition of it, the triggers that fold its rows and keep them as they are; harmless when they are there';

CREATE FUNCTION globalmart.make_stream(
  name text, relation regclass, domain text, topic text, time_column name, id_column name, line_column name)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  has_offsets boolean := globalmart.has_message_columns(make_stream.relation);
  is_new boolean := NOT EXISTS (SELECT FROM globalmart.streams AS s WHERE s.stream = make_stream.name);
  newest timestamptz;
  part regclass;
BEGIN
  IF NOT pg_catalog.has_table_privilege('globalmart_owner', make_stream.relation, 'SELECT') THEN
    -- The bridge asks for recent event ids with the owner's rights.
    EXECUTE pg_catalog.format('GRANT SELECT ON %s TO globalmart_owner', make_stream.relation);
  END IF;
  INSERT INTO globalmart.streams AS s (stream, domain, topic, relation, time_column, id_column, line_column, has_offsets)
  VALUES (make_stream.name, make_stream.domain, make_stream.topic, make_stream.relation,
          make_stream.time_column, make_stream.id_column, make_stream.line_column, has_offsets)
  ON CONFLICT (stream) DO UPDATE SET relation = EXCLUDED.relation;
  -- The statement trigger of the table that a statement names is the one that fires, so the root and
  -- every leaf have it.
  FOR part IN
    SELECT t.relid FROM pg_catalog.pg_partition_tree(make_stream.relation) AS t
    UNION SELECT make_stream.relation
  LOOP
    PERFORM globalmart.create_stream_triggers(make_stream.name, part);
  END LOOP;
  -- Rows that are there already are nobody's to fold: rollups begin after them, and a backfill has the rest.
  IF is_new AND has_offsets THEN
    EXECUTE pg_catalog.format('SELECT pg_catalog.max(t.%1$I) FILTER (WHERE pg_catalog.isfinite(t.%1$I)) FROM %2$s AS t', make_stream.time_column, make_stream.relation)
      INTO newest;
    UPDATE globalmart.domains AS d SET newest_event = GREATEST(d.newest_event, newest) WHERE d.domain = make_stream.domain;
    IF newest IS NOT NULL AND make_stream.topic IS NULL THEN
      -- They came by SQL, as those that follow. With a topic the watermark waits for what the bridge has still to read.
      INSERT INTO globalmart.sql_progress (domain, max_event_time, committed_at) VALUES (make_stream.domain, newest, globalmart.clock());
    END IF;
  END IF;
  PERFORM globalmart.definitions_changed(make_stream.domain);
END
$$;
COMMENT ON FUNCTION globalmart.make_stream(text, regclass, text, text, name, name, name) IS
  'What create_stream does once no fold is under way';

-- There is no way back from a stream: what it cannot be kept as is refused before anything is made.
CREATE FUNCTION globalmart.require_new_stream(
  name text, relation regclass, domain text, topic text, time_column name, id_column name, line_column name)
RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  stored pg_class;
  other globalmart.streams;
BEGIN
  IF name IS NULL OR relation IS NULL OR domain IS NULL THEN
    RAISE invalid_parameter_value USING MESSAGE = 'name, relation and domain of a stream must not be NULL';
  END IF;
  IF name !~ '^[a-z][a-z0-9_]{0,49}$' THEN
    RAISE invalid_parameter_value USING
      MESSAGE = format('"%s" cannot name a stream', name),
      HINT = 'Use up to 50 lower-case letters, digits and underscores; partitions are named after it.';
  END IF;
  SELECT c.* INTO stored FROM pg_class AS c WHERE c.oid = relation;
  IF stored.relkind NOT IN ('r', 'p') OR stored.relpersistence <> 'p' THEN
    RAISE invalid_parameter_value USING
      MESSAGE = format('%s cannot be a stream: it is %s', relation,
                       CASE WHEN stored.relkind NOT IN ('r', 'p') THEN 'no table'
                            WHEN stored.relpersistence = 't' THEN 'a temporary table' ELSE 'an unlogged table' END),
      HINT = 'Rollups outlive a session and a crash, and so must the rows that they are compared with: use an ordinary table.';
  END IF;
  SELECT s.* INTO other FROM globalmart.streams AS s
  WHERE s.stream <> name
    AND (s.relation IN (require_new_stream.relation, pg_partition_root(require_new_stream.relation))
         OR s.relation IN (SELECT t.relid FROM pg_partition_tree(require_new_stream.relation) AS t));
  IF FOUND THEN
    RAISE invalid_parameter_value USING
      MESSAGE = format('%s cannot be a stream: rows of it are folded as stream "%s"', relation, other.stream),
      HINT = 'Make rollups over that one.';
  END IF;
  SELECT s.* INTO other FROM globalmart.streams AS s WHERE s.stream = name;
  -- A table that was dropped may be made anew.
  IF FOUND AND ((other.domain, other.time_column, other.id_column) <> (domain, time_column, id_column)
                OR (other.topic, other.line_column) IS DISTINCT FROM (topic, line_column)
                OR (other.relation <> relation AND EXISTS (SELECT FROM pg_class AS c WHERE c.oid = other.relation))) THEN
    RAISE invalid_parameter_value USING
      MESSAGE = format('there is a stream "%s" of another table, domain, topic or columns', name),
      DETAIL = format('Table %s, domain %s, topic %s, columns %s.', other.relation, other.domain, coalesce(other.topic, 'none'),
                      concat_ws(', ', other.time_column, other.id_column, other.line_column)),
      HINT = 'A stream stays as it was made; choose another name, and another table.';
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.require_new_stream(text, regclass, text, text, name, name, name) IS
  'Raises SQLSTATE 22023 unless a table can be made this stream, or is it already';

CREATE FUNCTION globalmart.create_stream(
  name text, relation regclass, domain text, topic text, time_column name, id_column name,
  line_column name DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  has_offsets boolean := globalmart.has_message_columns(create_stream.relation);
BEGIN
  PERFORM globalmart.require_owner();
  PERFORM globalmart.require_new_stream(name, relation, domain, topic, time_column, id_column, line_column);
  -- Rows are folded with the rights of globalmart_owner: what it may not see, every insert would fail at.
  IF NOT (SELECT pg_catalog.has_schema_privilege('globalmart_owner', c.relnamespace, 'USAGE')
          FROM pg_catalog.pg_class AS c WHERE c.oid = create_stream.relation) THEN
    RAISE insufficient_privilege USING
      MESSAGE = pg_catalog.format('globalmart_owner may not use the schema of %s', create_stream.relation),
      DETAIL = 'Rows are folded with its rights, so that every INSERT into the table would fail.',
      HINT = (SELECT pg_catalog.format('GRANT USAGE ON SCHEMA %s TO globalmart_owner', c.relnamespace::pg_catalog.regnamespace)
              FROM pg_catalog.pg_class AS c WHERE c.oid = create_stream.relation);
  END IF;
  PERFORM globalmart.create_domain(create_stream.domain);
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = create_stream.relation
                 AND a.attname = create_stream.time_column AND a.atttypid = 'timestamptz'::regtype AND a.attnotnull) THEN
    RAISE invalid_parameter_value USING
      MESSAGE = pg_catalog.format('%s has no NOT NULL timestamptz column %I', create_stream.relation, create_stream.time_column),
      HINT = 'A stream needs an event time.';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = create_stream.relation
                 AND a.attname = create_stream.id_column AND a.atttypid = 'uuid'::regtype AND a.attnotnull) THEN
    RAISE invalid_parameter_value USING
      MESSAGE = pg_catalog.format('%s has no NOT NULL uuid column %I', create_stream.relation, create_stream.id_column),
      HINT = 'A stream needs an event id.';
  END IF;
  IF create_stream.line_column IS NOT NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS a
                 WHERE a.attrelid = create_stream.relation AND a.attname = create_stream.line_column AND a.attnum > 0) THEN
    RAISE invalid_parameter_value USING
      MESSAGE = pg_catalog.format('%s has no column %I', create_stream.relation, create_stream.line_column),
      HINT = 'line_column is what tells apart the rows of one event; NULL when there is one row each.';
  END IF;
  IF NOT has_offsets AND NOT EXISTS (SELECT FROM globalmart.rollup_catalog AS c WHERE c.name = create_stream.name AND c.kind = 'detector') THEN
    RAISE invalid_parameter_value USING
      MESSAGE = pg_catalog.format('%s has no columns received_at timestamptz, kafka_partition int and kafka_offset bigint, all NOT NULL', create_stream.relation),
      DETAIL = 'Without them its rows could not move the watermark, and no window would close.',
      HINT = pg_catalog.format('SELECT globalmart.add_message_columns(%L)', create_stream.relation);
  END IF;
  PERFORM globalmart.change_definitions(create_stream.domain,
    pg_catalog.format('SELECT globalmart.make_stream(%L, %L, %L, %L, %L, %L, %L)', create_stream.name, create_stream.relation,
      create_stream.domain, create_stream.topic, create_stream.time_column, create_stream.id_column, create_stream.line_column),
    ARRAY(SELECT t.relid FROM pg_catalog.pg_partition_tree(create_stream.relation) AS t UNION SELECT create_stream.relation), readers => false);
END
$$;
COMMENT ON FUNCTION globalmart.create_stream(text, regclass, text, text, name, name, name) IS
  'Makes a table a stream: its new rows are folded into rollups. domain: streams that share a watermark; topic: where the rows come from, NULL for none; line_column: with the id, the identity of a row. globalmart_owner needs USAGE on the schema of the table, and gets SELECT on the table';

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
