// The saga, failed everywhere: every step of every kind, before and after its effect, its action and its undo
// repeated, the orchestrator dying at every call and every write. After each the world must be clean: all of
// it happened, or none.
#include <deque>
#include <functional>
#include <set>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>

#include "platform/obs/log.h"
#include "services/reservation/saga/runner.h"
#include "services/reservation/store_memory.h"

namespace boxoffice::reservation {
namespace {

using Kind = StepResult::Kind;

constexpr int64_t kPrice = 100;
constexpr int64_t kBalance = 1'000;

// What happens to one call.
enum class Fault {
  kNone,
  kNotDone,    // refused before it had an effect
  kReplyLost,  // done, but nobody is told
  kTwice,      // delivered twice
  kRefused,    // a business refusal (actions only)
  kDies,       // the orchestrator dies before the call
  kDiesAfter,  // … after it
};

// The participants with their primitive: an action by (saga, step) is done once, its undo leaves a tombstone.
class World final : public Participants {
 public:
  struct Call {
    std::string name;
    Fault fault;
  };
  // Which call of the run meets which fault; counted from 0.
  std::map<int, Fault> faults;
  int calls = 0;
  std::vector<std::string> journal;
  bool dead = false;

  // The world's state.
  std::optional<SagaId> bound;
  std::optional<ReservationId> seat_owner;
  bool sold = false;
  int64_t balance = kBalance;
  std::map<SagaId, int64_t> debits;
  std::map<uint32_t, bool> approvals;  // by attempt: approved and not cancelled
  std::set<std::pair<SagaId, std::string>> tombstones;
  bool completed = false;

  asio::awaitable<StepResult> BindQueue(const Reservation& r) override {
    return Do("bind", r.saga.id, [this, saga = r.saga.id] { bound = saga; });
  }
  asio::awaitable<StepResult> UnbindQueue(const Reservation&, SagaId bound_saga) override {
    return Undo("bind", bound_saga, [this, bound_saga] {
      if (bound == bound_saga) bound.reset();
    });
  }
  asio::awaitable<StepResult> CompleteQueue(const Reservation&) override {
    completed = true;
    co_return StepResult{};
  }
  asio::awaitable<StepResult> HoldSeats(Reservation& r, Timestamp until) override {
    StepResult result = co_await Do("seats", r.saga.id, [this, id = r.id] {
      if (seat_owner && *seat_owner != id) return false;
      seat_owner = id;
      return true;
    });
    if (result.kind == Kind::kDone) {
      r.seats = {{1, "A-1", kPrice, "S"}};
      r.amount = kPrice;
      r.currency = "KRW";
      r.hold_expires_at = std::max(until, FromUnixMs(1));
    }
    co_return result;
  }
  asio::awaitable<StepResult> ConfirmSeats(const Reservation& r) override {
    return Do("seats", r.saga.id, [this, id = r.id] {
      if (seat_owner != id) return false;
      sold = true;
      return true;
    });
  }
  asio::awaitable<StepResult> ReleaseSeats(const Reservation& r) override {
    return Undo("seats", r.saga.id, [this, id = r.id] {
      if (seat_owner != id) return;
      seat_owner.reset();
      sold = false;
    });
  }
  asio::awaitable<StepResult> DebitWallet(const Reservation& r) override {
    return Do("debit", r.saga.id, [this, saga = r.saga.id, amount = r.amount] {
      if (debits.contains(saga)) return true;
      if (balance < amount) return false;
      debits[saga] = amount;
      balance -= amount;
      return true;
    });
  }
  asio::awaitable<StepResult> RefundWallet(const Reservation&, SagaId debit_saga) override {
    return Undo("debit", debit_saga, [this, debit_saga] {
      const auto found = debits.find(debit_saga);
      if (found == debits.end()) return;
      balance += found->second;
      debits.erase(found);
    });
  }
  asio::awaitable<StepResult> ApprovePayment(const Reservation& r) override {
    return Do("payment", r.saga.id, [this, attempt = r.saga.attempt] {
      if (declines) return false;
      approvals[attempt] = true;
      return true;
    });
  }
  asio::awaitable<StepResult> CancelPayment(const Reservation& r, uint32_t attempt) override {
    const SagaId saga = attempt == r.saga.attempt ? r.saga.id : r.paid_saga;
    return Undo("payment", saga, [this, attempt] { approvals.erase(attempt); });
  }
  asio::awaitable<Result<Timestamp>> CancelDeadline(int64_t) override { co_return FromUnixMs(1LL << 50); }

  bool declines = false;

 private:
  // GCC 12 miscompiles braced temporaries in co_await expressions; everything here is a plain local.
  template <typename Effect>
  asio::awaitable<StepResult> Do(std::string step, SagaId saga, Effect effect) {
    return Carry(step, [this, saga, step, effect]() -> StepResult {
      StepResult result;
      if (tombstones.contains({saga, step})) {
        result.kind = Kind::kAborted;
        return result;
      }
      bool taken = true;
      if constexpr (std::is_same_v<decltype(effect()), bool>) {
        taken = effect();
      } else {
        effect();
      }
      if (!taken) {
        result.kind = Kind::kRefused;
        result.refusal.code = step + "_refused";
      }
      return result;
    });
  }
  template <typename Effect>
  asio::awaitable<StepResult> Undo(std::string step, SagaId saga, Effect effect) {
    return Carry("undo-" + step, [this, saga, step, effect]() -> StepResult {
      tombstones.insert({saga, step});
      effect();
      return StepResult();
    });
  }
  asio::awaitable<StepResult> Carry(std::string name, std::function<StepResult()> act) {
    const auto found = faults.find(calls);
    const Fault fault = found == faults.end() ? Fault::kNone : found->second;
    ++calls;
    journal.push_back(name);
    StepResult lost;
    lost.kind = Kind::kUnknown;
    lost.error = Error{Code::kUnknown, "timeout", name};
    if (fault == Fault::kDies) dead = true;
    if (dead) co_return lost;
    if (fault == Fault::kNotDone) {
      lost.kind = Kind::kUnavailable;
      co_return lost;
    }
    if (fault == Fault::kRefused && !name.starts_with("undo-")) {
      StepResult refused;
      refused.kind = Kind::kRefused;
      refused.refusal.code = name + "_refused";
      co_return refused;
    }
    StepResult result = act();
    if (fault == Fault::kTwice) result = act();
    if (fault == Fault::kDiesAfter) dead = true;
    if (fault == Fault::kReplyLost || dead) co_return lost;
    co_return result;
  }
};

// Writes at once; can die before or after a write.
class FakeBook final : public Book {
 public:
  FakeBook(MemoryStore& store, World& world, const Clock& clock, const Policy& policy)
      : store_(store), world_(world), clock_(clock), policy_(policy) {}
  std::map<int, Fault> faults;
  int writes = 0;

  asio::awaitable<Result<Outcome>> Write(Command command) override {
    const auto found = faults.find(writes);
    const Fault fault = found == faults.end() ? Fault::kNone : found->second;
    ++writes;
    if (fault == Fault::kDies) world_.dead = true;
    const Error dead{Code::kUnavailable, "dead", {}};
    if (world_.dead) co_return std::unexpected(dead);
    Outcome outcome = Apply(command);
    if (fault == Fault::kDiesAfter) world_.dead = true;
    if (world_.dead) co_return std::unexpected(dead);
    co_return outcome;
  }

  Outcome Apply(const Command& command) {
    const std::span commands(&command, 1);
    const Rows rows = store_.Load(KeysOf(commands), clock_.Now()).value();
    Decided decided = Decide(rows, commands, clock_.Now(), policy_);
    const auto saved = store_.Save(decided.decision.changes).value();
    if (std::ranges::find(saved, false) != saved.end()) return Stale{};
    return std::move(decided.decision.outcomes[0]);
  }

 private:
  MemoryStore& store_;
  World& world_;
  const Clock& clock_;
  const Policy& policy_;
};

class SagaTest : public ::testing::Test {
 protected:
  void SetUp() override { obs::SetLogLevel(obs::Level::kError); }
  void Reset() {
    store_ = MemoryStore();
    world_ = std::make_unique<World>();
    book_ = std::make_unique<FakeBook>(store_, *world_, clock_, policy_);
    MakeRunner();
  }
  void MakeRunner() {
    runner_ = std::make_unique<Runner>(io_.get_executor(), *world_, *book_, clock_, random_, policy_,
                                       RetryPolicy{.retries = 0, .first_pause = milliseconds(0)}, metrics_);
  }

  Result<Answer> Drive(Reservation reservation) {
    std::optional<Result<Answer>> answer;
    asio::co_spawn(
        io_,
        [&, reservation]() -> asio::awaitable<void> {
          auto got = co_await runner_->Run(reservation);
          answer.emplace(std::move(got));
        },
        asio::detached);
    io_.restart();
    io_.run();
    return *answer;
  }

  Reservation Begin(SagaKind kind, const std::string& key) {
    BeginReserve begin;
    begin.key = {"buyer", key};
    begin.reservation.id = ReservationId::Make(clock_.Now(), random_);
    begin.reservation.user_id = "buyer";
    begin.reservation.choice.seat_nos = {1};
    begin.reservation.saga.id = SagaId::Make(clock_.Now(), random_);
    begin.reservation.saga.kind = kind;
    return std::get<Started>(book_->Apply(begin)).reservation;
  }
  Reservation BeginAgain(const Reservation& on, bool cancel, const std::string& key) {
    BeginOn begin;
    begin.key = {"buyer", key};
    begin.reservation_id = on.id;
    begin.saga_id = SagaId::Make(clock_.Now(), random_);
    begin.cancel = cancel;
    begin.cancel_deadline = FromUnixMs(1LL << 50);
    return std::get<Started>(book_->Apply(begin)).reservation;
  }

  // The saga of `kind`, ready to run, in a world prepared for it (its faults not counted).
  Reservation Prepare(SagaKind kind) {
    Reset();
    if (kind == SagaKind::kHold || kind == SagaKind::kOneShot) return Begin(kind, "k");
    const bool paid = kind == SagaKind::kCancel;
    const Reservation first = Begin(paid ? SagaKind::kOneShot : SagaKind::kHold, "first");
    const Reservation held = Drive(first)->reservation;
    EXPECT_EQ(held.state, paid ? State::kConfirmed : State::kHeld);
    Reservation next;
    if (kind == SagaKind::kExpire) {
      clock_.Advance(milliseconds(3'600'000));
      next = ClaimOne();
    } else {
      next = BeginAgain(held, kind != SagaKind::kConfirm, "k");
    }
    EXPECT_EQ(next.saga.kind, kind);
    world_->calls = 0;
    world_->journal.clear();
    world_->completed = false;
    book_->writes = 0;
    return next;
  }

  Reservation ClaimOne() {
    Claim claim{"recoverer", 1, {SagaId::Make(clock_.Now(), random_)}};
    Outcome outcome = book_->Apply(claim);
    auto& claimed = std::get<Claimed>(outcome).reservations;
    return claimed.empty() ? Reservation() : claimed.front();
  }

  // Other replicas recover until nothing is due, as the scan does.
  void Recover(bool past_deadline) {
    world_->dead = false;
    if (past_deadline) clock_.Advance(policy_.saga_deadline + milliseconds(1));
    for (int round = 0; round < 30; ++round) {
      clock_.Advance(policy_.lease + milliseconds(1));
      // A hold that is merely held is not expired by the test's leap in time.
      const Reservation& now = Only();
      if (now.saga.status != SagaStatus::kRunning) return;
      MakeRunner();
      const Reservation claimed = ClaimOne();
      if (claimed.id.IsNil()) continue;
      (void)Drive(claimed);
    }
  }

  const Reservation& Only() { return store_.reservations().begin()->second; }

  size_t Count(std::string_view type) {
    return static_cast<size_t>(std::ranges::count(store_.events(), type));
  }

  // The invariants of failure-semantics §3 that concern one reservation.
  void ExpectClean(const std::string& where) {
    SCOPED_TRACE(where);
    const Reservation& r = Only();
    ASSERT_EQ(r.saga.status, SagaStatus::kDone) << StateName(r.state) << " " << r.saga.last_error;
    const bool approved = !world_->approvals.empty();
    if (r.state == State::kConfirmed) {
      EXPECT_TRUE(approved);
      EXPECT_EQ(world_->approvals.size(), 1U);
      EXPECT_EQ(world_->balance, kBalance - kPrice);
      EXPECT_EQ(world_->debits.size(), 1U);
      EXPECT_EQ(world_->seat_owner, r.id);
      EXPECT_TRUE(world_->sold);
      EXPECT_EQ(Count("reservation.confirmed"), 1U);
      return;
    }
    EXPECT_FALSE(approved);
    EXPECT_EQ(world_->balance, kBalance);
    EXPECT_FALSE(world_->sold);
    if (r.state == State::kHeld) {
      EXPECT_EQ(world_->seat_owner, r.id);
    } else {
      EXPECT_EQ(world_->seat_owner, std::nullopt);
      // After a purchase the slot's own expiry is the safety net, so a cancellation does not look at it.
      EXPECT_TRUE(r.state == State::kCancelled || !world_->bound.has_value());
    }
  }

  // One run of `kind` with a fault, recovered to its end.
  void RunWith(SagaKind kind, const std::map<int, Fault>& calls, const std::map<int, Fault>& writes,
               bool past_deadline, const std::string& where) {
    const Reservation reservation = Prepare(kind);
    world_->faults = calls;
    book_->faults = writes;
    (void)Drive(reservation);
    world_->faults.clear();
    book_->faults.clear();
    Recover(past_deadline);
    ExpectClean(where);
  }

  ManualClock clock_;
  SeededRandom random_{7};
  Policy policy_;
  obs::Registry metrics_;
  asio::io_context io_;
  MemoryStore store_;
  std::unique_ptr<World> world_;
  std::unique_ptr<FakeBook> book_;
  std::unique_ptr<Runner> runner_;
};

constexpr std::array kKinds = {SagaKind::kHold,   SagaKind::kOneShot, SagaKind::kConfirm,
                               SagaKind::kCancel, SagaKind::kRelease, SagaKind::kExpire};
constexpr std::array kCallFaults = {Fault::kNotDone, Fault::kReplyLost, Fault::kTwice,
                                    Fault::kRefused, Fault::kDies,      Fault::kDiesAfter};

TEST_F(SagaTest, WithoutFaultsEachKindEndsInItsStateWithTwoWritesAtMost) {
  const std::map<SagaKind, State> ends = {
      {SagaKind::kHold, State::kHeld},         {SagaKind::kOneShot, State::kConfirmed},
      {SagaKind::kConfirm, State::kConfirmed}, {SagaKind::kCancel, State::kCancelled},
      {SagaKind::kRelease, State::kReleased},  {SagaKind::kExpire, State::kExpired}};
  for (const auto& [kind, end] : ends) {
    const Reservation reservation = Prepare(kind);
    const auto answer = Drive(reservation);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->reservation.state, end) << KindName(kind);
    EXPECT_EQ(book_->writes, 1) << "the intent was the first, this is the second";
    EXPECT_EQ(world_->journal.size(), DefinitionOf(kind).steps.size());
    ExpectClean(std::string(KindName(kind)));
  }
}

TEST_F(SagaTest, EveryCallFailedInEveryWayLeavesACleanWorld) {
  for (const SagaKind kind : kKinds) {
    const auto steps = static_cast<int>(DefinitionOf(kind).steps.size());
    for (int call = 0; call < steps; ++call) {
      for (const Fault fault : kCallFaults) {
        // What only goes forward is never refused by a participant.
        if (fault == Fault::kRefused && !DefinitionOf(kind).can_undo) continue;
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

TEST_F(SagaTest, AnAcknowledgedConfirmationSurvivesADeathBeforeTheReply) {
  const Reservation reservation = Prepare(SagaKind::kOneShot);
  book_->faults = {{0, Fault::kDiesAfter}};
  EXPECT_FALSE(Drive(reservation));
  EXPECT_EQ(Only().state, State::kConfirmed);
  world_->dead = false;
  // The client's retry reads CONFIRMED.
  BeginReserve again;
  again.key = {"buyer", "k"};
  again.reservation = reservation;
  EXPECT_EQ(std::get<Answered>(book_->Apply(again)).answer.reservation.state, State::kConfirmed);
}

TEST_F(SagaTest, PaymentDeclinedIsStillCancelledThenRefundedThenReleased) {
  const Reservation reservation = Prepare(SagaKind::kOneShot);
  world_->declines = true;
  const auto answer = Drive(reservation);
  EXPECT_EQ(answer->reservation.state, State::kFailed);
  EXPECT_EQ(answer->refusal->code, "payment_refused");
  EXPECT_THAT(world_->journal, ::testing::ElementsAre("bind", "seats", "debit", "payment", "undo-payment",
                                                      "undo-debit", "undo-seats", "undo-bind"));
  EXPECT_TRUE(world_->tombstones.contains({reservation.saga.id, "payment"}));
}

TEST_F(SagaTest, NoRefundAndNoReleaseWhilePaymentIsUnknown) {
  const Reservation reservation = Prepare(SagaKind::kOneShot);
  for (int call = 3; call < 40; ++call) world_->faults[call] = Fault::kReplyLost;
  const auto answer = Drive(reservation);
  EXPECT_EQ(answer->reservation.state, State::kConfirming) << "unknown is an answer of its own";
  EXPECT_EQ(answer->refusal, std::nullopt);
  // Past the deadline it is undone; as long as the cancel is not certain, money and seats stay.
  clock_.Advance(policy_.saga_deadline + milliseconds(1));
  (void)Drive(ClaimOne());
  EXPECT_EQ(Only().state, State::kCompensating);
  EXPECT_EQ(world_->journal.back(), "undo-payment");
  EXPECT_EQ(world_->balance, kBalance - kPrice);
  EXPECT_TRUE(world_->seat_owner.has_value());
  world_->faults.clear();
  Recover(false);
  ExpectClean("after the bank is back");
  EXPECT_EQ(Only().state, State::kFailed);
}

TEST_F(SagaTest, BalanceTooLowInTwoStepsKeepsTheSeatsAndANewSagaCanPay) {
  const Reservation reservation = Prepare(SagaKind::kConfirm);
  world_->balance = 1;
  const auto answer = Drive(reservation);
  EXPECT_EQ(answer->reservation.state, State::kHeld);
  EXPECT_EQ(answer->refusal->code, "debit_refused");
  EXPECT_EQ(world_->seat_owner, reservation.id);
  // A late duplicate of the refused debit can't succeed after the top-up.
  world_->balance = kBalance;
  EXPECT_TRUE(world_->tombstones.contains({reservation.saga.id, "debit"}));
  const Reservation next = BeginAgain(Only(), /*cancel=*/false, "k2");
  EXPECT_EQ(Drive(next)->reservation.state, State::kConfirmed);
  ExpectClean("topped up");
}

TEST_F(SagaTest, BalanceTooLowInOneShotReleasesTheSeats) {
  const Reservation reservation = Prepare(SagaKind::kOneShot);
  world_->balance = 1;
  const auto answer = Drive(reservation);
  EXPECT_EQ(answer->reservation.state, State::kFailed);
  EXPECT_EQ(world_->seat_owner, std::nullopt);
}

TEST_F(SagaTest, AnExpiredHoldWhoseSeatsAreFreeGoesOnOneWhoseSeatsWentIsRefused) {
  Reservation reservation = Prepare(SagaKind::kConfirm);
  world_->seat_owner.reset();
  EXPECT_EQ(Drive(reservation)->reservation.state, State::kConfirmed);
  reservation = Prepare(SagaKind::kConfirm);
  world_->seat_owner = ReservationId::Make(clock_.Now(), random_);
  const auto answer = Drive(reservation);
  EXPECT_EQ(answer->reservation.state, State::kFailed);
  EXPECT_EQ(answer->refusal->code, "seats_refused");
  EXPECT_TRUE(world_->seat_owner.has_value()) << "the next buyer's seat is not freed";
  EXPECT_EQ(world_->balance, kBalance);
}

TEST_F(SagaTest, AStaleOwnerDecidesNothing) {
  const Reservation reservation = Prepare(SagaKind::kOneShot);
  clock_.Advance(policy_.lease + milliseconds(1));
  const Reservation claimed = ClaimOne();
  const auto stale = Drive(reservation);  // wakes up past its lease and runs the list
  EXPECT_EQ(stale.error().reason, "not_owner");
  EXPECT_EQ(Count("reservation.confirmed"), 0U);
  MakeRunner();
  EXPECT_EQ(Drive(claimed)->reservation.state, State::kConfirmed);
  ExpectClean("one effect of two owners");
}

TEST_F(SagaTest, ASagaThatCantFinishParksAndIsNotDropped) {
  const Reservation reservation = Prepare(SagaKind::kCancel);
  for (int call = 0; call < 1'000; ++call) world_->faults[call] = Fault::kNotDone;
  (void)Drive(reservation);
  for (uint32_t i = 0; i < policy_.max_tries; ++i) {
    clock_.Advance(policy_.max_backoff);
    const Reservation claimed = ClaimOne();
    if (claimed.id.IsNil()) break;
    (void)Drive(claimed);
  }
  EXPECT_EQ(Only().saga.status, SagaStatus::kParked);
  EXPECT_EQ(Only().state, State::kCancelling);
  EXPECT_FALSE(Only().saga.last_error.empty());
}

TEST_F(SagaTest, TheQueueSlotIsGivenBackOnPurchase) {
  const Reservation reservation = Prepare(SagaKind::kOneShot);
  (void)Drive(reservation);
  EXPECT_TRUE(world_->completed);
}

TEST_F(SagaTest, TheTimelineTellsEachStepAndUndo) {
  const Reservation reservation = Prepare(SagaKind::kOneShot);
  world_->declines = true;
  (void)Drive(reservation);
  std::vector<std::string> told;
  for (const TimelineEntry& entry : Only().saga.timeline) {
    told.push_back(fmt::format("{}{} {}", entry.undo ? "undo " : "", entry.step, entry.outcome));
  }
  EXPECT_THAT(told, ::testing::ElementsAre("verify-queue done", "hold-seats done", "debit-wallet done",
                                           "approve-payment refused", "undo approve-payment done",
                                           "undo debit-wallet done", "undo hold-seats done",
                                           "undo verify-queue done"));
}

}  // namespace
}  // namespace boxoffice::reservation
