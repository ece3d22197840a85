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

// reader.Read of one statement, of a Connection or a SharedReader: what it returned. `sql` and `values` are
// as of Batch::Add.
template <typename Reader, typename... T>
[[nodiscard]] Result<Rows> ReadOne(Reader& reader, std::string_view sql, const T&... values) {
  Batch batch;
  batch.Add(sql, values...);
  BOXOFFICE_ASSIGN(auto results, reader.Read(batch));
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
    return pg::ReadOne(*this, sql, values...);
  }

 private:
  std::mutex mutex_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace boxoffice::sql::pg
