// CHECK is for bugs: a condition that this program itself guarantees. It aborts with a message, in every
// build. An operation that can fail returns a Result instead.
#pragma once

#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

namespace boxoffice::internal {

[[noreturn]] inline void CheckFailed(const char* condition, const char* file, int line,
                                     const std::string& message) {
  fmt::print(stderr, "{}:{}: CHECK({}) failed: {}\n", file, line, condition, message);
  std::fflush(stderr);
  std::abort();
}

}  // namespace boxoffice::internal

// CHECK(condition) or CHECK(condition, "fmt {}", arguments…)
#define CHECK(condition, ...)                                                                            \
  do {                                                                                                   \
    if (!(condition)) [[unlikely]] {                                                                     \
      ::boxoffice::internal::CheckFailed(#condition, __FILE__, __LINE__, ::fmt::format("" __VA_ARGS__)); \
    }                                                                                                    \
  } while (false)
