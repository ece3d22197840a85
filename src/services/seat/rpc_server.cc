#include "services/seat/rpc_server.h"

#include <algorithm>
#include <cmath>
#include <future>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "platform/resilience/admission.h"
#include "platform/rpc/field.h"
#include "platform/rpc/unary.h"
#include "services/seat/plan_csv.h"
#include "services/seat/plan_grid.h"
#include "services/seat/plan_pretix.h"
#include "services/seat/rpc_convert.h"
#include "services/seat/store_layout.h"

namespace boxoffice::seat {
namespace {

constexpr uint32_t kDefaultConcertPage = 50;
// As the gateway makes it, "user:key": a user has up to 64 bytes, an Idempotency-Key up to 255.
constexpr size_t kMaxOperationKeyBytes = 64 + 1 + 255;
constexpr double kMaxCoordinate = 1e9;

Result<void> CheckOperationKey(const std::string& key) {
  if (key.size() <= kMaxOperationKeyBytes) return {};
  return rpc::InvalidField("operation_key", "is too long");
}

// All that a request asks for, in one text that is the same for the same request.
std::string ContentOf(const v1::CreateShowRequest& request) {
  std::string content =
      fmt::format("show\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n", request.concert_id(), request.starts_at_ms(),
                  request.on_sale_at_ms(), request.sale_ends_at_ms(), request.currency(),
                  request.seat_limit(), request.hold_ttl_ms(), request.cancel_deadline_ms());
  const Prices prices(request.prices().begin(), request.prices().end());
  for (const auto& [category, price] : prices) content += fmt::format("{}={}\n", category, price);
  content += request.seating_plan();
  // What is left out adds nothing, so that requests keep the content that they had before these were known.
  if (!request.seating_csv().empty()) content += "\ncsv\n" + request.seating_csv();
  for (const v1::GridSection& one : request.grid()) {
    content +=
        fmt::format("\ngrid\n{}\n{}\n{}\n{}", one.name(), one.rows(), one.seats_per_row(), one.category());
    if (one.accessible() != 0) content += fmt::format("\naccessible\n{}", one.accessible());
  }
  if (request.has_stage())
    content += fmt::format("\nstage\n{}\n{}", request.stage().x(), request.stage().y());
  if (request.orphan_rule()) content += "\norphan_rule";
  if (request.draft()) content += "\ndraft";
  if (request.cancel_fee_per_seat() != 0 || request.cancel_fee_percent() != 0) {
    content +=
        fmt::format("\ncancel_fee\n{}\n{}", request.cancel_fee_per_seat(), request.cancel_fee_percent());
  }
  if (request.grace_ms() != 0) content += fmt::format("\ngrace\n{}", request.grace_ms());
  return content;
}

Result<SeatingPlan> PlanOf(const v1::CreateShowRequest& request) {
  const int given = static_cast<int>(!request.seating_plan().empty()) +
                    static_cast<int>(!request.seating_csv().empty()) +
                    static_cast<int>(!request.grid().empty());
  if (given > 1) {
    return Fail(Code::kInvalidArgument, "seating_plan_invalid",
                "seating_plan: only one of seating_plan, seating_csv and grid can be given");
  }
  if (!request.seating_csv().empty()) return ParseCsvPlan(request.seating_csv());
  if (request.grid().empty()) return ParsePretixPlan(request.seating_plan());
  std::vector<GridSection> sections;
  for (const v1::GridSection& one : request.grid()) {
    sections.push_back({one.name(), one.rows(), one.seats_per_row(), one.category(), one.accessible()});
  }
  return MakeGridPlan(sections);
}

Result<Layout> LayoutOf(const v1::CreateShowRequest& request) {
  BOXOFFICE_ASSIGN(const SeatingPlan plan, PlanOf(request));
  BOXOFFICE_ASSIGN(Layout layout, MakeLayout(plan, Prices(request.prices().begin(), request.prices().end())));
  if (request.has_stage()) {
    const Point stage{request.stage().x(), request.stage().y()};
    const auto is_sane = [](double value) { return std::abs(value) <= kMaxCoordinate; };
    if (!is_sane(stage.x) || !is_sane(stage.y)) {
      return Fail(Code::kInvalidArgument, "show_invalid",
                  fmt::format("stage: a coordinate is beyond {}", kMaxCoordinate));
    }
    // In memory as in the store, or what is read there would be taken for another show's seats.
    layout.stage = StageFrom(StageToStore(stage));
  }
  return layout;
}

Result<v1::Show> MakeShowOf(SeatService& service, const v1::CreateShowRequest& request) {
  BOXOFFICE_TRY(CheckOperationKey(request.operation_key()));
  BOXOFFICE_ASSIGN(const NewShow show, FromProto(request));
  const auto make_layout = [&request] { return LayoutOf(request); };
  BOXOFFICE_ASSIGN(const ShowView view,
                   service.CreateShow(request.operation_key(), ContentOf(request), show, make_layout));
  return ToProto(view);
}

}  // namespace

SeatRpcServer::SeatRpcServer(SeatService& service)
    : service_(service),
      commands_(Commands::Translate([](const v1::Command& proto) { return FromProto(proto); },
                                    [&service](Command command, auto done, const resilience::Terms& terms) {
                                      service.Submit(std::move(command), std::move(done), terms);
                                    },
                                    [](const Outcome& outcome) { return ToProto(outcome); })) {}

SeatRpcServer::~SeatRpcServer() {
  pool_.join();
  long_pool_.join();
}

grpc::ServerBidiReactor<v1::CommandBatch, v1::OutcomeBatch>* SeatRpcServer::Execute(
    grpc::CallbackServerContext* /*context*/) {
  return new rpc::CommandServer(commands_);
}

// Requests are not copied: they live until the call is finished, which is when the answer is there.

grpc::ServerUnaryReactor* SeatRpcServer::ListConcerts(grpc::CallbackServerContext* context,
                                                      const v1::ListConcertsRequest* request,
                                                      v1::ListConcertsResponse* response) {
  return rpc::Answer<v1::ListConcertsResponse>(
      context, pool_, response, [this, request]() -> Result<v1::ListConcertsResponse> {
        const uint32_t limit = request->limit() == 0 ? kDefaultConcertPage : request->limit();
        const ConcertPage page =
            service_.ListConcerts(limit, request->after_id(), request->drafts(), FromProto(request->when()));
        v1::ListConcertsResponse answer;
        for (const ConcertView& concert : page.concerts) *answer.add_concerts() = ToProto(concert);
        answer.set_more(page.more);
        return answer;
      });
}

grpc::ServerUnaryReactor* SeatRpcServer::GetConcert(grpc::CallbackServerContext* context,
                                                    const v1::GetConcertRequest* request,
                                                    v1::Concert* response) {
  return rpc::Answer<v1::Concert>(context, pool_, response, [this, request]() -> Result<v1::Concert> {
    BOXOFFICE_ASSIGN(const ConcertView view, service_.GetConcert(request->id(), request->drafts()));
    return ToProto(view);
  });
}

grpc::ServerUnaryReactor* SeatRpcServer::GetShow(grpc::CallbackServerContext* context,
                                                 const v1::GetShowRequest* request, v1::Show* response) {
  return rpc::Answer<v1::Show>(context, pool_, response, [this, request]() -> Result<v1::Show> {
    BOXOFFICE_ASSIGN(const ShowView view,
                     service_.GetShow(request->id(), request->drafts(), request->fresh()));
    return ToProto(view);
  });
}

grpc::ServerUnaryReactor* SeatRpcServer::GetSeatMap(grpc::CallbackServerContext* context,
                                                    const v1::GetSeatMapRequest* request,
                                                    v1::SeatMap* response) {
  return rpc::Answer<v1::SeatMap>(context, pool_, response, [this, request]() -> Result<v1::SeatMap> {
    std::optional<uint64_t> if_not;
    if (request->if_not_version() != 0) if_not = request->if_not_version();
    BOXOFFICE_ASSIGN(const SeatMapView view,
                     service_.GetSeatMap(request->show_id(), if_not, request->layout_version()));
    return ToProto(view, !request->states_only() || view.other_layout);
  });
}

grpc::ServerUnaryReactor* SeatRpcServer::CreateConcert(grpc::CallbackServerContext* context,
                                                       const v1::CreateConcertRequest* request,
                                                       v1::Concert* response) {
  return rpc::Answer<v1::Concert>(context, long_pool_, response, [this, request]() -> Result<v1::Concert> {
    BOXOFFICE_TRY(CheckOperationKey(request->operation_key()));
    const Concert concert{0, request->title(), request->artist(), request->venue()};
    BOXOFFICE_ASSIGN(const ConcertView view, service_.CreateConcert(request->operation_key(), concert));
    return ToProto(view);
  });
}

grpc::ServerUnaryReactor* SeatRpcServer::UpdateConcert(grpc::CallbackServerContext* context,
                                                       const v1::UpdateConcertRequest* request,
                                                       v1::Concert* response) {
  return rpc::Answer<v1::Concert>(context, long_pool_, response, [this, request]() -> Result<v1::Concert> {
    BOXOFFICE_ASSIGN(const ConcertView view, service_.UpdateConcert(request->id(), FromProto(*request)));
    return ToProto(view);
  });
}

grpc::ServerUnaryReactor* SeatRpcServer::CreateShow(grpc::CallbackServerContext* context,
                                                    const v1::CreateShowRequest* request,
                                                    v1::Show* response) {
  return rpc::Answer<v1::Show>(context, long_pool_, response,
                               [this, request] { return MakeShowOf(service_, *request); });
}

grpc::ServerUnaryReactor* SeatRpcServer::UpdateShow(grpc::CallbackServerContext* context,
                                                    const v1::UpdateShowRequest* request,
                                                    v1::Show* response) {
  return rpc::Answer<v1::Show>(context, long_pool_, response, [this, request]() -> Result<v1::Show> {
    BOXOFFICE_ASSIGN(const TermsChange change, FromProto(*request));
    BOXOFFICE_ASSIGN(const ShowView view, service_.UpdateShow(request->id(), change));
    return ToProto(view);
  });
}

grpc::ServerUnaryReactor* SeatRpcServer::ChangeShowState(grpc::CallbackServerContext* context,
                                                         const v1::ChangeShowStateRequest* request,
                                                         v1::Show* response) {
  return rpc::Answer<v1::Show>(context, long_pool_, response, [this, request]() -> Result<v1::Show> {
    const bool cancels = request->state() == v1::CANCELLED;
    if (!cancels && request->state() != v1::ANNOUNCED) {
      return rpc::InvalidField("state", "is neither ANNOUNCED nor CANCELLED");
    }
    BOXOFFICE_ASSIGN(const ShowView view,
                     cancels ? service_.CancelShow(request->id()) : service_.PublishShow(request->id()));
    return ToProto(view);
  });
}

grpc::ServerUnaryReactor* SeatRpcServer::SetWaitlistFirst(grpc::CallbackServerContext* context,
                                                          const v1::SetWaitlistFirstRequest* request,
                                                          v1::Show* response) {
  return rpc::Answer<v1::Show>(context, long_pool_, response, [this, request]() -> Result<v1::Show> {
    BOXOFFICE_ASSIGN(const ShowView view, service_.SetWaitlistFirst(request->show_id(), request->first()));
    return ToProto(view);
  });
}

grpc::ServerUnaryReactor* SeatRpcServer::BlockSeats(grpc::CallbackServerContext* context,
                                                    const v1::BlockSeatsRequest* request,
                                                    v1::BlockSeatsResponse* response) {
  return rpc::Answer<v1::BlockSeatsResponse>(context, long_pool_, response,
                                             [this, request]() -> Result<v1::BlockSeatsResponse> {
                                               BOXOFFICE_ASSIGN(seat::BlockSeats block, FromProto(*request));
                                               std::optional<Area> area;
                                               if (block.seats.empty() && !request->section().empty())
                                                 area = Area{request->section(), request->row()};
                                               return AnswerOf(block.show_id, [&](SeatService::Done done) {
                                                 service_.Block(std::move(block), area, std::move(done));
                                               });
                                             });
}

grpc::ServerUnaryReactor* SeatRpcServer::AssignChannel(grpc::CallbackServerContext* context,
                                                       const v1::AssignChannelRequest* request,
                                                       v1::BlockSeatsResponse* response) {
  return rpc::Answer<v1::BlockSeatsResponse>(
      context, long_pool_, response, [this, request]() -> Result<v1::BlockSeatsResponse> {
        BOXOFFICE_ASSIGN(seat::AssignChannel assign, FromProto(*request));
        std::optional<Area> area;
        if (assign.seats.empty() && !request->section().empty())
          area = Area{request->section(), request->row()};
        return AnswerOf(assign.show_id, [&](SeatService::Done done) {
          service_.Assign(std::move(assign), area, std::move(done));
        });
      });
}

// Waits for what many seats' command comes to: it is answered also when the service stops.
Result<v1::BlockSeatsResponse> SeatRpcServer::AnswerOf(int64_t show_id,
                                                       const std::function<void(SeatService::Done)>& submit) {
  std::promise<Result<Outcome>> promise;
  auto done = promise.get_future();
  submit([&promise](Result<Outcome> outcome) { promise.set_value(std::move(outcome)); });
  BOXOFFICE_ASSIGN(const Outcome outcome, done.get());
  v1::BlockSeatsResponse answer;
  *answer.mutable_outcome() = SeatsToProto(outcome);
  if (outcome.kind == Outcome::Kind::kDone) {
    BOXOFFICE_ASSIGN(const ShowView view, service_.GetShow(show_id, /*drafts=*/true));
    *answer.mutable_show() = ToProto(view);
    answer.set_changed(outcome.changed);
  }
  return answer;
}

grpc::ServerUnaryReactor* SeatRpcServer::ListContingents(grpc::CallbackServerContext* context,
                                                         const v1::ListContingentsRequest* request,
                                                         v1::ListContingentsResponse* response) {
  return rpc::Answer<v1::ListContingentsResponse>(
      context, pool_, response, [this, request]() -> Result<v1::ListContingentsResponse> {
        BOXOFFICE_ASSIGN(const auto contingents, service_.Contingents(request->show_id()));
        v1::ListContingentsResponse answer;
        for (const SeatMap::Contingent& one : contingents) {
          const auto& named = request->channels();
          const bool asked = request->all() || std::ranges::find(named, one.channel) != named.end();
          if (asked) *answer.add_contingents() = ToProto(one);
        }
        return answer;
      });
}

grpc::ServerUnaryReactor* SeatRpcServer::ListBlocks(grpc::CallbackServerContext* context,
                                                    const v1::ListBlocksRequest* request,
                                                    v1::ListBlocksResponse* response) {
  return rpc::Answer<v1::ListBlocksResponse>(
      context, long_pool_, response, [this, request]() -> Result<v1::ListBlocksResponse> {
        const size_t limit = request->limit() == 0 ? kMaxBlockPage : request->limit();
        BOXOFFICE_ASSIGN(const BlockPage page,
                         service_.ListBlocks(request->show_id(), request->before_id(), limit));
        return ToProto(page);
      });
}

grpc::ServerUnaryReactor* SeatRpcServer::ChangePrices(grpc::CallbackServerContext* context,
                                                      const v1::ChangePricesRequest* request,
                                                      v1::Show* response) {
  return rpc::Answer<v1::Show>(context, long_pool_, response, [this, request]() -> Result<v1::Show> {
    BOXOFFICE_ASSIGN(PriceChange change, FromProto(*request));
    std::optional<Area> area;
    if (change.seats.empty() && !request->section().empty()) area = Area{request->section(), request->row()};
    BOXOFFICE_ASSIGN(const ShowView view, service_.ChangePrices(request->show_id(), std::move(change), area));
    return ToProto(view);
  });
}

grpc::ServerUnaryReactor* SeatRpcServer::ListPriceChanges(grpc::CallbackServerContext* context,
                                                          const v1::ListPriceChangesRequest* request,
                                                          v1::ListPriceChangesResponse* response) {
  return rpc::Answer<v1::ListPriceChangesResponse>(
      context, long_pool_, response, [this, request]() -> Result<v1::ListPriceChangesResponse> {
        const size_t limit = request->limit() == 0 ? kMaxBlockPage : request->limit();
        BOXOFFICE_ASSIGN(const PriceNotePage page,
                         service_.ListPriceNotes(request->show_id(), request->before_id(), limit));
        return ToProto(page);
      });
}

grpc::ServerUnaryReactor* SeatRpcServer::Audit(grpc::CallbackServerContext* context,
                                               const v1::AuditRequest* request, v1::AuditResponse* response) {
  return rpc::Answer<v1::AuditResponse>(
      context, long_pool_, response,
      [this, request]() -> Result<v1::AuditResponse> {
        const size_t limit = request->limit() == 0 ? kMaxAuditPage : request->limit();
        BOXOFFICE_ASSIGN(const AuditPage page,
                         service_.Audit(request->show_id(), request->after_seat_no(), limit));
        return ToProto(page);
      },
      resilience::Priority::kFinishing);
}

}  // namespace boxoffice::seat
