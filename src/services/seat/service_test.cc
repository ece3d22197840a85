// The use cases over a store in memory, by a clock that stands still.
#include "services/seat/service.h"

#include <algorithm>
#include <numeric>
#include <ranges>

#include <gmock/gmock.h>

#include "services/seat/testing_service.h"

namespace boxoffice::seat {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::chrono_literals;
using Kind = Outcome::Kind;

TEST_F(SeatServiceTest, TombstonesAreForgottenOnceTheyAreOlderThanTheyAreKeptAndTheirSagasStayUndone) {
  const SagaId saga = FirstSagaAt(clock_.Now());
  Run({ReleaseSeats{saga, ReservationId(NumberedUuid(2, 1)), 1, {}}, ""});
  const Timestamp start = clock_.Now();
  const auto run_after = [&](milliseconds time) {
    clock_.Advance(start + time - clock_.Now());
    Run(HoldOf(static_cast<uint64_t>(time.count()), {1}));
  };
  obs::Counter& deleted = metrics_.GetCounter("boxoffice_retention_deleted_total", "",
                                              {{"service", "seat"}, {"kind", "tombstone"}});
  run_after(30 * 24h - 1h);
  run_after(30 * 24h);
  EXPECT_TRUE(memory_.sagas.contains(saga));
  EXPECT_EQ(deleted.value(), 0);
  run_after(30 * 24h + 1h);
  EXPECT_FALSE(memory_.sagas.contains(saga));
  EXPECT_EQ(deleted.value(), 1);
  Command late = HoldOf(1, {2});
  std::get<HoldSeats>(late.body).saga = saga;
  EXPECT_EQ(Run(late).kind, Kind::kAborted);
}

TEST_F(SeatServiceTest, TheMapFollowsTheCommands) {
  const uint64_t before = service_->GetSeatMap(1, std::nullopt)->version;
  Run(HoldOf(1, {1, 2}));
  Run(HoldOf(2, {3}));
  Run(ConfirmOf(2, {3}));
  const auto map = service_->GetSeatMap(1, before);
  ASSERT_TRUE(map->seats.has_value());
  EXPECT_EQ(map->seats->counts, (SeatCounts{5, 2, 1}));
  EXPECT_EQ(map->seats->states, std::string("\x25\x00", 2));
  EXPECT_FALSE(service_->GetSeatMap(1, map->version)->seats.has_value());
  EXPECT_EQ(commits_, 3);
}

TEST_F(SeatServiceTest, TheMapIsRebuiltFromTheRows) {
  Run(HoldOf(1, {1, 2}));
  Run(HoldOf(2, {3}));
  Run(ConfirmOf(2, {3}));
  const uint64_t version = service_->GetSeatMap(1, std::nullopt)->version;
  clock_.Advance(1ms);
  StartService();
  const auto map = service_->GetSeatMap(1, version);
  ASSERT_TRUE(map->seats.has_value());
  EXPECT_GT(map->version, version);
  EXPECT_EQ(map->seats->counts, (SeatCounts{5, 2, 1}));
  EXPECT_THAT(Run(BestOf(3, 2)).seats, ElementsAre(5, 6));
}

TEST_F(SeatServiceTest, WhatChangesNothingIsNotSaved) {
  Run(HoldOf(1, {1}));
  const int saves = memory_.saves;
  Run(HoldOf(1, {1}));
  Run(HoldOf(2, {1}));
  EXPECT_EQ(memory_.saves, saves);
  EXPECT_EQ(commits_, 1);
}

TEST_F(SeatServiceTest, BestAvailableTakesTheNextSeatsUntilThereAreTooFew) {
  EXPECT_THAT(Run(BestOf(1, 3)).seats, ElementsAre(1, 2, 3));
  EXPECT_THAT(Run(BestOf(2, 3)).seats, ElementsAre(5, 6, 7));
  EXPECT_THAT(Run(BestOf(1, 3)).seats, ElementsAre(1, 2, 3));
  EXPECT_THAT(Run(BestOf(3, 2)).seats, ElementsAre(4, 8));
  EXPECT_EQ(Run(BestOf(4, 1)).refusal, Refusal::kNotEnoughSeats);
  Run(ReleaseOf(3));
  EXPECT_THAT(Run(BestOf(4, 1)).seats, ElementsAre(4));
}

TEST_F(SeatServiceTest, BestAvailableLosesNoRaceWhileSeatsAreFree) {
  std::vector<std::future<Result<Outcome>>> answers;
  for (uint64_t n = 1; n <= 300; ++n) answers.push_back(Send(n % 3 == 0 ? HoldOf(n, {1}) : BestOf(n, 1)));
  size_t sold = 0;
  for (auto& answer : answers) {
    const auto outcome = answer.get();
    ASSERT_TRUE(outcome.has_value()) << outcome.error().reason;
    if (outcome->kind == Kind::kDone) sold += outcome->seats.size();
  }
  EXPECT_EQ(sold, 8);
}

TEST_F(SeatServiceTest, ARefusalOffersTheNearestSeatsThatAreFreeWhenTheBatchIsDone) {
  Run(HoldOf(1, {1, 2}));
  const Outcome refused = Run(HoldOf(2, {2, 3}));
  EXPECT_EQ(refused.refusal, Refusal::kSeatsTaken);
  EXPECT_THAT(refused.alternative, ElementsAre(3, 4));
  Run(HoldOf(3, {3, 4, 5, 6, 7, 8}));
  EXPECT_THAT(Run(HoldOf(2, {2, 3})).alternative, IsEmpty()) << "fewer are free";
}

TEST_F(SeatServiceTest, ByTheOrphanRuleASeatIsNotLeftAloneWhereThePartyCanSitOtherwise) {
  EXPECT_EQ(Run(HoldOf(1, {2, 3})).kind, Kind::kDone) << "without the rule";
  Run(ReleaseOf(1));
  TermsChange change;
  change.orphan_rule = true;
  ASSERT_TRUE(service_->UpdateShow(1, change).has_value());
  const Outcome refused = Run(HoldOf(2, {2, 3}));
  EXPECT_EQ(refused.refusal, Refusal::kOrphanSeat);
  EXPECT_THAT(refused.conflicts,
              ElementsAre(Conflict{1, ConflictReason::kOrphan}, Conflict{4, ConflictReason::kOrphan}));
  EXPECT_THAT(refused.alternative, ElementsAre(1, 2));
  EXPECT_EQ(Run(HoldOf(3, {6, 7, 8})).kind, Kind::kDone) << "three of four can't but leave one";
  EXPECT_EQ(Run(HoldOf(4, {1})).kind, Kind::kDone);
  EXPECT_EQ(Run(HoldOf(5, {3})).refusal, Refusal::kOrphanSeat);
}

TEST_F(SeatServiceTest, ADraftIsFoundByOperatorsAlone) {
  memory_.catalogue.shows[0].show.terms.phase = ShowPhase::kDraft;
  StartService();
  EXPECT_EQ(service_->GetShow(1).error().reason, "show_not_found");
  EXPECT_EQ(service_->GetShow(1, true)->state, ShowState::kDraft);
  EXPECT_EQ(service_->GetConcert(1).error().reason, "concert_not_found");
  EXPECT_THAT(service_->ListConcerts(10, 0).concerts, IsEmpty());
  EXPECT_THAT(service_->ListConcerts(10, 0, true).concerts[0].shows, SizeIs(1));
  EXPECT_EQ(Run(HoldOf(1, {1})).refusal, Refusal::kShowNotOnSale);
  EXPECT_EQ(service_->PublishShow(1)->state, ShowState::kOnSale);
  EXPECT_TRUE(service_->GetShow(1).has_value());
  EXPECT_EQ(Run(HoldOf(1, {1})).kind, Kind::kDone);
}

TEST_F(SeatServiceTest, ACancelledDraftStaysUnknownToBuyers) {
  StoredShow draft = memory_.catalogue.shows[0];
  draft.show.id = 2;
  draft.show.terms.phase = ShowPhase::kDraft;
  memory_.catalogue.shows.push_back(draft);
  StartService();
  EXPECT_EQ(service_->CancelShow(2)->state, ShowState::kCancelled);
  EXPECT_EQ(service_->CancelShow(2)->state, ShowState::kCancelled) << "again";
  EXPECT_EQ(service_->GetShow(2).error().reason, "show_not_found");
  EXPECT_THAT(service_->GetConcert(1)->shows, SizeIs(1));
  EXPECT_THAT(service_->ListConcerts(10, 0).concerts[0].shows, SizeIs(1));
  EXPECT_EQ(service_->GetShow(2, true)->state, ShowState::kCancelled);
  EXPECT_THAT(service_->GetConcert(1, true)->shows, SizeIs(2));
  Command hold = HoldOf(1, {1});
  std::get<HoldSeats>(hold.body).show_id = 2;
  EXPECT_EQ(Run(hold).refusal, Refusal::kShowCancelled);
  EXPECT_EQ(service_->CancelShow(1)->state, ShowState::kCancelled);
  EXPECT_EQ(service_->GetShow(1)->state, ShowState::kCancelled) << "whom it was announced to is told";
  EXPECT_THAT(service_->ListConcerts(10, 0).concerts[0].shows, SizeIs(1));
}

TEST_F(SeatServiceTest, AConcertWithoutAPublicShowIsFoundByOperatorsAlone) {
  memory_.catalogue.concerts = {
      {1, "Secret", "", ""}, {2, "Known", "", ""}, {3, "Secret, too", "", ""}, {4, "No show yet", "", ""}};
  memory_.catalogue.shows[0].show.terms.phase = ShowPhase::kDraft;
  StoredShow cancelled = memory_.catalogue.shows[0];
  cancelled.show.id = 2;
  cancelled.show.concert_id = 3;
  cancelled.show.terms.phase = ShowPhase::kCancelled;
  cancelled.show.terms.never_published = true;
  memory_.catalogue.shows.push_back(cancelled);
  StoredShow known = cancelled;
  known.show.id = 3;
  known.show.concert_id = 2;
  known.show.terms.never_published = false;
  memory_.catalogue.shows.push_back(known);
  StartService();
  const ConcertPage page = service_->ListConcerts(1, 0);
  ASSERT_THAT(page.concerts, SizeIs(1));
  EXPECT_EQ(page.concerts[0].concert.title, "Known");
  EXPECT_FALSE(page.more) << "what is behind it is not told either";
  EXPECT_THAT(service_->ListConcerts(10, 0, true).concerts, SizeIs(4));
  EXPECT_EQ(service_->GetConcert(4).error().reason, "concert_not_found");
  EXPECT_EQ(service_->GetConcert(3).error().reason, "concert_not_found");
  EXPECT_EQ(service_->GetConcert(3, true)->concert.title, "Secret, too");
  // What operators do goes on.
  NewShow request;
  request.concert_id = 3;
  request.starts_at = clock_.Now() + 1h;
  request.currency = "KRW";
  const auto layout = []() -> Result<Layout> { return *MakeHall({2, 2}); };
  EXPECT_TRUE(service_->CreateShow("s", "content", request, layout).has_value());
  EXPECT_THAT(service_->GetConcert(3)->shows, SizeIs(1));
}

TEST_F(SeatServiceTest, OperatorsBlockAnAreaAndBuyersGetTheRest) {
  std::promise<Result<Outcome>> done;
  service_->Block({1, {}, false, "camera", "op"}, Area{"Floor", ""},
                  [&](Result<Outcome> outcome) { done.set_value(std::move(outcome)); });
  EXPECT_THAT(done.get_future().get()->seats, ElementsAre(1, 2, 3, 4));
  const auto map = service_->GetSeatMap(1, std::nullopt);
  EXPECT_EQ(map->seats->counts, (SeatCounts{4, 0, 0, 4}));
  EXPECT_EQ(map->seats->states, std::string("\xff\x00", 2));
  EXPECT_THAT(Run(BestOf(1, 2)).seats, ElementsAre(5, 6));
  ASSERT_THAT(service_->ListBlocks(1, 0, 10)->notes, SizeIs(1));
  EXPECT_EQ(service_->ListBlocks(1, 0, 10)->notes[0].reason, "camera");
  for (const auto& [area, refusal] : {std::pair{Area{"Cellar", ""}, Refusal::kSectionUnknown},
                                      std::pair{Area{"Floor", "9"}, Refusal::kRowUnknown}}) {
    service_->Block({1, {}, false, "x", "op"}, area, [&, refusal = refusal](const Result<Outcome>& outcome) {
      EXPECT_EQ(outcome->refusal, refusal);
    });
  }
}

TEST_F(SeatServiceTest, AContingentOfMoreSeatsThanABlockIsGivenBackByItsChannelInSeveralTransactions) {
  memory_.catalogue.shows[0].show.layout = MakeHall({5'004});
  StartService();
  const auto assign = [&](std::vector<SeatNo> seats, const std::string& channel, const std::string& from) {
    std::promise<Result<Outcome>> done;
    service_->Assign({1, std::move(seats), channel, {}, "why", "op", from}, std::nullopt,
                     [&](Result<Outcome> outcome) { done.set_value(std::move(outcome)); });
    return done.get_future().get();
  };
  std::vector<SeatNo> many(5'000);
  std::iota(many.begin(), many.end(), SeatNo{1});
  const auto keep = [&] {
    EXPECT_EQ(assign(many, "fanclub", "")->kind, Kind::kDone);
    EXPECT_EQ(assign({5'001, 5'002}, "fanclub", "")->kind, Kind::kDone);
  };
  keep();
  EXPECT_EQ(assign({5'003}, "press", "")->kind, Kind::kDone);
  const auto all = assign({}, "", "fanclub");
  ASSERT_TRUE(all.has_value()) << all.error().reason;
  EXPECT_EQ(all->kind, Kind::kDone);
  ASSERT_THAT(all->seats, SizeIs(5'002));
  EXPECT_TRUE(std::ranges::is_sorted(all->seats));
  EXPECT_THAT(all->prices, SizeIs(5'002));
  EXPECT_EQ(all->amount, 5'002 * 1000);
  EXPECT_NE(all->show, nullptr);
  ASSERT_THAT(*service_->Contingents(1), SizeIs(1));
  EXPECT_EQ(service_->Contingents(1)->front().channel, "press");
  EXPECT_EQ(assign({}, "", "fanclub")->kind, Kind::kDone) << "again";
  const auto size = [](const BlockNote& note) { return note.seats.size(); };
  EXPECT_EQ(std::ranges::max(memory_.blocks | std::views::transform(size)), kMaxSeatsPerBlock);

  keep();
  memory_.before_save = [this] {
    memory_.before_save = [this] {
      memory_.fail_save = Error{Code::kUnavailable, "database_unavailable", "gone"};
    };
  };
  EXPECT_EQ(assign({}, "", "fanclub").error().reason, "database_unavailable");
  EXPECT_THAT(service_->Contingents(1)->front().seats, ElementsAre(5'001, 5'002));
  EXPECT_THAT(assign({}, "", "fanclub")->seats, ElementsAre(5'001, 5'002)) << "what is left";
  many.push_back(5'001);
  EXPECT_EQ(assign(many, "", "")->refusal, Refusal::kTooManySeats) << "of seats that are named, as ever";
}

TEST_F(SeatServiceTest, ARowThatAnotherReplicaMovedIsDecidedAgainAndItsNeighboursAreNotHeldUp) {
  Run(HoldOf(9, {8}));
  memory_.before_save = [this] {
    SeatRow& row = memory_.seats[{1, 1}];
    row.key = {1, 1};
    row.state = SeatState::kSold;
    row.user_id = "someone";
    row.reservation = ReservationId(NumberedUuid(2, 77));
    ++row.version;
  };
  auto first = Send(HoldOf(1, {1}));
  auto second = Send(HoldOf(2, {2}));
  const auto refused = first.get();
  EXPECT_EQ(refused->refusal, Refusal::kSeatsTaken);
  EXPECT_THAT(refused->conflicts, ElementsAre(Conflict{1, ConflictReason::kSold}));
  EXPECT_EQ(second.get()->kind, Kind::kDone);
  EXPECT_EQ((memory_.seats[{1, 1}].user_id), "someone");
}

TEST_F(SeatServiceTest, AnUndoThatAnotherReplicaSavedMeanwhileAbortsTheHold) {
  memory_.before_save = [this] {
    SagaRow& row = memory_.sagas[SagaId(NumberedUuid(0x5a, 1))];
    row.undone = true;
    ++row.version;
  };
  EXPECT_EQ(Run(HoldOf(1, {1})).kind, Kind::kAborted);
  EXPECT_EQ((memory_.seats[{1, 1}].state), SeatState::kFree);
}

TEST_F(SeatServiceTest, AnUnknownCommitIsRunAgain) {
  memory_.fail_save = Error{Code::kUnknown, "database_unavailable", "lost"};
  EXPECT_EQ(Run(HoldOf(1, {1})).kind, Kind::kDone);
}

TEST_F(SeatServiceTest, ADatabaseThatIsGoneIsAnErrorAndShowsInHealth) {
  memory_.fail_save = Error{Code::kUnavailable, "database_unavailable", "gone"};
  const auto outcome = Send(HoldOf(1, {1})).get();
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().reason, "database_unavailable");
  EXPECT_FALSE(service_->works());
  EXPECT_EQ(Run(HoldOf(1, {1})).kind, Kind::kDone);
  EXPECT_TRUE(service_->works());
}

// So what changes in between shows in the counts that the auditor reads behind its last page.
TEST_F(SeatServiceTest, TheAuditCountsAShowsSeatsBeforeItListsThem) {
  memory_.on_count = [this] { Run(HoldOf(1, {1})); };
  const auto page = service_->Audit(1, 0, 10);
  ASSERT_TRUE(page.has_value());
  EXPECT_THAT(page->shows, SizeIs(1));
  EXPECT_THAT(page->rows, SizeIs(1)) << "what was taken since it was counted";
}

TEST_F(SeatServiceTest, TheSweepTidiesRowsAndTellsOfIt) {
  Run(HoldOf(1, {1, 2}));
  clock_.Advance(5min);
  EXPECT_EQ(service_->GetShow(1)->counts, (SeatCounts{8, 0, 0}));
  EXPECT_EQ((memory_.seats[{1, 1}].state), SeatState::kHeld);
  service_->Sweep();
  service_->Stop();
  EXPECT_EQ((memory_.seats[{1, 1}].state), SeatState::kFree);
  ASSERT_THAT(memory_.events, SizeIs(2));
  EXPECT_EQ(memory_.events[1].kind, Event::Kind::kReleased);
  EXPECT_EQ(memory_.events[1].reservation, ReservationId(NumberedUuid(2, 1)));
}

TEST_F(SeatServiceTest, AShowTellsItsStateAndTheNextRelease) {
  Run(HoldOf(1, {1}));
  const auto held = service_->GetShow(1);
  EXPECT_EQ(held->state, ShowState::kOnSale);
  EXPECT_EQ(held->next_release_at, clock_.Now() + 5min);
  Run(ConfirmOf(1, {1}));
  EXPECT_EQ(service_->GetShow(1)->marks.first_sold_at, clock_.Now());
  EXPECT_EQ(service_->GetShow(2).error().reason, "show_not_found");
  EXPECT_EQ(service_->GetConcert(2).error().reason, "concert_not_found");
}

TEST_F(SeatServiceTest, ConcertsComeInPagesWithTheirShows) {
  ASSERT_TRUE(service_->CreateConcert("c2", {0, "Second", "", ""}).has_value());
  const auto first = service_->ListConcerts(1, 0, /*drafts=*/true);
  ASSERT_THAT(first.concerts, SizeIs(1));
  EXPECT_THAT(first.concerts[0].shows, SizeIs(1));
  EXPECT_TRUE(first.more);
  const auto second = service_->ListConcerts(5, 1, /*drafts=*/true);
  ASSERT_THAT(second.concerts, SizeIs(1));
  EXPECT_THAT(second.concerts[0].shows, IsEmpty());
  EXPECT_FALSE(second.more);
}

TEST_F(SeatServiceTest, AConcertsNameIsChangedAndWhatChangesNothingIsNotSaved) {
  const auto changed = service_->UpdateConcert(1, {.title = "Other"});
  ASSERT_TRUE(changed.has_value());
  EXPECT_EQ(changed->concert, (Concert{1, "Other", "Artist", "Venue"}));
  EXPECT_THAT(changed->shows, SizeIs(1));
  EXPECT_EQ(service_->GetConcert(1)->concert.title, "Other");
  EXPECT_EQ(service_->UpdateConcert(1, {.title = "Other"})->concert.title, "Other") << "again";
  EXPECT_THAT(memory_.updated_concerts, ElementsAre(changed->concert));
  EXPECT_EQ(service_->UpdateConcert(1, {.title = ""}).error().reason, "concert_invalid");
  EXPECT_EQ(service_->UpdateConcert(2, {.title = "Other"}).error().reason, "concert_not_found");
}

TEST_F(SeatServiceTest, AConcertIsChangedFromWhatAnotherReplicaHasMadeOfIt) {
  memory_.news.concerts = {{1, "Title", "Artist", "Hall"}};
  EXPECT_EQ(service_->UpdateConcert(1, {.title = "Other"})->concert, (Concert{1, "Other", "Artist", "Hall"}));
}

TEST_F(SeatServiceTest, AConcertThatAnotherReplicaChangedMeanwhileIsReadAnew) {
  memory_.before_save = [this] {
    memory_.concerts[1] = {1, "Title", "Artist", "Hall"};
    memory_.news.concerts = {memory_.concerts[1]};
  };
  EXPECT_EQ(service_->UpdateConcert(1, {.title = "Other"})->concert, (Concert{1, "Other", "Artist", "Hall"}));
  EXPECT_EQ(memory_.concerts[1], (Concert{1, "Other", "Artist", "Hall"}));
}

TEST_F(SeatServiceTest, AnOperatorsRequestIsRepeatableByItsKey) {
  const auto made = service_->CreateConcert("k", {0, "Second", "", ""});
  ASSERT_TRUE(made.has_value());
  EXPECT_EQ(service_->CreateConcert("k", {0, "Second", "", ""})->concert.id, made->concert.id);
  const auto other = service_->CreateConcert("k", {0, "Third", "", ""});
  EXPECT_EQ(other.error().reason, "operation_key_reused");
  EXPECT_EQ(other.error().code, Code::kConflict);
  EXPECT_EQ(service_->CreateConcert("", {0, "Third", "", ""}).error().reason, "operation_key_missing");
}

TEST_F(SeatServiceTest, AShowIsMadeOnceAndTakesCommandsAtOnce) {
  NewShow request;
  request.concert_id = 1;
  request.starts_at = clock_.Now() + 1h;
  request.currency = "KRW";
  const auto layout = []() -> Result<Layout> { return *MakeHall({2, 2}); };
  const auto made = service_->CreateShow("s", "content", request, layout);
  ASSERT_TRUE(made.has_value());
  clock_.Advance(1s);
  EXPECT_EQ(service_->CreateShow("s", "content", request, layout)->show->id, made->show->id);
  EXPECT_EQ(service_->CreateShow("s", "other", request, layout).error().reason, "operation_key_reused");
  Command hold = HoldOf(1, {1});
  std::get<HoldSeats>(hold.body).show_id = made->show->id;
  EXPECT_EQ(Run(hold).kind, Kind::kDone);
  request.concert_id = 9;
  EXPECT_EQ(service_->CreateShow("t", "content", request, layout).error().reason, "concert_not_found");
}

TEST_F(SeatServiceTest, ShowsOfOneHallShareItsLayout) {
  NewShow request;
  request.concert_id = 1;
  request.starts_at = clock_.Now() + 1h;
  request.currency = "KRW";
  const auto make = [&](const std::string& name, std::initializer_list<uint32_t> rows) {
    const auto layout = [&]() -> Result<Layout> { return *MakeHall(rows); };
    return service_->CreateShow(name, name, request, layout)->show;
  };
  const auto one = make("one", {2, 2});
  const auto other = make("other", {2, 2});
  EXPECT_EQ(one->layout, other->layout);
  EXPECT_NE(make("elsewhere", {2, 3})->layout, one->layout);
  const PriceChange change{{{"A", 1500}}, 0, {}, "why", "op"};
  const auto dear = service_->ChangePrices(one->id, change, {})->show;
  EXPECT_NE(dear->layout, other->layout);
  memory_.layout_version = other->layout->version;
  EXPECT_EQ(service_->ChangePrices(other->id, change, {})->show->layout, dear->layout);
  const std::weak_ptr<const Layout> nobodys = ShareLayout(*MakeHall({7}));
  EXPECT_TRUE(nobodys.expired());
}

TEST_F(SeatServiceTest, ChangedTermsHoldForTheNextCommand) {
  TermsChange change;
  change.seat_limit = 1;
  EXPECT_EQ(service_->UpdateShow(1, change)->show->terms.seat_limit, 1);
  EXPECT_EQ(Run(HoldOf(1, {1, 2})).refusal, Refusal::kSeatLimit);
  EXPECT_EQ(service_->UpdateShow(9, change).error().reason, "show_not_found");
}

TEST_F(SeatServiceTest, TermsThatAnotherReplicaChangedMeanwhileAreReadAnewAndKept) {
  StoredShow elsewhere = memory_.catalogue.shows[0];
  elsewhere.show.terms.phase = ShowPhase::kCancelled;
  memory_.before_save = [&] {
    memory_.terms[1] = elsewhere.show.terms;
    memory_.news.shows = {elsewhere};
  };
  TermsChange change;
  change.seat_limit = 1;
  const auto changed = service_->UpdateShow(1, change);
  ASSERT_TRUE(changed.has_value()) << changed.error().reason;
  EXPECT_EQ(memory_.terms[1].phase, ShowPhase::kCancelled);
  EXPECT_EQ(memory_.terms[1].seat_limit, 1);
  EXPECT_EQ(service_->GetShow(1)->show->terms, memory_.terms[1]);
}

TEST_F(SeatServiceTest, TermsThatKeepMovingAreGivenUpAsContention) {
  memory_.terms[1].seat_limit = 3;  // and never news
  TermsChange change;
  change.seat_limit = 1;
  const auto changed = service_->UpdateShow(1, change);
  ASSERT_FALSE(changed.has_value());
  EXPECT_EQ(changed.error().code, Code::kUnavailable);
  EXPECT_EQ(changed.error().reason, "contention");
  EXPECT_EQ(memory_.terms[1].seat_limit, 3);
  EXPECT_EQ(service_->GetShow(1)->show->terms.seat_limit, kDefaultSeatLimit);
}

TEST_F(SeatServiceTest, WhatAnotherReplicaSavedIsLearned) {
  SeatRow sold;
  sold.key = {1, 3};
  sold.state = SeatState::kSold;
  sold.version = 2;
  SeatRow late = sold;
  late.state = SeatState::kHeld;
  late.hold_expires_at = clock_.Now() + 5min;
  late.version = 1;
  StoredShow made = memory_.catalogue.shows[0];
  made.show.id = 2;
  made.show.concert_id = 5;
  StoredShow changed = memory_.catalogue.shows[0];
  changed.show.terms.seat_limit = 1;
  changed.show.layout = nullptr;
  changed.marks.first_sold_at = clock_.Now();
  memory_.news.concerts = {{5, "Fifth", "", ""}};
  memory_.news.shows = {changed, made};
  memory_.news.seats = {sold, late};
  ASSERT_TRUE(service_->Follow().has_value());
  EXPECT_EQ(service_->GetSeatMap(1, std::nullopt)->seats->counts, (SeatCounts{7, 0, 1}));
  EXPECT_EQ(service_->GetShow(1)->marks, changed.marks);
  EXPECT_EQ(Run(HoldOf(1, {1, 2})).refusal, Refusal::kSeatLimit);
  EXPECT_EQ(service_->GetShow(2)->show->layout->capacity(), 8);
  EXPECT_EQ(service_->GetConcert(5)->concert.title, "Fifth");
}

TEST_F(SeatServiceTest, AShowThatIsNotKnownIsLookedForBeforeItIsRefused) {
  StoredShow made = memory_.catalogue.shows[0];
  made.show.id = 2;
  memory_.news.shows = {made};
  Command hold = HoldOf(1, {1});
  std::get<HoldSeats>(hold.body).show_id = 2;
  EXPECT_EQ(Run(hold).kind, Kind::kDone);
  std::get<HoldSeats>(hold.body).show_id = 3;
  std::get<HoldSeats>(hold.body).saga = SagaId(NumberedUuid(0x5a, 9));
  EXPECT_EQ(Run(hold).refusal, Refusal::kShowNotFound);
  made.show.id = 4;
  memory_.news.shows = {made};
  EXPECT_EQ(service_->GetShow(4)->show->id, 4);
  // What can't be looked for is not said to be missing.
  memory_.fail_news = Error{Code::kUnavailable, "database_unavailable", "gone"};
  EXPECT_EQ(service_->GetShow(5).error().reason, "database_unavailable");
  EXPECT_EQ(service_->GetConcert(5).error().reason, "database_unavailable");
  std::get<HoldSeats>(hold.body).show_id = 5;
  EXPECT_EQ(Send(hold).get().error().reason, "database_unavailable");
  EXPECT_EQ(service_->GetShow(4)->show->id, 4);
}

TEST_F(SeatServiceTest, NewsThatWasMissedIsMadeUpForFromTheRows) {
  Run(HoldOf(1, {1}));
  SeatRow& freed = memory_.seats[{1, 1}];
  freed = {};
  freed.key = {1, 1};
  freed.version = 2;
  SeatRow& sold = memory_.seats[{1, 2}];
  sold.key = {1, 2};
  sold.state = SeatState::kSold;
  sold.version = 4;
  memory_.news.lost = true;
  ASSERT_TRUE(service_->Follow().has_value());
  EXPECT_EQ(service_->GetShow(1)->counts, (SeatCounts{7, 0, 1}));
}

// A failover has lost the last commits, and others have been made since.
TEST_F(SeatServiceTest, RowsThatWentBackAreShownAsTheyAreNow) {
  Run(HoldOf(1, {1, 2}));
  Run(ConfirmOf(1, {1, 2}));
  Run(HoldOf(2, {3}));
  EXPECT_EQ(service_->GetShow(1)->counts, (SeatCounts{5, 1, 2}));
  SeatRow& freed = memory_.seats[{1, 1}];
  freed = {};
  freed.key = {1, 1};
  freed.version = 1;
  SeatRow& held = memory_.seats[{1, 2}];
  held.state = SeatState::kHeld;
  held.hold_expires_at = clock_.Now() + 5min;
  ASSERT_EQ(held.version, 2) << "as it was sold under";
  memory_.seats.erase(SeatKey{1, 3});
  memory_.marks = {};
  memory_.news.lost = true;
  ASSERT_TRUE(service_->Follow().has_value());
  EXPECT_EQ(service_->GetShow(1)->counts, (SeatCounts{7, 1, 0}));
  EXPECT_EQ(service_->GetSeatMap(1, std::nullopt)->seats->states, std::string("\x04\x00", 2));
  EXPECT_EQ(service_->GetShow(1)->marks, ShowMarks());
  EXPECT_EQ(Run(HoldOf(3, {1, 3})).kind, Kind::kDone);
  EXPECT_EQ(Run(ConfirmOf(3, {1, 3})).kind, Kind::kDone) << "which sets the mark again";
  EXPECT_EQ(memory_.marks.first_sold_at, clock_.Now());
}

TEST_F(SeatServiceTest, BestAvailableSkipsWhatAnotherReplicaHasTakenUnseen) {
  for (SeatNo seat_no = 1; seat_no <= 6; ++seat_no) {
    SeatRow& row = memory_.seats[{1, seat_no}];
    row.key = {1, seat_no};
    row.state = SeatState::kSold;
    row.version = 1;
  }
  EXPECT_THAT(Run(BestOf(1, 2)).seats, ElementsAre(7, 8));
}

TEST_F(SeatServiceTest, TheLastSeatsSoldByTwoReplicasAreToldOfOnceAsSoldOut) {
  Run(HoldOf(1, {1, 2, 3, 4}));
  Run(HoldOf(2, {5, 6, 7}));
  Run(ConfirmOf(1, {1, 2, 3, 4}));
  Run(ConfirmOf(2, {5, 6, 7}));
  SeatRow elsewhere;
  elsewhere.key = {1, 8};
  elsewhere.state = SeatState::kSold;
  elsewhere.version = 2;
  memory_.news.seats = {elsewhere};
  memory_.seats[{1, 8}] = elsewhere;
  ASSERT_TRUE(service_->Follow().has_value());
  EXPECT_FALSE(service_->GetShow(1)->marks.sold_out_at.has_value());
  service_->Sweep();
  service_->Sweep();
  service_->Stop();
  EXPECT_EQ(memory_.marks.sold_out_at, clock_.Now());
  EXPECT_EQ(std::ranges::count(memory_.events, Event::Kind::kSoldOut, &Event::kind), 1);
}

TEST_F(SeatServiceTest, AMarkThatAnotherReplicaSetMeanwhileIsNotSetAgain) {
  Run(HoldOf(1, {1}));
  memory_.before_save = [this] {
    memory_.marks.first_sold_at = clock_.Now() - 1s;
    StoredShow changed = memory_.catalogue.shows[0];
    changed.marks = memory_.marks;
    memory_.news.shows = {changed};
  };
  EXPECT_EQ(Run(ConfirmOf(1, {1})).kind, Kind::kDone);
  EXPECT_EQ(memory_.marks.first_sold_at, clock_.Now() - 1s);
}

}  // namespace
}  // namespace boxoffice::seat
