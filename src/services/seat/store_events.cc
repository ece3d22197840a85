#include "services/seat/store_events.h"

#include <string>
#include <string_view>

#include "boxoffice/bus/v1/events.pb.h"

namespace boxoffice::seat {
namespace {

std::string_view TypeOf(Event::Kind kind) {
  switch (kind) {
    case Event::Kind::kHeld:
      return "seat.held";
    case Event::Kind::kSold:
      return "seat.sold";
    case Event::Kind::kReleased:
      return "seat.released";
    case Event::Kind::kSoldOut:
      return "show.sold_out";
  }
  return "";
}

std::string SoldOutBody(const Event& event) {
  boxoffice::bus::v1::ShowSoldOut body;
  body.set_show_id(event.show_id);
  body.set_on_sale_at_ms(ToUnixMs(event.on_sale_at));
  body.set_at_ms(ToUnixMs(event.at));
  return body.SerializeAsString();
}

std::string SeatBody(const Event& event) {
  boxoffice::bus::v1::SeatEvent body;
  const std::string_view reservation = event.reservation.bytes();
  body.set_reservation_id(reservation.data(), reservation.size());
  body.set_show_id(event.show_id);
  for (const SeatNo seat_no : event.seats) body.add_seat_nos(seat_no);
  body.set_hold_expires_at_ms(ToUnixMs(event.hold_expires_at));
  body.set_at_ms(ToUnixMs(event.at));
  return body.SerializeAsString();
}

}  // namespace

bus::Event ToBusEvent(const Event& event, Random& random) {
  const bool sold_out = event.kind == Event::Kind::kSoldOut;
  bus::Event out;
  out.id = EventId::Make(event.at, random);
  out.topic = "seat";
  out.key = sold_out ? std::to_string(event.show_id) : event.reservation.ToString();
  out.type = TypeOf(event.kind);
  out.traceparent = event.traceparent;
  out.body = sold_out ? SoldOutBody(event) : SeatBody(event);
  out.time = event.at;
  return out;
}

}  // namespace boxoffice::seat
