// What Boxoffice asks of a payment provider, whoever it is.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/id.h"
#include "base/money.h"
#include "base/result.h"

namespace boxoffice::payment {

// A payment as a provider is told of it.
struct ProviderRequest {
  ReservationId reservation;
  uint32_t attempt = 0;
  std::string user_id;
  Money money;
  std::string instrument;  // of the method, after the colon: "sandbox:decline" → "decline"
  std::string traceparent;
  // Of a refund: the saga that gives back (of the rest of a cancelled payment its own id), and `money` is the
  // part. Nil otherwise, and `money` is the whole.
  SagaId refund;
  // Of a cancellation: an earlier one may have been answered before the money was taken, as if it had not
  // been.
  bool cancelled_before = false;

  // "<reservation>/<attempt>": the same at every repeat; the provider does at most one payment per key.
  [[nodiscard]] std::string IdempotencyKey() const;
  // "<reservation>/<attempt>/<saga>": the same for a refund, once per key.
  [[nodiscard]] std::string RefundKey() const;
};

// What a provider said; kUnknown: nothing that could be relied on (an error after sending, a time-out).
enum class Verdict {
  kUnknown,
  kApproved,    // to Approve and Query: the money is taken
  kDeclined,    // to Approve and Query: it is not, and won't be under this key
  kNotFound,    // to Query: the provider knows nothing of this key now; an Approve may still be under way
  kNeverSeen,   // to Cancel: nothing had been taken, and from now on the provider declines this key
  kVoided,      // to Cancel: the approval is void before any money moved
  kRefunded,    // to Cancel: the money was taken, and is given back
  kRefundDone,  // to Refund: the part is given back
  kRefused,     // to Cancel and Refund: the money is not given back, and `code` says why
};
struct ProviderAnswer {
  Verdict verdict = Verdict::kUnknown;
  // The provider's own id, with kApproved, and code, with kDeclined and kRefused: bounded, UTF-8, no control
  // characters.
  std::string reference;
  std::string code;
  SagaId refund;  // with kRefundDone, and with kRefused of a refund: which; filled in by who asked
  bool cancelled_before = false;  // of a cancellation: the request's; filled in by who asked
  bool operator==(const ProviderAnswer&) const = default;
};

// What a provider sends by itself, as it came.
struct WebhookRequest {
  std::string id;
  std::string timestamp;
  std::string signature;
  std::string body;
  std::string traceparent = {};  // of the request that brought it
};
// What it says, once it is believed.
struct Notice {
  bool relevant = false;  // otherwise of a type that says nothing to us
  ReservationId reservation;
  uint32_t attempt = 0;
  Money money;  // that was taken, with kApproved
  ProviderAnswer answer;
};

// An external provider. Thread-safe. Calls return at once; `callback` is called at most once, on any thread,
// and never after the provider's destruction. Never called at all: the caller has its own time-out, and does
// not know more. All calls may be repeated: the answer is the same, or more certain.
class Provider {
 public:
  using Callback = std::move_only_function<void(ProviderAnswer)>;
  virtual ~Provider() = default;

  // Whether it can take payments by this instrument. Pure.
  [[nodiscard]] virtual bool Accepts(std::string_view instrument) const = 0;
  // Whether it has not answered of late, so that an Approve would not be sent. Thread-safe, and at once.
  [[nodiscard]] virtual bool IsAway() const { return false; }
  virtual void Approve(const ProviderRequest& request, Callback callback) = 0;
  virtual void Query(const ProviderRequest& request, Callback callback) = 0;
  // Takes back what was approved under the key, and what may be approved later: an Approve that comes after
  // is declined.
  virtual void Cancel(const ProviderRequest& request, Callback callback) = 0;
  // Gives a part of what was taken back, once per RefundKey(). kRefundDone, kRefused: nothing has moved, and
  // nothing will until it is asked again; or kUnknown: ask again.
  virtual void Refund(const ProviderRequest& request, Callback callback) = 0;
  // Reads what the provider sends by itself. Pure. Errors: provider_unknown (it sends nothing; kNotFound),
  // webhook_signature (not signed by it), webhook_timestamp (too old or too new: replayed), both
  // kUnauthenticated; webhook_malformed (kInvalidArgument).
  [[nodiscard]] virtual Result<Notice> ReadWebhook(const WebhookRequest& request, Timestamp now) const {
    (void)request, (void)now;
    return Fail(Code::kNotFound, "provider_unknown", "the provider sends no webhooks");
  }
};

}  // namespace boxoffice::payment
