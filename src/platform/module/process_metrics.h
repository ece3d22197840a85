// What monitoring wants to know of any process of ours.
#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include "platform/module/module.h"
#include "platform/obs/metrics.h"

namespace boxoffice::module {

// Adds, all computed when they are read: processor time, memory and open files under the names that
// Prometheus' own libraries use; the room on the disk of `data_dir`; and of each module that `health` lists
// now, whether it can do its work. `health` is thread-safe, and is called as long as `metrics` is read.
void AddProcessMetrics(obs::Registry& metrics, const std::filesystem::path& data_dir,
                       const std::function<std::vector<Health>()>& health);

}  // namespace boxoffice::module
