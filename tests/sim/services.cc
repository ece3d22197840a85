#include "sim/services.h"

#include <utility>

#include "base/check.h"
#include "sim/virtual_time.h"

namespace boxoffice::sim {
namespace {

resilience::Terms TermsOf(int64_t timeout_us) {
  resilience::Terms terms;
  terms.priority = resilience::Priority::kFinishing;
  terms.deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(timeout_us);
  return terms;
}

reservation::CancelPolicy SimCancelPolicy(int64_t fee) {
  reservation::CancelPolicy policy;
  policy.deadline = FromUnixMs(1LL << 50);
  policy.fee_per_seat = fee;
  return policy;
}

reservation::ShowPhase PhaseOf(seat::ShowState state) {
  switch (state) {
    case seat::ShowState::kAnnounced:
      return reservation::ShowPhase::kAnnounced;
    case seat::ShowState::kOnSale:
      return reservation::ShowPhase::kOnSale;
    case seat::ShowState::kSoldOut:
      return reservation::ShowPhase::kSoldOut;
    case seat::ShowState::kPast:
      return reservation::ShowPhase::kPast;
    case seat::ShowState::kDraft:
      return reservation::ShowPhase::kDraft;
    case seat::ShowState::kCancelled:
      return reservation::ShowPhase::kCancelled;
  }
  CHECK(false, "state {}", static_cast<int>(state));
}

}  // namespace

int StateAt(const std::string& states, uint32_t seat_no) {
  return static_cast<uint8_t>(states[(seat_no - 1) / 4]) >> (2 * ((seat_no - 1) % 4)) & 3;
}

reservation::Policy SimPolicy() {
  reservation::Policy policy;
  policy.saga_deadline = milliseconds(10'000);
  policy.lease = milliseconds(3'000);
  policy.renew_every = milliseconds(1'000);
  policy.first_backoff = milliseconds(200);
  policy.max_backoff = milliseconds(3'000);
  policy.expiry_grace = milliseconds(1'000);
  policy.hold_slack = milliseconds(5'000);
  policy.offer_time = milliseconds(22'000);
  return policy;
}

SeatProcess::SeatProcess(Ground& ground, std::string name, milliseconds skew, SeatDb& db)
    : Process(ground, std::move(name), skew) {
  OpenPublisher(db.outbox);
  seat::ServiceOptions options;
  options.batch = BatchLimits();
  seat::Stores stores{OpenSeats(db, *this), OpenSeats(db, *this), OpenSeats(db, *this)};
  service_ = std::make_unique<seat::SeatService>(std::move(stores), clock(), ground.metrics, options,
                                                 [this] { Nudge(); });
  CHECK(service_->Start().has_value());
  After(ground.rng.Between(0, 2'000'000), [this] { Tick(); });
}

SeatProcess::~SeatProcess() {
  life()->dead = true;
  service_.reset();
}

void SeatProcess::Tick() {
  (void)service_->Follow();
  service_->Sweep();
  After(2'000'000, [this] { Tick(); });
}

seat::SeatMapView SeatProcess::LookAtMap(int64_t show_id) {
  CHECK(service_->Follow().has_value());
  return *service_->GetSeatMap(show_id, std::nullopt);
}

void SeatProcess::Operate(const std::function<void(seat::SeatService&, seat::SeatService::Done)>& asks,
                          std::function<void(const Result<seat::Outcome>&)> done) {
  asks(*service_, [life = life(), done = std::move(done)](const Result<seat::Outcome>& outcome) {
    if (!life->dead) done(outcome);
  });
}

// As the real client and server do it by protos.
void SeatProcess::Execute(const ShowAsk& ask, const Answer& answer) {
  Reply reply;
  auto view = service_->GetShow(ask.show_id, /*drafts=*/true, /*fresh=*/ask.what == ShowAsk::What::kGet);
  switch (ask.what) {
    case ShowAsk::What::kGet:
    case ShowAsk::What::kSeeSeats:
      break;
    case ShowAsk::What::kCancel:
      view = service_->CancelShow(ask.show_id);
      break;
    case ShowAsk::What::kKeepSeats:
    case ShowAsk::What::kGiveSeatsBack:
      view = service_->SetWaitlistFirst(ask.show_id, ask.what == ShowAsk::What::kKeepSeats);
  }
  if (dead()) return;
  if (!view) return answer(FromError(view.error()));
  const seat::Show& show = *view->show;
  reply.show = {PhaseOf(view->state), show.starts_at, show.terms.seat_limit, show.terms.waitlist_first};
  if (ask.what == ShowAsk::What::kSeeSeats) {
    const std::string states = service_->GetSeatMap(ask.show_id, std::nullopt)->seats->states;
    auto seats = std::make_shared<std::vector<reservation::HallSeat>>();
    for (uint32_t no = 1; no <= show.layout->capacity(); ++no) {
      seats->push_back({show.layout->SectionOf(no).name, "A", show.layout->PriceOf(no)});
      reply.hall.free.push_back(StateAt(states, no) == 0);
    }
    reply.hall.seats = std::move(seats);
  }
  answer(reply);
}

void SeatProcess::Execute(seat::Command command, int64_t timeout_us, const Answer& answer) {
  auto done = [life = life(), answer](const Result<seat::Outcome>& outcome) {
    if (!life->dead) answer(ReplyOf(outcome));
  };
  service_->Submit(std::move(command), done, TermsOf(timeout_us));
}

WalletProcess::WalletProcess(Ground& ground, std::string name, milliseconds skew, WalletDb& db)
    : Process(ground, std::move(name), skew), store_(OpenWallets(db, *this)) {
  OpenPublisher(db.outbox);
  service_ = std::make_unique<wallet::Service>(*store_, clock(), ground.rng, ground.metrics, BatchLimits(),
                                               [this] { Nudge(); });
}

WalletProcess::~WalletProcess() {
  life()->dead = true;
  service_.reset();
}

void WalletProcess::Execute(wallet::Command command, int64_t timeout_us,
                            std::function<void(const Result<wallet::Outcome>&)> done) {
  service_->Submit(
      std::move(command),
      [life = life(), done = std::move(done)](const Result<wallet::Outcome>& outcome) {
        if (!life->dead) done(outcome);
      },
      TermsOf(timeout_us));
}

class PaymentProcess::SimTimer final : public payment::Timer {
 public:
  explicit SimTimer(Process& process) : process_(process) {}
  void Post(Task task) override { process_.After(0, std::move(task)); }
  void After(milliseconds delay, Task task) override {
    process_.After(delay.count() * 1'000, std::move(task));
  }

 private:
  Process& process_;
};

// The acquirer, as one process reaches it: what is asked may be lost, late or doubled, and so may the answer.
// While it is away, the process sends it no approval for a while after each call that was not answered.
class PaymentProcess::SimProvider final : public payment::Provider {
 public:
  SimProvider(Process& process, Acquirer& acquirer) : process_(process), acquirer_(acquirer) {}
  [[nodiscard]] bool Accepts(std::string_view) const override { return true; }
  [[nodiscard]] bool IsAway() const override {
    return process_.ground().scheduler.now_us() < spared_until_us_;
  }

  void Approve(const payment::ProviderRequest& request, Callback callback) override {
    Ask("acquirer.Approve", std::move(callback),
        [request, &acquirer = acquirer_] { return acquirer.Approve(request); });
  }
  void Query(const payment::ProviderRequest& request, Callback callback) override {
    Ask("acquirer.Query", std::move(callback),
        [request, &acquirer = acquirer_] { return acquirer.Query(request); });
  }
  void Cancel(const payment::ProviderRequest& request, Callback callback) override {
    Ask("acquirer.Cancel", std::move(callback),
        [request, &acquirer = acquirer_] { return acquirer.Cancel(request); });
  }
  void Refund(const payment::ProviderRequest& request, Callback callback) override {
    Ask("acquirer.Refund", std::move(callback),
        [request, &acquirer = acquirer_] { return acquirer.Refund(request); });
  }

 private:
  void Ask(std::string_view name, Callback callback, std::function<payment::ProviderAnswer()> act) {
    Ground& ground = process_.ground();
    Fault fault = process_.At(PointKind::kCall, name);
    if (fault == Fault::kNone && ground.scheduler.now_us() < acquirer_.away_until_us) {
      spared_until_us_ = ground.scheduler.now_us() + kSparedUs;
      fault = ground.rng.Chance(50) ? Fault::kNotDone : Fault::kReplyLost;
    }
    if (fault == Fault::kCrashBefore) return process_.Die(name);
    if (fault == Fault::kNotDone) {
      // An error of the connection says nothing for certain.
      return process_.After(1'000, [callback = std::move(callback)]() mutable { callback({}); });
    }
    const bool late = fault == Fault::kDelayed;
    const bool lost = late || fault == Fault::kReplyLost || fault == Fault::kCrashAfter;
    auto heard = std::make_shared<Callback>(std::move(callback));
    ground.scheduler.After((late ? kLateUs : 0) + ground.rng.Between(500, 5'000), nullptr,
                           [act, heard, lost, life = process_.life(), &ground, &acquirer = acquirer_] {
                             const payment::ProviderAnswer answer = act();
                             if (lost || life->dead) return;
                             ground.scheduler.After(acquirer.AnswerUs(), life,
                                                    [heard, answer] { (*heard)(answer); });
                           });
    if (fault == Fault::kDuplicated)
      ground.scheduler.After(ground.rng.Between(0, kLateUs), nullptr, [act] { (void)act(); });
    if (fault == Fault::kCrashAfter) process_.Die(name);
  }

  static constexpr int64_t kSparedUs = 1'000'000;

  Process& process_;
  Acquirer& acquirer_;
  int64_t spared_until_us_ = 0;
};

PaymentProcess::PaymentProcess(Ground& ground, std::string name, milliseconds skew, PaymentDb& db,
                               Acquirer& acquirer)
    : Process(ground, std::move(name), skew),
      store_(OpenPayments(db, *this)),
      reader_(ReadPayments(db, *this)),
      timer_(std::make_unique<SimTimer>(*this)),
      provider_(std::make_unique<SimProvider>(*this, acquirer)) {
  OpenPublisher(db.outbox);
  payment::ServiceConfig config;
  config.limits = BatchLimits();
  config.provider_timeout = milliseconds(900);
  config.reconcile_every = milliseconds(2'000);
  service_ = std::make_unique<payment::Service>(
      *store_, *reader_, payment::Providers{{"sim", provider_.get()}}, *timer_, clock(), ground.rng,
      ground.metrics, config, [this] { Nudge(); });
  service_->StartReconciler();
}

PaymentProcess::~PaymentProcess() {
  life()->dead = true;
  service_.reset();
}

void PaymentProcess::Execute(payment::Command command, int64_t timeout_us, const Answer& answer) {
  service_->Submit(
      std::move(command),
      [life = life(), answer](const Result<payment::Outcome>& outcome) {
        if (!life->dead) answer(ReplyOf(outcome));
      },
      TermsOf(timeout_us));
}

ReservationProcess::ReservationProcess(Ground& ground, std::string name, milliseconds skew, ReservationDb& db,
                                       Directory& directory, int64_t cancel_fee)
    : Process(ground, std::move(name), skew),
      store_(OpenReservations(db, *this)),
      reader_(ReadReservations(db, *this)),
      show_store_(OpenShows(db, *this)),
      show_reader_(ReadShows(db, *this)),
      participants_(*this, directory, SimCancelPolicy(cancel_fee), Timeouts()) {
  OpenPublisher(db.outbox);
  participants_.UseExecutor(io_.get_executor());
  reservation::ServiceConfig config;
  config.owner = Process::name() + "-" + std::to_string(ground.rng.Below(1'000'000));
  config.policy = SimPolicy();
  config.retry.retries = 2;
  config.retry.first_pause = milliseconds(50);
  config.retry.give_up_after = milliseconds(2'000);
  config.limits = BatchLimits();
  config.scan_every = milliseconds(1'000);
  config.claim_limit = 8;
  service_ = std::make_unique<reservation::Service>(config, io_.get_executor(), *store_, *reader_,
                                                    *show_reader_, participants_, clock(), ground.rng,
                                                    ground.metrics, [this] { Nudge(); });
  reservation::ShowServiceConfig shows;
  shows.owner = config.owner;
  shows.policy = config.policy;
  shows.limits = BatchLimits();
  shows.waitlist_page = 2;
  shows_ = std::make_unique<reservation::ShowService>(shows, io_.get_executor(), *show_store_, *show_reader_,
                                                      *reader_, *service_, participants_, clock(), ground.rng,
                                                      ground.metrics);
  timer_ = virtual_time::LastTimer();
  life()->after_task = [this] { Poll(); };
  After(ground.rng.Between(0, 500'000), [this] {
    service_->StartScanning();
    shows_->StartWorking();
  });
}

// As abruptly as a process that is killed.
ReservationProcess::~ReservationProcess() {
  life()->dead = true;
  life()->after_task = nullptr;
  virtual_time::Forget(timer_);
  participants_.DropAll();
  shows_.reset();
  service_.reset();
}

void ReservationProcess::Poll() {
  if (dead()) return;
  if (life()->paused_until_us > ground_.scheduler.now_us()) {
    // When it wakes up.
    return After(0, [] {});
  }
  io_.restart();
  while (!dead() && io_.poll_one() > 0) {
  }
}

}  // namespace boxoffice::sim
