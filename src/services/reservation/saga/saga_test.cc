// The saga, failed everywhere: every step of every kind, before and after its effect, its action and its undo
// repeated, the orchestrator dying at every call and every write. After each the world must be clean: all of
// it happened, or none. Participants are a model here; tests/saga does the same through the real services.
#include "services/reservation/saga/testing_saga.h"

namespace boxoffice::reservation {
namespace {

constexpr std::array kKinds = {SagaKind::kHold,        SagaKind::kOneShot, SagaKind::kConfirm,
                               SagaKind::kCancel,      SagaKind::kRelease, SagaKind::kExpire,
                               SagaKind::kCancelSeats, SagaKind::kMove};
constexpr std::array kCallFaults = {Fault::kNotDone, Fault::kReplyLost, Fault::kTwice,
                                    Fault::kRefused, Fault::kDies,      Fault::kDiesAfter};

TEST_F(SagaTest, WithoutFaultsEachKindEndsInItsStateWithTwoWritesAtMost) {
  const std::map<SagaKind, State> ends = {{SagaKind::kHold, State::kHeld},
                                          {SagaKind::kOneShot, State::kConfirmed},
                                          {SagaKind::kConfirm, State::kConfirmed},
                                          {SagaKind::kCancel, State::kCancelled},
                                          {SagaKind::kRelease, State::kReleased},
                                          {SagaKind::kExpire, State::kExpired},
                                          {SagaKind::kCancelSeats, State::kConfirmed},
                                          {SagaKind::kMove, State::kConfirmed}};
  for (const auto& [kind, end] : ends) {
    const Reservation reservation = Prepare(kind);
    const auto answer = Drive(reservation);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->reservation->state, end) << KindName(kind);
    EXPECT_EQ(book_->writes, 1) << "the intent was the first, this is the second";
    // A confirmation finds its first step done: the hold has bound the place in the queue.
    const size_t found_done = kind == SagaKind::kConfirm ? 1 : 0;
    EXPECT_EQ(world_->journal.size() + found_done, DefinitionOf(kind).steps.size());
    ExpectClean(std::string(KindName(kind)));
  }
}

TEST_F(SagaTest, EveryCallFailedInEveryWayLeavesACleanWorld) {
  for (const SagaKind kind : kKinds) {
    const auto steps = static_cast<int>(DefinitionOf(kind).steps.size());
    for (int call = 0; call < steps; ++call) {
      for (const Fault fault : kCallFaults) {
        // What only goes forward is never refused by a participant, but where it ends there.
        const Step& step = DefinitionOf(kind).steps[static_cast<size_t>(call)];
        const bool can_be_refused = DefinitionOf(kind).can_undo || step.on_refusal == OnRefusal::kEndThere;
        if (fault == Fault::kRefused && !can_be_refused) continue;
        for (const bool past_deadline : {false, true}) {
          RunWith(kind, {{call, fault}}, {}, past_deadline,
                  fmt::format("{} call {} fault {} late {}", KindName(kind), call, static_cast<int>(fault),
                              past_deadline));
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST_F(SagaTest, EveryCallOfTheUndoFailedInEveryWayLeavesACleanWorld) {
  for (const SagaKind kind : {SagaKind::kHold, SagaKind::kOneShot, SagaKind::kConfirm}) {
    const auto steps = static_cast<int>(DefinitionOf(kind).steps.size());
    for (int refused = 0; refused < steps; ++refused) {
      for (int undo = refused + 1; undo <= 2 * refused + 1; ++undo) {
        for (const Fault fault :
             {Fault::kNotDone, Fault::kReplyLost, Fault::kTwice, Fault::kDies, Fault::kDiesAfter}) {
          RunWith(kind, {{refused, Fault::kRefused}, {undo, fault}}, {}, false,
                  fmt::format("{} refused {} undo {} fault {}", KindName(kind), refused, undo,
                              static_cast<int>(fault)));
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST_F(SagaTest, EveryCallOfARefusedMoveFailedInEveryWayLeavesItAsItWas) {
  for (const Fault fault :
       {Fault::kNone, Fault::kNotDone, Fault::kReplyLost, Fault::kTwice, Fault::kDies, Fault::kDiesAfter}) {
    RunWith(SagaKind::kMove, {{0, Fault::kRefused}, {1, fault}}, {}, false,
            fmt::format("fault {}", static_cast<int>(fault)));
    EXPECT_EQ(Only().seats, kSeats);
    EXPECT_EQ(Only().failure->code, "seats_refused");
    EXPECT_TRUE(world_->tombstones.contains({Only().saga.id, "seats"})) << "no late duplicate moves it";
    if (HasFatalFailure()) return;
  }
}

TEST_F(SagaTest, EveryPairOfFaultyCallsLeavesACleanWorld) {
  for (const SagaKind kind : {SagaKind::kOneShot, SagaKind::kConfirm}) {
    for (int first = 0; first < 5; ++first) {
      for (int second = first + 1; second < 10; ++second) {
        for (const Fault a : kCallFaults) {
          for (const Fault b : kCallFaults) {
            RunWith(kind, {{first, a}, {second, b}}, {}, false,
                    fmt::format("{} {}:{} {}:{}", KindName(kind), first, static_cast<int>(a), second,
                                static_cast<int>(b)));
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

TEST_F(SagaTest, DyingBeforeOrAfterEveryWriteLosesNothing) {
  for (const SagaKind kind : kKinds) {
    for (const bool refused : {false, true}) {
      if (refused && !DefinitionOf(kind).can_undo) continue;
      std::map<int, Fault> calls;
      if (refused) calls[static_cast<int>(DefinitionOf(kind).steps.size()) - 1] = Fault::kRefused;
      for (int write = 0; write < 2; ++write) {
        for (const Fault fault : {Fault::kDies, Fault::kDiesAfter}) {
          for (const bool past_deadline : {false, true}) {
            RunWith(kind, calls, {{write, fault}}, past_deadline,
                    fmt::format("{} refused {} write {} fault {} late {}", KindName(kind), refused, write,
                                static_cast<int>(fault), past_deadline));
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace boxoffice::reservation
