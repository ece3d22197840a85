// How the store is looked at for what is not known in memory, or was made by another replica first, and read
// anew, by a clock that stands still.
#include <algorithm>
#include <future>
#include <memory>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "services/seat/testing_service.h"

namespace boxoffice::seat {
namespace {

using namespace std::chrono_literals;

TEST_F(SeatServiceTest, UnknownIdsAskTheStoreAFewTimesASecondAndNeverWaitForIt) {
  const auto looks_of = [this](const auto& ask) {
    const int before = memory_.news_loads;
    ask();
    return memory_.news_loads - before;
  };
  const auto guess = [this] {
    for (int i = 0; i < 1'000; ++i) {
      EXPECT_EQ(service_->GetShow(99).error().reason, "show_not_found");
      EXPECT_EQ(service_->GetConcert(99).error().reason, "concert_not_found");
    }
  };
  clock_.Advance(1h);
  EXPECT_EQ(looks_of(guess), 20) << "however long nobody has asked";
  clock_.Advance(100ms);
  EXPECT_EQ(looks_of(guess), 2);
  // Who has heard of it, or acts on it, finds what another replica has made for all that.
  StoredShow made = memory_.catalogue.shows[0];
  made.show.id = 2;
  memory_.news.shows = {made};
  EXPECT_EQ(service_->GetShow(2, /*drafts=*/true)->show->id, 2);
  made.show.id = 3;
  memory_.news.shows = {made};
  EXPECT_TRUE(service_->GetSeatMap(3, std::nullopt).has_value());
  made.show.id = 4;
  memory_.news.shows = {made};
  EXPECT_TRUE(service_->ListBlocks(4, 0, 10).has_value());
  clock_.Advance(1s);
  made.show.id = 5;
  memory_.news.shows = {made};
  EXPECT_TRUE(service_->GetShow(5).has_value()) << "and anybody does, unless it was asked for too often";
}

// Of a store that does not answer a look.
class LastingLookTest : public SeatServiceTest {
 protected:
  LastingLookTest() {
    memory_.on_news = [this, first = true]() mutable {
      if (!std::exchange(first, false)) return;
      asked_.set_value();
      answered_.get_future().wait();
    };
    look_ = std::async(std::launch::async, [this] { return service_->Follow(); });
    asked_.get_future().wait();
  }
  // Until now.
  void Answer() {
    answered_.set_value();
    ASSERT_TRUE(look_.get().has_value());
  }

 private:
  std::promise<void> asked_;
  std::promise<void> answered_;
  std::future<Result<void>> look_;
};

TEST_F(LastingLookTest, NoQueryWaitsForAStoreThatDoesNotAnswer) {
  EXPECT_EQ(service_->GetShow(99).error().reason, "database_unavailable");
  EXPECT_EQ(service_->GetConcert(99).error().code, Code::kUnavailable);
  EXPECT_EQ(service_->GetShow(99, /*drafts=*/true).error().reason, "database_unavailable");
  EXPECT_TRUE(service_->GetShow(1).has_value());
  Answer();
  EXPECT_EQ(service_->GetShow(99).error().reason, "show_not_found");
}

TEST_F(SeatServiceTest, WhatIsToBeFreshIsLookedForWhereTheLastLookIsOlderThanASecond) {
  ASSERT_TRUE(service_->Follow().has_value());
  const int looks = memory_.news_loads;
  clock_.Advance(1s);
  EXPECT_TRUE(service_->GetShow(1, /*drafts=*/false, /*fresh=*/true).has_value());
  EXPECT_EQ(memory_.news_loads, looks) << "four looks a second are made anyway";
  StoredShow changed = memory_.catalogue.shows[0];
  changed.show.terms.seat_limit = 1;
  memory_.news.shows = {changed};
  clock_.Advance(1ms);
  EXPECT_EQ(service_->GetShow(1)->show->terms.seat_limit, kDefaultSeatLimit);
  EXPECT_EQ(service_->GetShow(1, /*drafts=*/false, /*fresh=*/true)->show->terms.seat_limit, 1U);
}

TEST_F(LastingLookTest, NothingIsToldToBeFreshByWhoCannotLookForIt) {
  EXPECT_EQ(service_->GetShow(1, /*drafts=*/false, /*fresh=*/true).error().reason, "database_unavailable");
  EXPECT_TRUE(service_->GetShow(1).has_value());
  Answer();
  EXPECT_TRUE(service_->GetShow(1, /*drafts=*/false, /*fresh=*/true).has_value());
}

TEST_F(LastingLookTest, NoCommandThatIsDecidedAgainWaitsForIt) {
  memory_.before_save = [this] {
    SeatRow& sold = memory_.seats[{1, 1}];
    sold.key = {1, 1};
    sold.state = SeatState::kSold;
    sold.version = 1;
  };
  auto held = Send(HoldOf(1, {1}));
  EXPECT_EQ(held.wait_for(20s), std::future_status::ready);
  Answer();
  EXPECT_EQ(held.get()->refusal, Refusal::kSeatsTaken);
}

TEST_F(LastingLookTest, NothingIsHeldOrSoldOfAShowThatWasCancelledMeanwhile) {
  Run(HoldOf(1, {1}));
  memory_.show_rows = {{1, ShowPhase::kCancelled, {}}};
  EXPECT_EQ(Run(HoldOf(2, {2})).refusal, Refusal::kShowCancelled);
  EXPECT_EQ(Run(ConfirmOf(1, {1})).refusal, Refusal::kShowCancelled);
  Answer();
}

// Of a hall whose last seat this replica sells while it has not heard that another one has freed the first
// four.
class FreedElsewhereTest : public SeatServiceTest {
 protected:
  FreedElsewhereTest() {
    Run(HoldOf(1, {1, 2, 3, 4}));
    Run(HoldOf(2, {5, 6, 7}));
    Run(HoldOf(3, {8}));
    Run(ConfirmOf(1, {1, 2, 3, 4}));
    Run(ConfirmOf(2, {5, 6, 7}));
    EXPECT_TRUE(other_.Start().has_value());
    RunAt(other_, ReleaseOf(1));
  }
  void Tell() {
    for (SeatNo seat_no = 1; seat_no <= 4; ++seat_no)
      memory_.news.seats.push_back(memory_.seats[{1, seat_no}]);
  }
  int64_t CountSellOuts() { return std::ranges::count(memory_.events, Event::Kind::kSoldOut, &Event::kind); }

  SeatService other_{StoresOf(memory_), clock_, metrics_, {}, {}};
};

TEST_F(FreedElsewhereTest, ItIsNotToldToBeSoldOutAndIsOnceItIs) {
  Tell();
  EXPECT_EQ(Run(ConfirmOf(3, {8})).kind, Outcome::Kind::kDone);
  EXPECT_EQ(service_->GetShow(1)->counts.sold, 4U) << "it has looked";
  EXPECT_FALSE(service_->GetShow(1)->marks.sold_out_at.has_value());
  EXPECT_EQ(CountSellOuts(), 0);
  Run(HoldOf(4, {1, 2, 3, 4}));
  Run(ConfirmOf(4, {1, 2, 3, 4}));
  EXPECT_EQ(memory_.marks.sold_out_at, clock_.Now());
  EXPECT_EQ(CountSellOuts(), 1);
}

TEST_F(FreedElsewhereTest, WhileTheStoreTellsNothingTheLastSeatIsSoldAllTheSame) {
  memory_.fail_news = Error{Code::kUnavailable, "database_unavailable", "gone"};
  EXPECT_EQ(Run(ConfirmOf(3, {8})).kind, Outcome::Kind::kDone);
  service_->Sweep();
  service_->Stop();
  EXPECT_EQ(service_->GetShow(1)->counts.sold, 8U) << "it has not heard";
  EXPECT_FALSE(memory_.marks.sold_out_at.has_value());
  EXPECT_EQ(CountSellOuts(), 0);
}

// What is known of its prices and terms may be from before they were changed and it was published.
TEST_F(SeatServiceTest, ADraftThatAnotherReplicaHasPublishedIsNotSoldBeforeThatIsHeardOf) {
  StoredShow& stored = memory_.catalogue.shows[0];
  stored.show.terms.phase = ShowPhase::kDraft;
  StartService();
  memory_.show_rows = {{1, ShowPhase::kPublished, {}}};
  EXPECT_EQ(Run(HoldOf(1, {1})).refusal, Refusal::kShowNotOnSale);
  auto dear = std::make_shared<Layout>(*stored.show.layout);
  dear->categories[0].price = 100'000;
  stored.show.layout = dear;
  stored.show.terms.phase = ShowPhase::kPublished;
  memory_.news.shows = {stored};
  ASSERT_TRUE(service_->Follow().has_value());
  EXPECT_EQ(Run(HoldOf(2, {1})).amount, 100'000);
}

TEST_F(LastingLookTest, WhatAnotherReplicaSoldFirstMeanwhileKeepsNobodyFromConfirming) {
  Run(HoldOf(1, {1}));
  memory_.marks.first_sold_at = clock_.Now();
  memory_.show_rows = {{1, ShowPhase::kPublished, memory_.marks}};
  EXPECT_EQ(Run(ConfirmOf(1, {1})).kind, Outcome::Kind::kDone);
  Answer();
}

TEST_F(SeatServiceTest, AllOfAChannelIsGivenBackAlsoWhatAnotherReplicaHasJustKeptForIt) {
  SeatRow kept;
  kept.key = {1, 2};
  kept.channel = "vip";
  kept.version = 1;
  memory_.seats[kept.key] = kept;
  memory_.news.seats = {kept};
  AssignChannel all;
  all.show_id = 1;
  all.from_channel = "vip";
  std::promise<Result<Outcome>> given;
  service_->Assign(all, {}, [&given](Result<Outcome> outcome) { given.set_value(std::move(outcome)); });
  const Result<Outcome> outcome = given.get_future().get();
  ASSERT_TRUE(outcome.has_value()) << outcome.error().detail;
  EXPECT_EQ(outcome->changed, 1U);
  EXPECT_EQ(Run(HoldOf(1, {2})).kind, Outcome::Kind::kDone);
}

TEST_F(SeatServiceTest, AfterALookThatFailedQueriesAskTheStoreNoMoreUntilItIsFollowedAgain) {
  memory_.fail_news = Error{Code::kUnavailable, "database_unavailable", "gone"};
  EXPECT_EQ(service_->GetShow(99).error().reason, "database_unavailable");
  const int looks = memory_.news_loads;
  EXPECT_EQ(service_->GetShow(99).error().reason, "database_unavailable");
  EXPECT_EQ(service_->GetShow(99, /*drafts=*/true).error().reason, "database_unavailable");
  EXPECT_EQ(memory_.news_loads, looks);
  memory_.fail_news.reset();
  ASSERT_TRUE(service_->Follow().has_value());
  EXPECT_EQ(service_->GetShow(99).error().reason, "show_not_found");
}

// More than are read at once.
TEST_F(SeatServiceTest, AStartReadsEverySeatOfALargeShow) {
  memory_.catalogue.shows[0].show.layout = MakeHall({10'000, 10'000, 5'000});
  for (const SeatNo seat_no : {1U, 10'000U, 10'001U, 20'000U, 20'001U, 25'000U}) {
    memory_.seats[{1, seat_no}] = {.key = {1, seat_no}, .state = SeatState::kSold, .version = 1};
  }
  StartService();
  EXPECT_EQ(service_->GetShow(1)->counts.sold, 6U);
}

TEST_F(SeatServiceTest, NeitherQueriesNorCommandsReadAllAnewThemselves) {
  const int loads = memory_.show_loads;
  memory_.news.lost = true;
  EXPECT_EQ(service_->GetShow(99).error().reason, "database_unavailable");
  Command unknown = HoldOf(1, {1});
  std::get<HoldSeats>(unknown.body).show_id = 99;
  EXPECT_EQ(Send(unknown).get().error().reason, "database_unavailable");
  EXPECT_EQ(Run(HoldOf(2, {1})).kind, Outcome::Kind::kDone);
  EXPECT_EQ(memory_.show_loads, loads);
  memory_.news.lost = true;
  ASSERT_TRUE(service_->Follow().has_value());
  EXPECT_EQ(memory_.show_loads, loads + 1);
  EXPECT_EQ(service_->GetShow(99).error().reason, "show_not_found");
}

TEST_F(SeatServiceTest, TheSlowerTheStoreTheFewerUnknownIdsAreLookedFor) {
  memory_.on_news = [this] { clock_.Advance(100ms); };
  for (int i = 0; i < 100; ++i) (void)service_->GetShow(99);  // whatever was saved up
  const int before = memory_.news_loads;
  const Timestamp start = clock_.Now();
  for (int i = 0; i < 10'000; ++i) {
    clock_.Advance(1ms);
    (void)service_->GetShow(99);
  }
  const milliseconds looked = 100ms * (memory_.news_loads - before);
  EXPECT_GT(looked, 0ms);
  EXPECT_LT(looked, (clock_.Now() - start) / 4);
}

// Of two replicas that are asked for the same by one operation key: the other is first.
class OvertakenTest : public SeatServiceTest {
 protected:
  OvertakenTest() {
    request_.concert_id = 1;
    request_.starts_at = clock_.Now() + 1h;
    request_.currency = "KRW";
    EXPECT_TRUE(other_.Start().has_value());
  }
  Result<ShowView> CreateShow(SeatService& service, const std::string& content) {
    return service.CreateShow("show", content, request_,
                              []() -> Result<Layout> { return *MakeHall({2, 2}); });
  }
  // Between this one's look for what was made before and its making.
  void OtherMakesShow(const std::string& content) {
    memory_.before_save = [this, content] {
      memory_.news.shows = {{*CreateShow(other_, content)->show, {}}};
    };
  }
  void OtherMakesConcert(const Concert& concert) {
    memory_.before_save = [this, concert] {
      memory_.news.concerts = {other_.CreateConcert("concert", concert)->concert};
    };
  }

  NewShow request_;
  SeatService other_{StoresOf(memory_), clock_, metrics_, {}, {}};
};

TEST_F(OvertakenTest, AConcertThatTheOtherHasJustMadeIsTheAnswer) {
  const Concert concert{0, "Second", "", ""};
  OtherMakesConcert(concert);
  const auto made = service_->CreateConcert("concert", concert);
  ASSERT_TRUE(made.has_value()) << made.error().reason;
  EXPECT_EQ(made->concert.id, memory_.operations["concert"].result_id);
}

TEST_F(OvertakenTest, AShowThatTheOtherHasJustMadeIsTheAnswer) {
  OtherMakesShow("content");
  const auto made = CreateShow(*service_, "content");
  ASSERT_TRUE(made.has_value()) << made.error().reason;
  EXPECT_EQ(made->show->id, memory_.operations["show"].result_id);
}

TEST_F(OvertakenTest, OtherContentThatTheOtherHasJustBeenAskedForHasTheKey) {
  OtherMakesConcert({0, "Third", "", ""});
  EXPECT_EQ(service_->CreateConcert("concert", {0, "Second", "", ""}).error().reason, "operation_key_reused");
  OtherMakesShow("other");
  EXPECT_EQ(CreateShow(*service_, "content").error().reason, "operation_key_reused");
}

TEST_F(OvertakenTest, WhereNoneWasMadeTheRequestMayComeAgain) {
  memory_.fail_save = Error{Code::kConflict, "constraint", "no such concert"};
  EXPECT_EQ(CreateShow(*service_, "content").error().code, Code::kUnavailable);
  memory_.fail_save = Error{Code::kUnknown, "database_unavailable", "gone"};
  EXPECT_EQ(CreateShow(*service_, "content").error().code, Code::kUnknown);
  EXPECT_TRUE(CreateShow(*service_, "content").has_value());
}

// Of a replica that a failover has left with what is stored no more.
class LostShowTest : public SeatServiceTest {
 protected:
  // Show 2, in the same hall, which this replica has heard of from another one.
  StoredShow Hear() {
    StoredShow heard = memory_.catalogue.shows[0];
    heard.show.id = 2;
    memory_.news.shows = {heard};
    memory_.news.concerts = {{2, "Lost", "Artist", "Venue"}};
    EXPECT_TRUE(service_->Follow().has_value());
    EXPECT_EQ(service_->GetShow(2)->counts.free, 8U);
    EXPECT_TRUE(service_->GetConcert(2, /*drafts=*/true).has_value());
    return heard;
  }
  void ReadAnew() {
    memory_.news.lost = true;
    ASSERT_TRUE(service_->Follow().has_value());
  }
  static Command HoldOfTwo(uint64_t n, std::vector<SeatNo> seats) {
    Command command = HoldOf(n, std::move(seats));
    std::get<HoldSeats>(command.body).show_id = 2;
    return command;
  }
};

TEST_F(LostShowTest, AShowWhoseMakingWasLostIsGoneOnceAllIsReadAnew) {
  Hear();
  ReadAnew();
  EXPECT_EQ(service_->GetShow(2).error().reason, "show_not_found");
  EXPECT_EQ(service_->GetConcert(2, /*drafts=*/true).error().reason, "concert_not_found");
  EXPECT_EQ(service_->UpdateShow(2, {}).error().reason, "show_not_found");
  EXPECT_EQ(service_->ChangePrices(2, {}, {}).error().reason, "show_not_found");
  EXPECT_EQ(Run(HoldOfTwo(1, {1})).refusal, Refusal::kShowNotFound);
  EXPECT_EQ(service_->GetConcert(1)->shows.size(), 1U);
}

TEST_F(LostShowTest, ACommandWhoseShowIsFoundLostMeanwhileIsAnsweredAllTheSame) {
  Hear();
  Run(HoldOfTwo(1, {1}));
  Command confirm = ConfirmOf(1, {1});
  std::get<ConfirmSeats>(confirm.body).show_id = 2;
  memory_.before_save = [this] { ReadAnew(); };
  EXPECT_EQ(Run(std::move(confirm)).kind, Outcome::Kind::kDone);
  EXPECT_EQ(service_->GetShow(2).error().reason, "show_not_found");
}

TEST_F(LostShowTest, AnotherShowWithTheIdOfALostOneHasItsOwnSeats) {
  StoredShow made = Hear();
  made.show.layout = MakeHall({6});
  memory_.catalogue.shows.push_back(made);
  ReadAnew();
  EXPECT_EQ(service_->GetShow(2)->show->layout, made.show.layout);
  EXPECT_EQ(service_->GetSeatMap(2, std::nullopt)->seats->counts.free, 6U);
  EXPECT_EQ(Run(HoldOfTwo(1, {7})).refusal, Refusal::kSeatUnknown);
  // Of the same plan, and of another price.
  auto dear = std::make_shared<Layout>(*made.show.layout);
  dear->categories[0].price = 2'000;
  memory_.catalogue.shows.back().show.layout = dear;
  ReadAnew();
  EXPECT_EQ(Run(HoldOfTwo(2, {1})).amount, 2'000);
  // Of the same rows, and with a seat for a wheelchair.
  auto accessible = std::make_shared<Layout>(*dear);
  accessible->accessible = {2};
  memory_.catalogue.shows.back().show.layout = accessible;
  ReadAnew();
  Command best = HoldOfTwo(3, {});
  std::get<HoldSeats>(best.body).best = BestAvailable{.count = 1, .accessible = 1};
  EXPECT_EQ(Run(best).seats, std::vector<SeatNo>{2});
}

TEST_F(LostShowTest, AShowThatIsOfAnotherConcertWhenAllIsReadAnewIsListedWithThatAlone) {
  StoredShow moved = Hear();
  ASSERT_EQ(service_->GetConcert(1)->shows.size(), 2U);
  moved.show.concert_id = 2;
  memory_.catalogue.shows.push_back(moved);
  memory_.catalogue.concerts.push_back({2, "Second", "Artist", "Venue"});
  ReadAnew();
  EXPECT_EQ(service_->GetConcert(1)->shows.size(), 1U);
  const Result<ConcertView> second = service_->GetConcert(2);
  ASSERT_TRUE(second.has_value()) << second.error().reason;
  ASSERT_EQ(second->shows.size(), 1U);
  EXPECT_EQ(second->shows[0].show->id, 2);
}

// Its map goes on: one that began anew would have a version that its followers have seen already.
TEST_F(LostShowTest, AShowThatHasOtherPricesWhenAllIsReadAnewKeepsItsMap) {
  for (uint64_t n = 1; n <= 5; ++n) Run(HoldOf(n, {static_cast<SeatNo>(n)}));
  const auto before = service_->GetSeatMap(1, std::nullopt)->seats->version;
  StoredShow& stored = memory_.catalogue.shows[0];
  auto dear = std::make_shared<Layout>(*stored.show.layout);
  for (auto& category : dear->categories) category.price = 2'000;
  stored.show.layout = dear;
  ReadAnew();
  EXPECT_GT(service_->GetSeatMap(1, std::nullopt)->seats->version, before);
  EXPECT_EQ(Run(HoldOf(6, {6})).amount, 2'000);
}

TEST_F(LostShowTest, AnotherShowWithItsIdThatIsToldOfBeforeItIsReadHasItsOwnSeats) {
  StoredShow made = Hear();
  made.show.layout = MakeHall({6});
  memory_.catalogue.shows.push_back(made);
  memory_.on_news = [this] { memory_.news.place.at = clock_.Now(); };
  memory_.on_show = [&](int64_t id) {
    clock_.Advance(20s);
    if (id == 1) memory_.news.shows = {made};
  };
  ReadAnew();
  EXPECT_EQ(service_->GetShow(2)->show->layout, made.show.layout);
  EXPECT_EQ(service_->GetSeatMap(2, std::nullopt)->seats->counts.free, 6U);
}

// Of a store that tells what was saved within the last minute, and has more shows than can be read in that.
class LongReadingTest : public SeatServiceTest {
 protected:
  static constexpr int kShows = 10;

  LongReadingTest() {
    for (int64_t id = 2; id <= kShows; ++id) {
      StoredShow show = memory_.catalogue.shows[0];
      show.show.id = id;
      memory_.catalogue.shows.push_back(show);
    }
    memory_.on_news = [this] {
      memory_.news.place.at = clock_.Now();
      memory_.news.lost = clock_.Now() - memory_.news_since.at > 1min;
    };
    memory_.on_show = [this](int64_t) { clock_.Advance(20s); };
  }
  // How many shows it reads.
  int Follow() {
    const int before = memory_.show_loads;
    EXPECT_TRUE(service_->Follow().has_value());
    return memory_.show_loads - before;
  }
};

TEST_F(LongReadingTest, ItEndsAndIsNotBegunAgain) {
  EXPECT_EQ(Follow(), kShows);
  EXPECT_TRUE(service_->GetShow(kShows).has_value());
  EXPECT_EQ(Follow(), 0);
}

TEST_F(LongReadingTest, AStartIsOne) {
  StartService();
  EXPECT_EQ(Follow(), 0);
}

TEST_F(LongReadingTest, WhatIsToldMeanwhileIsLearned) {
  memory_.on_show = [this](int64_t id) {
    clock_.Advance(20s);
    if (id != 5) return;
    // Of a show that has been read already, of this one, and of one that is read later.
    SeatRow& sold = memory_.news.seats.emplace_back();
    sold.key = {2, 3};
    sold.state = SeatState::kSold;
    sold.version = 1;
    for (const size_t index : {4U, 8U}) {
      StoredShow& stored = memory_.catalogue.shows[index];
      stored.show.terms.seat_limit = 1;
      memory_.news.shows.push_back(stored);
    }
  };
  EXPECT_EQ(Follow(), kShows);
  EXPECT_EQ(service_->GetShow(2)->counts.sold, 1U);
  EXPECT_EQ(service_->GetShow(5)->show->terms.seat_limit, 1U);
  EXPECT_EQ(service_->GetShow(9)->show->terms.seat_limit, 1U);
}

TEST_F(LongReadingTest, WhereNewsIsLostMeanwhileItFailsAndIsBegunAgain) {
  memory_.on_show = [this](int64_t id) { clock_.Advance(id == 5 ? 2min : 1s); };
  EXPECT_EQ(service_->Follow().error().reason, "database_unavailable");
  memory_.on_show = nullptr;
  EXPECT_EQ(Follow(), kShows);
  EXPECT_EQ(Follow(), 0);
}

}  // namespace
}  // namespace boxoffice::seat
