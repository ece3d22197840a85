// The servers that keep the data are frozen, or killed, under load: errors say that it does not work now, no
// acknowledged sale is lost, and everything recovers by itself.
#include "e2e/under_fault.h"

namespace boxoffice::e2e {
namespace {

class ServerFault : public UnderFault {};

TEST_P(ServerFault, WithoutPostgresqlSalesWaitAndNoneIsLost) {
  const Answers answers = AskWhile({"postgresql"});
  ExpectGoOn(answers, {"join", "poll", "ranking"});  // they live in Redis
  ExpectWait(answers, {"hold", "confirm", "wallet", "charge", "reservations"});
  ExpectCatchesUp();
}

TEST_P(ServerFault, WithoutRedisNobodyNewGetsInAndWhoeverIsInGoesOn) {
  const Answers answers = AskWhile({"redis"});
  ExpectGoOn(answers, {"map", "hold", "confirm", "wallet", "charge", "reservations", "ranking"});
  ExpectWait(answers, {"join"});
  ExpectCatchesUp();
}

TEST_P(ServerFault, WithoutKafkaBuyersSeeNothingAndNoEventIsLost) {
  const Answers answers = AskWhile({"kafka"});
  ExpectAllGoOn(answers);
  ExpectCatchesUp();
}

INSTANTIATE_TEST_SUITE_P(By, ServerFault, ::testing::Values(Fault::kFrozen, Fault::kKilled),
                         UnderFault::NameOf);

}  // namespace
}  // namespace boxoffice::e2e
