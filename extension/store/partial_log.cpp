#include "store/partial_log.hpp"

#include "store/catalog.hpp"

namespace globalmart::store {

namespace {

enum Column { kPlan, kSlice, kStamp, kGroups, kBody, kRows, kSeconds, kCpuSeconds, kColumns };

}  // namespace

void append_chunks(const char* domain, int generation, int64_t stamp, const ChunkBatch& batch) {
  if (batch.chunks.empty()) return;
  Relation log = table_open(partial_log_oid(domain, generation), RowExclusiveLock);
  EState* executor = CreateExecutorState();
  ResultRelInfo* target = makeNode(ResultRelInfo);
  InitResultRelInfo(target, log, 1, nullptr, 0);
  ExecOpenIndices(target, false);
  // A descriptor of its own: slots on a relation's pin it once each.
  TupleTableSlot* slot =
      MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(log)), &TTSOpsHeapTuple);
  BulkInsertState bulk = GetBulkInsertState();
  const CommandId command = GetCurrentCommandId(true);
  MemoryContext per_chunk = GetPerTupleMemoryContext(executor);
  for (const ChunkBatch::Chunk& chunk : batch.chunks) {
    MemoryContext caller = MemoryContextSwitchTo(per_chunk);
    auto* body = static_cast<bytea*>(palloc(VARHDRSZ + chunk.length));
    SET_VARSIZE(body, VARHDRSZ + chunk.length);
    memcpy(VARDATA(body), batch.bytes.data() + chunk.offset, chunk.length);
    Datum values[kColumns];
    bool nulls[kColumns] = {};
    values[kPlan] = Int32GetDatum(chunk.plan_id);
    values[kSlice] = TimestampTzGetDatum(chunk.slice);
    values[kStamp] = Int64GetDatum(stamp);
    values[kGroups] = Int32GetDatum(chunk.groups);
    values[kBody] = PointerGetDatum(body);
    values[kRows] = Int64GetDatum(static_cast<int64>(chunk.rows));
    values[kSeconds] = Float4GetDatum(chunk.fold_seconds);
    values[kCpuSeconds] = Float4GetDatum(chunk.fold_cpu_seconds);
    HeapTuple tuple = heap_form_tuple(slot->tts_tupleDescriptor, values, nulls);
    tuple->t_tableOid = RelationGetRelid(log);
    ExecStoreHeapTuple(tuple, slot, false);
    table_tuple_insert(log, slot, command, 0, bulk);
    if (target->ri_NumIndices > 0)
      ExecInsertIndexTuples(target, slot, executor, false, false, nullptr, NIL);
    ExecClearTuple(slot);
    MemoryContextSwitchTo(caller);
    ResetPerTupleExprContext(executor);
  }
  FreeBulkInsertState(bulk);
  ExecDropSingleTupleTableSlot(slot);
  ExecCloseIndices(target);
  FreeExecutorState(executor);
  table_close(log, NoLock);
}

void read_generation(const char* domain, int generation, int plan_id, Micros from, Micros until,
                     TakeChunk take, void* context) {
  Oid types[3] = {INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID};
  Datum values[3] = {Int32GetDatum(plan_id), TimestampTzGetDatum(from), TimestampTzGetDatum(until)};
  const char* sql = psprintf(
      "SELECT stamp, slice, body FROM globalmart.%s WHERE plan_id OPERATOR(pg_catalog.=) $1 "
      "AND slice OPERATOR(pg_catalog.>=) $2 AND slice OPERATOR(pg_catalog.<) $3",
      quote_identifier(psprintf("partial_log_%s_%d", domain, generation)));
  SPI_connect();
  Portal portal = SPI_cursor_open_with_args(nullptr, sql, 3, types, values, nullptr, true, 0);
  for (;;) {
    SPI_cursor_fetch(portal, true, 256);
    if (SPI_processed == 0) break;
    for (uint64 row = 0; row < SPI_processed; ++row) {
      bool null;
      HeapTuple tuple = SPI_tuptable->vals[row];
      TupleDesc columns = SPI_tuptable->tupdesc;
      const int64_t stamp = DatumGetInt64(SPI_getbinval(tuple, columns, 1, &null));
      const int64_t slice = DatumGetTimestampTz(SPI_getbinval(tuple, columns, 2, &null));
      struct varlena* body = PG_DETOAST_DATUM_PACKED(SPI_getbinval(tuple, columns, 3, &null));
      take(context, stamp, slice,
           {VARDATA_ANY(body), static_cast<size_t>(VARSIZE_ANY_EXHDR(body))});
    }
    CHECK_FOR_INTERRUPTS();
    SPI_freetuptable(SPI_tuptable);
  }
  SPI_cursor_close(portal);
  SPI_finish();
}

void read_chunks(const char* domain, const DomainState& state, int plan_id, Micros from,
                 Micros until, TakeChunk take, void* context) {
  for (int generation = 0; generation < 2; ++generation)
    if (generation == state.generation || state.draining)
      read_generation(domain, generation, plan_id, from, until, take, context);
}

void require_untruncated(const char* domain, const DomainState& state) {
  if (!RecoveryInProgress()) return;
  Oid types[1] = {OIDOID};
  for (int generation = 0; generation < 2; ++generation) {
    if (generation != state.generation && !state.draining) continue;
    // TRUNCATE gives a table another file. What the catalogue said when the snapshot was taken is
    // in pg_class; what is so now, in the relation, which the read before has locked.
    Relation log = table_open(partial_log_oid(domain, generation), AccessShareLock);
    SPI_connect();
    Datum values[1] = {ObjectIdGetDatum(RelationGetRelid(log))};
    SPI_execute_with_args(
        "SELECT relfilenode FROM pg_catalog.pg_class WHERE oid OPERATOR(pg_catalog.=) $1", 1, types,
        values, nullptr, true, 1);
    bool null = SPI_processed != 1;
    const Oid seen = null ? InvalidOid
                          : DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0],
                                                           SPI_tuptable->tupdesc, 1, &null));
    SPI_finish();
    const Oid current = log->rd_rel->relfilenode;
    table_close(log, NoLock);
    if (seen != current)
      ereport(
          ERROR, errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
          errmsg("the partials of %s were moved after this transaction took its snapshot", domain),
          errhint("Try again. With hot_standby_feedback = on the primary waits for the "
                  "transactions of its standbys."));
  }
}

}  // namespace globalmart::store
