// The log of partials: two tables a domain, of which folds append to one while the other drains. A
// row is a chunk of groups (core/partial.hpp). Nothing is updated in place.
#pragma once

#include <string>
#include <vector>

#include "core/spent.hpp"
#include "core/window.hpp"
#include "pg/postgres.hpp"
#include "store/progress.hpp"

namespace globalmart::store {

// Chunks of one transaction, before they are written: bodies lie one after another in `bytes`.
struct ChunkBatch {
  struct Chunk {
    int plan_id = 0;
    int64_t slice = 0;
    int groups = 0;
    int sharers = 1;         // rollups that its cost is shared by
    uint64_t rows = 0;       // folded into it
    float fold_seconds = 0;  // each sharer's part of what the batch has spent
    float fold_cpu_seconds = 0;
    size_t offset = 0;
    size_t length = 0;
  };
  std::vector<Chunk> chunks;
  std::string bytes;
  void add(Chunk chunk, std::string_view body) {
    chunk.offset = bytes.size();
    chunk.length = body.size();
    chunks.push_back(chunk);
    bytes.append(body);
  }
  // Shares what a batch has spent among its chunks by their rows, and then in equal parts among the
  // rollups that each is for.
  void share(const Spent& spent) {
    uint64_t rows = 0;
    for (const Chunk& chunk : chunks) rows += chunk.rows;
    for (Chunk& chunk : chunks) {
      const double part =
          1e-9 * static_cast<double>(chunk.rows) / static_cast<double>(rows) / chunk.sharers;
      chunk.fold_seconds = static_cast<float>(part * static_cast<double>(spent.wall));
      chunk.fold_cpu_seconds = static_cast<float>(part * static_cast<double>(spent.cpu));
    }
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
