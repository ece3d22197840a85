// Payment's commands: batches are loaded, decided and saved, one transaction each; what a provider has to be
// asked is asked between two transactions, never inside one.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "platform/batch/executor.h"
#include "platform/batch/health.h"
#include "platform/obs/warning_pace.h"
#include "services/payment/payment.h"
#include "services/payment/provider.h"
#include "services/payment/store.h"
#include "services/payment/timer.h"

namespace boxoffice::payment {

struct ServiceConfig {
  batch::Limits limits;
  milliseconds provider_timeout{3'000};  // for each call to a provider; after it, nothing is known
  milliseconds reconcile_every{1'000};   // how often unsettled payments are examined
  uint32_t reconcile_at_most = 100;      // payments each time; the next ones the time after
};

// External providers by the name that stands before the colon of a method.
using Providers = std::map<std::string, Provider*, std::less<>>;

// Thread-safe. One conversation with the provider at a time per payment and kind: commands that want the same
// share it.
class Service {
 public:
  using Done = std::move_only_function<void(Result<Outcome>)>;

  // All that is referred to outlives it, but `timer` and the providers must have ended their threads before
  // it goes. `committed` is called after each commit with new events.
  Service(Store& store, Reader& reader, Providers providers, Timer& timer, const Clock& clock, Random& random,
          obs::Registry& metrics, ServiceConfig config, std::function<void()> committed);
  ~Service() { Stop(); }

  // Runs a command, and calls `done` once with its outcome when that is durable. Errors: overloaded,
  // stopping, contention, attempt_unsettled and provider_unavailable (not done), database_unavailable;
  // payment_unknown (kUnknown): ask again. Commands may be repeated at any time. An Approve's `route` is
  // filled in here.
  void Submit(Command command, Done done, resilience::Terms terms = {});
  // What the provider `name` has sent by itself: verified, and taken once. `done` hears what came of it when
  // that is durable; what has to be asked of the provider then goes on by itself. Errors: those of
  // Provider::ReadWebhook and of Submit.
  void ReceiveWebhook(const std::string& name, const WebhookRequest& request, Done done);
  // Examines unsettled payments now and then until Stop. Also finds what a crash has left.
  void StartReconciler();
  // Refuses new commands, runs what waits, and answers who waits for a provider with payment_unknown. Again:
  // no effect.
  void Stop();
  [[nodiscard]] bool HasProvider(std::string_view name) const { return providers_.contains(name); }
  // Whether the last batch met a store that works.
  [[nodiscard]] bool store_works() const { return health_.works(); }

 private:
  using Executor = batch::Executor<Command, Decided>;
  using Outcomes = std::vector<std::optional<Decided>>;
  struct Waiter {
    Command command;
    Done done;
  };
  // Calls of the same kind share one; a Cancel doesn't wait for an Approve under way.
  enum class TalkKind { kApproves, kCancels, kRefunds };
  struct TalkKey {
    PaymentKey payment;
    TalkKind kind = TalkKind::kApproves;
    SagaId refund;  // with kRefunds
    auto operator<=>(const TalkKey&) const = default;
  };
  [[nodiscard]] static TalkKey KeyOf(Next next, const ProviderRequest& request);
  struct Talk {
    uint64_t id;
    std::vector<Waiter> waiters;
  };

  Result<Outcomes> Run(std::span<const Command> commands);
  Result<Outcomes> LoadDecideSave(std::span<const Command> commands);
  // Decides `waiter`'s command. `asked`: a provider has been asked already, so that "not done" is no answer
  // any more.
  void Decide(Waiter waiter, bool asked, resilience::Terms terms = {resilience::Priority::kFinishing});
  void Proceed(Waiter waiter, Decided decided);
  void Call(Provider& provider, Next next, const ProviderRequest& request, uint64_t id);
  // Ends the talk: decides everyone's command again with what was heard; if it has ended, still records it.
  void Hear(const TalkKey& key, uint64_t id, const ProviderAnswer& heard);
  void TimeOut(const TalkKey& key, uint64_t id);
  std::vector<Waiter> EndTalk(const TalkKey& key, uint64_t id);
  void Reconcile();
  void ReconcileLater();
  Result<void> ExamineSome();
  void CountUnsettled(std::span<const PaymentKey> found, size_t in_doubt);
  void LogRefusedWebhook(const std::string& provider, const Error& error, const std::string& traceparent);
  [[nodiscard]] Route RouteOf(const std::string& method) const;
  [[nodiscard]] bool IsTalkedAbout(const PaymentKey& key);

  Store& store_;
  Reader& reader_;
  const Providers providers_;
  Timer& timer_;
  const Clock& clock_;
  Random& random_;
  const ServiceConfig config_;
  const std::function<void()> committed_;
  const std::map<Next, obs::Histogram*> provider_seconds_;  // until the answer, also a late one
  obs::Counter& provider_timeouts_;
  obs::Counter& late_answers_;
  obs::Counter& late_captures_;
  obs::Counter& refusals_;
  obs::Counter& given_back_twice_;
  obs::Gauge& unsettled_;
  batch::StoreHealth health_;
  // On the timer's thread.
  PaymentKey reconciled_to_;
  size_t in_doubt_in_pass_ = 0;
  std::mutex mutex_;
  std::map<TalkKey, Talk> talks_;
  uint64_t last_talk_ = 0;
  std::map<std::string, obs::WarningPace> refused_webhooks_;  // by reason
  bool stopping_ = false;
  Executor executor_;  // last: its thread uses all of the above
};

}  // namespace boxoffice::payment
