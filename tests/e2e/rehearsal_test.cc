// `boxoffice rehearse` against a running system: what it reports is what the system says.
#include <cstdio>
#include <fstream>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "e2e/system.h"

namespace boxoffice::e2e {
namespace {

using ::testing::HasSubstr;

class Rehearsal : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { system_ = new System(); }
  static void TearDownTestSuite() { delete system_; }
  void SetUp() override { ASSERT_TRUE(system_->ready()); }

  static Finished Run(std::vector<std::string> flags) {
    std::vector<std::string> words = {(BinDir() / "boxoffice").string(), "rehearse", "--json"};
    words.insert(words.end(), flags.begin(), flags.end());
    return RunCommand(words, seconds(120));
  }
  static std::vector<std::string> Here(const std::string& show) {
    std::vector<std::string> flags = {"--data", system_->data_dir().string(), "--show", show};
    for (const uint16_t gateway : system_->gateways()) {
      flags.emplace_back("--url");
      flags.push_back(fmt::format("http://127.0.0.1:{}", gateway));
    }
    return flags;
  }

  static System* system_;
};
System* Rehearsal::system_ = nullptr;

Reply Parse(const std::string& text) {
  boost::system::error_code error;
  Reply reply;
  reply.body = json::parse(text, error);
  reply.text = text;
  return reply;
}

TEST_F(Rehearsal, PlaysASaleUntilItIsSoldOutAndReportsWhatTheSystemSays) {
  const std::string show = system_->CreateShow({.rows = 4, .seats_per_row = 10, .price = 1'000});
  ASSERT_EQ(system_
                ->Admin("PATCH", fmt::format("/v1/admin/shows/{}/queue", show),
                        R"({"rate_per_s":40,"active_cap":60})")
                .status,
            200);
  auto flags = Here(show);
  // More than enough for forty seats; nobody walks away with a hold, which would keep it for minutes.
  for (const char* word :
       {"--buyers", "150", "--burst", "1", "--decay", "1", "--think", "0.1", "--leave-holding", "0",
        "--cancel", "0", "--by-map", "0.5", "--party", "2", "--limit", "60"})
    flags.emplace_back(word);
  const Finished finished = Run(flags);
  ASSERT_EQ(finished.exit_code, 0) << finished.err << finished.out;
  const Reply report = Parse(finished.out);

  const Reply after = system_->Show(show);
  EXPECT_EQ(after.number("free"), 0) << after;
  EXPECT_EQ(report.number("seats_bought"), after.number("sold")) << report;
  EXPECT_EQ(report.number("seats_bought"), 40);
  EXPECT_NE(report.at("sold_out_s"), "null");
  EXPECT_EQ(report.at("audit.ok"), "true") << report;
  EXPECT_EQ(report.number("unfinished"), 0) << report;

  const Reply queue = system_->Admin("GET", fmt::format("/v1/admin/shows/{}/queue", show));
  EXPECT_EQ(report.number("steps.join.asked") - report.number("steps.join.busy"), queue.number("joined"))
      << queue;
  EXPECT_EQ(report.number("confirmed"), report.number("endings.bought"));
  EXPECT_EQ(report.number("steps.pay.asked"), report.number("confirmed")) << report;
  EXPECT_LE(report.number("admission.most_active"), 60)
      << "the queue keeps its cap, and the report would say so";
  EXPECT_EQ(report.at("errors"), "{}") << report;
  EXPECT_GT(report.body.at("steps").at("hold").at("p50_ms").to_number<double>(), 0);
  EXPECT_THAT(finished.err, HasSubstr("arrived")) << "progress, as plain lines";
}

TEST_F(Rehearsal, BuysNothingElsewhereUnlessItIsConfirmed) {
  const std::string show = system_->CreateShow();
  for (const std::string& url : {std::string("http://192.0.2.1"), std::string("http://sale.example:8080")}) {
    const Finished finished =
        Run({"--data", system_->data_dir().string(), "--show", show, "--url", url, "--buyers", "1"});
    EXPECT_EQ(finished.exit_code, 2);
    EXPECT_THAT(finished.err, HasSubstr("not_confirmed")) << url;
  }
  // Tokens that are not made here may be anybody's, also on this machine.
  const std::filesystem::path tokens = system_->data_dir() / "tokens";
  std::ofstream(tokens) << system_->Token("mina") << "\n" << system_->Token("juno") << "\n";
  auto flags = Here(show);
  flags.emplace_back("--tokens");
  flags.push_back(tokens.string());
  Finished finished = Run(flags);
  EXPECT_EQ(finished.exit_code, 2);
  EXPECT_THAT(finished.err, HasSubstr("not_confirmed"));
  EXPECT_EQ(system_->Show(show).number("free"), 50);
  for (const char* word : {"--yes", "--burst", "0", "--decay", "0", "--think", "0.05", "--leave-holding", "0",
                           "--leave-waiting", "0", "--cancel", "0", "--limit", "60"})
    flags.emplace_back(word);
  finished = Run(flags);
  EXPECT_EQ(finished.exit_code, 0) << finished.err << finished.out;
  EXPECT_EQ(Parse(finished.out).number("confirmed"), 2) << finished.out;
}

TEST_F(Rehearsal, WhereBuyersDontTopUpTheOperatorCreditsThem) {
  System strict({"--no-seed", "--wallet-self-service", "false"}, Form::kEmbedded);
  ASSERT_TRUE(strict.ready());
  std::vector<std::string> flags = {"--url",           fmt::format("http://127.0.0.1:{}", strict.port()),
                                    "--show",          strict.CreateShow(),
                                    "--burst",         "0",
                                    "--decay",         "0",
                                    "--think",         "0.05",
                                    "--leave-holding", "0",
                                    "--leave-waiting", "0",
                                    "--cancel",        "0",
                                    "--limit",         "60"};
  const auto run = [&flags](std::initializer_list<std::string> more) {
    std::vector<std::string> words = flags;
    words.insert(words.end(), more);
    return Run(words);
  };
  // They choose on the map as the system draws it.
  Finished finished = run({"--data", strict.data_dir().string(), "--buyers", "3", "--by-map", "1"});
  EXPECT_EQ(finished.exit_code, 0) << finished.err << finished.out;
  const Reply report = Parse(finished.out);
  EXPECT_EQ(report.number("confirmed"), 3) << report;
  EXPECT_EQ(report.at("errors"), "{}") << report;
  EXPECT_EQ(report.at("audit.ok"), "true") << report;

  // Without an operator they have what they have.
  const std::filesystem::path tokens = strict.data_dir() / "tokens";
  std::ofstream(tokens) << strict.Token("mina") << "\n";
  finished = run({"--data", "/nonexistent", "--tokens", tokens.string(), "--yes"});
  EXPECT_EQ(finished.exit_code, 1) << finished.err << finished.out;
  EXPECT_THAT(finished.err, HasSubstr("they pay with what they have"));
  EXPECT_EQ(Parse(finished.out).number("errors.pay balance_too_low"), 1) << finished.out;
}

TEST_F(Rehearsal, SaysWhatIsWrongWithHowItWasCalled) {
  EXPECT_THAT(Run({"--url", "https://sale.example"}).err, HasSubstr("no TLS"));
  EXPECT_THAT(Run({"--data", "/nonexistent"}).err, HasSubstr("no_token"));
  auto flags = Here("999999");
  Finished finished = Run(flags);
  EXPECT_EQ(finished.exit_code, 2);
  EXPECT_THAT(finished.err, HasSubstr("show_unknown"));
}

}  // namespace
}  // namespace boxoffice::e2e
