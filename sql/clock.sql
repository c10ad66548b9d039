-- The clock that tests own: globalmart.now, in every form that it takes, here and in parallel workers.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS globalmart CASCADE;
CREATE EXTENSION globalmart;
RESET client_min_messages;
SET DateStyle = 'ISO';
SET TimeZone = 'Asia/Kathmandu';
\set VERBOSITY terse

SELECT globalmart.clock() BETWEEN statement_timestamp() AND clock_timestamp() AS real_clock;

-- Without a zone it is UTC, whatever the session's.
SET globalmart.now = '2026-11-23 00:00:00';
SELECT globalmart.clock() AT TIME ZONE 'UTC' AS utc;
SET globalmart.now = '2026-11-23 00:00:00.123456Z';
SELECT globalmart.clock() AT TIME ZONE 'UTC' AS utc;
SET globalmart.now = '2026-11-23T02:00:00+02';
SELECT globalmart.clock() AT TIME ZONE 'UTC' AS utc;

-- What is not a time is refused and changes nothing.
SET globalmart.now = 'soon';
SET globalmart.now = 'infinity';
SELECT globalmart.clock() AT TIME ZONE 'UTC' AS utc;

-- A parallel worker takes the setting over before it knows any abbreviation of a time zone.
SET force_parallel_mode = on;
SET globalmart.now = '2026-11-23 00:00:00Z';
SELECT count(*) > 0 AS some, min(globalmart.clock()) AT TIME ZONE 'UTC' AS utc FROM pg_class;
SET globalmart.now = '2026-11-23T00:00:00+00';
SELECT count(*) > 0 AS some, min(globalmart.clock()) AT TIME ZONE 'UTC' AS utc FROM pg_class;
RESET globalmart.now;
SELECT count(*) > 0 AS some, min(globalmart.clock()) BETWEEN statement_timestamp() AND clock_timestamp() AS real_clock FROM pg_class;
