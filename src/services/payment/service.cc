#include "services/payment/service.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "platform/batch/without_moved.h"
#include "platform/obs/log.h"

namespace boxoffice::payment {
namespace {

Error PaymentUnknown(std::string detail) { return {Code::kUnknown, "payment_unknown", std::move(detail)}; }

obs::Histogram& ProviderSeconds(obs::Registry& metrics, const char* operation) {
  return metrics.GetHistogram("boxoffice_payment_provider_seconds", "From a call to a provider to its answer",
                              obs::SecondsBounds(), {{"operation", operation}});
}

// A provider that says it took money which no payment of ours is for is somebody's affair.
void LogIgnored(const std::string& provider, const Notice& notice, const std::string& traceparent) {
  if (notice.answer.verdict != Verdict::kApproved) return;
  obs::Log(obs::Level::kWarning, "payment_webhook_capture_ignored",
           {{"provider", provider},
            {"reservation", notice.reservation.ToString()},
            {"attempt", notice.attempt},
            {"amount", notice.money.amount},
            {"currency", notice.money.currency.code()},
            {"reference", notice.answer.reference}},
           traceparent);
}

// The part that the saga gives back; without a saga all that is left of the payment.
void LogRefused(const PaymentKey& key, const ProviderAnswer& heard) {
  obs::Log(obs::Level::kWarning, "payment_refund_refused",
           {{"reservation", key.reservation.ToString()},
            {"attempt", key.attempt},
            {"saga", heard.refund.IsNil() ? std::string() : heard.refund.ToString()},
            {"code", heard.code}});
}

// Money of ours that somebody has twice. The part that the saga gives back; without a saga all that was left.
void LogGivenBackTwice(const Command& command) {
  const SagaId saga = command.heard ? command.heard->refund : SagaId();
  obs::Log(obs::Level::kWarning, "payment_given_back_twice",
           {{"reservation", command.key().reservation.ToString()},
            {"attempt", command.key().attempt},
            {"saga", saga.IsNil() ? std::string() : saga.ToString()}});
}

}  // namespace

Service::Service(Store& store, Reader& reader, Providers providers, Timer& timer, const Clock& clock,
                 Random& random, obs::Registry& metrics, ServiceConfig config,
                 std::function<void()> committed)
    : store_(store),
      reader_(reader),
      providers_(std::move(providers)),
      timer_(timer),
      clock_(clock),
      random_(random),
      config_(config),
      committed_(std::move(committed)),
      provider_seconds_{{Next::kSend, &ProviderSeconds(metrics, "approve")},
                        {Next::kAsk, &ProviderSeconds(metrics, "query")},
                        {Next::kCancel, &ProviderSeconds(metrics, "cancel")},
                        {Next::kRefund, &ProviderSeconds(metrics, "refund")}},
      provider_timeouts_(metrics.GetCounter("boxoffice_payment_provider_timeouts_total",
                                            "Calls to a provider without an answer in time")),
      late_answers_(metrics.GetCounter("boxoffice_payment_provider_late_answers_total",
                                       "Answers of a provider that came after the time-out")),
      late_captures_(
          metrics.GetCounter("boxoffice_payment_late_captures_total",
                             "Payments whose money was taken after they had ended, and given back")),
      refusals_(metrics.GetCounter("boxoffice_payment_refunds_refused_total",
                                   "Answers of a provider that it does not give money back, repeats too")),
      given_back_twice_(metrics.GetCounter(
          "boxoffice_payment_given_back_twice_total",
          "Answers of a provider that it gave back what an operator had settled outside of it, repeats too")),
      unsettled_(metrics.GetGauge("boxoffice_payment_unsettled",
                                  "Payments whose outcome has not been certain for a minute, or whose refund "
                                  "is refused: of the last whole pass, or of this one if it has found more")),
      executor_(
          "payment", config.limits, [this](std::span<const Command> commands) { return Run(commands); },
          metrics) {}

void Service::Submit(Command command, Done done, resilience::Terms terms) {
  if (auto* approve = std::get_if<Approve>(&command.body)) approve->route = RouteOf(approve->method);
  Decide({std::move(command), std::move(done)}, /*asked=*/false, terms);
}

void Service::ReceiveWebhook(const std::string& name, const WebhookRequest& request, Done done) {
  const auto it = providers_.find(name);
  if (it == providers_.end()) {
    done(Fail(Code::kNotFound, "provider_unknown", "no provider is called " + name));
    return;
  }
  Result<Notice> notice = it->second->ReadWebhook(request, clock_.Now());
  if (!notice) {
    LogRefusedWebhook(name, notice.error(), request.traceparent);
    done(std::unexpected(std::move(notice).error()));
    return;
  }
  if (!notice->relevant) {
    done(Outcome{.effect = WebhookEffect::kIgnored});
    return;
  }
  Submit({Webhook{{notice->reservation, notice->attempt}, {name, request.id}, notice->money, notice->answer},
          request.traceparent,
          {}},
         [name, notice = *notice, traceparent = request.traceparent,
          done = std::move(done)](Result<Outcome> outcome) mutable {
           if (outcome && outcome->effect == WebhookEffect::kIgnored) LogIgnored(name, notice, traceparent);
           done(std::move(outcome));
         });
}

// Anybody may send one.
void Service::LogRefusedWebhook(const std::string& provider, const Error& error,
                                const std::string& traceparent) {
  const auto [level, others] = [&] {
    const std::scoped_lock lock(mutex_);
    return refused_webhooks_[error.reason].Next(clock_.Now().time_since_epoch());
  }();
  if (!obs::Logs(level)) return;
  obs::Log(level, "payment_webhook_refused",
           {{"provider", provider}, {"reason", error.reason}, {"detail", error.detail}, {"others", others}},
           traceparent);
}

Route Service::RouteOf(const std::string& method) const {
  if (method == kInternal) return Route::kInternal;
  const Method split = SplitMethod(method);
  const auto it = providers_.find(split.provider);
  if (it == providers_.end() || !it->second->Accepts(split.instrument)) return Route::kUnknown;
  return it->second->IsAway() ? Route::kAway : Route::kExternal;
}

Result<Service::Outcomes> Service::Run(std::span<const Command> commands) {
  auto outcomes = LoadDecideSave(commands);
  if (!outcomes) health_.Note(false);
  return outcomes;
}

Result<Service::Outcomes> Service::LoadDecideSave(std::span<const Command> commands) {
  const Timestamp now = clock_.Now();
  BOXOFFICE_ASSIGN(const Rows rows, store_.Load(KeysOf(commands)));
  Decision decision = payment::Decide(rows, commands, now, random_);
  std::vector<ReservationId> moved;
  if (!decision.changes.empty()) {
    BOXOFFICE_ASSIGN(moved, store_.Save(decision.changes));
    health_.Note(true);
  }
  if (moved.empty()) {
    if (!decision.changes.events.empty()) committed_();
    for (size_t i = 0; i < commands.size(); ++i) {
      if (!decision.outcomes[i].given_back_twice) continue;
      given_back_twice_.Add();
      LogGivenBackTwice(commands[i]);
    }
    for (const PaymentEvent& event : decision.changes.events) {
      if (event.kind != EventKind::kCapturedLate) continue;
      late_captures_.Add();
      obs::Log(obs::Level::kWarning, "payment_captured_late",
               {{"reservation", event.payment.key.reservation.ToString()},
                {"reference", event.payment.provider_reference}},
               event.traceparent);
    }
    return Outcomes(std::make_move_iterator(decision.outcomes.begin()),
                    std::make_move_iterator(decision.outcomes.end()));
  }
  // Nothing was saved.
  return batch::WithoutMoved(
      commands,
      [&moved](const Command& command) {
        return std::binary_search(moved.begin(), moved.end(), command.key().reservation);
      },
      [this](std::span<const Command> others) { return LoadDecideSave(others); });
}

void Service::Decide(Waiter waiter, bool asked, resilience::Terms terms) {
  Command command = waiter.command;
  executor_.Submit(
      std::move(command),
      [this, asked, waiter = std::move(waiter)](Result<Decided> decided) mutable {
        if (!decided) {
          waiter.done(std::unexpected(asked ? PaymentUnknown(decided.error().reason) : decided.error()));
        } else if (decided->next == Next::kAnswer) {
          waiter.done(std::move(decided->answer));
        } else {
          if (std::holds_alternative<Webhook>(waiter.command.body)) {
            // Whoever told us is answered at once; what it calls for goes on without them.
            waiter.done(decided->answer);
            waiter = {{Examine{waiter.command.key()}, waiter.command.traceparent, {}},
                      [](const Result<Outcome>&) {}};
          }
          Proceed(std::move(waiter), *std::move(decided));
        }
      },
      terms);
}

void Service::Proceed(Waiter waiter, Decided decided) {
  const auto it = providers_.find(SplitMethod(decided.method).provider);
  if (it == providers_.end()) {  // its adapter has been taken out while the payment was not settled
    waiter.done(std::unexpected(PaymentUnknown("no provider for " + decided.method)));
    return;
  }
  waiter.command.heard.reset();
  const TalkKey key = KeyOf(decided.next, decided.request);
  std::unique_lock lock(mutex_);
  if (stopping_) {
    lock.unlock();
    waiter.done(std::unexpected(PaymentUnknown("stopping")));
    return;
  }
  Talk& talk = talks_[key];
  talk.waiters.push_back(std::move(waiter));
  if (talk.waiters.size() > 1) return;
  const uint64_t id = talk.id = ++last_talk_;
  lock.unlock();
  Call(*it->second, decided.next, decided.request, id);
  // After the call, which returns at once: who sees the time-out running knows that the provider has been
  // told.
  timer_.After(config_.provider_timeout, [this, key, id] { TimeOut(key, id); });
}

Service::TalkKey Service::KeyOf(Next next, const ProviderRequest& request) {
  const TalkKind kind = next == Next::kCancel   ? TalkKind::kCancels
                        : next == Next::kRefund ? TalkKind::kRefunds
                                                : TalkKind::kApproves;
  return {{request.reservation, request.attempt}, kind, request.refund};
}

bool Service::IsTalkedAbout(const PaymentKey& key) {
  const std::scoped_lock lock(mutex_);
  const auto it = talks_.lower_bound({key, TalkKind::kApproves, SagaId()});
  return it != talks_.end() && it->first.payment == key;
}

void Service::Call(Provider& provider, Next next, const ProviderRequest& request, uint64_t id) {
  const TalkKey key = KeyOf(next, request);
  auto hear = [this, key, id, next, again = request.cancelled_before,
               begun = clock_.Now()](ProviderAnswer heard) {
    provider_seconds_.at(next)->Observe(std::chrono::duration<double>(clock_.Now() - begun).count());
    heard.refund = key.refund;
    heard.cancelled_before = again;
    Hear(key, id, heard);
  };
  switch (next) {
    case Next::kSend:
      provider.Approve(request, std::move(hear));
      return;
    case Next::kAsk:
      provider.Query(request, std::move(hear));
      return;
    case Next::kCancel:
      provider.Cancel(request, std::move(hear));
      return;
    case Next::kRefund:
      provider.Refund(request, std::move(hear));
      return;
    case Next::kAnswer:
      CHECK(false, "there is nothing to ask");
  }
}

std::vector<Service::Waiter> Service::EndTalk(const TalkKey& key, uint64_t id) {
  const std::scoped_lock lock(mutex_);
  const auto it = talks_.find(key);
  if (it == talks_.end() || it->second.id != id) return {};
  auto waiters = std::move(it->second.waiters);
  talks_.erase(it);
  return waiters;
}

void Service::Hear(const TalkKey& key, uint64_t id, const ProviderAnswer& heard) {
  std::vector<Waiter> waiters = EndTalk(key, id);
  if (waiters.empty()) {  // too late for those who waited, but money may have moved
    late_answers_.Add();
    waiters.push_back({{Examine{key.payment}, {}, {}}, [](const Result<Outcome>&) {}});
  }
  if (heard.verdict == Verdict::kRefused) {
    refusals_.Add();
    LogRefused(key.payment, heard);
  }
  for (Waiter& waiter : waiters) {
    waiter.command.heard = heard;
    Decide(std::move(waiter), /*asked=*/true);
  }
}

void Service::TimeOut(const TalkKey& key, uint64_t id) {
  std::vector<Waiter> waiters = EndTalk(key, id);
  if (!waiters.empty()) provider_timeouts_.Add();
  for (Waiter& waiter : waiters)
    waiter.done(std::unexpected(PaymentUnknown("the provider did not answer in time")));
}

void Service::StartReconciler() {
  timer_.Post([this] { Reconcile(); });
}

void Service::ReconcileLater() {
  timer_.After(config_.reconcile_every, [this] { Reconcile(); });
}

// Goes through the unsettled payments in the order of keys, a bounded part each time, and begins anew at the
// end.
void Service::Reconcile() {
  {
    const std::scoped_lock lock(mutex_);
    if (stopping_) return;
  }
  const Result<void> examined = ExamineSome();
  if (!examined) {
    obs::Log(obs::Level::kWarning, "payment_reconcile_failed",
             {{"reason", examined.error().reason}, {"detail", examined.error().detail}});
  }
  ReconcileLater();
}

Result<void> Service::ExamineSome() {
  BOXOFFICE_ASSIGN(const std::vector<PaymentKey> keys,
                   reader_.Unsettled(reconciled_to_, config_.reconcile_at_most));
  Rows rows;
  if (!keys.empty()) {
    BOXOFFICE_ASSIGN(rows, reader_.Find(keys));
  }
  CountUnsettled(keys, CountInDoubt(rows, clock_.Now()));
  for (const PaymentKey& key : keys) {
    if (IsTalkedAbout(key)) continue;  // being found out
    Decide({{Examine{key}, {}, {}}, [](const Result<Outcome>&) {}}, /*asked=*/false);
  }
  return {};
}

// One round is only a part of them, and the last of a pass may have found none.
void Service::CountUnsettled(std::span<const PaymentKey> found, size_t in_doubt) {
  const bool all = found.size() < config_.reconcile_at_most;
  in_doubt_in_pass_ += in_doubt;
  reconciled_to_ = all ? PaymentKey{} : found.back();
  const auto count = static_cast<double>(in_doubt_in_pass_);
  unsettled_.Set(all ? count : std::max(unsettled_.value(), count));
  if (all) in_doubt_in_pass_ = 0;
}

void Service::Stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  executor_.Stop();
  std::map<TalkKey, Talk> talks;
  {
    const std::scoped_lock lock(mutex_);
    talks.swap(talks_);
  }
  for (auto& [key, talk] : talks) {
    for (Waiter& waiter : talk.waiters) waiter.done(std::unexpected(PaymentUnknown("stopping")));
  }
}

}  // namespace boxoffice::payment
