// Work on shows, and places on waitlists, as protobuf: for callers and for storage.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "boxoffice/reservation/v1/record.pb.h"
#include "boxoffice/reservation/v1/reservation.pb.h"
#include "services/reservation/show_store.h"
#include "services/reservation/show_work.h"

namespace boxoffice::reservation {

[[nodiscard]] v1::ShowCancellation ToProto(int64_t show_id, const Cancellation& cancellation);
// All but how many are before it.
[[nodiscard]] v1::WaitlistEntry ToProto(const WaitlistEntry& entry);
[[nodiscard]] SeatChoice WishFrom(const seat::v1::BestAvailable& wish);

// The column of what a wish pays for each seat, at most.
inline constexpr int64_t kAnyPrice = std::numeric_limits<int64_t>::max();
[[nodiscard]] inline int64_t PriceColumn(const SeatChoice& wish) {
  return wish.max_price == 0 ? kAnyPrice : wish.max_price;
}
// A wish from its columns.
[[nodiscard]] SeatChoice WishFrom(int64_t seats, std::string_view section, std::string_view category,
                                  int64_t price_column);
// The column of an entry's state: whoever is being sought seats for is found among the offers.
[[nodiscard]] inline EntryState StateColumn(const WaitlistEntry& entry) {
  return IsPending(entry) ? EntryState::kOffered : entry.state;
}

// What a query for these places adds to its WHERE, in both dialects; the last two as their indexes have it.
[[nodiscard]] std::string_view ConditionOf(Places which);

// What has no column.
[[nodiscard]] std::string EncodeWork(const ShowWork& work);
[[nodiscard]] std::string EncodeEntry(const WaitlistEntry& entry);
// With what the columns say. Errors: kInternal record_unreadable.
[[nodiscard]] Result<ShowWork> DecodeWork(const WorkKey& key, uint64_t version, uint64_t epoch,
                                          std::optional<Timestamp> due_at, std::string_view bytes);
[[nodiscard]] Result<WaitlistEntry> DecodeEntry(uint64_t version, std::string_view bytes);

// A row of (show_id, kind, version, epoch, due_at_ms, record), from either store's statements.
template <typename Row>
[[nodiscard]] Result<ShowWork> WorkAt(const Row& row) {
  const WorkKey key{row.Int(0), static_cast<WorkKind>(row.Int(1))};
  const auto due_at = row.IsNull(4) ? std::nullopt : std::optional(FromUnixMs(row.Int(4)));
  return DecodeWork(key, static_cast<uint64_t>(row.Int(2)), static_cast<uint64_t>(row.Int(3)), due_at,
                    row.Text(5));
}
// A row of (version, record).
template <typename Row>
[[nodiscard]] Result<WaitlistEntry> EntryAt(const Row& row) {
  return DecodeEntry(static_cast<uint64_t>(row.Int(0)), row.Text(1));
}

}  // namespace boxoffice::reservation
