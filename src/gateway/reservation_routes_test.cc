// Cancellations, moves and searches, as they are read and answered.
#include <atomic>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "gateway/gateway_for_test.h"
#include "gateway/request_hash.h"
#include "testing/wait.h"

namespace boxoffice::gateway {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ReservationRoutesTest : public GatewayTest {
 protected:
  static std::string Path(std::string_view what) {
    return fmt::format("/v1/reservations/{}{}", kReservation, what);
  }
  static std::string AdminPath(std::string_view what) {
    return fmt::format("/v1/admin/reservations/{}{}", kReservation, what);
  }
  reservation::v1::Command LastCommand() {
    const std::scoped_lock lock(mutex_);
    return commands_.empty() ? reservation::v1::Command() : commands_.back();
  }
  http::ClientResponse Cancel(std::string_view body, const std::string& key = "k1") {
    Options options;
    options.key = key;
    return Call("POST", Path("/cancel"), body, options);
  }
  static reservation::v1::Reservation WithReturn() {
    reservation::v1::Reservation reservation = AReservation(reservation::v1::CONFIRMED);
    reservation.set_fees(1'000);
    reservation::v1::Return& returned = *reservation.mutable_returned();
    *returned.add_seats() = reservation.seats(0);
    returned.set_amount(109'000);
    returned.set_fee(1'000);
    return reservation;
  }
};

TEST_F(ReservationRoutesTest, SomeSeatsAreCancelledAndTheAnswerSaysWhatWasGivenBack) {
  services_.reservation.commands.answer = [this](const reservation::v1::Command& command) {
    const std::scoped_lock lock(mutex_);
    commands_.push_back(command);
    reservation::v1::Outcome outcome;
    *outcome.mutable_reservation() = WithReturn();
    return Result<reservation::v1::Outcome>(outcome);
  };
  const http::ClientResponse answer = Cancel(R"({"seats":[9,7]})");
  EXPECT_EQ(answer.status, 200);
  const boost::json::value body = Json(answer);
  EXPECT_EQ(body.at("fees").as_int64(), 1'000);
  EXPECT_EQ(body.at("returned").at("amount").as_int64(), 109'000);
  EXPECT_EQ(body.at("returned").at("seats").at(0).at("label").as_string(), "A 1-7");
  EXPECT_THAT(LastCommand().cancel().seat_nos(), ElementsAre(7, 9)) << "their order means nothing";
  EXPECT_FALSE(LastCommand().cancel().by_operator());
  const std::string hash = LastCommand().request_hash();
  EXPECT_EQ(Cancel(R"({"seats":[7,9]})").status, 200);
  EXPECT_EQ(LastCommand().request_hash(), hash);
  EXPECT_EQ(Cancel("{}").status, 200);
  EXPECT_NE(LastCommand().request_hash(), hash) << "all is another request than some";
}

TEST_F(ReservationRoutesTest, WhoGivesUpAHoldAloneSaysSoAndWhoDoesNotAsksAsBefore) {
  AnswerReservations(reservation::v1::RELEASED);
  const std::string before = HashRequest("POST", Path("/cancel"), "");
  for (const char* body : {"", "{}", R"({"only_held":false})"}) {
    EXPECT_EQ(Cancel(body).status, 200) << body;
    EXPECT_FALSE(LastCommand().cancel().only_held()) << body;
    EXPECT_EQ(LastCommand().request_hash(), before) << body;
  }
  EXPECT_EQ(Cancel(R"({"seats":[7]})").status, 200);
  EXPECT_EQ(LastCommand().request_hash(), HashRequest("POST", Path("/cancel"), "seat=7;"));
  EXPECT_EQ(Cancel(R"({"only_held":true})").status, 200);
  EXPECT_TRUE(LastCommand().cancel().only_held());
  EXPECT_NE(LastCommand().request_hash(), before) << "it is another request";
  EXPECT_EQ(CodeOf(Cancel(R"({"only_held":1})")), "field_type");
}

TEST_F(ReservationRoutesTest, AConfirmationWithATokenThatIsNotTheBuyersReachesNoService) {
  AnswerReservations(reservation::v1::CONFIRMED);
  Options options;
  options.key = "k1";
  const auto confirm = [&](const std::string& token) {
    options.queue_token = token;
    return Call("POST", Path("/confirm"), {}, options);
  };
  EXPECT_EQ(CodeOf(confirm("v1.made.up.token")), "queue_token_malformed");
  std::string forged = QueueToken();
  forged.back() = forged.back() == 'A' ? 'B' : 'A';
  EXPECT_EQ(confirm(forged).status, 401);
  const http::ClientResponse others = confirm(QueueToken("bob"));
  EXPECT_EQ(others.status, 403);
  EXPECT_EQ(CodeOf(others), "queue_token_wrong_user");
  EXPECT_TRUE(commands_.empty()) << "a saga that it fails costs the seats";
  EXPECT_EQ(confirm(QueueToken()).status, 200);
  EXPECT_EQ(LastCommand().confirm().queue_token(), QueueToken());
  EXPECT_GT(LastCommand().confirm().token_show_id(), 0) << "the service tells another show's";
  EXPECT_EQ(confirm("").status, 200) << "the reservation's own is used";
}

// By it pages and programs find what to say.
TEST_F(ReservationRoutesTest, AFailureHasTheCodeOfItsProblem) {
  const std::pair<const char*, const char*> cases[] = {{"method_unknown", "payment_method_unknown"},
                                                       {"token_expired", "queue_token_expired"},
                                                       {"token_wrong_show", "queue_token_wrong_show"},
                                                       {"payment_declined", "payment_declined"},
                                                       {"something_new", "something_new"}};
  for (const auto& [said, code] : cases) {
    const std::string reason = said;
    services_.reservation.GetReservation_.answer = [reason](const auto&) {
      reservation::v1::Reservation reservation = AReservation(reservation::v1::FAILED);
      reservation.mutable_failure()->set_code(reason);
      reservation.mutable_failure()->set_detail("so it was");
      return Result<reservation::v1::Reservation>(reservation);
    };
    const boost::json::value body = Json(Call("GET", Path("")));
    EXPECT_EQ(body.at("failure").at("code").as_string(), code);
    EXPECT_EQ(body.at("failure").at("detail").as_string(), "so it was");
  }
}

TEST_F(ReservationRoutesTest, SeatsThatCannotBeMeantAreRefusedByName) {
  AnswerReservations(reservation::v1::CONFIRMED);
  const std::pair<const char*, const char*> cases[] = {
      {R"({"seats":[]})", "no_seats"},      {R"({"seats":[1,2,1]})", "duplicate_seat"},
      {R"({"seats":[0]})", "seat_unknown"}, {R"({"seats":[1,2,3,4,5,6,7,8,9]})", "too_many_seats"},
      {R"({"seats":"1"})", "field_type"},   {R"({"seats":[1.5]})", "number_not_integer"},
      {R"({"seat":[1]})", "field_unknown"},
  };
  for (const auto& [body, code] : cases) {
    const http::ClientResponse answer = Cancel(body);
    EXPECT_THAT(answer.status, testing::AnyOf(400, 422)) << body;
    EXPECT_EQ(CodeOf(answer), code) << body;
  }
  EXPECT_TRUE(commands_.empty());
}

TEST_F(ReservationRoutesTest, ASeatThatTheReservationHasNotIs409WithItsName) {
  reservation::v1::Refusal refusal;
  refusal.set_code("seat_not_in_reservation");
  seat::v1::SeatConflict& conflict = *refusal.add_conflicts();
  conflict.set_seat_no(9);
  conflict.set_reason("not_in_reservation");
  AnswerReservations(reservation::v1::CONFIRMED, refusal);
  const http::ClientResponse answer = Cancel(R"({"seats":[9]})");
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(Json(answer).at("conflicts").at(0).at("seat_no").as_int64(), 9);
}

TEST_F(ReservationRoutesTest, WhatWouldBeGivenBackIsToldBefore) {
  services_.reservation.QuoteCancellation_.answer =
      [](const reservation::v1::QuoteCancellationRequest& request) {
        EXPECT_EQ(request.user_id(), "ada");
        EXPECT_THAT(request.seat_nos(), ElementsAre(7, 9));
        reservation::v1::CancellationQuote quote;
        *quote.mutable_returned() = WithReturn().returned();
        quote.set_currency("KRW");
        quote.set_until_ms(1'800'000'000'000);
        return Result<reservation::v1::CancellationQuote>(quote);
      };
  const http::ClientResponse answer = Call("GET", Path("/cancellation?seats=7,9"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(Json(answer).at("fee").as_int64(), 1'000);
  services_.reservation.QuoteCancellation_.answer = [](const auto&) {
    reservation::v1::CancellationQuote quote;
    quote.mutable_refusal()->set_code("cancel_deadline_passed");
    return Result<reservation::v1::CancellationQuote>(quote);
  };
  EXPECT_EQ(CodeOf(Call("GET", Path("/cancellation"))), "cancel_deadline_passed");
  EXPECT_EQ(CodeOf(Call("GET", Path("/cancellation?seats=7;9"))), "parameter_invalid");
  EXPECT_EQ(CodeOf(Call("GET", Path("/cancellation?seats=7,7"))), "duplicate_seat");
}

TEST_F(ReservationRoutesTest, OperatorsCancelAndMoveWithAReason) {
  AnswerReservations(reservation::v1::CONFIRMED);
  EXPECT_EQ(CallAsOperator("POST", AdminPath("/cancel"), R"({"seats":[7],"reason":"fire"})").status, 200);
  EXPECT_TRUE(LastCommand().cancel().by_operator());
  EXPECT_EQ(LastCommand().cancel().reason(), "fire");
  EXPECT_EQ(LastCommand().user_id(), "root");
  const http::ClientResponse moved =
      CallAsOperator("POST", AdminPath("/move"), R"({"from":[7,8],"to":[21,20],"reason":"a pillar"})");
  EXPECT_EQ(moved.status, 200);
  EXPECT_EQ(Json(moved).at("user_id").as_string(), "ada") << "operators see whose it is";
  EXPECT_THAT(LastCommand().move().from_seat_nos(), ElementsAre(7, 8));
  EXPECT_THAT(LastCommand().move().to_seat_nos(), ElementsAre(21, 20)) << "in the order given";
  EXPECT_EQ(Call("POST", AdminPath("/move"), R"({"from":[7],"to":[8],"reason":"x"})").status, 403);
}

TEST_F(ReservationRoutesTest, TheOrderOfTheSeatsThatAnOperatorCancelsMeansNothing) {
  AnswerReservations(reservation::v1::CONFIRMED);
  const auto cancel = [this](const char* body) {
    EXPECT_EQ(CallAsOperator("POST", AdminPath("/cancel"), body).status, 200) << body;
    return LastCommand();
  };
  const reservation::v1::Command first = cancel(R"({"seats":[9,7],"reason":"fire"})");
  EXPECT_THAT(first.cancel().seat_nos(), ElementsAre(7, 9));
  EXPECT_EQ(cancel(R"({"seats":[7,9],"reason":"fire"})").request_hash(), first.request_hash());
}

TEST_F(ReservationRoutesTest, AnOperatorWhoGivesUpAHoldAloneSaysSoAndWhoDoesNotAsksAsBefore) {
  AnswerReservations(reservation::v1::RELEASED);
  const auto cancel = [this](const char* body) { return CallAsOperator("POST", AdminPath("/cancel"), body); };
  const std::string before = HashRequest("POST", AdminPath("/cancel"), "seats=;reason=ill");
  for (const char* body : {R"({"reason":"ill"})", R"({"only_held":false,"reason":"ill"})"}) {
    EXPECT_EQ(cancel(body).status, 200) << body;
    EXPECT_FALSE(LastCommand().cancel().only_held()) << body;
    EXPECT_EQ(LastCommand().request_hash(), before) << body;
  }
  EXPECT_EQ(cancel(R"({"only_held":true,"reason":"ill"})").status, 200);
  EXPECT_TRUE(LastCommand().cancel().only_held());
  EXPECT_TRUE(LastCommand().cancel().by_operator());
  EXPECT_NE(LastCommand().request_hash(), before) << "it is another request";
  EXPECT_EQ(CodeOf(cancel(R"({"only_held":1,"reason":"ill"})")), "field_type");
}

TEST_F(ReservationRoutesTest, APaymentMethodThatReadsLikeSeatsIsAnotherRequestThanTheSeats) {
  AnswerReservations(reservation::v1::HELD);
  const auto hash_of = [this](std::string_view rest) {
    EXPECT_EQ(Reserve(fmt::format(R"({{"show_id":"1",{}}})", rest)).status, 201) << rest;
    return LastCommand().request_hash();
  };
  const std::string card = hash_of(R"("payment_method":"card","seats":[3,4])");
  EXPECT_EQ(card, HashRequest("POST", "/v1/reservations", "show=1;pay=false;method=card;seat=3;seat=4;"))
      << "as answers that are kept have it";
  const std::string odd = hash_of(R"("payment_method":"card;seat=3","seats":[4])");
  EXPECT_NE(odd, card);
  EXPECT_NE(odd, hash_of(R"("payment_method":"11:card","seats":[3,4])")) << "nor does one like a length";
}

TEST_F(ReservationRoutesTest, AHoldThatIsStillBeingGivenUpIs202) {
  services_.reservation.commands.answer = [](const auto&) {
    reservation::v1::Outcome outcome;
    *outcome.mutable_reservation() = AReservation(reservation::v1::HELD);
    outcome.mutable_reservation()->clear_hold_expires_at_ms();
    outcome.mutable_reservation()->mutable_saga()->set_kind("release");
    outcome.mutable_reservation()->mutable_saga()->set_status("running");
    return Result<reservation::v1::Outcome>(outcome);
  };
  const http::ClientResponse answer = Cancel(R"({"seats":[7]})");
  EXPECT_EQ(answer.status, 202);
  EXPECT_EQ(answer.header("Location"), Path(""));
  EXPECT_TRUE(Json(answer).at("hold_expires_at").is_null());
}

TEST_F(ReservationRoutesTest, AMoveThatWaitsIs202) {
  services_.reservation.commands.answer = [](const auto&) {
    reservation::v1::Outcome outcome;
    *outcome.mutable_reservation() = AReservation(reservation::v1::CONFIRMED);
    outcome.mutable_reservation()->mutable_saga()->set_status("running");
    return Result<reservation::v1::Outcome>(outcome);
  };
  const http::ClientResponse answer =
      CallAsOperator("POST", AdminPath("/move"), R"({"from":[7],"to":[8],"reason":"x"})");
  EXPECT_EQ(answer.status, 202);
  EXPECT_EQ(answer.header("Location"), AdminPath(""));
}

TEST_F(ReservationRoutesTest, AMoveThatCannotBeMeantIsRefusedByField) {
  AnswerReservations(reservation::v1::CONFIRMED);
  const std::pair<const char*, const char*> cases[] = {
      {R"({"from":[7],"to":[8,9],"reason":"x"})", "to"},
      {R"({"from":[7],"to":[8]})", "reason"},
      {R"({"from":[7],"to":[8],"reason":""})", "reason"},
      {R"({"to":[8],"reason":"x"})", "from"},
  };
  for (const auto& [body, field] : cases) {
    const http::ClientResponse answer = CallAsOperator("POST", AdminPath("/move"), body);
    EXPECT_THAT(answer.status, testing::AnyOf(400, 422)) << body;
    EXPECT_EQ(Json(answer).at("field").as_string(), field) << body;
  }
  EXPECT_EQ(CodeOf(CallAsOperator("POST", AdminPath("/move"), R"({"from":[7],"to":[0],"reason":"x"})")),
            "seat_unknown");
  EXPECT_TRUE(commands_.empty());
}

TEST_F(ReservationRoutesTest, ReservationsAreSearchedByUserShowStateAndTime) {
  services_.reservation.ListReservations_.answer =
      [](const reservation::v1::ListReservationsRequest& request) {
        EXPECT_EQ(request.user_id(), "mina");
        EXPECT_EQ(request.show_id(), 1);
        EXPECT_EQ(request.state(), reservation::v1::CONFIRMED);
        EXPECT_EQ(request.created_from_ms(), 1'800'000'000'000);
        EXPECT_EQ(request.created_until_ms(), 1'800'000'001'500);
        reservation::v1::ListReservationsResponse list;
        *list.add_reservations() = AReservation(reservation::v1::CONFIRMED, "mina");
        return Result<reservation::v1::ListReservationsResponse>(list);
      };
  const std::string filters =
      "state=CONFIRMED&show_id=1&from=2027-01-15T08:00:00Z&until=2027-01-15T08:00:01.5Z";
  const http::ClientResponse found = CallAsOperator("GET", "/v1/admin/reservations?user_id=mina&" + filters);
  EXPECT_EQ(found.status, 200);
  EXPECT_EQ(Json(found).at("items").at(0).at("user_id").as_string(), "mina");
  Options mina;
  mina.user = "mina";
  EXPECT_EQ(Call("GET", "/v1/reservations?" + filters, {}, mina).status, 200);
  EXPECT_EQ(Call("GET", "/v1/admin/reservations").status, 403);
}

TEST_F(ReservationRoutesTest, AnEmptyPageHasACursorWhereTheServiceHasNotLookedAtAll) {
  const std::string looked_to(ReservationId::Parse(kReservation)->bytes());
  services_.reservation.ListReservations_.answer =
      [&](const reservation::v1::ListReservationsRequest& request) {
        reservation::v1::ListReservationsResponse list;
        if (request.before_id() == looked_to) return Result<reservation::v1::ListReservationsResponse>(list);
        EXPECT_EQ(request.before_id(), "");
        list.set_more(true);
        list.set_next_before_id(looked_to);
        return Result<reservation::v1::ListReservationsResponse>(list);
      };
  const http::ClientResponse empty = Call("GET", "/v1/reservations?state=CONFIRMED");
  EXPECT_TRUE(Json(empty).at("items").as_array().empty());
  ASSERT_TRUE(Json(empty).at("next_cursor").is_string());
  const http::ClientResponse last =
      Call("GET", fmt::format("/v1/reservations?state=CONFIRMED&cursor={}",
                              std::string_view(Json(empty).at("next_cursor").as_string())));
  EXPECT_TRUE(Json(last).at("next_cursor").is_null());
}

TEST_F(ReservationRoutesTest, ABadFilterIsRefusedByName) {
  const std::pair<const char*, const char*> cases[] = {
      {"state=SOLD", "state"},
      {"show_id=x", "show_id"},
      {"from=yesterday", "from"},
      {"until=2026-13-01T00:00:00Z", "until"},
      {"from=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "until"},
      {"until=1969-01-01T00:00:00Z", "until"},
  };
  for (const auto& [query, field] : cases) {
    for (const char* path : {"/v1/reservations?", "/v1/admin/reservations?"}) {
      const http::ClientResponse answer = CallAsOperator("GET", std::string(path) + query);
      EXPECT_EQ(answer.status, 400) << query;
      EXPECT_EQ(Json(answer).at("field").as_string(), field) << query;
    }
  }
  const auto detail = [this](const std::string& query) {
    return std::string(Json(Call("GET", "/v1/reservations?" + query)).at("detail").as_string());
  };
  EXPECT_THAT(detail("from=2026-01-02T00:00:00+09:00"), HasSubstr("%2B"));
  EXPECT_THAT(detail("from=yesterday"), testing::Not(HasSubstr("%2B")));
  EXPECT_THAT(detail("from=1969-01-02T00:00:00Z"), HasSubstr("after 1970"));
  EXPECT_EQ(Json(CallAsOperator("GET", "/v1/admin/reservations?user_id=")).at("field").as_string(),
            "user_id");
  EXPECT_EQ(CodeOf(CallAsOperator("GET", "/v1/admin/reservations?cursor=x")), "cursor_invalid");
  EXPECT_EQ(CodeOf(CallAsOperator("GET", "/v1/admin/reservations?limit=0")), "limit_invalid");
}

// What the queue says of a place before a reservation is begun by it.
class QueueRefusalTest : public ReservationRoutesTest {
 protected:
  QueueRefusalTest() {
    services_.queue.commands.answer = [this](const queue::v1::Command& command) {
      const std::scoped_lock lock(mutex_);
      polls_ += command.has_poll() ? 1 : 0;
      queue::v1::Outcome outcome;
      if (command.has_poll()) *outcome.mutable_session() = session_;
      return Result<queue::v1::Outcome>(outcome);
    };
    services_.reservation.commands.answer = [this](const reservation::v1::Command& command) {
      const std::scoped_lock lock(mutex_);
      commands_.push_back(command);
      reservation::v1::Outcome outcome;
      if (command.reserve().has_queue_refusal() && !seen_before_) {
        *outcome.mutable_refusal() = command.reserve().queue_refusal();
      } else {
        *outcome.mutable_reservation() = AReservation(reservation::v1::CONFIRMED);
      }
      return Result<reservation::v1::Outcome>(outcome);
    };
  }
  void Say(queue::v1::SessionState state, const std::string& refusal = {}) {
    const std::scoped_lock lock(mutex_);
    session_.set_state(state);
    session_.set_refusal(refusal);
    session_.set_token("v1.k.p.s");
    session_.set_refresh_interval_s(1);
    session_.set_expires_at_ms(1'800'000'300'000);
  }
  http::ClientResponse ReserveWith(const std::string& token) {
    Options options;
    options.key = "k1";
    options.queue_token = token;
    return Call("POST", "/v1/reservations", R"({"show_id":"1","seats":[7],"pay":true})", options);
  }
  std::string Admission(milliseconds lasts) {
    return AdmissionToken(*keys_, QueueToken(), ToUnixMs(clock_.Now() + lasts));
  }

  std::atomic<int> polls_ = 0;
  std::atomic<bool> seen_before_ = false;  // the key, by the reservation service
  queue::v1::Session session_;             // with the fixture's lock
};

// It would be written down, refused, undone and told to everybody, with each new key.
TEST_F(QueueRefusalTest, WhoWaitsOrIsOutBeginsNoSaga) {
  for (const auto state : {queue::v1::WAITING, queue::v1::COMPLETED, queue::v1::EXPIRED}) {
    Say(state);
    const http::ClientResponse answer = ReserveWith(QueueToken());
    EXPECT_EQ(answer.status, 409);
    EXPECT_EQ(CodeOf(answer), "session_not_active");
    EXPECT_EQ(Json(answer).at("queue_state").as_string(), queue::v1::SessionState_Name(state));
    EXPECT_TRUE(LastCommand().reserve().has_queue_refusal()) << "by which nothing is begun";
  }
  for (const std::string refusal : {"token_expired", "token_unknown"}) {
    Say(queue::v1::SESSION_STATE_UNSPECIFIED, refusal);
    const http::ClientResponse answer = ReserveWith(QueueToken());
    EXPECT_EQ(answer.status, 409) << "as by a token of two days ago";
    EXPECT_EQ(CodeOf(answer), "queue_" + refusal);
    EXPECT_EQ(Json(answer).at("queue_state").as_string(), "EXPIRED");
    EXPECT_TRUE(LastCommand().reserve().has_queue_refusal());
  }
}

TEST_F(QueueRefusalTest, UnderAKeyThatWasUsedBeforeTheAnswerIsWhatCameOfThat) {
  Say(queue::v1::EXPIRED);
  seen_before_ = true;
  EXPECT_EQ(ReserveWith(QueueToken()).status, 201);
}

TEST_F(QueueRefusalTest, WhoIsInGoesOnThoughTheHeadHereIsOlder) {
  SetHead(0);
  Say(queue::v1::ACTIVE);
  Options options;
  options.queue_token = QueueToken();
  EXPECT_TRUE(
      testbed::Eventually([&] { return Call("GET", "/v1/queue", {}, options).body.contains("WAITING"); }));
  EXPECT_EQ(ReserveWith(QueueToken()).status, 201);
  EXPECT_FALSE(LastCommand().reserve().has_queue_refusal());
}

TEST_F(QueueRefusalTest, WhoseTokenSaysThatSheIsInIsNotAskedAboutWhileThatLasts) {
  Say(queue::v1::EXPIRED);
  const std::string admission = Admission(milliseconds(60'000));
  EXPECT_EQ(ReserveWith(admission).status, 201) << "the saga asks";
  EXPECT_EQ(polls_, 0);
  clock_.Advance(milliseconds(60'000));
  EXPECT_EQ(ReserveWith(admission).status, 409) << "else it would be good for sagas without end";
  EXPECT_EQ(polls_, 1);
}

TEST_F(QueueRefusalTest, WhereTheQueueCannotBeAskedTheSagaHearsWhatItSays) {
  services_.queue.commands.answer = [](const queue::v1::Command&) -> Result<queue::v1::Outcome> {
    return Fail(Code::kUnavailable, "not_leading");
  };
  EXPECT_EQ(ReserveWith(QueueToken()).status, 201);
  EXPECT_FALSE(LastCommand().reserve().has_queue_refusal());
}

TEST_F(QueueRefusalTest, WhereThereIsNoQueueAnyTokenWillDo) {
  Say(queue::v1::EXPIRED);
  SetHead(10);
  {
    const std::scoped_lock lock(mutex_);
    head_->set_state(queue::v1::OFF);
  }
  EXPECT_TRUE(testbed::Eventually([&] { return ReserveWith(QueueToken()).status == 201; }))
      << "once the queue is known to be OFF";
  EXPECT_FALSE(LastCommand().reserve().has_queue_refusal());
}

TEST_F(QueueRefusalTest, WhoWaitsWhereTheQueueWasJustTurnedOffGoesOn) {
  Say(queue::v1::WAITING);
  {
    const std::scoped_lock lock(mutex_);
    session_.set_queue_state(queue::v1::OFF);
  }
  EXPECT_EQ(ReserveWith(QueueToken()).status, 201) << "before the head here says so";
}

}  // namespace
}  // namespace boxoffice::gateway
