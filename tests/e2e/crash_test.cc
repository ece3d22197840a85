// The process is killed at random moments under load, and started again: whatever was acknowledged is there,
// and whatever was under way ends.
#include <atomic>
#include <iostream>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/random.h"
#include "e2e/system.h"

namespace boxoffice::e2e {
namespace {

constexpr int kCrashes = 20;
constexpr int kClients = 6;

struct Sale {
  std::string user;
  std::string reservation;
};

// A client that never gives a request up: it repeats it with the same key until there is an answer, as ours
// asks for.
class Client {
 public:
  Client(const System& system, std::string show, int number, uint64_t seed, const std::atomic<bool>& stop)
      : system_(system), show_(std::move(show)), number_(number), random_(seed), stop_(stop) {}

  void Run() {
    while (!stop_) SellOne();
  }
  [[nodiscard]] const std::vector<Sale>& acknowledged() const { return acknowledged_; }
  [[nodiscard]] const std::map<std::string, int>& outcomes() const { return outcomes_; }

 private:
  static constexpr int kMaxAttempts = 3'000;  // 30 s and more of restarts; a bound for the loop, no more

  // Until the answer is one: not lost, not "later", not "still running".
  Reply Insist(const std::function<Reply()>& request) {
    Reply reply;
    for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
      reply = request();
      const bool later =
          reply.status == 0 || reply.status == 503 || reply.at("code") == "idempotency_key_running";
      if (!later) return reply;
      std::this_thread::sleep_for(milliseconds(20));
    }
    return reply;
  }

  void Count(const Reply& reply) {
    const std::string what = reply.status < 300 ? reply.at("state") : reply.at("code");
    ++outcomes_[fmt::format("{} {}", reply.status, what)];
    if (reply.status < 300 && reply.at("state") == "CONFIRMED")
      acknowledged_.push_back({buyer_->user(), reply.at("id")});
  }

  void SellOne() {
    buyer_ = std::make_unique<Buyer>(system_, fmt::format("client{}-{}", number_, ++sales_));
    buyer_->api().SetTimeout(seconds(20));
    if (Insist([&] { return buyer_->Join(show_); }).status != 200) return;
    const std::string charge = NewKey();
    const Reply charged = Insist([&] {
      return buyer_->Call("POST", "/v1/wallet/charges", R"({"amount":2000,"currency":"KRW"})",
                          {{"Idempotency-Key", charge}});
    });
    EXPECT_EQ(charged.status, 201) << charged;
    Reply place;
    do {
      place = Insist([&] { return buyer_->Call("GET", "/v1/queue"); });
    } while (place.at("state") == "WAITING" && !stop_);
    const std::string_view method = random_.Below(4) == 0 ? "sandbox:approve" : "internal";
    const std::string key = NewKey();
    if (random_.Below(2) == 0) {
      const std::string choice =
          fmt::format(R"("best_available":{{"count":{}}},"pay":true,"payment_method":"{}")",
                      1 + random_.Below(2), method);
      Count(Insist([&] { return buyer_->Reserve(show_, choice, key); }));
      return;
    }
    const Reply held = Insist([&] { return buyer_->Reserve(show_, R"("best_available":{"count":1})", key); });
    if (held.status != 201) {
      Count(held);
      return;
    }
    const std::string confirm_key = NewKey();
    Count(Insist([&] { return buyer_->Confirm(held.at("id"), std::string(method), confirm_key); }));
  }

  const System& system_;
  const std::string show_;
  const int number_;
  SeededRandom random_;
  const std::atomic<bool>& stop_;
  int sales_ = 0;
  std::unique_ptr<Buyer> buyer_;
  std::vector<Sale> acknowledged_;
  std::map<std::string, int> outcomes_;
};

TEST(Crash, TwentyKillsUnderLoadLoseNothing) {
  const uint64_t seed = SystemSeed();
  std::cout << "seed " << seed << "\n";
  SeededRandom random(seed);
  System system;
  ASSERT_TRUE(system.ready());
  const std::string show = system.CreateShow({.rows = 100, .seats_per_row = 400});
  std::atomic<bool> stop = false;
  std::vector<std::unique_ptr<Client>> clients;
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<Client>(system, show, i, seed + static_cast<uint64_t>(i) + 1, stop));
    threads.emplace_back([client = clients.back().get()] { client->Run(); });
  }
  for (int crash = 0; crash < kCrashes; ++crash) {
    std::this_thread::sleep_for(milliseconds(50 + random.Below(2'000)));
    system.Crash();
    system.Start();
    if (!system.ready()) break;
  }
  const auto last_start = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(milliseconds(500));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(system.ready());

  // Leases of the dead run out after 15 s, and then everything ends.
  EXPECT_TRUE(Eventually([&] { return system.CountSagas("running") == 0; }, seconds(30)))
      << system.CountSagas("running") << " sagas have not ended";
  EXPECT_LE(std::chrono::steady_clock::now() - last_start, seconds(45));
  EXPECT_EQ(system.CountSagas("parked"), 0U);

  size_t acknowledged = 0;
  std::map<std::string, int> outcomes;
  for (const auto& client : clients) {
    for (const auto& [outcome, count] : client->outcomes()) outcomes[outcome] += count;
    for (const Sale& sale : client->acknowledged()) {
      ++acknowledged;
      Buyer buyer(system, sale.user);
      const Reply now = buyer.Get(sale.reservation);
      EXPECT_EQ(now.at("state"), "CONFIRMED")
          << sale.user << " was told that " << sale.reservation << " is CONFIRMED: " << now;
    }
  }
  for (const auto& [outcome, count] : outcomes) std::cout << outcome << ": " << count << "\n";
  EXPECT_GT(acknowledged, static_cast<size_t>(kCrashes)) << "there was next to no load";
  system.ExpectCleanAudit();
}

}  // namespace
}  // namespace boxoffice::e2e
