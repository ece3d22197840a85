// What payment asks of storage. The rules are in payment.h; a store only loads by key and saves rows.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "services/payment/payment.h"

namespace boxoffice::payment {

// The writer's side; belongs to one thread. Errors of both: database_unavailable, and nothing was done.
class Store {
 public:
  virtual ~Store() = default;
  // All payments of the reservations with their refunds, by key, and those of the webhooks that are known.
  [[nodiscard]] virtual Result<Rows> Load(const Keys& keys) = 0;
  // Saves all of `changes` in one durable transaction, or, where rows are no longer as they were loaded,
  // nothing: then it returns their reservations, sorted.
  // With new webhooks, the oldest kForgetAtOnce of those of more than kWebhookMemory before are forgotten:
  // more than a batch has commands, so that they become fewer.
  [[nodiscard]] virtual Result<std::vector<ReservationId>> Save(const Changes& changes) = 0;
};

// Far longer than a webhook's timestamp may be off: what is older is refused by that.
inline constexpr std::chrono::hours kWebhookMemory{24};
inline constexpr int64_t kForgetAtOnce = 1'000;  // some 10 ms at PostgreSQL, for which commands wait

// What the column captured_late holds of a payment: the sum of both. A replica of the version before takes
// either for captured_late, of which it believes less still.
inline constexpr int64_t kLateInColumn = 1;
inline constexpr int64_t kMeanwhileInColumn = 2;
[[nodiscard]] inline int64_t CapturedColumn(const Payment& payment) {
  return (payment.captured_late ? kLateInColumn : 0) + (payment.captured_meanwhile ? kMeanwhileInColumn : 0);
}

struct PaymentPage {
  std::vector<Payment> payments;  // by key; all attempts of a reservation or none
  bool more = false;
};

inline constexpr uint32_t kMaxAuditPage = 10'000;

// The readers' side: never waits for commands. Thread-safe. Errors: database_unavailable.
class Reader {
 public:
  virtual ~Reader() = default;
  // All attempts of a reservation, by number.
  [[nodiscard]] virtual Result<std::vector<Payment>> Payments(ReservationId reservation) = 0;
  // Payments of the reservations after `after`: at least `limit` if there are, and no reservation split.
  [[nodiscard]] virtual Result<PaymentPage> Page(ReservationId after, uint32_t limit) = 0;
  // The refunds of all attempts of a reservation, by payment and saga.
  [[nodiscard]] virtual Result<std::vector<Refund>> Refunds(ReservationId reservation) = 0;
  // At most `limit` payments after `after`, by key, of which it is not certain what the provider did, or
  // whether a part of it was given back.
  [[nodiscard]] virtual Result<std::vector<PaymentKey>> Unsettled(const PaymentKey& after,
                                                                  uint32_t limit) = 0;
  // Of those, the ones that the provider refuses to give back, as a whole or in part.
  [[nodiscard]] virtual Result<std::vector<PaymentKey>> Refused(const PaymentKey& after, uint32_t limit) = 0;
  // These payments and their refunds, each by key; `keys` sorted. One that is not there is left out.
  [[nodiscard]] virtual Result<Rows> Find(std::span<const PaymentKey> keys) = 0;
};

struct Stores {
  std::unique_ptr<Store> store;
  std::unique_ptr<Reader> reader;
};

}  // namespace boxoffice::payment
