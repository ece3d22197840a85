// The service and its dispatcher with a sender that answers when it is told to.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "services/relay/dispatcher.h"
#include "services/relay/store_memory.h"

namespace boxoffice::relay {

// Answers when it is told to.
class FakeSender final : public Sender {
 public:
  void Send(const Attempt& attempt, Timestamp, Done done) override {
    sent.push_back(attempt.event.body);
    open.emplace_back(attempt, std::move(done));
  }
  // Answers all that are under way, in order.
  void AnswerAll(int status, std::optional<milliseconds> retry_after = {}) {
    auto answered = std::exchange(open, {});
    for (auto& [attempt, done] : answered) done({status, "", retry_after});
  }
  std::vector<std::string> sent;
  std::vector<std::pair<Attempt, Done>> open;
};

// The service and its dispatcher, on a store in memory and a clock that stands still.
class DispatcherTest : public testing::Test {
 protected:
  explicit DispatcherTest(std::unique_ptr<MemoryStore> store = std::make_unique<MemoryStore>())
      : store_(*store), service_(std::move(store), clock_, random_, [this] { return secret_; }) {
    EXPECT_TRUE(service_.Load());
  }
  Target MakeTarget(std::string key = "op-1", std::vector<std::string> types = {}) {
    return service_.CreateTarget(key, {.url = "http://example/", .event_types = std::move(types)}).value();
  }
  InboxEvent Event(std::string key, std::string body, std::string type = "seat.held") {
    return {EventId::Make(clock_.Now(), random_),
            "seat",
            std::move(key),
            std::move(type),
            "",
            clock_.Now(),
            std::move(body),
            7};
  }
  void Accept(std::vector<InboxEvent> events) { ASSERT_TRUE(service_.AcceptEvents(events)); }
  // To all targets, of keys of their own.
  void AcceptMany(size_t count) {
    std::vector<InboxEvent> events;
    for (size_t i = 0; i < count; ++i) events.push_back(Event(std::to_string(i), "x"));
    Accept(events);
  }
  std::optional<Timestamp> Round() { return dispatcher_.Round().value(); }
  // Newest first.
  std::vector<Delivery> Deliveries() { return service_.ListDeliveries({.limit = 100}).value(); }

  ManualClock clock_;
  SeededRandom random_{1};
  std::string secret_ = std::string(kSecretBytes, 's');  // of what is made next
  MemoryStore& store_;
  RelayService service_;
  FakeSender sender_;
  int wakes_ = 0;
  Dispatcher dispatcher_{service_, sender_, clock_, {.in_flight_per_target = 2}, [this] { ++wakes_; }};
};

}  // namespace boxoffice::relay
