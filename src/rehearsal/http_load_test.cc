#include "rehearsal/http_load.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <arpa/inet.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform/http/server.h"
#include "testing/free_port.h"

namespace boxoffice::rehearsal {
namespace {

namespace asio = boost::asio;

// Answers with the path's last part; /big with a lot.
class HttpLoadTest : public testing::Test {
 protected:
  HttpLoadTest() {
    StartServer(port_);
    load_ = *HttpLoad::Connect(port_, 8);
  }
  ~HttpLoadTest() override {
    load_.reset();
    StopServer();
  }

  void StartServer(uint16_t port) {
    http::Router router;
    router.Add(http::Method::kPost, "/echo/{word}",
               [](http::Request& request) -> asio::awaitable<http::Response> {
                 std::string word = request.parameter("word");
                 co_return http::JsonResponse(std::move(word), 201);
               });
    router.Add(http::Method::kGet, "/big", [](http::Request&) -> asio::awaitable<http::Response> {
      std::string body(1'000'000, 'x');
      co_return http::JsonResponse(std::move(body));
    });
    auto listening = http::Server::Listen(io_, std::move(router), {.port = port, .max_body = 16U << 20});
    ASSERT_TRUE(listening.has_value()) << listening.error().detail;
    server_ = *std::move(listening);
    guard_.emplace(io_.get_executor());
    thread_ = std::thread([this] { io_.run(); });
  }
  // Returns when nobody listens any more.
  void StopServer() {
    if (!thread_.joinable()) return;
    server_->Stop();
    guard_.reset();
    thread_.join();
    io_.restart();
  }

  // As many requests as `count`, each with its own number; returns the numbers that were answered with
  // themselves.
  std::multiset<uint64_t> Echo(uint64_t count, size_t depth, uint64_t* lost = nullptr) {
    std::multiset<uint64_t> echoed;
    uint64_t next = 0;
    LoadPlan plan;
    plan.depth = depth;
    plan.ask = [&](std::string& out, uint64_t& tag) {
      if (next == count) return false;
      tag = next++;
      out += fmt::format("POST /echo/{} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", tag);
      return true;
    };
    plan.take = [&](const Answer& answer) {
      if (answer.status == 201 && answer.body == std::to_string(answer.tag)) echoed.insert(answer.tag);
      if (answer.status == 0 && lost != nullptr) ++*lost;
    };
    load_->Run(plan);
    return echoed;
  }

  asio::io_context io_;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> guard_;
  std::unique_ptr<http::Server> server_;
  std::thread thread_;
  const uint16_t port_ = testbed::FreePort();  // nobody else's, also while no server is there
  std::unique_ptr<HttpLoad> load_;
};

TEST_F(HttpLoadTest, EveryRequestGetsItsOwnAnswerOnce) {
  for (const size_t depth : {1, 4}) {
    const auto echoed = Echo(1000, depth);
    EXPECT_EQ(echoed.size(), 1000U);
    EXPECT_EQ(std::set<uint64_t>(echoed.begin(), echoed.end()).size(), 1000U);
  }
}

TEST_F(HttpLoadTest, LargeRequestsAndAnswersArriveWhole) {
  const std::string body(5'000'000, ' ');
  const auto sent = load_->Call(
      fmt::format("POST /echo/big HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{}", body.size(), body));
  ASSERT_TRUE(sent.has_value());
  EXPECT_EQ(sent->body, "big");
  const auto received = load_->Call("GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(received.has_value());
  EXPECT_EQ(received->body.size(), 1'000'000U);
}

TEST_F(HttpLoadTest, NothingIsAskedAfterTheTimeIsOver) {
  LoadPlan plan;
  plan.until = SteadyClock::now() - std::chrono::seconds(1);
  bool asked = false;
  plan.ask = [&](std::string&, uint64_t&) { return asked = true; };
  plan.take = [](const Answer&) {};
  load_->Run(plan);
  EXPECT_FALSE(asked);
}

TEST_F(HttpLoadTest, ConnectionsThatTheServerClosedWhileIdleAreOpenedAgain) {
  EXPECT_EQ(Echo(8, 1).size(), 8U);
  StopServer();
  StartServer(port_);
  uint64_t lost = 0;
  EXPECT_EQ(Echo(100, 1, &lost).size(), 100U);
  EXPECT_EQ(lost, 0U);
}

TEST_F(HttpLoadTest, AnOpenLoopCountsFromTheTimeThatARequestWasDue) {
  constexpr uint64_t kCount = 20;
  const auto start = SteadyClock::now();
  // Due a fifth of a second ago, as if the generator had been held up: the wait is the system's latency.
  const auto first = start - std::chrono::milliseconds(200);
  uint64_t asked = 0;
  std::chrono::nanoseconds shortest = std::chrono::hours(1);
  std::set<uint64_t> answered;
  LoadPlan plan;
  plan.due = [&] { return asked == kCount ? SteadyClock::time_point::max() : first; };
  plan.ask = [&](std::string& out, uint64_t& tag) {
    tag = asked++;
    out += fmt::format("POST /echo/{} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", tag);
    return true;
  };
  plan.take = [&](const Answer& answer) {
    if (answer.status == 201 && answer.body == std::to_string(answer.tag)) answered.insert(answer.tag);
    shortest = std::min(shortest, answer.latency);
  };
  load_->Run(plan);
  EXPECT_EQ(answered.size(), kCount);
  EXPECT_GE(shortest, std::chrono::milliseconds(200));
}

TEST_F(HttpLoadTest, AnOpenLoopAsksNothingBeforeItIsDue) {
  bool asked = false;
  const auto due = SteadyClock::now() + std::chrono::milliseconds(300);
  SteadyClock::time_point asked_at;
  LoadPlan plan;
  plan.due = [&] { return asked ? SteadyClock::time_point::max() : due; };
  plan.ask = [&](std::string& out, uint64_t&) {
    asked = true;
    asked_at = SteadyClock::now();
    out += "POST /echo/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    return true;
  };
  plan.take = [](const Answer&) {};
  load_->Run(plan);
  EXPECT_GE(asked_at, due);
}

TEST_F(HttpLoadTest, WhatASecondMakesDueIsAskedInThatSecond) {
  constexpr int kSeconds = 4;
  int seconds = 0;
  int asked = 0;
  int answered = 0;
  int told_by_its_end = 0;
  // Nothing else is due until the end, as in the quiet seconds of a sale.
  const auto end = SteadyClock::now() + std::chrono::seconds(60);
  LoadPlan plan;
  plan.due = [&] {
    if (asked < seconds) return SteadyClock::now();
    return seconds == kSeconds ? SteadyClock::time_point::max() : end;
  };
  plan.ask = [&](std::string& out, uint64_t&) {
    ++asked;
    out += "POST /echo/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    return true;
  };
  plan.take = [&](const Answer&) { ++answered; };
  plan.each_second = [&] {
    if (seconds > 0 && answered == seconds) ++told_by_its_end;
    ++seconds;
  };
  load_->Run(plan);
  // A machine that stands still for a second shows nothing of that one.
  EXPECT_GT(told_by_its_end, 0);
}

// Takes every connection, and closes it: as whatever stands before servers that are gone does. With an
// `answer`, once it has given that to what was asked first.
class Closing {
 public:
  explicit Closing(std::string_view answer = "") : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address_);
    auto* address = reinterpret_cast<sockaddr*>(&address_);
    EXPECT_EQ(::bind(listener_, address, size), 0);
    EXPECT_EQ(::listen(listener_, SOMAXCONN), 0);
    EXPECT_EQ(::getsockname(listener_, address, &size), 0);
    thread_ = std::thread([this, answer] {
      for (int taken = 0; (taken = ::accept(listener_, nullptr, nullptr)) >= 0; ++accepted_) {
        std::array<char, 512> request{};
        if (!answer.empty() && ::recv(taken, request.data(), request.size(), 0) > 0)
          (void)::send(taken, answer.data(), answer.size(), MSG_NOSIGNAL);
        ::close(taken);
      }
    });
  }
  ~Closing() {
    ::shutdown(listener_, SHUT_RDWR);  // wakes who accepts
    thread_.join();
    ::close(listener_);
  }
  uint16_t port() const { return ntohs(address_.sin_port); }
  uint64_t accepted() const { return accepted_; }

 private:
  int listener_;
  sockaddr_in address_{};
  std::atomic<uint64_t> accepted_ = 0;
  std::thread thread_;
};

// So many requests, one each 5 ms; how many were answered by each status.
std::map<int, uint64_t> AskEvenly(HttpLoad& load, uint64_t count) {
  const auto start = SteadyClock::now();
  uint64_t asked = 0;
  std::map<int, uint64_t> statuses;
  LoadPlan plan;
  plan.due = [&] {
    const std::chrono::milliseconds at(5 * static_cast<int64_t>(asked));
    return asked == count ? SteadyClock::time_point::max() : start + at;
  };
  plan.ask = [&](std::string& out, uint64_t& tag) {
    tag = asked++;
    out += fmt::format("POST /echo/{} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", tag);
    return true;
  };
  plan.take = [&](const Answer& answer) { ++statuses[answer.status]; };
  load.Run(plan);
  return statuses;
}

// Of two servers, of which one closes its connections: that one sees each of them once a second, and the
// other has nearly all requests.
void ExpectNoFlood(uint16_t port, const Closing& closing) {
  constexpr uint64_t kCount = 600;
  constexpr size_t kEach = 4;  // connections
  const auto start = SteadyClock::now();
  const auto load =
      *HttpLoad::Connect({Endpoint{"127.0.0.1", port}, Endpoint{"127.0.0.1", closing.port()}}, 2 * kEach);
  auto statuses = AskEvenly(*load, kCount);
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(SteadyClock::now() - start).count() + 1;
  EXPECT_LE(closing.accepted(), kEach * static_cast<uint64_t>(seconds));
  EXPECT_GE(statuses[201], kCount * 95 / 100);
}

TEST_F(HttpLoadTest, AConnectionThatEndsUnansweredIsOpenedAgainOnceASecond) {
  const Closing closing;
  ExpectNoFlood(port_, closing);
}

TEST_F(HttpLoadTest, AConnectionOnWhichAServerSaysOnlyThatItIsFullIsOpenedAgainOnceASecond) {
  const Closing full("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  ExpectNoFlood(port_, full);
}

TEST_F(HttpLoadTest, ConnectionsThatAreFreeAreAskedByTurns) {
  http::Router router;
  router.Add(http::Method::kPost, "/echo/{word}", [](http::Request&) -> asio::awaitable<http::Response> {
    co_return http::JsonResponse("", 202);
  });
  const auto other = *http::Server::Listen(io_, std::move(router));
  const auto load =
      *HttpLoad::Connect({Endpoint{"127.0.0.1", port_}, Endpoint{"127.0.0.1", other->port()}}, 2);
  auto statuses = AskEvenly(*load, 100);
  EXPECT_GE(statuses[201], 30U);
  EXPECT_GE(statuses[202], 30U);
  other->Stop();
}

// A server that was there and whose packets go nowhere now, as those of a machine that is gone: one whose
// queue of connections is full takes no more.
class Unreachable {
 public:
  Unreachable() : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address_);
    EXPECT_EQ(::bind(listener_, Address(), size), 0);
    EXPECT_EQ(::listen(listener_, 0), 0);
    EXPECT_EQ(::getsockname(listener_, Address(), &size), 0);
  }
  ~Unreachable() {
    for (const int fd : {filler_, listener_}) ::close(fd);
  }
  uint16_t port() const { return ntohs(address_.sin_port); }
  // Breaks the connection that it was given, and is gone.
  void Vanish() {
    const int taken = ::accept(listener_, nullptr, nullptr);
    filler_ = ::socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(::connect(filler_, Address(), sizeof(address_)), 0);
    ::close(taken);
  }

 private:
  sockaddr* Address() { return reinterpret_cast<sockaddr*>(&address_); }
  int listener_;
  int filler_ = -1;
  sockaddr_in address_{};
};

// The longest that one of many requests waited for its answer, where another server vanishes meanwhile.
std::chrono::nanoseconds LongestWhenAnotherVanishes(uint16_t port) {
  Unreachable gone;
  const auto load = *HttpLoad::Connect({Endpoint{"127.0.0.1", port}, Endpoint{"127.0.0.1", gone.port()}}, 2);
  gone.Vanish();
  const auto start = SteadyClock::now();
  constexpr uint64_t kCount = 120;  // over a second and a fifth, in which what is gone is tried again
  uint64_t asked = 0;
  uint64_t answered = 0;
  std::chrono::nanoseconds longest{0};
  LoadPlan plan;
  plan.due = [&] {
    const std::chrono::milliseconds at(10 * static_cast<int64_t>(asked));
    return asked == kCount ? SteadyClock::time_point::max() : start + at;
  };
  plan.ask = [&](std::string& out, uint64_t& tag) {
    tag = asked++;
    out += fmt::format("POST /echo/{} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", tag);
    return true;
  };
  plan.take = [&](const Answer& answer) {
    if (answer.status == 201) ++answered;
    longest = std::max(longest, answer.latency);
  };
  load->Run(plan);
  EXPECT_EQ(answered, kCount);
  return longest;
}

TEST_F(HttpLoadTest, AServerThatIsGoneHoldsUpNobodyInAnOpenLoop) {
  constexpr std::chrono::seconds kWaited{2};  // by one who waits for a connection
  auto longest = LongestWhenAnotherVanishes(port_);
  // A machine that stands still for that long shows nothing: then again.
  for (int tries = 1; tries < 3 && longest >= kWaited; ++tries) longest = LongestWhenAnotherVanishes(port_);
  EXPECT_LT(longest, kWaited);
}

TEST(Endpoint, IsTakenFromAUrl) {
  EXPECT_EQ(ParseEndpoint("http://127.0.0.1:8080/"), (Endpoint{"127.0.0.1", 8080}));
  EXPECT_EQ(ParseEndpoint("http://sale.example"), (Endpoint{"sale.example", 80}));
  EXPECT_EQ(ParseEndpoint("http://[::1]:99"), (Endpoint{"::1", 99}));
  for (const char* url : {"", "sale.example", "https://sale.example", "http://", "http://h:0", "http://h:x",
                          "http://h/path", "http://u@h"})
    EXPECT_EQ(ParseEndpoint(url).error().reason, "url") << url;
}

TEST_F(HttpLoadTest, WithoutAServerTheErrorSaysSo) {
  StopServer();
  const auto connected = HttpLoad::Connect(port_, 1);
  ASSERT_FALSE(connected.has_value());
  EXPECT_EQ(connected.error().reason, "connect_failed");
  const auto reply = load_->Call("GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().reason, "connection_lost");
}

}  // namespace
}  // namespace boxoffice::rehearsal
