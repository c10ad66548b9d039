-- create_rollup, alter_rollup and their kin. The compiler (C++) says what a query means; what follows has
-- the table, the view and the catalogue's rows made of it.

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

-- A name has a table, its row type, a view and a function made of it.
CREATE FUNCTION globalmart.require_free_name(name text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM pg_class AS c WHERE c.relnamespace = 'globalmart'::regnamespace AND c.relname IN (name, name || '_live'))
     OR EXISTS (SELECT FROM pg_type AS t WHERE t.typnamespace = 'globalmart'::regnamespace AND t.typname IN (name, name || '_live'))
     OR to_regprocedure(format('globalmart.%I()', name || '_definition')) IS NOT NULL THEN
    RAISE duplicate_object USING
      MESSAGE = format('"%s" cannot name a rollup or detector: schema globalmart has something else of that name', name),
      HINT = format('Choose another name: the engine makes %s, %s_live and the function %s_definition.', name, name, name);
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.require_free_name(text) IS 'Raises SQLSTATE 42710 when something else has a name that a rollup or detector needs';

CREATE FUNCTION globalmart.require_query(kind text, query text) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF query IS NULL THEN
    RAISE invalid_parameter_value USING MESSAGE = format('the query of a %s must not be NULL', kind),
      HINT = CASE kind WHEN 'rollup' THEN 'Give SELECT ... FROM stream, globalmart.tumble(event_time, width) ... GROUP BY window_start, window_end, keys.'
                       ELSE 'Give SELECT columns FROM a stream WHERE a condition on the row.' END;
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.require_query(text, text) IS 'Raises unless there is a query';

-- Columns that the table can have, besides those of the engine.
CREATE FUNCTION globalmart.require_columns(kind text, column_names text[]) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  cannot text := CASE kind WHEN 'rollup' THEN 'a rollup cannot maintain' ELSE 'a detector cannot have' END;
  twice text := (SELECT c FROM unnest(column_names) AS c GROUP BY c HAVING count(*) > 1 ORDER BY c LIMIT 1);
BEGIN
  IF kind = 'rollup' AND column_names && ARRAY['created_at', 'state'] THEN
    RAISE feature_not_supported USING
      MESSAGE = cannot || ' a column called created_at or state',
      DETAIL = 'Part of the query: SELECT',
      HINT = 'Choose another name: the engine appends created_at to the table, and state to its _live view.';
  ELSIF 'created_at' = ANY (column_names) THEN
    RAISE feature_not_supported USING
      MESSAGE = cannot || ' a column called created_at',
      DETAIL = 'Part of the query: SELECT',
      HINT = 'Choose another name: the engine appends created_at to the table.';
  ELSIF twice IS NOT NULL THEN
    RAISE feature_not_supported USING
      MESSAGE = format('%s two columns called %s', cannot, twice),
      DETAIL = 'Part of the query: SELECT',
      HINT = 'Give each a name of its own with AS.';
  ELSIF cardinality(column_names) = 0 THEN
    RAISE feature_not_supported USING
      MESSAGE = cannot || ' no columns',
      DETAIL = 'Part of the query: SELECT',
      HINT = 'Select the columns of the stream that the table is to have.';
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.require_columns(text, text[]) IS 'Raises SQLSTATE 0A000 unless a table can have these columns besides those of the engine';

CREATE FUNCTION globalmart.require_settings(lateness interval, idle_timeout interval, watermark_policy text) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF lateness < interval '0' OR idle_timeout < interval '0' THEN
    RAISE invalid_parameter_value USING MESSAGE = 'lateness and idle_timeout must not be negative';
  END IF;
  IF EXISTS (SELECT FROM (VALUES (lateness), (idle_timeout)) AS g(given)
             WHERE EXTRACT(year FROM g.given) <> 0 OR EXTRACT(month FROM g.given) <> 0 OR EXTRACT(day FROM g.given) <> 0) THEN
    RAISE invalid_parameter_value USING MESSAGE = 'lateness and idle_timeout must not be given in months or days',
      HINT = 'Give them in minutes or hours: the length of a day depends on the time zone of the session.';
  END IF;
  IF lateness > interval '87660 hours' OR idle_timeout > interval '87660 hours' THEN
    RAISE invalid_parameter_value USING MESSAGE = 'lateness and idle_timeout must not exceed ten years',
      HINT = 'The most is 87660 hours.';
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
  IF NOT FOUND AND require_rollup.kind = 'rollup' AND EXISTS (SELECT FROM globalmart.rollup_catalog AS c WHERE c.name = require_rollup.name) THEN
    RAISE wrong_object_type USING
      MESSAGE = pg_catalog.format('"%s" is a detector, not a rollup', name),
      HINT = 'A detector has no windows: its rows are appended as they come, there is nothing to close, to fill or to verify.';
  END IF;
  IF found_row.name IS NULL THEN
    RAISE undefined_object USING
      MESSAGE = pg_catalog.format('there is no %s "%s"', COALESCE(kind, 'rollup or detector'), name),
      HINT = 'See the view globalmart.rollups.';
  END IF;
  RETURN found_row;
END
$$;
COMMENT ON FUNCTION globalmart.require_rollup(text, text) IS 'The catalogue''s row of a rollup, or an error that says where to look';

CREATE FUNCTION globalmart.rollup_relations(name text) RETURNS regclass[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT array_agg(c.oid::regclass)
  FROM pg_class AS c
  WHERE c.relnamespace = 'globalmart'::regnamespace AND c.relname IN ($1, $1 || '_live')
$$;
COMMENT ON FUNCTION globalmart.rollup_relations(text) IS 'The table of a rollup or detector, and its _live view';

CREATE FUNCTION globalmart.make_rollup(
  name text, query text, lateness interval, idle_timeout interval, watermark_policy text)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  description globalmart.rollup_description := globalmart.describe_rollup(query);
  domain text := globalmart.domain_of_relations(description.relations);
  seen timestamptz := globalmart.boundary_event_time(domain);
  live_from timestamptz := '-infinity';
BEGIN
  IF seen IS NOT NULL THEN
    live_from := globalmart.next_boundary(seen, description.window_kind, description.width, description.slide, description.window_offset);
  END IF;
  PERFORM globalmart.create_rollup_table(make_rollup.name, description.column_names, description.column_types,
    description.key_columns, description.keys_not_null, ARRAY['window_start', 'window_end']);
  EXECUTE pg_catalog.format('COMMENT ON TABLE globalmart.%I IS %L', make_rollup.name, globalmart.table_comment('rollup', query));
  PERFORM globalmart.comment_columns(make_rollup.name, description.column_names, '{}',
    globalmart.column_comments(description.column_names, description.column_expressions, description.key_columns));
  INSERT INTO globalmart.rollup_catalog (name, kind, domain, query, lateness, idle_timeout, watermark_policy)
  VALUES (make_rollup.name, 'rollup', domain, make_rollup.query, make_rollup.lateness,
          make_rollup.idle_timeout, make_rollup.watermark_policy);
  PERFORM globalmart.add_version(make_rollup.name, domain, query, live_from);
  PERFORM globalmart.record_definition(make_rollup.name);
  PERFORM globalmart.create_live_view(make_rollup.name);
  PERFORM globalmart.definitions_changed(domain);
END
$$;
COMMENT ON FUNCTION globalmart.make_rollup(text, text, interval, interval, text) IS
  'What create_rollup does once no fold is under way';

CREATE FUNCTION globalmart.create_rollup(
  name text, query text, lateness interval DEFAULT '1 minute', idle_timeout interval DEFAULT '1 minute',
  watermark_policy text DEFAULT 'min', if_not_exists boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  description globalmart.rollup_description;
  domain text;
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
  PERFORM globalmart.require_free_name(create_rollup.name);
  IF lateness IS NULL OR idle_timeout IS NULL OR watermark_policy IS NULL THEN
    RAISE invalid_parameter_value USING MESSAGE = 'lateness, idle_timeout and watermark_policy must not be NULL',
      HINT = 'Leave out what is to have its default.';
  END IF;
  PERFORM globalmart.require_settings(lateness, idle_timeout, watermark_policy);
  PERFORM globalmart.require_query('rollup', query);
  description := globalmart.describe_rollup(query);
  PERFORM globalmart.require_columns('rollup', description.column_names);
  domain := globalmart.domain_of_relations(description.relations);
  PERFORM globalmart.change_definitions(domain, pg_catalog.format('SELECT globalmart.make_rollup(%L, %L, %L, %L, %L)',
    create_rollup.name, create_rollup.query, create_rollup.lateness, create_rollup.idle_timeout, create_rollup.watermark_policy));
END
$$;
COMMENT ON FUNCTION globalmart.create_rollup(text, text, interval, interval, text, boolean) IS
  'Makes a table globalmart.NAME that is kept up to date from a stream: query is SELECT ... FROM stream, globalmart.tumble(event_time, width) ... GROUP BY window_start, window_end, keys. lateness: how much later than its neighbours an event may come; idle_timeout: after which a silent partition no longer holds the watermark; watermark_policy: min or max over partitions. Windows that begin after the newest event are live, older ones are for backfill_rollup';

CREATE FUNCTION globalmart.change_rollup(
  name text, query text, lateness interval, idle_timeout interval, watermark_policy text)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  rollup globalmart.rollup_catalog := globalmart.require_rollup(change_rollup.name);
  description globalmart.rollup_description;
  detector globalmart.detector_description;
  boundary timestamptz;
BEGIN
  lateness := COALESCE(change_rollup.lateness, rollup.lateness);
  idle_timeout := COALESCE(change_rollup.idle_timeout, rollup.idle_timeout);
  watermark_policy := COALESCE(change_rollup.watermark_policy, rollup.watermark_policy);
  PERFORM globalmart.require_settings(lateness, idle_timeout, watermark_policy);
  UPDATE globalmart.rollup_catalog AS c
  SET lateness = change_rollup.lateness, idle_timeout = change_rollup.idle_timeout,
      watermark_policy = change_rollup.watermark_policy
  WHERE c.name = change_rollup.name;
  IF change_rollup.query IS NOT NULL AND rollup.kind = 'detector' THEN
    detector := globalmart.describe_detector(change_rollup.query);
    PERFORM globalmart.require_same_columns(change_rollup.name, detector.column_names, detector.column_types);
    IF globalmart.domain_of_relations(ARRAY[detector.relation]) <> rollup.domain THEN
      RAISE feature_not_supported USING
        MESSAGE = pg_catalog.format('detector "%s" cannot move to a stream with another watermark', change_rollup.name),
        HINT = 'Make another detector for that stream.';
    END IF;
    PERFORM globalmart.set_detector_query(change_rollup.name, change_rollup.query);
    PERFORM globalmart.renew_comments(change_rollup.name, 'detector', rollup.query, change_rollup.query);
    UPDATE globalmart.rollup_catalog AS c SET query = change_rollup.query WHERE c.name = change_rollup.name;
  ELSIF change_rollup.query IS NOT NULL THEN
    description := globalmart.describe_rollup(change_rollup.query);
    PERFORM globalmart.require_same_columns(change_rollup.name, description.column_names, description.column_types);
    IF globalmart.domain_of_relations(description.relations) <> rollup.domain THEN
      RAISE feature_not_supported USING
        MESSAGE = pg_catalog.format('rollup "%s" cannot move to streams with another watermark', change_rollup.name);
    END IF;
    IF rollup.state = 'failed' AND globalmart.mend_versions(change_rollup.name, change_rollup.query) THEN
      RAISE NOTICE 'the windows of rollup "%" that wait will be closed by the new query', change_rollup.name
        USING HINT = pg_catalog.format('SELECT globalmart.resume_rollup(%L) lets it go on.', change_rollup.name);
      PERFORM globalmart.record_definition(change_rollup.name);
      -- It may have been given to older versions only; the query in force then stays.
      PERFORM globalmart.renew_comments(change_rollup.name, 'rollup', rollup.query, (globalmart.require_rollup(change_rollup.name)).query);
      PERFORM globalmart.create_live_view(change_rollup.name);
      PERFORM globalmart.definitions_changed(rollup.domain);
      RETURN;
    END IF;
    -- The first window of the new shape that no event has touched, and not before the old version began.
    SELECT pg_catalog.max(t) INTO boundary FROM (
      SELECT globalmart.boundary_event_time(rollup.domain)
      UNION ALL SELECT v.live_from FROM globalmart.rollup_versions AS v WHERE v.rollup = change_rollup.name
      UNION ALL SELECT p.closed_until FROM globalmart.rollup_versions AS v JOIN globalmart.rollup_progress AS p USING (version_id)
                WHERE v.rollup = change_rollup.name) AS times(t);
    IF boundary = '-infinity' THEN
      -- Nothing was ever folded: the new definition simply takes the old one's place.
      PERFORM globalmart.delete_versions(change_rollup.name);
    ELSE
      boundary := globalmart.common_boundary(change_rollup.name, description,
        globalmart.next_boundary(boundary, description.window_kind, description.width, description.slide, description.window_offset));
      UPDATE globalmart.rollup_versions AS v SET live_until = boundary
      WHERE v.rollup = change_rollup.name AND v.live_until = 'infinity';
    END IF;
    PERFORM globalmart.add_version(change_rollup.name, rollup.domain, change_rollup.query, boundary);
    UPDATE globalmart.rollup_catalog AS c SET query = change_rollup.query WHERE c.name = change_rollup.name;
    PERFORM globalmart.record_definition(change_rollup.name);
    PERFORM globalmart.renew_comments(change_rollup.name, 'rollup', rollup.query, change_rollup.query);
    PERFORM globalmart.create_live_view(change_rollup.name);
  END IF;
  -- What a DROP ... CASCADE took along comes back when what it needs is there again.
  IF pg_catalog.to_regprocedure(pg_catalog.format('globalmart.%I()', change_rollup.name || '_definition')) IS NULL THEN
    PERFORM globalmart.record_definition(change_rollup.name);
  END IF;
  IF rollup.kind = 'rollup' AND pg_catalog.to_regclass(pg_catalog.format('globalmart.%I', change_rollup.name || '_live')) IS NULL THEN
    PERFORM globalmart.create_live_view(change_rollup.name);
  END IF;
  PERFORM globalmart.definitions_changed(rollup.domain);
END
$$;
COMMENT ON FUNCTION globalmart.change_rollup(text, text, interval, interval, text) IS
  'What alter_rollup does once no fold is under way';

CREATE FUNCTION globalmart.alter_rollup(
  name text, query text DEFAULT NULL, lateness interval DEFAULT NULL, idle_timeout interval DEFAULT NULL,
  watermark_policy text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  rollup globalmart.rollup_catalog;
BEGIN
  PERFORM globalmart.require_owner();
  rollup := globalmart.require_rollup(alter_rollup.name);
  PERFORM globalmart.change_definitions(rollup.domain, pg_catalog.format('SELECT globalmart.change_rollup(%L, %L, %L, %L, %L)',
    alter_rollup.name, alter_rollup.query, alter_rollup.lateness, alter_rollup.idle_timeout, alter_rollup.watermark_policy),
    globalmart.rollup_relations(alter_rollup.name));
END
$$;
COMMENT ON FUNCTION globalmart.alter_rollup(text, text, interval, interval, text) IS
  'Changes a rollup or detector; what is NULL stays. Lateness, idle_timeout and watermark_policy hold from now on; a new query (other thresholds, another width, the same columns) from the first window that begins after the newest event. In state failed a query with the same source, windows, keys and aggregates takes the place of the one that failed: the windows that wait are closed by it after resume_rollup';

CREATE FUNCTION globalmart.remove_rollup(name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  rollup globalmart.rollup_catalog := globalmart.require_rollup(remove_rollup.name);
BEGIN
  PERFORM globalmart.forget_definition(remove_rollup.name);
  -- Somebody may have dropped or renamed them.
  IF rollup.kind = 'rollup' THEN
    EXECUTE pg_catalog.format('DROP VIEW IF EXISTS globalmart.%I', remove_rollup.name || '_live');
  END IF;
  EXECUTE pg_catalog.format('DROP TABLE IF EXISTS globalmart.%I', remove_rollup.name);
  DELETE FROM globalmart.streams AS s WHERE s.stream = remove_rollup.name AND rollup.kind = 'detector';
  PERFORM globalmart.delete_versions(remove_rollup.name);
  DELETE FROM globalmart.backfills AS b WHERE b.rollup = remove_rollup.name;
  DELETE FROM globalmart.rollup_catalog AS c WHERE c.name = remove_rollup.name;
  DELETE FROM globalmart.late_events AS l WHERE l.rollup = remove_rollup.name;
  DELETE FROM globalmart.partly_late_events AS l WHERE l.rollup = remove_rollup.name;
  -- Another of this name is to begin without what was set for this one, and without what retention took from it.
  DELETE FROM globalmart.alert_sources AS s WHERE s.rollup = remove_rollup.name;
  DELETE FROM globalmart.setting_values AS v WHERE v.name = 'rollup_retention.' || remove_rollup.name;
  DELETE FROM globalmart.dropped_spans AS d
  WHERE d.stream = remove_rollup.name AND NOT EXISTS (SELECT FROM globalmart.streams AS s WHERE s.stream = d.stream);
  DELETE FROM globalmart.partial_plans AS p
  WHERE NOT EXISTS (SELECT FROM globalmart.rollup_versions AS v WHERE v.plan_id = p.plan_id);
  PERFORM globalmart.definitions_changed(rollup.domain);
END
$$;
COMMENT ON FUNCTION globalmart.remove_rollup(text) IS 'What drop_rollup does once no fold is under way';

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
       WHERE v.plan_id IS NOT NULL AND v.domain = rollup.domain
         AND pg_catalog.to_regclass(pg_catalog.format('globalmart.%I', drop_rollup.name))::oid = ANY ((globalmart.describe_rollup(v.query, v.version_id)).relations)) THEN
    RAISE dependent_objects_still_exist USING
      MESSAGE = pg_catalog.format('rollups read the table of detector "%s"', drop_rollup.name),
      HINT = 'Drop these rollups first.';
  END IF;
  PERFORM globalmart.change_definitions(rollup.domain, pg_catalog.format('SELECT globalmart.remove_rollup(%L)', drop_rollup.name),
    globalmart.rollup_relations(drop_rollup.name));
END
$$;
COMMENT ON FUNCTION globalmart.drop_rollup(text, boolean) IS
  'Drops a rollup or detector with its table, its rows, its late events and what was set for it; refused while views of yours depend on it';

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
    PERFORM globalmart.change_definitions(rollup.domain, pg_catalog.format('SELECT globalmart.definitions_changed(%L)', rollup.domain));
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
    PERFORM globalmart.change_definitions(rollup.domain, pg_catalog.format('SELECT globalmart.definitions_changed(%L)', rollup.domain));
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.resume_rollup(text) IS
  'Lets a paused or failed rollup go on: the next close appends everything that is due';
