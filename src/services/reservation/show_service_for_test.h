// The work on whole shows, on a store in a file, with a world that tests command.
#pragma once

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

#include "services/reservation/saga/show_service.h"
#include "services/reservation/saga/testing_saga.h"
#include "services/reservation/store_show_sqlite.h"
#include "services/reservation/store_sqlite.h"
#include "services/reservation/testing_service.h"
#include "testing/temp_dir.h"

namespace boxoffice::reservation {

inline constexpr int64_t kShow = 7;

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
  bool b_comes_and_goes = false;  // and is taken at every other look
  bool show_is_away = false;
  bool map_is_away = false;
  size_t looks = 0;
  size_t asked = 0;                   // for the show
  size_t kept = 0;                    // how often what is free was told to be kept for who waits
  std::set<int64_t> cancelled;        // shows
  std::optional<Error> cancel_error;  // what is said instead
  std::optional<int64_t> hangs;   // whoever cancels this show, or sees its seats, hears nothing, for so long
  bool waits = false;             // somebody has
  std::optional<ShowView> heard;  // what a replica tells that has not heard how it is
  std::function<void()> on_kept;  // once seats are kept for the waitlist; runs once
  asio::awaitable<Result<ShowView>> Get(int64_t) override {
    ++asked;
    if (show_is_away) co_return Silence();
    co_return heard.value_or(view);
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
    const bool is_gone = b_comes_and_goes && looks % 2 == 0;
    hall.free = {false, b_is_free && !is_gone && !world_.seat_owner};
    co_return hall;
  }
  asio::awaitable<Result<ShowView>> SetWaitlistFirst(int64_t, bool first) override {
    view.waitlist_first = first;
    if (first) ++kept;
    if (first && on_kept) std::exchange(on_kept, nullptr)();
    co_return view;
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
    rows_.IsCancelledBy([this](int64_t show_id) { return IsCancelled(show_id); });
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
  // As the databases find it, where both kinds of rows are in one.
  bool IsCancelled(int64_t show_id) {
    const auto work = reader_.Work({show_id, WorkKind::kCancellation}).value();
    return work && Stands(work->cancellation);
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
  // By another replica.
  void WriteElsewhere(const ShowCommand& command, Timestamp now) {
    const auto store = SqliteShowStore::Open(file_).value();
    const ShowRows rows = store->Load(KeysOf(std::span(&command, 1)), now).value();
    const ShowDecision decision = Decide(rows, std::span(&command, 1), now, Policy());
    ASSERT_EQ(decision.changes.works.size() + decision.changes.entries.size(), 1);
    ASSERT_TRUE(store->Save(decision.changes).value());
  }
  // Once the lease of what this replica works on has ended, another one takes it over.
  void ClaimOfAnother() {
    WriteElsewhere(ClaimWork{"another", {{WorkKind::kWaitlist, 1}}}, clock_.Now() + Policy().lease);
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

}  // namespace boxoffice::reservation
