#include "platform/sql/postgres_url.h"

#include <map>
#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <libpq-fe.h>

namespace boxoffice::sql::pg {
namespace {

using Texts = std::map<std::string, std::string>;

std::string With(const std::string& url, const Texts& variables) {
  return WithVariables(url, [&](const char* name) {
    const auto found = variables.find(name);
    return found != variables.end() ? found->second.c_str() : nullptr;
  });
}

// What libpq reads in it.
Texts Read(const std::string& url) {
  Texts texts;
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> options(
      PQconninfoParse(url.c_str(), nullptr), &PQconninfoFree);
  for (auto* option = options.get(); option != nullptr && option->keyword != nullptr; ++option) {
    if (option->val != nullptr) texts[option->keyword] = option->val;
  }
  return texts;
}

TEST(PostgresUrlTest, WhatAUrlLeavesOpenTheVariablesSay) {
  const std::string url = With("postgresql://wallet@db1,db2:5433/shop?sslmode=verify-full",
                               {{"PGPASSWORD", "a b&c=d%/@?#:'\xc3\xa9"}, {"PGSSLROOTCERT", "/etc/ca.crt"}});
  EXPECT_EQ(Read(url), (Texts{{"user", "wallet"},
                              {"host", "db1,db2"},
                              {"port", ",5433"},
                              {"dbname", "shop"},
                              {"sslmode", "verify-full"},
                              {"password", "a b&c=d%/@?#:'\xc3\xa9"},
                              {"sslrootcert", "/etc/ca.crt"}}));
  EXPECT_TRUE(url.starts_with("postgresql://")) << "stores are chosen by that";
}

TEST(PostgresUrlTest, WhatAUrlSaysGoesBeforeTheVariables) {
  const std::string url = "postgresql://wallet:own@[::1]:5433/shop";
  EXPECT_EQ(With(url, {{"PGPASSWORD", "other"}, {"PGUSER", "other"}, {"PGPORT", "1"}}), url);
  EXPECT_EQ(With(url, {}), url);
}

// In the URL they would go before what it gives libpq, which without them asks no variable.
TEST(PostgresUrlTest, WhatAConnectionSaysByItselfNoVariableDoes) {
  const std::string url = "postgresql://db/shop";
  EXPECT_EQ(
      With(url,
           {{"PGTARGETSESSIONATTRS", "any"}, {"PGCLIENTENCODING", "LATIN1"}, {"PGCONNECT_TIMEOUT", "60"}}),
      url);
}

// Whoever connects says what is wrong with it.
TEST(PostgresUrlTest, AUrlThatCantBeReadStaysAsItIs) {
  for (const char* url : {"postgresql://db/shop?sslmod=require", "postgresql://[::1/shop"})
    EXPECT_EQ(With(url, {{"PGPASSWORD", "p"}}), url);
}

}  // namespace
}  // namespace boxoffice::sql::pg
