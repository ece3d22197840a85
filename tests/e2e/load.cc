#include "e2e/load.h"

#include <utility>

#include <fmt/format.h>
#include <fmt/ostream.h>
#include <gtest/gtest.h>

#include "base/random.h"

template <>
struct fmt::formatter<boxoffice::e2e::Reply> : fmt::ostream_formatter {};

namespace boxoffice::e2e {
namespace {

constexpr int kParty = 20;  // buyers who queue together, so that sagas follow each other without a pause
constexpr milliseconds kAfterFailure{20};
constexpr size_t kMaxComplaints = 20;  // of a client

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

bool IsBad(const Reply& reply) {
  if (reply.status == 503) return reply.header("Retry-After").empty();
  return reply.status == 0 || reply.status >= 500;
}

}  // namespace

// Buyers who come one after the other.
class Load::Client {
 public:
  Client(const System& system, std::string show, const LoadOptions& options, int number,
         const std::atomic<bool>& stop)
      : system_(system),
        show_(std::move(show)),
        name_(fmt::format("{}{}", options.name, number)),
        pause_(options.pause),
        random_(options.seed + static_cast<uint64_t>(number) + 1),
        stop_(stop),
        api_(options.gateway != 0 ? options.gateway : system.AnyGateway()) {
    api_.SetTimeout(options.timeout);
  }

  void Run() {
    while (!stop_) {
      std::vector<Request> party = Admit();
      for (Request& buyer : party) {
        if (stop_) break;
        Sell(std::move(buyer));
        std::this_thread::sleep_for(pause_);
      }
    }
  }
  void AskAgain() {
    for (const Request& request : std::exchange(in_doubt_, {})) {
      ++asked_again_;
      Send(request);
    }
  }
  [[nodiscard]] const std::vector<Sale>& acknowledged() const { return acknowledged_; }
  [[nodiscard]] const std::map<std::string, int>& outcomes() const { return outcomes_; }
  [[nodiscard]] const std::vector<Request>& in_doubt() const { return in_doubt_; }
  [[nodiscard]] const std::vector<std::string>& complaints() const { return complaints_; }
  [[nodiscard]] int asked_again() const { return asked_again_; }

 private:
  Reply Post(const Request& request) {
    http::HeaderList headers{{"Authorization", "Bearer " + system_.Token(request.user)},
                             {"Idempotency-Key", request.key}};
    if (!request.queue_token.empty()) headers.emplace_back("X-Queue-Token", request.queue_token);
    Reply reply = api_.Call("POST", request.path, std::move(headers), request.body);
    if (IsBad(reply) && complaints_.size() < kMaxComplaints)
      complaints_.push_back(fmt::format("{} {}: {}", request.user, request.path, reply));
    return reply;
  }

  // Buyers with a place in the queue and with money; those whom a fault keeps from it are left out.
  std::vector<Request> Admit() {
    std::vector<Request> party;
    for (int i = 0; i < kParty && !stop_; ++i) {
      Request buyer{
          fmt::format("{}-{}", name_, ++buyers_), {}, fmt::format("/v1/shows/{}/queue", show_), {}, NewKey()};
      const Reply joined = Post(buyer);
      buyer.path = "/v1/wallet/charges";
      buyer.body = R"({"amount":2000,"currency":"KRW"})";
      if (joined.status != 200 || Post(buyer).status != 201) {
        std::this_thread::sleep_for(kAfterFailure);
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
    Reply reply = Post(request);
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
  const std::string name_;
  const milliseconds pause_;
  SeededRandom random_;
  const std::atomic<bool>& stop_;
  Api api_;
  int buyers_ = 0;
  int asked_again_ = 0;
  std::vector<Request> in_doubt_;
  std::vector<Sale> acknowledged_;
  std::map<std::string, int> outcomes_;
  std::vector<std::string> complaints_;
};

Load::Load(const System& system, const std::string& show, const LoadOptions& options) : system_(system) {
  for (int i = 0; i < options.clients; ++i) {
    clients_.push_back(std::make_unique<Client>(system, show, options, i, stop_));
    threads_.emplace_back([client = clients_.back().get()] { client->Run(); });
  }
}

Load::~Load() { Stop(); }

void Load::Stop() {
  stop_ = true;
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void Load::AskAgain() {
  for (const auto& client : clients_) client->AskAgain();
}

size_t Load::in_doubt() const {
  size_t count = 0;
  for (const auto& client : clients_) count += client->in_doubt().size();
  return count;
}

int Load::asked_again() const {
  int count = 0;
  for (const auto& client : clients_) count += client->asked_again();
  return count;
}

std::map<std::string, int> Load::outcomes() const {
  std::map<std::string, int> all;
  for (const auto& client : clients_) {
    for (const auto& [outcome, count] : client->outcomes()) all[outcome] += count;
  }
  return all;
}

std::vector<std::string> Load::complaints() const {
  std::vector<std::string> all;
  for (const auto& client : clients_)
    all.insert(all.end(), client->complaints().begin(), client->complaints().end());
  return all;
}

void Load::ExpectNothingLost() const {
  size_t lost = 0;
  for (const auto& client : clients_) {
    Api api(system_.port());
    for (const Sale& sale : client->acknowledged()) {
      const Reply now = api.Call("GET", "/v1/reservations/" + sale.reservation,
                                 {{"Authorization", "Bearer " + system_.Token(sale.user)}});
      if (now.at("state") == "CONFIRMED") continue;
      if (++lost <= 10)
        ADD_FAILURE() << sale.user << " was told that " << sale.reservation << " is CONFIRMED: " << now;
    }
  }
  EXPECT_EQ(lost, 0U);
}

}  // namespace boxoffice::e2e
