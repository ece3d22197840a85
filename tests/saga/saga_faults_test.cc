// Every step of every kind of saga, through the real services: failed before, failed after (the reply lost),
// its action and its undo repeated, delayed past the end, and refused with each of these in the way back.
// After each, the end is what the tables say, the audit is clean, and no late duplicate changes it.
#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "saga/world.h"
#include "services/reservation/saga/definition.h"

namespace boxoffice::faults {
namespace {

using reservation::DefinitionOf;
using reservation::SagaKind;
using reservation::State;
using reservation::Step;
using Kind = StepResult::Kind;

// One saga with its buyer.
struct Case {
  SagaKind kind = SagaKind::kHold;
  int refused_step = -1;  // of the definition; -1: none
  bool whole = false;     // of kCancelSeats: all its seats, and the fee is kept
  bool grace = false;     // the show lets the seats stay held after a refused payment
  std::optional<Injection> injection;

  std::string user_id;
  std::string token;
  std::vector<uint32_t> seats;
  std::vector<uint32_t> others;  // of kMove: the second seat's place is taken by this one
  std::string id;                // of the reservation

  [[nodiscard]] bool Refuses(std::string_view step) const {
    return refused_step >= 0 && DefinitionOf(kind).steps[static_cast<size_t>(refused_step)].name == step;
  }
  [[nodiscard]] std::string Name() const {
    std::string name = fmt::format("{}{}", reservation::KindName(kind), whole ? " of all" : "");
    if (refused_step >= 0) {
      name += fmt::format(", {} refused", DefinitionOf(kind).steps[static_cast<size_t>(refused_step)].name);
    }
    if (grace) name += ", with grace";
    if (injection && injection->all_of.empty()) {
      name += fmt::format(", call {} {} ×{}", injection->from, FaultName(injection->fault), injection->times);
    } else if (injection) {
      name += fmt::format(", every {} {}", injection->all_of, FaultName(injection->fault));
    }
    return name + " (" + user_id + ")";
  }
};

// Refusals as they really come about; each step has to have one here.
constexpr milliseconds kGrace = World::kHoldTtl;  // from the refusal on
constexpr std::string_view kForgedToken = "forged";
constexpr std::string_view kDeclines = "sandbox:decline";
std::string LosesSeatsBefore(const Case& c) {
  if (c.Refuses("hold-seats")) return "HoldSeats";
  if (c.Refuses("confirm-seats")) return "ConfirmSeats";
  if (c.Refuses("move-seats")) return "MoveSeats";
  return {};
}
bool CanRefuse(std::string_view step) {
  constexpr std::array<std::string_view, 6> kKnown = {"verify-queue",    "hold-seats",    "debit-wallet",
                                                      "approve-payment", "confirm-seats", "move-seats"};
  return std::ranges::find(kKnown, step) != kKnown.end();
}

// Seats that can't be held for the grace time, also when that is tried again, are given up: here the call
// after the payment's.
bool LosesGrace(const Case& c) {
  const int grace_call = c.refused_step + (c.kind == SagaKind::kConfirm ? 0 : 1);
  return c.injection && c.injection->from == grace_call && c.injection->times > 1;
}

// What the tables say.
State EndOf(const Case& c, bool timed_out) {
  const auto& definition = DefinitionOf(c.kind);
  if (timed_out) return definition.undone;
  if (c.whole) return State::kCancelled;
  if (c.grace) return LosesGrace(c) ? definition.undone : State::kHeld;
  if (c.refused_step < 0) return definition.done;
  const Step& step = definition.steps[static_cast<size_t>(c.refused_step)];
  return step.on_refusal == reservation::OnRefusal::kKeepHold ? State::kHeld : definition.undone;
}

// Those of its seats that are the reservation's in the end.
std::vector<uint32_t> KeptSeats(const Case& c, State end) {
  if (end != State::kHeld && end != State::kConfirmed) return {};
  if (c.kind == SagaKind::kCancelSeats) return {c.seats[1]};
  if (c.kind == SagaKind::kMove && c.refused_step < 0) return {c.seats[1], c.others[0]};
  return c.seats;
}

State StateOf(const reservation::v1::Reservation& reservation) {
  return static_cast<State>(static_cast<int>(reservation.state()) - 1);
}

class SagaFaults : public ::testing::TestWithParam<SagaKind> {
 protected:
  static void SetUpTestSuite() {
    world_ = std::make_unique<World>();
    held_.clear();
  }
  static void TearDownTestSuite() { world_.reset(); }

  static bool BeginsOnHold(SagaKind kind) {
    return kind == SagaKind::kConfirm || kind == SagaKind::kRelease || kind == SagaKind::kExpire;
  }

  static bool BeginsPaid(SagaKind kind) {
    return kind == SagaKind::kCancel || kind == SagaKind::kCancelSeats || kind == SagaKind::kMove;
  }

  // Every second one pays by an external provider.
  static std::string MethodOf(const Case& c) { return c.seats.front() % 4 == 1 ? "sandbox:approve" : ""; }

  static reservation::v1::Command Reserve(const Case& c, bool pay, const std::string& key) {
    reservation::v1::Command command;
    command.set_user_id(c.user_id);
    command.set_idempotency_key(key);
    auto& reserve = *command.mutable_reserve();
    reserve.set_show_id(world_->show_id());
    for (const uint32_t seat_no : c.seats) reserve.mutable_seats()->add_seat_nos(seat_no);
    reserve.set_pay(pay);
    reserve.set_queue_token(c.token);
    reserve.set_payment_method(MethodOf(c));
    return command;
  }

  // The buyers, in the show and with money, and what their saga begins on.
  static void Prepare(std::vector<Case>& cases) {
    std::vector<std::string> users;
    std::vector<std::string> rich;
    for (Case& c : cases) {
      c.user_id = fmt::format("buyer{}", ++buyers_);
      c.seats = world_->NextSeats();
      if (c.kind == SagaKind::kMove) c.others = {world_->NextCheapSeat()};
      users.push_back(c.user_id);
      if (!c.Refuses("debit-wallet")) rich.push_back(c.user_id);
    }
    world_->TopUp(rich);
    const auto tokens = world_->Enter(users);
    std::vector<reservation::v1::Command> commands;
    std::vector<Case*> begun;
    for (size_t i = 0; i < cases.size(); ++i) {
      Case& c = cases[i];
      c.token = tokens[i];
      if (!BeginsOnHold(c.kind) && !BeginsPaid(c.kind)) continue;
      commands.push_back(Reserve(c, BeginsPaid(c.kind), "begin"));
      begun.push_back(&c);
    }
    const auto outcomes = world_->Execute(commands);
    for (size_t i = 0; i < begun.size(); ++i) {
      const State state = StateOf(outcomes[i].reservation());
      ASSERT_EQ(state, BeginsPaid(begun[i]->kind) ? State::kConfirmed : State::kHeld);
      begun[i]->id = outcomes[i].reservation().id();
    }
    ASSERT_TRUE(world_->AwaitQuiet());
    for (const Case& c : cases) {
      world_->participants().Arm(c.user_id, {.injection = c.injection,
                                             .lose_seats_before = LosesSeatsBefore(c),
                                             .grace = c.grace ? kGrace : milliseconds(0)});
    }
  }

  // The request that begins the saga.
  static reservation::v1::Command Request(const Case& c) {
    const std::string method = c.Refuses("approve-payment") ? std::string(kDeclines) : MethodOf(c);
    reservation::v1::Command command;
    if (c.kind == SagaKind::kHold || c.kind == SagaKind::kOneShot) {
      command = Reserve(c, c.kind == SagaKind::kOneShot, "request");
      if (c.Refuses("verify-queue")) command.mutable_reserve()->set_queue_token(std::string(kForgedToken));
      command.mutable_reserve()->set_payment_method(method);
      return command;
    }
    command.set_user_id(c.user_id);
    command.set_idempotency_key("request");
    if (c.kind == SagaKind::kConfirm) {
      command.mutable_confirm()->set_reservation_id(c.id);
      command.mutable_confirm()->set_payment_method(method);
    } else if (c.kind == SagaKind::kMove) {
      command.set_user_id("operator of " + c.user_id);
      command.mutable_move()->set_reservation_id(c.id);
      command.mutable_move()->add_from_seat_nos(c.seats[0]);
      command.mutable_move()->add_to_seat_nos(c.others[0]);
      command.mutable_move()->set_reason("a pillar");
    } else {
      command.mutable_cancel()->set_reservation_id(c.id);
      // The whole without a fee is an operator's.
      if (c.kind == SagaKind::kCancel) command.set_user_id("operator of " + c.user_id);
      command.mutable_cancel()->set_by_operator(c.kind == SagaKind::kCancel);
      if (c.kind == SagaKind::kCancelSeats && !c.whole) command.mutable_cancel()->add_seat_nos(c.seats[0]);
    }
    return command;
  }

  static void Begin(std::vector<Case>& cases) {
    std::vector<reservation::v1::Command> commands;
    std::vector<Case*> asked;
    for (Case& c : cases) {
      if (c.kind == SagaKind::kExpire) continue;  // nobody asks for it
      commands.push_back(Request(c));
      asked.push_back(&c);
    }
    const auto outcomes = world_->Execute(commands);
    for (size_t i = 0; i < asked.size(); ++i) asked[i]->id = outcomes[i].reservation().id();
    if (asked.size() == cases.size()) return;
    for (const Case& c : cases) held_.push_back(c.id);
    world_->Jump(World::kHoldTtl + std::chrono::minutes(1));
    // Also what earlier cases have left held.
    ASSERT_TRUE(world_->AwaitAll(held_, [](const auto& r) { return StateOf(r) == State::kExpired; }));
    held_.clear();
  }

  // All of them at once, to their ends, and what is left then.
  static void Run(std::vector<Case>& cases) {
    ASSERT_NO_FATAL_FAILURE(Prepare(cases));
    ASSERT_NO_FATAL_FAILURE(Begin(cases));
    ASSERT_TRUE(world_->AwaitQuiet()) << "a saga does not end";
    ASSERT_NO_FATAL_FAILURE(ExpectClean(cases, /*timed_out=*/false));
  }

  static void ExpectClean(const std::vector<Case>& cases, bool timed_out) {
    ExpectEnds(cases, timed_out);
    world_->participants().ReleaseThieves();
    ExpectCleanAudit("when all have ended");
    std::vector<std::string> users;
    for (const Case& c : cases) users.push_back(c.user_id);
    for (const bool backwards : {false, true}) {
      const auto resent = world_->participants().ResendAll(users, backwards);
      for (const Case& c : cases) ExpectNoEffect(c, resent.at(c.user_id), timed_out);
      ExpectEnds(cases, timed_out);
      ExpectCleanAudit(backwards ? "after late duplicates of all calls, backwards"
                                 : "after late duplicates of all calls");
      if (HasFailure()) return;
    }
    for (const Case& c : cases) {
      if (EndOf(c, timed_out) == State::kHeld) held_.push_back(c.id);
    }
  }

  static void ExpectEnds(const std::vector<Case>& cases, bool timed_out) {
    const auto owners = world_->Owners();
    for (const Case& c : cases) {
      SCOPED_TRACE(c.Name());
      const auto reservation = world_->Get(c.id);
      const State end = EndOf(c, timed_out);
      EXPECT_EQ(reservation::StateName(StateOf(reservation)), reservation::StateName(end))
          << reservation.failure().code() << " " << reservation.failure().detail();
      const int64_t money = c.Refuses("debit-wallet") ? 0 : World::kTopUp;
      const bool paid = end == State::kConfirmed;
      const int64_t kept = (paid ? reservation.amount() : 0) + reservation.fees();
      EXPECT_EQ(world_->BalanceOf(c.user_id), money - kept);
      EXPECT_TRUE(!paid || reservation.amount() > 0);
      EXPECT_EQ(reservation.fees() > 0, c.kind == SagaKind::kCancelSeats);
      ExpectSeats(c, end, owners);
    }
  }

  static void ExpectSeats(const Case& c, State end, const std::map<uint32_t, SeatOwner>& owners) {
    const std::vector<uint32_t> kept = KeptSeats(c, end);
    const ReservationId thief = world_->participants().Thief(c.user_id);
    std::vector<uint32_t> seats = c.seats;
    seats.insert(seats.end(), c.others.begin(), c.others.end());
    for (const uint32_t seat_no : seats) {
      const auto owner = owners.find(seat_no);
      if (std::ranges::find(kept, seat_no) != kept.end()) {
        ASSERT_NE(owner, owners.end()) << "seat " << seat_no;
        EXPECT_EQ(owner->second.reservation, ReservationId::FromBytes(c.id));
        EXPECT_EQ(owner->second.sold, end == State::kConfirmed);
      } else if (!thief.IsNil()) {
        ASSERT_NE(owner, owners.end()) << "the next buyer's seat " << seat_no << " was freed";
        EXPECT_EQ(owner->second.reservation, thief);
      } else {
        EXPECT_EQ(owner, owners.end()) << "seat " << seat_no << " is not free";
      }
    }
  }

  static void ExpectCleanAudit(const std::string& when) {
    auto verdict = world_->Audit();
    EXPECT_TRUE(verdict.ok) << when;
    for (const auto& violation : verdict.violations) {
      ADD_FAILURE() << when << ": " << audit::InvariantName(violation.invariant) << " "
                    << (violation.ids.empty() ? "" : violation.ids.front()) << " " << violation.detail;
    }
    EXPECT_EQ(verdict.checked["in_motion"], 0) << when;
    EXPECT_EQ(verdict.checked["sagas_running"], 0) << when;
    EXPECT_GT(verdict.checked["reservations"], 0);
  }

  // What an undone saga sends is aborted, and what has ended takes no seat and no money back.
  static void ExpectNoEffect(const Case& c, const std::vector<Resent>& resent, bool timed_out) {
    SCOPED_TRACE(c.Name());
    const State end = EndOf(c, timed_out);
    const auto& definition = DefinitionOf(c.kind);
    const bool undone = definition.can_undo && end == definition.undone;
    const auto reservation = world_->Get(c.id);
    const auto saga = SagaId::FromBytes(reservation.saga().id());
    for (const Resent& call : resent) {
      if (!call.action) {
        EXPECT_EQ(KindName(call.answer), KindName(Kind::kDone)) << "undo " << call.call;
        continue;
      }
      if (undone && call.saga == saga) {
        EXPECT_EQ(KindName(call.answer), KindName(Kind::kAborted)) << call.call;
      }
      // Of what was given back in parts, the taking is answered as it was; nothing is taken again.
      const bool ended = end != State::kHeld && end != State::kConfirmed && !c.whole;
      const bool takes = call.call != "BindQueue";  // the session of a purchase stays COMPLETED
      if (ended && takes) {
        EXPECT_NE(KindName(call.answer), KindName(Kind::kDone)) << call.call;
      }
      if (call.call == "MoveSeats" && c.refused_step >= 0) {
        EXPECT_EQ(KindName(call.answer), KindName(Kind::kRefused)) << "for good: the seats are free by now";
      }
      if (end == State::kHeld && call.call == "DebitWallet") {
        EXPECT_EQ(KindName(call.answer), KindName(Kind::kAborted)) << "a top-up could make it succeed";
      }
    }
  }

  // How many steps find their work done, and call nobody: whoever confirms was let in with the hold.
  static size_t FoundDone(SagaKind kind) { return kind == SagaKind::kConfirm ? 1 : 0; }

  // Without faults: once as it should go, and once for each step that is refused. Their journals are the
  // calls that there are to hit.
  static std::vector<Case> Baselines(SagaKind kind) {
    std::vector<Case> cases{{.kind = kind}};
    if (kind == SagaKind::kCancelSeats) cases.push_back({.kind = kind, .whole = true});
    const auto& definition = DefinitionOf(kind);
    for (size_t i = FoundDone(kind); i < definition.steps.size(); ++i) {
      const reservation::OnRefusal on_refusal = definition.steps[i].on_refusal;
      if (!definition.can_undo && on_refusal != reservation::OnRefusal::kEndThere) continue;
      if (on_refusal == reservation::OnRefusal::kGrace) {
        cases.push_back({.kind = kind, .refused_step = static_cast<int>(i), .grace = true});
      }
      EXPECT_TRUE(CanRefuse(definition.steps[i].name))
          << "say here how " << definition.steps[i].name << " is refused";
      cases.push_back({.kind = kind, .refused_step = static_cast<int>(i)});
    }
    return cases;
  }

  static std::unique_ptr<World> world_;
  static int buyers_;
  static std::vector<std::string> held_;  // by cases of before
};
std::unique_ptr<World> SagaFaults::world_;
int SagaFaults::buyers_ = 0;
std::vector<std::string> SagaFaults::held_;

TEST_P(SagaFaults, EveryCallFailedBeforeFailedAfterRepeatedOrDelayedEndsAsTheTablesSay) {
  std::vector<Case> baselines = Baselines(GetParam());
  ASSERT_NO_FATAL_FAILURE(Run(baselines));
  const auto& steps = DefinitionOf(GetParam()).steps;
  std::vector<Case> cases;
  for (const Case& baseline : baselines) {
    const auto calls = static_cast<int>(world_->participants().Journal(baseline.user_id).size());
    const bool refused = baseline.refused_step >= 0;
    const auto found_done = static_cast<int>(FoundDone(GetParam()));
    EXPECT_GE(calls + found_done, refused ? baseline.refused_step + 2 : static_cast<int>(steps.size()))
        << baseline.Name() << ": each step is called, and what was refused is undone";
    for (int call = 0; call < calls; ++call) {
      for (const Fault fault : kFaults) {
        // Once: tried again at once. Twice: written down, and the list is run again.
        for (const int times : {1, 2}) {
          if (fault == Fault::kRepeated && times > 1) continue;
          cases.push_back(
              {.kind = baseline.kind,
               .refused_step = baseline.refused_step,
               .whole = baseline.whole,
               .grace = baseline.grace,
               .injection = Injection{.from = call, .times = times, .all_of = {}, .fault = fault}});
        }
      }
    }
  }
  ASSERT_NO_FATAL_FAILURE(Run(cases));
}

INSTANTIATE_TEST_SUITE_P(Kinds, SagaFaults,
                         ::testing::Values(SagaKind::kHold, SagaKind::kOneShot, SagaKind::kConfirm,
                                           SagaKind::kCancel, SagaKind::kRelease, SagaKind::kExpire,
                                           SagaKind::kCancelSeats, SagaKind::kMove),
                         [](const auto& param) { return std::string(KindName(param.param)); });

class SagaDeadline : public SagaFaults {
 protected:
  // Money goes back only after the provider has said that it keeps nothing, and seats only after the money.
  static void ExpectOrderOfUndo(const Case& c) {
    const auto journal = world_->participants().Journal(c.user_id);
    size_t last = 0;
    for (const std::string_view undo : {"CancelPayment", "RefundWallet", "ReleaseSeats", "UnbindQueue"}) {
      const auto found = std::ranges::find(journal, undo);
      if (found == journal.end()) continue;
      const auto at = static_cast<size_t>(found - journal.begin());
      EXPECT_GT(at, last) << c.Name() << ": " << undo;
      last = at;
    }
    EXPECT_EQ(journal.back(), "UnbindQueue") << c.Name();
  }
};

TEST_P(SagaDeadline, AStepThatIsUnknownUntilTheDeadlineIsUndoneAndItsLateDeliveryIsAborted) {
  std::vector<Case> baseline{{.kind = GetParam()}};
  ASSERT_NO_FATAL_FAILURE(Run(baseline));
  const auto calls = world_->participants().Journal(baseline[0].user_id);
  std::vector<Case> cases;
  for (const std::string& call : calls) {
    for (const Fault fault : {Fault::kNotSent, Fault::kReplyLost, Fault::kDelayed}) {
      cases.push_back({.kind = GetParam(),
                       .injection = Injection{.from = 0, .times = 0, .all_of = call, .fault = fault}});
    }
  }
  ASSERT_NO_FATAL_FAILURE(Prepare(cases));
  ASSERT_NO_FATAL_FAILURE(Begin(cases));
  std::vector<std::string> ids;
  for (const Case& c : cases) ids.push_back(c.id);
  ASSERT_TRUE(world_->AwaitAll(ids, [](const auto& reservation) { return reservation.saga().tries() > 0; }))
      << "nobody acts on a guess before the deadline";
  world_->Jump(reservation::Policy().saga_deadline + milliseconds(1));
  ASSERT_TRUE(world_->AwaitQuiet()) << "a saga does not end";
  for (const Case& c : cases) ExpectOrderOfUndo(c);
  ASSERT_NO_FATAL_FAILURE(ExpectClean(cases, /*timed_out=*/true));
}

INSTANTIATE_TEST_SUITE_P(Kinds, SagaDeadline,
                         ::testing::Values(SagaKind::kHold, SagaKind::kOneShot, SagaKind::kConfirm),
                         [](const auto& param) { return std::string(KindName(param.param)); });

class SagaExpiry : public SagaFaults {};

TEST_P(SagaExpiry, AHoldAndATokenThatEndInTheMiddleOfTheSagaDoNotStopIt) {
  std::vector<Case> cases;
  for (const std::string_view call : {"DebitWallet", "ApprovePayment", "ConfirmSeats"}) {
    cases.push_back({.kind = GetParam(),
                     .injection = Injection{
                         .from = 0, .times = 0, .all_of = std::string(call), .fault = Fault::kNotSent}});
  }
  ASSERT_NO_FATAL_FAILURE(Prepare(cases));
  world_->Jump(World::kHoldTtl - std::chrono::seconds(20));  // the session in the queue is over by now
  ASSERT_NO_FATAL_FAILURE(Begin(cases));
  std::vector<std::string> ids;
  for (const Case& c : cases) ids.push_back(c.id);
  ASSERT_TRUE(world_->AwaitAll(ids, [](const auto& reservation) { return reservation.saga().tries() > 0; }));
  world_->Jump(std::chrono::seconds(40));  // and so would be the hold, as it was
  for (const Case& c : cases) world_->participants().Arm(c.user_id, {});
  ASSERT_TRUE(world_->AwaitQuiet()) << "a saga does not end";
  ASSERT_NO_FATAL_FAILURE(ExpectClean(cases, /*timed_out=*/false));
}

INSTANTIATE_TEST_SUITE_P(Kinds, SagaExpiry, ::testing::Values(SagaKind::kConfirm),
                         [](const auto& param) { return std::string(KindName(param.param)); });

}  // namespace
}  // namespace boxoffice::faults
