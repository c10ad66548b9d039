-- Day partitions: made ahead and on demand, and refused politely.
SET globalmart.now = '2026-11-24 23:30:00+00';
SET TimeZone = 'Asia/Tokyo';
SELECT plan(60);

SELECT is(globalmart.make_partition('cart_events', '2024-02-29'), 'cart_events_p20240229', 'a day is made on demand');
SELECT is(globalmart.make_partition('cart_events', '2024-02-29'), 'cart_events_p20240229', 'and found the second time');
SELECT is((SELECT count(*) FROM globalmart.stream_leaves('cart_events') WHERE day = '2024-02-29'), 1::bigint, 'stream_leaves shows it');
SET TimeZone = 'UTC';
SELECT is((SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_class AS c WHERE c.oid = 'globalmart.cart_events_p20240229'::regclass),
  $$FOR VALUES FROM ('2024-02-29 00:00:00+00') TO ('2024-03-01 00:00:00+00')$$, 'a day is a UTC day, whatever the session''s time zone');
SELECT is((SELECT pg_get_userbyid(c.relowner) FROM pg_class AS c WHERE c.oid = 'globalmart.cart_events_p20240229'::regclass)::text, 'globalmart_owner', 'it belongs to the owner');
INSERT INTO globalmart.cart_events (event_time, event_id, session_id, event_type, user_id, country)
VALUES ('2024-02-29 00:00:00+00', gen_random_uuid(), gen_random_uuid(), 'checkout', 'USER_1', 'UK'),
       ('2024-02-29 23:59:59.999999+00', gen_random_uuid(), gen_random_uuid(), 'checkout', 'USER_1', 'UK'),
       ('2024-03-01 00:00:00+00', gen_random_uuid(), gen_random_uuid(), 'checkout', 'USER_1', 'UK');
SELECT is((SELECT count(*) FROM globalmart.cart_events_p20240229), 2::bigint, 'its rows go there');
SELECT is((SELECT count(*) FROM globalmart.cart_events_default), 1::bigint, 'the next day''s to the default partition');
SELECT is(globalmart.make_partition('cart_events', '2024-03-01'), 'cart_events_default', 'a day with rows in the default partition stays there');
SELECT hasnt_table('globalmart', 'cart_events_p20240301', 'and leaves no table behind');
SELECT is(globalmart.make_partition('cart_events', d), 'cart_events_default', format('no partition for %s', d))
FROM unnest('{1999-12-31,1970-01-01,9999-12-30,2294-01-01}'::date[]) AS d;
SELECT is(globalmart.make_partition('cart_events', NULL), 'cart_events_default', 'no partition for no day');
SELECT throws_ok($$SELECT globalmart.make_partition('nothing', '2026-11-24')$$, '42704', 'there is no stream "nothing"', 'an unknown stream is refused');
SELECT is(globalmart.make_partition('user_changes', '2026-11-24'), 'user_changes', 'a table that is not partitioned is its own leaf');
SELECT results_eq($$SELECT * FROM globalmart.stream_leaves('user_changes')$$, $$VALUES (NULL::date, 'user_changes')$$, 'stream_leaves says so too');
SELECT is(globalmart.make_partition('high_value_anomalies', '2026-11-24'), 'high_value_anomalies', 'so is a detector''s');

-- At most so many.
SELECT globalmart.set_setting('partitions_most.inventory_events', (SELECT count(*) FROM globalmart.stream_leaves('inventory_events'))::text);
SELECT is(globalmart.make_partition('inventory_events', '2020-01-01'), 'inventory_events_p20200101', 'the last one that partitions_most allows');
SELECT is(globalmart.make_partition('inventory_events', '2020-01-02'), 'inventory_events_default', 'and no further');
SELECT is((SELECT count(*) FROM globalmart.stream_leaves('inventory_events')), (globalmart.setting('partitions_most', 'inventory_events')::int + 1)::bigint, 'beside the default one');

-- The writer makes partitions and owns none.
SET ROLE globalmart_writer;
SELECT is(globalmart.make_partition('transactions', '2026-01-01'), 'transactions_p20260101', 'the writer may ask for one');
INSERT INTO globalmart.transactions_p20260101 (event_time, transaction_id, user_id, total_amount, payment_method, country)
VALUES ('2026-01-01 00:00:00+00', gen_random_uuid(), 'USER_1', 10, 'PayPal', 'Japan');
SELECT throws_ok($$SELECT count(*) FROM globalmart.transactions_p20260101$$, '42501', NULL, 'insert into it, and not read it');
RESET ROLE;
SELECT is((SELECT sum(total_transactions) FROM globalmart.sales_per_minute_live), 1::numeric, 'what it inserts is folded');

-- Upkeep, a week on.
SET globalmart.now = '2026-12-04 00:00:00+00';
CALL globalmart.maintain_partitions();
SELECT results_eq($$SELECT day FROM globalmart.stream_leaves('product_view_events') WHERE day >= '2026-12-02' ORDER BY 1$$,
  $$SELECT d::date FROM generate_series(timestamp '2026-12-02', '2026-12-11', interval '1 day') AS d$$,
  'maintain_partitions makes two days back and seven ahead');
SELECT globalmart.set_setting('partitions_ahead', '9');
CALL globalmart.maintain_partitions();
SELECT is((SELECT max(day) FROM globalmart.stream_leaves('product_view_events')), date '2026-12-13', 'or as many as the setting says');

-- A partition that was made by hand under our name stays what it is.
CREATE TABLE globalmart.transactions_p20250101 (LIKE globalmart.transactions);
SET client_min_messages = error;
SELECT is(globalmart.make_partition('transactions', '2025-01-01'), 'transactions_default', 'a table in the way is not taken: rows go to the default partition');
CALL globalmart.maintain_partitions();
RESET client_min_messages;
SELECT is((SELECT c.relispartition FROM pg_class AS c WHERE c.oid = 'globalmart.transactions_p20250101'::regclass), false, 'and it stays what it is');

-- One that somebody attached for a day is a part of the stream. Until it folds rows that name it, no loader is sent there.
CREATE TABLE globalmart.transactions_p20250201 PARTITION OF globalmart.transactions FOR VALUES FROM ('2025-02-01 00:00+00') TO ('2025-02-02 00:00+00');
CREATE TABLE globalmart.transactions_extra PARTITION OF globalmart.transactions FOR VALUES FROM ('2025-02-02 00:00+00') TO ('2025-02-03 00:00+00');
SELECT is((SELECT state || ': ' || problem FROM globalmart.status WHERE part = 'partitions of transactions'),
  'not folded: rows of statements that name globalmart.transactions_extra, globalmart.transactions_p20250201 are in no rollup', 'status says which partitions do not fold');
SELECT matches((SELECT remedy FROM globalmart.status WHERE part = 'partitions of transactions'), $$create_stream_triggers\('transactions', 'globalmart.transactions_extra'\)$$, 'and what to do');
SET ROLE globalmart_writer;
SELECT is(globalmart.make_partition('transactions', '2025-02-01'), 'transactions', 'that of another owner cannot be helped: rows go by the root, which folds them');
RESET ROLE;
ALTER TABLE globalmart.transactions_p20250201 OWNER TO globalmart_owner;
SET ROLE globalmart_writer;
SELECT is(globalmart.make_partition('transactions', '2025-02-01'), 'transactions_p20250201', 'one of the owner is made to fold');
INSERT INTO globalmart.transactions_p20250201 (event_time, transaction_id, user_id, total_amount, payment_method, country)
VALUES ('2025-02-01 00:00:00+00', gen_random_uuid(), 'USER_1', 10, 'PayPal', 'Japan');
RESET ROLE;
SELECT is((SELECT sum(total_transactions) FROM globalmart.sales_per_minute_live WHERE window_start = '2025-02-01 00:00+00'), 1::numeric, 'and does');
SELECT globalmart.create_stream_triggers('transactions', 'globalmart.transactions_extra');
SELECT is((SELECT state FROM globalmart.status WHERE part = 'partitions of transactions'), 'ready', 'then all is well');

-- Streams of one's own: by day when they are made so, left alone when not.
SET client_min_messages = warning;
CREATE TABLE globalmart.clicks (event_time timestamptz NOT NULL, click_id uuid NOT NULL, page text NOT NULL) PARTITION BY RANGE (event_time);
SELECT globalmart.add_message_columns('globalmart.clicks');
SELECT globalmart.create_stream('clicks', 'globalmart.clicks', 'clicks', 'clicks-topic', 'event_time', 'click_id');
SELECT is(globalmart.make_partition('clicks', '2026-12-04'), 'clicks', 'without a default partition upkeep leaves a table alone');
SELECT globalmart.create_default_leaf('clicks');
SELECT is(globalmart.make_partition('clicks', '2026-12-04'), 'clicks_p20261204', 'with one it makes days');
SELECT globalmart.create_rollup('clicks_a_page', 'SELECT window_start, window_end, page, count(*) AS n FROM globalmart.clicks, globalmart.tumble(event_time, interval ''1 minute'') GROUP BY window_start, window_end, page');
INSERT INTO globalmart.clicks_p20261204 (event_time, click_id, page) VALUES ('2026-12-04 00:00+00', gen_random_uuid(), '/');
INSERT INTO globalmart.clicks (event_time, click_id, page) VALUES ('2026-12-04 00:00+00', gen_random_uuid(), '/'), ('2026-12-03 23:59+00', gen_random_uuid(), '/');
SELECT is((SELECT sum(n) FROM globalmart.clicks_a_page_live), 3::numeric, 'whose rows are folded');
CREATE TABLE globalmart.bare (event_time timestamptz NOT NULL, id uuid NOT NULL);
SELECT throws_ok($$SELECT globalmart.create_stream('bare', 'globalmart.bare', 'clicks', NULL, 'event_time', 'id')$$, '22023', NULL, 'a table whose rows could not move the watermark is refused');
ALTER TABLE globalmart.bare ADD received_at timestamptz NOT NULL DEFAULT now(), ADD kafka_partition int, ADD kafka_offset bigint NOT NULL DEFAULT 0;
SELECT throws_like($$SELECT globalmart.create_stream('bare', 'globalmart.bare', 'clicks', NULL, 'event_time', 'id')$$, '%all NOT NULL', 'one whose rows may have no partition is refused, too');
ALTER TABLE globalmart.bare ALTER kafka_partition SET NOT NULL, ALTER kafka_partition TYPE text;
SELECT throws_ok($$SELECT globalmart.create_stream('bare', 'globalmart.bare', 'clicks', NULL, 'event_time', 'id')$$, '22023', NULL, 'and one whose partition is no number');
ALTER TABLE globalmart.bare DROP kafka_partition, DROP kafka_offset, DROP received_at;
SELECT globalmart.add_message_columns('globalmart.bare');
SELECT globalmart.add_message_columns('globalmart.bare');
SELECT lives_ok($$SELECT globalmart.create_stream('bare', 'globalmart.bare', 'clicks', NULL, 'event_time', 'id')$$, 'with the columns that add_message_columns gives, once, it becomes a stream');
CREATE SCHEMA elsewhere;
CREATE TABLE elsewhere.returns (event_time timestamptz NOT NULL, event_id uuid NOT NULL);
SELECT globalmart.add_message_columns('elsewhere.returns');
SELECT throws_ok($$SELECT globalmart.create_stream('returns', 'elsewhere.returns', 'clicks', NULL, 'event_time', 'event_id')$$, '42501',
  'globalmart_owner may not use the schema of elsewhere.returns', 'a table whose schema the owner may not use is refused: every insert would fail');
CREATE FUNCTION pg_temp.hint_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  hint text;
BEGIN
  EXECUTE statement;
  RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
  RETURN hint;
END
$$;
SELECT is(pg_temp.hint_of($$SELECT globalmart.create_stream('returns', 'elsewhere.returns', 'clicks', NULL, 'event_time', 'event_id')$$),
  'GRANT USAGE ON SCHEMA elsewhere TO globalmart_owner', 'the hint is the GRANT');
GRANT USAGE ON SCHEMA elsewhere TO globalmart_owner;
SELECT lives_ok($$SELECT globalmart.create_stream('returns', 'elsewhere.returns', 'clicks', NULL, 'event_time', 'event_id')$$, 'with it, it is a stream');
GRANT USAGE ON SCHEMA elsewhere TO globalmart_writer;
GRANT INSERT ON elsewhere.returns TO globalmart_writer;
SET ROLE globalmart_writer;
SELECT lives_ok($$INSERT INTO elsewhere.returns (event_time, event_id) VALUES ('2026-11-24 00:00+00', md5('1')::uuid)$$, 'the writer inserts');
SELECT ok(globalmart.is_stored('returns', md5('1')::uuid, '2026-11-24 00:00+00'), 'and the bridge may ask for its ids');
RESET ROLE;
CREATE TABLE elsewhere.visits (event_time timestamptz NOT NULL, event_id uuid NOT NULL) PARTITION BY RANGE (event_time);
SELECT globalmart.add_message_columns('elsewhere.visits');
SELECT globalmart.create_stream('visits', 'elsewhere.visits', 'clicks', NULL, 'event_time', 'event_id');
SELECT throws_ok($$SELECT globalmart.create_default_leaf('visits')$$, '42501', 'globalmart_owner may not create tables in the schema of elsewhere.visits', 'upkeep of a table elsewhere needs more');
SELECT is(pg_temp.hint_of($$SELECT globalmart.create_default_leaf('visits')$$), 'GRANT CREATE ON SCHEMA elsewhere TO globalmart_owner', 'the hint is the GRANT');
GRANT CREATE ON SCHEMA elsewhere TO globalmart_owner;
SELECT lives_ok($$SELECT globalmart.create_default_leaf('visits')$$, 'with it, upkeep begins');
CREATE TABLE globalmart.hashed (event_time timestamptz NOT NULL, id uuid NOT NULL) PARTITION BY HASH (id);
SELECT globalmart.add_message_columns('globalmart.hashed');
SELECT globalmart.create_stream('hashed', 'globalmart.hashed', 'clicks', NULL, 'event_time', 'id');
SELECT is(globalmart.make_partition('hashed', '2026-12-04'), 'hashed', 'a table that is partitioned otherwise is left alone');
CALL globalmart.maintain_partitions();
SELECT is((SELECT array_agg(s) FROM globalmart.partitioned_streams() AS s WHERE s IN ('clicks', 'hashed')), '{clicks}'::text[], 'so does upkeep');
RESET client_min_messages;

-- Columns of another profile.
SELECT globalmart.add_stream_column('cart_events', 'coupon_code', 'text', 'Coupon that was used');
SELECT col_type_is('globalmart', 'cart_events', 'coupon_code', 'text', 'a column is added');
SELECT col_type_is('globalmart', 'cart_events_p20240229', 'coupon_code', 'text', 'to every partition');
SELECT is(globalmart.make_partition('cart_events', '2024-01-01'), 'cart_events_p20240101', 'a new partition has it');
SELECT globalmart.create_rollup('coupons', 'SELECT window_start, window_end, coupon_code, count(*) AS n FROM globalmart.cart_events, globalmart.tumble(event_time, interval ''1 minute'') WHERE coupon_code IS NOT NULL GROUP BY window_start, window_end, coupon_code');
INSERT INTO globalmart.cart_events_p20240101 (event_time, event_id, session_id, event_type, user_id, country, coupon_code) VALUES ('2024-01-01', gen_random_uuid(), gen_random_uuid(), 'checkout', 'USER_1', 'UK', 'SALE');
INSERT INTO globalmart.cart_events (event_time, event_id, session_id, event_type, user_id, country, coupon_code) VALUES ('2026-12-04', gen_random_uuid(), gen_random_uuid(), 'checkout', 'USER_1', 'UK', 'SALE');
SELECT is((SELECT sum(n) FROM globalmart.coupons_live), 1::numeric, 'a rollup can use it from its boundary on');
SELECT throws_ok($$SELECT globalmart.add_stream_column('cart_events', 'coupon_code', 'text')$$, '42701', NULL, 'it is not added twice');
SELECT lives_ok($$SELECT globalmart.add_stream_column('cart_events', 'coupon_code', 'text', if_not_exists => true)$$, 'unless that is all right');
SELECT throws_ok(format('SELECT globalmart.add_stream_column(''cart_events'', %L, %L)', n, t), s, NULL, format('refused: %s %s', n, t))
FROM (VALUES ('device', 'no_such_type', '42704'), ('device', 'int DEFAULT 1', '42704'), ('"; DROP', 'text', '42602')) AS r(n, t, s);
SELECT * FROM finish();
