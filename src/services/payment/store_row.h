// The rows of payment's tables, from either store's statements.
#pragma once

#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/clock.h"
#include "services/payment/store.h"

namespace boxoffice::payment {

// Its three columns from `column` on.
template <typename Row>
[[nodiscard]] Dispute DisputeAt(const Row& row, int column) {
  return {.refusal = std::string(row.Text(column)),
          .settled_by = std::string(row.Text(column + 1)),
          .settled_reason = std::string(row.Text(column + 2))};
}

// Of a statement that begins with the key's columns.
template <typename Row>
[[nodiscard]] PaymentKey KeyAt(const Row& row) {
  return {row.template Id<ReservationId>(0), static_cast<uint32_t>(row.Int(1))};
}

// Of one that begins with the payment's columns.
template <typename Row>
[[nodiscard]] Payment PaymentAt(const Row& row) {
  const auto currency = Currency::Parse(row.Text(6));
  CHECK(currency.has_value(), "a stored currency has three letters");
  return {.key = KeyAt(row),
          .id = row.template Id<PaymentId>(2),
          .saga = row.template Id<SagaId>(3),
          .user_id = std::string(row.Text(4)),
          .money = {row.Int(5), *currency},
          .method = std::string(row.Text(7)),
          .state = static_cast<State>(row.Int(8)),
          .resolution = static_cast<Resolution>(row.Int(9)),
          .provider_code = std::string(row.Text(10)),
          .provider_reference = std::string(row.Text(11)),
          .version = row.Int(12),
          .created_at = FromUnixMs(row.Int(13)),
          .updated_at = FromUnixMs(row.Int(14)),
          .refunded = row.Int(15),
          .refunding = row.Int(16),
          .captured_late = (row.Int(17) & kLateInColumn) != 0,
          .captured_meanwhile = (row.Int(17) & kMeanwhileInColumn) != 0,
          .dispute = DisputeAt(row, 18)};
}

// Of one that begins with the refund's columns.
template <typename Row>
[[nodiscard]] Refund RefundAt(const Row& row) {
  return {.payment = KeyAt(row),
          .saga = row.template Id<SagaId>(2),
          .amount = row.Int(3),
          .done = row.Int(4) != 0,
          .created_at = FromUnixMs(row.Int(5)),
          .updated_at = FromUnixMs(row.Int(6)),
          .dispute = DisputeAt(row, 7)};
}

}  // namespace boxoffice::payment
