// The hot operations on the way of a reservation, each as a function that does one of them: for the guard of
// their cost (guard.cc) and for Google Benchmark (operations_bench.cc).
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace boxoffice::cost {

struct Operation {
  std::string name;            // no spaces
  std::function<void()> once;  // deterministic: no I/O, no thread, no clock but where the operation reads it
};
[[nodiscard]] std::vector<Operation> Operations();

}  // namespace boxoffice::cost
