// The relay and the rankings, as operators meet them over REST.
#include "gateway/gateway_for_test.h"

namespace boxoffice::gateway {
namespace {

class RelayRoutesTest : public GatewayTest {
 protected:
  static relay::v1::Target ATarget() {
    relay::v1::Target target;
    target.set_id(3);
    target.set_url("https://example.com/hook");
    target.add_event_types("seat.held");
    target.add_show_ids(7);
    target.set_payload("full");
    target.set_rate_per_s(2.5);
    target.set_enabled(true);
    target.set_created_at_ms(1);
    return target;
  }
  static relay::v1::Delivery ADelivery() {
    relay::v1::Delivery delivery;
    delivery.set_id(9);
    delivery.set_target_id(3);
    delivery.set_state("pending");
    delivery.set_created_at_ms(1);
    return delivery;
  }
};

TEST_F(RelayRoutesTest, ATargetIsMadeWithWhatWasChosen) {
  services_.relay.CreateTarget_.answer =
      [](const relay::v1::CreateTargetRequest& request) -> Result<relay::v1::Target> {
    EXPECT_EQ(request.show_ids().size(), 2);
    EXPECT_EQ(request.show_ids(1), 8);
    EXPECT_EQ(request.payload(), "full");
    EXPECT_EQ(request.rate_per_s(), 2.5);
    return ATarget();
  };
  const http::ClientResponse made = CallAsOperator(
      "POST", "/v1/admin/relay/targets",
      R"({"url":"https://example.com/hook","show_ids":["7","8"],"payload":"full","rate_per_s":2.5})");
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(Json(made).at("show_ids"), boost::json::parse(R"(["7"])"));
  EXPECT_EQ(Json(made).at("rate_per_s").to_number<double>(), 2.5);
  EXPECT_TRUE(Json(made).at("old_secret_until").is_null());
}

TEST_F(RelayRoutesTest, OneTargetTooManyIsAConflictAndNotAnOutage) {
  // A relay of an earlier release says the second, while both are side by side.
  for (const Code code : {Code::kConflict, Code::kResourceExhausted}) {
    services_.relay.CreateTarget_.answer = [code](const auto&) -> Result<relay::v1::Target> {
      return Fail(code, "too_many_targets", "delete one first");
    };
    const http::ClientResponse answer =
        CallAsOperator("POST", "/v1/admin/relay/targets", R"({"url":"https://example.com/hook"})");
    EXPECT_EQ(answer.status, 409) << CodeName(code);
    EXPECT_EQ(CodeOf(answer), "too_many_targets");
    EXPECT_FALSE(answer.header("Retry-After")) << "nobody need wait for it";
  }
}

TEST_F(RelayRoutesTest, AChangeHasWhatWasGivenAlone) {
  services_.relay.ChangeTarget_.answer =
      [](const relay::v1::ChangeTargetRequest& request) -> Result<relay::v1::Target> {
    EXPECT_EQ(request.id(), 3);
    EXPECT_FALSE(request.has_url());
    EXPECT_FALSE(request.has_payload());
    EXPECT_TRUE(request.has_event_types());
    EXPECT_TRUE(request.event_types().values().empty());
    EXPECT_FALSE(request.has_show_ids());
    EXPECT_TRUE(request.has_enabled());
    return ATarget();
  };
  EXPECT_EQ(
      CallAsOperator("PATCH", "/v1/admin/relay/targets/3", R"({"event_types":[],"enabled":false})").status,
      200);
  services_.relay.ChangeTarget_.answer = [](const auto&) -> Result<relay::v1::Target> {
    return Fail(Code::kInvalidArgument, "invalid_argument", "rate_per_s: 0 for no bound, or 0.1 to 1000");
  };
  const http::ClientResponse odd =
      CallAsOperator("PATCH", "/v1/admin/relay/targets/3", R"({"rate_per_s":5000})");
  EXPECT_EQ(odd.status, 422);
  EXPECT_EQ(Json(odd).at("field").as_string(), "rate_per_s");
  EXPECT_EQ(CallAsOperator("PATCH", "/v1/admin/relay/targets/x", "{}").status, 404);
  const http::ClientResponse shows =
      CallAsOperator("PATCH", "/v1/admin/relay/targets/3", R"({"show_ids":["x"]})");
  EXPECT_EQ(shows.status, 422);
  EXPECT_EQ(Json(shows).at("field").as_string(), "show_ids");
}

TEST_F(RelayRoutesTest, ASecretIsRotatedAndShown) {
  services_.relay.RotateSecret_.answer =
      [](const relay::v1::RotateSecretRequest& request) -> Result<relay::v1::Target> {
    EXPECT_EQ(request.operation_key(), "root:k1");
    EXPECT_EQ(request.keep_old_ms(), 60'000);
    relay::v1::Target target = ATarget();
    target.set_secret("whsec_new");
    target.set_old_secret_until_ms(1'800'000'000'000);
    target.set_paused_until_ms(1'800'000'000'000);
    return target;
  };
  const http::ClientResponse rotated =
      CallAsOperator("POST", "/v1/admin/relay/targets/3/secret", R"({"keep_old_s":60})");
  ASSERT_EQ(rotated.status, 200) << rotated.body;
  EXPECT_EQ(Json(rotated).at("secret").as_string(), "whsec_new");
  EXPECT_EQ(Json(rotated).at("paused_until").as_string(), "2027-01-15T08:00:00.000Z");
  services_.relay.RotateSecret_.answer =
      [](const relay::v1::RotateSecretRequest& request) -> Result<relay::v1::Target> {
    EXPECT_EQ(request.keep_old_ms(), 86'400'000) << "a day, where nothing is said";
    return ATarget();
  };
  EXPECT_EQ(CallAsOperator("POST", "/v1/admin/relay/targets/3/secret").status, 200);
  EXPECT_EQ(CallAsOperator("POST", "/v1/admin/relay/targets/3/secret", R"({"keep_old_s":604801})").status,
            422);
}

TEST_F(RelayRoutesTest, WhatTheStateOfATargetForbidsIsAConflictThatSaysWhy) {
  services_.relay.RotateSecret_.answer = [](const auto&) -> Result<relay::v1::Target> {
    return Fail(Code::kConflict, "rotation_under_way", "the secret before counts until then");
  };
  const http::ClientResponse rotated = CallAsOperator("POST", "/v1/admin/relay/targets/3/secret");
  EXPECT_EQ(rotated.status, 409);
  EXPECT_EQ(CodeOf(rotated), "rotation_under_way");
  EXPECT_EQ(Json(rotated).at("detail").as_string(), "the secret before counts until then");
  services_.relay.CreateTarget_.answer = [](const auto&) -> Result<relay::v1::Target> {
    return Fail(Code::kConflict, "target_deleted", "the key made a target that was deleted");
  };
  const http::ClientResponse made =
      CallAsOperator("POST", "/v1/admin/relay/targets", R"({"url":"https://example.com/hook"})");
  EXPECT_EQ(made.status, 409);
  EXPECT_EQ(CodeOf(made), "target_deleted");
}

TEST_F(RelayRoutesTest, ATestIsOnItsWayAndOneDeliveryIsToldWithItsBody) {
  services_.relay.TestTarget_.answer = [](const auto&) -> Result<relay::v1::Delivery> { return ADelivery(); };
  services_.relay.GetDelivery_.answer = [](const auto&) -> Result<relay::v1::Delivery> {
    relay::v1::Delivery delivery = ADelivery();
    delivery.set_body(R"({"type":"relay.test"})");
    return delivery;
  };
  EXPECT_EQ(CallAsOperator("POST", "/v1/admin/relay/targets/3/test").status, 202);
  const http::ClientResponse told = CallAsOperator("GET", "/v1/admin/relay/deliveries/9");
  EXPECT_EQ(Json(told).at("body").as_string(), R"({"type":"relay.test"})");
  services_.relay.TestTarget_.answer = [](const auto&) -> Result<relay::v1::Delivery> {
    return Fail(Code::kConflict, "target_disabled", "the target takes nothing: it is disabled or deleted");
  };
  EXPECT_EQ(CallAsOperator("POST", "/v1/admin/relay/targets/3/test").status, 409);
}

// One that the relay does not know, and one that can be nobody's.
TEST_F(RelayRoutesTest, WhatIsNotThereIsToldAlikeForEveryId) {
  const auto no_target = [](const auto&) {
    return Fail(Code::kNotFound, "target_not_found", "no target 99");
  };
  const auto no_delivery = [](const auto&) {
    return Fail(Code::kNotFound, "delivery_not_found", "no delivery 99");
  };
  services_.relay.ChangeTarget_.answer = no_target;
  services_.relay.DeleteTarget_.answer = no_target;
  services_.relay.RotateSecret_.answer = no_target;
  services_.relay.TestTarget_.answer = no_target;
  services_.relay.GetDelivery_.answer = no_delivery;
  services_.relay.ReplayDelivery_.answer = no_delivery;
  struct Route {
    const char* method;
    const char* folder;
    const char* rest;
    const char* body;
    const char* code;
  };
  const Route routes[] = {{"PATCH", "targets", "", "{}", "target_not_found"},
                          {"DELETE", "targets", "", "", "target_not_found"},
                          {"POST", "targets", "/secret", "", "target_not_found"},
                          {"POST", "targets", "/test", "", "target_not_found"},
                          {"GET", "deliveries", "", "", "delivery_not_found"},
                          {"POST", "deliveries", "/replay", "", "delivery_not_found"}};
  for (const Route& route : routes) {
    for (const char* id : {"99", "x", "0"}) {
      const std::string path = fmt::format("/v1/admin/relay/{}/{}{}", route.folder, id, route.rest);
      const http::ClientResponse answer = CallAsOperator(route.method, path, route.body);
      EXPECT_EQ(answer.status, 404) << route.method << ' ' << path;
      EXPECT_EQ(CodeOf(answer), route.code) << route.method << ' ' << path;
    }
  }
}

TEST_F(RelayRoutesTest, DeadDeliveriesAreReplayedByNameOrByRange) {
  services_.relay.ReplayDeliveries_.answer =
      [](const relay::v1::ReplayDeliveriesRequest& request) -> Result<relay::v1::ReplayDeliveriesResponse> {
    relay::v1::ReplayDeliveriesResponse response;
    response.set_replayed(static_cast<uint32_t>(request.ids_size()));
    response.set_pending(7);
    if (request.ids_size() == 0) {
      EXPECT_EQ(request.target_id(), 3);
      EXPECT_EQ(request.from_ms(), 1'795'000'000'000);
      EXPECT_EQ(request.until_ms(), 0);
      response.set_more(true);
    }
    auto& refused = *response.add_refused();
    refused.set_id(5);
    refused.set_code("not_dead");
    return response;
  };
  constexpr std::string_view kPath = "/v1/admin/relay/deliveries/replay";
  const http::ClientResponse named = CallAsOperator("POST", kPath, R"({"ids":["4","5"]})");
  ASSERT_EQ(named.status, 200) << named.body;
  EXPECT_EQ(Json(named).at("replayed").as_int64(), 2);
  EXPECT_EQ(Json(named).at("pending").as_int64(), 7);
  EXPECT_EQ(Json(named).at("refused").at(0).at("code").as_string(), "not_dead");
  const http::ClientResponse range =
      CallAsOperator("POST", kPath, R"({"target_id":"3","from":"2026-11-18T11:06:40Z"})");
  EXPECT_TRUE(Json(range).at("more").as_bool());
  for (const std::string_view odd :
       {R"({})", R"({"ids":[]})", R"({"ids":["x"]})", R"({"from":"yesterday"})"}) {
    const http::ClientResponse answer = CallAsOperator("POST", kPath, odd);
    EXPECT_TRUE(answer.status == 400 || answer.status == 422) << odd << answer.status;
    EXPECT_TRUE(Json(answer).as_object().contains("field")) << odd;
  }
}

TEST_F(RelayRoutesTest, WhatShowsHaveEarnedIsForOperators) {
  services_.ranking.GetRanking_.answer =
      [](const ranking::v1::GetRankingRequest& request) -> Result<ranking::v1::GetRankingResponse> {
    ranking::v1::GetRankingResponse ranking;
    for (const char* currency : {"KRW", "USD"}) {
      auto& row = *ranking.add_rows();
      row.set_rank(1);
      row.set_show_id(7);
      row.set_revenue(5'000);
      row.set_currency(currency);
      row.set_score(1.5);
    }
    EXPECT_EQ(request.window(), request.by() == "trending" ? "day" : "all");
    return ranking;
  };
  const http::ClientResponse earned = CallAsOperator("GET", "/v1/admin/rankings?by=revenue&currency=USD");
  ASSERT_EQ(earned.status, 200) << earned.body;
  ASSERT_EQ(Json(earned).at("items").as_array().size(), 1U);
  EXPECT_EQ(Json(earned).at("items").at(0).at("revenue").as_int64(), 5'000);
  EXPECT_EQ(Json(earned).at("items").at(0).at("currency").as_string(), "USD");
  const http::ClientResponse trending = Call("GET", "/v1/rankings?by=trending");
  EXPECT_TRUE(Json(trending).at("items").at(0).at("revenue").is_null());
  EXPECT_EQ(Json(trending).at("items").at(0).at("score").to_number<double>(), 1.5);
  for (const char* odd : {"by=revenue", "by=trending&window=all", "window=year", "currency=krw"}) {
    const http::ClientResponse answer = Call("GET", fmt::format("/v1/rankings?{}", odd));
    EXPECT_EQ(answer.status, 400) << odd;
    EXPECT_EQ(CodeOf(answer), "parameter_invalid") << odd;
  }
  EXPECT_EQ(Call("GET", "/v1/admin/rankings").status, 403);
}

TEST_F(RelayRoutesTest, ARebuildIsAskedForAndItsStatusTold) {
  const auto status = [](const auto&) -> Result<ranking::v1::Status> {
    ranking::v1::Status told;
    told.set_rebuilding(true);
    told.set_processed_events(5);
    told.set_now_ms(1);
    return told;
  };
  services_.ranking.GetStatus_.answer = status;
  services_.ranking.Rebuild_.answer = status;
  EXPECT_EQ(CallAsOperator("POST", "/v1/admin/rankings/rebuild").status, 202);
  const http::ClientResponse told = CallAsOperator("GET", "/v1/admin/rankings/status");
  EXPECT_EQ(Json(told).at("processed_events").as_int64(), 5);
  EXPECT_TRUE(Json(told).at("rebuilt_at").is_null());
  EXPECT_EQ(Call("POST", "/v1/admin/rankings/rebuild").status, 403);
}

}  // namespace
}  // namespace boxoffice::gateway
