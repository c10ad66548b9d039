// A distinct sketch as the state of an aggregate: it and all its memory live in the aggregate's
// memory context, so PostgreSQL counts them against work_mem and frees them with the group; no
// destructor is needed and none runs.
#pragma once

#include <string_view>

#include "core/distinct.hpp"
#include "pg/entry.hpp"

namespace globalmart {

// palloc in the context that is current at the time; throws std::bad_alloc instead of raising.
const SketchMemory& backend_memory();

// The memory context of the group that is being aggregated. Raises when called outside an
// aggregate.
MemoryContext aggregate_context(FunctionCallInfo fcinfo);

// An empty sketch in `context`, which must be current whenever hashes are added or sketches merged.
DistinctSketch* make_sketch(MemoryContext context);

// A varlena of these bytes in the current context. Throws std::bad_alloc, never raises, so the
// caller may own things.
struct varlena* make_varlena(std::string_view bytes);

// The stored form of a sketch as a varlena; null stands for an empty sketch.
struct varlena* store_sketch(const DistinctSketch* sketch);

// Reads a stored form, with memory of the current context. Throws SqlError of `sqlstate` when it is
// none.
DistinctSketch read_sketch(std::string_view bytes, int sqlstate);

}  // namespace globalmart
