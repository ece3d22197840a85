#include "services/payment/store_events.h"

#include "boxoffice/bus/v1/events.pb.h"

namespace boxoffice::payment {
namespace {

const char* EventType(EventKind kind) {
  switch (kind) {
    case EventKind::kApproved:
      return "payment.approved";
    case EventKind::kDeclined:
      return "payment.declined";
    case EventKind::kCancelled:
      return "payment.cancelled";
    case EventKind::kRefunded:
      return "payment.refunded";
    case EventKind::kCapturedLate:
      return "payment.captured_late";
  }
  return "";
}

}  // namespace

bus::Event ToEvent(const PaymentEvent& told) {
  const Payment& payment = told.payment;
  boxoffice::bus::v1::PaymentEvent body;
  body.set_payment_id(std::string(payment.id.bytes()));
  body.set_reservation_id(std::string(payment.key.reservation.bytes()));
  body.set_amount(payment.money.amount);
  body.set_currency(std::string(payment.money.currency.code()));
  body.set_method(payment.method);
  body.set_provider_code(payment.provider_code);
  body.set_at_ms(ToUnixMs(told.at));

  bus::Event event;
  event.id = told.id;
  event.topic = "payment";
  event.key = payment.key.reservation.ToString();
  event.type = EventType(told.kind);
  event.traceparent = told.traceparent;
  event.body = body.SerializeAsString();
  event.time = told.at;
  return event;
}

}  // namespace boxoffice::payment
