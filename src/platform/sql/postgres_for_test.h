// What tests of PostgreSQL's connections share: a database of one's own, and connections to it.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "platform/sql/postgres.h"
#include "testing/postgres_server.h"

namespace boxoffice::sql::pg {

class DatabaseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    BOXOFFICE_NEED_POSTGRES();
    url_ = testbed::PostgresServer::Shared().NewDatabase();
  }
  // Quick to try again; its bounds are not met because the machine is busy. `parameters` go behind the URL.
  std::unique_ptr<Connection> Open(const std::string& parameters = "") {
    return Connection::Open({.url = url_ + parameters,
                             .connect_timeout = std::chrono::seconds(20),
                             .statement_timeout = milliseconds(20'000),
                             .lock_timeout = milliseconds(20'000),
                             .answer_timeout = milliseconds(30'000),
                             .idle_timeout = milliseconds(0),
                             .backoff = milliseconds(1),
                             .max_backoff = milliseconds(10)})
        .value();
  }
  static Batch One(std::string_view sql) {
    Batch batch;
    batch.Add(sql);
    return batch;
  }
  std::string url_;
};

}  // namespace boxoffice::sql::pg
