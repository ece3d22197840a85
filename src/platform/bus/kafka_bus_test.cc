// What is special to the Kafka bus, on a real broker; what it shares with the other is in
// bus_contract_test.cc, and what happens when the broker fails in kafka_failure_test.cc.
#include "platform/bus/kafka_bus.h"

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <string_view>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "platform/bus/inbox_for_test.h"
#include "platform/bus/kafka_client.h"
#include "platform/bus/kafka_for_test.h"
#include "platform/bus/kafka_parked.h"
#include "platform/bus/kafka_producer.h"
#include "platform/bus/processed_event.h"
#include "testing/process.h"
#include "testing/temp_dir.h"
#include "testing/wait.h"

namespace boxoffice::bus {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kKcat = "/usr/bin/kcat";

class KafkaBusTest : public KafkaTest {
 protected:
  static void Put(Bus& bus, std::vector<Event> events) {
    const Result<void> put = bus.Publish(events);
    ASSERT_TRUE(put.has_value()) << put.error().reason << ": " << put.error().detail;
  }
  // What a consumer that nobody here wrote sees of a topic: one line a message.
  std::string Kcat(const std::string& topic, const std::string& format) {
    const testbed::Finished run =
        testbed::RunCommand({kKcat, "-b", config_.brokers, "-C", "-q", "-e", "-o", "beginning", "-t",
                             config_.prefix + topic, "-f", format + "\\n"},
                            std::chrono::seconds(60));
    EXPECT_EQ(run.exit_code, 0) << run.err;
    return run.out;
  }

  // A message that nobody here wrote.
  void PutForeign(const std::string& topic) {
    const testbed::TempDir dir;
    std::ofstream(dir.path() / "garbage") << "garbage\n";
    const testbed::Finished run =
        testbed::RunCommand({kKcat, "-b", config_.brokers, "-P", "-t", config_.prefix + topic, "-l",
                             (dir.path() / "garbage").string()},
                            std::chrono::seconds(60));
    ASSERT_EQ(run.exit_code, 0) << run.err;
  }

  // As a user who may do no more than this with the topics of this test, and read in its groups.
  KafkaBusConfig BoundTo(std::initializer_list<rd_kafka_AclOperation_t> operations) const {
    const testbed::KafkaBroker& broker = testbed::KafkaBroker::Shared();
    KafkaBusConfig bound = config_;
    bound.brokers = broker.bound_address();
    bound.properties = {{"security.protocol", "sasl_ssl"},
                        {"ssl.ca.location", broker.bound_authority()},
                        {"sasl.mechanisms", "PLAIN"},
                        {"sasl.username", testbed::KafkaBroker::kBoundUser},
                        {"sasl.password", testbed::KafkaBroker::kBoundPassword}};
    const std::string principal = fmt::format("User:{}", testbed::KafkaBroker::kBoundUser);
    std::vector<rd_kafka_AclBinding_t*> rights;
    const auto allow = [&](rd_kafka_ResourceType_t what, rd_kafka_AclOperation_t operation) {
      rights.push_back(rd_kafka_AclBinding_new(what, config_.prefix.c_str(),
                                               RD_KAFKA_RESOURCE_PATTERN_PREFIXED, principal.c_str(), "*",
                                               operation, RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW, nullptr, 0));
    };
    allow(RD_KAFKA_RESOURCE_GROUP, RD_KAFKA_ACL_OPERATION_READ);
    for (const rd_kafka_AclOperation_t operation : operations) allow(RD_KAFKA_RESOURCE_TOPIC, operation);
    const kafka::Client client = kafka::NewClient(RD_KAFKA_PRODUCER, config_, {}).value();
    const kafka::Owned<rd_kafka_queue_t> answers(rd_kafka_queue_new(client.get()));
    rd_kafka_CreateAcls(client.get(), rights.data(), rights.size(), nullptr, answers.get());
    const kafka::Owned<rd_kafka_event_t> answer(rd_kafka_queue_poll(answers.get(), 60'000));
    rd_kafka_AclBinding_destroy_array(rights.data(), rights.size());
    CHECK(answer != nullptr, "the broker does not answer");
    size_t count = 0;
    const rd_kafka_acl_result_t** made =
        rd_kafka_CreateAcls_result_acls(rd_kafka_event_CreateAcls_result(answer.get()), &count);
    EXPECT_EQ(count, rights.size());
    for (size_t i = 0; i < count; ++i) EXPECT_EQ(rd_kafka_acl_result_error(made[i]), nullptr);
    return bound;
  }

  // Of the group g in seat's first partition.
  void SetPlace(int64_t offset) const {
    const kafka::Client client =
        kafka::NewClient(RD_KAFKA_CONSUMER, config_, {{"group.id", config_.prefix + "g"}}).value();
    const kafka::Partitions place = kafka::NewPartitions();
    rd_kafka_topic_partition_list_add(place.get(), (config_.prefix + "seat").c_str(), 0)->offset = offset;
    ASSERT_TRUE(Eventually(
        [&] { return rd_kafka_commit(client.get(), place.get(), 0) == RD_KAFKA_RESP_ERR_NO_ERROR; }));
  }
};

// cloudevents/spec, Kafka protocol binding, §3.2: attributes in ce_ headers, the media type in content-type.
TEST_F(KafkaBusTest, KcatSeesValidCloudEvents) {
  if (access(kKcat, X_OK) != 0 && std::getenv("BOXOFFICE_REQUIRE_ALL") == nullptr) GTEST_SKIP() << "no kcat";
  MakeTestTopics(config_, {});
  Event event = Make("show-7", "body");
  event.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  event.time = FromUnixMs(1'800'000'000'123);
  Put(*Open(), {event});
  EXPECT_EQ(Kcat("seat", "%k|%s|%h"),
            fmt::format("show-7|body|ce_specversion=1.0,ce_id={},ce_source=/boxoffice/seat,ce_type=seat.held,"
                        "ce_time=2027-01-15T08:00:00.123Z,content-type=application/protobuf,traceparent={}\n",
                        event.id.ToString(), event.traceparent));
}

TEST_F(KafkaBusTest, ADeadLetterShowsItsOriginAndItsError) {
  if (access(kKcat, X_OK) != 0 && std::getenv("BOXOFFICE_REQUIRE_ALL") == nullptr) GTEST_SKIP() << "no kcat";
  MakeTestTopics(config_, {"g"}, 1);
  auto bus = Open();
  Inbox inbox;
  auto broken = std::make_shared<std::atomic<bool>>(true);
  Put(*bus, {Make("b", "fine"), Make("a", "bad")});
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, FailOn(inbox, broken, "bad")));
  ASSERT_THAT(WaitForDeadLetters(*bus, 1), SizeIs(1));
  const std::string seen = Kcat("seat.g.dead", "%k|%s|%h");
  const std::string last = seen.substr(seen.rfind('\n', seen.size() - 2) + 1);
  EXPECT_THAT(last, testing::StartsWith("1|bad|"));
  for (const char* header :
       {"ce_type=seat.held", "dead_group=g", "dead_topic=seat", "dead_partition=0", "dead_offset=1",
        "dead_key=a", "dead_state=dead", "dead_attempts=6", "dead_error_code=internal",
        "dead_error_reason=poison", "dead_error_detail=no"}) {
    EXPECT_THAT(last, HasSubstr(header));
  }
  *broken = false;
  ASSERT_TRUE(bus->Replay(bus->DeadLetters(1)->at(0).id));
  EXPECT_THAT(inbox.WaitFor(2), ElementsAre("fine", "bad"));
  // A message without a value: compaction takes all of that event away.
  EXPECT_TRUE(Eventually([&] { return Kcat("seat.g.dead", "%k|%S").ends_with("\n1|-1\n"); }));
}

TEST_F(KafkaBusTest, TopicsAreMadeOnceAndWhatIsThereOtherwiseIsSaid) {
  const std::vector<TopicSpec> specs{
      {.name = "seat", .partitions = 3, .retention = std::chrono::hours(24), .groups = {"g"}},
      {.name = "wallet"}};
  EXPECT_THAT(CreateTopics(config_, specs).value(), IsEmpty());
  EXPECT_THAT(CreateTopics(config_, specs).value(), IsEmpty());
  const auto differences =
      CreateTopics(config_, {{.name = "seat", .partitions = 4, .groups = {"g"}}, {.name = "other"}}).value();
  std::vector<std::string> told;
  for (const TopicDifference& difference : differences) {
    told.push_back(fmt::format("{} {} {} {}", difference.topic, difference.setting, difference.found,
                               difference.wanted));
  }
  EXPECT_THAT(told, testing::UnorderedElementsAre(config_.prefix + "seat partitions 3 4",
                                                  config_.prefix + "seat retention.ms 86400000 -1"));
  const auto refused = CreateTopics(config_, {{.name = "payment", .replication_factor = 3}});
  EXPECT_EQ(refused.error().reason, "topic_refused");
  EXPECT_THAT(refused.error().detail, HasSubstr(config_.prefix + "payment"));
}

// What docs/howto/managed-stores.md says that a user needs.
TEST_F(KafkaBusTest, TopicsThatAreThereNeedNoRightToMakeOrDescribeThem) {
  MakeTestTopics(config_, {"g"});
  const KafkaBusConfig bound =
      BoundTo({RD_KAFKA_ACL_OPERATION_READ, RD_KAFKA_ACL_OPERATION_WRITE, RD_KAFKA_ACL_OPERATION_DESCRIBE});
  Result<std::vector<TopicDifference>> found;
  testing::internal::CaptureStderr();
  const bool taken = Eventually([&] {  // the rights are known within a moment
    found = CreateTopics(bound, {{.name = "seat", .partitions = 3, .groups = {"g"}}});
    return found.has_value();
  });
  const std::string log = testing::internal::GetCapturedStderr();
  ASSERT_TRUE(taken) << found.error().reason << ": " << found.error().detail;
  EXPECT_THAT(*found, SizeIs(1)) << "the partitions of seat";
  EXPECT_THAT(log, HasSubstr("topic_not_compared"));
  const auto missing = CreateTopics(bound, {{.name = "nothing"}});
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().reason, "bus_permission_denied") << missing.error().detail;
  Put(*KafkaBus::Open(bound, clock_, metrics_).value(), {Make("a", "1")});
}

// As the services do when a system is installed: each makes what it publishes and what it consumes.
TEST_F(KafkaBusTest, TopicsThatTwoMakeAtTheSameTimeAreThereForBoth) {
  std::vector<TopicSpec> specs;
  for (int i = 0; i < 20; ++i) specs.push_back({.name = fmt::format("topic{}", i), .partitions = 3});
  const auto make = [&] {
    const auto made = CreateTopics(config_, specs);
    EXPECT_TRUE(made.has_value()) << made.error().reason << ": " << made.error().detail;
    EXPECT_THAT(made.value_or(std::vector<TopicDifference>()), IsEmpty());
  };
  std::thread other(make);
  make();
  other.join();
}

TEST_F(KafkaBusTest, ASettingThatLibrdkafkaDoesNotKnowIsNamed) {
  config_.properties = {{"security.protocoll", "ssl"}};
  const auto bus = KafkaBus::Open(config_, clock_, metrics_);
  EXPECT_EQ(bus.error().reason, "bus_config");
  EXPECT_THAT(bus.error().detail, HasSubstr("security.protocoll"));
}

TEST_F(KafkaBusTest, PublishingToATopicThatNobodyMadeSaysSo) {
  MakeTestTopics(config_, {});
  config_.properties = {{"topic.metadata.propagation.max.ms", "500"}};
  auto bus = Open();
  const Event event = events_.Make("a", "1", "nothing");
  const auto published = bus->Publish(std::array{Make("a", "0"), event});
  EXPECT_EQ(published.error().reason, "bus_topic_missing");
  EXPECT_EQ(published.error().code, Code::kUnavailable);
  EXPECT_THAT(published.error().detail, HasSubstr(event.id.ToString()));
  Put(*bus, {Make("a", "2")});
}

TEST_F(KafkaBusTest, CallsAtTheSameTimeShareRequests) {
  MakeTestTopics(config_, {}, 1);
  config_.linger = milliseconds(200);
  auto bus = Open();
  Put(*bus, {Make("k", "first")});  // connected
  constexpr int kThreads = 32;
  constexpr int kCalls = 5;
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kCalls; ++i) Put(*bus, {Make("k", "x")});
    });
  }
  for (std::thread& thread : threads) thread.join();
  // Each alone would wait for its own 200 ms, one after the other.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kThreads * kCalls * config_.linger);
}

TEST_F(KafkaBusTest, WhileNoBrokerIsThereThePublisherIsToldInTimeAndAConsumerWaits) {
  config_.brokers = "127.0.0.1:1";
  config_.publish_timeout = milliseconds(500);
  config_.request_timeout = milliseconds(60'000);
  auto bus = Open();
  Inbox inbox;
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, inbox.Consume()));
  const Event event = Make("a", "1");
  const auto published = bus->Publish(std::array{event});
  EXPECT_EQ(published.error().code, Code::kUnavailable);
  EXPECT_EQ(published.error().reason, "bus_unavailable");
  EXPECT_THAT(published.error().detail, HasSubstr(event.id.ToString()));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, config_.publish_timeout);
  bus.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(50)) << "its requests have 60";
}

TEST_F(KafkaBusTest, AGroupWaitsForItsDeadLetterTopic) {
  MakeTestTopics(config_, {});
  auto bus = Open();
  Inbox inbox;
  Put(*bus, {Make("a", "1")});
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, inbox.Consume()));
  testbed::Pause(milliseconds(500));
  EXPECT_THAT(inbox.WaitFor(0), IsEmpty());
  MakeTestTopics(config_, {"g"});
  EXPECT_THAT(inbox.WaitFor(1), ElementsAre("1"));
}

TEST_F(KafkaBusTest, AGroupThatCantTakeItsPartitionsShowsItsLag) {
  MakeTestTopics(config_, {});
  auto bus = Open();
  Inbox inbox;
  Put(*bus, {Make("a", "1"), Make("b", "2")});
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, inbox.Consume()));
  const obs::Gauge& lag = metrics_.GetGauge("boxoffice_bus_lag", "", {{"group", "g"}});
  EXPECT_TRUE(Eventually([&] { return lag.value() == 2; })) << "its dead-letter topic is missing";
  MakeTestTopics(config_, {"g"});
  EXPECT_THAT(inbox.WaitFor(2), SizeIs(2));
  EXPECT_TRUE(Eventually([&] { return lag.value() == 0; }));
}

TEST_F(KafkaBusTest, AGroupThatCantTakeItsPartitionsTriesLessAndLessOften) {
  MakeTestTopics(config_, {});
  Put(*Open(), {Make("a", "1")});
  config_.properties = {
      {"topic.metadata.propagation.max.ms", "1"}};  // a missing topic is known to be missing
  config_.request_timeout = milliseconds(2'000);
  const obs::Gauge& lag = metrics_.GetGauge("boxoffice_bus_lag", "", {{"group", "g"}});
  testing::internal::CaptureStderr();
  const auto begin = std::chrono::steady_clock::now();
  {
    auto bus = Open();
    Inbox inbox;
    EXPECT_TRUE(bus->Subscribe("g", {"seat"}, inbox.Consume()));
    EXPECT_TRUE(Eventually([&] { return lag.value() == 1; })) << "it could not take them once";
    testbed::Pause(std::chrono::seconds(5));
  }
  const auto took = std::chrono::steady_clock::now() - begin;
  const std::string log = testing::internal::GetCapturedStderr();
  int failures = 0;
  for (size_t at = 0; (at = log.find("kafka_assignment_failed", at)) != std::string::npos; ++at) ++failures;
  EXPECT_GE(failures, 1);
  EXPECT_LE(failures, 6 + took / std::chrono::seconds(5))
      << "after 0.1, 0.2, 0.4, 0.8, 1.6, 3.2 and then 5 s; each one costs the whole group a rebalance";
}

// As while a certificate is exchanged, a file that a setting names is not there. Before that, the group has
// given its client up, as it could not take its partitions.
TEST_F(KafkaBusTest, AGroupWhoseClientCantBeMadeAnewTriesAgainUntilItCan) {
  MakeTestTopics(config_, {});
  Put(*Open(), {Make("a", "1")});
  config_ =
      BoundTo({RD_KAFKA_ACL_OPERATION_READ, RD_KAFKA_ACL_OPERATION_WRITE, RD_KAFKA_ACL_OPERATION_DESCRIBE});
  const testbed::TempDir dir;
  const std::filesystem::path authority = dir.path() / "kafka.crt";
  std::filesystem::copy_file(testbed::KafkaBroker::Shared().bound_authority(), authority);
  config_.properties.emplace_back("ssl.ca.location", authority);  // the last one counts
  config_.properties.emplace_back("topic.metadata.propagation.max.ms", "1");
  config_.request_timeout = milliseconds(2'000);
  auto bus = Open();
  Inbox inbox;
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, inbox.Consume()));
  ASSERT_TRUE(Logs("kafka_assignment_failed")) << "its dead-letter topic is missing";
  std::filesystem::remove(authority);
  EXPECT_TRUE(Logs("kafka_reopen_failed"));
  std::filesystem::copy_file(testbed::KafkaBroker::Shared().bound_authority(), authority);
  MakeTestTopics(KafkaTestConfig(config_.prefix), {"g"});
  EXPECT_THAT(inbox.WaitFor(1), ElementsAre("1"));
}

// Its answers come behind those to the fetches of dead letters, which wait for half a second each.
TEST_F(KafkaBusTest, AGroupThatWaitsShowsWhatComesMeanwhile) {
  MakeTestTopics(config_, {"g"}, 1);
  auto bus = Open();
  Inbox inbox;
  std::atomic<bool> away = true;
  ASSERT_TRUE(bus->Subscribe("g", {"seat", "wallet", "other"}, [&](std::span<const Record> records) {
    if (away) return Consumed{0, {Code::kUnavailable, "store_away", ""}};
    inbox.Add(records);
    return Consumed{records.size(), {}};
  }));
  const obs::Gauge& lag = metrics_.GetGauge("boxoffice_bus_lag", "", {{"group", "g"}});
  for (int i = 1; i <= 3; ++i) {
    Put(*bus, {Make("a", fmt::format("{}", i))});
    EXPECT_TRUE(Eventually([&] { return lag.value() == i; })) << i;
  }
  away = false;
  EXPECT_THAT(inbox.WaitFor(3), ElementsAre("1", "2", "3"));
  EXPECT_TRUE(Eventually([&] { return lag.value() == 0; }));
}

// As after a broker's loss of power, or the election of one that was behind: the group's place is past the
// end.
TEST_F(KafkaBusTest, WhereTheClusterHasLostTheEndOfItsLogWhatIsNewIsConsumed) {
  MakeTestTopics(config_, {"g"}, 1);
  ASSERT_NO_FATAL_FAILURE(SetPlace(100));
  auto bus = Open();
  Put(*bus, {Make("a", "1"), Make("a", "2")});
  Inbox inbox;
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, inbox.Consume()));
  EXPECT_THAT(inbox.WaitFor(2), ElementsAre("1", "2"));
  Put(*bus, {Make("a", "3")});
  EXPECT_THAT(inbox.WaitFor(3), ElementsAre("1", "2", "3"));
}

// The key's new events stand where the lost ones stood, before the one that was set aside.
TEST_F(KafkaBusTest, WhereTheClusterHasLostTheEndOfItsLogAKeyThatIsSetAsideGetsWhatIsNew) {
  MakeTestTopics(config_, {"g"}, 1);
  ASSERT_NO_FATAL_FAILURE(SetPlace(100));
  kafka::ParkedEvent parked{.record = {.event = Make("a", "0"), .offset = 50},
                            .state = kafka::ParkedState::kDead,
                            .error = {Code::kInternal, "poison", "no"},
                            .attempts = 6,
                            .parked_at = clock_.Now()};
  std::vector<kafka::Outgoing> written;
  written.push_back({kafka::DeadTopicName(config_, "seat", "g"), 0, kafka::ParkedMessageKey(50),
                     parked.record.event.body, kafka::ParkedHeaders(parked, "g", "before"), "parked"});
  ASSERT_TRUE(kafka::Producer::Open(config_).value()->Send(written));
  auto bus = Open();
  Put(*bus, {Make("a", "1"), Make("b", "x"), Make("a", "2")});
  Inbox inbox;
  auto broken = std::make_shared<std::atomic<bool>>(true);
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, FailOn(inbox, broken, "0")));
  EXPECT_THAT(inbox.WaitFor(1), ElementsAre("x"));
  *broken = false;
  const auto letters = WaitForDeadLetters(*bus, 1);
  ASSERT_THAT(letters, SizeIs(1));
  ASSERT_TRUE(bus->Replay(letters[0].id));
  EXPECT_THAT(inbox.WaitFor(4), ElementsAre("x", "0", "1", "2"));
  Put(*bus, {Make("a", "3")});
  EXPECT_THAT(inbox.WaitFor(5), ElementsAre("x", "0", "1", "2", "3"));
  EXPECT_TRUE(Eventually([&] { return LagOf(*bus).value_or(-1) == 0; }));
}

TEST_F(KafkaBusTest, AMessageThatIsNoEventIsPassedOver) {
  if (access(kKcat, X_OK) != 0 && std::getenv("BOXOFFICE_REQUIRE_ALL") == nullptr) GTEST_SKIP() << "no kcat";
  MakeTestTopics(config_, {"g"}, 1);
  PutForeign("seat");
  auto bus = Open();
  Inbox inbox;
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, inbox.Consume()));
  obs::Counter& malformed = metrics_.GetCounter("boxoffice_bus_malformed_total", "", {{"group", "g"}});
  EXPECT_TRUE(Eventually([&] { return malformed.value() == 1; }));
  Put(*bus, {Make("a", "1")});
  EXPECT_THAT(inbox.WaitFor(1), ElementsAre("1"));
  EXPECT_TRUE(Eventually([&] { return LagOf(*bus).value_or(-1) == 0; }));
}

TEST_F(KafkaBusTest, AReaderPassesOverAMessageThatIsNoEventToo) {
  if (access(kKcat, X_OK) != 0 && std::getenv("BOXOFFICE_REQUIRE_ALL") == nullptr) GTEST_SKIP() << "no kcat";
  MakeTestTopics(config_, {}, 1);
  auto bus = Open();
  Put(*bus, {Make("a", "1")});
  PutForeign("seat");
  Put(*bus, {Make("a", "2"), Make("a", "3")});
  const Result<Page> first = bus->Read("seat", {}, 2);
  ASSERT_TRUE(first.has_value()) << first.error().reason;
  ASSERT_THAT(first->records, SizeIs(2)) << "as many as there are, beside what is none";
  EXPECT_EQ(first->records[0].event.body, "1");
  EXPECT_EQ(first->records[1].event.body, "2");
  PutForeign("seat");
  const Result<Page> second = bus->Read("seat", first->next, 2);
  ASSERT_TRUE(second.has_value()) << second.error().reason;
  ASSERT_THAT(second->records, SizeIs(1));
  EXPECT_EQ(second->records[0].event.body, "3");
  obs::Counter& malformed = metrics_.GetCounter("boxoffice_bus_malformed_total", "", {{"group", ""}});
  EXPECT_EQ(malformed.value(), 2);
  EXPECT_THAT(bus->Read("seat", second->next, 2)->records, IsEmpty());
  EXPECT_EQ(malformed.value(), 2) << "it is behind the position";
}

// The memory for what is set aside is bounded: then the group waits, and loses nothing.
TEST_F(KafkaBusTest, AGroupWaitsWhenTooMuchIsSetAside) {
  MakeTestTopics(config_, {"g"}, 1);
  config_.max_parked_bytes = 1000;
  auto bus = Open();
  Inbox inbox;
  auto broken = std::make_shared<std::atomic<bool>>(true);
  ASSERT_TRUE(bus->Subscribe("g", {"seat"}, FailOn(inbox, broken, "bad")));
  Put(*bus, {Make("a", "bad")});
  const auto letters = WaitForDeadLetters(*bus, 1);
  ASSERT_THAT(letters, SizeIs(1));
  Put(*bus, {Make("a", std::string(600, 'x')), Make("a", std::string(600, 'y')), Make("b", "z")});
  EXPECT_TRUE(Eventually([&] { return LagOf(*bus).value_or(-1) == 2; }));
  testbed::Pause(milliseconds(200));
  EXPECT_EQ(LagOf(*bus).value(), 2);  // the first of the three found room
  *broken = false;
  ASSERT_TRUE(bus->Replay(letters[0].id));
  EXPECT_THAT(inbox.WaitFor(4), SizeIs(4));
  EXPECT_THAT(inbox.Of("a"), ElementsAre("bad", std::string(600, 'x'), std::string(600, 'y')));
}

// A key that one process set aside is set aside for the next owner of its partition; a third one replays it.
TEST_F(KafkaBusTest, AParkedKeyFollowsItsPartitionToAnotherProcess) {
  MakeTestTopics(config_, {"g"});
  auto one = Open();
  auto two = Open();
  Inbox inbox;
  auto broken = std::make_shared<std::atomic<bool>>(true);
  ASSERT_TRUE(one->Subscribe("g", {"seat"}, FailOn(inbox, broken, "1")));
  Put(*one, {Make("a", "1"), Make("a", "2")});
  ASSERT_THAT(WaitForDeadLetters(*one, 1), SizeIs(1));
  ASSERT_TRUE(two->Subscribe("g", {"seat"}, FailOn(inbox, broken, "1")));
  one->Unsubscribe("g");
  Put(*one, {Make("a", "3"), Make("b", "b")});
  EXPECT_THAT(inbox.WaitFor(1), ElementsAre("b"));
  *broken = false;
  const auto letters = WaitForDeadLetters(*one, 1);
  ASSERT_THAT(letters, SizeIs(1));
  ASSERT_TRUE(one->Replay(letters[0].id));
  EXPECT_THAT(inbox.WaitFor(4), ElementsAre("b", "1", "2", "3"));
}

// A consumer as services have them: the effect and the event's id are one transaction. All members share the
// database, as replicas do.
class Counter {
 public:
  explicit Counter(const std::filesystem::path& file) : file_(file) {
    sql::Database database = sql::Database::Open(file_).value();
    CHECK(database.Execute(kProcessedEventSchema));
    CHECK(database.Execute("CREATE TABLE effect(n INTEGER PRIMARY KEY, key BLOB, body TEXT, event BLOB)"));
  }
  Bus::Consume Consume() {
    return [this](std::span<const Record> records) {
      ++batches_;
      const std::scoped_lock lock(mutex_);  // one writer; its order is that of the transactions
      sql::Database database = sql::Database::Open(file_, sql::Durability::kNormal).value();
      ProcessedEvents processed(database, "g");
      auto insert = database.Prepare("INSERT INTO effect(key, body, event) VALUES(?1, ?2, ?3)");
      for (size_t i = 0; i < records.size(); ++i) {
        const Event& event = records[i].event;
        auto transaction = sql::Transaction::Begin(database).value();
        if (processed.MarkNew(event.id).value()) {
          if (event.body.ends_with("!") && tried_.insert(event.body).second) {
            return Consumed{i, {Code::kInternal, "at_first", ""}};  // rolls back
          }
          insert.Bind(std::nullopt, event.body, event.id).BindBlob(1, event.key);
          CHECK(insert.Run());
        }
        CHECK(transaction.Commit());
      }
      return Consumed{records.size(), {}};
    };
  }
  int64_t count() { return Number("SELECT count(*) FROM effect"); }
  int64_t batches() const { return batches_; }
  // Pairs of a key's events of which the later one had its effect first, by their numbers.
  int64_t out_of_order() {
    return Number(
        "SELECT count(*) FROM effect a JOIN effect b ON a.key = b.key AND a.n < b.n AND a.body > b.body");
  }

 private:
  int64_t Number(const char* query) {
    sql::Database database = sql::Database::Open(file_).value();
    sql::Statement statement = database.Prepare(query);
    CHECK(statement.Step().value());
    return statement.Int(0);
  }
  const std::filesystem::path file_;
  std::mutex mutex_;
  std::set<std::string> tried_;
  std::atomic<int64_t> batches_ = 0;
};

// Members come and go while events flow; some events fail at first, so that keys are set aside and move too.
TEST_F(KafkaBusTest, InARebalanceStormEachEventCountsOnceAndKeysKeepTheirOrder) {
  MakeTestTopics(config_, {"g"}, 4);
  config_.session_timeout = milliseconds(3'000);  // and with it the time until a member hears of a change
  const testbed::TempDir dir;
  Counter counter(dir.path() / "consumer.db");
  constexpr int kKeys = 20;
  constexpr int kRounds = 60;
  std::thread publisher([&] {
    auto bus = Open();
    for (int round = 0; round < kRounds; ++round) {
      std::vector<Event> events;
      for (int key = 0; key < kKeys; ++key) {
        const bool fails = (round * kKeys + key) % 50 == 0;
        events.push_back(
            Make(fmt::format("k{}", key), fmt::format("{:04}/{}{}", round, key, fails ? "!" : "")));
      }
      Put(*bus, events);
      testbed::Pause(milliseconds(60));
    }
  });
  auto steady = Open();
  ASSERT_TRUE(steady->Subscribe("g", {"seat"}, counter.Consume()));
  SeededRandom random(7);
  std::vector<std::unique_ptr<KafkaBus>> others(2);
  for (int change = 0; change < 10; ++change) {
    auto& other = others[random.Below(others.size())];
    if (other) {
      other.reset();
    } else {
      other = Open();
      ASSERT_TRUE(other->Subscribe("g", {"seat"}, counter.Consume()));
    }
    testbed::Pause(milliseconds(300 + random.Below(300)));
  }
  publisher.join();
  EXPECT_TRUE(Eventually([&] { return counter.count() == kKeys * kRounds; })) << counter.count();
  EXPECT_TRUE(Eventually([&] { return LagOf(*steady).value_or(-1) == 0; }));
  EXPECT_EQ(counter.count(), kKeys * kRounds);
  EXPECT_EQ(counter.out_of_order(), 0);
  EXPECT_TRUE(steady->DeadLetters(10)->empty());
}

}  // namespace
}  // namespace boxoffice::bus
