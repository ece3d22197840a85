// A running `boxoffice up` on a data folder of its own, embedded or scaled, and the people who use it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "e2e/api.h"
#include "platform/auth/token.h"
#include "testing/free_port.h"
#include "testing/process.h"
#include "testing/temp_dir.h"

namespace boxoffice::e2e {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testbed::BinDir;
using testbed::Finished;
using testbed::FreePort;
using testbed::Process;
using testbed::RunCommand;

// The port of "127.0.0.1:8080"; 0: it has none.
[[nodiscard]] uint16_t PortOf(std::string_view address);
// Calls `done` until it is true; false: it was not within `timeout`.
bool Eventually(const std::function<bool()>& done, milliseconds timeout = seconds(60));
// A key that no other request of this program has.
[[nodiscard]] std::string NewKey();

// What an operator puts up for sale. Prices are in KRW.
struct ShowPlan {
  int rows = 5;
  int seats_per_row = 10;
  int64_t price = 1'000;
  int seat_limit = 8;
  int hold_ttl_s = 300;
};
// pretix's seating-plan JSON: one zone "Hall", one category "A".
[[nodiscard]] std::string SeatingPlan(const ShowPlan& plan);

// The two forms of the whole: one process on embedded stores, or two replicas of every service on PostgreSQL,
// Redis and Kafka. BOXOFFICE_E2E_FORM ("embedded" or "scaled") says in which the suites run that do not care;
// ctest runs them in both. Where Kafka is missing, the scaled ones are skipped, or fail if
// BOXOFFICE_REQUIRE_ALL is set.
enum class Form : uint8_t { kEmbedded, kScaled };
[[nodiscard]] Form FormOfThisRun();

// Whether a log of `boxoffice up` says that its stop took too long and was forced, as on a busy machine.
// Nothing is lost by it.
[[nodiscard]] bool WasForced(std::string_view log);

// Whether each service that publishes events is in the answer of GET /v1/admin/outbox, with none left.
[[nodiscard]] bool AllIsPublished(const Reply& outboxes);

// Whoever runs a system, by its REST interface. Not thread-safe.
class Operator {
 public:
  Operator(uint16_t port, const auth::TokenIssuer& issuer);

  // `body` may be empty.
  Reply Call(const std::string& method, const std::string& path, const std::string& body = {});
  // A show on sale, with a queue that lets everybody in at once; its id.
  std::string CreateShow(const ShowPlan& plan = {});
  // Audits now; a violation fails the test, by its name and ids.
  void ExpectCleanAudit();

 private:
  const std::string authorization_;
  Api api_;
};

// Starts in its constructor, and is killed in its destructor. Not thread-safe, but for what is const.
class System {
 public:
  // `flags` go behind `up`; --port and --data are set here, and what the form needs. `prepare` is called with
  // the data folder, which is not there yet, before the first start.
  using Prepare = std::function<void(const std::filesystem::path& data_dir)>;
  explicit System(std::vector<std::string> flags = {"--no-seed"}, Form form = FormOfThisRun(),
                  const Prepare& prepare = {});
  ~System();

  // Starts it again after Stop or Crash; fails the test if it is not ready in time.
  void Start();
  // Whether it runs; tests that need it ASSERT this.
  [[nodiscard]] bool ready() const { return ready_; }
  void Crash();  // kill -9
  // The exit code; nullopt: not within a minute. 0 also where it was forced, unless the test is about how
  // long a stop takes.
  [[nodiscard]] std::optional<int> Stop(int signal, bool may_be_forced = true);
  [[nodiscard]] const std::string& ready_line() const { return ready_line_; }
  [[nodiscard]] uint16_t port() const { return port_; }
  // Of every gateway; `port()` is the first.
  [[nodiscard]] const std::vector<uint16_t>& gateways() const { return gateways_; }
  // One of them, by turns, as a balancer would.
  [[nodiscard]] uint16_t AnyGateway() const;
  [[nodiscard]] std::filesystem::path data_dir() const { return dir_.path() / "data"; }
  [[nodiscard]] std::string Log() const;

  // A token of the development issuer.
  [[nodiscard]] std::string Token(const std::string& user, auth::Role role = auth::Role::kBuyer,
                                  const std::vector<std::string>& channels = {}) const;

  // `boxoffice WORDS` to its end, of an operator on this machine.
  [[nodiscard]] Finished Cli(std::vector<std::string> words) const;
  // The same with --json, which must be done (exit code 0): what it printed.
  [[nodiscard]] json::value CliJson(std::vector<std::string> words) const;

  // As Operator has them.
  Reply Admin(const std::string& method, const std::string& path, const std::string& body = {}) {
    return operator_->Call(method, path, body);
  }
  std::string CreateShow(const ShowPlan& plan = {}) { return operator_->CreateShow(plan); }
  Reply Show(const std::string& show) { return Admin("GET", "/v1/shows/" + show); }
  // RFC 3339. A time ahead stops a sale that is on.
  void OpenSaleAt(const std::string& show, const std::string& time);
  void ExpectCleanAudit() { operator_->ExpectCleanAudit(); }
  // Sagas that have not ended, "running" or "parked".
  size_t CountSagas(const std::string& status);

 private:
  [[nodiscard]] bool IsScaled() const;

  const testbed::TempDir dir_;
  const std::vector<std::string> flags_;
  const uint16_t port_;
  bool ready_ = false;
  std::string ready_line_;
  std::optional<Process> process_;
  std::optional<auth::TokenIssuer> issuer_;
  std::optional<Operator> operator_;
  std::vector<uint16_t> gateways_;
  mutable std::atomic<size_t> turn_ = 0;
};

// A person with a browser. Not thread-safe.
class Buyer {
 public:
  // Talks to one of the system's gateways, patiently (Api::CallPatiently). Those who are to see a fault name
  // their gateway.
  Buyer(const System& system, std::string user, const std::vector<std::string>& channels = {});
  Buyer(uint16_t gateway, std::string user, const std::string& jwt);
  // Comes by any of these gateways, the first if it can be had.
  Buyer(std::vector<uint16_t> gateways, std::string user, const std::string& jwt);

  Reply Call(const std::string& method, const std::string& path, const std::string& body = {},
             http::HeaderList more = {});
  // Joins the queue of a show and waits until it is admitted; false: it was not.
  bool Enter(const std::string& show, milliseconds timeout = seconds(60));
  // Waits until the place is used up: the queue hears of a purchase a moment after the buyer. False: it goes
  // on.
  bool AwaitPlaceCompleted();
  Reply Join(const std::string& show);
  Reply Charge(int64_t amount, const std::string& currency = "KRW");
  // The balance in KRW; -1: the wallet did not answer.
  int64_t Balance();
  // POST /v1/reservations; `choice`: `"seats":[1,2]` and more members of the body.
  Reply Reserve(const std::string& show, const std::string& choice, const std::string& key = NewKey());
  Reply Confirm(const std::string& reservation, const std::string& method = {},
                const std::string& key = NewKey());
  Reply Cancel(const std::string& reservation, const std::string& key = NewKey());
  Reply Get(const std::string& reservation);
  // The reservation once it is in `state`; else as it was at last.
  Reply Await(const std::string& reservation, const std::string& state, milliseconds timeout = seconds(60));

  [[nodiscard]] const std::string& user() const { return user_; }
  [[nodiscard]] const std::string& queue_token() const { return queue_token_; }
  void set_queue_token(std::string token) {
    queue_token_ = std::move(token);
    admission_.clear();
  }
  Api& api() { return api_; }

 private:
  const std::string user_;
  const std::string authorization_;
  std::string queue_token_;
  std::string admission_;  // once she is in: the token that says so
  bool patient_ = false;
  Api api_;
};

}  // namespace boxoffice::e2e
