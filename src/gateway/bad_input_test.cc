// Each row of the table of bad input, through real HTTP.
#include "gateway/gateway_for_test.h"
#include "platform/http/server_fixture.h"
#include "testing/wait.h"

namespace boxoffice::gateway {
namespace {

using testing::HasSubstr;
using BadInputTest = GatewayTest;

constexpr std::string_view kSeats = R"({"show_id":"1","seats":[7,8],"pay":true})";

TEST_F(BadInputTest, BodyThatIsNotJsonIs400) {
  for (const std::string_view body : {"", "{", "[]", "7", "nonsense", R"({"show_id":"1",})"}) {
    const http::ClientResponse answer = Reserve(body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(CodeOf(answer), "body_not_json") << body;
  }
}

TEST_F(BadInputTest, WrongTypeIs400AndNamesTheField) {
  const http::ClientResponse answer = Reserve(R"({"show_id":"1","seats":[7],"pay":"yes"})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(CodeOf(answer), "field_type");
  EXPECT_EQ(Json(answer).at("field").as_string(), "pay");
}

TEST_F(BadInputTest, UnknownFieldIs400AndNamesIt) {
  const http::ClientResponse answer =
      Reserve(R"({"show_id":"1","best_available":{"count":2,"colour":"red"}})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(CodeOf(answer), "field_unknown");
  EXPECT_EQ(Json(answer).at("field").as_string(), "best_available.colour");
}

TEST_F(BadInputTest, MissingFieldIs400AndNamesIt) {
  const http::ClientResponse answer = Reserve(R"({"seats":[7]})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(Json(answer).at("field").as_string(), "show_id");
}

TEST_F(BadInputTest, AFieldIs400WhereThereIsNoBody) {
  const auto refused = [](const http::ClientResponse& answer) {
    return answer.status == 400 ? CodeOf(answer) : std::to_string(answer.status);
  };
  for (const char* path : {"/v1/admin/audit", "/v1/admin/rankings/rebuild", "/v1/admin/relay/targets/3/test",
                           "/v1/admin/relay/deliveries/9/replay", "/v1/admin/dead-letters/1/replay",
                           "/v1/admin/shows/1/publish"}) {
    EXPECT_EQ(refused(CallAsOperator("POST", path, R"({"x":1})")), "field_unknown") << path;
    EXPECT_EQ(refused(CallAsOperator("POST", path, "x")), "body_not_json") << path;
  }
  EXPECT_EQ(refused(Call("POST", "/v1/shows/1/queue", R"({"x":1})")), "field_unknown");
  EXPECT_NE(Call("POST", "/v1/shows/1/queue", "{}").status, 400);
}

TEST_F(BadInputTest, BodyOver64KiBIs413) {
  const http::ClientResponse answer = Reserve(std::string(64 * 1024 + 1, ' '));
  EXPECT_EQ(answer.status, 413);
}

TEST_F(BadInputTest, AKeyGivenTwiceIsRefused) {
  for (const char* name : {"Idempotency-Key", "Authorization", "X-Queue-Token"}) {
    Options options;
    options.key = "k1";
    options.queue_token = QueueToken();
    options.headers = {{name, "another"}};
    const http::ClientResponse answer = Call("POST", "/v1/reservations", kSeats, options);
    EXPECT_EQ(answer.status, 400) << name;
    EXPECT_EQ(CodeOf(answer), "request_malformed") << name;
  }
}

TEST_F(BadInputTest, NoJwtIs401) {
  Options options;
  options.user = "";
  const http::ClientResponse answer = Call("GET", "/v1/wallet", {}, options);
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(CodeOf(answer), "jwt_missing");
  EXPECT_EQ(answer.header("WWW-Authenticate"), "Bearer");
}

TEST_F(BadInputTest, BadJwtIs401) {
  for (const std::string& token : {std::string("nonsense"), Jwt("ada") + "x", std::string("a.b.c")}) {
    Options options;
    options.user = "";
    options.headers = {{"Authorization", "Bearer " + token}};
    EXPECT_EQ(Call("GET", "/v1/wallet", {}, options).status, 401) << token;
  }
}

TEST_F(BadInputTest, ExpiredJwtIs401) {
  Options options;
  options.user = "";
  options.headers = {{"Authorization", "Bearer " + Jwt("ada")}};
  clock_.Advance(std::chrono::hours(2));
  const http::ClientResponse answer = Call("GET", "/v1/wallet", {}, options);
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(CodeOf(answer), "jwt_expired");
}

TEST_F(BadInputTest, JwtOfAnotherAlgorithmIs401) {
  // {"alg":"none","typ":"JWT"} . {"sub":"ada"}
  Options options;
  options.user = "";
  options.headers = {{"Authorization", "Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhZGEifQ."}};
  const http::ClientResponse answer = Call("GET", "/v1/wallet", {}, options);
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(CodeOf(answer), "jwt_algorithm");
}

TEST_F(BadInputTest, OperatorsRouteAsBuyerIs403) {
  for (const std::string& route : gateway().routes()) {
    const size_t space = route.find(' ');
    std::string path = route.substr(space + 1);
    if (!path.starts_with("/v1/admin/")) continue;
    for (size_t open = path.find('{'); open != std::string::npos; open = path.find('{')) {
      path.replace(open, path.find('}') - open + 1, "1");
    }
    const http::ClientResponse answer = Call(route.substr(0, space), path, "{}");
    EXPECT_EQ(answer.status, 403) << route;
    EXPECT_EQ(CodeOf(answer), "operator_required") << route;
  }
}

TEST_F(BadInputTest, ABigBodyOfWhoIsNoOperatorIsRefusedBeforeItIsSent) {
  for (const char* path : {"/v1/admin/shows", "/v1/admin/settlements?from=a&until=b"}) {
    const auto ask = [&](const std::string& token) {
      http::RawClient client(gateway().port());
      client.Send(
          fmt::format("POST {} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                      "Content-Length: 30000000\r\n{}\r\n",
                      path, token.empty() ? token : "Authorization: Bearer " + token + "\r\n"));
      return client.ReadResponse();
    };
    EXPECT_THAT(ask(""), AllOf(testing::StartsWith("HTTP/1.1 401"), HasSubstr("jwt_missing"),
                               HasSubstr("Connection: close"), HasSubstr("no-store")))
        << path;
    EXPECT_THAT(ask(Jwt("ada")), AllOf(testing::StartsWith("HTTP/1.1 403"), HasSubstr("operator_required")))
        << path;
    EXPECT_EQ(ask(Jwt("root", auth::Role::kOperator)), "HTTP/1.1 100 Continue\r\n\r\n") << path;
  }
}

TEST_F(BadInputTest, SomeoneElsesReservationIs404) {
  services_.reservation.GetReservation_.answer =
      [](const auto& request) -> Result<reservation::v1::Reservation> {
    EXPECT_EQ(request.user_id(), "ada");
    return Fail(Code::kNotFound, "reservation_not_found");
  };
  EXPECT_EQ(Call("GET", fmt::format("/v1/reservations/{}", kReservation)).status, 404);
}

TEST_F(BadInputTest, SomeoneElsesReservationIs404EvenIfTheServiceGivesIt) {
  services_.reservation.GetReservation_.answer = [](const auto&) -> Result<reservation::v1::Reservation> {
    return AReservation(reservation::v1::HELD, "eve");
  };
  EXPECT_EQ(Call("GET", fmt::format("/v1/reservations/{}", kReservation)).status, 404);
}

TEST_F(BadInputTest, UnknownShowIs404) {
  EXPECT_EQ(CodeOf(Call("POST", "/v1/shows/99/queue")), "show_not_found");
  EXPECT_EQ(CodeOf(Call("POST", "/v1/shows/abc/queue")), "show_not_found");
  EXPECT_EQ(CodeOf(Call("GET", "/v1/shows/99")), "show_not_found");
  const http::ClientResponse answer = Reserve(R"({"show_id":99,"seats":[7]})");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(CodeOf(answer), "show_not_found");
}

TEST_F(BadInputTest, UnknownReservationIs404) {
  Options options;
  options.key = "k1";
  FailReservations(Code::kNotFound, "reservation_not_found");
  const std::string nil = "00000000-0000-0000-0000-000000000000";
  for (const std::string& id : {std::string(kReservation), std::string("nonsense"), std::string("7"), nil}) {
    for (const std::string action : {"confirm", "cancel"}) {
      const http::ClientResponse answer =
          Call("POST", fmt::format("/v1/reservations/{}/{}", id, action), {}, options);
      EXPECT_EQ(answer.status, 404) << id;
    }
  }
  services_.reservation.commands.calls = 0;
  EXPECT_EQ(Call("POST", fmt::format("/v1/reservations/{}/cancel", nil), {}, options).status, 404);
  EXPECT_EQ(services_.reservation.commands.calls, 0) << "nobody has the id that is none";
  EXPECT_EQ(Call("GET", "/v1/reservations/nonsense").status, 404);
}

TEST_F(BadInputTest, SeatOfAnotherShowIs422) {
  reservation::v1::Refusal refusal;
  refusal.set_code("seat_unknown");
  AnswerReservations(reservation::v1::FAILED, refusal);
  const http::ClientResponse answer = Reserve(kSeats);
  EXPECT_EQ(answer.status, 422);
  EXPECT_EQ(CodeOf(answer), "seat_unknown");
}

TEST_F(BadInputTest, SeatNumberThatNoShowHasIs422) {
  for (const std::string_view body : {R"({"show_id":1,"seats":[0]})", R"({"show_id":1,"seats":[-1]})",
                                      R"({"show_id":1,"seats":[4294967296]})"}) {
    EXPECT_EQ(Reserve(body).status, 422) << body;
  }
}

TEST_F(BadInputTest, QueueTokenMissingIs401) {
  Options options;
  options.key = "k1";
  http::ClientResponse answer;
  EXPECT_TRUE(testbed::Eventually([&] {  // once the queues are known
    answer = Call("POST", "/v1/reservations", kSeats, options);
    return answer.status == 401;
  }));
  EXPECT_EQ(CodeOf(answer), "queue_token_missing");
  EXPECT_EQ(CodeOf(Call("GET", "/v1/queue")), "queue_token_missing");
  answer = Call("POST", "/v1/reservations", R"({"show_id":99,"seats":[7]})", options);
  EXPECT_EQ(CodeOf(answer), "show_not_found") << "no token is given for what is not there";
}

// It may be a repeat, of a purchase without a queue that the gateway before had made.
TEST_F(BadInputTest, BeforeTheQueuesAreKnownAReservationWithoutATokenIsToComeAgain) {
  gateway_->Stop();
  services_.queue.GetHeads_.answer = [](const auto&) -> Result<queue::v1::GetHeadsResponse> {
    return Fail(Code::kUnavailable, "not_leading");
  };
  ASSERT_TRUE(gateway_->Start());
  Options options;
  options.key = "k1";
  const http::ClientResponse answer = Call("POST", "/v1/reservations", kSeats, options);
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(CodeOf(answer), "heads_unknown");
  EXPECT_TRUE(answer.header("Retry-After"));
}

TEST_F(BadInputTest, QueueTokenForgedIs401) {
  Options options;
  options.key = "k1";
  options.queue_token = QueueToken();
  options.queue_token.back() = options.queue_token.back() == 'A' ? 'B' : 'A';
  EXPECT_EQ(Call("POST", "/v1/reservations", kSeats, options).status, 401);
  EXPECT_EQ(Call("GET", "/v1/queue", {}, options).status, 401);
  EXPECT_EQ(Call("DELETE", "/v1/queue", {}, options).status, 401);
  EXPECT_EQ(Call("GET", "/v1/queue/events", {}, options).status, 401);
  EXPECT_EQ(services_.reservation.commands.calls, 0) << "a forged token must not cost a saga";
}

TEST_F(BadInputTest, QueueTokenOfAnotherUserIs403) {
  Options options;
  options.key = "k1";
  options.queue_token = QueueToken("eve");
  EXPECT_EQ(CodeOf(Call("POST", "/v1/reservations", kSeats, options)), "queue_token_wrong_user");
  EXPECT_EQ(Call("GET", "/v1/queue", {}, options).status, 403);
}

TEST_F(BadInputTest, QueueTokenOfAnotherShowIs403) {
  Options options;
  options.key = "k1";
  options.queue_token = QueueToken("ada", 2);
  const http::ClientResponse answer = Call("POST", "/v1/reservations", kSeats, options);
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(CodeOf(answer), "queue_token_wrong_show");
}

TEST_F(BadInputTest, QueueTokenWaitingOrExpiredIs409WithItsState) {
  for (const std::string state : {"WAITING", "EXPIRED"}) {
    reservation::v1::Refusal refusal;
    refusal.set_code("session_not_active");
    refusal.set_queue_state(state);
    AnswerReservations(reservation::v1::FAILED, refusal);
    const http::ClientResponse answer = Reserve(kSeats);
    EXPECT_EQ(answer.status, 409);
    EXPECT_EQ(Json(answer).at("queue_state").as_string(), state);
  }
}

TEST_F(BadInputTest, PollOfAnExpiredTokenIs409WithItsState) {
  services_.queue.commands.answer = [](const queue::v1::Command& command) -> Result<queue::v1::Outcome> {
    EXPECT_TRUE(command.has_poll());
    queue::v1::Outcome outcome;
    outcome.mutable_session()->set_refusal("token_expired");
    return outcome;
  };
  Options options;
  options.queue_token = QueueToken();
  const http::ClientResponse answer = Call("GET", "/v1/queue", {}, options);
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(CodeOf(answer), "queue_token_expired");
  EXPECT_EQ(Json(answer).at("queue_state").as_string(), "EXPIRED");
}

TEST_F(BadInputTest, SeatsTakenIs409WithEachConflict) {
  reservation::v1::Refusal refusal;
  refusal.set_code("seats_taken");
  seat::v1::SeatConflict& conflict = *refusal.add_conflicts();
  conflict.set_seat_no(8);
  conflict.set_label("A 1-8");
  conflict.set_reason("sold");
  AnswerReservations(reservation::v1::FAILED, refusal);
  const http::ClientResponse answer = Reserve(kSeats);
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(CodeOf(answer), "seats_taken");
  const boost::json::value body = Json(answer);
  ASSERT_EQ(body.at("conflicts").as_array().size(), 1U);
  EXPECT_EQ(body.at("conflicts").at(0).at("seat_no").as_int64(), 8);
  EXPECT_EQ(body.at("conflicts").at(0).at("reason").as_string(), "sold");
}

TEST_F(BadInputTest, OwnLimitIs409WithLimitAndOwned) {
  reservation::v1::Refusal refusal;
  refusal.set_code("seat_limit");
  refusal.set_seat_limit(4);
  refusal.set_seats_owned(3);
  AnswerReservations(reservation::v1::FAILED, refusal);
  const http::ClientResponse answer = Reserve(kSeats);
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(Json(answer).at("seat_limit").as_int64(), 4);
  EXPECT_EQ(Json(answer).at("seats_owned").as_int64(), 3);
}

TEST_F(BadInputTest, EmptyRepeatedAndMoreThanEightSeatsAre422) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {R"({"show_id":1,"seats":[]})", "no_seats"},
      {R"({"show_id":1})", "no_seats"},
      {R"({"show_id":1,"best_available":{"count":0}})", "no_seats"},
      {R"({"show_id":1,"seats":[7,7]})", "duplicate_seat"},
      {R"({"show_id":1,"seats":[1,2,3,4,5,6,7,8,9]})", "too_many_seats"},
      {R"({"show_id":1,"best_available":{"count":9}})", "too_many_seats"},
  };
  for (const auto& [body, code] : cases) {
    const http::ClientResponse answer = Reserve(body);
    EXPECT_EQ(answer.status, 422) << body;
    EXPECT_EQ(CodeOf(answer), code) << body;
  }
  EXPECT_EQ(services_.reservation.commands.calls, 0);
}

TEST_F(BadInputTest, BalanceTooLowIs402WithBalanceAndNeedAndTheReservation) {
  reservation::v1::Refusal refusal;
  refusal.set_code("balance_too_low");
  refusal.set_needed(110'000);
  AnswerReservations(reservation::v1::HELD, refusal);
  Options options;
  options.key = "k1";
  const http::ClientResponse answer =
      Call("POST", fmt::format("/v1/reservations/{}/confirm", kReservation), {}, options);
  EXPECT_EQ(answer.status, 402);
  EXPECT_EQ(Json(answer).at("balance").as_int64(), 0);
  EXPECT_EQ(Json(answer).at("needed").as_int64(), 110'000);
  EXPECT_EQ(Json(answer).at("reservation").at("state").as_string(), "HELD");
}

TEST_F(BadInputTest, PaymentDeclinedIs402WithTheProvidersCode) {
  reservation::v1::Refusal refusal;
  refusal.set_code("payment_declined");
  refusal.set_provider_code("card_expired");
  AnswerReservations(reservation::v1::FAILED, refusal);
  const http::ClientResponse answer = Reserve(kSeats);
  EXPECT_EQ(answer.status, 402);
  EXPECT_EQ(Json(answer).at("provider_code").as_string(), "card_expired");
}

TEST_F(BadInputTest, PaymentUnknownIs202AndConfirming) {
  AnswerReservations(reservation::v1::CONFIRMING);
  const http::ClientResponse answer = Reserve(kSeats);
  EXPECT_EQ(answer.status, 202);
  EXPECT_EQ(Json(answer).at("state").as_string(), "CONFIRMING");
  EXPECT_EQ(answer.header("Location"), fmt::format("/v1/reservations/{}", kReservation));
}

TEST_F(BadInputTest, AHoldThatStillWaitsForAServiceIs202) {
  services_.reservation.commands.answer = [](const reservation::v1::Command&) {
    reservation::v1::Outcome outcome;
    *outcome.mutable_reservation() = AReservation(reservation::v1::HELD);
    outcome.mutable_reservation()->clear_hold_expires_at_ms();
    outcome.mutable_reservation()->clear_seats();
    return Result<reservation::v1::Outcome>(outcome);
  };
  const http::ClientResponse answer = Reserve(kSeats);
  EXPECT_EQ(answer.status, 202) << "201 would say that the seats are held";
  EXPECT_EQ(answer.header("Location"), fmt::format("/v1/reservations/{}", kReservation));
  AnswerReservations(reservation::v1::HELD);
  EXPECT_EQ(Reserve(kSeats).status, 201);
}

TEST_F(BadInputTest, ConfirmOfAHoldThatIsLostIs409) {
  reservation::v1::Refusal refusal;
  refusal.set_code("hold_lost");
  AnswerReservations(reservation::v1::FAILED, refusal);
  Options options;
  options.key = "k1";
  const std::string path = fmt::format("/v1/reservations/{}/confirm", kReservation);
  EXPECT_EQ(Call("POST", path, {}, options).status, 409);
  AnswerReservations(reservation::v1::CONFIRMED);
  EXPECT_EQ(Call("POST", path, {}, options).status, 200);
}

TEST_F(BadInputTest, IdempotencyKeyMissingIs400OnEveryPostThatMoves) {
  const std::string reservation = fmt::format("/v1/reservations/{}", kReservation);
  for (const std::string& path : {std::string("/v1/reservations"), reservation + "/confirm",
                                  reservation + "/cancel", std::string("/v1/wallet/charges")}) {
    Options options;
    options.queue_token = QueueToken();
    const http::ClientResponse answer = Call("POST", path, kSeats, options);
    EXPECT_EQ(answer.status, 400) << path;
    EXPECT_EQ(CodeOf(answer), "idempotency_key_missing") << path;
  }
}

TEST_F(BadInputTest, IdempotencyKeyThatIsTooLongOrInvisibleIs400) {
  for (const std::string& key : {std::string(256, 'k'), std::string("a b"), std::string("\xc3\xa4")}) {
    Options options;
    options.key = key;
    options.queue_token = QueueToken();
    EXPECT_EQ(CodeOf(Call("POST", "/v1/reservations", kSeats, options)), "idempotency_key_invalid") << key;
  }
}

TEST_F(BadInputTest, IdempotencyKeyReusedIs422) {
  FailReservations(Code::kConflict, "idempotency_key_reused");
  EXPECT_EQ(Reserve(kSeats).status, 422);
}

TEST_F(BadInputTest, IdempotencyKeyRunningIs409WithRetryAfter) {
  FailReservations(Code::kConflict, "idempotency_key_running");
  const http::ClientResponse answer = Reserve(kSeats);
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(answer.header("Retry-After"), "1");
}

TEST_F(BadInputTest, TopUpKeyReusedIs422) {
  services_.wallet.commands.answer = [](const auto&) -> Result<wallet::v1::Outcome> {
    wallet::v1::Outcome outcome;
    outcome.mutable_wallet()->set_kind(wallet::v1::WalletOutcome::MISMATCH);
    return outcome;
  };
  Options options;
  options.key = "k1";
  EXPECT_EQ(CodeOf(Call("POST", "/v1/wallet/charges", R"({"amount":1,"currency":"KRW"})", options)),
            "idempotency_key_reused");
}

TEST_F(BadInputTest, NegativeZeroOverflowingAndFractionalAmountsAre422) {
  Options options;
  options.key = "k1";
  for (const std::string_view amount : {"-1", "0", "1.5", "1e3", "1000000000000001", "9223372036854775808"}) {
    const std::string body = fmt::format(R"({{"amount":{},"currency":"KRW"}})", amount);
    EXPECT_EQ(Call("POST", "/v1/wallet/charges", body, options).status, 422) << amount;
  }
  EXPECT_EQ(Call("POST", "/v1/wallet/charges", R"({"amount":"1","currency":"KRW"})", options).status, 400);
  EXPECT_EQ(Call("POST", "/v1/wallet/charges", R"({"amount":1,"currency":"krw"})", options).status, 422);
  EXPECT_EQ(services_.wallet.commands.calls, 0);
}

TEST_F(BadInputTest, SeatPlanThatCantBeUsedIs422WithItsLineOrPath) {
  services_.seat.CreateShow_.answer = [](const auto&) -> Result<seat::v1::Show> {
    return Fail(Code::kInvalidArgument, "seating_plan_invalid", "zones[0].rows[1]: seat A twice");
  };
  const http::ClientResponse answer = CallAsOperator(
      "POST", "/v1/admin/shows",
      R"({"concert_id":1,"starts_at":"2026-12-24T20:00:00Z","currency":"KRW","prices":{},"seating_plan":{}})");
  EXPECT_EQ(answer.status, 422);
  EXPECT_THAT(std::string(Json(answer).at("detail").as_string()), HasSubstr("zones[0].rows[1]"));
}

TEST_F(BadInputTest, AZeroIsNotTakenForTheDefault) {
  for (const char* name : {"seat_limit", "hold_ttl_s"}) {
    const http::ClientResponse answer = CallAsOperator(
        "POST", "/v1/admin/shows",
        fmt::format(R"({{"concert_id":1,"starts_at":"2026-12-24T20:00:00Z","currency":"KRW","{}":0,)"
                    R"("prices":{{"R":1}},"seating_plan":{{}}}})",
                    name));
    EXPECT_EQ(answer.status, 422) << name;
    EXPECT_EQ(Json(answer).at("field").as_string(), name);
  }
  EXPECT_EQ(services_.seat.CreateShow_.calls, 0);
}

TEST_F(BadInputTest, AFieldOfAShowIsNamedAsItWasSent) {
  services_.seat.UpdateShow_.answer =
      [](const seat::v1::UpdateShowRequest& request) -> Result<seat::v1::Show> {
    return Fail(Code::kInvalidArgument, "show_invalid",
                request.has_grace_ms() ? "grace_ms: 9000000 is not within 0 and 1800000"
                                       : "hold_ttl_ms: 5000 is not within 60000 and 1800000");
  };
  const http::ClientResponse hold = CallAsOperator("PATCH", "/v1/admin/shows/1", R"({"hold_ttl_s":5})");
  EXPECT_EQ(hold.status, 422);
  EXPECT_EQ(Json(hold).at("field").as_string(), "hold_ttl_s");
  EXPECT_EQ(Json(hold).at("detail").as_string(), "hold_ttl_s: 5 is not within 60 and 1800") << "in seconds";
  const http::ClientResponse grace = CallAsOperator("PATCH", "/v1/admin/shows/1", R"({"grace_s":9000})");
  EXPECT_EQ(Json(grace).at("field").as_string(), "grace_s");
  EXPECT_EQ(Json(grace).at("detail").as_string(), "grace_s: 9000 is not within 0 and 1800");
}

TEST_F(BadInputTest, AShowWithoutSeatsIsToldTheThreeWaysToGiveThem) {
  const http::ClientResponse answer = CallAsOperator(
      "POST", "/v1/admin/shows",
      R"({"concert_id":1,"starts_at":"2026-12-24T20:00:00Z","currency":"KRW","prices":{"R":1}})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(CodeOf(answer), "field_missing");
  const std::string detail(Json(answer).at("detail").as_string());
  for (const char* name : {"`seating_plan`", "`seating_csv`", "`grid`"}) EXPECT_THAT(detail, HasSubstr(name));
  EXPECT_EQ(services_.seat.CreateShow_.calls, 0);
}

TEST_F(BadInputTest, SeatPlanWhoseJsonIsBrokenOffIs422WithItsLine) {
  const http::ClientResponse answer =
      CallAsOperator("POST", "/v1/admin/shows", "{\"concert_id\":1,\"seating_plan\":{\n\"zones\":[\n}");
  EXPECT_EQ(answer.status, 422);
  EXPECT_EQ(CodeOf(answer), "seating_plan_invalid");
  EXPECT_THAT(std::string(Json(answer).at("detail").as_string()), HasSubstr("line 3"));
  EXPECT_EQ(services_.seat.CreateShow_.calls, 0);
}

TEST_F(BadInputTest, CursorOrLimitOfSomethingElseIs400) {
  services_.wallet.ListEntries_.answer = [](const auto&) -> Result<wallet::v1::ListEntriesResponse> {
    return wallet::v1::ListEntriesResponse();
  };
  EXPECT_EQ(Call("GET", "/v1/wallet/entries?limit=200").status, 200);
  for (const std::string_view query :
       {"limit=0", "limit=201", "limit=x", "cursor=x", "cursor=cmVzZXJ2YXRpb25zOng"}) {
    EXPECT_EQ(Call("GET", fmt::format("/v1/wallet/entries?{}", query)).status, 400) << query;
  }
}

TEST_F(BadInputTest, OverloadIs503WithRetryAfter) {
  const std::pair<Code, std::string> cases[] = {{Code::kResourceExhausted, "overloaded"},
                                                {Code::kResourceExhausted, "too_many"},
                                                {Code::kUnavailable, "stopping"},
                                                {Code::kUnknown, "timeout"}};
  for (const auto& [code, reason] : cases) {
    FailReservations(code, reason);
    const http::ClientResponse answer = Reserve(kSeats);
    EXPECT_EQ(answer.status, 503) << reason;
    EXPECT_EQ(answer.header("Retry-After"), "1") << reason;
  }
}

TEST_F(BadInputTest, PathOrMethodThatIsNotThereIs404Or405) {
  http::ClientRequest request;
  request.url = fmt::format("http://127.0.0.1:{}/v1/nothing", gateway().port());
  EXPECT_EQ(http::FetchBlocking(request)->status, 404);
  request.url = fmt::format("http://127.0.0.1:{}/v1/wallet", gateway().port());
  request.method = "PUT";
  EXPECT_EQ(http::FetchBlocking(request)->status, 405);
}

}  // namespace
}  // namespace boxoffice::gateway
