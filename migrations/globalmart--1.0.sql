\echo Use "CREATE EXTENSION globalmart" to load this file. \quit
SET LOCAL search_path = pg_catalog, pg_temp;
-- roles_schema.sql
-- The schemas and the five roles. Roles belong to the whole cluster, so they may be there already
-- and DROP EXTENSION leaves them.
CREATE SCHEMA globalmart;
CREATE SCHEMA warehouse;
COMMENT ON SCHEMA warehouse IS 'GlobalMart: the star schema that the night fills';
COMMENT ON SCHEMA globalmart IS 'GlobalMart: streams, rollups and the engine that keeps them';

DO $$
DECLARE
  role_name text;
BEGIN
  FOREACH role_name IN ARRAY ARRAY['globalmart_owner', 'globalmart_writer', 'globalmart_reader', 'globalmart_operator',
                                  'globalmart_analyst'] LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
      EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', role_name);
    END IF;
  END LOOP;
END
$$;
REVOKE ALL ON SCHEMA globalmart FROM PUBLIC;
GRANT USAGE ON SCHEMA globalmart TO globalmart_writer, globalmart_reader, globalmart_operator, globalmart_analyst;
GRANT USAGE ON SCHEMA warehouse TO globalmart_reader, globalmart_analyst;
GRANT USAGE, CREATE ON SCHEMA globalmart, warehouse TO globalmart_owner;

-- What the owner makes later.
ALTER DEFAULT PRIVILEGES FOR ROLE globalmart_owner REVOKE ALL ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE globalmart_owner REVOKE ALL ON TYPES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE globalmart_owner IN SCHEMA globalmart GRANT SELECT ON TABLES TO globalmart_reader;

-- The night and rebuild_rollup() put rows into temporary tables, also where PUBLIC may make none.
DO $$
BEGIN
  EXECUTE pg_catalog.format('GRANT TEMPORARY ON DATABASE %I TO globalmart_owner', pg_catalog.current_database());
END
$$;
-- settings.sql
-- The clock. Everything that needs "now" asks here, so that a test can own the time.
CREATE FUNCTION globalmart.clock() RETURNS timestamptz
LANGUAGE C VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_clock';
COMMENT ON FUNCTION globalmart.clock() IS
  'The current time: the setting globalmart.now (superuser only, for tests) when it is not empty, else clock_timestamp()';

CREATE FUNCTION globalmart.processing_time() RETURNS timestamptz
LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'globalmart_processing_time';
COMMENT ON FUNCTION globalmart.processing_time() IS
  'In a rollup: the clock of the close that appends the row, one value for all its rows; in a detector: that of the statement that brings the event. NULL in open rows and anywhere else';

CREATE SEQUENCE globalmart.sql_row_offset;
COMMENT ON SEQUENCE globalmart.sql_row_offset IS
  'kafka_offset of rows that come by SQL (kafka_partition -1)';
-- window_functions.sql
-- Windows for any query. tumble and hop are plain SQL that the planner inlines (a BEGIN ATOMIC body
-- is parsed here, so it needs no search_path of its own).
CREATE FUNCTION globalmart.window_floor(ts timestamptz, width interval, "offset" interval DEFAULT '0')
RETURNS timestamptz
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_window_floor';
COMMENT ON FUNCTION globalmart.window_floor(timestamptz, interval, interval) IS
  'The start of the window that holds ts: ts - floormod(ts - epoch - offset, width), in microseconds, UTC; NULL for an infinite ts, which no window holds. Months and days are refused';

CREATE FUNCTION globalmart.tumble(ts timestamptz, width interval, "offset" interval DEFAULT '0')
RETURNS TABLE (window_start timestamptz, window_end timestamptz)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
  SELECT s, s + width
  FROM (SELECT globalmart.window_floor(ts, width, "offset") AS s) AS w
  WHERE s IS NOT NULL;
END;
COMMENT ON FUNCTION globalmart.tumble(timestamptz, interval, interval) IS
  'The tumbling window [window_start, window_end) that holds ts; windows start at whole multiples of width since 1970-01-01 UTC, plus offset. No row for an infinite ts';

CREATE FUNCTION globalmart.hop(ts timestamptz, width interval, slide interval, "offset" interval DEFAULT '0')
RETURNS TABLE (window_start timestamptz, window_end timestamptz)
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 4 AS 'MODULE_PATHNAME', 'globalmart_hop';
COMMENT ON FUNCTION globalmart.hop(timestamptz, interval, interval, interval) IS
  'The sliding windows of the given width that start every slide and hold ts, oldest first; width must be a multiple of slide. No row for an infinite ts';

CREATE FUNCTION globalmart.session(ts timestamptz, gap interval)
RETURNS TABLE (window_start timestamptz, window_end timestamptz)
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 1 AS 'MODULE_PATHNAME', 'globalmart_session';
COMMENT ON FUNCTION globalmart.session(timestamptz, interval) IS
  'Marks a session rollup: a window is a run of events of one key, no two neighbours further apart than gap; window_end = last event + gap. Only in create_rollup: see batch_query(rollup) for SQL that can be run';
-- aggregates.sql
-- Aggregates of our own for any query: approximate distinct counts, and the first and the last value
-- by event time. All of them give the same result whatever the order of rows and however parallel
-- workers split them. What takes or gives `internal` is a part of an aggregate and cannot be called.

-- The storable sketch of a set -------------------------------------------------------------------

CREATE TYPE globalmart.distinct_sketch;

CREATE FUNCTION globalmart.distinct_sketch_in(cstring) RETURNS globalmart.distinct_sketch
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_sketch_in';
COMMENT ON FUNCTION globalmart.distinct_sketch_in(cstring) IS 'Input of distinct_sketch: \x and hexadecimal digits, checked as a whole';

CREATE FUNCTION globalmart.distinct_sketch_out(globalmart.distinct_sketch) RETURNS cstring
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_sketch_out';
COMMENT ON FUNCTION globalmart.distinct_sketch_out(globalmart.distinct_sketch) IS 'Output of distinct_sketch';

CREATE FUNCTION globalmart.distinct_sketch_recv(internal) RETURNS globalmart.distinct_sketch
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_sketch_recv';
COMMENT ON FUNCTION globalmart.distinct_sketch_recv(internal) IS 'Binary input of distinct_sketch, checked as a whole';

CREATE FUNCTION globalmart.distinct_sketch_send(globalmart.distinct_sketch) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_sketch_send';
COMMENT ON FUNCTION globalmart.distinct_sketch_send(globalmart.distinct_sketch) IS 'Binary output of distinct_sketch';

CREATE TYPE globalmart.distinct_sketch (
  INPUT = globalmart.distinct_sketch_in,
  OUTPUT = globalmart.distinct_sketch_out,
  RECEIVE = globalmart.distinct_sketch_recv,
  SEND = globalmart.distinct_sketch_send,
  INTERNALLENGTH = VARIABLE,
  STORAGE = extended
);
COMMENT ON TYPE globalmart.distinct_sketch IS
  'A set of values, remembered well enough to count it: exact up to 2,048 values, 16 KB and 0.6 % standard error above. Equal sets of one type have equal sketches';

CREATE FUNCTION globalmart.estimate(sketch globalmart.distinct_sketch) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_sketch_estimate';
COMMENT ON FUNCTION globalmart.estimate(globalmart.distinct_sketch) IS
  'How many distinct values the sketch has seen';

-- Aggregates over sketches -----------------------------------------------------------------------

CREATE FUNCTION globalmart.distinct_add(internal, anyelement) RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_distinct_add';
COMMENT ON FUNCTION globalmart.distinct_add(internal, anyelement) IS 'Adds a value to the sketch of a group';

CREATE FUNCTION globalmart.distinct_add_sketch(internal, globalmart.distinct_sketch) RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_distinct_add_sketch';
COMMENT ON FUNCTION globalmart.distinct_add_sketch(internal, globalmart.distinct_sketch) IS 'Merges a stored sketch into the sketch of a group';

CREATE FUNCTION globalmart.distinct_combine(internal, internal) RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_distinct_combine';
COMMENT ON FUNCTION globalmart.distinct_combine(internal, internal) IS 'Merges the sketches of two workers';

CREATE FUNCTION globalmart.distinct_serialize(internal) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_distinct_serialize';
COMMENT ON FUNCTION globalmart.distinct_serialize(internal) IS 'A worker''s sketch on its way to the leader';

CREATE FUNCTION globalmart.distinct_deserialize(bytea, internal) RETURNS internal
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_distinct_deserialize';
COMMENT ON FUNCTION globalmart.distinct_deserialize(bytea, internal) IS 'A worker''s sketch as the leader reads it';

CREATE FUNCTION globalmart.distinct_estimate(internal) RETURNS bigint
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_distinct_estimate';
COMMENT ON FUNCTION globalmart.distinct_estimate(internal) IS 'The count of a group''s sketch';

CREATE FUNCTION globalmart.distinct_store(internal) RETURNS globalmart.distinct_sketch
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_distinct_store';
COMMENT ON FUNCTION globalmart.distinct_store(internal) IS 'The storable form of a group''s sketch';

CREATE AGGREGATE globalmart.approx_count_distinct(value anyelement) (
  SFUNC = globalmart.distinct_add,
  STYPE = internal,
  SSPACE = 256,
  FINALFUNC = globalmart.distinct_estimate,
  COMBINEFUNC = globalmart.distinct_combine,
  SERIALFUNC = globalmart.distinct_serialize,
  DESERIALFUNC = globalmart.distinct_deserialize,
  PARALLEL = SAFE
);
COMMENT ON AGGREGATE globalmart.approx_count_distinct(anyelement) IS
  'How many distinct values there are, NULL not counted: exact up to 2,048, standard error 0.6 % above; 0 for no rows';

CREATE AGGREGATE globalmart.build_sketch(value anyelement) (
  SFUNC = globalmart.distinct_add,
  STYPE = internal,
  SSPACE = 256,
  FINALFUNC = globalmart.distinct_store,
  COMBINEFUNC = globalmart.distinct_combine,
  SERIALFUNC = globalmart.distinct_serialize,
  DESERIALFUNC = globalmart.distinct_deserialize,
  PARALLEL = SAFE
);
COMMENT ON AGGREGATE globalmart.build_sketch(anyelement) IS
  'The sketch of the distinct values, NULL left out, to be stored and merged later; an empty sketch for no rows';

CREATE AGGREGATE globalmart.merge_sketches(sketch globalmart.distinct_sketch) (
  SFUNC = globalmart.distinct_add_sketch,
  STYPE = internal,
  SSPACE = 16384,
  FINALFUNC = globalmart.distinct_store,
  COMBINEFUNC = globalmart.distinct_combine,
  SERIALFUNC = globalmart.distinct_serialize,
  DESERIALFUNC = globalmart.distinct_deserialize,
  PARALLEL = SAFE
);
COMMENT ON AGGREGATE globalmart.merge_sketches(globalmart.distinct_sketch) IS
  'The sketch of the union of sketches of one type of values; NULL is left out, an empty sketch for no rows';

-- First and last by event time -------------------------------------------------------------------

CREATE FUNCTION globalmart.first_by_add(internal, anyelement, timestamptz) RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_first_by_add';
COMMENT ON FUNCTION globalmart.first_by_add(internal, anyelement, timestamptz) IS 'Keeps the value with the least event time';

CREATE FUNCTION globalmart.first_by_add(internal, anyelement, timestamptz, uuid) RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_first_by_add';
COMMENT ON FUNCTION globalmart.first_by_add(internal, anyelement, timestamptz, uuid) IS 'Keeps the value with the least event time and event id';

CREATE FUNCTION globalmart.last_by_add(internal, anyelement, timestamptz) RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_last_by_add';
COMMENT ON FUNCTION globalmart.last_by_add(internal, anyelement, timestamptz) IS 'Keeps the value with the greatest event time';

CREATE FUNCTION globalmart.last_by_add(internal, anyelement, timestamptz, uuid) RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_last_by_add';
COMMENT ON FUNCTION globalmart.last_by_add(internal, anyelement, timestamptz, uuid) IS 'Keeps the value with the greatest event time and event id';

CREATE FUNCTION globalmart.first_by_combine(internal, internal) RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_first_by_combine';
COMMENT ON FUNCTION globalmart.first_by_combine(internal, internal) IS 'The first of what two workers found';

CREATE FUNCTION globalmart.last_by_combine(internal, internal) RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_last_by_combine';
COMMENT ON FUNCTION globalmart.last_by_combine(internal, internal) IS 'The last of what two workers found';

CREATE FUNCTION globalmart.extreme_serialize(internal) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_extreme_serialize';
COMMENT ON FUNCTION globalmart.extreme_serialize(internal) IS 'A worker''s first or last value on its way to the leader';

CREATE FUNCTION globalmart.extreme_deserialize(bytea, internal) RETURNS internal
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_extreme_deserialize';
COMMENT ON FUNCTION globalmart.extreme_deserialize(bytea, internal) IS 'A worker''s first or last value as the leader reads it';

CREATE FUNCTION globalmart.extreme_value(internal, anyelement, timestamptz) RETURNS anyelement
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_extreme_value';
COMMENT ON FUNCTION globalmart.extreme_value(internal, anyelement, timestamptz) IS 'The value that first_by or last_by kept';

CREATE FUNCTION globalmart.extreme_value(internal, anyelement, timestamptz, uuid) RETURNS anyelement
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_extreme_value';
COMMENT ON FUNCTION globalmart.extreme_value(internal, anyelement, timestamptz, uuid) IS 'The value that first_by or last_by kept';

CREATE AGGREGATE globalmart.first_by(value anyelement, event_time timestamptz) (
  SFUNC = globalmart.first_by_add,
  STYPE = internal,
  SSPACE = 128,
  FINALFUNC = globalmart.extreme_value,
  FINALFUNC_EXTRA,
  COMBINEFUNC = globalmart.first_by_combine,
  SERIALFUNC = globalmart.extreme_serialize,
  DESERIALFUNC = globalmart.extreme_deserialize,
  PARALLEL = SAFE
);
COMMENT ON AGGREGATE globalmart.first_by(anyelement, timestamptz) IS
  'The value with the least event time; NULL values and times are skipped, and among equal times the value whose stored image is least counts: of integers, dates and text (byte by byte) the least value, of other types always the same one';

CREATE AGGREGATE globalmart.first_by(value anyelement, event_time timestamptz, event_id uuid) (
  SFUNC = globalmart.first_by_add,
  STYPE = internal,
  SSPACE = 128,
  FINALFUNC = globalmart.extreme_value,
  FINALFUNC_EXTRA,
  COMBINEFUNC = globalmart.first_by_combine,
  SERIALFUNC = globalmart.extreme_serialize,
  DESERIALFUNC = globalmart.extreme_deserialize,
  PARALLEL = SAFE
);
COMMENT ON AGGREGATE globalmart.first_by(anyelement, timestamptz, uuid) IS
  'The value with the least (event time, event id); NULL values and times are skipped, a NULL id is the least';

CREATE AGGREGATE globalmart.last_by(value anyelement, event_time timestamptz) (
  SFUNC = globalmart.last_by_add,
  STYPE = internal,
  SSPACE = 128,
  FINALFUNC = globalmart.extreme_value,
  FINALFUNC_EXTRA,
  COMBINEFUNC = globalmart.last_by_combine,
  SERIALFUNC = globalmart.extreme_serialize,
  DESERIALFUNC = globalmart.extreme_deserialize,
  PARALLEL = SAFE
);
COMMENT ON AGGREGATE globalmart.last_by(anyelement, timestamptz) IS
  'The value with the greatest event time; NULL values and times are skipped, and among equal times the value whose stored image is greatest counts: of integers, dates and text (byte by byte) the greatest value, of other types always the same one';

CREATE AGGREGATE globalmart.last_by(value anyelement, event_time timestamptz, event_id uuid) (
  SFUNC = globalmart.last_by_add,
  STYPE = internal,
  SSPACE = 128,
  FINALFUNC = globalmart.extreme_value,
  FINALFUNC_EXTRA,
  COMBINEFUNC = globalmart.last_by_combine,
  SERIALFUNC = globalmart.extreme_serialize,
  DESERIALFUNC = globalmart.extreme_deserialize,
  PARALLEL = SAFE
);
COMMENT ON AGGREGATE globalmart.last_by(anyelement, timestamptz, uuid) IS
  'The value with the greatest (event time, event id); NULL values and times are skipped, a NULL id is the least';
-- forecast.sql
-- Forecasts of a series.
CREATE FUNCTION globalmart.forecast_holt_winters(
  history double precision[], season int DEFAULT 7, horizon int DEFAULT 7,
  OUT forecast double precision[], OUT mean_error double precision, OUT naive_error double precision)
LANGUAGE C IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'globalmart_forecast_holt_winters';
COMMENT ON FUNCTION globalmart.forecast_holt_winters(double precision[], int, int) IS
  'Forecasts a series by exponential smoothing with additive trend and season (Holt and Winters). mean_error: mean absolute error on the last season, forecast without having seen it; naive_error: that of repeating the season before. NULL for a history of less than three seasons';

CREATE FUNCTION globalmart.dense_series(steps int[], units double precision[], last_step int) RETURNS double precision[]
LANGUAGE C IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'globalmart_dense_series';
COMMENT ON FUNCTION globalmart.dense_series(int[], double precision[], int) IS
  'A series without gaps, of what is known of some steps in any order: from the first of them to last_step, 0 where nothing is known; what is known twice of a step is added';
-- bulk_insert.sql
-- Many rows at once into tables with foreign keys.
CREATE FUNCTION globalmart.insert_checked(target regclass, source regclass) RETURNS bigint
LANGUAGE C VOLATILE STRICT SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'globalmart_insert_checked';
COMMENT ON FUNCTION globalmart.insert_checked(regclass, regclass) IS
  'Inserts the rows of a table into another with the same columns, in the order that they are in; those that conflict with a row that is there are left out. Foreign keys are checked once for all rows, and the tables that they reference are locked against changes until the end of the transaction. Gives how many rows were inserted';
-- run_lock.sql
-- Of several nights at once one does the work.
CREATE FUNCTION globalmart.try_run_lock() RETURNS boolean
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'globalmart_try_run_lock';
COMMENT ON FUNCTION globalmart.try_run_lock() IS
  'Takes the lock of run_etl() for this session, unless another one has it; gives whether this session has it. It outlives a COMMIT, and is given up by release_run_lock(), by an error, a cancel or a ROLLBACK of the session, and by its end';

CREATE FUNCTION globalmart.release_run_lock() RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'globalmart_release_run_lock';
COMMENT ON FUNCTION globalmart.release_run_lock() IS 'Gives up the lock of run_etl(), if this session has it';
-- catalog.sql
-- What the engine knows and keeps: domains, streams, rollups with their versions, shared partial
-- plans, progress of event time. The rows are configuration and go with pg_dump.
-- No foreign keys between these tables: a parallel restore loads them in any order, and those of an
-- extension's tables are there before the rows.

CREATE TABLE globalmart.domains (
  domain             text PRIMARY KEY,
  close_seq          bigint   NOT NULL DEFAULT 0,
  definition_version bigint   NOT NULL DEFAULT 1,
  generation         smallint NOT NULL DEFAULT 0 CHECK (generation IN (0, 1)),
  draining           boolean  NOT NULL DEFAULT false,
  switched_by        xid8,
  retired_by         xid8,
  newest_event       timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE globalmart.domains IS 'A watermark domain: the streams that one topic feeds and that share its event time; one row each, locked by whoever publishes';
COMMENT ON COLUMN globalmart.domains.domain IS 'Name of the domain';
COMMENT ON COLUMN globalmart.domains.close_seq IS 'Counts publications; a fold stamps its partials with the value that it saw';
COMMENT ON COLUMN globalmart.domains.definition_version IS 'Raised by every change of streams, rollups or detectors; backends recompile when it moves';
COMMENT ON COLUMN globalmart.domains.generation IS 'Which of the two partial logs folds append to: partial_log_DOMAIN_0 or _1';
COMMENT ON COLUMN globalmart.domains.draining IS 'True while the other log still holds partials of open windows';
COMMENT ON COLUMN globalmart.domains.switched_by IS 'Transaction that exchanged the logs last: which exchange a drain has waited for';
COMMENT ON COLUMN globalmart.domains.newest_event IS 'Greatest event time of partitions that were forgotten, and of rows that were there before their table was a stream: new definitions begin after it, and the watermark has nothing to do with it';
COMMENT ON COLUMN globalmart.domains.retired_by IS 'Transaction that moved the last open partials out of the other log; it is truncated once no snapshot is older';

CREATE TABLE globalmart.streams (
  stream      text PRIMARY KEY,
  domain      text NOT NULL,
  topic       text,
  relation    regclass NOT NULL,
  time_column name NOT NULL,
  id_column   name NOT NULL,
  line_column name,
  has_offsets boolean NOT NULL
);
COMMENT ON TABLE globalmart.streams IS 'Tables whose new rows are folded into rollups';
COMMENT ON COLUMN globalmart.streams.stream IS 'Name of the stream';
COMMENT ON COLUMN globalmart.streams.domain IS 'Watermark domain that it belongs to';
COMMENT ON COLUMN globalmart.streams.topic IS 'Topic that its rows come from; NULL: none';
COMMENT ON COLUMN globalmart.streams.relation IS 'The table';
COMMENT ON COLUMN globalmart.streams.time_column IS 'Column with the event time';
COMMENT ON COLUMN globalmart.streams.id_column IS 'Column with the event id';
COMMENT ON COLUMN globalmart.streams.line_column IS 'With the id, what tells the rows of one event apart; NULL: an event is one row';
COMMENT ON COLUMN globalmart.streams.has_offsets IS 'Whether the rows carry kafka_partition and kafka_offset; the tables of detectors do not';

CREATE TABLE globalmart.rollup_catalog (
  name             text PRIMARY KEY,
  kind             text NOT NULL CHECK (kind IN ('rollup', 'detector')),
  domain           text NOT NULL,
  query            text NOT NULL,
  lateness         interval NOT NULL DEFAULT '0',
  idle_timeout     interval NOT NULL DEFAULT '1 minute',
  watermark_policy text NOT NULL DEFAULT 'min' CHECK (watermark_policy IN ('min', 'max')),
  state            text NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'paused', 'failed')),
  last_error       text,
  created_at       timestamptz NOT NULL DEFAULT globalmart.clock()
);
COMMENT ON TABLE globalmart.rollup_catalog IS 'Rollups and detectors by name; the definition in force and its settings';
COMMENT ON COLUMN globalmart.rollup_catalog.name IS 'Name of the rollup or detector, and of its table';
COMMENT ON COLUMN globalmart.rollup_catalog.kind IS 'rollup or detector';
COMMENT ON COLUMN globalmart.rollup_catalog.domain IS 'Watermark domain of its source';
COMMENT ON COLUMN globalmart.rollup_catalog.query IS 'The definition in force, as it was written';
COMMENT ON COLUMN globalmart.rollup_catalog.lateness IS 'How much later than its neighbours an event may come';
COMMENT ON COLUMN globalmart.rollup_catalog.idle_timeout IS 'After which a silent partition no longer holds the watermark';
COMMENT ON COLUMN globalmart.rollup_catalog.watermark_policy IS 'min or max over the partitions';
COMMENT ON COLUMN globalmart.rollup_catalog.state IS 'live, paused or failed';
COMMENT ON COLUMN globalmart.rollup_catalog.last_error IS 'Why the last close failed; NULL: it did not';
COMMENT ON COLUMN globalmart.rollup_catalog.created_at IS 'When it was made (UTC)';

-- A plan is a set of partials that several rollups may share: one source, one filter, one list of
-- keys, one slice width. Aggregate states are numbered and only ever added.
CREATE TABLE globalmart.partial_plans (
  plan_id              int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  domain               text NOT NULL,
  source               text NOT NULL,
  window_kind          text NOT NULL CHECK (window_kind IN ('slice', 'session')),
  slice_width          bigint NOT NULL,
  slice_offset         bigint NOT NULL,
  key_signatures       text[] NOT NULL,
  aggregate_signatures text[] NOT NULL,
  base_query           text NOT NULL
);
COMMENT ON TABLE globalmart.partial_plans IS 'What is folded: keys and aggregate states per slice, shared by the rollups that can be merged from them';
COMMENT ON COLUMN globalmart.partial_plans.plan_id IS 'Number of the plan; partials name it';
COMMENT ON COLUMN globalmart.partial_plans.domain IS 'Watermark domain';
COMMENT ON COLUMN globalmart.partial_plans.source IS 'The stream with the conditions, in the compiler''s words; own: ... for a plan that is not shared';
COMMENT ON COLUMN globalmart.partial_plans.window_kind IS 'slice or session';
COMMENT ON COLUMN globalmart.partial_plans.slice_offset IS 'Microseconds from 1970-01-01 UTC at which slices begin';
COMMENT ON COLUMN globalmart.partial_plans.key_signatures IS 'The keys, in the compiler''s words, in their order in partials';
COMMENT ON COLUMN globalmart.partial_plans.aggregate_signatures IS 'The aggregate states, in the compiler''s words; only ever added to';
COMMENT ON COLUMN globalmart.partial_plans.base_query IS 'The query of the first rollup of the plan: types and expressions are read off it';
COMMENT ON COLUMN globalmart.partial_plans.slice_width IS 'Microseconds: the widest pane that tiles all windows; the gap for sessions';

CREATE TABLE globalmart.rollup_versions (
  version_id        int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  rollup            text NOT NULL,
  domain            text NOT NULL,
  query             text NOT NULL,
  plan_id           int,
  key_numbers       int[],
  aggregate_numbers int[],
  window_kind       text CHECK (window_kind IN ('tumble', 'hop', 'session')),
  width             bigint,
  slide             bigint,
  window_offset     bigint,
  live_from         timestamptz NOT NULL DEFAULT '-infinity',
  live_until        timestamptz NOT NULL DEFAULT 'infinity',
  close_query       text,
  window_query      text,
  per_window        boolean NOT NULL DEFAULT false,
  columns           text[],
  key_columns       text[],
  clock_columns     text[]
);
CREATE INDEX ON globalmart.rollup_versions (rollup);
COMMENT ON TABLE globalmart.rollup_versions IS 'A definition in force for a span of event time: alter_rollup ends one at a boundary and begins the next';
COMMENT ON COLUMN globalmart.rollup_versions.version_id IS 'Number of the version';
COMMENT ON COLUMN globalmart.rollup_versions.rollup IS 'Rollup or detector';
COMMENT ON COLUMN globalmart.rollup_versions.domain IS 'Watermark domain';
COMMENT ON COLUMN globalmart.rollup_versions.query IS 'The definition, as it was written';
COMMENT ON COLUMN globalmart.rollup_versions.plan_id IS 'Partials that it is merged from; NULL: a detector';
COMMENT ON COLUMN globalmart.rollup_versions.key_numbers IS 'Where its keys are among the plan''s, from 0';
COMMENT ON COLUMN globalmart.rollup_versions.aggregate_numbers IS 'Where its aggregates are among the plan''s states, from 0';
COMMENT ON COLUMN globalmart.rollup_versions.window_kind IS 'tumble, hop or session; NULL: a detector';
COMMENT ON COLUMN globalmart.rollup_versions.slide IS 'Microseconds from one window to the next; the gap of a session rollup';
COMMENT ON COLUMN globalmart.rollup_versions.window_offset IS 'Microseconds from 1970-01-01 UTC at which windows begin';
COMMENT ON COLUMN globalmart.rollup_versions.live_from IS 'Start of the first window of this version, inclusive';
COMMENT ON COLUMN globalmart.rollup_versions.live_until IS 'Windows that begin from here on are the next version''s';
COMMENT ON COLUMN globalmart.rollup_versions.window_query IS 'The ends of the windows that a close would see; used where per_window';
COMMENT ON COLUMN globalmart.rollup_versions.per_window IS 'Whether the levels above the groups must see one window at a time';
COMMENT ON COLUMN globalmart.rollup_versions.columns IS 'Columns of the output, in order';
COMMENT ON COLUMN globalmart.rollup_versions.key_columns IS 'The output''s key, window_start first';
COMMENT ON COLUMN globalmart.rollup_versions.width IS 'Microseconds; the gap of a session rollup';
COMMENT ON COLUMN globalmart.rollup_versions.close_query IS 'The definition over merged groups instead of raw rows; $1 and $2 bound the window ends';
COMMENT ON COLUMN globalmart.rollup_versions.clock_columns IS 'Columns with processing time, which no comparison looks at';

CREATE TABLE globalmart.rollup_progress (
  version_id       int PRIMARY KEY,
  domain           text NOT NULL,
  closed_until     timestamptz NOT NULL DEFAULT '-infinity',
  merged_until     timestamptz NOT NULL DEFAULT '-infinity',
  published_seq    bigint NOT NULL DEFAULT 0,
  published_by     xid8,
  backfilled_until timestamptz NOT NULL DEFAULT '-infinity',
  published_at     timestamptz,
  merge_seconds    double precision NOT NULL DEFAULT 0,
  costs_from       timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE globalmart.rollup_progress IS 'How far each version is closed: published (closed_until), then appended (merged_until)';
COMMENT ON COLUMN globalmart.rollup_progress.version_id IS 'Version of a rollup';
COMMENT ON COLUMN globalmart.rollup_progress.domain IS 'Watermark domain';
COMMENT ON COLUMN globalmart.rollup_progress.closed_until IS 'Windows that end by then are published: what comes for them now is late';
COMMENT ON COLUMN globalmart.rollup_progress.merged_until IS 'Windows that end by then are in the table';
COMMENT ON COLUMN globalmart.rollup_progress.published_seq IS 'Number of that publication; partials with a smaller stamp count';
COMMENT ON COLUMN globalmart.rollup_progress.backfilled_until IS 'Windows that end by then are filled by backfill_rollup from raw rows, as far as it has come';
COMMENT ON COLUMN globalmart.rollup_progress.published_at IS 'When windows were published last';
COMMENT ON COLUMN globalmart.rollup_progress.merge_seconds IS 'How long the last merge took, seconds';
COMMENT ON COLUMN globalmart.rollup_progress.published_by IS 'Transaction of the last publication: it must be committed before the merge';
COMMENT ON COLUMN globalmart.rollup_progress.costs_from IS 'What windows that end later have cost is on record; NULL: of none';

-- What the stream has spent, by event time: folds while they are in no log any more, and merges. Both are written
-- by upkeep and closes alone.
CREATE TABLE globalmart.fold_costs (
  plan_id     int NOT NULL,
  slice       timestamptz NOT NULL,
  rows        bigint,
  seconds     double precision,
  cpu_seconds double precision,
  PRIMARY KEY (plan_id, slice)
) WITH (fillfactor = 70);
COMMENT ON TABLE globalmart.fold_costs IS 'What folds have spent on partials that have left their log: taken over when it is drained';
COMMENT ON COLUMN globalmart.fold_costs.plan_id IS 'Plan, see partial_plans';
COMMENT ON COLUMN globalmart.fold_costs.slice IS 'Start of the slice of event time; of the minute, where slices are narrower and for sessions';
COMMENT ON COLUMN globalmart.fold_costs.rows IS 'Rows that were folded';
COMMENT ON COLUMN globalmart.fold_costs.seconds IS 'Time that this took, for each of the rollups that share the plan; NULL, as the others: not all of it was recorded';
COMMENT ON COLUMN globalmart.fold_costs.cpu_seconds IS 'CPU time of it, shared likewise';

CREATE TABLE globalmart.merge_costs (
  version_id  int NOT NULL,
  minute      timestamptz NOT NULL,
  windows     bigint NOT NULL,
  rows        bigint NOT NULL,
  seconds     double precision NOT NULL,
  cpu_seconds double precision NOT NULL,
  PRIMARY KEY (version_id, minute)
) WITH (fillfactor = 70);
COMMENT ON TABLE globalmart.merge_costs IS 'What the merges of a version''s windows have spent';
COMMENT ON COLUMN globalmart.merge_costs.version_id IS 'Version of a rollup';
COMMENT ON COLUMN globalmart.merge_costs.minute IS 'Start of the minute up to whose end the windows ended';
COMMENT ON COLUMN globalmart.merge_costs.windows IS 'Windows that got rows; of sessions every row is one';
COMMENT ON COLUMN globalmart.merge_costs.rows IS 'Rows that were appended';
COMMENT ON COLUMN globalmart.merge_costs.seconds IS 'Time that this took';
COMMENT ON COLUMN globalmart.merge_costs.cpu_seconds IS 'CPU time of it';

CREATE TABLE globalmart.close_counter (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  last_seq bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
COMMENT ON TABLE globalmart.close_counter IS 'The number of the last publication; locked while one is made, so that numbers commit in their order. The first domain brings the row';
COMMENT ON COLUMN globalmart.close_counter.only_row IS 'Always true: there is one row';
COMMENT ON COLUMN globalmart.close_counter.last_seq IS 'Number of the last publication';

CREATE TABLE globalmart.partition_progress (
  domain          text NOT NULL,
  kafka_partition int NOT NULL,
  max_event_time  timestamptz,
  last_message_at timestamptz NOT NULL DEFAULT globalmart.clock(),
  at_end_since    timestamptz,
  checked_at      timestamptz NOT NULL DEFAULT globalmart.clock(),
  ids_capped      boolean NOT NULL DEFAULT false,
  newest_event    timestamptz,
  PRIMARY KEY (domain, kafka_partition)
) WITH (fillfactor = 50);
COMMENT ON TABLE globalmart.partition_progress IS 'Event time by Kafka partition; the watermark is made of it';
COMMENT ON COLUMN globalmart.partition_progress.domain IS 'Watermark domain';
COMMENT ON COLUMN globalmart.partition_progress.kafka_partition IS 'Kafka partition';
COMMENT ON COLUMN globalmart.partition_progress.last_message_at IS 'When the last message was stored';
COMMENT ON COLUMN globalmart.partition_progress.max_event_time IS 'Greatest event time, where an event of the future counts as one of when it came: the watermark is made of it';
COMMENT ON COLUMN globalmart.partition_progress.newest_event IS 'Greatest event time as it stands in the rows, those of redrives included: new definitions begin after it';
COMMENT ON COLUMN globalmart.partition_progress.at_end_since IS 'Since when the bridge has been at the end of the partition; NULL while it lags';
COMMENT ON COLUMN globalmart.partition_progress.ids_capped IS 'Whether the bridge has had to forget event ids before their time (bridge.dedup_max_ids)';
COMMENT ON COLUMN globalmart.partition_progress.checked_at IS 'When the bridge last said so: a bridge that is down makes no partition idle';

CREATE TABLE globalmart.sql_progress (
  domain         text NOT NULL,
  max_event_time timestamptz NOT NULL,
  committed_at   timestamptz NOT NULL
);
COMMENT ON TABLE globalmart.sql_progress IS 'Event time of rows that came by SQL: appended by each fold, so that clients never wait for each other; the closer keeps it short';
COMMENT ON COLUMN globalmart.sql_progress.domain IS 'Watermark domain';
COMMENT ON COLUMN globalmart.sql_progress.max_event_time IS 'Greatest event time of one statement''s rows';
COMMENT ON COLUMN globalmart.sql_progress.committed_at IS 'When the statement ran';

-- What install_shop() runs. Members of the extension: an update brings new ones.
CREATE TABLE globalmart.shop_scripts (
  ordinal int PRIMARY KEY,
  name    text NOT NULL,
  body    text NOT NULL
);
COMMENT ON TABLE globalmart.shop_scripts IS 'The shipped shop as SQL: streams, lists, rollups; install_shop() runs them in order';
COMMENT ON COLUMN globalmart.shop_scripts.ordinal IS 'Place in the order';
COMMENT ON COLUMN globalmart.shop_scripts.name IS 'File that the script is from';
COMMENT ON COLUMN globalmart.shop_scripts.body IS 'SQL';

-- What came too late. A row in late_events missed every window of its rollup; in partly_late_events only
-- those windows of a version that end by missed_until: others of it (sliding windows) or of another version
-- (around the boundary of an alter_rollup) took it. Both tell the batch execution what the stream left out.
-- Offsets begin anew with their topic, and a topic may get another name: a row is known by what it is and when
-- it came besides.
CREATE TABLE globalmart.late_events (
  rollup          text        NOT NULL,
  topic           text        NOT NULL,
  kafka_partition int         NOT NULL,
  kafka_offset    bigint      NOT NULL,
  event_id        uuid        NOT NULL,
  event_time      timestamptz NOT NULL,
  received_at     timestamptz NOT NULL,
  PRIMARY KEY (rollup, kafka_partition, kafka_offset, event_id, event_time, received_at)
);
COMMENT ON TABLE globalmart.late_events IS 'One row for each rollup and message that came after all its windows there were closed';
COMMENT ON COLUMN globalmart.late_events.rollup IS 'Name of the rollup';
COMMENT ON COLUMN globalmart.late_events.topic IS 'Topic of the message; the stream''s topic for rows that came by SQL';
COMMENT ON COLUMN globalmart.late_events.kafka_partition IS 'Partition of the message; -1 for rows that came by SQL';
COMMENT ON COLUMN globalmart.late_events.kafka_offset IS 'Offset of the message; from globalmart.sql_row_offset for rows that came by SQL';
COMMENT ON COLUMN globalmart.late_events.event_id IS 'Id of the event';
COMMENT ON COLUMN globalmart.late_events.event_time IS 'Event time (UTC)';
COMMENT ON COLUMN globalmart.late_events.received_at IS 'When the row arrived (UTC)';

CREATE TABLE globalmart.partly_late_events (
  rollup          text        NOT NULL,
  topic           text        NOT NULL,
  kafka_partition int         NOT NULL,
  kafka_offset    bigint      NOT NULL,
  event_id        uuid        NOT NULL,
  event_time      timestamptz NOT NULL,
  received_at     timestamptz NOT NULL,
  missed_until    timestamptz NOT NULL,
  version_id      int         NOT NULL,
  PRIMARY KEY (rollup, kafka_partition, kafka_offset, event_id, event_time, received_at, version_id)
);
COMMENT ON TABLE globalmart.partly_late_events IS 'Messages that came in time for some windows of a rollup and too late for those of a version that end by missed_until';
COMMENT ON COLUMN globalmart.partly_late_events.rollup IS 'Name of the rollup';
COMMENT ON COLUMN globalmart.partly_late_events.topic IS 'Topic of the message; the stream''s topic for rows that came by SQL';
COMMENT ON COLUMN globalmart.partly_late_events.kafka_partition IS 'Partition of the message; -1 for rows that came by SQL';
COMMENT ON COLUMN globalmart.partly_late_events.kafka_offset IS 'Offset of the message; from globalmart.sql_row_offset for rows that came by SQL';
COMMENT ON COLUMN globalmart.partly_late_events.event_id IS 'Id of the event';
COMMENT ON COLUMN globalmart.partly_late_events.event_time IS 'Event time (UTC)';
COMMENT ON COLUMN globalmart.partly_late_events.received_at IS 'When the row arrived (UTC)';
COMMENT ON COLUMN globalmart.partly_late_events.missed_until IS 'Windows of the version that end by then are without it';
COMMENT ON COLUMN globalmart.partly_late_events.version_id IS 'Version of the rollup that it was too late for in part';
-- setting_values.sql
-- Settings of upkeep: how long things are kept, how far ahead partitions are made. What is shipped and
-- what an owner changed are two tables, so that a restore never meets a row that is there already.

CREATE TABLE globalmart.setting_definitions (
  name          text PRIMARY KEY,
  kind          text NOT NULL CHECK (kind IN ('interval', 'integer')),
  default_value text,
  per_table     text CHECK (per_table IN ('stream', 'rollup')),
  description   text NOT NULL
);
COMMENT ON TABLE globalmart.setting_definitions IS 'The settings that there are, as shipped';
COMMENT ON COLUMN globalmart.setting_definitions.name IS 'Name of the setting';
COMMENT ON COLUMN globalmart.setting_definitions.kind IS 'interval or integer; none of them may be negative';
COMMENT ON COLUMN globalmart.setting_definitions.default_value IS 'Value in force until it is changed; NULL: no limit';
COMMENT ON COLUMN globalmart.setting_definitions.per_table IS 'Of what kind TABLE is where NAME.TABLE may be set beside NAME; NULL: it may not';
COMMENT ON COLUMN globalmart.setting_definitions.description IS 'What the setting does, and its unit';

CREATE TABLE globalmart.setting_values (
  name       text PRIMARY KEY,
  value      text,
  changed_at timestamptz NOT NULL DEFAULT globalmart.clock(),
  changed_by text NOT NULL DEFAULT current_user
);
COMMENT ON TABLE globalmart.setting_values IS 'Settings that an owner changed; configuration that goes with pg_dump';
COMMENT ON COLUMN globalmart.setting_values.name IS 'Name of the setting, or NAME.TABLE';
COMMENT ON COLUMN globalmart.setting_values.value IS 'Value in force; NULL: no limit';
COMMENT ON COLUMN globalmart.setting_values.changed_at IS 'When it was set';
COMMENT ON COLUMN globalmart.setting_values.changed_by IS 'Role that set it';

CREATE VIEW globalmart.settings AS
  SELECT d.name,
         CASE WHEN v.name IS NULL THEN d.default_value ELSE v.value END AS value,
         d.description, d.default_value
  FROM globalmart.setting_definitions AS d
  LEFT JOIN globalmart.setting_values AS v USING (name)
  UNION ALL
  SELECT v.name, v.value, d.description, NULL
  FROM globalmart.setting_values AS v
  JOIN globalmart.setting_definitions AS d
    ON d.per_table IS NOT NULL AND d.name = pg_catalog.split_part(v.name, '.', 1) AND v.name <> d.name;
COMMENT ON VIEW globalmart.settings IS 'Settings in force; change one with set_setting(name, value)';
COMMENT ON COLUMN globalmart.settings.name IS 'Name of the setting; NAME.TABLE is in force for one stream or rollup';
COMMENT ON COLUMN globalmart.settings.value IS 'Value in force; NULL: no limit';
COMMENT ON COLUMN globalmart.settings.description IS 'What the setting does, and its unit';
COMMENT ON COLUMN globalmart.settings.default_value IS 'Value as shipped';

CREATE FUNCTION globalmart.setting(name text, for_table text DEFAULT NULL) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT s.value
  FROM globalmart.settings AS s
  WHERE s.name IN ($1, $1 || '.' || $2)
  ORDER BY s.name DESC
  LIMIT 1
$$;
COMMENT ON FUNCTION globalmart.setting(text, text) IS
  'The value of a setting, for one stream or rollup if for_table is given; NULL: no limit';

-- least() would skip a NULL; what it cuts off is beyond the scale of timestamps.
CREATE FUNCTION globalmart.max_future(stream text) RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN s.value IS NOT NULL THEN (1e6 * least(extract(epoch FROM s.value::interval), 9e12))::bigint END
  FROM (SELECT globalmart.setting('max_future', $1) AS value) AS s
$$;
COMMENT ON FUNCTION globalmart.max_future(text) IS
  'The setting max_future of a stream in microseconds, a day of 24 hours; NULL: no limit';

-- What folds go by is compiled into them.
CREATE FUNCTION globalmart.setting_changed(name text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  -- Who publishes windows locks the domains, too, and this before them.
  SELECT FROM globalmart.close_counter WHERE split_part($1, '.', 1) = 'max_future' FOR UPDATE;
  SELECT globalmart.definitions_changed(d.domain) FROM globalmart.domains AS d
  WHERE split_part($1, '.', 1) = 'max_future'
    AND ($1 = 'max_future' OR d.domain = (SELECT s.domain FROM globalmart.streams AS s WHERE s.stream = split_part($1, '.', 2)))
  ORDER BY d.domain
$$;
COMMENT ON FUNCTION globalmart.setting_changed(text) IS 'Lets folds that are compiled with a setting hear of its change';

CREATE FUNCTION globalmart.require_setting(name text) RETURNS globalmart.setting_definitions
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  definition globalmart.setting_definitions;
  for_table text := substr(name, strpos(name || '.', '.') + 1);
  known text[];
BEGIN
  SELECT d.* INTO definition FROM globalmart.setting_definitions AS d
  WHERE d.name = require_setting.name
     OR (d.per_table IS NOT NULL AND d.name || '.' || for_table = require_setting.name);
  IF NOT FOUND THEN
    RAISE undefined_object USING
      MESSAGE = format('there is no setting "%s"', require_setting.name),
      HINT = 'Settings: ' || (SELECT string_agg(d.name, ', ' ORDER BY d.name) FROM globalmart.setting_definitions AS d)
             || '. max_future.TABLE, partitions_most.TABLE, raw_retention.TABLE and rollup_retention.TABLE are for one table.';
  END IF;
  IF definition.name <> require_setting.name THEN
    known := ARRAY(SELECT s.stream FROM globalmart.streams AS s WHERE definition.per_table = 'stream' AND s.has_offsets
                   UNION ALL SELECT c.name FROM globalmart.rollup_catalog AS c WHERE definition.per_table = 'rollup' ORDER BY 1);
    IF NOT for_table = ANY (known) THEN
      RAISE undefined_object USING
        MESSAGE = format('there is no %s "%s" for setting "%s"',
                         CASE definition.per_table WHEN 'stream' THEN 'stream' ELSE 'rollup or detector' END, for_table, definition.name),
        HINT = format('It can be set for: %s.', array_to_string(known, ', '));
    END IF;
  END IF;
  RETURN definition;
END
$$;
COMMENT ON FUNCTION globalmart.require_setting(text) IS
  'The definition of a setting, or of NAME.TABLE; an error that lists the names there are when there is none';

CREATE FUNCTION globalmart.set_setting(name text, value text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  definition globalmart.setting_definitions;
BEGIN
  PERFORM globalmart.require_owner();
  definition := globalmart.require_setting(set_setting.name);
  BEGIN
    IF definition.kind = 'interval' AND set_setting.value::interval < interval '0'
       OR definition.kind = 'integer' AND set_setting.value::int < 0 THEN
      RAISE invalid_parameter_value;
    END IF;
  EXCEPTION WHEN data_exception THEN
    RAISE invalid_parameter_value USING
      MESSAGE = format('"%s" is not a value for setting "%s"', set_setting.value, set_setting.name),
      HINT = CASE definition.kind
               WHEN 'interval' THEN 'Give an interval that is not negative, such as 30 days, or NULL for no limit.'
               ELSE 'Give a whole number that is not negative.' END;
  END;
  IF definition.kind = 'integer' AND set_setting.value IS NULL THEN
    RAISE null_value_not_allowed USING MESSAGE = format('setting "%s" needs a number', set_setting.name);
  END IF;
  INSERT INTO globalmart.setting_values AS v (name, value) VALUES (set_setting.name, set_setting.value)
  ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value, changed_at = EXCLUDED.changed_at, changed_by = EXCLUDED.changed_by;
  PERFORM globalmart.setting_changed(set_setting.name);
END
$$;
COMMENT ON FUNCTION globalmart.set_setting(text, text) IS
  'Changes a setting from now on; NULL means no limit. See the view settings';

CREATE FUNCTION globalmart.reset_setting(name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM globalmart.require_owner();
  DELETE FROM globalmart.setting_values AS v WHERE v.name = reset_setting.name;
  -- One of a table that was dropped goes without a question.
  IF NOT FOUND THEN
    PERFORM globalmart.require_setting(reset_setting.name);
  END IF;
  PERFORM globalmart.setting_changed(reset_setting.name);
END
$$;
COMMENT ON FUNCTION globalmart.reset_setting(text) IS 'Takes a setting back to its value as shipped';
-- setting_definitions.sql
-- The settings that there are. Every update runs this part again (tools/join-sql).
INSERT INTO globalmart.setting_definitions (name, kind, default_value, per_table, description) VALUES
  ('partitions_ahead', 'integer', '7', NULL, 'Days for which maintain_partitions() makes partitions ahead'),
  ('partitions_behind', 'integer', '2', NULL, 'Days before today for which maintain_partitions() makes partitions'),
  ('partitions_most', 'integer', '400', 'stream', 'Partitions that a stream may have; further days go to its default partition'),
  ('max_future', 'interval', '1 hour', 'stream', 'How far ahead of the clock the event time of rows that come by SQL may lie; NULL: as far as they like. For those of Kafka the bridge has bridge.max_future'),
  ('raw_retention', 'interval', '30 days', 'stream', 'How long raw events are kept after they arrived; NULL: for ever'),
  ('rollup_retention', 'interval', NULL, 'rollup', 'How long rows of rollups and detectors are kept, rounded up to whole months of event time; NULL: for ever'),
  ('late_events_retention', 'interval', '90 days', NULL, 'How long late_events are kept after they arrived, and in any case as long as the raw rows that verify reads; NULL: for ever'),
  ('dead_letters_retention', 'interval', '90 days', NULL, 'How long dead letters and finished redrives are kept; NULL: for ever'),
  ('etl_runs_retention', 'interval', '90 days', NULL, 'How long the record of the runs of run_etl() is kept; NULL: for ever'),
  ('rfm_span', 'interval', '1 year', NULL, 'How far rfm_analysis looks back from the end of its day; NULL: to the beginning'),
  ('alerts_retention', 'interval', '7 days', NULL, 'How long alerts that were sent are kept; NULL: for ever');
-- partitions.sql
-- Day partitions of stream tables. They are made by CREATE and ATTACH under a lock_timeout of 50 ms: an
-- open reader makes the attempt give up, and no writer queues behind it for longer than that.

-- Where the rows of a stream live: a stream by name, or any append table of ours (the catalogue's history).
CREATE FUNCTION globalmart.stream_relation(stream text) RETURNS regclass
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_relation regclass;
BEGIN
  SELECT s.relation INTO found_relation FROM globalmart.streams AS s WHERE s.stream = stream_relation.stream;
  found_relation := coalesce(found_relation, to_regclass('globalmart.' || quote_ident(stream_relation.stream)));
  IF found_relation IS NULL THEN
    RAISE undefined_object USING
      MESSAGE = format('there is no stream "%s"', stream_relation.stream),
      HINT = 'See the table globalmart.streams.';
  END IF;
  RETURN found_relation;
END
$$;
COMMENT ON FUNCTION globalmart.stream_relation(text) IS 'The table of a stream';

CREATE FUNCTION globalmart.leaf_name(stream text, day date) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT $1 || CASE WHEN $2 IS NULL THEN '_default' ELSE to_char($2, '"_p"YYYYMMDD') END
$$;
COMMENT ON FUNCTION globalmart.leaf_name(text, date) IS
  'Name of the partition for a UTC day: STREAM_pYYYYMMDD; STREAM_default for NULL';

-- What upkeep may touch: streams partitioned by their event time, with a default partition of our making.
CREATE FUNCTION globalmart.is_partitioned_by_day(stream text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (
    SELECT FROM globalmart.streams AS s
    JOIN pg_partitioned_table AS p ON p.partrelid = s.relation
    JOIN pg_attribute AS a ON a.attrelid = s.relation AND a.attname = s.time_column
    WHERE s.stream = $1 AND p.partstrat = 'r' AND p.partnatts = 1 AND p.partattrs[0] = a.attnum
      AND p.partdefid = to_regclass('globalmart.' || quote_ident(globalmart.leaf_name($1, NULL))))
$$;
COMMENT ON FUNCTION globalmart.is_partitioned_by_day(text) IS
  'Whether a stream''s days are partitions that upkeep makes and drops: PARTITION BY RANGE over its event time, after create_default_leaf(stream)';

CREATE FUNCTION globalmart.stream_leaves(stream text) RETURNS TABLE (day date, leaf text)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 40 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  root regclass := globalmart.stream_relation(stream);
BEGIN
  IF NOT globalmart.is_partitioned_by_day(stream) THEN
    RETURN QUERY SELECT NULL::date, c.relname::text FROM pg_class AS c WHERE c.oid = root;
    RETURN;
  END IF;
  RETURN QUERY
    SELECT to_date(substring(c.relname FROM '_p([0-9]{8})$'), 'YYYYMMDD'), c.relname::text
    FROM pg_inherits AS i
    JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = root AND NOT i.inhdetachpending
    ORDER BY 1 NULLS LAST;
END
$$;
COMMENT ON FUNCTION globalmart.stream_leaves(text) IS
  'The partitions of a stream by UTC day; the default partition, or a stream that is not partitioned by day, has day NULL';

-- For what cannot wait: the statement, or false when a lock was not to be had in 50 ms at each try.
CREATE FUNCTION globalmart.try_execute(statements text[], tries int) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms' SET client_min_messages = warning AS $$
DECLARE
  statement text;
BEGIN
  FOR attempt IN 1..tries LOOP
    BEGIN
      FOREACH statement IN ARRAY statements LOOP
        EXECUTE statement;
      END LOOP;
      RETURN true;
    EXCEPTION
      -- A deadlock's victim gave its locks back, too.
      WHEN lock_not_available OR deadlock_detected THEN
        PERFORM pg_sleep(0.02 * attempt);
    END;
  END LOOP;
  RETURN false;
END
$$;
COMMENT ON FUNCTION globalmart.try_execute(text[], int) IS
  'Runs statements together under a lock_timeout of 50 ms, up to so many times; false when none got its locks';

-- A leaf of its own, not attached yet: same columns, checks and defaults as the root, and the statement
-- triggers, because a statement that names the leaf fires the leaf's only.
CREATE FUNCTION globalmart.create_leaf(stream text, leaf text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  root regclass := globalmart.stream_relation(stream);
BEGIN
  EXECUTE format(
    'CREATE TABLE globalmart.%I (LIKE %s INCLUDING ALL) WITH (fillfactor = 100, '
    'autovacuum_vacuum_insert_threshold = 500000, autovacuum_vacuum_insert_scale_factor = 0.5, '
    'autovacuum_analyze_threshold = 50000, autovacuum_analyze_scale_factor = 0.5)', leaf, root);
  EXECUTE format('ALTER TABLE globalmart.%I OWNER TO globalmart_owner', leaf);
  EXECUTE format('GRANT INSERT ON globalmart.%I TO globalmart_writer', leaf);
  EXECUTE format('GRANT SELECT ON globalmart.%I TO globalmart_reader', leaf);
  IF EXISTS (SELECT FROM globalmart.streams AS s WHERE s.stream = create_leaf.stream) THEN
    PERFORM globalmart.create_stream_triggers(stream, format('globalmart.%I', leaf)::regclass);
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.create_leaf(text, text) IS
  'Makes a table like a stream''s, with its triggers and grants, to be attached as a partition';

CREATE FUNCTION globalmart.create_default_leaf(stream text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  root regclass := globalmart.stream_relation(stream);
  leaf text := globalmart.leaf_name(stream, NULL);
  time_column name;
BEGIN
  PERFORM globalmart.require_owner();
  IF to_regclass('globalmart.' || quote_ident(leaf)) IS NOT NULL THEN
    RETURN;
  END IF;
  IF NOT (SELECT has_schema_privilege('globalmart_owner', c.relnamespace, 'CREATE') FROM pg_class AS c WHERE c.oid = root) THEN
    RAISE insufficient_privilege USING
      MESSAGE = format('globalmart_owner may not create tables in the schema of %s', root),
      DETAIL = 'Upkeep runs with its rights, so that the table must be its own.',
      HINT = (SELECT format('GRANT CREATE ON SCHEMA %s TO globalmart_owner', c.relnamespace::regnamespace) FROM pg_class AS c WHERE c.oid = root);
  END IF;
  -- Upkeep runs as the owner.
  EXECUTE format('ALTER TABLE %s OWNER TO globalmart_owner', root);
  EXECUTE format('GRANT INSERT ON %s TO globalmart_writer', root);
  EXECUTE format('GRANT SELECT ON %s TO globalmart_reader', root);
  PERFORM globalmart.create_leaf(stream, leaf);
  SELECT a.attname INTO time_column
  FROM pg_partitioned_table AS p JOIN pg_attribute AS a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
  WHERE p.partrelid = root;
  -- Few rows come here; the index tells at once whether a day has some.
  EXECUTE format('CREATE INDEX ON globalmart.%I (%I)', leaf, time_column);
  EXECUTE format('ALTER TABLE %s ATTACH PARTITION globalmart.%I DEFAULT', root, leaf);
  EXECUTE format('COMMENT ON TABLE globalmart.%I IS %L', leaf,
                 format('Rows of %s on days that have no partition of their own', stream));
END
$$;
COMMENT ON FUNCTION globalmart.create_default_leaf(text) IS
  'Makes the partition for days that have none, with which upkeep of a stream begins: PARTITION BY RANGE over its event time. The table then belongs to globalmart_owner, which needs CREATE on its schema; harmless when the partition is there';

CREATE FUNCTION globalmart.default_has_day(stream text, day date) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  root regclass := globalmart.stream_relation(stream);
  time_column name;
  found_row boolean;
BEGIN
  SELECT a.attname INTO time_column
  FROM pg_partitioned_table AS p JOIN pg_attribute AS a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
  WHERE p.partrelid = root;
  EXECUTE format('SELECT EXISTS (SELECT FROM globalmart.%I WHERE %I >= $1 AND %I < $2)',
                 globalmart.leaf_name(stream, NULL), time_column, time_column)
    INTO found_row
    USING day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC';
  RETURN found_row;
END
$$;
COMMENT ON FUNCTION globalmart.default_has_day(text, date) IS 'Whether rows of a UTC day sit in the default partition';

-- A partition that somebody made by hand has no triggers of ours, and the writer no right to it.
CREATE FUNCTION globalmart.adopt_leaf(stream text, leaf text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  relation regclass := format('globalmart.%I', leaf)::regclass;
BEGIN
  IF EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgrelid = relation AND g.tgfoid = 'globalmart.fold_rows()'::regprocedure) THEN
    RETURN true;
  END IF;
  RETURN globalmart.try_execute(ARRAY[
    format('SELECT globalmart.create_stream_triggers(%L, %L)', stream, relation),
    format('GRANT INSERT ON %s TO globalmart_writer', relation),
    format('GRANT SELECT ON %s TO globalmart_reader', relation)], 5);
EXCEPTION WHEN insufficient_privilege THEN
  RETURN false;
END
$$;
COMMENT ON FUNCTION globalmart.adopt_leaf(text, text) IS
  'Gives a partition that was made by hand what those of upkeep have; false when it is another owner''s, or locked';

CREATE FUNCTION globalmart.make_partition(stream text, day date) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  root regclass := globalmart.stream_relation(stream);
  leaf text := globalmart.leaf_name(stream, day);
  default_leaf text := globalmart.leaf_name(stream, NULL);
  today date := (globalmart.clock() AT TIME ZONE 'UTC')::date;
BEGIN
  IF NOT globalmart.is_partitioned_by_day(stream) THEN
    RETURN (SELECT c.relname FROM pg_class AS c WHERE c.oid = root);
  END IF;
  IF EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhparent = root
             AND i.inhrelid = to_regclass('globalmart.' || quote_ident(leaf))) THEN
    -- By the root, rows are folded even where they cannot be by name.
    RETURN CASE WHEN globalmart.adopt_leaf(stream, leaf) THEN leaf ELSE (SELECT c.relname FROM pg_class AS c WHERE c.oid = root) END;
  END IF;
  IF day IS NULL OR day < date '2000-01-01' OR day > today + 365
     OR (SELECT count(*) FROM pg_inherits AS i WHERE i.inhparent = root) > globalmart.setting('partitions_most', stream)::int
     -- To attach a partition, PostgreSQL reads the whole default one and keeps writers out of it.
     OR (day < today AND pg_relation_size(format('globalmart.%I', default_leaf)::regclass) > 67108864) THEN
    RETURN default_leaf;
  END IF;
  IF NOT globalmart.try_execute(ARRAY[
       -- Sessions that make partitions take turns, before they touch the default partition: each would keep
       -- the others from it. Of two that make the same day, the second finds it made.
       format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', root),
       format('SELECT globalmart.attach_day(%L, %L, %L)', stream, to_char(day, 'YYYY-MM-DD'), leaf)], 5) THEN
    RETURN default_leaf;
  END IF;
  RETURN CASE WHEN EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhparent = root
                           AND i.inhrelid = to_regclass('globalmart.' || quote_ident(leaf)))
              THEN leaf ELSE default_leaf END;
END
$$;
COMMENT ON FUNCTION globalmart.make_partition(text, date) IS
  'The partition where rows of a UTC day go now, made if it may be (the table itself for a partition made by hand that cannot be given the triggers of a stream): not beyond partitions_most, not for a day that already has rows in the default partition, and not while somebody keeps the table locked; then it is the default partition. Call it outside of a transaction that holds rows back';

CREATE FUNCTION globalmart.attach_day(stream text, day date, leaf text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  root regclass := globalmart.stream_relation(stream);
  left_over regclass := to_regclass('globalmart.' || quote_ident(leaf));
BEGIN
  IF left_over IS NOT NULL THEN
    IF EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhrelid = left_over AND i.inhparent = root) THEN
      RETURN;
    END IF;
    -- Rows of the day are safe in the default partition; the table is somebody's.
    RAISE WARNING 'table globalmart.% is in the way of a partition of %', quote_ident(leaf), stream
      USING ERRCODE = 'duplicate_table', HINT = 'Rename it, or attach it to the stream.';
    RETURN;
  END IF;
  IF globalmart.default_has_day(stream, day) THEN
    RETURN;
  END IF;
  PERFORM globalmart.create_leaf(stream, leaf);
  EXECUTE format('COMMENT ON TABLE globalmart.%I IS %L', leaf,
                 format('Rows of %s of %s UTC', stream, to_char(day, 'YYYY-MM-DD')));
  BEGIN
    EXECUTE format('ALTER TABLE %s ATTACH PARTITION globalmart.%I FOR VALUES FROM (%L) TO (%L)', root, leaf,
                   to_char(day, 'YYYY-MM-DD') || ' 00:00:00+00', to_char(day + 1, 'YYYY-MM-DD') || ' 00:00:00+00');
  EXCEPTION WHEN check_violation THEN
    -- Rows of that day reached the default partition in the meantime.
    EXECUTE format('DROP TABLE globalmart.%I', leaf);
  END;
END
$$;
COMMENT ON FUNCTION globalmart.attach_day(text, date, text) IS
  'Makes and attaches the partition of a day; leaves it when rows of the day sit in the default partition';

CREATE FUNCTION globalmart.partitioned_streams() RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT s.stream FROM globalmart.streams AS s
  WHERE globalmart.is_partitioned_by_day(s.stream)
  ORDER BY s.stream
$$;
COMMENT ON FUNCTION globalmart.partitioned_streams() IS 'The streams that are partitioned by day';

CREATE FUNCTION globalmart.days_to_make() RETURNS TABLE (stream text, day date)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT s, d.day
  FROM globalmart.partitioned_streams() AS s
  CROSS JOIN LATERAL (
    SELECT (globalmart.clock() AT TIME ZONE 'UTC')::date + distance AS day
    FROM generate_series(-globalmart.setting('partitions_behind')::int, globalmart.setting('partitions_ahead')::int) AS distance) AS d
  WHERE NOT EXISTS (SELECT FROM globalmart.stream_leaves(s) AS l WHERE l.day = d.day)
  ORDER BY d.day, s
$$;
COMMENT ON FUNCTION globalmart.days_to_make() IS
  'Days around today that the settings ask for and that have no partition yet';

-- No SET clause and no SECURITY DEFINER: either would forbid the COMMITs.
CREATE PROCEDURE globalmart.maintain_partitions()
LANGUAGE plpgsql AS $$
DECLARE
  streams text[];
  days date[];
BEGIN
  SELECT pg_catalog.array_agg(m.stream ORDER BY m.day, m.stream), pg_catalog.array_agg(m.day ORDER BY m.day, m.stream)
    INTO streams, days
  FROM globalmart.days_to_make() AS m;
  FOR number IN 1 .. COALESCE(pg_catalog.cardinality(streams), 0) LOOP
    BEGIN
      PERFORM globalmart.make_partition(streams[number], days[number]);
    EXCEPTION WHEN OTHERS THEN
      -- One stream that cannot be helped does not keep the others from it.
      RAISE WARNING 'partition % of % was not made: %', days[number], streams[number], SQLERRM;
    END;
    COMMIT;
  END LOOP;
END
$$;
COMMENT ON PROCEDURE globalmart.maintain_partitions() IS
  'Makes the day partitions ahead, of every stream, each in a transaction of its own; call it a few times a day (pg_cron). What a reader locks is tried again at the next call';

-- A column that a profile brings beyond the shipped ones.
CREATE FUNCTION globalmart.add_stream_column(
  stream text, name name, type text, description text DEFAULT NULL, if_not_exists boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  root regclass := globalmart.stream_relation(stream);
  stream_domain text;
BEGIN
  PERFORM globalmart.require_owner();
  IF name !~ '^[a-z][a-z0-9_]{0,62}$' THEN
    RAISE invalid_name USING
      MESSAGE = format('"%s" cannot name a column of a stream', name),
      HINT = 'Use lower-case letters, digits and underscores.';
  END IF;
  IF type IS NULL OR type !~ '^[a-z][a-z0-9_ ]*(\([0-9]+(, ?[0-9]+)?\))?( with(out)? time zone)?(\[\])?$'
     OR to_regtype(type) IS NULL THEN
    RAISE undefined_object USING
      MESSAGE = format('"%s" is not a type for a column of a stream', type),
      HINT = 'Use a type such as text, bigint, numeric(18,2), timestamptz or text[].';
  END IF;
  IF EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = root AND a.attname = add_stream_column.name AND NOT a.attisdropped) THEN
    IF if_not_exists THEN
      RAISE NOTICE 'stream "%" already has a column "%", skipping', stream, name;
      RETURN;
    END IF;
    RAISE duplicate_column USING
      MESSAGE = format('stream "%s" already has a column "%s"', stream, name),
      HINT = 'Use if_not_exists => true where that is all right.';
  END IF;
  IF NOT globalmart.try_execute(ARRAY[
       format('ALTER TABLE %s ADD COLUMN %I %s', root, name, type),
       format('COMMENT ON COLUMN %s.%I IS %L', root, name, coalesce(description, 'Added column'))], 10) THEN
    RAISE lock_not_available USING
      MESSAGE = format('stream "%s" is in use', stream),
      HINT = 'A long transaction reads or writes it (see pg_stat_activity); try again when it has ended.';
  END IF;
  SELECT s.domain INTO stream_domain FROM globalmart.streams AS s WHERE s.stream = add_stream_column.stream;
  IF FOUND THEN
    PERFORM globalmart.definitions_changed(stream_domain);
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.add_stream_column(text, name, text, text, boolean) IS
  'Adds a column to a stream table and all its partitions, for members of a profile that the shipped shop does not have; old rows have NULL';
-- offsets.sql
-- Kafka offsets beside the rows that they brought, with an epoch for each owner of a partition, and what
-- else the bridge asks for. The bridge has no right on any table but to insert; these functions are all
-- that it can do besides.

CREATE TABLE globalmart.kafka_offsets (
  topic             text   NOT NULL,
  kafka_partition   int    NOT NULL CHECK (kafka_partition >= 0),
  next_offset       bigint CHECK (next_offset >= 0),
  epoch             bigint NOT NULL DEFAULT 0,
  owner             text,
  claimed_at        timestamptz,
  advanced_at       timestamptz,
  last_message_time timestamptz,
  last_message_hash bigint,
  accepted          bigint NOT NULL DEFAULT 0,
  duplicates        bigint NOT NULL DEFAULT 0,
  dead_letters      bigint NOT NULL DEFAULT 0,
  rate_from         timestamptz,
  rate_from_count   bigint NOT NULL DEFAULT 0,
  messages_a_second double precision,
  PRIMARY KEY (topic, kafka_partition)
) WITH (fillfactor = 50);
COMMENT ON TABLE globalmart.kafka_offsets IS 'How far each Kafka partition is applied: moved in the transaction that stores the rows, so that a message is applied once';
COMMENT ON COLUMN globalmart.kafka_offsets.topic IS 'Topic, by the name that globalmart.streams has';
COMMENT ON COLUMN globalmart.kafka_offsets.kafka_partition IS 'Partition of the topic';
COMMENT ON COLUMN globalmart.kafka_offsets.next_offset IS 'The last applied offset + 1; NULL: nothing was ever read';
COMMENT ON COLUMN globalmart.kafka_offsets.epoch IS 'Raised by every claim; whoever comes with an older one is fenced';
COMMENT ON COLUMN globalmart.kafka_offsets.owner IS 'Who claimed the partition last';
COMMENT ON COLUMN globalmart.kafka_offsets.claimed_at IS 'When it was claimed';
COMMENT ON COLUMN globalmart.kafka_offsets.advanced_at IS 'When messages were applied last';
COMMENT ON COLUMN globalmart.kafka_offsets.last_message_time IS 'Kafka timestamp of the last applied message';
COMMENT ON COLUMN globalmart.kafka_offsets.last_message_hash IS 'Hash of the last applied message: after a restart the bridge reads it again, and a topic that was made anew shows';
COMMENT ON COLUMN globalmart.kafka_offsets.accepted IS 'Messages accepted since the beginning, redriven ones included';
COMMENT ON COLUMN globalmart.kafka_offsets.duplicates IS 'Messages dropped because their event id was seen before';
COMMENT ON COLUMN globalmart.kafka_offsets.dead_letters IS 'Messages that went to dead_letters and were not redriven';
COMMENT ON COLUMN globalmart.kafka_offsets.rate_from IS 'Since when messages are counted for the rate';
COMMENT ON COLUMN globalmart.kafka_offsets.rate_from_count IS 'Messages applied until then';
COMMENT ON COLUMN globalmart.kafka_offsets.messages_a_second IS 'Messages applied a second in the last complete span of 10 seconds or more';

CREATE FUNCTION globalmart.topic_domain(topic text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT s.domain FROM globalmart.streams AS s WHERE s.topic = $1 ORDER BY s.stream LIMIT 1
$$;
COMMENT ON FUNCTION globalmart.topic_domain(text) IS
  'The watermark domain that a topic feeds; NULL for a catalogue topic';

CREATE FUNCTION globalmart.claim_partitions(topic text, partitions int[], owner text)
RETURNS TABLE (kafka_partition int, epoch bigint, next_offset bigint,
               last_message_time timestamptz, last_message_hash bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  claimed_domain text := globalmart.topic_domain(claim_partitions.topic);
  now_at timestamptz := globalmart.clock();
BEGIN
  INSERT INTO globalmart.kafka_offsets AS o (topic, kafka_partition)
  SELECT DISTINCT claim_partitions.topic, p FROM unnest(partitions) AS g(p) ORDER BY 2
  ON CONFLICT DO NOTHING;
  -- Waits for a batch of the former owner that is under way, in one order for all.
  PERFORM FROM globalmart.kafka_offsets AS o
  WHERE o.topic = claim_partitions.topic AND o.kafka_partition = ANY (partitions)
  ORDER BY o.kafka_partition
  FOR UPDATE;
  IF claimed_domain IS NOT NULL THEN
    INSERT INTO globalmart.partition_progress AS p
      (domain, kafka_partition, max_event_time, last_message_at, at_end_since, checked_at)
    SELECT DISTINCT claimed_domain, p, NULL::timestamptz, now_at, NULL::timestamptz, now_at
    FROM unnest(partitions) AS g(p) ORDER BY 2
    ON CONFLICT (domain, kafka_partition)
    DO UPDATE SET last_message_at = now_at, at_end_since = NULL, checked_at = now_at;
  END IF;
  RETURN QUERY
    UPDATE globalmart.kafka_offsets AS o
    SET epoch = o.epoch + 1, owner = claim_partitions.owner, claimed_at = now_at
    WHERE o.topic = claim_partitions.topic AND o.kafka_partition = ANY (partitions)
    RETURNING o.kafka_partition, o.epoch, o.next_offset, o.last_message_time, o.last_message_hash;
END
$$;
COMMENT ON FUNCTION globalmart.claim_partitions(text, int[], text) IS
  'Makes the caller the owner of partitions: a row each with the new epoch and the offset to go on from (NULL: never read). Batches of earlier owners fail from now on. Commit before reading on';

CREATE FUNCTION globalmart.advance_offsets(
  topic text, partitions int[], epochs bigint[], expected_offsets bigint[], next_offsets bigint[],
  max_event_times timestamptz[], last_message_times timestamptz[], last_message_hashes bigint[],
  at_end boolean[], accepted bigint[], duplicates bigint[], dead_letters bigint[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  now_at timestamptz := globalmart.clock();
  moved int;
BEGIN
  WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
      AS g(kafka_partition, epoch, expected_offset, next_offset, max_event_time, last_message_time,
           last_message_hash, at_end, accepted, duplicates, dead_letters)
  ), offsets AS (
    UPDATE globalmart.kafka_offsets AS o
    SET next_offset = g.next_offset,
        advanced_at = now_at,
        last_message_time = g.last_message_time,
        last_message_hash = g.last_message_hash,
        accepted = o.accepted + g.accepted,
        duplicates = o.duplicates + g.duplicates,
        dead_letters = o.dead_letters + g.dead_letters,
        -- The rate is taken over spans of ten seconds or more.
        messages_a_second = CASE WHEN now_at >= o.rate_from + interval '10 seconds'
                                 THEN (o.accepted + o.duplicates + o.dead_letters - o.rate_from_count)
                                      / extract(epoch FROM now_at - o.rate_from) ELSE o.messages_a_second END,
        rate_from_count = CASE WHEN now_at < o.rate_from + interval '10 seconds' THEN o.rate_from_count
                               ELSE o.accepted + o.duplicates + o.dead_letters END,
        rate_from = CASE WHEN now_at < o.rate_from + interval '10 seconds' THEN o.rate_from ELSE now_at END
    FROM given AS g
    WHERE o.topic = $1 AND o.kafka_partition = g.kafka_partition
      AND o.epoch = g.epoch AND o.next_offset IS NOT DISTINCT FROM g.expected_offset
      AND g.next_offset >= coalesce(g.expected_offset, 0)
    RETURNING o.kafka_partition
  ), progress AS (
    UPDATE globalmart.partition_progress AS p
    -- An event of the future counts as one of now, and does not make the present late.
    SET max_event_time = CASE WHEN g.max_event_time IS NULL THEN p.max_event_time
                              ELSE greatest(p.max_event_time, least(g.max_event_time, now_at)) END,
        newest_event = greatest(p.newest_event, g.max_event_time),
        last_message_at = now_at,
        at_end_since = CASE WHEN g.at_end THEN now_at END,
        checked_at = now_at
    FROM given AS g
    WHERE p.domain = (SELECT s.domain FROM globalmart.streams AS s WHERE s.topic = $1 ORDER BY s.stream LIMIT 1)
      AND p.kafka_partition = g.kafka_partition
  )
  SELECT count(*) INTO moved FROM offsets;
  IF moved IS DISTINCT FROM cardinality(partitions) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'GM001',
      MESSAGE = format('%s of %s partitions of topic %s are not where this batch expects them',
                       cardinality(partitions) - moved, cardinality(partitions), topic),
      HINT = 'Another bridge owns them now, or this batch was applied before: claim them again and go on from their next_offset.';
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.advance_offsets(text, int[], bigint[], bigint[], bigint[], timestamptz[], timestamptz[], bigint[], boolean[], bigint[], bigint[], bigint[]) IS
  'First statement of a batch: moves each partition from its expected offset (NULL: never read) to the next one, if epoch and offset are as expected, and event time with it; an element each. SQLSTATE GM001 when the caller is fenced';

CREATE FUNCTION globalmart.report_partitions(topic text, partitions int[], epochs bigint[], at_end boolean[],
                                             ids_capped boolean DEFAULT false)
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  UPDATE globalmart.partition_progress AS p
  SET at_end_since = CASE WHEN r.at_end THEN coalesce(p.at_end_since, r.now_at) END,
      checked_at = r.now_at,
      ids_capped = coalesce($5, false)
  FROM (
    SELECT q.domain, q.kafka_partition, g.at_end, globalmart.clock() AS now_at
    FROM unnest($2, $3, $4) AS g(kafka_partition, epoch, at_end)
    JOIN globalmart.kafka_offsets AS o
      ON o.topic = $1 AND o.kafka_partition = g.kafka_partition AND o.epoch = g.epoch
    JOIN globalmart.partition_progress AS q
      ON q.domain = globalmart.topic_domain($1) AND q.kafka_partition = g.kafka_partition
    ORDER BY q.kafka_partition
    -- A batch that is under way says the same when it commits: nobody waits for it here.
    FOR UPDATE OF q SKIP LOCKED
  ) AS r
  WHERE p.domain = r.domain AND p.kafka_partition = r.kafka_partition
$$;
COMMENT ON FUNCTION globalmart.report_partitions(text, int[], bigint[], boolean[], boolean) IS
  'The bridge''s sign of life, about once a second: which of its partitions it has read to the end, and whether its memory of event ids was too small (bridge.dedup_max_ids). Partitions that it does not own any more are passed over';

-- By hand, when Kafka is not what it was: the bridge refuses to go on by itself then.
CREATE FUNCTION globalmart.require_partition(topic text, kafka_partition int) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  known text;
BEGIN
  IF NOT EXISTS (SELECT FROM globalmart.kafka_offsets AS o WHERE o.topic = require_partition.topic) THEN
    SELECT string_agg(DISTINCT o.topic, ', ') INTO known FROM globalmart.kafka_offsets AS o;
    RAISE undefined_object USING
      MESSAGE = format('no bridge has read a topic "%s"', require_partition.topic),
      HINT = coalesce('Topics: ' || known || '.', 'None was read yet.');
  ELSIF kafka_partition IS NOT NULL
        AND NOT EXISTS (SELECT FROM globalmart.kafka_offsets AS o
                        WHERE o.topic = require_partition.topic AND o.kafka_partition = require_partition.kafka_partition) THEN
    SELECT string_agg(o.kafka_partition::text, ', ' ORDER BY o.kafka_partition) INTO known
    FROM globalmart.kafka_offsets AS o WHERE o.topic = require_partition.topic;
    RAISE undefined_object USING
      MESSAGE = format('no bridge has read a partition %s of topic "%s"', kafka_partition, require_partition.topic),
      HINT = 'Partitions: ' || known || '.';
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.require_partition(text, int) IS
  'Raises unless a bridge has read the topic, and the partition if one is given; the hint lists what there is';

CREATE FUNCTION globalmart.reset_offsets(topic text, kafka_partition int DEFAULT NULL, next_offset bigint DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  reset bigint;
BEGIN
  PERFORM globalmart.require_owner();
  PERFORM globalmart.require_partition(reset_offsets.topic, reset_offsets.kafka_partition);
  UPDATE globalmart.kafka_offsets AS o
  SET epoch = o.epoch + 1, owner = NULL, next_offset = reset_offsets.next_offset,
      last_message_time = NULL, last_message_hash = NULL
  WHERE o.topic = reset_offsets.topic AND (reset_offsets.kafka_partition IS NULL OR o.kafka_partition = reset_offsets.kafka_partition);
  GET DIAGNOSTICS reset = ROW_COUNT;
  -- A loader that is past the new beginning would pass over what comes now, and retention would not wait for it.
  DELETE FROM globalmart.raw_reader_progress AS p
  USING globalmart.streams AS s
  WHERE s.topic = reset_offsets.topic AND p.stream = s.stream
    AND (reset_offsets.kafka_partition IS NULL OR p.kafka_partition = reset_offsets.kafka_partition)
    AND p.kafka_partition >= 0 AND p.next_offset > coalesce(reset_offsets.next_offset, 0);
  RETURN reset;
END
$$;
COMMENT ON FUNCTION globalmart.reset_offsets(text, int, bigint) IS
  'After a topic was made anew or lost messages: lets one or all of its partitions go on at next_offset, NULL: as if never read; gives how many. A bridge that runs is fenced, and loaders that are past the new beginning begin anew. Messages that were applied before and are read again are told apart by their event ids only';

CREATE FUNCTION globalmart.forget_partitions(topic text, kafka_partition int DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  topics_domain text := globalmart.topic_domain(forget_partitions.topic);
  forgotten bigint;
BEGIN
  PERFORM globalmart.require_owner();
  PERFORM globalmart.require_partition(forget_partitions.topic, forget_partitions.kafka_partition);
  DELETE FROM globalmart.kafka_offsets AS o
  WHERE o.topic = forget_partitions.topic AND (forget_partitions.kafka_partition IS NULL OR o.kafka_partition = forget_partitions.kafka_partition);
  GET DIAGNOSTICS forgotten = ROW_COUNT;
  -- Their rows were folded: a definition that is new begins after them as before.
  UPDATE globalmart.domains AS d SET newest_event = globalmart.greatest_event_time(topics_domain) WHERE d.domain = topics_domain;
  DELETE FROM globalmart.partition_progress AS p
  WHERE p.domain = topics_domain AND (forget_partitions.kafka_partition IS NULL OR p.kafka_partition = forget_partitions.kafka_partition);
  RETURN forgotten;
END
$$;
COMMENT ON FUNCTION globalmart.forget_partitions(text, int) IS
  'After a topic was given up or has fewer partitions: forgets offsets and event time of one or all of its partitions, so that they no longer hold the watermark; gives how many. A bridge that runs is fenced';

CREATE FUNCTION globalmart.recent_ids(stream text, partitions int[], since timestamptz)
RETURNS TABLE (event_id uuid, event_time timestamptz, kafka_partition int)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1000000 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  source globalmart.streams;
BEGIN
  SELECT s.* INTO source FROM globalmart.streams AS s WHERE s.stream = recent_ids.stream;
  IF NOT FOUND OR NOT source.has_offsets THEN
    RAISE undefined_object USING
      MESSAGE = format('there is no stream "%s" that a topic brings', stream),
      HINT = 'See the table globalmart.streams.';
  END IF;
  RETURN QUERY EXECUTE format(
    'SELECT s.%I, s.%I, s.kafka_partition FROM %s AS s WHERE s.%I >= $1 AND s.kafka_partition = ANY ($2)',
    source.id_column, source.time_column, source.relation, source.time_column) USING since, partitions;
END
$$;
COMMENT ON FUNCTION globalmart.recent_ids(text, int[], timestamptz) IS
  'Event ids of the partitions with an event time from since on: what a new owner must know to drop repetitions';

CREATE FUNCTION globalmart.dedup_horizon() RETURNS interval
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(max(make_interval(secs => v.width / 1e6) + c.lateness), interval '0')
  FROM globalmart.rollup_catalog AS c
  JOIN globalmart.rollup_versions AS v ON v.rollup = c.name
  JOIN globalmart.rollup_progress AS p USING (version_id)
  -- Windows that began before a definition ended are open until they end.
  WHERE c.kind = 'rollup' AND p.merged_until < v.live_until + make_interval(secs => v.width / 1e6)
$$;
COMMENT ON FUNCTION globalmart.dedup_horizon() IS
  'How far behind the watermark an event id must be remembered: the widest window or gap of a live rollup and its lateness. A repetition of an older event is late everywhere';

-- Lists of allowed values. A shop registers its own; the bridge reads them by name.
CREATE TABLE globalmart.lists (
  list         text PRIMARY KEY,
  relation     regclass NOT NULL,
  value_column name NOT NULL
);
COMMENT ON TABLE globalmart.lists IS 'Lists of allowed values that a profile can name';
COMMENT ON COLUMN globalmart.lists.list IS 'Name in the profile';
COMMENT ON COLUMN globalmart.lists.relation IS 'Table that holds the list';
COMMENT ON COLUMN globalmart.lists.value_column IS 'Its column with the values, text';

CREATE FUNCTION globalmart.notify_list_changed() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pg_notify('globalmart_lists', TG_ARGV[0]);
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION globalmart.notify_list_changed() IS
  'Statement trigger of lists: tells bridges on channel globalmart_lists which list changed';

CREATE FUNCTION globalmart.create_list(name text, relation regclass, value_column name) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM globalmart.require_owner();
  INSERT INTO globalmart.lists AS l (list, relation, value_column)
  VALUES (create_list.name, create_list.relation, create_list.value_column)
  ON CONFLICT (list) DO UPDATE SET relation = EXCLUDED.relation, value_column = EXCLUDED.value_column;
  EXECUTE format(
    'CREATE OR REPLACE TRIGGER notify_list_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s '
    'FOR EACH STATEMENT EXECUTE FUNCTION globalmart.notify_list_changed(%L)', relation, name);
END
$$;
COMMENT ON FUNCTION globalmart.create_list(text, regclass, name) IS
  'Makes a column of a table a list of allowed values that profiles can name; may be called again';

CREATE FUNCTION globalmart.list_values(list text) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_list globalmart.lists;
BEGIN
  SELECT l.* INTO found_list FROM globalmart.lists AS l WHERE l.list = list_values.list;
  IF NOT FOUND THEN
    RAISE undefined_object USING
      MESSAGE = format('there is no list "%s"', list),
      HINT = 'globalmart.create_list makes one.';
  END IF;
  RETURN QUERY EXECUTE format('SELECT l.%I::text FROM %s AS l ORDER BY 1', found_list.value_column, found_list.relation);
END
$$;
COMMENT ON FUNCTION globalmart.list_values(text) IS
  'The values on a list; NOTIFY globalmart_lists with the list''s name says that they changed';
-- catalogue_upserts.sql
-- From the history of the catalogue to what is in force. Changes come in any order and from many sessions
-- at once: a row of versions for each id, deleted ones included, says which change is the latest, and is the
-- lock that sessions meet at, in the order of ids. Statements of their own, so that what follows the lock
-- sees what was committed before it.

CREATE FUNCTION globalmart.apply_user_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO globalmart.user_versions AS v (user_id, event_time, kafka_partition, kafka_offset)
  SELECT DISTINCT ON (n.user_id) n.user_id, n.event_time, n.kafka_partition, n.kafka_offset
  FROM new_rows AS n
  ORDER BY n.user_id, n.event_time DESC, n.kafka_partition DESC, n.kafka_offset DESC
  ON CONFLICT (user_id) DO UPDATE
    SET event_time = EXCLUDED.event_time, kafka_partition = EXCLUDED.kafka_partition, kafka_offset = EXCLUDED.kafka_offset
    WHERE (v.event_time, v.kafka_partition, v.kafka_offset)
        < (EXCLUDED.event_time, EXCLUDED.kafka_partition, EXCLUDED.kafka_offset);

  DELETE FROM globalmart.users AS u
  USING new_rows AS n, globalmart.user_versions AS v
  WHERE n.deleted AND u.user_id = n.user_id AND v.user_id = n.user_id
    AND (v.event_time, v.kafka_partition, v.kafka_offset) = (n.event_time, n.kafka_partition, n.kafka_offset);

  INSERT INTO globalmart.users AS u (user_id, country, age_range, preferences, registered_at, updated_at)
  SELECT n.user_id, n.country, n.age_range, n.preferences, n.registered_at, n.event_time
  FROM new_rows AS n
  JOIN globalmart.user_versions AS v
    ON v.user_id = n.user_id
   AND (v.event_time, v.kafka_partition, v.kafka_offset) = (n.event_time, n.kafka_partition, n.kafka_offset)
  WHERE NOT n.deleted
  ORDER BY n.user_id
  ON CONFLICT (user_id) DO UPDATE
    SET country = EXCLUDED.country, age_range = EXCLUDED.age_range, preferences = EXCLUDED.preferences,
        registered_at = EXCLUDED.registered_at, updated_at = EXCLUDED.updated_at;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION globalmart.apply_user_changes() IS
  'Statement trigger of user_changes: brings users up to date with the latest change of each';

CREATE FUNCTION globalmart.apply_product_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO globalmart.product_versions AS v (product_id, event_time, kafka_partition, kafka_offset)
  SELECT DISTINCT ON (n.product_id) n.product_id, n.event_time, n.kafka_partition, n.kafka_offset
  FROM new_rows AS n
  ORDER BY n.product_id, n.event_time DESC, n.kafka_partition DESC, n.kafka_offset DESC
  ON CONFLICT (product_id) DO UPDATE
    SET event_time = EXCLUDED.event_time, kafka_partition = EXCLUDED.kafka_partition, kafka_offset = EXCLUDED.kafka_offset
    WHERE (v.event_time, v.kafka_partition, v.kafka_offset)
        < (EXCLUDED.event_time, EXCLUDED.kafka_partition, EXCLUDED.kafka_offset);

  DELETE FROM globalmart.products AS p
  USING new_rows AS n, globalmart.product_versions AS v
  WHERE n.deleted AND p.product_id = n.product_id AND v.product_id = n.product_id
    AND (v.event_time, v.kafka_partition, v.kafka_offset) = (n.event_time, n.kafka_partition, n.kafka_offset);

  INSERT INTO globalmart.products AS p (product_id, product_name, category, price, rating, stock_level, updated_at)
  SELECT n.product_id, n.product_name, n.category, n.price, n.rating, n.stock_level, n.event_time
  FROM new_rows AS n
  JOIN globalmart.product_versions AS v
    ON v.product_id = n.product_id
   AND (v.event_time, v.kafka_partition, v.kafka_offset) = (n.event_time, n.kafka_partition, n.kafka_offset)
  WHERE NOT n.deleted
  ORDER BY n.product_id
  ON CONFLICT (product_id) DO UPDATE
    SET product_name = EXCLUDED.product_name, category = EXCLUDED.category, price = EXCLUDED.price,
        rating = EXCLUDED.rating, stock_level = EXCLUDED.stock_level, updated_at = EXCLUDED.updated_at;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION globalmart.apply_product_changes() IS
  'Statement trigger of product_changes: brings products up to date with the latest change of each';
-- engine_functions.sql
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
-- definition_changes.sql
-- A change of definitions keeps folds out while it is made. What it needs besides (the table and the view of a
-- rollup, rows of the catalogue) may be in somebody's hands for hours: a reader, a dump, a merge. Writers must
-- not wait for these, so the change gives up within 50 ms, lets the writers in and tries again.

-- Who may be in the way, as text for a hint. relations: what the change locks; readers: whether it must wait
-- for those who only read there.
CREATE FUNCTION globalmart.describe_lock_holders(domain text, relations regclass[], readers boolean) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT string_agg(format('process %s%s%s', h.pid,
           coalesce(', in a transaction since ' || to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), ''),
           coalesce(': ' || left(rtrim(regexp_replace(a.query, '\s+', ' ', 'g'), ' ;'), 100), '')), '; ' ORDER BY a.xact_start, h.pid)
  FROM (
    SELECT DISTINCT l.pid
    FROM pg_locks AS l
    WHERE l.granted AND l.pid <> pg_backend_pid()
      AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
      AND ((l.locktype = 'relation' AND l.relation = ANY ($2::oid[]) AND ($3 OR l.mode NOT IN ('AccessShareLock', 'RowShareLock')))
           -- A merge or a backfill under way, or somebody's open change.
           OR (l.locktype = 'relation' AND l.mode <> 'AccessShareLock'
               AND l.relation IN ('globalmart.rollup_catalog'::regclass, 'globalmart.rollup_progress'::regclass,
                                  'globalmart.backfills'::regclass, 'globalmart.domains'::regclass))
           OR (l.locktype = 'object' AND l.classid = 'globalmart.domains'::regclass AND l.objid = globalmart.fold_lock_number($1)))
    ORDER BY l.pid
    LIMIT 5) AS h
  LEFT JOIN pg_stat_activity AS a ON a.pid = h.pid
$$;
COMMENT ON FUNCTION globalmart.describe_lock_holders(text, regclass[], boolean) IS
  'The sessions that hold what a change of definitions waits for: process, since when, last query; NULL when there is none any more';

CREATE FUNCTION globalmart.execute_briefly(statement text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms' AS $$
BEGIN
  EXECUTE statement;
END
$$;
COMMENT ON FUNCTION globalmart.execute_briefly(text) IS 'Runs a statement under a lock_timeout of 50 ms';

CREATE FUNCTION globalmart.change_definitions(
  domain text, statement text, relations regclass[] DEFAULT '{}', readers boolean DEFAULT true)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  patience interval := interval '10 seconds';
  own interval := current_setting('lock_timeout')::interval;
  began timestamptz := clock_timestamp();
  remaining int;
  excluded boolean;
  problem text;
BEGIN
  -- Who asked for less patience with locks means this, too.
  IF own > interval '0' AND own < patience THEN
    patience := own;
  END IF;
  -- An earlier command of the transaction keeps writers out until it ends: they do not wait for this one as well.
  IF EXISTS (SELECT FROM pg_locks AS l
             WHERE l.pid = pg_backend_pid() AND l.locktype = 'object' AND l.mode = 'ShareRowExclusiveLock'
               AND l.classid = 'globalmart.domains'::regclass) THEN
    patience := least(patience, interval '100 milliseconds');
  END IF;
  FOR attempt IN 1..1000 LOOP
    remaining := extract(epoch FROM began + patience - clock_timestamp()) * 1000;
    excluded := false;
    BEGIN
      PERFORM globalmart.exclude_folds(domain, greatest(remaining, 1));
      excluded := true;
      PERFORM globalmart.execute_briefly(statement);
      RETURN;
    EXCEPTION
      -- The savepoint gave everything back, the exclusion of folds first of all. So did a deadlock's victim.
      WHEN lock_not_available OR deadlock_detected THEN
        IF NOT excluded OR clock_timestamp() >= began + patience THEN
          problem := CASE WHEN excluded THEN format('the definitions of %s cannot be changed: others use what would change', domain)
                          ELSE format('transactions that write to the streams of %s are still under way', domain) END;
          RAISE lock_not_available USING
            MESSAGE = problem,
            HINT = coalesce('In the way: ' || globalmart.describe_lock_holders(domain, CASE WHEN excluded THEN relations ELSE '{}' END, readers)
                            || '. Try again when they have ended, or end them with pg_terminate_backend.',
                            'Try again: nobody is in the way any more.');
        END IF;
    END;
    -- Between the attempts, writers have the most of the time.
    PERFORM pg_sleep(least(0.05 * attempt, 0.4));
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.change_definitions(text, text, regclass[], boolean) IS
  'Runs a statement that changes the definitions of a domain, while no fold is under way there. For up to 10 seconds or lock_timeout it tries to get its locks, and keeps no writer waiting for longer than 50 ms each time; then 55P03, with a hint that names who holds relations';
-- streams.sql
-- Domains and streams: which tables are folded, and which of them share a watermark.

-- Commands check that the caller acts for the owner, so that a refusal comes before any work.
CREATE FUNCTION globalmart.require_owner() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT pg_catalog.pg_has_role(current_user, 'globalmart_owner', 'USAGE') THEN
    RAISE insufficient_privilege USING
      MESSAGE = 'only members of globalmart_owner may change streams, rollups and detectors',
      HINT = 'GRANT globalmart_owner TO ' || pg_catalog.quote_ident(current_user);
  END IF;
  IF pg_catalog.current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE invalid_transaction_state USING
      MESSAGE = 'definitions can only be changed in a READ COMMITTED transaction',
      HINT = 'The change must see what was folded up to now.';
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.require_owner() IS 'Raises unless the caller may change definitions, and in READ COMMITTED';

CREATE FUNCTION globalmart.require_read_committed(what text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF pg_catalog.current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE invalid_transaction_state USING
      MESSAGE = what || ' in a READ COMMITTED transaction',
      HINT = 'It must see what others have committed meanwhile. Where the database or the role has another default: SET default_transaction_isolation = ''read committed''.';
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.require_read_committed(text) IS 'Raises SQLSTATE 25000 in any other isolation level; what: the beginning of the message';

CREATE FUNCTION globalmart.definitions_changed(domain text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  -- Numbers never come again, not after a rollback, nor for an extension that is made anew: a backend may have
  -- compiled what was never committed.
  UPDATE globalmart.domains AS d
  SET definition_version = greatest(d.definition_version + 1, (1e6 * extract(epoch FROM clock_timestamp()))::bigint)
  WHERE d.domain = $1
$$;
COMMENT ON FUNCTION globalmart.definitions_changed(text) IS 'Makes every backend compile the definitions of a domain anew';

CREATE FUNCTION globalmart.greatest_event_time(domain text) RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT pg_catalog.max(t) FROM (
    SELECT greatest(p.max_event_time, p.newest_event) FROM globalmart.partition_progress AS p WHERE p.domain = $1
    UNION ALL
    SELECT s.max_event_time FROM globalmart.sql_progress AS s WHERE s.domain = $1
    UNION ALL
    SELECT d.newest_event FROM globalmart.domains AS d WHERE d.domain = $1) AS seen(t)
$$;
COMMENT ON FUNCTION globalmart.greatest_event_time(text) IS 'The greatest event time of a domain that was committed, be it ahead of the clock; NULL before the first event';

-- A definition that begins after an event of the far future would not begin; one that begins before it would lack it,
-- for it is folded already.
CREATE FUNCTION globalmart.boundary_event_time(domain text) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  seen timestamptz := globalmart.greatest_event_time(domain);
  latest timestamptz;
  stream globalmart.streams;
  found_row boolean;
BEGIN
  -- A minute more: the bridge has judged by a clock of its own.
  SELECT CASE WHEN bool_and(m.micros IS NOT NULL) AND max(m.micros) < 1e17
              THEN globalmart.clock() + make_interval(secs => max(m.micros) / 1e6 + 60) END
    INTO latest
  FROM globalmart.streams AS s CROSS JOIN LATERAL globalmart.max_future(s.stream) AS m(micros)
  WHERE s.domain = boundary_event_time.domain AND s.has_offsets;
  IF seen IS NULL OR latest IS NULL OR seen <= latest THEN
    RETURN seen;
  END IF;
  FOR stream IN SELECT s.* FROM globalmart.streams AS s WHERE s.domain = boundary_event_time.domain ORDER BY s.has_offsets DESC, s.stream LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM %s AS t WHERE t.%I > $1)', stream.relation, stream.time_column) INTO found_row USING latest;
    IF found_row THEN
      RAISE object_not_in_prerequisite_state USING
        MESSAGE = format('rows of stream "%s" are further ahead of the clock than max_future allows', stream.stream),
        DETAIL = format('The definition would begin after them only; the latest is at %s.', to_char(seen AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')),
        HINT = format('If they are wrong, DELETE FROM %s WHERE %I > %L. If they are right, allow them: SELECT globalmart.set_setting(''max_future.%s'', ...).',
                      stream.relation, stream.time_column, to_char(latest AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS+00'), stream.stream);
    END IF;
  END LOOP;
  -- They were deleted.
  RETURN latest;
END
$$;
COMMENT ON FUNCTION globalmart.boundary_event_time(text) IS
  'The event time after which a new definition begins: the greatest of its domain. Raises SQLSTATE 55000 where that is further ahead of the clock than max_future allows, unless the rows were deleted';

CREATE FUNCTION globalmart.create_domain(domain text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  log text;
  told record;
BEGIN
  PERFORM globalmart.require_owner();
  IF domain !~ '^[a-z][a-z0-9_]{0,39}$' THEN
    RAISE invalid_parameter_value USING
      MESSAGE = pg_catalog.format('"%s" cannot name a domain', domain),
      HINT = 'Use up to 40 lower-case letters, digits and underscores.';
  END IF;
  INSERT INTO globalmart.domains (domain) VALUES (domain) ON CONFLICT DO NOTHING;
  -- Not by the extension's script: a restored row would meet it.
  INSERT INTO globalmart.close_counter DEFAULT VALUES ON CONFLICT DO NOTHING;
  FOR generation IN 0..1 LOOP
    log := pg_catalog.format('partial_log_%s_%s', domain, generation);
    IF pg_catalog.to_regclass('globalmart.' || log) IS NOT NULL THEN
      CONTINUE;
    END IF;
    EXECUTE pg_catalog.format(
      'CREATE TABLE globalmart.%I (plan_id int NOT NULL, slice timestamptz NOT NULL, '
      'stamp bigint NOT NULL, groups int NOT NULL, body bytea NOT NULL, '
      'fold_rows bigint, fold_seconds real, fold_cpu_seconds real) '
      'WITH (fillfactor = 100, toast_tuple_target = 8160)', log);
    EXECUTE pg_catalog.format('ALTER TABLE globalmart.%I ALTER body SET STORAGE EXTERNAL', log);
    EXECUTE pg_catalog.format('CREATE INDEX ON globalmart.%I (plan_id, slice)', log);
    EXECUTE pg_catalog.format('ALTER TABLE globalmart.%I OWNER TO globalmart_owner', log);
    EXECUTE pg_catalog.format('GRANT SELECT ON globalmart.%I TO globalmart_reader', log);
    EXECUTE pg_catalog.format('COMMENT ON TABLE globalmart.%I IS %L', log,
      'Partials of open windows of domain ' || domain || ': chunks of groups, appended by folds, merged by closes');
    FOR told IN SELECT * FROM (VALUES
      ('plan_id', 'Plan, see partial_plans'), ('slice', 'Start of the slice of event time; of the first event for sessions'),
      ('stamp', 'Number of the publication that the fold saw'), ('groups', 'Number of groups in the chunk'),
      ('body', 'The groups: keys and states, encoded'), ('fold_rows', 'Rows that were folded into it; 0 for a copy'),
      ('fold_seconds', 'Time that this took, for each of the rollups that share it; NULL, as the others: not recorded'),
      ('fold_cpu_seconds', 'CPU time of it, shared likewise')) AS c(name, meaning)
    LOOP
      EXECUTE pg_catalog.format('COMMENT ON COLUMN globalmart.%I.%I IS %L', log, told.name, told.meaning);
    END LOOP;
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.create_domain(text) IS 'Makes a watermark domain and its two partial logs; harmless when it is there';

-- Where a row came from. Every stream has it last, and named alike: it is the identity of a late row.
CREATE FUNCTION globalmart.add_message_columns(relation regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM globalmart.require_owner();
  IF NOT globalmart.has_message_columns(relation) THEN
    EXECUTE format(
      'ALTER TABLE %s ADD received_at timestamptz NOT NULL DEFAULT globalmart.clock(), '
      'ADD kafka_partition int NOT NULL DEFAULT -1, '
      'ADD kafka_offset bigint NOT NULL DEFAULT nextval(''globalmart.sql_row_offset'')', relation);
  END IF;
  EXECUTE format('COMMENT ON COLUMN %s.received_at IS %L', relation,
                 'When the bridge read the message, or the row came by SQL');
  EXECUTE format('COMMENT ON COLUMN %s.kafka_partition IS %L', relation,
                 'Kafka partition that the message came from; -1: the row came by SQL');
  EXECUTE format('COMMENT ON COLUMN %s.kafka_offset IS %L', relation,
                 'Offset of the message in its partition; a number of its own for rows that came by SQL');
END
$$;
COMMENT ON FUNCTION globalmart.add_message_columns(regclass) IS
  'Gives a table the columns that a stream must have, as far as it has none of them: received_at, kafka_partition and kafka_offset, with defaults for rows that come by SQL';

-- Columns of other types would be read for what they are not, and a NULL is no identity.
CREATE FUNCTION globalmart.has_message_columns(relation regclass) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT count(*) = 3
  FROM pg_attribute AS a
  JOIN (VALUES ('received_at', 'timestamptz'::regtype), ('kafka_partition', 'int4'), ('kafka_offset', 'int8')) AS w(name, type)
    ON w.name = a.attname AND w.type = a.atttypid
  WHERE a.attrelid = $1 AND a.attnotnull AND NOT a.attisdropped
$$;
COMMENT ON FUNCTION globalmart.has_message_columns(regclass) IS
  'Whether a table has received_at timestamptz, kafka_partition int and kafka_offset bigint, all NOT NULL';

-- Rows are folded as they come and never again: what a rollup has counted stays counted. DELETE is left to
-- retention and to those who must erase something.
CREATE FUNCTION globalmart.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE feature_not_supported USING
    MESSAGE = format('%s of %I is not supported: it is a stream, and rollups do not follow', TG_OP, TG_TABLE_NAME),
    HINT = 'Append a row that corrects the other, with an id of its own. Old rows go by globalmart.drop_old_partitions() and delete_old_rows().';
END
$$;
COMMENT ON FUNCTION globalmart.refuse_change() IS
  'Statement trigger of stream tables: refuses UPDATE, ON CONFLICT DO UPDATE and TRUNCATE with 0A000';

CREATE FUNCTION globalmart.create_stream_triggers(stream text, relation regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgrelid = relation AND g.tgfoid = 'globalmart.fold_rows()'::regprocedure) THEN
    EXECUTE format(
      'CREATE TRIGGER fold_rows AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows '
      'FOR EACH STATEMENT EXECUTE FUNCTION globalmart.fold_rows(%L)', relation, stream);
  END IF;
  IF NOT EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgrelid = relation AND g.tgfoid = 'globalmart.refuse_change()'::regprocedure) THEN
    EXECUTE format(
      'CREATE TRIGGER refuse_change BEFORE UPDATE OR TRUNCATE ON %s '
      'FOR EACH STATEMENT EXECUTE FUNCTION globalmart.refuse_change()', relation);
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.create_stream_triggers(text, regclass) IS
  'Gives a stream''s table, or a partition of it, the triggers that fold its rows and keep them as they are; harmless when they are there';

CREATE FUNCTION globalmart.make_stream(
  name text, relation regclass, domain text, topic text, time_column name, id_column name, line_column name)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  has_offsets boolean := globalmart.has_message_columns(make_stream.relation);
  is_new boolean := NOT EXISTS (SELECT FROM globalmart.streams AS s WHERE s.stream = make_stream.name);
  newest timestamptz;
  part regclass;
BEGIN
  IF NOT pg_catalog.has_table_privilege('globalmart_owner', make_stream.relation, 'SELECT') THEN
    -- The bridge asks for recent event ids with the owner's rights.
    EXECUTE pg_catalog.format('GRANT SELECT ON %s TO globalmart_owner', make_stream.relation);
  END IF;
  INSERT INTO globalmart.streams AS s (stream, domain, topic, relation, time_column, id_column, line_column, has_offsets)
  VALUES (make_stream.name, make_stream.domain, make_stream.topic, make_stream.relation,
          make_stream.time_column, make_stream.id_column, make_stream.line_column, has_offsets)
  ON CONFLICT (stream) DO UPDATE SET relation = EXCLUDED.relation;
  -- The statement trigger of the table that a statement names is the one that fires, so the root and
  -- every leaf have it.
  FOR part IN
    SELECT t.relid FROM pg_catalog.pg_partition_tree(make_stream.relation) AS t
    UNION SELECT make_stream.relation
  LOOP
    PERFORM globalmart.create_stream_triggers(make_stream.name, part);
  END LOOP;
  -- Rows that are there already are nobody's to fold: rollups begin after them, and a backfill has the rest.
  IF is_new AND has_offsets THEN
    EXECUTE pg_catalog.format('SELECT pg_catalog.max(t.%1$I) FILTER (WHERE pg_catalog.isfinite(t.%1$I)) FROM %2$s AS t', make_stream.time_column, make_stream.relation)
      INTO newest;
    UPDATE globalmart.domains AS d SET newest_event = GREATEST(d.newest_event, newest) WHERE d.domain = make_stream.domain;
    IF newest IS NOT NULL AND make_stream.topic IS NULL THEN
      -- They came by SQL, as those that follow. With a topic the watermark waits for what the bridge has still to read.
      INSERT INTO globalmart.sql_progress (domain, max_event_time, committed_at) VALUES (make_stream.domain, newest, globalmart.clock());
    END IF;
  END IF;
  PERFORM globalmart.definitions_changed(make_stream.domain);
END
$$;
COMMENT ON FUNCTION globalmart.make_stream(text, regclass, text, text, name, name, name) IS
  'What create_stream does once no fold is under way';

-- There is no way back from a stream: what it cannot be kept as is refused before anything is made.
CREATE FUNCTION globalmart.require_new_stream(
  name text, relation regclass, domain text, topic text, time_column name, id_column name, line_column name)
RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  stored pg_class;
  other globalmart.streams;
BEGIN
  IF name IS NULL OR relation IS NULL OR domain IS NULL THEN
    RAISE invalid_parameter_value USING MESSAGE = 'name, relation and domain of a stream must not be NULL';
  END IF;
  IF name !~ '^[a-z][a-z0-9_]{0,49}$' THEN
    RAISE invalid_parameter_value USING
      MESSAGE = format('"%s" cannot name a stream', name),
      HINT = 'Use up to 50 lower-case letters, digits and underscores; partitions are named after it.';
  END IF;
  SELECT c.* INTO stored FROM pg_class AS c WHERE c.oid = relation;
  IF stored.relkind NOT IN ('r', 'p') OR stored.relpersistence <> 'p' THEN
    RAISE invalid_parameter_value USING
      MESSAGE = format('%s cannot be a stream: it is %s', relation,
                       CASE WHEN stored.relkind NOT IN ('r', 'p') THEN 'no table'
                            WHEN stored.relpersistence = 't' THEN 'a temporary table' ELSE 'an unlogged table' END),
      HINT = 'Rollups outlive a session and a crash, and so must the rows that they are compared with: use an ordinary table.';
  END IF;
  SELECT s.* INTO other FROM globalmart.streams AS s
  WHERE s.stream <> name
    AND (s.relation IN (require_new_stream.relation, pg_partition_root(require_new_stream.relation))
         OR s.relation IN (SELECT t.relid FROM pg_partition_tree(require_new_stream.relation) AS t));
  IF FOUND THEN
    RAISE invalid_parameter_value USING
      MESSAGE = format('%s cannot be a stream: rows of it are folded as stream "%s"', relation, other.stream),
      HINT = 'Make rollups over that one.';
  END IF;
  SELECT s.* INTO other FROM globalmart.streams AS s WHERE s.stream = name;
  -- A table that was dropped may be made anew.
  IF FOUND AND ((other.domain, other.time_column, other.id_column) <> (domain, time_column, id_column)
                OR (other.topic, other.line_column) IS DISTINCT FROM (topic, line_column)
                OR (other.relation <> relation AND EXISTS (SELECT FROM pg_class AS c WHERE c.oid = other.relation))) THEN
    RAISE invalid_parameter_value USING
      MESSAGE = format('there is a stream "%s" of another table, domain, topic or columns', name),
      DETAIL = format('Table %s, domain %s, topic %s, columns %s.', other.relation, other.domain, coalesce(other.topic, 'none'),
                      concat_ws(', ', other.time_column, other.id_column, other.line_column)),
      HINT = 'A stream stays as it was made; choose another name, and another table.';
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.require_new_stream(text, regclass, text, text, name, name, name) IS
  'Raises SQLSTATE 22023 unless a table can be made this stream, or is it already';

CREATE FUNCTION globalmart.create_stream(
  name text, relation regclass, domain text, topic text, time_column name, id_column name,
  line_column name DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  has_offsets boolean := globalmart.has_message_columns(create_stream.relation);
BEGIN
  PERFORM globalmart.require_owner();
  PERFORM globalmart.require_new_stream(name, relation, domain, topic, time_column, id_column, line_column);
  -- Rows are folded with the rights of globalmart_owner: what it may not see, every insert would fail at.
  IF NOT (SELECT pg_catalog.has_schema_privilege('globalmart_owner', c.relnamespace, 'USAGE')
          FROM pg_catalog.pg_class AS c WHERE c.oid = create_stream.relation) THEN
    RAISE insufficient_privilege USING
      MESSAGE = pg_catalog.format('globalmart_owner may not use the schema of %s', create_stream.relation),
      DETAIL = 'Rows are folded with its rights, so that every INSERT into the table would fail.',
      HINT = (SELECT pg_catalog.format('GRANT USAGE ON SCHEMA %s TO globalmart_owner', c.relnamespace::pg_catalog.regnamespace)
              FROM pg_catalog.pg_class AS c WHERE c.oid = create_stream.relation);
  END IF;
  PERFORM globalmart.create_domain(create_stream.domain);
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = create_stream.relation
                 AND a.attname = create_stream.time_column AND a.atttypid = 'timestamptz'::regtype AND a.attnotnull) THEN
    RAISE invalid_parameter_value USING
      MESSAGE = pg_catalog.format('%s has no NOT NULL timestamptz column %I', create_stream.relation, create_stream.time_column),
      HINT = 'A stream needs an event time.';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = create_stream.relation
                 AND a.attname = create_stream.id_column AND a.atttypid = 'uuid'::regtype AND a.attnotnull) THEN
    RAISE invalid_parameter_value USING
      MESSAGE = pg_catalog.format('%s has no NOT NULL uuid column %I', create_stream.relation, create_stream.id_column),
      HINT = 'A stream needs an event id.';
  END IF;
  IF create_stream.line_column IS NOT NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS a
                 WHERE a.attrelid = create_stream.relation AND a.attname = create_stream.line_column AND a.attnum > 0) THEN
    RAISE invalid_parameter_value USING
      MESSAGE = pg_catalog.format('%s has no column %I', create_stream.relation, create_stream.line_column),
      HINT = 'line_column is what tells apart the rows of one event; NULL when there is one row each.';
  END IF;
  IF NOT has_offsets AND NOT EXISTS (SELECT FROM globalmart.rollup_catalog AS c WHERE c.name = create_stream.name AND c.kind = 'detector') THEN
    RAISE invalid_parameter_value USING
      MESSAGE = pg_catalog.format('%s has no columns received_at timestamptz, kafka_partition int and kafka_offset bigint, all NOT NULL', create_stream.relation),
      DETAIL = 'Without them its rows could not move the watermark, and no window would close.',
      HINT = pg_catalog.format('SELECT globalmart.add_message_columns(%L)', create_stream.relation);
  END IF;
  PERFORM globalmart.change_definitions(create_stream.domain,
    pg_catalog.format('SELECT globalmart.make_stream(%L, %L, %L, %L, %L, %L, %L)', create_stream.name, create_stream.relation,
      create_stream.domain, create_stream.topic, create_stream.time_column, create_stream.id_column, create_stream.line_column),
    ARRAY(SELECT t.relid FROM pg_catalog.pg_partition_tree(create_stream.relation) AS t UNION SELECT create_stream.relation), readers => false);
END
$$;
COMMENT ON FUNCTION globalmart.create_stream(text, regclass, text, text, name, name, name) IS
  'Makes a table a stream: its new rows are folded into rollups. domain: streams that share a watermark; topic: where the rows come from, NULL for none; line_column: with the id, the identity of a row. globalmart_owner needs USAGE on the schema of the table, and gets SELECT on the table';

CREATE FUNCTION globalmart.domain_of_relations(relations oid[]) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  domains text[];
BEGIN
  SELECT pg_catalog.array_agg(DISTINCT s.domain) INTO domains
  FROM globalmart.streams AS s WHERE s.relation = ANY (relations);
  IF pg_catalog.cardinality(domains) <> 1 THEN
    RAISE feature_not_supported USING
      MESSAGE = 'a rollup cannot maintain streams of different watermark domains together',
      DETAIL = 'Part of the query: FROM, over ' || pg_catalog.array_to_string(domains, ', '),
      HINT = 'Make one rollup for each and join their tables.';
  END IF;
  RETURN domains[1];
END
$$;
COMMENT ON FUNCTION globalmart.domain_of_relations(oid[]) IS 'The one watermark domain of these streams';
-- rollup_versions.sql
-- The definitions of a rollup: each in force for a span of event time, and merged from partials that it
-- may share with others.

-- The plan that a rollup's partials go to: one that is there, if the rollup can be merged from it.
CREATE FUNCTION globalmart.choose_plan(
  domain text, description globalmart.rollup_description, query text,
  OUT plan_id int, OUT key_numbers int[], OUT aggregate_numbers int[])
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  signature text;
  known text[];
BEGIN
  IF description.sharable THEN
    SELECT p.plan_id INTO choose_plan.plan_id
    FROM globalmart.partial_plans AS p
    WHERE p.domain = choose_plan.domain AND p.source = description.source AND p.window_kind = 'slice'
      AND p.key_signatures @> description.key_signatures
      AND description.width % p.slice_width = 0 AND description.slide % p.slice_width = 0
      AND (description.window_offset - p.slice_offset) % p.slice_width = 0
    ORDER BY pg_catalog.cardinality(p.key_signatures), p.slice_width DESC, p.plan_id
    LIMIT 1;
  END IF;
  IF choose_plan.plan_id IS NULL THEN
    INSERT INTO globalmart.partial_plans
      (domain, source, window_kind, slice_width, slice_offset, key_signatures, aggregate_signatures, base_query)
    VALUES (choose_plan.domain,
            CASE WHEN description.sharable THEN description.source ELSE 'own: ' || description.source END,
            CASE description.window_kind WHEN 'session' THEN 'session' ELSE 'slice' END,
            description.slice_width, description.window_offset, description.key_signatures, '{}', choose_plan.query)
    RETURNING partial_plans.plan_id INTO choose_plan.plan_id;
  END IF;
  SELECT p.key_signatures INTO known FROM globalmart.partial_plans AS p WHERE p.plan_id = choose_plan.plan_id;
  key_numbers := '{}';
  FOREACH signature IN ARRAY description.key_signatures LOOP
    key_numbers := key_numbers || (pg_catalog.array_position(known, signature) - 1);
  END LOOP;
  SELECT p.aggregate_signatures INTO known FROM globalmart.partial_plans AS p WHERE p.plan_id = choose_plan.plan_id;
  aggregate_numbers := '{}';
  FOREACH signature IN ARRAY description.aggregate_signatures LOOP
    IF NOT signature = ANY (known) THEN
      known := known || signature;
    END IF;
    aggregate_numbers := aggregate_numbers || (pg_catalog.array_position(known, signature) - 1);
  END LOOP;
  UPDATE globalmart.partial_plans AS p SET aggregate_signatures = known WHERE p.plan_id = choose_plan.plan_id;
END
$$;
COMMENT ON FUNCTION globalmart.choose_plan(text, globalmart.rollup_description, text) IS
  'Finds or makes the shared partials that a rollup is merged from';

-- A definition in force from a boundary on.
CREATE FUNCTION globalmart.add_version(name text, domain text, query text, live_from timestamptz)
RETURNS int
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  version_id int := pg_catalog.nextval(pg_catalog.pg_get_serial_sequence('globalmart.rollup_versions', 'version_id'));
  description globalmart.rollup_description := globalmart.describe_rollup(query, version_id, name);
  plan record;
BEGIN
  SELECT * INTO plan FROM globalmart.choose_plan(domain, description, query);
  INSERT INTO globalmart.rollup_versions
    (version_id, rollup, domain, query, plan_id, key_numbers, aggregate_numbers, window_kind, width, slide,
     window_offset, live_from, close_query, window_query, per_window, columns, key_columns, clock_columns)
  OVERRIDING SYSTEM VALUE
  VALUES (version_id, add_version.name, add_version.domain, add_version.query, plan.plan_id, plan.key_numbers,
          plan.aggregate_numbers, description.window_kind, description.width, description.slide,
          description.window_offset, add_version.live_from, description.close_query, description.window_query,
          description.per_window, description.column_names, description.key_columns, description.clock_columns);
  INSERT INTO globalmart.rollup_progress (version_id, domain, closed_until, merged_until, costs_from)
  VALUES (version_id, add_version.domain, add_version.live_from, add_version.live_from, add_version.live_from);
  RETURN version_id;
END
$$;
COMMENT ON FUNCTION globalmart.add_version(text, text, text, timestamptz) IS
  'Records a definition of a rollup, in force for windows that begin at live_from or later';

-- The partials of a failed rollup are there; only what is made of them at the close is at fault.
CREATE FUNCTION globalmart.mend_versions(name text, query text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  version record;
  description globalmart.rollup_description;
  mended boolean := false;
BEGIN
  FOR version IN
    SELECT v.version_id, p.key_signatures, p.aggregate_signatures, v.live_until
    FROM globalmart.rollup_versions AS v
    JOIN globalmart.rollup_progress AS g USING (version_id)
    JOIN globalmart.partial_plans AS p USING (plan_id),
      LATERAL globalmart.describe_rollup(mend_versions.query, v.version_id, v.rollup) AS d
    WHERE v.rollup = mend_versions.name AND g.merged_until < g.closed_until
      AND (v.window_kind, v.width, v.slide, v.window_offset) = (d.window_kind, d.width, d.slide, d.window_offset)
      AND p.source = CASE WHEN d.sharable THEN d.source ELSE 'own: ' || d.source END
      AND (SELECT array_agg(p.key_signatures[k + 1] ORDER BY p.key_signatures[k + 1]) FROM unnest(v.key_numbers) AS k)
          IS NOT DISTINCT FROM (SELECT array_agg(k ORDER BY k) FROM unnest(d.key_signatures) AS k)
      AND v.key_columns @> d.key_columns AND v.key_columns <@ d.key_columns
      -- States that the version did not ask for were perhaps not folded from its first window on.
      AND d.aggregate_signatures <@ (SELECT array_agg(p.aggregate_signatures[a + 1]) || '{}'::text[] FROM unnest(v.aggregate_numbers) AS a)
  LOOP
    description := globalmart.describe_rollup(mend_versions.query, version.version_id, mend_versions.name);
    UPDATE globalmart.rollup_versions AS v
    SET query = mend_versions.query, close_query = description.close_query, window_query = description.window_query,
        per_window = description.per_window, clock_columns = description.clock_columns,
        key_numbers = (SELECT coalesce(array_agg(array_position(version.key_signatures, k) - 1 ORDER BY n), '{}')
                       FROM unnest(description.key_signatures) WITH ORDINALITY AS u(k, n)),
        aggregate_numbers = (SELECT coalesce(array_agg(array_position(version.aggregate_signatures, a) - 1 ORDER BY n), '{}')
                             FROM unnest(description.aggregate_signatures) WITH ORDINALITY AS u(a, n))
    WHERE v.version_id = version.version_id;
    IF version.live_until = 'infinity' THEN
      UPDATE globalmart.rollup_catalog AS c SET query = mend_versions.query WHERE c.name = mend_versions.name;
    END IF;
    mended := true;
  END LOOP;
  RETURN mended;
END
$$;
COMMENT ON FUNCTION globalmart.mend_versions(text, text) IS
  'Gives a failed rollup''s definitions that have windows waiting another query, where it has the same source, windows, keys and aggregates; says whether it gave any';

CREATE FUNCTION globalmart.delete_versions(rollup text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  -- First what a merge locks, and then what it wrote.
  DELETE FROM globalmart.rollup_progress AS p USING globalmart.rollup_versions AS v
  WHERE v.version_id = p.version_id AND v.rollup = $1;
  DELETE FROM globalmart.merge_costs AS m USING globalmart.rollup_versions AS v
  WHERE v.version_id = m.version_id AND v.rollup = $1;
  DELETE FROM globalmart.fold_costs AS f USING globalmart.rollup_versions AS v
  WHERE v.plan_id = f.plan_id AND v.rollup = $1
    AND NOT EXISTS (SELECT FROM globalmart.rollup_versions AS o WHERE o.plan_id = v.plan_id AND o.rollup <> v.rollup);
  DELETE FROM globalmart.rollup_versions AS v WHERE v.rollup = $1;
$$;
COMMENT ON FUNCTION globalmart.delete_versions(text) IS 'Forgets the definitions of a rollup or detector, how far they were closed and what they cost';

-- Queries are kept as text, in which PostgreSQL sees nothing. A function that has them as its body is what it knows
-- the dependencies by: a DROP of what a definition reads is refused, and a dump restores things in their order. Nobody
-- may call it. The queries of plans count, too: what was made for one rollup is folded for others.
CREATE FUNCTION globalmart.forget_definition(name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  recorded text := format('globalmart.%I()', name || '_definition');
BEGIN
  -- By force (CASCADE) it may have gone before.
  IF to_regprocedure(recorded) IS NOT NULL THEN
    EXECUTE format('DROP FUNCTION %s', recorded);
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.forget_definition(text) IS 'Drops the function NAME_definition() of a rollup or detector';

CREATE FUNCTION globalmart.record_definition(name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  recorded text := format('globalmart.%I()', name || '_definition');
  queries text;
BEGIN
  -- Lines of their own: a query may end in a comment.
  SELECT string_agg(q.query || E'\n;\n', '' ORDER BY q.number, q.query) INTO queries
  FROM (SELECT u.query, min(v.version_id) AS number
        FROM globalmart.rollup_versions AS v LEFT JOIN globalmart.partial_plans AS p USING (plan_id),
          LATERAL (VALUES (v.query), (p.base_query)) AS u(query)
        WHERE v.rollup = record_definition.name AND u.query IS NOT NULL
        GROUP BY u.query) AS q;
  -- What is found goes into the detector's table, in the transaction that brings the event.
  queries := queries || coalesce((
    SELECT format(E'SELECT %s FROM globalmart.%I;\n', string_agg(quote_ident(c), ', ' ORDER BY n), v.rollup)
    FROM globalmart.rollup_versions AS v, unnest(v.columns || '{created_at}') WITH ORDINALITY AS u(c, n)
    WHERE v.rollup = record_definition.name AND v.plan_id IS NULL
    GROUP BY v.rollup), '');
  PERFORM globalmart.forget_definition(name);
  -- Names mean what they mean to the compiler, until the function ends.
  PERFORM set_config('search_path', 'pg_catalog, globalmart, pg_temp', true);
  EXECUTE format('CREATE FUNCTION %s RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp BEGIN ATOMIC %s END',
                 recorded, queries);
  EXECUTE format('ALTER FUNCTION %s OWNER TO globalmart_owner', recorded);
  EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC, globalmart_owner', recorded);
  EXECUTE format('COMMENT ON FUNCTION %s IS %L', recorded, 'The queries that ' || name || ' stands on, for PostgreSQL to know what they read. Not to be called');
END
$$;
COMMENT ON FUNCTION globalmart.record_definition(text) IS
  'Makes or renews the function NAME_definition() of a rollup or detector, on which PostgreSQL''s dependencies hang';

-- A new query must fit the table: writers would run into it otherwise, or closes.
CREATE FUNCTION globalmart.require_same_columns(name text, column_names text[], column_types text[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  old_columns text[];
  old_types text[];
  given text;
  kept text;
BEGIN
  SELECT v.columns INTO old_columns FROM globalmart.rollup_versions AS v
  WHERE v.rollup = require_same_columns.name ORDER BY v.version_id DESC LIMIT 1;
  SELECT array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY u.n) INTO old_types
  FROM unnest(old_columns) WITH ORDINALITY AS u(c, n)
  LEFT JOIN pg_attribute AS a ON a.attrelid = format('globalmart.%I', require_same_columns.name)::regclass
                             AND a.attname = u.c AND NOT a.attisdropped;
  IF (column_names, column_types) IS DISTINCT FROM (old_columns, old_types) THEN
    SELECT string_agg(concat_ws(' ', u.c, u.t), ', ' ORDER BY u.n) INTO given
    FROM ROWS FROM (unnest(column_names), unnest(column_types)) WITH ORDINALITY AS u(c, t, n);
    SELECT string_agg(concat_ws(' ', u.c, u.t), ', ' ORDER BY u.n) INTO kept
    FROM ROWS FROM (unnest(old_columns), unnest(old_types)) WITH ORDINALITY AS u(c, t, n);
    RAISE feature_not_supported USING
      MESSAGE = format('the new query of "%s" has other columns', require_same_columns.name),
      DETAIL = format('It gives (%s), the table has (%s).', given, kept),
      HINT = 'Cast columns to the types of the table, or make another rollup or detector for other columns.';
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.require_same_columns(text, text[], text[]) IS
  'Raises unless a new query gives the columns that a rollup''s or detector''s table has';

-- Where windows of the old shape end and windows of the new shape begin, no event stands in both. Shapes
-- that have no such time within a day overlap.
CREATE FUNCTION globalmart.common_boundary(name text, description globalmart.rollup_description, earliest timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  old globalmart.rollup_versions;
  boundary timestamptz := earliest;
BEGIN
  SELECT v.* INTO old FROM globalmart.rollup_versions AS v
  WHERE v.rollup = common_boundary.name ORDER BY v.version_id DESC LIMIT 1;
  IF old.window_kind = 'session' OR description.window_kind = 'session' THEN
    RETURN earliest;
  END IF;
  WHILE boundary <= earliest + interval '24 hours' LOOP
    IF globalmart.closable_until(boundary, old.window_kind, old.width, old.slide, old.window_offset) = boundary THEN
      RETURN boundary;
    END IF;
    -- The end of the old window that this time stands in, then the new one's next start.
    boundary := globalmart.next_boundary(
      globalmart.next_boundary(boundary, old.window_kind, old.slide, old.slide, old.window_offset) - interval '1 microsecond',
      description.window_kind, description.width, description.slide, description.window_offset);
  END LOOP;
  RETURN earliest;
END
$$;
COMMENT ON FUNCTION globalmart.common_boundary(text, globalmart.rollup_description, timestamptz) IS
  'The first time from earliest on at which a window of a rollup ends and one of its new definition begins';
-- rollup_tables.sql
-- What a rollup or detector is to its readers: the table, and the view that has its open windows too.

-- The table and its key; columns as the query names them, created_at last.
CREATE FUNCTION globalmart.create_rollup_table(
  name text, column_names text[], column_types text[], key_columns text[], primary_key boolean, not_null text[])
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  columns text;
  keys text;
BEGIN
  SELECT pg_catalog.string_agg(
           pg_catalog.format('%I %s%s', c, t, CASE WHEN c = ANY (not_null) THEN ' NOT NULL' ELSE '' END), ', ' ORDER BY n)
    INTO columns
  FROM ROWS FROM (pg_catalog.unnest(column_names), pg_catalog.unnest(column_types)) WITH ORDINALITY AS u(c, t, n);
  EXECUTE pg_catalog.format('CREATE TABLE globalmart.%I (%s, created_at timestamptz NOT NULL DEFAULT globalmart.clock())',
                            name, columns);
  IF pg_catalog.cardinality(key_columns) > 0 THEN
    SELECT pg_catalog.string_agg(pg_catalog.quote_ident(k), ', ' ORDER BY n) INTO keys
    FROM pg_catalog.unnest(key_columns) WITH ORDINALITY AS u(k, n);
    EXECUTE pg_catalog.format(
      CASE WHEN primary_key THEN 'ALTER TABLE globalmart.%I ADD PRIMARY KEY (%s)'
           ELSE 'ALTER TABLE globalmart.%I ADD UNIQUE NULLS NOT DISTINCT (%s)' END, name, keys);
  END IF;
  EXECUTE pg_catalog.format('ALTER TABLE globalmart.%I OWNER TO globalmart_owner', name);
  EXECUTE pg_catalog.format('GRANT SELECT ON globalmart.%I TO globalmart_reader, globalmart_analyst', name);
  EXECUTE pg_catalog.format('COMMENT ON COLUMN globalmart.%I.created_at IS %L', name,
                            'When the row was appended (UTC): the closer''s clock, one value for all rows of one close');
END
$$;
COMMENT ON FUNCTION globalmart.create_rollup_table(text, text[], text[], text[], boolean, text[]) IS
  'Makes the table of a rollup or detector';

CREATE FUNCTION globalmart.copy_column_comments(from_relation regclass, to_relation regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  told record;
BEGIN
  FOR told IN
    SELECT t.attname AS name, col_description(f.attrelid, f.attnum) AS meaning
    FROM pg_attribute AS t JOIN pg_attribute AS f ON f.attrelid = from_relation AND f.attname = t.attname AND f.attnum > 0
    WHERE t.attrelid = to_relation AND t.attnum > 0 AND NOT t.attisdropped ORDER BY t.attnum
  LOOP
    IF told.meaning IS NOT NULL THEN
      EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', to_relation, told.name, told.meaning);
    END IF;
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.copy_column_comments(regclass, regclass) IS
  'Gives the columns of a view the comments of the columns of the same names in its table';

-- Comments as the engine writes them: of the table its query, of a column what it is made of. A change of the query
-- brings new ones. Those that somebody else wrote stay, and the table's then says that the query has changed since.
CREATE FUNCTION globalmart.table_comment(kind text, query text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE kind WHEN 'detector' THEN 'Detector, rows appended as they come: ' ELSE 'Rollup, rows appended as windows close: ' END || query
$$;
COMMENT ON FUNCTION globalmart.table_comment(text, text) IS 'What a rollup''s or detector''s table is commented with when it is made';

CREATE FUNCTION globalmart.column_comments(column_names text[], expressions text[], key_columns text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT array_agg(CASE c WHEN 'window_start' THEN 'Start of the window (UTC), inclusive'
                          WHEN 'window_end' THEN 'End of the window (UTC), exclusive'
                          ELSE CASE WHEN c = ANY (key_columns) THEN 'Key: ' ELSE 'Value: ' END || regexp_replace(e, E'\\n\\s*', ' ', 'g') END ORDER BY n)
  FROM ROWS FROM (unnest(column_names), unnest(expressions)) WITH ORDINALITY AS u(c, e, n)
$$;
COMMENT ON FUNCTION globalmart.column_comments(text[], text[], text[]) IS
  'What the columns of a rollup''s or detector''s table are commented with when it is made: the expressions that they are';

-- Only where there is still the comment of before.
CREATE FUNCTION globalmart.comment_columns(name text, column_names text[], before text[], comments text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  relation regclass := format('globalmart.%I', name)::regclass;
BEGIN
  FOR number IN 1 .. cardinality(column_names) LOOP
    IF (SELECT col_description(a.attrelid, a.attnum) IS NOT DISTINCT FROM before[number]
        FROM pg_attribute AS a WHERE a.attrelid = relation AND a.attname = column_names[number]) THEN
      EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', relation, column_names[number], comments[number]);
    END IF;
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.comment_columns(text, text[], text[], text[]) IS
  'Comments columns of a rollup''s or detector''s table that have the comment of before still';

CREATE FUNCTION globalmart.comments_of_query(kind text, query text) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  rollup globalmart.rollup_description;
  detector globalmart.detector_description;
BEGIN
  IF kind = 'rollup' THEN
    rollup := globalmart.describe_rollup(query, 1);
    RETURN globalmart.column_comments(rollup.column_names, rollup.column_expressions, rollup.key_columns);
  END IF;
  detector := globalmart.describe_detector(query);
  RETURN globalmart.column_comments(detector.column_names, detector.column_expressions, globalmart.detector_keys(detector));
END
$$;
COMMENT ON FUNCTION globalmart.comments_of_query(text, text) IS 'What the engine comments the columns of such a query with';

CREATE FUNCTION globalmart.renew_comments(name text, kind text, old_query text, new_query text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  relation regclass := format('globalmart.%I', name)::regclass;
  changed text := '; the query has changed since, see globalmart.rollups';
  told text := obj_description(relation, 'pg_class');
  before text[];
BEGIN
  IF told = globalmart.table_comment(kind, old_query) THEN
    told := globalmart.table_comment(kind, new_query);
  ELSIF new_query <> old_query AND right(told, length(changed)) <> changed THEN
    told := told || changed;
  END IF;
  EXECUTE format('COMMENT ON TABLE %s IS %L', relation, told);
  BEGIN
    before := globalmart.comments_of_query(kind, old_query);
  EXCEPTION WHEN OTHERS THEN
    -- What the old query reads may be gone: that is perhaps why there is a new one.
    RETURN;
  END;
  PERFORM globalmart.comment_columns(name,
    (SELECT v.columns FROM globalmart.rollup_versions AS v WHERE v.rollup = renew_comments.name ORDER BY v.version_id DESC LIMIT 1),
    before, globalmart.comments_of_query(kind, new_query));
END
$$;
COMMENT ON FUNCTION globalmart.renew_comments(text, text, text, text) IS
  'Brings the comments of a rollup''s or detector''s table up to date with its new query, as far as the engine wrote them';

-- A query that looks across the groups of a window is run for one window at a time.
CREATE FUNCTION globalmart.each_window_query(window_query text, query text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT format('SELECT each_row.* FROM (%s) AS each_window CROSS JOIN LATERAL (%s) AS each_row', window_query,
    globalmart.bind_parameters(query, '(each_window.window_end - interval ''1 microsecond'')', 'each_window.window_end'))
$$;
COMMENT ON FUNCTION globalmart.each_window_query(text, text) IS
  'SQL that runs a query with parameters $1 < window_end <= $2 for each window_end that another query gives';

CREATE FUNCTION globalmart.open_window_query(window_query text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT format('SELECT DISTINCT w.window_end FROM (%s) AS w',
    globalmart.bind_parameters(window_query, 'NULL::timestamptz', 'NULL::timestamptz'))
$$;
COMMENT ON FUNCTION globalmart.open_window_query(text) IS 'The ends of the windows that a rollup has open';

CREATE FUNCTION globalmart.create_live_view(name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  shown text[];
  columns text;
  selected text;
  open_parts text;
BEGIN
  -- The columns that queries give, and created_at. What the owner added is in the table only.
  SELECT v.columns || '{created_at}' INTO shown
  FROM globalmart.rollup_versions AS v WHERE v.rollup = name ORDER BY v.version_id DESC LIMIT 1;
  SELECT pg_catalog.string_agg(pg_catalog.format('%I', a.attname), ', ' ORDER BY a.attnum)
    INTO columns
  FROM pg_catalog.pg_attribute AS a
  WHERE a.attrelid = pg_catalog.format('globalmart.%I', name)::regclass AND a.attname = ANY (shown);
  SELECT pg_catalog.string_agg(
           pg_catalog.format('%s::%s', CASE a.attname WHEN 'created_at' THEN 'NULL' ELSE 'q.' || pg_catalog.quote_ident(a.attname) END,
                             pg_catalog.format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
    INTO selected
  FROM pg_catalog.pg_attribute AS a
  WHERE a.attrelid = pg_catalog.format('globalmart.%I', name)::regclass AND a.attname = ANY (shown);
  SELECT pg_catalog.string_agg(
           pg_catalog.format(' UNION ALL SELECT %s, ''open''::text FROM (%s) AS q', selected,
                             CASE WHEN v.per_window
                                  THEN globalmart.each_window_query(globalmart.open_window_query(v.window_query), v.close_query)
                                  ELSE (globalmart.describe_rollup(v.query, v.version_id, v.rollup)).live_query END),
           '' ORDER BY v.version_id)
    INTO open_parts
  FROM globalmart.rollup_versions AS v JOIN globalmart.rollup_progress AS p USING (version_id)
  WHERE v.rollup = name AND p.merged_until < v.live_until + pg_catalog.make_interval(secs => v.width / 1e6);
  EXECUTE pg_catalog.format('CREATE OR REPLACE VIEW globalmart.%I AS SELECT %s, ''closed''::text AS state FROM globalmart.%I%s',
                            name || '_live', columns, name, open_parts);
  EXECUTE pg_catalog.format('ALTER VIEW globalmart.%I OWNER TO globalmart_owner', name || '_live');
  EXECUTE pg_catalog.format('GRANT SELECT ON globalmart.%I TO globalmart_reader, globalmart_analyst', name || '_live');
  EXECUTE pg_catalog.format('COMMENT ON VIEW globalmart.%I IS %L', name || '_live',
    'The rows of ' || name || ' (state closed), and what a close now would append for its open windows (state open)');
  PERFORM globalmart.copy_column_comments(pg_catalog.format('globalmart.%I', name), pg_catalog.format('globalmart.%I', name || '_live'));
  EXECUTE pg_catalog.format('COMMENT ON COLUMN globalmart.%I.state IS %L', name || '_live',
    'closed: a row of the table; open: what a close now would append');
END
$$;
COMMENT ON FUNCTION globalmart.create_live_view(text) IS 'Makes or renews the _live view of a rollup';
-- rollup_commands.sql
-- create_rollup, alter_rollup and their kin. The compiler (C++) says what a query means; what follows has
-- the table, the view and the catalogue's rows made of it.

CREATE FUNCTION globalmart.require_name(name text) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF name IS NULL OR name !~ '^[a-z][a-z0-9_]{0,49}$' THEN
    RAISE invalid_name USING
      MESSAGE = pg_catalog.format('"%s" cannot name a rollup or detector', name),
      HINT = 'Use up to 50 lower-case letters, digits and underscores; it becomes the name of a table.';
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.require_name(text) IS 'Raises unless a name can be that of a rollup';

-- A name has a table, its row type, a view and a function made of it.
CREATE FUNCTION globalmart.require_free_name(name text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM pg_class AS c WHERE c.relnamespace = 'globalmart'::regnamespace AND c.relname IN (name, name || '_live'))
     OR EXISTS (SELECT FROM pg_type AS t WHERE t.typnamespace = 'globalmart'::regnamespace AND t.typname IN (name, name || '_live'))
     OR to_regprocedure(format('globalmart.%I()', name || '_definition')) IS NOT NULL THEN
    RAISE duplicate_object USING
      MESSAGE = format('"%s" cannot name a rollup or detector: schema globalmart has something else of that name', name),
      HINT = format('Choose another name: the engine makes %s, %s_live and the function %s_definition.', name, name, name);
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.require_free_name(text) IS 'Raises SQLSTATE 42710 when something else has a name that a rollup or detector needs';

CREATE FUNCTION globalmart.require_query(kind text, query text) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF query IS NULL THEN
    RAISE invalid_parameter_value USING MESSAGE = format('the query of a %s must not be NULL', kind),
      HINT = CASE kind WHEN 'rollup' THEN 'Give SELECT ... FROM stream, globalmart.tumble(event_time, width) ... GROUP BY window_start, window_end, keys.'
                       ELSE 'Give SELECT columns FROM a stream WHERE a condition on the row.' END;
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.require_query(text, text) IS 'Raises unless there is a query';

-- Columns that the table can have, besides those of the engine.
CREATE FUNCTION globalmart.require_columns(kind text, column_names text[]) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  cannot text := CASE kind WHEN 'rollup' THEN 'a rollup cannot maintain' ELSE 'a detector cannot have' END;
  twice text := (SELECT c FROM unnest(column_names) AS c GROUP BY c HAVING count(*) > 1 ORDER BY c LIMIT 1);
BEGIN
  IF kind = 'rollup' AND column_names && ARRAY['created_at', 'state'] THEN
    RAISE feature_not_supported USING
      MESSAGE = cannot || ' a column called created_at or state',
      DETAIL = 'Part of the query: SELECT',
      HINT = 'Choose another name: the engine appends created_at to the table, and state to its _live view.';
  ELSIF 'created_at' = ANY (column_names) THEN
    RAISE feature_not_supported USING
      MESSAGE = cannot || ' a column called created_at',
      DETAIL = 'Part of the query: SELECT',
      HINT = 'Choose another name: the engine appends created_at to the table.';
  ELSIF twice IS NOT NULL THEN
    RAISE feature_not_supported USING
      MESSAGE = format('%s two columns called %s', cannot, twice),
      DETAIL = 'Part of the query: SELECT',
      HINT = 'Give each a name of its own with AS.';
  ELSIF cardinality(column_names) = 0 THEN
    RAISE feature_not_supported USING
      MESSAGE = cannot || ' no columns',
      DETAIL = 'Part of the query: SELECT',
      HINT = 'Select the columns of the stream that the table is to have.';
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.require_columns(text, text[]) IS 'Raises SQLSTATE 0A000 unless a table can have these columns besides those of the engine';

CREATE FUNCTION globalmart.require_settings(lateness interval, idle_timeout interval, watermark_policy text) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF lateness < interval '0' OR idle_timeout < interval '0' THEN
    RAISE invalid_parameter_value USING MESSAGE = 'lateness and idle_timeout must not be negative';
  END IF;
  IF EXISTS (SELECT FROM (VALUES (lateness), (idle_timeout)) AS g(given)
             WHERE EXTRACT(year FROM g.given) <> 0 OR EXTRACT(month FROM g.given) <> 0 OR EXTRACT(day FROM g.given) <> 0) THEN
    RAISE invalid_parameter_value USING MESSAGE = 'lateness and idle_timeout must not be given in months or days',
      HINT = 'Give them in minutes or hours: the length of a day depends on the time zone of the session.';
  END IF;
  IF lateness > interval '87660 hours' OR idle_timeout > interval '87660 hours' THEN
    RAISE invalid_parameter_value USING MESSAGE = 'lateness and idle_timeout must not exceed ten years',
      HINT = 'The most is 87660 hours.';
  END IF;
  IF watermark_policy NOT IN ('min', 'max') THEN
    RAISE invalid_parameter_value USING
      MESSAGE = pg_catalog.format('watermark_policy must be min or max, not "%s"', watermark_policy);
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.require_settings(interval, interval, text) IS 'Raises unless a rollup''s settings make sense';

CREATE FUNCTION globalmart.require_rollup(name text, kind text DEFAULT NULL) RETURNS globalmart.rollup_catalog
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_row globalmart.rollup_catalog;
BEGIN
  SELECT c.* INTO found_row FROM globalmart.rollup_catalog AS c
  WHERE c.name = require_rollup.name AND (require_rollup.kind IS NULL OR c.kind = require_rollup.kind);
  IF NOT FOUND AND require_rollup.kind = 'rollup' AND EXISTS (SELECT FROM globalmart.rollup_catalog AS c WHERE c.name = require_rollup.name) THEN
    RAISE wrong_object_type USING
      MESSAGE = pg_catalog.format('"%s" is a detector, not a rollup', name),
      HINT = 'A detector has no windows: its rows are appended as they come, there is nothing to close, to fill or to verify.';
  END IF;
  IF found_row.name IS NULL THEN
    RAISE undefined_object USING
      MESSAGE = pg_catalog.format('there is no %s "%s"', COALESCE(kind, 'rollup or detector'), name),
      HINT = 'See the view globalmart.rollups.';
  END IF;
  RETURN found_row;
END
$$;
COMMENT ON FUNCTION globalmart.require_rollup(text, text) IS 'The catalogue''s row of a rollup, or an error that says where to look';

CREATE FUNCTION globalmart.rollup_relations(name text) RETURNS regclass[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT array_agg(c.oid::regclass)
  FROM pg_class AS c
  WHERE c.relnamespace = 'globalmart'::regnamespace AND c.relname IN ($1, $1 || '_live')
$$;
COMMENT ON FUNCTION globalmart.rollup_relations(text) IS 'The table of a rollup or detector, and its _live view';

CREATE FUNCTION globalmart.make_rollup(
  name text, query text, lateness interval, idle_timeout interval, watermark_policy text)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  description globalmart.rollup_description := globalmart.describe_rollup(query);
  domain text := globalmart.domain_of_relations(description.relations);
  seen timestamptz := globalmart.boundary_event_time(domain);
  live_from timestamptz := '-infinity';
BEGIN
  IF seen IS NOT NULL THEN
    live_from := globalmart.next_boundary(seen, description.window_kind, description.width, description.slide, description.window_offset);
  END IF;
  PERFORM globalmart.create_rollup_table(make_rollup.name, description.column_names, description.column_types,
    description.key_columns, description.keys_not_null, ARRAY['window_start', 'window_end']);
  EXECUTE pg_catalog.format('COMMENT ON TABLE globalmart.%I IS %L', make_rollup.name, globalmart.table_comment('rollup', query));
  PERFORM globalmart.comment_columns(make_rollup.name, description.column_names, '{}',
    globalmart.column_comments(description.column_names, description.column_expressions, description.key_columns));
  INSERT INTO globalmart.rollup_catalog (name, kind, domain, query, lateness, idle_timeout, watermark_policy)
  VALUES (make_rollup.name, 'rollup', domain, make_rollup.query, make_rollup.lateness,
          make_rollup.idle_timeout, make_rollup.watermark_policy);
  PERFORM globalmart.add_version(make_rollup.name, domain, query, live_from);
  PERFORM globalmart.record_definition(make_rollup.name);
  PERFORM globalmart.create_live_view(make_rollup.name);
  PERFORM globalmart.definitions_changed(domain);
END
$$;
COMMENT ON FUNCTION globalmart.make_rollup(text, text, interval, interval, text) IS
  'What create_rollup does once no fold is under way';

CREATE FUNCTION globalmart.create_rollup(
  name text, query text, lateness interval DEFAULT '1 minute', idle_timeout interval DEFAULT '1 minute',
  watermark_policy text DEFAULT 'min', if_not_exists boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  description globalmart.rollup_description;
  domain text;
BEGIN
  PERFORM globalmart.require_owner();
  PERFORM globalmart.require_name(create_rollup.name);
  IF EXISTS (SELECT FROM globalmart.rollup_catalog AS c WHERE c.name = create_rollup.name) THEN
    IF if_not_exists THEN
      RAISE NOTICE 'rollup "%" already exists, skipping', create_rollup.name;
      RETURN;
    END IF;
    RAISE duplicate_object USING
      MESSAGE = pg_catalog.format('rollup "%s" already exists', create_rollup.name),
      HINT = 'Use globalmart.alter_rollup to change it, or if_not_exists => true.';
  END IF;
  PERFORM globalmart.require_free_name(create_rollup.name);
  IF lateness IS NULL OR idle_timeout IS NULL OR watermark_policy IS NULL THEN
    RAISE invalid_parameter_value USING MESSAGE = 'lateness, idle_timeout and watermark_policy must not be NULL',
      HINT = 'Leave out what is to have its default.';
  END IF;
  PERFORM globalmart.require_settings(lateness, idle_timeout, watermark_policy);
  PERFORM globalmart.require_query('rollup', query);
  description := globalmart.describe_rollup(query);
  PERFORM globalmart.require_columns('rollup', description.column_names);
  domain := globalmart.domain_of_relations(description.relations);
  PERFORM globalmart.change_definitions(domain, pg_catalog.format('SELECT globalmart.make_rollup(%L, %L, %L, %L, %L)',
    create_rollup.name, create_rollup.query, create_rollup.lateness, create_rollup.idle_timeout, create_rollup.watermark_policy));
END
$$;
COMMENT ON FUNCTION globalmart.create_rollup(text, text, interval, interval, text, boolean) IS
  'Makes a table globalmart.NAME that is kept up to date from a stream: query is SELECT ... FROM stream, globalmart.tumble(event_time, width) ... GROUP BY window_start, window_end, keys. lateness: how much later than its neighbours an event may come; idle_timeout: after which a silent partition no longer holds the watermark; watermark_policy: min or max over partitions. Windows that begin after the newest event are live, older ones are for backfill_rollup';

CREATE FUNCTION globalmart.change_rollup(
  name text, query text, lateness interval, idle_timeout interval, watermark_policy text)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  rollup globalmart.rollup_catalog := globalmart.require_rollup(change_rollup.name);
  description globalmart.rollup_description;
  detector globalmart.detector_description;
  boundary timestamptz;
BEGIN
  lateness := COALESCE(change_rollup.lateness, rollup.lateness);
  idle_timeout := COALESCE(change_rollup.idle_timeout, rollup.idle_timeout);
  watermark_policy := COALESCE(change_rollup.watermark_policy, rollup.watermark_policy);
  PERFORM globalmart.require_settings(lateness, idle_timeout, watermark_policy);
  UPDATE globalmart.rollup_catalog AS c
  SET lateness = change_rollup.lateness, idle_timeout = change_rollup.idle_timeout,
      watermark_policy = change_rollup.watermark_policy
  WHERE c.name = change_rollup.name;
  IF change_rollup.query IS NOT NULL AND rollup.kind = 'detector' THEN
    detector := globalmart.describe_detector(change_rollup.query);
    PERFORM globalmart.require_same_columns(change_rollup.name, detector.column_names, detector.column_types);
    IF globalmart.domain_of_relations(ARRAY[detector.relation]) <> rollup.domain THEN
      RAISE feature_not_supported USING
        MESSAGE = pg_catalog.format('detector "%s" cannot move to a stream with another watermark', change_rollup.name),
        HINT = 'Make another detector for that stream.';
    END IF;
    PERFORM globalmart.set_detector_query(change_rollup.name, change_rollup.query);
    PERFORM globalmart.renew_comments(change_rollup.name, 'detector', rollup.query, change_rollup.query);
    UPDATE globalmart.rollup_catalog AS c SET query = change_rollup.query WHERE c.name = change_rollup.name;
  ELSIF change_rollup.query IS NOT NULL THEN
    description := globalmart.describe_rollup(change_rollup.query);
    PERFORM globalmart.require_same_columns(change_rollup.name, description.column_names, description.column_types);
    IF globalmart.domain_of_relations(description.relations) <> rollup.domain THEN
      RAISE feature_not_supported USING
        MESSAGE = pg_catalog.format('rollup "%s" cannot move to streams with another watermark', change_rollup.name);
    END IF;
    IF rollup.state = 'failed' AND globalmart.mend_versions(change_rollup.name, change_rollup.query) THEN
      RAISE NOTICE 'the windows of rollup "%" that wait will be closed by the new query', change_rollup.name
        USING HINT = pg_catalog.format('SELECT globalmart.resume_rollup(%L) lets it go on.', change_rollup.name);
      PERFORM globalmart.record_definition(change_rollup.name);
      -- It may have been given to older versions only; the query in force then stays.
      PERFORM globalmart.renew_comments(change_rollup.name, 'rollup', rollup.query, (globalmart.require_rollup(change_rollup.name)).query);
      PERFORM globalmart.create_live_view(change_rollup.name);
      PERFORM globalmart.definitions_changed(rollup.domain);
      RETURN;
    END IF;
    -- The first window of the new shape that no event has touched, and not before the old version began.
    SELECT pg_catalog.max(t) INTO boundary FROM (
      SELECT globalmart.boundary_event_time(rollup.domain)
      UNION ALL SELECT v.live_from FROM globalmart.rollup_versions AS v WHERE v.rollup = change_rollup.name
      UNION ALL SELECT p.closed_until FROM globalmart.rollup_versions AS v JOIN globalmart.rollup_progress AS p USING (version_id)
                WHERE v.rollup = change_rollup.name) AS times(t);
    IF boundary = '-infinity' THEN
      -- Nothing was ever folded: the new definition simply takes the old one's place.
      PERFORM globalmart.delete_versions(change_rollup.name);
    ELSE
      boundary := globalmart.common_boundary(change_rollup.name, description,
        globalmart.next_boundary(boundary, description.window_kind, description.width, description.slide, description.window_offset));
      UPDATE globalmart.rollup_versions AS v SET live_until = boundary
      WHERE v.rollup = change_rollup.name AND v.live_until = 'infinity';
    END IF;
    PERFORM globalmart.add_version(change_rollup.name, rollup.domain, change_rollup.query, boundary);
    UPDATE globalmart.rollup_catalog AS c SET query = change_rollup.query WHERE c.name = change_rollup.name;
    PERFORM globalmart.record_definition(change_rollup.name);
    PERFORM globalmart.renew_comments(change_rollup.name, 'rollup', rollup.query, change_rollup.query);
    PERFORM globalmart.create_live_view(change_rollup.name);
  END IF;
  -- What a DROP ... CASCADE took along comes back when what it needs is there again.
  IF pg_catalog.to_regprocedure(pg_catalog.format('globalmart.%I()', change_rollup.name || '_definition')) IS NULL THEN
    PERFORM globalmart.record_definition(change_rollup.name);
  END IF;
  IF rollup.kind = 'rollup' AND pg_catalog.to_regclass(pg_catalog.format('globalmart.%I', change_rollup.name || '_live')) IS NULL THEN
    PERFORM globalmart.create_live_view(change_rollup.name);
  END IF;
  PERFORM globalmart.definitions_changed(rollup.domain);
END
$$;
COMMENT ON FUNCTION globalmart.change_rollup(text, text, interval, interval, text) IS
  'What alter_rollup does once no fold is under way';

CREATE FUNCTION globalmart.alter_rollup(
  name text, query text DEFAULT NULL, lateness interval DEFAULT NULL, idle_timeout interval DEFAULT NULL,
  watermark_policy text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  rollup globalmart.rollup_catalog;
BEGIN
  PERFORM globalmart.require_owner();
  rollup := globalmart.require_rollup(alter_rollup.name);
  PERFORM globalmart.change_definitions(rollup.domain, pg_catalog.format('SELECT globalmart.change_rollup(%L, %L, %L, %L, %L)',
    alter_rollup.name, alter_rollup.query, alter_rollup.lateness, alter_rollup.idle_timeout, alter_rollup.watermark_policy),
    globalmart.rollup_relations(alter_rollup.name));
END
$$;
COMMENT ON FUNCTION globalmart.alter_rollup(text, text, interval, interval, text) IS
  'Changes a rollup or detector; what is NULL stays. Lateness, idle_timeout and watermark_policy hold from now on; a new query (other thresholds, another width, the same columns) from the first window that begins after the newest event. In state failed a query with the same source, windows, keys and aggregates takes the place of the one that failed: the windows that wait are closed by it after resume_rollup';

CREATE FUNCTION globalmart.remove_rollup(name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  rollup globalmart.rollup_catalog := globalmart.require_rollup(remove_rollup.name);
BEGIN
  PERFORM globalmart.forget_definition(remove_rollup.name);
  -- Somebody may have dropped or renamed them.
  IF rollup.kind = 'rollup' THEN
    EXECUTE pg_catalog.format('DROP VIEW IF EXISTS globalmart.%I', remove_rollup.name || '_live');
  END IF;
  EXECUTE pg_catalog.format('DROP TABLE IF EXISTS globalmart.%I', remove_rollup.name);
  DELETE FROM globalmart.streams AS s WHERE s.stream = remove_rollup.name AND rollup.kind = 'detector';
  PERFORM globalmart.delete_versions(remove_rollup.name);
  DELETE FROM globalmart.backfills AS b WHERE b.rollup = remove_rollup.name;
  DELETE FROM globalmart.rollup_catalog AS c WHERE c.name = remove_rollup.name;
  DELETE FROM globalmart.late_events AS l WHERE l.rollup = remove_rollup.name;
  DELETE FROM globalmart.partly_late_events AS l WHERE l.rollup = remove_rollup.name;
  -- Another of this name is to begin without what was set for this one, and without what retention took from it.
  DELETE FROM globalmart.alert_sources AS s WHERE s.rollup = remove_rollup.name;
  DELETE FROM globalmart.setting_values AS v WHERE v.name = 'rollup_retention.' || remove_rollup.name;
  DELETE FROM globalmart.dropped_spans AS d
  WHERE d.stream = remove_rollup.name AND NOT EXISTS (SELECT FROM globalmart.streams AS s WHERE s.stream = d.stream);
  DELETE FROM globalmart.partial_plans AS p
  WHERE NOT EXISTS (SELECT FROM globalmart.rollup_versions AS v WHERE v.plan_id = p.plan_id);
  PERFORM globalmart.definitions_changed(rollup.domain);
END
$$;
COMMENT ON FUNCTION globalmart.remove_rollup(text) IS 'What drop_rollup does once no fold is under way';

CREATE FUNCTION globalmart.drop_rollup(name text, if_exists boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  rollup globalmart.rollup_catalog;
BEGIN
  PERFORM globalmart.require_owner();
  IF if_exists AND NOT EXISTS (SELECT FROM globalmart.rollup_catalog AS c WHERE c.name = drop_rollup.name) THEN
    RAISE NOTICE 'rollup "%" does not exist, skipping', drop_rollup.name;
    RETURN;
  END IF;
  rollup := globalmart.require_rollup(drop_rollup.name);
  IF rollup.kind = 'detector' AND EXISTS (
       SELECT FROM globalmart.rollup_versions AS v
       WHERE v.plan_id IS NOT NULL AND v.domain = rollup.domain
         AND pg_catalog.to_regclass(pg_catalog.format('globalmart.%I', drop_rollup.name))::oid = ANY ((globalmart.describe_rollup(v.query, v.version_id)).relations)) THEN
    RAISE dependent_objects_still_exist USING
      MESSAGE = pg_catalog.format('rollups read the table of detector "%s"', drop_rollup.name),
      HINT = 'Drop these rollups first.';
  END IF;
  PERFORM globalmart.change_definitions(rollup.domain, pg_catalog.format('SELECT globalmart.remove_rollup(%L)', drop_rollup.name),
    globalmart.rollup_relations(drop_rollup.name));
END
$$;
COMMENT ON FUNCTION globalmart.drop_rollup(text, boolean) IS
  'Drops a rollup or detector with its table, its rows, its late events and what was set for it; refused while views of yours depend on it';

CREATE FUNCTION globalmart.pause_rollup(name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  rollup globalmart.rollup_catalog;
BEGIN
  PERFORM globalmart.require_owner();
  rollup := globalmart.require_rollup(pause_rollup.name);
  UPDATE globalmart.rollup_catalog AS c SET state = 'paused' WHERE c.name = pause_rollup.name;
  IF rollup.kind = 'detector' THEN
    PERFORM globalmart.change_definitions(rollup.domain, pg_catalog.format('SELECT globalmart.definitions_changed(%L)', rollup.domain));
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.pause_rollup(text) IS
  'Keeps a rollup''s windows open: events go on to be folded, nothing is closed and nothing is late until resume_rollup. A paused detector detects nothing';

CREATE FUNCTION globalmart.resume_rollup(name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  rollup globalmart.rollup_catalog;
BEGIN
  PERFORM globalmart.require_owner();
  rollup := globalmart.require_rollup(resume_rollup.name);
  UPDATE globalmart.rollup_catalog AS c SET state = 'live', last_error = NULL WHERE c.name = resume_rollup.name;
  IF rollup.kind = 'detector' THEN
    PERFORM globalmart.change_definitions(rollup.domain, pg_catalog.format('SELECT globalmart.definitions_changed(%L)', rollup.domain));
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.resume_rollup(text) IS
  'Lets a paused or failed rollup go on: the next close appends everything that is due';
-- detector_commands.sql
-- create_detector and its kin: rows of a stream that a condition picks out, appended as they come.

CREATE FUNCTION globalmart.set_detector_query(name text, query text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  description globalmart.detector_description := globalmart.describe_detector(query);
  columns text;
BEGIN
  SELECT pg_catalog.string_agg(pg_catalog.quote_ident(c), ', ' ORDER BY n) INTO columns
  FROM pg_catalog.unnest(description.column_names) WITH ORDINALITY AS u(c, n);
  PERFORM globalmart.delete_versions(set_detector_query.name);
  INSERT INTO globalmart.rollup_versions (rollup, domain, query, columns, close_query)
  VALUES (set_detector_query.name, globalmart.domain_of_relations(ARRAY[description.relation]), set_detector_query.query,
          description.column_names,
          pg_catalog.format('INSERT INTO globalmart.%I (%s, created_at) SELECT q.*, globalmart.processing_time() FROM (%s) AS q ON CONFLICT DO NOTHING',
                            set_detector_query.name, columns, description.over_matches));
  PERFORM globalmart.record_definition(set_detector_query.name);
END
$$;
COMMENT ON FUNCTION globalmart.set_detector_query(text, text) IS 'Records the query of a detector and the statement that it runs as';

-- A row is detected once: its identity is the key, where the detector keeps it.
CREATE FUNCTION globalmart.detector_keys(description globalmart.detector_description) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN k.keys <@ description.column_names THEN k.keys ELSE '{}' END
  FROM globalmart.streams AS s, LATERAL (SELECT array_remove(ARRAY[s.id_column::text, s.line_column::text], NULL)) AS k(keys)
  WHERE s.relation = description.relation
$$;
COMMENT ON FUNCTION globalmart.detector_keys(globalmart.detector_description) IS
  'The key of a detector''s table: the id of the stream, and what tells its lines apart; none where the query does not give them';

CREATE FUNCTION globalmart.make_detector(name text, query text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  description globalmart.detector_description := globalmart.describe_detector(query);
  source globalmart.streams;
  keys text[] := globalmart.detector_keys(description);
BEGIN
  SELECT s.* INTO source FROM globalmart.streams AS s WHERE s.relation = description.relation;
  PERFORM globalmart.create_rollup_table(make_detector.name, description.column_names, description.column_types,
    keys, true, description.not_null_columns);
  EXECUTE pg_catalog.format('COMMENT ON TABLE globalmart.%I IS %L', make_detector.name, globalmart.table_comment('detector', query));
  PERFORM globalmart.comment_columns(make_detector.name, description.column_names, '{}',
    globalmart.column_comments(description.column_names, description.column_expressions, keys));
  EXECUTE pg_catalog.format('COMMENT ON COLUMN globalmart.%I.created_at IS %L', make_detector.name,
    'When the row was appended (UTC): the clock of the statement that brought the event, one value for all its rows');
  INSERT INTO globalmart.rollup_catalog (name, kind, domain, query)
  VALUES (make_detector.name, 'detector', source.domain, make_detector.query);
  PERFORM globalmart.set_detector_query(make_detector.name, make_detector.query);
  IF source.time_column::text = ANY (description.not_null_columns) AND source.id_column::text = ANY (description.not_null_columns) THEN
    -- Rollups may read what was detected.
    PERFORM globalmart.make_stream(make_detector.name, pg_catalog.format('globalmart.%I', make_detector.name)::regclass,
      source.domain, NULL, source.time_column, source.id_column,
      CASE WHEN source.line_column::text = ANY (description.not_null_columns) THEN source.line_column END);
  END IF;
  PERFORM globalmart.definitions_changed(source.domain);
END
$$;
COMMENT ON FUNCTION globalmart.make_detector(text, text) IS 'What create_detector does once no fold is under way';

CREATE FUNCTION globalmart.create_detector(name text, query text, if_not_exists boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  description globalmart.detector_description;
BEGIN
  PERFORM globalmart.require_owner();
  PERFORM globalmart.require_name(create_detector.name);
  IF EXISTS (SELECT FROM globalmart.rollup_catalog AS c WHERE c.name = create_detector.name) THEN
    IF if_not_exists THEN
      RAISE NOTICE 'detector "%" already exists, skipping', create_detector.name;
      RETURN;
    END IF;
    RAISE duplicate_object USING MESSAGE = pg_catalog.format('detector "%s" already exists', create_detector.name),
      HINT = 'Use globalmart.alter_rollup to change it, or if_not_exists => true.';
  END IF;
  PERFORM globalmart.require_free_name(create_detector.name);
  PERFORM globalmart.require_query('detector', query);
  description := globalmart.describe_detector(query);
  PERFORM globalmart.require_columns('detector', description.column_names);
  PERFORM globalmart.change_definitions(globalmart.domain_of_relations(ARRAY[description.relation]),
    pg_catalog.format('SELECT globalmart.make_detector(%L, %L)', create_detector.name, create_detector.query));
END
$$;
COMMENT ON FUNCTION globalmart.create_detector(text, text, boolean) IS
  'Makes a table globalmart.NAME of the rows of a stream that a condition picks out, appended in the transaction that brings them: query is SELECT ... FROM stream WHERE .... Its table is a stream itself when it keeps event time and id';

CREATE FUNCTION globalmart.drop_detector(name text, if_exists boolean DEFAULT false) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  SELECT globalmart.drop_rollup(name, if_exists)
$$;
COMMENT ON FUNCTION globalmart.drop_detector(text, boolean) IS 'Drops a detector with its table';
-- compaction.sql
-- Keeping the partial logs short. Partials are never deleted one by one: the log in use changes, what
-- open windows still need is copied over, merged, and the old log is truncated once no snapshot can see
-- what it held.

-- What folds have spent is in the rows that they append, until the log is drained; by slice, and not finer than
-- by minute.
CREATE FUNCTION globalmart.log_costs(
  log text, plan_id int, from_time timestamptz DEFAULT '-infinity', to_time timestamptz DEFAULT 'infinity')
RETURNS TABLE (slice timestamptz, rows bigint, seconds double precision, cpu_seconds double precision)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY EXECUTE format(
    'SELECT b.slice, CASE WHEN count(b.rows) = count(*) THEN sum(b.rows)::bigint END, '
    '       CASE WHEN count(b.seconds) = count(*) THEN sum(b.seconds) END, '
    '       CASE WHEN count(b.cpu_seconds) = count(*) THEN sum(b.cpu_seconds) END '
    'FROM (SELECT CASE WHEN p.window_kind = ''slice'' AND p.slice_width >= 60000000 THEN l.slice '
    '             ELSE globalmart.window_floor(l.slice, interval ''1 minute'', make_interval(secs => p.slice_offset / 1e6)) END AS slice, '
    '             l.fold_rows AS rows, l.fold_seconds::double precision AS seconds, l.fold_cpu_seconds::double precision AS cpu_seconds '
    '      FROM globalmart.partial_plans AS p JOIN globalmart.%I AS l USING (plan_id) '
    '      WHERE p.plan_id = $1 AND l.slice >= $2 AND l.slice < $3 + interval ''1 minute'') AS b '
    'WHERE b.slice >= $2 AND b.slice < $3 '
    'GROUP BY b.slice', log)
    USING plan_id, from_time, to_time;
END
$$;
COMMENT ON FUNCTION globalmart.log_costs(text, int, timestamptz, timestamptz) IS
  'What folds have spent on the partials of a plan that are in a log, as fold_costs has it of others; from_time <= slice < to_time';

CREATE FUNCTION globalmart.take_log_costs(log text, plan_id int) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO globalmart.fold_costs AS f (plan_id, slice, rows, seconds, cpu_seconds)
  SELECT $2, c.slice, c.rows, c.seconds, c.cpu_seconds FROM globalmart.log_costs($1, $2) AS c
  -- Not of rollups that were dropped. Copies have cost nothing that is not here already.
  WHERE c.seconds IS DISTINCT FROM 0 AND EXISTS (SELECT FROM globalmart.rollup_versions AS v WHERE v.plan_id = $2)
  ON CONFLICT ON CONSTRAINT fold_costs_pkey DO UPDATE
  SET rows = f.rows + EXCLUDED.rows, seconds = f.seconds + EXCLUDED.seconds, cpu_seconds = f.cpu_seconds + EXCLUDED.cpu_seconds
$$;
COMMENT ON FUNCTION globalmart.take_log_costs(text, int) IS
  'Takes what folds have spent on a plan over from a draining log, whose partials are copied without it';

CREATE FUNCTION globalmart.compact_plan(domain text, plan_id int) RETURNS bigint
LANGUAGE C VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'globalmart_compact_plan';
COMMENT ON FUNCTION globalmart.compact_plan(text, int) IS
  'Copies a plan''s partials of open windows from the draining log into the one in use, merged; gives the bytes written';

CREATE FUNCTION globalmart.is_retired(retired_by xid8) RETURNS boolean
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'globalmart_is_retired';
COMMENT ON FUNCTION globalmart.is_retired(xid8) IS
  'Whether no snapshot still sees the state from before that transaction';

CREATE FUNCTION globalmart.switch_logs(min_bytes bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  d record;
BEGIN
  PERFORM globalmart.require_read_committed('logs can only be exchanged');
  FOR d IN SELECT o.domain, o.generation FROM globalmart.domains AS o
           WHERE NOT o.draining AND o.retired_by IS NULL ORDER BY o.domain LOOP
    IF pg_table_size(format('globalmart.partial_log_%s_%s', d.domain, d.generation)::regclass) >= min_bytes THEN
      UPDATE globalmart.domains AS o SET generation = 1 - d.generation, draining = true, switched_by = pg_current_xact_id()
      WHERE o.domain = d.domain AND NOT o.draining AND o.retired_by IS NULL AND o.generation = d.generation;
    END IF;
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.switch_logs(bigint) IS
  'Lets folds append to the other log where the one in use has grown to min_bytes; readers read both';

CREATE FUNCTION globalmart.drain_logs() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  d record;
  p record;
  awaited record;
BEGIN
  -- With one snapshot for all of it, what those who are waited for have folded would not be copied.
  PERFORM globalmart.require_read_committed('logs can only be drained');
  -- Another session may have exchanged a log since the caller waited. Who folds into the old log is waited for here,
  -- while nothing is locked; a log exchanged from now on is for the next time.
  SELECT array_agg(o.domain) AS domains, array_agg(o.switched_by) AS switches INTO awaited
  FROM globalmart.domains AS o WHERE o.draining;
  IF pg_current_xact_id_if_assigned() = ANY (awaited.switches) THEN
    RAISE active_sql_transaction USING
      MESSAGE = 'a log cannot be drained in the transaction that exchanged it',
      DETAIL = 'Others fold into the old log until that is committed.',
      HINT = 'CALL globalmart.compact_partials() outside of a transaction.';
  END IF;
  PERFORM globalmart.wait_for_folds(u.domain) FROM unnest(awaited.domains) AS u(domain);
  FOR d IN SELECT u.domain, u.switched_by, o.generation
           FROM unnest(awaited.domains, awaited.switches) AS u(domain, switched_by) JOIN globalmart.domains AS o USING (domain)
           ORDER BY u.domain LOOP
    -- No publication while this runs, and none that is about to be merged: partials lose their stamps.
    PERFORM FROM globalmart.close_counter FOR UPDATE;
    PERFORM FROM globalmart.domains AS o
    WHERE o.domain = d.domain AND o.draining AND o.generation = d.generation AND o.switched_by IS NOT DISTINCT FROM d.switched_by FOR UPDATE;
    IF NOT FOUND OR EXISTS (SELECT FROM globalmart.rollup_progress AS g
                            JOIN globalmart.rollup_versions AS v USING (version_id)
                            JOIN globalmart.rollup_catalog AS c ON c.name = v.rollup
                            WHERE g.domain = d.domain AND g.merged_until < g.closed_until AND c.state = 'live') THEN
      CONTINUE;
    END IF;
    FOR p IN SELECT a.plan_id, EXISTS (SELECT FROM globalmart.rollup_versions AS v JOIN globalmart.rollup_progress AS g USING (version_id)
                                       WHERE v.plan_id = a.plan_id AND g.merged_until < g.closed_until) AS needs_stamps
             FROM globalmart.partial_plans AS a WHERE a.domain = d.domain ORDER BY a.plan_id LOOP
      IF p.needs_stamps THEN
        -- A rollup that failed or was paused between publication and merge: it will ask what came before. As they are,
        -- partials keep what they have cost, too.
        EXECUTE format('INSERT INTO globalmart.partial_log_%1$s_%2$s SELECT * FROM globalmart.partial_log_%1$s_%3$s WHERE plan_id = $1',
                       d.domain, d.generation, 1 - d.generation) USING p.plan_id;
      ELSE
        PERFORM globalmart.take_log_costs(format('partial_log_%s_%s', d.domain, 1 - d.generation), p.plan_id);
        PERFORM globalmart.compact_plan(d.domain, p.plan_id);
      END IF;
    END LOOP;
    UPDATE globalmart.domains AS o SET draining = false, retired_by = pg_current_xact_id() WHERE o.domain = d.domain;
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.drain_logs() IS
  'Copies what open windows need out of draining logs, when those who fold into them have ended. In a transaction of its own';

CREATE FUNCTION globalmart.truncate_logs() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms' AS $$
DECLARE
  d record;
BEGIN
  FOR d IN SELECT o.domain, o.generation, o.retired_by FROM globalmart.domains AS o
           WHERE o.retired_by IS NOT NULL
             -- TRUNCATE is not for snapshots that are older than the copy.
             AND globalmart.is_retired(o.retired_by)
           ORDER BY o.domain LOOP
    FOR attempt IN 1 .. 5 LOOP
      BEGIN
        -- Another session may have emptied it since this one looked, and folds append to it again.
        PERFORM FROM globalmart.domains AS o
        WHERE o.domain = d.domain AND o.generation = d.generation AND o.retired_by = d.retired_by FOR UPDATE NOWAIT;
        EXIT WHEN NOT FOUND;
        -- Never queued for: who comes after a queued lock waits for it, and a worker of pg_dump -j, which takes its
        -- locks NOWAIT, gives up the whole dump.
        EXECUTE format('LOCK TABLE globalmart.partial_log_%s_%s IN ACCESS EXCLUSIVE MODE NOWAIT', d.domain, 1 - d.generation);
        EXECUTE format('TRUNCATE globalmart.partial_log_%s_%s', d.domain, 1 - d.generation);
        UPDATE globalmart.domains AS o SET retired_by = NULL WHERE o.domain = d.domain;
        EXIT;
      EXCEPTION WHEN lock_not_available THEN
        PERFORM pg_sleep(0.01);  -- a reader is on it: soon again, else next time
      END;
    END LOOP;
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.truncate_logs() IS
  'Empties logs whose partials are all merged or copied, once no snapshot is older; gives up after some tries where somebody reads, and never makes anybody wait behind it';

CREATE PROCEDURE globalmart.compact_partials(min_bytes bigint DEFAULT 33554432)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM globalmart.truncate_logs();
  COMMIT;
  PERFORM globalmart.switch_logs(min_bytes);
  COMMIT;
  PERFORM globalmart.wait_for_folds();
  COMMIT;
  PERFORM globalmart.drain_logs();
  COMMIT;
  PERFORM globalmart.truncate_logs();
END
$$;
COMMENT ON PROCEDURE globalmart.compact_partials(bigint) IS
  'Keeps the partial logs short: for the closer after a while, and for pg_cron. min_bytes: size from which a log is exchanged';
-- closing.sql
-- Closing windows: publish, wait, merge. Each step is a transaction of its own: the bridge's closer sends
-- them one by one, everybody else calls close_windows().

CREATE FUNCTION globalmart.set_processing_time(ts timestamptz) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'globalmart_set_processing_time';
COMMENT ON FUNCTION globalmart.set_processing_time(timestamptz) IS
  'What processing_time() gives for the rest of the transaction; NULL ends it';

CREATE FUNCTION globalmart.cpu_seconds() RETURNS double precision
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'globalmart_cpu_seconds';
COMMENT ON FUNCTION globalmart.cpu_seconds() IS 'CPU time that this session has used';

-- The partitions that a domain's watermark is made of. Rows that came by SQL are one more partition.
CREATE VIEW globalmart.progress_by_partition AS
  SELECT p.domain, p.kafka_partition, p.max_event_time, p.last_message_at, p.at_end_since, p.checked_at
  FROM globalmart.partition_progress AS p
  UNION ALL
  SELECT s.domain, -1, pg_catalog.max(s.max_event_time), pg_catalog.max(s.committed_at),
         pg_catalog.max(s.committed_at), globalmart.clock()
  FROM globalmart.sql_progress AS s
  GROUP BY s.domain;
COMMENT ON VIEW globalmart.progress_by_partition IS
  'Event time by partition; partition -1 is what came by SQL: always at its end, and its clock is this server''s';
COMMENT ON COLUMN globalmart.progress_by_partition.domain IS 'Watermark domain';
COMMENT ON COLUMN globalmart.progress_by_partition.kafka_partition IS 'Kafka partition; -1: rows that came by SQL';
COMMENT ON COLUMN globalmart.progress_by_partition.max_event_time IS 'Greatest event time that was committed; NULL: none yet';
COMMENT ON COLUMN globalmart.progress_by_partition.last_message_at IS 'When the last message was stored';
COMMENT ON COLUMN globalmart.progress_by_partition.at_end_since IS 'Since when everything has been read; NULL: there is more to read';
COMMENT ON COLUMN globalmart.progress_by_partition.checked_at IS 'When that was last said';

CREATE FUNCTION globalmart.domain_watermark(domain text, idle_timeout interval, watermark_policy text)
RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE
    -- Live partitions hold the watermark; one that never had a message holds it at nothing.
    WHEN bool_or(p.live) AND watermark_policy = 'max' THEN max(p.event_time)
    WHEN bool_or(p.live AND p.event_time IS NULL) THEN NULL
    WHEN bool_or(p.live) THEN min(p.event_time) FILTER (WHERE p.live)
    -- All are idle: event time goes on with the clock, as far as somebody looked at it.
    -- (least() would skip a NULL, and nothing known must stay nothing.)
    WHEN max(p.event_time) IS NOT NULL
    THEN least(max(p.event_time) + (min(p.checked_at) - max(p.last_message_at)) - idle_timeout, globalmart.clock())
  END
  FROM (
    SELECT CASE WHEN b.max_event_time > globalmart.clock() THEN globalmart.clock() ELSE b.max_event_time END AS event_time, b.last_message_at, b.checked_at,
           (b.at_end_since IS NULL
            OR b.checked_at - greatest(b.at_end_since, b.last_message_at) < idle_timeout) AS live
    FROM globalmart.progress_by_partition AS b
    WHERE b.domain = $1
  ) AS p
$$;
COMMENT ON FUNCTION globalmart.domain_watermark(text, interval, text) IS
  'The event time up to which a domain is complete, before lateness is taken off: the least of its live partitions'' greatest event times; with the clock when all are idle; NULL when nothing is known';

CREATE FUNCTION globalmart.watermark(stream text) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  stream_domain text;
BEGIN
  SELECT s.domain INTO stream_domain FROM globalmart.streams AS s WHERE s.stream = watermark.stream;
  IF NOT FOUND THEN
    RAISE undefined_object USING MESSAGE = format('there is no stream "%s"', watermark.stream),
      HINT = 'See the table globalmart.streams.';
  END IF;
  RETURN globalmart.domain_watermark(stream_domain, interval '1 minute', 'min');
END
$$;
COMMENT ON FUNCTION globalmart.watermark(text) IS
  'The watermark of a stream with the default idle timeout of a minute, before a rollup''s lateness is taken off; NULL before the first event';

CREATE FUNCTION globalmart.closed_until(rollup text) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM globalmart.require_rollup(rollup, 'rollup');
  RETURN (SELECT r.closed_until FROM globalmart.rollups AS r WHERE r.name = closed_until.rollup);
END
$$;
COMMENT ON FUNCTION globalmart.closed_until(text) IS
  'All windows of the rollup that end by then are in its table; -infinity before the first close';

-- What could be published now: live versions whose last publication is merged.
CREATE FUNCTION globalmart.closable_versions(force boolean)
RETURNS TABLE (version_id int, domain text, target timestamptz)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT t.version_id, t.domain, t.target
  FROM (
    SELECT v.version_id, v.domain, p.closed_until, v.window_kind, p.published_at, p.merge_seconds,
           globalmart.closable_until(w.watermark - c.lateness, v.window_kind, v.width, v.slide, v.window_offset) AS target
    FROM globalmart.rollup_catalog AS c
    JOIN globalmart.rollup_versions AS v ON v.rollup = c.name
    JOIN globalmart.rollup_progress AS p ON p.version_id = v.version_id
    JOIN (SELECT k.domain, k.idle_timeout, k.watermark_policy,
                 globalmart.domain_watermark(k.domain, k.idle_timeout, k.watermark_policy) AS watermark
          FROM (SELECT DISTINCT a.domain, a.idle_timeout, a.watermark_policy
                FROM globalmart.rollup_catalog AS a WHERE a.kind = 'rollup') AS k) AS w
      ON w.domain = c.domain AND w.idle_timeout = c.idle_timeout AND w.watermark_policy = c.watermark_policy
    WHERE c.kind = 'rollup' AND c.state = 'live' AND p.merged_until = p.closed_until
      AND p.merged_until < v.live_until + pg_catalog.make_interval(secs => v.width / 1e6)
  ) AS t
  WHERE t.target > t.closed_until
    -- A session rollup could close at every event; it takes its turn by what a merge costs.
    AND (force OR t.window_kind <> 'session' OR t.published_at IS NULL
         OR pg_catalog.clock_timestamp() - t.published_at
            > greatest(interval '50 milliseconds', pg_catalog.make_interval(secs => 9 * t.merge_seconds)))
$$;
COMMENT ON FUNCTION globalmart.closable_versions(boolean) IS 'Rollup versions whose watermark has passed further window ends';

CREATE FUNCTION globalmart.publish_windows(force boolean DEFAULT false) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  seq bigint;
BEGIN
  -- As for the merge: what nobody here can merge is not published either, for its events would be late meanwhile.
  PERFORM globalmart.require_read_committed('windows can only be published');
  -- Event time that came by SQL is appended by every transaction; keep it short.
  IF (SELECT count(*) FROM globalmart.sql_progress) > 200 THEN
    WITH gone AS (DELETE FROM globalmart.sql_progress RETURNING *)
    INSERT INTO globalmart.sql_progress (domain, max_event_time, committed_at)
    SELECT g.domain, max(g.max_event_time), max(g.committed_at) FROM gone AS g GROUP BY g.domain;
  END IF;
  IF NOT EXISTS (SELECT FROM globalmart.closable_versions(force)) THEN
    RETURN coalesce((SELECT c.last_seq FROM globalmart.close_counter AS c), 0);
  END IF;
  -- One publication at a time: numbers commit in their order.
  UPDATE globalmart.close_counter AS c SET last_seq = c.last_seq + 1 RETURNING c.last_seq INTO seq;
  WITH published AS (
    UPDATE globalmart.rollup_progress AS p
    SET closed_until = t.target, published_seq = seq, published_by = pg_current_xact_id(), published_at = clock_timestamp()
    FROM globalmart.closable_versions(force) AS t
    WHERE p.version_id = t.version_id AND p.merged_until = p.closed_until AND t.target > p.closed_until
    RETURNING p.domain)
  UPDATE globalmart.domains AS d SET close_seq = seq
  WHERE d.domain IN (SELECT u.domain FROM published AS u);
  RETURN seq;
END
$$;
COMMENT ON FUNCTION globalmart.publish_windows(boolean) IS
  'First step of a close: publishes closed_until for every rollup whose watermark allows it; gives the number to pass to merge_windows. Commit before the next step. force: session rollups too, however short their last close was ago';

CREATE FUNCTION globalmart.wait_for_folds(domain text DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'globalmart_wait_for_folds';
COMMENT ON FUNCTION globalmart.wait_for_folds(text) IS
  'Second step of a close: waits for the transactions that were folding when it was called, in the domains that have windows published and not merged, or a log that drains; or in the one domain given. Writers do not wait for it';

CREATE FUNCTION globalmart.wait_for_publication(published bigint) RETURNS void
LANGUAGE C VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'globalmart_wait_for_publication';
COMMENT ON FUNCTION globalmart.wait_for_publication(bigint) IS
  'Waits as wait_for_folds() does, unless this session has waited since this publication was committed';

CREATE FUNCTION globalmart.merge_version(version_id int, published bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  version globalmart.rollup_versions;
  progress globalmart.rollup_progress;
  columns text;
  keys text;
  append text;
  together boolean;
  appended bigint;
  more bigint;
  -- When windows with rows ended, and how many rows these are.
  ends timestamptz[] := '{}';
  counts bigint[] := '{}';
  started timestamptz := clock_timestamp();
  started_cpu double precision := globalmart.cpu_seconds();
  spent double precision;
  spent_cpu double precision;
  closed_at timestamptz := globalmart.clock();
  window_end timestamptz;
  previous timestamptz;
BEGIN
  -- Of two closers one waits here, and then finds nothing left.
  SELECT p.* INTO progress FROM globalmart.rollup_progress AS p WHERE p.version_id = merge_version.version_id FOR UPDATE;
  IF NOT FOUND OR progress.merged_until = progress.closed_until OR progress.published_seq > published THEN
    RETURN 0;
  END IF;
  SELECT v.* INTO version FROM globalmart.rollup_versions AS v WHERE v.version_id = merge_version.version_id;
  SELECT string_agg(quote_ident(c), ', ' ORDER BY n) INTO columns FROM unnest(version.columns) WITH ORDINALITY AS u(c, n);
  SELECT string_agg('q.' || quote_ident(k), ', ' ORDER BY n) INTO keys FROM unnest(version.key_columns) WITH ORDINALITY AS u(k, n);
  PERFORM globalmart.set_processing_time(closed_at);
  -- Sorted by its key, an append fills the index from left to right.
  append := format('INSERT INTO globalmart.%I (%s, created_at) SELECT q.*, $3 FROM (%s) AS q%s', version.rollup, columns, version.close_query,
                   CASE WHEN version.per_window OR keys IS NULL THEN '' ELSE ' ORDER BY ' || keys END);
  -- What has ended together, or sessions in one minute, need not be asked row by row.
  together := CASE version.window_kind
    WHEN 'session' THEN globalmart.window_floor(progress.merged_until, interval '1 minute')
                        = globalmart.window_floor(progress.closed_until - interval '1 microsecond', interval '1 minute')
    ELSE progress.closed_until <= progress.merged_until + make_interval(secs => version.slide / 1e6) END;
  IF version.per_window THEN
    FOR window_end IN EXECUTE format('SELECT DISTINCT w.window_end FROM (%s) AS w ORDER BY 1', version.window_query)
                      USING progress.merged_until, progress.closed_until LOOP
      previous := window_end - interval '1 microsecond';
      EXECUTE append USING previous, window_end, closed_at;
      GET DIAGNOSTICS more = ROW_COUNT;
      ends := ends || window_end;
      counts := counts || more;
    END LOOP;
  ELSIF together THEN
    EXECUTE append USING progress.merged_until, progress.closed_until, closed_at;
    GET DIAGNOSTICS more = ROW_COUNT;
    ends := ARRAY[progress.closed_until];
    counts := ARRAY[more];
  ELSE
    EXECUTE format(
      'WITH added AS (%s RETURNING window_end) '
      'SELECT array_agg(e.window_end), array_agg(e.rows) FROM (SELECT a.window_end, count(*) AS rows FROM added AS a GROUP BY 1) AS e', append)
      INTO ends, counts USING progress.merged_until, progress.closed_until, closed_at;
  END IF;
  PERFORM globalmart.set_processing_time(NULL);
  spent_cpu := globalmart.cpu_seconds() - started_cpu;
  spent := extract(epoch FROM clock_timestamp() - started);
  appended := (SELECT COALESCE(sum(n), 0) FROM unnest(counts) AS n);
  -- Windows without a row have cost something, too.
  IF appended = 0 THEN
    ends := ARRAY[progress.closed_until];
    counts := '{0}';
  END IF;
  -- Shared among the minutes by their rows.
  INSERT INTO globalmart.merge_costs AS m (version_id, minute, windows, rows, seconds, cpu_seconds)
  SELECT merge_version.version_id, e.minute, CASE version.window_kind WHEN 'session' THEN sum(e.rows) ELSE count(*) FILTER (WHERE e.rows > 0) END, sum(e.rows),
         spent * COALESCE(sum(e.rows) / NULLIF(appended, 0), 1), spent_cpu * COALESCE(sum(e.rows) / NULLIF(appended, 0), 1)
  FROM (SELECT COALESCE(globalmart.window_floor(u.window_end - interval '1 microsecond', interval '1 minute'), 'infinity') AS minute, u.rows
        FROM unnest(ends, counts) AS u(window_end, rows)) AS e
  GROUP BY e.minute
  ON CONFLICT ON CONSTRAINT merge_costs_pkey DO UPDATE
  SET windows = m.windows + EXCLUDED.windows, rows = m.rows + EXCLUDED.rows,
      seconds = m.seconds + EXCLUDED.seconds, cpu_seconds = m.cpu_seconds + EXCLUDED.cpu_seconds;
  UPDATE globalmart.rollup_progress AS p
  SET merged_until = p.closed_until, merge_seconds = spent, costs_from = COALESCE(p.costs_from, p.merged_until)
  WHERE p.version_id = merge_version.version_id;
  RETURN appended;
END
$$;
COMMENT ON FUNCTION globalmart.merge_version(int, bigint) IS
  'Appends the final rows of the windows of one rollup version that were published and waited for';

CREATE FUNCTION globalmart.merge_windows(published bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  due record;
  appended bigint := 0;
  message text;
  sqlstate_code text;
BEGIN
  PERFORM globalmart.require_read_committed('windows can only be merged');
  IF published > coalesce((SELECT c.last_seq FROM globalmart.close_counter AS c), 0) THEN
    RAISE object_not_in_prerequisite_state USING
      MESSAGE = format('there is no publication %s yet', published),
      HINT = 'Pass what publish_windows gave, or CALL globalmart.close_windows().';
  END IF;
  -- Others see it when it is committed: until then they fold into these windows, and would after the merge.
  IF EXISTS (SELECT FROM globalmart.rollup_progress AS p
             WHERE p.published_by = pg_current_xact_id_if_assigned() AND p.merged_until < p.closed_until
               AND p.published_seq <= merge_windows.published) THEN
    RAISE active_sql_transaction USING
      MESSAGE = 'windows cannot be merged in the transaction that published them',
      HINT = 'COMMIT after publish_windows, or CALL globalmart.close_windows() outside of a transaction.';
  END IF;
  -- At once where the caller has waited already, as every closer has. Before anything is locked.
  IF EXISTS (SELECT FROM globalmart.rollup_progress AS p
             WHERE p.merged_until < p.closed_until AND p.published_seq <= merge_windows.published) THEN
    PERFORM globalmart.wait_for_publication(published);
  END IF;
  FOR due IN
    SELECT v.version_id, v.rollup
    FROM globalmart.rollup_progress AS p
    JOIN globalmart.rollup_versions AS v USING (version_id)
    JOIN globalmart.rollup_catalog AS c ON c.name = v.rollup
    WHERE p.merged_until < p.closed_until AND p.published_seq <= merge_windows.published AND c.state = 'live'
    ORDER BY v.version_id
  LOOP
    BEGIN
      appended := appended + globalmart.merge_version(due.version_id, published);
    EXCEPTION
      WHEN query_canceled OR admin_shutdown OR crash_shutdown OR out_of_memory OR disk_full
           OR deadlock_detected OR lock_not_available OR serialization_failure THEN
        RAISE;
      WHEN OTHERS THEN
        -- One rollup that cannot be closed must not hold up the others.
        GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, sqlstate_code = RETURNED_SQLSTATE;
        PERFORM globalmart.set_processing_time(NULL);
        UPDATE globalmart.rollup_catalog AS c
        SET state = 'failed', last_error = format('%s (SQLSTATE %s)', message, sqlstate_code)
        WHERE c.name = due.rollup;
        RAISE WARNING 'rollup "%" could not be closed: %', due.rollup, message
          USING HINT = 'Mend the cause, then SELECT globalmart.resume_rollup(''' || due.rollup || ''').';
    END;
  END LOOP;
  RETURN appended;
END
$$;
COMMENT ON FUNCTION globalmart.merge_windows(bigint) IS
  'Third step of a close: appends the final rows of all windows published up to this number; gives how many. Safe to repeat';

CREATE PROCEDURE globalmart.close_windows()
LANGUAGE plpgsql AS $$
DECLARE
  published bigint;
BEGIN
  -- No SET clause and no SECURITY DEFINER: either would forbid the COMMITs.
  published := globalmart.publish_windows(true);
  COMMIT;
  PERFORM globalmart.wait_for_folds();
  COMMIT;
  PERFORM globalmart.merge_windows(published);
  COMMIT;
  CALL globalmart.compact_partials();
END
$$;
COMMENT ON PROCEDURE globalmart.close_windows() IS
  'Closes every window whose watermark has passed: for pg_cron and psql, where no bridge runs. Any number at once is harmless';

CREATE VIEW globalmart.rollups AS
  SELECT c.name, c.kind, c.state,
         CASE c.kind WHEN 'rollup' THEN p.merged_until END AS closed_until,
         c.last_error, c.lateness, c.idle_timeout, c.watermark_policy, c.domain,
         p.live_from, c.query
  FROM globalmart.rollup_catalog AS c
  LEFT JOIN LATERAL (
    -- Of several definitions the first one that still has windows to close says how far it is.
    SELECT pg_catalog.min(g.merged_until)
             FILTER (WHERE g.merged_until < globalmart.closable_until(v.live_until + pg_catalog.make_interval(secs => v.width / 1e6)
                             - interval '1 microsecond', v.window_kind, v.width, v.slide, v.window_offset)) AS merged_until,
           pg_catalog.min(v.live_from) AS live_from
    FROM globalmart.rollup_versions AS v JOIN globalmart.rollup_progress AS g USING (version_id)
    WHERE v.rollup = c.name) AS p ON true;
COMMENT ON VIEW globalmart.rollups IS 'Rollups and detectors: state, how far closed, what went wrong';
COMMENT ON COLUMN globalmart.rollups.name IS 'Name of the rollup or detector, and of its table';
COMMENT ON COLUMN globalmart.rollups.kind IS 'rollup or detector';
COMMENT ON COLUMN globalmart.rollups.state IS 'live; paused: pause_rollup; failed: the last close could not append';
COMMENT ON COLUMN globalmart.rollups.lateness IS 'How much later than its neighbours an event may come';
COMMENT ON COLUMN globalmart.rollups.idle_timeout IS 'After which a silent partition no longer holds the watermark';
COMMENT ON COLUMN globalmart.rollups.watermark_policy IS 'min or max over the partitions';
COMMENT ON COLUMN globalmart.rollups.domain IS 'Watermark domain of its source';
COMMENT ON COLUMN globalmart.rollups.query IS 'The definition in force, as it was written';
COMMENT ON COLUMN globalmart.rollups.closed_until IS 'All windows that end by then are in the table';
COMMENT ON COLUMN globalmart.rollups.live_from IS 'Windows from here on are kept by the stream; older ones are for backfill_rollup';
COMMENT ON COLUMN globalmart.rollups.last_error IS 'Why the rollup is in state failed; resume_rollup tries again';
-- dead_letters.sql
-- Messages that could not be applied, and how they are applied after all.

CREATE TABLE globalmart.dead_letters (
  topic           text        NOT NULL,
  kafka_partition int         NOT NULL,
  kafka_offset    bigint      NOT NULL,
  reason          text        NOT NULL,
  detail          text,
  key             bytea,
  value           bytea,
  received_at     timestamptz NOT NULL DEFAULT globalmart.clock(),
  PRIMARY KEY (topic, kafka_partition, kafka_offset)
);
COMMENT ON TABLE globalmart.dead_letters IS 'Messages that were not applied, whole, with the reason. redrive_dead_letters() has them applied after all';
COMMENT ON COLUMN globalmart.dead_letters.topic IS 'Topic of the message';
COMMENT ON COLUMN globalmart.dead_letters.kafka_partition IS 'Partition of the message';
COMMENT ON COLUMN globalmart.dead_letters.kafka_offset IS 'Offset of the message';
COMMENT ON COLUMN globalmart.dead_letters.reason IS 'One of tombstone, too_large, invalid_utf8, invalid_json, too_deep, duplicate_member, nul_character, lone_surrogate, not_an_object, missing_member, ill_typed, out_of_range, bad_timestamp, future_timestamp, rejected_by_database';
COMMENT ON COLUMN globalmart.dead_letters.detail IS 'For people: which member, which rule; for rejected_by_database the SQLSTATE';
COMMENT ON COLUMN globalmart.dead_letters.key IS 'Kafka key; NULL: none';
COMMENT ON COLUMN globalmart.dead_letters.value IS 'The message as it came; NULL: a null value';
COMMENT ON COLUMN globalmart.dead_letters.received_at IS 'When it arrived';

CREATE VIEW globalmart.dead_letter_summary AS
  SELECT d.topic, d.reason, pg_catalog.count(*) AS messages,
         pg_catalog.min(d.received_at) AS first_received_at, pg_catalog.max(d.received_at) AS last_received_at,
         (pg_catalog.array_agg(d.detail ORDER BY d.received_at DESC) FILTER (WHERE d.detail IS NOT NULL))[1] AS last_detail
  FROM globalmart.dead_letters AS d
  GROUP BY d.topic, d.reason;
COMMENT ON VIEW globalmart.dead_letter_summary IS 'Dead letters by topic and reason';
COMMENT ON COLUMN globalmart.dead_letter_summary.topic IS 'Topic of the messages';
COMMENT ON COLUMN globalmart.dead_letter_summary.reason IS 'Why they were not applied';
COMMENT ON COLUMN globalmart.dead_letter_summary.messages IS 'How many';
COMMENT ON COLUMN globalmart.dead_letter_summary.first_received_at IS 'When the first one arrived';
COMMENT ON COLUMN globalmart.dead_letter_summary.last_received_at IS 'When the last one arrived';
COMMENT ON COLUMN globalmart.dead_letter_summary.last_detail IS 'Detail of the last one';

-- Redrive. A request is a row that waits until the owner of the partition takes it: the message goes
-- through the same decoding and deduplication as any other, with the rows, the outcome and the end of the
-- dead letter in one transaction. So it is applied once, or is a dead letter still.
CREATE TABLE globalmart.dead_letter_redrives (
  redrive_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic           text        NOT NULL,
  kafka_partition int         NOT NULL,
  kafka_offset    bigint      NOT NULL,
  key             bytea,
  value           bytea,
  original_value  bytea,
  reason          text        NOT NULL,
  state           text        NOT NULL DEFAULT 'waiting'
                  CHECK (state IN ('waiting', 'applied', 'duplicate', 'rejected', 'cancelled')),
  detail          text,
  received_at     timestamptz NOT NULL,
  requested_at    timestamptz NOT NULL DEFAULT globalmart.clock(),
  requested_by    text        NOT NULL DEFAULT current_user,
  finished_at     timestamptz
);
CREATE UNIQUE INDEX dead_letter_redrives_once ON globalmart.dead_letter_redrives (topic, kafka_partition, kafka_offset)
  WHERE state IN ('waiting', 'applied', 'duplicate');
COMMENT ON TABLE globalmart.dead_letter_redrives IS 'Requests to apply dead letters after all, and what became of them. The rows that come of one keep the topic, partition and offset of the message, with a new received_at';
COMMENT ON COLUMN globalmart.dead_letter_redrives.redrive_id IS 'Number of the request';
COMMENT ON COLUMN globalmart.dead_letter_redrives.topic IS 'Topic of the message';
COMMENT ON COLUMN globalmart.dead_letter_redrives.kafka_partition IS 'Partition of the message';
COMMENT ON COLUMN globalmart.dead_letter_redrives.kafka_offset IS 'Offset of the message';
COMMENT ON COLUMN globalmart.dead_letter_redrives.key IS 'Kafka key of the message';
COMMENT ON COLUMN globalmart.dead_letter_redrives.value IS 'The message to apply, mended or as it came';
COMMENT ON COLUMN globalmart.dead_letter_redrives.original_value IS 'The message as it came';
COMMENT ON COLUMN globalmart.dead_letter_redrives.reason IS 'Why it was a dead letter';
COMMENT ON COLUMN globalmart.dead_letter_redrives.state IS 'waiting; applied (its rows are stored); duplicate (an event with its id was stored before); rejected (still a dead letter); cancelled';
COMMENT ON COLUMN globalmart.dead_letter_redrives.detail IS 'For people: why it was rejected';
COMMENT ON COLUMN globalmart.dead_letter_redrives.received_at IS 'When the message arrived';
COMMENT ON COLUMN globalmart.dead_letter_redrives.requested_at IS 'When its redrive was asked for';
COMMENT ON COLUMN globalmart.dead_letter_redrives.requested_by IS 'Role that asked for it';
COMMENT ON COLUMN globalmart.dead_letter_redrives.finished_at IS 'When it was applied, rejected or cancelled';

CREATE FUNCTION globalmart.redrive_dead_letters(filter jsonb DEFAULT '{}', mended bytea DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  unknown text;
  asked bigint;
BEGIN
  PERFORM globalmart.require_owner();
  -- A variable that was not set would ask for all.
  IF filter IS NULL OR EXISTS (SELECT FROM jsonb_each(filter) AS m WHERE m.value = 'null') THEN
    RAISE null_value_not_allowed USING
      MESSAGE = coalesce('a member of the filter is null: ' || (SELECT string_agg(m.key, ', ' ORDER BY m.key) FROM jsonb_each(filter) AS m WHERE m.value = 'null'),
                         'the filter is NULL'),
      HINT = 'Leave a member out to take all its values; {} asks for all dead letters.';
  END IF;
  SELECT string_agg(k, ', ' ORDER BY k) INTO unknown FROM jsonb_object_keys(filter) AS k
  WHERE k NOT IN ('topic', 'reason', 'kafka_partition', 'kafka_offset', 'received_from', 'received_to');
  IF unknown IS NOT NULL THEN
    RAISE invalid_parameter_value USING
      MESSAGE = format('a filter of dead letters has no member %s', unknown),
      HINT = 'Members: topic, reason, kafka_partition, kafka_offset, received_from, received_to (not itself included).';
  END IF;
  -- The bridge that stores a mended message deletes its dead letter: whoever comes second finds none.
  INSERT INTO globalmart.dead_letter_redrives AS r
    (topic, kafka_partition, kafka_offset, key, value, original_value, reason, received_at)
  SELECT d.topic, d.kafka_partition, d.kafka_offset, d.key, coalesce(mended, d.value), d.value, d.reason, d.received_at
  FROM globalmart.dead_letters AS d
  WHERE (filter ->> 'topic' IS NULL OR d.topic = filter ->> 'topic')
    AND (filter ->> 'reason' IS NULL OR d.reason = filter ->> 'reason')
    AND (filter ->> 'kafka_partition' IS NULL OR d.kafka_partition = (filter ->> 'kafka_partition')::int)
    AND (filter ->> 'kafka_offset' IS NULL OR d.kafka_offset = (filter ->> 'kafka_offset')::bigint)
    AND (filter ->> 'received_from' IS NULL OR d.received_at >= (filter ->> 'received_from')::timestamptz)
    AND (filter ->> 'received_to' IS NULL OR d.received_at < (filter ->> 'received_to')::timestamptz)
  ORDER BY d.topic, d.kafka_partition, d.kafka_offset
  ON CONFLICT (topic, kafka_partition, kafka_offset) WHERE state IN ('waiting', 'applied', 'duplicate') DO NOTHING;
  GET DIAGNOSTICS asked = ROW_COUNT;
  IF mended IS NOT NULL AND asked > 1 THEN
    RAISE cardinality_violation USING
      MESSAGE = format('one mended message cannot stand for %s dead letters', asked),
      HINT = 'Name topic, kafka_partition and kafka_offset in the filter; for many, call redrive_dead_letter for each, with its mended value.';
  END IF;
  RETURN asked;
END
$$;
COMMENT ON FUNCTION globalmart.redrive_dead_letters(jsonb, bytea) IS
  'Asks for dead letters to be applied after all, as they came or, for a single one, mended; gives how many. filter: {"topic", "reason", "kafka_partition", "kafka_offset", "received_from", "received_to"}, all optional. The bridge applies each once; see dead_letter_redrives';

CREATE FUNCTION globalmart.redrive_dead_letter(topic text, kafka_partition int, kafka_offset bigint, mended text DEFAULT NULL)
RETURNS boolean
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  SELECT globalmart.redrive_dead_letters(
    jsonb_build_object('topic', $1, 'kafka_partition', $2, 'kafka_offset', $3), convert_to($4, 'UTF8')) > 0
$$;
COMMENT ON FUNCTION globalmart.redrive_dead_letter(text, int, bigint, text) IS
  'Asks for one dead letter to be applied, mended if a new text is given; true unless it is not there or asked for already. SELECT redrive_dead_letter(topic, kafka_partition, kafka_offset, replace(convert_from(value, ''UTF8''), ...)) FROM dead_letters mends many';

CREATE FUNCTION globalmart.cancel_redrives() RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  cancelled bigint;
BEGIN
  PERFORM globalmart.require_owner();
  UPDATE globalmart.dead_letter_redrives AS r SET state = 'cancelled', finished_at = globalmart.clock()
  WHERE r.state = 'waiting';
  GET DIAGNOSTICS cancelled = ROW_COUNT;
  RETURN cancelled;
END
$$;
COMMENT ON FUNCTION globalmart.cancel_redrives() IS
  'Takes back all requests that no bridge has applied yet; the messages stay dead letters';

CREATE FUNCTION globalmart.take_redrives(topic text, partitions int[], epochs bigint[], most int)
RETURNS TABLE (redrive_id bigint, kafka_partition int, kafka_offset bigint, key bytea, value bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
  IF NOT EXISTS (SELECT FROM globalmart.dead_letter_redrives AS r
                 WHERE r.state = 'waiting' AND r.topic = take_redrives.topic) THEN
    RETURN;
  END IF;
  -- A new owner of a partition waits until this transaction ends.
  PERFORM FROM globalmart.kafka_offsets AS o
  JOIN unnest(partitions, epochs) AS g(kafka_partition, epoch) USING (kafka_partition, epoch)
  WHERE o.topic = take_redrives.topic
  ORDER BY o.kafka_partition
  FOR UPDATE OF o;
  RETURN QUERY
    SELECT r.redrive_id, r.kafka_partition, r.kafka_offset, r.key, r.value
    FROM globalmart.dead_letter_redrives AS r
    JOIN globalmart.kafka_offsets AS o USING (topic, kafka_partition)
    JOIN unnest(partitions, epochs) AS g(kafka_partition, epoch) USING (kafka_partition, epoch)
    WHERE r.topic = take_redrives.topic AND r.state = 'waiting'
    ORDER BY r.redrive_id
    LIMIT most
    FOR UPDATE OF r SKIP LOCKED;
END
$$;
COMMENT ON FUNCTION globalmart.take_redrives(text, int[], bigint[], int) IS
  'For the bridge: redrives that wait for partitions it owns, locked until its transaction ends. In one transaction: take_redrives, COPY of the rows that come of them (with the message''s own partition and offset), finish_redrives, COMMIT';

CREATE FUNCTION globalmart.is_stored(stream text, event_id uuid, event_time timestamptz) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  source globalmart.streams;
  found_one boolean;
BEGIN
  SELECT s.* INTO source FROM globalmart.streams AS s WHERE s.stream = is_stored.stream;
  IF NOT FOUND OR NOT source.has_offsets THEN
    RAISE undefined_object USING
      MESSAGE = format('there is no stream "%s" that a topic brings', stream),
      HINT = 'See the table globalmart.streams.';
  END IF;
  EXECUTE format('SELECT EXISTS (SELECT FROM %s AS s WHERE s.%I = $1 AND s.%I = $2)',
                 source.relation, source.time_column, source.id_column)
    INTO found_one USING event_time, event_id;
  RETURN found_one;
END
$$;
COMMENT ON FUNCTION globalmart.is_stored(text, uuid, timestamptz) IS
  'For the bridge: whether the stream has this event. A dead letter can be older than the ids that the bridge remembers';

CREATE FUNCTION globalmart.finish_redrives(redrive_ids bigint[], states text[], reasons text[], details text[],
                                           event_times timestamptz[] DEFAULT '{}')
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  finished int;
BEGIN
  WITH given AS MATERIALIZED (
    SELECT * FROM unnest(redrive_ids, states, reasons, details, event_times) AS g(redrive_id, state, reason, detail, event_time)
  ), done AS (
    UPDATE globalmart.dead_letter_redrives AS r
    SET state = g.state, detail = g.detail, finished_at = globalmart.clock()
    FROM given AS g
    WHERE r.redrive_id = g.redrive_id AND r.state = 'waiting' AND g.state IN ('applied', 'duplicate', 'rejected')
    RETURNING r.topic, r.kafka_partition, r.kafka_offset, g.state, g.reason, g.detail, g.event_time
  ), gone AS (
    DELETE FROM globalmart.dead_letters AS d USING done AS f
    WHERE f.state IN ('applied', 'duplicate')
      AND d.topic = f.topic AND d.kafka_partition = f.kafka_partition AND d.kafka_offset = f.kafka_offset
    RETURNING d.topic, d.kafka_partition, f.state
  ), kept AS (
    UPDATE globalmart.dead_letters AS d SET reason = coalesce(f.reason, d.reason), detail = f.detail
    FROM done AS f
    WHERE f.state = 'rejected'
      AND d.topic = f.topic AND d.kafka_partition = f.kafka_partition AND d.kafka_offset = f.kafka_offset
    RETURNING 1
  ), counted AS (
    -- Messages = accepted + dead letters + duplicates stays true.
    UPDATE globalmart.kafka_offsets AS o
    SET dead_letters = o.dead_letters - c.letters, accepted = o.accepted + c.applied, duplicates = o.duplicates + c.repeated
    FROM (SELECT w.topic, w.kafka_partition, count(*) AS letters,
                 count(*) FILTER (WHERE w.state = 'applied') AS applied,
                 count(*) FILTER (WHERE w.state = 'duplicate') AS repeated
          FROM gone AS w GROUP BY w.topic, w.kafka_partition) AS c
    WHERE o.topic = c.topic AND o.kafka_partition = c.kafka_partition
    RETURNING 1
  ), seen AS (
    -- New definitions begin after these events, too. The watermark has nothing to do with them.
    UPDATE globalmart.partition_progress AS p
    SET newest_event = greatest(p.newest_event, e.newest)
    FROM (SELECT globalmart.topic_domain(f.topic) AS domain, f.kafka_partition, max(f.event_time) AS newest
          FROM done AS f WHERE f.state = 'applied' GROUP BY 1, 2) AS e
    WHERE p.domain = e.domain AND p.kafka_partition = e.kafka_partition
    RETURNING 1
  )
  SELECT CASE WHEN (SELECT count(*) FROM done WHERE done.state <> 'rejected') = (SELECT count(*) FROM gone)
               AND (SELECT count(*) FROM kept) >= 0 AND (SELECT count(*) FROM counted) >= 0 AND (SELECT count(*) FROM seen) >= 0
              THEN (SELECT count(*) FROM done) ELSE -1 END
    INTO finished;
  IF finished <> cardinality(redrive_ids) THEN
    RAISE object_not_in_prerequisite_state USING
      MESSAGE = 'a redrive was finished or cancelled before, or its dead letter is gone',
      HINT = 'Take redrives and finish them in one transaction; states are applied, duplicate and rejected.';
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.finish_redrives(bigint[], text[], text[], text[], timestamptz[]) IS
  'For the bridge: what became of redrives it took in this transaction: applied or duplicate end the dead letter, rejected keeps it with the new reason and detail; an element each. event_times: of the applied events';
-- outbox.sql
-- Alerts on their way out. An anomaly appends its alert to the outbox in its own transaction and tells
-- nobody: NOTIFY makes the commits of the whole server queue, so it happens when the alerts are sent.

CREATE TABLE globalmart.alerts_outbox (
  alert_id   uuid PRIMARY KEY,
  rollup     text NOT NULL,
  payload    jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT globalmart.clock(),
  taken_at   timestamptz,
  sent_at    timestamptz
) WITH (fillfactor = 80);
CREATE INDEX alerts_outbox_unsent ON globalmart.alerts_outbox (created_at) WHERE sent_at IS NULL;
COMMENT ON TABLE globalmart.alerts_outbox IS 'Alerts to be sent to the alerts topic and to NOTIFY, at least once';
COMMENT ON COLUMN globalmart.alerts_outbox.alert_id IS 'Follows from the rollup and the key of the row: the same alert has the same id, however often it is sent';
COMMENT ON COLUMN globalmart.alerts_outbox.rollup IS 'Rollup or detector that the alert is from';
COMMENT ON COLUMN globalmart.alerts_outbox.payload IS 'The columns of the row, times in UTC; alert_id and rollup are added when it is sent';
COMMENT ON COLUMN globalmart.alerts_outbox.created_at IS 'When it was found';
COMMENT ON COLUMN globalmart.alerts_outbox.taken_at IS 'When a sender took it; after 30 seconds another may';
COMMENT ON COLUMN globalmart.alerts_outbox.sent_at IS 'When it was confirmed; NULL: not yet';

CREATE TABLE globalmart.alert_sources (
  rollup    text PRIMARY KEY,
  published boolean NOT NULL
);
COMMENT ON TABLE globalmart.alert_sources IS 'Which rollups and detectors give alerts; set by publish_alerts and unpublish_alerts';
COMMENT ON COLUMN globalmart.alert_sources.rollup IS 'Rollup or detector';
COMMENT ON COLUMN globalmart.alert_sources.published IS 'False: an owner took it off';

CREATE FUNCTION globalmart.append_alerts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET extra_float_digits = 1 AS $$
DECLARE
  keys text;
BEGIN
  -- Arguments: the columns of the key.
  SELECT string_agg('n.' || quote_ident(k.name), ', ' ORDER BY k.number) INTO keys
  FROM unnest(TG_ARGV) WITH ORDINALITY AS k(name, number);
  EXECUTE format(
    'INSERT INTO globalmart.alerts_outbox (alert_id, rollup, payload) '
    'SELECT md5(%L || jsonb_build_array(%s)::text)::uuid, %L, to_jsonb(n) FROM new_rows AS n ON CONFLICT DO NOTHING',
    TG_TABLE_NAME || ' ', keys, TG_TABLE_NAME);
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION globalmart.append_alerts() IS
  'Statement trigger of the tables whose rows are alerts: appends them to the outbox';

CREATE FUNCTION globalmart.publish_alerts(rollup text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  relation regclass;
  keys text;
BEGIN
  PERFORM globalmart.require_owner();
  PERFORM globalmart.require_rollup(publish_alerts.rollup);
  relation := format('globalmart.%I', publish_alerts.rollup)::regclass;
  SELECT string_agg(quote_literal(a.attname), ', ' ORDER BY k.number) INTO keys
  FROM (SELECT i.indkey FROM pg_index AS i WHERE i.indrelid = relation AND i.indisunique
        ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1) AS i
  CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, number)
  JOIN pg_attribute AS a ON a.attrelid = relation AND a.attnum = k.attnum;
  IF keys IS NULL THEN
    RAISE object_not_in_prerequisite_state USING
      MESSAGE = format('the rows of "%s" have no key that could identify an alert', publish_alerts.rollup),
      HINT = 'Give a detector the id of the event, and a rollup a key.';
  END IF;
  EXECUTE format(
    'CREATE OR REPLACE TRIGGER append_alerts AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows '
    'FOR EACH STATEMENT EXECUTE FUNCTION globalmart.append_alerts(%s)', relation, keys);
  INSERT INTO globalmart.alert_sources AS s (rollup, published) VALUES (publish_alerts.rollup, true)
  ON CONFLICT (rollup) DO UPDATE SET published = true;
END
$$;
COMMENT ON FUNCTION globalmart.publish_alerts(text) IS
  'From now on, every row of this rollup or detector is an alert; may be called again';

CREATE FUNCTION globalmart.unpublish_alerts(rollup text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $$
#variable_conflict use_column
BEGIN
  PERFORM globalmart.require_owner();
  PERFORM globalmart.require_rollup(unpublish_alerts.rollup);
  EXECUTE format('DROP TRIGGER IF EXISTS append_alerts ON globalmart.%I', unpublish_alerts.rollup);
  INSERT INTO globalmart.alert_sources AS s (rollup, published) VALUES (unpublish_alerts.rollup, false)
  ON CONFLICT (rollup) DO UPDATE SET published = false;
END
$$;
COMMENT ON FUNCTION globalmart.unpublish_alerts(text) IS 'From now on, rows of this rollup or detector are no alerts';

CREATE FUNCTION globalmart.take_alerts(max int) RETURNS TABLE (alert_id uuid, payload jsonb)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH taken AS (
    UPDATE globalmart.alerts_outbox AS a SET taken_at = globalmart.clock()
    WHERE a.alert_id IN (
      SELECT o.alert_id FROM globalmart.alerts_outbox AS o
      WHERE o.sent_at IS NULL AND (o.taken_at IS NULL OR o.taken_at < globalmart.clock() - interval '30 seconds')
      ORDER BY o.created_at
      LIMIT $1
      FOR UPDATE SKIP LOCKED)
    RETURNING a.alert_id, a.rollup, a.payload, a.created_at)
  SELECT t.alert_id, t.payload || jsonb_build_object('alert_id', t.alert_id, 'rollup', t.rollup)
  FROM taken AS t ORDER BY t.created_at, t.alert_id
$$;
COMMENT ON FUNCTION globalmart.take_alerts(int) IS
  'For a sender: the oldest alerts that are not sent (alert_id, rollup and the columns of the row), for 30 seconds nobody else''s. Send them, then mark_alerts_sent';

CREATE FUNCTION globalmart.mark_alerts_sent(ids uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  alert record;
BEGIN
  FOR alert IN
    UPDATE globalmart.alerts_outbox AS a SET sent_at = globalmart.clock()
    WHERE a.alert_id = ANY (ids) AND a.sent_at IS NULL
    RETURNING a.alert_id, a.rollup, a.payload || jsonb_build_object('alert_id', a.alert_id, 'rollup', a.rollup) AS payload
  LOOP
    -- NOTIFY carries less than 8,000 bytes; who needs the rest looks it up by alert_id.
    PERFORM pg_notify('globalmart_alerts',
      CASE WHEN octet_length(alert.payload::text) < 7900 THEN alert.payload::text
           ELSE jsonb_build_object('alert_id', alert.alert_id, 'rollup', alert.rollup)::text END);
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.mark_alerts_sent(uuid[]) IS
  'For a sender: these alerts have arrived. Tells listeners of channel globalmart_alerts when the transaction commits';

CREATE FUNCTION globalmart.send_alerts() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  ids uuid[];
BEGIN
  SELECT array_agg(t.alert_id) INTO ids FROM globalmart.take_alerts(1000) AS t;
  PERFORM globalmart.mark_alerts_sent(ids);
  RETURN coalesce(cardinality(ids), 0);
END
$$;
COMMENT ON FUNCTION globalmart.send_alerts() IS
  'Sends up to 1,000 alerts by NOTIFY globalmart_alerts alone, where no bridge runs; gives how many. For pg_cron';
-- scheduled_jobs.sql
-- What a scheduler does for us: pg_cron's jobs of this database (cron/schedule.sql makes them), and the night, whoever
-- calls it. Without pg_cron all of this works and is empty.

CREATE FUNCTION globalmart.cron_field(field text, lowest int, highest int) RETURNS int[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  part text;
  parsed text[];
  first_value int;
  last_value int;
  chosen int[] := '{}';
BEGIN
  FOREACH part IN ARRAY string_to_array(field, ',') LOOP
    parsed := regexp_match(part, '^(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?$');
    first_value := coalesce(parsed[1]::int, lowest);
    last_value := coalesce(parsed[2]::int, parsed[1]::int, highest);
    -- A step belongs to a range; names of months and days are not known here.
    IF parsed IS NULL OR (parsed[1] IS NOT NULL AND parsed[2] IS NULL AND parsed[3] IS NOT NULL)
       OR parsed[3]::int = 0 OR first_value < lowest OR last_value > highest OR first_value > last_value THEN
      RETURN NULL;
    END IF;
    chosen := chosen || ARRAY(SELECT generate_series(first_value, last_value, coalesce(parsed[3]::int, 1)));
  END LOOP;
  RETURN chosen;
END
$$;
COMMENT ON FUNCTION globalmart.cron_field(text, int, int) IS
  'The numbers that a field of a cron schedule stands for (*, 5, 1-5, */15, 0,30); NULL: it cannot be read';

CREATE FUNCTION globalmart.next_due(schedule text, after timestamptz) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  fields text[] := regexp_split_to_array(btrim(schedule), '\s+');
  minutes int[] := globalmart.cron_field(fields[1], 0, 59);
  hours int[] := globalmart.cron_field(fields[2], 0, 23);
  days int[] := globalmart.cron_field(fields[3], 1, 31);
  months int[] := globalmart.cron_field(fields[4], 1, 12);
  weekdays int[] := globalmart.cron_field(fields[5], 0, 7);
  -- With both given, a day that fits either of them fits: cron's rule.
  one_is_open boolean := fields[3] LIKE '*%' OR fields[5] LIKE '*%';
  earliest timestamp := date_trunc('minute', next_due.after AT TIME ZONE 'UTC') + interval '1 minute';
  day date;
  fits boolean;
  due timestamp;
BEGIN
  IF cardinality(fields) <> 5 OR minutes IS NULL OR hours IS NULL OR days IS NULL OR months IS NULL OR weekdays IS NULL THEN
    RETURN NULL;
  END IF;
  -- Eight years, so that there is a 29th of February.
  FOR ahead IN 0 .. 2922 LOOP
    day := earliest::date + ahead;
    CONTINUE WHEN NOT extract(month FROM day)::int = ANY (months);
    fits := CASE WHEN one_is_open
                 THEN extract(day FROM day)::int = ANY (days) AND (extract(dow FROM day)::int = ANY (weekdays) OR extract(isodow FROM day)::int = ANY (weekdays))
                 ELSE extract(day FROM day)::int = ANY (days) OR extract(dow FROM day)::int = ANY (weekdays) OR extract(isodow FROM day)::int = ANY (weekdays) END;
    CONTINUE WHEN NOT fits;
    SELECT min(t.at) INTO due
    FROM (SELECT day + make_interval(hours => h, mins => m) AS at FROM unnest(hours) AS h CROSS JOIN unnest(minutes) AS m) AS t
    WHERE t.at >= earliest;
    IF due IS NOT NULL THEN
      RETURN due AT TIME ZONE 'UTC';
    END IF;
  END LOOP;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION globalmart.next_due(text, timestamptz) IS
  'The first minute later than after (UTC) that fits a cron schedule of five fields; NULL: there is none, or names stand for numbers in it';

CREATE FUNCTION globalmart.cron_jobs()
RETURNS TABLE (job text, schedule text, command text, active boolean, last_start timestamptz, last_outcome text, last_message text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- Only the tables of pg_cron itself: a schema of that name might be anybody's. What the owner may see of them
  -- are the jobs of globalmart_cron (cron/schedule.sql).
  IF (SELECT count(*)
      FROM pg_extension AS e
      JOIN pg_depend AS d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e' AND d.classid = 'pg_class'::regclass
      JOIN pg_class AS c ON c.oid = d.objid
      JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE e.extname = 'pg_cron' AND n.nspname = 'cron' AND c.relname IN ('job', 'job_run_details')
        AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')) < 2 THEN
    RETURN;
  END IF;
  RETURN QUERY
    SELECT j.jobname::text, j.schedule, j.command, j.active, r.start_time, r.status, r.return_message
    FROM cron.job AS j
    LEFT JOIN LATERAL (SELECT d.start_time, d.status, d.return_message FROM cron.job_run_details AS d
                       WHERE d.jobid = j.jobid ORDER BY d.runid DESC LIMIT 1) AS r ON true
    WHERE j.username = 'globalmart_cron' AND j.database = current_database();
END
$$;
COMMENT ON FUNCTION globalmart.cron_jobs() IS
  'Jobs that pg_cron runs in this database as globalmart_cron, each with its last run; none where pg_cron is in another database or absent';

CREATE VIEW globalmart.scheduled_jobs AS
  SELECT j.job, j.schedule, j.command, j.last_start, j.last_outcome, j.last_message,
         CASE WHEN j.active THEN globalmart.next_due(j.schedule, globalmart.clock()) END AS next_due
  FROM globalmart.cron_jobs() AS j
  ORDER BY j.job;
COMMENT ON VIEW globalmart.scheduled_jobs IS
  'The jobs of cron/schedule.sql with their last runs. Empty where pg_cron is absent, or in another database: there cron.job and cron.job_run_details tell';
COMMENT ON COLUMN globalmart.scheduled_jobs.job IS 'Name of the job';
COMMENT ON COLUMN globalmart.scheduled_jobs.schedule IS 'Minute, hour, day of the month, month, day of the week; UTC';
COMMENT ON COLUMN globalmart.scheduled_jobs.command IS 'What it calls';
COMMENT ON COLUMN globalmart.scheduled_jobs.last_start IS 'When it last started; NULL: it has not, or it is too long ago';
COMMENT ON COLUMN globalmart.scheduled_jobs.last_outcome IS 'starting, running, succeeded or failed';
COMMENT ON COLUMN globalmart.scheduled_jobs.last_message IS 'What the server said to it';
COMMENT ON COLUMN globalmart.scheduled_jobs.next_due IS 'When it is due next; NULL: it is not active, or the schedule is written with names';

CREATE FUNCTION globalmart.night_state(OUT state text, OUT lag interval, OUT problem text, OUT remedy text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  now_at timestamptz := globalmart.clock();
  -- A day, and two hours for a night that takes longer than the one before.
  late_after interval := interval '26 hours';
  last_run record;
  loaded_at timestamptz;
BEGIN
  state := 'none';
  IF to_regclass('globalmart.etl_runs') IS NULL THEN
    RETURN;
  END IF;
  SELECT r.run_id, r.state, r.started_at, r.last_error INTO last_run FROM globalmart.etl_runs AS r ORDER BY r.run_id DESC LIMIT 1;
  IF NOT FOUND THEN
    IF EXISTS (SELECT FROM globalmart.leaves_past_retention() AS l JOIN globalmart.raw_readers AS r USING (stream) WHERE r.reader = 'warehouse') THEN
      problem := 'days past raw_retention are kept for it, and it was never loaded';
      remedy := 'CALL globalmart.run_etl() each night; a shop without a warehouse: DELETE FROM globalmart.raw_readers WHERE reader = ''warehouse''.';
    END IF;
    RETURN;
  END IF;
  SELECT r.started_at INTO loaded_at FROM globalmart.etl_runs AS r WHERE r.state = 'done' ORDER BY r.run_id DESC LIMIT 1;
  lag := now_at - loaded_at;
  IF last_run.state = 'failed' THEN
    state := 'failed';
    problem := format('the run that began at %s failed: %s',
                      to_char(last_run.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), last_run.last_error);
    remedy := 'Mend the cause, then CALL globalmart.run_etl(), which goes on from there; see globalmart.etl_steps.';
  -- Whoever runs it holds this lock (see run_etl); it goes with the session.
  ELSIF last_run.state = 'killed' OR last_run.state = 'running'
        AND NOT EXISTS (SELECT FROM pg_locks AS l
                        WHERE l.locktype = 'advisory' AND l.classid = 1735287117 AND l.objid = 1 AND l.objsubid = 2 AND l.granted
                          AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())) THEN
    state := 'killed';
    problem := format('the run that began at %s was killed', to_char(last_run.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'));
    remedy := 'CALL globalmart.run_etl(), which goes on from there.';
  ELSIF last_run.started_at < now_at - late_after THEN
    state := 'overdue';
    problem := format(CASE last_run.state WHEN 'running' THEN 'the run that began at %s is not done yet' ELSE 'no run has begun since %s' END,
                      to_char(last_run.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'));
    remedy := CASE last_run.state WHEN 'running' THEN 'See globalmart.etl_progress, and globalmart.open_folds for a writer that it waits for.'
                                  ELSE 'CALL globalmart.run_etl() each night: see globalmart.scheduled_jobs, or your scheduler. Raw rows are kept until then.' END;
  ELSE
    state := CASE last_run.state WHEN 'running' THEN 'loading' ELSE 'loaded' END;
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.night_state() IS
  'How the warehouse''s load is, for the view status: none (it was never called), loading, loaded, failed, killed, or overdue when the last run began more than 26 hours ago';
-- status.sql
-- What goes on: watermarks, and one row for each part with what is wrong and what to do.

CREATE VIEW globalmart.watermarks AS
  SELECT s.stream, s.domain, s.topic, p.kafka_partition, d.watermark, p.max_event_time,
         globalmart.clock() - p.max_event_time AS lag,
         CASE WHEN p.at_end_since IS NOT NULL
                   AND p.checked_at - GREATEST(p.at_end_since, p.last_message_at) >= interval '1 minute'
              THEN 'idle' ELSE 'live' END AS state,
         p.last_message_at, p.checked_at
  FROM globalmart.streams AS s
  JOIN (SELECT o.domain, globalmart.domain_watermark(o.domain, interval '1 minute', 'min') AS watermark
        FROM globalmart.domains AS o) AS d ON d.domain = s.domain
  LEFT JOIN globalmart.progress_by_partition AS p ON p.domain = s.domain;
COMMENT ON VIEW globalmart.watermarks IS 'Event time by stream and Kafka partition, with the default idle timeout of a minute';
COMMENT ON COLUMN globalmart.watermarks.stream IS 'Stream';
COMMENT ON COLUMN globalmart.watermarks.domain IS 'Streams of one domain share their watermark';
COMMENT ON COLUMN globalmart.watermarks.topic IS 'Topic that brings the stream; NULL: a detector''s table';
COMMENT ON COLUMN globalmart.watermarks.kafka_partition IS 'Partition; -1: rows that came by SQL; NULL: nothing was read yet';
COMMENT ON COLUMN globalmart.watermarks.watermark IS 'Event time up to which the stream counts as complete, before a rollup''s lateness is taken off';
COMMENT ON COLUMN globalmart.watermarks.max_event_time IS 'Greatest event time that was committed';
COMMENT ON COLUMN globalmart.watermarks.lag IS 'Clock less greatest event time';
COMMENT ON COLUMN globalmart.watermarks.state IS 'live: holds the watermark; idle: at its end for a minute, holds nothing';
COMMENT ON COLUMN globalmart.watermarks.last_message_at IS 'When the last message was stored';
COMMENT ON COLUMN globalmart.watermarks.checked_at IS 'When the bridge last said how far it is';

-- Transactions that fold: a close waits for them.
CREATE VIEW globalmart.open_folds AS
  SELECT l.pid, COALESCE(a.usename, x.owner) AS user_name, a.application_name,
         CASE WHEN x.gid IS NULL THEN a.state ELSE 'prepared' END AS state, COALESCE(a.xact_start, x.prepared) AS started_at,
         d.domain, x.gid AS prepared
  FROM pg_catalog.pg_locks AS l
  JOIN globalmart.domains AS d ON globalmart.fold_lock_number(d.domain) = l.objid
  LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
  -- One that was prepared has no process; the lock on its own number leads to its name.
  LEFT JOIN (SELECT t.virtualtransaction, p.gid, p.owner, p.prepared
             FROM pg_catalog.pg_prepared_xacts AS p
             JOIN pg_catalog.pg_locks AS t ON t.locktype = 'transactionid' AND t.transactionid = p.transaction AND t.granted AND t.pid IS NULL) AS x
    ON l.pid IS NULL AND x.virtualtransaction = l.virtualtransaction
  WHERE l.locktype = 'object' AND l.granted AND l.mode = 'RowExclusiveLock'
    AND l.classid = 'globalmart.domains'::pg_catalog.regclass
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database());
COMMENT ON VIEW globalmart.open_folds IS 'Transactions under way that wrote to a stream, by domain; closing waits for those that began before it';
COMMENT ON COLUMN globalmart.open_folds.pid IS 'Process, for pg_terminate_backend; NULL: the transaction is prepared';
COMMENT ON COLUMN globalmart.open_folds.user_name IS 'Role';
COMMENT ON COLUMN globalmart.open_folds.application_name IS 'Program, as it calls itself';
COMMENT ON COLUMN globalmart.open_folds.state IS 'What it does now; idle in transaction: it forgot to commit; prepared: it waits for COMMIT PREPARED';
COMMENT ON COLUMN globalmart.open_folds.started_at IS 'When the transaction began, or was prepared; NULL: you may not see it';
COMMENT ON COLUMN globalmart.open_folds.domain IS 'Watermark domain whose streams it wrote to; a row for each';
COMMENT ON COLUMN globalmart.open_folds.prepared IS 'Name of a prepared transaction; NULL: a process has it';

CREATE VIEW globalmart.status AS
  -- Topics: is somebody reading, and how fast.
  SELECT 'topic ' || t.topic AS part,
         CASE WHEN t.checked_at < globalmart.clock() - interval '30 seconds' THEN 'stopped'
              WHEN t.lagging > 0 THEN 'catching up' ELSE 'running' END AS state,
         t.messages_a_second AS rows_a_second,
         t.lag,
         CASE WHEN t.checked_at < globalmart.clock() - interval '30 seconds'
              THEN pg_catalog.format('no bridge has reported since %s', pg_catalog.to_char(t.checked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'))
              WHEN t.lagging > 0 THEN pg_catalog.format('%s of %s partitions are not read to their end', t.lagging, t.partitions) END AS problem,
         CASE WHEN t.checked_at < globalmart.clock() - interval '30 seconds' THEN 'Start globalmart-bridge, or see its log; a topic that is no longer read: SELECT globalmart.forget_partitions(topic).' END AS remedy
  FROM (
    SELECT o.topic, pg_catalog.count(*) AS partitions,
           GREATEST(pg_catalog.max(p.checked_at), pg_catalog.max(o.advanced_at), pg_catalog.max(o.claimed_at)) AS checked_at,
           pg_catalog.count(*) FILTER (WHERE p.domain IS NOT NULL AND p.at_end_since IS NULL) AS lagging,
           pg_catalog.sum(o.messages_a_second) FILTER (WHERE o.advanced_at > globalmart.clock() - interval '30 seconds') AS messages_a_second,
           globalmart.clock() - pg_catalog.max(p.max_event_time) AS lag
    FROM globalmart.kafka_offsets AS o
    LEFT JOIN globalmart.partition_progress AS p
      ON p.domain = globalmart.topic_domain(o.topic) AND p.kafka_partition = o.kafka_partition
    GROUP BY o.topic
  ) AS t
  UNION ALL
  -- Closing: what failed, and what holds it up.
  SELECT 'windows of ' || d.domain,
         CASE WHEN d.failed IS NOT NULL THEN 'failed'
              WHEN d.held_since < globalmart.clock() - interval '10 seconds' THEN 'held up'
              WHEN d.stopped_since IS NOT NULL THEN 'waiting'
              WHEN d.paused IS NOT NULL THEN 'paused' ELSE 'running' END,
         NULL::double precision,
         globalmart.clock() - NULLIF(d.closed_until, '-infinity'),
         CASE WHEN d.failed IS NOT NULL THEN pg_catalog.format('%s: %s', d.failed, d.last_error)
              WHEN d.held_since < globalmart.clock() - interval '10 seconds'
              THEN COALESCE((SELECT CASE WHEN f.prepared IS NULL
                                         THEN pg_catalog.format('process %s (%s, %s) has been writing since %s', f.pid, f.user_name, f.state, f.started_at)
                                         ELSE pg_catalog.format('prepared transaction %L (%s) has been waiting since %s', f.prepared, f.user_name, f.started_at) END
                             FROM globalmart.open_folds AS f WHERE f.domain = d.domain ORDER BY f.started_at NULLS LAST, f.pid LIMIT 1),
                            'windows were published and nobody merges them')
              WHEN d.stopped_since IS NOT NULL
              THEN pg_catalog.format('topic %s has not been read since %s: the watermark stands still, and later windows stay open', d.topics,
                                     pg_catalog.to_char(d.stopped_since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'))
              WHEN d.paused IS NOT NULL THEN pg_catalog.format('paused: %s', d.paused) END,
         CASE WHEN d.failed IS NOT NULL
              THEN pg_catalog.format('Mend the cause, then SELECT globalmart.resume_rollup(%L).', d.failed)
              WHEN d.held_since < globalmart.clock() - interval '10 seconds'
              THEN COALESCE((SELECT CASE WHEN f.prepared IS NULL
                                         THEN pg_catalog.format('Let it commit, or SELECT pg_terminate_backend(%s).', f.pid)
                                         ELSE pg_catalog.format('COMMIT PREPARED %1$L, or ROLLBACK PREPARED %1$L; see pg_prepared_xacts.', f.prepared) END
                             FROM globalmart.open_folds AS f WHERE f.domain = d.domain ORDER BY f.started_at NULLS LAST, f.pid LIMIT 1),
                            'CALL globalmart.close_windows(), or start globalmart-bridge.')
              WHEN d.stopped_since IS NOT NULL
              THEN 'Start globalmart-bridge, or see its log; a topic that is no longer read: SELECT globalmart.forget_partitions(topic).'
              WHEN d.paused IS NOT NULL THEN 'SELECT globalmart.resume_rollup(name) lets it go on.' END
  FROM (
    SELECT c.domain,
           pg_catalog.min(c.name) FILTER (WHERE c.state = 'failed') AS failed,
           (pg_catalog.array_agg(c.last_error ORDER BY c.name) FILTER (WHERE c.state = 'failed'))[1] AS last_error,
           pg_catalog.string_agg(c.name, ', ' ORDER BY c.name) FILTER (WHERE c.state = 'paused') AS paused,
           pg_catalog.min(p.merged_until) AS closed_until,
           (SELECT pg_catalog.string_agg(DISTINCT s.topic, ', ') FROM globalmart.streams AS s WHERE s.domain = c.domain) AS topics,
           -- Without a bridge there is no row; with one, the most recent report counts.
           (SELECT pg_catalog.max(g.checked_at) FROM globalmart.partition_progress AS g WHERE g.domain = c.domain
            HAVING pg_catalog.max(g.checked_at) < globalmart.clock() - interval '30 seconds') AS stopped_since,
           pg_catalog.min(p.published_at) FILTER (WHERE p.merged_until < p.closed_until AND c.state = 'live') AS held_since
    FROM globalmart.rollup_catalog AS c
    LEFT JOIN LATERAL (
      SELECT pg_catalog.max(g.merged_until) AS merged_until, pg_catalog.max(g.closed_until) AS closed_until,
             pg_catalog.max(g.published_at) AS published_at
      FROM globalmart.rollup_versions AS v JOIN globalmart.rollup_progress AS g USING (version_id)
      WHERE v.rollup = c.name AND c.kind = 'rollup') AS p ON true
    GROUP BY c.domain
  ) AS d
  UNION ALL
  -- What the bridge says of its memory of event ids; for a bridge that is away its topics speak.
  SELECT 'event ids', CASE WHEN i.domains IS NULL THEN 'remembered' ELSE 'forgotten early' END, NULL, NULL,
         CASE WHEN i.domains IS NOT NULL
              THEN pg_catalog.format('the bridge has more event ids of %s to remember than it may: an event that comes again may count twice', i.domains) END,
         CASE WHEN i.domains IS NOT NULL
              THEN pg_catalog.format('Raise bridge.dedup_max_ids and start globalmart-bridge again; it must remember %s of events.', globalmart.dedup_horizon()) END
  FROM (SELECT pg_catalog.string_agg(DISTINCT g.domain, ', ') AS domains FROM globalmart.partition_progress AS g
        WHERE g.ids_capped AND g.checked_at >= globalmart.clock() - interval '30 seconds') AS i
  UNION ALL
  -- Partitions: enough ahead, not too many, none kept that should be gone.
  SELECT 'partitions of ' || l.stream,
         CASE WHEN l.unfolded IS NOT NULL THEN 'not folded'
              WHEN l.last_day IS NULL OR l.last_day <= l.today THEN 'missing'
              WHEN l.leaves > l.most THEN 'full' WHEN l.default_bytes > 0 THEN 'in part' ELSE 'ready' END,
         NULL, NULL,
         CASE WHEN l.unfolded IS NOT NULL
              THEN pg_catalog.format('rows of statements that name %s are in no rollup', pg_catalog.array_to_string(l.unfolded, ', '))
              WHEN l.last_day IS NULL OR l.last_day <= l.today THEN 'there is no partition for tomorrow'
              WHEN l.leaves > l.most THEN pg_catalog.format('%s partitions, as many as partitions_most allows: further days go to the default partition', l.leaves)
              WHEN l.default_bytes > 0 THEN pg_catalog.format('%s of rows are in the default partition', pg_catalog.pg_size_pretty(l.default_bytes)) END,
         CASE WHEN l.unfolded IS NOT NULL
              THEN pg_catalog.format('SELECT globalmart.create_stream_triggers(%L, %L), as the owner of that table.', l.stream, l.unfolded[1])
              WHEN l.last_day IS NULL OR l.last_day <= l.today THEN 'CALL globalmart.maintain_partitions() each day (pg_cron); while a reader keeps the table open it tries in vain.'
              WHEN l.leaves > l.most THEN 'CALL globalmart.drop_old_partitions(), or raise partitions_most.'
              WHEN l.default_bytes > 0 THEN 'No harm; they go by retention as others do.' END
  FROM (
    SELECT s AS stream, (globalmart.clock() AT TIME ZONE 'UTC')::date AS today,
           globalmart.setting('partitions_most', s)::int AS most,
           pg_catalog.count(*) AS leaves, pg_catalog.max(b.day) AS last_day,
           pg_catalog.max(pg_catalog.pg_relation_size(pg_catalog.to_regclass('globalmart.' || pg_catalog.quote_ident(b.leaf))))
             FILTER (WHERE b.day IS NULL) AS default_bytes,
           -- Made by hand, since create_stream.
           (SELECT pg_catalog.array_agg(pg_catalog.format('%I.%I', c.relnamespace::pg_catalog.regnamespace::text, c.relname) ORDER BY c.relname)
            FROM globalmart.streams AS r
            CROSS JOIN LATERAL pg_catalog.pg_partition_tree(r.relation) AS t
            JOIN pg_catalog.pg_class AS c ON c.oid = t.relid
            WHERE r.stream = s AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS g WHERE g.tgrelid = t.relid
                                                 AND g.tgfoid = 'globalmart.fold_rows()'::pg_catalog.regprocedure)) AS unfolded
    FROM globalmart.partitioned_streams() AS s
    CROSS JOIN LATERAL globalmart.stream_leaves(s) AS b
    GROUP BY s
  ) AS l
  UNION ALL
  SELECT 'dead letters',
         CASE WHEN d.messages = 0 THEN 'none'
              WHEN d.last_received_at > globalmart.clock() - interval '1 hour' THEN 'arriving' ELSE 'kept' END,
         NULL, globalmart.clock() - d.last_received_at,
         CASE WHEN d.messages > 0 THEN pg_catalog.format('%s messages were not applied', d.messages) END,
         CASE WHEN d.messages > 0 THEN 'See globalmart.dead_letter_summary; globalmart.redrive_dead_letters() has them applied once the cause is mended.' END
  FROM (SELECT COALESCE(pg_catalog.sum(m.messages), 0) AS messages, pg_catalog.max(m.last_received_at) AS last_received_at
        FROM globalmart.dead_letter_summary AS m) AS d
  UNION ALL
  SELECT 'redrives', CASE WHEN r.waiting = 0 THEN 'none' ELSE 'waiting' END, NULL, globalmart.clock() - r.oldest,
         CASE WHEN r.oldest < globalmart.clock() - interval '1 minute' THEN pg_catalog.format('%s redrives have waited for a bridge', r.waiting) END,
         CASE WHEN r.oldest < globalmart.clock() - interval '1 minute' THEN 'Start globalmart-bridge, or see its log.' END
  FROM (SELECT pg_catalog.count(*) AS waiting, pg_catalog.min(w.requested_at) AS oldest
        FROM globalmart.dead_letter_redrives AS w WHERE w.state = 'waiting') AS r
  UNION ALL
  SELECT 'alerts', CASE WHEN a.unsent = 0 THEN 'sent' WHEN a.oldest < globalmart.clock() - interval '1 minute' THEN 'stuck' ELSE 'sending' END,
         NULL, globalmart.clock() - a.oldest,
         CASE WHEN a.oldest < globalmart.clock() - interval '1 minute' THEN pg_catalog.format('%s alerts are not sent', a.unsent) END,
         CASE WHEN a.oldest < globalmart.clock() - interval '1 minute'
              THEN 'Start globalmart-bridge, or SELECT globalmart.send_alerts() where only NOTIFY is wanted.' END
  FROM (SELECT pg_catalog.count(*) AS unsent, pg_catalog.min(o.created_at) AS oldest
        FROM globalmart.alerts_outbox AS o WHERE o.sent_at IS NULL) AS a
  UNION ALL
  SELECT 'late events', CASE WHEN e.late = 0 THEN 'none' ELSE 'arriving' END, NULL, NULL,
         CASE WHEN e.late > 0 THEN pg_catalog.format('%s events of the last hour came too late for a rollup, most for %s', e.late, e.rollup) END,
         CASE WHEN e.late > 0 THEN 'SELECT globalmart.alter_rollup(name, lateness => ...) waits longer.' END
  FROM (SELECT COALESCE(pg_catalog.sum(c.late), 0) AS late, (pg_catalog.array_agg(c.rollup ORDER BY c.late DESC, c.rollup))[1] AS rollup
        FROM (SELECT l.rollup, pg_catalog.count(*) AS late FROM globalmart.late_events AS l
              WHERE l.received_at > globalmart.clock() - interval '1 hour' GROUP BY l.rollup) AS c) AS e
  UNION ALL
  SELECT 'warehouse', n.state, NULL, n.lag, n.problem, n.remedy FROM globalmart.night_state() AS n
  UNION ALL
  SELECT 'scheduled jobs', CASE WHEN j.jobs = 0 THEN 'none' WHEN j.failed IS NOT NULL THEN 'failed' ELSE 'scheduled' END, NULL, NULL,
         j.failed, CASE WHEN j.failed IS NOT NULL THEN 'Mend the cause; the job tries again when it is due, see globalmart.scheduled_jobs.' END
  FROM (SELECT pg_catalog.count(*) AS jobs,
               (pg_catalog.array_agg(pg_catalog.format('%s failed: %s', s.job, s.last_message) ORDER BY s.job)
                  FILTER (WHERE s.last_outcome = 'failed' AND s.next_due IS NOT NULL))[1] AS failed
        FROM globalmart.scheduled_jobs AS s) AS j;
COMMENT ON VIEW globalmart.status IS 'One row for each part: how it is, and what to do about what is wrong';
COMMENT ON COLUMN globalmart.status.part IS 'Topic, windows of a domain, event ids, partitions of a stream, dead letters, redrives, alerts, late events, warehouse, scheduled jobs';
COMMENT ON COLUMN globalmart.status.state IS 'In a word';
COMMENT ON COLUMN globalmart.status.rows_a_second IS 'Messages applied a second, over the last ten seconds or more; topics only';
COMMENT ON COLUMN globalmart.status.lag IS 'Behind the clock: event time of topics and windows, age of what waits or came last for others, of the warehouse the time since its last load began';
COMMENT ON COLUMN globalmart.status.problem IS 'What is wrong; NULL: nothing';
COMMENT ON COLUMN globalmart.status.remedy IS 'What to do about it';
-- retention.sql
-- How long things are kept. Raw events count from their arrival, and a day of them goes only when nobody
-- needs it any more; what is gone is on record, so that a comparison says so instead of finding nothing.

CREATE TABLE globalmart.dropped_spans (
  stream     text        NOT NULL,
  from_time  timestamptz NOT NULL,
  to_time    timestamptz NOT NULL,
  dropped_at timestamptz NOT NULL DEFAULT globalmart.clock(),
  PRIMARY KEY (stream, from_time)
);
COMMENT ON TABLE globalmart.dropped_spans IS 'Event time whose rows retention took away, by stream, rollup or detector';
COMMENT ON COLUMN globalmart.dropped_spans.stream IS 'Stream, rollup or detector';
COMMENT ON COLUMN globalmart.dropped_spans.from_time IS 'Start of the span, inclusive';
COMMENT ON COLUMN globalmart.dropped_spans.to_time IS 'End of the span, exclusive';
COMMENT ON COLUMN globalmart.dropped_spans.dropped_at IS 'When the last of its rows went';

CREATE FUNCTION globalmart.record_dropped_span(stream text, from_time timestamptz, to_time timestamptz) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO globalmart.dropped_spans AS d (stream, from_time, to_time) VALUES ($1, $2, $3)
  ON CONFLICT (stream, from_time) DO UPDATE
    SET to_time = greatest(d.to_time, EXCLUDED.to_time), dropped_at = EXCLUDED.dropped_at
$$;
COMMENT ON FUNCTION globalmart.record_dropped_span(text, timestamptz, timestamptz) IS
  'Puts on record that rows of a span are gone';

CREATE FUNCTION globalmart.require_raw_rows(stream text, from_time timestamptz, to_time timestamptz) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  gone globalmart.dropped_spans;
BEGIN
  SELECT d.* INTO gone FROM globalmart.dropped_spans AS d
  WHERE d.stream = require_raw_rows.stream
    AND d.from_time < coalesce(require_raw_rows.to_time, 'infinity')
    AND d.to_time > coalesce(require_raw_rows.from_time, '-infinity')
  ORDER BY d.to_time DESC LIMIT 1;
  IF FOUND THEN
    RAISE object_not_in_prerequisite_state USING
      MESSAGE = format('rows of %s between %s and %s are no longer kept', stream,
                       to_char(gone.from_time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'),
                       to_char(gone.to_time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')),
      HINT = format('Name a span that begins at %s or later, for sliding windows later by their width; globalmart.settings says how long rows are kept.',
                    to_char(gone.to_time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'));
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.require_raw_rows(text, timestamptz, timestamptz) IS
  'Raises SQLSTATE 55000 when retention took rows with an event time from from_time (inclusive) to to_time (exclusive); NULL: no bound';

-- Who loads raw rows elsewhere, and how far: the warehouse. Nothing is dropped before its reader had it.
CREATE TABLE globalmart.raw_readers (
  reader text NOT NULL,
  stream text NOT NULL,
  PRIMARY KEY (reader, stream)
);
COMMENT ON TABLE globalmart.raw_readers IS 'Loaders that read a stream''s rows in the order of offsets; retention waits for them';
COMMENT ON COLUMN globalmart.raw_readers.reader IS 'Name of the loader, such as warehouse';
COMMENT ON COLUMN globalmart.raw_readers.stream IS 'Stream that it loads';

CREATE TABLE globalmart.raw_reader_progress (
  reader          text   NOT NULL,
  stream          text   NOT NULL,
  kafka_partition int    NOT NULL,
  next_offset     bigint NOT NULL,
  loaded_at       timestamptz NOT NULL DEFAULT globalmart.clock(),
  PRIMARY KEY (reader, stream, kafka_partition)
);
COMMENT ON TABLE globalmart.raw_reader_progress IS 'How far each loader is, in each partition; set in the transaction that loads';
COMMENT ON COLUMN globalmart.raw_reader_progress.reader IS 'Name of the loader';
COMMENT ON COLUMN globalmart.raw_reader_progress.stream IS 'Stream that it loads';
COMMENT ON COLUMN globalmart.raw_reader_progress.kafka_partition IS 'Kafka partition; -1: rows that came by SQL';
COMMENT ON COLUMN globalmart.raw_reader_progress.next_offset IS 'Every row with a smaller offset is loaded';
COMMENT ON COLUMN globalmart.raw_reader_progress.loaded_at IS 'When it got there';

CREATE FUNCTION globalmart.version_reads(query text, stream text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  -- Some version: a query that is kept is not asked what a new one is.
  SELECT globalmart.stream_relation($2)::oid = ANY ((globalmart.describe_rollup($1, 1)).relations)
$$;
COMMENT ON FUNCTION globalmart.version_reads(text, text) IS 'Whether the query of a rollup (not of a detector) reads a stream';

-- What keeps a day of a stream: NULL, or for people, what still needs it. A backfill that nobody began
-- keeps nothing: retention is what was promised.
CREATE FUNCTION globalmart.why_needed(stream text, leaf text, from_time timestamptz, to_time timestamptz, received_before timestamptz)
RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_row boolean;
  needed_by text;
BEGIN
  EXECUTE format('SELECT EXISTS (SELECT FROM globalmart.%I)', leaf) INTO found_row;
  IF NOT found_row THEN
    RETURN NULL;
  END IF;
  SELECT format('rollup %s, windows that are not closed', v.rollup) INTO needed_by
  FROM globalmart.rollup_versions AS v
  JOIN globalmart.rollup_progress AS p USING (version_id)
  WHERE v.domain = (SELECT s.domain FROM globalmart.streams AS s WHERE s.stream = why_needed.stream)
    AND v.live_until > from_time AND v.live_from < to_time
    AND p.merged_until < least(to_time, v.live_until) + make_interval(secs => v.width / 1e6)
    AND CASE WHEN v.plan_id IS NOT NULL THEN globalmart.version_reads(v.query, why_needed.stream) END
  ORDER BY v.version_id
  LIMIT 1;
  IF needed_by IS NOT NULL THEN
    RETURN needed_by;
  END IF;
  SELECT format('rollup %s, a backfill that is not finished', v.rollup) INTO needed_by
  FROM globalmart.backfills AS b
  JOIN globalmart.rollup_versions AS v USING (rollup)
  WHERE b.filled_until < b.ends AND b.ends > from_time
    AND b.filled_until < to_time + make_interval(secs => v.width / 1e6)
    AND CASE WHEN v.plan_id IS NOT NULL THEN globalmart.version_reads(v.query, why_needed.stream) END
  ORDER BY v.version_id
  LIMIT 1;
  IF needed_by IS NOT NULL THEN
    RETURN needed_by;
  END IF;
  EXECUTE format('SELECT EXISTS (SELECT FROM globalmart.%I WHERE received_at >= $1)', leaf) INTO found_row USING received_before;
  IF found_row THEN
    RETURN 'rows that arrived within the retention';
  END IF;
  IF NOT EXISTS (SELECT FROM globalmart.raw_readers AS r WHERE r.stream = why_needed.stream) THEN
    RETURN NULL;
  END IF;
  EXECUTE format(
    'SELECT r.reader || '', which has not loaded all of it'' '
    'FROM globalmart.raw_readers AS r '
    'CROSS JOIN (SELECT l.kafka_partition, max(l.kafka_offset) AS last_offset FROM globalmart.%I AS l GROUP BY 1) AS rows '
    'LEFT JOIN globalmart.raw_reader_progress AS p '
    '  ON p.reader = r.reader AND p.stream = r.stream AND p.kafka_partition = rows.kafka_partition '
    'WHERE r.stream = $1 AND coalesce(p.next_offset, -1) <= rows.last_offset LIMIT 1', leaf)
    INTO needed_by USING stream;
  RETURN needed_by;
END
$$;
COMMENT ON FUNCTION globalmart.why_needed(text, text, timestamptz, timestamptz, timestamptz) IS
  'What still needs the rows of a partition: an open window, an unfinished backfill, a recent arrival, a loader; NULL: nothing';

CREATE FUNCTION globalmart.drop_leaf(stream text, leaf text, from_time timestamptz, to_time timestamptz, received_before timestamptz)
RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  needed_by text;
  found_row boolean;
BEGIN
  needed_by := globalmart.why_needed(stream, leaf, from_time, to_time, received_before);
  IF needed_by IS NULL THEN
    EXECUTE format('SELECT EXISTS (SELECT FROM globalmart.%I)', leaf) INTO found_row;
    EXECUTE format('DROP TABLE globalmart.%I', leaf);
    IF found_row THEN
      PERFORM globalmart.record_dropped_span(stream, from_time, to_time);
    END IF;
  END IF;
  RETURN needed_by;
END
$$;
COMMENT ON FUNCTION globalmart.drop_leaf(text, text, timestamptz, timestamptz, timestamptz) IS
  'Drops a partition that nothing needs and puts its span on record; else says what needs it';

-- One day of one stream; the caller commits. Looked at first without a lock. Then rows of that old day are
-- kept out for a moment, so that one which arrives now keeps its day.
-- Times go through text here, which must not depend on the session.
CREATE FUNCTION globalmart.drop_old_leaf(stream text, day date) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' AS $$
DECLARE
  leaf text := globalmart.leaf_name(stream, day);
  received_before timestamptz := globalmart.clock() - globalmart.setting('raw_retention', stream)::interval;
  from_time timestamptz := day::timestamp AT TIME ZONE 'UTC';
  to_time timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
  needed_by text;
BEGIN
  -- The second look, under the lock, must see a row that arrived since the first.
  PERFORM globalmart.require_read_committed('days can only be dropped');
  IF received_before IS NULL OR to_time > received_before THEN
    RETURN 'the retention setting';
  END IF;
  needed_by := globalmart.why_needed(stream, leaf, from_time, to_time, received_before);
  IF needed_by IS NOT NULL THEN
    RETURN needed_by;
  END IF;
  IF NOT globalmart.try_execute(ARRAY[
       format('LOCK TABLE globalmart.%I IN SHARE ROW EXCLUSIVE MODE', leaf),
       format('SELECT globalmart.drop_leaf(%L, %L, %L, %L, %L)', stream, leaf, from_time, to_time, received_before)], 1) THEN
    RETURN 'busy';
  END IF;
  RETURN CASE WHEN to_regclass('globalmart.' || quote_ident(leaf)) IS NULL THEN 'dropped'
              ELSE 'rows that arrived just now' END;
END
$$;
COMMENT ON FUNCTION globalmart.drop_old_leaf(text, date) IS
  'Drops the partition of a day if nothing needs it: dropped, busy (somebody has it locked: try again), or what needs it';

-- Rows of the default partition go by DELETE, some thousands at a time.
CREATE FUNCTION globalmart.delete_old_default_rows(stream text, most int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  leaf text := globalmart.leaf_name(stream, NULL);
  received_before timestamptz := globalmart.clock() - globalmart.setting('raw_retention', stream)::interval;
  time_column name;
  days date[];
  from_time timestamptz;
  to_time timestamptz;
  oldest date;
  deleted int;
BEGIN
  IF received_before IS NULL THEN
    RETURN 0;
  END IF;
  SELECT s.time_column INTO time_column FROM globalmart.streams AS s WHERE s.stream = delete_old_default_rows.stream;
  -- Day by day, from the oldest: what needs a day keeps it.
  EXECUTE format('SELECT array_agg(DISTINCT (d.%I AT TIME ZONE ''UTC'')::date) FROM globalmart.%I AS d WHERE d.%I < $1 AND d.received_at < $1',
                 time_column, leaf, time_column)
    INTO days USING received_before;
  FOREACH oldest IN ARRAY coalesce(days, '{}') LOOP
    from_time := oldest::timestamp AT TIME ZONE 'UTC';
    to_time := (oldest + 1)::timestamp AT TIME ZONE 'UTC';
    CONTINUE WHEN to_time > received_before
      OR globalmart.why_needed(stream, leaf, from_time, to_time, 'infinity') IS NOT NULL;
    EXECUTE format(
      'DELETE FROM globalmart.%I WHERE ctid = ANY (ARRAY(SELECT d.ctid FROM globalmart.%I AS d '
      'WHERE d.%I >= $1 AND d.%I < $2 AND d.received_at < $3 LIMIT $4))', leaf, leaf, time_column, time_column)
      USING from_time, to_time, received_before, most;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    IF deleted > 0 THEN
      PERFORM globalmart.record_dropped_span(stream, from_time, to_time);
      RETURN deleted;
    END IF;
  END LOOP;
  RETURN 0;
END
$$;
COMMENT ON FUNCTION globalmart.delete_old_default_rows(text, int) IS
  'Deletes some rows of a stream''s default partition that nothing needs any more; gives how many';

CREATE FUNCTION globalmart.leaves_past_retention() RETURNS TABLE (stream text, day date)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT s, l.day
  FROM globalmart.partitioned_streams() AS s
  CROSS JOIN LATERAL globalmart.stream_leaves(s) AS l
  WHERE (l.day + 1)::timestamp AT TIME ZONE 'UTC' <= globalmart.clock() - globalmart.setting('raw_retention', s)::interval
  ORDER BY s, l.day
$$;
COMMENT ON FUNCTION globalmart.leaves_past_retention() IS
  'Days of streams that are older than the retention setting and still there';

-- No SET clause and no SECURITY DEFINER: either would forbid the COMMITs.
CREATE PROCEDURE globalmart.drop_old_partitions()
LANGUAGE plpgsql AS $$
DECLARE
  streams text[];
  days date[];
  outcome text;
BEGIN
  SELECT pg_catalog.array_agg(l.stream ORDER BY l.stream, l.day), pg_catalog.array_agg(l.day ORDER BY l.stream, l.day)
    INTO streams, days
  FROM globalmart.leaves_past_retention() AS l;
  FOR number IN 1 .. COALESCE(pg_catalog.cardinality(streams), 0) LOOP
    FOR attempt IN 1 .. 20 LOOP
      BEGIN
        outcome := globalmart.drop_old_leaf(streams[number], days[number]);
      EXCEPTION WHEN OTHERS THEN
        -- One day that cannot go does not keep the others.
        outcome := SQLERRM;
      END;
      COMMIT;
      EXIT WHEN outcome <> 'busy';
      -- Between two attempts nobody waits for us.
      PERFORM pg_catalog.pg_sleep(0.05);
    END LOOP;
    IF outcome <> 'dropped' THEN
      RAISE NOTICE '%', pg_catalog.format('partition %s of %s is kept: %s', days[number], streams[number],
                                          CASE outcome WHEN 'busy' THEN 'somebody has it locked; the next call tries again' ELSE outcome END);
    END IF;
  END LOOP;
  streams := ARRAY(SELECT s FROM globalmart.partitioned_streams() AS s);
  FOR number IN 1 .. COALESCE(pg_catalog.cardinality(streams), 0) LOOP
    LOOP
      EXIT WHEN globalmart.delete_old_default_rows(streams[number], 10000) = 0;
      COMMIT;
    END LOOP;
    COMMIT;
  END LOOP;
END
$$;
COMMENT ON PROCEDURE globalmart.drop_old_partitions() IS
  'Drops the days of raw events that arrived longer ago than raw_retention, and that no open window, unfinished backfill or loader needs: one transaction each, and no lock waited for longer than 50 ms. For pg_cron';

-- Rows of rollups and of the records beside them.
CREATE FUNCTION globalmart.delete_old_rollup_rows(rollup text, most int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  -- Whole months of event time.
  older_than timestamptz := date_trunc('month', globalmart.clock() - globalmart.setting('rollup_retention', rollup)::interval, 'UTC');
  time_column text;
  first_month timestamptz;
  deleted int;
BEGIN
  PERFORM globalmart.require_rollup(rollup);
  -- None where the table was dropped or renamed by hand.
  SELECT a.attname INTO time_column FROM pg_attribute AS a
  WHERE a.attrelid = to_regclass(format('globalmart.%I', rollup)) AND a.attname IN ('window_end', 'event_time') AND NOT a.attisdropped
  ORDER BY a.attname DESC LIMIT 1;
  IF older_than IS NULL OR time_column IS NULL THEN
    RETURN 0;
  END IF;
  EXECUTE format(
    'WITH gone AS (DELETE FROM globalmart.%I WHERE ctid = ANY (ARRAY(SELECT r.ctid FROM globalmart.%I AS r WHERE r.%I <= $1 LIMIT $2)) '
    'RETURNING %I AS t) SELECT count(*), date_trunc(''month'', min(t), ''UTC'') FROM gone', rollup, rollup, time_column, time_column)
    INTO deleted, first_month USING older_than, most;
  IF deleted > 0 THEN
    PERFORM globalmart.record_dropped_span(rollup, first_month, older_than);
  END IF;
  RETURN deleted;
END
$$;
COMMENT ON FUNCTION globalmart.delete_old_rollup_rows(text, int) IS
  'Deletes some rows of a rollup or detector from months that are older than rollup_retention; gives how many';

CREATE FUNCTION globalmart.unverifiable_spans() RETURNS TABLE (rollup text, from_time timestamptz, to_time timestamptz)
LANGUAGE sql STABLE ROWS 100 SET search_path = pg_catalog, pg_temp AS $$
  SELECT DISTINCT v.rollup, d.from_time, d.to_time
  FROM globalmart.dropped_spans AS d
  JOIN globalmart.streams AS s ON s.stream = d.stream
  JOIN globalmart.rollup_versions AS v ON v.domain = s.domain
  WHERE CASE WHEN v.plan_id IS NOT NULL THEN globalmart.version_reads(v.query, d.stream) END
$$;
COMMENT ON FUNCTION globalmart.unverifiable_spans() IS
  'Event time for which a rollup cannot be compared any more, because rows of a stream that it reads are gone';

CREATE FUNCTION globalmart.delete_old_records(most int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  now_at timestamptz := globalmart.clock();
  deleted int;
  total int := 0;
BEGIN
  -- While the raw rows are there, a comparison must know which of them were late.
  DELETE FROM globalmart.late_events AS l
  WHERE l.ctid = ANY (ARRAY(SELECT o.ctid
                            FROM globalmart.late_events AS o JOIN globalmart.unverifiable_spans() AS g ON g.rollup = o.rollup
                            WHERE o.received_at < now_at - globalmart.setting('late_events_retention')::interval
                              AND o.event_time >= g.from_time AND o.event_time < g.to_time
                            LIMIT most));
  GET DIAGNOSTICS deleted = ROW_COUNT;
  total := total + deleted;
  DELETE FROM globalmart.partly_late_events AS l
  WHERE l.ctid = ANY (ARRAY(SELECT o.ctid
                            FROM globalmart.partly_late_events AS o JOIN globalmart.unverifiable_spans() AS g ON g.rollup = o.rollup
                            WHERE o.event_time < now_at - globalmart.setting('late_events_retention')::interval
                              AND o.event_time >= g.from_time AND o.event_time < g.to_time
                            LIMIT most));
  GET DIAGNOSTICS deleted = ROW_COUNT;
  total := total + deleted;
  DELETE FROM globalmart.dead_letters AS d
  WHERE d.ctid = ANY (ARRAY(SELECT o.ctid FROM globalmart.dead_letters AS o
                            WHERE o.received_at < now_at - globalmart.setting('dead_letters_retention')::interval
                              AND NOT EXISTS (SELECT FROM globalmart.dead_letter_redrives AS r
                                              WHERE r.state = 'waiting' AND r.topic = o.topic
                                                AND r.kafka_partition = o.kafka_partition AND r.kafka_offset = o.kafka_offset)
                            LIMIT most));
  GET DIAGNOSTICS deleted = ROW_COUNT;
  total := total + deleted;
  DELETE FROM globalmart.dead_letter_redrives AS d
  WHERE d.ctid = ANY (ARRAY(SELECT o.ctid FROM globalmart.dead_letter_redrives AS o
                            WHERE o.finished_at < now_at - globalmart.setting('dead_letters_retention')::interval LIMIT most));
  GET DIAGNOSTICS deleted = ROW_COUNT;
  total := total + deleted;
  DELETE FROM globalmart.alerts_outbox AS a
  WHERE a.ctid = ANY (ARRAY(SELECT o.ctid FROM globalmart.alerts_outbox AS o
                            WHERE o.sent_at < now_at - globalmart.setting('alerts_retention')::interval LIMIT most));
  GET DIAGNOSTICS deleted = ROW_COUNT;
  total := total + deleted;
  -- What a span has cost is asked for beside a batch over its raw rows.
  -- Which version reads which stream is asked once, and not for each day.
  WITH readers AS MATERIALIZED (
    SELECT v.version_id, v.plan_id, s.stream
    FROM globalmart.rollup_versions AS v JOIN globalmart.streams AS s ON s.domain = v.domain
    WHERE CASE WHEN v.plan_id IS NOT NULL AND EXISTS (SELECT FROM globalmart.dropped_spans AS d WHERE d.stream = s.stream)
                    AND EXISTS (SELECT FROM globalmart.merge_costs AS m WHERE m.version_id = v.version_id
                                UNION ALL SELECT FROM globalmart.fold_costs AS f WHERE f.plan_id = v.plan_id)
               THEN globalmart.version_reads(v.query, s.stream) END),
  gone AS MATERIALIZED (
    SELECT DISTINCT r.version_id, r.plan_id, d.from_time, d.to_time
    FROM readers AS r JOIN globalmart.dropped_spans AS d ON d.stream = r.stream),
  folds AS (
    DELETE FROM globalmart.fold_costs AS f
    WHERE f.ctid = ANY (ARRAY(SELECT o.ctid FROM globalmart.fold_costs AS o JOIN gone AS g USING (plan_id)
                              WHERE o.slice >= g.from_time AND o.slice < g.to_time LIMIT most))
    RETURNING f.plan_id),
  merges AS (
    DELETE FROM globalmart.merge_costs AS m
    WHERE m.ctid = ANY (ARRAY(SELECT o.ctid FROM globalmart.merge_costs AS o JOIN gone AS g USING (version_id)
                              WHERE o.minute >= g.from_time AND o.minute < g.to_time LIMIT most))
    RETURNING m.version_id)
  SELECT count(*) INTO deleted FROM (TABLE folds UNION ALL TABLE merges) AS t;
  total := total + deleted;
  -- The shop's; how the last night and the last good one went stays known.
  IF to_regclass('globalmart.etl_runs') IS NOT NULL THEN
    DELETE FROM globalmart.etl_runs AS e
    WHERE e.ctid = ANY (ARRAY(SELECT o.ctid FROM globalmart.etl_runs AS o
                              WHERE o.started_at < now_at - globalmart.setting('etl_runs_retention')::interval
                                AND o.run_id < (SELECT max(n.run_id) FROM globalmart.etl_runs AS n)
                                AND o.run_id IS DISTINCT FROM (SELECT max(n.run_id) FROM globalmart.etl_runs AS n WHERE n.state = 'done')
                              LIMIT most));
    GET DIAGNOSTICS deleted = ROW_COUNT;
    total := total + deleted;
  END IF;
  RETURN total;
END
$$;
COMMENT ON FUNCTION globalmart.delete_old_records(int) IS
  'Deletes some late events, dead letters, finished redrives, sent alerts and runs of run_etl() that are older than their retention settings, and what folds and merges of event time have cost whose raw rows are gone; gives how many';

CREATE FUNCTION globalmart.rollup_names() RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT c.name FROM globalmart.rollup_catalog AS c ORDER BY c.name
$$;
COMMENT ON FUNCTION globalmart.rollup_names() IS 'All rollups and detectors';

CREATE PROCEDURE globalmart.delete_old_rows()
LANGUAGE plpgsql AS $$
DECLARE
  each_rollup text;
BEGIN
  LOOP
    EXIT WHEN globalmart.delete_old_records(10000) = 0;
    COMMIT;
  END LOOP;
  FOREACH each_rollup IN ARRAY ARRAY(SELECT r FROM globalmart.rollup_names() AS r) LOOP
    LOOP
      EXIT WHEN globalmart.delete_old_rollup_rows(each_rollup, 10000) = 0;
      COMMIT;
    END LOOP;
    COMMIT;
  END LOOP;
END
$$;
COMMENT ON PROCEDURE globalmart.delete_old_rows() IS
  'Deletes what is older than rollup_retention, late_events_retention, dead_letters_retention, alerts_retention and etl_runs_retention, some thousands of rows a transaction. For pg_cron';
-- comparison.sql
-- One definition, two executions: the batch form of a rollup, the comparison of both, and the filling of
-- windows that the stream never saw.

CREATE FUNCTION globalmart.batch_parts(rollup text)
RETURNS TABLE (version_id int, query text, window_query text, columns text[], clock_columns text[], per_window boolean,
               window_kind text, width interval, slide interval, window_offset interval,
               live_from timestamptz, live_until timestamptz, first_version boolean,
               merged_until timestamptz, backfilled_until timestamptz)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT v.version_id, d.batch_query, d.batch_window_query, v.columns, v.clock_columns, v.per_window, v.window_kind,
         make_interval(secs => v.width / 1e6), make_interval(secs => v.slide / 1e6), make_interval(secs => v.window_offset / 1e6),
         v.live_from, v.live_until,
         NOT EXISTS (SELECT FROM globalmart.rollup_versions AS o WHERE o.rollup = v.rollup AND o.version_id < v.version_id),
         p.merged_until, p.backfilled_until
  FROM globalmart.rollup_versions AS v JOIN globalmart.rollup_progress AS p USING (version_id),
    LATERAL globalmart.describe_rollup(v.query, v.version_id, v.rollup) AS d
  WHERE v.rollup = batch_parts.rollup
  ORDER BY v.version_id
$$;
COMMENT ON FUNCTION globalmart.batch_parts(text) IS
  'The batch form of each version of a rollup. Parameters: $1 < window_end <= $2, $3 and $4 bound event time and window starts';

-- The batch query of one version with its bounds written in.
CREATE FUNCTION globalmart.bound_batch_query(query text, ended_after timestamptz, ended_until timestamptz,
                                             events_from timestamptz, events_until timestamptz)
RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD' AS $$
  SELECT globalmart.bind_parameters(query,
    quote_literal(ended_after) || '::timestamptz', quote_literal(ended_until) || '::timestamptz',
    quote_literal(events_from) || '::timestamptz', quote_literal(events_until) || '::timestamptz')
$$;
COMMENT ON FUNCTION globalmart.bound_batch_query(text, timestamptz, timestamptz, timestamptz, timestamptz) IS
  'Writes bounds into a batch query, so that it can be pasted into psql';

-- What there is to compare: the windows that the stream closed, of every version, and those that a backfill
-- filled. The table of backfills comes later in the script.
CREATE FUNCTION globalmart.comparison_parts(rollup text)
RETURNS TABLE (version_id int, query text, window_query text, columns text[], clock_columns text[], per_window boolean,
               window_kind text, width interval, ended_after timestamptz, ended_until timestamptz,
               begun_from timestamptz, begun_until timestamptz)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY
    SELECT p.version_id, p.query, p.window_query, p.columns, p.clock_columns, p.per_window, p.window_kind, p.width,
           s.ended_after, s.ended_until, s.begun_from, s.begun_until
    FROM globalmart.batch_parts(comparison_parts.rollup) AS p
    CROSS JOIN LATERAL (
      SELECT CASE p.window_kind WHEN 'session' THEN '-infinity' ELSE p.live_from END, p.merged_until, p.live_from, p.live_until
      UNION ALL
      SELECT b.filled_from, b.filled_until, '-infinity', p.live_from FROM globalmart.backfills AS b
      WHERE p.first_version AND b.rollup = comparison_parts.rollup) AS s(ended_after, ended_until, begun_from, begun_until);
END
$$;
COMMENT ON FUNCTION globalmart.comparison_parts(text) IS
  'Closed and filled windows of a rollup, by version: those with ended_after < window_end <= ended_until that begin in [begun_from, begun_until)';

-- The first event time that windows which end after a time are made of. Sessions have no width: they are as
-- old as the rollup's rows say.
CREATE FUNCTION globalmart.rows_needed_from(version globalmart.rollup_versions, ended_after timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  oldest timestamptz;
BEGIN
  IF version.window_kind <> 'session' THEN
    RETURN globalmart.closable_until(ended_after, version.window_kind, version.width, version.slide, version.window_offset)
           + make_interval(secs => (version.slide - version.width) / 1e6);
  END IF;
  EXECUTE format('SELECT min(r.window_start) FROM globalmart.%I AS r WHERE r.window_end > $1', version.rollup)
    INTO oldest USING ended_after;
  RETURN least(oldest, ended_after - make_interval(secs => version.width / 1e6));
END
$$;
COMMENT ON FUNCTION globalmart.rows_needed_from(globalmart.rollup_versions, timestamptz) IS
  'The earliest event time in windows of a rollup version that end after a time';

CREATE FUNCTION globalmart.require_comparable(version_id int, ended_after timestamptz, ended_until timestamptz, begun_from timestamptz)
RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  version globalmart.rollup_versions;
BEGIN
  SELECT v.* INTO version FROM globalmart.rollup_versions AS v WHERE v.version_id = require_comparable.version_id;
  PERFORM globalmart.require_raw_rows(s.stream, greatest(globalmart.rows_needed_from(version, ended_after), begun_from), ended_until)
  FROM globalmart.streams AS s
  WHERE s.relation = ANY ((globalmart.describe_rollup(version.query, version.version_id)).relations);
  -- Retention of rollups goes by the ends of windows.
  PERFORM globalmart.require_raw_rows(version.rollup, ended_after, ended_until + interval '1 microsecond');
END
$$;
COMMENT ON FUNCTION globalmart.require_comparable(int, timestamptz, timestamptz, timestamptz) IS
  'Raises SQLSTATE 55000 when retention took rows of the streams or of the rollup that a comparison of windows with ended_after < window_end <= ended_until needs';

CREATE FUNCTION globalmart.batch_query(rollup text, ended_after timestamptz DEFAULT '-infinity', ended_until timestamptz DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  part record;
  made text;
  until timestamptz;
  after timestamptz;
BEGIN
  PERFORM globalmart.require_rollup(rollup, 'rollup');
  FOR part IN SELECT * FROM globalmart.comparison_parts(batch_query.rollup) LOOP
    until := CASE WHEN ended_until IS NULL THEN part.ended_until
                  -- What the stream has not closed yet may be asked for, too.
                  WHEN part.begun_until > part.ended_until THEN ended_until
                  ELSE least(ended_until, part.ended_until) END;
    after := greatest(batch_query.ended_after, part.ended_after);
    IF after < until THEN
      PERFORM globalmart.require_comparable(part.version_id, after, until, part.begun_from);
    END IF;
    made := COALESCE(made || E'\nUNION ALL\n', '') || '(' || globalmart.bound_batch_query(
      CASE WHEN part.per_window
           THEN globalmart.each_window_query(globalmart.bound_batch_query(part.window_query, after, until, part.begun_from, part.begun_until), part.query)
           ELSE part.query END, after, until, part.begun_from, part.begun_until) || ')';
  END LOOP;
  RETURN made;
END
$$;
COMMENT ON FUNCTION globalmart.batch_query(text, timestamptz, timestamptz) IS
  'SQL over the raw rows that gives the rollup''s rows for windows with ended_after < window_end <= ended_until (by default all that are closed); for sessions by gaps between events. Refuses a span whose raw rows were dropped';

-- The windows of a version to look at: all at once, or one after another where the query must see one window
-- at a time. Then only events of that window are read.
CREATE FUNCTION globalmart.comparison_spans(part_per_window boolean, window_query text, window_kind text, width interval,
                                            ended_after timestamptz, ended_until timestamptz, events_from timestamptz, events_until timestamptz)
RETURNS TABLE (span_after timestamptz, span_until timestamptz, span_from timestamptz, span_to timestamptz)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT part_per_window THEN
    RETURN QUERY SELECT ended_after, ended_until, events_from, events_until;
  ELSIF window_kind = 'session' THEN
    RETURN QUERY EXECUTE format('SELECT w.window_end - interval ''1 microsecond'', w.window_end, $3, $4 FROM (%s) AS w ORDER BY 2', window_query)
      USING ended_after, ended_until, events_from, events_until;
  ELSE
    RETURN QUERY EXECUTE format(
      'SELECT w.window_end - interval ''1 microsecond'', w.window_end, w.window_end - $5, w.window_end - $5 + interval ''1 microsecond'' '
      'FROM (%s) AS w ORDER BY 2', window_query)
      USING ended_after, ended_until, events_from, events_until, width;
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.comparison_spans(boolean, text, text, interval, timestamptz, timestamptz, timestamptz, timestamptz) IS
  'Spans of window ends to compare at a time, and of the window starts in them';

CREATE FUNCTION globalmart.verify(name text, "from" timestamptz DEFAULT NULL, "to" timestamptz DEFAULT NULL)
RETURNS TABLE (difference text, row_data jsonb)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  part record;
  span record;
  compared text;
  after timestamptz;
  until timestamptz;
BEGIN
  PERFORM globalmart.require_rollup(verify.name, 'rollup');
  FOR part IN SELECT * FROM globalmart.comparison_parts(verify.name) LOOP
    SELECT string_agg('q.' || quote_ident(c), ', ' ORDER BY n) INTO compared
    FROM unnest(part.columns) WITH ORDINALITY AS u(c, n) WHERE NOT c = ANY (part.clock_columns);
    until := least(COALESCE(verify."to", 'infinity'), part.ended_until);
    after := greatest(COALESCE(verify."from", '-infinity'), part.ended_after);
    IF after >= until THEN
      CONTINUE;
    END IF;
    PERFORM globalmart.require_comparable(part.version_id, after, until, part.begun_from);
    FOR span IN SELECT * FROM globalmart.comparison_spans(
      part.per_window,
      format('%s UNION SELECT q.window_end FROM globalmart.%I AS q WHERE q.window_end > $1 AND q.window_end <= $2 '
             'AND q.window_start >= $3 AND q.window_start < $4', part.window_query, verify.name),
      part.window_kind, part.width, after, until, part.begun_from, part.begun_until) LOOP
      RETURN QUERY EXECUTE format(
        'WITH closed AS (SELECT %1$s FROM globalmart.%2$I AS q WHERE q.window_end > $1 AND q.window_end <= $2 '
        '                AND q.window_start >= $3 AND q.window_start < $4), '
        '     batch AS (SELECT %1$s FROM (%3$s) AS q) '
        'SELECT ''only in the rollup'', to_jsonb(d) FROM (TABLE closed EXCEPT ALL TABLE batch) AS d '
        'UNION ALL '
        'SELECT ''only in the batch'', to_jsonb(d) FROM (TABLE batch EXCEPT ALL TABLE closed) AS d',
        compared, verify.name, part.query)
        USING span.span_after, span.span_until, span.span_from, span.span_to;
    END LOOP;
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.verify(text, timestamptz, timestamptz) IS
  'Runs a rollup''s definition over the raw rows and compares with its rows of closed and filled windows that end in (from, to], by default all: one row a difference, none when equal. Refuses a span whose raw rows were dropped';
-- backfill.sql
-- Filling windows from before the rollup was live, out of the raw rows: publish, wait, fill, as a close does.

CREATE FUNCTION globalmart.backfill_publish(name text, until timestamptz) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  UPDATE globalmart.rollup_progress AS p SET backfilled_until = $2
  FROM globalmart.rollup_versions AS v
  WHERE v.version_id = p.version_id AND v.rollup = $1 AND p.backfilled_until < $2
    AND NOT EXISTS (SELECT FROM globalmart.rollup_versions AS o WHERE o.rollup = v.rollup AND o.version_id < v.version_id)
$$;
COMMENT ON FUNCTION globalmart.backfill_publish(text, timestamptz) IS
  'Makes events of windows that end by then late for the rollup: their rows are about to be filled in';

CREATE TABLE globalmart.backfills (
  rollup       text PRIMARY KEY,
  events_from  timestamptz NOT NULL,
  filled_from  timestamptz NOT NULL,
  filled_until timestamptz NOT NULL,
  ends         timestamptz NOT NULL,
  rows_filled  bigint NOT NULL DEFAULT 0,
  updated_at   timestamptz NOT NULL DEFAULT globalmart.clock()
);
COMMENT ON TABLE globalmart.backfills IS 'How far backfill_rollup has come; it goes on from there when called again';
COMMENT ON COLUMN globalmart.backfills.rollup IS 'Name of the rollup';
COMMENT ON COLUMN globalmart.backfills.rows_filled IS 'Rows appended so far';
COMMENT ON COLUMN globalmart.backfills.updated_at IS 'When the last step was done';
COMMENT ON COLUMN globalmart.backfills.events_from IS 'The earliest event when it began';
COMMENT ON COLUMN globalmart.backfills.filled_from IS 'Windows that end later are filled';
COMMENT ON COLUMN globalmart.backfills.filled_until IS 'And those that end by then; without windows whose rows are gone';
COMMENT ON COLUMN globalmart.backfills.ends IS 'Where it will be finished: the last window that is not live';

CREATE FUNCTION globalmart.backfill_step(name text, announced timestamptz) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  state globalmart.backfills;
  part record;
  target timestamptz;
  columns text;
  span record;
  more bigint;
  filled bigint := 0;
BEGIN
  SELECT b.* INTO state FROM globalmart.backfills AS b WHERE b.rollup = backfill_step.name FOR UPDATE;
  SELECT * INTO part FROM globalmart.batch_parts(backfill_step.name) AS p WHERE p.first_version;
  -- Not what another session has announced since: its events in flight are waited for there.
  target := least(announced, part.backfilled_until);
  IF state.filled_until >= target THEN
    RETURN state.filled_until < state.ends;
  END IF;
  SELECT string_agg(quote_ident(c), ', ' ORDER BY n) INTO columns FROM unnest(part.columns) WITH ORDINALITY AS u(c, n);
  PERFORM globalmart.set_processing_time(globalmart.clock());
  FOR span IN SELECT * FROM globalmart.comparison_spans(part.per_window, part.window_query, part.window_kind, part.width,
                                                        state.filled_until, target, '-infinity', part.live_from) LOOP
    EXECUTE format('INSERT INTO globalmart.%I (%s, created_at) SELECT q.*, globalmart.processing_time() FROM (%s) AS q', backfill_step.name, columns, part.query)
      USING span.span_after, span.span_until, span.span_from, span.span_to;
    GET DIAGNOSTICS more = ROW_COUNT;
    filled := filled + more;
  END LOOP;
  PERFORM globalmart.set_processing_time(NULL);
  UPDATE globalmart.backfills AS b
  SET filled_until = target, rows_filled = b.rows_filled + filled, updated_at = globalmart.clock()
  WHERE b.rollup = backfill_step.name;
  RAISE INFO 'rollup % is filled up to % of %, % rows', backfill_step.name, target, state.ends, state.rows_filled + filled;
  RETURN target < state.ends;
END
$$;
COMMENT ON FUNCTION globalmart.backfill_step(text, timestamptz) IS
  'Fills the windows that backfill_begin announced, after the folds from before that have ended; announced: what it gave. True when more are to come';

-- Windows whose rows are gone are passed over and named: half of their rows would make a wrong row.
CREATE FUNCTION globalmart.backfill_pass_over(name text, version globalmart.rollup_versions, stream text, gone_until timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  first_start timestamptz := CASE version.window_kind WHEN 'session' THEN gone_until
    ELSE globalmart.next_boundary(gone_until - interval '1 microsecond', version.window_kind, version.width, version.slide, version.window_offset) END;
  filled timestamptz;
BEGIN
  -- The last window that begins before it ends here.
  UPDATE globalmart.backfills AS b
  SET filled_until = least(b.ends, first_start + CASE version.window_kind WHEN 'session' THEN interval '0'
                             ELSE make_interval(secs => (version.width - version.slide) / 1e6) END)
  WHERE b.rollup = backfill_pass_over.name
  RETURNING b.filled_until INTO filled;
  RAISE NOTICE 'windows of rollup % that begin before % are not filled: rows of % from before are no longer kept', name, first_start, stream;
  RETURN filled;
END
$$;
COMMENT ON FUNCTION globalmart.backfill_pass_over(text, globalmart.rollup_versions, text, timestamptz) IS
  'Lets a backfill go on with the first window that begins after rows that retention took';

CREATE FUNCTION globalmart.backfill_begin(name text, step interval) RETURNS timestamptz
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  rollup globalmart.rollup_catalog;
  version globalmart.rollup_versions;
  relations oid[];
  source record;
  gone record;
  width interval;
  oldest timestamptz;
  first_event timestamptz;
  watermark timestamptz;
  last_end timestamptz;
  next_until timestamptz;
  filled timestamptz;
  unit interval;
  began boolean;
BEGIN
  PERFORM globalmart.require_owner();
  rollup := globalmart.require_rollup(backfill_begin.name, 'rollup');
  SELECT v.* INTO version FROM globalmart.rollup_versions AS v WHERE v.rollup = backfill_begin.name ORDER BY v.version_id LIMIT 1;
  IF version.live_from = '-infinity' THEN
    RAISE NOTICE 'rollup % has been live from its first event: there is nothing to fill', backfill_begin.name;
    RETURN NULL;
  END IF;
  relations := (globalmart.describe_rollup(version.query, version.version_id)).relations;
  width := make_interval(secs => version.width / 1e6);
  FOR source IN SELECT s.relation::text AS relation, s.time_column FROM globalmart.streams AS s WHERE s.relation = ANY (relations) LOOP
    EXECUTE format('SELECT min(t.%I) FROM %s AS t', source.time_column, source.relation) INTO oldest;
    first_event := least(first_event, oldest);
  END LOOP;
  -- Only windows that the watermark has passed: younger ones would be filled too early.
  watermark := globalmart.domain_watermark(rollup.domain, rollup.idle_timeout, rollup.watermark_policy) - rollup.lateness;
  -- A session of events before live_from may end up to its gap later.
  last_end := version.live_from + width - CASE version.window_kind WHEN 'session' THEN interval '0'
                                            ELSE make_interval(secs => version.slide / 1e6) END;
  IF first_event IS NULL THEN
    RAISE NOTICE 'rollup % reads no rows yet: there is nothing to fill', backfill_begin.name;
    RETURN NULL;
  END IF;
  INSERT INTO globalmart.backfills AS b (rollup, events_from, filled_from, filled_until, ends)
  VALUES (backfill_begin.name, first_event, first_event - interval '1 microsecond', first_event - interval '1 microsecond', last_end)
  ON CONFLICT DO NOTHING;
  began := FOUND;
  SELECT b.filled_until INTO filled FROM globalmart.backfills AS b WHERE b.rollup = backfill_begin.name;
  IF began THEN
    SELECT s.stream, d.to_time INTO gone
    FROM globalmart.dropped_spans AS d JOIN globalmart.streams AS s USING (stream)
    WHERE s.relation = ANY (relations) AND d.to_time <= first_event
    ORDER BY d.to_time DESC LIMIT 1;
    IF FOUND THEN
      filled := greatest(filled, globalmart.backfill_pass_over(backfill_begin.name, version, gone.stream, gone.to_time));
      UPDATE globalmart.backfills AS b SET filled_from = filled, filled_until = filled WHERE b.rollup = backfill_begin.name;
    END IF;
  END IF;
  unit := greatest(step, width);
  LOOP
    next_until := NULL;
    EXIT WHEN filled >= last_end;
    -- A stretch without events is passed over in one step: on to the next event.
    FOR source IN SELECT s.relation::text AS relation, s.time_column FROM globalmart.streams AS s WHERE s.relation = ANY (relations) LOOP
      EXECUTE format('SELECT min(t.%I) FROM %s AS t WHERE t.%I > $1', source.time_column, source.relation, source.time_column)
        INTO oldest USING filled - width;
      next_until := least(next_until, oldest);
    END LOOP;
    next_until := least(greatest(filled, coalesce(next_until, last_end)) + unit, last_end, coalesce(watermark, '-infinity'));
    SELECT s.stream, d.from_time, d.to_time INTO gone
    FROM globalmart.dropped_spans AS d JOIN globalmart.streams AS s USING (stream)
    WHERE s.relation = ANY (relations) AND d.from_time < next_until
      -- Sessions are cut where rows are gone, as they are where the rollup begins to be live.
      AND d.to_time > CASE version.window_kind WHEN 'session' THEN filled ELSE globalmart.rows_needed_from(version, filled) END
    ORDER BY d.from_time LIMIT 1;
    IF FOUND THEN
      next_until := least(next_until, gone.from_time);
    END IF;
    IF version.window_kind <> 'session' THEN
      next_until := globalmart.closable_until(next_until, version.window_kind, version.width, version.slide, version.window_offset);
    END IF;
    EXIT WHEN gone IS NULL OR next_until > filled;
    filled := globalmart.backfill_pass_over(backfill_begin.name, version, gone.stream, gone.to_time);
  END LOOP;
  IF next_until > filled THEN
    PERFORM globalmart.backfill_publish(backfill_begin.name, next_until);
    RETURN next_until;
  END IF;
  IF filled < last_end THEN
    RAISE NOTICE USING
      MESSAGE = format('rollup %s is filled up to %s, not to %s: %s', backfill_begin.name,
                       CASE WHEN filled < first_event THEN 'nothing' ELSE filled::text END, last_end,
                       coalesce(format('the watermark less its lateness is %s, and later windows are not complete', watermark),
                                'there is no watermark yet')),
      HINT = format('CALL globalmart.backfill_rollup(%L) again when globalmart.domain_watermark(%L, %L, %L) has reached %s: '
                    'when newer events have come, or none for longer than the idle timeout.',
                    backfill_begin.name, rollup.domain, rollup.idle_timeout, rollup.watermark_policy, last_end + rollup.lateness);
  END IF;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION globalmart.backfill_begin(text, interval) IS
  'Announces the next windows of a backfill; NULL when none is left, or none whose windows are complete: a NOTICE says so';

CREATE PROCEDURE globalmart.backfill_rollup(name text, step interval DEFAULT '1 hour')
LANGUAGE plpgsql AS $$
DECLARE
  steps int := 0;
  announced timestamptz;
BEGIN
  -- Publish, wait, fill: as a close, so that an event is either in the raw rows that are read, or late.
  LOOP
    announced := globalmart.backfill_begin(name, step);
    EXIT WHEN announced IS NULL;
    COMMIT;
    PERFORM globalmart.wait_for_folds((SELECT r.domain FROM globalmart.rollups AS r WHERE r.name = backfill_rollup.name));
    COMMIT;
    PERFORM globalmart.backfill_step(name, announced);
    COMMIT;
    steps := steps + 1;
  END LOOP;
  IF steps = 0 AND EXISTS (SELECT FROM globalmart.backfills AS b WHERE b.rollup = name AND b.filled_until >= b.ends) THEN
    RAISE NOTICE 'rollup % is filled already', name;
  END IF;
END
$$;
COMMENT ON PROCEDURE globalmart.backfill_rollup(text, interval) IS
  'Fills a rollup''s windows from before it was live out of the raw rows, step by step, each committed: it can be stopped and called again. A NOTICE says when it ends before the last of them, and which windows it passes over because their rows are gone. Its progress is in globalmart.backfills';

-- restated.sql
-- A rollup as it would be had nothing come late: the batch query over all rows that are stored. The closed rows
-- stay what they were.

CREATE FUNCTION globalmart.restated_parts(rollup text)
RETURNS TABLE (version_id int, query text, window_query text, columns text[], clock_columns text[], per_window boolean,
               window_kind text, width interval, ended_after timestamptz, ended_until timestamptz,
               begun_from timestamptz, begun_until timestamptz)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  -- Compiled for no rollup, a query leaves nobody's late events out.
  SELECT c.version_id, d.batch_query, d.batch_window_query, c.columns, c.clock_columns, c.per_window,
         c.window_kind, c.width, c.ended_after, c.ended_until, c.begun_from, c.begun_until
  FROM globalmart.comparison_parts(restated_parts.rollup) AS c
  JOIN globalmart.rollup_versions AS v ON v.rollup = restated_parts.rollup AND v.version_id = c.version_id,
    LATERAL globalmart.describe_rollup(v.query, v.version_id) AS d
$$;
COMMENT ON FUNCTION globalmart.restated_parts(text) IS
  'Closed and filled windows of a rollup as comparison_parts gives them, with the queries that count late events too';

CREATE FUNCTION globalmart.restated(rollup anyelement, from_time timestamptz DEFAULT NULL, to_time timestamptz DEFAULT NULL)
RETURNS SETOF anyelement
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  relation regclass;
  name text;
  part record;
  span record;
  selected text;
  after timestamptz;
  until timestamptz;
BEGIN
  SELECT c.oid::regclass, CASE WHEN c.relnamespace = 'globalmart'::regnamespace THEN c.relname ELSE c.oid::regclass::text END INTO relation, name
  FROM pg_type AS t JOIN pg_class AS c ON c.oid = t.typrelid WHERE t.oid = pg_typeof(rollup);
  IF relation IS NULL THEN
    RAISE wrong_object_type USING
      MESSAGE = format('%s is not the row type of a rollup', pg_typeof(rollup)),
      HINT = 'Name the rollup by its row type: SELECT * FROM globalmart.restated(NULL::globalmart.sales_per_minute).';
  END IF;
  PERFORM globalmart.require_rollup(name, 'rollup');
  FOR part IN SELECT * FROM globalmart.restated_parts(name) LOOP
    until := least(coalesce(to_time, 'infinity'), part.ended_until);
    after := greatest(coalesce(from_time, '-infinity'), part.ended_after);
    CONTINUE WHEN after >= until;
    PERFORM globalmart.require_comparable(part.version_id, after, until, part.begun_from);
    -- In the order of the table, whose further columns (created_at, columns of its owner's) no query gives.
    SELECT string_agg(CASE WHEN a.attname = ANY (part.columns) AND NOT a.attname = ANY (part.clock_columns) THEN 'q.' || quote_ident(a.attname)
                           ELSE 'NULL::' || format_type(a.atttypid, a.atttypmod) END, ', ' ORDER BY a.attnum) INTO selected
    FROM pg_attribute AS a WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped;
    FOR span IN SELECT * FROM globalmart.comparison_spans(part.per_window, part.window_query, part.window_kind, part.width,
                                                          after, until, part.begun_from, part.begun_until) LOOP
      RETURN QUERY EXECUTE format('SELECT %s FROM (%s) AS q', selected, part.query)
        USING span.span_after, span.span_until, span.span_from, span.span_to;
    END LOOP;
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.restated(anyelement, timestamptz, timestamptz) IS
  'The rows of a rollup''s closed and filled windows that end in (from_time, to_time], by default all, as they would be had no event come late: globalmart.restated(NULL::globalmart.NAME). The first copy of an event counts; created_at is NULL. Refuses a span whose raw rows were dropped';
-- rebuild.sql
-- The one exception to rows that are only appended: closed windows made anew out of the raw rows, late events
-- counted, for the owner and on record.

CREATE TABLE globalmart.rollup_rebuilds (
  rebuild_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  rollup      text NOT NULL,
  from_time   timestamptz NOT NULL,
  to_time     timestamptz NOT NULL,
  reason      text,
  rebuilt_by  name NOT NULL DEFAULT session_user,
  started_at  timestamptz NOT NULL DEFAULT globalmart.clock(),
  done_until  timestamptz NOT NULL,
  finished_at timestamptz,
  late_events bigint NOT NULL DEFAULT 0,
  windows     bigint NOT NULL DEFAULT 0,
  rows_before bigint NOT NULL DEFAULT 0,
  rows_after  bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE globalmart.rollup_rebuilds IS 'Every call of rebuild_rollup: who replaced closed rows of which rollup, when and why';
COMMENT ON COLUMN globalmart.rollup_rebuilds.rebuild_id IS 'Number of the rebuild';
COMMENT ON COLUMN globalmart.rollup_rebuilds.rollup IS 'Rollup';
COMMENT ON COLUMN globalmart.rollup_rebuilds.reason IS 'Why, as the caller said';
COMMENT ON COLUMN globalmart.rollup_rebuilds.started_at IS 'When it began';
COMMENT ON COLUMN globalmart.rollup_rebuilds.from_time IS 'Windows that end later; -infinity: from the first one on';
COMMENT ON COLUMN globalmart.rollup_rebuilds.to_time IS 'And that end by then';
COMMENT ON COLUMN globalmart.rollup_rebuilds.rebuilt_by IS 'Who had logged in';
COMMENT ON COLUMN globalmart.rollup_rebuilds.done_until IS 'Windows that end by then are rebuilt; a call with the same span goes on from there';
COMMENT ON COLUMN globalmart.rollup_rebuilds.finished_at IS 'NULL while it is under way, or stopped';
COMMENT ON COLUMN globalmart.rollup_rebuilds.late_events IS 'Late events that count now and are late no more';
COMMENT ON COLUMN globalmart.rollup_rebuilds.windows IS 'Windows that had other rows; those that were right already keep theirs';
COMMENT ON COLUMN globalmart.rollup_rebuilds.rows_before IS 'Rows of these windows before';
COMMENT ON COLUMN globalmart.rollup_rebuilds.rows_after IS 'And after';

CREATE FUNCTION globalmart.late_sessions_query(query text, version_id int, rollup text) RETURNS text
LANGUAGE C STABLE STRICT SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'globalmart_late_sessions_query';
COMMENT ON FUNCTION globalmart.late_sessions_query(text, int, text) IS
  'SQL that gives the late events of a session rollup''s version, each with the session that it stands in when all are counted; $3 and $4 bound event time';

CREATE FUNCTION globalmart.rebuild_begin(name text, from_time timestamptz, to_time timestamptz, reason text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  rebuild bigint;
  part record;
  source record;
  oldest timestamptz;
  first_time timestamptz;
  last_end timestamptz;
BEGIN
  PERFORM globalmart.require_owner();
  PERFORM globalmart.require_rollup(rebuild_begin.name, 'rollup');
  rebuild_begin.from_time := coalesce(rebuild_begin.from_time, '-infinity');
  SELECT b.rebuild_id INTO rebuild FROM globalmart.rollup_rebuilds AS b
  WHERE b.rollup = rebuild_begin.name AND b.finished_at IS NULL AND b.from_time = rebuild_begin.from_time
    AND (rebuild_begin.to_time IS NULL OR b.to_time = rebuild_begin.to_time)
  ORDER BY b.rebuild_id DESC LIMIT 1;
  IF FOUND THEN
    RAISE NOTICE 'going on with rebuild % of rollup %', rebuild, rebuild_begin.name;
    RETURN rebuild;
  END IF;
  FOR part IN SELECT p.*, greatest(rebuild_begin.from_time, p.ended_after) AS after,
                     least(coalesce(rebuild_begin.to_time, 'infinity'), p.ended_until) AS until
              FROM globalmart.comparison_parts(rebuild_begin.name) AS p LOOP
    CONTINUE WHEN part.after >= part.until;
    PERFORM globalmart.require_comparable(part.version_id, part.after, part.until, part.begun_from);
    last_end := greatest(last_end, part.until);
  END LOOP;
  IF last_end IS NOT NULL THEN
    FOR source IN SELECT s.relation::text AS relation, s.time_column FROM globalmart.streams AS s
                  WHERE s.relation IN (SELECT unnest((globalmart.describe_rollup(v.query, v.version_id)).relations)
                                       FROM globalmart.rollup_versions AS v WHERE v.rollup = rebuild_begin.name) LOOP
      EXECUTE format('SELECT min(t.%I) FROM %s AS t', source.time_column, source.relation) INTO oldest;
      first_time := least(first_time, oldest);
    END LOOP;
    EXECUTE format('SELECT min(r.window_start) FROM globalmart.%I AS r', rebuild_begin.name) INTO oldest;
    first_time := least(first_time, oldest);
  END IF;
  IF first_time IS NULL OR first_time >= last_end THEN
    RAISE NOTICE 'rollup % has no closed windows there: there is nothing to rebuild', rebuild_begin.name;
    RETURN NULL;
  END IF;
  INSERT INTO globalmart.rollup_rebuilds (rollup, from_time, to_time, reason, done_until)
  VALUES (rebuild_begin.name, rebuild_begin.from_time, coalesce(rebuild_begin.to_time, last_end), rebuild_begin.reason,
          greatest(rebuild_begin.from_time, first_time - interval '1 microsecond'))
  RETURNING rebuild_id INTO rebuild;
  RETURN rebuild;
END
$$;
COMMENT ON FUNCTION globalmart.rebuild_begin(text, timestamptz, timestamptz, text) IS
  'Puts a rebuild on record, or finds the one of this span that was stopped; NULL when no window is closed there';

-- Late events of tumbling and sliding windows. An event counts in all its windows or in none, so it stays late
-- while one of them waits for a merge or a backfill: these would not see it.
CREATE FUNCTION globalmart.take_late_events(name text, events_from timestamptz, events_until timestamptz) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  whole bigint;
  partly bigint;
BEGIN
  DELETE FROM globalmart.late_events AS l
  WHERE l.rollup = take_late_events.name AND l.event_time >= events_from AND l.event_time < events_until
    AND NOT EXISTS (
      SELECT FROM globalmart.rollup_versions AS v JOIN globalmart.rollup_progress AS p USING (version_id)
      LEFT JOIN globalmart.backfills AS b
        ON b.rollup = v.rollup AND NOT EXISTS (SELECT FROM globalmart.rollup_versions AS o WHERE o.rollup = v.rollup AND o.version_id < v.version_id),
        LATERAL (SELECT globalmart.window_floor(l.event_time, make_interval(secs => v.slide / 1e6), make_interval(secs => v.window_offset / 1e6))) AS w(last_start)
      WHERE v.rollup = l.rollup
        AND CASE WHEN v.window_kind = 'session' THEN
              l.event_time < v.live_until AND (l.event_time >= v.live_from OR b.rollup IS NOT NULL)
            WHEN l.event_time >= v.live_from THEN
              p.merged_until < p.closed_until
              AND w.last_start - make_interval(secs => (v.width - v.slide) / 1e6) < v.live_until
              AND w.last_start + make_interval(secs => v.width / 1e6) > p.merged_until
            ELSE least(w.last_start + make_interval(secs => v.width / 1e6), b.ends) > b.filled_until END);
  GET DIAGNOSTICS whole = ROW_COUNT;
  DELETE FROM globalmart.partly_late_events AS l
  USING globalmart.rollup_versions AS v JOIN globalmart.rollup_progress AS p USING (version_id)
  WHERE l.rollup = take_late_events.name AND l.event_time >= events_from AND l.event_time < events_until
    AND v.version_id = l.version_id AND v.window_kind <> 'session' AND l.missed_until <= p.merged_until;
  GET DIAGNOSTICS partly = ROW_COUNT;
  RETURN whole + partly;
END
$$;
COMMENT ON FUNCTION globalmart.take_late_events(text, timestamptz, timestamptz) IS
  'Makes late events of a span late no more, where all windows that they missed are in the rollup; gives how many';

-- Late events of sessions: those whose session, with all late events counted, has ended in the span. One that
-- joins a session that is still open stays late.
CREATE FUNCTION globalmart.take_late_sessions(
  name text, version_id int, ended_after timestamptz, ended_until timestamptz, events_from timestamptz, events_until timestamptz,
  OUT taken bigint, OUT begun_from timestamptz)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  query text;
BEGIN
  SELECT globalmart.late_sessions_query(v.query, v.version_id, v.rollup) INTO query
  FROM globalmart.rollup_versions AS v WHERE v.version_id = take_late_sessions.version_id;
  EXECUTE format(
    'WITH counted AS MATERIALIZED (SELECT q.* FROM (%s) AS q WHERE q.window_end > $1 AND q.window_end <= $2), '
    'whole AS (DELETE FROM globalmart.late_events AS l USING counted AS c WHERE NOT c.partly AND l.rollup = $5 '
    '  AND (l.kafka_partition, l.kafka_offset, l.event_id, l.event_time, l.received_at) '
    '    = (c.kafka_partition, c.kafka_offset, c.event_id, c.event_time, c.received_at) RETURNING c.window_start), '
    'partly AS (DELETE FROM globalmart.partly_late_events AS l USING counted AS c WHERE c.partly AND l.rollup = $5 AND l.version_id = $6 '
    '  AND (l.kafka_partition, l.kafka_offset, l.event_id, l.event_time, l.received_at) '
    '    = (c.kafka_partition, c.kafka_offset, c.event_id, c.event_time, c.received_at) RETURNING c.window_start) '
    'SELECT count(*), min(t.window_start) FROM (TABLE whole UNION ALL TABLE partly) AS t', query)
    INTO taken, begun_from
    USING ended_after, ended_until, events_from, events_until, name, version_id;
END
$$;
COMMENT ON FUNCTION globalmart.take_late_sessions(text, int, timestamptz, timestamptz, timestamptz, timestamptz) IS
  'Makes late events late no more whose sessions, with them, ended in the span; gives how many, and when the first of these sessions began';

-- What verify compares, made equal: windows with other rows than the batch query gives lose theirs and get its.
CREATE FUNCTION globalmart.replace_windows(
  name text, ended_after timestamptz, ended_until timestamptz, OUT windows bigint, OUT rows_before bigint, OUT rows_after bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
  part record;
  span record;
  columns text;
  compared text;
  closed text;
  after timestamptz;
  until timestamptz;
  starts timestamptz[];
  ends timestamptz[];
  more bigint;
BEGIN
  windows := 0;
  rows_before := 0;
  rows_after := 0;
  closed := format('FROM globalmart.%I AS q WHERE q.window_end > $1 AND q.window_end <= $2 AND q.window_start >= $3 AND q.window_start < $4', name);
  FOR part IN SELECT * FROM globalmart.comparison_parts(name) LOOP
    until := least(ended_until, part.ended_until);
    after := greatest(ended_after, part.ended_after);
    CONTINUE WHEN after >= until;
    PERFORM globalmart.require_comparable(part.version_id, after, until, part.begun_from);
    SELECT string_agg('q.' || quote_ident(c), ', ' ORDER BY n),
           string_agg('q.' || quote_ident(c), ', ' ORDER BY n) FILTER (WHERE NOT c = ANY (part.clock_columns))
      INTO columns, compared
    FROM unnest(part.columns) WITH ORDINALITY AS u(c, n);
    EXECUTE format('CREATE TEMPORARY TABLE rebuilt_rows ON COMMIT DROP AS SELECT %s FROM globalmart.%I AS q WITH NO DATA', columns, name);
    FOR span IN SELECT * FROM globalmart.comparison_spans(part.per_window, part.window_query, part.window_kind, part.width,
                                                          after, until, part.begun_from, part.begun_until) LOOP
      EXECUTE format('INSERT INTO pg_temp.rebuilt_rows SELECT %s FROM (%s) AS q', columns, part.query)
        USING span.span_after, span.span_until, span.span_from, span.span_to;
    END LOOP;
    EXECUTE format(
      'WITH closed AS (SELECT %1$s %2$s), batch AS (SELECT %1$s FROM pg_temp.rebuilt_rows AS q) '
      'SELECT array_agg(w.window_start), array_agg(w.window_end), count(*) FROM (SELECT DISTINCT d.window_start, d.window_end FROM ('
      '(TABLE closed EXCEPT ALL TABLE batch) UNION ALL (TABLE batch EXCEPT ALL TABLE closed)) AS d) AS w', compared, closed)
      INTO starts, ends, more USING after, until, part.begun_from, part.begun_until;
    windows := windows + more;
    EXECUTE format('DELETE FROM globalmart.%I AS q USING unnest($1, $2) AS w(s, e) WHERE q.window_start = w.s AND q.window_end = w.e', name)
      USING starts, ends;
    GET DIAGNOSTICS more = ROW_COUNT;
    rows_before := rows_before + more;
    EXECUTE format('INSERT INTO globalmart.%I (%s, created_at) SELECT %s, globalmart.processing_time() '
                   'FROM pg_temp.rebuilt_rows AS q JOIN unnest($1, $2) AS w(s, e) ON q.window_start = w.s AND q.window_end = w.e',
                   name, replace(columns, 'q.', ''), columns)
      USING starts, ends;
    GET DIAGNOSTICS more = ROW_COUNT;
    rows_after := rows_after + more;
    DROP TABLE pg_temp.rebuilt_rows;
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.replace_windows(text, timestamptz, timestamptz) IS
  'Replaces the rows of closed windows with ended_after < window_end <= ended_until that differ from what the batch query gives; windows that do not differ keep theirs';

CREATE FUNCTION globalmart.rebuild_step(rebuild_id bigint, step interval) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  rebuild globalmart.rollup_rebuilds;
  version record;
  next_until timestamptz;
  events_from timestamptz;
  events_until timestamptz;
  compared_until timestamptz;
  more record;
  taken bigint := 0;
  replaced record;
BEGIN
  PERFORM globalmart.require_owner();
  -- One rebuild of a rollup at a time, and no change of its definition meanwhile. Neither folds nor closes lock
  -- this row.
  PERFORM FROM globalmart.rollup_catalog AS c
  WHERE c.name = (SELECT b.rollup FROM globalmart.rollup_rebuilds AS b WHERE b.rebuild_id = rebuild_step.rebuild_id)
  FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  SELECT b.* INTO rebuild FROM globalmart.rollup_rebuilds AS b WHERE b.rebuild_id = rebuild_step.rebuild_id FOR UPDATE;
  IF rebuild.finished_at IS NOT NULL THEN
    RETURN false;
  END IF;
  -- The definition of now says where a step ends; sessions need all rows at each step, so theirs is one.
  next_until := rebuild.to_time;
  SELECT v.*, make_interval(secs => v.width / 1e6) AS wide INTO version FROM globalmart.rollup_versions AS v
  WHERE v.rollup = rebuild.rollup ORDER BY v.window_kind = 'session' DESC, v.version_id DESC LIMIT 1;
  IF version.window_kind <> 'session' THEN
    next_until := rebuild.done_until + greatest(rebuild_step.step, 2 * version.wide);
    next_until := least(rebuild.to_time, globalmart.closable_until(next_until, version.window_kind, version.width, version.slide, version.window_offset));
  END IF;
  -- Windows that end in (done_until, next_until] are made of these events, and windows that end in
  -- (events_from, compared_until] have these events.
  SELECT min(globalmart.rows_needed_from(v, rebuild.done_until)),
         max(globalmart.closable_until(next_until, v.window_kind, v.width, v.slide, v.window_offset))
    INTO events_from, events_until
  FROM globalmart.rollup_versions AS v WHERE v.rollup = rebuild.rollup AND v.window_kind <> 'session';
  SELECT max(globalmart.window_floor(events_until - interval '1 microsecond', make_interval(secs => v.slide / 1e6), make_interval(secs => v.window_offset / 1e6))
             + make_interval(secs => v.width / 1e6))
    INTO compared_until
  FROM globalmart.rollup_versions AS v WHERE v.rollup = rebuild.rollup AND v.window_kind <> 'session';
  compared_until := greatest(compared_until, next_until);
  PERFORM globalmart.set_processing_time(globalmart.clock());
  FOR more IN SELECT t.* FROM globalmart.comparison_parts(rebuild.rollup) AS p,
                LATERAL globalmart.take_late_sessions(rebuild.rollup, p.version_id, greatest(rebuild.done_until, p.ended_after),
                  least(next_until, p.ended_until), p.begun_from, p.begun_until) AS t
              WHERE p.window_kind = 'session' LOOP
    taken := taken + more.taken;
    events_from := least(events_from, more.begun_from);
  END LOOP;
  IF events_until IS NOT NULL THEN
    taken := taken + globalmart.take_late_events(rebuild.rollup, events_from, events_until);
  END IF;
  SELECT * INTO replaced FROM globalmart.replace_windows(rebuild.rollup, least(events_from, rebuild.done_until), compared_until);
  PERFORM globalmart.set_processing_time(NULL);
  UPDATE globalmart.rollup_rebuilds AS b
  SET done_until = next_until, late_events = b.late_events + taken, windows = b.windows + replaced.windows,
      rows_before = b.rows_before + replaced.rows_before, rows_after = b.rows_after + replaced.rows_after,
      finished_at = CASE WHEN next_until >= rebuild.to_time THEN globalmart.clock() END
  WHERE b.rebuild_id = rebuild.rebuild_id;
  RAISE INFO 'rollup % is rebuilt up to % of %: % late events, % windows changed', rebuild.rollup, next_until, rebuild.to_time,
    rebuild.late_events + taken, rebuild.windows + replaced.windows;
  RETURN next_until < rebuild.to_time;
END
$$;
COMMENT ON FUNCTION globalmart.rebuild_step(bigint, interval) IS
  'Rebuilds the next windows of a rebuild; says whether there are more';

CREATE PROCEDURE globalmart.rebuild_rollup(
  name text, from_time timestamptz DEFAULT NULL, to_time timestamptz DEFAULT NULL, reason text DEFAULT NULL, step interval DEFAULT '1 day')
LANGUAGE plpgsql AS $$
DECLARE
  rebuild bigint := globalmart.rebuild_begin(name, from_time, to_time, reason);
BEGIN
  -- No SET clause and no SECURITY DEFINER: either would forbid the COMMITs.
  COMMIT;
  WHILE rebuild IS NOT NULL AND globalmart.rebuild_step(rebuild, step) LOOP
    COMMIT;
  END LOOP;
END
$$;
COMMENT ON PROCEDURE globalmart.rebuild_rollup(text, timestamptz, timestamptz, text, interval) IS
  'Replaces a rollup''s closed rows of windows that end in (from_time, to_time], by default all, by those that restated gives; their late events are late no more. step: how much of event time a transaction rebuilds (sessions: all in one). Only windows with other rows are touched, the stream, open windows and the raw rows are not, and nobody who writes waits. It can be stopped and called again. On record in globalmart.rollup_rebuilds';
-- batch_stream.sql
-- The two executions side by side, for whoever wants to see what the stream spares.

-- What the stream has spent on windows is what its folds have spent on their events, and its merges on their rows.
-- Events of sliding windows stand in several, and count with the first that ends.
CREATE FUNCTION globalmart.stream_costs(rollup text, from_time timestamptz DEFAULT NULL, to_time timestamptz DEFAULT NULL)
RETURNS TABLE (windows bigint, rows bigint, rows_folded bigint, fold_seconds double precision, fold_cpu_seconds double precision,
               merge_seconds double precision, merge_cpu_seconds double precision)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
  part record;
  version record;
  folds record;
  merges record;
  after timestamptz;
  until timestamptz;
BEGIN
  PERFORM globalmart.require_rollup(rollup, 'rollup');
  SELECT 0, 0, 0, 0, 0, 0, 0 INTO windows, rows, rows_folded, fold_seconds, fold_cpu_seconds, merge_seconds, merge_cpu_seconds;
  FOR part IN SELECT * FROM globalmart.comparison_parts(stream_costs.rollup) LOOP
    until := least(coalesce(to_time, 'infinity'), part.ended_until);
    after := greatest(coalesce(from_time, '-infinity'), part.ended_after);
    CONTINUE WHEN after >= until;
    PERFORM globalmart.require_comparable(part.version_id, after, until, part.begun_from);
    SELECT v.*, p.costs_from, globalmart.closable_until(until, v.window_kind, v.width, v.slide, v.window_offset) AS events_until,
           greatest(v.live_from, globalmart.closable_until(greatest(after, v.live_from), v.window_kind, v.width, v.slide, v.window_offset)) AS events_from
      INTO version
    FROM globalmart.rollup_versions AS v JOIN globalmart.rollup_progress AS p USING (version_id) WHERE v.version_id = part.version_id;
    -- A sum without the windows that a backfill filled, or that closed before anything was recorded, would be too small.
    IF part.begun_from < version.live_from OR version.costs_from IS NULL OR greatest(after, version.live_from) < version.costs_from THEN
      SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL
        INTO windows, rows, rows_folded, fold_seconds, fold_cpu_seconds, merge_seconds, merge_cpu_seconds;
      RETURN NEXT;
      RETURN;
    END IF;
    SELECT coalesce(sum(m.windows), 0) AS windows, coalesce(sum(m.rows), 0) AS rows, coalesce(sum(m.seconds), 0) AS seconds,
           coalesce(sum(m.cpu_seconds), 0) AS cpu_seconds
      INTO merges
    FROM globalmart.merge_costs AS m WHERE m.version_id = part.version_id AND m.minute >= after AND m.minute < until;
    -- One partial that was folded without a record makes the sum unknown.
    SELECT CASE WHEN count(c.rows) = count(*) THEN coalesce(sum(c.rows), 0) END AS rows,
           CASE WHEN count(c.seconds) = count(*) THEN coalesce(sum(c.seconds), 0) END AS seconds,
           CASE WHEN count(c.cpu_seconds) = count(*) THEN coalesce(sum(c.cpu_seconds), 0) END AS cpu_seconds
      INTO folds
    FROM (
      SELECT f.rows, f.seconds, f.cpu_seconds FROM globalmart.fold_costs AS f
      WHERE f.plan_id = version.plan_id AND f.slice >= version.events_from AND f.slice < version.events_until
      UNION ALL
      SELECT l.rows, l.seconds, l.cpu_seconds
      FROM globalmart.domains AS d CROSS JOIN generate_series(0, 1) AS g(generation),
        LATERAL globalmart.log_costs(format('partial_log_%s_%s', d.domain, g.generation), version.plan_id, version.events_from, version.events_until) AS l
      WHERE d.domain = version.domain AND (g.generation = d.generation OR d.draining)) AS c;
    windows := windows + merges.windows;
    rows := rows + merges.rows;
    rows_folded := rows_folded + folds.rows;
    fold_seconds := fold_seconds + folds.seconds;
    fold_cpu_seconds := fold_cpu_seconds + folds.cpu_seconds;
    merge_seconds := merge_seconds + merges.seconds;
    merge_cpu_seconds := merge_cpu_seconds + merges.cpu_seconds;
  END LOOP;
  RETURN NEXT;
END
$$;
COMMENT ON FUNCTION globalmart.stream_costs(text, timestamptz, timestamptz) IS
  'What the stream has spent on a rollup''s closed windows that end in (from_time, to_time], by default all, to the minute: its share of the folds of their events, and the merges. NULL where not all of it was recorded: windows that a backfill filled. Refuses a span whose raw rows were dropped';

CREATE FUNCTION globalmart.compare_batch_stream(from_time timestamptz DEFAULT NULL, to_time timestamptz DEFAULT NULL)
RETURNS TABLE (rollup text, rows bigint, differences bigint, batch_seconds double precision, stream_seconds double precision,
               stream_cpu_seconds double precision, stream_age interval, batch_age interval, problem text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
  part record;
  span record;
  found_rows bigint;
  started timestamptz;
  after timestamptz;
  until timestamptz;
BEGIN
  FOR compare_batch_stream.rollup IN SELECT c.name FROM globalmart.rollup_catalog AS c WHERE c.kind = 'rollup' AND c.state = 'live' ORDER BY c.name LOOP
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
      INTO rows, differences, batch_seconds, stream_seconds, stream_cpu_seconds, stream_age, batch_age, problem;
    BEGIN
      rows := 0;
      batch_seconds := 0;
      FOR part IN SELECT * FROM globalmart.comparison_parts(rollup) LOOP
        until := least(coalesce(to_time, 'infinity'), part.ended_until);
        after := greatest(coalesce(from_time, '-infinity'), part.ended_after);
        CONTINUE WHEN after >= until;
        PERFORM globalmart.require_comparable(part.version_id, after, until, part.begun_from);
        started := clock_timestamp();
        FOR span IN SELECT * FROM globalmart.comparison_spans(part.per_window, part.window_query, part.window_kind, part.width,
                                                              after, until, part.begun_from, part.begun_until) LOOP
          -- Whole rows are counted, or the planner would leave out columns that nobody asks for.
          EXECUTE format('SELECT count(q) FROM (%s) AS q', part.query) INTO found_rows
            USING span.span_after, span.span_until, span.span_from, span.span_to;
          rows := rows + found_rows;
        END LOOP;
        batch_seconds := batch_seconds + extract(epoch FROM clock_timestamp() - started);
      END LOOP;
      SELECT count(*) INTO differences FROM globalmart.verify(rollup, from_time, to_time);
      SELECT c.fold_seconds + c.merge_seconds, c.fold_cpu_seconds + c.merge_cpu_seconds INTO stream_seconds, stream_cpu_seconds
      FROM globalmart.stream_costs(rollup, from_time, to_time) AS c;
      EXECUTE format(
        'SELECT avg(q.created_at - q.window_end), avg(globalmart.clock() - q.window_end) FROM globalmart.%I AS q '
        'WHERE q.window_end > $1 AND q.window_end <= $2 AND q.window_start >= (SELECT min(v.live_from) FROM globalmart.rollup_versions AS v WHERE v.rollup = $3)',
        rollup) INTO stream_age, batch_age
        USING coalesce(from_time, '-infinity'), coalesce(to_time, 'infinity'), rollup;
    EXCEPTION WHEN object_not_in_prerequisite_state THEN
      SELECT NULL, NULL, NULL, NULL, NULL, SQLERRM INTO rows, differences, batch_seconds, stream_seconds, stream_cpu_seconds, problem;
    END;
    RETURN NEXT;
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.compare_batch_stream(timestamptz, timestamptz) IS
  'For every live rollup and its closed windows that end in (from_time, to_time], by default all: rows, differences between stream and batch as verify finds them, seconds of the batch query as measured now, seconds and CPU seconds that the stream spent on them (its share of their folds, and their merges; NULL where not all was recorded: see stream_costs), and how old a window''s answer is on average when it is there: in the stream, and in a batch run now. problem: why a rollup was not compared';
-- explain.sql
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
-- install_shop.sql
-- The shop: made as ordinary objects of the owner, so that they can be altered, dropped and restored.
CREATE FUNCTION globalmart.install_shop() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $$
DECLARE
  script record;
  role_before text := current_setting('role');
BEGIN
  PERFORM globalmart.require_owner();
  -- The shop's tables are its owner's, with whatever triggers he gave them: nothing of his runs with a superuser's rights.
  IF (SELECT r.rolsuper FROM pg_roles AS r WHERE r.rolname = current_user) THEN
    PERFORM set_config('role', 'globalmart_owner', true);
  END IF;
  FOR script IN SELECT s.name, s.body FROM globalmart.shop_scripts AS s ORDER BY s.ordinal LOOP
    -- A rollup that is there is the owner's: its comments and privileges as well as its definition.
    CONTINUE WHEN EXISTS (SELECT FROM globalmart.rollup_catalog AS c WHERE script.name = 'rollups/' || c.name || '.sql');
    BEGIN
      EXECUTE script.body;
    EXCEPTION WHEN OTHERS THEN
      RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = SQLERRM, DETAIL = 'In the shop''s script ' || script.name,
        HINT = 'install_shop() changed nothing; mend the cause and call it again.';
    END;
  END LOOP;
  PERFORM set_config('role', role_before, true);
END
$$;
COMMENT ON FUNCTION globalmart.install_shop() IS
  'Makes the shop''s streams, lists and rollups, as far as they are not there: what was dropped comes back as shipped, what was changed stays. Views, and grants and comments on streams, are set anew';
-- privileges.sql
-- Who may do what, and whose rights it runs with, for all that the other parts made. CREATE EXTENSION runs this part,
-- and every update again (tools/join-sql). Rights are given to new members alone, those that have no initial
-- privileges yet: what an administrator gave or took of older ones stays, and stays in pg_dump.
--
-- globalmart_owner   changes definitions and settings, runs upkeep; owns every SECURITY DEFINER function, so
--                    that none of them runs with a superuser's rights
-- globalmart_writer  inserts into streams and dead letters, and calls the functions named below
-- globalmart_reader  reads everything, and calls what changes nothing
-- globalmart_operator  makes the regular calls of upkeep, and nothing else: for schedulers
-- globalmart_analyst  reads what is made of the events, the warehouse and the tables of rollups, and not the
--                     events: for tools that list all that they may read, and whose users are many

-- What the database runs on behalf of others, it runs as the owner.
DO $definers$
DECLARE
  definer regprocedure;
BEGIN
  -- Readers and the bridge ask for these without seeing what they are made of.
  ALTER FUNCTION globalmart.watermark(text) SECURITY DEFINER;
  ALTER FUNCTION globalmart.closed_until(text) SECURITY DEFINER;
  -- read_groups asks for the caller's right itself and reads as its owner.
  ALTER FUNCTION globalmart.read_groups(int, timestamptz, timestamptz) OWNER TO globalmart_owner;
  FOR definer IN
    SELECT p.oid FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    JOIN pg_catalog.pg_extension AS e
      ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'globalmart'
    WHERE p.prosecdef AND p.proowner <> 'globalmart_owner'::regrole
  LOOP
    EXECUTE pg_catalog.format('ALTER FUNCTION %s OWNER TO globalmart_owner', definer);
  END LOOP;

  -- What a definition means must not hang on the settings of the session that makes it, inserts or closes a window.
  FOR definer IN
    SELECT p.oid FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace = 'globalmart'::regnamespace
      AND p.proname IN ('fold_rows', 'merge_version', 'verify', 'backfill_step', 'describe_rollup', 'describe_detector',
                        'restated', 'late_sessions_query', 'take_late_sessions', 'replace_windows', 'rebuild_step', 'compare_batch_stream', 'record_definition', 'create_live_view')
  LOOP
    EXECUTE pg_catalog.format('ALTER FUNCTION %s SET timezone = ''UTC''', definer);
    EXECUTE pg_catalog.format('ALTER FUNCTION %s SET datestyle = ''ISO, YMD''', definer);
    EXECUTE pg_catalog.format('ALTER FUNCTION %s SET intervalstyle = ''postgres''', definer);
    EXECUTE pg_catalog.format('ALTER FUNCTION %s SET extra_float_digits = 1', definer);
    EXECUTE pg_catalog.format('ALTER FUNCTION %s SET standard_conforming_strings = on', definer);
    EXECUTE pg_catalog.format('ALTER FUNCTION %s SET transform_null_equals = off', definer);
  END LOOP;
END
$definers$;

DO $members$
DECLARE
  member record;
  -- The bridge, and clients that only insert.
  of_writers regprocedure[] := ARRAY[
    'globalmart.clock()',
    'globalmart.claim_partitions(text, int[], text)',
    'globalmart.advance_offsets(text, int[], bigint[], bigint[], bigint[], timestamptz[], timestamptz[], bigint[], boolean[], bigint[], bigint[], bigint[])',
    'globalmart.report_partitions(text, int[], bigint[], boolean[], boolean)',
    'globalmart.make_partition(text, date)',
    'globalmart.stream_leaves(text)',
    'globalmart.recent_ids(text, int[], timestamptz)',
    'globalmart.dedup_horizon()',
    'globalmart.watermark(text)',
    'globalmart.list_values(text)',
    'globalmart.publish_windows(boolean)',
    'globalmart.wait_for_folds(text)',
    'globalmart.merge_windows(bigint)',
    'globalmart.switch_logs(bigint)',
    'globalmart.drain_logs()',
    'globalmart.truncate_logs()',
    'globalmart.take_alerts(int)',
    'globalmart.mark_alerts_sent(uuid[])',
    'globalmart.take_redrives(text, int[], bigint[], int)',
    'globalmart.is_stored(text, uuid, timestamptz)',
    'globalmart.finish_redrives(bigint[], text[], text[], text[], timestamptz[])',
    'globalmart.close_windows()',
    'globalmart.compact_partials(bigint)']::regprocedure[];
  -- Schedulers. The procedures commit, so they run with the caller's rights, and he needs what they are made of.
  of_operators regprocedure[] := ARRAY[
    'globalmart.publish_windows(boolean)',
    'globalmart.wait_for_folds(text)',
    'globalmart.merge_windows(bigint)',
    'globalmart.switch_logs(bigint)',
    'globalmart.drain_logs()',
    'globalmart.truncate_logs()',
    'globalmart.days_to_make()',
    'globalmart.make_partition(text, date)',
    'globalmart.leaves_past_retention()',
    'globalmart.drop_old_leaf(text, date)',
    'globalmart.partitioned_streams()',
    'globalmart.delete_old_default_rows(text, int)',
    'globalmart.delete_old_records(int)',
    'globalmart.rollup_names()',
    'globalmart.delete_old_rollup_rows(text, int)',
    'globalmart.try_run_lock()',
    'globalmart.release_run_lock()',
    'globalmart.close_windows()',
    'globalmart.compact_partials(bigint)',
    'globalmart.maintain_partitions()',
    'globalmart.drop_old_partitions()',
    'globalmart.delete_old_rows()']::regprocedure[];
BEGIN
  FOR member IN
    SELECT c.oid::regclass AS name, c.relkind = 'S' AS is_sequence,
           -- What install_shop() runs is run by whoever calls it, a superuser perhaps: not for a member to change.
           c.relname IN ('shop_scripts', 'setting_definitions') AS is_shipped
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    JOIN pg_catalog.pg_extension AS e
      ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'globalmart'
    WHERE c.relkind IN ('r', 'v', 'S')
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_init_privs AS i WHERE i.classoid = d.classid AND i.objoid = c.oid)
  LOOP
    IF member.is_sequence THEN
      EXECUTE pg_catalog.format('REVOKE ALL ON SEQUENCE %s FROM PUBLIC', member.name);
      EXECUTE pg_catalog.format('GRANT USAGE, SELECT, UPDATE ON SEQUENCE %s TO globalmart_owner', member.name);
      EXECUTE pg_catalog.format('GRANT SELECT ON SEQUENCE %s TO globalmart_reader', member.name);
      IF member.name = 'globalmart.sql_row_offset'::regclass THEN
        GRANT USAGE ON SEQUENCE globalmart.sql_row_offset TO globalmart_writer;
      END IF;
    ELSE
      EXECUTE pg_catalog.format('REVOKE ALL ON %s FROM PUBLIC', member.name);
      EXECUTE pg_catalog.format('GRANT SELECT ON %s TO globalmart_owner, globalmart_reader', member.name);
      IF NOT member.is_shipped THEN
        EXECUTE pg_catalog.format('GRANT INSERT, UPDATE, DELETE, TRUNCATE ON %s TO globalmart_owner', member.name);
      END IF;
      IF member.name = 'globalmart.dead_letters'::regclass THEN
        GRANT INSERT ON globalmart.dead_letters TO globalmart_writer;
      END IF;
    END IF;
  END LOOP;

  FOR member IN
    SELECT p.oid::regprocedure AS name,
           CASE p.oid
             WHEN 'globalmart.clock()'::regprocedure THEN true
             WHEN 'globalmart.recent_ids(text, int[], timestamptz)'::regprocedure THEN false
             ELSE p.prokind = 'a' OR (p.prokind = 'f' AND p.provolatile IN ('i', 's'))
           END AS is_harmless,
           -- Views call functions with the rights of who reads them: immutable ones see no table, read_groups asks for the
           -- right to read the rollup. Tables and views are granted to analysts where they are made.
           CASE p.oid
             WHEN 'globalmart.read_groups(int, timestamptz, timestamptz)'::regprocedure THEN true
             WHEN 'globalmart.processing_time()'::regprocedure THEN true
             ELSE p.prokind = 'a' OR (p.prokind = 'f' AND p.provolatile = 'i')
           END AS sees_no_table
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    JOIN pg_catalog.pg_extension AS e
      ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'globalmart'
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_init_privs AS i WHERE i.classoid = d.classid AND i.objoid = p.oid)
  LOOP
    EXECUTE pg_catalog.format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', member.name);
    EXECUTE pg_catalog.format('GRANT EXECUTE ON ROUTINE %s TO globalmart_owner', member.name);
    IF member.is_harmless THEN
      EXECUTE pg_catalog.format('GRANT EXECUTE ON ROUTINE %s TO globalmart_reader', member.name);
    END IF;
    IF member.sees_no_table THEN
      EXECUTE pg_catalog.format('GRANT EXECUTE ON ROUTINE %s TO globalmart_analyst', member.name);
    END IF;
    IF member.name = ANY (of_writers) THEN
      EXECUTE pg_catalog.format('GRANT EXECUTE ON ROUTINE %s TO globalmart_writer', member.name);
    END IF;
    IF member.name = ANY (of_operators) THEN
      EXECUTE pg_catalog.format('GRANT EXECUTE ON ROUTINE %s TO globalmart_operator', member.name);
    END IF;
  END LOOP;
END
$members$;

-- The catalogue's rows are configuration: pg_dump carries them. Not those that the script itself brings.
DO $configuration$
DECLARE
  member record;
BEGIN
  FOR member IN
    SELECT c.oid, c.relkind, c.relname
    FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_class AS c ON c.oid = d.objid
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'e'
      AND d.refclassid = 'pg_catalog.pg_extension'::regclass
      AND d.refobjid = (SELECT e.oid FROM pg_catalog.pg_extension AS e WHERE e.extname = 'globalmart')
      AND c.relkind IN ('r', 'S') AND c.relname NOT IN ('shop_scripts', 'setting_definitions')
    ORDER BY c.oid
  LOOP
    PERFORM pg_catalog.pg_extension_config_dump(member.oid, '');
  END LOOP;
END
$configuration$;
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (1, 'lists.sql', $shop_script$
-- Lists of allowed values. They may be changed at any time; bridges hear of it.
CREATE TABLE IF NOT EXISTS globalmart.countries (
  country text PRIMARY KEY CHECK (country <> '')
);
COMMENT ON TABLE globalmart.countries IS 'Countries that events may name; others are dead letters (out_of_range)';
COMMENT ON COLUMN globalmart.countries.country IS 'Name as in the events, byte for byte';

CREATE TABLE IF NOT EXISTS globalmart.payment_methods (
  payment_method text PRIMARY KEY CHECK (payment_method <> '')
);
COMMENT ON TABLE globalmart.payment_methods IS 'Payment methods that orders may name; others are dead letters (out_of_range)';
COMMENT ON COLUMN globalmart.payment_methods.payment_method IS 'Name as in the events, byte for byte';

CREATE TABLE IF NOT EXISTS globalmart.categories (
  category text PRIMARY KEY CHECK (category <> '')
);
COMMENT ON TABLE globalmart.categories IS 'The shop''s product categories; events may name others, which are accepted as they are';
COMMENT ON COLUMN globalmart.categories.category IS 'Name as in the events, byte for byte';

-- Filled when the tables are new: what an owner took off a list stays off.
DO $lists$
BEGIN
  IF NOT EXISTS (SELECT FROM globalmart.lists AS l WHERE l.list = 'countries') THEN
    INSERT INTO globalmart.countries (country)
    VALUES ('USA'), ('UK'), ('Germany'), ('France'), ('Japan') ON CONFLICT DO NOTHING;
  END IF;
  IF NOT EXISTS (SELECT FROM globalmart.lists AS l WHERE l.list = 'payment_methods') THEN
    INSERT INTO globalmart.payment_methods (payment_method)
    VALUES ('Credit Card'), ('Debit Card'), ('PayPal'), ('Apple Pay'), ('Google Pay') ON CONFLICT DO NOTHING;
  END IF;
  IF NOT EXISTS (SELECT FROM globalmart.lists AS l WHERE l.list = 'categories') THEN
    INSERT INTO globalmart.categories (category) VALUES
    ('Smartphones'), ('Laptops'), ('Tablets'), ('Desktops'), ('Monitors'), ('Keyboards'), ('Mice'),
    ('Headphones'), ('Loudspeakers'), ('Cameras'), ('Smart Watches'), ('Fitness Bands'), ('Consoles'),
    ('VR Glasses'), ('Drones'), ('Printers'), ('Scanners'), ('Hard Disks'), ('Memory Sticks'), ('Webcams'),
    ('T-Shirts'), ('Jeans'), ('Jackets'), ('Shoes'), ('Dresses'), ('Blouses'), ('Skirts'), ('Suits'),
    ('Coats'), ('Children''s Wear'), ('Baby Wear'), ('Sportswear'), ('Swimwear'), ('Underwear'), ('Socks'),
    ('Belts'), ('Hats'), ('Scarves'), ('Gloves'), ('Handbags'), ('Sofas'), ('Bed Linen'), ('Curtains'),
    ('Rugs'), ('Lamps'), ('Kitchen Machines'), ('Cookware'), ('Plates'), ('Cutlery'), ('Glasses'),
    ('Shelving'), ('Cleaning'), ('Ornaments'), ('Pictures'), ('Mirrors'), ('Bathroom'), ('Towels'),
    ('Pillows'), ('Blankets'), ('Mattresses'), ('Skin Care'), ('Hair Care'), ('Make-Up'), ('Perfume'),
    ('Nail Care'), ('Shaving'), ('Bath'), ('Oral Care'), ('Hygiene'), ('Beauty Tools'), ('Running Shoes'),
    ('Bicycles'), ('Yoga'), ('Dumbbells'), ('Treadmills'), ('Balls'), ('Camping'), ('Hiking'), ('Fishing'),
    ('Gym Equipment'), ('Puzzles'), ('Board Games'), ('Dolls'), ('Building Bricks'), ('Model Cars'),
    ('Soft Toys'), ('Figures'), ('Learning Toys'), ('Garden Toys'), ('Music Toys'), ('Crafts'), ('Novels'),
    ('Non-Fiction'), ('Audiobooks'), ('E-Books'), ('Magazines'), ('Films'), ('CDs'), ('Vinyl'),
    ('Video Games')
    ON CONFLICT DO NOTHING;
  END IF;
END
$lists$;

DO $owner$
DECLARE
  shop_table text;
BEGIN
  FOREACH shop_table IN ARRAY ARRAY['countries', 'payment_methods', 'categories'] LOOP
    -- ALTER TABLE would wait for whoever reads the list, and later ones for it: not where there is nothing to alter.
    IF EXISTS (SELECT FROM pg_catalog.pg_class AS c
               WHERE c.oid = to_regclass('globalmart.' || shop_table) AND c.relowner <> 'globalmart_owner'::regrole) THEN
      EXECUTE format('ALTER TABLE globalmart.%I OWNER TO globalmart_owner', shop_table);
    END IF;
  END LOOP;
END
$owner$;
GRANT SELECT ON globalmart.countries, globalmart.payment_methods, globalmart.categories TO globalmart_reader, globalmart_analyst;

SELECT globalmart.create_list('countries', 'globalmart.countries', 'country');
SELECT globalmart.create_list('payment_methods', 'globalmart.payment_methods', 'payment_method');
SELECT globalmart.create_list('categories', 'globalmart.categories', 'category');
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (2, 'streams.sql', $shop_script$
-- The shop's streams: a table for each kind of event, partitioned by UTC day. What the bridge
-- stores has been checked against the profile; the CHECK constraints keep rows that come by SQL from
-- poisoning sums, keys and watermarks (NaN, negative money, infinite times). Amounts go to a hundred times what the
-- shipped profile allows, so that a million rows of a window still sum up to numeric(18,2); texts to what several
-- keys of an index may be together. No index: COPY is what matters here.
-- received_at, kafka_partition and kafka_offset, where a row came from, are added to all of them at the end.

CREATE TABLE IF NOT EXISTS globalmart.transactions (
  event_time      timestamptz NOT NULL,
  transaction_id  uuid NOT NULL,
  user_id         text NOT NULL,
  total_amount    numeric(18,2) NOT NULL,
  discount_amount numeric(18,2),
  payment_method  text NOT NULL,
  country         text NOT NULL,
  CONSTRAINT transactions_in_range CHECK (event_time >= '2000-01-01 00:00:00+00'
    AND event_time < '9999-12-31 00:00:00+00'
    AND total_amount >= 0
    AND total_amount <= 10000000
    AND discount_amount >= 0
    AND discount_amount <= 10000000
    AND octet_length(user_id) <= 512
    AND octet_length(payment_method) <= 512
    AND octet_length(country) <= 512)
) PARTITION BY RANGE (event_time);
COMMENT ON TABLE globalmart.transactions IS
  'Orders, one row each, partitioned by UTC day of event time';
COMMENT ON COLUMN globalmart.transactions.event_time IS
  'When the order was placed';
COMMENT ON COLUMN globalmart.transactions.transaction_id IS
  'The order; identifies the event';
COMMENT ON COLUMN globalmart.transactions.user_id IS
  'User who ordered';
COMMENT ON COLUMN globalmart.transactions.total_amount IS
  'What was charged, discount taken off; money';
COMMENT ON COLUMN globalmart.transactions.discount_amount IS
  'Discount that was taken off; money; NULL: not told';
COMMENT ON COLUMN globalmart.transactions.payment_method IS
  'How it was paid; one of payment_methods';
COMMENT ON COLUMN globalmart.transactions.country IS
  'Country of the order; one of countries';

CREATE TABLE IF NOT EXISTS globalmart.transaction_items (
  event_time      timestamptz NOT NULL,
  transaction_id  uuid NOT NULL,
  line_no         int4 NOT NULL,
  quantity        int4 NOT NULL,
  product_id      text NOT NULL,
  price           numeric(18,2) NOT NULL,
  user_id         text NOT NULL,
  total_amount    numeric(18,2) NOT NULL,
  payment_method  text NOT NULL,
  country         text NOT NULL,
  CONSTRAINT transaction_items_in_range CHECK (event_time >= '2000-01-01 00:00:00+00'
    AND event_time < '9999-12-31 00:00:00+00'
    AND line_no > 0
    AND quantity > 0
    AND quantity <= 10000
    AND price >= 0
    AND price <= 1000000
    AND total_amount >= 0
    AND total_amount <= 10000000
    AND octet_length(product_id) <= 512
    AND octet_length(user_id) <= 512
    AND octet_length(payment_method) <= 512
    AND octet_length(country) <= 512)
) PARTITION BY RANGE (event_time);
COMMENT ON TABLE globalmart.transaction_items IS
  'Lines of orders, one row each, partitioned by UTC day of event time; the columns of the order are repeated';
COMMENT ON COLUMN globalmart.transaction_items.event_time IS
  'When the order was placed';
COMMENT ON COLUMN globalmart.transaction_items.transaction_id IS
  'The order; with line_no it identifies the row';
COMMENT ON COLUMN globalmart.transaction_items.line_no IS
  'Number of the line in its order, from 1';
COMMENT ON COLUMN globalmart.transaction_items.quantity IS
  'Units ordered';
COMMENT ON COLUMN globalmart.transaction_items.product_id IS
  'Product ordered; a product may stand on several lines';
COMMENT ON COLUMN globalmart.transaction_items.price IS
  'Price of one unit; money';
COMMENT ON COLUMN globalmart.transaction_items.user_id IS
  'User who ordered';
COMMENT ON COLUMN globalmart.transaction_items.total_amount IS
  'What was charged for the whole order; money';
COMMENT ON COLUMN globalmart.transaction_items.payment_method IS
  'How the order was paid; one of payment_methods';
COMMENT ON COLUMN globalmart.transaction_items.country IS
  'Country of the order; one of countries';

CREATE TABLE IF NOT EXISTS globalmart.cart_events (
  event_time      timestamptz NOT NULL,
  event_id        uuid NOT NULL,
  session_id      uuid NOT NULL,
  event_type      text NOT NULL,
  user_id         text NOT NULL,
  country         text NOT NULL,
  product_id      text,
  product_name    text,
  category        text,
  price           numeric(18,2),
  quantity        int4,
  old_quantity    int4,
  new_quantity    int4,
  cart_size       int4,
  total_items     int4,
  cart_value      numeric(18,2),
  CONSTRAINT cart_events_in_range CHECK (event_time >= '2000-01-01 00:00:00+00'
    AND event_time < '9999-12-31 00:00:00+00'
    AND price >= 0
    AND price <= 1000000
    AND cart_value >= 0
    AND cart_value <= 1000000000
    AND octet_length(event_type) <= 512
    AND octet_length(user_id) <= 512
    AND octet_length(country) <= 512
    AND octet_length(product_id) <= 512
    AND octet_length(product_name) <= 1024
    AND octet_length(category) <= 512)
) PARTITION BY RANGE (event_time);
COMMENT ON TABLE globalmart.cart_events IS
  'What happens to carts, one row an event, partitioned by UTC day of event time';
COMMENT ON COLUMN globalmart.cart_events.event_time IS
  'When it happened';
COMMENT ON COLUMN globalmart.cart_events.event_id IS
  'Identifies the event';
COMMENT ON COLUMN globalmart.cart_events.session_id IS
  'With user_id, the session that the cart belongs to';
COMMENT ON COLUMN globalmart.cart_events.event_type IS
  'add_to_cart, remove_from_cart, update_quantity, checkout or cart_abandonment';
COMMENT ON COLUMN globalmart.cart_events.user_id IS
  'User whose cart it is';
COMMENT ON COLUMN globalmart.cart_events.country IS
  'Country of the user; one of countries';
COMMENT ON COLUMN globalmart.cart_events.product_id IS
  'Product put in, taken out or changed';
COMMENT ON COLUMN globalmart.cart_events.product_name IS
  'Its name';
COMMENT ON COLUMN globalmart.cart_events.category IS
  'Its category';
COMMENT ON COLUMN globalmart.cart_events.price IS
  'Price of one unit; money';
COMMENT ON COLUMN globalmart.cart_events.quantity IS
  'Units put in or taken out';
COMMENT ON COLUMN globalmart.cart_events.old_quantity IS
  'Units before an update_quantity';
COMMENT ON COLUMN globalmart.cart_events.new_quantity IS
  'Units after an update_quantity';
COMMENT ON COLUMN globalmart.cart_events.cart_size IS
  'Different products in the cart after the event';
COMMENT ON COLUMN globalmart.cart_events.total_items IS
  'Units in the cart at a checkout or abandonment';
COMMENT ON COLUMN globalmart.cart_events.cart_value IS
  'Value of the cart after the event, the total of a checkout; money';

CREATE TABLE IF NOT EXISTS globalmart.product_view_events (
  event_time              timestamptz NOT NULL,
  event_id                uuid NOT NULL,
  session_id              uuid NOT NULL,
  event_type              text NOT NULL,
  user_id                 text NOT NULL,
  country                 text NOT NULL,
  product_id              text,
  product_name            text,
  category                text,
  price                   numeric(18,2),
  view_duration           numeric(10,6),
  from_search             bool,
  previously_viewed_count int4,
  search_query            text,
  results_count           int4,
  filter_category         text,
  min_price               numeric(18,2),
  max_price               numeric(18,2),
  product_ids             text[],
  product_names           text[],
  prices                  numeric(18,2)[],
  CONSTRAINT product_view_events_in_range CHECK (event_time >= '2000-01-01 00:00:00+00'
    AND event_time < '9999-12-31 00:00:00+00'
    AND price >= 0
    AND price <= 1000000
    AND view_duration >= 0
    AND view_duration < 'NaN'
    AND results_count >= 0
    AND octet_length(event_type) <= 512
    AND octet_length(user_id) <= 512
    AND octet_length(country) <= 512
    AND octet_length(product_id) <= 512
    AND octet_length(product_name) <= 1024
    AND octet_length(category) <= 512
    AND octet_length(search_query) <= 512)
) PARTITION BY RANGE (event_time);
COMMENT ON TABLE globalmart.product_view_events IS
  'Views of products, searches, filters and comparisons, one row an event, partitioned by UTC day of event time';
COMMENT ON COLUMN globalmart.product_view_events.event_time IS
  'When it happened';
COMMENT ON COLUMN globalmart.product_view_events.event_id IS
  'Identifies the event';
COMMENT ON COLUMN globalmart.product_view_events.session_id IS
  'With user_id, the session that the event belongs to';
COMMENT ON COLUMN globalmart.product_view_events.event_type IS
  'view, search, filter or compare';
COMMENT ON COLUMN globalmart.product_view_events.user_id IS
  'User who looked';
COMMENT ON COLUMN globalmart.product_view_events.country IS
  'Country of the user; one of countries';
COMMENT ON COLUMN globalmart.product_view_events.product_id IS
  'Product viewed';
COMMENT ON COLUMN globalmart.product_view_events.product_name IS
  'Its name';
COMMENT ON COLUMN globalmart.product_view_events.category IS
  'Its category; of a comparison, that of its products';
COMMENT ON COLUMN globalmart.product_view_events.price IS
  'Its price; money';
COMMENT ON COLUMN globalmart.product_view_events.view_duration IS
  'How long it was looked at; seconds';
COMMENT ON COLUMN globalmart.product_view_events.from_search IS
  'Whether the user came from a search';
COMMENT ON COLUMN globalmart.product_view_events.previously_viewed_count IS
  'Products that the user had viewed before in the session';
COMMENT ON COLUMN globalmart.product_view_events.search_query IS
  'What was searched for, byte for byte';
COMMENT ON COLUMN globalmart.product_view_events.results_count IS
  'Results of a search or filter';
COMMENT ON COLUMN globalmart.product_view_events.filter_category IS
  'Category filtered by';
COMMENT ON COLUMN globalmart.product_view_events.min_price IS
  'Least price filtered by; money';
COMMENT ON COLUMN globalmart.product_view_events.max_price IS
  'Greatest price filtered by; money';
COMMENT ON COLUMN globalmart.product_view_events.product_ids IS
  'Products compared';
COMMENT ON COLUMN globalmart.product_view_events.product_names IS
  'Their names';
COMMENT ON COLUMN globalmart.product_view_events.prices IS
  'Their prices; money';

CREATE TABLE IF NOT EXISTS globalmart.inventory_events (
  event_time      timestamptz NOT NULL,
  event_id        uuid NOT NULL,
  event_type      text NOT NULL,
  product_id      text NOT NULL,
  country         text,
  stock_level     int4,
  delta           int4,
  old_price       numeric(18,2),
  new_price       numeric(18,2),
  CONSTRAINT inventory_events_in_range CHECK (event_time >= '2000-01-01 00:00:00+00'
    AND event_time < '9999-12-31 00:00:00+00'
    AND stock_level >= 0
    AND old_price >= 0
    AND old_price <= 1000000
    AND new_price >= 0
    AND new_price <= 1000000
    AND octet_length(event_type) <= 512
    AND octet_length(product_id) <= 512
    AND octet_length(country) <= 512)
) PARTITION BY RANGE (event_time);
COMMENT ON TABLE globalmart.inventory_events IS
  'Changes of stock and of prices, one row an event, partitioned by UTC day of event time';
COMMENT ON COLUMN globalmart.inventory_events.event_time IS
  'When it happened';
COMMENT ON COLUMN globalmart.inventory_events.event_id IS
  'Identifies the event';
COMMENT ON COLUMN globalmart.inventory_events.event_type IS
  'stock_update or price_change';
COMMENT ON COLUMN globalmart.inventory_events.product_id IS
  'Product that changed';
COMMENT ON COLUMN globalmart.inventory_events.country IS
  'Country of the stock; NULL for a price change';
COMMENT ON COLUMN globalmart.inventory_events.stock_level IS
  'Units in stock after a stock_update';
COMMENT ON COLUMN globalmart.inventory_events.delta IS
  'Change of the stock; units';
COMMENT ON COLUMN globalmart.inventory_events.old_price IS
  'Price before a price_change; money';
COMMENT ON COLUMN globalmart.inventory_events.new_price IS
  'Price after it; money';

SELECT globalmart.add_message_columns(to_regclass('globalmart.' || t))
FROM unnest('{transactions,transaction_items,cart_events,product_view_events,inventory_events}'::text[]) AS t;

DO $owner$
DECLARE
  shop_table text;
BEGIN
  FOREACH shop_table IN ARRAY ARRAY['transactions', 'transaction_items', 'cart_events', 'product_view_events', 'inventory_events'] LOOP
    -- ALTER TABLE would wait for writers, and later ones for it: not where there is nothing to alter.
    IF EXISTS (SELECT FROM pg_catalog.pg_class AS c
               WHERE c.oid = to_regclass('globalmart.' || shop_table) AND c.relowner <> 'globalmart_owner'::regrole) THEN
      EXECUTE format('ALTER TABLE globalmart.%I OWNER TO globalmart_owner', shop_table);
    END IF;
    EXECUTE format('GRANT SELECT ON globalmart.%I TO globalmart_reader', shop_table);
    EXECUTE format('GRANT INSERT ON globalmart.%I TO globalmart_writer', shop_table);
  END LOOP;
END
$owner$;

-- Registered once: what an owner changed about a stream stays.
SELECT globalmart.create_stream(s.name, to_regclass('globalmart.' || s.name), s.domain, s.topic, 'event_time',
                                s.id_column, s.line_column)
FROM (VALUES
  ('transactions', 'transactions', 'transactions-topic', 'transaction_id', NULL),
  ('transaction_items', 'transactions', 'transactions-topic', 'transaction_id', 'line_no'),
  ('cart_events', 'cart', 'cart-events-topic', 'event_id', NULL),
  ('product_view_events', 'views', 'product-views-topic', 'event_id', NULL),
  ('inventory_events', 'inventory', 'inventory-events-topic', 'event_id', NULL)
) AS s(name, domain, topic, id_column, line_column)
WHERE NOT EXISTS (SELECT FROM globalmart.streams AS r WHERE r.stream = s.name);

SELECT globalmart.create_default_leaf(s)
FROM unnest('{transactions,transaction_items,cart_events,product_view_events,inventory_events}'::text[]) AS s;
SELECT globalmart.make_partition(m.stream, m.day) FROM globalmart.days_to_make() AS m;
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (3, 'catalogue.sql', $shop_script$
-- The shop's catalogue: every change is kept; users and products are what is in force, kept by triggers. Columns
-- that say where a row came from are added at the end, as for streams.

CREATE TABLE IF NOT EXISTS globalmart.user_changes (
  event_time      timestamptz NOT NULL,
  user_id         text NOT NULL,
  deleted         bool NOT NULL,
  country         text,
  age_range       text,
  preferences     text[],
  registered_at   timestamptz,
  CONSTRAINT user_changes_in_range CHECK (event_time >= '2000-01-01 00:00:00+00'
    AND event_time < '9999-12-31 00:00:00+00'
    AND (deleted OR country IS NOT NULL))
);
COMMENT ON TABLE globalmart.user_changes IS
  'Every change of a user that was told, in order of arrival: the history of users';
COMMENT ON COLUMN globalmart.user_changes.event_time IS
  'From when on the change is in force; of a delete, its Kafka timestamp';
COMMENT ON COLUMN globalmart.user_changes.user_id IS
  'User';
COMMENT ON COLUMN globalmart.user_changes.deleted IS
  'Whether the user was deleted; all else is NULL then';
COMMENT ON COLUMN globalmart.user_changes.country IS
  'Country of the user; one of countries';
COMMENT ON COLUMN globalmart.user_changes.age_range IS
  'Age, such as 25-34';
COMMENT ON COLUMN globalmart.user_changes.preferences IS
  'Preferred groups of categories';
COMMENT ON COLUMN globalmart.user_changes.registered_at IS
  'When the user registered';

CREATE TABLE IF NOT EXISTS globalmart.product_changes (
  event_time      timestamptz NOT NULL,
  product_id      text NOT NULL,
  deleted         bool NOT NULL,
  product_name    text,
  category        text,
  price           numeric(18,2),
  rating          numeric(3,2),
  stock_level     int4,
  CONSTRAINT product_changes_in_range CHECK (event_time >= '2000-01-01 00:00:00+00'
    AND event_time < '9999-12-31 00:00:00+00'
    AND (deleted OR (product_name IS NOT NULL AND category IS NOT NULL AND price IS NOT NULL))
    AND price >= 0
    AND price < 'NaN'
    AND rating >= 0
    AND rating <= 5)
);
COMMENT ON TABLE globalmart.product_changes IS
  'Every change of a product that was told, in order of arrival: the history of products';
COMMENT ON COLUMN globalmart.product_changes.event_time IS
  'From when on the change is in force; of a delete, its Kafka timestamp';
COMMENT ON COLUMN globalmart.product_changes.product_id IS
  'Product';
COMMENT ON COLUMN globalmart.product_changes.deleted IS
  'Whether the product was deleted; all else is NULL then';
COMMENT ON COLUMN globalmart.product_changes.product_name IS
  'Name';
COMMENT ON COLUMN globalmart.product_changes.category IS
  'Category';
COMMENT ON COLUMN globalmart.product_changes.price IS
  'Price of one unit; money';
COMMENT ON COLUMN globalmart.product_changes.rating IS
  'Average rating, 0 to 5';
COMMENT ON COLUMN globalmart.product_changes.stock_level IS
  'Units in stock';

CREATE TABLE IF NOT EXISTS globalmart.users (
  user_id       text PRIMARY KEY,
  country       text NOT NULL,
  age_range     text,
  preferences   text[],
  registered_at timestamptz,
  updated_at    timestamptz NOT NULL
) WITH (fillfactor = 90);
COMMENT ON TABLE globalmart.users IS
  'Users as they are now: the latest change by (event_time, kafka_partition, kafka_offset); a deleted one is not here';
COMMENT ON COLUMN globalmart.users.user_id IS
  'User';
COMMENT ON COLUMN globalmart.users.country IS
  'Country of the user';
COMMENT ON COLUMN globalmart.users.age_range IS
  'Age, such as 25-34';
COMMENT ON COLUMN globalmart.users.preferences IS
  'Preferred groups of categories';
COMMENT ON COLUMN globalmart.users.registered_at IS
  'When the user registered';
COMMENT ON COLUMN globalmart.users.updated_at IS
  'From when on this is in force';

CREATE TABLE IF NOT EXISTS globalmart.products (
  product_id   text PRIMARY KEY,
  product_name text NOT NULL,
  category     text NOT NULL,
  price        numeric(18,2) NOT NULL,
  rating       numeric(3,2),
  stock_level  int4,
  updated_at   timestamptz NOT NULL
) WITH (fillfactor = 90);
COMMENT ON TABLE globalmart.products IS
  'Products as they are now: the latest change by (event_time, kafka_partition, kafka_offset); a deleted one is not here';
COMMENT ON COLUMN globalmart.products.product_id IS
  'Product';
COMMENT ON COLUMN globalmart.products.product_name IS
  'Name';
COMMENT ON COLUMN globalmart.products.category IS
  'Category';
COMMENT ON COLUMN globalmart.products.price IS
  'Price of one unit; money';
COMMENT ON COLUMN globalmart.products.rating IS
  'Average rating, 0 to 5';
COMMENT ON COLUMN globalmart.products.stock_level IS
  'Units in stock';
COMMENT ON COLUMN globalmart.products.updated_at IS
  'From when on this is in force';

CREATE TABLE IF NOT EXISTS globalmart.user_versions (
  user_id         text PRIMARY KEY,
  event_time      timestamptz NOT NULL,
  kafka_partition int4 NOT NULL,
  kafka_offset    int8 NOT NULL
) WITH (fillfactor = 90);
COMMENT ON TABLE globalmart.user_versions IS
  'The latest change of each user, deleted ones included: what an older change that comes late is measured against';
COMMENT ON COLUMN globalmart.user_versions.user_id IS
  'User';
COMMENT ON COLUMN globalmart.user_versions.event_time IS
  'From when on the latest change is in force';
COMMENT ON COLUMN globalmart.user_versions.kafka_partition IS
  'Its Kafka partition';
COMMENT ON COLUMN globalmart.user_versions.kafka_offset IS
  'Its offset';

CREATE TABLE IF NOT EXISTS globalmart.product_versions (
  product_id      text PRIMARY KEY,
  event_time      timestamptz NOT NULL,
  kafka_partition int4 NOT NULL,
  kafka_offset    int8 NOT NULL
) WITH (fillfactor = 90);
COMMENT ON TABLE globalmart.product_versions IS
  'The latest change of each product, deleted ones included: what an older change that comes late is measured against';
COMMENT ON COLUMN globalmart.product_versions.product_id IS
  'Product';
COMMENT ON COLUMN globalmart.product_versions.event_time IS
  'From when on the latest change is in force';
COMMENT ON COLUMN globalmart.product_versions.kafka_partition IS
  'Its Kafka partition';
COMMENT ON COLUMN globalmart.product_versions.kafka_offset IS
  'Its offset';

SELECT globalmart.add_message_columns(to_regclass('globalmart.' || t)) FROM unnest('{user_changes,product_changes}'::text[]) AS t;

-- Writers would wait for it, too.
DO $triggers$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS t
                 WHERE t.tgrelid = 'globalmart.user_changes'::regclass AND t.tgname = 'apply_user_changes') THEN
    CREATE TRIGGER apply_user_changes AFTER INSERT ON globalmart.user_changes
      REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION globalmart.apply_user_changes();
  END IF;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS t
                 WHERE t.tgrelid = 'globalmart.product_changes'::regclass AND t.tgname = 'apply_product_changes') THEN
    CREATE TRIGGER apply_product_changes AFTER INSERT ON globalmart.product_changes
      REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION globalmart.apply_product_changes();
  END IF;
END
$triggers$;

DO $owner$
DECLARE
  shop_table text;
BEGIN
  FOREACH shop_table IN ARRAY ARRAY['user_changes', 'product_changes', 'users', 'products', 'user_versions', 'product_versions'] LOOP
    -- ALTER TABLE would wait for writers, and later ones for it: not where there is nothing to alter.
    IF EXISTS (SELECT FROM pg_catalog.pg_class AS c
               WHERE c.oid = to_regclass('globalmart.' || shop_table) AND c.relowner <> 'globalmart_owner'::regrole) THEN
      EXECUTE format('ALTER TABLE globalmart.%I OWNER TO globalmart_owner', shop_table);
    END IF;
    EXECUTE format('GRANT SELECT ON globalmart.%I TO globalmart_reader', shop_table);
    IF shop_table IN ('user_changes', 'product_changes') THEN
      EXECUTE format('GRANT INSERT ON globalmart.%I TO globalmart_writer', shop_table);
    END IF;
  END LOOP;
  -- What real-time tables name by their ids; the history of changes is in the warehouse.
  GRANT SELECT ON globalmart.users, globalmart.products TO globalmart_analyst;
END
$owner$;
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (4, 'rollups/sales_by_country.sql', $shop_script$
-- Orders and revenue of each country, minute by minute.
SELECT globalmart.create_rollup('sales_by_country', $$
  SELECT window_start, window_end, country,
         count(*)                         AS total_transactions,
         sum(total_amount)::numeric(18,2) AS total_revenue,
         avg(total_amount)::numeric(18,2) AS avg_order_value
  FROM   globalmart.transactions, globalmart.tumble(event_time, interval '1 minute')
  GROUP  BY window_start, window_end, country
$$, lateness => interval '1 minute', if_not_exists => true);

COMMENT ON TABLE globalmart.sales_by_country IS 'Orders and revenue a minute and country';
COMMENT ON COLUMN globalmart.sales_by_country.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.sales_by_country.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.sales_by_country.country IS
  'Country of the order (key)';
COMMENT ON COLUMN globalmart.sales_by_country.total_transactions IS
  'Number of orders';
COMMENT ON COLUMN globalmart.sales_by_country.total_revenue IS
  'Sum of total_amount of the orders: what was charged, discounts taken off; money';
COMMENT ON COLUMN globalmart.sales_by_country.avg_order_value IS
  'total_revenue / total_transactions; money, rounded to the cent';
COMMENT ON COLUMN globalmart.sales_by_country.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (5, 'rollups/cart_metrics.sql', $shop_script$
-- Cart events of each country in five minutes, and the share of sessions that added and did not check out.
-- Inside: one row for each (country, user, session) of the window; outside: the countries.
-- The sessions are counted exactly, never by a sketch.
SELECT globalmart.create_rollup('cart_metrics', $$
  SELECT window_start, window_end, country,
         sum(events)::bigint    AS total_cart_events,
         sum(adds)::bigint      AS adds,
         sum(removes)::bigint   AS removes,
         sum(updates)::bigint   AS updates,
         sum(checkouts)::bigint AS checkouts,
         (sum(cart_values) / nullif(sum(values_known), 0))::numeric(18,2) AS avg_cart_value,
         max(max_cart_value)::numeric(18,2)                               AS max_cart_value,
         (100.0 * count(*) FILTER (WHERE adds > 0 AND checkouts = 0)
                / nullif(count(*) FILTER (WHERE adds > 0), 0))::double precision AS abandonment_rate_pct
  FROM  (SELECT window_start, window_end, country, user_id, session_id,
                count(*)                                                AS events,
                count(*) FILTER (WHERE event_type = 'add_to_cart')      AS adds,
                count(*) FILTER (WHERE event_type = 'remove_from_cart') AS removes,
                count(*) FILTER (WHERE event_type = 'update_quantity')  AS updates,
                count(*) FILTER (WHERE event_type = 'checkout')         AS checkouts,
                sum(cart_value)                                         AS cart_values,
                count(cart_value)                                       AS values_known,
                max(cart_value)                                         AS max_cart_value
         FROM   globalmart.cart_events, globalmart.tumble(event_time, interval '5 minutes')
         GROUP  BY window_start, window_end, country, user_id, session_id) AS sessions
  GROUP  BY window_start, window_end, country
$$, lateness => interval '1 minute', if_not_exists => true);

COMMENT ON TABLE globalmart.cart_metrics IS 'Cart events and abandonment rate of five minutes and a country';
COMMENT ON COLUMN globalmart.cart_metrics.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.cart_metrics.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.cart_metrics.country IS
  'Country of the event (key)';
COMMENT ON COLUMN globalmart.cart_metrics.total_cart_events IS
  'Number of cart events of any type, cart_abandonment included';
COMMENT ON COLUMN globalmart.cart_metrics.adds IS
  'Number of add_to_cart events';
COMMENT ON COLUMN globalmart.cart_metrics.removes IS
  'Number of remove_from_cart events';
COMMENT ON COLUMN globalmart.cart_metrics.updates IS
  'Number of update_quantity events';
COMMENT ON COLUMN globalmart.cart_metrics.checkouts IS
  'Number of checkout events';
COMMENT ON COLUMN globalmart.cart_metrics.avg_cart_value IS
  'Average value of the cart over the events that know it; money, rounded to the cent, NULL when none does';
COMMENT ON COLUMN globalmart.cart_metrics.max_cart_value IS
  'Greatest known value of a cart; money, NULL when no event told one';
COMMENT ON COLUMN globalmart.cart_metrics.abandonment_rate_pct IS
  'Percent: of the (user, session) pairs with an add in this window and country, those without a checkout in it; exact; NULL when there was no add';
COMMENT ON COLUMN globalmart.cart_metrics.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (6, 'rollups/inventory_by_country.sql', $shop_script$
-- Where each product sells, five minutes at a time.
SELECT globalmart.create_rollup('inventory_by_country', $$
  SELECT window_start, window_end, product_id, country,
         sum(quantity)                        AS units_sold,
         sum(quantity * price)::numeric(18,2) AS total_revenue
  FROM   globalmart.transaction_items, globalmart.tumble(event_time, interval '5 minutes')
  GROUP  BY window_start, window_end, product_id, country
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.inventory_by_country IS 'Units and revenue of five minutes, a product and a country';
COMMENT ON COLUMN globalmart.inventory_by_country.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.inventory_by_country.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.inventory_by_country.product_id IS
  'Product sold (key)';
COMMENT ON COLUMN globalmart.inventory_by_country.country IS
  'Country of the order (key)';
COMMENT ON COLUMN globalmart.inventory_by_country.units_sold IS
  'Units sold';
COMMENT ON COLUMN globalmart.inventory_by_country.total_revenue IS
  'Sum of quantity x price of the order lines, discounts not taken off; money';
COMMENT ON COLUMN globalmart.inventory_by_country.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (7, 'rollups/search_behavior.sql', $shop_script$
-- What was searched for three times or more in a country in five minutes, and how often nothing was found.
SELECT globalmart.create_rollup('search_behavior', $$
  SELECT window_start, window_end, search_query, country,
         count(*)                                   AS search_count,
         globalmart.approx_count_distinct(user_id)  AS unique_searchers,
         avg(results_count)::double precision       AS avg_results,
         count(*) FILTER (WHERE results_count = 0)  AS zero_result_count
  FROM   globalmart.product_view_events, globalmart.tumble(event_time, interval '5 minutes')
  WHERE  event_type = 'search' AND search_query IS NOT NULL
  GROUP  BY window_start, window_end, search_query, country
  HAVING count(*) >= 3
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.search_behavior IS 'Queries with 3 searches or more in five minutes and a country';
COMMENT ON COLUMN globalmart.search_behavior.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.search_behavior.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.search_behavior.search_query IS
  'Text searched for (key), compared byte for byte';
COMMENT ON COLUMN globalmart.search_behavior.country IS
  'Country of the search (key)';
COMMENT ON COLUMN globalmart.search_behavior.search_count IS
  'Number of search events; 3 or more';
COMMENT ON COLUMN globalmart.search_behavior.unique_searchers IS
  'Distinct users; approximate: exact below 1,000, relative error under 2 % from there';
COMMENT ON COLUMN globalmart.search_behavior.avg_results IS
  'Average number of results; NULL when no search tells it';
COMMENT ON COLUMN globalmart.search_behavior.zero_result_count IS
  'Number of searches that found nothing';
COMMENT ON COLUMN globalmart.search_behavior.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (8, 'rollups/sales_per_minute.sql', $shop_script$
-- Orders and revenue of the whole shop, minute by minute.
SELECT globalmart.create_rollup('sales_per_minute', $$
  SELECT window_start, window_end,
         count(*)                         AS total_transactions,
         sum(total_amount)::numeric(18,2) AS total_revenue,
         avg(total_amount)::numeric(18,2) AS avg_order_value
  FROM   globalmart.transactions, globalmart.tumble(event_time, interval '1 minute')
  GROUP  BY window_start, window_end
$$, lateness => interval '1 minute', if_not_exists => true);

COMMENT ON TABLE globalmart.sales_per_minute IS 'Orders and revenue a minute, all countries together';
COMMENT ON COLUMN globalmart.sales_per_minute.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.sales_per_minute.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.sales_per_minute.total_transactions IS
  'Number of orders';
COMMENT ON COLUMN globalmart.sales_per_minute.total_revenue IS
  'Sum of total_amount of the orders: what was charged, discounts taken off; money';
COMMENT ON COLUMN globalmart.sales_per_minute.avg_order_value IS
  'total_revenue / total_transactions; money, rounded to the cent';
COMMENT ON COLUMN globalmart.sales_per_minute.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (9, 'rollups/cart_sessions.sql', $shop_script$
-- What each cart session did in five minutes.
SELECT globalmart.create_rollup('cart_sessions', $$
  SELECT window_start, window_end, user_id, session_id,
         globalmart.first_by(country, event_time, event_id)          AS country,
         count(*) FILTER (WHERE event_type = 'add_to_cart')          AS add_count,
         count(*) FILTER (WHERE event_type = 'remove_from_cart')     AS remove_count,
         count(*) FILTER (WHERE event_type = 'update_quantity')      AS update_count,
         count(*) FILTER (WHERE event_type = 'checkout')             AS checkout_count,
         max(cart_value)::numeric(18,2)                              AS max_cart_value,
         max(event_time)                                             AS last_activity,
         count(*)                                                    AS total_events,
         count(*) FILTER (WHERE event_type = 'checkout') > 0         AS session_completed
  FROM   globalmart.cart_events, globalmart.tumble(event_time, interval '5 minutes')
  GROUP  BY window_start, window_end, user_id, session_id
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.cart_sessions IS 'Cart events of a session in five minutes; a session is a (user_id, session_id)';
COMMENT ON COLUMN globalmart.cart_sessions.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.cart_sessions.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.cart_sessions.user_id IS
  'User of the session (key)';
COMMENT ON COLUMN globalmart.cart_sessions.session_id IS
  'Session (key, with user_id)';
COMMENT ON COLUMN globalmart.cart_sessions.country IS
  'Country of the first event of the group, by event time, then event id';
COMMENT ON COLUMN globalmart.cart_sessions.add_count IS
  'Number of add_to_cart events';
COMMENT ON COLUMN globalmart.cart_sessions.remove_count IS
  'Number of remove_from_cart events';
COMMENT ON COLUMN globalmart.cart_sessions.update_count IS
  'Number of update_quantity events';
COMMENT ON COLUMN globalmart.cart_sessions.checkout_count IS
  'Number of checkout events';
COMMENT ON COLUMN globalmart.cart_sessions.max_cart_value IS
  'Greatest known value of the cart; money, NULL when no event told it';
COMMENT ON COLUMN globalmart.cart_sessions.last_activity IS
  'Event time of the last event in this window';
COMMENT ON COLUMN globalmart.cart_sessions.total_events IS
  'Number of cart events of any type, cart_abandonment included';
COMMENT ON COLUMN globalmart.cart_sessions.session_completed IS
  'Whether there was a checkout in this window';
COMMENT ON COLUMN globalmart.cart_sessions.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (10, 'rollups/abandoned_carts.sql', $shop_script$
-- Carts that were left with something in them. A cart is one session window of one (user, session);
-- every cart event prolongs it, and whoever comes back after the gap has a new cart.
-- Of the events that decide (an add, an abandonment, a checkout) the latest must not be the checkout;
-- a cart whose latest known value is 0 was emptied, not abandoned.
SELECT globalmart.create_rollup('abandoned_carts', $$
  SELECT window_start, window_end, user_id, session_id,
         globalmart.first_by(country, event_time, event_id)                  AS country,
         count(*) FILTER (WHERE event_type = 'add_to_cart')                  AS items_added,
         globalmart.last_by(cart_value, event_time, event_id)::numeric(18,2) AS abandoned_cart_value,
         max(event_time)                                                     AS last_activity,
         count(*)                                                            AS total_events,
         globalmart.processing_time()                                        AS abandonment_detected_at
  FROM   globalmart.cart_events, globalmart.session(event_time, interval '30 minutes')
  GROUP  BY window_start, window_end, user_id, session_id
  HAVING globalmart.last_by(event_type, event_time, event_id)
           FILTER (WHERE event_type IN ('add_to_cart', 'cart_abandonment', 'checkout')) <> 'checkout'
     AND globalmart.last_by(cart_value, event_time, event_id) IS DISTINCT FROM 0
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.abandoned_carts IS 'Carts without a later checkout, one row when 30 minutes passed without an event; emptied carts are left out';
COMMENT ON COLUMN globalmart.abandoned_carts.window_start IS
  'Event time of the first event of the session';
COMMENT ON COLUMN globalmart.abandoned_carts.window_end IS
  'Event time of the last event of the session plus the gap of 30 minutes';
COMMENT ON COLUMN globalmart.abandoned_carts.user_id IS
  'User of the session (key)';
COMMENT ON COLUMN globalmart.abandoned_carts.session_id IS
  'Session (key, with user_id)';
COMMENT ON COLUMN globalmart.abandoned_carts.country IS
  'Country of the first event of the group, by event time, then event id';
COMMENT ON COLUMN globalmart.abandoned_carts.items_added IS
  'Number of add_to_cart events in the cart (events, not units)';
COMMENT ON COLUMN globalmart.abandoned_carts.abandoned_cart_value IS
  'Latest known value of the cart; money, NULL when no event told it';
COMMENT ON COLUMN globalmart.abandoned_carts.last_activity IS
  'Event time of the last event of the cart';
COMMENT ON COLUMN globalmart.abandoned_carts.total_events IS
  'Number of cart events of any type';
COMMENT ON COLUMN globalmart.abandoned_carts.abandonment_detected_at IS
  'Clock of the close that appended the row; NULL in open rows';
COMMENT ON COLUMN globalmart.abandoned_carts.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (11, 'rollups/trending_products.sql', $shop_script$
-- Products that were viewed five times or more in ten minutes. Name, category and price are the latest seen.
SELECT globalmart.create_rollup('trending_products', $$
  SELECT window_start, window_end, product_id,
         globalmart.last_by(product_name, event_time, event_id)         AS product_name,
         globalmart.last_by(category, event_time, event_id)             AS category,
         count(*)                                                       AS view_count,
         globalmart.approx_count_distinct(user_id)                      AS unique_viewers,
         avg(view_duration)::double precision                           AS avg_view_duration,
         globalmart.last_by(price, event_time, event_id)::numeric(18,2) AS product_price,
         globalmart.processing_time()                                   AS analyzed_at
  FROM   globalmart.product_view_events, globalmart.tumble(event_time, interval '10 minutes')
  WHERE  event_type = 'view' AND product_id IS NOT NULL
  GROUP  BY window_start, window_end, product_id
  HAVING count(*) >= 5
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.trending_products IS 'Products with 5 views or more in ten minutes';
COMMENT ON COLUMN globalmart.trending_products.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.trending_products.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.trending_products.product_id IS
  'Product viewed (key)';
COMMENT ON COLUMN globalmart.trending_products.product_name IS
  'Latest known name, by event time, then event id';
COMMENT ON COLUMN globalmart.trending_products.category IS
  'Latest known category, by event time, then event id';
COMMENT ON COLUMN globalmart.trending_products.view_count IS
  'Number of view events; 5 or more';
COMMENT ON COLUMN globalmart.trending_products.unique_viewers IS
  'Distinct users; approximate: exact below 1,000, relative error under 2 % from there';
COMMENT ON COLUMN globalmart.trending_products.avg_view_duration IS
  'Average duration of a view, seconds; NULL when no view tells its duration';
COMMENT ON COLUMN globalmart.trending_products.product_price IS
  'Latest known price, by event time, then event id; money';
COMMENT ON COLUMN globalmart.trending_products.analyzed_at IS
  'Clock of the close that appended the row; NULL in open rows';
COMMENT ON COLUMN globalmart.trending_products.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (12, 'rollups/category_performance.sql', $shop_script$
-- Views of each category in each country, five minutes at a time.
SELECT globalmart.create_rollup('category_performance', $$
  SELECT window_start, window_end, category, country,
         count(*)                                     AS total_views,
         globalmart.approx_count_distinct(user_id)    AS unique_users,
         globalmart.approx_count_distinct(product_id) AS unique_products,
         avg(view_duration)::double precision         AS avg_view_duration,
         avg(price)::numeric(18,2)                    AS avg_product_price
  FROM   globalmart.product_view_events, globalmart.tumble(event_time, interval '5 minutes')
  WHERE  event_type = 'view' AND category IS NOT NULL
  GROUP  BY window_start, window_end, category, country
$$, lateness => interval '1 minute', if_not_exists => true);

COMMENT ON TABLE globalmart.category_performance IS 'Views of five minutes, a category and a country';
COMMENT ON COLUMN globalmart.category_performance.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.category_performance.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.category_performance.category IS
  'Category viewed (key), compared byte for byte';
COMMENT ON COLUMN globalmart.category_performance.country IS
  'Country of the view (key)';
COMMENT ON COLUMN globalmart.category_performance.total_views IS
  'Number of view events';
COMMENT ON COLUMN globalmart.category_performance.unique_users IS
  'Distinct users; approximate: exact below 1,000, relative error under 2 % from there';
COMMENT ON COLUMN globalmart.category_performance.unique_products IS
  'Distinct products; approximate: exact below 1,000, relative error under 2 % from there';
COMMENT ON COLUMN globalmart.category_performance.avg_view_duration IS
  'Average duration of a view, seconds; NULL when no view tells its duration';
COMMENT ON COLUMN globalmart.category_performance.avg_product_price IS
  'Average price over the views (not over the products); money, rounded to the cent';
COMMENT ON COLUMN globalmart.category_performance.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (13, 'rollups/browsing_sessions.sql', $shop_script$
-- What each browsing session did in five minutes.
SELECT globalmart.create_rollup('browsing_sessions', $$
  SELECT window_start, window_end, user_id, session_id,
         globalmart.first_by(country, event_time, event_id)    AS country,
         count(*) FILTER (WHERE event_type = 'view')           AS views,
         count(*) FILTER (WHERE event_type = 'search')         AS searches,
         count(*) FILTER (WHERE event_type = 'filter')         AS filters,
         count(*) FILTER (WHERE event_type = 'compare')        AS compares,
         globalmart.approx_count_distinct(product_id)
           FILTER (WHERE event_type = 'view')                  AS unique_products_viewed,
         (avg(view_duration) FILTER (WHERE event_type = 'view'))::double precision AS avg_view_duration,
         min(event_time)                                       AS first_activity,
         max(event_time)                                       AS last_activity,
         count(*)                                              AS total_events,
         extract(epoch FROM max(event_time) - min(event_time))::double precision AS session_duration_sec
  FROM   globalmart.product_view_events, globalmart.tumble(event_time, interval '5 minutes')
  GROUP  BY window_start, window_end, user_id, session_id
$$, lateness => interval '10 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.browsing_sessions IS 'Browsing events of a session in five minutes; a session is a (user_id, session_id)';
COMMENT ON COLUMN globalmart.browsing_sessions.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.browsing_sessions.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.browsing_sessions.user_id IS
  'User of the session (key)';
COMMENT ON COLUMN globalmart.browsing_sessions.session_id IS
  'Session (key, with user_id)';
COMMENT ON COLUMN globalmart.browsing_sessions.country IS
  'Country of the first event of the group, by event time, then event id';
COMMENT ON COLUMN globalmart.browsing_sessions.views IS
  'Number of view events';
COMMENT ON COLUMN globalmart.browsing_sessions.searches IS
  'Number of search events';
COMMENT ON COLUMN globalmart.browsing_sessions.filters IS
  'Number of filter events';
COMMENT ON COLUMN globalmart.browsing_sessions.compares IS
  'Number of compare events';
COMMENT ON COLUMN globalmart.browsing_sessions.unique_products_viewed IS
  'Distinct products of the view events; approximate: exact below 1,000, relative error under 2 % from there';
COMMENT ON COLUMN globalmart.browsing_sessions.avg_view_duration IS
  'Average duration of a view, seconds; NULL when there was none';
COMMENT ON COLUMN globalmart.browsing_sessions.first_activity IS
  'Event time of the first event in this window';
COMMENT ON COLUMN globalmart.browsing_sessions.last_activity IS
  'Event time of the last event in this window';
COMMENT ON COLUMN globalmart.browsing_sessions.total_events IS
  'Number of events of any type';
COMMENT ON COLUMN globalmart.browsing_sessions.session_duration_sec IS
  'last_activity - first_activity, seconds: what falls into this window';
COMMENT ON COLUMN globalmart.browsing_sessions.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (14, 'rollups/high_value_anomalies.sql', $shop_script$
-- Orders of more than 5,000, at once. The limits of severity: high from 7,500, critical from 10,000.
SELECT globalmart.create_detector('high_value_anomalies', $$
  SELECT transaction_id, user_id, event_time, total_amount, payment_method, country,
         'high_value' AS anomaly_type,
         'amount ' || total_amount::text || ' > 5000.00' AS anomaly_reason,
         CASE WHEN total_amount >= 10000.00 THEN 'critical'
              WHEN total_amount >= 7500.00  THEN 'high'
              ELSE 'medium' END AS severity,
         globalmart.processing_time() AS detected_at
  FROM   globalmart.transactions
  WHERE  total_amount > 5000.00
$$, if_not_exists => true);

COMMENT ON TABLE globalmart.high_value_anomalies IS 'Orders of more than 5,000, written in the transaction that stores the order; late orders too';
COMMENT ON COLUMN globalmart.high_value_anomalies.transaction_id IS
  'The order (primary key)';
COMMENT ON COLUMN globalmart.high_value_anomalies.user_id IS
  'User who ordered';
COMMENT ON COLUMN globalmart.high_value_anomalies.event_time IS
  'Event time of the order';
COMMENT ON COLUMN globalmart.high_value_anomalies.total_amount IS
  'What was charged, discount taken off; money';
COMMENT ON COLUMN globalmart.high_value_anomalies.payment_method IS
  'How it was paid';
COMMENT ON COLUMN globalmart.high_value_anomalies.country IS
  'Country of the order';
COMMENT ON COLUMN globalmart.high_value_anomalies.anomaly_type IS
  'Always high_value';
COMMENT ON COLUMN globalmart.high_value_anomalies.anomaly_reason IS
  'For people: the amount and the threshold in force';
COMMENT ON COLUMN globalmart.high_value_anomalies.severity IS
  'medium above 5,000, high from 7,500, critical from 10,000';
COMMENT ON COLUMN globalmart.high_value_anomalies.detected_at IS
  'Clock when the order was stored';
COMMENT ON COLUMN globalmart.high_value_anomalies.created_at IS
  'Clock when the row was appended';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (15, 'rollups/high_quantity_anomalies.sql', $shop_script$
-- Order lines of 50 units or more, at once. The limits of severity: high from 75, critical from 100.
SELECT globalmart.create_detector('high_quantity_anomalies', $$
  SELECT transaction_id, line_no, product_id, user_id, event_time,
         quantity::bigint AS quantity,
         total_amount, payment_method, country,
         'high_quantity' AS anomaly_type,
         'quantity ' || quantity::text || ' >= 50' AS anomaly_reason,
         CASE WHEN quantity >= 100 THEN 'critical'
              WHEN quantity >= 75  THEN 'high'
              ELSE 'medium' END AS severity,
         globalmart.processing_time() AS detected_at
  FROM   globalmart.transaction_items
  WHERE  quantity >= 50
$$, if_not_exists => true);

COMMENT ON TABLE globalmart.high_quantity_anomalies IS 'Order lines of 50 units or more, written in the transaction that stores the order; late orders too';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.transaction_id IS
  'The order (primary key, with line_no)';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.line_no IS
  'Number of the line in the order, from 1 (primary key, with transaction_id)';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.product_id IS
  'Product of the line';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.user_id IS
  'User who ordered';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.event_time IS
  'Event time of the order';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.quantity IS
  'Units on the line';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.total_amount IS
  'What was charged for the whole order, not for the line; money';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.payment_method IS
  'How it was paid';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.country IS
  'Country of the order';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.anomaly_type IS
  'Always high_quantity';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.anomaly_reason IS
  'For people: the quantity and the threshold in force';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.severity IS
  'medium from 50, high from 75, critical from 100';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.detected_at IS
  'Clock when the order was stored';
COMMENT ON COLUMN globalmart.high_quantity_anomalies.created_at IS
  'Clock when the row was appended';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (16, 'rollups/suspicious_patterns.sql', $shop_script$
-- Users who order often (three times or more) or spend much (more than 10,000) within five minutes.
-- Each threshold stands once, beside the sums that it is compared with.
SELECT globalmart.create_rollup('suspicious_patterns', $$
  SELECT window_start, window_end, user_id, country,
         transaction_count, total_spent, avg_transaction, max_transaction,
         first_transaction, last_transaction,
         CASE WHEN spending IS NULL  THEN 'high_frequency'
              WHEN frequency IS NULL THEN 'high_spending'
              ELSE 'frequency_and_spending' END AS anomaly_type,
         coalesce(frequency || '; ' || spending, frequency, spending) AS anomaly_reason,
         CASE WHEN frequency || spending IS NOT NULL THEN 'critical' ELSE 'high' END AS severity,
         globalmart.processing_time() AS detected_at
  FROM  (SELECT window_start, window_end, user_id, country,
                transaction_count, total_spent, avg_transaction, max_transaction,
                first_transaction, last_transaction,
                CASE WHEN transaction_count >= many
                     THEN 'transactions ' || transaction_count::text || ' >= ' || many::text END AS frequency,
                CASE WHEN total_spent > much
                     THEN 'spent ' || total_spent::text || ' > ' || much::text END AS spending
         FROM  (SELECT window_start, window_end, user_id,
                       globalmart.first_by(country, event_time, transaction_id) AS country,
                       count(*)                          AS transaction_count,
                       sum(total_amount)::numeric(18,2)  AS total_spent,
                       avg(total_amount)::numeric(18,2)  AS avg_transaction,
                       max(total_amount)::numeric(18,2)  AS max_transaction,
                       min(event_time)                   AS first_transaction,
                       max(event_time)                   AS last_transaction,
                       3                                 AS many,
                       10000.00                          AS much
                FROM   globalmart.transactions, globalmart.tumble(event_time, interval '5 minutes')
                GROUP  BY window_start, window_end, user_id) AS users) AS judged
  WHERE  frequency IS NOT NULL OR spending IS NOT NULL
$$, lateness => interval '1 minute', if_not_exists => true);

COMMENT ON TABLE globalmart.suspicious_patterns IS 'Users with 3 orders or more, or more than 10,000 spent, in five minutes';
COMMENT ON COLUMN globalmart.suspicious_patterns.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.suspicious_patterns.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.suspicious_patterns.user_id IS
  'User who ordered (key)';
COMMENT ON COLUMN globalmart.suspicious_patterns.country IS
  'Country of the first order of the group, by event time, then transaction id';
COMMENT ON COLUMN globalmart.suspicious_patterns.transaction_count IS
  'Number of orders';
COMMENT ON COLUMN globalmart.suspicious_patterns.total_spent IS
  'Sum of total_amount of the orders; money';
COMMENT ON COLUMN globalmart.suspicious_patterns.avg_transaction IS
  'total_spent / transaction_count; money, rounded to the cent';
COMMENT ON COLUMN globalmart.suspicious_patterns.max_transaction IS
  'Greatest total_amount; money';
COMMENT ON COLUMN globalmart.suspicious_patterns.first_transaction IS
  'Event time of the first order';
COMMENT ON COLUMN globalmart.suspicious_patterns.last_transaction IS
  'Event time of the last order';
COMMENT ON COLUMN globalmart.suspicious_patterns.anomaly_type IS
  'high_frequency (3 orders or more), high_spending (more than 10,000), or frequency_and_spending';
COMMENT ON COLUMN globalmart.suspicious_patterns.anomaly_reason IS
  'For people: the values and the thresholds in force';
COMMENT ON COLUMN globalmart.suspicious_patterns.severity IS
  'high; critical when both thresholds are passed';
COMMENT ON COLUMN globalmart.suspicious_patterns.detected_at IS
  'Clock of the close that appended the row; NULL in open rows';
COMMENT ON COLUMN globalmart.suspicious_patterns.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (17, 'rollups/anomaly_stats.sql', $shop_script$
-- How many anomalies a minute and country, over the tables of both detectors.
-- Follows the watermark of the transactions. The detectors also take late events, this rollup does not.
SELECT globalmart.create_rollup('anomaly_stats', $$
  SELECT window_start, window_end, country,
         count(*)                                                AS total_anomalies,
         count(*) FILTER (WHERE anomaly_type = 'high_value')     AS high_value_count,
         count(*) FILTER (WHERE anomaly_type = 'high_quantity')  AS high_quantity_count,
         count(*) FILTER (WHERE severity = 'critical')           AS critical_count,
         count(*) FILTER (WHERE severity = 'high')               AS high_severity_count,
         count(*) FILTER (WHERE severity = 'medium')             AS medium_severity_count
  FROM  (SELECT event_time, country, severity, anomaly_type FROM globalmart.high_value_anomalies
         UNION ALL
         SELECT event_time, country, severity, anomaly_type FROM globalmart.high_quantity_anomalies) AS anomalies,
         globalmart.tumble(event_time, interval '1 minute')
  GROUP  BY window_start, window_end, country
$$, lateness => interval '1 minute', if_not_exists => true);

COMMENT ON TABLE globalmart.anomaly_stats IS 'Anomalies of the two detectors a minute and country; late ones are left out, so the detectors may hold more';
COMMENT ON COLUMN globalmart.anomaly_stats.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.anomaly_stats.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.anomaly_stats.country IS
  'Country of the order (key)';
COMMENT ON COLUMN globalmart.anomaly_stats.total_anomalies IS
  'Number of anomalies: an order of high value counts once, each line of high quantity once';
COMMENT ON COLUMN globalmart.anomaly_stats.high_value_count IS
  'Number of rows of high_value_anomalies';
COMMENT ON COLUMN globalmart.anomaly_stats.high_quantity_count IS
  'Number of rows of high_quantity_anomalies';
COMMENT ON COLUMN globalmart.anomaly_stats.critical_count IS
  'Number of anomalies of severity critical';
COMMENT ON COLUMN globalmart.anomaly_stats.high_severity_count IS
  'Number of anomalies of severity high';
COMMENT ON COLUMN globalmart.anomaly_stats.medium_severity_count IS
  'Number of anomalies of severity medium';
COMMENT ON COLUMN globalmart.anomaly_stats.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (18, 'rollups/product_sales_velocity.sql', $shop_script$
-- How fast each product sells, five minutes at a time.
SELECT globalmart.create_rollup('product_sales_velocity', $$
  SELECT window_start, window_end, product_id,
         sum(quantity)                                                  AS units_sold,
         sum(quantity * price)::numeric(18,2)                           AS total_revenue,
         (sum(quantity * price) / nullif(sum(quantity), 0))::numeric(18,2) AS avg_price
  FROM   globalmart.transaction_items, globalmart.tumble(event_time, interval '5 minutes')
  GROUP  BY window_start, window_end, product_id
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.product_sales_velocity IS 'Units and revenue of five minutes and a product';
COMMENT ON COLUMN globalmart.product_sales_velocity.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.product_sales_velocity.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.product_sales_velocity.product_id IS
  'Product sold (key)';
COMMENT ON COLUMN globalmart.product_sales_velocity.units_sold IS
  'Units sold';
COMMENT ON COLUMN globalmart.product_sales_velocity.total_revenue IS
  'Sum of quantity x price of the order lines, discounts not taken off; money';
COMMENT ON COLUMN globalmart.product_sales_velocity.avg_price IS
  'total_revenue / units_sold; money, rounded to the cent';
COMMENT ON COLUMN globalmart.product_sales_velocity.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (19, 'rollups/high_demand_alerts.sql', $shop_script$
-- Products of which 20 units or more were sold in ten minutes: high from 30, critical from 50.
SELECT globalmart.create_rollup('high_demand_alerts', $$
  SELECT window_start, window_end, product_id,
         sum(quantity)                        AS units_sold,
         sum(quantity * price)::numeric(18,2) AS total_revenue,
         CASE WHEN sum(quantity) >= 50 THEN 'critical'
              WHEN sum(quantity) >= 30 THEN 'high'
              ELSE 'medium' END               AS demand_level,
         globalmart.processing_time()         AS alert_generated_at
  FROM   globalmart.transaction_items, globalmart.tumble(event_time, interval '10 minutes')
  GROUP  BY window_start, window_end, product_id
  HAVING sum(quantity) >= 20
$$, lateness => interval '10 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.high_demand_alerts IS 'Products with 20 units or more sold in ten minutes';
COMMENT ON COLUMN globalmart.high_demand_alerts.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.high_demand_alerts.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.high_demand_alerts.product_id IS
  'Product sold (key)';
COMMENT ON COLUMN globalmart.high_demand_alerts.units_sold IS
  'Units sold; 20 or more';
COMMENT ON COLUMN globalmart.high_demand_alerts.total_revenue IS
  'Sum of quantity x price of the order lines, discounts not taken off; money';
COMMENT ON COLUMN globalmart.high_demand_alerts.demand_level IS
  'medium from 20 units, high from 30, critical from 50';
COMMENT ON COLUMN globalmart.high_demand_alerts.alert_generated_at IS
  'Clock of the close that appended the row; NULL in open rows';
COMMENT ON COLUMN globalmart.high_demand_alerts.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (20, 'rollups/restock_alerts.sql', $shop_script$
-- Products that a country sells at one unit a minute or more over five minutes: medium from 2, high from 3.
-- The rate is compared exactly, as units >= rate x minutes; the minutes are those of the window, whatever its width.
SELECT globalmart.create_rollup('restock_alerts', $$
  SELECT window_start, window_end, product_id, country, units_sold,
         (units_sold / minutes)::double precision AS sales_rate_per_min,
         CASE WHEN units_sold >= 3 * minutes THEN 'high'
              WHEN units_sold >= 2 * minutes THEN 'medium'
              ELSE 'low' END                      AS urgency,
         globalmart.processing_time()             AS alert_generated_at
  FROM  (SELECT window_start, window_end, product_id, country,
                extract(epoch FROM window_end - window_start) / 60 AS minutes,
                sum(quantity)                                      AS units_sold
         FROM   globalmart.transaction_items, globalmart.tumble(event_time, interval '5 minutes')
         GROUP  BY window_start, window_end, product_id, country) AS sales
  WHERE  units_sold >= 1 * minutes
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.restock_alerts IS 'Products that sell at 1 unit a minute or more over five minutes in a country';
COMMENT ON COLUMN globalmart.restock_alerts.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.restock_alerts.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.restock_alerts.product_id IS
  'Product sold (key)';
COMMENT ON COLUMN globalmart.restock_alerts.country IS
  'Country of the order (key)';
COMMENT ON COLUMN globalmart.restock_alerts.units_sold IS
  'Units sold';
COMMENT ON COLUMN globalmart.restock_alerts.sales_rate_per_min IS
  'units_sold / minutes of the window; units a minute, 1 or more';
COMMENT ON COLUMN globalmart.restock_alerts.urgency IS
  'low from 1 unit a minute, medium from 2, high from 3';
COMMENT ON COLUMN globalmart.restock_alerts.alert_generated_at IS
  'Clock of the close that appended the row; NULL in open rows';
COMMENT ON COLUMN globalmart.restock_alerts.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (21, 'rollups/inventory_metrics.sql', $shop_script$
-- What each country sold, minute by minute, and how many lines moved ten units or more.
SELECT globalmart.create_rollup('inventory_metrics', $$
  SELECT window_start, window_end, country,
         sum(quantity)                                AS total_units_sold,
         globalmart.approx_count_distinct(product_id) AS unique_products_sold,
         sum(quantity * price)::numeric(18,2)         AS total_revenue,
         count(*) FILTER (WHERE quantity >= 10)       AS fast_moving_products
  FROM   globalmart.transaction_items, globalmart.tumble(event_time, interval '1 minute')
  GROUP  BY window_start, window_end, country
$$, lateness => interval '1 minute', if_not_exists => true);

COMMENT ON TABLE globalmart.inventory_metrics IS 'Units, products and revenue a minute and country';
COMMENT ON COLUMN globalmart.inventory_metrics.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.inventory_metrics.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.inventory_metrics.country IS
  'Country of the order (key)';
COMMENT ON COLUMN globalmart.inventory_metrics.total_units_sold IS
  'Units sold';
COMMENT ON COLUMN globalmart.inventory_metrics.unique_products_sold IS
  'Distinct products; approximate: exact below 1,000, relative error under 2 % from there';
COMMENT ON COLUMN globalmart.inventory_metrics.total_revenue IS
  'Sum of quantity x price of the order lines, discounts not taken off; money';
COMMENT ON COLUMN globalmart.inventory_metrics.fast_moving_products IS
  'Number of order lines of 10 units or more (lines, not distinct products)';
COMMENT ON COLUMN globalmart.inventory_metrics.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (22, 'rollups/revenue_15m.sql', $shop_script$
-- Orders, revenue and customers of the whole shop, a quarter of an hour at a time.
SELECT globalmart.create_rollup('revenue_15m', $$
  SELECT window_start, window_end,
         count(*)                                  AS transactions,
         sum(total_amount)::numeric(18,2)          AS revenue,
         avg(total_amount)::numeric(18,2)          AS avg_order_value,
         max(total_amount)::numeric(18,2)          AS max_order_value,
         globalmart.approx_count_distinct(user_id) AS unique_customers
  FROM   globalmart.transactions, globalmart.tumble(event_time, interval '15 minutes')
  GROUP  BY window_start, window_end
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.revenue_15m IS 'Orders, revenue and customers of fifteen minutes';
COMMENT ON COLUMN globalmart.revenue_15m.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.revenue_15m.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.revenue_15m.transactions IS
  'Number of orders';
COMMENT ON COLUMN globalmart.revenue_15m.revenue IS
  'Sum of total_amount of the orders: what was charged, discounts taken off; money';
COMMENT ON COLUMN globalmart.revenue_15m.avg_order_value IS
  'revenue / transactions; money, rounded to the cent';
COMMENT ON COLUMN globalmart.revenue_15m.max_order_value IS
  'Greatest total_amount; money';
COMMENT ON COLUMN globalmart.revenue_15m.unique_customers IS
  'Distinct users; approximate: exact below 1,000, relative error under 2 % from there';
COMMENT ON COLUMN globalmart.revenue_15m.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (23, 'rollups/payment_mix_15m.sql', $shop_script$
-- How people pay, a quarter of an hour at a time. View payment_mix_15m_share adds the shares of the window.
SELECT globalmart.create_rollup('payment_mix_15m', $$
  SELECT window_start, window_end, payment_method,
         count(*)                         AS transactions,
         sum(total_amount)::numeric(18,2) AS revenue
  FROM   globalmart.transactions, globalmart.tumble(event_time, interval '15 minutes')
  GROUP  BY window_start, window_end, payment_method
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.payment_mix_15m IS 'Orders and revenue of fifteen minutes and a payment method';
COMMENT ON COLUMN globalmart.payment_mix_15m.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.payment_mix_15m.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.payment_mix_15m.payment_method IS
  'How it was paid (key)';
COMMENT ON COLUMN globalmart.payment_mix_15m.transactions IS
  'Number of orders';
COMMENT ON COLUMN globalmart.payment_mix_15m.revenue IS
  'Sum of total_amount of the orders: what was charged, discounts taken off; money';
COMMENT ON COLUMN globalmart.payment_mix_15m.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (24, 'rollups/popular_products_15m.sql', $shop_script$
-- What sells, a quarter of an hour at a time. Orders are counted exactly: a product may stand on several lines of one.
SELECT globalmart.create_rollup('popular_products_15m', $$
  SELECT window_start, window_end, product_id,
         count(DISTINCT transaction_id)       AS orders,
         sum(quantity)                        AS units_sold,
         sum(quantity * price)::numeric(18,2) AS total_revenue
  FROM   globalmart.transaction_items, globalmart.tumble(event_time, interval '15 minutes')
  GROUP  BY window_start, window_end, product_id
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.popular_products_15m IS 'Orders, units and revenue of fifteen minutes and a product';
COMMENT ON COLUMN globalmart.popular_products_15m.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.popular_products_15m.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.popular_products_15m.product_id IS
  'Product sold (key)';
COMMENT ON COLUMN globalmart.popular_products_15m.orders IS
  'Distinct orders with this product, exact';
COMMENT ON COLUMN globalmart.popular_products_15m.units_sold IS
  'Units sold';
COMMENT ON COLUMN globalmart.popular_products_15m.total_revenue IS
  'Sum of quantity x price of the order lines, discounts not taken off; money';
COMMENT ON COLUMN globalmart.popular_products_15m.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (25, 'rollups/activity_15m.sql', $shop_script$
-- Who browses, country by country, a quarter of an hour at a time.
-- A session is a (user, session id); an id is always 36 characters as text, so the two joined stay distinct.
SELECT globalmart.create_rollup('activity_15m', $$
  SELECT window_start, window_end, country,
         count(*) FILTER (WHERE event_type = 'view')                        AS views,
         count(*) FILTER (WHERE event_type = 'search')                      AS searches,
         count(*) FILTER (WHERE event_type = 'filter')                      AS filters,
         count(*) FILTER (WHERE event_type = 'compare')                     AS compares,
         globalmart.approx_count_distinct(user_id)                          AS unique_users,
         globalmart.approx_count_distinct(user_id || session_id::text)      AS unique_sessions
  FROM   globalmart.product_view_events, globalmart.tumble(event_time, interval '15 minutes')
  GROUP  BY window_start, window_end, country
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.activity_15m IS 'Browsing events, users and sessions of fifteen minutes and a country';
COMMENT ON COLUMN globalmart.activity_15m.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.activity_15m.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.activity_15m.country IS
  'Country of the event (key)';
COMMENT ON COLUMN globalmart.activity_15m.views IS
  'Number of view events';
COMMENT ON COLUMN globalmart.activity_15m.searches IS
  'Number of search events';
COMMENT ON COLUMN globalmart.activity_15m.filters IS
  'Number of filter events';
COMMENT ON COLUMN globalmart.activity_15m.compares IS
  'Number of compare events';
COMMENT ON COLUMN globalmart.activity_15m.unique_users IS
  'Distinct users; approximate: exact below 1,000, relative error under 2 % from there';
COMMENT ON COLUMN globalmart.activity_15m.unique_sessions IS
  'Distinct sessions, each a (user_id, session_id); approximate: exact below 1,000, relative error under 2 % from there';
COMMENT ON COLUMN globalmart.activity_15m.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (26, 'rollups/search_patterns_15m.sql', $shop_script$
-- What people search for, a quarter of an hour at a time, and how often nothing was found.
SELECT globalmart.create_rollup('search_patterns_15m', $$
  SELECT window_start, window_end, search_query,
         count(*)                                   AS searches,
         globalmart.approx_count_distinct(user_id)  AS unique_searchers,
         count(*) FILTER (WHERE results_count = 0)  AS zero_result_searches
  FROM   globalmart.product_view_events, globalmart.tumble(event_time, interval '15 minutes')
  WHERE  event_type = 'search' AND search_query IS NOT NULL
  GROUP  BY window_start, window_end, search_query
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.search_patterns_15m IS 'Searches of fifteen minutes and a query';
COMMENT ON COLUMN globalmart.search_patterns_15m.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.search_patterns_15m.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.search_patterns_15m.search_query IS
  'Text searched for (key), compared byte for byte';
COMMENT ON COLUMN globalmart.search_patterns_15m.searches IS
  'Number of search events';
COMMENT ON COLUMN globalmart.search_patterns_15m.unique_searchers IS
  'Distinct users; approximate: exact below 1,000, relative error under 2 % from there';
COMMENT ON COLUMN globalmart.search_patterns_15m.zero_result_searches IS
  'Number of searches that found nothing';
COMMENT ON COLUMN globalmart.search_patterns_15m.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (27, 'rollups/cart_abandonment_15m.sql', $shop_script$
-- The share of sessions that added to a cart and did not check out, a quarter of an hour at a time.
-- Inside: one row for each (user, session) of the window; outside: the shop. Exact, never a sketch.
SELECT globalmart.create_rollup('cart_abandonment_15m', $$
  SELECT window_start, window_end,
         count(*) FILTER (WHERE adds > 0)                   AS sessions_with_add,
         count(*) FILTER (WHERE adds > 0 AND checkouts = 0) AS sessions_without_checkout,
         (100.0 * count(*) FILTER (WHERE adds > 0 AND checkouts = 0)
                / nullif(count(*) FILTER (WHERE adds > 0), 0))::double precision AS abandonment_rate_pct
  FROM  (SELECT window_start, window_end, user_id, session_id,
                count(*) FILTER (WHERE event_type = 'add_to_cart') AS adds,
                count(*) FILTER (WHERE event_type = 'checkout')    AS checkouts
         FROM   globalmart.cart_events, globalmart.tumble(event_time, interval '15 minutes')
         GROUP  BY window_start, window_end, user_id, session_id) AS sessions
  GROUP  BY window_start, window_end
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.cart_abandonment_15m IS 'Sessions that added to a cart and did not check out, in fifteen minutes';
COMMENT ON COLUMN globalmart.cart_abandonment_15m.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.cart_abandonment_15m.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.cart_abandonment_15m.sessions_with_add IS
  '(user, session) pairs with an add_to_cart event in this window; exact';
COMMENT ON COLUMN globalmart.cart_abandonment_15m.sessions_without_checkout IS
  'Those of them without a checkout event in this window; exact';
COMMENT ON COLUMN globalmart.cart_abandonment_15m.abandonment_rate_pct IS
  'Percent: 100 x sessions_without_checkout / sessions_with_add; NULL when no session added';
COMMENT ON COLUMN globalmart.cart_abandonment_15m.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (28, 'rollups/stock_levels_15m.sql', $shop_script$
-- How the stock of each product in each country moved, a quarter of an hour at a time. View stock_levels has the current ones.
SELECT globalmart.create_rollup('stock_levels_15m', $$
  SELECT window_start, window_end, product_id, country,
         count(*)                                                      AS updates,
         min(stock_level)::bigint                                      AS min_stock_level,
         globalmart.last_by(stock_level, event_time, event_id)::bigint AS last_stock_level
  FROM   globalmart.inventory_events, globalmart.tumble(event_time, interval '15 minutes')
  WHERE  event_type = 'stock_update' AND country IS NOT NULL
  GROUP  BY window_start, window_end, product_id, country
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.stock_levels_15m IS 'Stock updates of fifteen minutes, a product and a country';
COMMENT ON COLUMN globalmart.stock_levels_15m.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.stock_levels_15m.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.stock_levels_15m.product_id IS
  'Product in stock (key)';
COMMENT ON COLUMN globalmart.stock_levels_15m.country IS
  'Country of the stock (key)';
COMMENT ON COLUMN globalmart.stock_levels_15m.updates IS
  'Number of stock_update events';
COMMENT ON COLUMN globalmart.stock_levels_15m.min_stock_level IS
  'Least stock told in this window, units';
COMMENT ON COLUMN globalmart.stock_levels_15m.last_stock_level IS
  'Latest stock told in this window, units, by event time, then event id';
COMMENT ON COLUMN globalmart.stock_levels_15m.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (29, 'rollups/price_changes_15m.sql', $shop_script$
-- How prices moved, a quarter of an hour at a time. Function price_change_impact compares the sales before and after.
SELECT globalmart.create_rollup('price_changes_15m', $$
  SELECT window_start, window_end, product_id,
         count(*)                                                            AS changes,
         globalmart.first_by(old_price, event_time, event_id)::numeric(18,2) AS first_old_price,
         globalmart.last_by(new_price, event_time, event_id)::numeric(18,2)  AS last_new_price
  FROM   globalmart.inventory_events, globalmart.tumble(event_time, interval '15 minutes')
  WHERE  event_type = 'price_change'
  GROUP  BY window_start, window_end, product_id
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.price_changes_15m IS 'Price changes of fifteen minutes and a product';
COMMENT ON COLUMN globalmart.price_changes_15m.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.price_changes_15m.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.price_changes_15m.product_id IS
  'Product whose price changed (key)';
COMMENT ON COLUMN globalmart.price_changes_15m.changes IS
  'Number of price_change events';
COMMENT ON COLUMN globalmart.price_changes_15m.first_old_price IS
  'Price before the first change of the window, by event time, then event id; money';
COMMENT ON COLUMN globalmart.price_changes_15m.last_new_price IS
  'Price after the last change of the window, by event time, then event id; money';
COMMENT ON COLUMN globalmart.price_changes_15m.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (30, 'rollups/user_sessions.sql', $shop_script$
-- Visits: runs of browsing events of a user that are at most 30 minutes apart, whatever session ids they carry.
SELECT globalmart.create_rollup('user_sessions', $$
  SELECT window_start, window_end, user_id,
         min(event_time)                                       AS session_start,
         max(event_time)                                       AS session_end,
         count(*)                                              AS events,
         count(*) FILTER (WHERE event_type = 'view')           AS views,
         count(*) FILTER (WHERE event_type = 'search')         AS searches,
         globalmart.approx_count_distinct(product_id)
           FILTER (WHERE event_type = 'view')                  AS unique_products_viewed,
         extract(epoch FROM max(event_time) - min(event_time))::double precision AS session_duration_sec
  FROM   globalmart.product_view_events, globalmart.session(event_time, interval '30 minutes')
  GROUP  BY window_start, window_end, user_id
$$, lateness => interval '5 minutes', if_not_exists => true);

COMMENT ON TABLE globalmart.user_sessions IS 'Visits of a user: browsing events at most 30 minutes apart, one row when 30 minutes passed without an event';
COMMENT ON COLUMN globalmart.user_sessions.window_start IS
  'Event time of the first event of the session';
COMMENT ON COLUMN globalmart.user_sessions.window_end IS
  'Event time of the last event of the session plus the gap of 30 minutes';
COMMENT ON COLUMN globalmart.user_sessions.user_id IS
  'User who browsed (key)';
COMMENT ON COLUMN globalmart.user_sessions.session_start IS
  'Event time of the first event';
COMMENT ON COLUMN globalmart.user_sessions.session_end IS
  'Event time of the last event (window_end is the gap later)';
COMMENT ON COLUMN globalmart.user_sessions.events IS
  'Number of events of any type';
COMMENT ON COLUMN globalmart.user_sessions.views IS
  'Number of view events';
COMMENT ON COLUMN globalmart.user_sessions.searches IS
  'Number of search events';
COMMENT ON COLUMN globalmart.user_sessions.unique_products_viewed IS
  'Distinct products of the view events; approximate: exact below 1,000, relative error under 2 % from there';
COMMENT ON COLUMN globalmart.user_sessions.session_duration_sec IS
  'session_end - session_start, seconds';
COMMENT ON COLUMN globalmart.user_sessions.created_at IS
  'Clock of the close that appended the row, one value for all rows of a close; NULL in open rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (31, 'live_comments.sql', $shop_script$
-- The columns of the _live views say what those of the tables say, which were told after the views were made.
SELECT globalmart.copy_column_comments(format('globalmart.%I', c.name)::regclass, format('globalmart.%I', c.name || '_live')::regclass)
FROM globalmart.rollup_catalog AS c WHERE c.kind = 'rollup';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (32, 'views.sql', $shop_script$
-- Views and a function over the shop's tables.

CREATE OR REPLACE VIEW globalmart.recent_critical_anomalies AS
SELECT source, transaction_id, user_id, product_id, country, event_time,
       severity, anomaly_type, anomaly_reason, detected_at
FROM  (SELECT 'high_value_anomalies' AS source, transaction_id, NULL::integer AS line_no, user_id,
              NULL::text AS product_id, country, event_time,
              severity, anomaly_type, anomaly_reason, detected_at
       FROM   globalmart.high_value_anomalies
       UNION ALL
       SELECT 'high_quantity_anomalies', transaction_id, line_no, user_id,
              product_id, country, event_time,
              severity, anomaly_type, anomaly_reason, detected_at
       FROM   globalmart.high_quantity_anomalies
       UNION ALL
       SELECT 'suspicious_patterns', NULL::uuid, NULL::integer, user_id,
              NULL::text, country, last_transaction,
              severity, anomaly_type, anomaly_reason, detected_at
       FROM   globalmart.suspicious_patterns) AS anomalies
WHERE  severity = 'critical'
ORDER  BY event_time DESC, detected_at, transaction_id, line_no NULLS FIRST, user_id;
COMMENT ON VIEW globalmart.recent_critical_anomalies IS
  'The critical rows of high_value_anomalies, high_quantity_anomalies and suspicious_patterns, latest event time first';
COMMENT ON COLUMN globalmart.recent_critical_anomalies.source IS
  'The table that the row is from';
COMMENT ON COLUMN globalmart.recent_critical_anomalies.transaction_id IS
  'The order; NULL for suspicious_patterns';
COMMENT ON COLUMN globalmart.recent_critical_anomalies.user_id IS
  'User who ordered';
COMMENT ON COLUMN globalmart.recent_critical_anomalies.product_id IS
  'Product of the line; only for high_quantity_anomalies';
COMMENT ON COLUMN globalmart.recent_critical_anomalies.country IS
  'Country of the order; of the first one for suspicious_patterns';
COMMENT ON COLUMN globalmart.recent_critical_anomalies.event_time IS
  'Event time of the order; of the last one for suspicious_patterns';
COMMENT ON COLUMN globalmart.recent_critical_anomalies.severity IS
  'Always critical';
COMMENT ON COLUMN globalmart.recent_critical_anomalies.anomaly_type IS
  'high_value, high_quantity or frequency_and_spending';
COMMENT ON COLUMN globalmart.recent_critical_anomalies.anomaly_reason IS
  'For people: the values and the thresholds in force';
COMMENT ON COLUMN globalmart.recent_critical_anomalies.detected_at IS
  'Clock when the anomaly was found';

CREATE OR REPLACE VIEW globalmart.payment_mix_15m_share AS
SELECT window_start, window_end, payment_method, transactions, revenue,
       (100.0 * transactions / nullif(sum(transactions) OVER of_window, 0))::double precision
         AS transaction_share_pct,
       (100.0 * revenue / nullif(sum(revenue) OVER of_window, 0))::double precision
         AS revenue_share_pct,
       created_at
FROM   globalmart.payment_mix_15m
WINDOW of_window AS (PARTITION BY window_start, window_end);
COMMENT ON VIEW globalmart.payment_mix_15m_share IS
  'payment_mix_15m with the share of each payment method in its window';
COMMENT ON COLUMN globalmart.payment_mix_15m_share.window_start IS
  'Start of the window (inclusive), UTC-aligned event time';
COMMENT ON COLUMN globalmart.payment_mix_15m_share.window_end IS
  'End of the window (exclusive)';
COMMENT ON COLUMN globalmart.payment_mix_15m_share.payment_method IS
  'How it was paid (key)';
COMMENT ON COLUMN globalmart.payment_mix_15m_share.transactions IS
  'Number of orders';
COMMENT ON COLUMN globalmart.payment_mix_15m_share.revenue IS
  'Sum of total_amount of the orders; money';
COMMENT ON COLUMN globalmart.payment_mix_15m_share.transaction_share_pct IS
  'Percent of the orders of the window';
COMMENT ON COLUMN globalmart.payment_mix_15m_share.revenue_share_pct IS
  'Percent of the revenue of the window; NULL when the window has none';
COMMENT ON COLUMN globalmart.payment_mix_15m_share.created_at IS
  'Clock of the close that appended the row';

-- The stream has the exact latest update, late ones included, for as long as its rows are kept; from
-- then on the closed windows have it. A row of the stream is never before the start of its window.
CREATE OR REPLACE VIEW globalmart.stock_levels AS
SELECT DISTINCT ON (product_id, country)
       product_id, country, stock_level, updated_at
FROM  (SELECT product_id, country, stock_level::bigint AS stock_level, event_time AS updated_at, event_id
       FROM   globalmart.inventory_events
       WHERE  event_type = 'stock_update' AND country IS NOT NULL AND stock_level IS NOT NULL
       UNION ALL
       SELECT product_id, country, last_stock_level, window_start, NULL::uuid
       FROM   globalmart.stock_levels_15m
       WHERE  last_stock_level IS NOT NULL) AS told
ORDER  BY product_id, country, updated_at DESC, event_id DESC NULLS LAST;
COMMENT ON VIEW globalmart.stock_levels IS
  'The latest stock of each product in each country, by event time, then event id; up to the last committed event';
COMMENT ON COLUMN globalmart.stock_levels.product_id IS
  'Product in stock (key)';
COMMENT ON COLUMN globalmart.stock_levels.country IS
  'Country of the stock (key)';
COMMENT ON COLUMN globalmart.stock_levels.stock_level IS
  'Units in stock';
COMMENT ON COLUMN globalmart.stock_levels.updated_at IS
  'Event time of that update; once the stream no longer keeps its row, the start of its fifteen minutes';

CREATE OR REPLACE FUNCTION globalmart.price_change_impact(span interval DEFAULT '1 hour')
RETURNS TABLE (product_id text, changed_at timestamptz,
               old_price numeric, new_price numeric, change_pct double precision,
               units_before bigint, units_after bigint,
               revenue_before numeric, revenue_after numeric)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  WITH price_changes AS (
    -- an event that came twice is read once
    SELECT DISTINCT ON (change.event_time, change.event_id)
           change.event_time, change.event_id, change.product_id, change.old_price, change.new_price
    FROM   globalmart.inventory_events AS change
    WHERE  change.event_type = 'price_change'
    ORDER  BY change.event_time, change.event_id,
              change.received_at, change.kafka_partition, change.kafka_offset
  ), order_lines AS (
    SELECT DISTINCT ON (line.event_time, line.transaction_id, line.line_no)
           line.event_time, line.product_id, line.quantity, line.quantity * line.price AS revenue
    FROM   globalmart.transaction_items AS line
    WHERE  line.product_id IN (SELECT price_changes.product_id FROM price_changes)
    ORDER  BY line.event_time, line.transaction_id, line.line_no,
              line.received_at, line.kafka_partition, line.kafka_offset
  )
  SELECT change.product_id, change.event_time, change.old_price, change.new_price,
         (100 * (change.new_price - change.old_price) / nullif(change.old_price, 0))::double precision,
         coalesce(sum(line.quantity) FILTER (WHERE line.event_time < change.event_time), 0),
         coalesce(sum(line.quantity) FILTER (WHERE line.event_time >= change.event_time), 0),
         coalesce(sum(line.revenue) FILTER (WHERE line.event_time < change.event_time), 0)::numeric(18,2),
         coalesce(sum(line.revenue) FILTER (WHERE line.event_time >= change.event_time), 0)::numeric(18,2)
  FROM   price_changes AS change
         LEFT JOIN order_lines AS line
           ON  line.product_id = change.product_id
           AND line.event_time >= change.event_time - span
           AND line.event_time <  change.event_time + span
  GROUP  BY change.event_time, change.event_id, change.product_id, change.old_price, change.new_price
  ORDER  BY change.event_time, change.event_id;
END;
COMMENT ON FUNCTION globalmart.price_change_impact(interval) IS
  'Units and revenue (quantity x price) of each product in the span before a price change [changed_at - span, changed_at) and after it [changed_at, changed_at + span); change_pct in percent, NULL when the old price was 0. Reads the stream tables, so it reaches back as far as their rows are kept';

GRANT SELECT ON globalmart.recent_critical_anomalies, globalmart.payment_mix_15m_share,
                globalmart.stock_levels TO globalmart_reader, globalmart_analyst;
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (33, 'alerts.sql', $shop_script$
-- What is sent to the alerts topic and to NOTIFY; unpublish_alerts(name) takes one off for good. Where the trigger is
-- there it stays: writers would wait for another.
SELECT globalmart.publish_alerts(c.name)
FROM globalmart.rollup_catalog AS c
WHERE c.name IN ('high_value_anomalies', 'high_quantity_anomalies', 'suspicious_patterns', 'high_demand_alerts', 'restock_alerts')
  AND NOT EXISTS (SELECT FROM globalmart.alert_sources AS s WHERE s.rollup = c.name AND NOT s.published)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS t
                  WHERE t.tgrelid = to_regclass('globalmart.' || c.name) AND t.tgname = 'append_alerts');
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (34, 'warehouse/dates.sql', $shop_script$
-- The calendar: whole years without a gap, ten around today, and as far as facts need it.
CREATE TABLE IF NOT EXISTS warehouse.dim_date (
  date_key      int PRIMARY KEY,
  full_date     date NOT NULL UNIQUE,
  year          int NOT NULL,
  quarter       int NOT NULL,
  year_quarter  text NOT NULL,
  month         int NOT NULL,
  month_name    text NOT NULL,
  year_month    text NOT NULL,
  day_of_month  int NOT NULL,
  day_of_year   int NOT NULL,
  iso_year      int NOT NULL,
  iso_week      int NOT NULL,
  iso_year_week text NOT NULL,
  day_of_week   int NOT NULL,
  day_name      text NOT NULL,
  is_weekend    boolean NOT NULL
);
COMMENT ON TABLE warehouse.dim_date IS 'The calendar, a row a UTC day';
COMMENT ON COLUMN warehouse.dim_date.date_key IS 'The day as a number: yyyymmdd';
COMMENT ON COLUMN warehouse.dim_date.full_date IS 'The day';
COMMENT ON COLUMN warehouse.dim_date.year IS 'Calendar year';
COMMENT ON COLUMN warehouse.dim_date.quarter IS 'Quarter of the calendar year, 1 to 4';
COMMENT ON COLUMN warehouse.dim_date.year_quarter IS 'Quarter with its year, such as 2026-Q4';
COMMENT ON COLUMN warehouse.dim_date.month IS 'Month, 1 to 12';
COMMENT ON COLUMN warehouse.dim_date.month_name IS 'Month in English';
COMMENT ON COLUMN warehouse.dim_date.year_month IS 'Month with its year, such as 2026-11';
COMMENT ON COLUMN warehouse.dim_date.day_of_month IS 'Day of the month, 1 to 31';
COMMENT ON COLUMN warehouse.dim_date.day_of_year IS 'Day of the year, 1 to 366';
COMMENT ON COLUMN warehouse.dim_date.iso_year IS 'Year that the ISO 8601 week belongs to; differs from year around New Year';
COMMENT ON COLUMN warehouse.dim_date.iso_week IS 'Week by ISO 8601, 1 to 53: begins on Monday, week 1 has the first Thursday';
COMMENT ON COLUMN warehouse.dim_date.iso_year_week IS 'ISO week with its year, such as 2026-W48';
COMMENT ON COLUMN warehouse.dim_date.day_of_week IS 'Day of the week by ISO 8601: 1 is Monday, 7 Sunday';
COMMENT ON COLUMN warehouse.dim_date.day_name IS 'Day of the week in English';
COMMENT ON COLUMN warehouse.dim_date.is_weekend IS 'Whether it is a Saturday or Sunday';

-- Which day is a holiday where is for the owner to say; nothing is shipped.
CREATE TABLE IF NOT EXISTS warehouse.holidays (
  country      text NOT NULL,
  date_key     int NOT NULL REFERENCES warehouse.dim_date,
  holiday_name text NOT NULL,
  PRIMARY KEY (country, date_key)
);
COMMENT ON TABLE warehouse.holidays IS 'Holidays by country; to be filled by the owner, nothing is shipped';
COMMENT ON COLUMN warehouse.holidays.country IS 'Country, as in dim_geography';
COMMENT ON COLUMN warehouse.holidays.date_key IS 'Day of dim_date';
COMMENT ON COLUMN warehouse.holidays.holiday_name IS 'Name of the holiday';

CREATE OR REPLACE FUNCTION globalmart.date_key(day date) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT (extract(year FROM $1) * 10000 + extract(month FROM $1) * 100 + extract(day FROM $1))::int
$$;
COMMENT ON FUNCTION globalmart.date_key(date) IS 'The key of a day in dim_date: yyyymmdd';

-- month_name and day_name do not follow lc_time: to_char without TM is English.
CREATE OR REPLACE FUNCTION globalmart.fill_dates(from_day date, to_day date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  filled bigint;
BEGIN
  INSERT INTO warehouse.dim_date
  SELECT globalmart.date_key(d), d, extract(year FROM d)::int, extract(quarter FROM d)::int, to_char(d, 'YYYY"-Q"Q'),
         extract(month FROM d)::int, to_char(d, 'FMMonth'), to_char(d, 'YYYY-MM'),
         extract(day FROM d)::int, extract(doy FROM d)::int,
         extract(isoyear FROM d)::int, extract(week FROM d)::int, to_char(d, 'IYYY"-W"IW'),
         extract(isodow FROM d)::int, to_char(d, 'FMDay'), extract(isodow FROM d) >= 6
  FROM generate_series(from_day::timestamp, to_day::timestamp, interval '1 day') AS g(ts), CAST(g.ts AS date) AS d
  ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS filled = ROW_COUNT;
  RETURN filled;
END
$$;
COMMENT ON FUNCTION globalmart.fill_dates(date, date) IS
  'Adds the days from from_day to to_day, both included, to dim_date; gives how many were missing';

-- A date table with gaps is refused by tools that compare periods.
CREATE OR REPLACE FUNCTION globalmart.extend_calendar(day date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  today date := (globalmart.clock() AT TIME ZONE 'UTC')::date;
  first_day date;
  last_day date;
  filled bigint;
BEGIN
  SELECT min(d.full_date), max(d.full_date), count(*) INTO first_day, last_day, filled FROM warehouse.dim_date AS d;
  IF day >= first_day AND last_day >= greatest(day, make_date(extract(year FROM today)::int + 10, 12, 31))
     AND filled = last_day - first_day + 1 THEN
    RETURN 0;
  END IF;
  RETURN globalmart.fill_dates(
    date_trunc('year', least(day, first_day, make_date(extract(year FROM today)::int - 10, 1, 1))::timestamp)::date,
    make_date(extract(year FROM greatest(day, last_day, today + interval '10 years'))::int, 12, 31));
END
$$;
COMMENT ON FUNCTION globalmart.extend_calendar(date) IS
  'Extends dim_date to whole years without a gap, ten around today and as far as a day; gives how many days were missing';

DO $fill$
BEGIN
  PERFORM globalmart.extend_calendar((globalmart.clock() AT TIME ZONE 'UTC')::date);
END
$fill$;
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (35, 'warehouse/dimensions.sql', $shop_script$
-- What changes slowly: type 2, a row a version. effective_from is inclusive, effective_to exclusive. Before
-- the catalogue tells of somebody, and where it never does, a version is inferred from the events themselves:
-- it is in force from 1900 on, so that every event finds one. An entity is a durable_key; the exclusion
-- constraints hold that its versions never overlap.
CREATE SEQUENCE IF NOT EXISTS warehouse.durable_keys;
ALTER SEQUENCE warehouse.durable_keys OWNER TO globalmart_owner;
COMMENT ON SEQUENCE warehouse.durable_keys IS 'Numbers of customers, products and geographies, the same in all their versions';

CREATE TABLE IF NOT EXISTS warehouse.dim_geography (
  geography_key  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  durable_key    bigint NOT NULL,
  country        text NOT NULL,
  region         text NOT NULL DEFAULT 'Unknown',
  effective_from timestamptz NOT NULL DEFAULT '1900-01-01 00:00:00+00',
  effective_to   timestamptz NOT NULL DEFAULT '9999-12-31 00:00:00+00',
  is_current     boolean GENERATED ALWAYS AS (effective_to = '9999-12-31 00:00:00+00') STORED,
  UNIQUE (country, effective_from),
  CHECK (effective_from < effective_to),
  EXCLUDE USING gist (int8range(durable_key, durable_key, '[]') WITH &&, tstzrange(effective_from, effective_to) WITH &&)
);
CREATE UNIQUE INDEX IF NOT EXISTS dim_geography_current ON warehouse.dim_geography (country) WHERE is_current;
COMMENT ON TABLE warehouse.dim_geography IS 'Countries, a row a version (type 2)';
COMMENT ON COLUMN warehouse.dim_geography.geography_key IS 'Key of the version';
COMMENT ON COLUMN warehouse.dim_geography.durable_key IS 'Number of the country, the same in all versions';
COMMENT ON COLUMN warehouse.dim_geography.country IS 'Country, as in the events';
COMMENT ON COLUMN warehouse.dim_geography.region IS 'Part of the world or of the business that it belongs to; set_region() changes it';

CREATE TABLE IF NOT EXISTS warehouse.dim_customers (
  customer_key   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  durable_key    bigint NOT NULL,
  user_id        text NOT NULL,
  country        text NOT NULL,
  age_range      text,
  preferences    text[],
  registered_at  timestamptz,
  is_inferred    boolean NOT NULL DEFAULT false,
  is_deleted     boolean NOT NULL DEFAULT false,
  effective_from timestamptz NOT NULL DEFAULT '1900-01-01 00:00:00+00',
  effective_to   timestamptz NOT NULL DEFAULT '9999-12-31 00:00:00+00',
  is_current     boolean GENERATED ALWAYS AS (effective_to = '9999-12-31 00:00:00+00') STORED,
  UNIQUE (user_id, effective_from),
  CHECK (effective_from < effective_to),
  EXCLUDE USING gist (int8range(durable_key, durable_key, '[]') WITH &&, tstzrange(effective_from, effective_to) WITH &&)
);
CREATE UNIQUE INDEX IF NOT EXISTS dim_customers_current ON warehouse.dim_customers (user_id) WHERE is_current;
COMMENT ON TABLE warehouse.dim_customers IS 'Customers, a row a version (type 2)';
COMMENT ON COLUMN warehouse.dim_customers.customer_key IS 'Key of the version';
COMMENT ON COLUMN warehouse.dim_customers.durable_key IS 'Number of the customer, the same in all versions';
COMMENT ON COLUMN warehouse.dim_customers.user_id IS 'The customer, as in the events';
COMMENT ON COLUMN warehouse.dim_customers.country IS 'Country of the customer';
COMMENT ON COLUMN warehouse.dim_customers.age_range IS 'Age, such as 25-34';
COMMENT ON COLUMN warehouse.dim_customers.preferences IS 'Preferred groups of categories';
COMMENT ON COLUMN warehouse.dim_customers.registered_at IS 'When the customer registered';

CREATE TABLE IF NOT EXISTS warehouse.dim_products (
  product_key    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  durable_key    bigint NOT NULL,
  product_id     text NOT NULL,
  product_name   text NOT NULL DEFAULT 'Unknown',
  category       text NOT NULL DEFAULT 'Unknown',
  price          numeric(18,2),
  rating         numeric(3,2),
  is_inferred    boolean NOT NULL DEFAULT false,
  is_deleted     boolean NOT NULL DEFAULT false,
  effective_from timestamptz NOT NULL DEFAULT '1900-01-01 00:00:00+00',
  effective_to   timestamptz NOT NULL DEFAULT '9999-12-31 00:00:00+00',
  is_current     boolean GENERATED ALWAYS AS (effective_to = '9999-12-31 00:00:00+00') STORED,
  UNIQUE (product_id, effective_from),
  CHECK (effective_from < effective_to),
  EXCLUDE USING gist (int8range(durable_key, durable_key, '[]') WITH &&, tstzrange(effective_from, effective_to) WITH &&)
);
CREATE UNIQUE INDEX IF NOT EXISTS dim_products_current ON warehouse.dim_products (product_id) WHERE is_current;
COMMENT ON TABLE warehouse.dim_products IS 'Products, a row a version (type 2); product_key 0 stands in facts that are about no one product';
COMMENT ON COLUMN warehouse.dim_products.product_key IS 'Key of the version; 0: no product';
COMMENT ON COLUMN warehouse.dim_products.durable_key IS 'Number of the product, the same in all versions';
COMMENT ON COLUMN warehouse.dim_products.product_id IS 'The product, as in the events';
COMMENT ON COLUMN warehouse.dim_products.product_name IS 'Name; Unknown until somebody tells it';
COMMENT ON COLUMN warehouse.dim_products.category IS 'Category; Unknown until somebody tells it';
COMMENT ON COLUMN warehouse.dim_products.price IS 'Price of one unit; money';
COMMENT ON COLUMN warehouse.dim_products.rating IS 'Average rating, 0 to 5';

DO $setup$
DECLARE
  dimension text;
BEGIN
  FOREACH dimension IN ARRAY ARRAY['dim_geography', 'dim_customers', 'dim_products'] LOOP
    IF dimension <> 'dim_geography' THEN
      EXECUTE format('COMMENT ON COLUMN warehouse.%I.is_inferred IS %L', dimension,
                     'Whether it was inferred from events, because the catalogue did not tell');
      EXECUTE format('COMMENT ON COLUMN warehouse.%I.is_deleted IS %L', dimension,
                     'Whether the catalogue deleted it; the other columns are as they were last');
    END IF;
    EXECUTE format('COMMENT ON COLUMN warehouse.%I.effective_from IS %L', dimension, 'From when on this version is in force, inclusive');
    EXECUTE format('COMMENT ON COLUMN warehouse.%I.effective_to IS %L', dimension, 'Until when, exclusive; 9999-12-31: still in force');
    EXECUTE format('COMMENT ON COLUMN warehouse.%I.is_current IS %L', dimension, 'Whether it is the last version, of which there is exactly one: the one in force, or one that was told ahead of its time');
  END LOOP;
END
$setup$;

INSERT INTO warehouse.dim_products (product_key, durable_key, product_id, product_name, category)
OVERRIDING SYSTEM VALUE VALUES (0, 0, '', 'None', 'None') ON CONFLICT DO NOTHING;
INSERT INTO warehouse.dim_geography (durable_key, country, region)
SELECT nextval('warehouse.durable_keys'), c.country, r.region
FROM globalmart.countries AS c
JOIN (VALUES ('USA', 'North America'), ('UK', 'Europe'), ('Germany', 'Europe'), ('France', 'Europe'), ('Japan', 'Asia'))
  AS r(country, region) USING (country)
WHERE NOT EXISTS (SELECT FROM warehouse.dim_geography AS g WHERE g.country = c.country)
ORDER BY c.country;
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (36, 'warehouse/facts.sql', $shop_script$
-- Facts, partitioned by UTC month of event time. The natural keys lead with event_time, so that a night's rows
-- go to one end of their index; they make a reload harmless and absorb repeated events.
CREATE TABLE IF NOT EXISTS warehouse.fact_sales (
  event_time     timestamptz NOT NULL,
  transaction_id uuid NOT NULL,
  line_no        int NOT NULL,
  date_key       int NOT NULL REFERENCES warehouse.dim_date,
  geography_key  int NOT NULL REFERENCES warehouse.dim_geography,
  customer_key   bigint NOT NULL REFERENCES warehouse.dim_customers,
  product_key    bigint NOT NULL REFERENCES warehouse.dim_products,
  quantity       int NOT NULL,
  unit_price     numeric(18,2) NOT NULL,
  line_revenue   numeric(18,2) NOT NULL,
  discount_share numeric(18,2),
  payment_method text NOT NULL,
  UNIQUE (event_time, transaction_id, line_no)
) PARTITION BY RANGE (event_time);
COMMENT ON TABLE warehouse.fact_sales IS 'Sales, a row an order line, partitioned by UTC month';
COMMENT ON COLUMN warehouse.fact_sales.event_time IS 'When the order was placed';
COMMENT ON COLUMN warehouse.fact_sales.transaction_id IS 'The order';
COMMENT ON COLUMN warehouse.fact_sales.line_no IS 'Number of the line in its order, from 1';
COMMENT ON COLUMN warehouse.fact_sales.quantity IS 'Units sold';
COMMENT ON COLUMN warehouse.fact_sales.unit_price IS 'Price of one unit; money';
COMMENT ON COLUMN warehouse.fact_sales.line_revenue IS 'quantity x unit_price, before discount; money';
COMMENT ON COLUMN warehouse.fact_sales.discount_share IS 'The line''s share of the discount of its order, by line_revenue: the shares of an order add up to its discount; money; NULL: not told';
COMMENT ON COLUMN warehouse.fact_sales.payment_method IS 'How the order was paid';

CREATE TABLE IF NOT EXISTS warehouse.fact_cart_events (
  event_time    timestamptz NOT NULL,
  event_id      uuid NOT NULL,
  date_key      int NOT NULL REFERENCES warehouse.dim_date,
  geography_key int NOT NULL REFERENCES warehouse.dim_geography,
  customer_key  bigint NOT NULL REFERENCES warehouse.dim_customers,
  product_key   bigint NOT NULL REFERENCES warehouse.dim_products,
  session_id    uuid NOT NULL,
  event_type    text NOT NULL,
  quantity      int,
  unit_price    numeric(18,2),
  cart_value    numeric(18,2),
  UNIQUE (event_time, event_id)
) PARTITION BY RANGE (event_time);
COMMENT ON TABLE warehouse.fact_cart_events IS 'What happened to carts, a row an event, partitioned by UTC month';
COMMENT ON COLUMN warehouse.fact_cart_events.event_time IS 'When it happened';
COMMENT ON COLUMN warehouse.fact_cart_events.event_id IS 'The event';
COMMENT ON COLUMN warehouse.fact_cart_events.session_id IS 'With the customer, the session that the cart belongs to';
COMMENT ON COLUMN warehouse.fact_cart_events.event_type IS 'add_to_cart, remove_from_cart, update_quantity, checkout or cart_abandonment';
COMMENT ON COLUMN warehouse.fact_cart_events.quantity IS 'Units put in or taken out; of an update, units after it';
COMMENT ON COLUMN warehouse.fact_cart_events.unit_price IS 'Price of one unit; money';
COMMENT ON COLUMN warehouse.fact_cart_events.cart_value IS 'Value of the cart after the event; money. A level: to be averaged, never summed';

CREATE TABLE IF NOT EXISTS warehouse.fact_product_views (
  event_time    timestamptz NOT NULL,
  event_id      uuid NOT NULL,
  date_key      int NOT NULL REFERENCES warehouse.dim_date,
  geography_key int NOT NULL REFERENCES warehouse.dim_geography,
  customer_key  bigint NOT NULL REFERENCES warehouse.dim_customers,
  product_key   bigint NOT NULL REFERENCES warehouse.dim_products,
  session_id    uuid NOT NULL,
  event_type    text NOT NULL,
  view_duration numeric(10,6),
  from_search   boolean,
  search_query  text,
  results_count int,
  UNIQUE (event_time, event_id)
) PARTITION BY RANGE (event_time);
COMMENT ON TABLE warehouse.fact_product_views IS 'Views, searches, filters and comparisons, a row an event, partitioned by UTC month';
COMMENT ON COLUMN warehouse.fact_product_views.event_time IS 'When it happened';
COMMENT ON COLUMN warehouse.fact_product_views.event_id IS 'The event';
COMMENT ON COLUMN warehouse.fact_product_views.session_id IS 'With the customer, the session that the event belongs to';
COMMENT ON COLUMN warehouse.fact_product_views.event_type IS 'view, search, filter or compare';
COMMENT ON COLUMN warehouse.fact_product_views.view_duration IS 'How long the product was looked at; seconds; views only';
COMMENT ON COLUMN warehouse.fact_product_views.from_search IS 'Whether the customer came from a search';
COMMENT ON COLUMN warehouse.fact_product_views.search_query IS 'What was searched for';
COMMENT ON COLUMN warehouse.fact_product_views.results_count IS 'Results of a search or filter';

DO $setup$
DECLARE
  fact text;
BEGIN
  FOREACH fact IN ARRAY ARRAY['fact_sales', 'fact_cart_events', 'fact_product_views'] LOOP
    EXECUTE format('COMMENT ON COLUMN warehouse.%I.date_key IS %L', fact, 'UTC day of the event');
    EXECUTE format('COMMENT ON COLUMN warehouse.%I.geography_key IS %L', fact, 'Country of the event, in its version then');
    EXECUTE format('COMMENT ON COLUMN warehouse.%I.customer_key IS %L', fact, 'Customer, in the version in force at event_time');
    EXECUTE format('COMMENT ON COLUMN warehouse.%I.product_key IS %L', fact, 'Product, in the version in force at event_time; 0: about no one product');
    -- A catalogue change that comes late moves the facts of its span to the new version: by these.
    EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON warehouse.%I (customer_key)', fact || '_customer', fact);
    EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON warehouse.%I (product_key)', fact || '_product', fact);
    -- A question for a day reads that day, and not the history.
    EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON warehouse.%I USING brin (date_key)', fact || '_date', fact);
  END LOOP;
END
$setup$;

CREATE OR REPLACE FUNCTION globalmart.make_fact_partitions(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  month timestamp := date_trunc('month', day::timestamp);
  fact text;
  leaf text;
BEGIN
  FOREACH fact IN ARRAY ARRAY['fact_sales', 'fact_cart_events', 'fact_product_views'] LOOP
    leaf := fact || to_char(month, '"_m"YYYYMM');
    CONTINUE WHEN to_regclass('warehouse.' || quote_ident(leaf)) IS NOT NULL;
    -- Made apart and attached: a reader of the root is not waited for, and a dashboard does not stop.
    EXECUTE format('CREATE TABLE warehouse.%I (LIKE warehouse.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', leaf, fact);
    EXECUTE format('ALTER TABLE warehouse.%I ATTACH PARTITION warehouse.%I FOR VALUES FROM (%L) TO (%L)', fact, leaf,
                   month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
    EXECUTE format('ALTER TABLE warehouse.%I OWNER TO globalmart_owner', leaf);
    EXECUTE format('GRANT SELECT ON warehouse.%I TO globalmart_reader, globalmart_analyst', leaf);
    EXECUTE format('COMMENT ON TABLE warehouse.%I IS %L', leaf, format('%s of %s', fact, to_char(month, 'YYYY-MM')));
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.make_fact_partitions(date) IS 'Makes the partitions of the fact tables for the month of a day, where they are not there';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (37, 'warehouse/runs.sql', $shop_script$
-- The record of the night, and what makes it safe to kill. A load takes a span of offsets of every stream and
-- partition (etl_spans), then goes day by day (etl_load_days), each day with its facts in one transaction.
-- Only when every day is in does the high-water mark move (raw_reader_progress), in the transaction that ends
-- the load. A load that was killed is taken up again with the same spans, before a new one begins.
CREATE TABLE IF NOT EXISTS globalmart.etl_runs (
  run_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  analysis_day date NOT NULL,
  state        text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed', 'killed')),
  started_at   timestamptz NOT NULL DEFAULT globalmart.clock(),
  ended_at     timestamptz,
  rows_read    bigint NOT NULL DEFAULT 0,
  rows_written bigint NOT NULL DEFAULT 0,
  rows_rejected bigint NOT NULL DEFAULT 0,
  sql_rows_below bigint,
  backend_pid  int NOT NULL DEFAULT pg_backend_pid(),
  started_by   text NOT NULL DEFAULT session_user,
  last_error   text
);
COMMENT ON TABLE globalmart.etl_runs IS 'Runs of run_etl()';
COMMENT ON COLUMN globalmart.etl_runs.run_id IS 'Number of the run';
COMMENT ON COLUMN globalmart.etl_runs.analysis_day IS 'The day up to which it analyses';
COMMENT ON COLUMN globalmart.etl_runs.state IS 'running, done, failed (last_error says why) or killed (its session ended before it did; a later run found it so and took up its work)';
COMMENT ON COLUMN globalmart.etl_runs.started_at IS 'When it began';
COMMENT ON COLUMN globalmart.etl_runs.ended_at IS 'When it ended';
COMMENT ON COLUMN globalmart.etl_runs.rows_read IS 'Events and changes of the catalogue that it read';
COMMENT ON COLUMN globalmart.etl_runs.rows_written IS 'Facts and versions that it wrote';
COMMENT ON COLUMN globalmart.etl_runs.rows_rejected IS 'Rows that were there already: repeated events';
COMMENT ON COLUMN globalmart.etl_runs.sql_rows_below IS 'Rows that came by SQL with a smaller kafka_offset are in its load';
COMMENT ON COLUMN globalmart.etl_runs.backend_pid IS 'Process of the server that runs it';
COMMENT ON COLUMN globalmart.etl_runs.started_by IS 'Role that called it';
COMMENT ON COLUMN globalmart.etl_runs.last_error IS 'What went wrong';

CREATE TABLE IF NOT EXISTS globalmart.etl_steps (
  run_id        bigint NOT NULL REFERENCES globalmart.etl_runs ON DELETE CASCADE,
  step_no       int NOT NULL,
  step          text NOT NULL,
  day           date,
  state         text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed', 'killed')),
  started_at    timestamptz NOT NULL DEFAULT globalmart.clock(),
  seconds       double precision,
  rows_read     bigint,
  rows_written  bigint,
  rows_rejected bigint,
  last_error    text,
  PRIMARY KEY (run_id, step_no)
);
COMMENT ON TABLE globalmart.etl_steps IS 'Steps of the runs of run_etl(), each a transaction';
COMMENT ON COLUMN globalmart.etl_steps.run_id IS 'Run that it belongs to';
COMMENT ON COLUMN globalmart.etl_steps.step_no IS 'Its number in the run, from 1';
COMMENT ON COLUMN globalmart.etl_steps.step IS 'What it does';
COMMENT ON COLUMN globalmart.etl_steps.day IS 'UTC day that it is about; NULL: no one day';
COMMENT ON COLUMN globalmart.etl_steps.state IS 'running, done, failed or killed';
COMMENT ON COLUMN globalmart.etl_steps.started_at IS 'When it began';
COMMENT ON COLUMN globalmart.etl_steps.seconds IS 'How long it took';
COMMENT ON COLUMN globalmart.etl_steps.rows_read IS 'Rows read';
COMMENT ON COLUMN globalmart.etl_steps.rows_written IS 'Rows written';
COMMENT ON COLUMN globalmart.etl_steps.rows_rejected IS 'Rows that were there already: repeated events';
COMMENT ON COLUMN globalmart.etl_steps.last_error IS 'What went wrong';

CREATE TABLE IF NOT EXISTS globalmart.etl_spans (
  stream          text NOT NULL,
  kafka_partition int NOT NULL,
  from_offset     bigint NOT NULL,
  until_offset    bigint NOT NULL CHECK (from_offset <= until_offset),
  PRIMARY KEY (stream, kafka_partition)
);
COMMENT ON TABLE globalmart.etl_spans IS 'What the load under way takes: offsets by stream and partition; empty between loads';
COMMENT ON COLUMN globalmart.etl_spans.stream IS 'Stream';
COMMENT ON COLUMN globalmart.etl_spans.kafka_partition IS 'Partition; -1: rows that came by SQL';
COMMENT ON COLUMN globalmart.etl_spans.from_offset IS 'First offset';
COMMENT ON COLUMN globalmart.etl_spans.until_offset IS 'Offset after the last';

-- A redriven dead letter keeps its old offset, below what was loaded: it is loaded by its number.
CREATE TABLE IF NOT EXISTS globalmart.etl_redrives (
  redrive_id      bigint NOT NULL,
  stream          text NOT NULL,
  kafka_partition int NOT NULL,
  kafka_offset    bigint NOT NULL,
  loaded          boolean NOT NULL DEFAULT false,
  PRIMARY KEY (redrive_id, stream)
);
CREATE INDEX IF NOT EXISTS etl_redrives_to_load ON globalmart.etl_redrives (stream, kafka_partition, kafka_offset) WHERE NOT loaded;
COMMENT ON TABLE globalmart.etl_redrives IS 'Redriven dead letters that the load under way takes, and those that earlier ones took';
COMMENT ON COLUMN globalmart.etl_redrives.redrive_id IS 'Request of dead_letter_redrives';
COMMENT ON COLUMN globalmart.etl_redrives.stream IS 'Stream that its rows are in';
COMMENT ON COLUMN globalmart.etl_redrives.kafka_partition IS 'Partition of the message';
COMMENT ON COLUMN globalmart.etl_redrives.kafka_offset IS 'Its offset';
COMMENT ON COLUMN globalmart.etl_redrives.loaded IS 'False while the load that takes it is under way';

CREATE TABLE IF NOT EXISTS globalmart.etl_load_days (
  day    date PRIMARY KEY,
  loaded boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE globalmart.etl_load_days IS 'Days with events in the load under way; empty between loads';
COMMENT ON COLUMN globalmart.etl_load_days.day IS 'UTC day';
COMMENT ON COLUMN globalmart.etl_load_days.loaded IS 'Whether its facts are in';

CREATE TABLE IF NOT EXISTS globalmart.etl_analyses (
  analysis text NOT NULL CHECK (analysis IN ('sales', 'products', 'rfm', 'forecast')),
  day      date NOT NULL,
  done_at  timestamptz,
  PRIMARY KEY (analysis, day)
);
CREATE INDEX IF NOT EXISTS etl_analyses_to_do ON globalmart.etl_analyses (day) WHERE done_at IS NULL;
COMMENT ON TABLE globalmart.etl_analyses IS 'Which analysis was done for which day, and which is to be done or done again';
COMMENT ON COLUMN globalmart.etl_analyses.analysis IS 'sales (daily_category_sales), products (product_performance), rfm (rfm_analysis) or forecast (demand_forecast; only of the last day)';
COMMENT ON COLUMN globalmart.etl_analyses.day IS 'UTC day';
COMMENT ON COLUMN globalmart.etl_analyses.done_at IS 'When it was done; NULL: to be done, because facts that it looks at are new';

CREATE OR REPLACE FUNCTION globalmart.mark_for_analysis(days date[], analyses text[] DEFAULT '{sales,products,rfm}') RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  span interval := globalmart.setting('rfm_span')::interval;
BEGIN
  INSERT INTO globalmart.etl_analyses (analysis, day)
  SELECT a.analysis, d.day
  FROM (SELECT DISTINCT u.day FROM unnest(mark_for_analysis.days) AS u(day)) AS d CROSS JOIN unnest(mark_for_analysis.analyses) AS a(analysis)
  ORDER BY 1, 2
  ON CONFLICT (analysis, day) DO UPDATE SET done_at = NULL;
  IF 'rfm' = ANY (mark_for_analysis.analyses) THEN
    -- Later days look back on it, as far as their span goes.
    UPDATE globalmart.etl_analyses AS a SET done_at = NULL
    WHERE a.analysis = 'rfm' AND a.done_at IS NOT NULL
      AND EXISTS (SELECT FROM unnest(mark_for_analysis.days) AS u(day)
                  WHERE u.day < a.day AND (span IS NULL OR (a.day + 1)::timestamp - span < (u.day + 1)::timestamp));
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.mark_for_analysis(date[], text[]) IS
  'Has days analysed, or analysed again, and what looks back on them. analyses: sales, products, rfm';

CREATE OR REPLACE VIEW globalmart.etl_progress AS
  SELECT r.run_id, r.state, r.analysis_day, r.started_at,
         extract(epoch FROM coalesce(r.ended_at, globalmart.clock()) - r.started_at)::double precision AS seconds,
         s.step, s.day, s.step_no AS steps_begun,
         extract(epoch FROM globalmart.clock() - s.started_at)::double precision AS step_seconds,
         (SELECT count(*) FROM globalmart.etl_load_days AS d WHERE d.loaded) AS days_loaded,
         (SELECT count(*) FROM globalmart.etl_load_days) AS days_to_load,
         r.rows_read, r.rows_written, r.rows_rejected, r.last_error
  FROM globalmart.etl_runs AS r
  LEFT JOIN LATERAL (SELECT t.* FROM globalmart.etl_steps AS t WHERE t.run_id = r.run_id ORDER BY t.step_no DESC LIMIT 1) AS s ON true
  ORDER BY r.run_id DESC
  LIMIT 1;
COMMENT ON VIEW globalmart.etl_progress IS 'The last run of run_etl(): what it does now, since when, and how far it is';
COMMENT ON COLUMN globalmart.etl_progress.run_id IS 'Number of the run';
COMMENT ON COLUMN globalmart.etl_progress.state IS 'running, done, failed or killed';
COMMENT ON COLUMN globalmart.etl_progress.analysis_day IS 'The day up to which it analyses';
COMMENT ON COLUMN globalmart.etl_progress.started_at IS 'When it began';
COMMENT ON COLUMN globalmart.etl_progress.seconds IS 'How long it has been running, or took';
COMMENT ON COLUMN globalmart.etl_progress.step IS 'Its last step';
COMMENT ON COLUMN globalmart.etl_progress.day IS 'UTC day that the step is about';
COMMENT ON COLUMN globalmart.etl_progress.steps_begun IS 'Steps that it has begun';
COMMENT ON COLUMN globalmart.etl_progress.step_seconds IS 'Since when the last step runs; seconds';
COMMENT ON COLUMN globalmart.etl_progress.days_loaded IS 'Days that the load under way has done';
COMMENT ON COLUMN globalmart.etl_progress.days_to_load IS 'Days with events in the load under way';
COMMENT ON COLUMN globalmart.etl_progress.rows_read IS 'Rows read so far';
COMMENT ON COLUMN globalmart.etl_progress.rows_written IS 'Rows written so far';
COMMENT ON COLUMN globalmart.etl_progress.rows_rejected IS 'Rows that were there already: repeated events';
COMMENT ON COLUMN globalmart.etl_progress.last_error IS 'What went wrong';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (38, 'warehouse/load_dimensions.sql', $shop_script$
-- From the history of the catalogue to versions. For every customer or product with a change in the load, the
-- whole history is laid out anew, which is right whatever the order in which changes came; versions keep their
-- keys, and facts that lie in a version which came late move to it.

CREATE OR REPLACE FUNCTION globalmart.move_facts(key_column text, dimension text, from_keys bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  fact text;
  moved bigint := 0;
  more bigint;
  days date[];
BEGIN
  FOREACH fact IN ARRAY ARRAY['fact_sales', 'fact_cart_events', 'fact_product_views'] LOOP
    -- Of the analyses only sales ask for more than who it is: for the category that a product had.
    EXECUTE format(
      'WITH moved AS (UPDATE warehouse.%1$I AS f SET %2$I = v.%2$I '
      'FROM warehouse.%3$I AS v JOIN warehouse.%3$I AS o ON o.durable_key = v.durable_key AND o.%2$I <> v.%2$I '
      'WHERE v.%2$I > $1 AND v.effective_from < (SELECT max(event_time) FROM warehouse.%1$I) '
      '  AND f.%2$I = o.%2$I AND f.event_time >= v.effective_from AND f.event_time < v.effective_to '
      'RETURNING (f.event_time AT TIME ZONE ''UTC'')::date AS day, %4$s AS of_other_category) '
      'SELECT count(*), array_agg(DISTINCT m.day) FILTER (WHERE m.of_other_category) FROM moved AS m',
      fact, key_column, dimension,
      CASE WHEN fact = 'fact_sales' AND dimension = 'dim_products' THEN 'o.category <> v.category' ELSE 'false' END)
      INTO more, days USING from_keys;
    moved := moved + more;
    PERFORM globalmart.mark_for_analysis(days, '{sales}') WHERE days IS NOT NULL;
  END LOOP;
  RETURN moved;
END
$$;
COMMENT ON FUNCTION globalmart.move_facts(text, text, bigint) IS
  'Points facts at the versions of a dimension whose keys are greater than from_keys, where they are in force at the event time; gives how many moved';

-- The analyses have, for each day, the version in force at its end. Called before facts move: those of a product
-- whose category was mended in place are still with its key.
CREATE OR REPLACE FUNCTION globalmart.follow_versions(dimension text, key_column text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  of_products boolean := dimension = 'dim_products';
  analysis text := CASE WHEN of_products THEN 'product_performance' ELSE 'rfm_analysis' END;
  other_category text := CASE WHEN of_products THEN 'v.category <> b.category' ELSE 'false' END;
  first_day date;
  last_day date;
  days date[];
BEGIN
  IF of_products THEN
    SELECT array_agg(DISTINCT (f.event_time AT TIME ZONE 'UTC')::date) INTO days
    FROM pg_temp.etl_versions_before AS b JOIN warehouse.dim_products AS v USING (product_key) JOIN warehouse.fact_sales AS f USING (product_key)
    WHERE v.category <> b.category;
    PERFORM globalmart.mark_for_analysis(days, '{sales}') WHERE days IS NOT NULL;
  END IF;
  EXECUTE format('SELECT min(a.analysis_date), max(a.analysis_date) FROM warehouse.%I AS a', analysis) INTO first_day, last_day;
  -- Nothing analysed yet: least() below would pass over the bound, and versions go on to the year 9999.
  IF first_day IS NULL THEN
    RETURN;
  END IF;
  -- Days at whose end another version is in force than before, or the same with another category.
  EXECUTE format(
    'CREATE TEMP TABLE etl_moved_days ON COMMIT DROP AS '
    'SELECT d.day::date AS day, b.%1$I AS old_key, v.%1$I AS new_key, %2$s AS of_other_category '
    'FROM pg_temp.etl_versions_before AS b JOIN warehouse.%3$I AS v ON v.durable_key = b.durable_key '
    '  AND v.effective_from < b.effective_to AND v.effective_to > b.effective_from AND (v.%1$I <> b.%1$I OR %2$s) '
    'CROSS JOIN LATERAL generate_series(greatest((greatest(b.effective_from, v.effective_from) AT TIME ZONE ''UTC'')::date, $1)::timestamp, '
    '                                   least((least(b.effective_to, v.effective_to) AT TIME ZONE ''UTC'')::date - 1, $2)::timestamp, '
    '                                   interval ''1 day'') AS d(day)', key_column, other_category, dimension) USING first_day, last_day;
  IF EXISTS (SELECT FROM pg_temp.etl_moved_days) THEN
    ANALYZE pg_temp.etl_moved_days;
    -- Who ranks where in a category hangs on all of its products; else it is the same one under another key.
    EXECUTE format(
      'UPDATE warehouse.%1$I AS a SET %2$I = m.new_key FROM pg_temp.etl_moved_days AS m '
      'WHERE a.analysis_date = m.day AND a.%2$I = m.old_key AND NOT m.of_other_category', analysis, key_column);
    IF of_products THEN
      SELECT array_agg(DISTINCT m.day) INTO days
      FROM pg_temp.etl_moved_days AS m JOIN warehouse.product_performance AS a ON a.analysis_date = m.day AND a.product_key = m.old_key
      WHERE m.of_other_category;
      PERFORM globalmart.mark_for_analysis(days, '{products}') WHERE days IS NOT NULL;
      -- A forecast is of the seven days after the last that it knows.
      UPDATE warehouse.demand_forecast AS f SET product_key = m.new_key
      FROM pg_temp.etl_moved_days AS m CROSS JOIN generate_series(1, 7) AS ahead
      WHERE f.forecast_date = m.day + ahead AND f.product_key = m.old_key AND f.analysis_date = m.day AND m.new_key <> m.old_key;
    END IF;
  END IF;
  DROP TABLE pg_temp.etl_moved_days;
END
$$;
COMMENT ON FUNCTION globalmart.follow_versions(text, text) IS
  'Has the analyses follow versions that were added, shortened or mended: keys are changed, or the day is to be analysed again. pg_temp.etl_versions_before has the versions as they were';

CREATE OR REPLACE FUNCTION globalmart.load_dimension(
  changes text, id_column text, dimension text, key_column text, attributes text[],
  OUT rows_read bigint, OUT rows_written bigint, OUT rows_rejected bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  names text := (SELECT string_agg(quote_ident(a), ', ' ORDER BY n) FROM unnest(attributes) WITH ORDINALITY AS u(a, n));
  last_key bigint;
  more bigint;
BEGIN
  EXECUTE format(
    'CREATE TEMP TABLE etl_affected ON COMMIT DROP AS '
    'SELECT c.%1$I AS id, count(*) AS changes FROM globalmart.%2$I AS c GROUP BY c.%1$I', id_column, 'etl_new_' || changes);
  rows_read := (SELECT coalesce(sum(a.changes), 0) FROM pg_temp.etl_affected AS a);
  rows_written := 0;
  rows_rejected := 0;
  IF rows_read = 0 THEN
    DROP TABLE pg_temp.etl_affected;
    RETURN;
  END IF;
  ANALYZE pg_temp.etl_affected;
  -- Of changes at one time the last told counts. A deleted one keeps what it was; one that was never told
  -- of gives no version. A change that changes nothing gives none, unless there is one already.
  EXECUTE format($query$
    CREATE TEMP TABLE etl_versions ON COMMIT DROP AS
    WITH told AS (
      SELECT DISTINCT ON (c.%1$I, c.event_time) c.%1$I AS id, c.event_time, c.deleted, %2$s
      FROM globalmart.%3$I AS c JOIN pg_temp.etl_affected AS a ON a.id = c.%1$I
      ORDER BY c.%1$I, c.event_time, c.kafka_partition DESC, c.kafka_offset DESC),
    lives AS (
      SELECT t.*, count(*) FILTER (WHERE NOT t.deleted) OVER (PARTITION BY t.id ORDER BY t.event_time) AS life FROM told AS t),
    carried AS (
      SELECT l.id, l.event_time, l.deleted, %4$s FROM lives AS l WHERE l.life > 0
      WINDOW w AS (PARTITION BY l.id, l.life ORDER BY l.event_time)),
    compared AS (
      SELECT c.*, ROW(c.deleted, %5$s) IS NOT DISTINCT FROM lag(ROW(c.deleted, %5$s)) OVER (PARTITION BY c.id ORDER BY c.event_time) AS same
      FROM carried AS c),
    kept AS (
      SELECT c.* FROM compared AS c
      WHERE NOT c.same OR EXISTS (SELECT FROM warehouse.%6$I AS d WHERE d.%1$I = c.id AND d.effective_from = c.event_time))
    SELECT k.id, k.deleted, %2$s, k.event_time AS effective_from,
           lead(k.event_time, 1, '9999-12-31 00:00:00+00') OVER (PARTITION BY k.id ORDER BY k.event_time) AS effective_to
    FROM kept AS k$query$,
    id_column, names, changes,
    (SELECT string_agg(format('first_value(l.%1$I) OVER w AS %1$I', a), ', ' ORDER BY n) FROM unnest(attributes) WITH ORDINALITY AS u(a, n)),
    (SELECT string_agg(format('c.%I', a), ', ' ORDER BY n) FROM unnest(attributes) WITH ORDINALITY AS u(a, n)),
    dimension);
  ANALYZE pg_temp.etl_versions;
  EXECUTE format('CREATE TEMP TABLE etl_versions_before ON COMMIT DROP AS '
                 'SELECT d.* FROM warehouse.%I AS d JOIN pg_temp.etl_affected AS a ON a.id = d.%I', dimension, id_column);
  ANALYZE pg_temp.etl_versions_before;
  EXECUTE format('SELECT coalesce(max(%I), 0) FROM warehouse.%I', key_column, dimension) INTO last_key;
  -- First what is there gives way, then the new versions come into the gaps: no moment with an overlap.
  EXECUTE format(
    'UPDATE warehouse.%1$I AS d SET effective_to = f.first_from '
    'FROM (SELECT v.id, min(v.effective_from) AS first_from FROM pg_temp.etl_versions AS v GROUP BY v.id) AS f '
    'WHERE d.%2$I = f.id AND d.effective_from < f.first_from AND d.effective_to > f.first_from', dimension, id_column);
  GET DIAGNOSTICS rows_written = ROW_COUNT;
  EXECUTE format(
    'UPDATE warehouse.%1$I AS d SET effective_to = v.effective_to, is_deleted = v.deleted, is_inferred = false, %3$s '
    'FROM pg_temp.etl_versions AS v WHERE d.%2$I = v.id AND d.effective_from = v.effective_from '
    ' AND (d.effective_to, d.is_deleted, %4$s) IS DISTINCT FROM (v.effective_to, v.deleted, %5$s)',
    dimension, id_column,
    (SELECT string_agg(format('%1$I = v.%1$I', a), ', ') FROM unnest(attributes) AS a),
    (SELECT string_agg(format('d.%I', a), ', ' ORDER BY n) FROM unnest(attributes) WITH ORDINALITY AS u(a, n)),
    (SELECT string_agg(format('v.%I', a), ', ' ORDER BY n) FROM unnest(attributes) WITH ORDINALITY AS u(a, n)));
  GET DIAGNOSTICS more = ROW_COUNT;
  rows_written := rows_written + more;
  EXECUTE format(
    'INSERT INTO warehouse.%1$I (durable_key, %2$I, is_deleted, effective_from, effective_to, %3$s) '
    'SELECT n.durable_key, v.id, v.deleted, v.effective_from, v.effective_to, %4$s '
    'FROM (SELECT a.id, coalesce((SELECT d.durable_key FROM warehouse.%1$I AS d WHERE d.%2$I = a.id LIMIT 1), '
    '                            nextval(''warehouse.durable_keys'')) AS durable_key FROM pg_temp.etl_affected AS a) AS n '
    'JOIN pg_temp.etl_versions AS v ON v.id = n.id '
    'WHERE NOT EXISTS (SELECT FROM warehouse.%1$I AS d WHERE d.%2$I = v.id AND d.effective_from = v.effective_from) '
    'ORDER BY v.id, v.effective_from',
    dimension, id_column, names,
    (SELECT string_agg(format('v.%I', a), ', ' ORDER BY n) FROM unnest(attributes) WITH ORDINALITY AS u(a, n)));
  GET DIAGNOSTICS more = ROW_COUNT;
  rows_written := rows_written + more;
  IF rows_written > 1000 THEN
    EXECUTE format('ANALYZE warehouse.%I', dimension);
  END IF;
  PERFORM globalmart.follow_versions(dimension, key_column);
  PERFORM globalmart.move_facts(key_column, dimension, last_key);
  DROP TABLE pg_temp.etl_affected, pg_temp.etl_versions, pg_temp.etl_versions_before;
END
$$;
COMMENT ON FUNCTION globalmart.load_dimension(text, text, text, text, text[]) IS
  'Brings a dimension up to date with the changes in the load under way: versions are added, shortened or mended, and facts moved to the version in force at their time';

CREATE OR REPLACE FUNCTION globalmart.set_region(country text, region text, effective_from timestamptz DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  in_force warehouse.dim_geography;
  starts timestamptz := coalesce(set_region.effective_from, '1900-01-01 00:00:00+00');
  last_key int;
BEGIN
  PERFORM globalmart.require_owner();
  -- As a load takes it: a fact that it has looked up and not committed would keep the version of before.
  LOCK TABLE warehouse.dim_geography IN SHARE ROW EXCLUSIVE MODE;
  last_key := (SELECT coalesce(max(g.geography_key), 0) FROM warehouse.dim_geography AS g);
  SELECT g.* INTO in_force FROM warehouse.dim_geography AS g
  WHERE g.country = set_region.country AND g.effective_from <= starts AND g.effective_to > starts;
  IF NOT FOUND THEN
    RAISE undefined_object USING
      MESSAGE = format('there is no geography "%s" at %s', set_region.country, starts),
      HINT = 'See warehouse.dim_geography; a country comes into it with its first event.';
  END IF;
  IF in_force.effective_from = starts THEN
    UPDATE warehouse.dim_geography AS g SET region = set_region.region WHERE g.geography_key = in_force.geography_key;
    RETURN;
  END IF;
  UPDATE warehouse.dim_geography AS g SET effective_to = starts WHERE g.geography_key = in_force.geography_key;
  INSERT INTO warehouse.dim_geography (durable_key, country, region, effective_from, effective_to)
  VALUES (in_force.durable_key, in_force.country, set_region.region, starts, in_force.effective_to);
  PERFORM globalmart.move_facts('geography_key', 'dim_geography', last_key);
END
$$;
COMMENT ON FUNCTION globalmart.set_region(text, text, timestamptz) IS
  'Says to which region a country belongs from a time on (NULL: since ever): a new version of dim_geography, to which its facts move';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (39, 'warehouse/load_facts.sql', $shop_script$
-- What the load under way takes: globalmart.etl_new_STREAM has the stream's rows in it. Views, so that the day
-- that is asked for reaches the partitions.
CREATE OR REPLACE FUNCTION globalmart.etl_streams() RETURNS TABLE (stream text, topic text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT s.stream, s.topic FROM globalmart.streams AS s
  WHERE s.stream IN ('transactions', 'transaction_items', 'cart_events', 'product_view_events')
  UNION ALL
  VALUES ('user_changes', 'users-topic'), ('product_changes', 'products-topic')
$$;
COMMENT ON FUNCTION globalmart.etl_streams() IS 'The streams that the warehouse loads, and the topics that bring them';

DO $views$
DECLARE
  loaded record;
BEGIN
  FOR loaded IN
    SELECT * FROM (VALUES
      ('transactions', 'event_time, transaction_id'),
      ('transaction_items', 'event_time, transaction_id, product_id, price, user_id, country'),
      ('cart_events', 'event_time, event_id, session_id, event_type, user_id, country, product_id, product_name, category, price, '
                      'quantity, new_quantity, cart_value'),
      ('product_view_events', 'event_time, event_id, session_id, event_type, user_id, country, product_id, product_name, category, price, '
                              'view_duration, from_search, search_query, results_count'),
      ('user_changes', 'user_id'),
      ('product_changes', 'product_id')) AS v(stream, columns)
  LOOP
    EXECUTE format(
      'CREATE OR REPLACE VIEW globalmart.%1$I AS '
      'SELECT %3$s, e.kafka_partition, e.kafka_offset FROM globalmart.%2$I AS e JOIN globalmart.etl_spans AS s '
      '  ON s.stream = %2$L AND s.kafka_partition = e.kafka_partition '
      ' AND e.kafka_offset >= s.from_offset AND e.kafka_offset < s.until_offset '
      'UNION ALL '
      'SELECT %3$s, e.kafka_partition, e.kafka_offset FROM globalmart.%2$I AS e JOIN globalmart.etl_redrives AS r '
      '  ON r.kafka_partition = e.kafka_partition AND r.kafka_offset = e.kafka_offset AND NOT r.loaded '
      ' AND r.stream = %2$L', 'etl_new_' || loaded.stream, loaded.stream, regexp_replace(loaded.columns, '(\w+)', 'e.\1', 'g'));
    EXECUTE format('COMMENT ON VIEW globalmart.%I IS %L', 'etl_new_' || loaded.stream,
                   format('Rows of %s that the load under way takes; none between loads', loaded.stream));
    PERFORM globalmart.copy_column_comments(format('globalmart.%I', loaded.stream), format('globalmart.%I', 'etl_new_' || loaded.stream));
  END LOOP;
END
$views$;

-- A day in hand: what the load takes of it, put into tables of the session, which the steps below read. A view over
-- spans of offsets is planned for a few rows whatever it gives, and a join planned for a few rows takes hours over a
-- million; of a table the planner knows how many there are.
CREATE OR REPLACE FUNCTION globalmart.take_day(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  stream text;
BEGIN
  FOREACH stream IN ARRAY ARRAY['transactions', 'transaction_items', 'cart_events', 'product_view_events'] LOOP
    EXECUTE format('CREATE TEMP TABLE %I ON COMMIT DROP AS SELECT e.* FROM globalmart.%I AS e WHERE e.event_time >= %L AND e.event_time < %L',
                   'etl_day_' || stream, 'etl_new_' || stream, day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
    EXECUTE format('ANALYZE pg_temp.%I', 'etl_day_' || stream);
  END LOOP;
END
$$;
COMMENT ON FUNCTION globalmart.take_day(date) IS
  'Puts the rows of a day that the load under way takes into temporary tables etl_day_STREAM, until the end of the transaction';

-- Every event finds a version of its country, customer and product: where nobody told, one is inferred from
-- the first event that names them, in force until the first that was told. Most nights most are known: only those
-- who are not are sorted.
CREATE OR REPLACE FUNCTION globalmart.infer_members() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  inferred bigint;
  more bigint;
  mended_keys bigint[];
BEGIN
  INSERT INTO warehouse.dim_geography (durable_key, country)
  SELECT nextval('warehouse.durable_keys'), n.country
  FROM (SELECT e.country FROM pg_temp.etl_day_transaction_items AS e
        UNION SELECT e.country FROM pg_temp.etl_day_cart_events AS e
        UNION SELECT e.country FROM pg_temp.etl_day_product_view_events AS e) AS n
  WHERE NOT EXISTS (SELECT FROM warehouse.dim_geography AS g WHERE g.country = n.country)
  ORDER BY n.country;
  GET DIAGNOSTICS inferred = ROW_COUNT;

  INSERT INTO warehouse.dim_customers (durable_key, user_id, country, is_inferred, effective_to)
  SELECT coalesce(k.durable_key, nextval('warehouse.durable_keys')), n.user_id, n.country, true,
         coalesce(k.effective_from, '9999-12-31 00:00:00+00')
  FROM (SELECT DISTINCT ON (e.user_id) e.user_id, e.country
        FROM (SELECT t.user_id, t.country, t.event_time, t.transaction_id AS event_id FROM pg_temp.etl_day_transaction_items AS t
              UNION ALL SELECT c.user_id, c.country, c.event_time, c.event_id FROM pg_temp.etl_day_cart_events AS c
              UNION ALL SELECT v.user_id, v.country, v.event_time, v.event_id FROM pg_temp.etl_day_product_view_events AS v) AS e
        WHERE NOT EXISTS (SELECT FROM warehouse.dim_customers AS d WHERE d.user_id = e.user_id AND d.effective_from <= e.event_time)
        ORDER BY e.user_id, e.event_time, e.event_id) AS n
  LEFT JOIN LATERAL (SELECT d.durable_key, d.effective_from FROM warehouse.dim_customers AS d
                     WHERE d.user_id = n.user_id ORDER BY d.effective_from LIMIT 1) AS k ON true
  ORDER BY n.user_id;
  GET DIAGNOSTICS more = ROW_COUNT;
  inferred := inferred + more;

  WITH named AS (
    SELECT t.product_id, NULL::text AS product_name, NULL::text AS category, t.price, t.event_time, t.transaction_id AS event_id
    FROM pg_temp.etl_day_transaction_items AS t
    UNION ALL
    SELECT c.product_id, c.product_name, c.category, c.price, c.event_time, c.event_id
    FROM pg_temp.etl_day_cart_events AS c WHERE c.product_id IS NOT NULL
    UNION ALL
    SELECT v.product_id, v.product_name, v.category, v.price, v.event_time, v.event_id
    FROM pg_temp.etl_day_product_view_events AS v WHERE v.product_id IS NOT NULL),
  in_doubt AS (
    SELECT n.product_id FROM named AS n
    WHERE NOT EXISTS (SELECT FROM warehouse.dim_products AS d WHERE d.product_id = n.product_id AND d.effective_from <= n.event_time)
    UNION
    SELECT d.product_id FROM warehouse.dim_products AS d WHERE d.is_inferred AND 'Unknown' IN (d.product_name, d.category)),
  told AS (
    SELECT DISTINCT ON (e.product_id) e.product_id, e.event_time,
           first_value(e.price) OVER (PARTITION BY e.product_id ORDER BY e.price IS NULL, e.event_time, e.event_id) AS price,
           first_value(e.product_name) OVER (PARTITION BY e.product_id ORDER BY e.product_name IS NULL, e.event_time, e.event_id) AS product_name,
           first_value(e.category) OVER (PARTITION BY e.product_id ORDER BY e.category IS NULL, e.event_time, e.event_id) AS category
    FROM named AS e JOIN in_doubt AS i ON i.product_id = e.product_id
    ORDER BY e.product_id, e.event_time, e.event_id),
  known AS (
    SELECT n.*, k.durable_key, k.effective_from, k.product_key, k.is_inferred, k.product_name AS known_name, k.category AS known_category
    FROM told AS n
    LEFT JOIN LATERAL (SELECT d.* FROM warehouse.dim_products AS d
                       WHERE d.product_id = n.product_id ORDER BY d.effective_from LIMIT 1) AS k ON true),
  mended AS (
    -- An order tells no name; the first view of the product does.
    UPDATE warehouse.dim_products AS d
    SET product_name = CASE d.product_name WHEN 'Unknown' THEN coalesce(k.product_name, 'Unknown') ELSE d.product_name END,
        category = CASE d.category WHEN 'Unknown' THEN coalesce(k.category, 'Unknown') ELSE d.category END
    FROM known AS k
    WHERE d.product_key = k.product_key AND k.is_inferred
      AND (k.known_name = 'Unknown' AND k.product_name IS NOT NULL OR k.known_category = 'Unknown' AND k.category IS NOT NULL)
    RETURNING d.product_key, d.category <> k.known_category AS of_other_category),
  added AS (
    INSERT INTO warehouse.dim_products (durable_key, product_id, product_name, category, price, is_inferred, effective_to)
    SELECT coalesce(k.durable_key, nextval('warehouse.durable_keys')), k.product_id, coalesce(k.product_name, 'Unknown'),
           coalesce(k.category, 'Unknown'), k.price, true, coalesce(k.effective_from, '9999-12-31 00:00:00+00')
    FROM known AS k
    WHERE k.effective_from IS NULL OR k.effective_from > k.event_time
    ORDER BY k.product_id
    RETURNING 1)
  SELECT (SELECT count(*) FROM added), (SELECT array_agg(m.product_key) FROM mended AS m WHERE m.of_other_category) INTO more, mended_keys;
  IF mended_keys IS NOT NULL THEN
    CREATE TEMP TABLE etl_versions_before ON COMMIT DROP AS
    SELECT d.product_key, d.durable_key, d.effective_from, d.effective_to, 'Unknown' AS category
    FROM warehouse.dim_products AS d WHERE d.product_key = ANY (mended_keys);
    ANALYZE pg_temp.etl_versions_before;
    PERFORM globalmart.follow_versions('dim_products', 'product_key');
    DROP TABLE pg_temp.etl_versions_before;
  END IF;
  RETURN inferred + more;
END
$$;
COMMENT ON FUNCTION globalmart.infer_members() IS
  'Adds to the dimensions what the events of the day in hand name and nobody told of; gives how many';

CREATE OR REPLACE FUNCTION globalmart.load_sales(day date, OUT rows_read bigint, OUT rows_written bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  starts timestamptz := day::timestamp AT TIME ZONE 'UTC';
  ends timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
  rows_read := (SELECT count(*) FROM pg_temp.etl_day_transaction_items);
  CREATE TEMP TABLE etl_sales ON COMMIT DROP AS
  WITH orders AS (
    -- By SQL an order and its lines can come one after the other: all of an order is looked at again.
    SELECT i.event_time, i.transaction_id FROM pg_temp.etl_day_transaction_items AS i
    UNION
    SELECT t.event_time, t.transaction_id FROM pg_temp.etl_day_transactions AS t),
  discounts AS (
    SELECT DISTINCT ON (t.event_time, t.transaction_id) t.event_time, t.transaction_id, t.discount_amount
    FROM globalmart.transactions AS t JOIN orders AS o ON o.event_time = t.event_time AND o.transaction_id = t.transaction_id
    WHERE t.event_time >= starts AND t.event_time < ends
    ORDER BY t.event_time, t.transaction_id, t.kafka_partition, t.kafka_offset),
  lines AS (
    SELECT DISTINCT ON (i.event_time, i.transaction_id, i.line_no) i.*, (i.quantity * i.price)::numeric(18,2) AS line_revenue
    FROM globalmart.transaction_items AS i JOIN orders AS o ON o.event_time = i.event_time AND o.transaction_id = i.transaction_id
    -- Those behind the span are the next load's, which counts them.
    JOIN globalmart.etl_spans AS s ON s.stream = 'transaction_items' AND s.kafka_partition = i.kafka_partition AND s.until_offset > i.kafka_offset
    WHERE i.event_time >= starts AND i.event_time < ends
    ORDER BY i.event_time, i.transaction_id, i.line_no, i.kafka_partition, i.kafka_offset),
  weighed AS (
    -- Running sums: what is rounded off one line goes to the next, and the last one ends at the whole.
    SELECT x.*, sum(x.weight) OVER (PARTITION BY x.event_time, x.transaction_id) AS whole,
           sum(x.weight) OVER in_order AS until_here, sum(x.weight) OVER in_order - x.weight AS before_here
    FROM (SELECT l.*, CASE WHEN sum(l.line_revenue) OVER (PARTITION BY l.event_time, l.transaction_id) > 0
                           THEN l.line_revenue ELSE 1 END AS weight
          FROM lines AS l) AS x
    WINDOW in_order AS (PARTITION BY x.event_time, x.transaction_id ORDER BY x.line_no))
  SELECT l.event_time, l.transaction_id, l.line_no, globalmart.date_key(day) AS date_key, g.geography_key, c.customer_key, p.product_key,
         l.quantity, l.price AS unit_price, l.line_revenue,
         (round(d.discount_amount * l.until_here / l.whole, 2) - round(d.discount_amount * l.before_here / l.whole, 2))::numeric(18,2) AS discount_share,
         l.payment_method
  FROM weighed AS l
  LEFT JOIN discounts AS d ON d.event_time = l.event_time AND d.transaction_id = l.transaction_id
  JOIN warehouse.dim_geography AS g ON g.country = l.country AND g.effective_from <= l.event_time AND g.effective_to > l.event_time
  JOIN warehouse.dim_customers AS c ON c.user_id = l.user_id AND c.effective_from <= l.event_time AND c.effective_to > l.event_time
  JOIN warehouse.dim_products AS p ON p.product_id = l.product_id AND p.effective_from <= l.event_time AND p.effective_to > l.event_time
  ORDER BY l.event_time, l.transaction_id, l.line_no;
  ANALYZE pg_temp.etl_sales;
  UPDATE warehouse.fact_sales AS f SET discount_share = s.discount_share FROM pg_temp.etl_sales AS s
  WHERE f.event_time = s.event_time AND f.transaction_id = s.transaction_id AND f.line_no = s.line_no
    AND f.event_time >= starts AND f.event_time < ends AND f.discount_share IS DISTINCT FROM s.discount_share;
  rows_written := globalmart.insert_checked('warehouse.fact_sales', 'pg_temp.etl_sales');
  DROP TABLE pg_temp.etl_sales;
END
$$;
COMMENT ON FUNCTION globalmart.load_sales(date) IS 'Loads the order lines of a day in the load under way into fact_sales';

CREATE OR REPLACE FUNCTION globalmart.load_cart_events(day date, OUT rows_read bigint, OUT rows_written bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
BEGIN
  rows_read := (SELECT count(*) FROM pg_temp.etl_day_cart_events);
  CREATE TEMP TABLE etl_cart_events ON COMMIT DROP AS
  SELECT e.event_time, e.event_id, globalmart.date_key(day) AS date_key, g.geography_key, c.customer_key, coalesce(p.product_key, 0) AS product_key,
         e.session_id, e.event_type, coalesce(e.quantity, e.new_quantity) AS quantity, e.price AS unit_price, e.cart_value
  FROM pg_temp.etl_day_cart_events AS e
  JOIN warehouse.dim_geography AS g ON g.country = e.country AND g.effective_from <= e.event_time AND g.effective_to > e.event_time
  JOIN warehouse.dim_customers AS c ON c.user_id = e.user_id AND c.effective_from <= e.event_time AND c.effective_to > e.event_time
  LEFT JOIN warehouse.dim_products AS p ON p.product_id = e.product_id AND p.effective_from <= e.event_time AND p.effective_to > e.event_time
  ORDER BY e.event_time, e.event_id, e.kafka_partition, e.kafka_offset;
  rows_written := globalmart.insert_checked('warehouse.fact_cart_events', 'pg_temp.etl_cart_events');
  DROP TABLE pg_temp.etl_cart_events;
END
$$;
COMMENT ON FUNCTION globalmart.load_cart_events(date) IS 'Loads the cart events of a day in the load under way into fact_cart_events';

CREATE OR REPLACE FUNCTION globalmart.load_product_views(day date, OUT rows_read bigint, OUT rows_written bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
BEGIN
  rows_read := (SELECT count(*) FROM pg_temp.etl_day_product_view_events);
  CREATE TEMP TABLE etl_product_views ON COMMIT DROP AS
  SELECT e.event_time, e.event_id, globalmart.date_key(day) AS date_key, g.geography_key, c.customer_key, coalesce(p.product_key, 0) AS product_key,
         e.session_id, e.event_type, e.view_duration, e.from_search, e.search_query, e.results_count
  FROM pg_temp.etl_day_product_view_events AS e
  JOIN warehouse.dim_geography AS g ON g.country = e.country AND g.effective_from <= e.event_time AND g.effective_to > e.event_time
  JOIN warehouse.dim_customers AS c ON c.user_id = e.user_id AND c.effective_from <= e.event_time AND c.effective_to > e.event_time
  LEFT JOIN warehouse.dim_products AS p ON p.product_id = e.product_id AND p.effective_from <= e.event_time AND p.effective_to > e.event_time
  ORDER BY e.event_time, e.event_id, e.kafka_partition, e.kafka_offset;
  rows_written := globalmart.insert_checked('warehouse.fact_product_views', 'pg_temp.etl_product_views');
  DROP TABLE pg_temp.etl_product_views;
END
$$;
COMMENT ON FUNCTION globalmart.load_product_views(date) IS 'Loads the view events of a day in the load under way into fact_product_views';

CREATE OR REPLACE FUNCTION globalmart.load_day(day date, OUT rows_read bigint, OUT rows_written bigint, OUT rows_rejected bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  leaf text;
  sales record;
  carts record;
  views record;
BEGIN
  -- Facts are checked against them as they are now. At once, not table by table: whoever changes one and then its
  -- facts would wait for us, and we for him.
  LOCK TABLE warehouse.dim_date, warehouse.dim_geography, warehouse.dim_customers, warehouse.dim_products IN SHARE ROW EXCLUSIVE MODE;
  PERFORM globalmart.make_fact_partitions(day);
  PERFORM globalmart.extend_calendar(day);
  -- Nobody may have analysed the day yet, and a plan for twelve rows takes an hour for a million.
  FOR leaf IN
    SELECT l.leaf FROM unnest('{transactions,transaction_items,cart_events,product_view_events}'::text[]) AS s
    CROSS JOIN LATERAL globalmart.stream_leaves(s) AS l WHERE l.day = load_day.day
  LOOP
    EXECUTE format('ANALYZE globalmart.%I', leaf);
  END LOOP;
  PERFORM globalmart.take_day(day);
  IF globalmart.infer_members() > 1000 THEN
    ANALYZE warehouse.dim_customers, warehouse.dim_products;
  END IF;
  SELECT * INTO sales FROM globalmart.load_sales(day);
  SELECT * INTO carts FROM globalmart.load_cart_events(day);
  SELECT * INTO views FROM globalmart.load_product_views(day);
  rows_read := sales.rows_read + carts.rows_read + views.rows_read;
  rows_written := sales.rows_written + carts.rows_written + views.rows_written;
  -- A line that was redriven since the load began is written with its order, and read by the next load.
  rows_rejected := greatest(sales.rows_read - sales.rows_written, 0) + carts.rows_read - carts.rows_written + views.rows_read - views.rows_written;
  DROP TABLE pg_temp.etl_day_transactions, pg_temp.etl_day_transaction_items, pg_temp.etl_day_cart_events, pg_temp.etl_day_product_view_events;
  UPDATE globalmart.etl_load_days AS l SET loaded = true WHERE l.day = load_day.day;
  -- Carts are in no analysis.
  IF sales.rows_written > 0 THEN
    PERFORM globalmart.mark_for_analysis(ARRAY[day], '{sales,products,rfm}');
  ELSIF views.rows_written > 0 THEN
    PERFORM globalmart.mark_for_analysis(ARRAY[day], '{products}');
  END IF;
END
$$;
COMMENT ON FUNCTION globalmart.load_day(date) IS
  'Loads a day of the load under way: partitions, calendar, inferred members and facts, in the caller''s transaction';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (40, 'warehouse/analytics.sql', $shop_script$
-- What the night computes of the facts, a run for each analysis_date. A day whose facts changed since is
-- analysed again, and so is every later one that looks back on it.
CREATE TABLE IF NOT EXISTS warehouse.rfm_analysis (
  analysis_date date NOT NULL,
  customer_key  bigint NOT NULL REFERENCES warehouse.dim_customers,
  recency_days  int NOT NULL,
  frequency     bigint NOT NULL,
  monetary      numeric(18,2) NOT NULL,
  r_score       int NOT NULL CHECK (r_score BETWEEN 1 AND 5),
  f_score       int NOT NULL CHECK (f_score BETWEEN 1 AND 5),
  m_score       int NOT NULL CHECK (m_score BETWEEN 1 AND 5),
  segment       text NOT NULL,
  PRIMARY KEY (analysis_date, customer_key)
);
COMMENT ON TABLE warehouse.rfm_analysis IS 'Recency, frequency and monetary value of every customer with an order in the year up to the day (setting rfm_span), scored by quintiles among them';
COMMENT ON COLUMN warehouse.rfm_analysis.analysis_date IS 'UTC day at whose end it is seen';
COMMENT ON COLUMN warehouse.rfm_analysis.customer_key IS 'Customer, in the version in force at the end of the day';
COMMENT ON COLUMN warehouse.rfm_analysis.recency_days IS 'Days since the day of the last order; 0: on analysis_date';
COMMENT ON COLUMN warehouse.rfm_analysis.frequency IS 'Orders';
COMMENT ON COLUMN warehouse.rfm_analysis.monetary IS 'Sum of line_revenue; money';
COMMENT ON COLUMN warehouse.rfm_analysis.r_score IS '5 the most recent: 5 less the quintile cut points strictly below recency_days';
COMMENT ON COLUMN warehouse.rfm_analysis.f_score IS '5 the most frequent: 1 plus the quintile cut points strictly below frequency';
COMMENT ON COLUMN warehouse.rfm_analysis.m_score IS '5 the most valuable: 1 plus the quintile cut points strictly below monetary';
COMMENT ON COLUMN warehouse.rfm_analysis.segment IS 'The first that fits: Champions (r, f, m >= 4), Loyal Customers (f >= 4, r >= 3), Big Spenders (m >= 4, r >= 3), Promising (r >= 4, f <= 2), At Risk (r <= 2 and f >= 3 or m >= 3), Lost (r <= 2), Regular';

CREATE OR REPLACE FUNCTION globalmart.rfm_segment(r_score int, f_score int, m_score int) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE
    WHEN r_score >= 4 AND f_score >= 4 AND m_score >= 4 THEN 'Champions'
    WHEN f_score >= 4 AND r_score >= 3 THEN 'Loyal Customers'
    WHEN m_score >= 4 AND r_score >= 3 THEN 'Big Spenders'
    WHEN r_score >= 4 AND f_score <= 2 THEN 'Promising'
    WHEN r_score <= 2 AND (f_score >= 3 OR m_score >= 3) THEN 'At Risk'
    WHEN r_score <= 2 THEN 'Lost'
    ELSE 'Regular'
  END
$$;
COMMENT ON FUNCTION globalmart.rfm_segment(int, int, int) IS 'The segment of a customer with these scores';

CREATE TABLE IF NOT EXISTS warehouse.product_performance (
  analysis_date         date NOT NULL,
  product_key           bigint NOT NULL REFERENCES warehouse.dim_products,
  orders                bigint NOT NULL,
  units_sold            bigint NOT NULL,
  total_revenue         numeric(18,2) NOT NULL,
  views                 bigint NOT NULL,
  unique_viewers        bigint NOT NULL,
  conversion_rate_pct   double precision,
  rank_in_category      int,
  rank_overall          int,
  tier                  text NOT NULL,
  PRIMARY KEY (analysis_date, product_key)
);
COMMENT ON TABLE warehouse.product_performance IS 'Every product that was sold or viewed on the day, by versions of the end of the day';
COMMENT ON COLUMN warehouse.product_performance.analysis_date IS 'UTC day';
COMMENT ON COLUMN warehouse.product_performance.product_key IS 'Product, in the version in force at the end of the day';
COMMENT ON COLUMN warehouse.product_performance.orders IS 'Orders with a line of it';
COMMENT ON COLUMN warehouse.product_performance.units_sold IS 'Units sold';
COMMENT ON COLUMN warehouse.product_performance.total_revenue IS 'Sum of line_revenue; money';
COMMENT ON COLUMN warehouse.product_performance.views IS 'Times that it was viewed';
COMMENT ON COLUMN warehouse.product_performance.unique_viewers IS 'Customers who viewed it';
COMMENT ON COLUMN warehouse.product_performance.conversion_rate_pct IS '100 x orders / views; NULL without a view';
COMMENT ON COLUMN warehouse.product_performance.rank_in_category IS 'Rank by revenue among those sold of its category, equal revenue equal rank; NULL: not sold';
COMMENT ON COLUMN warehouse.product_performance.rank_overall IS 'Rank by revenue among all sold, equal revenue equal rank; NULL: not sold';
COMMENT ON COLUMN warehouse.product_performance.tier IS 'A: the best sellers that bring the first 80 % of the revenue, B: up to 95 %, C: the rest, None: not sold. Equal revenue is in one tier, that of the first';

CREATE TABLE IF NOT EXISTS warehouse.demand_forecast (
  forecast_date  date NOT NULL,
  product_key    bigint NOT NULL REFERENCES warehouse.dim_products,
  analysis_date  date NOT NULL,
  units_forecast double precision NOT NULL,
  mean_error     double precision NOT NULL,
  naive_error    double precision NOT NULL,
  error_ratio    double precision,
  PRIMARY KEY (forecast_date, product_key)
);
COMMENT ON TABLE warehouse.demand_forecast IS 'Units that will be sold, for each of seven days ahead, of products sold on 14 or more of the 56 days before: exponential smoothing with additive trend and weekly season (Holt and Winters), from daily units';
COMMENT ON COLUMN warehouse.demand_forecast.forecast_date IS 'UTC day that is forecast; of days that are past, what was said of them last';
COMMENT ON COLUMN warehouse.demand_forecast.product_key IS 'Product, in the version in force at the end of analysis_date';
COMMENT ON COLUMN warehouse.demand_forecast.analysis_date IS 'Last day that the forecast knows';
COMMENT ON COLUMN warehouse.demand_forecast.units_forecast IS 'Units, never less than 0';
COMMENT ON COLUMN warehouse.demand_forecast.mean_error IS 'Mean absolute error on the last seven days known, forecast without them; units a day';
COMMENT ON COLUMN warehouse.demand_forecast.naive_error IS 'The same of the naive forecast, which repeats the week before';
COMMENT ON COLUMN warehouse.demand_forecast.error_ratio IS 'mean_error / naive_error: below 1 it is better than the naive forecast; NULL: the naive one had no error';

-- The day of an analysis is a day of the calendar, and tools find that by its foreign key. Added here and not in
-- CREATE TABLE, for tables that are there already.
DO $calendar$
DECLARE
  named record;
  key_name text;
  first_day date;
  last_day date;
BEGIN
  FOR named IN
    SELECT * FROM (VALUES ('rfm_analysis', 'analysis_date'), ('product_performance', 'analysis_date'),
                          ('demand_forecast', 'forecast_date')) AS v(relation, day_column)
  LOOP
    key_name := format('%s_%s_fkey', named.relation, named.day_column);
    CONTINUE WHEN EXISTS (SELECT FROM pg_constraint AS c
                          WHERE c.conrelid = format('warehouse.%I', named.relation)::regclass AND c.conname = key_name);
    EXECUTE format('SELECT min(%1$I), max(%1$I) FROM warehouse.%2$I', named.day_column, named.relation) INTO first_day, last_day;
    PERFORM globalmart.extend_calendar(first_day), globalmart.extend_calendar(last_day) WHERE first_day IS NOT NULL;
    EXECUTE format('ALTER TABLE warehouse.%I ADD CONSTRAINT %I FOREIGN KEY (%I) REFERENCES warehouse.dim_date (full_date)',
                   named.relation, key_name, named.day_column);
  END LOOP;
END
$calendar$;

-- All that is sold adds up over days: an order is at one time. So weeks, months and years are sums of days.
CREATE TABLE IF NOT EXISTS warehouse.daily_category_sales (
  date_key      int NOT NULL REFERENCES warehouse.dim_date,
  category      text NOT NULL,
  order_lines   bigint NOT NULL,
  orders        bigint NOT NULL,
  units_sold    bigint NOT NULL,
  total_revenue numeric(18,2) NOT NULL,
  PRIMARY KEY (date_key, category)
);
COMMENT ON TABLE warehouse.daily_category_sales IS 'Sales by day and category, the category as it was at the time of the order';
COMMENT ON COLUMN warehouse.daily_category_sales.date_key IS 'UTC day';
COMMENT ON COLUMN warehouse.daily_category_sales.category IS 'Category';
COMMENT ON COLUMN warehouse.daily_category_sales.order_lines IS 'Order lines';
COMMENT ON COLUMN warehouse.daily_category_sales.orders IS 'Orders with a line of the category: not to be summed over categories';
COMMENT ON COLUMN warehouse.daily_category_sales.units_sold IS 'Units sold';
COMMENT ON COLUMN warehouse.daily_category_sales.total_revenue IS 'Sum of line_revenue; money';

CREATE OR REPLACE VIEW warehouse.sales_trends AS
  WITH periods AS (
    SELECT g.grain, s.category,
           CASE g.grain WHEN 'day' THEN d.full_date
                        WHEN 'week' THEN d.full_date - (d.day_of_week - 1)
                        WHEN 'month' THEN make_date(d.year, d.month, 1)
                        ELSE make_date(d.year, d.quarter * 3 - 2, 1) END AS period_start,
           CASE g.grain WHEN 'day' THEN d.full_date::text
                        WHEN 'week' THEN d.iso_year_week
                        WHEN 'month' THEN d.year_month
                        ELSE d.year_quarter END AS period,
           sum(s.order_lines)::bigint AS order_lines, sum(s.orders)::bigint AS orders,
           sum(s.units_sold)::bigint AS units_sold, sum(s.total_revenue)::numeric(18,2) AS total_revenue
    FROM warehouse.daily_category_sales AS s
    JOIN warehouse.dim_date AS d USING (date_key)
    CROSS JOIN (VALUES ('day', interval '1 day'), ('week', interval '7 days'), ('month', interval '1 month'), ('quarter', interval '3 months')) AS g(grain, width)
    GROUP BY 1, 2, 3, 4)
  SELECT p.grain, p.period_start, p.period, p.category, p.order_lines, p.orders, p.units_sold, p.total_revenue,
         (100 * (p.total_revenue - b.total_revenue) / nullif(b.total_revenue, 0))::double precision AS growth_pct
  FROM periods AS p
  LEFT JOIN periods AS b
    ON b.grain = p.grain AND b.category = p.category
   AND b.period_start = (p.period_start - CASE p.grain WHEN 'day' THEN interval '1 day' WHEN 'week' THEN interval '7 days'
                                                       WHEN 'month' THEN interval '1 month' ELSE interval '3 months' END)::date;
COMMENT ON VIEW warehouse.sales_trends IS 'Sales by category and period: rows of one grain add up, rows of different grain never';
COMMENT ON COLUMN warehouse.sales_trends.grain IS 'day, week (ISO 8601), month or quarter: always to be filtered by';
COMMENT ON COLUMN warehouse.sales_trends.period_start IS 'First day of the period';
COMMENT ON COLUMN warehouse.sales_trends.period IS 'Its name: 2026-11-24, 2026-W48, 2026-11, 2026-Q4';
COMMENT ON COLUMN warehouse.sales_trends.category IS 'Category';
COMMENT ON COLUMN warehouse.sales_trends.order_lines IS 'Order lines';
COMMENT ON COLUMN warehouse.sales_trends.orders IS 'Orders with a line of the category: not to be summed over categories';
COMMENT ON COLUMN warehouse.sales_trends.units_sold IS 'Units sold';
COMMENT ON COLUMN warehouse.sales_trends.total_revenue IS 'Sum of line_revenue; money';
COMMENT ON COLUMN warehouse.sales_trends.growth_pct IS 'Change of the revenue against the period before, percent; NULL where there is none';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (41, 'warehouse/analyse_day.sql', $shop_script$
-- The analyses of one day, done anew each time: what was there is taken away first.
CREATE OR REPLACE FUNCTION globalmart.analyse_rfm(analysis_date date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
  ends timestamptz := (analyse_rfm.analysis_date + 1)::timestamp AT TIME ZONE 'UTC';
  starts timestamptz := ends - globalmart.setting('rfm_span')::interval;
  written bigint;
BEGIN
  PERFORM globalmart.extend_calendar(analyse_rfm.analysis_date);
  DELETE FROM warehouse.rfm_analysis AS a WHERE a.analysis_date = analyse_rfm.analysis_date;
  CREATE TEMP TABLE etl_rfm ON COMMIT DROP AS
  WITH customers AS (
    SELECT c.durable_key, analyse_rfm.analysis_date - max(f.event_time AT TIME ZONE 'UTC')::date AS recency_days,
           count(DISTINCT f.transaction_id) AS frequency, sum(f.line_revenue) AS monetary
    FROM warehouse.fact_sales AS f JOIN warehouse.dim_customers AS c USING (customer_key)
    WHERE f.event_time < ends AND (starts IS NULL OR f.event_time >= starts)
    GROUP BY c.durable_key),
  cuts AS (
    SELECT percentile_cont('{0.2,0.4,0.6,0.8}'::float8[]) WITHIN GROUP (ORDER BY c.recency_days::float8) AS recency,
           percentile_cont('{0.2,0.4,0.6,0.8}'::float8[]) WITHIN GROUP (ORDER BY c.frequency::float8) AS frequency,
           percentile_cont('{0.2,0.4,0.6,0.8}'::float8[]) WITHIN GROUP (ORDER BY c.monetary::float8) AS monetary
    FROM customers AS c),
  scored AS (
    SELECT c.*,
           5 - (q.recency[1] < c.recency_days::float8)::int - (q.recency[2] < c.recency_days::float8)::int
             - (q.recency[3] < c.recency_days::float8)::int - (q.recency[4] < c.recency_days::float8)::int AS r_score,
           1 + (q.frequency[1] < c.frequency::float8)::int + (q.frequency[2] < c.frequency::float8)::int
             + (q.frequency[3] < c.frequency::float8)::int + (q.frequency[4] < c.frequency::float8)::int AS f_score,
           1 + (q.monetary[1] < c.monetary::float8)::int + (q.monetary[2] < c.monetary::float8)::int
             + (q.monetary[3] < c.monetary::float8)::int + (q.monetary[4] < c.monetary::float8)::int AS m_score
    FROM customers AS c CROSS JOIN cuts AS q),
  segments AS MATERIALIZED (
    SELECT r AS r_score, f AS f_score, m AS m_score, globalmart.rfm_segment(r, f, m) AS segment
    FROM generate_series(1, 5) AS r, generate_series(1, 5) AS f, generate_series(1, 5) AS m)
  SELECT analyse_rfm.analysis_date AS analysis_date, d.customer_key, s.recency_days, s.frequency, s.monetary, s.r_score, s.f_score, s.m_score,
         g.segment
  FROM scored AS s
  JOIN segments AS g USING (r_score, f_score, m_score)
  JOIN warehouse.dim_customers AS d ON d.durable_key = s.durable_key AND d.effective_from < ends AND d.effective_to >= ends
  ORDER BY d.customer_key;
  written := globalmart.insert_checked('warehouse.rfm_analysis', 'pg_temp.etl_rfm');
  DROP TABLE pg_temp.etl_rfm;
  RETURN written;
END
$$;
COMMENT ON FUNCTION globalmart.analyse_rfm(date) IS 'Does rfm_analysis of a day anew; gives how many customers';

CREATE OR REPLACE FUNCTION globalmart.analyse_products(analysis_date date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
  starts timestamptz := analyse_products.analysis_date::timestamp AT TIME ZONE 'UTC';
  ends timestamptz := (analyse_products.analysis_date + 1)::timestamp AT TIME ZONE 'UTC';
  written bigint;
BEGIN
  PERFORM globalmart.extend_calendar(analyse_products.analysis_date);
  DELETE FROM warehouse.product_performance AS a WHERE a.analysis_date = analyse_products.analysis_date;
  CREATE TEMP TABLE etl_product_performance ON COMMIT DROP AS
  WITH sold AS (
    SELECT p.durable_key, count(DISTINCT f.transaction_id) AS orders, sum(f.quantity)::bigint AS units_sold, sum(f.line_revenue) AS total_revenue
    FROM warehouse.fact_sales AS f JOIN warehouse.dim_products AS p USING (product_key)
    WHERE f.event_time >= starts AND f.event_time < ends
    GROUP BY p.durable_key),
  viewed AS (
    SELECT p.durable_key, count(*) AS views, count(DISTINCT c.durable_key) AS unique_viewers
    FROM warehouse.fact_product_views AS f
    JOIN warehouse.dim_products AS p USING (product_key)
    JOIN warehouse.dim_customers AS c USING (customer_key)
    WHERE f.event_time >= starts AND f.event_time < ends AND f.event_type = 'view'
    GROUP BY p.durable_key),
  both_sides AS (
    SELECT d.product_key, d.category, coalesce(s.orders, 0) AS orders, coalesce(s.units_sold, 0) AS units_sold,
           coalesce(s.total_revenue, 0) AS total_revenue, coalesce(v.views, 0) AS views, coalesce(v.unique_viewers, 0) AS unique_viewers,
           s.durable_key IS NOT NULL AS was_sold
    FROM sold AS s FULL JOIN viewed AS v USING (durable_key)
    JOIN warehouse.dim_products AS d ON d.durable_key = coalesce(s.durable_key, v.durable_key)
      AND d.effective_from < ends AND d.effective_to >= ends),
  ranked AS (
    -- What those ahead of it brought: the first one is always in tier A.
    SELECT b.*, sum(b.total_revenue) OVER () AS everything,
           sum(b.total_revenue) OVER (ORDER BY b.total_revenue DESC) - sum(b.total_revenue) OVER (PARTITION BY b.total_revenue) AS ahead,
           rank() OVER (PARTITION BY b.was_sold, b.category ORDER BY b.total_revenue DESC) AS rank_in_category,
           rank() OVER (PARTITION BY b.was_sold ORDER BY b.total_revenue DESC) AS rank_overall
    FROM both_sides AS b)
  SELECT analyse_products.analysis_date AS analysis_date, r.product_key, r.orders, r.units_sold, r.total_revenue, r.views, r.unique_viewers,
         100.0 * r.orders / nullif(r.views, 0) AS conversion_rate_pct,
         CASE WHEN r.was_sold THEN r.rank_in_category END AS rank_in_category, CASE WHEN r.was_sold THEN r.rank_overall END AS rank_overall,
         CASE WHEN NOT r.was_sold THEN 'None' WHEN r.ahead < 0.80 * r.everything OR r.ahead = 0 THEN 'A'
              WHEN r.ahead < 0.95 * r.everything THEN 'B' ELSE 'C' END AS tier
  FROM ranked AS r
  ORDER BY r.product_key;
  written := globalmart.insert_checked('warehouse.product_performance', 'pg_temp.etl_product_performance');
  DROP TABLE pg_temp.etl_product_performance;
  RETURN written;
END
$$;
COMMENT ON FUNCTION globalmart.analyse_products(date) IS 'Does product_performance of a day anew; gives how many products';

CREATE OR REPLACE FUNCTION globalmart.analyse_sales(analysis_date date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  starts timestamptz := analysis_date::timestamp AT TIME ZONE 'UTC';
  ends timestamptz := (analysis_date + 1)::timestamp AT TIME ZONE 'UTC';
  written bigint;
BEGIN
  DELETE FROM warehouse.daily_category_sales AS s WHERE s.date_key = globalmart.date_key(analysis_date);
  INSERT INTO warehouse.daily_category_sales (date_key, category, order_lines, orders, units_sold, total_revenue)
  SELECT f.date_key, p.category, count(*), count(DISTINCT f.transaction_id), sum(f.quantity), sum(f.line_revenue)
  FROM warehouse.fact_sales AS f JOIN warehouse.dim_products AS p USING (product_key)
  WHERE f.event_time >= starts AND f.event_time < ends
  GROUP BY f.date_key, p.category
  ORDER BY p.category;
  GET DIAGNOSTICS written = ROW_COUNT;
  RETURN written;
END
$$;
COMMENT ON FUNCTION globalmart.analyse_sales(date) IS 'Does daily_category_sales of a day anew; gives how many categories';

CREATE OR REPLACE FUNCTION globalmart.analyse_forecast(analysis_date date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
  ends timestamptz := (analyse_forecast.analysis_date + 1)::timestamp AT TIME ZONE 'UTC';
  written bigint;
BEGIN
  PERFORM globalmart.extend_calendar(analyse_forecast.analysis_date + 7);
  DELETE FROM warehouse.demand_forecast AS f WHERE f.forecast_date > analyse_forecast.analysis_date;
  CREATE TEMP TABLE etl_forecast ON COMMIT DROP AS
  WITH series AS (
    -- A product has one row a day. From the first sale on, a day without one is 0.
    SELECT p.durable_key,
           globalmart.dense_series(array_agg(a.analysis_date - analyse_forecast.analysis_date), array_agg(a.units_sold::float8), 0) AS history
    FROM warehouse.product_performance AS a JOIN warehouse.dim_products AS p USING (product_key)
    WHERE a.analysis_date > analyse_forecast.analysis_date - 56 AND a.analysis_date <= analyse_forecast.analysis_date AND a.units_sold > 0
    GROUP BY p.durable_key
    HAVING count(*) >= 14)
  SELECT analyse_forecast.analysis_date + u.step::int AS forecast_date, p.product_key, analyse_forecast.analysis_date AS analysis_date,
         greatest(u.units, 0) AS units_forecast, f.mean_error, f.naive_error, f.mean_error / nullif(f.naive_error, 0) AS error_ratio
  FROM series AS s
  CROSS JOIN LATERAL globalmart.forecast_holt_winters(s.history, 7, 7) AS f
  CROSS JOIN LATERAL unnest(f.forecast) WITH ORDINALITY AS u(units, step)
  JOIN warehouse.dim_products AS p ON p.durable_key = s.durable_key AND p.effective_from < ends AND p.effective_to >= ends
  ORDER BY 1, 2;
  written := globalmart.insert_checked('warehouse.demand_forecast', 'pg_temp.etl_forecast');
  DROP TABLE pg_temp.etl_forecast;
  RETURN written;
END
$$;
COMMENT ON FUNCTION globalmart.analyse_forecast(date) IS 'Does demand_forecast anew for the week after a day; gives how many rows';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (42, 'warehouse/views.sql', $shop_script$
-- What managers ask of the warehouse, each one view. Customers and products are counted as what they are
-- (durable_key), whatever version a fact points at.
CREATE OR REPLACE VIEW warehouse.customer_segments AS
  SELECT a.analysis_date, a.segment, count(*) AS customers,
         (100.0 * count(*) / sum(count(*)) OVER (PARTITION BY a.analysis_date))::double precision AS customer_share_pct,
         sum(a.frequency)::bigint AS orders, sum(a.monetary)::numeric(18,2) AS total_revenue,
         (100 * sum(a.monetary) / nullif(sum(sum(a.monetary)) OVER (PARTITION BY a.analysis_date), 0))::double precision AS revenue_share_pct,
         avg(a.recency_days)::double precision AS avg_recency_days, avg(a.frequency)::double precision AS avg_frequency,
         (sum(a.monetary) / count(*))::numeric(18,2) AS avg_monetary
  FROM warehouse.rfm_analysis AS a
  GROUP BY a.analysis_date, a.segment;
COMMENT ON VIEW warehouse.customer_segments IS 'The segments of rfm_analysis, a row a day and segment';
COMMENT ON COLUMN warehouse.customer_segments.analysis_date IS 'UTC day at whose end it is seen';
COMMENT ON COLUMN warehouse.customer_segments.segment IS 'Segment, as in rfm_analysis';
COMMENT ON COLUMN warehouse.customer_segments.customers IS 'Customers in it';
COMMENT ON COLUMN warehouse.customer_segments.customer_share_pct IS 'Their share of the customers of the day, percent';
COMMENT ON COLUMN warehouse.customer_segments.orders IS 'Their orders in the span of the analysis';
COMMENT ON COLUMN warehouse.customer_segments.total_revenue IS 'Their revenue in the span of the analysis; money. A level: not to be summed over days';
COMMENT ON COLUMN warehouse.customer_segments.revenue_share_pct IS 'Its share of the revenue of all, percent';
COMMENT ON COLUMN warehouse.customer_segments.avg_recency_days IS 'Average days since the last order';
COMMENT ON COLUMN warehouse.customer_segments.avg_frequency IS 'Average orders of a customer';
COMMENT ON COLUMN warehouse.customer_segments.avg_monetary IS 'Average revenue of a customer; money';

CREATE OR REPLACE VIEW warehouse.customer_lifetime_value AS
  SELECT c.customer_key, c.user_id, c.country, s.first_order_at, s.last_order_at, s.orders, s.total_revenue, s.total_discount,
         (s.total_revenue / s.orders)::numeric(18,2) AS avg_order_value
  FROM (SELECT d.durable_key, min(f.event_time) AS first_order_at, max(f.event_time) AS last_order_at,
               count(DISTINCT f.transaction_id) AS orders, sum(f.line_revenue)::numeric(18,2) AS total_revenue,
               sum(f.discount_share)::numeric(18,2) AS total_discount
        FROM warehouse.fact_sales AS f JOIN warehouse.dim_customers AS d USING (customer_key)
        GROUP BY d.durable_key) AS s
  JOIN warehouse.dim_customers AS c ON c.durable_key = s.durable_key AND c.is_current;
COMMENT ON VIEW warehouse.customer_lifetime_value IS 'What every customer bought since ever';
COMMENT ON COLUMN warehouse.customer_lifetime_value.customer_key IS 'Customer, in the current version';
COMMENT ON COLUMN warehouse.customer_lifetime_value.user_id IS 'The customer, as in the events';
COMMENT ON COLUMN warehouse.customer_lifetime_value.country IS 'Country of the customer now';
COMMENT ON COLUMN warehouse.customer_lifetime_value.first_order_at IS 'First order';
COMMENT ON COLUMN warehouse.customer_lifetime_value.last_order_at IS 'Last order';
COMMENT ON COLUMN warehouse.customer_lifetime_value.orders IS 'Orders';
COMMENT ON COLUMN warehouse.customer_lifetime_value.total_revenue IS 'Sum of line_revenue, before discounts; money';
COMMENT ON COLUMN warehouse.customer_lifetime_value.total_discount IS 'Discounts that were told; money';
COMMENT ON COLUMN warehouse.customer_lifetime_value.avg_order_value IS 'total_revenue / orders; money';

CREATE OR REPLACE VIEW warehouse.top_products_by_revenue AS
  SELECT rank() OVER (ORDER BY s.total_revenue DESC) AS revenue_rank, p.product_key, p.product_id, p.product_name, p.category,
         s.orders, s.units_sold, s.total_revenue, s.views, (100.0 * s.orders / nullif(s.views, 0))::double precision AS conversion_rate_pct
  FROM (SELECT d.durable_key, sum(a.orders)::bigint AS orders, sum(a.units_sold)::bigint AS units_sold,
               sum(a.total_revenue)::numeric(18,2) AS total_revenue, sum(a.views)::bigint AS views
        FROM warehouse.product_performance AS a JOIN warehouse.dim_products AS d USING (product_key)
        GROUP BY d.durable_key) AS s
  JOIN warehouse.dim_products AS p ON p.durable_key = s.durable_key AND p.is_current
  WHERE s.units_sold > 0;
COMMENT ON VIEW warehouse.top_products_by_revenue IS 'Products by revenue over all days that were analysed';
COMMENT ON COLUMN warehouse.top_products_by_revenue.revenue_rank IS 'Rank by revenue, equal revenue equal rank';
COMMENT ON COLUMN warehouse.top_products_by_revenue.product_key IS 'Product, in the current version';
COMMENT ON COLUMN warehouse.top_products_by_revenue.product_id IS 'The product, as in the events';
COMMENT ON COLUMN warehouse.top_products_by_revenue.product_name IS 'Name now';
COMMENT ON COLUMN warehouse.top_products_by_revenue.category IS 'Category now';
COMMENT ON COLUMN warehouse.top_products_by_revenue.orders IS 'Orders with a line of it';
COMMENT ON COLUMN warehouse.top_products_by_revenue.units_sold IS 'Units sold';
COMMENT ON COLUMN warehouse.top_products_by_revenue.total_revenue IS 'Sum of line_revenue; money';
COMMENT ON COLUMN warehouse.top_products_by_revenue.views IS 'Times that it was viewed';
COMMENT ON COLUMN warehouse.top_products_by_revenue.conversion_rate_pct IS '100 x orders / views; NULL without a view';

CREATE OR REPLACE VIEW warehouse.cohort_retention AS
  WITH active AS (
    SELECT DISTINCT d.durable_key, date_trunc('month', f.event_time AT TIME ZONE 'UTC')::date AS month
    FROM warehouse.fact_sales AS f JOIN warehouse.dim_customers AS d USING (customer_key)),
  cohorts AS (SELECT a.durable_key, min(a.month) AS cohort_month FROM active AS a GROUP BY a.durable_key),
  sizes AS (SELECT c.cohort_month, count(*) AS cohort_size FROM cohorts AS c GROUP BY c.cohort_month)
  SELECT c.cohort_month, a.month AS active_month,
         ((extract(year FROM a.month) - extract(year FROM c.cohort_month)) * 12 + extract(month FROM a.month) - extract(month FROM c.cohort_month))::int AS months_since,
         s.cohort_size, count(*) AS active_customers, (100.0 * count(*) / s.cohort_size)::double precision AS retention_pct
  FROM cohorts AS c JOIN active AS a USING (durable_key) JOIN sizes AS s USING (cohort_month)
  GROUP BY c.cohort_month, a.month, s.cohort_size;
COMMENT ON VIEW warehouse.cohort_retention IS 'Of those who first ordered in a month, how many ordered in each later one';
COMMENT ON COLUMN warehouse.cohort_retention.cohort_month IS 'Month of the first order';
COMMENT ON COLUMN warehouse.cohort_retention.active_month IS 'Month that is looked at';
COMMENT ON COLUMN warehouse.cohort_retention.months_since IS 'Months between them; 0: the same';
COMMENT ON COLUMN warehouse.cohort_retention.cohort_size IS 'Customers of the cohort';
COMMENT ON COLUMN warehouse.cohort_retention.active_customers IS 'Those of them who ordered in the month';
COMMENT ON COLUMN warehouse.cohort_retention.retention_pct IS '100 x active_customers / cohort_size';

CREATE OR REPLACE VIEW warehouse.payment_mix AS
  SELECT d.year_month, f.payment_method, count(DISTINCT f.transaction_id) AS orders, sum(f.line_revenue)::numeric(18,2) AS total_revenue,
         (100.0 * count(DISTINCT f.transaction_id) / sum(count(DISTINCT f.transaction_id)) OVER (PARTITION BY d.year_month))::double precision AS order_share_pct,
         (100 * sum(f.line_revenue) / nullif(sum(sum(f.line_revenue)) OVER (PARTITION BY d.year_month), 0))::double precision AS revenue_share_pct
  FROM warehouse.fact_sales AS f JOIN warehouse.dim_date AS d USING (date_key)
  GROUP BY d.year_month, f.payment_method;
COMMENT ON VIEW warehouse.payment_mix IS 'How orders were paid, by month';
COMMENT ON COLUMN warehouse.payment_mix.year_month IS 'Month, such as 2026-11';
COMMENT ON COLUMN warehouse.payment_mix.payment_method IS 'Payment method';
COMMENT ON COLUMN warehouse.payment_mix.orders IS 'Orders';
COMMENT ON COLUMN warehouse.payment_mix.total_revenue IS 'Sum of line_revenue; money';
COMMENT ON COLUMN warehouse.payment_mix.order_share_pct IS 'Share of the orders of the month, percent';
COMMENT ON COLUMN warehouse.payment_mix.revenue_share_pct IS 'Share of the revenue of the month, percent';

CREATE OR REPLACE VIEW warehouse.conversion_funnel AS
  WITH did AS (
    SELECT v.date_key, g.country, c.durable_key, true AS viewed, false AS added, false AS checked_out, false AS ordered
    FROM warehouse.fact_product_views AS v JOIN warehouse.dim_geography AS g USING (geography_key) JOIN warehouse.dim_customers AS c USING (customer_key)
    WHERE v.event_type = 'view'
    UNION ALL
    SELECT e.date_key, g.country, c.durable_key, false, e.event_type = 'add_to_cart', e.event_type = 'checkout', false
    FROM warehouse.fact_cart_events AS e JOIN warehouse.dim_geography AS g USING (geography_key) JOIN warehouse.dim_customers AS c USING (customer_key)
    WHERE e.event_type IN ('add_to_cart', 'checkout')
    UNION ALL
    SELECT s.date_key, g.country, c.durable_key, false, false, false, true
    FROM warehouse.fact_sales AS s JOIN warehouse.dim_geography AS g USING (geography_key) JOIN warehouse.dim_customers AS c USING (customer_key)),
  customers AS (
    SELECT d.date_key, d.country, d.durable_key, bool_or(d.viewed) AS viewed, bool_or(d.added) AS added,
           bool_or(d.checked_out) AS checked_out, bool_or(d.ordered) AS ordered
    FROM did AS d GROUP BY d.date_key, d.country, d.durable_key)
  SELECT c.date_key, c.country, count(*) FILTER (WHERE c.viewed) AS viewers, count(*) FILTER (WHERE c.added) AS cart_customers,
         count(*) FILTER (WHERE c.checked_out) AS checkout_customers, count(*) FILTER (WHERE c.ordered) AS buyers,
         (100.0 * count(*) FILTER (WHERE c.viewed AND c.ordered) / nullif(count(*) FILTER (WHERE c.viewed), 0))::double precision AS conversion_rate_pct
  FROM customers AS c
  GROUP BY c.date_key, c.country;
COMMENT ON VIEW warehouse.conversion_funnel IS 'Customers who viewed, put into a cart, checked out and ordered, by UTC day and country';
COMMENT ON COLUMN warehouse.conversion_funnel.date_key IS 'UTC day of dim_date';
COMMENT ON COLUMN warehouse.conversion_funnel.country IS 'Country of the events';
COMMENT ON COLUMN warehouse.conversion_funnel.viewers IS 'Customers who viewed a product';
COMMENT ON COLUMN warehouse.conversion_funnel.cart_customers IS 'Customers who put something into a cart';
COMMENT ON COLUMN warehouse.conversion_funnel.checkout_customers IS 'Customers who checked out';
COMMENT ON COLUMN warehouse.conversion_funnel.buyers IS 'Customers who ordered';
COMMENT ON COLUMN warehouse.conversion_funnel.conversion_rate_pct IS '100 x viewers who ordered / viewers; NULL without a viewer';

CREATE OR REPLACE VIEW warehouse.anomaly_history AS
  SELECT globalmart.date_key((a.event_time AT TIME ZONE 'UTC')::date) AS date_key, a.country, a.anomaly_type, a.severity,
         count(*) AS anomalies, count(DISTINCT a.user_id) AS customers
  FROM (SELECT h.event_time, h.country, h.anomaly_type, h.severity, h.user_id FROM globalmart.high_value_anomalies AS h
        UNION ALL
        SELECT q.event_time, q.country, q.anomaly_type, q.severity, q.user_id FROM globalmart.high_quantity_anomalies AS q
        UNION ALL
        SELECT s.last_transaction, s.country, s.anomaly_type, s.severity, s.user_id FROM globalmart.suspicious_patterns AS s) AS a
  GROUP BY 1, 2, 3, 4;
COMMENT ON VIEW warehouse.anomaly_history IS 'Anomalies by UTC day, country, type and severity, of the real-time tables: late orders included, but in suspicious_patterns';
COMMENT ON COLUMN warehouse.anomaly_history.date_key IS 'UTC day of dim_date';
COMMENT ON COLUMN warehouse.anomaly_history.country IS 'Country of the order';
COMMENT ON COLUMN warehouse.anomaly_history.anomaly_type IS 'high_value, high_quantity, high_frequency, high_spending or frequency_and_spending';
COMMENT ON COLUMN warehouse.anomaly_history.severity IS 'medium, high or critical';
COMMENT ON COLUMN warehouse.anomaly_history.anomalies IS 'How many';
COMMENT ON COLUMN warehouse.anomaly_history.customers IS 'Customers who caused them';

-- A checkout names no product: it counts for the categories that its session put into the cart that day.
CREATE OR REPLACE VIEW warehouse.abandonment_funnel AS
  WITH adds AS NOT MATERIALIZED (
    SELECT DISTINCT e.date_key, g.country, p.category, c.durable_key, e.session_id
    FROM warehouse.fact_cart_events AS e
    JOIN warehouse.dim_geography AS g USING (geography_key)
    JOIN warehouse.dim_customers AS c USING (customer_key)
    JOIN warehouse.dim_products AS p USING (product_key)
    WHERE e.event_type = 'add_to_cart'),
  checkouts AS (
    SELECT DISTINCT e.date_key, c.durable_key, e.session_id
    FROM warehouse.fact_cart_events AS e JOIN warehouse.dim_customers AS c USING (customer_key)
    WHERE e.event_type = 'checkout'),
  did AS (
    SELECT v.date_key, g.country, p.category, c.durable_key, 1 AS step
    FROM warehouse.fact_product_views AS v
    JOIN warehouse.dim_geography AS g USING (geography_key)
    JOIN warehouse.dim_customers AS c USING (customer_key)
    JOIN warehouse.dim_products AS p USING (product_key)
    WHERE v.event_type = 'view'
    UNION SELECT a.date_key, a.country, a.category, a.durable_key, 2 FROM adds AS a
    UNION SELECT a.date_key, a.country, a.category, a.durable_key, 3 FROM adds AS a JOIN checkouts AS k USING (date_key, durable_key, session_id)
    UNION
    SELECT s.date_key, g.country, p.category, c.durable_key, 4
    FROM warehouse.fact_sales AS s
    JOIN warehouse.dim_geography AS g USING (geography_key)
    JOIN warehouse.dim_customers AS c USING (customer_key)
    JOIN warehouse.dim_products AS p USING (product_key))
  SELECT d.date_key, d.category, d.country,
         count(*) FILTER (WHERE d.step = 1) AS viewers, count(*) FILTER (WHERE d.step = 2) AS cart_customers,
         count(*) FILTER (WHERE d.step = 3) AS checkout_customers, count(*) FILTER (WHERE d.step = 4) AS buyers,
         (100.0 * (count(*) FILTER (WHERE d.step = 2) - count(*) FILTER (WHERE d.step = 3))
                / nullif(count(*) FILTER (WHERE d.step = 2), 0))::double precision AS abandonment_rate_pct
  FROM did AS d
  GROUP BY d.date_key, d.category, d.country;
COMMENT ON VIEW warehouse.abandonment_funnel IS 'View, cart, checkout, order: customers by UTC day, category and country';
COMMENT ON COLUMN warehouse.abandonment_funnel.date_key IS 'UTC day of dim_date';
COMMENT ON COLUMN warehouse.abandonment_funnel.category IS 'Category of the product, as it was then';
COMMENT ON COLUMN warehouse.abandonment_funnel.country IS 'Country of the events';
COMMENT ON COLUMN warehouse.abandonment_funnel.viewers IS 'Customers who viewed a product of the category';
COMMENT ON COLUMN warehouse.abandonment_funnel.cart_customers IS 'Customers who put one into a cart';
COMMENT ON COLUMN warehouse.abandonment_funnel.checkout_customers IS 'Those of them who checked out in the same session on the same day';
COMMENT ON COLUMN warehouse.abandonment_funnel.buyers IS 'Customers with an order line of the category';
COMMENT ON COLUMN warehouse.abandonment_funnel.abandonment_rate_pct IS '100 x (cart_customers - checkout_customers) / cart_customers; NULL without any';
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (43, 'warehouse/run_etl.sql', $shop_script$
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
$shop_script$);
INSERT INTO globalmart.shop_scripts (ordinal, name, body) VALUES (44, 'privileges.sql', $shop_script$
-- The shop belongs to globalmart_owner, whoever installed it; readers may read it, analysts the warehouse.
DO $privileges$
DECLARE
  made record;
BEGIN
  FOR made IN
    SELECT c.oid::regclass AS name, c.relkind, c.relnamespace = 'warehouse'::regnamespace AS in_warehouse
    FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace IN ('globalmart'::regnamespace, 'warehouse'::regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm')
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
                      WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
      AND (c.relowner <> 'globalmart_owner'::regrole
           OR NOT has_table_privilege('globalmart_reader', c.oid, 'SELECT'))
      AND pg_has_role(current_user, c.relowner, 'USAGE')
  LOOP
    EXECUTE format('ALTER TABLE %s OWNER TO globalmart_owner', made.name);
    EXECUTE format('GRANT SELECT ON %s TO globalmart_reader', made.name);
    -- What is new, and not what was taken from analysts since: personal data, for example.
    IF made.in_warehouse THEN
      EXECUTE format('GRANT SELECT ON %s TO globalmart_analyst', made.name);
    END IF;
  END LOOP;
  FOR made IN
    SELECT p.oid::regprocedure AS name, p.provolatile <> 'v' AND NOT p.prosecdef AS harmless,
           p.provolatile = 'i' AND NOT p.prosecdef AS sees_no_table,
           p.prosecdef AND p.prokind = 'f' AS pinned
    FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace = 'globalmart'::regnamespace
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
                      WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
      AND pg_has_role(current_user, p.proowner, 'USAGE')
  LOOP
    EXECUTE format('ALTER ROUTINE %s OWNER TO globalmart_owner', made.name);
    EXECUTE format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', made.name);
    -- A day is one of UTC, and a time written as text is read as it was written, whatever the caller's session has set.
    IF made.pinned THEN
      EXECUTE format('ALTER FUNCTION %s SET timezone = ''UTC''', made.name);
      EXECUTE format('ALTER FUNCTION %s SET datestyle = ''ISO, YMD''', made.name);
      EXECUTE format('ALTER FUNCTION %s SET intervalstyle = ''postgres''', made.name);
      -- The night's queries are many and each is run once: compiling them took as long as running them.
      EXECUTE format('ALTER FUNCTION %s SET jit = off', made.name);
    END IF;
    IF made.harmless THEN
      EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO globalmart_reader', made.name);
    END IF;
    IF made.sees_no_table THEN
      EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO globalmart_analyst', made.name);
    END IF;
  END LOOP;
END
$privileges$;
-- run_etl() commits, so it runs with the caller's rights, and a scheduler needs what it is made of.
GRANT EXECUTE ON PROCEDURE globalmart.run_etl(date) TO globalmart_operator;
GRANT EXECUTE ON FUNCTION globalmart.begin_run(date), globalmart.begin_step(bigint), globalmart.do_step(bigint, int),
  globalmart.fail_step(bigint, int, text) TO globalmart_operator;

-- information_schema, where Power BI and others look for keys, shows the constraints of a table only to who has some
-- right to it beyond SELECT. REFERENCES on a column that is not unique by itself is one that nothing can be done with.
GRANT REFERENCES (year) ON warehouse.dim_date TO globalmart_analyst;
GRANT REFERENCES (durable_key) ON warehouse.dim_geography, warehouse.dim_customers, warehouse.dim_products TO globalmart_analyst;
GRANT REFERENCES (date_key) ON warehouse.fact_sales, warehouse.fact_cart_events, warehouse.fact_product_views,
  warehouse.daily_category_sales, warehouse.holidays TO globalmart_analyst;
GRANT REFERENCES (customer_key) ON warehouse.rfm_analysis TO globalmart_analyst;
GRANT REFERENCES (product_key) ON warehouse.product_performance, warehouse.demand_forecast TO globalmart_analyst;
$shop_script$);
