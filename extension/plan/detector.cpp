#include "plan/detector.hpp"

#include "plan/outline.hpp"
#include "plan/tree.hpp"
#include "store/catalog.hpp"

namespace globalmart::plan {

const Subject kDetector = {
    "detector", "a detector cannot have",
    "A detector is SELECT columns FROM a stream WHERE a condition on the row."};

namespace {

// A column of the stream that is NOT NULL there, perhaps cast to a wider type.
bool passes_not_null(Node* expr, Oid relation) {
  expr = strip_implicit_coercions(expr);
  while (IsA(expr, FuncExpr) && list_length(reinterpret_cast<FuncExpr*>(expr)->args) == 1 &&
         reinterpret_cast<FuncExpr*>(expr)->funcformat != COERCE_EXPLICIT_CALL)
    expr = cell<Node>(reinterpret_cast<FuncExpr*>(expr)->args, 0);
  if (!IsA(expr, Var)) return false;
  return column_not_null(relation, reinterpret_cast<Var*>(expr)->varattno);
}

DetectorDefinition* read(const char* text, bool is_new) {
  Query* query = analyze_select(text, kDetector);
  const char* hint = kDetector.shape;
  if (query->hasAggs || query->groupClause != NIL || query->distinctClause != NIL ||
      query->hasWindowFuncs || query->limitCount != nullptr || query->limitOffset != nullptr ||
      query->hasSubLinks || query->setOperations != nullptr || query->hasTargetSRFs ||
      query->cteList != NIL || query->sortClause != NIL || query->rowMarks != NIL)
    refuse(kDetector, "SELECT", "more than a filter and a projection", hint);
  List* from = query->jointree->fromlist;
  if (list_length(from) != 1 || !IsA(linitial(from), RangeTblRef))
    refuse(kDetector, "FROM", "more than one stream", hint);
  const Index varno = linitial_node(RangeTblRef, from)->rtindex;
  RangeTblEntry* entry = rt_fetch(varno, query->rtable);
  if (entry->rtekind != RTE_RELATION || !store::is_stream(entry->relid))
    refuse(kDetector, "FROM", "a source that is not a stream", hint);
  if (entry->tablesample != nullptr) refuse(kDetector, "TABLESAMPLE", "a sample of a stream", hint);
  require_columns(kDetector, reinterpret_cast<Node*>(query->targetList));
  require_columns(kDetector, query->jointree->quals);
  if (contain_mutable_functions(query->jointree->quals))
    refuse(kDetector, "WHERE", "a condition whose value may change over time",
           "Use immutable functions only.");
  require_repeatable(query, kDetector,
                     "Use globalmart.processing_time() for the time of detection.");
  if (is_new) refuse_session_readers(query, kDetector);
  auto* detector = static_cast<DetectorDefinition*>(palloc0(sizeof(DetectorDefinition)));
  detector->relation = entry->relid;
  detector->where = static_cast<Node*>(copyObjectImpl(query->jointree->quals));
  if (detector->where != nullptr) ChangeVarNodes(detector->where, varno, 1, 0);
  ListCell* each;
  foreach (each, query->targetList) {
    auto* target = lfirst_node(TargetEntry, each);
    if (target->resjunk) continue;
    auto* expr = reinterpret_cast<Node*>(target->expr);
    detector->column_names = lappend(detector->column_names, target->resname);
    detector->column_types =
        lappend(detector->column_types, format_type_with_typemod(exprType(expr), exprTypmod(expr)));
    detector->column_expressions =
        lappend(detector->column_expressions, deparse_target(query, target));
    if (passes_not_null(expr, entry->relid))
      detector->not_null_columns = lappend(detector->not_null_columns, target->resname);
  }
  // Deparsed, a reference to a common table expression is its bare name, which the rows that
  // matched then answer to.
  if (entry->alias == nullptr) entry->alias = makeAlias(entry->eref->aliasname, NIL);
  entry->rtekind = RTE_CTE;
  entry->ctename = pstrdup("globalmart_matched");
  detector->over_matches = pg_get_querydef(query, false);
  return detector;
}

}  // namespace

DetectorDefinition* read_detector(const char* text) { return read(text, true); }

Oid detector_source(const char* text, const char* name, Node** where) {
  Kept kept = {&kDetector, name};
  ErrorContextCallback callback = {error_context_stack, explain_kept_error, &kept};
  error_context_stack = &callback;
  DetectorDefinition* detector = read(text, false);
  error_context_stack = callback.previous;
  *where = detector->where;
  return detector->relation;
}

}  // namespace globalmart::plan
