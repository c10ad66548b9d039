-- Detectors: rows that a condition picks out, appended in the transaction that brings them; rollups over them.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS globalmart CASCADE;
DROP TABLE IF EXISTS detected_orders, detected_lines CASCADE;
CREATE EXTENSION globalmart;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET globalmart.now = '2026-11-20 12:00:00Z';

CREATE TABLE detected_orders (
  event_time timestamptz NOT NULL, order_id uuid NOT NULL, user_id text NOT NULL, country text NOT NULL, amount numeric(18,2) NOT NULL, note text,
  received_at timestamptz NOT NULL DEFAULT globalmart.clock(), kafka_partition int NOT NULL DEFAULT -1,
  kafka_offset bigint NOT NULL DEFAULT nextval('globalmart.sql_row_offset'));
CREATE TABLE detected_lines (
  event_time timestamptz NOT NULL, order_id uuid NOT NULL, line_no int NOT NULL, country text NOT NULL, quantity int NOT NULL,
  received_at timestamptz NOT NULL DEFAULT globalmart.clock(), kafka_partition int NOT NULL DEFAULT -1,
  kafka_offset bigint NOT NULL DEFAULT nextval('globalmart.sql_row_offset'));
SELECT globalmart.create_stream('detected_orders', 'detected_orders', 'detected', 'orders-topic', 'event_time', 'order_id');
SELECT globalmart.create_stream('detected_lines', 'detected_lines', 'detected', 'lines-topic', 'event_time', 'order_id', 'line_no');
SELECT globalmart.create_detector('big_orders', $$
  SELECT order_id, event_time, user_id, country, amount, CASE WHEN amount >= 10000 THEN 'critical' ELSE 'high' END AS severity,
         'amount ' || amount || ' > 5000' AS reason, globalmart.processing_time() AS detected_at
  FROM public.detected_orders WHERE amount > 5000 $$);
SELECT globalmart.create_detector('big_orders', 'SELECT order_id FROM public.detected_orders');
SELECT globalmart.create_detector('big_orders', 'SELECT order_id FROM public.detected_orders', if_not_exists => true);
SELECT globalmart.create_detector('big_lines', $$
  SELECT order_id, line_no, event_time, country, quantity, CASE WHEN quantity >= 100 THEN 'critical' ELSE 'high' END AS severity,
         globalmart.processing_time() AS detected_at
  FROM public.detected_lines WHERE quantity >= 50 $$);
SELECT globalmart.create_detector('nameless', $$SELECT upper(note) AS note, amount FROM public.detected_orders WHERE note IS NOT NULL$$);
SELECT conrelid::regclass AS detector, pg_get_constraintdef(oid) AS key FROM pg_constraint
WHERE conrelid IN ('globalmart.big_orders'::regclass, 'globalmart.big_lines'::regclass, 'globalmart.nameless'::regclass) ORDER BY 1;
SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute WHERE attrelid = 'globalmart.big_orders'::regclass AND attnum > 0 ORDER BY attnum;
SELECT stream, domain, topic, time_column, id_column, line_column, has_offsets FROM globalmart.streams ORDER BY stream;
SELECT name, kind, state FROM globalmart.rollups ORDER BY name;
SELECT * FROM globalmart.explain_rollup('big_orders');

-- a rollup over both tables of detectors; it is fed by what they append
SELECT globalmart.create_rollup('detected_stats', $$
  SELECT window_start, window_end, country, count(*) AS found, count(*) FILTER (WHERE source = 'order') AS orders,
         count(*) FILTER (WHERE source = 'line') AS lines, count(*) FILTER (WHERE severity = 'critical') AS critical
  FROM (SELECT event_time, country, severity, 'order'::text AS source FROM globalmart.big_orders
        UNION ALL SELECT event_time, country, severity, 'line'::text FROM globalmart.big_lines) AS found,
       globalmart.tumble(event_time, interval '1 minute')
  GROUP BY window_start, window_end, country $$, lateness => interval '1 minute');
SELECT globalmart.create_rollup('detected_all', $$
  SELECT window_start, window_end, country, count(*) AS orders FROM public.detected_orders, globalmart.tumble(event_time, interval '1 minute')
  GROUP BY window_start, window_end, country $$);

--
-- in the transaction that brings them
--
BEGIN;
INSERT INTO detected_orders (event_time, order_id, user_id, country, amount, note) VALUES
  ('2026-11-20 10:00:10Z', md5('1')::uuid, 'ann', 'UK', 5000.00, 'not more'), ('2026-11-20 10:00:20Z', md5('2')::uuid, 'bob', 'UK', 5000.01, NULL),
  ('2026-11-20 10:00:30Z', md5('3')::uuid, 'cid', 'USA', 10000.00, 'much');
SELECT user_id, amount, severity, reason, detected_at, created_at FROM globalmart.big_orders ORDER BY user_id;
ROLLBACK;
SELECT count(*) FROM globalmart.big_orders;
INSERT INTO detected_orders (event_time, order_id, user_id, country, amount, note) VALUES
  ('2026-11-20 10:00:10Z', md5('1')::uuid, 'ann', 'UK', 5000.00, 'not more'), ('2026-11-20 10:00:20Z', md5('2')::uuid, 'bob', 'UK', 5000.01, NULL),
  ('2026-11-20 10:00:30Z', md5('3')::uuid, 'cid', 'USA', 10000.00, 'much');
INSERT INTO detected_lines (event_time, order_id, line_no, country, quantity) VALUES
  ('2026-11-20 10:00:10Z', md5('1')::uuid, 1, 'UK', 49), ('2026-11-20 10:00:10Z', md5('1')::uuid, 2, 'UK', 50), ('2026-11-20 10:00:10Z', md5('1')::uuid, 3, 'UK', 100);
SELECT user_id, amount, severity, reason, detected_at, created_at FROM globalmart.big_orders ORDER BY user_id;
SELECT line_no, quantity, severity FROM globalmart.big_lines ORDER BY line_no;
SELECT * FROM globalmart.nameless ORDER BY amount;
SELECT country, found, orders, lines, critical, state FROM globalmart.detected_stats_live ORDER BY country;
-- what is there already is left as it is, and counted once
INSERT INTO detected_orders (event_time, order_id, user_id, country, amount) VALUES ('2026-11-20 10:00:20Z', md5('2')::uuid, 'bob again', 'UK', 7000);
SELECT user_id, amount FROM globalmart.big_orders ORDER BY user_id;
SELECT country, found, orders, lines, critical FROM globalmart.detected_stats_live ORDER BY country;
-- twice in one statement, too
INSERT INTO detected_lines (event_time, order_id, line_no, country, quantity) VALUES
  ('2026-11-20 10:00:40Z', md5('4')::uuid, 1, 'Japan', 60), ('2026-11-20 10:00:40Z', md5('4')::uuid, 1, 'Japan', 70);
SELECT count(*) FROM globalmart.big_lines WHERE country = 'Japan';
SELECT found FROM globalmart.detected_stats_live WHERE country = 'Japan';
-- many at once, by COPY and by INSERT ... SELECT
COPY detected_orders (event_time, order_id, user_id, country, amount) FROM STDIN;
2026-11-20 10:01:00Z	00000000-0000-0000-0000-000000000001	copy	UK	6000
2026-11-20 10:01:01Z	00000000-0000-0000-0000-000000000002	copy	UK	60
\.
INSERT INTO detected_orders (event_time, order_id, user_id, country, amount)
  SELECT '2026-11-20 10:01:00Z'::timestamptz + i * interval '100 milliseconds', md5('many ' || i)::uuid, 'many', 'USA', i * 10 FROM generate_series(1, 1000) AS i;
SELECT user_id, count(*), min(amount), max(amount) FROM globalmart.big_orders GROUP BY user_id ORDER BY 1;
SELECT window_start, country, found, critical FROM globalmart.detected_stats_live ORDER BY 1, 2;

--
-- late: the detectors take everything, the rollup over them names the message of the order
--
INSERT INTO detected_orders (event_time, order_id, user_id, country, amount) VALUES ('2026-11-20 10:05:00Z', md5('5')::uuid, 'eve', 'UK', 1);
CALL globalmart.close_windows();
SELECT name, closed_until FROM globalmart.rollups WHERE kind = 'rollup' ORDER BY name;
INSERT INTO detected_orders (event_time, order_id, user_id, country, amount, kafka_partition, kafka_offset) VALUES
  ('2026-11-20 10:00:50Z', md5('6')::uuid, 'late small', 'UK', 10, 3, 41), ('2026-11-20 10:00:50Z', md5('7')::uuid, 'late big', 'UK', 20000, 3, 42);
SELECT user_id FROM globalmart.big_orders WHERE user_id LIKE 'late%';
SELECT rollup, topic, kafka_partition, kafka_offset, event_id = md5('7')::uuid AS of_the_big_one FROM globalmart.late_events ORDER BY rollup, kafka_offset;
SELECT window_start, country, found, orders, lines, critical FROM globalmart.detected_stats ORDER BY 1, 2;
SELECT name, (SELECT count(*) FROM globalmart.verify(name)) AS differences FROM globalmart.rollups WHERE kind = 'rollup' ORDER BY name;
BEGIN;
UPDATE globalmart.detected_stats SET critical = critical + 1 WHERE country = 'Japan';
SELECT difference, row_data ->> 'country' AS country FROM globalmart.verify('detected_stats') ORDER BY 1;
ROLLBACK;

--
-- changed thresholds, pause, drop
--
SELECT globalmart.alter_rollup('big_orders', query => $$
  SELECT order_id, event_time, user_id, country, amount, CASE WHEN amount >= 10000 THEN 'critical' ELSE 'high' END AS severity,
         'amount ' || amount || ' > 100' AS reason, globalmart.processing_time() AS detected_at
  FROM public.detected_orders WHERE amount > 100 $$);
INSERT INTO detected_orders (event_time, order_id, user_id, country, amount) VALUES ('2026-11-20 10:05:01Z', md5('8')::uuid, 'fay', 'UK', 101);
SELECT user_id, reason FROM globalmart.big_orders WHERE user_id = 'fay';
SELECT globalmart.pause_rollup('big_orders');
INSERT INTO detected_orders (event_time, order_id, user_id, country, amount) VALUES ('2026-11-20 10:05:02Z', md5('9')::uuid, 'gus', 'UK', 102);
SELECT globalmart.resume_rollup('big_orders');
INSERT INTO detected_orders (event_time, order_id, user_id, country, amount) VALUES ('2026-11-20 10:05:03Z', md5('10')::uuid, 'hal', 'UK', 103);
SELECT user_id FROM globalmart.big_orders WHERE user_id IN ('gus', 'hal');
-- a new query with other columns cannot go into the table
SELECT globalmart.alter_rollup('big_orders', query => 'SELECT order_id, event_time, user_id AS someone FROM public.detected_orders WHERE amount > 5');
SELECT globalmart.alter_rollup('big_orders', query => $$
  SELECT order_id, event_time, user_id, country, amount::text AS amount, 'x'::text AS severity, 'y'::text AS reason, globalmart.processing_time() AS detected_at
  FROM public.detected_orders WHERE amount > 5 $$);
SELECT globalmart.verify('big_orders');
SELECT globalmart.drop_detector('big_lines');
SELECT globalmart.drop_detector('nameless');
SELECT globalmart.drop_rollup('detected_stats');
SELECT globalmart.drop_detector('big_lines');
SELECT globalmart.drop_detector('big_lines', if_exists => true);
INSERT INTO detected_lines (event_time, order_id, line_no, country, quantity) VALUES ('2026-11-20 10:06:00Z', md5('11')::uuid, 1, 'UK', 500);
INSERT INTO detected_orders (event_time, order_id, user_id, country, amount, note) VALUES ('2026-11-20 10:08:04Z', md5('12')::uuid, 'ida', 'UK', 104, 'x');
CALL globalmart.close_windows();
SELECT user_id FROM globalmart.big_orders WHERE user_id = 'ida';
SELECT name, kind, (SELECT count(*) FROM globalmart.verify(name)) AS differences FROM globalmart.rollups WHERE kind = 'rollup';
SELECT stream FROM globalmart.streams ORDER BY stream;
