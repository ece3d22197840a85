#include "services/reservation/rpc_server.h"

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fmt/format.h>

#include "platform/resilience/admission.h"
#include "platform/rpc/field.h"
#include "platform/rpc/unary.h"
#include "services/reservation/store_record.h"

namespace boxoffice::reservation {
namespace {

constexpr uint32_t kMaxPage = 1'000;
constexpr size_t kMaxReason = 500;

uint32_t Limit(uint32_t asked) { return asked == 0 ? 50 : std::min(asked, kMaxPage); }

template <typename Choice>
SeatChoice ChoiceFrom(const Choice& reserve) {
  SeatChoice choice;
  choice.seat_nos.assign(reserve.seats().seat_nos().begin(), reserve.seats().seat_nos().end());
  choice.best_count = reserve.best_available().count();
  choice.section = reserve.best_available().section();
  choice.category = reserve.best_available().category();
  choice.max_price = reserve.best_available().max_price();
  choice.accessible = reserve.best_available().accessible();
  choice.channels.assign(reserve.channels().begin(), reserve.channels().end());
  return choice;
}

// Seats by number, each once.
Result<std::vector<uint32_t>> SeatsNamed(
    std::string_view field, const google::protobuf::RepeatedField<google::protobuf::uint32>& seat_nos) {
  std::vector<uint32_t> named(seat_nos.begin(), seat_nos.end());
  std::vector<uint32_t> sorted = named;
  std::ranges::sort(sorted);
  if (const auto twice = std::ranges::adjacent_find(sorted); twice != sorted.end()) {
    return Fail(Code::kInvalidArgument, "duplicate_seat",
                fmt::format("field {} names seat {} twice", field, *twice));
  }
  return named;
}

Request RequestFrom(v1::Command& command, RequestDeadline deadline) {
  Request request;
  request.key = {std::move(*command.mutable_user_id()), std::move(*command.mutable_idempotency_key())};
  request.request_hash = std::move(*command.mutable_request_hash());
  request.traceparent = std::move(*command.mutable_header()->mutable_traceparent());
  request.sent_before = command.header().sent_before();
  request.deadline = deadline;
  return request;
}

Result<void> CheckKey(const v1::Command& command) {
  if (!command.user_id().empty() && !command.idempotency_key().empty()) return {};
  return Fail(Code::kInvalidArgument, "key_missing", "user_id and idempotency_key are needed");
}

v1::Outcome OutcomeOf(const Result<Answer>& answer) {
  if (!answer) return rpc::ErrorOutcome<v1::Outcome>(answer.error());
  v1::Outcome outcome;
  if (!answer->reservation->id.IsNil()) *outcome.mutable_reservation() = ToProto(answer->reservation);
  if (answer->refusal) *outcome.mutable_refusal() = ToProto(*answer->refusal);
  return outcome;
}

v1::ListReservationsResponse ToProto(const Page& page) {
  v1::ListReservationsResponse response;
  for (const Reservation& reservation : page.reservations)
    *response.add_reservations() = ToProto(reservation);
  response.set_more(page.more);
  if (page.next_before) response.set_next_before_id(std::string(page.next_before->bytes()));
  return response;
}

Result<v1::ListReservationsResponse> ToResponse(Result<Page> page) {
  if (!page) return std::unexpected(std::move(page).error());
  return ToProto(*page);
}

}  // namespace

RpcServer::RpcServer(asio::any_io_executor executor, reservation::Service& service, Reader& reader,
                     ShowService& shows, ShowReader& show_reader)
    : executor_(executor),
      inbox_(executor),
      service_(service),
      reader_(reader),
      shows_(std::move(executor), shows, show_reader),
      commands_([this](v1::Command command, Commands::Reply reply) {
        Handle(std::move(command), std::move(reply));
      }) {}

RpcServer::~RpcServer() { queries_.join(); }

grpc::ServerBidiReactor<v1::CommandBatch, v1::OutcomeBatch>* RpcServer::Execute(
    grpc::CallbackServerContext*) {
  return new rpc::CommandServer(commands_);
}

void RpcServer::Handle(v1::Command command, Commands::Reply reply) {
  // Before it waits for the service's thread, which counts too.
  const RequestDeadline deadline = rpc::TermsOf(command.header()).deadline;
  inbox_.Post([this, deadline, command = std::move(command), reply = std::move(reply)]() mutable {
    if (const Result<void> right = CheckKey(command); !right) {
      reply(rpc::ErrorOutcome<v1::Outcome>(right.error()));
    } else if (command.has_reserve()) {
      HandleReserve(command, deadline, std::move(reply));
    } else {
      asio::co_spawn(executor_, HandleOther(std::move(command), deadline, std::move(reply)), asio::detached);
    }
  });
}

void RpcServer::HandleReserve(v1::Command& command, RequestDeadline deadline, Commands::Reply reply) {
  v1::Reserve& body = *command.mutable_reserve();
  ReserveRequest reserve{RequestFrom(command, deadline),
                         body.show_id(),
                         ChoiceFrom(body),
                         body.pay(),
                         std::move(*body.mutable_queue_token()),
                         std::move(*body.mutable_payment_method()),
                         FromUnixMs(body.active_until_ms())};
  if (body.has_queue_refusal()) reserve.queue_refusal = RefusalFrom(body.queue_refusal());
  service_.Reserve(std::move(reserve), [reply = std::move(reply)](const Result<Answer>& answer) mutable {
    reply(OutcomeOf(answer));
  });
}

asio::awaitable<void> RpcServer::HandleOther(v1::Command command, RequestDeadline deadline,
                                             Commands::Reply reply) {
  const auto answer = co_await Dispatch(command, deadline);
  reply(OutcomeOf(answer));
}

asio::awaitable<Result<Answer>> RpcServer::Dispatch(v1::Command& command, RequestDeadline deadline) {
  Request request = RequestFrom(command, deadline);
  switch (command.body_case()) {
    case v1::Command::kConfirm: {
      v1::Confirm& body = *command.mutable_confirm();
      const auto id = rpc::ParseId<ReservationId>("confirm.reservation_id", body.reservation_id());
      if (!id) co_return std::unexpected(id.error());
      ConfirmRequest confirm{std::move(request), *id, std::move(*body.mutable_queue_token()),
                             std::move(*body.mutable_payment_method()), body.token_show_id()};
      co_return co_await service_.Confirm(std::move(confirm));
    }
    case v1::Command::kCancel: {
      v1::Cancel body = std::move(*command.mutable_cancel());
      co_return co_await Cancel(std::move(request), std::move(body));
    }
    case v1::Command::kMove: {
      v1::Move body = std::move(*command.mutable_move());
      co_return co_await Move(std::move(request), std::move(body));
    }
    case v1::Command::kReserve:  // HandleReserve
    case v1::Command::BODY_NOT_SET:
      break;
  }
  co_return Fail(Code::kInvalidArgument, "body_missing", "one of reserve, confirm, cancel, move is needed");
}

asio::awaitable<Result<Answer>> RpcServer::Cancel(Request request, v1::Cancel body) {
  const auto id = rpc::ParseId<ReservationId>("cancel.reservation_id", body.reservation_id());
  if (!id) co_return std::unexpected(id.error());
  auto seat_nos = SeatsNamed("cancel.seat_nos", body.seat_nos());
  if (!seat_nos) co_return std::unexpected(seat_nos.error());
  CancelRequest cancel{std::move(request), *id, *std::move(seat_nos), body.by_operator(),
                       std::move(*body.mutable_reason())};
  cancel.only_held = body.only_held();
  co_return co_await service_.Cancel(std::move(cancel));
}

asio::awaitable<Result<Answer>> RpcServer::Move(Request request, v1::Move body) {
  const auto id = rpc::ParseId<ReservationId>("move.reservation_id", body.reservation_id());
  if (!id) co_return std::unexpected(id.error());
  auto from = SeatsNamed("move.from_seat_nos", body.from_seat_nos());
  if (!from) co_return std::unexpected(from.error());
  auto to = SeatsNamed("move.to_seat_nos", body.to_seat_nos());
  if (!to) co_return std::unexpected(to.error());
  if (from->empty() || from->size() != to->size()) {
    co_return Fail(Code::kInvalidArgument, "bad_move",
                   "field to has as many seats as from, and at least one");
  }
  if (body.reason().empty() || body.reason().size() > kMaxReason) {
    co_return Fail(Code::kInvalidArgument, "bad_move", "field reason has 1 to 500 bytes");
  }
  MoveRequest move{std::move(request), *id, SeatMove{*std::move(from), *std::move(to)},
                   std::move(*body.mutable_reason())};
  co_return co_await service_.Move(std::move(move));
}

grpc::ServerUnaryReactor* RpcServer::GetReservation(grpc::CallbackServerContext* context,
                                                    const v1::GetReservationRequest* request,
                                                    v1::Reservation* response) {
  return rpc::Answer<v1::Reservation>(
      context, queries_, response, [this, request = *request]() -> Result<v1::Reservation> {
        BOXOFFICE_ASSIGN(const ReservationId id, rpc::ParseId<ReservationId>("id", request.id()));
        BOXOFFICE_ASSIGN(const auto found, reader_.Get(id));
        // Somebody else's is not told from one that does not exist.
        if (!found || (!request.user_id().empty() && found->user_id != request.user_id())) {
          return Fail(Code::kNotFound, "reservation_not_found", "there is no such reservation");
        }
        return ToProto(*found);
      });
}

grpc::ServerUnaryReactor* RpcServer::ListReservations(grpc::CallbackServerContext* context,
                                                      const v1::ListReservationsRequest* request,
                                                      v1::ListReservationsResponse* response) {
  return rpc::Answer<v1::ListReservationsResponse>(
      context, queries_, response, [this, request = *request]() -> Result<v1::ListReservationsResponse> {
        ListQuery query;
        query.user_id = request.user_id();
        query.show_id = request.show_id();
        query.limit = Limit(request.limit());
        query.created_from = FromUnixMs(request.created_from_ms());
        if (request.created_until_ms() != 0) query.created_until = FromUnixMs(request.created_until_ms());
        if (request.state() != v1::RESERVATION_STATE_UNSPECIFIED) {
          query.state = static_cast<State>(static_cast<int>(request.state()) - 1);
        }
        if (!request.before_id().empty()) {
          BOXOFFICE_ASSIGN(query.before, rpc::ParseId<ReservationId>("before_id", request.before_id()));
        }
        return ToResponse(reader_.List(query));
      });
}

grpc::ServerUnaryReactor* RpcServer::ListSagas(grpc::CallbackServerContext* context,
                                               const v1::ListSagasRequest* request,
                                               v1::ListReservationsResponse* response) {
  return rpc::Answer<v1::ListReservationsResponse>(
      context, queries_, response,
      [this, request = *request]() -> Result<v1::ListReservationsResponse> {
        std::optional<SagaStatus> status;
        if (request.status() == "running") status = SagaStatus::kRunning;
        if (request.status() == "parked") status = SagaStatus::kParked;
        if (!status && !request.status().empty()) {
          return Fail(Code::kInvalidArgument, "bad_status", "field status must be running, parked or empty");
        }
        const auto after = ReservationId::FromBytes(request.after_id()).value_or(ReservationId());
        return ToResponse(reader_.ListSagas(status, after, Limit(request.limit())));
      },
      resilience::Priority::kFinishing);
}

grpc::ServerUnaryReactor* RpcServer::ResolveSaga(grpc::CallbackServerContext* context,
                                                 const v1::ResolveSagaRequest* request,
                                                 v1::Reservation* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  auto resolve = [](RpcServer* self, v1::ResolveSagaRequest asked, v1::Reservation* out,
                    grpc::ServerUnaryReactor* done) -> asio::awaitable<void> {
    const auto id = rpc::ParseId<ReservationId>("reservation_id", asked.reservation_id());
    const bool known = asked.action() == "retry" || asked.action() == "undo" || asked.action() == "park";
    if (!id || !known || asked.reason().empty()) {
      const Error error{Code::kInvalidArgument, "bad_resolution",
                        "reservation_id, an action (retry, undo, park) and a reason are needed"};
      done->Finish(rpc::ToStatus(error));
      co_return;
    }
    Resolve command{*id, asked.action(), asked.reason(), asked.operator_id()};
    auto resolved = co_await self->service_.ResolveSaga(std::move(command));
    if (!resolved) {
      done->Finish(rpc::ToStatus(resolved.error()));
      co_return;
    }
    *out = ToProto(*resolved);
    done->Finish(grpc::Status::OK);
  };
  asio::co_spawn(executor_, resolve(this, *request, response, reactor), asio::detached);
  return reactor;
}

grpc::ServerUnaryReactor* RpcServer::QuoteCancellation(grpc::CallbackServerContext* context,
                                                       const v1::QuoteCancellationRequest* request,
                                                       v1::CancellationQuote* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  auto quote = [](RpcServer* self, v1::QuoteCancellationRequest asked, v1::CancellationQuote* out,
                  grpc::ServerUnaryReactor* done) -> asio::awaitable<void> {
    const auto id = rpc::ParseId<ReservationId>("id", asked.id());
    std::vector<uint32_t> seat_nos(asked.seat_nos().begin(), asked.seat_nos().end());
    Result<CancelQuote> told = std::unexpected(id ? Error() : id.error());
    if (id) told = co_await self->service_.QuoteCancel(*id, asked.user_id(), std::move(seat_nos));
    if (!told) {
      done->Finish(rpc::ToStatus(told.error()));
      co_return;
    }
    out->set_currency(told->currency);
    out->set_until_ms(ToUnixMs(told->until));
    if (told->refusal) *out->mutable_refusal() = ToProto(*told->refusal);
    if (!told->refusal) *out->mutable_returned() = ToProto(told->returned);
    done->Finish(grpc::Status::OK);
  };
  asio::co_spawn(executor_, quote(this, *request, response, reactor), asio::detached);
  return reactor;
}

grpc::ServerUnaryReactor* RpcServer::Audit(grpc::CallbackServerContext* context,
                                           const v1::AuditRequest* request,
                                           v1::ListReservationsResponse* response) {
  return rpc::Answer<v1::ListReservationsResponse>(
      context, queries_, response,
      [this, request = *request]() -> Result<v1::ListReservationsResponse> {
        if (request.id().empty()) {
          const auto after = ReservationId::FromBytes(request.after_id()).value_or(ReservationId());
          return ToResponse(reader_.Scan(after, Limit(request.limit())));
        }
        BOXOFFICE_ASSIGN(const ReservationId id, rpc::ParseId<ReservationId>("id", request.id()));
        BOXOFFICE_ASSIGN(auto found, reader_.Get(id));
        Page page;
        if (found) page.reservations.push_back(std::move(*found));
        return ToProto(page);
      },
      resilience::Priority::kFinishing);
}

}  // namespace boxoffice::reservation
