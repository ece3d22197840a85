#include "gateway/seat_maps.h"

#include <atomic>
#include <future>
#include <map>
#include <thread>
#include <vector>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>

#include "gateway/gateway_for_test.h"

namespace boxoffice::gateway {
namespace {

// Six seats; `states` as "fhsb": free, held, sold, blocked.
seat::v1::SeatMap Map(uint64_t version, std::string_view states, bool layout) {
  seat::v1::SeatMap map;
  map.set_show_id(1);
  map.set_version(version);
  std::string packed((states.size() + 3) / 4, '\0');
  for (size_t i = 0; i < states.size(); ++i) {
    const auto state = static_cast<unsigned>(std::string_view("fhsb").find(states[i]));
    packed[i / 4] = static_cast<char>(static_cast<unsigned char>(packed[i / 4]) | state << (i % 4 * 2));
    if (!layout) continue;
    seat::v1::SeatInfo& seat = *map.add_layout();
    seat.set_seat_no(static_cast<uint32_t>(i + 1));
    seat.set_label("A 1-" + std::to_string(i + 1));
    seat.set_price(1'000);
    seat.set_x(1.5F);
  }
  map.set_states(packed);
  map.set_free(static_cast<uint32_t>(std::ranges::count(states, 'f')));
  return map;
}

std::string StatesOf(SeatPicture& picture) {
  std::string states;
  const boost::json::value body = boost::json::parse(*picture.Body(SeatPicture::Form::kList));
  for (const boost::json::value& seat : body.at("items").as_array())
    states += seat.at("state").as_string()[0];
  return states;
}

TEST(SeatPictureTest, StatesArePatchedInPlace) {
  SeatPicture picture(Map(1, "fhsbff", true));
  EXPECT_EQ(StatesOf(picture), "fhsbff");
  picture.Update(Map(2, "bfhsfb", false));
  EXPECT_EQ(StatesOf(picture), "bfhsfb");
  EXPECT_EQ(boost::json::parse(*picture.Body(SeatPicture::Form::kList)).at("version").as_int64(), 2);
}

TEST(SeatPictureTest, OtherPricesHaveAnotherTagAndTellTheirLayoutsVersion) {
  seat::v1::SeatMap map = Map(1, "ffffff", true);
  SeatPicture before(map);
  map.set_layout_version(1);
  SeatPicture after(map);
  EXPECT_NE(before.tag(), after.tag());
  EXPECT_EQ(boost::json::parse(*after.Body(SeatPicture::Form::kList)).at("layout_version").as_int64(), 1);
  EXPECT_THAT(*after.EventsSince(before.tag()).at(0), testing::HasSubstr(R"("layout_version":1)"));
}

TEST(SeatPictureTest, EventsLeadFromAKnownVersionToThePresentOne) {
  SeatPicture picture(Map(1, "ffffff", true));
  const std::string first = picture.tag();
  picture.Update(Map(2, "hfffff", false));
  picture.Update(Map(3, "hffffs", false));
  const auto events = picture.EventsSince(first);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_THAT(*events[0], testing::HasSubstr(R"("changes":[{"seat_no":1,"state":"held"}])"));
  EXPECT_THAT(*events[1], testing::HasSubstr(R"("changes":[{"seat_no":6,"state":"sold"}])"));
  EXPECT_THAT(*events[1], testing::HasSubstr("id: " + picture.tag()));
  EXPECT_TRUE(picture.EventsSince(picture.tag()).empty());
}

TEST(SeatPictureTest, AnUnknownVersionGetsASnapshot) {
  SeatPicture picture(Map(1, "fhsbff", true));
  const auto events = picture.EventsSince("");
  ASSERT_EQ(events.size(), 1U);
  EXPECT_THAT(*events[0], testing::StartsWith("event: snapshot\n"));
  // 0b11'10'01'00 and 0: "5AA" in base64url.
  EXPECT_THAT(*events[0], testing::HasSubstr(R"("states":"5AA")"));
}

TEST(SeatPictureTest, AVersionThatIsTooOldGetsASnapshot) {
  SeatPicture picture(Map(1, "ffffff", true));
  const std::string first = picture.tag();
  for (uint64_t version = 2; version < 80; ++version) {
    seat::v1::SeatMap map = Map(version, "hfffff", false);
    map.set_next_release_at_ms(static_cast<int64_t>(version));
    picture.Update(map);
  }
  EXPECT_THAT(*picture.EventsSince(first).at(0), testing::StartsWith("event: snapshot\n"));
}

TEST(SeatPictureTest, TheSameVersionNumberWithOtherStatesIsAnotherTag) {
  EXPECT_NE(SeatPicture(Map(1, "ffffff", true)).tag(), SeatPicture(Map(1, "hfffff", true)).tag());
}

TEST(SeatPictureTest, TheSameSeatsOfAnotherReplicaAreNoChange) {
  SeatPicture picture(Map(1, "fhsbff", true));
  const std::string tag = picture.tag();
  const std::shared_ptr<const std::string> body = picture.Body(SeatPicture::Form::kList);
  picture.Update(Map(7'000, "fhsbff", false));
  EXPECT_EQ(picture.asked_version(), 7'000U) << "what that replica is asked with";
  EXPECT_EQ(picture.tag(), tag);
  EXPECT_EQ(picture.Body(SeatPicture::Form::kList), body) << "not rendered anew";
  EXPECT_TRUE(picture.EventsSince(tag).empty());
  picture.Update(Map(2, "hhsbff", false));
  EXPECT_NE(picture.tag(), tag);
  EXPECT_THAT(*picture.EventsSince(tag).at(0), testing::HasSubstr(R"({"seat_no":1,"state":"held"})"));
}

// As of two threads, or two gateways: each has asked at moments of its own, and other replicas.
TEST(SeatPictureTest, TwoPicturesThatTellTheSameHaveOneTag) {
  SeatPicture one(Map(1, "ffffff", true));
  SeatPicture other(Map(7'000, "ffffff", true));
  EXPECT_EQ(one.tag(), other.tag());
  one.Update(Map(2, "hfffff", false));
  EXPECT_NE(one.tag(), other.tag());
  other.Update(Map(7'001, "hhffff", false));
  other.Update(Map(7'002, "hfffff", false));
  EXPECT_EQ(one.tag(), other.tag()) << "whatever was before";
  other.Update(Map(7'003, "hffffs", false));
  const auto events = other.EventsSince(one.tag());
  ASSERT_EQ(events.size(), 1U) << "who comes from the one goes on at the other";
  EXPECT_THAT(*events[0], testing::HasSubstr(R"("changes":[{"seat_no":6,"state":"sold"}])"));
}

// A seat that was taken and is free again: the map is what it was.
TEST(SeatPictureTest, WhoHasWhatIsToldAgainMissesNothing) {
  SeatPicture picture(Map(1, "ffffff", true));
  const std::string first = picture.tag();
  picture.Update(Map(2, "hfffff", false));
  const std::string second = picture.tag();
  picture.Update(Map(3, "ffffff", false));
  EXPECT_TRUE(picture.EventsSince(first).empty());
  picture.Update(Map(4, "fffffh", false));
  EXPECT_EQ(picture.EventsSince(first).size(), 1U);
  EXPECT_EQ(picture.EventsSince(second).size(), 2U);
}

TEST(SeatPictureTest, WhenTheNextHoldEndsIsAChangeOfItsOwn) {
  SeatPicture picture(Map(1, "hfffff", true));
  const std::string tag = picture.tag();
  seat::v1::SeatMap extended = Map(2, "hfffff", false);
  extended.set_next_release_at_ms(1'800'000'300'000);
  picture.Update(extended);
  EXPECT_THAT(*picture.EventsSince(tag).at(0), testing::HasSubstr(R"("changes":[])"));
  EXPECT_THAT(*picture.Body(SeatPicture::Form::kList), testing::HasSubstr(R"("next_release_at":"2027)"));
}

class SeatMapsTest : public GatewayTest {
 protected:
  void SetUp() override {
    GatewayTest::SetUp();
    services_.seat.GetSeatMap_.answer =
        [this](const seat::v1::GetSeatMapRequest& request) -> Result<seat::v1::SeatMap> {
      if (request.show_id() != 1) return Fail(Code::kNotFound, "show_not_found");
      const std::scoped_lock lock(mutex_);
      if (request.if_not_version() == version_) {
        seat::v1::SeatMap same;
        same.set_version(version_);
        return same;
      }
      return Map(version_, states_, !request.states_only());
    };
  }
  void Change(uint64_t version, std::string states) {
    const std::scoped_lock lock(mutex_);
    version_ = version;
    states_ = std::move(states);
  }
  // The same show under each id.
  void AnswerAnyShow() {
    services_.seat.GetShow_.answer = [](const seat::v1::GetShowRequest& request) -> Result<seat::v1::Show> {
      seat::v1::Show show = AShow();
      show.set_id(request.id());
      return show;
    };
  }
  uint64_t version_ = 1;
  std::string states_ = "ffffff";
  std::map<int64_t, int> layouts_asked_;  // by show, where a test counts them
};

TEST_F(SeatMapsTest, AShowIsAskedForOnceHoweverManyOtherShowsAreFollowed) {
  namespace asio = boost::asio;
  AnswerAnyShow();
  services_.seat.GetSeatMap_.answer =
      [this](const seat::v1::GetSeatMapRequest& request) -> Result<seat::v1::SeatMap> {
    const std::scoped_lock lock(mutex_);
    if (!request.states_only()) ++layouts_asked_[request.show_id()];
    seat::v1::SeatMap map = Map(1, "ffffff", !request.states_only());
    map.set_show_id(request.show_id());
    return map;
  };
  asio::io_context io;
  std::vector<asio::ip::tcp::socket> followers;
  const auto follow = [&](int64_t show) {
    asio::ip::tcp::socket& socket = followers.emplace_back(io);
    socket.connect({asio::ip::make_address("127.0.0.1"), gateway().port()});
    const std::string path = fmt::format("/v1/shows/{}/seats/events", show);
    asio::write(socket, asio::buffer("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n"));
    std::string text;
    asio::read_until(socket, asio::dynamic_buffer(text), "event: snapshot");
  };
  constexpr int64_t kFollowed = 64;  // as many as are kept of those that nobody follows
  constexpr int kThreads = 2;        // which connections go to in turn
  for (int64_t show = 1; show <= kFollowed; ++show)
    for (int i = 0; i < kThreads; ++i) follow(show);
  for (int i = 0; i < 4; ++i) {
    for (const char* path : {"/v1/shows/65/seats", "/v1/shows/66/seats"}) {
      for (int thread = 0; thread < kThreads; ++thread) EXPECT_EQ(Call("GET", path).status, 200);
    }
  }
  for (int i = 0; i < 4; ++i) follow(65);
  const std::scoped_lock lock(mutex_);
  for (const int64_t show : {65, 66})
    EXPECT_LE(layouts_asked_[show], kThreads) << show << ": later it is asked for what has changed";
}

TEST_F(SeatMapsTest, AnETagSpares) {
  Options options;
  const http::ClientResponse first = Call("GET", "/v1/shows/1/seats", {}, options);
  ASSERT_EQ(first.status, 200);
  options.headers = {{"If-None-Match", std::string(*first.header("ETag"))}};
  const http::ClientResponse same = Call("GET", "/v1/shows/1/seats", {}, options);
  EXPECT_EQ(same.status, 304);
  EXPECT_EQ(same.header("Vary"), "Accept-Encoding") << "as the whole map would say";
  options.headers = {{"If-None-Match", "\"other\""}};
  EXPECT_EQ(Call("GET", "/v1/shows/1/seats", {}, options).status, 200);
}

TEST_F(SeatMapsTest, TheServiceIsAskedFourTimesASecondAtMost) {
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) (void)Call("GET", "/v1/shows/1/seats");
  const auto quarters = (std::chrono::steady_clock::now() - begun) / std::chrono::milliseconds(250);
  EXPECT_LE(services_.seat.GetSeatMap_.calls, 2 * (quarters + 2)) << "by each of the two threads";
}

TEST_F(SeatMapsTest, UnknownShowIs404AlsoToFollow) {
  EXPECT_EQ(Call("GET", "/v1/shows/2/seats").status, 404);
  EXPECT_EQ(Call("GET", "/v1/shows/2/seats/events").status, 404);
}

TEST_F(SeatMapsTest, FollowersGetASnapshotAndThenWhatChanges) {
  namespace asio = boost::asio;
  asio::io_context io;
  asio::ip::tcp::socket socket(io);
  socket.connect({asio::ip::make_address("127.0.0.1"), gateway().port()});
  asio::write(socket, asio::buffer(std::string("GET /v1/shows/1/seats/events HTTP/1.1\r\nHost: x\r\n\r\n")));
  std::string text;
  asio::read_until(socket, asio::dynamic_buffer(text), "event: snapshot");
  EXPECT_THAT(text, testing::HasSubstr("Content-Type: text/event-stream"));
  EXPECT_THAT(text, testing::HasSubstr("\r\n\r\nretry: "));
  Change(2, "ffhfff");
  asio::read_until(socket, asio::dynamic_buffer(text), R"({"seat_no":3,"state":"held"})");
  EXPECT_THAT(text, testing::HasSubstr("event: seats"));
  Change(3, "ffsfff");
  asio::read_until(socket, asio::dynamic_buffer(text), R"({"seat_no":3,"state":"sold"})");
}

TEST_F(SeatMapsTest, AStreamGoesOnFromTheETagOfAMap) {
  namespace asio = boost::asio;
  std::string tag;  // each thread of the gateway has its own map, and has to have had what changes
  for (int i = 0; i < 2; ++i) tag = Call("GET", "/v1/shows/1/seats").header("ETag").value_or("");
  EXPECT_THAT(tag, testing::StartsWith("W/\""));
  asio::io_context io;
  asio::ip::tcp::socket socket(io);
  socket.connect({asio::ip::make_address("127.0.0.1"), gateway().port()});
  asio::write(socket,
              asio::buffer(fmt::format("GET /v1/shows/1/seats/events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: "
                                       "{}\r\n\r\n",
                                       tag)));
  Change(2, "ffhfff");
  std::string text;
  asio::read_until(socket, asio::dynamic_buffer(text), R"({"seat_no":3,"state":"held"})");
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("event: snapshot")));
}

// Lists, and maps by rows, of as many bytes as a stadium's list: more than the kernel takes of what nobody
// reads. The seats are few, and their numbers long.
class LongSeatMapsTest : public SeatMapsTest {
 protected:
  static constexpr size_t kSeats = 12'000;

  void SetUp() override {
    SeatMapsTest::SetUp();
    AnswerAnyShow();
    services_.seat.GetSeatMap_.answer =
        [this](const seat::v1::GetSeatMapRequest& request) -> Result<seat::v1::SeatMap> {
      return LongMap(request.show_id(), changes_ ? ++looks_ : 1, !request.states_only());
    };
  }
  // Each version has another seat held.
  static seat::v1::SeatMap LongMap(int64_t show, uint64_t version, bool layout) {
    std::string states(kSeats, 'f');
    states[version % kSeats] = 'h';
    seat::v1::SeatMap map = Map(version, states, layout);
    map.set_show_id(show);
    for (seat::v1::SeatInfo& seat : *map.mutable_layout()) seat.set_number(std::string(1'000, 'x'));
    return map;
  }
  // Asks over a connection of its own until there is something new, or a refusal, and reads no more of the
  // answer than its head. The connection stays.
  std::string AskSlowly(std::string_view path) {
    namespace asio = boost::asio;
    asio::ip::tcp::socket& socket = slow_.emplace_back(io_);
    socket.open(asio::ip::tcp::v4());
    socket.set_option(asio::ip::tcp::socket::receive_buffer_size(4'096));
    socket.connect({asio::ip::make_address("127.0.0.1"), gateway().port()});
    std::string head;
    do {
      head.clear();
      const std::string request =
          fmt::format("GET {} HTTP/1.1\r\nHost: x\r\nIf-None-Match: {}\r\n\r\n", path, seen_);
      asio::write(socket, asio::buffer(request));
      asio::read_until(socket, asio::dynamic_buffer(head), "\r\n\r\n");
    } while (head.starts_with("HTTP/1.1 304"));
    const size_t tag = head.find("ETag: ");
    if (tag != std::string::npos) seen_ += ", " + head.substr(tag + 6, head.find('\r', tag) - tag - 6);
    return head;
  }
  // Slow readers take what they may, of each of the two threads.
  void FillSlowly(std::string_view path, SeatPicture::Form form, size_t bytes) {
    const size_t each = bytes / SeatPicture(LongMap(1, 1, true)).Body(form)->size() + 1;
    std::string head;
    while (!head.starts_with("HTTP/1.1 503") && slow_.size() <= 2 * each) head = AskSlowly(path);
    ASSERT_THAT(head, testing::StartsWith("HTTP/1.1 503"));
    EXPECT_THAT(head, testing::HasSubstr("\r\nRetry-After: 1\r\n"));
    EXPECT_GT(slow_.size(), each) << "some may read as slowly as they do";
  }

  static constexpr std::string_view kList = "/v1/shows/1/seats";
  static constexpr std::string_view kRows = "/v1/shows/1/seat-map";
  std::atomic<bool> changes_ = true;  // at each look
  std::atomic<uint64_t> looks_ = 0;
  boost::asio::io_context io_;
  std::vector<boost::asio::ip::tcp::socket> slow_;
  std::string seen_ = "\"none\"";
};

TEST_F(LongSeatMapsTest, WhoReadsSlowlyHoldsSoManyVersionsOfTheListAndNoMore) {
  FillSlowly(kList, SeatPicture::Form::kList, SeatMaps::kMostRead);
  for (int thread = 0; thread < 2; ++thread) {
    EXPECT_EQ(CallUnjudged("GET", kRows, {}, {}).status, 200)
        << "lists are not in the way of those who draw the map";
  }
  slow_.clear();
  int served = 0;  // one after the other, as the threads take turns
  for (int i = 0; i < 10'000 && served < 2; ++i) {
    served = AskSlowly(kList).starts_with("HTTP/1.1 200") ? served + 1 : 0;
    slow_.clear();
  }
  EXPECT_EQ(served, 2) << "when they have gone";
}

TEST_F(LongSeatMapsTest, AndOfTheMapByRowsTwiceAsMany) {
  FillSlowly(kRows, SeatPicture::Form::kRows, 2 * SeatMaps::kMostRead);
  slow_.clear();
}

TEST_F(LongSeatMapsTest, ListsThatAreKeptForWhoComesNextRefuseNobody) {
  changes_ = false;
  for (int64_t show = 1; show <= 7; ++show) {
    for (int thread = 0; thread < 2; ++thread) {
      const http::ClientResponse list = CallUnjudged("GET", fmt::format("/v1/shows/{}/seats", show), {}, {});
      ASSERT_EQ(list.status, 200) << show;
      EXPECT_GT(6 * list.body.size(), SeatMaps::kMostRead) << "six of these are too many to be read slowly";
    }
  }
}

class HungBusTest : public SeatMapsTest {
 protected:
  void Configure(GatewayConfig& config) override {
    config.views.last_audit = [] { return std::string(); };
    bus_.before_letters = [this] {
      asked_.fetch_add(1);
      over_.wait();
    };
  }
  // More of those who wait than there are threads for, of which as many have begun; until end_.
  std::vector<std::future<void>> AskForLetters() {
    std::vector<std::future<void>> waiting;
    for (int i = 0; i < 4; ++i) {
      waiting.push_back(
          std::async(std::launch::async, [this] { (void)CallAsOperator("GET", "/v1/admin/dead-letters"); }));
    }
    while (asked_ < 2) std::this_thread::yield();
    return waiting;
  }
  std::atomic<int> asked_{0};
  std::promise<void> end_;
  std::shared_future<void> over_{end_.get_future()};
};

TEST_F(HungBusTest, WhatOperatorsWaitForHoldsNoBuyerUp) {
  const std::vector<std::future<void>> waiting = AskForLetters();
  EXPECT_EQ(Call("GET", "/v1/shows/1/seats").status, 200)
      << "the first picture is made on a thread that computes";
  end_.set_value();
}

TEST_F(HungBusTest, MetricsAndTheLastVerdictAreToldWhileOperatorsWait) {
  const std::vector<std::future<void>> waiting = AskForLetters();
  EXPECT_EQ(Call("GET", "/metrics").status, 200);
  EXPECT_EQ(CallAsOperator("GET", "/v1/admin/metrics").status, 200);
  EXPECT_EQ(CallAsOperator("GET", "/v1/admin/audit").status, 204);
  end_.set_value();
}

}  // namespace
}  // namespace boxoffice::gateway
