// The prepaid balance, as its owner sees and fills it.
#include "base/money.h"
#include "gateway/edge.h"
#include "gateway/pages.h"
#include "gateway/refusals.h"
#include "gateway/render.h"
#include "gateway/routes.h"
#include "gateway/wallets.h"
#include "platform/http/json_reader.h"

namespace boxoffice::gateway {
namespace {

using http::Request;
using http::Response;

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
  if (!edge.self_service) {
    co_return RefusalResponse("self_service_off",
                              "operators credit wallets: POST /v1/admin/wallets/{user}/adjustments");
  }
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
  if (charged.kind() != wallet::v1::WalletOutcome::DONE) co_return WalletRefusal(charged);
  http::JsonWriter writer;
  writer.BeginObject();
  WriteUuid(writer, "entry_id", charged.entry_id());
  writer.Field("amount", money->amount()).Field("currency", money->currency());
  writer.Field("balance", charged.balance().amount()).EndObject();
  co_return http::JsonResponse(writer.Take(), 201);
}

}  // namespace

void AddWalletRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  routes.Buyer(Method::kGet, "/v1/wallet", [&edge](Request& request, const auth::Principal& caller) {
    return AnswerWallet(edge, request, caller.user, Audience::kBuyer);
  });
  routes.Buyer(Method::kPost, "/v1/wallet/charges", [&edge](Request& request, const auth::Principal& caller) {
    return Charge(edge, request, caller);
  });
  routes.Buyer(Method::kGet, "/v1/wallet/entries",
               Limited(edge.limits.lists, [&edge](Request& request, const auth::Principal& caller) {
                 return AnswerEntries(edge, request, caller.user, Audience::kBuyer);
               }));
  routes.Buyer(Method::kGet, "/v1/wallet/statement",
               Limited(edge.limits.lists, [&edge](Request& request, const auth::Principal& caller) {
                 return AnswerStatement(edge, request, caller.user);
               }));
}

}  // namespace boxoffice::gateway
