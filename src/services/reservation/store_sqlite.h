// The reservation store on SQLite.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/random.h"
#include "platform/outbox/outbox.h"
#include "platform/sql/sqlite.h"
#include "services/reservation/store.h"
#include "services/reservation/store_record.h"

namespace boxoffice::reservation {

class SqliteStore final : public Store {
 public:
  // Opens `file` and migrates it. Errors: database_unavailable, schema_newer.
  [[nodiscard]] static Result<std::unique_ptr<SqliteStore>> Open(const std::filesystem::path& file,
                                                                 Random& random);

  [[nodiscard]] Result<Rows> Load(const Keys& keys, Timestamp now) override;
  [[nodiscard]] Result<std::vector<bool>> Save(std::span<const Change> changes) override;
  [[nodiscard]] Result<Forgotten> ForgetRequests(Timestamp before, int64_t limit) override;

 private:
  SqliteStore(sql::Database database, Random& random);
  [[nodiscard]] Result<void> LoadDue(size_t limit, Timestamp now, Rows& rows);
  [[nodiscard]] Result<bool> MayBegin(const Change& change);
  [[nodiscard]] Result<bool> IsCancelled(int64_t show_id);
  [[nodiscard]] Result<bool> SaveRow(const Change& change, std::string_view record);
  [[nodiscard]] Result<void> KeepAnswer(const Change& change);
  [[nodiscard]] Result<void> SaveRequest(const RequestRecord& request);

  sql::Database database_;
  Random& random_;
  outbox::Writer outbox_;
  sql::Statement get_;
  sql::Statement get_request_;
  sql::Statement get_request_saga_;
  sql::Statement get_cancellation_;
  sql::Statement due_;
  sql::Statement insert_;
  sql::Statement update_;
  sql::Statement renew_;
  sql::Statement put_request_;
  sql::Statement keep_answer_;
  sql::Statement look_at_requests_;
  sql::Statement forget_;
  // The last one that ForgetRequests has looked at; empty: it begins anew.
  RequestKey looked_at_;
};

// The records of at most `limit` sagas with this status (nullopt: running or parked) past the reservation ?1,
// by id: what ListSagas asks, here so that its plan can be tested.
[[nodiscard]] std::string SelectSagas(std::optional<SagaStatus> status, uint32_t limit);

class SqliteReader final : public Reader {
 public:
  // Opens `file`, which a store has migrated.
  [[nodiscard]] static Result<std::unique_ptr<SqliteReader>> Open(const std::filesystem::path& file);

  [[nodiscard]] Result<std::optional<Reservation>> Get(ReservationId id) override;
  [[nodiscard]] Result<Page> List(const ListQuery& query) override;
  [[nodiscard]] Result<Page> ListSagas(std::optional<SagaStatus> status, ReservationId after,
                                       uint32_t limit) override;
  [[nodiscard]] Result<std::vector<SagaCount>> CountSagas() override;
  [[nodiscard]] Result<Page> Scan(ReservationId after, uint32_t limit) override;

 private:
  explicit SqliteReader(sql::Database database);
  [[nodiscard]] Result<std::optional<ReservationId>> CutOf(const ListQuery& query, const IdRange& range);
  std::mutex mutex_;  // one connection serves all readers, in turn
  sql::Database database_;
};

}  // namespace boxoffice::reservation
