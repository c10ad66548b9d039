#include "fold/detect.hpp"

#include <cstring>
#include <string>
#include <unordered_map>

#include "pg/entry.hpp"
#include "plan/outline.hpp"
#include "plan/tree.hpp"
#include "store/clock.hpp"

extern "C" {
#include "utils/queryenvironment.h"
}

namespace globalmart::fold {

namespace {

const char* const kMatches = "globalmart_matched";

struct Source {
  int32_t kafka_partition;
  int64_t kafka_offset;
  TimestampTz received_at;
};

// The rows whose detection is being inserted; NULL outside of an insertion.
struct Detected {
  const Program* program;
  Tuplestorestate* rows;
  // By event id; filled when a detector's row is late, which is rare.
  std::unordered_map<std::string, Source> sources;
};
Detected* current = nullptr;

void read_sources(Detected& detected) {
  const store::Stream& stream = *detected.program->stream;
  Relation root = RelationIdGetRelation(stream.relation);
  TupleTableSlot* slot = MakeSingleTupleTableSlot(RelationGetDescr(root), &TTSOpsMinimalTuple);
  const int pointer = tuplestore_alloc_read_pointer(detected.rows, 0);
  tuplestore_select_read_pointer(detected.rows, pointer);
  tuplestore_rescan(detected.rows);
  while (tuplestore_gettupleslot(detected.rows, true, false, slot)) {
    bool null;
    const Datum id = slot_getattr(slot, stream.id_column, &null);
    if (null) continue;
    const Source source = {DatumGetInt32(slot_getattr(slot, stream.partition_column, &null)),
                           DatumGetInt64(slot_getattr(slot, stream.offset_column, &null)),
                           DatumGetTimestampTz(slot_getattr(slot, stream.received_column, &null))};
    detected.sources.try_emplace(
        std::string(reinterpret_cast<const char*>(DatumGetUUIDP(id)), sizeof(pg_uuid_t)), source);
  }
  ExecDropSingleTupleTableSlot(slot);
  RelationClose(root);
}

// Names the rows at hand, and the time of detection, for as long as the insertion runs.
class Detection {
 public:
  Detection(const Program& program, const Detector& detector)
      : detected_{&program, detector.matches, {}}, outer_(current) {
    current = &detected_;
    store::set_processing_time(store::clock_now());
  }
  ~Detection() {
    current = outer_;
    store::clear_processing_time();
  }
  Detection(const Detection&) = delete;
  Detection& operator=(const Detection&) = delete;

 private:
  Detected detected_;
  Detected* outer_;
};

void insert_matches(const Program& program, const Detector& detector) {
  plan::Kept kept = {&plan::kDetector, detector.name};
  ErrorContextCallback callback = {error_context_stack, plan::explain_kept_error, &kept};
  error_context_stack = &callback;
  SPI_connect();
  auto* matched = static_cast<EphemeralNamedRelation>(palloc0(sizeof(EphemeralNamedRelationData)));
  matched->md.name = const_cast<char*>(kMatches);
  matched->md.reliddesc = program.stream->relation;
  matched->md.enrtype = ENR_NAMED_TUPLESTORE;
  matched->md.enrtuples = static_cast<double>(detector.match_count);
  matched->reldata = detector.matches;
  if (SPI_register_relation(matched) != SPI_OK_REL_REGISTER)
    elog(ERROR, "SPI_register_relation failed");
  SPIPlanPtr plan = SPI_prepare(detector.insert, 0, nullptr);
  if (plan == nullptr)
    elog(ERROR, "detector %s cannot be prepared: %s", detector.name,
         SPI_result_code_string(SPI_result));
  // Folds of the detector's own table name whom their errors are about.
  kept.reading = false;
  SPI_execute_plan(plan, nullptr, nullptr, false, 0);
  SPI_finish();
  error_context_stack = callback.previous;
}

}  // namespace

void run_detectors(Program& program) {
  for (Detector& detector : program.detectors) {
    if (detector.match_count == 0) continue;
    const Detection detection(program, detector);
    pg::guarded([&] {
      insert_matches(program, detector);
      // Above work_mem the rows are in a file, which only this closes.
      tuplestore_end(detector.matches);
    });
    detector.matches = nullptr;
  }
}

const char* source_of_detected(LateRow& row, const char* topic) {
  if (current == nullptr || current->program->stream->partition_column == 0) return topic;
  if (current->sources.empty()) read_sources(*current);
  const auto found = current->sources.find(
      std::string(reinterpret_cast<const char*>(&row.event_id), sizeof(pg_uuid_t)));
  if (found == current->sources.end()) return topic;
  row.kafka_partition = found->second.kafka_partition;
  row.kafka_offset = found->second.kafka_offset;
  row.received_at = found->second.received_at;
  const char* source_topic = current->program->stream->topic;
  return source_topic == nullptr ? topic : source_topic;
}

}  // namespace globalmart::fold
