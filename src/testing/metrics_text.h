// What tests read of /metrics.
#pragma once

#include <charconv>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>

namespace boxoffice::testbed {

// The sum of a metric in Prometheus' text, whatever its labels; -1: a value is no number.
[[nodiscard]] inline double SumOf(const std::string& metrics, std::string_view name) {
  double sum = 0;
  std::istringstream lines(metrics);
  for (std::string line; std::getline(lines, line);) {
    if (std::string_view(line).substr(0, line.find_first_of("{ ")) != name) continue;
    double value = 0;
    const char* const begin = line.data() + line.rfind(' ') + 1;
    if (std::from_chars(begin, line.data() + line.size(), value).ec != std::errc()) return -1;
    sum += value;
  }
  return sum;
}

}  // namespace boxoffice::testbed
