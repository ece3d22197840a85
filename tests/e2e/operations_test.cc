// What operators and machines ask of a running system, and what a fresh one has on sale.
#include <csignal>
#include <set>

#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "e2e/system.h"

namespace boxoffice::e2e {
namespace {

using ::testing::StartsWith;

class Operations : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { system_ = new System(std::vector<std::string>{}); }
  static void TearDownTestSuite() { delete system_; }
  void SetUp() override { ASSERT_TRUE(system_->ready()); }

  static System* system_;
};
System* Operations::system_ = nullptr;

TEST_F(Operations, PrintsReadyAndItsAddress) {
  EXPECT_THAT(system_->ready_line(), StartsWith(fmt::format("ready http://127.0.0.1:{}", system_->port())));
  Api api(system_->port());
  EXPECT_EQ(api.Call("GET", "/readyz").status, 200);
  EXPECT_EQ(api.Call("GET", "/healthz").status, 200);
  EXPECT_EQ(api.Call("GET", "/metrics").status, FormOfThisRun() == Form::kEmbedded ? 200 : 404)
      << "a gateway that is a process of its own tells them at its admin.listen";
  EXPECT_THAT(api.Call("GET", "/openapi.yaml").text, StartsWith("openapi: 3.1"));
}

TEST_F(Operations, OperatorsSeeWhatEachServiceHasNotPublished) {
  Buyer mina(*system_, "mina");
  ASSERT_EQ(mina.Charge(1'000).status, 201);
  EXPECT_TRUE(Eventually([&] { return AllIsPublished(system_->Admin("GET", "/v1/admin/outbox")); }));
}

TEST_F(Operations, TokenAndAuditCommandsWorkOnARunningSystem) {
  const std::string url = fmt::format("http://127.0.0.1:{}", system_->port());
  const Finished token = RunCommand(
      {BinDir() / "boxoffice", "token", "--user", "mina", "--data", system_->data_dir()}, seconds(60));
  ASSERT_EQ(token.exit_code, 0) << token.err;
  const std::string jwt = token.out.substr(0, token.out.find('\n'));
  Api api(system_->port());
  EXPECT_EQ(api.Call("GET", "/v1/wallet", {{"Authorization", "Bearer " + jwt}}).at("user_id"), "mina");
  const Finished audit = RunCommand(
      {BinDir() / "boxoffice", "audit", "--json", "--url", url, "--data", system_->data_dir()}, seconds(60));
  EXPECT_EQ(audit.exit_code, 0) << audit.err;
  const json::value verdict = json::parse(audit.out);
  EXPECT_EQ(verdict.at("ok"), true);
  EXPECT_TRUE(verdict.at("violations").as_array().empty());
  EXPECT_EQ(RunCommand({BinDir() / "boxoffice", "audit", "--url",
                        fmt::format("http://127.0.0.1:{}", FreePort()), "--data", system_->data_dir()},
                       seconds(60))
                .exit_code,
            2)
      << "nobody there";
}

TEST_F(Operations, SeedsTheDemoOnceAndSellsIt) {
  Reply concerts;
  std::string club;
  std::multiset<std::string> shows;  // "2000 ON_SALE"
  const auto look = [&] {
    concerts = system_->Admin("GET", "/v1/concerts");
    shows.clear();
    for (const json::value& concert : concerts.body.at("items").as_array()) {
      for (const json::value& show : concert.at("shows").as_array()) {
        EXPECT_EQ(show.at("currency"), "KRW");
        shows.insert(fmt::format("{} {}", show.at("capacity").to_number<int64_t>(),
                                 std::string_view(show.at("state").as_string())));
        if (show.at("capacity") == 50 && show.at("state") == "ON_SALE") club = show.at("id").as_string();
      }
    }
    return shows == std::multiset<std::string>{"50000 ON_SALE", "2000 ON_SALE", "2000 ANNOUNCED",
                                               "50 ON_SALE",    "50 SOLD_OUT",  "50 CANCELLED"};
  };
  // What has just been sold is seen at another replica a moment later.
  ASSERT_TRUE(Eventually(look)) << concerts;
  Buyer mina(*system_, "mina");
  ASSERT_TRUE(mina.Enter(club));
  ASSERT_EQ(mina.Charge(1'000'000).status, 201);
  const Reply sold = mina.Reserve(club, R"("best_available":{"count":2},"pay":true)");
  EXPECT_EQ(sold.status, 201) << sold;
  EXPECT_EQ(system_->Stop(SIGTERM), 0);
  system_->Start();
  const Reply again = system_->Admin("GET", "/v1/concerts");
  EXPECT_EQ(again.body.at("items").as_array().size(), concerts.body.at("items").as_array().size());
  system_->ExpectCleanAudit();
}

}  // namespace
}  // namespace boxoffice::e2e
