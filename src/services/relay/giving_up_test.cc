// What becomes of what is pending of a target that takes nothing any more, and of the others where the store
// fails for one target.
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>

#include "services/relay/testing_dispatcher.h"

namespace boxoffice::relay {
namespace {

using testing::ElementsAre;

// Fails for one target, and counts.
class PartlyFailingStore final : public MemoryStore {
 public:
  Result<void> ChangeTarget(const Target& target) override {
    if (target.id == fails_to_change) return Failed();
    return MemoryStore::ChangeTarget(target);
  }
  Result<std::vector<Outgoing>> Due(int64_t target_id, Timestamp now, size_t limit,
                                    const std::set<int64_t>& under_way, double rate_per_s) override {
    if (target_id == fails_to_give_out) return Failed();
    return MemoryStore::Due(target_id, now, limit, under_way, rate_per_s);
  }
  Result<size_t> GiveUp(int64_t target_id, std::string_view why, Timestamp now, size_t limit) override {
    ++parts;
    return MemoryStore::GiveUp(target_id, why, now, limit);
  }
  int64_t fails_to_change = 0;
  int64_t fails_to_give_out = 0;
  int parts = 0;  // that were given up

 private:
  static std::unexpected<Error> Failed() {
    return Fail(Code::kUnavailable, "database_unavailable", "its row is locked");
  }
};

class GivingUpTest : public DispatcherTest {
 protected:
  GivingUpTest() : DispatcherTest(std::make_unique<PartlyFailingStore>()) {}
  PartlyFailingStore& store() { return static_cast<PartlyFailingStore&>(store_); }
  size_t Pending() { return service_.ListDeliveries({.state = State::kPending, .limit = 10'000})->size(); }
};

TEST_F(GivingUpTest, OfATargetThatIsDisabledOnePartIsGivenUpARound) {
  const Target target = MakeTarget();
  AcceptMany(2'500);
  ASSERT_TRUE(service_.ChangeTarget(target.id, {.enabled = false}));
  EXPECT_EQ(Pending(), 2'500) << "the change is saved alone";
  EXPECT_EQ(Round(), clock_.Now()) << "there is more";
  EXPECT_EQ(Pending(), 1'500);
  Round();
  EXPECT_EQ(Round(), std::nullopt);
  EXPECT_EQ(Pending(), 0);
  EXPECT_TRUE(sender_.sent.empty());
}

TEST_F(GivingUpTest, ATargetIsEnabledAgainWhenNothingIsLeftOfWhatWasPending) {
  const Target target = MakeTarget();
  AcceptMany(1'500);
  ASSERT_TRUE(service_.ChangeTarget(target.id, {.enabled = false}));
  const Result<Target> refused = service_.ChangeTarget(target.id, {.enabled = true});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "contention");
  EXPECT_EQ(refused.error().code, Code::kUnavailable) << "it can be asked for again";
  EXPECT_TRUE(service_.ChangeTarget(target.id, {.enabled = true}));
  EXPECT_EQ(Pending(), 0);
  Round();
  EXPECT_TRUE(sender_.sent.empty());
}

TEST_F(GivingUpTest, ATargetThatIsDisabledTwiceIsGivenUpTwice) {
  const Target target = MakeTarget();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(service_.ChangeTarget(target.id, {.enabled = true}));
    AcceptMany(1);
    ASSERT_TRUE(service_.ChangeTarget(target.id, {.enabled = false}));
    Round();
    EXPECT_EQ(Pending(), 0);
  }
}

TEST_F(GivingUpTest, ATargetOfWhichNothingIsLeftCostsARoundNothing) {
  for (const char* key : {"op-1", "op-2"}) ASSERT_TRUE(service_.DeleteTarget(MakeTarget(key).id));
  Round();
  Round();
  EXPECT_EQ(store().parts, 2);
  Round();
  EXPECT_EQ(store().parts, 2);
}

TEST_F(GivingUpTest, ATargetThatAnswers410AndCantBeDisabledHoldsUpNoOtherAndIsSentNothing) {
  MakeTarget("op-1", {"seat.held"});
  MakeTarget("op-2", {"seat.sold"});
  Accept({Event("a", "1")});
  Round();
  sender_.AnswerAll(410);
  store().fails_to_change = 1;
  Accept({Event("b", "2"), Event("c", "other", "seat.sold")});
  EXPECT_FALSE(dispatcher_.Round()) << "it is told";
  EXPECT_THAT(sender_.sent, ElementsAre("1", "other"));
  EXPECT_EQ(dispatcher_.in_flight(), 1) << "what it answered is recorded";
  sender_.AnswerAll(200);
  EXPECT_FALSE(dispatcher_.Round());
  EXPECT_EQ(dispatcher_.in_flight(), 0);
  EXPECT_THAT(sender_.sent, ElementsAre("1", "other"));
  store().fails_to_change = 0;
  EXPECT_TRUE(dispatcher_.Round());
  EXPECT_FALSE(service_.ListTargets(0, 10)->at(0).enabled);
  EXPECT_EQ(Pending(), 0);
}

TEST_F(GivingUpTest, ATargetWhoseDeliveriesCantBeReadHoldsUpNoOther) {
  MakeTarget("op-1", {"seat.held"});
  MakeTarget("op-2", {"seat.sold"});
  Accept({Event("a", "1"), Event("b", "other", "seat.sold")});
  store().fails_to_give_out = 1;
  EXPECT_FALSE(dispatcher_.Round());
  EXPECT_FALSE(dispatcher_.Round());
  EXPECT_THAT(sender_.sent, ElementsAre("other"));
  store().fails_to_give_out = 0;
  Round();
  EXPECT_THAT(sender_.sent, ElementsAre("other", "1"));
}

}  // namespace
}  // namespace boxoffice::relay
