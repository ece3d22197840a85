// What edges see and learn of memory that is loaded, and loaded anew.
#include <atomic>
#include <stop_token>
#include <thread>
#include <vector>

#include <gmock/gmock.h>

#include "services/queue/testing_service.h"

namespace boxoffice::queue {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

class LostDrawTest : public ServiceTest {
 protected:
  // Two people wait for a draw.
  void Prequeue(Service& service) {
    ASSERT_TRUE(service.Load());
    ASSERT_TRUE(RunOn(
        service, Configure{.show_id = kShow, .state = QueueState::kPrequeue, .seed = std::string(64, 'a')}));
    ASSERT_TRUE(RunOn(service, JoinOf("ann")));
    ASSERT_TRUE(RunOn(service, JoinOf("bob")));
  }
  const Configure pause_{.show_id = kShow, .state = QueueState::kPaused};
};

// Its seed was published: whoever joined by it would choose the place.
TEST_F(LostDrawTest, ADrawThatTheStoreHasLostIsMadeAgainBeforeAnybodyCanJoinIt) {
  Service service(store_, clock_, metrics_, {.max_batch = 1});
  Prequeue(service);
  const Show before = store_.shows.at(kShow);
  ASSERT_TRUE(RunOn(service, pause_));
  const Show drawn = store_.shows.at(kShow);
  ASSERT_EQ(drawn.draw.entrants, 2);
  store_.shows[kShow] = before;  // as when Redis has failed over
  const SessionAnswer eve = SessionIn(RunOn(service, JoinOf("eve")));
  EXPECT_EQ(eve.position, 3) << "behind all who were drawn";
  EXPECT_EQ(eve.place, 0);
  EXPECT_EQ(eve.queue_state, QueueState::kPaused);
  EXPECT_EQ(store_.shows.at(kShow).draw, drawn.draw);
  EXPECT_EQ(PutBackCounter(metrics_).value(), 0) << "no show was lost";
}

TEST_F(LostDrawTest, WhoeverLeadsNextMakesADrawThatItKnewOfAgainAndServesNobodyBefore) {
  Show drawn, before;
  {
    Service service(store_, clock_, metrics_, {.max_batch = 1});
    Prequeue(service);
    before = store_.shows.at(kShow);
    ASSERT_TRUE(RunOn(service, pause_));
    drawn = store_.shows.at(kShow);
  }
  store_.shows[kShow] = before;
  Service next(store_, clock_, metrics_, {.max_batch = 1});
  store_.moves = 1;
  const auto beaten = next.Load({drawn});
  ASSERT_FALSE(beaten);
  EXPECT_EQ(beaten.error().reason, "contention");
  ASSERT_TRUE(next.Load({drawn}));
  EXPECT_EQ(next.Views().at(0).show.draw, drawn.draw);
  EXPECT_EQ(store_.shows.at(kShow).draw, drawn.draw);
}

// Whoever looks in between would forget every queue.
TEST_F(ServiceTest, ALookNeverSeesALoadingHalfDone) {
  constexpr int kLoadings = 300;
  RunAll({JoinOf("ann")});
  Service service(store_, clock_, metrics_, {.max_batch = 1, .max_runs = kLoadings + 2});
  ASSERT_TRUE(service.Load());
  store_.moves = kLoadings;
  std::atomic<int> empty{0};
  {
    const std::jthread edge([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        if (service.HeadsSince({}).views.empty()) ++empty;
        std::this_thread::yield();  // whoever publishes needs the same mutex
      }
    });
    EXPECT_TRUE(RunOn(service, JoinOf("bob")));
  }
  EXPECT_GT(store_.loads, kLoadings);
  EXPECT_EQ(empty, 0);
}

class LoadingsTest : public ServiceTest {
 protected:
  static std::vector<Loading> Told(const Service& service, int64_t show_id = kShow) {
    for (const QueueView& view : service.Views()) {
      if (view.show.show_id == show_id) return view.loadings;
    }
    return {};
  }
};

TEST_F(LoadingsTest, EdgesAreToldHowManyPlacesWereStoredThoughOthersHaveJoinedSince) {
  RunAll({JoinOf("ann"), JoinOf("bob")});
  const Show stored = store_.shows.at(kShow);
  Service service(store_, clock_, metrics_, {.max_batch = 1});
  ASSERT_TRUE(service.Load());
  const Timestamp loaded_at = clock_.Now();
  clock_.Advance(1s);
  ASSERT_TRUE(RunOn(service, JoinOf("eve")));
  EXPECT_THAT(Told(service), ElementsAre(Loading{2, loaded_at}));
  // As when Redis has lost her.
  store_.shows[kShow] = stored;
  store_.sessions.erase(SessionKey{kShow, 3});
  EXPECT_EQ(SessionIn(RunOn(service, JoinOf("kim"))).claims.sequence, 3U);
  EXPECT_THAT(Told(service), ElementsAre(Loading{2, clock_.Now()}));
  const Loading lossy{2, clock_.Now()};
  clock_.Advance(1s);
  store_.moves = 1;
  ASSERT_TRUE(RunOn(service, JoinOf("lea")));
  EXPECT_THAT(Told(service), ElementsAre(lossy, Loading{3, clock_.Now()})) << "eve may not have asked yet";
}

// Whoever joined before it would ask the queue service at each poll, for as long as it is told of.
TEST_F(LoadingsTest, AnEarlierLoadingIsForgottenAfterAMinuteThoughNoOtherComes) {
  RunAll({JoinOf("ann")});
  Service service(store_, clock_, metrics_, {.max_batch = 1});
  ASSERT_TRUE(service.Load());
  const Loading first{1, clock_.Now()};
  clock_.Advance(1s);
  ASSERT_TRUE(RunOn(service, JoinOf("bob")));
  store_.moves = 1;
  ASSERT_TRUE(RunOn(service, JoinOf("eve")));
  const Loading latest{2, clock_.Now()};
  ASSERT_THAT(Told(service), ElementsAre(first, latest));
  clock_.Advance(kLoadingsCount);
  ASSERT_TRUE(RunOn(service, Tick{}));
  EXPECT_THAT(Told(service), ElementsAre(latest));
}

TEST_F(LoadingsTest, OfAShowThatWasNotStoredNoPlaceWas) {
  RunAll({JoinOf("ann")});
  Service service(store_, clock_, metrics_, {.max_batch = 1});
  ASSERT_TRUE(service.Load());
  const Timestamp loaded_at = clock_.Now();
  clock_.Advance(1s);
  ASSERT_TRUE(RunOn(service, Join{kShow + 1, "bob"}));
  EXPECT_THAT(Told(service, kShow + 1), ElementsAre(Loading{0, loaded_at}));
}

// They would ask the queue service at each poll until that moment has come.
TEST_F(LoadingsTest, WhoeverJoinsOnceAClockThatWasAheadIsRightIsNotTakenForLost) {
  RunAll({JoinOf("ann")});
  Service service(store_, clock_, metrics_, {.max_batch = 1});
  ASSERT_TRUE(service.Load());
  ASSERT_TRUE(RunOn(service, Join{kShow + 1, "bob"}));
  clock_.Advance(-1h);
  ASSERT_TRUE(RunOn(service, Tick{}));
  EXPECT_THAT(Told(service), ElementsAre(Loading{1, clock_.Now()}));
  EXPECT_THAT(Told(service, kShow + 1), ElementsAre(Loading{0, clock_.Now()}));
}

}  // namespace
}  // namespace boxoffice::queue
