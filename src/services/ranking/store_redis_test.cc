// What is of the ranking on Redis alone: several processes on one ranking, and servers that fail.
#include "services/ranking/store_redis.h"

#include <array>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "base/random.h"
#include "platform/redis/redis_for_test.h"
#include "services/ranking/service.h"
#include "services/ranking/store_for_test.h"
#include "testing/redis_server.h"
#include "testing/wait.h"

namespace boxoffice::ranking {
namespace {

using std::chrono::milliseconds;

// Between this store's look at ids and its first save, something happens elsewhere; and after each load of
// all.
class MeanwhileStore final : public ForwardingStore {
 public:
  MeanwhileStore(std::unique_ptr<Store> store, std::function<void()> before_save,
                 std::function<void()> after_load)
      : ForwardingStore(std::move(store)),
        before_save_(std::move(before_save)),
        after_load_(std::move(after_load)) {}

  Result<Loaded> Load() override {
    Result<Loaded> loaded = ForwardingStore::Load();
    if (after_load_) after_load_();
    return loaded;
  }
  Result<std::optional<Loaded>> LoadIfMoved() override {
    Result<std::optional<Loaded>> loaded = ForwardingStore::LoadIfMoved();
    if (after_load_ && loaded && *loaded) after_load_();
    if (const std::optional<Error> error = std::exchange(fail_load, std::nullopt))
      loaded = std::unexpected(*error);
    return loaded;
  }
  Result<void> Save(const State& changed, std::span<const EventId> counted, Hour oldest) override {
    if (auto work = std::exchange(before_save_, nullptr)) work();
    return ForwardingStore::Save(changed, counted, oldest);
  }

  std::optional<Error> fail_load;  // the next LoadIfMoved

 private:
  std::function<void()> before_save_;
  const std::function<void()> after_load_;
};

class RankingRedisTest : public testing::Test {
 protected:
  void SetUp() override { BOXOFFICE_NEEDS_REDIS(); }

  Event Booking(int64_t show) {
    return {.id = EventId::Make(clock_.Now(), random_),
            .kind = Kind::kConfirmed,
            .show_id = show,
            .seats = 2,
            .at = clock_.Now()};
  }
  RankingService Open(const std::string& url) {
    return {OpenRedisStore(url, redis::kPatient).value(), clock_};
  }
  // Soon told that the server is frozen.
  RankingService OpenQuick(const std::string& url) { return {OpenRedisStore(url, kQuick).value(), clock_}; }
  static bool LoadInTheEnd(RankingService& service) {
    return testbed::Eventually([&] { return service.Load().has_value(); });
  }
  // As the bus does: again, until it is counted.
  static bool CountInTheEnd(RankingService& service, const Event& event, int attempts) {
    for (int i = 0; i < attempts; ++i) {
      const Result<void> counted = service.Count(std::array{event});
      if (counted) return true;
      EXPECT_EQ(counted.error().code, Code::kUnavailable) << "the group waits, and nobody is parked";
      std::promise<void>().get_future().wait_for(milliseconds(10));
    }
    return false;
  }

  // No test that means something else fails because the machine is busy.
  static constexpr redis::Options kQuick{.connect_timeout = std::chrono::seconds(2),
                                         .command_timeout = std::chrono::seconds(2)};
  ManualClock clock_;
  SeededRandom random_{1};
};

TEST_F(RankingRedisTest, TwoProcessesThatCountLoseNothingOfEachOther) {
  const std::string url = testbed::EmptyRedis().Url();
  RankingService first = Open(url);
  RankingService second = Open(url);
  ASSERT_TRUE(first.Load() && second.Load());
  std::vector<Event> events;
  for (int i = 0; i < 200; ++i) events.push_back(Booking(i % 3));
  const auto count = [&](RankingService& service, size_t from) {
    for (size_t i = from; i < events.size(); i += 2) ASSERT_TRUE(CountInTheEnd(service, events[i], 1'000));
    ASSERT_TRUE(CountInTheEnd(service, events[1 - from], 1'000)) << "one of the other's, again";
  };
  auto other = std::async(std::launch::async, [&] { count(second, 1); });
  count(first, 0);
  other.get();
  RankingService third = Open(url);
  ASSERT_TRUE(third.Load());
  const Audit audit = third.GetAudit();
  EXPECT_EQ(audit.processed, 200);
  EXPECT_EQ(audit.shows.at(0).confirmed + audit.shows.at(1).confirmed + audit.shows.at(2).confirmed, 200);
}

TEST_F(RankingRedisTest, ANewRankingThatTwoProcessesLoadedIsNotWrittenOver) {
  const std::string url = testbed::EmptyRedis().Url();
  RankingService first = Open(url);
  RankingService second = Open(url);
  ASSERT_TRUE(first.Load() && second.Load());
  ASSERT_TRUE(first.Count(std::array{Booking(1)}));
  const Event late = Booking(1);
  ASSERT_TRUE(second.Count(std::array{late})) << "it has loaded what the first one counted";
  EXPECT_EQ(second.GetAudit().shows.at(1).confirmed, 2);
}

// The other one saves more often than all can be loaded.
TEST_F(RankingRedisTest, AProcessThatCountsAllTheTimeKeepsNoOtherFromCounting) {
  const std::string url = testbed::EmptyRedis().Url();
  RankingService first = Open(url);
  ASSERT_TRUE(first.Load());
  const auto count = [&] { ASSERT_TRUE(first.Count(std::array{Booking(1)})); };
  RankingService second(
      std::make_unique<MeanwhileStore>(OpenRedisStore(url, redis::kPatient).value(), count, count), clock_);
  ASSERT_TRUE(second.Load());
  const Result<void> counted = second.Count(std::array{Booking(2)});
  ASSERT_TRUE(counted) << counted.error().reason;
  EXPECT_EQ(second.GetAudit().shows.at(2).confirmed, 1);
}

TEST_F(RankingRedisTest, ABatchThatIsOutrunLoadsItsOwnRowsAgainAndNotTheWhole) {
  const std::string url = testbed::EmptyRedis().Url();
  RankingService first = Open(url);
  ASSERT_TRUE(first.Load());
  const auto outrun = [&] { ASSERT_TRUE(first.Count(std::array{Booking(1)})); };
  int loads = 0;
  RankingService second(std::make_unique<MeanwhileStore>(OpenRedisStore(url, redis::kPatient).value(), outrun,
                                                         [&] { ++loads; }),
                        clock_);
  ASSERT_TRUE(second.Load());
  ASSERT_TRUE(second.Count(std::array{Booking(1)}));
  EXPECT_EQ(loads, 1) << "at the start";
  EXPECT_EQ(second.GetAudit().shows.at(1).confirmed, 2);
  EXPECT_EQ(second.GetAudit().processed, 2);
}

TEST_F(RankingRedisTest, WhatOthersHadSavedBeforeItsOwnSaveIsStillLoadedAfterIt) {
  const std::string url = testbed::EmptyRedis().Url();
  RankingService first = Open(url);
  RankingService second = Open(url);
  ASSERT_TRUE(first.Load() && second.Load());
  ASSERT_TRUE(first.Count(std::array{Booking(1)}));
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(second.Count(std::array{Booking(2)}));
  ASSERT_TRUE(second.Refresh());
  const Audit audit = second.GetAudit();
  ASSERT_TRUE(audit.shows.contains(1));
  EXPECT_EQ(audit.shows.at(1).confirmed, 1);
  EXPECT_EQ(audit.shows.at(2).confirmed, 2);
}

// Two processes, of which the second loads all in as much time as a test says.
class RankingPaceTest : public RankingRedisTest {
 protected:
  void SetUp() override {
    BOXOFFICE_NEEDS_REDIS();
    const std::string url = testbed::EmptyRedis().Url();
    first_ = std::make_unique<RankingService>(OpenRedisStore(url, redis::kPatient).value(), clock_);
    auto store =
        std::make_unique<MeanwhileStore>(OpenRedisStore(url, redis::kPatient).value(), nullptr, [this] {
          ++loads_;
          clock_.Advance(takes_);
        });
    store_ = store.get();
    second_ = std::make_unique<RankingService>(std::move(store), clock_);
    ASSERT_TRUE(first_->Load() && second_->Load());
    loads_ = 0;
  }
  // Whether the second one has loaded what the first has just counted.
  bool Follows() {
    const int before = loads_;
    EXPECT_TRUE(first_->Count(std::array{Booking(1)}));
    EXPECT_TRUE(second_->RefreshIfDue());
    return loads_ > before;
  }

  std::unique_ptr<RankingService> first_;
  std::unique_ptr<RankingService> second_;
  MeanwhileStore* store_ = nullptr;  // of the second one
  milliseconds takes_{0};
  int loads_ = 0;
};

TEST_F(RankingPaceTest, AfterAWholeLoadThereIsNoOtherForTwentyTimesAsLong) {
  takes_ = milliseconds(100);
  EXPECT_TRUE(Follows());
  EXPECT_FALSE(Follows());
  clock_.Advance(milliseconds(1'999));
  EXPECT_FALSE(Follows());
  clock_.Advance(milliseconds(1));
  EXPECT_TRUE(Follows());
  EXPECT_EQ(second_->GetAudit().processed, 4);
}

TEST_F(RankingPaceTest, WhoeverAsksForWhatIsStoredNowWaitsForNoPause) {
  takes_ = milliseconds(100);
  EXPECT_TRUE(Follows());
  EXPECT_FALSE(Follows());
  ASSERT_TRUE(second_->Refresh());
  EXPECT_EQ(second_->GetAudit().processed, 2);
}

TEST_F(RankingPaceTest, AStepOfTheClockHoldsUpNoLoadForMoreThanAMinute) {
  takes_ = std::chrono::hours(1);
  EXPECT_TRUE(Follows());
  clock_.Advance(std::chrono::minutes(1));
  EXPECT_TRUE(Follows());
  EXPECT_FALSE(Follows());
  clock_.Advance(-std::chrono::hours(1));
  EXPECT_TRUE(Follows());
}

TEST_F(RankingPaceTest, AfterAFailureItIsTriedAgainInSeconds) {
  takes_ = std::chrono::seconds(10);
  store_->fail_load = Error{Code::kUnavailable, "database_unavailable", "no answer"};
  ASSERT_TRUE(first_->Count(std::array{Booking(1)}));
  EXPECT_FALSE(second_->RefreshIfDue());
  clock_.Advance(milliseconds(4'999));
  EXPECT_TRUE(second_->RefreshIfDue());
  EXPECT_EQ(second_->GetAudit().processed, 0) << "not yet";
  clock_.Advance(milliseconds(1));
  EXPECT_TRUE(Follows());
}

TEST_F(RankingRedisTest, AnEventThatAnotherProcessForgetsMeanwhileIsPassedOverAndHoldsUpNoOther) {
  const std::string url = testbed::EmptyRedis().Url();
  const auto other = OpenRedisStore(url, redis::kPatient).value();
  ASSERT_TRUE(other->EndRebuild(clock_.Now()));
  const Event old = Booking(1);
  clock_.Advance(milliseconds(10));
  const Event young = Booking(2);
  const auto forget = [&] { ASSERT_TRUE(other->ForgetProcessed(young.at, 10)); };
  auto store =
      std::make_unique<MeanwhileStore>(OpenRedisStore(url, redis::kPatient).value(), forget, nullptr);
  RankingService service(std::move(store), clock_);
  ASSERT_TRUE(service.Load());
  const Result<void> counted = service.Count(std::array{old, young});
  ASSERT_TRUE(counted.has_value()) << counted.error().reason;
  EXPECT_EQ(service.GetAudit().processed, 1);
  EXPECT_FALSE(service.GetAudit().shows.contains(1));
  EXPECT_EQ(service.GetAudit().shows.at(2).confirmed, 1);
}

TEST_F(RankingRedisTest, OfTwoProcessesThatCountHalfEachBothAnswerTheWhole) {
  const std::string url = testbed::EmptyRedisCluster().Url();
  RankingService first = Open(url);
  RankingService second = Open(url);
  ASSERT_TRUE(first.Load() && second.Load());
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(CountInTheEnd(first, Booking(1), 100));
    ASSERT_TRUE(CountInTheEnd(second, Booking(2), 100));
  }
  for (RankingService* service : {&first, &second}) {
    ASSERT_TRUE(service->Refresh());
    const Ranking ranking = service->Get(Order::kBookings, Window::kHour, 10);
    ASSERT_EQ(ranking.rows.size(), 2);
    EXPECT_EQ(ranking.rows[0].bookings, 10);
    EXPECT_EQ(ranking.rows[1].bookings, 10);
  }
}

TEST_F(RankingRedisTest, OneWhoseServerIsFrozenAnswersFromMemoryAndFollowsAfterwards) {
  testbed::RedisServer server;
  RankingService first = OpenQuick(server.Url());
  RankingService second = OpenQuick(server.Url());
  ASSERT_TRUE(LoadInTheEnd(first) && LoadInTheEnd(second));
  ASSERT_TRUE(CountInTheEnd(first, Booking(1), 1'000));
  ASSERT_TRUE(testbed::Eventually([&] { return second.Refresh().has_value(); }));
  server.Freeze();
  EXPECT_EQ(second.Refresh().error().reason, "database_unavailable");
  EXPECT_EQ(second.Get(Order::kBookings, Window::kHour, 10).rows.size(), 1);
  server.Thaw();
  ASSERT_TRUE(CountInTheEnd(first, Booking(2), 1'000));
  EXPECT_TRUE(testbed::Eventually([&] { return second.Refresh().has_value(); }));
  EXPECT_EQ(second.Get(Order::kBookings, Window::kHour, 10).rows.size(), 2);
}

TEST_F(RankingRedisTest, ANewRankingThatTwoProcessesRebuildTogetherCountsEachEventOnce) {
  const std::string url = testbed::EmptyRedis().Url();
  std::vector<Event> log;
  for (int i = 0; i < 100; ++i) log.push_back(Booking(1));
  RankingService first = Open(url);
  RankingService second = Open(url);
  ASSERT_TRUE(first.Load() && second.Load());
  ASSERT_TRUE(first.NeedsRebuild() && second.NeedsRebuild());
  const auto rebuild = [&](RankingService& service) {
    size_t next = 0;
    ASSERT_TRUE(service.Rebuild(RankingService::From::kWhatIsThere, [&]() -> Result<std::vector<Event>> {
      std::vector<Event> page;
      while (page.size() < 10 && next < log.size()) page.push_back(log[next++]);
      return page;
    }));
  };
  auto other = std::async(std::launch::async, [&] { rebuild(second); });
  rebuild(first);
  other.get();
  RankingService third = Open(url);
  ASSERT_TRUE(third.Load());
  EXPECT_FALSE(third.NeedsRebuild());
  EXPECT_EQ(third.GetAudit().processed, 100);
  EXPECT_EQ(third.GetAudit().shows.at(1).confirmed, 100);
}

TEST_F(RankingRedisTest, AfterARebuildMemoryHasWhatOtherProcessesCountedMeanwhile) {
  const std::string url = testbed::EmptyRedis().Url();
  RankingService first = Open(url);
  RankingService second = Open(url);
  ASSERT_TRUE(first.Load() && second.Load());
  std::vector<Event> log{Booking(1)};
  ASSERT_TRUE(first.Rebuild(RankingService::From::kNothing, [&]() -> Result<std::vector<Event>> {
    EXPECT_TRUE(second.Count(std::array{Booking(2)}));
    return std::exchange(log, {});
  }));
  EXPECT_EQ(first.GetAudit().shows.at(1).confirmed, 1);
  ASSERT_TRUE(first.GetAudit().shows.contains(2));
  EXPECT_EQ(first.GetAudit().shows.at(2).confirmed, 2);
}

TEST_F(RankingRedisTest, ARebuildThatAnotherProcessHasBegunAnewIsForThatOneToEnd) {
  const std::string url = testbed::EmptyRedis().Url();
  const auto first = OpenRedisStore(url, redis::kPatient).value();
  const auto second = OpenRedisStore(url, redis::kPatient).value();
  ASSERT_TRUE(first->BeginRebuild());
  ASSERT_TRUE(second->BeginRebuild());
  EXPECT_FALSE(first->EndRebuild(FromUnixMs(1)).value());
  EXPECT_TRUE(first->Load()->rebuilding) << "what the first one had counted is gone";
  EXPECT_TRUE(second->EndRebuild(FromUnixMs(1)).value());
  EXPECT_FALSE(first->Load()->rebuilding);
}

TEST_F(RankingRedisTest, AFrozenServerIsWaitedForAndEachEventCountsOnce) {
  testbed::RedisServer server;
  RankingService service = OpenQuick(server.Url());
  ASSERT_TRUE(LoadInTheEnd(service));
  const Event event = Booking(1);
  server.Freeze();
  const Result<void> counted = service.Count(std::array{event});
  ASSERT_FALSE(counted.has_value());
  EXPECT_EQ(counted.error().reason, "database_unavailable");
  server.Thaw();
  ASSERT_TRUE(CountInTheEnd(service, event, 1'000));
  EXPECT_EQ(service.GetAudit().shows.at(1).confirmed, 1);
}

TEST_F(RankingRedisTest, ASaveWhoseReplyWasLostIsNotCountedTwice) {
  testbed::RedisServer server;
  RankingService service = Open(server.Url());
  ASSERT_TRUE(service.Load());
  const Event first = Booking(1);
  ASSERT_TRUE(service.Count(std::array{first}));
  // Another process's save stands for ours: done, and this one does not know of it.
  RankingService same = Open(server.Url());
  ASSERT_TRUE(same.Load());
  const Event lost = Booking(1);
  ASSERT_TRUE(same.Count(std::array{lost}));
  ASSERT_TRUE(CountInTheEnd(service, lost, 10));
  ASSERT_TRUE(CountInTheEnd(service, Booking(1), 10));
  EXPECT_EQ(service.GetAudit().shows.at(1).confirmed, 3);
  EXPECT_EQ(service.GetAudit().processed, 3);
}

TEST_F(RankingRedisTest, TheCommandsThatTheGuideNamesAreEnough) {
  const testbed::RedisServer server;
  const auto store = OpenRedisStore(server.GuideUrl(), redis::kPatient).value();
  ASSERT_TRUE(store->BeginRebuild());
  ASSERT_TRUE(store->ResumeRebuild());
  ASSERT_TRUE(store->EndRebuild(clock_.Now()).value());
  ASSERT_TRUE(store->Load());
  const Event event = Booking(1);
  ASSERT_TRUE(store->LoadRows(KeysOf(std::array{event})));
  State counted;
  counted.shows[1] = Tally{};
  counted.hours[HourKey(1, 1)] = Bucket{};
  ASSERT_TRUE(store->Save(counted, std::array{event.id}, 0));
  ASSERT_TRUE(store->Save(counted, {}, 2)) << "that hour is dropped";
  EXPECT_TRUE(store->Load()->state.hours.empty());
  EXPECT_TRUE(store->AreProcessed(std::array{event.id})->at(0));
  ASSERT_TRUE(store->LoadIfMoved());
  EXPECT_EQ(store->ForgetProcessed(clock_.Now() + milliseconds(1), 10)->count, 1);
  EXPECT_THAT(server.Refused(), testing::ElementsAre("info"));
}

// As an earlier version wrote them, for an event that named no currency that there is.
TEST_F(RankingRedisTest, ATallyWhoseCurrencyIsNoneIsReadWithoutOne) {
  const testbed::RedisServer& server = testbed::EmptyRedis();
  ASSERT_EQ(server.AskOne({"HSET", "{ranking:2}:show", "1", "14 0 14 14000 5", "2", "3 1 2 2000 7 4 5", "3",
                           "1 0 1 9 KRW"}),
            "3");
  const Result<Loaded> loaded = OpenRedisStore(server.Url(), redis::kPatient).value()->Load();
  ASSERT_TRUE(loaded) << loaded.error().reason;
  EXPECT_EQ(loaded->state.shows.at(1), (Tally{14, 0, 14, std::nullopt, {}, 14'000, ""}));
  EXPECT_EQ(loaded->state.shows.at(2), (Tally{3, 1, 2, FromUnixMs(7), FromUnixMs(4), 2'000, ""}));
  EXPECT_EQ(loaded->state.shows.at(3), (Tally{1, 0, 1, std::nullopt, {}, 9, "KRW"}));
}

TEST_F(RankingRedisTest, ALostRankingIsNewAndNeedsARebuild) {
  testbed::RedisServer& server = testbed::EmptyRedis();
  RankingService service = Open(server.Url());
  ASSERT_TRUE(service.Load());
  const Event event = Booking(1);
  ASSERT_TRUE(service.Count(std::array{event}));
  ASSERT_EQ(server.AskOne({"FLUSHALL"}), "OK");
  ASSERT_TRUE(service.Refresh());
  EXPECT_EQ(service.GetAudit().processed, 0);
  bool given = false;
  ASSERT_TRUE(service.Rebuild(RankingService::From::kNothing, [&]() -> Result<std::vector<Event>> {
    return std::exchange(given, true) ? std::vector<Event>() : std::vector<Event>{event};
  }));
  EXPECT_EQ(service.GetAudit().shows.at(1).confirmed, 1);
  EXPECT_FALSE(service.NeedsRebuild());
}

}  // namespace
}  // namespace boxoffice::ranking
