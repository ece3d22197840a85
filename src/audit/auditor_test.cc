// The auditor over fake services, reached as the real ones are: what it finds, and what it takes for motion.
#include "audit/auditor.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <string>
#include <utility>

#include <gmock/gmock.h>

#include "audit/auditor_for_test.h"
#include "audit/module.h"
#include "testing/wait.h"

namespace boxoffice::audit {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// For a module, whose pauses are real and whose clock stands still.
constexpr Patience kHasty{.readings = 1, .pause = milliseconds(1), .settle = milliseconds(0)};

// Empty: there is one.
std::string WhyNoVerdict(const Result<Verdict>& verdict) {
  return verdict ? std::string() : verdict.error().reason;
}

TEST_F(AuditorTest, ACleanSystemIsOkAndCounted) {
  for (uint32_t seat_no = 1; seat_no <= 7; ++seat_no) Sell(seat_no);
  const Verdict verdict = Audit();
  EXPECT_TRUE(verdict.ok);
  EXPECT_THAT(verdict.violations, IsEmpty());
  for (const char* what : {"reservations", "debits", "payments", "seats", "events"}) {
    EXPECT_EQ(verdict.checked.at(what), 7) << what;
  }
  EXPECT_EQ(waits_, 1) << "between the queues' two readings; nothing was suspicious";
}

TEST_F(AuditorTest, AnEmptySystemIsOk) { EXPECT_TRUE(Audit().ok); }

TEST_F(AuditorTest, ALostDebitIsNamed) {
  Sell(1);
  const auto id = Sell(2);
  Sell(3);
  world_.debits.erase(std::string(id.bytes()));
  const Verdict verdict = Audit();
  EXPECT_FALSE(verdict.ok);
  EXPECT_THAT(verdict.violations, ElementsAre(Field(&Violation::invariant, Invariant::kConfirmedComplete)));
  EXPECT_THAT(verdict.violations, Names(Invariant::kConfirmedComplete, "reservation:" + id.ToString()));
}

TEST_F(AuditorTest, WhatBelongsToNoReservationIsNamed) {
  const auto id = Sell(1);
  Sell(2);
  world_.reservations.erase(std::string(id.bytes()));
  const Verdict verdict = Audit();
  EXPECT_THAT(verdict.violations, Names(Invariant::kNothingOrphaned, "seat:7/1"));
  EXPECT_THAT(verdict.violations, Names(Invariant::kConfirmedKept, "reservation:" + id.ToString()));
}

TEST_F(AuditorTest, ASeatOfTwoReservationsIsNamed) {
  const auto first = Sell(1);
  Sell(2);
  world_.seats.erase({7, 1});
  Row(first).mutable_seats(0)->set_seat_no(2);
  EXPECT_THAT(Audit().violations, Names(Invariant::kSeatSoldOnce, "seat:7/2"));
}

TEST_F(AuditorTest, ASeatThatWasSoldAtAnotherPriceThanWasPaidIsNamed) {
  Sell(1);
  Sell(2);
  world_.seats[{7, 2}].set_price(90);
  EXPECT_THAT(Audit().violations,
              ElementsAre(AllOf(Field(&Violation::invariant, Invariant::kConfirmedComplete),
                                Field(&Violation::ids, Contains("seat:7/2")))));
}

TEST_F(AuditorTest, AnEventThatIsOnItsWayIsWaitedFor) {
  const auto id = Sell(1);
  const auto on_its_way = world_.log;
  world_.log.clear();
  Row(id).set_updated_at_ms(ToUnixMs(kStart));
  on_wait_ = [&] {
    if (waits_ == 9) world_.log = on_its_way;
  };
  EXPECT_TRUE(Audit().ok);
  EXPECT_EQ(waits_, 9);
}

// A provider may tell long after the reservation has failed that it took the money.
TEST_F(AuditorTest, MoneyThatWasTakenLateMayBeOnItsWayBackHoweverOldTheReservationIs) {
  const auto id = Sell(1);
  Row(id).set_state(reservation::v1::FAILED);
  world_.log.clear();
  Publish(id, "reservation.failed", 2);
  world_.ranking.Clear();
  world_.debits.clear();
  world_.seats.clear();
  world_.shows[7].set_sold(0);
  world_.shows[7].set_free(50);
  auto& payment = world_.payments.begin()->second;
  payment.set_state(payment::v1::CANCELLED);
  on_wait_ = [&] {
    if (waits_ == 5) payment.set_resolution("refunded");
  };
  EXPECT_TRUE(Audit().ok);
  EXPECT_EQ(waits_, 5);
  on_wait_ = nullptr;
  payment.clear_resolution();
  EXPECT_THAT(Audit().violations, ElementsAre(Field(&Violation::invariant, Invariant::kEndedClean)));
}

// Or what else goes wrong would be found minutes later for as long as one thing is.
TEST_F(AuditorTest, WhatItWaitsForIsToldApartFromItsWork) {
  const auto id = Sell(1);
  world_.debits.erase(std::string(id.bytes()));
  const Verdict verdict = Audit();
  EXPECT_FALSE(verdict.ok);
  EXPECT_GE(verdict.waited, Patience().settle);
  EXPECT_EQ(verdict.waited, verdict.took) << "the clock stands still otherwise";
}

TEST_F(AuditorTest, AnEventThatNeverComesIsNamed) {
  const auto id = Sell(1);
  world_.log.clear();
  world_.ranking.Clear();
  EXPECT_THAT(Audit().violations, Names(Invariant::kEventsPublished, "reservation:" + id.ToString()));
}

TEST_F(AuditorTest, AReservationThatChangesWhileItIsReadIsLeftToTheNextAudit) {
  const auto id = Sell(1);
  world_.debits.clear();
  world_.on_reading = [&] { Row(id).set_version(Row(id).version() + 1); };
  const Verdict verdict = Audit();
  EXPECT_TRUE(verdict.ok);
  EXPECT_EQ(verdict.checked.at("in_motion"), 1);
}

TEST_F(AuditorTest, WhatChangedSinceTheAuditBeganIsLeftToTheNextAudit) {
  const auto id = Sell(1);
  world_.debits.clear();
  Row(id).set_updated_at_ms(ToUnixMs(kStart) + 1);
  EXPECT_TRUE(Audit().ok);
}

// Each try is a change, so it never rests as long as an audit takes.
TEST_F(AuditorTest, ASagaThatIsTriedAgainAndAgainIsNamedOnceItIsOverdue) {
  const auto id = Sell(1);
  auto& reservation = Row(id);
  reservation.set_state(reservation::v1::CONFIRMING);
  reservation.mutable_saga()->set_status("running");
  reservation.mutable_saga()->set_started_at_ms(ToUnixMs(kStart - Bounds().unfinished_saga) + 60'000);
  reservation.set_updated_at_ms(ToUnixMs(kStart) + 1);
  EXPECT_TRUE(Audit().ok);
  reservation.mutable_saga()->set_started_at_ms(ToUnixMs(kStart - Bounds().unfinished_saga) - 60'000);
  EXPECT_THAT(Audit().violations, ElementsAre(Field(&Violation::invariant, Invariant::kNothingOrphaned)));
  reservation.mutable_saga()->set_deadline_ms(ToUnixMs(kStart));
  EXPECT_TRUE(Audit().ok) << "an operator had it retried a minute before";
}

TEST_F(AuditorTest, ItStopsBetweenTwoSuspicionsAndNotOnlyAfterAll) {
  for (uint32_t seat_no = 1; seat_no <= 5; ++seat_no) Sell(seat_no);
  world_.debits.clear();
  int readings = 0;
  world_.on_reading = [&readings] { ++readings; };
  Auditor auditor(
      Channels(), bus_, clock_,
      {.wait = [](milliseconds) { return true; }, .after_page = [&readings] { return readings == 0; }});
  const auto verdict = auditor.Run();
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().reason, "stopping");
  EXPECT_EQ(readings, 2) << "of the first, before and behind what belongs to it";
}

TEST_F(AuditorTest, AnUnbalancedLedgerIsNamed) {
  world_.totals.mutable_totals(0)->set_sum_of_all_accounts(3);
  EXPECT_THAT(Audit().violations, Names(Invariant::kLedgerBalanced, "currency:KRW"));
}

TEST_F(AuditorTest, ALedgerThatGetsWorseWhileItIsLookedAtIsNamed) {
  auto& totals = *world_.totals.mutable_totals(0);
  const auto spoil_one_more = [&] {
    world_.totals.add_bad_users("mina" + std::to_string(world_.totals.bad_users_size()));
    totals.set_wallets_unequal_entries(world_.totals.bad_users_size());
  };
  spoil_one_more();
  on_wait_ = [&] {
    if (waits_ > 1) spoil_one_more();  // the first is between the queues' two readings
  };
  EXPECT_THAT(Audit().violations,
              ElementsAre(AllOf(Field(&Violation::invariant, Invariant::kLedgerBalanced),
                                Field(&Violation::ids, ElementsAre("currency:KRW", "user:mina0")))));
}

TEST_F(AuditorTest, AnotherWalletThatIsWrongForAMomentEachTimeIsNoViolation) {
  world_.totals.mutable_totals(0)->set_wallets_unequal_entries(1);
  world_.totals.add_bad_users("mina");
  on_wait_ = [&] { world_.totals.set_bad_users(0, "mina" + std::to_string(waits_)); };
  EXPECT_TRUE(Audit().ok);
  EXPECT_EQ(waits_, 2);
}

TEST_F(AuditorTest, SumsThatTakeLongAreWaitedFor) {
  const auto began = std::chrono::system_clock::now();
  EXPECT_TRUE(Audit().ok);
  EXPECT_GT(wallet_.sums_awaited_to - began, std::chrono::minutes(20)) << "for which the wallet waits";
}

TEST_F(AuditorTest, SumsThatTakeLongHoldUpNoStop) {
  wallet_.sums_take_long = true;
  obs::Registry metrics;
  const module::Runtime runtime = RuntimeWith(metrics);
  AuditModule module(runtime, {.every = milliseconds(0)});
  ASSERT_TRUE(module.Start());
  auto asked = std::async(std::launch::async, [&module] { return module.RunNow(); });
  EXPECT_TRUE(testbed::Eventually([this] { return wallet_.GetTotals_.calls == 1; }));
  module.Stop();
  const auto verdict = asked.get();
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().reason, "stopping");
}

TEST_F(AuditorTest, WhatWasFoundIsNamedThoughTheSumsDoNotCome) {
  Sell(1);
  const auto id = Sell(2);
  world_.debits.erase(std::string(id.bytes()));
  world_.ranking.mutable_rows(0)->set_confirmed(0);
  wallet_.GetTotals_.answer = [](const auto&) { return Fail(Code::kUnavailable, "database_unavailable"); };
  const Verdict verdict = Audit();
  EXPECT_FALSE(verdict.ok);
  EXPECT_THAT(verdict.violations, Names(Invariant::kConfirmedComplete, "reservation:" + id.ToString()));
  EXPECT_THAT(verdict.violations, Names(Invariant::kProjectionsEqual, "show:7")) << "it is judged as well";
  EXPECT_THAT(verdict.unread, ElementsAre(AllOf(HasSubstr("database_unavailable"), HasSubstr("wallet"))));
}

TEST_F(AuditorTest, WithoutTheSumsThereIsNoVerdictThatAllIsWell) {
  Sell(1);
  wallet_.GetTotals_.answer = [](const auto&) { return Fail(Code::kUnavailable, "database_unavailable"); };
  Auditor auditor(Channels(), bus_, clock_,
                  {.wait = [](milliseconds) { return true; }, .after_page = [] { return true; }});
  const auto verdict = auditor.Run();
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().reason, "database_unavailable");
}

TEST_F(AuditorTest, AVerdictOfAPartRaisesTheAlarmAndClearsNone) {
  const auto id = Sell(1);
  world_.totals.mutable_totals(0)->set_sum_of_all_accounts(3);
  obs::Registry metrics;
  const module::Runtime runtime = RuntimeWith(metrics);
  AuditModule module(runtime, {.every = milliseconds(0), .patience = kHasty});
  ASSERT_TRUE(module.Start());
  ASSERT_TRUE(module.RunNow());
  EXPECT_THAT(metrics.Render(), HasSubstr("boxoffice_audit_runs_total 1"));
  world_.debits.clear();
  wallet_.GetTotals_.answer = [](const auto&) { return Fail(Code::kUnavailable, "database_unavailable"); };
  const auto verdict = module.RunNow();
  ASSERT_TRUE(verdict) << verdict.error().detail;
  EXPECT_THAT(ToJson(*verdict), HasSubstr("reservation:" + id.ToString()));
  EXPECT_THAT(ToJson(*verdict), HasSubstr(R"("unread":["database_unavailable: wallet)"));
  for (const char* line :
       {R"(boxoffice_audit_invariant_violations{invariant="confirmed_complete"} 1)",
        R"(boxoffice_audit_invariant_violations{invariant="ledger_balanced"} 1)",
        "boxoffice_audit_violations 1", "boxoffice_audit_failures_total 1", "boxoffice_audit_runs_total 1"}) {
    EXPECT_THAT(metrics.Render(), HasSubstr(line));
  }
}

TEST_F(AuditorTest, ACountOfSeatsThatIsWrongForAMomentIsNoViolation) {
  Sell(1);
  world_.shows[7].set_free(50);
  on_wait_ = [&] { world_.shows[7].set_free(49); };
  EXPECT_TRUE(Audit().ok);
  on_wait_ = nullptr;
  world_.shows[7].set_free(50);
  EXPECT_THAT(Audit().violations, Names(Invariant::kSeatSoldOnce, "show:7"));
}

// A page that is all of a show is no exception: its list and its counts are two readings.
TEST_F(AuditorTest, AShowThatSellsAtEachLookIsNoViolationAndOneThatStandsStillIs) {
  world_.page = 50;
  Sell(1);
  uint32_t last_sold = 1;
  seats_.Audit_.answer = [&](const seat::v1::AuditRequest& request) -> Result<seat::v1::AuditResponse> {
    const std::scoped_lock lock(world_.mutex);
    seat::v1::AuditResponse response;
    Answer(world_, request, response);
    Sell(++last_sold);
    *response.mutable_shows(0) = world_.shows[7];
    return response;
  };
  EXPECT_THAT(Audit().violations, IsEmpty());
  EXPECT_GT(last_sold, 2U);
  AnswerFrom(world_, seats_.Audit_);
  world_.shows[7].set_sold(world_.shows[7].sold() + 1);
  world_.shows[7].set_free(world_.shows[7].free() - 1);
  EXPECT_THAT(Audit().violations, ElementsAre(AllOf(Field(&Violation::invariant, Invariant::kSeatSoldOnce),
                                                    Field(&Violation::ids, ElementsAre("show:7")))));
}

TEST_F(AuditorTest, ASeatOfAnotherBuyerIsNamed) {
  Sell(1);
  world_.seats[{7, 1}].set_user_id("jun");
  EXPECT_THAT(Audit().violations, Names(Invariant::kConfirmedComplete, "seat:7/1"));
}

TEST_F(AuditorTest, FeesAreThoseThatTheEventsTell) {
  const auto id = Sell(1);
  const std::string key(id.bytes());
  Row(id).set_fees(10);
  Row(id).set_version(3);
  world_.debits[key].set_debited(110);
  world_.payments.find(key)->second.mutable_money()->set_amount(110);
  EXPECT_THAT(Audit().violations, Names(Invariant::kEventsPublished, "reservation:" + id.ToString()));
  Publish(id, "reservation.seats_cancelled", 3, {}, 10);
  EXPECT_TRUE(Audit().ok);
}

TEST_F(AuditorTest, ABuyerWhoPassedTheLimitIsNamed) {
  Sell(1);
  Sell(2, "mina1");
  world_.shows[7].set_highest_seat_limit(1);
  EXPECT_THAT(Audit().violations, Names(Invariant::kAdmissionAndLimits, "user:mina1"));
}

TEST_F(AuditorTest, ABuyerAboveALimitThatWasLoweredSinceIsNoViolation) {
  Sell(1);
  Sell(2, "mina1");
  world_.shows[7].set_seat_limit(1);
  EXPECT_TRUE(Audit().ok);
}

TEST_F(AuditorTest, ACancelledShowThatStillHasSoldSeatsIsNamedUnlessItsCancellationIsUnderWay) {
  Sell(1);
  world_.shows[7].set_state(seat::v1::CANCELLED);
  std::string state;  // of the cancellation; empty: there is none
  reservations_.GetShowCancellation_.answer =
      [&state](
          const reservation::v1::GetShowCancellationRequest&) -> Result<reservation::v1::ShowCancellation> {
    if (state.empty()) return Fail(Code::kNotFound, "show_not_cancelled");
    reservation::v1::ShowCancellation cancellation;
    cancellation.set_state(state);
    return cancellation;
  };
  EXPECT_THAT(Audit().violations, Names(Invariant::kCancelledRefunded, "show:7"));
  state = "running";
  EXPECT_TRUE(Audit().ok);
  state = "done";
  EXPECT_THAT(Audit().violations, Names(Invariant::kCancelledRefunded, "show:7"));
}

TEST_F(AuditorTest, ARecordThatCantBeReadIsNoViolationAndCounted) {
  const auto id = Sell(1);
  EXPECT_FALSE(Audit().checked.contains("events_unreadable"));
  for (const char* body : {"\xff", ""}) {
    Publish(id, "reservation.confirmed", 2);
    world_.log.back().event.body = body;
  }
  Publish(id, "reservation.of_a_newer_program", 3);
  const Verdict verdict = Audit();
  EXPECT_TRUE(verdict.ok);
  EXPECT_EQ(verdict.checked.at("events_unreadable"), 2);
  EXPECT_EQ(verdict.checked.at("events"), 1);
  EXPECT_EQ(verdict.checked.at("reservations"), 1);
}

TEST_F(AuditorTest, AReservationWhoseEventCantBeReadLacksIt) {
  const auto id = Sell(1);
  world_.log.back().event.body = "\xff";
  world_.ranking.Clear();
  EXPECT_THAT(Audit().violations, Names(Invariant::kEventsPublished, "reservation:" + id.ToString()));
}

TEST_F(AuditorTest, ARankingThatMissedAnEventIsNamed) {
  Sell(1);
  world_.ranking.mutable_rows(0)->set_confirmed(0);
  EXPECT_THAT(Audit().violations, Names(Invariant::kProjectionsEqual, "show:7"));
}

TEST_F(AuditorTest, ARankingThatMissedSeatsThatWereGivenBackIsNamed) {
  const auto id = Sell(1);
  world_.log.clear();
  Publish(id, "reservation.confirmed", 1, {1, 2, 3});
  Publish(id, "reservation.seats_cancelled", 2, {2, 3});
  world_.ranking.mutable_rows(0)->set_seats_sold(1);
  EXPECT_TRUE(Audit().ok);
  world_.ranking.mutable_rows(0)->set_seats_sold(3);
  EXPECT_THAT(Audit().violations,
              ElementsAre(AllOf(Field(&Violation::invariant, Invariant::kProjectionsEqual),
                                Field(&Violation::ids, ElementsAre("show:7")))));
  Publish(id, "reservation.cancelled", 3, {1});
  world_.ranking.mutable_rows(0)->set_cancelled(1);
  world_.ranking.mutable_rows(0)->set_seats_sold(0);
  Row(id).set_version(3);
  EXPECT_THAT(Audit().violations, ::testing::Not(Names(Invariant::kProjectionsEqual, "show:7")));
}

TEST_F(AuditorTest, ARankingThatCountsAnewIsLateAndOnlyWhatItCountedTooOftenIsNamed) {
  Sell(1);
  world_.ranking.set_rebuilding(true);
  world_.ranking.mutable_rows(0)->set_confirmed(0);
  EXPECT_TRUE(Audit().ok);
  world_.ranking.mutable_rows(0)->set_confirmed(2);
  EXPECT_THAT(Audit().violations, Names(Invariant::kProjectionsEqual, "show:7"));
}

TEST_F(AuditorTest, AnAdmissionPastTheCapIsNamed) {
  auto& queue = *world_.queues.mutable_queues(0);
  queue.set_active(9);
  on_wait_ = [&queue] { queue.set_active(11); };
  EXPECT_THAT(Audit().violations, ElementsAre(Field(&Violation::invariant, Invariant::kAdmissionAndLimits)));
}

TEST_F(AuditorTest, ACapThatWasRaisedAndLoweredDuringTheAuditIsNoViolation) {
  world_.totals.mutable_totals(0)->set_wallets_negative(1);
  // It is raised and lowered, and ninety are admitted in between, while a suspicion is looked at again.
  on_wait_ = [&] {
    if (waits_ == 1) return;  // between the queues' two readings
    world_.totals.mutable_totals(0)->set_wallets_negative(0);
    world_.queues.mutable_queues(0)->set_active(90);
  };
  EXPECT_TRUE(Audit().ok);
  EXPECT_TRUE(Audit().ok) << "whoever is in stays";
}

TEST_F(AuditorTest, AServiceThatDoesNotAnswerLeavesNoVerdict) {
  const auto only_wallet_missing = [this](std::string_view service) {
    return service == "wallet" ? rpc::NetworkChannel("unix:/nonexistent/wallet.sock") : Channels()(service);
  };
  Auditor auditor(only_wallet_missing, bus_, clock_,
                  {.wait = [](milliseconds) { return true; }, .after_page = [] { return true; }});
  const auto verdict = auditor.Run();
  ASSERT_FALSE(verdict);
  EXPECT_THAT(verdict.error().detail, HasSubstr("wallet"));
}

TEST_F(AuditorTest, AnUnbalancedLedgerIsNamedThoughPaymentsCantBeRead) {
  Sell(1);
  world_.totals.mutable_totals(0)->set_sum_of_all_accounts(3);
  payments_.Audit_.answer = [](const auto&) { return Fail(Code::kUnavailable, "database_unavailable"); };
  const Verdict verdict = Audit();
  EXPECT_FALSE(verdict.ok);
  EXPECT_THAT(verdict.violations, Names(Invariant::kLedgerBalanced, "currency:KRW"));
  EXPECT_THAT(verdict.unread, ElementsAre(AllOf(HasSubstr("database_unavailable"), HasSubstr("payment"))));
}

// Or an audit would wait for minutes for a wallet that stands still.
TEST_F(AuditorTest, AWalletThatDoesNotAnswerIsNotAskedForSums) {
  wallet_.Audit_.answer = [](const auto&) { return Fail(Code::kUnavailable, "down"); };
  EXPECT_EQ(WhyNoVerdict(AuditWithin({})), "down");
  EXPECT_EQ(wallet_.GetTotals_.calls, 0);
}

TEST_F(AuditorTest, AnIndexBeyondItsBoundIsNoVerdict) {
  for (uint32_t seat_no = 1; seat_no <= 5; ++seat_no) Sell(seat_no);
  EXPECT_EQ(WhyNoVerdict(AuditWithin({.memory_mib = 1})), "");
  EXPECT_EQ(WhyNoVerdict(AuditWithin({.memory_mib = 0})), kTooLarge);
  world_.log.clear();
  world_.ranking.clear_rows();
  seats_.Audit_.calls = 0;
  EXPECT_EQ(WhyNoVerdict(AuditWithin({.memory_mib = 0})), kTooLarge);
  EXPECT_EQ(seats_.Audit_.calls, 1) << "no page is read beyond the one that is too much";
}

TEST_F(AuditorTest, SeatsBeyondTheBoundKeepNoRankingFromBeingJudged) {
  for (uint32_t seat_no = 1; seat_no <= 5; ++seat_no) Sell(seat_no);
  world_.log.clear();
  const Verdict verdict = AuditWithin({.memory_mib = 0}).value_or(Verdict{});
  EXPECT_THAT(verdict.violations, Names(Invariant::kProjectionsEqual, "show:7"));
  EXPECT_THAT(verdict.unread, ElementsAre(HasSubstr(std::string(kTooLarge))));
}

TEST_F(AuditorTest, AnIndexBeyondItsBoundIsNotReadToItsEnd) {
  const auto id = Sell(1);
  for (int n = 0; n < 5'000; ++n) Publish(id, "reservation.confirmed", 2);
  EXPECT_EQ(WhyNoVerdict(AuditWithin({.memory_mib = 0})), kTooLarge);
  EXPECT_EQ(bus_.reads, 1);
}

TEST_F(AuditorTest, NothingIsHeldBetweenTwoAudits) {
  Sell(1);
  const Auditor* running = nullptr;
  size_t most = 0;
  Auditor auditor(Channels(), bus_, clock_,
                  {.wait = [](milliseconds) { return true; },
                   .after_page =
                       [&] {
                         most = std::max(most, running->bytes());
                         return true;
                       }});
  running = &auditor;
  ASSERT_TRUE(auditor.Run());
  EXPECT_GT(most, 0U);
  EXPECT_EQ(auditor.bytes(), 0U);
}

TEST_F(AuditorTest, MoreSuspicionsThanAreFollowedLeaveNoVerdict) {
  const auto followed = Sell(1);
  Sell(2);
  const auto debits = std::exchange(world_.debits, {});
  on_wait_ = [&] {
    if (waits_ > 1) world_.debits = debits;  // the first is between the queues' two readings
  };
  EXPECT_EQ(WhyNoVerdict(AuditWithin({.suspects = 1})), "too_many_suspicions");
  on_wait_ = nullptr;
  world_.debits.clear();
  const Verdict verdict = AuditWithin({.suspects = 1}).value_or(Verdict{});
  EXPECT_FALSE(verdict.ok);
  EXPECT_THAT(verdict.violations,
              ElementsAre(AllOf(Field(&Violation::invariant, Invariant::kConfirmedComplete),
                                Field(&Violation::ids, Contains("reservation:" + followed.ToString())))));
  EXPECT_THAT(verdict.unread, ElementsAre(HasSubstr("too_many_suspicions")));
}

TEST_F(AuditorTest, TheModuleGivesItsVerdictAsJson) {
  const auto id = Sell(1);
  world_.debits.clear();
  obs::Registry metrics;
  const module::Runtime runtime = RuntimeWith(metrics);
  AuditModule module(runtime, {.patience = kHasty});
  EXPECT_EQ(module.LastJson(), "");
  ASSERT_TRUE(module.Start());
  const auto verdict = module.RunNow();
  ASSERT_TRUE(verdict) << verdict.error().detail;
  const std::string json = ToJson(*verdict);
  EXPECT_THAT(json, HasSubstr(R"({"ok":false,"checked":{)"));
  EXPECT_THAT(
      json, HasSubstr(R"({"invariant":5,"name":"confirmed_complete","ids":["reservation:)" + id.ToString()));
  EXPECT_THAT(json, HasSubstr(R"({"number":5,"name":"confirmed_complete","violations":1})"));
  EXPECT_THAT(json, HasSubstr(R"({"number":4,"name":"seat_sold_once","violations":0})"));
  EXPECT_EQ(module.LastJson(), json);
  EXPECT_THAT(metrics.Render(), HasSubstr("boxoffice_audit_violations 1"));
  EXPECT_THAT(metrics.Render(),
              HasSubstr(R"(boxoffice_audit_invariant_violations{invariant="confirmed_complete"} 1)"));
  EXPECT_THAT(metrics.Render(),
              HasSubstr(R"(boxoffice_audit_invariant_violations{invariant="seat_sold_once"} 0)"));
  module.Stop();
  EXPECT_EQ(module.RunNow().error().reason, "not_running");
}

}  // namespace
}  // namespace boxoffice::audit
