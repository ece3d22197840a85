// When memory, store and callers learn of what was decided.
#include "services/queue/service.h"

#include <future>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "base/random.h"
#include "services/queue/show_metrics.h"
#include "services/queue/testing_service.h"

namespace boxoffice::queue {
namespace {

using namespace std::chrono_literals;

TEST_F(ServiceTest, WhatWasJoinedIsThereAfterARestartWithItsPresenceGrantedAnew) {
  const auto first = RunAll({Configure{.show_id = kShow, .active_cap = 1}, JoinOf("ann"), JoinOf("bob")});
  clock_.Advance(kPresence * 3);
  const auto again = RunAll({JoinOf("ann"), JoinOf("bob"), Tick{}});
  EXPECT_EQ(SessionIn(again[0]).claims, SessionIn(first[1]).claims);
  EXPECT_EQ(SessionIn(again[0]).state, SessionState::kActive);
  EXPECT_EQ(SessionIn(again[1]).claims, SessionIn(first[2]).claims);
  ASSERT_EQ(views_.size(), 1);
  EXPECT_EQ(views_[0].waiting, 1);
  EXPECT_EQ(views_[0].active, 1);
}

TEST_F(ServiceTest, AnActiveSessionIsRenewedByARestartButNotPastItsMaximum) {
  RunAll({JoinOf("ann")});
  clock_.Advance(kActiveMax - 1min);
  const auto again = RunAll({JoinOf("ann")});
  EXPECT_EQ(SessionIn(again[0]).expires_at, clock_.Now() + 1min);
  clock_.Advance(1min);
  RunAll({Tick{}});
  EXPECT_EQ(views_[0].active, 0);
}

// Otherwise it would be OPEN, at the default rate, for whoever comes next.
TEST_F(ServiceTest, AShowThatTheStoreHasLostIsPutBackAsItWasSetAndWithoutItsPlaces) {
  const Settings settings{.rate_per_s = 2'000, .active_cap = 20'000, .state = QueueState::kPaused};
  store_.loses_all_at = 3;
  const auto outcomes = RunAll({Configure{.show_id = kShow,
                                          .rate_per_s = settings.rate_per_s,
                                          .active_cap = settings.active_cap,
                                          .state = settings.state},
                                JoinOf("ann"), JoinOf("bob")});
  EXPECT_EQ(SessionIn(outcomes[2]).state, SessionState::kWaiting);
  EXPECT_EQ(SessionIn(outcomes[2]).claims.sequence, 1) << "decided again by what is stored now";
  EXPECT_EQ(store_.shows.at(kShow).settings, settings);
  EXPECT_EQ(PutBackCounter(metrics_).value(), 1);
}

TEST_F(ServiceTest, WhatAProcessKnewOfAShowIsPutBackWhenItLoadsAStoreThatHasLostIt) {
  RunAll({Configure{.show_id = kShow, .state = QueueState::kPaused}});
  const Show lost{.show_id = kShow + 1, .settings = {.state = QueueState::kClosed}};
  const Show stale{.show_id = kShow, .settings = {.state = QueueState::kOff}};
  Service service(store_, clock_, metrics_, {.max_batch = 1});
  ASSERT_TRUE(service.Load({stale, lost}));
  EXPECT_EQ(SessionIn(RunOn(service, Join{kShow + 1, "ann"})).refusal, kQueueClosed);
  EXPECT_EQ(SessionIn(RunOn(service, JoinOf("ann"))).queue_state, QueueState::kPaused) << "as it is stored";
  EXPECT_EQ(PutBackCounter(metrics_).value(), 1);
}

TEST_F(ServiceTest, PlacesThatPeopleLeftStayInTheLineAfterARestart) {
  RunAll({Configure{.show_id = kShow, .state = QueueState::kPaused}, JoinOf("a"), JoinOf("b"), JoinOf("c"),
          JoinOf("d")});
  for (const uint64_t left : {1, 3, 4}) store_.sessions[{kShow, left}].state = SessionState::kExpired;
  const auto again = RunAll({JoinOf("b"), JoinOf("e")});
  EXPECT_EQ(SessionIn(again[0]).position, 2);
  EXPECT_EQ(SessionIn(again[1]).position, 5);
}

TEST_F(ServiceTest, WhereAnotherProcessMayLeadNothingIsDecidedAnsweredOrNoted) {
  bool leads = true;
  Service service(store_, clock_, metrics_, {.max_batch = 1}, [&leads] { return leads; });
  ASSERT_TRUE(service.Load());
  const auto run = [&](Command command) {
    std::promise<Result<Outcome>> promise;
    service.Submit(std::move(command),
                   [&](Result<Outcome> outcome) { promise.set_value(std::move(outcome)); });
    return promise.get_future().get();
  };
  ASSERT_TRUE(run(JoinOf("ann")));
  const int saves = store_.saves;
  leads = false;
  EXPECT_FALSE(service.leads());
  for (const Command& command :
       {JoinOf("ann"), JoinOf("bob"), Command(Tick{}), Command(Heartbeat{kShow, {1}})}) {
    const auto outcome = run(command);
    ASSERT_FALSE(outcome.has_value());
    EXPECT_EQ(outcome.error().reason, "not_leading");
    EXPECT_EQ(outcome.error().code, Code::kUnavailable) << "certainly not done";
  }
  EXPECT_EQ(store_.saves, saves);
  leads = true;
  EXPECT_TRUE(run(JoinOf("bob")));
}

TEST_F(ServiceTest, AFailedSaveLeavesMemoryAsItWas) {
  store_.failures = {Code::kUnavailable};
  const auto outcomes = RunAll({JoinOf("ann"), JoinOf("bob")});
  EXPECT_EQ(outcomes[0].error().reason, "database_unavailable");
  EXPECT_EQ(SessionIn(outcomes[1]).claims.sequence, 1);
  EXPECT_TRUE(works_);
}

TEST_F(ServiceTest, AStoreThatFailsShows) {
  store_.failures = {Code::kUnavailable};
  RunAll({JoinOf("ann")});
  EXPECT_FALSE(works_);
}

TEST_F(ServiceTest, AnUnknownCommitIsDecidedAgainWithWhatIsStored) {
  store_.failures = {Code::kUnknown};
  const auto outcomes = RunAll({JoinOf("ann")});
  EXPECT_EQ(SessionIn(outcomes[0]).claims.sequence, 1) << "it finds its own session";
  EXPECT_EQ(store_.loads, 2);
}

TEST_F(ServiceTest, AShowThatAnotherProcessWroteIsLoadedAgain) {
  RunAll({Configure{.show_id = kShow, .active_cap = 1}});
  Service first(store_, clock_, metrics_, {});
  Service second(store_, clock_, metrics_, {});
  ASSERT_TRUE(first.Load() && second.Load());
  std::vector<uint64_t> sequences;
  const auto note = [&](const Result<Outcome>& outcome) {
    sequences.push_back(SessionIn(outcome).claims.sequence);
  };
  first.Submit(JoinOf("ann"), note);
  first.Stop();
  second.Submit(JoinOf("bob"), note);
  second.Stop();
  EXPECT_THAT(sequences, ::testing::ElementsAre(1, 2));
  EXPECT_EQ(second.Views()[0].waiting, 2) << "of both processes together";
}

TEST_F(ServiceTest, WhatChangesNothingDurableIsNotSaved) {
  RunAll({JoinOf("ann"), JoinOf("ann"), Tick{}, Heartbeat{kShow, {1}}});
  EXPECT_EQ(store_.saves, 1);
}

TEST_F(ServiceTest, AHeartbeatIsPresenceForATickOfTheSameBatch) {
  RunAll({Configure{.show_id = kShow, .state = QueueState::kPaused}, JoinOf("ann")});
  Service service(store_, clock_, metrics_, {});
  ASSERT_TRUE(service.Load());
  for (int look = 0; look < 6; ++look) {  // past kPresence; an edge is there, which has not seen her
    clock_.Advance(kEdgesGone - 1s);
    service.NoteEdge();
    std::promise<void> done;
    service.Submit(Tick{}, [&done](const Result<Outcome>&) { done.set_value(); });
    done.get_future().wait();
  }
  const auto ignore = [](const Result<Outcome>&) {};
  service.Submit(Configure{.show_id = kShow, .state = QueueState::kOpen}, ignore);
  service.Submit(Heartbeat{kShow, {1, 99}}, ignore);
  service.Submit(Tick{}, ignore);
  service.Stop();
  EXPECT_EQ(service.Views()[0].active, 1);
}

TEST_F(ServiceTest, ARoundOfAdmissionIsTakenWhereThoseWhoComeAreTurnedAway) {
  std::promise<void> saving;
  std::promise<void> release;
  store_.on_save = [&, held = false]() mutable {
    if (std::exchange(held, true)) return;
    saving.set_value();
    release.get_future().wait();
  };
  Service service(store_, clock_, metrics_, {.max_batch = 1, .max_queue = 5});
  ASSERT_TRUE(service.Load());
  const auto ignore = [](const Result<Outcome>&) {};
  service.Submit(JoinOf("ann"), ignore);
  saving.get_future().wait();
  for (const char* user : {"bob", "cid", "dan", "eve"}) service.Submit(JoinOf(user), ignore);
  std::string refused;
  service.Submit(JoinOf("flo"), [&refused](const Result<Outcome>& outcome) {
    if (!outcome) refused = outcome.error().reason;
  });
  EXPECT_EQ(refused, "overloaded") << "at once";
  bool ticked = false;
  service.SubmitTick([&ticked](const Result<Outcome>& outcome) { ticked = outcome.has_value(); });
  release.set_value();
  service.Stop();
  EXPECT_TRUE(ticked);
}

class EdgesTest : public ServiceTest {
 protected:
  EdgesTest() {
    EXPECT_TRUE(service_.Load());
    service_.NoteEdge();
    (void)Run(Configure{.show_id = kShow, .active_cap = 1});
    ann_ = SessionIn(Run(JoinOf("ann"))).claims;
    bob_ = SessionIn(Run(JoinOf("bob"))).claims;
  }
  Result<Outcome> Run(Command command) { return RunOn(service_, std::move(command)); }
  SessionState StateOf(const Claims& claims) {
    return SessionIn(Run(Poll{{claims, {}}, claims.user_id})).state;
  }

  Service service_{store_, clock_, metrics_, {.max_batch = 1}};
  Claims ann_, bob_;
};

TEST_F(EdgesTest, WhileNoneIsThereNobodyLosesThePlaceAndThenAllCountAsSeen) {
  clock_.Advance(kPresence * 2);
  (void)Run(Tick{});
  EXPECT_EQ(service_.Views()[0].active, 1) << "she could not tell that she is there";
  EXPECT_EQ(service_.Views()[0].waiting, 1);
  service_.NoteEdge();
  (void)Run(Tick{});
  EXPECT_EQ(service_.Views()[0].show.expired, 0) << "their polls are yet to come";
  (void)Run(Leave{{ann_, {}}, "ann"});
  clock_.Advance(1s);
  (void)Run(Tick{});
  EXPECT_EQ(StateOf(bob_), SessionState::kActive);
}

TEST_F(EdgesTest, WhoeverIsHeardFirstAfterwardsFindsThePlaceToo) {
  clock_.Advance(kActiveTime * 2);
  EXPECT_EQ(StateOf(ann_), SessionState::kActive) << "before any edge has asked for the heads again";
  EXPECT_EQ(StateOf(bob_), SessionState::kWaiting);
}

// Her hold ends while the gateways are away, and its saga lets go of her session.
TEST_F(EdgesTest, WhileNoneIsThereASagaEndsNobodysTimeEither) {
  SeededRandom random(1);
  const SagaCall call{SagaId::Make(clock_.Now(), random), ReservationId::Make(clock_.Now(), random), "ann",
                      kShow};
  (void)Run(Bind{call, {ann_, {}}});
  clock_.Advance(kActiveTime * 2);
  (void)Run(Unbind{call});
  service_.NoteEdge();
  (void)Run(Tick{});
  EXPECT_EQ(StateOf(ann_), SessionState::kActive) << "she could not renew it";
}

TEST_F(EdgesTest, WhileNoneIsThereASagaBindsWhoeverWasIn) {
  SeededRandom random(1);
  const SagaCall call{SagaId::Make(clock_.Now(), random), ReservationId::Make(clock_.Now(), random), "ann",
                      kShow};
  clock_.Advance(kActiveTime * 2);
  const auto bound = std::get<BindAnswer>(Run(Bind{call, {ann_, {}}}).value());
  EXPECT_EQ(bound.kind, BindAnswer::Kind::kDone);
  EXPECT_EQ(bound.state, SessionState::kActive);
}

TEST_F(EdgesTest, WhileOneIsThereWhoIsNotSeenLosesThePlace) {
  for (int look = 0; look < 6; ++look) {  // past kPresence and kActiveTime
    clock_.Advance(kEdgesGone - 1s);
    service_.NoteEdge();
    (void)Run(Tick{});
  }
  EXPECT_EQ(StateOf(ann_), SessionState::kExpired);
  EXPECT_EQ(StateOf(bob_), SessionState::kExpired);
}

TEST_F(EdgesTest, ARestartWhileNoneIsThereLosesNobodyEither) {
  Service restarted(store_, clock_, metrics_, {.max_batch = 1});
  ASSERT_TRUE(restarted.Load());
  const auto tick = [&] {
    std::promise<void> done;
    restarted.Submit(Tick{}, [&done](const Result<Outcome>&) { done.set_value(); });
    done.get_future().wait();
  };
  clock_.Advance(kPresence * 2);
  tick();
  EXPECT_EQ(restarted.Views()[0].active, 1) << "no edge has asked since, and there must have been one";
  EXPECT_EQ(restarted.Views()[0].waiting, 1);
  restarted.NoteEdge();
  tick();
  EXPECT_EQ(restarted.Views()[0].show.expired, 0) << "everybody counts as seen now";
}

TEST_F(EdgesTest, WhatOneHasAskedByAClockAheadCountsAsAskedNow) {
  clock_.Advance(1h);  // for so short a time that no batch has seen it
  service_.NoteEdge();
  clock_.Advance(-1h);
  (void)Run(Tick{});
  service_.NoteEdge();
  clock_.Advance(kPresence * 2);
  (void)Run(Tick{});
  EXPECT_EQ(service_.Views()[0].show.expired, 0U) << "none has asked since, and nobody could be seen";
}

// A queue whose clock was an hour ahead when people joined and got in.
class ClockTest : public EdgesTest {
 protected:
  void Pass() {
    clock_.Advance(kEdgesGone - 1s);
    service_.NoteEdge();
    (void)Run(Heartbeat{kShow, {bob_.sequence}});
    (void)Run(Tick{});
  }
};

TEST_F(ClockTest, ASlotIsNotKeptUntilTheMomentThatAClockAheadHasNamed) {
  clock_.Advance(-1h);
  for (int look = 0; look < 7; ++look) Pass();  // past kActiveTime
  EXPECT_EQ(StateOf(ann_), SessionState::kExpired);
  EXPECT_EQ(StateOf(bob_), SessionState::kActive);
}

TEST_F(ClockTest, NobodyStaysActiveForLongerThanTheMostByTheClockThatIsRight) {
  clock_.Advance(-1h);
  for (Timestamp end = clock_.Now() + kActiveMax + 1min; clock_.Now() < end;) {
    (void)StateOf(ann_);  // she renews it all the time
    Pass();
  }
  EXPECT_EQ(StateOf(ann_), SessionState::kExpired);
}

TEST_F(ClockTest, WhoWasSeenByAClockAheadMustBeSeenAgain) {
  (void)Run(Leave{{ann_, {}}, "ann"});
  (void)Run(Configure{.show_id = kShow, .state = QueueState::kPaused});
  clock_.Advance(-1h);
  for (int look = 0; look < 7; ++look) {  // past kPresence
    clock_.Advance(kEdgesGone - 1s);
    service_.NoteEdge();
    (void)Run(Tick{});
  }
  (void)Run(Configure{.show_id = kShow, .state = QueueState::kOpen});
  (void)Run(Tick{});
  EXPECT_EQ(service_.Views()[0].active, 0U) << "she was not there for more than kPresence";
}

TEST_F(ClockTest, EdgesThatGoAfterwardsAreMissed) {
  clock_.Advance(-1h);
  Pass();
  clock_.Advance(kPresence * 2);
  (void)Run(Tick{});
  EXPECT_EQ(service_.Views()[0].show.expired, 0U);
}

TEST_F(ClockTest, EdgesThatGoWithTheStepBackAreMissedToo) {
  clock_.Advance(-1h);
  for (int look = 0; look < 7; ++look) {  // past kActiveTime, and never for so long that all count as seen
    (void)Run(Tick{});
    clock_.Advance(kEdgesGone - 1s);
  }
  (void)Run(Tick{});
  EXPECT_EQ(service_.Views()[0].show.expired, 0U) << "none has asked since";
}

TEST_F(ClockTest, ASmallStepBackRenewsNobody) {
  for (int look = 0; look < 5; ++look) Pass();  // nearly kActiveTime
  clock_.Advance(-kClockStep);
  (void)Run(Tick{});
  EXPECT_EQ(service_.Views()[0].active, 1U);
  clock_.Advance(kClockStep + 6s);
  service_.NoteEdge();
  (void)Run(Tick{});
  EXPECT_EQ(StateOf(ann_), SessionState::kExpired);
}

TEST_F(ClockTest, OldRowsArePurgedAMinuteAfterTheStepBack) {
  clock_.Advance(-1h);
  (void)Run(Tick{});
  EXPECT_EQ(store_.purges.size(), 0U);
  clock_.Advance(1min);
  (void)Run(Tick{});
  EXPECT_EQ(store_.purges.size(), 1U);
}

TEST_F(ClockTest, HowFastTheLineMovedByAClockAheadIsForgotten) {
  clock_.Advance(-1h);
  (void)Run(Tick{});
  clock_.Advance(10s);  // long enough for a measurement
  service_.NoteEdge();
  (void)Run(Tick{});
  EXPECT_EQ(service_.Views()[0].admitted_per_s, 0) << "nobody was admitted since";
  EXPECT_EQ(service_.Views()[0].pace_per_s, Settings().rate_per_s) << "nobody was called since";
}

TEST_F(ClockTest, ARestartBelievesNothingThatAClockAheadHasNamed) {
  clock_.Advance(-1h);
  Service restarted(store_, clock_, metrics_, {.max_batch = 1});
  ASSERT_TRUE(restarted.Load());
  const auto ann = [&] { return SessionIn(RunOn(restarted, Poll{{ann_, {}}, "ann"})); };
  EXPECT_EQ(ann().expires_at, clock_.Now() + kActiveTime);
  for (const Timestamp end = clock_.Now() + kActiveMax; clock_.Now() < end;) {
    EXPECT_EQ(ann().state, SessionState::kActive);  // each time it is renewed
    clock_.Advance(kEdgesGone - 1s);
  }
  EXPECT_EQ(ann().state, SessionState::kExpired);
}

class HeadsTest : public ServiceTest {
 protected:
  static std::vector<int64_t> ShowsIn(const Service::Heads& heads) {
    std::vector<int64_t> shows;
    for (const QueueView& view : heads.views) shows.push_back(view.show.show_id);
    return shows;
  }
  void Run(Service& service, Command command) {
    std::promise<void> done;
    service.Submit(std::move(command), [&done](const Result<Outcome>&) { done.set_value(); });
    done.get_future().wait();
  }
};

TEST_F(HeadsTest, WhoeverHasTheRestIsToldOnlyOfShowsThatLookDifferent) {
  RunAll({Join{1, "ann"}, Join{2, "ann"}});
  Service service(store_, clock_, metrics_, {.max_batch = 1});
  ASSERT_TRUE(service.Load());
  Service::Heads heads = service.HeadsSince({});
  EXPECT_THAT(ShowsIn(heads), ::testing::ElementsAre(1, 2));
  Run(service, Tick{});
  EXPECT_THAT(ShowsIn(service.HeadsSince(heads.at)), ::testing::IsEmpty()) << "as nothing has happened";
  Run(service, Join{2, "bob"});
  const Service::Heads changed = service.HeadsSince(heads.at);
  EXPECT_THAT(ShowsIn(changed), ::testing::ElementsAre(2));
  EXPECT_THAT(ShowsIn(service.HeadsSince(changed.at)), ::testing::IsEmpty());
  EXPECT_THAT(ShowsIn(service.HeadsSince(heads.at)), ::testing::ElementsAre(2)) << "another edge's look";
  EXPECT_EQ(service.Views().size(), 2U);
}

TEST_F(HeadsTest, WhatAnotherMemoryHasToldIsWorthNothing) {
  RunAll({Join{1, "ann"}});
  Service first(store_, clock_, metrics_, {.max_batch = 1});
  Service second(store_, clock_, metrics_, {.max_batch = 1});
  ASSERT_TRUE(first.Load() && second.Load());
  const Service::Moment at = first.HeadsSince({}).at;
  EXPECT_NE(second.HeadsSince({}).at.epoch, at.epoch);
  EXPECT_THAT(ShowsIn(second.HeadsSince(at)), ::testing::ElementsAre(1));
  store_.failures = {Code::kUnknown};  // so that it loads anew
  Run(first, Join{1, "bob"});
  Run(first, Tick{});
  EXPECT_THAT(ShowsIn(first.HeadsSince(at)), ::testing::ElementsAre(1)) << "it may have lost others";
  EXPECT_NE(first.HeadsSince({}).at.epoch, at.epoch);
}

TEST_F(ServiceTest, OldRowsArePurgedOnceAMinuteAndNotBeforeTheirTokensEnd) {
  Service service(store_, clock_, metrics_, {});
  ASSERT_TRUE(service.Load());
  const auto tick = [&] {
    std::promise<void> done;
    service.Submit(Tick{}, [&done](const Result<Outcome>&) { done.set_value(); });
    done.get_future().wait();
  };
  tick();
  EXPECT_EQ(store_.purges.size(), 0);
  clock_.Advance(1min);
  tick();
  tick();
  service.Stop();
  ASSERT_EQ(store_.purges.size(), 1);
  EXPECT_LT(store_.purges[0], clock_.Now() - kTokenLife - kClockSkew);
  EXPECT_EQ(
      metrics_
          .GetCounter("boxoffice_retention_deleted_total", "", {{"service", "queue"}, {"kind", "session"}})
          .value(),
      7);
}

TEST_F(ServiceTest, APurgeIsSpreadOverTicks) {
  store_.purge_parts = 3;
  Service service(store_, clock_, metrics_, {});
  ASSERT_TRUE(service.Load());
  for (size_t rounds = 0; rounds < 2; ++rounds) {
    clock_.Advance(1min);
    for (const size_t parts : {1U, 2U, 3U, 3U}) {
      ASSERT_TRUE(RunOn(service, Tick{}));
      EXPECT_EQ(store_.purges.size(), 3 * rounds + parts);
    }
  }
}

class ShowMetricsTest : public testing::Test {
 protected:
  QueueView View(int64_t show_id, QueueState state, uint64_t waiting) {
    QueueView view;
    view.show.show_id = show_id;
    view.show.settings.state = state;
    view.show.last_sequence = 5;
    view.show.admitted = 3;
    view.waiting = waiting;
    return view;
  }
  bool Shown(int64_t show_id) {
    const std::string text = metrics_.Render();
    return text.find("boxoffice_queue_show_waiting{show=\"" + std::to_string(show_id) + "\"}") !=
           std::string::npos;
  }
  obs::Registry metrics_;
  ShowMetrics shows_;
};

TEST_F(ShowMetricsTest, AClosedQueueIsShownUntilTheLastHasGone) {
  shows_.Note(View(1, QueueState::kOpen, 2), metrics_);
  EXPECT_EQ(metrics_.GetCounter("boxoffice_queue_admitted_total", "", {{"show", "1"}}).value(), 3U);
  EXPECT_EQ(metrics_.GetGauge("boxoffice_queue_show_open", "", {{"show", "1"}}).value(), 1);
  shows_.Note(View(1, QueueState::kClosed, 2), metrics_);
  EXPECT_EQ(metrics_.GetGauge("boxoffice_queue_show_open", "", {{"show", "1"}}).value(), 0);
  shows_.Note(View(1, QueueState::kClosed, 0), metrics_);
  EXPECT_EQ(metrics_.Render(), "");
  shows_.Note(View(2, QueueState::kOff, 0), metrics_);
  EXPECT_EQ(metrics_.Render(), "");
}

TEST_F(ShowMetricsTest, ThereAreNeverMoreShowsThanTheBound) {
  const auto bound = static_cast<int64_t>(ShowMetrics::kMaxShows);
  for (int64_t show = 1; show <= bound + 1; ++show) shows_.Note(View(show, QueueState::kOpen, 1), metrics_);
  EXPECT_TRUE(Shown(bound + 1)) << "the newest come first";
  EXPECT_TRUE(Shown(2));
  shows_.Note(View(1, QueueState::kOpen, 1), metrics_);
  EXPECT_FALSE(Shown(1));
  shows_.Note(View(2, QueueState::kClosed, 0), metrics_);
  shows_.Note(View(1, QueueState::kOpen, 1), metrics_);
  EXPECT_TRUE(Shown(1)) << "as soon as another one is over";
}

// Nobody has to close the queue of a show that is over.
TEST_F(ShowMetricsTest, AnOpenQueueWithNobodyInItMakesRoom) {
  const auto bound = static_cast<int64_t>(ShowMetrics::kMaxShows);
  for (int64_t show = 2; show <= bound + 1; ++show) shows_.Note(View(show, QueueState::kOpen, 0), metrics_);
  shows_.Note(View(1, QueueState::kOpen, 1), metrics_);
  EXPECT_TRUE(Shown(1)) << "somebody waits";
  EXPECT_FALSE(Shown(2)) << "the oldest of the others";
  shows_.Note(View(1, QueueState::kOpen, 0), metrics_);
  shows_.Note(View(2, QueueState::kOpen, 0), metrics_);
  EXPECT_TRUE(Shown(1)) << "until somebody is in another one";
  EXPECT_FALSE(Shown(2));
  shows_.Note(View(2, QueueState::kOpen, 1), metrics_);
  EXPECT_FALSE(Shown(1));
  EXPECT_TRUE(Shown(2));
  EXPECT_EQ(metrics_.GetCounter("boxoffice_queue_admitted_total", "", {{"show", "2"}}).value(), 3U)
      << "it goes on with what is stored";
}

TEST_F(ShowMetricsTest, WhoeverLeadsNoMoreShowsNothingAndLaterBeginsWithWhatIsStored) {
  shows_.Note(View(1, QueueState::kOpen, 2), metrics_);
  shows_.Clear(metrics_);
  EXPECT_EQ(metrics_.Render(), "");
  shows_.Note(View(1, QueueState::kOpen, 2), metrics_);
  EXPECT_EQ(metrics_.GetCounter("boxoffice_queue_admitted_total", "", {{"show", "1"}}).value(), 3U);
}

}  // namespace
}  // namespace boxoffice::queue
