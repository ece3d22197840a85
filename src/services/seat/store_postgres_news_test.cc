// How replicas on one PostgreSQL database hear and forget what they tell each other, while transactions stay
// open elsewhere, the table is kept from them, or the server crashes.
#include <algorithm>
#include <memory>
#include <string>

#include <gmock/gmock.h>

#include "base/text.h"
#include "platform/sql/postgres_for_test.h"
#include "services/seat/store_postgres.h"
#include "testing/wait.h"

namespace boxoffice::seat {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::chrono_literals;

class PostgresNewsTest : public sql::pg::DatabaseTest {
 protected:
  PostgresStores OpenReplica(milliseconds news_kept = 2min, milliseconds lock_timeout = 20s) {
    sql::pg::Config config = sql::pg::PatientConfig(url_);
    config.lock_timeout = lock_timeout;
    return OpenPostgres(config, random_, news_kept).value();
  }
  static Changes ChangeOf(SeatNo seat_no) {
    Changes changes;
    changes.seats.resize(1);
    changes.seats[0].key = {1, seat_no};
    return changes;
  }
  // Which other replicas are told.
  static void SaveSeat(PostgresStores& replica, SeatNo seat_no) {
    const auto saved = replica.stores.commands->Save(ChangeOf(seat_no));
    ASSERT_TRUE(saved.has_value()) << saved.error().detail;
    ASSERT_TRUE(saved->done());
  }
  static News Look(PostgresStores& replica, const NewsPlace& since) {
    auto news = replica.stores.news->LoadNews(since, {});
    EXPECT_TRUE(news.has_value()) << news.error().detail;
    return news.value_or(News{});
  }
  int64_t CountChanges() {
    const auto connection = Open();
    return connection->Read(One("SELECT count(*) FROM change")).value()[0][0].Int(0);
  }

  SeededRandom random_{5};
};

TEST_F(PostgresNewsTest, ALongTransactionElsewhereDoesNotRepeatNews) {
  PostgresStores mine = OpenReplica();
  PostgresStores other = OpenReplica();
  // In another database of the server.
  const std::string url = testbed::PostgresServer::Shared().NewDatabase();
  const auto elsewhere = sql::pg::Connection::Open(sql::pg::PatientConfig(url)).value();
  sql::pg::Transaction lasts(*elsewhere);
  const auto begun = lasts.Run(One("SELECT pg_current_xact_id()::text::bigint"));
  ASSERT_TRUE(begun.has_value()) << begun.error().detail;
  const NewsPlace start = Look(mine, {}).place;
  SaveSeat(other, 1);
  const News first = Look(mine, start);
  EXPECT_THAT(first.seats, SizeIs(1));
  SaveSeat(other, 2);
  const News second = Look(mine, first.place);
  ASSERT_THAT(second.seats, SizeIs(1));
  EXPECT_EQ(second.seats[0].key.seat_no, 2U);
  EXPECT_THAT(Look(mine, second.place).seats, IsEmpty());
  // A snapshot begins with the oldest transaction that was open.
  EXPECT_LE(*ParseNumber<int64_t>(second.place.snapshot.substr(0, second.place.snapshot.find(':'))),
            (*begun)[0][0].Int(0))
      << "it is open still";
  EXPECT_GT(second.place.horizon, (*begun)[0][0].Int(0)) << "what was told is beyond it";
}

// By a lock that lasts, for want of so many rows that they take longer than a statement may.
TEST_F(PostgresNewsTest, NewsThatCannotBeReadInTimeIsReadAnewAfterAMinute) {
  PostgresStores mine = OpenReplica(2min, /*lock_timeout=*/50ms);
  NewsPlace place = Look(mine, {}).place;
  const auto hand = Open();
  sql::pg::Transaction migration(*hand);
  ASSERT_TRUE(migration.Run(One("LOCK TABLE change")));
  const auto failed = mine.stores.news->LoadNews(place, {});
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().reason, "database_unavailable");
  place.at -= 2min;  // as if it had failed since
  const News news = Look(mine, place);
  EXPECT_TRUE(news.lost);
  EXPECT_GT(news.place.at, place.at);
  EXPECT_FALSE(news.place.snapshot.empty());
}

TEST_F(PostgresNewsTest, OldNewsIsForgottenInPartsAlsoWhileATransactionIsOpenElsewhere) {
  PostgresStores mine = OpenReplica(/*news_kept=*/0ms);
  const std::string url = testbed::PostgresServer::Shared().NewDatabase();
  const auto elsewhere = sql::pg::Connection::Open(sql::pg::PatientConfig(url)).value();
  sql::pg::Transaction lasts(*elsewhere);
  ASSERT_TRUE(lasts.Run(One("SELECT pg_current_xact_id()::text")));
  NewsPlace place = Look(mine, {}).place;
  const auto hand = Open();
  ASSERT_TRUE(
      hand->Execute("INSERT INTO change(source, show_id, seats) SELECT gen_random_uuid(), 1, '{1}' FROM "
                    "generate_series(1, 10001)"));
  place = Look(mine, place).place;
  EXPECT_EQ(CountChanges(), 10'001) << "not before it is old";
  place = Look(mine, place).place;
  EXPECT_EQ(CountChanges(), 1);
  place = Look(mine, place).place;
  EXPECT_EQ(CountChanges(), 0);
}

TEST_F(PostgresNewsTest, OldNewsThatIsNotVisibleYetIsKept) {
  PostgresStores mine = OpenReplica(/*news_kept=*/0ms);
  NewsPlace place = Look(mine, {}).place;
  const auto hand = Open();
  sql::pg::Transaction late(*hand);
  ASSERT_TRUE(
      late.Run(One("INSERT INTO change(source, show_id, seats) VALUES (gen_random_uuid(), 1, '{1}')")));
  ASSERT_TRUE(Open()->Execute("SELECT pg_current_xact_id()"));  // one that began later has ended
  place = Look(mine, place).place;
  ASSERT_TRUE(late.Commit());
  // What is forgotten by the next look is what the last one saw.
  place = Look(mine, place).place;
  EXPECT_EQ(CountChanges(), 1);
  place = Look(mine, place).place;
  EXPECT_EQ(CountChanges(), 0);
}

TEST_F(PostgresNewsTest, NoLookFailsForOldNewsThatCannotBeForgotten) {
  PostgresStores mine = OpenReplica(/*news_kept=*/0ms, /*lock_timeout=*/50ms);
  PostgresStores other = OpenReplica();
  NewsPlace place = Look(mine, {}).place;
  SaveSeat(other, 1);
  place = Look(mine, place).place;
  {
    const auto hand = Open();
    sql::pg::Transaction index(*hand);
    ASSERT_TRUE(index.Run(One("LOCK TABLE change IN SHARE MODE")));
    place = Look(mine, place).place;
    EXPECT_EQ(CountChanges(), 1);
  }
  place = Look(mine, place).place;
  EXPECT_EQ(CountChanges(), 0);
}

// Where the database has another history, that snapshot says nothing of its transactions.
TEST_F(PostgresNewsTest, WhatWasSeenBeforeNewsWasLostIsNotForgottenByIt) {
  PostgresStores mine = OpenReplica(/*news_kept=*/0ms);
  PostgresStores other = OpenReplica();
  NewsPlace place = Look(mine, {}).place;
  SaveSeat(other, 1);
  place = Look(mine, place).place;
  NewsPlace earlier = place;
  earlier.at -= 2min;
  EXPECT_TRUE(Look(mine, earlier).lost);
  place = Look(mine, place).place;
  EXPECT_EQ(CountChanges(), 1);
}

// As where a standby that commits wait for is away for longer than an executor decides a batch again.
TEST_F(PostgresNewsTest, WhatIsCommittedAfterItsReplicaHasGivenUpIsNewsToIt) {
  sql::pg::Config config = sql::pg::PatientConfig(url_);
  config.statement_timeout = 0ms;  // none
  config.lock_timeout = 0ms;
  config.answer_timeout = 2s;
  const PostgresStores patient = OpenReplica();  // makes the schema, for which that may be too short
  PostgresStores mine = OpenPostgres(config, random_).value();
  NewsPlace place = Look(mine, {}).place;
  SaveSeat(mine, 1);
  const News own = Look(mine, place);
  EXPECT_THAT(own.seats, IsEmpty()) << "what it has saved it knows";
  place = own.place;
  {
    const auto hand = Open();
    sql::pg::Transaction holds_up(*hand);
    ASSERT_TRUE(holds_up.Run(One("LOCK TABLE change IN SHARE MODE")));
    const auto saved = mine.stores.commands->Save(ChangeOf(2));
    ASSERT_FALSE(saved.has_value());
    EXPECT_EQ(saved.error().code, Code::kUnknown) << saved.error().detail;
    const News meanwhile = Look(mine, place);
    EXPECT_THAT(meanwhile.seats, IsEmpty()) << "it is not committed yet";
    place = meanwhile.place;
  }
  EXPECT_TRUE(testbed::Eventually([&] {
    const News late = Look(mine, place);
    place = late.place;
    return std::ranges::any_of(late.seats, [](const SeatRow& seat) { return seat.key.seat_no == 2; });
  }));
  // And from then on as before.
  SaveSeat(mine, 3);
  EXPECT_THAT(Look(mine, place).seats, IsEmpty());
}

// Numbers of transactions that were rolled back just before are given again, and what was looked at since is
// beyond them.
TEST_F(PostgresNewsTest, NewsIsLostWhereTheServerHasCrashed) {
  PostgresStores mine = OpenReplica();
  const NewsPlace place = Look(mine, {}).place;
  testbed::PostgresServer::Shared().Kill9();
  testbed::PostgresServer::Shared().Start();
  const News news = Look(mine, place);
  EXPECT_TRUE(news.lost);
  EXPECT_FALSE(Look(mine, news.place).lost) << "once all has been read";
}

}  // namespace
}  // namespace boxoffice::seat
