#include "services/payment/provider_sandbox.h"

#include <algorithm>
#include <array>
#include <utility>

namespace boxoffice::payment {
namespace {

// The acquirer's own books: no table of Boxoffice.
constexpr sql::Migration kSchema[] = {{1, "sandbox",
                                       R"(CREATE TABLE sandbox_payment(
  key TEXT PRIMARY KEY,
  script TEXT NOT NULL,
  user_id TEXT NOT NULL,
  amount INTEGER NOT NULL,
  currency TEXT NOT NULL,
  state INTEGER NOT NULL,         -- 1 approved, 2 declined, 3 scheduled, 4 cancelled, 5 voided, 6 refunded
  approve_at_ms INTEGER NOT NULL  -- of scheduled
) STRICT, WITHOUT ROWID;)"},
                                      {2, "refunds",
                                       R"(CREATE TABLE sandbox_refund(
  payment TEXT NOT NULL,
  key TEXT NOT NULL,
  amount INTEGER NOT NULL,
  PRIMARY KEY(payment, key)
) STRICT, WITHOUT ROWID;)"}};

// Takes the money and does not give it back.
constexpr std::string_view kRefundRefused = "refund_refused";
constexpr std::array<std::string_view, 8> kScripts = {"approve",
                                                      "decline",
                                                      "timeout_before_capture",
                                                      "timeout_after_capture",
                                                      "error_after_capture",
                                                      "slow",
                                                      "late_approval",
                                                      kRefundRefused};

ProviderAnswer Refused() {
  return {.verdict = Verdict::kRefused, .reference = {}, .code = "charge_disputed", .refund = {}};
}

}  // namespace

Result<std::unique_ptr<SandboxProvider>> SandboxProvider::Open(const std::filesystem::path& file,
                                                               Timer& timer, const Clock& clock,
                                                               SandboxConfig config) {
  BOXOFFICE_ASSIGN(sql::Database database, sql::Database::Open(file));
  BOXOFFICE_TRY(database.Migrate(kSchema));
  return std::unique_ptr<SandboxProvider>(
      new SandboxProvider(std::make_unique<sql::Database>(std::move(database)), timer, clock, config));
}

SandboxProvider::SandboxProvider(std::unique_ptr<sql::Database> database, Timer& timer, const Clock& clock,
                                 SandboxConfig config)
    : timer_(timer),
      clock_(clock),
      config_(config),
      database_(std::move(database)),
      select_(database_->Prepare("SELECT state, approve_at_ms FROM sandbox_payment WHERE key = ?1")),
      put_(database_->Prepare("INSERT INTO sandbox_payment(key, script, user_id, amount, currency, state, "
                              "approve_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) "
                              "ON CONFLICT(key) DO UPDATE SET state = excluded.state")),
      approve_due_(database_->Prepare("UPDATE sandbox_payment SET state = 1 "
                                      "WHERE key = ?1 AND state = 3 AND approve_at_ms <= ?2")),
      // Only of what was taken, and no more than that in all.
      refund_(database_->Prepare("INSERT INTO sandbox_refund(payment, key, amount) SELECT ?1, ?2, ?3 FROM "
                                 "sandbox_payment p WHERE p.key = ?1 "
                                 "AND p.state = 1 AND ?3 + (SELECT COALESCE(SUM(r.amount), 0) FROM "
                                 "sandbox_refund r WHERE r.payment = ?1) "
                                 "<= p.amount ON CONFLICT DO NOTHING")),
      find_refund_(database_->Prepare(
          "SELECT 1 FROM sandbox_refund WHERE payment = ?1 AND key = ?2 AND amount = ?3")) {}

bool SandboxProvider::Accepts(std::string_view instrument) const {
  return config_.enabled && std::find(kScripts.begin(), kScripts.end(), instrument) != kScripts.end();
}

void SandboxProvider::Approve(const ProviderRequest& request, Callback callback) {
  timer_.Post(
      [this, request, callback = std::move(callback)]() mutable { Play(request, std::move(callback)); });
}

// A callback that is dropped is an answer that was lost on its way.
void SandboxProvider::Play(const ProviderRequest& request, Callback callback) {
  const std::string key = request.IdempotencyKey();
  const std::string& script = request.instrument;
  std::unique_lock lock(mutex_);
  const auto found = Find(key);
  const bool was_lost = found && found->has_value() && (*found)->state == State::kLost;
  if (found && found->has_value() && !was_lost) {
    lock.unlock();
    callback(AnswerOf(key, **found));
    return;
  }
  if (!found) {
    lock.unlock();
    callback({});
    return;
  }
  if (script == "timeout_before_capture" && !was_lost) {
    (void)Put(request, {State::kLost});  // not saved: the next one is lost too
    return;
  }
  const milliseconds delay = script == "slow" ? config_.slow : config_.late;
  Row row{State::kApproved};
  if (script == "decline") row.state = State::kDeclined;
  if (script == "slow" || script == "late_approval") {
    row = {State::kScheduled, ToUnixMs(clock_.Now() + delay)};
  }
  const bool saved = Put(request, row).has_value();
  lock.unlock();
  if (!saved || script == "error_after_capture") {
    callback({});
  } else if (script == "slow") {
    AnswerWhenDue(key, std::move(callback), delay);
  } else if (script == "approve" || script == "decline" || script == kRefundRefused || was_lost) {
    callback(AnswerOf(key, row));
  }
}

void SandboxProvider::AnswerWhenDue(const std::string& key, Callback callback, milliseconds delay) {
  timer_.After(delay, [this, key, callback = std::move(callback)]() mutable {
    std::unique_lock lock(mutex_);
    const auto found = Find(key);
    lock.unlock();
    if (!found || !found->has_value()) {
      callback({});
    } else if ((*found)->state == State::kScheduled) {  // the timer was ahead of the clock
      AnswerWhenDue(key, std::move(callback), milliseconds(1));
    } else {
      callback(AnswerOf(key, **found));
    }
  });
}

void SandboxProvider::Query(const ProviderRequest& request, Callback callback) {
  timer_.Post([this, key = request.IdempotencyKey(), callback = std::move(callback)]() mutable {
    std::unique_lock lock(mutex_);
    const auto found = Find(key);
    lock.unlock();
    if (!found) {
      callback({});
    } else if (!found->has_value()) {
      callback({.verdict = Verdict::kNotFound, .reference = {}, .code = {}});
    } else {
      callback(AnswerOf(key, **found));
    }
  });
}

void SandboxProvider::Cancel(const ProviderRequest& request, Callback callback) {
  timer_.Post([this, request, callback = std::move(callback)]() mutable {
    std::unique_lock lock(mutex_);
    const auto answer = CancelKey(request);
    lock.unlock();
    callback(answer.value_or(ProviderAnswer{}));
  });
}

void SandboxProvider::Refund(const ProviderRequest& request, Callback callback) {
  timer_.Post([this, request, callback = std::move(callback)]() mutable {
    std::unique_lock lock(mutex_);
    const bool refunded = request.instrument != kRefundRefused && RefundKey(request).value_or(false);
    lock.unlock();
    ProviderAnswer answer = request.instrument == kRefundRefused ? Refused() : ProviderAnswer{};
    if (refunded) answer.verdict = Verdict::kRefundDone;
    callback(answer);
  });
}

Result<bool> SandboxProvider::RefundKey(const ProviderRequest& request) {
  const std::string payment = request.IdempotencyKey();
  const std::string key = request.RefundKey();
  BOXOFFICE_TRY(refund_.Bind(payment, key, request.money.amount).Run());
  BOXOFFICE_ASSIGN(const bool found, find_refund_.Bind(payment, key, request.money.amount).Step());
  if (found) find_refund_.Reset();
  return found;
}

Result<ProviderAnswer> SandboxProvider::CancelKey(const ProviderRequest& request) {
  BOXOFFICE_ASSIGN(const auto found, Find(request.IdempotencyKey()));
  State state = found ? found->state : State::kCancelled;
  if (state == State::kApproved && request.instrument == kRefundRefused) return Refused();
  if (state == State::kDeclined || state == State::kLost) state = State::kCancelled;
  if (state == State::kScheduled) state = State::kVoided;
  if (state == State::kApproved) state = State::kRefunded;
  if (!found || state != found->state) BOXOFFICE_TRY(Put(request, {state}));
  ProviderAnswer answer;
  answer.verdict = state == State::kVoided     ? Verdict::kVoided
                   : state == State::kRefunded ? Verdict::kRefunded
                                               : Verdict::kNeverSeen;
  return answer;
}

Result<std::optional<SandboxProvider::Row>> SandboxProvider::Find(const std::string& key) {
  BOXOFFICE_ASSIGN(const bool found, select_.Bind(key).Step());
  if (!found) return std::nullopt;
  Row row{static_cast<State>(select_.Int(0)), select_.Int(1)};
  select_.Reset();
  if (row.state == State::kScheduled && row.approve_at_ms <= ToUnixMs(clock_.Now())) {
    BOXOFFICE_TRY(approve_due_.Bind(key, row.approve_at_ms).Run());
    row.state = State::kApproved;
  }
  return row;
}

Result<void> SandboxProvider::Put(const ProviderRequest& request, Row row) {
  const std::string key = request.IdempotencyKey();
  return put_
      .Bind(key, request.instrument, request.user_id, request.money.amount, request.money.currency.code(),
            row.state, row.approve_at_ms)
      .Run();
}

ProviderAnswer SandboxProvider::AnswerOf(const std::string& key, const Row& row) {
  switch (row.state) {
    case State::kApproved:
      return {.verdict = Verdict::kApproved, .reference = "sandbox-" + key, .code = {}};
    case State::kDeclined:
      return {.verdict = Verdict::kDeclined, .reference = {}, .code = "card_declined"};
    case State::kScheduled:
      return {};  // still at it
    case State::kLost:
      return {.verdict = Verdict::kNotFound, .reference = {}, .code = {}};
    case State::kCancelled:
    case State::kVoided:
    case State::kRefunded:
      return {.verdict = Verdict::kDeclined, .reference = {}, .code = "cancelled"};
  }
  return {};
}

}  // namespace boxoffice::payment
