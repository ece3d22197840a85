// An external acquirer, played: it has a durable store of its own and does what the method's script says, so
// that every way in which a provider can fail can be rehearsed, also across crashes of either side.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "platform/sql/sqlite.h"
#include "services/payment/provider.h"
#include "services/payment/timer.h"

namespace boxoffice::payment {

struct SandboxConfig {
  // Whether it takes new payments. Those that it has are settled, cancelled and given back all the same.
  bool enabled = true;
  milliseconds slow{2'000};  // until script "slow" answers
  // From the request until script "late_approval" has its money: the caller's time-out and 3 s more.
  milliseconds late{6'000};
};

// Scripts, each for the first Approve of a key: approve, decline, timeout_before_capture (the request is
// lost), timeout_after_capture (the answer is lost), error_after_capture (an error is all that is heard),
// slow, late_approval (no answer; approves later unless cancelled), refund_refused (takes the money and gives
// nothing back). After that, Query and Cancel tell the truth at once. Thread-safe; works on the timer's
// thread.
class SandboxProvider final : public Provider {
 public:
  // Opens or creates `file`. `timer` and `clock` outlive it, but no task of the timer runs when it goes.
  // Errors: database_unavailable, schema_newer.
  [[nodiscard]] static Result<std::unique_ptr<SandboxProvider>> Open(const std::filesystem::path& file,
                                                                     Timer& timer, const Clock& clock,
                                                                     SandboxConfig config);

  [[nodiscard]] bool Accepts(std::string_view instrument) const override;
  void Approve(const ProviderRequest& request, Callback callback) override;
  void Query(const ProviderRequest& request, Callback callback) override;
  void Cancel(const ProviderRequest& request, Callback callback) override;
  void Refund(const ProviderRequest& request, Callback callback) override;

 private:
  enum class State {
    kApproved = 1,
    kDeclined = 2,
    kScheduled = 3,
    kCancelled = 4,
    kVoided = 5,
    kRefunded = 6,
    kLost = 7,  // the first request got lost on its way: known to whoever plays, not to the acquirer
  };
  struct Row {
    State state;
    int64_t approve_at_ms = 0;  // with kScheduled
  };

  SandboxProvider(std::unique_ptr<sql::Database> database, Timer& timer, const Clock& clock,
                  SandboxConfig config);
  void Play(const ProviderRequest& request, Callback callback);
  void AnswerWhenDue(const std::string& key, Callback callback, milliseconds delay);
  [[nodiscard]] Result<ProviderAnswer> CancelKey(const ProviderRequest& request);
  [[nodiscard]] Result<bool> RefundKey(const ProviderRequest& request);
  // The key's row as of now: what was scheduled may have become approved.
  [[nodiscard]] Result<std::optional<Row>> Find(const std::string& key);
  [[nodiscard]] Result<void> Put(const ProviderRequest& request, Row row);
  [[nodiscard]] static ProviderAnswer AnswerOf(const std::string& key, const Row& row);

  Timer& timer_;
  const Clock& clock_;
  const SandboxConfig config_;
  std::mutex mutex_;  // guards the connection
  std::unique_ptr<sql::Database> database_;
  sql::Statement select_;
  sql::Statement put_;
  sql::Statement approve_due_;
  sql::Statement refund_;
  sql::Statement find_refund_;
};

}  // namespace boxoffice::payment
