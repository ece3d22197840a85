#include "bench/shop.h"

#include <algorithm>
#include <deque>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "bench/generator.h"
#include "boxoffice/demo_plans.h"
#include "platform/auth/development.h"
#include "platform/http/client.h"

namespace boxoffice::bench {
namespace {

namespace json = boost::json;

constexpr int64_t kCharge = 10'000'000;  // enough for eight of the dearest seats
constexpr std::chrono::seconds kTokenLife{3600};
constexpr std::chrono::seconds kAdmissionLimit{60};
constexpr std::chrono::seconds kRefusedLimit{60};  // of buyers who are prepared, and told to come again
constexpr std::chrono::seconds kAuditLimit{300};

std::unexpected<Error> SetupFailed(std::string_view what, int status, std::string_view body) {
  return Fail(Code::kInternal, "setup_failed", fmt::format("{}: {} {}", what, status, body.substr(0, 300)));
}

// The body that creates a show in the demo's stadium.
std::string StadiumShow(const std::string& concert_id, Timestamp starts_at) {
  const demo::Plan plan = demo::Stadium();
  json::object prices;
  for (const auto& [category, price] : plan.prices) prices[category] = price;
  return fmt::format(
      R"({{"concert_id":"{}","starts_at":"{}","currency":"KRW","seating_plan":{},"prices":{}}})", concert_id,
      ToRfc3339(starts_at), plan.seating_plan, json::serialize(prices));
}

}  // namespace

Result<Shop> Shop::Open(const SystemProcess& system, HttpLoad& load) {
  auto clock = std::make_unique<SystemClock>();
  BOXOFFICE_ASSIGN(const auth::TokenConfig config, auth::DevelopmentTokens(system.data_dir()));
  BOXOFFICE_ASSIGN(auto issuer, auth::TokenIssuer::Make(config, *clock));
  BOXOFFICE_ASSIGN(std::string jwt, issuer.Issue("bench-operator", auth::Role::kOperator, kTokenLife));
  Shop shop(load, std::move(issuer), std::move(clock));
  shop.operator_jwt_ = std::move(jwt);
  shop.data_dir_ = system.data_dir();
  return shop;
}

Result<std::string> Shop::Ask(std::string_view method, std::string_view path, std::string_view body,
                              std::chrono::seconds limit) {
  std::string request;
  AppendRequest(request, method, path, operator_jwt_,
                fmt::format("Idempotency-Key: setup-{}\r\n", ++next_key_), body);
  BOXOFFICE_ASSIGN(HttpLoad::Reply reply, load_->Call(request, limit));
  if (reply.status < 200 || reply.status > 299)
    return SetupFailed(fmt::format("{} {}", method, path), reply.status, reply.body);
  return std::move(reply.body);
}

Result<std::string> Shop::CreateShow() {
  if (!concert_id_) {
    BOXOFFICE_ASSIGN(
        const std::string concert,
        Ask("POST", "/v1/admin/concerts", R"({"title":"Bench","artist":"The Load","venue":"Memory"})"));
    concert_id_ = FindJsonText(concert, "id");
  }
  const std::string body = StadiumShow(*concert_id_, clock_->Now() + std::chrono::days(30));
  BOXOFFICE_ASSIGN(const std::string show, Ask("POST", "/v1/admin/shows", body));
  std::string id(FindJsonText(show, "id"));
  if (id.empty()) return SetupFailed("POST /v1/admin/shows", 201, show);
  BOXOFFICE_TRY(SetQueue(id, R"({"rate_per_s":100000,"active_cap":1000000})"));
  shows_.push_back(id);
  return id;
}

Result<void> Shop::SetQueue(const std::string& show, const std::string& change) {
  BOXOFFICE_TRY(Ask("PATCH", fmt::format("/v1/admin/shows/{}/queue", show), change));
  return {};
}

Result<std::vector<Buyer>> Shop::NewBuyers(size_t count) {
  std::vector<Buyer> buyers(count);
  for (size_t i = 0; i < count; ++i) {
    BOXOFFICE_ASSIGN(buyers[i].jwt, issuer_.Issue(fmt::format("b{}", i), auth::Role::kBuyer, kTokenLife));
  }
  return buyers;
}

Result<std::vector<Buyer>> Shop::AdmitBuyers(size_t count, size_t per_show) {
  BOXOFFICE_ASSIGN(std::vector<Buyer> buyers, NewBuyers(count));
  for (size_t i = 0; i < count; ++i) buyers[i].show = std::min(i / per_show, shows_.size() - 1);
  BOXOFFICE_TRY(PrepareBuyers(buyers));
  BOXOFFICE_TRY(WaitAdmitted(count));
  return buyers;
}

// Two requests for each buyer: a charge (even tags) and a place in the queue (odd tags). A 503 is asked
// again, with the same key.
Result<void> Shop::PrepareBuyers(std::vector<Buyer>& buyers) {
  const std::string charge = fmt::format(R"({{"amount":{},"currency":"KRW"}})", kCharge);
  size_t next = 0;
  size_t answered = 0;
  std::optional<Error> failure;
  std::deque<uint64_t> again;
  const auto refused_until = SteadyClock::now() + kRefusedLimit;
  LoadPlan plan;
  plan.depth = 4;
  plan.ask = [&](std::string& out, uint64_t& tag) {
    if ((next == 2 * buyers.size() && again.empty()) || failure) return false;
    if (again.empty()) {
      tag = next++;
    } else {
      tag = again.front();
      again.pop_front();
    }
    const Buyer& buyer = buyers[tag / 2];
    if (tag % 2 == 0) {
      AppendRequest(out, "POST", "/v1/wallet/charges", buyer.jwt, "Idempotency-Key: charge\r\n", charge);
    } else {
      AppendRequest(out, "POST", fmt::format("/v1/shows/{}/queue", shows_[buyer.show]), buyer.jwt, "", "");
    }
    return true;
  };
  plan.take = [&](const Answer& answer) {
    const bool is_charge = answer.tag % 2 == 0;
    if (answer.status == 503 && SteadyClock::now() < refused_until) {
      again.push_back(answer.tag);
      return;
    }
    ++answered;
    if (answer.status != (is_charge ? 201 : 200) && !failure) {
      failure = SetupFailed(is_charge ? "a charge" : "joining a queue", answer.status, answer.body).error();
    } else if (!is_charge) {
      buyers[answer.tag / 2].queue_token = FindQueueToken(answer.body);
    }
  };
  do {  // what the last answers ask for again
    load_->Run(plan);
  } while (!again.empty() && !failure && !Interrupted());
  if (failure) return std::unexpected(*failure);
  if (answered < 2 * buyers.size()) return Fail(Code::kUnavailable, "setup_failed", "interrupted");
  return {};
}

Result<void> Shop::WaitAdmitted(size_t count) {
  const auto deadline = SteadyClock::now() + kAdmissionLimit;
  int64_t active = 0;
  while (SteadyClock::now() < deadline && !Interrupted()) {
    active = 0;
    for (const std::string& show : shows_) {
      BOXOFFICE_ASSIGN(const std::string text, Ask("GET", fmt::format("/v1/admin/shows/{}/queue", show), ""));
      boost::system::error_code error;
      const json::value queue = json::parse(text, error);
      const json::value* sessions =
          error || !queue.is_object() ? nullptr : queue.as_object().if_contains("active");
      if (sessions == nullptr || !sessions->is_int64()) return SetupFailed("a queue", 200, text);
      active += sessions->as_int64();
    }
    if (std::cmp_greater_equal(active, count)) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return Fail(Code::kUnavailable, "setup_failed",
              fmt::format("{} of {} buyers were admitted in time", active, count));
}

Result<json::array> ProcessesOf(const std::filesystem::path& data_dir) {
  std::ifstream in(data_dir / "cluster.json");
  const std::string state(std::istreambuf_iterator<char>(in), {});
  boost::system::error_code error;
  const json::value cluster = json::parse(state, error);
  const json::value* processes =
      error || !cluster.is_object() ? nullptr : cluster.as_object().if_contains("processes");
  if (processes == nullptr || !processes->is_array()) return SetupFailed("cluster.json", 0, state);
  return processes->as_array();
}

// Each process of a scaled system tells its own.
Result<std::string> Shop::Metrics() {
  if (!std::filesystem::exists(data_dir_ / "cluster.json")) return Ask("GET", "/metrics", "");
  BOXOFFICE_ASSIGN(const json::array processes, ProcessesOf(data_dir_));
  std::string all;
  for (const json::value& process : processes) {
    const json::value* admin = process.is_object() ? process.as_object().if_contains("admin") : nullptr;
    if (admin == nullptr || !admin->is_string()) continue;
    http::ClientRequest request;
    request.url = fmt::format("http://{}/metrics", std::string_view(admin->as_string()));
    BOXOFFICE_ASSIGN(const http::ClientResponse response, http::FetchBlocking(std::move(request)));
    if (response.status == 200) all += response.body;
  }
  return all;
}

Result<AuditVerdict> Shop::Audit() {
  const auto start = SteadyClock::now();
  BOXOFFICE_ASSIGN(std::string text, Ask("POST", "/v1/admin/audit", "", kAuditLimit));
  AuditVerdict verdict;
  verdict.took = std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - start);
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  const json::value* ok = error || !value.is_object() ? nullptr : value.as_object().if_contains("ok");
  verdict.ok = ok != nullptr && ok->is_bool() && ok->as_bool();
  verdict.json = std::move(text);
  return verdict;
}

}  // namespace boxoffice::bench
