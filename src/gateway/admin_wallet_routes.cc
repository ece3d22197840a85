// What operators see of wallets and do to them, and the ledger as CSV.
#include "base/money.h"
#include "gateway/edge.h"
#include "gateway/pages.h"
#include "gateway/refusals.h"
#include "gateway/render.h"
#include "gateway/routes.h"
#include "gateway/wallets.h"
#include "platform/auth/token.h"
#include "platform/http/json_reader.h"
#include "platform/http/utf8.h"

namespace boxoffice::gateway {
namespace {

using http::Request;
using http::Response;
using wallet::v1::WalletOutcome;

// The user in the path. Error: user_not_found.
Result<std::string> UserInPath(const Request& request) {
  const std::string& user = request.parameter("user");
  if (!auth::IsUserName(user)) return Fail(Code::kNotFound, "user_not_found");
  return user;
}

Response MovedResponse(const WalletOutcome& outcome, int64_t amount) {
  http::JsonWriter writer;
  writer.BeginObject();
  WriteUuid(writer, "entry_id", outcome.entry_id());
  writer.Field("amount", amount).Field("currency", outcome.balance().currency());
  writer.Field("balance", outcome.balance().amount()).EndObject();
  return http::JsonResponse(writer.Take(), 201);
}

asio::awaitable<Response> Adjust(Edge& edge, Request& request, const auth::Principal& caller) {
  const Result<std::string> user = UserInPath(request);
  if (!user) co_return FailureResponse(user.error());
  const Result<std::string_view> key = ReadIdempotencyKey(request);
  if (!key) co_return FailureResponse(key.error());
  http::ObjectReader reader(request.body());
  wallet::v1::Command command;
  wallet::v1::Adjust& adjust = *command.mutable_adjust();
  const int64_t amount = reader.Required<int64_t>("amount");
  const std::string currency = reader.Required<std::string>("currency");
  adjust.set_reason(ReasonInBody(reader));
  if (amount == 0 || amount > kMaxAmount || amount < -kMaxAmount) {
    reader.Refuse("amount", "amount_out_of_range", fmt::format("is from -{0} to {0}, and not 0", kMaxAmount));
  }
  if (!Currency::Parse(currency))
    reader.Refuse("currency", "currency_invalid", "is three upper-case letters");
  const Result<void> read = reader.Finish();
  if (!read) co_return FailureResponse(read.error());
  adjust.set_client_key(std::string(*key));
  adjust.set_user_id(*user);
  adjust.set_operator_id(caller.user);
  adjust.mutable_money()->set_amount(amount);
  adjust.mutable_money()->set_currency(currency);
  const Result<wallet::v1::Outcome> outcome = co_await edge.backends.Execute(std::move(command), request);
  if (!outcome) co_return ServiceFailure(outcome.error());
  if (outcome->wallet().kind() != WalletOutcome::DONE) co_return WalletRefusal(outcome->wallet());
  co_return MovedResponse(outcome->wallet(), amount);
}

asio::awaitable<Response> Reverse(Edge& edge, Request& request, const auth::Principal& caller) {
  const Result<std::string> user = UserInPath(request);
  if (!user) co_return FailureResponse(user.error());
  const Result<std::string_view> key = ReadIdempotencyKey(request);
  if (!key) co_return FailureResponse(key.error());
  http::ObjectReader reader(request.body());
  wallet::v1::Command command;
  wallet::v1::ReverseTopUp& reversal = *command.mutable_reverse_top_up();
  const std::optional<Uuid> entry = Uuid::Parse(reader.Required<std::string>("entry_id"));
  reversal.set_reason(ReasonInBody(reader));
  if (!entry || entry->IsNil()) reader.Refuse("entry_id", "field_invalid", "is a UUID");
  const Result<void> read = reader.Finish();
  if (!read) co_return FailureResponse(read.error());
  reversal.set_user_id(*user);
  reversal.set_entry_id(std::string(entry->bytes()));
  reversal.set_operator_id(caller.user);
  const Result<wallet::v1::Outcome> outcome = co_await edge.backends.Execute(std::move(command), request);
  if (!outcome) co_return ServiceFailure(outcome.error());
  if (outcome->wallet().kind() != WalletOutcome::DONE) co_return WalletRefusal(outcome->wallet());
  http::JsonWriter writer;
  writer.BeginObject();
  WriteUuid(writer, "entry_id", outcome->wallet().entry_id());
  writer.Field("currency", outcome->wallet().balance().currency());
  writer.Field("balance", outcome->wallet().balance().amount()).EndObject();
  co_return http::JsonResponse(writer.Take(), 201);
}

asio::awaitable<Response> SetState(Edge& edge, Request& request, const auth::Principal& caller,
                                   wallet::v1::WalletState state) {
  const Result<std::string> user = UserInPath(request);
  if (!user) co_return FailureResponse(user.error());
  http::ObjectReader reader(request.body());
  wallet::v1::Command command;
  wallet::v1::SetWalletState& change = *command.mutable_set_state();
  change.set_reason(ReasonInBody(reader));
  const Result<void> read = reader.Finish();
  if (!read) co_return FailureResponse(read.error());
  change.set_user_id(*user);
  change.set_state(state);
  change.set_operator_id(caller.user);
  const Result<wallet::v1::Outcome> outcome = co_await edge.backends.Execute(std::move(command), request);
  if (!outcome) co_return ServiceFailure(outcome.error());
  if (outcome->wallet().kind() != WalletOutcome::DONE) co_return WalletRefusal(outcome->wallet());
  asio::awaitable<Response> answer = AnswerWallet(edge, request, *user, Audience::kOperator);
  co_return co_await std::move(answer);
}

// A field of a CSV (RFC 4180): quoted where it has to be.
void AppendField(std::string_view text, std::string& csv) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
    csv += text;
    return;
  }
  csv.push_back('"');
  for (const char c : text) {
    if (c == '"') csv.push_back('"');
    csv.push_back(c);
  }
  csv.push_back('"');
}

// What people wrote. A spreadsheet would compute what begins like a formula: it is made a text by an
// apostrophe.
void AppendText(std::string_view text, std::string& csv) {
  const bool is_formula = text.find_first_of("=+-@\t\r") == 0;
  AppendField(is_formula ? fmt::format("'{}", text) : std::string(text), csv);
}

// One leg of an entry.
void AppendLeg(const wallet::v1::LedgerRow& row, std::string_view account, int64_t amount, std::string& csv) {
  const wallet::v1::Entry& entry = row.entry();
  const auto reservation = Uuid::FromBytes(entry.reservation_id());
  const auto id = Uuid::FromBytes(entry.id());
  csv += fmt::format("{},{},{},", id ? id->ToString() : "", ToRfc3339(FromUnixMs(entry.created_at_ms())),
                     entry.kind());
  AppendField(account, csv);
  csv +=
      fmt::format(",{},{},{},", amount, entry.money().currency(), reservation ? reservation->ToString() : "");
  AppendText(entry.reason(), csv);
  csv.push_back(',');
  AppendField(entry.operator_id(), csv);
  csv += "\r\n";
}

// Both legs of each entry, so that every page sums to zero.
asio::awaitable<Response> ExportLedger(Edge& edge, Request& request) {
  const Result<Page> page = ReadPage(request, "ledger");
  if (!page) co_return FailureResponse(page.error());
  wallet::v1::ExportLedgerRequest query;
  query.set_limit(page->limit);
  if (!page->after.empty()) {
    // An id, and behind it the user.
    if (page->after.size() <= kIdBytes || !http::IsUtf8(std::string_view(page->after).substr(kIdBytes)))
      co_return RefusalResponse("cursor_invalid");
    query.set_after_entry_id(page->after.substr(0, kIdBytes));
    query.set_after_user_id(page->after.substr(kIdBytes));
  }
  const auto start = [&edge](auto... arguments) {
    edge.backends.wallet->async()->ExportLedger(arguments...);
  };
  const Result<wallet::v1::ExportLedgerResponse> ledger =
      co_await edge.backends.Ask<wallet::v1::ExportLedgerResponse>(query, request.traceparent(), start);
  if (!ledger) co_return ServiceFailure(ledger.error());
  Response response;
  response.content_type = "text/csv; charset=utf-8";
  response.body = "entry_id,created_at,kind,account,amount,currency,reservation_id,reason,operator_id\r\n";
  for (const wallet::v1::LedgerRow& row : ledger->rows()) {
    AppendLeg(row, "wallet:" + row.user_id(), row.entry().money().amount(), response.body);
    AppendLeg(row, "system:" + row.contra_account(), row.contra_amount(), response.body);
  }
  if (ledger->more() && !ledger->rows().empty()) {
    const wallet::v1::LedgerRow& last = *ledger->rows().rbegin();
    response.headers.Add("X-Next-Cursor", EncodeCursor("ledger", last.entry().id() + last.user_id()));
  }
  co_return response;
}

}  // namespace

void AddAdminWalletRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  const auto get = [&](std::string_view pattern, auto answer) {
    routes.Operator(Method::kGet, pattern,
                    [&edge, answer](Request& request, const auth::Principal&) -> asio::awaitable<Response> {
                      const Result<std::string> user = UserInPath(request);
                      if (!user) co_return FailureResponse(user.error());
                      co_return co_await answer(edge, request, *user);
                    });
  };
  get("/v1/admin/wallets/{user}", [](Edge& edge, Request& request, const std::string& user) {
    return AnswerWallet(edge, request, user, Audience::kOperator);
  });
  get("/v1/admin/wallets/{user}/entries", [](Edge& edge, Request& request, const std::string& user) {
    return AnswerEntries(edge, request, user, Audience::kOperator);
  });
  get("/v1/admin/wallets/{user}/statement", [](Edge& edge, Request& request, const std::string& user) {
    return AnswerStatement(edge, request, user);
  });
  routes.Operator(
      Method::kPost, "/v1/admin/wallets/{user}/adjustments",
      [&edge](Request& request, const auth::Principal& caller) { return Adjust(edge, request, caller); });
  routes.Operator(
      Method::kPost, "/v1/admin/wallets/{user}/reversals",
      [&edge](Request& request, const auth::Principal& caller) { return Reverse(edge, request, caller); });
  const std::pair<const char*, wallet::v1::WalletState> states[] = {
      {"/v1/admin/wallets/{user}/freeze", wallet::v1::FROZEN},
      {"/v1/admin/wallets/{user}/unfreeze", wallet::v1::ACTIVE},
      {"/v1/admin/wallets/{user}/close", wallet::v1::CLOSED}};
  for (const auto& [pattern, state] : states) {
    routes.Operator(Method::kPost, pattern, [&edge, state](Request& request, const auth::Principal& caller) {
      return SetState(edge, request, caller, state);
    });
  }
  routes.Operator(Method::kGet, "/v1/admin/ledger",
                  [&edge](Request& request, const auth::Principal&) { return ExportLedger(edge, request); });
}

}  // namespace boxoffice::gateway
