// A settlement file against more payments than a page has: what is read for it, and when it ends.
#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include "boxoffice/payment/v1/payment.grpc.pb.h"
#include "platform/rpc/host.h"
#include "services/payment/provider_timer_manual.h"
#include "services/payment/rpc_server.h"
#include "services/payment/store_sqlite.h"
#include "testing/temp_dir.h"
#include "testing/wait.h"

namespace boxoffice::payment {
namespace {

const Currency kKrw = *Currency::Parse("KRW");

// Payments that a test makes, each with a part given back, in pages of fewer than it is asked for. It counts
// what it is asked; by one walk at a time.
class CountingReader final : public Reader {
 public:
  static constexpr size_t kPage = 1'000;

  void Add(const Payment& payment, const Refund& refund) {  // in the order of keys
    payments_.push_back(payment);
    refunds_.push_back(refund);
  }

  Result<PaymentPage> Page(ReservationId after, uint32_t) override {
    if (after.IsNil()) ++walks;
    PaymentPage page;
    if (first_is_endless && walks == 1) return PaymentPage{{payments_.front()}, /*more=*/true};
    auto next = std::ranges::upper_bound(payments_, after, {},
                                         [](const Payment& payment) { return payment.key.reservation; });
    for (; next != payments_.end() && page.payments.size() < kPage; ++next) page.payments.push_back(*next);
    page.more = next != payments_.end();
    return page;
  }
  Result<Rows> Find(std::span<const PaymentKey> keys) override {
    ++finds;
    asked.insert(asked.end(), keys.begin(), keys.end());
    Rows rows;
    for (const PaymentKey& key : keys) {
      const auto found = std::ranges::lower_bound(payments_, key, {}, &Payment::key);
      rows.payments.push_back(*found);
      rows.refunds.push_back(refunds_.at(static_cast<size_t>(found - payments_.begin())));
    }
    return rows;
  }
  Result<std::vector<Refund>> Refunds(ReservationId) override {
    ++finds;
    return std::vector<Refund>();
  }
  Result<std::vector<Payment>> Payments(ReservationId) override { return std::vector<Payment>(); }
  Result<std::vector<PaymentKey>> Unsettled(const PaymentKey&, uint32_t) override {
    return std::vector<PaymentKey>();
  }
  Result<std::vector<PaymentKey>> Refused(const PaymentKey&, uint32_t) override {
    return std::vector<PaymentKey>();
  }

  std::atomic<bool> first_is_endless{false};  // the first walk comes to no last page
  std::atomic<int> walks{0};
  int finds = 0;  // reads of refunds
  std::vector<PaymentKey> asked;

 private:
  std::vector<Payment> payments_;
  std::vector<Refund> refunds_;
};

class SettlementWalkTest : public ::testing::Test {
 protected:
  SettlementWalkTest() {
    host_.Start(server_, rpc::Listen(), {}, {}, &server_.streams()).value();
    stub_ = v1::PaymentService::NewStub(host_.InProcessChannel());
  }

  // One more, of 1,000 of which 300 were given back; the lines that a provider's file has of it.
  std::string Add(const std::string& method) {
    clock_.Advance(std::chrono::milliseconds(1));
    const Timestamp now = clock_.Now();
    const Payment payment{.key = {ReservationId::Make(now, random_), 1},
                          .id = PaymentId::Make(now, random_),
                          .saga = SagaId::Make(now, random_),
                          .user_id = "ann",
                          .money = {1'000, kKrw},
                          .method = method,
                          .state = State::kApproved,
                          .created_at = now,
                          .updated_at = now,
                          .refunded = 300};
    const Refund refund{.payment = payment.key,
                        .saga = SagaId::Make(now, random_),
                        .amount = 300,
                        .done = true,
                        .created_at = now,
                        .updated_at = now,
                        .dispute = {}};
    reader_.Add(payment, refund);
    const std::string key = KeyText(payment.key);
    return fmt::format("capture,{0},1000,KRW\nrefund,{0}/{1},300,KRW\n", key, refund.saga.ToString());
  }
  grpc::Status Reconcile(grpc::ClientContext& context, const std::string& lines,
                         v1::SettlementReport& report) {
    v1::ReconcileSettlementRequest request;
    request.set_provider("http");
    request.set_csv("operation,key,amount,currency\n" + lines);
    return stub_->ReconcileSettlement(&context, request, &report);
  }

  const testbed::TempDir dir_;
  ManualClock clock_;
  SeededRandom random_{7};
  obs::Registry metrics_;
  ManualTimer timer_{clock_};
  const Stores stores_ = OpenSqlite(dir_.path() / "payment.db").value();  // takes no command here
  CountingReader reader_;
  Service service_{
      *stores_.store, reader_, Providers{{"http", nullptr}}, timer_, clock_, random_, metrics_, {}, [] {}};
  RpcServer server_{service_, reader_};
  rpc::Host host_;
  std::unique_ptr<v1::PaymentService::Stub> stub_;
};

TEST_F(SettlementWalkTest, RefundsAreReadOnceForAPageAndOnlyOfTheProvidersPayments) {
  std::string lines;
  const auto add = [&](size_t count, const std::string& method) {
    for (size_t i = 0; i < count; ++i) {
      const std::string of_it = Add(method);
      if (method == "http:visa") lines += of_it;
    }
  };
  add(1'500, "http:visa");
  add(2'000, "internal");  // the third page has no others
  add(500, "http:visa");
  grpc::ClientContext context;
  v1::SettlementReport report;
  ASSERT_TRUE(Reconcile(context, lines, report).ok());
  EXPECT_EQ(report.matched(), 4'000U);
  EXPECT_EQ(report.difference_count(), 0U);
  EXPECT_EQ(reader_.finds, 3);
  EXPECT_EQ(reader_.asked.size(), 2'000U);
}

TEST_F(SettlementWalkTest, OneThatNobodyWaitsForAnyMoreEndsAndTheNextIsAnswered) {
  Add("internal");
  reader_.first_is_endless = true;
  grpc::ClientContext left, next;
  auto first = std::async(std::launch::async, [&] {
    v1::SettlementReport report;
    return Reconcile(left, "", report);
  });
  EXPECT_TRUE(testbed::Eventually([&] { return reader_.walks == 1; }));
  left.TryCancel();
  EXPECT_EQ(first.get().error_code(), grpc::StatusCode::CANCELLED);
  next.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  v1::SettlementReport report;
  EXPECT_TRUE(Reconcile(next, "", report).ok());
  EXPECT_EQ(reader_.walks, 2);
  reader_.first_is_endless = false;
}

}  // namespace
}  // namespace boxoffice::payment
