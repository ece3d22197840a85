#include "chaos/crowd.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/check.h"
#include "chaos/answer.h"

namespace boxoffice::chaos {
namespace {

using Kind = Operation::Kind;
using Outcome = Operation::Outcome;
using reservation::State;
using std::chrono::seconds;

constexpr seconds kRequestLimit{20};
constexpr seconds kConnectLimit{3};
constexpr seconds kPatience{90};  // of most buyers, with one thing that they want
constexpr milliseconds kSlow{1'000};
constexpr milliseconds kPoll{300};
constexpr milliseconds kBeforeAgain{300};
constexpr size_t kMaxComplaints = 40;
constexpr int kMaxBuyers = 2'000;    // at once; more stay away
constexpr int64_t kMoney = 100'000;  // more than any purchase costs

asio::awaitable<void> Pause(milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  boost::system::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

int64_t NumberOf(const json::value& value, std::string_view name) {
  const json::value& found = At(value, name);
  return found.is_number() ? found.to_number<int64_t>() : 0;
}

std::optional<State> ParseState(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(State::kReleased); ++i) {
    if (reservation::StateName(static_cast<State>(i)) == name) return static_cast<State>(i);
  }
  return std::nullopt;
}

// What a reservation says of itself, into the operation.
void Take(const json::value& reservation, Operation& op) {
  op.reservation = ReservationId::Parse(TextOf(reservation, "id")).value_or(op.reservation);
  op.state = ParseState(TextOf(reservation, "state")).value_or(op.state);
  if (op.kind != Kind::kCancel) op.amount = NumberOf(reservation, "amount");
  const json::value* const seats = Find(reservation, "seats");
  if (seats == nullptr || !seats->is_array() || seats->as_array().empty()) return;
  op.seats.clear();
  for (const json::value& seat : seats->as_array())
    op.seats.push_back(static_cast<uint32_t>(NumberOf(seat, "seat_no")));
}

}  // namespace

// A request with effects, as it is sent, and sent again.
struct Crowd::Wish {
  Kind kind = Kind::kTopUp;
  std::string path;
  std::string body;
  std::string key;
  ReservationId reservation;
  std::vector<uint32_t> seats;
  bool best = false;
  int64_t amount = 0;
  bool again = false;       // as Operation's
  bool other_body = false;  // likewise
};

struct Crowd::Buyer {
  std::string name;
  std::string authorization;
  std::string queue_token;
  size_t gateway = 0;
  std::unique_ptr<http::ClientConnection> connection;
  bool hasty = false;  // asks once, and may never learn what came of it
  bool tardy = false;  // her acquirer takes its time, and that is no trouble
  int keys = 0;
  std::optional<Wish> taken;  // that was answered with seats
  [[nodiscard]] std::string NewKey() { return fmt::format("{}-{}", name, ++keys); }
};

Crowd::Crowd(CrowdOptions options, const auth::TokenIssuer& issuer)
    : options_(std::move(options)), issuer_(issuer), random_(options_.seed) {
  asio::co_spawn(io_, Arrive(), asio::detached);
  thread_ = std::jthread([this] { io_.run(); });
}

Crowd::~Crowd() {
  io_.stop();
  if (thread_.joinable()) thread_.join();
}

void Crowd::Close(milliseconds patience) {
  give_up_ms_ = ToUnixMs(clock_.Now() + patience);
  closed_ = true;
}

void Crowd::Join() {
  CHECK(gone());
  thread_.join();
}

// A Poisson process.
asio::awaitable<void> Crowd::Arrive() {
  const auto executor = co_await asio::this_coro::executor;
  for (int number = 1; !closed_; ++number) {
    const double uniform = static_cast<double>(random_.Below(1'000'000) + 1) / 1e6;
    co_await Pause(milliseconds(static_cast<int64_t>(-std::log(uniform) * 1'000 / options_.rate_per_s)));
    if (closed_ || open_ >= kMaxBuyers) continue;
    ++open_;
    asio::co_spawn(executor, Live(number), asio::detached);
  }
}

asio::awaitable<void> Crowd::Live(int number) {
  Buyer buyer;
  buyer.name = fmt::format("{}-{}", options_.name, number);
  auto token = issuer_.Issue(buyer.name, auth::Role::kBuyer, std::chrono::hours(2));
  CHECK(token.has_value(), "{}", token.error().detail);
  buyer.authorization = "Bearer " + *token;
  buyer.gateway = static_cast<size_t>(number) % options_.gateways.size();
  buyer.hasty = random_.Below(100) < 8;
  const bool is_in = co_await Enter(buyer);
  if (is_in) co_await Buy(buyer);
  if (buyer.taken) co_await AskAgain(buyer);
  --open_;
}

// Waits her turn. False: it never came.
asio::awaitable<bool> Crowd::Enter(Buyer& buyer) {
  const std::string join = fmt::format("/v1/shows/{}/queue", options_.show);
  const Timestamp until = clock_.Now() + kPatience;
  bool joined = false;
  while (clock_.Now() < until && ToUnixMs(clock_.Now()) < give_up_ms_) {
    const std::string method = joined ? "GET" : "POST";
    const std::string path = joined ? "/v1/queue" : join;
    const Answer answer = co_await Ask(buyer, method, path, "", "");
    const std::string state = TextOf(answer.body, "state");
    if (answer.status == 200 && !TextOf(answer.body, "token").empty()) {
      buyer.queue_token = TextOf(answer.body, "token");
      joined = true;
    }
    if (state == "ACTIVE") {
      if (const std::string in = TextOf(answer.body, "admission"); !in.empty()) buyer.queue_token = in;
      co_return true;
    }
    if (joined && state != "WAITING" && answer.status >= 200 && answer.status < 500)
      joined = false;  // lost: again
    co_await Pause(kPoll);
  }
  co_return false;
}

// What she does once she is in.
asio::awaitable<void> Crowd::Buy(Buyer& buyer) {
  const auto chance = [this](uint64_t percent) { return random_.Below(100) < percent; };
  Wish top_up;
  top_up.kind = Kind::kTopUp;
  top_up.path = "/v1/wallet/charges";
  top_up.amount = chance(5) ? 1 : kMoney + static_cast<int64_t>(random_.Below(1'000));
  top_up.body = fmt::format(R"({{"amount":{},"currency":"KRW"}})", top_up.amount);
  top_up.key = buyer.NewKey();
  const Operation paid_in = co_await Do(buyer, std::move(top_up));
  if (paid_in.outcome == Outcome::kFailed) co_return;

  constexpr const char* kMethods[] = {"internal",
                                      "internal",
                                      "internal",
                                      "internal",
                                      "internal",
                                      "sandbox:approve",
                                      "sandbox:approve",
                                      "sandbox:decline",
                                      "sandbox:timeout_before_capture",
                                      "sandbox:timeout_after_capture",
                                      "sandbox:error_after_capture",
                                      "sandbox:slow"};
  const std::string method = kMethods[random_.Below(std::size(kMethods))];
  buyer.tardy = method.contains("timeout") || method.contains("error") || method.contains("slow");
  Wish take;
  take.kind = chance(50) ? Kind::kPay : Kind::kHold;
  take.path = "/v1/reservations";
  take.key = buyer.NewKey();
  take.best = chance(60);
  const auto count = static_cast<uint32_t>(1 + random_.Below(2));
  const auto first = static_cast<uint32_t>(1 + random_.Below(options_.seats - 1));
  for (uint32_t seat = first; !take.best && seat < first + count; ++seat) take.seats.push_back(seat);
  take.body = fmt::format(R"({{"show_id":"{}",{},"pay":{},"payment_method":"{}"}})", options_.show,
                          take.best ? fmt::format(R"("best_available":{{"count":{}}})", count)
                                    : fmt::format(R"("seats":[{}])", fmt::join(take.seats, ",")),
                          take.kind == Kind::kPay, method);
  Operation got = co_await Do(buyer, take);
  if (got.outcome == Outcome::kOk) buyer.taken = std::move(take);
  if (got.outcome == Outcome::kOk && got.kind == Kind::kHold) {
    co_await Pause(milliseconds(static_cast<int64_t>(random_.Below(2'000))));
    if (chance(8)) co_return;  // she goes, and says nothing
    Wish next;
    const bool gives_back = chance(10);
    next.kind = gives_back ? Kind::kCancel : Kind::kConfirm;
    next.path =
        fmt::format("/v1/reservations/{}/{}", got.reservation.ToString(), gives_back ? "cancel" : "confirm");
    next.body = gives_back ? "" : fmt::format(R"({{"payment_method":"{}"}})", method);
    next.key = buyer.NewKey();
    next.reservation = got.reservation;
    got = co_await Do(buyer, std::move(next));
    if (gives_back) co_return;
  }
  if (got.outcome != Outcome::kOk || !chance(12)) co_return;
  co_await Pause(milliseconds(static_cast<int64_t>(random_.Below(1'000))));
  Wish regret;
  regret.kind = Kind::kCancel;
  regret.path = fmt::format("/v1/reservations/{}/cancel", got.reservation.ToString());
  regret.key = buyer.NewKey();
  regret.reservation = got.reservation;
  (void)co_await Do(buyer, std::move(regret));
}

// Her first request once more, whatever has become of its reservation since; or another by its key.
asio::awaitable<void> Crowd::AskAgain(Buyer& buyer) {
  const uint64_t drawn = random_.Below(100);
  if (drawn >= 20) co_return;
  Wish again = *buyer.taken;
  again.again = true;
  if (drawn < 5) {
    again.other_body = true;
    again.body.insert(again.body.size() - 2, "-other");  // at the end of its payment's method
  }
  (void)co_await Do(buyer, std::move(again));
}

// Asks, with the same key, until it is known what came of it, or she gives up.
asio::awaitable<Operation> Crowd::Do(Buyer& buyer, Wish wish) {
  const size_t index = history_.size();
  Operation op;
  op.kind = wish.kind;
  op.buyer = buyer.name;
  op.key = wish.key;
  op.invoked = clock_.Now();
  op.reservation = wish.reservation;
  op.seats = wish.seats;
  op.best = wish.best;
  op.again = wish.again;
  op.other_body = wish.other_body;
  op.amount = wish.amount;
  history_.push_back(op);
  while (true) {
    const Answer answer = co_await Ask(buyer, "POST", wish.path, wish.body, wish.key);
    op.returned = clock_.Now();
    const bool good = answer.status == 200 || answer.status == 201;
    const bool no = answer.status >= 400 && answer.status < 500 && answer.status != 429 &&
                    TextOf(answer.body, "code") != "idempotency_key_running";
    if (good || no) {
      op.outcome = good ? Outcome::kOk : Outcome::kFailed;
      if (no) op.refusal = TextOf(answer.body, "code");
      const json::value* const inside = no ? Find(answer.body, "reservation") : &answer.body;
      if (wish.kind != Kind::kTopUp && inside != nullptr) Take(*inside, op);
      // It was held at some moment since she asked.
      op.held_until = op.invoked + options_.hold_ttl;
    }
    const bool over =
        ToUnixMs(op.returned) >= give_up_ms_ || op.returned - op.invoked >= kPatience || buyer.hasty;
    if (op.outcome != Outcome::kUnknown || over) break;
    const int64_t spread = static_cast<int64_t>(random_.Below(300));
    co_await Pause(milliseconds(std::max<int64_t>(answer.retry_after_s, 0) * 1'000 + spread) + kBeforeAgain);
  }
  history_[index] = op;
  co_return op;
}

// One try, at one of the gateways. What it met is noted.
asio::awaitable<Crowd::Answer> Crowd::Ask(Buyer& buyer, std::string method, std::string path,
                                          std::string body, std::string key) {
  http::ClientRequest request;
  request.method = std::move(method);
  request.url = std::move(path);
  request.body = std::move(body);
  request.timeout = kRequestLimit;
  request.headers = {{"Authorization", buyer.authorization}};
  if (!request.body.empty()) request.headers.emplace_back("Content-Type", "application/json");
  if (!key.empty()) request.headers.emplace_back("Idempotency-Key", key);
  if (!buyer.queue_token.empty()) request.headers.emplace_back("X-Queue-Token", buyer.queue_token);
  const Timestamp begin = clock_.Now();
  const Result<http::ClientResponse> response = co_await Send(buyer, request);
  Answer answer;
  if (response) {
    answer.status = response->status;
    boost::system::error_code error;
    answer.body = json::parse(response->body, error);
    if (error) answer.body = nullptr;
    if (const auto after = response->header("Retry-After"))
      std::from_chars(after->data(), after->data() + after->size(), answer.retry_after_s);
  }
  Note(buyer, begin, answer, request.method + " " + request.url);
  co_return answer;
}

// A connection that was kept may have been closed meanwhile: that alone is tried at once again.
asio::awaitable<Result<http::ClientResponse>> Crowd::Send(Buyer& buyer, const http::ClientRequest& request) {
  const bool kept = buyer.connection && buyer.connection->is_open();
  for (int tries = 0;; ++tries) {
    if (!buyer.connection || !buyer.connection->is_open()) {
      const auto executor = co_await asio::this_coro::executor;
      Result<std::unique_ptr<http::ClientConnection>> connected = co_await http::ClientConnection::Connect(
          executor, "127.0.0.1", options_.gateways[buyer.gateway], kConnectLimit);
      if (!connected) {
        buyer.gateway = (buyer.gateway + 1) % options_.gateways.size();
        if (tries < static_cast<int>(options_.gateways.size()) - 1) continue;
        co_return std::unexpected(std::move(connected).error());
      }
      buyer.connection = *std::move(connected);
    }
    http::ClientRequest copy = request;
    Result<http::ClientResponse> response = co_await buyer.connection->Roundtrip(std::move(copy));
    if (response) co_return response;
    buyer.connection.reset();
    if (kept && tries == 0 && response.error().reason == "connection_lost") continue;
    buyer.gateway = (buyer.gateway + 1) % options_.gateways.size();
    co_return response;
  }
}

void Crowd::Note(const Buyer& buyer, Timestamp begin, const Answer& answer, const std::string& what) {
  const Timestamp end = clock_.Now();
  const bool works_not = answer.status == 0 || answer.status == 202 || answer.status >= 500;
  asked_.push_back({begin, end, !buyer.tardy && (works_not || end - begin > kSlow)});
  const std::string code = answer.status >= 400 ? TextOf(answer.body, "code") : "";
  ++answers_[fmt::format("{}{}{}", answer.status, code.empty() ? "" : " ", code)];
  const bool bad = answer.status >= 500 && (answer.status != 503 || answer.retry_after_s < 0);
  if (bad && complaints_.size() < kMaxComplaints)
    complaints_.push_back(
        fmt::format("{} was answered {} {}", what, answer.status, json::serialize(answer.body)));
}

}  // namespace boxoffice::chaos
