// What goes right, for every route: held to the contract by the fixture.
#include <algorithm>

#include "gateway/gateway_for_test.h"
#include "gateway/pages.h"
#include "testing/wait.h"

namespace boxoffice::gateway {
namespace {

class RoutesTest : public GatewayTest {
 protected:
  void Configure(GatewayConfig& config) override {
    config.views.health = [this] { return std::vector<module::Health>{{"seat", sick_ ? "disk full" : ""}}; };
  }
  reservation::v1::Command LastCommand() {
    const std::scoped_lock lock(mutex_);
    return commands_.empty() ? reservation::v1::Command() : commands_.back();
  }
  std::atomic<bool> sick_{false};
};

TEST_F(RoutesTest, OneShotIsCreatedAndConfirmed) {
  AnswerReservations(reservation::v1::CONFIRMED);
  const http::ClientResponse answer =
      Reserve(R"({"show_id":"1","seats":[8,7],"pay":true,"payment_method":"sandbox:approve"})");
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.header("Location"), fmt::format("/v1/reservations/{}", kReservation));
  EXPECT_EQ(Json(answer).at("state").as_string(), "CONFIRMED");
  EXPECT_EQ(Json(answer).at("show_id").as_string(), "1");
  EXPECT_TRUE(Json(answer).at("hold_expires_at").is_null());
  const reservation::v1::Command command = LastCommand();
  EXPECT_EQ(command.user_id(), "ada");
  EXPECT_EQ(command.idempotency_key(), "k1");
  EXPECT_EQ(command.request_hash().size(), 32U);
  EXPECT_TRUE(command.reserve().pay());
  EXPECT_EQ(command.reserve().queue_token(), QueueToken());
  EXPECT_EQ(command.reserve().payment_method(), "sandbox:approve");
  EXPECT_THAT(command.reserve().seats().seat_nos(), testing::ElementsAre(7, 8));
}

TEST_F(RoutesTest, TheSameMeaningHasTheSameHash) {
  AnswerReservations(reservation::v1::HELD);
  (void)Reserve(R"({"show_id":"1","seats":[8,7]})");
  const std::string hash = LastCommand().request_hash();
  (void)Reserve(R"({ "seats": [7, 8], "pay": false, "show_id": 1 })");
  EXPECT_EQ(LastCommand().request_hash(), hash);
  (void)Reserve(R"({"show_id":"1","seats":[7]})");
  EXPECT_NE(LastCommand().request_hash(), hash);
  (void)Reserve(R"({"show_id":"1","best_available":{"count":2,"section":"A"}})");
  const std::string best = LastCommand().request_hash();
  (void)Reserve(R"({"show_id":"1","best_available":{"count":2,"category":"A"}})");
  EXPECT_NE(LastCommand().request_hash(), best);
}

TEST_F(RoutesTest, ATraceGoesOnThroughTheCommand) {
  AnswerReservations(reservation::v1::HELD);
  constexpr std::string_view kTrace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  Options options;
  options.key = "k1";
  options.queue_token = QueueToken();
  options.headers = {{"traceparent", std::string(kTrace)}};
  const http::ClientResponse answer =
      Call("POST", "/v1/reservations", R"({"show_id":1,"seats":[7]})", options);
  EXPECT_EQ(answer.header("X-Request-Id"), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(LastCommand().header().traceparent(), kTrace);
}

TEST_F(RoutesTest, ConfirmAndCancelTakeAnEmptyBody) {
  const std::string path = fmt::format("/v1/reservations/{}", kReservation);
  Options options;
  options.key = "k1";
  AnswerReservations(reservation::v1::CONFIRMED);
  EXPECT_EQ(Call("POST", path + "/confirm", {}, options).status, 200);
  EXPECT_EQ(Call("POST", path + "/confirm", R"({"payment_method":"internal"})", options).status, 200);
  EXPECT_EQ(LastCommand().confirm().payment_method(), "internal");
  AnswerReservations(reservation::v1::CANCELLING);
  EXPECT_EQ(Call("POST", path + "/cancel", "{}", options).status, 202);
  EXPECT_TRUE(LastCommand().has_cancel());
}

TEST_F(RoutesTest, ReservationsAreListedByPage) {
  services_.reservation.ListReservations_.answer =
      [](const reservation::v1::ListReservationsRequest& request) {
        EXPECT_EQ(request.user_id(), "ada");
        reservation::v1::ListReservationsResponse list;
        *list.add_reservations() = AReservation(reservation::v1::HELD);
        list.set_more(request.before_id().empty());
        return Result<reservation::v1::ListReservationsResponse>(list);
      };
  const boost::json::value first = Json(Call("GET", "/v1/reservations?limit=1&state=HELD&show_id=1"));
  ASSERT_TRUE(first.at("next_cursor").is_string());
  const std::string next(first.at("next_cursor").as_string());
  EXPECT_TRUE(Json(Call("GET", "/v1/reservations?limit=1&cursor=" + next)).at("next_cursor").is_null());
  services_.reservation.GetReservation_.answer = [](const auto&) {
    return Result<reservation::v1::Reservation>(AReservation(reservation::v1::HELD));
  };
  EXPECT_EQ(Call("GET", fmt::format("/v1/reservations/{}", kReservation)).status, 200);
}

TEST_F(RoutesTest, WalletIsSeenAndCharged) {
  services_.wallet.GetWallet_.answer = [](const wallet::v1::GetWalletRequest& request) {
    wallet::v1::Wallet wallet;
    wallet.set_user_id(request.user_id());
    wallet.add_balances()->set_amount(500);
    wallet.mutable_balances(0)->set_currency("KRW");
    return Result<wallet::v1::Wallet>(wallet);
  };
  EXPECT_EQ(Json(Call("GET", "/v1/wallet")).at("user_id").as_string(), "ada");
  services_.wallet.commands.answer = [](const wallet::v1::Command& command) -> Result<wallet::v1::Outcome> {
    EXPECT_EQ(command.top_up().user_id(), "ada");
    EXPECT_EQ(command.top_up().client_key(), "k1");
    wallet::v1::Outcome outcome;
    outcome.mutable_wallet()->set_kind(wallet::v1::WalletOutcome::DONE);
    outcome.mutable_wallet()->mutable_balance()->set_amount(1'500);
    outcome.mutable_wallet()->set_entry_id(std::string(ReservationId::Parse(kReservation)->bytes()));
    return outcome;
  };
  Options options;
  options.key = "k1";
  const http::ClientResponse answer =
      Call("POST", "/v1/wallet/charges", R"({"amount":1000,"currency":"KRW"})", options);
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(Json(answer).at("balance").as_int64(), 1'500);
  services_.wallet.ListEntries_.answer = [](const auto&) -> Result<wallet::v1::ListEntriesResponse> {
    wallet::v1::ListEntriesResponse list;
    wallet::v1::Entry& entry = *list.add_entries();
    entry.set_id(std::string(ReservationId::Parse(kReservation)->bytes()));
    entry.set_kind("top_up");
    entry.mutable_money()->set_amount(1'000);
    entry.mutable_money()->set_currency("KRW");
    entry.set_created_at_ms(1);
    return list;
  };
  EXPECT_EQ(Call("GET", "/v1/wallet/entries?currency=KRW").status, 200);
}

TEST_F(RoutesTest, TheCatalogueIsOpenToEverybody) {
  seat::v1::Concert concert;
  concert.set_id(1);
  concert.set_title("A \"quoted\" <title>");
  *concert.add_shows() = AShow();
  services_.seat.GetConcert_.answer = [=](const auto&) { return Result<seat::v1::Concert>(concert); };
  services_.seat.ListConcerts_.answer = [=](const auto&) -> Result<seat::v1::ListConcertsResponse> {
    seat::v1::ListConcertsResponse list;
    *list.add_concerts() = concert;
    list.set_more(true);
    return list;
  };
  services_.ranking.GetRanking_.answer = [](const ranking::v1::GetRankingRequest& request) {
    EXPECT_EQ(request.by(), "sellout");
    EXPECT_EQ(request.window(), "all");
    ranking::v1::GetRankingResponse ranking;
    ranking.add_rows()->set_show_id(1);
    ranking.mutable_rows(0)->set_sellout_ms(61'500);
    return Result<ranking::v1::GetRankingResponse>(ranking);
  };
  Options nobody;
  nobody.user = "";
  EXPECT_EQ(Json(Call("GET", "/v1/concerts/1", {}, nobody)).at("title").as_string(), "A \"quoted\" <title>");
  EXPECT_TRUE(Json(Call("GET", "/v1/concerts", {}, nobody)).at("next_cursor").is_string());
  EXPECT_EQ(Json(Call("GET", "/v1/shows/1", {}, nobody)).at("price_categories").as_array().size(), 1U);
  const http::ClientResponse ranking = Call("GET", "/v1/rankings?by=sellout", {}, nobody);
  EXPECT_EQ(Json(ranking).at("items").at(0).at("sellout_s").as_double(), 61.5);
  EXPECT_EQ(Call("GET", "/v1/rankings?by=price", {}, nobody).status, 400);
  EXPECT_EQ(CallAsOperator("GET", "/v1/admin/concerts").status, 200);
}

TEST_F(RoutesTest, ARankingGoesOnWhereTheCursorSays) {
  services_.ranking.GetRanking_.answer = [](const ranking::v1::GetRankingRequest&) {
    ranking::v1::GetRankingResponse ranking;
    for (const int64_t show : {7, 8, 9, 10, 11}) {
      ranking::v1::GetRankingResponse::Row& row = *ranking.add_rows();
      row.set_show_id(show);
      row.set_currency(show == 8 ? "USD" : "KRW");
    }
    return Result<ranking::v1::GetRankingResponse>(ranking);
  };
  const std::string base = "/v1/admin/rankings?currency=KRW&limit=2";
  std::string shows;
  std::string cursor;
  for (int page = 0; page < 2; ++page) {
    const std::string path = cursor.empty() ? base : base + "&cursor=" + cursor;
    const boost::json::value told = Json(CallAsOperator("GET", path));
    for (const auto& row : told.at("items").as_array())
      shows += std::string(row.at("show_id").as_string()) + " ";
    cursor = told.at("next_cursor").is_null() ? "" : told.at("next_cursor").as_string().c_str();
  }
  EXPECT_EQ(shows, "7 9 10 11 ");
  EXPECT_EQ(cursor, "") << "that was the last page";
  EXPECT_EQ(CodeOf(CallAsOperator("GET", base + "&cursor=x")), "cursor_invalid");
  EXPECT_TRUE(Json(Call("GET", "/v1/rankings?limit=4")).at("next_cursor").is_string());
}

TEST_F(RoutesTest, WhileTheRankingServiceIsDownBuyersSeeTheRankingAsItLastWas) {
  services_.ranking.GetRanking_.answer =
      [](const ranking::v1::GetRankingRequest&) -> Result<ranking::v1::GetRankingResponse> {
    return Fail(Code::kUnavailable, "database_unavailable");
  };
  EXPECT_EQ(Call("GET", "/v1/rankings").status, 503) << "nothing was told yet";
  services_.ranking.GetRanking_.answer = [](const ranking::v1::GetRankingRequest&) {
    ranking::v1::GetRankingResponse ranking;
    ranking.set_as_of_ms(1'800'000'000'000);
    for (const int64_t show : {7, 8, 9}) ranking.add_rows()->set_show_id(show);
    return Result<ranking::v1::GetRankingResponse>(ranking);
  };
  const http::ClientResponse fresh = Call("GET", "/v1/rankings?limit=2");
  EXPECT_EQ(Json(fresh).at("items").as_array().size(), 2U);
  services_.ranking.GetRanking_.answer =
      [](const ranking::v1::GetRankingRequest&) -> Result<ranking::v1::GetRankingResponse> {
    return Fail(Code::kUnavailable, "database_unavailable");
  };
  const http::ClientResponse stale = Call("GET", "/v1/rankings?limit=2");
  EXPECT_EQ(stale.status, 200);
  EXPECT_EQ(stale.body, fresh.body) << "and its as_of tells how old it is";
  EXPECT_EQ(Call("GET", "/v1/rankings?window=hour").status, 503) << "another ranking";
}

TEST_F(RoutesTest, OperatorsMakeConcertsAndShows) {
  services_.seat.CreateConcert_.answer = [](const seat::v1::CreateConcertRequest& request) {
    EXPECT_EQ(request.operation_key(), "root:k1");
    seat::v1::Concert concert;
    concert.set_id(7);
    concert.set_title(request.title());
    return Result<seat::v1::Concert>(concert);
  };
  const http::ClientResponse concert =
      CallAsOperator("POST", "/v1/admin/concerts", R"({"title":"T","artist":"A","venue":"V"})");
  EXPECT_EQ(concert.status, 201);
  EXPECT_EQ(concert.header("Location"), "/v1/admin/concerts/7") << "to buyers it is not there yet";
  services_.seat.CreateShow_.answer = [](const seat::v1::CreateShowRequest& request) {
    EXPECT_EQ(request.concert_id(), 7);
    EXPECT_EQ(request.starts_at_ms(), ToUnixMs(FromUnixMs(1'798'142'400'000)));
    EXPECT_EQ(request.seating_plan(), R"({"zones": []})");
    EXPECT_EQ(request.prices().at("R"), 110'000);
    EXPECT_EQ(request.hold_ttl_ms(), 480'000U);
    return Result<seat::v1::Show>(AShow());
  };
  constexpr std::string_view kShow =
      R"({{"concert_id":"7","starts_at":"2026-12-24T20:00:00Z","currency":"KRW","hold_ttl_s":480,"prices":{{"R":110000}},"seating_plan":{}}})";
  const http::ClientResponse show =
      CallAsOperator("POST", "/v1/admin/shows", fmt::format(kShow, R"({"zones": []})"));
  EXPECT_EQ(show.status, 201) << show.body;
  EXPECT_EQ(show.header("Location"), "/v1/admin/shows/1");
  EXPECT_EQ(CallAsOperator("POST", "/v1/admin/shows", fmt::format(kShow, R"("{\"zones\": []}")")).status,
            201);
  services_.seat.UpdateShow_.answer = [](const seat::v1::UpdateShowRequest& request) {
    EXPECT_EQ(request.seat_limit(), 4U);
    EXPECT_FALSE(request.has_hold_ttl_ms());
    return Result<seat::v1::Show>(AShow());
  };
  EXPECT_EQ(CallAsOperator("PATCH", "/v1/admin/shows/1", R"({"seat_limit":4})").status, 200);
  services_.seat.UpdateShow_.answer = [](const seat::v1::UpdateShowRequest& request) {
    EXPECT_TRUE(request.has_cancel_deadline_ms() && request.cancel_deadline_ms() == 0) << "taken away";
    return Result<seat::v1::Show>(AShow());
  };
  EXPECT_EQ(CallAsOperator("PATCH", "/v1/admin/shows/1", R"({"cancel_deadline":null})").status, 200);
}

TEST_F(RoutesTest, OperatorsRenameAConcertAndOnlyWhatIsGivenIsAskedFor) {
  services_.seat.UpdateConcert_.answer =
      [](const seat::v1::UpdateConcertRequest& request) -> Result<seat::v1::Concert> {
    if (request.id() != 7) return Fail(Code::kNotFound, "concert_not_found");
    if (request.title().empty()) return Fail(Code::kInvalidArgument, "concert_invalid", "title: is missing");
    EXPECT_TRUE(request.has_artist());
    EXPECT_FALSE(request.has_venue());
    seat::v1::Concert concert;
    concert.set_id(7);
    concert.set_title(request.title());
    return concert;
  };
  const http::ClientResponse renamed =
      CallAsOperator("PATCH", "/v1/admin/concerts/7", R"({"title":"T","artist":""})");
  EXPECT_EQ(renamed.status, 200);
  EXPECT_EQ(Json(renamed).at("title").as_string(), "T");
  EXPECT_EQ(CallAsOperator("PATCH", "/v1/admin/concerts/7", R"({"title":""})").status, 422);
  EXPECT_EQ(CallAsOperator("PATCH", "/v1/admin/concerts/7", R"({"description":"D"})").status, 400);
  EXPECT_EQ(CodeOf(CallAsOperator("PATCH", "/v1/admin/concerts/8", R"({"title":"T"})")), "concert_not_found");
  EXPECT_EQ(CodeOf(CallAsOperator("PATCH", "/v1/admin/concerts/x", R"({"title":"T"})")), "concert_not_found");
  EXPECT_EQ(Call("PATCH", "/v1/admin/concerts/7", R"({"title":"T"})").status, 403);
}

TEST_F(RoutesTest, ABigPlanIsTakenWhereItBelongs) {
  services_.seat.CreateShow_.answer = [](const seat::v1::CreateShowRequest& request) {
    EXPECT_GT(request.seating_plan().size(), 1'000'000U);
    return Result<seat::v1::Show>(AShow());
  };
  const std::string plan = R"({"zones":[")" + std::string(1'000'000, 'x') + R"("]})";
  const http::ClientResponse show = CallAsOperator(
      "POST", "/v1/admin/shows",
      R"({"concert_id":7,"starts_at":"2026-12-24T20:00:00Z","currency":"KRW","prices":{},"seating_plan":)" +
          plan + "}");
  EXPECT_EQ(show.status, 201) << show.body;
}

TEST_F(RoutesTest, APlanThatIsNotUtf8Is422) {
  const http::ClientResponse refused = CallAsOperator(
      "POST", "/v1/admin/shows",
      R"({"concert_id":7,"starts_at":"2026-12-24T20:00:00Z","currency":"KRW","prices":{},"seating_plan":{"name":")"
      "\xff"
      R"("}})");
  EXPECT_EQ(refused.status, 422) << refused.body;
  EXPECT_EQ(CodeOf(refused), "seating_plan_invalid");
}

TEST_F(RoutesTest, OperatorsNameUsersAsTokensDo) {
  EXPECT_EQ(CodeOf(CallAsOperator("GET", "/v1/admin/wallets/a%0Ab")), "user_not_found");
  EXPECT_EQ(CodeOf(CallAsOperator("GET", "/v1/admin/reservations?user_id=a%0Ab")), "parameter_invalid");
  EXPECT_EQ(CodeOf(CallAsOperator("POST", "/v1/admin/wallets/a%20b/adjustments",
                                  R"({"amount":1,"currency":"KRW","reason":"r"})")),
            "user_not_found");
}

TEST_F(RoutesTest, EveryAnswerTellsBrowsersNotToGuessWhatItIs) {
  Options nobody;
  nobody.user = "";
  for (const auto& [method, path] : {std::pair("GET", "/v1/concerts"),
                                     {"GET", "/v1/wallet"},
                                     {"GET", "/healthz"},
                                     {"GET", "/docs"},
                                     {"GET", "/nowhere"},
                                     {"DELETE", "/v1/concerts"},
                                     {"GET", "/v1/shows/%ff"},
                                     {"GET", "/v1/concerts?a=1&a=2"}}) {
    const http::ClientResponse answer = CallUnjudged(method, path, "", nobody);
    EXPECT_EQ(answer.header("X-Content-Type-Options"), "nosniff") << path;
    EXPECT_EQ(
        std::ranges::count(answer.headers, "X-Content-Type-Options", [](const auto& h) { return h.first; }),
        1)
        << path;
  }
}

TEST_F(RoutesTest, OperatorsSteerQueues) {
  services_.queue.commands.answer = [](const queue::v1::Command& command) -> Result<queue::v1::Outcome> {
    queue::v1::Outcome outcome;
    EXPECT_EQ(command.header().priority(), rpc::v1::PRIORITY_FINISHING) << "also while too many come";
    outcome.mutable_queue()->set_show_id(command.configure().show_id());
    outcome.mutable_queue()->set_state(command.configure().has_state() ? command.configure().state()
                                                                       : queue::v1::OPEN);
    outcome.mutable_queue()->set_rate_per_s(
        command.configure().has_rate_per_s() ? command.configure().rate_per_s() : 50);
    return outcome;
  };
  services_.queue.ListQueues_.answer = [](const auto&) -> Result<queue::v1::ListQueuesResponse> {
    queue::v1::ListQueuesResponse list;
    list.add_queues()->set_show_id(2);
    list.mutable_queues(0)->set_state(queue::v1::OPEN);
    return list;
  };
  EXPECT_EQ(Json(CallAsOperator("GET", "/v1/admin/queues")).at("items").as_array().size(), 1U);
  EXPECT_EQ(Json(CallAsOperator("GET", "/v1/admin/shows/1/queue")).at("rate_per_s").as_int64(), 50);
  const http::ClientResponse changed =
      CallAsOperator("PATCH", "/v1/admin/shows/1/queue", R"({"state":"PAUSED","rate_per_s":0.5})");
  EXPECT_EQ(Json(changed).at("state").as_string(), "PAUSED");
  EXPECT_EQ(CallAsOperator("PATCH", "/v1/admin/shows/1/queue", R"({"state":"SHUT"})").status, 422);
  const std::pair<const char*, int> wrong_times[] = {
      {R"("tomorrow")", 422}, {R"("2026-13-01T00:00:00Z")", 422}, {"7", 400}, {"true", 400}};
  for (const auto& [wrong, status] : wrong_times) {
    const http::ClientResponse answer = CallAsOperator(
        "PATCH", "/v1/admin/shows/1/queue", fmt::format(R"({{"state":"PAUSED","opens_at":{}}})", wrong));
    EXPECT_EQ(answer.status, status) << wrong;
    EXPECT_EQ(Json(answer).at("field").as_string(), "opens_at");
  }
  EXPECT_EQ(CallAsOperator("PATCH", "/v1/admin/shows/1/queue", R"({"opens_at":null})").status, 200);
  EXPECT_EQ(CallAsOperator("PATCH", "/v1/admin/shows/9/queue", R"({"state":"OPEN"})").status, 404);
}

TEST_F(RoutesTest, OperatorsResolveSagas) {
  services_.reservation.GetReservation_.answer = [](const reservation::v1::GetReservationRequest& request) {
    EXPECT_EQ(request.user_id(), "");
    return Result<reservation::v1::Reservation>(AReservation(reservation::v1::COMPENSATING, "eve"));
  };
  const http::ClientResponse seen =
      CallAsOperator("GET", fmt::format("/v1/admin/reservations/{}", kReservation));
  EXPECT_EQ(Json(seen).at("user_id").as_string(), "eve");
  services_.reservation.ListSagas_.answer = [](const reservation::v1::ListSagasRequest& request) {
    EXPECT_EQ(request.status(), "parked");
    reservation::v1::ListReservationsResponse list;
    *list.add_reservations() = AReservation(reservation::v1::COMPENSATING);
    return Result<reservation::v1::ListReservationsResponse>(list);
  };
  EXPECT_EQ(CallAsOperator("GET", "/v1/admin/sagas?status=parked").status, 200);
  EXPECT_EQ(CallAsOperator("GET", "/v1/admin/sagas?status=odd").status, 400);
  for (const std::string action : {"retry", "undo", "park"}) {
    services_.reservation.ResolveSaga_.answer = [&](const reservation::v1::ResolveSagaRequest& request) {
      EXPECT_EQ(request.action(), action);
      EXPECT_EQ(request.reason(), "asked for");
      EXPECT_EQ(request.operator_id(), "root");
      return Result<reservation::v1::Reservation>(AReservation(reservation::v1::COMPENSATING));
    };
    const std::string path = fmt::format("/v1/admin/sagas/{}/{}", kReservation, action);
    EXPECT_EQ(CallAsOperator("POST", path, R"({"reason":"asked for"})").status, 200);
    EXPECT_EQ(CallAsOperator("POST", path, R"({"reason":""})").status, 422);
    EXPECT_EQ(CallAsOperator("POST", path, "{}").status, 400);
  }
}

TEST_F(RoutesTest, OperatorsSeeTheRelay) {
  relay::v1::Target target;
  target.set_id(3);
  target.set_url("https://example.com/hook");
  target.set_payload("thin");
  target.set_created_at_ms(1);
  relay::v1::Delivery delivery;
  delivery.set_id(9);
  delivery.set_state("pending");
  delivery.set_created_at_ms(1);
  services_.relay.ListTargets_.answer = [=](const auto&) -> Result<relay::v1::ListTargetsResponse> {
    relay::v1::ListTargetsResponse list;
    *list.add_targets() = target;
    return list;
  };
  services_.relay.CreateTarget_.answer =
      [=](const relay::v1::CreateTargetRequest& request) -> Result<relay::v1::Target> {
    EXPECT_EQ(request.operation_key(), "root:k1");
    relay::v1::Target created = target;
    created.set_secret("whsec_x");
    return created;
  };
  services_.relay.DeleteTarget_.answer = [](const auto&) {
    return Result<relay::v1::DeleteTargetResponse>(std::in_place);
  };
  services_.relay.ListDeliveries_.answer = [=](const auto&) -> Result<relay::v1::ListDeliveriesResponse> {
    relay::v1::ListDeliveriesResponse list;
    *list.add_deliveries() = delivery;
    list.set_more(true);
    return list;
  };
  services_.relay.ReplayDelivery_.answer = [=](const auto&) { return Result<relay::v1::Delivery>(delivery); };
  EXPECT_FALSE(CallAsOperator("GET", "/v1/admin/relay/targets").body.contains("\"secret\""));
  const http::ClientResponse created = CallAsOperator(
      "POST", "/v1/admin/relay/targets", R"({"url":"https://example.com/hook","event_types":[]})");
  EXPECT_EQ(created.status, 201);
  EXPECT_EQ(Json(created).at("secret").as_string(), "whsec_x");
  EXPECT_EQ(CallAsOperator("DELETE", "/v1/admin/relay/targets/3").status, 204);
  EXPECT_EQ(CallAsOperator("GET", "/v1/admin/relay/deliveries?target_id=3&state=pending").status, 200);
  EXPECT_EQ(CallAsOperator("GET", "/v1/admin/relay/deliveries?state=odd").status, 400);
  EXPECT_EQ(CallAsOperator("POST", "/v1/admin/relay/deliveries/9/replay").status, 200);
}

TEST_F(RoutesTest, OperatorsSeeAndReplayDeadLetters) {
  bus::DeadLetter letter;
  letter.id = 4;
  letter.group = "ranking";
  letter.parked_at = FromUnixMs(1);
  bus_.letters = {letter};
  EXPECT_EQ(Json(CallAsOperator("GET", "/v1/admin/dead-letters")).at("items").as_array().size(), 1U);
  EXPECT_EQ(CallAsOperator("POST", "/v1/admin/dead-letters/4/replay").status, 204);
  EXPECT_EQ(CallAsOperator("POST", "/v1/admin/dead-letters/5/replay").status, 404);
}

TEST_F(RoutesTest, ADeadLetterThatIsNoUtf8IsToldAllTheSame) {
  bus::DeadLetter letter;
  letter.id = 4;
  letter.parked_at = FromUnixMs(1);
  letter.record.event.key = "bad\xff\xfekey";
  letter.record.event.type = "reservation.\xff";
  letter.error = {Code::kInvalidArgument, "re\xff", "\xe2\x82 can't be read"};
  bus_.letters = {letter};
  const boost::json::value told = Json(CallAsOperator("GET", "/v1/admin/dead-letters")).at("items").at(0);
  EXPECT_EQ(told.at("key").as_string(), "bad\ufffd\ufffdkey");
  EXPECT_EQ(told.at("event_type").as_string(), "reservation.\ufffd");
  EXPECT_EQ(told.at("error").at("code").as_string(), "re\ufffd");
  EXPECT_EQ(told.at("error").at("detail").as_string(), "\ufffd\ufffd can't be read");
}

TEST_F(RoutesTest, DeadLettersComeInPages) {
  for (int64_t id = 1; id <= 5; ++id) {
    bus_.letters.emplace_back().id = id;
    bus_.letters.back().parked_at = FromUnixMs(id);
  }
  const std::string base = "/v1/admin/dead-letters?limit=2";
  std::string path = base;
  std::string ids;
  for (int page = 0; page < 3; ++page) {
    const boost::json::value told = Json(CallAsOperator("GET", path));
    for (const auto& letter : told.at("items").as_array())
      ids += std::string(letter.at("id").as_string()) + " ";
    const boost::json::value& next = told.at("next_cursor");
    ids += next.is_null() ? "end" : "| ";
    if (next.is_string()) path = base + "&cursor=" + next.as_string().c_str();
  }
  EXPECT_EQ(ids, "1 2 | 3 4 | 5 end");
  bus_.letters.resize(2);
  EXPECT_EQ(Json(CallAsOperator("GET", path)).at("items").as_array().size(), 0U) << "they were replayed";
  EXPECT_TRUE(Json(CallAsOperator("GET", base)).at("next_cursor").is_null()) << "a full page and no more";
  const std::string far = base + "&cursor=" + EncodeCursor("dead-letters", "9223372036854775807");
  EXPECT_EQ(CodeOf(CallAsOperator("GET", far)), "cursor_invalid");
}

TEST_F(RoutesTest, OperatorsSeeTheBreakers) {
  EXPECT_EQ(Call("GET", "/v1/shows/1").status, 200);
  const boost::json::value breakers = Json(CallAsOperator("GET", "/v1/admin/breakers"));
  const boost::json::array& items = breakers.at("items").as_array();
  ASSERT_EQ(items.size(), 7U) << "one for each service that the gateway calls";
  const auto found =
      std::ranges::find_if(items, [](const auto& item) { return item.at("client") == "gateway_seat"; });
  ASSERT_NE(found, items.end());
  const boost::json::value& seat = *found;
  EXPECT_TRUE(seat.at("replica").is_null());
  EXPECT_EQ(seat.at("state").as_string(), "closed");
  EXPECT_GE(seat.at("calls").as_int64(), 1);
  EXPECT_EQ(Call("GET", "/v1/admin/breakers").status, 403);
}

TEST_F(RoutesTest, MachinesSeeTheProcess) {
  Options nobody;
  nobody.user = "";
  EXPECT_EQ(Call("GET", "/healthz", {}, nobody).status, 200);
  EXPECT_EQ(Call("GET", "/readyz", {}, nobody).status, 200);
  sick_ = true;
  const http::ClientResponse sick = Call("GET", "/readyz", {}, nobody);
  EXPECT_EQ(sick.status, 503);
  EXPECT_EQ(Json(sick).at("modules").at(0).at("problem").as_string(), "disk full");
  EXPECT_EQ(Call("GET", "/healthz", {}, nobody).status, 200);
  EXPECT_THAT(Call("GET", "/metrics", {}, nobody).body, testing::HasSubstr("boxoffice_http_requests_total"));
}

class AdminPortRoutesTest : public RoutesTest {
 protected:
  void Configure(GatewayConfig& config) override {
    RoutesTest::Configure(config);
    config.views.has_admin_port = true;
  }
};

TEST_F(AdminPortRoutesTest, MetricsAreNotForThePublicWhereThereIsAnAdminPort) {
  EXPECT_EQ(Call("GET", "/metrics").status, 404);
  EXPECT_EQ(Call("GET", "/v1/admin/metrics").status, 403);
  const http::ClientResponse metrics = CallAsOperator("GET", "/v1/admin/metrics");
  EXPECT_THAT(metrics.body, testing::HasSubstr("boxoffice_http_requests_total"));
}

TEST_F(RoutesTest, AnswersThatBelongToSomebodyAreNotCached) {
  EXPECT_EQ(Call("GET", "/v1/queue").header("Cache-Control"), "no-store");
  EXPECT_EQ(Call("GET", "/v1/queue").header("X-Content-Type-Options"), "nosniff");
}

class PatientRoutesTest : public RoutesTest {
 protected:
  void Configure(GatewayConfig& config) override {
    RoutesTest::Configure(config);
    config.limits.saga_timeout = std::chrono::minutes(10);
  }
};

TEST_F(PatientRoutesTest, StopsWhileRequestsAreUnderWay) {
  services_.reservation.commands.silent = true;
  std::thread client([this] {
    (void)http::FetchBlocking(
        http::ClientRequest{.method = "POST",
                            .url = fmt::format("http://127.0.0.1:{}/v1/reservations", gateway().port()),
                            .headers = {{"Authorization", "Bearer " + Jwt("ada")},
                                        {"Idempotency-Key", "k"},
                                        {"X-Queue-Token", QueueToken()}},
                            .body = R"({"show_id":1,"seats":[7]})"});
  });
  EXPECT_TRUE(testbed::Eventually([&] { return services_.reservation.commands.calls > 0; }));
  const auto begun = std::chrono::steady_clock::now();
  gateway().Drain(std::chrono::milliseconds(100));
  gateway().Stop();
  client.join();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(60))
      << "long before the answer's time is over";
}

}  // namespace
}  // namespace boxoffice::gateway
