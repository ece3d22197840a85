// What an event costs the embedded bus: cmake --build … --target bus_bench.
#include <benchmark/benchmark.h>

#include "platform/bus/sqlite_bus.h"
#include "testing/temp_dir.h"

namespace boxoffice::bus {
namespace {

void Publish(benchmark::State& state) {
  const testbed::TempDir dir;
  const SystemClock clock;
  SeededRandom random(1);
  obs::Registry metrics;
  const auto bus = SqliteBus::Open({.file = dir.path() / "bus.db"}, clock, metrics).value();
  std::vector<Event> events;
  for (int64_t i = 0; i < state.range(0); ++i) {
    events.push_back({EventId::Make(clock.Now(), random), "reservation", std::string(16, 'k'),
                      "reservation.confirmed", std::string(55, 't'), std::string(120, 'b'), clock.Now()});
  }
  for (auto _ : state) benchmark::DoNotOptimize(bus->Publish(events));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Publish)->Arg(1)->Arg(64)->Arg(500);

void Read(benchmark::State& state) {
  const testbed::TempDir dir;
  const SystemClock clock;
  SeededRandom random(1);
  obs::Registry metrics;
  const auto bus = SqliteBus::Open({.file = dir.path() / "bus.db"}, clock, metrics).value();
  std::vector<Event> events;
  for (int i = 0; i < 500; ++i) {
    events.push_back({EventId::Make(clock.Now(), random), "reservation", std::string(16, 'k'),
                      "reservation.confirmed", std::string(55, 't'), std::string(120, 'b'), clock.Now()});
  }
  if (!bus->Publish(events)) state.SkipWithError("publish");
  for (auto _ : state) benchmark::DoNotOptimize(bus->Read("reservation", {}, 500));
  state.SetItemsProcessed(state.iterations() * 500);
}
BENCHMARK(Read);

}  // namespace
}  // namespace boxoffice::bus
