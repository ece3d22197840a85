// What every reader of reservations must do; runs over all of them.
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "platform/sql/postgres_for_test.h"
#include "services/reservation/saga_gauges.h"
#include "services/reservation/store_postgres.h"
#include "services/reservation/store_record.h"
#include "services/reservation/store_sqlite.h"
#include "testing/postgres_server.h"
#include "testing/temp_dir.h"

namespace boxoffice::reservation {
namespace {

using ::testing::ElementsAre;

constexpr Timestamp kNow = FromUnixMs(1'800'000'000'000);

struct Opened {
  std::unique_ptr<sql::pg::ServerClock> clock;
  std::unique_ptr<Store> store;
  std::unique_ptr<Reader> reader;
};
using Open = Opened (*)(const std::filesystem::path& dir, Random& random);

Opened OpenSqlite(const std::filesystem::path& dir, Random& random) {
  auto store = SqliteStore::Open(dir / "reservation.db", random).value();
  return {nullptr, std::move(store), SqliteReader::Open(dir / "reservation.db").value()};
}
Opened OpenPostgresql(const std::filesystem::path&, Random& random) {
  const std::string url = testbed::PostgresServer::Shared().NewDatabase();
  auto stores = OpenPostgres(sql::pg::PatientConfig(url), random);
  CHECK(stores.has_value(), "{}", stores.error().detail);
  return {std::move(stores->clock), std::move(stores->store), std::move(stores->reader)};
}

class ReaderContractTest : public ::testing::TestWithParam<Open> {
 protected:
  void SetUp() override {
    if (GetParam() == &OpenPostgresql) BOXOFFICE_NEED_POSTGRES();
    opened_ = GetParam()(dir_.path(), random_);
  }
  static Change Insert(const Reservation& r) {
    Change change;
    change.reservation = r;
    return change;
  }
  std::vector<bool> Save(const Change& change) { return opened_.store->Save(std::span(&change, 1)).value(); }

  testbed::TempDir dir_;
  SeededRandom random_{1};
  Opened opened_;
};

TEST_P(ReaderContractTest, ListsNewestFirstByUserStateAndShowWithACursor) {
  Reader* const reader = opened_.reader.get();
  std::vector<Reservation> made;
  for (int i = 0; i < 5; ++i) {
    Reservation r;
    r.id = ReservationId::Make(kNow + milliseconds(i), random_);
    r.user_id = i == 4 ? "other" : "buyer";
    r.show_id = i == 0 ? 1 : 2;
    r.state = i == 1 ? State::kConfirmed : State::kHeld;
    r.saga.status = i == 2 ? SagaStatus::kParked : SagaStatus::kDone;
    r.version = 1;
    ASSERT_THAT(Save(Insert(r)), ElementsAre(true));
    made.push_back(r);
  }
  ListQuery query;
  query.user_id = "buyer";
  query.limit = 3;
  Page page = reader->List(query).value();
  EXPECT_TRUE(page.more);
  EXPECT_THAT(page.reservations, ElementsAre(made[3], made[2], made[1]));
  query.before = made[1].id;
  page = reader->List(query).value();
  EXPECT_FALSE(page.more);
  EXPECT_THAT(page.reservations, ElementsAre(made[0]));
  query.before.reset();
  query.state = State::kConfirmed;
  EXPECT_THAT(reader->List(query)->reservations, ElementsAre(made[1]));
  query.state.reset();
  query.show_id = 1;
  EXPECT_THAT(reader->List(query)->reservations, ElementsAre(made[0]));
  query.user_id.clear();
  EXPECT_THAT(reader->List(query)->reservations, ElementsAre(made[0]));
  query.show_id = 2;
  query.limit = 1;
  EXPECT_THAT(reader->List(query)->reservations, ElementsAre(made[4]));
  query.show_id = 0;
  query.state = State::kConfirmed;
  EXPECT_THAT(reader->List(query)->reservations, ElementsAre(made[1]));
  EXPECT_THAT(reader->ListSagas(SagaStatus::kParked, ReservationId(), 10)->reservations,
              ElementsAre(made[2]));
  EXPECT_EQ(reader->ListSagas(std::nullopt, ReservationId(), 10)->reservations.size(), 1U);
  const Page done = reader->ListSagas(SagaStatus::kDone, made[0].id, 2).value();
  EXPECT_THAT(done.reservations, ElementsAre(made[1], made[3]));
  EXPECT_TRUE(done.more);
  EXPECT_EQ(reader->Scan(made[0].id, 10)->reservations.size(), 4U);
  EXPECT_EQ(reader->Get(made[4].id)->value(), made[4]);
  EXPECT_EQ(reader->Get(ReservationId::Make(kNow, random_)).value(), std::nullopt);
}

TEST_P(ReaderContractTest, APageLooksAtAThousandOfAUsersReservationsAndTheNextGoesOnBehindThem) {
  Reader* const reader = opened_.reader.get();
  std::vector<Change> changes;
  std::vector<Reservation> bought;
  for (uint32_t i = 0; i < 2 * kMaxLookedAt + 1; ++i) {
    Reservation r;
    r.id = ReservationId::Make(kNow + milliseconds(i), random_);
    r.user_id = "buyer";
    r.show_id = i == 0 ? 1 : 2;
    r.state = i == 0 || i == 1 || i == 2 * kMaxLookedAt ? State::kConfirmed : State::kReleased;
    r.saga.status = SagaStatus::kDone;
    r.version = 1;
    if (r.state == State::kConfirmed) bought.push_back(r);
    changes.push_back(Insert(r));
  }
  ASSERT_TRUE(opened_.store->Save(changes));
  ListQuery query;
  query.user_id = "buyer";
  query.state = State::kConfirmed;
  const Page newest = reader->List(query).value();
  EXPECT_THAT(newest.reservations, ElementsAre(bought[2])) << "a thousand hold no other";
  EXPECT_TRUE(newest.more);
  query.before = newest.next_before;
  const Page next = reader->List(query).value();
  EXPECT_THAT(next.reservations, ElementsAre(bought[1]));
  EXPECT_TRUE(next.more);
  query.before = next.next_before;
  const Page last = reader->List(query).value();
  EXPECT_THAT(last.reservations, ElementsAre(bought[0]));
  EXPECT_FALSE(last.more);
  EXPECT_EQ(last.next_before, std::nullopt);

  query = {.user_id = "buyer", .show_id = 1};
  const Page none = reader->List(query).value();
  EXPECT_THAT(none.reservations, ElementsAre()) << "also of a show";
  EXPECT_TRUE(none.more);
  query = {.user_id = "buyer", .state = State::kReleased, .limit = 2};
  const Page full = reader->List(query).value();
  EXPECT_EQ(full.next_before, full.reservations.back().id) << "a full page is followed by what is behind it";
  query = {.show_id = 1};
  EXPECT_THAT(reader->List(query)->reservations, ElementsAre(bought[0]))
      << "an operator's search by its index";
}

// An operator looks for one of a big show, and buyers' own reservations are read along the same way.
TEST_P(ReaderContractTest, APageLooksAtTenThousandOfAShowsReservationsForAStateAndTheNextGoesOnBehindThem) {
  std::vector<Change> changes;
  for (uint32_t i = 0; i < kMaxLookedAtOfShow + 1; ++i) {
    Reservation r;
    r.id = ReservationId::Make(kNow + milliseconds(i), random_);
    r.user_id = "buyer";
    r.show_id = 2;
    r.state = i == 0 ? State::kCancelled : State::kConfirmed;
    r.saga.status = SagaStatus::kDone;
    r.version = 1;
    changes.push_back(Insert(r));
  }
  ASSERT_TRUE(opened_.store->Save(changes));
  ListQuery query{.state = State::kCancelled, .show_id = 2};
  const Page newest = opened_.reader->List(query).value();
  EXPECT_THAT(newest.reservations, ElementsAre()) << "ten thousand hold none";
  EXPECT_TRUE(newest.more);
  query.before = newest.next_before;
  const Page last = opened_.reader->List(query).value();
  EXPECT_THAT(last.reservations, ElementsAre(*changes[0].reservation));
  EXPECT_FALSE(last.more);
  query.show_id = 0;
  query.before.reset();
  EXPECT_THAT(opened_.reader->List(query)->reservations, ElementsAre(*changes[0].reservation))
      << "of all shows, by its index";
}

TEST_P(ReaderContractTest, ListsByTheTimeOfMakingAndByEveryState) {
  Reader* const reader = opened_.reader.get();
  std::vector<Reservation> made;
  for (int i = 0; i <= static_cast<int>(State::kReleased); ++i) {
    Reservation r;
    r.id = ReservationId::Make(kNow + milliseconds(i), random_);
    r.user_id = "buyer";
    r.show_id = 2;
    r.state = static_cast<State>(i);
    // What is on its way is due, or parked.
    r.saga.status = r.state == State::kHeld ? SagaStatus::kParked : SagaStatus::kDone;
    if (r.state == State::kConfirming) r.due_at = kNow;
    r.version = 1;
    ASSERT_THAT(Save(Insert(r)), ElementsAre(true));
    made.push_back(r);
  }
  for (const Reservation& r : made) {
    for (const char* user : {"", "buyer"}) {
      for (const int64_t show_id : {0, 2}) {
        ListQuery query;
        query.user_id = user;
        query.show_id = show_id;
        query.state = r.state;
        EXPECT_THAT(reader->List(query)->reservations, ElementsAre(r)) << StateName(r.state);
      }
    }
  }
  ListQuery query;
  query.created_from = kNow + milliseconds(2);
  query.created_until = kNow + milliseconds(4);
  EXPECT_THAT(reader->List(query)->reservations, ElementsAre(made[3], made[2])) << "from, and before until";
  query.before = made[3].id;
  EXPECT_THAT(reader->List(query)->reservations, ElementsAre(made[2]));
  query.created_from = kNow + milliseconds(4);
  EXPECT_TRUE(reader->List(query)->reservations.empty());
}

TEST_P(ReaderContractTest, ListsRunningAndParkedSagasTogetherById) {
  std::vector<Reservation> made;
  for (int i = 0; i < 5; ++i) {
    Reservation r;
    r.id = ReservationId::Make(kNow + milliseconds(i), random_);
    r.saga.status = i % 2 == 0 ? SagaStatus::kParked : SagaStatus::kRunning;
    r.version = 1;
    ASSERT_THAT(Save(Insert(r)), ElementsAre(true));
    made.push_back(r);
  }
  const Page page = opened_.reader->ListSagas(std::nullopt, made[0].id, 3).value();
  EXPECT_THAT(page.reservations, ElementsAre(made[1], made[2], made[3]));
  EXPECT_TRUE(page.more);
}

TEST_P(ReaderContractTest, CountsTheSagasThatHaveNotEndedAndSaysHowOldTheOldestIs) {
  Reader* const reader = opened_.reader.get();
  const auto save = [&](int i, State state, SagaStatus status) {
    Reservation r;
    r.id = ReservationId::Make(kNow + milliseconds(i), random_);
    r.user_id = "buyer";
    r.state = state;
    r.saga.status = status;
    r.saga.started_at = kNow - std::chrono::seconds(i);
    if (status == SagaStatus::kRunning) r.due_at = kNow;
    r.version = 1;
    ASSERT_THAT(Save(Insert(r)), ElementsAre(true));
  };
  save(1, State::kConfirmed, SagaStatus::kDone);
  save(2, State::kConfirming, SagaStatus::kRunning);
  save(3, State::kConfirming, SagaStatus::kRunning);
  save(4, State::kCompensating, SagaStatus::kParked);
  EXPECT_THAT(reader->CountSagas().value(),
              ElementsAre(SagaCount{SagaStatus::kRunning, State::kConfirming, 2},
                          SagaCount{SagaStatus::kParked, State::kCompensating, 1}));
  obs::Registry metrics;
  ASSERT_TRUE(MeasureSagas(*reader, metrics));
  const auto unfinished = [&](const char* status, const char* state) {
    return metrics.GetGauge("boxoffice_saga_unfinished", "", {{"status", status}, {"state", state}}).value();
  };
  EXPECT_EQ(unfinished("running", "CONFIRMING"), 2);
  EXPECT_EQ(unfinished("parked", "COMPENSATING"), 1);
  EXPECT_EQ(unfinished("running", "COMPENSATING"), 0);
  const auto oldest = [&](const char* status) {
    return metrics.GetGauge("boxoffice_saga_oldest_start_timestamp_seconds", "", {{"status", status}})
        .value();
  };
  EXPECT_EQ(oldest("running"), static_cast<double>(ToUnixMs(kNow)) / 1000 - 3);
  EXPECT_EQ(oldest("parked"), static_cast<double>(ToUnixMs(kNow)) / 1000 - 4);
}

INSTANTIATE_TEST_SUITE_P(Readers, ReaderContractTest, ::testing::Values(&OpenSqlite, &OpenPostgresql),
                         [](const auto& info) { return info.param == &OpenSqlite ? "Sqlite" : "Postgres"; });

}  // namespace
}  // namespace boxoffice::reservation
