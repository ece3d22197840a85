// Sagas that pay over HTTP, at an acquirer that misbehaves in every way it knows: each ends clean, and the
// acquirer keeps exactly what was sold.
#include "acquirer/acquirer.h"

#include <atomic>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "saga/world.h"
#include "services/reservation/reservation.h"

namespace boxoffice::faults {
namespace {

using reservation::State;

State StateOf(const reservation::v1::Reservation& reservation) {
  return static_cast<State>(static_cast<int>(reservation.state()) - 1);
}

struct Purchase {
  std::string script;
  std::optional<Injection> injection;
  std::string user_id;
  std::string id;
};

class AcquirerSaga : public ::testing::Test {
 protected:
  AcquirerSaga() : acquirer_(OptionsFor(*this)), world_(std::chrono::hours(1), ConfigFor(acquirer_)) {
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
  static payment::PaymentConfig ConfigFor(const acquirer::Acquirer& acquirer) {
    payment::PaymentConfig config;
    config.service.provider_timeout = milliseconds(400);
    config.service.reconcile_every = milliseconds(100);
    config.acquirer.url = acquirer.url();
    config.acquirer.api_key = acquirer::Options().api_key;
    config.acquirer.webhook_secrets = {acquirer::Options().webhook_secret};
    config.acquirer.timeout = milliseconds(300);
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
      reservation::v1::Command& command = commands.emplace_back();
      command.set_user_id(users[i]);
      command.set_idempotency_key("pay");
      auto& reserve = *command.mutable_reserve();
      reserve.set_show_id(world_.show_id());
      for (const uint32_t seat_no : world_.NextSeats()) reserve.mutable_seats()->add_seat_nos(seat_no);
      reserve.set_pay(true);
      reserve.set_queue_token(tokens[i]);
      reserve.set_payment_method("http:" + purchases[i].script);
    }
    const auto outcomes = world_.Execute(commands);
    for (size_t i = 0; i < purchases.size(); ++i) purchases[i].id = outcomes[i].reservation().id();
  }

  // Whoever is CONFIRMED has paid once, at the acquirer too; everybody else has lost nothing.
  void ExpectClean(const std::vector<Purchase>& purchases) {
    for (const Purchase& purchase : purchases) {
      SCOPED_TRACE(purchase.script + " " + purchase.user_id);
      const auto reservation = world_.Get(purchase.id);
      const bool confirmed = StateOf(reservation) == State::kConfirmed;
      EXPECT_EQ(acquirer_.KeptOf(ReservationId::FromBytes(purchase.id)->ToString()),
                confirmed ? reservation.amount() : 0);
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

}  // namespace
}  // namespace boxoffice::faults
