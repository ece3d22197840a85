#include "services/ranking/rpc_server.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "platform/resilience/admission.h"
#include "platform/rpc/unary.h"

namespace boxoffice::ranking {
namespace {

constexpr uint32_t kMaxRows = 200;

std::optional<Order> ParseOrder(std::string_view by) {
  if (by == "bookings") return Order::kBookings;
  if (by == "revenue") return Order::kRevenue;
  if (by == "sellout") return Order::kSellout;
  if (by == "trending") return Order::kTrending;
  return std::nullopt;
}

std::optional<Window> ParseWindow(std::string_view window) {
  if (window == "hour") return Window::kHour;
  if (window == "day") return Window::kDay;
  if (window == "week") return Window::kWeek;
  if (window == "all") return Window::kAll;
  return std::nullopt;
}

v1::GetRankingResponse ToProto(const Ranking& ranking, Order order) {
  v1::GetRankingResponse response;
  response.set_as_of_ms(ToUnixMs(ranking.as_of));
  uint32_t rank = 0;
  const Row* before = nullptr;
  for (const Row& row : ranking.rows) {
    // Each currency's revenue is ranked by itself.
    if (order == Order::kRevenue && before != nullptr && before->currency != row.currency) rank = 0;
    before = &row;
    v1::GetRankingResponse::Row& out = *response.add_rows();
    out.set_rank(++rank);
    out.set_show_id(row.show_id);
    out.set_bookings(static_cast<uint64_t>(row.bookings));
    out.set_seats(static_cast<uint64_t>(row.seats));
    out.set_sellout_ms(row.sellout.count());
    out.set_on_sale_at_ms(ToUnixMs(row.on_sale_at));
    out.set_revenue(row.revenue);
    out.set_currency(row.currency);
    out.set_score(row.score);
  }
  return response;
}

}  // namespace

grpc::ServerUnaryReactor* RankingRpcServer::GetRanking(grpc::CallbackServerContext* context,
                                                       const v1::GetRankingRequest* request,
                                                       v1::GetRankingResponse* response) {
  return rpc::Answer<v1::GetRankingResponse>(
      context, pool_, response, [this, request]() -> Result<v1::GetRankingResponse> {
        const std::optional<Order> order = ParseOrder(request->by());
        if (!order)
          return Fail(Code::kInvalidArgument, "invalid_argument",
                      "by: bookings, revenue, sellout or trending");
        const std::optional<Window> window = ParseWindow(request->window());
        if (!window)
          return Fail(Code::kInvalidArgument, "invalid_argument", "window: hour, day, week or all");
        if (*order == Order::kTrending && *window == Window::kAll) {
          return Fail(Code::kInvalidArgument, "invalid_argument", "window: hour, day or week, by trending");
        }
        if (request->limit() < 1 || request->limit() > kMaxRows) {
          return Fail(Code::kInvalidArgument, "invalid_argument", "limit: 1 to 200");
        }
        return ToProto(service_.Get(*order, *window, request->limit()), *order);
      });
}

v1::Status RankingRpcServer::Describe() const {
  // What was asked for is looked at first: once it has ended, the service says when.
  const bool requested = requested_();
  const Status status = service_.GetStatus();
  v1::Status out;
  out.set_rebuilding(requested || status.rebuilding);
  out.set_processed_events(status.processed);
  out.set_as_of_ms(ToUnixMs(status.as_of));
  out.set_rebuilt_at_ms(ToUnixMs(status.rebuilt_at));
  out.set_now_ms(ToUnixMs(clock_.Now()));
  return out;
}

grpc::ServerUnaryReactor* RankingRpcServer::GetStatus(grpc::CallbackServerContext* context,
                                                      const v1::GetStatusRequest*, v1::Status* response) {
  return rpc::Answer<v1::Status>(context, pool_, response,
                                 [this]() -> Result<v1::Status> { return Describe(); });
}

grpc::ServerUnaryReactor* RankingRpcServer::Rebuild(grpc::CallbackServerContext* context,
                                                    const v1::RebuildRequest*, v1::Status* response) {
  return rpc::Answer<v1::Status>(context, pool_, response, [this]() -> Result<v1::Status> {
    const Timestamp asked = clock_.Now();
    rebuild_();
    v1::Status status = Describe();
    status.set_rebuilding(true);  // asked for, whatever has become of it by now
    status.set_now_ms(ToUnixMs(asked));
    return status;
  });
}

grpc::ServerUnaryReactor* RankingRpcServer::Audit(grpc::CallbackServerContext* context,
                                                  const v1::AuditRequest*, v1::AuditResponse* response) {
  return rpc::Answer<v1::AuditResponse>(
      context, pool_, response,
      [this]() -> Result<v1::AuditResponse> {
        // What another process has counted is not missing.
        BOXOFFICE_TRY(service_.Refresh());
        const ranking::Audit audit = service_.GetAudit();
        v1::AuditResponse answer;
        answer.set_processed_events(audit.processed);
        answer.set_rebuilding(audit.rebuilding);
        for (const auto& [show, tally] : audit.shows) {
          v1::AuditResponse::Row& row = *answer.add_rows();
          row.set_show_id(show);
          row.set_confirmed(static_cast<uint64_t>(tally.confirmed));
          row.set_cancelled(static_cast<uint64_t>(tally.cancelled));
          row.set_seats_sold(static_cast<uint64_t>(std::max<int64_t>(tally.seats, 0)));
        }
        return answer;
      },
      resilience::Priority::kFinishing);
}

}  // namespace boxoffice::ranking
