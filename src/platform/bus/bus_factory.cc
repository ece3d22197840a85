#include "platform/bus/bus_factory.h"

#include <fmt/format.h>

#include "platform/bus/sqlite_bus.h"

namespace boxoffice::bus {
namespace {

constexpr std::string_view kSqlite = "sqlite:";

}  // namespace

std::string DefaultBusUrl(const std::filesystem::path& data_dir) {
  return fmt::format("{}{}", kSqlite, (data_dir / "bus.db").string());
}

Result<std::unique_ptr<Bus>> OpenBus(std::string_view url, const Clock& clock, obs::Registry& metrics) {
  if (url.starts_with(kSqlite)) {
    SqliteBusConfig config;
    config.file = url.substr(kSqlite.size());
    return SqliteBus::Open(std::move(config), clock, metrics);
  }
  return Fail(Code::kInvalidArgument, "bus_url", fmt::format("bus.url is sqlite:FILE, not \"{}\"", url));
}

// Topics of the log in SQLite need no making: opening it makes the file.
Result<void> PrepareBus(std::string_view url, const std::vector<std::string>& topics) {
  (void)topics;
  const SystemClock clock;
  obs::Registry metrics;
  BOXOFFICE_ASSIGN(const std::unique_ptr<Bus> bus, OpenBus(url, clock, metrics));
  return {};
}

}  // namespace boxoffice::bus
