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
