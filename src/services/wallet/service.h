// The wallet's commands: batches of them are loaded, decided and saved, one transaction each.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "platform/batch/executor.h"
#include "platform/batch/health.h"
#include "services/wallet/store.h"
#include "services/wallet/wallet.h"

namespace boxoffice::wallet {

// Thread-safe.
class Service {
 public:
  using Executor = batch::Executor<Command, Outcome>;
  using Done = Executor::Done;

  // `store`, `clock`, `random` and `metrics` outlive it. `committed` is called after each commit with new
  // events.
  Service(Store& store, const Clock& clock, Random& random, obs::Registry& metrics, batch::Limits limits,
          std::function<void()> committed, WalletLimits wallet_limits = {});

  // Runs a command, and calls `done` once with its outcome when that is durable. Errors: overloaded,
  // stopping, contention (not done), database_unavailable. Commands may be repeated at any time.
  void Submit(Command command, Done done, resilience::Terms terms = {}) {
    executor_.Submit(std::move(command), std::move(done), terms);
  }
  // Refuses new commands and runs what waits. Again: no effect.
  void Stop() { executor_.Stop(); }
  // Whether the last batch met a store that works.
  [[nodiscard]] bool store_works() const { return health_.works(); }

 private:
  using Outcomes = std::vector<std::optional<Outcome>>;
  Result<Outcomes> Run(std::span<const Command> commands);
  Result<Outcomes> LoadDecideSave(std::span<const Command> commands);

  Store& store_;
  const Clock& clock_;
  EntryIds ids_;
  const WalletLimits wallet_limits_;
  const std::function<void()> committed_;
  batch::StoreHealth health_;
  Executor executor_;  // last: its thread uses all of the above
};

}  // namespace boxoffice::wallet
