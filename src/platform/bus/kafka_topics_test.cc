// The Kafka bus where its topics are not as it left them: deleted, extended, missing, or with records in them
// that others have written.
#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/text.h"
#include "platform/bus/bus_factory.h"
#include "platform/bus/inbox_for_test.h"
#include "platform/bus/kafka_bus.h"
#include "platform/bus/kafka_client.h"
#include "platform/bus/kafka_for_test.h"
#include "platform/bus/kafka_producer.h"
#include "platform/bus/kafka_record.h"
#include "platform/bus/refusing_cluster_for_test.h"

namespace boxoffice::bus {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class KafkaTopicsTest : public KafkaTest {
 protected:
  std::string Full(const std::string& topic) const { return config_.prefix + topic; }

  // What an operator's tools do.
  void Administer(const std::function<void(rd_kafka_t*, rd_kafka_queue_t*)>& ask) const {
    const kafka::Client client = kafka::NewClient(RD_KAFKA_PRODUCER, config_, {}).value();
    const kafka::Owned<rd_kafka_queue_t> answers(rd_kafka_queue_new(client.get()));
    ask(client.get(), answers.get());
    const kafka::Owned<rd_kafka_event_t> answer(rd_kafka_queue_poll(answers.get(), 60'000));
    ASSERT_NE(answer, nullptr);
    ASSERT_EQ(rd_kafka_event_error(answer.get()), RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  void DeleteTopic(const std::string& topic) const {
    rd_kafka_DeleteTopic_t* doomed = rd_kafka_DeleteTopic_new(Full(topic).c_str());
    Administer([&](rd_kafka_t* client, rd_kafka_queue_t* answers) {
      rd_kafka_DeleteTopics(client, &doomed, 1, nullptr, answers);
    });
    rd_kafka_DeleteTopic_destroy(doomed);
  }
  void SetPartitions(const std::string& topic, size_t count) const {
    std::array<char, 512> text{};
    rd_kafka_NewPartitions_t* more =
        rd_kafka_NewPartitions_new(Full(topic).c_str(), count, text.data(), text.size());
    ASSERT_NE(more, nullptr) << text.data();
    Administer([&](rd_kafka_t* client, rd_kafka_queue_t* answers) {
      rd_kafka_CreatePartitions(client, &more, 1, nullptr, answers);
    });
    rd_kafka_NewPartitions_destroy(more);
  }
  void MakeByHand(const std::string& topic, const std::map<std::string, std::string>& settings = {}) const {
    std::array<char, 512> text{};
    rd_kafka_NewTopic_t* made =
        rd_kafka_NewTopic_new(Full(topic).c_str(), 1, /*replication_factor=*/1, text.data(), text.size());
    ASSERT_NE(made, nullptr) << text.data();
    for (const auto& [name, value] : settings)
      rd_kafka_NewTopic_set_config(made, name.c_str(), value.c_str());
    Administer([&](rd_kafka_t* client, rd_kafka_queue_t* answers) {
      rd_kafka_CreateTopics(client, &made, 1, nullptr, answers);
    });
    rd_kafka_NewTopic_destroy(made);
  }
  // "TOPIC SETTING WANTED" of what is there with other settings.
  std::vector<std::string> Differences(const TopicSpec& spec) const {
    const auto differences = CreateTopics(config_, {spec});
    EXPECT_TRUE(differences) << differences.error().detail;
    std::vector<std::string> told;
    for (const TopicDifference& difference : differences.value_or(std::vector<TopicDifference>())) {
      told.push_back(fmt::format("{} {} {}", difference.topic, difference.setting, difference.wanted));
    }
    return told;
  }
  // As another program with our headers.
  void Write(const std::string& topic, int partition, const std::string& key, const std::string& value,
             kafka::Owned<rd_kafka_headers_t> headers) const {
    std::vector<kafka::Outgoing> written;
    written.push_back({Full(topic), partition, key, value, std::move(headers), "foreign"});
    const Result<void> sent = kafka::Producer::Open(config_).value()->Send(written);
    ASSERT_TRUE(sent) << sent.error().detail;
  }
  std::vector<std::string> Missing() const {
    const auto missing =
        MissingOf(fmt::format("{}?prefix={}", ClusterBusUrl(config_.brokers), config_.prefix),
                  {.published = {"seat"}, .group = "g", .consumed = {"seat"}});
    EXPECT_TRUE(missing) << missing.error().detail;
    return missing.value_or(std::vector<std::string>());
  }
};

// Where librdkafka waits for what a deleted topic has left behind, this and the next never end.
TEST_F(KafkaTopicsTest, AGroupGoesOnAndEndsAfterATopicWasDeletedAndMadeAgain) {
  MakeTestTopics(config_, {"g"});
  config_.properties = {{"topic.metadata.refresh.interval.ms", "200"}};
  ASSERT_TRUE(Open()->Publish(std::array{Make("a", "1")}));
  auto bus = Open();
  Inbox inbox;
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, inbox.Consume()));
  ASSERT_THAT(inbox.WaitFor(1), ElementsAre("1"));
  ASSERT_TRUE(Eventually([&] { return LagOf(*Open()).value_or(-1) == 0; }))
      << "its place goes with the topic";
  // Of the group's client, as no other that is there has had to do with the topic.
  const std::string gone = fmt::format("Topic {} partition count changed from 2 to 0", Full("seat"));
  testing::internal::CaptureStderr();
  DeleteTopic("seat");
  ASSERT_TRUE(testing::internal::GetCapturedStderr().contains(gone) || Logs(gone));
  MakeTestTopics(config_, {"g"});
  ASSERT_TRUE(bus->Publish(std::array{Make("a", "2")}));
  EXPECT_THAT(inbox.WaitFor(2), ElementsAre("1", "2"));
  bus.reset();
}

// A key that is set aside since before its topic was deleted and made again: its dead letter has an offset
// that the new log's events have too.
class KafkaSetAsideTest : public KafkaTopicsTest {
 protected:
  // The key a becomes a dead letter of the group, which `bus` serves; nothing else of `bus` has had to do
  // with the topic.
  void SetAside(KafkaBus& bus) {
    MakeTestTopics(config_, {"g"}, 1);
    const auto other = Open();
    ASSERT_TRUE(other->Publish(std::array{Make("b", "y"), Make("b", "z"), Make("a", "0")}));
    ASSERT_TRUE(bus.Subscribe("g", {"seat"}, FailOn(inbox_, broken_, "0")));
    ASSERT_EQ(WaitForDeadLetters(*other, 1).size(), 1U);
    ASSERT_THAT(inbox_.WaitFor(2), ElementsAre("y", "z"));
    ASSERT_TRUE(Eventually([&] { return LagOf(*other).value_or(-1) == 0; }))
        << "its place goes with the topic";
  }
  void MakeAgain() {
    ASSERT_TRUE(Eventually([&] { return !Missing().empty(); }));
    MakeTestTopics(config_, {"g"}, 1);
    ASSERT_TRUE(Open()->Publish(std::array{Make("a", "1"), Make("b", "x"), Make("a", "2")}));
  }
  void ExpectThatTheKeyLosesNothing(KafkaBus& bus) {
    EXPECT_THAT(inbox_.WaitFor(3), ElementsAre("y", "z", "x"));
    *broken_ = false;
    const std::vector<DeadLetter> letters = WaitForDeadLetters(bus, 1);
    ASSERT_EQ(letters.size(), 1U);
    ASSERT_TRUE(bus.Replay(letters[0].id));
    EXPECT_THAT(inbox_.WaitFor(6), ElementsAre("y", "z", "x", "0", "1", "2"));
    EXPECT_TRUE(Eventually([&] { return LagOf(bus).value_or(-1) == 0; })) << "its place is committed again";
  }

  Inbox inbox_;
  std::shared_ptr<std::atomic<bool>> broken_ = std::make_shared<std::atomic<bool>>(true);
};

TEST_F(KafkaSetAsideTest, ItGetsWhatIsNewWhereItsTopicWasMadeAgainUnderTheGroup) {
  config_.properties = {{"topic.metadata.refresh.interval.ms", "200"}};
  const auto bus = Open();
  ASSERT_NO_FATAL_FAILURE(SetAside(*bus));
  const std::string gone = fmt::format("Topic {} partition count changed from 1 to 0", Full("seat"));
  testing::internal::CaptureStderr();
  DeleteTopic("seat");
  ASSERT_TRUE(testing::internal::GetCapturedStderr().contains(gone) || Logs(gone));
  ASSERT_NO_FATAL_FAILURE(MakeAgain());
  ExpectThatTheKeyLosesNothing(*bus);
}

TEST_F(KafkaSetAsideTest, ItGetsWhatIsNewWhereItsTopicWasMadeAgainWhileTheGroupWasAway) {
  auto bus = Open();
  ASSERT_NO_FATAL_FAILURE(SetAside(*bus));
  bus.reset();
  DeleteTopic("seat");
  ASSERT_NO_FATAL_FAILURE(MakeAgain());
  bus = Open();
  ASSERT_TRUE(Eventually([&] { return LagOf(*bus).value_or(-1) == 3; })) << "it has no place any more";
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, FailOn(inbox_, broken_, "0")));
  ExpectThatTheKeyLosesNothing(*bus);
}

TEST_F(KafkaTopicsTest, AReaderEndsAfterATopicThatItHasReadWasDeleted) {
  MakeTestTopics(config_, {});
  auto bus = Open();
  ASSERT_TRUE(bus->Publish(std::array{Make("a", "1")}));
  ASSERT_EQ(bus->Read("seat", {}, 10).value().records.size(), 1U);
  DeleteTopic("seat");
  EXPECT_TRUE(Eventually([&] {
    const Result<Page> page = bus->Read("seat", {}, 10);
    return page && page->records.empty();
  }));
  bus.reset();
}

TEST_F(KafkaTopicsTest, ATopicThatHasGotMorePartitionsIsConsumedOnceItsDeadLetterTopicHasThemToo) {
  MakeTestTopics(config_, {"g"}, 1);
  EXPECT_THAT(Missing(), IsEmpty());
  ASSERT_NO_FATAL_FAILURE(SetPartitions("seat", 3));
  EXPECT_TRUE(Eventually([&] { return !Missing().empty(); }));
  EXPECT_THAT(Missing(), ElementsAre(fmt::format("{} has fewer partitions (1) than {} (3)",
                                                 Full("seat.g.dead"), Full("seat"))));
  auto bus = Open();
  Inbox inbox;
  ASSERT_TRUE(bus->Publish(std::array{Make("a", "1")}));
  ASSERT_TRUE(bus->Subscribe("g", {"seat", "wallet"}, inbox.Consume()));
  EXPECT_TRUE(Logs(Full("seat.g.dead has no partition")));
  MakeTestTopics(config_, {"g"}, 1);
  EXPECT_THAT(inbox.WaitFor(1), ElementsAre("1"));
  EXPECT_THAT(Missing(), IsEmpty());
}

TEST_F(KafkaTopicsTest, OnOneReplicaAnEventIsOnTheDiskBeforeItIsAcknowledged) {
  const TopicSpec spec{.name = "wallet", .partitions = 1, .groups = {"g"}};
  EXPECT_THAT(Differences(spec), IsEmpty());
  EXPECT_THAT(Differences(spec), IsEmpty()) << "it was made so";
  MakeByHand("seat");
  MakeByHand("seat.g.dead");
  EXPECT_THAT(Differences({.name = "seat", .partitions = 1, .groups = {"g"}}),
              AllOf(Contains(Full("seat flush.messages 1")), Contains(Full("seat.g.dead flush.messages 1"))));
  // What one broker can't make: what is there is compared with what it would be.
  EXPECT_THAT(
      Differences({.name = "seat", .partitions = 1, .replication_factor = 3, .groups = {"g"}}),
      AllOf(Contains(Full("seat min.insync.replicas 2")), Not(Contains(HasSubstr("flush.messages")))));
}

TEST_F(KafkaTopicsTest, WhatIsAcknowledgedStaysWhateverTheBrokersDefaultsAre) {
  MakeByHand("seat", {{"retention.bytes", "1073741824"}, {"unclean.leader.election.enable", "true"}});
  MakeByHand("seat.g.dead", {{"unclean.leader.election.enable", "true"}});
  EXPECT_THAT(Differences({.name = "seat", .partitions = 1, .replication_factor = 2, .groups = {"g"}}),
              AllOf(Contains(Full("seat retention.bytes -1")),
                    Contains(Full("seat unclean.leader.election.enable false")),
                    Contains(Full("seat.g.dead unclean.leader.election.enable false")),
                    Contains(Full("seat flush.messages 1"))))
      << "with two replicas one broker alone may acknowledge";
}

TEST_F(KafkaTopicsTest, AClusterThatDecidesAloneAboutUncleanElectionsGetsTopicsWithoutThatAndIsCompared) {
  const std::string broker = config_.brokers.substr(config_.brokers.rfind(':') + 1);
  const RefusingCluster cluster(
      ParseNumber<uint16_t>(broker).value(), "unclean.leader.election.enable", [](std::string& answer) {
        // As if it had made something else of a setting.
        constexpr std::string_view kName = "min.insync.replicas";
        const size_t name = answer.find(kName);
        const size_t value = name == std::string::npos ? name : answer.find('1', name + kName.size());
        if (value != std::string::npos) answer[value] = '2';
      });
  config_.brokers = cluster.address();
  EXPECT_THAT(Differences({.name = "seat", .partitions = 1, .groups = {"g"}}),
              Contains(Full("seat min.insync.replicas 1")));
  EXPECT_THAT(Missing(), IsEmpty());
}

TEST_F(KafkaTopicsTest, AMissingDeadLetterTopicIsNamed) {
  EXPECT_THAT(Missing(), ElementsAre(fmt::format("there is no topic {}", Full("seat")),
                                     fmt::format("there is no topic {}", Full("seat.g.dead"))));
  MakeTestTopics(config_, {});
  EXPECT_THAT(Missing(), ElementsAre(fmt::format("there is no topic {}", Full("seat.g.dead"))));
  auto bus = Open();
  Inbox inbox;
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, inbox.Consume()));
  EXPECT_TRUE(Logs("bus_topic_missing"));
}

// Its dead letter would be larger still, and the group would wait for a topic that takes it.
TEST_F(KafkaTopicsTest, ARecordThatIsLargerThanAnEventIsPassedOver) {
  MakeTestTopics(config_, {"g"}, 1);
  const Event event = Make("a", "1");
  Write("seat", 0, "a", std::string(kMaxBodyBytes + 1, '\xff'), kafka::EventHeaders(event));
  Write("seat", 0, std::string(100'000, 'k'), "body", kafka::EventHeaders(event));
  Write("seat", 0, "a", std::string(kMaxBodyBytes, 'x'), kafka::EventHeaders(event));
  auto bus = Open();
  Inbox inbox;
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, inbox.Consume()));
  EXPECT_THAT(inbox.WaitFor(1), ElementsAre(std::string(kMaxBodyBytes, 'x')));
  EXPECT_EQ(metrics_.GetCounter("boxoffice_bus_malformed_total", "", {{"group", "g"}}).value(), 2);
}

// What becomes of it could not be written to where it says that it stands.
TEST_F(KafkaTopicsTest, ADeadLetterThatNamesAnotherPlaceThanItsOwnIsPassedOver) {
  MakeTestTopics(config_, {"g"}, 1);
  kafka::ParkedEvent parked{.record = {.event = Make("a", "foreign"), .partition = 77, .offset = 50},
                            .state = kafka::ParkedState::kRetrying,
                            .error = {Code::kInternal, "poison", "no"},
                            .attempts = 1,
                            .parked_at = clock_.Now()};
  Write("seat.g.dead", 0, "50", "foreign", kafka::ParkedHeaders(parked, "g", "other"));
  parked.record.partition = 0;
  Write("seat.g.dead", 0, "51", "foreign", kafka::ParkedHeaders(parked, "h", "other"));
  parked.record.event.topic = "eat";
  Write("seat.g.dead", 0, "52", "foreign", kafka::ParkedHeaders(parked, "g", "other"));
  auto bus = Open();
  Inbox inbox;
  ASSERT_TRUE(bus->Publish(std::array{Make("a", "1")}));
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, inbox.Consume()));
  EXPECT_THAT(inbox.WaitFor(1), ElementsAre("1"));
  Write("seat.g.dead", 0, "53", "foreign", kafka::ParkedHeaders(parked, "g", "other"));
  ASSERT_TRUE(bus->Publish(std::array{Make("a", "2")}));
  EXPECT_THAT(inbox.WaitFor(2), ElementsAre("1", "2"));
  EXPECT_THAT(bus->DeadLetters(10).value(), IsEmpty());
}

}  // namespace
}  // namespace boxoffice::bus
