// What a user would run instead: a monolith, in which one transaction of one PostgreSQL holds the seat,
// debits the wallet, approves the payment, confirms, and writes the event to the outbox. pgbench is its
// application: prepared statements, and no HTTP, no queue and no retries, so it does less than we do.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/result.h"

namespace boxoffice::bench {

enum class MonolithForm {
  kStatements,  // nine statements in a transaction, which branches where one is refused
  kCall,        // one call of a PL/pgSQL function
};

struct MonolithRun {
  int clients = 0;
  uint64_t confirmed = 0;
  uint64_t refused = 0;
  std::chrono::duration<double> elapsed{0};
  double latency_ms = 0;  // of a transaction: the mean
  [[nodiscard]] double PerSecond() const;
};

// Durable as PostgreSQL is by default (fsync and synchronous_commit on). Not thread-safe.
class Monolith {
 public:
  // A private PostgreSQL in a new folder under `data_root`, with seats and buyers for `purchases`; each seat
  // is sold once over all runs. Errors: those of PrivatePostgres::Start, pgbench_missing, monolith_failed.
  [[nodiscard]] static Result<Monolith> Start(const std::filesystem::path& data_root, uint64_t purchases);
  Monolith(Monolith&&) noexcept;
  Monolith& operator=(Monolith&&) noexcept;
  ~Monolith();

  // Sells for `seconds`, with as many connections as `clients`. Errors: monolith_failed (also: nothing is
  // left to sell).
  [[nodiscard]] Result<MonolithRun> Run(MonolithForm form, int clients, std::chrono::seconds seconds);
  // "" if the books are right: the ledger's sum is zero, no balance is negative, and whatever was sold was
  // paid, once.
  [[nodiscard]] Result<std::string> Audit();

 private:
  struct State;
  explicit Monolith(std::unique_ptr<State> state);
  [[nodiscard]] Result<std::string> Ask(const std::string& sql) const;

  std::unique_ptr<State> state_;
};

}  // namespace boxoffice::bench
