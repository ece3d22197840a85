// What tests of PostgreSQL's connections share: a database of one's own, and connections to it.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

#include "platform/sql/postgres.h"
#include "testing/postgres_server.h"

namespace boxoffice::sql::pg {

// To a server that is well: none of its bounds is met because the machine is busy.
[[nodiscard]] inline Config PatientConfig(std::string url) {
  return {.url = std::move(url),
          .connect_timeout = std::chrono::seconds(20),
          .statement_timeout = milliseconds(20'000),
          .lock_timeout = milliseconds(20'000),
          .answer_timeout = milliseconds(30'000),
          .idle_timeout = milliseconds(0)};
}

class DatabaseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    BOXOFFICE_NEED_POSTGRES();
    url_ = testbed::PostgresServer::Shared().NewDatabase();
  }
  // Quick to try again. `parameters` go behind the URL.
  std::unique_ptr<Connection> Open(const std::string& parameters = "") {
    Config config = PatientConfig(url_ + parameters);
    config.backoff = milliseconds(1);
    config.max_backoff = milliseconds(10);
    return Connection::Open(config).value();
  }
  static Batch One(std::string_view sql) {
    Batch batch;
    batch.Add(sql);
    return batch;
  }
  std::string url_;
};

}  // namespace boxoffice::sql::pg
