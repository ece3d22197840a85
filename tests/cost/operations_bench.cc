// The same operations as the guard's, in time: ./dev bench micro.
#include <benchmark/benchmark.h>

#include "cost/operations.h"

int main(int argc, char** argv) {
  for (const auto& operation : boxoffice::cost::Operations()) {
    benchmark::RegisterBenchmark(operation.name.c_str(), [once = operation.once](benchmark::State& state) {
      for (auto _ : state) once();
    });
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
