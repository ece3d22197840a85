#include "sim/run.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "sim/buyers.h"
#include "sim/operators.h"
#include "sim/waiting.h"
#include "sim/world.h"

namespace boxoffice::sim {
namespace {

using reservation::SagaKind;
using Kind = Operation::Kind;
using std::chrono::seconds;

constexpr seconds kFaultsEnd{40};
// A saga that needs the acquirer parks when it has been away for some 80 s.
constexpr milliseconds kLongestAway{150'000};
// A message that was late may still come, and must not harm.
constexpr milliseconds kAllArrived{16'000};

// What nobody has can be had, by its number or as the best that there is.
constexpr std::string_view kProbe = "probe-";

void TryFreeSeats(World& world, Clients& clients) {
  const std::vector<uint32_t> free = world.FreeSeats();
  const size_t named = world.rng().Below(free.size() + 1);
  for (size_t i = 0; i < free.size(); ++i) {
    Clients::Wish wish;
    wish.buyer = fmt::format("{}{}", kProbe, free[i]);
    if (i < named) wish.seats = {free[i]};
    if (i >= named) wish.best = 1;
    clients.Ask(wish, nullptr);
    // The best are chosen once those that are named are taken.
    (void)world.RunUntil([&] { return clients.done(); }, seconds(60));
  }
}
void JudgeTries(const World& world, const Clients& clients, std::vector<std::string>& wrong) {
  for (const Operation& op : clients.history()) {
    if (!op.buyer.starts_with(kProbe)) continue;
    if (world.show_cancelled()) {
      if (op.refusal != reservation::kShowCancelled)
        wrong.push_back(fmt::format("the show was cancelled, and {} is told {}", op.buyer, op.refusal));
      continue;
    }
    if (op.outcome == Operation::Outcome::kOk) continue;
    wrong.push_back(fmt::format("a seat that nobody had was refused to {}: {}", op.buyer, op.refusal));
  }
}

Ran ResultOf(World& world, const Clients& clients, const Waiting& waiting, const Operators& operators) {
  Ran ran;
  if (!clients.done() || !waiting.done())
    ran.wrong.push_back("liveness: a client was never told, and never gave up");
  std::vector<Operation> history = clients.history();
  std::ranges::move(operators.Withheld(), std::back_inserter(history));
  std::ranges::move(world.Judge(history), std::back_inserter(ran.wrong));
  std::ranges::move(operators.Judge(), std::back_inserter(ran.wrong));
  std::ranges::move(waiting.Judge(), std::back_inserter(ran.wrong));
  ran.offers = waiting.offers();
  JudgeTries(world, clients, ran.wrong);
  ran.hits = world.injector().hits();
  ran.points = world.injector().points();
  ran.timeline = world.timeline();
  if (world.options().trace) {
    for (const Operation& op : clients.history())
      ran.history.push_back(ToString(op, FromUnixMs(Scheduler::kStartUs / 1'000)));
  }
  ran.fingerprint = world.fingerprint();
  ran.operations = clients.history().size();
  ran.retried = clients.retried();
  ran.settled_outside = world.SettledOutside().size();
  ran.captured_late = world.CapturedLate();
  ran.ended_by_show = world.EndedByShow();
  ran.overtaken = world.Overtaken();
  ran.operated = operators.done();
  ran.unknown = static_cast<size_t>(
      std::ranges::count(clients.history(), Operation::Outcome::kUnknown, &Operation::outcome));
  return ran;
}

// Everything comes to its end without further faults.
void Settle(World& world, const Clients& clients, const Waiting& waiting) {
  const auto quiet = [&] { return clients.done() && waiting.done() && world.IsQuiet(); };
  (void)world.RunUntil(quiet, seconds(240));
  (void)world.RunUntil([] { return false; }, kAllArrived);
  (void)world.RunUntil(quiet, seconds(120));
}

}  // namespace

Ran RunSeed(const SeedOptions& options) {
  Rng choice(options.seed ^ 0xc401ce);
  WorldOptions world_options;
  world_options.seed = options.seed;
  const int drawn = static_cast<int>(choice.Between(1, 3));
  world_options.reservation_replicas = options.replicas > 0 ? options.replicas : drawn;
  world_options.other_replicas =
      options.replicas > 0 ? options.replicas : static_cast<int>(choice.Between(1, 2));
  world_options.ranking_replicas = std::min(world_options.other_replicas, 2);
  world_options.max_skew = milliseconds(choice.Chance(50) ? 0 : 400);
  world_options.grace = milliseconds(choice.Chance(30) ? 8'000 : 0);
  world_options.cancel_fee = choice.Chance(50) ? 10 : 0;
  world_options.rows = 1 + static_cast<uint32_t>(choice.Below(2));
  world_options.acquirer_errs = choice.Chance(50);
  const bool operated = choice.Chance(50);
  if (operated && choice.Chance(50)) world_options.hold_ttl = seat::kMinHoldTtl;
  world_options.trace = options.trace;
  World world(world_options);
  Clients clients(world);
  Waiting waiting(world, clients);
  world.injector().UseChance(options.seed);
  world.injector().Spare(options.spared);
  if (choice.Chance(60)) world.StartWeather(kFaultsEnd - seconds(5));
  clients.Crowd(static_cast<int>(choice.Between(2, 5)), static_cast<int>(choice.Between(2, 4)));
  clients.WatchParked();
  if (choice.Chance(15))
    world.SendAcquirerAway(milliseconds(choice.Between(0, 20'000)),
                           milliseconds(choice.Between(1'000, kLongestAway.count())));
  if (choice.Chance(20)) clients.CancelShow(milliseconds(choice.Between(2'000, 15'000)));
  Operators operators(world);
  if (operated) operators.Work(static_cast<int>(choice.Between(1, 2)));
  // Not both: who waits is promised seats that an operator may withhold.
  if (!operated && choice.Chance(80)) {
    waiting.Crowd(static_cast<int>(choice.Between(2, 5)));
    // For longer than an offer's saga goes on.
    if (choice.Chance(30)) world.CutSeatsOffAtOffer(milliseconds(choice.Between(2'000, 20'000)));
  }
  const auto quiet = [&] { return clients.done() && waiting.done() && world.IsQuiet(); };
  (void)world.RunUntil(quiet, kFaultsEnd);
  world.injector().StopChance();
  operators.Stop();
  Settle(world, clients, waiting);
  std::vector<std::string> of_waitlist = world.JudgeWaitlist();
  if (operated) {
    world.JudgeMaps();
    operators.GiveAllBack();
    Settle(world, clients, waiting);
  }
  if (!world.places().empty()) {
    waiting.LeaveAll();
    Settle(world, clients, waiting);
  }
  TryFreeSeats(world, clients);
  Settle(world, clients, waiting);
  Ran ran = ResultOf(world, clients, waiting, operators);
  std::ranges::move(of_waitlist, std::back_inserter(ran.wrong));
  return ran;
}

Ran Minimize(const SeedOptions& options) {
  SeedOptions smaller = options;
  Ran ran = RunSeed(smaller);
  for (const Hit& hit : Ran(ran).hits) {
    SeedOptions without = smaller;
    without.spared.insert(hit.number);
    if (!RunSeed(without).wrong.empty()) smaller = without;
  }
  smaller.trace = true;
  return RunSeed(smaller);
}

std::string Course::Name() const {
  return fmt::format("{}{}{}{}{}", reservation::KindName(kind), can_pay ? "" : ", balance too low",
                     declined ? ", declined" : "", grace ? ", with grace" : "",
                     for_show ? ", with its show" : "");
}

std::vector<Course> AllCourses() {
  std::vector<Course> courses;
  for (int kind = 0; kind < static_cast<int>(SagaKind::kUnknown); ++kind) {
    const auto saga = static_cast<SagaKind>(kind);
    courses.push_back({saga});
    if (saga == SagaKind::kCancel || saga == SagaKind::kRelease)
      courses.push_back({.kind = saga, .for_show = true});
    if (!reservation::IsPurchase(saga)) continue;
    courses.push_back({.kind = saga, .can_pay = false});
    courses.push_back({.kind = saga, .declined = true});
    courses.push_back({.kind = saga, .declined = true, .grace = true});
  }
  return courses;
}

namespace {

// What the buyer has before the saga begins, and what begins it.
class Stage {
 public:
  Stage(World& world, Clients& clients, Waiting& waiting, const Course& course)
      : world_(world), clients_(clients), waiting_(waiting), course_(course) {}

  void Prepare() {
    Clients::Wish top_up;
    top_up.kind = Kind::kTopUp;
    top_up.amount = course_.can_pay ? 10 * World::kPrice : 1;
    Do(top_up);
    const SagaKind kind = course_.kind;
    if (kind == SagaKind::kOffer) return PrepareToWait();
    if (kind == SagaKind::kHold || kind == SagaKind::kOneShot) return;
    Clients::Wish first;
    const bool paid = kind == SagaKind::kCancel || kind == SagaKind::kCancelSeats || kind == SagaKind::kMove;
    first.kind = paid ? Kind::kPay : Kind::kHold;
    first.seats = {1, 2};
    has_ = Do(first).reservation;
  }

  void Begin() {
    Clients::Wish wish;
    wish.reservation = has_;
    if (course_.declined) wish.method = "sim:decline";
    switch (course_.kind) {
      case SagaKind::kHold:
      case SagaKind::kOneShot:
        wish.kind = course_.kind == SagaKind::kHold ? Kind::kHold : Kind::kPay;
        wish.seats = {1, 2};
        break;
      case SagaKind::kOffer:
        wish.kind = Kind::kCancel;
        wish.buyer = "owner-1";
        break;
      case SagaKind::kConfirm:
        wish.kind = Kind::kConfirm;
        break;
      case SagaKind::kCancelSeats:
        wish.kind = Kind::kCancel;
        wish.seats = {1};
        break;
      case SagaKind::kMove:
        wish.kind = Kind::kMove;
        wish.seats = {1, world_.options().rows * world_.options().row_seats};
        break;
      case SagaKind::kExpire:
        return;  // by itself
      default:
        wish.kind = Kind::kCancel;
        wish.for_show = course_.for_show;
    }
    if (wish.buyer.empty()) wish.buyer = "buyer";
    clients_.Ask(wish, nullptr);
  }

 private:
  // Two others have all seats, of which one gives hers back.
  void PrepareToWait() {
    for (uint32_t first : {3U, 1U}) {
      Clients::Wish wish;
      wish.buyer = fmt::format("owner-{}", first);
      wish.kind = Kind::kTopUp;
      wish.amount = 2 * World::kPrice;
      Do(wish);
      wish.kind = Kind::kPay;
      wish.seats = {first, first + 1};
      has_ = Do(wish).reservation;
    }
    waiting_.WaitToBuy("buyer", 2);
    CHECK(world_.RunUntil([this] { return !world_.places().empty() && waiting_.done(); }, seconds(60)));
    (void)world_.RunUntil([] { return false; }, seconds(3));
  }
  Operation Do(Clients::Wish wish) {
    if (wish.buyer.empty()) wish.buyer = "buyer";
    Operation result;
    clients_.Ask(wish, [&result](const Operation& op) { result = op; });
    CHECK(world_.RunUntil([this] { return clients_.done(); }, seconds(60)));
    CHECK(result.outcome == Operation::Outcome::kOk, "{}", result.refusal);
    (void)world_.RunUntil([] { return false; }, milliseconds(300));
    return result;
  }
  World& world_;
  Clients& clients_;
  Waiting& waiting_;
  const Course course_;
  ReservationId has_;
};

}  // namespace

Ran RunSaga(const Course& course, int orchestrators, const std::map<int, Fault>& orders, bool trace) {
  WorldOptions options;
  options.seed = 1;
  options.reservation_replicas = orchestrators;
  options.grace = milliseconds(course.grace ? 8'000 : 0);
  options.rows = 1;
  options.cancel_fee = course.kind == SagaKind::kCancelSeats ? 10 : 0;
  options.trace = trace;
  World world(options);
  Clients clients(world);
  Waiting waiting(world, clients);
  Stage stage(world, clients, waiting, course);
  stage.Prepare();
  world.injector().Order(orders);
  world.injector().Arm();
  stage.Begin();
  Settle(world, clients, waiting);
  return ResultOf(world, clients, waiting, Operators(world));
}

}  // namespace boxoffice::sim
