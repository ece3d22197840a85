// What a service answers that another replica has overtaken.
#include "services/relay/service.h"

#include <memory>

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
    (deletes_ ? target.deleted : target.enabled) = deletes_;
    EXPECT_TRUE(deletes_ ? UpdateTarget(target, "target_deleted", {})
                         : ChangeTarget(target, "target_disabled", {}));
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
    EXPECT_EQ(service.TestTarget(target.id).error().reason, deletes ? "not_found" : "target_disabled");
  }
}

}  // namespace
}  // namespace boxoffice::relay
