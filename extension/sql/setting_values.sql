-- Settings of upkeep: how long things are kept, how far ahead partitions are made. What is shipped and
-- what an owner changed are two tables, so that a restore never meets a row that is there already.

CREATE TABLE globalmart.setting_definitions (
  name          text PRIMARY KEY,
  kind          text NOT NULL CHECK (kind IN ('interval', 'integer')),
  default_value text,
  per_table     text CHECK (per_table IN ('stream', 'rollup')),
  description   text NOT NULL
);
COMMENT ON TABLE globalmart.setting_definitions IS 'The settings that there are, as shipped';
COMMENT ON COLUMN globalmart.setting_definitions.name IS 'Name of the setting';
COMMENT ON COLUMN globalmart.setting_definitions.kind IS 'interval or integer; none of them may be negative';
COMMENT ON COLUMN globalmart.setting_definitions.default_value IS 'Value in force until it is changed; NULL: no limit';
COMMENT ON COLUMN globalmart.setting_definitions.per_table IS 'Of what kind TABLE is where NAME.TABLE may be set beside NAME; NULL: it may not';
COMMENT ON COLUMN globalmart.setting_definitions.description IS 'What the setting does, and its unit';

CREATE TABLE globalmart.setting_values (
  name       text PRIMARY KEY,
  value      text,
  changed_at timestamptz NOT NULL DEFAULT globalmart.clock(),
  changed_by text NOT NULL DEFAULT current_user
);
COMMENT ON TABLE globalmart.setting_values IS 'Settings that an owner changed; configuration that goes with pg_dump';
COMMENT ON COLUMN globalmart.setting_values.name IS 'Name of the setting, or NAME.TABLE';
COMMENT ON COLUMN globalmart.setting_values.value IS 'Value in force; NULL: no limit';
COMMENT ON COLUMN globalmart.setting_values.changed_at IS 'When it was set';
COMMENT ON COLUMN globalmart.setting_values.changed_by IS 'Role that set it';

CREATE VIEW globalmart.settings AS
  SELECT d.name,
         CASE WHEN v.name IS NULL THEN d.default_value ELSE v.value END AS value,
         d.description, d.default_value
  FROM globalmart.setting_definitions AS d
  LEFT JOIN globalmart.setting_values AS v USING (name)
  UNION ALL
  SELECT v.name, v.value, d.description, NULL
  FROM globalmart.setting_values AS v
  JOIN globalmart.setting_definitions AS d
    ON d.per_table IS NOT NULL AND d.name = pg_catalog.split_part(v.name, '.', 1) AND v.name <> d.name;
COMMENT ON VIEW globalmart.settings IS 'Settings in force; change one with set_setting(name, value)';
COMMENT ON COLUMN globalmart.settings.name IS 'Name of the setting; NAME.TABLE is in force for one stream or rollup';
COMMENT ON COLUMN globalmart.settings.value IS 'Value in force; NULL: no limit';
COMMENT ON COLUMN globalmart.settings.description IS 'What the setting does, and its unit';
COMMENT ON COLUMN globalmart.settings.default_value IS 'Value as shipped';

CREATE FUNCTION globalmart.setting(name text, for_table text DEFAULT NULL) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT s.value
  FROM globalmart.settings AS s
  WHERE s.name IN ($1, $1 || '.' || $2)
  ORDER BY s.name DESC
  LIMIT 1
$$;
COMMENT ON FUNCTION globalmart.setting(text, text) IS
  'The value of a setting, for one stream or rollup if for_table is given; NULL: no limit';

-- least() would skip a NULL; what it cuts off is beyond the scale of timestamps.
CREATE FUNCTION globalmart.max_future(stream text) RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN s.value IS NOT NULL THEN (1e6 * least(extract(epoch FROM s.value::interval), 9e12))::bigint END
  FROM (SELECT globalmart.setting('max_future', $1) AS value) AS s
$$;
COMMENT ON FUNCTION globalmart.max_future(text) IS
  'The setting max_future of a stream in microseconds, a day of 24 hours; NULL: no limit';

-- What folds go by is compiled into them.
CREATE FUNCTION globalmart.setting_changed(name text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  -- Who publishes windows locks the domains, too, and this before them.
  SELECT FROM globalmart.close_counter WHERE split_part($1, '.', 1) = 'max_future' FOR UPDATE;
  SELECT globalmart.definitions_changed(d.domain) FROM globalmart.domains AS d
  WHERE split_part($1, '.', 1) = 'max_future'
    AND ($1 = 'max_future' OR d.domain = (SELECT s.domain FROM globalmart.streams AS s WHERE s.stream = split_part($1, '.', 2)))
  ORDER BY d.domain
$$;
COMMENT ON FUNCTION globalmart.setting_changed(text) IS 'Lets folds that are compiled with a setting hear of its change';

CREATE FUNCTION globalmart.require_setting(name text) RETURNS globalmart.setting_definitions
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  definition globalmart.setting_definitions;
  for_table text := substr(name, strpos(name || '.', '.') + 1);
  known text[];
BEGIN
  SELECT d.* INTO definition FROM globalmart.setting_definitions AS d
  WHERE d.name = require_setting.name
     OR (d.per_table IS NOT NULL AND d.name || '.' || for_table = require_setting.name);
  IF NOT FOUND THEN
    RAISE undefined_object USING
      MESSAGE = format('there is no setting "%s"', require_setting.name),
      HINT = 'Settings: ' || (SELECT string_agg(d.name, ', ' ORDER BY d.name) FROM globalmart.setting_definitions AS d)
             || '. max_future.TABLE, partitions_most.TABLE, raw_retention.TABLE and rollup_retention.TABLE are for one table.';
  END IF;
  IF definition.name <> require_setting.name THEN
    known := ARRAY(SELECT s.stream FROM globalmart.streams AS s WHERE definition.per_table = 'stream' AND s.has_offsets
                   UNION ALL SELECT c.name FROM globalmart.rollup_catalog AS c WHERE definition.per_table = 'rollup' ORDER BY 1);
    IF NOT for_table = ANY (known) THEN
      RAISE undefined_object USING
        MESSAGE = format('there is no %s "%s" for setting "%s"',
                         CASE definition.per_table WHEN 'stream' THEN 'stream' ELSE 'rollup or detector' END, for_table, definition.name),
        HINT = format('It can be set for: %s.', array_to_string(known, ', '));
    END IF;
  END IF;
  RETURN definition;
END
$$;
COMMENT ON FUNCTION globalmart.require_setting(text) IS
  'The definition of a setting, or of NAME.TABLE; an error that lists the names there are when there is none';

CREATE FUNCTION globalmart.set_setting(name text, value text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  definition globalmart.setting_definitions;
BEGIN
  PERFORM globalmart.require_owner();
  definition := globalmart.require_setting(set_setting.name);
  BEGIN
    IF definition.kind = 'interval' AND set_setting.value::interval < interval '0'
       OR definition.kind = 'integer' AND set_setting.value::int < 0 THEN
      RAISE invalid_parameter_value;
    END IF;
  EXCEPTION WHEN data_exception THEN
    RAISE invalid_parameter_value USING
      MESSAGE = format('"%s" is not a value for setting "%s"', set_setting.value, set_setting.name),
      HINT = CASE definition.kind
               WHEN 'interval' THEN 'Give an interval that is not negative, such as 30 days, or NULL for no limit.'
               ELSE 'Give a whole number that is not negative.' END;
  END;
  IF definition.kind = 'integer' AND set_setting.value IS NULL THEN
    RAISE null_value_not_allowed USING MESSAGE = format('setting "%s" needs a number', set_setting.name);
  END IF;
  INSERT INTO globalmart.setting_values AS v (name, value) VALUES (set_setting.name, set_setting.value)
  ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value, changed_at = EXCLUDED.changed_at, changed_by = EXCLUDED.changed_by;
  PERFORM globalmart.setting_changed(set_setting.name);
END
$$;
COMMENT ON FUNCTION globalmart.set_setting(text, text) IS
  'Changes a setting from now on; NULL means no limit. See the view settings';

CREATE FUNCTION globalmart.reset_setting(name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM globalmart.require_owner();
  DELETE FROM globalmart.setting_values AS v WHERE v.name = reset_setting.name;
  -- One of a table that was dropped goes without a question.
  IF NOT FOUND THEN
    PERFORM globalmart.require_setting(reset_setting.name);
  END IF;
  PERFORM globalmart.setting_changed(reset_setting.name);
END
$$;
COMMENT ON FUNCTION globalmart.reset_setting(text) IS 'Takes a setting back to its value as shipped';
