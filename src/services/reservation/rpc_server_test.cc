// Commands as they come in: the time that their callers give them. The batch executor has no thread here: a
// transaction is a turn.
#include "services/reservation/rpc_server.h"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "services/reservation/saga/testing_saga.h"
#include "services/reservation/store_show_sqlite.h"
#include "services/reservation/store_sqlite.h"
#include "services/reservation/testing_service.h"
#include "testing/temp_dir.h"

namespace boxoffice::reservation {
namespace {

class ReservationRpcTest : public ::testing::Test {
 protected:
  explicit ReservationRpcTest(size_t max_running = ServiceConfig().max_running) {
    obs::SetLogLevel(obs::Level::kError);
    ServiceConfig config;
    config.owner = "me";
    config.max_running = max_running;
    config.limits.turns = [this](milliseconds, std::function<void()> turn) { turn_ = std::move(turn); };
    service_ = std::make_unique<Service>(std::move(config), io_.get_executor(), rows_, reader_, *show_reader_,
                                         world_, clock_, random_, metrics_, [] {});
    show_service_ =
        std::make_unique<ShowService>(ShowServiceConfig(), io_.get_executor(), *show_store_, *show_reader_,
                                      reader_, *service_, shows_, clock_, random_, metrics_);
    server_ =
        std::make_unique<RpcServer>(io_.get_executor(), *service_, reader_, *show_service_, *show_reader_);
  }
  static v1::Command Reserve(const std::string& user, uint32_t timeout_ms = 0) {
    v1::Command command;
    command.mutable_header()->set_timeout_ms(timeout_ms);
    command.set_user_id(user);
    command.set_idempotency_key("key");
    command.mutable_reserve()->set_show_id(1);
    command.mutable_reserve()->mutable_seats()->add_seat_nos(1);
    return command;
  }
  v1::Command Confirm(uint32_t timeout_ms) {
    v1::Command command = Reserve("mina", timeout_ms);
    const auto id = ReservationId::Make(clock_.Now(), random_);
    command.mutable_confirm()->set_reservation_id(std::string(id.bytes()));
    return command;
  }
  // What it is answered, once it is.
  std::shared_ptr<std::optional<v1::Outcome>> Take(v1::Command command) {
    auto told = std::make_shared<std::optional<v1::Outcome>>();
    auto& commands = static_cast<rpc::CommandIntake<v1::CommandBatch, v1::OutcomeBatch>&>(server_->streams());
    commands.Take(std::move(command), [told](v1::Outcome&& outcome) { *told = std::move(outcome); });
    return told;
  }
  // The same, but its time is over before the service's thread comes to it.
  std::shared_ptr<std::optional<v1::Outcome>> TakeLate(v1::Command command) {
    auto told = Take(std::move(command));
    const auto end = std::chrono::steady_clock::now() + milliseconds(kTimeMs);
    EXPECT_TRUE(RunFor(elsewhere_, std::chrono::seconds(20),
                       [end] { return std::chrono::steady_clock::now() >= end; }));
    return told;
  }
  static std::string ReasonOf(const std::optional<v1::Outcome>& told) {
    return told ? told->header().error().reason() : "no answer";
  }
  void Poll() {
    io_.restart();
    io_.poll();
  }
  void RunTurn() {
    ASSERT_TRUE(turn_);
    std::exchange(turn_, nullptr)();
    Poll();
  }

  static constexpr uint32_t kTimeMs = 1;
  const testbed::TempDir dir_;
  const std::filesystem::path file_ = dir_.path() / "reservation.db";
  ManualClock clock_;
  SeededRandom random_{7};
  obs::Registry metrics_;
  asio::io_context io_;
  asio::io_context elsewhere_;
  std::function<void()> turn_;
  SharedStore rows_;
  EmptyReader reader_;
  World world_;
  NoShows shows_;
  const std::unique_ptr<Store> migrated_ = SqliteStore::Open(file_, random_).value();
  const std::unique_ptr<ShowStore> show_store_ = SqliteShowStore::Open(file_).value();
  const std::unique_ptr<ShowReader> show_reader_ = SqliteShowReader::Open(file_).value();
  std::unique_ptr<Service> service_;
  std::unique_ptr<ShowService> show_service_;
  std::unique_ptr<RpcServer> server_;
};

// Under overload sagas would else begin for callers who were told "timeout" long ago.
TEST_F(ReservationRpcTest, WhatHasNotBegunInItsTimeNeverDoesAndThatTimeCountsFromTheArrival) {
  for (const v1::Command& command : {Reserve("mina", kTimeMs), Confirm(kTimeMs)}) {
    const auto told = TakeLate(command);
    Poll();
    RunTurn();
    ASSERT_EQ(ReasonOf(*told), "deadline_passed");
    EXPECT_EQ(static_cast<Code>((*told)->header().error().code()), Code::kUnavailable);
    EXPECT_EQ(rows_.Only(), std::nullopt);
  }
  const auto patient = Take(Confirm(/*timeout_ms=*/0));
  Poll();
  RunTurn();
  EXPECT_EQ(ReasonOf(*patient), "reservation_not_found") << "whose caller names no time waits";
}

TEST_F(ReservationRpcTest, AnOwnersWriteIsDoneHoweverLateInTheBatchInWhichARequestIsDropped) {
  const auto held = Take(Reserve("mina"));
  Poll();
  RunTurn();  // the intent; its saga runs to its end, which is the next to be written
  ASSERT_FALSE(held->has_value());
  const auto late = TakeLate(Reserve("ann", kTimeMs));
  Poll();
  RunTurn();
  EXPECT_EQ(ReasonOf(*late), "deadline_passed");
  ASSERT_TRUE(held->has_value());
  EXPECT_EQ((*held)->reservation().state(), v1::HELD);
  EXPECT_EQ(rows_.Only()->saga.status, SagaStatus::kDone);
}

TEST_F(ReservationRpcTest, WhomTheQueueRefusesIsToldSoAndNothingIsWrittenButARepeatGetsItsAnswer) {
  v1::Command refused = Reserve("mina");
  refused.mutable_reserve()->mutable_queue_refusal()->set_code("session_not_active");
  refused.mutable_reserve()->mutable_queue_refusal()->set_queue_state("WAITING");
  const auto told = Take(refused);
  Poll();
  RunTurn();
  ASSERT_TRUE(told->has_value());
  EXPECT_EQ((*told)->refusal().code(), "session_not_active");
  EXPECT_EQ((*told)->refusal().queue_state(), "WAITING");
  EXPECT_EQ(rows_.Only(), std::nullopt);
  const auto held = Take(Reserve("mina"));
  Poll();
  RunTurn();  // the intent
  RunTurn();  // and its end
  ASSERT_TRUE(held->has_value());
  EXPECT_EQ((*held)->reservation().state(), v1::HELD);
  const auto again = Take(refused);
  Poll();
  RunTurn();
  ASSERT_TRUE(again->has_value());
  EXPECT_FALSE((*again)->has_refusal());
  EXPECT_EQ((*again)->reservation().id(), (*held)->reservation().id());
}

class FullReservationRpcTest : public ReservationRpcTest {
 protected:
  FullReservationRpcTest() : ReservationRpcTest(/*max_running=*/0) {}
};

TEST_F(FullReservationRpcTest, WhoCameInTimeIsToldThatItIsOverloadedAndNobodyIsAskedForWhoDidNot) {
  const auto in_time = Take(Reserve("mina"));
  Poll();
  RunTurn();
  EXPECT_EQ(ReasonOf(*in_time), "overloaded");
  const auto late = TakeLate(Reserve("mina", kTimeMs));
  Poll();
  RunTurn();
  EXPECT_EQ(ReasonOf(*late), "deadline_passed");
}

}  // namespace
}  // namespace boxoffice::reservation
