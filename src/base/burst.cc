#include "base/burst.h"

#include <utility>
#include <vector>

namespace boxoffice {
namespace {

thread_local int depth = 0;
thread_local std::vector<std::move_only_function<void()>> put_off;

}  // namespace

Burst::Burst() { ++depth; }

Burst::~Burst() {
  if (--depth > 0) return;
  // What runs here may be the start of another burst.
  for (auto& work : std::exchange(put_off, {})) work();
}

void Burst::AtEnd(std::move_only_function<void()> work) {
  if (depth == 0) {
    work();
  } else {
    put_off.push_back(std::move(work));
  }
}

}  // namespace boxoffice
