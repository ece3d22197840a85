// Two processes of the waiting room on one Redis: who serves, and how the lead passes on.
#include "services/queue/module.h"

#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/thread_pool.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "boxoffice/queue/v1/queue.grpc.pb.h"
#include "platform/redis/redis_for_test.h"
#include "platform/rpc/command_client.h"
#include "services/queue/service.h"
#include "services/queue/store_redis.h"
#include "services/queue/store_redis_leader.h"
#include "services/queue/store_redis_row.h"
#include "testing/fake_bus.h"
#include "testing/redis_server.h"
#include "testing/temp_dir.h"
#include "testing/wait.h"

namespace boxoffice::queue {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testbed::Eventually;

constexpr int64_t kShow = 7;
constexpr seconds kLong{180};  // a lease that no test waits for the end of, not even Eventually

// As a process: its module, and where it listens.
class Replica {
 public:
  Replica(const testbed::TempDir& dir, std::string name, const std::string& url, milliseconds lease,
          milliseconds tick = QueueConfig().tick_interval)
      : address_("unix:" + (dir.path() / name).string()),
        runtime_{clock_, random_, metrics_, bus_, {}, dir.path(), {address_}, url, {}},
        module_(std::make_unique<QueueModule>(runtime_,
                                              QueueConfig{.tick_interval = tick, .leader_lease = lease})) {}

  // Again, while Redis does not answer in time.
  Result<void> Start() {
    Result<void> started;
    (void)Eventually([&] {
      started = module_->Start();
      return started.has_value() || started.error().reason != "database_unavailable";
    });
    return started;
  }
  QueueModule& module() { return *module_; }
  [[nodiscard]] std::string Role() const { return module_->Role(); }
  [[nodiscard]] std::string Metrics() const { return metrics_.Render(); }
  double Metric() { return metrics_.GetGauge("boxoffice_queue_leader", "").value(); }
  // Whether somebody listens at its address.
  [[nodiscard]] bool Listens() const {
    return Channel()->WaitForConnected(std::chrono::system_clock::now() + milliseconds(300));
  }
  // The session of a user who joins, as a caller over the network has it; nullopt: it was not answered.
  std::optional<v1::Session> Join(const std::string& user) {
    v1::Command command;
    command.mutable_join()->set_show_id(kShow);
    command.mutable_join()->set_user_id(user);
    const auto outcome = Ask(std::move(command));
    return outcome && outcome->has_session() ? std::optional(outcome->session()) : std::nullopt;
  }
  // Whether the show's queue is in that state now.
  bool SetQueue(v1::QueueState state) {
    v1::Command command;
    command.mutable_configure()->set_show_id(kShow);
    command.mutable_configure()->set_state(state);
    const auto outcome = Ask(std::move(command));
    return outcome && outcome->queue().state() == state;
  }
  Result<v1::Outcome> Ask(v1::Command command) {
    boost::asio::thread_pool pool{1};
    const auto stub = v1::QueueService::NewStub(Channel());
    std::promise<Result<v1::Outcome>> promise;
    rpc::CommandClient<v1::CommandBatch, v1::OutcomeBatch> client(
        "test", pool.get_executor(),
        [&](auto* context, auto* reactor) { stub->async()->Execute(context, reactor); }, client_metrics_);
    client.Send(std::move(command), seconds(20),
                [&](Result<v1::Outcome> outcome) { promise.set_value(std::move(outcome)); });
    return promise.get_future().get();
  }
  [[nodiscard]] std::shared_ptr<grpc::Channel> Channel() const {
    // A connection of its own: gRPC would share one, with its pauses after failures.
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), arguments);
  }

 private:
  const std::string address_;
  SystemClock clock_;
  SeededRandom random_{1};
  obs::Registry metrics_;
  obs::Registry client_metrics_;
  testbed::FakeBus bus_;
  module::Runtime runtime_;
  std::unique_ptr<QueueModule> module_;
};

class QueueModuleTest : public ::testing::Test {
 protected:
  void SetUp() override { BOXOFFICE_NEEDS_REDIS(); }
  std::unique_ptr<Replica> Make(const std::string& url, milliseconds lease = kLong) {
    return std::make_unique<Replica>(dir_, "replica" + std::to_string(++replicas_), url, lease);
  }
  // The first leads, the second stands by.
  std::pair<std::unique_ptr<Replica>, std::unique_ptr<Replica>> StartTwo(const std::string& url) {
    auto two = std::pair(Make(url), Make(url));
    EXPECT_TRUE(two.first->Start());
    EXPECT_TRUE(two.second->Start());
    return two;
  }
  // As a caller does: again, until it is answered.
  static std::optional<v1::Session> Insist(Replica& replica, const std::string& user) {
    std::optional<v1::Session> session;
    (void)Eventually([&] { return (session = replica.Join(user)).has_value(); });
    return session;
  }
  // A token of one replica is good at the other: they have one folder, and so one key.
  testbed::TempDir dir_;
  int replicas_ = 0;
};

TEST_F(QueueModuleTest, OneLeadsAndTheOtherStandsByAndDoesNotListen) {
  const auto [first, second] = StartTwo(testbed::EmptyRedis().Url());
  EXPECT_EQ(first->Role(), "leader");
  EXPECT_EQ(first->Metric(), 1);
  EXPECT_TRUE(Eventually([&] { return first->Listens(); }));
  EXPECT_EQ(second->Role(), "standby");
  EXPECT_EQ(second->Metric(), 0);
  EXPECT_EQ(second->module().Unhealthy(), "");
  EXPECT_FALSE(second->Listens());
}

TEST_F(QueueModuleTest, ALeaderThatDrainsHandsTheLeadOverAtOnceAndPeopleKeepTheirPlaces) {
  const auto [first, second] = StartTwo(testbed::EmptyRedisCluster().Url());
  const auto joined = Insist(*first, "ann");
  ASSERT_TRUE(joined.has_value());
  first->module().Drain(seconds(5));
  EXPECT_TRUE(Eventually([&] { return second->Role() == "leader"; })) << "long before the lease ends";
  EXPECT_FALSE(first->Listens());
  const auto again = Insist(*second, "ann");
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->sequence(), joined->sequence());
  EXPECT_EQ(again->token(), joined->token());
}

TEST_F(QueueModuleTest, OneThatIsLeavingDoesNotTakeTheLead) {
  const std::string url = testbed::EmptyRedis().Url();
  const auto [first, second] = StartTwo(url);
  second->module().Leave();
  testbed::Pause(milliseconds(500));  // it may be asking just now
  first->module().Drain(seconds(5));
  testbed::Pause(milliseconds(500));  // in which it would ask five times
  EXPECT_EQ(second->Role(), "standby") << "people would be without a queue again in a moment";
  const auto third = Make(url);
  ASSERT_TRUE(third->Start());
  EXPECT_EQ(third->Role(), "leader");
  EXPECT_TRUE(Insist(*third, "ann").has_value());
}

// A frozen gateway is such a caller.
TEST_F(QueueModuleTest, ACallerThatDoesNotHangUpKeepsTheLeadFromNobody) {
  const auto [first, second] = StartTwo(testbed::EmptyRedis().Url());
  ASSERT_TRUE(Insist(*first, "ann").has_value());
  const auto stub = v1::QueueService::NewStub(first->Channel());
  grpc::ClientContext context;
  const auto stream = stub->Execute(&context);
  stream->WaitForInitialMetadata();  // it is taken
  const auto began = std::chrono::steady_clock::now();
  first->module().Drain(kLong);
  EXPECT_TRUE(Eventually([&] { return second->Role() == "leader"; }));
  EXPECT_LT(std::chrono::steady_clock::now() - began, kLong / 3);
}

// A caller that does not hang up makes the drain last, and meanwhile the lead is lost.
TEST_F(QueueModuleTest, OneThatLosesTheLeadWhileItDrainsDoesNotTakeItAgain) {
  testbed::RedisServer& server = testbed::EmptyRedis();
  const auto replica = Make(server.Url(), seconds(7));  // which it renews while it drains, for 2 s
  ASSERT_TRUE(replica->Start());
  ASSERT_TRUE(Insist(*replica, "ann").has_value());
  const auto stub = v1::QueueService::NewStub(replica->Channel());
  grpc::ClientContext context;
  const auto stream = stub->Execute(&context);
  stream->WaitForInitialMetadata();  // it is taken
  auto drain = std::async(std::launch::async, [&] { replica->module().Drain(kLong); });
  ASSERT_TRUE(Eventually([&] { return replica->Role() == "standby"; }));
  ASSERT_EQ(server.AskOne({"SET", "queue:leader", "another"}), "OK");
  ASSERT_TRUE(Eventually([&] { return replica->Metric() == 0; })) << "it has not seen the other";
  ASSERT_EQ(server.AskOne({"DEL", "queue:leader"}), "1");
  while (drain.wait_for(milliseconds(5)) != std::future_status::ready) {
    ASSERT_EQ(replica->Role(), "standby");
    ASSERT_EQ(server.AskOne({"EXISTS", "queue:leader"}), "0");
  }
}

TEST_F(QueueModuleTest, ALeaderThatIsGoneWithoutAWordIsFollowedAtTheEndOfItsLease) {
  const std::string url = testbed::EmptyRedis().Url();
  RedisLeadership gone(redis::Client::Open(url, redis::kPatient).value(), milliseconds(1'000));
  const auto until = gone.Take();
  ASSERT_TRUE(until && *until);
  const auto replica = Make(url);
  ASSERT_TRUE(replica->Start());
  EXPECT_TRUE(Eventually([&] { return replica->Role() == "leader"; }));
  EXPECT_GE(std::chrono::steady_clock::now(), **until);
  EXPECT_TRUE(Insist(*replica, "ann").has_value());
}

// It asks by the name under which it may have the lead already.
TEST_F(QueueModuleTest, AStartThatIsRepeatedHasTheLeadThatItCouldNotGiveBack) {
  testbed::RedisServer& server = testbed::EmptyRedis();
  ASSERT_EQ(server.AskOne({"ACL", "SETUSER", "keeper", "on", ">secret", "~*", "+@all", "-del"}), "OK");
  Replica replica(dir_, "none/replica", fmt::format("redis://keeper:secret@127.0.0.1:{}", server.port()),
                  kLong);
  const auto refused = replica.Start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "listen_failed");
  EXPECT_EQ(server.AskOne({"EXISTS", "queue:leader"}), "1") << "it could not be given back";
  std::filesystem::create_directory(dir_.path() / "none");
  ASSERT_TRUE(replica.Start());
  EXPECT_EQ(replica.Role(), "leader");
}

// What a process finds that was paused past its lease.
TEST_F(QueueModuleTest, ALeaderThatFindsAnotherStandsDownAndFollowsIt) {
  testbed::RedisServer& server = testbed::EmptyRedis();
  const auto replica = Make(server.Url(), seconds(6));
  ASSERT_TRUE(replica->Start());
  ASSERT_EQ(server.AskOne({"SET", "queue:leader", "another"}), "OK");
  EXPECT_TRUE(Eventually([&] { return replica->Role() == "standby"; }));
  EXPECT_EQ(replica->Metric(), 0);
  EXPECT_TRUE(Eventually([&] { return !replica->Listens(); }));
  ASSERT_EQ(server.AskOne({"DEL", "queue:leader"}), "1");
  EXPECT_TRUE(Eventually([&] { return replica->Role() == "leader"; }));
  EXPECT_TRUE(Insist(*replica, "ann").has_value());
}

TEST_F(QueueModuleTest, WhileRedisIsAwayALeaderServesOnAsLongAsNobodyElseCanLead) {
  testbed::RedisServer server;
  const auto replica = Make(server.Url(), seconds(30));
  ASSERT_TRUE(replica->Start());
  ASSERT_TRUE(Insist(*replica, "ann").has_value());
  server.Freeze();
  const auto end = std::chrono::steady_clock::now() + seconds(9);  // a renewal fails
  while (std::chrono::steady_clock::now() < end) {
    ASSERT_EQ(replica->Role(), "leader");
    testbed::Pause(milliseconds(20));
  }
  EXPECT_TRUE(replica->Join("ann").has_value()) << "it is in memory";
  server.Thaw();
  EXPECT_TRUE(Eventually([&] { return replica->Join("bob").has_value(); }));
  EXPECT_EQ(replica->Role(), "leader");
}

TEST_F(QueueModuleTest, WhenRedisIsAwayForLongerThanTheLeaseALeaderStandsDownAndIsElectedAnew) {
  testbed::RedisServer server;
  const auto replica = Make(server.Url(), seconds(2));
  ASSERT_TRUE(replica->Start());
  const auto joined = Insist(*replica, "ann");
  ASSERT_TRUE(joined.has_value());
  server.Freeze();
  EXPECT_TRUE(Eventually([&] { return replica->Role() == "standby"; }));
  EXPECT_TRUE(Eventually([&] { return !replica->Listens(); }));
  server.Thaw();
  EXPECT_TRUE(Eventually([&] { return replica->Role() == "leader"; }));
  const auto again = Insist(*replica, "ann");
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->sequence(), joined->sequence());
}

// Of a show of which nothing is stored the queue is OPEN.
TEST_F(QueueModuleTest, AQueueThatWasPausedStaysSoThoughRedisHasLostAll) {
  testbed::RedisServer& server = testbed::EmptyRedis();
  const auto replica = Make(server.Url(), seconds(6));
  ASSERT_TRUE(replica->Start());
  ASSERT_TRUE(Eventually([&] { return replica->SetQueue(v1::PAUSED); }));
  ASSERT_EQ(server.AskOne({"FLUSHALL"}), "OK");
  // It stands down, as its lead is gone, and takes it anew.
  ASSERT_TRUE(Eventually([&] { return server.AskOne({"EXISTS", "queue:leader"}) == "1"; }));
  const auto joined = Insist(*replica, "ann");
  ASSERT_TRUE(joined.has_value());
  EXPECT_EQ(joined->state(), v1::WAITING);
}

TEST_F(QueueModuleTest, WhoeverStoodByKnowsWhatRedisAndTheLeaderHaveLost) {
  testbed::RedisServer& server = testbed::EmptyRedis();
  const auto [first, second] = StartTwo(server.Url());
  ASSERT_TRUE(Eventually([&] { return first->SetQueue(v1::PAUSED); }));
  ASSERT_TRUE(Eventually([&] { return second->Metrics().contains("\nboxoffice_queue_shows 1\n"); }));
  first->module().Leave();  // it does not take the lead again
  ASSERT_EQ(server.AskOne({"FLUSHALL"}), "OK");
  ASSERT_TRUE(Eventually([&] { return second->Role() == "leader"; }));
  const auto joined = Insist(*second, "ann");
  ASSERT_TRUE(joined.has_value());
  EXPECT_EQ(joined->state(), v1::WAITING);
}

// The draw was lost after the leader had stood down, and whoever leads now has never seen it.
TEST_F(QueueModuleTest, WhoeverStandsByMakesADrawThatItKnewOfAgain) {
  testbed::RedisServer& server = testbed::EmptyRedis();
  const auto replica = Make(server.Url(), seconds(6));
  ASSERT_TRUE(replica->Start());
  ASSERT_TRUE(Eventually([&] { return replica->SetQueue(v1::PREQUEUE); }));
  ASSERT_TRUE(Insist(*replica, "ann") && Insist(*replica, "bob"));
  const std::string row = KeyOf(kShow, "show");
  ASSERT_EQ(server.AskOne({"COPY", row, "before"}), "1");
  ASSERT_TRUE(Eventually([&] { return replica->SetQueue(v1::PAUSED); }));
  ASSERT_NE(server.AskOne({"HGET", row, "drawn"}), "0");
  const std::string seed = server.AskOne({"HGET", row, "seed"});
  ASSERT_EQ(server.AskOne({"COPY", "before", row, "REPLACE"}), "1");
  const Stores stores = OpenRedis(server.Url(), redis::kPatient).value();
  const SystemClock clock;
  obs::Registry metrics;
  Service another(*stores.store, clock, metrics, {});
  ASSERT_TRUE(Eventually([&] { return another.Load().has_value(); }));
  ASSERT_EQ(server.AskOne({"HGET", row, "drawn"}), "0");
  ASSERT_EQ(server.AskOne({"SET", "queue:leader", "another"}), "OK");
  ASSERT_TRUE(Eventually([&] { return server.AskOne({"HGET", row, "drawn"}) != "0"; }));
  EXPECT_EQ(server.AskOne({"HGET", row, "seed"}), seed);
  std::promise<Result<Outcome>> joined;
  another.Submit(Join{kShow, "eve"}, [&](Result<Outcome> outcome) { joined.set_value(std::move(outcome)); });
  const auto eve = std::get<SessionAnswer>(joined.get_future().get().value());
  EXPECT_EQ(eve.position, 3) << "behind all who were drawn";
  EXPECT_EQ(eve.place, 0);
  EXPECT_EQ(eve.queue_state, QueueState::kPaused) << "as the one that stood down had set it";
}

TEST_F(QueueModuleTest, ALeaderThatAdmitsNobodyStillSaysWhoWaits) {
  Replica idle(dir_, "idle", testbed::EmptyRedis().Url(), seconds(5), milliseconds(0));
  ASSERT_TRUE(idle.Start());
  ASSERT_TRUE(Insist(idle, "ann"));
  EXPECT_TRUE(Eventually(
      [&] { return idle.Metrics().find("boxoffice_queue_show_waiting{show=\"7\"}") != std::string::npos; }));
}

TEST_F(QueueModuleTest, OneThatCantListenLeavesTheLeadToOthers) {
  const std::string url = testbed::EmptyRedis().Url();
  const auto first = Make(url);
  ASSERT_TRUE(first->Start());
  {
    Replica standby(dir_, "none/replica", url, kLong);
    ASSERT_TRUE(standby.Start()) << "it listens only when it leads";
    EXPECT_EQ(standby.Role(), "standby");
  }
  first->module().Drain(seconds(5));
  // It asks for the lead before its Start returns, so that nobody else can come first.
  Replica elected(dir_, "none/replica", url, kLong);
  const auto started = elected.Start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().reason, "listen_failed");
  EXPECT_EQ(elected.Role(), "standby");
  const auto third = Make(url);
  ASSERT_TRUE(third->Start());
  EXPECT_EQ(third->Role(), "leader") << "long before the lease ends";
}

}  // namespace
}  // namespace boxoffice::queue
