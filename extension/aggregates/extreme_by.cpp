// first_by and last_by: the value with the least or the greatest (event time, event id). Rows that
// are equal in both are told apart by the value's image, the same that the fold compares, so the
// order in which rows arrive never shows.
//
// The state knows no type: it holds the value as pg::Value does, an integer or bytes, and the final
// function makes a datum of it.
#include <cstring>
#include <string_view>

#include "aggregates/sketch_state.hpp"
#include "pg/datum.hpp"

namespace globalmart {

namespace {

struct Extreme {
  int64_t time;
  unsigned char id[UUID_LEN];  // zeros when there is none
  int64_t integer;
  size_t length;
  size_t capacity;  // of `bytes`
  char* bytes;      // palloc'd in the context of the group, or null
};

enum class Side { kFirst, kLast };

Extreme* state_argument(FunctionCallInfo fcinfo, int index) {
  return PG_ARGISNULL(index) ? nullptr : reinterpret_cast<Extreme*>(PG_GETARG_POINTER(index));
}

Datum state_result(FunctionCallInfo fcinfo, Extreme* state) {
  if (state == nullptr) PG_RETURN_NULL();
  PG_RETURN_POINTER(state);
}

int compare(const Extreme& left, const Extreme& right) {
  if (left.time != right.time) return left.time < right.time ? -1 : 1;
  if (const int order = std::memcmp(left.id, right.id, sizeof left.id); order != 0) return order;
  if (left.integer != right.integer) return left.integer < right.integer ? -1 : 1;
  return std::string_view(left.bytes, left.length)
      .compare(std::string_view(right.bytes, right.length));
}

// Copies what `from` points to into the state's own buffer, which grows by doubling: a group that
// sees a million values allocates a handful of times.
void assign(Extreme& state, const Extreme& from, MemoryContext group) {
  if (from.length > state.capacity) {
    const size_t wanted = Max(from.length, Min(2 * state.capacity, MaxAllocSize));
    char* larger = static_cast<char*>(MemoryContextAlloc(group, wanted));
    if (state.bytes != nullptr) pfree(state.bytes);
    state.bytes = larger;
    state.capacity = wanted;
  }
  if (from.length > 0) std::memcpy(state.bytes, from.bytes, from.length);
  state.time = from.time;
  std::memcpy(state.id, from.id, sizeof state.id);
  state.integer = from.integer;
  state.length = from.length;
}

template <Side side>
Extreme* take(Extreme* state, const Extreme& candidate, MemoryContext group) {
  if (state == nullptr) {
    state = static_cast<Extreme*>(MemoryContextAllocZero(group, sizeof(Extreme)));
  } else {
    const int order = compare(candidate, *state);
    if (side == Side::kFirst ? order >= 0 : order <= 0) return state;
  }
  assign(*state, candidate, group);
  return state;
}

// How values of the second argument are kept, looked up once for a call site.
const pg::TypeForm& value_form(FunctionCallInfo fcinfo) {
  FmgrInfo* call = fcinfo->flinfo;
  if (call->fn_extra == nullptr) {
    const Oid type = get_fn_expr_argtype(call, 1);
    if (!OidIsValid(type))
      ereport(ERROR, (errcode(ERRCODE_INDETERMINATE_DATATYPE),
                      errmsg("could not determine the type of the values")));
    const pg::TypeForm form = pg::type_form(type);
    auto* kept = static_cast<pg::TypeForm*>(MemoryContextAlloc(call->fn_mcxt, sizeof form));
    *kept = form;
    call->fn_extra = kept;
  }
  return *static_cast<const pg::TypeForm*>(call->fn_extra);
}

// (internal, anyelement, timestamptz [, uuid]) -> internal
template <Side side>
Datum add(FunctionCallInfo fcinfo) {
  const MemoryContext group = aggregate_context(fcinfo);
  Extreme* state = state_argument(fcinfo, 0);
  if (PG_ARGISNULL(1) || PG_ARGISNULL(2)) return state_result(fcinfo, state);
  Extreme candidate{};
  candidate.time = PG_GETARG_TIMESTAMPTZ(2);
  // Most rows of a busy group lose by their time alone.
  if (state != nullptr &&
      (side == Side::kFirst ? candidate.time > state->time : candidate.time < state->time))
    return state_result(fcinfo, state);
  if (PG_NARGS() > 3 && !PG_ARGISNULL(3))
    std::memcpy(candidate.id, PG_GETARG_UUID_P(3)->data, sizeof candidate.id);
  const Value value = pg::to_value(PG_GETARG_DATUM(1), value_form(fcinfo));
  candidate.integer = value.integer;
  candidate.bytes = const_cast<char*>(value.bytes.data());
  candidate.length = value.bytes.size();
  return state_result(fcinfo, take<side>(state, candidate, group));
}

// (internal, internal) -> internal
template <Side side>
Datum combine(FunctionCallInfo fcinfo) {
  const MemoryContext group = aggregate_context(fcinfo);
  Extreme* state = state_argument(fcinfo, 0);
  const Extreme* added = state_argument(fcinfo, 1);
  if (added == nullptr) return state_result(fcinfo, state);
  return state_result(fcinfo, take<side>(state, *added, group));
}

// What workers send to their leader: this, then the bytes.
struct Sent {
  uint32_t magic;
  uint32_t unused;
  int64_t time;
  unsigned char id[UUID_LEN];
  int64_t integer;
};
constexpr uint32_t kSentMagic = 0x676d6501;

}  // namespace

}  // namespace globalmart

GLOBALMART_FUNCTION(globalmart_first_by_add) {
  return globalmart::add<globalmart::Side::kFirst>(fcinfo);
}

GLOBALMART_FUNCTION(globalmart_last_by_add) {
  return globalmart::add<globalmart::Side::kLast>(fcinfo);
}

GLOBALMART_FUNCTION(globalmart_first_by_combine) {
  return globalmart::combine<globalmart::Side::kFirst>(fcinfo);
}

GLOBALMART_FUNCTION(globalmart_last_by_combine) {
  return globalmart::combine<globalmart::Side::kLast>(fcinfo);
}

// (internal) -> bytea, strict
GLOBALMART_FUNCTION(globalmart_extreme_serialize) {
  using namespace globalmart;
  aggregate_context(fcinfo);
  const Extreme& state = *state_argument(fcinfo, 0);
  Sent sent{kSentMagic, 0, state.time, {}, state.integer};
  std::memcpy(sent.id, state.id, sizeof sent.id);
  const size_t size = VARHDRSZ + sizeof sent + state.length;
  auto* made = static_cast<bytea*>(palloc(size));
  SET_VARSIZE(made, size);
  std::memcpy(VARDATA(made), &sent, sizeof sent);
  if (state.length > 0) std::memcpy(VARDATA(made) + sizeof sent, state.bytes, state.length);
  PG_RETURN_BYTEA_P(made);
}

// (bytea, internal) -> internal, strict
GLOBALMART_FUNCTION(globalmart_extreme_deserialize) {
  using namespace globalmart;
  aggregate_context(fcinfo);
  const bytea* stored = PG_GETARG_BYTEA_PP(0);
  const size_t size = VARSIZE_ANY_EXHDR(stored);
  Sent sent;
  if (size < sizeof sent) throw pg::SqlError(ERRCODE_DATA_CORRUPTED, "invalid state of first_by");
  std::memcpy(&sent, VARDATA_ANY(stored), sizeof sent);
  if (sent.magic != kSentMagic)
    throw pg::SqlError(ERRCODE_DATA_CORRUPTED, "invalid state of first_by");
  Extreme candidate{};
  candidate.time = sent.time;
  std::memcpy(candidate.id, sent.id, sizeof candidate.id);
  candidate.integer = sent.integer;
  candidate.length = size - sizeof sent;
  candidate.bytes = const_cast<char*>(VARDATA_ANY(stored)) + sizeof sent;
  PG_RETURN_POINTER(take<Side::kFirst>(nullptr, candidate, CurrentMemoryContext));
}

// (internal, anyelement, timestamptz [, uuid]) -> anyelement; only the first is used
GLOBALMART_FUNCTION(globalmart_extreme_value) {
  using namespace globalmart;
  aggregate_context(fcinfo);
  const Extreme* state = state_argument(fcinfo, 0);
  if (state == nullptr) PG_RETURN_NULL();
  Value value;
  value.is_null = false;
  value.integer = state->integer;
  value.bytes = {state->bytes, state->length};
  return pg::to_datum(value, value_form(fcinfo));
}
