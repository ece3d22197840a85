#include "services/wallet/rpc_server.h"

#include <string>
#include <utility>

#include "platform/rpc/field.h"
#include "platform/rpc/unary.h"

namespace boxoffice::wallet {
namespace {

using rpc::InvalidField;
using rpc::ParseId;
using rpc::ParseMoney;
using rpc::ParseText;

constexpr size_t kMaxUserIdBytes = 64;
constexpr size_t kMaxClientKeyBytes = 128;

Result<TopUp> Parse(const v1::TopUp& proto) {
  TopUp top_up;
  BOXOFFICE_ASSIGN(top_up.client_key, ParseText("client_key", proto.client_key(), kMaxClientKeyBytes));
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

Result<decltype(Command::body)> ParseBody(const v1::Command& proto) {
  switch (proto.body_case()) {
    case v1::Command::kTopUp:
      return Parse(proto.top_up());
    case v1::Command::kDebit:
      return Parse(proto.debit());
    case v1::Command::kRefund:
      return Parse(proto.refund());
    case v1::Command::BODY_NOT_SET:
      break;
  }
  return InvalidField("body", "must be one of top_up, debit, refund");
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
  return proto;
}

const char* KindName(EntryKind kind) {
  switch (kind) {
    case EntryKind::kTopUp:
      return "top_up";
    case EntryKind::kDebit:
      return "debit";
    case EntryKind::kRefund:
      return "refund";
  }
  return "";
}

void Set(v1::Entry& proto, const Entry& entry) {
  proto.set_id(std::string(entry.id.bytes()));
  proto.set_kind(KindName(entry.kind));
  Set(*proto.mutable_money(), entry.money);
  proto.set_balance_after(entry.balance_after);
  if (!entry.reservation.IsNil()) proto.set_reservation_id(std::string(entry.reservation.bytes()));
  proto.set_created_at_ms(ToUnixMs(entry.created_at));
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
  return wallet;
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
  BOXOFFICE_ASSIGN(const EntryPage page, reader.Entries(user_id, currency, before, request.limit()));
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
      handler_(Commands::Translate([](const v1::Command& proto) { return Parse(proto); },
                                   [&service](Command command, auto done, const resilience::Terms& terms) {
                                     service.Submit(std::move(command), std::move(done), terms);
                                   },
                                   [](const Outcome& outcome) { return ToProto(outcome); })) {}

grpc::ServerBidiReactor<v1::CommandBatch, v1::OutcomeBatch>* RpcServer::Execute(
    grpc::CallbackServerContext*) {
  return new Commands(handler_, streams_);
}

grpc::ServerUnaryReactor* RpcServer::GetWallet(grpc::CallbackServerContext* context,
                                               const v1::GetWalletRequest* request, v1::Wallet* response) {
  return rpc::Answer<v1::Wallet>(context, pool_.get_executor(), response,
                                 [this, request] { return AnswerGetWallet(reader_, *request); });
}

grpc::ServerUnaryReactor* RpcServer::ListEntries(grpc::CallbackServerContext* context,
                                                 const v1::ListEntriesRequest* request,
                                                 v1::ListEntriesResponse* response) {
  return rpc::Answer<v1::ListEntriesResponse>(context, pool_.get_executor(), response, [this, request] {
    return AnswerListEntries(reader_, *request);
  });
}

grpc::ServerUnaryReactor* RpcServer::Audit(grpc::CallbackServerContext* context,
                                           const v1::AuditRequest* request, v1::AuditResponse* response) {
  return rpc::Answer<v1::AuditResponse>(context, pool_.get_executor(), response,
                                        [this, request] { return AnswerAudit(reader_, *request); });
}

grpc::ServerUnaryReactor* RpcServer::GetTotals(grpc::CallbackServerContext* context,
                                               const v1::GetTotalsRequest*, v1::GetTotalsResponse* response) {
  return rpc::Answer<v1::GetTotalsResponse>(context, pool_.get_executor(), response,
                                            [this] { return AnswerGetTotals(reader_); });
}

}  // namespace boxoffice::wallet
