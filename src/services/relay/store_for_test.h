// What the tests of every store of the relay share.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "services/relay/store.h"
#include "testing/postgres_server.h"
#include "testing/temp_dir.h"

namespace boxoffice::relay {

struct StoreKind {
  std::string name;
  std::function<std::unique_ptr<Store>(const std::filesystem::path&)> open;
  bool needs_postgres = false;
};

// What every store of the relay does.
class RelayStoreTest : public testing::TestWithParam<StoreKind> {
 protected:
  void SetUp() override {
    if (GetParam().needs_postgres) BOXOFFICE_NEED_POSTGRES();
    store_ = GetParam().open(dir_.path());
  }
  InboxEvent Event(std::string key) {
    return {EventId::Make(now_, random_), "seat", std::move(key), "seat.held", "trace", now_, "{}", 0};
  }
  // One delivery to target 1 of each event; only the first of a key is due.
  std::vector<int64_t> Put(std::vector<InboxEvent> events, Timestamp created_at) {
    Accepted accepted;
    std::set<std::string> keys;
    for (const InboxEvent& event : events) {
      Delivery delivery{.target_id = 1, .event_id = event.id, .event_type = event.type, .key = event.key};
      delivery.created_at = created_at;
      if (keys.insert(event.key).second) delivery.next_attempt_at = created_at;
      accepted.deliveries.push_back(delivery);
    }
    accepted.events = std::move(events);
    EXPECT_TRUE(store_->Insert(accepted));
    std::vector<int64_t> ids;
    const std::vector<Delivery> newest_first = store_->List({.limit = accepted.events.size()}).value();
    for (const Delivery& delivery : newest_first) {
      ids.insert(ids.begin(), delivery.id);
    }
    return ids;
  }
  std::vector<int64_t> DueIds(Timestamp now, size_t limit = 100) {
    std::vector<int64_t> ids;
    const std::vector<Outgoing> due = store_->Due(1, now, limit, {}, 0).value();
    for (const Outgoing& outgoing : due) ids.push_back(outgoing.delivery.id);
    return ids;
  }
  Delivery Find(int64_t id) { return store_->Find(id).value().value(); }
  void SetState(int64_t id, State state) {
    Delivery delivery = Find(id);
    ++delivery.attempts;
    delivery.state = state;
    delivery.next_attempt_at.reset();
    ASSERT_TRUE(store_->Update(std::span(&delivery, 1), now_));
  }
  // Of the first target.
  void SetEnabled(bool enabled) {
    Target target = store_->LoadTargets()->at(0);
    target.enabled = enabled;
    ASSERT_TRUE(store_->ChangeTarget(target));
  }
  // Disabled, all that it has pending given up, and enabled again.
  void GiveUpAll(std::string_view why = "why") {
    SetEnabled(false);
    ASSERT_TRUE(store_->GiveUp(1, why, now_, 100));
    SetEnabled(true);
  }
  // Two old deliveries of one key, the first of which is dead, and the second given up while it was under
  // way, as the target was disabled and enabled again; and a younger one, which has the turn.
  struct OfAKey {
    std::vector<int64_t> old;
    Delivery begun;  // the second
    int64_t young = 0;
  };
  void GiveUpUnderWay(OfAKey& key) {
    ASSERT_EQ(store_->InsertTarget({.operation_key = "op"}).value(), 1);
    key.old = Put({Event("a"), Event("a")}, now_);
    SetState(key.old[0], State::kDead);
    key.begun = Find(key.old[1]);
    ASSERT_TRUE(key.begun.next_attempt_at);
    ASSERT_NO_FATAL_FAILURE(GiveUpAll());
    key.young = Put({Event("a")}, now_)[0];
  }
  // What an attempt that began from `begun` came to.
  void EndAttempt(const Delivery& begun, int status) {
    const Delivery after = AfterAttempt(begun, {status, ""}, now_, 0);
    ASSERT_TRUE(store_->Update(std::span(&after, 1), now_));
  }
  // Of two targets that are paused; to the first, "a" waits for its next attempt with another behind it, "b"
  // is due, and "x", a minute younger, is not yet.
  void PutWaiting() {
    for (const char* key : {"op1", "op2"}) {
      const int64_t target = store_->InsertTarget({.operation_key = key, .url = "http://a/"}).value();
      ASSERT_TRUE(store_->Pause(target, "http://a/", now_ + std::chrono::hours(1)));
    }
    const Timestamp young = now_ + std::chrono::minutes(1);
    ids_ = Put({Event("a"), Event("b")}, now_);
    ids_.push_back(Put({Event("x")}, young)[0]);
    EndAttempt(Find(ids_[0]), 500);
    const InboxEvent event = Event("a");
    Delivery behind{.target_id = 1, .event_id = event.id, .event_type = event.type, .key = event.key};
    behind.created_at = young;
    ASSERT_TRUE(store_->Insert({{event}, {behind}}));
    behind_ = store_->List({.limit = 1})->at(0).id;
  }
  bool IsPaused(size_t target) { return store_->LoadTargets()->at(target - 1).paused_until > now_; }

  testbed::TempDir dir_;
  std::vector<int64_t> ids_;  // PutWaiting's a, b and x
  int64_t behind_ = 0;
  SeededRandom random_{1};
  Timestamp now_ = FromUnixMs(1'800'000'000'000);
  std::unique_ptr<Store> store_;
};

}  // namespace boxoffice::relay
