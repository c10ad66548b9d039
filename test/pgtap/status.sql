-- Watermarks and status: how it is, and what to do about what is wrong.
SET globalmart.now = '2026-11-24 12:00:00+00';
SELECT plan(32);

CREATE FUNCTION pg_temp.state_of(part text) RETURNS text LANGUAGE sql AS $$ SELECT s.state FROM globalmart.status AS s WHERE s.part = $1 $$;
CREATE FUNCTION pg_temp.remedy_of(part text) RETURNS text LANGUAGE sql AS $$ SELECT s.remedy FROM globalmart.status AS s WHERE s.part = $1 $$;

SELECT columns_are('globalmart', 'status', '{part,state,rows_a_second,lag,problem,remedy}'::name[], 'one row a part, with what is wrong and what to do');
SELECT is_empty('SELECT * FROM globalmart.status WHERE problem IS NOT NULL', 'a fresh shop has no problem');
SELECT is((SELECT count(*) FROM globalmart.status WHERE part LIKE 'windows of %'), 4::bigint, 'a row for each domain');
SELECT is((SELECT count(*) FROM globalmart.status WHERE part LIKE 'partitions of %'), 5::bigint, 'a row for each partitioned stream');

-- Topics.
SELECT FROM globalmart.claim_partitions('cart-events-topic', '{0,1}', 'bridge');
SELECT is(pg_temp.state_of('topic cart-events-topic'), 'catching up', 'partitions that were just claimed are behind');
SELECT globalmart.advance_offsets('cart-events-topic', '{0,1}', '{1,1}', '{NULL,NULL}', '{10,10}', '{2026-11-24 11:55+00,2026-11-24 11:50+00}', '{NULL,NULL}', '{NULL,NULL}', '{t,t}', '{10,10}', '{0,0}', '{0,0}');
SELECT is(pg_temp.state_of('topic cart-events-topic'), 'running', 'at their ends all is well');
SET globalmart.now = '2026-11-24 12:00:10+00';
SELECT globalmart.advance_offsets('cart-events-topic', '{0,1}', '{1,1}', '{10,10}', '{110,110}', '{2026-11-24 11:56+00,2026-11-24 11:51+00}', '{NULL,NULL}', '{NULL,NULL}', '{t,t}', '{100,100}', '{0,0}', '{0,0}');
SET globalmart.now = '2026-11-24 12:00:20+00';
SELECT globalmart.advance_offsets('cart-events-topic', '{0,1}', '{1,1}', '{110,110}', '{120,120}', '{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}', '{t,t}', '{10,10}', '{0,0}', '{0,0}');
SELECT is((SELECT rows_a_second FROM globalmart.status WHERE part = 'topic cart-events-topic'), 20::float8, 'rows a second, over its partitions');
SELECT is((SELECT lag FROM globalmart.status WHERE part = 'topic cart-events-topic'), interval '4 minutes 20 seconds', 'lag in event time');
SELECT results_eq($$SELECT kafka_partition, watermark, max_event_time, lag, state FROM globalmart.watermarks WHERE stream = 'cart_events' ORDER BY 1$$,
  $$VALUES (0, timestamptz '2026-11-24 11:51+00', timestamptz '2026-11-24 11:56+00', interval '4 minutes 20 seconds', 'live'),
           (1, '2026-11-24 11:51+00', '2026-11-24 11:51+00', '9 minutes 20 seconds', 'live')$$, 'watermarks by partition');
SELECT results_eq($$SELECT kafka_partition, state FROM globalmart.watermarks WHERE stream = 'inventory_events'$$, $$VALUES (NULL::int, 'live')$$, 'a stream that nobody read has a row, too');
SET globalmart.now = '2026-11-24 12:01:00+00';
SELECT is(pg_temp.state_of('topic cart-events-topic'), 'stopped', 'half a minute without a sign of life');
SELECT matches(pg_temp.remedy_of('topic cart-events-topic'), 'Start globalmart-bridge', 'says what to do');

SELECT is(pg_temp.state_of('windows of cart'), 'waiting', 'windows that wait for it say so');
SELECT matches((SELECT problem FROM globalmart.status WHERE part = 'windows of cart'), '^topic cart-events-topic has not been read since 2026-11-24 12:00:20 UTC', 'for which topic, and since when');
SELECT is(pg_temp.state_of('windows of views'), 'running', 'windows of another topic do not');

-- The bridge's memory of event ids.
SELECT globalmart.report_partitions('cart-events-topic', '{0,1}', '{1,1}', '{t,t}');
SELECT is(pg_temp.state_of('event ids'), 'remembered', 'a bridge that remembers enough');
SELECT globalmart.report_partitions('cart-events-topic', '{0,1}', '{1,1}', '{t,t}', true);
SELECT is(pg_temp.state_of('event ids'), 'forgotten early', 'one that may not remember enough');
SELECT matches(pg_temp.remedy_of('event ids'), 'Raise bridge.dedup_max_ids', 'says what to do');

-- Windows.
SELECT globalmart.pause_rollup('cart_metrics');
SELECT is(pg_temp.state_of('windows of cart'), 'paused', 'a paused rollup shows');
UPDATE globalmart.rollup_catalog SET state = 'failed', last_error = 'division by zero' WHERE name = 'cart_sessions';
SELECT is((SELECT state || ', ' || problem FROM globalmart.status WHERE part = 'windows of cart'), 'failed, cart_sessions: division by zero', 'a failed one before that');
SELECT matches(pg_temp.remedy_of('windows of cart'), 'resume_rollup\(''cart_sessions''\)', 'with the call that mends it');
SELECT is(pg_temp.state_of('windows of views'), 'running', 'other domains are not concerned');

-- A writer that forgot to commit.
SELECT is((SELECT count(*) FROM globalmart.open_folds), 0::bigint, 'nobody writes');
BEGIN;
INSERT INTO globalmart.transactions (event_time, transaction_id, user_id, total_amount, payment_method, country)
VALUES ('2026-11-24 11:00+00', gen_random_uuid(), 'USER_1', 10, 'PayPal', 'Japan');
SELECT is((SELECT array_agg(pid) FROM globalmart.open_folds), ARRAY[pg_backend_pid()], 'a transaction that writes shows');
UPDATE globalmart.rollup_progress AS p SET closed_until = '2026-11-24 11:00+00', published_at = globalmart.clock() - interval '11 seconds'
FROM globalmart.rollup_versions AS v WHERE v.version_id = p.version_id AND v.rollup = 'sales_per_minute';
SELECT is(pg_temp.state_of('windows of transactions'), 'held up', 'published and not merged for ten seconds');
SELECT matches(pg_temp.remedy_of('windows of transactions'), format('pg_terminate_backend\(%s\)', pg_backend_pid()), 'and who holds it up is named');
ROLLBACK;

-- Partitions.
SELECT globalmart.set_setting('partitions_most.transactions', '3');
SELECT is(pg_temp.state_of('partitions of transactions'), 'full', 'as many partitions as may be');
SET globalmart.now = '2026-12-05 12:00:00+00';
SELECT is(pg_temp.state_of('partitions of cart_events'), 'missing', 'nobody called maintain_partitions for a week');
CALL globalmart.maintain_partitions();
SELECT is(pg_temp.state_of('partitions of cart_events'), 'ready', 'that mends it');

-- Dead letters, redrives, late events.
INSERT INTO globalmart.dead_letters (topic, kafka_partition, kafka_offset, reason, value) VALUES ('cart-events-topic', 0, 1, 'invalid_json', 'x');
SELECT is(pg_temp.state_of('dead letters'), 'arriving', 'dead letters show');
SELECT globalmart.redrive_dead_letters();
SET globalmart.now = '2026-12-05 12:01:01+00';
SELECT is((SELECT problem FROM globalmart.status WHERE part = 'redrives'), '1 redrives have waited for a bridge', 'so does a redrive that nobody takes');
INSERT INTO globalmart.late_events (rollup, topic, kafka_partition, kafka_offset, event_id, event_time, received_at)
SELECT r, 'cart-events-topic', 0, n, gen_random_uuid(), globalmart.clock(), globalmart.clock()
FROM (VALUES ('cart_metrics', 1), ('cart_metrics', 2), ('cart_sessions', 1)) AS l(r, n);
SELECT matches((SELECT problem FROM globalmart.status WHERE part = 'late events'), '^3 events .* cart_metrics$', 'and late events, with the rollup that they hit most');
SELECT * FROM finish();
