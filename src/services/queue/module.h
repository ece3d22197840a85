// The waiting room as a part of a process.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.h"
#include "platform/auth/signed_token.h"
#include "platform/batch/executor.h"
#include "platform/module/program.h"
#include "platform/module/service_module.h"
#include "services/queue/session.h"
#include "services/queue/show_metrics.h"
#include "services/queue/store.h"

namespace boxoffice::queue {

struct QueueConfig {
  batch::Limits limits;
  // Between two rounds of admission. 0: nobody ticks, and only joins onto an empty line admit.
  std::chrono::milliseconds tick_interval{250};
  // How long the lead stays with a process that has gone or does not reach the store; it is renewed five
  // times as often.
  std::chrono::milliseconds leader_lease{5'000};
  uint64_t max_places = kMaxPlaces;
  // The keys of the tokens. Empty: a development key, id "queue", in data_dir/keys/queue-token.key, made at
  // the first start.
  std::shared_ptr<const auth::KeyRing> keys;
};

// Of the processes on one store one leads: it serves, and it alone listens, so that callers go there. The
// others stand by (docs/adr/0008-one-queue-leads.md). The lead passes on when the leader drains, at once;
// when it has died, paused or lost the store, at the end of its lease. A leader that may have lost it gives
// all of its memory up, but for what a store that was emptied must be told again, and stands by like any
// other.
class QueueModule final : public module::ServiceModule {
 public:
  // `runtime` outlives it.
  QueueModule(const module::Runtime& runtime, QueueConfig config);
  ~QueueModule() override;

  [[nodiscard]] std::string_view name() const override { return "queue"; }
  // Returns when it leads and serves, or stands by. Errors: store_url, database_unavailable, schema_newer,
  // port_taken, listen_failed, and those of auth::LoadOrCreateSecret.
  [[nodiscard]] Result<void> Start() override;
  void Leave() override;
  void Drain(std::chrono::milliseconds grace) override;
  void Stop() override;
  [[nodiscard]] std::string Unhealthy() const override;
  // "leader" or "standby".
  [[nodiscard]] std::string Role() const override;
  // Only while it leads.
  [[nodiscard]] rpc::InProcess ForThisProcess() override;

 private:
  using Moment = Leadership::Moment;
  struct Term;

  [[nodiscard]] bool Leads() const { return std::chrono::steady_clock::now() < leads_until_.load(); }
  void Follow(bool leading);
  [[nodiscard]] bool WaitUntil(Moment moment);
  [[nodiscard]] Result<bool> TakeLead();
  [[nodiscard]] Result<void> Serve();
  [[nodiscard]] bool KeepLead();
  void StandDown();
  void Remember();
  [[nodiscard]] bool DrawAgain(const std::vector<Show>& stored);
  void Know(const std::vector<Show>& shows);
  void Tick();
  void MeasureQueues();
  [[nodiscard]] std::unique_ptr<Term> EndTerm();

  const module::Runtime& runtime_;
  const QueueConfig config_;
  std::shared_ptr<const auth::KeyRing> keys_;
  Stores stores_;
  std::atomic<Moment> leads_until_{Moment::min()};
  // The shows as this process saw them last, for a store that has lost them. Of whoever takes the lead or
  // stands down.
  std::map<int64_t, Show> known_;
  Moment remember_at_ = Moment::min();
  mutable std::mutex mutex_;  // of the next five
  std::condition_variable stop_;
  bool leaving_ = false;
  bool stopping_ = false;
  std::unique_ptr<Term> term_;  // null: it stands by
  ShowMetrics show_metrics_;
  std::thread follower_;
};

// The waiting room as a program: its keys are what QueueConfig has.
[[nodiscard]] module::ServiceProgram Program();

}  // namespace boxoffice::queue
