#include "boxoffice/commands.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/clock.h"
#include "boxoffice/api_client.h"
#include "boxoffice/cluster.h"
#include "boxoffice/system_commands.h"
#include "platform/auth/development.h"
#include "platform/auth/token.h"
#include "platform/rpc/tls.h"
#include "testing/temp_dir.h"

namespace boxoffice::cli {
namespace {

class CommandsTest : public testing::Test {
 protected:
  // The exit code, as main gives it.
  int Run(const std::string& command_line) {
    CLI::App app("test", "boxoffice");
    app.require_subcommand(1);
    AddUpCommand(app);
    AddServeCommand(app, program_.data());
    AddMigrateCommand(app);
    AddExportCommand(app);
    AddImportCommand(app);
    AddPsCommand(app);
    AddTokenCommand(app);
    AddCertsCommand(app);
    AddAuditCommand(app);
    AddRehearseCommand(app);
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    int code = kExitOk;
    try {
      app.parse(command_line);
    } catch (const CLI::RuntimeError& end) {
      code = end.get_exit_code();
    } catch (const CLI::ParseError& error) {
      fmt::print(stderr, "{}\n", error.what());
      code = kExitCant;
    }
    out_ = testing::internal::GetCapturedStdout();
    err_ = testing::internal::GetCapturedStderr();
    return code;
  }

  // As a system makes it.
  void MakeKey() { ASSERT_TRUE(auth::DevelopmentTokens(temp_.path()).has_value()); }

  testbed::TempDir temp_;
  std::string data_ = " --data " + temp_.path().string();
  std::string program_ = "boxoffice";
  std::string out_;
  std::string err_;
};

TEST_F(CommandsTest, TokenPrintsWhatTheSystemOnThatFolderBelieves) {
  MakeKey();
  ASSERT_EQ(Run("token --user ada --role operator" + data_), kExitOk) << err_;
  ASSERT_TRUE(out_.ends_with('\n'));
  out_.pop_back();
  const SystemClock clock;
  const auto verifier = auth::TokenVerifier::Make(*auth::DevelopmentTokens(temp_.path()), clock);
  EXPECT_EQ(verifier->Verify(out_), (auth::Principal{"ada", auth::Role::kOperator}));
}

TEST_F(CommandsTest, TokenNamesTheChannelsOfItsUser) {
  MakeKey();
  ASSERT_EQ(Run("token --user ada --channel fanclub --channel press" + data_), kExitOk) << err_;
  out_.pop_back();
  const SystemClock clock;
  const auto verifier = auth::TokenVerifier::Make(*auth::DevelopmentTokens(temp_.path()), clock);
  EXPECT_EQ(verifier->Verify(out_), (auth::Principal{"ada", auth::Role::kBuyer, {"fanclub", "press"}}));
  EXPECT_EQ(Run("token --user ada --channel Fans" + data_), kExitCant);
  EXPECT_THAT(err_, testing::HasSubstr("token_channels"));
}

TEST_F(CommandsTest, TokenRefusesWhatIsNoUserOrNoRole) {
  MakeKey();
  for (const char* user : {"a/b", "\"a b\""}) {
    EXPECT_EQ(Run(fmt::format("token --user {}", user) + data_), kExitCant) << user;
    EXPECT_THAT(
        err_, testing::HasSubstr("a user is 1 to 64 of A-Z a-z 0-9 . _ @ -, and not . or .. (token_subject)"))
        << user;
  }
  EXPECT_EQ(Run("token --user ada --role root" + data_), kExitCant);
  EXPECT_EQ(Run("token" + data_), kExitCant);
}

TEST_F(CommandsTest, TokenOfAFolderWhereNoSystemRanIsRefusedAndMakesNoKey) {
  for (const std::filesystem::path& folder : {temp_.path(), temp_.path() / "typo"}) {
    EXPECT_EQ(Run("token --user ada --data " + folder.string()), kExitCant) << folder;
    EXPECT_EQ(out_, "");
    EXPECT_THAT(err_, testing::HasSubstr("give --data (no_token)"));
    EXPECT_FALSE(std::filesystem::exists(folder / "keys")) << "it made a key that nobody believes";
  }
}

TEST_F(CommandsTest, AuditSaysWhatAUrlIs) {
  for (const char* url : {"localhost", "127.0.0.1:8080", "ftp://localhost", "http://localhost:1/shop",
                          "http://localhost:1#a"}) {
    EXPECT_EQ(Run(fmt::format("audit --token x --url {}", url)), kExitCant) << url;
    EXPECT_THAT(err_, testing::HasSubstr(fmt::format("--url is http://HOST[:PORT] or https://HOST[:PORT], "
                                                     "not \"{}\" (url_malformed)",
                                                     url)));
  }
  EXPECT_EQ(Run("audit --token x --url http://localhost:1?a=b"), kExitCant);
  EXPECT_THAT(err_, testing::HasSubstr("not \"http://localhost:1?***\" (url_malformed)"));
}

TEST_F(CommandsTest, TheAddressIsThatOfTheFoldersSystem) {
  const auto write = [this](pid_t pid) {
    std::ofstream(temp_.path() / "cluster.json")
        << fmt::format(R"({{"pid":{},"url":"http://127.0.0.1:1","servers":[],"processes":[]}})", pid);
  };
  ApiOptions options;
  options.data = temp_.path();
  EXPECT_EQ(GatewayUrl(options), kDefaultUrl) << "none runs there";
  write(getpid());
  EXPECT_EQ(GatewayUrl(options), "http://127.0.0.1:1");
  MakeKey();
  EXPECT_EQ(Run("audit" + data_), kExitCant);
  EXPECT_THAT(err_, testing::HasSubstr(" 127.0.0.1:1: "));
  options.token = "t";
  EXPECT_EQ(GatewayUrl(options), kDefaultUrl) << "of a system elsewhere";
  options.data_named = true;
  EXPECT_EQ(GatewayUrl(options), "http://127.0.0.1:1") << "who names the folder means it";
  EXPECT_EQ(Run("audit --token t" + data_), kExitCant);
  EXPECT_THAT(err_, testing::HasSubstr(" 127.0.0.1:1: "));
  options.data_named = false;
  options.token.clear();
  options.url = "http://[::1]:2/";
  EXPECT_EQ(GatewayUrl(options), "http://[::1]:2") << "who names one means it";
  options.url.reset();
  write(std::numeric_limits<pid_t>::max());
  EXPECT_EQ(GatewayUrl(options), kDefaultUrl) << "it was killed, and could not take its file away";
}

TEST_F(CommandsTest, CertsMakesACertificateForEveryServiceThatItsPeersBelieve) {
  const std::filesystem::path dir = temp_.path() / "certs";
  ASSERT_EQ(Run("certs --out " + dir.string()), kExitOk) << err_;
  for (const char* service : {"queue", "seat", "reservation", "wallet", "payment", "ranking", "relay",
                              "gateway", "audit", "boxoffice"}) {
    const std::string name = service;
    EXPECT_TRUE(rpc::Tls::Load({name, dir / "ca.crt", dir / (name + ".crt"), dir / (name + ".key")})) << name;
  }
}

TEST_F(CommandsTest, CertsKeepsWhatIsThereUnlessForced) {
  const std::filesystem::path dir = temp_.path() / "certs";
  ASSERT_EQ(Run("certs --out " + dir.string()), kExitOk) << err_;
  const auto before = std::filesystem::last_write_time(dir / "seat.key");
  EXPECT_EQ(Run("certs --out " + dir.string()), kExitNo);
  EXPECT_THAT(err_, testing::HasSubstr("certificates_exist"));
  EXPECT_THAT(err_, testing::HasSubstr("--force"));
  EXPECT_EQ(std::filesystem::last_write_time(dir / "seat.key"), before);
  EXPECT_EQ(Run("certs --force --out " + dir.string()), kExitOk) << err_;
  EXPECT_TRUE(rpc::Tls::Load({"seat", dir / "ca.crt", dir / "seat.crt", dir / "seat.key"}));
}

TEST_F(CommandsTest, CertsNeedsAFolderThatCanBeMade) {
  EXPECT_EQ(Run("certs"), kExitCant);
  EXPECT_EQ(Run("certs --out /proc/none"), kExitCant);
  EXPECT_THAT(err_, testing::HasSubstr("certificates_unwritable"));
}

TEST_F(CommandsTest, AuditWithoutATokenOrAKeySaysWhatToGive) {
  EXPECT_EQ(Run("audit" + data_), kExitCant);
  EXPECT_THAT(err_, testing::HasSubstr("--token"));
  EXPECT_FALSE(std::filesystem::exists(temp_.path() / "keys")) << "it made a key that nobody believes";
}

TEST_F(CommandsTest, AuditOfASystemThatIsNotThereCantBeDone) {
  EXPECT_EQ(Run("audit --token x --url http://127.0.0.1:1"), kExitCant);
  EXPECT_THAT(err_, testing::HasSubstr("connect_failed"));
}

TEST_F(CommandsTest, ServeNeedsAServiceThatThereIs) {
  EXPECT_EQ(Run("serve"), kExitCant);
  EXPECT_EQ(Run("serve tickets"), kExitCant);
  EXPECT_THAT(err_, testing::HasSubstr("reservation"));
}

TEST_F(CommandsTest, MigrateMakesEveryStoreAndStopsAtTheFirstFailure) {
  EXPECT_EQ(Run("migrate" + data_), kExitOk) << err_;
  for (const char* file : {"queue.db", "seat.db", "wallet.db", "payment.db", "reservation.db", "ranking.db",
                           "relay.db", "bus.db"}) {
    EXPECT_TRUE(std::filesystem::exists(temp_.path() / file)) << file;
  }
  EXPECT_THAT(out_, testing::HasSubstr("migrated reservation\n"));
  EXPECT_EQ(Run("migrate" + data_), kExitOk) << "again";
  EXPECT_EQ(Run("migrate --config " + temp_.path().string()), kExitCant) << "there is no queue.toml";
  EXPECT_THAT(err_, testing::HasSubstr("queue.toml"));
  EXPECT_EQ(out_, "");
}

TEST_F(CommandsTest, PsOfAFolderWhereNothingRunsSaysSo) {
  EXPECT_EQ(Run("ps" + data_), kExitCant);
  EXPECT_THAT(err_, testing::HasSubstr("no_cluster"));
}

TEST_F(CommandsTest, UpScaledWithoutKafkaSaysHowToGetItAndHowToDoWithout) {
  unsetenv("BOXOFFICE_KAFKA_CLASS_PATH");
  EXPECT_EQ(Run("up --scaled" + data_), kExitCant);
  EXPECT_THAT(err_,
              testing::AllOf(testing::HasSubstr("./dev up --scaled"), testing::HasSubstr("--no-kafka")));
  EXPECT_EQ(Run("up --replicas 2" + data_), kExitCant) << "without --scaled";
  EXPECT_EQ(Run("up --scaled --replicas 17" + data_), kExitCant);
}

TEST_F(CommandsTest, WhatNeedsKafkasJarsNamesTheCommandThatFetchesThemAndHowToDoWithout) {
  unsetenv("BOXOFFICE_KAFKA_CLASS_PATH");
  EXPECT_EQ(Run("import --scaled --in nowhere" + data_), kExitCant);
  EXPECT_THAT(err_, testing::AllOf(testing::HasSubstr("./dev import"), testing::HasSubstr("--no-kafka")));
}

TEST_F(CommandsTest, APortThatThereIsNotIsToldWithThoseThatThereAre) {
  EXPECT_EQ(Run("up --port 99999" + data_), kExitCant);
  EXPECT_THAT(err_, testing::HasSubstr("--port: Value 99999 not in range 0 to 65535"));
}

TEST(BackupCommandTest, IsForASystemThatRunsAndDoesNotSayThatItStartsOne) {
  CLI::App app("test", "boxoffice");
  AddBackupCommand(app);
  AddRestoreCommand(app);
  const auto scaled = [&](const std::string& command) {
    return app.get_subcommand(command)->get_option("--scaled")->get_description();
  };
  EXPECT_THAT(scaled("backup"), testing::Not(testing::HasSubstr("started")));
  EXPECT_THAT(scaled("restore"), testing::HasSubstr("started"));
}

TEST(TellTest, AFullDiskUnderStderrIsNoReasonToEnd) {
  const int before = dup(STDERR_FILENO);
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  dup2(full, STDERR_FILENO);
  EXPECT_NO_THROW(Tell("seat-1 has ended"));
  dup2(before, STDERR_FILENO);
  close(full);
  close(before);
  clearerr(stderr);
}

TEST_F(CommandsTest, RehearseNamesTheLineOfAFileOfTokensThatIsNone) {
  const std::filesystem::path file = temp_.path() / "tokens";
  std::ofstream(file) << "\na.b.c\r\n\nnonsense\n";
  EXPECT_EQ(Run("rehearse --yes --tokens " + file.string()), kExitCant);
  EXPECT_THAT(err_, testing::HasSubstr("line 4 is no token"));
}

TEST_F(CommandsTest, UpRefusesSettingsOfAnotherIssuerThanItBelieves) {
  // In a folder that can't be made, so that it ends in any case.
  for (const char* name : {"BOXOFFICE_JWT_JWKS_URL", "BOXOFFICE_SIGN_IN_CLIENT_ID"}) {
    setenv(name, "https://id.example", 1);
    EXPECT_EQ(Run("up --data /proc/none"), kExitCant);
    EXPECT_THAT(err_, testing::AllOf(testing::HasSubstr(name), testing::HasSubstr("serve gateway")));
    setenv(name, "", 1);
    EXPECT_EQ(Run("up --data /proc/none"), kExitCant);
    EXPECT_THAT(err_, testing::Not(testing::HasSubstr(name))) << "an empty one counts for nothing";
    unsetenv(name);
  }
}

TEST_F(CommandsTest, UpRefusesALogLevelThatThereIsNot) {
  EXPECT_EQ(Run("up --log-level loud" + data_), kExitCant);
  EXPECT_THAT(err_, testing::HasSubstr("loud"));
}

TEST(DescribeProblemTest, SaysStatusCodeAndDetail) {
  EXPECT_EQ(DescribeProblem({403, {}, R"({"code":"forbidden","title":"No","detail":"operators only"})"}),
            "403 forbidden: operators only");
  EXPECT_EQ(DescribeProblem({404, {}, R"({"code":"not_found","title":"No such thing"})"}),
            "404 not_found: No such thing");
  EXPECT_EQ(DescribeProblem({502, {}, "<html>"}), "502");
}

}  // namespace
}  // namespace boxoffice::cli
