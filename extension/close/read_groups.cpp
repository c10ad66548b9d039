// globalmart.read_groups(version, from, until): one row for each group of the windows that end in
// (from, until], merged from partials; with NULLs, of the windows that are open. The query that a
// definition compiles to for its closes stands over it.
#include "close/merge.hpp"
#include "close/version.hpp"
#include "core/bytes.hpp"
#include "pg/entry.hpp"
#include "plan/state_spec.hpp"
#include "plan/tree.hpp"
#include "store/catalog.hpp"
#include "store/partial_log.hpp"

extern "C" {
#include "utils/fmgrprotos.h"
}

namespace globalmart::closing {

namespace {

using plan::AggregateDefinition;
using plan::cell;

Datum sum_as(const SumState& sum, Oid type) {
  if (type == INT8OID) {
    if (sum.sum > INT64_MAX || sum.sum < INT64_MIN)
      ereport(ERROR, errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("bigint out of range"));
    return Int64GetDatum(static_cast<int64>(sum.sum));
  }
  Decimal total = {sum.sum, sum.scale, Decimal::Special::kFinite};
  if (sum.specials != 0) {
    const auto infinities = static_cast<uint8_t>(Decimal::Special::kInfinity) |
                            static_cast<uint8_t>(Decimal::Special::kMinusInfinity);
    total.special = (sum.specials & static_cast<uint8_t>(Decimal::Special::kNan)) != 0 ||
                            (sum.specials & infinities) == infinities
                        ? Decimal::Special::kNan
                        : static_cast<Decimal::Special>(sum.specials);
  }
  return pg::from_decimal(total);
}

// The aggregate's value; false for NULL.
bool finish(GroupStates& states, const Group& group, int index,
            const AggregateDefinition* aggregate, const pg::TypeForm& type, Datum* result) {
  switch (aggregate->kind) {
    case AggregateKind::kCount:
      *result = Int64GetDatum(states.count_value(group.states(), index));
      return true;
    case AggregateKind::kDistinct:
      *result = Int64GetDatum(states.distinct(group.states(), index));
      return true;
    case AggregateKind::kSketch:
      *result = Int64GetDatum(states.estimate(group.states(), index));
      return true;
    case AggregateKind::kSum: {
      const SumState& sum = states.sum(group.states(), index);
      if (sum.count == 0) return false;
      if (!aggregate->average) {
        *result = sum_as(sum, aggregate->result_type);
      } else {
        const Datum count = NumericGetDatum(int64_to_numeric(sum.count));
        *result = DirectFunctionCall2(numeric_div, sum_as(sum, NUMERICOID), count);
      }
      return true;
    }
    case AggregateKind::kMin:
    case AggregateKind::kMax: {
      const ExtremeState& state = states.extreme(group.states(), index);
      if (!state.set) return false;
      if (type.type == NUMERICOID)
        *result = pg::from_decimal(
            {state.mantissa, state.scale, static_cast<Decimal::Special>(state.special)});
      else
        *result = pg::to_checked_datum({false, state.integer, {state.bytes, state.length}}, type);
      return true;
    }
    case AggregateKind::kFirst:
    case AggregateKind::kLast: {
      const PositionState& state = states.position(group.states(), index);
      if (!state.set) return false;
      *result = pg::to_checked_datum({false, state.integer, {state.bytes, state.length}}, type);
      return true;
    }
  }
  return false;
}

void require_select(const char* rollup, Oid user) {
  // The partials say what the rollup's table will say: whoever may read the one may read the other.
  const Oid relation = store::table_oid(rollup);
  const AclResult result = pg_class_aclcheck(relation, user, ACL_SELECT);
  if (result != ACLCHECK_OK) aclcheck_error(result, OBJECT_TABLE, rollup);
}

// The owner of the function that runs: what reads the partials, which nobody else may.
Oid owner_of_function(FunctionCallInfo fcinfo) {
  HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(fcinfo->flinfo->fn_oid));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for function");
  const Oid owner = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple))->proowner;
  ReleaseSysCache(tuple);
  return owner;
}

void require_columns(const Version& version, TupleDesc columns) {
  const plan::Definition* definition = version.definition;
  if (columns->natts != 2 + definition->key_count + list_length(definition->aggregates))
    ereport(ERROR, errcode(ERRCODE_DATATYPE_MISMATCH),
            errmsg("read_groups of rollup \"%s\" is called with other columns than it has",
                   version.rollup),
            errhint("It is made for the queries that create_rollup writes."));
  for (int i = 0; i < columns->natts; ++i) {
    Oid wanted = TIMESTAMPTZOID;
    if (i >= 2 + definition->key_count)
      wanted = cell<AggregateDefinition>(definition->aggregates, i - 2 - definition->key_count)
                   ->result_type;
    else if (i >= 2)
      wanted = exprType(cell<Node>(definition->key_exprs, i - 2));
    if (TupleDescAttr(columns, i)->atttypid != wanted)
      ereport(ERROR, errcode(ERRCODE_DATATYPE_MISMATCH),
              errmsg("read_groups of rollup \"%s\" is called with another type for column %d",
                     version.rollup, i + 1));
  }
}

void emit(Merger& merger, const Version& version, ReturnSetInfo* result) {
  const plan::Definition* definition = version.definition;
  const int keys = definition->key_count;
  const int aggregates = list_length(definition->aggregates);
  const int width = 2 + keys + aggregates;
  auto* values = static_cast<Datum*>(palloc0(sizeof(Datum) * width));
  auto* nulls = static_cast<bool*>(palloc0(width));
  auto* types = static_cast<pg::TypeForm*>(palloc(sizeof(pg::TypeForm) * (aggregates + 1)));
  for (int i = 0; i < aggregates; ++i)
    types[i] = pg::type_form(cell<AggregateDefinition>(definition->aggregates, i)->result_type);
  MemoryContext per_row =
      AllocSetContextCreate(CurrentMemoryContext, "globalmart row", ALLOCSET_DEFAULT_SIZES);
  for (const Merger::Window& window : merger.windows()) {
    CHECK_FOR_INTERRUPTS();
    MemoryContext caller = MemoryContextSwitchTo(per_row);
    values[0] = TimestampTzGetDatum(window.start);
    values[1] = TimestampTzGetDatum(window.end);
    ByteReader key(window.group->key());
    for (int i = 0; i < keys; ++i) {
      const pg::TypeForm& type = version.plan_keys[version.key_numbers[i]];
      const Value value = read_key_field(key, type.form);
      nulls[2 + i] = value.is_null;
      if (!value.is_null) values[2 + i] = pg::to_checked_datum(value, type);
    }
    for (int i = 0; i < aggregates; ++i)
      nulls[2 + keys + i] = !finish(merger.states(), *window.group, i,
                                    cell<AggregateDefinition>(definition->aggregates, i), types[i],
                                    &values[2 + keys + i]);
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    MemoryContextSwitchTo(caller);
    MemoryContextReset(per_row);
  }
}

}  // namespace

}  // namespace globalmart::closing

GLOBALMART_FUNCTION(globalmart_read_groups) {
  using namespace globalmart;
  using namespace globalmart::closing;
  Version* version = nullptr;
  WindowRange range{};
  Oid caller = InvalidOid;
  int caller_context = 0;
  auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  pg::guarded([&] {
    if (PG_ARGISNULL(0))
      ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("version must not be null"));
    InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
    // The function is the caller's, so that it is his right which is asked for; the rest is read
    // with the owner's. An error ends that as it ends the transaction, or the subtransaction.
    GetUserIdAndSecContext(&caller, &caller_context);
    SetUserIdAndSecContext(owner_of_function(fcinfo),
                           caller_context | SECURITY_LOCAL_USERID_CHANGE);
    version = read_version(PG_GETARG_INT32(0));
    require_select(version->rollup, caller);
    require_columns(*version, result->setDesc);
    range.from = PG_ARGISNULL(1) ? version->progress.merged_until : PG_GETARG_TIMESTAMPTZ(1);
    range.until = PG_ARGISNULL(2) ? kPlusInfinity : PG_GETARG_TIMESTAMPTZ(2);
  });

  std::vector<AggregateSpec> specs;
  const int count = list_length(version->definition->aggregates);
  specs.resize(count);
  pg::guarded([&] {
    for (int i = 0; i < count; ++i) {
      auto* aggregate = cell<AggregateDefinition>(version->definition->aggregates, i);
      specs[i] = plan::spec_for(aggregate->kind, aggregate->value_type, aggregate->collation);
    }
  });
  Merger merger(*version, range, std::move(specs));
  pg::guarded([&] {
    store::read_chunks(
        version->domain, version->domain_state, version->plan_id, merger.first_slice(),
        merger.end_slice(),
        [](void* context, int64_t stamp, int64_t slice, std::string_view body) {
          static_cast<Merger*>(context)->take(stamp, slice, body);
        },
        &merger);
    store::require_untruncated(version->domain, version->domain_state);
  });
  merger.finish();
  pg::guarded([&] { emit(merger, *version, result); });
  SetUserIdAndSecContext(caller, caller_context);
  return Datum{0};
}
