// Shows and seats as operators make, publish, cancel and block them, and what buyers are offered instead.
#include "gateway/gateway_for_test.h"

namespace boxoffice::gateway {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class SeatRoutesTest : public GatewayTest {};

constexpr std::string_view kShowBegin =
    R"({"concert_id":"7","starts_at":"2026-12-24T20:00:00Z","currency":"KRW","prices":{"A":1000})";

TEST_F(SeatRoutesTest, SeatsComeFromCsvOrAGrid) {
  seat::v1::CreateShowRequest seen;
  services_.seat.CreateShow_.answer = [&seen](const seat::v1::CreateShowRequest& request) {
    seen = request;
    return Result<seat::v1::Show>(AShow());
  };
  const auto create = [&](std::string_view rest) {
    return CallAsOperator("POST", "/v1/admin/shows", fmt::format("{},{}}}", kShowBegin, rest));
  };
  EXPECT_EQ(create(R"("seating_csv":"section,row\n","draft":true)").status, 201);
  EXPECT_EQ(seen.seating_csv(), "section,row\n");
  EXPECT_TRUE(seen.draft());
  EXPECT_EQ(create(R"("grid":[{"name":"Floor","rows":2,"seats_per_row":3,"category":"A"}],)"
                   R"("stage":{"x":0,"y":-1.5},"orphan_rule":true)")
                .status,
            201);
  ASSERT_EQ(seen.grid_size(), 1);
  EXPECT_EQ(seen.grid(0).seats_per_row(), 3U);
  EXPECT_EQ(seen.stage().y(), -1.5);
  EXPECT_TRUE(seen.orphan_rule());
  const int calls = services_.seat.CreateShow_.calls;
  const std::pair<const char*, const char*> wrong[] = {
      {R"("seating_plan":{},"seating_csv":"x")", "seating_csv"},
      {R"("seating_csv":"x","grid":[{"name":"F","rows":1,"seats_per_row":1,"category":"A"}])", "grid"},
      {R"("seating_csv":"")", "seating_csv"},
      {R"("grid":[])", "grid"},
      {R"("grid":[{"name":"F","rows":-1,"seats_per_row":1,"category":"A"}])", "grid[0].rows"},
      {R"("grid":[{"name":"F","rows":1,"seats_per_row":1,"category":"A","colour":"red"}])", "grid[0].colour"},
      {R"("seating_csv":"x","stage":{"x":0})", "stage.y"},
      {R"("orphan_rule":true)", "seating_plan"}};
  for (const auto& [rest, field] : wrong) {
    const http::ClientResponse answer = create(rest);
    EXPECT_TRUE(answer.status == 400 || answer.status == 422) << rest << ": " << answer.body;
    EXPECT_EQ(Json(answer).at("field").as_string(), field) << rest;
  }
  EXPECT_EQ(services_.seat.CreateShow_.calls, calls);
}

TEST_F(SeatRoutesTest, ADraftIsSeenByOperatorsAlone) {
  const auto see = [](const auto& request) -> Result<seat::v1::Show> {
    if (!request.drafts()) return Fail(Code::kNotFound, "show_not_found");
    seat::v1::Show show = AShow();
    show.set_state(seat::v1::DRAFT);
    return show;
  };
  services_.seat.GetShow_.answer = see;
  EXPECT_EQ(Call("GET", "/v1/shows/1").status, 404);
  EXPECT_EQ(Call("GET", "/v1/shows/1/seats").status, 404) << "nor its map";
  EXPECT_EQ(Call("GET", "/v1/shows/1/seats/events").status, 404);
  EXPECT_EQ(services_.seat.GetSeatMap_.calls, 0);
  EXPECT_EQ(Json(CallAsOperator("GET", "/v1/admin/shows/1")).at("state").as_string(), "DRAFT");
  services_.seat.GetSeatMap_.answer = [](const auto&) -> Result<seat::v1::SeatMap> {
    seat::v1::SeatMap map;
    map.set_version(1);
    return map;
  };
  EXPECT_EQ(CallAsOperator("GET", "/v1/admin/shows/1/seats").status, 200);
  EXPECT_EQ(Call("GET", "/v1/admin/shows/1").status, 403);
}

// Who was cancelled as a draft has a state that buyers' shows have, too.
TEST_F(SeatRoutesTest, WhatAnOperatorSeesOfACancelledDraftMakesItNoShowOfBuyers) {
  services_.seat.GetShow_.answer = [](const auto& request) -> Result<seat::v1::Show> {
    if (!request.drafts()) return Fail(Code::kNotFound, "show_not_found");
    seat::v1::Show show = AShow();
    show.set_state(seat::v1::CANCELLED);
    return show;
  };
  services_.reservation.ListWaitlist_.answer = [](const auto&) {
    return Result<reservation::v1::ListWaitlistResponse>(reservation::v1::ListWaitlistResponse());
  };
  // At each of the two threads.
  for (int i = 0; i < 2; ++i) EXPECT_EQ(CallAsOperator("GET", "/v1/admin/shows/1/waitlist").status, 200);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Call("GET", "/v1/shows/1/seats").status, 404);
    EXPECT_EQ(Call("POST", "/v1/shows/1/queue").status, 404);
    EXPECT_EQ(Call("POST", "/v1/shows/1/waitlist", R"({"count":2})").status, 404);
  }
  EXPECT_EQ(services_.seat.GetSeatMap_.calls, 0);
  EXPECT_EQ(services_.reservation.JoinWaitlist_.calls, 0);
}

TEST_F(SeatRoutesTest, AConcertOfDraftsAloneIsSeenByOperators) {
  services_.seat.GetConcert_.answer = [](const auto& request) -> Result<seat::v1::Concert> {
    if (!request.drafts()) return Fail(Code::kNotFound, "concert_not_found");
    seat::v1::Concert concert;
    concert.set_id(request.id());
    concert.set_title("T");
    return concert;
  };
  EXPECT_EQ(Call("GET", "/v1/concerts/7").status, 404);
  EXPECT_EQ(Json(CallAsOperator("GET", "/v1/admin/concerts/7")).at("title").as_string(), "T");
  EXPECT_EQ(CallAsOperator("GET", "/v1/admin/concerts/x").status, 404);
  EXPECT_EQ(Call("GET", "/v1/admin/concerts/7").status, 403);
}

TEST_F(SeatRoutesTest, ShowsArePublished) {
  services_.seat.ChangeShowState_.answer =
      [](const seat::v1::ChangeShowStateRequest& request) -> Result<seat::v1::Show> {
    if (request.id() != 1) return Fail(Code::kConflict, "show_state", "a show that is cancelled stays so");
    seat::v1::Show show = AShow();
    show.set_state(request.state());
    return show;
  };
  EXPECT_EQ(Json(CallAsOperator("POST", "/v1/admin/shows/1/publish")).at("state").as_string(), "ANNOUNCED");
  EXPECT_EQ(CallAsOperator("POST", "/v1/admin/shows/2/publish").status, 409);
  EXPECT_EQ(CallAsOperator("POST", "/v1/admin/shows/1/publish", R"({"x":1})").status, 400);
  EXPECT_EQ(CallAsOperator("POST", "/v1/admin/shows/x/publish").status, 404);
  EXPECT_EQ(Call("POST", "/v1/admin/shows/1/publish").status, 403);
}

TEST_F(SeatRoutesTest, SeatsAreBlockedByNumberOrByAreaWithAReason) {
  seat::v1::BlockSeatsRequest seen;
  services_.seat.BlockSeats_.answer = [&seen](const seat::v1::BlockSeatsRequest& request) {
    seen = request;
    seat::v1::BlockSeatsResponse answer;
    answer.mutable_outcome()->set_kind(seat::v1::SeatOutcome::DONE);
    *answer.mutable_show() = AShow();
    answer.mutable_show()->set_blocked(3);
    return Result<seat::v1::BlockSeatsResponse>(answer);
  };
  constexpr std::string_view kBlocks = "/v1/admin/shows/1/blocks";
  EXPECT_EQ(
      Json(CallAsOperator("POST", kBlocks, R"({"seats":[1,2],"reason":"camera"})")).at("blocked").as_int64(),
      3);
  EXPECT_THAT(seen.seat_nos(), ElementsAre(1, 2));
  EXPECT_EQ(seen.operator_id(), "root");
  EXPECT_FALSE(seen.release());
  EXPECT_EQ(CallAsOperator("POST", "/v1/admin/shows/1/blocks/release",
                           R"({"section":"Floor","row":"A","reason":"no camera"})")
                .status,
            200);
  EXPECT_TRUE(seen.release());
  EXPECT_EQ(seen.row(), "A");
  const int calls = services_.seat.BlockSeats_.calls;
  const std::pair<const char*, const char*> wrong[] = {
      {R"({"seats":[1]})", "reason"},
      {R"({"seats":[1],"reason":""})", "reason"},
      {R"({"seats":[1],"reason":"a\u0000b"})", "reason"},
      {R"({"reason":"x"})", "seats"},
      {R"({"seats":[],"reason":"x"})", "seats"},
      {R"({"seats":[1],"section":"F","reason":"x"})", "section"},
      {R"({"seats":[1],"row":"F","reason":"x"})", "row"}};
  for (const auto& [body, field] : wrong) {
    const http::ClientResponse answer = CallAsOperator("POST", kBlocks, body);
    EXPECT_TRUE(answer.status == 400 || answer.status == 422) << body << ": " << answer.body;
    EXPECT_EQ(Json(answer).at("field").as_string(), field) << body;
  }
  EXPECT_EQ(CodeOf(CallAsOperator("POST", kBlocks, R"({"seats":[0],"reason":"x"})")), "seat_unknown");
  EXPECT_EQ(services_.seat.BlockSeats_.calls, calls);
}

TEST_F(SeatRoutesTest, PricesAreChangedByCategoryOrOfSeatsAndListed) {
  seat::v1::ChangePricesRequest seen;
  services_.seat.ChangePrices_.answer = [&seen](const seat::v1::ChangePricesRequest& request) {
    seen = request;
    seat::v1::Show show = AShow();
    show.set_layout_version(3);
    return Result<seat::v1::Show>(show);
  };
  constexpr std::string_view kPrices = "/v1/admin/shows/1/prices";
  const http::ClientResponse changed =
      CallAsOperator("POST", kPrices, R"({"categories":{"R":5000},"reason":"it sells well"})");
  EXPECT_EQ(changed.status, 200) << changed.body;
  EXPECT_EQ(Json(changed).at("layout_version").as_int64(), 3);
  EXPECT_EQ(seen.categories().at("R"), 5000);
  EXPECT_EQ(seen.operator_id(), "root");
  EXPECT_EQ(CallAsOperator("POST", kPrices, R"({"price":700,"seats":[3],"reason":"pillar"})").status, 200);
  EXPECT_EQ(seen.price(), 700);
  EXPECT_THAT(seen.seat_nos(), ElementsAre(3));
  const int calls = services_.seat.ChangePrices_.calls;
  const std::pair<const char*, const char*> wrong[] = {
      {R"({"categories":{"R":5000}})", "reason"},
      {R"({"categories":{},"reason":"x"})", "categories"},
      {R"({"categories":{"R":"5"},"reason":"x"})", "categories.R"},
      {R"({"categories":{"R":5000},"seats":[1],"reason":"x"})", "categories"},
      {R"({"categories":{"R":5000},"price":1,"reason":"x"})", "categories"},
      {R"({"seats":[1],"reason":"x"})", "price"},
      {R"({"price":1,"reason":"x"})", "seats"},
      {R"({"price":1,"section":"F","seats":[1],"reason":"x"})", "section"}};
  for (const auto& [body, field] : wrong) {
    const http::ClientResponse answer = CallAsOperator("POST", kPrices, body);
    EXPECT_TRUE(answer.status == 400 || answer.status == 422) << body << ": " << answer.body;
    EXPECT_EQ(Json(answer).at("field").as_string(), field) << body;
  }
  EXPECT_EQ(services_.seat.ChangePrices_.calls, calls);
  services_.seat.ListPriceChanges_.answer = [](const seat::v1::ListPriceChangesRequest&) {
    seat::v1::ListPriceChangesResponse list;
    seat::v1::PriceChange& change = *list.add_changes();
    change.set_id(2);
    change.add_seat_nos(3);
    change.set_price(700);
    change.set_at_ms(1'798'142'400'000);
    return Result<seat::v1::ListPriceChangesResponse>(list);
  };
  const boost::json::value list = Json(CallAsOperator("GET", kPrices));
  EXPECT_TRUE(list.at("items").at(0).at("category").is_null());
  EXPECT_EQ(list.at("items").at(0).at("seats").at(0).as_int64(), 3);
}

TEST_F(SeatRoutesTest, WhatCantBeBlockedIsToldSeatBySeat) {
  services_.seat.BlockSeats_.answer = [](const seat::v1::BlockSeatsRequest&) {
    seat::v1::BlockSeatsResponse answer;
    answer.mutable_outcome()->set_kind(seat::v1::SeatOutcome::REFUSED);
    answer.mutable_outcome()->set_refusal("seats_taken");
    seat::v1::SeatConflict& conflict = *answer.mutable_outcome()->add_conflicts();
    conflict.set_seat_no(2);
    conflict.set_label("Floor A-2");
    conflict.set_reason("sold");
    return Result<seat::v1::BlockSeatsResponse>(answer);
  };
  const http::ClientResponse answer =
      CallAsOperator("POST", "/v1/admin/shows/1/blocks", R"({"seats":[1,2],"reason":"camera"})");
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(Json(answer).at("conflicts").at(0).at("reason").as_string(), "sold");
}

TEST_F(SeatRoutesTest, BlocksAreListedByPage) {
  services_.seat.ListBlocks_.answer = [](const seat::v1::ListBlocksRequest& request) {
    seat::v1::ListBlocksResponse list;
    seat::v1::Block& block = *list.add_blocks();
    block.set_id(request.before_id() == 0 ? 9 : 4);
    block.add_seat_nos(1);
    block.set_reason("camera");
    block.set_at_ms(1'798'142'400'000);
    list.set_more(request.before_id() == 0);
    return Result<seat::v1::ListBlocksResponse>(list);
  };
  const boost::json::value first = Json(CallAsOperator("GET", "/v1/admin/shows/1/blocks?limit=1"));
  EXPECT_EQ(first.at("items").at(0).at("action").as_string(), "block");
  const std::string next(first.at("next_cursor").as_string());
  const boost::json::value second = Json(CallAsOperator("GET", "/v1/admin/shows/1/blocks?cursor=" + next));
  EXPECT_EQ(second.at("items").at(0).at("id").as_string(), "4");
  EXPECT_TRUE(second.at("next_cursor").is_null());
}

TEST_F(SeatRoutesTest, AConflictOffersWhatIsNearAndFree) {
  reservation::v1::Refusal refusal;
  refusal.set_code("seats_taken");
  seat::v1::SeatOffer& offer = *refusal.mutable_alternative();
  offer.set_rung("row");
  offer.set_amount(2000);
  seat::v1::SeatPrice& seat = *offer.add_seats();
  seat.set_seat_no(9);
  seat.set_label("Floor A-9");
  seat.set_price(2000);
  seat.set_category("A");
  AnswerReservations(reservation::v1::FAILED, refusal);
  const http::ClientResponse answer = Reserve(R"({"show_id":"1","seats":[8]})");
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(Json(answer).at("alternative").at("rung").as_string(), "row");
  EXPECT_EQ(Json(answer).at("alternative").at("seats").at(0).at("seat_no").as_int64(), 9);
}

TEST_F(SeatRoutesTest, SeatsAreKeptForAChannelAndGivenBack) {
  seat::v1::AssignChannelRequest seen;
  services_.seat.AssignChannel_.answer = [&seen](const seat::v1::AssignChannelRequest& request) {
    seen = request;
    seat::v1::BlockSeatsResponse answer;
    answer.mutable_outcome()->set_kind(seat::v1::SeatOutcome::DONE);
    *answer.mutable_show() = AShow();
    answer.mutable_show()->set_kept_for_channels(3);
    answer.set_changed(2);
    return Result<seat::v1::BlockSeatsResponse>(answer);
  };
  constexpr std::string_view kContingents = "/v1/admin/shows/1/contingents";
  const http::ClientResponse kept = CallAsOperator(
      "POST", kContingents,
      R"({"channel":"fanclub","seats":[1,2],"until":"2099-01-01T00:00:00Z","reason":"members first"})");
  EXPECT_EQ(kept.status, 200) << kept.body;
  EXPECT_EQ(Json(kept).at("kept_for_channels").as_int64(), 3);
  EXPECT_EQ(Json(kept).at("changed_seats").as_int64(), 2);
  EXPECT_EQ(seen.channel(), "fanclub");
  EXPECT_EQ(seen.until_ms(), 4'070'908'800'000);
  EXPECT_THAT(seen.seat_nos(), ElementsAre(1, 2));
  EXPECT_EQ(seen.operator_id(), "root");
  constexpr std::string_view kRelease = "/v1/admin/shows/1/contingents/release";
  EXPECT_EQ(CallAsOperator("POST", kRelease, R"({"channel":"fanclub","reason":"x"})").status, 200);
  EXPECT_EQ(seen.channel(), "");
  EXPECT_EQ(seen.from_channel(), "fanclub");
  EXPECT_EQ(CallAsOperator("POST", kRelease, R"({"section":"F","reason":"x"})").status, 200);
  const int calls = services_.seat.AssignChannel_.calls;
  const std::pair<const char*, const char*> wrong[] = {
      {R"({"seats":[1],"reason":"x"})", "channel"},
      {R"({"channel":"Fan Club","seats":[1],"reason":"x"})", "channel"},
      {R"({"channel":"fanclub","reason":"x"})", "seats"},
      {R"({"channel":"fanclub","seats":[1]})", "reason"},
      {R"({"channel":"fanclub","seats":[1],"until":"soon","reason":"x"})", "until"}};
  for (const auto& [body, field] : wrong) {
    const http::ClientResponse answer = CallAsOperator("POST", kContingents, body);
    EXPECT_TRUE(answer.status == 400 || answer.status == 422) << body << ": " << answer.body;
    EXPECT_EQ(Json(answer).at("field").as_string(), field) << body;
  }
  EXPECT_EQ(Json(CallAsOperator("POST", kRelease, R"({"reason":"x"})")).at("field").as_string(), "seats");
  EXPECT_EQ(services_.seat.AssignChannel_.calls, calls);
}

TEST_F(SeatRoutesTest, WhatAnotherChannelHasIsRefusedWithItsNameAndTooManySeatsWithTheBound) {
  seat::v1::SeatOutcome outcome;
  outcome.set_kind(seat::v1::SeatOutcome::REFUSED);
  services_.seat.AssignChannel_.answer = [&outcome](const auto&) {
    seat::v1::BlockSeatsResponse answer;
    *answer.mutable_outcome() = outcome;
    return Result<seat::v1::BlockSeatsResponse>(answer);
  };
  const auto keep = [this] {
    return Json(CallAsOperator("POST", "/v1/admin/shows/1/contingents",
                               R"({"channel":"press","section":"F","reason":"x"})"));
  };
  outcome.set_refusal("seats_taken");
  outcome.set_detail("kept for the channel fanclub");
  seat::v1::SeatConflict& conflict = *outcome.add_conflicts();
  conflict.set_seat_no(4);
  conflict.set_label("F A-4");
  conflict.set_reason("channel");
  const boost::json::value taken = keep();
  EXPECT_EQ(taken.at("code").as_string(), "seats_taken");
  EXPECT_THAT(std::string(taken.at("detail").as_string()), HasSubstr("fanclub"));
  EXPECT_EQ(taken.at("conflicts").at(0).at("reason").as_string(), "channel");
  outcome.clear_conflicts();
  outcome.set_refusal("too_many_seats");
  EXPECT_THAT(std::string(keep().at("detail").as_string()), HasSubstr("5000"));
}

TEST_F(SeatRoutesTest, ContingentsAreListedOfTheCallersChannelsAndAllForOperators) {
  seat::v1::ListContingentsRequest seen;
  services_.seat.ListContingents_.answer = [&seen](const seat::v1::ListContingentsRequest& request) {
    seen = request;
    seat::v1::ListContingentsResponse list;
    seat::v1::Contingent& one = *list.add_contingents();
    one.set_channel("fanclub");
    one.set_seats(3);
    one.add_free_seat_nos(7);
    return Result<seat::v1::ListContingentsResponse>(list);
  };
  Options options;
  options.channels = {"fanclub", "press"};
  const boost::json::value mine = Json(Call("GET", "/v1/shows/1/contingents", {}, options));
  EXPECT_EQ(mine.at("items").at(0).at("free_seats").at(0).as_int64(), 7);
  EXPECT_TRUE(mine.at("items").at(0).at("next_until").is_null());
  EXPECT_THAT(seen.channels(), ElementsAre("fanclub", "press"));
  EXPECT_FALSE(seen.all());
  EXPECT_EQ(Call("GET", "/v1/shows/1/contingents").status, 200) << "of no channel: an empty question";
  EXPECT_TRUE(seen.channels().empty());
  EXPECT_EQ(CallAsOperator("GET", "/v1/admin/shows/1/contingents").status, 200);
  EXPECT_TRUE(seen.all());
}

TEST_F(SeatRoutesTest, ABuyersChannelsGoWithTheReservation) {
  AnswerReservations(reservation::v1::HELD);
  EXPECT_EQ(Reserve(R"({"show_id":"1","seats":[8]})").status, 201);
  EXPECT_TRUE(commands_.back().reserve().channels().empty());
  EXPECT_EQ(Reserve(R"({"show_id":"1","seats":[8]})", {"fanclub"}).status, 201);
  EXPECT_THAT(commands_.back().reserve().channels(), ElementsAre("fanclub"));
}

TEST_F(SeatRoutesTest, BestAvailableTakesAPartyWithANeed) {
  AnswerReservations(reservation::v1::HELD);
  EXPECT_EQ(Reserve(R"({"show_id":"1","best_available":{"count":3,"accessible":1}})").status, 201);
  EXPECT_EQ(commands_.back().reserve().best_available().accessible(), 1);
  for (const char* wrong : {"4", "-1"}) {
    const http::ClientResponse answer =
        Reserve(fmt::format(R"({{"show_id":"1","best_available":{{"count":3,"accessible":{}}}}})", wrong));
    EXPECT_EQ(answer.status, 422) << answer.body;
    EXPECT_EQ(Json(answer).at("field").as_string(), "best_available.accessible");
  }
}

TEST_F(SeatRoutesTest, BestAvailableTakesAPrice) {
  AnswerReservations(reservation::v1::HELD);
  EXPECT_EQ(Reserve(R"({"show_id":"1","best_available":{"count":2,"max_price":5000}})").status, 201);
  EXPECT_EQ(commands_.back().reserve().best_available().max_price(), 5000);
  EXPECT_EQ(Reserve(R"({"show_id":"1","best_available":{"count":2,"max_price":0}})").status, 422);
}

}  // namespace
}  // namespace boxoffice::gateway
