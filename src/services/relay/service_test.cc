// What a service answers that another replica has overtaken, and what it answers to a repeat.
#include "services/relay/service.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "services/relay/store_memory.h"

namespace boxoffice::relay {
namespace {

// Another replica takes the target away between the look at it and the insert.
class OvertakenStore final : public MemoryStore {
 public:
  explicit OvertakenStore(bool deletes) : deletes_(deletes) {}
  Result<void> Insert(const Accepted&) override {
    Target target = LoadTargets().value().at(0);
    target.enabled = false;
    EXPECT_TRUE(deletes_ ? DeleteTarget(target.id) : ChangeTarget(target));
    return Fail(Code::kConflict, "constraint", "a target takes nothing any more");
  }

 private:
  const bool deletes_;
};

TEST(OvertakenTest, ATestOfATargetThatAnotherReplicaHasJustTakenAwaySaysSo) {
  const ManualClock clock;
  SeededRandom random(1);
  for (const bool deletes : {false, true}) {
    RelayService service(std::make_unique<OvertakenStore>(deletes), clock, random,
                         [] { return std::string(kSecretBytes, 's'); });
    ASSERT_TRUE(service.Load());
    const Target target = service.CreateTarget("op-1", {.url = "http://example/"}).value();
    EXPECT_EQ(service.TestTarget(target.id).error().reason, deletes ? "target_not_found" : "target_disabled");
  }
}

// Another replica is always first.
class ForestallingStore final : public MemoryStore {
 public:
  explicit ForestallingStore(int& changes) : changes_(changes) {}
  Result<void> ChangeTarget(const Target&) override {
    ++changes_;
    return Fail(Code::kConflict, "constraint", "the target was changed meanwhile");
  }

 private:
  int& changes_;
};

TEST(OvertakenTest, AChangeThatOthersForestallTenTimesCanBeAskedForAgain) {
  const ManualClock clock;
  SeededRandom random(1);
  int changes = 0;
  RelayService service(std::make_unique<ForestallingStore>(changes), clock, random,
                       [] { return std::string(kSecretBytes, 's'); });
  ASSERT_TRUE(service.Load());
  const Target target = service.CreateTarget("op-1", {.url = "http://example/"}).value();
  TargetChange change;
  change.enabled = false;
  const auto changed = service.ChangeTarget(target.id, change);
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, Code::kUnavailable);
  EXPECT_EQ(changed.error().reason, "contention");
  EXPECT_EQ(changes, 10);
}

// Each secret is another one.
class OperationKeyTest : public testing::Test {
 protected:
  OperationKeyTest() { EXPECT_TRUE(service_.Load()); }

  const ManualClock clock_;
  SeededRandom random_{1};
  char secret_ = 'a';
  std::unique_ptr<MemoryStore> owned_ = std::make_unique<MemoryStore>();
  MemoryStore& store_ = *owned_;  // as other programs find it
  RelayService service_{std::move(owned_), clock_, random_,
                        [this] { return std::string(kSecretBytes, secret_++); }};
};

TEST_F(OperationKeyTest, ARotationsKeyIsForThatRotation) {
  const int64_t id = service_.CreateTarget("op", {.url = "http://a/"})->id;
  const Target rotated = service_.RotateSecret("r1", id, std::chrono::hours(24)).value();
  EXPECT_EQ(service_.RotateSecret("r1", id, std::chrono::hours(24)).value(), rotated) << "again: the same";
  const Error reused = service_.RotateSecret("r1", id, milliseconds(0)).error();
  EXPECT_EQ(reused.reason, "operation_key_reused") << "the secret before has leaked, and still counts";
  EXPECT_EQ(reused.code, Code::kConflict);
  EXPECT_EQ(service_.ListTargets(0, 1)->at(0), rotated);
  EXPECT_EQ(service_.RotateSecret("r2", id, milliseconds(0))->old_secret, "");
}

// Side by side with this one, in an upgrade.
TEST_F(OperationKeyTest, ARotationByAProgramThatKeepsNoContentIsKnownByItsKey) {
  const int64_t id = service_.CreateTarget("op", {.url = "http://a/"})->id;
  Target theirs = service_.RotateSecret("r1", id, milliseconds(0)).value();
  theirs.rotation_key = "r2";
  theirs.secret = std::string(kSecretBytes, 'z');
  ASSERT_TRUE(store_.ChangeTarget(theirs));
  EXPECT_EQ(service_.RotateSecret("r2", id, std::chrono::hours(24))->secret, theirs.secret);
}

TEST_F(OperationKeyTest, ARepeatedCreationIsKnownAfterAChange) {
  const Target asked{.url = "http://a/", .event_types = {"seat.held"}, .show_ids = {7}, .rate_per_s = 5};
  const Target made = service_.CreateTarget("op", asked).value();
  ASSERT_TRUE(service_.ChangeTarget(made.id, {.url = "http://b/", .rate_per_s = 0}));
  const Target again = service_.CreateTarget("op", asked).value();
  EXPECT_EQ(again.id, made.id);
  EXPECT_EQ(again.url, "http://b/") << "as it is now";
  Target other = asked;
  other.url = "http://b/";
  other.rate_per_s = 0;
  EXPECT_EQ(service_.CreateTarget("op", other).error().reason, "operation_key_reused")
      << "the key did not ask for what it is now";
}

TEST_F(OperationKeyTest, EachChoiceIsOfTheContentOfACreation) {
  const Target asked{.url = "http://a/"};
  ASSERT_TRUE(service_.CreateTarget("op", asked));
  std::vector<Target> others(5, asked);
  others[0].url = "http://b/";
  others[1].event_types = {"seat.held"};
  others[2].show_ids = {7};
  others[3].payload = Payload::kFull;
  others[4].rate_per_s = 5;
  for (const Target& other : others) {
    EXPECT_EQ(service_.CreateTarget("op", other).error().reason, "operation_key_reused") << ContentOf(other);
  }
}

TEST_F(OperationKeyTest, ACreationByAProgramThatKeptNoContentIsJudgedByWhatTheTargetIs) {
  const std::string secret(kSecretBytes, 's');
  ASSERT_TRUE(store_.InsertTarget({.operation_key = "op", .url = "http://a/", .secret = secret}));
  EXPECT_EQ(service_.CreateTarget("op", {.url = "http://a/"})->secret, secret);
  EXPECT_EQ(service_.CreateTarget("op", {.url = "http://b/"}).error().reason, "operation_key_reused");
}

}  // namespace
}  // namespace boxoffice::relay
