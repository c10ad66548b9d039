// The output of a definition: columns, natural key, columns with processing time.
#include <string_view>

#include "plan/outline.hpp"
#include "plan/tree.hpp"
#include "store/catalog.hpp"

namespace globalmart::plan {

namespace {

struct Level {
  const Outline* outline;
  int depth;  // index into outline->levels
  Query* query() const { return cell<Query>(outline->levels, depth); }
  bool innermost() const { return depth == list_length(outline->levels) - 1; }
  Level below() const { return {outline, depth + 1}; }
};

// The target entry one level down that this expression passes on; NULL when it is more than that.
TargetEntry* passed_on(Level level, const Node* expr) {
  if (level.innermost() || !IsA(expr, Var)) return nullptr;
  const auto* var = reinterpret_cast<const Var*>(expr);
  if (var->varlevelsup != 0 || var->varattno <= 0) return nullptr;
  return get_tle_by_resno(level.below().query()->targetList, var->varattno);
}

// 1 window_start, 2 window_end, 0 anything else, looked up through the levels.
int window_column_of(Level level, const Node* expr) {
  if (level.innermost()) return window_column(level.outline, expr);
  const TargetEntry* below = passed_on(level, expr);
  return below == nullptr ? 0
                          : window_column_of(level.below(), reinterpret_cast<Node*>(below->expr));
}

bool is_key(Level level, const Node* expr) {
  if (level.innermost())
    return window_column(level.outline, expr) != 0 ||
           list_member(level.outline->keys, const_cast<Node*>(expr));
  const TargetEntry* below = passed_on(level, expr);
  return below != nullptr && is_key(level.below(), reinterpret_cast<Node*>(below->expr));
}

bool calls_clock(Node* node, void* context) {
  if (node == nullptr) return false;
  auto* level = static_cast<Level*>(context);
  if (IsA(node, FuncExpr) &&
      store::is_our_function(reinterpret_cast<FuncExpr*>(node)->funcid, "processing_time"))
    return true;
  if (IsA(node, Var)) {
    if (TargetEntry* below = passed_on(*level, node)) {
      Level next = level->below();
      return calls_clock(reinterpret_cast<Node*>(below->expr), &next);
    }
    return false;
  }
  return walk_expression(node, calls_clock, context);
}

// Target entries of a level that form the natural key of its rows. False when a part of the key is
// not in the output.
bool natural_key(Level level, List** entries) {
  Query* query = level.query();
  if (level.innermost() || query->groupClause != NIL) {
    ListCell* each;
    foreach (each, query->groupClause) {
      TargetEntry* entry =
          get_sortgroupclause_tle(lfirst_node(SortGroupClause, each), query->targetList);
      if (entry->resjunk) return false;
      *entries = lappend(*entries, entry);
    }
    return true;
  }
  if (query->hasAggs || query->distinctClause != NIL) return false;
  List* below = NIL;
  if (!natural_key(level.below(), &below)) return false;
  ListCell *wanted, *mine;
  foreach (wanted, below) {
    TargetEntry* found = nullptr;
    foreach (mine, query->targetList) {
      auto* entry = lfirst_node(TargetEntry, mine);
      if (!entry->resjunk &&
          passed_on(level, reinterpret_cast<Node*>(entry->expr)) == lfirst(wanted))
        found = entry;
    }
    if (found == nullptr) return false;
    *entries = lappend(*entries, found);
  }
  return true;
}

// Whether a GROUP BY, PARTITION BY or DISTINCT names the end of the rollup's window. Windows that
// end together are seen together (sessions may have begun at different times).
bool names_window_end(Level level, List* clauses) {
  ListCell* each;
  foreach (each, clauses) {
    TargetEntry* entry =
        get_sortgroupclause_tle(lfirst_node(SortGroupClause, each), level.query()->targetList);
    if (window_column_of(level, reinterpret_cast<Node*>(entry->expr)) == 2) return true;
  }
  return false;
}

// Functions OVER rows of a level see one window at a time: PARTITION BY gets the window's end,
// where the level puts it out. Then all windows of a close can be looked at by one query.
bool confine_to_windows(Level level) {
  Query* query = level.query();
  TargetEntry* end = nullptr;
  ListCell* each;
  foreach (each, query->targetList) {
    auto* entry = lfirst_node(TargetEntry, each);
    if (window_column_of(level, reinterpret_cast<Node*>(entry->expr)) == 2) end = entry;
  }
  if (end == nullptr) return false;
  foreach (each, query->windowClause) {
    auto* window = lfirst_node(WindowClause, each);
    if (names_window_end(level, window->partitionClause)) continue;
    auto* partition = makeNode(SortGroupClause);
    partition->tleSortGroupRef = assignSortGroupRef(end, query->targetList);
    get_sort_group_operators(TIMESTAMPTZOID, true, true, false, &partition->sortop,
                             &partition->eqop, nullptr, &partition->hashable);
    window->partitionClause = lcons(partition, window->partitionClause);
  }
  return true;
}

// Does this level look across windows, so that it must be run for one window at a time?
bool mixes_windows(Level level) {
  Query* query = level.query();
  if (query->limitCount != nullptr || query->limitOffset != nullptr || query->hasSubLinks)
    return true;
  if (query->distinctClause != NIL && !names_window_end(level, query->distinctClause)) return true;
  if (query->hasWindowFuncs && !confine_to_windows(level)) return true;
  if (!query->hasAggs && query->groupClause == NIL) return false;
  ListCell* each;
  foreach (each, query->groupClause) {
    TargetEntry* entry =
        get_sortgroupclause_tle(lfirst_node(SortGroupClause, each), query->targetList);
    if (window_column_of(level, reinterpret_cast<Node*>(entry->expr)) != 0) return false;
  }
  return true;
}

// Columns of the source and of the window, of a table that has both: nothing then needs a
// qualifier.
struct OneTable {
  const Outline* outline;
  int source_columns;
};

Node* to_one_table(Node* node, void* context) {
  if (node == nullptr) return nullptr;
  const auto* table = static_cast<OneTable*>(context);
  if (!IsA(node, Var)) return mutate_expression(node, to_one_table, context);
  auto* var = static_cast<Var*>(copyObjectImpl(node));
  if (window_column(table->outline, node) != 0) var->varattno += table->source_columns;
  var->varno = 1;
  var->varnosyn = 0;
  var->varattnosyn = 0;
  return reinterpret_cast<Node*>(var);
}

RangeTblEntry* one_table(const Outline* outline, OneTable* table) {
  const RangeTblEntry* source = rt_fetch(outline->source, outline->inner->rtable);
  List* names = list_copy(source->eref->colnames);
  table->source_columns = list_length(names);
  names = lappend(names, makeString(pstrdup("window_start")));
  names = lappend(names, makeString(pstrdup("window_end")));
  RangeTblEntry* entry = makeNode(RangeTblEntry);
  entry->rtekind = RTE_CTE;
  entry->ctename = source->eref->aliasname;
  entry->eref = makeAlias(source->eref->aliasname, names);
  return entry;
}

// What a column is made of: where a level only passes it on, the level below says it.
char* column_expression(Level level, const TargetEntry* entry) {
  while (const TargetEntry* below = passed_on(level, reinterpret_cast<Node*>(entry->expr))) {
    entry = below;
    level = level.below();
  }
  if (!level.innermost()) return deparse_target(level.query(), entry);
  auto* query = static_cast<Query*>(copyObjectImpl(level.query()));
  OneTable table = {level.outline, 0};
  query->rtable = list_make1(one_table(level.outline, &table));
  query->targetList =
      reinterpret_cast<List*>(to_one_table(reinterpret_cast<Node*>(query->targetList), &table));
  return deparse_target(query, entry);
}

}  // namespace

char* deparse_target(const Query* query, const TargetEntry* entry) {
  auto* alone = static_cast<Query*>(copyObjectImpl(query));
  // Its windows and the range table are what the expression is read with; the others are not
  // written.
  alone->jointree = makeFromExpr(NIL, nullptr);
  alone->groupClause = alone->distinctClause = alone->sortClause = alone->rowMarks = NIL;
  alone->havingQual = alone->limitCount = alone->limitOffset = nullptr;
  ListCell* each;
  foreach (each, alone->targetList) {
    auto* target = lfirst_node(TargetEntry, each);
    target->resjunk = target->resno != entry->resno;
    target->resname = nullptr;
  }
  // " SELECT ", or " SELECT" and a line break, and the expression.
  std::string_view text = pg_get_querydef(alone, false);
  constexpr std::string_view kSelect = "SELECT";
  text.remove_prefix(text.find(kSelect) + kSelect.size());
  return pstrdup(text.substr(text.find_first_not_of(" \n")).data());
}

void describe_output(const Outline* outline, Definition* definition, bool keys_not_null) {
  Level top = {outline, 0};
  bool has_start = false, has_end = false;
  ListCell* each;
  foreach (each, outline->top->targetList) {
    auto* entry = lfirst_node(TargetEntry, each);
    if (entry->resjunk) continue;
    auto* expr = reinterpret_cast<Node*>(entry->expr);
    has_start = has_start ||
                (strcmp(entry->resname, "window_start") == 0 && window_column_of(top, expr) == 1);
    has_end =
        has_end || (strcmp(entry->resname, "window_end") == 0 && window_column_of(top, expr) == 2);
    definition->column_names = lappend(definition->column_names, entry->resname);
    definition->column_types = lappend(definition->column_types,
                                       format_type_with_typemod(exprType(expr), exprTypmod(expr)));
    definition->column_expressions =
        lappend(definition->column_expressions, column_expression(top, entry));
    Level level = top;
    if (calls_clock(expr, &level))
      definition->clock_columns = lappend(definition->clock_columns, entry->resname);
  }
  if (!has_start || !has_end)
    refuse("SELECT", "an output without its window",
           "Select window_start and window_end under these names; they lead the table's key.");
  List* key = NIL;
  if (natural_key(top, &key)) {
    definition->key_columns = list_make1(const_cast<char*>("window_start"));
    definition->keys_not_null = keys_not_null;
    foreach (each, key) {
      auto* entry = lfirst_node(TargetEntry, each);
      auto* expr = reinterpret_cast<Node*>(entry->expr);
      if (window_column_of(top, expr) != 0) continue;
      definition->key_columns = lappend(definition->key_columns, entry->resname);
      definition->keys_not_null = definition->keys_not_null && is_key(top, expr);
    }
  }
  // Every level is looked at: one that is run for each window may stand over one that need not be.
  for (Level level = top; !level.innermost(); level = level.below())
    if (mixes_windows(level)) definition->per_window = true;
}

void require_comparable(const Definition* definition) {
  refuse_session_readers(definition->outline->top, kRollup);
  ListCell* each;
  foreach (each, definition->outline->top->targetList) {
    auto* entry = lfirst_node(TargetEntry, each);
    const Oid type = exprType(reinterpret_cast<Node*>(entry->expr));
    if (!entry->resjunk && !OidIsValid(lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr))
      refuse(entry->resname, psprintf("a column of type %s", format_type_be(type)),
             "It has no equality; cast it to a type that has: json to jsonb, others to text.");
  }
}

}  // namespace globalmart::plan
