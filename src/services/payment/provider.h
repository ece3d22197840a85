// What Boxoffice asks of a payment provider, whoever it is.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/id.h"
#include "base/money.h"

namespace boxoffice::payment {

// A payment as a provider is told of it.
struct ProviderRequest {
  ReservationId reservation;
  uint32_t attempt = 0;
  std::string user_id;
  Money money;
  std::string instrument;  // of the method, after the colon: "sandbox:decline" → "decline"
  std::string traceparent;

  // "<reservation>/<attempt>": the same at every repeat; the provider does at most one payment per key.
  [[nodiscard]] std::string IdempotencyKey() const;
};

// What a provider said; kUnknown: nothing that could be relied on (an error after sending, a time-out).
enum class Verdict {
  kUnknown,
  kApproved,   // to Approve and Query: the money is taken
  kDeclined,   // to Approve and Query: it is not, and won't be under this key
  kNotFound,   // to Query: the provider knows nothing of this key now; an Approve may still be under way
  kNeverSeen,  // to Cancel: nothing had been taken, and from now on the provider declines this key
  kVoided,     // to Cancel: the approval is void before any money moved
  kRefunded,   // to Cancel: the money was taken, and is given back
};
struct ProviderAnswer {
  Verdict verdict = Verdict::kUnknown;
  std::string reference;  // the provider's own id, with kApproved
  std::string code;       // the provider's own, with kDeclined
  bool operator==(const ProviderAnswer&) const = default;
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
  virtual void Approve(const ProviderRequest& request, Callback callback) = 0;
  virtual void Query(const ProviderRequest& request, Callback callback) = 0;
  // Takes back what was approved under the key, and what may be approved later: an Approve that comes after
  // is declined.
  virtual void Cancel(const ProviderRequest& request, Callback callback) = 0;
};

}  // namespace boxoffice::payment
