// Which bus a URL names: one of the three factories in which embedded and scaled processes differ. No other
// place tells one from another.
//
//   sqlite:FILE     the log in one SQLite file, which the processes of one machine may share
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "platform/bus/bus.h"
#include "platform/obs/metrics.h"

namespace boxoffice::bus {

// The bus of a process whose configuration names none: a log in its data folder.
[[nodiscard]] std::string DefaultBusUrl(const std::filesystem::path& data_dir);

// Opens the bus; `clock` and `metrics` must outlive it. Errors: bus_url (kInvalidArgument: no URL of those
// above), and the bus's own: database_unavailable, schema_newer.
[[nodiscard]] Result<std::unique_ptr<Bus>> OpenBus(std::string_view url, const Clock& clock,
                                                   obs::Registry& metrics);

// Creates what must be there before events of `topics` can be published. Again: no effect. Errors: as
// OpenBus.
[[nodiscard]] Result<void> PrepareBus(std::string_view url, const std::vector<std::string>& topics);

}  // namespace boxoffice::bus
