// PREQUEUE, its draw, openings at a time, shows without a queue, and what is counted. No clock, no store.
#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "base/random.h"
#include "platform/auth/shuffle.h"
#include "services/queue/admission.h"
#include "services/queue/queue_rules.h"

namespace boxoffice::queue {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAreArray;
using Kind = BindAnswer::Kind;

constexpr int64_t kShow = 7;
const Timestamp kStart = FromUnixMs(1'800'000'000'000);
const std::string kSeed(64, 'a');

class DrawTest : public ::testing::Test {
 protected:
  std::vector<Outcome> RunAll(const std::vector<Command>& commands) {
    const Found found{.sagas = sagas_};
    Decision decision = Decide({.room = room_, .found = found, .max_places = max_places_}, commands, now_);
    for (const SagaRecord& record : decision.changes.sagas) sagas_ = {record};
    room_.Apply(decision.changes);
    return std::move(decision.outcomes);
  }
  template <typename Answer>
  Answer Run(Command command) {
    return std::get<Answer>(RunAll({std::move(command)}).front());
  }
  QueueView Set(QueueState state, std::optional<Timestamp> opens_at = {}) {
    return Run<QueueView>(Configure{.show_id = kShow,
                                    .state = state,
                                    .opens_at = opens_at,
                                    .seed = state == QueueState::kPrequeue ? kSeed : ""});
  }
  SessionAnswer DoJoin(int number) {
    return Run<SessionAnswer>(Join{kShow, "user" + std::to_string(number)});
  }
  std::vector<SessionAnswer> DoJoins(int first, int last) {
    std::vector<SessionAnswer> answers;
    for (int i = first; i <= last; ++i) answers.push_back(DoJoin(i));
    return answers;
  }
  SessionAnswer DoPoll(const SessionAnswer& of) {
    return Run<SessionAnswer>(Poll{{of.claims, {}}, of.claims.user_id});
  }
  SessionAnswer DoLeave(const SessionAnswer& of) {
    return Run<SessionAnswer>(Leave{{of.claims, {}}, of.claims.user_id});
  }
  BindAnswer DoBind(const SessionAnswer& of) {
    return Run<BindAnswer>(Bind{{saga_, reservation_, of.claims.user_id, kShow}, {of.claims, {}}});
  }
  // As it comes without a token.
  BindAnswer DoBindWithout() {
    return Run<BindAnswer>(Bind{{saga_, reservation_, "ann", kShow}, {.refusal = kTokenMissing}});
  }
  SagaCall Call() const { return {saga_, reservation_, "ann", kShow}; }
  void Tick(milliseconds later = {}) {
    now_ += later;
    Run<Nothing>(queue::Tick{});
  }
  // The room as a process that starts now finds it.
  WaitingRoom LoadedAnew() {
    WaitingRoom restored;
    restored.RestoreShow(show());
    for (uint64_t s = 1; s <= show().last_sequence; ++s) {
      if (const Waiter* waiter = queue().FindWaiter(s)) {
        restored.RestoreSession({.show_id = kShow,
                                 .sequence = s,
                                 .user_id = waiter->user_id,
                                 .state = SessionState::kWaiting,
                                 .joined_at = waiter->joined_at},
                                now_);
      } else if (const Session* member = queue().FindMember(s)) {
        restored.RestoreSession(*member, now_);
      }
    }
    restored.FinishRestore(now_);
    return restored;
  }
  const ShowQueue& queue() { return *room_.Find(kShow); }
  const Show& show() { return queue().show(); }
  // Whom the head has let in so far, by their sequences.
  std::vector<uint64_t> Active() {
    std::vector<uint64_t> active;
    for (uint64_t s = 1; s <= show().last_sequence; ++s) {
      if (const Session* member = queue().FindMember(s); member != nullptr) active.push_back(s);
    }
    return active;
  }

  SeededRandom random_{1};
  WaitingRoom room_;
  uint64_t max_places_ = kMaxPlaces;
  std::vector<SagaRecord> sagas_;
  Timestamp now_ = kStart;
  const SagaId saga_ = SagaId::Make(kStart, random_);
  const ReservationId reservation_ = ReservationId::Make(kStart, random_);
};

// ── the draw

TEST_F(DrawTest, APrequeueTakesJoinsAdmitsNobodyAndTellsNoPlaces) {
  Set(QueueState::kPrequeue, kStart + 60s);
  const auto joined = DoJoins(1, 3);
  Tick(1s);
  const SessionAnswer answer = DoPoll(joined[2]);
  EXPECT_EQ(answer.state, SessionState::kWaiting);
  EXPECT_EQ(answer.position, 0);
  EXPECT_EQ(answer.place, 0);
  EXPECT_EQ(answer.eta_s, 59);
  EXPECT_EQ(answer.queue_state, QueueState::kPrequeue);
  EXPECT_EQ(answer.opens_at, kStart + 60s);
  EXPECT_EQ(queue().active(), 0);
  EXPECT_EQ(show().head_sequence, 0);
}

TEST_F(DrawTest, ManyWhoAreToBeDrawnAskLessOftenThanAFew) {
  Set(QueueState::kPrequeue, kStart + 60s);
  const SessionAnswer first = DoJoin(1);
  now_ = kStart + 58s;
  EXPECT_EQ(DoPoll(first).refresh_interval_s, 1);
  DoJoins(2, 1'000);
  EXPECT_EQ(DoPoll(first).refresh_interval_s, 3) << "half of them are called within 10 s";
}

TEST_F(DrawTest, WhenItOpensPeopleAreCalledInTheOrderOfTheCommittedSeed) {
  Set(QueueState::kPrequeue);
  const auto joined = DoJoins(1, 20);
  const auth::Shuffle expected(kSeed, 0, 20);
  Set(QueueState::kOpen);
  EXPECT_EQ(show().draw.entrants, 20);
  EXPECT_EQ(show().draw.drawn_at, now_);
  for (const SessionAnswer& session : joined) {
    const SessionAnswer answer = DoPoll(session);
    EXPECT_EQ(answer.place, expected.PlaceOf(session.claims.sequence));
    EXPECT_EQ(answer.position, answer.place);
    EXPECT_EQ(answer.claims, session.claims) << "the token stays as it is";
  }
  Run<QueueView>(Configure{.show_id = kShow, .rate_per_s = 5, .active_cap = 5});
  Tick(1s);
  std::vector<uint64_t> first;
  for (uint64_t place = 1; place <= 5; ++place) first.push_back(expected.NumberAt(place));
  std::ranges::sort(first);
  EXPECT_THAT(Active(), ElementsAreArray(first));
}

TEST_F(DrawTest, AfterTheDrawAPositionNeverGrows) {
  Set(QueueState::kPrequeue);
  const auto joined = DoJoins(1, 60);
  Set(QueueState::kOpen);
  Run<QueueView>(Configure{.show_id = kShow, .rate_per_s = 8});
  std::vector<uint64_t> before(joined.size(), 61);
  for (int round = 0; round < 10; ++round) {
    DoJoin(1'000 + round);
    if (round == 3) DoLeave(joined[30]);
    Tick(1s);
    for (size_t i = 0; i < joined.size(); ++i) {
      const uint64_t position = DoPoll(joined[i]).position;
      EXPECT_LE(position, before[i]);
      before[i] = position;
    }
  }
  EXPECT_EQ(*std::ranges::max_element(before), 0) << "all were called";
}

TEST_F(DrawTest, WhoJoinsAfterTheDrawStandsBehindAllWhoWereDrawn) {
  Set(QueueState::kPrequeue);
  DoJoins(1, 10);
  Set(QueueState::kPaused);
  const SessionAnswer late = DoJoin(11);
  EXPECT_EQ(late.position, 11);
  EXPECT_EQ(late.place, 0);
}

TEST_F(DrawTest, WhoJoinedBeforeThePrequeueKeepsThePlace) {
  Set(QueueState::kPaused);
  const auto early = DoJoins(1, 4);
  Set(QueueState::kPrequeue);
  DoJoins(5, 30);
  EXPECT_EQ(DoPoll(early[2]).position, 3);
  Set(QueueState::kPaused);
  EXPECT_EQ(DoPoll(early[2]).position, 3);
  EXPECT_EQ(DoPoll(early[2]).place, 0);
  EXPECT_EQ(show().draw.first, 4);
  EXPECT_EQ(show().draw.entrants, 26);
}

TEST_F(DrawTest, JoinsAndTheOpeningInOneBatchAreDrawnTogether) {
  Set(QueueState::kPrequeue);
  DoJoins(1, 3);
  RunAll({Join{kShow, "user4"}, Join{kShow, "user5"}, Configure{.show_id = kShow, .state = QueueState::kOpen},
          queue::Tick{}});
  EXPECT_EQ(show().draw.entrants, 5);
  EXPECT_EQ(queue().active() + queue().waiting(), 5);
  Tick(1s);
  EXPECT_EQ(queue().active(), 5);
}

TEST_F(DrawTest, WhoeverLeftBeforeTheDrawUsesUpNoSlot) {
  Set(QueueState::kPrequeue);
  const auto joined = DoJoins(1, 20);
  for (size_t i = 0; i < 15; ++i) DoLeave(joined[i]);
  Run<QueueView>(Configure{.show_id = kShow, .rate_per_s = 5, .active_cap = 5});
  Set(QueueState::kOpen);
  Tick(1s);
  EXPECT_EQ(queue().active(), 5);
  EXPECT_EQ(show().left, 15);
}

TEST_F(DrawTest, AProcessThatStartsInTheMiddleHasTheSameOrder) {
  Set(QueueState::kPrequeue);
  const auto joined = DoJoins(1, 50);
  Set(QueueState::kOpen);
  Run<QueueView>(Configure{.show_id = kShow, .rate_per_s = 10});
  Tick(1s);
  WaitingRoom restored = LoadedAnew();
  const uint64_t waiting = queue().waiting();
  EXPECT_EQ(restored.Find(kShow)->waiting(), waiting);
  std::vector<uint64_t> positions;
  for (const SessionAnswer& session : joined) positions.push_back(DoPoll(session).position);
  room_ = std::move(restored);
  for (size_t i = 0; i < joined.size(); ++i) EXPECT_EQ(DoPoll(joined[i]).position, positions[i]);
}

TEST_F(DrawTest, AShowHasOneDraw) {
  Set(QueueState::kPrequeue);
  EXPECT_EQ(Set(QueueState::kPrequeue).refusal, "") << "it is one already";
  EXPECT_EQ(show().draw.seed, kSeed);
  Set(QueueState::kOpen);
  EXPECT_EQ(Set(QueueState::kPrequeue).refusal, kQueueDrawn);
  EXPECT_EQ(show().settings.state, QueueState::kOpen) << "nothing was changed";
}

TEST_F(DrawTest, ADrawOfNobodyIsOver) {
  Set(QueueState::kPrequeue);
  Set(QueueState::kOpen);
  EXPECT_TRUE(show().draw.Drawn());
  EXPECT_EQ(show().draw.entrants, 0);
  EXPECT_EQ(DoJoin(1).state, SessionState::kActive);
}

TEST_F(DrawTest, TheOrderIsForgottenOnceAllWhoWereDrawnAreCalled) {
  Set(QueueState::kPrequeue);
  DoJoins(1, 10);
  Set(QueueState::kOpen);
  EXPECT_NE(queue().order(), nullptr);
  Tick(1s);
  EXPECT_EQ(show().head_sequence, 10);
  EXPECT_EQ(queue().order(), nullptr);
}

TEST_F(DrawTest, InAPrequeueATokenThatEndsMovesNoHead) {
  Set(QueueState::kPrequeue);
  DoJoins(1, 3);
  Tick(kTokenLife + kClockSkew + 1ms);
  EXPECT_EQ(show().head_sequence, 0);
  Set(QueueState::kOpen);
  Tick(1s);
  EXPECT_EQ(show().expired, 3);
  EXPECT_EQ(show().head_sequence, 3);
}

// Who came as soon as a PREQUEUE of a day began.
TEST_F(DrawTest, WhoeverIsInOutlivesTheEndOfTheTokenThatSheWaitedWith) {
  Set(QueueState::kPrequeue, kStart + kTokenLife);
  const SessionAnswer waiting = DoJoin(1);
  now_ = kStart + kTokenLife;
  EXPECT_EQ(DoPoll(waiting).state, SessionState::kWaiting);
  Tick();
  const SessionAnswer in = DoPoll(waiting);
  ASSERT_EQ(in.state, SessionState::kActive);
  EXPECT_EQ(in.claims.expires_at, now_ + kActiveMax);
  now_ += kClockSkew + 1ms;
  EXPECT_EQ(DoPoll(waiting).state, SessionState::kActive) << "the text that she has is of before";
  EXPECT_EQ(DoBind(in).kind, Kind::kDone);
  Tick(kActiveTime);
  Tick();
  EXPECT_NE(queue().FindMember(1), nullptr) << "her saga goes on";
  now_ = in.claims.expires_at + kClockSkew + 1ms;
  EXPECT_EQ(DoPoll(in).refusal, kTokenExpired);
  Tick();
  EXPECT_EQ(queue().FindMember(1), nullptr);
}

// ── how long a line may be

// Whoever joins and leaves, again and again, would else fill all memory by the opening.
TEST_F(DrawTest, AFullLineRefusesJoinsAndWhoIsInItIsDrawnLoadedAnewAndAdmitted) {
  max_places_ = 3;
  Set(QueueState::kPrequeue);
  const auto joined = DoJoins(1, 3);
  DoLeave(joined[1]);
  EXPECT_EQ(DoJoin(4).refusal, kQueueFull) << "the place that was left stays in the line";
  EXPECT_EQ(Run<SessionAnswer>(Join{kShow + 1, "ann"}).refusal, kQueueFull) << "memory is one for all shows";
  EXPECT_EQ(DoJoin(1).claims, joined[0].claims) << "who is in it has the same place";
  room_ = LoadedAnew();
  EXPECT_EQ(DoJoin(4).refusal, kQueueFull) << "whoever leads next keeps to it, too";
  Set(QueueState::kOpen);
  EXPECT_EQ(show().draw.entrants, 3);
  Tick(1s);
  EXPECT_EQ(DoPoll(joined[0]).state, SessionState::kActive);
  EXPECT_EQ(DoPoll(joined[2]).state, SessionState::kActive);
  EXPECT_EQ(DoJoin(4).state, SessionState::kActive) << "whose place was called is in the line no more";
}

TEST_F(DrawTest, JoinsOfOneBatchDoNotPassTheBoundTogether) {
  max_places_ = 2;
  Set(QueueState::kPaused);
  const auto outcomes = RunAll({Join{kShow, "ann"}, Join{kShow + 1, "ann"}, Join{kShow, "bob"}});
  EXPECT_EQ(std::get<SessionAnswer>(outcomes[1]).refusal, "");
  EXPECT_EQ(std::get<SessionAnswer>(outcomes[2]).refusal, kQueueFull);
  EXPECT_EQ(room_.places(), 1) << "in the other show she was called at once";
}

// ── opening at a time

TEST_F(DrawTest, AQueueOpensByItselfAtItsTime) {
  for (const QueueState state :
       {QueueState::kPaused, QueueState::kClosed, QueueState::kPrequeue, QueueState::kOff}) {
    room_ = {};
    Set(state, now_ + 10s);
    Tick(9'999ms);
    EXPECT_EQ(show().settings.state, state);
    Tick(1ms);
    EXPECT_EQ(show().settings.state, QueueState::kOpen) << "also when nobody has come";
    EXPECT_EQ(show().settings.opens_at, Timestamp());
  }
}

TEST_F(DrawTest, AnOpeningOfAPrequeueDrawsAndAdmitsInOneRound) {
  Set(QueueState::kPrequeue, now_ + 10s);
  DoJoins(1, 10);
  Tick(10s);
  EXPECT_EQ(show().draw.entrants, 10);
  EXPECT_EQ(queue().active(), 10);
}

TEST_F(DrawTest, AnOpeningIsInTheFutureAndOfAQueueThatIsNotOpen) {
  EXPECT_EQ(Set(QueueState::kPaused, now_).refusal, kOpensAtOutOfRange);
  EXPECT_EQ(Set(QueueState::kPaused, now_ + kMaxOpensIn + 1ms).refusal, kOpensAtOutOfRange);
  EXPECT_EQ(room_.Find(kShow), nullptr) << "nothing was changed";
  EXPECT_EQ(Set(QueueState::kOpen, now_ + 1s).refusal, kQueueIsOpen);
  EXPECT_EQ(Run<QueueView>(Configure{.show_id = kShow, .opens_at = now_ + 1s}).refusal, kQueueIsOpen);
  EXPECT_EQ(Set(QueueState::kPaused, now_ + kMaxOpensIn).refusal, "");
}

TEST_F(DrawTest, AnotherStateForgetsTheOpeningAndAnotherRateDoesNot) {
  Set(QueueState::kPrequeue, now_ + 10s);
  EXPECT_EQ(Run<QueueView>(Configure{.show_id = kShow, .rate_per_s = 9}).show.settings.opens_at, now_ + 10s);
  EXPECT_EQ(Set(QueueState::kPaused).show.settings.opens_at, Timestamp());
  Set(QueueState::kPaused, now_ + 10s);
  EXPECT_EQ(Run<QueueView>(Configure{.show_id = kShow, .opens_at = Timestamp()}).show.settings.opens_at,
            Timestamp());
}

TEST_F(DrawTest, APausedQueueTellsWhenItGoesOn) {
  Set(QueueState::kPaused, now_ + 100s);
  const SessionAnswer answer = DoJoin(1);
  EXPECT_EQ(answer.queue_state, QueueState::kPaused);
  EXPECT_EQ(answer.eta_s, 101) << "the first at 50 a second, once it goes on";
}

TEST_F(DrawTest, AStandstillSaysNothingOfThePaceAfterTheOpening) {
  Run<QueueView>(Configure{.show_id = kShow, .rate_per_s = 10, .active_cap = 1});
  Set(QueueState::kPaused);
  DoJoins(1, 10);
  Tick(50s);
  Set(QueueState::kOpen);
  Tick(1s);
  EXPECT_DOUBLE_EQ(ViewOf(queue(), now_).pace_per_s, 10);
}

// ── no queue

TEST_F(DrawTest, WhereThereIsNoQueueNobodyJoinsAndEverySagaIsLetIn) {
  Set(QueueState::kOff);
  EXPECT_EQ(DoJoin(1).refusal, kQueueOff);
  EXPECT_EQ(DoBindWithout().kind, Kind::kDone);
}

TEST_F(DrawTest, WithoutATokenNobodyIsLetInWhereThereIsAQueue) {
  Set(QueueState::kOpen);
  const BindAnswer refused = DoBindWithout();
  EXPECT_EQ(refused.kind, Kind::kRefused);
  EXPECT_EQ(refused.refusal, kTokenMissing);
}

TEST_F(DrawTest, WhoWasLetInGoesOnWhenThereIsAQueueAgain) {
  Set(QueueState::kOff);
  DoBindWithout();
  Set(QueueState::kOpen);
  EXPECT_EQ(DoBindWithout().kind, Kind::kDone) << "recovery runs the list again";
  EXPECT_EQ(Run<BindAnswer>(Complete{Call()}).kind, Kind::kDone);
}

TEST_F(DrawTest, TheUndoOfASagaThatWasLetInAbortsItsLateBind) {
  Set(QueueState::kOff);
  DoBindWithout();
  EXPECT_EQ(Run<BindAnswer>(Unbind{Call()}).kind, Kind::kDone);
  EXPECT_EQ(DoBindWithout().kind, Kind::kAborted);
}

TEST_F(DrawTest, ASagaThatWasLetInForAnotherReservationIsAMismatch) {
  Set(QueueState::kOff);
  DoBindWithout();
  SagaCall other = Call();
  other.reservation = ReservationId::Make(kStart, random_);
  EXPECT_EQ(Run<BindAnswer>(Bind{other, {.refusal = kTokenMissing}}).kind, Kind::kMismatch);
}

TEST_F(DrawTest, WhoWaitedWhenTheQueueWasTurnedOffIsLetIn) {
  Set(QueueState::kPaused);
  const SessionAnswer waiting = DoJoin(1);
  Set(QueueState::kOff);
  EXPECT_EQ(DoPoll(waiting).queue_state, QueueState::kOff);
  EXPECT_EQ(DoBind(waiting).kind, Kind::kDone);
}

// ── what became of everybody

TEST_F(DrawTest, WhoJoinedWaitsIsActiveWasServedLeftOrExpired) {
  Run<QueueView>(Configure{.show_id = kShow, .rate_per_s = 4, .active_cap = 4});
  Set(QueueState::kPaused);
  const auto joined = DoJoins(1, 12);
  DoLeave(joined[0]);  // from the line
  Set(QueueState::kOpen);
  Tick(1s);  // admits 2 to 5
  DoBind(joined[1]);
  Run<BindAnswer>(Complete{{saga_, reservation_, joined[1].claims.user_id, kShow}});
  DoLeave(joined[2]);    // while ACTIVE
  Tick(kPresence + 1s);  // the time of 4 and 5 is over, and nobody in the line is there
  const QueueView view = ViewOf(queue(), now_);
  EXPECT_EQ(view.show.admitted, 4);
  EXPECT_EQ(view.show.completed, 1);
  EXPECT_EQ(view.show.left, 2);
  EXPECT_EQ(view.show.expired, 9);
  EXPECT_EQ(view.show.last_sequence,
            view.waiting + view.active + view.show.completed + view.show.left + view.show.expired);
}

TEST_F(DrawTest, WhoLeavesWhileASagaIsBoundAndBuysAfterAllWasServed) {
  const SessionAnswer session = DoJoin(1);
  DoBind(session);
  DoLeave(session);
  EXPECT_EQ(show().left, 0);
  EXPECT_EQ(show().expired, 1);
  Run<BindAnswer>(Complete{{saga_, reservation_, session.claims.user_id, kShow}});
  EXPECT_EQ(show().completed, 1);
  EXPECT_EQ(show().expired, 0);
}

}  // namespace
}  // namespace boxoffice::queue
