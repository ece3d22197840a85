// What each command does. No clock, no store: what a decision makes durable is kept in two maps, and what a
// batch asks for is read from them.
#include "services/queue/queue_rules.h"

#include <limits>
#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "base/random.h"

namespace boxoffice::queue {
namespace {

using namespace std::chrono_literals;
using Kind = BindAnswer::Kind;

constexpr int64_t kShow = 7;
const Timestamp kStart = FromUnixMs(1'800'000'000'000);

class QueueRulesTest : public ::testing::Test {
 protected:
  std::vector<Outcome> RunAll(const std::vector<Command>& commands) {
    Found found;
    const Keys keys = KeysOf(room_, commands);
    for (const SessionKey& key : keys.sessions) {
      if (const auto row = sessions_.find(key); row != sessions_.end()) found.sessions.push_back(row->second);
    }
    for (const SagaKey& key : keys.sagas) {
      if (const auto row = sagas_.find(key.saga); row != sagas_.end()) found.sagas.push_back(row->second);
    }
    Decision decision = Decide({room_, found}, commands, now_);
    durable_ = decision.changes.Durable();
    for (const ShowChange& show : decision.changes.shows) {
      for (const SessionChange& change : show.sessions) {
        const Session& session = change.session;
        if (change.Durable()) sessions_[{session.show_id, session.sequence}] = session;
      }
    }
    for (const SagaRecord& record : decision.changes.sagas) sagas_[record.saga] = record;
    room_.Apply(decision.changes);
    return std::move(decision.outcomes);
  }
  template <typename Answer>
  Answer Run(Command command) {
    return std::get<Answer>(RunAll({std::move(command)}).front());
  }

  SessionAnswer DoJoin(const std::string& user, int64_t show = kShow) {
    return Run<SessionAnswer>(Join{show, user});
  }
  SessionAnswer DoPoll(const SessionAnswer& of) {
    return Run<SessionAnswer>(Poll{{of.claims, {}}, of.claims.user_id});
  }
  SessionAnswer DoLeave(const SessionAnswer& of) {
    return Run<SessionAnswer>(Leave{{of.claims, {}}, of.claims.user_id});
  }
  static Bind BindOf(const SessionAnswer& of, SagaId saga, ReservationId reservation) {
    return {{saga, reservation, of.claims.user_id, of.claims.show_id}, {of.claims, {}}};
  }
  BindAnswer DoBind(const SessionAnswer& of, SagaId saga, ReservationId reservation) {
    return Run<BindAnswer>(BindOf(of, saga, reservation));
  }
  BindAnswer DoUnbind(const SessionAnswer& of, SagaId saga, ReservationId reservation) {
    return Run<BindAnswer>(Unbind{{saga, reservation, of.claims.user_id, of.claims.show_id}});
  }
  BindAnswer DoComplete(const SessionAnswer& of, SagaId saga, ReservationId reservation) {
    return Run<BindAnswer>(Complete{{saga, reservation, of.claims.user_id, of.claims.show_id}});
  }
  void DoTick() { Run<Nothing>(Tick{}); }
  void Pause() { Run<QueueView>(Configure{.show_id = kShow, .state = QueueState::kPaused}); }
  const ShowQueue& queue() { return *room_.Find(kShow); }
  SagaId NewSaga() { return SagaId::Make(now_, random_); }
  ReservationId NewReservation() { return ReservationId::Make(now_, random_); }

  SeededRandom random_{1};
  WaitingRoom room_;
  std::map<SessionKey, Session> sessions_;
  std::map<SagaId, SagaRecord> sagas_;
  Timestamp now_ = kStart;
  bool durable_ = false;
  const SagaId saga_ = NewSaga();
  const ReservationId reservation_ = NewReservation();
};

// ── joining, polling, leaving

TEST_F(QueueRulesTest, JoiningAgainWhileWaitingIsTheSameSession) {
  Pause();
  DoJoin("other");
  const auto first = DoJoin("ann");
  now_ += 1s;
  const auto again = DoJoin("ann");
  EXPECT_EQ(first.state, SessionState::kWaiting);
  EXPECT_EQ(again.claims, first.claims);
  EXPECT_EQ(queue().waiting(), 2);
  EXPECT_FALSE(durable_) << "nothing to save";
}

TEST_F(QueueRulesTest, JoiningAgainWhileActiveIsTheSameSession) {
  const auto first = DoJoin("ann");
  now_ += 1s;
  const auto again = DoJoin("ann");
  EXPECT_EQ(again.state, SessionState::kActive);
  EXPECT_EQ(again.claims, first.claims);
}

TEST_F(QueueRulesTest, JoiningTwiceInOneBatchIsOneSession) {
  Pause();
  const auto outcomes = RunAll({Join{kShow, "ann"}, Join{kShow, "ann"}});
  EXPECT_EQ(std::get<SessionAnswer>(outcomes[0]).claims, std::get<SessionAnswer>(outcomes[1]).claims);
  EXPECT_EQ(queue().show().last_sequence, 1);
}

TEST_F(QueueRulesTest, AnEndedSessionIsFollowedByANewSequence) {
  const auto left = DoJoin("ann");
  DoLeave(left);
  const auto completed = DoJoin("ann");
  EXPECT_EQ(completed.claims.sequence, 2);
  DoBind(completed, saga_, reservation_);
  DoComplete(completed, saga_, reservation_);
  const auto expired = DoJoin("ann");
  EXPECT_EQ(expired.claims.sequence, 3);
  now_ += kActiveTime;
  EXPECT_EQ(DoJoin("ann").claims.sequence, 4) << "its time was over before the tick came";
}

TEST_F(QueueRulesTest, LeavingAndJoiningInOneBatchGivesANewPlace) {
  Pause();
  const auto first = DoJoin("ann");
  const auto outcomes = RunAll({Leave{{first.claims, {}}, "ann"}, Join{kShow, "ann"}, Join{kShow, "ann"}});
  EXPECT_EQ(std::get<SessionAnswer>(outcomes[1]).claims.sequence, 2);
  EXPECT_EQ(std::get<SessionAnswer>(outcomes[2]).claims.sequence, 2);
  EXPECT_EQ(DoJoin("ann").claims.sequence, 2);
}

TEST_F(QueueRulesTest, ShowsAreQueuesOfTheirOwn) {
  EXPECT_EQ(DoJoin("ann", 7).claims.sequence, 1);
  EXPECT_EQ(DoJoin("ann", 8).claims.sequence, 1);
  EXPECT_EQ(room_.Find(8)->active(), 1);
}

TEST_F(QueueRulesTest, AShowThatNobodyConfiguredHasTheDefaults) {
  DoJoin("ann");
  EXPECT_EQ(queue().show().settings, (Settings{50, 500, QueueState::kOpen}));
}

TEST_F(QueueRulesTest, PositionIsTheDistanceToTheHeadAndNeverGrows) {
  Pause();
  std::vector<SessionAnswer> line;
  for (int i = 0; i < 30; ++i) line.push_back(DoJoin(std::to_string(i)));
  EXPECT_EQ(line[29].position, 30);
  Run<QueueView>(Configure{.show_id = kShow, .rate_per_s = 4, .state = QueueState::kOpen});
  uint64_t before = 30;
  for (int i = 0; i < 20; ++i) {
    now_ += 300ms;
    if (i % 3 == 0 && i < 14) DoLeave(line[static_cast<size_t>(2 * i)]);
    DoTick();
    const auto last = DoPoll(line[29]);
    if (last.state != SessionState::kWaiting) break;
    EXPECT_EQ(last.position, 30 - queue().show().head_sequence);
    EXPECT_LE(last.position, before);
    before = last.position;
  }
}

TEST_F(QueueRulesTest, WaitingAnswersWithTheTokensEndAndActiveWithTheSessions) {
  Pause();
  const auto waiting = DoJoin("ann");
  EXPECT_EQ(waiting.expires_at, kStart + kTokenLife);
  EXPECT_EQ(waiting.eta_s, 1);
  EXPECT_EQ(waiting.refresh_interval_s, 1);
  Run<QueueView>(Configure{.show_id = kShow, .state = QueueState::kOpen});
  DoTick();
  const auto active = DoPoll(waiting);
  EXPECT_EQ(active.expires_at, now_ + kActiveTime);
  EXPECT_EQ(active.position, 0);
  EXPECT_EQ(active.refresh_interval_s, 20);
}

TEST_F(QueueRulesTest, PollingRenewsAnActiveSessionUpToItsMaximum) {
  const auto session = DoJoin("ann");
  SessionAnswer answer;
  for (int minute = 4; minute < 30; minute += 4) {
    now_ = kStart + std::chrono::minutes(minute);
    answer = DoPoll(session);
    EXPECT_EQ(answer.expires_at, std::min(now_ + kActiveTime, kStart + kActiveMax));
    EXPECT_FALSE(durable_) << "a renewal is kept in memory";
  }
  now_ = kStart + kActiveMax;
  EXPECT_EQ(DoPoll(session).state, SessionState::kExpired);
}

TEST_F(QueueRulesTest, AnActiveSessionIsOverAtItsMomentEvenBeforeTheTick) {
  const auto session = DoJoin("ann");
  now_ += kActiveTime;
  const auto answer = DoPoll(session);
  EXPECT_EQ(answer.state, SessionState::kExpired);
  EXPECT_EQ(answer.refresh_interval_s, 0);
  EXPECT_EQ(queue().active(), 0);
  EXPECT_TRUE(durable_);
}

TEST_F(QueueRulesTest, APollOfAWaitingOneIsPresenceAndCostsNoCommit) {
  Pause();
  const auto session = DoJoin("ann");
  now_ += 10s;
  DoPoll(session);
  EXPECT_EQ(queue().FindWaiter(1)->last_seen, now_);
  EXPECT_FALSE(durable_);
}

TEST_F(QueueRulesTest, LeavingAgainIsTheSameAnswer) {
  const auto session = DoJoin("ann");
  EXPECT_EQ(DoLeave(session).state, SessionState::kExpired);
  EXPECT_EQ(DoLeave(session).state, SessionState::kExpired);
  EXPECT_FALSE(durable_);
  EXPECT_EQ(DoPoll(session).state, SessionState::kExpired);
  EXPECT_EQ(queue().show().left, 1);
}

TEST_F(QueueRulesTest, LeavingAfterThePurchaseChangesNothing) {
  const auto session = DoJoin("ann");
  DoBind(session, saga_, reservation_);
  DoComplete(session, saga_, reservation_);
  EXPECT_EQ(DoLeave(session).state, SessionState::kCompleted);
}

// ── tokens

TEST_F(QueueRulesTest, ATokenThatIsNotOursIsRefusedWithItsReason) {
  EXPECT_EQ(Run<SessionAnswer>(Poll{{{}, kTokenMalformed}, "ann"}).refusal, "token_malformed");
  EXPECT_EQ(Run<SessionAnswer>(Leave{{{}, kTokenSignature}, "ann"}).refusal, "token_signature");
}

TEST_F(QueueRulesTest, AnothersTokenIsRefused) {
  const auto session = DoJoin("ann");
  EXPECT_EQ(Run<SessionAnswer>(Poll{{session.claims, {}}, "bob"}).refusal, kTokenWrongUser);
  EXPECT_EQ(Run<SessionAnswer>(Leave{{session.claims, {}}, "bob"}).refusal, kTokenWrongUser);
  Bind bind = BindOf(session, saga_, reservation_);
  bind.call.user_id = "bob";
  EXPECT_EQ(Run<BindAnswer>(bind).refusal, kTokenWrongUser);
  EXPECT_EQ(DoPoll(session).state, SessionState::kActive);
}

TEST_F(QueueRulesTest, ATokenOfAnotherShowBindsNothing) {
  const auto session = DoJoin("ann");
  Bind bind = BindOf(session, saga_, reservation_);
  bind.call.show_id = 8;
  const auto answer = Run<BindAnswer>(bind);
  EXPECT_EQ(answer.kind, Kind::kRefused);
  EXPECT_EQ(answer.refusal, kTokenWrongShow);
}

TEST_F(QueueRulesTest, ATokenEndsADayAfterJoiningWithThirtySecondsOfTolerance) {
  const auto session = DoJoin("ann");
  now_ = kStart + 24h + 30s;
  EXPECT_EQ(DoPoll(session).state, SessionState::kExpired);
  now_ += 1ms;
  EXPECT_EQ(DoPoll(session).refusal, kTokenExpired);
}

TEST_F(QueueRulesTest, ATokenOfNoSessionIsUnknown) {
  const auto session = DoJoin("ann");
  Claims lost = session.claims;
  lost.sequence = 99;
  EXPECT_EQ(Run<SessionAnswer>(Poll{{lost, {}}, "ann"}).refusal, kTokenUnknown);
  Claims reused = session.claims;  // a sequence that was given anew after a loss
  reused.user_id = "bob";
  EXPECT_EQ(Run<SessionAnswer>(Poll{{reused, {}}, "bob"}).refusal, kTokenUnknown);
}

TEST_F(QueueRulesTest, AWaitingSessionWhoseTokenEndedIsFollowedByANewOne) {
  Pause();
  DoJoin("ann");
  now_ += kTokenLife + kClockSkew + 1ms;
  const auto again = DoJoin("ann");
  EXPECT_EQ(again.claims.sequence, 2);
  EXPECT_EQ(queue().waiting(), 1);
}

// ── bind, unbind, complete

TEST_F(QueueRulesTest, BindingNeedsAnActiveSession) {
  Pause();
  const auto waiting = DoJoin("ann");
  auto answer = DoBind(waiting, saga_, reservation_);
  EXPECT_EQ(answer.kind, Kind::kRefused);
  EXPECT_EQ(answer.refusal, kSessionNotActive);
  EXPECT_EQ(answer.state, SessionState::kWaiting);
  DoLeave(waiting);
  answer = DoBind(waiting, saga_, reservation_);
  EXPECT_EQ(answer.refusal, kSessionNotActive);
  EXPECT_EQ(answer.state, SessionState::kExpired);
}

TEST_F(QueueRulesTest, BindingAnExpiredSessionIsRefusedBeforeTheTick) {
  const auto session = DoJoin("ann");
  now_ += kActiveTime;
  EXPECT_EQ(DoBind(session, saga_, reservation_).refusal, kSessionNotActive);
}

TEST_F(QueueRulesTest, BindingRenews) {
  const auto session = DoJoin("ann");
  now_ += 4min;
  EXPECT_EQ(DoBind(session, saga_, reservation_).kind, Kind::kDone);
  EXPECT_EQ(queue().FindMember(1)->active_until, now_ + kActiveTime);
}

TEST_F(QueueRulesTest, BindingAgainIsTheSameAnswerAndCostsNoCommit) {
  const auto session = DoJoin("ann");
  EXPECT_EQ(DoBind(session, saga_, reservation_).kind, Kind::kDone);
  EXPECT_TRUE(durable_);
  EXPECT_EQ(DoBind(session, saga_, reservation_).kind, Kind::kDone);
  EXPECT_FALSE(durable_);
}

TEST_F(QueueRulesTest, BindingTheSameSagaWithOtherContentIsAMismatch) {
  const auto session = DoJoin("ann");
  const auto other_user = DoJoin("bob");
  DoBind(session, saga_, reservation_);
  EXPECT_EQ(DoBind(session, saga_, NewReservation()).kind, Kind::kMismatch);
  EXPECT_EQ(DoBind(other_user, saga_, reservation_).kind, Kind::kMismatch);
  EXPECT_EQ(DoBind(DoJoin("ann", 8), saga_, reservation_).kind, Kind::kMismatch);
  EXPECT_EQ(DoBind(session, saga_, reservation_).kind, Kind::kDone);
}

TEST_F(QueueRulesTest, OfTheSameSagaTwiceInOneBatchWithOtherContentTheEarlierWins) {
  const auto session = DoJoin("ann");
  const auto outcomes =
      RunAll({BindOf(session, saga_, reservation_), BindOf(session, saga_, NewReservation())});
  EXPECT_EQ(std::get<BindAnswer>(outcomes[0]).kind, Kind::kDone);
  EXPECT_EQ(std::get<BindAnswer>(outcomes[1]).kind, Kind::kMismatch);
}

TEST_F(QueueRulesTest, AnotherReservationMeetsABusySession) {
  const auto session = DoJoin("ann");
  DoBind(session, saga_, reservation_);
  const SagaId other = NewSaga();
  const auto answer = DoBind(session, other, NewReservation());
  EXPECT_EQ(answer.kind, Kind::kRefused);
  EXPECT_EQ(answer.refusal, kSessionBusy);
  DoUnbind(session, saga_, reservation_);
  EXPECT_EQ(DoBind(session, NewSaga(), NewReservation()).kind, Kind::kDone);
}

TEST_F(QueueRulesTest, ALaterSagaOfTheSameReservationTakesTheBindingOver) {
  const auto session = DoJoin("ann");
  const SagaId later = NewSaga();
  DoBind(session, saga_, reservation_);
  EXPECT_EQ(DoBind(session, later, reservation_).kind, Kind::kDone);
  EXPECT_EQ(queue().FindMember(1)->saga, later);
  EXPECT_EQ(DoBind(session, saga_, reservation_).kind, Kind::kDone) << "its recorded answer";
  EXPECT_EQ(DoBind(session, saga_, NewReservation()).kind, Kind::kMismatch);
  EXPECT_EQ(queue().FindMember(1)->saga, later) << "a late duplicate moves nothing back";
}

TEST_F(QueueRulesTest, UndoingASagaThatWasMovedOverLeavesTheLaterOneBound) {
  const auto session = DoJoin("ann");
  const SagaId later = NewSaga();
  DoBind(session, saga_, reservation_);
  DoBind(session, later, reservation_);
  EXPECT_EQ(DoUnbind(session, saga_, reservation_).kind, Kind::kDone);
  EXPECT_EQ(queue().FindMember(1)->saga, later);
  EXPECT_EQ(DoBind(session, saga_, reservation_).kind, Kind::kAborted);
}

TEST_F(QueueRulesTest, ExpiryDoesNotStopABoundSaga) {
  const auto session = DoJoin("ann");
  DoBind(session, saga_, reservation_);
  now_ += kActiveTime;
  DoTick();
  EXPECT_EQ(queue().active(), 0) << "the slot is free";
  auto answer = DoBind(session, saga_, reservation_);
  EXPECT_EQ(answer.kind, Kind::kDone);
  EXPECT_EQ(answer.state, SessionState::kExpired);
  EXPECT_EQ(DoComplete(session, saga_, reservation_).kind, Kind::kDone);
  EXPECT_EQ(queue().show().completed, 1);
  EXPECT_EQ(queue().show().expired, 0);
  EXPECT_EQ(DoPoll(session).state, SessionState::kCompleted);
}

TEST_F(QueueRulesTest, ABoundSagaIsNotAskedForItsTokenAgain) {
  const auto session = DoJoin("ann");
  DoBind(session, saga_, reservation_);
  Bind again = BindOf(session, saga_, reservation_);
  again.ticket = {{}, kTokenSignature};
  EXPECT_EQ(Run<BindAnswer>(again).kind, Kind::kDone);
}

TEST_F(QueueRulesTest, ALaterSagaOfABoundReservationGoesOnAfterExpiry) {
  const auto session = DoJoin("ann");
  DoBind(session, saga_, reservation_);
  now_ += kActiveTime;
  DoTick();
  EXPECT_EQ(DoBind(session, NewSaga(), NewReservation()).refusal, kSessionNotActive);
  EXPECT_EQ(DoBind(session, NewSaga(), reservation_).kind, Kind::kDone);
}

TEST_F(QueueRulesTest, UnbindReturnsThePlainActiveSession) {
  const auto session = DoJoin("ann");
  DoBind(session, saga_, reservation_);
  const auto answer = DoUnbind(session, saga_, reservation_);
  EXPECT_EQ(answer.kind, Kind::kDone);
  EXPECT_EQ(answer.state, SessionState::kActive);
  EXPECT_FALSE(queue().FindMember(1)->Bound());
}

TEST_F(QueueRulesTest, UnbindAfterItsTimeLeavesItExpired) {
  const auto session = DoJoin("ann");
  DoBind(session, saga_, reservation_);
  now_ += kActiveTime;
  EXPECT_EQ(DoUnbind(session, saga_, reservation_).state, SessionState::kExpired);
  EXPECT_EQ(queue().active(), 0);
  EXPECT_EQ(queue().FindMember(1), nullptr);
}

TEST_F(QueueRulesTest, UnbindLeavesATombstoneThatAbortsALateBind) {
  const auto session = DoJoin("ann");
  EXPECT_EQ(DoUnbind(session, saga_, reservation_).kind, Kind::kDone);
  EXPECT_EQ(DoBind(session, saga_, reservation_).kind, Kind::kAborted);
  EXPECT_FALSE(queue().FindMember(1)->Bound());
}

// Tombstones are kept for longer than any token that was issued before them.
TEST_F(QueueRulesTest, ALateBindAfterItsTombstoneWasPurgedIsRefusedByItsToken) {
  const auto session = DoJoin("ann");
  DoUnbind(session, saga_, reservation_);
  now_ += 25h;
  sagas_.clear();
  const auto late = DoBind(session, saga_, reservation_);
  EXPECT_EQ(late.kind, Kind::kRefused);
  EXPECT_EQ(late.refusal, kTokenExpired);
}

TEST_F(QueueRulesTest, UnbindAfterBindAbortsTheRepeatedBind) {
  const auto session = DoJoin("ann");
  DoBind(session, saga_, reservation_);
  DoUnbind(session, saga_, reservation_);
  EXPECT_EQ(DoBind(session, saga_, reservation_).kind, Kind::kAborted);
}

TEST_F(QueueRulesTest, UnbindAgainIsTheSameAndCostsNoCommit) {
  const auto session = DoJoin("ann");
  DoUnbind(session, saga_, reservation_);
  EXPECT_TRUE(durable_);
  EXPECT_EQ(DoUnbind(session, saga_, reservation_).kind, Kind::kDone);
  EXPECT_FALSE(durable_);
}

TEST_F(QueueRulesTest, UnbindOfARefusedBindIsFinalForItsSaga) {
  Pause();
  const auto session = DoJoin("ann");
  DoBind(session, saga_, reservation_);
  DoUnbind(session, saga_, reservation_);
  Run<QueueView>(Configure{.show_id = kShow, .state = QueueState::kOpen});
  DoTick();
  EXPECT_EQ(DoBind(session, saga_, reservation_).kind, Kind::kAborted) << "although it is ACTIVE by now";
}

TEST_F(QueueRulesTest, BindAndUnbindInOneBatchEndNeutralInEitherOrder) {
  const auto session = DoJoin("ann");
  const SagaCall call{saga_, reservation_, "ann", kShow};
  RunAll({BindOf(session, saga_, reservation_), Unbind{call}});
  EXPECT_FALSE(queue().FindMember(1)->Bound());
  const SagaId other = NewSaga();
  const auto outcomes =
      RunAll({Unbind{{other, reservation_, "ann", kShow}}, BindOf(session, other, reservation_)});
  EXPECT_EQ(std::get<BindAnswer>(outcomes[1]).kind, Kind::kAborted);
  EXPECT_FALSE(queue().FindMember(1)->Bound());
}

TEST_F(QueueRulesTest, CompleteFreesTheSlotAndEndsTheSession) {
  const auto session = DoJoin("ann");
  DoBind(session, saga_, reservation_);
  EXPECT_EQ(DoComplete(session, saga_, reservation_).kind, Kind::kDone);
  EXPECT_EQ(queue().active(), 0);
  EXPECT_EQ(queue().show().completed, 1);
  EXPECT_EQ(DoPoll(session).state, SessionState::kCompleted);
}

TEST_F(QueueRulesTest, CompleteAgainIsTheSameAndCostsNoCommit) {
  const auto session = DoJoin("ann");
  DoBind(session, saga_, reservation_);
  DoComplete(session, saga_, reservation_);
  EXPECT_EQ(DoComplete(session, saga_, reservation_).kind, Kind::kDone);
  EXPECT_FALSE(durable_);
  EXPECT_EQ(queue().show().completed, 1);
}

TEST_F(QueueRulesTest, BindAfterCompleteIsItsRecordedAnswer) {
  const auto session = DoJoin("ann");
  DoBind(session, saga_, reservation_);
  DoComplete(session, saga_, reservation_);
  EXPECT_EQ(DoBind(session, saga_, reservation_).kind, Kind::kDone);
  EXPECT_EQ(DoBind(session, saga_, NewReservation()).kind, Kind::kMismatch);
  EXPECT_EQ(DoBind(session, NewSaga(), NewReservation()).refusal, kSessionNotActive);
}

TEST_F(QueueRulesTest, CompleteOfASagaNobodyKnowsIsDone) {
  const auto session = DoJoin("ann");
  EXPECT_EQ(DoComplete(session, saga_, reservation_).kind, Kind::kDone);
  EXPECT_EQ(queue().active(), 1);
}

TEST_F(QueueRulesTest, CompleteByAnEarlierSagaOfTheReservationCompletes) {
  const auto session = DoJoin("ann");
  DoBind(session, saga_, reservation_);
  DoBind(session, NewSaga(), reservation_);
  EXPECT_EQ(DoComplete(session, saga_, reservation_).kind, Kind::kDone);
  EXPECT_EQ(DoPoll(session).state, SessionState::kCompleted);
}

TEST_F(QueueRulesTest, CompleteAfterUnbindIsAborted) {
  const auto session = DoJoin("ann");
  DoBind(session, saga_, reservation_);
  DoUnbind(session, saga_, reservation_);
  EXPECT_EQ(DoComplete(session, saga_, reservation_).kind, Kind::kAborted);
  EXPECT_EQ(queue().active(), 1);
}

TEST_F(QueueRulesTest, CompleteOfAnotherReservationIsAMismatch) {
  const auto session = DoJoin("ann");
  DoBind(session, saga_, reservation_);
  EXPECT_EQ(DoComplete(session, saga_, NewReservation()).kind, Kind::kMismatch);
  EXPECT_EQ(queue().active(), 1);
}

TEST_F(QueueRulesTest, LeavingDoesNotStopABoundSaga) {
  const auto session = DoJoin("ann");
  DoBind(session, saga_, reservation_);
  EXPECT_EQ(DoLeave(session).state, SessionState::kExpired);
  EXPECT_EQ(DoBind(session, saga_, reservation_).kind, Kind::kDone);
  EXPECT_EQ(DoJoin("ann").claims.sequence, 2);
  DoComplete(session, saga_, reservation_);
  EXPECT_EQ(queue().active(), 1) << "the new session is another one";
}

TEST_F(QueueRulesTest, ABindingThatIsNeverFinishedLeavesMemoryWithItsToken) {
  const auto session = DoJoin("ann");
  DoBind(session, saga_, reservation_);
  now_ += kActiveTime;
  DoTick();
  EXPECT_NE(queue().FindMember(1), nullptr);
  now_ = kStart + kTokenLife + kClockSkew + 1ms;
  DoTick();
  EXPECT_EQ(queue().FindMember(1), nullptr);
  EXPECT_EQ(room_.FindBound(saga_), std::nullopt);
  EXPECT_EQ(DoComplete(session, saga_, reservation_).kind, Kind::kDone);
}

// ── settings

TEST_F(QueueRulesTest, ConfigureChangesWhatIsSetAndTheRestStays) {
  auto view = Run<QueueView>(Configure{.show_id = kShow, .rate_per_s = 7.5});
  EXPECT_EQ(view.show.settings, (Settings{7.5, 500, QueueState::kOpen}));
  view = Run<QueueView>(Configure{.show_id = kShow, .active_cap = 9, .state = QueueState::kPaused});
  EXPECT_EQ(view.show.settings, (Settings{7.5, 9, QueueState::kPaused}));
  view = Run<QueueView>(Configure{.show_id = kShow});
  EXPECT_EQ(view.show.settings, (Settings{7.5, 9, QueueState::kPaused}));
  EXPECT_FALSE(durable_);
}

TEST_F(QueueRulesTest, SettingsOutOfTheirRangeAreRefusedByName) {
  const auto detail = [](const Configure& configure) {
    const auto result = CheckSettings(configure);
    return result ? "" : result.error().detail;
  };
  for (const double bad : {0.0, -1.0, 0.09, 100'001.0, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_EQ(detail({.rate_per_s = bad}), "rate_per_s: must be in 0.1 to 100000") << bad;
  }
  EXPECT_EQ(detail({.rate_per_s = 0.1}), "");
  EXPECT_EQ(detail({.rate_per_s = 100'000}), "");
  EXPECT_EQ(detail({.active_cap = 0}), "active_cap: must be in 1 to 1000000");
  EXPECT_EQ(detail({.active_cap = 1'000'001}), "active_cap: must be in 1 to 1000000");
  EXPECT_EQ(detail({.active_cap = 1}), "");
}

TEST_F(QueueRulesTest, TheViewCounts) {
  Run<QueueView>(Configure{.show_id = kShow, .active_cap = 2});
  const auto first = DoJoin("a");
  DoJoin("b");
  DoJoin("c");
  DoLeave(first);
  const QueueView view = ViewOf(queue(), now_);
  EXPECT_EQ(view.active, 1);
  EXPECT_EQ(view.waiting, 1);
  EXPECT_EQ(view.show.expired, 0);
  EXPECT_EQ(view.show.left, 1);
  EXPECT_EQ(view.show.admitted, 2);
  EXPECT_EQ(view.show.head_sequence, 2);
  EXPECT_EQ(view.show.last_sequence, 3);
  EXPECT_EQ(view.admitted_per_s, 0) << "nobody has waited long enough to measure";
}

}  // namespace
}  // namespace boxoffice::queue
