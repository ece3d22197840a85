// A saga with a model of its participants and a store in memory: the fixture of the saga's tests.
#pragma once

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

using Kind = StepResult::Kind;

inline constexpr int64_t kPrice = 100;  // of both seats
inline const std::vector<Seat> kSeats = {{1, "A-1", 60, "S"}, {2, "A-2", 40, "S"}};
inline const Seat kCheapSeat = {3, "B-1", 10, "T"};
inline constexpr int64_t kBalance = 1'000;

// The error's reason; "none" where it went well.
template <typename T>
std::string ErrorOf(const Result<T>& answer) {
  return answer ? "none" : answer.error().reason;
}

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
class World : public Participants {
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
  int64_t price = kPrice;  // of a hold
  std::optional<ReservationId> seat_owner;
  bool sold = false;
  std::set<uint32_t> given_back;  // of the owner's seats
  std::optional<SagaId> moved;    // seat 1 to the cheap one
  std::map<SagaId, int64_t> parts_of_debit;
  std::map<SagaId, int64_t> parts_of_payment;
  milliseconds grace{0};
  Timestamp held_until{FromUnixMs(1)};
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
  asio::awaitable<StepResult> CompleteQueue(const Reservation& r) override {
    completed = bound == r.bound_saga;  // the slot is that of the session that is bound
    co_return StepResult{};
  }
  asio::awaitable<StepResult> HoldSeats(Reservation& r, Timestamp until) override {
    StepResult result = co_await Do("seats", r.saga.id, [this, id = r.id, until] {
      if (seat_owner && *seat_owner != id) return false;
      held_until = std::max(seat_owner ? held_until : FromUnixMs(1), until);
      seat_owner = id;
      return true;
    });
    if (result.kind == Kind::kDone) {
      r.seats = kSeats;
      r.amount = price;
      r.currency = "KRW";
      r.grace = grace;
      r.hold_expires_at = held_until;
    }
    co_return result;
  }
  asio::awaitable<StepResult> KeepSeats(Reservation& r) override {
    return Carry("keep-seats", [this, id = r.id, saga = r.saga.id, until = r.hold_expires_at] {
      const bool first = tombstones.insert({saga, "seats"}).second;
      if (first && seat_owner == id) held_until = std::min(held_until, until);
      return StepResult();
    });
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
      if (seat_owner == id) FreeAll();
    });
  }
  asio::awaitable<StepResult> ReleaseOnly(const Reservation& r, std::vector<uint32_t> seat_nos) override {
    return Undo("seats", r.saga.id, [this, id = r.id, seat_nos] {
      if (seat_owner != id) return;
      given_back.insert(seat_nos.begin(), seat_nos.end());
      if (given_back.size() == kSeats.size()) FreeAll();
    });
  }
  asio::awaitable<StepResult> MoveSeats(Reservation& r) override {
    StepResult result = co_await Do("seats", r.saga.id, [this, id = r.id, saga = r.saga.id] {
      if (seat_owner != id || cheap_seat_taken) return moved == saga;
      moved = saga;
      return true;
    });
    if (result.kind == Kind::kDone) r.move.seats = {kSeats[1], kCheapSeat};
    co_return result;
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
      for (const auto& [part_of, amount] : parts_of_debit) balance -= amount;  // given back before
      parts_of_debit.clear();
      debits.erase(found);
    });
  }
  asio::awaitable<StepResult> RefundPartOfDebit(const Reservation& r, int64_t amount) override {
    return Do("part-of-debit", r.saga.id, [this, saga = r.saga.id, amount] {
      if (parts_of_debit.emplace(saga, amount).second) balance += amount;
    });
  }
  asio::awaitable<StepResult> RefundPartOfPayment(const Reservation& r, int64_t amount) override {
    return Do("part-of-payment", r.saga.id,
              [this, saga = r.saga.id, amount] { parts_of_payment.emplace(saga, amount); });
  }
  asio::awaitable<StepResult> ApprovePayment(const Reservation& r) override {
    StepResult result = co_await Do("payment", r.saga.id, [this, attempt = r.saga.attempt] {
      if (declines || !declines_as.empty()) return false;
      approvals[attempt] = true;
      return true;
    });
    if (result.kind == Kind::kRefused && !declines_as.empty()) result.refusal->code = declines_as;
    co_return result;
  }
  asio::awaitable<StepResult> CancelPayment(const Reservation& r, uint32_t attempt) override {
    const SagaId saga = attempt == r.saga.attempt ? r.saga.id : r.paid_saga;
    return Undo("payment", saga, [this, attempt] { approvals.erase(attempt); });
  }
  asio::awaitable<Result<CancelPolicy>> GetCancelPolicy(int64_t) override {
    CancelPolicy policy;
    policy.deadline = FromUnixMs(1LL << 50);
    co_return policy;
  }

  bool declines = false;
  std::string declines_as;  // with this code
  bool cheap_seat_taken = false;

 private:
  void FreeAll() {
    given_back.clear();
    seat_owner.reset();
    sold = false;
  }
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
        result.refusal.emplace().code = step + "_refused";
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
      refused.refusal.emplace().code = name + "_refused";
      refused.refusal->provider_code = "by_the_provider";
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

  asio::awaitable<Result<Outcome>> Write(Command& command) override {
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
    Reservation& reservation = begin.reservation.Own();
    reservation.id = ReservationId::Make(clock_.Now(), random_);
    reservation.user_id = "buyer";
    reservation.choice.seat_nos = {1};
    reservation.saga.id = SagaId::Make(clock_.Now(), random_);
    reservation.saga.kind = kind;
    return std::get<Started>(book_->Apply(begin)).reservation;
  }
  Reservation BeginAgain(const Reservation& on, bool cancel, const std::string& key) {
    BeginOn begin;
    begin.key = {"buyer", key};
    begin.reservation_id = on.id;
    begin.saga_id = SagaId::Make(clock_.Now(), random_);
    begin.cancel = cancel;
    begin.cancel_policy.deadline = FromUnixMs(1LL << 50);
    return std::get<Started>(book_->Apply(begin)).reservation;
  }
  // Gives back these seats; none: all. The show keeps this much of each.
  Reservation BeginCancel(const Reservation& on, std::vector<uint32_t> seat_nos, int64_t fee,
                          const std::string& key) {
    BeginOn begin;
    begin.key = {"buyer", key};
    begin.reservation_id = on.id;
    begin.saga_id = SagaId::Make(clock_.Now(), random_);
    begin.cancel = true;
    begin.cancel_policy.deadline = FromUnixMs(1LL << 50);
    begin.cancel_policy.fee_per_seat = fee;
    begin.seat_nos = std::move(seat_nos);
    return std::get<Started>(book_->Apply(begin)).reservation;
  }
  Reservation BeginMove(const Reservation& on, const std::string& key) {
    BeginOn begin;
    begin.key = {"the operator", key};
    begin.reservation_id = on.id;
    begin.saga_id = SagaId::Make(clock_.Now(), random_);
    begin.move = SeatMove{{1}, {3}};
    begin.by_operator = true;
    begin.reason = "a pillar";
    return std::get<Started>(book_->Apply(begin)).reservation;
  }

  // The saga of `kind`, ready to run, in a world prepared for it (its faults not counted).
  Reservation Prepare(SagaKind kind) {
    Reset();
    if (kind == SagaKind::kHold || kind == SagaKind::kOneShot) return Begin(kind, "k");
    const bool paid = DefinitionVersionOf(kind) > kDefinitionVersion || kind == SagaKind::kCancel;
    const Reservation first = Begin(paid ? SagaKind::kOneShot : SagaKind::kHold, "first");
    const Reservation held = Drive(first)->reservation;
    EXPECT_EQ(held.state, paid ? State::kConfirmed : State::kHeld);
    Reservation next;
    if (kind == SagaKind::kExpire) {
      clock_.Advance(milliseconds(3'600'000));
      next = ClaimOne();
    } else if (kind == SagaKind::kCancelSeats) {
      next = BeginCancel(held, {1}, 7, "k");
    } else if (kind == SagaKind::kMove) {
      next = BeginMove(held, "k");
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
    return claimed.empty() ? Reservation() : *claimed.front();
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
    EXPECT_EQ(r.amount, PriceOf(r.seats));
    if (r.state == State::kConfirmed) {
      ExpectPaid(r.amount + r.fees);
      EXPECT_EQ(world_->seat_owner, r.id);
      EXPECT_TRUE(world_->sold);
      EXPECT_EQ(Count("reservation.confirmed"), 1U);
      const bool moved = std::ranges::find(r.seats, kCheapSeat) != r.seats.end();
      EXPECT_EQ(world_->moved.has_value(), moved);
      EXPECT_EQ(Count("reservation.moved"), moved ? 1U : 0U);
      EXPECT_EQ(r.seats.size(), kSeats.size() - world_->given_back.size());
      EXPECT_EQ(Count("reservation.seats_cancelled"), world_->given_back.size());
      return;
    }
    if (r.fees > 0) {
      ExpectPaid(r.fees);
    } else {
      EXPECT_FALSE(approved);
      EXPECT_EQ(world_->balance, kBalance);
    }
    EXPECT_FALSE(world_->sold);
    if (r.state == State::kHeld) {
      EXPECT_EQ(world_->seat_owner, r.id);
    } else {
      EXPECT_EQ(world_->seat_owner, std::nullopt);
      // After a purchase the slot's own expiry is the safety net, so a cancellation does not look at it.
      EXPECT_TRUE(r.state == State::kCancelled || !world_->bound.has_value());
    }
  }

  // Of payment and wallet, after what was given back.
  void ExpectPaid(int64_t amount) {
    EXPECT_EQ(world_->approvals.size(), 1U);
    EXPECT_EQ(world_->debits.size(), 1U);
    EXPECT_EQ(world_->balance, kBalance - amount);
    int64_t approved = kPrice;
    for (const auto& [saga, part] : world_->parts_of_payment) approved -= part;
    EXPECT_EQ(approved, amount);
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

}  // namespace boxoffice::reservation
