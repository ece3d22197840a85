#include <functional>

#include <gmock/gmock.h>

#include "platform/redis/redis_for_test.h"
#include "services/ranking/store.h"
#include "services/ranking/store_redis.h"
#include "services/ranking/store_sqlite.h"
#include "testing/redis_server.h"
#include "testing/temp_dir.h"

namespace boxoffice::ranking {
namespace {

using testing::ElementsAre;

struct Kind {
  std::string name;
  std::function<std::string()> redis_url;  // empty: none is needed
};

// What every store of the ranking does.
class RankingStoreTest : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (!GetParam().redis_url) return;
    BOXOFFICE_NEEDS_REDIS();
    redis_url_ = GetParam().redis_url();
  }
  std::unique_ptr<Store> Open() {
    return redis_url_.empty() ? OpenSqliteStore(dir_.path() / "ranking.db").value()
                              : OpenRedisStore(redis_url_, redis::kPatient).value();
  }
  EventId Id() { return EventId::Make(now_, random_); }
  // What was made before now.
  size_t ForgetAll(Store& store) {
    Forgotten all;
    do {
      const Forgotten some = store.ForgetProcessed(now_, 100).value();
      all = {all.count + some.count, some.more};
    } while (all.more);
    return all.count;
  }
  State Sample() {
    State state;
    state.shows[1] = {3, 1, 5, now_, now_ - std::chrono::hours(1), 50'000, "KRW"};
    state.shows[2] = {1, 0, 2, std::nullopt, {}, 0, ""};
    state.shows[3] = {1, 1, 0, std::nullopt, {}, -5, "USD"};
    state.shows[4] = {0, 0, 0, now_, now_, 0, ""};
    state.hours[{HourOf(now_), 1}] = {2, 5, 60'000};
    state.hours[{HourOf(now_) - 1, 1}] = {-1, -2, -10'000};
    state.processed = 6;
    state.as_of = now_;
    return state;
  }

  testbed::TempDir dir_;
  std::string redis_url_;
  SeededRandom random_{1};
  Timestamp now_ = FromUnixMs(1'800'000'000'000);
};

TEST_P(RankingStoreTest, ANewStoreIsEmptyAndNeedsARebuild) {
  const Loaded loaded = Open()->Load().value();
  EXPECT_EQ(loaded.state, State());
  EXPECT_TRUE(loaded.rebuilding);
}

TEST_P(RankingStoreTest, WhatWasSavedIsLoadedByTheNextProcess) {
  ASSERT_TRUE(Open()->Save(Sample(), std::array{Id()}, 0));
  EXPECT_EQ(Open()->Load()->state, Sample());
}

TEST_P(RankingStoreTest, SavedRowsReplaceTheOldOnesAndLeaveOthers) {
  auto store = Open();
  ASSERT_TRUE(store->Save(Sample(), {}, 0));
  State changed;
  changed.shows[2] = {2, 0, 4, std::nullopt, {}, 7, "EUR"};
  changed.processed = 7;
  changed.as_of = now_;
  ASSERT_TRUE(store->Save(changed, {}, 0));
  State expected = Sample();
  Overlay(expected, changed);
  EXPECT_EQ(store->Load()->state, expected);
}

TEST_P(RankingStoreTest, RowsAreLoadedByTheirKeysAndNoOthers) {
  ASSERT_TRUE(Open()->Save(Sample(), std::array{Id()}, 0));
  State expected = Sample();
  expected.shows.erase(3);
  expected.shows.erase(4);
  expected.hours.erase({HourOf(now_) - 1, 1});
  const Keys keys{{1, 2, 5}, {{HourOf(now_), 1}, {HourOf(now_), 5}}};
  EXPECT_EQ(Open()->LoadRows(keys).value(), expected);
}

TEST_P(RankingStoreTest, OfANewStoreThereAreNoRows) {
  EXPECT_EQ(Open()->LoadRows({{1}, {{HourOf(now_), 1}}}).value(), State());
}

TEST_P(RankingStoreTest, AProcessedEventIsKnownAfterwards) {
  auto store = Open();
  const EventId counted = Id();
  const EventId other = Id();
  ASSERT_TRUE(store->Save(Sample(), std::array{counted}, 0));
  EXPECT_THAT(store->AreProcessed(std::array{other, counted, other}).value(),
              ElementsAre(false, true, false));
}

TEST_P(RankingStoreTest, AnEventThatWasCountedMeanwhileUndoesTheWholeSave) {
  auto store = Open();
  const EventId counted = Id();
  ASSERT_TRUE(store->Save(Sample(), std::array{counted}, 0));
  State changed = Sample();
  changed.shows[1].confirmed = 99;
  const EventId fresh = Id();
  EXPECT_EQ(store->Save(changed, std::array{fresh, counted}, 0).error().reason, "constraint");
  EXPECT_EQ(store->Load()->state, Sample());
  EXPECT_THAT(store->AreProcessed(std::array{fresh}).value(), ElementsAre(false));
}

TEST_P(RankingStoreTest, AForgottenEventCountsAsCountedAndIsNotCountedAgain) {
  auto store = Open();
  const EventId old = Id();
  now_ += std::chrono::hours(1);
  const EventId young = Id();
  ASSERT_TRUE(store->Save(Sample(), std::array{old, young}, 0));
  ASSERT_TRUE(store->EndRebuild(now_));
  EXPECT_EQ(ForgetAll(*store), 1);
  EXPECT_EQ(ForgetAll(*store), 0);
  store = Open();
  const EventId fresh = Id();
  EXPECT_THAT(store->AreProcessed(std::array{old, young, fresh}).value(), ElementsAre(true, true, false));
  EXPECT_EQ(store->Save(Sample(), std::array{fresh, old}, 0).error().reason, "constraint");
  ASSERT_TRUE(store->Save(Sample(), std::array{fresh}, 0));
}

TEST_P(RankingStoreTest, WhileAllIsCountedAnewNothingIsForgottenAndWhatWasForgottenCountsAgain) {
  auto store = Open();
  const EventId old = Id();
  now_ += std::chrono::hours(1);
  ASSERT_TRUE(store->Save(Sample(), std::array{old}, 0));
  EXPECT_EQ(ForgetAll(*store), 0) << "a new store is being rebuilt";
  EXPECT_THAT(store->AreProcessed(std::array{old}).value(), ElementsAre(true));
  ASSERT_TRUE(store->EndRebuild(now_));
  EXPECT_EQ(ForgetAll(*store), 1);
  ASSERT_TRUE(store->BeginRebuild());
  EXPECT_EQ(ForgetAll(*store), 0);
  EXPECT_THAT(store->AreProcessed(std::array{old}).value(), ElementsAre(false));
  ASSERT_TRUE(store->Save(Sample(), std::array{old}, 0));
}

TEST_P(RankingStoreTest, HoursBeforeTheOldestAreDropped) {
  auto store = Open();
  ASSERT_TRUE(store->Save(Sample(), {}, HourOf(now_)));
  EXPECT_EQ(store->Load()->state.hours.size(), 1);
}

TEST_P(RankingStoreTest, ARebuildBeginsEmptyAndLastsUntilItsEnd) {
  const EventId counted = Id();
  {
    auto store = Open();
    ASSERT_TRUE(store->EndRebuild(now_));
    ASSERT_TRUE(store->Save(Sample(), std::array{counted}, 0));
    EXPECT_FALSE(store->Load()->rebuilding);
    ASSERT_TRUE(store->BeginRebuild());
  }
  auto store = Open();
  EXPECT_EQ(store->Load()->state, State());
  EXPECT_TRUE(store->Load()->rebuilding);
  EXPECT_THAT(store->AreProcessed(std::array{counted}).value(), ElementsAre(false));
  ASSERT_TRUE(store->ResumeRebuild());
  ASSERT_TRUE(store->EndRebuild(now_));
  EXPECT_FALSE(Open()->Load()->rebuilding);
  EXPECT_EQ(Open()->Load()->rebuilt_at, now_);
}

TEST_P(RankingStoreTest, WhatNobodyElseHasSavedIsNotLoadedAgain) {
  auto store = Open();
  ASSERT_TRUE(store->Load());
  EXPECT_EQ(store->LoadIfMoved().value(), std::nullopt);
  ASSERT_TRUE(store->Save(Sample(), std::array{Id()}, 0));
  EXPECT_EQ(store->LoadIfMoved().value(), std::nullopt);
  ASSERT_TRUE(store->BeginRebuild());
  EXPECT_EQ(store->LoadIfMoved().value(), std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(
    Stores, RankingStoreTest,
    testing::Values(Kind{"Sqlite", {}}, Kind{"Redis", [] { return testbed::EmptyRedis().Url(); }},
                    Kind{"RedisCluster", [] { return testbed::EmptyRedisCluster().Url(); }}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace boxoffice::ranking
