#include "platform/config/keys.h"

#include <chrono>
#include <fstream>
#include <map>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <gmock/gmock.h>

#include "testing/temp_dir.h"

namespace boxoffice::config {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

class KeysTest : public ::testing::Test {
 protected:
  KeysTest() {
    keys_.Path("data", data_, "The data folder");
    keys_.List("listen", listen_, "Addresses");
    keys_.OneOf("log_level", level_, {"debug", "info"}, "How much is logged");
    keys_.Integer("batch.max_commands", max_commands_, 1, 4'096, "Commands in a transaction");
    keys_.Duration("batch.pause_ms", pause_, milliseconds(0), milliseconds(1'000), "Between two");
    keys_.Number("limit.share", share_, 0, 1, "Kept for confirmations");
    keys_.Switch("limit.shed", shed_, "Whether load is shed");
    keys_.Url("store.url", url_, "Where the data is");
    keys_.Secret("jwt.key", key_, "The key");
    keys_.SecretList("token.keys", token_keys_, "The keys");
  }

  Result<void> Load(const std::string& toml, std::vector<std::string> flags = {},
                    std::map<std::string, std::string> environment = {}) {
    std::ofstream(file_) << toml;
    CLI::App app;
    keys_.AddFlags(app);
    std::ranges::reverse(flags);
    app.parse(flags);
    return keys_.Load(file_, [&environment](const char* name) {
      const auto found = environment.find(name);
      return found == environment.end() ? nullptr : found->second.c_str();
    });
  }
  std::string Refused(const std::string& toml) {
    const auto loaded = Load(toml);
    EXPECT_FALSE(loaded) << toml;
    if (loaded) return "";
    EXPECT_EQ(loaded.error().reason, "config");
    EXPECT_THAT(loaded.error().detail, Not(HasSubstr("\n")));
    return loaded.error().detail;
  }

  const testbed::TempDir dir_;
  const std::filesystem::path file_ = dir_.path() / "seat.toml";
  std::filesystem::path data_ = ".data";
  std::vector<std::string> listen_;
  std::string level_ = "info";
  size_t max_commands_ = 256;
  milliseconds pause_{5};
  double share_ = 0.5;
  bool shed_ = true;
  std::string url_;
  std::string key_;
  std::vector<std::string> token_keys_;
  Keys keys_;
};

TEST_F(KeysTest, AFileSetsWhatItNamesAndTheRestKeepsItsDefault) {
  ASSERT_TRUE(
      Load("data = \"d\"\nlisten = [\"a:1\", \"b:2\"]\n[batch]\nmax_commands = 10\n[limit]\nshare = 1\n"
           "shed = false\n"));
  EXPECT_EQ(data_, "d");
  EXPECT_THAT(listen_, ElementsAre("a:1", "b:2"));
  EXPECT_EQ(max_commands_, 10U);
  EXPECT_EQ(share_, 1.0);
  EXPECT_FALSE(shed_);
  EXPECT_EQ(pause_, milliseconds(5));
  EXPECT_EQ(level_, "info");
}

TEST_F(KeysTest, TheEnvironmentIsOverTheFileAndFlagsAreOverBoth) {
  ASSERT_TRUE(Load("log_level = \"info\"\n[batch]\nmax_commands = 10\npause_ms = 10\n",
                   {"--batch-pause-ms=30", "--listen", "a:1", "--listen", "b:2"},
                   {{"BOXOFFICE_BATCH_MAX_COMMANDS", "20"},
                    {"BOXOFFICE_BATCH_PAUSE_MS", "20"},
                    {"BOXOFFICE_LISTEN", "x:1,y:2,z:3"},
                    {"BOXOFFICE_LIMIT_SHED", "false"}}));
  EXPECT_EQ(max_commands_, 20U);
  EXPECT_EQ(pause_, milliseconds(30));
  EXPECT_THAT(listen_, ElementsAre("a:1", "b:2"));
  EXPECT_FALSE(shed_);
}

TEST(VariablesOverTest, AreThoseOfTheKeysThatAFileHas) {
  EXPECT_THAT(
      VariablesOver("data = 'x'\n[batch]\nmax_commands = 2\npause_ms = 1\n[bus]\n"),
      ::testing::ElementsAre("BOXOFFICE_BATCH_MAX_COMMANDS", "BOXOFFICE_BATCH_PAUSE_MS", "BOXOFFICE_DATA"));
  EXPECT_THAT(VariablesOver("data ="), ::testing::IsEmpty());
}

TEST_F(KeysTest, AListInTheEnvironmentHasCommasAndAnEmptyVariableIsNone) {
  ASSERT_TRUE(Load("", {}, {{"BOXOFFICE_LISTEN", "x:1,y:2"}, {"BOXOFFICE_DATA", ""}}));
  EXPECT_THAT(listen_, ElementsAre("x:1", "y:2"));
  EXPECT_EQ(data_, ".data");
}

TEST_F(KeysTest, AnUnknownKeyIsRefusedWithItsLineAndThoseThatThereAre) {
  EXPECT_EQ(Refused("\n[batch]\nmax_comands = 10\n"),
            file_.string() + ":3: no key batch.max_comands: [batch] has max_commands, pause_ms");
  EXPECT_EQ(Refused("dat = \"d\"\n"),
            file_.string() + ":1: no key dat: outside of tables there are data, listen, log_level");
  EXPECT_EQ(Refused("[bath]\nmax_commands = 1\n"),
            file_.string() + ":1: no table bath: there are batch, limit, store, jwt, token");
}

TEST_F(KeysTest, AWrongTypeIsRefusedWithWhatWouldBeRight) {
  EXPECT_EQ(Refused("[batch]\nmax_commands = \"10\"\n"),
            file_.string() + ":2: batch.max_commands = '10': it must be an integer from 1 to 4096");
  EXPECT_THAT(Refused("data = 5\n"), EndsWith(":1: data = 5: it must be a text"));
  EXPECT_THAT(Refused("listen = \"a\"\n"), EndsWith("listen = 'a': it must be a list of texts"));
  EXPECT_THAT(Refused("listen = [\"a\", 1]\n"), EndsWith("it must be a list of texts"));
  EXPECT_THAT(Refused("[limit]\nshed = 1\n"), EndsWith("limit.shed = 1: it must be true or false"));
  EXPECT_THAT(Refused("[limit]\nshare = true\n"), EndsWith("it must be a number from 0 to 1"));
  EXPECT_THAT(Refused("batch = 1\n"), HasSubstr(":1: no key batch"));
  EXPECT_THAT(Refused("[data]\nx = 1\n"), HasSubstr(":1: no table data"));
}

TEST_F(KeysTest, AValueOutOfItsRangeIsRefusedAndTheBoundsAreAllowed) {
  EXPECT_THAT(Refused("[batch]\nmax_commands = 0\n"), EndsWith("= 0: it must be an integer from 1 to 4096"));
  EXPECT_THAT(Refused("[batch]\nmax_commands = 4097\n"), HasSubstr("4097"));
  EXPECT_THAT(Refused("[batch]\npause_ms = -1\n"),
              EndsWith("= -1: it must be an integer from 0 to 1000 (milliseconds)"));
  EXPECT_THAT(Refused("[limit]\nshare = 1.5\n"), EndsWith("it must be a number from 0 to 1"));
  EXPECT_THAT(Refused("log_level = \"loud\"\n"), EndsWith("it must be one of debug, info"));
  EXPECT_TRUE(Load("[batch]\nmax_commands = 4096\npause_ms = 0\n"));
}

TEST_F(KeysTest, TheFirstMistakeOfAFileIsTold) {
  EXPECT_THAT(Refused("data = 1\n[batch]\nmax_commands = 0\nwrong = 1\n"), HasSubstr(":1: data"));
}

TEST_F(KeysTest, WhatIsNoTomlIsRefusedWithItsLine) {
  EXPECT_THAT(Refused("data = \"d\"\n[batch\n"), HasSubstr("seat.toml:2: "));
  EXPECT_THAT(Refused("data = \"d\"\ndata = \"e\"\n"), HasSubstr("seat.toml:2: "));
}

TEST_F(KeysTest, AFileThatIsNotThereIsRefused) {
  const auto loaded = keys_.Load(dir_.path() / "none.toml", [](const char*) { return nullptr; });
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().detail, EndsWith("none.toml: can't be read"));
  EXPECT_FALSE(keys_.Load(dir_.path(), [](const char*) { return nullptr; })) << "a folder";
}

TEST_F(KeysTest, BadTextOfTheEnvironmentAndOfFlagsNamesWhereItStood) {
  const auto variable = Load("", {}, {{"BOXOFFICE_BATCH_MAX_COMMANDS", "many"}});
  ASSERT_FALSE(variable);
  EXPECT_EQ(variable.error().detail,
            "BOXOFFICE_BATCH_MAX_COMMANDS: batch.max_commands = many: it must be an integer from 1 to 4096");
  const auto flag = Load("", {"--batch-max-commands", "10x"});
  ASSERT_FALSE(flag);
  EXPECT_THAT(flag.error().detail, HasSubstr("--batch-max-commands: batch.max_commands = 10x"));
  EXPECT_FALSE(keys_.Set("limit.shed", "yes", "--shed"));
  EXPECT_FALSE(keys_.Set("limit.unknown", "yes", "--unknown"));
}

TEST_F(KeysTest, AnUnknownFlagIsRefused) { EXPECT_THROW((void)Load("", {"--sprt", "1"}), CLI::ParseError); }

TEST_F(KeysTest, PrintTellsTheOriginOfEachValueAndCanBeReadBack) {
  ASSERT_TRUE(Load("[batch]\nmax_commands = 10\n", {"--limit-share=0.25"},
                   {{"BOXOFFICE_DATA", "a \"quoted\" \\ folder"}}));
  const std::string text = keys_.Print();
  EXPECT_THAT(text, ::testing::ContainsRegex("max_commands = 10 +# .*seat.toml:2\n"));
  EXPECT_THAT(text, ::testing::ContainsRegex("share = 0.25 +# --limit-share\n"));
  EXPECT_THAT(text, ::testing::ContainsRegex("data = .*# BOXOFFICE_DATA\n"));
  EXPECT_THAT(text, ::testing::ContainsRegex("pause_ms = 5 +# default\n"));
  ASSERT_TRUE(Load(text)) << text;
  EXPECT_EQ(data_, "a \"quoted\" \\ folder");
  EXPECT_EQ(share_, 0.25);
}

TEST_F(KeysTest, SecretsAreNeitherPrintedNorRepeatedInErrors) {
  ASSERT_TRUE(
      Load("[store]\nurl = \"postgresql://seat:hush@h/seat\"\n[jwt]\nkey = \"hush\"\n"
           "[token]\nkeys = [\"a=hush\", \"b=hush\"]\n"));
  EXPECT_THAT(keys_.Print(), Not(HasSubstr("hush")));
  EXPECT_THAT(keys_.Print(), HasSubstr("postgresql://seat:***@h/seat"));
  EXPECT_THAT(Refused("[jwt]\nkey = [\"hush\"]\n"), Not(HasSubstr("hush")));
}

TEST_F(KeysTest, AListIsToldByTheNameOfItsKey) {
  ASSERT_TRUE(Load("[token]\nkeys = [\"a=hush\", \"b=hush\"]\n"));
  EXPECT_THAT(*keys_.ListAt("token.keys"), ::testing::ElementsAre("a=hush", "b=hush"));
  EXPECT_EQ(keys_.ListAt("store.url"), std::nullopt);
  EXPECT_EQ(keys_.ListAt("no.key"), std::nullopt);
}

TEST_F(KeysTest, HelpSaysOfSecretsThatFlagsAreReadByOthers) {
  CLI::App app;
  keys_.AddFlags(app);
  for (const char* flag : {"--jwt-key", "--token-keys", "--store-url"}) {
    EXPECT_THAT(app.get_option(flag)->get_description(), HasSubstr("in the file or the environment")) << flag;
  }
  EXPECT_THAT(app.get_option("--data")->get_description(), Not(HasSubstr("secret")));
}

TEST(MaskPasswordTest, HidesOnlyThePassword) {
  EXPECT_EQ(MaskPassword("postgresql://u:p@h:5432,h2:5433/db?sslmode=require"),
            "postgresql://u:***@h:5432,h2:5433/db?sslmode=require");
  EXPECT_EQ(MaskPassword("redis://:p@h:1"), "redis://:***@h:1");
  EXPECT_EQ(MaskPassword("redis://u:a/b#c@h:1/0"), "redis://u:***@h:1/0");
  EXPECT_EQ(MaskPassword("postgresql://h:5432/db?user=a@b"), "postgresql://h:5432/db?user=a@b");
  EXPECT_EQ(MaskPassword("postgresql://u@h/db?password=p&x=1"), "postgresql://u@h/db?password=***&x=1");
  EXPECT_EQ(MaskPassword("postgresql://h:5432/db"), "postgresql://h:5432/db");
  EXPECT_EQ(MaskPassword("kafka:h:1?sasl.username=u&sasl.password=p&x=1"),
            "kafka:h:1?sasl.username=u&sasl.password=***&x=1");
  EXPECT_EQ(MaskPassword("kafka:h:1?ssl.key.password=a&sasl.password=b&sasl.oauthbearer.client.secret=c"),
            "kafka:h:1?ssl.key.password=***&sasl.password=***&sasl.oauthbearer.client.secret=***");
  EXPECT_EQ(MaskPassword("kafka:h:1?ssl.key.pem=a&x=1"), "kafka:h:1?ssl.key.pem=***&x=1");
  EXPECT_EQ(MaskPassword("postgresql://h/db?sslpassword=p"), "postgresql://h/db?sslpassword=***");
  EXPECT_EQ(MaskPassword("https://u:p@h/v1?token=t&x=1"), "https://u:***@h/v1?***");
  EXPECT_EQ(MaskPassword("http://h:4318/base/"), "http://h:4318/base/");
  EXPECT_EQ(MaskPassword("sqlite:.data"), "sqlite:.data");
  EXPECT_EQ(MaskPassword(""), "");
}

}  // namespace
}  // namespace boxoffice::config
