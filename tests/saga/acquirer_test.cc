// Sagas that pay over HTTP, at an acquirer that misbehaves in every way it knows: each ends clean, and the
// acquirer keeps exactly what was sold.
#include "acquirer/acquirer.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "platform/resilience/breaker.h"
#include "platform/rpc/peer.h"
#include "saga/world.h"
#include "services/reservation/reservation.h"

namespace boxoffice::faults {
namespace {

using reservation::State;

State StateOf(const reservation::v1::Reservation& reservation) {
  return static_cast<State>(static_cast<int>(reservation.state()) - 1);
}

struct Purchase {
  std::string script;  // of the acquirer, or "internal"
  std::optional<Injection> injection;
  std::string user_id;
  std::string id;
  State answered = State::kHeld;  // as the buyer was told

  [[nodiscard]] std::string Method() const {
    return script == payment::kInternal ? script : "http:" + script;
  }
};

// So that it has no say.
resilience::BreakerConfig NeverOpen() {
  resilience::BreakerConfig breaker;
  breaker.min_calls = 1'000'000;
  return breaker;
}

reservation::v1::Command PayFor(World& world, const std::string& user_id, const std::string& token,
                                const std::string& method) {
  reservation::v1::Command command;
  command.set_user_id(user_id);
  command.set_idempotency_key("pay");
  auto& reserve = *command.mutable_reserve();
  reserve.set_show_id(world.show_id());
  for (const uint32_t seat_no : world.NextSeats()) reserve.mutable_seats()->add_seat_nos(seat_no);
  reserve.set_pay(true);
  reserve.set_queue_token(token);
  reserve.set_payment_method(method);
  return command;
}

class AcquirerSaga : public ::testing::Test {
 protected:
  explicit AcquirerSaga(resilience::BreakerConfig breaker = NeverOpen())
      : acquirer_(OptionsFor(*this)), world_(std::chrono::hours(1), ConfigFor(acquirer_, breaker)) {
    running_.store(true);
  }
  ~AcquirerSaga() override {
    const std::scoped_lock lock(mutex_);
    running_.store(false);
  }

  static acquirer::Options OptionsFor(AcquirerSaga& test) {
    acquirer::Options options;
    options.slow = milliseconds(100);
    options.late = milliseconds(800);
    options.clock = &test.acquirers_clock_;
    options.deliver = [&test](const acquirer::Message& message) { return test.Deliver(message); };
    return options;
  }
  static payment::PaymentConfig ConfigFor(const acquirer::Acquirer& acquirer,
                                          const resilience::BreakerConfig& breaker) {
    payment::PaymentConfig config;
    config.service.provider_timeout = milliseconds(400);
    config.service.reconcile_every = milliseconds(100);
    config.acquirer.url = acquirer.url();
    config.acquirer.api_key = acquirer::Options().api_key;
    config.acquirer.webhook_secrets = {acquirer::Options().webhook_secret};
    config.acquirer.timeout = milliseconds(300);
    config.acquirer.breaker = breaker;
    return config;
  }

  // As the gateway passes a webhook on.
  int Deliver(const acquirer::Message& message) {
    const std::scoped_lock lock(mutex_);
    if (!running_.load()) return 0;
    payment::v1::ReceiveWebhookRequest request;
    request.set_provider("http");
    request.set_webhook_id(message.id);
    request.set_webhook_timestamp(message.timestamp);
    request.set_webhook_signature(message.signature);
    request.set_body(message.body);
    const World::WebhookAnswer answer = world_.ReceiveWebhook(request);
    if (answer.reason.empty()) return 204;
    return answer.reason.starts_with("webhook_") ? 401 : 503;
  }

  // All at once, each with its script.
  void Begin(std::vector<Purchase>& purchases) {
    std::vector<std::string> users;
    for (Purchase& purchase : purchases) {
      purchase.user_id = fmt::format("payer{}", ++payers_);
      users.push_back(purchase.user_id);
    }
    world_.TopUp(users);
    const auto tokens = world_.Enter(users);
    std::vector<reservation::v1::Command> commands;
    for (size_t i = 0; i < purchases.size(); ++i) {
      world_.participants().Arm(users[i], {purchases[i].injection, {}});
      commands.push_back(PayFor(world_, users[i], tokens[i], purchases[i].Method()));
    }
    const auto outcomes = world_.Execute(commands);
    for (size_t i = 0; i < purchases.size(); ++i) {
      purchases[i].id = outcomes[i].reservation().id();
      purchases[i].answered = StateOf(outcomes[i].reservation());
    }
  }

  // Whoever is CONFIRMED has paid once, at the acquirer too; everybody else has lost nothing.
  void ExpectClean(const std::vector<Purchase>& purchases) {
    for (const Purchase& purchase : purchases) {
      SCOPED_TRACE(purchase.script + " " + purchase.user_id);
      const auto reservation = world_.Get(purchase.id);
      const bool confirmed = StateOf(reservation) == State::kConfirmed;
      const bool kept = confirmed && purchase.script != payment::kInternal;
      EXPECT_EQ(acquirer_.KeptOf(ReservationId::FromBytes(purchase.id)->ToString()),
                kept ? reservation.amount() : 0);
      EXPECT_EQ(world_.BalanceOf(purchase.user_id), World::kTopUp - (confirmed ? reservation.amount() : 0));
    }
    auto verdict = world_.Audit();
    EXPECT_TRUE(verdict.ok);
    for (const auto& violation : verdict.violations) {
      ADD_FAILURE() << audit::InvariantName(violation.invariant) << " " << violation.detail;
    }
  }
  bool Eventually(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!done() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(milliseconds(5));
    return done();
  }

  // The acquirer's clock is the world's, which does not exist yet when the acquirer is made.
  class LateClock final : public Clock {
   public:
    explicit LateClock(AcquirerSaga& test) : test_(test) {}
    [[nodiscard]] Timestamp Now() const override {
      const std::scoped_lock lock(test_.mutex_);
      return test_.running_.load() ? test_.world_.clock().Now() : SystemClock().Now();
    }

   private:
    AcquirerSaga& test_;
  };

  std::mutex mutex_;  // held while the acquirer's thread uses the world
  std::atomic<bool> running_{false};
  LateClock acquirers_clock_{*this};
  int payers_ = 0;
  acquirer::Acquirer acquirer_;
  World world_;
};

constexpr const char* kTakesMoney[] = {
    "approve",       "timeout_before_capture", "timeout_after_capture", "error_before_capture",
    "slow",          "error_after_capture",    "late_approval",         "garbage_after_capture",
    "webhook_twice", "webhook_replayed",       "refund_error"};

TEST_F(AcquirerSaga, HoweverTheAcquirerMisbehavesTheSagaEndsCleanAndPaysOnce) {
  std::vector<Purchase> purchases;
  for (const char* script : kTakesMoney) purchases.push_back({.script = script});
  for (const char* script : {"decline", "webhook_forged"}) purchases.push_back({.script = script});
  Begin(purchases);
  ASSERT_TRUE(world_.AwaitQuiet()) << "a saga does not end";
  for (const Purchase& purchase : purchases) {
    const bool declined = purchase.script == "decline" || purchase.script == "webhook_forged";
    EXPECT_EQ(StateOf(world_.Get(purchase.id)), declined ? State::kFailed : State::kConfirmed)
        << purchase.script;
  }
  ASSERT_TRUE(Eventually([&] { return acquirer_.Deliveries().size() >= purchases.size() + 1; }));
  for (const acquirer::Delivered& delivered : acquirer_.Deliveries()) {
    const bool believed = delivered.kind != "forged" && delivered.kind != "replayed";
    EXPECT_EQ(delivered.status, believed ? 204 : 401) << delivered.kind;
  }
  ExpectClean(purchases);
}

TEST_F(AcquirerSaga, CallsThatFailAreLostOrAreRepeatedOnTheWayToIt) {
  std::vector<Purchase> purchases;
  for (const char* script : {"approve", "decline", "error_after_capture", "timeout_after_capture"}) {
    for (const Fault fault : kFaults) {
      purchases.push_back(
          {.script = script, .injection = Injection{.from = 3, .times = 1, .all_of = {}, .fault = fault}});
    }
  }
  Begin(purchases);
  ASSERT_TRUE(world_.AwaitQuiet()) << "a saga does not end";
  ExpectClean(purchases);
  std::vector<std::string> users;
  for (const Purchase& purchase : purchases) users.push_back(purchase.user_id);
  (void)world_.participants().ResendAll(users, /*backwards=*/false);
  ExpectClean(purchases);
}

TEST_F(AcquirerSaga, AtTheDeadlineWhatItMayHaveTakenIsGivenBackAndWhatItTakesLaterIsReported) {
  std::vector<Purchase> purchases;
  for (const char* script : kTakesMoney) {
    purchases.push_back({.script = script,
                         .injection = Injection{
                             .from = 0, .times = 0, .all_of = "ApprovePayment", .fault = Fault::kReplyLost}});
  }
  // These are in doubt without anybody's help.
  for (const char* script : {"other_money", "capture_after_cancel"}) purchases.push_back({.script = script});
  Begin(purchases);
  std::vector<std::string> ids;
  for (const Purchase& purchase : purchases) ids.push_back(purchase.id);
  ASSERT_TRUE(world_.AwaitAll(ids, [](const auto& reservation) { return reservation.saga().tries() > 0; }))
      << "nobody acts on a guess before the deadline";
  world_.Jump(reservation::Policy().saga_deadline + milliseconds(1));
  ASSERT_TRUE(world_.AwaitQuiet()) << "a saga does not end";
  const std::string& late = ids.back();
  ASSERT_TRUE(Eventually([&] {
    const auto payments = world_.PaymentsOf(late);
    return payments.size() == 1 && payments[0].captured_late() && payments[0].resolution() == "refunded";
  })) << "it took the money after it had confirmed the cancellation";
  for (const std::string& id : ids) EXPECT_EQ(StateOf(world_.Get(id)), State::kFailed);
  ExpectClean(purchases);
}

// Once its breaker is open, no approval is sent any more.
class HangingAcquirerSaga : public AcquirerSaga {
 protected:
  HangingAcquirerSaga() : AcquirerSaga(OpenForGood()) { acquirer_.Hang(true); }
  static resilience::BreakerConfig OpenForGood() {
    resilience::BreakerConfig breaker;
    breaker.open_for = std::chrono::hours(1);
    return breaker;
  }
  // Twice as many as make a breaker open.
  std::vector<Purchase> BeginMany() {
    std::vector<Purchase> purchases(2 * resilience::BreakerConfig().min_calls, Purchase{.script = "approve"});
    Begin(purchases);
    for (const Purchase& purchase : purchases) EXPECT_EQ(purchase.answered, State::kConfirming);
    return purchases;
  }
  bool IsShownAsAway() {
    return world_.runtime().metrics.Render().find(
               "boxoffice_breaker_state{client=\"payment-acquirer\",replica=\"http\"} 2\n") !=
           std::string::npos;
  }
};

TEST_F(HangingAcquirerSaga, WhileTheAcquirerHangsInternalPaymentsGoOn) {
  const std::vector<Purchase> hung = BeginMany();
  std::vector<Purchase> others(10, Purchase{.script = std::string(payment::kInternal)});
  Begin(others);
  for (const Purchase& purchase : others) EXPECT_EQ(purchase.answered, State::kConfirmed) << "it had to wait";
  acquirer_.Hang(false);
  world_.Jump(reservation::Policy().saga_deadline + milliseconds(1));
  ASSERT_TRUE(world_.AwaitQuiet()) << "a saga does not end";
  ExpectClean(hung);
  ExpectClean(others);
}

TEST_F(HangingAcquirerSaga, WhatWasNotSentToItIsGivenBackWithoutIt) {
  const std::vector<Purchase> hung = BeginMany();
  ASSERT_TRUE(Eventually([&] { return IsShownAsAway(); }));
  std::vector<Purchase> later(5, Purchase{.script = "approve"});
  Begin(later);
  std::vector<std::string> ids;
  for (const Purchase& purchase : later) {
    EXPECT_EQ(purchase.answered, State::kConfirming);
    EXPECT_TRUE(world_.PaymentsOf(purchase.id).empty()) << "it was not done, and may be tried again";
    ids.push_back(purchase.id);
  }
  world_.Jump(reservation::Policy().saga_deadline + milliseconds(1));
  ASSERT_TRUE(world_.AwaitAll(ids, [](const auto& reservation) {
    return StateOf(reservation) == State::kFailed;
  })) << "while the acquirer hangs";
  for (const Purchase& purchase : later) EXPECT_EQ(world_.BalanceOf(purchase.user_id), World::kTopUp);
  acquirer_.Hang(false);
  ASSERT_TRUE(world_.AwaitQuiet()) << "a saga does not end";
  ExpectClean(hung);
  ExpectClean(later);
}

TEST(SlowPayment, ThatIsAnsweredInTimeIsNoFailureOfPayment) {
  payment::PaymentConfig config;
  config.service.provider_timeout = std::chrono::seconds(60);
  config.sandbox.slow = resilience::BreakerConfig().slow_after + milliseconds(100);
  World world(std::chrono::hours(1), config);
  world.TopUp({"ann"});
  const auto command = PayFor(world, "ann", world.Enter({"ann"}).at(0), "sandbox:slow");
  EXPECT_EQ(StateOf(world.Execute({command}).at(0).reservation()), State::kConfirmed);
  const std::vector<rpc::BreakerRow> rows = world.runtime().channels.board().Read();
  const auto row =
      std::ranges::find_if(rows, [](const auto& one) { return one.client == "reservation-payment"; });
  ASSERT_NE(row, rows.end());
  EXPECT_EQ(row->breaker.failed, 0U);
}

}  // namespace
}  // namespace boxoffice::faults
