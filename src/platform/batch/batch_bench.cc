// What a command costs in the executor itself, with nothing to load or save: cmake --build … --target
// batch_bench.
#include <semaphore>

#include <benchmark/benchmark.h>

#include "platform/batch/executor.h"

namespace boxoffice::batch {
namespace {

constexpr int64_t kInFlight = 256;

void RunCommand(benchmark::State& state) {
  obs::Registry metrics;
  std::counting_semaphore<kInFlight> in_flight{kInFlight};
  Executor<int, int> executor(
      "bench", {},
      [](std::span<const int> commands) -> Result<std::vector<std::optional<int>>> {
        return std::vector<std::optional<int>>(commands.begin(), commands.end());
      },
      metrics);
  for (auto _ : state) {
    in_flight.acquire();
    executor.Submit(1, [&in_flight](const Result<int>&) { in_flight.release(); });
  }
  for (int64_t i = 0; i < kInFlight; ++i) in_flight.acquire();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(RunCommand)->MeasureProcessCPUTime()->UseRealTime();

}  // namespace
}  // namespace boxoffice::batch
