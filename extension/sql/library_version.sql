-- Sessions keep the library that they have loaded, and objects are updated by a call: the two can differ for a while.
CREATE FUNCTION globalmart.library_version() RETURNS text
LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_library_version';
COMMENT ON FUNCTION globalmart.library_version() IS
  'Release of the library that this session has loaded; pg_extension.extversion is that of the objects';
