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
#include "services/reservation/show_client.h"
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
  BOXOFFICE_FAKE(GetShow, seat::v1, GetShowRequest, Show)
};

class ParticipantClientTest : public ::testing::Test {
 protected:
  ParticipantClientTest() {
    EXPECT_TRUE(serves_);
    thread_ = std::jthread([this] { io_.run(); });
  }
  template <typename T>
  T Await(asio::awaitable<T> asked) {
    return asio::co_spawn(io_, std::move(asked), asio::use_future).get();
  }

  FakeSeats seats_;
  rpc::Host host_;
  const bool serves_ = host_.Start(seats_, {}).has_value();  // before a channel is asked for
  obs::Registry metrics_;
  asio::io_context io_;
  std::jthread thread_;  // ends after the work
  const asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(io_);
  const rpc::ChannelFactory channels_ = [this](std::string_view service) {
    return service == "seat" ? host_.InProcessChannel() : rpc::NoChannel();
  };
  ParticipantClient client_{io_.get_executor(), channels_, metrics_, {.step = milliseconds(60'000)}};
};

// A replica that is cut off from its database may remember it as it was long ago: fees would be taken by
// that, and a waitlist ended.
TEST_F(ParticipantClientTest, WhatAShowIsIsAskedOfAReplicaThatKnowsItFresh) {
  seats_.GetShow_.answer = [](const seat::v1::GetShowRequest& request) -> Result<seat::v1::Show> {
    EXPECT_TRUE(request.fresh());
    return WithFees(seat::v1::ON_SALE);
  };
  ShowClient shows(io_.get_executor(), channels_, metrics_, milliseconds(60'000));
  EXPECT_TRUE(Await(client_.GetCancelPolicy(7)));
  EXPECT_TRUE(Await(shows.Get(7)));
  EXPECT_EQ(seats_.GetShow_.calls, 2);
}

// Or the auditor would find, while replicas of two versions run, that seats are held for longer than was
// told.
TEST_F(ParticipantClientTest, SeatsThatAReplicaOfTheVersionBeforeKeepsForLongerAreToldToBeHeldForThatLong) {
  int64_t held_until_ms = 0;
  seats_.commands.answer = [&](const seat::v1::Command& command) -> Result<seat::v1::Outcome> {
    EXPECT_EQ(command.hold().keep_until_ms(), 300'000);
    seat::v1::Outcome outcome;
    outcome.mutable_seats()->set_kind(seat::v1::SeatOutcome::DONE);
    outcome.mutable_seats()->set_hold_expires_at_ms(held_until_ms);
    return outcome;
  };
  const auto told_after_keep = [&](int64_t answered_ms) {
    held_until_ms = answered_ms;
    Reservation reservation;
    reservation.seats = {{1, "A-1", 60, "S"}};
    reservation.hold_expires_at = FromUnixMs(300'000);
    const auto kept = Await(client_.KeepSeats(reservation));
    EXPECT_EQ(kept.kind, StepResult::Kind::kDone);
    return reservation.hold_expires_at;
  };
  EXPECT_EQ(told_after_keep(0), FromUnixMs(300'000)) << "one that knows it keeps them for no longer";
  EXPECT_EQ(told_after_keep(360'000), FromUnixMs(360'000));
}

}  // namespace
}  // namespace boxoffice::reservation
