// The cancellation of a show through the real services: the replica that works on it dies before and after
// each of its effects, two work on it at once, the participants are away for a while. At the end nothing of
// the show is held or sold, all money is back, and the audit is clean.
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "saga/replica.h"

namespace boxoffice::faults {
namespace {

using reservation::v1::ReservationState;
using std::chrono::seconds;

constexpr int64_t kPrice = 200'000;  // of two seats
constexpr milliseconds kPoll{2};

class ShowCancellationFaults : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = std::make_unique<World>(Replica::kLease, payment::PaymentConfig(), /*works_on_shows=*/false);
  }
  static void TearDownTestSuite() { world_.reset(); }

  // A buyer of two seats: HELD, or CONFIRMED and paid.
  struct Buyer {
    std::string user_id;
    std::string id;  // of the reservation
    bool paid = false;
  };

  static reservation::v1::Command Command(const std::string& user_id, const std::string& token, bool pay,
                                          std::string method) {
    reservation::v1::Command command;
    command.set_user_id(user_id);
    command.set_idempotency_key("reserve");
    auto& reserve = *command.mutable_reserve();
    reserve.set_show_id(world_->show_id());
    for (const uint32_t seat_no : world_->NextSeats()) reserve.mutable_seats()->add_seat_nos(seat_no);
    reserve.set_pay(pay);
    reserve.set_queue_token(token);
    reserve.set_payment_method(std::move(method));
    return command;
  }

  // A new show where some have paid, by the wallet or by a provider in turn, and some hold seats.
  static std::vector<Buyer> Sell(int paid, int held) {
    world_->TakeNewShow(1 + (paid + held) / 20);
    std::vector<std::string> users;
    for (int i = 0; i < paid + held; ++i) users.push_back(fmt::format("buyer{}", ++buyers_));
    world_->TopUp(users);
    const auto tokens = world_->Enter(users);
    std::vector<reservation::v1::Command> commands;
    for (size_t i = 0; i < users.size(); ++i) {
      const bool pays = static_cast<int>(i) < paid;
      commands.push_back(Command(users[i], tokens[i], pays, i % 2 == 1 && pays ? "sandbox:approve" : ""));
    }
    const auto outcomes = world_->Execute(commands);
    std::vector<Buyer> buyers;
    for (size_t i = 0; i < users.size(); ++i) {
      const bool pays = static_cast<int>(i) < paid;
      EXPECT_EQ(outcomes[i].reservation().state(), pays ? reservation::v1::CONFIRMED : reservation::v1::HELD);
      buyers.push_back({users[i], outcomes[i].reservation().id(), pays});
    }
    EXPECT_TRUE(world_->AwaitQuiet());
    return buyers;
  }

  // Waits for the show's cancellation to be as `done` says.
  static bool Await(const std::function<bool(const reservation::v1::ShowCancellation&)>& done) {
    const auto end = std::chrono::steady_clock::now() + seconds(60);
    while (std::chrono::steady_clock::now() < end) {
      const auto cancellation = world_->CancellationOf(world_->show_id());
      if (cancellation && done(*cancellation)) return true;
      std::this_thread::sleep_for(kPoll);
    }
    return false;
  }
  static bool AwaitDone() {
    return Await([](const auto& cancellation) { return cancellation.state() == "done"; });
  }

  static void ExpectAllBack(const std::vector<Buyer>& buyers) {
    EXPECT_TRUE(world_->AwaitQuiet());
    EXPECT_TRUE(world_->Owners().empty()) << "seats are left over";
    uint64_t paid = 0;
    for (const Buyer& buyer : buyers) {
      const auto reservation = world_->Get(buyer.id);
      EXPECT_EQ(reservation.state(), buyer.paid ? reservation::v1::CANCELLED : reservation::v1::RELEASED);
      EXPECT_EQ(reservation.failure().code(), "show_cancelled");
      EXPECT_EQ(world_->BalanceOf(buyer.user_id), World::kTopUp);
      if (buyer.paid) ++paid;
    }
    const auto cancellation = world_->CancellationOf(world_->show_id());
    ASSERT_TRUE(cancellation);
    EXPECT_EQ(cancellation->state(), "done");
    EXPECT_EQ(cancellation->refunded(), paid);
    EXPECT_EQ(cancellation->released(), buyers.size() - paid);
    EXPECT_EQ(cancellation->total(), buyers.size());
    EXPECT_GT(cancellation->finished_at_ms(), 0);
    ASSERT_EQ(cancellation->refunded_amounts_size(), paid > 0 ? 1 : 0);
    if (paid > 0) {
      EXPECT_EQ(cancellation->refunded_amounts(0).amount(), static_cast<int64_t>(paid) * kPrice);
      EXPECT_EQ(cancellation->refunded_amounts(0).currency(), "KRW");
    }
  }

  static void ExpectCleanAudit() {
    auto verdict = world_->Audit();
    EXPECT_TRUE(verdict.ok);
    for (const auto& violation : verdict.violations) {
      ADD_FAILURE() << audit::InvariantName(violation.invariant) << " "
                    << (violation.ids.empty() ? "" : violation.ids.front()) << " " << violation.detail;
    }
    EXPECT_GT(verdict.checked["reservations"], 0);
  }

  static std::unique_ptr<World> world_;
  static int buyers_;
};
std::unique_ptr<World> ShowCancellationFaults::world_;
int ShowCancellationFaults::buyers_ = 0;

TEST_F(ShowCancellationFaults, AReplicaThatDiesBeforeOrAfterAnyEffectIsFollowedAndAllMoneyIsBack) {
  constexpr int kAtLeast =
      15;  // two intents, the seat service, two refunds of three steps, a release, the ends
  int effects = 0;
  for (int at = 0;; ++at) {
    bool died = false;
    for (const bool after : {false, true}) {
      SCOPED_TRACE(fmt::format("dies {} effect {}", after ? "after" : "before", at));
      const auto buyers = Sell(2, 1);
      Life life;
      life.DieAt(at, after);
      Replica mortal(*world_, life, fmt::format("mortal{}{}", at, after));
      const auto begun = mortal.Cancel(world_->show_id());
      mortal.Start();
      while (begun && !life.dead() && !world_->CancellationOf(world_->show_id())->finished_at_ms()) {
        std::this_thread::sleep_for(kPoll);
      }
      died = died || life.dead();
      effects = life.effects();
      world_->Jump(Replica::kLease + milliseconds(1));
      Life good;
      Replica other(*world_, good, fmt::format("other{}{}", at, after));
      // Whoever was not told that it is under way asks again; else it goes on by itself.
      if (!begun) {
        ASSERT_TRUE(other.Cancel(world_->show_id()));
      }
      other.Start();
      ASSERT_TRUE(AwaitDone());
      ExpectAllBack(buyers);
      if (HasFailure()) return;
    }
    if (!died) break;
  }
  EXPECT_GE(effects, kAtLeast);
  ExpectCleanAudit();
}

TEST_F(ShowCancellationFaults, TwoReplicasAtOnceEndEachReservationOnce) {
  const auto buyers = Sell(30, 10);
  Life a;
  Life b;
  Replica first(*world_, a, "first");
  Replica second(*world_, b, "second");
  first.Start();
  second.Start();
  ASSERT_TRUE(first.Cancel(world_->show_id()));
  ASSERT_TRUE(second.Cancel(world_->show_id()));
  // The leases end all the time, so that both work on it.
  std::atomic<bool> done = false;
  std::thread clock([&] {
    while (!done) {
      world_->Jump(Replica::kLease + milliseconds(1));
      std::this_thread::sleep_for(milliseconds(50));
    }
  });
  const bool ended = AwaitDone();
  done = true;
  clock.join();
  ASSERT_TRUE(ended);
  ExpectAllBack(buyers);
  ExpectCleanAudit();
}

TEST_F(ShowCancellationFaults, WhileTheOthersAreAwayItWaitsAndSaysWhyThenGoesOnByItself) {
  const auto buyers = Sell(4, 2);
  Life life;
  Replica replica(*world_, life, "patient");
  replica.Start();
  ASSERT_TRUE(replica.Cancel(world_->show_id()));
  life.CutOff(true);
  EXPECT_TRUE(Await([](const auto& c) { return c.state() == "done" || !c.last_error().empty(); }));
  life.CutOff(false);
  ASSERT_TRUE(AwaitDone());
  ExpectAllBack(buyers);
  EXPECT_TRUE(world_->CancellationOf(world_->show_id())->last_error().empty());
  ExpectCleanAudit();
}

TEST_F(ShowCancellationFaults, WhatIsUnderWayIsWaitedForAndThenLookedAtAgain) {
  auto buyers = Sell(1, 0);
  const std::string user_id = fmt::format("buyer{}", ++buyers_);
  world_->TopUp({user_id});
  const auto tokens = world_->Enter({user_id});
  world_->participants().Arm(
      user_id, {Injection{.from = 0, .times = 0, .all_of = "CancelPayment", .fault = Fault::kNotSent}, ""});
  const auto outcome = world_->Execute({Command(user_id, tokens[0], /*pay=*/true, "sandbox:decline")})[0];
  ASSERT_EQ(outcome.reservation().state(), reservation::v1::COMPENSATING);
  Life life;
  Replica replica(*world_, life, "waiting");
  replica.Start();
  ASSERT_TRUE(replica.Cancel(world_->show_id()));
  ASSERT_TRUE(Await([](const auto& c) { return c.refunded() == 1; }));
  world_->participants().Arm(user_id, {});
  // Either replica may run that saga on.
  EXPECT_TRUE(Await([&](const auto& c) {
    const auto state = world_->Get(outcome.reservation().id()).state();
    EXPECT_TRUE(c.state() != "done" || state == reservation::v1::FAILED) << "done before that saga has ended";
    return c.state() == "done";
  }));
  ASSERT_TRUE(world_->AwaitQuiet());
  EXPECT_EQ(world_->Get(outcome.reservation().id()).state(), reservation::v1::FAILED);
  EXPECT_EQ(world_->BalanceOf(user_id), World::kTopUp);
  EXPECT_TRUE(world_->Owners().empty());
  ExpectCleanAudit();
}

TEST_F(ShowCancellationFaults, WhatIsParkedIsToldAndKeepsItFromBeingDone) {
  const auto buyers = Sell(1, 0);
  auto config = HastyReservations(Replica::kLease);
  config.policy.max_tries = 1;
  Life life;
  Replica replica(*world_, life, "parking", config);
  ASSERT_TRUE(replica.Cancel(world_->show_id()));
  // The provider is not reached, so that the refund has to wait, once.
  world_->participants().Arm(buyers[0].user_id, {});
  life.CutOffParticipants(true);
  replica.Start();
  ASSERT_TRUE(Await([](const auto& c) { return c.parked() == 1; }));
  life.CutOffParticipants(false);
  std::this_thread::sleep_for(milliseconds(50));
  EXPECT_EQ(world_->CancellationOf(world_->show_id())->state(), "running");
  world_->ResolveSaga(buyers[0].id, "retry");
  ASSERT_TRUE(AwaitDone());
  ExpectAllBack(buyers);
  ExpectCleanAudit();
}

TEST_F(ShowCancellationFaults, NothingOfACancelledShowCanBeHeldAnyMore) {
  const auto buyers = Sell(0, 1);
  Life life;
  Replica replica(*world_, life, "closing");
  replica.Start();
  ASSERT_TRUE(replica.Cancel(world_->show_id()));
  ASSERT_TRUE(AwaitDone());
  const std::string late = fmt::format("buyer{}", ++buyers_);
  const auto tokens = world_->Enter({late});
  const auto outcome = world_->Execute({Command(late, tokens[0], /*pay=*/false, "")})[0];
  EXPECT_EQ(outcome.refusal().code(), "show_cancelled");
  ExpectAllBack(buyers);
}

}  // namespace
}  // namespace boxoffice::faults
