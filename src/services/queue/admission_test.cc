// Who is admitted, and when. No clock, no database: a Line is driven through Decide and Apply.
#include "services/queue/admission.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "base/random.h"
#include "services/queue/queue_rules.h"

namespace boxoffice::queue {
namespace {

using namespace std::chrono_literals;
using ::testing::IsEmpty;

constexpr int64_t kShow = 7;
const Timestamp kStart = FromUnixMs(1'800'000'000'000);

// One show's line at a moment that the test sets.
class AdmissionTest : public ::testing::Test {
 protected:
  Decision RunAll(const std::vector<Command>& commands) {
    const Found found;
    Decision decision = Decide({room_, found}, commands, now_);
    room_.Apply(decision.changes);
    return decision;
  }
  template <typename Answer>
  Answer Run(Command command) {
    return std::get<Answer>(RunAll({std::move(command)}).outcomes.front());
  }

  void Configure(std::optional<double> rate, std::optional<uint32_t> cap,
                 std::optional<QueueState> state = {}) {
    Run<QueueView>(queue::Configure{kShow, rate, cap, state});
  }
  SessionAnswer Join(const std::string& user) { return Run<SessionAnswer>(queue::Join{kShow, user}); }
  // Lets users "1", "2", … join a paused queue, so that none is admitted yet; then opens it with an empty
  // bucket.
  void Line(int count, double rate, uint32_t cap) {
    Configure(rate, cap, QueueState::kPaused);
    for (int i = 1; i <= count; ++i) Join(std::to_string(i));
    Configure({}, {}, QueueState::kOpen);
    ShowChange empty{.show = queue().show(), .pace = queue().pace()};
    empty.pace.credit = 0;
    empty.pace.credit_at = now_;
    room_.Apply({.shows = {empty}});
  }
  SessionAnswer Poll(const std::string& user, uint64_t sequence, Timestamp joined = kStart) {
    return Run<SessionAnswer>(queue::Poll{{{kShow, sequence, user, TokenEnd(joined)}, {}}, user});
  }
  SessionAnswer Leave(const std::string& user, uint64_t sequence) {
    return Run<SessionAnswer>(queue::Leave{{{kShow, sequence, user, TokenEnd(kStart)}, {}}, user});
  }
  void Tick() { Run<Nothing>(queue::Tick{}); }
  void Tick(milliseconds later) {
    now_ += later;
    Tick();
  }
  const ShowQueue& queue() { return *room_.Find(kShow); }
  uint64_t active() { return queue().active(); }
  uint64_t head() { return queue().show().head_sequence; }
  SessionState StateOf(uint64_t sequence) {
    if (queue().FindWaiter(sequence) != nullptr) return SessionState::kWaiting;
    const Session* member = queue().FindMember(sequence);
    return member != nullptr ? member->state : SessionState::kNone;
  }
  // Everybody in line gives a sign of life.
  void EveryoneIsSeen() {
    std::vector<uint64_t> all;
    for (uint64_t s = head() + 1; s <= queue().show().last_sequence; ++s) all.push_back(s);
    room_.Seen(kShow, all, now_);
  }

  WaitingRoom room_;
  Timestamp now_ = kStart;
};

TEST_F(AdmissionTest, AdmitsInTheOrderOfJoining) {
  Line(10, 2, 100);
  Tick(1s);
  EXPECT_EQ(StateOf(1), SessionState::kActive);
  EXPECT_EQ(StateOf(2), SessionState::kActive);
  EXPECT_EQ(StateOf(3), SessionState::kWaiting);
  EXPECT_EQ(head(), 2);
}

TEST_F(AdmissionTest, JoinsOfTheSameMillisecondKeepTheirOrder) {
  Configure(1, 100, QueueState::kPaused);
  (void)RunAll({queue::Join{kShow, "zoe"}, queue::Join{kShow, "adam"}});
  Configure({}, {}, QueueState::kOpen);
  Tick(1s);
  EXPECT_EQ(queue().FindMember(1)->user_id, "zoe");
  EXPECT_EQ(queue().FindMember(2), nullptr);
}

TEST_F(AdmissionTest, AClockThatGoesBackHoldsNobodyUp) {
  Line(10, 1, 100);
  now_ += 1h;
  EveryoneIsSeen();
  Tick();
  EXPECT_EQ(active(), 1);
  Tick(-1h);
  EXPECT_EQ(active(), 1);
  Tick(1s);
  EXPECT_EQ(active(), 2);
}

TEST_F(AdmissionTest, TheCapBoundsActive) {
  Line(10, 1000, 3);
  Tick(1s);
  EXPECT_EQ(active(), 3);
  Tick(1s);
  EXPECT_EQ(active(), 3);
}

TEST_F(AdmissionTest, AFreedSlotGoesToTheNextInLine) {
  Line(10, 1000, 3);
  Tick(1s);
  Leave("2", 2);
  EXPECT_EQ(active(), 2);
  Tick(250ms);
  EXPECT_EQ(active(), 3);
  EXPECT_EQ(StateOf(4), SessionState::kActive);
}

TEST_F(AdmissionTest, TheRateBoundsAdmissionsAndCarriesFractions) {
  Line(100, 10, 1000);
  for (int i = 0; i < 4; ++i) Tick(250ms);  // 2.5 each
  EXPECT_EQ(active(), 10);
  for (int i = 0; i < 40; ++i) Tick(250ms);
  EXPECT_EQ(active(), 100);
}

TEST_F(AdmissionTest, ARateBelowOneAdmitsAfterItsTime) {
  Line(3, 0.1, 1000);
  Tick(9s);
  EXPECT_EQ(active(), 0);
  Tick(1s);
  EXPECT_EQ(active(), 1);
  Tick(9s);
  EXPECT_EQ(active(), 1);
}

TEST_F(AdmissionTest, ABurstIsAtMostOneSecondOfTheRate) {
  Line(100, 10, 1000);
  Tick(60s);
  EXPECT_EQ(active(), 10);
}

TEST_F(AdmissionTest, AClockThatGoesBackAdmitsNobodyTwice) {
  Line(100, 10, 1000);
  Tick(1s);
  now_ -= 1s;
  Tick();
  Tick(1s);
  EXPECT_EQ(active(), 10);
}

TEST_F(AdmissionTest, TheAbsentUseUpNeitherRateNorSlot) {
  Line(20, 5, 5);
  now_ += kPresence + 1ms;
  room_.Seen(kShow, std::vector<uint64_t>{6, 12, 13, 14, 15, 16}, now_);
  Tick();
  EXPECT_EQ(active(), 5);
  EXPECT_EQ(StateOf(1), SessionState::kNone);
  EXPECT_EQ(StateOf(6), SessionState::kActive);
  EXPECT_EQ(StateOf(15), SessionState::kActive);
  EXPECT_EQ(StateOf(16), SessionState::kWaiting);
  EXPECT_EQ(queue().show().expired, 10);
}

TEST_F(AdmissionTest, APlaceIsKeptForThePresenceTime) {
  Line(1, 1, 5);
  Tick(kPresence);
  EXPECT_EQ(StateOf(1), SessionState::kActive);
}

TEST_F(AdmissionTest, WhoIsAbsentButNotCalledYetKeepsThePlace) {
  Line(3, 1000, 1);
  Tick(1s);
  for (int i = 0; i < 2; ++i) {
    now_ += 4min;
    Poll("1", 1);  // stays ACTIVE, and the cap is used up
  }
  Tick();
  EXPECT_EQ(StateOf(2), SessionState::kWaiting);
  Poll("2", 2);
  Leave("1", 1);
  Tick();
  EXPECT_EQ(StateOf(2), SessionState::kActive);
}

TEST_F(AdmissionTest, FiftyLeaversDoNotJamTheQueue) {
  Line(60, 5, 5);
  for (int i = 1; i <= 50; ++i) Leave(std::to_string(i), static_cast<uint64_t>(i));
  Tick(1s);
  EXPECT_EQ(active(), 5);
  EXPECT_EQ(StateOf(51), SessionState::kActive);
  EXPECT_EQ(head(), 55);
}

TEST_F(AdmissionTest, FiftyAbsentDoNotJamTheQueue) {
  Line(60, 5, 5);
  now_ += kPresence + 1s;
  for (uint64_t s = 51; s <= 60; ++s) room_.Seen(kShow, std::vector<uint64_t>{s}, now_);
  Tick();
  EXPECT_EQ(active(), 5);
  EXPECT_EQ(StateOf(55), SessionState::kActive);
}

TEST_F(AdmissionTest, ARoundEndsAfterItsMostCallsAndTheNextGoesOn) {
  constexpr int kAbsent = static_cast<int>(kMaxCallsPerRound) + 10;
  Line(kAbsent, 5, 5);
  now_ += kPresence + 1s;
  Join("present");
  Tick();
  EXPECT_EQ(head(), kMaxCallsPerRound);
  Tick();
  EXPECT_EQ(StateOf(kAbsent + 1), SessionState::kActive);
}

// As all dates of a tour, which open together: a round is one save.
TEST_F(AdmissionTest, ShowsThatAreCalledTogetherShareOneRound) {
  constexpr int64_t kShows = 3;
  std::vector<Command> joins;
  std::vector<Command> opening;
  for (int64_t show = 1; show <= kShows; ++show) {
    joins.push_back(queue::Configure{show, 5, 5, QueueState::kPaused});
    for (size_t i = 0; i < kMaxCallsPerRound + 10; ++i) joins.push_back(queue::Join{show, std::to_string(i)});
    opening.push_back(queue::Join{show, "present"});
    opening.push_back(queue::Configure{show, {}, {}, QueueState::kOpen});
  }
  (void)RunAll(joins);
  now_ += kPresence + 1s;
  (void)RunAll(opening);
  for (int64_t round = 0; round < kShows + 1; ++round) {
    const Decision decision = RunAll({queue::Tick{}});
    size_t changed = 0;
    for (const ShowChange& show : decision.changes.shows) changed += show.sessions.size();
    EXPECT_LE(changed, kMaxCallsPerRound);
  }
  for (int64_t show = 1; show <= kShows; ++show) {
    EXPECT_EQ(room_.Find(show)->active(), 1) << "of show " << show << " who is there has had the turn";
  }
}

TEST_F(AdmissionTest, WhatAShowDoesNotNeedOfARoundTheOthersHave) {
  Line(static_cast<int>(kMaxCallsPerRound), 5, 5);
  Run<QueueView>(queue::Configure{.show_id = kShow + 1, .state = QueueState::kPaused});
  Run<SessionAnswer>(queue::Join{kShow + 1, "waits"});
  Tick(kPresence + 1s);
  EXPECT_EQ(head(), kMaxCallsPerRound);
}

TEST_F(AdmissionTest, NoMoreMembersEndInARoundThanItMayChange) {
  constexpr int kMembers = static_cast<int>(kMaxCallsPerRound) + 10;
  Line(kMembers, kMaxRatePerS, kMembers);
  Tick(1s);
  Tick(1s);
  ASSERT_EQ(active(), kMembers);
  Tick(kActiveTime);
  EXPECT_EQ(active(), 10);
  Tick();
  EXPECT_EQ(active(), 0);
}

// Each join may find a line that all have left, as long as a round.
TEST_F(AdmissionTest, JoinsOfABatchShareItsRoundToo) {
  Line(static_cast<int>(kMaxCallsPerRound), 5, 5);
  for (uint64_t s = 1; s <= kMaxCallsPerRound; ++s) Leave(std::to_string(s), s);
  const auto outcomes = RunAll({queue::Join{kShow, "ann"}, queue::Join{kShow + 1, "bob"}}).outcomes;
  EXPECT_EQ(head(), kMaxCallsPerRound);
  EXPECT_EQ(std::get<SessionAnswer>(outcomes[1]).state, SessionState::kWaiting);
  Tick(1s);
  EXPECT_EQ(StateOf(kMaxCallsPerRound + 1), SessionState::kActive);
  EXPECT_EQ(room_.Find(kShow + 1)->active(), 1);
}

TEST_F(AdmissionTest, ANewcomerNeverTakesAFreeSlotPastTheLine) {
  Line(3, 1000, 3);
  now_ += 1s;  // there are slots and credit, and the tick has not come yet
  EXPECT_EQ(Join("newcomer").state, SessionState::kWaiting);
  EXPECT_EQ(active(), 0);
  Tick();
  EXPECT_EQ(StateOf(1), SessionState::kActive);
  EXPECT_EQ(StateOf(3), SessionState::kActive);
  EXPECT_EQ(StateOf(4), SessionState::kWaiting);
}

TEST_F(AdmissionTest, WhoFindsTheLineEmptyIsAdmittedAtOnce) {
  EXPECT_EQ(Join("first").state, SessionState::kActive);
  EXPECT_EQ(head(), 1);
}

TEST_F(AdmissionTest, WhoFindsTheLineEmptyStillNeedsASlotAndCredit) {
  Configure(1, 1);
  now_ += 1s;
  EXPECT_EQ(Join("first").state, SessionState::kActive);
  now_ += 1s;
  EXPECT_EQ(Join("no slot").state, SessionState::kWaiting);
  Configure({}, 10);
  Tick();
  EXPECT_EQ(active(), 2);
  EXPECT_EQ(Join("no credit").state, SessionState::kWaiting);
}

TEST_F(AdmissionTest, PromotionMovesTheMemberAndTheTokensState) {
  Line(1, 1, 1);
  EXPECT_EQ(Poll("1", 1).state, SessionState::kWaiting);
  Tick(1s);
  const SessionAnswer answer = Poll("1", 1);
  EXPECT_EQ(answer.state, SessionState::kActive);
  EXPECT_EQ(active(), 1);
  EXPECT_EQ(queue().waiting(), 0);
  EXPECT_EQ(answer.claims, (Claims{kShow, 1, "1", TokenEnd(kStart)}));  // hence the same text
}

TEST_F(AdmissionTest, PausedTakesJoinsAndAdmitsNobody) {
  Configure(100, 100, QueueState::kPaused);
  EXPECT_EQ(Join("a").state, SessionState::kWaiting);
  Tick(10s);
  EXPECT_EQ(active(), 0);
  Configure({}, {}, QueueState::kOpen);
  Tick();
  EXPECT_EQ(active(), 1);
}

TEST_F(AdmissionTest, ClosedTakesNoJoinsAndAdmitsNobodyButKeepsTheActive) {
  Line(2, 1, 10);
  Tick(1s);
  Configure({}, {}, QueueState::kClosed);
  EXPECT_EQ(Join("late").refusal, kQueueClosed);
  EXPECT_EQ(Join("2").state, SessionState::kWaiting) << "whoever has a place keeps it";
  Tick(10s);
  EXPECT_EQ(active(), 1);
  EXPECT_EQ(Poll("1", 1).state, SessionState::kActive);
}

TEST_F(AdmissionTest, ARateChangeCountsFromItsMoment) {
  Line(1000, 10, 1000);
  now_ += 500ms;
  Configure(100, {});  // 5 were earned at the old rate
  Tick();
  EXPECT_EQ(active(), 5);
  Tick(100ms);
  EXPECT_EQ(active(), 15);
}

TEST_F(AdmissionTest, ALowerRateTakesSavedCreditAway) {
  Line(1000, 100, 1000);
  now_ += 1s;
  Configure(2, {});
  Tick();
  EXPECT_EQ(active(), 2);
}

TEST_F(AdmissionTest, ALoweredCapAdmitsNobodyUntilActiveIsBelow) {
  Line(10, 1000, 4);
  Tick(1s);
  Configure({}, 2);
  EXPECT_EQ(active(), 4) << "whoever is in stays in";
  Leave("1", 1);
  Leave("2", 2);
  Tick(1s);
  EXPECT_EQ(active(), 2);
  Leave("3", 3);
  Tick(1s);
  EXPECT_EQ(active(), 2);
  EXPECT_EQ(StateOf(5), SessionState::kActive);
}

TEST_F(AdmissionTest, ActiveTimeEndsAndFreesTheSlotForTheSameRound) {
  Line(2, 1000, 1);
  Tick(1s);
  now_ += kActiveTime - 1ms;
  EveryoneIsSeen();
  Tick();
  EXPECT_EQ(StateOf(1), SessionState::kActive);
  Tick(1ms);
  EXPECT_EQ(StateOf(1), SessionState::kNone);
  EXPECT_EQ(StateOf(2), SessionState::kActive);
  EXPECT_EQ(queue().show().expired, 1);
}

TEST_F(AdmissionTest, WhatTheSameBatchHasEndedIsNotEndedAgain) {
  Line(1, 1000, 1);
  Tick(1s);
  now_ += kActiveTime;
  const Decision decision =
      RunAll({queue::Poll{{{kShow, 1, "1", TokenEnd(kStart)}, {}}, "1"}, queue::Tick{}});
  EXPECT_EQ(std::get<SessionAnswer>(decision.outcomes[0]).state, SessionState::kExpired);
  EXPECT_EQ(queue().show().expired, 1);
}

TEST_F(AdmissionTest, AWaitersTokenThatEndsGivesUpThePlaceAlsoWhilePaused) {
  Configure(1, 1, QueueState::kPaused);
  Join("a");
  now_ += kTokenLife + kClockSkew;
  EveryoneIsSeen();
  Tick();
  EXPECT_EQ(StateOf(1), SessionState::kWaiting);
  Tick(1ms);
  EXPECT_EQ(StateOf(1), SessionState::kNone);
  EXPECT_EQ(head(), 1);
}

TEST_F(AdmissionTest, NobodyIsAdmittedBeforeAnEarlierPresentOne) {
  Line(200, 7, 20);
  SeededRandom random(1);
  uint64_t last_called = 0;
  for (int round = 0; round < 400; ++round) {
    now_ += milliseconds(random.Below(2000));
    for (int i = 0; i < 5; ++i) {
      const uint64_t sequence = 1 + random.Below(200);
      if (random.Below(3) == 0) Leave(std::to_string(sequence), sequence);
      if (random.Below(50) == 0) Poll(std::to_string(sequence), sequence);
    }
    const ShowDraft draft(kShow, &queue(), {});
    const AdmissionDecision decision = DecideAdmission(draft, kMaxCallsPerRound, now_);
    for (const auto& call : decision.calls) {
      EXPECT_GT(call.sequence, last_called);
      for (uint64_t s = last_called + 1; s < call.sequence; ++s) EXPECT_EQ(queue().FindWaiter(s), nullptr);
      EXPECT_EQ(call.admitted, now_ - queue().FindWaiter(call.sequence)->last_seen <= kPresence);
      last_called = call.sequence;
    }
    Tick();
    EXPECT_LE(active(), 20);
  }
  EXPECT_EQ(head(), 200);
}

TEST_F(AdmissionTest, DecidingIsPureAndSaysWhatItLeaves) {
  Line(5, 2, 10);
  now_ += 1250ms;
  const ShowDraft draft(kShow, &queue(), {});
  const AdmissionDecision decision = DecideAdmission(draft, kMaxCallsPerRound, now_);
  EXPECT_EQ(decision.calls.size(), 2);
  EXPECT_EQ(decision.head, 2);
  EXPECT_DOUBLE_EQ(decision.credit, 0);
  EXPECT_THAT(decision.over.ended, IsEmpty());
  EXPECT_EQ(active(), 0);
}

}  // namespace
}  // namespace boxoffice::queue
