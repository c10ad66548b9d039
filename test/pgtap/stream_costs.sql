-- What the stream has spent: folds and merges of each rollup, by event time, wherever the partials are meanwhile.
-- The figures are real clocks'; what is asked of them is that they are there, add up and stay.
SET globalmart.now = '2026-11-24 02:00:00+00';
SET client_min_messages = warning;
SELECT no_plan();

CREATE FUNCTION pg_temp.place_orders(at timestamptz, many int) RETURNS void LANGUAGE sql AS $$
  INSERT INTO globalmart.transactions (event_time, transaction_id, user_id, total_amount, payment_method, country)
  SELECT at + n * interval '1 millisecond', gen_random_uuid(), 'USER_' || n, n, 'PayPal', 'UK' FROM generate_series(1, many) AS n
$$;
-- The last digits of a float hang on the order of its sum.
CREATE FUNCTION pg_temp.costs(name text, from_time timestamptz DEFAULT NULL, to_time timestamptz DEFAULT NULL)
RETURNS TABLE (windows bigint, rows bigint, rows_folded bigint, fold numeric, fold_cpu numeric, merge numeric, merge_cpu numeric) LANGUAGE sql AS $$
  SELECT windows, rows, rows_folded, round(fold_seconds::numeric, 12), round(fold_cpu_seconds::numeric, 12),
         round(merge_seconds::numeric, 12), round(merge_cpu_seconds::numeric, 12)
  FROM globalmart.stream_costs(name, from_time, to_time)
$$;

SELECT globalmart.create_rollup('hopping', 'SELECT window_start, window_end, country, count(*) AS n FROM globalmart.transactions, globalmart.hop(event_time, interval ''10 minutes'', interval ''5 minutes'') GROUP BY 1, 2, 3');
SELECT globalmart.create_rollup('by_second', 'SELECT window_start, window_end, count(*) AS n FROM globalmart.transactions, globalmart.tumble(event_time, interval ''1 second'') GROUP BY 1, 2');
SELECT globalmart.create_rollup('half_past', 'SELECT window_start, window_end, count(*) AS n FROM globalmart.transactions, globalmart.tumble(event_time, interval ''90 seconds'', interval ''30 seconds'') GROUP BY 1, 2');
SELECT globalmart.create_rollup('visits', 'SELECT window_start, window_end, user_id, count(*) AS n FROM globalmart.transactions, globalmart.session(event_time, interval ''10 minutes'') GROUP BY 1, 2, 3');
SELECT globalmart.create_rollup('best', 'SELECT window_start, window_end, user_id, amount FROM (SELECT window_start, window_end, user_id, sum(total_amount) AS amount FROM globalmart.transactions, globalmart.tumble(event_time, interval ''1 minute'') GROUP BY 1, 2, 3) AS u ORDER BY amount DESC, user_id LIMIT 1');
-- Two that share a plan, of their own filter.
SELECT globalmart.create_rollup('one_of_two', 'SELECT window_start, window_end, country, count(*) AS n FROM globalmart.transactions, globalmart.tumble(event_time, interval ''1 minute'') WHERE payment_method = ''PayPal'' GROUP BY 1, 2, 3');
SELECT globalmart.create_rollup('two_of_two', 'SELECT window_start, window_end, country, sum(total_amount) AS amount FROM globalmart.transactions, globalmart.tumble(event_time, interval ''1 minute'') WHERE payment_method = ''PayPal'' GROUP BY 1, 2, 3');
SELECT is((SELECT count(DISTINCT plan_id) FROM globalmart.rollup_versions WHERE rollup IN ('one_of_two', 'two_of_two')), 1::bigint, 'two rollups have one plan');

-- Nothing is closed: nothing was spent on what is closed.
SELECT results_eq($$SELECT * FROM pg_temp.costs('sales_per_minute')$$, 'VALUES (0::bigint, 0::bigint, 0::bigint, 0::numeric, 0::numeric, 0::numeric, 0::numeric)',
  'no window, no cost');
SELECT pg_temp.place_orders('2026-11-23 10:00:00+00', 30);
SELECT pg_temp.place_orders('2026-11-23 10:03:00+00', 40);
SELECT pg_temp.place_orders('2026-11-23 10:18:00+00', 50);
SELECT pg_temp.place_orders('2026-11-23 12:00:30+00', 1);
-- What the batches wrote: each row counts once a plan, and no chunk is without its figures.
SELECT format('globalmart.partial_log_transactions_%s', generation) AS log FROM globalmart.domains WHERE domain = 'transactions' \gset
SELECT is((SELECT sum(l.fold_rows) FROM :log AS l JOIN globalmart.rollup_versions AS v USING (plan_id) WHERE v.rollup = 'one_of_two'), 121::numeric,
  'the rows of a plan are counted');
SELECT is_empty('SELECT FROM ' || :'log' || ' WHERE fold_seconds IS NULL OR fold_cpu_seconds IS NULL OR fold_seconds <= 0 OR fold_cpu_seconds <= 0', 'every partial says what it cost');
CALL globalmart.close_windows();

SELECT results_eq($$SELECT windows, rows, rows_folded FROM pg_temp.costs('sales_per_minute')$$, 'VALUES (3::bigint, 3::bigint, 120::bigint)',
  'windows, their rows, and the rows that were folded into them');
SELECT is_empty($$SELECT r.name, c FROM globalmart.rollups AS r, globalmart.stream_costs(r.name) AS c
  WHERE r.kind = 'rollup' AND r.domain = 'transactions' AND r.name IN (SELECT v.rollup FROM globalmart.rollup_versions AS v WHERE v.query LIKE '%globalmart.transactions,%')
    AND NOT (fold_seconds > 0 AND fold_cpu_seconds > 0 AND merge_seconds > 0 AND merge_cpu_seconds > 0) IS TRUE$$,
  'every rollup has cost time and CPU, in folds and in merges');
SELECT results_eq($$SELECT rows_folded, fold, fold_cpu FROM pg_temp.costs('one_of_two')$$, $$SELECT rows_folded, fold, fold_cpu FROM pg_temp.costs('two_of_two')$$,
  'a plan''s folds are shared in equal parts by its rollups');
-- Among plans by rows: a rollup that shares with nobody has twice that of one of two.
SELECT ok((SELECT abs(a.fold / b.fold - 2) < 1e-4 AND abs(a.fold_cpu / b.fold_cpu - 2) < 1e-4
           FROM pg_temp.costs('best', NULL, '2026-11-23 12:00+00') AS a, pg_temp.costs('one_of_two', NULL, '2026-11-23 12:00+00') AS b),
  'a batch is shared among plans by their rows');

-- Spans add up, at every shape of window.
CREATE FUNCTION pg_temp.add_up(name text, VARIADIC bounds timestamptz[]) RETURNS boolean LANGUAGE sql AS $$
  SELECT (sum(c.windows), sum(c.rows), sum(c.rows_folded)) = (w.windows, w.rows, w.rows_folded)
     AND greatest(abs(sum(c.fold) - w.fold), abs(sum(c.fold_cpu) - w.fold_cpu), abs(sum(c.merge) - w.merge), abs(sum(c.merge_cpu) - w.merge_cpu)) < 1e-9
     AND count(*) FILTER (WHERE c.rows_folded > 0) > 1
  FROM pg_temp.costs(name) AS w, generate_series(0, cardinality(bounds)) AS n, pg_temp.costs(name, bounds[n], bounds[n + 1]) AS c
  GROUP BY w.windows, w.rows, w.rows_folded, w.fold, w.fold_cpu, w.merge, w.merge_cpu
$$;
SELECT ok(pg_temp.add_up(r.name, '2026-11-23 10:00:30+00', '2026-11-23 10:01:00+00', '2026-11-23 10:03:00.01+00', '2026-11-23 10:04+00', '2026-11-23 10:10+00', '2026-11-23 11:00+00'),
  'spans of ' || r.name || ' add up')
FROM unnest('{sales_per_minute,hopping,by_second,half_past,visits,best,one_of_two}'::text[]) AS r(name);
SELECT results_eq($$SELECT windows, rows, rows_folded FROM pg_temp.costs('sales_per_minute', '2026-11-23 10:00+00', '2026-11-23 10:01+00')$$, 'VALUES (1::bigint, 1::bigint, 30::bigint)', 'a span has its windows');
SELECT results_eq($$SELECT windows, rows, rows_folded FROM pg_temp.costs('half_past', '2026-11-23 10:02+00', '2026-11-23 10:03:30+00')$$, 'VALUES (1::bigint, 1::bigint, 40::bigint)', 'and theirs alone, be they no minutes');
-- Ends at 10:05, 10:10, 10:25, 10:30; an event counts in the first of its windows.
SELECT results_eq($$SELECT windows, rows, rows_folded FROM pg_temp.costs('hopping', '2026-11-23 10:00+00', '2026-11-23 10:05+00')$$, 'VALUES (1::bigint, 1::bigint, 70::bigint)', 'sliding windows: rows fold once');
SELECT results_eq($$SELECT windows, rows, rows_folded FROM pg_temp.costs('hopping', '2026-11-23 10:05+00', '2026-11-23 10:10+00')$$, 'VALUES (1::bigint, 1::bigint, 0::bigint)', 'and are not counted twice');

-- The log is drained and emptied: what was spent stays, to the last digit.
CREATE TEMPORARY TABLE before AS
SELECT r.name, c.* FROM globalmart.rollups AS r, pg_temp.costs(r.name) AS c WHERE r.kind = 'rollup' AND r.domain = 'transactions';
SELECT is_empty('TABLE globalmart.fold_costs', 'the log has it');
SELECT globalmart.switch_logs(0);
SELECT bag_eq($$SELECT r.name, c.* FROM globalmart.rollups AS r, pg_temp.costs(r.name) AS c WHERE r.kind = 'rollup' AND r.domain = 'transactions'$$, 'TABLE before', 'while one log drains, both are read');
-- New rows, and a second batch of a minute, before the drain.
SELECT pg_temp.place_orders('2026-11-23 12:00:31+00', 9);
CALL globalmart.compact_partials(1e9::bigint);
SELECT isnt_empty('TABLE globalmart.fold_costs', 'then the catalogue has it');
SELECT is((SELECT sum(f.rows) FROM globalmart.fold_costs AS f JOIN globalmart.rollup_versions AS v USING (plan_id) WHERE v.rollup = 'best'), 121::numeric, 'once');
SELECT is_empty(format('SELECT FROM globalmart.partial_log_transactions_%s AS l WHERE fold_rows IS NULL', generation), 'copies have nothing to say') FROM globalmart.domains WHERE domain = 'transactions';
SELECT bag_eq($$SELECT r.name, c.* FROM globalmart.rollups AS r, pg_temp.costs(r.name) AS c WHERE r.kind = 'rollup' AND r.domain = 'transactions'$$, 'TABLE before', 'and compaction changes no figure');
SELECT pg_temp.place_orders('2026-11-23 13:00:00+00', 1);
CALL globalmart.close_windows();
SELECT results_eq($$SELECT windows, rows, rows_folded FROM pg_temp.costs('sales_per_minute', '2026-11-23 12:00+00', '2026-11-23 12:01+00')$$, 'VALUES (1::bigint, 1::bigint, 10::bigint)', 'a window of rows from before and after the drain');
SELECT globalmart.switch_logs(0);
CALL globalmart.compact_partials(1e9::bigint);
SELECT is((SELECT rows_folded FROM pg_temp.costs('best', '2026-11-23 12:00+00', '2026-11-23 12:01+00')), 10::bigint, 'which another drain leaves so');

-- A rollup that is paused keeps its partials as they are, and their figures.
SELECT pg_temp.place_orders('2026-11-23 13:05:00+00', 7);
SELECT pg_temp.place_orders('2026-11-23 13:10:00+00', 1);
SELECT globalmart.publish_windows(true) AS seq \gset
SELECT globalmart.pause_rollup('best');
SELECT globalmart.switch_logs(0);
SELECT globalmart.merge_windows(:seq);
CALL globalmart.compact_partials(1e9::bigint);
SELECT globalmart.resume_rollup('best');
CALL globalmart.close_windows();
SELECT results_eq($$SELECT windows, rows, rows_folded FROM pg_temp.costs('best', '2026-11-23 13:05+00', '2026-11-23 13:06+00')$$, 'VALUES (1::bigint, 1::bigint, 7::bigint)', 'what a pause holds back is counted once');

-- compare_batch_stream has the sums.
CREATE TEMPORARY TABLE compared AS SELECT * FROM globalmart.compare_batch_stream();
SELECT is_empty($$SELECT * FROM compared WHERE differences <> 0 OR problem IS NOT NULL$$, 'stream and batch agree');
SELECT results_eq($$SELECT round(stream_seconds::numeric, 9), round(stream_cpu_seconds::numeric, 9) FROM compared WHERE rollup = 'sales_per_minute'$$,
  $$SELECT round((fold_seconds + merge_seconds)::numeric, 9), round((fold_cpu_seconds + merge_cpu_seconds)::numeric, 9) FROM globalmart.stream_costs('sales_per_minute')$$, 'the comparison adds folds and merges');
SELECT is_empty($$SELECT * FROM compared WHERE rows > 0 AND NOT (stream_seconds > 0 AND stream_cpu_seconds > 0) IS TRUE$$, 'for every rollup with rows');
SELECT ok((SELECT a.stream_seconds > 0 AND b.stream_seconds > a.stream_seconds FROM globalmart.compare_batch_stream('2026-11-23 10:00+00', '2026-11-23 10:01+00') AS a
           JOIN globalmart.compare_batch_stream('2026-11-23 10:00+00', '2026-11-23 10:04+00') AS b USING (rollup) WHERE rollup = 'sales_per_minute'), 'and for the span that is named');

-- Nothing that was rolled back.
BEGIN;
SELECT pg_temp.place_orders('2026-11-23 13:20:00+00', 5);
ROLLBACK;
SELECT pg_temp.place_orders('2026-11-23 13:20:00+00', 2);
SELECT pg_temp.place_orders('2026-11-23 13:30:00+00', 1);
CALL globalmart.close_windows();
SELECT is((SELECT rows_folded FROM pg_temp.costs('best', '2026-11-23 13:20+00', '2026-11-23 13:21+00')), 2::bigint, 'a fold that was rolled back is not counted');

-- Windows that are closed one at a time, as they end.
SELECT pg_temp.place_orders('2026-11-23 13:31:00+00', 3);
CALL globalmart.close_windows();
SELECT pg_temp.place_orders('2026-11-23 13:32:00+00', 4);
CALL globalmart.close_windows();
SELECT pg_temp.place_orders('2026-11-23 13:33:00+00', 5);
CALL globalmart.close_windows();
SELECT pg_temp.place_orders('2026-11-23 13:34:00+00', 1);
CALL globalmart.close_windows();
SELECT results_eq($$SELECT windows, rows, rows_folded FROM pg_temp.costs('sales_per_minute', '2026-11-23 13:31+00', '2026-11-23 13:33+00')$$, 'VALUES (2::bigint, 2::bigint, 7::bigint)', 'a close of one window counts it');
SELECT is_empty($$SELECT r.name, c.rows, c.windows FROM globalmart.rollups AS r, pg_temp.costs(r.name) AS c,
    LATERAL (SELECT (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM globalmart.%I', r.name), false, true, '')))[1]::text::bigint AS n) AS t
  WHERE r.kind = 'rollup' AND r.domain = 'transactions' AND c.rows <> t.n$$, 'of every rollup all rows are counted, however they came to be closed');
SELECT ok((SELECT windows = rows AND rows > 0 FROM pg_temp.costs('visits')), 'a row of a session rollup is a window');

-- What nobody recorded is NULL, and so is a sum with it. Partials of another release have no figures;
SELECT pg_temp.place_orders('2026-11-23 13:40:00+00', 3);
SELECT format('globalmart.partial_log_transactions_%s', generation) AS log FROM globalmart.domains WHERE domain = 'transactions' \gset
UPDATE :log SET fold_rows = NULL, fold_seconds = NULL, fold_cpu_seconds = NULL WHERE slice >= '2026-11-23 13:40+00';
SELECT pg_temp.place_orders('2026-11-23 13:40:10+00', 3);
SELECT pg_temp.place_orders('2026-11-23 13:50:00+00', 1);
CALL globalmart.close_windows();
SELECT results_eq($$SELECT windows, rows, rows_folded, fold, fold_cpu, merge > 0 FROM pg_temp.costs('best', '2026-11-23 13:40+00', '2026-11-23 13:41+00')$$,
  'VALUES (1::bigint, 1::bigint, NULL::bigint, NULL::numeric, NULL::numeric, true)', 'a partial without a record makes its window unknown');
SELECT is((SELECT fold FROM pg_temp.costs('best')), NULL, 'and every span with it');
SELECT isnt((SELECT fold FROM pg_temp.costs('best', NULL, '2026-11-23 13:40+00')), NULL, 'but none beside');
SELECT results_eq($$SELECT rows, differences, stream_seconds, stream_cpu_seconds FROM globalmart.compare_batch_stream('2026-11-23 13:40+00', '2026-11-23 13:41+00') WHERE rollup = 'best'$$,
  'VALUES (1::bigint, 0::bigint, NULL::double precision, NULL::double precision)', 'the comparison says so, and compares');
SELECT globalmart.switch_logs(0);
CALL globalmart.compact_partials(1e9::bigint);
SELECT results_eq($$SELECT rows_folded, fold, fold_cpu FROM pg_temp.costs('best', '2026-11-23 13:40+00', '2026-11-23 13:41+00')$$,
  'VALUES (NULL::bigint, NULL::numeric, NULL::numeric)', 'compaction does not make it known');
-- windows that closed before a version had a record of costs;
UPDATE globalmart.rollup_progress AS p SET costs_from = NULL FROM globalmart.rollup_versions AS v WHERE v.version_id = p.version_id AND v.rollup = 'half_past';
SELECT is((SELECT fold FROM pg_temp.costs('half_past', '2026-11-23 10:02+00', '2026-11-23 10:03:30+00')), NULL, 'before the first merge of this release nothing is known');
SELECT globalmart.closed_until('half_past') AS upgraded \gset
SELECT pg_temp.place_orders('2026-11-23 14:20:00+00', 3);
SELECT pg_temp.place_orders('2026-11-23 14:30:00+00', 1);
CALL globalmart.close_windows();
SELECT results_eq(format($$SELECT rows_folded IS NULL, windows IS NULL FROM pg_temp.costs('half_past', timestamptz %1$L - interval '1 minute') UNION ALL SELECT rows_folded IS NULL, windows IS NULL FROM pg_temp.costs('half_past', %1$L)$$, :'upgraded'),
  'VALUES (true, true), (false, false)', 'from then on all is, of windows that end later');
-- and what a backfill filled, which no fold has seen.
SELECT globalmart.create_rollup('afterwards', 'SELECT window_start, window_end, count(*) AS n FROM globalmart.transactions, globalmart.tumble(event_time, interval ''1 minute'') GROUP BY 1, 2');
SELECT pg_temp.place_orders('2026-11-23 14:40:00+00', 3);
SELECT pg_temp.place_orders('2026-11-23 14:50:00+00', 1);
CALL globalmart.close_windows();
SELECT isnt((SELECT fold FROM pg_temp.costs('afterwards')), NULL, 'live windows have a record');
CALL globalmart.backfill_rollup('afterwards', '1 day');
SELECT is((SELECT fold FROM pg_temp.costs('afterwards')), NULL, 'filled ones have none');
SELECT results_eq($$SELECT windows, rows_folded FROM pg_temp.costs('afterwards', '2026-11-23 14:40+00', '2026-11-23 14:41+00')$$, 'VALUES (1::bigint, 3::bigint)', 'which the others do not mind');

-- Asked wrongly.
SELECT throws_ok('SELECT * FROM globalmart.stream_costs(''high_value_anomalies'')', '42809', NULL, 'detectors have no windows');
SELECT throws_ok('SELECT * FROM globalmart.stream_costs(''nothing'')', '42704', NULL, 'nor has what is not there');
SET ROLE globalmart_reader;
SELECT isnt_empty($$SELECT * FROM globalmart.stream_costs('sales_per_minute', NULL, '2026-11-23 13:00+00')$$, 'readers may ask');
RESET ROLE;

-- Costs go with the raw rows and with their rollup.
SELECT globalmart.record_dropped_span('transactions', '2026-11-23 00:00+00', '2026-11-24 00:00+00');
SELECT throws_ok('SELECT * FROM globalmart.stream_costs(''best'')', '55000', NULL, 'of a span without raw rows it says nothing');
SELECT is((SELECT stream_seconds FROM globalmart.compare_batch_stream() WHERE rollup = 'best'), NULL, 'nor does the comparison');
CALL globalmart.delete_old_rows();
SELECT is_empty($$SELECT FROM globalmart.fold_costs AS f JOIN globalmart.rollup_versions AS v USING (plan_id) WHERE v.rollup = 'best' AND f.slice < '2026-11-24'$$, 'folds of days whose rows are gone are forgotten');
SELECT is_empty($$SELECT FROM globalmart.merge_costs AS m JOIN globalmart.rollup_versions AS v USING (version_id) WHERE v.rollup = 'best' AND m.minute < '2026-11-24'$$, 'and their merges');
SELECT pg_temp.place_orders('2026-11-24 01:00:00+00', 3);
SELECT pg_temp.place_orders('2026-11-24 01:10:00+00', 1);
CALL globalmart.close_windows();
SELECT globalmart.switch_logs(0);
CALL globalmart.compact_partials(1e9::bigint);
SELECT plan_id AS one_plan FROM globalmart.rollup_versions WHERE rollup = 'one_of_two' \gset
SELECT globalmart.drop_rollup('one_of_two');
SELECT isnt_empty('SELECT FROM globalmart.fold_costs WHERE plan_id = ' || :one_plan, 'a plan''s costs stay while a rollup uses it');
SELECT globalmart.drop_rollup('two_of_two');
SELECT is_empty('SELECT FROM globalmart.fold_costs WHERE plan_id = ' || :one_plan, 'and go with the last');
SELECT is_empty('SELECT FROM globalmart.merge_costs AS m WHERE NOT EXISTS (SELECT FROM globalmart.rollup_versions AS v WHERE v.version_id = m.version_id)', 'merges go with their version');
SELECT * FROM finish();
