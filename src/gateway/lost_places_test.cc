// What the gateway tells of a queue whose store has lost what it held, when others have come before it looked
// again.
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/gateway_for_test.h"
#include "gateway/waiting_room.h"
#include "platform/auth/shuffle.h"
#include "testing/wait.h"

namespace boxoffice::gateway {
namespace {

using testing::HasSubstr;

class LostPlacesTest : public GatewayTest {
 protected:
  LostPlacesTest() {
    services_.queue.commands.answer = [](const queue::v1::Command&) -> Result<queue::v1::Outcome> {
      queue::v1::Outcome outcome;
      outcome.mutable_session()->set_refusal("token_unknown");
      return outcome;
    };
  }
  // What a poll is told, at the latest when the gateway has looked again.
  std::string Told(const std::string& token, std::string_view what) {
    Options options;
    options.queue_token = token;
    std::string told;
    (void)testbed::Eventually([&] {
      told = Call("GET", "/v1/queue", {}, options).body;
      return told.contains(what);
    });
    return told;
  }
  // From now on. Tokens are as QueueToken makes them.
  void LoadWith(uint64_t stored, queue::v1::Queue& queue) {
    queue::v1::Loading& loading = *queue.add_loadings();
    loading.set_last_sequence(stored);
    loading.set_token_end_ms(ToUnixMs(clock_.Now()) + 3'600'000);
  }
};

TEST_F(LostPlacesTest, PlacesThatWereLostAndGivenAgainBetweenTwoLooksAreTheQueueServicesToTell) {
  SetHead(10);
  const std::string kept = QueueToken("ada", 1, 15);
  const std::string lost = QueueToken("ada", 1, 25);
  EXPECT_THAT(Told(kept, "WAITING"), HasSubstr("WAITING"));
  EXPECT_THAT(Told(lost, "WAITING"), HasSubstr("WAITING"));
  clock_.Advance(std::chrono::seconds(1));
  {
    const std::scoped_lock lock(mutex_);
    LoadWith(20, *head_);
    head_->set_last_sequence(3'000'000);  // more than there ever were
  }
  EXPECT_THAT(Told(lost, "token_unknown"), HasSubstr("token_unknown")) << "another one's by now";
  EXPECT_THAT(Told(kept, "WAITING"), HasSubstr("WAITING"));
  EXPECT_THAT(Told(QueueToken("ada", 1, 25), "WAITING"), HasSubstr("WAITING")) << "whose it is by now";
}

TEST_F(LostPlacesTest, WhatAQueueOfTheReleaseBeforeHadLostIsForgottenOnceOneTellsExactly) {
  SetHead(10);
  EXPECT_THAT(Told(QueueToken("ada", 1, 25), "WAITING"), HasSubstr("WAITING"));
  {
    const std::scoped_lock lock(mutex_);
    head_->set_last_sequence(20);
  }
  EXPECT_THAT(Told(QueueToken("ada", 1, 25), "token_unknown"), HasSubstr("token_unknown"));
  {
    const std::scoped_lock lock(mutex_);
    LoadWith(20, *head_);
    head_->set_last_sequence(30);
  }
  EXPECT_THAT(Told(QueueToken("ada", 1, 25), "WAITING"), HasSubstr("WAITING")) << "given since then";
}

TEST_F(LostPlacesTest, AHeadThatWasLostGoesBackThoughOthersHaveComeSince) {
  SetHead(20);
  const std::string kept = QueueToken("ada", 1, 24);
  EXPECT_THAT(Told(kept, R"("position":4,)"), HasSubstr(R"("position":4,)"));
  {
    const std::scoped_lock lock(mutex_);
    LoadWith(25, *head_);
    head_->set_head_sequence(12);
    head_->set_last_sequence(3'000'000);
  }
  EXPECT_THAT(Told(kept, R"("position":12,)"), HasSubstr(R"("position":12,)"));
}

TEST_F(LostPlacesTest, ADrawThatWasLostAndMadeAgainWithOthersIsTakenOver) {
  const std::string seed(64, 'b');
  const auth::Shuffle before(seed, 0, 30);
  const auth::Shuffle after(seed, 0, 20);
  uint64_t sequence = 1;
  while (before.PlaceOf(sequence) == after.PlaceOf(sequence)) ++sequence;
  const auto set_entrants = [this](uint64_t entrants) {
    const std::scoped_lock lock(mutex_);
    head_->mutable_draw()->set_entrants(entrants);
  };
  SetHead(0);
  {
    const std::scoped_lock lock(mutex_);
    queue::v1::Draw& draw = *head_->mutable_draw();
    draw.set_commitment(auth::CommitmentTo(seed));
    draw.set_entrants(30);
    draw.set_seed(seed);
    draw.set_drawn_at_ms(1'800'000'000'000);
  }
  const std::string token = QueueToken("ada", 1, sequence);
  const auto place_of = [](uint64_t place) { return fmt::format(R"("place":{},)", place); };
  const std::string first = place_of(before.PlaceOf(sequence));
  EXPECT_THAT(Told(token, first), HasSubstr(first));
  set_entrants(20);
  const std::string second = place_of(after.PlaceOf(sequence));
  EXPECT_THAT(Told(token, second), HasSubstr(second));
}

TEST(LostPlaceTest, OfWhoJoinedBeforeALoadingThoseWhoWereStoredThenAreAnsweredHere) {
  const Timestamp now = FromUnixMs(1'800'000'000'000);
  gateway::Head head;
  head.queue.set_head_sequence(10);
  head.queue.set_last_sequence(1'000);
  head.queue.set_state(queue::v1::OPEN);
  queue::v1::TokenClaims claims;
  claims.set_expires_at_ms(ToUnixMs(now) + 1'000);
  for (const uint64_t stored : {20, 30}) {
    queue::v1::Loading& loading = *head.queue.add_loadings();
    loading.set_last_sequence(stored);
    loading.set_token_end_ms(claims.expires_at_ms() + 1);
  }
  claims.set_sequence(20);
  EXPECT_NE(WaitingSession(claims, head, now), std::nullopt);
  claims.set_sequence(21);
  EXPECT_EQ(WaitingSession(claims, head, now), std::nullopt) << "it may be somebody else's by now";
  head.queue.mutable_loadings(0)->set_token_end_ms(claims.expires_at_ms());
  EXPECT_NE(WaitingSession(claims, head, now), std::nullopt) << "given since then";
  claims.set_sequence(31);
  EXPECT_EQ(WaitingSession(claims, head, now), std::nullopt) << "and that was lost later";
}

}  // namespace
}  // namespace boxoffice::gateway
