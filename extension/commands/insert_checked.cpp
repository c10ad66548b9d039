// Many rows into a table with foreign keys: each key is checked once for all rows.
//
// PostgreSQL checks a foreign key row by row, a query for each row and key: with four keys that is
// five times what storing the row costs. Here one anti-join a key looks at all rows before they are
// stored. What is referenced stays: its table is locked against changes until the end of the
// transaction, where PostgreSQL would have locked the rows.
#include "pg/entry.hpp"

extern "C" {
#include "catalog/pg_constraint.h"
}

namespace globalmart::commands {
namespace {

constexpr const char* kRoleSetting = "session_replication_role";

// The answer of a query about both tables that gives one text, or NULL; in the caller's memory.
char* ask(const char* query, Oid target, Oid source, MemoryContext memory) {
  Oid types[2] = {OIDOID, OIDOID};
  Datum arguments[2] = {ObjectIdGetDatum(target), ObjectIdGetDatum(source)};
  SPI_execute_with_args(query, 2, types, arguments, nullptr, false, 1);
  char* text = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
  return text == nullptr ? nullptr : MemoryContextStrdup(memory, text);
}

// Whether the rows must go in one by one: there are triggers, rules, or keys besides the table's
// own. Or code of somebody's would run without triggers: a view as source, security of rows, and
// whatever checks, defaults, indexes, partition keys and types call beside PostgreSQL's own, on
// which no dependency is on record. Or keys of the source would be compared in another type than
// they are stored in.
constexpr const char* kNeedsRows = R"(
  WITH tree AS (SELECT $1 AS relid UNION SELECT t.relid FROM pg_catalog.pg_partition_tree($1) AS t)
  SELECT CASE WHEN
    EXISTS (SELECT FROM pg_catalog.pg_trigger AS t JOIN tree ON tree.relid = t.tgrelid
            WHERE NOT t.tgisinternal AND t.tgenabled <> 'D')
    OR EXISTS (SELECT FROM pg_catalog.pg_rewrite AS r JOIN tree ON tree.relid = r.ev_class)
    OR EXISTS (SELECT FROM pg_catalog.pg_constraint AS c JOIN tree ON tree.relid = c.conrelid
               WHERE c.contype = 'f' AND (c.conrelid <> $1 AND c.conparentid = 0
                                          OR c.confrelid = $1 OR c.confmatchtype <> 's'))
    OR EXISTS (SELECT FROM pg_catalog.pg_class AS c
               WHERE c.oid = $2 AND (c.relkind <> 'r' OR c.relrowsecurity)
                  OR c.oid IN (SELECT relid FROM tree) AND (c.relrowsecurity OR c.relkind NOT IN ('r', 'p')))
    OR EXISTS (
      SELECT FROM pg_catalog.pg_depend AS d
      WHERE d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_type'::pg_catalog.regclass,
                             'pg_catalog.pg_operator'::pg_catalog.regclass, 'pg_catalog.pg_opclass'::pg_catalog.regclass,
                             'pg_catalog.pg_opfamily'::pg_catalog.regclass)
        AND (d.classid, d.objid) IN (
          SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, tree.relid FROM tree
          UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, i.indexrelid
          FROM pg_catalog.pg_index AS i JOIN tree ON tree.relid = i.indrelid
          UNION ALL SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, c.oid
          FROM pg_catalog.pg_constraint AS c JOIN tree ON tree.relid = c.conrelid
          UNION ALL SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass, f.oid
          FROM pg_catalog.pg_attrdef AS f JOIN tree ON tree.relid = f.adrelid))
    OR EXISTS (SELECT FROM pg_catalog.pg_attribute AS t JOIN pg_catalog.pg_attribute AS s ON s.attname = t.attname
               WHERE t.attrelid = $1 AND t.attnum > 0 AND NOT t.attisdropped
                 AND s.attrelid = $2 AND s.attnum > 0 AND NOT s.attisdropped
                 AND (t.atttypid, t.attcollation) IS DISTINCT FROM (s.atttypid, s.attcollation)
                 AND EXISTS (SELECT FROM pg_catalog.pg_constraint AS c
                             WHERE c.conrelid = $1 AND c.contype = 'f' AND t.attnum = ANY (c.conkey)))
  THEN 'yes' END)";

// The columns by name; NULL: there are none.
constexpr const char* kColumns = R"(
  SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum)
  FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped)";

// A foreign key a row: the table that it references, a query for the first row that finds nothing
// there, the constraint's name.
constexpr const char* kForeignKeys = R"(
  SELECT c.confrelid::pg_catalog.regclass::text, c.conname::text, k.names, k.found, k.given
  FROM pg_catalog.pg_constraint AS c
  CROSS JOIN LATERAL (
    SELECT pg_catalog.string_agg(pg_catalog.quote_ident(f.attname), ', ' ORDER BY u.n),
           pg_catalog.string_agg(pg_catalog.format('p.%I OPERATOR(%s) r.%I', p.attname,
             (SELECT pg_catalog.format('%I.%s', o.oprnamespace::pg_catalog.regnamespace, o.oprname)
              FROM pg_catalog.pg_operator AS o WHERE o.oid = u.operator), f.attname), ' AND ' ORDER BY u.n),
           pg_catalog.string_agg(pg_catalog.format('r.%I', f.attname), ', ' ORDER BY u.n)
    FROM ROWS FROM (pg_catalog.unnest(c.conkey), pg_catalog.unnest(c.confkey),
                    pg_catalog.unnest(c.conpfeqop)) WITH ORDINALITY AS u(own, referenced, operator, n)
    JOIN pg_catalog.pg_attribute AS f ON f.attrelid = c.conrelid AND f.attnum = u.own
    JOIN pg_catalog.pg_attribute AS p ON p.attrelid = c.confrelid AND p.attnum = u.referenced
  ) AS k(names, found, given)
  -- Of a key that references a partitioned table there is a further row for each of its partitions.
  WHERE c.conrelid = $1 AND c.contype = 'f'
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS q WHERE q.oid = c.conparentid AND q.conrelid = c.conrelid)
  ORDER BY c.confrelid::pg_catalog.regclass::text, c.conname)";

char* name_of(Oid relation) {
  return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
                                    get_rel_name(relation));
}

void check_foreign_keys(Oid target, const char* source) {
  Oid types[1] = {OIDOID};
  Datum arguments[1] = {ObjectIdGetDatum(target)};
  SPI_execute_with_args(kForeignKeys, 1, types, arguments, nullptr, false, 0);
  SPITupleTable* keys = SPI_tuptable;
  const uint64 count = SPI_processed;
  for (uint64 key = 0; key < count; ++key) {
    const auto text = [&](int column) {
      return SPI_getvalue(keys->vals[key], keys->tupdesc, column);
    };
    const char* referenced = text(1);
    SPI_execute(psprintf("LOCK TABLE %s IN SHARE MODE", referenced), false, 0);
    // A key with a NULL in it refers to nothing. min() and not LIMIT, which would have the planner
    // look them up one by one, in the hope of an early end.
    SPI_execute(psprintf("SELECT pg_catalog.min(pg_catalog.concat_ws(', ', %s)) FROM %s AS r"
                         " WHERE ROW(%s) IS NOT NULL AND NOT EXISTS (SELECT FROM %s AS p WHERE %s)",
                         text(5), source, text(5), referenced, text(4)),
                false, 0);
    const char* missing = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
    if (missing != nullptr)
      ereport(ERROR, errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
              errmsg("insert on table \"%s\" violates foreign key constraint \"%s\"",
                     get_rel_name(target), text(2)),
              errdetail("Key (%s)=(%s) is not present in table %s.", text(3), missing, referenced));
  }
}

uint64 insert_rows(const char* insert) {
  if (SPI_execute(insert, false, 0) != SPI_OK_INSERT)
    elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(SPI_result));
  return SPI_processed;
}

}  // namespace
}  // namespace globalmart::commands

// insert_checked(target regclass, source regclass) -> rows that were inserted
GLOBALMART_FUNCTION(globalmart_insert_checked) {
  using namespace globalmart::commands;
  const Oid target = PG_GETARG_OID(0);
  const Oid source = PG_GETARG_OID(1);
  MemoryContext memory = CurrentMemoryContext;
  // Nobody adds a trigger, a key or a partition between the look and the rows.
  Relation relation = table_open(target, ShareUpdateExclusiveLock);
  if (relation->rd_rel->relkind != RELKIND_RELATION &&
      relation->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
    ereport(ERROR, errcode(ERRCODE_WRONG_OBJECT_TYPE),
            errmsg("\"%s\" is not a table", RelationGetRelationName(relation)));
  find_all_inheritors(target, RowExclusiveLock, nullptr);
  SPI_connect();
  const char* columns = ask(kColumns, source, target, memory);
  const char* wanted = ask(kColumns, target, source, memory);
  if (columns == nullptr || wanted == nullptr || strcmp(columns, wanted) != 0)
    ereport(ERROR, errcode(ERRCODE_DATATYPE_MISMATCH),
            errmsg("tables \"%s\" and \"%s\" do not have the same columns", get_rel_name(target),
                   get_rel_name(source)),
            errdetail("They are %s, and %s.", wanted == nullptr ? "none" : wanted,
                      columns == nullptr ? "none" : columns));
  // With the snapshot of a transaction a referenced row would be seen that is gone by now.
  const bool by_rows =
      IsolationUsesXactSnapshot() || ask(kNeedsRows, target, source, memory) != nullptr;
  const char* insert = psprintf("INSERT INTO %s (%s) SELECT %s FROM %s ON CONFLICT DO NOTHING",
                                name_of(target), columns, columns, name_of(source));
  uint64 rows = 0;
  if (by_rows) {
    rows = insert_rows(insert);
  } else {
    check_foreign_keys(target, name_of(source));
    // As in a replica, whose rows were checked where they come from: only the checks of foreign
    // keys are left out, for there is no other trigger. An error takes the setting back with the
    // transaction.
    const int level = NewGUCNestLevel();
    set_config_option(kRoleSetting, "replica", PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                      false);
    rows = insert_rows(insert);
    AtEOXact_GUC(true, level);
  }
  SPI_finish();
  table_close(relation, NoLock);
  PG_RETURN_INT64(static_cast<int64>(rows));
}
