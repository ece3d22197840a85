// Waitlists through the real services: the replica that looks after one dies before and after each of its
// effects, two look at once, the seat service is away for a while, or asked where the news of free seats has
// not come yet. Nobody gets two offers, no seat is offered twice, the order of joining is kept, and nobody is
// lost.
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "saga/replica.h"

namespace boxoffice::faults {
namespace {

using reservation::EntryState;
using reservation::WaitlistEntry;
using std::chrono::seconds;

constexpr milliseconds kPoll{2};

class WaitlistFaults : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = std::make_unique<World>(Replica::kLease, payment::PaymentConfig(), /*works_on_shows=*/false);
  }
  static void TearDownTestSuite() { world_.reset(); }

  // Somebody who bought the next `seats` of the show.
  struct Owner {
    std::string user_id;
    std::string id;
  };

  static std::string NewUser() { return fmt::format("user{}", ++users_); }

  static reservation::v1::Command Reserve(const std::string& user_id, const std::string& token, uint32_t from,
                                          uint32_t seats, bool pay) {
    reservation::v1::Command command;
    command.set_user_id(user_id);
    command.set_idempotency_key(fmt::format("reserve{}", ++keys_));
    auto& reserve = *command.mutable_reserve();
    reserve.set_show_id(world_->show_id());
    for (uint32_t i = 0; i < seats; ++i) reserve.mutable_seats()->add_seat_nos(from + i);
    reserve.set_pay(pay);
    reserve.set_queue_token(token);
    return command;
  }

  // A new show of one row that is sold out: to owners of so many seats each, from the left.
  static std::vector<Owner> SellOut(const std::vector<uint32_t>& parties) {
    uint32_t capacity = 0;
    for (const uint32_t party : parties) capacity += party;
    world_->TakeNewShow(1, static_cast<int>(capacity));
    std::vector<Owner> owners;
    std::vector<std::string> users;
    for (size_t i = 0; i < parties.size(); ++i) users.push_back(NewUser());
    world_->TopUp(users);
    const auto tokens = world_->Enter(users);
    std::vector<reservation::v1::Command> commands;
    uint32_t next = 1;
    for (size_t i = 0; i < parties.size(); ++i) {
      commands.push_back(Reserve(users[i], tokens[i], next, parties[i], /*pay=*/true));
      next += parties[i];
    }
    const auto outcomes = world_->Execute(commands);
    for (size_t i = 0; i < parties.size(); ++i) {
      EXPECT_EQ(outcomes[i].reservation().state(), reservation::v1::CONFIRMED);
      owners.push_back({users[i], outcomes[i].reservation().id()});
    }
    EXPECT_TRUE(world_->AwaitQuiet());
    return owners;
  }

  static reservation::v1::Command CommandOf(const std::string& user_id) {
    reservation::v1::Command command;
    command.set_user_id(user_id);
    command.set_idempotency_key(fmt::format("key{}", ++keys_));
    return command;
  }
  // What becomes free may be under way to somebody who waits.
  static void Free(const std::vector<Owner>& owners) {
    std::vector<reservation::v1::Command> commands;
    for (const Owner& owner : owners) {
      commands.push_back(CommandOf(owner.user_id));
      commands.back().mutable_cancel()->set_reservation_id(owner.id);
    }
    for (const auto& outcome : world_->Execute(commands)) {
      EXPECT_EQ(outcome.refusal().code(), "");
    }
  }
  static void GiveBack(const std::vector<Owner>& owners) {
    Free(owners);
    EXPECT_TRUE(world_->AwaitQuiet());
  }
  static void Decline(const WaitlistEntry& entry) {
    GiveBack({{entry.user_id, std::string(entry.reservation.bytes())}});
  }
  static reservation::v1::Outcome Confirm(const WaitlistEntry& entry) {
    auto command = CommandOf(entry.user_id);
    command.mutable_confirm()->set_reservation_id(std::string(entry.reservation.bytes()));
    return world_->Execute({command})[0];
  }
  // Somebody who comes by the queue asks for the seat.
  static reservation::v1::Outcome AskAsAnybody(uint32_t seat_no) {
    const std::string user = NewUser();
    const auto tokens = world_->Enter({user});
    return world_->Execute({Reserve(user, tokens[0], seat_no, 1, /*pay=*/false)})[0];
  }
  static std::string RefusalOfAnybody(uint32_t seat_no) { return AskAsAnybody(seat_no).refusal().code(); }

  // The place of a new user on the show's waitlist.
  static WaitlistEntry Join(Replica& replica, uint32_t count) {
    const auto entry = replica.Join(world_->show_id(), NewUser(), count);
    EXPECT_TRUE(entry.has_value()) << (entry ? "" : entry.error().reason);
    return entry.value_or(WaitlistEntry());
  }
  static WaitlistEntry Look(Replica& replica, const WaitlistEntry& entry) {
    for (const WaitlistEntry& row : replica.Waitlist(entry.show_id)) {
      if (row.place == entry.place) return row;
    }
    ADD_FAILURE() << "place " << entry.place << " is lost";
    return {};
  }
  static bool Await(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + seconds(60);
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(kPoll);
    }
    return true;
  }
  static bool AwaitState(Replica& replica, const WaitlistEntry& entry, EntryState state) {
    return Await([&] { return Look(replica, entry).state == state; });
  }
  // Until a whole look has been taken, by whichever replica: the second to begin comes after the first's end.
  static void AwaitLooks(Replica& replica) {
    const uint64_t before = replica.CountLooks(world_->show_id());
    EXPECT_TRUE(Await([&] { return replica.CountLooks(world_->show_id()) >= before + 2; }))
        << "nobody looks at the waitlist";
  }

  // The offers that are open are what is held, each seat for one of them.
  static void ExpectOffersAreHolds(Replica& replica, size_t offers, size_t seats) {
    std::set<ReservationId> offered;
    for (const WaitlistEntry& entry : replica.Waitlist(world_->show_id())) {
      if (entry.state != EntryState::kOffered) continue;
      EXPECT_TRUE(offered.insert(entry.reservation).second) << "one offer for two";
      EXPECT_EQ(world_->Get(std::string(entry.reservation.bytes())).user_id(), entry.user_id);
    }
    EXPECT_EQ(offered.size(), offers);
    size_t held = 0;
    for (const auto& [seat_no, owner] : world_->Owners()) {
      if (owner.sold) continue;
      EXPECT_TRUE(offered.contains(owner.reservation)) << "seat " << seat_no << " is held for no offer";
      ++held;
    }
    EXPECT_EQ(held, seats);
  }

  static void ExpectCleanAudit() {
    EXPECT_TRUE(world_->AwaitQuiet());
    auto verdict = world_->Audit();
    EXPECT_TRUE(verdict.ok);
    for (const auto& violation : verdict.violations) {
      ADD_FAILURE() << audit::InvariantName(violation.invariant) << " "
                    << (violation.ids.empty() ? "" : violation.ids.front()) << " " << violation.detail;
    }
  }

  static std::unique_ptr<World> world_;
  static int users_;
  static int keys_;
};
std::unique_ptr<World> WaitlistFaults::world_;
int WaitlistFaults::users_ = 0;
int WaitlistFaults::keys_ = 0;

TEST_F(WaitlistFaults, AReplicaThatDiesBeforeOrAfterAnyEffectIsFollowedAndNobodyIsLostOrServedTwice) {
  constexpr int kAtLeast = 8;  // claim, look, keep, intent, begin, hold, finish, offered
  int effects = 0;
  for (int at = 0;; ++at) {
    bool died = false;
    for (const bool after : {false, true}) {
      SCOPED_TRACE(fmt::format("dies {} effect {}", after ? "after" : "before", at));
      const auto owners = SellOut({2, 2});
      Life clerks;
      Replica clerk(*world_, clerks, fmt::format("clerk{}{}", at, after));
      const WaitlistEntry pair = Join(clerk, 2);
      const WaitlistEntry single = Join(clerk, 1);
      const WaitlistEntry last = Join(clerk, 1);
      GiveBack({owners[0]});
      Life life;
      life.DieAt(at, after);
      Replica mortal(*world_, life, fmt::format("mortal{}{}", at, after));
      mortal.Start();
      ASSERT_TRUE(Await([&] { return life.dead() || Look(clerk, pair).state == EntryState::kOffered; }));
      died = died || life.dead();
      effects = std::max(effects, life.effects());
      world_->Jump(Replica::kLease + milliseconds(1));
      Life good;
      Replica other(*world_, good, fmt::format("other{}{}", at, after));
      other.Start();
      ASSERT_TRUE(AwaitState(clerk, pair, EntryState::kOffered));
      AwaitLooks(clerk);
      EXPECT_EQ(Look(clerk, single).state, EntryState::kWaiting);
      ExpectOffersAreHolds(clerk, 1, 2);
      Decline(Look(clerk, pair));
      ASSERT_TRUE(AwaitState(clerk, pair, EntryState::kLeft));
      ASSERT_TRUE(AwaitState(clerk, single, EntryState::kOffered));
      ASSERT_TRUE(AwaitState(clerk, last, EntryState::kOffered));
      ExpectOffersAreHolds(clerk, 2, 2);
      // Nobody is left for whom later cases would look, too.
      Decline(Look(clerk, single));
      Decline(Look(clerk, last));
      ASSERT_TRUE(AwaitState(clerk, single, EntryState::kLeft));
      ASSERT_TRUE(AwaitState(clerk, last, EntryState::kLeft));
      if (HasFailure()) return;
    }
    if (!died) break;
  }
  EXPECT_GE(effects, kAtLeast);
  ExpectCleanAudit();
}

TEST_F(WaitlistFaults, TwoReplicasAtOnceOfferEachSeatOnceAndInTheOrderOfJoining) {
  constexpr size_t kParties = 8;
  constexpr size_t kWaiting = 10;
  const auto owners = SellOut(std::vector<uint32_t>(kParties, 2));
  Life a;
  Life b;
  Replica first(*world_, a, "first");
  Replica second(*world_, b, "second");
  std::vector<WaitlistEntry> entries;
  for (size_t i = 0; i < kWaiting; ++i) entries.push_back(Join(i % 2 == 0 ? first : second, 2));
  for (const WaitlistEntry& entry : entries) world_->TopUp({entry.user_id});
  first.Start();
  second.Start();
  // While somebody is to be served the leases end all the time, so that both look, and one while the other
  // still thinks it is the owner. What buyers ask for meanwhile would be taken over, too, so they wait.
  std::mutex mutex;
  bool jumps = false;
  bool done = false;
  const auto set = [&mutex](bool& flag, bool value) {
    const std::scoped_lock lock(mutex);
    flag = value;
  };
  std::thread clock([&] {
    while (true) {
      {
        const std::scoped_lock lock(mutex);
        if (done) return;
        if (jumps) world_->Jump(Replica::kLease + milliseconds(1));
      }
      std::this_thread::sleep_for(milliseconds(20));
    }
  });
  for (size_t i = 0; i < kParties && !HasFailure(); ++i) {
    GiveBack({owners[i]});
    set(jumps, true);
    // With each pair of seats the next is served, and nobody behind.
    EXPECT_TRUE(AwaitState(first, entries[i], EntryState::kOffered)) << i;
    set(jumps, false);
    EXPECT_EQ(Look(first, entries[i + 1]).state, EntryState::kWaiting) << i;
    const auto bought = Confirm(Look(first, entries[i]));
    EXPECT_EQ(bought.reservation().state(), reservation::v1::CONFIRMED) << bought.refusal().code();
  }
  set(done, true);
  clock.join();
  for (size_t i = kParties; i < kWaiting; ++i) {
    EXPECT_EQ(Look(first, entries[i]).state, EntryState::kWaiting);
  }
  ExpectCleanAudit();
}

TEST_F(WaitlistFaults, WhileTheSeatServiceIsAwayNobodyIsOfferedAnythingAndThenInOrder) {
  const auto owners = SellOut({1, 1});
  Life life;
  Replica replica(*world_, life, "patient");
  const WaitlistEntry first = Join(replica, 1);
  const WaitlistEntry second = Join(replica, 1);
  replica.Start();
  AwaitLooks(replica);
  life.CutOff(true);
  GiveBack({owners[0]});
  AwaitLooks(replica);
  EXPECT_EQ(Look(replica, first).state, EntryState::kWaiting);
  life.CutOff(false);
  ASSERT_TRUE(AwaitState(replica, first, EntryState::kOffered));
  EXPECT_EQ(Look(replica, second).state, EntryState::kWaiting);
  ExpectOffersAreHolds(replica, 1, 1);
  ExpectCleanAudit();
}

TEST_F(WaitlistFaults, WhomTheFreeSeatsCantServeIsPassedOverAndKeepsThePlace) {
  const auto owners = SellOut({2, 3, 1});
  Life life;
  Replica replica(*world_, life, "usher");
  const WaitlistEntry three = Join(replica, 3);
  const WaitlistEntry two = Join(replica, 2);
  const WaitlistEntry late_three = Join(replica, 3);
  replica.Start();
  GiveBack({owners[0]});
  ASSERT_TRUE(AwaitState(replica, two, EntryState::kOffered));
  EXPECT_EQ(Look(replica, three).state, EntryState::kWaiting);
  GiveBack({owners[1]});
  ASSERT_TRUE(AwaitState(replica, three, EntryState::kOffered));
  EXPECT_EQ(Look(replica, late_three).state, EntryState::kWaiting);
  ExpectOffersAreHolds(replica, 2, 5);
  ExpectCleanAudit();
}

TEST_F(WaitlistFaults, AnOfferThatLapsesPassesOnAndWhoLetItLapseJoinsAtTheEnd) {
  const auto owners = SellOut({1, 1});
  Life life;
  Replica replica(*world_, life, "clockwork");
  const WaitlistEntry first = Join(replica, 1);
  const WaitlistEntry second = Join(replica, 1);
  replica.Start();
  GiveBack({owners[0]});
  ASSERT_TRUE(AwaitState(replica, first, EntryState::kOffered));
  const WaitlistEntry offered = Look(replica, first);
  EXPECT_GE(offered.offered_until, world_->clock().Now() + std::chrono::minutes(9));
  EXPECT_FALSE(replica.Leave(first.show_id, first.user_id)) << "an offer is declined by its reservation";
  world_->Jump(World::kHoldTtl + std::chrono::minutes(1));
  ASSERT_TRUE(AwaitState(replica, first, EntryState::kLapsed));
  ASSERT_TRUE(AwaitState(replica, second, EntryState::kOffered));
  const auto again = replica.Join(first.show_id, first.user_id, 1);
  ASSERT_TRUE(again);
  EXPECT_GT(again->place, second.place);
  ExpectOffersAreHolds(replica, 1, 1);
  ExpectCleanAudit();
}

TEST_F(WaitlistFaults, AnOfferIsBoughtWithoutTheQueueAndIsAccepted) {
  const auto owners = SellOut({1, 1});
  Life life;
  Replica replica(*world_, life, "till");
  const WaitlistEntry entry = Join(replica, 1);
  replica.Start();
  GiveBack({owners[0]});
  ASSERT_TRUE(AwaitState(replica, entry, EntryState::kOffered));
  world_->TopUp({entry.user_id});
  const auto bought = Confirm(Look(replica, entry));
  EXPECT_EQ(bought.reservation().state(), reservation::v1::CONFIRMED) << bought.refusal().code();
  ASSERT_TRUE(AwaitState(replica, entry, EntryState::kAccepted));
  EXPECT_EQ(world_->BalanceOf(entry.user_id), World::kTopUp - 100'000);
  ExpectCleanAudit();
}

TEST_F(WaitlistFaults, FreeSeatsAreTheWaitlistsWhileSomebodyCanUseThemAndEverybodysElse) {
  const auto owners = SellOut({1, 2});
  Life life;
  Replica replica(*world_, life, "keeper");
  const WaitlistEntry pair = Join(replica, 2);
  replica.Start();
  AwaitLooks(replica);
  GiveBack({owners[0]});  // one seat, which nobody who waits can use
  EXPECT_TRUE(Await([] { return RefusalOfAnybody(1).empty(); })) << "everybody may have it";
  AwaitLooks(replica);
  GiveBack({owners[1]});
  ASSERT_TRUE(AwaitState(replica, pair, EntryState::kOffered));
  const WaitlistEntry behind = Join(replica, 1);  // nothing is free again
  AwaitLooks(replica);
  Decline(Look(replica, pair));
  ASSERT_TRUE(AwaitState(replica, behind, EntryState::kOffered));
  EXPECT_TRUE(Await([] { return RefusalOfAnybody(3).empty() || RefusalOfAnybody(2).empty(); }))
      << "nobody waits any more";
  ExpectCleanAudit();
}

TEST_F(WaitlistFaults, WhoeverWaitsForACancelledShowIsToldAndTheOfferEnds) {
  const auto owners = SellOut({1, 1});
  Life life;
  Replica replica(*world_, life, "closing");
  const WaitlistEntry offered = Join(replica, 1);
  const WaitlistEntry waiting = Join(replica, 1);
  replica.Start();
  GiveBack({owners[0]});
  ASSERT_TRUE(AwaitState(replica, offered, EntryState::kOffered));
  ASSERT_TRUE(replica.Cancel(world_->show_id()));
  ASSERT_TRUE(AwaitState(replica, offered, EntryState::kLapsed));
  ASSERT_TRUE(AwaitState(replica, waiting, EntryState::kLapsed));
  EXPECT_EQ(Look(replica, waiting).ended_because, "show_cancelled");
  EXPECT_TRUE(Await([] { return world_->CancellationOf(world_->show_id())->state() == "done"; }));
  EXPECT_TRUE(world_->Owners().empty());
  ExpectCleanAudit();
}

// The real participants, but for those whom the seat service is to refuse. Thread-safe.
class RefusingSeats final : public Participants {
 public:
  explicit RefusingSeats(std::unique_ptr<Participants> real) : real_(std::move(real)) {}

  // From now on, whatever seats the user asks for; an empty code: no more.
  void Refuse(const std::string& user_id, std::string code) {
    const std::scoped_lock lock(mutex_);
    refusals_[user_id] = {std::move(code), 0};
  }
  // How often it was refused since.
  int Refusals(const std::string& user_id) {
    const std::scoped_lock lock(mutex_);
    return refusals_[user_id].second;
  }

  asio::awaitable<StepResult> HoldSeats(Reservation& r, Timestamp until) override {
    StepResult result;
    {
      const std::scoped_lock lock(mutex_);
      auto& [code, times] = refusals_[r.user_id];
      if (!code.empty()) {
        ++times;
        result.kind = StepResult::Kind::kRefused;
        result.refusal.emplace().code = code;
      }
    }
    if (result.kind == StepResult::Kind::kDone) result = co_await real_->HoldSeats(r, until);
    co_return result;
  }

  using Answer = asio::awaitable<StepResult>;
  using Seats = std::vector<uint32_t>;
  Answer BindQueue(const Reservation& r) override { return real_->BindQueue(r); }
  Answer UnbindQueue(const Reservation& r, SagaId bound) override { return real_->UnbindQueue(r, bound); }
  Answer CompleteQueue(const Reservation& r) override { return real_->CompleteQueue(r); }
  Answer KeepSeats(Reservation& r) override { return real_->KeepSeats(r); }
  Answer ConfirmSeats(const Reservation& r) override { return real_->ConfirmSeats(r); }
  Answer ReleaseSeats(const Reservation& r) override { return real_->ReleaseSeats(r); }
  Answer ReleaseOnly(const Reservation& r, Seats seats) override { return real_->ReleaseOnly(r, seats); }
  Answer MoveSeats(Reservation& r) override { return real_->MoveSeats(r); }
  Answer DebitWallet(const Reservation& r) override { return real_->DebitWallet(r); }
  Answer RefundWallet(const Reservation& r, SagaId debit) override { return real_->RefundWallet(r, debit); }
  Answer RefundPartOfDebit(const Reservation& r, int64_t n) override {
    return real_->RefundPartOfDebit(r, n);
  }
  Answer ApprovePayment(const Reservation& r) override { return real_->ApprovePayment(r); }
  Answer CancelPayment(const Reservation& r, uint32_t n) override { return real_->CancelPayment(r, n); }
  Answer RefundPartOfPayment(const Reservation& r, int64_t n) override {
    return real_->RefundPartOfPayment(r, n);
  }
  asio::awaitable<Result<reservation::CancelPolicy>> GetCancelPolicy(int64_t show_id) override {
    return real_->GetCancelPolicy(show_id);
  }

 private:
  const std::unique_ptr<Participants> real_;
  std::mutex mutex_;
  std::map<std::string, std::pair<std::string, int>> refusals_;  // code and count; guarded by mutex_
};

// Two wait for one of two seats, the first of whom the seat service refuses. The world's own service works on
// the waitlist.
class WaitlistRefusals : public WaitlistFaults {
 protected:
  static constexpr milliseconds kLag{30'000};
  static void SetUpTestSuite() {
    const auto refusing = [](std::unique_ptr<Participants> real) {
      auto seats = std::make_unique<RefusingSeats>(std::move(real));
      seats_ = seats.get();
      return std::unique_ptr<Participants>(std::move(seats));
    };
    world_ = std::make_unique<World>(std::chrono::hours(1), payment::PaymentConfig(),
                                     /*works_on_shows=*/true, kLag, refusing);
  }

  void Wait(const std::string& refused_by) {
    owners_ = SellOut({1, 1});
    replica_.emplace(*world_, life_, fmt::format("clerk{}", ++clerks_));
    first_ = Join(*replica_, 1);
    second_ = Join(*replica_, 1);
    seats_->Refuse(first_.user_id, refused_by);
  }
  EntryState First() { return Look(*replica_, first_).state; }
  EntryState Second() { return Look(*replica_, second_).state; }
  // It was refused, and asked again by a later look.
  bool AwaitRefusals() {
    return Await([&] { return seats_->Refusals(first_.user_id) >= 2; });
  }

  std::vector<Owner> owners_;
  Life life_;
  std::optional<Replica> replica_;
  WaitlistEntry first_;
  WaitlistEntry second_;
  static RefusingSeats* seats_;
  static int clerks_;
};
RefusingSeats* WaitlistRefusals::seats_ = nullptr;
int WaitlistRefusals::clerks_ = 0;

TEST_F(WaitlistRefusals, WhereTheNewsOfFreeSeatsHasNotComeYetTheOrderAndTheSeatsAreKept) {
  for (const char* code : {"not_enough_seats", "seats_taken", "show_not_on_sale"}) {
    SCOPED_TRACE(code);
    Wait(code);
    Free({owners_[0]});
    ASSERT_TRUE(AwaitRefusals());
    EXPECT_EQ(Second(), EntryState::kWaiting);
    EXPECT_EQ(RefusalOfAnybody(1), "waitlist_first");
    seats_->Refuse(first_.user_id, "");
    ASSERT_TRUE(AwaitState(*replica_, first_, EntryState::kOffered));
    EXPECT_EQ(Second(), EntryState::kWaiting);
    ExpectOffersAreHolds(*replica_, 1, 1);
  }
  ExpectCleanAudit();
}

TEST_F(WaitlistRefusals, WhoIsStillRefusedWhenTheNewsMustHaveComeIsPassedOver) {
  Wait("not_enough_seats");
  Free({owners_[0]});
  ASSERT_TRUE(AwaitRefusals());
  EXPECT_EQ(Second(), EntryState::kWaiting);
  world_->Jump(kLag);
  ASSERT_TRUE(AwaitState(*replica_, second_, EntryState::kOffered));
  EXPECT_EQ(First(), EntryState::kWaiting);
  ExpectOffersAreHolds(*replica_, 1, 1);
  ExpectCleanAudit();
}

TEST_F(WaitlistRefusals, WhoIsRefusedForAMatterOfTheBuyersOwnIsPassedOverAtOnce) {
  Wait("seat_limit");
  Free({owners_[0]});
  ASSERT_TRUE(AwaitState(*replica_, second_, EntryState::kOffered));
  EXPECT_EQ(First(), EntryState::kWaiting);
  ExpectCleanAudit();
}

TEST_F(WaitlistRefusals, ARefusalIsForgottenOnceOtherSeatsAreFree) {
  Wait("not_enough_seats");
  ASSERT_TRUE(replica_->Leave(second_.show_id, second_.user_id));
  Free({owners_[0]});
  ASSERT_TRUE(AwaitRefusals());
  world_->Jump(kLag);
  // Nobody who waits can have it, so somebody else takes it, and gives it back.
  Owner buyer;
  ASSERT_TRUE(Await([&] {
    const auto outcome = AskAsAnybody(1);
    buyer = {outcome.reservation().user_id(), outcome.reservation().id()};
    return outcome.refusal().code().empty();
  }));
  AwaitLooks(*replica_);
  EXPECT_EQ(First(), EntryState::kWaiting);
  seats_->Refuse(first_.user_id, "");
  Free({buyer});
  ASSERT_TRUE(AwaitState(*replica_, first_, EntryState::kOffered));
  ExpectCleanAudit();
}

TEST_F(WaitlistRefusals, WhileAnOffersOutcomeIsUnknownNobodyBehindIsOfferedTheSeats) {
  Wait("");
  Injection away;
  away.all_of = "HoldSeats";
  Orders orders;
  orders.injection = away;
  world_->participants().Arm(first_.user_id, orders);
  Free({owners_[0]});
  ASSERT_TRUE(Await([&] { return !Look(*replica_, first_).reservation.IsNil(); }));
  AwaitLooks(*replica_);
  EXPECT_EQ(Second(), EntryState::kWaiting);
  world_->participants().Arm(first_.user_id, Orders());
  ASSERT_TRUE(AwaitState(*replica_, first_, EntryState::kOffered));
  EXPECT_EQ(Second(), EntryState::kWaiting);
  ExpectCleanAudit();
}

}  // namespace
}  // namespace boxoffice::faults
