// The client against one real server: what it answers, and what it says when the server does not.
#include "platform/redis/client.h"

#include <array>
#include <charconv>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "platform/dns/lookup.h"
#include "platform/redis/redis_for_test.h"
#include "testing/redis_server.h"
#include "testing/wait.h"

namespace boxoffice::redis {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr std::string_view kAddText = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
const Script& Add() {
  static const Script script(kAddText);
  return script;
}
Request AddTo(const std::string& key, int by = 1) {
  return Request::Call(Add(), {key}, {std::to_string(by)});
}
Request Get(const std::string& key) { return Request::Command({"GET", key}); }

// One server for all tests; those that do something to it have their own.
class RedisClientTest : public ::testing::Test {
 protected:
  void SetUp() override {
    BOXOFFICE_NEEDS_REDIS();
    server_ = &testbed::EmptyRedis();
    client_ = Client::Open(server_->Url(), kPatient).value();
  }
  static milliseconds Took(const std::function<void()>& what) {
    const auto start = SteadyClock::now();
    what();
    return std::chrono::duration_cast<milliseconds>(SteadyClock::now() - start);
  }
  // Until it answers, as the caller of a service tries again.
  static bool Recovers(Client& client, milliseconds timeout = seconds(60)) {
    const auto until = SteadyClock::now() + timeout;
    while (SteadyClock::now() < until) {
      if (client.Run(Request::Command({"GET", "any"}))) return true;
      std::promise<void>().get_future().wait_for(milliseconds(5));
    }
    return false;
  }

  // Of a server that answers, on a machine that may be busy.
  // Of one that does not.
  static constexpr Options kQuick{.connect_timeout = seconds(1), .command_timeout = seconds(2)};
  testbed::RedisServer* server_ = nullptr;
  std::unique_ptr<Client> client_;
};

TEST_F(RedisClientTest, RepliesComeInTheOrderOfTheRequests) {
  std::vector<Request> requests;
  for (int i = 1; i <= 100; ++i) requests.push_back(AddTo("n", i));
  const auto replies = client_->RunAll(requests);
  ASSERT_EQ(replies.size(), 100);
  int64_t sum = 0;
  for (int i = 1; i <= 100; ++i) EXPECT_EQ(replies[i - 1]->value().Int(), sum += i);
}

TEST_F(RedisClientTest, BytesOfAnyKindGoThereAndBack) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  ASSERT_TRUE(client_->Run(Request::Command({"SET", bytes, bytes + bytes})));
  EXPECT_EQ(client_->Run(Get(bytes))->value().Text(), bytes + bytes);
  EXPECT_TRUE(client_->Run(Get("none"))->value().IsNil());
}

TEST_F(RedisClientTest, MoreThanASocketHoldsGoesBothWaysAtOnce) {
  const std::string large(1'000'000, 'x');
  std::vector<Request> requests;
  for (int i = 0; i < 20; ++i) requests.push_back(Request::Command({"GETSET", "large", large}));
  const auto replies = client_->RunAll(requests);
  EXPECT_TRUE(replies[0]->value().IsNil());
  for (size_t i = 1; i < replies.size(); ++i) EXPECT_EQ(replies[i]->value().Text().size(), large.size());
}

TEST_F(RedisClientTest, AScriptThatTheServerForgotIsSentAgain) {
  EXPECT_EQ(client_->Run(AddTo("n"))->value().Int(), 1);
  ASSERT_EQ(server_->AskOne({"SCRIPT", "FLUSH"}), "OK");
  const std::vector<Request> both{AddTo("n"), AddTo("n")};
  for (const auto& reply : client_->RunAll(both)) ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(client_->Run(Get("n"))->value().Text(), "3") << "each ran once";
  EXPECT_EQ(server_->AskOne({"SCRIPT", "EXISTS", Add().sha()}), "1");
}

TEST_F(RedisClientTest, OneBadRequestDoesNotFailItsNeighbours) {
  const std::vector<Request> requests{AddTo("n"), Request::Command({"LPUSH", "n", "x"}), AddTo("n")};
  const auto replies = client_->RunAll(requests);
  EXPECT_EQ(replies[0]->value().Int(), 1);
  EXPECT_EQ(replies[1].error().reason, "redis_error");
  EXPECT_EQ(replies[1].error().code, Code::kInternal);
  EXPECT_THAT(replies[1].error().detail, HasSubstr("WRONGTYPE"));
  EXPECT_EQ(replies[2]->value().Int(), 2);
}

TEST_F(RedisClientTest, AUnixSocketWillDo) {
  const auto client = Client::Open(server_->SocketUrl(), kPatient).value();
  EXPECT_EQ(client->Run(AddTo("n"))->value().Int(), 1);
}

TEST_F(RedisClientTest, NobodyThereIsUnavailableAtOnceAndNotAskedEachTime) {
  testbed::RedisServer server;
  const auto client = Client::Open(server.Url(), kQuick).value();
  server.Kill9();
  const Error error = client->Run(AddTo("n")).error();
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_EQ(error.reason, "database_unavailable");
  // The pause doubles, so it is soon longer than whatever comes between two calls.
  EXPECT_TRUE(
      testbed::Eventually([&] { return client->Run(AddTo("n")).error().detail.contains("a moment ago"); }));
  server.Start();
  EXPECT_TRUE(Recovers(*client));
}

TEST_F(RedisClientTest, ARestartBetweenTwoCallsIsNotNoticed) {
  testbed::RedisServer server;
  const auto client = Client::Open(server.Url(), kPatient).value();
  ASSERT_TRUE(client->Run(AddTo("n")));
  server.AwaitLogged();
  server.Kill9();
  server.Start();
  EXPECT_EQ(client->Run(AddTo("n"))->value().Int(), 2) << "the data is there, and so is the script";
}

TEST_F(RedisClientTest, AServerThatDiesWhileItWorksLeavesTheOutcomeUnknown) {
  testbed::RedisServer server({"--busy-reply-threshold", "1"});
  const auto client = Client::Open(server.Url(), kPatient).value();
  ASSERT_TRUE(client->Run(AddTo("n")));
  const Script endless("redis.call('SET', KEYS[1], 1) while true do end");
  std::jthread killer([&] {
    (void)testbed::Eventually([&] { return server.AskOne({"PING"}).starts_with("BUSY"); });
    server.Kill9();
  });
  const Error error = client->Run(Request::Call(endless, {"n"}, {})).error();
  EXPECT_EQ(error.code, Code::kUnknown);
  EXPECT_EQ(error.reason, "database_unavailable");
}

TEST_F(RedisClientTest, AFrozenServerCostsATimeOutAndNoMore) {
  testbed::RedisServer server;
  const auto client = Client::Open(server.Url(), kQuick).value();
  ASSERT_TRUE(Recovers(*client));
  server.Freeze();
  const std::vector<Request> requests(20, AddTo("n"));
  EXPECT_LT(Took([&] {
              for (const auto& reply : client->RunAll(requests)) {
                EXPECT_EQ(reply.error().code, Code::kUnknown) << reply.error().detail;
              }
            }),
            seconds(20))
      << "one time-out, and not twenty";
  // A caller that does not give up: most of its calls are refused at once, and none is sent.
  int tried = 0;
  for (const auto until = SteadyClock::now() + milliseconds(1'500); SteadyClock::now() < until;) {
    const Error error = client->Run(AddTo("n")).error();
    EXPECT_EQ(error.code, Code::kUnavailable);
    tried += error.detail.contains("a moment ago") ? 0 : 1;
    std::promise<void>().get_future().wait_for(milliseconds(5));
  }
  EXPECT_LE(tried, 4);
  server.Thaw();
  EXPECT_TRUE(Recovers(*client));
}

TEST_F(RedisClientTest, WhatWasNeverSentWasNotDone) {
  testbed::RedisServer server;
  const auto client = Client::Open(server.Url(), kQuick).value();
  ASSERT_TRUE(Recovers(*client));
  server.Freeze();
  const std::vector<Request> requests(50, Request::Command({"SET", "large", std::string(1'000'000, 'x')}));
  const auto replies = client->RunAll(requests);
  EXPECT_EQ(replies.front().error().code, Code::kUnknown);
  EXPECT_EQ(replies.back().error().code, Code::kUnavailable) << "it was still with us";
}

TEST_F(RedisClientTest, APasswordIsAskedForAndGiven) {
  testbed::RedisServer server({"--requirepass", "p@ss"});
  const std::string address = server.Url().substr(std::string_view("redis://").size());
  const auto without = Client::Open("redis://" + address, kPatient).value();
  const auto wrong = Client::Open("redis://:other@" + address, kPatient).value();
  const auto right = Client::Open("redis://:p%40ss@" + address, kPatient).value();
  const auto named = Client::Open("redis://default:p%40ss@" + address, kPatient).value();
  EXPECT_THAT(without->Run(AddTo("n")).error().detail, HasSubstr("NOAUTH"));
  EXPECT_THAT(wrong->Run(AddTo("n")).error().detail, HasSubstr("WRONGPASS"));
  EXPECT_EQ(wrong->Run(AddTo("n")).error().code, Code::kUnavailable);
  EXPECT_TRUE(right->Run(AddTo("n")).has_value());
  EXPECT_TRUE(named->Run(AddTo("n")).has_value());
}

TEST_F(RedisClientTest, WhyNobodyGivesTheMapOfAClusterIsSaid) {
  testbed::RedisServer server({"--requirepass", "p@ss"});
  const auto says = [](const std::string& url) {
    const Error error = Client::Open(url, kPatient).value()->Run(AddTo("n")).error();
    EXPECT_EQ(error.code, Code::kUnavailable);
    EXPECT_EQ(error.reason, "database_unavailable");
    return error.detail;
  };
  const std::string address = server.Url().substr(std::string_view("redis://").size());
  EXPECT_THAT(says("redis+cluster://:other@" + address), HasSubstr("WRONGPASS"));
  EXPECT_THAT(says("redis+cluster://:p%40ss@" + address), HasSubstr("it has no map of a cluster: ERR"));
  server.Kill9();
  EXPECT_THAT(says("redis+cluster://:p%40ss@" + address), HasSubstr("Connection refused"));
}

// Answers the greeting of each connection as a Redis of that version does, and ends it.
class GreetingServer {
 public:
  explicit GreetingServer(const std::string& version) {
    const std::string info = fmt::format("# Server\r\nredis_version:{}\r\nos:Linux\r\n", version);
    answer_ = fmt::format("+PONG\r\n${}\r\n{}\r\n", info.size(), info);
    sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    CHECK(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), size) == 0);
    CHECK(::listen(listener_, 16) == 0);
    CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    address_ = fmt::format("127.0.0.1:{}", ntohs(address.sin_port));
    thread_ = std::thread([this] { Serve(); });
  }
  GreetingServer(const GreetingServer&) = delete;
  GreetingServer& operator=(const GreetingServer&) = delete;
  ~GreetingServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  [[nodiscard]] const std::string& address() const { return address_; }

 private:
  void Serve() const {
    for (int peer = 0; (peer = ::accept(listener_, nullptr, nullptr)) >= 0; ::close(peer)) {
      std::string asked;
      char chunk[256];
      while (!asked.ends_with("server\r\n")) {
        const ssize_t size = ::recv(peer, chunk, sizeof chunk, 0);
        if (size <= 0) break;
        asked.append(chunk, static_cast<size_t>(size));
      }
      (void)::send(peer, answer_.data(), answer_.size(), MSG_NOSIGNAL);
    }
  }

  const int listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string answer_;
  std::string address_;
  std::thread thread_;
};

TEST_F(RedisClientTest, AServerOlderThanSevenIsRefusedAndSaysItsVersion) {
  const GreetingServer old("6.2.14");
  for (const char* scheme : {"redis://", "redis+cluster://"}) {
    const auto client = Client::Open(scheme + old.address(), kPatient).value();
    const Error error = client->Run(AddTo("n")).error();
    EXPECT_EQ(error.code, Code::kUnavailable);
    EXPECT_EQ(error.reason, "redis_too_old") << error.detail;
    EXPECT_THAT(error.detail, HasSubstr("it is Redis 6.2.14; 7.0 or newer is needed"));
    EXPECT_EQ(client->Run(AddTo("n")).error().reason, "redis_too_old") << "also while it is left alone";
  }
}

TEST_F(RedisClientTest, AServerThatDoesNotTellItsVersionIsTaken) {
  const testbed::RedisServer server;
  ASSERT_EQ(server.AskOne({"ACL", "SETUSER", "default", "-info"}), "OK");
  const auto client = Client::Open(server.Url(), kPatient).value();
  const auto reply = client->Run(AddTo("n"));
  ASSERT_TRUE(reply.has_value()) << reply.error().detail;
}

TEST_F(RedisClientTest, AReplicaRefusesWritesAndNothingIsDone) {
  testbed::RedisServer replica({"--replicaof", "127.0.0.1", std::to_string(server_->port())});
  const auto client = Client::Open(replica.Url(), kPatient).value();
  Error error;
  EXPECT_TRUE(testbed::Eventually([&] {  // at first it may be loading what the other has
    error = client->Run(AddTo("n")).error();
    return error.detail.contains("READONLY");
  })) << error.detail;
  EXPECT_EQ(error.code, Code::kUnavailable);
}

// After a failover the name may stand for another server: it is looked up when the client connects.
TEST_F(RedisClientTest, AServerThatHasBecomeAReplicaIsLeftAndConnectedToAnew) {
  testbed::RedisServer server;
  const auto client = Client::Open(server.Url(), kPatient).value();
  const auto id = [&] { return client->Run(Request::Command({"CLIENT", "ID"}))->value().Int(); };
  struct Refused {
    std::string serves_stale;
    Request request;
    std::string error;
  };
  ASSERT_TRUE(client->Run(AddTo("n")));
  for (const Refused& refused : {Refused{"yes", AddTo("n"), "READONLY"}, {"no", Get("n"), "MASTERDOWN"}}) {
    const int64_t before = id();
    EXPECT_EQ(client->Run(Request::Command({"LPUSH", "n", "x"})).error().reason, "redis_error");
    EXPECT_EQ(id(), before) << "any other error is no reason";
    ASSERT_EQ(server.AskOne({"CONFIG", "SET", "replica-serve-stale-data", refused.serves_stale}), "OK");
    ASSERT_EQ(server.AskOne({"REPLICAOF", "127.0.0.1", "1"}), "OK");  // nobody is there
    const Error error = client->Run(refused.request).error();
    EXPECT_EQ(error.code, Code::kUnavailable);
    EXPECT_THAT(error.detail, HasSubstr(refused.error));
    ASSERT_EQ(server.AskOne({"REPLICAOF", "NO", "ONE"}), "OK");
    ASSERT_TRUE(Recovers(*client));
    EXPECT_NE(id(), before) << refused.error;
  }
}

// A server under a name that a test looks up.
class RedisNameTest : public RedisClientTest {
 protected:
  std::unique_ptr<Client> ClientOf(dns::Lookup& lookup) const {
    const std::string url = fmt::format("redis://redis.example:{}", server_->port());
    return std::make_unique<Client>(ParseUrl(url).value(), kQuick, lookup);
  }
  static dns::Lookup::Addresses Addresses(const std::vector<std::string>& texts) {
    dns::Lookup::Addresses addresses;
    for (const std::string& text : texts) addresses.push_back(boost::asio::ip::make_address(text));
    return addresses;
  }
};

TEST_F(RedisNameTest, ALookUpThatHangsCostsTheConnectTimeOutAndNoMore) {
  std::promise<void> release;
  dns::Lookup lookup([released = release.get_future().share()](const std::string&) {
    released.wait();
    return Result<dns::Lookup::Addresses>(Addresses({"127.0.0.1"}));
  });
  const auto client = ClientOf(lookup);
  auto asked = std::async(std::launch::async, [&] { return client->Run(AddTo("n")).error(); });
  const bool answered = asked.wait_for(seconds(60)) == std::future_status::ready;
  EXPECT_TRUE(answered) << "though the look-up hangs";
  const bool left_alone = answered && testbed::Eventually([&] {
                            return client->Run(AddTo("n")).error().detail.contains("a moment ago");
                          });
  release.set_value();
  const Error error = asked.get();
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_EQ(error.reason, "database_unavailable");
  EXPECT_THAT(error.detail, HasSubstr("its name can't be looked up"));
  EXPECT_TRUE(left_alone) << "as any server that failed";
  EXPECT_TRUE(Recovers(*client));
}

// The second socket that is to be connected finds the queue of the first full: its SYN is dropped.
TEST_F(RedisNameTest, AnAddressThatSwallowsEverythingLeavesTimeForTheNext) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int first = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address{
      .sin_family = AF_INET, .sin_port = htons(server_->port()), .sin_addr = {htonl(INADDR_LOOPBACK + 1)}};
  ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener, 0), 0);
  ASSERT_EQ(::connect(first, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  dns::Lookup lookup([](const std::string&) {
    return Result<dns::Lookup::Addresses>(Addresses({"127.0.0.2", "127.0.0.1"}));
  });
  EXPECT_TRUE(Recovers(*ClientOf(lookup)));
  ::close(first);
  ::close(listener);
}

// Clusters of one server each, of which the client may take one for a part of the other.
class RedisMapTest : public RedisClientTest {
 protected:
  void SetUp() override {
    RedisClientTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    well_.emplace(kClustered);
    TakeAllSlots(*well_);
  }
  static void TakeAllSlots(const testbed::RedisServer& server) {
    ASSERT_EQ(server.AskOne({"CLUSTER", "ADDSLOTSRANGE", "0", "16383"}), "OK");
    ASSERT_TRUE(
        testbed::Eventually([&] { return server.AskOne({"CLUSTER", "INFO"}).contains("cluster_state:ok"); }));
  }
  // That it has had, with the one that asks.
  static int64_t ConnectionsTo(const testbed::RedisServer& server) {
    constexpr std::string_view kField = "total_connections_received:";
    const std::string stats = server.AskOne({"INFO", "stats"});
    int64_t count = 0;
    std::from_chars(stats.data() + stats.find(kField) + kField.size(), stats.data() + stats.size(), count);
    return count;
  }
  // Reads the map at each call, and begins with `first`.
  std::unique_ptr<Client> ClientOf(const testbed::RedisServer& first) const {
    const std::string url = "redis+cluster://127.0.0.1:" + std::to_string(first.port()) +
                            ",127.0.0.1:" + std::to_string(well_->port());
    Options options = kQuick;
    options.command_timeout = kPatient.command_timeout;
    options.refresh_interval = milliseconds(1);
    return Client::Open(url, options).value();
  }
  static void ExpectWellForSomeTurns(Client& client) {
    for (int i = 0; i < 6; ++i) {
      std::promise<void>().get_future().wait_for(milliseconds(150));
      const auto reply = client.Run(AddTo("n"));
      EXPECT_TRUE(reply.has_value()) << i << ": " << reply.error().detail;
    }
  }

  const std::vector<std::string> kClustered{"--cluster-enabled", "yes", "--cluster-config-file",
                                            "nodes.conf"};
  std::optional<testbed::RedisServer> well_;
};

TEST_F(RedisMapTest, OfAServerThatIsCutOffIsNotTakenWhileAnotherHasOne) {
  const testbed::RedisServer cut_off(kClustered);
  ASSERT_EQ(cut_off.AskOne({"CLUSTER", "ADDSLOTSRANGE", "1", "16383"}), "OK");  // it misses a slot
  const auto client = ClientOf(cut_off);
  EXPECT_THAT(client->Run(AddTo("n")).error().detail, HasSubstr("CLUSTERDOWN"));
  ExpectWellForSomeTurns(*client);
}

TEST_F(RedisMapTest, IsNotAskedOfAServerThatCannotBeReachedWhileAnotherHasOne) {
  testbed::RedisServer frozen(kClustered);
  const int64_t before = ConnectionsTo(frozen);
  frozen.Freeze();
  ExpectWellForSomeTurns(*ClientOf(frozen));
  frozen.Thaw();
  EXPECT_EQ(ConnectionsTo(frozen) - before, 2) << "once, and by this test";
}

// Its disk was full, and another took its place: there is no log of it to be mended any more.
TEST_F(RedisMapTest, WithoutAServerThatCouldNotWriteItsLogLeavesThatServerAlone) {
  testbed::RedisServer torn(kClustered);
  ASSERT_NO_FATAL_FAILURE(TakeAllSlots(torn));
  // Whose slots they are, says the map of the one that is well; 0: its own.
  const auto name_in_map = [this](uint16_t port) {
    return well_->AskOne({"CONFIG", "SET", "cluster-announce-port", std::to_string(port)});
  };
  ASSERT_EQ(name_in_map(torn.port()), "OK");
  Options options = kPatient;
  options.refresh_interval = milliseconds(1);
  const auto client =
      Client::Open("redis+cluster://127.0.0.1:" + std::to_string(well_->port()), options).value();
  torn.FillDisk();
  ASSERT_TRUE(testbed::Eventually([&] {
    const auto refused = client->Run(AddTo("n"));
    return !refused && refused.error().detail.contains("MISCONF");
  }));
  const int64_t before = ConnectionsTo(torn);
  ASSERT_EQ(name_in_map(0), "OK");
  ASSERT_TRUE(testbed::Eventually([&] { return client->Run(AddTo("n")).has_value(); }));
  ExpectWellForSomeTurns(*client);
  EXPECT_EQ(ConnectionsTo(torn) - before, 1) << "by this test";
}

TEST_F(RedisClientTest, WhatHasNoTimeLeftIsNotSentAndTheServerNotLost) {
  SeededRandom random{1};
  Connection connection({"127.0.0.1", server_->port()}, {}, kPatient.connect_timeout, random,
                        dns::Lookup::OfProcess());
  ASSERT_TRUE(connection.Open());
  connection.Add(std::vector<std::string_view>{"INCR", "n"});
  Connection* const one = &connection;
  Connection::Exchange({&one, 1}, SteadyClock::now());
  const auto answers = connection.Take();
  ASSERT_EQ(answers.size(), 1);
  EXPECT_EQ(answers[0].error().code, Code::kUnavailable);
  EXPECT_THAT(answers[0].error().detail, HasSubstr("before it was sent"));
  EXPECT_TRUE(connection.is_open());
  EXPECT_TRUE(client_->Run(Get("n"))->value().IsNil());
}

TEST_F(RedisClientTest, WhatReadsALotHasATimeOutOfItsOwn) {
  const Options options{.connect_timeout = kPatient.connect_timeout, .command_timeout = milliseconds(0)};
  const auto client = Client::Open(server_->Url(), options).value();
  const std::array requests{Get("n")};
  EXPECT_EQ(client->RunAll(requests)[0].error().reason, "database_unavailable") << "no time is none";
  EXPECT_TRUE(client->RunAll(requests, kPatient.command_timeout)[0].has_value());
}

TEST_F(RedisClientTest, AFullServerRefusesAndNothingIsDone) {
  testbed::RedisServer server({"--maxmemory", "1"});
  const Error error = Client::Open(server.Url(), kPatient).value()->Run(AddTo("n")).error();
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_THAT(error.detail, HasSubstr("OOM"));
}

// What was written while the disk was full is not in the file by half: Redis 7 takes it back, and writes on
// where it had been, behind a hole. It happens to a file that a rewrite has begun.
TEST_F(RedisClientTest, AServerWhoseDiskWasFullStartsAgain) {
  testbed::RedisServer server;
  const auto client = Client::Open(server.Url(), kPatient).value();
  server.AskOne({"BGREWRITEAOF"});
  ASSERT_TRUE(
      testbed::Eventually([&] { return !exists(server.log_folder() / "appendonly.aof.1.incr.aof"); }));
  server.FillDisk();
  ASSERT_TRUE(client->Run(Request::Command({"SET", "half", std::string(1'000, 'x')})));
  ASSERT_TRUE(testbed::Eventually([&] {
    const auto refused = client->Run(AddTo("n"));
    return !refused && refused.error().code == Code::kUnavailable &&
           refused.error().detail.contains("MISCONF");
  }));
  server.FreeDisk();
  ASSERT_TRUE(testbed::Eventually([&] { return client->Run(AddTo("m")).has_value(); }));
  ASSERT_TRUE(testbed::Eventually([&] {
    (void)client->Run(Get("m"));
    return !exists(server.log_folder() / "appendonly.aof.2.incr.aof");
  })) << "the file with the hole";
  server.Kill9();
  server.Start();
  EXPECT_EQ(server.AskOne({"GET", "half"}).size(), 1'000);
  EXPECT_NE(server.AskOne({"GET", "m"}), "");
}

TEST_F(RedisClientTest, AClusterUrlForASingleServerIsUnavailable) {
  const std::string address = server_->Url().substr(std::string_view("redis://").size());
  const auto client = Client::Open("redis+cluster://" + address, kQuick).value();
  EXPECT_EQ(client->Run(AddTo("n")).error().code, Code::kUnavailable);
}

}  // namespace
}  // namespace boxoffice::redis
