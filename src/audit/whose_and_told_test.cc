// Whose a reservation's payment and seats are, and what its events tell of money.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/facts_for_test.h"

namespace boxoffice::audit {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;

TEST(Invariant5, APaymentOfAnotherBuyerIsFound) {
  Case facts = Confirmed();
  facts.payments[0].user_id = "jun";
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kConfirmedComplete));
}

TEST(Invariant5, ASeatThatIsSoldToAnotherBuyerIsFoundWhereTheBuyerIsKnown) {
  Case facts = Confirmed();
  facts.seats[1].user_hash = UserHash("mina");
  EXPECT_THAT(Judge(facts), IsEmpty());
  facts.seats[1].user_hash = UserHash("jun");
  EXPECT_THAT(Judge(facts), ElementsAre(AllOf(Field(&Violation::invariant, Invariant::kConfirmedComplete),
                                              Field(&Violation::ids, Contains("seat:7/2")))));
}

TEST(Invariant10, AnEventThatTellsOfAnotherFeeIsFound) {
  Case facts = Confirmed();
  facts.reservation->fees = 10;
  facts.debits[0].debited = facts.payments[0].amount = 310;  // of a seat that it had, and gave back
  facts.events.push_back({MakeEventId(3), EventType::kSeatsCancelled, 6, 90, 10});
  facts.reservation->version = 6;
  facts.events.push_back(facts.events.back());  // delivered twice
  EXPECT_THAT(Judge(facts), IsEmpty());
  for (const size_t event : {2U, 3U}) facts.events[event].fee = 20;
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kEventsPublished));
}

TEST(Invariant10, ALastEventThatTellsOfAnotherAmountIsFound) {
  Case facts = Confirmed();
  facts.events[0].amount = 299;  // it was held at another price
  EXPECT_THAT(Judge(facts), IsEmpty());
  facts.events[1].amount = 299;
  EXPECT_THAT(Judge(facts), NamesOnly(Invariant::kEventsPublished));
}

}  // namespace
}  // namespace boxoffice::audit
