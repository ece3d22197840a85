#include "platform/sql/postgres_hosts.h"

#include <chrono>
#include <cstdlib>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "platform/dns/lookup.h"
#include "platform/sql/postgres_for_test.h"
#include "testing/wait.h"

namespace boxoffice::sql::pg {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

dns::Lookup::Addresses Addresses(const std::vector<std::string>& texts) {
  dns::Lookup::Addresses addresses;
  for (const std::string& text : texts) addresses.push_back(boost::asio::ip::make_address(text));
  return addresses;
}

// What is found, and which names were asked for.
struct Found {
  Result<Hosts> hosts;
  std::set<std::string> asked;
};

Found LookUp(const std::string& url) {
  const std::map<std::string, std::vector<std::string>> known = {{"db1", {"10.0.0.1", "10.0.0.2"}},
                                                                 {"db2", {"fd00::2"}}};
  std::set<std::string> asked;
  std::mutex mutex;
  dns::Lookup lookup([&](const std::string& host) -> Result<dns::Lookup::Addresses> {
    const std::scoped_lock lock(mutex);
    asked.insert(host);
    const auto found = known.find(host);
    if (found == known.end()) return Fail(Code::kUnavailable, "lookup_failed", "nobody knows it");
    return Addresses(found->second);
  });
  Result<Hosts> hosts = LookUpHosts(url, seconds(60), lookup);
  const std::scoped_lock lock(mutex);
  return {std::move(hosts), asked};
}

TEST(PostgresHostsTest, EachAddressOfAHostIsGivenUnderItsNameAndWithItsPort) {
  EXPECT_EQ(LookUp("postgresql://wallet@db1,db2:5433/shop").hosts,
            (Hosts{"db1,db1,db2", "10.0.0.1,10.0.0.2,fd00::2", "5432,5432,5433"}));
  EXPECT_EQ(LookUp("host=db1,db2 port=5433 dbname=shop").hosts,
            (Hosts{"db1,db1,db2", "10.0.0.1,10.0.0.2,fd00::2", ""}))
      << "one port is that of all";
}

TEST(PostgresHostsTest, SocketsAndAddressesAskNobody) {
  const Found several = LookUp("postgresql://%2Frun%2Fpostgresql,127.0.0.1,[::1]:5433/shop");
  EXPECT_EQ(several.hosts, (Hosts{"/run/postgresql,127.0.0.1,::1", ",127.0.0.1,::1", "5432,5432,5433"}));
  EXPECT_THAT(several.asked, IsEmpty());
  for (const char* url : {"postgresql:///shop", "host=db1 hostaddr=10.0.0.9", "postgresql://[::1/shop"}) {
    const Found found = LookUp(url);
    EXPECT_EQ(found.hosts, Hosts{}) << url;
    EXPECT_THAT(found.asked, IsEmpty()) << url;
  }
}

TEST(PostgresHostsTest, WhatTheUrlLeavesOpenTheVariablesSay) {
  ::setenv("PGHOST", "db1", /*overwrite=*/1);
  EXPECT_EQ(LookUp("postgresql:///shop").hosts, (Hosts{"db1,db1", "10.0.0.1,10.0.0.2", ""}));
  EXPECT_EQ(LookUp("postgresql://db2/shop").hosts, (Hosts{"db2", "fd00::2", ""}));
  EXPECT_EQ(LookUp("postgresql:///shop?service=other").hosts, Hosts{}) << "which may name another";
  ::setenv("PGHOSTADDR", "10.0.0.9", /*overwrite=*/1);
  const Found found = LookUp("postgresql://db2/shop");
  EXPECT_EQ(found.hosts, Hosts{}) << "libpq takes the address that is said";
  EXPECT_THAT(found.asked, IsEmpty());
  ::unsetenv("PGHOST");
  ::unsetenv("PGHOSTADDR");
}

TEST(PostgresHostsTest, AHostThatIsNotFoundIsLeftOut) {
  EXPECT_EQ(LookUp("postgresql://gone:1,db2:2/shop").hosts, (Hosts{"db2", "fd00::2", "2"}));
  EXPECT_EQ(LookUp("postgresql://gone:1,db2/shop").hosts, (Hosts{"db2", "fd00::2", "5432"}));
  const Found none = LookUp("postgresql://gone,lost/shop");
  ASSERT_FALSE(none.hosts);
  EXPECT_EQ(none.hosts.error().code, Code::kUnavailable);
  EXPECT_EQ(none.hosts.error().reason, "database_unavailable");
  EXPECT_THAT(none.hosts.error().detail, HasSubstr("nobody knows it"));
}

TEST(PostgresHostsTest, ANameThatHangsIsLeftOutWithinTheTimeOutOfTheUrl) {
  std::promise<void> release;
  dns::Lookup lookup([released = release.get_future().share()](const std::string& host) {
    if (host == "hangs") released.wait();
    return Result<dns::Lookup::Addresses>(Addresses({"10.0.0.1"}));
  });
  auto found = std::async(std::launch::async, [&] {
    return LookUpHosts("postgresql://hangs,db1/shop?connect_timeout=1", std::chrono::hours(1), lookup);
  });
  EXPECT_EQ(found.wait_for(seconds(60)), std::future_status::ready);
  release.set_value();
  EXPECT_EQ(found.get(), (Hosts{"db1", "10.0.0.1", "5432"}));
}

// The server of the tests under a name that a test looks up.
class PostgresNameTest : public DatabaseTest {
 protected:
  Config ConfigOf(dns::Lookup& lookup) const {
    std::string url = url_;
    constexpr std::string_view kAddress = "127.0.0.1";
    url.replace(url.find(kAddress), kAddress.size(), "postgres.example");
    Config config = PatientConfig(url);
    config.connect_timeout = seconds(1);
    config.lookup = &lookup;
    return config;
  }
  static bool Opens(const Config& config) {
    return testbed::Eventually([&] { return Connection::Open(config).has_value(); });
  }
};

TEST_F(PostgresNameTest, ALookUpThatHangsCostsTheConnectTimeOutAndNoMore) {
  std::promise<void> release;
  dns::Lookup lookup([released = release.get_future().share()](const std::string&) {
    released.wait();
    return Result<dns::Lookup::Addresses>(Addresses({"127.0.0.1"}));
  });
  const Config config = ConfigOf(lookup);
  auto opening = std::async(std::launch::async, [&] { return Connection::Open(config); });
  EXPECT_EQ(opening.wait_for(seconds(60)), std::future_status::ready) << "though the look-up hangs";
  release.set_value();
  const auto opened = opening.get();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kUnavailable);
  EXPECT_EQ(opened.error().reason, "database_unavailable");
  EXPECT_THAT(opened.error().detail, HasSubstr("postgres.example can't be looked up"));
  EXPECT_TRUE(Opens(config));
}

TEST_F(PostgresNameTest, WhereAnAddressRefusesTheNextIsTried) {
  dns::Lookup lookup([](const std::string&) {
    return Result<dns::Lookup::Addresses>(Addresses({"127.0.0.2", "127.0.0.1"}));
  });
  EXPECT_TRUE(Opens(ConfigOf(lookup)));
}

}  // namespace
}  // namespace boxoffice::sql::pg
