#include "gateway/concert_pages.h"

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include "gateway/gateway_for_test.h"
#include "testing/wait.h"

namespace boxoffice::gateway {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

constexpr int kThreads = 2;  // which connections go to in turn

class ConcertPagesTest : public GatewayTest {
 protected:
  void SetUp() override {
    GatewayTest::SetUp();
    services_.seat.ListConcerts_.answer =
        [this](const seat::v1::ListConcertsRequest& request) -> Result<seat::v1::ListConcertsResponse> {
      const std::scoped_lock lock(mutex_);
      ++asked_[request.limit()];
      if (title_.empty()) return Fail(Code::kUnavailable, "database_unavailable");
      seat::v1::ListConcertsResponse list;
      seat::v1::Concert& concert = *list.add_concerts();
      concert.set_id(request.after_id() + 1);
      concert.set_title(fmt::format("{}, {} after {}", title_, request.limit(), request.after_id()));
      if (request.when() != seat::v1::ListConcertsRequest::ALL) {
        concert.set_artist(seat::v1::ListConcertsRequest::When_Name(request.when()));
      }
      *concert.add_shows() = AShow();
      list.set_more(true);
      return list;
    };
  }
  // Empty: the service fails.
  void SetTitle(std::string title) {
    const std::scoped_lock lock(mutex_);
    title_ = std::move(title);
  }
  int Asked(uint32_t limit) {
    const std::scoped_lock lock(mutex_);
    return asked_[limit];
  }

  std::string title_ = "Title";
  std::map<uint32_t, int> asked_;                // by limit
  bool answers_ = false;                         // where a test holds answers back
  std::vector<std::function<void()>> withheld_;  // until then
};

TEST_F(ConcertPagesTest, TheServiceIsAskedForAPageOnceASecondAtMost) {
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) ASSERT_EQ(Call("GET", "/v1/concerts").status, 200);
  const auto seconds = (std::chrono::steady_clock::now() - begun) / ConcertPages::kFresh;
  EXPECT_LE(services_.seat.ListConcerts_.calls, kThreads * (seconds + 1)) << "by each of the threads";
}

TEST_F(ConcertPagesTest, WhoeverAsksMeanwhileWaitsForTheSameAnswer) {
  namespace asio = boost::asio;
  services_.seat.ListConcerts_.later = [this](std::function<void()> finish) {
    {
      const std::scoped_lock lock(mutex_);
      if (!answers_) return withheld_.push_back(std::move(finish));
    }
    finish();
  };
  asio::io_context io;
  std::vector<asio::ip::tcp::socket> buyers;
  const auto ask = [&](std::string_view path) {
    asio::ip::tcp::socket& socket = buyers.emplace_back(io);
    socket.connect({asio::ip::make_address("127.0.0.1"), gateway().port()});
    asio::write(socket, asio::buffer(fmt::format("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", path)));
  };
  for (int i = 0; i < 5 * kThreads; ++i) ask("/v1/concerts");
  // Behind these at each thread, and for another page: once it is asked for, these have come.
  for (int i = 0; i < kThreads; ++i) ask("/v1/concerts?limit=7");
  std::vector<std::function<void()>> withheld;
  ASSERT_TRUE(testbed::Eventually([&] {
    const std::scoped_lock lock(mutex_);
    return withheld_.size() >= 2 * kThreads;
  }));
  {
    const std::scoped_lock lock(mutex_);
    answers_ = true;
    withheld.swap(withheld_);
  }
  for (const auto& finish : withheld) finish();
  for (asio::ip::tcp::socket& socket : buyers) {
    std::string answer;
    asio::read_until(socket, asio::dynamic_buffer(answer), "next_cursor");
    EXPECT_THAT(answer, HasSubstr("200 OK"));
  }
  EXPECT_EQ(Asked(kDefaultPage), kThreads);
  EXPECT_EQ(Asked(7), kThreads);
}

TEST_F(ConcertPagesTest, OperatorsSeeAtOnceWhatTheyHaveChangedAndBuyersWithinASecond) {
  SetTitle("Before");
  for (int i = 0; i < kThreads; ++i) {
    EXPECT_THAT(Call("GET", "/v1/concerts").body, HasSubstr("Before"));
    EXPECT_THAT(CallAsOperator("GET", "/v1/admin/concerts").body, HasSubstr("Before"));
  }
  SetTitle("After");
  for (int i = 0; i < kThreads; ++i)
    EXPECT_THAT(CallAsOperator("GET", "/v1/admin/concerts").body, HasSubstr("After"));
  EXPECT_TRUE(testbed::Eventually([&] { return Call("GET", "/v1/concerts").body.contains("After"); }));
}

TEST_F(ConcertPagesTest, EachPageIsOneOfItsOwn) {
  const std::string cursor = EncodeCursor("concerts", "9");
  for (int i = 0; i < 2 * kThreads; ++i) {
    EXPECT_THAT(Call("GET", "/v1/concerts?limit=3").body, HasSubstr("Title, 3 after 0"));
    EXPECT_THAT(Call("GET", "/v1/concerts?limit=4").body, HasSubstr("Title, 4 after 0"));
    EXPECT_THAT(Call("GET", "/v1/concerts?limit=3&cursor=" + cursor).body, HasSubstr("Title, 3 after 9"));
  }
}

TEST_F(ConcertPagesTest, WhatIsToComeAndWhatIsOverAreListsOfTheirOwn) {
  for (int i = 0; i < 2 * kThreads; ++i) {
    EXPECT_THAT(Call("GET", "/v1/concerts?when=upcoming").body, HasSubstr("UPCOMING"));
    EXPECT_THAT(Call("GET", "/v1/concerts?when=past").body, HasSubstr("PAST"));
    EXPECT_THAT(Call("GET", "/v1/concerts").body, Not(AnyOf(HasSubstr("UPCOMING"), HasSubstr("PAST"))));
  }
  EXPECT_EQ(Call("GET", "/v1/concerts?when=all").body, Call("GET", "/v1/concerts").body)
      << "as it has ever been";
  EXPECT_EQ(CodeOf(Call("GET", "/v1/concerts?when=PAST")), "parameter_invalid");
}

TEST_F(ConcertPagesTest, ACursorOfPastConcertsIsTakenByTheirListAlone) {
  const auto cursor_of = [this](std::string_view which) {
    return std::string(
        Json(Call("GET", fmt::format("/v1/concerts?{}", which))).at("next_cursor").as_string());
  };
  const std::string past = cursor_of("when=past");
  EXPECT_THAT(Call("GET", "/v1/concerts?when=past&cursor=" + past).body, HasSubstr("after 1\""));
  EXPECT_EQ(CodeOf(Call("GET", "/v1/concerts?cursor=" + past)), "cursor_invalid");
  EXPECT_EQ(CodeOf(Call("GET", "/v1/concerts?when=upcoming&cursor=" + past)), "cursor_invalid");
  EXPECT_EQ(CodeOf(Call("GET", "/v1/concerts?when=past&cursor=" + cursor_of("limit=50"))), "cursor_invalid");
}

TEST_F(ConcertPagesTest, AnETagSparesWhicheverThreadGaveIt) {
  const http::ClientResponse whole = Call("GET", "/v1/concerts");
  Options options;
  options.headers = {{"If-None-Match", std::string(whole.header("ETag").value_or("none"))}};
  for (int i = 0; i < 2 * kThreads; ++i) EXPECT_EQ(Call("GET", "/v1/concerts", {}, options).status, 304);
}

TEST_F(ConcertPagesTest, AFailureIsNotKept) {
  SetTitle("");
  for (int i = 0; i < kThreads; ++i) EXPECT_EQ(Call("GET", "/v1/concerts").status, 503);
  SetTitle("Title");
  for (int i = 0; i < kThreads; ++i) EXPECT_EQ(Call("GET", "/v1/concerts").status, 200);
}

TEST_F(ConcertPagesTest, WhatWasAskedForLongestAgoGivesWayToOtherPages) {
  const auto ask = [this](size_t limit) {
    for (int i = 0; i < kThreads; ++i)
      ASSERT_EQ(Call("GET", fmt::format("/v1/concerts?limit={}", limit)).status, 200);
  };
  for (size_t limit = 1; limit <= ConcertPages::kMaxPages + 1; ++limit) ask(limit);
  ask(1);
  EXPECT_EQ(Asked(1), 2 * kThreads) << "however little time has passed";
}

}  // namespace
}  // namespace boxoffice::gateway
