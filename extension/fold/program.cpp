#include "fold/program.hpp"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "pg/entry.hpp"
#include "plan/definition.hpp"
#include "plan/detector.hpp"
#include "plan/tree.hpp"

namespace globalmart::fold {

namespace {

using plan::cell;

int compare_collated(const void* context, std::string_view left, std::string_view right) {
  const Oid collation = *static_cast<const Oid*>(context);
  return varstr_cmp(left.data(), static_cast<int>(left.size()), right.data(),
                    static_cast<int>(right.size()), collation);
}

// A version as the catalogue has it.
struct CatalogVersion {
  int version_id;
  const char* rollup;
  const char* query;
  int plan_id;
  int* aggregate_numbers;
  int aggregate_count;
  Micros live_from;
  Micros live_until;
  const char* base_query;
  bool first_version;
};

int* integer_array(Datum datum, int* count) {
  Datum* values;
  bool* nulls;
  deconstruct_array(DatumGetArrayTypeP(datum), INT4OID, 4, true, TYPALIGN_INT, &values, &nulls,
                    count);
  auto* numbers = static_cast<int*>(palloc(sizeof(int) * (*count + 1)));
  for (int i = 0; i < *count; ++i) numbers[i] = DatumGetInt32(values[i]);
  return numbers;
}

List* read_versions(const char* domain) {
  MemoryContext caller = CurrentMemoryContext;
  List* versions = NIL;
  SPI_connect();
  Oid types[1] = {TEXTOID};
  Datum arguments[1] = {CStringGetTextDatum(domain)};
  SPI_execute_with_args(
      "SELECT v.version_id, v.rollup, v.query, v.plan_id, v.aggregate_numbers, v.live_from, "
      "v.live_until, p.base_query, "
      "NOT EXISTS (SELECT FROM globalmart.rollup_versions AS o WHERE o.rollup = v.rollup AND "
      "o.version_id < v.version_id) "
      "FROM globalmart.rollup_versions AS v "
      "JOIN globalmart.partial_plans AS p USING (plan_id) "
      "JOIN globalmart.rollup_progress AS g USING (version_id) "
      "WHERE v.domain = $1 AND g.merged_until < v.live_until ORDER BY v.version_id",
      1, types, arguments, nullptr, true, 0);
  SPITupleTable* rows = SPI_tuptable;
  for (uint64 row = 0; row < SPI_processed; ++row) {
    const auto value = [&](int column) {
      bool null;
      return SPI_getbinval(rows->vals[row], rows->tupdesc, column, &null);
    };
    const auto text = [&](int column) {
      return SPI_getvalue(rows->vals[row], rows->tupdesc, column);
    };
    MemoryContext spi = MemoryContextSwitchTo(caller);
    auto* version = static_cast<CatalogVersion*>(palloc0(sizeof(CatalogVersion)));
    version->version_id = DatumGetInt32(value(1));
    version->rollup = text(2);
    version->query = text(3);
    version->plan_id = DatumGetInt32(value(4));
    version->aggregate_numbers = integer_array(value(5), &version->aggregate_count);
    version->live_from = DatumGetTimestampTz(value(6));
    version->live_until = DatumGetTimestampTz(value(7));
    version->base_query = text(8);
    version->first_version = DatumGetBool(value(9));
    versions = lappend(versions, version);
    MemoryContextSwitchTo(spi);
  }
  SPI_finish();
  return versions;
}

struct CatalogDetector {
  const char* name;
  const char* query;
  const char* insert;
};

List* read_detectors(const char* domain) {
  MemoryContext caller = CurrentMemoryContext;
  List* detectors = NIL;
  SPI_connect();
  Oid types[1] = {TEXTOID};
  Datum arguments[1] = {CStringGetTextDatum(domain)};
  SPI_execute_with_args(
      "SELECT c.name, v.query, v.close_query FROM globalmart.rollup_catalog AS c "
      "JOIN globalmart.rollup_versions AS v ON v.rollup = c.name "
      "WHERE c.kind = 'detector' AND c.state <> 'paused' AND c.domain = $1 ORDER BY c.name",
      1, types, arguments, nullptr, true, 0);
  SPITupleTable* rows = SPI_tuptable;
  for (uint64 row = 0; row < SPI_processed; ++row) {
    MemoryContext spi = MemoryContextSwitchTo(caller);
    auto* detector = static_cast<CatalogDetector*>(palloc0(sizeof(CatalogDetector)));
    detector->name = SPI_getvalue(rows->vals[row], rows->tupdesc, 1);
    detector->query = SPI_getvalue(rows->vals[row], rows->tupdesc, 2);
    detector->insert = SPI_getvalue(rows->vals[row], rows->tupdesc, 3);
    detectors = lappend(detectors, detector);
    MemoryContextSwitchTo(spi);
  }
  SPI_finish();
  return detectors;
}

class Compiler {
 public:
  explicit Compiler(Program& program) : program_(program) {}

  Operand operand(Node* expr) {
    Operand made;
    made.type = pg::type_form(exprType(expr));
    if (IsA(expr, Var)) {
      made.column = reinterpret_cast<Var*>(expr)->varattno;
      program_.last_column = std::max(program_.last_column, made.column);
    } else {
      made.expression = compile(expr);
    }
    return made;
  }

  // The numbers of the conditions that must all hold.
  void conditions(Expr* expr, std::vector<int>& numbers) {
    if (expr == nullptr) return;
    ListCell* each;
    foreach (each, make_ands_implicit(expr))
      numbers.push_back(condition(static_cast<Node*>(lfirst(each))));
  }

 private:
  ExprState* compile(Node* expr) {
    pull_columns(expr);
    return ExecInitExpr(expression_planner(static_cast<Expr*>(copyObjectImpl(expr))), nullptr);
  }

  static bool note_column(Node* node, void* context) {
    if (node == nullptr) return false;
    if (IsA(node, Var)) {
      auto* last = static_cast<AttrNumber*>(context);
      *last = std::max(*last, reinterpret_cast<Var*>(node)->varattno);
      return false;
    }
    return plan::walk_expression(node, note_column, context);
  }
  void pull_columns(Node* expr) { note_column(expr, &program_.last_column); }

  int condition(Node* tree) {
    for (size_t i = 0; i < program_.conditions.size(); ++i)
      if (equal(program_.conditions[i].tree, tree)) return static_cast<int>(i);
    Condition& made = program_.conditions.emplace_back();
    made.tree = static_cast<Node*>(copyObjectImpl(tree));
    if (!native(tree, made)) {
      made.kind = Condition::Kind::kExpression;
      made.expression = compile(tree);
    }
    return static_cast<int>(program_.conditions.size()) - 1;
  }

  bool native(Node* tree, Condition& made) {
    if (IsA(tree, NullTest)) {
      auto* test = reinterpret_cast<NullTest*>(tree);
      if (test->nulltesttype != IS_NOT_NULL || !IsA(test->arg, Var)) return false;
      made.kind = Condition::Kind::kNotNull;
      made.column = reinterpret_cast<Var*>(test->arg)->varattno;
    } else if (IsA(tree, OpExpr)) {
      auto* op = reinterpret_cast<OpExpr*>(tree);
      if (get_opcode(op->opno) != F_TEXTEQ || list_length(op->args) != 2) return false;
      auto* left = cell<Node>(op->args, 0);
      auto* right = cell<Node>(op->args, 1);
      if (IsA(left, Const)) std::swap(left, right);
      if (!IsA(left, Var) || !IsA(right, Const) || reinterpret_cast<Const*>(right)->constisnull)
        return false;
      if (!get_collation_isdeterministic(op->inputcollid)) return false;
      made.kind = Condition::Kind::kTextEquals;
      made.column = reinterpret_cast<Var*>(left)->varattno;
      made.text = pg::text_bytes(reinterpret_cast<Const*>(right)->constvalue);
    } else {
      return false;
    }
    program_.last_column = std::max(program_.last_column, made.column);
    return true;
  }

  Program& program_;
};

const plan::Input* input_for(const plan::Definition* definition, Oid relation, int occurrence) {
  ListCell* each;
  foreach (each, definition->inputs) {
    auto* input = static_cast<plan::Input*>(lfirst(each));
    if (input->relation == relation && occurrence-- == 0) return input;
  }
  return nullptr;
}

AggregateStep make_step(Compiler& compiler, const plan::AggregateDefinition* aggregate,
                        const Aggref* aggref, ValueForm form) {
  AggregateStep step;
  step.kind = aggregate->kind;
  step.form = form;
  const auto argument = [&](int number) {
    return compiler.operand(reinterpret_cast<Node*>(cell<TargetEntry>(aggref->args, number)->expr));
  };
  if (list_length(aggref->args) > 0) {
    step.has_value = true;
    step.value = argument(0);
    if (step.kind == AggregateKind::kSketch) {
      step.shape = pg::require_canonical(step.value.type.type, aggregate->collation,
                                         "approx_count_distinct");
      step.hash_of_column =
          step.value.column != InvalidAttrNumber && (step.shape.form == pg::CanonicalForm::kBytes ||
                                                     step.shape.form == pg::CanonicalForm::kUuid);
    }
  }
  if (list_length(aggref->args) > 1) step.time = argument(1);
  if (list_length(aggref->args) > 2) {
    step.has_id = true;
    step.id = argument(2);
  }
  compiler.conditions(aggref->aggfilter, step.filter);
  return step;
}

// One plan as far as it is fed by one input of the stream.
void add_plan(Program& program, Compiler& compiler, int plan_id, int occurrence,
              std::vector<std::pair<CatalogVersion*, plan::Definition*>>& versions,
              plan::Definition* base) {
  const Oid relation = program.stream->relation;
  const plan::Input* base_input = input_for(base, relation, occurrence);
  if (base_input == nullptr) return;

  std::map<int, std::pair<plan::AggregateDefinition*, const Aggref*>> wanted;
  for (auto& [version, definition] : versions) {
    const plan::Input* input = input_for(definition, relation, occurrence);
    for (int i = 0; i < version->aggregate_count; ++i)
      wanted.try_emplace(
          version->aggregate_numbers[i],
          std::make_pair(cell<plan::AggregateDefinition>(definition->aggregates, i),
                         static_cast<const Aggref*>(cell<Aggref>(input->aggregates, i))));
  }
  std::vector<AggregateSpec> specs;
  for (auto& [number, wish] : wanted)
    specs.push_back(spec_for(wish.first->kind, wish.first->value_type, wish.first->collation));
  auto made = std::make_unique<PlanProgram>(specs);
  size_t index = 0;
  for (auto& [number, wish] : wanted) {
    made->aggregates.push_back(make_step(compiler, wish.first, wish.second, specs[index].form));
    made->layout.entries.push_back(
        {static_cast<uint32_t>(number), specs[index].kind, specs[index].form});
    ++index;
  }
  made->plan_id = plan_id;
  made->sessions = made->layout.sessions = base->window.kind == WindowKind::kSession;
  made->slice_width = made->sessions ? base->window.width : base->window.slice_width();
  made->slice_offset = base->window.offset;
  compiler.conditions(base_input->where, made->where);
  ListCell* each;
  foreach (each, base_input->keys)
    made->keys.push_back(compiler.operand(static_cast<Node*>(lfirst(each))));
  for (auto& [version, definition] : versions)
    made->subscribers.push_back({version->version_id, pstrdup(version->rollup), definition->window,
                                 version->live_from, version->live_until, version->first_version});
  program.plans.push_back(std::move(made));
}

void compile_program(Program& program, const char* stream_name, Oid relation) {
  program.context =
      AllocSetContextCreate(CacheMemoryContext, "globalmart fold program", ALLOCSET_DEFAULT_SIZES);
  MemoryContext caller = MemoryContextSwitchTo(program.context);
  program.stream = store::find_stream(relation);
  if (program.stream == nullptr)
    ereport(ERROR, errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("\"%s\" is not a stream", stream_name),
            errhint("Register it with globalmart.create_stream."));
  program.expressions = CreateStandaloneExprContext();
  program.last_column = std::max({program.stream->time_column, program.stream->id_column,
                                  program.stream->partition_column, program.stream->offset_column,
                                  program.stream->received_column});
  Compiler compiler(program);
  std::map<int, std::vector<std::pair<CatalogVersion*, plan::Definition*>>> by_plan;
  ListCell* each;
  foreach (each, read_versions(program.stream->domain)) {
    auto* version = static_cast<CatalogVersion*>(lfirst(each));
    plan::Definition* definition = plan::read_definition(version->query);
    if (input_for(definition, program.stream->relation, 0) != nullptr)
      by_plan[version->plan_id].push_back({version, definition});
  }
  for (auto& [plan_id, versions] : by_plan) {
    plan::Definition* base = plan::read_definition(versions.front().first->base_query);
    int occurrences = 0;
    foreach (each, base->inputs)
      if (static_cast<plan::Input*>(lfirst(each))->relation == program.stream->relation)
        ++occurrences;
    for (int occurrence = 0; occurrence < occurrences; ++occurrence)
      add_plan(program, compiler, plan_id, occurrence, versions, base);
  }
  foreach (each, read_detectors(program.stream->domain)) {
    auto* found = static_cast<CatalogDetector*>(lfirst(each));
    Node* where = nullptr;
    if (plan::detector_source(found->query, &where) != program.stream->relation) continue;
    Detector& detector = program.detectors.emplace_back();
    detector.name = found->name;
    detector.insert = found->insert;
    compiler.conditions(reinterpret_cast<Expr*>(where), detector.where);
  }
  if (!program.detectors.empty()) {
    Relation root = table_open(program.stream->relation, AccessShareLock);
    program.last_column = RelationGetDescr(root)->natts;
    table_close(root, AccessShareLock);
  }
  program.columns.resize(program.last_column);
  for (AttrNumber column = 1; column <= program.last_column; ++column) {
    const Oid type = get_atttype(program.stream->relation, column);
    if (OidIsValid(type)) program.columns[column - 1].type = pg::type_form(type);
  }
  MemoryContextSwitchTo(caller);
}

}  // namespace

AggregateSpec spec_for(AggregateKind kind, Oid type, Oid collation) {
  AggregateSpec spec;
  spec.kind = kind;
  if (!OidIsValid(type)) return spec;
  spec.form = pg::type_form(type).form;
  const bool ordered = kind == AggregateKind::kMin || kind == AggregateKind::kMax;
  if (type == NUMERICOID && (ordered || kind == AggregateKind::kSum)) {
    spec.form = ValueForm::kDecimal;
  } else if (ordered && OidIsValid(collation) && !lc_collate_is_c(collation)) {
    spec.form = ValueForm::kCollated;
    auto* kept = static_cast<Oid*>(palloc(sizeof(Oid)));
    *kept = collation;
    spec.compare = compare_collated;
    spec.compare_context = kept;
  }
  return spec;
}

Program::~Program() {
  if (context != nullptr) MemoryContextDelete(context);
}

Program& program_for(const char* stream, Oid relation, int64_t definition_version) {
  // One program a stream for the life of the backend.
  static std::unordered_map<std::string, std::unique_ptr<Program>> programs;
  std::unique_ptr<Program>& kept = programs[stream];
  if (kept == nullptr || kept->definition_version != definition_version) {
    if (kept != nullptr && kept->busy)
      ereport(ERROR, errcode(ERRCODE_OBJECT_IN_USE),
              errmsg("the rollups of stream \"%s\" changed while its rows were folded", stream));
    kept = std::make_unique<Program>();
    compile_program(*kept, stream, relation);
    kept->definition_version = definition_version;
  }
  return *kept;
}

void apply_progress(Program& program, const store::ProgressRow* rows, int count) {
  for (auto& plan : program.plans) {
    plan->plain_from = kMinusInfinity;
    plan->plain_until = kPlusInfinity;
    for (Subscriber& subscriber : plan->subscribers) {
      const auto* end = rows + count;
      const auto* found = std::lower_bound(
          rows, end, subscriber.version_id,
          [](const store::ProgressRow& row, int id) { return row.version_id < id; });
      if (found == end || found->version_id != subscriber.version_id) {
        // Dropped meanwhile: nothing is folded for it.
        subscriber.late_before = kPlusInfinity;
        plan->plain_from = kPlusInfinity;
        continue;
      }
      const store::VersionProgress& progress = found->progress;
      subscriber.late_before = subscriber.window.late_before(progress.closed_until);
      subscriber.partly_late_before = subscriber.window.partly_late_before(progress.closed_until);
      subscriber.closed_until = progress.closed_until;
      subscriber.backfilled_before = subscriber.window.late_before(progress.backfilled_until);
      plan->plain_from =
          std::max({plan->plain_from, subscriber.partly_late_before, subscriber.live_from});
      plan->plain_until = std::min(plan->plain_until, subscriber.live_until);
    }
  }
}

}  // namespace globalmart::fold
