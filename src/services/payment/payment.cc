#include "services/payment/payment.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "base/check.h"

namespace boxoffice::payment {
namespace {

Error PaymentUnknown() { return {Code::kUnknown, "payment_unknown", "the provider's answer is not known"}; }

Decided Answer(Outcome outcome) { return {.answer = std::move(outcome), .request = {}, .method = {}}; }
Decided AnswerError(Error error) {
  return {.answer = std::unexpected(std::move(error)), .request = {}, .method = {}};
}

// What a row says, as the answer to who asked for it. Not of a PENDING row, but to Query.
Outcome OutcomeOf(const Payment& row, OutcomeKind kind = OutcomeKind::kDone) {
  return {.kind = kind,
          .state = row.state,
          .id = row.id,
          .refusal = kind == OutcomeKind::kRefused ? Refusal::kDeclined : Refusal::kNone,
          .provider_code = row.provider_code,
          .resolution = row.resolution};
}

// The batch's rows as the commands leave them, one after the other.
class Batch {
 public:
  Batch(const std::vector<Payment>& rows, Timestamp now, Random& random) : now_(now), random_(random) {
    for (const Payment& row : rows) rows_.emplace(row.key, Row{row, false});
  }

  Decided Run(const Command& command) {
    traceparent_ = &command.traceparent;
    const auto it = rows_.find(command.key());
    Row* row = it != rows_.end() ? &it->second : nullptr;
    if (command.heard && row != nullptr) Hear(*row, *command.heard);
    return std::visit([&](const auto& body) { return Run(body, row, command.heard); }, command.body);
  }

  Changes TakeChanges() {
    for (auto& [key, row] : rows_) {
      if (row.changed) changes_.payments.push_back(std::move(row.payment));
    }
    return std::move(changes_);
  }

 private:
  using Heard = std::optional<ProviderAnswer>;
  struct Row {
    Payment payment;
    bool changed = false;
  };

  void Hear(Row& row, const ProviderAnswer& heard) {
    Payment& payment = row.payment;
    switch (heard.verdict) {
      case Verdict::kApproved:
        if (payment.state == State::kPending) {
          payment.provider_reference = heard.reference;
          Enter(row, State::kApproved);
          Publish(payment, EventKind::kApproved);
        } else if (payment.state == State::kDeclined) {
          // The provider took money after saying that it would not: this attempt has failed for its saga.
          payment.provider_reference = heard.reference;
          Enter(row, State::kCancelled);
        } else if (payment.state == State::kCancelled && (payment.resolution == Resolution::kNeverSent ||
                                                          payment.resolution == Resolution::kVoided)) {
          payment.provider_reference = heard.reference;
          Resolve(row, Resolution::kReopened);
        }
        return;
      case Verdict::kDeclined:
        if (payment.state == State::kPending) {
          payment.provider_code = heard.code;
          Enter(row, State::kDeclined);
          Publish(payment, EventKind::kDeclined);
        }
        return;
      case Verdict::kNeverSeen:
        HearCancelled(row, Resolution::kNeverSent);
        return;
      case Verdict::kVoided:
        HearCancelled(row, Resolution::kVoided);
        return;
      case Verdict::kRefunded:
        HearCancelled(row, Resolution::kRefunded);
        return;
      case Verdict::kUnknown:
      case Verdict::kNotFound:
        return;  // nothing to conclude
    }
  }

  void HearCancelled(Row& row, Resolution resolution) {
    Payment& payment = row.payment;
    if (payment.state != State::kCancelled || payment.settled()) return;
    const bool told = payment.resolution == Resolution::kReopened;
    Resolve(row, resolution);
    if (!told) Publish(payment, EventKind::kCancelled);
  }

  Decided Run(const Approve& command, Row* row, const Heard& heard) {
    if (row == nullptr) return RunFirst(command);
    const Payment& payment = row->payment;
    if (payment.state == State::kCancelled) return Answer(OutcomeOf(payment, OutcomeKind::kAborted));
    if (payment.saga != command.saga || payment.user_id != command.user_id ||
        payment.money != command.money || payment.method != command.method) {
      return Answer({.kind = OutcomeKind::kMismatch});
    }
    if (payment.state == State::kApproved) return Answer(OutcomeOf(payment));
    if (payment.state == State::kDeclined) return Answer(OutcomeOf(payment, OutcomeKind::kRefused));
    if (!heard) return Proceed(Next::kAsk, payment);
    if (heard->verdict == Verdict::kNotFound) return Proceed(Next::kSend, payment);
    return AnswerError(PaymentUnknown());
  }

  Decided RunFirst(const Approve& command) {
    if (command.route == Route::kUnknown) {
      return Answer({.kind = OutcomeKind::kRefused, .refusal = Refusal::kMethodUnknown});
    }
    for (auto it = rows_.lower_bound({command.key.reservation, 0});
         it != rows_.end() && it->first.reservation == command.key.reservation; ++it) {
      const Payment& other = it->second.payment;
      if (other.state == State::kApproved) {
        return Answer({.kind = OutcomeKind::kRefused, .refusal = Refusal::kAlreadyApproved});
      }
      if (!other.settled()) {
        return AnswerError({Code::kUnavailable, "attempt_unsettled",
                            fmt::format("attempt {} of the reservation is not settled", it->first.attempt)});
      }
    }
    Row& row = Create(command.key, command.saga);
    row.payment.user_id = command.user_id;
    row.payment.money = command.money;
    row.payment.method = command.method;
    if (command.route == Route::kInternal) {
      Enter(row, State::kApproved);
      Publish(row.payment, EventKind::kApproved);
      return Answer(OutcomeOf(row.payment));
    }
    Enter(row, State::kPending);
    return Proceed(Next::kSend, row.payment);
  }

  Decided Run(const Cancel& command, Row* row, const Heard& heard) {
    if (row == nullptr) {
      row = &Create(command.key, command.saga);
      Enter(*row, State::kCancelled);
      Resolve(*row, Resolution::kNeverSent);
    }
    Payment& payment = row->payment;
    if (payment.state == State::kDeclined) {
      Enter(*row, State::kCancelled);
      Resolve(*row, Resolution::kNeverSent);
    } else if (payment.state != State::kCancelled) {
      Enter(*row, State::kCancelled);
      if (payment.method == kInternal) {
        Resolve(*row, Resolution::kVoided);
        Publish(payment, EventKind::kCancelled);
      }
    }
    if (payment.settled()) return Answer(OutcomeOf(payment));
    if (heard) return AnswerError(PaymentUnknown());
    return Proceed(Next::kCancel, payment);
  }

  Decided Run(const Query&, Row* row, const Heard& heard) {
    if (row == nullptr) return Answer(Outcome{});
    return heard || row->payment.settled() ? Answer(OutcomeOf(row->payment)) : Find(row->payment);
  }

  Decided Run(const Examine&, Row* row, const Heard& heard) {
    if (row == nullptr || row->payment.settled()) return Answer(Outcome{});
    // An approval that came too late has to be cancelled; anything else that was heard is all there is for
    // now.
    if (heard && heard->verdict != Verdict::kApproved) return Answer(OutcomeOf(row->payment));
    return Find(row->payment);
  }

  Decided Find(const Payment& payment) {
    return Proceed(payment.state == State::kPending ? Next::kAsk : Next::kCancel, payment);
  }

  Row& Create(const PaymentKey& key, SagaId saga) {
    Row& row = rows_[key];
    row.payment.key = key;
    row.payment.id = PaymentId::Make(now_, random_);
    row.payment.saga = saga;
    row.payment.created_at = now_;
    return row;
  }
  void Enter(Row& row, State state) {
    CHECK(row.payment.state != State::kCancelled, "a tombstone stays");
    row.payment.state = state;
    row.payment.updated_at = now_;
    row.changed = true;
  }
  void Resolve(Row& row, Resolution resolution) {
    row.payment.resolution = resolution;
    row.payment.updated_at = now_;
    row.changed = true;
  }
  void Publish(const Payment& payment, EventKind kind) {
    changes_.events.push_back({EventId::Make(now_, random_), kind, payment, *traceparent_, now_});
  }
  Decided Proceed(Next next, const Payment& payment) const {
    return {.next = next,
            .answer = Outcome{},
            .request = {.reservation = payment.key.reservation,
                        .attempt = payment.key.attempt,
                        .user_id = payment.user_id,
                        .money = payment.money,
                        .instrument = std::string(SplitMethod(payment.method).instrument),
                        .traceparent = *traceparent_},
            .method = payment.method};
  }

  const Timestamp now_;
  Random& random_;
  const std::string* traceparent_ = nullptr;  // of the command that runs
  std::map<PaymentKey, Row> rows_;
  Changes changes_;
};

}  // namespace

std::string ProviderRequest::IdempotencyKey() const {
  return fmt::format("{}/{}", reservation.ToString(), attempt);
}

Method SplitMethod(std::string_view method) {
  const size_t colon = method.find(':');
  if (colon == std::string_view::npos) return {method, {}};
  return {method.substr(0, colon), method.substr(colon + 1)};
}

std::vector<ReservationId> KeysOf(std::span<const Command> commands) {
  std::vector<ReservationId> keys;
  keys.reserve(commands.size());
  for (const Command& command : commands) keys.push_back(command.key().reservation);
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

Decision Decide(const std::vector<Payment>& rows, std::span<const Command> commands, Timestamp now,
                Random& random) {
  Batch batch(rows, now, random);
  Decision decision;
  decision.outcomes.reserve(commands.size());
  for (const Command& command : commands) decision.outcomes.push_back(batch.Run(command));
  decision.changes = batch.TakeChanges();
  return decision;
}

}  // namespace boxoffice::payment
