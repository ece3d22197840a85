// The rules of approving and cancelling payments. Values and one pure function; no I/O, clock or thread.
//
// A payment by an external provider is decided in two steps: first the intent is saved and Decide says what
// to ask the provider (Next); then the same command comes again with what was heard. Nothing is concluded
// from silence.
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "base/money.h"
#include "base/random.h"
#include "base/result.h"
#include "services/payment/provider.h"

namespace boxoffice::payment {

using PaymentId = Id<struct PaymentTag>;

struct PaymentKey {
  ReservationId reservation;
  uint32_t attempt = 0;  // of the reservation: 1, 2, …
  auto operator<=>(const PaymentKey&) const = default;
};
// "<reservation>/<attempt>": what a provider knows the payment by.
[[nodiscard]] std::string KeyText(const PaymentKey& key);

enum class State {
  kNone = 0,  // nothing is known of it; never stored
  kPending = 1,
  kApproved = 2,
  kDeclined = 3,
  kCancelled = 4,  // a tombstone: it never leaves this state
};
// How a cancelled payment ended.
enum class Resolution {
  kOpen = 0,  // the provider has not been heard yet
  kNeverSent = 1,
  kVoided = 2,
  kRefunded = 3,
  kReopened = 4,        // was thought to have ended, but then the provider approved it: to be cancelled again
  kSettledOutside = 5,  // the provider refuses to give it back, and an operator has said that it is settled
};

// What the provider has refused to give back, and who has ended it: of a payment or of a part of it.
struct Dispute {
  std::string refusal;     // the provider's code, of the last time it was asked; empty: it has not refused
  std::string settled_by;  // the operator who has said that it is settled outside of the provider
  std::string settled_reason;  // and why
  bool operator==(const Dispute&) const = default;
};
// The code of a refusal that is none: the provider says that it took nothing, or that it is void, and is not
// believed, as it has said that it took the money.
inline constexpr std::string_view kSaidNotTaken = "said_not_taken";
// From one time that the reconciler asks for what was refused to the next; others may ask at any time.
inline constexpr std::chrono::minutes kRefusedPause{10};
// What a provider has been asked for less than so long ago is just being settled: it is not in doubt yet.
inline constexpr std::chrono::minutes kJustAsked{1};

struct Payment {
  PaymentKey key;
  PaymentId id;
  SagaId saga;
  std::string user_id;
  Money money;
  std::string method;
  State state = State::kNone;
  Resolution resolution = Resolution::kOpen;
  std::string provider_code;
  std::string provider_reference;
  int64_t version = 0;  // grows by one with each save; 0: not stored yet
  Timestamp created_at{};
  Timestamp updated_at{};
  // Given back by refunds, in minor units, and asked for but not certain yet; together at most `money`.
  int64_t refunded = 0;
  int64_t refunding = 0;
  bool captured_late = false;  // money was taken after it had ended, and given back
  // That money was taken was heard while it was being cancelled: what the provider was asked before that, it
  // may have answered before it took the money, and may answer again.
  bool captured_meanwhile = false;
  Dispute dispute;  // of a cancelled one
  bool operator==(const Payment&) const = default;

  // Whether it is certain what the provider did, but for refunds.
  [[nodiscard]] bool settled() const {
    return state != State::kPending && (state != State::kCancelled || (resolution != Resolution::kOpen &&
                                                                       resolution != Resolution::kReopened));
  }
};

// A part of a payment that is given back: one per payment and saga. Changes together with its payment, whose
// version guards it.
struct Refund {
  PaymentKey payment;
  // That gives back. Of what was left of a payment when it was cancelled: the payment's own id, no saga's.
  SagaId saga;
  int64_t amount = 0;
  bool done = false;  // otherwise it is not certain yet
  Timestamp created_at{};
  Timestamp updated_at{};
  Dispute dispute;
  bool operator==(const Refund&) const = default;
};

// A webhook that was taken, so that it is not taken again.
struct WebhookKey {
  std::string provider;
  std::string id;
  auto operator<=>(const WebhookKey&) const = default;
};

// "internal": settled here at once. Otherwise "<provider>:<instrument>".
inline constexpr std::string_view kInternal = "internal";
struct Method {
  std::string_view provider;
  std::string_view instrument;
};
[[nodiscard]] Method SplitMethod(std::string_view method);

// Who settles a method, as far as this process knows. kAway: a provider that has not answered of late.
enum class Route { kUnknown, kInternal, kExternal, kAway };

// Commands; well-formed: the edge has checked it.
struct Approve {
  PaymentKey key;
  SagaId saga;
  std::string user_id;
  Money money;
  std::string method;
  Route route = Route::kUnknown;  // of `method`
};
struct Cancel {
  PaymentKey key;
  SagaId saga;
};
struct Query {
  PaymentKey key;
};
// Gives back a part of an approved payment.
struct GiveBack {
  PaymentKey key;
  SagaId saga;
  Money money;
};
// What a provider has told by itself.
struct Webhook {
  PaymentKey key;
  WebhookKey webhook;
  Money money;  // with kApproved
  ProviderAnswer told;
};
// An operator's: what the provider has refused to give back of it is settled outside.
struct SettleOutside {
  PaymentKey key;
  std::string operator_id;
  std::string reason;
  bool provider_gone = false;  // it will never answer again, and so is not asked once more
};
// The reconciler's: finds out about a payment that is not settled. Nobody waits for its answer.
struct Examine {
  PaymentKey key;
};
struct Command {
  std::variant<Approve, Cancel, Query, Examine, GiveBack, Webhook, SettleOutside> body;
  std::string traceparent;
  // What the provider has just said, asked on behalf of this command.
  std::optional<ProviderAnswer> heard;

  [[nodiscard]] const PaymentKey& key() const {
    return std::visit([](const auto& command) -> const PaymentKey& { return command.key; }, body);
  }
};

enum class OutcomeKind { kDone, kRefused, kAborted, kMismatch };
enum class Refusal {
  kNone,
  kDeclined,
  kMethodUnknown,
  kAlreadyApproved,
  kNotApproved,
  kExceedsCaptured,
  kRefundRefused,   // by the provider, which may be asked again
  kNothingRefused,  // of SettleOutside
  kNotFound,        // of SettleOutside: there is no such payment
};
enum class WebhookEffect { kDone, kRepeated, kIgnored };
struct Outcome {
  OutcomeKind kind = OutcomeKind::kDone;
  State state = State::kNone;
  PaymentId id;  // nil with kNone
  Refusal refusal = Refusal::kNone;
  std::string provider_code;                    // with kDeclined and kRefundRefused
  Resolution resolution = Resolution::kOpen;    // with kCancelled
  int64_t refunded = 0;                         // of the payment, by refunds
  WebhookEffect effect = WebhookEffect::kDone;  // of a webhook
  bool operator==(const Outcome&) const = default;
};

// What has to happen before a command is answered, once the changes are saved.
enum class Next { kAnswer, kSend, kAsk, kCancel, kRefund };
struct Decided {
  Next next = Next::kAnswer;
  Result<Outcome> answer;   // with kAnswer; of a webhook always, and the rest is not waited for
  ProviderRequest request;  // otherwise: what to tell the provider…
  std::string method;       // … of this method
  // The provider has said that it has given back what an operator had settled outside of it.
  bool given_back_twice = false;
};

enum class EventKind { kApproved, kDeclined, kCancelled, kRefunded, kCapturedLate };
struct PaymentEvent {
  EventId id;
  EventKind kind = EventKind::kApproved;
  Payment payment;  // as it was then; with kRefunded its money is the part
  std::string traceparent;
  Timestamp at{};
};

// A webhook to remember, of the command about this reservation.
struct TakenWebhook {
  WebhookKey key;
  ReservationId reservation;
  Timestamp at{};
};

// Rows to write with the version that was loaded, sorted by key; events in order.
struct Changes {
  std::vector<Payment> payments;
  std::vector<Refund> refunds;  // each of a payment that changes as well; new, or as it is now
  std::vector<TakenWebhook> webhooks;
  std::vector<PaymentEvent> events;
  [[nodiscard]] bool empty() const { return payments.empty() && webhooks.empty(); }
};

struct Decision {
  std::vector<Decided> outcomes;  // one per command, in order
  Changes changes;
};

// What Decide needs: the reservations whose payments and refunds, and the webhooks that may be known. Sorted,
// without repeats.
struct Keys {
  std::vector<ReservationId> reservations;
  std::vector<WebhookKey> webhooks;
};
[[nodiscard]] Keys KeysOf(std::span<const Command> commands);

struct Rows {
  std::vector<Payment> payments;
  std::vector<Refund> refunds;
  std::vector<WebhookKey> webhooks;  // those that were taken before
};

// How many of these payments are in doubt: for kJustAsked or longer it has not been certain what the provider
// did with the payment, or with a part of it; or it refuses to give it back, however lately it said so.
[[nodiscard]] size_t CountInDoubt(const Rows& rows, Timestamp now);

// Decides the commands in order; `rows` holds all payments and refunds of the reservations that they name.
//
// What was heard comes first: an approval settles a PENDING payment; of one that is DECLINED or CANCELLED it
// means that money was taken late, and that it must be given back (Next::kCancel), unless it is of what was
// voided. Answers to a cancellation settle it; but of what the provider has said that it took it is not
// believed that nothing was taken, nor that it is void, unless it was asked after we had heard of it.
// - Approve: the first time → APPROVED at once (internal), or PENDING and Next::kSend. Again → the recorded
// answer;
//   PENDING → Next::kAsk, and if the provider does not know it, Next::kSend again. Other content → kMismatch.
//   Cancelled before → kAborted. Refused and not recorded: kMethodUnknown; kAlreadyApproved by another
//   attempt. While another attempt is not settled: error attempt_unsettled (kUnavailable: not done). By a
//   provider that is away: error provider_unavailable (the same), and nothing is recorded, so that a Cancel
//   need not wait for it.
// - Cancel: DONE only when no money is kept, for certain. Nothing there, or declined → tombstone; internal →
// voided;
//   otherwise tombstone and Next::kCancel until the provider has said how it ended.
// - GiveBack: a part of an APPROVED payment, once per saga, as long as all parts together are not more than
// was
//   captured; DONE when the provider has given it back. While a part is not certain, a Cancel first asks for
//   it again (Next::kRefund): what the provider is told comes in an order, so it never gives back too much.
//   Where a part was settled outside, the provider has it still, and would give it back with the rest: then a
//   Cancel asks for what is left as one more part, and ends the payment when that is given back.
// - Webhook: what it tells counts as heard, once per id, if it is of a payment that we know, and of its
// money.
//   Money that was taken after all had ended, however much, is marked captured_late, told as an event, and
//   given back. Other money of a PENDING one approves nothing, but its reference is kept: if that is then
//   declined, or cancelled, it is not believed that nothing was taken, and the money is given back. What was
//   taken once more, by another reference, while the first counts or is given back: ignored.
// - Cancel, GiveBack that the provider refuses → refused kRefundRefused. It is on record with the provider's
//   code, stays unsettled, and a repeat asks again; Examine does so once per kRefusedPause.
// - SettleOutside: ends what the provider has refused, as if it had been given back, and says who said so. It
//   may have been asked since it refused: so it is asked once more for each (Next::kRefund, Next::kCancel),
//   and what it has given back, or says nothing of, is not ended. With `provider_gone` it is not asked.
//   Again → kDone; nothing is refused (any more) → kNothingRefused; no such payment → kNotFound; in doubt →
//   error payment_unknown.
// - Query: what is known; asks the provider where it is not settled. Always kDone.
// - Approve and Cancel that the provider leaves in doubt → error payment_unknown (kUnknown).
[[nodiscard]] Decision Decide(const Rows& rows, std::span<const Command> commands, Timestamp now,
                              Random& random);

}  // namespace boxoffice::payment
