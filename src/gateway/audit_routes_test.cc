// The last verdict of the auditor, and a new one.
#include <atomic>
#include <functional>
#include <future>
#include <mutex>
#include <utility>
#include <vector>

#include "gateway/gateway_for_test.h"
#include "testing/wait.h"

namespace boxoffice::gateway {
namespace {

// As the auditor writes it.
std::string AuditReport(bool clean) {
  constexpr std::string_view kViolation =
      R"({"invariant":1,"name":"ledger_balanced","ids":["currency:KRW"],"detail":"the sum of all accounts is 5"})";
  return fmt::format(
      R"({{"ok":{},"checked":{{"seats":50}},"invariants":[{{"number":1,"name":"ledger_balanced","violations":{}}}],)"
      R"("violations":[{}],"unread":[],"at":"2027-01-15T08:00:00.000Z","took_ms":12}})",
      clean, clean ? 0 : 1, clean ? std::string_view() : kViolation);
}

class AuditRoutesTest : public GatewayTest {
 protected:
  using Told = std::function<void(Result<std::string>)>;

  void Configure(GatewayConfig& config) override {
    config.views.last_audit = [this] { return audited_ ? AuditReport(true) : std::string(); };
    config.views.run_audit = [this](Told told) {
      const std::scoped_lock lock(asked_mutex_);
      asked_.push_back(std::move(told));
    };
  }
  std::vector<std::future<http::ClientResponse>> AskForAudits(size_t count) {
    std::vector<std::future<http::ClientResponse>> answers;
    for (size_t i = 0; i < count; ++i) {
      answers.push_back(
          std::async(std::launch::async, [this] { return CallAsOperator("POST", "/v1/admin/audit"); }));
    }
    EXPECT_TRUE(testbed::Eventually([&] {
      const std::scoped_lock lock(asked_mutex_);
      return asked_.size() == count;
    })) << "none waits until another is answered";
    return answers;
  }
  void TellAll(const Result<std::string>& report) {
    const std::scoped_lock lock(asked_mutex_);
    for (const Told& told : asked_) told(report);
    asked_.clear();
  }

  std::atomic<bool> audited_{true};
  std::mutex asked_mutex_;
  std::vector<Told> asked_;
};

TEST_F(AuditRoutesTest, BeforeTheFirstAuditThereIsNothingToSayWhichIsNoFault) {
  audited_ = false;
  const http::ClientResponse none = CallAsOperator("GET", "/v1/admin/audit");
  EXPECT_EQ(none.status, 204);
  EXPECT_EQ(none.body, "");
  audited_ = true;
  const http::ClientResponse last = CallAsOperator("GET", "/v1/admin/audit");
  EXPECT_EQ(last.status, 200);
  EXPECT_EQ(Json(last).at("ok").as_bool(), true);
}

TEST_F(AuditRoutesTest, WhoWaitsForAnAuditHoldsUpNobody) {
  std::vector<std::future<http::ClientResponse>> answers = AskForAudits(8);
  EXPECT_EQ(CallAsOperator("GET", "/v1/admin/dead-letters").status, 200);
  EXPECT_EQ(CallAsOperator("POST", "/v1/admin/dead-letters/5/replay").status, 404);
  EXPECT_EQ(CallAsOperator("GET", "/v1/admin/audit").status, 200) << "the last verdict does not wait";
  TellAll(AuditReport(false));
  for (auto& answer : answers) {
    const http::ClientResponse told = answer.get();
    EXPECT_EQ(told.status, 200);
    EXPECT_EQ(Json(told).at("ok").as_bool(), false);
  }
}

TEST_F(AuditRoutesTest, AnAuditThatComesToNoVerdictIsRefused) {
  std::vector<std::future<http::ClientResponse>> answers = AskForAudits(1);
  TellAll(Fail(Code::kUnavailable, "unreachable", "wallet"));
  EXPECT_EQ(answers.front().get().status, 503);
}

}  // namespace
}  // namespace boxoffice::gateway
