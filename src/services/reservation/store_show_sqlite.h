// The store of work on whole shows, on SQLite: in the reservations' file.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "platform/sql/sqlite.h"
#include "services/reservation/show_store.h"

namespace boxoffice::reservation {

// What Load asks for a member (?1: show, ?2: user), List (?1: user, if one is given) and CountBefore (?1:
// show, ?2: place, ?3: limit), here so that their plans can be tested.
inline constexpr std::string_view kSelectMember =
    "SELECT version, record FROM waitlist INDEXED BY waitlist_member "
    "WHERE user_id = ?2 AND show_id = ?1 AND state < 3";
[[nodiscard]] std::string SelectPlaces(const WaitlistQuery& query);
inline constexpr std::string_view kSelectCountBefore =
    "SELECT count(*) FROM (SELECT 1 FROM waitlist INDEXED BY waitlist_open "
    "WHERE show_id = ?1 AND place < ?2 AND state < 3 LIMIT ?3)";

class SqliteShowStore final : public ShowStore {
 public:
  // Opens `file`, which SqliteStore has migrated. Errors: database_unavailable.
  [[nodiscard]] static Result<std::unique_ptr<SqliteShowStore>> Open(const std::filesystem::path& file);

  [[nodiscard]] Result<ShowRows> Load(const ShowKeys& keys, Timestamp now) override;
  [[nodiscard]] Result<bool> Save(const ShowChanges& changes) override;

 private:
  explicit SqliteShowStore(sql::Database database);
  [[nodiscard]] Result<bool> SaveWork(const RowChange<ShowWork>& change);
  [[nodiscard]] Result<bool> SaveEntry(const RowChange<WaitlistEntry>& change);

  sql::Database database_;
  sql::Statement get_work_;
  sql::Statement due_;
  sql::Statement get_entry_;
  sql::Statement get_member_;
  sql::Statement insert_work_;
  sql::Statement update_work_;
  sql::Statement insert_entry_;
  sql::Statement update_entry_;
};

class SqliteShowReader final : public ShowReader {
 public:
  // Opens `file`, which SqliteStore has migrated.
  [[nodiscard]] static Result<std::unique_ptr<SqliteShowReader>> Open(const std::filesystem::path& file);

  [[nodiscard]] Result<std::optional<ShowWork>> Work(const WorkKey& key) override;
  [[nodiscard]] Result<WaitlistPage> List(const WaitlistQuery& query) override;
  [[nodiscard]] Result<std::vector<SeatChoice>> Wishes(int64_t show_id, uint32_t limit) override;
  [[nodiscard]] Result<WaitlistPage> ListByWish(const WishQuery& query) override;
  [[nodiscard]] Result<uint64_t> CountBefore(int64_t show_id, uint64_t place) override;
  [[nodiscard]] Result<Page> OfShow(int64_t show_id, std::span<const State> states, ReservationId after,
                                    uint32_t limit) override;

 private:
  explicit SqliteShowReader(sql::Database database) : database_(std::move(database)) {}
  // The first places of one wish; at most query.limit + 1 of any price, and as many of a price of theirs.
  [[nodiscard]] Result<void> AddPlaces(const WishQuery& query, const SeatChoice& wish,
                                       std::vector<uint64_t>& places);
  std::mutex mutex_;  // one connection serves all readers, in turn
  sql::Database database_;
};

}  // namespace boxoffice::reservation
