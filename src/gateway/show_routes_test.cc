// Cancellations of shows, and waitlists, over REST.
#include "gateway/gateway_for_test.h"

namespace boxoffice::gateway {
namespace {

class ShowRoutesTest : public GatewayTest {};

reservation::v1::ShowCancellation ACancellation(bool done) {
  reservation::v1::ShowCancellation cancellation;
  cancellation.set_show_id(1);
  cancellation.set_state(done ? "done" : "running");
  cancellation.set_operator_id("root");
  cancellation.set_started_at_ms(1'800'000'000'000);
  if (done) cancellation.set_finished_at_ms(1'800'000'001'000);
  cancellation.set_total(3);
  cancellation.set_refunded(2);
  cancellation.set_waiting(done ? 0 : 1);
  auto& amount = *cancellation.add_refunded_amounts();
  amount.set_amount(400);
  amount.set_currency("KRW");
  return cancellation;
}

TEST_F(ShowRoutesTest, AShowIsCancelledInTheBackgroundAndItsProgressIsTold) {
  reservation::v1::CancelShowRequest seen;
  services_.reservation.CancelShow_.answer = [&seen](const reservation::v1::CancelShowRequest& request) {
    seen = request;
    return Result<reservation::v1::ShowCancellation>(ACancellation(/*done=*/false));
  };
  const auto begun = CallAsOperator("POST", "/v1/admin/shows/1/cancel", R"({"reason":"storm"})");
  EXPECT_EQ(begun.status, 202);
  EXPECT_EQ(seen.show_id(), 1);
  EXPECT_EQ(seen.reason(), "storm");
  EXPECT_EQ(seen.operator_id(), "root");
  EXPECT_EQ(Json(begun).at("waiting").as_int64(), 1);
  EXPECT_EQ(CallAsOperator("POST", "/v1/admin/shows/1/cancel").status, 202) << "without a body";
  services_.reservation.CancelShow_.answer = [](const reservation::v1::CancelShowRequest&) {
    return Result<reservation::v1::ShowCancellation>(ACancellation(/*done=*/true));
  };
  EXPECT_EQ(CallAsOperator("POST", "/v1/admin/shows/1/cancel", "{}").status, 200) << "again, when it is over";
  services_.reservation.GetShowCancellation_.answer =
      [](const reservation::v1::GetShowCancellationRequest& request)
      -> Result<reservation::v1::ShowCancellation> {
    if (request.show_id() != 1) return Fail(Code::kNotFound, "show_not_cancelled", "nobody has");
    return ACancellation(/*done=*/true);
  };
  const auto progress = Json(CallAsOperator("GET", "/v1/admin/shows/1/cancellation"));
  EXPECT_EQ(progress.at("state").as_string(), "done");
  EXPECT_EQ(progress.at("refunded_amounts").at(0).at("amount").as_int64(), 400);
  EXPECT_EQ(CallAsOperator("GET", "/v1/admin/shows/2/cancellation").status, 404);
}

TEST_F(ShowRoutesTest, WhatIsNoCancellationIsRefusedByName) {
  services_.reservation.CancelShow_.answer = [](const reservation::v1::CancelShowRequest&) {
    return Result<reservation::v1::ShowCancellation>(Fail(Code::kConflict, "show_state", "it has begun"));
  };
  EXPECT_EQ(CallAsOperator("POST", "/v1/admin/shows/1/cancel").status, 409);
  EXPECT_EQ(CallAsOperator("POST", "/v1/admin/shows/1/cancel", R"({"x":1})").status, 400);
  const std::string long_reason = fmt::format(R"({{"reason":"{}"}})", std::string(501, 'x'));
  EXPECT_EQ(CallAsOperator("POST", "/v1/admin/shows/1/cancel", long_reason).status, 422);
  EXPECT_EQ(CallAsOperator("POST", "/v1/admin/shows/x/cancel").status, 404);
  EXPECT_EQ(Call("POST", "/v1/admin/shows/1/cancel").status, 403);
  EXPECT_EQ(Call("GET", "/v1/admin/shows/1/cancellation").status, 403);
}

reservation::v1::WaitlistEntry AnEntry(reservation::v1::WaitlistState state) {
  reservation::v1::WaitlistEntry entry;
  entry.set_show_id(1);
  entry.set_place(3);
  entry.set_user_id("mina");
  entry.mutable_wish()->set_count(2);
  entry.mutable_wish()->set_category("R");
  entry.set_state(state);
  entry.set_joined_at_ms(1'800'000'000'000);
  entry.set_updated_at_ms(1'800'000'000'000);
  if (state == reservation::v1::WAITLIST_WAITING) entry.set_before(2);
  if (state == reservation::v1::WAITLIST_OFFERED) {
    entry.set_reservation_id(std::string(16, '\1'));
    entry.set_offered_until_ms(1'800'000'600'000);
  }
  return entry;
}

TEST_F(ShowRoutesTest, ABuyerJoinsSeesAndLeavesAWaitlist) {
  reservation::v1::JoinWaitlistRequest seen;
  services_.reservation.JoinWaitlist_.answer = [&seen](const reservation::v1::JoinWaitlistRequest& request) {
    seen = request;
    return Result<reservation::v1::WaitlistEntry>(AnEntry(reservation::v1::WAITLIST_WAITING));
  };
  const auto joined =
      Call("POST", "/v1/shows/1/waitlist", R"({"count":2,"category":"R","section":"F","max_price":900})");
  EXPECT_EQ(joined.status, 200);
  EXPECT_EQ(Json(joined).at("before").as_int64(), 2);
  EXPECT_EQ(Json(joined).at("state").as_string(), "WAITING");
  EXPECT_EQ(seen.user_id(), "ada");
  EXPECT_EQ(seen.wish().count(), 2);
  EXPECT_EQ(seen.wish().section(), "F");
  EXPECT_EQ(seen.wish().max_price(), 900);
  services_.reservation.ListWaitlist_.answer = [](const reservation::v1::ListWaitlistRequest& request) {
    reservation::v1::ListWaitlistResponse list;
    if (request.show_id() != 2) *list.add_entries() = AnEntry(reservation::v1::WAITLIST_OFFERED);
    list.set_more(request.show_id() == 0 && request.after_place() == 0);
    return Result<reservation::v1::ListWaitlistResponse>(list);
  };
  const auto mine = Json(Call("GET", "/v1/shows/1/waitlist"));
  EXPECT_EQ(mine.at("state").as_string(), "OFFERED");
  EXPECT_TRUE(mine.at("reservation_id").is_string());
  EXPECT_FALSE(mine.as_object().contains("user_id"));
  EXPECT_EQ(Call("GET", "/v1/shows/2/waitlist").status, 404);
  const auto page = Json(Call("GET", "/v1/waitlist?state=open"));
  EXPECT_EQ(page.at("items").as_array().size(), 1);
  const auto next = Call(
      "GET", fmt::format("/v1/waitlist?cursor={}", std::string_view(page.at("next_cursor").as_string())));
  EXPECT_TRUE(Json(next).at("next_cursor").is_null());
  services_.reservation.LeaveWaitlist_.answer =
      [](const reservation::v1::LeaveWaitlistRequest& request) -> Result<reservation::v1::WaitlistEntry> {
    if (request.show_id() == 2) return Fail(Code::kNotFound, "not_on_waitlist");
    return AnEntry(reservation::v1::WAITLIST_LEFT);
  };
  EXPECT_EQ(Json(Call("DELETE", "/v1/shows/1/waitlist")).at("state").as_string(), "LEFT");
  EXPECT_EQ(Call("DELETE", "/v1/shows/2/waitlist").status, 404);
}

TEST_F(ShowRoutesTest, AnEndOnTheWaitlistHasTheCodeOfItsProblem) {
  services_.reservation.ListWaitlist_.answer = [](const reservation::v1::ListWaitlistRequest&) {
    reservation::v1::ListWaitlistResponse list;
    *list.add_entries() = AnEntry(reservation::v1::WAITLIST_LAPSED);
    list.mutable_entries(0)->set_ended_because("method_unknown");
    *list.add_entries() = AnEntry(reservation::v1::WAITLIST_LAPSED);
    list.mutable_entries(1)->set_ended_because("offer_lapsed");
    return Result<reservation::v1::ListWaitlistResponse>(list);
  };
  const auto page = Json(Call("GET", "/v1/waitlist"));
  EXPECT_EQ(page.at("items").at(0).at("ended_because").as_string(), "payment_method_unknown");
  EXPECT_EQ(page.at("items").at(1).at("ended_because").as_string(), "offer_lapsed");
}

TEST_F(ShowRoutesTest, WishesThatCantBeMeantAreRefusedByName) {
  services_.reservation.JoinWaitlist_.answer = [](const reservation::v1::JoinWaitlistRequest&) {
    return Result<reservation::v1::WaitlistEntry>(Fail(Code::kConflict, "not_sold_out", "2 are free"));
  };
  constexpr std::string_view kPath = "/v1/shows/1/waitlist";
  const auto code = [](const http::ClientResponse& response) {
    return std::string(Json(response).at("code").as_string());
  };
  EXPECT_EQ(code(Call("POST", kPath, R"({"count":2})")), "not_sold_out");
  EXPECT_EQ(code(Call("POST", kPath, R"({"count":0})")), "no_seats");
  EXPECT_EQ(code(Call("POST", kPath, R"({"count":9})")), "too_many_seats");
  EXPECT_EQ(code(Call("POST", kPath, R"({"count":1,"max_price":0})")), "field_invalid");
  const auto nul = Call("POST", kPath, R"({"count":1,"section":"a\u0000b"})");
  EXPECT_EQ(nul.status, 422);
  EXPECT_EQ(Json(nul).at("field").as_string(), "section");
  EXPECT_EQ(Call("POST", kPath, "{}").status, 400);
  EXPECT_EQ(Call("POST", "/v1/shows/x/waitlist", R"({"count":1})").status, 404);
  EXPECT_EQ(Call("GET", "/v1/waitlist?state=odd").status, 400);
  EXPECT_EQ(Call("GET", "/v1/admin/shows/1/waitlist").status, 403);
}

}  // namespace
}  // namespace boxoffice::gateway
