// What SQLite alone has to do. What every store must do is in store_contract_test.cc.
#include "services/reservation/store_sqlite.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "services/reservation/store_show_sqlite.h"
#include "testing/temp_dir.h"

namespace boxoffice::reservation {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class SqliteReaderTest : public ::testing::Test {
 protected:
  std::string PlanOf(std::string_view sql) {
    sql::Statement plan = raw_.Prepare(fmt::format("EXPLAIN QUERY PLAN {}", sql));
    std::string text;
    while (plan.Step().value()) text += std::string(plan.Text(3)) + "\n";
    return text;
  }

 private:
  testbed::TempDir dir_;
  SeededRandom random_{1};
  const std::unique_ptr<Store> store_ = SqliteStore::Open(dir_.path() / "reservation.db", random_).value();
  sql::Database raw_ = sql::Database::Open(dir_.path() / "reservation.db").value();
};

// Few sagas are open among all that ever were: they are counted every few seconds, and operators list them.
TEST_F(SqliteReaderTest, OpenSagasAreFoundByTheirOwnIndexInTheOrderOfIds) {
  const std::optional<SagaStatus> asked[] = {SagaStatus::kRunning, SagaStatus::kParked, std::nullopt};
  for (const std::optional<SagaStatus> status : asked) {
    const std::string plan = PlanOf(SelectSagas(status, 10));
    EXPECT_THAT(plan, HasSubstr("reservation_open (saga_status=? AND id>?)"));
    EXPECT_THAT(plan, Not(HasSubstr("PRIMARY KEY")));
    EXPECT_THAT(plan, Not(HasSubstr("TEMP B-TREE")));
  }
}

// Who joins and leaves in a loop must not make each command and each look dearer.
TEST_F(SqliteReaderTest, PlacesThatWereLeftAreNotReadOnTheWayToOpenOnes) {
  constexpr std::string_view kOfMember = "waitlist_member (user_id=? AND show_id=?";
  EXPECT_THAT(PlanOf(kSelectMember), HasSubstr(kOfMember));
  EXPECT_THAT(PlanOf(kSelectCountBefore), HasSubstr("waitlist_open (show_id=? AND place<?)"));
  WaitlistQuery query;
  query.which = Places::kOpen;
  query.show_id = 7;
  const auto is_by = [](std::string_view index) {
    return AllOf(HasSubstr(index), Not(HasSubstr("TEMP B-TREE")));
  };
  EXPECT_THAT(PlanOf(SelectPlaces(query)), is_by("waitlist_open (show_id=? AND place>?)"));
  query.user_id = "ann";
  EXPECT_THAT(PlanOf(SelectPlaces(query)), is_by(kOfMember));
  query.show_id = 0;
  EXPECT_THAT(PlanOf(SelectPlaces(query)), is_by("waitlist_member (user_id=?)"));
  query.which = Places::kAll;
  query.show_id = 7;
  EXPECT_THAT(PlanOf(SelectPlaces(query)), is_by("waitlist_user (user_id=? AND show_id=?"))
      << "nor those of others on the way to hers";
}

}  // namespace
}  // namespace boxoffice::reservation
