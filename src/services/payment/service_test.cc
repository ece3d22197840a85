#include "services/payment/service.h"

#include <atomic>
#include <condition_variable>
#include <future>
#include <set>

#include <gmock/gmock.h>

#include "services/payment/provider_timer_manual.h"

namespace boxoffice::payment {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using namespace std::chrono_literals;

const Currency kKrw = *Currency::Parse("KRW");

class MemoryStore final : public Store, public Reader {
 public:
  Result<Rows> Load(const Keys& keys) override {
    const std::scoped_lock lock(mutex_);
    Rows found;
    const auto named = [&](const PaymentKey& key) {
      return std::ranges::find(keys.reservations, key.reservation) != keys.reservations.end();
    };
    for (const auto& [key, row] : rows_) {
      if (named(key)) found.payments.push_back(row);
    }
    for (const auto& [key, row] : refunds_) {
      if (named(key.first)) found.refunds.push_back(row);
    }
    for (const WebhookKey& key : keys.webhooks) {
      if (webhooks_.contains(key)) found.webhooks.push_back(key);
    }
    return found;
  }
  Result<std::vector<ReservationId>> Save(const Changes& changes) override {
    const std::scoped_lock lock(mutex_);
    std::vector<ReservationId> moved;
    for (const Payment& row : changes.payments) {
      const auto it = rows_.find(row.key);
      if ((it == rows_.end() ? 0 : it->second.version) != row.version) moved.push_back(row.key.reservation);
    }
    if (moved.empty() && !moves_.empty()) std::swap(moved, moves_);
    if (!moved.empty()) return moved;
    for (Payment row : changes.payments) {
      ++row.version;
      rows_[row.key] = row;
    }
    for (const Refund& row : changes.refunds) refunds_[{row.payment, row.saga}] = row;
    for (const TakenWebhook& taken : changes.webhooks) webhooks_.insert(taken.key);
    return moved;
  }
  Result<std::vector<Payment>> Payments(ReservationId reservation) override {
    return Load({{reservation}, {}})->payments;
  }
  Result<std::vector<Refund>> Refunds(ReservationId reservation) override {
    return Load({{reservation}, {}})->refunds;
  }
  Result<PaymentPage> Page(ReservationId, uint32_t) override { return PaymentPage{}; }
  Result<std::vector<PaymentKey>> Unsettled(const PaymentKey& after, uint32_t limit) override {
    const std::scoped_lock lock(mutex_);
    std::vector<PaymentKey> keys;
    for (auto it = rows_.upper_bound(after); it != rows_.end() && keys.size() < limit; ++it) {
      if (!it->second.settled() || it->second.refunding > 0) keys.push_back(it->first);
    }
    return keys;
  }
  Result<std::vector<PaymentKey>> Refused(const PaymentKey&, uint32_t) override {
    return std::vector<PaymentKey>{};
  }
  Result<Rows> Find(std::span<const PaymentKey> keys) override {
    const std::scoped_lock lock(mutex_);
    Rows found;
    for (const PaymentKey& key : keys) {
      if (rows_.contains(key)) found.payments.push_back(rows_.at(key));
    }
    return found;
  }
  void Put(const Payment& row) {
    const std::scoped_lock lock(mutex_);
    rows_[row.key] = row;
  }
  Payment Row(const PaymentKey& key) {
    const std::scoped_lock lock(mutex_);
    return rows_.contains(key) ? rows_.at(key) : Payment{};
  }
  // The next save finds these moved.
  void MoveAtNextSave(std::vector<ReservationId> reservations) {
    const std::scoped_lock lock(mutex_);
    moves_ = std::move(reservations);
  }

 private:
  std::mutex mutex_;
  std::map<PaymentKey, Payment> rows_;
  std::map<std::pair<PaymentKey, SagaId>, Refund> refunds_;
  std::set<WebhookKey> webhooks_;
  std::vector<ReservationId> moves_;
};

// A provider that keeps still until the test answers for it.
class FakeProvider final : public Provider {
 public:
  struct Call {
    std::string verb;
    PaymentKey key;
    bool cancelled_before;
    Callback callback;
  };
  [[nodiscard]] bool Accepts(std::string_view instrument) const override { return instrument == "card"; }
  [[nodiscard]] bool IsAway() const override { return away; }
  void Approve(const ProviderRequest& request, Callback callback) override {
    Record("approve", request, std::move(callback));
  }
  void Query(const ProviderRequest& request, Callback callback) override {
    Record("query", request, std::move(callback));
  }
  void Cancel(const ProviderRequest& request, Callback callback) override {
    Record("cancel", request, std::move(callback));
  }
  void Refund(const ProviderRequest& request, Callback callback) override {
    Record("refund", request, std::move(callback));
  }
  // A webhook whose body is "captured" is believed.
  Result<Notice> ReadWebhook(const WebhookRequest& request, Timestamp) const override {
    if (request.signature != "signed") return Fail(Code::kUnauthenticated, "webhook_signature");
    Notice notice;
    if (request.body.empty()) return notice;
    const auto reservation = ReservationId::Parse(request.body);
    notice = {true, *reservation, 1, {1000, kKrw}, {Verdict::kApproved, "late", "", {}}};
    return notice;
  }

  std::atomic<bool> away = false;

  // The n-th call from the start, once it has come.
  Call& Await(size_t n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return calls_.size() > n; });
    return calls_[n];
  }
  void Answer(size_t n, Verdict verdict) {
    Await(n).callback({verdict, "ref", verdict == Verdict::kDeclined ? "51" : "", {}});
  }
  size_t count() {
    const std::scoped_lock lock(mutex_);
    return calls_.size();
  }

 private:
  void Record(std::string verb, const ProviderRequest& request, Callback callback) {
    const std::scoped_lock lock(mutex_);
    calls_.push_back({std::move(verb),
                      {request.reservation, request.attempt},
                      request.cancelled_before,
                      std::move(callback)});
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Call> calls_;
};

class ServiceTest : public ::testing::Test {
 protected:
  std::future<Result<Outcome>> Submit(Command command) {
    auto promise = std::make_shared<std::promise<Result<Outcome>>>();
    service_->Submit(std::move(command), [promise](Result<Outcome> o) { promise->set_value(std::move(o)); });
    return promise->get_future();
  }
  Command ApproveOf(const std::string& method = "fake:card") {
    return {payment::Approve{key_, saga_, "ann", {1000, kKrw}, method, Route::kUnknown}, "", {}};
  }
  Command CancelOf() { return {payment::Cancel{key_, saga_}, "", {}}; }
  Command QueryOf() { return {payment::Query{key_}, "", {}}; }
  Result<Outcome> Receive(const std::string& id, const std::string& body,
                          const std::string& signature = "signed", const std::string& provider = "fake") {
    std::promise<Result<Outcome>> promise;
    service_->ReceiveWebhook(provider, {id, "0", signature, body},
                             [&promise](Result<Outcome> o) { promise.set_value(std::move(o)); });
    return promise.get_future().get();
  }
  // Returns once all that was submitted before has been decided.
  void Settle() {
    (void)Submit({payment::Query{{ReservationId::Make(clock_.Now(), random_), 1}}, "", {}}).get();
  }

  ManualClock clock_;
  ManualTimer timer_{clock_};
  SeededRandom random_{2};
  obs::Registry metrics_;
  MemoryStore store_;
  FakeProvider provider_;
  PaymentKey key_{ReservationId::Make(clock_.Now(), random_), 1};
  SagaId saga_ = SagaId::Make(clock_.Now(), random_);
  std::unique_ptr<Service> service_ =
      std::make_unique<Service>(store_, store_, Providers{{"fake", &provider_}}, timer_, clock_, random_,
                                metrics_, ServiceConfig{.limits = {}, .reconcile_at_most = 2}, [] {});
};

TEST_F(ServiceTest, AnInternalApprovalAsksNobody) {
  EXPECT_EQ(Submit(ApproveOf("internal")).get()->state, State::kApproved);
  EXPECT_EQ(provider_.count(), 0);
}

TEST_F(ServiceTest, AMethodThatNoProviderAcceptsIsRefused) {
  EXPECT_EQ(Submit(ApproveOf("fake:gold")).get()->refusal, Refusal::kMethodUnknown);
  EXPECT_EQ(Submit(ApproveOf("nobody:card")).get()->refusal, Refusal::kMethodUnknown);
}

TEST_F(ServiceTest, WhileItsProviderIsAwayANewPaymentIsNotDoneAndItsCancellationAsksNobody) {
  provider_.away = true;
  const auto refused = Submit(ApproveOf()).get();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  EXPECT_EQ(refused.error().reason, "provider_unavailable");
  EXPECT_EQ(Submit(CancelOf()).get()->resolution, Resolution::kNeverSent);
  EXPECT_EQ(provider_.count(), 0);
}

TEST_F(ServiceTest, WhatWasBegunIsAskedForAlsoWhileItsProviderIsAway) {
  auto first = Submit(ApproveOf());
  EXPECT_EQ(provider_.Await(0).verb, "approve");
  provider_.away = true;
  provider_.Answer(0, Verdict::kUnknown);
  EXPECT_EQ(first.get().error().reason, "payment_unknown");
  auto again = Submit(ApproveOf());
  EXPECT_EQ(provider_.Await(1).verb, "query");
  provider_.Answer(1, Verdict::kApproved);
  EXPECT_EQ(again.get()->state, State::kApproved);
}

TEST_F(ServiceTest, TheIntentIsSavedBeforeTheProviderIsTold) {
  auto answer = Submit(ApproveOf());
  EXPECT_EQ(provider_.Await(0).verb, "approve");
  EXPECT_EQ(store_.Row(key_).state, State::kPending);
  provider_.Answer(0, Verdict::kApproved);
  EXPECT_EQ(answer.get()->state, State::kApproved);
  EXPECT_EQ(store_.Row(key_).state, State::kApproved);
}

TEST_F(ServiceTest, ATimeOutIsUnknownAndTheLateAnswerIsStillRecorded) {
  auto answer = Submit(ApproveOf());
  timer_.AwaitWaiting(1);
  timer_.Advance(2'999ms);
  EXPECT_EQ(answer.wait_for(0s), std::future_status::timeout);
  timer_.Advance(1ms);
  const auto unknown = answer.get();
  EXPECT_EQ(unknown.error().code, Code::kUnknown);
  EXPECT_EQ(unknown.error().reason, "payment_unknown");
  EXPECT_EQ(store_.Row(key_).state, State::kPending);
  timer_.Advance(500ms);
  provider_.Answer(0, Verdict::kApproved);
  Settle();
  EXPECT_EQ(store_.Row(key_).state, State::kApproved);
  const obs::Histogram& took =
      metrics_.GetHistogram("boxoffice_payment_provider_seconds", "", {}, {{"operation", "approve"}});
  EXPECT_EQ(took.count(), 1);
  EXPECT_DOUBLE_EQ(took.sum(), 3.5) << "how slow it is";
}

TEST_F(ServiceTest, ARepeatAfterATimeOutAsksByKeyAndSendsAgainIfTheProviderKnowsNothing) {
  auto first = Submit(ApproveOf());
  timer_.AwaitWaiting(1);
  timer_.Advance(3s);
  EXPECT_FALSE(first.get());
  auto again = Submit(ApproveOf());
  EXPECT_EQ(provider_.Await(1).verb, "query");
  provider_.Answer(1, Verdict::kNotFound);
  EXPECT_EQ(provider_.Await(2).verb, "approve");
  provider_.Answer(2, Verdict::kApproved);
  EXPECT_EQ(again.get()->state, State::kApproved);
}

TEST_F(ServiceTest, ARepeatWhileTheProviderIsAskedSharesTheCall) {
  auto first = Submit(ApproveOf());
  provider_.Await(0);
  auto second = Submit(ApproveOf());
  auto query = Submit(QueryOf());
  Settle();
  EXPECT_EQ(provider_.count(), 1);
  provider_.Answer(0, Verdict::kDeclined);
  EXPECT_EQ(first.get()->provider_code, "51");
  EXPECT_EQ(second.get()->refusal, Refusal::kDeclined);
  EXPECT_EQ(query.get()->state, State::kDeclined);
}

TEST_F(ServiceTest, ACancellationIsAnsweredOnlyWhenItIsCertain) {
  auto approve = Submit(ApproveOf());
  provider_.Answer(0, Verdict::kUnknown);
  EXPECT_EQ(approve.get().error().reason, "payment_unknown");
  auto cancel = Submit(CancelOf());
  EXPECT_EQ(provider_.Await(1).verb, "cancel");
  provider_.Answer(1, Verdict::kUnknown);
  EXPECT_EQ(cancel.get().error().code, Code::kUnknown);
  auto again = Submit(CancelOf());
  provider_.Answer(2, Verdict::kRefunded);
  EXPECT_EQ(again.get()->resolution, Resolution::kRefunded);
}

TEST_F(ServiceTest, ACancellationDoesNotWaitForAnApprovalUnderWayAndTheLateApprovalIsGivenBack) {
  auto approve = Submit(ApproveOf());
  provider_.Await(0);
  auto cancel = Submit(CancelOf());
  EXPECT_EQ(provider_.Await(1).verb, "cancel");
  provider_.Answer(1, Verdict::kNeverSeen);
  EXPECT_EQ(cancel.get()->resolution, Resolution::kNeverSent);
  provider_.Answer(0, Verdict::kApproved);
  EXPECT_EQ(approve.get()->kind, OutcomeKind::kAborted);
  EXPECT_FALSE(store_.Row(key_).settled());
  service_->StartReconciler();
  EXPECT_EQ(provider_.Await(2).verb, "cancel");
  provider_.Answer(2, Verdict::kRefunded);
  Settle();
  EXPECT_EQ(store_.Row(key_).resolution, Resolution::kRefunded);
}

TEST_F(ServiceTest, ACancellationThatComesFirstNeverReachesTheProvider) {
  EXPECT_EQ(Submit(CancelOf()).get()->resolution, Resolution::kNeverSent);
  EXPECT_EQ(Submit(ApproveOf()).get()->kind, OutcomeKind::kAborted);
  EXPECT_EQ(provider_.count(), 0);
}

TEST_F(ServiceTest, TheReconcilerFindsWhatACrashHasLeftABoundedPartEachTime) {
  std::vector<PaymentKey> keys;
  for (int i = 0; i < 3; ++i) {
    keys.push_back({ReservationId::Make(clock_.Now() + milliseconds(i), random_), 1});
    store_.Put({.key = keys.back(), .method = "fake:card", .state = State::kPending, .version = 1});
  }
  service_->StartReconciler();
  EXPECT_EQ(provider_.Await(0).key, keys[0]);
  EXPECT_EQ(provider_.Await(1).key, keys[1]);
  Settle();
  EXPECT_EQ(provider_.count(), 2);  // at most two each time
  provider_.Answer(0, Verdict::kApproved);
  provider_.Answer(1, Verdict::kNotFound);
  timer_.Advance(1s);
  EXPECT_EQ(provider_.Await(2).key, keys[2]);
  provider_.Answer(2, Verdict::kDeclined);
  Settle();
  timer_.Advance(1s);
  EXPECT_EQ(provider_.Await(3).key, keys[1]);  // begins anew
  EXPECT_EQ(store_.Row(keys[0]).state, State::kApproved);
  EXPECT_EQ(store_.Row(keys[1]).state, State::kPending);
  EXPECT_EQ(store_.Row(keys[2]).state, State::kDeclined);
}

TEST_F(ServiceTest, TheGaugeOfUnsettledPaymentsIsTheSumOfAWholePass) {
  const obs::Gauge& unsettled = metrics_.GetGauge("boxoffice_payment_unsettled", "");
  std::vector<Payment> rows;
  for (int i = 0; i < 5; ++i) {
    const PaymentKey key{ReservationId::Make(clock_.Now() + milliseconds(i), random_), 1};
    rows.push_back({.key = key, .method = "fake:card", .state = State::kPending, .version = 1});
    store_.Put(rows.back());
  }
  const auto settle = [&](Payment& row) {
    row.state = State::kDeclined;
    ++row.version;
    store_.Put(row);
  };
  service_->StartReconciler();
  EXPECT_EQ(unsettled.value(), 2) << "so many at least";
  timer_.Advance(1s);
  timer_.Advance(1s);
  EXPECT_EQ(unsettled.value(), 5);
  settle(rows[4]);
  timer_.Advance(1s);
  EXPECT_EQ(unsettled.value(), 5) << "the next pass has not found them all yet";
  timer_.Advance(1s);
  timer_.Advance(1s);
  EXPECT_EQ(unsettled.value(), 4) << "the last round was full, and the one after it empty";
  for (int i = 0; i < 4; ++i) settle(rows[i]);
  timer_.Advance(1s);
  EXPECT_EQ(unsettled.value(), 0);
}

// In a sale some payment is always with the provider.
TEST_F(ServiceTest, WhatIsJustBeingPaidIsNotUnsettled) {
  const obs::Gauge& unsettled = metrics_.GetGauge("boxoffice_payment_unsettled", "");
  Payment row{.key = key_, .method = "fake:card", .state = State::kPending, .version = 1};
  row.updated_at = clock_.Now();
  store_.Put(row);
  service_->StartReconciler();
  EXPECT_EQ(provider_.Await(0).verb, "query") << "it is found out about all the same";
  timer_.Advance(59s);
  EXPECT_EQ(unsettled.value(), 0);
  timer_.Advance(1s);
  EXPECT_EQ(unsettled.value(), 1);
  row.state = State::kDeclined;
  ++row.version;
  store_.Put(row);
  timer_.Advance(1s);
  EXPECT_EQ(unsettled.value(), 0);
}

TEST_F(ServiceTest, StoppingAnswersWhoWaitsForAProvider) {
  auto answer = Submit(ApproveOf());
  provider_.Await(0);
  timer_.AwaitWaiting(1);
  service_->Stop();
  EXPECT_EQ(answer.get().error().reason, "payment_unknown");
  EXPECT_EQ(store_.Row(key_).state, State::kPending);
}

TEST_F(ServiceTest, ARefundThatTheProviderLeavesInDoubtIsAskedAgainByTheReconciler) {
  auto approve = Submit(ApproveOf());
  provider_.Answer(0, Verdict::kApproved);
  ASSERT_TRUE(approve.get());
  const payment::GiveBack part{key_, SagaId::Make(clock_.Now(), random_), {300, kKrw}};
  auto refund = Submit({part, "", {}});
  EXPECT_EQ(provider_.Await(1).verb, "refund");
  provider_.Answer(1, Verdict::kUnknown);
  EXPECT_EQ(refund.get().error().reason, "payment_unknown");
  service_->StartReconciler();
  EXPECT_EQ(provider_.Await(2).verb, "refund");
  provider_.Answer(2, Verdict::kRefundDone);
  Settle();
  EXPECT_EQ(Submit({part, "", {}}).get()->refunded, 300);
  EXPECT_EQ(provider_.count(), 3);
}

TEST_F(ServiceTest, ARefundThatTheProviderRefusesIsAnsweredSoCountedAndLogged) {
  auto approve = Submit(ApproveOf());
  provider_.Answer(0, Verdict::kApproved);
  ASSERT_TRUE(approve.get());
  const payment::GiveBack part{key_, SagaId::Make(clock_.Now(), random_), {300, kKrw}};
  auto refund = Submit({part, "", {}});
  ::testing::internal::CaptureStderr();
  provider_.Await(1).callback({Verdict::kRefused, "", "charge_disputed", {}});
  const Result<Outcome> refused = refund.get();
  const std::string log = ::testing::internal::GetCapturedStderr();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->refusal, Refusal::kRefundRefused);
  EXPECT_EQ(refused->provider_code, "charge_disputed");
  EXPECT_THAT(log, HasSubstr("payment_refund_refused"));
  EXPECT_THAT(log, HasSubstr("charge_disputed"));
  EXPECT_THAT(log, HasSubstr(part.saga.ToString()));
  EXPECT_EQ(metrics_.GetCounter("boxoffice_payment_refunds_refused_total", "").value(), 1);
  auto settled = Submit({SettleOutside{key_, "root", "charged back"}, "", {}});
  EXPECT_EQ(provider_.Await(2).verb, "refund");
  provider_.Answer(2, Verdict::kRefused);
  ASSERT_TRUE(settled.get());
  EXPECT_EQ(Submit({part, "", {}}).get()->refunded, 300);
  EXPECT_EQ(provider_.count(), 3) << "the provider is not asked any more";
}

TEST_F(ServiceTest, WhatIsSettledOutsideAndThenGivenBackAfterAllIsCountedAndLogged) {
  auto approve = Submit(ApproveOf());
  provider_.Answer(0, Verdict::kApproved);
  ASSERT_TRUE(approve.get());
  const payment::GiveBack part{key_, SagaId::Make(clock_.Now(), random_), {300, kKrw}};
  auto slow = Submit({part, "", {}});
  provider_.Await(1);
  timer_.AwaitWaiting(2);
  timer_.Advance(3s);
  ASSERT_FALSE(slow.get()) << "its answer is on its way";
  auto refused = Submit({part, "", {}});
  provider_.Answer(2, Verdict::kRefused);
  EXPECT_EQ(refused.get()->refusal, Refusal::kRefundRefused);
  auto settled = Submit({SettleOutside{key_, "root", "charged back"}, "", {}});
  provider_.Answer(3, Verdict::kRefused);
  ASSERT_TRUE(settled.get());
  const obs::Counter& twice = metrics_.GetCounter("boxoffice_payment_given_back_twice_total", "");
  EXPECT_EQ(twice.value(), 0);
  ::testing::internal::CaptureStderr();
  provider_.Answer(1, Verdict::kRefundDone);
  Settle();
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("payment_given_back_twice"));
  EXPECT_THAT(log, HasSubstr(key_.reservation.ToString()));
  EXPECT_THAT(log, HasSubstr(part.saga.ToString()));
  EXPECT_EQ(twice.value(), 1);
}

TEST_F(ServiceTest, TwoRefundsOfOnePaymentAreTwoConversations) {
  auto approve = Submit(ApproveOf());
  provider_.Answer(0, Verdict::kApproved);
  ASSERT_TRUE(approve.get());
  auto first = Submit({payment::GiveBack{key_, SagaId::Make(clock_.Now(), random_), {300, kKrw}}, "", {}});
  provider_.Await(1);
  auto second = Submit({payment::GiveBack{key_, SagaId::Make(clock_.Now(), random_), {200, kKrw}}, "", {}});
  provider_.Await(2);
  provider_.Answer(2, Verdict::kRefundDone);
  EXPECT_EQ(second.get()->refunded, 200);
  provider_.Answer(1, Verdict::kRefundDone);
  EXPECT_EQ(first.get()->refunded, 500);
}

TEST_F(ServiceTest, ALateCaptureThatAWebhookTellsOfIsGivenBackWhileItsSenderHasItsAnswer) {
  auto approve = Submit(ApproveOf());
  provider_.Answer(0, Verdict::kUnknown);
  ASSERT_FALSE(approve.get());
  auto cancel = Submit(CancelOf());
  provider_.Answer(1, Verdict::kNeverSeen);
  ASSERT_TRUE(cancel.get());
  const auto taken = Receive("w1", key_.reservation.ToString());
  ASSERT_TRUE(taken) << taken.error().reason;
  EXPECT_EQ(taken->effect, WebhookEffect::kDone);
  EXPECT_EQ(provider_.Await(2).verb, "cancel");
  EXPECT_EQ(Receive("w1", key_.reservation.ToString())->effect, WebhookEffect::kRepeated);
  provider_.Answer(2, Verdict::kRefunded);
  Settle();
  EXPECT_EQ(store_.Row(key_).resolution, Resolution::kRefunded);
  EXPECT_TRUE(store_.Row(key_).captured_late);
  EXPECT_EQ(provider_.count(), 3);
}

TEST_F(ServiceTest, OnlyAnAnswerToWhatWasAskedAfterTheCaptureWasHeardOfSaysThatItIsVoid) {
  auto approve = Submit(ApproveOf());
  provider_.Answer(0, Verdict::kUnknown);
  ASSERT_FALSE(approve.get());
  auto cancel = Submit(CancelOf());
  provider_.Await(1);
  ASSERT_TRUE(Receive("w1", key_.reservation.ToString()));
  Settle();  // what follows it has joined the cancellation under way
  provider_.Answer(1, Verdict::kVoided);
  EXPECT_FALSE(cancel.get());
  EXPECT_FALSE(store_.Row(key_).settled());
  auto again = Submit(CancelOf());
  EXPECT_TRUE(provider_.Await(2).cancelled_before);
  provider_.Answer(2, Verdict::kVoided);
  const Result<Outcome> outcome = again.get();
  ASSERT_TRUE(outcome) << outcome.error().reason;
  EXPECT_EQ(outcome->resolution, Resolution::kVoided);
}

TEST_F(ServiceTest, AForgedWebhookHasNoEffect) {
  auto approve = Submit(ApproveOf());
  provider_.Await(0);
  EXPECT_EQ(Receive("w1", key_.reservation.ToString(), "forged").error().reason, "webhook_signature");
  EXPECT_EQ(Receive("w1", key_.reservation.ToString(), "signed", "nobody").error().reason,
            "provider_unknown");
  EXPECT_EQ(Receive("w1", "")->effect, WebhookEffect::kIgnored);
  EXPECT_EQ(store_.Row(key_).state, State::kPending);
  provider_.Answer(0, Verdict::kDeclined);
  ASSERT_TRUE(approve.get());
}

TEST_F(ServiceTest, ForgedWebhooksAreAWarningASecondThatTellsHowManyOthersThereWere) {
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 1'000; ++i) EXPECT_FALSE(Receive("w1", "", "forged"));
  clock_.Advance(1s);
  EXPECT_FALSE(Receive("w1", "", "forged"));
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("payment_webhook_refused"));
  EXPECT_THAT(log, HasSubstr(R"("others":"999")"));
  EXPECT_EQ(std::ranges::count(log, '\n'), 2) << log;
}

TEST_F(ServiceTest, ACaptureThatIsOfNoPaymentOfOursIsLogged) {
  const ReservationId nobody = ReservationId::Make(clock_.Now(), random_);
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(Receive("w1", nobody.ToString())->effect, WebhookEffect::kIgnored);
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("payment_webhook_capture_ignored"));
  EXPECT_THAT(log, HasSubstr(nobody.ToString()));
}

TEST_F(ServiceTest, ACommandWhoseReservationMovedIsDecidedAgain) {
  store_.MoveAtNextSave({key_.reservation});
  EXPECT_EQ(Submit(ApproveOf("internal")).get()->state, State::kApproved);
}

}  // namespace
}  // namespace boxoffice::payment
