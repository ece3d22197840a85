// A full disk: nothing is acknowledged that is not durable, the error is clear, and it goes on by itself when
// there is room again.
#include <csignal>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/resource.h>

#include "saga/world.h"
#include "services/payment/provider_timer.h"
#include "testing/wait.h"

namespace boxoffice::faults {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;

constexpr int kBuyers = 12;
constexpr milliseconds kLease = std::chrono::seconds(20);
constexpr milliseconds kSlow{2'000};  // as no other task of payment's waits

// What the provider's script "slow" answers waits until the test lets it, however slow the machine is.
// Thread-safe.
class HeldBackTimer final : public payment::Timer {
 public:
  void Post(Task task) override { timer_.Post(std::move(task)); }
  void After(milliseconds delay, Task task) override {
    {
      const std::scoped_lock lock(mutex_);
      if (delay == kSlow && !let_) {
        held_.push_back(std::move(task));
        return;
      }
    }
    timer_.After(delay, std::move(task));
  }
  void Let() {
    const std::scoped_lock lock(mutex_);
    let_ = true;
    for (Task& task : held_) timer_.Post(std::move(task));
    held_.clear();
  }

 private:
  std::mutex mutex_;
  bool let_ = false;
  std::vector<Task> held_;
  payment::ThreadTimer timer_;  // last: its thread uses the rest
};

class DiskFull : public ::testing::Test {
 protected:
  DiskFull() {
    std::signal(SIGXFSZ, SIG_IGN);  // a write that may not be done is an error, as on a full disk
    for (int i = 0; i < kBuyers; ++i) users_.push_back(fmt::format("buyer{}", i));
    world_.TopUp(users_);
    tokens_ = world_.Enter(users_);
  }
  ~DiskFull() override { SetRoom(true); }

  // No file may grow past its first byte: each write fails (EFBIG, where a full disk says ENOSPC).
  static void SetRoom(bool room) {
    rlimit limit{};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = room ? limit.rlim_max : 1;
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  }

  // Everybody buys two seats at once.
  std::vector<reservation::v1::Command> Sales(const std::string& method) {
    std::vector<reservation::v1::Command> commands;
    for (int i = 0; i < kBuyers; ++i) {
      reservation::v1::Command& command = commands.emplace_back();
      command.set_user_id(users_[static_cast<size_t>(i)]);
      command.set_idempotency_key("sale");
      auto& reserve = *command.mutable_reserve();
      reserve.set_show_id(world_.show_id());
      for (const uint32_t seat_no : world_.NextSeats()) reserve.mutable_seats()->add_seat_nos(seat_no);
      reserve.set_pay(true);
      reserve.set_queue_token(tokens_[static_cast<size_t>(i)]);
      reserve.set_payment_method(method);
    }
    return commands;
  }

  void ExpectAllSoldOnce(const std::vector<reservation::v1::Command>& sales) {
    ASSERT_TRUE(world_.AwaitQuiet()) << "a saga does not end";
    const auto answers = world_.Execute(sales);  // the same requests again
    for (size_t i = 0; i < answers.size(); ++i) {
      EXPECT_EQ(answers[i].reservation().state(), reservation::v1::CONFIRMED) << answers[i].DebugString();
      EXPECT_EQ(world_.BalanceOf(users_[i]), World::kTopUp - answers[i].reservation().amount());
    }
    const auto verdict = world_.Audit();
    EXPECT_TRUE(verdict.ok) << (verdict.violations.empty() ? "" : verdict.violations.front().detail);
    EXPECT_EQ(verdict.checked.at("reservations"), kBuyers);
  }

  payment::PaymentConfig HoldingBack() {
    payment::PaymentConfig config;
    config.service.provider_timeout = std::chrono::seconds(60);
    config.sandbox.slow = kSlow;
    config.make_timer = [this] {
      auto timer = std::make_unique<HeldBackTimer>();
      provider_ = timer.get();
      return timer;
    };
    return config;
  }

  HeldBackTimer* provider_ = nullptr;  // the world's
  World world_{kLease, HoldingBack()};
  std::vector<std::string> users_;
  std::vector<std::string> tokens_;
};

TEST_F(DiskFull, NothingIsAcknowledgedThatIsNotDurableAndItRecoversByItself) {
  const auto sales = Sales("");
  SetRoom(false);
  for (const auto& refused : world_.Try(sales)) {
    EXPECT_EQ(refused.header().error().reason(), "database_unavailable");
    EXPECT_EQ(refused.header().error().code(), static_cast<int>(Code::kUnavailable));
    EXPECT_FALSE(refused.has_reservation());
  }
  EXPECT_THAT(world_.Unhealthy(), Contains("reservation")) << "/readyz tells the balancer";
  EXPECT_TRUE(world_.Owners().empty()) << "what is there can still be read";
  SetRoom(true);
  for (const auto& sold : world_.Execute(sales)) {
    EXPECT_EQ(sold.reservation().state(), reservation::v1::CONFIRMED);
  }
  EXPECT_THAT(world_.Unhealthy(), IsEmpty());
  ExpectAllSoldOnce(sales);
}

// The commit that fails is in the middle of the sagas: the intent is written, the money is taken, and the
// provider has taken it too, but nobody can write that down.
TEST_F(DiskFull, SagasThatItInterruptsGoOnWhenThereIsRoomAgain) {
  const auto sales = Sales("sandbox:slow");
  std::vector<reservation::v1::Outcome> outcomes;
  std::thread buyers([&] { outcomes = world_.Try(sales); });
  for (const std::string& user : users_) {
    EXPECT_TRUE(testbed::Eventually([&] { return world_.BalanceOf(user) != World::kTopUp; }))
        << user << " has not been debited";
    if (HasFailure()) break;
  }
  SetRoom(false);
  world_.Jump(kSlow);
  provider_->Let();
  buyers.join();
  for (const auto& outcome : outcomes) {
    EXPECT_NE(outcome.reservation().state(), reservation::v1::CONFIRMED) << "it is not on disk";
  }
  SetRoom(true);
  world_.Jump(kLease + milliseconds(1));
  ExpectAllSoldOnce(sales);
}

}  // namespace
}  // namespace boxoffice::faults
