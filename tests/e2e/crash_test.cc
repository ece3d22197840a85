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
constexpr int kClients = 16;
constexpr int kPartyOfClient =
    20;  // buyers who queue together, so that sagas follow each other without a pause

// A request as it was sent; sent again, it is the same one.
struct Request {
  std::string user;
  std::string queue_token;
  std::string path;
  std::string body;
  std::string key;
};
struct Sale {
  std::string user;
  std::string reservation;
};

bool IsAnswer(const Reply& reply) {
  return reply.status != 0 && reply.status != 503 && reply.at("code") != "idempotency_key_running";
}

// Sells without a pause, to buyers who each come once. A request whose answer was lost, or is not there yet,
// is kept for later: an interrupted saga waits for the lease of the dead to run out, and the load must go on
// meanwhile.
class Client {
 public:
  Client(const System& system, std::string show, int number, uint64_t seed, const std::atomic<bool>& stop)
      : system_(system),
        show_(std::move(show)),
        number_(number),
        random_(seed),
        stop_(stop),
        api_(system.port()) {
    api_.SetTimeout(seconds(20));
  }

  void Run() {
    while (!stop_) {
      std::vector<Request> party = Admit();
      for (Request& buyer : party) {
        if (stop_) break;
        Sell(std::move(buyer));
      }
    }
  }
  // Asks again for what is in doubt; what has no answer yet stays in doubt.
  void AskAgain() {
    for (const Request& request : std::exchange(in_doubt_, {})) {
      ++asked_again_;
      Send(request);
    }
  }
  [[nodiscard]] const std::vector<Sale>& acknowledged() const { return acknowledged_; }
  [[nodiscard]] const std::map<std::string, int>& outcomes() const { return outcomes_; }
  [[nodiscard]] const std::vector<Request>& in_doubt() const { return in_doubt_; }
  [[nodiscard]] int asked_again() const { return asked_again_; }

 private:
  Reply Post(const Request& request) {
    http::HeaderList headers{{"Authorization", "Bearer " + system_.Token(request.user)},
                             {"Idempotency-Key", request.key}};
    if (!request.queue_token.empty()) headers.emplace_back("X-Queue-Token", request.queue_token);
    return api_.Call("POST", request.path, std::move(headers), request.body);
  }

  // Buyers with a place in the queue and with money; those whom a crash keeps from it are left out.
  std::vector<Request> Admit() {
    std::vector<Request> party;
    for (int i = 0; i < kPartyOfClient && !stop_; ++i) {
      Request buyer{fmt::format("client{}-{}", number_, ++buyers_),
                    {},
                    fmt::format("/v1/shows/{}/queue", show_),
                    {},
                    NewKey()};
      const Reply joined = Post(buyer);
      buyer.path = "/v1/wallet/charges";
      buyer.body = R"({"amount":2000,"currency":"KRW"})";
      if (joined.status != 200 || Post(buyer).status != 201) {
        std::this_thread::sleep_for(milliseconds(20));
        continue;
      }
      buyer.queue_token = joined.at("token");
      party.push_back(std::move(buyer));
    }
    // The queue admits in the order of joining: when the last one is in, all are.
    if (!party.empty()) {
      const http::HeaderList headers{{"Authorization", "Bearer " + system_.Token(party.back().user)},
                                     {"X-Queue-Token", party.back().queue_token}};
      Eventually([&] { return stop_ || api_.Call("GET", "/v1/queue", headers).at("state") == "ACTIVE"; },
                 seconds(15));
    }
    return party;
  }

  Reply Send(const Request& request) {
    const Reply reply = Post(request);
    if (!IsAnswer(reply)) {
      in_doubt_.push_back(request);
      return reply;
    }
    ++outcomes_[fmt::format("{} {}", reply.status,
                            reply.status < 300 ? reply.at("state") : reply.at("code"))];
    if (reply.status < 300 && reply.at("state") == "CONFIRMED")
      acknowledged_.push_back({request.user, reply.at("id")});
    return reply;
  }

  void Sell(Request request) {
    const std::string_view method = random_.Below(4) == 0 ? "sandbox:approve" : "internal";
    const bool at_once = random_.Below(2) == 0;
    request.path = "/v1/reservations";
    request.key = NewKey();
    request.body =
        fmt::format(R"({{"show_id":"{}","best_available":{{"count":{}}},"pay":{},"payment_method":"{}"}})",
                    show_, 1 + random_.Below(2), at_once, method);
    const Reply reply = Send(request);
    if (at_once || reply.status != 201) return;
    request.path = fmt::format("/v1/reservations/{}/confirm", reply.at("id"));
    request.key = NewKey();
    request.body = fmt::format(R"({{"payment_method":"{}"}})", method);
    Send(request);
  }

  const System& system_;
  const std::string show_;
  const int number_;
  SeededRandom random_;
  const std::atomic<bool>& stop_;
  Api api_;
  int buyers_ = 0;
  int asked_again_ = 0;
  std::vector<Request> in_doubt_;
  std::vector<Sale> acknowledged_;
  std::map<std::string, int> outcomes_;
};

TEST(Crash, TwentyKillsUnderLoadLoseNothing) {
  const uint64_t seed = SystemSeed();
  std::cout << "seed " << seed << "\n";
  SeededRandom random(seed);
  System system;
  ASSERT_TRUE(system.ready());
  const std::string show = system.CreateShow({.rows = 100, .seats_per_row = 900});
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

  // Whoever asks again with the same key is told what became of it.
  int asked_again = 0;
  for (const auto& client : clients) {
    client->AskAgain();
    asked_again += client->asked_again();
    EXPECT_TRUE(client->in_doubt().empty()) << client->in_doubt().size() << " requests still have no answer";
  }
  EXPECT_GE(asked_again, kCrashes) << "the kills hit next to nothing";

  std::map<std::string, int> outcomes;
  size_t lost = 0;
  for (const auto& client : clients) {
    for (const auto& [outcome, count] : client->outcomes()) outcomes[outcome] += count;
    Api api(system.port());
    for (const Sale& sale : client->acknowledged()) {
      const Reply now = api.Call("GET", "/v1/reservations/" + sale.reservation,
                                 {{"Authorization", "Bearer " + system.Token(sale.user)}});
      if (now.at("state") == "CONFIRMED") continue;
      if (++lost <= 10)
        ADD_FAILURE() << sale.user << " was told that " << sale.reservation << " is CONFIRMED: " << now;
    }
  }
  EXPECT_EQ(lost, 0U);
  for (const auto& [outcome, count] : outcomes) std::cout << outcome << ": " << count << "\n";
  std::cout << asked_again << " requests were asked again\n";
  system.ExpectCleanAudit();
}

}  // namespace
}  // namespace boxoffice::e2e
