// The edge as it is configured: limits, other origins, compression, ids and the page of the contract.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "e2e/system.h"

namespace boxoffice::e2e {
namespace {

using ::testing::HasSubstr;

class Edge : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    system_ = new System({"--no-seed", "--limit-user-requests", "20", "--limit-user-window-ms", "3600000",
                          "--cors-origins", "https://tickets.example"});
  }
  static void TearDownTestSuite() { delete system_; }
  void SetUp() override { ASSERT_TRUE(system_->ready()); }

  static System* system_;
};
System* Edge::system_ = nullptr;

TEST_F(Edge, AUserThatAsksTooOftenIsToldWhenToComeBackAndOthersGoOn) {
  Buyer greedy(*system_, "greedy");
  for (int left = 19; left >= 0; --left) {
    const Reply reply = greedy.Call("GET", "/v1/wallet");
    ASSERT_EQ(reply.status, 200) << reply;
    EXPECT_EQ(reply.header("RateLimit-Policy"), R"("user";q=20;w=3600)");
    EXPECT_THAT(reply.header("RateLimit"), HasSubstr(fmt::format("r={};", left)));
  }
  const Reply refused = greedy.Call("GET", "/v1/wallet");
  EXPECT_EQ(refused.status, 429) << refused;
  EXPECT_EQ(refused.at("code"), "rate_limited");
  EXPECT_NE(refused.header("Retry-After"), "");
  EXPECT_EQ(refused.at("request_id"), refused.header("X-Request-Id"));
  Buyer patient(*system_, "patient");
  EXPECT_EQ(patient.Call("GET", "/v1/wallet").status, 200);
}

TEST_F(Edge, ThePageOfTheContractIsServedAndCompressed) {
  Api api(system_->port());
  EXPECT_THAT(api.Call("GET", "/docs").text, HasSubstr("/docs/page.js"));
  const Reply whole = api.Call("GET", "/openapi.json");
  EXPECT_TRUE(whole.body.at("paths").as_object().contains("/v1/admin/relay/targets"));
  const Reply small = api.Call("GET", "/openapi.json", {{"Accept-Encoding", "gzip"}});
  EXPECT_EQ(small.header("Content-Encoding"), "gzip");
  EXPECT_LT(small.text.size(), whole.text.size() / 3);
  EXPECT_EQ(api.Call("GET", "/openapi.json", {{"If-None-Match", whole.header("ETag")}}).status, 304);
}

TEST_F(Edge, APageOfAnotherOriginMayAskIfItIsNamed) {
  Api api(system_->port());
  const Reply preflight = api.Call("OPTIONS", "/v1/reservations", {{"Origin", "https://tickets.example"}});
  EXPECT_EQ(preflight.status, 204) << preflight;
  EXPECT_EQ(preflight.header("Access-Control-Allow-Origin"), "https://tickets.example");
  EXPECT_EQ(api.Call("GET", "/v1/concerts", {{"Origin", "https://evil.example"}})
                .header("Access-Control-Allow-Origin"),
            "");
}

TEST_F(Edge, ARequestsOwnIdComesBack) {
  Api api(system_->port());
  const Reply missing = api.Call("GET", "/v1/shows/999999", {{"X-Request-Id", "order-7"}});
  EXPECT_EQ(missing.status, 404) << missing;
  EXPECT_EQ(missing.header("X-Request-Id"), "order-7");
  EXPECT_EQ(missing.at("request_id"), "order-7");
}

TEST_F(Edge, WhatCantBeConfiguredIsRefusedByName) {
  const Finished origin = RunCommand({BinDir() / "boxoffice", "up", "--data", system_->data_dir() / "other",
                                      "--port", "0", "--cors-origins", "tickets.example"},
                                     seconds(60));
  EXPECT_EQ(origin.exit_code, 2);
  EXPECT_THAT(origin.err, HasSubstr("cors.origins"));
  const Finished network =
      RunCommand({BinDir() / "boxoffice", "up", "--data", system_->data_dir() / "another", "--port", "0",
                  "--target-allow-networks", "10.0.0.0/99"},
                 seconds(60));
  EXPECT_EQ(network.exit_code, 2);
  EXPECT_THAT(network.err, HasSubstr("target.allow_networks"));
  // In one process too, the relay's keys come from the environment.
  for (const auto& [variable, name] :
       {std::pair("BOXOFFICE_HTTP_TIMEOUT_MS=60001", "BOXOFFICE_HTTP_TIMEOUT_MS"),
        std::pair("BOXOFFICE_DELIVERY_KEPT_MS=0", "delivery.kept_ms")}) {
    const Finished relay = RunCommand({"/usr/bin/env", variable, BinDir() / "boxoffice", "up", "--data",
                                       system_->data_dir() / "third", "--port", "0"},
                                      seconds(60));
    EXPECT_EQ(relay.exit_code, 2) << variable;
    EXPECT_THAT(relay.err, HasSubstr(name));
  }
}

}  // namespace
}  // namespace boxoffice::e2e
