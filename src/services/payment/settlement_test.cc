#include "services/payment/settlement.h"

#include <algorithm>
#include <functional>
#include <utility>

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace boxoffice::payment {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Currency kKrw = *Currency::Parse("KRW");
const Currency kEur = *Currency::Parse("EUR");
const Timestamp kNow = FromUnixMs(1'800'000'000'000);
constexpr std::string_view kHeader = "operation,key,amount,currency\n";

SettlementFile Read(std::string_view text) {
  auto file = ReadSettlement(text);
  EXPECT_TRUE(file.has_value()) << file.error().detail;
  return file.value_or(SettlementFile());
}

TEST(SettlementFileTest, LinesAreReadByTheirColumnsNames) {
  const SettlementFile file = Read(
      "\xEF\xBB\xBF"
      "settled_at,amount, currency ,operation,key\r\n"
      "2026-11-22,1000,KRW,capture,k1\r\n"
      "\r\n"
      "\"a, \"\"quoted\"\"\nnote\",20,EUR,refund,\"k2/1\"");
  EXPECT_THAT(file.bad, IsEmpty());
  EXPECT_THAT(file.lines, ElementsAre(SettlementLine{2, Operation::kCapture, "k1", {1000, kKrw}},
                                      SettlementLine{4, Operation::kRefund, "k2/1", {20, kEur}}));
}

TEST(SettlementFileTest, ALineThatCannotBeReadIsNamedByItsNumberAndColumnAndTheOthersCount) {
  const SettlementFile file = Read(std::string(kHeader) +
                                   "capture,k1,1000,KRW\n"
                                   "sale,k2,1000,KRW\n"
                                   "capture,,1000,KRW\n"
                                   "capture,k3,10.5,KRW\n"
                                   "capture,k3,0,KRW\n"
                                   "capture,k3,-5,KRW\n"
                                   "capture,k3,99999999999999999999,KRW\n"
                                   "capture,k4,5,won\n"
                                   "capture,k5\n"
                                   "capture,\"k7\"x,5,KRW\n"
                                   "\"open,k6,5,KRW\n"
                                   "refund,k8,5,KRW\n");
  EXPECT_THAT(file.lines, ElementsAre(SettlementLine{2, Operation::kCapture, "k1", {1000, kKrw}},
                                      SettlementLine{13, Operation::kRefund, "k8", {5, kKrw}}));
  std::string told;
  for (const BadLine& bad : file.bad)
    told += fmt::format("{} {}\n", bad.number, bad.detail.substr(0, bad.detail.find(':')));
  EXPECT_EQ(told,
            "3 operation\n4 key\n5 amount\n6 amount\n7 amount\n8 amount\n9 currency\n10 amount\n"
            "11 a quoted field goes on behind its quote\n12 a quote is not closed\n");
}

// In Latin-1, in UTF-8, with a line break, with a control character.
TEST(SettlementFileTest, ALineWhoseKeyIsNotPrintableAsciiIsMalformed) {
  const SettlementFile file = Read(std::string(kHeader) +
                                   "capture,k\xE9,5,KRW\n"
                                   "capture,k\xC3\xA9,5,KRW\n"
                                   "capture,\"k\n4\",5,KRW\n"
                                   "capture,k\x7F,5,KRW\n"
                                   "capture,!k ~7,5,KRW\n");
  const std::string why = "key: must be printable ASCII";
  EXPECT_THAT(file.bad, ElementsAre(BadLine{2, why}, BadLine{3, why}, BadLine{4, why}, BadLine{6, why}));
  EXPECT_THAT(file.lines, ElementsAre(SettlementLine{7, Operation::kCapture, "!k ~7", {5, kKrw}}));
}

TEST(SettlementFileTest, AStrayQuoteCostsItsOwnLineAndNoneUpToTheNextQuote) {
  const SettlementFile file = Read(std::string(kHeader) +
                                   "capture,k2,5,KRW\n"
                                   "capture,\"k3,5,KRW\n"
                                   "capture,k4,5,KRW\n"
                                   "refund,k5,5,KRW\n"
                                   "capture,\"k6\",5,KRW\n"
                                   "capture,k7,5,KRW\n");
  EXPECT_THAT(file.bad, ElementsAre(BadLine{3, "a quoted field goes on behind its quote"}));
  EXPECT_THAT(file.lines, ElementsAre(SettlementLine{2, Operation::kCapture, "k2", {5, kKrw}},
                                      SettlementLine{4, Operation::kCapture, "k4", {5, kKrw}},
                                      SettlementLine{5, Operation::kRefund, "k5", {5, kKrw}},
                                      SettlementLine{6, Operation::kCapture, "k6", {5, kKrw}},
                                      SettlementLine{7, Operation::kCapture, "k7", {5, kKrw}}));
}

TEST(SettlementFileTest, AStrayQuoteBehindTooManyFieldsCostsItsOwnLineToo) {
  const SettlementFile file = Read(std::string(kHeader) + std::string(256, ',') +
                                   "\"\n"
                                   "capture,k3,5,KRW\n"
                                   "capture,\"k4\",5,KRW\n");
  EXPECT_THAT(file.bad, ElementsAre(BadLine{2, "more than 256 fields"}));
  EXPECT_THAT(file.lines, ElementsAre(SettlementLine{3, Operation::kCapture, "k3", {5, kKrw}},
                                      SettlementLine{4, Operation::kCapture, "k4", {5, kKrw}}));
}

TEST(SettlementFileTest, AFileWithoutItsColumnsIsRefused) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "empty"},
      {"operation,key,amount\ncapture,k,1\n", "currency"},
      {"operation,key,key,amount,currency\n", "more than one column is called key"},
      {"{\"json\": true}", "operation"}};
  for (const auto& [text, why] : cases) {
    const auto file = ReadSettlement(text);
    ASSERT_FALSE(file.has_value()) << text;
    EXPECT_EQ(file.error().reason, "settlement_malformed");
    EXPECT_THAT(file.error().detail, HasSubstr(why));
  }
}

TEST(LeastDifferencesTest, TheLeastByKeyAndOperationAreKeptInOrderAndTheOthersOnlyCounted) {
  LeastDifferences least(3);
  for (const auto& [key, operation] :
       {std::pair("d", Operation::kCapture), std::pair("b", Operation::kRefund),
        std::pair("e", Operation::kCapture), std::pair("a", Operation::kCapture),
        std::pair("b", Operation::kCapture), std::pair("c", Operation::kRefund)}) {
    Difference difference;
    difference.key = key;
    difference.operation = operation;
    least.Add(std::move(difference));
    EXPECT_LE(least.held(), 3U);
  }
  EXPECT_EQ(least.added(), 6U);
  std::string told;
  for (const Difference& difference : least.Take())
    told += fmt::format("{} {}\n", difference.key, OperationName(difference.operation.value()));
  EXPECT_EQ(told, "a capture\nb capture\nb refund\n");
}

class ReconciliationTest : public ::testing::Test {
 protected:
  Payment APayment(State state = State::kApproved, int64_t amount = 1000, Timestamp at = kNow) {
    Payment payment;
    payment.key = {ReservationId::Make(kNow + milliseconds(++made_), random_), 1};
    payment.money = {amount, kKrw};
    payment.method = "http:card";
    payment.state = state;
    payment.created_at = payment.updated_at = at;
    return payment;
  }
  // That was given back, under an id of its own.
  Refund PartOf(const Payment& payment, int64_t amount = 300) {
    return {.payment = payment.key,
            .saga = SagaId::Make(kNow, random_),
            .amount = amount,
            .done = true,
            .updated_at = kNow};
  }
  static std::string KeyOf(const Payment& payment) { return payment.key.reservation.ToString() + "/1"; }
  static std::string KeyOfPart(const Refund& part) {
    return part.payment.reservation.ToString() + "/1/" + part.saga.ToString();
  }
  static std::string Line(const std::string& operation, const std::string& key, int64_t amount,
                          const std::string& currency = "KRW") {
    return fmt::format("{},{},{},{}\n", operation, key, amount, currency);
  }
  SettlementReport Compare(const std::string& lines, const std::vector<Payment>& payments,
                           const std::vector<Refund>& refunds = {}, Period period = {}) {
    Reconciliation reconciliation(Read(std::string(kHeader) + lines), "http", period);
    for (const Payment& payment : payments) {
      std::vector<Refund> own;
      for (const Refund& refund : refunds) {
        if (refund.payment == payment.key) own.push_back(refund);
      }
      reconciliation.Compare(payment, own);
    }
    return reconciliation.Finish();
  }
  static std::string Told(const SettlementReport& report) {
    std::string text;
    for (const Difference& difference : report.differences) {
      text += fmt::format("{} {}\n", difference.line, DifferenceName(difference.kind));
    }
    return text;
  }
  SeededRandom random_{3};
  int made_ = 0;
};

TEST_F(ReconciliationTest, ATotalStopsAtWhatItCanHold) {
  std::string lines;
  for (int i = 0; i < 10'000; ++i) lines += Line("capture", fmt::format("k{}", i), kMaxAmount);
  const SettlementReport report = Compare(lines, {});
  ASSERT_THAT(report.totals, SizeIs(1));
  EXPECT_EQ(report.totals[0].theirs, std::numeric_limits<int64_t>::max());
}

TEST_F(ReconciliationTest, WhatAgreesIsMatchedAndSummed) {
  const Payment paid = APayment();
  Payment cancelled = APayment(State::kCancelled, 500);
  cancelled.resolution = Resolution::kRefunded;
  const SettlementReport report =
      Compare(Line("capture", KeyOf(paid), 1000) + Line("capture", KeyOf(cancelled), 500) +
                  Line("refund", KeyOf(cancelled), 500),
              {paid, cancelled});
  EXPECT_EQ(Told(report), "");
  EXPECT_EQ(report.lines, 3U);
  EXPECT_EQ(report.matched, 3U);
  ASSERT_THAT(report.totals, SizeIs(2));
  EXPECT_EQ(report.totals[0].ours, 1500);
  EXPECT_EQ(report.totals[0].theirs, 1500);
  EXPECT_EQ(report.totals[1].ours, 500);
}

TEST_F(ReconciliationTest, EveryKindOfDifferenceIsNamed) {
  const Payment less = APayment(), other = APayment(), twice = APayment(), unsettled = APayment();
  const SettlementReport report =
      Compare(Line("capture", KeyOf(less), 999) + Line("capture", KeyOf(other), 1000, "EUR") +
                  Line("capture", KeyOf(twice), 1000) + Line("capture", KeyOf(twice), 1000) +
                  Line("capture", "nobody/1", 1000) + Line("capture", "nobody/1", 1000) + "odd\n",
              {less, other, twice, unsettled});
  EXPECT_EQ(Told(report),
            "2 amount_differs\n3 currency_differs\n5 twice\n6 missing_here\n7 twice\n8 line_malformed\n"
            "0 missing_there\n");
  EXPECT_EQ(report.differences[0].ours, (Money{1000, kKrw}));
  EXPECT_EQ(report.differences[0].theirs, (Money{999, kKrw}));
  EXPECT_EQ(report.differences[6].key, KeyOf(unsettled));
  EXPECT_EQ(report.matched, 1U);
  EXPECT_EQ(report.lines, 7U);
}

TEST_F(ReconciliationTest, PartsThatWereGivenBackAreComparedByTheirOwnKeys) {
  Payment paid = APayment();
  paid.refunded = 300;
  const Refund part = PartOf(paid);
  EXPECT_EQ(Told(Compare(Line("capture", KeyOf(paid), 1000) + Line("refund", KeyOfPart(part), 300), {paid},
                         {part})),
            "");
  EXPECT_EQ(Told(Compare(Line("capture", KeyOf(paid), 1000), {paid}, {part})), "0 missing_there\n");
  paid.state = State::kCancelled;
  paid.resolution = Resolution::kRefunded;
  EXPECT_EQ(Told(Compare(Line("capture", KeyOf(paid), 1000) + Line("refund", KeyOfPart(part), 300) +
                             Line("refund", KeyOf(paid), 700),
                         {paid}, {part})),
            "");
}

TEST_F(ReconciliationTest, WhatMovedNoMoneyIsNotExpectedAndWhatIsUncertainIsSaidToBe) {
  Payment voided = APayment(State::kCancelled), pending = APayment(State::kPending),
          declined = APayment(State::kDeclined);
  voided.resolution = Resolution::kVoided;
  EXPECT_EQ(Told(Compare("", {voided, pending, declined})), "");
  const SettlementReport report = Compare(Line("capture", KeyOf(pending), 1000), {voided, pending, declined});
  EXPECT_EQ(Told(report), "2 missing_here\n");
  EXPECT_THAT(report.differences[0].detail, HasSubstr("not certain"));
}

TEST_F(ReconciliationTest, APartOfAPaymentThatIsBeingCancelledIsSaidToBeUncertainToo) {
  Payment cancelling = APayment(State::kCancelled);
  cancelling.refunded = 300;
  const Refund part = PartOf(cancelling);
  const SettlementReport report = Compare(
      Line("capture", KeyOf(cancelling), 1000) + Line("refund", KeyOfPart(part), 300), {cancelling}, {part});
  EXPECT_EQ(Told(report), "2 missing_here\n3 missing_here\n");
  for (const Difference& difference : report.differences) {
    EXPECT_THAT(difference.detail, HasSubstr("not certain"));
  }
}

TEST_F(ReconciliationTest, OfWhatTheProviderRefusesToGiveBackTheCaptureIsCertainAndARefundIsNot) {
  Payment refused = APayment(State::kCancelled);
  refused.dispute.refusal = "charge_disputed";
  const std::string capture = Line("capture", KeyOf(refused), 1000);
  const SettlementReport agreed = Compare(capture, {refused});
  EXPECT_EQ(Told(agreed), "");
  ASSERT_THAT(agreed.totals, SizeIs(1));
  EXPECT_EQ(agreed.totals[0].ours, 1000);
  const SettlementReport report = Compare(capture + Line("refund", KeyOf(refused), 1000), {refused});
  EXPECT_EQ(Told(report), "3 missing_here\n");
  EXPECT_THAT(report.differences[0].detail, HasSubstr("refuses to give it back: charge_disputed"));
}

TEST_F(ReconciliationTest, OfACancelledPaymentOfWhichAPartIsRefusedTheCaptureIsCertainToo) {
  Payment cancelling = APayment(State::kCancelled);
  cancelling.refunding = 300;
  Refund part = PartOf(cancelling);
  part.done = false;
  part.dispute = {"charge_disputed", "", ""};
  const std::string capture = Line("capture", KeyOf(cancelling), 1000);
  EXPECT_EQ(Told(Compare(capture, {cancelling}, {part})), "");
  const SettlementReport report =
      Compare(capture + Line("refund", KeyOfPart(part), 300), {cancelling}, {part});
  EXPECT_EQ(Told(report), "3 missing_here\n");
  EXPECT_THAT(report.differences[0].detail, HasSubstr("refuses to give it back: charge_disputed"));
}

TEST_F(ReconciliationTest, WhereAPartWasSettledOutsideTheRestIsComparedByItsOwnKeyAndNothingElseIsExpected) {
  Payment cancelled = APayment(State::kCancelled);
  cancelled.resolution = Resolution::kRefunded;
  cancelled.refunded = 1000;
  Refund outside = PartOf(cancelled);
  outside.dispute = {"charge_disputed", "root", "charged back"};
  const Refund rest = PartOf(cancelled, 700);
  EXPECT_EQ(Told(Compare(Line("capture", KeyOf(cancelled), 1000) + Line("refund", KeyOfPart(rest), 700),
                         {cancelled}, {outside, rest})),
            "");
}

TEST_F(ReconciliationTest, OfWhatTheProviderContradictsItselfNothingIsCertain) {
  Payment contradicted = APayment(State::kCancelled);
  contradicted.dispute.refusal = kSaidNotTaken;
  EXPECT_EQ(Told(Compare("", {contradicted})), "");
  const SettlementReport report = Compare(Line("capture", KeyOf(contradicted), 1000), {contradicted});
  EXPECT_EQ(Told(report), "2 missing_here\n");
  EXPECT_THAT(report.differences[0].detail, HasSubstr("not certain"));
}

TEST_F(ReconciliationTest, WhatWasSettledOutsideIsNotExpectedThereAndSaidToBeSoWhereItIs) {
  Payment paid = APayment();
  paid.refunded = 300;
  Refund part = PartOf(paid);
  part.created_at = kNow;
  part.dispute = {"charge_disputed", "root", "charged back"};
  Payment cancelled = APayment(State::kCancelled);
  cancelled.resolution = Resolution::kSettledOutside;
  cancelled.dispute = part.dispute;
  const std::string captures = Line("capture", KeyOf(paid), 1000) + Line("capture", KeyOf(cancelled), 1000);
  EXPECT_EQ(Told(Compare(captures, {paid, cancelled}, {part})), "");
  const SettlementReport report =
      Compare(captures + Line("refund", KeyOfPart(part), 300) + Line("refund", KeyOf(cancelled), 1000),
              {paid, cancelled}, {part});
  EXPECT_EQ(Told(report), "4 missing_here\n5 missing_here\n");
  for (const Difference& difference : report.differences) {
    EXPECT_THAT(difference.detail, HasSubstr("settled outside of the provider by root"));
  }
}

TEST_F(ReconciliationTest, OutsideOfThePeriodNothingIsMissedButALineStillFindsItsPayment) {
  const Payment before = APayment(State::kApproved, 1000, kNow - milliseconds(1));
  const Payment inside = APayment(), after = APayment(State::kApproved, 1000, kNow + milliseconds(10));
  const Period period{kNow, kNow + milliseconds(10)};
  const SettlementReport report =
      Compare(Line("capture", KeyOf(before), 1000), {before, inside, after}, {}, period);
  EXPECT_EQ(Told(report), "0 missing_there\n");
  EXPECT_EQ(report.differences[0].key, KeyOf(inside));
  EXPECT_EQ(report.matched, 1U);
}

TEST_F(ReconciliationTest, PaymentsOfAnotherProviderAreNotInIt) {
  Payment other = APayment();
  other.method = "sandbox:approve";
  EXPECT_EQ(Told(Compare("", {other})), "");
  EXPECT_EQ(Told(Compare(Line("capture", KeyOf(other), 1000), {other})), "2 missing_here\n");
}

TEST_F(ReconciliationTest, TheListIsBoundedAndTheCountIsNot) {
  std::string lines;
  for (size_t i = 0; i < kMaxDifferences + 5; ++i) lines += Line("capture", fmt::format("k{}/1", i), 1);
  const SettlementReport report = Compare(lines, {});
  EXPECT_EQ(report.differences.size(), kMaxDifferences);
  EXPECT_EQ(report.difference_count, kMaxDifferences + 5);
}

TEST_F(ReconciliationTest, BeyondTheBoundTheLeastThatAreMissingThereAreListedAndAllAreCountedAndSummed) {
  std::vector<Payment> payments;
  for (size_t i = 0; i < kMaxDifferences + 5; ++i) payments.push_back(APayment());
  std::ranges::sort(payments, std::greater(), KeyOf);
  const SettlementReport report = Compare("odd\n", payments);
  ASSERT_EQ(report.differences.size(), kMaxDifferences);
  EXPECT_EQ(report.differences[0].kind, DifferenceKind::kMalformed);
  for (size_t i = 1; i < kMaxDifferences; ++i)
    ASSERT_EQ(report.differences[i].key, KeyOf(payments[payments.size() - i])) << i;
  EXPECT_EQ(report.difference_count, kMaxDifferences + 6);
  ASSERT_THAT(report.totals, SizeIs(1));
  EXPECT_EQ(report.totals[0].ours, 1000 * static_cast<int64_t>(kMaxDifferences + 5));
}

}  // namespace
}  // namespace boxoffice::payment
