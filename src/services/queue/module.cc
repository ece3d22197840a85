#include "services/queue/module.h"

#include <algorithm>
#include <future>
#include <ranges>
#include <utility>
#include <vector>

#include "base/check.h"
#include "platform/auth/keys.h"
#include "platform/module/shared_keys.h"
#include "platform/obs/log.h"
#include "platform/obs/metrics.h"
#include "platform/rpc/host.h"
#include "services/queue/loading.h"
#include "services/queue/rpc_server.h"
#include "services/queue/service.h"
#include "services/queue/store_factory.h"

namespace boxoffice::queue {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPoll{100};  // for the lead, of whoever stands by
// What callers have under way has ended within this, and they have hung up, but for those that are gone.
constexpr std::chrono::milliseconds kHandOver{2'000};
// How old what a process that stands by knows of the shows may be, should it find the store emptied when it
// leads.
constexpr std::chrono::milliseconds kRemember{5'000};

void ShowLead(obs::Registry& metrics, bool leads) {
  metrics.GetGauge("boxoffice_queue_leader", "1 while this process serves the queue, 0 while it stands by")
      .Set(leads ? 1 : 0);
}

void ShowKnown(obs::Registry& metrics, size_t shows) {
  metrics.GetGauge("boxoffice_queue_shows", "Shows whose queue this process knows, leading or standing by")
      .Set(static_cast<double>(shows));
}

Result<std::shared_ptr<const auth::KeyRing>> DevelopmentKeys(const module::Runtime& runtime) {
  BOXOFFICE_ASSIGN(std::string secret,
                   auth::LoadOrCreateSecret(runtime.data_dir / "keys" / "queue-token.key"));
  BOXOFFICE_ASSIGN(auth::KeyRing keys, auth::KeyRing::Make({{.id = "queue", .secret = std::move(secret)}}));
  return std::make_shared<const auth::KeyRing>(std::move(keys));
}

void Measure(const std::vector<QueueView>& views, ShowMetrics& of_shows, obs::Registry& metrics) {
  uint64_t waiting = 0;
  uint64_t active = 0;
  // The newest first: of the queues that nobody is in, they get the room that there is.
  for (const QueueView& view : std::views::reverse(views)) {
    waiting += view.waiting;
    active += view.active;
    of_shows.Note(view, metrics);
  }
  metrics.GetGauge("boxoffice_queue_waiting", "People in line, of all shows")
      .Set(static_cast<double>(waiting));
  metrics.GetGauge("boxoffice_queue_active", "ACTIVE sessions, of all shows")
      .Set(static_cast<double>(active));
  ShowKnown(metrics, views.size());
}

void AddKeys(config::Keys& keys, QueueConfig& config) {
  keys.Duration("tick.interval_ms", config.tick_interval, milliseconds(0), milliseconds(60'000),
                "From one round of admission to the next; 0: this replica makes none");
  keys.Duration("leader.lease_ms", config.leader_lease, milliseconds(1'000), milliseconds(60'000),
                "How soon another replica may serve once the one that does is gone without a word");
  keys.Integer(
      "line.max_places", config.max_places, 1, 1'000'000'000,
      "Places in the lines of all shows together, also those that were left before they were called; past it "
      "joins are refused with queue_full; 320 bytes of memory each at most");
  module::AddBatchKeys(keys, config.limits);
}

}  // namespace

// What serves from an election to the end of the lead. Its end is the end of all that this process knew.
struct QueueModule::Term {
  Term(const module::Runtime& runtime, const QueueConfig& config, const Stores& stores,
       std::shared_ptr<const auth::KeyRing> keys, Service::Leads leads)
      : service(*stores.store, runtime.clock, runtime.metrics, config.limits, std::move(leads),
                config.max_places),
        server(service, *stores.history, std::move(keys)) {
    server.CountIn(runtime.metrics);
  }
  // Commands that were taken are run to the end; their callers may no longer hear it.
  void End(std::chrono::milliseconds grace) {
    host.Shutdown(grace);
    service.Stop();
  }
  [[nodiscard]] std::string Problem() const {
    return service.store_works() ? "" : "the queue's database does not take writes";
  }

  Service service;
  RpcServer server;
  rpc::Host host;
  std::atomic<bool> tick_waits{false};  // in the service's queue: one is enough
};

QueueModule::QueueModule(const module::Runtime& runtime, QueueConfig config)
    : runtime_(runtime), config_(std::move(config)), keys_(config_.keys) {}
QueueModule::~QueueModule() { Stop(); }

Result<void> QueueModule::Start() {
  if (keys_ == nullptr) {
    BOXOFFICE_ASSIGN(keys_, DevelopmentKeys(runtime_));
  }
  // Again after a failure: the lead that was asked for may be had by now, under the same name.
  if (stores_.leadership == nullptr) {
    BOXOFFICE_ASSIGN(stores_, OpenStores(runtime_.store_url, config_.leader_lease));
  }
  ShowLead(runtime_.metrics, false);
  (void)PutBackCounter(runtime_.metrics);  // from the first on, so that an increase of it is seen
  BOXOFFICE_ASSIGN(const bool leading, TakeLead());
  follower_ = std::thread([this, leading] { Follow(leading); });
  return {};
}

// On its own thread: the lead, and the ticks of whoever has it.
void QueueModule::Follow(bool leading) {
  const bool ticks = config_.tick_interval.count() > 0;
  const std::chrono::milliseconds pause = config_.leader_lease / kRenewals;
  Moment claim_at = SteadyClock::now() + (leading ? pause : kPoll);
  Moment tick_at = SteadyClock::now() + config_.tick_interval;
  while (WaitUntil(leading && ticks ? std::min(claim_at, tick_at) : claim_at)) {
    if (SteadyClock::now() >= claim_at) {
      // An error was logged, or is the store's.
      const Result<bool> led = leading ? Result<bool>(KeepLead()) : TakeLead();
      leading = led.value_or(false);
      claim_at = SteadyClock::now() + (led && !leading ? kPoll : pause);
      // Whoever waits while nobody is admitted must be seen to wait.
      if (leading && !ticks) MeasureQueues();
    }
    if (leading && ticks && SteadyClock::now() >= tick_at) {
      Tick();
      tick_at = SteadyClock::now() + config_.tick_interval;
    }
  }
}

// False: it is stopping.
bool QueueModule::WaitUntil(Moment moment) {
  std::unique_lock lock(mutex_);
  return !stop_.wait_until(lock, moment, [this] { return stopping_; });
}

// Whether it leads, and serves. Errors: those of Serve, and database_unavailable.
Result<bool> QueueModule::TakeLead() {
  {
    // Another process may lead for long; this one would load all places, and give the lead up again in a
    // moment.
    const std::scoped_lock lock(mutex_);
    if (leaving_) return false;
  }
  BOXOFFICE_ASSIGN(const auto until, stores_.leadership->Take());
  if (!until) {
    Remember();
    return false;
  }
  leads_until_ = *until;
  // A long line takes a while to load, and the lease must not end meanwhile.
  auto serving = std::async(std::launch::async, [this] { return Serve(); });
  while (serving.wait_for(config_.leader_lease / kRenewals) != std::future_status::ready) {
    const auto renewed = stores_.leadership->Renew();
    if (renewed && *renewed) leads_until_ = **renewed;
  }
  if (auto served = serving.get(); !served) {
    obs::Log(obs::Level::kError, "leader_can_not_serve",
             {{"reason", served.error().reason}, {"detail", served.error().detail}});
    leads_until_ = Moment::min();
    (void)stores_.leadership->Release();
    return std::unexpected(std::move(served).error());
  }
  ShowLead(runtime_.metrics, true);
  obs::Log(obs::Level::kInfo, "leader_elected", {{"service", name()}});
  return true;
}

Result<void> QueueModule::Serve() {
  auto term = std::make_unique<Term>(runtime_, config_, stores_, keys_, [this] { return Leads(); });
  std::vector<Show> known;
  for (const auto& [show_id, show] : known_) known.push_back(show);
  BOXOFFICE_TRY(term->service.Load(known));
  BOXOFFICE_TRY(term->host.Start(
      term->server, runtime_.listen, [raw = term.get()] { return raw->Problem(); }, {},
      &term->server.streams()));
  const std::scoped_lock lock(mutex_);
  if (leaving_) term->host.Leave();  // while it loaded
  term_ = std::move(term);
  return {};
}

// What another process has made of the shows meanwhile.
void QueueModule::Remember() {
  if (SteadyClock::now() < remember_at_) return;
  remember_at_ = SteadyClock::now() + kRemember;
  const auto shows = stores_.history->Shows();
  if (!shows) return;
  if (!DrawAgain(*shows)) remember_at_ = SteadyClock::now();
  Know(*shows);
}

// Makes draws again that this process knew and the store has lost, in the place of a leader that never saw
// them: their seeds are published. The leader finds the show moved when it saves whoever joins next, and
// loads it. False: it was first, or the store failed, so that it is to be tried again.
bool QueueModule::DrawAgain(const std::vector<Show>& stored) {
  Changes lost;
  for (const Show& show : stored) {
    const auto known = known_.find(show.show_id);
    if (known == known_.end() || !IsDrawLost(known->second, show)) continue;
    lost.shows.push_back({.show = DrawnAgain(known->second, show, runtime_.clock.Now()), .durable = true});
  }
  if (lost.shows.empty()) return true;
  // Anew: the one that this process has served from would find moved whatever another has saved since.
  const auto stores = OpenStores(runtime_.store_url, config_.leader_lease);
  if (!stores) return false;
  const auto saved = stores->store->Save(lost);
  if (!saved) return false;
  for (const ShowChange& change : lost.shows) {
    if (std::ranges::find(saved->moved_shows, change.show.show_id) != saved->moved_shows.end()) continue;
    obs::Log(obs::Level::kWarning, "queue_draw_made_again", {{"show", change.show.show_id}});
  }
  return saved->moved_shows.empty();
}

void QueueModule::Know(const std::vector<Show>& shows) {
  Learn(known_, shows);
  ShowKnown(runtime_.metrics, known_.size());
}

// Whether it still leads. While the store does not answer, it does as long as nobody else can have been
// elected.
bool QueueModule::KeepLead() {
  const auto renewed = stores_.leadership->Renew();
  if (renewed && *renewed) {
    leads_until_ = **renewed;
    return true;
  }
  if (!renewed && Leads()) return true;
  obs::Log(obs::Level::kError, "leader_lost",
           {{"service", name()}, {"why", renewed ? "another process may have led" : renewed.error().detail}});
  StandDown();
  return false;
}

// From here on as if the process had just started, but that it knows what the shows were set to.
void QueueModule::StandDown() {
  leads_until_ = Moment::min();
  ShowLead(runtime_.metrics, false);
  // Whoever leads next says how many wait: from here it would be counted twice, and grow old.
  show_metrics_.Clear(runtime_.metrics);
  runtime_.metrics.Remove("boxoffice_queue_waiting", {});
  runtime_.metrics.Remove("boxoffice_queue_active", {});
  if (const std::unique_ptr<Term> term = EndTerm()) {
    term->End(std::chrono::milliseconds(0));
    std::vector<Show> shows;
    for (QueueView& view : term->service.Views()) shows.push_back(std::move(view.show));
    Know(shows);
  }
}

void QueueModule::Tick() {
  const std::scoped_lock lock(mutex_);
  if (term_ == nullptr) return;  // it drains, and admits nobody any more
  if (!term_->tick_waits.exchange(true)) {
    // A tick that failed is no loss: the next one does what it would have done.
    term_->service.SubmitTick([raw = term_.get()](const Result<Outcome>&) { raw->tick_waits = false; });
  }
  Measure(term_->service.Views(), show_metrics_, runtime_.metrics);
}

void QueueModule::MeasureQueues() {
  const std::scoped_lock lock(mutex_);
  if (term_ != nullptr) Measure(term_->service.Views(), show_metrics_, runtime_.metrics);
}

// What serves, which is then the caller's to end; null: nothing does.
std::unique_ptr<QueueModule::Term> QueueModule::EndTerm() {
  const std::scoped_lock lock(mutex_);
  return std::move(term_);
}

void QueueModule::Leave() {
  const std::scoped_lock lock(mutex_);
  leaving_ = true;
  if (term_ != nullptr) term_->host.Leave();
}

// The lead is kept until all that is under way has ended, and given up then: another process need not wait. A
// caller that has gone without a word never hangs up: what it has sent is answered, and lost.
void QueueModule::Drain(std::chrono::milliseconds grace) {
  Leave();  // before the term ends: what stands by from then on takes no lead
  if (const std::unique_ptr<Term> term = EndTerm()) {
    term->host.Drain(std::min(grace, kHandOver));
    term->End(std::chrono::milliseconds(0));
  }
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  if (!follower_.joinable()) return;
  follower_.join();
  StandDown();  // it may have been elected meanwhile, when it had asked before it left
  if (const auto released = stores_.leadership->Release(); !released)
    obs::Log(obs::Level::kWarning, "leader_not_released", {{"detail", released.error().detail}});
}

void QueueModule::Stop() {
  Drain(std::chrono::milliseconds(0));
  stores_ = {};
}

std::string QueueModule::Unhealthy() const {
  const std::scoped_lock lock(mutex_);
  return term_ != nullptr ? term_->Problem() : "";
}

std::string QueueModule::Role() const {
  const std::scoped_lock lock(mutex_);
  return term_ != nullptr ? "leader" : "standby";
}

rpc::InProcess QueueModule::ForThisProcess() {
  const std::scoped_lock lock(mutex_);
  CHECK(term_ != nullptr, "a process that stands by serves nobody");
  return term_->host.ForThisProcess();
}

module::ServiceProgram Program() {
  const auto config = std::make_shared<QueueConfig>();
  const auto secrets = std::make_shared<std::vector<std::string>>();
  module::ServiceProgram program;
  program.service = "queue";
  program.add_keys = [config, secrets](config::Keys& keys) {
    AddKeys(keys, *config);
    module::AddTokenKeys(keys, *secrets);
  };
  program.migrate = MigrateStores;
  program.rows = MovedRows();
  program.make = [config,
                  secrets](const module::Runtime& runtime) -> Result<std::unique_ptr<module::Module>> {
    BOXOFFICE_ASSIGN(config->keys, module::MakeKeyRing(*secrets));
    return std::make_unique<QueueModule>(runtime, *config);
  };
  return program;
}

}  // namespace boxoffice::queue
