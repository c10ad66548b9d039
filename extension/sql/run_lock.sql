-- Of several nights at once one does the work.
CREATE FUNCTION globalmart.try_run_lock() RETURNS boolean
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'globalmart_try_run_lock';
COMMENT ON FUNCTION globalmart.try_run_lock() IS
  'Takes the lock of run_etl() for this session, unless another one has it; gives whether this session has it. It outlives a COMMIT, and is given up by release_run_lock(), by an error, a cancel or a ROLLBACK of the session, and by its end';

CREATE FUNCTION globalmart.release_run_lock() RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'globalmart_release_run_lock';
COMMENT ON FUNCTION globalmart.release_run_lock() IS 'Gives up the lock of run_etl(), if this session has it';
