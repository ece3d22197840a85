// The service where its database says nothing certain: a COMMIT that was done, and nobody is told.
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>

#include "services/reservation/saga/testing_saga.h"
#include "services/reservation/service.h"
#include "services/reservation/testing_service.h"

namespace boxoffice::reservation {
namespace {

class ShyWorld final : public World {
 public:
  // Nobody says what the show's policy is.
  bool show_is_away = false;
  asio::awaitable<Result<CancelPolicy>> GetCancelPolicy(int64_t show_id) override {
    const Error away{Code::kUnavailable, "connection_refused", {}};
    if (show_is_away) co_return std::unexpected(away);
    co_return co_await World::GetCancelPolicy(show_id);
  }
};

// Finds the only one that there is, or as it is once it is cancelled.
class CancellingReader final : public EmptyReader {
 public:
  explicit CancellingReader(SharedStore& store) : store_(store) {}
  std::atomic<bool> cancelled = false;
  Result<std::optional<Reservation>> Get(ReservationId) override {
    auto found = store_.Only();
    if (!found || !cancelled) return found;
    found->state = State::kCancelled;
    found->saga = Saga();
    found->saga.status = SagaStatus::kDone;
    return found;
  }

 private:
  SharedStore& store_;
};

class CommitTest : public ::testing::Test {
 protected:
  CommitTest() {
    obs::SetLogLevel(obs::Level::kError);
    ServiceConfig config;
    config.owner = "me";
    config.retry.retries = 0;
    service_ = std::make_unique<Service>(std::move(config), io_.get_executor(), store_, reader_, no_shows_,
                                         world_, clock_, random_, metrics_, [] {});
  }
  Result<Answer> Buy(bool sent_before = false) {
    ReserveRequest request;
    request.request.key = {"buyer", "buy"};
    request.request.sent_before = sent_before;
    request.choice.seat_nos = {1};
    request.pay = true;
    std::optional<Result<Answer>> got;
    service_->Reserve(std::move(request), [&got](Result<Answer> answer) { got = std::move(answer); });
    return Await(got);
  }
  Result<Answer> Cancel() {
    CancelRequest request{.request = {.key = {"buyer", "cancel"}}, .reservation_id = store_.Only()->id};
    std::optional<Result<Answer>> got;
    asio::co_spawn(io_, service_->Cancel(std::move(request)),
                   [&got](const std::exception_ptr& failed, Result<Answer> answer) {
                     if (!failed) got = std::move(answer);
                   });
    return Await(got);
  }

  // A purchase whose owner died once it had written the intent, and whose lease is over.
  void LeaveOneToClaim() {
    BeginReserve begin;
    begin.key = {"buyer", "buy"};
    Reservation& reservation = begin.reservation.Own();
    reservation.id = ReservationId::Make(clock_.Now(), random_);
    reservation.user_id = "buyer";
    reservation.choice.seat_nos = {1};
    reservation.saga.id = SagaId::Make(clock_.Now(), random_);
    reservation.saga.kind = SagaKind::kOneShot;
    reservation.saga.owner = "dead";
    const std::vector<Command> commands{begin};
    const Decided decided = Decide(Rows(), commands, clock_.Now(), Policy());
    ASSERT_TRUE(store_.Save(decided.decision.changes));
    clock_.Advance(Policy().lease);
  }
  bool RunUntil(const std::function<bool()>& done) { return RunFor(io_, std::chrono::seconds(20), done); }
  void Drain() {
    bool drained = false;
    asio::co_spawn(io_, service_->Drain(milliseconds(0)),
                   [&drained](const std::exception_ptr&) { drained = true; });
    EXPECT_TRUE(RunUntil([&drained] { return drained; }));
  }

  // A claim whose COMMIT ends unknown: what it took over is worked on by it.
  void ClaimUnknown() {
    LeaveOneToClaim();
    store_.loses = [](const Change& change) { return change.reservation->saga.owner == "me"; };
    service_->StartScanning();
    const auto is_confirmed = [this] { return store_.Only()->state == State::kConfirmed; };
    EXPECT_TRUE(RunUntil(is_confirmed)) << "the clock stands still, so no lease ends";
    EXPECT_EQ(store_.lost, 1);
    EXPECT_EQ(store_.Only()->saga.epoch, 2U) << "it was claimed once";
    Drain();
  }

  ManualClock clock_;
  SeededRandom random_{7};
  obs::Registry metrics_;
  asio::io_context io_;
  SharedStore store_;
  CancellingReader reader_{store_};
  EmptyShowReader no_shows_;
  ShyWorld world_;
  std::unique_ptr<Service> service_;

 private:
  Result<Answer> Await(std::optional<Result<Answer>>& got) {
    RunUntil([&got] { return got.has_value(); });
    return got.value_or(Fail(Code::kInternal, "no_answer"));
  }
};

bool IsEndOfSaga(const Change& change) { return change.reservation->saga.status == SagaStatus::kDone; }

TEST_F(CommitTest, AnEndWhoseCommitWasDoneUnknownIsToldAsDone) {
  store_.loses = IsEndOfSaga;
  const auto bought = Buy();
  ASSERT_TRUE(bought) << ErrorOf(bought) << ": she has bought, and is told so";
  EXPECT_EQ(bought->reservation->state, State::kConfirmed);
  EXPECT_EQ(store_.lost, 1);
  EXPECT_THAT(store_.Events(), ::testing::ElementsAre("reservation.confirmed"));
}

TEST_F(CommitTest, ADecisionToUndoWhoseCommitWasDoneUnknownIsGoneOnWith) {
  store_.loses = [](const Change& change) { return change.reservation->saga.undoing; };
  world_.declines = true;
  const auto declined = Buy();
  ASSERT_TRUE(declined) << ErrorOf(declined);
  EXPECT_EQ(declined->reservation->state, State::kFailed);
  EXPECT_EQ(declined->refusal->code, "payment_refused");
  EXPECT_EQ(store_.lost, 1);
  EXPECT_EQ(world_.balance, kBalance);
}

TEST_F(CommitTest, AWaitWhoseCommitWasDoneUnknownIsCountedOnceAndTheBuyerIsToldThatItGoesOn) {
  store_.loses = [](const Change& change) { return change.reservation->saga.tries > 0; };
  world_.faults = {{2, Fault::kNotDone}};  // the debit
  const auto waits = Buy();
  ASSERT_TRUE(waits) << ErrorOf(waits);
  EXPECT_EQ(waits->reservation->state, State::kConfirming);
  EXPECT_FALSE(waits->refusal);
  EXPECT_EQ(store_.lost, 1);
  EXPECT_EQ(store_.Only()->saga.tries, 1U);
}

TEST_F(CommitTest, AClaimWhoseCommitWasDoneUnknownIsWorkedOnAtOnce) { ClaimUnknown(); }

TEST_F(CommitTest, AClaimWhoseCommitEndsWhileItRunsAgainIsWorkedOnAtOnce) {
  store_.ends_late = true;
  ClaimUnknown();
}

// Her purchase ends after it was looked for, and is cancelled before it is read.
TEST_F(CommitTest, WhoLostHerAnswerIsNotToldOfAnotherSagaThatHasBegunSince) {
  LeaveOneToClaim();
  const auto told = Buy(/*sent_before=*/true);
  ASSERT_TRUE(told) << ErrorOf(told);
  EXPECT_EQ(told->reservation->state, State::kConfirming);
  reader_.cancelled = true;
  EXPECT_EQ(ErrorOf(Buy(/*sent_before=*/true)), "idempotency_key_running");
}

TEST_F(CommitTest, ACancellationThatHasEndedIsToldAgainThoughTheSeatServiceIsAway) {
  ASSERT_TRUE(Buy());
  const auto cancelled = Cancel();
  ASSERT_TRUE(cancelled) << ErrorOf(cancelled);
  ASSERT_EQ(cancelled->reservation->state, State::kCancelled);
  world_.show_is_away = true;
  const auto again = Cancel();
  ASSERT_TRUE(again) << ErrorOf(again);
  EXPECT_EQ(*again, *cancelled);
}

}  // namespace
}  // namespace boxoffice::reservation
