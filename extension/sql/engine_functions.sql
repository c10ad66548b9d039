-- What the C++ side gives to SQL: the compiler, which says what a query means; windows and merged groups;
-- the statement trigger that folds.

CREATE TYPE globalmart.rollup_description AS (
  relations            oid[],
  window_kind          text,
  width                bigint,
  slide                bigint,
  window_offset        bigint,
  slice_width          bigint,
  sharable             boolean,
  source               text,
  key_signatures       text[],
  aggregate_signatures text[],
  column_names         text[],
  column_types         text[],
  column_expressions   text[],
  key_columns          text[],
  keys_not_null        boolean,
  clock_columns        text[],
  per_window           boolean,
  close_query          text,
  live_query           text,
  window_query         text,
  batch_query          text,
  batch_window_query   text
);
COMMENT ON TYPE globalmart.rollup_description IS 'What the compiler reads off a rollup''s query';

CREATE FUNCTION globalmart.describe_rollup(query text, version_id int DEFAULT 0, rollup text DEFAULT '')
RETURNS globalmart.rollup_description
LANGUAGE C STABLE STRICT SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'globalmart_describe_rollup';
COMMENT ON FUNCTION globalmart.describe_rollup(text, int, text) IS
  'Compiles a rollup''s query without creating anything; refuses with 0A000 what the engine cannot maintain. version_id: of a query that is kept; 0: of a new one, which must be comparable with a batch run, too';

CREATE TYPE globalmart.detector_description AS (
  relation           oid,
  column_names       text[],
  column_types       text[],
  column_expressions text[],
  not_null_columns   text[],
  over_matches       text
);
COMMENT ON TYPE globalmart.detector_description IS 'What the compiler reads off a detector''s query';

CREATE FUNCTION globalmart.describe_detector(query text) RETURNS globalmart.detector_description
LANGUAGE C STABLE STRICT SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'globalmart_describe_detector';
COMMENT ON FUNCTION globalmart.describe_detector(text) IS
  'Compiles a detector''s query without creating anything';

CREATE FUNCTION globalmart.bind_parameters(query text, VARIADIC expressions text[]) RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_bind_parameters';
COMMENT ON FUNCTION globalmart.bind_parameters(text, text[]) IS
  'Writes expressions in the place of the parameters $1, $2, ... of SQL; text in literals and names stays';

CREATE FUNCTION globalmart.read_groups(version_id int, ended_after timestamptz, ended_until timestamptz)
RETURNS SETOF record
LANGUAGE C STABLE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'globalmart_read_groups';
COMMENT ON FUNCTION globalmart.read_groups(int, timestamptz, timestamptz) IS
  'Groups of a rollup''s windows with ended_after < window_end <= ended_until, merged from partials; with NULLs, of its open windows. The queries that create_rollup writes stand on it';

CREATE FUNCTION globalmart.closable_until(watermark timestamptz, window_kind text, width bigint, slide bigint, window_offset bigint)
RETURNS timestamptz LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_closable_until';
COMMENT ON FUNCTION globalmart.closable_until(timestamptz, text, bigint, bigint, bigint) IS
  'The greatest window end that a watermark has passed; sizes in microseconds';

CREATE FUNCTION globalmart.next_boundary(ts timestamptz, window_kind text, width bigint, slide bigint, window_offset bigint)
RETURNS timestamptz LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_next_boundary';
COMMENT ON FUNCTION globalmart.next_boundary(timestamptz, text, bigint, bigint, bigint) IS
  'The first window start after a time; sizes in microseconds';

CREATE FUNCTION globalmart.exclude_folds(domain text, patience_ms int)
RETURNS void LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'globalmart_exclude_folds';
COMMENT ON FUNCTION globalmart.exclude_folds(text, int) IS
  'Keeps folds of a domain out until the end of the transaction, for a change of definitions; 55P03 when writers do not end in time';

CREATE FUNCTION globalmart.fold_lock_number(domain text)
RETURNS oid LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_fold_lock_number';
COMMENT ON FUNCTION globalmart.fold_lock_number(text) IS
  'The objid in pg_locks of the lock that folds of a domain hold';

CREATE FUNCTION globalmart.fold_rows() RETURNS trigger
LANGUAGE C SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'globalmart_fold_rows';
COMMENT ON FUNCTION globalmart.fold_rows() IS
  'Statement trigger of stream tables: folds the new rows into the partials of every rollup and runs the detectors';

CREATE FUNCTION globalmart.wait_for_writers(relations regclass[]) RETURNS void
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'globalmart_wait_for_writers';
COMMENT ON FUNCTION globalmart.wait_for_writers(regclass[]) IS
  'Waits for the transactions that were writing to these tables or their partitions when it was called. Writers do not wait for it';
