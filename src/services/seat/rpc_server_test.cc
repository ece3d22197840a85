// The seat service as its callers see it: buyers' commands, events, imports.
#include "services/seat/rpc_server.h"

#include <future>
#include <map>
#include <mutex>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "boxoffice/bus/v1/events.pb.h"
#include "platform/rpc/host.h"
#include "services/seat/rpc_for_test.h"
#include "services/seat/testing_service.h"

namespace boxoffice::seat {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;
using namespace std::chrono_literals;

TEST_F(SeatRpcTest, SeatsGoThroughTheWholeService) {
  const auto held = Run(HoldOf(saga_, reservation_, "ann", {1, 2}));
  EXPECT_EQ(held.kind(), v1::SeatOutcome::DONE);
  ASSERT_THAT(held.seats(), SizeIs(2));
  EXPECT_EQ(held.seats(0).label(), "Floor 1-1");
  EXPECT_EQ(held.seats(0).price(), 1000);
  EXPECT_EQ(held.amount(), 2000);
  EXPECT_EQ(held.currency(), "KRW");
  EXPECT_EQ(held.hold_expires_at_ms(), ToUnixMs(clock_.Now() + 5min));

  const auto refused = Run(HoldOf(NewId(), NewId(), "bob", {2, 3}));
  EXPECT_EQ(refused.kind(), v1::SeatOutcome::REFUSED);
  EXPECT_EQ(refused.refusal(), "seats_taken");
  ASSERT_THAT(refused.conflicts(), SizeIs(1));
  EXPECT_EQ(refused.conflicts(0).label(), "Floor 1-2");
  EXPECT_EQ(refused.conflicts(0).reason(), "held");

  EXPECT_EQ(Run(HoldOf(saga_, reservation_, "ann", {1})).kind(), v1::SeatOutcome::MISMATCH);
  EXPECT_EQ(Run(ConfirmOf(saga_, reservation_, {1, 2})).kind(), v1::SeatOutcome::DONE);
  EXPECT_EQ(Map().sold(), 2);
  EXPECT_EQ(Run(ReleaseOf(saga_, reservation_)).kind(), v1::SeatOutcome::DONE);
  EXPECT_EQ(Run(HoldOf(saga_, reservation_, "ann", {1, 2})).kind(), v1::SeatOutcome::ABORTED);
  EXPECT_EQ(Map().free(), 8);
}

TEST_F(SeatRpcTest, SeatsAreKeptUntilTheTimeThatAHoldSaysInsteadOfBeingHeld) {
  Run(HoldOf(saga_, reservation_, "ann", {1, 2}));
  v1::Command keep = HoldOf(saga_, reservation_, "ann", {1, 2});
  keep.mutable_hold()->set_keep_until_ms(ToUnixMs(clock_.Now() + 1min));
  EXPECT_EQ(Run(keep).kind(), v1::SeatOutcome::DONE);
  EXPECT_EQ(Map().next_release_at_ms(), ToUnixMs(clock_.Now() + 1min));
  EXPECT_EQ(Map().held(), 2);
  EXPECT_EQ(Run(HoldOf(saga_, reservation_, "ann", {1, 2})).kind(), v1::SeatOutcome::ABORTED);
}

TEST_F(SeatRpcTest, AnswersSurviveARestart) {
  const auto held = Run(HoldOf(saga_, reservation_, "ann", {1, 2}));
  const auto sold = Run(ConfirmOf(saga_, reservation_, {1, 2}));
  const std::string undone = NewId();
  Run(ReleaseOf(undone, NewId()));
  StopModule();
  StartModule();
  EXPECT_EQ(Run(ConfirmOf(saga_, reservation_, {1, 2})).SerializeAsString(), sold.SerializeAsString());
  EXPECT_EQ(Run(HoldOf(saga_, reservation_, "ann", {1, 2})).amount(), held.amount());
  EXPECT_EQ(Run(HoldOf(undone, NewId(), "bob", {5})).kind(), v1::SeatOutcome::ABORTED);
  EXPECT_EQ(Map().sold(), 2);
}

TEST_F(SeatRpcTest, ManyBuyersRaceForOneSeatAndOneWins) {
  std::vector<std::future<Result<v1::Outcome>>> answers;
  for (int i = 0; i < 500; ++i) answers.push_back(Send(HoldOf(NewId(), NewId(), fmt::format("u{}", i), {1})));
  int won = 0;
  for (auto& answer : answers) won += answer.get()->seats().kind() == v1::SeatOutcome::DONE ? 1 : 0;
  EXPECT_EQ(won, 1);
}

TEST_F(SeatRpcTest, ManyBuyersOfTheBestSeatsGetAllOfThem) {
  std::vector<std::future<Result<v1::Outcome>>> answers;
  for (int i = 0; i < 100; ++i) {
    v1::Command command = HoldOf(NewId(), NewId(), fmt::format("u{}", i), {});
    command.mutable_hold()->mutable_best_available()->set_count(1);
    answers.push_back(Send(command));
  }
  int won = 0;
  for (auto& answer : answers) {
    const auto outcome = answer.get();
    ASSERT_TRUE(outcome.has_value());
    if (outcome->seats().kind() == v1::SeatOutcome::DONE) {
      ++won;
    } else {
      EXPECT_EQ(outcome->seats().refusal(), "not_enough_seats");
    }
  }
  EXPECT_EQ(won, 8);
}

TEST_F(SeatRpcTest, EventsReachTheBusInOrderPerReservation) {
  std::promise<void> all;
  std::mutex mutex;
  std::vector<std::string> types;
  ASSERT_TRUE(bus_->Subscribe("test", {"seat"},
                              [&](std::span<const bus::Record> records) {
                                const std::scoped_lock lock(mutex);
                                for (const bus::Record& record : records) {
                                  types.push_back(record.event.type);
                                  boxoffice::bus::v1::SeatEvent body;
                                  EXPECT_TRUE(body.ParseFromString(record.event.body));
                                  EXPECT_EQ(body.reservation_id(), reservation_);
                                  EXPECT_EQ(record.event.key,
                                            ReservationId::FromBytes(reservation_)->ToString());
                                  EXPECT_THAT(body.seat_nos(), ElementsAre(1, 2));
                                }
                                if (types.size() == 2) all.set_value();
                                return bus::Consumed{records.size(), {}};
                              })
                  .has_value());
  Run(HoldOf(saga_, reservation_, "ann", {1, 2}));
  // The sweeper runs by itself.
  clock_.Advance(5min);
  ASSERT_EQ(all.get_future().wait_for(60s), std::future_status::ready);
  bus_->Unsubscribe("test");
  EXPECT_THAT(types, ElementsAre("seat.held", "seat.released"));
}

TEST_F(SeatRpcTest, TheSoldOutEventIsKeyedByTheShow) {
  std::promise<bus::Event> sold_out;
  ASSERT_TRUE(bus_->Subscribe("test", {"seat"},
                              [&](std::span<const bus::Record> records) {
                                for (const bus::Record& record : records) {
                                  if (record.event.type == "show.sold_out") sold_out.set_value(record.event);
                                }
                                return bus::Consumed{records.size(), {}};
                              })
                  .has_value());
  Run(HoldOf(saga_, reservation_, "ann", {1, 2, 3, 4, 5, 6, 7, 8}));
  Run(ConfirmOf(saga_, reservation_, {1, 2, 3, 4, 5, 6, 7, 8}));
  auto future = sold_out.get_future();
  ASSERT_EQ(future.wait_for(60s), std::future_status::ready);
  const bus::Event event = future.get();
  bus_->Unsubscribe("test");
  boxoffice::bus::v1::ShowSoldOut body;
  ASSERT_TRUE(body.ParseFromString(event.body));
  EXPECT_EQ(body.show_id(), show_id_);
  EXPECT_EQ(event.key, std::to_string(show_id_));
  v1::GetShowRequest request;
  request.set_id(show_id_);
  EXPECT_EQ(Call<v1::Show>(&v1::SeatService::Stub::GetShow, request).state(), v1::SOLD_OUT);
}

TEST_F(SeatRpcTest, TheSeatMapHasItsLayoutAndKnowsWhatTheCallerHas) {
  const auto map = Map(false);
  ASSERT_THAT(map.layout(), SizeIs(8));
  EXPECT_EQ(map.layout(4).label(), "Floor 2-1");
  EXPECT_EQ(map.layout(4).category(), "A");
  EXPECT_EQ(map.states(), std::string(2, '\0'));
  v1::GetSeatMapRequest request;
  request.set_show_id(show_id_);
  request.set_states_only(true);
  request.set_if_not_version(map.version());
  EXPECT_TRUE(Call<v1::SeatMap>(&v1::SeatService::Stub::GetSeatMap, request).states().empty());
  Run(HoldOf(saga_, reservation_, "ann", {1}));
  const auto changed = Call<v1::SeatMap>(&v1::SeatService::Stub::GetSeatMap, request);
  EXPECT_EQ(changed.states(), std::string("\x01\x00", 2));
  EXPECT_THAT(changed.layout(), SizeIs(0));
  EXPECT_EQ(changed.held(), 1);
  EXPECT_EQ(changed.next_release_at_ms(), ToUnixMs(clock_.Now() + 5min));
}

TEST_F(SeatRpcTest, ConcertsAreListedByWhetherTheyAreToComeOrOver) {
  const auto count = [this](v1::ListConcertsRequest::When when) {
    v1::ListConcertsRequest request;
    request.set_when(when);
    return Call<v1::ListConcertsResponse>(&v1::SeatService::Stub::ListConcerts, request).concerts_size();
  };
  EXPECT_EQ(count(v1::ListConcertsRequest::UPCOMING), 1);
  EXPECT_EQ(count(v1::ListConcertsRequest::PAST), 0);
  clock_.Advance(365 * 24h);
  EXPECT_EQ(count(v1::ListConcertsRequest::UPCOMING), 0);
  EXPECT_EQ(count(v1::ListConcertsRequest::PAST), 1);
  EXPECT_EQ(count(v1::ListConcertsRequest::ALL), 1);
}

TEST_F(SeatRpcTest, ConcertsAndShowsSurviveARestart) {
  StopModule();
  StartModule();
  v1::ListConcertsRequest request;
  const auto list = Call<v1::ListConcertsResponse>(&v1::SeatService::Stub::ListConcerts, request);
  ASSERT_THAT(list.concerts(), SizeIs(1));
  EXPECT_EQ(list.concerts(0).title(), "Title");
  ASSERT_THAT(list.concerts(0).shows(), SizeIs(1));
  const v1::Show& show = list.concerts(0).shows(0);
  EXPECT_EQ(show.capacity(), 8);
  EXPECT_EQ(show.free(), 8);
  EXPECT_EQ(show.state(), v1::ON_SALE);
  ASSERT_THAT(show.price_categories(), SizeIs(1));
  EXPECT_EQ(show.price_categories(0).seats(), 8);
  const auto again = Call<v1::Show>(&v1::SeatService::Stub::CreateShow, ShowRequest("show", PlanOf(2, 4)));
  EXPECT_EQ(again.id(), show_id_);
}

TEST_F(SeatRpcTest, ABadPlanImportsNothing) {
  auto request = ShowRequest("bad", "{\n\"name\": }");
  const Error broken = CallError<v1::Show>(&v1::SeatService::Stub::CreateShow, request);
  EXPECT_EQ(broken.code, Code::kInvalidArgument);
  EXPECT_EQ(broken.reason, "seating_plan_invalid");
  EXPECT_THAT(broken.detail, HasSubstr("line 2"));
  request = ShowRequest("bad", PlanOf(1, 1));
  (*request.mutable_prices())["B"] = 1;
  EXPECT_EQ(CallError<v1::Show>(&v1::SeatService::Stub::CreateShow, request).reason, "price_invalid");
  request = ShowRequest("show", PlanOf(1, 1));
  EXPECT_EQ(CallError<v1::Show>(&v1::SeatService::Stub::CreateShow, request).reason, "operation_key_reused");
  v1::GetConcertRequest concert;
  concert.set_id(concert_id_);
  EXPECT_THAT(Call<v1::Concert>(&v1::SeatService::Stub::GetConcert, concert).shows(), SizeIs(1));
}

TEST_F(SeatRpcTest, FiftyThousandSeatsAreImported) {
  const auto show = Call<v1::Show>(&v1::SeatService::Stub::CreateShow, ShowRequest("big", PlanOf(1000, 50)));
  EXPECT_EQ(show.capacity(), 50'000);
  show_id_ = show.id();
  EXPECT_THAT(Map(false).layout(), SizeIs(50'000));
}

TEST_F(SeatRpcTest, AnUpdateChangesWhatIsGiven) {
  v1::UpdateShowRequest request;
  request.set_id(show_id_);
  request.set_seat_limit(2);
  const auto show = Call<v1::Show>(&v1::SeatService::Stub::UpdateShow, request);
  EXPECT_EQ(show.seat_limit(), 2);
  EXPECT_EQ(show.highest_seat_limit(), 8);
  EXPECT_EQ(show.hold_ttl_ms(), 300'000);
  const auto refused = Run(HoldOf(saga_, reservation_, "ann", {1, 2, 3}));
  EXPECT_EQ(refused.refusal(), "seat_limit");
  EXPECT_EQ(refused.seat_limit(), 2);
  EXPECT_EQ(refused.seats_owned(), 0);
  request.set_hold_ttl_ms(1);
  EXPECT_THAT(CallError<v1::Show>(&v1::SeatService::Stub::UpdateShow, request).detail,
              StartsWith("hold_ttl_ms"));
}

TEST_F(SeatRpcTest, TheAuditReadsOwnersAndCounts) {
  Run(HoldOf(saga_, reservation_, "ann", {1, 2}));
  Run(ConfirmOf(saga_, reservation_, {1, 2}));
  Run(HoldOf(NewId(), NewId(), "bob", {5}));
  v1::AuditRequest request;
  request.set_show_id(show_id_);
  request.set_limit(2);
  const auto first = Call<v1::AuditResponse>(&v1::SeatService::Stub::Audit, request);
  ASSERT_THAT(first.rows(), SizeIs(2));
  EXPECT_TRUE(first.more());
  EXPECT_TRUE(first.rows(0).sold());
  EXPECT_EQ(first.rows(0).reservation_id(), reservation_);
  EXPECT_EQ(first.rows(0).price(), 1000);
  ASSERT_THAT(first.shows(), SizeIs(1));
  EXPECT_EQ(first.shows(0).sold(), 2);
  EXPECT_EQ(first.shows(0).held(), 1);
  request.set_after_seat_no(2);
  const auto second = Call<v1::AuditResponse>(&v1::SeatService::Stub::Audit, request);
  ASSERT_THAT(second.rows(), SizeIs(1));
  EXPECT_EQ(second.rows(0).user_id(), "bob");
  EXPECT_FALSE(second.more());
  EXPECT_THAT(Call<v1::AuditResponse>(&v1::SeatService::Stub::Audit, v1::AuditRequest()).shows(), SizeIs(1));
}

TEST_F(SeatServiceTest, QueriesAreAnsweredWhileAuditsAndOperatorsWaitForTheStore) {
  SeatRpcServer server(*service_);
  rpc::Host host;
  ASSERT_TRUE(host.Start(server, {}));
  const auto stub = v1::SeatService::NewStub(host.InProcessChannel());
  std::promise<void> waits;
  std::promise<void> answers;
  memory_.before_save = [&] {
    waits.set_value();
    answers.get_future().wait();
  };
  v1::UpdateConcertRequest change;
  change.set_id(1);
  change.set_title("Another");
  const auto call = [](auto method) { return std::async(std::launch::async, method); };
  std::vector<std::future<grpc::Status>> waiting;
  waiting.push_back(call([&] {
    grpc::ClientContext context;
    v1::Concert changed;
    return stub->UpdateConcert(&context, change, &changed);
  }));
  ASSERT_EQ(waits.get_future().wait_for(60s), std::future_status::ready);
  for (int i = 0; i < 4; ++i) {
    waiting.push_back(call([&] {
      grpc::ClientContext context;
      v1::AuditResponse audited;
      return stub->Audit(&context, {}, &audited);
    }));
  }
  // Some of them have come by then; those that come later find the same.
  EXPECT_EQ(waiting.back().wait_for(200ms), std::future_status::timeout) << "they take turns";
  auto query = call([&] {
    grpc::ClientContext context;
    v1::GetShowRequest request;
    request.set_id(1);
    v1::Show show;
    return stub->GetShow(&context, request, &show);
  });
  EXPECT_EQ(query.wait_for(60s), std::future_status::ready);
  answers.set_value();
  EXPECT_TRUE(query.get().ok());
  for (auto& one : waiting) EXPECT_TRUE(one.get().ok());
  host.Shutdown(0ms);
}

TEST_F(SeatRpcTest, AConflictOffersSeatsAndTheBestSayTheirRung) {
  Run(HoldOf(saga_, reservation_, "ann", {1, 2}));
  const auto refused = Run(HoldOf(NewId(), NewId(), "bob", {2, 3}));
  EXPECT_EQ(refused.alternative().rung(), "row");
  ASSERT_THAT(refused.alternative().seats(), SizeIs(2));
  EXPECT_EQ(refused.alternative().seats(0).label(), "Floor 1-3");
  EXPECT_EQ(refused.alternative().amount(), 2000);
  v1::Command best = HoldOf(NewId(), NewId(), "cem", {});
  best.mutable_hold()->mutable_best_available()->set_count(6);
  const auto chosen = Run(best);
  EXPECT_EQ(chosen.rung(), "adjacent_rows");
  EXPECT_THAT(chosen.seats(), SizeIs(6));
}

TEST_F(SeatRpcTest, WhatOperatorsBlockedSurvivesARestart) {
  v1::BlockSeatsRequest block;
  block.set_show_id(show_id_);
  block.set_section("Floor");
  block.set_row("2");
  block.set_reason("camera");
  block.set_operator_id("op");
  const auto blocked = Call<v1::BlockSeatsResponse>(&v1::SeatService::Stub::BlockSeats, block);
  EXPECT_EQ(blocked.outcome().kind(), v1::SeatOutcome::DONE);
  EXPECT_EQ(blocked.show().blocked(), 4);
  StopModule();
  StartModule();
  EXPECT_EQ(Map().blocked(), 4);
  EXPECT_EQ(Run(HoldOf(saga_, reservation_, "ann", {5})).conflicts(0).reason(), "blocked");
  v1::AuditRequest audit;
  audit.set_show_id(show_id_);
  const auto rows = Call<v1::AuditResponse>(&v1::SeatService::Stub::Audit, audit);
  EXPECT_THAT(rows.rows(), SizeIs(0));
  EXPECT_EQ(rows.shows(0).blocked(), 4);
  block.set_release(true);
  EXPECT_EQ(Call<v1::BlockSeatsResponse>(&v1::SeatService::Stub::BlockSeats, block).show().blocked(), 0);
  v1::ListBlocksRequest list;
  list.set_show_id(show_id_);
  list.set_limit(1);
  const auto page = Call<v1::ListBlocksResponse>(&v1::SeatService::Stub::ListBlocks, list);
  EXPECT_TRUE(page.more());
  EXPECT_TRUE(page.blocks(0).release());
  EXPECT_THAT(page.blocks(0).seat_nos(), ElementsAre(5, 6, 7, 8));
  block.set_reason("");
  EXPECT_THAT(CallError<v1::BlockSeatsResponse>(&v1::SeatService::Stub::BlockSeats, block).detail,
              StartsWith("reason:"));
}

TEST_F(SeatRpcTest, AShowIsPublishedAndCancelledAndStaysSoAfterARestart) {
  v1::CreateShowRequest request = ShowRequest("draft", PlanOf(1, 2));
  request.set_draft(true);
  request.mutable_stage()->set_y(-1);
  const int64_t id = Call<v1::Show>(&v1::SeatService::Stub::CreateShow, request).id();
  v1::GetShowRequest get;
  get.set_id(id);
  EXPECT_EQ(CallError<v1::Show>(&v1::SeatService::Stub::GetShow, get).reason, "show_not_found");
  v1::ChangeShowStateRequest change;
  change.set_id(id);
  EXPECT_THAT(CallError<v1::Show>(&v1::SeatService::Stub::ChangeShowState, change).detail,
              StartsWith("state:"));
  change.set_state(v1::ANNOUNCED);
  EXPECT_EQ(Call<v1::Show>(&v1::SeatService::Stub::ChangeShowState, change).state(), v1::ON_SALE);
  change.set_state(v1::CANCELLED);
  EXPECT_EQ(Call<v1::Show>(&v1::SeatService::Stub::ChangeShowState, change).state(), v1::CANCELLED);
  StopModule();
  StartModule();
  const auto show = Call<v1::Show>(&v1::SeatService::Stub::GetShow, get);
  EXPECT_EQ(show.state(), v1::CANCELLED);
  EXPECT_EQ(show.stage().y(), -1);
  change.set_state(v1::ANNOUNCED);
  EXPECT_EQ(CallError<v1::Show>(&v1::SeatService::Stub::ChangeShowState, change).reason, "show_state");
}

// Or whoever reads all anew would take the show for another one, and begin its map again.
TEST_F(SeatRpcTest, AStageIsInMemoryAsItIsInTheStore) {
  v1::CreateShowRequest request = ShowRequest("staged", PlanOf(1, 2));
  request.mutable_stage()->set_x(1.0 / 3);
  request.mutable_stage()->set_y(-312.458333);
  const auto made = Call<v1::Show>(&v1::SeatService::Stub::CreateShow, request);
  EXPECT_EQ(made.stage().x(), 0.333);
  StopModule();
  StartModule();
  v1::GetShowRequest get;
  get.set_id(made.id());
  const auto stored = Call<v1::Show>(&v1::SeatService::Stub::GetShow, get);
  EXPECT_EQ(stored.stage().SerializeAsString(), made.stage().SerializeAsString());
}

TEST_F(SeatRpcTest, SeatsComeFromOneOfThreePlans) {
  v1::CreateShowRequest request = ShowRequest("csv", "");
  request.set_seating_csv("section,row,number,category\nFloor,A,1,A\n");
  EXPECT_EQ(Call<v1::Show>(&v1::SeatService::Stub::CreateShow, request).capacity(), 1);
  EXPECT_EQ(Call<v1::Show>(&v1::SeatService::Stub::CreateShow, request).capacity(), 1) << "again";
  request.set_seating_csv("section,row,number,category\nFloor,A,1,A\nFloor,A,2,A\n");
  EXPECT_EQ(CallError<v1::Show>(&v1::SeatService::Stub::CreateShow, request).reason, "operation_key_reused");
  request.set_operation_key("grid");
  v1::GridSection& section = *request.add_grid();
  section.set_name("Floor");
  section.set_rows(2);
  section.set_seats_per_row(3);
  section.set_category("A");
  EXPECT_THAT(CallError<v1::Show>(&v1::SeatService::Stub::CreateShow, request).detail,
              HasSubstr("only one of"));
  request.clear_seating_csv();
  EXPECT_EQ(Call<v1::Show>(&v1::SeatService::Stub::CreateShow, request).capacity(), 6);
}

TEST_F(SeatRpcTest, AMalformedFieldIsNamed) {
  EXPECT_THAT(RunError(HoldOf("short", reservation_, "ann", {1})).detail, StartsWith("saga_id:"));
  EXPECT_THAT(RunError(HoldOf(saga_, std::string(16, '\0'), "ann", {1})).detail,
              StartsWith("reservation_id:"));
  EXPECT_THAT(RunError(HoldOf(saga_, reservation_, "", {1})).detail, StartsWith("user_id:"));
  EXPECT_THAT(RunError(HoldOf(saga_, reservation_, std::string(65, 'a'), {1})).detail,
              StartsWith("user_id:"));
  v1::Command keep = HoldOf(saga_, reservation_, "ann", {1});
  keep.mutable_hold()->set_keep_until_ms(-1);
  EXPECT_THAT(RunError(keep).detail, StartsWith("keep_until_ms:"));
  const Error error = RunError(v1::Command());
  EXPECT_THAT(error.detail, StartsWith("body:"));
  EXPECT_EQ(error.code, Code::kInvalidArgument);
}

TEST_F(SeatRpcTest, WhatIsNotThereIsNotFound) {
  v1::GetShowRequest show;
  show.set_id(99);
  const Error error = CallError<v1::Show>(&v1::SeatService::Stub::GetShow, show);
  EXPECT_EQ(error.code, Code::kNotFound);
  EXPECT_EQ(error.reason, "show_not_found");
  v1::GetConcertRequest concert;
  concert.set_id(99);
  EXPECT_EQ(CallError<v1::Concert>(&v1::SeatService::Stub::GetConcert, concert).reason, "concert_not_found");
  v1::Command command = HoldOf(saga_, reservation_, "ann", {1});
  command.mutable_hold()->set_show_id(99);
  EXPECT_EQ(Run(command).refusal(), "show_not_found");
}

}  // namespace
}  // namespace boxoffice::seat
