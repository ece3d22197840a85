// The prepaid balance, as its owner sees and fills it.
#include "base/money.h"
#include "gateway/edge.h"
#include "gateway/pages.h"
#include "gateway/refusals.h"
#include "gateway/render.h"
#include "gateway/routes.h"
#include "platform/http/json_reader.h"

namespace boxoffice::gateway {
namespace {

using http::Request;
using http::Response;

asio::awaitable<Response> GetWallet(Edge& edge, Request& request, const auth::Principal& caller) {
  wallet::v1::GetWalletRequest query;
  query.set_user_id(caller.user);
  const auto start = [&edge](auto... arguments) { edge.backends.wallet->async()->GetWallet(arguments...); };
  const Result<wallet::v1::Wallet> wallet =
      co_await edge.backends.Ask<wallet::v1::Wallet>(query, request.traceparent(), start);
  if (!wallet) co_return ServiceFailure(wallet.error());
  http::JsonWriter writer;
  writer.BeginObject().Field("user_id", caller.user).Key("balances").BeginArray();
  for (const money::v1::Money& balance : wallet->balances()) {
    writer.BeginObject().Field("amount", balance.amount()).Field("currency", balance.currency()).EndObject();
  }
  writer.EndArray().EndObject();
  co_return http::JsonResponse(writer.Take());
}

Result<money::v1::Money> ReadMoney(const Request& request) {
  http::ObjectReader reader(request.body());
  money::v1::Money money;
  money.set_amount(reader.Required<int64_t>("amount"));
  money.set_currency(reader.Required<std::string>("currency"));
  BOXOFFICE_TRY(reader.Finish());
  if (money.amount() < 1 || money.amount() > kMaxAmount) {
    return Fail(Code::kInvalidArgument, "amount_out_of_range",
                fmt::format("field `amount` is from 1 to {}", kMaxAmount));
  }
  if (!Currency::Parse(money.currency())) {
    return Fail(Code::kInvalidArgument, "currency_invalid", "field `currency` is three upper-case letters");
  }
  return money;
}

asio::awaitable<Response> Charge(Edge& edge, Request& request, const auth::Principal& caller) {
  const Result<std::string_view> key = ReadIdempotencyKey(request);
  if (!key) co_return FailureResponse(key.error());
  const Result<money::v1::Money> money = ReadMoney(request);
  if (!money) co_return FailureResponse(money.error());
  wallet::v1::Command command;
  wallet::v1::TopUp& top_up = *command.mutable_top_up();
  top_up.set_client_key(std::string(*key));
  top_up.set_user_id(caller.user);
  *top_up.mutable_money() = *money;
  const Result<wallet::v1::Outcome> outcome = co_await edge.backends.Execute(std::move(command), request);
  if (!outcome) co_return ServiceFailure(outcome.error());
  const wallet::v1::WalletOutcome& charged = outcome->wallet();
  if (charged.kind() == wallet::v1::WalletOutcome::MISMATCH)
    co_return RefusalResponse("idempotency_key_reused");
  if (charged.kind() != wallet::v1::WalletOutcome::DONE) {
    boost::json::object members;
    members["balance"] = charged.balance().amount();
    co_return RefusalResponse(charged.refusal(), {}, std::move(members));
  }
  http::JsonWriter writer;
  writer.BeginObject();
  WriteUuid(writer, "entry_id", charged.entry_id());
  writer.Field("amount", money->amount()).Field("currency", money->currency());
  writer.Field("balance", charged.balance().amount()).EndObject();
  co_return http::JsonResponse(writer.Take(), 201);
}

void WriteEntry(http::JsonWriter& writer, const wallet::v1::Entry& entry) {
  writer.BeginObject();
  WriteUuid(writer, "id", entry.id());
  writer.Field("kind", entry.kind()).Field("amount", entry.money().amount());
  writer.Field("currency", entry.money().currency()).Field("balance_after", entry.balance_after());
  WriteUuid(writer, "reservation_id", entry.reservation_id());
  WriteTime(writer, "created_at", entry.created_at_ms());
  writer.EndObject();
}

asio::awaitable<Response> ListEntries(Edge& edge, Request& request, const auth::Principal& caller) {
  const Result<Page> page = ReadPage(request, "entries");
  if (!page) co_return FailureResponse(page.error());
  if (!page->after.empty() && !Uuid::FromBytes(page->after)) co_return RefusalResponse("cursor_invalid");
  wallet::v1::ListEntriesRequest query;
  query.set_user_id(caller.user);
  query.set_limit(page->limit);
  query.set_before_entry_id(page->after);
  if (const auto currency = request.query("currency")) {
    if (!Currency::Parse(*currency))
      co_return RefusalResponse("parameter_invalid", "field `currency` is like KRW");
    query.set_currency(std::string(*currency));
  }
  const auto start = [&edge](auto... arguments) { edge.backends.wallet->async()->ListEntries(arguments...); };
  const Result<wallet::v1::ListEntriesResponse> list =
      co_await edge.backends.Ask<wallet::v1::ListEntriesResponse>(query, request.traceparent(), start);
  if (!list) co_return ServiceFailure(list.error());
  std::string next;
  if (list->more() && !list->entries().empty())
    next = EncodeCursor("entries", list->entries().rbegin()->id());
  co_return ListResponse(list->entries(), next, WriteEntry);
}

}  // namespace

void AddWalletRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  routes.Buyer(Method::kGet, "/v1/wallet", [&edge](Request& request, const auth::Principal& caller) {
    return GetWallet(edge, request, caller);
  });
  routes.Buyer(Method::kPost, "/v1/wallet/charges", [&edge](Request& request, const auth::Principal& caller) {
    return Charge(edge, request, caller);
  });
  routes.Buyer(Method::kGet, "/v1/wallet/entries", [&edge](Request& request, const auth::Principal& caller) {
    return ListEntries(edge, request, caller);
  });
}

}  // namespace boxoffice::gateway
