// The log of partials: two tables a domain, of which folds append to one while the other drains. A
// row is a chunk of groups (core/partial.hpp). Nothing is updated in place.
#pragma once

#include <string>
#include <vector>

#include "core/window.hpp"
#include "pg/postgres.hpp"
#include "store/progress.hpp"

namespace globalmart::store {

// Chunks of one transaction, before they are written: bodies lie one after another in `bytes`.
struct ChunkBatch {
  struct Chunk {
    int plan_id;
    int64_t slice;
    int groups;
    size_t offset;
    size_t length;
  };
  std::vector<Chunk> chunks;
  std::string bytes;
  void add(int plan_id, int64_t slice, int groups, std::string_view body) {
    chunks.push_back({plan_id, slice, groups, bytes.size(), body.size()});
    bytes.append(body);
  }
  void clear() {
    chunks.clear();
    bytes.clear();
  }
};

// Appends to the log of the domain and generation, stamped. Call inside pg::guarded.
void append_chunks(const char* domain, int generation, int64_t stamp, const ChunkBatch& batch);

// Gives each chunk of a plan with slice in [from, until) to `take(context, stamp, slice, body)`,
// from every generation that holds partials by `state`, as the active snapshot sees them. Inside
// pg::guarded.
using TakeChunk = void (*)(void* context, int64_t stamp, int64_t slice, std::string_view body);
void read_chunks(const char* domain, const DomainState& state, int plan_id, Micros from,
                 Micros until, TakeChunk take, void* context);

// The same of one generation.
void read_generation(const char* domain, int generation, int plan_id, Micros from, Micros until,
                     TakeChunk take, void* context);

// On a standby, after read_chunks: raises 40001 when a log that `state` needs was truncated after
// the active snapshot was taken. The primary waits with that for its own snapshots alone.
void require_untruncated(const char* domain, const DomainState& state);

}  // namespace globalmart::store
