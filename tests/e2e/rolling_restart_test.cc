// A new version goes live in the middle of a sale: every replica of every service is restarted, one after the
// other, and no buyer notices.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <map>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "e2e/parts.h"
#include "e2e/system.h"
#include "testing/kafka_broker.h"

namespace boxoffice::e2e {
namespace {

constexpr int kBuyersAtOnce = 32;
constexpr milliseconds kPollEvery{50};
constexpr seconds kFullSpeed{8};  // as fast as answers come, to see what half of it is
constexpr seconds kRestartLimit{60};

// People who buy, change their minds and look around, until Stop. Every answer that a buyer should not get is
// kept.
class Crowd {
 public:
  // `name` begins that of each; `pace` is from one request of a buyer to the next.
  Crowd(const System& system, std::string show, std::string name, std::chrono::microseconds pace)
      : system_(system), show_(std::move(show)), name_(std::move(name)), pace_(pace) {
    for (int t = 0; t < kBuyersAtOnce; ++t) threads_.emplace_back([this, t] { Run(t); });
  }
  ~Crowd() { Stop(); }
  void Stop() {
    stop_ = true;
    for (auto& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }

  [[nodiscard]] int requests() const { return requests_; }
  [[nodiscard]] int sold() const { return sold_; }
  [[nodiscard]] std::map<std::string, int> failures() {
    const std::scoped_lock lock(mutex_);
    return failures_;
  }

 private:
  using Clock = std::chrono::steady_clock;

  // A load balancer that has heard that a gateway goes sends new connections to the other one.
  void Run(int thread) {
    std::vector<uint16_t> gateways = system_.gateways();
    for (int i = 0; !stop_; ++i) {
      const std::string user = fmt::format("{}-{}-{}", name_, thread, i);
      Buyer buyer(gateways, user, system_.Token(user));
      Visit(buyer, i);
      std::ranges::rotate(gateways, std::ranges::find(gateways, buyer.api().port()));
    }
  }

  // One visit: buys at once, or holds first, and every third changes their mind.
  void Visit(Buyer& buyer, int i) {
    Clock::time_point next = Clock::now();
    const auto ask = [&](std::string_view what, std::initializer_list<int> right, const auto& request) {
      std::this_thread::sleep_until(next += pace_);
      Reply reply = request();
      Note(what, right, reply);
      return reply;
    };
    Reply joined = ask("join", {200}, [&] { return buyer.Join(show_); });
    for (int polls = 0; joined.at("state") == "WAITING" && polls < 200; ++polls) {
      std::this_thread::sleep_for(kPollEvery);
      joined = ask("poll", {200}, [&] { return buyer.Call("GET", "/v1/queue"); });
    }
    if (joined.at("state") != "ACTIVE") {
      Fail("it is never ACTIVE, but " + joined.at("state"));
      return;
    }
    ask("charge", {201}, [&] { return buyer.Charge(10'000); });
    const bool at_once = i % 2 == 0;
    const std::string choice = fmt::format(R"("best_available":{{"count":1}},"pay":{})", at_once);
    const std::string key = NewKey();
    Reply bought = ask("reserve", {201}, [&] { return buyer.Reserve(show_, choice, key); });
    const std::string id = bought.at("id");
    ask("get", {200}, [&] { return buyer.Get(id); });
    if (i % 5 == 0)
      ask("look", {200}, [&] { return buyer.Call("GET", fmt::format("/v1/shows/{}/seats", show_)); });
    if (!at_once) bought = ask("confirm", {200}, [&] { return buyer.Confirm(id); });
    if (bought.at("state") != "CONFIRMED") {
      Fail("it is bought, and " + bought.at("state"));
      return;
    }
    ++sold_;
    if (i % 3 == 0) {
      const Reply cancelled = ask("cancel", {200}, [&] { return buyer.Cancel(id); });
      if (cancelled.at("state") != "CANCELLED") Fail("it is cancelled, and " + cancelled.at("state"));
    }
    ask("wallet", {200}, [&] { return buyer.Call("GET", "/v1/wallet"); });
    ask("list", {200}, [&] { return buyer.Call("GET", "/v1/reservations"); });
    ask("rankings", {200}, [&] { return buyer.Call("GET", "/v1/rankings?by=bookings&window=hour"); });
  }

  void Note(std::string_view what, std::initializer_list<int> right, const Reply& reply) {
    ++requests_;
    if (std::ranges::find(right, reply.status) != right.end()) return;
    Fail(fmt::format("{}: {} {} {}", what, reply.status, reply.error, reply.at("code")));
  }
  void Fail(const std::string& what) {
    const std::scoped_lock lock(mutex_);
    ++failures_[what];
  }

  const System& system_;
  const std::string show_;
  const std::string name_;
  const std::chrono::microseconds pace_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> requests_ = 0;
  std::atomic<int> sold_ = 0;
  std::mutex mutex_;
  std::map<std::string, int> failures_;
  std::vector<std::thread> threads_;
};

// Requests a second that this machine answers when buyers ask as fast as they can.
double FullSpeed(const System& system, const std::string& show) {
  Crowd crowd(system, show, "eager", std::chrono::microseconds(0));
  EXPECT_TRUE(Eventually([&] { return crowd.sold() > kBuyersAtOnce; }, seconds(60)));
  const auto start = std::chrono::steady_clock::now();
  const int before = crowd.requests();
  std::this_thread::sleep_for(kFullSpeed);
  const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const int requests = crowd.requests() - before;
  crowd.Stop();
  EXPECT_THAT(crowd.failures(), testing::IsEmpty());
  return requests / took;
}

// As a deployment does it: SIGTERM, and whatever comes next, comes once the new process is ready.
void Restart(const System& system, const Part& part) {
  ASSERT_EQ(kill(part.pid, SIGTERM), 0) << part.name;
  EXPECT_TRUE(AwaitRestart(system, {part}, kRestartLimit)) << part.name << " did not come back";
}

TEST(RollingRestart, OfEveryServiceAtHalfLoadShowsNoErrorToAnybody) {
  BOXOFFICE_NEED_KAFKA();
  System system({"--no-seed"}, Form::kScaled);
  ASSERT_TRUE(system.ready());
  ASSERT_EQ(system.gateways().size(), 2U);
  const std::string show = system.CreateShow({.rows = 100, .seats_per_row = 200});
  const double full = FullSpeed(system, show);
  ASSERT_GT(full, 0);
  Crowd crowd(system, show, "buyer",
              std::chrono::microseconds(static_cast<int64_t>(1e6 * kBuyersAtOnce / (full / 2))));
  ASSERT_TRUE(Eventually([&] { return crowd.sold() > 10; }, seconds(60)));
  const auto start = std::chrono::steady_clock::now();
  const int before = crowd.requests();
  int restarts = 0;
  for (const char* service :
       {"queue", "seat", "wallet", "payment", "reservation", "ranking", "relay", "gateway"}) {
    const std::vector<Part> replicas = PartsOf(system, service);
    ASSERT_EQ(replicas.size(), 2U) << service;
    for (const Part& replica : replicas) {
      const size_t failed = crowd.failures().size();
      Restart(system, replica);
      ++restarts;
      EXPECT_EQ(crowd.failures().size(), failed) << "while a " << service << " was restarted";
    }
  }
  const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const int requests = crowd.requests() - before;
  crowd.Stop();
  EXPECT_THAT(crowd.failures(), testing::IsEmpty());
  RecordProperty("requests", requests);
  fmt::print("{} restarts in {:.0f} s at {:.0f} of {:.0f} requests/s, {} sold\n", restarts, took,
             requests / took, full, crowd.sold());
  // Half, but that other tests may have begun since `full` was measured.
  EXPECT_GT(requests / took, full / 4) << "the load was not half of what the machine can do";
  EXPECT_TRUE(Eventually([&] { return system.CountSagas("running") == 0; }, seconds(60)));
  EXPECT_EQ(system.CountSagas("parked"), 0U);
  system.ExpectCleanAudit();
}

}  // namespace
}  // namespace boxoffice::e2e
