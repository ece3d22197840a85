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
  AddMetrics("gateway",
             "# HELP boxoffice_http_requests_total Requests answered\n"
             "boxoffice_http_requests_total{method=\"GET\",route=\"/v1/queue\",status=\"200\"} 1000\n"
             "boxoffice_batch_size_sum{executor=\"seat\"} 100\n"
             "boxoffice_batch_size_count{executor=\"seat\"} 100\n",
             before);
  Sample now = SampleAt(2);
  now.shows[0].sold = 1'060;
  AddMetrics("gateway",
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

// A gateway that has answered so many requests, with commands in transactions of one each.
void Tell(const std::string& url, int requests, Sample& sample) {
  AddMetrics(url,
             fmt::format("boxoffice_http_requests_total{{status=\"200\"}} {0}\n"
                         "boxoffice_batch_size_sum{{executor=\"seat\"}} {0}\n"
                         "boxoffice_batch_size_count{{executor=\"seat\"}} {0}\n",
                         requests),
             sample);
}

TEST(SaleSampleTest, AfterARestartARateIsNotKnownRatherThanNegative) {
  Sample before = SampleAt(0);
  Tell("a", 1'000, before);
  Sample now = SampleAt(2);
  Tell("a", 10, now);
  EXPECT_TRUE(ToJson(now, &before).at("requests_per_s").is_null());
}

TEST(SaleSampleTest, AProcessThatWasMissedOnceIsNoPeakWhenItTellsAgain) {
  Sample first = SampleAt(0);
  Tell("a", 1'000, first);
  Tell("b", 5'000, first);
  Sample second = SampleAt(2);
  Tell("a", 1'200, second);
  EXPECT_DOUBLE_EQ(ToJson(second, &first).at("requests_per_s").as_double(), 100) << "of who told";
  KeepMissed(first, second);
  Sample third = SampleAt(4);
  Tell("a", 1'400, third);
  Tell("b", 5'800, third);
  EXPECT_DOUBLE_EQ(ToJson(third, &second).at("requests_per_s").as_double(), 100 + 200);
}

TEST(SaleSampleTest, AProcessThatIsNewIsNoPeakEither) {
  Sample before = SampleAt(0);
  Tell("a", 1'000, before);
  Sample now = SampleAt(2);
  Tell("a", 1'200, now);
  Tell("b", 9'000, now);
  EXPECT_DOUBLE_EQ(ToJson(now, &before).at("requests_per_s").as_double(), 100);
}

TEST(SaleSampleTest, WithoutAGatewayThatTellsARateIsNotKnown) {
  Sample before = SampleAt(0);
  Tell("gateway", 1'000, before);
  Tell("seat", 0, before);
  Sample now = SampleAt(2);
  Tell("seat", 0, now);
  EXPECT_TRUE(ToJson(now, &before).at("requests_per_s").is_null());
}

TEST(SaleSampleTest, ProcessesAreAddedUp) {
  Sample before = SampleAt(0);
  Sample now = SampleAt(2);
  for (const char* url : {"a", "b"}) {
    Tell(url, 100, before);
    AddMetrics(url,
               "boxoffice_batch_size_sum{executor=\"seat\"} 130\n"
               "boxoffice_batch_size_count{executor=\"seat\"} 103\n",
               now);
  }
  EXPECT_DOUBLE_EQ(ToJson(now, &before).at("batch_sizes").at("seat").as_double(), 10);
  AddMetrics("a", "this is no exposition\nboxoffice_http_requests_total{status=\"500\" 3\n\n#\n", now);
  EXPECT_DOUBLE_EQ(now.processes["a"].requests, 0);
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

TEST(SaleSampleTest, AFigureIsWholeOrNotThere) {
  Sample sample = SampleAt(0);
  sample.shows[0].revenue = 29'280'000;
  sample.shows[0].currency = "KRW";
  Sample large = sample;
  large.shows[0].revenue = 1'234'567'890'123'456;
  for (const Sample* one : {&sample, &large}) {
    EXPECT_THAT(Render(*one, nullptr, false), HasSubstr(fmt::format(" {} KRW\n", one->shows[0].revenue)))
        << "where nobody says how wide it may be, as in a file";
    for (const size_t width : {60U, 80U, 100U, 120U}) {
      const std::string page = Render(*one, nullptr, false, width);
      // The line of the show, and each of its figures, without which the rest of it is looked for.
      const size_t begin = page.find("\n1 ") + 1;
      std::string line = page.substr(begin, page.find('\n', begin) - begin);
      for (const std::string& figure :
           {fmt::format("{} KRW", one->shows[0].revenue), std::string("12345"), std::string("500/500"),
            std::string("49.5"), std::string("800"), std::string("1000/50000")}) {
        if (const size_t at = line.find(" " + figure); at != std::string::npos)
          line.erase(at, figure.size() + 1);
      }
      EXPECT_EQ(line.find_first_of("0123456789", 1), std::string::npos) << width << ": " << page;
      EXPECT_THAT(page, HasSubstr(" 12345 ")) << "who waits is shown as long as anything: " << width;
    }
    EXPECT_THAT(Render(*one, nullptr, false, 120), HasSubstr(" KRW\n")) << "the title is shortened first";
  }
  for (const size_t width : {30U, 50U, 70U}) {
    Sample before = SampleAt(0);
    Tell("gateway", 1'000, before);
    Sample now = SampleAt(2);
    Tell("gateway", 1'000'000, now);
    const std::string whole = Render(now, &before, false);
    const std::string page = Render(now, &before, false, width);
    const std::string head = page.substr(0, page.find("…\n"));
    ASSERT_TRUE(whole.starts_with(head)) << head;
    EXPECT_EQ(whole[head.size()], ' ') << head;
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
