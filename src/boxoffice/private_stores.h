// PostgreSQL, Redis and Kafka for a whole system on one machine: servers of its own, in its data folder.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "boxoffice/cluster.h"
#include "platform/servers/private_kafka.h"
#include "platform/servers/private_postgres.h"
#include "platform/servers/private_redis.h"

namespace boxoffice {

// Not thread-safe; use it from the main thread: the servers end when it does.
class PrivateStores {
 public:
  // Starts PostgreSQL with a database for each service that keeps its data there, and Redis, in folders of
  // `folder`. With `kafka_class_path`, Kafka too. Errors: those of PrivatePostgres, PrivateRedis and
  // PrivateKafka.
  [[nodiscard]] static Result<PrivateStores> Start(const std::filesystem::path& folder,
                                                   const std::optional<std::string>& kafka_class_path);

  [[nodiscard]] const std::map<std::string, std::string>& store_urls() const { return store_urls_; }
  // Empty: there is no Kafka.
  [[nodiscard]] const std::string& bus_url() const { return bus_url_; }
  [[nodiscard]] std::vector<Server> servers() const;
  // Starts servers again that have ended by themselves, and tells of them (servers::Supervised::Look).
  [[nodiscard]] std::vector<std::string> Look();
  // After everything that uses them. Again: no effect.
  void Stop();

 private:
  PrivateStores() = default;
  std::optional<servers::PrivatePostgres> postgres_;
  std::optional<servers::PrivateRedis> redis_;
  std::optional<servers::PrivateKafka> kafka_;
  std::map<std::string, std::string> store_urls_;
  std::string bus_url_;
};

}  // namespace boxoffice
