// Shows as operators publish them, and their seats as they block and look at them.
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

asio::awaitable<Response> GetSeats(Edge& edge, Request& request, SeatPicture::Form form) {
  const Result<int64_t> id = NumberInPath(request, "show", "show_not_found");
  if (!id) co_return FailureResponse(id.error());
  const Result<std::shared_ptr<SeatPicture>> picture = co_await edge.seat_maps.Get(*id);
  if (!picture) co_return ServiceFailure(picture.error());
  Result<std::shared_ptr<const std::string>> body = edge.seat_maps.BodyOf(**picture, form);
  if (!body) co_return ServiceFailure(body.error());
  Response response;
  response.content_type = "application/json";
  response.shared_body = *std::move(body);
  co_return response;
}

asio::awaitable<Response> Publish(Edge& edge, Request& request) {
  const Result<int64_t> id = NumberInPath(request, "show", "show_not_found");
  if (!id) co_return FailureResponse(id.error());
  const Result<void> read = ReadNoBody(request);
  if (!read) co_return FailureResponse(read.error());
  seat::v1::ChangeShowStateRequest query;
  query.set_id(*id);
  query.set_state(seat::v1::ANNOUNCED);
  const auto start = [&edge](auto... arguments) {
    edge.backends.seat->async()->ChangeShowState(arguments...);
  };
  const Result<seat::v1::Show> show =
      co_await edge.backends.Ask<seat::v1::Show>(query, request.traceparent(), start);
  if (!show) co_return ServiceFailure(show.error());
  co_return ObjectResponse([&](http::JsonWriter& writer) { WriteShow(writer, *show); });
}

Result<seat::v1::BlockSeatsRequest> ReadBlock(const Request& request, const auth::Principal& caller) {
  http::ObjectReader reader(request.body());
  seat::v1::BlockSeatsRequest block;
  block.set_operator_id(caller.user);
  const std::vector<int64_t> seats = ReadNamedSeats(reader, block);
  BOXOFFICE_TRY(reader.Finish());
  BOXOFFICE_TRY(NameSeats(seats, block));
  return block;
}

asio::awaitable<Response> Block(Edge& edge, Request& request, const auth::Principal& caller, bool release) {
  const Result<int64_t> id = NumberInPath(request, "show", "show_not_found");
  if (!id) co_return FailureResponse(id.error());
  Result<seat::v1::BlockSeatsRequest> query = ReadBlock(request, caller);
  if (!query) co_return FailureResponse(query.error());
  query->set_show_id(*id);
  query->set_release(release);
  const auto start = [&edge](auto... arguments) { edge.backends.seat->async()->BlockSeats(arguments...); };
  const Result<seat::v1::BlockSeatsResponse> answer =
      co_await edge.backends.Ask<seat::v1::BlockSeatsResponse>(*query, request.traceparent(), start);
  if (!answer) co_return ServiceFailure(answer.error());
  co_return NamedSeatsResponse(*answer);
}

void WriteBlock(http::JsonWriter& writer, const seat::v1::Block& block) {
  writer.BeginObject();
  WriteNumberId(writer, "id", block.id());
  const std::string_view action = block.release() ? "release" : "block";
  const std::string_view of_channel = block.release() ? "channel_release" : "channel";
  writer.Field("action", block.about_channel() ? of_channel : action).Key("channel");
  if (block.channel().empty()) {
    writer.Null();
  } else {
    writer.Value(block.channel());
  }
  writer.Key("seats").BeginArray();
  for (const uint32_t seat_no : block.seat_nos()) writer.Value(seat_no);
  writer.EndArray().Field("reason", block.reason()).Field("operator_id", block.operator_id());
  WriteTime(writer, "at", block.at_ms());
  writer.EndObject();
}

asio::awaitable<Response> ListBlocks(Edge& edge, Request& request) {
  const Result<int64_t> id = NumberInPath(request, "show", "show_not_found");
  if (!id) co_return FailureResponse(id.error());
  const Result<NumberedPage> page = ReadNumberedPage(request, "blocks");
  if (!page) co_return FailureResponse(page.error());
  seat::v1::ListBlocksRequest query;
  query.set_show_id(*id);
  query.set_limit(page->limit);
  query.set_before_id(page->after);
  const auto start = [&edge](auto... arguments) { edge.backends.seat->async()->ListBlocks(arguments...); };
  const Result<seat::v1::ListBlocksResponse> list =
      co_await edge.backends.Ask<seat::v1::ListBlocksResponse>(query, request.traceparent(), start);
  if (!list) co_return ServiceFailure(list.error());
  std::string next;
  if (list->more() && !list->blocks().empty()) {
    next = EncodeCursor("blocks", std::to_string(list->blocks().rbegin()->id()));
  }
  co_return ListResponse(list->blocks(), next, WriteBlock);
}

}  // namespace

void AddAdminSeatRoutes(Routes& routes, Edge& edge) {
  using http::Method;
  routes.Operator(Method::kGet, "/v1/admin/shows/{show}/seats",
                  [&edge](Request& request, const auth::Principal&) {
                    return GetSeats(edge, request, SeatPicture::Form::kList);
                  });
  routes.Operator(Method::kGet, "/v1/admin/shows/{show}/seat-map",
                  [&edge](Request& request, const auth::Principal&) {
                    return GetSeats(edge, request, SeatPicture::Form::kRows);
                  });
  routes.Operator(Method::kPost, "/v1/admin/shows/{show}/publish",
                  [&edge](Request& request, const auth::Principal&) { return Publish(edge, request); });
  routes.Operator(Method::kGet, "/v1/admin/shows/{show}/blocks",
                  [&edge](Request& request, const auth::Principal&) { return ListBlocks(edge, request); });
  routes.Operator(Method::kPost, "/v1/admin/shows/{show}/blocks",
                  [&edge](Request& request, const auth::Principal& caller) {
                    return Block(edge, request, caller, /*release=*/false);
                  });
  routes.Operator(Method::kPost, "/v1/admin/shows/{show}/blocks/release",
                  [&edge](Request& request, const auth::Principal& caller) {
                    return Block(edge, request, caller, /*release=*/true);
                  });
}

}  // namespace boxoffice::gateway
