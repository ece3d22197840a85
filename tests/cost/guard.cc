// Does each hot operation so many times, and prints what it allocates: "NAME allocations bytes", each once.
// Under callgrind, it also dumps the instructions of each under its name; guard_test.py reads both. `--slower
// PERCENT` does that much more of everything than it says, to see that it is noticed.
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>

#include <fmt/format.h>
#include <valgrind/callgrind.h>

#include "cost/operations.h"

namespace {

unsigned long long allocations = 0;
unsigned long long allocated = 0;

void* Allocate(std::size_t size) {
  ++allocations;
  allocated += size;
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) std::abort();
  return memory;
}

}  // namespace

// The standard library's other forms call these two.
void* operator new(std::size_t size) { return Allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

int main(int argc, char** argv) {
  constexpr int kWarmUps = 3;
  constexpr int kTimes = 20;
  int percent = 0;
  if (argc == 3 && std::string_view(argv[1]) == "--slower") {
    std::from_chars(argv[2], argv[2] + std::strlen(argv[2]), percent);
  }
  const auto operations = boxoffice::cost::Operations();
  CALLGRIND_START_INSTRUMENTATION;
  for (const auto& operation : operations) {
    for (int i = 0; i < kWarmUps; ++i) operation.once();
    CALLGRIND_ZERO_STATS;
    const auto before = allocations;
    const auto bytes_before = allocated;
    for (int i = 0; i < kTimes * (100 + percent) / 100; ++i) operation.once();
    const auto count = allocations - before;
    const auto bytes = allocated - bytes_before;
    CALLGRIND_DUMP_STATS_AT(operation.name.c_str());
    fmt::print("{} {} {}\n", operation.name, static_cast<double>(count) / kTimes,
               static_cast<double>(bytes) / kTimes);
  }
  fmt::print("times {}\n", kTimes);
  return 0;
}
