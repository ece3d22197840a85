// The service around the saga: what draining does, and leases. Participants are a model, the store is in
// memory.
#include "services/reservation/service.h"

#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <thread>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gmock/gmock.h>

#include "services/reservation/saga/testing_saga.h"
#include "services/reservation/testing_service.h"

namespace boxoffice::reservation {
namespace {

using std::chrono::seconds;

// Reads the only one, and takes its time over it.
class OneReader final : public EmptyReader {
 public:
  explicit OneReader(SharedStore& store) : store_(store) {}
  Result<std::optional<Reservation>> Get(ReservationId id) override {
    read_by = std::this_thread::get_id();
    std::promise<void>().get_future().wait_for(takes);
    auto found = store_.Only();
    if (found && found->id != id) found.reset();
    ++reads;
    return found;
  }
  // The thread that read last.
  std::atomic<std::thread::id> read_by = std::thread::id();
  std::atomic<int> reads = 0;
  milliseconds takes{0};

 private:
  SharedStore& store_;
};

// The model, whose wallet answers only when it may.
class GatedWorld final : public Participants {
 public:
  explicit GatedWorld(const asio::any_io_executor& executor) : gate_(executor) {
    gate_.expires_at(asio::steady_timer::time_point::max());
  }
  void Open() {
    open_ = true;
    gate_.cancel();
  }
  bool waiting = false;
  int holds = 0;
  // While set, whoever asks for seats hears nothing; whoever gives up a place in the queue.
  bool seats_are_away = false;
  bool queue_is_away = false;
  std::optional<Error> show_error;  // what is said instead of the show's policy
  World world;

  asio::awaitable<StepResult> BindQueue(const Reservation& r) override { return world.BindQueue(r); }
  asio::awaitable<StepResult> UnbindQueue(const Reservation& r, SagaId bound) override {
    while (queue_is_away && r.user_id != "buyer") co_await Pause();
    co_return co_await world.UnbindQueue(r, bound);
  }
  asio::awaitable<StepResult> CompleteQueue(const Reservation& r) override { return world.CompleteQueue(r); }
  // The seats are the buyer's who came first.
  asio::awaitable<StepResult> HoldSeats(Reservation& r, Timestamp until) override {
    ++holds;
    while (seats_are_away) co_await Pause();
    if (r.user_id == "buyer") co_return co_await world.HoldSeats(r, until);
    StepResult refused;
    refused.kind = StepResult::Kind::kRefused;
    refused.refusal = Refusal{.code = "seats_taken", .conflicts = {{1, "A-1", world.sold ? "sold" : "held"}}};
    co_return refused;
  }
  asio::awaitable<StepResult> KeepSeats(Reservation& r) override { return world.KeepSeats(r); }
  asio::awaitable<StepResult> ConfirmSeats(const Reservation& r) override { return world.ConfirmSeats(r); }
  asio::awaitable<StepResult> ReleaseSeats(const Reservation& r) override { return world.ReleaseSeats(r); }
  asio::awaitable<StepResult> ReleaseOnly(const Reservation& r, std::vector<uint32_t> seat_nos) override {
    return world.ReleaseOnly(r, std::move(seat_nos));
  }
  asio::awaitable<StepResult> MoveSeats(Reservation& r) override { return world.MoveSeats(r); }
  asio::awaitable<StepResult> RefundPartOfDebit(const Reservation& r, int64_t amount) override {
    return world.RefundPartOfDebit(r, amount);
  }
  asio::awaitable<StepResult> RefundPartOfPayment(const Reservation& r, int64_t amount) override {
    return world.RefundPartOfPayment(r, amount);
  }
  asio::awaitable<StepResult> DebitWallet(const Reservation& r) override {
    waiting = true;
    boost::system::error_code opened;
    if (!open_) co_await gate_.async_wait(asio::redirect_error(asio::use_awaitable, opened));
    waiting = false;
    StepResult result = co_await world.DebitWallet(r);
    co_return result;
  }
  asio::awaitable<StepResult> RefundWallet(const Reservation& r, SagaId debit_saga) override {
    return world.RefundWallet(r, debit_saga);
  }
  asio::awaitable<StepResult> ApprovePayment(const Reservation& r) override {
    return world.ApprovePayment(r);
  }
  asio::awaitable<StepResult> CancelPayment(const Reservation& r, uint32_t attempt) override {
    return world.CancelPayment(r, attempt);
  }
  asio::awaitable<Result<CancelPolicy>> GetCancelPolicy(int64_t show_id) override {
    if (show_error) co_return std::unexpected(*show_error);
    co_return co_await world.GetCancelPolicy(show_id);
  }

 private:
  static asio::awaitable<void> Pause() {
    asio::steady_timer again(co_await asio::this_coro::executor, milliseconds(1));
    co_await again.async_wait(asio::use_awaitable);
  }

  bool open_ = false;
  asio::steady_timer gate_;
};

class ReservationServiceTest : public ::testing::Test {
 protected:
  ReservationServiceTest() { obs::SetLogLevel(obs::Level::kError); }

  std::unique_ptr<Service> MakeService(const std::string& owner, size_t max_running = 100) {
    ServiceConfig config;
    config.owner = owner;
    config.max_running = max_running;
    config.scan_every = milliseconds(2);
    return MakeService(std::move(config));
  }
  // Two are claimed by a scan, and the next is far away.
  std::unique_ptr<Service> MakeRareScanner(size_t max_running) {
    ServiceConfig config;
    config.owner = "scanner";
    config.max_running = max_running;
    config.claim_limit = 2;
    config.scan_every = std::chrono::hours(1);
    return MakeService(std::move(config));
  }
  std::unique_ptr<Service> MakeService(ServiceConfig config) {
    config.policy.renew_every = milliseconds(2);
    return std::make_unique<Service>(config, io_.get_executor(), store_, reader_, no_shows_, participants_,
                                     clock_, random_, metrics_, [] {});
  }
  static ReserveRequest Sale() {
    ReserveRequest request;
    request.request.key = {"buyer", "key"};
    request.choice.seat_nos = {1};
    request.pay = true;
    return request;
  }
  // The same request again, with the same key.
  Result<Answer> Again(Service& service, bool sent_before) {
    std::optional<Result<Answer>> got;
    ReserveRequest request = Sale();
    request.request.sent_before = sent_before;
    service.Reserve(std::move(request), [&got](Result<Answer> answer) { got = std::move(answer); });
    EXPECT_TRUE(RunUntil([&] { return got.has_value(); }));
    return got.value_or(Fail(Code::kInternal, "no_answer"));
  }
  // Somebody else wants the same seat, too late. Whether she was told without a saga.
  bool RefusedAtOnce(Service& service, const std::string& user) {
    const int before = participants_.holds;
    std::optional<Result<Answer>> got;
    ReserveRequest request = Sale();
    request.request.key = {user, "key"};
    service.Reserve(std::move(request), [&got](Result<Answer> answer) { got = std::move(answer); });
    EXPECT_TRUE(RunUntil([&] { return got.has_value(); }));
    EXPECT_TRUE(got.has_value() && got->has_value() && (*got)->refusal &&
                (*got)->refusal->code == "seats_taken");
    return participants_.holds == before && (*got)->reservation->id.IsNil();
  }
  // Many want the same seat, nobody of whom gets it; told_ counts those who were told that it is taken.
  void WantAtOnce(Service& service, int count, int first = 0) {
    for (int i = first; i < first + count; ++i) {
      ReserveRequest request = Sale();
      request.request.key = {"rival-" + std::to_string(i), "key"};
      service.Reserve(std::move(request), [this](const Result<Answer>& answer) {
        told_ += answer && answer->refusal && answer->refusal->code == "seats_taken" ? 1 : 0;
      });
    }
  }
  // An operator cancels the only reservation, whose saga frees its seats.
  void CancelOnly(Service& service) {
    bool cancelled = false;
    auto cancel = [](Service& seller, ReservationId id, bool& done) -> asio::awaitable<void> {
      CancelRequest request{
          .request = {.key = {"operator", "cancel"}}, .reservation_id = id, .by_operator = true};
      const auto answer = co_await seller.Cancel(std::move(request));
      done = answer && answer->reservation->state == State::kCancelled;
    };
    asio::co_spawn(io_, cancel(service, *participants_.world.seat_owner, cancelled), asio::detached);
    ASSERT_TRUE(RunUntil([&] { return cancelled; }));
  }
  // Whatever `asked` is answered, when it is.
  template <typename T>
  std::shared_ptr<std::optional<Result<T>>> Begin(asio::awaitable<Result<T>> asked) {
    auto told = std::make_shared<std::optional<Result<T>>>();
    asio::co_spawn(io_, std::move(asked), [told](const std::exception_ptr& failed, Result<T> answer) {
      if (!failed) told->emplace(std::move(answer));
    });
    return told;
  }
  template <typename T>
  Result<T> Finish(asio::awaitable<Result<T>> asked) {
    const auto told = Begin(std::move(asked));
    EXPECT_TRUE(RunUntil([&] { return told->has_value(); }));
    return told->value_or(Fail(Code::kInternal, "no_answer"));
  }
  static ConfirmRequest ConfirmOf(ReservationId id, bool sent_before = false) {
    return {.request = {.key = {"buyer", "confirm"}, .sent_before = sent_before}, .reservation_id = id};
  }
  static CancelRequest CancelOf(ReservationId id) {
    return {.request = {.key = {"buyer", "cancel"}}, .reservation_id = id};
  }
  // The buyer's seats are held, and not paid.
  ReservationId Hold(Service& service) {
    service.Reserve(HoldOf("buyer", 1), [this](const Result<Answer>& answer) { sold_ = answer.has_value(); });
    EXPECT_TRUE(RunUntil([this] { return sold_; }));
    EXPECT_EQ(store_.Only()->state, State::kHeld);
    return store_.Only()->id;
  }
  static ReserveRequest HoldOf(const std::string& user, uint32_t seat_no) {
    ReserveRequest request = Sale();
    request.request.key.user_id = user;
    request.choice.seat_nos = {seat_no};
    request.pay = false;
    return request;
  }
  // Others' sagas that nobody runs any more; whoever goes on with one asks for seats.
  void LeaveDue(int count) {
    for (int i = 0; i < count; ++i) {
      Reservation r;
      r.id = ReservationId::Make(clock_.Now(), random_);
      r.user_id = "rival-" + std::to_string(i);
      r.version = 1;
      r.saga.id = SagaId::Make(clock_.Now(), random_);
      r.saga.kind = SagaKind::kHold;
      r.saga.definition_version = DefinitionVersionOf(SagaKind::kHold);
      r.saga.status = SagaStatus::kRunning;
      r.saga.epoch = 1;
      r.saga.deadline = clock_.Now() + Policy().saga_deadline;
      r.due_at = clock_.Now();
      Change change;
      change.reservation = std::move(r);
      ASSERT_TRUE(store_.Save(std::span(&change, 1)).value().at(0));
    }
  }
  // A one-shot sale that waits for the wallet.
  void BeginSale(Service& service) {
    service.Reserve(Sale(), [this](const Result<Answer>& answer) { sold_ = answer.has_value(); });
    ASSERT_TRUE(RunUntil([this] { return participants_.waiting; }));
  }
  void Drain(Service& service, milliseconds grace) {
    auto drain = [](Service& drained, milliseconds limit, bool& done) -> asio::awaitable<void> {
      co_await drained.Drain(limit);
      done = true;
    };
    drained_ = false;
    asio::co_spawn(io_, drain(service, grace, drained_), asio::detached);
  }
  bool RunUntil(const std::function<bool()>& done) { return RunFor(seconds(20), done); }
  bool RunFor(milliseconds limit, const std::function<bool()>& done) {
    return reservation::RunFor(io_, limit, done);
  }

  ManualClock clock_;
  SeededRandom random_{7};
  obs::Registry metrics_;
  asio::io_context io_;
  SharedStore store_;
  OneReader reader_{store_};
  EmptyShowReader no_shows_;
  GatedWorld participants_{io_.get_executor()};
  bool sold_ = false;
  bool drained_ = false;
  int told_ = 0;
};

TEST_F(ReservationServiceTest, DrainingLetsWhatRunsFinishWithinTheGrace) {
  const auto service = MakeService("old");
  BeginSale(*service);
  Drain(*service, seconds(20));
  EXPECT_FALSE(RunFor(milliseconds(30), [this] { return drained_; })) << "the sale still runs";
  participants_.Open();
  ASSERT_TRUE(RunUntil([this] { return drained_ && sold_; }));
  EXPECT_EQ(store_.Only()->state, State::kConfirmed);
}

TEST_F(ReservationServiceTest, ARequestThatStillRunsIsAConflictButToWhoeverLostItsAnswer) {
  const auto service = MakeService("one");
  BeginSale(*service);
  EXPECT_EQ(ErrorOf(Again(*service, /*sent_before=*/false)), "idempotency_key_running");
  const auto told = Again(*service, /*sent_before=*/true);
  ASSERT_TRUE(told) << told.error().reason;
  EXPECT_EQ(told->reservation->id, store_.Only()->id);
  EXPECT_EQ(told->reservation->state, State::kConfirming);
  EXPECT_FALSE(told->refusal);
  participants_.Open();
  ASSERT_TRUE(RunUntil([this] { return sold_; }));
  EXPECT_EQ(Again(*service, /*sent_before=*/true)->reservation->state, State::kConfirmed);
}

TEST_F(ReservationServiceTest, WhoAsksForWhatWasJustSoldIsToldSoWithoutASaga) {
  const auto service = MakeService("one");
  BeginSale(*service);
  EXPECT_FALSE(RefusedAtOnce(*service, "second"));
  EXPECT_FALSE(RefusedAtOnce(*service, "third")) << "what is held may become free";
  participants_.Open();
  ASSERT_TRUE(RunUntil([this] { return sold_; }));
  EXPECT_FALSE(RefusedAtOnce(*service, "fourth"));
  EXPECT_TRUE(RefusedAtOnce(*service, "fifth"));
  EXPECT_TRUE(RefusedAtOnce(*service, "fifth")) << "again, with her key";
  EXPECT_EQ(Again(*service, /*sent_before=*/false)->reservation->state, State::kConfirmed)
      << "whose seat it is gets the answer that she got";
  clock_.Advance(RecentConflicts::kTold + milliseconds(1));
  EXPECT_FALSE(RefusedAtOnce(*service, "sixth"));
}

TEST_F(ReservationServiceTest, OfManyWhoWantTheSameSeatsAtOnceOneAsksBesideWhoGetsThem) {
  const auto service = MakeService("one", /*max_running=*/2);
  BeginSale(*service);
  participants_.holds = 0;
  WantAtOnce(*service, 50);
  ASSERT_TRUE(RunUntil([this] { return told_ == 50; }));
  EXPECT_EQ(participants_.holds, 1);
  WantAtOnce(*service, 50);  // with the same keys
  ASSERT_TRUE(RunUntil([this] { return told_ == 100; }));
  EXPECT_EQ(service->running(), 1U) << "that of the buyer alone";
}

TEST_F(ReservationServiceTest, WhoWaitsForWhatOthersHearDoesNotWaitForLong) {
  const auto service = MakeService("one");
  BeginSale(*service);
  participants_.holds = 0;
  participants_.seats_are_away = true;
  WantAtOnce(*service, 5);
  ASSERT_TRUE(RunUntil([this] { return participants_.holds == 1; }));
  EXPECT_FALSE(RunFor(milliseconds(20), [this] { return participants_.holds > 1; }));
  clock_.Advance(SameSeats::kPatience);
  ASSERT_TRUE(RunUntil([this] { return participants_.holds == 5; }));
  participants_.seats_are_away = false;
  ASSERT_TRUE(RunUntil([this] { return told_ == 5; }));
}

TEST_F(ReservationServiceTest, WhatASagaHereMayHaveFreedIsAskedForAgain) {
  const auto service = MakeService("one");
  participants_.Open();
  ASSERT_FALSE(Again(*service, /*sent_before=*/false)->refusal);
  EXPECT_FALSE(RefusedAtOnce(*service, "second"));
  EXPECT_TRUE(RefusedAtOnce(*service, "third"));
  CancelOnly(*service);
  EXPECT_FALSE(RefusedAtOnce(*service, "second")) << "with the answer that she got before";
  EXPECT_FALSE(RefusedAtOnce(*service, "fourth")) << "which is told to nobody else";
}

TEST_F(ReservationServiceTest, WhoWaitsIsNotToldWhatWasTrueBeforeSeatsBecameFree) {
  const auto service = MakeService("one");
  participants_.Open();
  ASSERT_FALSE(Again(*service, /*sent_before=*/false)->refusal);
  participants_.holds = 0;
  participants_.queue_is_away = true;
  WantAtOnce(*service, 2);
  ASSERT_TRUE(RunUntil([this] { return participants_.holds == 2; }));
  CancelOnly(*service);
  WantAtOnce(*service, 1, /*first=*/2);
  EXPECT_FALSE(RunFor(milliseconds(10), [this] { return participants_.holds > 2; })) << "two ask";
  participants_.queue_is_away = false;
  ASSERT_TRUE(RunUntil([this] { return told_ == 3; }));
  EXPECT_EQ(participants_.holds, 3) << "the third asked, too";
}

TEST_F(ReservationServiceTest, AfterTheGraceItsLeasesAreGivenUpAndANewReplicaGoesOnAtOnce) {
  const auto old = MakeService("old");
  BeginSale(*old);
  Drain(*old, milliseconds(0));
  ASSERT_TRUE(RunUntil([this] { return drained_; }));
  EXPECT_EQ(store_.Only()->saga.owner, "old");
  // The clock stands still: nothing but the given-up lease lets the other one in.
  const auto next = MakeService("new");
  next->StartScanning();
  ASSERT_TRUE(RunUntil([this] { return store_.Only()->saga.owner == "new"; }));
  EXPECT_EQ(store_.Only()->saga.epoch, 2U);
  participants_.Open();
  ASSERT_TRUE(RunUntil([&] { return store_.Only()->state == State::kConfirmed && next->running() == 0; }));
  EXPECT_EQ(store_.Only()->saga.owner, "new");
  EXPECT_FALSE(sold_) << "the old one was refused its write, and told its buyer nothing";
  EXPECT_EQ(participants_.world.balance, kBalance - kPrice) << "two ran it, one effect";
  Drain(*next, milliseconds(0));
  ASSERT_TRUE(RunUntil([this] { return drained_; }));
}

TEST_F(ReservationServiceTest, WhoDrainsClaimsNothingAnyMore) {
  const auto old = MakeService("old");
  BeginSale(*old);
  const auto draining = MakeService("draining");
  draining->StartScanning();
  Drain(*draining, milliseconds(0));
  ASSERT_TRUE(RunUntil([this] { return drained_; }));
  clock_.Advance(Policy().lease + milliseconds(1));  // the sale is due for anybody
  EXPECT_FALSE(RunFor(milliseconds(50), [this] { return store_.Only()->saga.owner != "old"; }));
  participants_.Open();
  ASSERT_TRUE(RunUntil([this] { return sold_; }));
}

TEST_F(ReservationServiceTest, WhatWasBeingClaimedWhenTheDrainBeganIsGivenUpAtOnce) {
  const auto old = MakeService("old");
  BeginSale(*old);
  clock_.Advance(Policy().lease + milliseconds(1));
  const auto draining = MakeService("draining");
  draining->StartScanning();
  Drain(*draining, milliseconds(0));
  ASSERT_TRUE(RunUntil([this] { return drained_; }));
  EXPECT_EQ(store_.Only()->saga.owner, "draining");
  EXPECT_EQ(draining->running(), 0U);
  // The clock stands still: nothing but the given-up lease lets another one in.
  const auto next = MakeService("new");
  next->StartScanning();
  ASSERT_TRUE(RunUntil([this] { return store_.Only()->saga.owner == "new"; }));
  participants_.Open();
  ASSERT_TRUE(RunUntil([&] { return store_.Only()->state == State::kConfirmed && next->running() == 0; }));
  Drain(*next, milliseconds(0));
  ASSERT_TRUE(RunUntil([this] { return drained_; }));
}

TEST_F(ReservationServiceTest, WithoutRoomNothingIsAcknowledgedAndItGoesOnByItselfWhenThereIsRoom) {
  const auto owner = MakeService("owner");
  owner->StartScanning();
  BeginSale(*owner);
  store_.full = true;
  participants_.Open();
  ASSERT_TRUE(RunUntil([&] { return owner->running() == 0; }));
  EXPECT_FALSE(sold_) << "CONFIRMED could not be written, so nobody is told";
  EXPECT_EQ(store_.Only()->state, State::kConfirming);
  EXPECT_FALSE(owner->store_works());
  store_.full = false;
  clock_.Advance(Policy().lease + milliseconds(1));
  ASSERT_TRUE(RunUntil([&] { return store_.Only()->state == State::kConfirmed && owner->running() == 0; }));
  EXPECT_EQ(participants_.world.balance, kBalance - kPrice);
  EXPECT_TRUE(owner->store_works());
  Drain(*owner, milliseconds(0));
  ASSERT_TRUE(RunUntil([this] { return drained_; }));
}

TEST_F(ReservationServiceTest, WhatRunsForLongKeepsItsLease) {
  const auto owner = MakeService("owner");
  owner->StartScanning();
  BeginSale(*owner);
  for (int i = 0; i < 3; ++i) {
    clock_.Advance(Policy().lease - milliseconds(1));
    const Timestamp renewed = clock_.Now() + Policy().lease;
    ASSERT_TRUE(RunUntil([&] { return store_.Only()->due_at == renewed; }));
  }
  EXPECT_EQ(store_.Only()->saga.epoch, 1U) << "nobody has taken it over";
  participants_.Open();
  ASSERT_TRUE(RunUntil([this] { return sold_; }));
  Drain(*owner, milliseconds(0));
  ASSERT_TRUE(RunUntil([this] { return drained_; }));
}

TEST_F(ReservationServiceTest, AScanThatClaimedAllItMayGoesOnAtOnce) {
  LeaveDue(5);
  const auto service = MakeRareScanner(/*max_running=*/100);
  service->StartScanning();
  EXPECT_TRUE(RunUntil([this] { return participants_.holds == 5; })) << participants_.holds;
  Drain(*service, seconds(20));
  ASSERT_TRUE(RunUntil([this] { return drained_; }));
}

TEST_F(ReservationServiceTest, AScanDoesNotGoOnAtOnceWhereFourFifthsOfTheSagasRun) {
  LeaveDue(8);
  participants_.seats_are_away = true;
  const auto service = MakeRareScanner(/*max_running=*/5);
  service->StartScanning();
  ASSERT_TRUE(RunUntil([this] { return participants_.holds == 4; }));
  EXPECT_FALSE(RunFor(milliseconds(50), [this] { return participants_.holds > 4; }));
  participants_.seats_are_away = false;
  Drain(*service, seconds(20));
  ASSERT_TRUE(RunUntil([this] { return drained_; }));
}

TEST_F(ReservationServiceTest, NewReservationsLeaveTheLastFifthOfTheSagasToWhatWasBegun) {
  const auto service = MakeService("one", /*max_running=*/5);
  const ReservationId held = Hold(*service);
  participants_.holds = 0;
  participants_.seats_are_away = true;
  for (uint32_t i = 0; i < 4; ++i)
    service->Reserve(HoldOf("rival-" + std::to_string(i), 10 + i), [](const Result<Answer>&) {});
  ASSERT_TRUE(RunUntil([&] { return participants_.holds == 4; }));
  std::string refused;
  service->Reserve(HoldOf("late", 20), [&](const Result<Answer>& answer) { refused = ErrorOf(answer); });
  ASSERT_TRUE(RunUntil([&] { return !refused.empty() || participants_.holds > 4; }));
  EXPECT_EQ(refused, "overloaded");
  Reservation offer;
  offer.id = ReservationId::Make(clock_.Now(), random_);
  EXPECT_EQ(ErrorOf(Finish(service->Offer(offer))), "overloaded");
  const auto confirmed = Begin(service->Confirm(ConfirmOf(held)));
  ASSERT_TRUE(RunUntil([&] { return participants_.holds == 5; })) << "whose seats are held may pay";
  EXPECT_EQ(ErrorOf(Finish(service->EndForShow(held))), "overloaded") << "up to the bound";
  participants_.seats_are_away = false;
  participants_.Open();
  ASSERT_TRUE(RunUntil([&] { return confirmed->has_value() && service->running() == 0; }));
  ASSERT_TRUE(confirmed->value()) << ErrorOf(confirmed->value());
  EXPECT_EQ(confirmed->value()->reservation->state, State::kConfirmed);
}

TEST_F(ReservationServiceTest, WhereThereIsNoRoomARepeatGetsItsAnswerAllTheSame) {
  const auto service = MakeService("one", /*max_running=*/1);
  const ReservationId held = Hold(*service);
  const auto confirmed = Begin(service->Confirm(ConfirmOf(held)));
  ASSERT_TRUE(RunUntil([this] { return participants_.waiting; }));
  const auto again = Again(*service, /*sent_before=*/false);
  ASSERT_TRUE(again) << again.error().reason;
  EXPECT_EQ(again->reservation->state, State::kHeld) << "as it was answered";
  EXPECT_EQ(ErrorOf(Finish(service->Confirm(ConfirmOf(held)))), "idempotency_key_running");
  EXPECT_EQ(Finish(service->Confirm(ConfirmOf(held, /*sent_before=*/true)))->reservation->state,
            State::kConfirming);
  EXPECT_EQ(ErrorOf(Finish(service->Cancel(CancelOf(held)))), "overloaded");
  EXPECT_EQ(service->running(), 1U);
  participants_.Open();
  ASSERT_TRUE(RunUntil([&] { return confirmed->has_value(); }));
}

TEST_F(ReservationServiceTest, AHoldThatIsGivenUpWhileTheQueueIsAwayIsToldAsHeldNoMoreAndReleasedLater) {
  ServiceConfig config;
  config.owner = "one";
  config.retry.retries = 0;
  config.scan_every = milliseconds(2);
  const auto service = MakeService(std::move(config));
  const ReservationId held = Hold(*service);
  participants_.world.faults = {{participants_.world.calls + 1, Fault::kNotDone}};  // behind the seats
  const auto given_up = Finish(service->Cancel(CancelOf(held)));
  ASSERT_TRUE(given_up) << ErrorOf(given_up);
  EXPECT_EQ(given_up->reservation->state, State::kHeld);
  EXPECT_EQ(given_up->reservation->hold_expires_at, Timestamp()) << "its seats may be others' by now";
  clock_.Advance(Policy().first_backoff);
  service->StartScanning();
  EXPECT_TRUE(RunUntil([this] { return store_.Only()->state == State::kReleased; }));
  Drain(*service, seconds(20));
  ASSERT_TRUE(RunUntil([this] { return drained_; }));
}

TEST_F(ReservationServiceTest, WhatTheSeatServiceDoesNotAnswerIsNotToldAsThisServicesOwnSilence) {
  const auto service = MakeService("one");
  participants_.Open();
  ASSERT_FALSE(Again(*service, /*sent_before=*/false)->refusal);
  const Reservation sold = *store_.Only();
  const auto told = [&](Code code, const char* reason) {
    participants_.show_error = Error{code, reason, "late"};
    const auto cancelled = Finish(service->Cancel(CancelOf(sold.id)));
    const auto quoted = Finish(service->QuoteCancel(sold.id, "buyer", {}));
    EXPECT_EQ(ErrorOf(cancelled), ErrorOf(quoted));
    return cancelled ? Error() : cancelled.error();
  };
  EXPECT_EQ(told(Code::kUnknown, "timeout"),
            (Error{Code::kUnavailable, "seat_unavailable", "timeout: late"}));
  EXPECT_EQ(told(Code::kNotFound, "show_not_found"), (Error{Code::kNotFound, "show_not_found", "late"}));
  EXPECT_EQ(store_.Only(), sold);
}

TEST_F(ReservationServiceTest, SagasDoNotWaitForReads) {
  const auto service = MakeService("one");
  const auto read_elsewhere = [this] {
    const std::thread::id by = reader_.read_by.exchange({});
    return by != std::thread::id() && by != std::this_thread::get_id();
  };
  const ReservationId held = Hold(*service);
  EXPECT_FALSE(Finish(service->QuoteCancel(held, "buyer", {}))->refusal);
  EXPECT_TRUE(read_elsewhere());
  const auto confirmed = Begin(service->Confirm(ConfirmOf(held)));
  ASSERT_TRUE(RunUntil([this] { return participants_.waiting; }));
  EXPECT_EQ(Finish(service->Confirm(ConfirmOf(held, /*sent_before=*/true)))->reservation->state,
            State::kConfirming);
  EXPECT_TRUE(read_elsewhere());
  participants_.Open();
  ASSERT_TRUE(RunUntil([&] { return confirmed->has_value(); }));
  EXPECT_EQ(Finish(service->Cancel(CancelOf(held)))->reservation->state, State::kCancelled);
  EXPECT_TRUE(read_elsewhere());
}

TEST_F(ReservationServiceTest, ItsEndWaitsForReads) {
  auto service = MakeService("one");
  const ReservationId held = Hold(*service);
  reader_.takes = milliseconds(30);
  const auto first = Begin(service->QuoteCancel(held, "buyer", {}));
  const auto second = Begin(service->Cancel(CancelOf(held)));
  io_.restart();
  io_.poll();
  service.reset();
  EXPECT_EQ(reader_.reads, 2);
  EXPECT_FALSE(first->has_value() || second->has_value());
}

}  // namespace
}  // namespace boxoffice::reservation
