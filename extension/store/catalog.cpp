#include "store/catalog.hpp"

namespace globalmart::store {

namespace {

char* text_column(SPITupleTable* table, int row, int column) {
  char* value = SPI_getvalue(table->vals[row], table->tupdesc, column);
  if (value == nullptr) return nullptr;
  // SPI_finish frees SPI's memory; the caller's context is the one that was current before.
  return value;
}

// The table may have been altered since create_stream looked at it; a column of another type would
// be read for what it is not. InvalidOid: any type.
AttrNumber column_number(Oid relation, const char* name, Oid type) {
  if (name == nullptr) return InvalidAttrNumber;
  const AttrNumber number = get_attnum(relation, name);
  if (number <= 0 || (OidIsValid(type) && get_atttype(relation, number) != type))
    ereport(ERROR, errcode(ERRCODE_UNDEFINED_COLUMN),
            errmsg("stream table \"%s\" has no column %s%s", get_rel_name(relation),
                   quote_identifier(name),
                   OidIsValid(type) ? psprintf(" of type %s", format_type_be(type)) : ""),
            errhint("Give the column back its name and type with ALTER TABLE."));
  return number;
}

}  // namespace

void refuse_catalogue(const char* rollup) {
  ereport(ERROR, errcode(ERRCODE_DATA_CORRUPTED),
          errmsg("what globalmart.rollup_versions says of rollup \"%s\" was not written for its "
                 "query",
                 rollup),
          errhint("Drop the rollup and create it again."));
  pg_unreachable();
}

int* read_numbers(Datum numbers, bool is_null, int count, int limit, const char* rollup) {
  if (is_null) refuse_catalogue(rollup);
  Datum* values;
  bool* nulls;
  int found;
  deconstruct_array(DatumGetArrayTypeP(numbers), INT4OID, 4, true, TYPALIGN_INT, &values, &nulls,
                    &found);
  if (found != count) refuse_catalogue(rollup);
  auto* read = static_cast<int*>(palloc(sizeof(int) * (count + 1)));
  for (int i = 0; i < count; ++i) {
    read[i] = DatumGetInt32(values[i]);
    if (nulls[i] || read[i] < 0 || read[i] >= limit) refuse_catalogue(rollup);
  }
  return read;
}

Oid schema_oid() { return get_namespace_oid("globalmart", false); }

Oid table_oid(const char* name) {
  const Oid oid = get_relname_relid(name, schema_oid());
  if (!OidIsValid(oid))
    ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE),
            errmsg("table globalmart.%s does not exist", name),
            errhint("Is the extension globalmart installed completely?"));
  return oid;
}

Oid partial_log_oid(const char* domain, int generation) {
  return table_oid(psprintf("partial_log_%s_%d", domain, generation));
}

bool is_our_function(Oid function, const char* name) {
  if (get_func_namespace(function) != schema_oid()) return false;
  char* found = get_func_name(function);
  return found != nullptr && strcmp(found, name) == 0;
}

bool is_stream(Oid relation) {
  const Stream* stream = find_stream(relation);
  return stream != nullptr && stream->relation == relation;
}

Stream* find_stream(Oid relation) {
  Stream* stream = nullptr;
  MemoryContext caller = CurrentMemoryContext;
  if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
  Oid types[1] = {OIDOID};
  Datum values[1] = {ObjectIdGetDatum(relation)};
  const int done = SPI_execute_with_args(
      "SELECT s.stream, s.domain, s.topic, s.time_column, s.id_column, s.line_column, "
      "       s.has_offsets, s.relation::pg_catalog.oid "
      "FROM globalmart.streams AS s "
      "WHERE s.relation OPERATOR(pg_catalog.=) $1 "
      "   OR s.relation OPERATOR(pg_catalog.=) pg_catalog.pg_partition_root($1)",
      1, types, values, nullptr, true, 1);
  if (done != SPI_OK_SELECT) elog(ERROR, "reading globalmart.streams failed: %d", done);
  if (SPI_processed == 1) {
    MemoryContext spi = MemoryContextSwitchTo(caller);
    SPITupleTable* rows = SPI_tuptable;
    stream = static_cast<Stream*>(palloc0(sizeof(Stream)));
    stream->name = text_column(rows, 0, 1);
    stream->domain = text_column(rows, 0, 2);
    stream->topic = text_column(rows, 0, 3);
    stream->relation = relation = static_cast<Oid>(strtoul(text_column(rows, 0, 8), nullptr, 10));
    stream->time_column = column_number(relation, text_column(rows, 0, 4), TIMESTAMPTZOID);
    stream->id_column = column_number(relation, text_column(rows, 0, 5), UUIDOID);
    stream->line_column = column_number(relation, text_column(rows, 0, 6), InvalidOid);
    if (text_column(rows, 0, 7)[0] == 't') {
      stream->partition_column = column_number(relation, "kafka_partition", INT4OID);
      stream->offset_column = column_number(relation, "kafka_offset", INT8OID);
      stream->received_column = column_number(relation, "received_at", TIMESTAMPTZOID);
    }
    MemoryContextSwitchTo(spi);
  }
  SPI_finish();
  return stream;
}

Micros max_future(const char* stream) {
  Micros most = kPlusInfinity;
  if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
  Oid types[1] = {TEXTOID};
  Datum values[1] = {CStringGetTextDatum(stream)};
  const int done =
      SPI_execute_with_args("SELECT globalmart.max_future($1)", 1, types, values, nullptr, true, 1);
  if (done != SPI_OK_SELECT || SPI_processed != 1)
    elog(ERROR, "reading the setting max_future failed: %d", done);
  bool null;
  const Datum micros = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null);
  if (!null) most = DatumGetInt64(micros);
  SPI_finish();
  return most;
}

const char* domain_of(const char* stream, Oid relation) {
  // Stream names are few and keep their domain: asked once a backend, unless the extension was made
  // anew (the table then has another oid).
  struct Known {
    const char* stream;
    Oid relation;
    const char* domain;
  };
  static List* known = NIL;
  ListCell* each;
  foreach (each, known) {
    auto* entry = static_cast<Known*>(lfirst(each));
    if (entry->relation == relation && strcmp(entry->stream, stream) == 0) return entry->domain;
  }
  // A transaction with an old snapshot may write to a stream, or into a detector, made since.
  PushActiveSnapshot(GetLatestSnapshot());
  const Stream* found = find_stream(relation);
  PopActiveSnapshot();
  if (found == nullptr)
    ereport(ERROR, errcode(ERRCODE_UNDEFINED_OBJECT),
            errmsg("table \"%s\" is not part of stream \"%s\"", get_rel_name(relation), stream),
            errhint("Register it with globalmart.create_stream."));
  MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
  auto* entry = static_cast<Known*>(palloc(sizeof(Known)));
  *entry = {pstrdup(stream), relation, pstrdup(found->domain)};
  known = lappend(known, entry);
  MemoryContextSwitchTo(caller);
  return entry->domain;
}

}  // namespace globalmart::store
