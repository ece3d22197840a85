#include "sim/acquirer.h"

#include <climits>

#include <fmt/format.h>

namespace boxoffice::sim {
namespace {

using payment::ProviderAnswer;
using payment::ProviderRequest;
using payment::Verdict;

constexpr uint64_t kCapturesLatePercent = 12;
constexpr uint64_t kRefusesPercent = 30;
constexpr int64_t kLatestCaptureUs = 14'000'000;  // past every deadline of a saga
constexpr int64_t kCrossingCaptureUs = 500'000;   // while its answer is on its way

ProviderAnswer Say(Verdict verdict) {
  ProviderAnswer answer;
  answer.verdict = verdict;
  return answer;
}

ProviderAnswer AnswerOf(const Acquirer::Account& account) {
  const bool has_money = account.approved && !account.cancelled;
  ProviderAnswer answer = Say(has_money ? Verdict::kApproved : Verdict::kDeclined);
  (has_money ? answer.reference : answer.code) = has_money ? "reference" : "no_funds";
  return answer;
}

ProviderAnswer Refusal() {
  ProviderAnswer answer = Say(Verdict::kRefused);
  answer.code = "charge_disputed";
  return answer;
}

}  // namespace

Acquirer::Account& Acquirer::Open(const ProviderRequest& request) {
  const auto [found, is_new] = accounts_.try_emplace(request.IdempotencyKey());
  if (is_new && errs_) found->second.captures_late = rng_.Chance(kCapturesLatePercent);
  return found->second;
}

// Each account errs in one way. What is refused once is on record with us before anybody may settle it
// outside, and is then given back; more often would be a race that nobody can win.
bool Acquirer::Refuses(Account& account, const std::string& key) {
  if (!errs_ || account.captures_late) return false;
  const auto [found, is_new] = account.refuses.try_emplace(key, 0);
  int& left = found->second;
  if (is_new && rng_.Chance(kRefusesPercent)) left = rng_.Chance(50) ? 1 : INT_MAX;
  if (left == 0) return false;
  if (left != INT_MAX) --left;
  return true;
}

void Acquirer::CaptureLate(const ProviderRequest& request, int64_t in_us) {
  ++under_way_;
  scheduler_.After(in_us, nullptr, [this, request] {
    --under_way_;
    Account& account = accounts_.at(request.IdempotencyKey());
    if (account.approved) return;  // it was to be taken at two times
    account.approved = true;
    account.cancelled = false;
    account.amount = request.money.amount;
    const payment::Webhook webhook{{request.reservation, request.attempt},
                                   {"sim", fmt::format("webhook-{}", ++last_webhook_)},
                                   request.money,
                                   AnswerOf(account)};
    for (int times = rng_.Chance(50) ? 2 : 1; times > 0; --times) {
      ++under_way_;
      tell_(webhook, [this] { --under_way_; });
    }
  });
}

ProviderAnswer Acquirer::Approve(const ProviderRequest& request) {
  Account& account = Open(request);
  account.asked = true;
  if (account.cancelled || (request.instrument == "decline" && !account.approved)) account.declined = true;
  if (account.captures_late && !account.approved && !account.cancelled) {
    CaptureLate(request, rng_.Between(0, kLatestCaptureUs));
    if (rng_.Chance(50)) account.declined = true;
    return account.declined ? AnswerOf(account) : ProviderAnswer();
  }
  if (!account.declined) {
    account.approved = true;
    account.amount = request.money.amount;
  }
  return AnswerOf(account);
}

ProviderAnswer Acquirer::Query(const ProviderRequest& request) const {
  const auto found = accounts_.find(request.IdempotencyKey());
  if (found == accounts_.end()) return Say(Verdict::kNotFound);
  const Account& account = found->second;
  const bool says_nothing =
      account.captures_late && !account.approved && !account.declined && !account.cancelled;
  return says_nothing ? ProviderAnswer() : AnswerOf(account);
}

ProviderAnswer Acquirer::Cancel(const ProviderRequest& request) {
  Account& account = Open(request);
  if (account.voided && !request.cancelled_before) return Say(Verdict::kVoided);
  if (account.captures_late && account.asked && !account.approved && !account.voided) {
    account.voided = true;
    account.cancelled = true;
    CaptureLate(request, rng_.Between(0, kCrossingCaptureUs));
    return Say(Verdict::kVoided);
  }
  if (account.Kept() > 0 && Refuses(account, request.IdempotencyKey())) return Refusal();
  account.cancelled = true;
  return Say(account.approved ? Verdict::kRefunded : Verdict::kNeverSeen);
}

ProviderAnswer Acquirer::Refund(const ProviderRequest& request) {
  Account& account = Open(request);
  const std::string key = request.RefundKey();
  if (!account.cancelled && !account.refunds.contains(key)) {
    if (Refuses(account, key)) return Refusal();
    account.refunds[key] = request.money.amount;
  }
  return Say(Verdict::kRefundDone);
}

}  // namespace boxoffice::sim
