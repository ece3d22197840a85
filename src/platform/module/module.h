// The lifecycle of what runs in a process: a graph of modules that start after what they depend on, and stop
// before it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace boxoffice::module {

// One part of a process. Start, later Drain, later Stop are called, each once, from one thread; a process
// that others call calls Leave before Drain.
class Module {
 public:
  virtual ~Module() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;
  // Names of modules that must run before this one, and as long as it does.
  [[nodiscard]] virtual std::vector<std::string> dependencies() const { return {}; }
  // Returns when the module serves. An error stops the whole process, with its detail on stderr.
  [[nodiscard]] virtual Result<void> Start() = 0;
  // Tells whoever calls from outside that it is about to go, so that they go elsewhere, and serves on.
  virtual void Leave() {}
  // Takes no new work and finishes what it has, within `grace`.
  virtual void Drain(std::chrono::milliseconds grace) { (void)grace; }
  // Ends threads and closes files. After it, nothing of the module runs.
  virtual void Stop() = 0;
  // Empty while the module can do its work; otherwise what is wrong, for /readyz. Thread-safe.
  [[nodiscard]] virtual std::string Unhealthy() const { return {}; }
  // What it is among its replicas where they are not alike ("leader", "standby"), for /readyz: whoever stands
  // by is ready to. Thread-safe.
  [[nodiscard]] virtual std::string Role() const { return {}; }
};

struct Health {
  std::string module;
  std::string problem;    // empty: fine
  std::string role = {};  // empty: it has none
};

// Owns the modules. Not thread-safe, but for CheckHealth.
class Graph {
 public:
  void Add(std::unique_ptr<Module> module);
  // Starts all in the order of their dependencies. If one fails, those that run are stopped, and its error is
  // returned with the module's name in the detail. An unknown dependency or a cycle is a bug.
  [[nodiscard]] Result<void> Start();
  // Drains one by one, dependants first, within `grace` in all, and stops none, so that CheckHealth is still
  // answered. Once, before Stop, which then drains no more.
  void Drain(std::chrono::milliseconds grace);
  // Drains and stops one by one, dependants first, draining within `grace` in all. Again: no effect.
  void Stop(std::chrono::milliseconds grace);
  [[nodiscard]] std::vector<Health> CheckHealth() const;

 private:
  void Visit(size_t index, std::vector<int>& marks);
  std::vector<std::unique_ptr<Module>> modules_;
  std::vector<Module*> order_;
  std::vector<Module*> running_;
  bool drained_ = false;
};

}  // namespace boxoffice::module
