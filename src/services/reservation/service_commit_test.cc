// The service where its database says nothing certain: a COMMIT that was done, and nobody is told.
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "services/reservation/saga/testing_saga.h"
#include "services/reservation/service.h"

namespace boxoffice::reservation {
namespace {

// Used by the batch executor's thread, looked at by the test's.
class UncertainStore final : public Store {
 public:
  Result<Rows> Load(const Keys& keys, Timestamp now) override {
    const std::scoped_lock lock(mutex_);
    return store_.Load(keys, now);
  }
  Result<std::vector<bool>> Save(std::span<const Change> changes) override {
    const std::scoped_lock lock(mutex_);
    auto saved = store_.Save(changes);
    if (!loses || !std::ranges::any_of(changes, loses)) return saved;
    loses = nullptr;
    ++lost;
    return Fail(Code::kUnknown, "commit_unknown", "the connection was lost");
  }
  Result<Forgotten> ForgetRequests(Timestamp, int64_t) override { return Forgotten(); }
  std::optional<Reservation> Only() {
    const std::scoped_lock lock(mutex_);
    if (store_.reservations().empty()) return std::nullopt;
    return store_.reservations().begin()->second;
  }
  std::vector<std::string> Events() {
    const std::scoped_lock lock(mutex_);
    return store_.events();
  }
  // The first COMMIT with such a change is done, and its answer lost. Set before the service runs.
  std::function<bool(const Change&)> loses;
  int lost = 0;

 private:
  std::mutex mutex_;
  MemoryStore store_;
};

class OnlyReader final : public Reader {
 public:
  explicit OnlyReader(UncertainStore& store) : store_(store) {}
  Result<std::optional<Reservation>> Get(ReservationId) override { return store_.Only(); }
  Result<Page> List(const ListQuery&) override { return Page(); }
  Result<Page> ListSagas(std::optional<SagaStatus>, ReservationId, uint32_t) override { return Page(); }
  Result<std::vector<SagaCount>> CountSagas() override { return std::vector<SagaCount>(); }
  Result<Page> Scan(ReservationId, uint32_t) override { return Page(); }

 private:
  UncertainStore& store_;
};

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

class CommitTest : public ::testing::Test {
 protected:
  CommitTest() {
    obs::SetLogLevel(obs::Level::kError);
    ServiceConfig config;
    config.owner = "me";
    config.retry.retries = 0;
    service_ = std::make_unique<Service>(std::move(config), io_.get_executor(), store_, reader_, world_,
                                         clock_, random_, metrics_, [] {});
  }
  Result<Answer> Buy() {
    ReserveRequest request;
    request.request.key = {"buyer", "buy"};
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

  ManualClock clock_;
  SeededRandom random_{7};
  obs::Registry metrics_;
  asio::io_context io_;
  UncertainStore store_;
  OnlyReader reader_{store_};
  ShyWorld world_;
  std::unique_ptr<Service> service_;

 private:
  Result<Answer> Await(std::optional<Result<Answer>>& got) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!got && std::chrono::steady_clock::now() < end) {
      io_.restart();
      io_.run_for(milliseconds(1));
    }
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
