-- The definitions of a rollup: each in force for a span of event time, and merged from partials that it
-- may share with others.

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
  INSERT INTO globalmart.rollup_progress (version_id, domain, closed_until, merged_until, costs_from)
  VALUES (version_id, add_version.domain, add_version.live_from, add_version.live_from, add_version.live_from);
  RETURN version_id;
END
$$;
COMMENT ON FUNCTION globalmart.add_version(text, text, text, timestamptz) IS
  'Records a definition of a rollup, in force for windows that begin at live_from or later';

-- The partials of a failed rollup are there; only what is made of them at the close is at fault.
CREATE FUNCTION globalmart.mend_versions(name text, query text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  version record;
  description globalmart.rollup_description;
  mended boolean := false;
BEGIN
  FOR version IN
    SELECT v.version_id, p.key_signatures, p.aggregate_signatures, v.live_until
    FROM globalmart.rollup_versions AS v
    JOIN globalmart.rollup_progress AS g USING (version_id)
    JOIN globalmart.partial_plans AS p USING (plan_id),
      LATERAL globalmart.describe_rollup(mend_versions.query, v.version_id, v.rollup) AS d
    WHERE v.rollup = mend_versions.name AND g.merged_until < g.closed_until
      AND (v.window_kind, v.width, v.slide, v.window_offset) = (d.window_kind, d.width, d.slide, d.window_offset)
      AND p.source = CASE WHEN d.sharable THEN d.source ELSE 'own: ' || d.source END
      AND (SELECT array_agg(p.key_signatures[k + 1] ORDER BY p.key_signatures[k + 1]) FROM unnest(v.key_numbers) AS k)
          IS NOT DISTINCT FROM (SELECT array_agg(k ORDER BY k) FROM unnest(d.key_signatures) AS k)
      AND v.key_columns @> d.key_columns AND v.key_columns <@ d.key_columns
      -- States that the version did not ask for were perhaps not folded from its first window on.
      AND d.aggregate_signatures <@ (SELECT array_agg(p.aggregate_signatures[a + 1]) || '{}'::text[] FROM unnest(v.aggregate_numbers) AS a)
  LOOP
    description := globalmart.describe_rollup(mend_versions.query, version.version_id, mend_versions.name);
    UPDATE globalmart.rollup_versions AS v
    SET query = mend_versions.query, close_query = description.close_query, window_query = description.window_query,
        per_window = description.per_window, clock_columns = description.clock_columns,
        key_numbers = (SELECT coalesce(array_agg(array_position(version.key_signatures, k) - 1 ORDER BY n), '{}')
                       FROM unnest(description.key_signatures) WITH ORDINALITY AS u(k, n)),
        aggregate_numbers = (SELECT coalesce(array_agg(array_position(version.aggregate_signatures, a) - 1 ORDER BY n), '{}')
                             FROM unnest(description.aggregate_signatures) WITH ORDINALITY AS u(a, n))
    WHERE v.version_id = version.version_id;
    IF version.live_until = 'infinity' THEN
      UPDATE globalmart.rollup_catalog AS c SET query = mend_versions.query WHERE c.name = mend_versions.name;
    END IF;
    mended := true;
  END LOOP;
  RETURN mended;
END
$$;
COMMENT ON FUNCTION globalmart.mend_versions(text, text) IS
  'Gives a failed rollup''s definitions that have windows waiting another query, where it has the same source, windows, keys and aggregates; says whether it gave any';

CREATE FUNCTION globalmart.delete_versions(rollup text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  -- First what a merge locks, and then what it wrote.
  DELETE FROM globalmart.rollup_progress AS p USING globalmart.rollup_versions AS v
  WHERE v.version_id = p.version_id AND v.rollup = $1;
  DELETE FROM globalmart.merge_costs AS m USING globalmart.rollup_versions AS v
  WHERE v.version_id = m.version_id AND v.rollup = $1;
  DELETE FROM globalmart.fold_costs AS f USING globalmart.rollup_versions AS v
  WHERE v.plan_id = f.plan_id AND v.rollup = $1
    AND NOT EXISTS (SELECT FROM globalmart.rollup_versions AS o WHERE o.plan_id = v.plan_id AND o.rollup <> v.rollup);
  DELETE FROM globalmart.rollup_versions AS v WHERE v.rollup = $1;
$$;
COMMENT ON FUNCTION globalmart.delete_versions(text) IS 'Forgets the definitions of a rollup or detector, how far they were closed and what they cost';

-- Queries are kept as text, in which PostgreSQL sees nothing. A function that has them as its body is what it knows
-- the dependencies by: a DROP of what a definition reads is refused, and a dump restores things in their order. Nobody
-- may call it. The queries of plans count, too: what was made for one rollup is folded for others.
CREATE FUNCTION globalmart.forget_definition(name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  recorded text := format('globalmart.%I()', name || '_definition');
BEGIN
  -- By force (CASCADE) it may have gone before.
  IF to_regprocedure(recorded) IS NOT NULL THEN
    EXECUTE format('DROP FUNCTION %s', recorded);
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.forget_definition(text) IS 'Drops the function NAME_definition() of a rollup or detector';

CREATE FUNCTION globalmart.record_definition(name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  recorded text := format('globalmart.%I()', name || '_definition');
  queries text;
BEGIN
  -- Lines of their own: a query may end in a comment.
  SELECT string_agg(q.query || E'\n;\n', '' ORDER BY q.number, q.query) INTO queries
  FROM (SELECT u.query, min(v.version_id) AS number
        FROM globalmart.rollup_versions AS v LEFT JOIN globalmart.partial_plans AS p USING (plan_id),
          LATERAL (VALUES (v.query), (p.base_query)) AS u(query)
        WHERE v.rollup = record_definition.name AND u.query IS NOT NULL
        GROUP BY u.query) AS q;
  -- What is found goes into the detector's table, in the transaction that brings the event.
  queries := queries || coalesce((
    SELECT format(E'SELECT %s FROM globalmart.%I;\n', string_agg(quote_ident(c), ', ' ORDER BY n), v.rollup)
    FROM globalmart.rollup_versions AS v, unnest(v.columns || '{created_at}') WITH ORDINALITY AS u(c, n)
    WHERE v.rollup = record_definition.name AND v.plan_id IS NULL
    GROUP BY v.rollup), '');
  PERFORM globalmart.forget_definition(name);
  -- Names mean what they mean to the compiler, until the function ends.
  PERFORM set_config('search_path', 'pg_catalog, globalmart, pg_temp', true);
  EXECUTE format('CREATE FUNCTION %s RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp BEGIN ATOMIC %s END',
                 recorded, queries);
  EXECUTE format('ALTER FUNCTION %s OWNER TO globalmart_owner', recorded);
  EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC, globalmart_owner', recorded);
  EXECUTE format('COMMENT ON FUNCTION %s IS %L', recorded, 'The queries that ' || name || ' stands on, for PostgreSQL to know what they read. Not to be called');
END
$$;
COMMENT ON FUNCTION globalmart.record_definition(text) IS
  'Makes or renews the function NAME_definition() of a rollup or detector, on which PostgreSQL''s dependencies hang';

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
