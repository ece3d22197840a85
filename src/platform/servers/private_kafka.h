// An Apache Kafka of this process' own, for a whole system on one machine: one broker in KRaft mode, data in
// a folder, on 127.0.0.1.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/result.h"
#include "platform/servers/supervised.h"

namespace boxoffice::servers {

// For development and tests: one broker has no replica of what it acknowledged, and anybody on this machine
// may connect. Not thread-safe.
class PrivateKafka {
 public:
  // Formats the data in `folder` at the first call, starts the broker on the port that it had before (its
  // data names it; at first a free one) and waits until it takes connections: some 6 s. `class_path` names
  // Kafka's jars, as java's -cp takes it. Errors: kafka_missing (no Java, or no class path), kafka_folder,
  // those of RunChild, kafka_port_taken (another server has its port: the original of a copied folder),
  // kafka_not_started (see its log, folder/log).
  [[nodiscard]] static Result<PrivateKafka> Start(const std::filesystem::path& folder,
                                                  const std::string& class_path);

  // "127.0.0.1:12345"
  [[nodiscard]] std::string Address() const;
  // Ends it as Kafka's controlled shutdown does, and waits; killed after `limit`.
  void Stop(std::chrono::milliseconds limit);

  // Starts it again, on its port and with its data, if it has ended: see Supervised::Look.
  [[nodiscard]] Supervised& process() { return *process_; }
  [[nodiscard]] pid_t pid() const { return process_->pid(); }

 private:
  PrivateKafka() = default;
  [[nodiscard]] Result<void> Prepare(const std::string& class_path);

  std::filesystem::path folder_;
  uint16_t port_ = 0;
  std::optional<Supervised> process_;
};

}  // namespace boxoffice::servers
