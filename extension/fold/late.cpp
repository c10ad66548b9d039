#include "fold/late.hpp"

#include "fold/detect.hpp"

namespace globalmart::fold {

namespace {

ArrayType* make_array(Datum* values, int count, Oid type) {
  int16 length;
  bool by_value;
  char alignment;
  get_typlenbyvalalign(type, &length, &by_value, &alignment);
  return construct_array(values, count, type, length, by_value, alignment);
}

}  // namespace

void append_late_rows(const store::Stream& stream, const std::vector<LateRow>& rows) {
  if (rows.empty()) return;
  const int count = static_cast<int>(rows.size());
  auto* rollups = static_cast<Datum*>(palloc(sizeof(Datum) * count));
  auto* partitions = static_cast<Datum*>(palloc(sizeof(Datum) * count));
  auto* offsets = static_cast<Datum*>(palloc(sizeof(Datum) * count));
  auto* ids = static_cast<Datum*>(palloc(sizeof(Datum) * count));
  auto* times = static_cast<Datum*>(palloc(sizeof(Datum) * count));
  auto* received = static_cast<Datum*>(palloc(sizeof(Datum) * count));
  auto* missed = static_cast<Datum*>(palloc(sizeof(Datum) * count));
  auto* versions = static_cast<Datum*>(palloc(sizeof(Datum) * count));
  const char* topic = stream.topic == nullptr ? stream.name : stream.topic;
  const char* last_rollup = nullptr;
  Datum last_text = 0;
  for (int i = 0; i < count; ++i) {
    LateRow row = rows[i];
    // A detector's row carries no offset of its own: it is that of the row that was detected.
    if (stream.partition_column == 0) topic = source_of_detected(row, topic);
    if (row.rollup != last_rollup) last_text = CStringGetTextDatum(row.rollup);
    last_rollup = row.rollup;
    rollups[i] = last_text;
    partitions[i] = Int32GetDatum(row.kafka_partition);
    offsets[i] = Int64GetDatum(row.kafka_offset);
    ids[i] = UUIDPGetDatum(static_cast<pg_uuid_t*>(
        memcpy(palloc(sizeof(pg_uuid_t)), &row.event_id, sizeof(pg_uuid_t))));
    times[i] = TimestampTzGetDatum(row.event_time);
    received[i] = TimestampTzGetDatum(row.received_at);
    missed[i] = TimestampTzGetDatum(row.missed_until);
    versions[i] = Int32GetDatum(row.version_id);
  }
  Oid types[9] = {TEXTARRAYOID,
                  TEXTOID,
                  INT4ARRAYOID,
                  INT8ARRAYOID,
                  get_array_type(UUIDOID),
                  get_array_type(TIMESTAMPTZOID),
                  get_array_type(TIMESTAMPTZOID),
                  get_array_type(TIMESTAMPTZOID),
                  INT4ARRAYOID};
  Datum values[9] = {PointerGetDatum(make_array(rollups, count, TEXTOID)),
                     CStringGetTextDatum(topic),
                     PointerGetDatum(make_array(partitions, count, INT4OID)),
                     PointerGetDatum(make_array(offsets, count, INT8OID)),
                     PointerGetDatum(make_array(ids, count, UUIDOID)),
                     PointerGetDatum(make_array(times, count, TIMESTAMPTZOID)),
                     PointerGetDatum(make_array(received, count, TIMESTAMPTZOID)),
                     PointerGetDatum(make_array(missed, count, TIMESTAMPTZOID)),
                     PointerGetDatum(make_array(versions, count, INT4OID))};
  SPI_connect();
  SPI_execute_with_args(
      "WITH arrived AS (SELECT r, p, o, i, t, a, m, v FROM ROWS FROM (pg_catalog.unnest($1), "
      "pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6), "
      "pg_catalog.unnest($7), pg_catalog.unnest($8), pg_catalog.unnest($9)) AS l(r, p, o, i, t, a, "
      "m, "
      "v)), "
      "partly AS (INSERT INTO globalmart.partly_late_events (rollup, topic, kafka_partition, "
      "kafka_offset, event_id, event_time, received_at, missed_until, version_id) "
      "SELECT r, $2, p, o, i, t, a, m, v FROM arrived WHERE m <> 'infinity' "
      "ON CONFLICT DO NOTHING) "
      "INSERT INTO globalmart.late_events (rollup, topic, kafka_partition, kafka_offset, event_id, "
      "event_time, received_at) SELECT r, $2, p, o, i, t, a FROM arrived WHERE m = 'infinity' "
      "ON CONFLICT DO NOTHING",
      9, types, values, nullptr, false, 0);
  SPI_finish();
}

}  // namespace globalmart::fold
