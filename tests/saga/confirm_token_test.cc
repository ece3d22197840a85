// A confirmation that brings a token of another show's queue, through the real services.
#include <gtest/gtest.h>

#include "saga/world.h"

namespace boxoffice::faults {
namespace {

TEST(ConfirmToken, OfAnotherShowIsRefusedBeforeAnythingAndTheSeatsAreConfirmedWithTheHoldsOwn) {
  World world;
  world.TakeNewShow(/*rows=*/1);
  world.TopUp({"mina"});
  const std::vector<std::string> tokens = world.Enter({"mina"});
  reservation::v1::Command hold;
  hold.set_user_id("mina");
  hold.set_idempotency_key("hold");
  hold.mutable_reserve()->set_show_id(world.show_id());
  for (const uint32_t seat_no : world.NextSeats())
    hold.mutable_reserve()->mutable_seats()->add_seat_nos(seat_no);
  hold.mutable_reserve()->set_queue_token(tokens.at(0));
  const auto held = world.Execute({hold}).at(0).reservation();
  ASSERT_EQ(held.state(), reservation::v1::HELD);

  reservation::v1::Command confirm;
  confirm.set_user_id("mina");
  confirm.set_idempotency_key("another show's");
  confirm.mutable_confirm()->set_reservation_id(held.id());
  confirm.mutable_confirm()->set_queue_token("of another show");
  confirm.mutable_confirm()->set_token_show_id(world.show_id() + 1);
  const auto refused = world.Execute({confirm}).at(0);
  EXPECT_EQ(refused.refusal().code(), "token_wrong_show");
  EXPECT_EQ(refused.reservation().state(), reservation::v1::HELD);
  EXPECT_EQ(world.Get(held.id()).version(), held.version()) << "nothing was written";

  confirm.set_idempotency_key("the hold's");
  confirm.mutable_confirm()->clear_queue_token();
  confirm.mutable_confirm()->clear_token_show_id();
  EXPECT_EQ(world.Execute({confirm}).at(0).reservation().state(), reservation::v1::CONFIRMED);
}

}  // namespace
}  // namespace boxoffice::faults
