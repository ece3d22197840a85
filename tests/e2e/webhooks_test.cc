// A data platform that gets our events, and the rankings that are counted from them: by REST and by command.
#include <chrono>
#include <condition_variable>
#include <map>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/clock.h"
#include "e2e/platform.h"
#include "e2e/system.h"
#include "testing/wait.h"

namespace boxoffice::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class Webhooks : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    system_ = new System({"--no-seed", "--target-allow-networks", "127.0.0.1"});
    if (system_->ready()) show_ = new std::string(system_->CreateShow({.rows = 10}));
  }
  static void TearDownTestSuite() {
    delete system_;
    delete show_;
  }
  void SetUp() override { ASSERT_TRUE(system_->ready()); }

  // `boxoffice …` as an operator; its answer as JSON, and its exit code.
  struct Said {
    int code = -1;
    json::value out;
    std::string err;
  };
  static Said Boxoffice(std::vector<std::string> words) {
    words.emplace_back("--json");
    const Finished finished = system_->Cli(std::move(words));
    boost::system::error_code not_json;
    json::value out = json::parse(finished.out, not_json);
    return {finished.exit_code, std::move(out), finished.err};
  }
  static std::string Text(const json::value& object, std::string_view name) {
    return std::string(object.at(name).as_string());
  }
  // A sale of `seats` seats to somebody new; the reservation's id.
  static std::string Sell(const std::string& user, int seats, const std::string& show = *show_) {
    Buyer buyer(*system_, user);
    EXPECT_TRUE(buyer.Enter(show));
    EXPECT_EQ(buyer.Charge(seats * 1'000).status, 201);
    const Reply sold =
        buyer.Reserve(show, fmt::format(R"("best_available":{{"count":{}}},"pay":true)", seats));
    EXPECT_EQ(sold.status, 201) << sold;
    return sold.at("id");
  }
  // Every ranking; "" where one could not be had.
  static std::string Rankings() {
    std::string text;
    for (const char* by : {"bookings", "revenue", "sellout", "trending"}) {
      for (const char* window : {"hour", "day", "week"}) {
        const Reply ranking =
            system_->Admin("GET", fmt::format("/v1/admin/rankings?by={}&window={}&limit=200", by, window));
        if (ranking.status != 200) return {};
        text += json::serialize(ranking.body.at("items")) + "\n";
      }
    }
    return text;
  }
  // Whether nothing of what was published waits for the ranking: the auditor asks the bus.
  static bool AllIsCounted() {
    return system_->Admin("POST", "/v1/admin/audit").at("checked.ranking_lag") == "0";
  }
  // The rankings once all is counted and `revenue` is among them; "": not within a minute.
  static std::string AwaitRankings(const std::string& revenue) {
    std::string rankings;
    const bool still = Eventually([&] {
      if (!AllIsCounted()) return false;
      const std::string before = Rankings();
      // A replica hears of what another has counted a moment later.
      testbed::Pause(milliseconds(1'000));
      rankings = Rankings();
      return rankings == before && rankings.contains(revenue);
    });
    return still ? rankings : std::string();
  }
  static auto HourNow() { return std::chrono::floor<std::chrono::hours>(SystemClock().Now()); }

  static System* system_;
  static std::string* show_;
};
System* Webhooks::system_ = nullptr;
std::string* Webhooks::show_ = nullptr;

TEST_F(Webhooks, APlatformGetsWhatItAskedForInOrderAndSigned) {
  Platform full;
  Platform thin;
  const Said made =
      Boxoffice({"relay", "add", full.url(), "--types", "reservation.held,reservation.confirmed", "--shows",
                 *show_, "--payload", "full"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_THAT(Text(made.out, "secret"), StartsWith("whsec_"));
  const Reply other =
      system_->Admin("POST", "/v1/admin/relay/targets",
                     fmt::format(R"({{"url":"{}","event_types":["reservation.confirmed"]}})", thin.url()));
  ASSERT_EQ(other.status, 201) << other;
  const Said elsewhere = Boxoffice({"relay", "add", full.url(), "--shows", "999999"});
  ASSERT_EQ(elsewhere.code, 0) << elsewhere.err;

  const std::string reservation = Sell("webhook-one", 2);
  ASSERT_TRUE(full.Awaits(reservation, "reservation.confirmed"));
  ASSERT_TRUE(thin.Awaits(reservation, "reservation.confirmed"));
  int64_t version = -1;
  for (const Platform::Event& event : full.Of(reservation)) {
    EXPECT_THAT(event.type, StartsWith("reservation."));
    const json::value& data = event.body.at("data");
    EXPECT_GE(data.at("version").to_number<int64_t>(), version)
        << "one reservation's events come in their order";
    version = data.at("version").to_number<int64_t>();
    EXPECT_EQ(data.at("amount").to_number<int64_t>(), 2'000);
    EXPECT_THAT(event.signature, StartsWith("v1,"));
  }
  EXPECT_FALSE(thin.Of(reservation)[0].body.at("data").as_object().contains("amount"));

  // Two keys while rotating.
  const std::string id = Text(made.out, "id");
  const Said rotated = Boxoffice({"relay", "rotate", id, "--keep-old-s", "3600"});
  ASSERT_EQ(rotated.code, 0) << rotated.err;
  EXPECT_NE(Text(rotated.out, "secret"), Text(made.out, "secret"));
  const Said tested = Boxoffice({"relay", "test", id});
  EXPECT_EQ(tested.code, 0) << tested.err;
  EXPECT_THAT(Text(tested.out, "body"), HasSubstr("relay.test"));
  ASSERT_TRUE(Eventually([&] { return !full.Got().empty() && full.Got().back().type == "relay.test"; }));
  EXPECT_THAT(full.Got().back().signature, HasSubstr(" v1,")) << "signed by both";
  for (const std::string& target : {id, Text(elsewhere.out, "id"), other.at("id")}) {
    EXPECT_EQ(Boxoffice({"relay", "delete", target, "--yes"}).code, 0);
  }
}

TEST_F(Webhooks, OneThatSays410IsSentNothingUntilItIsEnabledAndThenWhatItMissed) {
  Platform platform;
  const Said made = Boxoffice({"relay", "add", platform.url(), "--types", "reservation.confirmed"});
  ASSERT_EQ(made.code, 0) << made.err;
  const std::string id = Text(made.out, "id");
  platform.Answer(410);
  const std::string reservation = Sell("webhook-two", 1);
  const auto target = [&]() -> json::value {
    const Reply list = system_->Admin("GET", "/v1/admin/relay/targets?limit=200");
    for (const json::value& row : list.body.at("items").as_array()) {
      if (row.at("id") == json::value(id)) return row;
    }
    return nullptr;
  };
  ASSERT_TRUE(Eventually([&] { return !target().at("enabled").as_bool(); }, seconds(60)));
  EXPECT_THAT(Text(target(), "disabled_reason"), HasSubstr("410"));
  EXPECT_EQ(Boxoffice({"relay", "replay", "--target", id}).code, 1) << "it takes nothing";
  platform.Answer(204);
  ASSERT_EQ(Boxoffice({"relay", "set", id, "--enable"}).code, 0);
  const Said replayed = Boxoffice({"relay", "replay", "--target", id, "--from", "2020-01-01T00:00:00Z"});
  ASSERT_EQ(replayed.code, 0) << replayed.err;
  EXPECT_EQ(replayed.out.at("replayed").to_number<int64_t>(), 1);
  EXPECT_TRUE(platform.Awaits(reservation, "reservation.confirmed"));
  EXPECT_EQ(Boxoffice({"relay", "delete", id, "--yes"}).code, 0);
}

TEST_F(Webhooks, AnAddressInsideIsRefusedByName) {
  for (const char* url :
       {"http://169.254.169.254/latest/meta-data", "http://10.0.0.1/", "http://[::1]:8080/"}) {
    const Reply refused =
        system_->Admin("POST", "/v1/admin/relay/targets", fmt::format(R"({{"url":"{}"}})", url));
    EXPECT_EQ(refused.status, 422) << url << refused;
    EXPECT_EQ(refused.at("field"), "url") << url;
  }
}

TEST_F(Webhooks, RankingsThatAreCountedAnewAreTheSame) {
  const std::string show = system_->CreateShow();
  const std::string reservation = Sell("ranked-one", 3, show);
  Sell("ranked-two", 1, show);
  Buyer one(*system_, "ranked-one");
  EXPECT_EQ(one.Cancel(reservation).status, 200);
  ASSERT_TRUE(Eventually([&] { return AllIsPublished(system_->Admin("GET", "/v1/admin/outbox")); }));
  // The age of a booking is in whole hours: across a full hour the rankings differ, and are counted anew once
  // more.
  std::string before;
  std::string after;
  for (int tries = 0; tries < 2; ++tries) {
    const auto hour = HourNow();
    before = AwaitRankings("\"revenue\":1000");
    ASSERT_NE(before, "") << Rankings();
    const Said rebuilt = Boxoffice({"ranking", "rebuild", "--timeout-s", "60"});
    ASSERT_EQ(rebuilt.code, 0) << rebuilt.err;
    EXPECT_FALSE(rebuilt.out.at("rebuilding").as_bool());
    EXPECT_GE(rebuilt.out.at("processed_events").to_number<int64_t>(), 3);
    (void)Eventually([&] {
      after = Rankings();
      return after == before || HourNow() != hour;
    });
    if (after == before || HourNow() == hour) break;
  }
  EXPECT_EQ(after, before);
  const Said shown = Boxoffice({"ranking", "show", "--by", "revenue"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(json::serialize(shown.out), HasSubstr(fmt::format(R"("show_id":"{}")", show)));
  system_->ExpectCleanAudit();
}

}  // namespace
}  // namespace boxoffice::e2e
