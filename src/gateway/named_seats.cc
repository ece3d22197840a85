#include "gateway/named_seats.h"

#include <fmt/format.h>

#include "gateway/refusals.h"
#include "gateway/render.h"

namespace boxoffice::gateway {

http::Response NamedSeatsResponse(const seat::v1::BlockSeatsResponse& answer) {
  if (answer.outcome().kind() == seat::v1::SeatOutcome::DONE) {
    return ObjectResponse(
        [&](http::JsonWriter& writer) { WriteShow(writer, answer.show(), answer.changed()); });
  }
  if (answer.outcome().refusal() == "too_many_seats") {
    return RefusalResponse("too_many_seats",
                           fmt::format("at most {} at a time: name a section's rows one after another, "
                                       "or the seats in several requests",
                                       kMaxNamedSeats));
  }
  reservation::v1::Refusal refusal;
  refusal.set_code(answer.outcome().refusal());
  refusal.set_detail(answer.outcome().detail());
  *refusal.mutable_conflicts() = answer.outcome().conflicts();
  return RefusalResponse(refusal);
}

}  // namespace boxoffice::gateway
