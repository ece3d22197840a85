#include "e2e/system.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>
#include <thread>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "e2e/parts.h"
#include "platform/auth/development.h"
#include "testing/kafka_broker.h"

namespace boxoffice::e2e {
namespace {

const SystemClock kClock;

std::vector<std::string> FlagsOf(std::vector<std::string> flags, Form form) {
  if (form == Form::kScaled) {
    flags.insert(flags.end(),
                 {"--scaled", "--replicas", "2", "--kafka-class-path", testbed::KafkaBroker::ClassPath()});
  }
  return flags;
}

// What every test of the run would miss.
class Needs final : public testing::Environment {
  void SetUp() override {
    if (FormOfThisRun() == Form::kScaled) BOXOFFICE_NEED_KAFKA();
  }
};
[[maybe_unused]] const testing::Environment* const kNeeds = testing::AddGlobalTestEnvironment(new Needs());

}  // namespace

uint16_t PortOf(std::string_view address) {
  const size_t colon = address.rfind(':');
  uint16_t port = 0;
  if (colon != std::string_view::npos)
    std::from_chars(address.data() + colon + 1, address.data() + address.size(), port);
  return port;
}

bool Eventually(const std::function<bool()>& done, milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  while (!done()) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(milliseconds(50));
  }
  return true;
}

std::string NewKey() {
  static std::atomic<uint64_t> next = 0;
  return fmt::format("key-{}-{}", getpid(), ++next);
}

std::string SeatingPlan(const ShowPlan& plan) {
  std::string rows;
  int guid = 0;
  for (int row = 1; row <= plan.rows; ++row) {
    std::string seats;
    for (int seat = 1; seat <= plan.seats_per_row; ++seat) {
      seats += fmt::format(
          R"({}{{"seat_guid":"{}","seat_number":"{}","position":{{"x":{},"y":0}},"category":"A"}})",
          seat > 1 ? "," : "", ++guid, seat, seat * 20);
    }
    rows += fmt::format(R"({}{{"row_number":"{}","position":{{"x":0,"y":{}}},"seats":[{}]}})",
                        row > 1 ? "," : "", row, row * 20, seats);
  }
  return fmt::format(
      R"({{"name":"Hall","categories":[{{"name":"A","color":"#7f4a91"}}],"zones":[{{"name":"Hall","position":{{"x":0,"y":0}},"rows":[{}]}}],"size":{{"width":600,"height":400}}}})",
      rows);
}

Form FormOfThisRun() {
  const char* form = std::getenv("BOXOFFICE_E2E_FORM");
  if (form == nullptr || std::string_view(form) == "embedded") return Form::kEmbedded;
  CHECK(std::string_view(form) == "scaled", "BOXOFFICE_E2E_FORM is {}", form);
  return Form::kScaled;
}

// The embedded form's line, and the scaled form's.
bool WasForced(std::string_view log) {
  return log.contains("stop_took_too_long") || log.contains("some processes had to be killed");
}

bool AllIsPublished(const Reply& outboxes) {
  if (outboxes.status != 200) return false;
  const json::array& rows = outboxes.body.at("items").as_array();
  std::set<std::string> services;
  for (const json::value& row : rows) services.emplace(row.at("service").as_string());
  return services == std::set<std::string>{"payment", "reservation", "seat", "wallet"} &&
         std::ranges::all_of(rows, [](const json::value& row) {
           return row.at("pending") == 0 && row.at("oldest_age_s").is_null() && row.at("problem").is_null();
         });
}

System::System(std::vector<std::string> flags, Form form, const Prepare& prepare)
    : flags_(FlagsOf(std::move(flags), form)), port_(FreePort()) {
  if (prepare) prepare(data_dir());
  Start();
}

System::~System() {
  process_.reset();
  if (testing::Test::HasFailure()) {
    // The end of its log: what comes last is what matters most.
    std::string log = Log();
    if (log.size() > 4000) log.erase(0, log.size() - 4000);
    std::cerr << "the system's log ends with\n" << log << "\n";
  }
}

void System::Start() {
  std::vector<std::string> command{BinDir() / "boxoffice", "up",     "--port",
                                   std::to_string(port_),  "--data", data_dir()};
  command.insert(command.end(), flags_.begin(), flags_.end());
  process_.emplace(command, Process::Options{{}, dir_.path() / "stderr"});
  const auto line = process_->ReadLine(IsScaled() ? seconds(240) : seconds(60));
  ready_line_ = line.value_or("");
  ready_ = ready_line_.starts_with("ready ");
  EXPECT_TRUE(ready_) << "it is not ready, but says: " << ready_line_ << "\n" << Log();
  if (!ready_) return;
  if (!issuer_) {
    const auto config = auth::DevelopmentTokens(data_dir());
    CHECK(config.has_value(), "{}", config.error().detail);
    issuer_ = auth::TokenIssuer::Make(*config, kClock).value();
  }
  operator_.emplace(port_, *issuer_);
  gateways_ = {port_};
  if (!IsScaled()) return;
  gateways_.clear();
  for (const Part& gateway : PartsOf(*this, "gateway")) gateways_.push_back(PortOf(gateway.listen));
}

bool System::IsScaled() const { return std::ranges::find(flags_, "--scaled") != flags_.end(); }

uint16_t System::AnyGateway() const { return gateways_[turn_++ % gateways_.size()]; }

void System::Crash() {
  process_->Signal(SIGKILL);
  EXPECT_EQ(process_->Wait(seconds(60)), 128 + SIGKILL);
  process_.reset();
}

std::optional<int> System::Stop(int signal, bool may_be_forced) {
  const size_t logged = Log().size();
  process_->Signal(signal);
  auto code = process_->Wait(seconds(60));
  process_.reset();
  if (code == 1 && may_be_forced && WasForced(Log().substr(logged))) code = 0;
  return code;
}

std::string System::Log() const {
  std::ostringstream text;
  text << std::ifstream(dir_.path() / "stderr").rdbuf();
  return text.str();
}

std::string System::Token(const std::string& user, auth::Role role,
                          const std::vector<std::string>& channels) const {
  return issuer_->Issue(user, role, std::chrono::hours(1), channels).value();
}

Finished System::Cli(std::vector<std::string> words) const {
  words.insert(words.begin(), BinDir() / "boxoffice");
  words.insert(words.end(), {"--url", fmt::format("http://127.0.0.1:{}", port_), "--data", data_dir()});
  return RunCommand(words, seconds(90));
}

json::value System::CliJson(std::vector<std::string> words) const {
  words.emplace_back("--json");
  const Finished done = Cli(std::move(words));
  EXPECT_EQ(done.exit_code, 0) << done.err << done.out;
  boost::system::error_code not_json;
  return json::parse(done.out, not_json);
}

Operator::Operator(uint16_t port, const auth::TokenIssuer& issuer)
    : authorization_("Bearer " +
                     issuer.Issue("operator", auth::Role::kOperator, std::chrono::hours(1)).value()),
      api_(port) {
  api_.SetTimeout(seconds(120));
}

Reply Operator::Call(const std::string& method, const std::string& path, const std::string& body) {
  return api_.CallPatiently(method, path,
                            {{"Authorization", authorization_},
                             {"Idempotency-Key", NewKey()},
                             {"Content-Type", "application/json"}},
                            body);
}

std::string Operator::CreateShow(const ShowPlan& plan) {
  const Reply concert =
      Call("POST", "/v1/admin/concerts", R"({"title":"Nocturne","artist":"Mina Park","venue":"Hall"})");
  EXPECT_EQ(concert.status, 201) << concert;
  const Reply show = Call(
      "POST", "/v1/admin/shows",
      fmt::format(
          R"({{"concert_id":"{}","starts_at":"2099-06-01T19:00:00Z","currency":"KRW","seat_limit":{},"hold_ttl_s":{},)"
          R"("seating_plan":{},"prices":{{"A":{}}}}})",
          concert.at("id"), plan.seat_limit, plan.hold_ttl_s, SeatingPlan(plan), plan.price));
  EXPECT_EQ(show.status, 201) << show;
  const Reply queue = Call("PATCH", fmt::format("/v1/admin/shows/{}/queue", show.at("id")),
                           R"({"rate_per_s":100000,"active_cap":1000000})");
  EXPECT_EQ(queue.status, 200) << queue;
  return show.at("id");
}

void Operator::ExpectCleanAudit() {
  // After a fault, some service may still wait for its next try to connect to its store: then there is no
  // verdict, or one that is not about everything.
  Reply audit;
  (void)Eventually(
      [&] {
        audit = Call("POST", "/v1/admin/audit");
        return audit.status != 503 && (audit.status != 200 || audit.at("unread") == "[]");
      },
      seconds(60));
  ASSERT_EQ(audit.status, 200) << audit;
  EXPECT_EQ(audit.at("ok"), "true") << audit;
  EXPECT_EQ(audit.at("violations"), "[]") << audit;
}

void System::OpenSaleAt(const std::string& show, const std::string& time) {
  const Reply set = Admin("PATCH", "/v1/admin/shows/" + show, fmt::format(R"({{"on_sale_at":"{}"}})", time));
  EXPECT_EQ(set.status, 200) << set;
}

size_t System::CountSagas(const std::string& status) {
  Reply sagas;
  EXPECT_TRUE(Eventually([&] {
    sagas = Admin("GET", "/v1/admin/sagas?limit=200&status=" + status);
    return sagas.status == 200;
  })) << sagas;
  const json::object* list = sagas.body.if_object();
  return list != nullptr && list->contains("items") ? list->at("items").as_array().size() : 0;
}

Buyer::Buyer(const System& system, std::string user, const std::vector<std::string>& channels)
    : Buyer(system.AnyGateway(), user, system.Token(user, auth::Role::kBuyer, channels)) {
  patient_ = true;
}

Buyer::Buyer(uint16_t gateway, std::string user, const std::string& jwt)
    : Buyer(std::vector<uint16_t>{gateway}, std::move(user), jwt) {}

Buyer::Buyer(std::vector<uint16_t> gateways, std::string user, const std::string& jwt)
    : user_(std::move(user)), authorization_("Bearer " + jwt), api_(std::move(gateways)) {}

Reply Buyer::Call(const std::string& method, const std::string& path, const std::string& body,
                  http::HeaderList more) {
  http::HeaderList headers{{"Authorization", authorization_}};
  if (!queue_token_.empty())
    headers.emplace_back("X-Queue-Token", admission_.empty() ? queue_token_ : admission_);
  if (!body.empty()) headers.emplace_back("Content-Type", "application/json");
  headers.insert(headers.end(), more.begin(), more.end());
  if (patient_) return api_.CallPatiently(method, path, headers, body);
  return api_.Call(method, path, std::move(headers), body);
}

Reply Buyer::Join(const std::string& show) {
  Reply joined = Call("POST", fmt::format("/v1/shows/{}/queue", show));
  if (joined.status != 200) return joined;
  queue_token_ = joined.at("token");
  if (joined.at("state") == "ACTIVE") admission_ = joined.at("admission");
  return joined;
}

bool Buyer::Enter(const std::string& show, milliseconds timeout) {
  const Reply joined = Join(show);
  if (joined.status != 200) {
    std::cerr << user_ << " can't join: " << joined << '\n';
    return false;
  }
  if (joined.at("state") == "ACTIVE") return true;
  return Eventually(
      [this] {
        const Reply poll = Call("GET", "/v1/queue");
        if (poll.at("state") != "ACTIVE") return false;
        admission_ = poll.at("admission");
        return true;
      },
      timeout);
}

bool Buyer::AwaitPlaceCompleted() {
  return Eventually([this] { return Call("GET", "/v1/queue").at("state") == "COMPLETED"; });
}

Reply Buyer::Charge(int64_t amount, const std::string& currency) {
  return Call("POST", "/v1/wallet/charges",
              fmt::format(R"({{"amount":{},"currency":"{}"}})", amount, currency),
              {{"Idempotency-Key", NewKey()}});
}

int64_t Buyer::Balance() {
  const Reply wallet = Call("GET", "/v1/wallet");
  if (wallet.status != 200) return -1;
  for (const json::value& balance : wallet.body.at("balances").as_array()) {
    if (balance.at("currency").as_string() == "KRW") return balance.at("amount").to_number<int64_t>();
  }
  return 0;
}

Reply Buyer::Reserve(const std::string& show, const std::string& choice, const std::string& key) {
  return Call("POST", "/v1/reservations", fmt::format(R"({{"show_id":"{}",{}}})", show, choice),
              {{"Idempotency-Key", key}});
}

Reply Buyer::Confirm(const std::string& reservation, const std::string& method, const std::string& key) {
  const std::string body = method.empty() ? "" : fmt::format(R"({{"payment_method":"{}"}})", method);
  return Call("POST", fmt::format("/v1/reservations/{}/confirm", reservation), body,
              {{"Idempotency-Key", key}});
}

Reply Buyer::Cancel(const std::string& reservation, const std::string& key) {
  return Call("POST", fmt::format("/v1/reservations/{}/cancel", reservation), {}, {{"Idempotency-Key", key}});
}

Reply Buyer::Get(const std::string& reservation) { return Call("GET", "/v1/reservations/" + reservation); }

Reply Buyer::Await(const std::string& reservation, const std::string& state, milliseconds timeout) {
  Reply last;
  Eventually(
      [&] {
        last = Get(reservation);
        return last.at("state") == state;
      },
      timeout);
  return last;
}

}  // namespace boxoffice::e2e
