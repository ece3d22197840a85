// Several replicas of a service, and what becomes of commands and queries when they come and go.
#include <atomic>
#include <future>

#include <boost/asio/ip/tcp.hpp>
#include <gmock/gmock.h>

#include "boxoffice/seat/v1/seat.pb.h"
#include "platform/rpc/replica_for_test.h"

namespace boxoffice::rpc {
namespace {

using resilience::Breaker;

TEST_F(ReplicaTest, CommandsStayTogetherUntilAReplicaIsThirtyTwoAhead) {
  Keeper keeper;
  Member a(Socket("a"), keeper.Handler());
  Member b(Socket("b"), keeper.Handler());
  Connect(a, b);
  for (int i = 0; i < 33; ++i) Send(i, [](const auto&) {});
  keeper.AwaitKept(33);
  EXPECT_EQ(std::max(a.received(), b.received()), 33);
  for (int i = 0; i < 167; ++i) Send(i, [](const auto&) {});
  keeper.AwaitKept(200);
  EXPECT_GE(std::min(a.received(), b.received()), 80) << "and then they are spread";
  keeper.ReplyToAll();
}

TEST_F(ReplicaTest, AReplicaThatNobodyServesCostsNoError) {
  Member b(Socket("b"), Echo);
  Connect(Socket("nobody") + "," + b.address());
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(Await(i)) << i;
  EXPECT_EQ(b.received(), 200);
}

TEST_F(ReplicaTest, WhenNoneCanBeReachedACommandIsRefusedUnsent) {
  Connect(Socket("nobody") + "," + Socket("neither"));
  EXPECT_EQ(Await(1).error(), (Error{Code::kUnavailable, "unreachable", "wallet can't be reached"}));
}

TEST_F(ReplicaTest, AReplicaThatDiesMakesWhatItHadUnknownAndTheRestGoesOn) {
  Keeper keeper;
  Member a(Socket("a"), keeper.Handler());
  Connect(a.address() + "," + Socket("b"));
  std::atomic<int> unknown = 0;
  std::atomic<int> other = 0;
  const auto count = [&](const Result<wallet::Outcome>& r) {
    ++(!r && r.error().code == Code::kUnknown ? unknown : other);
  };
  for (int i = 0; i < 10; ++i) Send(i, count);
  keeper.AwaitKept(10);
  Member b(Socket("b"), Echo);
  AwaitReachable(2);
  a.Kill();
  // Until its stream is seen to end, a command may still be written to it, and is unknown too.
  ASSERT_TRUE(Eventually([&] { return unknown == 10; }));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Await(i)) << i;
  EXPECT_EQ(unknown, 10);
  EXPECT_EQ(other, 0);
}

TEST_F(ReplicaTest, EveryCallerOfAPeerIsToldWhenAReplicaComes) {
  Member a(Socket("a"), Echo);
  Connect(a.address());
  AwaitReachable(1);
  const std::unique_ptr<Commands> others = MakeCommands();
  a.Kill();
  AwaitReachable(0);
  const auto done = std::make_shared<std::atomic<int>>(0);
  const auto count = [done](const Result<wallet::Outcome>& outcome) { *done += outcome ? 1 : 100; };
  Send(1, count);
  others->Send(TopUp(2), 20s, count);
  a.Start();
  EXPECT_TRUE(Eventually([&] { return *done == 2; })) << "what waits for a replica goes to it: " << *done;
}

TEST_F(ReplicaTest, ABreakerPerReplicaLeavesTheOthersAlone) {
  Keeper silent;
  Member a(Socket("a"), silent.Handler());
  Member b(Socket("b"), Echo);
  Connect(a, b);
  // Until the silent one's breaker has opened, some commands time out.
  std::atomic<int> left = 400;
  std::promise<void> all;
  for (int i = 0; i < 400; ++i) {
    Send(
        i,
        [&](const auto&) {
          if (--left == 0) all.set_value();
        },
        500ms);
  }
  all.get_future().wait();
  const std::vector<BreakerRow> rows = channels_.board().Read();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].breaker.state, Breaker::State::kOpen);
  EXPECT_EQ(rows[1].breaker.state, Breaker::State::kClosed);
  const int before = a.received();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Await(i));
  EXPECT_EQ(a.received(), before);
  silent.ReplyToAll();
}

TEST_F(ReplicaTest, AnOpenBreakerRefusesBeforeSendingAndClosesAfterProbes) {
  std::atomic<bool> silent = false;
  Keeper keeper;
  const auto keep = keeper.Handler();
  Member a(Socket("a"), [&](wallet::Command command, Intake::Reply reply) {
    if (silent) {
      keep(std::move(command), std::move(reply));
    } else {
      Echo(std::move(command), std::move(reply));
    }
  });
  options_.breaker.open_for = 300ms;
  Connect(a.address());
  ASSERT_TRUE(Await(0)) << "the stream is open, so what comes now is written";
  silent = true;
  for (int i = 0; i < 19; ++i) EXPECT_EQ(Await(i, 100ms).error().code, Code::kUnknown);
  const int before = a.received();
  EXPECT_EQ(Await(1).error(), (Error{Code::kUnavailable, "breaker_open", "wallet does not answer"}));
  EXPECT_EQ(a.received(), before);
  EXPECT_EQ(metrics_.GetGauge("boxoffice_breaker_state", "", {{"client", "test"}, {"replica", a.address()}})
                .value(),
            2);
  silent = false;
  Pause(350ms);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(Await(i)) << i;
  EXPECT_EQ(channels_.board().Read()[0].breaker.state, Breaker::State::kClosed);
  keeper.ReplyToAll();
}

TEST_F(ReplicaTest, ARefusalIsNoFailure) {
  Member a(Socket("a"), [](wallet::Command, Intake::Reply reply) {
    reply(ErrorOutcome<wallet::Outcome>({Code::kUnavailable, "database_unavailable", ""}));
  });
  Connect(a.address());
  for (int i = 0; i < 50; ++i) EXPECT_EQ(Await(i).error().reason, "database_unavailable");
  EXPECT_EQ(channels_.board().Read()[0].breaker.state, Breaker::State::kClosed);
}

TEST_F(ReplicaTest, ACommandThatIsNotTakenInTimeIsAFailure) {
  Member a(Socket("a"), [](wallet::Command, Intake::Reply reply) {
    reply(ErrorOutcome<wallet::Outcome>({Code::kUnavailable, "deadline_passed", ""}));
  });
  Connect(a.address());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Await(i).error().reason, "deadline_passed");
  EXPECT_EQ(channels_.board().Read()[0].breaker.state, Breaker::State::kOpen);
}

TEST_F(ReplicaTest, QueriesGoToAllReplicasAndAroundOneThatDied) {
  Member a(Socket("a"), Echo);
  Member b(Socket("b"), Echo);
  Connect(a, b);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Query("ada"));
  for (const BreakerRow& row : channels_.board().Read()) EXPECT_EQ(row.breaker.calls, 10U) << row.replica;
  a.Kill();
  for (int i = 0; i < 20; ++i) {
    const auto found = Query("ada");
    ASSERT_TRUE(found) << found.error().reason << " " << found.error().detail;
  }
  EXPECT_EQ(Query("").error().reason, "wallet_not_found");
}

TEST_F(ReplicaTest, OnlyWhatTheContractCallsAQueryIsAskedAgain) {
  EXPECT_TRUE(IsQuery<wallet::GetWalletRequest>());
  EXPECT_FALSE(IsQuery<seat::v1::CreateShowRequest>());
}

TEST_F(ReplicaTest, ADnsNameStandsForAllItsAddresses) {
  asio::io_context io;
  asio::ip::tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  const uint16_t port = acceptor.local_endpoint().port();
  acceptor.close();
  Member a(fmt::format("127.0.0.1:{}", port), Echo);
  Connect(fmt::format("dns:localhost:{}", port));
  EXPECT_TRUE(Await(0)) << "it waits until the name is resolved";
  // It may have an IPv6 address too, where nobody listens.
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(Await(i));
  EXPECT_EQ(a.received(), 51);
}

TEST(ChannelsTest, ReplicasAreAListOrAName) {
  EXPECT_THAT(ParseReplicas("127.0.0.1:1,unix:/run/b.sock,[::1]:3,127.0.0.1:1")->fixed,
              testing::ElementsAre("127.0.0.1:1", "unix:/run/b.sock", "[::1]:3"));
  const auto named = ParseReplicas("dns:seat.boxoffice.svc:9000");
  EXPECT_EQ(named->dns_name, "seat.boxoffice.svc");
  EXPECT_EQ(named->port, "9000");
  for (const char* wrong :
       {"", ",", "host", "host:", ":1", "host:port", "a:1,", "unix:", "dns:name", "dns::1", "dns:a:1,b:2"}) {
    EXPECT_EQ(ParseReplicas(wrong).error().reason, "address_invalid") << wrong;
  }
}

}  // namespace
}  // namespace boxoffice::rpc
