#include "gateway/wallets.h"

#include <utility>

#include "base/money.h"
#include "gateway/pages.h"
#include "gateway/refusals.h"

namespace boxoffice::gateway {
namespace {

using http::Request;
using http::Response;

void WriteEntry(http::JsonWriter& writer, const wallet::v1::Entry& entry, Audience audience) {
  writer.BeginObject();
  WriteUuid(writer, "id", entry.id());
  writer.Field("kind", entry.kind()).Field("amount", entry.money().amount());
  writer.Field("currency", entry.money().currency()).Field("balance_after", entry.balance_after());
  WriteUuid(writer, "reservation_id", entry.reservation_id());
  WriteTime(writer, "created_at", entry.created_at_ms());
  if (!entry.reason().empty()) writer.Field("reason", entry.reason());
  if (audience == Audience::kOperator && !entry.operator_id().empty()) {
    writer.Field("operator_id", entry.operator_id());
  }
  writer.EndObject();
}

// The queries `currency`, if it is there, `from` and `until` into `message`. Error: parameter_invalid.
template <typename Message>
Result<void> ReadCurrencyAndPeriod(const Request& request, Message& message) {
  if (const auto currency = request.query("currency")) {
    if (!Currency::Parse(*currency)) {
      return Fail(Code::kInvalidArgument, "parameter_invalid", "field `currency` is like KRW");
    }
    message.set_currency(std::string(*currency));
  }
  BOXOFFICE_ASSIGN(const Period period, PeriodInQuery(request));
  message.set_from_ms(period.from_ms);
  message.set_until_ms(period.until_ms);
  return {};
}

}  // namespace

std::string_view StateName(wallet::v1::WalletState state) {
  if (state == wallet::v1::FROZEN) return "FROZEN";
  return state == wallet::v1::CLOSED ? "CLOSED" : "ACTIVE";  // also of a replica that knows no states
}

asio::awaitable<Response> AnswerWallet(Edge& edge, Request& request, std::string user, Audience audience) {
  wallet::v1::GetWalletRequest query;
  query.set_user_id(user);
  const auto start = [&edge](auto... arguments) { edge.backends.wallet->async()->GetWallet(arguments...); };
  const Result<wallet::v1::Wallet> wallet =
      co_await edge.backends.Ask<wallet::v1::Wallet>(query, request.traceparent(), start);
  if (!wallet) co_return ServiceFailure(wallet.error());
  http::JsonWriter writer;
  writer.BeginObject().Field("user_id", user).Key("balances").BeginArray();
  for (const money::v1::Money& balance : wallet->balances()) {
    writer.BeginObject().Field("amount", balance.amount()).Field("currency", balance.currency()).EndObject();
  }
  writer.EndArray().Field("state", StateName(wallet->state()));
  if (audience == Audience::kOperator) {
    writer.Field("state_reason", wallet->state_reason())
        .Field("state_operator_id", wallet->state_operator_id());
    WriteTime(writer, "state_changed_at", wallet->state_changed_at_ms());
  }
  writer.EndObject();
  co_return http::JsonResponse(writer.Take());
}

asio::awaitable<Response> AnswerEntries(Edge& edge, Request& request, std::string user, Audience audience) {
  const Result<Page> page = ReadPage(request, "entries");
  if (!page) co_return FailureResponse(page.error());
  if (!page->after.empty() && !Uuid::FromBytes(page->after)) co_return RefusalResponse("cursor_invalid");
  wallet::v1::ListEntriesRequest query;
  query.set_user_id(user);
  query.set_limit(page->limit);
  query.set_before_entry_id(page->after);
  const Result<void> read = ReadCurrencyAndPeriod(request, query);
  if (!read) co_return FailureResponse(read.error());
  const auto start = [&edge](auto... arguments) { edge.backends.wallet->async()->ListEntries(arguments...); };
  const Result<wallet::v1::ListEntriesResponse> list =
      co_await edge.backends.Ask<wallet::v1::ListEntriesResponse>(query, request.traceparent(), start);
  if (!list) co_return ServiceFailure(list.error());
  std::string next;
  if (list->more() && !list->entries().empty())
    next = EncodeCursor("entries", list->entries().rbegin()->id());
  co_return ListResponse(list->entries(), next,
                         [audience](http::JsonWriter& writer, const wallet::v1::Entry& entry) {
                           WriteEntry(writer, entry, audience);
                         });
}

asio::awaitable<Response> AnswerStatement(Edge& edge, Request& request, std::string user) {
  wallet::v1::GetStatementRequest query;
  query.set_user_id(user);
  const Result<void> read = ReadCurrencyAndPeriod(request, query);
  if (!read) co_return FailureResponse(read.error());
  if (query.currency().empty()) co_return RefusalResponse("parameter_invalid", "field `currency` is missing");
  const auto start = [&edge](auto... arguments) {
    edge.backends.wallet->async()->GetStatement(arguments...);
  };
  const Result<wallet::v1::Statement> statement =
      co_await edge.backends.Ask<wallet::v1::Statement>(query, request.traceparent(), start);
  if (!statement) co_return ServiceFailure(statement.error());
  http::JsonWriter writer;
  writer.BeginObject().Field("user_id", user).Field("currency", statement->currency());
  WriteTime(writer, "from", query.from_ms());
  WriteTime(writer, "until", query.until_ms());
  writer.Field("opening_balance", statement->opening_balance());
  writer.Field("closing_balance", statement->closing_balance()).Key("sums").BeginArray();
  for (const wallet::v1::Statement::Sum& sum : statement->sums()) {
    writer.BeginObject()
        .Field("kind", sum.kind())
        .Field("amount", sum.amount())
        .Field("entries", sum.entries());
    writer.EndObject();
  }
  writer.EndArray().EndObject();
  co_return http::JsonResponse(writer.Take());
}

Response WalletRefusal(const wallet::v1::WalletOutcome& outcome) {
  if (outcome.kind() == wallet::v1::WalletOutcome::MISMATCH) return RefusalResponse("idempotency_key_reused");
  return RefusalResponse(outcome.refusal(), {}, [&](http::JsonWriter& writer) {
    if (outcome.has_balance()) writer.Field("balance", outcome.balance().amount());
    if (outcome.refusal() == "balance_too_low") writer.Field("needed", outcome.needed());
    if (outcome.refusal() == "daily_limit" || outcome.refusal() == "balance_limit") {
      writer.Field("limit", outcome.limit()).Field("available", outcome.available());
    }
  });
}

}  // namespace boxoffice::gateway
