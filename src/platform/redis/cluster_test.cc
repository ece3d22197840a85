// The client against a real cluster of three masters and three replicas, in which slots move and masters die.
#include <charconv>
#include <future>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "platform/redis/client.h"
#include "platform/redis/redis_for_test.h"
#include "platform/redis/slot.h"
#include "testing/redis_server.h"
#include "testing/wait.h"

namespace boxoffice::redis {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const Script& Add() {
  static const Script script("return redis.call('INCRBY', KEYS[1], ARGV[1])");
  return script;
}
// Touches two keys of a show, as a save does.
const Script& AddTwo() {
  static const Script script("redis.call('INCR', KEYS[1]) return redis.call('INCR', KEYS[2])");
  return script;
}
std::string KeyOf(int show) { return "{show:" + std::to_string(show) + "}:n"; }
Request AddTo(int show) { return Request::Call(Add(), {KeyOf(show)}, {"1"}); }

int64_t NumberAt(const std::string& text, size_t at) {
  int64_t number = 0;
  std::from_chars(text.data() + at, text.data() + text.size(), number);
  return number;
}

class RedisClusterTest : public ::testing::Test {
 protected:
  static constexpr int kShows = 40;
  static constexpr seconds kSoon{2};  // the time-out of a node whose failure is waited for

  void SetUp() override {
    BOXOFFICE_NEEDS_REDIS();
    cluster_ = &testbed::EmptyRedisCluster();
    client_ = Client::Open(cluster_->Url(), kPatient).value();
  }

  static std::vector<Request> OneOfEachShow() {
    std::vector<Request> requests;
    for (int show = 0; show < kShows; ++show) requests.push_back(AddTo(show));
    return requests;
  }
  // Tries until it is done, as a service's caller does; how long that took.
  milliseconds UntilDone(const Request& request, milliseconds timeout) {
    const auto start = SteadyClock::now();
    while (SteadyClock::now() < start + timeout && !client_->Run(request)) {
      std::promise<void>().get_future().wait_for(milliseconds(10));
    }
    return std::chrono::duration_cast<milliseconds>(SteadyClock::now() - start);
  }
  size_t OtherMaster(uint16_t slot) {
    const size_t master = cluster_->MasterOf(slot);
    for (const uint16_t other : {uint16_t{0}, uint16_t{8000}, uint16_t{16000}}) {
      if (cluster_->MasterOf(other) != master) return cluster_->MasterOf(other);
    }
    return testbed::RedisCluster::kNodes;
  }
  int64_t ValueOf(int show) { return client_->Run(Request::Command({"GET", KeyOf(show)}))->value().Int(); }

  testbed::RedisCluster* cluster_ = nullptr;
  std::unique_ptr<Client> client_;
};

TEST_F(RedisClusterTest, ABatchGoesToEveryShowsOwnMaster) {
  std::set<size_t> masters;
  for (int show = 0; show < kShows; ++show) masters.insert(cluster_->MasterOf(SlotOf(KeyOf(show))));
  ASSERT_EQ(masters.size(), 3) << "the shows are spread";
  for (const auto& reply : client_->RunAll(OneOfEachShow())) {
    ASSERT_TRUE(reply.has_value()) << reply.error().detail;
    EXPECT_EQ(reply->value().Int(), 1);
  }
}

TEST_F(RedisClusterTest, ASlotThatHasMovedIsFollowed) {
  ASSERT_TRUE(client_->Run(AddTo(1)));
  const uint16_t slot = SlotOf(KeyOf(1));
  const size_t to = OtherMaster(slot);
  cluster_->BeginMove(slot, to);
  cluster_->MoveKeys(slot, to);
  cluster_->EndMove(slot, to);
  EXPECT_EQ(client_->Run(AddTo(1))->value().Int(), 2);
  EXPECT_EQ(cluster_->MasterOf(slot), to);
}

TEST_F(RedisClusterTest, AKeyThatMovesIsAskedForWhereItIs) {
  ASSERT_TRUE(client_->Run(AddTo(2)));
  const uint16_t slot = SlotOf(KeyOf(2));
  const size_t to = OtherMaster(slot);
  cluster_->BeginMove(slot, to);
  EXPECT_EQ(client_->Run(AddTo(2))->value().Int(), 2) << "still where it was";
  cluster_->MoveKeys(slot, to);
  EXPECT_EQ(client_->Run(AddTo(2))->value().Int(), 3) << "by ASK, with the text of the script";
  cluster_->EndMove(slot, to);
  EXPECT_EQ(client_->Run(AddTo(2))->value().Int(), 4) << "by MOVED";
}

TEST_F(RedisClusterTest, KeysOfOneScriptThatMoveApartAreWaitedFor) {
  const std::string first = "{show:3}:a";
  const std::string second = "{show:3}:b";
  ASSERT_TRUE(client_->Run(Request::Call(AddTwo(), {first, second}, {})));
  const uint16_t slot = SlotOf(first);
  const size_t from = cluster_->MasterOf(slot);
  const size_t to = OtherMaster(slot);
  cluster_->BeginMove(slot, to);
  ASSERT_EQ(cluster_->node(from).AskOne(
                {"MIGRATE", "127.0.0.1", std::to_string(cluster_->node(to).port()), first, "0", "5000"}),
            "OK");
  const auto hasty =
      Client::Open(cluster_->Url(), {.connect_timeout = seconds(1), .command_timeout = seconds(2)}).value();
  Error error;
  EXPECT_TRUE(testbed::Eventually([&] {  // its time may end while the last answer is on its way
    error = hasty->Run(Request::Call(AddTwo(), {first, second}, {})).error();
    return error.detail.contains("TRYAGAIN");
  })) << error.detail;
  EXPECT_EQ(error.code, Code::kUnavailable);
  auto later = std::async(std::launch::async,
                          [&] { return client_->Run(Request::Call(AddTwo(), {first, second}, {})); });
  std::promise<void>().get_future().wait_for(milliseconds(200));
  cluster_->MoveKeys(slot, to);
  const auto reply = later.get();
  ASSERT_TRUE(reply.has_value()) << reply.error().detail;
  EXPECT_EQ(reply->value().Int(), 2);
  cluster_->EndMove(slot, to);
}

TEST_F(RedisClusterTest, AMasterThatDiesIsReplacedByItsReplica) {
  ASSERT_TRUE(client_->Run(AddTo(4)));
  const size_t master = cluster_->MasterOf(SlotOf(KeyOf(4)));
  cluster_->node(master).Kill9();
  const auto replies = client_->RunAll(OneOfEachShow());
  size_t failed = 0;
  for (const auto& reply : replies) failed += reply ? 0 : 1;
  EXPECT_GT(failed, 0);
  EXPECT_LT(failed, kShows) << "shows of other masters are not touched by it";
  cluster_->SetNodeTimeout(kSoon);
  EXPECT_LT(UntilDone(AddTo(4), seconds(60)), seconds(60));
  EXPECT_NE(cluster_->MasterOf(SlotOf(KeyOf(4))), master);
  cluster_->node(master).Start();
  cluster_->AwaitHealthy();
  EXPECT_TRUE(client_->Run(AddTo(4)).has_value());
}

TEST_F(RedisClusterTest, AMasterThatFreezesIsReplacedAndFollowsAfterItWakes) {
  client_ =
      Client::Open(cluster_->Url(), {.connect_timeout = seconds(1), .command_timeout = seconds(2)}).value();
  ASSERT_LT(UntilDone(AddTo(5), seconds(60)), seconds(60));
  const size_t master = cluster_->MasterOf(SlotOf(KeyOf(5)));
  cluster_->SetNodeTimeout(kSoon);
  cluster_->node(master).Freeze();
  EXPECT_EQ(client_->Run(AddTo(5)).error().code, Code::kUnknown);
  EXPECT_LT(UntilDone(AddTo(5), seconds(60)), seconds(60));
  const int64_t value = ValueOf(5);
  cluster_->node(master).Thaw();
  cluster_->AwaitHealthy();
  ASSERT_LT(UntilDone(Request::Command({"GET", KeyOf(5)}), seconds(60)), seconds(60));
  EXPECT_EQ(client_->Run(AddTo(5))->value().Int(), value + 1);
}

// Each of those costs its time-out before anything is sent.
TEST_F(RedisClusterTest, AServerThatIsWellIsNotLostWhileFrozenOnesAreWaitedFor) {
  const size_t well = cluster_->MasterOf(SlotOf(KeyOf(9)));
  std::set<size_t> frozen;
  for (int show = 0; show < kShows; ++show) frozen.insert(cluster_->MasterOf(SlotOf(KeyOf(show))));
  frozen.erase(well);
  ASSERT_EQ(frozen.size(), 2);
  const std::string url = "redis+cluster://127.0.0.1:" + std::to_string(cluster_->node(well).port());
  const Options hasty{.connect_timeout = milliseconds(1'000), .command_timeout = milliseconds(1'500)};
  const auto client = Client::Open(url, hasty).value();
  ASSERT_TRUE(testbed::Eventually([&] { return client->Run(AddTo(9)).has_value(); }))
      << "it knows the map, and is connected to nobody else";
  for (const size_t node : frozen) cluster_->node(node).Freeze();
  const auto replies = client->RunAll(OneOfEachShow());
  for (const size_t node : frozen) cluster_->node(node).Thaw();
  for (const auto& reply : replies) {
    ASSERT_FALSE(reply.has_value());
    EXPECT_EQ(reply.error().code, Code::kUnavailable) << reply.error().detail;
  }
  EXPECT_TRUE(client->Run(AddTo(9))) << "nor is there a pause";
  cluster_->AwaitHealthy();
}

TEST_F(RedisClusterTest, AClusterThatMissesSlotsIsUnavailableUntilTheyAreBack) {
  const uint16_t slot = SlotOf(KeyOf(7));
  const size_t master = cluster_->MasterOf(slot);
  const size_t replica = (master + testbed::RedisCluster::kMasters) % testbed::RedisCluster::kNodes;
  int other = 0;  // a show of another master
  while (cluster_->MasterOf(SlotOf(KeyOf(other))) == master) ++other;
  cluster_->node(replica).Kill9();
  cluster_->node(master).Kill9();
  cluster_->SetNodeTimeout(kSoon);
  const auto until = SteadyClock::now() + seconds(60);
  Error error;
  while (SteadyClock::now() < until && !error.detail.contains("CLUSTERDOWN")) {
    const auto reply = client_->Run(AddTo(other));
    if (!reply) error = reply.error();
    std::promise<void>().get_future().wait_for(milliseconds(20));
  }
  EXPECT_THAT(error.detail, ::testing::HasSubstr("CLUSTERDOWN"));
  EXPECT_EQ(error.code, Code::kUnavailable);
  cluster_->node(master).Start();
  cluster_->node(replica).Start();
  cluster_->AwaitHealthy();
  EXPECT_LT(UntilDone(AddTo(other), seconds(60)), seconds(60));
  EXPECT_LT(UntilDone(AddTo(7), seconds(60)), seconds(60));
}

TEST_F(RedisClusterTest, TheMapIsReadAgainNowAndThenOfAnotherServerEachTime) {
  const auto reads = [&] {
    std::vector<int64_t> of_nodes;
    for (size_t i = 0; i < testbed::RedisCluster::kNodes; ++i) {
      const std::string stats = cluster_->node(i).AskOne({"INFO", "commandstats"});
      const size_t at = stats.find("cmdstat_cluster|slots:calls=");
      of_nodes.push_back(at == std::string::npos ? 0 : NumberAt(stats, at + 28));
    }
    return of_nodes;
  };
  Options options = kPatient;
  options.refresh_interval = milliseconds(1);
  const auto client = Client::Open(cluster_->Url(), options).value();
  ASSERT_TRUE(client->Run(AddTo(8)));
  const std::vector<int64_t> before = reads();
  for (size_t i = 0; i < testbed::RedisCluster::kNodes; ++i) {
    std::promise<void>().get_future().wait_for(milliseconds(150));
    ASSERT_TRUE(client->Run(AddTo(8)));
  }
  const std::vector<int64_t> after = reads();
  int64_t more = 0;
  size_t asked = 0;
  for (size_t i = 0; i < after.size(); ++i) {
    more += after[i] - before[i];
    if (after[i] != before[i]) ++asked;
  }
  EXPECT_GE(more, std::ssize(after));
  EXPECT_GE(asked, after.size() / 2);
}

TEST_F(RedisClusterTest, ASeedThatIsDownIsPassedOver) {
  const size_t replica = 5;  // the last of the URL's
  cluster_->node(replica).Kill9();
  const std::string url = "redis+cluster://127.0.0.1:" + std::to_string(cluster_->node(replica).port()) +
                          "," + "127.0.0.1:" + std::to_string(cluster_->node(1).port());
  const auto client = Client::Open(url, kPatient).value();
  EXPECT_TRUE(client->Run(AddTo(6)).has_value());
  cluster_->node(replica).Start();
  cluster_->AwaitHealthy();
}

}  // namespace
}  // namespace boxoffice::redis
