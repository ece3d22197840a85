// What operators do to wallets, what limits them, and what is told of them.
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "e2e/system.h"

namespace boxoffice::e2e {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

class Wallet : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ::setenv("BOXOFFICE_LIMIT_BALANCE", "JPY=1000", 1);
    ::setenv("BOXOFFICE_LIMIT_TOP_UP_PER_DAY", "JPY=600", 1);
    system_ = new System();
  }
  static void TearDownTestSuite() { delete system_; }
  void SetUp() override { ASSERT_TRUE(system_->ready()); }
  void TearDown() override {
    if (system_->ready()) system_->ExpectCleanAudit();
  }

  static Reply Admin(const std::string& method, const std::string& user, const std::string& what,
                     const std::string& body = {}) {
    return system_->Admin(method, fmt::format("/v1/admin/wallets/{}{}", user, what), body);
  }
  static Reply Adjust(const std::string& user, int64_t amount, const std::string& currency = "KRW") {
    return Admin("POST", user, "/adjustments",
                 fmt::format(R"({{"amount":{},"currency":"{}","reason":"a test"}})", amount, currency));
  }
  static Reply Change(const std::string& user, const std::string& what) {
    return Admin("POST", user, "/" + what, R"({"reason":"a test"})");
  }
  // `boxoffice wallet WORDS` of an operator.
  static Finished Run(std::vector<std::string> words) {
    words.insert(words.begin(), "wallet");
    return system_->Cli(std::move(words));
  }
  // Sums the amounts of an export by currency; nothing in it is quoted here.
  static void AddUp(const std::string& csv, std::map<std::string, int64_t>& sums) {
    std::istringstream lines(csv);
    std::string line;
    std::getline(lines, line);
    EXPECT_THAT(line, HasSubstr("entry_id,created_at,kind,account,amount,currency"));
    while (std::getline(lines, line)) {
      std::istringstream fields(line);
      std::vector<std::string> row;
      for (std::string field; std::getline(fields, field, ',');) row.push_back(field);
      ASSERT_GE(row.size(), 6U) << line;
      int64_t amount = 0;
      const char* end = row[4].data() + row[4].size();
      ASSERT_EQ(std::from_chars(row[4].data(), end, amount).ptr, end) << line;
      sums[row[5]] += amount;
    }
  }

  static System* system_;
};
System* Wallet::system_ = nullptr;

TEST_F(Wallet, HoldsSeveralCurrenciesAndTellsHowTheyMovedInAPeriod) {
  Buyer ann(*system_, "ann");
  ASSERT_EQ(ann.Charge(1'000).status, 201);
  ASSERT_EQ(ann.Charge(70, "EUR").status, 201);
  ASSERT_EQ(Adjust("ann", -300).status, 201);
  EXPECT_EQ(ann.Call("GET", "/v1/wallet").body.at("balances").as_array().size(), 2U);
  EXPECT_EQ(ann.Call("GET", "/v1/wallet/entries?currency=EUR").body.at("items").as_array().size(), 1U);
  const Reply statement = ann.Call("GET", "/v1/wallet/statement?currency=KRW&from=2020-01-01T00:00:00Z");
  ASSERT_EQ(statement.status, 200) << statement;
  EXPECT_EQ(statement.number("opening_balance"), 0);
  EXPECT_EQ(statement.number("closing_balance"), 700);
  EXPECT_EQ(statement.body.at("sums").as_array().size(), 2U);
  const Reply later = ann.Call("GET", "/v1/wallet/statement?currency=KRW&from=2099-01-01T00:00:00Z");
  EXPECT_EQ(later.number("opening_balance"), 700);
  EXPECT_TRUE(later.body.at("sums").as_array().empty());
  EXPECT_TRUE(
      ann.Call("GET", "/v1/wallet/entries?until=2020-01-01T00:00:00Z").body.at("items").as_array().empty());
  const Reply seen = Admin("GET", "ann", "/entries?currency=KRW");
  EXPECT_EQ(seen.body.at("items").at(0).at("reason").as_string(), "a test");
  EXPECT_EQ(seen.body.at("items").at(0).at("operator_id").as_string(), "operator");
  const Reply own = ann.Call("GET", "/v1/wallet/entries?currency=KRW");
  EXPECT_FALSE(own.body.at("items").at(0).as_object().contains("operator_id"));
  EXPECT_EQ(Admin("GET", "ann", "/statement?currency=KRW").number("closing_balance"), 700);
  EXPECT_EQ(ann.Call("GET", "/v1/admin/wallets/ann").status, 403);
}

TEST_F(Wallet, AdjustmentsAndReversalsTakeNoMoreThanThereIs) {
  Buyer bob(*system_, "bob");
  const Reply charged = bob.Charge(500);
  const Reply more = Adjust("bob", -501);
  EXPECT_EQ(more.status, 402) << more;
  EXPECT_EQ(more.at("code"), "balance_too_low");
  EXPECT_EQ(more.number("needed"), 501);
  EXPECT_EQ(Adjust("bob", 1).number("balance"), 501);
  const std::string reversal =
      fmt::format(R"({{"entry_id":"{}","reason":"charged back"}})", charged.at("entry_id"));
  EXPECT_EQ(Admin("POST", "bob", "/reversals", reversal).status, 201);
  EXPECT_EQ(Admin("POST", "bob", "/reversals", reversal).number("balance"), 1) << "once, whoever asks";
  EXPECT_EQ(bob.Balance(), 1);
  const Reply another = Admin("POST", "ann", "/reversals", reversal);
  EXPECT_EQ(another.status, 404) << another;
  EXPECT_EQ(another.at("code"), "not_a_top_up");
}

TEST_F(Wallet, AFrozenWalletBuysNothingAndAThawedOneDoes) {
  const std::string show = system_->CreateShow();
  Buyer eve(*system_, "eve");
  ASSERT_TRUE(eve.Enter(show));
  ASSERT_EQ(eve.Charge(1'000).status, 201);
  EXPECT_EQ(Change("eve", "freeze").at("state"), "FROZEN");
  EXPECT_EQ(Admin("GET", "eve", "").at("state_reason"), "a test");
  const Reply charge = eve.Charge(1);
  EXPECT_EQ(charge.status, 409) << charge;
  EXPECT_EQ(charge.at("code"), "wallet_frozen");
  const Reply refused = eve.Reserve(show, R"("best_available":{"count":1},"pay":true)");
  EXPECT_EQ(refused.status, 409) << refused;
  EXPECT_EQ(refused.at("code"), "wallet_frozen");
  EXPECT_EQ(eve.Balance(), 1'000);
  EXPECT_EQ(Change("eve", "unfreeze").at("state"), "ACTIVE");
  EXPECT_EQ(eve.Reserve(show, R"("best_available":{"count":1},"pay":true)").status, 201);
}

TEST_F(Wallet, AClosedWalletIsStillCreditedByWhatIsGivenBack) {
  const std::string show = system_->CreateShow();
  Buyer kim(*system_, "kim");
  ASSERT_TRUE(kim.Enter(show));
  ASSERT_EQ(kim.Charge(1'000).status, 201);
  const Reply full = Change("kim", "close");
  EXPECT_EQ(full.status, 409) << full;
  EXPECT_EQ(full.at("code"), "wallet_not_empty");
  const Reply bought = kim.Reserve(show, R"("best_available":{"count":1},"pay":true)");
  ASSERT_EQ(bought.status, 201) << bought;
  EXPECT_EQ(Run({"close", "kim", "--reason", "asked for"}).exit_code, 2) << "nobody has confirmed it";
  EXPECT_EQ(Run({"close", "kim", "--reason", "asked for", "--yes"}).exit_code, 0);
  EXPECT_EQ(kim.Charge(1).at("code"), "wallet_closed");
  EXPECT_THAT(kim.Cancel(bought.at("id")).status, AnyOf(200, 202));
  ASSERT_EQ(kim.Await(bought.at("id"), "CANCELLED").at("state"), "CANCELLED");
  EXPECT_EQ(kim.Balance(), 1'000);
  EXPECT_EQ(Change("kim", "unfreeze").at("code"), "wallet_closed");
  EXPECT_EQ(Adjust("kim", -1'000).number("balance"), 0);
}

TEST_F(Wallet, LimitsArePerDayAndPerBalance) {
  Buyer lee(*system_, "lee");
  const Reply day = lee.Charge(601, "JPY");
  EXPECT_EQ(day.status, 422) << day;
  EXPECT_EQ(day.at("code"), "daily_limit");
  EXPECT_EQ(day.number("limit"), 600);
  EXPECT_EQ(day.number("available"), 600);
  EXPECT_EQ(lee.Charge(600, "JPY").status, 201);
  EXPECT_EQ(lee.Charge(1, "JPY").at("code"), "daily_limit");
  ASSERT_EQ(Adjust("pak", 500, "JPY").status, 201);
  Buyer pak(*system_, "pak");
  const Reply balance = pak.Charge(501, "JPY");
  EXPECT_EQ(balance.at("code"), "balance_limit") << balance;
  EXPECT_EQ(balance.number("available"), 500);
  EXPECT_EQ(pak.Charge(100'000).status, 201) << "another currency has none";
}

TEST_F(Wallet, TheExportSumsToZeroPageByPage) {
  Buyer min(*system_, "min");
  for (int i = 0; i < 4; ++i) ASSERT_EQ(min.Charge(10 + i).status, 201);
  std::string cursor;
  std::map<std::string, int64_t> sums;
  size_t pages = 0;
  do {
    const Reply page = system_->Admin(
        "GET", "/v1/admin/ledger?limit=3" + (cursor.empty() ? std::string() : "&cursor=" + cursor));
    ASSERT_EQ(page.status, 200) << page;
    std::map<std::string, int64_t> of_page;
    ASSERT_NO_FATAL_FAILURE(AddUp(page.text, of_page));
    for (const auto& [currency, sum] : of_page) EXPECT_EQ(sum, 0) << currency;
    sums.merge(of_page);
    cursor = page.header("X-Next-Cursor");
    ++pages;
  } while (!cursor.empty());
  EXPECT_GE(pages, 2U);
  EXPECT_TRUE(sums.contains("KRW"));
  const testbed::TempDir folder;
  const std::string file = folder.path() / "ledger.csv";
  const Finished exported = Run({"export", "--out", file});
  EXPECT_EQ(exported.exit_code, 0) << exported.err;
  EXPECT_THAT(exported.err, HasSubstr("KRW sums to 0"));
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  EXPECT_THAT(text.str(), HasSubstr("wallet:min"));
  EXPECT_THAT(text.str(), HasSubstr("system:external"));
}

TEST_F(Wallet, TheCommandLineDoesWhatRestDoes) {
  EXPECT_EQ(
      Run({"adjust", "cli", "--amount", "500", "--currency", "KRW", "--reason", "a gift", "--key", "c1"})
          .exit_code,
      0);
  const Finished again = Run({"adjust", "cli", "--amount", "500", "--currency", "KRW", "--reason", "a gift",
                              "--key", "c1", "--json"});
  EXPECT_EQ(json::parse(again.out).at("balance").as_int64(), 500) << "the same key, once";
  const Finished got = Run({"get", "cli", "--json"});
  EXPECT_EQ(json::parse(got.out).at("balances").at(0).at("amount").as_int64(), 500);
  EXPECT_THAT(Run({"entries", "cli"}).out, HasSubstr("a gift"));
  EXPECT_THAT(Run({"statement", "cli", "--currency", "KRW"}).out, HasSubstr("closing_balance"));
  const Finished refused = Run({"adjust", "cli", "--amount", "-501", "--currency", "KRW", "--reason", "x"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("balance_too_low"));
}

TEST_F(Wallet, BadInputIsRefusedByName) {
  const auto refused = [](const Reply& reply, int status, const std::string& field) {
    EXPECT_EQ(reply.status, status) << reply;
    EXPECT_EQ(reply.at("field"), field) << reply;
  };
  refused(Admin("POST", "bad", "/adjustments", R"({"amount":0,"currency":"KRW","reason":"r"})"), 422,
          "amount");
  refused(Admin("POST", "bad", "/adjustments", R"({"amount":1,"currency":"won","reason":"r"})"), 422,
          "currency");
  refused(Admin("POST", "bad", "/adjustments", R"({"amount":1,"currency":"KRW","reason":""})"), 422,
          "reason");
  refused(Admin("POST", "bad", "/adjustments", R"({"amount":1,"currency":"KRW"})"), 400, "reason");
  refused(Admin("POST", "bad", "/reversals", R"({"entry_id":"7","reason":"r"})"), 422, "entry_id");
  refused(Admin("POST", "bad", "/freeze", R"({})"), 400, "reason");
  refused(Admin("GET", "bad", "/statement"), 400, "currency");
  refused(Admin("GET", "bad", "/statement?currency=KRW&from=monday"), 400, "from");
  refused(Admin("GET", "bad", "/entries?from=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z"), 400, "until");
  EXPECT_EQ(Admin("GET", std::string(65, 'x'), "").status, 404);
  EXPECT_EQ(system_->Admin("GET", "/v1/admin/ledger?cursor=nonsense").at("code"), "cursor_invalid");
  EXPECT_EQ(system_->Admin("GET", "/v1/admin/ledger?limit=0").at("code"), "limit_invalid");
}

}  // namespace
}  // namespace boxoffice::e2e
