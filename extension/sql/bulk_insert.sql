-- Many rows at once into tables with foreign keys.
CREATE FUNCTION globalmart.insert_checked(target regclass, source regclass) RETURNS bigint
LANGUAGE C VOLATILE STRICT SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'globalmart_insert_checked';
COMMENT ON FUNCTION globalmart.insert_checked(regclass, regclass) IS
  'Inserts the rows of a table into another with the same columns, in the order that they are in; those that conflict with a row that is there are left out. Foreign keys are checked once for all rows, and the tables that they reference are locked against changes until the end of the transaction. Gives how many rows were inserted';
