// The checker is checked: for every invariant, a planted violation is found and named, and what is right is
// not.
#include "audit/invariants.h"

#include <gmock/gmock.h>

#include "audit/facts_for_test.h"

namespace boxoffice::audit {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;

// The same, undone after its payment was refused.
Case Failed() {
  Case facts = Confirmed();
  facts.reservation->state = State::kFailed;
  facts.debits = {{"mina", "KRW", 300, 300, 0}};
  facts.payments = {{1, PaymentState::kCancelled, "mina", 300, "KRW", "never_sent"}};
  facts.seats = {};
  facts.events = {{MakeEventId(1), EventType::kHeld, 2}, {MakeEventId(2), EventType::kFailed, 4}};
  return facts;
}

// The same, held and not paid.
Case Held() {
  Case facts = Confirmed();
  facts.reservation->state = State::kHeld;
  facts.reservation->saga_kind = "hold";
  facts.reservation->hold_expires_at = kNow + milliseconds(60'000);
  facts.debits = {};
  facts.payments = {};
  facts.seats = {{7, 1, false, facts.id, kNow}, {7, 2, false, facts.id, kNow}};
  facts.events = {{MakeEventId(1), EventType::kHeld, 2}};
  return facts;
}

std::vector<Violation> Judge(const Facts& facts) { return Check(facts, kNow, kBounds); }

auto Names(Invariant invariant) { return Contains(Field(&Violation::invariant, invariant)); }
auto NamesWith(Invariant invariant, const std::string& id) {
  return Contains(AllOf(Field(&Violation::invariant, invariant), Field(&Violation::ids, Contains(id))));
}

TEST(Invariants, ACleanSystemHasNoViolation) {
  Facts facts;
  facts.cases = {Confirmed(), Failed(), Held()};
  facts.ledgers = {{"KRW", 0, 0, 0}};
  facts.shows = {{.show_id = 7,
                  .capacity = 50,
                  .free = 46,
                  .held = 2,
                  .sold = 2,
                  .sold_in_list = 2,
                  .highest_seat_limit = 4,
                  .owned = {{"mina", 4}}}};
  facts.queues = {{7, 10, 3, 10}};
  facts.rankings = {{7, {1, 0}, {1, 0}, {1, 0}}};
  EXPECT_THAT(Judge(facts), IsEmpty());
}

TEST(Invariants, EachHasANameOfItsOwn) {
  std::vector<std::string_view> names;
  for (const Invariant invariant : kInvariants) names.push_back(InvariantName(invariant));
  std::ranges::sort(names);
  EXPECT_EQ(std::ranges::adjacent_find(names), names.end());
  EXPECT_NE(names.front(), "");
}

TEST(Invariant1, ALedgerThatDoesNotSumToZeroIsFound) {
  Facts facts;
  facts.ledgers = {{"KRW", 5, 0, 0}, {"EUR", 0, 0, 0}};
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kLedgerBalanced));
  EXPECT_THAT(Judge(facts), NamesWith(Invariant::kLedgerBalanced, "currency:KRW"));
}

TEST(Invariant1, AWalletThatIsNotTheSumOfItsEntriesIsFound) {
  Facts facts;
  facts.ledgers = {{"KRW", 0, 1, 0}};
  facts.bad_wallet_users = {"mina"};
  EXPECT_THAT(Judge(facts), NamesWith(Invariant::kLedgerBalanced, "user:mina"));
}

TEST(Invariant1, ALedgerThatDoesNotSumToZeroIsOfNoWalletInParticular) {
  Facts facts;
  facts.ledgers = {{"KRW", 5, 1, 0}};
  facts.bad_wallet_users = {"mina"};
  EXPECT_THAT(Judge(facts), ElementsAre(Field(&Violation::ids, ElementsAre("currency:KRW")),
                                        Field(&Violation::ids, ElementsAre("currency:KRW", "user:mina"))));
}

TEST(Invariant1, ANegativeWalletIsFound) {
  Facts facts;
  facts.ledgers = {{"KRW", 0, 0, 1}};
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kLedgerBalanced));
}

TEST(Invariant2, TwoEffectiveDebitsAreFound) {
  Case facts = Held();
  facts.reservation->saga_status = SagaStatus::kRunning;
  facts.debits = {{"mina", "KRW", 600, 0, 2}};
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kDebitOnce));
}

TEST(Invariant2, ARefundAboveTheDebitIsFound) {
  Case facts = Failed();
  facts.debits = {{"mina", "KRW", 300, 600, 0}};
  EXPECT_THAT(Judge(facts), NamesWith(Invariant::kDebitOnce, "user:mina"));
}

TEST(Invariant2, ARefundWithoutADebitIsFound) {
  Case facts = Failed();
  facts.debits = {{"mina", "KRW", 0, 300, 0}};
  EXPECT_THAT(Judge(facts), Names(Invariant::kDebitOnce));
}

TEST(Invariant3, TwoApprovedPaymentsAreFound) {
  Case facts = Confirmed();
  facts.payments.push_back({2, PaymentState::kApproved, "mina", 300, "KRW", ""});
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kPaymentOnce));
}

TEST(Invariant3, TwoPaymentsOfOneAttemptAreFound) {
  Case facts = Confirmed();
  facts.payments.push_back({1, PaymentState::kCancelled, "mina", 300, "KRW", "voided"});
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kPaymentOnce));
}

TEST(Invariant3, AnEarlierAttemptThatWasCancelledIsFine) {
  Case facts = Confirmed();
  facts.payments.insert(facts.payments.begin(), {0, PaymentState::kCancelled, "mina", 300, "KRW", "voided"});
  EXPECT_THAT(Judge(facts), IsEmpty());
}

TEST(Invariant3, MoreGivenBackThanWasApprovedIsFound) {
  Case facts = Confirmed();
  facts.payments[0].refunded = 301;
  EXPECT_THAT(Judge(facts), NamesWith(Invariant::kPaymentOnce, "user:mina"));
  facts.payments[0].refunded = 200;
  facts.payments[0].refunding = 101;
  EXPECT_THAT(Judge(facts), NamesWith(Invariant::kPaymentOnce, "user:mina"));
}

TEST(Invariant4, ASeatThatIsSoldToAnotherIsFound) {
  Case facts = Confirmed();
  facts.seats.pop_back();
  facts.others_seats = {{7, 2, true, MakeId(2), {}}};
  EXPECT_THAT(Judge(facts), NamesWith(Invariant::kSeatSoldOnce, "seat:7/2"));
  EXPECT_THAT(Judge(facts), NamesWith(Invariant::kSeatSoldOnce, "reservation:" + MakeId(2).ToString()));
}

TEST(Invariant4, SeatsThatDoNotAddUpToTheCapacityAreFound) {
  Facts facts;
  facts.shows = {{.show_id = 7, .capacity = 50, .free = 48, .held = 0, .sold = 3, .sold_in_list = 3}};
  EXPECT_THAT(Judge(facts), NamesWith(Invariant::kSeatSoldOnce, "show:7"));
  facts.shows = {
      {.show_id = 7, .capacity = 50, .free = 41, .held = 0, .sold = 3, .blocked = 6, .sold_in_list = 3}};
  EXPECT_THAT(Judge(facts), IsEmpty()) << "what operators block is neither free nor owned";
  facts.shows[0].blocked = 5;
  EXPECT_THAT(Judge(facts), NamesWith(Invariant::kSeatSoldOnce, "show:7"));
}

TEST(Invariant4, ACountThatDiffersFromTheListIsFound) {
  Facts facts;
  facts.shows = {{.show_id = 7, .capacity = 50, .free = 48, .held = 0, .sold = 2, .sold_in_list = 3}};
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kSeatSoldOnce));
  facts.shows[0].still = false;  // the show sells: its list and its count are of different moments
  EXPECT_THAT(Judge(facts), IsEmpty());
}

TEST(Invariant5, AConfirmedReservationThatWasNotDebitedIsFound) {
  Case facts = Confirmed();
  facts.debits.clear();
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kConfirmedComplete));
}

TEST(Invariant5, AConfirmedReservationThatWasRefundedIsFound) {
  Case facts = Confirmed();
  facts.debits = {{"mina", "KRW", 300, 300, 0}};
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kConfirmedComplete));
}

TEST(Invariant5, ADebitOfAnotherUserIsFound) {
  Case facts = Confirmed();
  facts.debits = {{"juno", "KRW", 300, 0, 1}};
  EXPECT_THAT(Judge(facts), NamesWith(Invariant::kConfirmedComplete, "user:juno"));
}

TEST(Invariant5, AConfirmedReservationWithoutApprovalIsFound) {
  Case facts = Confirmed();
  facts.payments[0] = {1, PaymentState::kCancelled, "mina", 300, "KRW", "voided"};
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kConfirmedComplete));
}

TEST(Invariant5, AnotherPaymentWhoseMoneyMayBeKeptIsFound) {
  Case facts = Confirmed();
  facts.payments.insert(facts.payments.begin(), {0, PaymentState::kCancelled, "mina", 300, "KRW", ""});
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kConfirmedComplete));
  facts.payments[0].state = PaymentState::kPending;
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kConfirmedComplete));
}

TEST(Invariant5, AnApprovalOfAnotherAmountIsFound) {
  Case facts = Confirmed();
  facts.payments[0].amount = 299;
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kConfirmedComplete));
}

// A reservation from which seats were given back.
TEST(Invariant5, WhatIsLeftOfADebitAndAPaymentAfterPartsIsTheAmount) {
  Case facts = Confirmed();
  facts.payments[0].amount = 400;
  facts.payments[0].refunded = 100;
  facts.debits = {{"mina", "KRW", 400, 100, 1}};
  EXPECT_THAT(Judge(facts), IsEmpty());
  facts.payments[0].refunded = 99;
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kConfirmedComplete));
  facts.payments[0].refunded = 0;
  facts.payments[0].refunding = 100;
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kConfirmedComplete)) << "it is not certain yet";
}

TEST(Invariant5, AConfirmedReservationWhoseSeatIsOnlyHeldIsFound) {
  Case facts = Confirmed();
  facts.seats[1].sold = false;
  EXPECT_THAT(Judge(facts), NamesWith(Invariant::kConfirmedComplete, "seat:7/2"));
}

TEST(Invariant5, ASeatThatItOwnsAndDoesNotNameIsFound) {
  Case facts = Confirmed();
  facts.seats.push_back({7, 3, true, facts.id, {}});
  EXPECT_THAT(Judge(facts), NamesWith(Invariant::kConfirmedComplete, "seat:7/3"));
}

TEST(Invariant5, AnAmountThatIsNotTheSumOfThePricesIsFound) {
  Case facts = Confirmed();
  facts.reservation->seats[0].price = 99;
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kConfirmedComplete));
}

TEST(Invariant5, TwoConfirmedEventsAreFound) {
  Case facts = Confirmed();
  facts.events.push_back({MakeEventId(3), EventType::kConfirmed, 4, 300});
  EXPECT_THAT(Judge(facts), Names(Invariant::kConfirmedComplete));
}

TEST(Invariant5, OneEventDeliveredTwiceIsFine) {
  Case facts = Confirmed();
  facts.events.push_back(facts.events.back());
  EXPECT_THAT(Judge(facts), IsEmpty());
}

TEST(Invariant5, AHeldReservationWithMoneyIsFound) {
  Case facts = Held();
  facts.debits = {{"mina", "KRW", 300, 0, 1}};
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kConfirmedComplete));
}

TEST(Invariant5, AHeldReservationWithASoldSeatIsFound) {
  Case facts = Held();
  facts.seats[0].sold = true;
  EXPECT_THAT(Judge(facts), NamesWith(Invariant::kConfirmedComplete, "seat:7/1"));
}

// One seat of the two is given back, and 10 of its 100 are kept.
Case PartlyCancelled() {
  Case facts = Confirmed();
  facts.reservation->seats = {{2, 200}};
  facts.reservation->amount = 200;
  facts.reservation->fees = 10;
  facts.reservation->saga_kind = "cancel_seats";
  facts.reservation->version = 6;
  facts.debits = {{"mina", "KRW", 300, 90, 1}};
  facts.payments = {{1, PaymentState::kApproved, "mina", 300, "KRW", "", 90}};
  facts.seats = {{7, 2, true, facts.id, {}}};
  facts.events.push_back({MakeEventId(3), EventType::kSeatsCancelled, 6, 90, 10});
  return facts;
}

// And then the other, of whose 200 another 20 are kept.
Case CancelledWithFees() {
  Case facts = PartlyCancelled();
  facts.reservation->state = State::kCancelled;
  facts.reservation->fees = 30;
  facts.reservation->version = 8;
  facts.debits = {{"mina", "KRW", 300, 270, 1}};
  facts.payments = {{1, PaymentState::kApproved, "mina", 300, "KRW", "", 270}};
  facts.seats = {};
  facts.events.push_back({MakeEventId(4), EventType::kCancelled, 8, 180, 20});
  return facts;
}

TEST(Invariant5, WhatIsLeftAfterSeatsWereGivenBackIsRight) {
  EXPECT_THAT(Judge(PartlyCancelled()), IsEmpty());
  EXPECT_THAT(Judge(CancelledWithFees()), IsEmpty());
  Case moved = PartlyCancelled();
  moved.events.push_back({MakeEventId(4), EventType::kMoved, 7, 200});
  moved.reservation->version = 7;
  EXPECT_THAT(Judge(moved), IsEmpty());
}

TEST(Invariant5, AFeeThatWasNotKeptOrKeptTwiceIsFound) {
  for (const int64_t given_back : {100, 80, 0}) {
    Case facts = PartlyCancelled();
    facts.debits[0].refunded = given_back;
    EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kConfirmedComplete)) << given_back;
    facts = PartlyCancelled();
    facts.payments[0].refunded = given_back;
    EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kConfirmedComplete)) << given_back;
  }
}

TEST(Invariant5, ASeatThatWasGivenBackAndIsStillSoldToItIsFound) {
  Case facts = PartlyCancelled();
  facts.seats.push_back({7, 1, true, facts.id, {}});
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kConfirmedComplete));
}

TEST(Invariant6, MoreOrLessThanTheFeesOfACancelledOneIsFound) {
  for (const int64_t given_back : {300, 260}) {
    Case facts = CancelledWithFees();
    facts.debits[0].refunded = given_back;
    EXPECT_THAT(Judge(facts), Contains(Field(&Violation::invariant, Invariant::kEndedClean))) << given_back;
    facts = CancelledWithFees();
    facts.payments[0].refunded = given_back;
    EXPECT_THAT(Judge(facts), Contains(Field(&Violation::invariant, Invariant::kEndedClean))) << given_back;
  }
  Case facts = CancelledWithFees();
  facts.payments = {{1, PaymentState::kCancelled, "mina", 300, "KRW", "refunded"}};
  EXPECT_THAT(Judge(facts), Contains(Field(&Violation::invariant, Invariant::kEndedClean)));
  facts = Failed();
  facts.reservation->fees = 10;
  facts.debits[0].refunded = 290;
  EXPECT_THAT(Judge(facts), Contains(Field(&Violation::invariant, Invariant::kEndedClean)))
      << "only what was cancelled has fees";
}

TEST(Invariant8, SeatsAreGivenBackOfWhatWasConfirmedOnly) {
  Case facts = Held();
  facts.events.push_back({MakeEventId(3), EventType::kSeatsCancelled, 4});
  facts.events.push_back({MakeEventId(4), EventType::kHeld, 4});
  EXPECT_THAT(Judge(facts), Names(Invariant::kStateEdges));
}

TEST(Invariant6, AFailedReservationThatWasNotRefundedIsFound) {
  Case facts = Failed();
  facts.debits = {{"mina", "KRW", 300, 0, 1}};
  EXPECT_THAT(Judge(facts), NamesWith(Invariant::kEndedClean, "user:mina"));
}

TEST(Invariant6, AnEndedReservationWithAnApprovalIsFound) {
  Case facts = Failed();
  facts.payments[0].state = PaymentState::kApproved;
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kEndedClean));
}

TEST(Invariant6, AnEndedReservationWhosePaymentIsUnknownIsFound) {
  Case facts = Failed();
  facts.payments[0].state = PaymentState::kPending;
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kEndedClean));
}

TEST(Invariant6, AnEndedReservationWhoseCancellationIsNotCertainIsFound) {
  Case facts = Failed();
  facts.payments[0].resolution.clear();
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kEndedClean));
}

TEST(Invariant6, AnEndedReservationWithASeatIsFound) {
  for (const auto& [state, event] : {std::pair(State::kFailed, EventType::kFailed),
                                     {State::kExpired, EventType::kExpired},
                                     {State::kReleased, EventType::kReleased}}) {
    Case facts = Failed();
    facts.reservation->state = state;
    facts.events.back().type = event;
    EXPECT_THAT(Judge(facts), IsEmpty());
    facts.seats = {{7, 2, false, facts.id, kNow}};
    EXPECT_THAT(Judge(facts), NamesWith(Invariant::kEndedClean, "seat:7/2"));
  }
}

TEST(Invariant6, ACancelledReservationWithASoldSeatIsFound) {
  Case facts = Confirmed();
  facts.reservation->state = State::kCancelled;
  facts.reservation->version = 6;
  facts.debits = {{"mina", "KRW", 300, 300, 0}};
  facts.payments[0].state = PaymentState::kCancelled;
  facts.payments[0].resolution = "refunded";
  facts.events.push_back({MakeEventId(3), EventType::kCancelled, 6});
  EXPECT_THAT(Judge(facts), Names(Invariant::kEndedClean));
  facts.seats.clear();
  EXPECT_THAT(Judge(facts), IsEmpty());
}

TEST(Invariant7, AConfirmedReservationThatFailedLaterIsFound) {
  Case facts = Failed();
  facts.events.insert(facts.events.begin() + 1, {MakeEventId(3), EventType::kConfirmed, 3});
  EXPECT_THAT(Judge(facts), Names(Invariant::kConfirmedKept));
}

TEST(Invariant7, AConfirmedReservationThatIsGoneIsFound) {
  Case facts = Confirmed();
  facts.reservation.reset();
  EXPECT_THAT(Judge(facts), Names(Invariant::kConfirmedKept));
}

TEST(Invariant8, AVersionOrEpochOfZeroIsFound) {
  Case facts = Confirmed();
  facts.reservation->epoch = 0;
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kStateEdges));
}

TEST(Invariant8, AReservationLeftBetweenTwoStatesIsFound) {
  Case facts = Held();
  facts.reservation->state = State::kConfirming;
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kStateEdges));
  facts.reservation->saga_status = SagaStatus::kRunning;
  EXPECT_THAT(Judge(facts), IsEmpty());
}

TEST(Invariant8, AStateAfterTheLastOneIsFound) {
  Case facts = Confirmed();
  facts.events.insert(facts.events.begin() + 1, {MakeEventId(3), EventType::kFailed, 3});
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kStateEdges));
}

TEST(Invariant9, ASagaThatDoesNotEndIsFound) {
  Case facts = Held();
  facts.reservation->saga_status = SagaStatus::kRunning;
  facts.reservation->saga_started_at = kNow - kBounds.unfinished_saga;
  EXPECT_THAT(Judge(facts), IsEmpty());
  facts.reservation->saga_started_at -= milliseconds(1);
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kNothingOrphaned));
}

TEST(Invariant9, AParkedSagaIsTheOperators) {
  Case facts = Held();
  facts.reservation->saga_status = SagaStatus::kParked;
  facts.reservation->saga_started_at = kNow - 2 * kBounds.unfinished_saga;
  EXPECT_THAT(Judge(facts), IsEmpty());
}

TEST(Invariant9, AHoldOfNobodyIsFound) {
  Case facts = Held();
  facts.reservation.reset();
  facts.events.clear();
  EXPECT_THAT(Judge(facts), NamesWith(Invariant::kNothingOrphaned, "seat:7/1"));
}

TEST(Invariant9, ADebitOfNobodyIsFound) {
  Case facts = Confirmed();
  facts.reservation.reset();
  facts.seats.clear();
  facts.payments.clear();
  facts.events.clear();
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kNothingOrphaned));
  facts.debits[0].refunded = facts.debits[0].debited;
  facts.debits[0].effective_debits = 0;
  EXPECT_THAT(Judge(facts), IsEmpty());
}

TEST(Invariant9, AnApprovalOfNobodyIsFound) {
  Case facts = Confirmed();
  facts.reservation.reset();
  facts.seats.clear();
  facts.debits.clear();
  facts.events.clear();
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kNothingOrphaned));
  facts.payments[0].state = PaymentState::kCancelled;
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kNothingOrphaned)) << "what was captured late";
  facts.payments[0].resolution = "refunded";
  EXPECT_THAT(Judge(facts), IsEmpty());
}

TEST(Invariant9, AHoldThatNothingEndedIsFound) {
  Case facts = Held();
  for (SeatFact& seat : facts.seats) seat.hold_expires_at = kNow - kBounds.ended_hold - milliseconds(1);
  facts.reservation->hold_expires_at = kNow - kBounds.ended_hold;
  EXPECT_THAT(Judge(facts), IsEmpty());
  facts.reservation->hold_expires_at -= milliseconds(1);
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kNothingOrphaned));
}

TEST(Invariant10, AnEndWithoutAnEventIsFound) {
  for (Case facts : {Confirmed(), Failed(), Held()}) {
    facts.events.pop_back();
    EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kEventsPublished));
  }
}

TEST(Invariant10, EventsOutOfOrderAreFound) {
  Case facts = Confirmed();
  facts.events[0].version = 4;
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kEventsPublished));
}

TEST(Invariant10, AnEventOfAVersionThatIsNotThereIsFound) {
  Case facts = Confirmed();
  facts.events[1].version = 5;
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kEventsPublished));
}

TEST(Invariant11, ARankingThatMissedAnEventIsFound) {
  Facts facts;
  facts.rankings = {{7, {3, 1}, {2, 1}, {3, 1}}};
  EXPECT_THAT(Judge(facts), NamesWith(Invariant::kProjectionsEqual, "show:7"));
}

TEST(Invariant11, ARankingThatCountedAnEventTwiceIsFound) {
  Facts facts;
  facts.rankings = {{7, {3, 1}, {3, 2}, {3, 1}}};
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kProjectionsEqual));
}

TEST(Invariant11, ARankingBetweenTwoReadingsIsFine) {
  Facts facts;
  facts.rankings = {{7, {3, 1}, {4, 1}, {6, 2}}};
  EXPECT_THAT(Judge(facts), IsEmpty());
}

TEST(Invariant15, ACancelledShowWithSeatsSoldAndNoCancellationUnderWayIsFound) {
  Facts facts;
  facts.shows = {{.show_id = 7, .capacity = 4, .free = 2, .sold = 2, .sold_in_list = 2, .cancelled = true}};
  EXPECT_THAT(Judge(facts), NamesWith(Invariant::kCancelledRefunded, "show:7"));
  facts.shows[0].cancellation_runs = true;
  EXPECT_THAT(Judge(facts), IsEmpty());
  facts.shows[0] = {.show_id = 7, .capacity = 4, .free = 4, .cancelled = true};
  EXPECT_THAT(Judge(facts), IsEmpty()) << "all was given back";
}

TEST(Invariant13, AnAdmissionPastTheCapIsFound) {
  Facts facts;
  facts.queues = {{7, 10, 10, 11}};
  EXPECT_THAT(Judge(facts), NamesWith(Invariant::kAdmissionAndLimits, "show:7"));
}

TEST(Invariant13, ACapThatWasLoweredIsFine) {
  Facts facts;
  facts.queues = {{7, 10, 20, 19}};
  EXPECT_THAT(Judge(facts), IsEmpty());
}

TEST(Invariant13, ABuyerAboveTheLimitIsFound) {
  Facts facts;
  facts.shows = {{.show_id = 7,
                  .capacity = 50,
                  .free = 45,
                  .held = 0,
                  .sold = 5,
                  .sold_in_list = 5,
                  .highest_seat_limit = 4,
                  .owned = {{"mina", 5}}}};
  EXPECT_THAT(Judge(facts), NamesWith(Invariant::kAdmissionAndLimits, "user:mina"));
}

TEST(Invariants, ARunningSagaIsHeldOnlyToWhatIsTrueAtAnyMoment) {
  Case facts = Confirmed();
  facts.reservation->state = State::kConfirming;
  facts.reservation->saga_status = SagaStatus::kRunning;
  facts.seats[0].sold = false;
  facts.events.pop_back();
  EXPECT_THAT(Judge(facts), IsEmpty());
  facts.payments.push_back({2, PaymentState::kApproved, "mina", 300, "KRW", ""});
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kPaymentOnce));
}

}  // namespace
}  // namespace boxoffice::audit
