-- How a rollup is kept, for people.

CREATE FUNCTION globalmart.partial_groups(rollup text) RETURNS TABLE (slice timestamptz, chunks bigint, groups bigint, bytes bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_rollup globalmart.rollup_catalog := globalmart.require_rollup(rollup, 'rollup');
BEGIN
  RETURN QUERY EXECUTE format(
    'SELECT l.slice, count(*), sum(l.groups), sum(octet_length(l.body))::bigint FROM ('
    'SELECT * FROM globalmart.%I UNION ALL SELECT * FROM globalmart.%I) AS l '
    'WHERE l.plan_id IN (SELECT v.plan_id FROM globalmart.rollup_versions AS v WHERE v.rollup = $1) '
    'GROUP BY l.slice ORDER BY l.slice',
    'partial_log_' || found_rollup.domain || '_0', 'partial_log_' || found_rollup.domain || '_1') USING rollup;
END
$$;
COMMENT ON FUNCTION globalmart.partial_groups(text) IS
  'What the log holds of the partials that a rollup is merged from: chunks, groups and bytes by slice';

CREATE FUNCTION globalmart.explain_rollup(rollup text) RETURNS TABLE (property text, value text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_rollup globalmart.rollup_catalog := globalmart.require_rollup(rollup);
  v record;
BEGIN
  IF found_rollup.kind = 'detector' THEN
    RETURN QUERY SELECT 'strategy', 'at once: a filter over new rows, in the transaction that brings them';
    RETURN;
  END IF;
  FOR v IN SELECT r.*, p.slice_width, p.key_signatures, p.aggregate_signatures, p.source,
                  (SELECT string_agg(DISTINCT o.rollup, ', ') FROM globalmart.rollup_versions AS o
                   WHERE o.plan_id = r.plan_id AND o.rollup <> r.rollup) AS others
           FROM globalmart.rollup_versions AS r JOIN globalmart.partial_plans AS p USING (plan_id)
           WHERE r.rollup = explain_rollup.rollup ORDER BY r.version_id LOOP
    RETURN QUERY VALUES
      ('version', format('%s, windows that begin in [%s, %s)', v.version_id, v.live_from, v.live_until)),
      ('source', v.source),
      ('window', CASE v.window_kind
         WHEN 'session' THEN 'session, gap ' || make_interval(secs => v.width / 1e6)
         WHEN 'hop' THEN format('sliding, %s every %s', make_interval(secs => v.width / 1e6), make_interval(secs => v.slide / 1e6))
         ELSE 'tumbling, ' || make_interval(secs => v.width / 1e6) END),
      ('slice', CASE v.window_kind WHEN 'session' THEN 'runs of events up to the gap'
                ELSE make_interval(secs => v.slice_width / 1e6)::text END),
      ('keys', COALESCE((SELECT string_agg(v.key_signatures[k + 1], ', ') FROM unnest(v.key_numbers) AS k), 'none')),
      ('aggregates', (SELECT string_agg(v.aggregate_signatures[a + 1], ', ') FROM unnest(v.aggregate_numbers) AS a)),
      ('partials', format('plan %s, keys (%s), %s states', v.plan_id, array_to_string(v.key_signatures, ', '),
                          cardinality(v.aggregate_signatures))),
      ('shared with', COALESCE(v.others, 'nobody')),
      ('strategy', 'partials of each batch, merged at the close' || CASE WHEN v.per_window THEN ', one window at a time' ELSE '' END),
      ('close', v.close_query);
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.explain_rollup(text) IS
  'How a rollup is kept: source, window, slice, keys, aggregates, with whom its partials are shared, the query of its closes';
