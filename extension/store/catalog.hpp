// Reads of the catalogue tables. Palloc'd results in the current memory context; SPI underneath, so
// call inside pg::guarded.
#pragma once

#include "core/window.hpp"
#include "pg/postgres.hpp"

namespace globalmart::store {

struct Stream {
  const char* name;
  const char* domain;
  const char* topic;       // NULL: rows that no topic brings
  Oid relation;            // the root, whatever partition was asked for
  AttrNumber time_column;  // numbers are of the root's columns

  AttrNumber id_column;
  AttrNumber line_column;       // 0: the id alone is the identity
  AttrNumber partition_column;  // 0: rows without Kafka offsets (tables of detectors)
  AttrNumber offset_column;
  AttrNumber received_column;
};

// The stream that this table is, or is a partition of; NULL when it is neither.
Stream* find_stream(Oid relation);

// How far ahead of the clock rows of a stream that come by SQL may lie, by the setting max_future;
// kPlusInfinity: as far as they like.
Micros max_future(const char* stream);

// Whether the table is a stream itself, and not a part of one.
bool is_stream(Oid relation);

// The domain of a stream; `relation` is its table or a partition of it. Looked up once a backend:
// every fold asks. Errors when the table is none of the stream's.
const char* domain_of(const char* stream, Oid relation);

// The schema globalmart. Errors when there is none.
Oid schema_oid();

// A table of ours by name. Errors when it is not there.
Oid table_oid(const char* name);
// Partial log of a domain: generation 0 or 1.
Oid partial_log_oid(const char* domain, int generation);
// Whether a function is one of schema globalmart of this name, whatever its arguments.
bool is_our_function(Oid function, const char* name);

// Numbers of a version's keys or states in its plan: exactly `count` of them, each below `limit`. A
// catalogue row may have been changed by hand or come from a dump: XX001 for anything else.
int* read_numbers(Datum numbers, bool is_null, int count, int limit, const char* rollup);
// XX001: what the catalogue says of a rollup cannot be so.
[[noreturn]] void refuse_catalogue(const char* rollup);

}  // namespace globalmart::store
