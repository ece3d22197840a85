// Between the contracts of boxoffice.seat.v1 and the service's own values. Whatever has the wrong shape is an
// Error (kInvalidArgument, invalid_field) that names the field.
#pragma once

#include "base/result.h"
#include "boxoffice/seat/v1/seat.pb.h"
#include "services/seat/seat_book.h"
#include "services/seat/service.h"

namespace boxoffice::seat {

[[nodiscard]] Result<Command> FromProto(const v1::Command& proto);
[[nodiscard]] v1::SeatOutcome SeatsToProto(const Outcome& outcome);
[[nodiscard]] v1::Outcome ToProto(const Outcome& outcome);

[[nodiscard]] Result<NewShow> FromProto(const v1::CreateShowRequest& proto);
[[nodiscard]] When FromProto(v1::ListConcertsRequest::When when);  // one that is not known: all
[[nodiscard]] ConcertChange FromProto(const v1::UpdateConcertRequest& proto);
[[nodiscard]] Result<TermsChange> FromProto(const v1::UpdateShowRequest& proto);
// Without the seats of an area, which the layout knows.
[[nodiscard]] Result<BlockSeats> FromProto(const v1::BlockSeatsRequest& proto);
[[nodiscard]] v1::ListBlocksResponse ToProto(const BlockPage& page);
// Without the seats of an area or a channel.
[[nodiscard]] Result<AssignChannel> FromProto(const v1::AssignChannelRequest& proto);
[[nodiscard]] v1::Contingent ToProto(const SeatMap::Contingent& contingent);
// Without the seats of an area.
[[nodiscard]] Result<PriceChange> FromProto(const v1::ChangePricesRequest& proto);
[[nodiscard]] v1::ListPriceChangesResponse ToProto(const PriceNotePage& page);
[[nodiscard]] v1::Show ToProto(const ShowView& view);
[[nodiscard]] v1::Concert ToProto(const ConcertView& view);
[[nodiscard]] v1::SeatMap ToProto(const SeatMapView& view, bool with_layout);
[[nodiscard]] v1::AuditResponse ToProto(const AuditPage& page);

}  // namespace boxoffice::seat
