// Commands that ask first, and what a failure leaves as it was.
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>

#include "boxoffice/operator_commands_for_test.h"
#include "platform/http/fixed_server_for_test.h"
#include "testing/temp_dir.h"
#include "testing/wait.h"

namespace boxoffice::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_F(OperatorCommandsTest, WhatCantBeUndoneIsDoneOnceItIsConfirmed) {
  On("GET /v1/admin/shows/1/queue", R"({"show_id":"1","state":"PREQUEUE"})");
  On("PATCH /v1/admin/shows/1/queue", R"({"show_id":"1","state":"PAUSED"})");
  for (const std::string command : {"pause", "resume", "close", "off"}) {
    EXPECT_EQ(Run({"queue", command, "1"}), 2) << command;
    EXPECT_THAT(err_, HasSubstr("draws the places now"));
    EXPECT_EQ(Last().line, "GET /v1/admin/shows/1/queue");
    EXPECT_EQ(Run({"queue", command, "1", "--yes"}), 0) << err_;
    EXPECT_EQ(Last().line, "PATCH /v1/admin/shows/1/queue");
  }
  EXPECT_EQ(Run({"queue", "prequeue", "1"}), 0) << "ends none";
  On("DELETE /v1/admin/relay/targets/3", "", 204);
  EXPECT_EQ(Run({"relay", "delete", "3"}), 2);
  EXPECT_NE(Last().line, "DELETE /v1/admin/relay/targets/3");
  EXPECT_EQ(Run({"relay", "delete", "3", "--yes", "--json"}), 0) << err_;
  EXPECT_EQ(out_, "{}\n");
}

// Two pages of what is parked.
constexpr const char* kFirstParked =
    R"({"items":[{"id":"r1","saga":{"last_error":"verify-queue: unknown timeout "}},)"
    R"({"id":"r2","saga":{"last_error":"debit-wallet: unknown timeout "}}],"next_cursor":"c1"})";
constexpr const char* kLastParked =
    R"({"items":[{"id":"r3","saga":{"last_error":"verify-queue: unavailable "}}],"next_cursor":null})";

TEST_F(OperatorCommandsTest, AllParkedSagasAreRetriedOnceItIsConfirmed) {
  On("GET /v1/admin/sagas?status=parked&limit=200", kFirstParked);
  On("GET /v1/admin/sagas?status=parked&limit=200&cursor=c1", kLastParked);
  for (const std::string id : {"r1", "r2", "r3"}) On("POST /v1/admin/sagas/" + id + "/retry", "{}");
  const std::vector<std::string> retry = {"saga", "retry", "--all-parked", "--reason", "the queue is back"};
  const auto asked = [this] {
    const std::scoped_lock lock(mutex_);
    return std::exchange(seen_, {}).size();
  };
  EXPECT_EQ(Run(retry), 2);
  EXPECT_THAT(err_, HasSubstr("give --yes"));
  EXPECT_EQ(asked(), 0U);
  std::vector<std::string> sure = retry;
  sure.emplace_back("--yes");
  EXPECT_EQ(Run(sure), 0) << err_;
  EXPECT_EQ(Last().line, "POST /v1/admin/sagas/r3/retry");
  EXPECT_EQ(Last().body, R"({"reason":"the queue is back"})");
  EXPECT_EQ(asked(), 5U) << "two pages, and each saga once";
  EXPECT_EQ(out_, "retried  3\n");
  EXPECT_EQ(err_, "2 retried\n") << "how far it is";
  sure.insert(sure.end(), {"--last-error", "verify-queue", "--json"});
  EXPECT_EQ(Run(sure), 0) << err_;
  EXPECT_EQ(asked(), 4U) << "not the one that waits for the wallet";
  EXPECT_EQ(out_, "{\"retried\":2,\"refused\":[]}\n");
  EXPECT_EQ(err_, "");
}

TEST_F(OperatorCommandsTest, ASagaThatIsNotRetriedIsNamedAndTheOthersGoOn) {
  On("GET /v1/admin/sagas?status=parked&limit=200", kFirstParked);
  On("GET /v1/admin/sagas?status=parked&limit=200&cursor=c1", kLastParked);
  const std::vector<std::string> retry = {"saga", "retry", "--all-parked", "--reason", "why", "--yes"};
  On("POST /v1/admin/sagas/r1/retry", R"({"code":"saga_done"})", 409);
  for (const std::string id : {"r2", "r3"}) On("POST /v1/admin/sagas/" + id + "/retry", "{}");
  EXPECT_EQ(Run(retry), 1);
  EXPECT_THAT(out_, HasSubstr("retried  2\n"));
  EXPECT_THAT(out_, HasSubstr("r1       saga_done\n"));
  On("POST /v1/admin/sagas/r2/retry", R"({"code":"connection_lost"})", 503);
  EXPECT_EQ(Run(retry), 2) << "the others would fare no better";
  EXPECT_THAT(err_, HasSubstr("503 connection_lost"));
  EXPECT_EQ(Last().line, "POST /v1/admin/sagas/r2/retry");
}

TEST_F(OperatorCommandsTest, WhoRetriesTooManyAtOnceWaitsAndLeavesNoneOut) {
  On("GET /v1/admin/sagas?status=parked&limit=200", kLastParked);
  On("POST /v1/admin/sagas/r3/retry", R"({"code":"rate_limited"})", 429);
  std::thread gateway([this] {
    EXPECT_TRUE(testbed::Eventually([this] { return Last().line == "POST /v1/admin/sagas/r3/retry"; }));
    On("POST /v1/admin/sagas/r3/retry", "{}");
  });
  EXPECT_EQ(Run({"saga", "retry", "--all-parked", "--reason", "why", "--yes"}), 0) << err_;
  gateway.join();
  EXPECT_EQ(out_, "retried  1\n");
}

TEST_F(OperatorCommandsTest, WhatIsRetriedIsNamedOrAllThatIsParked) {
  EXPECT_EQ(Run({"saga", "retry", "--reason", "why"}), 2);
  EXPECT_THAT(err_, HasSubstr("--all-parked"));
  EXPECT_EQ(Run({"saga", "retry", "r1", "--all-parked", "--reason", "why", "--yes"}), 2);
  EXPECT_EQ(Run({"saga", "retry", "r1", "--last-error", "queue", "--reason", "why"}), 2);
  EXPECT_EQ(Last().line, "");
}

TEST_F(OperatorCommandsTest, WhatMayHaveBeenDoneIsToldWithItsKey) {
  const std::vector<std::string> adjust = {"wallet",     "adjust", "mina",     "--amount", "5",
                                           "--currency", "KRW",    "--reason", "why"};
  const std::string line = "POST /v1/admin/wallets/mina/adjustments";
  On(line, R"({"code":"unavailable"})", 503);
  EXPECT_EQ(Run(adjust), 2);
  const std::string key = Last().key;
  EXPECT_NE(key, "");
  EXPECT_THAT(err_, HasSubstr(fmt::format("repeat it with --key {}\n", key)));
  On(line, R"({"code":"idempotency_key_running"})", 409);
  std::vector<std::string> again = adjust;
  again.insert(again.end(), {"--key", key});
  EXPECT_EQ(Run(again), 2) << "the first may still do it";
  EXPECT_EQ(Last().key, key);
  EXPECT_THAT(err_, HasSubstr(fmt::format("repeat it with --key {}\n", key)));
  On(line, R"({"code":"wallet_closed"})", 409);
  EXPECT_EQ(Run(adjust), 1);
  EXPECT_THAT(err_, Not(HasSubstr("--key"))) << "it was not done";
  On(line, "<html>");
  EXPECT_EQ(Run(adjust), 2) << "it says neither";
  EXPECT_THAT(err_, HasSubstr(fmt::format("repeat it with --key {} (answer_malformed)\n", Last().key)));
  On("POST /v1/admin/shows/1/publish", R"({"code":"unavailable"})", 503);
  EXPECT_EQ(Run({"show", "publish", "1"}), 2);
  EXPECT_THAT(err_, Not(HasSubstr("--key"))) << "it takes none";
  const http::FixedServer lost("");
  url_ = lost.Url();
  EXPECT_EQ(Run(adjust), 2);
  EXPECT_THAT(err_, HasSubstr("repeat it with --key "));
  url_ = "http://127.0.0.1:1";
  EXPECT_EQ(Run(adjust), 2);
  EXPECT_THAT(err_, Not(HasSubstr("--key"))) << "it was never sent";
}

TEST_F(OperatorCommandsTest, AnExportThatFailsLeavesTheFileAsItWas) {
  const testbed::TempDir folder;
  const std::string file = folder.path() / "ledger.csv";
  std::ofstream(file) << "yesterday's\n";
  EXPECT_EQ(Run({"wallet", "export", "--out", file}), 1) << "no such thing";
  std::string line;
  std::getline(std::ifstream(file), line);
  EXPECT_EQ(line, "yesterday's");
  EXPECT_FALSE(std::filesystem::exists(file + ".part"));
  On("GET /v1/admin/ledger?limit=200",
     "entry_id,created_at,account,kind,amount,currency\n1,t,wallet:a,CHARGE,5,KRW\n1,t,system,CHARGE,-5,"
     "KRW\n");
  EXPECT_EQ(Run({"wallet", "export", "--out", file, "--json"}), 0) << err_;
  EXPECT_EQ(out_, "{\"sums\":{\"KRW\":0}}\n");
  std::getline(std::ifstream(file), line);
  EXPECT_THAT(line, HasSubstr("entry_id"));
  EXPECT_EQ(Run({"wallet", "export", "--json"}), 2) << "CSV is no JSON";
}

TEST_F(OperatorCommandsTest, AnExportThatCantHaveItsNameLeavesNoPartOfItself) {
  const testbed::TempDir folder;
  const std::string file = folder.path() / "ledger.csv";
  std::filesystem::create_directory(file);  // no file takes the place of a folder
  On("GET /v1/admin/ledger?limit=200",
     "entry_id,created_at,account,kind,amount,currency\n1,t,wallet:a,CHARGE,5,KRW\n");
  EXPECT_EQ(Run({"wallet", "export", "--out", file}), 2);
  EXPECT_THAT(err_, HasSubstr("can't write " + file));
  EXPECT_FALSE(std::filesystem::exists(file + ".part"));
}

}  // namespace
}  // namespace boxoffice::cli
