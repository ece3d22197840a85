#include "platform/module/module.h"

#include <algorithm>
#include <ranges>

#include <fmt/format.h>

#include "base/check.h"
#include "platform/obs/log.h"

namespace boxoffice::module {
namespace {

using SteadyClock = std::chrono::steady_clock;

std::chrono::milliseconds Until(SteadyClock::time_point end) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - SteadyClock::now());
  return std::max(left, std::chrono::milliseconds(0));
}

}  // namespace

void Graph::Add(std::unique_ptr<Module> module) {
  CHECK(running_.empty(), "modules are added before Start");
  modules_.push_back(std::move(module));
}

// Depth first; marks: 0 not seen, 1 on the way down, 2 ordered.
void Graph::Visit(size_t index, std::vector<int>& marks) {
  if (marks[index] == 2) return;
  Module& module = *modules_[index];
  CHECK(marks[index] == 0, "module {} depends on itself", module.name());
  marks[index] = 1;
  for (const std::string& dependency : module.dependencies()) {
    const auto found = std::ranges::find_if(modules_, [&](const auto& m) { return m->name() == dependency; });
    CHECK(found != modules_.end(), "module {} needs {}, which is not there", module.name(), dependency);
    Visit(static_cast<size_t>(found - modules_.begin()), marks);
  }
  marks[index] = 2;
  order_.push_back(&module);
}

Result<void> Graph::Start() {
  order_.clear();
  std::vector<int> marks(modules_.size(), 0);
  for (size_t i = 0; i < modules_.size(); ++i) Visit(i, marks);
  for (Module* module : order_) {
    if (auto started = module->Start(); !started) {
      Error error = std::move(started).error();
      error.detail = fmt::format("{}: {}", module->name(), error.detail);
      Stop(std::chrono::milliseconds(0));
      return std::unexpected(std::move(error));
    }
    running_.push_back(module);
    obs::Log(obs::Level::kDebug, "module_started", {{"module", module->name()}});
  }
  return {};
}

void Graph::Drain(std::chrono::milliseconds grace) {
  const auto end = SteadyClock::now() + grace;
  for (Module* module : running_ | std::views::reverse) module->Drain(Until(end));
  drained_ = true;
}

void Graph::Stop(std::chrono::milliseconds grace) {
  const auto end = SteadyClock::now() + grace;
  for (Module* module : running_ | std::views::reverse) {
    if (!drained_) module->Drain(Until(end));
    module->Stop();
    obs::Log(obs::Level::kDebug, "module_stopped", {{"module", module->name()}});
  }
  running_.clear();
}

std::vector<Health> Graph::CheckHealth() const {
  std::vector<Health> all;
  for (const auto& module : modules_)
    all.push_back({std::string(module->name()), module->Unhealthy(), module->Role()});
  return all;
}

}  // namespace boxoffice::module
