#include "aggregates/sketch_state.hpp"

#include <cstring>
#include <new>
#include <string>

namespace globalmart {

namespace {

void* allocate_or_throw(MemoryContext context, size_t size) {
  void* memory = MemoryContextAllocExtended(context, size, MCXT_ALLOC_NO_OOM);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

const SketchMemory& backend_memory() {
  static constexpr SketchMemory kBackend{
      [](size_t size) { return allocate_or_throw(CurrentMemoryContext, size); },
      [](void* memory) noexcept { pfree(memory); },
  };
  return kBackend;
}

MemoryContext aggregate_context(FunctionCallInfo fcinfo) {
  MemoryContext context = nullptr;
  if (AggCheckCallContext(fcinfo, &context) == 0)
    ereport(ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
             errmsg("this function is a part of an aggregate and cannot be called by itself")));
  return context;
}

DistinctSketch* make_sketch(MemoryContext context) {
  return new (allocate_or_throw(context, sizeof(DistinctSketch))) DistinctSketch(backend_memory());
}

struct varlena* make_varlena(std::string_view bytes) {
  auto* made = static_cast<struct varlena*>(
      allocate_or_throw(CurrentMemoryContext, VARHDRSZ + bytes.size()));
  SET_VARSIZE(made, VARHDRSZ + bytes.size());
  if (!bytes.empty()) std::memcpy(VARDATA(made), bytes.data(), bytes.size());
  return made;
}

struct varlena* store_sketch(const DistinctSketch* sketch) {
  std::string bytes;
  if (sketch != nullptr)
    sketch->serialize(bytes);
  else
    DistinctSketch().serialize(bytes);
  return make_varlena(bytes);
}

DistinctSketch read_sketch(std::string_view bytes, int sqlstate) {
  auto sketch = DistinctSketch::parse(
      {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()}, backend_memory());
  if (!sketch)
    throw pg::SqlError(sqlstate, "invalid distinct_sketch",
                       "These " + std::to_string(bytes.size()) +
                           " bytes are not what this version of globalmart writes for any sketch.",
                       "Build sketches with globalmart.build_sketch(value), and copy them whole.");
  return std::move(*sketch);
}

}  // namespace globalmart
