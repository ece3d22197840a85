// Reads of one statement, and a connection that many readers share.
#pragma once

#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "platform/sql/postgres.h"

namespace boxoffice::sql::pg {

// connection.Read of one statement: what it returned. `sql` and `values` are as of Batch::Add.
template <typename... T>
[[nodiscard]] Result<Rows> ReadOne(Connection& connection, std::string_view sql, const T&... values) {
  Batch batch;
  batch.Add(sql, values...);
  BOXOFFICE_ASSIGN(auto results, connection.Read(batch));
  return std::move(results[0]);
}

// One connection that serves all readers, in turn. Thread-safe.
class SharedReader {
 public:
  explicit SharedReader(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}

  // As of Connection, once its turn has come.
  [[nodiscard]] Result<std::vector<Rows>> Read(const Batch& batch) {
    const std::scoped_lock lock(mutex_);
    return connection_->Read(batch);
  }
  template <typename... T>
  [[nodiscard]] Result<Rows> ReadOne(std::string_view sql, const T&... values) {
    Batch batch;
    batch.Add(sql, values...);
    BOXOFFICE_ASSIGN(auto results, Read(batch));
    return std::move(results[0]);
  }

 private:
  std::mutex mutex_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace boxoffice::sql::pg
