// Which bus a URL names: one of the three factories in which embedded and scaled processes differ. No other
// place tells one from another.
//
//   sqlite:FILE                the log in one SQLite file, which the processes of one machine may share
//   kafka:HOST:PORT,HOST:PORT  an Apache Kafka cluster, by some of its brokers; with ?NAME=VALUE&… settings
//   of
//                              librdkafka (security.protocol, ssl.ca.location, sasl.username, …), and
//                              `prefix`, which is put before the names of topics and groups (letters,
//                              digits, '.', '_' and '-'). VALUE is percent-encoded. A setting by which events
//                              keep their order (message.timeout.ms, partitioner, group.id, …) is the bus's
//                              own: it is ignored, with a warning.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
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

// The bus on a Kafka cluster: "HOST:PORT,HOST:PORT" are some of its brokers.
[[nodiscard]] std::string ClusterBusUrl(std::string_view brokers);

// Opens the bus; `clock` and `metrics` must outlive it. Errors: bus_url (kInvalidArgument: no URL of those
// above), bus_config (kInvalidArgument: no such setting, or not such a value), and the bus's own:
// database_unavailable, schema_newer.
[[nodiscard]] Result<std::unique_ptr<Bus>> OpenBus(std::string_view url, const Clock& clock,
                                                   obs::Registry& metrics);

// Where topics end: by topic, for each partition the offset that its next event would have, or a lower one
// where there is nothing between.
using Ends = std::map<std::string, std::vector<int64_t>, std::less<>>;

// Tells where topics end, while others publish to them. Connected when it is made, so that the answer takes a
// moment only. Belongs to one thread at a time.
class EndReader {
 public:
  virtual ~EndReader() = default;
  // Takes `within` at most, all in all. Of a topic that is not there: no partitions. Errors: those of the
  // bus.
  [[nodiscard]] virtual Result<Ends> Read(milliseconds within) = 0;
};
// For Read, where nobody waits meanwhile.
inline constexpr milliseconds kEndsWithin{10'000};
// Errors: as OpenBus; no_bus (kNotFound: a file that is not there, and is not made); also the bus's own where
// it can't be reached.
[[nodiscard]] Result<std::unique_ptr<EndReader>> OpenEnds(std::string_view url,
                                                          std::vector<std::string> topics);

// What a service needs of the bus before it starts.
struct BusNeeds {
  std::vector<std::string> published;  // topics
  std::string group;                   // empty: it consumes nothing
  std::vector<std::string> consumed;   // topics
  // Of topics that are made now, where the bus divides and copies them; never changed afterwards.
  int partitions = 12;
  int replication_factor = 1;
};

// What of it is not there, in words ("there is no topic seat"), so that events would wait. Changes nothing.
// Errors: as OpenEnds.
[[nodiscard]] Result<std::vector<std::string>> MissingOf(std::string_view url, const BusNeeds& needs);

// Creates what must be there, for good: events are kept for ever, as projections are rebuilt from them.
// Again: no effect, but where a topic has got more partitions than the groups' dead-letter topics, which get
// as many; a topic that is there with other settings is left as it is and logged. Errors: as OpenBus, and
// those of CreateTopics (kafka_admin.h).
[[nodiscard]] Result<void> PrepareBus(std::string_view url, const BusNeeds& needs);

}  // namespace boxoffice::bus
