// Payments as a store would keep them, for tests of what is decided about them.
#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "services/payment/payment.h"

namespace boxoffice::payment {

inline const Currency kKrw = *Currency::Parse("KRW");
inline const Timestamp kNow = FromUnixMs(1'800'000'000'000);

// Applies what Decide wants saved.
class DecidedTest : public ::testing::Test {
 protected:
  [[nodiscard]] Rows Stored() const {
    Rows rows;
    for (const auto& [key, row] : rows_) rows.payments.push_back(row);
    for (const auto& [key, row] : refunds_) rows.refunds.push_back(row);
    rows.webhooks.assign(webhooks_.begin(), webhooks_.end());
    return rows;
  }
  std::vector<Decided> RunBatch(const std::vector<Command>& commands, Timestamp now = kNow) {
    Decision decision = Decide(Stored(), commands, now, random_);
    last_ = decision.changes;
    for (Payment row : last_.payments) {
      ++row.version;
      rows_[row.key] = row;
    }
    for (const Refund& row : last_.refunds) refunds_[{row.payment, row.saga}] = row;
    for (const TakenWebhook& taken : last_.webhooks) webhooks_.insert(taken.key);
    for (const PaymentEvent& event : last_.events) events_.push_back(event.kind);
    EXPECT_EQ(decision.outcomes.size(), commands.size());
    return decision.outcomes;
  }
  Decided Run(Command command, Timestamp now = kNow) { return RunBatch({std::move(command)}, now).at(0); }
  Outcome Answer(Command command) {
    const Decided decided = Run(std::move(command));
    EXPECT_EQ(decided.next, Next::kAnswer);
    EXPECT_TRUE(decided.answer.has_value());
    return decided.answer.value_or(Outcome{});
  }
  Error AnswerError(Command command) {
    const Decided decided = Run(std::move(command));
    EXPECT_EQ(decided.next, Next::kAnswer);
    return decided.answer.has_value() ? Error{} : decided.answer.error();
  }
  const Payment& Row(uint32_t attempt = 1) { return rows_.at({reservation_, attempt}); }

  SeededRandom random_{11};
  ReservationId reservation_ = ReservationId::Make(kNow, random_);
  SagaId saga_ = SagaId::Make(kNow, random_);
  std::map<PaymentKey, Payment> rows_;
  std::map<std::pair<PaymentKey, SagaId>, Refund> refunds_;
  std::set<WebhookKey> webhooks_;
  std::vector<EventKind> events_;
  Changes last_;
};

}  // namespace boxoffice::payment
