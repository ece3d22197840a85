// The work on whole shows: a COMMIT that was done, and nobody is told; more places than a look reads at once;
// what others may rely on before its first round.
#include "services/reservation/saga/show_service.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gmock/gmock.h>

#include "services/reservation/saga/testing_saga.h"
#include "services/reservation/store_show_sqlite.h"
#include "services/reservation/store_sqlite.h"
#include "services/reservation/testing_service.h"
#include "testing/temp_dir.h"

namespace boxoffice::reservation {
namespace {

constexpr int64_t kShow = 7;

// The next COMMIT is done, and its answer lost, if it is told so. Used by the batch executor's thread.
class LosingStore final : public ShowStore {
 public:
  explicit LosingStore(std::unique_ptr<ShowStore> store) : store_(std::move(store)) {}
  Result<ShowRows> Load(const ShowKeys& keys, Timestamp now) override { return store_->Load(keys, now); }
  Result<bool> Save(const ShowChanges& changes) override {
    auto saved = store_->Save(changes);
    if (!loses.exchange(false)) return saved;
    return Fail(Code::kUnknown, "commit_unknown", "the connection was lost");
  }
  std::atomic<bool> loses = false;

 private:
  const std::unique_ptr<ShowStore> store_;
};

// Counts the places that are read. Used by the service's thread for reads, looked at by the test's.
class CountingReader final : public ShowReader {
 public:
  explicit CountingReader(std::unique_ptr<ShowReader> reader) : reader_(std::move(reader)) {}
  Result<std::optional<ShowWork>> Work(const WorkKey& key) override { return reader_->Work(key); }
  Result<WaitlistPage> List(const WaitlistQuery& query) override { return Counted(reader_->List(query)); }
  Result<std::vector<SeatChoice>> Wishes(int64_t show_id, uint32_t limit) override {
    return reader_->Wishes(show_id, limit);
  }
  Result<WaitlistPage> ListByWish(const WishQuery& query) override {
    return Counted(reader_->ListByWish(query));
  }
  Result<uint64_t> CountBefore(int64_t show_id, uint64_t place) override {
    return reader_->CountBefore(show_id, place);
  }
  Result<Page> OfShow(int64_t show_id, std::span<const State> states, ReservationId after,
                      uint32_t limit) override {
    if (std::ranges::find(states, State::kCancelled) != states.end()) {  // all are counted
      ++counted_pages;
      if (endless) return Page{.reservations = std::vector<Reservation>(1), .more = true};
      if (came_late) return Page{.reservations = {*came_late}, .more = false};
    }
    if (of_show.empty() || after != ReservationId()) return reader_->OfShow(show_id, states, after, limit);
    return Page{.reservations = of_show, .more = false};
  }
  std::atomic<size_t> places = 0;
  std::atomic<size_t> counted_pages = 0;  // of a cancelled show's reservations
  std::atomic<bool> endless = false;      // such a count comes to no end
  std::vector<Reservation> of_show;       // empty: as the store has it. Set while nobody reads
  std::optional<Reservation> came_late;   // none of those to be ended, and there when all are counted

 private:
  Result<WaitlistPage> Counted(Result<WaitlistPage> page) {
    if (page) places += page->entries.size();
    return page;
  }
  const std::unique_ptr<ShowReader> reader_;
};

// The world, but for those whom the seat service refuses, and what the show keeps of each seat that is
// cancelled.
class RefusingWorld final : public World {
 public:
  std::map<std::string, std::string> refusals;  // by user: the code
  size_t holds = 0;                             // that were asked for
  int64_t fee = 0;
  asio::awaitable<StepResult> HoldSeats(Reservation& r, Timestamp until) override {
    ++holds;
    StepResult result;
    if (const auto found = refusals.find(r.user_id); found != refusals.end()) {
      result.kind = Kind::kRefused;
      result.refusal.emplace().code = found->second;
    } else {
      result = co_await World::HoldSeats(r, until);
    }
    co_return result;
  }
  asio::awaitable<Result<CancelPolicy>> GetCancelPolicy(int64_t show_id) override {
    auto policy = co_await World::GetCancelPolicy(show_id);
    policy->fee_per_seat = fee;
    co_return policy;
  }
};

// Finds nothing, or what it is told. Told while nobody reads.
class OfferReader final : public EmptyReader {
 public:
  std::optional<Reservation> offer;
  Result<std::optional<Reservation>> Get(ReservationId) override { return offer; }
};

// One show with a seat of category A, which is sold, and one of B, which may be free until the world gives it
// to somebody.
class TwoSeats final : public Shows {
 public:
  explicit TwoSeats(const World& world) : world_(world) {}
  ShowView view;
  bool b_is_free = false;
  bool show_is_away = false;
  bool map_is_away = false;
  size_t looks = 0;
  size_t asked = 0;                   // for the show
  std::set<int64_t> cancelled;        // shows
  std::optional<Error> cancel_error;  // what is said instead
  std::optional<int64_t> hangs;  // whoever cancels this show, or sees its seats, hears nothing, for so long
  bool waits = false;            // somebody has
  asio::awaitable<Result<ShowView>> Get(int64_t) override {
    ++asked;
    if (show_is_away) co_return Silence();
    co_return view;
  }
  asio::awaitable<Result<void>> Cancel(int64_t show_id) override {
    if (cancel_error) co_return std::unexpected(*cancel_error);
    cancelled.insert(show_id);
    co_await Hang(show_id);
    co_return Result<void>();
  }
  asio::awaitable<Result<Hall>> SeeSeats(int64_t show_id) override {
    ++looks;
    if (map_is_away) co_return Silence();
    co_await Hang(show_id);
    Hall hall;
    hall.seats = std::make_shared<const std::vector<HallSeat>>(
        std::vector<HallSeat>{{"Floor", "A", 60}, {"Floor", "B", 40}});
    hall.free = {false, b_is_free && !world_.seat_owner};
    co_return hall;
  }
  asio::awaitable<Result<void>> SetWaitlistFirst(int64_t, bool first) override {
    view.waitlist_first = first;
    co_return Result<void>();
  }

 private:
  asio::awaitable<void> Hang(int64_t show_id) {
    while (hangs == show_id) {
      waits = true;
      asio::steady_timer again(co_await asio::this_coro::executor, milliseconds(1));
      co_await again.async_wait(asio::use_awaitable);
    }
  }
  static std::unexpected<Error> Silence() { return Fail(Code::kUnknown, "timeout", "late"); }
  const World& world_;
};

class ShowServiceTest : public ::testing::Test {
 protected:
  explicit ShowServiceTest(ShowServiceConfig config = {}) {
    obs::SetLogLevel(obs::Level::kError);
    ServiceConfig sagas;
    sagas.owner = "me";
    sagas_ = std::make_unique<Service>(std::move(sagas), io_.get_executor(), rows_, bought_, reader_, world_,
                                       clock_, random_, metrics_, [] {});
    config.owner = "me";
    config.scan_every = milliseconds(1);
    config.poll_every = milliseconds(0);
    config.waitlist_page = 2;
    service_ = std::make_unique<ShowService>(std::move(config), io_.get_executor(), store_, reader_, offers_,
                                             *sagas_, shows_, clock_, random_, metrics_);
  }
  Result<WaitlistEntry> Join(std::string user, uint32_t count = 1, std::string category = "") {
    JoinWaitlist command{kShow, std::move(user), {}};
    command.wish.best_count = count;
    command.wish.category = std::move(category);
    return Await(service_->Join(std::move(command)));
  }
  Result<WaitlistEntry> Leave(std::string user) { return Await(service_->Leave({kShow, std::move(user)})); }

  Result<Cancellation> Cancel(int64_t show_id = kShow) {
    shows_.view.starts_at = clock_.Now() + std::chrono::hours(1);
    return Await(service_->Cancel({show_id, "it rains", "root"}));
  }
  // Mina's two seats, of which the show keeps a fee.
  void Buy() {
    world_.fee = 7;
    ReserveRequest request;
    request.request.key = {"mina", "buy"};
    request.show_id = kShow;
    request.choice.seat_nos = {1, 2};
    request.pay = true;
    sagas_->Reserve(std::move(request), [](const Result<Answer>&) {});
    ASSERT_TRUE(RunUntil([this] { return rows_.Only() && rows_.Only()->state == State::kConfirmed; }));
  }
  Result<CancelQuote> Quote() { return Await(sagas_->QuoteCancel(rows_.Only()->id, "mina", {})); }
  // None named: all.
  Result<Answer> GiveBack(std::vector<uint32_t> seat_nos) {
    CancelRequest request;
    request.request.key = {"mina", seat_nos.empty() ? "give back all" : "give back some"};
    request.reservation_id = rows_.Only()->id;
    request.seat_nos = std::move(seat_nos);
    return Await(sagas_->Cancel(std::move(request)));
  }
  Cancellation CancellationNow() {
    return reader_.Work({kShow, WorkKind::kCancellation}).value()->cancellation;
  }
  double FailedRounds() { return metrics_.GetCounter("boxoffice_show_work_failed_total", "").value(); }

  // Runs what is to be done until then; false: it never came so far.
  bool RunUntil(const std::function<bool()>& done) { return RunFor(io_, std::chrono::seconds(20), done); }
  size_t OpenPlaces() {
    WaitlistQuery query;
    query.show_id = kShow;
    query.which = Places::kOpen;
    return reader_.List(query)->entries.size();
  }
  // More of them than a look reads at once.
  void JoinFive(const std::string& category) {
    for (const char* const user : {"ann", "ben", "cho", "dan", "eve"}) {
      ASSERT_TRUE(Join(user, 1, category)) << user;
    }
  }
  EntryState StateOf(uint64_t place) {
    WaitlistQuery query;
    query.show_id = kShow;
    query.after_place = place - 1;
    query.limit = 1;
    return reader_.List(query)->entries.at(0).state;
  }
  // Mina's place, after she was offered the seat; from then on nobody looks. What she is offered is what the
  // reader tells.
  uint64_t OfferMina() {
    const uint64_t place = Join("mina", 1, "B").value().place;
    shows_.b_is_free = true;
    service_->StartWorking();
    EXPECT_TRUE(RunUntil([&] { return StateOf(place) == EntryState::kOffered; }));
    StopWorking();
    offers_.offer = rows_.Only();
    return place;
  }
  bool AwaitLooks(size_t looks) {
    return RunUntil([this, end = shows_.looks + looks] { return shows_.looks >= end; });
  }
  void StopWorking() {
    bool drained = false;
    asio::co_spawn(io_, service_->Drain(std::chrono::seconds(20)),
                   [&drained](const std::exception_ptr&) { drained = true; });
    EXPECT_TRUE(RunUntil([&] { return drained; }));
    io_.restart();
    io_.run();
  }

  const testbed::TempDir dir_;
  const std::filesystem::path file_ = dir_.path() / "reservation.db";
  ManualClock clock_;
  SeededRandom random_{7};
  obs::Registry metrics_;
  asio::io_context io_;
  SharedStore rows_;
  OnlyReader bought_{rows_};
  OfferReader offers_;
  RefusingWorld world_;
  const std::unique_ptr<Store> migrated_ = SqliteStore::Open(file_, random_).value();
  LosingStore store_{SqliteShowStore::Open(file_).value()};
  CountingReader reader_{SqliteShowReader::Open(file_).value()};
  TwoSeats shows_{world_};
  std::unique_ptr<Service> sagas_;
  std::unique_ptr<ShowService> service_;

 private:
  template <typename T>
  Result<T> Await(asio::awaitable<Result<T>> asked) {
    std::optional<Result<T>> got;
    asio::co_spawn(io_, std::move(asked), [&got](const std::exception_ptr& failed, Result<T> answer) {
      if (!failed) got = std::move(answer);
    });
    (void)RunUntil([&] { return got.has_value(); });
    return got.value_or(Fail(Code::kInternal, "no_answer"));
  }
};

TEST_F(ShowServiceTest, WhoseLeaveWasCommittedUnknownIsToldThatSheHasLeft) {
  ASSERT_TRUE(Join("mina"));
  store_.loses = true;
  const auto left = Leave("mina");
  ASSERT_FALSE(store_.loses);
  ASSERT_TRUE(left) << ErrorOf(left) << ": she has left, and is told so";
  EXPECT_EQ(left->state, EntryState::kLeft);
  EXPECT_EQ(ErrorOf(Leave("mina")), "not_on_waitlist") << "that is another request";
}

TEST_F(ShowServiceTest, WhatTheSeatServiceDoesNotAnswerIsNotToldAsThisServicesOwnSilence) {
  shows_.map_is_away = true;
  EXPECT_EQ(ErrorOf(Join("mina")), "seat_unavailable");
  shows_.show_is_away = true;
  EXPECT_EQ(ErrorOf(Join("mina")), "seat_unavailable");
  EXPECT_EQ(ErrorOf(Cancel()), "seat_unavailable");
}

TEST_F(ShowServiceTest, WhoseJoinWasCommittedUnknownHasOnePlace) {
  store_.loses = true;
  const auto joined = Join("mina");
  ASSERT_TRUE(joined) << ErrorOf(joined);
  EXPECT_EQ(joined->place, 1);
  EXPECT_EQ(Join("jun")->place, 2);
}

// The clock stands still: what waits for the lease to end waits for ever.
TEST_F(ShowServiceTest, WhatAClaimTookThatWasCommittedUnknownIsWorkedOnAtOnce) {
  const uint64_t place = Join("mina", 1, "B").value().place;
  shows_.b_is_free = true;
  store_.loses = true;
  service_->StartWorking();
  EXPECT_TRUE(RunUntil([&] { return StateOf(place) == EntryState::kOffered; }));
  EXPECT_FALSE(store_.loses);
  StopWorking();
}

TEST_F(ShowServiceTest, WhoWaitsForWhatIsFreeIsOfferedItHoweverManyWaitBeforeForSomethingElse) {
  JoinFive("A");
  const uint64_t first = Join("mina", 1, "B").value().place;
  const uint64_t second = Join("jun", 1, "B").value().place;
  shows_.b_is_free = true;
  service_->StartWorking();
  ASSERT_TRUE(RunUntil([&] { return StateOf(first) == EntryState::kOffered; }));
  ASSERT_TRUE(AwaitLooks(3));
  EXPECT_EQ(StateOf(second), EntryState::kWaiting) << "it is taken";
  EXPECT_EQ(StateOf(1), EntryState::kWaiting) << "passed over, and keeps the place";
  EXPECT_TRUE(shows_.view.waitlist_first);
  StopWorking();
}

TEST_F(ShowServiceTest, OfThoseWhomWhatIsFreeFitsTheFirstIsOfferedItWhateverTheyWishFor) {
  JoinFive("A");
  const uint64_t first = Join("mina").value().place;
  const uint64_t second = Join("jun", 1, "B").value().place;
  shows_.b_is_free = true;
  service_->StartWorking();
  ASSERT_TRUE(RunUntil([&] { return StateOf(first) == EntryState::kOffered; }));
  EXPECT_EQ(StateOf(second), EntryState::kWaiting);
  StopWorking();
}

TEST_F(ShowServiceTest, WhoWaitsBehindMoreThanALookReadsAtOnceThatWereRefusedIsTriedAgain) {
  JoinFive("B");
  shows_.b_is_free = true;
  for (const char* const user : {"ann", "ben", "cho", "dan"}) world_.refusals[user] = "seat_limit";
  world_.refusals["eve"] = "seats_taken";  // by a replica that has not heard that it is free
  service_->StartWorking();
  ASSERT_TRUE(AwaitLooks(4));
  EXPECT_EQ(StateOf(5), EntryState::kWaiting);
  EXPECT_TRUE(shows_.view.waitlist_first) << "it is still kept for her";
  world_.refusals.erase("eve");
  ASSERT_TRUE(RunUntil([&] { return StateOf(5) == EntryState::kOffered; }));
  EXPECT_EQ(StateOf(4), EntryState::kWaiting);
  StopWorking();
}

TEST_F(ShowServiceTest, WhileASaleIsStoppedNobodyIsOfferedAnythingAndAfterwardsWhoWaitsComesFirst) {
  const uint64_t place = Join("mina", 1, "B").value().place;
  shows_.b_is_free = true;
  // The seat service has heard that it is stopped, and the look has not: so it passes her over.
  world_.refusals["mina"] = "show_not_on_sale";
  service_->StartWorking();
  ASSERT_TRUE(RunUntil([&] { return shows_.view.waitlist_first; }));
  clock_.Advance(ShowServiceConfig().settle);
  ASSERT_TRUE(RunUntil([&] { return !shows_.view.waitlist_first; }));
  shows_.view.phase = ShowPhase::kAnnounced;
  ASSERT_TRUE(RunUntil([&] { return shows_.view.waitlist_first; })) << "it is kept for her again";
  const size_t holds = world_.holds;
  ASSERT_TRUE(AwaitLooks(3));
  EXPECT_EQ(world_.holds, holds);
  EXPECT_EQ(StateOf(place), EntryState::kWaiting);
  world_.refusals.clear();
  shows_.view.phase = ShowPhase::kOnSale;
  EXPECT_TRUE(RunUntil([&] { return StateOf(place) == EntryState::kOffered; }));
  StopWorking();
}

TEST_F(ShowServiceTest, ASaleThatHasEndedKeepsItsSeatsForNobodyAndSellsToAllOnceItIsExtended) {
  const uint64_t place = Join("mina", 1, "A").value().place;
  service_->StartWorking();
  ASSERT_TRUE(RunUntil([&] { return shows_.view.waitlist_first; }));
  shows_.view.phase = ShowPhase::kPast;
  ASSERT_TRUE(RunUntil([&] { return StateOf(place) == EntryState::kLapsed; }));
  EXPECT_TRUE(RunUntil([&] { return !shows_.view.waitlist_first; }));
  shows_.view.phase = ShowPhase::kOnSale;
  shows_.b_is_free = true;
  EXPECT_EQ(ErrorOf(Join("jun", 1, "B")), "not_sold_out") << "it is kept for nobody";
  StopWorking();
}

TEST_F(ShowServiceTest, WhoseOfferHasEndedJoinsAgainAtTheEndAlsoBeforeTheNextLook) {
  const uint64_t first = OfferMina();
  EXPECT_EQ(Join("mina", 1, "B").value().place, first) << "she has the offer still";
  EXPECT_EQ(ErrorOf(Join("mina", 1, "A")), "waitlist_other_wish");
  offers_.offer->hold_expires_at = clock_.Now();
  EXPECT_EQ(ErrorOf(Join("mina", 1, "B")), "waitlist_offer_ending");
  offers_.offer->state = State::kExpired;
  const auto again = Join("mina", 1, "A");
  ASSERT_TRUE(again) << ErrorOf(again);
  EXPECT_EQ(again->place, first + 1);
  EXPECT_EQ(again->state, EntryState::kWaiting);
  EXPECT_EQ(StateOf(first), EntryState::kLapsed);
  EXPECT_EQ(Join("mina", 1, "A").value().place, first + 1);
}

TEST_F(ShowServiceTest, WhoseOfferHasEndedIsCheckedAsIfSheHadNoPlace) {
  (void)OfferMina();
  offers_.offer->state = State::kExpired;
  world_.seat_owner.reset();
  shows_.view.waitlist_first = false;
  EXPECT_EQ(ErrorOf(Join("mina", 1, "B")), "not_sold_out") << "she may buy it";
}

TEST_F(ShowServiceTest, WhoHasDeclinedIsToldThatSheHasNoPlaceAlsoBeforeTheNextLook) {
  const uint64_t place = OfferMina();
  EXPECT_EQ(ErrorOf(Leave("mina")), "waitlist_offered");
  offers_.offer->saga.kind = SagaKind::kRelease;
  offers_.offer->saga.status = SagaStatus::kRunning;
  EXPECT_EQ(ErrorOf(Leave("mina")), "waitlist_offer_ending");
  offers_.offer->saga.status = SagaStatus::kDone;
  offers_.offer->state = State::kReleased;
  EXPECT_EQ(ErrorOf(Leave("mina")), "not_on_waitlist");
  EXPECT_EQ(StateOf(place), EntryState::kLeft);
}

TEST_F(ShowServiceTest, ALookThatCanServeNobodyReadsNobody) {
  JoinFive("A");
  shows_.b_is_free = true;
  service_->StartWorking();
  ASSERT_TRUE(AwaitLooks(1));
  const size_t looks = shows_.looks;
  const size_t places = reader_.places;
  ASSERT_TRUE(AwaitLooks(10));
  EXPECT_LE(reader_.places - places, shows_.looks - looks + 1) << "one, to see that somebody is left";
  EXPECT_FALSE(shows_.view.waitlist_first) << "everybody else may have it";
  StopWorking();
}

TEST_F(ShowServiceTest, WhoWasWrittenByTheVersionBeforeIsFoundToo) {
  JoinFive("A");
  const uint64_t first = Join("mina", 1, "B").value().place;
  const uint64_t second = Join("jun", 1, "B").value().place;
  const std::string old = "UPDATE waitlist SET indexed_version = 0, seats = 0, category = '', max_price = 0";
  ASSERT_TRUE(sql::Database::Open(file_).value().Execute(old + " WHERE place <= " + std::to_string(first)));
  shows_.b_is_free = true;
  service_->StartWorking();
  ASSERT_TRUE(RunUntil([&] { return StateOf(first) == EntryState::kOffered; }));
  EXPECT_EQ(StateOf(second), EntryState::kWaiting);
  StopWorking();
}

TEST_F(ShowServiceTest, WhoWaitsBehindAllThatALookReadsAtOnceIsToldTooThatTheShowIsCancelled) {
  JoinFive("");
  shows_.view.phase = ShowPhase::kCancelled;
  service_->StartWorking();
  EXPECT_TRUE(RunUntil([this] { return OpenPlaces() == 0; })) << OpenPlaces() << " wait for nothing";
  StopWorking();
}

TEST_F(ShowServiceTest, HoweverManyJoinAtOnceTheSeatsAreLookedAtOnce) {
  shows_.hangs = kShow;
  std::vector<uint64_t> places;
  for (const char* const user : {"ann", "ben", "cho"}) {
    JoinWaitlist command{kShow, user, {}};
    command.wish.best_count = 1;
    asio::co_spawn(io_, service_->Join(std::move(command)), [&](const std::exception_ptr&, auto joined) {
      places.push_back(joined.value_or(WaitlistEntry()).place);
    });
  }
  ASSERT_TRUE(RunUntil([this] { return shows_.asked == 3; }));
  shows_.hangs.reset();
  ASSERT_TRUE(RunUntil([&] { return places.size() == 3; }));
  EXPECT_THAT(places, ::testing::UnorderedElementsAre(1, 2, 3));
  EXPECT_EQ(shows_.looks, 1);
}

TEST_F(ShowServiceTest, AShowsReservationsAreCountedOnceForAllWhoAskHowFarItIsAndNobodyWaitsForThat) {
  ASSERT_TRUE(Cancel());
  EXPECT_EQ(reader_.counted_pages, 0) << "who cancels it is answered before";
  reader_.endless = true;
  std::vector<uint64_t> waiting;
  for (int i = 0; i < 3; ++i) {
    asio::co_spawn(io_, service_->CancellationOf(kShow), [&](const std::exception_ptr&, auto told) {
      waiting.push_back(told.value_or(std::nullopt).value_or(Cancellation()).progress.waiting);
    });
  }
  ASSERT_TRUE(RunUntil([this] { return reader_.counted_pages > 3; }));
  EXPECT_TRUE(Join("mina")) << "she waits for a page, not for the whole count";
  EXPECT_TRUE(waiting.empty());
  reader_.endless = false;
  ASSERT_TRUE(RunUntil([&] { return waiting.size() == 3; }));
  EXPECT_THAT(waiting, ::testing::Each(reader_.counted_pages - 1)) << "one of each page but the last";
}

// Nobody would hear of it otherwise: the cancellation goes on for ever, and nothing is counted.
TEST_F(ShowServiceTest, ARoundThatCouldEndNoneOfTheReservationsThatItFoundHasFailed) {
  reader_.of_show = std::vector<Reservation>(1);  // of which the sagas know nothing
  reader_.of_show.front().saga.status = SagaStatus::kDone;
  reader_.of_show.front().id = ReservationId::Make(clock_.Now(), random_);
  ASSERT_TRUE(Cancel());
  service_->StartWorking();
  EXPECT_TRUE(RunUntil([this] { return FailedRounds() == 1; }));
  StopWorking();
  EXPECT_EQ(CancellationNow().last_error, "reservation_not_found: there is no such reservation");
}

TEST_F(ShowServiceTest,
       WhoCancelsOnceHerShowsCancellationIsAcceptedPaysNoFeeThoughTheSeatServiceHasNotHeardOfIt) {
  Buy();
  EXPECT_EQ(Quote()->returned.fee, 14);
  shows_.cancel_error = Error{Code::kUnavailable, "database_unavailable", {}};
  ASSERT_TRUE(Cancel());
  EXPECT_EQ(Quote()->returned.fee, 0);
  const auto one = GiveBack({1});
  ASSERT_TRUE(one) << ErrorOf(one);
  EXPECT_EQ(one->reservation->state, State::kConfirmed);
  EXPECT_EQ(one->reservation->returned->amount, kSeats[0].price);
  EXPECT_EQ(one->reservation->returned->fee, 0);
  EXPECT_EQ(one->reservation->fees, 0);
  const auto all = GiveBack({});
  ASSERT_TRUE(all) << ErrorOf(all);
  EXPECT_EQ(all->reservation->state, State::kCancelled);
  EXPECT_EQ(all->reservation->returned->fee, 0);
  EXPECT_EQ(all->reservation->fees, 0);
  EXPECT_EQ(world_.balance, kBalance);
}

TEST_F(ShowServiceTest, WhoseShowsCancellationWasRefusedPaysTheFee) {
  Buy();
  shows_.cancel_error = Error{Code::kConflict, "show_state", "it has begun"};
  EXPECT_EQ(Cancel()->state, CancellationState::kRunning) << "its first round finds that out";
  service_->StartWorking();
  ASSERT_TRUE(RunUntil([this] { return CancellationNow().state == CancellationState::kRefused; }));
  StopWorking();
  EXPECT_EQ(Quote()->returned.fee, 14);
  const auto all = GiveBack({});
  ASSERT_TRUE(all) << ErrorOf(all);
  EXPECT_EQ(all->reservation->fees, 14);
  EXPECT_EQ(world_.balance, kBalance - 14);
}

class SettledShowServiceTest : public ShowServiceTest {
 protected:
  SettledShowServiceTest() : ShowServiceTest({.settle = milliseconds(0)}) {}
};

TEST_F(SettledShowServiceTest, WhoIsRefusedWhileACancellationIsCountedIsNotSaidToWait) {
  reader_.came_late.emplace().state = State::kConfirming;
  ASSERT_TRUE(Cancel());
  service_->StartWorking();
  EXPECT_TRUE(RunUntil([this] { return CancellationNow().state == CancellationState::kDone; }));
  StopWorking();
  EXPECT_EQ(CancellationNow().progress, CancellationProgress());
}

class BusyShowServiceTest : public ShowServiceTest {
 protected:
  BusyShowServiceTest() : ShowServiceTest({.max_works = 1}) {}
};

TEST_F(BusyShowServiceTest,
       WhileOneShowsRoundRunsTheSaleOfTheNextEndsAndThoseWhoWaitForAThirdAreOfferedWhatIsFree) {
  const uint64_t place = Join("mina", 1, "B").value().place;
  ASSERT_TRUE(Cancel(kShow + 1));
  shows_.hangs = kShow + 1;
  service_->StartWorking();
  ASSERT_TRUE(RunUntil([this] { return shows_.waits; }));
  shows_.b_is_free = true;
  EXPECT_TRUE(RunUntil([&] { return StateOf(place) == EntryState::kOffered; }));
  ASSERT_TRUE(Cancel(kShow + 2));
  EXPECT_TRUE(shows_.cancelled.contains(kShow + 2));
  EXPECT_EQ(reader_.Work({kShow + 2, WorkKind::kCancellation}).value()->epoch, 0)
      << "no round had room for it";
  shows_.hangs.reset();
  StopWorking();
}

}  // namespace
}  // namespace boxoffice::reservation
