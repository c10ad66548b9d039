#include "plan/definition.hpp"

#include "plan/outline.hpp"
#include "plan/tree.hpp"
#include "store/catalog.hpp"

extern "C" {
#include "utils/fmgrprotos.h"
}

namespace globalmart::plan {

namespace {

struct AggregateSearch {
  List* found;  // of Aggref*
};

bool collect_aggregates(Node* node, void* context) {
  if (node == nullptr) return false;
  auto* search = static_cast<AggregateSearch*>(context);
  if (IsA(node, Aggref)) {
    search->found = list_append_unique(search->found, node);
    return false;
  }
  return walk_expression(node, collect_aggregates, context);
}

// Maps the query's own source onto a row of one stream.
struct SourceMap {
  Index source;
  const Branch* branch;
};

Node* to_varno_one(Node* node, void* context) {
  if (node == nullptr) return nullptr;
  const Index varno = *static_cast<Index*>(context);
  if (IsA(node, Var) && reinterpret_cast<Var*>(node)->varno == varno) {
    auto* var = static_cast<Var*>(copyObjectImpl(node));
    var->varno = 1;
    var->varnosyn = 0;
    var->varattnosyn = 0;
    return reinterpret_cast<Node*>(var);
  }
  return mutate_expression(node, to_varno_one, context);
}

Node* map_source(Node* node, void* context) {
  if (node == nullptr) return nullptr;
  auto* map = static_cast<SourceMap*>(context);
  if (IsA(node, Var)) {
    auto* var = reinterpret_cast<Var*>(node);
    if (var->varno != map->source || var->varlevelsup != 0)
      refuse("a reference to a window column or to an outer query",
             "an expression that is not over columns of the stream",
             "Group by window_start and window_end as they are, and use them nowhere else below.");
    Node* mapped = node;
    Index varno = map->source;
    if (map->branch->target_list != NIL) {
      mapped = reinterpret_cast<Node*>(
          cell<TargetEntry>(map->branch->target_list, var->varattno - 1)->expr);
      varno = map->branch->varno;
    }
    return to_varno_one(mapped, &varno);
  }
  return mutate_expression(node, map_source, context);
}

Expr* mapped(Node* expr, SourceMap* map) { return reinterpret_cast<Expr*>(map_source(expr, map)); }

void require_plain(Node* expr, const char* part) {
  if (expr == nullptr) return;
  if (contain_mutable_functions(expr))
    refuse(
        part, "an expression whose value may change over time",
        "Use immutable functions only; a cast between timestamptz and text, for example, depends "
        "on the session's time zone.");
  if (checkExprHasSubLink(expr))
    refuse(part, "a subquery in an expression", "Join the result of the rollup instead.");
}

bool supported_key_type(Oid type) {
  switch (type) {
    case BOOLOID:
    case INT2OID:
    case INT4OID:
    case INT8OID:
    case TEXTOID:
    case VARCHAROID:
    case BYTEAOID:
    case UUIDOID:
    case DATEOID:
    case TIMESTAMPOID:
    case TIMESTAMPTZOID:
    case NUMERICOID:
    case FLOAT4OID:
    case FLOAT8OID:
      return true;
    default:
      return get_typtype(type) == TYPTYPE_ENUM;
  }
}

void require_key(Node* expr, const char* part) {
  if (!supported_key_type(exprType(expr)))
    refuse(part, psprintf("a key of type %s", format_type_be(exprType(expr))),
           "Keys may be boolean, integers, text, varchar, bytea, uuid, date, timestamps, numeric, "
           "float or enums.");
  const Oid collation = exprCollation(expr);
  if (OidIsValid(collation) && !get_collation_isdeterministic(collation))
    refuse(part, "a key in a nondeterministic collation", "Add COLLATE \"C\".");
}

const char* const kNativeHint =
    "The engine maintains count, count(DISTINCT), sum, avg, min, max, bool_and, bool_or, "
    "globalmart.first_by, last_by and approx_count_distinct, each with FILTER; put other "
    "aggregates "
    "into a query around a GROUP BY of these.";

AggregateDefinition* classify(Aggref* aggref, const char* part) {
  auto* made = static_cast<AggregateDefinition*>(palloc0(sizeof(AggregateDefinition)));
  made->aggref = aggref;
  made->result_type = aggref->aggtype;
  made->collation = aggref->inputcollid;
  if (aggref->aggkind != AGGKIND_NORMAL || aggref->aggorder != NIL || aggref->aggdirectargs != NIL)
    refuse(part, "an aggregate with ORDER BY or WITHIN GROUP", kNativeHint);
  const char* name = get_func_name(aggref->aggfnoid);
  const bool ours = get_func_namespace(aggref->aggfnoid) == store::schema_oid();
  const bool builtin = get_func_namespace(aggref->aggfnoid) == PG_CATALOG_NAMESPACE;
  const auto is = [name](const char* wanted) { return strcmp(name, wanted) == 0; };
  if (aggref->args != NIL)
    made->value_type = exprType(reinterpret_cast<Node*>(cell<TargetEntry>(aggref->args, 0)->expr));
  const bool distinct = aggref->aggdistinct != NIL;

  if (builtin && is("count")) {
    made->kind = distinct ? AggregateKind::kDistinct : AggregateKind::kCount;
  } else if (builtin && (is("sum") || is("avg")) && !distinct) {
    made->kind = AggregateKind::kSum;
    made->average = is("avg");
    switch (made->value_type) {
      case INT2OID:
      case INT4OID:
      case INT8OID:
      case NUMERICOID:
        break;
      default:
        refuse(
            part, psprintf("a sum over %s", format_type_be(made->value_type)),
            "Such a sum depends on the order of the rows; cast the argument to numeric, whose sums "
            "are exact.");
    }
  } else if (builtin && (is("min") || is("bool_and") || is("every"))) {
    made->kind = AggregateKind::kMin;
  } else if (builtin && (is("max") || is("bool_or"))) {
    made->kind = AggregateKind::kMax;
  } else if (ours && is("approx_count_distinct") && !distinct) {
    made->kind = AggregateKind::kSketch;
  } else if (ours && is("first_by") && !distinct) {
    made->kind = AggregateKind::kFirst;
  } else if (ours && is("last_by") && !distinct) {
    made->kind = AggregateKind::kLast;
  } else {
    refuse(part, psprintf("the aggregate %s", name), kNativeHint);
  }
  const bool ordered = made->kind == AggregateKind::kMin || made->kind == AggregateKind::kMax;
  const bool hashed =
      made->kind == AggregateKind::kDistinct || made->kind == AggregateKind::kSketch;
  const bool kept = made->kind == AggregateKind::kFirst || made->kind == AggregateKind::kLast;
  if ((ordered || hashed || kept) && !supported_key_type(made->value_type))
    refuse(part, psprintf("%s over %s", name, format_type_be(made->value_type)),
           "Cast the argument to text, uuid, an integer, numeric or a timestamp.");
  return made;
}

const char* kind_name(AggregateKind kind) {
  static const char* const kNames[] = {"",         "count",  "sum",   "min", "max",
                                       "distinct", "sketch", "first", "last"};
  return kNames[static_cast<int>(kind)];
}

const char* deparse(Node* expr, Oid relation) {
  return deparse_expression(expr, deparse_context_for("s", relation), false, false);
}

// Text that is the same for the same state: what kind, over which arguments, behind which filter.
const char* aggregate_signature(const AggregateDefinition* aggregate, Aggref* mapped_aggref,
                                Oid relation) {
  StringInfoData text;
  initStringInfo(&text);
  appendStringInfo(&text, "%s(", kind_name(aggregate->kind));
  if (mapped_aggref->aggstar) appendStringInfoChar(&text, '*');
  ListCell* each;
  foreach (each, mapped_aggref->args)
    appendStringInfo(
        &text, "%s%s", foreach_current_index(each) > 0 ? ", " : "",
        deparse(reinterpret_cast<Node*>(static_cast<TargetEntry*>(lfirst(each))->expr), relation));
  appendStringInfoChar(&text, ')');
  if (aggregate->kind == AggregateKind::kMin || aggregate->kind == AggregateKind::kMax)
    appendStringInfo(
        &text, " collate %s",
        OidIsValid(aggregate->collation) ? get_collation_name(aggregate->collation) : "");
  if (mapped_aggref->aggfilter != nullptr)
    appendStringInfo(&text, " filter %s",
                     deparse(reinterpret_cast<Node*>(mapped_aggref->aggfilter), relation));
  return text.data;
}

Input* make_input(const Outline* outline, const Branch* branch, const Definition* definition) {
  SourceMap map = {outline->source, branch};
  auto* input = static_cast<Input*>(palloc0(sizeof(Input)));
  input->relation = branch->relation;
  List* quals = NIL;
  if (outline->where != nullptr) quals = lappend(quals, mapped(outline->where, &map));
  if (branch->where != nullptr) {
    Index varno = branch->varno;
    quals = lappend(quals, to_varno_one(branch->where, &varno));
  }
  input->where = quals == NIL ? nullptr : make_ands_explicit(quals);
  require_plain(reinterpret_cast<Node*>(input->where), "WHERE");
  ListCell* each;
  foreach (each, definition->key_exprs) {
    Expr* key = mapped(static_cast<Node*>(lfirst(each)), &map);
    require_plain(reinterpret_cast<Node*>(key), "GROUP BY");
    input->keys = lappend(input->keys, key);
  }
  foreach (each, definition->aggregates) {
    auto* aggregate = static_cast<AggregateDefinition*>(lfirst(each));
    Expr* aggref = mapped(reinterpret_cast<Node*>(aggregate->aggref), &map);
    require_plain(reinterpret_cast<Node*>(reinterpret_cast<Aggref*>(aggref)->args),
                  "an aggregate's argument");
    require_plain(reinterpret_cast<Node*>(reinterpret_cast<Aggref*>(aggref)->aggfilter), "FILTER");
    input->aggregates = lappend(input->aggregates, aggref);
  }
  // The window must be over the stream's own event time, or the watermark would mean nothing.
  const store::Stream* stream = store::find_stream(branch->relation);
  auto* time = reinterpret_cast<Var*>(mapped(outline->time_argument, &map));
  if (!IsA(time, Var) || time->varattno != stream->time_column)
    refuse("the first argument of the window function", "windows over anything but the event time",
           psprintf("Give it the stream's time column, %s.",
                    get_attname(branch->relation, stream->time_column, false)));
  return input;
}

bool proves_not_null(Node* qual, Node* key) {
  if (IsA(qual, NullTest)) {
    auto* test = reinterpret_cast<NullTest*>(qual);
    return test->nulltesttype == IS_NOT_NULL && equal(test->arg, key);
  }
  if (IsA(qual, OpExpr)) {
    auto* op = reinterpret_cast<OpExpr*>(qual);
    return list_length(op->args) == 2 && op_strict(op->opno) &&
           (equal(linitial(op->args), key) || equal(lsecond(op->args), key));
  }
  return false;
}

bool key_not_null(const Input* input, int number) {
  auto* key = cell<Node>(input->keys, number);
  if (IsA(key, Const)) return !reinterpret_cast<Const*>(key)->constisnull;
  if (IsA(key, Var)) {
    if (column_not_null(input->relation, reinterpret_cast<Var*>(key)->varattno)) return true;
  }
  ListCell* each;
  foreach (each, make_ands_implicit(input->where))
    if (proves_not_null(static_cast<Node*>(lfirst(each)), key)) return true;
  return false;
}

// Texts that are the same where partials are: of a UNION ALL those of its branches, one after
// another.
void describe_sources(Definition* definition) {
  const auto of_all_inputs = [&](auto text_of) {
    StringInfoData text;
    initStringInfo(&text);
    ListCell* each;
    foreach (each, definition->inputs)
      appendStringInfo(&text, "%s%s", foreach_current_index(each) > 0 ? " union all " : "",
                       text_of(static_cast<Input*>(lfirst(each))));
    return text.data;
  };
  definition->where_signature = of_all_inputs([](const Input* input) {
    return psprintf(
        "%s %s",
        quote_qualified_identifier(get_namespace_name(get_rel_namespace(input->relation)),
                                   get_rel_name(input->relation)),
        input->where == nullptr ? ""
                                : deparse(reinterpret_cast<Node*>(input->where), input->relation));
  });
  for (int key = 0; key < definition->key_count; ++key)
    definition->key_signatures =
        lappend(definition->key_signatures, of_all_inputs([key](const Input* input) {
                  return deparse(cell<Node>(input->keys, key), input->relation);
                }));
  for (int index = 0; index < list_length(definition->aggregates); ++index)
    definition->aggregate_signatures = lappend(
        definition->aggregate_signatures, of_all_inputs([&](const Input* input) {
          return aggregate_signature(cell<AggregateDefinition>(definition->aggregates, index),
                                     cell<Aggref>(input->aggregates, index), input->relation);
        }));
}

}  // namespace

Definition* read_definition(const char* text) {
  Outline* outline = read_outline(text);
  Query* inner = outline->inner;
  auto* definition = static_cast<Definition*>(palloc0(sizeof(Definition)));
  definition->text = text;
  definition->window = outline->window;
  definition->outline = outline;

  definition->key_exprs = outline->keys;
  definition->key_count = list_length(outline->keys);
  ListCell* each;
  foreach (each, outline->keys) require_key(static_cast<Node*>(lfirst(each)), "GROUP BY");

  AggregateSearch search = {NIL};
  collect_aggregates(reinterpret_cast<Node*>(inner->targetList), &search);
  collect_aggregates(inner->havingQual, &search);
  foreach (each, search.found) {
    auto* aggref = static_cast<Aggref*>(lfirst(each));
    definition->aggregates =
        lappend(definition->aggregates, classify(aggref, get_func_name(aggref->aggfnoid)));
  }

  bool not_null = true;
  foreach (each, outline->branches) {
    Input* input = make_input(outline, static_cast<Branch*>(lfirst(each)), definition);
    definition->inputs = lappend(definition->inputs, input);
    for (int key = 0; key < definition->key_count; ++key)
      not_null = not_null && key_not_null(input, key);
  }

  definition->sharable =
      list_length(definition->inputs) == 1 && outline->window.kind != WindowKind::kSession;
  describe_sources(definition);

  describe_output(outline, definition, not_null);
  return definition;
}

Definition* read_kept_definition(const char* text, const char* rollup) {
  Kept kept = {&kRollup, rollup};
  ErrorContextCallback callback = {error_context_stack, explain_kept_error, &kept};
  error_context_stack = &callback;
  Definition* definition = read_definition(text);
  error_context_stack = callback.previous;
  return definition;
}

}  // namespace globalmart::plan
