// A hold that has run out. A show's holds last a minute at least, and so does this test.
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "e2e/system.h"

namespace boxoffice::e2e {
namespace {

TEST(ExpiredHold, ConfirmIs409WhereTheSeatsWentAndGoesOnWhereTheyAreFree) {
  System system;
  ASSERT_TRUE(system.ready());
  const std::string show = system.CreateShow({.hold_ttl_s = 60});
  Buyer late(system, "late"), lucky(system, "lucky"), gone(system, "gone"), quick(system, "quick");
  std::map<Buyer*, std::string> ids;
  int seat = 0;
  for (Buyer* buyer : {&late, &lucky, &gone}) {
    ASSERT_TRUE(buyer->Enter(show));
    ASSERT_EQ(buyer->Charge(1'000).status, 201);
    const Reply held = buyer->Reserve(show, fmt::format(R"("seats":[{}])", ++seat));
    ASSERT_EQ(held.status, 201) << held;
    ids[buyer] = held.at("id");
  }
  ASSERT_TRUE(quick.Enter(show));
  EXPECT_EQ(quick.Reserve(show, R"("seats":[1])").status, 409);

  // Free at once when the time is over, not when a sweeper comes by.
  ASSERT_TRUE(Eventually([&] { return quick.Reserve(show, R"("seats":[1])").status == 201; }, seconds(120)));
  const Reply went = late.Confirm(ids[&late]);
  EXPECT_EQ(went.status, 409) << went;
  EXPECT_EQ(late.Balance(), 1'000);
  const Reply free = lucky.Confirm(ids[&lucky]);
  EXPECT_EQ(free.status, 200) << free;
  EXPECT_EQ(free.at("state"), "CONFIRMED");
  EXPECT_EQ(lucky.Balance(), 0);

  // Nobody confirms the third: it is tidied up.
  EXPECT_EQ(gone.Await(ids[&gone], "EXPIRED").at("state"), "EXPIRED");
  EXPECT_EQ(gone.Confirm(ids[&gone]).status, 409);
  EXPECT_EQ(gone.Balance(), 1'000);
  system.ExpectCleanAudit();
}

}  // namespace
}  // namespace boxoffice::e2e
