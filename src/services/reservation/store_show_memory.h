// The store of the work on whole shows in memory: what the contract tests hold the databases against, and
// what the simulation runs on.
#pragma once

#include <map>

#include "services/reservation/show_store.h"
#include "services/reservation/store_memory.h"

namespace boxoffice::reservation {

// The tables. Not durable; one thread.
struct MemoryShows {
  std::map<WorkKey, ShowWork> works;
  std::map<EntryKey, WaitlistEntry> entries;

  // For MemoryStore::is_cancelled.
  [[nodiscard]] bool IsCancelled(int64_t show_id) const;
};

// `rows` outlives it; as many as there are replicas may share it.
class MemoryShowStore final : public ShowStore {
 public:
  explicit MemoryShowStore(MemoryShows& rows) : rows_(rows) {}
  [[nodiscard]] Result<ShowRows> Load(const ShowKeys& keys, Timestamp now) override;
  [[nodiscard]] Result<bool> Save(const ShowChanges& changes) override;

 private:
  MemoryShows& rows_;
};

// Likewise; `reservations` are those of the shows.
class MemoryShowReader final : public ShowReader {
 public:
  MemoryShowReader(const MemoryShows& rows, const MemoryStore& reservations)
      : rows_(rows), reservations_(reservations) {}
  [[nodiscard]] Result<std::optional<ShowWork>> Work(const WorkKey& key) override;
  [[nodiscard]] Result<WaitlistPage> List(const WaitlistQuery& query) override;
  [[nodiscard]] Result<std::vector<SeatChoice>> Wishes(int64_t show_id, uint32_t limit) override;
  [[nodiscard]] Result<WaitlistPage> ListByWish(const WishQuery& query) override;
  [[nodiscard]] Result<uint64_t> CountBefore(int64_t show_id, uint64_t place) override;
  [[nodiscard]] Result<Page> OfShow(int64_t show_id, std::span<const State> states, ReservationId after,
                                    uint32_t limit) override;

 private:
  const MemoryShows& rows_;
  const MemoryStore& reservations_;
};

}  // namespace boxoffice::reservation
