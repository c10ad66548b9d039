-- Day partitions of stream tables. They are made by CREATE and ATTACH under a lock_timeout of 50 ms: an
-- open reader makes the attempt give up, and no writer queues behind it for longer than that.

-- Where the rows of a stream live: a stream by name, or any append table of ours (the catalogue's history).
CREATE FUNCTION globalmart.stream_relation(stream text) RETURNS regclass
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_relation regclass;
BEGIN
  SELECT s.relation INTO found_relation FROM globalmart.streams AS s WHERE s.stream = stream_relation.stream;
  found_relation := coalesce(found_relation, to_regclass('globalmart.' || quote_ident(stream_relation.stream)));
  IF found_relation IS NULL THEN
    RAISE undefined_object USING
      MESSAGE = format('there is no stream "%s"', stream_relation.stream),
      HINT = 'See the table globalmart.streams.';
  END IF;
  RETURN found_relation;
END
$$;
COMMENT ON FUNCTION globalmart.stream_relation(text) IS 'The table of a stream';

CREATE FUNCTION globalmart.leaf_name(stream text, day date) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT $1 || CASE WHEN $2 IS NULL THEN '_default' ELSE to_char($2, '"_p"YYYYMMDD') END
$$;
COMMENT ON FUNCTION globalmart.leaf_name(text, date) IS
  'Name of the partition for a UTC day: STREAM_pYYYYMMDD; STREAM_default for NULL';

-- What upkeep may touch: streams partitioned by their event time, with a default partition of our making.
CREATE FUNCTION globalmart.is_partitioned_by_day(stream text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (
    SELECT FROM globalmart.streams AS s
    JOIN pg_partitioned_table AS p ON p.partrelid = s.relation
    JOIN pg_attribute AS a ON a.attrelid = s.relation AND a.attname = s.time_column
    WHERE s.stream = $1 AND p.partstrat = 'r' AND p.partnatts = 1 AND p.partattrs[0] = a.attnum
      AND p.partdefid = to_regclass('globalmart.' || quote_ident(globalmart.leaf_name($1, NULL))))
$$;
COMMENT ON FUNCTION globalmart.is_partitioned_by_day(text) IS
  'Whether a stream''s days are partitions that upkeep makes and drops: PARTITION BY RANGE over its event time, after create_default_leaf(stream)';

CREATE FUNCTION globalmart.stream_leaves(stream text) RETURNS TABLE (day date, leaf text)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 40 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  root regclass := globalmart.stream_relation(stream);
BEGIN
  IF NOT globalmart.is_partitioned_by_day(stream) THEN
    RETURN QUERY SELECT NULL::date, c.relname::text FROM pg_class AS c WHERE c.oid = root;
    RETURN;
  END IF;
  RETURN QUERY
    SELECT to_date(substring(c.relname FROM '_p([0-9]{8})$'), 'YYYYMMDD'), c.relname::text
    FROM pg_inherits AS i
    JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = root AND NOT i.inhdetachpending
    ORDER BY 1 NULLS LAST;
END
$$;
COMMENT ON FUNCTION globalmart.stream_leaves(text) IS
  'The partitions of a stream by UTC day; the default partition, or a stream that is not partitioned by day, has day NULL';

-- For what cannot wait: the statement, or false when a lock was not to be had in 50 ms at each try.
CREATE FUNCTION globalmart.try_execute(statements text[], tries int) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms' SET client_min_messages = warning AS $$
DECLARE
  statement text;
BEGIN
  FOR attempt IN 1..tries LOOP
    BEGIN
      FOREACH statement IN ARRAY statements LOOP
        EXECUTE statement;
      END LOOP;
      RETURN true;
    EXCEPTION
      -- A deadlock's victim gave its locks back, too.
      WHEN lock_not_available OR deadlock_detected THEN
        PERFORM pg_sleep(0.02 * attempt);
    END;
  END LOOP;
  RETURN false;
END
$$;
COMMENT ON FUNCTION globalmart.try_execute(text[], int) IS
  'Runs statements together under a lock_timeout of 50 ms, up to so many times; false when none got its locks';

-- A leaf of its own, not attached yet: same columns, checks and defaults as the root, and the statement
-- triggers, because a statement that names the leaf fires the leaf's only.
CREATE FUNCTION globalmart.create_leaf(stream text, leaf text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  root regclass := globalmart.stream_relation(stream);
BEGIN
  EXECUTE format(
    'CREATE TABLE globalmart.%I (LIKE %s INCLUDING ALL) WITH (fillfactor = 100, '
    'autovacuum_vacuum_insert_threshold = 500000, autovacuum_vacuum_insert_scale_factor = 0.5, '
    'autovacuum_analyze_threshold = 50000, autovacuum_analyze_scale_factor = 0.5)', leaf, root);
  EXECUTE format('ALTER TABLE globalmart.%I OWNER TO globalmart_owner', leaf);
  EXECUTE format('GRANT INSERT ON globalmart.%I TO globalmart_writer', leaf);
  EXECUTE format('GRANT SELECT ON globalmart.%I TO globalmart_reader', leaf);
  IF EXISTS (SELECT FROM globalmart.streams AS s WHERE s.stream = create_leaf.stream) THEN
    PERFORM globalmart.create_stream_triggers(stream, format('globalmart.%I', leaf)::regclass);
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.create_leaf(text, text) IS
  'Makes a table like a stream''s, with its triggers and grants, to be attached as a partition';

CREATE FUNCTION globalmart.create_default_leaf(stream text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  root regclass := globalmart.stream_relation(stream);
  leaf text := globalmart.leaf_name(stream, NULL);
  time_column name;
BEGIN
  PERFORM globalmart.require_owner();
  IF to_regclass('globalmart.' || quote_ident(leaf)) IS NOT NULL THEN
    RETURN;
  END IF;
  IF NOT (SELECT has_schema_privilege('globalmart_owner', c.relnamespace, 'CREATE') FROM pg_class AS c WHERE c.oid = root) THEN
    RAISE insufficient_privilege USING
      MESSAGE = format('globalmart_owner may not create tables in the schema of %s', root),
      DETAIL = 'Upkeep runs with its rights, so that the table must be its own.',
      HINT = (SELECT format('GRANT CREATE ON SCHEMA %s TO globalmart_owner', c.relnamespace::regnamespace) FROM pg_class AS c WHERE c.oid = root);
  END IF;
  -- Upkeep runs as the owner.
  EXECUTE format('ALTER TABLE %s OWNER TO globalmart_owner', root);
  EXECUTE format('GRANT INSERT ON %s TO globalmart_writer', root);
  EXECUTE format('GRANT SELECT ON %s TO globalmart_reader', root);
  PERFORM globalmart.create_leaf(stream, leaf);
  SELECT a.attname INTO time_column
  FROM pg_partitioned_table AS p JOIN pg_attribute AS a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
  WHERE p.partrelid = root;
  -- Few rows come here; the index tells at once whether a day has some.
  EXECUTE format('CREATE INDEX ON globalmart.%I (%I)', leaf, time_column);
  EXECUTE format('ALTER TABLE %s ATTACH PARTITION globalmart.%I DEFAULT', root, leaf);
  EXECUTE format('COMMENT ON TABLE globalmart.%I IS %L', leaf,
                 format('Rows of %s on days that have no partition of their own', stream));
END
$$;
COMMENT ON FUNCTION globalmart.create_default_leaf(text) IS
  'Makes the partition for days that have none, with which upkeep of a stream begins: PARTITION BY RANGE over its event time. The table then belongs to globalmart_owner, which needs CREATE on its schema; harmless when the partition is there';

CREATE FUNCTION globalmart.default_has_day(stream text, day date) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  root regclass := globalmart.stream_relation(stream);
  time_column name;
  found_row boolean;
BEGIN
  SELECT a.attname INTO time_column
  FROM pg_partitioned_table AS p JOIN pg_attribute AS a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
  WHERE p.partrelid = root;
  EXECUTE format('SELECT EXISTS (SELECT FROM globalmart.%I WHERE %I >= $1 AND %I < $2)',
                 globalmart.leaf_name(stream, NULL), time_column, time_column)
    INTO found_row
    USING day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC';
  RETURN found_row;
END
$$;
COMMENT ON FUNCTION globalmart.default_has_day(text, date) IS 'Whether rows of a UTC day sit in the default partition';

-- A partition that somebody made by hand has no triggers of ours, and the writer no right to it.
CREATE FUNCTION globalmart.adopt_leaf(stream text, leaf text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  relation regclass := format('globalmart.%I', leaf)::regclass;
BEGIN
  IF EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgrelid = relation AND g.tgfoid = 'globalmart.fold_rows()'::regprocedure) THEN
    RETURN true;
  END IF;
  RETURN globalmart.try_execute(ARRAY[
    format('SELECT globalmart.create_stream_triggers(%L, %L)', stream, relation),
    format('GRANT INSERT ON %s TO globalmart_writer', relation),
    format('GRANT SELECT ON %s TO globalmart_reader', relation)], 5);
EXCEPTION WHEN insufficient_privilege THEN
  RETURN false;
END
$$;
COMMENT ON FUNCTION globalmart.adopt_leaf(text, text) IS
  'Gives a partition that was made by hand what those of upkeep have; false when it is another owner''s, or locked';

CREATE FUNCTION globalmart.make_partition(stream text, day date) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  root regclass := globalmart.stream_relation(stream);
  leaf text := globalmart.leaf_name(stream, day);
  default_leaf text := globalmart.leaf_name(stream, NULL);
  today date := (globalmart.clock() AT TIME ZONE 'UTC')::date;
BEGIN
  IF NOT globalmart.is_partitioned_by_day(stream) THEN
    RETURN (SELECT c.relname FROM pg_class AS c WHERE c.oid = root);
  END IF;
  IF EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhparent = root
             AND i.inhrelid = to_regclass('globalmart.' || quote_ident(leaf))) THEN
    -- By the root, rows are folded even where they cannot be by name.
    RETURN CASE WHEN globalmart.adopt_leaf(stream, leaf) THEN leaf ELSE (SELECT c.relname FROM pg_class AS c WHERE c.oid = root) END;
  END IF;
  IF day IS NULL OR day < date '2000-01-01' OR day > today + 365
     OR (SELECT count(*) FROM pg_inherits AS i WHERE i.inhparent = root) > globalmart.setting('partitions_most', stream)::int
     -- To attach a partition, PostgreSQL reads the whole default one and keeps writers out of it.
     OR (day < today AND pg_relation_size(format('globalmart.%I', default_leaf)::regclass) > 67108864) THEN
    RETURN default_leaf;
  END IF;
  IF NOT globalmart.try_execute(ARRAY[
       -- Sessions that make partitions take turns, before they touch the default partition: each would keep
       -- the others from it. Of two that make the same day, the second finds it made.
       format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', root),
       format('SELECT globalmart.attach_day(%L, %L, %L)', stream, to_char(day, 'YYYY-MM-DD'), leaf)], 5) THEN
    RETURN default_leaf;
  END IF;
  RETURN CASE WHEN EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhparent = root
                           AND i.inhrelid = to_regclass('globalmart.' || quote_ident(leaf)))
              THEN leaf ELSE default_leaf END;
END
$$;
COMMENT ON FUNCTION globalmart.make_partition(text, date) IS
  'The partition where rows of a UTC day go now, made if it may be (the table itself for a partition made by hand that cannot be given the triggers of a stream): not beyond partitions_most, not for a day that already has rows in the default partition, and not while somebody keeps the table locked; then it is the default partition. Call it outside of a transaction that holds rows back';

CREATE FUNCTION globalmart.attach_day(stream text, day date, leaf text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  root regclass := globalmart.stream_relation(stream);
  left_over regclass := to_regclass('globalmart.' || quote_ident(leaf));
BEGIN
  IF left_over IS NOT NULL THEN
    IF EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhrelid = left_over AND i.inhparent = root) THEN
      RETURN;
    END IF;
    -- Rows of the day are safe in the default partition; the table is somebody's.
    RAISE WARNING 'table globalmart.% is in the way of a partition of %', quote_ident(leaf), stream
      USING ERRCODE = 'duplicate_table', HINT = 'Rename it, or attach it to the stream.';
    RETURN;
  END IF;
  IF globalmart.default_has_day(stream, day) THEN
    RETURN;
  END IF;
  PERFORM globalmart.create_leaf(stream, leaf);
  EXECUTE format('COMMENT ON TABLE globalmart.%I IS %L', leaf,
                 format('Rows of %s of %s UTC', stream, to_char(day, 'YYYY-MM-DD')));
  BEGIN
    EXECUTE format('ALTER TABLE %s ATTACH PARTITION globalmart.%I FOR VALUES FROM (%L) TO (%L)', root, leaf,
                   to_char(day, 'YYYY-MM-DD') || ' 00:00:00+00', to_char(day + 1, 'YYYY-MM-DD') || ' 00:00:00+00');
  EXCEPTION WHEN check_violation THEN
    -- Rows of that day reached the default partition in the meantime.
    EXECUTE format('DROP TABLE globalmart.%I', leaf);
  END;
END
$$;
COMMENT ON FUNCTION globalmart.attach_day(text, date, text) IS
  'Makes and attaches the partition of a day; leaves it when rows of the day sit in the default partition';

CREATE FUNCTION globalmart.partitioned_streams() RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT s.stream FROM globalmart.streams AS s
  WHERE globalmart.is_partitioned_by_day(s.stream)
  ORDER BY s.stream
$$;
COMMENT ON FUNCTION globalmart.partitioned_streams() IS 'The streams that are partitioned by day';

CREATE FUNCTION globalmart.days_to_make() RETURNS TABLE (stream text, day date)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT s, d.day
  FROM globalmart.partitioned_streams() AS s
  CROSS JOIN LATERAL (
    SELECT (globalmart.clock() AT TIME ZONE 'UTC')::date + distance AS day
    FROM generate_series(-globalmart.setting('partitions_behind')::int, globalmart.setting('partitions_ahead')::int) AS distance) AS d
  WHERE NOT EXISTS (SELECT FROM globalmart.stream_leaves(s) AS l WHERE l.day = d.day)
  ORDER BY d.day, s
$$;
COMMENT ON FUNCTION globalmart.days_to_make() IS
  'Days around today that the settings ask for and that have no partition yet';

-- No SET clause and no SECURITY DEFINER: either would forbid the COMMITs.
CREATE PROCEDURE globalmart.maintain_partitions()
LANGUAGE plpgsql AS $$
DECLARE
  streams text[];
  days date[];
BEGIN
  SELECT pg_catalog.array_agg(m.stream ORDER BY m.day, m.stream), pg_catalog.array_agg(m.day ORDER BY m.day, m.stream)
    INTO streams, days
  FROM globalmart.days_to_make() AS m;
  FOR number IN 1 .. COALESCE(pg_catalog.cardinality(streams), 0) LOOP
    BEGIN
      PERFORM globalmart.make_partition(streams[number], days[number]);
    EXCEPTION WHEN OTHERS THEN
      -- One stream that cannot be helped does not keep the others from it.
      RAISE WARNING 'partition % of % was not made: %', days[number], streams[number], SQLERRM;
    END;
    COMMIT;
  END LOOP;
END
$$;
COMMENT ON PROCEDURE globalmart.maintain_partitions() IS
  'Makes the day partitions ahead, of every stream, each in a transaction of its own; call it a few times a day (pg_cron). What a reader locks is tried again at the next call';

-- A column that a profile brings beyond the shipped ones.
CREATE FUNCTION globalmart.add_stream_column(
  stream text, name name, type text, description text DEFAULT NULL, if_not_exists boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  root regclass := globalmart.stream_relation(stream);
  stream_domain text;
BEGIN
  PERFORM globalmart.require_owner();
  IF name !~ '^[a-z][a-z0-9_]{0,62}$' THEN
    RAISE invalid_name USING
      MESSAGE = format('"%s" cannot name a column of a stream', name),
      HINT = 'Use lower-case letters, digits and underscores.';
  END IF;
  IF type IS NULL OR type !~ '^[a-z][a-z0-9_ ]*(\([0-9]+(, ?[0-9]+)?\))?( with(out)? time zone)?(\[\])?$'
     OR to_regtype(type) IS NULL THEN
    RAISE undefined_object USING
      MESSAGE = format('"%s" is not a type for a column of a stream', type),
      HINT = 'Use a type such as text, bigint, numeric(18,2), timestamptz or text[].';
  END IF;
  IF EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = root AND a.attname = add_stream_column.name AND NOT a.attisdropped) THEN
    IF if_not_exists THEN
      RAISE NOTICE 'stream "%" already has a column "%", skipping', stream, name;
      RETURN;
    END IF;
    RAISE duplicate_column USING
      MESSAGE = format('stream "%s" already has a column "%s"', stream, name),
      HINT = 'Use if_not_exists => true where that is all right.';
  END IF;
  IF NOT globalmart.try_execute(ARRAY[
       format('ALTER TABLE %s ADD COLUMN %I %s', root, name, type),
       format('COMMENT ON COLUMN %s.%I IS %L', root, name, coalesce(description, 'Added column'))], 10) THEN
    RAISE lock_not_available USING
      MESSAGE = format('stream "%s" is in use', stream),
      HINT = 'A long transaction reads or writes it (see pg_stat_activity); try again when it has ended.';
  END IF;
  SELECT s.domain INTO stream_domain FROM globalmart.streams AS s WHERE s.stream = add_stream_column.stream;
  IF FOUND THEN
    PERFORM globalmart.definitions_changed(stream_domain);
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.add_stream_column(text, name, text, text, boolean) IS
  'Adds a column to a stream table and all its partitions, for members of a profile that the shipped shop does not have; old rows have NULL';
