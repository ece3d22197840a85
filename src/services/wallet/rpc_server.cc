#include "services/wallet/rpc_server.h"

#include <string>
#include <utility>

#include "platform/resilience/admission.h"
#include "platform/rpc/field.h"
#include "platform/rpc/unary.h"

namespace boxoffice::wallet {
namespace {

using rpc::InvalidField;
using rpc::ParseId;
using rpc::ParseMoney;
using rpc::ParseText;

constexpr size_t kMaxUserIdBytes = 64;
constexpr size_t kMaxClientKeyBytes = 255;  // as the gateway takes an Idempotency-Key
constexpr size_t kMaxReasonBytes = 500;
constexpr uint32_t kMaxExportPage = 10'000;

// What begins with a blank is an operator's.
Result<std::string> ParseClientKey(const std::string& key) {
  BOXOFFICE_ASSIGN(std::string parsed, ParseText("client_key", key, kMaxClientKeyBytes));
  if (parsed.front() == ' ') return InvalidField("client_key", "must not begin with a blank");
  return parsed;
}

Result<TopUp> Parse(const v1::TopUp& proto) {
  TopUp top_up;
  BOXOFFICE_ASSIGN(top_up.client_key, ParseClientKey(proto.client_key()));
  BOXOFFICE_ASSIGN(top_up.user_id, ParseText("user_id", proto.user_id(), kMaxUserIdBytes));
  BOXOFFICE_ASSIGN(top_up.money, ParseMoney(proto.money()));
  return top_up;
}

Result<Debit> Parse(const v1::Debit& proto) {
  Debit debit;
  BOXOFFICE_ASSIGN(debit.saga, ParseId<SagaId>("saga_id", proto.saga_id()));
  BOXOFFICE_ASSIGN(debit.reservation, ParseId<ReservationId>("reservation_id", proto.reservation_id()));
  BOXOFFICE_ASSIGN(debit.user_id, ParseText("user_id", proto.user_id(), kMaxUserIdBytes));
  BOXOFFICE_ASSIGN(debit.money, ParseMoney(proto.money()));
  return debit;
}

Result<Refund> Parse(const v1::Refund& proto) {
  Refund refund;
  BOXOFFICE_ASSIGN(refund.saga, ParseId<SagaId>("saga_id", proto.saga_id()));
  BOXOFFICE_ASSIGN(refund.reservation, ParseId<ReservationId>("reservation_id", proto.reservation_id()));
  BOXOFFICE_ASSIGN(refund.user_id, ParseText("user_id", proto.user_id(), kMaxUserIdBytes));
  BOXOFFICE_ASSIGN(refund.debit_saga, ParseId<SagaId>("debit_saga_id", proto.debit_saga_id()));
  return refund;
}

Result<PartialRefund> Parse(const v1::PartialRefund& proto) {
  PartialRefund refund;
  BOXOFFICE_ASSIGN(refund.saga, ParseId<SagaId>("saga_id", proto.saga_id()));
  BOXOFFICE_ASSIGN(refund.reservation, ParseId<ReservationId>("reservation_id", proto.reservation_id()));
  BOXOFFICE_ASSIGN(refund.user_id, ParseText("user_id", proto.user_id(), kMaxUserIdBytes));
  BOXOFFICE_ASSIGN(refund.debit_saga, ParseId<SagaId>("debit_saga_id", proto.debit_saga_id()));
  BOXOFFICE_ASSIGN(refund.money, ParseMoney(proto.money()));
  return refund;
}

Result<Adjust> Parse(const v1::Adjust& proto) {
  Adjust adjust;
  BOXOFFICE_ASSIGN(adjust.client_key, ParseClientKey(proto.client_key()));
  BOXOFFICE_ASSIGN(adjust.user_id, ParseText("user_id", proto.user_id(), kMaxUserIdBytes));
  money::v1::Money size = proto.money();  // without its sign
  if (size.amount() < 0 && size.amount() >= -kMaxAmount) size.set_amount(-size.amount());
  BOXOFFICE_ASSIGN(adjust.money, ParseMoney(size));
  adjust.money.amount = proto.money().amount();
  BOXOFFICE_ASSIGN(adjust.reason, ParseText("reason", proto.reason(), kMaxReasonBytes));
  BOXOFFICE_ASSIGN(adjust.operator_id, ParseText("operator_id", proto.operator_id(), kMaxUserIdBytes));
  // No user's name has one, and in the key that is stored a blank ends it: with one, two pairs of operator
  // and client key would be one, and an adjustment be taken for a repeat of another.
  if (adjust.operator_id.contains(' ')) return InvalidField("operator_id", "must have no blank");
  return adjust;
}

Result<ReverseTopUp> Parse(const v1::ReverseTopUp& proto) {
  ReverseTopUp reversal;
  BOXOFFICE_ASSIGN(reversal.user_id, ParseText("user_id", proto.user_id(), kMaxUserIdBytes));
  BOXOFFICE_ASSIGN(reversal.entry, ParseId<EntryId>("entry_id", proto.entry_id()));
  BOXOFFICE_ASSIGN(reversal.reason, ParseText("reason", proto.reason(), kMaxReasonBytes));
  BOXOFFICE_ASSIGN(reversal.operator_id, ParseText("operator_id", proto.operator_id(), kMaxUserIdBytes));
  return reversal;
}

Result<SetState> Parse(const v1::SetWalletState& proto) {
  SetState change;
  BOXOFFICE_ASSIGN(change.user_id, ParseText("user_id", proto.user_id(), kMaxUserIdBytes));
  if (proto.state() < v1::ACTIVE || proto.state() > v1::CLOSED) {
    return InvalidField("state", "must be ACTIVE, FROZEN or CLOSED");
  }
  change.state = static_cast<AccountState>(proto.state());  // the same numbers
  BOXOFFICE_ASSIGN(change.reason, ParseText("reason", proto.reason(), kMaxReasonBytes));
  BOXOFFICE_ASSIGN(change.operator_id, ParseText("operator_id", proto.operator_id(), kMaxUserIdBytes));
  return change;
}

Result<decltype(Command::body)> ParseBody(const v1::Command& proto) {
  switch (proto.body_case()) {
    case v1::Command::kTopUp:
      return Parse(proto.top_up());
    case v1::Command::kDebit:
      return Parse(proto.debit());
    case v1::Command::kRefund:
      return Parse(proto.refund());
    case v1::Command::kPartialRefund:
      return Parse(proto.partial_refund());
    case v1::Command::kAdjust:
      return Parse(proto.adjust());
    case v1::Command::kReverseTopUp:
      return Parse(proto.reverse_top_up());
    case v1::Command::kSetState:
      return Parse(proto.set_state());
    case v1::Command::BODY_NOT_SET:
      break;
  }
  return InvalidField(
      "body", "must be one of top_up, debit, refund, partial_refund, adjust, reverse_top_up, set_state");
}

Result<Command> Parse(const v1::Command& proto) {
  Command command;
  BOXOFFICE_ASSIGN(command.body, ParseBody(proto));
  command.traceparent = proto.header().traceparent();
  return command;
}

void Set(money::v1::Money& proto, const Money& money) {
  proto.set_amount(money.amount);
  proto.set_currency(money.currency.code().data(), money.currency.code().size());
}

const char* RefusalName(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNone:
      return "";
    case Refusal::kBalanceTooLow:
      return "balance_too_low";
    case Refusal::kBalanceLimit:
      return "balance_limit";
    case Refusal::kDailyLimit:
      return "daily_limit";
    case Refusal::kFrozen:
      return "wallet_frozen";
    case Refusal::kClosed:
      return "wallet_closed";
    case Refusal::kNotEmpty:
      return "wallet_not_empty";
    case Refusal::kExceedsDebit:
      return "refund_exceeds_debit";
    case Refusal::kNotATopUp:
      return "not_a_top_up";
  }
  return "";
}

v1::Outcome ToProto(const Outcome& outcome) {
  v1::Outcome proto;
  v1::WalletOutcome& wallet = *proto.mutable_wallet();
  wallet.set_kind(rpc::KindToProto<v1::WalletOutcome>(outcome.kind));
  if (outcome.balance) Set(*wallet.mutable_balance(), *outcome.balance);
  if (!outcome.entry.IsNil()) wallet.set_entry_id(outcome.entry.bytes().data(), outcome.entry.bytes().size());
  if (outcome.refusal != Refusal::kNone) wallet.set_refusal(RefusalName(outcome.refusal));
  wallet.set_needed(outcome.needed);
  wallet.set_limit(outcome.limit);
  wallet.set_available(outcome.available);
  if (outcome.state) wallet.set_state(static_cast<v1::WalletState>(*outcome.state));
  return proto;
}

void Set(v1::Entry& proto, const Entry& entry) {
  proto.set_id(std::string(entry.id.bytes()));
  proto.set_kind(std::string(KindName(entry.kind)));
  Set(*proto.mutable_money(), entry.money);
  proto.set_balance_after(entry.balance_after);
  if (!entry.reservation.IsNil()) proto.set_reservation_id(std::string(entry.reservation.bytes()));
  proto.set_created_at_ms(ToUnixMs(entry.created_at));
  proto.set_reason(entry.reason);
  proto.set_operator_id(entry.operator_id);
}

// Bounds in milliseconds since 1970, where 0 is none.
Result<Period> ParsePeriod(int64_t from_ms, int64_t until_ms) {
  if (from_ms < 0) return InvalidField("from_ms", "must not be negative");
  if (until_ms < 0) return InvalidField("until_ms", "must not be negative");
  Period period;
  if (from_ms != 0) period.from = FromUnixMs(from_ms);
  if (until_ms != 0) period.until = FromUnixMs(until_ms);
  if (period.from && period.until && *period.from >= *period.until) {
    return InvalidField("until_ms", "must be after from_ms");
  }
  return period;
}

void Set(v1::AuditResponse::Row& proto, const ReservationTotals& totals) {
  proto.set_reservation_id(std::string(totals.reservation.bytes()));
  proto.set_user_id(totals.user_id);
  proto.set_currency(std::string(totals.currency.code()));
  proto.set_debited(totals.debited);
  proto.set_refunded(totals.refunded);
  proto.set_effective_debits(totals.effective_debits);
}

Result<v1::Wallet> AnswerGetWallet(Reader& reader, const v1::GetWalletRequest& request) {
  BOXOFFICE_ASSIGN(const std::string user_id, ParseText("user_id", request.user_id(), kMaxUserIdBytes));
  BOXOFFICE_ASSIGN(const std::vector<Money> balances, reader.Balances(user_id));
  v1::Wallet wallet;
  wallet.set_user_id(user_id);
  for (const Money& balance : balances) Set(*wallet.add_balances(), balance);
  BOXOFFICE_ASSIGN(const std::optional<AccountRow> account, reader.Account(user_id));
  wallet.set_state(account ? static_cast<v1::WalletState>(account->state) : v1::ACTIVE);
  if (account) {
    wallet.set_state_reason(account->reason);
    wallet.set_state_operator_id(account->operator_id);
    wallet.set_state_changed_at_ms(ToUnixMs(account->changed_at));
  }
  return wallet;
}

Result<v1::Statement> AnswerStatement(Reader& reader, const v1::GetStatementRequest& request) {
  v1::Statement response;
  BOXOFFICE_ASSIGN(const std::string user_id, ParseText("user_id", request.user_id(), kMaxUserIdBytes));
  const auto currency = Currency::Parse(request.currency());
  if (!currency) return InvalidField("currency", "must be three upper-case letters");
  BOXOFFICE_ASSIGN(const Period period, ParsePeriod(request.from_ms(), request.until_ms()));
  BOXOFFICE_ASSIGN(const StatementSums statement, reader.Statement(user_id, *currency, period));
  response.set_user_id(user_id);
  response.set_currency(request.currency());
  response.set_opening_balance(statement.opening_balance);
  for (const StatementSums::Sum& sum : statement.sums) {
    v1::Statement::Sum& row = *response.add_sums();
    row.set_kind(std::string(KindName(sum.kind)));
    row.set_amount(sum.amount);
    row.set_entries(sum.entries);
  }
  response.set_closing_balance(statement.closing_balance);
  return response;
}

Result<v1::ExportLedgerResponse> AnswerExport(Reader& reader, const v1::ExportLedgerRequest& request) {
  BOXOFFICE_TRY(rpc::CheckLimit(request.limit(), kMaxExportPage));
  std::optional<EntryKey> after;
  if (!request.after_user_id().empty() || !request.after_entry_id().empty()) {
    after.emplace();
    BOXOFFICE_ASSIGN(after->user_id, ParseText("after_user_id", request.after_user_id(), kMaxUserIdBytes));
    BOXOFFICE_ASSIGN(after->entry, ParseId<EntryId>("after_entry_id", request.after_entry_id()));
  }
  BOXOFFICE_ASSIGN(const EntryPage page, reader.Ledger(after, request.limit()));
  v1::ExportLedgerResponse response;
  for (const Entry& entry : page.entries) {
    v1::LedgerRow& row = *response.add_rows();
    row.set_user_id(entry.user_id);
    Set(*row.mutable_entry(), entry);
    row.set_contra_account(std::string(AccountName(entry.contra())));
    row.set_contra_amount(-entry.money.amount);
  }
  response.set_more(page.more);
  return response;
}

Result<v1::ListEntriesResponse> AnswerListEntries(Reader& reader, const v1::ListEntriesRequest& request) {
  BOXOFFICE_ASSIGN(const std::string user_id, ParseText("user_id", request.user_id(), kMaxUserIdBytes));
  BOXOFFICE_TRY(rpc::CheckLimit(request.limit(), kMaxPage));
  std::optional<Currency> currency;
  if (!request.currency().empty()) {
    currency = Currency::Parse(request.currency());
    if (!currency) return InvalidField("currency", "must be three upper-case letters, or empty");
  }
  std::optional<EntryId> before;
  if (!request.before_entry_id().empty()) {
    BOXOFFICE_ASSIGN(before, ParseId<EntryId>("before_entry_id", request.before_entry_id()));
  }
  BOXOFFICE_ASSIGN(const Period period, ParsePeriod(request.from_ms(), request.until_ms()));
  BOXOFFICE_ASSIGN(const EntryPage page, reader.Entries(user_id, currency, before, request.limit(), period));
  v1::ListEntriesResponse response;
  for (const Entry& entry : page.entries) Set(*response.add_entries(), entry);
  response.set_more(page.more);
  return response;
}

Result<v1::AuditResponse> AnswerAudit(Reader& reader, const v1::AuditRequest& request) {
  v1::AuditResponse response;
  if (!request.reservation_id().empty()) {
    BOXOFFICE_ASSIGN(const auto reservation,
                     ParseId<ReservationId>("reservation_id", request.reservation_id()));
    BOXOFFICE_ASSIGN(const auto totals, reader.Reservation(reservation));
    if (totals) Set(*response.add_rows(), *totals);
    return response;
  }
  BOXOFFICE_TRY(rpc::CheckLimit(request.limit(), kMaxAuditPage));
  ReservationId after;
  if (!request.after_reservation_id().empty()) {
    BOXOFFICE_ASSIGN(after, ParseId<ReservationId>("after_reservation_id", request.after_reservation_id()));
  }
  BOXOFFICE_ASSIGN(const ReservationPage page, reader.Reservations(after, request.limit()));
  for (const ReservationTotals& totals : page.rows) Set(*response.add_rows(), totals);
  response.set_more(page.more);
  return response;
}

Result<v1::GetTotalsResponse> AnswerGetTotals(Reader& reader) {
  BOXOFFICE_ASSIGN(const Totals totals, reader.ComputeTotals());
  v1::GetTotalsResponse response;
  for (const CurrencyTotals& of_currency : totals.currencies) {
    auto& total = *response.add_totals();
    total.set_currency(std::string(of_currency.currency.code()));
    total.set_sum_of_all_accounts(of_currency.sum_of_all_accounts);
    total.set_wallets(of_currency.wallets);
    total.set_wallets_unequal_entries(of_currency.wallets_unequal_entries);
    total.set_wallets_negative(of_currency.wallets_negative);
    total.set_sum_of_wallets(of_currency.sum_of_wallets);
  }
  for (const std::string& user : totals.bad_users) response.add_bad_users(user);
  return response;
}

}  // namespace

RpcServer::RpcServer(wallet::Service& service, Reader& reader)
    : reader_(reader),
      commands_(Commands::Translate([](const v1::Command& proto) { return Parse(proto); },
                                    [&service](Command command, auto done, const resilience::Terms& terms) {
                                      service.Submit(std::move(command), std::move(done), terms);
                                    },
                                    [](const Outcome& outcome) { return ToProto(outcome); })) {}

grpc::ServerBidiReactor<v1::CommandBatch, v1::OutcomeBatch>* RpcServer::Execute(
    grpc::CallbackServerContext*) {
  return new rpc::CommandServer(commands_);
}

grpc::ServerUnaryReactor* RpcServer::GetWallet(grpc::CallbackServerContext* context,
                                               const v1::GetWalletRequest* request, v1::Wallet* response) {
  return rpc::Answer<v1::Wallet>(context, pool_, response,
                                 [this, request] { return AnswerGetWallet(reader_, *request); });
}

grpc::ServerUnaryReactor* RpcServer::ListEntries(grpc::CallbackServerContext* context,
                                                 const v1::ListEntriesRequest* request,
                                                 v1::ListEntriesResponse* response) {
  return rpc::Answer<v1::ListEntriesResponse>(
      context, pool_, response, [this, request] { return AnswerListEntries(reader_, *request); });
}

grpc::ServerUnaryReactor* RpcServer::GetStatement(grpc::CallbackServerContext* context,
                                                  const v1::GetStatementRequest* request,
                                                  v1::Statement* response) {
  return rpc::Answer<v1::Statement>(context, pool_, response,
                                    [this, request] { return AnswerStatement(reader_, *request); });
}

grpc::ServerUnaryReactor* RpcServer::ExportLedger(grpc::CallbackServerContext* context,
                                                  const v1::ExportLedgerRequest* request,
                                                  v1::ExportLedgerResponse* response) {
  return rpc::Answer<v1::ExportLedgerResponse>(context, pool_, response,
                                               [this, request] { return AnswerExport(reader_, *request); });
}

grpc::ServerUnaryReactor* RpcServer::Audit(grpc::CallbackServerContext* context,
                                           const v1::AuditRequest* request, v1::AuditResponse* response) {
  return rpc::Answer<v1::AuditResponse>(
      context, pool_, response, [this, request] { return AnswerAudit(reader_, *request); },
      resilience::Priority::kFinishing);
}

grpc::ServerUnaryReactor* RpcServer::GetTotals(grpc::CallbackServerContext* context,
                                               const v1::GetTotalsRequest*, v1::GetTotalsResponse* response) {
  return rpc::Answer<v1::GetTotalsResponse>(
      context, long_pool_, response, [this] { return AnswerGetTotals(reader_); },
      resilience::Priority::kFinishing);
}

}  // namespace boxoffice::wallet
