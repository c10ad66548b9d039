// What one row, one group and one merge cost, without PostgreSQL. From the top of the project:
//   g++ -std=gnu++20 -O2 -DNDEBUG -Iextension -o build/core-bench
//       bench/core_bench.cpp extension/core/*.cpp -lbenchmark -lpthread   (one line)
//   build/core-bench
// Needs Debian's libbenchmark-dev. `each` is the CPU time of one row or one group.
#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "core/group_table.hpp"
#include "core/partial.hpp"
#include "core/window.hpp"

namespace {

using namespace globalmart;

// A rollup of sales by country: how many, how much, the dearest, the least quantity.
std::vector<AggregateSpec> plain_specs() {
  return {{AggregateKind::kCount, ValueForm::kInteger, nullptr, nullptr},
          {AggregateKind::kSum, ValueForm::kDecimal, nullptr, nullptr},
          {AggregateKind::kMax, ValueForm::kDecimal, nullptr, nullptr},
          {AggregateKind::kMin, ValueForm::kInteger, nullptr, nullptr}};
}

struct Rows {
  explicit Rows(size_t groups) {
    std::mt19937_64 random(1);
    for (size_t i = 0; i < 4096; ++i) {
      std::string key;
      const std::string name = "product_" + std::to_string(random() % groups);
      append_key_field(key, ValueForm::kBytes, {false, 0, name});
      hashes.push_back(hash_bytes(key.data(), key.size()));
      keys.push_back(key);
      times.push_back(static_cast<Micros>(random() % 3600000000));
      amounts.push_back({static_cast<int64_t>(random() % 100000), 2, Decimal::Special::kFinite});
    }
  }
  std::vector<std::string> keys;
  std::vector<uint64_t> hashes;
  std::vector<Micros> times;
  std::vector<Decimal> amounts;
};

void fold(GroupStates& states, char* group, const Decimal& amount) {
  ++states.count(group, 0);
  states.add_decimal(group, 1, amount);
  states.add_extreme(group, 2, Value{}, &amount);
  states.add_extreme(group, 3, {false, static_cast<int64_t>(amount.mantissa), {}}, nullptr);
}

void fill(GroupTable& table, const Rows& rows) {
  for (size_t i = 0; i < rows.keys.size(); ++i) {
    const Micros slice = floor_to(rows.times[i], 3600000000);
    fold(table.states(), table.at(rows.hashes[i], slice, rows.keys[i]).states(), rows.amounts[i]);
  }
}

PartialLayout layout_of(const GroupStates& states) {
  PartialLayout layout;
  for (const AggregateSpec& spec : states.specs())
    layout.entries.push_back({static_cast<uint32_t>(layout.entries.size()), spec.kind, spec.form});
  return layout;
}

std::vector<std::string> chunks_of(GroupTable& table) {
  std::vector<std::string> chunks;
  write_chunks(table.states(), table.all(), layout_of(table.states()),
               [&](int64_t, int, uint64_t, std::string_view body) { chunks.emplace_back(body); });
  return chunks;
}

void count_items(benchmark::State& state, size_t each) {
  state.counters["each"] =
      benchmark::Counter(static_cast<double>(each) * static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

// A row finds its slice and its group and is folded into four states.
void FoldRow(benchmark::State& state) {
  const Rows rows(static_cast<size_t>(state.range(0)));
  GroupTable table(plain_specs());
  fill(table, rows);
  for (auto _ : state) fill(table, rows);
  count_items(state, rows.keys.size());
}
BENCHMARK(FoldRow)->Arg(30)->Arg(1000)->Arg(100000);

// A whole batch: an empty table, its rows, its chunks.
void FoldBatch(benchmark::State& state) {
  const Rows rows(static_cast<size_t>(state.range(0)));
  GroupTable table(plain_specs());
  for (auto _ : state) {
    fill(table, rows);
    benchmark::DoNotOptimize(chunks_of(table));
    table.clear();
  }
  count_items(state, rows.keys.size());
}
BENCHMARK(FoldBatch)->Arg(30)->Arg(1000)->Arg(100000);

void FoldDistinct(benchmark::State& state) {
  const Rows rows(static_cast<size_t>(state.range(0)));
  GroupTable table({{AggregateKind::kDistinct, ValueForm::kBytes, nullptr, nullptr}});
  char* group = table.at(1, 0, "one").states();
  for (auto _ : state)
    for (const std::string& key : rows.keys) table.states().add_distinct(group, 0, key);
  count_items(state, rows.keys.size());
}
BENCHMARK(FoldDistinct)->Arg(10)->Arg(1000);

void FoldSketch(benchmark::State& state) {
  GroupTable table({{AggregateKind::kSketch, ValueForm::kBytes, nullptr, nullptr}});
  char* group = table.at(1, 0, "one").states();
  uint64_t next = 0;
  const auto distinct = static_cast<uint64_t>(state.range(0));
  for (auto _ : state)
    for (int i = 0; i < 4096; ++i) table.states().add_hash(group, 0, mix64(1 + next++ % distinct));
  count_items(state, 4096);
}
BENCHMARK(FoldSketch)->Arg(1000)->Arg(1000000);

void FoldLast(benchmark::State& state) {
  const Rows rows(1000);
  GroupTable table({{AggregateKind::kLast, ValueForm::kBytes, nullptr, nullptr}});
  char* group = table.at(1, 0, "one").states();
  int64_t time = 0;
  for (auto _ : state)
    for (const std::string& key : rows.keys)
      table.states().add_position(group, 0, ++time, {1, 2}, {false, 0, key});
  count_items(state, rows.keys.size());
}
BENCHMARK(FoldLast);

void FoldSession(benchmark::State& state) {
  const Rows rows(1000);
  GroupTable table({{AggregateKind::kCount, ValueForm::kInteger, nullptr, nullptr}});
  for (auto _ : state) {
    for (size_t i = 0; i < rows.keys.size(); ++i)
      ++table.states().count(
          table.segment_at(rows.hashes[i], rows.keys[i], rows.times[i], 1800000000).states(), 0);
    table.clear();
  }
  count_items(state, rows.keys.size());
}
BENCHMARK(FoldSession);

// One group of four states and its key to bytes.
void EncodeGroup(benchmark::State& state) {
  const Rows rows(1000);
  GroupTable table(plain_specs());
  fill(table, rows);
  const PartialLayout layout = layout_of(table.states());
  for (auto _ : state)
    write_chunks(table.states(), table.all(), layout,
                 [](int64_t, int, uint64_t, std::string_view body) {
                   benchmark::DoNotOptimize(body.data());
                 });
  count_items(state, table.groups().size());
}
BENCHMARK(EncodeGroup);

// One stored group of four states into a table that has it already.
void MergeGroup(benchmark::State& state) {
  const Rows rows(1000);
  GroupTable table(plain_specs());
  fill(table, rows);
  const std::vector<std::string> chunks = chunks_of(table);
  GroupTable merged(plain_specs());
  for (auto _ : state)
    for (const std::string& chunk : chunks) {
      ByteReader in(chunk);
      const PartialLayout layout = PartialLayout::read(in);
      while (!in.done()) {
        const std::string_view key = in.bytes();
        char* group = merged.at(hash_bytes(key.data(), key.size()), 0, key).states();
        for (size_t i = 0; i < layout.entries.size(); ++i)
          merged.states().merge_encoded(group, i, in);
      }
    }
  count_items(state, table.groups().size());
}
BENCHMARK(MergeGroup);

void FloorTo(benchmark::State& state) {
  const Rows rows(10);
  for (auto _ : state)
    for (Micros time : rows.times) benchmark::DoNotOptimize(floor_to(time, 3600000000));
  count_items(state, rows.times.size());
}
BENCHMARK(FloorTo);

}  // namespace

BENCHMARK_MAIN();
