// The auditor is audited: somebody meddles with the databases behind the services' backs, and is found out.
#include <csignal>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "e2e/system.h"
#include "platform/sql/sqlite.h"

namespace boxoffice::e2e {
namespace {

using ::testing::Contains;

class Audit : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(system_.ready());
    show_ = system_.CreateShow();
  }

  // A sale of one seat; the reservation's id.
  std::string Sell(const std::string& user) {
    Buyer buyer(system_, user);
    EXPECT_TRUE(buyer.Enter(show_));
    EXPECT_EQ(buyer.Charge(1'500).status, 201);
    const Reply sold = buyer.Reserve(show_, R"("best_available":{"count":1},"pay":true)");
    EXPECT_EQ(sold.status, 201) << sold;
    return sold.at("id");
  }
  void Meddle(const char* database, const std::string& sql) {
    auto opened = sql::Database::Open(system_.data_dir() / database);
    ASSERT_TRUE(opened) << opened.error().detail;
    const auto done = opened->Execute(sql);
    ASSERT_TRUE(done) << done.error().detail;
  }
  // "confirmed_complete reservation:…", for each violation and each id.
  std::set<std::string> Violations() {
    const Reply audit = system_.Admin("POST", "/v1/admin/audit");
    EXPECT_EQ(audit.status, 200) << audit;
    EXPECT_EQ(audit.at("ok"), "false") << audit;
    std::set<std::string> named;
    for (const json::value& violation : audit.body.at("violations").as_array()) {
      for (const json::value& id : violation.at("ids").as_array()) {
        named.insert(fmt::format("{} {}", std::string_view(violation.at("name").as_string()),
                                 std::string_view(id.as_string())));
      }
    }
    return named;
  }

  System system_;
  std::string show_;
};

TEST_F(Audit, NamesWhatWasMeddledWith) {
  const std::string fine = Sell("fine"), unseated = Sell("unseated"), unpaid = Sell("unpaid"),
                    unapproved = Sell("unapproved"), forgotten = Sell("forgotten"), untold = Sell("untold");
  system_.ExpectCleanAudit();
  ASSERT_EQ(system_.Stop(SIGTERM), 0);
  Meddle("seat.db",
         "UPDATE seat SET state = 0, reservation_id = NULL, user_id = NULL WHERE user_id = 'unseated'");
  Meddle("wallet.db", "DELETE FROM ledger WHERE user_id = 'unpaid' AND kind = 2");
  Meddle("payment.db", "UPDATE payment SET state = 4, resolution = 2 WHERE user_id = 'unapproved'");
  Meddle("reservation.db", "DELETE FROM reservation WHERE user_id = 'forgotten'");
  Meddle("bus.db",
         fmt::format("DELETE FROM log WHERE type = 'reservation.confirmed' AND key = CAST('{}' AS BLOB)",
                     untold));
  system_.Start();
  ASSERT_TRUE(system_.ready());

  const std::set<std::string> named = Violations();
  EXPECT_THAT(named, Contains("confirmed_complete reservation:" + unseated));
  EXPECT_THAT(named, Contains("confirmed_complete reservation:" + unpaid));
  EXPECT_THAT(named, Contains("ledger_balanced user:unpaid"));
  EXPECT_THAT(named, Contains("confirmed_complete reservation:" + unapproved));
  EXPECT_THAT(named, Contains("nothing_orphaned reservation:" + forgotten));
  EXPECT_THAT(named, Contains("confirmed_kept reservation:" + forgotten));
  EXPECT_THAT(named, Contains("events_published reservation:" + untold));
  EXPECT_THAT(named, Contains("projections_equal show:" + show_))
      << "the ranking counted an event that is not there";
  for (const std::string& violation : named) EXPECT_EQ(violation.find(fine), std::string::npos) << violation;

  const Finished command =
      RunCommand({BinDir() / "boxoffice", "audit", "--url",
                  fmt::format("http://127.0.0.1:{}", system_.port()), "--data", system_.data_dir()},
                 seconds(60));
  EXPECT_EQ(command.exit_code, 1) << command.out << command.err;
  EXPECT_THAT(command.out, ::testing::HasSubstr(unseated));
}

}  // namespace
}  // namespace boxoffice::e2e
