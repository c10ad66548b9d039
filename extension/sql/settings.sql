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
