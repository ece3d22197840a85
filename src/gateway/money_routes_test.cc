// Wallets and payments as operators see them, and webhooks, against services that a test plays.
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <vector>

#include "gateway/gateway_for_test.h"
#include "gateway/pages.h"
#include "testing/wait.h"

namespace boxoffice::gateway {
namespace {

using testing::HasSubstr;
using wallet::v1::WalletOutcome;

class MoneyRoutesTest : public GatewayTest {
 protected:
  // What the wallet answers to every command; the last one is kept.
  void AnswerWallet(const WalletOutcome& answer) {
    services_.wallet.commands.answer = [this, answer](const wallet::v1::Command& command) {
      const std::scoped_lock lock(mutex_);
      command_ = command;
      wallet::v1::Outcome outcome;
      *outcome.mutable_wallet() = answer;
      return Result<wallet::v1::Outcome>(outcome);
    };
  }
  void RefuseWallet(const std::string& refusal) {
    WalletOutcome outcome;
    outcome.set_kind(WalletOutcome::REFUSED);
    outcome.set_refusal(refusal);
    outcome.mutable_balance()->set_amount(7);
    outcome.mutable_balance()->set_currency("KRW");
    outcome.set_needed(8);
    outcome.set_limit(100);
    outcome.set_available(93);
    AnswerWallet(outcome);
  }
  static WalletOutcome Moved() {
    WalletOutcome outcome;
    outcome.set_kind(WalletOutcome::DONE);
    outcome.mutable_balance()->set_amount(700);
    outcome.mutable_balance()->set_currency("KRW");
    outcome.set_entry_id(std::string(ReservationId::Parse(kReservation)->bytes()));
    return outcome;
  }
  void AnswerGetWallet(wallet::v1::WalletState state) {
    services_.wallet.GetWallet_.answer = [state](const wallet::v1::GetWalletRequest& request) {
      wallet::v1::Wallet wallet;
      wallet.set_user_id(request.user_id());
      wallet.set_state(state);
      wallet.set_state_reason("asked for");
      return Result<wallet::v1::Wallet>(wallet);
    };
  }
  wallet::v1::Command LastCommand() {
    const std::scoped_lock lock(mutex_);
    return command_;
  }
  wallet::v1::Command command_;
};

TEST_F(MoneyRoutesTest, AnAdjustmentGoesToTheWalletWithWhoDidItAndWhy) {
  AnswerWallet(Moved());
  const http::ClientResponse answer = CallAsOperator("POST", "/v1/admin/wallets/ann%40b/adjustments",
                                                     R"({"amount":-300,"currency":"KRW","reason":"a fee"})");
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(Json(answer).at("balance").as_int64(), 700);
  const wallet::v1::Adjust adjust = LastCommand().adjust();
  EXPECT_EQ(adjust.user_id(), "ann@b");
  EXPECT_EQ(adjust.operator_id(), "root");
  EXPECT_EQ(adjust.client_key(), "k1");
  EXPECT_EQ(adjust.money().amount(), -300);
  EXPECT_EQ(adjust.reason(), "a fee");
}

class SelfServiceTest : public MoneyRoutesTest {
 protected:
  void Configure(GatewayConfig& config) override { config.edge.self_service = false; }
};

TEST_F(SelfServiceTest, WhereBuyersMayNotTopUpOnlyAnOperatorCredits) {
  AnswerWallet(Moved());
  Options options;
  options.key = "k1";
  const http::ClientResponse refused =
      Call("POST", "/v1/wallet/charges", R"({"amount":94,"currency":"KRW"})", options);
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(CodeOf(refused), "self_service_off");
  EXPECT_THAT(std::string(Json(refused).at("detail").as_string()), HasSubstr("adjustments"));
  EXPECT_EQ(services_.wallet.commands.calls, 0);
  EXPECT_FALSE(Json(Call("GET", "/v1/session")).at("self_service").as_bool()) << "pages offer it nobody";
  EXPECT_EQ(CallAsOperator("POST", "/v1/admin/wallets/ada/adjustments",
                           R"({"amount":94,"currency":"KRW","reason":"paid by card"})")
                .status,
            201);
  EXPECT_EQ(LastCommand().adjust().user_id(), "ada");
}

TEST_F(MoneyRoutesTest, PagesAreToldThatBuyersMayTopUp) {
  EXPECT_TRUE(Json(Call("GET", "/v1/session")).at("self_service").as_bool());
}

TEST_F(MoneyRoutesTest, WhatMovesMoneyNeedsAKey) {
  Options options;
  options.user = "root";
  options.role = auth::Role::kOperator;
  for (const std::string path : {"/v1/admin/wallets/ann/adjustments", "/v1/admin/wallets/ann/reversals"}) {
    EXPECT_EQ(CodeOf(Call("POST", path, "{}", options)), "idempotency_key_missing");
  }
}

TEST_F(MoneyRoutesTest, ARefusalOfTheWalletTellsWhatItIsAbout) {
  const std::string path = "/v1/admin/wallets/ann/adjustments";
  constexpr std::string_view kBody = R"({"amount":1,"currency":"KRW","reason":"r"})";
  RefuseWallet("balance_too_low");
  const http::ClientResponse low = CallAsOperator("POST", path, kBody);
  EXPECT_EQ(low.status, 402);
  EXPECT_EQ(Json(low).at("needed").as_int64(), 8);
  RefuseWallet("wallet_closed");
  EXPECT_EQ(CallAsOperator("POST", path, kBody).status, 409);
  WalletOutcome mismatch;
  mismatch.set_kind(WalletOutcome::MISMATCH);
  AnswerWallet(mismatch);
  EXPECT_EQ(CodeOf(CallAsOperator("POST", path, kBody)), "idempotency_key_reused");
  RefuseWallet("daily_limit");
  Options options;
  options.key = "k1";
  const http::ClientResponse day =
      Call("POST", "/v1/wallet/charges", R"({"amount":94,"currency":"KRW"})", options);
  EXPECT_EQ(day.status, 422);
  EXPECT_EQ(Json(day).at("limit").as_int64(), 100);
  EXPECT_EQ(Json(day).at("available").as_int64(), 93);
}

TEST_F(MoneyRoutesTest, AWalletIsReversedFrozenThawedAndClosed) {
  AnswerWallet(Moved());
  const std::string body = fmt::format(R"({{"entry_id":"{}","reason":"charged back"}})", kReservation);
  EXPECT_EQ(CallAsOperator("POST", "/v1/admin/wallets/ann/reversals", body).status, 201);
  EXPECT_EQ(LastCommand().reverse_top_up().entry_id(), ReservationId::Parse(kReservation)->bytes());
  const std::pair<std::string, wallet::v1::WalletState> changes[] = {
      {"freeze", wallet::v1::FROZEN}, {"unfreeze", wallet::v1::ACTIVE}, {"close", wallet::v1::CLOSED}};
  for (const auto& [verb, state] : changes) {
    AnswerGetWallet(state);
    const http::ClientResponse answer =
        CallAsOperator("POST", "/v1/admin/wallets/ann/" + verb, R"({"reason":"asked for"})");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(LastCommand().set_state().state(), state);
    EXPECT_EQ(LastCommand().set_state().operator_id(), "root");
    EXPECT_EQ(Json(answer).at("state").as_string(), wallet::v1::WalletState_Name(state));
  }
  EXPECT_EQ(Json(CallAsOperator("GET", "/v1/admin/wallets/ann")).at("state_reason").as_string(), "asked for");
  EXPECT_FALSE(Json(Call("GET", "/v1/wallet")).as_object().contains("state_reason"));
}

TEST_F(MoneyRoutesTest, AStatementIsOfOneCurrencyAndAPeriod) {
  services_.wallet.GetStatement_.answer = [](const wallet::v1::GetStatementRequest& request) {
    EXPECT_EQ(request.user_id(), "ada");
    EXPECT_EQ(request.until_ms() - request.from_ms(), 86'400'000);
    wallet::v1::Statement statement;
    statement.set_currency(request.currency());
    statement.set_opening_balance(5);
    statement.set_closing_balance(12);
    statement.add_sums()->set_kind("top_up");
    statement.mutable_sums(0)->set_amount(7);
    return Result<wallet::v1::Statement>(statement);
  };
  const http::ClientResponse answer =
      Call("GET", "/v1/wallet/statement?currency=KRW&from=2026-01-01T00:00:00Z&until=2026-01-02T00:00:00Z");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(Json(answer).at("closing_balance").as_int64(), 12);
  EXPECT_EQ(Json(answer).at("until").as_string(), "2026-01-02T00:00:00.000Z");
  EXPECT_EQ(Call("GET", "/v1/wallet/statement").status, 400);
  EXPECT_EQ(Call("GET", "/v1/wallet/statement?currency=KRW&until=1960-01-01T00:00:00Z").status, 400);
}

TEST_F(MoneyRoutesTest, TheLedgerIsCsvWithBothLegsAndACursor) {
  services_.wallet.ExportLedger_.answer = [](const wallet::v1::ExportLedgerRequest& request) {
    wallet::v1::ExportLedgerResponse ledger;
    wallet::v1::LedgerRow& row = *ledger.add_rows();
    row.set_user_id("ann, \"x\"");
    row.mutable_entry()->set_id(std::string(ReservationId::Parse(kReservation)->bytes()));
    row.mutable_entry()->set_kind("top_up");
    row.mutable_entry()->mutable_money()->set_amount(10);
    row.mutable_entry()->mutable_money()->set_currency("KRW");
    row.mutable_entry()->set_reason("=HYPERLINK(\"x\")");
    row.set_contra_account("external");
    row.set_contra_amount(-10);
    ledger.set_more(request.after_user_id().empty());
    EXPECT_TRUE(request.after_user_id().empty() || request.after_user_id() == "ann, \"x\"");
    EXPECT_TRUE(request.after_user_id().empty() || request.after_entry_id().size() == 16);
    return Result<wallet::v1::ExportLedgerResponse>(ledger);
  };
  const http::ClientResponse page = CallAsOperator("GET", "/v1/admin/ledger?limit=1");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.body, HasSubstr(R"(,top_up,"wallet:ann, ""x""",10,KRW,)"));
  EXPECT_THAT(page.body, HasSubstr(",top_up,system:external,-10,KRW,"));
  EXPECT_THAT(page.body, HasSubstr(R"csv(,"'=HYPERLINK(""x"")",)csv")) << "no formula to a spreadsheet";
  const auto cursor = page.header("X-Next-Cursor");
  ASSERT_TRUE(cursor.has_value());
  const http::ClientResponse rest =
      CallAsOperator("GET", fmt::format("/v1/admin/ledger?limit=1&cursor={}", *cursor));
  EXPECT_EQ(rest.status, 200);
  EXPECT_FALSE(rest.header("X-Next-Cursor").has_value());
  EXPECT_EQ(CallAsOperator("GET", "/v1/admin/ledger?cursor=x").status, 400);
  const std::string no_text = EncodeCursor("ledger", std::string(16, '\x01') + "\xff");
  EXPECT_EQ(CodeOf(CallAsOperator("GET", fmt::format("/v1/admin/ledger?cursor={}", no_text))),
            "cursor_invalid");
}

TEST_F(MoneyRoutesTest, AWebhookIsPassedOnAsItCame) {
  services_.payment.ReceiveWebhook_.answer =
      [](const payment::v1::ReceiveWebhookRequest& request) -> Result<payment::v1::ReceiveWebhookResponse> {
    if (request.webhook_signature() != "v1,good")
      return Fail(Code::kUnauthenticated, "webhook_signature", "forged");
    EXPECT_EQ(request.provider(), "http");
    EXPECT_EQ(request.webhook_id(), "w1");
    EXPECT_EQ(request.webhook_timestamp(), "17");
    EXPECT_EQ(request.body(), "{ \"as\": it is }");
    return payment::v1::ReceiveWebhookResponse();
  };
  Options options;
  options.user = "";
  options.headers = {{"webhook-id", "w1"}, {"webhook-timestamp", "17"}, {"webhook-signature", "v1,good"}};
  const std::string path = "/v1/payments/webhooks/http";
  EXPECT_EQ(Call("POST", path, "{ \"as\": it is }", options).status, 204);
  options.headers[2].second = "v1,bad";
  const http::ClientResponse forged = Call("POST", path, "{}", options);
  EXPECT_EQ(forged.status, 401);
  EXPECT_EQ(CodeOf(forged), "webhook_signature");
  for (size_t i = 0; i < 3; ++i) {
    Options missing = options;
    missing.headers.erase(missing.headers.begin() + static_cast<ptrdiff_t>(i));
    const http::ClientResponse answer = Call("POST", path, "{}", missing);
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(Json(answer).at("field").as_string(), options.headers[i].first);
  }
  EXPECT_EQ(Call("POST", path, "", options).status, 400);
  EXPECT_EQ(Call("POST", path, std::string((64 << 10) + 1, 'x'), options).status, 413);
}

TEST_F(MoneyRoutesTest, PaymentsAndSettlementsAreForOperators) {
  services_.payment.ListPayments_.answer = [](const auto&) {
    payment::v1::ListPaymentsResponse list;
    payment::v1::Payment& payment = *list.add_payments();
    payment.set_id(std::string(ReservationId::Parse(kReservation)->bytes()));
    payment.set_reservation_id(payment.id());
    payment.set_state(payment::v1::APPROVED);
    payment.mutable_money()->set_amount(1000);
    payment.mutable_money()->set_currency("KRW");
    payment.set_refunded(300);
    payment.set_created_at_ms(1);
    payment.set_updated_at_ms(1);
    payment::v1::Refund& refund = *payment.add_refunds();
    refund.set_saga_id(payment.id());
    refund.mutable_money()->set_amount(300);
    refund.set_done(true);
    refund.set_created_at_ms(1);
    refund.set_updated_at_ms(1);
    return Result<payment::v1::ListPaymentsResponse>(list);
  };
  const std::string path = fmt::format("/v1/admin/reservations/{}/payments", kReservation);
  const boost::json::value payment = Json(CallAsOperator("GET", path)).at("items").at(0);
  EXPECT_EQ(payment.at("refunded").as_int64(), 300);
  EXPECT_EQ(payment.at("refunds").at(0).at("done").as_bool(), true);
  EXPECT_EQ(Call("GET", path).status, 403);
  services_.payment.ReconcileSettlement_.answer =
      [](const payment::v1::ReconcileSettlementRequest& request) -> Result<payment::v1::SettlementReport> {
    if (request.csv().empty())
      return Fail(Code::kInvalidArgument, "settlement_malformed", "line 1: the file is empty");
    EXPECT_EQ(request.provider(), "http");
    payment::v1::SettlementReport report;
    auto& there = *report.add_differences();
    there.set_kind("missing_there");
    there.set_operation("capture");
    there.mutable_ours()->set_amount(5);
    there.mutable_ours()->set_currency("KRW");
    auto& line = *report.add_differences();
    line.set_kind("line_malformed");
    line.set_line(7);
    line.set_detail("amount: must be …");
    return report;
  };
  const http::ClientResponse report =
      CallAsOperator("POST", "/v1/admin/settlements?provider=http", std::string(1 << 20, 'x'));
  EXPECT_EQ(report.status, 200);
  EXPECT_TRUE(Json(report).at("differences").at(0).at("line").is_null());
  EXPECT_TRUE(Json(report).at("differences").at(0).at("theirs").is_null());
  EXPECT_EQ(Json(report).at("differences").at(1).at("line").as_int64(), 7);
  EXPECT_EQ(CallAsOperator("POST", "/v1/admin/settlements?provider=http").status, 422);
  EXPECT_EQ(CallAsOperator("POST", "/v1/admin/settlements").status, 400);
}

TEST_F(MoneyRoutesTest, UnsettledPaymentsArePagedAllOfThemOrThoseThatTheProviderRefuses) {
  const std::string id(ReservationId::Parse(kReservation)->bytes());
  payment::v1::ListUnsettledPaymentsRequest asked;
  services_.payment.ListUnsettledPayments_.answer =
      [&](const payment::v1::ListUnsettledPaymentsRequest& request) {
        const std::scoped_lock lock(mutex_);
        asked = request;
        payment::v1::ListUnsettledPaymentsResponse list;
        payment::v1::Payment& payment = *list.add_payments();
        payment.set_id(id);
        payment.set_reservation_id(id);
        payment.set_attempt(23);
        payment.set_state(payment::v1::CANCELLED);
        payment.mutable_money()->set_currency("KRW");
        payment.set_created_at_ms(1);
        payment.set_updated_at_ms(1);
        payment.set_refusal("charge_disputed");
        list.set_more(request.after_reservation_id().empty());
        return Result<payment::v1::ListUnsettledPaymentsResponse>(list);
      };
  const auto last_asked = [&] {
    const std::scoped_lock lock(mutex_);
    return asked;
  };
  const std::string path = "/v1/admin/payments?status=";
  const http::ClientResponse page = CallAsOperator("GET", path + "refused&limit=1");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(Json(page).at("items").at(0).at("refusal").as_string(), "charge_disputed");
  EXPECT_TRUE(last_asked().refused());
  EXPECT_EQ(last_asked().limit(), 1U);
  EXPECT_EQ(last_asked().after_reservation_id(), "");
  const std::string cursor(Json(page).at("next_cursor").as_string());
  const http::ClientResponse rest = CallAsOperator("GET", path + "refused&cursor=" + cursor);
  EXPECT_TRUE(Json(rest).at("next_cursor").is_null());
  EXPECT_EQ(last_asked().after_reservation_id(), id);
  EXPECT_EQ(last_asked().after_attempt(), 23U);
  EXPECT_EQ(CallAsOperator("GET", path + "unsettled").status, 200);
  EXPECT_FALSE(last_asked().refused());
  EXPECT_EQ(Call("GET", path + "refused").status, 403);
  for (const std::string query : {"", "?status=", "?status=settled"}) {
    const http::ClientResponse odd = CallAsOperator("GET", "/v1/admin/payments" + query);
    EXPECT_EQ(odd.status, 400) << query;
    EXPECT_EQ(Json(odd).at("field").as_string(), "status") << query;
  }
  for (const std::string& position : {std::string("short"), id, id + "0", id + "x", id + "4294967296"}) {
    const std::string odd = path + "refused&cursor=" + EncodeCursor("payments", position);
    EXPECT_EQ(CodeOf(CallAsOperator("GET", odd)), "cursor_invalid");
  }
  EXPECT_EQ(CodeOf(CallAsOperator("GET", path + "refused&limit=201")), "limit_invalid");
}

TEST_F(MoneyRoutesTest, AnOperatorSettlesWhatTheProviderRefusedOutsideOfIt) {
  services_.payment.ListPayments_.answer = [](const auto&) {
    payment::v1::ListPaymentsResponse list;
    payment::v1::Payment& payment = *list.add_payments();
    payment.set_id(std::string(ReservationId::Parse(kReservation)->bytes()));
    payment.set_reservation_id(payment.id());
    payment.set_state(payment::v1::CANCELLED);
    payment.set_resolution("settled_outside");
    payment.mutable_money()->set_currency("KRW");
    payment.set_created_at_ms(1'800'000'000'000);
    payment.set_updated_at_ms(1'800'000'000'000);
    payment.set_refusal("charge_disputed");
    payment.set_settled_by("root");
    payment.set_settled_reason("charged back");
    return Result<payment::v1::ListPaymentsResponse>(list);
  };
  services_.payment.SettleOutside_.answer =
      [](const payment::v1::SettleOutsideRequest& request) -> Result<payment::v1::SettleOutsideResponse> {
    if (request.attempt() == 9) return Fail(Code::kConflict, "nothing_refused");
    if (request.attempt() == 8) return Fail(Code::kNotFound, "payment_not_found");
    EXPECT_EQ(request.attempt(), 2U);
    EXPECT_EQ(request.reason(), request.provider_gone() ? "insolvent" : "charged back");
    EXPECT_FALSE(request.operator_id().empty());
    return payment::v1::SettleOutsideResponse();
  };
  const auto path = [](std::string_view attempt) {
    return fmt::format("/v1/admin/reservations/{}/payments/{}/settle-outside", kReservation, attempt);
  };
  const std::string body = R"({"reason":"charged back"})";
  const http::ClientResponse settled = CallAsOperator("POST", path("2"), body);
  EXPECT_EQ(settled.status, 200);
  const boost::json::value payment = Json(settled).at("items").at(0);
  EXPECT_EQ(payment.at("refusal").as_string(), "charge_disputed");
  EXPECT_EQ(payment.at("settled_by").as_string(), "root");
  EXPECT_EQ(Call("POST", path("2"), body).status, 403);
  EXPECT_EQ(CallAsOperator("POST", path("2"), R"({"reason":"insolvent","provider_gone":true})").status, 200);
  EXPECT_EQ(CallAsOperator("POST", path("2"), R"({"reason":""})").status, 422);
  EXPECT_EQ(CallAsOperator("POST", path("9"), body).status, 409);
  EXPECT_EQ(CodeOf(CallAsOperator("POST", path("8"), body)), "payment_not_found");
  for (const char* odd : {"0", "x", "4294967298"}) {
    EXPECT_EQ(CallAsOperator("POST", path(odd), body).status, 404) << odd;
  }
}

class SettlementTimeTest : public GatewayTest {
 protected:
  void Configure(GatewayConfig& config) override {
    config.limits.import_timeout = std::chrono::milliseconds(100);
  }
};

// An import that begins after it is given up before either is answered.
TEST_F(SettlementTimeTest, ASettlementMayTakeLongerThanAnImport) {
  struct Held {
    std::mutex mutex;
    bool over = false;
    std::vector<std::function<void()>> answers;
  };
  const auto held = std::make_shared<Held>();
  const auto hold = [held](std::function<void()> answer) {
    const std::scoped_lock lock(held->mutex);
    if (held->over) return answer();
    held->answers.push_back(std::move(answer));
  };
  services_.payment.ReconcileSettlement_.answer = [](const auto&) {
    return Result<payment::v1::SettlementReport>(payment::v1::SettlementReport());
  };
  services_.payment.ReconcileSettlement_.later = services_.seat.CreateShow_.later = hold;
  auto report = std::async(std::launch::async, [this] {
    return CallAsOperator("POST", "/v1/admin/settlements?provider=http", "operation,key,amount,currency\n");
  });
  EXPECT_TRUE(testbed::Eventually([this] { return services_.payment.ReconcileSettlement_.calls == 1; }));
  const http::ClientResponse import =
      CallAsOperator("POST", "/v1/admin/shows",
                     R"({"concert_id":"7","starts_at":"2026-12-24T20:00:00Z","currency":"KRW",)"
                     R"("prices":{"R":110000},"seating_csv":"section,row\n"})");
  EXPECT_EQ(CodeOf(import), "timeout");
  {
    const std::scoped_lock lock(held->mutex);
    held->over = true;
    for (const auto& answer : held->answers) answer();
  }
  EXPECT_EQ(report.get().status, 200);
}

}  // namespace
}  // namespace boxoffice::gateway
