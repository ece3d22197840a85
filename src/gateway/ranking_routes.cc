// Rankings: for everybody, but for what shows have earned; and for operators, who also have them counted
// anew.
#include <algorithm>
#include <array>
#include <string>

#include "gateway/edge.h"
#include "gateway/pages.h"
#include "gateway/refusals.h"
#include "gateway/render.h"
#include "gateway/routes.h"

namespace boxoffice::gateway {
namespace {

using http::Request;
using http::Response;

struct Choice {
  std::string by = "bookings";
  std::string window;
  std::string currency;  // empty: all
  uint32_t limit = 0;
  int64_t after = 0;  // so many rows of it were told by the pages before
};

std::unexpected<Error> Odd(std::string detail) {
  return Fail(Code::kInvalidArgument, "parameter_invalid", std::move(detail));
}

bool IsCurrency(std::string_view text) {
  return text.size() == 3 && std::ranges::all_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
}

Result<Choice> ReadChoice(const Request& request, bool for_operator) {
  // Operators alone see what shows have earned.
  constexpr std::array<std::string_view, 4> kBy = {"bookings", "sellout", "trending", "revenue"};
  constexpr std::array<std::string_view, 4> kWindows = {"hour", "day", "week", "all"};
  Choice choice;
  choice.by = request.query("by").value_or("bookings");
  const auto known = std::ranges::find(kBy, std::string_view(choice.by));
  if (known == kBy.end() || (*known == "revenue" && !for_operator)) {
    return Odd(for_operator ? "field `by` is bookings, revenue, sellout or trending"
                            : "field `by` is bookings, sellout or trending");
  }
  const bool trending = choice.by == "trending";
  choice.window = request.query("window").value_or(trending ? "day" : "all");
  if (std::ranges::find(kWindows, std::string_view(choice.window)) == kWindows.end()) {
    return Odd("field `window` is hour, day, week or all");
  }
  if (trending && choice.window == "all") return Odd("field `window` is hour, day or week, by trending");
  choice.currency = request.query("currency").value_or("");
  if (request.query("currency") && !IsCurrency(choice.currency)) {
    return Odd("field `currency` is three capital letters");
  }
  BOXOFFICE_ASSIGN(const NumberedPage page, ReadNumberedPage(request, "ranking"));
  choice.limit = page.limit;
  choice.after = page.after;
  return choice;
}

void WriteRow(http::JsonWriter& writer, const ranking::v1::GetRankingResponse::Row& row, const Choice& choice,
              bool for_operator) {
  writer.BeginObject().Field("rank", row.rank());
  WriteNumberId(writer, "show_id", row.show_id());
  writer.Field("bookings", row.bookings()).Field("seats", row.seats());
  const auto maybe = [&writer](std::string_view name, bool has, double value) {
    if (has) {
      WriteDouble(writer, name, value);
    } else {
      writer.Key(name).Null();
    }
  };
  maybe("sellout_s", choice.by == "sellout", static_cast<double>(row.sellout_ms()) / 1000);
  WriteTime(writer, "on_sale_at", row.on_sale_at_ms());
  maybe("score", choice.by == "trending", row.score());
  writer.Key("revenue");
  if (for_operator) {
    writer.Value(row.revenue());
  } else {
    writer.Null();
  }
  writer.Key("currency");
  if (row.currency().empty()) {
    writer.Null();
  } else {
    writer.Value(row.currency());
  }
  writer.EndObject();
}

asio::awaitable<Response> GetRanking(Edge& edge, Request& request, bool for_operator) {
  const Result<Choice> choice = ReadChoice(request, for_operator);
  if (!choice) co_return FailureResponse(choice.error());
  std::string by(choice->by);
  std::string window(choice->window);
  std::string traceparent(request.traceparent());
  const Result<Rankings::Answer> answer =
      co_await edge.rankings.Get(edge.backends, std::move(by), std::move(window), std::move(traceparent));
  if (!answer) co_return ServiceFailure(answer.error());
  const ranking::v1::GetRankingResponse& ranking = **answer;
  http::JsonWriter writer;
  writer.BeginObject();
  WriteTime(writer, "as_of", ranking.as_of_ms());
  writer.Key("items").BeginArray();
  const int64_t begin = std::min<int64_t>(choice->after, ranking.rows_size());
  const int64_t end = begin + choice->limit;
  int64_t rows = 0;
  for (const auto& row : ranking.rows()) {
    if (!choice->currency.empty() && row.currency() != choice->currency) continue;
    if (++rows > end) break;
    if (rows > begin) WriteRow(writer, row, *choice, for_operator);
  }
  writer.EndArray().Key("next_cursor");
  if (rows > end) {
    writer.Value(EncodeCursor("ranking", std::to_string(end)));
  } else {
    writer.Null();
  }
  writer.EndObject();
  co_return http::JsonResponse(writer.Take());
}

void WriteStatus(http::JsonWriter& writer, const ranking::v1::Status& status) {
  writer.BeginObject()
      .Field("rebuilding", status.rebuilding())
      .Field("processed_events", status.processed_events());
  WriteTime(writer, "as_of", status.as_of_ms());
  WriteTime(writer, "rebuilt_at", status.rebuilt_at_ms());
  WriteTime(writer, "now", status.now_ms());
  writer.EndObject();
}

asio::awaitable<Response> GetStatus(Edge& edge, Request& request) {
  const ranking::v1::GetStatusRequest query;
  const auto start = [&edge](auto... arguments) { edge.backends.ranking->async()->GetStatus(arguments...); };
  const Result<ranking::v1::Status> status =
      co_await edge.backends.Ask<ranking::v1::Status>(query, request.traceparent(), start);
  if (!status) co_return ServiceFailure(status.error());
  co_return ObjectResponse([&](http::JsonWriter& writer) { WriteStatus(writer, *status); });
}

asio::awaitable<Response> Rebuild(Edge& edge, Request& request) {
  const Result<void> read = ReadNoBody(request);
  if (!read) co_return FailureResponse(read.error());
  const ranking::v1::RebuildRequest query;
  const auto start = [&edge](auto... arguments) { edge.backends.ranking->async()->Rebuild(arguments...); };
  const Result<ranking::v1::Status> status =
      co_await edge.backends.Ask<ranking::v1::Status>(query, request.traceparent(), start);
  if (!status) co_return ServiceFailure(status.error());
  co_return ObjectResponse([&](http::JsonWriter& writer) { WriteStatus(writer, *status); }, 202);
}

}  // namespace

void AddRankingRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  routes.Public(Method::kGet, "/v1/rankings",
                [&edge](Request& request) { return GetRanking(edge, request, /*for_operator=*/false); });
  routes.Operator(Method::kGet, "/v1/admin/rankings", [&edge](Request& request, const auth::Principal&) {
    return GetRanking(edge, request, /*for_operator=*/true);
  });
  routes.Operator(Method::kGet, "/v1/admin/rankings/status",
                  [&edge](Request& request, const auth::Principal&) { return GetStatus(edge, request); });
  routes.Operator(Method::kPost, "/v1/admin/rankings/rebuild",
                  [&edge](Request& request, const auth::Principal&) { return Rebuild(edge, request); });
}

}  // namespace boxoffice::gateway
