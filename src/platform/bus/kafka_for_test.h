// What the tests of the Kafka bus share: buses on the test program's one broker, each test with topics of its
// own.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "platform/bus/inbox_for_test.h"
#include "platform/bus/kafka_admin.h"
#include "platform/bus/kafka_bus.h"
#include "testing/kafka_broker.h"
#include "testing/wait.h"

namespace boxoffice::bus {

// A prefix that no other test has.
inline std::string NewPrefix() {
  static int number = 0;
  return fmt::format("t{}.", ++number);
}

// Quick to retry; the bounds are those of a test. Its session is long enough that nobody loses it, and gets
// what he had again, because the machine is busy.
inline KafkaBusConfig KafkaTestConfig(std::string prefix) {
  KafkaBusConfig config;
  config.brokers = testbed::KafkaBroker::Shared().address();
  config.prefix = std::move(prefix);
  config.commit_timeout = milliseconds(30'000);  // or what it gave up uncommitted would come again
  config.min_gap = milliseconds(0);
  config.retry_backoff = milliseconds(1);
  config.max_retry_backoff = milliseconds(4);
  return config;
}

// "seat", "wallet" and "other", each in two partitions, consumed by `groups`.
inline void MakeTestTopics(const KafkaBusConfig& config, const std::vector<std::string>& groups,
                           int partitions = 2) {
  std::vector<TopicSpec> specs;
  for (const char* name : {"seat", "wallet", "other"}) {
    specs.push_back({.name = name, .partitions = partitions, .groups = groups});
  }
  const auto made = CreateTopics(config, specs);
  ASSERT_TRUE(made.has_value()) << made.error().reason << ": " << made.error().detail;
}

// A log of its own for each test.
class KafkaTest : public testing::Test {
 protected:
  void SetUp() override {
    BOXOFFICE_NEED_KAFKA();
    config_ = KafkaTestConfig(NewPrefix());
  }
  std::unique_ptr<KafkaBus> Open() { return KafkaBus::Open(config_, clock_, metrics_).value(); }
  Event Make(std::string key, std::string body) { return events_.Make(std::move(key), std::move(body)); }

  KafkaBusConfig config_;
  SystemClock clock_;
  EventMaker events_;
  obs::Registry metrics_;
};

// Whether the log says so in what it writes from now on.
inline bool Logs(std::string_view what) {
  return testbed::Eventually([what] {
    testing::internal::CaptureStderr();
    testbed::Pause(milliseconds(200));
    return testing::internal::GetCapturedStderr().contains(what);
  });
}

}  // namespace boxoffice::bus
