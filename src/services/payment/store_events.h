// What payment tells the world. Shared by its stores, which write it to the outbox.
#pragma once

#include "platform/bus/bus.h"
#include "services/payment/payment.h"

namespace boxoffice::payment {

// payment.approved, payment.declined or payment.cancelled on topic "payment" with the reservation as key.
[[nodiscard]] bus::Event ToEvent(const PaymentEvent& told);

}  // namespace boxoffice::payment
