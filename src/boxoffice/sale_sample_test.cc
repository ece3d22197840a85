#include "boxoffice/sale_sample.h"

#include <algorithm>
#include <string>
#include <string_view>

#include <boost/json.hpp>
#include <gmock/gmock.h>

namespace boxoffice::top {
namespace {

namespace json = boost::json;
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

}  // namespace
}  // namespace boxoffice::top
