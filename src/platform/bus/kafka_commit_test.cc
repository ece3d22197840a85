// What a group on Kafka commits while its coordinator answers late, or with an error: on librdkafka's own
// mock of a cluster, which can be told what to answer.
#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "platform/bus/inbox_for_test.h"
#include "platform/bus/kafka_bus.h"
#include "platform/bus/kafka_client.h"

namespace boxoffice::bus {
namespace {

constexpr int16_t kOffsetCommit = 8;  // its key in Kafka's protocol

struct EndCluster {
  void operator()(rd_kafka_mock_cluster_t* cluster) const { rd_kafka_mock_cluster_destroy(cluster); }
};

class KafkaCommitTest : public testing::Test {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "librdkafka starts its threads by C11's thrd_create, which ThreadSanitizer does not see";
#endif
    std::array<char, 512> text{};
    host_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text.data(), text.size()));
    ASSERT_TRUE(host_) << text.data();
    cluster_.reset(rd_kafka_mock_cluster_new(host_.get(), 1));
    ASSERT_TRUE(cluster_);
    for (const char* topic : {"seat", "seat.g.dead"}) {
      ASSERT_EQ(rd_kafka_mock_topic_create(cluster_.get(), topic, 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    config_.brokers = rd_kafka_mock_cluster_bootstraps(cluster_.get());
    config_.min_gap = milliseconds(0);
    config_.commit_timeout = milliseconds(60'000);
    asker_ = kafka::NewClient(RD_KAFKA_CONSUMER, config_, {{"group.id", "g"}}).value();
  }

  // A group that has its partition, and has committed where it begins.
  void Begin() {
    bus_ = KafkaBus::Open(config_, clock_, metrics_).value();
    ASSERT_TRUE(bus_->Subscribe("g", {"seat"}, inbox_.Consume()));
    ASSERT_TRUE(Eventually([&] { return Committed() == 0; }));
  }
  void Put(const std::string& body) { ASSERT_TRUE(bus_->Publish(std::array{events_.Make("k", body)})); }
  // What the cluster has of the group; -1: nothing, or it does not say.
  [[nodiscard]] int64_t Committed() const {
    constexpr int kAnswerMs = 10'000;
    const kafka::Partitions place = kafka::NewPartitions();
    rd_kafka_topic_partition_list_add(place.get(), "seat", 0);
    if (rd_kafka_committed(asker_.get(), place.get(), kAnswerMs) != RD_KAFKA_RESP_ERR_NO_ERROR) return -1;
    return std::max(place->elems[0].offset, int64_t{-1});
  }

  kafka::Client host_;
  std::unique_ptr<rd_kafka_mock_cluster_t, EndCluster> cluster_;
  KafkaBusConfig config_;
  kafka::Client asker_;
  SystemClock clock_;
  EventMaker events_;
  obs::Registry metrics_;
  Inbox inbox_;
  std::unique_ptr<KafkaBus> bus_;
};

// The first commit is refused by a coordinator that still loads, and librdkafka sends it again a second
// later.
TEST_F(KafkaCommitTest, ACommitThatIsSentAgainTakesNoLaterOneBack) {
  config_.properties = {{"retry.backoff.ms", "1000"}};
  ASSERT_NO_FATAL_FAILURE(Begin());
  rd_kafka_mock_push_request_errors(cluster_.get(), kOffsetCommit, 1,
                                    RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
  Put("1");
  ASSERT_EQ(inbox_.WaitFor(1).size(), 1);
  Put("2");
  ASSERT_EQ(inbox_.WaitFor(2).size(), 2);
  EXPECT_TRUE(Eventually([&] { return Committed() == 2; })) << Committed();
  bus_.reset();  // waits for all commits that are under way
  EXPECT_EQ(Committed(), 2);
}

TEST_F(KafkaCommitTest, WhatACommitWasRefusedIsCommittedWithoutAnotherEvent) {
  ASSERT_NO_FATAL_FAILURE(Begin());
  int64_t sent = 0;
  for (const rd_kafka_resp_err_t error :
       {RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR_NOT_COORDINATOR}) {
    // librdkafka itself gives up at the third time.
    rd_kafka_mock_push_request_errors(cluster_.get(), kOffsetCommit, 3, error, error, error);
    Put(rd_kafka_err2name(error));
    ++sent;
    EXPECT_TRUE(Eventually([&] { return Committed() == sent; }))
        << rd_kafka_err2name(error) << ", " << Committed();
    rd_kafka_mock_clear_request_errors(cluster_.get(), kOffsetCommit);
  }
}

// The answer that refuses it comes only when the group has begun to give its partition up.
TEST_F(KafkaCommitTest, WhatIsUnderWayWhenPartitionsAreGivenUpIsWaitedFor) {
  ASSERT_NO_FATAL_FAILURE(Begin());
  constexpr int kBroker = 1;
  constexpr int kAnswerMs = 500;
  ASSERT_EQ(rd_kafka_mock_broker_push_request_error_rtts(cluster_.get(), kBroker, kOffsetCommit, 1,
                                                         RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, kAnswerMs),
            RD_KAFKA_RESP_ERR_NO_ERROR);
  Put("1");
  ASSERT_EQ(inbox_.WaitFor(1).size(), 1);
  bus_.reset();
  EXPECT_EQ(Committed(), 1);
}

// As where another process has taken its name: librdkafka gives a client up, and another one is made.
TEST_F(KafkaCommitTest, WhatAFencedClientCouldNotCommitComesAgainToTheOneInItsPlace) {
  config_.properties = {{"group.instance.id", "one"}};
  config_.session_timeout = milliseconds(3'000);  // until the cluster forgets the former one
  ASSERT_NO_FATAL_FAILURE(Begin());
  rd_kafka_mock_push_request_errors(cluster_.get(), kOffsetCommit, 1, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
  Put("1");
  EXPECT_THAT(inbox_.WaitFor(2), testing::ElementsAre("1", "1"));
  EXPECT_TRUE(Eventually([&] { return Committed() == 1; })) << Committed();
}

}  // namespace
}  // namespace boxoffice::bus
