// What seats cost, as operators change it and look at it.
#include "gateway/edge.h"
#include "gateway/named_seats.h"
#include "gateway/pages.h"
#include "gateway/refusals.h"
#include "gateway/render.h"
#include "gateway/routes.h"
#include "platform/http/json_reader.h"

namespace boxoffice::gateway {
namespace {

using http::Request;
using http::Response;

constexpr size_t kMaxCategories = 1'000;

Result<seat::v1::ChangePricesRequest> ReadPrices(const Request& request, const auth::Principal& caller) {
  http::ObjectReader reader(request.body());
  seat::v1::ChangePricesRequest query;
  query.set_operator_id(caller.user);
  http::ObjectReader* categories = reader.OptionalObject("categories");
  const bool by_category = categories != nullptr;
  if (by_category) {
    const std::vector<std::string_view> names = categories->Names();
    if (names.empty()) reader.Refuse("categories", "field_invalid", "names no category");
    if (names.size() > kMaxCategories) {
      reader.Refuse("categories", "field_too_long", "has too many categories");
    } else {
      for (const std::string_view name : names) {
        (*query.mutable_categories())[std::string(name)] = categories->Required<int64_t>(name);
      }
    }
  }
  const std::vector<int64_t> seats = ReadNamedSeats(reader, query, by_category);
  if (by_category && (reader.Has("seats") || reader.Has("section") || reader.Has("price"))) {
    reader.Refuse("categories", "field_invalid", "excludes `seats`, `section` and `price`");
  }
  if (!by_category) query.set_price(reader.Required<int64_t>("price"));
  BOXOFFICE_TRY(reader.Finish());
  BOXOFFICE_TRY(NameSeats(seats, query));
  return query;
}

asio::awaitable<Response> ChangePrices(Edge& edge, Request& request, const auth::Principal& caller) {
  const Result<int64_t> id = NumberInPath(request, "show", "show_not_found");
  if (!id) co_return FailureResponse(id.error());
  Result<seat::v1::ChangePricesRequest> query = ReadPrices(request, caller);
  if (!query) co_return FailureResponse(query.error());
  query->set_show_id(*id);
  const auto start = [&edge](auto... arguments) { edge.backends.seat->async()->ChangePrices(arguments...); };
  const Result<seat::v1::Show> show =
      co_await edge.backends.Ask<seat::v1::Show>(*query, request.traceparent(), start);
  if (!show) co_return ServiceFailure(show.error());
  co_return ObjectResponse([&](http::JsonWriter& writer) { WriteShow(writer, *show); });
}

void WriteChange(http::JsonWriter& writer, const seat::v1::PriceChange& change) {
  writer.BeginObject();
  WriteNumberId(writer, "id", change.id());
  writer.Field("layout_version", change.layout_version()).Key("category");
  if (change.category().empty()) {
    writer.Null();
  } else {
    writer.Value(change.category());
  }
  writer.Key("seats").BeginArray();
  for (const uint32_t seat_no : change.seat_nos()) writer.Value(seat_no);
  writer.EndArray().Field("price", change.price()).Field("reason", change.reason());
  writer.Field("operator_id", change.operator_id());
  WriteTime(writer, "at", change.at_ms());
  writer.EndObject();
}

asio::awaitable<Response> ListChanges(Edge& edge, Request& request) {
  const Result<int64_t> id = NumberInPath(request, "show", "show_not_found");
  if (!id) co_return FailureResponse(id.error());
  const Result<NumberedPage> page = ReadNumberedPage(request, "prices");
  if (!page) co_return FailureResponse(page.error());
  seat::v1::ListPriceChangesRequest query;
  query.set_show_id(*id);
  query.set_limit(page->limit);
  query.set_before_id(page->after);
  const auto start = [&edge](auto... arguments) {
    edge.backends.seat->async()->ListPriceChanges(arguments...);
  };
  const Result<seat::v1::ListPriceChangesResponse> list =
      co_await edge.backends.Ask<seat::v1::ListPriceChangesResponse>(query, request.traceparent(), start);
  if (!list) co_return ServiceFailure(list.error());
  std::string next;
  if (list->more() && !list->changes().empty()) {
    next = EncodeCursor("prices", std::to_string(list->changes().rbegin()->id()));
  }
  co_return ListResponse(list->changes(), next, WriteChange);
}

}  // namespace

void AddAdminPriceRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  routes.Operator(Method::kGet, "/v1/admin/shows/{show}/prices",
                  [&edge](Request& request, const auth::Principal&) { return ListChanges(edge, request); });
  routes.Operator(Method::kPost, "/v1/admin/shows/{show}/prices",
                  [&edge](Request& request, const auth::Principal& caller) {
                    return ChangePrices(edge, request, caller);
                  });
}

}  // namespace boxoffice::gateway
