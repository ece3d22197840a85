#include "boxoffice/operator_commands.h"

#include <boost/json.hpp>
#include <gmock/gmock.h>

#include "boxoffice/operator_commands_for_test.h"

namespace boxoffice::cli {
namespace {

using testing::HasSubstr;

constexpr std::string_view kQueue =
    R"({"show_id":"1","state":"OPEN","rate_per_s":50,"active_cap":500,"waiting":3})";
constexpr std::string_view kSaga =
    R"({"id":"r1","user_id":"ada","state":"COMPENSATING","failure":{"code":"payment_unknown","detail":""},)"
    R"("saga":{"id":"s1","attempt":1,"kind":"confirm","status":"parked","tries":20,"last_error":"timeout",)"
    R"("timeline":[{"at":"2026-11-22T10:00:00.000Z","step":"approve-payment","undo":false,"outcome":"unknown","detail":"","duration_us":3000000}]}})";

TEST_F(OperatorCommandsTest, ListsFollowTheCursor) {
  On("GET /v1/admin/concerts?limit=200",
     R"({"items":[{"id":"1","title":"One","shows":[]}],"next_cursor":"abc"})");
  On("GET /v1/admin/concerts?limit=200&cursor=abc",
     R"({"items":[{"id":"2","title":"Zwölf","shows":[]}],"next_cursor":null})");
  EXPECT_EQ(Run({"concert", "list"}), 0);
  EXPECT_EQ(out_, "ID  TITLE  ARTIST  VENUE\n1   One            \n2   Zwölf          \n");
  EXPECT_EQ(Run({"concert", "list", "--json"}), 0);
  EXPECT_EQ(boost::json::parse(out_).at("items").as_array().size(), 2U);
  EXPECT_EQ(Last().authorization, "Bearer t");
}

TEST_F(OperatorCommandsTest, AWideLetterOfATableTakesTwoColumns) {
  On("GET /v1/admin/concerts?limit=200",
     R"({"items":[{"id":"1","title":"여름의 빛","artist":"Ada","venue":"A"},)"
     R"({"id":"2","title":"Zwölf","artist":"🎸 Bo","venue":"B"}],"next_cursor":null})");
  EXPECT_EQ(Run({"concert", "list"}), 0);
  EXPECT_EQ(out_,
            "ID  TITLE      ARTIST  VENUE\n"
            "1   여름의 빛  Ada     A\n"
            "2   Zwölf      🎸 Bo   B\n");
}

TEST_F(OperatorCommandsTest, WhatComesFromElsewhereMovesNoCursor) {
  On("GET /v1/admin/concerts?limit=200",
     R"({"items":[{"id":"1","title":"a\u001b[2J\nb","artist":"c\u009bd","venue":"V"}],"next_cursor":null})");
  EXPECT_EQ(Run({"concert", "list"}), 0);
  EXPECT_EQ(out_,
            "ID  TITLE    ARTIST  VENUE\n"
            "1   a [2J b  c d     V\n");
}

TEST_F(OperatorCommandsTest, ConcertIsCreatedOnceForAKey) {
  On("POST /v1/admin/concerts", R"({"id":"7","title":"T","artist":"A","venue":"V","shows":[]})", 201);
  EXPECT_EQ(Run({"concert", "create", "--title", "T", "--artist", "A", "--venue", "V", "--key", "k1"}), 0);
  EXPECT_EQ(Last().key, "k1");
  EXPECT_EQ(Last().body, R"({"title":"T","artist":"A","venue":"V"})");
  EXPECT_THAT(out_, HasSubstr("id      7\n"));
  EXPECT_EQ(Run({"concert", "create", "--title", "T", "--artist", "A", "--venue", "V"}), 0);
  EXPECT_NE(Last().key, "");
}

TEST_F(OperatorCommandsTest, ConcertIsShownWithWhatOperatorsAloneSeeOfIt) {
  On("GET /v1/admin/concerts/7",
     R"({"id":"7","title":"T","artist":"A","venue":"V","shows":[{"id":"3","state":"DRAFT"}]})");
  EXPECT_EQ(Run({"concert", "get", "7"}), 0);
  EXPECT_THAT(out_, HasSubstr("title   T\n"));
  EXPECT_THAT(out_, HasSubstr("DRAFT"));
}

TEST_F(OperatorCommandsTest, ConcertIsRenamedAndWhatIsNotGivenIsNotSent) {
  EXPECT_EQ(Run({"concert", "set", "7"}), 2);
  On("PATCH /v1/admin/concerts/7", R"({"id":"7","title":"T","artist":"","venue":"V","shows":[]})");
  EXPECT_EQ(Run({"concert", "set", "7", "--title", "T", "--artist", ""}), 0);
  EXPECT_EQ(Last().body, R"({"title":"T","artist":""})");
  EXPECT_THAT(out_, HasSubstr("title   T\n"));
}

TEST_F(OperatorCommandsTest, WhatIsCalledTheWrongWayIs2AndAsksNothing) {
  EXPECT_EQ(Run({"show", "create", "--concert", "7", "--starts-at", "x", "--plan", "/nowhere/plan.json",
                 "--price", "R=1"}),
            2);
  EXPECT_THAT(err_, HasSubstr("/nowhere/plan.json"));
  EXPECT_EQ(Run({"show", "set", "1"}), 2);
  EXPECT_EQ(Run({"show", "create", "--concert", "7", "--starts-at", "x", "--price", "R=1"}), 2)
      << "without seats";
  for (const char* grid : {"Floor=20x30", "=20x30=A", "Floor=20=A", "Floor=20x=A", "Floor=x30=A",
                           "Floor=20x30=", "Floor=20x99999999999999999999=A"}) {
    EXPECT_EQ(Run({"show", "create", "--concert", "7", "--starts-at", "x", "--price", "A=1", "--grid", grid}),
              2)
        << grid;
  }
  EXPECT_EQ(Run({"show", "create", "--concert", "7", "--starts-at", "x", "--price", "A=99999999999999999999",
                 "--grid", "Floor=2x2=A"}),
            2);
  EXPECT_THAT(err_, HasSubstr("A=99999999999999999999"));
  EXPECT_EQ(Run({"show", "cancel", "1"}), 2) << "without --yes";
  for (const char* seats : {"", "0", "a", "1-", "3-2", "1,", "1;2", "1-9999"}) {
    EXPECT_EQ(Run({"seats", "block", "1", "--seats", seats, "--reason", "camera"}), 2) << seats;
  }
  EXPECT_EQ(Run({"seats", "block", "1", "--reason", "camera"}), 2) << "without seats";
  EXPECT_EQ(Run({"seats", "block", "1", "--seats", "1"}), 2) << "without a reason";
  EXPECT_EQ(Run({"queue", "set", "1"}), 2);
  for (const char* number : {"nan", "inf", "-inf", "1e999", "x", ""}) {
    EXPECT_EQ(Run({"queue", "set", "1", "--rate", number}), 2) << number;
    EXPECT_EQ(Run({"relay", "set", "3", "--rate", number}), 2) << number;
    EXPECT_EQ(Run({"queue", "list", "--watch", number}), 2) << number;
  }
  EXPECT_EQ(Run({"saga", "retry", "r1"}), 2) << "without a reason";
  EXPECT_EQ(Run({"saga", "list", "--status", "odd"}), 2);
  EXPECT_EQ(Run({"queue"}), 2);
  EXPECT_TRUE(seen_.empty());
}

TEST_F(OperatorCommandsTest, WaitlistsAreListedJoinedAndLeft) {
  constexpr std::string_view kEntry =
      R"({"show_id":"1","place":3,"user_id":"mina","count":2,"section":null,"category":"R","max_price":null,
"state":"WAITING","before":2,"reservation_id":null,"offered_until":null,"ended_because":null,
"joined_at":"2026-11-22T10:00:00Z","updated_at":"2026-11-22T10:00:00Z"})";
  const std::string list = fmt::format(R"({{"items":[{}],"next_cursor":null}})", kEntry);
  On("GET /v1/admin/shows/1/waitlist?limit=200", list);
  EXPECT_EQ(Run({"waitlist", "list", "1"}), 0);
  EXPECT_THAT(out_, HasSubstr("mina"));
  On("POST /v1/shows/1/waitlist", kEntry);
  EXPECT_EQ(Run({"waitlist", "join", "1", "--count", "2", "--category", "R"}), 0);
  EXPECT_EQ(Last().body, R"({"count":2,"category":"R"})");
  On("GET /v1/shows/1/waitlist", kEntry);
  EXPECT_EQ(Run({"waitlist", "show", "1"}), 0);
  EXPECT_THAT(out_, HasSubstr("WAITING"));
  On("GET /v1/waitlist?limit=200", list);
  EXPECT_EQ(Run({"waitlist", "mine"}), 0);
  On("DELETE /v1/shows/1/waitlist", kEntry);
  EXPECT_EQ(Run({"waitlist", "leave", "1"}), 0) << err_;
  EXPECT_EQ(Run({"waitlist", "join", "1"}), 2) << "without --count";
  EXPECT_EQ(Run({"waitlist", "join", "1", "--count", "9"}), 2);
}

TEST_F(OperatorCommandsTest, AnAnswerThatIsNotWhatTheContractSaysIsReportedAsSuch) {
  On("GET /v1/admin/shows/1/seat-map", R"({"show_id":"1","states":7})");
  EXPECT_EQ(Run({"seats", "map", "1"}), 2);
  EXPECT_THAT(err_, HasSubstr("answer_malformed"));
}

TEST_F(OperatorCommandsTest, ReservationsAreSearchedCancelledAndMoved) {
  const std::string reservation =
      R"({"id":"r1","user_id":"mina","show_id":"1","state":"CONFIRMED","seats":[{"seat_no":3,"label":"A-3","price":90}],)"
      R"("amount":90,"currency":"KRW","fees":10,"failure":null,"created_at":"2026-11-22T10:00:00.000Z",)"
      R"("returned":{"seats":[{"seat_no":4,"label":"A-4","price":100}],"amount":90,"fee":10},)"
      R"("saga":{"id":"s1","kind":"move","status":"done"}})";
  On("GET /v1/admin/reservations?user_id=mina&state=CONFIRMED&from=2026-11-22T10%3A00%3A00Z&limit=200",
     fmt::format(R"({{"items":[{}],"next_cursor":null}})", reservation));
  EXPECT_EQ(Run({"reservation", "list", "--user", "mina", "--state", "CONFIRMED", "--from",
                 "2026-11-22T10:00:00Z"}),
            0)
      << err_;
  EXPECT_THAT(out_, HasSubstr("A-3"));
  On("GET /v1/admin/reservations/r1", reservation);
  EXPECT_EQ(Run({"reservation", "get", "r1"}), 0);
  EXPECT_THAT(out_, HasSubstr("A-4"));
  EXPECT_THAT(out_, HasSubstr("move done\n"));
  On("POST /v1/admin/reservations/r1/cancel", reservation);
  EXPECT_EQ(Run({"reservation", "cancel", "r1", "--seats", "4", "--reason", "ill", "--yes"}), 0) << err_;
  EXPECT_EQ(Last().body, R"({"reason":"ill","seats":[4]})");
  EXPECT_EQ(Run({"reservation", "cancel", "r1", "--reason", "ill"}), 2) << "nobody to ask";
  On("POST /v1/admin/reservations/r1/move", reservation);
  EXPECT_EQ(
      Run({"reservation", "move", "r1", "--from", "3,4", "--to", "9,8", "--reason", "a pillar", "--json"}), 0)
      << err_;
  EXPECT_EQ(Last().body, R"({"from":[3,4],"to":[9,8],"reason":"a pillar"})");
  EXPECT_EQ(Run({"reservation", "move", "r1", "--from", "3", "--reason", "a pillar"}), 2) << "where to?";
}

// A reservation that is, or was, being moved by a saga.
std::string BeingMoved(std::string_view saga, std::string_view status, std::string_view failure = "null") {
  return fmt::format(
      R"({{"id":"r1","state":"CONFIRMED","seats":[],"returned":null,"failure":{},"saga":{{"id":"{}","kind":"move","status":"{}"}}}})",
      failure, saga, status);
}

TEST_F(OperatorCommandsTest, AMoveThatGoesOnIsNotToldAsDone) {
  const std::string look = "GET /v1/admin/reservations/r1";
  const auto move = [this](const std::string& timeout_s) {
    return Run({"reservation", "move", "r1", "--from", "3", "--to", "9", "--reason", "a pillar",
                "--timeout-s", timeout_s});
  };
  On("POST /v1/admin/reservations/r1/move", BeingMoved("s2", "running"), 202);
  On(look, BeingMoved("s2", "done"));
  EXPECT_EQ(move("60"), 0) << err_;
  EXPECT_EQ(Last().line, look);
  On(look, BeingMoved("s2", "done", R"({"code":"seats_taken","detail":""})"));
  EXPECT_EQ(move("60"), 1);
  EXPECT_THAT(err_, HasSubstr("seats_taken"));
  On(look, BeingMoved("s2", "parked"));
  EXPECT_EQ(move("60"), 2);
  EXPECT_THAT(err_, HasSubstr("`boxoffice saga show r1` tells (not_decided)"));
  EXPECT_EQ(out_, "") << "no seats that the buyer may not get";
  On(look, BeingMoved("s3", "done"));
  EXPECT_EQ(move("60"), 2) << "what came of another one says nothing of this one";
  On(look, R"({"code":"rate_limited"})", 429);
  EXPECT_EQ(move("1"), 2) << "it is the question that was refused";
  EXPECT_THAT(err_, HasSubstr("not_decided"));
  EXPECT_EQ(move("0"), 2);
  EXPECT_THAT(err_, HasSubstr("not_decided"));
}

TEST_F(OperatorCommandsTest, QueuesAreSteered) {
  On("GET /v1/admin/shows/1/queue", kQueue);
  On("PATCH /v1/admin/shows/1/queue", kQueue);
  EXPECT_EQ(Run({"queue", "get", "1"}), 0);
  EXPECT_THAT(out_, HasSubstr("waiting         3\n"));
  EXPECT_EQ(Run({"queue", "set", "1", "--rate", "12.5", "--cap", "300"}), 0);
  const boost::json::value body = boost::json::parse(Last().body);
  EXPECT_EQ(body.at("rate_per_s").as_double(), 12.5);
  EXPECT_EQ(body.at("active_cap").as_int64(), 300);
  const std::pair<const char*, const char*> switches[] = {
      {"pause", "PAUSED"}, {"resume", "OPEN"}, {"close", "CLOSED"}};
  for (const auto& [command, state] : switches) {
    EXPECT_EQ(Run({"queue", command, "1"}), 0);
    EXPECT_EQ(Last().body, fmt::format(R"({{"state":"{}"}})", state));
  }
}

TEST_F(OperatorCommandsTest, AQueueIsToldWhenToOpenAndItsDrawIsShown) {
  On("GET /v1/admin/shows/1/queue", kQueue);
  On("PATCH /v1/admin/shows/1/queue", kQueue);
  for (const std::string command : {"pause", "close", "prequeue", "off"}) {
    EXPECT_EQ(Run({"queue", command, "1", "--opens-at", "2030-01-01T10:00:00Z"}), 0);
    EXPECT_EQ(boost::json::parse(Last().body).at("opens_at").as_string(), "2030-01-01T10:00:00Z");
  }
  EXPECT_EQ(Run({"queue", "resume", "1", "--opens-at", "2030-01-01T10:00:00Z"}), 2);
  On("GET /v1/admin/shows/1/queue", R"({"show_id":"1","state":"OPEN","draw":null})");
  EXPECT_EQ(Run({"queue", "draw", "1"}), 0);
  EXPECT_THAT(out_, HasSubstr("has no draw"));
  EXPECT_EQ(Run({"queue", "draw", "1", "--json"}), 0);
  EXPECT_TRUE(boost::json::parse(out_).at("draw").is_null());
}

TEST_F(OperatorCommandsTest, ADrawIsShownRightAfterThePrequeue) {
  // What everybody sees is a copy, which a gateway renews a moment later.
  On("GET /v1/shows/1/queue", R"({"show_id":"1","state":"OPEN","draw":null})");
  On("GET /v1/admin/shows/1/queue",
     R"({"show_id":"1","state":"PREQUEUE","draw":{"commitment":"c0ffee","seed":null}})");
  EXPECT_EQ(Run({"queue", "draw", "1"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("commitment  c0ffee\n"));
}

TEST_F(OperatorCommandsTest, SagasAreListedSeenAndResolved) {
  On("GET /v1/admin/sagas?status=parked&limit=200",
     fmt::format(R"({{"items":[{}],"next_cursor":null}})", kSaga));
  EXPECT_EQ(Run({"saga", "list", "--status", "parked"}), 0);
  EXPECT_THAT(out_, HasSubstr("timeout"));
  On("GET /v1/admin/reservations/r1", kSaga);
  EXPECT_EQ(Run({"saga", "show", "r1"}), 0);
  EXPECT_THAT(out_, HasSubstr("approve-payment"));
  EXPECT_THAT(out_, HasSubstr("failure        payment_unknown\n"));
  for (const std::string action : {"retry", "undo", "park"}) {
    On("POST /v1/admin/sagas/r1/" + action, kSaga);
    EXPECT_EQ(Run({"saga", action, "r1", "--reason", "the provider answered", "--json"}), 0);
    EXPECT_EQ(Last().body, R"({"reason":"the provider answered"})");
    EXPECT_EQ(boost::json::parse(out_).at("id").as_string(), "r1");
  }
}

TEST_F(OperatorCommandsTest, UnsettledPaymentsAreListedWithWhatTheProviderRefuses) {
  On("GET /v1/admin/payments?status=unsettled&limit=200",
     R"({"items":[{"reservation_id":"r1","attempt":2,"user_id":"ada","state":"APPROVED","amount":1000,"currency":"KRW",)"
     R"("method":"http:card","provider_reference":"acq-1","refusal":"","refunds":[{"amount":300,"refusal":"charge_disputed"}],)"
     R"("updated_at":"2026-11-22T10:00:00.000Z"}],"next_cursor":null})");
  EXPECT_EQ(Run({"payment", "unsettled"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("r1"));
  EXPECT_THAT(out_, HasSubstr("300 charge_disputed"));
  On("GET /v1/admin/payments?status=refused&limit=200", R"({"items":[],"next_cursor":null})");
  EXPECT_EQ(Run({"payment", "unsettled", "--refused", "--json"}), 0) << err_;
  EXPECT_TRUE(boost::json::parse(out_).at("items").as_array().empty());
}

TEST_F(OperatorCommandsTest, ARefusalIs1AndSaysItsCode) {
  EXPECT_EQ(Run({"queue", "get", "9"}), 1);
  EXPECT_THAT(err_, HasSubstr("404 show_not_found"));
  EXPECT_EQ(out_, "");
  EXPECT_EQ(Run({"queue", "get", "9", "--json"}), 1);
  EXPECT_EQ(boost::json::parse(out_).at("code").as_string(), "show_not_found");
}

TEST_F(OperatorCommandsTest, NoAccessAndNoServiceAre2) {
  On("GET /v1/admin/shows/1/queue", R"({"code":"operator_required"})", 403);
  EXPECT_EQ(Run({"queue", "get", "1"}), 2);
  On("GET /v1/admin/shows/1/queue", R"({"code":"connection_lost"})", 503);
  EXPECT_EQ(Run({"queue", "get", "1"}), 2);
  On("GET /v1/admin/shows/1/queue", "<html>");
  EXPECT_EQ(Run({"queue", "get", "1"}), 2);
  EXPECT_THAT(err_, HasSubstr("is this a Boxoffice?"));
}

TEST_F(OperatorCommandsTest, WhereNobodyListensIs2) {
  CLI::App app;
  AddOperatorCommands(app);
  std::vector<std::string> arguments = {"t", "--token", "http://127.0.0.1:1", "--url", "list", "queue"};
  testing::internal::CaptureStderr();
  EXPECT_THROW(
      {
        try {
          app.parse(arguments);
        } catch (const CLI::RuntimeError& end) {
          EXPECT_EQ(end.get_exit_code(), 2);
          throw;
        }
      },
      CLI::RuntimeError);
  EXPECT_NE(testing::internal::GetCapturedStderr(), "");
}

constexpr std::string_view kTarget =
    R"({"id":"3","url":"https://a.example/","event_types":["seat.held"],"show_ids":[],"payload":"thin","rate_per_s":5,)"
    R"("enabled":true,"disabled_reason":"","old_secret_until":null,"paused_until":null,"created_at":"2026-11-26T05:00:00.000Z","secret":"whsec_x"})";

TEST_F(OperatorCommandsTest, AWebhookIsAddedWithWhatWasChosenAndItsSecretIsPrinted) {
  On("POST /v1/admin/relay/targets", kTarget, 201);
  EXPECT_EQ(Run({"relay", "add", "https://a.example/", "--types", "seat.held,seat.sold", "--shows", "7",
                 "--payload", "full", "--rate", "5", "--key", "k"}),
            0)
      << err_;
  EXPECT_EQ(boost::json::parse(Last().body),
            boost::json::parse(R"({"url":"https://a.example/","event_types":["seat.held","seat.sold"],)"
                               R"("show_ids":["7"],"payload":"full","rate_per_s":5.0})"));
  EXPECT_EQ(Last().key, "k");
  EXPECT_THAT(out_, HasSubstr("whsec_x"));
}

TEST_F(OperatorCommandsTest, AWebhookIsChangedInWhatIsGivenAlone) {
  On("PATCH /v1/admin/relay/targets/3", kTarget);
  EXPECT_EQ(Run({"relay", "set", "3", "--types", "all", "--disable"}), 0) << err_;
  EXPECT_EQ(boost::json::parse(Last().body), boost::json::parse(R"({"event_types":[],"enabled":false})"));
  EXPECT_EQ(Run({"relay", "set", "3"}), 2);
  EXPECT_EQ(Run({"relay", "set", "3", "--enable", "--disable"}), 2);
}

TEST_F(OperatorCommandsTest, AnEmptyListIsAVariableThatIsNotSetAndNotAll) {
  On("POST /v1/admin/relay/targets", kTarget, 201);
  for (const char* list : {"--types", "--shows"}) {
    EXPECT_EQ(Run({"relay", "add", "https://a.example/", list, ""}), 2) << list;
  }
}

TEST_F(OperatorCommandsTest, ATestToAPausedPlatformSaysUntilWhenAndIsNotWaitedFor) {
  On("POST /v1/admin/relay/targets/3/test",
     R"({"id":"9","state":"pending","created_at":"2026-11-26T05:00:00.000Z",)"
     R"("next_attempt_at":"2026-11-26T06:00:00.000Z"})",
     202);
  EXPECT_EQ(Run({"relay", "test", "3"}), 1);
  EXPECT_THAT(err_, HasSubstr("2026-11-26T06:00:00.000Z"));
  EXPECT_EQ(Last().line, "POST /v1/admin/relay/targets/3/test");
}

TEST_F(OperatorCommandsTest, ATestIsWaitedForAndItsFailureIsTheAnswerNo) {
  On("POST /v1/admin/relay/targets/3/test", R"({"id":"9","state":"pending"})", 202);
  On("GET /v1/admin/relay/deliveries/9", R"({"id":"9","state":"dead","last_error":"connect_failed"})");
  EXPECT_EQ(Run({"relay", "test", "3"}), 1);
  EXPECT_THAT(out_, HasSubstr("connect_failed"));
  On("GET /v1/admin/relay/deliveries/9", R"({"id":"9","state":"delivered"})");
  EXPECT_EQ(Run({"relay", "test", "3", "--json"}), 0);
}

TEST_F(OperatorCommandsTest, DeadDeliveriesAreReplayedByNameOrByRange) {
  On("POST /v1/admin/relay/deliveries/replay", R"({"replayed":2,"pending":12,"refused":[],"more":false})");
  EXPECT_EQ(Run({"relay", "replay", "4", "5"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("12"));
  EXPECT_EQ(Last().body, R"({"ids":["4","5"]})");
  EXPECT_EQ(Run({"relay", "replay", "--target", "3", "--from", "2026-11-26T05:00:00Z"}), 0) << err_;
  EXPECT_EQ(Last().body, R"({"target_id":"3","from":"2026-11-26T05:00:00Z"})");
  EXPECT_EQ(Run({"relay", "replay"}), 2) << "all is not what nothing means";
  EXPECT_EQ(Run({"relay", "replay", "4", "--target", "3"}), 2);
  On("POST /v1/admin/relay/deliveries/replay",
     R"({"replayed":0,"refused":[{"id":"4","code":"not_dead"}],"more":false})");
  EXPECT_EQ(Run({"relay", "replay", "4"}), 1);
  EXPECT_THAT(out_, HasSubstr("not_dead"));
}

TEST_F(OperatorCommandsTest, RankingsAreAskedForAsTheyAreChosen) {
  On("GET /v1/admin/rankings?by=revenue&limit=5&window=day&currency=KRW",
     R"({"as_of":null,"items":[{"rank":1,"show_id":"7","revenue":5000,"currency":"KRW"}],"next_cursor":null})");
  EXPECT_EQ(
      Run({"ranking", "show", "--by", "revenue", "--window", "day", "--currency", "KRW", "--limit", "5"}), 0)
      << err_;
  EXPECT_THAT(out_, HasSubstr("5000"));
  EXPECT_EQ(Run({"ranking", "show", "--by", "taste"}), 2);
}

TEST_F(OperatorCommandsTest, ARebuildIsWaitedForUntilOneThatBeganAfterwardsHasEnded) {
  On("POST /v1/admin/rankings/rebuild",
     R"({"rebuilding":true,"processed_events":3,"rebuilt_at":null,"now":"2026-11-26T05:00:00.500Z"})", 202);
  On("GET /v1/admin/rankings/status",
     R"({"rebuilding":false,"processed_events":3,"rebuilt_at":"2026-11-26T05:00:00.400Z","now":"2026-11-26T05:00:01.000Z"})");
  EXPECT_EQ(Run({"ranking", "rebuild", "--timeout-s", "1"}), 2) << "that one was before";
  On("GET /v1/admin/rankings/status",
     R"({"rebuilding":false,"processed_events":3,"rebuilt_at":"2026-11-26T05:00:00.600Z","now":"2026-11-26T05:00:01.000Z"})");
  EXPECT_EQ(Run({"ranking", "rebuild"}), 0) << err_;
  EXPECT_EQ(Run({"ranking", "rebuild", "--no-wait", "--json"}), 0);
}

TEST_F(OperatorCommandsTest, APaymentsRowSaysWhatIsRefusedOfItsPartsToo) {
  const std::string list =
      R"({"items":[{"attempt":1,"refusal":"","refunds":[{"amount":300,"refusal":"charge_disputed"},)"
      R"({"amount":200,"refusal":""},{"amount":100,"refusal":"too_old"}]},)"
      R"({"attempt":2,"refusal":"account_closed","refunds":[{"amount":50,"refusal":"too_old"}]}],)"
      R"("next_cursor":null})";
  On("GET /v1/admin/reservations/r1/payments", list);
  EXPECT_EQ(Run({"payment", "list", "r1"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("  300 charge_disputed, 100 too_old  "));
  EXPECT_THAT(out_, HasSubstr("  account_closed, 50 too_old  "));
  EXPECT_EQ(Run({"payment", "list", "r1", "--json"}), 0) << err_;
  EXPECT_TRUE(boost::json::parse(out_) == boost::json::parse(list)) << "as the contract has it: " << out_;
}

}  // namespace
}  // namespace boxoffice::cli
