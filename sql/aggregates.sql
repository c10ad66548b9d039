-- The aggregates of our own: approximate distinct counts, storable sketches, first and last by event time.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS globalmart;
RESET client_min_messages;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SET IntervalStyle = 'postgres';
\set VERBOSITY terse

--
-- approx_count_distinct: exact while small, like count(DISTINCT), for each type
--
SELECT globalmart.approx_count_distinct(n) FROM generate_series(1, 0) AS n;
SELECT globalmart.approx_count_distinct(NULL::int) FROM generate_series(1, 10);
SELECT globalmart.approx_count_distinct(n % 7) FROM generate_series(1, 100) AS n;
SELECT globalmart.approx_count_distinct(n), globalmart.approx_count_distinct(NULLIF(n % 3, 1))
FROM generate_series(1, 2048) AS n;

CREATE TYPE pg_temp.mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN pg_temp.price AS numeric(10, 2);
CREATE TEMP TABLE typed (type_name text, approximate bigint, exact bigint);
DO $$
DECLARE
  one record;
BEGIN
  FOR one IN SELECT * FROM (VALUES
    ('boolean',          '{t,f,t,NULL}'),
    ('smallint',         '{-32768,32767,0,-1,-1,NULL}'),
    ('integer',          '{-2147483648,2147483647,0,-1,-1}'),
    ('bigint',           '{-9223372036854775808,9223372036854775807,0,-1,-1}'),
    ('oid',              '{0,1,4294967295,2147483648,1}'),
    ('real',             '{0,-0,1.5,1.5,NaN,NaN,Infinity,-Infinity}'),
    ('double precision', '{0,-0,1.5,1.5,NaN,NaN,Infinity,-Infinity,1e-300}'),
    ('numeric',          '{0,0.000,-0,1,1.0,1.000000,10000,1e4,10000.0000,0.0001,0.00010,1e100,-1,-1.0,
                           12345678901234567890.12345,12345678901234567890.1234500,NaN,NaN,Infinity,-Infinity,
                           1e-500,1e-500,1e5000,1e5000}'),
    ('numeric(18,2)',    '{1,1.00,1.001,2,NULL}'),
    ('pg_temp.price',    '{1,1.00,1.001,2,NULL}'),
    ('text',             '{"",a,A,a,"a ",NULL}'),
    ('varchar',          '{"",a,A,a,"a ",NULL}'),
    ('char(5)',          '{"",a,A,"a ",NULL}'),
    ('name',             '{"",a,A,"a ",NULL}'),
    ('bytea',            '{"\\x","\\x00","\\x0000","\\x00",NULL}'),
    ('uuid',             '{00000000-0000-0000-0000-000000000000,00000000-0000-0000-0000-000000000001,
                           00000000-0000-0000-0000-000000000001,ffffffff-ffff-ffff-ffff-ffffffffffff}'),
    ('date',             '{-infinity,infinity,2010-12-01,2010-12-01,"4713-01-01 BC",5874897-12-31}'),
    ('time',             '{00:00,24:00,12:00,12:00}'),
    ('timestamp',        '{-infinity,infinity,2010-12-01,"4713-01-01 BC",294276-12-31}'),
    ('timestamptz',      '{-infinity,infinity,"2010-12-01 00:00+00","2010-12-01 01:00+01",294276-12-31}'),
    ('pg_temp.mood',     '{sad,ok,sad,happy,NULL}')
  ) AS v (type_name, list) LOOP
    EXECUTE format('INSERT INTO typed SELECT %1$L, globalmart.approx_count_distinct(x), count(DISTINCT x)
                    FROM unnest(%2$L::%1$s[]) AS x', one.type_name, one.list);
  END LOOP;
END
$$;
SELECT type_name, approximate, exact, approximate = exact AS equal FROM typed;

-- Refused: types without a canonical image.
SELECT globalmart.approx_count_distinct('{1}'::int[]);
SELECT globalmart.approx_count_distinct('{}'::json);
SELECT globalmart.approx_count_distinct('1 day'::interval);
\set VERBOSITY default
SELECT globalmart.approx_count_distinct(ROW(1));
\set VERBOSITY terse
\echo :LAST_ERROR_SQLSTATE
DO $$
BEGIN
  IF getdatabaseencoding() <> 'UTF8' THEN
    RETURN;  -- ICU knows no other
  END IF;
  CREATE COLLATION pg_temp.any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
  BEGIN
    PERFORM globalmart.approx_count_distinct(x COLLATE pg_temp.any_case) FROM (VALUES ('a'), ('A')) AS v (x);
    RAISE EXCEPTION 'a nondeterministic collation was taken';
  EXCEPTION WHEN feature_not_supported THEN
    NULL;
  END;
END
$$;
\set VERBOSITY default
SELECT '\xd5020000'::globalmart.distinct_sketch;
SELECT 'd5010000'::globalmart.distinct_sketch;
\set VERBOSITY terse
-- A part of an aggregate is no function for anybody.
-- Minor releases of PostgreSQL say it in different words.
DO $$
DECLARE
  call text;
BEGIN
  FOREACH call IN ARRAY ARRAY['distinct_estimate(NULL)', 'distinct_deserialize(''\x00'', NULL)'] LOOP
    BEGIN
      EXECUTE 'SELECT globalmart.' || call;
      RAISE NOTICE '% was called', call;
    EXCEPTION WHEN undefined_function OR feature_not_supported THEN
      RAISE NOTICE '% was refused', call;
    END;
  END LOOP;
END
$$;

-- Above the limit: less than 2 % off, whatever the type.
CREATE TABLE facts AS
SELECT n,
       'user-' || n % 30000                          AS user_id,
       (n % 5000)::numeric / 100                     AS amount,
       md5((n % 12000)::text)::uuid                  AS session_id,
       n % 100                                       AS grp,
       timestamptz '2024-01-01' + (n * 7919 % 100000) * interval '1 second' AS event_time,
       md5(n::text)::uuid                            AS event_id
FROM generate_series(1, 100000) AS n;
ANALYZE facts;
SELECT abs(globalmart.approx_count_distinct(n) / 100000.0 - 1) < 0.02       AS n,
       abs(globalmart.approx_count_distinct(user_id) / 30000.0 - 1) < 0.02  AS user_id,
       abs(globalmart.approx_count_distinct(amount) / 5000.0 - 1) < 0.02    AS amount,
       abs(globalmart.approx_count_distinct(session_id) / 12000.0 - 1) < 0.02 AS session_id,
       globalmart.approx_count_distinct(grp)                                AS grp
FROM facts;

-- The same bits whatever the order.
SELECT count(DISTINCT sketch::text)
FROM (SELECT globalmart.build_sketch(user_id ORDER BY n) AS sketch FROM facts
      UNION ALL SELECT globalmart.build_sketch(user_id ORDER BY n DESC) FROM facts
      UNION ALL SELECT globalmart.build_sketch(user_id ORDER BY event_id) FROM facts
      UNION ALL SELECT globalmart.build_sketch(DISTINCT user_id) FROM facts
      UNION ALL SELECT globalmart.merge_sketches(s)
                FROM (SELECT globalmart.build_sketch(user_id) AS s FROM facts GROUP BY n % 37) AS g
      UNION ALL SELECT globalmart.merge_sketches(s)
                FROM (SELECT globalmart.build_sketch(user_id) AS s FROM facts GROUP BY n % 3) AS g) AS all_ways;

--
-- The storable sketch
--
SELECT globalmart.build_sketch(n) AS sketch FROM generate_series(1, 3) AS n;
SELECT globalmart.build_sketch(n) AS empty FROM generate_series(1, 0) AS n;
SELECT globalmart.merge_sketches(NULL) AS empty;
CREATE TABLE sketches (day int PRIMARY KEY, users globalmart.distinct_sketch);
INSERT INTO sketches SELECT n / 10000, globalmart.build_sketch(user_id) FROM facts GROUP BY 1;
INSERT INTO sketches SELECT 100, globalmart.build_sketch(user_id) FROM facts WHERE n <= 5;
INSERT INTO sketches VALUES (101, NULL), (102, '\xd5010000');
SELECT day, abs(globalmart.estimate(users) / 10000.0 - 1) < 0.02 AS close FROM sketches WHERE day BETWEEN 1 AND 9 ORDER BY day;
SELECT day, globalmart.estimate(users) FROM sketches WHERE day >= 100 ORDER BY day;
SELECT globalmart.estimate(globalmart.merge_sketches(users))
       = (SELECT globalmart.approx_count_distinct(user_id) FROM facts) AS same_estimate
FROM sketches;
-- text and back, binary and back
SELECT bool_and(users::text::globalmart.distinct_sketch::text = users::text) FROM sketches;
COPY (SELECT * FROM sketches) TO PROGRAM 'cat > globalmart_sketches.bin' (FORMAT binary);
CREATE TABLE sketches_read (LIKE sketches);
COPY sketches_read FROM PROGRAM 'cat globalmart_sketches.bin; rm globalmart_sketches.bin' (FORMAT binary);
SELECT count(*), bool_and(r.users::text IS NOT DISTINCT FROM s.users::text)
FROM sketches AS s JOIN sketches_read AS r USING (day);
SELECT encode(globalmart.distinct_sketch_send('\xd50100010100000000000000'), 'hex');

-- What comes from outside is checked as a whole.
SELECT globalmart.estimate('\xd50100010100000000000000');
SELECT '\xD501000101000000000000000'::globalmart.distinct_sketch;
SELECT 'd5010000'::globalmart.distinct_sketch;
SELECT '\xd501000g'::globalmart.distinct_sketch;
SELECT ''::globalmart.distinct_sketch;
SELECT '\x'::globalmart.distinct_sketch;
SELECT '\xd5020000'::globalmart.distinct_sketch;
SELECT '\xd50100010000000000000000'::globalmart.distinct_sketch;
SELECT '\xd501000102000000000000'::globalmart.distinct_sketch;
SELECT '\xd501000202000000000000000100000000000000'::globalmart.distinct_sketch;
SELECT '\xd501010005'::globalmart.distinct_sketch;
SELECT ('\xd50102' || repeat('00', 16384))::globalmart.distinct_sketch;
SELECT ('\xd50102' || repeat('00', 100000))::globalmart.distinct_sketch;
\echo :LAST_ERROR_SQLSTATE
COPY (SELECT 1, '\xd50100ff'::bytea) TO PROGRAM 'cat > globalmart_sketches.bin' (FORMAT binary);
COPY sketches_read FROM PROGRAM 'cat globalmart_sketches.bin; rm globalmart_sketches.bin' (FORMAT binary);
\echo :LAST_ERROR_SQLSTATE
-- Every cut and many flips of a stored sketch: a sketch that writes the same bytes, or an error.
DO $$
DECLARE
  whole bytea := (SELECT globalmart.distinct_sketch_send(globalmart.build_sketch(n)) FROM generate_series(1, 2100) AS n);
  bad bytea;
  taken int := 0;
BEGIN
  PERFORM setseed(0.5);
  FOR i IN 1 .. 1500 LOOP
    IF i % 2 = 0 THEN
      bad := substr(whole, 1, (random() * length(whole))::int);
    ELSE
      bad := set_bit(whole, (random() * (length(whole) * 8 - 1))::int, 1);
    END IF;
    BEGIN
      IF bad <> globalmart.distinct_sketch_send(('\x' || encode(bad, 'hex'))::globalmart.distinct_sketch) THEN
        RAISE EXCEPTION 'a sketch was read as another';
      END IF;
      taken := taken + 1;
    EXCEPTION WHEN invalid_text_representation THEN
      NULL;
    END;
  END LOOP;
  RAISE NOTICE 'some taken: %, some refused: %', taken > 100, taken < 1400;
END
$$;

--
-- first_by, last_by
--
SELECT globalmart.first_by(n, now()), globalmart.last_by(n, now()) FROM generate_series(1, 0) AS n;
SELECT globalmart.first_by(v, t) AS first, globalmart.last_by(v, t) AS last
FROM (VALUES ('b', timestamptz '2024-01-02'), ('a', '2024-01-03'), ('c', '2024-01-01'),
             (NULL, '2023-01-01'), (NULL, '2025-01-01'), ('never', NULL)) AS v (v, t);
SELECT globalmart.first_by(v, t) AS first, globalmart.last_by(v, t) AS last
FROM (VALUES (1, timestamptz '2024-01-02'), (2, '-infinity'), (3, 'infinity'), (4, '294276-12-31 23:59:59.999999'),
             (5, '4713-01-01 BC')) AS v (v, t);
SELECT globalmart.first_by(v, t) AS first, globalmart.last_by(v, t) AS last
FROM (VALUES (1, timestamptz '2024-01-02'), (4, '294276-12-31 23:59:59.999999'), (5, '4713-01-01 BC')) AS v (v, t);
-- The event id breaks ties; a missing one is the least.
SELECT globalmart.first_by(v, t, id) AS first, globalmart.last_by(v, t, id) AS last,
       globalmart.first_by(v, t, id) FILTER (WHERE id IS NOT NULL) AS first_with_id
FROM (VALUES ('high', timestamptz '2024-01-01', 'f0000000-0000-0000-0000-000000000000'::uuid),
             ('low',  '2024-01-01', '00000000-0000-0000-0000-00000000000f'),
             ('none', '2024-01-01', NULL)) AS v (v, t, id);
-- The value itself breaks the ties that are left.
SELECT globalmart.first_by(i, t) AS first_int, globalmart.last_by(i, t) AS last_int,
       globalmart.first_by(s, t) AS first_text, globalmart.last_by(s, t) AS last_text,
       globalmart.first_by(f, t) AS first_float, globalmart.last_by(f, t) AS last_float,
       globalmart.first_by(b, t) AS first_bool, globalmart.last_by(b, t) AS last_bool,
       globalmart.first_by(a, t) IS NOT NULL AS some_array
FROM (VALUES (3, 'abc', 1.5::float8, true, '{1,2}'::int[]), (-3, 'ab', 2.5, false, '{}'), (2, 'b', 0.5, true, '{3}')) AS v (i, s, f, b, a),
     (VALUES (timestamptz '2024-01-01')) AS u (t);
-- By its stored image, which for numeric is not its order: the same one whatever comes first.
SELECT DISTINCT globalmart.first_by(n, t ORDER BY p) AS first_numeric, globalmart.last_by(n, t ORDER BY p) AS last_numeric
FROM (VALUES (9.0, '{1,2,3,4}'::int[]), (10, '{2,4,1,3}'), (-1, '{3,1,4,2}'), (100, '{4,3,2,1}')) AS v (n, places),
     unnest(places) WITH ORDINALITY AS o (p, way), (VALUES (timestamptz '2024-01-01')) AS u (t)
GROUP BY way;
SELECT aggregate, obj_description(aggregate, 'pg_proc') LIKE '%whose stored image is%' AS says_so
FROM unnest(ARRAY['globalmart.first_by(anyelement, timestamptz)'::regprocedure, 'globalmart.last_by(anyelement, timestamptz)']) AS aggregate;

-- Each type comes back as it was.
SELECT globalmart.last_by(v, now()) FROM (VALUES (true)) AS v (v);
SELECT globalmart.last_by(v, now()) FROM (VALUES (-5::smallint)) AS v (v);
SELECT globalmart.last_by(v, now()) FROM (VALUES (9223372036854775807)) AS v (v);
SELECT globalmart.last_by(v, now()) FROM (VALUES ('-1.5'::real)) AS v (v);
SELECT globalmart.last_by(v, now()) FROM (VALUES ('NaN'::float8)) AS v (v);
SELECT globalmart.last_by(v, now()) FROM (VALUES (123456789.1200)) AS v (v);
SELECT globalmart.last_by(v, now()) FROM (VALUES ('x'::"char")) AS v (v);
SELECT globalmart.last_by(v, now()) FROM (VALUES ('ab'::char(5))) AS v (v);
SELECT globalmart.last_by(v, now()) FROM (VALUES ('a_name'::name)) AS v (v);
SELECT globalmart.last_by(v, now()) FROM (VALUES (''::text)) AS v (v);
SELECT globalmart.last_by(v, now()) FROM (VALUES ('\x00ff'::bytea)) AS v (v);
SELECT globalmart.last_by(v, now()) FROM (VALUES ('6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid)) AS v (v);
SELECT globalmart.last_by(v, now()) FROM (VALUES ('1 mon 2 days 03:00'::interval)) AS v (v);
SELECT globalmart.last_by(v, now()) FROM (VALUES ('happy'::pg_temp.mood)) AS v (v);
SELECT globalmart.last_by(v, now()) FROM (VALUES ('{"a": [1, 2]}'::jsonb)) AS v (v);
SELECT globalmart.last_by(v, now()) FROM (VALUES ('{a,b,NULL}'::text[])) AS v (v);
SELECT globalmart.last_by(v, now()) FROM (VALUES (ROW(1, 'one'))) AS v (v);
SELECT globalmart.last_by(v, now()) FROM (VALUES ('infinity'::timestamptz)) AS v (v);
SELECT pg_typeof(globalmart.first_by(v, now())) FROM (VALUES (1.5::pg_temp.price)) AS v (v);

-- As a window function the state lives on between results.
SELECT n, globalmart.last_by(n * 10, t) OVER w AS last, globalmart.first_by('v' || n, t) OVER w AS first,
       globalmart.approx_count_distinct(n % 2) OVER w AS parities
FROM (SELECT n, timestamptz '2024-01-01' + n * interval '1 h' AS t FROM generate_series(1, 4) AS n) AS v
WINDOW w AS (ORDER BY n);

-- Toasted and compressed values.
CREATE TABLE large (id int, body text, flat text, event_time timestamptz);
ALTER TABLE large ALTER COLUMN body SET STORAGE external;
INSERT INTO large
SELECT n, (SELECT string_agg(md5((n * 1000 + i)::text), '') FROM generate_series(1, 1000) AS i), repeat('x', 50000 + n),
       timestamptz '2024-01-01' + n * interval '1 min'
FROM generate_series(1, 20) AS n;
SELECT globalmart.approx_count_distinct(body), globalmart.approx_count_distinct(flat),
       globalmart.approx_count_distinct(substr(flat, 1, 50000)),
       length(globalmart.first_by(flat, event_time)), length(globalmart.last_by(flat, event_time)),
       globalmart.first_by(body, event_time) = (SELECT body FROM large WHERE id = 1) AS first,
       globalmart.last_by(body, event_time) = (SELECT body FROM large WHERE id = 20) AS last
FROM large;

--
-- Parallel plans give the same rows
--
CREATE TEMP TABLE serial_results AS
SELECT grp,
       globalmart.approx_count_distinct(user_id)            AS users,
       globalmart.approx_count_distinct(n)                  AS numbers,
       globalmart.first_by(user_id, event_time, event_id)   AS first_user,
       globalmart.last_by(amount, event_time, event_id)     AS last_amount,
       globalmart.first_by(n, date_trunc('hour', event_time)) AS first_n,
       globalmart.last_by(user_id, date_trunc('hour', event_time)) AS last_user,
       globalmart.build_sketch(session_id)::text         AS sessions
FROM facts GROUP BY GROUPING SETS ((grp), ());
SELECT count(*), count(*) FILTER (WHERE grp IS NULL) FROM serial_results;
SELECT bool_and(s.first_user = o.user_id) FROM serial_results AS s,
  LATERAL (SELECT user_id FROM facts AS f WHERE f.grp = s.grp ORDER BY event_time, event_id LIMIT 1) AS o;
SELECT bool_and(s.last_amount = o.amount) FROM serial_results AS s,
  LATERAL (SELECT amount FROM facts AS f WHERE f.grp = s.grp ORDER BY event_time DESC, event_id DESC LIMIT 1) AS o;
SELECT bool_and(s.first_n = o.n) FROM serial_results AS s,
  LATERAL (SELECT n FROM facts AS f WHERE f.grp = s.grp ORDER BY date_trunc('hour', event_time), n LIMIT 1) AS o;

SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
ALTER TABLE facts SET (parallel_workers = 2);
EXPLAIN (COSTS OFF)
SELECT globalmart.approx_count_distinct(user_id), globalmart.first_by(user_id, event_time), globalmart.last_by(n, event_time, event_id),
       globalmart.build_sketch(n)
FROM facts;
CREATE TEMP TABLE parallel_results AS
SELECT grp,
       globalmart.approx_count_distinct(user_id)            AS users,
       globalmart.approx_count_distinct(n)                  AS numbers,
       globalmart.first_by(user_id, event_time, event_id)   AS first_user,
       globalmart.last_by(amount, event_time, event_id)     AS last_amount,
       globalmart.first_by(n, date_trunc('hour', event_time)) AS first_n,
       globalmart.last_by(user_id, date_trunc('hour', event_time)) AS last_user,
       globalmart.build_sketch(session_id)::text         AS sessions
FROM facts GROUP BY grp
UNION ALL
SELECT NULL,
       globalmart.approx_count_distinct(user_id),
       globalmart.approx_count_distinct(n),
       globalmart.first_by(user_id, event_time, event_id),
       globalmart.last_by(amount, event_time, event_id),
       globalmart.first_by(n, date_trunc('hour', event_time)),
       globalmart.last_by(user_id, date_trunc('hour', event_time)),
       globalmart.build_sketch(session_id)::text
FROM facts;
(TABLE serial_results EXCEPT ALL TABLE parallel_results)
UNION ALL
(TABLE parallel_results EXCEPT ALL TABLE serial_results);
-- Workers without a row, and values that are large.
SELECT globalmart.approx_count_distinct(user_id), globalmart.first_by(user_id, event_time), globalmart.last_by(user_id, event_time, event_id),
       globalmart.estimate(globalmart.build_sketch(user_id))
FROM facts WHERE n = 50000;
SELECT globalmart.approx_count_distinct(user_id), globalmart.first_by(user_id, event_time), globalmart.last_by(user_id, event_time, event_id)
FROM facts WHERE n < 0;
ALTER TABLE large SET (parallel_workers = 2);
SELECT globalmart.first_by(body, event_time) = (SELECT body FROM large WHERE id = 1) AS first,
       globalmart.approx_count_distinct(body)
FROM large;
SELECT globalmart.estimate(globalmart.merge_sketches(users))
       = (SELECT globalmart.approx_count_distinct(user_id) FROM facts) AS same_estimate
FROM sketches;
-- Everything in a worker.
SET force_parallel_mode = on;
SELECT globalmart.approx_count_distinct(n % 5000) BETWEEN 4900 AND 5100 AS close, globalmart.first_by(n, now()), globalmart.last_by(n::text, now())
FROM generate_series(1, 20000) AS n;
SELECT globalmart.estimate('\xd50100010100000000000000'), '\xd5010000'::globalmart.distinct_sketch;
SELECT globalmart.estimate('\xd50100'::text::globalmart.distinct_sketch);
RESET force_parallel_mode;
SET max_parallel_workers_per_gather = 0;

-- Groups that do not fit into memory are spilled and come out the same.
SET work_mem = '64kB';
SET enable_sort = off;
CREATE TEMP TABLE hashed AS
SELECT user_id, globalmart.approx_count_distinct(amount) AS amounts, globalmart.last_by(n::text, event_time) AS last_n FROM facts GROUP BY user_id;
RESET enable_sort;
SET enable_hashagg = off;
CREATE TEMP TABLE sorted AS
SELECT user_id, globalmart.approx_count_distinct(amount) AS amounts, globalmart.last_by(n::text, event_time) AS last_n FROM facts GROUP BY user_id;
RESET enable_hashagg;
RESET work_mem;
SELECT count(*), sum(amounts) FROM hashed;
(TABLE hashed EXCEPT ALL TABLE sorted) UNION ALL (TABLE sorted EXCEPT ALL TABLE hashed);

--
-- A million calls in one group, and a great many groups, leave no memory behind: a leak of
-- 16 bytes a call would make 16 MB. (The sub-select is evaluated after the last call.)
--
SELECT globalmart.approx_count_distinct(n % 1000)                          AS thousand,
       globalmart.first_by((n % 1000)::text, t)                            AS first,
       length(globalmart.last_by(repeat('x', n % 100), u))                 AS last,
       globalmart.last_by((n % 77)::numeric, u)                            AS last_numeric,
       (SELECT sum(used_bytes) < 12 * 1024 * 1024 FROM pg_backend_memory_contexts) AS flat
FROM (SELECT n, timestamptz '2024-01-01' + (n % 1000) * interval '1 s' AS t,
             timestamptz '2024-01-01' + n * interval '1 ms' AS u
      FROM (SELECT generate_series(1, 1000000) AS n) AS s OFFSET 0) AS v;
SELECT sum(users), bool_and(flat) FROM (
  SELECT globalmart.approx_count_distinct(n % 5) AS users, globalmart.last_by(n, now()) AS last, g,
         (SELECT sum(used_bytes) < 12 * 1024 * 1024 FROM pg_backend_memory_contexts WHERE g >= 0) AS flat
  FROM (SELECT n, n / 10 AS g FROM (SELECT generate_series(0, 199999) AS n) AS s OFFSET 0) AS v
  GROUP BY g HAVING g % 5000 = 0) AS groups;
SELECT sum(globalmart.estimate(users)), (SELECT sum(used_bytes) < 12 * 1024 * 1024 FROM pg_backend_memory_contexts) AS flat
FROM (SELECT generate_series(1, 1000000)) AS n, (SELECT users FROM sketches WHERE day = 100 OFFSET 0) AS s;
SELECT globalmart.estimate(globalmart.merge_sketches(users)), (SELECT sum(used_bytes) < 12 * 1024 * 1024 FROM pg_backend_memory_contexts) AS flat
FROM (SELECT generate_series(1, 1000000)) AS n, (SELECT users FROM sketches WHERE day = 100 OFFSET 0) AS s;

-- Labels and comments.
SELECT p.oid::regprocedure AS unlabelled
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = 'globalmart'
  AND p.proname ~ '^(approx_count|distinct_|(build|merge)_sketch|estimate$|first_by|last_by|extreme_)'
  AND (p.proparallel <> 's' OR p.provolatile <> 'i' OR obj_description(p.oid, 'pg_proc') IS NULL);

DROP TABLE facts, sketches, sketches_read, large;
