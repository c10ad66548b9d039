#include "plan/outline.hpp"

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "plan/tree.hpp"
#include "store/catalog.hpp"

extern "C" {
#include "nodes/print.h"
#include "rewrite/rewriteHandler.h"
#include "utils/fmgroids.h"
}

namespace globalmart::plan {

const Subject kRollup = {
    "rollup", "a rollup cannot maintain",
    "The innermost query must be SELECT ... FROM stream, globalmart.tumble(event_time, width) "
    "[WHERE "
    "...] GROUP BY window_start, window_end [, keys]; levels around it are ordinary SQL."};

namespace {

const char* const kShapeHint = kRollup.shape;
constexpr int kMaxWindowsOfEvent = 10000;
// Ten years: sums of times and sizes stay on the scale of timestamps.
constexpr Micros kMaxSize = 87660LL * 3600 * 1000000;

bool refuse_other_than_columns(Node* node, void* context) {
  if (node == nullptr) return false;
  if (IsA(node, Var) && reinterpret_cast<Var*>(node)->varattno <= 0) {
    const auto* var = reinterpret_cast<Var*>(node);
    const bool row = var->varattno == InvalidAttrNumber;
    refuse(*static_cast<const Subject*>(context), row ? "a whole row" : "a system column",
           row ? "a reference to a whole row" : "a reference to a system column",
           "Name the columns that are meant; count(*) counts rows.");
  }
  return walk_expression(node, refuse_other_than_columns, context);
}

void pin_setting(const char* name, const char* value) {
  set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

}  // namespace

namespace {

// The clock of the transaction, which a close and a later batch run would read differently.
bool reads_clock(Node* node, void* context) {
  if (node == nullptr) return false;
  if (IsA(node, SQLValueFunction)) return true;
  if (IsA(node, FuncExpr)) {
    const Oid function = reinterpret_cast<FuncExpr*>(node)->funcid;
    if (function == F_NOW || function == F_TRANSACTION_TIMESTAMP ||
        function == F_STATEMENT_TIMESTAMP)
      return true;
  }
  if (IsA(node, Query)) return walk_query(reinterpret_cast<Query*>(node), reads_clock, context);
  return walk_expression(node, reads_clock, context);
}

bool is_one_of(const char* name, std::initializer_list<const char*> names) {
  return std::any_of(names.begin(), names.end(),
                     [name](const char* other) { return strcmp(name, other) == 0; });
}

// PostgreSQL's own functions whose result hangs on who runs them, where and when. Of stable ones
// these are the ones without arguments, but for the builders of empty JSON; the settings that
// others hang on (TimeZone, DateStyle) are pinned wherever a definition runs.
bool reads_session(Oid function) {
  if (get_func_namespace(function) != PG_CATALOG_NAMESPACE) return false;
  if (func_volatile(function) != PROVOLATILE_STABLE) return false;
  const char* name = get_func_name(function);
  const int arguments = get_func_nargs(function);
  if (arguments == 0)
    return !is_one_of(
        name, {"json_build_array", "json_build_object", "jsonb_build_array", "jsonb_build_object"});
  // age(timestamp) counts from today.
  if (arguments == 1 && strcmp(name, "age") == 0) return true;
  const std::string_view whole = name;
  return is_one_of(name, {"current_setting", "current_schemas", "pg_has_role",
                          "row_security_active", "pg_is_other_temp_schema"}) ||
         whole.starts_with("has_") || whole.starts_with("pg_stat_get_") ||
         whole.ends_with("_is_visible");
}

struct SessionReader {
  const char* function;  // the first that was found
};

bool find_session_reader(Node* node, void* context) {
  if (node == nullptr) return false;
  if (IsA(node, FuncExpr)) {
    const Oid function = reinterpret_cast<FuncExpr*>(node)->funcid;
    if (reads_session(function)) {
      static_cast<SessionReader*>(context)->function = get_func_name(function);
      return true;
    }
  }
  if (IsA(node, Query))
    return walk_query(reinterpret_cast<Query*>(node), find_session_reader, context);
  return walk_expression(node, find_session_reader, context);
}

}  // namespace

void require_columns(const Subject& subject, Node* expr) {
  refuse_other_than_columns(expr, const_cast<Subject*>(&subject));
}

void refuse_session_readers(Query* query, const Subject& subject) {
  SessionReader reader = {nullptr};
  if (find_session_reader(reinterpret_cast<Node*>(query), &reader))
    refuse(subject, reader.function, "a function whose result hangs on the session that runs it",
           "Write its value into the query, or take it from a column of the stream.");
}

void require_repeatable(Query* query, const Subject& subject, const char* hint) {
  if (contain_volatile_functions(reinterpret_cast<Node*>(query)))
    refuse(subject, "the query", "volatile functions", hint);
  if (reads_clock(reinterpret_cast<Node*>(query), nullptr))
    refuse(subject, "the query", "the time or the user of the session", hint);
}

namespace {

struct ParsedText {
  const char* text;
  const Subject* subject;
};

// PostgreSQL's own refusals: the position is one in the rollup's query, not in the statement that
// carries it; where PostgreSQL has no hint of its own, ours says what the query looks like.
void explain_parse_error(void* argument) {
  const auto* parsed = static_cast<const ParsedText*>(argument);
  const int position = geterrposition();
  if (position > 0) {
    errposition(0);
    internalerrposition(position);
    internalerrquery(parsed->text);
  }
  errcontext("query of a %s", parsed->subject->name);
  const int code = geterrcode();
  if (code != ERRCODE_SYNTAX_ERROR && code != ERRCODE_GROUPING_ERROR &&
      code != ERRCODE_UNDEFINED_TABLE)
    return;
  const int begin = position > 0 ? pg_mbcharcliplen(parsed->text, INT_MAX, position - 1) : 0;
  const char* part = parsed->text + begin;
  if (*part == '\0')
    errdetail("Part of the query: its end");
  else
    errdetail("Part of the query: %.*s", pg_mbcharcliplen(part, INT_MAX, 60), part);
  errhint("%s", parsed->subject->shape);
}

}  // namespace

void explain_kept_error(void* argument) {
  const auto* kept = static_cast<const Kept*>(argument);
  const char* subject = kept->subject->name;
  errcontext("%s \"%s\"", subject, kept->name);
  if (!kept->reading) return;
  // It was accepted once: what it names is not what it was.
  if (ERRCODE_TO_CATEGORY(geterrcode()) == ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION ||
      geterrcode() == ERRCODE_FEATURE_NOT_SUPPORTED)
    errhint("Give back what the %s needs, or drop it: SELECT globalmart.drop_%s('%s').", subject,
            subject, kept->name);
}

Query* analyze_select(const char* text, const Subject& subject) {
  ParsedText parsed_text = {text, &subject};
  ErrorContextCallback callback = {error_context_stack, explain_parse_error, &parsed_text};
  error_context_stack = &callback;
  const int level = NewGUCNestLevel();
  pin_setting("search_path", "pg_catalog, globalmart, pg_temp");
  pin_setting("TimeZone", "UTC");
  pin_setting("IntervalStyle", "postgres");
  pin_setting("DateStyle", "ISO, YMD");
  pin_setting("standard_conforming_strings", "on");
  pin_setting("transform_null_equals", "off");
  List* parsed = raw_parser(text, RAW_PARSE_DEFAULT);
  if (list_length(parsed) != 1)
    ereport(ERROR, errcode(ERRCODE_SYNTAX_ERROR),
            errmsg("a %s's query must be one SELECT", subject.name));
  Query* query =
      parse_analyze_fixedparams(linitial_node(RawStmt, parsed), text, nullptr, 0, nullptr);
  AtEOXact_GUC(true, level);
  if (query->commandType != CMD_SELECT || query->utilityStmt != nullptr)
    refuse(subject, "the command", "anything but a SELECT", subject.shape);
  error_context_stack = callback.previous;
  return query;
}

void flatten_from(Query* query, Node* node, List** varnos, List** quals) {
  if (IsA(node, RangeTblRef)) {
    *varnos = lappend_int(*varnos, reinterpret_cast<RangeTblRef*>(node)->rtindex);
  } else if (IsA(node, JoinExpr)) {
    auto* join = reinterpret_cast<JoinExpr*>(node);
    if (join->jointype != JOIN_INNER || join->usingClause != NIL || join->alias != nullptr)
      refuse("FROM", "an outer join or a join with USING", kShapeHint);
    flatten_from(query, join->larg, varnos, quals);
    flatten_from(query, join->rarg, varnos, quals);
    if (join->quals != nullptr) *quals = lappend(*quals, join->quals);
  } else {
    auto* from = reinterpret_cast<FromExpr*>(node);
    ListCell* each;
    foreach (each, from->fromlist)
      flatten_from(query, static_cast<Node*>(lfirst(each)), varnos, quals);
    if (from->quals != nullptr) *quals = lappend(*quals, from->quals);
  }
}

namespace {

WindowKind function_kind(const RangeTblEntry* entry, bool* found) {
  *found = false;
  if (entry->rtekind != RTE_FUNCTION || list_length(entry->functions) != 1)
    return WindowKind::kTumble;
  auto* function = linitial_node(RangeTblFunction, entry->functions);
  if (!IsA(function->funcexpr, FuncExpr)) return WindowKind::kTumble;
  const Oid oid = reinterpret_cast<FuncExpr*>(function->funcexpr)->funcid;
  *found = true;
  if (store::is_our_function(oid, "tumble")) return WindowKind::kTumble;
  if (store::is_our_function(oid, "hop")) return WindowKind::kHop;
  if (store::is_our_function(oid, "session")) return WindowKind::kSession;
  *found = false;
  return WindowKind::kTumble;
}

bool has_window(Query* query, List* varnos, Index* source, Index* window, WindowKind* kind) {
  *source = *window = 0;
  ListCell* each;
  foreach (each, varnos) {
    bool found = false;
    const WindowKind candidate = function_kind(rt_fetch(lfirst_int(each), query->rtable), &found);
    if (found && *window == 0) {
      *window = lfirst_int(each);
      *kind = candidate;
    } else {
      *source = lfirst_int(each);
    }
  }
  return *window != 0;
}

Micros interval_micros(Node* argument, const char* what, bool positive) {
  auto* value = reinterpret_cast<Const*>(eval_const_expressions(nullptr, argument));
  if (!IsA(value, Const) || value->constisnull || value->consttype != INTERVALOID)
    refuse(what, "a window whose size is not a constant", "Write it as interval '5 minutes'.");
  const Interval* interval = DatumGetIntervalP(value->constvalue);
  if (interval->month != 0 || interval->day != 0)
    refuse_value(what, "a window's size must not depend on a calendar or a time zone",
                 "Give months and days in hours: interval '24 hours'.");
  if (positive && interval->time <= 0)
    refuse_value(what, "a window's width, slide and gap must be greater than zero",
                 "Write it as interval '5 minutes'.");
  if (interval->time > kMaxSize || interval->time < -kMaxSize)
    refuse_value(what, "a window's size must not exceed ten years",
                 "The most is interval '87660 hours'.");
  return interval->time;
}

void read_window(Outline* outline, WindowKind kind) {
  if (rt_fetch(outline->window_varno, outline->inner->rtable)->funcordinality)
    refuse("WITH ORDINALITY", "numbers of windows", kShapeHint);
  auto* function = linitial_node(
      RangeTblFunction, rt_fetch(outline->window_varno, outline->inner->rtable)->functions);
  auto* call = castNode(FuncExpr, copyObjectImpl(function->funcexpr));
  HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(call->funcid));
  List* arguments = expand_function_arguments(call->args, false, call->funcresulttype, tuple);
  ReleaseSysCache(tuple);
  WindowShape& window = outline->window;
  window.kind = kind;
  outline->time_argument = cell<Node>(arguments, 0);
  const char* width =
      kind == WindowKind::kSession ? "the gap of the session" : "the width of the window";
  window.width = interval_micros(cell<Node>(arguments, 1), width, true);
  window.slide = window.width;
  if (kind == WindowKind::kTumble)
    window.offset = interval_micros(cell<Node>(arguments, 2), "the offset of the window", false);
  if (kind == WindowKind::kHop) {
    window.slide = interval_micros(cell<Node>(arguments, 2), "the slide of the window", true);
    window.offset = interval_micros(cell<Node>(arguments, 3), "the offset of the window", false);
  }
  if (window.width % window.slide != 0)
    refuse_value("the width and the slide of the window",
                 "the width of a sliding window must be a multiple of its slide",
                 "hop(event_time, interval '6 minutes', interval '2 minutes'), for example.");
  // Each event has a group in each of its windows.
  if (window.width / window.slide > kMaxWindowsOfEvent)
    refuse_value("the width and the slide of the window",
                 psprintf("an event cannot be in more than %d sliding windows", kMaxWindowsOfEvent),
                 "Give the window a longer slide, or a smaller width.");
}

Branch* plain_branch(Query* query, bool is_inner) {
  List *varnos = NIL, *quals = NIL;
  flatten_from(query, reinterpret_cast<Node*>(query->jointree), &varnos, &quals);
  if (list_length(varnos) != 1 || query->hasAggs || query->groupClause != NIL ||
      query->distinctClause != NIL || query->hasWindowFuncs || query->limitCount != nullptr ||
      query->limitOffset != nullptr || query->hasSubLinks || query->setOperations != nullptr ||
      query->hasTargetSRFs)
    refuse("FROM", "a source that is more than SELECT columns FROM one stream WHERE ...",
           kShapeHint);
  RangeTblEntry* entry = rt_fetch(linitial_int(varnos), query->rtable);
  if (entry->rtekind != RTE_RELATION || !store::is_stream(entry->relid))
    refuse(
        "FROM", "a source that is not a stream",
        "Register the table with globalmart.create_stream, or choose one of globalmart.streams.");
  if (entry->tablesample != nullptr) refuse("TABLESAMPLE", "a sample of a stream", kShapeHint);
  require_columns(kRollup, reinterpret_cast<Node*>(query->targetList));
  require_columns(kRollup, reinterpret_cast<Node*>(quals));
  auto* branch = static_cast<Branch*>(palloc0(sizeof(Branch)));
  branch->relation = entry->relid;
  branch->varno = linitial_int(varnos);
  branch->query = is_inner ? nullptr : query;
  branch->target_list = query->targetList;
  branch->where = quals == NIL ? nullptr : reinterpret_cast<Node*>(make_ands_explicit(quals));
  return branch;
}

void union_branches(Query* query, Node* operation, Outline* outline) {
  if (IsA(operation, SetOperationStmt)) {
    auto* set = reinterpret_cast<SetOperationStmt*>(operation);
    if (set->op != SETOP_UNION || !set->all)
      refuse("FROM", "a set operation other than UNION ALL", kShapeHint);
    union_branches(query, set->larg, outline);
    union_branches(query, set->rarg, outline);
    return;
  }
  RangeTblEntry* entry =
      rt_fetch(reinterpret_cast<RangeTblRef*>(operation)->rtindex, query->rtable);
  outline->branches = lappend(outline->branches, plain_branch(entry->subquery, false));
}

void require_same_types(Query* source, Outline* outline) {
  ListCell* each;
  foreach (each, outline->branches) {
    auto* branch = static_cast<Branch*>(lfirst(each));
    ListCell *mine, *wanted;
    forboth(mine, branch->target_list, wanted, source->targetList) {
      const Oid type = exprType(reinterpret_cast<Node*>(lfirst_node(TargetEntry, mine)->expr));
      const Oid needed = exprType(reinterpret_cast<Node*>(lfirst_node(TargetEntry, wanted)->expr));
      if (type != needed)
        refuse("UNION ALL", "branches whose columns have different types",
               "Cast the columns of each branch to one type.");
    }
  }
}

void read_branches(Outline* outline) {
  RangeTblEntry* entry = rt_fetch(outline->source, outline->inner->rtable);
  if (entry->rtekind == RTE_RELATION && entry->relkind == RELKIND_VIEW) {
    // A view is looked through: it becomes the subquery that it stands for.
    Relation view = table_open(entry->relid, AccessShareLock);
    entry->subquery = static_cast<Query*>(copyObjectImpl(get_view_query(view)));
    entry->rtekind = RTE_SUBQUERY;
    entry->relid = InvalidOid;
    entry->relkind = 0;
    entry->rellockmode = 0;
    entry->inh = false;
    entry->requiredPerms = 0;
    table_close(view, NoLock);
  }
  if (entry->rtekind == RTE_RELATION) {
    if (!store::is_stream(entry->relid))
      refuse(
          "FROM", psprintf("the table %s, which is not a stream", get_rel_name(entry->relid)),
          "Register the table with globalmart.create_stream, or choose one of globalmart.streams.");
    if (entry->tablesample != nullptr) refuse("TABLESAMPLE", "a sample of a stream", kShapeHint);
    auto* branch = static_cast<Branch*>(palloc0(sizeof(Branch)));
    branch->relation = entry->relid;
    branch->varno = outline->source;
    outline->branches = list_make1(branch);
    return;
  }
  if (entry->rtekind != RTE_SUBQUERY) refuse("FROM", "this kind of source", kShapeHint);
  Query* source = entry->subquery;
  if (source->setOperations != nullptr) {
    if (source->limitCount != nullptr || source->cteList != NIL)
      refuse("FROM", "LIMIT or WITH in the source", kShapeHint);
    union_branches(source, source->setOperations, outline);
    require_same_types(source, outline);
  } else {
    outline->branches = list_make1(plain_branch(source, false));
  }
}

void read_group_clause(Outline* outline) {
  Query* inner = outline->inner;
  if (inner->groupClause == NIL || inner->groupingSets != NIL || inner->groupDistinct)
    refuse("GROUP BY", "a query without a plain GROUP BY window_start, window_end", kShapeHint);
  bool has_start = false, has_end = false;
  ListCell* each;
  foreach (each, inner->groupClause) {
    TargetEntry* entry =
        get_sortgroupclause_tle(lfirst_node(SortGroupClause, each), inner->targetList);
    const int column = window_column(outline, reinterpret_cast<Node*>(entry->expr));
    has_start = has_start || column == 1;
    has_end = has_end || column == 2;
    if (column == 0) outline->keys = lappend(outline->keys, entry->expr);
  }
  if (!has_start || !has_end)
    refuse("GROUP BY", "groups that are not bound to a window",
           "Group by window_start and window_end.");
}

}  // namespace

Query* innermost(const Outline* outline, Query* top) {
  for (int depth = 1; depth < list_length(outline->levels); ++depth)
    top = rt_fetch(linitial_node(RangeTblRef, top->jointree->fromlist)->rtindex, top->rtable)
              ->subquery;
  return top;
}

int window_column(const Outline* outline, const Node* node) {
  if (!IsA(node, Var)) return 0;
  const auto* var = reinterpret_cast<const Var*>(node);
  if (var->varno != static_cast<int>(outline->window_varno) || var->varlevelsup != 0) return 0;
  return var->varattno;
}

Outline* read_outline(const char* text) {
  auto* outline = static_cast<Outline*>(palloc0(sizeof(Outline)));
  new (outline) Outline();
  outline->top = analyze_select(text, kRollup);

  Query* query = outline->top;
  WindowKind kind = WindowKind::kTumble;
  List* quals = NIL;
  for (;;) {
    outline->levels = lappend(outline->levels, query);
    if (query->cteList != NIL)
      refuse("WITH", "a common table expression", "Write it as a subquery in FROM.");
    if (query->rowMarks != NIL) refuse("FOR UPDATE", "row locks", "Leave them out.");
    List* varnos = NIL;
    quals = NIL;
    if (query->setOperations != nullptr)
      refuse("UNION", "a set operation around the groups", kShapeHint);
    flatten_from(query, reinterpret_cast<Node*>(query->jointree), &varnos, &quals);
    if (has_window(query, varnos, &outline->source, &outline->window_varno, &kind)) {
      if (list_length(varnos) != 2)
        refuse("FROM", "a join of the stream with something else", kShapeHint);
      break;
    }
    if (list_length(varnos) != 1 ||
        rt_fetch(linitial_int(varnos), query->rtable)->rtekind != RTE_SUBQUERY)
      refuse("FROM", "a query without a window", kShapeHint);
    query = rt_fetch(linitial_int(varnos), query->rtable)->subquery;
  }
  Query* inner = outline->inner = query;
  if (quals != NIL) outline->where = reinterpret_cast<Node*>(make_ands_explicit(quals));

  if (inner->distinctClause != NIL)
    refuse("DISTINCT", "SELECT DISTINCT in the innermost query", kShapeHint);
  if (inner->hasWindowFuncs) refuse("OVER", "window functions in the innermost query", kShapeHint);
  if (inner->limitCount != nullptr || inner->limitOffset != nullptr)
    refuse("LIMIT", "LIMIT in the innermost query",
           "Put it into a query around: it then holds for each window.");
  if (inner->hasSubLinks)
    refuse("a subquery in an expression", "subqueries in the innermost query", kShapeHint);
  if (inner->hasTargetSRFs)
    refuse("SELECT", "set-returning functions in the innermost query", kShapeHint);

  require_columns(kRollup, reinterpret_cast<Node*>(inner->targetList));
  require_columns(kRollup, outline->where);
  require_columns(kRollup, inner->havingQual);
  read_window(outline, kind);
  read_branches(outline);
  if (kind != WindowKind::kTumble &&
      (list_length(outline->branches) != 1 || linitial(outline->branches) == nullptr ||
       cell<Branch>(outline->branches, 0)->query != nullptr))
    refuse("FROM", "sliding or session windows over more than one plain stream", kShapeHint);
  read_group_clause(outline);
  require_repeatable(outline->top, kRollup,
                     "Use globalmart.processing_time() for the time of the close.");
  return outline;
}

}  // namespace globalmart::plan
