#include "fold/fold.hpp"

#include <stdexcept>

#include "pg/canonical.hpp"
#include "pg/entry.hpp"
#include "store/clock.hpp"

namespace globalmart::fold {

namespace {

// One row, with everything that is worked out of it at most once.
class RowView {
 public:
  RowView(Program& program, TupleTableSlot* slot) : program_(program), slot_(slot) {}

  bool is_null(AttrNumber column) const { return slot_->tts_isnull[column - 1]; }
  Datum datum(AttrNumber column) const { return slot_->tts_values[column - 1]; }

  const Value& value(AttrNumber column) {
    ColumnCache& cache = program_.columns[column - 1];
    if (cache.value_row != program_.row) {
      cache.value_row = program_.row;
      cache.value = is_null(column) ? Value{} : pg::to_value(datum(column), cache.type);
    }
    return cache.value;
  }
  uint64_t hash(AttrNumber column) {
    ColumnCache& cache = program_.columns[column - 1];
    if (cache.hash_row != program_.row) {
      cache.hash_row = program_.row;
      cache.hash = hash_value(value(column));
    }
    return cache.hash;
  }
  const Decimal& decimal(AttrNumber column) {
    ColumnCache& cache = program_.columns[column - 1];
    if (cache.decimal_row != program_.row) {
      cache.decimal_row = program_.row;
      cache.decimal = pg::to_decimal(datum(column));
    }
    return cache.decimal;
  }
  // False when the value is NULL.
  bool evaluate(const Operand& operand, Datum& datum_out) {
    if (operand.column != InvalidAttrNumber) {
      datum_out = datum(operand.column);
      return !is_null(operand.column);
    }
    bool null;
    datum_out = ExecEvalExprSwitchContext(operand.expression, program_.expressions, &null);
    return !null;
  }
  bool holds(int number) {
    Condition& condition = program_.conditions[number];
    if (condition.row != program_.row) {
      condition.row = program_.row;
      condition.holds = test(condition);
    }
    return condition.holds;
  }
  bool all_hold(const std::vector<int>& numbers) {
    for (int number : numbers)
      if (!holds(number)) return false;
    return true;
  }
  static uint64_t hash_value(const Value& value) {
    if (value.is_null) return 0x9e3779b97f4a7c15;
    if (value.bytes.data() != nullptr) return hash_bytes(value.bytes.data(), value.bytes.size());
    return mix64(static_cast<uint64_t>(value.integer) ^ 0xd6e8feb86659fd93);
  }

 private:
  bool test(const Condition& condition) {
    switch (condition.kind) {
      case Condition::Kind::kNotNull:
        return !is_null(condition.column);
      case Condition::Kind::kTextEquals: {
        const Value& text = value(condition.column);
        return !text.is_null && text.bytes == condition.text;
      }
      case Condition::Kind::kExpression: {
        bool null;
        const Datum result =
            ExecEvalExprSwitchContext(condition.expression, program_.expressions, &null);
        return !null && DatumGetBool(result);
      }
    }
    return false;
  }
  Program& program_;
  TupleTableSlot* slot_;
};

EventId event_id(const Value& value) {
  EventId id;
  if (value.bytes.size() == 16) {
    memcpy(&id.high, value.bytes.data(), 8);
    memcpy(&id.low, value.bytes.data() + 8, 8);
    id.high = __builtin_bswap64(id.high);
    id.low = __builtin_bswap64(id.low);
  }
  return id;
}

void fold_aggregate(PlanProgram& plan, size_t index, char* states, RowView& row) {
  const AggregateStep& step = plan.aggregates[index];
  if (!step.filter.empty() && !row.all_hold(step.filter)) return;
  GroupStates& table = plan.table.states();
  if (!step.has_value) {
    ++table.count(states, index);
    return;
  }
  Datum datum;
  if (!row.evaluate(step.value, datum)) return;
  const AttrNumber column = step.value.column;
  switch (step.kind) {
    case AggregateKind::kCount:
      ++table.count(states, index);
      return;
    case AggregateKind::kSum:
      if (step.form == ValueForm::kDecimal)
        table.add_decimal(states, index, column != 0 ? row.decimal(column) : pg::to_decimal(datum));
      else
        table.add_integer(states, index, pg::to_value(datum, step.value.type).integer);
      return;
    case AggregateKind::kMin:
    case AggregateKind::kMax:
      if (step.form == ValueForm::kDecimal) {
        const Decimal decimal = column != 0 ? row.decimal(column) : pg::to_decimal(datum);
        table.add_extreme(states, index, Value{}, &decimal);
      } else {
        table.add_extreme(states, index, pg::to_value(datum, step.value.type), nullptr);
      }
      return;
    case AggregateKind::kDistinct: {
      const Value value = pg::to_key_value(datum, step.value.type);
      table.add_distinct(states, index,
                         value.bytes.data() != nullptr
                             ? value.bytes
                             : std::string_view(reinterpret_cast<const char*>(&value.integer), 8));
      return;
    }
    case AggregateKind::kSketch:
      table.add_hash(states, index,
                     step.hash_of_column ? row.hash(column) : pg::hash_datum(datum, step.shape));
      return;
    case AggregateKind::kFirst:
    case AggregateKind::kLast: {
      Datum time, id;
      if (!row.evaluate(step.time, time)) return;
      EventId position;
      if (step.has_id && row.evaluate(step.id, id))
        position = event_id(pg::to_value(id, step.id.type));
      table.add_position(states, index, DatumGetTimestampTz(time), position,
                         column != 0 ? row.value(column) : pg::to_value(datum, step.value.type));
      return;
    }
  }
}

// The key's bytes and hash; the buffer is reused from row to row.
uint64_t make_key(PlanProgram& plan, RowView& row, std::string& key) {
  key.clear();
  uint64_t hash = 0;
  for (const Operand& operand : plan.keys) {
    uint64_t part;
    if (operand.column != InvalidAttrNumber && operand.type.type != NUMERICOID &&
        operand.type.form != ValueForm::kFloat) {
      append_key_field(key, operand.type.form, row.value(operand.column));
      part = row.hash(operand.column);
    } else {
      Datum datum;
      Value value;
      if (row.evaluate(operand, datum)) value = pg::to_key_value(datum, operand.type);
      append_key_field(key, operand.type.form, value);
      part = RowView::hash_value(value);
    }
    hash = mix64(hash ^ part);
  }
  return hash;
}

LateRow late_row(const Program& program, RowView& row, const Subscriber& subscriber, Micros time) {
  const store::Stream& stream = *program.stream;
  LateRow late{};
  late.rollup = subscriber.rollup;
  late.version_id = subscriber.version_id;
  late.kafka_partition = -1;
  late.event_time = time;
  late.received_at = time;
  late.missed_until = kPlusInfinity;
  if (stream.partition_column != 0)
    late.kafka_partition = DatumGetInt32(row.datum(stream.partition_column));
  if (stream.offset_column != 0) late.kafka_offset = DatumGetInt64(row.datum(stream.offset_column));
  if (stream.received_column != 0)
    late.received_at = DatumGetTimestampTz(row.datum(stream.received_column));
  if (!row.is_null(stream.id_column)) late.event_id = *DatumGetUUIDP(row.datum(stream.id_column));
  return late;
}

// Whether a window of another version of the same rollup takes an event that is late for this one.
// Windows of two versions stand side by side after alter_rollup.
bool another_version_takes(Program& program, const Subscriber& subscriber, RowView& row,
                           Micros time) {
  for (const auto& plan : program.plans)
    for (const Subscriber& other : plan->subscribers)
      if (other.version_id != subscriber.version_id &&
          strcmp(other.rollup, subscriber.rollup) == 0 && other.in_time(time) &&
          row.all_hold(plan->where))
        return true;
  return false;
}

// Whether any subscriber still takes an event that is not plainly in time; notes for whom it is
// late.
bool judge(Program& program, PlanProgram& plan, RowView& row, Micros time, BatchOutcome& outcome) {
  bool taken = false;
  for (const Subscriber& subscriber : plan.subscribers) {
    if (time < subscriber.live_from) {
      // Before the rollup's first live window: backfill reads it from the stream, unless it was
      // there.
      if (subscriber.first_version && time < subscriber.backfilled_before)
        outcome.late.push_back(late_row(program, row, subscriber, time));
      continue;
    }
    if (time >= subscriber.member_until()) continue;
    if (!subscriber.in_time(time)) {
      if (subscriber.late_before == kPlusInfinity) continue;
      outcome.late.push_back(late_row(program, row, subscriber, time));
      if (another_version_takes(program, subscriber, row, time))
        outcome.late.back().missed_until = subscriber.closed_until;
      continue;
    }
    if (time < subscriber.partly_late_before) {
      outcome.late.push_back(late_row(program, row, subscriber, time));
      outcome.late.back().missed_until = subscriber.closed_until;
    }
    taken = true;
  }
  return taken;
}

void fold_row(Program& program, PlanProgram& plan, RowView& row, Micros time, std::string& key,
              BatchOutcome& outcome) {
  if (!row.all_hold(plan.where)) return;
  if (time < plan.plain_from || time >= plan.plain_until) {
    if (!judge(program, plan, row, time, outcome)) return;
  } else if (plan.retired) {
    return;
  }
  const uint64_t hash = make_key(plan, row, key);
  Group* group;
  if (plan.sessions) {
    group = &plan.table.segment_at(hash, key, time, plan.slice_width);
  } else {
    group = &plan.table.at(hash, floor_to(time, plan.slice_width, plan.slice_offset), key);
    if (time < group->first) group->first = time;
    if (time > group->last) group->last = time;
  }
  ++group->rows;
  char* states = group->states();
  for (size_t index = 0; index < plan.aggregates.size(); ++index)
    fold_aggregate(plan, index, states, row);
}

[[noreturn]] void refuse_time(const store::Stream& stream, bool infinite) {
  if (infinite)
    ereport(ERROR, errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
            errmsg("the event time of a row of stream \"%s\" is not a finite time", stream.name));
  ereport(ERROR, errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
          errmsg("the event time of a row of stream \"%s\" is too near the end of the scale",
                 stream.name),
          errdetail("A window that holds it would begin before 4713 BC or end after 294276 AD."));
  pg_unreachable();
}

// One row of the far future would put off every new definition until then. What the bridge brings
// it has judged itself, by its own clock.
void require_near_clock(const Program& program, Micros time) {
  const TimestampTz now = store::clock_now();
  if (time <= add(now, program.max_future)) return;
  const char* stream = program.stream->name;
  const char* event_time = pstrdup(timestamptz_to_str(time));
  auto* allowed = static_cast<Interval*>(palloc0(sizeof(Interval)));
  allowed->time = program.max_future;
  ereport(ERROR, errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
          errmsg("an event of stream \"%s\" is further ahead of the clock than max_future allows",
                 stream),
          errdetail("Its event time is %s, the clock %s, max_future %s.", event_time,
                    timestamptz_to_str(now),
                    DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(allowed)))),
          errhint("Mend the time, or allow more: SELECT globalmart.set_setting('max_future.%s', "
                  "...).",
                  stream));
}

// Who is at work with a row, for errors: expressions are the owner's, and a row may be one that
// they cannot take.
struct AtWork {
  const PlanProgram* plan = nullptr;
  const Detector* detector = nullptr;
};

// The rollups that share the plan, or the detector.
const char* names_of(const AtWork& at_work) {
  if (at_work.detector != nullptr) return psprintf("detector \"%s\"", at_work.detector->name);
  const char* names = nullptr;
  const char* last = "";
  for (const Subscriber& subscriber : at_work.plan->subscribers) {
    if (strcmp(subscriber.rollup, last) == 0) continue;  // another version of it
    last = subscriber.rollup;
    names =
        names == nullptr ? psprintf("rollup \"%s\"", last) : psprintf("%s, \"%s\"", names, last);
  }
  return names;
}

void name_at_work(void* argument) {
  const auto* at_work = static_cast<const AtWork*>(argument);
  if (at_work->plan != nullptr || at_work->detector != nullptr)
    errcontext("%s", names_of(*at_work));
}

}  // namespace

void fold_rows(Program& program, Tuplestorestate* rows, TupleDesc row_type,
               TupleConversionMap* to_root, BatchOutcome& outcome) {
  static std::string key;   // keeps its memory from batch to batch
  char overflow[128] = "";  // what was too large: raised outside of the handler
  AtWork at_work;
  ErrorContextCallback callback = {error_context_stack, name_at_work, &at_work};
  error_context_stack = &callback;
  const store::Stream& stream = *program.stream;
  TupleTableSlot* read = MakeSingleTupleTableSlot(row_type, &TTSOpsMinimalTuple);
  TupleTableSlot* slot =
      to_root == nullptr ? read : MakeSingleTupleTableSlot(to_root->outdesc, &TTSOpsVirtual);
  program.expressions->ecxt_scantuple = slot;
  const int pointer = tuplestore_alloc_read_pointer(rows, 0);
  tuplestore_select_read_pointer(rows, pointer);
  tuplestore_rescan(rows);
  MemoryContext per_row = program.expressions->ecxt_per_tuple_memory;
  MemoryContext caller = MemoryContextSwitchTo(per_row);
  while (MemoryContextSwitchTo(caller), tuplestore_gettupleslot(rows, true, false, read)) {
    MemoryContextSwitchTo(per_row);
    ResetExprContext(program.expressions);
    if ((++outcome.rows & 1023) == 0) CHECK_FOR_INTERRUPTS();
    if (to_root != nullptr) execute_attr_map_slot(to_root->attrMap, read, slot);
    slot_getsomeattrs(slot, program.last_column);
    ++program.row;
    RowView row(program, slot);
    const Micros time = DatumGetTimestampTz(row.datum(stream.time_column));
    if (row.is_null(stream.time_column) || time < program.earliest || time > program.latest)
      refuse_time(stream, row.is_null(stream.time_column) || TIMESTAMP_NOT_FINITE(time));
    if (stream.partition_column != 0 && DatumGetInt32(row.datum(stream.partition_column)) < 0) {
      outcome.has_sql_rows = true;
      outcome.sql_max_event_time = std::max(outcome.sql_max_event_time, time);
    }
    try {
      for (auto& plan : program.plans) {
        at_work.plan = plan.get();
        fold_row(program, *plan, row, time, key, outcome);
      }
    } catch (const std::overflow_error& error) {
      strlcpy(overflow, error.what(), sizeof overflow);
    }
    if (overflow[0] != '\0') {
      error_context_stack = callback.previous;  // the detail says who
      ereport(ERROR, errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("%s", overflow),
              errdetail("For %s: numeric values are kept with up to 38 digits, those after the "
                        "point included.",
                        names_of(at_work)),
              errhint("Cast the argument of the aggregate to numeric(precision, scale), or leave "
                      "out the row."));
    }
    at_work.plan = nullptr;
    for (Detector& detector : program.detectors) {
      at_work.detector = &detector;
      if (!row.all_hold(detector.where)) continue;
      if (detector.matches == nullptr) {
        MemoryContextSwitchTo(caller);
        detector.matches = tuplestore_begin_heap(true, false, work_mem);
      }
      tuplestore_puttupleslot(detector.matches, slot);
      ++detector.match_count;
    }
    at_work.detector = nullptr;
  }
  error_context_stack = callback.previous;
  if (outcome.has_sql_rows) require_near_clock(program, outcome.sql_max_event_time);
  ExecDropSingleTupleTableSlot(read);
  if (to_root != nullptr) ExecDropSingleTupleTableSlot(slot);
}

}  // namespace globalmart::fold
