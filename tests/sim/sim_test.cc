// Of the simulation itself: a run is its seed's, and everything that can go wrong with one does.
#include <csignal>
#include <cstdlib>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/obs/log.h"
#include "services/reservation/saga/definition.h"
#include "sim/crash_points.h"
#include "sim/mutants.h"
#include "sim/run.h"

namespace boxoffice::sim {
namespace {

using ::testing::IsEmpty;

class Simulation : public ::testing::Test {
 protected:
  void SetUp() override { obs::SetLogLevel(obs::Level::kError); }
  void TearDown() override { ChooseMutant(""); }
};

TEST_F(Simulation, TheSameSeedGivesTheSameRunEventByEvent) {
  for (const uint64_t seed : {1, 7, 23}) {
    const Ran first = RunSeed({.seed = seed, .trace = true});
    const Ran second = RunSeed({.seed = seed, .trace = true});
    EXPECT_GT(first.timeline.size(), 50U);
    EXPECT_EQ(first.timeline, second.timeline);
    EXPECT_EQ(first.fingerprint, second.fingerprint);
  }
}

TEST_F(Simulation, AnotherSeedGivesAnotherRun) {
  std::set<uint64_t> fingerprints;
  for (uint64_t seed = 1; seed <= 20; ++seed) fingerprints.insert(RunSeed({.seed = seed}).fingerprint);
  EXPECT_EQ(fingerprints.size(), 20U);
}

TEST_F(Simulation, ATraceDoesNotChangeTheRun) {
  EXPECT_EQ(RunSeed({.seed = 5, .trace = true}).fingerprint, RunSeed({.seed = 5}).fingerprint);
}

TEST_F(Simulation, EveryFaultMeetsEveryKindOfPoint) {
  std::set<std::pair<PointKind, Fault>> met;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    for (const Hit& hit : RunSeed({.seed = seed}).hits) met.emplace(hit.point.kind, hit.fault);
  }
  for (const PointKind kind :
       {PointKind::kCall, PointKind::kCommit, PointKind::kPublish, PointKind::kReply}) {
    for (const Fault fault : kChanceFaults)
      EXPECT_TRUE(met.contains({kind, fault})) << PointKindName(kind) << ", " << FaultName(fault);
  }
}

TEST_F(Simulation, SagasParkWhileTheAcquirerIsAwayAndEndOnceAnOperatorHasThemTriedAgain) {
  Ran ran;
  for (uint64_t seed = 1; ran.retried == 0; ++seed) {
    ASSERT_LE(seed, 300U) << "none had to";
    ran = RunSeed({.seed = seed});
    EXPECT_THAT(ran.wrong, IsEmpty()) << seed;
  }
}

TEST_F(Simulation, AnAcquirerErrsInEachWay) {
  size_t settled_outside = 0;
  size_t captured_late = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    const Ran ran = RunSeed({.seed = seed});
    settled_outside += ran.settled_outside;
    captured_late += ran.captured_late;
  }
  EXPECT_GT(settled_outside, 0U);
  EXPECT_GT(captured_late, 0U);
}

TEST_F(Simulation, WhatIsPublishedLateAnotherHasPublishedMeanwhile) {
  size_t overtaken = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) overtaken += RunSeed({.seed = seed}).overtaken;
  EXPECT_GT(overtaken, 0U);
}

TEST_F(Simulation, OperatorsChangeSomeShowsWhileTheyAreSold) {
  size_t shows = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) shows += RunSeed({.seed = seed}).operated > 3 ? 1 : 0;
  EXPECT_GT(shows, 30U);
}

TEST_F(Simulation, SomeShowsAreCancelledWhileTheyAreSold) {
  size_t shows = 0;
  size_t ended = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    const Ran ran = RunSeed({.seed = seed});
    shows += ran.ended_by_show > 0 ? 1 : 0;
    ended += ran.ended_by_show;
  }
  EXPECT_GT(shows, 5U);
  EXPECT_GT(ended, shows);
}

TEST_F(Simulation, SomeWhoWaitAreOfferedSeats) {
  size_t offers = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) offers += RunSeed({.seed = seed}).offers;
  EXPECT_GT(offers, 10U);
}

TEST_F(Simulation, EachCourseReachesEveryStepOfItsSaga) {
  for (const Course& course : AllCourses()) {
    const Ran ran = RunSaga(course, 1, {});
    EXPECT_THAT(ran.wrong, IsEmpty()) << course.Name();
    size_t calls = 0;
    for (const Point& point : ran.points) calls += point.kind == PointKind::kCall ? 1 : 0;
    size_t steps = reservation::DefinitionOf(course.kind).steps.size();
    // What is refused does not reach the steps after it, and the waitlist passes no queue.
    if (!course.can_pay || course.declined) steps = 3;
    if (course.kind == reservation::SagaKind::kConfirm || course.kind == reservation::SagaKind::kMove)
      --steps;
    EXPECT_GE(calls, steps) << course.Name();
  }
}

TEST_F(Simulation, ACrashPointIsRepeatedByItsName) {
  const auto point = ParseCrashPoint("confirm, declined/2/3:crash_after,7:delayed");
  ASSERT_TRUE(point.has_value());
  EXPECT_EQ(point->Name(), "confirm, declined/2/3:crash_after,7:delayed");
  for (const char* bad : {"", "confirm", "confirm/1", "nothing/1/3:delayed", "confirm/0/3:delayed",
                          "confirm/1/x:delayed", "confirm/1/3:explodes", "confirm/1/:"}) {
    EXPECT_FALSE(ParseCrashPoint(bad).has_value()) << bad;
  }
}

// A checker that never fails proves nothing.
TEST_F(Simulation, AFailingSeedIsMadeSmallAndStillFails) {
  ChooseMutant("wallet_refund_twice");
  uint64_t seed = 1;
  while (RunSeed({.seed = seed}).wrong.empty()) ASSERT_LT(++seed, 2'000U);
  const Ran whole = RunSeed({.seed = seed});
  const Ran least = Minimize({.seed = seed});
  EXPECT_FALSE(least.wrong.empty());
  EXPECT_FALSE(least.timeline.empty());
  EXPECT_LE(least.hits.size(), whole.hits.size());
}

TEST_F(Simulation, ThereAreAtLeast25PlantedFaults) {
  std::set<std::string_view> names;
  for (const Mutant& mutant : Mutants()) names.insert(mutant.name);
  EXPECT_GE(names.size(), 25U);
  EXPECT_EQ(names.size(), Mutants().size());
}

TEST_F(Simulation, AMutantThatThereIsNotIsRefused) {
  const Result<int> hunted = HuntMutants(1, "seat_no_tombston");
  ASSERT_FALSE(hunted.has_value());
  EXPECT_EQ(hunted.error().reason, "no_such_mutant");
}

TEST_F(Simulation, AMutantWhoseHuntIsEndedFromOutsideIsNotCaught) {
  const auto ended_by = [](int signal) {
    const pid_t child = ::fork();
    if (child == 0) {
      (void)std::signal(signal, SIG_DFL);
      (void)std::raise(signal);
      std::_Exit(0);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return status;
  };
  for (const int signal : {SIGKILL, SIGTERM}) EXPECT_FALSE(EndedItself(ended_by(signal))) << signal;
  for (const int signal : {SIGABRT, SIGSEGV, SIGILL, SIGBUS, SIGFPE})
    EXPECT_TRUE(EndedItself(ended_by(signal))) << signal;
  EXPECT_FALSE(EndedItself(0));
}

}  // namespace
}  // namespace boxoffice::sim
