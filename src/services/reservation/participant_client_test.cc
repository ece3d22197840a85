// What the participants' answers mean to a reservation.
#include "services/reservation/participant_client.h"

#include <memory>
#include <string_view>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>

#include "platform/rpc/host.h"
#include "testing/fake_call.h"

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

struct FakeSeats final : seat::v1::SeatService::CallbackService {
  testbed::FakeCommands<seat::v1::CommandBatch, seat::v1::OutcomeBatch> commands;
  grpc::ServerBidiReactor<seat::v1::CommandBatch, seat::v1::OutcomeBatch>* Execute(
      grpc::CallbackServerContext*) override {
    return commands.Open();
  }
};

// Or the auditor would find, while replicas of two versions run, that seats are held for longer than was
// told.
TEST(ParticipantClientTest, SeatsThatAReplicaOfTheVersionBeforeKeepsForLongerAreToldToBeHeldForThatLong) {
  FakeSeats seats;
  int64_t held_until_ms = 0;
  seats.commands.answer = [&](const seat::v1::Command& command) -> Result<seat::v1::Outcome> {
    EXPECT_EQ(command.hold().keep_until_ms(), 300'000);
    seat::v1::Outcome outcome;
    outcome.mutable_seats()->set_kind(seat::v1::SeatOutcome::DONE);
    outcome.mutable_seats()->set_hold_expires_at_ms(held_until_ms);
    return outcome;
  };
  rpc::Host host;
  ASSERT_TRUE(host.Start(seats, {}));
  obs::Registry metrics;
  asio::io_context io;
  std::jthread thread;  // ends after the work
  const auto work = asio::make_work_guard(io);
  thread = std::jthread([&io] { io.run(); });
  const rpc::ChannelFactory channels = [&host](std::string_view service) {
    return service == "seat" ? host.InProcessChannel() : rpc::NoChannel();
  };
  ParticipantClient client(io.get_executor(), channels, metrics, {.step = milliseconds(60'000)});
  const auto told_after_keep = [&](int64_t answered_ms) {
    held_until_ms = answered_ms;
    Reservation reservation;
    reservation.seats = {{1, "A-1", 60, "S"}};
    reservation.hold_expires_at = FromUnixMs(300'000);
    const auto kept = asio::co_spawn(io, client.KeepSeats(reservation), asio::use_future).get();
    EXPECT_EQ(kept.kind, StepResult::Kind::kDone);
    return reservation.hold_expires_at;
  };
  EXPECT_EQ(told_after_keep(0), FromUnixMs(300'000)) << "one that knows it keeps them for no longer";
  EXPECT_EQ(told_after_keep(360'000), FromUnixMs(360'000));
}

}  // namespace
}  // namespace boxoffice::reservation
