// Keys in their order, each once: so that rows are read and locked in one order, and none twice. Pure.
#pragma once

#include <algorithm>
#include <vector>

namespace boxoffice {

template <typename T>
void SortUnique(std::vector<T>& values) {
  std::ranges::sort(values);
  const auto repeats = std::ranges::unique(values);
  values.erase(repeats.begin(), repeats.end());
}

}  // namespace boxoffice
