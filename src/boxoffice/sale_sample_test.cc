#include "boxoffice/sale_sample.h"

#include <algorithm>
#include <string>
#include <string_view>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>

namespace boxoffice::top {
namespace {

namespace json = boost::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Sample SampleAt(int64_t seconds) {
  Sample sample;
  sample.at = FromUnixMs(1'800'000'000'000 + seconds * 1'000);
  sample.shows.push_back({.id = "1",
                          .title = "여름의 빛",
                          .queue = "OPEN",
                          .waiting = 12'345,
                          .active = 500,
                          .cap = 500,
                          .admitted_per_s = 49.5,
                          .capacity = 50'000,
                          .held = 800,
                          .sold = 1'000});
  sample.audit_ok = true;
  sample.audited_at = "2027-01-15T08:00:00.000Z";
  return sample;
}

TEST(SaleSampleTest, RatesAreThoseSinceTheLookBefore) {
  Sample before = SampleAt(0);
  AddMetrics(
      "# HELP boxoffice_http_requests_total Requests answered\n"
      "boxoffice_http_requests_total{method=\"GET\",route=\"/v1/queue\",status=\"200\"} 1000\n"
      "boxoffice_batch_size_sum{executor=\"seat\"} 100\n"
      "boxoffice_batch_size_count{executor=\"seat\"} 100\n",
      before);
  Sample now = SampleAt(2);
  now.shows[0].sold = 1'060;
  AddMetrics(
      "boxoffice_http_requests_total{method=\"GET\",route=\"/v1/queue\",status=\"200\"} 1400\n"
      "boxoffice_http_requests_total{method=\"POST\",route=\"/v1/reservations\",status=\"503\"} 10\n"
      "boxoffice_batch_size_sum{executor=\"seat\"} 740\n"
      "boxoffice_batch_size_count{executor=\"seat\"} 110\n",
      now);
  const auto json = ToJson(now, &before);
  EXPECT_DOUBLE_EQ(json.at("requests_per_s").as_double(), 205);
  EXPECT_DOUBLE_EQ(json.at("errors_per_s").as_double(), 5);
  EXPECT_DOUBLE_EQ(json.at("turned_away_per_s").as_double(), 5);
  EXPECT_DOUBLE_EQ(json.at("shows").at(0).at("sold_per_s").as_double(), 30);
  EXPECT_DOUBLE_EQ(json.at("batch_sizes").at("seat").as_double(), 64);
  const auto first = ToJson(now, nullptr);
  EXPECT_TRUE(first.at("requests_per_s").is_null());
  EXPECT_TRUE(first.at("shows").at(0).at("sold_per_s").is_null());
}

TEST(SaleSampleTest, AfterARestartARateIsNotKnownRatherThanNegative) {
  Sample before = SampleAt(0);
  before.requests = 1'000;
  Sample now = SampleAt(2);
  now.requests = 10;
  EXPECT_TRUE(ToJson(now, &before).at("requests_per_s").is_null());
}

TEST(SaleSampleTest, ProcessesAreAddedUp) {
  Sample sample = SampleAt(0);
  for (int i = 0; i < 2; ++i)
    AddMetrics(
        "boxoffice_batch_size_sum{executor=\"seat\"} 30\nboxoffice_batch_size_count{executor=\"seat\"} 3\n",
        sample);
  EXPECT_DOUBLE_EQ(sample.batches["seat"].commands, 60);
  AddMetrics("this is no exposition\nboxoffice_http_requests_total{status=\"500\" 3\n\n#\n", sample);
  EXPECT_DOUBLE_EQ(sample.requests, 0);
}

TEST(SaleSampleTest, WhatNeedsAttentionIsRedAndTheRestIsPlain) {
  Sample calm = SampleAt(0);
  EXPECT_THAT(Render(calm, nullptr, true), Not(HasSubstr("\x1b[31m")));
  EXPECT_THAT(Render(calm, nullptr, true), HasSubstr("\x1b[1m"));
  Sample bad = calm;
  bad.audit_ok = false;
  bad.sagas_running = 0;
  bad.sagas_parked = 2;
  bad.breakers.emplace().push_back("gateway_seat → seat 127.0.0.1:9001: open");
  bad.outboxes = {{"wallet", 70, 90, ""}};
  bad.problems = {"/v1/admin/queues: 503"};
  const std::string page = Render(bad, nullptr, true);
  for (const char* red : {"\x1b[31maudit     NOT CLEAN", "\x1b[31msagas     0 under way, 2 parked",
                          "\x1b[31mbreaker   gateway_seat", "\x1b[31moutbox    wallet: 70 events wait",
                          "\x1b[31mcan't ask /v1/admin/queues"}) {
    EXPECT_THAT(page, HasSubstr(red));
  }
  EXPECT_THAT(Render(bad, nullptr, false), Not(HasSubstr("\x1b")));
}

TEST(SaleSampleTest, AServiceThatNobodyReachesIsRed) {
  const auto row = [](const std::string& service, bool reachable) {
    return json::object{{"client", "gateway_" + service},
                        {"service", service},
                        {"replica", "127.0.0.1:9001"},
                        {"reachable", reachable},
                        {"state", "closed"}};
  };
  Sample sample = SampleAt(0);
  // Of the queue's replicas one serves, and the other stands by.
  AddBreakers(json::array{row("queue", true), row("queue", false), row("seat", false), row("seat", false)},
              sample);
  const std::string page = Render(sample, nullptr, true);
  EXPECT_THAT(page, HasSubstr("\x1b[31mbreaker   gateway_seat → seat: no replica can be reached"));
  EXPECT_THAT(page, Not(HasSubstr("gateway_queue")));
  EXPECT_THAT(page, Not(HasSubstr("all closed")));
}

TEST(SaleSampleTest, WhatIsNotKnownIsNotSaidToBeWell) {
  const Sample unasked = SampleAt(0);
  const std::string page = Render(unasked, nullptr, false);
  for (const char* line : {"outboxes  –\n", "sagas     – under way, – parked\n", "breakers  –\n"})
    EXPECT_THAT(page, HasSubstr(line));
  EXPECT_TRUE(ToJson(unasked, nullptr).at("breakers").is_null());
  EXPECT_TRUE(ToJson(unasked, nullptr).at("sagas").at("parked").is_null());
  Sample calm = unasked;
  AddBreakers(json::array(), calm);
  EXPECT_THAT(Render(calm, nullptr, false), HasSubstr("breakers  all closed\n"));
}

TEST(SaleSampleTest, AQueueThatCouldNotBeAskedIsNotShownAsNone) {
  Sample sample = SampleAt(0);
  sample.shows[0] = {.id = "1", .title = "Asked", .capacity = 50};
  EXPECT_THAT(Render(sample, nullptr, false), HasSubstr("0/0"));
  sample.shows[0].queue_known = false;
  const std::string page = Render(sample, nullptr, false);
  EXPECT_THAT(page, testing::ContainsRegex(R"(Asked +\? +\? +\? +\? +0 +0/50 )"));
  const auto show = ToJson(sample, nullptr).at("shows").at(0);
  for (const char* name : {"queue", "waiting", "active", "active_cap", "admitted_per_s"})
    EXPECT_TRUE(show.at(name).is_null()) << name;
  sample.shows.clear();
  EXPECT_THAT(Render(sample, nullptr, false), HasSubstr("no show\n"));
  sample.shows_known = false;
  EXPECT_THAT(Render(sample, nullptr, false), Not(HasSubstr("no show\n")));
}

TEST(SaleSampleTest, RenderFitsTheRows) {
  Sample sample = SampleAt(0);
  sample.shows.clear();
  for (int i = 1; i <= 20; ++i) sample.shows.push_back({.id = fmt::format("id{}", i), .title = "Titled"});
  sample.more_shows = 5;
  sample.audit_ok = false;
  sample.breakers.emplace().push_back("gateway_seat → seat 127.0.0.1:9001: open");
  const auto count = [](std::string_view page, std::string_view what) {
    size_t times = 0;
    for (size_t at = page.find(what); at != std::string_view::npos; at = page.find(what, at + 1)) ++times;
    return times;
  };
  const std::string whole = Render(sample, nullptr, false);
  EXPECT_EQ(count(whole, "Titled"), 20U);
  EXPECT_THAT(whole, HasSubstr("… and 5 more\n"));
  for (size_t rows = 1; rows < 40; ++rows) {
    const std::string page = Render(sample, nullptr, false, 120, rows);
    EXPECT_LE(count(page, "\n"), rows);
    EXPECT_THAT(page, HasSubstr("boxoffice 20")) << rows;
    if (rows < 4) continue;
    EXPECT_THAT(page, HasSubstr("id1 ")) << "who has most people: " << rows;
    if (rows < 7) continue;
    EXPECT_THAT(page, HasSubstr(fmt::format("… and {} more\n", 25 - count(page, "Titled")))) << rows;
    // Of what is below the shows, what needs attention stays.
    EXPECT_THAT(page, AllOf(HasSubstr("NOT CLEAN"), HasSubstr("gateway_seat"))) << rows;
  }
  const std::string small = Render(sample, nullptr, false, 120, 3);
  EXPECT_THAT(small, AllOf(HasSubstr("NOT CLEAN"), HasSubstr("gateway_seat")));
}

TEST(SaleSampleTest, ATitleMovesNoCursorAndNoLineIsWiderThanTheScreen) {
  Sample sample = SampleAt(0);
  sample.shows[0].title = "\x1b[2Jgone\n" + std::string(200, 'x');
  const std::string page = Render(sample, nullptr, false, 40);
  EXPECT_THAT(page, Not(HasSubstr("\x1b")));
  size_t begin = 0;
  for (size_t end = page.find('\n'); end != std::string::npos; end = page.find('\n', begin)) {
    std::string_view line(page.data() + begin, end - begin);
    const auto shown = std::ranges::count_if(line, [](char c) { return (c & 0xC0) != 0x80; });
    EXPECT_LE(shown, 40) << line;
    begin = end + 1;
  }
}

TEST(SaleSampleTest, AWideCharacterTakesTwoColumns) {
  Sample sample = SampleAt(0);
  sample.shows[0].title.clear();
  for (int i = 0; i < 30; ++i) sample.shows[0].title += "빛";
  const auto shown = [](std::string_view page) {
    size_t times = 0;
    for (size_t at = page.find("빛"); at != std::string_view::npos; at = page.find("빛", at + 1)) ++times;
    return times;
  };
  EXPECT_EQ(shown(Render(sample, nullptr, false)), 14U) << "of 28 columns";
  EXPECT_EQ(shown(Render(sample, nullptr, false, 12)), 2U) << "the title begins in the eighth of 12";
  sample.shows[0].title = "여름의 빛";
  EXPECT_THAT(Render(sample, nullptr, false), HasSubstr("여름의 빛" + std::string(20, ' ') + "OPEN"));
}

}  // namespace
}  // namespace boxoffice::top
