// Work on shows, and places on waitlists, as protobuf: for callers and for storage.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "boxoffice/reservation/v1/record.pb.h"
#include "boxoffice/reservation/v1/reservation.pb.h"
#include "services/reservation/show_work.h"

namespace boxoffice::reservation {

[[nodiscard]] v1::ShowCancellation ToProto(int64_t show_id, const Cancellation& cancellation);
// All but how many are before it.
[[nodiscard]] v1::WaitlistEntry ToProto(const WaitlistEntry& entry);
[[nodiscard]] SeatChoice WishFrom(const seat::v1::BestAvailable& wish);

// What has no column.
[[nodiscard]] std::string EncodeWork(const ShowWork& work);
[[nodiscard]] std::string EncodeEntry(const WaitlistEntry& entry);
// With what the columns say. Errors: kInternal record_unreadable.
[[nodiscard]] Result<ShowWork> DecodeWork(const WorkKey& key, uint64_t version, uint64_t epoch,
                                          std::optional<Timestamp> due_at, std::string_view bytes);
[[nodiscard]] Result<WaitlistEntry> DecodeEntry(uint64_t version, std::string_view bytes);

}  // namespace boxoffice::reservation
