// A reservation as protobuf: for callers (v1::Reservation) and for storage (v1::Record).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "boxoffice/reservation/v1/record.pb.h"
#include "boxoffice/reservation/v1/reservation.pb.h"
#include "platform/bus/bus.h"
#include "services/reservation/store.h"

namespace boxoffice::reservation {

[[nodiscard]] v1::Reservation ToProto(const Reservation& reservation);
[[nodiscard]] v1::Refusal ToProto(const Refusal& refusal);
[[nodiscard]] Refusal RefusalFrom(const v1::Refusal& proto);
[[nodiscard]] v1::Return ToProto(const Return& returned);

// What Decode gives back equals what was encoded.
[[nodiscard]] std::string Encode(const Reservation& reservation);
// Error kInternal record_unreadable: the bytes are no record.
[[nodiscard]] Result<Reservation> Decode(std::string_view bytes);

// The due time as the tables have it: each definition version has a range of its own, and a replica looks
// only at the ranges of versions that it knows. So it never claims, and writes down as something else, a saga
// that it can't read (docs/adr/0010). Milliseconds, and above them the version less 1.
inline constexpr int64_t kDueRange = int64_t{1} << 48;
[[nodiscard]] std::optional<int64_t> DueColumn(const Reservation& reservation);
[[nodiscard]] Timestamp FromDueColumn(int64_t due);
// Sorts by due time, and leaves the first.
void KeepOldest(std::vector<Reservation>& due, size_t limit);
// Where the due times of a version begin.
[[nodiscard]] constexpr int64_t DueRangeOf(int version) { return (version - 1) * kDueRange; }

// The ids of a list: in [from, before). The time of a reservation's making is in its id.
struct IdRange {
  ReservationId from;
  ReservationId before;
};
[[nodiscard]] IdRange RangeOf(const ListQuery& query);
// Of how many of the user's reservations, or else of the show's, the range has to be cut at the end; 0: all
// that the list walks along belong to it.
[[nodiscard]] inline uint32_t MaxLookedAt(const ListQuery& query) {
  if (!query.user_id.empty()) return query.state || query.show_id != 0 ? kMaxLookedAt : 0;
  return query.state && query.show_id != 0 ? kMaxLookedAtOfShow : 0;
}
// Of the rows that were found: says where the next page begins. `cut`: where the look has ended, if the range
// went on.
void SetNext(Page& page, std::optional<ReservationId> cut);
// A condition that finds what is in this state, of everybody by an index: of the states that most
// reservations are in for good, CONFIRMED alone, there is none. Of one user's all are looked at.
[[nodiscard]] std::string StateCondition(State state, bool of_one_user);

// The event as it goes to the bus: topic "reservation", key: the reservation's id.
[[nodiscard]] bus::Event ToBusEvent(const std::string& type, const Reservation& reservation, EventId id);

}  // namespace boxoffice::reservation
