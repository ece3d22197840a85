// Payments over HTTP at an acquirer that misbehaves, its webhooks, and its settlement file.
#include "acquirer/acquirer.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <thread>

#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/clock.h"
#include "e2e/system.h"
#include "platform/auth/webhook_signature.h"

namespace boxoffice::e2e {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr int64_t kPrice = 1'000;

class Acquirer : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    acquirer::Options options;
    options.slow = milliseconds(300);
    options.late = milliseconds(2'000);
    acquirer_ = new acquirer::Acquirer(options);
    // What every process of the system reads.
    ::setenv("BOXOFFICE_ACQUIRER_URL", acquirer_->url().c_str(), 1);
    ::setenv("BOXOFFICE_ACQUIRER_API_KEY", options.api_key.c_str(), 1);
    ::setenv("BOXOFFICE_ACQUIRER_WEBHOOK_SECRETS", options.webhook_secret.c_str(), 1);
    ::setenv("BOXOFFICE_ACQUIRER_TIMEOUT_MS", "700", 1);
    ::setenv("BOXOFFICE_PROVIDER_TIMEOUT_MS", "900", 1);
    system_ = new System();
    acquirer_->SetWebhookUrl(fmt::format("http://127.0.0.1:{}{}", system_->port(), kWebhooks));
    show_ = new std::string(system_->ready() ? system_->CreateShow() : "");
  }
  static void TearDownTestSuite() {
    delete show_;
    delete system_;
    delete acquirer_;
  }
  void SetUp() override { ASSERT_TRUE(system_->ready()); }
  void TearDown() override {
    if (system_->ready()) system_->ExpectCleanAudit();
  }

  // Whoever has bought, or not, with the id of the reservation.
  static std::string Buy(Buyer& buyer, const std::string& script, int seats = 1) {
    EXPECT_TRUE(buyer.Enter(*show_));
    EXPECT_EQ(buyer.Charge(seats * kPrice).status, 201);
    const std::string key = NewKey();
    Reply reply;
    // 503: it is not known yet, and the same request is repeated.
    Eventually(
        [&] {
          reply = buyer.Reserve(
              *show_,
              fmt::format(R"("best_available":{{"count":{}}},"pay":true,"payment_method":"http:{}")", seats,
                          script),
              key);
          return reply.status != 503 && reply.status != 409;
        },
        seconds(60));
    EXPECT_THAT(reply.status, AnyOf(201, 202, 402)) << script << reply;
    return reply.status == 402 ? reply.at("reservation.id") : reply.at("id");
  }
  static Reply PaymentsOf(const std::string& reservation) {
    return system_->Admin("GET", fmt::format("/v1/admin/reservations/{}/payments", reservation));
  }
  // The reservation's payment among those that operators have to end; null: it is not there.
  static json::value RefusedPaymentOf(const std::string& reservation) {
    const Reply list = system_->Admin("GET", "/v1/admin/payments?status=refused");
    EXPECT_EQ(list.status, 200) << list;
    for (const json::value& payment : list.body.at("items").as_array()) {
      if (payment.at("reservation_id") == json::value(reservation)) return payment;
    }
    return nullptr;
  }
  // The same once it is, and the saga that waits for it says so.
  static json::value AwaitRefusal(const std::string& reservation) {
    json::value payment;
    EXPECT_TRUE(Eventually([&] {
      payment = RefusedPaymentOf(reservation);
      return !payment.is_null();
    }));
    EXPECT_TRUE(Eventually([&] {
      const Reply found = system_->Admin("GET", fmt::format("/v1/admin/reservations/{}", reservation));
      return found.at("saga.last_error").contains("refund_refused charge_disputed");
    }));
    return payment;
  }
  static void GiveBackTheFirstSeat(Buyer& buyer, const Reply& bought) {
    const int64_t seat = bought.body.at("seats").at(0).at("seat_no").as_int64();
    const Reply given_back =
        buyer.Call("POST", fmt::format("/v1/reservations/{}/cancel", bought.at("id")),
                   fmt::format(R"({{"seats":[{}]}})", seat), {{"Idempotency-Key", NewKey()}});
    EXPECT_EQ(given_back.status, 202) << given_back;
  }
  // By an operator, who then has the saga go on.
  static void SettleOutside(const std::string& reservation) {
    const std::string body = R"({"reason":"charged back, case 4711"})";
    const Reply settled = system_->Admin(
        "POST", fmt::format("/v1/admin/reservations/{}/payments/1/settle-outside", reservation), body);
    EXPECT_EQ(settled.status, 200) << settled;
    const Reply retried = system_->Admin("POST", fmt::format("/v1/admin/sagas/{}/retry", reservation), body);
    EXPECT_THAT(retried.status, AnyOf(200, 409)) << "409: it has gone on by itself; " << retried;
    EXPECT_TRUE(RefusedPaymentOf(reservation).is_null());
  }
  // A webhook with these headers; empty ones are left out.
  static Reply Post(const std::string& id, const std::string& timestamp, const std::string& signature,
                    const std::string& body, const std::string& path = std::string(kWebhooks)) {
    http::HeaderList headers{{"Content-Type", "application/json"}};
    const std::pair<const char*, const std::string*> given[] = {
        {"webhook-id", &id}, {"webhook-timestamp", &timestamp}, {"webhook-signature", &signature}};
    for (const auto& [name, value] : given) {
      if (!value->empty()) headers.emplace_back(name, *value);
    }
    Api api(system_->AnyGateway());
    return api.Call("POST", path, headers, body);
  }
  static Reply Reconcile(const std::string& csv, const std::string& query = "?provider=http") {
    return system_->Admin("POST", "/v1/admin/settlements" + query, csv);
  }

  static constexpr std::string_view kWebhooks = "/v1/payments/webhooks/http";
  static acquirer::Acquirer* acquirer_;
  static System* system_;
  static std::string* show_;
};
acquirer::Acquirer* Acquirer::acquirer_ = nullptr;
System* Acquirer::system_ = nullptr;
std::string* Acquirer::show_ = nullptr;

TEST_F(Acquirer, EachWayItMisbehavesEndsPaidOnceOrNotAtAll) {
  constexpr const char* kScripts[] = {"approve",       "decline",        "timeout_before_capture",
                                      "slow",          "late_approval",  "error_after_capture",
                                      "webhook_twice", "webhook_forged", "timeout_after_capture"};
  std::vector<std::thread> people;
  for (const char* script : kScripts) {
    people.emplace_back([script] {
      SCOPED_TRACE(script);
      Buyer buyer(*system_, fmt::format("buyer-{}", script));
      const std::string id = Buy(buyer, script);
      const std::string_view name = script;
      const bool declined = name == "decline" || name == "webhook_forged";
      const Reply end = buyer.Await(id, declined ? "FAILED" : "CONFIRMED", seconds(60));
      EXPECT_EQ(end.at("state"), declined ? "FAILED" : "CONFIRMED") << end;
      EXPECT_EQ(buyer.Balance(), declined ? kPrice : 0);
      EXPECT_EQ(acquirer_->KeptOf(id), declined ? 0 : kPrice);
    });
  }
  for (std::thread& person : people) person.join();
}

TEST_F(Acquirer, WhatIsCancelledIsGivenBackThereAndOperatorsSeeIt) {
  Buyer buyer(*system_, "canceller");
  const std::string id = Buy(buyer, "approve");
  ASSERT_EQ(buyer.Await(id, "CONFIRMED").at("state"), "CONFIRMED");
  const Reply paid = PaymentsOf(id);
  ASSERT_EQ(paid.status, 200) << paid;
  EXPECT_EQ(paid.body.at("items").at(0).at("state").as_string(), "APPROVED");
  EXPECT_EQ(paid.body.at("items").at(0).at("method").as_string(), "http:approve");
  EXPECT_THAT(std::string(paid.body.at("items").at(0).at("provider_reference").as_string()),
              HasSubstr("acq-"));
  EXPECT_THAT(buyer.Cancel(id).status, AnyOf(200, 202));
  ASSERT_EQ(buyer.Await(id, "CANCELLED").at("state"), "CANCELLED");
  EXPECT_EQ(acquirer_->KeptOf(id), 0);
  EXPECT_EQ(PaymentsOf(id).body.at("items").at(0).at("resolution").as_string(), "refunded");
  EXPECT_EQ(buyer.Call("GET", fmt::format("/v1/admin/reservations/{}/payments", id)).status, 403);
}

TEST_F(Acquirer, WhatItRefusesToGiveBackIsListedAndEndedByAnOperator) {
  Buyer buyer(*system_, "disputer");
  const std::string id = Buy(buyer, "refund_refused");
  ASSERT_EQ(buyer.Await(id, "CONFIRMED").at("state"), "CONFIRMED");
  EXPECT_EQ(buyer.Cancel(id).status, 202);
  const json::value refused = AwaitRefusal(id);
  ASSERT_FALSE(refused.is_null());
  EXPECT_EQ(refused.at("refusal").as_string(), "charge_disputed");
  EXPECT_EQ(refused.at("attempt").as_int64(), 1);
  EXPECT_EQ(buyer.Get(id).at("state"), "CANCELLING");
  EXPECT_EQ(buyer.Balance(), 0) << "nobody claims that the money is back";
  const Finished listed = system_->Cli({"payment", "unsettled", "--refused"});
  EXPECT_EQ(listed.exit_code, 0) << listed.err;
  EXPECT_THAT(listed.out, HasSubstr(id));

  SettleOutside(id);
  ASSERT_EQ(buyer.Await(id, "CANCELLED").at("state"), "CANCELLED");
  EXPECT_EQ(buyer.Balance(), kPrice);
  EXPECT_EQ(acquirer_->KeptOf(id), kPrice) << "it has not given back what was settled outside of it";
  const Reply payments = PaymentsOf(id);
  EXPECT_EQ(payments.body.at("items").at(0).at("resolution").as_string(), "settled_outside") << payments;
  EXPECT_EQ(payments.body.at("items").at(0).at("settled_reason").as_string(), "charged back, case 4711");
  EXPECT_EQ(Reconcile(acquirer_->Settlement()).at("difference_count"), "0");
}

TEST_F(Acquirer, APartThatItRefusesToGiveBackIsEndedAndTheOtherSeatsStay) {
  Buyer buyer(*system_, "part-disputer");
  const std::string id = Buy(buyer, "refund_refused", 2);
  const Reply bought = buyer.Await(id, "CONFIRMED");
  ASSERT_EQ(bought.at("state"), "CONFIRMED");
  GiveBackTheFirstSeat(buyer, bought);
  const json::value refused = AwaitRefusal(id);
  ASSERT_FALSE(refused.is_null());
  EXPECT_EQ(refused.at("refusal").as_string(), "") << "the whole is approved";
  EXPECT_EQ(refused.at("refunds").at(0).at("refusal").as_string(), "charge_disputed");
  EXPECT_EQ(refused.at("refunding").as_int64(), kPrice);
  EXPECT_EQ(buyer.Balance(), 0);

  SettleOutside(id);
  const Reply end = buyer.Await(id, "CONFIRMED");
  ASSERT_EQ(end.at("state"), "CONFIRMED");
  EXPECT_EQ(end.body.at("seats").as_array().size(), 1U);
  EXPECT_EQ(buyer.Balance(), kPrice);
  EXPECT_EQ(acquirer_->KeptOf(id), 2 * kPrice);
  EXPECT_EQ(Reconcile(acquirer_->Settlement()).at("difference_count"), "0");
}

TEST_F(Acquirer, WhatWasSettledOutsideIsNotGivenBackOnceMoreByALaterCancellation) {
  Buyer buyer(*system_, "later-canceller");
  const std::string id = Buy(buyer, "first_refund_refused", 2);
  const Reply bought = buyer.Await(id, "CONFIRMED");
  ASSERT_EQ(bought.at("state"), "CONFIRMED");
  GiveBackTheFirstSeat(buyer, bought);
  ASSERT_FALSE(AwaitRefusal(id).is_null());
  SettleOutside(id);
  ASSERT_EQ(buyer.Await(id, "CONFIRMED").at("state"), "CONFIRMED");
  EXPECT_EQ(acquirer_->KeptOf(id), 2 * kPrice) << "one of them was paid out by hand";

  EXPECT_THAT(buyer.Cancel(id).status, AnyOf(200, 202));
  ASSERT_EQ(buyer.Await(id, "CANCELLED").at("state"), "CANCELLED");
  EXPECT_EQ(acquirer_->KeptOf(id), kPrice) << "it has given back the other one alone";
  EXPECT_EQ(buyer.Balance(), 2 * kPrice);
  const json::value payment = PaymentsOf(id).body.at("items").at(0);
  EXPECT_EQ(payment.at("resolution").as_string(), "refunded");
  EXPECT_EQ(payment.at("refunded").as_int64(), 2 * kPrice);
  EXPECT_EQ(Reconcile(acquirer_->Settlement()).at("difference_count"), "0");
}

TEST_F(Acquirer, WebhooksThatAreForgedOrReplayedHaveNoEffect) {
  const auto secret = auth::ParseWebhookSecret(acquirer::Options().webhook_secret).value();
  const int64_t now_s = ToUnixMs(SystemClock().Now()) / 1'000;
  const std::string now = std::to_string(now_s);
  const std::string body =
      R"({"type":"payment.captured","data":{"key":"01890a5d-ac96-774b-bcce-b302099a8057/1","id":"x","amount":1000,"currency":"KRW"}})";
  const auto sign = [&](const std::string& id, int64_t at_s) {
    return auth::SignWebhook(secret, id, at_s, body);
  };
  const std::string mine = NewKey();
  EXPECT_EQ(Post(mine, now, sign(mine, now_s), body).status, 204) << "of a payment that we do not know";
  EXPECT_EQ(Post(mine, now, sign(mine, now_s), body).status, 204);
  const Reply forged = Post(mine, now, auth::SignWebhook(std::string(24, 'x'), mine, now_s, body), body);
  EXPECT_EQ(forged.status, 401);
  EXPECT_EQ(forged.at("code"), "webhook_signature");
  EXPECT_EQ(Post(mine, now, sign(mine, now_s), body + " ").at("code"), "webhook_signature");
  const Reply old = Post(mine, std::to_string(now_s - 600), sign(mine, now_s - 600), body);
  EXPECT_EQ(old.status, 401);
  EXPECT_EQ(old.at("code"), "webhook_timestamp");
  const Reply unsigned_one = Post(mine, now, "", body);
  EXPECT_EQ(unsigned_one.status, 400);
  EXPECT_EQ(unsigned_one.at("field"), "webhook-signature");
  EXPECT_EQ(Post(mine, now, sign(mine, now_s), "").status, 400);
  EXPECT_EQ(Post(mine, now, sign(mine, now_s), body, "/v1/payments/webhooks/nobody").status, 404);
  EXPECT_EQ(Post(mine, now, sign(mine, now_s), body, "/v1/payments/webhooks/sandbox").status, 404);
  EXPECT_EQ(Post(mine, now, auth::SignWebhook(secret, mine, now_s, "[]"), "[]").at("code"),
            "webhook_malformed");
  const std::string odd = R"({"type":"payment.captured","data":{"key":"nonsense"}})";
  EXPECT_EQ(Post(mine, now, auth::SignWebhook(secret, mine, now_s, odd), odd).status, 400);
}

TEST_F(Acquirer, ASettlementFileIsComparedAndEveryDifferenceNamedByItsLine) {
  Buyer buyer(*system_, "settler");
  const std::string id = Buy(buyer, "approve");
  ASSERT_EQ(buyer.Await(id, "CONFIRMED").at("state"), "CONFIRMED");
  const std::string csv = acquirer_->Settlement();
  const Reply agreed = Reconcile(csv);
  ASSERT_EQ(agreed.status, 200) << agreed;
  EXPECT_EQ(agreed.at("difference_count"), "0") << agreed;
  EXPECT_GE(agreed.number("matched"), 1);

  const std::string key = id + "/1";
  std::string other = csv;
  const size_t line = other.find(fmt::format("\"{}\",{}", key, kPrice));
  ASSERT_NE(line, std::string::npos) << csv;
  other.replace(line, key.size() + 2,
                "\"" + std::string(key.size(), '0') + "\"");  // ours is missing there, theirs here
  other += "now,capture,broken,1.5,KRW\r\n";
  const Reply differs = Reconcile(other);
  ASSERT_EQ(differs.status, 200) << differs;
  EXPECT_EQ(differs.at("difference_count"), "3") << differs;
  std::map<std::string, const json::value*> kinds;
  for (const json::value& difference : differs.body.at("differences").as_array()) {
    kinds[std::string(difference.at("kind").as_string())] = &difference;
  }
  ASSERT_TRUE(kinds.contains("missing_there") && kinds.contains("missing_here") &&
              kinds.contains("line_malformed"));
  EXPECT_EQ(kinds["missing_there"]->at("key").as_string(), key);
  EXPECT_EQ(kinds["missing_there"]->at("ours").at("amount").as_int64(), kPrice);
  EXPECT_EQ(kinds["line_malformed"]->at("line").as_int64(), std::ranges::count(other, '\n'));
  EXPECT_THAT(std::string(kinds["line_malformed"]->at("detail").as_string()), HasSubstr("amount"));
  EXPECT_EQ(Reconcile(other, "?provider=http&until=2001-01-01T00:00:00Z").at("difference_count"), "2")
      << "what is ours is of another period";

  const testbed::TempDir folder;
  const std::string file = folder.path() / "settlement.csv";
  std::ofstream(file) << other;
  const auto run = [&](const std::string& name) {
    return system_->Cli({"payment", "reconcile", name, "--provider", "http", "--json"});
  };
  const Finished told = run(file);
  EXPECT_EQ(told.exit_code, 1) << told.err;
  EXPECT_EQ(json::parse(told.out).at("difference_count").as_int64(), 3);
  std::ofstream(file, std::ios::trunc) << csv;
  EXPECT_EQ(run(file).exit_code, 0);
  EXPECT_EQ(run(folder.path() / "nowhere.csv").exit_code, 2);
  EXPECT_EQ(system_->Cli({"payment", "list", id}).exit_code, 0);
}

TEST_F(Acquirer, ASettlementThatCannotBeReadIsRefusedByName) {
  EXPECT_EQ(Reconcile("operation,key,amount,currency\n", "").at("field"), "provider");
  EXPECT_EQ(Reconcile("operation,key,amount,currency\n", "?provider=nobody").at("code"), "provider_unknown");
  EXPECT_EQ(Reconcile("operation,key,amount,currency\n", "?provider=http&from=yesterday").at("field"),
            "from");
  const Reply reversed = Reconcile("operation,key,amount,currency\n",
                                   "?provider=http&from=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z");
  EXPECT_EQ(reversed.status, 400) << reversed;
  for (const std::string file : {"", "amount\n1\n", "{\"json\":true}"}) {
    const Reply malformed = Reconcile(file);
    EXPECT_EQ(malformed.status, 422) << malformed;
    EXPECT_EQ(malformed.at("code"), "settlement_malformed");
  }
}

}  // namespace
}  // namespace boxoffice::e2e
