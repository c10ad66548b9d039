-- The night. Each step is one call in a transaction of its own, so that the procedure, which cannot pin its
-- search_path, holds nothing but the order of things.

-- Retention waits for the warehouse from the first, be it never loaded. Registered once: who has no warehouse takes it
-- off the list.
INSERT INTO globalmart.raw_readers (reader, stream)
SELECT 'warehouse', s.stream FROM globalmart.etl_streams() AS s
WHERE to_regprocedure('globalmart.run_etl(date)') IS NULL
ON CONFLICT DO NOTHING;

CREATE OR REPLACE FUNCTION globalmart.begin_load(sql_rows_below bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM globalmart.etl_spans) THEN
    RETURN;
  END IF;
  -- Who loads it has one, whoever took it off the list.
  INSERT INTO globalmart.raw_readers (reader, stream)
  SELECT 'warehouse', s.stream FROM globalmart.etl_streams() AS s ON CONFLICT DO NOTHING;
  INSERT INTO globalmart.etl_spans (stream, kafka_partition, from_offset, until_offset)
  SELECT t.stream, t.kafka_partition, coalesce(p.next_offset, 0), greatest(t.until_offset, p.next_offset, 0)
  FROM (SELECT s.stream, o.kafka_partition, o.next_offset AS until_offset
        FROM globalmart.etl_streams() AS s JOIN globalmart.kafka_offsets AS o ON o.topic = s.topic
        UNION ALL
        SELECT s.stream, -1, sql_rows_below FROM globalmart.etl_streams() AS s) AS t
  LEFT JOIN globalmart.raw_reader_progress AS p
    ON p.reader = 'warehouse' AND p.stream = t.stream AND p.kafka_partition = t.kafka_partition
  WHERE t.until_offset IS NOT NULL;
  -- Those above the mark come with the span.
  INSERT INTO globalmart.etl_redrives (redrive_id, stream, kafka_partition, kafka_offset, loaded)
  SELECT r.redrive_id, s.stream, r.kafka_partition, r.kafka_offset, r.kafka_offset >= coalesce(p.from_offset, 0)
  FROM globalmart.dead_letter_redrives AS r
  JOIN globalmart.etl_streams() AS s ON s.topic = r.topic
  LEFT JOIN globalmart.etl_spans AS p ON p.stream = s.stream AND p.kafka_partition = r.kafka_partition
  WHERE r.state = 'applied'
  ON CONFLICT DO NOTHING;
  INSERT INTO globalmart.etl_load_days (day)
  SELECT (e.event_time AT TIME ZONE 'UTC')::date FROM globalmart.etl_new_transaction_items AS e
  UNION SELECT (e.event_time AT TIME ZONE 'UTC')::date FROM globalmart.etl_new_transactions AS e
  UNION SELECT (e.event_time AT TIME ZONE 'UTC')::date FROM globalmart.etl_new_cart_events AS e
  UNION SELECT (e.event_time AT TIME ZONE 'UTC')::date FROM globalmart.etl_new_product_view_events AS e;
END
$$;
COMMENT ON FUNCTION globalmart.begin_load(bigint) IS
  'Begins a load of everything that the warehouse has not, unless one is under way; sql_rows_below: rows that came by SQL with a smaller number are stored by now, or never';

CREATE OR REPLACE FUNCTION globalmart.end_load() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  leaf regclass;
BEGIN
  -- The analyses that follow look at what is new.
  FOR leaf IN
    SELECT to_regclass(format('warehouse.%I', f.fact || '_m' || d.month))
    FROM (SELECT DISTINCT to_char(l.day, 'YYYYMM') AS month FROM globalmart.etl_load_days AS l) AS d
    CROSS JOIN unnest('{fact_sales,fact_cart_events,fact_product_views}'::text[]) AS f(fact)
  LOOP
    CONTINUE WHEN leaf IS NULL; -- dropped since the load began
    EXECUTE format('ANALYZE %s', leaf);
    -- Nor does an index by blocks know of blocks that are new.
    PERFORM brin_summarize_new_values(x.indexrelid)
    FROM pg_index AS x JOIN pg_class AS c ON c.oid = x.indexrelid JOIN pg_am AS m ON m.oid = c.relam
    WHERE x.indrelid = leaf AND m.amname = 'brin';
  END LOOP;
  INSERT INTO globalmart.raw_reader_progress AS p (reader, stream, kafka_partition, next_offset)
  SELECT 'warehouse', s.stream, s.kafka_partition, s.until_offset FROM globalmart.etl_spans AS s
  ON CONFLICT (reader, stream, kafka_partition) DO UPDATE SET next_offset = EXCLUDED.next_offset, loaded_at = EXCLUDED.loaded_at;
  UPDATE globalmart.etl_redrives AS r SET loaded = true WHERE NOT r.loaded;
  DELETE FROM globalmart.etl_spans;
  DELETE FROM globalmart.etl_load_days;
END
$$;
COMMENT ON FUNCTION globalmart.end_load() IS 'Ends the load under way: everything that it took is in';

-- A scheduler may call the parts of run_etl() by themselves, too. Out of their order they would lose rows.
CREATE OR REPLACE FUNCTION globalmart.require_run_lock() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_locks AS l
                 WHERE l.locktype = 'advisory' AND l.classid = 1735287117 AND l.objid = 1 AND l.objsubid = 2 AND l.granted
                   AND l.mode = 'ExclusiveLock' AND l.pid = pg_backend_pid()
                   AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())) THEN
    RAISE object_not_in_prerequisite_state USING MESSAGE = 'this session is not at work on a run', HINT = 'CALL globalmart.run_etl().';
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.require_run_lock() IS 'Raises SQLSTATE 55000 unless this session holds the lock of run_etl()';

CREATE OR REPLACE FUNCTION globalmart.begin_run(day date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  run bigint;
BEGIN
  PERFORM globalmart.require_run_lock();
  PERFORM globalmart.require_read_committed('the warehouse can only be loaded');
  IF day > (globalmart.clock() AT TIME ZONE 'UTC')::date OR NOT isfinite(day) THEN
    RAISE invalid_parameter_value USING MESSAGE = format('day %s is not over and cannot be analysed', day),
      HINT = 'Name a day up to today, or none for yesterday.';
  END IF;
  -- Whoever holds the lock of runs is the only one: what still says running was killed.
  UPDATE globalmart.etl_steps AS s SET state = 'killed' WHERE s.state = 'running';
  UPDATE globalmart.etl_runs AS r SET state = 'killed' WHERE r.state = 'running';
  INSERT INTO globalmart.etl_runs (analysis_day)
  VALUES (coalesce(day, (globalmart.clock() AT TIME ZONE 'UTC')::date - 1)) RETURNING run_id INTO run;
  -- Asked for by name, a day is analysed whatever is known of it.
  PERFORM globalmart.mark_for_analysis(ARRAY[day]) WHERE day IS NOT NULL;
  RETURN run;
END
$$;
COMMENT ON FUNCTION globalmart.begin_run(date) IS 'Puts a run on record; gives its number';

-- What follows from what is done. A load that an earlier run left comes first, then what is new.
CREATE OR REPLACE FUNCTION globalmart.begin_step(run_id bigint, OUT step_no int, OUT step text, OUT day date)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  last_step text;
  last_state text;
  last_day date;
BEGIN
  PERFORM globalmart.require_run_lock();
  SELECT s.step_no, s.step, s.state INTO step_no, last_step, last_state FROM globalmart.etl_steps AS s
  WHERE s.run_id = begin_step.run_id ORDER BY s.step_no DESC LIMIT 1;
  IF last_state <> 'done' OR NOT EXISTS (SELECT FROM globalmart.etl_runs AS r WHERE r.run_id = begin_step.run_id AND r.state = 'running') THEN
    RAISE object_not_in_prerequisite_state USING MESSAGE = format('run %s has no next step', run_id),
      DETAIL = 'It has ended, or its last step is not done.', HINT = 'CALL globalmart.run_etl().';
  END IF;
  step := CASE
    WHEN last_step IS NULL AND EXISTS (SELECT FROM globalmart.etl_spans) THEN 'load customers'
    WHEN last_step IS NULL THEN 'wait for writers'
    WHEN last_step = 'wait for writers' THEN 'begin load'
    WHEN last_step = 'begin load' THEN 'load customers'
    WHEN last_step = 'load customers' THEN 'load products'
    WHEN last_step IN ('load products', 'load facts') THEN
      CASE WHEN EXISTS (SELECT FROM globalmart.etl_load_days AS d WHERE NOT d.loaded) THEN 'load facts' ELSE 'end load' END
    WHEN last_step = 'end load' AND NOT EXISTS (SELECT FROM globalmart.etl_steps AS s
                                                WHERE s.run_id = begin_step.run_id AND s.step = 'begin load') THEN 'wait for writers'
  END;
  IF step IS NULL THEN
    SELECT r.analysis_day INTO last_day FROM globalmart.etl_runs AS r WHERE r.run_id = begin_step.run_id;
    SELECT 'analyse ' || a.analysis, a.day INTO step, day FROM globalmart.etl_analyses AS a
    WHERE a.done_at IS NULL AND a.day <= last_day
    ORDER BY a.day, array_position('{sales,products,rfm,forecast}', a.analysis) LIMIT 1;
  END IF;
  IF step IS NULL THEN
    UPDATE globalmart.etl_runs AS r SET state = 'done', ended_at = globalmart.clock() WHERE r.run_id = begin_step.run_id;
    RETURN;
  END IF;
  IF step = 'wait for writers' THEN
    -- Taken and committed before they are waited for: a row with a smaller number is stored by then, or never.
    UPDATE globalmart.etl_runs AS r
    SET sql_rows_below = (SELECT q.last_value + CASE WHEN q.is_called THEN 1 ELSE 0 END FROM globalmart.sql_row_offset AS q)
    WHERE r.run_id = begin_step.run_id;
  ELSIF step = 'load facts' THEN
    day := (SELECT min(d.day) FROM globalmart.etl_load_days AS d WHERE NOT d.loaded);
  END IF;
  step_no := coalesce(step_no, 0) + 1;
  INSERT INTO globalmart.etl_steps (run_id, step_no, step, day) VALUES (begin_step.run_id, begin_step.step_no, begin_step.step, begin_step.day);
END
$$;
COMMENT ON FUNCTION globalmart.begin_step(bigint) IS
  'Puts the next step of a run on record, or that the run is done (step NULL)';

CREATE OR REPLACE FUNCTION globalmart.do_step(run_id bigint, step_no int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  started timestamptz := clock_timestamp();
  due globalmart.etl_steps;
  counts record;
BEGIN
  SELECT NULL::bigint AS rows_read, NULL::bigint AS rows_written, NULL::bigint AS rows_rejected INTO counts;
  SELECT s.* INTO due FROM globalmart.etl_steps AS s WHERE s.run_id = do_step.run_id AND s.step_no = do_step.step_no;
  PERFORM globalmart.require_run_lock();
  PERFORM globalmart.require_read_committed('the warehouse can only be loaded');
  IF due.state IS DISTINCT FROM 'running' THEN
    RAISE object_not_in_prerequisite_state USING MESSAGE = format('step %s of run %s is not under way', step_no, run_id),
      HINT = 'CALL globalmart.run_etl().';
  END IF;
  CASE due.step
    WHEN 'wait for writers' THEN
      PERFORM globalmart.wait_for_writers(ARRAY(SELECT globalmart.stream_relation(s.stream) FROM globalmart.etl_streams() AS s));
    WHEN 'begin load' THEN
      PERFORM globalmart.begin_load((SELECT r.sql_rows_below FROM globalmart.etl_runs AS r WHERE r.run_id = do_step.run_id));
    WHEN 'load customers' THEN
      SELECT * INTO counts
      FROM globalmart.load_dimension('user_changes', 'user_id', 'dim_customers', 'customer_key',
                                     '{country,age_range,preferences,registered_at}');
    WHEN 'load products' THEN
      SELECT * INTO counts
      FROM globalmart.load_dimension('product_changes', 'product_id', 'dim_products', 'product_key',
                                     '{product_name,category,price,rating}');
    WHEN 'load facts' THEN
      SELECT * INTO counts FROM globalmart.load_day(due.day);
    WHEN 'end load' THEN
      PERFORM globalmart.end_load();
      -- RFM is of every day with a sale in its span, also of nights that were missed and days without an event.
      INSERT INTO globalmart.etl_analyses (analysis, day)
      SELECT 'rfm', d.day::date
      FROM (SELECT r.analysis_day, globalmart.setting('rfm_span')::interval AS span
            FROM globalmart.etl_runs AS r WHERE r.run_id = do_step.run_id) AS r
      CROSS JOIN LATERAL generate_series((SELECT min(e.day) FROM globalmart.etl_analyses AS e WHERE e.analysis = 'sales')::timestamp,
                                         r.analysis_day::timestamp, interval '1 day') AS d(day)
      WHERE NOT EXISTS (SELECT FROM globalmart.etl_analyses AS e WHERE e.analysis = 'rfm' AND e.day = d.day)
        AND EXISTS (SELECT FROM globalmart.etl_analyses AS e
                    WHERE e.analysis = 'sales' AND e.day <= d.day
                      AND e.day > coalesce(d.day + interval '1 day' - r.span - interval '1 day', '-infinity'))
      ORDER BY 2
      ON CONFLICT DO NOTHING;
      -- What looks ahead is done once, for the last day, when there is any day to look at. What was forecast from a later
      -- day stays.
      DELETE FROM globalmart.etl_analyses AS a
      USING globalmart.etl_runs AS r
      WHERE a.analysis = 'forecast' AND r.run_id = do_step.run_id AND a.day <= r.analysis_day;
      INSERT INTO globalmart.etl_analyses (analysis, day)
      SELECT 'forecast', r.analysis_day FROM globalmart.etl_runs AS r
      WHERE r.run_id = do_step.run_id AND EXISTS (SELECT FROM globalmart.etl_analyses)
        AND NOT EXISTS (SELECT FROM globalmart.etl_analyses AS a WHERE a.analysis = 'forecast')
        AND NOT EXISTS (SELECT FROM warehouse.demand_forecast AS f WHERE f.forecast_date > r.analysis_day + 7);
    WHEN 'analyse sales' THEN
      counts.rows_written := globalmart.analyse_sales(due.day);
    WHEN 'analyse products' THEN
      counts.rows_written := globalmart.analyse_products(due.day);
    WHEN 'analyse rfm' THEN
      counts.rows_written := globalmart.analyse_rfm(due.day);
    WHEN 'analyse forecast' THEN
      counts.rows_written := globalmart.analyse_forecast(due.day);
  END CASE;
  UPDATE globalmart.etl_analyses AS a SET done_at = globalmart.clock() WHERE 'analyse ' || a.analysis = due.step AND a.day = due.day;
  UPDATE globalmart.etl_steps AS s
  SET state = 'done', seconds = extract(epoch FROM clock_timestamp() - started),
      rows_read = counts.rows_read, rows_written = counts.rows_written, rows_rejected = counts.rows_rejected
  WHERE s.run_id = do_step.run_id AND s.step_no = do_step.step_no;
  UPDATE globalmart.etl_runs AS r
  SET rows_read = r.rows_read + coalesce(counts.rows_read, 0), rows_written = r.rows_written + coalesce(counts.rows_written, 0),
      rows_rejected = r.rows_rejected + coalesce(counts.rows_rejected, 0)
  WHERE r.run_id = do_step.run_id AND due.step LIKE 'load %';
END
$$;
COMMENT ON FUNCTION globalmart.do_step(bigint, int) IS 'Does a step of a run and puts on record what it did, in the caller''s transaction';

CREATE OR REPLACE FUNCTION globalmart.fail_step(run_id bigint, step_no int, error text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM globalmart.require_run_lock();
  UPDATE globalmart.etl_steps AS s SET state = 'failed', last_error = error
  WHERE s.run_id = fail_step.run_id AND s.step_no = fail_step.step_no;
  UPDATE globalmart.etl_runs AS r SET state = 'failed', last_error = error, ended_at = globalmart.clock()
  WHERE r.run_id = fail_step.run_id;
END
$$;
COMMENT ON FUNCTION globalmart.fail_step(bigint, int, text) IS 'Puts on record that a step failed, and its run';

-- No SET clause and no SECURITY DEFINER: either would forbid the COMMITs.
CREATE OR REPLACE PROCEDURE globalmart.run_etl(day date DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
  run bigint;
  step_no int;
  step text;
  failure text;
  code text;
BEGIN
  -- In a transaction block this fails at once, before anything is done.
  COMMIT;
  -- It goes with whoever is killed, and with the call that ends by an error, wherever that is.
  IF NOT globalmart.try_run_lock() THEN
    RAISE NOTICE 'run_etl() is at work in another session'
      USING HINT = 'See globalmart.etl_progress.';
    RETURN;
  END IF;
  run := globalmart.begin_run(day);
  COMMIT;
  LOOP
    step_no := NULL;
    BEGIN
      SELECT s.step_no, s.step INTO step_no, step FROM globalmart.begin_step(run) AS s;
    EXCEPTION WHEN OTHERS OR query_canceled THEN
      failure := SQLERRM;
      code := SQLSTATE;
    END;
    IF failure IS NULL THEN
      COMMIT;
      EXIT WHEN step IS NULL;
      BEGIN
        PERFORM globalmart.do_step(run, step_no);
      EXCEPTION WHEN OTHERS OR query_canceled THEN
        failure := SQLERRM;
        code := SQLSTATE;
      END;
    END IF;
    IF failure IS NOT NULL THEN
      PERFORM globalmart.fail_step(run, step_no, failure);
      COMMIT;
      RAISE EXCEPTION USING ERRCODE = code, MESSAGE = failure,
        HINT = 'What was loaded before is committed; the next run_etl() goes on from there. See globalmart.etl_steps.';
    END IF;
    COMMIT;
  END LOOP;
  PERFORM globalmart.release_run_lock();
END
$$;
COMMENT ON PROCEDURE globalmart.run_etl(date) IS
  'Loads everything new from the streams into the warehouse. day: the last day to analyse (NULL: yesterday, UTC). Safe to call twice, at the same time, after missed nights, and to be killed at any point';
