#include "services/payment/payment.h"

#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "base/mutant.h"
#include "base/sort_unique.h"

namespace boxoffice::payment {
namespace {

Error PaymentUnknown() { return {Code::kUnknown, "payment_unknown", "the provider's answer is not known"}; }

// The code in the event of what an operator has settled outside of the provider.
constexpr const char* kSettledOutside = "settled_outside";

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
          .resolution = row.resolution,
          .refunded = row.refunded};
}

// The batch's rows as the commands leave them, one after the other.
class Batch {
 public:
  Batch(const Rows& rows, Timestamp now, Random& random)
      : now_(now), random_(random), webhooks_(rows.webhooks.begin(), rows.webhooks.end()) {
    for (const Payment& row : rows.payments) rows_.emplace(row.key, Row{row, false});
    for (const payment::Refund& row : rows.refunds)
      refunds_.emplace(RefundKey{row.payment, row.saga}, Part{row, false});
  }

  Decided Run(const Command& command) {
    traceparent_ = &command.traceparent;
    given_back_twice_ = false;
    const auto it = rows_.find(command.key());
    Row* row = it != rows_.end() ? &it->second : nullptr;
    if (command.heard && row != nullptr) Hear(*row, *command.heard);
    Decided decided =
        std::visit([&](const auto& body) { return Run(body, row, command.heard); }, command.body);
    decided.given_back_twice = given_back_twice_;
    return decided;
  }

  Changes TakeChanges() {
    for (auto& [key, row] : rows_) {
      if (row.changed) changes_.payments.push_back(std::move(row.payment));
    }
    for (auto& [key, part] : refunds_) {
      if (part.changed) changes_.refunds.push_back(part.refund);
    }
    return std::move(changes_);
  }

 private:
  using Heard = std::optional<ProviderAnswer>;
  struct Row {
    Payment payment;
    bool changed = false;
  };
  using RefundKey = std::pair<PaymentKey, SagaId>;
  struct Part {
    payment::Refund refund;
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
        } else if (MUTANT("payment_ignore_late_capture")) {
        } else if (payment.state == State::kDeclined) {
          // The provider took money after saying that it would not: this attempt has failed for its saga.
          payment.provider_reference = heard.reference;
          Enter(row, State::kCancelled);
          MarkLate(payment);
        } else if (payment.resolution == Resolution::kVoided && !payment.provider_reference.empty() &&
                   heard.reference == payment.provider_reference) {
          // What is void, told once more: we had heard of it before we asked for what was answered so.
        } else if (payment.state == State::kCancelled && (payment.resolution == Resolution::kNeverSent ||
                                                          payment.resolution == Resolution::kVoided)) {
          payment.provider_reference = heard.reference;
          Resolve(row, Resolution::kReopened);
          MarkLate(payment);
        } else if (payment.state == State::kCancelled && !payment.settled() &&
                   payment.provider_reference.empty()) {
          // Taken while it was being cancelled, for all we know after that: see HearCancelled.
          payment.provider_reference = heard.reference;
          payment.captured_meanwhile = true;
          Touch(row);
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
        HearCancelled(row, heard, Resolution::kNeverSent);
        return;
      case Verdict::kVoided:
        HearCancelled(row, heard, Resolution::kVoided);
        return;
      case Verdict::kRefunded:
        HearCancelled(row, heard, Resolution::kRefunded);
        return;
      case Verdict::kRefundDone:
        HearRefunded(row, heard.refund);
        return;
      case Verdict::kRefused:
        HearRefused(row, heard);
        return;
      case Verdict::kUnknown:
      case Verdict::kNotFound:
        if (MUTANT("payment_decline_on_silence") && payment.state == State::kPending) {
          Enter(row, State::kDeclined);
        }
        return;  // nothing to conclude
    }
  }

  void MarkLate(Payment& payment) {
    payment.captured_late = true;
    Publish(payment, EventKind::kCapturedLate);
  }

  void HearRefunded(Row& row, SagaId saga) {
    const auto it = refunds_.find({row.payment.key, saga});
    if (it == refunds_.end()) return;
    if (it->second.refund.done) {
      given_back_twice_ = !it->second.refund.dispute.settled_by.empty();
      return;
    }
    it->second.refund.dispute.refusal.clear();
    row.payment.refunding -= it->second.refund.amount;
    Finish(row, it->second);
  }

  void HearRefused(Row& row, const ProviderAnswer& heard) {
    if (heard.refund.IsNil()) {
      if (row.payment.state == State::kCancelled && !row.payment.settled()) NoteRefusal(row, heard.code);
      return;
    }
    const auto it = refunds_.find({row.payment.key, heard.refund});
    if (it == refunds_.end() || it->second.refund.done) return;
    it->second.refund.dispute.refusal = CodeOf(heard.code);
    it->second.refund.updated_at = now_;
    it->second.changed = true;
    Touch(row);
  }
  void NoteRefusal(Row& row, const std::string& code) {
    row.payment.dispute.refusal = CodeOf(code);
    Touch(row);
  }

  // Whether we have heard only since the cancellation that money was taken. What the provider was asked
  // before that, it may have answered before it took the money, and may answer again out of its memory.
  static bool IsTakenSince(const Payment& payment) {
    return payment.captured_late || payment.captured_meanwhile;
  }

  void HearCancelled(Row& row, const ProviderAnswer& heard, Resolution resolution) {
    Payment& payment = row.payment;
    if (payment.state != State::kCancelled) return;
    // Of what was taken only that it was given back ends this, or that it is void, if that can't be an answer
    // of before the money was taken.
    const bool was_taken = payment.captured_late || !payment.provider_reference.empty();
    const bool voided =
        resolution == Resolution::kVoided &&
        (!IsTakenSince(payment) || heard.cancelled_before || MUTANT("payment_believes_old_void"));
    const bool given_back = resolution == Resolution::kRefunded || voided;
    if (payment.settled()) {
      given_back_twice_ = given_back && payment.resolution == Resolution::kSettledOutside;
      return;
    }
    if (was_taken && !given_back) {
      NoteRefusal(row, std::string(kSaidNotTaken));
      return;
    }
    payment.dispute.refusal.clear();
    EndCancelled(row, resolution);
  }
  void EndCancelled(Row& row, Resolution resolution) {
    const bool told = row.payment.resolution == Resolution::kReopened;
    Resolve(row, resolution);
    if (told) return;
    Payment event = row.payment;
    if (resolution == Resolution::kSettledOutside) event.provider_code = kSettledOutside;
    Publish(event, EventKind::kCancelled);
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
      if (MUTANT("payment_second_approval")) break;
      if (other.state == State::kApproved) {
        return Answer({.kind = OutcomeKind::kRefused, .refusal = Refusal::kAlreadyApproved});
      }
      if (!other.settled()) {
        return AnswerError({Code::kUnavailable, "attempt_unsettled",
                            fmt::format("attempt {} of the reservation is not settled", it->first.attempt)});
      }
    }
    if (command.route == Route::kAway) {
      return AnswerError(
          {Code::kUnavailable, "provider_unavailable", "the provider has not answered of late"});
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
      if (MUTANT("payment_no_tombstone")) return Answer(Outcome{});
      row = &Create(command.key, command.saga);
      Enter(*row, State::kCancelled);
      Resolve(*row, Resolution::kNeverSent);
    }
    Payment& payment = row->payment;
    if (payment.state == State::kDeclined) {
      Enter(*row, State::kCancelled);
      // Of other money than was asked for it has said both, that it took it and that it declines.
      if (payment.provider_reference.empty()) {
        Resolve(*row, Resolution::kNeverSent);
      } else {
        MarkLate(payment);
      }
    } else if (payment.state != State::kCancelled) {
      Enter(*row, State::kCancelled);
      if (payment.method == kInternal) {
        Resolve(*row, Resolution::kVoided);
        Publish(payment, EventKind::kCancelled);
      }
    }
    if (payment.settled() || MUTANT("payment_cancel_settles")) return Answer(OutcomeOf(payment));
    // A part that has just been given back is a step on the way; the cancellation itself is still to come.
    if (heard && heard->verdict != Verdict::kRefundDone) return NotGivenBack(*heard);
    return Find(*row);
  }

  Decided Run(const GiveBack& command, Row* row, const Heard& heard) {
    if (row == nullptr) return Refuse(Refusal::kNotApproved);
    Payment& payment = row->payment;
    const auto it = refunds_.find({command.key, command.saga});
    if (it != refunds_.end()) {
      const payment::Refund& refund = it->second.refund;
      if (Money{refund.amount, payment.money.currency} != command.money)
        return Answer({.kind = OutcomeKind::kMismatch});
      if (refund.done) return Answer(OutcomeOf(payment));
      if (heard) return NotGivenBack(*heard);
      return ProceedRefund(payment, refund);
    }
    if (payment.state == State::kCancelled) return Answer(OutcomeOf(payment, OutcomeKind::kAborted));
    if (payment.state != State::kApproved) return Refuse(Refusal::kNotApproved);
    const int64_t left = payment.money.amount - payment.refunded - payment.refunding;
    if (command.money.currency != payment.money.currency || command.money.amount > left) {
      return Refuse(Refusal::kExceedsCaptured);
    }
    if (payment.method == kInternal) {
      Finish(*row, AddPart(payment, command.saga, command.money.amount));
      return Answer(OutcomeOf(payment));
    }
    return AskForPart(*row, AddPart(payment, command.saga, command.money.amount));
  }

  Decided Run(const SettleOutside& command, Row* row, const Heard& heard) {
    if (row == nullptr) return Refuse(Refusal::kNotFound);
    Payment& payment = row->payment;
    bool ended = !payment.dispute.settled_by.empty();
    const auto settle = [&](Dispute& dispute) {
      dispute.settled_by = command.operator_id;
      dispute.settled_reason = command.reason;
      ended = true;
    };
    for (auto it = refunds_.lower_bound({payment.key, SagaId()});
         it != refunds_.end() && it->first.first == payment.key; ++it) {
      payment::Refund& refund = it->second.refund;
      ended = ended || !refund.dispute.settled_by.empty();
      if (refund.done || refund.dispute.refusal.empty()) continue;
      if (auto first = BeforeSettling(command, heard, ProceedRefund(payment, refund))) return *first;
      settle(refund.dispute);
      payment.refunding -= refund.amount;
      Finish(*row, it->second);
    }
    // A part that is in doubt may still be given back; where one was settled, so is the rest
    // (GiveBackTheRest).
    if (!ended && !payment.settled() && payment.refunding == 0 && !payment.dispute.refusal.empty()) {
      if (auto first = BeforeSettling(command, heard, Proceed(Next::kCancel, payment))) return *first;
      settle(payment.dispute);
      if (!MUTANT("payment_settle_keeps_asking")) EndCancelled(*row, Resolution::kSettledOutside);
    }
    return ended ? Answer(OutcomeOf(payment)) : Refuse(Refusal::kNothingRefused);
  }

  // What comes before an operator's word on what was refused: the provider is asked once more, for it may
  // have been asked since, and have given it back. Nothing: it still does not give it back.
  static std::optional<Decided> BeforeSettling(const SettleOutside& command, const Heard& heard,
                                               Decided ask) {
    if (command.provider_gone) return std::nullopt;
    if (!heard || heard->refund != ask.request.refund) return ask;
    // The last two are those that are not believed: see HearCancelled.
    const bool refused = heard->verdict == Verdict::kRefused || heard->verdict == Verdict::kNeverSeen ||
                         heard->verdict == Verdict::kVoided;
    return refused ? std::nullopt : std::optional(AnswerError(PaymentUnknown()));
  }

  Decided Run(const Webhook& command, Row* row, const Heard&) {
    const auto effect = [](WebhookEffect effect) { return Outcome{.effect = effect}; };
    if (row == nullptr) return Answer(effect(WebhookEffect::kIgnored));
    if (!webhooks_.insert(command.webhook).second) return Answer(effect(WebhookEffect::kRepeated));
    changes_.webhooks.push_back({command.webhook, command.key.reservation, now_});
    Payment& payment = row->payment;
    // Of another provider's payment it proves nothing. Other money than was asked for approves nothing; but
    // what was taken of a payment that has ended goes back, however much it is, and so does what was taken
    // of one that ends otherwise than approved: until then its reference says so.
    const bool ended = payment.state == State::kDeclined || payment.state == State::kCancelled;
    const bool other_money =
        command.told.verdict == Verdict::kApproved && command.money != payment.money && !ended;
    if (SplitMethod(payment.method).provider != command.webhook.provider ||
        (other_money && payment.state != State::kPending)) {
      return Answer(effect(WebhookEffect::kIgnored));
    }
    if (other_money) {
      payment.provider_reference = command.told.reference;
      Touch(*row);
    } else {
      Hear(*row, command.told);
    }
    const Outcome heard =
        effect(IsTakenOnceMore(payment, command.told) ? WebhookEffect::kIgnored : WebhookEffect::kDone);
    if (command.told.verdict != Verdict::kApproved || payment.settled()) return Answer(heard);
    Decided next = Find(*row);
    next.answer = heard;
    return next;
  }

  // Whether this, which has been heard, is another capture than the payment's own: there is no payment that
  // it is of. A capture that has our key as its reference says nothing of which it is.
  static bool IsTakenOnceMore(const Payment& payment, const ProviderAnswer& told) {
    const std::string key = KeyText(payment.key);
    return told.verdict == Verdict::kApproved && !payment.provider_reference.empty() &&
           told.reference != payment.provider_reference && told.reference != key &&
           payment.provider_reference != key;
  }

  Decided Run(const Query&, Row* row, const Heard& heard) {
    if (row == nullptr) return Answer(Outcome{});
    return heard || row->payment.settled() ? Answer(OutcomeOf(row->payment)) : Find(*row);
  }

  Decided Run(const Examine&, Row* row, const Heard& heard) {
    if (row == nullptr || (row->payment.settled() && row->payment.refunding == 0)) return Answer(Outcome{});
    // An approval that came too late has to be cancelled; anything else that was heard is all there is for
    // now.
    if (heard && heard->verdict != Verdict::kApproved) return Answer(OutcomeOf(row->payment));
    return Find(*row, /*patient=*/true);
  }

  // What to ask the provider about a payment that is not certain: parts that are given back come before the
  // whole. `patient`: what it has refused of late waits.
  Decided Find(Row& row, bool patient = false) {
    const Payment& payment = row.payment;
    const auto waits = [&](const Dispute& dispute, Timestamp since) {
      return patient && !dispute.refusal.empty() && now_ - since < kRefusedPause;
    };
    bool part_waits = false, settled_outside = false;
    for (auto it = refunds_.lower_bound({payment.key, SagaId()});
         it != refunds_.end() && it->first.first == payment.key; ++it) {
      const payment::Refund& refund = it->second.refund;
      settled_outside = settled_outside || !refund.dispute.settled_by.empty();
      if (refund.done) continue;
      if (!waits(refund.dispute, refund.updated_at)) return ProceedRefund(payment, refund);
      part_waits = true;
    }
    if (part_waits || waits(payment.dispute, payment.updated_at)) return Answer(OutcomeOf(payment));
    if (payment.state == State::kPending) return Proceed(Next::kAsk, payment);
    // Of one that is settled only a part was in doubt, and another replica has heard that it is given back
    // since this one's row was read. Nothing is saved that would find it moved.
    if (payment.settled()) return Answer(OutcomeOf(payment));
    if (settled_outside && !MUTANT("payment_rest_by_cancel")) return GiveBackTheRest(row);
    return Proceed(Next::kCancel, payment);
  }

  // Of a cancelled payment of which a part was settled outside: the provider has that part still, and would
  // give it back with the rest. So it is not asked to cancel, but for what is left. That it took the money is
  // certain: no later capture has to be kept away by a cancellation of the key.
  Decided GiveBackTheRest(Row& row) {
    const Payment& payment = row.payment;
    const int64_t left = payment.money.amount - payment.refunded;
    if (left == 0) {
      EndCancelled(row, Resolution::kRefunded);
      return Answer(OutcomeOf(payment));
    }
    return AskForPart(row, AddPart(payment, SagaId(payment.id.uuid()), left));
  }
  Part& AddPart(const Payment& payment, SagaId saga, int64_t amount) {
    Part& part = refunds_[{payment.key, saga}];
    part.refund = {
        .payment = payment.key, .saga = saga, .amount = amount, .created_at = now_, .updated_at = now_};
    return part;
  }
  // For the first time: from here on it counts against what was captured.
  Decided AskForPart(Row& row, Part& part) {
    part.changed = true;
    row.payment.refunding += part.refund.amount;
    Touch(row);
    return ProceedRefund(row.payment, part.refund);
  }

  // To who wants money back, and has heard of the provider that it has not been given back.
  static Decided NotGivenBack(const ProviderAnswer& heard) {
    if (heard.verdict != Verdict::kRefused) return AnswerError(PaymentUnknown());
    return Answer({.kind = OutcomeKind::kRefused,
                   .refusal = Refusal::kRefundRefused,
                   .provider_code = CodeOf(heard.code)});
  }
  static std::string CodeOf(const std::string& code) { return code.empty() ? "refused" : code; }

  static Decided Refuse(Refusal refusal) {
    return Answer({.kind = OutcomeKind::kRefused, .refusal = refusal});
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
    Touch(row);
  }
  void Touch(Row& row) {
    row.payment.updated_at = now_;
    row.changed = true;
  }
  // The part is given back.
  void Finish(Row& row, Part& part) {
    part.refund.done = true;
    part.refund.updated_at = now_;
    part.changed = true;
    row.payment.refunded += part.refund.amount;
    Touch(row);
    CHECK(row.payment.refunded + row.payment.refunding <= row.payment.money.amount,
          "more is given back than was taken");
    Payment told = row.payment;
    told.money.amount = part.refund.amount;
    if (!part.refund.dispute.settled_by.empty()) told.provider_code = kSettledOutside;
    Publish(told, EventKind::kRefunded);
  }
  void Publish(const Payment& payment, EventKind kind) {
    changes_.events.push_back({EventId::Make(now_, random_), kind, payment, *traceparent_, now_});
  }
  Decided Proceed(Next next, const Payment& payment) const {
    return {
        .next = next,
        .answer = Outcome{},
        .request = {.reservation = payment.key.reservation,
                    .attempt = payment.key.attempt,
                    .user_id = payment.user_id,
                    .money = payment.money,
                    .instrument = std::string(SplitMethod(payment.method).instrument),
                    .traceparent = *traceparent_,
                    .refund = {},
                    .cancelled_before = IsTakenSince(payment) || payment.dispute.refusal == kSaidNotTaken},
        .method = payment.method};
  }
  Decided ProceedRefund(const Payment& payment, const payment::Refund& refund) const {
    Decided decided = Proceed(Next::kRefund, payment);
    decided.request.refund = refund.saga;
    decided.request.money.amount = refund.amount;
    return decided;
  }

  const Timestamp now_;
  Random& random_;
  std::set<WebhookKey> webhooks_;
  const std::string* traceparent_ = nullptr;  // of the command that runs
  bool given_back_twice_ = false;             // by what it has heard
  std::map<PaymentKey, Row> rows_;
  std::map<RefundKey, Part> refunds_;
  Changes changes_;
};

}  // namespace

std::string KeyText(const PaymentKey& key) {
  return fmt::format("{}/{}", key.reservation.ToString(), key.attempt);
}

std::string ProviderRequest::IdempotencyKey() const { return KeyText({reservation, attempt}); }

std::string ProviderRequest::RefundKey() const {
  return fmt::format("{}/{}", IdempotencyKey(), refund.ToString());
}

Method SplitMethod(std::string_view method) {
  const size_t colon = method.find(':');
  if (colon == std::string_view::npos) return {method, {}};
  return {method.substr(0, colon), method.substr(colon + 1)};
}

Keys KeysOf(std::span<const Command> commands) {
  Keys keys;
  keys.reservations.reserve(commands.size());
  for (const Command& command : commands) {
    keys.reservations.push_back(command.key().reservation);
    if (const auto* webhook = std::get_if<Webhook>(&command.body)) keys.webhooks.push_back(webhook->webhook);
  }
  SortUnique(keys.reservations);
  SortUnique(keys.webhooks);
  return keys;
}

size_t CountInDoubt(const Rows& rows, Timestamp now) {
  const auto in_doubt = [now](const Dispute& dispute, Timestamp since) {
    return !dispute.refusal.empty() || now - since >= kJustAsked;
  };
  std::set<PaymentKey> keys;
  // Until it is settled, nothing touches a payment but a refusal, and money that is taken late, or is other
  // money than was asked for.
  for (const Payment& row : rows.payments) {
    if (!row.settled() && in_doubt(row.dispute, row.updated_at)) keys.insert(row.key);
  }
  for (const Refund& part : rows.refunds) {
    if (!part.done && in_doubt(part.dispute, part.created_at)) keys.insert(part.payment);
  }
  return keys.size();
}

Decision Decide(const Rows& rows, std::span<const Command> commands, Timestamp now, Random& random) {
  Batch batch(rows, now, random);
  Decision decision;
  decision.outcomes.reserve(commands.size());
  for (const Command& command : commands) decision.outcomes.push_back(batch.Run(command));
  decision.changes = batch.TakeChanges();
  return decision;
}

}  // namespace boxoffice::payment
