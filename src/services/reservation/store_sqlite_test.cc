// What SQLite alone has to do. What every store must do is in store_contract_test.cc.
#include "services/reservation/store_sqlite.h"

#include <gmock/gmock.h>

#include "testing/temp_dir.h"

namespace boxoffice::reservation {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Few sagas are open among all that ever were: they are counted every few seconds, and operators list them.
TEST(SqliteReaderTest, OpenSagasAreFoundByTheirOwnIndexInTheOrderOfIds) {
  const testbed::TempDir dir;
  SeededRandom random(1);
  const auto store = SqliteStore::Open(dir.path() / "reservation.db", random).value();
  const auto raw = sql::Database::Open(dir.path() / "reservation.db").value();
  const auto plan_of = [&](std::optional<SagaStatus> status) {
    sql::Statement plan = raw.Prepare("EXPLAIN QUERY PLAN " + SelectSagas(status, 10));
    std::string text;
    while (plan.Step().value()) text += std::string(plan.Text(3)) + "\n";
    return text;
  };
  const std::optional<SagaStatus> asked[] = {SagaStatus::kRunning, SagaStatus::kParked, std::nullopt};
  for (const std::optional<SagaStatus> status : asked) {
    const std::string plan = plan_of(status);
    EXPECT_THAT(plan, HasSubstr("reservation_open (saga_status=? AND id>?)"));
    EXPECT_THAT(plan, Not(HasSubstr("PRIMARY KEY")));
    EXPECT_THAT(plan, Not(HasSubstr("TEMP B-TREE")));
  }
}

}  // namespace
}  // namespace boxoffice::reservation
