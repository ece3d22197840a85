// The acquirer: at most one payment per key, and its books are durable. One that errs refuses to give money
// back, once or for ever; or says nothing of a payment, or that it declines, or that it is void, and takes
// the money later, of which it tells by itself.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "services/payment/payment.h"
#include "services/payment/provider.h"
#include "sim/scheduler.h"

namespace boxoffice::sim {

class Acquirer {
 public:
  struct Account {
    bool asked = false;
    bool approved = false;
    bool declined = false;
    bool cancelled = false;
    bool captures_late = false;
    bool voided = false;  // it has said so, and says so again to who does not know better
    int64_t amount = 0;
    std::map<std::string, int64_t> refunds;  // by their keys
    std::map<std::string, int> refuses;      // by the key of what is to be given back: how often still
    [[nodiscard]] int64_t Kept() const {
      if (!approved || cancelled) return 0;
      int64_t kept = amount;
      for (const auto& [key, part] : refunds) kept -= part;
      return kept;
    }
  };
  // Brings what it tells to the payment service, again and again until that has taken it; then calls `done`.
  using Tell = std::function<void(const payment::Webhook&, std::function<void()> done)>;

  Acquirer(Scheduler& scheduler, Rng& rng) : scheduler_(scheduler), rng_(rng) {}
  // From now on it errs.
  void Err(Tell tell) {
    errs_ = true;
    tell_ = std::move(tell);
  }

  payment::ProviderAnswer Approve(const payment::ProviderRequest& request);
  [[nodiscard]] payment::ProviderAnswer Query(const payment::ProviderRequest& request) const;
  payment::ProviderAnswer Cancel(const payment::ProviderRequest& request);
  payment::ProviderAnswer Refund(const payment::ProviderRequest& request);
  // How long its answers take.
  [[nodiscard]] int64_t AnswerUs() { return errs_ ? rng_.Between(1'000, 600'000) : 1'000; }
  // Nothing is to be taken later, nor told.
  [[nodiscard]] bool quiet() const { return under_way_ == 0; }
  // By the idempotency key, "<reservation>/<attempt>".
  [[nodiscard]] const std::map<std::string, Account>& accounts() const { return accounts_; }

  int64_t away_until_us = 0;  // until then nobody hears an answer, and some are not heard

 private:
  Account& Open(const payment::ProviderRequest& request);
  bool Refuses(Account& account, const std::string& key);
  void CaptureLate(const payment::ProviderRequest& request, int64_t in_us);

  Scheduler& scheduler_;
  Rng& rng_;
  bool errs_ = false;
  Tell tell_;
  std::map<std::string, Account> accounts_;
  int last_webhook_ = 0;
  int under_way_ = 0;
};

}  // namespace boxoffice::sim
