#include "fold/compile.hpp"

#include <algorithm>
#include <map>

#include "fold/definitions.hpp"
#include "plan/definition.hpp"
#include "plan/detector.hpp"
#include "plan/state_spec.hpp"
#include "plan/tree.hpp"

namespace globalmart::fold {

namespace {

using plan::cell;

const plan::Input* input_for(const plan::Definition* definition, Oid relation, int occurrence) {
  ListCell* each;
  foreach (each, definition->inputs) {
    auto* input = static_cast<plan::Input*>(lfirst(each));
    if (input->relation == relation && occurrence-- == 0) return input;
  }
  return nullptr;
}

using CompiledVersion = std::pair<CatalogVersion*, plan::Definition*>;

class Compiler {
 public:
  explicit Compiler(Program& program) : program_(program) {}

  void compile(const char* stream_name, Oid relation);

 private:
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

  void add_step(PlanProgram& plan, const plan::AggregateDefinition* aggregate,
                const Aggref* aggref);
  void add_plan(int plan_id, int occurrence, const std::vector<CompiledVersion>& versions,
                plan::Definition* base);

  Program& program_;
  std::map<int, std::vector<CompiledVersion>> by_plan_;
  std::map<int, std::pair<plan::AggregateDefinition*, const Aggref*>> wanted_;
  std::vector<AggregateSpec> specs_;
};

// The aggregate of the plan's next state.
void Compiler::add_step(PlanProgram& plan, const plan::AggregateDefinition* aggregate,
                        const Aggref* aggref) {
  AggregateStep& step = plan.aggregates.emplace_back();
  step.kind = aggregate->kind;
  step.form = plan.table.states().specs()[plan.aggregates.size() - 1].form;
  const auto argument = [&](int number) {
    return operand(reinterpret_cast<Node*>(cell<TargetEntry>(aggref->args, number)->expr));
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
  conditions(aggref->aggfilter, step.filter);
}

// One plan as far as it is fed by one input of the stream.
void Compiler::add_plan(int plan_id, int occurrence, const std::vector<CompiledVersion>& versions,
                        plan::Definition* base) {
  const Oid relation = program_.stream->relation;
  const plan::Input* base_input = input_for(base, relation, occurrence);
  if (base_input == nullptr) return;

  wanted_.clear();
  for (const auto& [version, definition] : versions) {
    const plan::Input* input = input_for(definition, relation, occurrence);
    // A version that was moved to another plan.
    if (input == nullptr) store::refuse_catalogue(version->rollup);
    for (int i = 0; i < list_length(definition->aggregates); ++i)
      wanted_.try_emplace(version->aggregate_numbers[i],
                          cell<plan::AggregateDefinition>(definition->aggregates, i),
                          static_cast<const Aggref*>(cell<Aggref>(input->aggregates, i)));
  }
  specs_.clear();
  for (const auto& [number, wish] : wanted_)
    specs_.push_back(
        plan::spec_for(wish.first->kind, wish.first->value_type, wish.first->collation));
  PlanProgram& plan = *program_.plans.emplace_back(std::make_unique<PlanProgram>(specs_));
  for (const auto& [number, wish] : wanted_) {
    const AggregateSpec& spec = specs_[plan.layout.entries.size()];
    plan.layout.entries.push_back({static_cast<uint32_t>(number), spec.kind, spec.form});
    add_step(plan, wish.first, wish.second);
  }
  plan.plan_id = plan_id;
  plan.sessions = plan.layout.sessions = base->window.kind == WindowKind::kSession;
  plan.slice_width = plan.sessions ? base->window.width : base->window.slice_width();
  plan.slice_offset = base->window.offset;
  conditions(base_input->where, plan.where);
  ListCell* each;
  foreach (each, base_input->keys) plan.keys.push_back(operand(static_cast<Node*>(lfirst(each))));
  for (const auto& [version, definition] : versions) {
    plan.subscribers.push_back({version->version_id, pstrdup(version->rollup), definition->window,
                                version->live_from, version->live_until, version->first_version});
    const Micros width = definition->window.width;
    program_.earliest = std::max(program_.earliest, MIN_TIMESTAMP + width);
    program_.latest = std::min(program_.latest, END_TIMESTAMP - 1 - width);
  }
}

void Compiler::compile(const char* stream_name, Oid relation) {
  program_.stream = store::find_stream(relation);
  if (program_.stream == nullptr)
    ereport(ERROR, errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("\"%s\" is not a stream", stream_name),
            errhint("Register it with globalmart.create_stream."));
  const store::Stream& stream = *program_.stream;
  Relation root = table_open(program_.stream->relation, AccessShareLock);
  program_.row_type = CreateTupleDescCopyConstr(RelationGetDescr(root));
  table_close(root, AccessShareLock);
  program_.expressions = CreateStandaloneExprContext();
  program_.max_future = store::max_future(stream.name);
  program_.last_column = std::max({stream.time_column, stream.id_column, stream.partition_column,
                                   stream.offset_column, stream.received_column});
  ListCell* each;
  foreach (each, read_versions(stream.domain)) {
    auto* version = static_cast<CatalogVersion*>(lfirst(each));
    plan::Definition* definition = plan::read_kept_definition(version->query, version->rollup);
    version->aggregate_numbers = store::read_numbers(version->stored_numbers, !version->has_numbers,
                                                     list_length(definition->aggregates),
                                                     version->state_count, version->rollup);
    if (input_for(definition, stream.relation, 0) != nullptr)
      by_plan_[version->plan_id].emplace_back(version, definition);
  }
  for (const auto& [plan_id, versions] : by_plan_) {
    const CatalogVersion* first = versions.front().first;
    plan::Definition* base = plan::read_kept_definition(first->base_query, first->rollup);
    for (int occurrence = 0; input_for(base, stream.relation, occurrence) != nullptr; ++occurrence)
      add_plan(plan_id, occurrence, versions, base);
  }
  foreach (each, read_detectors(stream.domain)) {
    auto* found = static_cast<CatalogDetector*>(lfirst(each));
    Node* where = nullptr;
    if (plan::detector_source(found->query, found->name, &where) != stream.relation) continue;
    Detector& detector = program_.detectors.emplace_back();
    detector.name = found->name;
    detector.insert = found->insert;
    conditions(reinterpret_cast<Expr*>(where), detector.where);
  }
  if (!program_.detectors.empty()) {
    Relation root = table_open(stream.relation, AccessShareLock);
    program_.last_column = RelationGetDescr(root)->natts;
    table_close(root, AccessShareLock);
  }
  program_.columns.resize(program_.last_column);
  for (AttrNumber column = 1; column <= program_.last_column; ++column) {
    const Oid type = get_atttype(stream.relation, column);
    if (OidIsValid(type)) program_.columns[column - 1].type = pg::type_form(type);
  }
}

}  // namespace

void compile_program(Program& program, const char* stream_name, Oid relation) {
  // PostgreSQL may leave by longjmp in the middle: what has a destructor lives on in here, and in
  // the program, until the next compilation.
  static std::unique_ptr<Compiler> compiler;
  program.context =
      AllocSetContextCreate(CacheMemoryContext, "globalmart fold program", ALLOCSET_DEFAULT_SIZES);
  MemoryContext caller = MemoryContextSwitchTo(program.context);
  compiler = std::make_unique<Compiler>(program);
  compiler->compile(stream_name, relation);
  compiler.reset();
  MemoryContextSwitchTo(caller);
}

}  // namespace globalmart::fold
