// The seat service as operators meet it: moves, policies, prices, contingents, accessible seats.
#include <gmock/gmock.h>

#include "services/seat/rpc_for_test.h"

namespace boxoffice::seat {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;
using namespace std::chrono_literals;

TEST_F(SeatRpcTest, SoldSeatsAreMovedAndAreThePartysFromThenOn) {
  Run(HoldOf(saga_, reservation_, "ann", {1, 2}));
  Run(ConfirmOf(saga_, reservation_, {1, 2}));
  const std::string saga = NewId();
  v1::Command command;
  v1::MoveSeats& move = *command.mutable_move();
  move.set_saga_id(saga);
  move.set_reservation_id(reservation_);
  move.set_show_id(show_id_);
  move.add_from_seat_nos(2);
  move.add_to_seat_nos(5);
  const auto moved = Run(command);
  EXPECT_EQ(moved.kind(), v1::SeatOutcome::DONE);
  ASSERT_THAT(moved.seats(), SizeIs(2));
  EXPECT_EQ(moved.seats(1).seat_no(), 5);
  EXPECT_EQ(moved.amount(), 2000);
  EXPECT_EQ(Run(command).SerializeAsString(), moved.SerializeAsString()) << "again";
  EXPECT_EQ(Map().sold(), 2);
  v1::AuditRequest audit;
  audit.set_show_id(show_id_);
  const auto rows = Call<v1::AuditResponse>(&v1::SeatService::Stub::Audit, audit);
  ASSERT_THAT(rows.rows(), SizeIs(2));
  EXPECT_EQ(rows.rows(1).seat_no(), 5);
  EXPECT_EQ(rows.rows(1).price(), 1000);
  EXPECT_EQ(rows.rows(1).user_id(), "ann");
  EXPECT_EQ(Run(HoldOf(NewId(), NewId(), "bob", {2})).kind(), v1::SeatOutcome::DONE);
  v1::Command cancel = ReleaseOf(NewId(), reservation_);
  cancel.mutable_release()->add_seat_nos(1);
  cancel.mutable_release()->add_seat_nos(5);
  Run(cancel);
  EXPECT_EQ(Map().sold(), 0);
  move.add_to_seat_nos(6);
  const auto error = Send(command).get();
  ASSERT_FALSE(error.has_value());
  EXPECT_EQ(error.error().reason, "invalid_field");
  EXPECT_THAT(error.error().detail, StartsWith("to_seat_nos"));
}

TEST_F(SeatRpcTest, AConcertsNamesAreChangedOneByOne) {
  v1::GetConcertRequest get;
  get.set_id(concert_id_);
  v1::UpdateConcertRequest change;
  change.set_id(concert_id_);
  change.set_venue("Hall");
  auto expected = Call<v1::Concert>(&v1::SeatService::Stub::GetConcert, get);
  expected.set_venue("Hall");
  EXPECT_EQ(Call<v1::Concert>(&v1::SeatService::Stub::UpdateConcert, change).SerializeAsString(),
            expected.SerializeAsString());
  EXPECT_EQ(Call<v1::Concert>(&v1::SeatService::Stub::GetConcert, get).SerializeAsString(),
            expected.SerializeAsString());
  change.set_title("");
  EXPECT_EQ(CallError<v1::Concert>(&v1::SeatService::Stub::UpdateConcert, change).reason, "concert_invalid");
}

// The longest user, a colon and the longest Idempotency-Key.
TEST_F(SeatRpcTest, AKeyAsLongAsTheGatewayTakesIsTaken) {
  v1::CreateConcertRequest concert;
  concert.set_operation_key(std::string(320, 'c'));
  concert.set_title("Title");
  const auto made = Call<v1::Concert>(&v1::SeatService::Stub::CreateConcert, concert);
  EXPECT_EQ(Call<v1::Concert>(&v1::SeatService::Stub::CreateConcert, concert).id(), made.id()) << "again";
  v1::CreateShowRequest show = ShowRequest(std::string(320, 's'), PlanOf(1, 1));
  EXPECT_EQ(Call<v1::Show>(&v1::SeatService::Stub::CreateShow, show).capacity(), 1);
  concert.set_operation_key(std::string(321, 'c'));
  show.set_operation_key(std::string(321, 's'));
  for (const Error& error : {CallError<v1::Concert>(&v1::SeatService::Stub::CreateConcert, concert),
                             CallError<v1::Show>(&v1::SeatService::Stub::CreateShow, show)}) {
    EXPECT_EQ(error.reason, "invalid_field");
    EXPECT_THAT(error.detail, StartsWith("operation_key"));
  }
}

TEST_F(SeatRpcTest, TheWaitlistGoesFirstUntilItIsOver) {
  v1::SetWaitlistFirstRequest first;
  first.set_show_id(show_id_);
  first.set_first(true);
  EXPECT_TRUE(Call<v1::Show>(&v1::SeatService::Stub::SetWaitlistFirst, first).waitlist_first());
  EXPECT_TRUE(Call<v1::Show>(&v1::SeatService::Stub::SetWaitlistFirst, first).waitlist_first()) << "again";
  EXPECT_EQ(Run(HoldOf(NewId(), NewId(), "bob", {1})).refusal(), "waitlist_first");
  v1::Command offer = HoldOf(saga_, reservation_, "ann", {1});
  offer.mutable_hold()->set_from_waitlist(true);
  EXPECT_EQ(Run(offer).kind(), v1::SeatOutcome::DONE);
  StopModule();
  StartModule();
  EXPECT_EQ(Run(HoldOf(NewId(), NewId(), "bob", {2})).refusal(), "waitlist_first") << "it is stored";
  first.set_first(false);
  EXPECT_FALSE(Call<v1::Show>(&v1::SeatService::Stub::SetWaitlistFirst, first).waitlist_first());
  EXPECT_EQ(Run(HoldOf(NewId(), NewId(), "bob", {2})).kind(), v1::SeatOutcome::DONE);
  first.set_show_id(99);
  EXPECT_EQ(CallError<v1::Show>(&v1::SeatService::Stub::SetWaitlistFirst, first).reason, "show_not_found");
}

TEST_F(SeatRpcTest, WhileTheWaitlistIsFirstAChannelsBuyersAreGivenAndOfferedWhatIsKeptForThemAlone) {
  v1::AssignChannelRequest assign;
  assign.set_show_id(show_id_);
  assign.set_channel("fanclub");
  assign.set_section("Floor");
  assign.set_row("2");
  assign.set_reason("members first");
  assign.set_operator_id("op");
  ASSERT_EQ(Call<v1::BlockSeatsResponse>(&v1::SeatService::Stub::AssignChannel, assign).outcome().kind(),
            v1::SeatOutcome::DONE);
  v1::SetWaitlistFirstRequest first;
  first.set_show_id(show_id_);
  first.set_first(true);
  ASSERT_TRUE(Call<v1::Show>(&v1::SeatService::Stub::SetWaitlistFirst, first).waitlist_first());
  v1::Command best = HoldOf(saga_, reservation_, "ann", {});
  best.mutable_hold()->mutable_best_available()->set_count(2);
  EXPECT_EQ(Run(best).refusal(), "waitlist_first");
  best.mutable_hold()->add_channels("fanclub");
  const auto held = Run(best);
  ASSERT_THAT(held.seats(), SizeIs(2));
  EXPECT_EQ(held.seats(0).seat_no(), 5) << "those before are the waitlist's";
  v1::Command named = HoldOf(NewId(), NewId(), "eve", {5});
  named.mutable_hold()->add_channels("fanclub");
  const auto taken = Run(named);
  EXPECT_EQ(taken.refusal(), "seats_taken");
  EXPECT_FALSE(taken.has_alternative()) << "they would be refused her, too";
}

TEST_F(SeatRpcTest, AShowsPolicyIsGivenChangedAndTold) {
  v1::CreateShowRequest request = ShowRequest("policy", PlanOf(2, 4));
  request.set_cancel_fee_per_seat(300);
  request.set_cancel_fee_percent(10);
  request.set_grace_ms(60'000);
  const auto show = Call<v1::Show>(&v1::SeatService::Stub::CreateShow, request);
  EXPECT_EQ(show.cancel_fee_per_seat(), 300);
  EXPECT_EQ(show.cancel_fee_percent(), 10);
  EXPECT_EQ(show.grace_ms(), 60'000);
  request.set_grace_ms(0);
  EXPECT_EQ(CallError<v1::Show>(&v1::SeatService::Stub::CreateShow, request).reason, "operation_key_reused");
  v1::UpdateShowRequest change;
  change.set_id(show.id());
  change.set_cancel_fee_percent(0);
  change.set_grace_ms(5'000);
  const auto changed = Call<v1::Show>(&v1::SeatService::Stub::UpdateShow, change);
  EXPECT_EQ(changed.cancel_fee_per_seat(), 300);
  EXPECT_EQ(changed.cancel_fee_percent(), 0);
  show_id_ = show.id();
  EXPECT_EQ(Run(HoldOf(saga_, reservation_, "ann", {1})).grace_ms(), 5'000);
  EXPECT_EQ(Run(ConfirmOf(saga_, reservation_, {1})).grace_ms(), 0);
}

TEST_F(SeatRpcTest, PricesChangeForWhatNobodyHasAndTheLayoutIsToldApart) {
  Run(HoldOf(saga_, reservation_, "ann", {1}));
  const auto before = Map(/*states_only=*/false);
  EXPECT_EQ(before.layout_version(), 0);
  v1::ChangePricesRequest change;
  change.set_show_id(show_id_);
  (*change.mutable_categories())["A"] = 1500;
  change.set_reason("it sells well");
  change.set_operator_id("op");
  const auto show = Call<v1::Show>(&v1::SeatService::Stub::ChangePrices, change);
  EXPECT_EQ(show.price_categories(0).price(), 1500);
  EXPECT_EQ(show.layout_version(), 1);
  EXPECT_EQ(Call<v1::Show>(&v1::SeatService::Stub::ChangePrices, change).layout_version(), 1) << "again";

  v1::GetSeatMapRequest ask;
  ask.set_show_id(show_id_);
  ask.set_states_only(true);
  ask.set_if_not_version(before.version());
  auto map = Call<v1::SeatMap>(&v1::SeatService::Stub::GetSeatMap, ask);
  EXPECT_EQ(map.layout_version(), 1);
  ASSERT_THAT(map.layout(), SizeIs(8)) << "the caller's layout is not true any more";
  EXPECT_EQ(map.layout(1).price(), 1500);
  ask.set_layout_version(1);
  ask.set_if_not_version(map.version());
  map = Call<v1::SeatMap>(&v1::SeatService::Stub::GetSeatMap, ask);
  EXPECT_THAT(map.layout(), SizeIs(0));
  EXPECT_TRUE(map.states().empty());

  EXPECT_EQ(Run(ConfirmOf(saga_, reservation_, {1})).amount(), 1000);
  EXPECT_EQ(Run(HoldOf(NewId(), NewId(), "bob", {2})).amount(), 1500);
  v1::AuditRequest audit;
  audit.set_show_id(show_id_);
  const auto rows = Call<v1::AuditResponse>(&v1::SeatService::Stub::Audit, audit);
  EXPECT_EQ(rows.rows(0).price(), 1000);
  EXPECT_EQ(rows.rows(1).price(), 1500);

  change.clear_categories();
  change.set_price(700);
  change.set_section("Floor");
  change.set_row("2");
  const auto row = Call<v1::Show>(&v1::SeatService::Stub::ChangePrices, change);
  EXPECT_EQ(row.price_categories(0).lowest_price(), 700);
  EXPECT_EQ(row.price_categories(0).highest_price(), 1500);
  v1::Command best = HoldOf(NewId(), NewId(), "eve", {});
  best.mutable_hold()->mutable_best_available()->set_count(2);
  best.mutable_hold()->mutable_best_available()->set_max_price(700);
  const auto cheap = Run(best);
  EXPECT_EQ(cheap.amount(), 1400);
  EXPECT_EQ(cheap.seats(0).seat_no(), 5);

  v1::ListPriceChangesRequest list;
  list.set_show_id(show_id_);
  const auto changes = Call<v1::ListPriceChangesResponse>(&v1::SeatService::Stub::ListPriceChanges, list);
  ASSERT_THAT(changes.changes(), SizeIs(2));
  EXPECT_THAT(changes.changes(0).seat_nos(), ElementsAre(5, 6, 7, 8));
  EXPECT_EQ(changes.changes(1).category(), "A");
  EXPECT_EQ(changes.changes(1).reason(), "it sells well");
  change.set_row("9");
  EXPECT_EQ(CallError<v1::Show>(&v1::SeatService::Stub::ChangePrices, change).reason, "row_unknown");
  change.set_section("X");
  EXPECT_EQ(CallError<v1::Show>(&v1::SeatService::Stub::ChangePrices, change).reason, "section_unknown");
  StopModule();
  StartModule();
  EXPECT_EQ(Map(false).layout(4).price(), 700);
}

TEST_F(SeatRpcTest, SeatsOfAChannelAreItsBuyersAndCountedHonestly) {
  v1::AssignChannelRequest assign;
  assign.set_show_id(show_id_);
  assign.set_channel("fanclub");
  assign.set_section("Floor");
  assign.set_row("1");
  assign.set_reason("members first");
  assign.set_operator_id("op");
  const auto kept = Call<v1::BlockSeatsResponse>(&v1::SeatService::Stub::AssignChannel, assign);
  EXPECT_EQ(kept.outcome().kind(), v1::SeatOutcome::DONE);
  EXPECT_EQ(kept.show().free(), 4);
  EXPECT_EQ(kept.show().blocked(), 4);
  EXPECT_EQ(kept.show().kept_for_channels(), 4);
  EXPECT_EQ(kept.changed(), 4);
  assign.set_channel("press");
  const auto other = Call<v1::BlockSeatsResponse>(&v1::SeatService::Stub::AssignChannel, assign).outcome();
  EXPECT_EQ(other.refusal(), "seats_taken");
  EXPECT_EQ(other.conflicts(0).reason(), "channel");
  EXPECT_THAT(other.detail(), HasSubstr("fanclub"));

  v1::Command best = HoldOf(NewId(), NewId(), "bob", {});
  best.mutable_hold()->mutable_best_available()->set_count(1);
  EXPECT_EQ(Run(best).seats(0).seat_no(), 5);
  const auto refused = Run(HoldOf(NewId(), NewId(), "bob", {1}));
  EXPECT_EQ(refused.refusal(), "seats_taken");
  EXPECT_EQ(refused.conflicts(0).reason(), "channel");
  v1::Command member = HoldOf(saga_, reservation_, "ann", {});
  member.mutable_hold()->mutable_best_available()->set_count(2);
  member.mutable_hold()->add_channels("fanclub");
  const auto held = Run(member);
  EXPECT_EQ(held.seats(0).seat_no(), 1) << "hers are the better ones";
  v1::Command another = HoldOf(NewId(), NewId(), "eve", {3});
  another.mutable_hold()->add_channels("fanclub");
  EXPECT_EQ(Run(another).kind(), v1::SeatOutcome::DONE);

  v1::ListContingentsRequest list;
  list.set_show_id(show_id_);
  EXPECT_THAT(Call<v1::ListContingentsResponse>(&v1::SeatService::Stub::ListContingents, list).contingents(),
              SizeIs(0))
      << "of no channel";
  list.add_channels("fanclub");
  const auto mine = Call<v1::ListContingentsResponse>(&v1::SeatService::Stub::ListContingents, list);
  ASSERT_THAT(mine.contingents(), SizeIs(1));
  EXPECT_EQ(mine.contingents(0).seats(), 4);
  EXPECT_THAT(mine.contingents(0).free_seat_nos(), ElementsAre(4));

  v1::AssignChannelRequest open;
  open.set_show_id(show_id_);
  open.set_from_channel("fanclub");
  open.set_reason("nobody wants them");
  open.set_operator_id("op");
  const auto opened = Call<v1::BlockSeatsResponse>(&v1::SeatService::Stub::AssignChannel, open);
  EXPECT_EQ(opened.show().kept_for_channels(), 0);
  EXPECT_EQ(opened.show().free(), 4);
  EXPECT_EQ(opened.changed(), 4);
  const auto again = Call<v1::BlockSeatsResponse>(&v1::SeatService::Stub::AssignChannel, open);
  EXPECT_EQ(again.outcome().kind(), v1::SeatOutcome::DONE);
  EXPECT_EQ(again.changed(), 0);
  EXPECT_EQ(Run(HoldOf(NewId(), NewId(), "bob2", {4})).kind(), v1::SeatOutcome::DONE);
  v1::ListBlocksRequest blocks;
  blocks.set_show_id(show_id_);
  const auto notes = Call<v1::ListBlocksResponse>(&v1::SeatService::Stub::ListBlocks, blocks);
  ASSERT_THAT(notes.blocks(), SizeIs(2));
  EXPECT_TRUE(notes.blocks(0).release() && notes.blocks(0).about_channel());
  EXPECT_EQ(notes.blocks(1).channel(), "fanclub");
}

TEST_F(SeatRpcTest, AContingentThatEndsIsEverybodysInMapAndCounts) {
  v1::AssignChannelRequest assign;
  assign.set_show_id(show_id_);
  assign.set_channel("fanclub");
  assign.add_seat_nos(1);
  assign.set_until_ms(ToUnixMs(clock_.Now() + 1h));
  assign.set_reason("members first");
  assign.set_operator_id("op");
  Call<v1::BlockSeatsResponse>(&v1::SeatService::Stub::AssignChannel, assign);
  StopModule();
  StartModule();
  EXPECT_EQ(Map().blocked(), 1) << "it is stored";
  v1::AuditRequest audit;
  audit.set_show_id(show_id_);
  const auto counted = [&] { return Call<v1::AuditResponse>(&v1::SeatService::Stub::Audit, audit).shows(0); };
  EXPECT_EQ(counted().blocked(), 1);
  clock_.Advance(1h);
  EXPECT_EQ(Map().blocked(), 0);
  EXPECT_EQ(counted().blocked(), 0);
  EXPECT_EQ(counted().free(), 8);
  EXPECT_EQ(Run(HoldOf(saga_, reservation_, "bob", {1})).kind(), v1::SeatOutcome::DONE);
  assign.set_until_ms(ToUnixMs(clock_.Now()));
  EXPECT_EQ(CallError<v1::BlockSeatsResponse>(&v1::SeatService::Stub::AssignChannel, assign).reason,
            "channel_invalid");
  assign.set_until_ms(0);
  assign.set_channel("Fan Club");
  EXPECT_EQ(CallError<v1::BlockSeatsResponse>(&v1::SeatService::Stub::AssignChannel, assign).reason,
            "channel_invalid");
}

TEST_F(SeatRpcTest, AccessibleSeatsAreMarkedAndKeptForPartiesThatNeedThem) {
  v1::CreateShowRequest request = ShowRequest("accessible", "");
  v1::GridSection& section = *request.add_grid();
  section.set_name("Floor");
  section.set_rows(1);
  section.set_seats_per_row(6);
  section.set_category("A");
  section.set_accessible(2);
  show_id_ = Call<v1::Show>(&v1::SeatService::Stub::CreateShow, request).id();
  StopModule();
  StartModule();
  const auto map = Map(false);
  EXPECT_TRUE(map.layout(0).accessible());
  EXPECT_EQ(map.layout(1).companion_of(), 1);
  EXPECT_FALSE(map.layout(4).accessible());
  v1::Command best = HoldOf(NewId(), NewId(), "bob", {});
  best.mutable_hold()->mutable_best_available()->set_count(2);
  EXPECT_EQ(Run(best).seats(0).seat_no(), 5);
  best.mutable_hold()->set_saga_id(NewId());
  best.mutable_hold()->set_reservation_id(NewId());
  best.mutable_hold()->set_user_id("bob2");
  EXPECT_EQ(Run(best).refusal(), "not_enough_seats");
  v1::Command party = HoldOf(saga_, reservation_, "ann", {});
  party.mutable_hold()->mutable_best_available()->set_count(2);
  party.mutable_hold()->mutable_best_available()->set_accessible(1);
  const auto held = Run(party);
  ASSERT_THAT(held.seats(), SizeIs(2));
  EXPECT_EQ(held.seats(0).seat_no(), 1);
  EXPECT_EQ(held.rung(), "row");
  EXPECT_EQ(Run(party).SerializeAsString(), held.SerializeAsString()) << "again";
  EXPECT_EQ(Run(HoldOf(NewId(), NewId(), "eve", {3})).kind(), v1::SeatOutcome::DONE) << "by number";
  party.mutable_hold()->mutable_best_available()->set_accessible(3);
  EXPECT_EQ(Send(party).get().error().detail.substr(0, 25), "best_available.accessible");
  request.set_operation_key("too many");
  request.mutable_grid(0)->set_accessible(4);
  EXPECT_THAT(CallError<v1::Show>(&v1::SeatService::Stub::CreateShow, request).detail,
              StartsWith("grid[0].accessible"));
}

}  // namespace
}  // namespace boxoffice::seat
