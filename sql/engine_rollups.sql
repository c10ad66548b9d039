-- Rollups: every aggregate, key and shape that the engine keeps, against the same text run over the raw rows.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS globalmart CASCADE;
DROP TABLE IF EXISTS rollups_ev, rollups_gone CASCADE;
DROP TYPE IF EXISTS rollups_mood;
CREATE EXTENSION globalmart;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET globalmart.now = '2026-11-20 12:00:00Z';

CREATE TYPE rollups_mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE rollups_ev (
  event_time timestamptz NOT NULL, event_id uuid NOT NULL, country text NOT NULL, user_id text, product int,
  amount numeric(18,2), quantity int NOT NULL, small smallint, big bigint, ok boolean, ref uuid, day date,
  ratio double precision, mood rollups_mood, seen timestamptz, raw bytea, name text COLLATE "C",
  received_at timestamptz NOT NULL DEFAULT globalmart.clock(), kafka_partition int NOT NULL DEFAULT -1,
  kafka_offset bigint NOT NULL DEFAULT nextval('globalmart.sql_row_offset'));
SELECT globalmart.create_stream('rollups_ev', 'rollups_ev', 'rollups', NULL, 'event_time', 'event_id');

-- 900 rows in 15 minutes, every column with NULLs where it may have some, ties in time, negative and wide values
CREATE FUNCTION rollups_rows(wanted_from int, wanted_to int) RETURNS SETOF rollups_ev LANGUAGE sql AS $$
  SELECT '2026-11-20 10:00Z'::timestamptz + (i / 2) * interval '2 seconds', md5('event ' || i)::uuid,
         (ARRAY['UK', 'USA', 'Japan'])[1 + i % 3], CASE WHEN i % 10 <> 0 THEN 'user_' || i % 17 END, NULLIF(i % 5, 4),
         CASE WHEN i % 11 <> 0 THEN (i * 7919 % 100003) / 100.0 - 300 END, i % 6, NULLIF(i % 7 - 3, 0)::smallint,
         CASE WHEN i % 4 <> 0 THEN i::bigint * 4611686018427387 END, CASE i % 3 WHEN 0 THEN i % 2 = 0 WHEN 1 THEN true END,
         CASE WHEN i % 5 <> 0 THEN md5('ref ' || i % 13)::uuid END, CASE WHEN i % 8 <> 0 THEN date '2026-01-01' + i % 40 END,
         CASE i % 9 WHEN 0 THEN NULL WHEN 1 THEN 'NaN' WHEN 2 THEN '-Infinity' ELSE (i % 30) / 7.0 - 1 END,
         CASE WHEN i % 6 <> 0 THEN (ARRAY['sad', 'ok', 'happy'])[1 + i % 3]::rollups_mood END,
         CASE WHEN i % 4 <> 0 THEN '2026-11-20 10:00Z'::timestamptz - i * interval '1 hour' END,
         CASE WHEN i % 4 <> 0 THEN decode(md5('raw ' || i % 9), 'hex') END, CASE WHEN i % 5 <> 0 THEN chr(65 + i % 26) || i % 3 END,
         globalmart.clock(), -1, nextval('globalmart.sql_row_offset')
  FROM generate_series(wanted_from, wanted_to) AS i
$$;

--
-- the definitions
--
CREATE TEMP TABLE definitions (ordinal int GENERATED ALWAYS AS IDENTITY, name text, pasted boolean, query text);
INSERT INTO definitions (name, pasted, query) VALUES
('r_counts', true, $$
  SELECT window_start, window_end, country, count(*) AS n, count(user_id) AS users, count(*) FILTER (WHERE amount > 0) AS gains,
         count(product) FILTER (WHERE ok) AS ok_products, count(DISTINCT user_id) AS distinct_users,
         count(DISTINCT product) FILTER (WHERE amount > 0 AND ok IS NOT NULL) AS some_products,
         count(DISTINCT amount) AS amounts, count(DISTINCT ref) AS refs, count(DISTINCT day) AS days, count(DISTINCT ok) AS oks
  FROM rollups_ev, globalmart.tumble(event_time, interval '1 minute')
  GROUP BY window_start, window_end, country $$),
('r_sums', true, $$
  SELECT window_start, window_end, country, sum(amount) AS amount, sum(quantity) AS quantity, sum(small) AS small, sum(big) AS big,
         avg(amount) AS average, avg(quantity) AS mean_quantity, avg(small) AS mean_small, avg(big) AS mean_big,
         sum(amount) FILTER (WHERE amount > 0) AS gains, avg(amount) FILTER (WHERE product = 1) AS average_one,
         sum(amount * quantity) AS total, sum(CASE WHEN ok THEN amount ELSE -amount END) AS balance,
         (sum(amount) / NULLIF(sum(quantity), 0))::numeric(18,2) AS price, avg(amount)::numeric(18,2) AS rounded
  FROM rollups_ev, globalmart.tumble(event_time, interval '1 minute')
  GROUP BY window_start, window_end, country $$),
('r_extremes', true, $$
  SELECT window_start, window_end, country, min(amount) AS min_amount, max(amount) AS max_amount, min(small) AS min_small,
         max(small) AS max_small, min(big) AS min_big, max(big) AS max_big, min(quantity) AS min_q, max(quantity) AS max_q,
         min(user_id) AS min_user, max(user_id) AS max_user, min(name) AS min_name, max(name) AS max_name,
         min(day) AS min_day, max(day) AS max_day, min(seen) AS min_seen, max(seen) AS max_seen, min(ratio) AS min_ratio,
         max(ratio) AS max_ratio, min(mood) AS min_mood, max(mood) AS max_mood, max(amount) FILTER (WHERE amount < 0) AS least_loss,
         bool_and(ok) AS all_ok, bool_or(ok) AS any_ok, every(quantity >= 0) AS every_q, bool_or(amount > 500) FILTER (WHERE ok) AS big_ok
  FROM rollups_ev, globalmart.tumble(event_time, interval '1 minute')
  GROUP BY window_start, window_end, country $$),
('r_positions', true, $$
  SELECT window_start, window_end, country, globalmart.first_by(user_id, event_time, event_id) AS first_user,
         globalmart.last_by(user_id, event_time, event_id) AS last_user, globalmart.first_by(amount, event_time, event_id) AS first_amount,
         globalmart.last_by(amount, event_time, event_id) FILTER (WHERE amount > 0) AS last_gain,
         globalmart.last_by(ok, event_time, event_id) AS last_ok, globalmart.last_by(ref, event_time, event_id) AS last_ref,
         globalmart.last_by(seen, event_time, event_id) AS last_seen, globalmart.first_by(mood, event_time, event_id) AS first_mood,
         globalmart.approx_count_distinct(user_id) AS users, globalmart.approx_count_distinct(amount) FILTER (WHERE ok) AS ok_amounts,
         globalmart.approx_count_distinct(product) AS products
  FROM rollups_ev, globalmart.tumble(event_time, interval '1 minute')
  GROUP BY window_start, window_end, country $$),
('r_having', true, $$
  SELECT window_start, window_end, user_id, count(*) AS n, sum(amount) AS amount,
         CASE WHEN sum(amount) > 1000 AND count(*) > 3 THEN 'both' WHEN sum(amount) > 1000 THEN 'spending' ELSE 'frequency' END AS kind,
         round(100.0 * count(*) FILTER (WHERE ok) / count(*), 1) AS ok_pct
  FROM rollups_ev, globalmart.tumble(event_time, interval '5 minutes')
  GROUP BY window_start, window_end, user_id HAVING count(*) > 3 OR sum(amount) > 1000 $$),
('r_no_key', true, $$
  SELECT window_start, window_end, count(*) AS n, count(DISTINCT user_id) AS users, avg(amount)::numeric(18,2) AS average
  FROM rollups_ev, globalmart.tumble(event_time, interval '2 minutes') GROUP BY window_start, window_end $$),
('r_null_keys', true, $$
  SELECT window_start, window_end, product, ok, count(*) AS n, sum(amount) AS amount
  FROM rollups_ev, globalmart.tumble(event_time, interval '5 minutes') GROUP BY window_start, window_end, product, ok $$),
('r_key_types', true, $$
  SELECT window_start, window_end, small, big, ref, day, mood, amount, ratio, seen, raw, name, ok, quantity, count(*) AS n
  FROM rollups_ev, globalmart.tumble(event_time, interval '5 minutes')
  GROUP BY window_start, window_end, small, big, ref, day, mood, amount, ratio, seen, raw, name, ok, quantity $$),
('r_expressions', true, $$
  SELECT window_start, window_end, lower(country) AS country, quantity % 2 = 0 AS even, (amount / 100)::int AS hundreds,
         upper(lower(country)) || '!' AS shout, count(*) AS n, max(length(user_id)) AS longest
  FROM rollups_ev, globalmart.tumble(event_time, interval '5 minutes')
  GROUP BY window_start, window_end, lower(country), quantity % 2 = 0, (amount / 100)::int $$),
('r_where', true, $$
  SELECT window_start, window_end, user_id, count(*) AS n
  FROM rollups_ev, globalmart.tumble(event_time, interval '1 minute')
  WHERE user_id IS NOT NULL AND country = 'UK' AND (amount > 0 OR ok) GROUP BY window_start, window_end, user_id $$),
('r_offset', true, $$
  SELECT window_start, window_end, country, sum(quantity) AS units
  FROM rollups_ev, globalmart.tumble(event_time, interval '7 minutes', interval '90 seconds')
  GROUP BY window_start, window_end, country $$),
('r_hop', true, $$
  SELECT window_start, window_end, country, count(*) AS n, count(DISTINCT user_id) AS users, max(amount) AS most,
         globalmart.last_by(user_id, event_time, event_id) AS last_user
  FROM rollups_ev, globalmart.hop(event_time, interval '4 minutes', interval '1 minute')
  GROUP BY window_start, window_end, country $$),
('r_levels', true, $$
  SELECT window_start, window_end, country, sum(n)::bigint AS events, count(*) AS users, max(n) AS busiest,
         count(*) FILTER (WHERE NOT gained) AS without_gain, 100.0::float8 * count(*) FILTER (WHERE gained) / NULLIF(count(*), 0) AS pct
  FROM (SELECT window_start, window_end, country, user_id, count(*) AS n, bool_or(amount > 0) AS gained
        FROM rollups_ev, globalmart.tumble(event_time, interval '5 minutes')
        GROUP BY window_start, window_end, country, user_id) AS per_user
  GROUP BY window_start, window_end, country $$),
('r_top', false, $$
  SELECT window_start, window_end, product, n, rank() OVER (ORDER BY n DESC, product) AS place, n::float8 / sum(n) OVER () AS share
  FROM (SELECT window_start, window_end, product, count(*) AS n
        FROM rollups_ev, globalmart.tumble(event_time, interval '5 minutes')
        GROUP BY window_start, window_end, product) AS g
  ORDER BY n DESC, product LIMIT 3 $$),
('r_ranked', true, $$
  SELECT window_start, window_end, user_id, n, place
  FROM (SELECT window_start, window_end, user_id, n,
               row_number() OVER (PARTITION BY window_start ORDER BY n DESC, user_id) AS place
        FROM (SELECT window_start, window_end, user_id, count(*) AS n
              FROM rollups_ev, globalmart.tumble(event_time, interval '3 minutes')
              GROUP BY window_start, window_end, user_id) AS g) AS r
  WHERE place <= 2 $$),
('r_distinct_windows', false, $$
  SELECT DISTINCT window_start, window_end, n
  FROM (SELECT window_start, window_end, user_id, count(*) AS n
        FROM rollups_ev, globalmart.tumble(event_time, interval '5 minutes')
        GROUP BY window_start, window_end, user_id) AS g $$),
('r_top_offset', false, $$
  SELECT window_start, window_end, user_id, n
  FROM (SELECT window_start, window_end, user_id, count(*) AS n
        FROM rollups_ev, globalmart.tumble(event_time, interval '7 minutes', interval '90 seconds')
        GROUP BY window_start, window_end, user_id) AS g
  ORDER BY n DESC, user_id LIMIT 2 $$),
('r_top_hop', false, $$
  SELECT window_start, window_end, user_id, n
  FROM (SELECT window_start, window_end, user_id, count(*) AS n
        FROM rollups_ev, globalmart.hop(event_time, interval '6 minutes', interval '2 minutes', interval '30 seconds')
        GROUP BY window_start, window_end, user_id) AS g
  ORDER BY n DESC, user_id LIMIT 2 $$),
('r_top_session', false, $$
  SELECT window_start, window_end, user_id, n, count(*) OVER () AS with_it
  FROM (SELECT window_start, window_end, user_id, count(*) AS n
        FROM rollups_ev, globalmart.session(event_time, interval '20 seconds')
        GROUP BY window_start, window_end, user_id) AS g
  ORDER BY n DESC, user_id LIMIT 1 $$),
('r_over_session', false, $$
  SELECT window_start, window_end, user_id, n, place, with_it, before
  FROM (SELECT window_start, window_end, user_id, n, rank() OVER w AS place, count(*) OVER () AS with_it, lag(user_id) OVER w AS before
        FROM (SELECT window_start, window_end, user_id, count(*) AS n
              FROM rollups_ev, globalmart.session(event_time, interval '20 seconds')
              GROUP BY window_start, window_end, user_id) AS g WINDOW v AS (), w AS (v ORDER BY n DESC, user_id)) AS r
  WHERE place <= 2 $$),
('r_over_hop', false, $$
  SELECT DISTINCT ON (window_end, place) window_start, window_end, user_id, place, sum(place) OVER (PARTITION BY window_end, place) AS placed
  FROM (SELECT window_start, window_end, user_id, dense_rank() OVER (ORDER BY n DESC) AS place
        FROM (SELECT window_start, window_end, user_id, count(*) AS n
              FROM rollups_ev, globalmart.hop(event_time, interval '6 minutes', interval '2 minutes')
              GROUP BY window_start, window_end, user_id) AS g) AS r
  ORDER BY window_end, place, user_id $$),
('r_clock', false, $$
  SELECT window_start, window_end, country, count(*) AS n, globalmart.processing_time() AS closed_at
  FROM rollups_ev, globalmart.tumble(event_time, interval '1 minute') GROUP BY window_start, window_end, country $$);
DO $$
DECLARE d record;
BEGIN
  FOR d IN SELECT * FROM definitions ORDER BY ordinal LOOP
    PERFORM globalmart.create_rollup(d.name, replace(d.query, 'rollups_ev', 'public.rollups_ev'));
  END LOOP;
END
$$;

--
-- a batch: how many partial groups; one slice a minute and key, shared where they can be
--
INSERT INTO rollups_ev SELECT * FROM rollups_rows(0, 59);
SELECT * FROM (SELECT name, p.slice, p.chunks, p.groups FROM definitions, globalmart.partial_groups(name) AS p
               WHERE name IN ('r_counts', 'r_sums', 'r_no_key', 'r_hop', 'r_null_keys', 'r_levels')) AS g ORDER BY 1, 2;
-- those with the same keys, filter and slice are one plan
SELECT string_agg(name, ' ' ORDER BY name) AS share_one_plan
FROM (SELECT DISTINCT c.name, v.plan_id FROM globalmart.rollup_catalog AS c JOIN globalmart.rollup_versions AS v ON v.rollup = c.name) AS p
GROUP BY plan_id ORDER BY 1;
SELECT property, value FROM globalmart.explain_rollup('r_no_key') WHERE property <> 'close';
SELECT property, value FROM globalmart.explain_rollup('r_hop') WHERE property IN ('window', 'slice', 'keys', 'shared with', 'strategy');
-- run one window at a time: only what PARTITION BY cannot tell apart; the rest is one query a close
SELECT rollup FROM globalmart.rollup_versions WHERE per_window ORDER BY rollup;
SELECT property, value FROM globalmart.explain_rollup('r_top') WHERE property IN ('window', 'keys', 'strategy');

-- the rest, in batches of odd sizes
INSERT INTO rollups_ev SELECT * FROM rollups_rows(60, 61);
INSERT INTO rollups_ev SELECT * FROM rollups_rows(62, 400);
INSERT INTO rollups_ev SELECT * FROM rollups_rows(401, 899);
SELECT count(*), max(event_time) FROM rollups_ev;

--
-- compare: the text as it was given, pasted, over the raw rows of closed or of open windows
--
CREATE FUNCTION rollups_differences(name text, query text, wanted_state text) RETURNS bigint
LANGUAGE plpgsql SET search_path = public AS $$
DECLARE
  columns text;
  differences bigint;
  border timestamptz := globalmart.closed_until(name);
BEGIN
  SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY attnum) INTO columns FROM pg_attribute AS a
  WHERE a.attrelid = ('globalmart.' || name)::regclass AND attnum > 0 AND attname NOT IN ('created_at', 'closed_at');
  EXECUTE format(
    'WITH batch AS (SELECT %1$s FROM (%2$s) AS q WHERE (window_end <= $1) = ($2 = ''closed'')), '
    'kept AS (SELECT %1$s FROM globalmart.%3$I WHERE state = $2) '
    'SELECT (SELECT count(*) FROM (TABLE batch EXCEPT ALL TABLE kept) AS a) + (SELECT count(*) FROM (TABLE kept EXCEPT ALL TABLE batch) AS b)',
    columns, query, name || '_live') INTO differences USING border, wanted_state;
  RETURN differences;
END
$$;
CREATE FUNCTION rollups_rows_of(name text, wanted_state text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM globalmart.%I WHERE state = $1', name || '_live') INTO n USING wanted_state;
  RETURN n;
END
$$;
-- before the first close everything is open
SELECT name, rollups_rows_of(name, 'closed') AS closed, rollups_rows_of(name, 'open') AS open,
       CASE WHEN pasted THEN rollups_differences(name, query, 'open') END AS differences
FROM definitions ORDER BY ordinal;
CALL globalmart.close_windows();
SELECT name, globalmart.closed_until(name), rollups_rows_of(name, 'closed') AS closed, rollups_rows_of(name, 'open') AS open,
       CASE WHEN pasted THEN rollups_differences(name, query, 'closed') END AS differences_closed,
       CASE WHEN pasted THEN rollups_differences(name, query, 'open') END AS differences_open,
       (SELECT count(*) FROM globalmart.verify(name)) AS verified
FROM definitions ORDER BY ordinal;
SELECT name, state, last_error FROM globalmart.rollups WHERE state <> 'live';
SELECT count(*) AS late FROM globalmart.late_events;

-- some rows to look at
SELECT window_start, country, n, users, gains, ok_products, distinct_users, some_products, amounts FROM globalmart.r_counts ORDER BY 1, 2 LIMIT 3;
SELECT window_start, country, amount, quantity, small, big, average, price FROM globalmart.r_sums ORDER BY 1, 2 LIMIT 3;
SELECT window_start, country, min_amount, max_amount, min_user, max_user, min_ratio, max_ratio, min_mood, max_mood, all_ok, any_ok
FROM globalmart.r_extremes ORDER BY 1, 2 LIMIT 3;
SELECT window_start, product, ok, n, amount FROM globalmart.r_null_keys ORDER BY 1, 2, 3 LIMIT 15;
SELECT window_start, product, n, place, share FROM globalmart.r_top ORDER BY window_start, place;
SELECT window_start, user_id, n, place FROM globalmart.r_ranked ORDER BY window_start, place LIMIT 4;
-- for each window, closed or open, its own top three, by the raw rows
CREATE VIEW rollups_top AS
  SELECT window_start, product, n FROM (
    SELECT window_start, product, count(*) AS n, row_number() OVER (PARTITION BY window_start ORDER BY count(*) DESC, product) AS p
    FROM rollups_ev, globalmart.tumble(event_time, interval '5 minutes') GROUP BY window_start, product) AS q
  WHERE p <= 3;
SELECT count(*) AS rows, (SELECT count(*) FROM (TABLE rollups_top EXCEPT ALL SELECT window_start, product, n FROM globalmart.r_top_live) AS a) AS missing,
       (SELECT count(*) FROM (SELECT window_start, product, n FROM globalmart.r_top_live EXCEPT ALL TABLE rollups_top) AS a) AS wrong
FROM rollups_top;
CREATE VIEW rollups_top_hop AS
  SELECT window_start, user_id, n FROM (
    SELECT window_start, user_id, count(*) AS n, row_number() OVER (PARTITION BY window_start ORDER BY count(*) DESC, user_id) AS p
    FROM rollups_ev, globalmart.hop(event_time, interval '6 minutes', interval '2 minutes', interval '30 seconds') GROUP BY window_start, user_id) AS q
  WHERE p <= 2;
SELECT count(*) AS rows, (SELECT count(*) FROM (TABLE rollups_top_hop EXCEPT ALL SELECT window_start, user_id, n FROM globalmart.r_top_hop_live) AS a) AS missing,
       (SELECT count(*) FROM (SELECT window_start, user_id, n FROM globalmart.r_top_hop_live EXCEPT ALL TABLE rollups_top_hop) AS a) AS wrong
FROM rollups_top_hop;
-- processing time is the clock of the close, the same for all rows, and created_at too
SELECT DISTINCT closed_at, created_at FROM globalmart.r_clock;
SELECT state, count(closed_at), count(created_at), count(*) FROM globalmart.r_clock_live GROUP BY state ORDER BY state;

--
-- tables: types, keys, nullability
--
SELECT c.conrelid::regclass AS rollup, pg_get_constraintdef(c.oid) AS key
FROM pg_constraint AS c JOIN definitions AS d ON c.conrelid = ('globalmart.' || d.name)::regclass ORDER BY d.ordinal;
SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute
WHERE attrelid = 'globalmart.r_sums'::regclass AND attnum > 0 ORDER BY attnum;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = 'globalmart.r_sums_live'::regclass AND attnum > 0 ORDER BY attnum DESC LIMIT 2;
SELECT relname, relowner::regrole, has_table_privilege('globalmart_reader', oid, 'SELECT') AS reader, has_table_privilege('globalmart_writer', oid, 'SELECT') AS writer
FROM pg_class WHERE oid IN ('globalmart.r_sums'::regclass, 'globalmart.r_sums_live'::regclass) ORDER BY 1;
SET ROLE globalmart_reader;
SELECT state, count(*) FROM globalmart.r_counts_live GROUP BY state ORDER BY state;
RESET ROLE;

--
-- verify finds a row that was changed, one that was added and one that is gone; and only in its span
--
BEGIN;
UPDATE globalmart.r_sums SET amount = amount + 0.01 WHERE window_start = '2026-11-20 10:03Z' AND country = 'UK';
SELECT difference, row_data ->> 'window_start' AS window_start, row_data ->> 'country' AS country FROM globalmart.verify('r_sums') ORDER BY 1;
SELECT count(*) FROM globalmart.verify('r_sums', '2026-11-20 10:04Z');
SELECT count(*) FROM globalmart.verify('r_sums', '2026-11-20 10:03Z', '2026-11-20 10:04Z');
SELECT count(*) FROM globalmart.verify('r_sums', NULL, '2026-11-20 10:03Z');
ROLLBACK;
BEGIN;
DELETE FROM globalmart.r_counts WHERE window_start = '2026-11-20 10:05Z' AND country = 'USA';
INSERT INTO globalmart.r_counts (window_start, window_end, country, n) VALUES ('2026-11-20 10:05Z', '2026-11-20 10:06Z', 'Atlantis', 1);
SELECT difference, row_data ->> 'country' AS country FROM globalmart.verify('r_counts') ORDER BY 1;
ROLLBACK;
-- each rollup: one row less is one difference
CREATE FUNCTION rollups_tampered(name text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE found text;
BEGIN
  BEGIN
    EXECUTE format('DELETE FROM globalmart.%1$I WHERE ctid = (SELECT max(ctid) FROM globalmart.%1$I)', name);
    SELECT string_agg(difference, ', ') INTO found FROM globalmart.verify(name);
    RAISE EXCEPTION USING ERRCODE = 'TT001', MESSAGE = found;
  EXCEPTION WHEN SQLSTATE 'TT001' THEN
    RETURN SQLERRM;
  END;
END
$$;
SELECT rollups_tampered(name) AS found, count(*) FROM definitions GROUP BY 1;

--
-- batch_query is SQL that can be pasted; it gives the closed rows
--
CREATE FUNCTION rollups_run(name text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  columns text;
  differences bigint;
BEGIN
  SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY attnum) INTO columns FROM pg_attribute AS a
  WHERE a.attrelid = ('globalmart.' || name)::regclass AND attnum > 0 AND attname NOT IN ('created_at', 'closed_at');
  EXECUTE format('SELECT count(*) FROM ((SELECT %1$s FROM (%2$s) AS q EXCEPT ALL SELECT %1$s FROM globalmart.%3$I) UNION ALL '
                 '(SELECT %1$s FROM globalmart.%3$I EXCEPT ALL SELECT %1$s FROM (%2$s) AS q)) AS d',
                 columns, globalmart.batch_query(name), name) INTO differences;
  RETURN differences;
END
$$;
SELECT rollups_run(name) AS differences, count(*) FROM definitions GROUP BY 1;
SET TimeZone = 'Asia/Tokyo';
SET DateStyle = 'German';
SELECT rollups_run('r_hop') AS differences;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';

--
-- partials only: the raw rows are not needed for a close
--
CREATE TABLE rollups_gone (LIKE rollups_ev INCLUDING DEFAULTS);
SELECT globalmart.create_stream('rollups_gone', 'rollups_gone', 'rollups_gone', NULL, 'event_time', 'event_id');
SELECT globalmart.create_rollup('g_' || name, replace(query, 'rollups_ev', 'public.rollups_gone'))
FROM definitions WHERE name IN ('r_sums', 'r_hop', 'r_levels', 'r_top') ORDER BY ordinal;
INSERT INTO rollups_gone SELECT * FROM rollups_rows(0, 899);
DELETE FROM rollups_gone;
CALL globalmart.close_windows();
SELECT 'r_sums' AS rollup, count(*) FROM (SELECT window_start, country, amount, price, total FROM globalmart.r_sums
                         EXCEPT ALL SELECT window_start, country, amount, price, total FROM globalmart.g_r_sums) AS d
UNION ALL
SELECT 'r_hop', count(*) FROM (SELECT window_start, window_end, country, n, users, most, last_user FROM globalmart.r_hop
                         EXCEPT ALL SELECT window_start, window_end, country, n, users, most, last_user FROM globalmart.g_r_hop) AS d
UNION ALL
SELECT 'r_levels', count(*) FROM (SELECT window_start, country, events, users, busiest, pct FROM globalmart.r_levels
                         EXCEPT ALL SELECT window_start, country, events, users, busiest, pct FROM globalmart.g_r_levels) AS d
UNION ALL
SELECT 'r_top', count(*) FROM (SELECT window_start, product, n, place, share FROM globalmart.r_top
                         EXCEPT ALL SELECT window_start, product, n, place, share FROM globalmart.g_r_top) AS d
ORDER BY 1;
SELECT count(*) AS closed_without_raw_rows FROM globalmart.g_r_sums;
SELECT count(DISTINCT difference), bool_and(difference = 'only in the rollup') FROM globalmart.verify('g_r_sums');

-- OVER in one query for all sessions gives what one session after another gives
SELECT count(*) > 50 AS enough, count(*) FILTER (WHERE t IS DISTINCT FROM o) AS differences
FROM (SELECT window_start, window_end, user_id, n, with_it FROM globalmart.r_top_session) AS t
  FULL JOIN (SELECT window_start, window_end, user_id, n, with_it FROM globalmart.r_over_session WHERE place = 1) AS o
  ON t.window_end = o.window_end;
