// The query over raw rows: the definition itself, with its streams narrowed to the rows that count.
#include "plan/outline.hpp"
#include "plan/tree.hpp"
#include "store/catalog.hpp"

namespace globalmart::plan {

namespace {

// Whose late events are left out; those of nobody when the name is empty.
struct BatchOf {
  const char* rollup;
  int version_id;
};

const char* quoted(Oid relation, AttrNumber column) {
  return quote_identifier(get_attname(relation, column, false));
}

const char* qualified(Oid relation) {
  return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
                                    get_rel_name(relation));
}

// The stream's columns in their order, so that attribute numbers keep their meaning; a dropped
// column leaves a NULL.
void append_columns(StringInfo sql, Oid oid, const char* alias) {
  Relation relation = table_open(oid, AccessShareLock);
  TupleDesc columns = RelationGetDescr(relation);
  for (int i = 0; i < columns->natts; ++i) {
    const FormData_pg_attribute* column = TupleDescAttr(columns, i);
    if (i > 0) appendStringInfoString(sql, ", ");
    if (column->attisdropped)
      appendStringInfo(sql, "NULL::pg_catalog.int4 AS dropped_%d", i + 1);
    else
      appendStringInfo(sql, "%s.%s", alias, quote_identifier(NameStr(column->attname)));
  }
  table_close(relation, AccessShareLock);
}

// Finds the row `s` of a stream among late ones, `l`. A detector's rows carry no offset: their late
// ones have that of the row that was detected. Of the others the offset alone is not enough, for it
// begins anew with its topic; and the topic's name may have changed since.
const char* late_match(const store::Stream* stream, const char* l) {
  const char* event = psprintf("%s.event_id = s.%s AND %s.event_time = s.%s", l,
                               quoted(stream->relation, stream->id_column), l,
                               quoted(stream->relation, stream->time_column));
  if (stream->partition_column == InvalidAttrNumber) return event;
  return psprintf(
      "%s.kafka_partition = s.kafka_partition AND %s.kafka_offset = s.kafka_offset "
      "AND %s AND %s.received_at = s.received_at",
      l, l, event, l);
}

// Rows of one stream from $3 on, each event once, without what was late for the version.
//
// An event id may stand twice in a stream (its first copy had been forgotten); the first row
// counts. Rows that came by SQL have no identity to go by: each counts.
//
// For sliding windows, which can be missed in part, a last column says up to which window end a row
// came too late. An event has one window of another kind in a version: with late_events it missed
// those of all versions, with partly_late_events this one's.
void append_counted_rows(StringInfo sql, const store::Stream* stream, const BatchOf& batch,
                         const char* where, const WindowShape& window) {
  if (stream == nullptr) elog(ERROR, "the query reads a table that is no stream");
  const Oid oid = stream->relation;
  const char* time = quoted(oid, stream->time_column);
  const char* id = quoted(oid, stream->id_column);
  const bool restated = *batch.rollup == '\0';
  const bool missed = window.kind == WindowKind::kHop && !restated;
  // A window that begins before $4 may hold events up to its width later; sessions end there.
  const char* until = window.kind == WindowKind::kSession
                          ? "$4"
                          : psprintf("$4 + '%ld microseconds'::pg_catalog.interval",
                                     static_cast<long>(window.width));
  const char* partly = psprintf(
      "FROM globalmart.partly_late_events AS p WHERE p.rollup = %s AND p.version_id = %d AND %s",
      quote_literal_cstr(batch.rollup), batch.version_id, late_match(stream, "p"));
  appendStringInfoString(sql, "SELECT ");
  append_columns(sql, oid, "s");
  if (missed)
    appendStringInfo(sql,
                     ", COALESCE((SELECT pg_catalog.max(p.missed_until) %s), "
                     "'-infinity'::pg_catalog.timestamptz) AS missed_until",
                     partly);
  if (stream->partition_column != InvalidAttrNumber) {
    appendStringInfo(
        sql,
        " FROM (SELECT s.*, pg_catalog.row_number() OVER (PARTITION BY s.%s, s.%s%s%s, "
        "CASE WHEN s.kafka_partition < 0 THEN s.kafka_offset END "
        "ORDER BY s.kafka_partition, s.kafka_offset) AS copy_number",
        id, time, stream->line_column != InvalidAttrNumber ? ", s." : "",
        stream->line_column != InvalidAttrNumber ? quoted(oid, stream->line_column) : "");
  } else {
    appendStringInfoString(sql, " FROM (SELECT s.*, 1 AS copy_number");
  }
  appendStringInfo(sql, " FROM %s AS s WHERE s.%s >= $3 AND s.%s < %s", qualified(oid), time, time,
                   until);
  if (where != nullptr) appendStringInfo(sql, " AND (%s)", where);
  if (!restated)
    appendStringInfo(
        sql, " AND NOT EXISTS (SELECT FROM globalmart.late_events AS l WHERE l.rollup = %s AND %s)",
        quote_literal_cstr(batch.rollup), late_match(stream, "l"));
  if (!missed && !restated) appendStringInfo(sql, " AND NOT EXISTS (SELECT %s)", partly);
  appendStringInfoString(sql, ") AS s WHERE s.copy_number = 1");
}

Query* parse_source(const char* sql) {
  Oid types[4] = {TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
  List* parsed = raw_parser(sql, RAW_PARSE_DEFAULT);
  return parse_analyze_fixedparams(linitial_node(RawStmt, parsed), sql, types, 4, nullptr);
}

void become_subquery(RangeTblEntry* entry, Query* query) {
  List* names = NIL;
  ListCell* each;
  foreach (each, query->targetList) {
    auto* target = lfirst_node(TargetEntry, each);
    if (!target->resjunk) names = lappend(names, makeString(pstrdup(target->resname)));
  }
  entry->rtekind = RTE_SUBQUERY;
  entry->subquery = query;
  entry->relid = InvalidOid;
  entry->relkind = 0;
  entry->rellockmode = 0;
  entry->inh = false;
  entry->requiredPerms = 0;
  entry->selectedCols = nullptr;
  if (entry->alias == nullptr) entry->alias = makeAlias(entry->eref->aliasname, NIL);
  entry->eref = makeAlias(entry->eref->aliasname, names);
}

// AND quals to the innermost WHERE, written as SQL over a one-row query with the window's columns.
Node* window_bounds(Index varno, bool session) {
  const char* sql = session ? "SELECT FROM (SELECT $1 AS window_start, $2 AS window_end) AS w "
                              "WHERE w.window_end > $1 AND w.window_end <= $2"
                            : "SELECT FROM (SELECT $1 AS window_start, $2 AS window_end) AS w "
                              "WHERE w.window_end > $1 AND w.window_end <= $2 "
                              "AND w.window_start >= $3 AND w.window_start < $4";
  Query* query = parse_source(sql);
  Node* quals = query->jointree->quals;
  ChangeVarNodes(quals, 1, varno, 0);
  return quals;
}

// window_end > missed_until
Node* window_not_missed(Index window_varno, Index source, int missed_column) {
  const Oid greater =
      OpernameGetOprid(list_make2(makeString(pstrdup("pg_catalog")), makeString(pstrdup(">"))),
                       TIMESTAMPTZOID, TIMESTAMPTZOID);
  return reinterpret_cast<Node*>(make_opclause(
      greater, BOOLOID, false,
      reinterpret_cast<Expr*>(makeVar(window_varno, 2, TIMESTAMPTZOID, -1, InvalidOid, 0)),
      reinterpret_cast<Expr*>(makeVar(source, missed_column, TIMESTAMPTZOID, -1, InvalidOid, 0)),
      InvalidOid, InvalidOid));
}

struct SessionColumns {
  Index window_varno;
  Index source;
  int first_column;
};

// window_start and window_end become two further columns of the source.
Node* to_source_columns(Node* node, void* context) {
  if (node == nullptr) return nullptr;
  const auto* columns = static_cast<SessionColumns*>(context);
  if (IsA(node, Var)) {
    const auto* var = reinterpret_cast<Var*>(node);
    if (var->varno == static_cast<int>(columns->window_varno) && var->varlevelsup == 0)
      return reinterpret_cast<Node*>(makeVar(columns->source,
                                             columns->first_column + var->varattno - 1,
                                             TIMESTAMPTZOID, -1, InvalidOid, 0));
  }
  return mutate_expression(node, to_source_columns, context);
}

// The stream's rows that count, each with window_start and window_end of its session.
const char* session_rows(const Definition* definition, const store::Stream* stream,
                         const BatchOf& batch) {
  const auto* input = cell<Input>(definition->inputs, 0);
  List* context = deparse_context_for("s", input->relation);
  const char* time = quoted(stream->relation, stream->time_column);
  StringInfoData keys;
  initStringInfo(&keys);
  ListCell* each;
  foreach (each, input->keys)
    appendStringInfo(&keys, "%s%s", foreach_current_index(each) > 0 ? ", " : "",
                     deparse_expression(static_cast<Node*>(lfirst(each)), context, true, false));
  const char* partition = input->keys == NIL ? "" : psprintf("PARTITION BY %s ", keys.data);
  const char* where =
      input->where == nullptr
          ? nullptr
          : deparse_expression(reinterpret_cast<Node*>(input->where), context, true, false);
  const char* gap = psprintf("'%ld microseconds'::pg_catalog.interval",
                             static_cast<long>(definition->window.width));
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfoString(&sql, "SELECT ");
  append_columns(&sql, stream->relation, "s");
  appendStringInfo(
      &sql,
      ", pg_catalog.min(s.%s) OVER (%s%s s.session_number) AS window_start, "
      "pg_catalog.max(s.%s) OVER (%s%s s.session_number) + %s AS window_end FROM ("
      "SELECT s.*, pg_catalog.sum(s.begins) OVER (%sORDER BY s.%s) AS session_number FROM ("
      "SELECT s.*, CASE WHEN s.%s - pg_catalog.lag(s.%s) OVER (%sORDER BY s.%s) <= %s "
      "THEN 0 ELSE 1 END AS begins FROM (",
      time, partition, *partition ? "," : "PARTITION BY", time, partition,
      *partition ? "," : "PARTITION BY", gap, partition, time, time, time, partition, time, gap);
  append_counted_rows(&sql, stream, batch, where, definition->window);
  appendStringInfoString(&sql, ") AS s) AS s) AS s");
  return sql.data;
}

void sessionize(const Definition* definition, Query* inner, const store::Stream* stream,
                const BatchOf& batch) {
  RangeTblEntry* entry = rt_fetch(definition->outline->source, inner->rtable);
  Query* source = parse_source(session_rows(definition, stream, batch));
  const int width = ExecCleanTargetListLength(source->targetList);
  become_subquery(entry, source);
  SessionColumns columns = {definition->outline->window_varno, definition->outline->source,
                            width - 1};
  inner->targetList = reinterpret_cast<List*>(
      to_source_columns(reinterpret_cast<Node*>(inner->targetList), &columns));
  inner->havingQual = to_source_columns(inner->havingQual, &columns);
  inner->jointree->quals = to_source_columns(inner->jointree->quals, &columns);

  // The window function leaves FROM.
  RangeTblRef* ref = makeNode(RangeTblRef);
  ref->rtindex = definition->outline->source;
  Node* bounds = window_bounds(definition->outline->window_varno, true);
  bounds = to_source_columns(bounds, &columns);
  inner->jointree = makeFromExpr(
      list_make1(ref),
      make_and_qual(definition->outline->where == nullptr
                        ? nullptr
                        : static_cast<Node*>(copyObjectImpl(definition->outline->where)),
                    bounds));
}

// Replaces the stream that a branch reads. A view's query has entries beside it that nothing in
// FROM names: the view itself, as OLD and NEW.
template <typename Replace>
void replace_stream(Query* branch, Replace replace) {
  List *varnos = NIL, *quals = NIL;
  flatten_from(branch, reinterpret_cast<Node*>(branch->jointree), &varnos, &quals);
  ListCell* each;
  foreach (each, varnos) {
    RangeTblEntry* entry = rt_fetch(lfirst_int(each), branch->rtable);
    if (entry->rtekind == RTE_RELATION) replace(entry);
  }
}

// Turns the innermost query into one over the raw rows that count, within the bounds.
void read_raw_rows(const Definition* definition, Query* inner, const BatchOf& batch) {
  if (definition->window.kind == WindowKind::kSession) {
    const auto* input = cell<Input>(definition->inputs, 0);
    sessionize(definition, inner, store::find_stream(input->relation), batch);
    return;
  }
  RangeTblEntry* source = rt_fetch(definition->outline->source, inner->rtable);
  const bool hop = definition->window.kind == WindowKind::kHop && *batch.rollup != '\0';
  ListCell* each;
  const auto replace = [&](RangeTblEntry* entry) {
    StringInfoData sql;
    initStringInfo(&sql);
    append_counted_rows(&sql, store::find_stream(entry->relid), batch, nullptr, definition->window);
    Query* rows = parse_source(sql.data);
    const int columns = list_length(rows->targetList);
    become_subquery(entry, rows);
    return columns;
  };
  if (source->rtekind == RTE_RELATION) {
    const int columns = replace(source);
    if (hop)
      inner->jointree->quals = make_and_qual(
          inner->jointree->quals, window_not_missed(definition->outline->window_varno,
                                                    definition->outline->source, columns));
  } else {
    Query* query = source->subquery;
    if (query->setOperations == nullptr)
      replace_stream(query, replace);
    else
      foreach (each, query->rtable) {
        Query* branch = lfirst_node(RangeTblEntry, each)->subquery;
        if (branch != nullptr) replace_stream(branch, replace);
      }
  }
  inner->jointree->quals = make_and_qual(inner->jointree->quals,
                                         window_bounds(definition->outline->window_varno, false));
}

}  // namespace

char* deparse_batch(const Definition* definition, const char* rollup, int version_id) {
  auto* top = static_cast<Query*>(copyObjectImpl(definition->outline->top));
  read_raw_rows(definition, innermost(definition->outline, top), {rollup, version_id});
  return pg_get_querydef(top, false);
}

char* deparse_batch_windows(const Definition* definition, const char* rollup, int version_id) {
  auto* top = static_cast<Query*>(copyObjectImpl(definition->outline->top));
  Query* inner = innermost(definition->outline, top);
  const char* column = nullptr;
  ListCell* each;
  foreach (each, inner->targetList) {
    auto* entry = lfirst_node(TargetEntry, each);
    if (!entry->resjunk &&
        window_column(definition->outline, reinterpret_cast<Node*>(entry->expr)) == 2)
      column = quote_identifier(entry->resname);
  }
  if (column == nullptr) elog(ERROR, "the innermost query does not give its window_end");
  read_raw_rows(definition, inner, {rollup, version_id});
  return psprintf("SELECT DISTINCT w.%s AS window_end FROM (%s) AS w", column,
                  pg_get_querydef(inner, false));
}

char* deparse_late_sessions(const Definition* definition, const char* rollup, int version_id) {
  const store::Stream* stream = store::find_stream(cell<Input>(definition->inputs, 0)->relation);
  const char* columns = "kafka_partition, l.kafka_offset, l.event_id, l.event_time, l.received_at";
  return psprintf(
      "SELECT s.window_start, s.window_end, l.partly, l.%s FROM (%s) AS s JOIN ("
      "SELECT false AS partly, l.%s FROM globalmart.late_events AS l WHERE l.rollup = %s UNION ALL "
      "SELECT true, l.%s FROM globalmart.partly_late_events AS l "
      "WHERE l.rollup = %s AND l.version_id = %d) AS l ON %s",
      columns, session_rows(definition, stream, {"", 0}), columns, quote_literal_cstr(rollup),
      columns, quote_literal_cstr(rollup), version_id, late_match(stream, "l"));
}

}  // namespace globalmart::plan
