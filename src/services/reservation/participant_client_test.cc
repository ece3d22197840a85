// What the participants' answers mean to a reservation.
#include "services/reservation/participant_client.h"

#include <gmock/gmock.h>

namespace boxoffice::reservation {
namespace {

seat::v1::Show WithFees(seat::v1::ShowState state) {
  seat::v1::Show show;
  show.set_state(state);
  show.set_starts_at_ms(2'000);
  show.set_cancel_fee_per_seat(5);
  show.set_cancel_fee_percent(10);
  return show;
}

TEST(PolicyOfTest, BuyersCancelUntilTheShowSaysOrElseUntilItStarts) {
  seat::v1::Show show = WithFees(seat::v1::ON_SALE);
  EXPECT_EQ(PolicyOf(show).deadline, FromUnixMs(2'000));
  show.set_cancel_deadline_ms(1'000);
  EXPECT_EQ(PolicyOf(show).deadline, FromUnixMs(1'000));
}

TEST(PolicyOfTest, WhoCancelsBeforeTheCancellationOfTheShowReachesHerPaysNoFee) {
  Reservation reservation;
  reservation.seats = {{1, "A-1", 60, "S"}, {2, "A-2", 40, "S"}};
  EXPECT_EQ(ReturnOf(reservation, {}, PolicyOf(WithFees(seat::v1::SOLD_OUT))).fee, 20);
  const Return returned = ReturnOf(reservation, {}, PolicyOf(WithFees(seat::v1::CANCELLED)));
  EXPECT_EQ(returned.fee, 0);
  EXPECT_EQ(returned.amount, 100);
}

}  // namespace
}  // namespace boxoffice::reservation
