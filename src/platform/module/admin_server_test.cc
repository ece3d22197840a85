#include "platform/module/admin_server.h"

#include <atomic>

#include <gmock/gmock.h>

#include "platform/http/client.h"
#include "platform/obs/log.h"

namespace boxoffice::module {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

http::ClientResponse Get(const AdminServer& admin, const std::string& path) {
  http::ClientRequest request;
  request.url = "http://" + admin.address() + path;
  auto response = http::FetchBlocking(std::move(request));
  EXPECT_TRUE(response.has_value());
  return response ? *std::move(response) : http::ClientResponse{};
}

TEST(AdminServerTest, AnswersHealthReadinessAndMetrics) {
  obs::Registry metrics;
  metrics.GetCounter("boxoffice_test_total", "For this test").Add(7);
  std::atomic<bool> ill = false;
  const auto admin = AdminServer::Start("127.0.0.1:0", metrics, [&ill] {
    return std::vector<Health>{{"seat", ill ? "the database is gone" : ""}};
  });
  ASSERT_TRUE(admin) << admin.error().detail;
  EXPECT_EQ(Get(**admin, "/readyz").status, 200);
  EXPECT_THAT(Get(**admin, "/metrics").body, HasSubstr("boxoffice_test_total 7"));
  ill = true;
  const auto unready = Get(**admin, "/readyz");
  EXPECT_EQ(unready.status, 503);
  EXPECT_THAT(unready.body, HasSubstr("the database is gone"));
  EXPECT_EQ(Get(**admin, "/healthz").status, 200) << "it runs all the same";
  EXPECT_EQ(Get(**admin, "/v1/concerts").status, 404);
}

TEST(AdminServerTest, WhoStandsByIsReadyAndSaysSo) {
  obs::Registry metrics;
  const auto admin = AdminServer::Start(
      "127.0.0.1:0", metrics, [] { return std::vector<Health>{{"queue", "", "standby"}, {"seat", ""}}; });
  ASSERT_TRUE(admin) << admin.error().detail;
  const auto ready = Get(**admin, "/readyz");
  EXPECT_EQ(ready.status, 200);
  EXPECT_THAT(
      ready.body,
      HasSubstr(R"({"name":"queue","problem":null,"role":"standby"},{"name":"seat","problem":null})"));
}

TEST(AdminServerTest, TheLogLevelIsChangedWhileTheProcessRuns) {
  obs::Registry metrics;
  const auto admin = AdminServer::Start("127.0.0.1:0", metrics, [] { return std::vector<Health>{}; });
  ASSERT_TRUE(admin) << admin.error().detail;
  const auto put = [&](const char* level) {
    http::ClientRequest request;
    request.method = "PUT";
    request.url = "http://" + (*admin)->address() + "/log-level";
    request.body = level;
    return http::FetchBlocking(std::move(request)).value();
  };
  EXPECT_EQ(Get(**admin, "/log-level").body, R"({"level":"info"})");
  testing::internal::CaptureStderr();
  EXPECT_EQ(put("debug\n").body, R"({"level":"debug"})");
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr(R"("level":"warning","event":"log_level_changed","log_level":"debug"})"));
  EXPECT_TRUE(obs::Logs(obs::Level::kDebug));
  const auto refused = put("loud");
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr("invalid_log_level"));
  EXPECT_EQ(Get(**admin, "/log-level").body, R"({"level":"debug"})");
  obs::SetLogLevel(obs::Level::kInfo);
}

// Pods of a cluster have addresses of either family, or of both.
TEST(AdminServerTest, AtAllAddressesOfIpv6ItAnswersAtThoseOfIpv4Too) {
  obs::Registry metrics;
  const auto none = [] { return std::vector<Health>{}; };
  if (!AdminServer::Start("[::1]:0", metrics, none)) GTEST_SKIP() << "this system has no IPv6";
  const auto admin = AdminServer::Start("[::]:0", metrics, none);
  ASSERT_TRUE(admin) << admin.error().detail;
  const std::string address = (*admin)->address();
  ASSERT_THAT(address, StartsWith("[::]:"));
  for (const char* host : {"127.0.0.1", "[::1]"}) {
    http::ClientRequest request;
    request.url = "http://" + std::string(host) + address.substr(address.rfind(':')) + "/healthz";
    const auto response = http::FetchBlocking(std::move(request));
    ASSERT_TRUE(response) << host << ": " << response.error().detail;
    EXPECT_EQ(response->status, 200) << host;
  }
}

TEST(AdminServerTest, AnAddressThatIsNoneAndOneThatIsTakenAreRefused) {
  obs::Registry metrics;
  const auto none = [] { return std::vector<Health>{}; };
  for (const char* address : {"", "9001", ":9001", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:x"}) {
    const auto admin = AdminServer::Start(address, metrics, none);
    ASSERT_FALSE(admin) << address;
    EXPECT_EQ(admin.error().reason, "address_invalid");
  }
  const auto first = AdminServer::Start("127.0.0.1:0", metrics, none);
  ASSERT_TRUE(first);
  const auto second = AdminServer::Start((*first)->address(), metrics, none);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, "port_taken");
}

}  // namespace
}  // namespace boxoffice::module
