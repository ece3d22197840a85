#include "gateway/named_seats.h"

#include "gateway/refusals.h"
#include "gateway/render.h"

namespace boxoffice::gateway {

http::Response NamedSeatsResponse(const seat::v1::BlockSeatsResponse& answer) {
  if (answer.outcome().kind() == seat::v1::SeatOutcome::DONE) {
    return ObjectResponse([&](http::JsonWriter& writer) { WriteShow(writer, answer.show()); });
  }
  reservation::v1::Refusal refusal;
  refusal.set_code(answer.outcome().refusal());
  *refusal.mutable_conflicts() = answer.outcome().conflicts();
  return RefusalResponse(refusal);
}

}  // namespace boxoffice::gateway
