// Each service in turn is frozen, or killed, with all its replicas and under load: what is promised holds for
// everybody else meanwhile, and everything catches up afterwards.
#include "e2e/under_fault.h"

namespace boxoffice::e2e {
namespace {

class FaultIsolation : public UnderFault {};

TEST_P(FaultIsolation, WithoutPaymentEverythingGoesOnButConfirmationsWait) {
  const Answers answers = AskWhile({"payment"});
  ExpectGoOn(answers, {"join", "poll", "map", "hold", "wallet", "charge", "reservations", "ranking"});
  ExpectWait(answers, {"confirm"});
  ExpectCatchesUp();
}

TEST_P(FaultIsolation, WithoutWalletHoldsGoOnAndConfirmationsWait) {
  const Answers answers = AskWhile({"wallet"});
  ExpectGoOn(answers, {"join", "poll", "map", "hold", "reservations", "ranking"});
  ExpectWait(answers, {"wallet", "charge", "confirm"});
  ExpectCatchesUp();
}

TEST_P(FaultIsolation, WithoutQueueNobodyNewGetsInAndWhoeverIsInGoesOn) {
  const Answers answers = AskWhile({"queue"});
  ExpectGoOn(answers, {"map", "hold", "confirm", "wallet", "charge", "reservations", "ranking"});
  ExpectWait(answers, {"join", "poll"});
  ExpectCatchesUp();
}

TEST_P(FaultIsolation, WithoutSeatMapsAndHoldsWaitAndTheRestGoesOn) {
  const Answers answers = AskWhile({"seat"});
  ExpectGoOn(answers, {"join", "poll", "wallet", "charge", "reservations", "ranking"});
  ExpectWait(answers, {"map", "hold", "confirm"});
  ExpectCatchesUp();
}

TEST_P(FaultIsolation, WithoutReservationJoinsMapsAndWalletsGoOn) {
  const Answers answers = AskWhile({"reservation"});
  ExpectGoOn(answers, {"join", "poll", "map", "wallet", "charge", "ranking"});
  ExpectWait(answers, {"hold", "confirm", "reservations"});
  ExpectCatchesUp();
}

TEST_P(FaultIsolation, WithoutRankingBuyersSeeNothingButAStaleRanking) {
  const Answers answers = AskWhile({"ranking"});
  ExpectAllGoOn(answers);
  ExpectCatchesUp();
}

TEST_P(FaultIsolation, WithoutRelayBuyersSeeNothing) {
  const Answers answers = AskWhile({"relay"});
  ExpectAllGoOn(answers);
  ExpectCatchesUp();
}

TEST_P(FaultIsolation, WithoutOneGatewayTheOtherServes) {
  const std::vector<Part> gateways = PartsOf(*system_, "gateway");
  ASSERT_EQ(gateways.size(), 2U);
  const Answers answers = AskWhile({gateways[1]}, PortOf(gateways[0].listen));
  ExpectAllGoOn(answers);
  ExpectCatchesUp();
}

INSTANTIATE_TEST_SUITE_P(By, FaultIsolation, ::testing::Values(Fault::kFrozen, Fault::kKilled),
                         UnderFault::NameOf);

}  // namespace
}  // namespace boxoffice::e2e
