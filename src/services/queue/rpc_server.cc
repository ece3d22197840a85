#include "services/queue/rpc_server.h"

#include <algorithm>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "platform/auth/keys.h"
#include "platform/auth/shuffle.h"
#include "platform/resilience/admission.h"
#include "platform/rpc/field.h"
#include "platform/rpc/unary.h"
#include "services/queue/rpc_ticket.h"

namespace boxoffice::queue {
namespace {

using rpc::InvalidField;

constexpr int64_t kMaxAuditPage = 1'000;

Result<void> CheckShow(int64_t show_id) {
  if (show_id <= 0) return InvalidField("show_id", "must be positive");
  return {};
}
Result<std::string> ParseUser(const std::string& user_id) {
  return rpc::ParseText("user_id", user_id, kMaxUserBytes);
}

template <typename Proto>
Result<SagaCall> ReadSagaCall(const Proto& proto) {
  SagaCall call;
  BOXOFFICE_ASSIGN(call.saga, rpc::ParseId<SagaId>("saga_id", proto.saga_id()));
  BOXOFFICE_ASSIGN(call.reservation, rpc::ParseId<ReservationId>("reservation_id", proto.reservation_id()));
  BOXOFFICE_ASSIGN(call.user_id, ParseUser(proto.user_id()));
  BOXOFFICE_TRY(CheckShow(proto.show_id()));
  call.show_id = proto.show_id();
  return call;
}

Result<Command> ReadConfigure(const v1::ConfigureQueue& proto) {
  BOXOFFICE_TRY(CheckShow(proto.show_id()));
  Configure configure{.show_id = proto.show_id()};
  if (proto.has_rate_per_s()) configure.rate_per_s = proto.rate_per_s();
  if (proto.has_active_cap()) configure.active_cap = proto.active_cap();
  if (proto.has_state()) {
    if (!v1::QueueState_IsValid(proto.state()) || proto.state() == v1::QUEUE_STATE_UNSPECIFIED) {
      return InvalidField("state", "must be OPEN, PAUSED, CLOSED, PREQUEUE or OFF");
    }
    configure.state = static_cast<QueueState>(proto.state());
  }
  if (proto.has_opens_at_ms()) {
    if (proto.opens_at_ms() < 0) return InvalidField("opens_at_ms", "must not be negative");
    configure.opens_at = FromUnixMs(proto.opens_at_ms());
  }
  if (configure.state == QueueState::kPrequeue) {
    BOXOFFICE_ASSIGN(configure.seed, auth::NewSecret());
  }
  BOXOFFICE_TRY(CheckSettings(configure));
  return configure;
}

Result<Command> ReadHeartbeat(const v1::Heartbeat& proto) {
  BOXOFFICE_TRY(CheckShow(proto.show_id()));
  if (static_cast<size_t>(proto.sequences_size()) > kMaxHeartbeatSequences) {
    return InvalidField("sequences", fmt::format("may have at most {} items", kMaxHeartbeatSequences));
  }
  return Heartbeat{proto.show_id(), {proto.sequences().begin(), proto.sequences().end()}};
}

Result<Command> ReadCommand(const v1::Command& proto, const auth::KeyRing& keys) {
  switch (proto.body_case()) {
    case v1::Command::kJoin: {
      BOXOFFICE_TRY(CheckShow(proto.join().show_id()));
      BOXOFFICE_ASSIGN(std::string user_id, ParseUser(proto.join().user_id()));
      return Join{proto.join().show_id(), std::move(user_id)};
    }
    case v1::Command::kLeave: {
      BOXOFFICE_ASSIGN(std::string user_id, ParseUser(proto.leave().user_id()));
      return Leave{ReadTicket(keys, proto.leave().token()), std::move(user_id)};
    }
    case v1::Command::kPoll: {
      BOXOFFICE_ASSIGN(std::string user_id, ParseUser(proto.poll().user_id()));
      return Poll{ReadTicket(keys, proto.poll().token()), std::move(user_id)};
    }
    case v1::Command::kBind: {
      BOXOFFICE_ASSIGN(SagaCall call, ReadSagaCall(proto.bind()));
      const std::string& token = proto.bind().token();
      return Bind{std::move(call),
                  token.empty() ? Ticket{.refusal = kTokenMissing} : ReadTicket(keys, token)};
    }
    case v1::Command::kUnbind: {
      BOXOFFICE_ASSIGN(SagaCall call, ReadSagaCall(proto.unbind()));
      return Unbind{std::move(call)};
    }
    case v1::Command::kComplete: {
      BOXOFFICE_ASSIGN(SagaCall call, ReadSagaCall(proto.complete()));
      return Complete{std::move(call)};
    }
    case v1::Command::kHeartbeat:
      return ReadHeartbeat(proto.heartbeat());
    case v1::Command::kConfigure:
      return ReadConfigure(proto.configure());
    case v1::Command::BODY_NOT_SET:
      break;
  }
  return InvalidField("body", "is missing");
}

// Nobody learns the seed before the draw.
void Write(const Draw& draw, v1::Draw& proto) {
  proto.set_commitment(auth::CommitmentTo(draw.seed));
  proto.set_first(draw.first);
  proto.set_entrants(draw.entrants);
  if (draw.Drawn()) proto.set_seed(draw.seed);
  proto.set_drawn_at_ms(ToUnixMs(draw.drawn_at));
}

void Write(const QueueView& view, v1::Queue& proto) {
  proto.set_show_id(view.show.show_id);
  proto.set_state(static_cast<v1::QueueState>(view.show.settings.state));
  proto.set_rate_per_s(view.show.settings.rate_per_s);
  proto.set_active_cap(view.show.settings.active_cap);
  proto.set_head_sequence(view.show.head_sequence);
  proto.set_last_sequence(view.show.last_sequence);
  proto.set_waiting(view.waiting);
  proto.set_active(view.active);
  proto.set_completed(view.show.completed);
  proto.set_expired(view.show.expired);
  proto.set_admitted_per_s(view.admitted_per_s);
  proto.set_admitted(view.show.admitted);
  proto.set_left(view.show.left);
  proto.set_opens_at_ms(ToUnixMs(view.show.settings.opens_at));
  if (!view.show.draw.seed.empty()) Write(view.show.draw, *proto.mutable_draw());
  proto.set_pace_per_s(view.pace_per_s);
  proto.set_refusal(std::string(view.refusal));
  proto.mutable_left_lately()->Assign(view.left_lately.begin(), view.left_lately.end());
  for (const Loading& loading : view.loadings) {
    v1::Loading& told = *proto.add_loadings();
    told.set_last_sequence(loading.last_sequence);
    told.set_token_end_ms(ToUnixMs(TokenEnd(loading.at)));
  }
}

// The body of an outcome, by its kind.
struct OutcomeWriter {
  const auth::KeyRing& keys;
  v1::Outcome& proto;

  void operator()(const SessionAnswer& answer) const {
    v1::Session& session = *proto.mutable_session();
    if (!answer.refusal.empty()) {
      session.set_refusal(std::string(answer.refusal));
      return;
    }
    session.set_state(static_cast<v1::SessionState>(answer.state));
    session.set_sequence(answer.claims.sequence);
    session.set_token(IssueTicket(keys, answer.claims));
    session.set_position(answer.position);
    session.set_eta_s(answer.eta_s);
    session.set_refresh_interval_s(answer.refresh_interval_s);
    session.set_expires_at_ms(ToUnixMs(answer.expires_at));
    session.set_place(answer.place);
    session.set_queue_state(static_cast<v1::QueueState>(answer.queue_state));
    session.set_opens_at_ms(ToUnixMs(answer.opens_at));
  }
  void operator()(const BindAnswer& answer) const {
    proto.mutable_bind()->set_kind(static_cast<v1::BindOutcome::Kind>(answer.kind));
    proto.mutable_bind()->set_refusal(std::string(answer.refusal));
    proto.mutable_bind()->set_state(static_cast<v1::SessionState>(answer.state));
  }
  void operator()(const Nothing&) const { proto.mutable_heartbeat(); }
  void operator()(const QueueView& view) const { Write(view, *proto.mutable_queue()); }
};

}  // namespace

RpcServer::RpcServer(queue::Service& service, History& history, std::shared_ptr<const auth::KeyRing> keys)
    : service_(service),
      history_(history),
      keys_(std::move(keys)),
      commands_(
          Commands::Translate([keys = keys_](const v1::Command& proto) { return ReadCommand(proto, *keys); },
                              [&service](Command command, auto done, const resilience::Terms& terms) {
                                service.Submit(std::move(command), std::move(done), terms);
                              },
                              [keys = keys_](const Outcome& outcome) {
                                v1::Outcome proto;
                                std::visit(OutcomeWriter{*keys, proto}, outcome);
                                return proto;
                              })) {}

grpc::ServerBidiReactor<v1::CommandBatch, v1::OutcomeBatch>* RpcServer::Execute(
    grpc::CallbackServerContext*) {
  return new rpc::CommandServer(commands_);
}

// Not what a process knows that was paused while another one led: an edge's heads would go back.
template <typename Response>
grpc::ServerUnaryReactor* RpcServer::AnswerFromMemory(grpc::CallbackServerContext* context,
                                                      const queue::Service::Moment& since,
                                                      Response& response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const queue::Service::Heads heads = service_.HeadsSince(since);
  if (!service_.leads()) {
    reactor->Finish(rpc::ToStatus({Code::kUnavailable, "not_leading", "another process may lead"}));
    return reactor;
  }
  for (const QueueView& view : heads.views) Write(view, *response.add_queues());
  if constexpr (std::is_same_v<Response, v1::GetHeadsResponse>) {
    response.set_epoch(heads.at.epoch);
    response.set_revision(heads.at.revision);
  }
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* RpcServer::GetHeads(grpc::CallbackServerContext* context,
                                              const v1::GetHeadsRequest* request,
                                              v1::GetHeadsResponse* response) {
  service_.NoteEdge();
  return AnswerFromMemory(context, {request->epoch(), request->revision()}, *response);
}

grpc::ServerUnaryReactor* RpcServer::ListQueues(grpc::CallbackServerContext* context,
                                                const v1::ListQueuesRequest*,
                                                v1::ListQueuesResponse* response) {
  return AnswerFromMemory(context, {}, *response);
}

grpc::ServerUnaryReactor* RpcServer::Audit(grpc::CallbackServerContext* context,
                                           const v1::AuditRequest* request, v1::AuditResponse* response) {
  const int64_t show_id = request->show_id();
  const uint64_t after = request->after_sequence();
  const int64_t asked = request->limit();
  const int64_t limit = asked == 0 ? kMaxAuditPage : std::min(asked, kMaxAuditPage);
  return rpc::Answer<v1::AuditResponse>(
      context, pool_, response,
      [this, show_id, after, limit]() -> Result<v1::AuditResponse> {
        BOXOFFICE_TRY(CheckShow(show_id));
        BOXOFFICE_ASSIGN(const std::vector<Session> sessions, history_.Sessions(show_id, after, limit + 1));
        v1::AuditResponse page;
        for (const Session& session : sessions) {
          if (page.rows_size() == limit) {
            page.set_more(true);
            break;
          }
          v1::AuditResponse::Row& row = *page.add_rows();
          row.set_show_id(session.show_id);
          row.set_sequence(session.sequence);
          row.set_user_id(session.user_id);
          row.set_state(static_cast<v1::SessionState>(session.state));
          if (!session.reservation.IsNil()) row.set_reservation_id(std::string(session.reservation.bytes()));
          row.set_admitted_at_ms(ToUnixMs(session.admitted_at));
        }
        return page;
      },
      resilience::Priority::kFinishing);
}

}  // namespace boxoffice::queue
