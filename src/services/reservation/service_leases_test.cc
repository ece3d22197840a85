// Leases of many sagas that wait at once. The batch executor has no thread here: a transaction is a turn.
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "services/reservation/saga/testing_saga.h"
#include "services/reservation/service.h"
#include "services/reservation/testing_service.h"

namespace boxoffice::reservation {
namespace {

constexpr size_t kSagas = 50;

class CountingStore final : public Store {
 public:
  Result<Rows> Load(const Keys& keys, Timestamp now) override { return rows.Load(keys, now); }
  Result<std::vector<bool>> Save(std::span<const Change> changes) override {
    ++saves;
    return rows.Save(changes);
  }
  Result<Forgotten> ForgetRequests(Timestamp, int64_t) override { return Forgotten(); }
  MemoryStore rows;
  size_t saves = 0;
};

// The seat service answers when it is let.
class SlowSeats final : public World {
 public:
  explicit SlowSeats(const asio::any_io_executor& executor) : gate_(executor) {
    gate_.expires_at(asio::steady_timer::time_point::max());
  }
  void Open() { gate_.cancel(); }
  asio::awaitable<StepResult> HoldSeats(Reservation& r, Timestamp until) override {
    boost::system::error_code opened;
    co_await gate_.async_wait(asio::redirect_error(asio::use_awaitable, opened));
    co_return co_await World::HoldSeats(r, until);
  }

 private:
  asio::steady_timer gate_;
};

class LeasesTest : public ::testing::Test {
 protected:
  LeasesTest() {
    obs::SetLogLevel(obs::Level::kError);
    ServiceConfig config;
    config.owner = "me";
    config.retry.retries = 0;
    config.limits.turns = [this](milliseconds, std::function<void()> turn) { turn_ = std::move(turn); };
    service_ = std::make_unique<Service>(std::move(config), io_.get_executor(), store_, reader_, no_shows_,
                                         seats_, clock_, random_, metrics_, [] {});
  }
  // Until nothing is left to do at once.
  void RunAll() {
    do {
      if (turn_) std::exchange(turn_, nullptr)();
      Poll();
    } while (turn_);
  }
  // The same, but for the transaction that is next.
  void Poll() {
    io_.restart();
    io_.poll();
  }
  void Hold(const std::string& user_id, uint32_t seat_no) {
    ReserveRequest request;
    request.request.key = {user_id, "key"};
    request.choice.seat_nos = {seat_no};
    service_->Reserve(std::move(request), [](const Result<Answer>&) {});
  }

  ManualClock clock_;
  SeededRandom random_{7};
  obs::Registry metrics_;
  asio::io_context io_;
  std::function<void()> turn_;
  CountingStore store_;
  EmptyReader reader_;
  EmptyShowReader no_shows_;
  SlowSeats seats_{io_.get_executor()};
  std::unique_ptr<Service> service_;
};

TEST_F(LeasesTest, TheLeasesOfManySagasAreGivenUpInOneTransaction) {
  for (uint32_t i = 1; i <= kSagas; ++i) Hold("buyer-" + std::to_string(i), i);
  RunAll();
  ASSERT_EQ(service_->running(), kSagas);
  const size_t before = store_.saves;
  bool drained = false;
  asio::co_spawn(io_, service_->Drain(milliseconds(0)), [&](const std::exception_ptr&) { drained = true; });
  RunAll();
  EXPECT_TRUE(drained);
  EXPECT_EQ(store_.saves, before + 1);
  for (const auto& [id, reservation] : store_.rows.reservations())
    EXPECT_EQ(reservation.due_at, clock_.Now()) << "anybody may claim it at once";
  seats_.Open();
  RunAll();
  EXPECT_EQ(service_->running(), 0U);
}

// Else what waits for half a second waits for a whole lease, if nobody gives the lease up.
TEST_F(LeasesTest, ASagaThatBeginsToWaitKeepsItsNextTryWhateverComesOfItsLeaseMeanwhile) {
  Hold("buyer", 1);
  RunAll();
  seats_.faults = {{seats_.calls, Fault::kNotDone}};
  seats_.Open();
  Poll();
  ASSERT_TRUE(turn_) << "that it waits is to be written";
  asio::co_spawn(io_, service_->Drain(milliseconds(0)), asio::detached);
  Poll();  // which gives up the leases of what still runs
  RunAll();
  const Reservation& waits = store_.rows.reservations().begin()->second;
  EXPECT_EQ(waits.saga.tries, 1U);
  EXPECT_EQ(waits.due_at, clock_.Now() + Policy().first_backoff);
}

}  // namespace
}  // namespace boxoffice::reservation
