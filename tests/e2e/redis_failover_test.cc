// The waiting room on a Redis Cluster of three masters and three replicas that loses the master of a show's
// slot: the queue goes on.
#include <charconv>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/clock.h"
#include "e2e/service.h"
#include "e2e/system.h"
#include "platform/auth/development.h"
#include "testing/redis_server.h"

namespace boxoffice::e2e {
namespace {

constexpr int kBuyers = 40;

class RedisFailover : public ::testing::Test {
 protected:
  void SetUp() override {
    BOXOFFICE_NEEDS_REDIS();
    cluster_ = std::make_unique<testbed::RedisCluster>();
    for (const char* name :
         {"queue", "seat", "wallet", "payment", "reservation", "ranking", "relay", "gateway"}) {
      std::vector<std::string> flags{"--drain-notice-ms=0", "--log-level=warning"};
      const std::string_view service = name;
      if (service == "queue" || service == "ranking") flags.push_back("--store-url=" + cluster_->Url());
      if (service == "gateway") flags.push_back(fmt::format("--listen=127.0.0.1:{}", port_));
      services_.push_back(std::make_unique<Service>(name, dir_.path(), flags));
      ASSERT_TRUE(services_.back()->ready()) << services_.back()->Log();
    }
    issuer_ = auth::TokenIssuer::Make(auth::DevelopmentTokens(dir_.path() / "data").value(), clock_).value();
    operator_.emplace(port_, *issuer_);
    ASSERT_TRUE(Eventually([&] { return operator_->Call("GET", "/readyz").status == 200; }));
    show_ = operator_->CreateShow();
  }
  std::unique_ptr<Buyer> NewBuyer(const std::string& name) const {
    return std::make_unique<Buyer>(port_, name,
                                   issuer_->Issue(name, auth::Role::kBuyer, std::chrono::hours(1)).value());
  }
  size_t MasterOfTheShow() const {
    const std::string slot =
        cluster_->node(0).AskOne({"CLUSTER", "KEYSLOT", fmt::format("{{show:{}}}:meta", show_)});
    uint16_t number = 0;
    std::from_chars(slot.data(), slot.data() + slot.size(), number);
    return cluster_->MasterOf(number);
  }

  const testbed::TempDir dir_;
  const SystemClock clock_;
  const uint16_t port_ = FreePort();
  std::unique_ptr<testbed::RedisCluster> cluster_;
  std::vector<std::unique_ptr<Service>> services_;
  std::optional<auth::TokenIssuer> issuer_;
  std::optional<Operator> operator_;
  std::string show_;
};

TEST_F(RedisFailover, TheQueueGoesOnWhenTheMasterOfItsShowIsLost) {
  // One is in, with a seat and with money; the others wait, one after the other.
  auto holder = NewBuyer("holder");
  ASSERT_TRUE(holder->Enter(show_));
  ASSERT_EQ(holder->Charge(1'000).status, 201);
  const Reply held = holder->Reserve(show_, R"("seats":[1])");
  ASSERT_EQ(held.status, 201) << held;
  const std::string queue = fmt::format("/v1/admin/shows/{}/queue", show_);
  ASSERT_EQ(operator_->Call("PATCH", queue, R"({"active_cap":1})").status, 200);
  std::vector<std::unique_ptr<Buyer>> waiting;
  std::vector<int64_t> places;
  for (int i = 0; i < kBuyers; ++i) {
    waiting.push_back(NewBuyer(fmt::format("buyer-{}", i)));
    const Reply joined = waiting.back()->Join(show_);
    ASSERT_EQ(joined.status, 200) << joined;
    EXPECT_EQ(joined.at("state"), "WAITING") << joined;
    places.push_back(joined.number("position"));
  }
  const size_t lost = MasterOfTheShow();
  ASSERT_LT(lost, testbed::RedisCluster::kNodes);
  // Replication is asynchronous: until the replica has all that was acknowledged by now.
  const auto offset = [&](std::string_view name) {
    const std::string info = cluster_->node(lost).AskOne({"INFO", "replication"});
    const size_t at = info.find(name);
    int64_t number = -1;
    if (at != std::string::npos)
      std::from_chars(info.data() + at + name.size(), info.data() + info.size(), number);
    return number;
  };
  const int64_t written = offset("master_repl_offset:");
  ASSERT_GE(written, 0);
  ASSERT_TRUE(Eventually([&] { return offset(",offset=") >= written; }));
  cluster_->node(lost).Kill9();
  cluster_->SetNodeTimeout(seconds(2));

  // Whoever waits is told so throughout, and whoever holds seats pays.
  for (size_t i = 0; i < waiting.size(); ++i) {
    const Reply poll = waiting[i]->Call("GET", "/v1/queue");
    ASSERT_EQ(poll.status, 200) << poll;
    EXPECT_EQ(poll.number("position"), places[i]);
  }
  const Reply paid = holder->Confirm(held.at("id"));
  EXPECT_EQ(paid.status, 200) << paid;
  // Until a replica is the master, joining says that it does not work now, and nothing else.
  auto late = NewBuyer("late");
  EXPECT_TRUE(Eventually(
      [&] {
        const Reply joined = late->Join(show_);
        EXPECT_TRUE(joined.status == 200 || joined.status == 503) << joined;
        return joined.status == 200;
      },
      seconds(60)));
  // Nobody has lost the place, and they are admitted in their order.
  EXPECT_TRUE(Eventually(
      [&] { return operator_->Call("PATCH", queue, R"({"active_cap":1000})").status == 200; }, seconds(60)));
  for (const auto& buyer : waiting) {
    EXPECT_TRUE(Eventually([&] { return buyer->Call("GET", "/v1/queue").at("state") == "ACTIVE"; }))
        << buyer->user() << ": " << buyer->Call("GET", "/v1/queue");
  }
  EXPECT_TRUE(Eventually([&] { return late->Call("GET", "/v1/queue").at("state") == "ACTIVE"; }));
  EXPECT_EQ(late->Reserve(show_, R"("seats":[2])").status, 201);
  EXPECT_TRUE(Eventually([&] {
    const Reply ranking = operator_->Call("GET", "/v1/rankings");
    return ranking.status == 200 && ranking.at("items") != "[]";
  })) << "what was sold is ranked";
  operator_->ExpectCleanAudit();
}

}  // namespace
}  // namespace boxoffice::e2e
