// The query over merged groups: the innermost query's FROM, WHERE and GROUP BY are replaced by a
// call that gives one row a group; each aggregate becomes a column of it. HAVING becomes WHERE, and
// the levels above stay as they are.
#include "plan/outline.hpp"
#include "plan/tree.hpp"
#include "store/catalog.hpp"

namespace globalmart::plan {

namespace {

struct Columns {
  const Definition* definition;
  int first_key = 3;
  int first_aggregate() const { return first_key + definition->key_count; }
};

Node* to_group_columns(Node* node, void* context) {
  if (node == nullptr) return nullptr;
  auto* columns = static_cast<Columns*>(context);
  const Definition* definition = columns->definition;
  if (IsA(node, Aggref)) {
    ListCell* each;
    foreach (each, definition->aggregates) {
      auto* aggregate = static_cast<AggregateDefinition*>(lfirst(each));
      if (equal(aggregate->aggref, node))
        return reinterpret_cast<Node*>(
            makeVar(1, columns->first_aggregate() + foreach_current_index(each),
                    aggregate->result_type, -1, exprCollation(node), 0));
    }
    elog(ERROR, "aggregate without a state");
  }
  if (const int window = window_column(definition->outline, node); window != 0)
    return reinterpret_cast<Node*>(makeVar(1, window, TIMESTAMPTZOID, -1, InvalidOid, 0));
  ListCell* each;
  foreach (each, definition->key_exprs) {
    auto* key = static_cast<Node*>(lfirst(each));
    if (equal(key, node))
      return reinterpret_cast<Node*>(makeVar(1, columns->first_key + foreach_current_index(each),
                                             exprType(key), exprTypmod(key), exprCollation(key),
                                             0));
  }
  if (IsA(node, Var) && reinterpret_cast<Var*>(node)->varlevelsup == 0)
    refuse("SELECT or HAVING", "a column that is neither a key nor inside an aggregate",
           "Add it to GROUP BY, or wrap it in globalmart.first_by or last_by.");
  return mutate_expression(node, to_group_columns, context);
}

struct ColumnList {
  List *names = NIL, *types = NIL, *typmods = NIL, *collations = NIL;
  void add(const char* name, Oid type, int32 typmod, Oid collation) {
    names = lappend(names, makeString(pstrdup(name)));
    types = lappend_oid(types, type);
    typmods = lappend_int(typmods, typmod);
    collations = lappend_oid(collations, collation);
  }
};

Node* parameter_or_null(int number, bool null) {
  if (null) return reinterpret_cast<Node*>(makeNullConst(TIMESTAMPTZOID, -1, InvalidOid));
  Param* param = makeNode(Param);
  param->paramkind = PARAM_EXTERN;
  param->paramid = number;
  param->paramtype = TIMESTAMPTZOID;
  param->paramtypmod = -1;
  param->location = -1;
  return reinterpret_cast<Node*>(param);
}

// globalmart.read_groups(version, $1, $2) AS groups(window_start timestamptz, ...)
RangeTblEntry* groups_entry(const Definition* definition, int version_id, bool open_windows) {
  ColumnList columns;
  columns.add("window_start", TIMESTAMPTZOID, -1, InvalidOid);
  columns.add("window_end", TIMESTAMPTZOID, -1, InvalidOid);
  ListCell* each;
  foreach (each, definition->key_exprs) {
    auto* key = static_cast<Node*>(lfirst(each));
    columns.add(psprintf("key_%d", foreach_current_index(each) + 1), exprType(key), exprTypmod(key),
                exprCollation(key));
  }
  foreach (each, definition->aggregates) {
    auto* aggregate = static_cast<AggregateDefinition*>(lfirst(each));
    columns.add(psprintf("aggregate_%d", foreach_current_index(each) + 1), aggregate->result_type,
                -1, exprCollation(reinterpret_cast<Node*>(aggregate->aggref)));
  }
  Oid argument_types[3] = {INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID};
  List* name = list_make2(makeString(pstrdup("globalmart")), makeString(pstrdup("read_groups")));
  RangeTblFunction* function = makeNode(RangeTblFunction);
  function->funcexpr = reinterpret_cast<Node*>(makeFuncExpr(
      LookupFuncName(name, 3, argument_types, false), RECORDOID,
      list_make3(makeConst(INT4OID, -1, InvalidOid, 4, Int32GetDatum(version_id), false, true),
                 parameter_or_null(1, open_windows), parameter_or_null(2, open_windows)),
      InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL));
  reinterpret_cast<FuncExpr*>(function->funcexpr)->funcretset = true;
  function->funccolcount = list_length(columns.names);
  function->funccolnames = columns.names;
  function->funccoltypes = columns.types;
  function->funccoltypmods = columns.typmods;
  function->funccolcollations = columns.collations;
  RangeTblEntry* entry = makeNode(RangeTblEntry);
  entry->rtekind = RTE_FUNCTION;
  entry->functions = list_make1(function);
  entry->eref = makeAlias("groups", static_cast<List*>(copyObjectImpl(columns.names)));
  entry->alias = makeAlias("groups", NIL);
  entry->inFromCl = true;
  return entry;
}

RangeTblRef* reference(int number) {
  RangeTblRef* ref = makeNode(RangeTblRef);
  ref->rtindex = number;
  return ref;
}

}  // namespace

char* deparse_over_groups(const Definition* definition, int version_id, bool open_windows) {
  auto* top = static_cast<Query*>(copyObjectImpl(definition->outline->top));
  Query* inner = innermost(definition->outline, top);
  Columns columns = {definition};
  inner->targetList = reinterpret_cast<List*>(
      to_group_columns(reinterpret_cast<Node*>(inner->targetList), &columns));
  Node* having = to_group_columns(inner->havingQual, &columns);
  ListCell* each;
  foreach (each, inner->targetList) {
    auto* entry = lfirst_node(TargetEntry, each);
    // What was only there to be grouped by.
    bool sorted = false;
    ListCell* sort;
    foreach (sort, inner->sortClause)
      sorted =
          sorted || lfirst_node(SortGroupClause, sort)->tleSortGroupRef == entry->ressortgroupref;
    if (!sorted) entry->ressortgroupref = 0;
  }
  inner->rtable = list_make1(groups_entry(definition, version_id, open_windows));
  inner->jointree = makeFromExpr(list_make1(reference(1)), having);
  inner->groupClause = NIL;
  inner->havingQual = nullptr;
  inner->hasAggs = false;
  return pg_get_querydef(top, false);
}

char* deparse_window_list(const Definition* definition, int version_id) {
  Query* query = makeNode(Query);
  query->commandType = CMD_SELECT;
  query->querySource = QSRC_ORIGINAL;
  query->canSetTag = true;
  query->rtable = list_make1(groups_entry(definition, version_id, false));
  query->jointree = makeFromExpr(list_make1(reference(1)), nullptr);
  Var* end = makeVar(1, 2, TIMESTAMPTZOID, -1, InvalidOid, 0);
  query->targetList =
      list_make1(makeTargetEntry(reinterpret_cast<Expr*>(end), 1, pstrdup("window_end"), false));
  return pg_get_querydef(query, false);
}

}  // namespace globalmart::plan
