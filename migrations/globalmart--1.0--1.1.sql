-- From 1.0 to 1.1: what changes about objects. make joins this with the settings that there are, the rights of new
-- members, and the shop's scripts (tools/join-sql), so that none of these can be forgotten.

CREATE FUNCTION globalmart.library_version() RETURNS text
LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'globalmart_library_version';
COMMENT ON FUNCTION globalmart.library_version() IS
  'Release of the library that this session has loaded; pg_extension.extversion is that of the objects';
